//! One stream of a media thread: what it receives (`Inbound`) and what it sends (`Outbound`). The two
//! halves are apart because a relay uses the inbound half of one stream and the outbound half of another.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::{
    browser::Browser, context::Context, fork::Branch, listening::Listening, masking::Mask, mixing::Seat, paced::usable_ptime,
    shared::Line, worker::NewStream,
};
use crate::{
    adapt::Adaptation,
    codec::Encoder,
    contract::{Configure, Format, StreamId},
    dtmf::{DigitDetector, DigitGenerator},
    flood::FloodGate,
    keys::StreamKeys,
    learn::Learner,
    one_way::OneWayWatch,
    outgoing::Outgoing,
    player::{Pacer, Player},
    random::Random,
    reception::Reception,
    record::Side,
    relay::Relay,
    reports::Reports,
    secure::{Protector, SEALED_BYTES, Unprotector},
    tones::KeyTones,
    transcode::Transcoder,
};

/// The port of RTCP is opened no earlier; the first report is due some seconds later (RFC 3550 section 6.2).
const RTCP_AFTER: Duration = Duration::from_millis(200);

/// A stream and its partner.
pub(super) struct Stream {
    pub(super) id: StreamId,
    opened_at: Instant,
    pub(super) inbound: Inbound,
    pub(super) outbound: Outbound,
    /// Slot of the stream that hears this one and is heard by it; its own for echo.
    pub(super) partner: Option<usize>,
    /// Its place in a room, instead of a partner.
    pub(super) seat: Option<Box<Seat>>,
    /// What is listened for in it.
    pub(super) listening: Option<Box<Listening>>,
    /// Who else is given what it receives.
    pub(super) branches: Vec<Branch>,
    /// Handling it panicked: it does nothing more.
    pub(super) faulty: bool,
    /// Whether the thread's list of paced streams holds it.
    pub(super) paced: bool,
    /// Whether the list of those that have no sound holds it.
    pub(super) rests: bool,
    /// Its keys are agreed by DTLS.
    pub(super) browser: Option<Box<Browser>>,
}

/// The receiving half.
pub(super) struct Inbound {
    /// `None` until configured; nothing is accepted before.
    pub(super) learner: Option<Learner>,
    pub(super) format: Option<Format>,
    /// Whether the peer is expected to send.
    pub(super) expected: bool,
    pub(super) reception: Reception,
    pub(super) detector: DigitDetector,
    /// On the heap: most streams have none, and it is large.
    pub(super) transcoder: Option<Box<Transcoder>>,
    /// Packets that came too late for earlier ones of these.
    pub(super) late: Option<u64>,
    pub(super) tap: Option<Tap>,
    /// Nobody hears it.
    pub(super) mask: Mask,
    /// So much silence counts as lost media.
    pub(super) watched: Option<Duration>,
    /// Since when there is silence.
    pub(super) silent_since: Instant,
    pub(super) lost_told: bool,
    pub(super) one_way: OneWayWatch,
    pub(super) foreign: u64,
    pub(super) malformed: u64,
    pub(super) gate: FloodGate,
    pub(super) excess: u64,
    /// What arrives is SRTP.
    unprotector: Option<Box<Unprotector>>,
}

/// A recording that takes what is received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    pub(super) recording: u64,
    pub(super) side: Side,
    pub(super) dropped: u64,
}

/// Whose audio left last. A change starts a new mapping with the marker set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    Nobody,
    Relayed,
    Transcoded,
    Player,
    Mixed,
}

/// An event of the partner that is carried over to another codec's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct CarriedEvent {
    pub(super) theirs: u32,
    pub(super) ours: u32,
    /// When its last packet was sent.
    pub(super) at: Instant,
}

/// The sending half.
pub(super) struct Outbound {
    pub(super) rtp: Line,
    /// Opened when first needed; see `socket`.
    pub(super) rtcp: Option<UdpSocket>,
    /// Its port was opened, or could not be had.
    pub(super) is_rtcp_settled: bool,
    pub(super) format: Option<Format>,
    /// Whether we may send media (hold).
    pub(super) allowed: bool,
    pub(super) target: Option<SocketAddr>,
    pub(super) rtcp_target: Option<SocketAddr>,
    /// Where the SDP wants RTCP, when it says.
    pub(super) negotiated_rtcp: Option<SocketAddr>,
    pub(super) rtcp_mux: bool,
    /// The peer wants to be told how it is heard.
    pub(super) rtcp_xr: bool,
    /// Silence is sent when nothing else was for so long.
    pub(super) keep_alive: Option<Duration>,
    pub(super) identity: Outgoing,
    pub(super) relay: Relay,
    pub(super) reports: Reports,
    pub(super) speaker: Speaker,
    pub(super) encoder: Option<Box<Encoder>>,
    /// What the far side reported of the way there.
    pub(super) line: Adaptation,
    /// Of what the speaker said since its last packet, so many ms were a pause that is not sent.
    pub(super) unsent_ms: u32,
    pub(super) player: Option<Player>,
    pub(super) player_pacer: Option<Pacer>,
    /// Since when what is to be sent by the clock waits for a target.
    pub(super) unheard_since: Option<Instant>,
    pub(super) digits: DigitGenerator,
    /// Keys to a peer without telephone-event.
    pub(super) tones: KeyTones,
    pub(super) digit_pacer: Option<Pacer>,
    pub(super) carried_event: Option<CarriedEvent>,
    /// What leaves is SRTP.
    protector: Option<Box<Protector>>,
}

