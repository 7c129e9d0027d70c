//! The line of the simulated switch: calls and their plans between edge, media and floor, wired as
//! `server/src/wire` does it. Media is what a world makes of [`Effect::Play`].

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use tandem_dialplan::{CallFacts, Input as RunInput, Output as RunOutput, Plan, Run};
use tandem_signaling::endpoint::InviteId;
use tandem_switch::{
    call::{Arrival, Call, CallSettings, Input, LegStage, Output, View},
    cause::Cause,
    cdr::{Cdr, Origin},
    id::{CallId, IdSource, LegId, RecordingId},
    link::{ToFloor, ToLine},
    name::{AgentName, Extension, PartyNumber},
    step::Target,
    time::Timestamp,
};

use crate::{
    edge::{Edge, LegRef, SipEvent},
    keep::Kept,
};

/// What the line wants of the world.
pub(crate) enum Effect {
    /// Say this to the floor.
    Floor(ToFloor),
    /// Tell by [`Line::played`] when it has been heard to its end.
    Play(LegRef, u32),
    /// A call arrived.
    Began(CallId, PartyNumber),
    /// A call is over.
    Ended(Box<Cdr>),
    /// A line for the diary of a caller.
    Note(PartyNumber, String),
}

pub(crate) struct Line {
    pub(crate) edge: Edge,
    pub(crate) effects: Vec<Effect>,
    /// The first thing that must not be, and whose call it is.
    pub(crate) wrong: Option<(String, PartyNumber)>,
    /// Whether notes are wanted.
    pub(crate) noting: bool,
    /// What a database would know of calls.
    pub(crate) kept: Kept,
    /// Calls that something happened to since they were kept, and when last.
    pub(crate) touched: BTreeMap<CallId, Timestamp>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) settings: Arc<CallSettings>,
    pub(crate) now: Timestamp,
    pub(crate) calls: BTreeMap<CallId, LiveCall>,
    timers: BTreeSet<(Timestamp, CallId)>,
    todo: VecDeque<(CallId, Input)>,
    devices: BTreeMap<Extension, u32>,
    /// Who hears whom.
    joined: BTreeMap<LegRef, LegRef>,
    pub(crate) ids: IdSource,
    call_ids: IdSource,
}

pub(crate) struct LiveCall {
    id: CallId,
    number: PartyNumber,
    origin: Origin,
    pub(crate) call: Call,
    pub(crate) run: Run,
    pub(crate) legs: Vec<LiveLeg>,
    recordings: BTreeSet<RecordingId>,
    timer: Option<Timestamp>,
    over: bool,
}

pub(crate) struct LiveLeg {
    pub(crate) leg: LegId,
    /// Who is called on it: an extension, the user of a fixed address, or a number outside.
    pub(crate) party: String,
    pub(crate) occupies: Option<Extension>,
}

impl Line {
    pub(crate) fn new(edge: Edge, plan: Arc<Plan>) -> Self {
        let settings = CallSettings { hold_music: Some("music/hold".into()), ..CallSettings::default() };
        Self {
            edge,
            effects: Vec::new(),
            wrong: None,
            noting: false,
            kept: Kept::new(),
            touched: BTreeMap::new(),
            plan,
            settings: Arc::new(settings),
            now: Timestamp::default(),
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            todo: VecDeque::new(),
            devices: BTreeMap::new(),
            joined: BTreeMap::new(),
            ids: IdSource::new(2),
            call_ids: IdSource::new(1),
        }
    }

