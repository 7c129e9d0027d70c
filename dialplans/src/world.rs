//! What lies outside of the plan's text and must be there: recordings, environment, files.

use std::collections::{BTreeMap, BTreeSet};

use tandem_switch::{
    name::{Language, PromptName},
    time::Timestamp,
};

/// The surroundings that a plan is checked against. Handed in, so that checking is pure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// Recordings by language.
    pub prompts: BTreeMap<Language, BTreeSet<PromptName>>,
    /// Recordings without a language: music.
    pub shared_prompts: BTreeSet<PromptName>,
    /// What is wrong with recordings that are there and cannot be played, by their path without ending (`en/welcome`).
    pub broken_prompts: BTreeMap<String, BrokenPrompt>,
    /// Recordings that came with this plan and take the place of no shipped one, by their path without ending.
    pub own_prompts: BTreeSet<String>,
    /// Sound files of other kinds beside them: path without ending and the file.
    pub other_sounds: BTreeMap<String, String>,
    /// Names of environment variables that are set.
    pub environment: BTreeSet<String>,
    /// Files that the plan may name and that exist, as the plan writes them (`secrets/carrier`).
    pub files: BTreeSet<String>,
    /// The moment of the check, when it is to look for what is over; nothing is over without one.
    pub now: Option<Timestamp>,
}

/// A recording that cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenPrompt {
    /// Its file.
    pub file: String,
    /// What it is, or why it cannot be read, and what would be right.
    pub what: String,
}

impl World {
    /// Whether a recording is there for callers of a language.
    #[must_use]
    pub fn has(&self, language: &Language, prompt: &str) -> bool {
        self.shared_prompts.contains(prompt) || self.prompts.get(language).is_some_and(|prompts| prompts.contains(prompt))
    }

    /// The path without ending of what callers of a language hear by that name.
    pub(crate) fn path(&self, language: &Language, prompt: &str) -> String {
        let own = self.prompts.get(language).is_some_and(|prompts| prompts.contains(prompt));
        if own { format!("{language}/{prompt}") } else { prompt.to_owned() }
    }

    /// How to make a recording of a sound file that is there under a name, but of another kind.
    pub(crate) fn converted(&self, language: &Language, prompt: &str) -> Option<String> {
        let path = format!("{language}/{prompt}");
        let file = self.other_sounds.get(&path).or_else(|| self.other_sounds.get(prompt))?;
        Some(convert(file))
    }

    /// Names of all recordings that a language has, without spelled-out numbers.
    pub(crate) fn names(&self, language: &Language) -> impl Iterator<Item = &str> {
        let own = self.prompts.get(language).into_iter().flatten();
        own.chain(&self.shared_prompts)
            .map(PromptName::as_str)
            .filter(|name| !name.starts_with("numbers/") && !name.starts_with("digits/"))
    }
}

/// The command that makes a recording out of a sound file.
pub(crate) fn convert(file: &str) -> String {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let new = if file.ends_with(".wav") { format!("{stem}.new.wav") } else { format!("{stem}.wav") };
    format!("convert it: `ffmpeg -i \"{file}\" -ac 1 -ar 16000 -c:a pcm_s16le \"{new}\"`")
}
