//! Puts new texts in the place of old ones: all of them or none, and never over what somebody else has saved meanwhile.
//!
//! Editors know no lock. So a new file is written whole beside the old one, the two change places in one step of the
//! kernel, and what came out is looked at: when it is not the text that the change was made from, they change back.

use std::{
    cell::Cell,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{hash, hex};

/// Rights of a new file where there was none.
const MODE: u32 = 0o644;

/// One file that is to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    /// Its name in the folder.
    pub name: String,
    /// SHA-256 of the text that must be there; `None`: no such file must be there.
    pub before: Option<String>,
    /// What will be there; `None`: nothing.
    pub after: Option<String>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another text is there than the change was made from.
    #[error("{0} was changed by somebody else meanwhile")]
    Changed(String),
    /// A link is not written through, and a folder is no file.
    #[error("{0} is a link or no file: edit what it leads to")]
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

/// Writes, removes and makes files of a folder.
///
/// # Errors
/// Why nothing was changed.
pub(super) fn write(folder: &Path, writes: &[Write]) -> Result<(), DiskError> {
    write_with(folder, writes, || {})
}

/// `between` runs after everything was looked at and before the first file changes.
pub(super) fn write_with(folder: &Path, writes: &[Write], between: impl FnOnce()) -> Result<(), DiskError> {
    let system = |source| DiskError::System { path: folder.to_owned(), source };
    let home = File::open(folder).map_err(system)?;
    home.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => DiskError::Busy,
        TryLockError::Error(source) => system(source),
    })?;
    let mut prepared = Vec::new();
    for write in writes {
        prepared.push(Prepared::new(folder, write)?);
    }
    between();
    for at in 0..prepared.len() {
        if let Err(error) = prepared[at].commit() {
            for done in prepared[..at].iter().rev() {
                done.undo()?;
            }
            return Err(error);
        }
    }
    // The names are on the disk when the folder is.
    home.sync_all().map_err(system)
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
        let target = folder.join(&write.name);
        let mut random = [0; 8];
        let system = |path: &Path, source| DiskError::System { path: path.to_owned(), source };
        getrandom::fill(&mut random).map_err(|error| system(&target, io::Error::other(error)))?;
        // It ends as no file of a plan does.
        let beside = folder.join(format!(".{}.{}.new", write.name, hex(&random)));
        let mode = match fs::symlink_metadata(&target) {
            Ok(found) if !found.is_file() => return Err(DiskError::NoFile(write.name.clone())),
            Ok(found) => Some(found.permissions().mode() & 0o7777),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(system(&target, error)),
        };
        let prepared = Self { write, target, beside, kept: Cell::new(false) };
        let there = prepared.hash_of(&prepared.target).map_err(|error| system(&prepared.target, error))?;
        if there != write.before {
            return Err(DiskError::Changed(write.name.clone()));
        }
        if let Some(text) = &write.after {
            prepared.fill(text, mode).map_err(|error| system(&prepared.beside, error))?;
        }
        Ok(prepared)
    }

    fn fill(&self, text: &str, mode: Option<u32>) -> io::Result<()> {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(mode.unwrap_or(MODE)).open(&self.beside)?;
        if let Some(mode) = mode {
            // Whatever the mask of the process takes away.
            file.set_permissions(fs::Permissions::from_mode(mode))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    /// The hash of a file; `None` when it is not there.
    fn hash_of(&self, path: &Path) -> io::Result<Option<String>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(hash(&bytes))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn commit(&self) -> Result<(), DiskError> {
        let (name, before, after) = (&self.write.name, &self.write.before, &self.write.after);
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
            Err(source) => return Err(DiskError::System { path: self.target.clone(), source }),
            Ok(()) => {}
        }
        // What came out must be what the change was made from.
        let out = self.hash_of(&self.beside).ok().flatten();
        if before.is_some() && out != *before {
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
        let ours = |after: &String| self.hash_of(&self.beside).ok().flatten() == Some(hash(after.as_bytes()));
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
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tandem-disk-{}-{name}", std::process::id()));
            let _not_there = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("a.kdl"), "a").unwrap();
            fs::write(path.join("b.kdl"), "b").unwrap();
            Self(path)
        }

        /// Every file with its text.
        fn texts(&self) -> Vec<(String, String)> {
            let all = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
            let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
            let mut all: Vec<_> = all.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect();
            all.sort();
            all
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _gone = fs::remove_dir_all(&self.0);
        }
    }

    fn change(name: &str, before: Option<&str>, after: Option<&str>) -> Write {
        Write { name: name.into(), before: before.map(|text| hash(text.as_bytes())), after: after.map(str::to_owned) }
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn files_change_come_and_go_together() {
        let folder = Folder::new("together");
        fs::set_permissions(folder.0.join("a.kdl"), fs::Permissions::from_mode(0o600)).unwrap();
        let all = [change("a.kdl", Some("a"), Some("A")), change("b.kdl", Some("b"), None), change("c.kdl", None, Some("c"))];
        write(&folder.0, &all).unwrap();
        assert_eq!(folder.texts(), pairs(&[("a.kdl", "A"), ("c.kdl", "c")]));
        assert_eq!(fs::metadata(folder.0.join("a.kdl")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn another_text_than_expected_keeps_all_as_they_are() {
        let folder = Folder::new("expected");
        let first = change("a.kdl", Some("a"), Some("A"));
        for wrong in [
            change("b.kdl", Some("x"), Some("B")),
            change("b.kdl", Some("x"), None),
            change("b.kdl", None, Some("B")),
            change("c.kdl", Some("c"), Some("C")),
        ] {
            let told = write(&folder.0, &[first.clone(), wrong.clone()]);
            assert!(matches!(&told, Err(DiskError::Changed(name)) if *name == wrong.name), "{told:?}");
            assert_eq!(folder.texts(), pairs(&[("a.kdl", "a"), ("b.kdl", "b")]));
        }
    }

    #[test]
    fn what_an_editor_saves_in_the_last_moment_is_not_lost() {
        let folder = Folder::new("editor");
        let save = |name: &str, text: &str| {
            // As editors do: a new file over the old one.
            fs::write(folder.0.join(".saved"), text).unwrap();
            fs::rename(folder.0.join(".saved"), folder.0.join(name)).unwrap();
        };
        for last in [change("b.kdl", Some("b"), Some("B")), change("b.kdl", Some("b"), None)] {
            let all = [change("a.kdl", Some("a"), Some("A")), change("c.kdl", None, Some("c")), last];
            let told = write_with(&folder.0, &all, || save("b.kdl", "mine"));
            assert!(matches!(&told, Err(DiskError::Changed(name)) if name == "b.kdl"), "{told:?}");
            assert_eq!(folder.texts(), pairs(&[("a.kdl", "a"), ("b.kdl", "mine")]));
            save("b.kdl", "b");
        }
        let told = write_with(&folder.0, &[change("c.kdl", None, Some("c"))], || save("c.kdl", "mine"));
        assert!(matches!(told, Err(DiskError::Changed(_))), "{told:?}");
        let told = write_with(&folder.0, &[change("b.kdl", Some("b"), Some("B"))], || {
            fs::remove_file(folder.0.join("b.kdl")).unwrap();
        });
        assert!(matches!(told, Err(DiskError::Changed(_))), "{told:?}");
        assert_eq!(folder.texts(), pairs(&[("a.kdl", "a"), ("c.kdl", "mine")]));
    }

    #[test]
    fn what_is_put_back_is_not_put_over_what_was_saved_meanwhile() {
        let folder = Folder::new("back");
        let write = change("a.kdl", Some("a"), Some("A"));
        let prepared = Prepared::new(&folder.0, &write).unwrap();
        prepared.commit().unwrap();
        fs::write(folder.0.join("a.kdl"), "mine").unwrap();
        assert!(matches!(prepared.undo(), Err(DiskError::Torn { .. })));
        drop(prepared);
        let texts: Vec<_> = folder.texts().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["a", "mine", "b"], "the old text is kept beside it");
    }

    #[test]
    fn links_and_a_second_writer_are_refused() {
        let folder = Folder::new("links");
        std::os::unix::fs::symlink(folder.0.join("a.kdl"), folder.0.join("l.kdl")).unwrap();
        let told = write(&folder.0, &[change("l.kdl", Some("a"), Some("A"))]);
        assert!(matches!(told, Err(DiskError::NoFile(_))), "{told:?}");
        let all = [change("a.kdl", Some("a"), Some("A"))];
        let told = write_with(&folder.0, &all, || {
            let second = write(&folder.0, &[change("b.kdl", Some("b"), Some("B"))]);
            assert!(matches!(second, Err(DiskError::Busy)), "{second:?}");
        });
        assert!(told.is_ok());
        let link = pairs(&[("a.kdl", "A"), ("b.kdl", "b"), ("l.kdl", "A")]);
        assert_eq!(folder.texts(), link);
    }
}
