//! What can be seen of a call while it is up, for the HTTP API and the command line.

use serde::Serialize;

use super::{Call, Doing, LegStage, legs::Ear};
use crate::{
    cdr::{Origin, SegmentState},
    id::{CallId, LegId, RecordingId},
    name::{AgentName, PartyNumber, QueueName, RouteName},
    time::Timestamp,
};

/// A call at one instant. Numbers are personal data: for those who may see calls, not for logs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View<'a> {
    /// Which call.
    pub call: CallId,
    /// Where it came from.
    pub origin: &'a Origin,
    /// Who calls.
    pub from: &'a PartyNumber,
    /// What was dialled.
    pub to: &'a PartyNumber,
    /// The route that has it now.
    pub route: Option<&'a RouteName>,
    /// What it spends its time on.
    pub state: SegmentState,
    /// Since when.
    pub since: Timestamp,
    /// What it is doing: the step's word, `plan` between steps, `talk` in conversation, `over`.
    pub step: &'static str,
    /// When it arrived.
    pub started_at: Timestamp,
    /// When the caller was answered.
    pub answered_at: Option<Timestamp>,
    /// The queue it waits in, or was served from.
    pub queue: Option<&'a QueueName>,
    /// The agent who is rung or talks.
    pub agent: Option<&'a AgentName>,
    /// What is recorded now, and whether that pauses.
    pub recording: Option<(RecordingId, bool)>,
    /// A payment is under way.
    pub payment: bool,
    /// A party of the conversation holds.
    pub held: bool,
    /// The legs that are up or on their way; the caller's first.
    pub legs: Vec<LegView>,
}

/// A leg at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LegView {
    /// Which leg.
    pub leg: LegId,
    /// How far it is.
    pub stage: LegStage,
    /// Its side put us on hold.
    pub held: bool,
}

impl Call {
    /// The agent whom the caller talks to now, and the agent's leg: both hear each other.
    #[must_use]
    pub fn conversation(&self) -> Option<(&AgentName, LegId)> {
        let Doing::Talk(talk) = &self.doing else { return None };
        self.talkers().and_then(|(_, peer)| Some((talk.with.agent()?, peer)))
    }

    /// Who hears each other now: the party that the call is for, and whom they talk to.
    #[must_use]
    pub fn talkers(&self) -> Option<(LegId, LegId)> {
        let Doing::Talk(talk) = &self.doing else { return None };
        let caller = self.legs.caller();
        (self.legs.ear(caller) == Ear::Joined(talk.peer)).then_some((caller, talk.peer))
    }

    /// The party that the call is for.
    #[must_use]
    pub const fn caller(&self) -> LegId {
        self.legs.caller()
    }

    /// What the call is at this instant. Borrows; nothing is computed but the list of legs.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        let (step, agent) = match &self.doing {
            Doing::AwaitStep => ("plan", None),
            Doing::Play(_) => ("play", None),
            Doing::Collect(_) => ("collect", None),
            Doing::Queue(queueing) => ("queue", queueing.agent()),
            Doing::Dial(_) => ("dial", None),
            Doing::CallBack(back) => ("callback", Some(back.agent())),
            Doing::Talk(talk) => ("talk", talk.with.agent()),
            Doing::Echo => ("echo", None),
            Doing::Stream(_) => ("stream", None),
            Doing::Ask(_) => ("ask", None),
            Doing::Conference(_) => ("conference", None),
            Doing::Supervise(_) => ("supervise", None),
            Doing::Park(_) => ("park", None),
            Doing::Voicemail(_) => ("voicemail", None),
            Doing::Take(taking) => (taking.word(), None),
            Doing::HandBack => ("hand-back", None),
            Doing::AwaitReply { .. } => ("agent", None),
            Doing::Over => ("over", None),
        };
        let in_queue = matches!(&self.doing, Doing::Queue(_)) || agent.is_some();
        View {
            call: self.arrival.call,
            origin: &self.arrival.origin,
            from: &self.arrival.from,
            to: &self.arrival.to,
            route: self.ledger.route.as_ref(),
            state: self.ledger.state(),
            since: self.ledger.since(),
            step,
            started_at: self.ledger.started_at(),
            answered_at: self.ledger.answered_at,
            queue: self.ledger.queue.as_ref().filter(|_| in_queue),
            agent,
            recording: self.owed.recorded(),
            payment: self.payer().is_some(),
            held: self.ledger.state() == SegmentState::Hold,
            legs: self.legs.iter().map(|leg| LegView { leg: leg.id, stage: leg.stage, held: leg.held }).collect(),
        }
    }
}
