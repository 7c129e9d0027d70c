//! The ladder of queues that whoever joins a queue may climb.

use std::collections::BTreeSet;

use tandem_switch::ladder::{Hall, Ladder, Rung};

use crate::plan::{JoinQueue, Plan};

/// Every queue that can be come to from the one that the step joins; none when that one has no rung. What the step says
/// of recording and of the longest wait holds in all of them.
pub(super) fn ladder(plan: &Plan, join: &JoinQueue) -> Ladder {
    let mut ladder = Ladder { own_max_wait: join.max_wait_ms.is_some(), ..Ladder::default() };
    let mut known = BTreeSet::from([&join.queue]);
    let mut open = vec![&join.queue];
    while let Some(name) = open.pop() {
        let Some(queue) = plan.queues.get(name) else { continue };
        ladder.halls.push(Hall {
            queue: name.clone(),
            max_wait_ms: queue.max_wait_ms,
            music: queue.music.clone(),
            announce_every_ms: queue.announce_every_ms,
            comfort: queue.comfort.clone(),
            record: join.record.unwrap_or(queue.record),
            wait_without_agents: queue.wait_without_agents,
        });
        for (after_ms, to) in &queue.overflow {
            ladder.rungs.push(Rung { of: name.clone(), after_ms: *after_ms, to: to.clone() });
            if known.insert(to) {
                open.push(to);
            }
        }
    }
    if ladder.rungs.is_empty() { Ladder::default() } else { ladder }
}
