//! Identity headers and the certificates behind them: every case is judged once, and nothing that a stranger wrote is
//! found to be verified.
#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use libfuzzer_sys::fuzz_target;
use tandem_signaling::identity::{Case, Fetched, Input, Output, Presented, TrustList, Verdict, Verifier};
use tandem_signaling::message::Message;

/// A header that is right but for its signature, and a certificate whose key nobody has.
const RIGHT: &str = include_str!("../seeds/identity/right");
static AUTHORITY: LazyLock<Arc<TrustList>> =
    LazyLock::new(|| Arc::new(TrustList::from_pem(include_bytes!("../seeds/authority.pem")).expect("an authority")));

fuzz_target!(|bytes: &[u8]| {
    // What comes before the first zero stands in the header, what comes after is the certificate.
    let cut = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (headers, certificate) = (&bytes[..cut], bytes.get(cut + 1..).unwrap_or_default());
    let mut text = b"INVITE sip:+12155551213@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
        From: <sip:+12155551212@a>;tag=1\r\nTo: <sip:+12155551213@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
        .to_vec();
    text.extend_from_slice(if headers.is_empty() { RIGHT.as_bytes() } else { headers });
    text.extend_from_slice(b"\r\nContent-Length: 0\r\n\r\n");
    let Ok(message) = Message::parse(text.into()) else { return };
    let presented = Presented::of(&message).map(Box::new);
    let was_presented = presented.is_some();
    let mut verifier = Verifier::default();
    let mut now = Instant::now();
    let case = |id, unix_s, presented| Case {
        id,
        presented,
        shown: "+12155551212".to_owned(),
        trust: Arc::clone(&AUTHORITY),
        window_s: 60,
        country_code: Some("1".to_owned()),
        hosts: Arc::default(),
        unix_s,
    };
    verifier.handle(now, Input::Examine(Box::new(case(1, 1_443_208_345, presented.clone()))));
    verifier.handle(now, Input::Examine(Box::new(case(2, 0, presented))));
    let mut judged = [0; 2];
    for round in 0..64 {
        while let Some(output) = verifier.poll() {
            match output {
                Output::Judged { id, verdict, vouched } => {
                    judged[usize::try_from(id - 1).expect("one of two")] += 1;
                    assert!(!matches!(verdict, Verdict::Verified(_)) && vouched.is_none(), "{verdict:?}");
                    assert!(was_presented || matches!(verdict, Verdict::NoIdentity));
                }
                Output::Fetch { url, .. } => {
                    assert!(url.starts_with("https://"));
                    if round % 2 == 0 {
                        let outcome = Some(Fetched { bytes: certificate.to_vec(), max_age: Duration::from_secs(60) });
                        verifier.handle(now, Input::Fetched { url, outcome });
                    }
                }
            }
        }
        let Some(deadline) = verifier.deadline() else { break };
        now = now.max(deadline);
        verifier.handle(now, Input::Tick);
    }
    assert_eq!(judged, [1, 1]);
});
