//! Many events in one transaction come to the same rows as each in its own, whatever happens in whichever order.

use std::collections::BTreeSet;

use tandem_switch::{
    callback::Tries,
    cause::Cause,
    floor::{AgentState, FloorEvent, OfferOutcome, ReturnReason, Side, Standing, WaitingItem},
    id::{ItemId, OfferId},
    link::LeaveReason,
    name::AgentName,
    step::AgentRequest,
};

use super::{at, decision, waiting};
use crate::store::{
    Record, Store,
    db::args,
    project::Batch,
    testing::{TestDb, both, promise},
};

/// Every row of each table that the floor's events change; the parts of a row stand one behind the other.
const TABLES: [(&str, &str); 5] = [
    (
        "items",
        "item_id call_id queue caller skills priority_minutes virtual_arrival_us state agent queued_us served_us ended_us reason callback \
      work standing turn",
    ),
    ("offers", "offer_id item_id agent decision offered_us ended_us outcome cause"),
    ("agents_state", "agent state since_us idle_since_us pending"),
    ("waits", "item_id nth call_id queue callback entered_us since_us ended_us ended_how agent finished_us"),
    ("agent_spells", "agent nth activity item_id reason from_us to_us"),
];

/// Events that follow on one another as they like: more comes together here for one item or agent than on any floor.
struct Wild {
    dice: u64,
    now_ms: i64,
    items: u64,
    offers: u64,
    /// Items that wait: one that does cannot come back.
    waiting: BTreeSet<ItemId>,
}

impl Wild {
    fn below(&mut self, bound: u64) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.dice >> 33) % bound
    }

    /// Mostly one of the last few, which things still happen to.
    fn recent(&mut self, count: u64) -> u64 {
        let back = self.below(6);
        count.saturating_sub(back).max(1)
    }

    fn item(&mut self) -> ItemId {
        ItemId(self.recent(self.items))
    }

    fn agent(&mut self) -> AgentName {
        AgentName::from(format!("{}", 1001 + self.below(4)))
    }

    fn place(&mut self, item: ItemId) -> WaitingItem {
        let queue = if self.below(2) == 0 { "support" } else { "sales" };
        WaitingItem {
            queue: queue.into(),
            priority_minutes: u32::try_from(self.below(9)).unwrap(),
            ..waiting(item.0, self.now_ms)
        }
    }

    fn state(&mut self) -> AgentState {
        match self.below(6) {
            0 => AgentState::Offline,
            1 => AgentState::Ready,
            2 => AgentState::Reserved { offer: OfferId(self.recent(self.offers)) },
            3 => AgentState::Engaged { item: Some(self.item()) },
            4 => AgentState::WrapUp { until_at: at(self.now_ms + 9_000) },
            _ => AgentState::NotReady { reason: "lunch".into() },
        }
    }

    fn step(&mut self) -> FloorEvent {
        let event = self.any();
        match &event {
            FloorEvent::Returned { item, at, .. } if self.waiting.contains(&item.item) => {
                self.waiting.remove(&item.item);
                return FloorEvent::Left { item: item.item, reason: LeaveReason::Abandoned, at: *at };
            }
            FloorEvent::Queued { item, rejoined, .. } => {
                self.waiting.insert(item.item);
                if let Some(old) = rejoined {
                    self.waiting.remove(old);
                }
            }
            FloorEvent::Returned { item, .. } => {
                self.waiting.insert(item.item);
            }
            FloorEvent::Left { item, .. } | FloorEvent::OfferEnded { item, outcome: OfferOutcome::Accepted, .. } => {
                self.waiting.remove(item);
            }
            _ => {}
        }
        event
    }

    fn any(&mut self) -> FloorEvent {
        self.now_ms += i64::try_from(self.below(40)).unwrap();
        let at = at(self.now_ms);
        match self.below(14) {
            0 | 1 => {
                self.items += 1;
                let rejoined = (self.below(4) == 0 && self.items > 1).then(|| ItemId(self.recent(self.items - 1)));
                FloorEvent::Queued { item: self.place(ItemId(self.items)), rejoined, at }
            }
            2 | 3 => {
                self.offers += 1;
                FloorEvent::Offered {
                    offer: OfferId(self.offers),
                    item: self.item(),
                    agent: self.agent(),
                    decision: decision(),
                    at,
                }
            }
            4 | 5 => {
                let outcome = match self.below(3) {
                    0 => OfferOutcome::Expired,
                    1 => OfferOutcome::Declined(Cause::Busy),
                    _ => OfferOutcome::Accepted,
                };
                FloorEvent::OfferEnded {
                    offer: OfferId(self.recent(self.offers)),
                    item: self.item(),
                    agent: self.agent(),
                    outcome,
                    at,
                }
            }
            6 => FloorEvent::Finished { item: self.item(), agent: self.agent(), cause: Cause::Normal, at },
            7 => FloorEvent::Left { item: self.item(), reason: LeaveReason::Abandoned, at },
            8 => {
                let request = if self.below(2) == 0 { AgentRequest::SignOut } else { AgentRequest::Ready };
                FloorEvent::AgentAsked { agent: self.agent(), request, at }
            }
            9 => {
                let item = self.item();
                FloorEvent::Returned { item: self.place(item), agent: self.agent(), reason: ReturnReason::Stirred, at }
            }
            10 => {
                let (item, agent) = (self.item(), self.agent());
                FloorEvent::ConversationChanged { item, agent, standing: Standing::Parked, turn: Side::Customer, at }
            }
            11 => match self.below(4) {
                0 => {
                    let (item, mut promise) = (self.item(), promise());
                    promise.tries = Tries { left: u32::try_from(self.below(3)).unwrap(), ..promise.tries };
                    FloorEvent::CallbackKept { item: WaitingItem { callback: Some(Box::new(promise)), ..self.place(item) }, at }
                }
                1 => {
                    let item = self.item();
                    FloorEvent::Overflowed { item: self.place(item), from: "support".into(), at }
                }
                _ => {
                    let item = self.item();
                    FloorEvent::Prioritised { item: self.place(item), from_minutes: 2, reason: "a complaint".into(), at }
                }
            },
            _ => FloorEvent::AgentChanged { agent: self.agent(), state: self.state(), at },
        }
    }
}

