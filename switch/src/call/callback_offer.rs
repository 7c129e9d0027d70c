//! A waiting caller who may be called back instead: the offer, the key that takes it, and the end of the call.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, waiting::Queueing};
use crate::{
    callback::{Callback, CallbackOffer},
    cause::{Blame, Cause},
    cdr::SegmentState,
    link::ToFloor,
    step::{Audio, Phrase},
    time::Timestamp,
};

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Chance {
    /// Nothing was said of it yet.
    #[default]
    Unsaid,
    /// The caller was told.
    Open,
    /// They want it; whoever rings for them is let ring first.
    Wanted,
    /// The floor is asked; its silence is a fault from then on.
    Asked { reply_by: Timestamp },
    /// The floor does not promise it: nothing more is said of it.
    Refused,
    /// The floor has it: the caller hears so, and the call ends.
    Kept,
}

impl Chance {
    /// When the offer is made for the first time.
    pub(super) fn open_at(self, offer: Option<&CallbackOffer>, since: Timestamp) -> Option<Timestamp> {
        offer.filter(|_| self == Self::Unsaid).map(|offer| since.plus_ms(offer.after_ms))
    }

    pub(super) const fn reply_by(self) -> Option<Timestamp> {
        match self {
            Self::Asked { reply_by } => Some(reply_by),
            Self::Unsaid | Self::Open | Self::Wanted | Self::Refused | Self::Kept => None,
        }
    }

    /// A phone rings for the caller, or the floor is another one: it is asked again.
    pub(super) const fn is_held_up(&mut self) {
        if matches!(self, Self::Asked { .. }) {
            *self = Self::Wanted;
        }
    }
}

impl Call {
    /// The caller pressed a key while waiting.
    pub(super) fn pressed_while_waiting(&mut self, now: Timestamp, queueing: &mut Queueing, digit: char) {
        self.typed.clear();
        let (step, chance) = queueing.chance();
        if *chance == Chance::Open && step.callback.as_ref().is_some_and(|offer| offer.key == digit.to_ascii_uppercase()) {
            *chance = Chance::Wanted;
            self.trace("callback", "wanted");
            self.ask_for_callback(now, queueing);
        }
    }

    /// Asks the floor to keep the item without the call, when nobody rings for the caller.
    pub(super) fn ask_for_callback(&mut self, now: Timestamp, queueing: &mut Queueing) {
        let Some(item) = self.owed.waiting().filter(|_| queueing.nobody_rings()) else { return };
        let arrived_at = queueing.arrived_at();
        let (step, chance) = queueing.chance();
        let (Some(offer), Chance::Wanted) = (step.callback.as_deref(), *chance) else { return };
        *chance = Chance::Asked { reply_by: now.plus_ms(self.settings.floor_reply_ms) };
        let mut step = step.clone();
        step.callback = None;
        let callback = Callback {
            target: offer.target.clone(),
            tries: offer.tries,
            not_before: now,
            origin: self.arrival.origin.clone(),
            dialled: self.arrival.to.clone(),
            arrived_at,
            step,
            // The floor knows, if anybody does.
            customer: None,
        };
        self.floor(ToFloor::CallBack { item, callback: Box::new(callback) });
    }

    /// The caller waits on; where they stand is said at once, so that their key was not pressed into silence.
    pub(super) fn callback_refused(&mut self, now: Timestamp, queueing: &mut Queueing) {
        let (_, chance) = queueing.chance();
        *chance = Chance::Refused;
        self.trace("callback", "refused");
        queueing.announce_at = Some(now);
    }

    /// The floor keeps the item: the call is of no more use when the caller has heard so.
    pub(super) fn callback_kept(&mut self, now: Timestamp, mut queueing: Box<Queueing>) -> Doing {
        self.owed.dropped();
        let (step, chance) = queueing.chance();
        *chance = Chance::Kept;
        let confirm = step.callback.as_ref().and_then(|offer| offer.confirm.clone());
        let language = step.language.clone();
        self.trace("callback", "kept");
        self.ledger.ended = Some(Cause::Callback);
        self.ledger.turn(now, SegmentState::Plan, None);
        match confirm {
            Some(prompt) => {
                let audio = Audio { language, phrases: vec![Phrase::Prompt(prompt)] };
                self.legs.play(self.legs.caller(), audio, false);
                Doing::Queue(queueing)
            }
            None => self.leave_to_be_called(now),
        }
    }

    pub(super) fn leave_to_be_called(&mut self, now: Timestamp) -> Doing {
        self.finish(now, Cause::Callback, Blame::Us);
        Doing::Over
    }
}
