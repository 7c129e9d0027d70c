//! The step `queue`: the caller waits, an agent is rung, the floor has the last word on who has whom.
//!
//! Of each offer the floor hears exactly one reply: `Accept` or `Decline`, unless it withdrew the
//! offer or the item left. After `Accept` only the floor's word decides: neither the longest wait nor
//! the agent's own hang-up takes it back.

use super::{
    Call, Doing, Input, Moment,
    callback_offer::Chance,
    overflow::Climb,
    ring::Rings,
    talk::With,
    waiting::{Asked, Queueing},
};
use crate::{
    cause::{Blame, Cause},
    cdr::SegmentState,
    device::Devices,
    floor::Work,
    id::{ItemId, OfferId},
    link::{Enqueue, FloorSays, LeaveReason, RefuseReason, ToFloor},
    name::AgentName,
    step::{Audio, Phrase, QueueStep, StepOutcome},
    time::Timestamp,
};

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
            chance: Chance::default(),
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
            work: Work::default(),
        }));
    }

    /// After a restart the caller waits on at their place, and hears music again. Whoever was rung meanwhile is
    /// not any more: the floor offers the item anew.
    pub(super) fn wait_again(&mut self, at: &mut Moment<'_>, mut queueing: Box<Queueing>) -> Doing {
        for leg in std::mem::replace(&mut queueing.asked, Asked::Nobody).legs() {
            self.legs.end(leg, Cause::Restart);
        }
        if queueing.chance == Chance::Kept {
            return self.leave_to_be_called(at.now);
        }
        queueing.climb.is_held_up();
        queueing.chance.is_held_up();
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
        if queueing.chance == Chance::Kept {
            return if matches!(input, Input::Played { .. }) { self.leave_to_be_called(at.now) } else { Doing::Queue(queueing) };
        }
        match (&mut queueing.asked, input) {
            (_, Input::Digit { leg, digit }) if leg == self.legs.caller() => {
                self.pressed_while_waiting(at.now, &mut queueing, digit)
            }
            (_, Input::Floor(says)) => return self.floor_said(at, queueing, says),
            (_, Input::Tick) => {
                self.agent_rung(at.now, &mut queueing, &Input::Tick);
                return self.queue_tick(at.now, queueing);
            }
            (_, Input::Played { .. }) => {
                queueing.announce_at = queueing.next_announcement(at.now);
                self.waiting_music(&queueing);
            }
            (Asked::Calling { .. }, input) => self.agent_rung(at.now, &mut queueing, &input),
            (Asked::Accepted { offer, reply_by, .. }, Input::LegFailed { cause, .. } | Input::LegEnded { cause, .. }) => {
                queueing.asked = Asked::Lost { offer: *offer, cause, reply_by: *reply_by };
                self.trace("agent lost", cause.as_str());
            }
            _ => {}
        }
        Doing::Queue(queueing)
    }

    /// What the devices of the agent say who is asked.
    fn agent_rung(&mut self, now: Timestamp, queueing: &mut Queueing, input: &Input) {
        let Asked::Calling { offer, agent, rung } = &mut queueing.asked else { return };
        let offer = *offer;
        match self.device_said(now, rung, &queueing.step.language, input) {
            Rings::On => {}
            Rings::Heard => self.floor(ToFloor::Ringing { offer }),
            Rings::Taken(leg) => {
                let reply_by = now.plus_ms(self.settings.floor_reply_ms);
                queueing.asked = Asked::Accepted { offer, agent: agent.clone(), leg, reply_by };
                self.floor(ToFloor::Accept { offer });
            }
            Rings::Failed(cause) => {
                queueing.asked = Asked::Nobody;
                self.trace("offer declined", cause.as_str());
                self.floor(ToFloor::Decline { offer, cause });
                self.ask_for_callback(now, queueing);
            }
        }
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
        if due(queueing.offer_callback_at()) {
            // Said at once, and then with each announcement.
            queueing.chance = Chance::Open;
            queueing.announce_at = Some(now);
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
                self.ask_for_callback(at.now, &mut queueing);
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
            FloorSays::CallbackKept { item } if self.owed.waiting() == Some(item) => return self.callback_kept(at.now, queueing),
            FloorSays::CallbackRefused { item } if self.owed.waiting() == Some(item) => {
                self.callback_refused(at.now, &mut queueing)
            }
            FloorSays::Offer { offer, agent, devices, .. } => self.offered(at.now, &mut queueing, (offer, agent), devices),
            FloorSays::Withdraw { offer } if queueing.asked.offer() == Some(offer) => {
                self.trace("offer", "withdrawn");
                for leg in queueing.asked.legs() {
                    self.legs.dismiss(leg);
                }
                queueing.asked = Asked::Nobody;
                self.ask_for_callback(at.now, &mut queueing);
            }
            FloorSays::Connect { offer } if queueing.asked.offer() == Some(offer) => return self.connect_agent(at, queueing),
            _ => {}
        }
        Doing::Queue(queueing)
    }

    fn offered(&mut self, now: Timestamp, queueing: &mut Queueing, (offer, agent): (OfferId, AgentName), devices: Devices) {
        queueing.confirm_by = None;
        queueing.climb.is_held_up();
        queueing.chance.is_held_up();
        match queueing.asked.offer() {
            Some(known) if known == offer => return,
            Some(_) => return self.floor(ToFloor::Decline { offer, cause: Cause::Fault }),
            None => {}
        }
        self.trace("offer", format!("to {agent}"));
        match self.ring_devices(now, &agent, devices) {
            Ok(rung) => queueing.asked = Asked::Calling { offer, agent, rung },
            Err(cause) => self.floor(ToFloor::Decline { offer, cause }),
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
        for leg in queueing.asked.legs() {
            self.legs.dismiss(leg);
        }
        self.legs.hush(self.legs.caller());
        self.step_ended(now, outcome)
    }
}
