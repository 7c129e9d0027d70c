//! Runs a ladder: lines that begin with `>` are inputs, the lines below each are what the floor did.

use std::collections::{BTreeMap, BTreeSet};

use super::words::{capacity, cause, devices, event_word, place_words, request, skill_level, state_word, work, work_rule};
use super::{beginnings::beginning, same::assert_same};
use crate::{
    callback::{Callback, CallbackAsked, Tries},
    cause::Cause,
    cdr::Origin,
    floor::{
        AgentProfile, AgentState, Conversation, Decision, Floor, FloorEvent, GoingOn, Input, NotPromised, OfferOutcome, Output,
        QueueProfile, Relaxation, Restored, WaitingItem, WorkRules,
    },
    id::{CallId, CustomerId, IdSource, ItemId, OfferId},
    link::{Enqueue, FloorSays, LeaveReason, ToFloor, ToLine},
    name::{AgentName, PartyNumber, SkillLevel},
    step::Target,
    time::Timestamp,
};

/// The day every ladder begins.
const START_MS: i64 = 1_790_000_000_000;

pub(super) struct Script {
    pub(super) floor: Floor,
    pub(super) now: Timestamp,
    queues: Vec<QueueProfile>,
    agents: Vec<AgentProfile>,
    journal: Restored,
    /// Items as they were queued, and who took them.
    queued: BTreeMap<ItemId, WaitingItem>,
    taken: BTreeMap<ItemId, (AgentName, Timestamp)>,
    offers: BTreeMap<OfferId, usize>,
    lines: Vec<String>,
    decision: Option<Decision>,
    made: Vec<ItemId>,
    /// Times that the floor died; each life has identifiers of its own.
    lives: u8,
}

/// Runs the inputs of `ladder` and compares all that came out.
#[track_caller]
pub(super) fn check(ladder: &str) {
    let lines = ladder.lines().map(str::trim).filter(|line| !line.is_empty());
    let expected: Vec<&str> = lines
        .flat_map(|line| match line.strip_prefix("given ") {
            Some(name) => beginning(name),
            None => vec![line],
        })
        .collect();
    let mut script = Script::new();
    for line in expected.iter().filter_map(|line| line.strip_prefix("> ")) {
        script.run(line);
    }
    assert!(script.lines == expected, "the floor did otherwise:\n=== actual\n{}\n=== end", script.lines.join("\n"));
}

impl Script {
    pub(super) fn new() -> Self {
        Self {
            floor: Floor::new(IdSource::new(0)),
            now: Timestamp::from_ms(START_MS),
            queues: Vec::new(),
            agents: Vec::new(),
            journal: Restored::default(),
            queued: BTreeMap::new(),
            taken: BTreeMap::new(),
            offers: BTreeMap::new(),
            lines: Vec::new(),
            decision: None,
            made: Vec::new(),
            lives: 0,
        }
    }

