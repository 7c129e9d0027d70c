//! Calls with Identity headers, judged in simulated time.

mod authority;
mod settings;
mod strict;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

use super::*;
use crate::message::Message;
use authority::{Authority, Carrier, ORIGID, Oddity, URL};

const NOW_S: u64 = 1_800_000_000;

/// A verifier, the web that it asks, and one signer.
struct World {
    authority: Authority,
    carrier: Carrier,
    verifier: Verifier,
    now: Instant,
    /// What lies at each URL.
    web: Vec<(String, Fetched)>,
    fetches: usize,
    /// Whether the last fetch was of a host that the plan names.
    named: bool,
}

impl World {
    fn new() -> Self {
        let authority = Authority::new();
        let carrier = authority.carrier(Oddity::None);
        let mut world =
            Self { authority, carrier, verifier: Verifier::default(), now: start(), web: Vec::new(), fetches: 0, named: false };
        world.publish_own(60);
        world
    }

    fn publish(&mut self, url: &str, chain: impl Into<Vec<u8>>, max_age_s: u64) {
        self.web.insert(0, (url.to_owned(), Fetched { bytes: chain.into(), max_age: Duration::from_secs(max_age_s) }));
    }

    fn publish_own(&mut self, max_age_s: u64) {
        let chain = self.carrier.chain.clone();
        self.publish(URL, chain, max_age_s);
    }

    fn sign(&self, orig: &str, dest: &str, attestation: Attestation, iat: u64) -> String {
        let number = |user| TelephoneNumber::from_user(user).unwrap();
        self.carrier.signer().sign((&number(orig), &number(dest)), attestation, iat, &SystemRandom::new()).unwrap()
    }

    fn case(&self, id: u64, headers: &str) -> Case {
        let request = invite("+12155551212", "+41445550100", headers);
        Case {
            id,
            presented: Presented::of(&request).map(Box::new),
            shown: "+12155551212".to_owned(),
            trust: Arc::new(self.authority.trust()),
            window_s: 60,
            country_code: None,
            hosts: Arc::default(),
            unix_s: NOW_S,
        }
    }

    /// Judges a case with the web at hand.
    fn judge(&mut self, case: Case) -> (Verdict, Option<Vouched>) {
        self.verifier.handle(self.now, Input::Examine(Box::new(case)));
        let mut judged = None;
        while let Some(output) = self.verifier.poll() {
            match output {
                Output::Fetch { url, named } => {
                    self.named = named;
                    self.fetches += 1;
                    let found = self.web.iter().find(|(at, _)| **at == *url).map(|(_, fetched)| fetched.clone());
                    self.verifier.handle(self.now, Input::Fetched { url, outcome: found });
                }
                Output::Judged { verdict, vouched, .. } => {
                    assert!(judged.replace((verdict, vouched.map(|vouched| *vouched))).is_none(), "judged twice");
                }
            }
        }
        judged.expect("judged")
    }

    fn verdict(&mut self, headers: &str) -> &'static str {
        let case = self.case(1, headers);
        self.judge(case).0.as_str()
    }

    /// The verdict on a good header.
    fn usual(&mut self) -> &'static str {
        let header = self.sign("+12155551212", "+41445550100", Attestation::A, NOW_S);
        self.verdict(&format!("Identity: {header}\r\n"))
    }
}

#[expect(clippy::disallowed_methods, reason = "an instant to count from")]
fn start() -> Instant {
    Instant::now()
}

fn invite(from: &str, to: &str, headers: &str) -> Message {
    let text = format!(
        "INVITE sip:{to}@switch.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:{from}@carrier.example>;tag=1\r\nTo: <sip:{to}@switch.example>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{headers}Content-Length: 0\r\n\r\n"
    );
    Message::parse(Bytes::from(text)).unwrap()
}

/// A header with these JOSE header and claims, signed by a key.
fn signed(carrier: &Carrier, jose: &str, claims: &str) -> String {
    let der = PrivatePkcs8KeyDer::from_pem_slice(carrier.key.as_bytes()).unwrap();
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random).unwrap();
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(jose), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(&random, text.as_bytes()).unwrap());
    format!("Identity: {text}.{signature};info=<{URL}>;alg=ES256;ppt=shaken\r\n")
}

