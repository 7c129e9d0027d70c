//! From a wish to a proposal: held against the files as they are, and checked.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tandem_dialplan::{Desk, Edit, LoadError, MAX_FILES, Source, Touched};
use utoipa::ToSchema;

use super::{Conflict, FileChange, PlanFiles, PlanText, Refused, etag, hash, is_file_name, nodes, of_etag};
use crate::{
    http::view::PlanProblem,
    plan_folder::{Write, arranged, read_one},
};

/// Edits in one request. Each reads its file once more.
const MAX_EDITS: usize = 100;

/// Edits of one or more files that are made together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanEdits {
    /// The ETag of each file that an edit changes, as it was when its text was read.
    #[serde(default)]
    pub base: BTreeMap<String, String>,
    /// What is to be done, one after another; docs/editing.md tells the words.
    #[schema(value_type = Vec<Object>, example = json!([{"do": "set", "at": "queue \"support\"", "name": "answer-target", "value": "30s"}]))]
    pub edits: Vec<Edit>,
    /// Make them although others changed a file meanwhile, if the nodes that they are about are as they were.
    #[serde(default)]
    pub rebase: bool,
    /// Only tell what would become of it.
    #[serde(default)]
    pub dry_run: bool,
    /// Take the plan into service too; when that fails, the files stay as they were.
    #[serde(default)]
    pub apply: bool,
    /// Why, for the history of the plan.
    #[serde(default)]
    pub message: Option<String>,
}

/// What must be there for a whole file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// No file of that name.
    Absent,
    /// The text with this hash.
    Is(String),
}

/// What somebody wants of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A whole file.
    Whole {
        /// Its path below the folder.
        name: String,
        /// Its text; `None`: it is to go.
        text: Option<String>,
        /// What must be there.
        precondition: Precondition,
    },
    /// Edits of nodes.
    Nodes(PlanEdits),
}

impl Wish {
    /// The texts that it was made from, by their hashes.
    pub(super) fn hashes(&self) -> BTreeSet<String> {
        match self {
            Self::Whole { precondition: Precondition::Is(sha256), .. } => BTreeSet::from([sha256.clone()]),
            Self::Whole { precondition: Precondition::Absent, .. } => BTreeSet::new(),
            Self::Nodes(wish) => wish.base.values().take(MAX_FILES).filter_map(|base| of_etag(base)).collect(),
        }
    }
}

/// A change of files that may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What is to be written.
    pub writes: Vec<Write>,
    /// The plan as it is then.
    pub sources: Vec<Source>,
    /// What it does to each file.
    pub files: Vec<FileChange>,
    /// What the check says of the plan as it would be.
    pub problems: Vec<PlanProblem>,
}

