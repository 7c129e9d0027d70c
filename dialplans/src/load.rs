//! Reads a plan from its folder: the only file here that does I/O.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Component, Path, PathBuf},
};

use tandem_switch::name::{Language, PromptName};

use crate::{
    checker::Checker,
    diagnostic::Report,
    imports::with_imports,
    plan::Plan,
    source::{MAX_FILE_BYTES, MAX_FILES, Source},
    world::World,
};

/// Recordings that are looked for at most.
const MAX_PROMPTS: usize = 20_000;
/// How deep the folder of recordings is looked into below a language.
const MAX_PROMPT_DEPTH: usize = 4;

/// The folder could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or the folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in the folder is larger or more than is read.
    #[error("{}: {what}", path.display())]
    TooMuch {
        /// Which.
        path: PathBuf,
        /// In what way.
        what: &'static str,
    },
    /// A file leads out of the folder of the plan.
    #[error("{} leads out of the folder of the plan", path.display())]
    Outside {
        /// Which.
        path: PathBuf,
    },
    /// A file is not text.
    #[error("{} is not UTF-8 text", path.display())]
    NotText {
        /// Which.
        path: PathBuf,
    },
}

/// A folder that was read and checked.
#[derive(Debug)]
pub struct Loaded {
    /// There exactly when the report has no error.
    pub plan: Option<Plan>,
    /// What was found.
    pub report: Report,
    /// The folder of the recordings.
    pub prompts: PathBuf,
}

/// Reads and checks the plan in a folder.
///
/// # Errors
/// When the folder or a file of it cannot be read, is too large, or leads elsewhere. What is wrong
/// *in* the files is in the report.
pub fn load(folder: &Path) -> Result<Loaded, LoadError> {
    let sources = read_sources(folder)?;
    let mut checker = Checker::default();
    let needs = checker.needs(&sources);
    let prompts = folder.join(&needs.prompts);
    let mut world =
        World { environment: std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect(), ..World::default() };
    world.files = needs.files.into_iter().filter(|file| folder.join(file).is_file()).collect();
    find_prompts(&prompts, &mut world)?;
    let (plan, report) = checker.check(&sources, &world);
    Ok(Loaded { plan, report, prompts })
}

/// The `*.kdl` and `*.ics` files of a folder in the order of their names, each behind what it imports. Hidden ones, which
/// editors leave there for themselves, are not of the plan.
///
/// # Errors
/// As [`load`].
pub fn read_sources(folder: &Path) -> Result<Vec<Source>, LoadError> {
    read_sources_with(folder, |_| None)
}

/// The same, where some files have another text than that on disk.
///
/// # Errors
/// As [`load`].
pub fn read_sources_with(folder: &Path, other: impl Fn(&Path) -> Option<String>) -> Result<Vec<Source>, LoadError> {
    let home = folder.canonicalize().map_err(|source| LoadError::Read { path: folder.into(), source })?;
    let mut paths: Vec<PathBuf> = entries(folder)?;
    let is_hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    paths.retain(|path| path.extension().is_some_and(|e| e == "kdl" || e == "ics") && !is_hidden(path));
    paths.sort();
    if paths.len() > MAX_FILES {
        return Err(LoadError::TooMuch { path: folder.into(), what: "too many files" });
    }
    let read = |path: PathBuf| match other(&path) {
        Some(text) => Ok(Source::new(path.to_string_lossy(), text)),
        None => read_source(&home, path),
    };
    let files = paths.into_iter().map(&read).collect::<Result<Vec<_>, _>>()?;
    let mut count = files.len();
    with_imports(files, |path| {
        count += 1;
        if count > MAX_FILES {
            return Err(LoadError::TooMuch { path: folder.into(), what: "too many files, with those that are imported" });
        }
        match read(PathBuf::from(path)) {
            // That there is none is said where it is imported.
            Err(LoadError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            outcome => outcome.map(Some),
        }
    })
}

/// One file in a folder, or below it.
///
/// # Errors
/// As [`load`].
pub fn read_source_below(folder: &Path, path: &str) -> Result<Source, LoadError> {
    let home = folder.canonicalize().map_err(|source| LoadError::Read { path: folder.into(), source })?;
    read_source(&home, folder.join(path))
}

fn read_source(home: &Path, path: PathBuf) -> Result<Source, LoadError> {
    let real = path.canonicalize().map_err(|source| LoadError::Read { path: path.clone(), source })?;
    if !real.starts_with(home) {
        return Err(LoadError::Outside { path });
    }
    let size = fs::metadata(&real).map_err(|source| LoadError::Read { path: path.clone(), source })?;
    if !size.is_file() || size.len() > MAX_FILE_BYTES as u64 {
        return Err(LoadError::TooMuch { path, what: "not a file, or too large" });
    }
    let bytes = fs::read(&real).map_err(|source| LoadError::Read { path: path.clone(), source })?;
    let text = String::from_utf8(bytes).map_err(|_| LoadError::NotText { path: path.clone() })?;
    Ok(Source::new(path.to_string_lossy(), text))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let failed = |source| LoadError::Read { path: folder.into(), source };
    fs::read_dir(folder).map_err(failed)?.map(|entry| entry.map(|e| e.path()).map_err(failed)).collect()
}

/// Recordings: folders of two letters are languages, all else is for every language. A folder that
/// is not there has none; the check says what is missing.
fn find_prompts(folder: &Path, world: &mut World) -> Result<(), LoadError> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_path_buf(), 0)];
    while let Some((at, depth)) = open.pop() {
        let Ok(paths) = entries(&at) else { continue };
        for path in paths {
            if path.extension().is_some_and(|e| e == "wav") {
                found.push(path);
            } else if depth <= MAX_PROMPT_DEPTH && path.is_dir() && !path.is_symlink() {
                open.push((path, depth + 1));
            }
        }
        if found.len() > MAX_PROMPTS {
            return Err(LoadError::TooMuch { path: folder.into(), what: "too many recordings" });
        }
    }
    let mut by_language: BTreeMap<Language, BTreeSet<PromptName>> = BTreeMap::new();
    for path in found {
        let Ok(below) = path.with_extension("").strip_prefix(folder).map(Path::to_path_buf) else { continue };
        let parts: Vec<_> =
            below.components().filter_map(|c| if let Component::Normal(part) = c { part.to_str() } else { None }).collect();
        match parts.as_slice() {
            [language, rest @ ..] if language.len() == 2 && !rest.is_empty() => {
                by_language.entry(Language::from(*language)).or_default().insert(PromptName::from(rest.join("/")));
            }
            parts => {
                world.shared_prompts.insert(PromptName::from(parts.join("/")));
            }
        }
    }
    world.prompts = by_language;
    Ok(())
}
