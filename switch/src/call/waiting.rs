//! What is known of a caller who waits: how, since when, and who is asked to take the call.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{callback_offer::Chance, overflow::Climb, ring::Rung};
use crate::{
    callback::Callback,
    cause::Cause,
    id::{LegId, OfferId},
    link::Place,
    name::AgentName,
    step::{Audio, Phrase, QueueStep},
    time::Timestamp,
};

/// Announcements are not made more often than this, in ms.
const ANNOUNCE_AT_LEAST_MS: u64 = 1_000;

/// The caller waits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Queueing {
    pub(super) step: QueueStep,
    pub(super) arrived_at: Timestamp,
    /// When this wait began: the longest wait counts from here.
    pub(super) since: Timestamp,
    /// The floor's silence about the new item is a fault from then on; `None` once it spoke.
    pub(super) confirm_by: Option<Timestamp>,
    pub(super) place: Option<Place>,
    /// `None` when never, or while an announcement plays.
    pub(super) announce_at: Option<Timestamp>,
    pub(super) asked: Asked,
    /// How far the caller has come on the ladder of queues.
    #[serde(default)]
    pub(super) climb: Climb,
    /// How far the offer to be called back has come.
    #[serde(default)]
    pub(super) chance: Chance,
}

/// Who is asked to take the call.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Asked {
    Nobody,
    /// The agent's devices are called.
    Calling {
        offer: OfferId,
        agent: AgentName,
        #[serde(default)]
        rung: Rung,
    },
    /// The agent answered; the floor says whether that counts.
    Accepted {
        offer: OfferId,
        agent: AgentName,
        leg: LegId,
        reply_by: Timestamp,
    },
    /// The agent answered and was gone again before the floor said whether that counts.
    Lost {
        offer: OfferId,
        cause: Cause,
        reply_by: Timestamp,
    },
}

impl Asked {
    pub(super) fn offer(&self) -> Option<OfferId> {
        match *self {
            Self::Nobody => None,
            Self::Calling { offer, .. } | Self::Accepted { offer, .. } | Self::Lost { offer, .. } => Some(offer),
        }
    }

    /// The legs of the agent's devices.
    pub(super) fn legs(&self) -> SmallVec<[LegId; 2]> {
        match self {
            Self::Nobody | Self::Lost { .. } => SmallVec::new(),
            Self::Calling { rung, .. } => rung.legs(),
            Self::Accepted { leg, .. } => SmallVec::from_iter([*leg]),
        }
    }

    /// When one of the devices that ring is given up.
    pub(super) fn gives_up_at(&self) -> Option<Timestamp> {
        match self {
            Self::Calling { rung, .. } => rung.deadline(),
            Self::Nobody | Self::Accepted { .. } | Self::Lost { .. } => None,
        }
    }

    pub(super) fn reply_by(&self) -> Option<Timestamp> {
        match *self {
            Self::Nobody | Self::Calling { .. } => None,
            Self::Accepted { reply_by, .. } | Self::Lost { reply_by, .. } => Some(reply_by),
        }
    }
}

impl Queueing {
    /// The agent whose device is called or has answered.
    pub(super) const fn agent(&self) -> Option<&AgentName> {
        match &self.asked {
            Asked::Calling { agent, .. } | Asked::Accepted { agent, .. } => Some(agent),
            Asked::Nobody | Asked::Lost { .. } => None,
        }
    }

    /// When the longest wait is over; `None` also while an answered offer is in the floor's hands.
    pub(super) fn give_up_at(&self) -> Option<Timestamp> {
        let max_wait_ms = self.step.max_wait_ms.filter(|_| self.asked.reply_by().is_none())?;
        Some(self.since.plus_ms(max_wait_ms))
    }

    pub(super) fn fault_at(&self) -> Option<Timestamp> {
        [self.confirm_by, self.asked.reply_by(), self.climb.reply_by(), self.chance.reply_by()].into_iter().flatten().min()
    }

    /// As somebody waited who was called back: they may have to wait again.
    pub(super) fn of_callback(now: Timestamp, callback: Callback) -> Self {
        let Callback { step, arrived_at, .. } = callback;
        let climb = Climb::begin(&step.queue, now);
        let (asked, chance) = (Asked::Nobody, Chance::default());
        Self { step, arrived_at, since: now, confirm_by: None, place: None, announce_at: None, asked, climb, chance }
    }

    pub(super) const fn chance(&mut self) -> (&QueueStep, &mut Chance) {
        (&self.step, &mut self.chance)
    }

    pub(super) const fn arrived_at(&self) -> Timestamp {
        self.arrived_at
    }

    pub(super) const fn nobody_rings(&self) -> bool {
        matches!(self.asked, Asked::Nobody)
    }

    /// When the caller is told of the callback for the first time.
    pub(super) fn offer_callback_at(&self) -> Option<Timestamp> {
        self.chance.open_at(self.step.callback.as_deref(), self.arrived_at)
    }

    /// When the caller passes on; not while a phone rings for them, nor before they have a place at all.
    pub(super) fn pass_on_at(&self) -> Option<Timestamp> {
        let may = matches!(self.asked, Asked::Nobody) && self.confirm_by.is_none();
        self.climb.due_at(&self.step.ladder).filter(|_| may)
    }

    /// What the ladder needs to know and to change.
    pub(super) const fn ladder(&mut self) -> (&mut QueueStep, &mut Climb) {
        (&mut self.step, &mut self.climb)
    }

    /// The caller waits elsewhere: they hear what is heard there.
    pub(super) fn moved(&mut self, now: Timestamp, place: Place, counts_anew: bool) {
        self.place = Some(place);
        self.announce_at = self.next_announcement(now);
        if counts_anew {
            self.since = now;
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if self.chance == Chance::Kept {
            return None;
        }
        let own = [self.give_up_at(), self.fault_at(), self.pass_on_at(), self.offer_callback_at(), self.announce_at];
        own.into_iter().chain([self.asked.gives_up_at()]).flatten().min()
    }

    pub(super) fn next_announcement(&self, now: Timestamp) -> Option<Timestamp> {
        self.step.announce_every_ms.map(|every| now.plus_ms(every.max(ANNOUNCE_AT_LEAST_MS)))
    }

    /// What there is to say: where the caller stands as far as it is known, and the comfort prompt.
    pub(super) fn announcement(&self) -> Audio {
        let position = self.place.map(|place| Phrase::Position(place.position));
        let wait = self.place.and_then(|place| place.estimated_wait_ms).map(|ms| Phrase::EstimatedWait(minutes_up(ms)));
        let comfort = self.step.comfort.clone().map(Phrase::Prompt);
        let callback = self.step.callback.as_ref().filter(|_| self.chance == Chance::Open);
        let callback = callback.map(|offer| Phrase::Prompt(offer.prompt.clone()));
        Audio {
            language: self.step.language.clone(),
            phrases: [position, wait, comfort, callback].into_iter().flatten().collect(),
        }
    }
}

/// Whole minutes, rounded up, at least 1.
fn minutes_up(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(60_000)).unwrap_or(u32::MAX).max(1)
}
