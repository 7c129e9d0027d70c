//! Reader, reference, completions and schema say the same of every row of the table.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use kdl::{KdlDocument, KdlNode};
use regex::Regex;

use super::*;
use crate::{
    CompletionKind, Draft, Location, Source, World, diagnostic::Findings, read::read, reference::reference as documents,
};

/// A value of the kind that can be read, and one that cannot.
fn samples(kind: Kind) -> (String, String) {
    let (good, bad) = match kind {
        Kind::Flag => return ("#true".into(), "\"yes\"".into()),
        Kind::Count(low, high) => return (low.to_string(), (u64::from(high) + 1).to_string()),
        Kind::OneOf(words) => (words[0], "no-such-word"),
        Kind::Declares(_) | Kind::FileName => ("a-name", "two words"),
        Kind::Refers(_) => ("a-name", "two words"),
        Kind::Text => ("some text", ""),
        Kind::Duration => ("20s", "soon"),
        Kind::DurationOrNever => ("never", "ever"),
        Kind::Bind => ("127.0.0.1:5060", "here"),
        Kind::Ip => ("192.0.2.1", "192.0.2.256"),
        Kind::Ports => ("20000-29999", "29999-20000"),
        Kind::Network => ("192.0.2.0/24", "192.0.2.0/64"),
        Kind::Peer => ("sip.example.net:5060", "sip:me@example.net"),
        Kind::Secret => ("env:SECRET", "hunter2"),
        Kind::Folder => ("prompts/own", "/etc"),
        Kind::PlanFile => ("shared/hours.kdl", "../hours.kdl"),
        Kind::Contact => ("sip:agent@192.0.2.9:5060", "agent"),
        Kind::Pattern => ("10XX", "{"),
        Kind::Regex => ("10[0-9]{2}", "("),
        Kind::Extension => ("1001", "ten"),
        Kind::Template => ("{caller}", "{"),
        Kind::Variable => ("wanted", "Wanted"),
        Kind::Language | Kind::LanguageOrVariable => ("en", "english"),
        Kind::Country => ("IT", "it"),
        Kind::TimeZone => ("Europe/Rome", "Rome"),
        Kind::Key => ("#", "12"),
        Kind::Keys => ("12", "a"),
        Kind::Days => ("mon-fri", "monday"),
        Kind::Hours => ("08:30-18:00", "8-18"),
        Kind::Dates => ("2026-12-24", "christmas"),
        Kind::Holidays => ("12-25", "christmas"),
        Kind::Age => ("90d", "90"),
        Kind::When => ("2026-12-25T18:05:00", "later"),
    };
    (format!("\"{good}\""), format!("\"{bad}\""))
}

/// The shortest text of a line that the table allows; `bad` is the place of a value that is wrong, among values and
/// properties.
fn shortest(spec: &NodeSpec, bad: Option<usize>, inside: &str) -> String {
    let (mut text, mut at) = (spec.name.to_owned(), 0);
    let mut value = |kind, needed: bool| {
        let (good, wrong) = samples(kind);
        let this = bad == Some(at);
        at += 1;
        if this { Some(wrong) } else { needed.then_some(good) }
    };
    // A value can only be left out when none follows it.
    let last = bad.filter(|bad| *bad < spec.args.len());
    for (index, arg) in spec.args.iter().enumerate() {
        let needed = matches!(arg.times, Times::Once | Times::OneOrMore) || last.is_some_and(|last| index < last);
        if let Some(value) = value(arg.kind, needed) {
            text += &format!(" {value}");
        }
    }
    for prop in spec.props {
        if let Some(value) = value(prop.kind, prop.required) {
            text += &format!(" {}={value}", prop.name);
        }
    }
    let braces = matches!(spec.body, Body::Required(_)) || !inside.is_empty();
    if braces { format!("{text} {{\n{inside}\n}}") } else { text }
}

/// A line in a place that leads there from the top of a file, with the text before and behind it.
fn ways() -> BTreeMap<String, (String, String)> {
    let mut ways = BTreeMap::from([(word(Place::Top), (String::new(), String::new()))]);
    let mut open = vec![Place::Top];
    while let Some(place) = open.pop() {
        let (before, behind) = ways[&word(place)].clone();
        let steps = if place.takes_steps() { STEPS } else { &[] };
        for spec in place.nodes().iter().chain(steps) {
            let (Body::Optional(inner) | Body::Required(inner)) = spec.body else { continue };
            let text = shortest(spec, None, "%");
            let (from, to) = text.split_once('%').unwrap();
            if let Entry::Vacant(vacant) = ways.entry(word(inner)) {
                vacant.insert((format!("{before}{from}"), format!("{to}{behind}")));
                open.push(inner);
            }
        }
    }
    ways
}

