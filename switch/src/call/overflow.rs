//! A waiting caller who passes on from queue to queue: when, and what the floor says to it.
//!
//! Each rung counts from the moment the caller joined the queue that has it; those of the queues behind hold on, so that a
//! ladder is climbed to its end. Nobody comes back to a queue they have waited in. While a phone rings for the caller
//! nothing moves.

use serde::{Deserialize, Serialize};

use super::{Call, waiting::Queueing};
use crate::{
    id::ItemId,
    ladder::Ladder,
    link::{Place, ToFloor},
    name::QueueName,
    time::Timestamp,
};

/// How far a caller has come on the ladder.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Climb {
    /// Queues they have waited in, and since when.
    joined: Vec<(QueueName, Timestamp)>,
    /// Rungs whose queue could not take them.
    missed: Vec<usize>,
    asked: Option<Asked>,
}

/// The floor is asked to pass the caller on.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    rung: usize,
    /// Its silence is a fault from then on.
    reply_by: Timestamp,
}

impl Climb {
    pub(super) fn begin(queue: &QueueName, now: Timestamp) -> Self {
        Self { joined: vec![(queue.clone(), now)], ..Self::default() }
    }

    /// The rung that comes next, and when; `None` at the top, and while the floor is asked.
    fn next(&self, ladder: &Ladder) -> Option<(usize, Timestamp)> {
        if self.asked.is_some() {
            return None;
        }
        let since = |queue: &QueueName| self.joined.iter().find(|(known, _)| known == queue).map(|(_, at)| *at);
        let open = ladder.rungs.iter().enumerate().filter(|(index, rung)| {
            // A rung that leads back is none.
            !self.missed.contains(index) && since(&rung.to).is_none()
        });
        open.filter_map(|(index, rung)| Some((index, since(&rung.of)?.plus_ms(rung.after_ms)))).min_by_key(|(_, at)| *at)
    }

    pub(super) fn due_at(&self, ladder: &Ladder) -> Option<Timestamp> {
        self.next(ladder).map(|(_, at)| at)
    }

    pub(super) fn reply_by(&self) -> Option<Timestamp> {
        self.asked.as_ref().map(|asked| asked.reply_by)
    }

    /// A phone rings for the caller, or the floor is another one: what was asked of it is asked again.
    pub(super) fn is_held_up(&mut self) {
        self.asked = None;
    }
}

impl Call {
    /// Asks the floor to pass the caller on.
    pub(super) fn ask_to_pass_on(&mut self, now: Timestamp, item: ItemId, queueing: &mut Queueing) {
        let (step, climb) = queueing.ladder();
        let Some((rung, _)) = climb.next(&step.ladder) else { return };
        let to = step.ladder.rungs[rung].to.clone();
        let wait_without_agents = step.ladder.hall(&to).is_some_and(|hall| hall.wait_without_agents);
        climb.asked = Some(Asked { rung, reply_by: now.plus_ms(self.settings.floor_reply_ms) });
        self.trace("overflow", format!("to {to}?"));
        self.floor(ToFloor::Overflow { item, to, wait_without_agents });
    }

    /// The caller waits in another queue now, with the time they have waited. Also what the floor says after a restart
    /// to a call that was kept before it passed on. Whether it is news.
    pub(super) fn passed_on(&mut self, now: Timestamp, queueing: &mut Queueing, queue: QueueName, place: Place) -> bool {
        let (step, climb) = queueing.ladder();
        climb.asked = None;
        if step.queue == queue {
            return false;
        }
        if let Some(hall) = step.ladder.hall(&queue).cloned() {
            step.pass_on_to(&hall);
        }
        let counts_anew = !step.ladder.own_max_wait;
        if !climb.joined.iter().any(|(known, _)| *known == queue) {
            climb.joined.push((queue.clone(), now));
        }
        queueing.moved(now, place, counts_anew);
        self.trace("overflow", format!("{queue} as number {}", place.position));
        self.ledger.passed_on(now, queue);
        true
    }

    /// The other queue has nobody signed in, or no place: the next rung may do better.
    pub(super) fn stays(&mut self, queueing: &mut Queueing, to: &QueueName) {
        let (step, climb) = queueing.ladder();
        if let Some(Asked { rung, .. }) =
            climb.asked.take_if(|asked| step.ladder.rungs.get(asked.rung).is_some_and(|r| r.to == *to))
        {
            climb.missed.push(rung);
            self.trace("overflow", format!("{to} does not take the caller"));
        }
    }
}
