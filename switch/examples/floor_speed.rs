//! How long the floor takes to decide, with 10,000 agents and 100,000 waiting items.
//!
//! `cargo run --release -p tandem-switch --example floor_speed` prints p50, p99 and the worst of each kind
//! of input, in microseconds, everything that the input brings about included: on a floor of calls, and on one of calls,
//! chats and emails. `--json` prints a line of JSON for each.

use std::{collections::VecDeque, time::Instant};

use tandem_switch::{
    cause::Cause,
    channel::{Capacity, Channel},
    floor::{AgentProfile, Floor, FloorEvent, Input, Output, QueueProfile, Relaxation, Work, WorkRules},
    id::{CallId, IdSource, ItemId, OfferId},
    link::{Enqueue, FloorSays, LeaveReason, ToFloor, ToLine},
    name::{AgentName, QueueName, SkillLevel},
    step::Target,
    time::Timestamp,
};

const AGENTS: u64 = 10_000;
const ITEMS: u64 = 100_000;
const QUEUES: u64 = 40;
const ROUNDS: u64 = 20_000;

struct Bench {
    floor: Floor,
    now: Timestamp,
    next_item: u64,
    rings: VecDeque<OfferId>,
    talks: VecDeque<ItemId>,
    rows: Vec<(&'static str, Vec<u64>)>,
    channels: &'static [Channel],
    /// Conversations that are over, and items that left.
    served: u64,
}

fn main() {
    let is_json = std::env::args().any(|argument| argument == "--json");
    for channels in [&[Channel::Voice][..], &[Channel::Voice, Channel::Chat, Channel::Email]] {
        let rows = Bench::run(channels);
        let name = if channels.len() == 1 { "calls" } else { "mixed" };
        if is_json {
            let figures: Vec<_> = rows.iter().map(|row| format!("\"{}\": {}", row.name, row.json())).collect();
            println!("{{\"floor\": \"{name}\", {}}}", figures.join(", "));
            continue;
        }
        println!("{name:36} {:>9} {:>9} {:>9} {:>9}", "n", "p50 us", "p99 us", "max us");
        for row in rows {
            println!("{:36} {:>9} {:>9.1} {:>9.1} {:>9.1}", row.name, row.times.len(), row.us(50), row.us(99), row.us(100));
        }
    }
}

/// How long one kind of input took, each time, in ns, sorted.
struct Row {
    name: &'static str,
    times: Vec<u64>,
}

impl Row {
    #[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
    fn us(&self, percent: usize) -> f64 {
        self.times[(self.times.len() - 1) * percent / 100] as f64 / 1_000.0
    }

    fn json(&self) -> String {
        let (n, p50, p99, max) = (self.times.len(), self.us(50), self.us(99), self.us(100));
        format!("{{\"n\": {n}, \"p50\": {p50}, \"p99\": {p99}, \"max\": {max}}}")
    }
}

impl Bench {
    /// A floor of these channels in turn: filled, then worked for a while with everybody waiting. Of the work alone comes
    /// the row `decision`: whatever a line loop says.
    fn run(channels: &'static [Channel]) -> Vec<Row> {
        let mut bench = Self {
            floor: Floor::new(IdSource::new(1)),
            now: Timestamp::from_ms(1_790_000_000_000),
            next_item: 0,
            rings: VecDeque::new(),
            talks: VecDeque::new(),
            rows: Vec::new(),
            channels,
            served: 0,
        };
        bench.timed("load 40 queues", Input::Queues((0..QUEUES).map(queue).collect()));
        bench.timed("load 10,000 agents, all free", Input::Agents((0..AGENTS).map(agent).collect()));
        while bench.talks.len() + bench.rings.len() < usize::try_from(AGENTS).unwrap_or(usize::MAX) * 9 / 10 {
            bench.enqueue("enqueue while agents are free");
            bench.accept("accept");
        }
        while bench.waiting() < ITEMS {
            bench.enqueue("enqueue while all are busy");
            bench.accept("accept");
        }
        let loaded = std::mem::take(&mut bench.rows);
        for _ in 0..ROUNDS {
            bench.step();
        }
        let is_line = |name: &str| !name.starts_with("tick");
        let all = bench.rows.iter().filter(|(name, _)| is_line(name)).flat_map(|(_, times)| times.iter().copied()).collect();
        let loads = loaded.into_iter().filter(|(name, _)| name.starts_with("load"));
        let rows = loads.chain(std::mem::take(&mut bench.rows)).chain([("decision", all)]);
        rows.map(|(name, mut times)| {
            times.sort_unstable();
            Row { name, times }
        })
        .collect()
    }

