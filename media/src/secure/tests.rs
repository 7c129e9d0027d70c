use super::*;
use crate::keys::Suite;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn key(suite: Suite, byte: u8) -> StreamKey {
    StreamKey::new(suite, &vec![byte; suite.key_bytes()], &vec![byte ^ 0xff; suite.salt_bytes()]).unwrap()
}

fn packet(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, 8];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend([0, 0, 0, 7]);
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn sealed(sender: &mut Protector, packet: &[u8]) -> Option<Vec<u8>> {
    let mut room = [0; SEALED_BYTES];
    let length = sender.rtp(packet, &mut room)?;
    Some(room[..length].to_vec())
}

fn sealed_rtcp(sender: &mut Protector, packet: &[u8]) -> Option<Vec<u8>> {
    let mut room = [0; SEALED_BYTES];
    let length = sender.rtcp(packet, &mut room)?;
    Some(room[..length].to_vec())
}

fn opened(receiver: &mut Unprotector, sealed: &[u8]) -> Option<Vec<u8>> {
    let mut room = sealed.to_vec();
    let length = receiver.rtp(&mut room)?;
    Some(room[..length].to_vec())
}

fn opened_rtcp(receiver: &mut Unprotector, sealed: &[u8]) -> Option<Vec<u8>> {
    let mut room = sealed.to_vec();
    let length = receiver.rtcp(&mut room)?;
    Some(room[..length].to_vec())
}

const CLEAR_RTP: &str = "800f1234 decafbad cafebabe abababab abababab abababab abababab";
const CLEAR_RTCP: &str = "81c8000b cafebabe abababab abababab abababab abababab";
/// Master key and salt of RFC 3711 appendix B.3.
const B3: (&str, &str) = ("E1F97A0D3E018BE0D64FA32C06DE4139", "0EC675AD498AFEEBB6960B3AABE6");

/// A packet under a master key, as every other implementation makes it: the reference packets that libsrtp's self-test
/// has for the master key of RFC 3711 appendix B.3, for AES-256 and for AES-GCM.
fn check(suite: Suite, (master, salt): (&str, &str), rtp: &str, rtcp: &str) {
    let key = StreamKey::new(suite, &hex(master), &hex(salt)).unwrap();
    let (mut sender, mut receiver) = (Protector::new(&key), Unprotector::new(&key));
    assert_eq!(sealed(&mut sender, &hex(CLEAR_RTP)).unwrap()[..], hex(rtp)[..], "{suite:?}");
    assert_eq!(opened(&mut receiver, &hex(rtp)).unwrap(), hex(CLEAR_RTP));
    assert_eq!(sealed_rtcp(&mut sender, &hex(CLEAR_RTCP)).unwrap()[..], hex(rtcp)[..], "index 1");
    assert_eq!(opened_rtcp(&mut receiver, &hex(rtcp)).unwrap(), hex(CLEAR_RTCP));
}

#[test]
fn packets_are_as_the_rfcs_and_other_implementations_have_them() {
    check(
        Suite::AesCm128HmacSha1_80,
        B3,
        "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb",
        "81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798",
    );
    check(
        Suite::AeadAes128Gcm,
        ("000102030405060708090a0b0c0d0e0f", "a0a1a2a3a4a5a6a7a8a9aaab"),
        "800f1234decafbadcafebabe c5002ede04cfdd2eb91159e0880aa06e d2976826f796b201df3131a127e8a392",
        "81c8000bcafebabe c98b8b5df0392a55852b6c21ac8e7025 c52c6fbea2b3b446ea31123ba88ce61e 80000001",
    );
}

/// RFC 4568 section 6.2.2: the short tag is RTP's only. RFC 6188, RFC 7714: lengths of tags.
#[test]
fn every_suite_carries_packets_with_its_own_length_of_tag() {
    for (suite, rtp, rtcp) in [
        (Suite::AesCm128HmacSha1_80, 10, 14),
        (Suite::AesCm128HmacSha1_32, 4, 14),
        (Suite::AesCm256HmacSha1_80, 10, 14),
        (Suite::AeadAes128Gcm, 16, 20),
        (Suite::AeadAes256Gcm, 16, 20),
    ] {
        let (mut sender, mut receiver) = (Protector::new(&key(suite, 1)), Unprotector::new(&key(suite, 1)));
        let mut other = Unprotector::new(&key(suite, 2));
        for sequence in 0..300 {
            let clear = packet(5, sequence, &[3; 160]);
            let sealed = sealed(&mut sender, &clear).unwrap();
            assert_eq!(sealed.len(), clear.len() + rtp);
            assert!(sealed[12..172] != clear[12..], "encrypted");
            assert_eq!(opened(&mut other, &sealed), None, "under another key it is nothing");
            assert_eq!(opened(&mut receiver, &sealed), Some(clear));
            let sealed = sealed_rtcp(&mut sender, &hex(CLEAR_RTCP)).unwrap();
            assert_eq!(sealed.len(), 24 + rtcp);
            assert_eq!(opened_rtcp(&mut other, &sealed), None);
            assert_eq!(opened_rtcp(&mut receiver, &sealed), Some(hex(CLEAR_RTCP)));
            assert_eq!(opened_rtcp(&mut receiver, &sealed), None, "RTCP has a replay window too");
        }
    }
}

