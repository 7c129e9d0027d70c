//! The floor loop: owns the floor of one pool, journals what it decides, and talks to the line loops.

use std::collections::VecDeque;

use tandem_switch::{
    callback::CallbackAsked,
    floor::{
        AgentProfile, AgentState, AgentView, Explanation, Floor, FloorEvent, Input, ItemStage, ItemView, NotPrioritised,
        NotPromised, OfferOutcome, Output, QueueProfile, QueueView, Restored,
    },
    id::{CustomerId, IdSource, ItemId},
    link::{LeaveReason, ToFloor, ToLine},
    name::{AgentName, QueueName},
    step::AgentRequest,
    time::Timestamp,
};
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    beat::Heartbeat,
    queue_counts::{QueueCount, QueueCounts},
};
use crate::{
    clock,
    http::{callbacks::NotAsked, priority::PriorityRequest},
    metrics::METRICS,
    store::{Record, Writer},
};

/// Messages between a line loop and the floor loop that may wait, each way.
pub const LINK_CAPACITY: usize = 65_536;
/// Inputs taken of one kind before the others get their turn.
const TURN: usize = 64;
/// Longest time between two looks at the clock.
const IDLE: std::time::Duration = std::time::Duration::from_secs(1);

/// Questions and orders from the rest of the program.
#[derive(Debug)]
pub enum FloorAsk {
    /// The queues changed with the plan.
    Queues(Vec<QueueProfile>),
    /// The agents changed in the database.
    Agents(Vec<AgentProfile>),
    /// An agent's state is changed.
    Agent {
        /// Whose.
        agent: AgentName,
        /// To what.
        request: AgentRequest,
        /// What they look like afterwards; `None` for nobody of that name.
        done: oneshot::Sender<Option<AgentView>>,
    },
    /// Somebody is to be called back.
    AskCallback {
        /// Whom, and where they wait.
        asked: CallbackAsked,
        /// The item that waits for them, and when it was looked at.
        done: oneshot::Sender<Result<(ItemView, Timestamp), NotAsked>>,
    },
    /// A callback is cancelled.
    DropCallback {
        /// Which.
        item: ItemId,
        /// Whether there was such a one.
        done: oneshot::Sender<bool>,
    },
    /// A waiting item moves ahead or back.
    Prioritise(PriorityRequest),
    /// It is certain who an item is about.
    Known {
        /// The item.
        item: ItemId,
        /// Who.
        customer: CustomerId,
    },
    /// End the loop.
    Stop,
    /// A look at everything.
    View(oneshot::Sender<FloorView>),
    /// Why an item still waits.
    Explain {
        /// Which.
        item: ItemId,
        /// The answer.
        answer: oneshot::Sender<Option<Explanation>>,
    },
}

/// What the floor looks like at one moment.
#[derive(Clone, Debug)]
pub struct FloorView {
    /// Every queue.
    pub queues: Vec<QueueView>,
    /// Every agent.
    pub agents: Vec<AgentView>,
    /// Every item that waits, is offered or is served.
    pub items: Vec<ItemView>,
    /// What queues counted since the start of the process.
    pub counts: Vec<(QueueName, QueueCount)>,
    /// When.
    pub at: Timestamp,
}

/// What the floor loop tells a line loop.
#[derive(Clone, Debug)]
pub enum FloorNews {
    /// Something for one call.
    Call(ToLine),
    /// An agent's state, for those who watch the agent.
    Agent {
        /// Whose.
        agent: AgentName,
        /// What it is now.
        state: AgentState,
    },
}

/// What a floor loop is made of.
pub struct Parts {
    /// Queues of the first plan.
    pub queues: Vec<QueueProfile>,
    /// Agents of the database.
    pub agents: Vec<AgentProfile>,
    /// What the last run left.
    pub restored: Restored,
    /// From the line loops.
    pub from_lines: mpsc::Receiver<ToFloor>,
    /// To the line loop.
    pub to_line: mpsc::Sender<FloorNews>,
    /// Questions and orders.
    pub asks: mpsc::Receiver<FloorAsk>,
    /// Where events go.
    pub writer: Writer,
    /// That the loop turns.
    pub beat: Heartbeat,
}

/// The loop.
pub struct FloorLoop {
    floor: Floor,
    writer: Writer,
    counts: QueueCounts,
    /// Events that found no room with the writer; while there are any, nothing new is decided.
    unsaved: VecDeque<FloorEvent>,
    /// Messages that found no room with the line; while there are any, nothing new is decided.
    unsent: VecDeque<FloorNews>,
}

enum Woken {
    Line(ToFloor),
    Ask(FloorAsk),
    Time,
    Room,
    Stop,
}

