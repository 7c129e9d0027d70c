//! Roll-ups say what rows say, whatever happens in whichever order, and are what the journal says.

use tandem_switch::{
    cause::Cause,
    cdr::SegmentState,
    floor::{AgentState, FloorEvent, OfferOutcome, WaitingItem},
    id::{CallId, ItemId, OfferId},
    link::LeaveReason,
    name::AgentName,
    time::Timestamp,
};

use super::{at, cdr, started};
use crate::store::{By, FigureQuery, Record, Store, testing::both};

/// Numbers that a seed gives.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

const AGENTS: [&str; 3] = ["1001", "1002", "1003"];
const QUEUES: [&str; 2] = ["support", "sales"];

/// A floor on which everything happens: callers come, overflow, leave, come back, are answered; agents talk, wrap up, rest.
struct World {
    dice: Dice,
    now_us: i64,
    next: u64,
    waiting: Vec<(ItemId, &'static str)>,
    talking: [Option<ItemId>; 3],
    wrapping: [bool; 3],
}

impl World {
    fn new(seed: u64) -> Self {
        let now_us = at(0).0;
        Self { dice: Dice(seed), now_us, next: 1, waiting: Vec::new(), talking: [None; 3], wrapping: [false; 3] }
    }

    fn pass(&mut self, most_us: u64) -> Timestamp {
        self.now_us += i64::try_from(self.dice.below(most_us)).unwrap();
        Timestamp(self.now_us)
    }

    fn item(item: ItemId, queue: &str, since: Timestamp) -> WaitingItem {
        WaitingItem {
            item,
            call: CallId(item.0),
            queue: queue.into(),
            caller: "1001".into(),
            skills: Vec::new(),
            priority_minutes: 0,
            virtual_arrival_at: since,
            callback: None,
            work: tandem_switch::floor::Work::default(),
        }
    }

    fn queued(&mut self, at: Timestamp, rejoined: Option<ItemId>) -> FloorEvent {
        let queue = QUEUES[usize::try_from(self.dice.below(2)).unwrap()];
        self.next += 1;
        let item = ItemId(self.next);
        self.waiting.push((item, queue));
        FloorEvent::Queued { item: Self::item(item, queue, at), rejoined, at }
    }

    fn taken(&mut self) -> Option<(ItemId, &'static str)> {
        let many = u64::try_from(self.waiting.len()).unwrap();
        (many > 0).then(|| self.waiting.remove(usize::try_from(self.dice.below(many)).unwrap()))
    }

    /// What happens next.
    fn step(&mut self) -> Vec<Record> {
        let (at, who) = (self.pass(90_000_000), usize::try_from(self.dice.below(3)).unwrap());
        let agent = AgentName::from(AGENTS[who]);
        let changed = |state| FloorEvent::AgentChanged { agent: agent.clone(), state, at };
        let events = match self.dice.below(10) {
            0..=2 => vec![self.queued(at, None)],
            3 => {
                self.taken().map(|(item, _)| FloorEvent::Left { item, reason: LeaveReason::Abandoned, at }).into_iter().collect()
            }
            4 => match self.taken() {
                Some((item, from)) => {
                    let to = if from == "sales" { "support" } else { "sales" };
                    self.waiting.push((item, to));
                    vec![FloorEvent::Overflowed { item: Self::item(item, to, at), from: from.into(), at }]
                }
                None => Vec::new(),
            },
            5 => match self.taken() {
                Some((old, _)) => vec![self.queued(at, Some(old))],
                None => Vec::new(),
            },
            _ if self.talking[who].is_some() => match self.talking[who].take() {
                Some(item) => {
                    self.wrapping[who] = true;
                    return self.hung_up(item, agent, at);
                }
                None => Vec::new(),
            },
            _ if self.wrapping[who] => {
                self.wrapping[who] = false;
                let rests = self.dice.below(2) == 0;
                vec![changed(if rests { AgentState::NotReady { reason: "lunch".into() } } else { AgentState::Ready })]
            }
            _ => match self.taken() {
                Some((item, _)) => {
                    let accepted = self.dice.below(4) > 0;
                    let outcome = if accepted { OfferOutcome::Accepted } else { OfferOutcome::Expired };
                    self.next += 1;
                    let (offer, decision) = (OfferId(self.next), super::decision());
                    let rung = FloorEvent::Offered { offer, item, agent: agent.clone(), decision, at };
                    let ended = FloorEvent::OfferEnded { offer, item, agent: agent.clone(), outcome, at };
                    if accepted {
                        self.talking[who] = Some(item);
                        vec![rung, ended, changed(AgentState::Engaged { item: Some(item) })]
                    } else {
                        self.waiting.push((item, "support"));
                        vec![rung, ended]
                    }
                }
                None => Vec::new(),
            },
        };
        events.into_iter().map(Record::Floor).collect()
    }

