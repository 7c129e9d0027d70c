//! One live call: its core, its run of the plan, and what becomes of their outputs.

mod call_back;
mod conference;
mod consult;
mod keep;
mod known;
mod message;
mod payment;
mod programs;
mod redirects;
mod slots;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tandem_dialplan::{Input as RunInput, Output as RunOutput, Plan, Run};
use tandem_media::contract::Quality;
use tandem_switch::{
    call::{Arrival, Call, CallSettings, Input, Output, TransferNews, View},
    cause::{Blame, Cause},
    cdr::{Cdr, Origin, Segment, SegmentState},
    id::{CallId, ItemId, LegId, RecordingId},
    identity::CallerIdentity,
    link::{LeaveReason, ToFloor},
    name::{Extension, PartyNumber, RoomName},
    step::{StepOutcome, Target},
    time::Timestamp,
};

use super::{
    LegRef, audio::CallAudio, edges::Edges, lamps::Device, ledger::Then, lots::Claim, supervision::Talk, trace::TraceLine,
};
use keep::Keeping;
pub use keep::{FORM, KeptLiveCall, Revival};
pub use programs::KeptFork;

/// Measurements are waited for so long after the end of a call, in ms.
const MEASURE_MS: u64 = 1_000;

/// A call that is up, or that is over and waits for its last measurements.
pub struct LiveCall {
    facts: Facts,
    call: Call,
    run: Run,
    /// A transfer under way: who asked for it, and the way through the plan that has the call meanwhile.
    transfer: Option<(LegId, Box<Run>)>,
    /// The ways to whom phones named instead of taking the call, the first one first.
    redirects: Vec<redirects::Redirected>,
    legs: Vec<LiveLeg>,
    /// The item that the floor knows this call by; for the case that the core fails.
    item: Option<ItemId>,
    recording: Option<RecordingId>,
    /// The room that it is in, and whether it only listens there, as was noted.
    room: Option<(RoomName, bool)>,
    /// Programs that hear it.
    programs: programs::Programs,
    /// A step of the plan ended in `error`.
    step_failed: bool,
    /// Streams that are closed but not measured yet.
    unmeasured: usize,
    /// What was measured, and found out, of its audio.
    pub audio: CallAudio,
    over: Option<Over>,
    keeping: Keeping,
    /// The deadline as it stands in the line's timers.
    pub timer: Option<Timestamp>,
}

/// A call whose record is ready but for the measurements.
struct Over {
    cdr: Box<Cdr>,
    /// What has not been measured by then is unknown.
    until: Timestamp,
}

/// What stays known of a call for its whole life.
struct Facts {
    call: CallId,
    origin: Origin,
    from: PartyNumber,
    to: PartyNumber,
    display: String,
    identity: Option<CallerIdentity>,
    /// What its trunks told beside the numbers, by name: text from outside.
    told: BTreeMap<String, String>,
    generation: u64,
    started_at: Timestamp,
    /// Restarts that it outlived.
    restarts: u32,
}

/// A leg that exists at the edges.
struct LiveLeg {
    leg: LegId,
    /// The extension whose device it occupies outside of offers.
    occupies: Option<Extension>,
    /// The device of ours that it is, if it is one.
    device: Option<Device>,
}

/// How a call is set up.
pub struct Setup {
    /// What is known of it.
    pub arrival: Arrival,
    /// The caller's display name, to be shown to devices of ours.
    pub display: String,
    /// What is known of a signed caller id.
    pub identity: Option<CallerIdentity>,
    /// What its trunk told beside the numbers, by name: text from outside.
    pub told: BTreeMap<String, String>,
    /// The plan it runs on.
    pub plan: Arc<Plan>,
    /// Settings of that plan's generation.
    pub settings: Arc<CallSettings>,
}

impl LiveCall {
    /// A call that has just arrived; nothing happens before [`LiveCall::begin`].
    #[must_use]
    pub fn new(now: Timestamp, setup: Setup) -> Self {
        let Setup { arrival, display, identity, told, plan, settings } = setup;
        let facts = Facts {
            call: arrival.call,
            origin: arrival.origin.clone(),
            from: arrival.from.clone(),
            to: arrival.to.clone(),
            display,
            identity,
            told,
            generation: arrival.generation,
            started_at: now,
            restarts: 0,
        };
        let (origin, from, to) = (arrival.origin.clone(), arrival.from.clone(), arrival.to.clone());
        let known = tandem_dialplan::CallFacts { origin, from, to, language: None, overrides: Arc::default() };
        let run = Run::new(plan, known).told(facts.told.clone());
        let call = Call::new(now, arrival, settings);
        Self {
            facts,
            call,
            run,
            transfer: None,
            redirects: Vec::new(),
            legs: Vec::with_capacity(2),
            item: None,
            recording: None,
            room: None,
            programs: programs::Programs::default(),
            step_failed: false,
            unmeasured: 0,
            audio: CallAudio::default(),
            over: None,
            keeping: Keeping::default(),
            timer: None,
        }
    }

