//! The signalling edge: the only place outside of `signaling/` that knows SIP.
//!
//! Towards the line loop it speaks of legs and causes. Inside it keeps, for each leg, its invitation and the
//! state of its SDP, and feeds the [`Endpoint`] one input at a time.

mod answers;
mod arriving;
mod capture;
mod causes;
mod codecs;
pub mod finder;
mod gate;
mod guard;
mod hand_backs;
mod identity;
mod keep;
mod keys;
mod leg;
mod network;
mod outgoing;
mod probe;
mod redirects;
mod registrations;
mod seen;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod toll;
mod transfers;
mod trunk_legs;
mod watched;
mod web;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::IpAddr,
};

use bytes::Bytes;
use tandem_signaling::{
    admission::Gate,
    endpoint::{self, Command, Endpoint, Event, Input, InviteId, Output, PartyIdentity},
    sdp::{KeyRule, KeySource, SessionDescription},
};
use tandem_switch::{
    cause::Cause,
    cdr::Origin,
    identity::CallerIdentity,
    name::{Extension, PartyNumber},
    step::Target,
};

use super::{LegRef, media::MediaEdge};
use crate::{clock::Now, store::Record};
pub use capture::{Capture, Collector};
use identity::IdentityDesk;
pub use identity::{IdentityError, Judge, Judged, TrunkIdentity, load as load_identity};
pub use keep::{Back, KeptSip};
use leg::SipLeg;
pub use network::{Network, Sockets, TlsConfigs};
pub use redirects::LedElsewhere;
pub use settings::{Settings, wanted};
pub use tandem_signaling::admission::Load;
pub use tandem_signaling::transport::{TlsPeer, TlsPeers};
pub use web::PATH as WEB_PATH;

use outgoing::Wish;

/// The number of a caller who does not want to be known.
const WITHHELD: &str = "anonymous";

/// Numbers and names from outside longer than this are cut.
const MAX_NAME_CHARS: usize = 64;

/// What the edge tells the line loop.
#[derive(Debug)]
pub enum SipEvent {
    /// Somebody who may do so calls: to be adopted or refused.
    Arrived(Box<Arrived>),
    /// A called leg rings.
    Rang {
        /// Which.
        at: LegRef,
        /// Its own audio can be heard.
        early_media: bool,
    },
    /// A called leg answered and its audio is set up.
    Answered(LegRef),
    /// A called leg did not come up; it is gone.
    Failed {
        /// Which.
        at: LegRef,
        /// Why.
        cause: Cause,
        /// The status code behind it, for traces.
        code: u16,
        /// What the other side said to it: text from outside, for traces.
        said: String,
    },
    /// The trunk of a leg told something beside the numbers.
    Told {
        /// Which.
        at: LegRef,
        /// What, by the names that the plan gives.
        told: BTreeMap<String, String>,
    },
    /// A called leg did not come up and names somebody else, as it may; it is gone.
    Redirected(Box<LedElsewhere>),
    /// A leg ended from its side; it is gone.
    Ended {
        /// Which.
        at: LegRef,
        /// Why.
        cause: Cause,
    },
    /// The verdict on the signed caller id of a call that has begun.
    Identified {
        /// Which.
        at: LegRef,
        /// The verdict.
        identity: CallerIdentity,
    },
    /// A leg holds us, or took us back.
    Held {
        /// Which.
        at: LegRef,
        /// Whether it holds us now.
        held: bool,
    },
    /// A leg wants the other party of its conversation connected to a number.
    Transferred {
        /// Which.
        at: LegRef,
        /// Whose it is, proved.
        by: Origin,
        /// What it dialled.
        to: PartyNumber,
    },
    /// A leg wants the other party of its conversation brought together with that of another leg of the same party.
    Joined {
        /// Which asks.
        at: LegRef,
        /// Whose it is, proved.
        by: Origin,
        /// The other one.
        with: LegRef,
    },
    /// A leg's carrier has its party back, or not.
    HandedBack {
        /// Which.
        at: LegRef,
        /// Why not.
        failed: Option<Cause>,
        /// The status code behind it, for traces.
        code: u16,
    },
    /// A key press that came as a message.
    Digit {
        /// On which leg.
        at: LegRef,
        /// Which key.
        digit: char,
        /// How long, in ms.
        duration_ms: u32,
    },
    /// Devices of an extension came, or the last one went.
    Reachable {
        /// Whose.
        extension: Extension,
        /// Whether a call could reach one.
        reachable: bool,
    },
    /// Something to be kept over a restart.
    Keep(Box<Record>),
}

