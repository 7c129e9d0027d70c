//! Where a test takes place: a folder and a loopback address that no other test has.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU8, AtomicU32, Ordering},
    thread,
};

static COUNTER: AtomicU32 = AtomicU32::new(0);
/// Neighbours of devices; those from 192 on are the carrier's (`Ground::carrier_network`).
const FIRST_DEVICE: u8 = 10;
const FIRST_CARRIER: u8 = 192;

/// A folder and an address. The folder is removed at the end of a test that went well.
#[derive(Debug)]
pub struct Ground {
    /// Address of the switch.
    pub ip: IpAddr,
    /// Whatever the test leaves behind.
    pub folder: PathBuf,
    devices: AtomicU8,
    carriers: AtomicU8,
}

impl Ground {
    /// A ground in 127.0.0.0/8.
    #[must_use]
    pub fn new() -> Self {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let own = std::process::id().wrapping_mul(61).wrapping_add(number) % (200 * 250);
        let octet = |n: u32| u8::try_from(n).expect("below 250");
        Self::at(IpAddr::V4(Ipv4Addr::new(127, 20 + octet(own / 250), octet(own % 250) + 1, 1)), number)
    }

    /// The one address that IPv6 has for this machine: tests that use it need ports of their own.
    #[must_use]
    pub fn v6() -> Self {
        Self::at(IpAddr::V6(Ipv6Addr::LOCALHOST), COUNTER.fetch_add(1, Ordering::Relaxed))
    }

    fn at(ip: IpAddr, number: u32) -> Self {
        let folder = std::env::temp_dir().join(format!("tandem-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a writable folder");
        Self { ip, folder, devices: AtomicU8::new(FIRST_DEVICE), carriers: AtomicU8::new(FIRST_CARRIER) }
    }

    /// An address for one more device.
    #[must_use]
    pub fn device(&self) -> IpAddr {
        self.neighbour(self.devices.fetch_add(1, Ordering::Relaxed))
    }

    /// An address for one more machine of the carrier.
    #[must_use]
    pub fn carrier(&self) -> IpAddr {
        self.neighbour(self.carriers.fetch_add(1, Ordering::Relaxed))
    }

    /// The network of all the carrier's machines, for `match`.
    #[must_use]
    pub fn carrier_network(&self) -> String {
        format!("{}/26", self.neighbour(FIRST_CARRIER))
    }

    fn neighbour(&self, last: u8) -> IpAddr {
        match self.ip {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                IpAddr::V4(Ipv4Addr::new(a, b, c, last))
            }
            v6 => v6,
        }
    }

    /// Writes a plan of one file and returns its folder. `{carrier}` stands for the carrier's network.
    ///
    /// # Panics
    /// When the folder cannot be written.
    #[must_use]
    pub fn plan(&self, text: &str) -> PathBuf {
        let plan = self.folder.join("plan");
        fs::create_dir_all(&plan).expect("a writable folder");
        fs::write(plan.join("plan.kdl"), text.replace("{carrier}", &self.carrier_network())).expect("a writable folder");
        plan
    }

    /// A path in the folder.
    #[must_use]
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.join(path)
    }
}

impl Default for Ground {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("left for a look: {}", self.folder.display());
        } else {
            let _not_worth_failing = fs::remove_dir_all(&self.folder);
        }
    }
}
