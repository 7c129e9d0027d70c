//! Whether audio goes both ways soon after that was agreed, and if not, why: one verdict for whoever has to mend it.
//!
//! It begins when the call is answered with audio both ways, and ends with the first packet of the peer, or with a
//! verdict on what came instead. Hold, and what is heard before an answer, are none of its business: nobody asks it then.
//! Comfort noise and key presses are packets of the peer like any other, and a peer that pauses afterwards was heard.
//!
//! The way to the peer is judged by its reports (RFC 3550 section 6.4): one that names no source of ours, or that lost all
//! of what we sent since the last one, after a second of audio from us. These come some seconds after the answer.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// Audio is awaited for so long. With the tick of a media thread, a verdict is there within 2 s.
const PATIENCE: Duration = Duration::from_millis(1_600);
/// So many packets of a kind are no accident.
const FEW: u64 = 3;
/// What we must have sent before a report that does not know of it counts: packets, and time.
const SENT_PACKETS: u64 = 50;
const SENT_FOR: Duration = Duration::from_secs(1);

/// Which way is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// We do not hear the peer.
    FromPeer,
    /// The peer does not hear us.
    ToPeer,
}

impl Way {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FromPeer => "from-peer",
            Self::ToPeer => "to-peer",
        }
    }
}

/// Why one way of a stream is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneWay {
    /// Nothing came.
    NothingComes {
        /// Where the peer's SDP says that it is.
        described: SocketAddr,
    },
    /// The peer's SDP names an address that only its own network knows, and its audio comes from another.
    PrivateAddress {
        /// Where its SDP says that it is.
        described: SocketAddr,
        /// Where packets come from.
        from: SocketAddr,
        /// How many were refused.
        refused: u64,
    },
    /// Packets come from an address that was neither agreed nor learned.
    OtherSource {
        /// Where the peer's SDP says that it is.
        described: SocketAddr,
        /// Where packets come from.
        from: SocketAddr,
        /// How many were refused.
        refused: u64,
    },
    /// Packets of a payload type that was not agreed.
    OtherPayloadType {
        /// The one that came last.
        payload_type: u8,
        /// How many came.
        packets: u64,
    },
    /// Packets that the agreed keys do not open.
    Undecryptable {
        /// How many came.
        packets: u64,
    },
    /// What comes is no RTP.
    NoRtp {
        /// How many datagrams came.
        packets: u64,
    },
    /// The peer reports that it receives nothing of what we send.
    PeerHearsNothing {
        /// Where it goes.
        to: SocketAddr,
        /// How many packets went there since the answer.
        sent: u64,
    },
}

impl OneWay {
    /// All causes, as [`cause`](Self::cause) names them.
    pub const CAUSES: &'static [&'static str] = &[
        "nothing-comes",
        "private-address",
        "other-source",
        "other-payload-type",
        "undecryptable",
        "no-rtp",
        "peer-hears-nothing",
    ];

    /// The cause in one word.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::NothingComes { .. } => "nothing-comes",
            Self::PrivateAddress { .. } => "private-address",
            Self::OtherSource { .. } => "other-source",
            Self::OtherPayloadType { .. } => "other-payload-type",
            Self::Undecryptable { .. } => "undecryptable",
            Self::NoRtp { .. } => "no-rtp",
            Self::PeerHearsNothing { .. } => "peer-hears-nothing",
        }
    }

    /// Which way is silent.
    #[must_use]
    pub const fn way(&self) -> Way {
        if matches!(self, Self::PeerHearsNothing { .. }) { Way::ToPeer } else { Way::FromPeer }
    }
}

impl fmt::Display for OneWay {
    /// For whoever runs the switch.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingComes { described } if is_private(described.ip()) => {
                write!(f, "no packet from the peer since the answer; its SDP says {described}, a private address")
            }
            Self::NothingComes { described } => {
                write!(f, "no packet from the peer since the answer; its SDP says {described}")
            }
            Self::PrivateAddress { described, from, refused } => {
                write!(f, "the peer's SDP says {}, media arrives from {from} ({refused} refused)", described.ip())
            }
            Self::OtherSource { described, from, refused } => {
                write!(f, "packets come from {from}, neither agreed nor learned ({refused} refused); the SDP says {described}")
            }
            Self::OtherPayloadType { payload_type, packets } => {
                write!(f, "{packets} packets of payload type {payload_type}, which was not agreed")
            }
            Self::Undecryptable { packets } => write!(f, "{packets} packets cannot be decrypted with the agreed keys"),
            Self::NoRtp { packets } => write!(f, "{packets} datagrams that are no RTP"),
            Self::PeerHearsNothing { to, sent } => {
                write!(f, "the peer reports that it receives nothing (RTCP) of {sent} packets sent to {to}")
            }
        }
    }
}

