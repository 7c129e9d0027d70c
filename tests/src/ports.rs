//! Ports for phones that must live on 127.0.0.1, beside each other and beside other test runs.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

/// Below the ephemeral range and the audio ports of the switch.
const RANGE: std::ops::Range<u16> = 10_000..19_980;
const BLOCK: u16 = 20;

/// A block of ports that is ours as long as this lives.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    /// Whoever else looks for ports finds the last one of the block taken.
    _guard: UdpSocket,
}

impl Ports {
    /// A free block.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn take() -> Self {
        let blocks = (RANGE.end - RANGE.start) / BLOCK;
        let begin = u16::try_from(std::process::id() * 7 % u32::from(blocks)).expect("below the number of blocks");
        for step in 0..blocks {
            let first = RANGE.start + (begin + step) % blocks * BLOCK;
            let Ok(guard) = UdpSocket::bind((Ipv4Addr::LOCALHOST, first + BLOCK - 1)) else { continue };
            if (first..first + BLOCK - 1).all(is_free) {
                return Self { first, _guard: guard };
            }
        }
        panic!("no free ports in {RANGE:?}");
    }

    /// Port `n` of the block, from 0 to 18; 0 is even.
    ///
    /// # Panics
    /// Above 18.
    #[must_use]
    pub fn at(&self, n: u16) -> u16 {
        assert!(n < BLOCK - 1, "beyond the block");
        self.first + n
    }
}

fn is_free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
