//! The step `queue`: the caller waits, an agent is rung, the floor has the last word on who has whom.
//!
//! Of each offer the floor hears exactly one reply: `Accept` or `Decline`, unless it withdrew the
//! offer or the item left. After `Accept` only the floor's word decides: neither the longest wait nor
//! the agent's own hang-up takes it back.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Input, Moment, overflow::Climb, talk::With};
use crate::{
    cause::{Blame, Cause},
    cdr::SegmentState,
    id::{ItemId, LegId, OfferId},
    link::{Enqueue, FloorSays, LeaveReason, Place, RefuseReason, ToFloor},
    name::AgentName,
    step::{Audio, Phrase, QueueStep, StepOutcome, Target},
    time::Timestamp,
};

/// Announcements are not made more often than this, in ms.
const ANNOUNCE_AT_LEAST_MS: u64 = 1_000;

/// The caller waits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Queueing {
    step: QueueStep,
    arrived_at: Timestamp,
    /// When this wait began: the longest wait counts from here.
    since: Timestamp,
    /// The floor's silence about the new item is a fault from then on; `None` once it spoke.
    confirm_by: Option<Timestamp>,
    place: Option<Place>,
    /// `None` when never, or while an announcement plays.
    announce_at: Option<Timestamp>,
    asked: Asked,
    /// How far the caller has come on the ladder of queues.
    #[serde(default)]
    climb: Climb,
}

/// Who is asked to take the call.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Asked {
    Nobody,
    /// The agent's device is called.
    Calling {
        offer: OfferId,
        agent: AgentName,
        leg: LegId,
        rang: bool,
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
    fn offer(&self) -> Option<OfferId> {
        match *self {
            Self::Nobody => None,
            Self::Calling { offer, .. } | Self::Accepted { offer, .. } | Self::Lost { offer, .. } => Some(offer),
        }
    }

    fn leg(&self) -> Option<LegId> {
        match *self {
            Self::Nobody | Self::Lost { .. } => None,
            Self::Calling { leg, .. } | Self::Accepted { leg, .. } => Some(leg),
        }
    }

    fn reply_by(&self) -> Option<Timestamp> {
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
    fn give_up_at(&self) -> Option<Timestamp> {
        let max_wait_ms = self.step.max_wait_ms.filter(|_| self.asked.reply_by().is_none())?;
        Some(self.since.plus_ms(max_wait_ms))
    }

    fn fault_at(&self) -> Option<Timestamp> {
        [self.confirm_by, self.asked.reply_by(), self.climb.reply_by()].into_iter().flatten().min()
    }

    /// When the caller passes on; not while a phone rings for them, nor before they have a place at all.
    fn pass_on_at(&self) -> Option<Timestamp> {
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
        [self.give_up_at(), self.fault_at(), self.pass_on_at(), self.announce_at].into_iter().flatten().min()
    }

    fn next_announcement(&self, now: Timestamp) -> Option<Timestamp> {
        self.step.announce_every_ms.map(|every| now.plus_ms(every.max(ANNOUNCE_AT_LEAST_MS)))
    }

    /// What there is to say: where the caller stands as far as it is known, and the comfort prompt.
    fn announcement(&self) -> Audio {
        let position = self.place.map(|place| Phrase::Position(place.position));
        let wait = self.place.and_then(|place| place.estimated_wait_ms).map(|ms| Phrase::EstimatedWait(minutes_up(ms)));
        let comfort = self.step.comfort.clone().map(Phrase::Prompt);
        Audio { language: self.step.language.clone(), phrases: [position, wait, comfort].into_iter().flatten().collect() }
    }
}

/// Whole minutes, rounded up, at least 1.
fn minutes_up(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(60_000)).unwrap_or(u32::MAX).max(1)
}

impl Call {
    pub(super) fn begin_queue(&mut self, at: &mut Moment<'_>, step: QueueStep) -> Doing {
        self.typed.clear();
        self.answer_caller(at.now);
        self.ledger.blame = Blame::Us;
        self.ledger.queue = Some(step.queue.clone());
        self.ledger.turn(at.now, SegmentState::Queued, None);
        let (asked, climb) = (Asked::Nobody, Climb::begin(&step.queue, at.now));
        let mut queueing = Box::new(Queueing {
            step,
            arrived_at: at.now,
            since: at.now,
            confirm_by: None,
            place: None,
            announce_at: None,
            asked,
            climb,
        });
        queueing.announce_at = queueing.next_announcement(at.now);
        self.enqueue(at, &mut queueing);
        self.waiting_music(&queueing);
        Doing::Queue(queueing)
    }

