//! Makes plans ready for service, beside everything else that goes on: reads, checks, compares, writes.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use tandem_dialplan::{LoadError, Plan, Source, changes};
use tandem_switch::time::Timestamp;

use super::{
    control::{chain, problems},
    orders::{Asked, Done, Outcome, Standing, Taken, WATCH},
    plans::{self, Checked, LastReading, PlanFolder, files_of},
};
use crate::{
    clock,
    http::{
        plan_order::{PlanNotTaken, PlanTask},
        view::PlanProblem,
    },
    plan_diff,
    plan_folder::{self, DiskError, Write},
    store::{Generation, How, PlanNews, PlanState, PlanTexts, Record, Share, Store, StoreError, Terms, WatchTerms},
};

/// Generations that are looked through for one to go back to.
const LOOKED_BACK: u32 = 50;

/// What the folder is to hold before the loops hear of a plan.
pub(super) enum Writes {
    /// What it holds.
    Nothing,
    /// The plan, and no other files of one.
    All,
    /// The plan, by changing these files.
    These(Vec<Write>),
}

/// What an order is carried out upon.
#[derive(Clone)]
pub struct Base {
    /// Where the plan lies.
    pub folder: PlanFolder,
    /// Where generations are kept.
    pub store: Store,
    /// The last number that was given out.
    pub last: u64,
    /// What is in service.
    pub running: Arc<Standing>,
    /// The canary.
    pub canary: Option<Arc<Standing>>,
    /// What the last order read: the next one reads only what is new. Orders are carried out one by one.
    pub reading: Arc<Mutex<LastReading>>,
}

/// A plan that was read and checked, on its way into service.
pub(super) struct New {
    how: How,
    checked: Checked,
    plan: Plan,
    warnings: Vec<PlanProblem>,
    before: (PlanState, String),
}

impl Base {
    /// Does all of an order that can be done beside the loops.
    ///
    /// # Errors
    /// Why the plan in service stays.
    pub async fn carry_out(self, asked: &Asked, task: PlanTask) -> Outcome {
        let running = self.running.taken.generation;
        if let Some(onto) = asked.onto.filter(|onto| *onto != running) {
            let sentence = format!("generation {running} is in service, not {onto}: somebody was faster");
            return Err(PlanNotTaken::Conflict(sentence, "look at what changed (`tandem history`), and apply upon that"));
        }
        let replaced = |next: u64| (PlanState::Replaced, format!("generation {next} took its place"));
        match task {
            PlanTask::Reload => {
                let sources = self.read().await?;
                let new = self.check(How::Reload, sources, replaced(self.last + 1)).await?;
                self.take(asked, new, None, Writes::Nothing).await
            }
            PlanTask::Apply(sources) => {
                let sources = self.fitting(sources)?;
                let new = self.check(How::Apply, sources, replaced(self.last + 1)).await?;
                self.take(asked, new, None, Writes::All).await
            }
            PlanTask::Canary(sources, share) => self.begin_canary(asked, sources, share).await,
            PlanTask::Promote => {
                let Some(canary) = self.canary.clone() else { return Err(no_canary()) };
                let number = canary.taken.generation;
                let new = self.check(How::Canary, canary.sources.clone(), replaced(number)).await?;
                self.take(asked, new, Some(number), Writes::All).await
            }
            PlanTask::Rollback(None) if self.canary.is_some() => Ok(Done::CanaryEnds(self.why(asked))),
            PlanTask::Rollback(Some(wanted)) if self.canary_is(wanted) => {
                let sentence = format!("generation {wanted} is the canary");
                Err(PlanNotTaken::Conflict(sentence, "promote it (`tandem apply --promote`) or end it (`tandem rollback`)"))
            }
            PlanTask::Rollback(wanted) => {
                let to = match wanted {
                    Some(wanted) => wanted,
                    None => self.one_before().await?,
                };
                self.go_back(asked, to).await
            }
            PlanTask::TakeBack(bad) if self.canary_is(bad) => Ok(Done::CanaryEnds(self.why(asked))),
            PlanTask::TakeBack(bad) => match self.running.taken.terms.watch {
                Some(watch) if running == bad => self.go_back(asked, watch.back_to).await,
                _ => Err(PlanNotTaken::NotThere(format!("generation {bad} is not in service any more"))),
            },
            PlanTask::Edit(task) => self.edit(asked, *task, replaced(self.last + 1)).await,
        }
    }