    fn waiting(&self) -> u64 {
        self.next_item.saturating_sub((self.talks.len() + self.rings.len()) as u64 + self.served)
    }
}

impl Bench {
    /// One of everything that happens all day, with the line full.
    fn step(&mut self) {
        self.enqueue("enqueue while all are busy");
        if let Some(item) = self.talks.pop_front() {
            self.served += 1;
            let finished = ToFloor::Finished { item, cause: Cause::Normal };
            self.timed("finished, the next is offered", Input::Line(finished));
        }
        self.accept("accept");
        if self.next_item.is_multiple_of(5) {
            // An early one has long been served; a late one stands in the middle of the line.
            let item = ItemId(self.next_item - ITEMS / 3);
            self.served += 1;
            self.timed("leave", Input::Line(ToFloor::Leave { item, reason: LeaveReason::Abandoned }));
        }
    }

    fn enqueue(&mut self, row: &'static str) {
        self.now = self.now.plus_ms(1);
        while self.floor.deadline().is_some_and(|at| at <= self.now) {
            self.timed("tick: places, relaxations", Input::Tick);
        }
        self.next_item += 1;
        let n = self.next_item;
        let enqueue = Enqueue {
            item: ItemId(n),
            call: CallId(n),
            queue: queue_name(n * 7),
            caller: "+390000".into(),
            skills: if n.is_multiple_of(3) { vec![skill(n), skill(n / 5 + 3)] } else { vec![skill(n)] },
            priority_minutes: u32::from(n.is_multiple_of(11)),
            wait_without_agents: true,
            arrived_at: self.now,
            work: Work { channel: self.channels[usize::try_from(n).unwrap_or(0) % self.channels.len()], ..Work::default() },
        };
        self.timed(row, Input::Line(ToFloor::Enqueue(enqueue)));
    }

    fn accept(&mut self, row: &'static str) {
        if let Some(offer) = self.rings.pop_front() {
            self.timed(row, Input::Line(ToFloor::Accept { offer }));
        }
    }

    #[expect(clippy::disallowed_methods, reason = "measures; the core itself is given the simulated time")]
    fn timed(&mut self, row: &'static str, input: Input) {
        let begin = Instant::now();
        self.floor.handle(self.now, input);
        let mut outputs = Vec::new();
        while let Some(output) = self.floor.poll() {
            outputs.push(output);
        }
        let ns = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        match self.rows.iter_mut().find(|(name, _)| *name == row) {
            Some((_, times)) => times.push(ns),
            None => self.rows.push((row, vec![ns])),
        }
        for output in outputs {
            match output {
                Output::Line(ToLine { say: FloorSays::Offer { offer, .. }, .. }) => self.rings.push_back(offer),
                Output::Journal(FloorEvent::OfferEnded {
                    item, outcome: tandem_switch::floor::OfferOutcome::Accepted, ..
                }) => {
                    self.talks.push_back(item);
                }
                _ => {}
            }
        }
    }
}

fn queue_name(n: u64) -> QueueName {
    QueueName::from(format!("queue-{}", n % QUEUES))
}

fn skill(n: u64) -> SkillLevel {
    SkillLevel { skill: format!("skill-{}", n % 8).into(), level: 1 + u8::try_from(n % 4).unwrap_or(0) }
}

fn queue(n: u64) -> QueueProfile {
    QueueProfile {
        queue: queue_name(n),
        answer_target_ms: 10_000 + n * 1_000,
        ring_ms: 20_000,
        wrap_up_ms: 0,
        relax: (0..8).map(|k| Relaxation { after_ms: 10_000 + k * 1_000, skill: skill(k).skill, to_level: 1 }).collect(),
        max_waiting: 1_000_000,
        rejoin_grace_ms: 60_000,
        max_missed: 3,
        callbacks_per_day: 3,
        // The clock of this runs by items, not by people.
        work: WorkRules { lease_ms: 0, park_after_ms: 0, ..WorkRules::default() },
    }
}

/// Serves four queues, with four of eight skills.
fn agent(n: u64) -> AgentProfile {
    AgentProfile {
        agent: AgentName::from(format!("{}", 10_000 + n)),
        queues: (0..4).map(|k| queue_name(n + k * 9)).collect(),
        skills: (0..4).map(|k| skill(n / 3 + k * 3)).collect(),
        device: Target::Fixed("sip:agent@127.0.0.1".into()),
        devices: tandem_switch::device::Devices::default(),
        always_on: true,
        capacity: Capacity::default(),
    }
}