    /// Back to the queue from a conversation that a transfer did away with: as a new item that has waited since
    /// the old one did.
    pub(super) fn queue_again(&mut self, at: &mut Moment<'_>, mut queueing: Box<Queueing>) -> Doing {
        self.ledger.blame = Blame::Us;
        self.ledger.queue = Some(queueing.step.queue.clone());
        self.ledger.turn(at.now, SegmentState::Queued, None);
        (queueing.since, queueing.place) = (at.now, None);
        queueing.announce_at = queueing.next_announcement(at.now);
        self.enqueue(at, &mut queueing);
        self.waiting_music(&queueing);
        Doing::Queue(queueing)
    }

    /// Joins the queue as a new item.
    fn enqueue(&mut self, at: &mut Moment<'_>, queueing: &mut Queueing) {
        let item = ItemId(at.ids.next(at.now));
        self.owed.enqueued(item);
        self.ask_for_place(at.now, item, queueing);
    }

    fn ask_for_place(&mut self, now: Timestamp, item: ItemId, queueing: &mut Queueing) {
        queueing.confirm_by = Some(now.plus_ms(self.settings.floor_reply_ms));
        let step = &queueing.step;
        self.floor(ToFloor::Enqueue(Enqueue {
            item,
            call: self.arrival.call,
            queue: step.queue.clone(),
            caller: self.arrival.from.clone(),
            skills: step.skills.clone(),
            priority_minutes: step.priority_minutes,
            wait_without_agents: step.wait_without_agents,
            arrived_at: queueing.arrived_at,
        }));
    }

    /// After a restart the caller waits on at their place, and hears music again. Whoever was rung meanwhile is
    /// not any more: the floor offers the item anew.
    pub(super) fn wait_again(&mut self, at: &mut Moment<'_>, mut queueing: Box<Queueing>) -> Doing {
        if let Some(leg) = std::mem::replace(&mut queueing.asked, Asked::Nobody).leg() {
            self.legs.end(leg, Cause::Restart);
        }
        queueing.climb.is_held_up();
        queueing.announce_at = queueing.next_announcement(at.now);
        match self.owed.waiting() {
            Some(item) => self.ask_for_place(at.now, item, &mut queueing),
            None => self.enqueue(at, &mut queueing),
        }
        self.waiting_music(&queueing);
        Doing::Queue(queueing)
    }

    fn waiting_music(&mut self, queueing: &Queueing) {
        match &queueing.step.music {
            Some(music) => {
                let audio = Audio { language: queueing.step.language.clone(), phrases: vec![Phrase::Prompt(music.clone())] };
                self.legs.play(self.legs.caller(), audio, true);
            }
            None => self.legs.ring_back(self.legs.caller()),
        }
    }

    pub(super) fn queueing(&mut self, at: &mut Moment<'_>, mut queueing: Box<Queueing>, input: Input) -> Doing {
        match (&mut queueing.asked, input) {
            (_, Input::Floor(says)) => return self.floor_said(at, queueing, says),
            (_, Input::Tick) => return self.queue_tick(at.now, queueing),
            (Asked::Calling { offer, leg, rang: rang @ false, .. }, Input::LegRang { .. }) => {
                *rang = true;
                let (offer, leg) = (*offer, leg.to_string());
                self.trace("rings", leg);
                self.floor(ToFloor::Ringing { offer });
            }
            (Asked::Calling { offer, agent, leg, .. }, Input::LegAnswered { .. }) => {
                let (offer, reply_by) = (*offer, at.now.plus_ms(self.settings.floor_reply_ms));
                queueing.asked = Asked::Accepted { offer, agent: agent.clone(), leg: *leg, reply_by };
                self.floor(ToFloor::Accept { offer });
            }
            (Asked::Calling { offer, .. }, Input::LegFailed { cause, .. } | Input::LegEnded { cause, .. }) => {
                let offer = *offer;
                queueing.asked = Asked::Nobody;
                self.trace("offer declined", cause.as_str());
                self.floor(ToFloor::Decline { offer, cause });
            }
            (Asked::Accepted { offer, reply_by, .. }, Input::LegFailed { cause, .. } | Input::LegEnded { cause, .. }) => {
                queueing.asked = Asked::Lost { offer: *offer, cause, reply_by: *reply_by };
                self.trace("agent lost", cause.as_str());
            }
            (_, Input::Played { .. }) => {
                queueing.announce_at = queueing.next_announcement(at.now);
                self.waiting_music(&queueing);
            }
            _ => {}
        }
        Doing::Queue(queueing)
    }

