//! Puts plans into service, beside each other or in each other's place, and takes them out again.

use std::sync::{Arc, atomic::Ordering};

use tokio::sync::oneshot;

use super::{
    control::Director,
    orders::{Asked, Done, Standing, Taken, WATCH},
    trials::{Verdict, Watch},
};
use crate::{
    clock,
    http::{
        plan_order::{PlanAnswer, PlanNotTaken, PlanOrder, PlanTask},
        view::{GenerationView, PlanApplied, PlanProblem, PlanView},
    },
    metrics::METRICS,
    store::{GenerationRow, PlanNews, PlanState, Record},
    wire::{
        floor::FloorAsk,
        line::{LineAsk, Service},
        sip::wanted,
        trial::{Canary, Trial},
    },
};

impl Director {
    pub(super) fn view(&self) -> PlanView {
        let canary = self.canary.as_ref().map(|canary| canary.taken.generation);
        PlanView { canary, ..PlanView::new(&self.standing.taken, self.warnings.clone()) }
    }

    /// Goes on with an order that was carried out as far as that goes beside the loops.
    ///
    /// # Errors
    /// Why the plan in service stays.
    pub(super) async fn done(&mut self, asked: &Asked, outcome: Result<Done, PlanNotTaken>) -> PlanAnswer {
        match outcome {
            Ok(Done::Previewed { changes, diff, warnings }) => {
                Ok(PlanApplied { diff: Some(diff), ..self.applied(None, changes, Vec::new(), warnings) })
            }
            Ok(Done::Edited) => Ok(self.applied(None, Vec::new(), Vec::new(), Vec::new())),
            Ok(Done::CanaryEnds(why)) => Ok(self.canary_ends(&asked.by, &why).await),
            Ok(Done::Taken(taken)) if taken.standing.taken.state == PlanState::Canary => Ok(self.canary_begins(*taken).await),
            Ok(Done::Taken(taken)) => Ok(self.take(&asked.by, *taken).await),
            Err(why) => {
                self.refused(asked, &why);
                Err(why)
            }
        }
    }

    fn applied(&self, taken: Option<u64>, changes: Vec<String>, notes: Vec<String>, warnings: Vec<PlanProblem>) -> PlanApplied {
        let canary = self.canary.as_ref().map(|it| GenerationView::from(&GenerationRow { taken: it.taken.clone(), news: None }));
        PlanApplied { taken, plan: self.view(), canary, changes, diff: None, notes, warnings }
    }

    fn refused(&mut self, asked: &Asked, why: &PlanNotTaken) {
        METRICS.plan_reloads_refused.inc();
        let sentence = match why {
            PlanNotTaken::Problems(problems) => {
                for problem in problems {
                    tracing::error!(file = %problem.file, line = problem.line, "plan not taken: {}", problem.message);
                }
                "it does not check any more: see the log".to_owned()
            }
            PlanNotTaken::Conflict(sentence, _) | PlanNotTaken::NotThere(sentence) | PlanNotTaken::Failed(sentence, _) => {
                tracing::error!("plan not taken: {sentence}");
                sentence.clone()
            }
        };
        if asked.by == WATCH {
            let told = asked.message.clone().unwrap_or_default();
            let why = format!("{told}, but the plan before cannot come back: {sentence}");
            tracing::error!("the plan in service should go: {why}");
            self.tell(self.standing.taken.generation, PlanState::InService, WATCH, why);
        }
    }

    /// A plan is for all calls from now on. Those that are up keep theirs.
    async fn take(&mut self, by: &str, taken: Taken) -> PlanApplied {
        let Taken { mut service, standing, warnings, mut notes, records, last, before: (state, why) } = taken;
        let (new, old) = (&service.plan, &self.service.plan);
        if new.listen != old.listen || new.realm != old.realm {
            tracing::warn!("the plan's addresses or realm changed: they take effect at the next start");
            notes.push("addresses or realm changed: they take effect at the next start".to_owned());
        }
        let (generation, was) = (service.generation, self.standing.taken.generation);
        records.into_iter().for_each(|record| self.write(record));
        self.tell(generation, PlanState::InService, by, "in service for all calls".to_owned());
        self.tell(was, state, by, why.clone());
        if let Some(canary) = self.canary.take().filter(|canary| canary.taken.generation != generation) {
            let why = format!("generation {generation} came for all calls");
            self.tell(canary.taken.generation, PlanState::Replaced, by, why);
        }
        if by == WATCH {
            METRICS.plan_taken_back.inc();
            tracing::error!("generation {was} went by itself: {why}");
            notes.push(format!("generation {was} went by itself: {why}"));
        }
        self.last = last;
        service.trial = self.watch(&standing, Some(Arc::clone(&self.service.plan)));
        let changes = standing.taken.changes.clone();
        self.standing = Arc::new(standing);
        self.warnings.clone_from(&warnings);
        self.put_in_service(service).await;
        METRICS.plan_generation.set(generation);
        METRICS.plan_canary.set(0);
        tracing::info!(generation, "a new plan is in service");
        self.applied(Some(generation), changes, notes, warnings)
    }

