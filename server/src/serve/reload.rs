//! Reads a plan anew beside everything else that goes on, one reload at a time and in the order they were asked for.

use std::{collections::VecDeque, future::pending, path::Path};

use tandem_dialplan::LoadError;
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    control::{chain, problems},
    plans::{self, Checked, LastReading, PlanFolder},
};
use crate::{
    http::view::{PlanProblem, PlanView},
    store::PlanFile,
    wire::line::Service,
};

/// Reloads that may wait for the one under way. Who asks beyond that is told so.
const MAX_WAITING: usize = 16;

/// Somebody's wish for a reload.
pub struct Reload {
    /// Who asks.
    pub by: String,
    /// What came of it.
    pub reply: oneshot::Sender<Result<PlanView, Vec<PlanProblem>>>,
}

/// A plan without errors, ready for service.
pub struct Loaded {
    /// The plan with what it needs.
    pub service: Service,
    /// Its files, for the journal.
    pub files: Vec<PlanFile>,
    /// What the check warned of.
    pub warnings: Vec<PlanProblem>,
}

type Outcome = Result<Loaded, Vec<PlanProblem>>;

/// The reload under way and those that wait for it.
#[derive(Default)]
pub struct Reloads {
    waiting: VecDeque<Reload>,
    running: Option<(Reload, JoinHandle<(LastReading, Outcome)>)>,
    /// With the one under way while there is one.
    last: LastReading,
}

impl Reloads {
    /// Notes a wish.
    pub fn ask(&mut self, reload: Reload) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(reload);
        } else {
            let too_many = format!("{MAX_WAITING} reloads are waiting already; ask again when they are done");
            let _asker_is_gone = reload.reply.send(Err(vec![problem(&too_many)]));
        }
    }

    /// Begins the next one, unless one is under way. Its plan will be of this generation.
    pub fn start_next(&mut self, folder: &PlanFolder, generation: u64) {
        if self.running.is_none()
            && let Some(reload) = self.waiting.pop_front()
        {
            self.running = Some((reload, tokio::spawn(load(folder.clone(), generation, std::mem::take(&mut self.last)))));
        }
    }

    /// The one under way, when it has ended; never while there is none. May be dropped and called again.
    pub async fn ended(&mut self) -> (Reload, Outcome) {
        let Some((_, task)) = &mut self.running else { return pending().await };
        // One that broke off takes what it knew with it: the next reads everything.
        let (last, outcome) = task.await.unwrap_or_else(|error| (LastReading::default(), Err(vec![problem(&error.to_string())])));
        self.last = last;
        match self.running.take() {
            Some((reload, _)) => (reload, outcome),
            None => pending().await,
        }
    }
}

async fn load(folder: PlanFolder, generation: u64, mut last: LastReading) -> (LastReading, Outcome) {
    let path = folder.path.clone();
    let read = move || {
        let checked = folder.check_again(&mut last).inspect(|checked| checked.prompts.load_all());
        (last, checked)
    };
    match tokio::task::spawn_blocking(read).await {
        Ok((last, checked)) => (last, ready(checked, &path, generation).await),
        Err(error) => (LastReading::default(), Err(vec![problem(&error.to_string())])),
    }
}

/// Fetches what a plan needs in service.
async fn ready(checked: Result<Checked, LoadError>, path: &Path, generation: u64) -> Outcome {
    let checked = checked.map_err(|error| vec![problem(&chain(&error))])?;
    let warnings = problems(&checked.report);
    let Some(plan) = checked.plan else { return Err(warnings) };
    let service = plans::service(plan, path, checked.prompts, generation).await;
    let service = service.map_err(|error| vec![problem(&error.to_string())])?;
    Ok(Loaded { service, files: checked.files, warnings })
}

/// A problem that is not in a file.
fn problem(message: &str) -> PlanProblem {
    PlanProblem { severity: "error".to_owned(), file: String::new(), line: 0, column: 0, message: message.to_owned(), help: None }
}