    /// The moment of what follows.
    pub(crate) fn wake(&mut self, now: Timestamp, instant: std::time::Instant) {
        (self.now, self.edge.now) = (now, instant);
        if self.edge.station.deadline().is_some_and(|due| due <= instant) {
            self.edge.give(tandem_signaling::endpoint::Input::Tick);
        }
        while let Some(&(due, call)) = self.timers.first() {
            if due > now {
                break;
            }
            self.timers.pop_first();
            if let Some(live) = self.calls.get_mut(&call) {
                live.timer = None;
                self.todo.push_back((call, Input::Tick));
            }
        }
    }

    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.timers.first().map(|(due, _)| *due)
    }

    pub(crate) fn floor_said(&mut self, said: ToLine) {
        self.todo.push_back((said.call, Input::Floor(said.say)));
    }

    pub(crate) fn played(&mut self, at: LegRef, play: u32) {
        self.todo.push_back((at.call, Input::Played { leg: at.leg, play }));
    }

    pub(crate) fn pressed(&mut self, call: CallId, digit: char) {
        self.todo.push_back((call, Input::Digit { leg: LegId::CALLER, digit }));
    }

    /// Audio of a leg stopped: only a leg that has any can notice.
    pub(crate) fn fell_silent(&mut self, at: LegRef) {
        if self.stage(at).is_some_and(|stage| stage >= LegStage::EarlyMedia) {
            self.edge.end(at, Cause::MediaTimeout);
            self.todo.push_back((at.call, Input::LegEnded { leg: at.leg, cause: Cause::MediaTimeout }));
        }
    }

    /// Ends every call, as a switch that stops in good order.
    pub(crate) fn end_all(&mut self) {
        self.todo.extend(self.calls.keys().map(|call| (*call, Input::Hangup { cause: Cause::Restart })));
        self.settle();
    }

    /// Works off what edge and calls want of each other, until neither wants anything.
    pub(crate) fn settle(&mut self) {
        loop {
            if let Some((call, input)) = self.todo.pop_front() {
                self.work(call, |live, line| live.handle(line, input));
            } else if let Some(event) = self.edge.poll() {
                self.sip_told(event);
            } else {
                return self.keep_calls();
            }
        }
    }

    pub(crate) fn work(&mut self, call: CallId, task: impl FnOnce(&mut LiveCall, &mut Self)) {
        let Some(mut live) = self.calls.remove(&call) else { return };
        self.touch(call);
        task(&mut live, self);
        let due = live.call.deadline().filter(|_| !live.over);
        if due != live.timer {
            if let Some(old) = live.timer {
                self.timers.remove(&(old, call));
            }
            if let Some(due) = due {
                self.timers.insert((due, call));
            }
            live.timer = due;
        }
        if live.over {
            self.kept.remove(&call);
            self.touched.remove(&call);
        } else {
            self.calls.insert(call, live);
        }
    }

    fn sip_told(&mut self, event: SipEvent) {
        let mut tell = |at: LegRef, input: Input| self.todo.push_back((at.call, input));
        match event {
            SipEvent::Arrived { invite, origin, from, to } => self.arrived(invite, origin, from, to),
            SipEvent::Rang { at, early_media } => tell(at, Input::LegRang { leg: at.leg, early_media }),
            SipEvent::Answered(at) => tell(at, Input::LegAnswered { leg: at.leg }),
            SipEvent::Failed { at, cause } => tell(at, Input::LegFailed { leg: at.leg, cause }),
            SipEvent::Ended { at, cause } => tell(at, Input::LegEnded { leg: at.leg, cause }),
            SipEvent::Held { at, held } => tell(at, Input::LegHeld { leg: at.leg, held }),
            SipEvent::Reachable { extension, reachable } => {
                let agent = AgentName::from(extension.as_str());
                self.effects.push(Effect::Floor(ToFloor::DeviceReachable { agent, reachable }));
            }
        }
    }

    fn arrived(&mut self, invite: InviteId, origin: Origin, from: PartyNumber, to: PartyNumber) {
        let call = CallId(self.call_ids.next(self.now));
        self.edge.adopt(invite, LegRef { call, leg: LegId::CALLER });
        let facts =
            CallFacts { origin: origin.clone(), from: from.clone(), to: to.clone(), language: None, overrides: Arc::default() };
        let arrival = Arrival { call, origin: origin.clone(), from: from.clone(), to, generation: 1 };
        let live = LiveCall {
            id: call,
            number: from.clone(),
            origin,
            call: Call::new(self.now, arrival, Arc::clone(&self.settings)),
            run: Run::new(Arc::clone(&self.plan), facts),
            legs: Vec::with_capacity(2),
            recordings: BTreeSet::new(),
            timer: None,
            over: false,
        };
        self.calls.insert(call, live);
        self.effects.push(Effect::Began(call, from));
        self.work(call, LiveCall::begin);
    }

    fn must(&mut self, holds: bool, number: &PartyNumber, wrong: impl FnOnce() -> String) {
        if !holds && self.wrong.is_none() {
            self.wrong = Some((wrong(), number.clone()));
        }
    }

    fn occupy(&mut self, extension: &Extension, more: bool) {
        let legs = self.devices.entry(extension.clone()).or_insert(0);
        *legs = if more { *legs + 1 } else { *legs - 1 };
        let legs = *legs;
        if legs == 0 {
            self.devices.remove(extension);
        }
        self.effects.push(Effect::Floor(ToFloor::DeviceBusy { agent: AgentName::from(extension.as_str()), legs }));
    }

    fn part(&mut self, at: LegRef) {
        if let Some(other) = self.joined.remove(&at) {
            self.joined.remove(&other);
        }
    }

    /// Two legs hear each other: neither may hear anybody else, and a party hears one call only.
    fn join(&mut self, live: &LiveCall, left: LegId, right: LegId) {
        let (left, right) = (live.at(left), live.at(right));
        let free = !self.joined.contains_key(&left) && !self.joined.contains_key(&right);
        self.must(free, &live.number, || format!("{left:?} joined to {right:?}, but one of them hears somebody"));
        self.must(live.has(left.leg) && live.has(right.leg), &live.number, || {
            format!("{left:?} {right:?} joined, but one is gone")
        });
        self.joined.insert(left, right);
        self.joined.insert(right, left);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.len()
    }

    pub(crate) fn view(&self, call: CallId) -> Option<View<'_>> {
        self.calls.get(&call).map(|live| live.call.view())
    }

    pub(crate) fn views(&self) -> impl Iterator<Item = View<'_>> {
        self.calls.values().map(|live| live.call.view())
    }

    /// All calls that are up, and who calls.
    pub(crate) fn callers(&self) -> impl DoubleEndedIterator<Item = (CallId, &PartyNumber)> {
        self.calls.iter().map(|(call, live)| (*call, &live.number))
    }

    fn stage(&self, at: LegRef) -> Option<LegStage> {
        let view = self.view(at.call)?;
        view.legs.iter().find(|leg| leg.leg == at.leg).map(|leg| leg.stage)
    }

    pub(crate) fn is_live(&self, at: LegRef) -> bool {
        self.calls.get(&at.call).is_some_and(|live| live.has(at.leg))
    }

    pub(crate) fn number_of(&self, call: CallId) -> Option<&PartyNumber> {
        self.calls.get(&call).map(|live| &live.number)
    }

    pub(crate) fn legs_of(&self, call: CallId) -> Vec<LegRef> {
        self.calls.get(&call).map(|live| live.legs.iter().map(|leg| live.at(leg.leg)).collect()).unwrap_or_default()
    }

    /// The latest leg of a call to a party.
    pub(crate) fn leg_of(&self, call: CallId, party: &str) -> Option<LegRef> {
        let live = self.calls.get(&call)?;
        live.legs.iter().rev().find(|leg| leg.party == party).map(|leg| live.at(leg.leg))
    }

    /// Whether a device is on a call outside of offers.
    pub(crate) fn is_occupied(&self, agent: &AgentName) -> bool {
        self.devices.contains_key(agent.as_str())
    }

    /// What is left; `None` when nothing is.
    pub(crate) fn left_over(&self) -> Option<String> {
        let left = [self.calls.len(), self.timers.len(), self.devices.len(), self.joined.len(), self.edge.legs()];
        (left != [0; 5]).then(|| format!("calls, timers, devices, joins, legs of the line: {left:?}"))
    }
}

