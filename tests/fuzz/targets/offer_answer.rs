//! Offers and answers in any order between two sessions, one of which may say anything: what we print reads again, no
//! answer has other media than its offer, and versions only grow (RFC 3264 sections 5 to 8).
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_signaling::sdp::{AudioCodec, Direction, KeyRule, KeySeed, LocalAudio, LocalSession, SdpOffer, SessionDescription};

const DIRECTIONS: [Direction; 4] = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];

struct Side {
    session: LocalSession,
    audio: LocalAudio,
    offered: Option<SdpOffer>,
    version: u64,
}

impl Side {
    fn new(id: u64) -> Self {
        let address = "192.0.2.1".parse().expect("an address");
        let codecs = AudioCodec::ALL.to_vec();
        let audio = LocalAudio {
            address,
            port: 20_000,
            codecs,
            direction: Direction::SendRecv,
            rtcp_mux: true,
            keys: KeyRule::Optional.with(|| KeySeed::new([7; 32])),
        };
        Self { session: LocalSession::new(id), audio, offered: None, version: 0 }
    }

    /// Something else is wanted from now on.
    fn change(&mut self, byte: u8) {
        self.audio.direction = DIRECTIONS[usize::from(byte % 4)];
        self.audio.rtcp_mux = byte & 4 != 0;
        self.audio.port = 20_000 + 2 * u16::from(byte >> 5);
        let first = usize::from(byte >> 3) % AudioCodec::ALL.len();
        self.audio.codecs = AudioCodec::ALL[first..].to_vec();
        let rule = [KeyRule::Plain, KeyRule::Sdes, KeyRule::Optional][usize::from(byte) % 3];
        self.audio.keys = rule.with(|| KeySeed::new([byte; 32]));
    }

    fn printed(&mut self, text: &str) -> SessionDescription {
        let description = SessionDescription::parse(text.as_bytes()).expect("what we print we read");
        let version = text.split_whitespace().nth(3).and_then(|word| word.parse().ok()).expect("a version in o=");
        assert!(version >= self.version, "{version} after {}", self.version);
        self.version = version;
        description
    }

    fn offer(&mut self) -> String {
        let offer = self.session.offer(&self.audio);
        let text = offer.text.to_string();
        self.printed(&text);
        self.offered = Some(offer);
        text
    }

    /// What it says to a description, offer or answer.
    fn hear(&mut self, text: &[u8]) -> Option<String> {
        let theirs = SessionDescription::parse(text).ok()?;
        if let Some(offer) = self.offered.take() {
            let _refused = self.session.read_answer(&offer, &theirs);
            return None;
        }
        let (answer, negotiated) = self.session.answer(&theirs, &self.audio).ok()?;
        assert_eq!(self.printed(&answer).media.len(), theirs.media.len());
        assert!((10..=60).contains(&negotiated.ptime_ms));
        Some(answer)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut sides = [Side::new(1), Side::new(2)];
    // Each piece: whose turn, what to do, and for some what is said.
    for piece in bytes.split(|byte| *byte == 0).take(64) {
        let Some((what, rest)) = piece.split_first() else { continue };
        let (own, other) = (usize::from(what & 1), usize::from(!what & 1));
        match (what >> 1) % 4 {
            0 => sides[own].change(rest.first().copied().unwrap_or(0)),
            1 => {
                let offer = sides[own].offer();
                if let Some(answer) = sides[other].hear(offer.as_bytes()) {
                    assert!(sides[own].hear(answer.as_bytes()).is_none());
                }
            }
            2 => drop(sides[own].hear(rest)),
            // Glare: both have offered, and neither is answered by an offer.
            _ => {
                sides[own].offer();
                sides[other].offer();
                sides.iter_mut().for_each(|side| side.offered = None);
            }
        }
    }
});
