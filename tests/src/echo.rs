//! Audio of a party whose signalling is elsewhere: whatever comes to its address goes back.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How soon an end is noticed.
const TURN: Duration = Duration::from_millis(100);

/// A socket that gives back what it hears, as long as this lives.
#[derive(Debug)]
pub struct Echo {
    /// Where it is.
    pub at: SocketAddr,
    heard: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// One at any port of an address.
    ///
    /// # Panics
    /// When the address is not of this machine.
    #[must_use]
    pub fn at(ip: IpAddr) -> Self {
        let socket = UdpSocket::bind((ip, 0)).expect("a loopback address");
        socket.set_read_timeout(Some(TURN)).expect("a socket option");
        let at = socket.local_addr().expect("bound");
        let (heard, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop) = (Arc::clone(&heard), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let mut packet = [0; 2_048];
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut packet) else { continue };
                count.fetch_add(1, Ordering::Relaxed);
                let _gone = socket.send_to(&packet[..length], from);
            }
        });
        Self { at, heard, over, thread: Some(thread) }
    }

    /// Packets that came by now.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