/// Whether an address is known in its own network only (RFC 1918, 3927, 6598, 4193, 4291).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64,
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// What came of a stream instead of audio, and what its peer says.
#[derive(Clone, Debug, Default)]
pub struct OneWayWatch {
    /// Audio goes both ways, as agreed; `None`: it need not.
    agreed: Option<Agreed>,
    /// Nothing was heard yet.
    is_waiting: bool,
    refused: Option<(SocketAddr, u64)>,
    other_payload_type: Option<(u8, u64)>,
    undecryptable: u64,
    no_rtp: u64,
}

#[derive(Clone, Copy, Debug)]
struct Agreed {
    at: Instant,
    /// Packets sent by then.
    sent: u64,
    /// The last report: when it came, and what was sent by then.
    reported: (Instant, u64),
    is_deaf_told: bool,
}

impl OneWayWatch {
    /// Whether audio must go both ways from now on. `sent`: packets that we sent up to now.
    pub fn expect(&mut self, now: Instant, both_ways: bool, sent: u64) {
        match (both_ways, self.agreed) {
            (true, Some(_)) => {}
            (true, None) => {
                let agreed = Agreed { at: now, sent, reported: (now, sent), is_deaf_told: false };
                *self = Self { agreed: Some(agreed), is_waiting: true, ..Self::default() };
            }
            (false, _) => *self = Self::default(),
        }
    }

    /// A packet of the peer came.
    pub const fn heard(&mut self) {
        self.is_waiting = false;
    }

    /// Whether a verdict may be due soon.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// A packet was refused for where it came from.
    pub fn refused(&mut self, from: SocketAddr) {
        if self.is_waiting {
            let before = self.refused.map_or(0, |(_, count)| count);
            self.refused = Some((from, before + 1));
        }
    }

    /// A packet has a payload type that was not agreed.
    pub fn other_payload_type(&mut self, payload_type: u8) {
        if self.is_waiting {
            let before = self.other_payload_type.map_or(0, |(_, count)| count);
            self.other_payload_type = Some((payload_type, before + 1));
        }
    }

    /// A packet could not be decrypted.
    pub const fn undecryptable(&mut self) {
        self.undecryptable += self.is_waiting as u64;
    }

    /// A datagram is no RTP.
    pub const fn no_rtp(&mut self) {
        self.no_rtp += self.is_waiting as u64;
    }

    /// The verdict on the way from the peer, when its time has come. `described`: where its SDP says that it is.
    pub fn verdict(&mut self, now: Instant, described: SocketAddr) -> Option<OneWay> {
        let agreed = self.agreed.filter(|_| self.is_waiting)?;
        if now.saturating_duration_since(agreed.at) < PATIENCE {
            return None;
        }
        self.is_waiting = false;
        Some(self.cause(described))
    }

    /// What most of the packets had; the first of them where that is even.
    fn cause(&self, described: SocketAddr) -> OneWay {
        let mut most = (FEW - 1, OneWay::NothingComes { described });
        let mut try_one = |count: u64, cause: OneWay| {
            if count > most.0 {
                most = (count, cause);
            }
        };
        try_one(self.undecryptable, OneWay::Undecryptable { packets: self.undecryptable });
        if let Some((payload_type, packets)) = self.other_payload_type {
            try_one(packets, OneWay::OtherPayloadType { payload_type, packets });
        }
        if let Some((from, refused)) = self.refused {
            let is_hidden = is_private(described.ip()) && described.ip() != from.ip();
            try_one(
                refused,
                match is_hidden {
                    true => OneWay::PrivateAddress { described, from, refused },
                    false => OneWay::OtherSource { described, from, refused },
                },
            );
        }
        try_one(self.no_rtp, OneWay::NoRtp { packets: self.no_rtp });
        most.1
    }