    /// Asks the plan for the first step and carries it out.
    pub fn begin(&mut self, edges: &mut Edges) {
        let extension = match &self.facts.origin {
            Origin::Extension(extension) => Some(extension.clone()),
            Origin::Trunk(_) => None,
        };
        let device = extension.clone().map(|extension| Device::calling(extension, self.facts.to.clone()));
        self.take_leg(edges, LegId::CALLER, extension, device);
        self.trace_identity(edges);
        self.trace_told(edges);
        let mut inputs = VecDeque::new();
        self.run.turn(&edges.switches);
        self.run.handle(edges.now.at, RunInput::Start);
        self.drain_run(edges, &mut inputs);
        self.work_off(edges, inputs);
    }

    /// Tells the call one thing, and carries out all that follows from it.
    pub fn handle(&mut self, edges: &mut Edges, input: Input) {
        #[cfg(debug_assertions)]
        if let Input::Digit { digit, .. } = input {
            super::fault::by_key(super::fault::Place::Call, digit);
        }
        if let Input::LegFailed { leg, .. } | Input::LegEnded { leg, .. } | Input::LegRedirected { leg, .. } = &input {
            self.drop_leg(edges, *leg);
        }
        self.work_off(edges, VecDeque::from([input]));
    }

    /// Ends the call in good order after a fault: what it still wanted is done, then it hangs up.
    pub fn fail(&mut self, edges: &mut Edges) {
        let mut inputs = VecDeque::from([Input::Hangup { cause: Cause::Fault }]);
        while let Some(output) = self.call.poll() {
            self.carry_out(edges, output, &mut inputs);
        }
        self.work_off(edges, inputs);
    }