    /// The conversation ends, wrap-up begins in a record of its own, and the call may say that it was transferred.
    fn hung_up(&mut self, item: ItemId, agent: AgentName, at: Timestamp) -> Vec<Record> {
        let finished = FloorEvent::Finished { item, agent: agent.clone(), cause: Cause::Normal, at };
        let until_at = Timestamp(at.0 + 60_000_000);
        let state = AgentState::WrapUp { until_at };
        let mut cdr = cdr(item.0);
        for segment in &mut cdr.segments {
            (segment.from_at, segment.to_at) = (Timestamp(at.0 - 2_000_000), at);
            if segment.state == SegmentState::Transferring {
                segment.cause = Some(if self.dice.below(2) == 0 { Cause::Normal } else { Cause::Busy });
            }
        }
        let ended = Record::CallEnded { cdr: Box::new(cdr), quality: None, identity: None, was_kept: false };
        vec![started(item.0), Record::Floor(finished), Record::Floor(FloorEvent::AgentChanged { agent, state, at }), ended]
    }
}

/// Questions of every kind, in whole stretches and across them.
fn queries(dice: &mut Dice, now_us: i64) -> Vec<FigureQuery> {
    let mut queries = Vec::new();
    for by in [By::All, By::Queue, By::Agent] {
        for (queue, agent) in [(None, None), (Some("support"), None), (None, Some("1002")), (Some("sales"), Some("1001"))] {
            let begin = at(0).0;
            let from = begin + i64::try_from(dice.below(20_000_000_000)).unwrap();
            let (from, step) = match dice.below(4) {
                0 => (from.div_euclid(900_000_000) * 900_000_000, Some(1_800)),
                1 => (from, Some(900 + u32::try_from(dice.below(5_000)).unwrap())),
                2 => (from.div_euclid(86_400_000_000) * 86_400_000_000, Some(3_600)),
                _ => (from, None),
            };
            let (from_at, to_at) = (Timestamp(from), Timestamp(now_us.max(from + 1)));
            queries.push(FigureQuery {
                from_at,
                to_at,
                queue: queue.map(Into::into),
                agent: agent.map(Into::into),
                by,
                interval_s: step,
            });
        }
    }
    queries
}

async fn compare(store: &Store, world: &mut World) {
    let now = Timestamp(world.now_us);
    for query in queries(&mut world.dice, world.now_us) {
        let told = store.figures(&query, now).await.unwrap();
        let rows = store.figures_of_rows(&query, now).await.unwrap();
        assert_eq!(told, rows, "{query:?}");
    }
}

#[tokio::test]
async fn roll_ups_say_what_rows_say() {
    for seed in 1..=3 {
        for db in both().await {
            let store = db.open().await;
            let mut world = World::new(seed);
            let mut sealed = 0;
            for _ in 0..40 {
                // The database is away for a while: what happened is written down when it is settled by the clock.
                let (is_away, mut held) = (world.dice.below(4) == 0, Vec::new());
                for _ in 0..12 {
                    held.extend(world.step());
                    if !is_away && world.dice.below(2) == 0 {
                        let one_by_one = world.dice.below(3) == 0;
                        for records in held.chunks(if one_by_one { 1 } else { 64 }) {
                            store.commit(records).await.unwrap();
                            if one_by_one {
                                sealed += store.seal_figures(Timestamp(world.now_us)).await.unwrap();
                            }
                        }
                        held.clear();
                    }
                }
                for _ in 0..2 {
                    let now = if is_away { world.pass(7_200_000_000) } else { Timestamp(world.now_us) };
                    while let made @ 1.. = store.seal_figures(now).await.unwrap() {
                        sealed += made;
                    }
                    store.commit(&std::mem::take(&mut held)).await.unwrap();
                }
                if world.dice.below(4) == 0 {
                    compare(&store, &mut world).await;
                }
            }
            // Everybody goes home: what was under way is settled, and days can be.
            world.now_us += 3 * 86_400_000_000;
            let now = Timestamp(world.now_us);
            let rest: Vec<Record> = std::iter::from_fn(|| world.taken())
                .map(|(item, _)| Record::Floor(FloorEvent::Left { item, reason: LeaveReason::TimedOut, at: now }))
                .collect();
            store.commit(&rest).await.unwrap();
            for (who, agent) in AGENTS.into_iter().enumerate() {
                if let Some(item) = world.talking[who].take() {
                    store.commit(&world.hung_up(item, agent.into(), now)).await.unwrap();
                }
                let state = AgentState::Offline;
                let home = FloorEvent::AgentChanged { agent: agent.into(), state, at: Timestamp(now.0 + 1) };
                store.commit(&[Record::Floor(home)]).await.unwrap();
            }
            while store.seal_figures(now).await.unwrap() > 0 {}
            compare(&store, &mut world).await;
            let query = super::figures::all_until(now);
            let cover = store.cover(&query).await.unwrap();
            assert!(sealed > 20 && cover.tallies.len() >= 2, "{sealed}, {} on {}", cover.tallies.len(), db.url);
            let verified = store.verify().await.unwrap();
            assert_eq!(verified.different, 0, "{} seed {seed}: {:#?}", db.url, verified.differences);
            assert!(verified.compared["figure_rollups"] > 50, "{:?}", verified.compared);
        }
    }
}

#[tokio::test]
async fn a_roll_up_that_somebody_changed_is_found() {
    for db in both().await {
        let store = db.open().await;
        let mut world = World::new(9);
        for _ in 0..60 {
            store.commit(&world.step()).await.unwrap();
        }
        while store.seal_figures(Timestamp(world.now_us)).await.unwrap() > 0 {}
        let good = store.verify().await.unwrap();
        assert_eq!(good.different, 0, "{:#?}", good.differences);
        let change = "UPDATE figure_rollups SET body = '{\"offered\":77}' WHERE kind = 'all' AND span_s = 900";
        assert!(store.db.execute(change, &[]).await.unwrap() > 0);
        let verified = store.verify().await.unwrap();
        assert!(verified.differences.iter().any(|one| one.table == "figure_rollups"), "{:?}", verified.differences);
    }
}