#[test]
fn what_we_sign_is_verified_with_each_attestation_and_in_both_header_forms() {
    let mut world = World::new();
    for (attestation, word) in [(Attestation::A, "verified-a"), (Attestation::B, "verified-b"), (Attestation::C, "verified-c")] {
        let header = world.sign("+12155551212", "+41445550100", attestation, NOW_S);
        assert_eq!(world.verdict(&format!("Identity: {header}\r\n")), word);
        assert_eq!(world.verdict(&format!("y: {header}\r\n")), word);
        let folded = header.replace(";info", "\r\n ;info");
        assert_eq!(world.verdict(&format!("IDENTITY : {folded}\r\n")), word);
    }
    assert_eq!(world.fetches, 1, "one certificate, asked for once");
}

#[test]
fn keys_of_a_signed_token_stand_in_order_without_white_space() {
    let world = World::new();
    let header = world.sign("+12155551212", "+41445550100", Attestation::B, 7);
    let (token, params) = header.split_once(';').unwrap();
    let text: Vec<String> =
        token.split('.').take(2).map(|part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()).collect();
    assert_eq!(text[0], format!(r#"{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{URL}"}}"#));
    let claims = r#"{"attest":"B","dest":{"tn":["41445550100"]},"iat":7,"orig":{"tn":"12155551212"},"origid":""#;
    assert_eq!(text[1], format!("{claims}{ORIGID}\"}}"));
    assert_eq!(params, format!("info=<{URL}>;alg=ES256;ppt=shaken"));
}

#[test]
fn without_a_header_that_we_read_there_is_no_identity() {
    let mut world = World::new();
    assert_eq!(world.verdict(""), "no-identity");
    let header = world.sign("+12155551212", "+41445550100", Attestation::A, NOW_S);
    assert_eq!(world.verdict(&format!("Identity: {}\r\n", header.replace("shaken", "div"))), "no-identity");
    assert_eq!(world.verdict(&format!("Identity: {}\r\n", header.replace(";ppt=shaken", ""))), "no-identity");
    assert_eq!(world.fetches, 0);
}

#[test]
fn a_signature_is_fresh_for_the_window_on_both_sides() {
    let mut world = World::new();
    for (iat, word) in [
        (NOW_S - 60, "verified-a"),
        (NOW_S + 60, "verified-a"),
        (NOW_S - 61, "stale"),
        (NOW_S + 61, "stale"),
        (0, "stale"),
        (u64::MAX, "stale"),
    ] {
        let header = world.sign("+12155551212", "+41445550100", Attestation::A, iat);
        assert_eq!(world.verdict(&format!("Identity: {header}\r\n")), word, "{iat}");
    }
    let mut case = {
        let header = world.sign("+12155551212", "+41445550100", Attestation::A, NOW_S - 61);
        world.case(1, &format!("Identity: {header}\r\n"))
    };
    case.window_s = 61;
    assert_eq!(world.judge(case).0.as_str(), "verified-a");
}

#[test]
fn both_numbers_must_be_those_of_the_call() {
    let mut world = World::new();
    for (orig, dest, word) in [
        ("+1 (215) 555-1212", "41445550100", "verified-a"),
        ("+12155551213", "+41445550100", "number-mismatch"),
        ("+12155551212", "+41445550101", "number-mismatch"),
    ] {
        let header = world.sign(orig, dest, Attestation::A, NOW_S);
        assert_eq!(world.verdict(&format!("Identity: {header}\r\n")), word, "{orig} {dest}");
    }
}

#[test]
fn who_shows_one_number_cannot_have_another_vouched_for() {
    let mut world = World::new();
    let header = world.sign("+12155559999", "+41445550100", Attestation::A, NOW_S);
    let headers = format!("Identity: {header}\r\nP-Asserted-Identity: <sip:+12155559999@carrier.example>\r\n");
    assert_eq!(world.verdict(&headers), "number-mismatch");
    // Who shows no number is known by what the network asserts, also as a `tel` URI.
    let headers = format!("Identity: {header}\r\nP-Asserted-Identity: \"x\" <sip:x@y>, <tel:+1-215-555-9999>\r\n");
    let mut case = world.case(1, &headers);
    case.shown = "anonymous".to_owned();
    assert_eq!(world.judge(case).0.as_str(), "verified-a");
    // Where nothing is asserted, From is what was signed, although it is not shown.
    let header = world.sign("+12155551212", "+41445550100", Attestation::A, NOW_S);
    let mut case = world.case(2, &format!("Identity: {header}\r\n"));
    case.shown = "anonymous".to_owned();
    assert_eq!(world.judge(case).0.as_str(), "verified-a");
}

#[test]
fn numbers_as_dialled_at_home_are_those_of_the_country() {
    let mut world = World::new();
    let header = world.sign("+41791234567", "+41445550100", Attestation::A, NOW_S);
    let request = invite("0791234567", "0445550100", &format!("Identity: {header}\r\n"));
    for (country_code, word) in [(None, "number-mismatch"), (Some("41".to_owned()), "verified-a")] {
        let case = world.case(1, "");
        let presented = Presented::of(&request).map(Box::new);
        let case = Case { presented, shown: "0791234567".to_owned(), country_code, ..case };
        assert_eq!(world.judge(case).0.as_str(), word);
    }
}

#[test]
fn a_signature_by_another_key_or_over_other_claims_is_bad() {
    let mut world = World::new();
    let other = world.authority.carrier(Oddity::None);
    let header = world.sign("+12155551212", "+41445550100", Attestation::A, NOW_S);
    world.publish(URL, other.chain, 0);
    assert_eq!(world.verdict(&format!("Identity: {header}\r\n")), "bad-signature");
    world.publish_own(0);
    let raised = {
        let header = world.sign("+12155551212", "+41445550100", Attestation::C, NOW_S);
        let claims = header.split('.').nth(1).unwrap().to_owned();
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(&claims).unwrap()).unwrap();
        header.replace(&claims, &URL_SAFE_NO_PAD.encode(text.replace("\"C\"", "\"A\"")))
    };
    assert_eq!(world.verdict(&format!("Identity: {raised}\r\n")), "bad-signature");
}

#[test]
fn a_certificate_leads_to_a_trusted_authority_or_counts_for_nothing() {
    for (oddity, word) in [
        (Oddity::None, "verified-a"),
        (Oddity::TnAuthList, "verified-a"),
        (Oddity::Expired, "untrusted-certificate"),
        (Oddity::OtherPurpose, "untrusted-certificate"),
        (Oddity::Ca, "untrusted-certificate"),
    ] {
        let mut world = World::new();
        world.carrier = world.authority.carrier(oddity);
        world.publish_own(60);
        assert_eq!(world.usual(), word);
    }
    let mut world = World::new();
    world.authority = Authority::new();
    assert_eq!(world.usual(), "untrusted-certificate", "another authority");
    let mut world = World::new();
    let alone = world.carrier.chain.split_inclusive("-----END CERTIFICATE-----").next().unwrap().to_owned();
    world.publish(URL, alone, 60);
    assert_eq!(world.usual(), "untrusted-certificate", "the intermediate certificate is missing");
}

#[test]
fn what_the_certificate_says_of_its_numbers_is_noted() {
    let mut world = World::new();
    for (oddity, noted) in [(Oddity::None, false), (Oddity::TnAuthList, true)] {
        world.carrier = world.authority.carrier(oddity);
        world.publish_own(0);
        let header = world.sign("+12155551212", "+41445550100", Attestation::A, NOW_S);
        let case = world.case(1, &format!("Identity: {header}\r\n"));
        assert_eq!(world.judge(case).1, Some(Vouched { origid: ORIGID.to_owned(), has_tn_auth_list: noted }));
    }
}

#[test]
fn a_certificate_that_cannot_be_had_or_read_is_unavailable() {
    for (bytes, max_age_s) in [(b"no certificate".to_vec(), 60), (vec![0x30; 70_000], 60), (Vec::new(), 60)] {
        let mut world = World::new();
        world.publish(URL, bytes, max_age_s);
        assert_eq!(world.usual(), "certificate-unavailable");
    }
    let mut world = World::new();
    world.web.clear();
    assert_eq!(world.usual(), "certificate-unavailable");
    world.publish_own(60);
    assert_eq!((world.usual(), world.fetches), ("certificate-unavailable", 1), "a failure is remembered for a while");
    world.now += Duration::from_secs(10);
    assert_eq!((world.usual(), world.fetches), ("verified-a", 2));
}

#[test]
fn a_certificate_is_kept_as_long_as_its_server_allows() {
    let mut world = World::new();
    assert_eq!((world.usual(), world.usual(), world.fetches), ("verified-a", "verified-a", 1));
    world.now += Duration::from_secs(60);
    assert_eq!((world.usual(), world.fetches), ("verified-a", 2));
    let mut world = World::new();
    world.publish_own(0);
    assert_eq!((world.usual(), world.usual(), world.fetches), ("verified-a", "verified-a", 2), "no-store");
}

#[test]
fn calls_wait_together_for_one_certificate_and_not_for_ever() {
    let mut world = World::new();
    let header = world.sign("+12155551212", "+41445550100", Attestation::A, NOW_S);
    for id in 0..300 {
        let case = world.case(id, &format!("Identity: {header}\r\n"));
        world.verifier.handle(world.now, Input::Examine(Box::new(case)));
    }
    let drain = |verifier: &mut Verifier| {
        let (mut fetches, mut verdicts) = (0, Vec::new());
        while let Some(output) = verifier.poll() {
            match output {
                Output::Fetch { .. } => fetches += 1,
                Output::Judged { id, verdict, .. } => verdicts.push((id, verdict)),
            }
        }
        (fetches, verdicts)
    };
    let (fetches, verdicts) = drain(&mut world.verifier);
    assert_eq!((fetches, verdicts.len()), (1, 300 - 256), "what finds no room is judged at once");
    assert!(verdicts.iter().all(|(_, verdict)| *verdict == Verdict::CertificateUnavailable));
    assert_eq!(world.verifier.deadline(), Some(world.now + Duration::from_secs(5)));
    world.verifier.handle(world.now + Duration::from_secs(5), Input::Tick);
    assert_eq!(drain(&mut world.verifier).1.len(), 256);
    assert_eq!(world.verifier.deadline(), None);
    // What comes too late judges nobody twice.
    world.verifier.handle(world.now, Input::Fetched { url: URL.into(), outcome: None });
    assert!(drain(&mut world.verifier).1.is_empty());
}

#[test]
fn one_good_header_among_several_is_enough_and_the_first_fault_is_told() {
    let mut world = World::new();
    let good = world.sign("+12155551212", "+41445550100", Attestation::A, NOW_S);
    let stale = world.sign("+12155551212", "+41445550100", Attestation::A, 7);
    let elsewhere = good.replace("certificates.example/1", "certificates.example/2");
    assert_eq!(world.verdict(&format!("Identity: {stale}\r\nIdentity: x\r\nIdentity: {good}\r\n")), "verified-a");
    assert_eq!(world.verdict(&format!("Identity: {stale}\r\nIdentity: x\r\n")), "stale");
    assert_eq!(world.verdict(&format!("Identity: {elsewhere}\r\n")), "malformed", "`info` is not what was signed");
    let nine = format!("{}Identity: {good}\r\n", "Identity: x\r\n".repeat(8));
    assert_eq!(world.verdict(&nine), "malformed", "only eight are looked at");
}

#[test]
fn certificates_come_from_the_named_hosts_only_where_some_are_named() {
    let mut world = World::new();
    let header = world.sign("+12155551212", "+41445550100", Attestation::A, NOW_S);
    for (hosts, word, named) in [
        (&["other.example"][..], "certificate-unavailable", false),
        (&["other.example", "certificates.example"], "verified-a", true),
    ] {
        let mut case = world.case(1, &format!("Identity: {header}\r\n"));
        case.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        assert_eq!((world.judge(case).0.as_str(), world.named), (word, named));
    }
    assert_eq!(world.fetches, 1);
    let host = passport::host_of;
    assert_eq!(
        (host("https://A.b:8443/x"), host("https://[::1]:1/x"), host("https://a?x")),
        ("a.b".into(), "::1".into(), "a".into())
    );
}
