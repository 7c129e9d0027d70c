//! What can be written at a place.

use std::collections::BTreeSet;

use tandem_switch::name::PromptName;

use super::{
    Draft, location,
    outline::{Role, Seen},
};
use crate::{
    grammar::{Kind, NodeSpec, Noun, Place, STEPS},
    reference::{arg_entry, entry, prop_entry},
    source::Location,
};

/// What a proposal is, for the picture beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionKind {
    /// A node.
    Node,
    /// A property, to be followed by its value.
    Property,
    /// A word of the language.
    Word,
    /// The name of something.
    Name,
}

/// One proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// As it is shown.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// As it is written, with quotes where they belong.
    pub insert: String,
    /// The text that it takes the place of.
    pub replace: Location,
    /// In a few words, what kind of thing it is.
    pub detail: String,
    /// Markdown.
    pub documentation: String,
}

impl Draft {
    /// Everything that may be written at a place, in no order of merit: the editor picks by what is typed.
    #[must_use]
    pub fn complete(&self, at: Location) -> Vec<Completion> {
        let Some(word) = self.word(at) else { return Vec::new() };
        let replace = location(at.file, &replaced(&word, at.offset as usize));
        let mut found = match &word.role {
            Role::Node { place } => nodes(*place),
            Role::Prop { spec } => props(spec, &[], false),
            Role::Arg { spec, arg, given } => {
                let values = arg.map(|arg| self.values(arg.kind, &arg_entry(arg))).unwrap_or_default();
                // Who has opened a quote wants a value.
                let quoted = word.range.len() > word.text.len();
                let props = if quoted { Vec::new() } else { props(spec, given, true) };
                values.into_iter().chain(props).collect()
            }
            Role::PropValue { prop } => self.values(prop.kind, &prop_entry(prop)),
        };
        for each in &mut found {
            each.replace = replace;
        }
        found
    }

    fn values(&self, kind: Kind, about: &str) -> Vec<Completion> {
        let named = |kind, name: &str, detail: &str| proposal(kind, name, format!("\"{name}\""), detail, about);
        match kind {
            Kind::OneOf(words) => words.iter().map(|word| named(CompletionKind::Word, word, "")).collect(),
            Kind::Flag => {
                let flags = ["#true", "#false"].into_iter();
                flags.map(|flag| proposal(CompletionKind::Word, flag, flag.into(), "", about)).collect()
            }
            Kind::Refers(Noun::Prompt) => {
                let spoken = self.world.prompts.keys().flat_map(|language| self.world.names(language));
                let shared = self.world.shared_prompts.iter().map(PromptName::as_str);
                let all: BTreeSet<&str> = spoken.chain(shared).collect();
                all.into_iter().map(|name| named(CompletionKind::Name, name, "recording")).collect()
            }
            Kind::Refers(noun) => {
                let all: BTreeSet<&str> = self.declared(noun).map(|named| named.name.as_str()).collect();
                all.into_iter().map(|name| named(CompletionKind::Name, name, noun.word())).collect()
            }
            Kind::Language | Kind::LanguageOrVariable => {
                self.world.prompts.keys().map(|language| named(CompletionKind::Word, language.as_str(), "language")).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A string that is not closed ends where the cursor is: what follows on its line was there before.
fn replaced(word: &Seen, cursor: usize) -> std::ops::Range<usize> {
    if word.closed { word.range.clone() } else { word.range.start..cursor.clamp(word.range.start, word.range.end) }
}

fn nodes(place: Place) -> Vec<Completion> {
    let steps: &[NodeSpec] = if place.takes_steps() && place != Place::Steps { STEPS } else { &[] };
    let all = place.nodes().iter().map(|spec| (spec, place)).chain(steps.iter().map(|spec| (spec, Place::Steps)));
    all.map(|(spec, place)| {
        let mut about = String::new();
        entry(&mut about, spec);
        proposal(CompletionKind::Node, spec.name, spec.name.into(), place.title(), about.trim_end())
    })
    .collect()
}

fn props(spec: &NodeSpec, given: &[&'static str], with_equals: bool) -> Vec<Completion> {
    let open = spec.props.iter().filter(|prop| !given.contains(&prop.name));
    open.map(|prop| {
        let insert = if with_equals { format!("{}=", prop.name) } else { prop.name.to_owned() };
        let detail = if prop.required { format!("{}, required", prop.kind.title()) } else { prop.kind.title() };
        proposal(CompletionKind::Property, prop.name, insert, &detail, &prop_entry(prop))
    })
    .collect()
}

fn proposal(kind: CompletionKind, label: &str, insert: String, detail: &str, documentation: &str) -> Completion {
    Completion {
        label: label.to_owned(),
        kind,
        insert,
        replace: Location::default(),
        detail: detail.to_owned(),
        documentation: documentation.to_owned(),
    }
}