impl PlanFiles {
    /// What would come of a wish. Blocks.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn propose(&self, wish: &Wish) -> Result<Proposal, Refused> {
        match wish {
            Wish::Whole { name, text, precondition } => self.put(name, text.as_deref(), precondition),
            Wish::Nodes(wish) => self.edits(wish),
        }
    }

    /// A whole file, or its end (`None`). Blocks.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn put(&self, name: &str, text: Option<&str>, precondition: &Precondition) -> Result<Proposal, Refused> {
        if !is_file_name(name) {
            return Err(Refused::Name(name.chars().take(80).collect()));
        }
        let (before, now) = self.look()?;
        // What nothing imports yet can be written too: it must be there before an import of it can be.
        let unread = if now.iter().any(|file| file.name == name) { None } else { self.read_one(name)? };
        let there = now.iter().find(|file| file.name == name).or(unread.as_ref());
        let base = match precondition {
            Precondition::Absent => None,
            Precondition::Is(sha256) => Some(sha256.as_str()),
        };
        match (there, base) {
            (None, Some(_)) if text.is_none() => return Err(Refused::NoFile(name.to_owned())),
            (there, base) if there.map(|file| file.sha256.as_str()) != base => {
                return Err(Refused::Conflict(vec![self.conflict(name, base, there)]));
            }
            _ => {}
        }
        let then = text.map(|text| Source::new(name, text));
        let write = Write {
            name: name.to_owned(),
            before: there.map(|file| file.text.as_str().into()),
            after: then.as_ref().map(|then| then.text.clone()),
        };
        let mut sources = before.clone();
        sources.retain(|source| source.path != name);
        sources.extend(then);
        let writes = Vec::from_iter((write.before != write.after).then_some(write));
        self.proposal(&before, writes, sources)
    }

    /// Edits of nodes. Blocks.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn edits(&self, wish: &PlanEdits) -> Result<Proposal, Refused> {
        if !(1..=MAX_EDITS).contains(&wish.edits.len()) {
            return Err(Refused::Count(MAX_EDITS));
        }
        let (sources, now) = self.look()?;
        let stale = self.stale(wish, &now);
        if !stale.is_empty() && (!wish.rebase || stale.iter().any(|conflict| !conflict.known || conflict.etag.is_none())) {
            return Err(Refused::Conflict(stale));
        }
        let mut seen = (!stale.is_empty()).then(|| Desk::new(self.as_seen(wish, &sources)));
        let mut desk = Desk::new(sources.clone());
        for (index, edit) in wish.edits.iter().enumerate() {
            let touched = desk.edit(edit);
            let touched_then = seen.as_mut().map(|seen| seen.edit(edit));
            match (touched, touched_then) {
                (Err(refused), None) => return Err(Refused::Edit(index, refused)),
                (Ok(_), None) => {}
                (Ok(now), Some(Ok(then))) if same(&now, &then) => {}
                // It cannot be made now, or is not about what was seen.
                (now, then) => {
                    let address =
                        [then, Some(now)].into_iter().flatten().flatten().flatten().next().map(|touched| touched.address);
                    let address = address.unwrap_or_else(|| format!("what edit {} is about", index + 1));
                    return Err(Refused::Overlap { edit: index, address, conflicts: stale });
                }
            }
        }
        let writes = crate::plan_folder::writes(&sources, desk.sources());
        let proposal = self.proposal(&sources, writes, desk.sources().to_vec())?;
        let unbased = proposal.files.iter().filter(|change| !wish.base.contains_key(&change.file));
        let unbased: Vec<_> = unbased.filter_map(|change| Some((change.file.clone(), change.before.clone()?))).collect();
        if unbased.is_empty() { Ok(proposal) } else { Err(Refused::NoBase(unbased)) }
    }

    /// The files of the base that are not as they were.
    fn stale(&self, wish: &PlanEdits, now: &[PlanText]) -> Vec<Conflict> {
        let mut stale = Vec::new();
        for (name, base) in &wish.base {
            let there = now.iter().find(|file| file.name == *name);
            // What is no hash is that of nothing.
            let base = of_etag(base).unwrap_or_default();
            if there.is_none_or(|file| file.sha256 != base) {
                stale.push(self.conflict(name, Some(&base), there));
            }
        }
        stale
    }

    /// The files as whoever wishes saw them.
    fn as_seen(&self, wish: &PlanEdits, sources: &[Source]) -> Vec<Source> {
        let memory = self.memory();
        let mut seen = sources.to_vec();
        for source in &mut seen {
            let base = wish.base.get(&source.path).and_then(|base| of_etag(base));
            if let Some(text) = base.and_then(|base| memory.text(&base)) {
                source.text = text.into();
            }
        }
        seen
    }

    /// What the way from the files as they are to others does. The plan may hold errors afterwards only if it held
    /// them before: so a plan that is wrong can be mended step by step.
    fn proposal(&self, before: &[Source], writes: Vec<Write>, then: Vec<Source>) -> Result<Proposal, Refused> {
        let sources = self.as_read(&writes, then)?;
        let problems = self.problems(&sources);
        if problems.iter().any(is_error) {
            let before: BTreeSet<_> = self.problems(before).into_iter().filter(is_error).map(|p| (p.file, p.message)).collect();
            let new =
                |problem: &&PlanProblem| is_error(problem) && !before.contains(&(problem.file.clone(), problem.message.clone()));
            if problems.iter().any(|problem| new(&problem)) {
                return Err(Refused::Errors(problems));
            }
        }
        let files = writes.iter().map(|write| {
            let (before, after) = (write.before.as_deref(), write.after.as_deref());
            let tag = |text: &str| etag(&hash(text.as_bytes()));
            FileChange {
                file: write.name.clone(),
                before: before.map(tag),
                etag: after.map(tag),
                nodes: nodes(before.unwrap_or_default(), after.unwrap_or_default()),
                diff: tandem_dialplan::unified(before.unwrap_or_default(), after.unwrap_or_default()),
            }
        });
        Ok(Proposal { files: files.collect(), writes, sources, problems })
    }

    /// Files in the order in which they would be read, with those that are imported only now. What goes is not imported.
    fn as_read(&self, writes: &[Write], then: Vec<Source>) -> Result<Vec<Source>, LoadError> {
        let gone = |path: &str| writes.iter().any(|write| write.after.is_none() && write.name == path);
        let fetch = |path: &str| if gone(path) { Ok(None) } else { read_one(&self.folder, path) };
        arranged(then, fetch).map(|(sources, _unread)| sources)
    }
}

impl Proposal {
    /// Whether the plan could be taken into service, as far as the check can tell.
    #[must_use]
    pub fn is_right(&self) -> bool {
        !self.problems.iter().any(is_error)
    }
}

fn is_error(problem: &PlanProblem) -> bool {
    problem.severity == "error"
}

/// Whether an edit is about the same nodes, with the same texts, wherever they stand now.
fn same(now: &[Touched], then: &[Touched]) -> bool {
    let texts = |all: &[Touched]| all.iter().map(|touched| (touched.file.clone(), touched.text.clone())).collect::<Vec<_>>();
    texts(now) == texts(then)
}
