//! What happened in a simulated call: rows as `tandem follow` shows them, facts that a test can expect, and the record.

use std::fmt;

use jiff::tz::TimeZone;
use tandem_switch::{
    cause::Cause,
    cdr::{Cdr, Origin, SegmentState},
    floor::{AgentState, FloorEvent, OfferOutcome},
    link::RefuseReason,
    name::{PromptName, QueueName, RouteName},
    time::Timestamp,
};

use crate::{plan::Plan, trail::Trail};

/// Rows that are kept of one call; later ones are counted.
const MAX_ROWS: usize = 2_000;
/// Agents whose reasons are told with an offer.
const MAX_OTHERS: usize = 4;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When.
    pub at: Timestamp,
    /// Who says so: `plan` and `call` in the words of `tandem follow`, `floor`, `media` and `stream` of what they do, `caller`
    /// and `party` for the script.
    pub part: &'static str,
    /// What.
    pub text: String,
}

/// Something that a test can expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The call went to this route.
    Route(RouteName),
    /// The caller heard this prompt, or its begin.
    Prompt(PromptName),
    /// The caller typed this at a prompt that gathers keys.
    Digits(String),
    /// The call joined this queue.
    Queue(QueueName),
    /// The caller talked to this agent, extension or number.
    Answered(String),
    /// The call ended so.
    Ended(Cause),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(name) => write!(f, "route `{name}`"),
            Self::Prompt(name) => write!(f, "prompt `{name}`"),
            Self::Digits(digits) => write!(f, "digits `{digits}`"),
            Self::Queue(name) => write!(f, "queue `{name}`"),
            Self::Answered(who) => write!(f, "an answer of `{who}`"),
            Self::Ended(cause) => write!(f, "cause `{}`", cause.as_str()),
        }
    }
}

/// A call that was simulated.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// All that happened, in order.
    pub rows: Vec<Row>,
    /// How many rows more there were.
    pub left_out: usize,
    /// What a test can expect, in order.
    pub facts: Vec<Fact>,
    /// The record. Its identifiers are made up.
    pub cdr: Cdr,
    /// Those of the calls that were made to call the caller back.
    pub called_back: Vec<Cdr>,
    pub(super) trail: Trail,
    zone: TimeZone,
}

/// What is known so far.
#[derive(Debug)]
pub(super) struct Story {
    began_at: Timestamp,
    rows: Vec<Row>,
    left_out: usize,
    facts: Vec<Fact>,
    cdr: Option<Box<Cdr>>,
    called_back: Vec<Cdr>,
    /// The step gathers keys.
    pub(super) is_collecting: bool,
}

impl Story {
    pub(super) const fn new(began_at: Timestamp) -> Self {
        Self {
            began_at,
            rows: Vec::new(),
            left_out: 0,
            facts: Vec::new(),
            cdr: None,
            called_back: Vec::new(),
            is_collecting: false,
        }
    }

