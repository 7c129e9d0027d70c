//! The relay path allocates nothing: counted, with a real engine on loopback.

#![expect(unsafe_code, reason = "a counting allocator can only be written so; it hands on to the system's")]

mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use support::Bench;
use tandem_media::codec::Codec;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed on unchanged to the system allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer came from `alloc`, which is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

simulated_clock!(CLOCK, clock);

/// The only test of this program: another one beside it would be counted too.
#[test]
fn a_relayed_packet_allocates_nothing() {
    let mut bench = Bench::new(40, clock);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    let to: SocketAddr = a.engine_rtp;
    let mut relay = |count: u16| {
        let mut packet = [7; 172];
        packet[..12].copy_from_slice(&a.packet(0, false, &[])[..12]);
        let mut heard = [0; 500];
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        for _ in 0..count {
            packet[2..4].copy_from_slice(&a.sequence.to_be_bytes());
            a.sequence = a.sequence.wrapping_add(1);
            a.rtp.send_to(&packet, to).unwrap();
            assert_eq!(b.rtp.recv(&mut heard).unwrap(), 172);
        }
        ALLOCATIONS.load(Ordering::SeqCst) - before
    };
    // Other threads of this program allocate now and then, the relay would do so in every round.
    let fewest = (0..5).map(|_| relay(300)).min();
    assert_eq!(fewest, Some(0), "allocations in 300 relayed packets");
}