    /// The peer reported what it hears: of us, `hears`. The verdict on the way to it, once, when it hears nothing of what
    /// we sent. `sent`: packets up to now, `to` where they go.
    pub fn reported(&mut self, now: Instant, hears: bool, sent: u64, to: SocketAddr) -> Option<OneWay> {
        let agreed = self.agreed.as_mut()?;
        let (at, before) = std::mem::replace(&mut agreed.reported, (now, sent));
        let is_deaf = !hears && sent - before >= SENT_PACKETS && now.saturating_duration_since(at) >= SENT_FOR;
        if !is_deaf || std::mem::replace(&mut agreed.is_deaf_told, true) {
            return None;
        }
        Some(OneWay::PeerHearsNothing { to, sent: sent - agreed.sent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "198.51.100.7:4000";

    type Packet = fn(&mut OneWayWatch, SocketAddr);

    struct Bench {
        now: Instant,
        watch: OneWayWatch,
    }

    impl Bench {
        fn answered() -> Self {
            #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
            let now = Instant::now();
            let mut watch = OneWayWatch::default();
            watch.expect(now, true, 0);
            Self { now, watch }
        }

        fn after(&mut self, ms: u64) -> Option<OneWay> {
            self.judge(ms, SDP)
        }

        fn judge(&mut self, ms: u64, described: &str) -> Option<OneWay> {
            self.now += Duration::from_millis(ms);
            self.watch.verdict(self.now, at(described))
        }

        fn reports(&mut self, ms: u64, hears: bool, sent: u64) -> Option<OneWay> {
            self.now += Duration::from_millis(ms);
            self.watch.reported(self.now, hears, sent, at(SDP))
        }
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn the_verdict_comes_once_and_within_two_seconds_with_a_tick_of_200_ms() {
        let mut bench = Bench::answered();
        let told: Vec<u64> = (1..=20).filter(|_| bench.after(200).is_some()).collect();
        assert_eq!(told, [8], "at 1.6 s");
        assert!(!bench.watch.is_waiting());
    }

    #[test]
    fn each_cause_is_told_in_words_with_what_was_seen() {
        let from = at("203.0.113.9:5004");
        let cases: [(&str, Packet, &str, &str); 7] = [
            (SDP, |_, _| (), "nothing-comes", "no packet from the peer since the answer; its SDP says 198.51.100.7:4000"),
            (
                "10.1.2.3:4000",
                |_, _| (),
                "nothing-comes",
                "no packet from the peer since the answer; its SDP says 10.1.2.3:4000, a private address",
            ),
            (
                "192.168.1.5:4000",
                OneWayWatch::refused,
                "private-address",
                "the peer's SDP says 192.168.1.5, media arrives from 203.0.113.9:5004 (60 refused)",
            ),
            (
                SDP,
                OneWayWatch::refused,
                "other-source",
                "packets come from 203.0.113.9:5004, neither agreed nor learned (60 refused); the SDP says 198.51.100.7:4000",
            ),
            (
                SDP,
                |watch, _| watch.other_payload_type(18),
                "other-payload-type",
                "60 packets of payload type 18, which was not agreed",
            ),
            (SDP, |watch, _| watch.undecryptable(), "undecryptable", "60 packets cannot be decrypted with the agreed keys"),
            (SDP, |watch, _| watch.no_rtp(), "no-rtp", "60 datagrams that are no RTP"),
        ];
        for (described, packet, cause, words) in cases {
            let mut bench = Bench::answered();
            (0..60).for_each(|_| packet(&mut bench.watch, from));
            let verdict = bench.judge(1_600, described).unwrap();
            assert_eq!((verdict.cause(), verdict.to_string().as_str()), (cause, words));
            assert!(OneWay::CAUSES.contains(&cause) && verdict.way() == Way::FromPeer);
        }
    }

    #[test]
    fn what_most_packets_have_is_the_cause_and_a_stray_packet_is_none() {
        let mut bench = Bench::answered();
        bench.watch.no_rtp();
        bench.watch.other_payload_type(18);
        assert_eq!(bench.after(2_000).unwrap().cause(), "nothing-comes");
        let mut bench = Bench::answered();
        (0..5).for_each(|_| bench.watch.no_rtp());
        (0..9).for_each(|_| bench.watch.undecryptable());
        assert_eq!(bench.after(2_000), Some(OneWay::Undecryptable { packets: 9 }));
    }

    #[test]
    fn who_is_heard_once_is_not_judged() {
        let mut bench = Bench::answered();
        bench.watch.refused(at("203.0.113.9:5004"));
        bench.watch.heard();
        // A pause in speech, however long, and a refresh of the session.
        bench.watch.expect(bench.now, true, 100);
        assert_eq!(bench.after(60_000), None);
    }

    #[test]
    fn hold_ends_the_waiting_and_resuming_begins_it_anew() {
        let mut bench = Bench::answered();
        assert_eq!(bench.after(1_500), None);
        bench.watch.expect(bench.now, false, 0);
        assert_eq!(bench.after(60_000), None);
        assert_eq!(bench.reports(1_000, false, 5_000), None);
        bench.watch.undecryptable();
        bench.watch.expect(bench.now, true, 5_000);
        assert_eq!(bench.after(1_500), None);
        assert_eq!(bench.after(100).unwrap().cause(), "nothing-comes", "what came on hold is forgotten");
    }

    #[test]
    fn before_an_answer_nobody_is_judged() {
        let mut bench = Bench::answered();
        bench.watch = OneWayWatch::default();
        bench.watch.no_rtp();
        assert_eq!(bench.after(60_000), None);
        assert_eq!(bench.reports(10_000, false, 500), None);
    }

    #[test]
    fn a_peer_that_reports_nothing_of_a_second_of_audio_does_not_hear_us() {
        let mut bench = Bench::answered();
        assert_eq!(bench.reports(900, false, 45), None, "it cannot know yet");
        assert_eq!(bench.reports(5_000, true, 295), None);
        assert_eq!(bench.reports(5_000, false, 320), None, "we were silent");
        let verdict = bench.reports(5_000, false, 570).unwrap();
        assert_eq!(verdict, OneWay::PeerHearsNothing { to: at(SDP), sent: 570 });
        assert_eq!((verdict.cause(), verdict.way()), ("peer-hears-nothing", Way::ToPeer));
        let words = "the peer reports that it receives nothing (RTCP) of 570 packets sent to 198.51.100.7:4000";
        assert_eq!(verdict.to_string(), words);
        assert_eq!(bench.reports(5_000, false, 820), None, "told once");
    }
}
