//! Virtual time: the next thing that happens, and who is told of it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use tandem_switch::{
    ask::{Answer, Unanswered},
    call::{Arrival, Call, Input},
    cause::Cause,
    cdr::Origin,
    floor::{self, Floor},
    id::{CallId, IdSource, LegId},
    link::{FloorSays, ToFloor, ToLine},
    name::{AgentName, Extension, ServiceName},
    step::{AgentRequest, StepOutcome},
    time::Timestamp,
};

use super::{
    behaviour::{Fault, Presence},
    caller::Caller,
    lengths::Lengths,
    parties::Party,
    script::{MAX_CALL_MS, Script},
    story::{Simulation, Story},
};
use crate::{
    plan::Plan,
    run::{CallFacts, Input as RunInput, Run},
    trail::Trail,
};

/// Things that happen in one call at most, as with hundreds of agents who decline for hours. Everything else ends with the
/// hang-up of the caller.
const MAX_EVENTS: u32 = 200_000;

/// Something that happens by itself.
#[derive(Debug)]
pub(super) enum Event {
    Rings(LegId),
    Answers(LegId),
    Forwards(LegId),
    Confirms(LegId, char),
    Comes(AgentName),
    Fails(LegId, Cause),
    HangsUp(LegId),
    Played { leg: LegId, play: u32 },
    Key(char),
    CallerHangsUp,
    Streamed(StepOutcome),
    Answered { question: u32, answer: Result<Answer, Unanswered> },
    HandedBack(Option<Cause>),
}

/// One call, and everybody in it.
pub(super) struct Stage<'a> {
    pub(super) plan: &'a Arc<Plan>,
    pub(super) script: &'a Script,
    pub(super) lengths: &'a Lengths,
    pub(super) now: Timestamp,
    pub(super) floor: Floor,
    pub(super) call: Call,
    pub(super) run: Run,
    /// The ways to whom phones named instead of taking the call, the first one first; and where those got to that are over.
    pub(super) redirects: Vec<Run>,
    pub(super) trail: Trail,
    pub(super) ids: IdSource,
    /// What the call is told next.
    pub(super) inputs: VecDeque<Input>,
    /// What the floor is told next.
    pub(super) to_floor: VecDeque<ToFloor>,
    pub(super) caller: Caller,
    pub(super) parties: BTreeMap<LegId, Party>,
    /// Live legs of each extension's devices outside of offers.
    pub(super) devices: BTreeMap<Extension, u32>,
    /// How often each service was asked.
    pub(super) asked: BTreeMap<ServiceName, usize>,
    /// The program that has the caller was asked.
    pub(super) is_streaming: bool,
    pub(super) story: Story,
    pub(super) is_over: bool,
    /// The call of the script is over, and its caller is called back.
    pub(super) is_promised: bool,
    pub(super) agenda: BTreeMap<(Timestamp, u64), Event>,
    serial: u64,
}

impl<'a> Stage<'a> {
    pub(super) fn new(plan: &'a Arc<Plan>, script: &'a Script, lengths: &'a Lengths) -> Self {
        let Script { at, origin, from, to, .. } = script.clone();
        let facts = CallFacts {
            origin: origin.clone(),
            from: from.clone(),
            to: to.clone(),
            language: None,
            overrides: Arc::clone(&script.overrides),
        };
        let call = CallId(IdSource::new(1).next(at));
        let arrival = Arrival { call, origin, from, to, generation: plan.generation };
        Self {
            plan,
            script,
            lengths,
            now: at,
            floor: Floor::new(IdSource::new(3)),
            call: Call::new(at, arrival, Arc::new(plan.call_settings())),
            run: Run::new(Arc::clone(plan), facts).with_trail(),
            redirects: Vec::new(),
            trail: Trail::default(),
            ids: IdSource::new(2),
            inputs: VecDeque::new(),
            to_floor: VecDeque::new(),
            caller: Caller::new(&script.keys),
            parties: BTreeMap::new(),
            devices: BTreeMap::new(),
            asked: BTreeMap::new(),
            is_streaming: false,
            story: Story::new(at),
            is_over: false,
            is_promised: false,
            agenda: BTreeMap::new(),
            serial: 0,
        }
    }

    /// From the arrival of the call to its record.
    pub(super) fn play(mut self) -> Simulation {
        self.open_floor();
        self.begin();
        self.settle();
        let mut events = 0;
        while !self.is_over {
            events += 1;
            self.happen(events > MAX_EVENTS);
            self.settle();
            self.leave_off();
        }
        let trail = self.trails();
        self.story.end(self.plan, trail)
    }

    /// Queues and agents as after a start, and those of the script at their phones.
    fn open_floor(&mut self) {
        let mut agents = self.plan.starter_profiles();
        let known: BTreeSet<AgentName> = agents.iter().map(|profile| profile.agent.clone()).collect();
        for name in self.script.agents.keys().filter(|name| !known.contains(*name)) {
            let said = format!("{name} is no starter agent: taken for one of every queue, with every skill");
            self.story.row(self.now, "floor", said);
            agents.push(self.plan.any_agent(name));
        }
        self.floor_told(floor::Input::Queues(self.plan.queue_profiles()));
        let phones: BTreeSet<Extension> =
            agents.iter().flat_map(|profile| profile.devices.extensions().cloned().collect::<Vec<_>>()).collect();
        self.floor_told(floor::Input::Agents(agents));
        for phone in phones {
            let does = self.script.parties.get(phone.as_str());
            let reachable = does.is_none_or(|does| does.refuses(false) != Some(Cause::NotRegistered));
            let agent = AgentName::from(phone.as_str());
            self.floor_told(floor::Input::Line(ToFloor::DeviceReachable { agent, reachable }));
        }
        if let Origin::Extension(extension) = &self.script.origin {
            let agent = AgentName::from(extension.as_str());
            self.floor_told(floor::Input::Line(ToFloor::DeviceReachable { agent, reachable: true }));
        }
        let script = self.script;
        for (agent, (presence, phone)) in &script.agents {
            let reachable = phone.refuses(false) != Some(Cause::NotRegistered);
            self.floor_told(floor::Input::Line(ToFloor::DeviceReachable { agent: agent.clone(), reachable }));
            let (requests, comes) = match presence {
                Presence::Offline(comes) => (vec![AgentRequest::SignOut], *comes),
                Presence::Ready => (vec![AgentRequest::SignIn], None),
                Presence::Away(comes) => (vec![AgentRequest::SignIn, AgentRequest::NotReady { reason: "away".into() }], *comes),
            };
            if let Some(ms) = comes {
                self.later(ms, Event::Comes(agent.clone()));
            }
            for request in requests {
                self.floor_told(floor::Input::Agent { agent: agent.clone(), request });
            }
        }
    }

