//! Two engines with a line between them: its ends, in the full role of ICE, and whoever hears what comes over it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use tandem_media::{
    browser::{Candidate, CheckTerms, Fingerprint, IceTerms, Terms},
    codec::Codec,
    contract::{Command, Configure, EngineConfig, StreamId},
};

use super::{Bench, Phone};

/// The stream of each end.
pub(crate) const LINE: StreamId = StreamId(100);

/// An engine, its phone, and the stream of its end of the line, which the phone hears.
pub(crate) struct End {
    pub(crate) bench: Bench,
    pub(crate) phone: Phone,
    pub(crate) at: SocketAddr,
    name: &'static str,
}

impl End {
    pub(crate) fn new(host: u8, name: &'static str, clock: fn() -> Instant, change: impl FnOnce(&mut EngineConfig)) -> Self {
        let mut bench = Bench::with(host, clock, change);
        let phone = bench.phone_in(1, Codec::Pcma);
        let opened = bench.engine.open_shared(LINE, 1, bench.local).unwrap();
        Self { bench, phone, at: opened.rtp, name }
    }

    /// Agreed with the other end: who it is, which of the two chooses, where it may be, and where its signalling comes from.
    pub(crate) fn agree(
        &mut self,
        other: (&'static str, Fingerprint),
        chooses: bool,
        places: &[SocketAddr],
        signalling: Option<IpAddr>,
    ) {
        let password = |name: &str| format!("the-password-of-{name}");
        let candidates = (1..).zip(places).map(|(priority, address)| Candidate { address: *address, priority }).collect();
        let ice = IceTerms {
            ufrag: self.name.to_owned(),
            password: password(self.name),
            their_ufrag: other.0.to_owned(),
            checks: Some(CheckTerms { their_password: password(other.0), is_controlling: chooses, candidates }),
        };
        let terms = Terms { fingerprint: other.1, is_client: chooses, ice: Some(ice) };
        let plain = Phone::plain("0.0.0.0:9".parse().unwrap());
        let to = Configure { rtcp_mux: true, dtls: Some(Arc::new(terms)), signalling, ..plain };
        self.bench.command(Command::Configure { stream: LINE, to });
        self.bench.command(Command::Join { a: LINE, b: self.phone.stream });
    }
}

/// Whether a phone hears the other one over the line, as soon as there are keys.
pub(crate) fn is_heard(from: &mut Phone, to: &Phone, payload: u8, advance: impl Fn(u64)) -> bool {
    (0..300).any(|_| {
        from.send(8, false, &[payload; 160]);
        from.timestamp = from.timestamp.wrapping_add(160);
        advance(20);
        to.try_receive(Duration::from_millis(50)).is_some_and(|packet| packet.payload[..] == [payload; 160])
    })
}