#[test]
fn replays_and_what_is_older_than_the_window_are_refused_and_late_packets_are_not() {
    let key = key(Suite::AeadAes128Gcm, 1);
    let (mut sender, mut receiver) = (Protector::new(&key), Unprotector::new(&key));
    let sealed: Vec<_> = (0..400).map(|n| sealed(&mut sender, &packet(5, n, &[1])).unwrap()).collect();
    for (at, expected) in [
        (0, true),
        (0, false),
        (9, true),
        (3, true),
        (3, false),
        (300, true),
        (180, true),
        (170, false),
        (299, true),
        (299, false),
    ] {
        assert_eq!(opened(&mut receiver, &sealed[at]).is_some(), expected, "{at}");
    }
}

#[test]
fn no_keystream_is_used_twice() {
    let mut sender = Protector::new(&key(Suite::AesCm128HmacSha1_80, 1));
    assert!(sealed(&mut sender, &packet(5, 1_000, &[1])).is_some());
    assert!(sealed(&mut sender, &packet(5, 1_000, &[2])).is_none(), "another packet of the same index");
    assert!(sealed(&mut sender, &packet(5, 1_002, &[3])).is_some());
    assert!(sealed(&mut sender, &packet(5, 1_001, &[4])).is_some(), "a late one has an index of its own");
    assert!(sealed(&mut sender, &packet(5, 1_001, &[4])).is_none());
    assert!(sealed(&mut sender, &packet(5, 1_500, &[4])).is_some());
    assert!(sealed(&mut sender, &packet(5, 1_003, &[4])).is_none(), "nobody knows any more");
    let mut sender = Protector::new(&key(Suite::AesCm128HmacSha1_80, 1));
    assert!(sealed(&mut sender, &packet(5, 3, &[1])).is_some());
    assert!(sealed(&mut sender, &packet(5, 65_530, &[1])).is_none(), "before the first there is no counter");
}

/// RFC 3711 section 3.3.1.
#[test]
fn the_rollover_counter_follows_the_packets_of_a_long_call() {
    for suite in [Suite::AesCm128HmacSha1_32, Suite::AeadAes256Gcm] {
        let key = key(suite, 1);
        let (mut sender, mut receiver) = (Protector::new(&key), Unprotector::new(&key));
        for index in (100..400_000_u64).step_by(7) {
            let [.., high, low] = index.to_be_bytes();
            let clear = packet(5, u16::from_be_bytes([high, low]), &[9]);
            let sealed = sealed(&mut sender, &clear).unwrap();
            // Some are lost around each rollover.
            if index % 65_536 > 60 {
                assert_eq!(opened(&mut receiver, &sealed), Some(clear), "{suite:?} {index}");
            }
        }
    }
}

/// A receiver of the next process knows the key and nothing else; one that heard nothing for long knows an old counter.
#[test]
fn a_counter_that_is_not_known_is_found_again() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let key = key(suite, 1);
        let (mut sender, mut receiver) = (Protector::new(&key), Unprotector::new(&key));
        let mut seal = |index: u64| {
            let [.., high, low] = index.to_be_bytes();
            sealed(&mut sender, &packet(5, u16::from_be_bytes([high, low]), &[9])).unwrap()
        };
        assert!(opened(&mut receiver, &seal(40_000)).is_some());
        let early = seal(40_001);
        for index in (41_000..63 * 65_536).step_by(30_000) {
            seal(index);
        }
        let mut next = 63 * 65_536..;
        let mut next = || seal(next.next().unwrap());
        let mut fresh = Unprotector::new(&key);
        assert!(opened(&mut fresh, &next()).is_some(), "{suite:?}: the first packet after a restart");
        assert!(opened(&mut fresh, &next()).is_some() && opened(&mut fresh, &early).is_none(), "never back");
        // One failure was looked at with the receiver's first packet; so it takes a second of audio.
        let heard = (0..120).position(|_| opened(&mut receiver, &next()).is_some());
        assert!(heard.is_some_and(|failures| failures < 50), "{heard:?}");
        assert!((0..500).all(|_| opened(&mut receiver, &next()).is_some() && opened(&mut receiver, &early).is_none()));
    }
}

