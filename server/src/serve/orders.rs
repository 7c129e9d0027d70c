//! The orders to change the plan: one at a time, and as they were given.

use std::{collections::VecDeque, future::pending};

use tandem_dialplan::Source;
use tokio::{sync::oneshot, task::JoinHandle};

use super::preparing::Base;
use crate::{
    http::{
        plan_order::{PlanAnswer, PlanNotTaken, PlanOrder},
        view::PlanProblem,
    },
    store::{Generation, PlanState, Record, WatchRules},
    wire::line::Service,
};

/// Orders that may wait for the one under way. Who gives one beyond that is told so.
const MAX_WAITING: usize = 16;
/// Who takes plans back that are watched.
pub const WATCH: &str = "watch";

/// A plan that is in service, or a canary.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What the journal says of it.
    pub taken: Generation,
    /// Its texts, with paths below the folder.
    pub sources: Vec<Source>,
}

/// What came of an order before the loops heard of it.
pub enum Done {
    /// Nothing was to be changed.
    Previewed {
        /// What would change, by name.
        changes: Vec<String>,
        /// The same line by line.
        diff: String,
        /// What the check warned of.
        warnings: Vec<PlanProblem>,
    },
    /// A plan is ready for service.
    Taken(Box<Taken>),
    /// The canary is to end.
    CanaryEnds(String),
    /// Files were edited, or not: whoever wished it was told. The plan in service stays.
    Edited,
}

/// A plan that is ready for service.
pub struct Taken {
    /// The plan with what it needs.
    pub service: Service,
    /// What the journal says of it.
    pub standing: Standing,
    /// What the check warned of.
    pub warnings: Vec<PlanProblem>,
    /// What else one should know.
    pub notes: Vec<String>,
    /// What is not written down yet.
    pub records: Vec<Record>,
    /// The last number that is given out now.
    pub last: u64,
    /// What becomes of the plan before, and why.
    pub before: (PlanState, String),
}

/// What an order comes to beside the loops.
pub type Outcome = Result<Done, PlanNotTaken>;

/// An order without its way back.
pub struct Asked {
    /// Who gave it.
    pub by: String,
    /// Why.
    pub message: Option<String>,
    /// When it goes back by itself.
    pub watch: Option<WatchRules>,
    /// The generation that must be in service for it.
    pub onto: Option<u64>,
    /// Nothing is to be changed.
    pub dry_run: bool,
}

/// An order under way, and the way of its answer.
type Running = (oneshot::Sender<PlanAnswer>, JoinHandle<(Asked, Outcome)>);

/// The order under way and those that wait for it.
#[derive(Default)]
pub struct Orders {
    waiting: VecDeque<PlanOrder>,
    running: Option<Running>,
}

impl Orders {
    /// Notes an order. `false`: there are too many, and whoever gave it was told so.
    pub fn give(&mut self, order: PlanOrder) -> bool {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(order);
            return true;
        }
        let too_many = format!("{MAX_WAITING} orders to change the plan are waiting already");
        let _asker_is_gone = order.reply.send(Err(PlanNotTaken::Conflict(too_many, "try again when they are done")));
        false
    }

    /// Whether nothing is under way, so that what an order builds upon may be looked at.
    #[must_use]
    pub const fn is_free(&self) -> bool {
        self.running.is_none()
    }

    /// Begins the next one, unless one is under way.
    pub fn start_next(&mut self, base: impl FnOnce() -> Base) {
        if self.running.is_none()
            && let Some(PlanOrder { by, message, task, watch, onto, dry_run, reply }) = self.waiting.pop_front()
        {
            let (asked, base) = (Asked { by, message, watch, onto, dry_run }, base());
            let work = async move {
                let outcome = base.carry_out(&asked, task).await;
                (asked, outcome)
            };
            self.running = Some((reply, tokio::spawn(work)));
        }
    }

    /// The one under way, when it has ended; never while there is none. May be dropped and called again.
    pub async fn ended(&mut self) -> (oneshot::Sender<PlanAnswer>, Asked, Outcome) {
        let Some((_, task)) = &mut self.running else { return pending().await };
        let (asked, outcome) = task.await.unwrap_or_else(|error| {
            let nobody = Asked { by: String::new(), message: None, watch: None, onto: None, dry_run: false };
            (nobody, Err(PlanNotTaken::Failed(format!("a fault of the switch: {error}"), "see the log")))
        });
        match self.running.take() {
            Some((reply, _)) => (reply, asked, outcome),
            None => pending().await,
        }
    }
}
