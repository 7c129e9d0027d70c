//! A handshake of DTLS between two of ours, with somebody on the wire who holds back, repeats, reorders, changes and invents
//! datagrams. Whoever gets keys has those of the other one; whoever is on the wire only gets none.
#![no_main]

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use libfuzzer_sys::fuzz_target;
use tandem_media::{
    browser::{Identity, Output, Peer, Terms},
    keys::StreamKeys,
};

static IDENTITIES: LazyLock<[Arc<Identity>; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Arc::new(Identity::new().expect("randomness"))));
/// Datagrams that whoever is on the wire may keep.
const KEPT: usize = 64;

fn place(side: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], if side == 0 { 4_000 } else { 5_000 }))
}

fuzz_target!(|bytes: &[u8]| {
    let mut now = Instant::now();
    let terms = |other: usize, is_client| Terms { fingerprint: IDENTITIES[other].fingerprint(), is_client, ice: None };
    let mut peers =
        [Peer::new(now, &IDENTITIES[0], &terms(1, true), place(1)), Peer::new(now, &IDENTITIES[1], &terms(0, false), place(0))];
    let mut keys: [Option<Box<StreamKeys>>; 2] = [None, None];
    // Whom for, and what.
    let mut wire: VecDeque<(usize, Vec<u8>)> = VecDeque::new();
    let mut rest = bytes;
    let mut steps = 0;
    loop {
        for side in 0..2 {
            while let Some(output) = peers[side].poll() {
                match output {
                    Output::Send { to, bytes } => {
                        assert_eq!(to, place(1 - side));
                        wire.push_back((1 - side, bytes));
                    }
                    Output::Keys(agreed) => {
                        assert!(keys[side].is_none(), "once");
                        keys[side] = Some(agreed);
                    }
                    Output::Selected(_) | Output::Silent(_) | Output::NoKeys(_) => {}
                }
            }
        }
        wire.truncate(KEPT);
        let Some((&[step, argument], tail)) = rest.split_first_chunk::<2>() else { break };
        rest = tail;
        steps += 1;
        if steps > 400 {
            break;
        }
        let mut pass = |(side, datagram): (usize, Vec<u8>)| {
            let _ = peers[side].handle(now, place(1 - side), &datagram);
        };
        match step % 8 {
            // As it should be, most of the time.
            0..=2 => {
                if let Some(next) = wire.pop_front() {
                    pass(next);
                }
            }
            3 => drop(wire.pop_front()),
            4 => {
                if let Some(last) = wire.pop_back() {
                    wire.push_front(last);
                }
            }
            5 => {
                if let Some(next) = wire.front().cloned() {
                    pass(next);
                }
            }
            6 => {
                if let Some((side, mut datagram)) = wire.pop_front() {
                    let at = (usize::from(argument) * 7 + usize::from(step)) % datagram.len().max(1);
                    if let Some(byte) = datagram.get_mut(at) {
                        *byte ^= 1 << (step >> 5);
                    }
                    pass((side, datagram));
                }
            }
            _ if argument < 128 => {
                now += Duration::from_millis(u64::from(argument) * 20);
                peers.iter_mut().for_each(|peer| peer.tick(now));
            }
            _ => {
                let (datagram, after) = rest.split_at(usize::from(argument - 128).min(rest.len()));
                rest = after;
                pass((usize::from(step >> 7), datagram.to_vec()));
            }
        }
    }
    if let [Some(client), Some(server)] = &keys {
        assert!(client.send == server.receive && client.receive == server.send, "the keys of each other");
    }
});
