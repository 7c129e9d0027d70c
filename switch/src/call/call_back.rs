//! A call that the floor wants made: the agent whose turn it is first, then the customer who waits for it.
//!
//! Until the customer answers, the call is an offer to the agent and nothing more: whatever fails is said to the floor,
//! and the call ends. From then on it is a conversation like all others out of a queue, with the customer as the party
//! that it is for.

use serde::{Deserialize, Serialize};

use super::{
    Call, Doing, Input, Moment,
    ring::{Rings, Rung},
    talk::With,
    waiting::Queueing,
};
use crate::{
    callback::{AGENT_PROMPT, Callback},
    cause::{Blame, Cause},
    cdr::SegmentState,
    device::Devices,
    id::{ItemId, LegId, OfferId},
    link::{FloorSays, LeaveReason, ToFloor},
    name::{AgentName, QueueName},
    step::{Audio, Phrase, StepOutcome, Target},
    time::Timestamp,
};

/// The agent, then the customer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CallingBack {
    offer: OfferId,
    item: ItemId,
    agent: AgentName,
    /// The device that the agent took it at; of nobody as long as they are rung.
    agent_leg: LegId,
    callback: Box<Callback>,
    stage: Stage,
}

/// Who is called.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    Agent {
        #[serde(default)]
        rung: Rung,
    },
    Customer {
        leg: LegId,
        until: Timestamp,
    },
    /// Both are there; the floor has the last word. `lost`: the agent is gone again.
    Both {
        leg: LegId,
        reply_by: Timestamp,
        lost: Option<Cause>,
    },
}

impl CallingBack {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Agent { ref rung } => rung.deadline(),
            Stage::Customer { until, .. } => Some(until),
            Stage::Both { reply_by, .. } => Some(reply_by),
        }
    }

    pub(super) const fn agent(&self) -> &AgentName {
        &self.agent
    }
}

/// What the floor says of the agent who is to be rung.
#[derive(Debug)]
pub(super) struct First {
    pub(super) offer: OfferId,
    pub(super) item: ItemId,
    pub(super) agent: AgentName,
    pub(super) devices: Devices,
}

impl Call {
    /// Rings the agent. The customer's number is what they see.
    pub(super) fn begin_call_back(
        &mut self,
        now: Timestamp,
        First { offer, item, agent, devices }: First,
        queue: QueueName,
        callback: Box<Callback>,
    ) -> Doing {
        self.ledger.queue = Some(queue);
        self.ledger.agent = Some(agent.clone());
        self.ledger.turn(now, SegmentState::Ringing, Some(agent.clone()));
        self.trace("callback", format!("{agent} first"));
        match self.ring_devices(now, &agent, devices) {
            Ok(rung) => {
                let (agent_leg, stage) = (LegId::CALLER, Stage::Agent { rung });
                Doing::CallBack(Box::new(CallingBack { offer, item, agent, agent_leg, callback, stage }))
            }
            Err(cause) => {
                self.floor(ToFloor::Decline { offer, cause });
                self.give_up_callback(now, cause)
            }
        }
    }

