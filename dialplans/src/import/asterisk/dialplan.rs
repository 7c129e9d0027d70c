//! `extensions.conf` as it is written: contexts, extensions, steps, includes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::ledger::{Ledger, UnitId},
    lines::{Entry, Section},
    pattern::Numbers,
};

/// One `exten =>` or `same =>`.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) priority: u32,
    pub(super) label: Option<String>,
    /// In lower case: Asterisk does not mind the case of applications.
    pub(super) app: String,
    pub(super) args: String,
    pub(super) at: UnitId,
}

/// All steps of one extension of one context, by priority.
#[derive(Clone, Debug)]
pub(super) struct Exten {
    pub(super) text: String,
    pub(super) numbers: Numbers,
    pub(super) steps: Vec<Step>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    pub(super) name: String,
    /// In the order in which Asterisk tries them.
    pub(super) extens: Vec<Exten>,
    pub(super) includes: Vec<String>,
    /// Its headers and includes, which are converted when a call gets here.
    pub(super) units: Vec<UnitId>,
}

#[derive(Debug, Default)]
pub(super) struct Dialplan {
    pub(super) contexts: Vec<Context>,
    pub(super) globals: BTreeMap<String, String>,
    /// Names that some `${…}` asks for.
    pub(super) mentioned: BTreeSet<String>,
    /// Contexts that another one includes.
    pub(super) included: BTreeSet<String>,
}

/// An extension that means an event and no number.
pub(super) fn is_event(name: &str) -> bool {
    matches!(name, "h" | "i" | "t" | "s" | "o" | "a" | "T" | "e" | "fax" | "failed" | "talk")
}

/// Whether an extension is a place to jump to, and nobody dials it: `s-BUSY`.
pub(super) fn is_inside(name: &str) -> bool {
    name.split_once('-').is_some_and(|(word, _)| word.trim_start_matches('_').bytes().all(|b| b.is_ascii_lowercase()))
}

/// Where an extension stands: context, extension.
pub(super) type Place = (usize, usize);

impl Dialplan {
    pub(super) fn read(sections: Vec<Section>, ledger: &mut Ledger) -> Self {
        let mut plan = Self::default();
        for section in sections {
            for entry in &section.entries {
                mentions(&entry.value, &mut plan.mentioned);
            }
            match section.name.as_str() {
                "general" => {
                    ledger.left_out(section.at, "how Asterisk loads its dialplan");
                    section.entries.iter().for_each(|entry| ledger.left_out(entry.at, "how Asterisk loads its dialplan"));
                }
                "globals" => {
                    ledger.converted(section.at, "its values stand where they are used");
                    for Entry { key, value, at } in section.entries {
                        ledger.converted(at, "its value stands where it is used");
                        plan.globals.insert(key, value);
                    }
                }
                _ => plan.context(section, ledger),
            }
        }
        for context in &mut plan.contexts {
            // One that only says whom a key of a phone watches is dialled by nobody.
            context.extens.retain(|exten| !exten.steps.is_empty());
            for exten in &mut context.extens {
                exten.steps.sort_by_key(|step| step.priority);
            }
            context.extens.sort_by_cached_key(|exten| exten.numbers.rank());
            plan.included.extend(context.includes.iter().cloned());
        }
        plan
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.contexts.iter().position(|context| context.name == name)
    }

    pub(super) fn exten(&self, (context, exten): Place) -> &Exten {
        &self.contexts[context].extens[exten]
    }

    /// The extensions of a context and all that it includes, in the order in which they are tried.
    pub(super) fn reach(&self, context: usize) -> Vec<Place> {
        let (mut places, mut seen, mut open) = (Vec::new(), BTreeSet::new(), vec![context]);
        while let Some(at) = open.pop() {
            if !seen.insert(at) {
                continue;
            }
            let Context { extens, includes, .. } = &self.contexts[at];
            places.extend((0..extens.len()).map(|exten| (at, exten)));
            open.extend(includes.iter().rev().filter_map(|name| self.find(name)));
        }
        places
    }

    /// The extension of exactly that name, in a context or what it includes: `i`, `s`, `t`.
    pub(super) fn event(&self, context: usize, name: &str) -> Option<Place> {
        self.reach(context).into_iter().find(|place| self.exten(*place).text == name)
    }

