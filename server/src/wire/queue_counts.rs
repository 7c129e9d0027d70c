//! What queues counted since the start of the process, for Prometheus: each who was offered, and how their wait ended.
//!
//! The same as the counts of `tandem_switch::kpi`, but as numbers that only grow. Who waited already at the start counts
//! only where their wait ends.

use std::collections::{BTreeMap, HashMap};

use tandem_switch::{
    floor::{FloorEvent, OfferOutcome, Restored, WaitingItem},
    id::ItemId,
    kpi::WaitEnd,
    name::QueueName,
    time::Timestamp,
};

/// Queues that are told apart; all others count as `other`.
const MOST_QUEUES: usize = 256;

/// Numbers of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCount {
    /// Waits on the line that began.
    pub offered: u64,
    /// Those whom an agent answered.
    pub answered: u64,
    /// Their waits together, in ms.
    pub answered_wait_ms: u64,
    /// Those who went without an answer.
    pub abandoned: u64,
    /// Those who passed on to another queue, are called back instead, or went on in the plan.
    pub flowed_out: u64,
}

/// Numbers of all queues.
#[derive(Clone, Debug, Default)]
pub struct QueueCounts {
    queues: BTreeMap<QueueName, QueueCount>,
    /// Who waits on the line: where, and since when.
    waiting: HashMap<ItemId, (QueueName, Timestamp)>,
}

impl QueueCounts {
    /// With those who waited at the last stop.
    #[must_use]
    pub fn new(restored: &Restored) -> Self {
        let on_the_line = restored.waiting.iter().filter(|item| item.callback.is_none());
        Self { queues: BTreeMap::new(), waiting: on_the_line.map(place).collect() }
    }

    /// Counts what happened.
    pub fn count(&mut self, event: &FloorEvent) {
        match event {
            FloorEvent::Queued { item, rejoined, .. } => {
                let is_known = rejoined.is_some_and(|old| self.waiting.remove(&old).is_some());
                let (item, place) = place(item);
                if !is_known {
                    self.queue(&place.0).offered += 1;
                }
                self.waiting.insert(item, place);
            }
            FloorEvent::Overflowed { item, .. } => {
                if self.flowed_out(item.item) {
                    let (item, place) = place(item);
                    self.queue(&place.0).offered += 1;
                    self.waiting.insert(item, place);
                }
            }
            FloorEvent::CallbackKept { item, .. } => {
                self.flowed_out(item.item);
            }
            FloorEvent::OfferEnded { item, outcome: OfferOutcome::Accepted, at, .. } => {
                if let Some((queue, since_at)) = self.waiting.remove(item) {
                    let count = self.queue(&queue);
                    count.answered += 1;
                    count.answered_wait_ms += at.ms_since(since_at);
                }
            }
            FloorEvent::Left { item, reason, .. } if WaitEnd::Left(*reason).is_lost() => {
                if let Some((queue, _)) = self.waiting.remove(item) {
                    self.queue(&queue).abandoned += 1;
                }
            }
            FloorEvent::Left { item, .. } => {
                self.flowed_out(*item);
            }
            FloorEvent::AgentChanged { .. }
            | FloorEvent::AgentAsked { .. }
            | FloorEvent::Refused { .. }
            | FloorEvent::Offered { .. }
            | FloorEvent::OfferEnded { .. }
            | FloorEvent::Prioritised { .. }
            | FloorEvent::ConversationChanged { .. }
            | FloorEvent::Finished { .. } => {}
            // Whom nobody has any more waits again, as anew.
            FloorEvent::Returned { item, .. } => {
                let (item, place) = place(item);
                self.queue(&place.0).offered += 1;
                self.waiting.insert(item, place);
            }
        }
    }

    /// The numbers of each queue.
    #[must_use]
    pub fn all(&self) -> Vec<(QueueName, QueueCount)> {
        self.queues.iter().map(|(queue, count)| (queue.clone(), *count)).collect()
    }

    /// Whether they waited on the line.
    fn flowed_out(&mut self, item: ItemId) -> bool {
        let Some((queue, _)) = self.waiting.remove(&item) else { return false };
        self.queue(&queue).flowed_out += 1;
        true
    }