    pub(super) fn row(&mut self, at: Timestamp, part: &'static str, text: String) {
        if self.rows.len() < MAX_ROWS {
            self.rows.push(Row { at, part, text });
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn fact(&mut self, fact: Fact) {
        if self.facts.len() < MAX_ROWS {
            self.facts.push(fact);
        }
    }

    pub(super) fn heard(&mut self, prompts: Vec<PromptName>) {
        prompts.into_iter().for_each(|prompt| self.fact(Fact::Prompt(prompt)));
    }

    pub(super) fn answered(&mut self, who: &str) {
        self.fact(Fact::Answered(who.to_owned()));
    }

    pub(super) fn ended(&mut self, cdr: Box<Cdr>) {
        self.fact(Fact::Ended(cdr.cause));
        match &self.cdr {
            None => self.cdr = Some(cdr),
            Some(_) => self.called_back.push(*cdr),
        }
    }

    /// What the floor wrote down.
    pub(super) fn floor(&mut self, at: Timestamp, event: &FloorEvent) {
        let text = match event {
            FloorEvent::AgentChanged { agent, state, .. } => format!("{agent} is {}", standing(state)),
            FloorEvent::Offered { agent, decision, .. } => {
                let mut reasons = decision.considered.iter();
                let why = reasons.next().map(|chosen| chosen.why.trim_start_matches("chosen: ")).unwrap_or_default();
                let others: String = reasons.take(MAX_OTHERS).map(|one| format!("; not {}: {}", one.agent, one.why)).collect();
                format!("{agent} is asked: {why}{others}")
            }
            FloorEvent::OfferEnded { agent, outcome, .. } => match outcome {
                OfferOutcome::Accepted => format!("{agent} has the caller"),
                OfferOutcome::Declined(cause) => format!("{agent} declined: {}", cause.as_str()),
                OfferOutcome::Expired => format!("{agent} let it ring out"),
                OfferOutcome::Unreached(cause) => format!("{agent} took it, but the customer did not answer: {}", cause.as_str()),
                OfferOutcome::Withdrawn => format!("{agent} is not asked any more"),
            },
            FloorEvent::Refused { queue, reason, .. } => match reason {
                RefuseReason::NoAgents => format!("no agent of {queue} is signed in"),
                RefuseReason::Full => format!("{queue} is full"),
                RefuseReason::NoSuchQueue => format!("{queue} is not known"),
            },
            FloorEvent::CallbackKept { item, .. } => format!("{} keeps the place: the caller is called back", item.queue),
            FloorEvent::Overflowed { item, from, .. } => {
                self.fact(Fact::Queue(item.queue.clone()));
                format!("{from} passes the caller on to {}", item.queue)
            }
            // Nobody moves a call of a simulation, and none is in writing.
            FloorEvent::Prioritised { .. } | FloorEvent::ConversationChanged { .. } | FloorEvent::Returned { .. } => return,
            FloorEvent::AgentAsked { .. } | FloorEvent::Queued { .. } | FloorEvent::Left { .. } | FloorEvent::Finished { .. } => {
                return;
            }
        };
        self.row(at, "floor", text);
    }

    pub(super) fn end(self, plan: &Plan, trail: Trail) -> Simulation {
        let Self { rows, left_out, facts, cdr, called_back, began_at, .. } = self;
        let cdr = cdr.expect("a call that is over has given its record");
        debug_assert_eq!(cdr.started_at, began_at, "the call began with its script");
        Simulation { rows, left_out, facts, cdr: *cdr, called_back, trail, zone: plan.time_zone.clone() }
    }
}

fn standing(state: &AgentState) -> String {
    match state {
        AgentState::Offline => "offline".into(),
        AgentState::Ready => "ready".into(),
        AgentState::Reserved { .. } => "reserved".into(),
        AgentState::Engaged { .. } => "engaged".into(),
        AgentState::WrapUp { .. } => "in wrap-up".into(),
        AgentState::NotReady { reason } => format!("not ready: {reason}"),
    }
}

impl Simulation {
    /// From the arrival of the call, in ms.
    #[must_use]
    pub fn after_ms(&self, at: Timestamp) -> u64 {
        at.ms_since(self.cdr.started_at)
    }

    /// What happened, one line each. Rows of the call that only repeat the plan's step are left out.
    #[must_use]
    pub fn trace(&self) -> String {
        let shown = self.rows.iter().filter(|row| !(row.part == "call" && row.text.starts_with("step ")));
        let mut text: String =
            shown.map(|row| format!("{:>9}  {:<6}  {}\n", seconds(self.after_ms(row.at)), row.part, clean(&row.text))).collect();
        if self.left_out > 0 {
            text += &format!("           … and {} rows more\n", self.left_out);
        }
        text
    }

    /// The record, one line for each thing that is known.
    #[must_use]
    pub fn record(&self) -> String {
        let back = self.called_back.iter().map(|cdr| format!("\ncalled back\n{}", self.record_of(cdr)));
        [self.record_of(&self.cdr)].into_iter().chain(back).collect()
    }

    fn record_of(&self, cdr: &Cdr) -> String {
        let since = |at: Option<Timestamp>| at.map(|at| format!("after {} s", seconds(self.after_ms(at))));
        let mut spells: Vec<(String, u64)> = Vec::new();
        for segment in cdr.segments.iter().filter(|segment| segment.to_at > segment.from_at) {
            let agent = segment.agent.as_ref().map(|agent| format!(" to {agent}")).unwrap_or_default();
            let (what, ms) = (format!("{}{agent}", state(segment.state)), segment.to_at.ms_since(segment.from_at));
            match spells.last_mut().filter(|(last, _)| *last == what) {
                Some((_, sum)) => *sum += ms,
                None => spells.push((what, ms)),
            }
        }
        let spells: Vec<_> = spells.into_iter().map(|(what, ms)| format!("{what} {} s", seconds(ms))).collect();
        let lines = [
            ("route", cdr.route.as_ref().map(ToString::to_string)),
            ("queue", cdr.queue.as_ref().map(ToString::to_string)),
            ("agent", cdr.agent.as_ref().map(ToString::to_string)),
            ("answered by", cdr.answered_by.as_ref().map(|number| number.as_str().to_owned())),
            ("answered", since(cdr.answered_at)),
            ("connected", since(cdr.connected_at)),
            ("ended", since(Some(cdr.ended_at))),
            ("waited", Some(cdr.waited_ms).filter(|ms| *ms > 0).map(|ms| format!("{} s", seconds(ms)))),
            ("talked", Some(cdr.talked_ms).filter(|ms| *ms > 0).map(|ms| format!("{} s", seconds(ms)))),
            ("cause", Some(format!("{} (by: {})", cdr.cause.as_str(), cdr.blame.as_str()))),
            ("recording", cdr.recording.map(|_| "yes".to_owned())),
            ("time", Some(spells.join(", ")).filter(|spells| !spells.is_empty())),
        ];
        let known = lines.into_iter().filter_map(|(name, value)| Some((name, value?)));
        known.map(|(name, value)| format!("{name:<11}  {}\n", clean(&value))).collect()
    }
}

impl fmt::Display for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cdr { from, to, origin, started_at, .. } = &self.cdr;
        let at = match jiff::Timestamp::from_microsecond(started_at.0) {
            Ok(at) => at.to_zoned(self.zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string(),
            Err(_) => "?".into(),
        };
        let by = match origin {
            Origin::Extension(_) => String::new(),
            Origin::Trunk(trunk) => format!(" by {trunk}"),
        };
        writeln!(f, "{at}: {} calls {}{by}\n", clean(from.as_str()), clean(to.as_str()))?;
        write!(f, "{}\n{}", self.trace(), self.record())
    }
}

/// Seconds with three places.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

const fn state(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Plan => "plan",
        SegmentState::Queued => "queued",
        SegmentState::Ringing => "ringing",
        SegmentState::Talking => "talking",
        SegmentState::Hold => "hold",
        SegmentState::Parked => "parked",
        SegmentState::Transferring => "transferring",
    }
}

/// Numbers and words of a script are text from outside: nothing in them moves a cursor.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}
