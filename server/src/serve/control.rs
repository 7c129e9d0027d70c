//! Answers what the HTTP API and signals ask: passes questions to the loop that knows, and owns the plan in
//! service.

use std::sync::{Arc, atomic::Ordering};

use tandem_switch::time::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    plans::PlanFolder,
    reload::{Loaded, Reload, Reloads},
    schedules::Switches,
    tls::Tls,
};
use crate::{
    clock,
    http::{
        control::{ControlRequest, FloorView, Readiness},
        view::{PlanProblem, PlanView, RouteConsidered, RouteExplanation},
    },
    metrics::METRICS,
    recordings::Archive,
    store::{Generation, Person, PlanFile, Record, Store, Writer},
    wire::{
        floor::FloorAsk,
        line::{LineAsk, Service},
        sip::{finder::Wanted, wanted},
    },
};

/// The plan in service and the ways to the loops.
pub struct Director {
    /// Where the plan is read from.
    pub folder: PlanFolder,
    /// What is in service.
    pub service: Service,
    /// What the journal says of it.
    pub taken: Generation,
    /// What the check warned of.
    pub warnings: Vec<PlanProblem>,
    /// Emergency switches of schedules.
    pub switches: Switches,
    /// To the line loop.
    pub line: mpsc::Sender<LineAsk>,
    /// To whoever looks up the names of carriers.
    pub finder: mpsc::Sender<Wanted>,
    /// To the floor loop.
    pub floor: mpsc::Sender<FloorAsk>,
    /// People.
    pub store: Store,
    /// The journal.
    pub writer: Writer,
    /// Certificates.
    pub tls: Tls,
    /// What `/readyz` says.
    pub ready: Arc<Readiness>,
    /// Plans that are being read.
    pub reloads: Reloads,
    /// To whoever works on recordings.
    pub archive: watch::Sender<Arc<Archive>>,
}

impl Director {
    /// Answers requests until nobody can ask any more. A plan is read and checked beside that.
    pub async fn run(mut self, mut requests: mpsc::Receiver<ControlRequest>) {
        loop {
            self.reloads.start_next(&self.folder, self.service.generation + 1);
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.answer(request).await,
                    None => return,
                },
                (Reload { by, reply }, loaded) = self.reloads.ended() => {
                    let outcome = self.take(by, loaded).await;
                    // A certificate may be new whatever became of the plan.
                    self.tls.renew(&self.service.plan.listen, &self.folder.path);
                    drop(reply.send(outcome));
                }
            }
        }
    }

    async fn answer(&mut self, request: ControlRequest) {
        match request {
            ControlRequest::Floor(reply) => self.look_at_floor(reply).await,
            ControlRequest::WhyWaiting { item, reply } => self.ask_floor(FloorAsk::Explain { item, answer: reply }).await,
            ControlRequest::Agent { agent, request, reply } => {
                self.ask_floor(FloorAsk::Agent { agent, request, done: reply }).await
            }
            ControlRequest::Calls(reply) => self.ask_line(LineAsk::Calls(reply)).await,
            ControlRequest::Parked(reply) => self.ask_line(LineAsk::Parked(reply)).await,
            ControlRequest::Message { message, heard } => self.ask_line(LineAsk::Message { message, heard }).await,
            ControlRequest::Hangup { call, reply } => self.ask_line(LineAsk::Hangup { call, done: reply }).await,
            ControlRequest::PauseRecording { call, paused, reply } => {
                self.ask_line(LineAsk::PauseRecording { call, paused, done: reply }).await;
            }
            ControlRequest::Payment { call, begins, reply } => {
                self.ask_line(LineAsk::Payment { call, begins, done: reply }).await;
            }
            ControlRequest::ReadPayment { call, reply } => self.ask_line(LineAsk::ReadPayment { call, done: reply }).await,
            ControlRequest::Conferences(reply) => self.ask_line(LineAsk::Conferences(reply)).await,
            ControlRequest::Member { room, call, order, reply } => {
                self.ask_line(LineAsk::Member { room, call, order, done: reply }).await;
            }
            ControlRequest::Announce { prompt, language, to, reply } => {
                self.ask_line(LineAsk::Announce { prompt, language, to, done: reply }).await;
            }
            ControlRequest::Stream { call, wanted, reply } => self.ask_line(LineAsk::Stream { call, wanted, done: reply }).await,
            ControlRequest::Bans(reply) => self.ask_line(LineAsk::Bans(reply)).await,
            ControlRequest::LiftBan { address, reply } => self.ask_line(LineAsk::LiftBan { address, done: reply }).await,
            ControlRequest::Schedules(reply) => drop(reply.send(self.switches.view(&self.service.plan, clock::now().at))),
            ControlRequest::TurnSchedule { turned, reply } => self.turn_schedule(turned, reply).await,
            ControlRequest::Plan(reply) => drop(reply.send(self.view())),
            ControlRequest::Reload { by, reply } => self.reloads.ask(Reload { by, reply }),
            ControlRequest::Explain { to, from, at, reply } => drop(reply.send(self.explain(&to, &from, at))),
            ControlRequest::PeopleChanged => self.people_changed().await,
        }
    }

    /// A loop that is gone drops the way back, and whoever asks is told so.
    async fn ask_floor(&self, ask: FloorAsk) {
        let _gone = self.floor.send(ask).await;
    }

    async fn ask_line(&self, ask: LineAsk) {
        let _gone = self.line.send(ask).await;
    }

    async fn look_at_floor(&self, reply: oneshot::Sender<FloorView>) {
        let (tx, rx) = oneshot::channel();
        self.ask_floor(FloorAsk::View(tx)).await;
        if let Ok(view) = rx.await {
            let crate::wire::floor::FloorView { queues, agents, items, at } = view;
            drop(reply.send(FloorView { queues, agents, items, at }));
        }
    }

    fn view(&self) -> PlanView {
        PlanView::new(&self.taken, self.warnings.clone())
    }

    /// Takes a plan that was read into service if it holds no error. Calls that are up keep theirs.
    ///
    /// # Errors
    /// What is wrong; the plan in service stays.
    async fn take(&mut self, by: String, loaded: Result<Loaded, Vec<PlanProblem>>) -> Result<PlanView, Vec<PlanProblem>> {
        match loaded {
            Ok(Loaded { service, files, warnings }) => {
                let (new, old) = (&service.plan, &self.service.plan);
                if new.listen != old.listen || new.realm != old.realm {
                    tracing::warn!("the plan's addresses or realm changed: they take effect at the next start");
                }
                self.put_in_service(service, files, warnings, by).await;
                tracing::info!(generation = self.service.generation, "a new plan is in service");
                Ok(self.view())
            }
            Err(problems) => {
                METRICS.plan_reloads_refused.inc();
                for problem in &problems {
                    tracing::error!(file = %problem.file, line = problem.line, "plan not taken: {}", problem.message);
                }
                Err(problems)
            }
        }
    }

    async fn put_in_service(&mut self, service: Service, files: Vec<PlanFile>, warnings: Vec<PlanProblem>, by: String) {
        self.taken = Generation { generation: service.generation, by, files, at: clock::now().at };
        self.warnings = warnings;
        if let Err(error) = self.writer.try_write(Record::PlanLoaded(self.taken.clone())) {
            tracing::error!(%error, "the journal does not know of the new plan");
        }
        self.ask_floor(FloorAsk::Queues(service.plan.queue_profiles())).await;
        self.tls.set_peers(&service.tls);
        self.service = service.clone();
        METRICS.plan_generation.set(service.generation);
        self.archive.send_replace(Arc::clone(&service.archive));
        let names = wanted(&service.plan);
        self.ask_line(LineAsk::Plan(service)).await;
        let _gone = self.finder.send(names).await;
        self.ready.plan_loaded.store(true, Ordering::Relaxed);
    }

    async fn people_changed(&self) {
        match self.store.people().await {
            Ok(people) => {
                // The line first: what the floor then says of somebody new finds their account there.
                let agents = people.iter().filter_map(Person::profile).collect();
                self.ask_line(LineAsk::People(people)).await;
                self.ask_floor(FloorAsk::Agents(agents)).await;
            }
            Err(error) => tracing::error!(%error, "people changed but cannot be read; the next change will show them"),
        }
    }

    fn explain(&self, to: &str, from: &str, at: Option<Timestamp>) -> Result<RouteExplanation, String> {
        explain_call(&self.service.plan, to, from, at.unwrap_or_else(|| clock::now().at), self.switches.overrides())
    }
}

