//! The language for other programs, made from the table: as a KDL schema, and as data.
//!
//! The schema is of the KDL Schema Language, which is not finished: it says which lines may stand where, how often, with
//! which values and properties of which type. What it has no words for (that braces must be there, that a name must exist)
//! is in the descriptions, and said by `check`.

use std::fmt::Write;

use serde::Serialize;

use crate::grammar::{Arg, Body, HANDLERS, Kind, NodeSpec, Place, Prop, STEPS, Times};

/// The whole table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LanguageTable {
    /// The version of the program that it is of.
    pub version: &'static str,
    /// Every place where lines may stand; the first is the top of a file.
    pub places: Vec<PlaceTable>,
}

/// A place where lines may stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlaceTable {
    /// Its word, as `body` names it.
    pub place: String,
    /// In words.
    pub title: &'static str,
    /// Whether every line of the place `steps` may stand here too.
    pub takes_steps: bool,
    /// What may stand here.
    pub nodes: Vec<NodeTable>,
}

/// One kind of line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeTable {
    /// Its word.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// It may stand more than once in one place.
    pub repeats: bool,
    /// Its values, in order.
    pub values: Vec<ValueTable>,
    /// Its properties.
    pub properties: Vec<ValueTable>,
    /// The place in its braces, if it has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The braces must be there.
    pub body_required: bool,
    /// How it can end, where what comes then may be said in its braces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<&'static str>,
}

/// A value or a property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ValueTable {
    /// Its name; of a value, only for documents.
    pub name: &'static str,
    /// Its type, in words.
    #[serde(rename = "type")]
    pub kind: String,
    /// `string`, `number` or `boolean`.
    pub kdl_type: &'static str,
    /// It must be given.
    pub required: bool,
    /// There may be several.
    pub several: bool,
    /// All that may be written, where that is a list.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub words: &'static [&'static str],
    /// The lowest and the highest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(u32, u32)>,
    /// What it looks like, as a regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<&'static str>,
    /// What counts when it is left out.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub default: &'static str,
    /// What it is for.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub about: &'static str,
}

/// The table as data.
#[must_use]
pub fn language_table() -> LanguageTable {
    let place = |place: &Place| PlaceTable {
        place: word(*place),
        title: place.title(),
        takes_steps: place.takes_steps() && *place != Place::Steps,
        nodes: place.nodes().iter().map(NodeTable::of).collect(),
    };
    LanguageTable { version: env!("CARGO_PKG_VERSION"), places: Place::ALL.iter().map(place).collect() }
}

impl NodeTable {
    fn of(spec: &NodeSpec) -> Self {
        let (body, body_required) = match spec.body {
            Body::None => (None, false),
            Body::Optional(place) => (Some(place), false),
            Body::Required(place) => (Some(place), true),
        };
        let is_outcome = |name: &&str| HANDLERS.iter().any(|handler| handler.name == *name);
        let inside = body.filter(|place| !place.takes_steps()).map(Place::nodes).unwrap_or_default();
        Self {
            name: spec.name,
            about: spec.about,
            repeats: spec.repeats,
            values: spec.args.iter().map(ValueTable::of_arg).collect(),
            properties: spec.props.iter().map(ValueTable::of_prop).collect(),
            body: body.map(word),
            body_required,
            outcomes: inside.iter().map(|inner| inner.name).filter(is_outcome).collect(),
        }
    }
}

impl ValueTable {
    fn of_arg(arg: &Arg) -> Self {
        let required = matches!(arg.times, Times::Once | Times::OneOrMore);
        let several = matches!(arg.times, Times::OneOrMore | Times::Any);
        Self { required, several, ..Self::of(arg.name, arg.kind, arg.about) }
    }

    fn of_prop(prop: &Prop) -> Self {
        Self { required: prop.required, default: prop.default, ..Self::of(prop.name, prop.kind, prop.about) }
    }

    fn of(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self {
            name,
            kind: kind.title(),
            kdl_type: kdl_type(kind),
            required: false,
            several: false,
            words: if let Kind::OneOf(words) = kind { words } else { &[] },
            range: if let Kind::Count(low, high) = kind { Some((low, high)) } else { None },
            pattern: pattern(kind),
            default: "",
            about,
        }
    }
}

/// The word of a place: `JoinQueue` is `join-queue`.
fn word(place: Place) -> String {
    let mut out = String::new();
    for letter in format!("{place:?}").chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

const fn kdl_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Flag => "boolean",
        Kind::Count(..) => "number",
        _ => "string",
    }
}