    fn queue(&mut self, queue: &QueueName) -> &mut QueueCount {
        let is_full = self.queues.len() >= MOST_QUEUES && !self.queues.contains_key(queue);
        let name = if is_full { "other".into() } else { queue.clone() };
        self.queues.entry(name).or_default()
    }
}

fn place(item: &WaitingItem) -> (ItemId, (QueueName, Timestamp)) {
    (item.item, (item.queue.clone(), item.virtual_arrival_at))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use tandem_switch::{
        id::{CallId, OfferId},
        kpi::{Books, Tally},
        link::LeaveReason,
    };

    use super::*;

    fn item(item: u64, queue: &str) -> WaitingItem {
        WaitingItem {
            item: ItemId(item),
            call: CallId(item),
            queue: queue.into(),
            caller: "1001".into(),
            skills: Vec::new(),
            priority_minutes: 0,
            virtual_arrival_at: Timestamp::from_ms(0),
            callback: None,
            work: tandem_switch::floor::Work::default(),
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn they_are_the_counts_of_the_figures() {
        let queued =
            |id, rejoined: Option<u64>| FloorEvent::Queued { item: item(id, "q"), rejoined: rejoined.map(ItemId), at: at(0) };
        let left = |id, reason| FloorEvent::Left { item: ItemId(id), reason, at: at(9_000) };
        let accepted = FloorEvent::OfferEnded {
            offer: OfferId(1),
            item: ItemId(1),
            agent: "1001".into(),
            outcome: OfferOutcome::Accepted,
            at: at(7_000),
        };
        let events = [
            queued(1, None),
            queued(2, None),
            queued(3, None),
            queued(4, None),
            queued(5, None),
            accepted,
            left(2, LeaveReason::Abandoned),
            left(3, LeaveReason::TimedOut),
            FloorEvent::Overflowed { item: item(4, "other queue"), from: "q".into(), at: at(3_000) },
            queued(6, Some(5)),
            left(6, LeaveReason::Fault),
        ];
        let (mut counts, mut books) = (QueueCounts::default(), Books::default());
        for event in &events {
            counts.count(event);
            books.apply(event);
        }
        for (queue, count) in counts.all() {
            let mut tally = Tally::default();
            books.waits().iter().filter(|wait| wait.queue == queue).for_each(|wait| tally.wait(wait));
            let QueueCount { offered, answered, answered_wait_ms, abandoned, flowed_out } = count;
            assert_eq!((offered, flowed_out), (tally.offered, tally.flowed_out), "{queue}");
            assert_eq!((answered, answered_wait_ms), (tally.answered.n(), tally.answered.sum_ms()), "{queue}");
            assert_eq!(abandoned, tally.lost.n(), "{queue}");
        }
        assert_eq!(counts.all().len(), 2);
        assert!(counts.waiting.len() == 1, "one waits in the other queue");
    }

    #[test]
    fn names_are_bounded() {
        let mut counts = QueueCounts::default();
        for n in 0..1_000 {
            counts.count(&FloorEvent::Queued { item: item(n, &format!("q{n}")), rejoined: None, at: at(0) });
        }
        let all = counts.all();
        assert_eq!(all.len(), MOST_QUEUES + 1);
        assert_eq!(all.iter().map(|(_, count)| count.offered).sum::<u64>(), 1_000);
    }

    #[test]
    fn who_waited_before_counts_where_it_ends() {
        let restored = Restored { waiting: vec![item(1, "q")], ..Restored::default() };
        let mut counts = QueueCounts::new(&restored);
        counts.count(&FloorEvent::Queued { item: item(2, "q"), rejoined: Some(ItemId(1)), at: at(0) });
        counts.count(&FloorEvent::Left { item: ItemId(2), reason: LeaveReason::Abandoned, at: at(1_000) });
        let [(_, count)] = counts.all()[..] else { panic!("one queue") };
        assert_eq!((count.offered, count.abandoned), (0, 1));
    }
}