    fn begin(&mut self) {
        self.later(self.script.hangs_up_after_ms().min(MAX_CALL_MS), Event::CallerHangsUp);
        if let Origin::Extension(extension) = &self.script.origin {
            self.occupy(&extension.clone());
        }
        self.run.handle(self.now, RunInput::Start);
        self.drain_run();
    }

    pub(super) fn later(&mut self, ms: u64, event: Event) {
        self.serial += 1;
        self.agenda.insert((self.now.plus_ms(ms), self.serial), event);
    }

    /// Moves on to the next thing that happens.
    fn happen(&mut self, is_enough: bool) {
        let event = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let (floor, call) = (self.floor.deadline(), self.call.deadline());
        let due = [event, floor, call].into_iter().flatten().min().filter(|_| !is_enough);
        let Some(due) = due else {
            if self.is_promised {
                return self.is_over = true;
            }
            let said = format!("more happens than a simulation follows, which is {MAX_EVENTS} events: the call is ended");
            self.story.row(self.now, "call", said);
            return self.inputs.push_back(Input::Hangup { cause: Cause::Fault });
        };
        if self.is_too_late(due) {
            return self.is_over = true;
        }
        self.now = self.now.max(due);
        if floor == Some(due) {
            self.floor_told(floor::Input::Tick);
        } else if call == Some(due) {
            self.inputs.push_back(Input::Tick);
        } else if let Some((_, event)) = self.agenda.pop_first() {
            self.happened(event);
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Key(digit) => self.types(digit),
            Event::CallerHangsUp => self.caller_hangs_up(),
            Event::Played { leg, play } => {
                if leg == LegId::CALLER && self.caller.heard_out(play) {
                    self.story.heard(self.caller.stops_hearing(self.now));
                }
                self.inputs.push_back(Input::Played { leg, play });
            }
            Event::Streamed(outcome) => {
                if self.call.program().is_some() {
                    self.inputs.push_back(Input::Streamed { leg: LegId::CALLER, outcome });
                }
            }
            Event::Answered { question, answer } => self.inputs.push_back(Input::Answered { question, answer }),
            Event::Comes(agent) => {
                for request in [AgentRequest::SignIn, AgentRequest::Ready] {
                    self.floor_told(floor::Input::Agent { agent: agent.clone(), request });
                }
            }
            Event::HandedBack(failed) => self.inputs.push_back(Input::HandedBack { leg: LegId::CALLER, failed }),
            Event::Rings(leg)
            | Event::Answers(leg)
            | Event::Forwards(leg)
            | Event::Confirms(leg, _)
            | Event::Fails(leg, _)
            | Event::HangsUp(leg) => self.party_does(leg, &event),
        }
    }

    fn caller_hangs_up(&mut self) {
        let after_ms = self.now.ms_since(self.script.at);
        let why = match self.script.hang_up_after_ms {
            Some(_) => String::new(),
            None => format!(": after {} minutes, as nothing else was said", after_ms / 60_000),
        };
        self.story.row(self.now, "caller", format!("hangs up{why}"));
        let is_up = self.call.view().answered_at.is_some();
        let cause = if is_up { Cause::Normal } else { Cause::Cancelled };
        self.leave_device(LegId::CALLER);
        self.inputs.push_back(Input::LegEnded { leg: LegId::CALLER, cause });
    }

    /// Works off what call and floor want of each other, until neither wants anything.
    fn settle(&mut self) {
        loop {
            if let Some(input) = self.inputs.pop_front() {
                self.call_told(input);
            } else if let Some(message) = self.to_floor.pop_front() {
                // A call whose floor is silent waits as long as it does for a real one.
                if !self.script.faults.contains(&Fault::Floor) {
                    self.floor_told(floor::Input::Line(message));
                }
            } else if !self.is_over && self.start_program() {
            } else {
                break;
            }
        }
        if !self.is_over && !self.is_promised && self.caller.wants_to_type() {
            self.type_next();
        }
    }

    fn call_told(&mut self, input: Input) {
        self.call.handle(self.now, input, &mut self.ids);
        while let Some(output) = self.call.poll() {
            self.carry_out(output);
        }
    }

    fn floor_told(&mut self, input: floor::Input) {
        self.floor.handle(self.now, input);
        while let Some(output) = self.floor.poll() {
            match output {
                floor::Output::Journal(event) => self.story.floor(self.now, &event),
                floor::Output::Line(ToLine { call, say: say @ FloorSays::CallBack { .. } }) => self.call_back(call, say),
                floor::Output::Line(message) => self.inputs.push_back(Input::Floor(message.say)),
            }
        }
    }
}
