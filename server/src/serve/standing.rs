//! Which plan a start finds: that of the folder. It agrees with what the last process had in service, or is news.

use std::{convert::Infallible, path::Path, sync::Arc};

use tandem_dialplan::{Plan, Source};
use tandem_switch::time::Timestamp;

use super::{
    applying::beside,
    orders::Standing,
    plans::{self, Checked, LastReading, PlanFolder},
    preparing::written,
    trials::Watch,
};
use crate::{
    plan_diff, plan_folder,
    store::{Generation, GenerationRow, How, PlanNews, PlanState, Record, Store, StoreError, Terms},
    wire::{line::Service, trial::Trial},
};

/// Generations that are looked through for those that were in service.
const LOOKED_BACK: u32 = 100;
/// Who tells what the start does.
const START: &str = "start";

/// What a start finds.
pub struct Found {
    /// The plan in service.
    pub standing: Standing,
    /// A canary that goes on, if it still checks.
    canary: Option<GenerationRow>,
    /// The last number that was given to a plan.
    pub last: u64,
    /// What the journal is to hear.
    pub records: Vec<Record>,
}

/// Completes a folder that the last process was killed in the middle of writing, and writes a plan into it that it had
/// no time to begin with.
///
/// # Errors
/// The database.
pub async fn complete(store: &Store, path: &Path, now: Timestamp) -> Result<(), StoreError> {
    if let Err(error) = plan_folder::complete(path) {
        tracing::error!("the folder of the plan may be half written: {}", super::control::chain(&error));
    }
    let rows = store.generations(None, LOOKED_BACK).await?;
    let Some(half) = in_state(&rows, PlanState::Applying) else { return Ok(()) };
    let generation = half.taken.generation;
    let old = match in_state(&rows, PlanState::InService) {
        Some(old) => texts(store, old.taken.generation).await?,
        None => Vec::new(),
    };
    let new = texts(store, generation).await?;
    // What cannot be read is told by the check.
    let Ok(present) = plan_folder::read(path) else { return Ok(()) };
    if present == new {
        return Ok(());
    }
    let why = if !new.is_empty() && plan_folder::is_between(&present, &old, &new) {
        match plan_folder::write(path, &plan_folder::writes(&present, &new)) {
            Ok(()) => {
                tracing::warn!(
                    generation,
                    "the last process was killed while it wrote this plan into its folder; that is completed"
                );
                return Ok(());
            }
            Err(error) => format!("it was half written when the switch was killed, and cannot be completed: {error}"),
        }
    } else {
        "it was half written when the switch was killed, and somebody changed the folder since".to_owned()
    };
    tracing::error!(generation, "{why}");
    store.commit(&[news(generation, PlanState::Failed, why, now)]).await
}

/// What the plan of the folder is to the last process.
///
/// # Errors
/// The database.
pub async fn find(store: &Store, checked: &Checked, now: Timestamp) -> Result<Found, StoreError> {
    let rows = store.generations(None, LOOKED_BACK).await?;
    let last = rows.first().map_or(0, |row| row.taken.generation);
    let up = |row: &&GenerationRow| matches!(row.taken.state, PlanState::InService | PlanState::Applying);
    let canary = in_state(&rows, PlanState::Canary).cloned();
    let same = rows.iter().filter(up).find(|row| row.taken.files == checked.files);
    let mut records = Vec::new();
    let sources = checked.sources.clone();
    if let Some(same) = same {
        let generation = same.taken.generation;
        if same.taken.state == PlanState::Applying {
            records.push(news(generation, PlanState::InService, "in service since the start".to_owned(), now));
        }
        let why = format!("generation {generation} took its place");
        records.extend(others(&rows, generation).map(|it| news(it, PlanState::Replaced, why.clone(), now)));
        let taken = Generation { state: PlanState::InService, ..same.taken.clone() };
        return Ok(Found { standing: Standing { taken, sources }, canary, last, records });
    }
    let generation = last + 1;
    let old = match in_state(&rows, PlanState::InService) {
        Some(old) => texts(store, old.taken.generation).await?,
        None => Vec::new(),
    };
    let changes = if old.is_empty() { Vec::new() } else { plan_diff::summary(&old, &sources) };
    let (by, how, state, files) = (START.to_owned(), How::Start, PlanState::InService, checked.files.clone());
    let terms = Terms::default();
    let taken = Generation { generation, by, how, state, message: None, changes, terms, files, at: now };
    let nothing = Generation { files: Vec::new(), ..taken.clone() };
    records.extend(written(&taken, &sources, &nothing));
    let why = format!("the folder held another plan at the start: generation {generation}");
    records.extend(others(&rows, generation).map(|it| news(it, PlanState::Replaced, why.clone(), now)));
    let canary_ends = canary.map(|it| news(it.taken.generation, PlanState::RolledBack, why.clone(), now));
    records.extend(canary_ends);
    Ok(Found { standing: Standing { taken, sources }, canary: None, last: generation, records })
}