    fn context(&mut self, section: Section, ledger: &mut Ledger) {
        let index = self.find(&section.name).unwrap_or_else(|| {
            self.contexts.push(Context { name: section.name.clone(), ..Context::default() });
            self.contexts.len() - 1
        });
        let context = &mut self.contexts[index];
        context.units.push(section.at);
        let mut last: Option<usize> = None;
        for entry in section.entries {
            match entry.key.to_ascii_lowercase().as_str() {
                "exten" => last = exten(context, &entry, ledger).or(last),
                "same" => match last {
                    Some(at) => step(&mut context.extens[at], &entry.value, entry.at, ledger),
                    None => ledger.not_converted(entry.at, "`same` without an `exten` before it", "see what was meant"),
                },
                "include" => include(context, &entry, ledger),
                "ignorepat" => ledger.left_out(entry.at, "a dial tone for analogue phones"),
                "autohints" => ledger.left_out(entry.at, "extensions can be watched without hints"),
                "switch" | "lswitch" | "eswitch" => {
                    ledger.not_converted(
                        entry.at,
                        "a dialplan that another machine or a database holds",
                        "write the routes of what it holds",
                    );
                }
                _ => ledger.not_converted(
                    entry.at,
                    "no word of a dialplan",
                    "Asterisk does not read it either: see what was meant",
                ),
            }
        }
    }
}

fn include(context: &mut Context, entry: &Entry, ledger: &mut Ledger) {
    match entry.value.split_once([',', '|']) {
        None => {
            context.includes.push(entry.value.clone());
            context.units.push(entry.at);
        }
        Some(_) => ledger.not_converted(
            entry.at,
            "a context that counts at some hours only",
            "put its routes there by hand, each beginning with `unless-open \"…\" { … }`",
        ),
    }
}

/// `exten => NAME,PRIORITY,APPLICATION`; where the extension stands in its context.
fn exten(context: &mut Context, entry: &Entry, ledger: &mut Ledger) -> Option<usize> {
    let at = entry.at;
    let Some((name, rest)) = entry.value.split_once(',') else {
        ledger.not_converted(at, "an extension without a priority", "Asterisk does not read it either: see what was meant");
        return None;
    };
    let name = name.trim();
    let (text, caller) = name.split_once('/').unwrap_or((name, ""));
    if !caller.is_empty() {
        ledger.not_converted(at, "an extension for some callers only", "write a route with `caller \"…\"`");
        return None;
    }
    let Some(numbers) = Numbers::parse(text) else {
        ledger.not_converted(at, "this is no pattern of numbers", "write a route with `to \"…\"`");
        return None;
    };
    let index = context.extens.iter().position(|known| known.text == text).unwrap_or_else(|| {
        context.extens.push(Exten { text: text.to_owned(), numbers, steps: Vec::new() });
        context.extens.len() - 1
    });
    step(&mut context.extens[index], rest, at, ledger);
    Some(index)
}

/// `PRIORITY(LABEL),APPLICATION(ARGUMENTS)`.
fn step(exten: &mut Exten, text: &str, at: UnitId, ledger: &mut Ledger) {
    let Some((priority, app)) = text.split_once(',') else {
        return ledger.not_converted(
            at,
            "a priority without an application",
            "Asterisk does not read it either: see what was meant",
        );
    };
    let priority = priority.trim();
    let (number, label) = match priority.split_once('(') {
        Some((number, label)) => (number.trim(), Some(label.trim_end_matches(')').trim().to_owned())),
        None => (priority, None),
    };
    if number.eq_ignore_ascii_case("hint") {
        return ledger.left_out(at, "extensions can be watched without hints");
    }
    let last = exten.steps.iter().map(|step| step.priority).max();
    let wanted = match number.split_once('+') {
        Some(("n", more)) => more.trim().parse::<u32>().ok().map(|more| last.unwrap_or(0).saturating_add(more)),
        _ if number == "n" => Some(last.map_or(1, |last| last.saturating_add(1))),
        _ if number == "s" => last,
        _ => number.parse().ok(),
    };
    let Some(priority) = wanted.filter(|wanted| exten.steps.iter().all(|step| step.priority != *wanted)) else {
        return ledger.not_converted(at, "this priority is no number, or was there before", "see what was meant");
    };
    let app = app.trim();
    let (app, args) = match app.split_once('(') {
        Some((app, args)) => (app, args.strip_suffix(')').unwrap_or(args)),
        None => app.split_once(',').unwrap_or((app, "")),
    };
    let step = Step { priority, label, app: app.trim().to_ascii_lowercase(), args: args.trim().to_owned(), at };
    exten.steps.push(step);
}

/// Parts between commas that stand in no brackets and no quotes.
pub(super) fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut depth, mut quoted, mut escaped) = (Vec::new(), String::new(), 0_u32, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => {
                escaped = false;
                part.push(c);
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if depth == 0 && !quoted => parts.push(std::mem::take(&mut part).trim().to_owned()),
            _ => {
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                part.push(c);
            }
        }
    }
    parts.push(part.trim().to_owned());
    parts
}

/// Names in `${…}`.
fn mentions(text: &str, into: &mut BTreeSet<String>) {
    for (at, _) in text.match_indices("${") {
        let name: String = text[at + 2..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        into.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_parted_outside_of_brackets_and_quotes() {
        assert_eq!(split("a,\"b,c\",d(e,f),${X:1},"), ["a", "b,c", "d(e,f)", "${X:1}", ""]);
        assert_eq!(split(r"a\,b,c"), ["a,b", "c"]);
    }
}
