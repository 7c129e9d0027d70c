//! Plans made of other switches' configuration: Asterisk and FreeSWITCH.
//!
//! Files in, files and findings out; nothing here reads or writes a disk. Each line of the source has one
//! fate, kept in the [`ledger`]: it was converted, it was left out because it means nothing here, or it could not
//! be converted, with what to do about it. A line that no code looked at counts as not converted, so nothing is
//! lost in silence. What was made is held against [`crate::check`] before anybody sees it: a route that would not
//! pass refuses its calls and is listed instead.

mod asterisk;
mod draft;
mod freeswitch;
mod hours;
mod kdl_out;
mod ledger;
mod limits;
mod names;
mod settle;
mod sounds;
mod value;

pub use self::{
    draft::{Person, PlanFile, Recording, SecretFile, Sound},
    ledger::{Fate, Finding},
    limits::{ConfigFile, ImportError, MAX_CONFIG_BYTES, MAX_CONFIG_FILES},
};
use crate::world::World;

/// What became of a configuration.
#[derive(Debug)]
pub struct Imported {
    /// The files of the plan, in the order of their names.
    pub files: Vec<PlanFile>,
    /// Passwords, each for a file that only its owner may read.
    pub secrets: Vec<SecretFile>,
    /// Who is to be put into the database.
    pub people: Vec<Person>,
    /// Recordings that the plan plays and that do not ship.
    pub recordings: Vec<Recording>,
    /// One for each line of the source that says something, in the order of files and lines.
    pub findings: Vec<Finding>,
}

impl Imported {
    /// Lines of the source with one fate.
    #[must_use]
    pub fn lines(&self, fate: Fate) -> usize {
        self.findings.iter().filter(|finding| finding.fate == fate).map(|finding| finding.lines).sum()
    }

    /// Of the lines that mean something for a switch, how many were converted, in tenths of a percent.
    #[must_use]
    pub fn share_permille(&self) -> usize {
        let converted = self.lines(Fate::Converted);
        (converted * 1_000).checked_div(converted + self.lines(Fate::NotConverted)).unwrap_or(0)
    }
}

/// Makes a plan of the files of an Asterisk configuration (`extensions.conf`, `pjsip.conf`, …). `world` tells
/// which recordings ship.
///
/// # Errors
/// When the files are too many or too large, include each other in a circle, or lead out of their folder.
pub fn asterisk(files: &[ConfigFile], world: &World) -> Result<Imported, ImportError> {
    limits::hold(files)?;
    settle::settle(asterisk::read(files)?, world)
}

/// Makes a plan of the files of a FreeSWITCH configuration (`freeswitch.xml` and what it includes). `world` tells which
/// recordings ship.
///
/// # Errors
/// As [`asterisk`], and when a file is no XML.
pub fn freeswitch(files: &[ConfigFile], world: &World) -> Result<Imported, ImportError> {
    limits::hold(files)?;
    settle::settle(freeswitch::read(files)?, world)
}
