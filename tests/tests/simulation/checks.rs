//! What must hold at each step.

use tandem_switch::{cdr::SegmentState, floor::AgentState, name::AgentName};

use crate::{
    edge::LegRef,
    world::{Failure, Outcome, World},
};

/// The journal is folded and compared with the floor once in so many inputs of the floor.
const FOLD_EVERY: u64 = 97;

impl World {
    /// After anything that happened.
    pub(crate) fn check_step(&mut self) -> Outcome {
        if let Some((what, number)) = self.line.wrong.take() {
            return Err(Failure { what, whom: self.whom_of(&number) });
        }
        let stations = std::iter::once(&self.line.edge.station).chain(self.phones.iter().map(|phone| &phone.station));
        if self.steps.is_multiple_of(16) || self.closing {
            for station in stations {
                if let Some(what) = &station.wrong {
                    return Err(Failure::of_all(what.clone()));
                }
            }
        }
        // Only when nothing is under way between the two loops do they have to agree.
        if self.unseen && self.on_link == 0 && self.is_up() && self.steps.is_multiple_of(self.shape.compare_every) {
            self.unseen = false;
            self.agents_have_legs()?;
        }
        Ok(())
    }

    /// After each input of the floor.
    pub(crate) fn check_floor(&self) -> Outcome {
        let now = self.timestamp();
        if self.watch.restarting {
            return Ok(());
        }
        if self.floor_steps.is_multiple_of(self.shape.check_every) {
            self.floor.check_invariants(now).map_err(Failure::of_all)?;
        }
        if self.floor_steps.is_multiple_of(FOLD_EVERY * self.shape.check_every) {
            self.check_fold()?;
        }
        Ok(())
    }

    /// A restart from the journal would find what the floor knows.
    pub(crate) fn check_fold(&self) -> Outcome {
        let (mut folded, mut known) = (self.watch.folded.clone(), self.floor.snapshot());
        for restored in [&mut folded, &mut known] {
            restored.waiting.sort_by_key(|item| item.item);
            restored.offers.sort_by_key(|offer| offer.offer);
            restored.agents.retain(|agent| agent.state != AgentState::Offline);
        }
        if folded == known {
            return Ok(());
        }
        Err(Failure::of_all(format!("the journal says {folded:#?}\nthe floor knows {known:#?}")))
    }

    /// An agent is at work only while a live leg says so, and the other way round.
    fn agents_have_legs(&self) -> Outcome {
        for (agent, state) in &self.watch.agents {
            let (holds, item) = match state {
                AgentState::Engaged { item: Some(item) } => (self.is_with(agent, *item, "talk"), Some(item)),
                AgentState::Reserved { .. } => {
                    let item = self.floor.agent(agent).and_then(|view| view.item);
                    (item.is_some_and(|item| self.is_with(agent, item, "queue")), None)
                }
                AgentState::Engaged { item: None } => (self.line.is_occupied(agent), None),
                _ => (true, None),
            };
            if !holds {
                let caller = item.and_then(|item| self.watch.items.get(item)).map(|life| life.caller.as_str().to_owned());
                let whom = caller.into_iter().chain([agent.as_str().to_owned()]).collect();
                return Err(Failure { what: format!("{agent} is {state:?}, but no leg says so"), whom });
            }
        }
        for view in self.line.views() {
            let talks = view.step == "talk" && matches!(view.state, SegmentState::Talking | SegmentState::Hold);
            if let Some(agent) = view.agent.filter(|_| talks) {
                let state = self.watch.agents.get(agent);
                let with = |item| self.watch.items.get(item).is_some_and(|life| life.call == view.call);
                if !matches!(state, Some(AgentState::Engaged { item: Some(item) }) if with(item)) {
                    let what = format!("a caller talks to {agent}, who is {state:?}");
                    return Err(Failure { what, whom: vec![view.from.as_str().to_owned(), agent.as_str().to_owned()] });
                }
            }
        }
        Ok(())
    }

    fn is_with(&self, agent: &AgentName, item: tandem_switch::id::ItemId, step: &str) -> bool {
        let Some(life) = self.watch.items.get(&item) else { return false };
        let view = self.line.view(life.call);
        view.is_some_and(|view| view.step == step && view.agent == Some(agent) && view.legs.len() >= 2)
    }

    /// The other side of this leg left long ago.
    pub(crate) fn check_gone(&self, at: LegRef) -> Outcome {
        if !self.line.is_live(at) {
            return Ok(());
        }
        let whom = self.line.number_of(at.call).map(|number| self.whom_of(number)).unwrap_or_default();
        let what = format!("{at:?} is still there, a minute after the other side left: {:?}", self.line.view(at.call));
        Err(Failure { what, whom })
    }
}
