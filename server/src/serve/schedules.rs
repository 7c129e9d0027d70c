//! The emergency switches of schedules: which are on, by whom, and turning them.
//!
//! A switch takes effect before it is on disk, because an emergency does not wait for a database; whoever turned it is
//! told so only when it is.

use std::{collections::BTreeMap, sync::Arc};

use tandem_dialplan::{Override, Overrides, Plan, Schedule, Switch};
use tandem_switch::{name::ScheduleName, time::Timestamp};
use tokio::sync::oneshot;

use super::control::Director;
use crate::{
    clock,
    http::{
        control::TurnAnswer,
        schedules::{ScheduleView, SwitchView, TransitionView},
        view::At,
    },
    store::{Record, ScheduleTurned, Store, StoreError},
    wire::line::LineAsk,
};

/// Switches that are on at most, those of schedules that are gone from the plan included.
const MAX_ON: usize = 1_024;
/// Openings and closings that are shown.
const TRANSITIONS: usize = 10;

/// The emergency switches that are on.
#[derive(Debug, Default)]
pub struct Switches {
    on: BTreeMap<ScheduleName, ScheduleTurned>,
}

impl Switches {
    /// Those of the last process.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn read(store: &Store, now: Timestamp) -> Result<Self, StoreError> {
        let on = store.schedule_switches(now).await?;
        for turned in &on {
            let forced = turned.says.map_or("followed", Override::forced);
            tracing::warn!(schedule = %turned.schedule, by = turned.by, why = turned.why, "a schedule is {forced}");
        }
        Ok(Self { on: on.into_iter().map(|turned| (turned.schedule.clone(), turned)).collect() })
    }

    /// What calls have to know of them.
    #[must_use]
    pub fn overrides(&self) -> Arc<Overrides> {
        let switch = |turned: &ScheduleTurned| {
            let switch = Switch { says: turned.says?, by: Some(turned.by.as_str().into()), until: turned.until };
            Some((turned.schedule.clone(), switch))
        };
        Arc::new(self.on.values().filter_map(switch).collect())
    }

    /// All schedules of a plan, and switches of schedules that it does not have.
    #[must_use]
    pub fn view(&self, plan: &Plan, now: Timestamp) -> Vec<ScheduleView> {
        let known = plan.schedules.values().map(|schedule| self.view_of(schedule, now));
        let unused = self.on.values().filter(|turned| turned.holds(now) && !plan.schedules.contains_key(&turned.schedule));
        let unused = unused.map(|turned| ScheduleView {
            schedule: turned.schedule.to_string(),
            open: None,
            why: "the plan in service has no such schedule".to_owned(),
            switch: SwitchView::of(turned),
            next: Vec::new(),
        });
        known.chain(unused).collect()
    }

    fn view_of(&self, schedule: &Schedule, now: Timestamp) -> ScheduleView {
        let standing = schedule.standing(now, self.overrides().at(&schedule.name, now));
        let next = schedule.next_transitions(now, TRANSITIONS).into_iter();
        let on = self.on.get(&schedule.name).filter(|turned| turned.holds(now));
        ScheduleView {
            schedule: schedule.name.to_string(),
            open: Some(standing.open),
            why: standing.why,
            switch: on.and_then(SwitchView::of),
            next: next.map(|next| TransitionView { at: At(next.at), opens: next.opens, local: next.local }).collect(),
        }
    }

    /// Notes what somebody turned; `Err` when it cannot be.
    fn turn(&mut self, plan: &Plan, turned: ScheduleTurned) -> Result<(), TurnAnswer> {
        self.on.retain(|_, on| on.holds(turned.at));
        if turned.says.is_none() {
            return self.on.remove(&turned.schedule).map(|_| ()).ok_or_else(|| {
                if plan.schedules.contains_key(&turned.schedule) { TurnAnswer::NotTurned } else { TurnAnswer::NoSchedule }
            });
        }
        if !plan.schedules.contains_key(&turned.schedule) {
            return Err(TurnAnswer::NoSchedule);
        }
        if self.on.len() >= MAX_ON && !self.on.contains_key(&turned.schedule) {
            return Err(TurnAnswer::TooMany);
        }
        self.on.insert(turned.schedule.clone(), turned);
        Ok(())
    }
}

impl Director {
    /// Turns a switch, for calls that are up too.
    pub(super) async fn turn_schedule(&mut self, turned: ScheduleTurned, reply: oneshot::Sender<TurnAnswer>) {
        let _asker_is_gone = reply.send(self.turned(turned).await);
    }

    async fn turned(&mut self, turned: ScheduleTurned) -> TurnAnswer {
        let schedule = turned.schedule.clone();
        let before = self.switches.on.get(&schedule).cloned();
        if let Err(answer) = self.switches.turn(&self.service.plan, turned.clone()) {
            return answer;
        }
        if let Err(error) = self.writer.try_write(Record::ScheduleTurned(turned.clone())) {
            tracing::error!(%error, %schedule, "the emergency switch is not turned");
            match before {
                Some(before) => drop(self.switches.on.insert(schedule, before)),
                None => drop(self.switches.on.remove(&schedule)),
            }
            return TurnAnswer::NotKept;
        }
        let now = turned.says.map_or("followed again", Override::forced);
        tracing::warn!(%schedule, by = turned.by, why = turned.why, "a schedule is {now}");
        let _gone = self.line.send(LineAsk::Switches(self.switches.overrides())).await;
        let view = self.switches.view(&self.service.plan, clock::now().at);
        let found = view.into_iter().find(|view| view.schedule == schedule.as_str());
        TurnAnswer::Done(Box::new(found.unwrap_or_else(|| ScheduleView::gone(&schedule))))
    }
}