    /// Whether the call has ended and waits for nothing but measurements.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// When the call wants to be told `Tick`.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.over {
            Some(over) => Some(over.until),
            None => self.call.deadline(),
        }
    }

    /// What can be seen of it.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        let mut view = self.call.view();
        if self.run.is_in_menu() {
            view.step = "menu";
        }
        view
    }

    fn work_off(&mut self, edges: &mut Edges, mut inputs: VecDeque<Input>) {
        while let Some(input) = inputs.pop_front() {
            self.call.handle(edges.now.at, input, &mut edges.ids);
            inputs.extend(self.hide_payer(edges));
            while let Some(output) = self.call.poll() {
                self.carry_out(edges, output, &mut inputs);
            }
        }
        self.show_payer(edges);
        let mut more = Vec::new();
        self.settle_programs(edges, &mut more);
        if !more.is_empty() {
            return self.work_off(edges, more.into());
        }
        self.settle_room(edges);
        self.show(edges);
        self.settle_slot(edges);
        let talk = self.call.conversation().map(|(agent, peer)| {
            let (customer, agent_leg) = (self.at(self.call.caller()), self.at(peer));
            (agent, Talk { customer, agent: agent_leg })
        });
        edges.supervision.seen(self.facts.call, talk, &mut edges.media);
    }

    /// Lets watchers see how far the legs of our devices are.
    fn show(&mut self, edges: &mut Edges) {
        if self.legs.iter().all(|live| live.device.is_none()) {
            return;
        }
        let call = self.facts.call;
        let stages = self.call.view().legs;
        for LiveLeg { leg, device, .. } in &mut self.legs {
            let stage = stages.iter().find(|seen| seen.leg == *leg).map(|seen| seen.stage);
            let Some((device, stage)) = device.as_mut().zip(stage) else { continue };
            if let Some(lamp) = device.news(LegRef { call, leg: *leg }, stage) {
                edges.light(&device.extension, lamp);
            }
        }
    }

    fn carry_out(&mut self, edges: &mut Edges, output: Output, inputs: &mut VecDeque<Input>) {
        let caller = self.at(LegId::CALLER);
        match output {
            Output::RingCaller => edges.sip.ring(caller),
            Output::EarlyMedia => {
                if let Err(cause) = edges.sip.early_media(caller, &mut edges.media) {
                    inputs.push_back(Input::Hangup { cause });
                }
            }
            Output::Answer => {
                if let Err(cause) = edges.sip.answer(caller, &mut edges.media) {
                    inputs.push_back(Input::Hangup { cause });
                }
            }
            Output::InviteLeg { leg, target, caller_id, diverted, offered } => {
                self.diverts(edges, leg, &target, diverted);
                self.invite(edges, leg, &target, &caller_id, offered.is_some(), inputs);
            }
            Output::HandBack { leg, number } => {
                if let Err(cause) = self.hand_back(edges, leg, &number) {
                    inputs.push_back(Input::HandedBack { leg, failed: Some(cause) });
                }
            }
            Output::EndLeg { leg, cause } => {
                edges.sip.end(self.at(leg), cause);
                self.drop_leg(edges, leg);
            }
            // What cannot be heard is not waited for: the plan goes on.
            Output::Play { leg, play, repeat: false, .. } if !edges.sip.can_hear(self.at(leg)) => {
                inputs.push_back(Input::Played { leg, play });
            }
            Output::Play { leg, play, audio, repeat } => edges.media.play(self.at(leg), play, &audio, repeat),
            Output::RingBack { leg } => edges.media.ring_back(self.at(leg)),
            Output::StopPlay { leg } => edges.media.stop_play(self.at(leg)),
            Output::Join { left, right } => edges.media.join(self.at(left), self.at(right)),
            Output::Part { leg } => edges.media.part(self.at(leg)),
            Output::Echo { leg } => edges.media.echo(self.at(leg)),
            Output::EnterRoom { leg, room, voice } => {
                inputs.extend(self.enter_room(edges, leg, room, voice));
            }
            Output::Supervise { leg, agent, role } => {
                edges.supervision.supervise(self.at(leg), agent, role, &mut edges.media);
            }
            Output::Park { leg, lot, slots, had, by } => {
                inputs.push_back(self.park(edges, leg, Claim { lot, slots, had, by }));
            }
            Output::AskMailbox { leg, mailbox, most } => inputs.push_back(Self::ask_mailbox(edges, leg, &mailbox, most)),
            Output::TakeMessage { message, leg, mailbox } => self.take_message(edges, message, leg, mailbox),
            Output::Take { leg, whom } => edges.lots.wishes.push_back((self.at(leg), whom)),
            Output::Fork { program, sides } => {
                let _without = self.fork(edges, KeptFork { program, sides, rate_hz: None });
            }
            Output::Ask { question, ask } => {
                let refused = edges.decider.ask(self.facts.call, question, ask).err();
                inputs.extend(refused.map(|why| Input::Answered { question, answer: Err(why) }));
            }
            Output::ProgramKey { key } => self.key_for_program(key),
            Output::Record { recording, left, right } => self.record(edges, recording, left, right),
            Output::StopRecord { recording } => edges.media.stop_record(recording),
            Output::PauseRecord { recording, paused } => {
                edges.media.pause_record(recording, paused);
                edges.ledger.recording_paused(edges.now.at, (recording, self.facts.call), paused);
            }
            Output::StepEnded(outcome) => {
                self.step_failed |= outcome == StepOutcome::Error;
                let run = self.active_run();
                run.turn(&edges.switches);
                run.handle(edges.now.at, RunInput::Outcome(outcome));
                self.drain_run(edges, inputs);
            }
            Output::Transfer { by, news } => self.transfer_goes(edges, by, news, inputs),
            Output::Redirect(news) => self.redirect_goes(edges, news, inputs),
            Output::Floor(message) => {
                match &message {
                    ToFloor::Enqueue(enqueue) => self.item = Some(enqueue.item),
                    ToFloor::Leave { .. } | ToFloor::Finished { .. } => self.item = None,
                    _ => {}
                }
                edges.floor.send(message);
            }
            Output::Trace(what, detail) => self.trace(edges, "call", || format!("{what} {detail}")),
            Output::Ended(cdr) => self.over = Some(Over { cdr, until: edges.now.at.plus_ms(MEASURE_MS) }),
        }
    }

    /// A transfer has a way of its own through the plan, with the rights of whoever asked for it. When it is
    /// done that way is the call's.
    fn transfer_goes(&mut self, edges: &mut Edges, by: LegId, news: TransferNews, inputs: &mut VecDeque<Input>) {
        edges.sip.transfer_goes(self.at(by), &news);
        match news {
            TransferNews::Begun { origin, to } => {
                let from = match &origin {
                    Origin::Extension(extension) => extension.as_str().into(),
                    Origin::Trunk(_) => self.facts.from.clone(),
                };
                let language = Some(self.run.language().clone());
                let overrides = Arc::clone(&edges.switches);
                let facts = tandem_dialplan::CallFacts { origin, from, to, language, overrides };
                let mut run = Box::new(Run::new(Arc::clone(self.run.plan()), facts).told(self.facts.told.clone()));
                run.handle(edges.now.at, RunInput::Start);
                self.transfer = Some((by, run));
                self.drain_run(edges, inputs);
            }
            TransferNews::Taken => {
                if let Some((_, run)) = self.transfer.take() {
                    self.run = *run;
                }
            }
            TransferNews::Failed(_) => self.transfer = None,
            TransferNews::Rings | TransferNews::Refused => {}
        }
    }

    fn drain_run(&mut self, edges: &mut Edges, inputs: &mut VecDeque<Input>) {
        while let Some(output) = self.active_run().poll() {
            inputs.push_back(match output {
                RunOutput::Routed(route) => Input::Routed(route),
                RunOutput::Step(step) => {
                    let language = self.active_run().language().clone();
                    self.call.speaks(language);
                    Input::Step(step)
                }
                RunOutput::Trace(what, detail) => {
                    self.trace(edges, "plan", || format!("{what} {detail}"));
                    continue;
                }
            });
        }
    }

    fn invite(
        &mut self,
        edges: &mut Edges,
        leg: LegId,
        target: &Target,
        caller_id: &PartyNumber,
        offer: bool,
        inputs: &mut VecDeque<Input>,
    ) {
        let occupies = match target {
            Target::Extension(extension) if !offer => Some(extension.clone()),
            _ => None,
        };
        let device = match target {
            // Who is not to be shown is not shown to watchers either.
            Target::Extension(extension) if edges.sip.is_withheld(self.at(LegId::CALLER)) => {
                Some(Device::called(extension.clone(), PartyNumber::from(""), String::new()))
            }
            Target::Extension(extension) => {
                Some(Device::called(extension.clone(), caller_id.clone(), self.facts.display.clone()))
            }
            Target::Trunk { .. } | Target::Fixed(_) => None,
        };
        self.take_leg(edges, leg, occupies, device);
        let (leg_ref, caller) = (self.at(leg), self.at(LegId::CALLER));
        if let Origin::Extension(extension) = self.active_run().origin() {
            edges.sip.pays(leg_ref, extension.clone());
        }
        if let Some(Origin::Extension(by)) = self.transfer.as_ref().map(|(_, run)| run.origin()) {
            edges.sip.refers(leg_ref, by.clone());
        }
        if let Err(cause) = edges.sip.invite(leg_ref, target, caller_id, &self.facts.display, caller, &mut edges.media) {
            self.drop_leg(edges, leg);
            inputs.push_back(Input::LegFailed { leg, cause });
        }
    }

    fn hand_back(&mut self, edges: &mut Edges, leg: LegId, number: &PartyNumber) -> Result<(), Cause> {
        let at = self.at(leg);
        match self.active_run().origin() {
            Origin::Trunk(trunk) => edges.sip.hand_back(at, trunk, number),
            Origin::Extension(_) => Err(Cause::Forbidden),
        }
    }

    fn record(&mut self, edges: &mut Edges, recording: RecordingId, left: LegId, right: LegId) {
        self.recording = Some(recording);
        let queue = self.call.view().queue.and_then(|queue| self.run.plan().queues.get(queue));
        let retain_days = queue.and_then(|queue| queue.retain_days);
        match edges.ledger.recording_started(edges.now.at, (recording, self.facts.call), retain_days) {
            Ok(file) => edges.media.record(recording, file, self.at(left), self.at(right)),
            Err(error) => {
                tracing::error!(%recording, %error, "the folder of the recordings cannot be written; the call goes on without");
                edges.ledger.recording_failed(edges.now.at, recording, error.to_string());
            }
        }
    }

    /// What was measured on a leg that is gone.
    pub fn measured(&mut self, leg: LegId, quality: Quality) {
        self.unmeasured = self.unmeasured.saturating_sub(1);
        self.audio.measured(leg, quality);
    }

    /// Whether the call is over and measured, or was waited for long enough; then it can be closed.
    #[must_use]
    pub fn is_closed(&self, now: Timestamp) -> bool {
        self.over.as_ref().is_some_and(|over| self.unmeasured == 0 || over.until <= now)
    }

    /// Writes the record. The last thing that is done with a call.
    pub fn close(self, edges: &mut Edges) {
        let then = self.then();
        if let Some(mut over) = self.over {
            edges.media.forget(self.facts.call);
            edges.supervision.seen(self.facts.call, None, &mut edges.media);
            over.cdr.told = self.facts.told;
            edges.ledger.call_ended(over.cdr, &self.audio, self.facts.identity, then);
        }
    }

    /// Ends a call whose core or plan failed: its legs, its item and its record, without asking the core.
    pub fn abandon(mut self, edges: &mut Edges) {
        let ended_at = edges.now.at;
        self.end_programs(edges);
        self.leave_slot(edges);
        for leg in self.legs.iter().map(|leg| leg.leg).collect::<Vec<_>>() {
            edges.sip.end(self.at(leg), Cause::Fault);
            self.drop_leg(edges, leg);
        }
        if let Some((by, _)) = self.transfer.take() {
            edges.sip.transfer_goes(self.at(by), &TransferNews::Failed(Cause::Fault));
        }
        if let Some(recording) = self.recording {
            edges.media.stop_record(recording);
        }
        if let Some(item) = self.item {
            // One of the two is what the floor expects; it takes no notice of the other.
            edges.floor.send(ToFloor::Leave { item, reason: LeaveReason::Fault });
            edges.floor.send(ToFloor::Finished { item, cause: Cause::Fault });
        }
        let (then, facts) = (self.then(), self.facts);
        edges.supervision.seen(facts.call, None, &mut edges.media);
        edges.payments.show(facts.call, &mut edges.media);
        edges.media.forget(facts.call);
        let segment = Segment { state: SegmentState::Plan, agent: None, cause: None, from_at: facts.started_at, to_at: ended_at };
        let cdr = Cdr {
            call: facts.call,
            origin: facts.origin,
            from: facts.from,
            to: facts.to,
            route: None,
            queue: None,
            agent: None,
            answered_by: None,
            started_at: facts.started_at,
            answered_at: None,
            connected_at: None,
            ended_at,
            waited_ms: 0,
            talked_ms: 0,
            cause: Cause::Fault,
            blame: Blame::Us,
            recording: self.recording,
            generation: facts.generation,
            restarts: facts.restarts,
            told: facts.told,
            segments: vec![segment],
        };
        edges.ledger.call_ended(Box::new(cdr), &self.audio, facts.identity, then);
    }

    const fn then(&self) -> Then {
        Then { was_kept: self.keeping.was_kept, step_failed: self.step_failed }
    }

    fn take_leg(&mut self, edges: &mut Edges, leg: LegId, occupies: Option<Extension>, device: Option<Device>) {
        if let Some(extension) = &occupies {
            edges.devices.occupy(extension, self.at(leg), &mut edges.floor);
        }
        self.legs.push(LiveLeg { leg, occupies, device });
    }

    fn drop_leg(&mut self, edges: &mut Edges, leg: LegId) {
        let Some(at) = self.legs.iter().position(|live| live.leg == leg) else { return };
        let gone = self.legs.swap_remove(at);
        if let Some(extension) = gone.occupies {
            edges.devices.release(&extension, self.at(leg), &mut edges.floor);
        }
        if let Some(device) = gone.device.filter(Device::is_shown) {
            edges.put_out(&device.extension, self.at(leg));
        }
        edges.supervision.gone(self.at(leg), &mut edges.media);
        if edges.media.close(self.at(leg)) {
            self.unmeasured += 1;
        }
    }

    fn at(&self, leg: LegId) -> LegRef {
        LegRef { call: self.facts.call, leg }
    }

    /// Adds a line to the live trace, if anybody looks.
    pub fn trace(&self, edges: &Edges, part: &'static str, text: impl FnOnce() -> String) {
        if edges.traces.wanted() {
            let Facts { call, from, to, .. } = &self.facts;
            edges.traces.publish(TraceLine {
                at: edges.now.at,
                call: *call,
                from: from.clone(),
                to: to.clone(),
                part,
                text: text(),
            });
        }
    }
}
