//! Puts new texts in the place of old ones: all of them or none, and never over what somebody else has saved meanwhile.
//!
//! Editors know no lock. So a new file is written whole beside the old one, the two change places in one step of the
//! kernel, and what came out is looked at: when it is not the text that the change was made from, they change back. What
//! is about to happen is written down before the first file changes: after a kill, [`complete`] goes on with it.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};

use super::{hash, hex, is_path};

/// Rights of a new file where there was none.
const MODE: u32 = 0o644;
/// Where it is written down what is about to happen.
const INTENT: &str = ".tandem-writing";

/// One file that is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Its path below the folder.
    pub name: String,
    /// The text that must be there; `None`: no such file must be there.
    pub before: Option<Arc<str>>,
    /// What will be there; `None`: nothing.
    pub after: Option<Arc<str>>,
}

impl Write {
    /// What takes this back.
    #[must_use]
    pub fn back(&self) -> Self {
        Self { name: self.name.clone(), before: self.after.clone(), after: self.before.clone() }
    }
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another text is there than the change was made from.
    #[error("{0} was changed by somebody else meanwhile")]
    Changed(String),
    /// A link is not written through, and a folder is no file.
    #[error("{0} is or lies behind a link, or is no file: edit what it leads to")]
    NoFile(String),
    /// Another process writes the plan.
    #[error("another process writes the files of the plan now")]
    Busy,
    /// The system.
    #[error("{path} cannot be written")]
    System {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Some files are new, others old, and that could not be undone.
    #[error("{path} could not be put back: {source}; look at the files of the plan, and at {beside} if it is there")]
    Torn {
        /// What.
        path: PathBuf,
        /// Where the other text may lie.
        beside: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A file that is about to change, as it is written down: what is not told is not there.
#[derive(Debug, Serialize, Deserialize)]
struct Intent {
    name: String,
    beside: String,
    /// SHA-256.
    before: Option<String>,
    after: Option<String>,
}

/// Writes, removes and makes files of a folder and below it. Blocks.
///
/// # Errors
/// Why nothing was changed.
pub fn write(folder: &Path, writes: &[Write]) -> Result<(), DiskError> {
    write_with(folder, writes, || {})
}

/// `between` runs after everything was looked at and before the first file changes.
fn write_with(folder: &Path, writes: &[Write], between: impl FnOnce()) -> Result<(), DiskError> {
    let home = lock(folder)?;
    go_on(folder)?;
    if writes.is_empty() {
        return Ok(());
    }
    let mut prepared = Vec::new();
    for write in writes {
        prepared.push(Prepared::new(folder, write)?);
    }
    note(folder, &prepared)?;
    let outcome = sync(folder, &home, &prepared).and_then(|()| {
        between();
        commit(folder, &prepared)
    });
    // What could not be put back is an admin's affair: no later start is to have a hand in it.
    let forgotten = fs::remove_file(folder.join(INTENT)).map_err(|source| system(&folder.join(INTENT), source));
    outcome?;
    forgotten?;
    // The names are on the disk when the folders are.
    sync(folder, &home, &prepared)?;
    let gone = prepared.iter().filter(|it| it.write.after.is_none());
    let left: Vec<_> = gone.filter_map(|it| it.target.parent().map(Path::to_owned)).filter(|it| it != folder).collect();
    drop(prepared);
    for parent in left {
        let _others_lie_there = fs::remove_dir(parent);
    }
    Ok(())
}

#[cfg_attr(not(debug_assertions), expect(unused_variables, reason = "the folder tells a test's fault where it is"))]
fn commit(folder: &Path, prepared: &[Prepared<'_>]) -> Result<(), DiskError> {
    for at in 0..prepared.len() {
        #[cfg(debug_assertions)]
        crate::wire::fault::in_apply(folder, at);
        if let Err(error) = prepared[at].commit() {
            for done in prepared[..at].iter().rev() {
                done.undo()?;
            }
            return Err(error);
        }
    }
    Ok(())
}

fn system(path: &Path, source: io::Error) -> DiskError {
    DiskError::System { path: path.to_owned(), source }
}

/// Nobody else who comes by here writes as long as this is there.
fn lock(folder: &Path) -> Result<File, DiskError> {
    let home = File::open(folder).map_err(|source| system(folder, source))?;
    home.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => DiskError::Busy,
        TryLockError::Error(source) => system(folder, source),
    })?;
    Ok(home)
}

/// Every folder of what was written is on the disk.
fn sync(folder: &Path, home: &File, prepared: &[Prepared<'_>]) -> Result<(), DiskError> {
    let parents: BTreeSet<&Path> = prepared.iter().filter_map(|it| it.target.parent()).filter(|it| *it != folder).collect();
    for parent in parents {
        match File::open(parent).and_then(|parent| parent.sync_all()) {
            // The folder of a file that is not there need not be there either.
            Err(source) if source.kind() != ErrorKind::NotFound => return Err(system(parent, source)),
            _ => {}
        }
    }
    home.sync_all().map_err(|source| system(folder, source))
}

/// Writes down what is about to happen.
fn note(folder: &Path, prepared: &[Prepared<'_>]) -> Result<(), DiskError> {
    let of = |it: &Prepared<'_>| Intent {
        name: it.write.name.clone(),
        beside: it.beside.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        before: it.write.before.as_deref().map(hash_of_text),
        after: it.write.after.as_deref().map(hash_of_text),
    };
    let (path, new) = (folder.join(INTENT), folder.join(format!("{INTENT}.new")));
    let written = || {
        let text = serde_json::to_vec(&prepared.iter().map(of).collect::<Vec<_>>())?;
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    written().map_err(|source| system(&path, source))
}

/// Goes on with what a process was killed in the middle of. Blocks.
///
/// # Errors
/// The folder cannot be written. What is left undone because somebody else saved a file since is told to the log.
pub fn complete(folder: &Path) -> Result<(), DiskError> {
    let _home = lock(folder)?;
    go_on(folder)
}

fn go_on(folder: &Path) -> Result<(), DiskError> {
    let path = folder.join(INTENT);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(system(&path, source)),
    };
    let all: Vec<Intent> = serde_json::from_slice(&text).map_err(|error| system(&path, error.into()))?;
    tracing::warn!("a process was killed while it wrote the plan into {}; that is completed", folder.display());
    for Intent { name, beside, before, after } in all {
        let is_name = beside.starts_with('.') && !beside.contains('/');
        let Some(target) = target(folder, &name).filter(|_| is_name) else { continue };
        let beside = target.with_file_name(beside);
        let (there, waiting) = (hash_at(&target)?, hash_at(&beside)?);
        if there == before && there != after {
            if after.is_none() {
                fs::remove_file(&target).map_err(|source| system(&target, source))?;
            } else if waiting == after {
                fs::rename(&beside, &target).map_err(|source| system(&target, source))?;
            }
        } else if there != after {
            tracing::error!("{} was saved by somebody else since and stays; look at the plan", target.display());
        }
        match hash_at(&beside)? {
            None => {}
            // A text that nobody would miss.
            left if left == before || left == after => fs::remove_file(&beside).map_err(|source| system(&beside, source))?,
            Some(_) => tracing::error!("{} is what somebody else saved in the last moment", beside.display()),
        }
    }
    fs::remove_file(&path).map_err(|source| system(&path, source))
}

/// Where a file lies, unless that is no path of a plan's file or leads through a link.
fn target(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    let parents = || path.ancestors().skip(1).take_while(|parent| *parent != folder);
    let is_good = |parent: &Path| fs::symlink_metadata(parent).is_ok_and(|found| found.is_dir()) || !parent.exists();
    (is_path(name) && parents().all(is_good)).then_some(path)
}

fn hash_of_text(text: &str) -> String {
    hash(text.as_bytes())
}

/// The hash of a file; `None` when it is not there.
fn hash_at(path: &Path) -> Result<Option<String>, DiskError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(hash(&bytes))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(system(path, source)),
    }
}

/// A file with what will take its place. What is beside it goes with this.
struct Prepared<'a> {
    write: &'a Write,
    target: PathBuf,
    beside: PathBuf,
    /// What is beside it may be the only copy of something.
    kept: Cell<bool>,
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        if !self.kept.get() {
            // There is none when it was renamed.
            let _not_there = fs::remove_file(&self.beside);
        }
    }
}

