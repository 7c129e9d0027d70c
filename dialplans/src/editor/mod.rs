//! What an editor asks about a plan that is being written: completion, hover, definitions, rename.
//!
//! Functions from texts and a place to answers, without I/O and without the protocol of editors. What may stand
//! where comes from the table of the language, what is wrong from [`check`]; both as everywhere else.

mod complete;
mod hover;
pub(crate) mod lexeme;
mod names;
mod outline;
mod text;

pub use complete::{Completion, CompletionKind};
pub use hover::Hover;
pub use names::NotRenamed;
pub use text::{Encoding, Lines, Position};

use self::{
    names::Named,
    outline::{Seen, word_at},
};
use crate::{
    checker::{Checker, check},
    diagnostic::Report,
    source::{Location, MAX_FILE_BYTES, MAX_FILES, Source},
    world::World,
};

/// A plan as it stands in an editor, finished or not.
#[derive(Debug)]
pub struct Draft {
    sources: Vec<Source>,
    world: World,
    names: Vec<Named>,
}

impl Draft {
    /// Finds the names in the texts. What is larger than a plan may be is not looked into; the check
    /// says so.
    #[must_use]
    pub fn new(sources: Vec<Source>, world: World) -> Self {
        let read = (0_u16..).zip(&sources).take(MAX_FILES).filter(|(_, source)| is_plan(source));
        let names = read.flat_map(|(file, source)| names::named(file, &source.text)).collect();
        Self { sources, world, names }
    }

    /// The files, in the order that places count them by.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// What `tandem check` says about these texts.
    #[must_use]
    pub fn report(&self) -> Report {
        check(&self.sources, &self.world).1
    }

    /// The same by a checker that knows an earlier draft.
    #[must_use]
    pub fn report_again(&self, checker: &mut Checker) -> Report {
        checker.check(&self.sources, &self.world).1
    }

    /// The word at a place, of which only file and offset count.
    fn word(&self, at: Location) -> Option<Seen> {
        let source = self.sources.get(usize::from(at.file)).filter(|source| is_plan(source))?;
        word_at(&source.text, (at.offset as usize).min(source.text.len()))
    }
}

fn is_plan(source: &Source) -> bool {
    source.path.ends_with(".kdl") && source.text.len() <= MAX_FILE_BYTES
}

fn location(file: u16, range: &std::ops::Range<usize>) -> Location {
    let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Location { file, offset: clip(range.start), length: clip(range.len()) }
}