    pub(super) fn run(&mut self, line: &str) {
        self.lines.push(format!("> {line}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "queue" => self.queue(&words[1..]),
            "drop-queue" => self.queues.retain(|queue| queue.queue.as_str() != words[1]),
            "agent" => self.agent(&words[1..]),
            "drop-agent" => self.agents.retain(|agent| agent.agent.as_str() != words[1]),
            "wait" => return self.wait(words[1].parse::<u64>().unwrap() * 1000),
            "forget-agent" => return self.agents.retain(|agent| agent.agent.as_str() != words[1]),
            "restart" => return self.restart(&words[1..]),
            _ => {}
        }
        let input = match words[0] {
            "queue" | "drop-queue" => Input::Queues(self.queues.clone()),
            "agent" | "drop-agent" => Input::Agents(self.agents.clone()),
            "ask" => return self.ask(&words),
            "known" => Input::Known { item: ItemId(words[1].parse().unwrap()), customer: CustomerId(words[2].parse().unwrap()) },
            "prioritise" => Input::Prioritise {
                item: ItemId(words[1].parse().unwrap()),
                minutes: words[2].parse().unwrap(),
                reason: words[3..].join(" "),
            },
            "drop-callback" => Input::DropCallback(ItemId(words[1].parse().unwrap())),
            "sign-in" | "sign-out" | "ready" | "not-ready" | "more-wrap-up" => {
                Input::Agent { agent: words[1].into(), request: request(&words) }
            }
            _ => Input::Line(self.message(&words)),
        };
        self.give(input);
    }

    /// The record of the last offer.
    pub(super) fn last_decision(&self) -> Decision {
        self.decision.clone().unwrap()
    }

    fn queue(&mut self, words: &[&str]) {
        let mut profile = QueueProfile {
            queue: words[0].into(),
            answer_target_ms: 20_000,
            ring_ms: 10_000,
            wrap_up_ms: 0,
            relax: Vec::new(),
            max_waiting: 100,
            rejoin_grace_ms: 60_000,
            max_missed: 3,
            callbacks_per_day: 3,
            work: WorkRules::default(),
        };
        for word in &words[1..] {
            let (key, value) = word.split_once('=').unwrap();
            let seconds = || value.parse::<u64>().unwrap() * 1000;
            match key {
                "target" => profile.answer_target_ms = seconds(),
                "ring" => profile.ring_ms = seconds(),
                "wrap" => profile.wrap_up_ms = seconds(),
                "grace" => profile.rejoin_grace_ms = seconds(),
                "max" => profile.max_waiting = value.parse().unwrap(),
                "day" => profile.callbacks_per_day = value.parse().unwrap(),
                "missed" => profile.max_missed = value.parse().unwrap(),
                "relax" => {
                    let (skill, after) = value.split_once('@').unwrap();
                    let SkillLevel { skill, level } = skill_level(skill);
                    profile.relax.push(Relaxation { after_ms: after.parse::<u64>().unwrap() * 1000, skill, to_level: level });
                }
                _ => work_rule(&mut profile.work, key, value),
            }
        }
        self.queues.retain(|queue| queue.queue != profile.queue);
        self.queues.push(profile);
    }

    fn agent(&mut self, words: &[&str]) {
        let agent = AgentName::from(words[0]);
        self.agents.retain(|known| known.agent != agent);
        self.agents.push(AgentProfile {
            queues: words[1].split(',').filter(|name| *name != "-").map(Into::into).collect(),
            skills: words[2..].iter().filter(|word| word.contains(':')).map(|word| skill_level(word)).collect(),
            device: Target::Extension(words[0].into()),
            devices: devices(words),
            always_on: words.contains(&"always-on"),
            capacity: capacity(words),
            agent,
        });
    }

    fn message(&self, words: &[&str]) -> ToFloor {
        let number = || words[1].parse::<u64>().unwrap();
        let offer = || {
            let wanted: usize = words[1].parse().unwrap();
            *self.offers.iter().find(|(_, number)| **number == wanted).unwrap().0
        };
        match words[0] {
            "call" => ToFloor::Enqueue(self.enqueue(&words[1..])),
            "leave" => ToFloor::Leave { item: ItemId(number()), reason: LeaveReason::Abandoned },
            "call-back" => ToFloor::CallBack { item: ItemId(number()), callback: Box::new(self.callback(words)) },
            "calls-customer" => ToFloor::CallsCustomer { offer: offer() },
            "unreached" => ToFloor::Unreached { offer: offer(), cause: cause(words[2]) },
            "overflow" => ToFloor::Overflow {
                item: ItemId(number()),
                to: words[2].into(),
                wait_without_agents: !words.contains(&"no-wait"),
            },
            "ringing" => ToFloor::Ringing { offer: offer() },
            "accept" => ToFloor::Accept { offer: offer() },
            "decline" => ToFloor::Decline { offer: offer(), cause: cause(words[2]) },
            "finish" => ToFloor::Finished { item: ItemId(number()), cause: Cause::Normal },
            "wrote" => ToFloor::Wrote { item: ItemId(number()), by: super::words::side(words[2]) },
            "legs" => ToFloor::DeviceBusy { agent: words[1].into(), legs: words[2].parse().unwrap() },
            "reachable" => ToFloor::DeviceReachable { agent: words[1].into(), reachable: true },
            "unreachable" => ToFloor::DeviceReachable { agent: words[1].into(), reachable: false },
            "code" => ToFloor::Agent { call: CallId(99), agent: words[2].into(), request: request(&words[1..]) },
            _ => panic!("{words:?}"),
        }
    }

    /// `tries=2`, `apart=60`: in seconds.
    fn callback(&self, words: &[&str]) -> Callback {
        let option = |key: &str| words.iter().find_map(|word| word.strip_prefix(key)).and_then(|text| text.parse::<u64>().ok());
        let left = option("tries=").map_or(2, |tries| u32::try_from(tries).unwrap());
        Callback {
            target: Target::Trunk { trunk: "carrier".into(), number: "+411".into() },
            tries: Tries { left, apart_ms: option("apart=").unwrap_or(60) * 1_000, ring_ms: 20_000 },
            not_before: self.now,
            origin: Origin::Trunk("carrier".into()),
            dialled: "1800".into(),
            arrived_at: self.now,
            step: super::simulation::waited(),
            customer: option("customer=").map(CustomerId),
        }
    }

    /// Somebody asks for a callback: `ask QUEUE NUMBER`.
    fn ask(&mut self, words: &[&str]) {
        let mut callback = self.callback(words);
        callback.step.queue = words[1].into();
        let asked = CallbackAsked { caller: words[2].into(), callback: Box::new(callback) };
        match self.floor.may_ask(self.now, &asked) {
            Ok(()) => {}
            Err(NotPromised::Promised(_)) => self.lines.push("not promised: Promised".to_owned()),
            Err(why) => self.lines.push(format!("not promised: {why:?}")),
        }
        self.give(Input::AskCallback(asked));
    }

    fn enqueue(&self, words: &[&str]) -> Enqueue {
        let item: u64 = words[0].parse().unwrap();
        let option = |key: &str| words.iter().find_map(|word| word.strip_prefix(key));
        let caller = option("from=").map_or_else(|| format!("+39{item:08}"), str::to_owned);
        Enqueue {
            item: ItemId(item),
            call: CallId(item),
            queue: words[1].into(),
            caller: PartyNumber::from(&*caller),
            skills: words[2..].iter().filter(|word| word.contains(':')).map(|word| skill_level(word)).collect(),
            priority_minutes: option("priority=").map_or(0, |minutes| minutes.parse().unwrap()),
            wait_without_agents: !words.contains(&"no-wait"),
            arrived_at: self.now,
            work: work(words, self.now),
        }
    }

    /// Lets time pass, waking the floor exactly when it wants.
    fn wait(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        let mut wakes = 0;
        while let Some(at) = self.floor.deadline().filter(|at| *at <= end) {
            wakes += 1;
            assert!(wakes < 10_000, "the floor never sleeps");
            self.now = self.now.max(at);
            self.give(Input::Tick);
        }
        self.now = end;
    }

    /// Kills the floor; a new one is given what the journal knows, and which calls go on: `waits=1,2` with their
    /// items, `talks=3`, and `busy=1001` on a call of their own.
    fn restart(&mut self, words: &[&str]) {
        self.lives += 1;
        self.floor = Floor::new(IdSource::new(self.lives));
        let listed =
            |key: &'static str| words.iter().filter_map(move |word| word.strip_prefix(key)).flat_map(|list| list.split(','));
        let items = |key: &'static str| listed(key).map(|item| ItemId(item.parse().unwrap()));
        let conversation = |item: ItemId| {
            let (agent, since_at) = self.taken[&item].clone();
            Conversation { item: self.queued[&item].clone(), agent, since_at }
        };
        let going_on = GoingOn {
            waiting: items("waits=").collect(),
            talking: items("talks=").map(conversation).collect(),
            cut_off: items("cut-off=").collect(),
            promised: listed("promised=").map(|number| (number.into(), 1)).collect(),
            legs: listed("busy=").map(|agent| (agent.into(), 1)).collect(),
        };
        self.give(Input::Restore(Restored { going_on, ..self.journal.clone() }));
        self.give(Input::Queues(self.queues.clone()));
        self.give(Input::Agents(self.agents.clone()));
    }

    fn give(&mut self, input: Input) {
        self.floor.handle(self.now, input);
        while let Some(output) = self.floor.poll() {
            match output {
                Output::Journal(event) => {
                    self.journal.apply(&event);
                    self.note(&event);
                    if let FloorEvent::Offered { decision, .. } = &event {
                        self.decision = Some(decision.clone());
                    }
                    let line = self.event(&event);
                    self.lines.extend(line);
                }
                Output::Line(ToLine { call, say }) => {
                    let said = self.said(say);
                    // Calls that the floor wants made have no name before.
                    let call = if call.0 < 1_000 { call.0.to_string() } else { "made".to_owned() };
                    self.lines.push(format!("{call}: {said}"));
                }
            }
        }
        if let Err(broken) = self.floor.check_invariants(self.now) {
            panic!("{broken}\nafter\n{}", self.lines.join("\n"));
        }
        assert_same(&self.journal, &self.floor.snapshot(), &BTreeSet::new());
    }

    fn note(&mut self, event: &FloorEvent) {
        match event {
            FloorEvent::Queued { item, .. } | FloorEvent::Overflowed { item, .. } => {
                self.queued.insert(item.item, item.clone());
            }
            FloorEvent::OfferEnded { item, agent, outcome: OfferOutcome::Accepted, at, .. } => {
                self.taken.insert(*item, (agent.clone(), *at));
            }
            _ => {}
        }
    }

    /// Items that the floor made have no name before.
    fn item(&mut self, item: ItemId) -> String {
        if item.0 < 1_000 {
            return item.0.to_string();
        }
        let place = self.made.iter().position(|made| *made == item).unwrap_or_else(|| {
            self.made.push(item);
            self.made.len() - 1
        });
        format!("made {}", place + 1)
    }

    fn number_of(&mut self, offer: OfferId) -> usize {
        let next = self.offers.len() + 1;
        *self.offers.entry(offer).or_insert(next)
    }

    /// What the line is not told anyway.
    fn event(&mut self, event: &FloorEvent) -> Option<String> {
        Some(match event {
            FloorEvent::AgentChanged { agent, state: AgentState::Engaged { item: Some(item) }, .. } => {
                format!("{agent} engaged with {}", self.item(*item))
            }
            FloorEvent::AgentChanged { agent, state, at } => format!("{agent} {}", state_word(state, *at)),
            FloorEvent::AgentAsked { agent, request, .. } => format!("{agent} asked for {request:?}"),
            FloorEvent::Queued { item, rejoined: Some(old), .. } => format!("{} takes the place of {}", item.item.0, old.0),
            FloorEvent::Queued { .. } | FloorEvent::Refused { .. } => return None,
            FloorEvent::Offered { offer, decision, .. } => {
                let number = self.number_of(*offer);
                format!("offer {number}: {} {}", decision.considered[0].agent, decision.considered[0].why)
            }
            FloorEvent::OfferEnded { offer, outcome, .. } => {
                let number = self.number_of(*offer);
                match outcome {
                    OfferOutcome::Declined(cause) => format!("offer {number} declined, {}", cause.as_str()),
                    outcome => format!("offer {number} {outcome:?}").to_lowercase(),
                }
            }
            FloorEvent::CallbackKept { item, .. } => {
                let callback = item.callback.as_ref().unwrap();
                format!("{} is called back, tries {}", self.item(item.item), callback.tries.left)
            }
            FloorEvent::Overflowed { item, from, .. } => format!("{} went from {from} to {}", item.item.0, item.queue),
            FloorEvent::Prioritised { .. } | FloorEvent::ConversationChanged { .. } | FloorEvent::Returned { .. } => {
                event_word(event)
            }
            FloorEvent::Left { item, reason, .. } => format!("{} left, {reason:?}", item.0),
            FloorEvent::Finished { item, agent, cause, .. } => format!("{} finished with {agent}, {}", item.0, cause.as_str()),
        })
    }

    fn said(&mut self, say: FloorSays) -> String {
        match say {
            FloorSays::Queued { place, .. } => format!("queued, {}", place_words(place)),
            FloorSays::Place { place, .. } => place_words(place),
            FloorSays::Refused { reason, .. } => format!("refused, {reason:?}"),
            FloorSays::CallbackKept { .. } => "will be called back".to_owned(),
            FloorSays::CallbackRefused { .. } => "will not be called back".to_owned(),
            FloorSays::CallBack { offer, agent, caller, .. } => {
                format!("ring {agent}, then {} (offer {})", caller.as_str(), self.number_of(offer))
            }
            FloorSays::Overflowed { queue, place, .. } => format!("in {queue}, {}", place_words(place)),
            FloorSays::Stays { to, reason, .. } => format!("not in {to}, {reason:?}"),
            FloorSays::Offer { offer, agent, ring_ms, .. } => {
                format!("ring {agent} for {} s (offer {})", ring_ms / 1000, self.number_of(offer))
            }
            FloorSays::Withdraw { offer } => format!("withdraw offer {}", self.number_of(offer)),
            FloorSays::Connect { offer } => format!("connect offer {}", self.number_of(offer)),
            FloorSays::AgentReply { done } => format!("reply {done}"),
        }
    }
}
