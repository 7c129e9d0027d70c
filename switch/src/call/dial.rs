//! The step `dial`: one target or a ring group; the first who answers has the call.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Call, Doing, Input, LegStage, Moment, Newcomer, ledger, legs::Ear, redirect::Elsewhere, talk::With};
use crate::{
    cause::{Blame, Cause},
    cdr::SegmentState,
    id::LegId,
    name::PartyNumber,
    step::{Dial, RingStrategy, StepOutcome, Target},
    time::Timestamp,
};

/// Somebody is called.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Dialling {
    dial: Dial,
    /// Targets before this one were called.
    next: usize,
    /// Who rings: the leg and which target it is.
    ringing: SmallVec<[(LegId, usize); 2]>,
    until: Timestamp,
    /// The failure that says most of those so far.
    failure: Option<(Cause, Blame)>,
    /// It calls back whoever parked the caller: that nobody takes it is the end of the waiting in the slot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    recalls: bool,
    /// Targets that a carrier named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    led: Vec<Led>,
}

/// Some targets in a row that a carrier named for a number that was called before.
#[derive(Debug, Serialize, Deserialize)]
struct Led {
    first: usize,
    count: usize,
    number: PartyNumber,
    why: Cause,
}

impl Dialling {
    pub(super) const fn deadline(&self) -> Timestamp {
        self.until
    }

    /// What a called party plays before the answer goes to the caller only when it is clear whose it is.
    fn passes_early_media(&self) -> bool {
        self.dial.music.is_none() && (self.dial.strategy == RingStrategy::InOrder || self.dial.targets.len() == 1)
    }

    fn take(&mut self, leg: LegId) -> Option<(usize, &Target)> {
        let place = self.ringing.iter().position(|(l, _)| *l == leg)?;
        let (_, place) = self.ringing.remove(place);
        Some((place, self.dial.targets.get(place)?))
    }

    /// Takes out a leg that leads elsewhere: which target it is, and its number.
    pub(super) fn take_redirecting(&mut self, leg: LegId) -> Option<(usize, PartyNumber)> {
        self.take(leg).map(|(place, target)| (place, number_of(target)))
    }

    pub(super) fn rings(&self, leg: LegId) -> bool {
        self.ringing.iter().any(|(ringing, _)| *ringing == leg)
    }

    /// Several ring at once.
    pub(super) fn is_group(&self) -> bool {
        self.dial.strategy == RingStrategy::All && self.dial.targets.len() > 1
    }

    /// Others take the place of a target, and are called next, one after another. It was the only one that rang.
    pub(super) fn aim(&mut self, place: usize, others: Vec<Target>, (number, why): (PartyNumber, Cause)) {
        if place >= self.dial.targets.len() || others.is_empty() {
            return;
        }
        let count = others.len();
        self.dial.strategy = RingStrategy::InOrder;
        self.dial.targets.splice(place..=place, others);
        self.next = place;
        // Whoever led to the one that is replaced has led to all of them. Those behind it were not called yet.
        for led in self.led.iter_mut().filter(|led| led.holds(place)) {
            led.count += count - 1;
        }
        self.led.push(Led { first: place, count, number, why });
    }

    /// Who led to a target, the first one first.
    fn diverted(&self, place: usize) -> Vec<(PartyNumber, Cause)> {
        self.led.iter().filter(|led| led.holds(place)).map(|led| (led.number.clone(), led.why)).collect()
    }

    /// The target that was called last is called again.
    pub(super) fn again(&mut self) {
        self.next = self.next.saturating_sub(1);
    }

    pub(super) fn note_failure(&mut self, cause: Cause, blame: Blame) {
        if self.failure.is_none_or(|(known, _)| rank(cause) > rank(known)) {
            self.failure = Some((cause, blame));
        }
    }
}

impl Led {
    fn holds(&self, place: usize) -> bool {
        place.checked_sub(self.first).is_some_and(|behind| behind < self.count)
    }
}

