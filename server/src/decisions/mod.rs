//! Services outside that routes ask what to do, over HTTP: "Values and decisions" in `docs/dialplan.md` is what they are told.
//!
//! The line loop hands a question over and goes on; a task asks, and tells the line loop what came of it. The call keeps
//! the time by itself. Questions of one service that are under way are bounded, so that one that hangs takes nothing
//! from the others: with too many, the next one has no answer at once. Nothing is asked twice.

pub(crate) mod exchange;
mod message;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use tandem_dialplan::{DecisionService, Plan, ServiceUrl};
use tandem_switch::{
    ask::{Answer, Ask, Unanswered},
    id::CallId,
    name::ServiceName,
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};

use self::exchange::Exchange;
use crate::{
    clock,
    metrics::METRICS,
    service_token::{ServiceToken, TokenError, Tokens},
    wire::line::LineAsk,
};

/// Questions to one service that are under way at most.
const MOST_UNDER_WAY: usize = 64;

/// A service as the plan has it, with its secret.
pub struct Target {
    url: ServiceUrl,
    token: Option<ServiceToken>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url.text())
    }
}

/// All services of a plan.
pub type Targets = Arc<BTreeMap<ServiceName, Arc<Target>>>;

/// The services of a plan, with their tokens.
///
/// # Errors
/// A token is missing or of no use.
pub fn targets(plan: &Plan, tokens: Tokens<'_>) -> Result<Targets, TokenError> {
    let target = |(name, service): (&ServiceName, &DecisionService)| {
        let token = tokens.of("decision-service", name.as_str(), service.token.as_ref())?;
        Ok((name.clone(), Arc::new(Target { url: service.url.clone(), token })))
    };
    plan.decision_services.iter().map(target).collect::<Result<BTreeMap<_, _>, _>>().map(Arc::new)
}

/// What became of a question.
#[derive(Debug)]
pub struct Decided {
    /// Of which call.
    pub call: CallId,
    /// Which question of it.
    pub question: u32,
    /// What was answered.
    pub answer: Result<Answer, Unanswered>,
    /// For the live trace: whom, what came, and how long that took.
    pub told: String,
}

/// Asks services for one line loop.
#[derive(Debug)]
pub struct Decider {
    runtime: tokio::runtime::Handle,
    line: mpsc::WeakSender<LineAsk>,
    exchange: Exchange,
    targets: Targets,
    /// By service, over plans: what is under way does not end with a plan.
    places: HashMap<ServiceName, Arc<Semaphore>>,
}

impl Decider {
    /// Questions are asked on this runtime, and that loop is told what came of them.
    #[must_use]
    pub fn new(runtime: tokio::runtime::Handle, line: mpsc::WeakSender<LineAsk>) -> Self {
        Self { runtime, line, exchange: Exchange::new(), targets: Targets::default(), places: HashMap::new() }
    }

    /// From now on the services are those of another plan.
    pub fn set_targets(&mut self, targets: &Targets) {
        self.targets = Arc::clone(targets);
        // Of a service that is gone, what is under way has its place still.
        self.places.retain(|name, places| targets.contains_key(name) || places.available_permits() < MOST_UNDER_WAY);
    }

    /// Asks.
    ///
    /// # Errors
    /// It cannot be asked now; nothing follows.
    pub fn ask(&mut self, call: CallId, question: u32, ask: Box<Ask>) -> Result<(), Unanswered> {
        let counted = |why: Unanswered| {
            METRICS.decisions.inc(why.as_str());
            why
        };
        // A call keeps the plan that it began with, and that one may have known a service more.
        let target = self.targets.get(&ask.service).cloned().ok_or_else(|| counted(Unanswered::Unreachable))?;
        let places = self.places.entry(ask.service.clone()).or_insert_with(|| Arc::new(Semaphore::new(MOST_UNDER_WAY)));
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| counted(Unanswered::Busy))?;
        let (exchange, line) = (self.exchange.clone(), self.line.clone());
        METRICS.decisions_under_way.inc();
        self.runtime.spawn(async move {
            let begun = clock::instant();
            let asked = timeout(Duration::from_millis(ask.budget_ms), exchange.ask(&target, call, &ask)).await;
            let answer = asked.unwrap_or(Err(Unanswered::Late));
            let took = clock::instant().saturating_duration_since(begun);
            drop(place);
            METRICS.decisions_under_way.dec();
            METRICS.decisions.inc(answer.as_ref().map_or_else(|why| why.as_str(), |_| "answered"));
            METRICS.decision_time.observe_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
            let what = answer.as_ref().map_or_else(ToString::to_string, |answer| format!("answered {}", answer.word));
            let told = format!("{} after {} ms: {what}", ask.service, took.as_millis());
            if let Err(why) = &answer {
                tracing::debug!(%call, service = %ask.service, why = why.as_str(), "a service gave no answer");
            }
            if let Some(line) = line.upgrade() {
                let _gone = line.send(LineAsk::Decided(Box::new(Decided { call, question, answer, told }))).await;
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use tandem_switch::cdr::Origin;

    use super::*;

    fn ask(service: &str) -> Box<Ask> {
        Box::new(Ask {
            service: service.into(),
            budget_ms: 200,
            words: vec!["gold".into()],
            receives: Vec::new(),
            origin: Origin::Trunk("carrier".into()),
            from: "+393471234567".into(),
            to: "100".into(),
            route: None,
            language: "en".into(),
            variables: Vec::new(),
        })
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_service_that_hangs_fills_its_own_places_and_no_others() {
        // Connections are taken by the system, and nobody ever reads from them.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = ServiceUrl::parse(&format!("http://{}/", silent.local_addr().unwrap())).unwrap();
        let target = Arc::new(Target { url, token: None });
        let targets: Targets = Arc::new(["a", "b"].map(|name| (name.into(), Arc::clone(&target))).into_iter().collect());
        let (line_tx, mut line) = mpsc::channel(2 * MOST_UNDER_WAY);
        let mut decider = Decider::new(tokio::runtime::Handle::current(), line_tx.downgrade());
        decider.set_targets(&targets);
        for question in 0..u32::try_from(MOST_UNDER_WAY).unwrap() {
            assert_eq!(decider.ask(CallId(1), question, ask("a")), Ok(()));
        }
        assert_eq!(decider.ask(CallId(1), 99, ask("a")), Err(Unanswered::Busy));
        assert_eq!(decider.ask(CallId(1), 99, ask("b")), Ok(()), "another one is not held up");
        assert_eq!(decider.ask(CallId(1), 99, ask("c")), Err(Unanswered::Unreachable), "one that is in the plan no more");
        // A new plan forgets nothing of what is under way.
        decider.set_targets(&Targets::default());
        decider.set_targets(&targets);
        assert_eq!(decider.ask(CallId(1), 99, ask("a")), Err(Unanswered::Busy));
        for _ in 0..=MOST_UNDER_WAY {
            let Some(LineAsk::Decided(decided)) = line.recv().await else { panic!("every question comes to an end") };
            assert_eq!(decided.answer, Err(Unanswered::Late));
        }
        assert_eq!(decider.ask(CallId(1), 100, ask("a")), Ok(()), "there is room again");
    }
}