impl<'a> Prepared<'a> {
    fn new(folder: &Path, write: &'a Write) -> Result<Self, DiskError> {
        let target = target(folder, &write.name).ok_or_else(|| DiskError::NoFile(write.name.clone()))?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| system(&target, io::Error::other(error)))?;
        // It ends as no file of a plan does.
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let beside = target.with_file_name(format!(".{name}.{}.new", hex(&random)));
        let mode = match fs::symlink_metadata(&target) {
            Ok(found) if !found.is_file() => return Err(DiskError::NoFile(write.name.clone())),
            Ok(found) => Some(found.permissions().mode() & 0o7777),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(system(&target, error)),
        };
        let prepared = Self { write, target, beside, kept: Cell::new(false) };
        if !prepared.holds(&prepared.target, write.before.as_deref())? {
            return Err(DiskError::Changed(write.name.clone()));
        }
        if let Some(text) = &write.after {
            prepared.fill(text, mode).map_err(|error| system(&prepared.beside, error))?;
        }
        Ok(prepared)
    }

    fn fill(&self, text: &str, mode: Option<u32>) -> io::Result<()> {
        if let Some(parent) = self.target.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(mode.unwrap_or(MODE)).open(&self.beside)?;
        if let Some(mode) = mode {
            // Whatever the mask of the process takes away.
            file.set_permissions(fs::Permissions::from_mode(mode))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// Whether a text lies there, or nothing does.
    fn holds(&self, path: &Path, text: Option<&str>) -> Result<bool, DiskError> {
        match fs::read(path) {
            Ok(bytes) => Ok(text.is_some_and(|text| text.as_bytes() == bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(text.is_none()),
            Err(source) => Err(system(path, source)),
        }
    }

    fn commit(&self) -> Result<(), DiskError> {
        let Write { name, before, after } = self.write;
        let done = match (before, after) {
            (Some(_), Some(_)) => self.swap(),
            (None, Some(_)) => rename(&self.beside, &self.target, RenameFlags::NOREPLACE),
            (Some(_), None) => rename(&self.target, &self.beside, RenameFlags::NOREPLACE),
            (None, None) => return Ok(()),
        };
        match done {
            Err(error) if [ErrorKind::AlreadyExists, ErrorKind::NotFound].contains(&error.kind()) => {
                return Err(DiskError::Changed(name.clone()));
            }
            Err(source) => return Err(system(&self.target, source)),
            Ok(()) => {}
        }
        // What came out must be what the change was made from.
        let is_it = before.is_none() || self.holds(&self.beside, before.as_deref()).unwrap_or(false);
        if !is_it {
            self.undo()?;
            return Err(DiskError::Changed(name.clone()));
        }
        Ok(())
    }

    fn swap(&self) -> io::Result<()> {
        rename(&self.beside, &self.target, RenameFlags::EXCHANGE)
    }

    /// Takes back what [`Self::commit`] did, unless somebody saved another text over it since: that stays.
    fn undo(&self) -> Result<(), DiskError> {
        let back = || match (&self.write.before, &self.write.after) {
            (Some(_), Some(_)) => self.swap(),
            (None, Some(_)) => rename(&self.target, &self.beside, RenameFlags::NOREPLACE),
            (Some(_), None) => rename(&self.beside, &self.target, RenameFlags::NOREPLACE),
            (None, None) => Ok(()),
        };
        let again = || match (&self.write.before, &self.write.after) {
            (Some(_), Some(_)) => self.swap(),
            _ => rename(&self.beside, &self.target, RenameFlags::NOREPLACE),
        };
        let ours = |after: &str| self.holds(&self.beside, Some(after)).unwrap_or(false);
        let outcome = back().and_then(|()| match &self.write.after {
            Some(after) if !ours(after) => again().and(Err(io::Error::other("somebody saved another text meanwhile"))),
            _ => Ok(()),
        });
        outcome.map_err(|source| {
            self.kept.set(true);
            DiskError::Torn { path: self.target.clone(), beside: self.beside.clone(), source }
        })
    }
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> io::Result<()> {
    renameat_with(CWD, from, CWD, to, flags).map_err(io::Error::from)
}

#[cfg(test)]
mod tests;