/// How much a failure says to the caller.
pub(super) fn rank(cause: Cause) -> u8 {
    match outcome(cause) {
        StepOutcome::Busy => 3,
        StepOutcome::Rejected => 2,
        StepOutcome::NoAnswer => 1,
        _ => 0,
    }
}

pub(super) const fn outcome(cause: Cause) -> StepOutcome {
    match cause {
        Cause::Busy => StepOutcome::Busy,
        Cause::Rejected | Cause::Forbidden => StepOutcome::Rejected,
        Cause::NoAnswer | Cause::Cancelled | Cause::AnsweredElsewhere | Cause::Normal => StepOutcome::NoAnswer,
        Cause::Redirected
        | Cause::NotRegistered
        | Cause::NotFound
        | Cause::Incompatible
        | Cause::Unavailable
        | Cause::Congestion
        | Cause::Timeout
        | Cause::MediaTimeout
        | Cause::NetworkFailure
        | Cause::Callback
        | Cause::Restart
        | Cause::Fault => StepOutcome::Unreachable,
    }
}

const fn is_trunk(target: &Target) -> bool {
    matches!(target, Target::Trunk { .. })
}

/// Who answered, for the record.
fn number_of(target: &Target) -> PartyNumber {
    match target {
        Target::Extension(extension) => extension.as_str().into(),
        Target::Trunk { number, .. } => number.clone(),
        Target::Fixed(address) => PartyNumber::from(&**address),
    }
}

impl Call {
    pub(super) fn begin_dial(&mut self, now: Timestamp, dial: Dial) -> Doing {
        self.start_dial(now, dial, false)
    }

    /// Calls back whoever parked the caller.
    pub(super) fn begin_recall(&mut self, now: Timestamp, dial: Dial) -> Doing {
        self.start_dial(now, dial, true)
    }

    fn start_dial(&mut self, now: Timestamp, dial: Dial, recalls: bool) -> Doing {
        self.typed.clear();
        self.forget_redirects();
        self.ledger.blame = Blame::Us;
        if self.transfer.is_none() {
            self.ledger.turn(now, SegmentState::Ringing, None);
        }
        let ringing = SmallVec::new();
        self.ring_next(now, Dialling { dial, next: 0, ringing, until: now, failure: None, recalls, led: Vec::new() })
    }

    /// After a restart whoever rang is rung again.
    pub(super) fn dial_again(&mut self, now: Timestamp, mut dialling: Dialling) -> Doing {
        let rang = std::mem::take(&mut dialling.ringing);
        dialling.next = rang.iter().map(|(_, target)| *target).min().unwrap_or(dialling.next);
        self.ring_next(now, dialling)
    }

    pub(super) fn dialling(&mut self, at: &mut Moment<'_>, mut dialling: Box<Dialling>, input: &Input) -> Doing {
        match *input {
            Input::LegRang { leg, early_media } => {
                self.trace("rings", leg.to_string());
                self.transfer_rings();
                self.called_rang(&dialling, leg, early_media);
                Doing::Dial(dialling)
            }
            Input::LegAnswered { leg } => self.called_answered(at, *dialling, leg),
            Input::Taken { ref new } => self.called_elsewhere(at, *dialling, new.clone()),
            Input::LegFailed { leg, cause } | Input::LegEnded { leg, cause } => {
                self.trace("failed", format!("{leg}: {}", cause.as_str()));
                match dialling.take(leg).map(|(place, _)| place) {
                    Some(place) => self.called_failed(at.now, dialling, place, cause),
                    None => Doing::Dial(dialling),
                }
            }
            Input::LegRedirected { leg, ref by, ref to, why } => {
                self.called_redirects(at.now, dialling, leg, Elsewhere { by, to, why })
            }
            Input::Tick if at.now >= dialling.until => {
                for (leg, _) in std::mem::take(&mut dialling.ringing) {
                    self.legs.end(leg, Cause::Cancelled);
                }
                dialling.note_failure(Cause::NoAnswer, Blame::Callee);
                self.ring_next(at.now, *dialling)
            }
            _ => Doing::Dial(dialling),
        }
    }