fn found(text: &str) -> String {
    let sources = [Source::new("a.kdl", text)];
    let mut findings = Findings::new(&sources);
    let items = read(&sources, &mut findings);
    assert!(items.len() <= 1);
    findings.into_report().lines()
}

#[test]
fn every_row_is_read_and_every_wrong_value_is_found() {
    let ways = ways();
    let mut values = 0;
    for place in Place::ALL {
        let (before, behind) = ways.get(&word(*place)).unwrap_or_else(|| panic!("nothing leads to {place:?}"));
        for spec in place.nodes() {
            let line = format!("{before}{}{behind}", shortest(spec, None, ""));
            assert_eq!(found(&line), "", "{line}");
            for bad in 0..spec.args.len() + spec.props.len() {
                let line = format!("{before}{}{behind}", shortest(spec, Some(bad), ""));
                let lines = found(&line);
                assert_eq!(lines.lines().count(), 1, "{line}\n{lines}");
                assert!(lines.contains("error[bad-value]") || lines.contains("error[inline-secret]"), "{line}\n{lines}");
                values += 1;
            }
        }
    }
    assert!(values > 200, "{values}");
}

type Words = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Places, their lines, and the properties of each.
fn table() -> Words {
    let props = |spec: &NodeSpec| (spec.name.to_owned(), spec.props.iter().map(|prop| prop.name.to_owned()).collect());
    let place = |place: &Place| (word(*place), place.nodes().iter().map(props).collect());
    Place::ALL.iter().map(place).collect()
}

#[test]
fn the_reference_has_the_words_of_the_table() {
    let mut words = Words::new();
    let (mut place, mut node) = (String::new(), String::new());
    let title = |heading: &str| {
        let of = |place: &&Place| heading[1..] == place.title()[1..] && heading[..1].eq_ignore_ascii_case(&place.title()[..1]);
        word(*Place::ALL.iter().find(of).unwrap())
    };
    for line in documents().lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            place = title(heading);
            words.insert(place.clone(), BTreeMap::new());
        } else if let Some(rest) = line.strip_prefix("- **`") {
            node = rest.split_once('`').unwrap().0.to_owned();
            words.get_mut(&place).unwrap().insert(node.clone(), BTreeSet::new());
        } else if let Some((prop, _)) = line.strip_prefix("  - `").and_then(|rest| rest.split_once("=`")) {
            words.get_mut(&place).unwrap().get_mut(&node).unwrap().insert(prop.to_owned());
        }
    }
    assert_eq!(words, table());
}

#[test]
fn completions_have_the_words_of_the_table() {
    let labels = |text: &str, kind| -> BTreeSet<String> {
        let draft = Draft::new(vec![Source::new("a.kdl", text.replace('%', ""))], World::default());
        let offset = u32::try_from(text.find('%').unwrap()).unwrap();
        let proposed = draft.complete(Location { file: 0, offset, length: 0 });
        proposed.into_iter().filter(|each| each.kind == kind).map(|each| each.label).collect()
    };
    for place in Place::ALL {
        let (before, behind) = &ways()[&word(*place)];
        let expected: BTreeSet<String> = place.names().map(str::to_owned).collect();
        assert_eq!(labels(&format!("{before}%{behind}"), CompletionKind::Node), expected, "{place:?}");
        for spec in place.nodes() {
            let values: Vec<_> = spec.args.iter().map(|arg| samples(arg.kind).0).collect();
            let line = format!("{before}{} {} %{behind}", spec.name, values.join(" "));
            let expected: BTreeSet<String> = spec.props.iter().map(|prop| prop.name.to_owned()).collect();
            assert_eq!(labels(&line, CompletionKind::Property), expected, "{line}");
        }
    }
}

fn named<'a>(node: &'a KdlNode, name: &str) -> impl Iterator<Item = &'a KdlNode> {
    node.iter_children().filter(move |child| child.name().value() == name)
}

fn text(node: &KdlNode, key: impl Into<kdl::NodeKey>) -> Option<String> {
    node.get(key).and_then(|value| value.as_string()).map(str::to_owned)
}

