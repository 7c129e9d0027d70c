//! The switch stops at any moment and comes back with what its journal and its database know.

use tandem_switch::{
    floor::{Floor, GoingOn, Input, ItemStage, Restored},
    id::{CallId, IdSource, ItemId},
    name::QueueName,
};

use crate::{
    edge::Edge,
    keep::Survivors,
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
        let in_order = self.dice.percent(50);
        if in_order {
            // Who waits keeps the place: what calls tell the floor from now on is not heard.
            let before = self.on_link;
            self.line.end_all();
            self.run_switch();
            self.on_link = before;
        }
        // Silence is heard by all, and some have no patience with it.
        let leave = if in_order { 100 } else { 25 };
        self.people_notice(down, |world, _| world.dice.percent(leave));
        self.totals.cut += self.line.calls() as u64 - self.line.kept.len() as u64;
        self.check_fold()?;
        self.stopped_at = self.timestamp();
        self.life += 1;
        self.on_link = 0;
        self.later(down, Happening::Restart);
        Ok(())
    }

    /// People hear silence: those who are `annoyed` hang up, and most of the callers among them call again.
    fn people_notice(&mut self, down: u64, annoyed: impl Fn(&mut Self, Option<CallId>) -> bool) {
        for phone in 0..self.phones.len() {
            let talks = self.phones[phone].talks();
            let talks: Vec<_> = talks
                .map(|(invite, call, user, dialled)| (invite, call, dialled.map(|to| (user.to_owned(), to.to_owned()))))
                .collect();
            for (invite, call, dialled) in talks {
                if !annoyed(self, call) {
                    continue;
                }
                let soon = down + self.dice.between(200, 6_000);
                self.plan_act(phone, invite, soon, Act::HangUp(200));
                let Some((number, dials)) = dialled.filter(|(number, _)| phone == 0 && number.starts_with('c')) else { continue };
                if self.dice.percent(70) {
                    let later = down + self.dice.between(6_100, 25_000);
                    self.later(later, Happening::CallBack { number, dials });
                }
            }
        }
    }

    /// A new process takes over.
    pub(crate) fn restart(&mut self) -> Outcome {
        self.life += 1;
        self.forget_wakes();
        self.note(&[], || "the switch starts".to_owned());
        let station = Station::new(SWITCH, self.dice.seed());
        let registered = std::mem::take(&mut self.line.edge.kept);
        let kept = std::mem::take(&mut self.line.kept);
        let before = self.places();
        self.line = Line::new(Edge::new(station, self.instant()), self.plan.clone());
        self.line.noting = self.diary.is_some();
        self.set_up_switch();
        self.line.edge.restore(registered);
        let Survivors { going_on, live } = self.line.bring_back(kept, &self.watch.conversations(), self.stopped_at);
        self.totals.survived += live.len() as u64;
        self.rebuild_floor(going_on)?;
        if self.places() != before {
            let what = format!("places before the restart: {before:?}\nand after: {:?}", self.places());
            return Err(Failure::of_all(what));
        }
        self.line.go_on();
        if let Some(call) = live.iter().find(|call| self.line.view(**call).is_none()) {
            return Err(Failure::of_all(format!("{call} was kept with its caller, and is not there")));
        }
        self.run_switch();
        let lost = |world: &mut Self, call: Option<CallId>| call.is_none_or(|call| world.line.view(call).is_none());
        self.people_notice(0, lost);
        Ok(())
    }

    fn rebuild_floor(&mut self, going_on: GoingOn) -> Outcome {
        let profiles = self.profiles.clone();
        let restored = Restored { going_on: going_on.clone(), ..self.watch.folded.clone() };
        let queues = self.plan.queue_profiles();
        self.floor = Floor::new(IdSource::new(3));
        let grace = |name: &QueueName| queues.iter().find(|queue| queue.queue == *name).map_or(0, |queue| queue.rejoin_grace_ms);
        self.watch.restarted(self.timestamp(), &going_on, grace);
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
