//! How much of somebody else's configuration is read at all, and the errors that end an import.

/// Most files of one configuration.
pub const MAX_CONFIG_FILES: usize = 2_000;
/// Largest configuration, in bytes over all its files.
pub const MAX_CONFIG_BYTES: usize = 16 << 20;
/// Longest line, in bytes.
pub(super) const MAX_LINE_BYTES: usize = 8 << 10;
/// Lines that are read at most once all includes are followed.
pub(super) const MAX_LINES: usize = 200_000;
/// How deep files may include each other.
pub(super) const MAX_INCLUDE_DEPTH: usize = 16;
/// Routes that one import makes at most.
pub(super) const MAX_ROUTES: usize = 2_000;

/// One file of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Relative to the folder of the configuration, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The configuration cannot be read as one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// More of something than is read.
    #[error("{what}: at most {most} are read")]
    TooMuch {
        /// What there is too much of, and where.
        what: String,
        /// The bound.
        most: usize,
    },
    /// Files that include each other.
    #[error("{file}:{line}: the includes go round in a circle, or deeper than {MAX_INCLUDE_DEPTH} files")]
    IncludeLoop {
        /// The file with the include.
        file: String,
        /// Its line.
        line: u32,
    },
    /// An include that leads out of the folder.
    #[error("{file}:{line}: the include `{path}` leads out of the folder: copy that file into it")]
    Outside {
        /// The file with the include.
        file: String,
        /// Its line.
        line: u32,
        /// What it names.
        path: String,
    },
    /// A file that is to be XML, and is not.
    #[error("{file}:{line}: this is not XML that is read: {what}")]
    NotXml {
        /// The file.
        file: String,
        /// The line, as far as that can be told.
        line: u32,
        /// What is wrong.
        what: String,
    },
    /// None of the files that a plan could be made of.
    #[error("there is nothing to import: expected {expected}")]
    Nothing {
        /// The names that are looked for.
        expected: &'static str,
    },
    /// What was made does not pass the check, and could not be made to. A fault of the import, not of its user.
    #[error("the plan that was made does not pass the check: {0}")]
    Unsettled(String),
}

/// Refuses what is too much before any of it is looked at.
pub(super) fn hold(files: &[ConfigFile]) -> Result<(), ImportError> {
    let too_much = |what: &str, most| Err(ImportError::TooMuch { what: what.to_owned(), most });
    if files.len() > MAX_CONFIG_FILES {
        return too_much("too many files", MAX_CONFIG_FILES);
    }
    if files.iter().map(|file| file.text.len()).sum::<usize>() > MAX_CONFIG_BYTES {
        return too_much("too many bytes in all files", MAX_CONFIG_BYTES);
    }
    for file in files {
        if let Some(line) = file.text.lines().position(|line| line.len() > MAX_LINE_BYTES) {
            return too_much(&format!("{}:{}: too many bytes in one line", file.path, line + 1), MAX_LINE_BYTES);
        }
    }
    Ok(())
}
