//! Credentials and challenges: read, answered, checked.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tandem_signaling::digest::{Algorithm, Challenge, Challenger, Claim, ha1};
use tandem_signaling::message::auth_values;

fuzz_target!(|text: &str| {
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut challenger = Challenger::new("realm", vec![Algorithm::Sha256, Algorithm::Md5], [7; 32], Duration::from_secs(60));
    for value in auth_values(text).take(16) {
        value.params().for_each(drop);
        if let Some(challenge) = Challenge::read(&value) {
            let answer = challenge.answer("user", "password", "INVITE", "sip:a@h", 1, "cnonce");
            assert!(!answer.contains(['\r', '\n']) || text.contains(['\r', '\n']));
            assert_eq!(auth_values(&answer).count(), 1, "{answer}");
        }
        if let Some(claim) = Claim::read(&value, "realm") {
            let _ = challenger.check(1_000, source, "INVITE", &claim, Some(&ha1("user", "realm", "password")));
        }
    }
});