/// A call that is not taken yet.
#[derive(Debug)]
pub struct Arrived {
    /// For `adopt` or `refuse`.
    pub invite: InviteRef,
    /// Where it came from, proved.
    pub origin: Origin,
    /// Who calls.
    pub from: PartyNumber,
    /// The caller's display name.
    pub display: String,
    /// What was dialled.
    pub to: PartyNumber,
    /// What is known of a signed caller id; `None` where none is checked.
    pub identity: Option<CallerIdentity>,
    /// What its trunk told beside the numbers, by the names that the plan gives.
    pub told: BTreeMap<String, String>,
    /// The leg whose place it wants to take.
    pub replaces: Option<LegRef>,
}

/// Names a call that is not taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InviteRef(InviteId);

/// The edge.
pub struct SipEdge {
    endpoint: Endpoint,
    gate: Gate,
    toll: toll::Toll,
    settings: Settings,
    now: Now,
    /// What the endpoint is to be told next.
    inputs: VecDeque<Input>,
    events: VecDeque<SipEvent>,
    legs: HashMap<LegRef, SipLeg>,
    invites: HashMap<InviteId, LegRef>,
    /// Arrived and not taken yet.
    arrived: HashMap<InviteId, SipLeg>,
    /// Legs that asked for a transfer and are to hear how it goes, also when they are gone.
    transfers: HashMap<LegRef, transfers::Asked>,
    /// Who redirected the call that the next leg is made for.
    diverting: Option<(LegRef, Vec<endpoint::Diverted>)>,
    /// Who asked for the transfer that the next leg is made for.
    referring: Option<(LegRef, Extension)>,
    /// Bindings of each extension.
    bindings: HashMap<Extension, usize>,
    capture: Capture,
    identity: IdentityDesk,
    faults_in_a_row: u32,
    /// What new keys of audio are made from.
    keys: KeySource,
    /// Lots are drawn from it.
    lots: u64,
}

impl SipEdge {
    /// An edge whose endpoint was set up with `settings`.
    #[must_use]
    pub fn new(now: Now, settings: Settings, seed: [u8; 32], capture: Capture, judge: Judge) -> Self {
        let gate = gate::gate(seed);
        Self {
            endpoint: Endpoint::new(settings.endpoint(), seed),
            gate,
            toll: toll::Toll::new(),
            settings,
            now,
            inputs: VecDeque::new(),
            events: VecDeque::new(),
            legs: HashMap::new(),
            invites: HashMap::new(),
            arrived: HashMap::new(),
            transfers: HashMap::new(),
            diverting: None,
            referring: None,
            bindings: HashMap::new(),
            capture,
            identity: IdentityDesk::new(judge.0),
            faults_in_a_row: 0,
            keys: KeySource::new(seed),
            lots: u64::from_le_bytes(std::array::from_fn(|i| seed[i])),
        }
    }

    /// The moment of everything that follows.
    pub fn wake(&mut self, now: Now) {
        self.now = now;
        if self.endpoint.deadline().is_some_and(|due| due <= now.instant) {
            self.give(Input::Tick);
        }
        while let Some((invite, standing)) = self.identity.overdue(now.instant) {
            self.stands(invite, standing);
        }
    }