impl FloorLoop {
    /// Starts it on a thread of its own: a free agent must not wait while somebody's tables are read.
    #[must_use]
    pub fn start(parts: Parts) -> JoinHandle<usize> {
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            super::hurry();
            runtime.block_on(Self::run(parts))
        })
    }

    /// Runs until it is told to stop, or the asking side is gone. How many events found no room with the writer and
    /// are lost.
    pub async fn run(parts: Parts) -> usize {
        let Parts { queues, agents, restored, mut from_lines, to_line, mut asks, writer, beat } = parts;
        let counts = QueueCounts::new(&restored);
        let (unsaved, unsent) = (VecDeque::new(), VecDeque::new());
        let mut this = Self { floor: Floor::new(IdSource::new(3)), writer, counts, unsaved, unsent };
        for input in [Input::Restore(restored), Input::Queues(queues), Input::Agents(agents)] {
            this.tell(input, &to_line);
        }
        for AgentView { agent, state, .. } in this.floor.agents() {
            this.send(FloorNews::Agent { agent, state }, &to_line);
        }
        loop {
            let now = clock::now();
            beat.beat(now.at);
            let due = this.floor.deadline().map_or(now.instant + IDLE, |at| now.instant_of(at)).min(now.instant + IDLE);
            let held_up = !this.unsent.is_empty() || !this.unsaved.is_empty();
            let woken = tokio::select! {
                biased;
                ask = asks.recv() => ask.map_or(Woken::Stop, Woken::Ask),
                room = to_line.reserve(), if !this.unsent.is_empty() => { drop(room); Woken::Room }
                message = from_lines.recv(), if !held_up => message.map_or(Woken::Stop, Woken::Line),
                () = tokio::time::sleep_until(due.into()) => Woken::Time,
            };
            match woken {
                Woken::Stop | Woken::Ask(FloorAsk::Stop) => {
                    this.save_again();
                    return this.unsaved.len();
                }
                Woken::Ask(ask) => this.answer(ask, &to_line),
                Woken::Line(message) => {
                    this.tell(Input::Line(message), &to_line);
                    for _ in 0..TURN {
                        let Some(message) = this.unsent.is_empty().then(|| from_lines.try_recv().ok()).flatten() else { break };
                        this.tell(Input::Line(message), &to_line);
                    }
                }
                Woken::Time => {
                    this.save_again();
                    this.tell(Input::Tick, &to_line);
                }
                Woken::Room => this.send_again(&to_line),
            }
        }
    }

    fn tell(&mut self, input: Input, to_line: &mpsc::Sender<FloorNews>) {
        let began = clock::now();
        self.floor.handle(began.at, input);
        while let Some(output) = self.floor.poll() {
            match output {
                Output::Journal(event) => {
                    if let FloorEvent::AgentChanged { agent, state, .. } = &event {
                        self.send(FloorNews::Agent { agent: agent.clone(), state: state.clone() }, to_line);
                    }
                    self.save(event);
                }
                Output::Line(message) => self.send(FloorNews::Call(message), to_line),
            }
        }
        let took = clock::instant().saturating_duration_since(began.instant);
        METRICS.floor_decision.observe_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    fn save(&mut self, event: FloorEvent) {
        count(&event);
        self.counts.count(&event);
        if self.unsaved.is_empty() && !self.writer.is_pressed() {
            if let Err(error) = self.writer.try_write(Record::Floor(event)) {
                tracing::error!(%error, "an event of the floor is lost to the journal");
            }
        } else {
            self.unsaved.push_back(event);
        }
    }

    fn save_again(&mut self) {
        while !self.writer.is_pressed() {
            let Some(event) = self.unsaved.pop_front() else { return };
            if let Err(error) = self.writer.try_write(Record::Floor(event)) {
                tracing::error!(%error, "an event of the floor is lost to the journal");
            }
        }
    }

    fn send(&mut self, message: FloorNews, to_line: &mpsc::Sender<FloorNews>) {
        if !self.unsent.is_empty() {
            self.unsent.push_back(message);
        } else if let Err(mpsc::error::TrySendError::Full(message)) = to_line.try_send(message) {
            METRICS.loop_messages_refused.inc();
            self.unsent.push_back(message);
        }
    }

    fn send_again(&mut self, to_line: &mpsc::Sender<FloorNews>) {
        while let Some(message) = self.unsent.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(message)) = to_line.try_send(message) {
                self.unsent.push_front(message);
                return;
            }
        }
    }

    fn ask_callback(
        &mut self,
        asked: CallbackAsked,
        to_line: &mpsc::Sender<FloorNews>,
    ) -> Result<(ItemView, Timestamp), NotAsked> {
        let (now, caller) = (clock::now().at, asked.caller.clone());
        self.floor.may_ask(now, &asked).map_err(NotAsked::Refused)?;
        self.tell(Input::AskCallback(asked), to_line);
        // The item is there, unless midnight came in between.
        let item = self.floor.promised_to(&caller).and_then(|item| self.floor.item(item, now));
        item.map(|item| (item, now)).ok_or(NotAsked::Refused(NotPromised::TooOften))
    }

    fn answer(&mut self, ask: FloorAsk, to_line: &mpsc::Sender<FloorNews>) {
        match ask {
            FloorAsk::Stop => {}
            FloorAsk::Known { item, customer } => self.tell(Input::Known { item, customer }, to_line),
            FloorAsk::Queues(queues) => self.tell(Input::Queues(queues), to_line),
            FloorAsk::Agents(agents) => self.tell(Input::Agents(agents), to_line),
            FloorAsk::Agent { agent, request, done } => {
                self.tell(Input::Agent { agent: agent.clone(), request }, to_line);
                let _asker_is_gone = done.send(self.floor.agent(&agent));
            }
            FloorAsk::AskCallback { asked, done } => {
                let _asker_is_gone = done.send(self.ask_callback(asked, to_line));
            }
            FloorAsk::DropCallback { item, done } => {
                let is_promised = |view: &ItemView| view.callback.is_some() && view.stage != ItemStage::Engaged;
                let was_there = self.floor.item(item, clock::now().at).as_ref().is_some_and(is_promised);
                self.tell(Input::DropCallback(item), to_line);
                let _asker_is_gone = done.send(was_there);
            }
            FloorAsk::Prioritise(PriorityRequest { item, minutes, reason, reply }) => {
                let allowed = self.floor.may_prioritise(item, minutes);
                self.tell(Input::Prioritise { item, minutes, reason }, to_line);
                let (now, gone) = (clock::now().at, NotPrioritised::NoSuchItem);
                let moved = allowed.and_then(|()| self.floor.item(item, now).map(|view| (view, now)).ok_or(gone));
                let _asker_is_gone = reply.send(moved);
            }
            FloorAsk::View(answer) => {
                let at = clock::now().at;
                let (queues, agents, items) = (self.floor.queues(at), self.floor.agents(), self.floor.items(at));
                let counts = self.counts.all();
                let _asker_is_gone = answer.send(FloorView { queues, agents, items, counts, at });
            }
            FloorAsk::Explain { item, answer } => {
                let _asker_is_gone = answer.send(self.floor.explain(item, clock::now().at));
            }
        }
    }
}