    /// Texts from outside, in the order in which a folder is read.
    fn fitting(&self, sources: Vec<Source>) -> Result<Vec<Source>, PlanNotTaken> {
        let fitting = plan_folder::fitting(plan_folder::sharing(sources, &self.running.sources));
        fitting.map_err(|sentence| PlanNotTaken::Problems(vec![PlanProblem::of_no_file(&sentence, None)]))
    }

    fn canary_is(&self, generation: u64) -> bool {
        self.canary.as_ref().is_some_and(|canary| canary.taken.generation == generation)
    }

    fn why(&self, asked: &Asked) -> String {
        asked.message.clone().unwrap_or_else(|| "rolled back".to_owned())
    }

    async fn begin_canary(&self, asked: &Asked, sources: Vec<Source>, share: Share) -> Outcome {
        if let Some(canary) = &self.canary {
            let sentence = format!("generation {} is a canary already", canary.taken.generation);
            return Err(PlanNotTaken::Conflict(sentence, "promote it (`tandem apply --promote`) or end it (`tandem rollback`)"));
        }
        let sources = self.fitting(sources)?;
        let differs = changes(&self.running.sources, &sources);
        let others: Vec<String> = differs.iter().filter(|change| !change.is_of_calls()).map(ToString::to_string).collect();
        if !others.is_empty() {
            let sentence = format!(
                "a canary may differ in routes, schedules, defaults and tests only, for all else is there once for all calls; \
                 this plan has {}",
                others.join(", ")
            );
            return Err(PlanNotTaken::Conflict(sentence, "apply that part for all calls first, or leave it out"));
        }
        let new = self.check(How::Canary, sources, (PlanState::InService, String::new())).await?;
        let done = self.take_with(asked, new, None, (Writes::Nothing, Some(share))).await?;
        Ok(done)
    }

    /// The generation that was in service before this one and was not taken back.
    async fn one_before(&self) -> Result<u64, PlanNotTaken> {
        let Generation { generation, files, how, .. } = &self.running.taken;
        let below = if let How::Rollback(to) = how { *to } else { *generation };
        let rows = self.store.generations(Some(below), LOOKED_BACK).await.map_err(away)?;
        let row = rows.into_iter().find(|row| row.taken.state == PlanState::Replaced && row.taken.files != *files);
        row.map(|row| row.taken.generation)
            .ok_or_else(|| PlanNotTaken::NotThere(format!("no other plan was in service before generation {generation}")))
    }

    async fn go_back(&self, asked: &Asked, to: u64) -> Outcome {
        if to == self.running.taken.generation {
            return Err(PlanNotTaken::Conflict(format!("generation {to} is in service"), "see `tandem history` for the others"));
        }
        let texts = self.store.plan_texts(to).await.map_err(away)?;
        if texts.is_empty() {
            return Err(PlanNotTaken::NotThere(format!("there is no generation {to}, or its texts are not kept any more")));
        }
        let sources = texts.into_iter().map(|(path, text)| Source::new(path, text)).collect();
        let why = asked.message.as_ref().map_or_else(String::new, |message| format!(": {message}"));
        let before = (PlanState::RolledBack, format!("back to generation {to}{why}"));
        let new = self.check(How::Rollback(to), self.fitting(sources)?, before).await?;
        let asked = Asked { by: asked.by.clone(), message: asked.message.clone(), watch: None, onto: None, dry_run: false };
        self.take(&asked, new, None, Writes::All).await
    }

    async fn read(&self) -> Result<Vec<Source>, PlanNotTaken> {
        let (folder, running) = (self.folder.path.clone(), Arc::clone(&self.running));
        let read = move || plan_folder::read(&folder).map(|sources| plan_folder::sharing(sources, &running.sources));
        let read = tokio::task::spawn_blocking(read).await.map_err(|error| failed(&error))?;
        read.map_err(|error| unreadable(&error))
    }

