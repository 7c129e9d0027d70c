//! A browser of a few lines: checks by ICE, keys by DTLS, packets by SRTP, on a socket of 127.0.72.2.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use ::srtp::crypto;
use ::stun::{
    attributes::{ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME},
    fingerprint::FINGERPRINT,
    integrity::MessageIntegrity,
    message::{BINDING_REQUEST, Message, Setter as _, TransactionId},
};
use tandem_media::{
    browser::{Fingerprint, IceTerms, Identity, Output, Peer, Terms},
    contract::{Command, Configure, StreamId},
    secure::{Protector, SEALED_BYTES, Unprotector},
};

use super::{Bench, DEADLINE, Phone};

/// A browser and its stream.
pub(crate) struct Page {
    pub(crate) stream: StreamId,
    pub(crate) socket: UdpSocket,
    pub(crate) at: SocketAddr,
    pub(crate) ufrag: String,
    pub(crate) identity: Arc<Identity>,
    peer: Peer,
    keys: Option<(Protector, Unprotector)>,
    sequence: u16,
}

impl Page {
    /// Checked and with keys, on the shared port.
    pub(crate) fn connected(bench: &mut Bench, number: u64, now: fn() -> Instant) -> Self {
        let mut page = Self::agreed(bench, number, now);
        page.connect(now);
        page
    }

    /// Agreed with the engine, and nothing said yet.
    pub(crate) fn agreed(bench: &mut Bench, number: u64, now: fn() -> Instant) -> Self {
        let stream = StreamId(number);
        let opened = bench.engine.open_shared(stream, number, bench.local).unwrap();
        Self::of(bench, stream, (opened.rtp, format!("page{number}")), now)
    }

    /// Agreed with the engine for a stream that is open, where and by which name.
    pub(crate) fn of(bench: &mut Bench, stream: StreamId, (at, ufrag): (SocketAddr, String), now: fn() -> Instant) -> Self {
        let identity = Arc::new(Identity::new().unwrap());
        let ours = Terms { fingerprint: bench.engine.fingerprint(), is_client: true, ice: None };
        let socket = UdpSocket::bind("127.0.72.2:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let peer = Peer::new(now(), &identity, &ours, at);
        let page = Self { stream, socket, at, ufrag, identity, peer, keys: None, sequence: 1 };
        let to = page.wanted(page.identity.fingerprint());
        bench.command(Command::Configure { stream, to });
        page
    }

    /// What is agreed with the engine.
    pub(crate) fn wanted(&self, fingerprint: Fingerprint) -> Configure {
        let ice = IceTerms { ufrag: self.ufrag.clone(), password: self.password(), their_ufrag: "them".to_owned(), checks: None };
        let terms = Terms { fingerprint, is_client: false, ice: Some(ice) };
        let plain = Phone::plain(SocketAddr::from(([0, 0, 0, 0], 9)));
        Configure { rtcp_mux: true, dtls: Some(Arc::new(terms)), ..plain }
    }

    pub(crate) fn password(&self) -> String {
        format!("the-password-of-{}", self.ufrag)
    }

    /// A check for a stream of that name with that password, which nominates.
    pub(crate) fn check(ufrag: &str, password: &str) -> Vec<u8> {
        let provider = crypto::default_provider().unwrap();
        let mut message = Message::new();
        (message.typ, message.transaction_id) = (BINDING_REQUEST, TransactionId([7; 12]));
        message.write_header();
        message.add(ATTR_PRIORITY, &[0x6e, 0, 1, 0xff]);
        message.add(ATTR_USERNAME, format!("{ufrag}:them").as_bytes());
        message.add(ATTR_ICE_CONTROLLING, &[1; 8]);
        message.add(ATTR_USE_CANDIDATE, &[]);
        let proof = MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), provider.crypto());
        proof.add_to(&mut message).unwrap();
        FINGERPRINT.add_to(&mut message).unwrap();
        message.raw
    }

    /// Sends a check of its own, whose answer it waits for.
    pub(crate) fn proves(&self) {
        self.socket.send_to(&Self::check(&self.ufrag, &self.password()), self.at).unwrap();
        let mut answer = [0; 2_000];
        while self.socket.recv(&mut answer).is_ok() && answer[0] != 1 {}
    }

    /// Checks and shakes hands.
    pub(crate) fn connect(&mut self, now: fn() -> Instant) {
        self.proves();
        let mut bytes = [0; 2_000];
        loop {
            while let Some(output) = self.peer.poll() {
                match output {
                    Output::Send { bytes, .. } => drop(self.socket.send_to(&bytes, self.at).unwrap()),
                    Output::Keys(keys) => self.keys = Some((Protector::new(&keys.send), Unprotector::new(&keys.receive))),
                    Output::NoKeys(why) => panic!("{why}"),
                    Output::Selected(_) | Output::Silent(_) => {}
                }
            }
            if self.keys.is_some() {
                return;
            }
            let length = self.socket.recv(&mut bytes).expect("an answer in time");
            self.peer.handle(now(), self.at, &bytes[..length]);
        }
    }

    /// Says something.
    pub(crate) fn says(&mut self, payload: u8) {
        let packet = self.packet(payload);
        self.socket.send_to(&packet, self.at).unwrap();
    }

    /// The packet with which it would.
    pub(crate) fn packet(&mut self, payload: u8) -> Vec<u8> {
        let mut packet = vec![0x80, 8];
        packet.extend_from_slice(&self.sequence.to_be_bytes());
        packet.extend_from_slice(&(u32::from(self.sequence) * 160).to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 7]);
        packet.extend([payload; 160]);
        self.sequence += 1;
        let mut sealed = vec![0; SEALED_BYTES];
        let length = self.keys.as_mut().expect("keys").0.rtp(&packet, &mut sealed).unwrap();
        sealed.truncate(length);
        sealed
    }

    /// What it hears next within a time, in the clear.
    pub(crate) fn hears(&mut self, within: Duration) -> Option<u8> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut bytes = [0; 2_000];
        loop {
            let length = self.socket.recv(&mut bytes).ok()?;
            // RTCP has 200 and more there.
            if (128..=191).contains(&bytes[0]) && bytes[1] & 0x7f == 8 {
                self.keys.as_mut().expect("keys").1.rtp(&mut bytes[..length]).expect("authentic");
                return Some(bytes[12]);
            }
        }
    }
}
