//! The signalling edge of the simulated switch: legs to invitations and back, as `server/src/wire/sip` does it,
//! but for the descriptions of media, which are two fixed ones.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Instant,
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tandem_signaling::endpoint::{
    self, Binding, Command, Destination, EndedHow, Event, Input, InviteId, Invited, KeptLeg, Moment, Output, RejectedBy,
    Restored, Source,
};
use tandem_switch::{
    cause::Cause,
    cdr::Origin,
    id::{CallId, LegId},
    name::{Extension, PartyNumber},
    step::Target,
};

use crate::station::Station;

pub(crate) const TALKS: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 0 101\r\n";
/// The same, on hold.
pub(crate) const HOLDS: &[u8] =
    b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8\r\na=sendonly\r\n";

/// One leg of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LegRef {
    pub(crate) call: CallId,
    pub(crate) leg: LegId,
}

/// What the edge tells the line.
pub(crate) enum SipEvent {
    Arrived { invite: InviteId, origin: Origin, from: PartyNumber, to: PartyNumber },
    Rang { at: LegRef, early_media: bool },
    Answered(LegRef),
    Failed { at: LegRef, cause: Cause },
    Ended { at: LegRef, cause: Cause },
    Held { at: LegRef, held: bool },
    Reachable { extension: Extension, reachable: bool },
}

/// A leg as it is written down beside its dialog.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct KeptSide {
    incoming: bool,
    held: bool,
}

struct Leg {
    invite: InviteId,
    incoming: bool,
    answered: bool,
    held: bool,
}

pub(crate) struct Edge {
    pub(crate) station: Station,
    pub(crate) now: Instant,
    pub(crate) sent: Vec<(Destination, Bytes)>,
    inputs: VecDeque<Input>,
    events: VecDeque<SipEvent>,
    legs: BTreeMap<LegRef, Leg>,
    invites: BTreeMap<InviteId, LegRef>,
    arrived: BTreeSet<InviteId>,
    bindings: BTreeMap<Extension, usize>,
    /// What a database would know of registrations, by account and contact.
    pub(crate) kept: BTreeMap<(String, String), Binding>,
}

impl Edge {
    pub(crate) fn new(station: Station, now: Instant) -> Self {
        Self {
            station,
            now,
            sent: Vec::new(),
            inputs: VecDeque::new(),
            events: VecDeque::new(),
            legs: BTreeMap::new(),
            invites: BTreeMap::new(),
            arrived: BTreeSet::new(),
            bindings: BTreeMap::new(),
            kept: BTreeMap::new(),
        }
    }

    pub(crate) fn give(&mut self, input: Input) {
        self.inputs.push_back(input);
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.give(Input::Command(command));
    }

    /// Puts registrations of before a restart back.
    pub(crate) fn restore(&mut self, kept: BTreeMap<(String, String), Binding>) {
        let now = self.now;
        for (key, binding) in kept.into_iter().filter(|(_, binding)| binding.expires_at > now) {
            self.came(&Extension::from(&*binding.account));
            self.command(Command::RestoreBinding(binding.clone()));
            self.kept.insert(key, binding);
        }
    }

