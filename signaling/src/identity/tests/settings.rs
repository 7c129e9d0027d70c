//! What is refused, with which code, and which keys and authorities may be set.

use super::*;

#[test]
fn each_verdict_has_its_refusal() {
    let refusal = |verdict: Verdict| verdict.refusal().map(|(code, _)| code);
    assert_eq!(refusal(Verdict::Verified(Attestation::C)), None);
    for (verdict, code) in [
        (Verdict::NoIdentity, 428),
        (Verdict::Stale, 403),
        (Verdict::CertificateUnavailable, 436),
        (Verdict::UntrustedCertificate, 437),
        (Verdict::BadSignature, 438),
        (Verdict::NumberMismatch, 438),
        (Verdict::Malformed, 438),
    ] {
        assert_eq!(refusal(verdict), Some(code));
    }
}

#[test]
fn a_signer_needs_a_right_key_url_and_identifier() {
    let world = World::new();
    let make = |key: &str, url: &str, origid: &str| Signer::new(key.as_bytes(), url, origid, &SystemRandom::new()).map(|_| ());
    assert_eq!(make(&world.carrier.key, URL, ORIGID), Ok(()));
    assert_eq!(make(&world.carrier.key, "http://c/", ORIGID), Err(SignerError::Url));
    assert_eq!(make(&world.carrier.key, URL, "1234"), Err(SignerError::Origid));
    assert_eq!(make("", URL, ORIGID), Err(SignerError::Key));
    assert_eq!(make(&world.carrier.chain, URL, ORIGID), Err(SignerError::Key));
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    assert_eq!(make(&other, URL, ORIGID), Err(SignerError::Key));
    assert!(matches!(TrustList::from_pem(b""), Err(TrustError::Count(0))));
    assert!(matches!(TrustList::from_pem(world.carrier.key.as_bytes()), Err(TrustError::Count(0))));
}
