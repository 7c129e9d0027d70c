//! From text to items: KDL parsed, and every node, value and property held against the table.

mod again;
mod node;
mod plain;
pub(crate) mod split;
mod value;

use std::collections::BTreeSet;

use kdl::KdlNode;

pub(crate) use self::again::Kept;
use self::node::{Entry, Node, Span, range};
pub(crate) use self::value::{Data, NEVER, Problem, Value, duration_ms, is_extension, is_name, parse as parse_value};
use crate::{
    diagnostic::{Findings, did_you_mean},
    grammar::{Arg, Body, Kind, NodeSpec, Noun, Place, Times},
    secret::Secret,
    source::{Location, Source},
};

/// Nodes that are read of one plan at most.
const MAX_NODES: usize = 200_000;

/// A node that fits the table; what did not fit was said and is missing here.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) spec: &'static NodeSpec,
    /// Where its name stands.
    pub(crate) at: Location,
    pub(crate) args: Vec<Value>,
    pub(crate) props: Vec<(&'static str, Value)>,
    pub(crate) children: Vec<Item>,
}

impl Item {
    pub(crate) fn prop(&self, name: &str) -> Option<&Value> {
        self.props.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    pub(crate) fn named<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.spec.name == name)
    }

    pub(crate) fn child(&self, name: &'static str) -> Option<&Self> {
        self.named(name).next()
    }

    /// The first argument as text.
    pub(crate) fn text(&self) -> Option<&str> {
        self.args.first().and_then(Value::text)
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.args.iter().filter_map(Value::text)
    }

    pub(crate) fn ms(&self) -> Option<u64> {
        self.args.first().and_then(Value::ms)
    }

    pub(crate) fn count(&self) -> Option<u32> {
        self.args.first().and_then(Value::count)
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        self.args.first().and_then(Value::flag)
    }

    pub(crate) fn prop_text(&self, name: &str) -> Option<&str> {
        self.prop(name).and_then(Value::text)
    }

    pub(crate) fn prop_ms(&self, name: &str) -> Option<u64> {
        self.prop(name).and_then(Value::ms)
    }

    pub(crate) fn prop_count(&self, name: &str) -> Option<u32> {
        self.prop(name).and_then(Value::count)
    }

    pub(crate) fn prop_flag(&self, name: &str) -> Option<bool> {
        self.prop(name).and_then(Value::flag)
    }

    /// This item and all below it.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        self.children.iter().for_each(|child| child.walk(visit));
    }

    /// All values, with their kinds.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.args.iter().chain(self.props.iter().map(|(_, value)| value))
    }

    /// Names of one noun that this node declares or refers to.
    pub(crate) fn nouns(&self, wanted: Noun) -> impl Iterator<Item = &str> {
        self.values().filter(move |value| value.kind == Kind::Refers(wanted)).filter_map(Value::text)
    }
}

impl Value {
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    fn ms(&self) -> Option<u64> {
        if let Data::Ms(ms) = self.data { Some(ms) } else { None }
    }

    fn count(&self) -> Option<u32> {
        if let Data::Count(n) = self.data { Some(n) } else { None }
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        if let Data::Flag(on) = self.data { Some(on) } else { None }
    }

    pub(crate) const fn secret(&self) -> Option<&Secret> {
        if let Data::Secret(secret) = &self.data { Some(secret) } else { None }
    }
}

/// Reads all `*.kdl` sources into one list of top items, in the order given.
pub(crate) fn read(sources: &[Source], findings: &mut Findings) -> Vec<Item> {
    let mut kept = Kept::default();
    kept.read(sources, findings);
    kept.into_items()
}