    /// The next thing for the line. What is to be sent meanwhile is in `sent`.
    pub(crate) fn poll(&mut self) -> Option<SipEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.station.poll() {
                Some(Output::Transmit { to, bytes }) => self.sent.push((to, bytes)),
                Some(Output::Event(event)) => self.told(event),
                None => {
                    let input = self.inputs.pop_front()?;
                    self.station.handle(self.now, input);
                }
            }
        }
    }

    /// What is to be kept of a leg.
    pub(crate) fn keep_leg(&mut self, moment: Moment, at: LegRef) -> Option<(KeptLeg, KeptSide)> {
        let leg = self.legs.get(&at)?;
        let side = KeptSide { incoming: leg.incoming, held: leg.held };
        Some((self.station.keep(moment, leg.invite)?, side))
    }

    /// Calls of which a leg is not as it was kept.
    pub(crate) fn changed(&mut self) -> Vec<CallId> {
        let changed: Vec<InviteId> = std::iter::from_fn(|| self.station.next_changed()).collect();
        changed.into_iter().filter_map(|invite| self.invites.get(&invite).map(|at| at.call)).collect()
    }

    /// Takes a kept leg up; whether it is there and `wanted`.
    pub(crate) fn bring_back(&mut self, moment: Moment, at: LegRef, dialog: &KeptLeg, side: &KeptSide, wanted: bool) -> bool {
        while let Some(input) = self.inputs.pop_front() {
            self.station.handle(self.now, input);
        }
        match self.station.restore(moment, dialog) {
            Restored::Ended => false,
            Restored::Up { invite, needs_offer } => {
                self.legs.insert(at, Leg { invite, incoming: side.incoming, answered: true, held: side.held });
                self.invites.insert(invite, at);
                if !wanted {
                    self.end(at, Cause::Restart);
                } else if needs_offer {
                    self.command(Command::Reoffer { invite, sdp: Bytes::from_static(TALKS) });
                }
                wanted
            }
        }
    }

    /// Asks whether the other side of a leg is there.
    pub(crate) fn probe(&mut self, at: LegRef) {
        if let Some(leg) = self.legs.get(&at) {
            self.station.probe(self.now, leg.invite);
        }
    }

    pub(crate) fn adopt(&mut self, invite: InviteId, at: LegRef) {
        if self.arrived.remove(&invite) {
            self.legs.insert(at, Leg { invite, incoming: true, answered: false, held: false });
            self.invites.insert(invite, at);
        }
    }

    pub(crate) fn progress(&mut self, at: LegRef, code: u16) {
        if let Some(leg) = self.legs.get(&at) {
            let sdp = (code == 183).then(|| Bytes::from_static(TALKS));
            self.command(Command::Progress { invite: leg.invite, code, sdp });
        }
    }

    pub(crate) fn answer(&mut self, at: LegRef) {
        if let Some(leg) = self.legs.get_mut(&at) {
            leg.answered = true;
            let invite = leg.invite;
            self.command(Command::Answer { invite, sdp: Bytes::from_static(TALKS) });
        }
    }

    pub(crate) fn invite(&mut self, at: LegRef, target: &Target, caller_id: &PartyNumber) -> Result<(), Cause> {
        let target = match target {
            Target::Extension(extension) if !self.bindings.contains_key(extension) => return Err(Cause::NotRegistered),
            Target::Extension(extension) => endpoint::Target::Account(extension.as_str().into()),
            Target::Trunk { trunk, number } => {
                endpoint::Target::Trunk { name: trunk.as_str().into(), user: number.as_str().to_owned() }
            }
            Target::Fixed(address) => endpoint::Target::Uri(address.to_string()),
        };
        let invite = self.station.next_invite();
        self.legs.insert(at, Leg { invite, incoming: false, answered: false, held: false });
        self.invites.insert(invite, at);
        let (from_user, from_display) = (caller_id.as_str().to_owned(), String::new());
        let wish = endpoint::Invite {
            party: endpoint::PartyIdentity::default(),
            invite,
            target,
            from_user,
            from_display,
            sdp: Bytes::from_static(TALKS),
            headers: Vec::new(),
            is_emergency: false,
            web_sdp: None,
        };
        self.command(Command::Invite(Box::new(wish)));
        Ok(())
    }

    pub(crate) fn end(&mut self, at: LegRef, cause: Cause) {
        let Some(leg) = self.legs.remove(&at) else { return };
        self.invites.remove(&leg.invite);
        let (invite, code, reason) = (leg.invite, code_of(cause), String::new());
        if leg.incoming && !leg.answered && code >= 300 {
            self.command(Command::Reject { invite, code, reason, retry_after_s: None });
        } else {
            self.command(Command::End { invite, code, reason });
        }
    }

    fn told(&mut self, event: Event) {
        match event {
            Event::Invited(invited) => self.invited(*invited),
            Event::Cancelled { invite } => self.ended(invite, Cause::Cancelled),
            Event::Ended { invite, how } => self.ended(invite, cause_of_end(&how)),
            Event::Rejected { invite, code, by, .. } => {
                if let Some(at) = self.forget(invite) {
                    self.events.push_back(SipEvent::Failed { at, cause: cause_of(code, by) });
                }
            }
            // Nobody here leads calls elsewhere.
            Event::Redirected(redirected) => {
                if let Some(at) = self.forget(redirected.invite) {
                    self.events.push_back(SipEvent::Failed { at, cause: Cause::Redirected });
                }
            }
            Event::Progressed { invite, code, sdp, .. } => {
                let early_media = sdp.is_some();
                if let Some(at) = self.invites.get(&invite).copied().filter(|_| early_media || code == 180) {
                    self.events.push_back(SipEvent::Rang { at, early_media });
                }
            }
            Event::Answered { invite, .. } => {
                let Some(at) = self.invites.get(&invite).copied() else { return };
                if let Some(leg) = self.legs.get_mut(&at) {
                    leg.answered = true;
                    self.events.push_back(SipEvent::Answered(at));
                }
            }
            Event::Reoffered { invite, sdp } => self.reoffered(invite, sdp.as_deref()),
            Event::BindingAdded(binding) => {
                self.came(&Extension::from(&*binding.account));
                self.keep(binding);
            }
            Event::BindingRefreshed(binding) => self.keep(binding),
            Event::BindingRemoved { account, contact, left, .. } => {
                self.kept.remove(&(account.to_string(), contact.to_string()));
                self.went(&Extension::from(&*account), left);
            }
            Event::Confirmed { .. }
            | Event::ReofferAnswered { .. }
            | Event::ReofferRejected { .. }
            | Event::InfoDigit { .. }
            | Event::KeyRefused { .. }
            | Event::HandedBack { .. }
            | Event::Transferred { .. }
            | Event::TrunkUp { .. }
            | Event::TrunkDown { .. }
            | Event::HeadersTold { .. }
            | Event::AuthFailed { .. } => {}
        }
    }

    fn invited(&mut self, invited: Invited) {
        let Invited { invite, source, request_user, from_user, .. } = invited;
        let (origin, from) = match source {
            Source::Account(user) => (Origin::Extension(user.as_ref().into()), PartyNumber::from(user.as_ref())),
            Source::Trunk(name) => (Origin::Trunk(name.as_ref().into()), PartyNumber::from(from_user.as_str())),
        };
        self.arrived.insert(invite);
        self.events.push_back(SipEvent::Arrived { invite, origin, from, to: PartyNumber::from(request_user.as_str()) });
    }

    fn reoffered(&mut self, invite: InviteId, sdp: Option<&[u8]>) {
        let Some(at) = self.invites.get(&invite).copied() else { return };
        let Some(leg) = self.legs.get_mut(&at) else { return };
        let held = sdp.is_some_and(|sdp| sdp == HOLDS);
        let changed = std::mem::replace(&mut leg.held, held) != held;
        self.command(Command::AnswerReoffer { invite, sdp: Bytes::from_static(TALKS) });
        if changed {
            self.events.push_back(SipEvent::Held { at, held });
        }
    }

    fn forget(&mut self, invite: InviteId) -> Option<LegRef> {
        let at = self.invites.remove(&invite)?;
        self.legs.remove(&at);
        Some(at)
    }

    fn ended(&mut self, invite: InviteId, cause: Cause) {
        if let Some(at) = self.forget(invite) {
            self.events.push_back(SipEvent::Ended { at, cause });
        }
    }

    fn keep(&mut self, binding: Binding) {
        self.kept.insert((binding.account.to_string(), binding.contact.to_string()), binding);
    }

    fn came(&mut self, extension: &Extension) {
        let devices = self.bindings.entry(extension.clone()).or_insert(0);
        *devices += 1;
        if *devices == 1 {
            self.events.push_back(SipEvent::Reachable { extension: extension.clone(), reachable: true });
        }
    }

    fn went(&mut self, extension: &Extension, left: usize) {
        if left == 0 {
            self.bindings.remove(extension);
            self.events.push_back(SipEvent::Reachable { extension: extension.clone(), reachable: false });
        } else {
            self.bindings.insert(extension.clone(), left);
        }
    }

    /// Legs that the edge still knows.
    pub(crate) fn legs(&self) -> usize {
        self.legs.len() + self.invites.len() + self.arrived.len()
    }
}

