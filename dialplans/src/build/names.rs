//! Who declares which name, who refers to it, and what nobody refers to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tandem_switch::name::Language;

use super::{prompts, top_text, tops, unused};
use crate::{
    diagnostic::{Findings, did_you_mean},
    grammar::{Kind, Noun},
    plan::Ending,
    read::{Item, Value},
    secret::Secret,
    source::Location,
    world::World,
};

/// All declared names, by noun.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    declared: Arc<BTreeMap<Noun, BTreeMap<String, Location>>>,
}

impl Names {
    /// Gathers the declarations; a name given twice is an error.
    pub(super) fn collect(items: &[Item], findings: &mut Findings) -> Self {
        let mut declared: BTreeMap<Noun, BTreeMap<String, Location>> = BTreeMap::new();
        for value in items.iter().flat_map(Item::values) {
            let (Kind::Declares(noun), Some(name)) = (value.kind, value.text()) else { continue };
            let known = declared.entry(noun).or_default();
            if let Some(first) = known.get(name) {
                let message = format!("{} `{name}` is declared twice, first at {}", noun.word(), findings.place(*first));
                findings.error("twice", value.at, message);
                findings.relate(*first, "declared here first");
            } else {
                known.insert(name.to_owned(), value.at);
            }
        }
        Self { declared: Arc::new(declared) }
    }

    pub(super) fn all(&self, noun: Noun) -> impl Iterator<Item = &str> {
        self.declared.get(&noun).into_iter().flat_map(|known| known.keys().map(String::as_str))
    }

    /// Holds every reference against what is declared, recorded, set and there.
    pub(super) fn resolve(&self, items: &[Item], world: &World, findings: &mut Findings) {
        let languages = languages(items);
        let spoken = spoken(&languages, world);
        let mut used: BTreeSet<(Noun, &str)> = BTreeSet::new();
        for item in items {
            // What only a test names is of no use to a call.
            let is_test = item.spec.name == "test";
            item.walk(&mut |item| {
                for value in item.values() {
                    self.reference(value, &spoken, world, findings);
                    used.extend(use_of(item, value).filter(|_| !is_test));
                }
            });
        }
        prompts::spoken(items, &languages, world, findings);
        prompts::of_callbacks(items, &languages, world, findings);
        super::devices::prompts(items, &languages, world, findings);
        // A mistyped name leaves another one unused: that is no second finding.
        if !findings.has_errors() {
            self.unused(&used, findings);
            unused::variables(items, findings);
            unused::mailboxes(items, findings);
            prompts::unused(items, &languages, world, findings);
        }
    }

    pub(super) fn reference(&self, value: &Value, spoken: &[&Language], world: &World, findings: &mut Findings) {
        match (value.kind, value.text()) {
            (Kind::Refers(Noun::Prompt), Some(name)) => prompts::reference(name, value, spoken, world, findings),
            (Kind::Refers(noun), Some(name)) if self.declared.get(&noun).is_none_or(|known| !known.contains_key(name)) => {
                let message = format!("there is no {} `{name}`", noun.word());
                findings.error_with("unknown-name", value.at, message, did_you_mean(name, self.all(noun)));
            }
            (Kind::Secret, _) => match value.secret() {
                Some(Secret::Env(name)) if !world.environment.contains(name) => {
                    findings.error("missing-secret", value.at, format!("the environment variable `{name}` is not set"));
                }
                Some(Secret::File(path)) if !world.files.contains(path) => {
                    findings.error("missing-secret", value.at, format!("there is no file `{path}`"));
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn unused(&self, used: &BTreeSet<(Noun, &str)>, findings: &mut Findings) {
        for (noun, known) in &*self.declared {
            // The API may name a program that no step does.
            if matches!(noun, Noun::Route | Noun::AudioStream | Noun::Rule) {
                continue;
            }
            for (name, at) in known.iter().filter(|(name, _)| !used.contains(&(*noun, name.as_str()))) {
                let message = format!("{} `{name}` is used nowhere", noun.word());
                match noun {
                    Noun::Skill => findings.advice("unused", *at, message),
                    // A trunk may be there to be reached by later plans, but nothing can come or go now.
                    _ => findings.warning("unused", *at, message),
                }
            }
        }
    }
}

/// What a value of an item uses. That an agent works for a queue leads no call there.
pub(super) fn use_of<'a>(item: &Item, value: &'a Value) -> Option<(Noun, &'a str)> {
    match (value.kind, value.text()) {
        (Kind::Refers(noun), Some(name)) if noun != Noun::Queue || item.spec.name != "queues" => Some((noun, name)),
        _ => None,
    }
}

/// Those of them that there are recordings in.
pub(super) fn spoken<'a>(languages: &'a BTreeSet<Language>, world: &World) -> Vec<&'a Language> {
    languages.iter().filter(|language| world.prompts.contains_key(*language)).collect()
}

/// Every language that a caller can come to hear.
pub(super) fn languages(items: &[Item]) -> BTreeSet<Language> {
    let mut languages = BTreeSet::from([default_language(items)]);
    languages.extend(tops(items, "languages").flat_map(Item::texts).map(Language::from));
    for item in tops(items, "route").chain(tops(items, "defaults")).chain(tops(items, "queue")) {
        item.walk(&mut |item| {
            if item.spec.name == "set" {
                languages.extend(item.prop_text("language").map(Language::from));
            }
        });
    }
    languages
}

pub(super) fn default_language(items: &[Item]) -> Language {
    Language::from(top_text(items, "language").unwrap_or("en"))
}

impl Ending {
    /// The ending of that word.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ending| ending.word() == word)
    }
}
