//! The switch stops at any moment and comes back with what its journal and its database know.

use tandem_switch::{
    floor::{Floor, Input, ItemStage},
    id::{IdSource, ItemId},
    name::QueueName,
};

use crate::{
    edge::Edge,
    line::Line,
    people::Act,
    station::Station,
    world::{Failure, Happening, Outcome, SWITCH, World},
};

impl World {
    /// The process is gone: in good order one time, by `kill -9` the next.
    pub(crate) fn crash(&mut self) -> Outcome {
        if self.closing || !self.is_up() {
            return Ok(());
        }
        self.totals.restarts += 1;
        self.note(&[], || "the switch stops".to_owned());
        let down = self.dice.between(300, 3_000);
        self.callers_notice(down);
        if self.dice.percent(50) {
            // Who waits keeps the place: what calls tell the floor from now on is not heard.
            let before = self.on_link;
            self.line.end_all();
            self.run_switch();
            self.on_link = before;
        }
        self.totals.cut += self.line.calls() as u64;
        self.check_fold()?;
        self.life += 1;
        self.on_link = 0;
        self.later(down, Happening::Restart);
        Ok(())
    }

    /// People hear silence and hang up; most of the callers call again.
    fn callers_notice(&mut self, down: u64) {
        for phone in 0..self.phones.len() {
            for invite in self.phones[phone].lines().collect::<Vec<_>>() {
                let soon = down + self.dice.between(200, 6_000);
                self.plan_act(phone, invite, soon, Act::HangUp(200));
            }
        }
        let mut again = Vec::new();
        for (_, number, dials) in self.phones[0].outgoing() {
            if number.starts_with('c') {
                again.push((number.to_owned(), dials.to_owned()));
            }
        }
        for (number, dials) in again {
            if self.dice.percent(70) {
                let later = down + self.dice.between(6_100, 25_000);
                self.later(later, Happening::CallBack { number, dials });
            }
        }
    }

    /// A new process takes over.
    pub(crate) fn restart(&mut self) -> Outcome {
        self.life += 1;
        self.forget_wakes();
        self.note(&[], || "the switch starts".to_owned());
        let station = Station::new(SWITCH, self.dice.seed());
        let kept = std::mem::take(&mut self.line.edge.kept);
        self.line = Line::new(Edge::new(station, self.instant()), self.plan.clone());
        self.line.noting = self.diary.is_some();
        let before = self.places();
        self.rebuild_floor()?;
        if self.places() != before {
            let what = format!("places before the restart: {before:?}\nand after: {:?}", self.places());
            return Err(Failure::of_all(what));
        }
        self.set_up_switch();
        self.line.edge.restore(kept);
        self.run_switch();
        Ok(())
    }

    fn rebuild_floor(&mut self) -> Outcome {
        let profiles = self.profiles.clone();
        let restored = self.watch.folded.clone();
        let queues = self.plan.queue_profiles();
        self.floor = Floor::new(IdSource::new(3));
        let grace = |name: &QueueName| queues.iter().find(|queue| queue.queue == *name).map_or(0, |queue| queue.rejoin_grace_ms);
        self.watch.restarted(self.timestamp(), grace);
        let mut inputs = vec![Input::Restore(restored), Input::Queues(queues), Input::Agents(profiles)];
        // The server does it the other way round.
        if self.dice.percent(50) {
            inputs.rotate_left(1);
        }
        self.watch.restarting = true;
        inputs.into_iter().try_for_each(|input| self.floor_told(input))?;
        self.watch.restarting = false;
        self.floor.check_invariants(self.timestamp()).map_err(Failure::of_all)?;
        self.check_fold()
    }

    /// Who waits, in order, with the waiting time: what a restart must not touch.
    fn places(&self) -> Vec<(QueueName, ItemId, i64)> {
        let items = self.floor.items(self.timestamp()).into_iter().filter(|item| item.stage != ItemStage::Engaged);
        items.map(|item| (item.queue, item.item, item.virtual_arrival_at.0)).collect()
    }
}
