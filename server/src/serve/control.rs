//! Answers what the HTTP API and signals ask: passes questions to the loop that knows, and owns the plan in
//! service.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use tandem_switch::{rules::Rule, time::Timestamp};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{MissedTickBehavior, timeout},
};

use super::{
    data::DataFolder,
    orders::{Orders, Standing},
    plans::{LastReading, PlanFolder},
    preparing::Base,
    schedules::Switches,
    tls::Tls,
    trials::Watch,
};
use crate::{
    clock,
    customers::{self, Customers, beside::Beside},
    http::{
        callbacks::{CallbackRequest, NotAsked},
        control::{Control, ControlRequest, FloorView, Readiness},
        plan_order::PlanAnswer,
        view::{PlanProblem, RouteConsidered, RouteExplanation},
    },
    lookup::Lookups,
    reach::Reach,
    recordings::Archive,
    rules::{Desk, Parts},
    store::{Person, Store, Writer},
    webhooks::Webhooks,
    wire::{
        floor::FloorAsk,
        line::{LineAsk, Service},
        sip::finder::Wanted,
        trace::TraceBus,
    },
};

/// How often a plan that is watched is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// So long an answer to an order waits until the history knows of it; a database that is away keeps nobody longer.
const HISTORY: Duration = Duration::from_secs(2);

/// The plan in service and the ways to the loops.
pub struct Director {
    /// Where the plan is read from.
    pub folder: PlanFolder,
    /// What is in service.
    pub service: Service,
    /// What the journal says of it, and its texts.
    pub standing: Arc<Standing>,
    /// The same of the canary.
    pub canary: Option<Arc<Standing>>,
    /// Which of the two is watched.
    pub watch: Option<Watch>,
    /// The last number that was given to a plan.
    pub last: u64,
    /// What the last order read of a plan.
    pub reading: Arc<Mutex<LastReading>>,
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
    /// Plans that are to come.
    pub orders: Orders,
    /// To whoever works on recordings.
    pub archive: watch::Sender<Arc<Archive>>,
    /// To whoever reads numbers: the country of the plan.
    pub country: watch::Sender<Option<String>>,
    /// To whoever carries out rules over channels: those of the plan.
    pub rules: watch::Sender<Vec<Rule>>,
}

/// What tasks hear of each plan: about recordings, the country, and rules over channels.
type OfPlan = (watch::Receiver<Arc<Archive>>, watch::Receiver<Option<String>>, watch::Receiver<Vec<Rule>>);

/// What the HTTP API works with.
pub(super) fn api_control(
    (requests_tx, floor): (mpsc::Sender<ControlRequest>, &mpsc::Sender<FloorAsk>),
    (store, writer, traces): (&Store, &Writer, TraceBus),
    ready: &Arc<Readiness>,
    (data, plan, reach): (&DataFolder, &Path, &Reach),
    (archive, country, plan_rules): OfPlan,
    service: &Service,
) -> Control {
    let customers = Customers::new(store.clone(), country);
    customers::follow::start(customers.clone());
    let lookups = Lookups::new(store.clone(), reach.clone());
    lookups.start();
    let beside = Beside::start_with(customers.clone(), writer, floor.clone(), lookups.clone());
    let webhooks = Webhooks::new(store.clone(), reach.clone());
    webhooks.start();
    let rules = Desk::start(Parts { customers: customers.clone(), requests: requests_tx.clone(), plan: plan_rules });
    let control = Control {
        rules,
        customers,
        beside,
        webhooks,
        lookups,
        requests_tx,
        store: store.clone(),
        writer: writer.clone(),
        traces,
        ready: Arc::clone(ready),
        recordings: data.join("recordings"),
        archive,
        messages: data.join("messages"),
        realm: service.plan.realm.clone(),
        plan_files: Arc::new(crate::plan_files::PlanFiles::new(plan)),
    };
    crate::privacy::start(&control);
    control
}

impl Director {
    /// Answers requests until nobody can ask any more. A plan is read and checked beside that.
    pub async fn run(mut self, mut requests: mpsc::Receiver<ControlRequest>) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.orders.start_next(|| Base {
                folder: self.folder.clone(),
                store: self.store.clone(),
                last: self.last,
                running: Arc::clone(&self.standing),
                canary: self.canary.clone(),
                reading: Arc::clone(&self.reading),
            });
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.answer(request).await,
                    None => return,
                },
                (reply, asked, outcome) = self.orders.ended() => {
                    let outcome = self.done(&asked, outcome).await;
                    // A certificate may be new whatever became of the plan.
                    self.tls.renew(&self.service.plan.listen, &self.folder.path);
                    tokio::spawn(answer_written(self.writer.clone(), reply, outcome));
                }
                _ = looks.tick(), if self.watch.is_some() && self.orders.is_free() => self.look(),
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
            ControlRequest::Callback(request) => self.call_back(request).await,
            ControlRequest::Priority(request) => self.ask_floor(FloorAsk::Prioritise(request)).await,
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
            ControlRequest::ChangePlan(order) => drop(self.orders.give(order)),
            ControlRequest::Explain { to, from, at, reply } => drop(reply.send(self.explain(&to, &from, at))),
            ControlRequest::PeopleChanged => self.people_changed().await,
        }
    }

    /// A loop that is gone drops the way back, and whoever asks is told so.
    pub(super) async fn ask_floor(&self, ask: FloorAsk) {
        let _gone = self.floor.send(ask).await;
    }

    pub(super) async fn ask_line(&self, ask: LineAsk) {
        let _gone = self.line.send(ask).await;
    }

    async fn call_back(&self, request: CallbackRequest) {
        match request {
            CallbackRequest::Ask { wish, customer, reply } => match self.service.plan.callback_for(&wish, clock::now().at) {
                Ok(mut asked) => {
                    asked.callback.customer = customer;
                    self.ask_floor(FloorAsk::AskCallback { asked, done: reply }).await;
                }
                Err(bad) => drop(reply.send(Err(NotAsked::Bad(bad)))),
            },
            CallbackRequest::Drop { item, reply } => self.ask_floor(FloorAsk::DropCallback { item, done: reply }).await,
        }
    }

    async fn look_at_floor(&self, reply: oneshot::Sender<FloorView>) {
        let (tx, rx) = oneshot::channel();
        self.ask_floor(FloorAsk::View(tx)).await;
        if let Ok(view) = rx.await {
            let crate::wire::floor::FloorView { queues, agents, items, counts, at } = view;
            let today_at = self.service.plan.midnight_before(at);
            drop(reply.send(FloorView { queues, agents, items, counts, today_at, at }));
        }
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

/// Gives an answer when whoever hears it finds in the history what it says.
async fn answer_written(writer: Writer, reply: oneshot::Sender<PlanAnswer>, outcome: PlanAnswer) {
    if outcome.is_ok() {
        let _written_later = timeout(HISTORY, writer.flush()).await;
    }
    drop(reply.send(outcome));
}
