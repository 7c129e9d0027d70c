//! What a TURN server sends, right and wrong, while time goes on and streams want things. Nothing of it is believed that does
//! not prove to know the password, and what we ask is bounded.
#![no_main]

use std::{
    net::SocketAddr,
    sync::{Arc, LazyLock, atomic::AtomicU16},
    time::{Duration, Instant},
};

use libfuzzer_sys::fuzz_target;
use tandem_media::{
    browser::Identity,
    turn::{Client, Output, Passed, Server, behind, lent, passed},
};

static IDENTITY: LazyLock<Arc<Identity>> = LazyLock::new(|| Arc::new(Identity::new().expect("randomness")));

/// The head of what answers the last request, with the rest of an input behind it.
fn answer(request: &[u8], kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = request.get(..20).unwrap_or_default().to_vec();
    if bytes.len() == 20 {
        bytes[0] |= 1;
        bytes[1] |= if kind & 1 == 1 { 0x10 } else { 0 };
        let length = u16::try_from(rest.len()).unwrap_or(u16::MAX);
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
    bytes.extend_from_slice(rest);
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(Passed::ByChannel(_, data) | Passed::From(_, data)) = passed(bytes) {
        assert!(data.len() + 4 <= bytes.len());
    }
    let mut now = Instant::now();
    let (username, password) = ("user".to_owned(), "secret".to_owned());
    let server = Server { address: SocketAddr::from(([192, 0, 2, 1], 3_478)), username, password };
    let mut client = Client::new(now, server, bytes.first().is_some_and(|first| first & 64 == 64), &IDENTITY);
    let (mut asked, mut rest, mut sent) = (Vec::new(), bytes, 0);
    while let [kind, length, more @ ..] = rest {
        let (datagram, left) = more.split_at(usize::from(*length).min(more.len()));
        rest = left;
        now += Duration::from_millis(u64::from(*kind >> 3) * 997);
        let peer = SocketAddr::from(([198, 51, 100, *length], 4_000));
        assert_eq!(behind(lent(peer)), Some(peer));
        match kind & 7 {
            0 => client.handle(now, datagram),
            1 => client.permit(now, peer.ip()),
            2 => client.bind(now, peer, &Arc::new(AtomicU16::new(0))),
            _ => client.handle(now, &answer(&asked, *kind, datagram)),
        }
        client.tick(now);
        while let Some(output) = client.poll() {
            match output {
                Output::Send(bytes) => {
                    assert!(bytes.len() <= 2_048);
                    (asked, sent) = (bytes, sent + 1);
                }
                Output::Lent(_) => {}
                Output::Lost(why) => assert!(why.len() <= 400),
            }
        }
    }
    assert!(sent <= 70 * (bytes.len() / 2 + 1), "{sent}");
});