    pub(super) async fn check(&self, how: How, sources: Vec<Source>, before: (PlanState, String)) -> Result<New, PlanNotTaken> {
        let (folder, reading) = (self.folder.clone(), Arc::clone(&self.reading));
        let work = move || {
            let checked = folder.check_texts(sources, &mut reading.lock().unwrap_or_else(PoisonError::into_inner));
            checked.prompts.load_all();
            checked
        };
        let mut checked = tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error))?;
        let warnings = problems(&checked.report);
        let Some(plan) = checked.plan.take() else { return Err(PlanNotTaken::Problems(warnings)) };
        Ok(New { how, checked, plan, warnings, before })
    }

    pub(super) async fn take(&self, asked: &Asked, new: New, number: Option<u64>, writes: Writes) -> Outcome {
        self.take_with(asked, new, number, (writes, None)).await
    }

    /// `writes`: the folder is to hold the plan before the loops hear of it, and the database to know of both.
    async fn take_with(&self, asked: &Asked, new: New, number: Option<u64>, (writes, share): (Writes, Option<Share>)) -> Outcome {
        let New { how, checked, plan, warnings, before } = new;
        let Checked { prompts, files, sources, .. } = checked;
        let running = Arc::clone(&self.running);
        if asked.dry_run {
            let differ = tokio::task::spawn_blocking(move || plan_diff::differ(&running.sources, &sources)).await;
            let differ = differ.map_err(|error| failed(&error))?;
            return Ok(Done::Previewed { changes: differ.changes, diff: differ.diff, warnings });
        }
        let now = clock::now().at;
        let mut notes = Vec::new();
        let (mut records, mut last) = (Vec::new(), self.last);
        let writes = match writes {
            Writes::Nothing => None,
            Writes::All => Some(self.make_room(&sources, now, (&mut records, &mut last, &mut notes)).await?),
            Writes::These(writes) => Some(writes),
        };
        let generation = number.unwrap_or(last + 1);
        let service = plans::service(plan, &self.folder.path, prompts, generation).await;
        let service = service.map_err(|error| PlanNotTaken::Problems(vec![PlanProblem::of_no_file(&chain(&error), None)]))?;
        let (old, new) = (running.sources.clone(), sources.clone());
        let changes =
            tokio::task::spawn_blocking(move || plan_diff::summary(&old, &new)).await.map_err(|error| failed(&error))?;
        let back_to = running.taken.generation;
        let watch = asked.watch.map(|rules| WatchTerms { rules, back_to, until: now.plus_ms(rules.for_ms) });
        let state = match (&share, &writes) {
            (Some(_), _) => PlanState::Canary,
            (None, Some(_)) => PlanState::Applying,
            (None, None) => PlanState::InService,
        };
        // What is promoted was somebody's canary before.
        let canary = self.canary.as_ref().filter(|_| number.is_some()).map(|canary| &canary.taken);
        let message = asked.message.clone().or_else(|| canary.and_then(|canary| canary.message.clone()));
        let share = share.or_else(|| canary.and_then(|canary| canary.terms.share.clone()));
        let (by, terms) = (asked.by.clone(), Terms { share, watch });
        let mut taken = Generation { generation, by, how, state, message, changes, terms, files, at: now };
        records.extend(written(&taken, &sources, &running.taken));
        if let Some(writes) = writes {
            match self.write(records, generation, (writes, &sources)).await {
                // Calls come before the folder: a plan that is too bad to stay goes, and the next start is warned of.
                Err(PlanNotTaken::Failed(sentence, _)) if asked.by == WATCH => {
                    tracing::error!("{sentence}; the plan that went lies there still, and the next start would find it");
                    notes.push(format!("{sentence}; the plan that went lies there still"));
                }
                written => written?,
            }
            (records, taken.state) = (Vec::new(), PlanState::InService);
        }
        if taken.state == PlanState::Canary {
            // Whoever was told of it finds it again after a kill.
            self.store.commit(&records).await.map_err(away)?;
            records.clear();
        }
        let standing = Standing { taken, sources };
        Ok(Done::Taken(Box::new(Taken { service, standing, warnings, notes, records, last: last.max(generation), before })))
    }

    /// What turns the folder into a plan. What lies there and is neither in service nor to come is kept as a generation of its own.
    async fn make_room(
        &self,
        new: &[Source],
        now: Timestamp,
        (records, last, notes): (&mut Vec<Record>, &mut u64, &mut Vec<String>),
    ) -> Result<Vec<Write>, PlanNotTaken> {
        let (present, is_news) = self.present(new).await?;
        if is_news {
            *last += 1;
            let changes = plan_diff::summary(&self.running.sources, &present);
            let (by, how, state) = ("folder".to_owned(), How::Folder, PlanState::SetAside);
            let files = files_of(&present);
            let terms = Terms::default();
            let aside = Generation { generation: *last, by, how, state, message: None, changes, terms, files, at: now };
            notes.push(format!("the folder held changes that were not in service: they are kept as generation {last}"));
            records.extend(written(&aside, &present, &self.running.taken));
        }
        Ok(plan_folder::writes(&present, new))
    }

    /// What lies in the folder, with what lies where files of a plan will and nothing imports now; and whether any of it
    /// is neither in service nor in that plan.
    async fn present(&self, new: &[Source]) -> Result<(Vec<Source>, bool), PlanNotTaken> {
        let mut present = self.read().await?;
        let mut is_news = present != self.running.sources && present != *new;
        for source in new.iter().filter(|source| source.path.contains('/')) {
            if present.iter().all(|it| it.path != source.path) {
                let unread = plan_folder::read_one(&self.folder.path, &source.path).map_err(|error| unreadable(&error))?;
                is_news |= unread.as_ref().is_some_and(|unread| unread.text != source.text);
                present.extend(unread);
            }
        }
        Ok((present, is_news))
    }

    /// The database first: whoever starts after a kill finds there what the folder was to hold.
    async fn write(
        &self,
        records: Vec<Record>,
        generation: u64,
        (writes, new): (Vec<Write>, &[Source]),
    ) -> Result<(), PlanNotTaken> {
        self.store.commit(&records).await.map_err(away)?;
        let (folder, new) = (self.folder.path.clone(), new.to_vec());
        let work = move || put(&folder, &writes, &new);
        let Err(error) = tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error))? else { return Ok(()) };
        let sentence = format!("the folder {} cannot be written: {}", self.folder.path.display(), chain(&error));
        let (why, by, at) = (sentence.clone(), "folder".to_owned(), clock::now().at);
        let state = if self.canary_is(generation) { PlanState::Canary } else { PlanState::Failed };
        let news = PlanNews { generation, state, why, by, at };
        self.store.commit(&[Record::PlanNews(news)]).await.map_err(away)?;
        if let DiskError::Changed(_) | DiskError::Busy = error {
            return Err(PlanNotTaken::Conflict(sentence, "the plan in service stays; look at the folder, and try again"));
        }
        Err(PlanNotTaken::Failed(
            sentence,
            "the plan in service stays; make the folder writable, or change the files there and reload",
        ))
    }
}

