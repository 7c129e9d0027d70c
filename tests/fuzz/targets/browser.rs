//! What comes to a stream with keys by DTLS besides its packets: checks of ICE and records of DTLS, right and wrong, from
//! several places, while time goes on, in the lite role and in the full one. Nothing is sent to a place that proved nothing
//! but an answer that is not three times as long as what it answers, and a few checks where candidates are. Nothing but a
//! proved peer ever gives keys.
#![no_main]

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use libfuzzer_sys::fuzz_target;
use tandem_media::browser::{
    Candidate, CheckTerms, Fingerprint, IceTerms, Identity, Output, Peer, Terms, answered_in, asked_in, name_in,
};

static IDENTITY: LazyLock<Arc<Identity>> = LazyLock::new(|| Arc::new(Identity::new().expect("randomness")));

fn place(number: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, number % 4], 4_000 + u16::from(number % 3)))
}

fn terms(kind: u8) -> Terms {
    let ice = IceTerms {
        ufrag: "ours".to_owned(),
        password: "our-own-password-here".to_owned(),
        their_ufrag: "them".to_owned(),
        checks: (kind & 8 == 8).then(|| CheckTerms {
            their_password: "our-own-password-here".to_owned(),
            is_controlling: kind & 16 == 16,
            candidates: (0..4).map(|number| Candidate { address: place(number), priority: u32::from(number) + 1 }).collect(),
        }),
    };
    Terms { fingerprint: Fingerprint([kind & 4; 32]), is_client: kind & 1 == 1, ice: (kind & 2 == 2).then_some(ice) }
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(name) = name_in(bytes) {
        assert!(bytes.len() > 20 + name.len() && !name.contains(':'));
    }
    assert!(asked_in(bytes).is_none() || answered_in(bytes).is_none());
    let Some((kind, mut rest)) = bytes.split_first() else { return };
    let mut now = Instant::now();
    let mut peer = Peer::new(now, &IDENTITY, &terms(*kind), place(0));
    // As whoever has one does before anything else happens: what was said by old terms is on its way by then.
    while peer.poll().is_some() {}
    while let Some(([step, from, length], after)) = rest.split_first_chunk::<3>() {
        let (datagram, next) = after.split_at(usize::from(*length).min(after.len()));
        rest = next;
        match step % 4 {
            0 => now += Duration::from_millis(u64::from(*from) * 100),
            1 => {
                peer.renegotiate(now, &terms(*from), place(*length));
            }
            _ => {
                let is_proof = peer.handle(now, place(*from), datagram);
                assert!(!is_proof || peer.is_known(place(*from)));
            }
        }
        peer.tick(now);
        let (mut outputs, mut checks) = (0, 0);
        while let Some(output) = peer.poll() {
            outputs += 1;
            assert!(outputs < 64, "no end");
            match output {
                // Checks of ours go to whoever is named as a place, and to who proved to know our password.
                Output::Send { to, bytes } if asked_in(&bytes).is_some() => {
                    checks += 1;
                    assert!((0..=255).any(|number| to == place(number)));
                }
                Output::Send { to, bytes } if bytes[0] < 4 => {
                    assert!(to == place(*from) && bytes.len() <= 3 * datagram.len());
                }
                Output::Send { to, .. } => assert!(peer.is_known(to)),
                Output::Keys(_) => panic!("nobody has that certificate"),
                Output::Selected(_) | Output::Silent(_) | Output::NoKeys(_) => {}
            }
        }
        // The first one of what is repeated, and each of those that were repeated.
        assert!(checks <= 34, "{checks}");
        assert!(peer.deadline().is_none_or(|due| due <= now + Duration::from_secs(120)));
    }
});