    /// When the endpoint wants to be woken.
    #[must_use]
    pub fn deadline(&self) -> Option<std::time::Instant> {
        [self.endpoint.deadline(), self.identity.deadline()].into_iter().flatten().min()
    }

    /// Legs, and transactions behind them.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        let counts = self.endpoint.counts();
        (self.legs.len(), counts.client_transactions + counts.server_transactions)
    }

    fn give(&mut self, input: Input) {
        self.inputs.push_back(input);
    }

    /// The moment of what is being done.
    fn now(&self) -> std::time::Instant {
        self.now.instant
    }

    fn command(&mut self, command: Command) {
        self.give(Input::Command(command));
    }

    /// The next thing for the line loop; sends what is to be sent meanwhile.
    pub fn poll(&mut self, network: &mut Network, media: &mut MediaEdge) -> Option<SipEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.endpoint.poll() {
                Some(Output::Transmit { to, bytes }) => {
                    if self.capture.is_on() {
                        let (addresses, transport) = network.way_to(&to);
                        self.capture.note(addresses, (transport, true), self.now.at, &bytes);
                    }
                    if !network.send(to, bytes) {
                        self.give(Input::SendFailed { to });
                    }
                }
                Some(Output::Event(event)) => self.take_event(event, media),
                None => {
                    let input = self.inputs.pop_front()?;
                    self.hand_over(input);
                }
            }
        }
    }

    /// Takes a call as a leg.
    pub fn adopt(&mut self, invite: InviteRef, at: LegRef) {
        if let Some(leg) = self.arrived.remove(&invite.0) {
            self.legs.insert(at, leg);
            self.invites.insert(invite.0, at);
        }
    }

    /// Refuses a call that wants to take a place that it may not have (RFC 3891 section 3).
    pub fn decline(&mut self, invite: InviteRef) {
        self.arrived.remove(&invite.0);
        self.command(Command::Reject { invite: invite.0, code: 603, reason: String::new(), retry_after_s: None });
    }

    /// A leg that is up is one of another call from now on.
    pub fn move_leg(&mut self, from: LegRef, to: LegRef) {
        let Some(mut leg) = self.legs.remove(&from) else { return };
        leg.ways = None;
        self.invites.insert(leg.invite, to);
        self.legs.insert(to, leg);
        self.toll_moved(from, to);
        if let Some(asked) = self.transfers.remove(&from) {
            self.transfers.insert(to, asked);
        }
    }

    /// Refuses a call because we cannot take it now.
    pub fn refuse(&mut self, invite: InviteRef) {
        self.arrived.remove(&invite.0);
        let (code, retry_after_s) = (503, Some(self.settings.retry_after_s));
        self.command(Command::Reject { invite: invite.0, code, reason: String::new(), retry_after_s });
    }

    /// Tells the leg's side that it rings.
    pub fn ring(&mut self, at: LegRef) {
        if let Some(leg) = self.legs.get(&at) {
            self.command(Command::Progress { invite: leg.invite, code: 180, sdp: None });
        }
    }

    /// Opens the leg's audio before an answer.
    ///
    /// # Errors
    /// Its audio cannot be set up.
    pub fn early_media(&mut self, at: LegRef, media: &mut MediaEdge) -> Result<(), Cause> {
        let sdp = self.describe(at, media)?;
        if let Some(leg) = self.legs.get(&at) {
            // An offer of ours goes with it only where it can be answered: the endpoint knows where. Who gets none hears
            // nothing of ours before the answer, but the ring-back of their own side.
            let code = if leg.is_negotiated() { 183 } else { 180 };
            self.command(Command::Progress { invite: leg.invite, code, sdp: Some(sdp) });
        }
        Ok(())
    }

    /// Whether the leg can hear us, now or as soon as our offer is answered. Nothing that plays to one that cannot
    /// would ever come to its end.
    #[must_use]
    pub fn can_hear(&self, at: LegRef) -> bool {
        self.legs.get(&at).is_some_and(SipLeg::can_hear)
    }

    /// Answers the leg.
    ///
    /// # Errors
    /// Its audio cannot be set up.
    pub fn answer(&mut self, at: LegRef, media: &mut MediaEdge) -> Result<(), Cause> {
        let sdp = self.describe(at, media)?;
        if let Some(leg) = self.legs.get_mut(&at) {
            leg.up(at, media);
            let invite = leg.invite;
            self.command(Command::Answer { invite, sdp });
        }
        Ok(())
    }

    fn describe(&mut self, at: LegRef, media: &mut MediaEdge) -> Result<Bytes, Cause> {
        let partner = self.partner_codec(at);
        let leg = self.legs.get_mut(&at).ok_or(Cause::Fault)?;
        leg.describe(at, partner, &self.settings, media)
    }

    /// The codec that another leg of the call speaks: the best choice for this one.
    fn partner_codec(&self, at: LegRef) -> Option<tandem_signaling::sdp::AudioCodec> {
        let first = LegRef { leg: tandem_switch::id::LegId::CALLER, ..at };
        if at != first {
            return self.legs.get(&first).and_then(SipLeg::codec);
        }
        // Calls have few legs; those that speak are found by their numbers.
        (1..=16).find_map(|n| self.legs.get(&LegRef { leg: tandem_switch::id::LegId(n), ..at }).and_then(SipLeg::codec))
    }

    /// Calls somebody as a new leg.
    ///
    /// # Errors
    /// It cannot even be tried: no device, no trunk, no port.
    pub fn invite(
        &mut self,
        at: LegRef,
        target: &Target,
        caller_id: &PartyNumber,
        display: &str,
        caller: LegRef,
        media: &mut MediaEdge,
    ) -> Result<(), Cause> {
        let (mut keys, mut has_web, mut is_web) = (KeyRule::Plain, false, false);
        let target = match target {
            Target::Extension(extension) => {
                keys = self.settings.keys_of_extension(extension.as_str());
                has_web =
                    self.settings.is_web_encrypted(extension.as_str()) && self.endpoint.comes_by_web_socket(extension.as_str());
                is_web = has_web && self.endpoint.comes_by_web_socket_only(extension.as_str());
                if !self.bindings.contains_key(extension) {
                    return Err(Cause::NotRegistered);
                }
                endpoint::Target::Account(extension.as_str().into())
            }
            Target::Trunk { trunk, number } => {
                return self.invite_by_trunk(at, (trunk, number), caller_id, caller, media);
            }
            Target::Fixed(address) => endpoint::Target::Uri(address.to_string()),
        };
        let is_withheld = self.is_withheld(caller) || caller_id.as_str() == WITHHELD;
        let from_user = if caller_id.as_str().is_empty() { WITHHELD } else { caller_id.as_str() }.to_owned();
        let wish = Wish {
            target,
            from_user,
            from_display: display.to_owned(),
            party: PartyIdentity { is_withheld, ..PartyIdentity::default() },
            headers: Vec::new(),
            codecs: self.settings.codecs_of(None),
            trunk: None,
            keys,
            has_web,
            is_web,
            ways: None,
            is_emergency: false,
        };
        self.call(at, wish, caller, media)
    }

    /// Ends a leg, whatever it is doing.
    pub fn end(&mut self, at: LegRef, cause: Cause) {
        let Some(leg) = self.legs.remove(&at) else { return };
        self.toll_ended(at);
        self.invites.remove(&leg.invite);
        self.forget_transfer(at);
        let (code, reason) = causes::to_code(cause);
        let (invite, reason) = (leg.invite, reason.to_owned());
        if leg.is_incoming() && !leg.is_answered() && code >= 300 {
            let retry_after_s = (code == 503).then_some(self.settings.retry_after_s);
            self.command(Command::Reject { invite, code, reason, retry_after_s });
        } else {
            self.command(Command::End { invite, code, reason });
        }
    }

    fn told(&mut self, event: Event, media: &mut MediaEdge) {
        match event {
            Event::Invited(invited) => self.invited(*invited),
            Event::Cancelled { invite } => self.ended(invite, Cause::Cancelled),
            Event::Ended { invite, how } => self.ended(invite, causes::of_end(&how)),
            Event::Rejected { invite, code, by, reason } => self.rejected(invite, (code, by, &reason), media),
            Event::HeadersTold { invite, headers } => self.headers_told(invite, &headers),
            Event::Redirected(redirected) => self.redirected(&redirected),
            Event::Confirmed { invite, sdp } => self.confirmed(invite, sdp.as_deref(), media),
            Event::ReofferAnswered { invite, sdp: Some(sdp) } => self.late_answer(invite, &sdp, media),
            Event::Progressed { invite, code, sdp, flow } => {
                self.signalled(invite, flow.remote.ip());
                self.progressed(invite, code, sdp.as_deref(), media);
            }
            Event::Answered { invite, sdp, flow } => {
                self.signalled(invite, flow.remote.ip());
                self.answered(invite, sdp.as_deref(), media);
            }
            Event::Reoffered { invite, sdp } => self.reoffered(invite, sdp.as_deref(), media),
            Event::Transferred { invite, by, to } => self.transferred(invite, by, to),
            Event::HandedBack { invite, code } => self.handed_back(invite, code),
            Event::InfoDigit { invite, digit, duration_ms } => {
                if let Some(at) = self.invites.get(&invite).copied() {
                    self.events.push_back(SipEvent::Digit { at, digit, duration_ms });
                }
            }
            Event::KeyRefused { invite, code } => self.key_refused(invite, code),
            Event::ReofferAnswered { .. } | Event::ReofferRejected { .. } => {}
            Event::BindingAdded(_)
            | Event::BindingRefreshed(_)
            | Event::BindingRemoved { .. }
            | Event::TrunkUp { .. }
            | Event::TrunkDown { .. }
            | Event::AuthFailed { .. } => self.registration_told(event),
        }
    }

    /// A key is to reach a leg's party by SIP INFO.
    pub fn send_key(&mut self, at: LegRef, key: char, duration_ms: u32) {
        if let Some(invite) = self.legs.get(&at).map(|leg| leg.invite) {
            self.command(Command::SendKey { invite, key, duration_ms });
        }
    }

    fn key_refused(&self, invite: InviteId, code: u16) {
        let Some(at) = self.invites.get(&invite) else { return };
        let trunk = self.legs.get(at).and_then(|leg| leg.trunk.as_ref()).map(|name| name.as_str());
        tracing::warn!(call = %at.call, leg = at.leg.0, trunk, code, "a key was refused: this party takes none by SIP INFO (plan word `dtmf`)");
    }

    fn forget(&mut self, invite: InviteId) -> Option<LegRef> {
        let at = self.invites.remove(&invite)?;
        self.legs.remove(&at);
        self.toll_ended(at);
        self.forget_transfer(at);
        Some(at)
    }

    fn ended(&mut self, invite: InviteId, cause: Cause) {
        if self.identity.forget(invite) {
            self.arrived.remove(&invite);
        }
        if let Some(at) = self.forget(invite) {
            self.events.push_back(SipEvent::Ended { at, cause });
        }
    }

    fn leg(&mut self, invite: InviteId) -> Option<(LegRef, &mut SipLeg)> {
        let at = *self.invites.get(&invite)?;
        Some((at, self.legs.get_mut(&at)?))
    }
}

fn parse(sdp: &[u8]) -> Option<SessionDescription> {
    SessionDescription::parse(sdp).ok()
}

/// Whether an address is one that a peer could have told us in earnest.
fn usable(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}
