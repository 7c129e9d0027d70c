//! Safe learning of a peer's address (symmetric RTP, RFC 4961), against injected and diverted media.
//!
//! A packet from exactly the address of the SDP is believed at once. Another address must first send a
//! run of consecutive packets of one source, must be allowed by the policy, and is never believed once
//! the SDP's own address was heard. Nothing of a trial is forwarded, and media goes to the SDP's
//! address until a source is accepted. Only a new negotiation with another address starts anew; a
//! peer whose port changed in silence may come back from the same host.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use crate::{contract::LearnPolicy, rtp::Header};

/// Consecutive packets asked of another port of an expected host.
const RUN_OF_SAME_HOST: u8 = 3;
/// Consecutive packets asked of any other host.
const RUN_OF_OTHER_HOST: u8 = 5;
/// Another host must also have been trying for so long: the true peer has that much time to come first.
const TRIAL_OF_OTHER_HOST: Duration = Duration::from_millis(500);
/// So long after another source was learned, the address of the SDP still takes over.
const TAKE_OVER: Duration = Duration::from_secs(10);
/// So long must an accepted peer be silent before another port of its host may follow.
const REBIND_AFTER: Duration = Duration::from_secs(2);
/// A trial without a packet for so long makes room for another.
const TRIAL_STALE: Duration = Duration::from_millis(200);
/// Packets of a trial may skip so many sequence numbers.
const MAX_SKIP: u16 = 10;

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the peer's.
    Accept,
    /// It is the peer's, and from now on its address is where media goes.
    AcceptNew,
    /// Drop it.
    Foreign,
}

/// A source that is being tried.
#[derive(Clone, Debug)]
struct Trial {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    run: u8,
    since: Instant,
    heard_at: Instant,
}

/// The source that was accepted.
#[derive(Clone, Debug)]
struct Peer {
    address: SocketAddr,
    accepted_at: Instant,
    heard_at: Instant,
}

/// Decides who the peer of one stream is.
#[derive(Clone, Debug)]
pub struct Learner {
    sdp: SocketAddr,
    signalling: Option<IpAddr>,
    policy: LearnPolicy,
    trial: Option<Trial>,
    peer: Option<Peer>,
}

impl Learner {
    /// Nobody was heard; media goes to `sdp`.
    #[must_use]
    pub const fn new(sdp: SocketAddr, signalling: Option<IpAddr>, policy: LearnPolicy) -> Self {
        Self { sdp, signalling, policy, trial: None, peer: None }
    }

    /// The peer that was accepted before a restart is accepted.
    pub fn resume(&mut self, now: Instant, from: SocketAddr) {
        self.peer = Some(Peer { address: from, accepted_at: now, heard_at: now });
    }

    /// A new negotiation. The same address of the SDP keeps the peer, another one starts anew.
    pub fn renegotiate(&mut self, sdp: SocketAddr, signalling: Option<IpAddr>, policy: LearnPolicy) {
        if sdp == self.sdp {
            (self.signalling, self.policy) = (signalling, policy);
        } else {
            *self = Self::new(sdp, signalling, policy);
        }
    }

    /// Where the SDP says that the peer is.
    #[must_use]
    pub const fn described(&self) -> SocketAddr {
        self.sdp
    }

    /// Where media goes now.
    #[must_use]
    pub fn target(&self) -> SocketAddr {
        self.peer.as_ref().map_or(self.sdp, |peer| peer.address)
    }

    /// Whether the peer is another than the SDP said.
    #[must_use]
    pub fn learned(&self) -> bool {
        self.target() != self.sdp
    }

    /// Judges a packet that is valid RTP of a negotiated payload type.
    pub fn handle(&mut self, now: Instant, from: SocketAddr, header: &Header) -> Verdict {
        if let Some(peer) = &mut self.peer
            && peer.address == from
        {
            peer.heard_at = now;
            return Verdict::Accept;
        }
        if from == self.sdp {
            let in_time = |peer: &Peer| now.saturating_duration_since(peer.accepted_at) <= TAKE_OVER;
            return if self.peer.as_ref().is_none_or(in_time) { self.accept(now, from) } else { Verdict::Foreign };
        }
        if !self.may_try(now, from) {
            return Verdict::Foreign;
        }
        let run = self.count(now, from, header);
        let waited = self.trial.as_ref().map_or(Duration::ZERO, |trial| now.saturating_duration_since(trial.since));
        let passed = if self.is_expected_host(from.ip()) {
            run >= RUN_OF_SAME_HOST
        } else {
            run >= RUN_OF_OTHER_HOST && waited >= TRIAL_OF_OTHER_HOST
        };
        if passed { self.accept(now, from) } else { Verdict::Foreign }
    }