/// Counts what happened.
fn count(event: &FloorEvent) {
    match event {
        // Who takes an old place up again was counted when the place was taken.
        FloorEvent::Queued { rejoined: Some(_), .. } => {}
        FloorEvent::Queued { rejoined: None, .. } => METRICS.items_waiting.inc(),
        FloorEvent::Overflowed { .. } => METRICS.items_overflowed.inc(),
        FloorEvent::Refused { .. } => METRICS.items_refused.inc(),
        FloorEvent::Left { reason, .. } => {
            METRICS.items_waiting.dec();
            if *reason == LeaveReason::Abandoned {
                METRICS.items_abandoned.inc();
            }
        }
        FloorEvent::OfferEnded { outcome, .. } => {
            METRICS.offers_ended.inc(match outcome {
                OfferOutcome::Accepted => "accepted",
                OfferOutcome::Declined(_) => "declined",
                OfferOutcome::Expired => "expired",
                OfferOutcome::Unreached(_) => "unreached",
                OfferOutcome::Withdrawn => "withdrawn",
            });
            if *outcome == OfferOutcome::Accepted {
                METRICS.items_waiting.dec();
            }
        }
        FloorEvent::Returned { .. } => METRICS.items_waiting.inc(),
        FloorEvent::AgentChanged { .. }
        | FloorEvent::Prioritised { .. }
        | FloorEvent::ConversationChanged { .. }
        | FloorEvent::AgentAsked { .. }
        | FloorEvent::CallbackKept { .. }
        | FloorEvent::Offered { .. }
        | FloorEvent::Finished { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use tandem_switch::{floor::WaitingItem, id::CallId};

    use super::*;

    #[test]
    fn who_takes_an_old_place_up_again_is_not_counted_twice() {
        let item = WaitingItem {
            item: ItemId(2),
            call: CallId(2),
            queue: "support".into(),
            caller: "1001".into(),
            skills: Vec::new(),
            priority_minutes: 0,
            virtual_arrival_at: Timestamp(0),
            callback: None,
            work: tandem_switch::floor::Work::default(),
        };
        let queued = |rejoined| FloorEvent::Queued { item: item.clone(), rejoined, at: Timestamp(0) };
        // What a start finds: one item that waits for its caller to come back.
        METRICS.items_waiting.set(1);
        count(&queued(Some(ItemId(1))));
        assert_eq!(METRICS.items_waiting.get(), 1);
        count(&queued(None));
        assert_eq!(METRICS.items_waiting.get(), 2);
    }
}
