//! Edits of the plan's files, as orders among the others: what is checked is what is written, and what is written is what
//! comes into service.

use std::sync::Arc;

use super::{
    orders::{Asked, Done, Outcome},
    preparing::{Base, Writes, failed},
};
use crate::{
    clock,
    http::{
        plan_order::{EditAnswer, EditTask, Edited, PlanNotTaken},
        view::At,
    },
    plan_files::{PlanFiles, Proposal, Refused, Wish},
    plan_folder,
    store::{How, PlanState},
};

/// Nodes that a message names which nobody wrote.
const MAX_NAMED: usize = 4;

impl Base {
    /// Carries a wish out. Whoever has it is told what became of the files; the outcome is about the plan in service.
    pub(super) async fn edit(&self, asked: &Asked, task: EditTask, before: (PlanState, String)) -> Outcome {
        let EditTask { files, wish, apply, done } = task;
        self.recall(&files, &wish).await;
        let wish = Arc::new(wish);
        let proposal = match proposed(&files, &wish).await? {
            Ok(proposal) if asked.dry_run || proposal.writes.is_empty() && !apply => {
                return Ok(told(done, Ok(Edited { proposal, is_written: !asked.dry_run })));
            }
            Ok(proposal) => proposal,
            Err(refused) => return Ok(told(done, Err(refused))),
        };
        if !apply {
            return Ok(told(done, written(&files, proposal, &asked.by).await?));
        }
        let message = asked.message.clone().unwrap_or_else(|| message(&proposal));
        let asked = Asked { by: asked.by.clone(), message: Some(message), watch: asked.watch, onto: None, dry_run: false };
        let outcome =
            match self.check(How::Edit, plan_folder::sharing(proposal.sources.clone(), &self.running.sources), before).await {
                Ok(new) => self.take(&asked, new, None, Writes::These(proposal.writes.clone())).await,
                Err(why) => Err(why),
            };
        match &outcome {
            Ok(_) => files.note(&proposal, &asked.by, At(clock::now().at)),
            // An editor may have been faster than the disk: then the wish is about a text that is gone.
            Err(PlanNotTaken::Conflict(..)) => {
                if let Err(refused) = proposed(&files, &wish).await? {
                    let _asker_is_gone = done.send(Err(refused));
                    return outcome;
                }
            }
            Err(_) => {}
        }
        let _asker_is_gone = done.send(Ok(Edited { proposal, is_written: outcome.is_ok() }));
        outcome
    }

    /// Texts that a wish was made from and that only the generations know.
    async fn recall(&self, files: &PlanFiles, wish: &Wish) {
        for sha256 in files.unknown(wish) {
            match self.store.plan_text(&sha256).await {
                Ok(Some(text)) => files.remember(&sha256, &text),
                Ok(None) => {}
                // It only makes a refusal say less.
                Err(error) => tracing::warn!(%error, "the texts of generations cannot be read"),
            }
        }
    }
}

fn told(done: tokio::sync::oneshot::Sender<EditAnswer>, answer: EditAnswer) -> Done {
    let _asker_is_gone = done.send(answer);
    Done::Edited
}

async fn proposed(files: &Arc<PlanFiles>, wish: &Arc<Wish>) -> Result<Result<Proposal, Refused>, PlanNotTaken> {
    let (files, wish) = (Arc::clone(files), Arc::clone(wish));
    tokio::task::spawn_blocking(move || files.propose(&wish)).await.map_err(|error| failed(&error))
}

async fn written(files: &Arc<PlanFiles>, proposal: Proposal, by: &str) -> Result<EditAnswer, PlanNotTaken> {
    let (files, by, at) = (Arc::clone(files), by.to_owned(), At(clock::now().at));
    let work = move || files.take(&proposal, &by, at).map(|()| Edited { proposal, is_written: true });
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error))
}

/// What an edit does, for the history.
fn message(proposal: &Proposal) -> String {
    let nodes = proposal.files.iter().flat_map(|file| file.nodes.iter().map(move |node| format!("{}: {node}", file.file)));
    let mut named: Vec<_> = nodes.clone().take(MAX_NAMED).map(|it| it.chars().take(100).collect::<String>()).collect();
    let more = nodes.count() - named.len();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    if named.is_empty() { "edited".to_owned() } else { named.join("; ") }
}