/// All nodes below, by their id.
fn by_id<'a>(node: &'a KdlNode, out: &mut BTreeMap<String, &'a KdlNode>) {
    if let Some(id) = text(node, "id") {
        assert!(out.insert(id.clone(), node).is_none(), "{id} is there twice");
    }
    node.iter_children().for_each(|child| by_id(child, out));
}

fn target(reference: &str) -> String {
    reference.strip_prefix("[id=\"").and_then(|rest| rest.strip_suffix("\"]")).unwrap().to_owned()
}

#[test]
fn the_schema_has_the_words_of_the_table_and_its_references_lead_somewhere() {
    let schema: KdlDocument = kdl_schema().parse().unwrap();
    assert_eq!(schema.nodes().len(), 1);
    let document = &schema.nodes()[0];
    let mut ids = BTreeMap::new();
    by_id(document, &mut ids);
    let lines = |place: &KdlNode| -> BTreeMap<String, BTreeSet<String>> {
        let own = named(place, "node").filter_map(|node| {
            let props = named(node, "prop").map(|prop| text(prop, 0).unwrap()).collect();
            for children in named(node, "children") {
                let id = target(&text(children, "ref").unwrap());
                assert_eq!(ids[&id].name().value(), "children", "{id}");
            }
            Some((text(node, 0)?, props))
        });
        own.collect()
    };
    let definitions = named(document, "definitions").next().unwrap();
    let mut words: Words = named(definitions, "children").map(|place| (text(place, "id").unwrap(), lines(place))).collect();
    words.insert(word(Place::Top), lines(document));
    assert_eq!(words, table());
    // What takes steps refers to each of them.
    let route = ids["route"];
    let steps: BTreeSet<String> = named(route, "node").filter_map(|node| text(node, "ref")).map(|it| target(&it)).collect();
    assert_eq!(steps, STEPS.iter().map(|step| step_id(step.name)).collect());
    assert!(steps.iter().all(|step| ids[step].name().value() == "node"));
}

/// The words of the KDL Schema Language, and which may stand in which.
const SCHEMA_WORDS: &[(&str, &[&str])] = &[
    ("document", &["info", "node", "definitions"]),
    ("info", &["title", "description", "version"]),
    ("definitions", &["children"]),
    ("children", &["node"]),
    ("node", &["max", "value", "prop", "children"]),
    ("value", &["min", "max", "type", "enum", "pattern", ">=", "<="]),
    ("prop", &["required", "type", "enum", "pattern", ">=", "<="]),
];

#[test]
fn the_schema_is_of_its_language() {
    fn walk(node: &KdlNode) {
        let inside = SCHEMA_WORDS.iter().find(|(name, _)| *name == node.name().value()).map_or(&[][..], |(_, inside)| inside);
        for child in node.iter_children() {
            assert!(inside.contains(&child.name().value()), "`{}` in `{}`", child.name(), node.name());
            walk(child);
        }
    }
    let schema: KdlDocument = kdl_schema().parse().unwrap();
    schema.nodes().iter().for_each(walk);
}

#[test]
fn patterns_of_the_schema_take_what_the_reader_takes() {
    let mut seen = 0;
    for spec in Place::ALL.iter().flat_map(|place| place.nodes()) {
        for kind in spec.args.iter().map(|arg| arg.kind).chain(spec.props.iter().map(|prop| prop.kind)) {
            let Some(pattern) = pattern(kind).map(|pattern| Regex::new(pattern).unwrap()) else { continue };
            let (good, bad) = samples(kind);
            assert!(pattern.is_match(good.trim_matches('"')), "{kind:?}");
            // 29999-20000 is a range by its looks.
            assert!(!pattern.is_match(bad.trim_matches('"')) || kind == Kind::Ports, "{kind:?}");
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn the_data_tells_of_outcomes_and_bodies() {
    let data = serde_json::to_value(language_table()).unwrap();
    let places = data["places"].as_array().unwrap();
    let node = |place: &str, node: &str| {
        let place = places.iter().find(|each| each["place"] == place).unwrap();
        place["nodes"].as_array().unwrap().iter().find(|each| each["name"] == node).unwrap().clone()
    };
    let dial = node("steps", "dial");
    assert_eq!(dial["outcomes"], serde_json::json!(["busy", "no-answer", "unreachable", "rejected"]));
    assert_eq!((&dial["body"], &dial["body_required"]), (&"dial".into(), &false.into()));
    let open = node("schedule", "open");
    assert_eq!((&open["values"][0]["required"], &open["values"][1]["several"]), (&true.into(), &true.into()));
}
