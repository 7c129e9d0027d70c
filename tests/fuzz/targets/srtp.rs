//! SRTP and SRTCP under attack: what a peer protected arrives once and as it was, whatever comes between; what nobody
//! protected with the key never does. The key follows from the whole input: the fuzzer sees what tags are compared with, and would
//! forge packets for a key that stays.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use tandem_media::{
    keys::{StreamKey, Suite},
    rtp::Stamp,
    secure::{Protector, SEALED_BYTES, Unprotector},
};

const SUITES: [Suite; 5] = [
    Suite::AesCm128HmacSha1_80,
    Suite::AesCm128HmacSha1_32,
    Suite::AesCm256HmacSha1_80,
    Suite::AeadAes128Gcm,
    Suite::AeadAes256Gcm,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, mut rest)) = bytes.split_first() else { return };
    let suite = SUITES[usize::from(*kind) % SUITES.len()];
    let of_input =
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let key: Vec<u8> = of_input.to_be_bytes().into_iter().cycle().take(suite.key_bytes()).collect();
    let key = StreamKey::new(suite, &key, &vec![9; suite.salt_bytes()]).expect("a key of its length");
    let (mut sender, mut receiver) = (Protector::new(&key), Unprotector::new(&key));
    let (mut sequence, mut sent) = (u16::from(*kind), Vec::<Vec<u8>>::new());
    let mut arrived = HashSet::new();
    while let Some((&[step, length, place], tail)) = rest.split_first_chunk::<3>() {
        let (data, tail) = tail.split_at(usize::from(length).min(tail.len()));
        rest = tail;
        let mut packet = match step % 4 {
            // The next one of the peer, or one of a later time.
            0 => {
                sequence = sequence.wrapping_add(1 + u16::from(place) * u16::from(step >> 2));
                let stamp = Stamp { payload_type: 8, marker: false, sequence, timestamp: 160, ssrc: 5 };
                let mut clear = stamp.bytes().to_vec();
                clear.extend_from_slice(data);
                let mut sealed = vec![0; SEALED_BYTES];
                let Some(length) = sender.rtp(&clear, &mut sealed) else { continue };
                sealed.truncate(length);
                sent.push(sealed.clone());
                sealed
            }
            // One that was sent, again or changed in a bit.
            1 | 2 if !sent.is_empty() => {
                let mut packet = sent[usize::from(place) % sent.len()].clone();
                if step % 4 == 2 {
                    let at = usize::from(length) % packet.len();
                    packet[at] ^= 1 << (step >> 5);
                }
                packet
            }
            _ => data.to_vec(),
        };
        let wire = packet.clone();
        if let Some(length) = receiver.rtp(&mut packet) {
            assert!(length <= wire.len());
            assert!(sent.contains(&wire), "nobody sent that");
            assert!(arrived.insert(wire), "it came before");
        }
        let mut report = data.to_vec();
        assert!(receiver.rtcp(&mut report).is_none(), "nobody sends reports");
    }
});