/// Only for types of which a regular expression says all, or nearly.
const fn pattern(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Declares(_) | Kind::FileName => "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$",
        Kind::Duration => "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
        Kind::DurationOrNever => "^(never|([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$",
        Kind::Secret => "^(env:[A-Za-z0-9_]{1,128}|file:.+)$",
        Kind::Ports => "^[0-9]{4,5}-[0-9]{4,5}$",
        Kind::Extension => "^[0-9]{1,9}$",
        Kind::Variable => "^[a-z][a-z0-9-]*$",
        Kind::Language => "^[a-z]{2}$",
        Kind::Country => "^[A-Z]{2}$",
        Kind::Key => "^[0-9*#]$",
        Kind::Keys => "^[0-9*#]{1,8}$",
        Kind::Age => "^[0-9]{1,5}d$",
        Kind::PlanFile => "^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*[A-Za-z0-9_-][A-Za-z0-9._-]*\\.(kdl|ics)$",
        _ => return None,
    })
}

/// The table in the KDL Schema Language.
#[must_use]
pub fn kdl_schema() -> String {
    let table = language_table();
    let mut out = Out::default();
    out.open("document");
    out.open("info");
    out.line(&format!("title {} lang=\"en\"", quoted("The Tandem dialplan")));
    let about = "Which lines may stand where in a plan, with which values. `tandem check` says the rest: names, paths, files.";
    out.line(&format!("description {} lang=\"en\"", quoted(about)));
    out.line(&format!("version {}", quoted(table.version)));
    out.close();
    let (top, others) = table.places.split_first().map_or((None, &[][..]), |(top, others)| (Some(top), others));
    top.into_iter().flat_map(|top| &top.nodes).for_each(|node| out.node(node, None));
    out.open("definitions");
    for place in others {
        out.open(&format!("children id={} description={}", quoted(&place.place), quoted(place.title)));
        for node in &place.nodes {
            let id = (place.place == word(Place::Steps)).then(|| step_id(node.name));
            out.node(node, id.as_deref());
        }
        if place.takes_steps {
            STEPS.iter().for_each(|step| out.line(&format!("node ref={}", reference(&step_id(step.name)))));
        }
        out.close();
    }
    out.close();
    out.close();
    out.text
}

fn step_id(name: &str) -> String {
    format!("step-{name}")
}

/// A KDL query for what has that id.
fn reference(id: &str) -> String {
    quoted(&format!("[id=\"{id}\"]"))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[derive(Default)]
struct Out {
    text: String,
    depth: usize,
}

impl Out {
    fn line(&mut self, line: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{:width$}{line}", "", width = self.depth * 4);
    }

    fn open(&mut self, line: &str) {
        self.line(&format!("{line} {{"));
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    fn node(&mut self, node: &NodeTable, id: Option<&str>) {
        let id = id.map(|id| format!(" id={}", quoted(id))).unwrap_or_default();
        self.open(&format!("node {}{id} description={}", quoted(node.name), quoted(node.about)));
        if !node.repeats {
            self.line("max 1");
        }
        for value in &node.values {
            self.open(&format!("value description={}", quoted(&described(value))));
            self.line(&format!("min {}", u8::from(value.required)));
            if !value.several {
                self.line("max 1");
            }
            self.validations(value);
            self.close();
        }
        for prop in &node.properties {
            self.open(&format!("prop {} description={}", quoted(prop.name), quoted(&described(prop))));
            if prop.required {
                self.line("required #true");
            }
            self.validations(prop);
            self.close();
        }
        if let Some(body) = &node.body {
            let must = if node.body_required { "The braces must be there." } else { "The braces may be left out." };
            self.line(&format!("children ref={} description={}", reference(body), quoted(must)));
        }
        self.close();
    }

    fn validations(&mut self, value: &ValueTable) {
        self.line(&format!("type {}", quoted(value.kdl_type)));
        if !value.words.is_empty() {
            let words: Vec<_> = value.words.iter().map(|word| quoted(word)).collect();
            self.line(&format!("enum {}", words.join(" ")));
        }
        if let Some(pattern) = value.pattern {
            self.line(&format!("pattern {}", quoted(pattern)));
        }
        if let Some((low, high)) = value.range {
            self.line(&format!("\">=\" {low}"));
            self.line(&format!("\"<=\" {high}"));
        }
    }
}

fn described(value: &ValueTable) -> String {
    let default = if value.default.is_empty() { String::new() } else { format!(", `{}` when absent", value.default) };
    let about = if value.about.is_empty() { String::new() } else { format!(": {}", value.about) };
    format!("{} ({}{default}){about}", value.name, value.kind)
}

#[cfg(test)]
mod tests;
