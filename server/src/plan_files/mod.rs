//! The files of the plan as somebody edits them: read with their hashes, changed only from the text that was seen.
//!
//! A change is made in two steps. [`PlanFiles::propose`] holds a wish against the files as they are, checks the plan as it
//! would be, and writes nothing. [`PlanFiles::take`] writes a proposal, if the files are still those it was made from.
//! Nothing here takes a plan into service: on a running switch wishes are orders to change the plan, which go one by one.

mod memory;
mod propose;
mod refused;

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use tandem_dialplan::{LoadError, Source};
use utoipa::ToSchema;

use self::memory::Memory;
pub use self::{
    memory::FileChanged,
    propose::{PlanEdits, Precondition, Proposal, Wish},
    refused::{Conflict, EditRefused, Refused},
};
use crate::{
    http::view::{At, PlanProblem},
    plan_folder::{self, DiskError, Write, hash},
    serve::{control::problems, plans::surroundings},
};

/// A file of the plan as it lies on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanText {
    /// Its path below the folder.
    pub name: String,
    /// Its text.
    pub text: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl PlanText {
    fn of(source: &Source) -> Self {
        Self { name: source.path.clone(), text: source.text.to_string(), sha256: hash(source.text.as_bytes()) }
    }
}

/// What a proposal does to one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileChange {
    /// The file.
    pub file: String,
    /// The ETag that it had; absent when it is new.
    pub before: Option<String>,
    /// The ETag that it has then; absent when it is gone.
    pub etag: Option<String>,
    /// The nodes at the top of the file that differ, each as `added route "night"`.
    pub nodes: Vec<String>,
    /// What differs, in the unified format.
    pub diff: String,
}

/// The folder of a plan.
#[derive(Debug)]
pub struct PlanFiles {
    folder: PathBuf,
    memory: Mutex<Memory>,
}

impl PlanFiles {
    /// The files of a folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), memory: Mutex::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Whoever panicked left whole entries.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every file of the plan. Blocks.
    ///
    /// # Errors
    /// The folder or a file cannot be read.
    pub fn read(&self) -> Result<Vec<PlanText>, LoadError> {
        Ok(self.look()?.1)
    }

    /// The same, as the language takes it and as others see it. It is remembered for those who come back with it.
    fn look(&self) -> Result<(Vec<Source>, Vec<PlanText>), LoadError> {
        let sources = plan_folder::read(&self.folder)?;
        let texts: Vec<_> = sources.iter().map(PlanText::of).collect();
        let mut memory = self.memory();
        for file in &texts {
            memory.keep(&file.sha256, &file.text);
        }
        drop(memory);
        Ok((sources, texts))
    }

    /// One file, also one that nothing imports yet. Blocks.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read_one(&self, name: &str) -> Result<Option<PlanText>, LoadError> {
        let found = plan_folder::read_one(&self.folder, name)?.as_ref().map(PlanText::of);
        if let Some(file) = &found {
            self.remember(&file.sha256, &file.text);
        }
        Ok(found)
    }

    /// Keeps a text that somebody may come back with.
    pub fn remember(&self, sha256: &str, text: &str) {
        self.memory().keep(sha256, text);
    }

    /// The hashes of a wish whose texts are not known here.
    #[must_use]
    pub fn unknown(&self, wish: &Wish) -> Vec<String> {
        let memory = self.memory();
        wish.hashes().into_iter().filter(|sha256| memory.text(sha256).is_none()).collect()
    }

    /// What `tandem check` says of these texts in this folder.
    fn problems(&self, sources: &[Source]) -> Vec<PlanProblem> {
        let (world, _) = surroundings(&self.folder, sources);
        let (_, report) = tandem_dialplan::check(sources, &world);
        problems(&report)
    }

    /// Writes a proposal: all of it, or nothing. Blocks until the disk has it.
    ///
    /// # Errors
    /// Why nothing was written; above all, that a file is not what the proposal was made from.
    pub fn take(&self, proposal: &Proposal, by: &str, at: At) -> Result<(), Refused> {
        plan_folder::write(&self.folder, &proposal.writes).map_err(|error| match error {
            DiskError::Changed(name) => self.moved_on(&proposal.writes, &name),
            error => Refused::Disk(error),
        })?;
        self.note(proposal, by, at);
        Ok(())
    }

    /// Remembers a proposal that was written.
    pub fn note(&self, proposal: &Proposal, by: &str, at: At) {
        let mut memory = self.memory();
        for Write { name, before, after } in &proposal.writes {
            let of = |text: &Option<std::sync::Arc<str>>| text.as_ref().map(|text| hash(text.as_bytes()));
            let (before, sha256) = (of(before), of(after));
            if let (Some(sha256), Some(text)) = (&sha256, after) {
                memory.keep(sha256, text);
            }
            memory.note(name, FileChanged { by: by.to_owned(), at, before, after: sha256 });
        }
    }

    /// The refusal of a write that found another text than it was made from.
    fn moved_on(&self, writes: &[Write], name: &str) -> Refused {
        let base = writes
            .iter()
            .find(|write| write.name == name)
            .and_then(|write| write.before.as_ref())
            .map(|text| hash(text.as_bytes()));
        match self.read_one(name) {
            Ok(now) => Refused::Conflict(vec![self.conflict(name, base.as_deref(), now.as_ref())]),
            Err(error) => Refused::Folder(error),
        }
    }

    /// What became of a file since somebody saw it.
    fn conflict(&self, name: &str, base: Option<&str>, now: Option<&PlanText>) -> Conflict {
        let memory = self.memory();
        let (changes, whole) = memory.since(name, base, now.map(|file| file.sha256.as_str()));
        let before = match base {
            None => Some(String::new()),
            Some(base) => memory.text(base),
        };
        let after = now.map_or("", |file| &file.text);
        Conflict {
            file: name.to_owned(),
            base: base.map(etag),
            etag: now.map(|file| etag(&file.sha256)),
            changes,
            outside: !whole,
            known: before.is_some(),
            nodes: before.as_deref().map(|before| nodes(before, after)).unwrap_or_default(),
            diff: before.map(|before| tandem_dialplan::unified(&before, after)).unwrap_or_default(),
        }
    }
}

/// The top nodes that differ, as `changed queue "support"`.
fn nodes(before: &str, after: &str) -> Vec<String> {
    let changes = tandem_dialplan::node_changes(before, after);
    changes.into_iter().map(|change| format!("{} {}", crate::http::view::word(&change.what), change.node)).collect()
}

/// The ETag of a hash.
#[must_use]
pub fn etag(sha256: &str) -> String {
    format!("\"{sha256}\"")
}

/// The hash of an ETag; hashes without quotes are taken too.
#[must_use]
pub fn of_etag(etag: &str) -> Option<String> {
    let etag = etag.trim();
    let bare = etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag);
    (bare.len() == 64 && bare.bytes().all(|b| b.is_ascii_hexdigit())).then(|| bare.to_ascii_lowercase())
}

/// Whether somebody may make a file of that name: plain names, in the folder of the plan or below it.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    let plain =
        |part: &str| part.len() <= 64 && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    plan_folder::is_path(name) && name.split('/').all(plain)
}

#[cfg(test)]
mod tests;