impl Stream {
    pub(super) fn new(new: NewStream, cx: &mut Context) -> Self {
        let mut random = Random::new(new.seed);
        // The first number in the lower half: the peer cannot miss a rollover then (RFC 3711 section 3.3.1).
        let identity = Outgoing::new(random.u32(), random.u16() >> 1, random.u32());
        let mut stream = Self {
            id: new.id,
            opened_at: cx.now,
            inbound: Inbound {
                learner: None,
                format: None,
                expected: false,
                reception: Reception::new(cx.now),
                detector: DigitDetector::new(),
                transcoder: None,
                late: None,
                tap: None,
                mask: Mask::Off,
                watched: None,
                silent_since: cx.now,
                lost_told: false,
                one_way: OneWayWatch::default(),
                foreign: 0,
                malformed: 0,
                gate: FloodGate::new(cx.now),
                excess: 0,
                unprotector: None,
            },
            outbound: Outbound {
                rtp: new.rtp,
                rtcp: None,
                is_rtcp_settled: false,
                format: None,
                allowed: false,
                target: None,
                rtcp_target: None,
                negotiated_rtcp: None,
                rtcp_mux: false,
                rtcp_xr: false,
                keep_alive: None,
                identity,
                relay: Relay::new(),
                reports: Reports::new(cx.now, cx.ntp, random.u64(), new.name),
                speaker: Speaker::Nobody,
                encoder: None,
                line: Adaptation::default(),
                unsent_ms: 0,
                player: None,
                player_pacer: None,
                unheard_since: None,
                digits: DigitGenerator::new(),
                tones: KeyTones::new(),
                digit_pacer: None,
                carried_event: None,
                protector: None,
            },
            partner: None,
            seat: None,
            listening: None,
            branches: Vec::new(),
            faulty: false,
            paced: false,
            rests: false,
            browser: None,
        };
        if let Some(to) = &new.to {
            stream.configure(to, cx);
        }
        if let (Some(learner), Some(from)) = (&mut stream.inbound.learner, new.heard_from) {
            learner.resume(cx.now, from);
            stream.retarget();
        }
        stream
    }

    /// Silence counts from now on, or no longer.
    pub(super) fn watch(&mut self, silence: Option<Duration>, now: Instant) {
        let inbound = &mut self.inbound;
        if inbound.watched.is_none() {
            (inbound.silent_since, inbound.lost_told) = (now, false);
        }
        inbound.watched = silence;
    }

    /// Takes over what was negotiated.
    pub(super) fn configure(&mut self, to: &Configure, cx: &mut Context) {
        let format = Format { ptime_ms: usable_ptime(&to.format), ..to.format };
        let inbound = &mut self.inbound;
        match &mut inbound.learner {
            Some(learner) => learner.renegotiate(to.remote, to.signalling, to.learn),
            none => *none = Some(Learner::new(to.remote, to.signalling, to.learn)),
        }
        if inbound.format.is_none_or(|old| old.codec != format.codec) {
            inbound.drop_transcoder();
            inbound.reception.set_clock_rate(format.codec.rtp_clock_hz());
        }
        inbound.format = Some(format);
        inbound.expected = to.receive;
        inbound.reception.forgive();
        let outbound = &mut self.outbound;
        if outbound.format.is_none_or(|old| old != format) {
            outbound.encoder = None;
            outbound.change_speaker();
            outbound.player_pacer = None;
        }
        outbound.format = Some(format);
        outbound.allowed = to.send;
        outbound.rtcp_mux = to.rtcp_mux;
        outbound.rtcp_xr = to.rtcp_xr;
        outbound.reports.set_clock_rate(format.codec.rtp_clock_hz());
        outbound.keep_alive = to.keep_alive_ms.map(|ms| Duration::from_millis(ms.into()));
        outbound.negotiated_rtcp = to.remote_rtcp;
        if to.dtls.is_none() {
            self.take_keys(to.keys.as_deref());
        } else if self.browser.is_none() {
            self.take_keys(None);
        }
        self.configure_browser(to, cx);
        self.retarget();
    }