impl LiveCall {
    /// A call of before a restart.
    pub(crate) fn survived(arrival: Arrival, call: Call, run: Run, legs: Vec<LiveLeg>) -> Self {
        let Arrival { call: id, origin, from: number, .. } = arrival;
        Self { id, number, origin, call, run, legs, recordings: BTreeSet::new(), timer: None, over: false }
    }

    pub(crate) fn go_on(&mut self, line: &mut Line) {
        for extension in self.legs.iter().filter_map(|leg| leg.occupies.as_ref()) {
            line.occupy(extension, true);
        }
        let mut inputs = VecDeque::new();
        while let Some(output) = self.call.poll() {
            self.carry_out(line, output, &mut inputs);
        }
        self.work_off(line, inputs);
    }

    fn begin(&mut self, line: &mut Line) {
        let occupies = match &self.origin {
            Origin::Extension(extension) => Some(extension.clone()),
            Origin::Trunk(_) => None,
        };
        self.take_leg(line, LegId::CALLER, self.number.as_str().to_owned(), occupies);
        let mut inputs = VecDeque::new();
        self.run.handle(line.now, RunInput::Start);
        self.drain_run(line, &mut inputs);
        self.work_off(line, inputs);
    }

    fn handle(&mut self, line: &mut Line, input: Input) {
        if let Input::LegFailed { leg, .. } | Input::LegEnded { leg, .. } = &input {
            self.drop_leg(line, *leg);
        }
        self.work_off(line, VecDeque::from([input]));
    }

    fn work_off(&mut self, line: &mut Line, mut inputs: VecDeque<Input>) {
        while let Some(input) = inputs.pop_front() {
            if line.noting {
                line.effects.push(Effect::Note(self.number.clone(), format!("call told {input:?}")));
            }
            self.call.handle(line.now, input, &mut line.ids);
            while let Some(output) = self.call.poll() {
                self.carry_out(line, output, &mut inputs);
            }
        }
    }

