//! Recordings: which the plan needs, which of them cannot be played, and which it does not use.

use std::collections::BTreeSet;

use tandem_switch::{callback::AGENT_PROMPT, name::Language};

use super::tops;
use crate::{
    callbacks::{KEPT_PROMPT, OFFER_PROMPT},
    diagnostic::{Findings, did_you_mean},
    grammar::{Kind, Noun},
    read::{Item, Value},
    say,
    source::Location,
    world::{World, convert},
};

/// Recordings that the switch plays by itself.
const BY_ITSELF: &[&str] = &["voicemail-greeting", "music/beep", "music/hold", OFFER_PROMPT, KEPT_PROMPT, AGENT_PROMPT];
/// Names that one finding lists.
const MAX_LISTED: usize = 5;

/// Languages must have recordings, and a grammar where values are spoken.
pub(super) fn spoken(items: &[Item], languages: &BTreeSet<Language>, world: &World, findings: &mut Findings) {
    let (mut plays, mut speaks, mut sets) = (None, None, Vec::new());
    for item in items.iter().filter(|item| item.spec.name != "test") {
        item.walk(&mut |item| {
            if item.nouns(Noun::Prompt).any(|name| !world.shared_prompts.contains(name)) {
                plays = plays.or(Some(item.at));
            }
            if matches!(item.spec.name, "say" | "announce") {
                speaks = speaks.or(Some(item.at));
            }
            match item.spec.name {
                "set" => sets.extend(item.prop("language").cloned()),
                "language" | "languages" => sets.extend(item.args.iter().cloned()),
                _ => {}
            }
        });
    }
    if let Some(at) = plays.or(speaks) {
        for language in languages.iter().filter(|language| !world.prompts.contains_key(*language)) {
            let at = sets.iter().find(|value| value.text() == Some(language.as_str())).map_or(at, |value| value.at);
            let known = world.prompts.keys().map(Language::as_str);
            findings.error_with(
                "unknown-language",
                at,
                format!("there are no recordings in `{language}`"),
                did_you_mean(language.as_str(), known),
            );
        }
    }
    let Some(at) = speaks else { return };
    for language in languages.iter().filter(|language| world.prompts.contains_key(*language)) {
        let Some(vocabulary) = say::vocabulary(language) else {
            findings.error("no-grammar", at, format!("numbers cannot be spoken in `{language}`: only in en and it"));
            continue;
        };
        let missing: Vec<_> = vocabulary.iter().filter(|prompt| !world.has(language, prompt.as_str())).collect();
        if let Some(first) = missing.first() {
            let message = format!(
                "speaking numbers in `{language}` needs {} recordings that are not there, `{first}` the first",
                missing.len()
            );
            findings.error("unknown-prompt", at, message);
        }
    }
}

/// What is said of callbacks without being named must be there in each language that has any recordings.
pub(super) fn of_callbacks(items: &[Item], languages: &BTreeSet<Language>, world: &World, findings: &mut Findings) {
    for offer in tops(items, "queue").filter_map(|queue| queue.child("callback")) {
        let defaults = [("prompt", OFFER_PROMPT), ("confirm", KEPT_PROMPT)];
        let unnamed = defaults.iter().filter(|(property, _)| offer.prop(property).is_none()).map(|(_, prompt)| *prompt);
        for prompt in unnamed.chain([AGENT_PROMPT]) {
            let spoken = languages.iter().filter(|language| world.prompts.contains_key(*language));
            if let Some(language) = spoken.into_iter().find(|language| !world.has(language, prompt)) {
                let message = format!("`callback` plays the recording `{prompt}`, which is not there in `{language}`");
                findings.error("unknown-prompt", offer.at, message);
            }
        }
    }
}

/// A recording that the plan names must be there in each language that has any.
pub(super) fn reference(name: &str, value: &Value, spoken: &[&Language], world: &World, findings: &mut Findings) {
    let missing: Vec<_> = spoken.iter().filter(|language| !world.has(language, name)).collect();
    if spoken.is_empty() && !world.shared_prompts.contains(name) {
        findings.error("unknown-prompt", value.at, format!("there is no recording `{name}`"));
    } else if let Some(first) = missing.first() {
        let known: BTreeSet<_> =
            spoken.iter().flat_map(|language| world.names(language)).filter(|known| *known != name).collect();
        let languages: Vec<_> = missing.iter().map(|language| format!("`{language}`")).collect();
        let message = format!("there is no recording `{name}` in {}", languages.join(" and "));
        let suggestion = world.converted(first, name).or_else(|| did_you_mean(name, known));
        findings.error_with("unknown-prompt", value.at, message, suggestion);
    }
    for language in spoken.iter().filter(|language| world.has(language, name)) {
        if let Some(broken) = world.broken_prompts.get(&world.path(language, name)) {
            let message = format!("`{}` cannot be played: {}", broken.file, broken.what);
            findings.error_with("bad-prompt", value.at, message, Some(convert(&broken.file)));
        }
    }
}

/// Recordings that nobody hears, and those among them that nobody could hear.
pub(super) fn unused(items: &[Item], languages: &BTreeSet<Language>, world: &World, findings: &mut Findings) {
    let at = tops(items, "prompts").next().map_or(Location::default(), |item| item.at);
    let mut named: BTreeSet<&str> = BY_ITSELF.iter().copied().collect();
    let mut speaks = false;
    for item in items {
        collect(item, &mut named, &mut speaks);
    }
    let mut heard = BTreeSet::new();
    for language in languages {
        heard.extend(named.iter().map(|name| world.path(language, name)));
        let vocabulary = say::vocabulary(language).filter(|_| speaks).unwrap_or_default();
        heard.extend(vocabulary.iter().map(|name| world.path(language, name.as_str())));
    }
    for (_, broken) in world.broken_prompts.iter().filter(|(path, _)| !heard.contains(*path)) {
        let message = format!("`{}` could not be played, if it were: {}", broken.file, broken.what);
        findings.warning_with("bad-prompt", at, message, Some(convert(&broken.file)));
    }
    // A plan may come with what it will say in a language that it does not speak yet.
    let waits = |path: &str| path.split_once('/').is_some_and(|(language, name)| language.len() == 2 && named.contains(name));
    let unused: Vec<_> = world.own_prompts.iter().filter(|path| !heard.contains(*path) && !waits(path)).collect();
    if !unused.is_empty() {
        let listed: Vec<_> = unused.iter().take(MAX_LISTED).map(|path| format!("`{path}`")).collect();
        let more = if unused.len() > MAX_LISTED { ", …" } else { "" };
        let what = if unused.len() == 1 { "1 recording is".to_owned() } else { format!("{} recordings are", unused.len()) };
        findings.advice("unused", at, format!("{what} played by no step of this plan: {}{more}", listed.join(", ")));
    }
}

fn collect<'a>(item: &'a Item, named: &mut BTreeSet<&'a str>, speaks: &mut bool) {
    *speaks |= matches!(item.spec.name, "say" | "announce");
    named.extend(item.values().filter(|value| value.kind == Kind::Refers(Noun::Prompt)).filter_map(Value::text));
    item.children.iter().for_each(|child| collect(child, named, speaks));
}
