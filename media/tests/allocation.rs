//! The relay path allocates nothing: counted, with a real engine on loopback.

#![expect(unsafe_code, reason = "a counting allocator can only be written so; it hands on to the system's")]
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicU64, Ordering},
};

use support::{Bench, page::Page};
use tandem_media::{codec::Codec, contract::Command};

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
fn a_relayed_packet_allocates_nothing_whether_it_came_encrypted_or_by_a_shared_port() {
    let mut bench = Bench::new(40, clock);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    let fewest = fewest_of(|| {
        let packets = (0..300).map(|_| {
            let packet = a.packet(0, false, &[7; 160]);
            a.sequence = a.sequence.wrapping_add(1);
            packet
        });
        (packets.collect(), a.rtp.try_clone().unwrap(), a.engine_rtp, b.rtp.try_clone().unwrap())
    });
    assert_eq!(fewest, 0, "allocations in 300 relayed packets");

    let own = pages(Bench::new(41, clock));
    let shared = pages(Bench::with(42, clock, |config| config.shared_port = Some(19_900)));
    assert_eq!(
        (own, shared),
        (0, 0),
        "allocations in 600 packets that came or went encrypted, by an own port and by the shared one"
    );
}

/// Allocations for 300 packets of a page to a phone, and 300 back.
fn pages(mut bench: Bench) -> u64 {
    let mut page = Page::connected(&mut bench, 100, clock);
    let mut phone = bench.phone_in(100, Codec::Pcma);
    bench.command(Command::Join { a: page.stream, b: phone.stream });
    let from_page = fewest_of(|| {
        let packets = (0..300).map(|_| page.packet(7)).collect();
        (packets, page.socket.try_clone().unwrap(), page.at, phone.rtp.try_clone().unwrap())
    });
    let to_page = fewest_of(|| {
        let packets = (0..300).map(|_| {
            let packet = phone.packet(8, false, &[7; 160]);
            phone.sequence = phone.sequence.wrapping_add(1);
            packet
        });
        (packets.collect(), phone.rtp.try_clone().unwrap(), phone.engine_rtp, page.socket.try_clone().unwrap())
    });
    from_page + to_page
}

/// Allocations while packets go from a socket to an address and come out at another socket, one after the other. Other
/// threads of this program allocate now and then, the relay would do so in every round.
fn fewest_of(mut round: impl FnMut() -> (Vec<Vec<u8>>, UdpSocket, SocketAddr, UdpSocket)) -> u64 {
    let mut rounds = (0..5).map(|_| {
        // Nobody floods.
        CLOCK.advance_ms(1_000);
        let (packets, from, to, heard_at) = round();
        let mut heard = [0; 500];
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        for packet in &packets {
            from.send_to(packet, to).unwrap();
            // Reports, which come by the same port, are shorter.
            while heard_at.recv(&mut heard).unwrap() < 172 {}
        }
        ALLOCATIONS.load(Ordering::SeqCst) - before
    });
    let first = rounds.next().unwrap();
    rounds.fold(first, u64::min)
}
