//! The step `park`: the caller waits in a slot of a lot until somebody takes them from there.
//!
//! Which slots are free is the wiring's: the call asks for one and is told. Whoever had the caller transferred here
//! is called back when nobody comes in time; a caller whom nobody parked goes on in the plan.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Input, Moment, Output, talk::With};
use crate::{
    cdr::{Origin, SegmentState},
    name::Extension,
    step::{Audio, Dial, Park, Phrase, RingStrategy, StepOutcome, Target},
    time::Timestamp,
};

/// How long whoever parked the caller is called back, in ms.
const RECALL_MS: u64 = 30_000;

/// A caller in a slot, or on the way to one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Parking {
    park: Park,
    /// The slot; `None` before the answer.
    pub(super) slot: Option<Extension>,
    /// Who had the caller transferred here.
    by: Option<Extension>,
    /// The slot is still to be said to a caller who parks themselves, to know it before they bring somebody.
    to_tell: bool,
    /// Nobody has come by then, or no answer.
    until: Timestamp,
}

impl Parking {
    pub(super) const fn deadline(&self) -> Timestamp {
        self.until
    }
}

impl Call {
    pub(super) fn begin_park(&mut self, now: Timestamp, park: Park) -> Doing {
        let extension = |origin: &Origin| if let Origin::Extension(it) = origin { Some(it.clone()) } else { None };
        let by = self.transfer.as_ref().and_then(|transfer| extension(transfer.origin()));
        let own = extension(&self.arrival.origin).filter(|_| self.transfer.is_none());
        let until = now.plus_ms(self.settings.floor_reply_ms);
        let (lot, slots) = (park.lot.clone(), park.slots);
        let to_tell = own.is_some();
        self.legs.say(Output::Park { leg: self.legs.caller(), lot, slots, had: None, by: by.clone().or(own) });
        Doing::Park(Box::new(Parking { park, slot: None, by, to_tell, until }))
    }

    /// After a restart the slot is the same.
    pub(super) fn park_again(&mut self, now: Timestamp, mut parking: Box<Parking>) -> Doing {
        let Some(slot) = parking.slot.clone() else { return self.begin_park(now, parking.park) };
        parking.to_tell = false;
        let (lot, slots) = (parking.park.lot.clone(), parking.park.slots);
        self.legs.say(Output::Park { leg: self.legs.caller(), lot, slots, had: Some(slot), by: parking.by.clone() });
        Doing::Park(parking)
    }

    pub(super) fn parking(&mut self, at: &mut Moment<'_>, mut parking: Box<Parking>, input: Input) -> Doing {
        match input {
            Input::Parked { slot, .. } => {
                if parking.slot.is_none() {
                    parking.until = at.now.plus_ms(parking.park.timeout_ms);
                }
                parking.slot = Some(slot);
                self.parked(at.now, &mut parking);
                Doing::Park(parking)
            }
            Input::LotFull { .. } => {
                self.trace("park", "no slot is free");
                self.step_ended(at.now, StepOutcome::Full)
            }
            Input::Played { .. } => {
                self.parked_music(&parking);
                Doing::Park(parking)
            }
            Input::Taken { new } if parking.slot.is_some() => self.connect_taken(at, new, false),
            Input::Tick if at.now >= parking.until => self.parked_too_long(at.now, *parking),
            _ => Doing::Park(parking),
        }
    }

    fn parked(&mut self, now: Timestamp, parking: &mut Parking) {
        self.redirect_taken();
        self.transfer_taken();
        self.typed.clear();
        self.answer_caller(now);
        self.ledger.turn(now, SegmentState::Parked, None);
        match parking.slot.clone().filter(|_| std::mem::take(&mut parking.to_tell)) {
            Some(slot) => {
                self.trace("park", format!("in slot {slot}"));
                let phrases = vec![Phrase::Digits(slot.as_str().to_owned())];
                let audio = Audio { language: parking.park.language.clone(), phrases };
                self.legs.play(self.legs.caller(), audio, false);
            }
            None => self.parked_music(parking),
        }
    }

    fn parked_music(&mut self, parking: &Parking) {
        match parking.park.music.clone().or_else(|| self.settings.hold_music.clone()) {
            Some(music) => {
                let audio = self.music(music);
                self.legs.play(self.legs.caller(), audio, true);
            }
            None => self.legs.hush(self.legs.caller()),
        }
    }

    /// Nobody came: back to whoever parked the caller.
    fn parked_too_long(&mut self, now: Timestamp, parking: Parking) -> Doing {
        match (parking.slot, parking.by) {
            (Some(_), Some(by)) => {
                self.trace("park", "too long: whoever parked the caller is called back");
                let music = parking.park.music.or_else(|| self.settings.hold_music.clone());
                let targets = vec![Target::Extension(by)];
                let strategy = RingStrategy::InOrder;
                self.begin_recall(now, Dial { targets, strategy, ring_ms: RECALL_MS, record: false, music, caller_id: None })
            }
            (Some(_), None) => {
                self.trace("park", "too long");
                self.legs.hush(self.legs.caller());
                self.step_ended(now, StepOutcome::TimedOut)
            }
            (None, _) => self.step_ended(now, StepOutcome::Error),
        }
    }

    /// The slot that the caller waits in.
    #[must_use]
    pub fn parked_in(&self) -> Option<&Extension> {
        let Doing::Park(parking) = &self.doing else { return None };
        parking.slot.as_ref()
    }

    /// Somebody has the caller from now on, whom nobody called.
    pub(super) fn connect_taken(&mut self, at: &mut Moment<'_>, new: super::Newcomer, record: bool) -> Doing {
        self.trace("taken", new.leg.to_string());
        self.legs.adopt(new.leg, new.held);
        self.ledger.answered_by = Some(new.number);
        self.connect(at, new.leg, With::Party { by_trunk: new.by_trunk }, record)
    }
}
