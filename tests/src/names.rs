//! A name server of the test's own: dnsmasq on one address, knowing what the test says and nothing else.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    process::{Child, Command, Stdio},
};

use crate::wait;

const PORT: u16 = 5_353;

/// The name server. Ended when dropped.
pub struct NameServer {
    child: Child,
    /// Where it is asked.
    pub at: SocketAddr,
}

impl NameServer {
    /// Starts it with options of dnsmasq that say its records: `--srv-host=…`, `--host-record=…`.
    ///
    /// # Panics
    /// When dnsmasq is not installed, or does not answer.
    #[must_use]
    pub fn start(ip: IpAddr, records: &[String]) -> Self {
        let at = SocketAddr::new(ip, PORT);
        let child = Command::new("dnsmasq")
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-poll", "--pid-file="])
            .args(["--bind-interfaces", "--no-dhcp-interface=lo", "--local=/test/", "--local-ttl=30", "--log-facility=-"])
            .args([format!("--listen-address={ip}"), format!("--port={PORT}")])
            .args(records)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dnsmasq is installed (docker/packages.sh test)");
        let mut server = Self { child, at };
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0)).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        // A question for the root: whatever the answer, somebody is there.
        let question = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
        wait::until_true("dnsmasq answers", || {
            assert!(server.child.try_wait().expect("our child").is_none(), "dnsmasq is gone");
            let _not_there_yet = socket.send_to(&question, at);
            socket.recv(&mut [0; 512]).is_ok()
        });
        server
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