/// Which route of a plan a call would take.
///
/// # Errors
/// A sentence for whoever asks.
pub fn explain_call(
    plan: &Arc<tandem_dialplan::Plan>,
    to: &str,
    from: &str,
    at: Timestamp,
    overrides: Arc<tandem_dialplan::Overrides>,
) -> Result<RouteExplanation, String> {
    let (origin, from) = plan.origin_of(Some(from), None).map_err(|error| error.to_string())?;
    let facts = tandem_dialplan::CallFacts { origin, from, to: to.into(), language: None, overrides };
    Ok(explanation(tandem_dialplan::explain(plan, &facts, at)))
}

/// What the API shows of an explanation.
fn explanation(explained: tandem_dialplan::Explanation) -> RouteExplanation {
    let considered = explained.routes.into_iter().map(|verdict| RouteConsidered {
        route: verdict.route.to_string(),
        taken: verdict.takes,
        why: format!("{}:{}: {}", verdict.file, verdict.line, verdict.why),
    });
    let schedules = explained.schedules.iter().map(|(name, standing)| format!("schedule {name}: {}", standing.why));
    RouteExplanation {
        route: explained.taken.map(|route| route.to_string()),
        because: schedules.chain(explained.steps.iter().cloned()).collect(),
        considered: considered.collect(),
    }
}

/// What the API shows of a report.
#[must_use]
pub fn problems(report: &tandem_dialplan::Report) -> Vec<PlanProblem> {
    let all = report.diagnostics.iter().map(|found| PlanProblem {
        severity: match found.severity {
            tandem_dialplan::Severity::Error => "error",
            tandem_dialplan::Severity::Warning => "warning",
            tandem_dialplan::Severity::Advice => "advice",
        }
        .to_owned(),
        file: found.file.clone(),
        line: found.line,
        column: found.column,
        message: found.message.clone(),
        help: found.suggestion.clone(),
    });
    all.collect()
}

/// An error with all its causes, on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