impl Found {
    /// Goes on with the canary of the last process and with the watch that was on.
    ///
    /// # Errors
    /// The database.
    pub async fn go_on(
        &mut self,
        store: &Store,
        folder: &PlanFolder,
        service: &mut Service,
        now: Timestamp,
    ) -> Result<(Option<Standing>, Option<Watch>), StoreError> {
        let canary = match self.canary.take() {
            Some(row) => self.canary_goes_on(store, folder, service, (row, now)).await?,
            None => None,
        };
        let watched = canary.as_ref().unwrap_or(&self.standing);
        let (generation, terms) = (watched.taken.generation, watched.taken.terms.watch);
        let Some(terms) = terms.filter(|terms| terms.until > now) else { return Ok((canary, None)) };
        let before = match &canary {
            Some(_) => Some(Arc::clone(&service.plan)),
            None => checked(folder, texts(store, terms.back_to).await?).await,
        };
        let trial = Arc::new(Trial::new(generation, before));
        service.trial = Some(Arc::clone(&trial));
        Ok((canary, Some(Watch { generation, terms, trial })))
    }

    async fn canary_goes_on(
        &mut self,
        store: &Store,
        folder: &PlanFolder,
        service: &mut Service,
        (row, now): (GenerationRow, Timestamp),
    ) -> Result<Option<Standing>, StoreError> {
        let generation = row.taken.generation;
        let sources = texts(store, generation).await?;
        let (folder, its_own) = (folder.clone(), sources.clone());
        let looked =
            tokio::task::spawn_blocking(move || (folder.check_texts(its_own, &mut LastReading::default()), folder)).await;
        let ready = match looked {
            Ok((Checked { plan: Some(plan), prompts, .. }, folder)) if !sources.is_empty() => {
                plans::service(plan, &folder.path, prompts, generation).await.ok()
            }
            _ => None,
        };
        let Some(ready) = ready else {
            let why = "it could not go on after the restart: it does not check any more".to_owned();
            tracing::error!(generation, "{why}");
            self.records.push(news(generation, PlanState::RolledBack, why, now));
            return Ok(None);
        };
        let standing = Standing { taken: row.taken, sources };
        *service = beside(service, ready, &standing);
        Ok(Some(standing))
    }
}

async fn checked(folder: &PlanFolder, sources: Vec<Source>) -> Option<Arc<Plan>> {
    let folder = folder.clone();
    let checked = tokio::task::spawn_blocking(move || folder.check_texts(sources, &mut LastReading::default())).await.ok()?;
    checked.plan.map(Arc::new)
}

async fn texts(store: &Store, generation: u64) -> Result<Vec<Source>, StoreError> {
    let texts = store.plan_texts(generation).await?;
    let sources = texts.into_iter().map(|(path, text)| Source::new(path, text)).collect();
    let Ok((sources, _unread)) = plan_folder::arranged(sources, |_| Ok::<_, Infallible>(None));
    Ok(sources)
}

fn in_state(rows: &[GenerationRow], state: PlanState) -> Option<&GenerationRow> {
    rows.iter().find(|row| row.taken.state == state)
}

/// What else was in service, or was to be.
fn others(rows: &[GenerationRow], than: u64) -> impl Iterator<Item = u64> {
    let up = |row: &&GenerationRow| matches!(row.taken.state, PlanState::InService | PlanState::Applying);
    rows.iter().filter(up).map(|row| row.taken.generation).filter(move |generation| *generation != than)
}

fn news(generation: u64, state: PlanState, why: String, at: Timestamp) -> Record {
    Record::PlanNews(PlanNews { generation, state, why, by: START.to_owned(), at })
}

#[cfg(test)]
mod tests;