    fn accept(&mut self, now: Instant, from: SocketAddr) -> Verdict {
        self.trial = None;
        self.peer = Some(Peer { address: from, accepted_at: now, heard_at: now });
        Verdict::AcceptNew
    }

    fn is_expected_host(&self, host: IpAddr) -> bool {
        host == self.sdp.ip() || Some(host) == self.signalling
    }

    fn may_try(&self, now: Instant, from: SocketAddr) -> bool {
        match (&self.peer, self.policy) {
            (_, LearnPolicy::Strict) => false,
            (Some(peer), _) => from.ip() == peer.address.ip() && now.saturating_duration_since(peer.heard_at) >= REBIND_AFTER,
            (None, LearnPolicy::SameHost) => self.is_expected_host(from.ip()),
            (None, LearnPolicy::Any) => true,
        }
    }

    /// Length of the run that this packet ends. One source is tried at a time; another takes its place
    /// only after silence, or when it is expected and the one in trial is not, so that a flood from
    /// elsewhere cannot starve the true peer.
    fn count(&mut self, now: Instant, from: SocketAddr, header: &Header) -> u8 {
        let fresh = Trial { from, ssrc: header.ssrc, sequence: header.sequence, run: 1, since: now, heard_at: now };
        let expected = self.is_expected_host(from.ip());
        let rival_expected = self.trial.as_ref().is_some_and(|trial| self.is_expected_host(trial.from.ip()));
        let Some(trial) = &mut self.trial else {
            self.trial = Some(fresh);
            return 1;
        };
        if trial.from == from && trial.ssrc == header.ssrc {
            let step = header.sequence.wrapping_sub(trial.sequence);
            *trial = if (1..=MAX_SKIP).contains(&step) {
                Trial { run: trial.run.saturating_add(1), since: trial.since, ..fresh }
            } else {
                fresh
            };
            return trial.run;
        }
        let stale = now.saturating_duration_since(trial.heard_at) >= TRIAL_STALE;
        if stale || expected && !rival_expected {
            *trial = fresh;
            return 1;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Stamp;

    const CALLER: &str = "127.0.0.11:4000";
    const ATTACKER: &str = "127.0.0.66:6666";

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
    fn start() -> Instant {
        Instant::now()
    }

    struct Bench {
        now: Instant,
        learner: Learner,
    }

    impl Bench {
        fn new(policy: LearnPolicy) -> Self {
            Self { now: start(), learner: Learner::new(at(CALLER), None, policy) }
        }

        fn packet(&mut self, from: &str, ssrc: u32, sequence: u16) -> Verdict {
            let stamp = Stamp { payload_type: 0, marker: false, sequence, timestamp: 0, ssrc };
            self.learner.handle(self.now, at(from), &Header::parse(&stamp.bytes()).unwrap())
        }

        /// Sends `count` packets 20 ms apart and counts those that were believed.
        fn stream(&mut self, from: &str, ssrc: u32, first: u16, count: u16) -> usize {
            (0..count)
                .filter(|i| {
                    self.now += Duration::from_millis(20);
                    self.packet(from, ssrc, first + i) != Verdict::Foreign
                })
                .count()
        }
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn the_address_of_the_sdp_is_believed_at_once_and_alone() {
        for policy in [LearnPolicy::Strict, LearnPolicy::SameHost, LearnPolicy::Any] {
            let mut b = Bench::new(policy);
            assert_eq!(b.packet(CALLER, 1, 1), Verdict::AcceptNew);
            assert_eq!(b.packet(CALLER, 1, 2), Verdict::Accept);
            assert_eq!(b.stream(ATTACKER, 1, 3, 500), 0, "injected with the caller's own SSRC under {policy:?}");
            assert_eq!(b.learner.target(), at(CALLER));
        }
    }

    #[test]
    fn an_attacker_before_the_caller_gets_nothing() {
        for policy in [LearnPolicy::Strict, LearnPolicy::SameHost] {
            let mut b = Bench::new(policy);
            assert_eq!(b.stream(ATTACKER, 9, 1, 400), 0);
            assert_eq!(b.learner.target(), at(CALLER), "nothing is diverted");
            assert_eq!(b.stream(CALLER, 1, 1, 10), 10);
        }
    }

    #[test]
    fn with_any_address_allowed_half_a_second_of_lead_still_injects_at_most_five() {
        let mut b = Bench::new(LearnPolicy::Any);
        let injected = b.stream(ATTACKER, 9, 1, 25);
        assert!(injected <= 5, "{injected}");
        assert_eq!(b.packet(CALLER, 1, 1), Verdict::AcceptNew, "the SDP's address takes over");
        assert_eq!(b.stream(ATTACKER, 9, 26, 500), 0);
    }

    #[test]
    fn a_phone_behind_nat_is_learned_after_a_run() {
        let mut b = Bench::new(LearnPolicy::SameHost);
        b.learner.renegotiate(at("10.0.0.5:4000"), Some(at(CALLER).ip()), LearnPolicy::SameHost);
        assert_eq!(b.stream("127.0.0.11:50123", 1, 1, 2), 0);
        assert_eq!(b.stream("127.0.0.11:50123", 1, 3, 5), 5);
        assert!(b.learner.learned());
        let mut b = Bench::new(LearnPolicy::Any);
        assert!(b.stream("127.0.0.99:50123", 1, 1, 50) >= 20);
    }

    #[test]
    fn a_spray_of_sources_and_a_run_with_holes_are_not_learned() {
        let mut b = Bench::new(LearnPolicy::Any);
        for i in 0..2_000u16 {
            b.now += Duration::from_millis(1);
            let from = format!("127.0.0.66:{}", 7_000 + i % 50);
            assert_eq!(b.packet(&from, u32::from(i), i), Verdict::Foreign);
        }
        for i in 0..200u16 {
            b.now += Duration::from_millis(20);
            assert_eq!(b.packet(ATTACKER, 1, i.wrapping_mul(7_919)), Verdict::Foreign, "random sequence numbers");
        }
        for _ in 0..200 {
            b.now += Duration::from_millis(20);
            assert_eq!(b.packet(ATTACKER, 1, 7), Verdict::Foreign, "one packet over and over");
        }
    }

    #[test]
    fn a_flood_from_elsewhere_does_not_starve_the_expected_host() {
        let mut b = Bench::new(LearnPolicy::Any);
        let mut accepted = 0;
        for i in 0..10u16 {
            b.packet(ATTACKER, 1, 2 * i);
            b.now += Duration::from_millis(10);
            accepted += usize::from(b.packet("127.0.0.11:4010", 2, i) != Verdict::Foreign);
            b.packet(ATTACKER, 1, 2 * i + 1);
            b.now += Duration::from_millis(10);
        }
        assert_eq!(accepted, 8);
    }

    #[test]
    fn hold_and_renegotiation_do_not_open_the_door() {
        let mut b = Bench::new(LearnPolicy::SameHost);
        b.stream(CALLER, 1, 1, 50);
        b.now += Duration::from_secs(60);
        assert_eq!(b.stream(ATTACKER, 9, 1, 500), 0, "during hold");
        b.learner.renegotiate(at(CALLER), None, LearnPolicy::SameHost);
        assert_eq!(b.stream(ATTACKER, 9, 600, 100), 0, "after a refresh");
        b.learner.renegotiate(at("127.0.0.12:4002"), None, LearnPolicy::SameHost);
        assert_eq!(b.learner.target(), at("127.0.0.12:4002"));
        assert_eq!(b.stream(ATTACKER, 9, 800, 100), 0, "while a new address is awaited");
        assert_eq!(b.stream(CALLER, 1, 60, 10), 0, "the old address is history");
        assert_eq!(b.stream("127.0.0.12:4002", 5, 1, 10), 10);
    }

    #[test]
    fn a_peer_may_change_its_port_only_after_silence() {
        let mut b = Bench::new(LearnPolicy::SameHost);
        b.stream(CALLER, 1, 1, 50);
        assert_eq!(b.stream("127.0.0.11:4010", 2, 1, 50), 0, "still silent for a second only");
        b.now += REBIND_AFTER;
        assert_eq!(b.stream("127.0.0.11:4010", 2, 51, 10), 8);
        let mut b = Bench::new(LearnPolicy::Strict);
        b.stream(CALLER, 1, 1, 50);
        b.now += REBIND_AFTER * 10;
        assert_eq!(b.stream("127.0.0.11:4010", 2, 1, 50), 0);
    }

    #[test]
    fn the_sdp_address_takes_over_only_for_a_while() {
        let mut b = Bench::new(LearnPolicy::Any);
        b.stream("127.0.0.99:50123", 1, 1, 100);
        b.now += TAKE_OVER;
        assert_eq!(b.packet(CALLER, 3, 1), Verdict::Foreign);
    }
}