    fn queue_tick(&mut self, now: Timestamp, mut queueing: Box<Queueing>) -> Doing {
        let due = |instant: Option<Timestamp>| instant.is_some_and(|instant| instant <= now);
        if due(queueing.fault_at()) {
            self.trace("queue", "the floor does not reply");
            return self.leave_queue(now, &queueing, LeaveReason::Fault, StepOutcome::Error);
        }
        if due(queueing.give_up_at()) {
            return self.leave_queue(now, &queueing, LeaveReason::TimedOut, StepOutcome::TimedOut);
        }
        if due(queueing.pass_on_at())
            && let Some(item) = self.owed.waiting()
        {
            self.ask_to_pass_on(now, item, &mut queueing);
        }
        if due(queueing.announce_at) {
            let audio = queueing.announcement();
            queueing.announce_at = if audio.phrases.is_empty() {
                queueing.next_announcement(now)
            } else {
                self.legs.play(self.legs.caller(), audio, false);
                None
            };
        }
        Doing::Queue(queueing)
    }

    fn floor_said(&mut self, at: &mut Moment<'_>, mut queueing: Box<Queueing>, says: FloorSays) -> Doing {
        match says {
            FloorSays::Queued { item, place } | FloorSays::Place { item, place } if self.owed.waiting() == Some(item) => {
                if queueing.confirm_by.take().is_some() {
                    self.trace("queued", format!("{} as number {}", queueing.step.queue, place.position));
                }
                queueing.place = Some(place);
            }
            FloorSays::Refused { item, reason } if self.owed.waiting() == Some(item) => {
                let outcome = match reason {
                    RefuseReason::NoAgents => StepOutcome::NoAgents,
                    RefuseReason::Full => StepOutcome::Full,
                    RefuseReason::NoSuchQueue => StepOutcome::Error,
                };
                self.owed.dropped();
                return self.queue_ended(at.now, &queueing, outcome);
            }
            FloorSays::Overflowed { item, queue, place } if self.owed.waiting() == Some(item) => {
                queueing.confirm_by = None;
                if self.passed_on(at.now, &mut queueing, queue, place) {
                    self.waiting_music(&queueing);
                }
            }
            FloorSays::Stays { item, to, .. } if self.owed.waiting() == Some(item) => self.stays(&mut queueing, &to),
            FloorSays::Offer { offer, agent, device, .. } => self.offered(&mut queueing, offer, agent, device),
            FloorSays::Withdraw { offer } if queueing.asked.offer() == Some(offer) => {
                self.trace("offer", "withdrawn");
                if let Some(leg) = queueing.asked.leg() {
                    self.legs.dismiss(leg);
                }
                queueing.asked = Asked::Nobody;
            }
            FloorSays::Connect { offer } if queueing.asked.offer() == Some(offer) => return self.connect_agent(at, queueing),
            _ => {}
        }
        Doing::Queue(queueing)
    }

    fn offered(&mut self, queueing: &mut Queueing, offer: OfferId, agent: AgentName, device: Target) {
        queueing.confirm_by = None;
        queueing.climb.is_held_up();
        match queueing.asked.offer() {
            Some(known) if known == offer => return,
            Some(_) => return self.floor(ToFloor::Decline { offer, cause: Cause::Fault }),
            None => {}
        }
        self.trace("offer", format!("to {agent}"));
        match self.legs.invite(device, self.arrival.from.clone(), Vec::new()) {
            Some(leg) => queueing.asked = Asked::Calling { offer, agent, leg, rang: false },
            None => self.floor(ToFloor::Decline { offer, cause: Cause::Congestion }),
        }
    }

    fn connect_agent(&mut self, at: &mut Moment<'_>, mut queueing: Box<Queueing>) -> Doing {
        match std::mem::replace(&mut queueing.asked, Asked::Nobody) {
            Asked::Accepted { agent, leg, .. } => {
                self.owed.connected();
                self.ledger.agent = Some(agent.clone());
                let record = queueing.step.record;
                self.connect(at, leg, With::Agent { agent, queueing }, record)
            }
            // The accept counted, but the agent is gone and the caller noticed nothing. They wait on
            // as a new item that has waited since the old one did.
            Asked::Lost { cause, .. } => {
                self.owed.connected();
                self.pay(LeaveReason::Fault, cause);
                queueing.place = None;
                self.enqueue(at, &mut queueing);
                Doing::Queue(queueing)
            }
            // Nothing was accepted: the floor speaks of something else.
            asked => {
                queueing.asked = asked;
                Doing::Queue(queueing)
            }
        }
    }

    fn leave_queue(&mut self, now: Timestamp, queueing: &Queueing, reason: LeaveReason, outcome: StepOutcome) -> Doing {
        self.pay(reason, Cause::Normal);
        self.queue_ended(now, queueing, outcome)
    }

    fn queue_ended(&mut self, now: Timestamp, queueing: &Queueing, outcome: StepOutcome) -> Doing {
        if let Some(leg) = queueing.asked.leg() {
            self.legs.dismiss(leg);
        }
        self.legs.hush(self.legs.caller());
        self.step_ended(now, outcome)
    }
}