/// Test T-M2: 100,000 packets that are no packets of the peer.
#[test]
fn a_hundred_thousand_bad_packets_harm_nothing() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let key = key(suite, 1);
        let (mut sender, mut receiver) = (Protector::new(&key), Unprotector::new(&key));
        let mut random = crate::random::Random::new(7);
        let mut sequence = 0_u16;
        for round in 0..25_000_u32 {
            let clear = packet(5, sequence, &[9; 160]);
            let sealed = sealed(&mut sender, &clear).unwrap();
            let mut bad = sealed.to_vec();
            match round % 6 {
                0 => bad[171] ^= 1,
                1 => bad[8..12].copy_from_slice(&random.u32().to_be_bytes()),
                2 => bad.truncate(usize::from(random.u16()) % bad.len()),
                3 => bad[2..4].copy_from_slice(&sequence.wrapping_add(40_000).to_be_bytes()),
                4 => bad.iter_mut().for_each(|byte| *byte = random.u32().to_be_bytes()[0]),
                _ => bad[0] = 0x80 | (random.u32().to_be_bytes()[0] & 0x3f).max(1),
            }
            assert_eq!(opened(&mut receiver, &bad), None, "{round}");
            let mut rtcp = sealed_rtcp(&mut sender, &hex(CLEAR_RTCP)).unwrap().to_vec();
            let length = rtcp.len();
            match round % 3 {
                0 => rtcp[12] ^= 1,
                1 => rtcp.truncate(usize::from(random.u16()) % length),
                // Not encrypted, with an index far ahead: it would be believed, and stop all RTCP after it.
                _ => {
                    let flag = length - if suite == Suite::AeadAes128Gcm { 4 } else { 14 };
                    rtcp[flag] = 0x7f;
                }
            }
            assert_eq!(opened_rtcp(&mut receiver, &rtcp), None, "{round}");
            assert_eq!(opened(&mut receiver, &sealed), Some(clear), "{round}");
            assert!(round == 0 || opened(&mut receiver, &sealed).is_none());
            sequence = sequence.wrapping_add(1);
        }
        assert_eq!(receiver.sources.len(), 1, "nothing grew");
        assert!(opened_rtcp(&mut receiver, &sealed_rtcp(&mut sender, &hex(CLEAR_RTCP)).unwrap()).is_some());
    }
}

/// The `srtp` crate makes the same of the same packets.
#[test]
fn another_implementation_agrees_to_the_byte() {
    use ::srtp::{context::Context, crypto, protection_profile::ProtectionProfile};
    for suite in Suite::ALL {
        let profile = match suite {
            Suite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            Suite::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
            Suite::AesCm256HmacSha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
            Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        };
        let key = key(suite, 0x5a);
        let provider = crypto::default_provider().unwrap();
        let context = || Context::new(key.key(), key.salt(), profile, None, None, provider.crypto()).unwrap();
        let (mut theirs, mut reader) = (context(), context());
        let (mut sender, mut receiver) = (Protector::new(&key), Unprotector::new(&key));
        // Over a rollover, with payloads of every length that there is of a block.
        for n in 0..200_u16 {
            let clear = packet(0x8000_0001, n.wrapping_sub(100), &vec![7; usize::from(n)]);
            let own = sealed(&mut sender, &clear).unwrap();
            assert_eq!(own[..], theirs.encrypt_rtp(&clear).unwrap()[..], "{suite:?} {n}");
            assert_eq!(reader.decrypt_rtp(&own).unwrap()[..], clear[..]);
            assert_eq!(opened(&mut receiver, &own), Some(clear));
            let report = hex(CLEAR_RTCP);
            let own = sealed_rtcp(&mut sender, &report).unwrap();
            assert_eq!(own[..], theirs.encrypt_rtcp(&report).unwrap()[..], "{suite:?} {n}");
            assert_eq!(reader.decrypt_rtcp(&own).unwrap()[..], report[..]);
        }
    }
}

#[test]
fn a_room_that_is_too_small_is_not_written_beyond() {
    for suite in Suite::ALL {
        let mut sender = Protector::new(&key(suite, 1));
        let clear = packet(5, 1, &[1; 160]);
        assert_eq!(sender.rtp(&clear, &mut [0; 172]), None);
        assert_eq!(sender.rtcp(&hex(CLEAR_RTCP), &mut [0; 24]), None);
        assert!(sealed(&mut sender, &clear).is_some(), "and its index is still there");
        let mut receiver = Unprotector::new(&key(suite, 1));
        for length in 0..60 {
            assert!(
                opened(&mut receiver, &vec![0x80; length]).is_none() && opened_rtcp(&mut receiver, &vec![0xff; length]).is_none()
            );
        }
    }
}

#[test]
fn a_peer_may_change_its_source_and_extensions_that_nobody_reads_spoil_nothing() {
    let key = key(Suite::AeadAes128Gcm, 1);
    let mut receiver = Unprotector::new(&key);
    for ssrc in 0..10 {
        let mut sender = Protector::new(&key);
        for n in 0..3 {
            let clear = packet(ssrc, n, &[1; 20]);
            assert_eq!(opened(&mut receiver, &sealed(&mut sender, &clear).unwrap()), Some(clear));
        }
    }
    assert_eq!(receiver.sources.len(), MOST_SOURCES);
    // One-byte extensions that end early, two contributing sources, padding.
    let mut clear = hex("b2080001 00000007 00000063 00000001 00000002 bede0002 f0000000 ffffffff 0102 0002");
    let whole = sealed(&mut Protector::new(&key), &clear).unwrap();
    assert_eq!(whole[..32], clear[..32], "the header is in the clear");
    assert_eq!(opened(&mut receiver, &whole), Some(clear.clone()));
    clear[23] = 0xff;
    assert!(sealed(&mut Protector::new(&key), &clear).is_none(), "an extension that is longer than the packet");
}
