//! A call that outlives its process.
//!
//! A [`Call`] serialises as it stands between two inputs. A [`KeptCall`] is what is read back, and
//! [`Call::take_up`] makes it a call again: parties who were up talk on, who waited waits on at their place, what
//! played begins again. What cannot go on ends as well as it can: whoever rang is not rung any more, a transfer under
//! way has failed, and a caller who had no answer yet is lost.
//!
//! What it does not do: bring the legs back (signalling and media do), find the place in the plan again.

use std::sync::Arc;

use serde::Deserialize;

use super::{
    Arrival, Call, CallSettings, Doing, LegStage, Moment,
    dial::outcome,
    talk::{Talk, With},
};
use crate::{
    cause::{Blame, Cause},
    id::{CallId, IdSource, ItemId, LegId},
    link::LeaveReason,
    step::StepOutcome,
    time::Timestamp,
};

/// A call as it was kept. Its times go on counting.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct KeptCall(Call);

/// What a restart means to a call.
#[derive(Debug)]
pub struct Restart<'a> {
    /// The last sign of life of the process before: a call that cannot go on ended then.
    pub stopped_at: Timestamp,
    /// What calls are set up with now.
    pub settings: Arc<CallSettings>,
    /// Legs that were up and could not be brought back.
    pub gone: &'a [LegId],
    /// The floor knows the conversation as over: it ended, and what was kept is older.
    pub finished: bool,
    /// The place in the plan is not there any more: what the plan had begun is given up, and the plan begins anew.
    pub anew: bool,
}

impl KeptCall {
    /// Which call.
    #[must_use]
    pub const fn call(&self) -> CallId {
        self.0.arrival.call
    }

    /// What was known of it when it arrived.
    #[must_use]
    pub const fn arrival(&self) -> &Arrival {
        &self.0.arrival
    }

    /// Legs that were up. The others do not come back.
    pub fn legs_up(&self) -> impl Iterator<Item = LegId> {
        self.0.legs.iter().filter(|leg| leg.stage == LegStage::Up).map(|leg| leg.id)
    }

    /// The party that the call is for. Without this leg it cannot go on.
    #[must_use]
    pub const fn caller(&self) -> LegId {
        self.0.legs.caller()
    }

    /// The item that it waits as.
    #[must_use]
    pub const fn waits_as(&self) -> Option<ItemId> {
        self.0.owed.waiting()
    }

    /// The floor knows that item as over: an agent took it, or it left, after this was kept. Who still waits does so as a
    /// new item that has waited since the old one did.
    pub fn lost_its_place(&mut self) {
        if self.waits_as().is_some() {
            self.0.owed.dropped();
        }
    }

    /// The item that an agent talks about with the caller, and the agent's leg.
    #[must_use]
    pub fn talks_about(&self) -> Option<(ItemId, LegId)> {
        let agent = match &self.0.doing {
            Doing::Talk(talk) => talk.with.agent().map(|_| talk.peer),
            _ => self.0.transferor_agent(),
        };
        self.0.owed.talked_about().zip(agent)
    }
}

impl Call {
    /// Makes a kept call a call again; poll what it wants. It may be over at once.
    #[must_use]
    pub fn take_up(now: Timestamp, kept: KeptCall, restart: Restart<'_>, ids: &mut IdSource) -> Self {
        let KeptCall(mut call) = kept;
        call.settings = restart.settings;
        call.legs.wake(restart.gone);
        let recorded = call.owed.recording_is_lost();
        if call.legs.stage(call.legs.caller()).is_none() {
            // The floor keeps the place of a caller who is lost, for when they call back.
            if call.owed.waiting().is_some() {
                call.owed.dropped();
            }
            let stopped_at = call.ledger.clamp(restart.stopped_at);
            call.finish(stopped_at, Cause::Restart, Blame::Us);
            return call;
        }
        call.ledger.restarts = call.ledger.restarts.saturating_add(1);
        call.trace("restart", "taken up again");
        let mut at = Moment { now: call.ledger.clamp(now), ids };
        let doing = std::mem::replace(&mut call.doing, Doing::AwaitStep);
        call.doing = call.go_on(&mut at, doing, restart.finished, restart.anew);
        if let Doing::Talk(Talk { peer, .. }) = call.doing
            && recorded
        {
            call.record(&mut at, peer);
        }
        call
    }

    /// Restarts of the switch that it outlived.
    #[must_use]
    pub const fn restarts(&self) -> u32 {
        self.ledger.restarts
    }

    fn go_on(&mut self, at: &mut Moment<'_>, doing: Doing, finished: bool, anew: bool) -> Doing {
        let doing = self.back_from_redirects(doing);
        if self.transfer.is_some() {
            if !self.transferor_stays() {
                self.pay(LeaveReason::Fault, Cause::Restart);
            }
            return self.transfer_failed(at, Cause::Restart);
        }
        match doing {
            Doing::Talk(talk) => self.talk_on(at, talk, finished),
            Doing::Queue(queueing) => self.wait_again(at, queueing),
            Doing::CallBack(back) => self.called_back_in_vain(at.now, &back),
            Doing::Echo => {
                self.legs.echo(self.legs.caller());
                Doing::Echo
            }
            Doing::Conference(conference) => self.confer_again(at.now, conference),
            Doing::Supervise(supervising) => self.supervise_again(supervising),
            Doing::Voicemail(leaving) => self.leave_message_again(at, leaving),
            Doing::Park(parking) => self.park_again(at.now, parking),
            Doing::Play(playing) if !anew => self.play_again(at.now, playing),
            Doing::Collect(collecting) if !anew => self.collect_again(at.now, *collecting),
            Doing::Dial(dialling) if !anew => self.dial_again(at.now, *dialling),
            Doing::Ask(_) => self.ask_no_more(at.now),
            Doing::Stream(_) => self.step_ended(at.now, StepOutcome::Failed),
            Doing::AwaitReply { request, .. } if !anew => self.begin_agent(at.now, request),
            _ => self.step_ended(at.now, StepOutcome::Error),
        }
    }

    fn talk_on(&mut self, at: &mut Moment<'_>, talk: Talk, finished: bool) -> Doing {
        if finished {
            self.pay(LeaveReason::Fault, Cause::Normal);
            self.legs.end(talk.peer, Cause::Normal);
            return self.step_ended(at.now, StepOutcome::Done);
        }
        if self.legs.stage(talk.peer).is_some() {
            self.converse_again(at, &talk);
            return Doing::Talk(talk);
        }
        self.ledger.blame = Blame::Us;
        self.pay(LeaveReason::Fault, Cause::Restart);
        self.trace("restart", "the other party is lost");
        match talk.with {
            With::Agent { queueing, .. } => self.queue_again(at, queueing),
            With::Party { .. } => self.step_ended(at.now, outcome(Cause::Restart)),
        }
    }
}