    fn carry_out(&mut self, line: &mut Line, output: Output, inputs: &mut VecDeque<Input>) {
        let caller = self.at(LegId::CALLER);
        if line.noting {
            line.effects.push(Effect::Note(self.number.clone(), format!("call wants {output:?}")));
        }
        line.must(!self.over, &self.number, || format!("{output:?} after the end of the call"));
        match output {
            Output::RingCaller => line.edge.progress(caller, 180),
            Output::EarlyMedia => line.edge.progress(caller, 183),
            Output::Answer => line.edge.answer(caller),
            Output::InviteLeg { leg, target, caller_id, offered, .. } => {
                self.invite(line, leg, &target, &caller_id, offered.is_some(), inputs);
            }
            Output::EndLeg { leg, cause } => {
                line.must(self.has(leg), &self.number, || format!("{leg} is ended twice"));
                line.edge.end(self.at(leg), cause);
                self.drop_leg(line, leg);
            }
            Output::Play { leg, play, repeat, .. } => {
                line.must(self.has(leg), &self.number, || format!("{leg} is gone and hears something"));
                if !repeat {
                    line.effects.push(Effect::Play(self.at(leg), play));
                }
            }
            Output::Join { left, right } => line.join(self, left, right),
            Output::Part { leg } => line.part(self.at(leg)),
            Output::Record { recording, .. } => {
                let new = self.recordings.insert(recording);
                line.must(new, &self.number, || format!("{recording} is made twice"));
            }
            Output::PauseRecord { recording, .. } => {
                let open = self.recordings.contains(&recording);
                line.must(open, &self.number, || format!("{recording} pauses and is not open"));
            }
            Output::StopRecord { recording } => {
                let open = self.recordings.remove(&recording);
                line.must(open, &self.number, || format!("{recording} is closed twice"));
            }
            Output::StepEnded(outcome) => {
                self.run.handle(line.now, RunInput::Outcome(outcome));
                self.drain_run(line, inputs);
            }
            Output::Floor(message) => line.effects.push(Effect::Floor(message)),
            Output::Ended(cdr) => {
                let closed = self.legs.is_empty() && self.recordings.is_empty();
                line.must(closed, &self.number, || "the call is over, but not its legs or recordings".to_owned());
                self.over = true;
                line.effects.push(Effect::Ended(cdr));
            }
            Output::Transfer { .. } | Output::Redirect(_) | Output::HandBack { .. } | Output::Ask { .. } => {
                unreachable!("nobody here asks for one")
            }
            Output::RingBack { .. }
            | Output::StopPlay { .. }
            | Output::Echo { .. }
            | Output::EnterRoom { .. }
            | Output::Supervise { .. }
            | Output::Park { .. }
            | Output::AskMailbox { .. }
            | Output::TakeMessage { .. }
            | Output::Fork { .. }
            | Output::ProgramKey { .. }
            | Output::Take { .. }
            | Output::Trace(..) => {}
        }
    }

    fn drain_run(&mut self, line: &mut Line, inputs: &mut VecDeque<Input>) {
        while let Some(output) = self.run.poll() {
            match output {
                RunOutput::Routed(route) => inputs.push_back(Input::Routed(route)),
                RunOutput::Step(step) => inputs.push_back(Input::Step(step)),
                RunOutput::Trace(what, detail) if line.noting => {
                    line.effects.push(Effect::Note(self.number.clone(), format!("plan: {what} {detail}")));
                }
                RunOutput::Trace(..) => {}
            }
        }
    }

    fn invite(
        &mut self,
        line: &mut Line,
        leg: LegId,
        target: &Target,
        caller_id: &PartyNumber,
        offer: bool,
        inputs: &mut VecDeque<Input>,
    ) {
        let (party, occupies) = match target {
            Target::Extension(extension) => (extension.as_str(), (!offer).then(|| extension.clone())),
            Target::Trunk { number, .. } => (number.as_str(), None),
            Target::Fixed(address) => (address.trim_start_matches("sip:").split('@').next().unwrap_or_default(), None),
        };
        line.must(!self.has(leg), &self.number, || format!("{leg} is made twice"));
        self.take_leg(line, leg, party.to_owned(), occupies);
        if let Err(cause) = line.edge.invite(self.at(leg), target, caller_id) {
            self.drop_leg(line, leg);
            inputs.push_back(Input::LegFailed { leg, cause });
        }
    }

    fn take_leg(&mut self, line: &mut Line, leg: LegId, party: String, occupies: Option<Extension>) {
        if let Some(extension) = &occupies {
            line.occupy(extension, true);
        }
        self.legs.push(LiveLeg { leg, party, occupies });
    }

    fn drop_leg(&mut self, line: &mut Line, leg: LegId) {
        let Some(at) = self.legs.iter().position(|live| live.leg == leg) else { return };
        if let Some(extension) = self.legs.swap_remove(at).occupies {
            line.occupy(&extension, false);
        }
        line.part(self.at(leg));
    }

    fn has(&self, leg: LegId) -> bool {
        self.legs.iter().any(|live| live.leg == leg)
    }

    pub(crate) fn at(&self, leg: LegId) -> LegRef {
        LegRef { call: self.id, leg }
    }
}