/// Writes the folder and looks whether it reads as was meant; puts things back when it does not.
fn put(folder: &Path, writes: &[Write], new: &[Source]) -> Result<(), DiskError> {
    plan_folder::write(folder, writes)?;
    let why = match plan_folder::read(folder) {
        Ok(present) if present == new => return Ok(()),
        Ok(_) => "it reads otherwise than it was written: somebody changed it too".to_owned(),
        Err(error) => chain(&error),
    };
    let back: Vec<_> = writes.iter().rev().map(Write::back).collect();
    if let Err(error) = plan_folder::write(folder, &back) {
        tracing::error!("the folder of the plan could not be put back as it was: {}", chain(&error));
    }
    Err(DiskError::System { path: folder.to_owned(), source: std::io::Error::other(why) })
}

/// A generation with its texts; those that the one in service has too are kept already.
pub fn written(taken: &Generation, sources: &[Source], running: &Generation) -> [Record; 2] {
    let is_new = |sha256: &str| running.files.iter().all(|file| file.sha256 != sha256);
    let texts = taken.files.iter().zip(sources).filter(|(file, _)| is_new(&file.sha256));
    let texts = texts.map(|(file, source)| (file.sha256.clone(), Arc::clone(&source.text))).collect();
    let texts = PlanTexts { generation: taken.generation, files: taken.files.clone(), texts };
    [Record::PlanTexts(texts), Record::PlanLoaded(Box::new(taken.clone()))]
}

fn unreadable(error: &LoadError) -> PlanNotTaken {
    PlanNotTaken::Problems(vec![PlanProblem::of_no_file(&chain(error), None)])
}

fn no_canary() -> PlanNotTaken {
    PlanNotTaken::Conflict("there is no canary".to_owned(), "begin one: `tandem apply DIR --canary 10%`")
}

pub(super) fn away(error: StoreError) -> PlanNotTaken {
    let todo = "the plan in service stays; try again when the database is there";
    PlanNotTaken::Failed(format!("the database: {}", chain(&error)), todo)
}

pub(super) fn failed(error: &dyn std::error::Error) -> PlanNotTaken {
    PlanNotTaken::Failed(format!("a fault of the switch: {}", chain(error)), "see the log; the plan in service stays")
}