async fn rows(store: &Store, table: &str, columns: &str) -> Vec<String> {
    let columns: Vec<String> =
        columns.split_whitespace().map(|column| format!("COALESCE(CAST({column} AS TEXT), '-')")).collect();
    let text = format!("SELECT {} AS row_text FROM {table} ORDER BY 1", columns.join(" || ' ' || "));
    let rows = store.db.fetch(text.leak(), &args![]).await.unwrap();
    let mut rows: Vec<String> = rows.iter().map(|row| row.get("row_text").unwrap()).collect();
    rows.sort();
    rows
}

#[tokio::test]
async fn a_batch_leaves_the_rows_that_its_events_leave_one_by_one() {
    for seed in 1..=4 {
        let mut wild = Wild { dice: seed, now_ms: 0, items: 0, offers: 0, waiting: BTreeSet::new() };
        let events: Vec<Record> = (0..600).map(|_| Record::Floor(wild.step())).collect();
        let one_by_one = TestDb::lite();
        let expected = one_by_one.open().await;
        for event in &events {
            expected.commit(std::slice::from_ref(event)).await.unwrap();
        }
        for db in both().await {
            let store = db.open().await;
            let mut rest = events.as_slice();
            while !rest.is_empty() {
                let most = [7, 40, 300][usize::try_from(wild.below(3)).unwrap()];
                let length = 1 + usize::try_from(wild.below(most)).unwrap();
                let (now, later) = rest.split_at(length.min(rest.len()));
                store.commit(now).await.unwrap();
                rest = later;
            }
            for (table, columns) in TABLES {
                let (told, wanted) = (rows(&store, table, columns).await, rows(&expected, table, columns).await);
                assert_eq!(told, wanted, "{table} of seed {seed} on {}", db.url);
                assert!(!told.is_empty(), "{table} of seed {seed}");
            }
        }
    }
}

/// What a batch costs is its round trips: they grow with the kinds of change in it, not with its events.
#[test]
fn a_batch_takes_as_many_statements_as_it_has_kinds_of_change() {
    let life = |n: u64| {
        let (item, offer, agent) = (ItemId(n), OfferId(n), AgentName::from(format!("{}", 10_000 + n)));
        let changed = |state, ms| FloorEvent::AgentChanged { agent: agent.clone(), state, at: at(ms) };
        [
            super::queued(n, 0),
            super::offered(n, n, agent.as_str(), 1),
            changed(AgentState::Reserved { offer }, 1),
            FloorEvent::OfferEnded { offer, item, agent: agent.clone(), outcome: OfferOutcome::Accepted, at: at(2) },
            changed(AgentState::Engaged { item: Some(item) }, 2),
            FloorEvent::Finished { item, agent: agent.clone(), cause: Cause::Normal, at: at(3) },
            changed(AgentState::Ready, 3),
        ]
    };
    let steps = |lives: u64| {
        let records: Vec<Record> = (1..=lives).flat_map(life).map(Record::Floor).collect();
        Batch::new(&records).changes.len()
    };
    assert_eq!((steps(1), steps(70)), (18, 18));
}