    /// One of the targets does not take the call.
    pub(super) fn called_failed(&mut self, now: Timestamp, mut dialling: Box<Dialling>, place: usize, cause: Cause) -> Doing {
        let by_trunk = dialling.dial.targets.get(place).is_some_and(is_trunk);
        dialling.note_failure(cause, ledger::blame(cause, Blame::Callee, by_trunk));
        if dialling.ringing.is_empty() { self.ring_next(now, *dialling) } else { Doing::Dial(dialling) }
    }

    /// Calls whoever is next: all targets, or the next in order. Nobody left ends the step.
    pub(super) fn ring_next(&mut self, now: Timestamp, mut dialling: Dialling) -> Doing {
        while let Some(target) = dialling.dial.targets.get(dialling.next) {
            let caller_id = dialling.dial.caller_id.as_ref().unwrap_or(&self.arrival.from).clone();
            match self.legs.invite(target.clone(), caller_id, dialling.diverted(dialling.next)) {
                Some(leg) => dialling.ringing.push((leg, dialling.next)),
                None => dialling.note_failure(Cause::Congestion, Blame::Us),
            }
            dialling.next += 1;
            if dialling.dial.strategy == RingStrategy::InOrder && !dialling.ringing.is_empty() {
                break;
            }
        }
        if dialling.ringing.is_empty() {
            return self.dial_failed(now, &dialling);
        }
        dialling.until = now.plus_ms(dialling.dial.ring_ms);
        self.comfort(&dialling);
        Doing::Dial(Box::new(dialling))
    }

    /// Gives a caller who can hear us something to hear.
    fn comfort(&mut self, dialling: &Dialling) {
        let hears_us = self.legs.stage(self.legs.caller()).is_some_and(|stage| stage >= LegStage::EarlyMedia);
        match &dialling.dial.music {
            _ if self.legs.ear(self.legs.caller()) != Ear::Silence => {}
            Some(music) => {
                let audio = self.music(music.clone());
                self.legs.open_caller();
                self.legs.play(self.legs.caller(), audio, true);
            }
            None if hears_us => self.legs.ring_back(self.legs.caller()),
            None => {}
        }
    }

    fn called_rang(&mut self, dialling: &Dialling, leg: LegId, early_media: bool) {
        if early_media && dialling.passes_early_media() {
            self.legs.open_caller();
            self.legs.join(self.legs.caller(), leg);
        } else {
            self.legs.ring_caller();
        }
    }

    fn called_answered(&mut self, at: &mut Moment<'_>, mut dialling: Dialling, leg: LegId) -> Doing {
        let target = dialling.take(leg).map(|(_, target)| target.clone());
        for (other, _) in std::mem::take(&mut dialling.ringing) {
            self.legs.end(other, Cause::AnsweredElsewhere);
        }
        self.ledger.answered_by = target.as_ref().map(number_of);
        let by_trunk = target.as_ref().is_some_and(is_trunk);
        self.connect(at, leg, With::Party { by_trunk }, dialling.dial.record)
    }

    /// Somebody else takes the call.
    fn called_elsewhere(&mut self, at: &mut Moment<'_>, dialling: Dialling, new: Newcomer) -> Doing {
        for (leg, _) in dialling.ringing {
            self.legs.end(leg, Cause::AnsweredElsewhere);
        }
        self.connect_taken(at, new, dialling.dial.record)
    }

    fn dial_failed(&mut self, now: Timestamp, dialling: &Dialling) -> Doing {
        let (cause, blame) = dialling.failure.unwrap_or((Cause::NotFound, Blame::Us));
        self.ledger.blame = blame;
        self.legs.hush(self.legs.caller());
        self.trace("nobody answered", cause.as_str());
        self.step_ended(now, if dialling.recalls { StepOutcome::TimedOut } else { outcome(cause) })
    }
}
