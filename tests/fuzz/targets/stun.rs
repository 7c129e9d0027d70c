//! A datagram that may be STUN: an answer is STUN itself, about the same request, at most 2.2 times as long, and answers
//! are never answered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_signaling::stun;

fuzz_target!(|bytes: &[u8]| {
    for source in ["192.0.2.1:5060", "[2001:db8::1]:5060", "[::ffff:192.0.2.1]:1"] {
        let source = source.parse().expect("an address");
        let Some(answer) = stun::answer(bytes, source) else { continue };
        assert!(stun::is_stun(bytes) && stun::is_stun(&answer));
        assert_eq!(answer[4..20], bytes[4..20]);
        assert!(answer.len() * 10 <= bytes.len() * 22, "{} for {}", answer.len(), bytes.len());
        assert_eq!(usize::from(u16::from_be_bytes([answer[2], answer[3]])), answer.len() - 20);
        assert!(stun::answer(&answer, source).is_none());
    }
});
