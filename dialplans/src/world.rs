//! What lies outside of the plan's text and must be there: recordings, environment, files.

use std::collections::{BTreeMap, BTreeSet};

use tandem_switch::name::{Language, PromptName};

/// The surroundings that a plan is checked against. Handed in, so that checking is pure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// Recordings by language.
    pub prompts: BTreeMap<Language, BTreeSet<PromptName>>,
    /// Recordings without a language: music.
    pub shared_prompts: BTreeSet<PromptName>,
    /// Names of environment variables that are set.
    pub environment: BTreeSet<String>,
    /// Files that the plan may name and that exist, as the plan writes them (`secrets/carrier`).
    pub files: BTreeSet<String>,
}

impl World {
    /// Whether a recording is there for callers of a language.
    #[must_use]
    pub fn has(&self, language: &Language, prompt: &str) -> bool {
        self.shared_prompts.contains(prompt) || self.prompts.get(language).is_some_and(|prompts| prompts.contains(prompt))
    }

    /// Names of all recordings that a language has, without spelled-out numbers.
    pub(crate) fn names(&self, language: &Language) -> impl Iterator<Item = &str> {
        let own = self.prompts.get(language).into_iter().flatten();
        own.chain(&self.shared_prompts)
            .map(PromptName::as_str)
            .filter(|name| !name.starts_with("numbers/") && !name.starts_with("digits/"))
    }
}
