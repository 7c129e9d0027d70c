//! The task that judges: the verifier, and the fetches it asks for.

use std::sync::Arc;

use rustls::ClientConfig;
use tandem_signaling::{
    endpoint::InviteId,
    identity::{Case, Fetched, Input, Output, Verdict, Verifier},
};
use tokio::{sync::mpsc, task::JoinSet, time::sleep_until};

use super::certificates;
use crate::clock;

/// Cases that may wait to be looked at; the calls of further ones are told that nobody can tell.
const CASES: usize = 1_024;

/// Verdicts that may wait for the line loop; the task waits with them.
const VERDICTS: usize = 1_024;

/// The verdict on one call.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    pub(super) invite: InviteId,
    pub(super) verdict: Verdict,
}

impl Judged {
    pub(in super::super) const fn invite(&self) -> InviteId {
        self.invite
    }

    pub(in super::super) const fn verdict(&self) -> Verdict {
        self.verdict
    }
}

/// The way to the task.
pub struct Judge(pub(in super::super) mpsc::Sender<Box<Case>>);

impl Judge {
    /// Starts the task on the current runtime; verdicts come out of the receiver. Certificates are fetched with this
    /// side of TLS.
    #[must_use]
    pub fn start(tls: Arc<ClientConfig>) -> (Self, mpsc::Receiver<Judged>) {
        let (cases_tx, cases) = mpsc::channel(CASES);
        let (verdicts_tx, verdicts) = mpsc::channel(VERDICTS);
        tokio::spawn(run(cases, verdicts_tx, tls));
        (Self(cases_tx), verdicts)
    }
}

type Fetch = (Arc<str>, Option<Fetched>);

async fn run(mut cases: mpsc::Receiver<Box<Case>>, verdicts: mpsc::Sender<Judged>, tls: Arc<ClientConfig>) {
    let mut verifier = Verifier::default();
    let mut fetches: JoinSet<Fetch> = JoinSet::new();
    loop {
        let due = verifier.deadline();
        let input = tokio::select! {
            case = cases.recv() => match case {
                Some(case) => Input::Examine(case),
                None => return,
            },
            Some(done) = fetches.join_next() => match done {
                Ok((url, outcome)) => Input::Fetched { url, outcome },
                // A fetch that failed in itself: the verifier loses patience with it.
                Err(_) => continue,
            },
            () = sleep_until(due.unwrap_or_else(clock::instant).into()), if due.is_some() => Input::Tick,
        };
        verifier.handle(clock::instant(), input);
        while let Some(output) = verifier.poll() {
            match output {
                Output::Fetch { url, named } => {
                    let tls = Arc::clone(&tls);
                    fetches.spawn(async move {
                        let outcome = certificates::fetch(&url, named, tls).await;
                        (url, outcome)
                    });
                }
                Output::Judged { id, verdict, .. } => {
                    if verdicts.send(Judged { invite: InviteId(id), verdict }).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