fn cause_of(code: u16, by: RejectedBy) -> Cause {
    match (code, by) {
        (480, RejectedBy::Us) => Cause::NotRegistered,
        (503, RejectedBy::Us) => Cause::Congestion,
        (408, RejectedBy::Network) => Cause::Timeout,
        (_, RejectedBy::Network) => Cause::NetworkFailure,
        (486 | 600, _) => Cause::Busy,
        (603, _) => Cause::Rejected,
        (404, _) => Cause::NotFound,
        (408 | 487, _) => Cause::NoAnswer,
        _ => Cause::Unavailable,
    }
}

const fn cause_of_end(how: &EndedHow) -> Cause {
    match how {
        EndedHow::Bye { .. } => Cause::Normal,
        EndedHow::Timeout => Cause::Timeout,
        EndedHow::ConnectionLost => Cause::NetworkFailure,
        EndedHow::NoAnswer => Cause::Incompatible,
    }
}

const fn code_of(cause: Cause) -> u16 {
    match cause {
        Cause::Normal | Cause::AnsweredElsewhere => 200,
        Cause::Cancelled => 487,
        Cause::Busy => 486,
        Cause::Rejected => 603,
        Cause::NotFound => 404,
        Cause::Congestion | Cause::Restart => 503,
        _ => 480,
    }
}