    /// A key that stays keeps its counters.
    pub(super) fn take_keys(&mut self, keys: Option<&StreamKeys>) {
        let (protector, unprotector) = (&mut self.outbound.protector, &mut self.inbound.unprotector);
        match keys {
            None => (*protector, *unprotector) = (None, None),
            Some(StreamKeys { send, receive }) => {
                if protector.as_ref().is_none_or(|now| now.key() != send) {
                    *protector = Some(Box::new(Protector::new(send)));
                }
                if unprotector.as_ref().is_none_or(|now| now.key() != receive) {
                    *unprotector = Some(Box::new(Unprotector::new(receive)));
                }
            }
        }
    }

    /// Sends to where the peer is now. RTCP goes where it was negotiated unless the peer was learned
    /// elsewhere: then to the port beside its RTP.
    pub(super) fn retarget(&mut self) {
        if let Some(browser) = &self.browser {
            self.outbound.target = browser.target();
            // Another port would want keys of its own: without rtcp-mux there are no reports.
            self.outbound.rtcp_target = self.outbound.target.filter(|_| self.outbound.rtcp_mux);
            return;
        }
        let Some(learner) = &self.inbound.learner else { return };
        let target = learner.target();
        self.outbound.target = Some(target);
        let beside = target.port().checked_add(1).map(|port| SocketAddr::new(target.ip(), port));
        self.outbound.rtcp_target = if self.outbound.rtcp_mux {
            Some(target)
        } else if learner.learned() {
            beside
        } else {
            self.outbound.negotiated_rtcp.or(beside)
        };
    }

    /// Whether it was negotiated with a port of its own for RTCP, and is there long enough to be worth it.
    pub(super) fn wants_rtcp_socket(&self, now: Instant) -> bool {
        let outbound = &self.outbound;
        let is_due = outbound.format.is_some() && !outbound.rtcp_mux && !outbound.is_rtcp_settled && self.browser.is_none();
        is_due && now.saturating_duration_since(self.opened_at) >= RTCP_AFTER
    }

    /// Whether RTCP from there is the peer's: from the host that media goes to, or negotiated.
    pub(super) fn is_rtcp_peer(&self, from: IpAddr) -> bool {
        let is = |target: Option<SocketAddr>| target.is_some_and(|target| target.ip() == from);
        is(self.outbound.target) || is(self.outbound.rtcp_target)
    }
}

impl Inbound {
    /// Whether there is a key for what arrives.
    pub(super) const fn has_key(&self) -> bool {
        self.unprotector.is_some()
    }

    /// The packet in the clear, in its place; `None` when it is not authentic.
    pub(super) fn unprotect<'a>(&mut self, packet: &'a mut [u8], is_rtcp: bool) -> Option<&'a mut [u8]> {
        let Some(unprotector) = &mut self.unprotector else { return Some(packet) };
        let length = if is_rtcp { unprotector.rtcp(packet) } else { unprotector.rtp(packet) };
        if length.is_none() {
            self.malformed += 1;
            self.one_way.undecryptable();
        }
        packet.get_mut(..length?)
    }
}

impl Outbound {
    /// What is sent next comes from somebody else.
    pub(super) fn change_speaker(&mut self) {
        self.speaker = Speaker::Nobody;
        self.unsent_ms = 0;
        self.relay.forget();
        self.carried_event = None;
    }

    /// Whether audio of a partner may pass: the stream is negotiated and nothing of ours is playing.
    pub(super) fn takes_partner(&self) -> bool {
        self.allowed && self.player.is_none() && !self.has_keys()
    }

    /// Whether keys are on their way to the peer.
    pub(super) fn has_keys(&self) -> bool {
        self.digits.is_busy() || self.tones.is_busy()
    }

    /// Sends a packet, protected where that was agreed.
    pub(super) fn send_rtp(&mut self, packet: &[u8], target: SocketAddr) {
        // A datagram that the kernel does not take now is lost like any other on the way.
        let _ = match &mut self.protector {
            None => self.rtp.send_to(packet, target),
            Some(protector) => {
                let mut sealed = [0; SEALED_BYTES];
                let Some(length) = protector.rtp(packet, &mut sealed) else { return };
                self.rtp.send_to(&sealed[..length], target)
            }
        };
    }

    pub(super) fn send_rtcp(&mut self, packet: &[u8]) {
        let mut sealed = [0; SEALED_BYTES];
        let packet = match &mut self.protector {
            None => packet,
            Some(protector) => match protector.rtcp(packet, &mut sealed) {
                Some(length) => &sealed[..length],
                None => return,
            },
        };
        if let Some(target) = self.rtcp_target {
            // A peer without an RTCP port is common, and a full buffer only delays a report.
            let _ = match &self.rtcp {
                _ if self.rtcp_mux => self.rtp.send_to(packet, target),
                Some(rtcp) => rtcp.send_to(packet, target),
                None => return,
            };
        }
    }
}