    /// A plan is for some calls from now on.
    async fn canary_begins(&mut self, taken: Taken) -> PlanApplied {
        let Taken { service, standing, warnings, notes, records, last, .. } = taken;
        let generation = standing.taken.generation;
        records.into_iter().for_each(|record| self.write(record));
        self.last = last;
        let trial = self.watch(&standing, Some(Arc::clone(&self.service.plan)));
        let changes = standing.taken.changes.clone();
        self.service = beside(&self.service, service, &standing);
        self.service.trial = trial;
        self.canary = Some(Arc::new(standing));
        METRICS.plan_canary.set(generation);
        tracing::info!(generation, "some calls run on a new plan");
        self.ask_line(LineAsk::Plan(self.service.clone())).await;
        self.applied(Some(generation), changes, notes, warnings)
    }

    async fn canary_ends(&mut self, by: &str, why: &str) -> PlanApplied {
        let mut notes = Vec::new();
        if let Some(canary) = self.canary.take() {
            let generation = canary.taken.generation;
            self.tell(generation, PlanState::RolledBack, by, why.to_owned());
            if by == WATCH {
                METRICS.plan_taken_back.inc();
                tracing::error!("the canary, generation {generation}, went by itself: {why}");
            }
            notes.push(format!("generation {generation} was a canary and takes no calls any more"));
        }
        self.watch = None;
        self.service = Service { canary: None, trial: None, ..self.service.clone() };
        METRICS.plan_canary.set(0);
        self.ask_line(LineAsk::Plan(self.service.clone())).await;
        self.applied(None, Vec::new(), notes, Vec::new())
    }

    /// Begins the watch that a plan came with, in the place of another one.
    fn watch(&mut self, standing: &Standing, before: Option<Arc<tandem_dialplan::Plan>>) -> Option<Arc<Trial>> {
        let generation = standing.taken.generation;
        self.watch = standing.taken.terms.watch.map(|terms| {
            let trial = Arc::new(Trial::new(generation, before));
            Watch { generation, terms, trial }
        });
        self.watch.as_ref().map(|watch| Arc::clone(&watch.trial))
    }

    /// Looks at the plan that is watched.
    pub(super) fn look(&mut self) {
        let Some(watch) = &self.watch else { return };
        let (generation, told) = (watch.generation, watch.told());
        match watch.verdict(clock::now().at) {
            Verdict::GoesOn => {}
            Verdict::Good => {
                let is_canary = self.canary.as_ref().is_some_and(|canary| canary.taken.generation == generation);
                let state = if is_canary { PlanState::Canary } else { PlanState::InService };
                tracing::info!(generation, "the watch of the plan is over: {told}");
                self.tell(generation, state, WATCH, format!("the watch is over: {told}"));
                self.watch = None;
            }
            Verdict::Bad => {
                tracing::error!(generation, "the plan goes: {told}");
                let (reply, _nobody_listens) = oneshot::channel();
                let order = PlanOrder::new(WATCH.to_owned(), PlanTask::TakeBack(generation), reply);
                // Without room it is looked at again.
                if self.orders.give(PlanOrder { message: Some(told), watch: None, ..order }) {
                    self.watch = None;
                }
            }
        }
    }

    /// Tells the journal what became of a plan.
    fn tell(&self, generation: u64, state: PlanState, by: &str, why: String) {
        let news = PlanNews { generation, state, why, by: by.to_owned(), at: clock::now().at };
        self.write(Record::PlanNews(news));
    }

    fn write(&self, record: Record) {
        let kind = record.kind();
        if let Err(error) = self.writer.try_write(record) {
            tracing::error!(%error, kind, "the journal does not know what became of a plan");
        }
    }

    async fn put_in_service(&mut self, service: Service) {
        self.ask_floor(FloorAsk::Queues(service.plan.queue_profiles())).await;
        self.tls.set_peers(&service.tls);
        self.service = service.clone();
        self.archive.send_replace(Arc::clone(&service.archive));
        self.country.send_replace(service.plan.country.clone());
        self.rules.send_replace(service.plan.rules.clone());
        let names = wanted(&service.plan);
        self.ask_line(LineAsk::Plan(service)).await;
        let _gone = self.finder.send(names).await;
        self.ready.plan_loaded.store(true, Ordering::Relaxed);
    }
}

/// A plan in service, with a canary beside it. Recordings are there once: those of the folder as it is now.
#[must_use]
pub fn beside(service: &Service, canary: Service, standing: &Standing) -> Service {
    let Service { plan, settings, generation, prompts, .. } = canary;
    let share = standing.taken.terms.share.clone().unwrap_or_default();
    Service { canary: Some(Arc::new(Canary { plan, settings, generation, share })), prompts, ..service.clone() }
}
