//! What the word under the cursor means, as Markdown.

use super::{Draft, location, outline::Role};
use crate::{
    grammar::{Kind, Noun},
    reference::{arg_entry, entry, prop_entry},
    source::Location,
};

/// Lines of a declaration that are shown.
const MAX_LINES: usize = 15;

/// The meaning of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// The word.
    pub at: Location,
    /// Markdown.
    pub markdown: String,
}

impl Draft {
    /// The documentation of the node, property or value at a place; for a reference what it leads to.
    #[must_use]
    pub fn hover(&self, at: Location) -> Option<Hover> {
        let word = self.word(at).filter(|word| !word.range.is_empty())?;
        let markdown = match &word.role {
            Role::Node { place } => {
                let mut out = String::new();
                entry(&mut out, place.find(&word.text)?);
                out
            }
            Role::Prop { spec } => prop_entry(spec.props.iter().find(|prop| prop.name == word.text)?),
            Role::Arg { spec, arg, .. } => {
                let arg = (*arg)?;
                self.value(arg.kind, &word.text, format!("`{}` {}", spec.name, arg_entry(arg)))
            }
            Role::PropValue { prop } => self.value(prop.kind, &word.text, prop_entry(prop)),
        };
        Some(Hover { at: location(at.file, &word.range), markdown: markdown.trim_end().to_owned() })
    }

    fn value(&self, kind: Kind, text: &str, about: String) -> String {
        match kind {
            Kind::Refers(Noun::Prompt) => format!("{about}\n\n{}", self.recorded(text)),
            Kind::Refers(noun) => match self.declared(noun).find(|named| named.name == text) {
                Some(named) => format!("{about}\n\n{}", self.declaration_text(named.at)),
                None => format!("{about}\n\nThere is no {} `{text}`.", noun.word()),
            },
            _ => about,
        }
    }

    fn recorded(&self, name: &str) -> String {
        let languages = self.world.prompts.iter().filter(|(_, prompts)| prompts.contains(name));
        let mut places: Vec<_> = languages.map(|(language, _)| format!("`{language}`")).collect();
        if self.world.shared_prompts.contains(name) {
            places.push("every language".into());
        }
        if places.is_empty() {
            format!("There is no recording `{name}`.")
        } else {
            format!("Recorded for {}.", places.join(", "))
        }
    }

    /// The node that declares a name, as it stands in its file, and which file that is.
    fn declaration_text(&self, at: Location) -> String {
        let Some(source) = self.sources.get(usize::from(at.file)) else { return String::new() };
        let before = source.text.get(..at.offset as usize).unwrap_or_default();
        let begin = before.rfind('\n').map_or(0, |at| at + 1);
        let text = &source.text[begin..];
        // Comments that stand right above belong to it.
        let above: Vec<_> =
            before[..begin].lines().rev().take_while(|line| line.trim_start().starts_with("//")).take(5).collect();
        let mut shown: Vec<&str> = above.into_iter().rev().collect();
        for (index, line) in text.lines().enumerate() {
            let next_node = index > 0 && !line.starts_with([' ', '\t', '}']);
            if next_node {
                break;
            }
            if index == MAX_LINES {
                shown.push("    // …");
                break;
            }
            shown.push(line);
        }
        format!("```kdl\n{}\n```\n{}:{}", shown.join("\n").trim_end(), source.file_name(), before.matches('\n').count() + 1)
    }
}