struct Reader<'a> {
    file: u16,
    /// Where the text that is parsed begins in its file.
    base: usize,
    nodes: usize,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn at(&self, span: &Span) -> Location {
        let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Location { file: self.file, offset: clip(self.base + span.start), length: clip(span.len()) }
    }

    /// A mistake in one node leaves the others readable, and the KDL parser, which recurses with each mistake in a
    /// whole document, meets only one node at a time.
    fn top_node(&mut self, text: &str, items: &mut Vec<Item>) {
        if let Some(node) = plain::read(text) {
            return self.nodes(Place::Top, &[node], items);
        }
        match KdlNode::parse(text) {
            Ok(node) => self.nodes(Place::Top, &[Node::from(&node)], items),
            Err(error) => {
                // The parser goes on after its first error; what follows is often only an echo of it.
                for problem in error.diagnostics.iter().take(2) {
                    let message = problem.message.clone().unwrap_or_else(|| "this is not KDL".into());
                    self.findings.error_with("syntax", self.at(&range(problem.span)), message, problem.help.clone());
                }
                if error.diagnostics.is_empty() {
                    self.findings.error("syntax", self.at(&(0..0)), "this is not KDL");
                }
            }
        }
    }

    fn nodes(&mut self, place: Place, nodes: &[Node<'_>], out: &mut Vec<Item>) {
        for node in nodes {
            self.nodes += 1;
            if self.nodes > MAX_NODES {
                if self.nodes == MAX_NODES + 1 {
                    self.findings.error("too-large", self.at(&node.name_at), format!("the plan has more than {MAX_NODES} nodes"));
                }
                return;
            }
            out.extend(self.node(place, node));
        }
    }

    fn node(&mut self, place: Place, node: &Node<'_>) -> Option<Item> {
        let at = self.at(&node.name_at);
        let name = &*node.name;
        if let Some(annotation) = &node.annotation {
            self.findings.error("annotation", self.at(annotation), "type annotations mean nothing in a plan");
        }
        let Some(spec) = place.find(name) else {
            self.unknown_node(place, name, at);
            return None;
        };
        let mut item = Item { spec, at, args: Vec::new(), props: Vec::new(), children: Vec::new() };
        for entry in &node.entries {
            self.entry(&mut item, entry);
        }
        self.missing(&item);
        self.body(&mut item, node);
        Some(item)
    }

    fn unknown_node(&mut self, place: Place, name: &str, at: Location) {
        let suggestion = did_you_mean(name, place.names()).or_else(|| {
            let elsewhere =
                Place::ALL.iter().find(|other| **other != place && other.nodes().iter().any(|spec| spec.name == name));
            elsewhere.map(|other| format!("`{name}` stands {}", other.title()))
        });
        let message = format!("`{}` is not known {}", shortened(name), place.title());
        self.findings.error_with("unknown-node", at, message, suggestion);
    }

    fn entry(&mut self, item: &mut Item, entry: &Entry<'_>) {
        let at = self.at(&entry.at);
        if entry.has_annotation {
            self.findings.error("annotation", at, "type annotations mean nothing in a plan");
        }
        match &entry.name {
            Some((name, name_at)) => {
                let name_at = self.at(name_at);
                let Some(prop) = item.spec.props.iter().find(|prop| prop.name == *name) else {
                    let known = item.spec.props.iter().map(|prop| prop.name);
                    let suggestion = did_you_mean(name, known.clone()).or_else(|| {
                        let known: Vec<_> = known.map(|p| format!("`{p}`")).collect();
                        (!known.is_empty()).then(|| format!("it has {}", known.join(", ")))
                    });
                    let message = format!("`{}` has no property `{}`", item.spec.name, shortened(name));
                    self.findings.error_with("unknown-property", name_at, message, suggestion);
                    return;
                };
                if item.prop(prop.name).is_some() {
                    self.findings.error("twice", at, format!("`{}` is given twice", prop.name));
                    return;
                }
                let value = self.value(prop.kind, entry, at);
                item.props.push((prop.name, value));
            }
            None => {
                let Some(arg) = nth_arg(item.spec.args, item.args.len()) else {
                    let message = if item.spec.args.is_empty() {
                        format!("`{}` takes no value here", item.spec.name)
                    } else {
                        format!("`{}` takes no more than: {}", item.spec.name, arg_names(item.spec.args))
                    };
                    self.findings.error("extra-value", at, message);
                    return;
                };
                let value = self.value(arg.kind, entry, at);
                item.args.push(value);
            }
        }
    }

    fn value(&mut self, kind: Kind, entry: &Entry<'_>, at: Location) -> Value {
        let data = match value::parse(kind, &entry.value) {
            Ok(data) => data,
            Err(problem) => {
                self.findings.error_with(problem.code, at, problem.message, problem.suggestion);
                if problem.code == value::INLINE_SECRET {
                    self.findings.blot_out(at);
                }
                Data::Bad
            }
        };
        Value { kind, at, data }
    }

    fn missing(&mut self, item: &Item) {
        let needed = item.spec.args.iter().filter(|arg| matches!(arg.times, Times::Once | Times::OneOrMore)).count();
        if item.args.len() < needed {
            self.findings.error(
                "missing-value",
                item.at,
                format!("`{}` needs a value: {}", item.spec.name, arg_names(item.spec.args)),
            );
        }
        for prop in item.spec.props.iter().filter(|prop| prop.required && item.prop(prop.name).is_none()) {
            self.findings.error(
                "missing-property",
                item.at,
                format!("`{}` needs `{}=…` ({})", item.spec.name, prop.name, prop.kind.title()),
            );
        }
    }

    fn body(&mut self, item: &mut Item, node: &Node<'_>) {
        match (item.spec.body, &node.children) {
            (Body::None, Some(_)) => {
                self.findings.error("extra-body", item.at, format!("`{}` has no braces", item.spec.name));
            }
            (Body::Required(_), None) => {
                self.findings.error(
                    "missing-body",
                    item.at,
                    format!("`{}` needs braces with what belongs to it", item.spec.name),
                );
            }
            (Body::Optional(place) | Body::Required(place), Some(children)) => {
                let mut read = Vec::new();
                self.nodes(place, children, &mut read);
                self.only_once(&read);
                item.children = read;
            }
            (Body::None | Body::Optional(_), None) => {}
        }
    }

    fn only_once(&mut self, items: &[Item]) {
        let mut seen = BTreeSet::new();
        for item in items.iter().filter(|item| !item.spec.repeats) {
            if !seen.insert(item.spec.name) {
                self.findings.error("twice", item.at, format!("`{}` stands here twice", item.spec.name));
            }
        }
    }
}

/// What the table wants as the `n`th value.
pub(crate) fn nth_arg(args: &'static [Arg], n: usize) -> Option<&'static Arg> {
    args.get(n).or_else(|| args.last().filter(|last| matches!(last.times, Times::OneOrMore | Times::Any)))
}

fn arg_names(args: &[Arg]) -> String {
    args.iter().map(|arg| arg.name).collect::<Vec<_>>().join(", ")
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
