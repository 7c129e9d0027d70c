//! Kamailio as a carrier's registrar and proxy. `tests/kamailio/kamailio.cfg` says what it does.

use std::{
    fs,
    net::{IpAddr, TcpStream},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

use crate::{ground::Ground, wait};

/// The domain that it answers for.
pub const DOMAIN: &str = "kamailio.test";
/// The password of everybody.
pub const PASSWORD: &str = "kamailio-secret";

/// A running Kamailio. Ended when dropped.
pub struct Kamailio {
    child: Child,
    /// Its address.
    pub ip: IpAddr,
    folder: PathBuf,
    /// The authority that its certificate leads to, in PEM.
    pub authority: String,
}

impl Kamailio {
    /// Starts one at an address; calls from `ground.ip` are those of the switch.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    #[must_use]
    pub fn start(ground: &Ground, ip: IpAddr) -> Self {
        let folder = ground.join(format!("kamailio-{ip}"));
        fs::create_dir_all(&folder).expect("a writable folder");
        let (authority, certificate, key) = certificates(ip);
        let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/kamailio/kamailio.cfg")).expect("a configuration");
        let path = folder.display().to_string();
        let places =
            [("ip", ip.to_string()), ("switch", ground.ip.to_string()), ("domain", DOMAIN.into()), ("password", PASSWORD.into())];
        let text = places.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
        let text = text.replace("{{folder}}", &path);
        for (name, text) in [("kamailio.cfg", &text), ("certificate.pem", &certificate), ("key.pem", &key)] {
            fs::write(folder.join(name), text).expect("a writable folder");
        }
        let log = fs::File::create(folder.join("log")).expect("a writable folder");
        let child = Command::new("kamailio")
            .args(["-DD", "-E", "-m", "32", "-M", "4", "-f"])
            .args([&format!("{path}/kamailio.cfg"), "-Y", &path, "-w", &path])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            // It is several processes: they are ended together.
            .process_group(0)
            .spawn()
            .expect("kamailio is installed (docker/packages.sh test)");
        let mut kamailio = Self { child, ip, folder, authority };
        wait::until_true("Kamailio listens", || {
            let lives = kamailio.child.try_wait().expect("our child").is_none();
            assert!(lives, "Kamailio is gone:\n{}", kamailio.log());
            TcpStream::connect((ip, 8_443)).is_ok()
        });
        kamailio
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until somebody has registered by a transport.
    #[track_caller]
    pub fn until_registered(&self, user: &str, transport: &str) {
        let line = format!("REGISTERED {user} by {transport}\n");
        wait::until_true(&format!("{user} registers at Kamailio by {transport}"), || self.log().contains(&line));
    }

    /// `kill -9`: all that it consists of is gone at once.
    pub fn kill(&mut self) {
        let group = format!("-{}", self.child.id());
        let _already_gone = Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status();
        let _reaped = self.child.wait();
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An authority, and a certificate of its for this address and [`DOMAIN`], with its key.
fn certificates(ip: IpAddr) -> (String, String, String) {
    let authority = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&authority).expect("a certificate").pem();
    let key = KeyPair::generate().expect("a key");
    let mut own = CertificateParams::new(vec![DOMAIN.to_owned()]).expect("a name");
    own.subject_alt_names.push(SanType::IpAddress(ip));
    let certificate = own.signed_by(&key, &Issuer::new(params, authority)).expect("a certificate").pem();
    (root, certificate, key.serialize_pem())
}