    pub(super) fn calling_back(&mut self, at: &mut Moment<'_>, mut back: Box<CallingBack>, input: Input) -> Doing {
        let (offer, agent_leg) = (back.offer, back.agent_leg);
        match (&mut back.stage, input) {
            (_, Input::Floor(FloorSays::Withdraw { offer: withdrawn })) if withdrawn == offer => {
                // The floor has the item, as a promise or not at all.
                self.owed.dropped();
                self.trace("offer", "withdrawn");
                return self.give_up_callback(at.now, Cause::Cancelled);
            }
            (Stage::Both { .. }, Input::Floor(FloorSays::Connect { offer: connected })) if connected == offer => {
                return self.customer_connected(at, *back);
            }
            (Stage::Agent { rung }, input) => match self.device_said(at.now, rung, &back.callback.step.language, &input) {
                Rings::On => {}
                Rings::Heard => self.floor(ToFloor::Ringing { offer }),
                Rings::Taken(leg) => {
                    back.agent_leg = leg;
                    return self.call_customer(at.now, back);
                }
                Rings::Failed(cause) => {
                    self.trace("offer declined", cause.as_str());
                    self.floor(ToFloor::Decline { offer, cause });
                    return self.give_up_callback(at.now, cause);
                }
            },
            (Stage::Customer { leg, .. }, Input::LegRang { early_media, .. }) => {
                let leg = *leg;
                self.trace("rings", leg.to_string());
                if early_media {
                    self.legs.join(agent_leg, leg);
                }
            }
            (Stage::Customer { .. }, Input::Played { leg, .. }) if leg == agent_leg => self.legs.ring_back(agent_leg),
            (Stage::Customer { leg, .. }, Input::LegAnswered { leg: up }) if *leg == up => {
                self.customer_answered(at.now, &mut back, up);
            }
            (Stage::Customer { leg, .. }, Input::LegFailed { leg: gone, cause } | Input::LegEnded { leg: gone, cause }) => {
                // An agent who hangs up has declined, however far it was.
                if *leg == gone {
                    return self.unreached(at.now, offer, cause);
                }
                self.floor(ToFloor::Decline { offer, cause: Cause::Rejected });
                return self.give_up_callback(at.now, Cause::Cancelled);
            }
            (Stage::Customer { until, .. }, Input::Tick) if *until <= at.now => {
                return self.unreached(at.now, offer, Cause::NoAnswer);
            }
            // The customer's own leg ends the call before it gets here.
            (Stage::Both { lost, .. }, Input::LegFailed { cause, .. } | Input::LegEnded { cause, .. }) => {
                self.trace("agent lost", cause.as_str());
                *lost = Some(cause);
            }
            (Stage::Both { reply_by, .. }, Input::Tick) if *reply_by <= at.now => {
                self.trace("queue", "the floor does not reply");
                return self.give_up_callback(at.now, Cause::Fault);
            }
            _ => {}
        }
        Doing::CallBack(back)
    }

    fn call_customer(&mut self, now: Timestamp, mut back: Box<CallingBack>) -> Doing {
        let Callback { target, dialled, tries, .. } = &*back.callback;
        self.trace("callback", "the customer next");
        self.floor(ToFloor::CallsCustomer { offer: back.offer });
        let Some(leg) = self.legs.invite(target.clone(), dialled.clone(), Vec::new()) else {
            return self.unreached(now, back.offer, Cause::Congestion);
        };
        // The agent hears what call this is while the customer's phone begins to ring.
        let audio = Audio { language: back.callback.step.language.clone(), phrases: vec![Phrase::Prompt(AGENT_PROMPT.into())] };
        self.legs.play(back.agent_leg, audio, false);
        back.stage = Stage::Customer { leg, until: now.plus_ms(tries.ring_ms) };
        Doing::CallBack(back)
    }

    /// From now on the call is the customer's.
    fn customer_answered(&mut self, now: Timestamp, back: &mut CallingBack, leg: LegId) {
        self.legs.set_caller(leg);
        self.side = (Blame::Caller, matches!(back.callback.target, Target::Trunk { .. }));
        self.ledger.answered_at = Some(now);
        self.owed.enqueued(back.item);
        back.stage = Stage::Both { leg, reply_by: now.plus_ms(self.settings.floor_reply_ms), lost: None };
        self.floor(ToFloor::Accept { offer: back.offer });
    }

    fn customer_connected(&mut self, at: &mut Moment<'_>, back: CallingBack) -> Doing {
        let CallingBack { agent, agent_leg, callback, stage, .. } = back;
        let record = callback.step.record;
        self.language = Some(callback.step.language.clone());
        let queueing = Box::new(Queueing::of_callback(at.now, *callback));
        self.owed.connected();
        match stage {
            Stage::Both { lost: Some(cause), .. } => {
                self.pay(LeaveReason::Fault, cause);
                self.queue_again(at, queueing)
            }
            _ => self.connect(at, agent_leg, With::Agent { agent, queueing }, record),
        }
    }

    /// A restart while agent and customer came together: the floor has the promise, with its place. A customer who is there
    /// already is as one who calls in.
    pub(super) fn called_back_in_vain(&mut self, now: Timestamp, back: &CallingBack) -> Doing {
        self.owed.dropped();
        self.legs.end(back.agent_leg, Cause::Restart);
        self.step_ended(now, StepOutcome::Error)
    }

    fn unreached(&mut self, now: Timestamp, offer: OfferId, cause: Cause) -> Doing {
        self.trace("callback", format!("not reached: {}", cause.as_str()));
        self.floor(ToFloor::Unreached { offer, cause });
        self.give_up_callback(now, cause)
    }

    fn give_up_callback(&mut self, now: Timestamp, cause: Cause) -> Doing {
        let blame = if cause == Cause::Fault { Blame::Us } else { Blame::Callee };
        self.finish(now, cause, blame);
        Doing::Over
    }
}
