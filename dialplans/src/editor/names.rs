//! Where a name is declared, where it is referred to, and what it may be called instead.

use super::{Draft, location, outline::outline};
use crate::{
    diagnostic::{Findings, Severity, did_you_mean},
    grammar::{Kind, Noun},
    read::{is_name, read},
    source::Location,
};

/// A name in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) noun: Noun,
    pub(super) name: String,
    /// Else it refers.
    pub(super) declares: bool,
    /// With its quotes.
    pub(super) at: Location,
}

/// Why a name stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRenamed {
    /// The place has no name that a plan gives.
    #[error("there is no name of the plan here: queues, skills, schedules, trunks, routes and the like can be renamed")]
    Nothing,
    /// A recording has its name from its file.
    #[error("a recording is called as its file is: rename the file")]
    Recording,
    /// Nothing in the plan declares it.
    #[error("there is no {noun} `{name}`: declare it first")]
    Undeclared {
        /// Which kind of thing.
        noun: &'static str,
        /// Its name.
        name: String,
    },
    /// Not every place of the name may be seen.
    #[error("the plan cannot be read in full, so a place could be missed: mend {0} first")]
    Unread(String),
    /// The new one is no name.
    #[error("`{0}` is no name: it has 1 to 64 letters, digits, `-`, `_` or `.`")]
    Invalid(String),
    /// Another thing is called so.
    #[error("there is already a {noun} `{name}`")]
    Taken {
        /// Which kind of thing.
        noun: &'static str,
        /// The new name.
        name: String,
    },
}

/// The names of a text that may be unfinished.
pub(super) fn named(file: u16, text: &str) -> impl Iterator<Item = Named> {
    outline(text).into_iter().filter_map(move |seen| {
        let (noun, declares) = match seen.role.kind()? {
            Kind::Declares(noun) => (noun, true),
            Kind::Refers(noun) => (noun, false),
            _ => return None,
        };
        Some(Named { noun, name: seen.text, declares, at: location(file, &seen.range) })
    })
}

impl Draft {
    /// The name at a place.
    pub(super) fn name_at(&self, at: Location) -> Option<&Named> {
        let touches = |named: &&Named| {
            named.at.file == at.file && (named.at.offset..=named.at.offset + named.at.length).contains(&at.offset)
        };
        self.names.iter().find(touches)
    }

    pub(super) fn declared(&self, noun: Noun) -> impl Iterator<Item = &Named> {
        self.names.iter().filter(move |named| named.declares && named.noun == noun)
    }

    /// Where the thing of that kind and name is declared.
    pub(crate) fn declared_as(&self, noun: &str, name: &str) -> Option<Location> {
        self.names.iter().find(|named| named.declares && named.noun.word() == noun && named.name == name).map(|named| named.at)
    }

    /// A name of that kind that may have been meant.
    pub(crate) fn guess(&self, noun: &str, name: &str) -> Option<String> {
        let known = self.names.iter().filter(|named| named.declares);
        did_you_mean(name, known.clone().filter(|named| named.noun.word() == noun).map(|named| named.name.as_str()))
            .or_else(|| did_you_mean(noun, known.map(|named| named.noun.word())))
    }

    pub(super) fn declaration(&self, of: &Named) -> Option<&Named> {
        self.declared(of.noun).find(|named| named.name == of.name)
    }

    /// Where what is named at a place is declared.
    #[must_use]
    pub fn definition(&self, at: Location) -> Option<Location> {
        self.declaration(self.name_at(at)?).map(|named| named.at)
    }

    /// Every place that refers to what is named at a place, and its declaration when that is wanted too.
    #[must_use]
    pub fn references(&self, at: Location, with_declaration: bool) -> Vec<Location> {
        let Some(wanted) = self.name_at(at) else { return Vec::new() };
        let same =
            |named: &&Named| named.noun == wanted.noun && named.name == wanted.name && (with_declaration || !named.declares);
        self.names.iter().filter(same).map(|named| named.at).collect()
    }

    /// The name at a place that may be renamed: where it stands, and how it is written now.
    ///
    /// # Errors
    /// As [`Self::rename`].
    pub fn renamable(&self, at: Location) -> Result<(Location, &str), NotRenamed> {
        let named = self.name_at(at).ok_or(NotRenamed::Nothing)?;
        if named.noun == Noun::Prompt {
            return Err(NotRenamed::Recording);
        }
        if self.declaration(named).is_none() {
            return Err(NotRenamed::Undeclared { noun: named.noun.word(), name: named.name.clone() });
        }
        // Whatever the strict reader leaves out may hold the name as well.
        let mut findings = Findings::new(&self.sources);
        read(&self.sources, &mut findings);
        let report = findings.into_report();
        match report.diagnostics.iter().find(|found| found.severity == Severity::Error) {
            Some(found) => Err(NotRenamed::Unread(format!("{}:{}", found.file, found.line))),
            None => Ok((named.at, &named.name)),
        }
    }

    /// What to write at which places so that what is named at a place is called `new` in the whole plan.
    ///
    /// # Errors
    /// Nothing there can be renamed, the new name is not valid or taken, or the plan cannot be read in full.
    pub fn rename(&self, at: Location, new: &str) -> Result<(String, Vec<Location>), NotRenamed> {
        let (_, old) = self.renamable(at)?;
        let named = self.name_at(at).ok_or(NotRenamed::Nothing)?;
        // Editors may hand back what they were shown with its quotes.
        let new = new.strip_prefix('"').and_then(|new| new.strip_suffix('"')).unwrap_or(new);
        if !is_name(new) {
            return Err(NotRenamed::Invalid(new.chars().take(80).collect()));
        }
        if new != old && self.declared(named.noun).any(|other| other.name == new) {
            return Err(NotRenamed::Taken { noun: named.noun.word(), name: new.to_owned() });
        }
        Ok((format!("\"{new}\""), self.references(at, true)))
    }
}
