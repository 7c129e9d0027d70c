//! A coturn of a test. The tests of the media engine have this file, too.

use std::{
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Who may borrow an address.
pub const USER: &str = "user";
/// How that one proves it.
pub const PASSWORD: &str = "secret";

/// A TURN server by UDP, on port 3478.
#[derive(Debug)]
pub struct TurnServer {
    process: Child,
    /// Where it is.
    pub at: SocketAddr,
    log: PathBuf,
}

impl TurnServer {
    /// On an address that differs between tests; what it lends is on another one.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start(ip: IpAddr, lends: IpAddr) -> Self {
        let at = SocketAddr::new(ip, 3_478);
        let log = std::env::temp_dir().join(format!("tandem-turn-{}-{ip}.log", std::process::id()));
        let file = fs::File::create(&log).expect("a writable folder");
        let process = Command::new("turnserver")
            .args(["-n", "-v", "-a", "-u", &format!("{USER}:{PASSWORD}"), "-r", "example"])
            .args(["--no-tls", "--no-dtls", "--no-cli", "--no-multicast-peers", "--allow-loopback-peers"])
            .args(["--min-port", "50000", "--max-port", "50099", "--relay-threads", "1"])
            .args(["--log-file", "stdout", "--simple-log", "--pidfile", "/dev/null", "-p", "3478"])
            .arg(format!("--listening-ip={ip}"))
            .arg(format!("--relay-ip={lends}"))
            .stdout(file.try_clone().expect("a file"))
            .stderr(file)
            .stdin(Stdio::null())
            .spawn()
            .expect("turnserver is installed (docker/packages.sh test)");
        let server = Self { process, at, log };
        server.answers();
        server
    }

    /// Waits until it is there.
    fn answers(&self) {
        let socket = UdpSocket::bind((self.at.ip(), 0)).expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time");
        let binding = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let is_there = |_| socket.send_to(&binding, self.at).is_ok() && socket.recv(&mut [0; 500]).is_ok();
        assert!((0..100).any(is_there), "no turnserver at {}: {}", self.at, self.log());
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.log);
    }
}
