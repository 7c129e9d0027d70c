//! What differs between two texts of a plan, by the names of what stands at the top of their files.
//!
//! Layout and comments are no difference. Both texts passed the check; what could not be split is told file by file.

use std::{collections::BTreeMap, fmt};

use crate::{
    editor::lexeme::{Lexemes, Shape},
    read::split::top_nodes,
    source::Source,
};

/// What only concerns the way of a call through the plan. All else belongs to the whole switch: its addresses, carriers,
/// queues and people are there once, whichever plan a call runs on.
const OF_CALLS: &[&str] = &["route", "schedule", "defaults", "test", CALENDAR];
/// A file of holidays.
const CALENDAR: &str = "calendar";
/// A file whose nodes cannot be told apart.
const FILE: &str = "file";

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The word of the language: `route`, `queue`.
    pub kind: String,
    /// Its name; empty for what has none.
    pub name: String,
    /// What became of it.
    pub what: ChangeKind,
}

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It reads otherwise.
    Changed,
    /// It stands in another place among its kind, which matters to routes.
    Moved,
    /// It is gone.
    Removed,
}

impl Change {
    fn new(key: &Key, what: ChangeKind) -> Self {
        Self { kind: key.0.clone(), name: key.1.clone(), what }
    }

    /// Whether calls may differ in it while both plans are in service.
    #[must_use]
    pub fn is_of_calls(&self) -> bool {
        OF_CALLS.contains(&self.kind.as_str())
    }

    /// What it is called: ``route `night` ``.
    #[must_use]
    pub fn subject(&self) -> String {
        if self.name.is_empty() { self.kind.clone() } else { format!("{} `{}`", self.kind, self.name) }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            ChangeKind::Added => "added",
            ChangeKind::Changed => "changed",
            ChangeKind::Moved => "moved",
            ChangeKind::Removed => "removed",
        };
        write!(f, "{} {what}", self.subject())
    }
}

/// Kind and name.
type Key = (String, String);

/// The nodes of one name: which file they stand in, and their texts.
type Nodes<'a> = BTreeMap<Key, Vec<(&'a str, &'a str)>>;

/// What differs, ordered by kind and name.
#[must_use]
pub fn changes(old: &[Source], new: &[Source]) -> Vec<Change> {
    let (before, old_routes) = nodes(&differing(old, new));
    let (after, new_routes) = nodes(&differing(new, old));
    let mut changes: Vec<Change> = Vec::new();
    for (key, now) in &after {
        match before.get(key) {
            None => changes.push(Change::new(key, ChangeKind::Added)),
            Some(then) if !same(then, now) => changes.push(Change::new(key, ChangeKind::Changed)),
            Some(then) if key.0 == "route" && files(then) != files(now) => changes.push(Change::new(key, ChangeKind::Moved)),
            Some(_) => {}
        }
    }
    changes.extend(before.keys().filter(|key| !after.contains_key(*key)).map(|key| Change::new(key, ChangeKind::Removed)));
    changes.extend(moved(&old_routes, &new_routes, &changes));
    changes.sort_by(|a, b| (&a.kind, &a.name, a.what).cmp(&(&b.kind, &b.name, b.what)));
    changes
}

/// The files of one side that the other side does not have just so, with what that side has instead.
fn differing<'a>(side: &'a [Source], other: &'a [Source]) -> Vec<(&'a Source, &'a str)> {
    let other: BTreeMap<&str, &Source> = other.iter().map(|source| (source.path.as_str(), source)).collect();
    let differing = side.iter().filter_map(|source| match other.get(source.path.as_str()) {
        // Mostly the same text, not only an equal one.
        Some(instead) => (instead.text != source.text).then(|| (source, &*instead.text)),
        None => (!source.text.is_empty()).then_some((source, "")),
    });
    differing.collect()
}

/// The nodes at the top of a text, without those that stand at its beginning and end just as in the other one: a
/// plan of thousands of routes is compared where it differs.
fn top<'a>(text: &'a str, other: &str) -> Option<Vec<&'a str>> {
    let split = |text: &'a str| Some(top_nodes(text).ok()?.into_iter().map(|range| &text[range]).collect::<Vec<_>>());
    let (mut own, others) = (split(text)?, top_nodes(other).unwrap_or_default());
    let others: Vec<&str> = others.into_iter().map(|range| &other[range]).collect();
    let first = own.iter().zip(&others).take_while(|(own, other)| own == other).count();
    let rest = own.iter().skip(first).rev().zip(others.iter().skip(first).rev());
    let last = rest.take_while(|(own, other)| own == other).count();
    own.truncate(own.len() - last);
    Some(own.split_off(first))
}

/// All nodes at the top, and the names of the routes in their order.
fn nodes<'a>(sources: &[(&'a Source, &str)]) -> (Nodes<'a>, Vec<Key>) {
    let (mut nodes, mut routes) = (Nodes::new(), Vec::new());
    for (source, instead) in sources {
        let whole = |kind: &str| (kind.to_owned(), source.file_name().to_owned());
        let found: Vec<(Key, &str)> = match top(&source.text, instead) {
            _ if source.path.ends_with(".ics") => vec![(whole(CALENDAR), &*source.text)],
            Some(nodes) => nodes.into_iter().map(|text| (key(text), text)).collect(),
            None => vec![(whole(FILE), &*source.text)],
        };
        for (key, text) in found {
            if key.0 == "route" {
                routes.push(key.clone());
            }
            nodes.entry(key).or_default().push((&source.path, text));
        }
    }
    (nodes, routes)
}

/// The node's word, and the first value behind it unless that belongs to a property.
fn key(text: &str) -> Key {
    let mut words = Lexemes::new(text).filter(|lexeme| lexeme.shape != Shape::Comment);
    let kind = words.next().map(|word| text[word.range].to_owned()).unwrap_or_default();
    let name = words.next().filter(|word| matches!(word.shape, Shape::Quoted { .. } | Shape::Word) && !word.names_property);
    (kind, name.map(|name| text[name.range].trim_matches(['"', '#']).to_owned()).unwrap_or_default())
}

fn same(then: &[(&str, &str)], now: &[(&str, &str)]) -> bool {
    then.len() == now.len() && then.iter().zip(now).all(|((_, then), (_, now))| then == now || bare(then) == bare(now))
}

fn files<'a>(nodes: &[(&'a str, &str)]) -> Vec<&'a str> {
    nodes.iter().map(|(file, _)| *file).collect()
}

/// A node's words without layout and comments.
fn bare(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    for lexeme in Lexemes::new(text) {
        match lexeme.shape {
            Shape::Comment => {}
            Shape::End if matches!(words.last(), None | Some(&"\n" | &"{")) => {}
            Shape::End => words.push("\n"),
            Shape::Close => {
                words.pop_if(|word| *word == "\n");
                words.push("}");
            }
            _ => words.push(&text[lexeme.range]),
        }
    }
    words.pop_if(|word| *word == "\n");
    words
}

/// Routes that stand in another order among those that both have: the first match wins.
fn moved(old: &[Key], new: &[Key], told: &[Change]) -> Vec<Change> {
    let rank: BTreeMap<&Key, usize> = old.iter().enumerate().map(|(rank, key)| (key, rank)).collect();
    let ranks: Vec<(usize, &Key)> = new.iter().filter_map(|key| Some((*rank.get(key)?, key))).collect();
    let stays = longest_rise(&ranks.iter().map(|(rank, _)| *rank).collect::<Vec<_>>());
    let is_told = |key: &Key| told.iter().any(|change| change.kind == key.0 && change.name == key.1);
    let gone_elsewhere = ranks.iter().enumerate().filter(|(at, (_, key))| !stays.contains(at) && !is_told(key));
    gone_elsewhere.map(|(_, (_, key))| Change::new(key, ChangeKind::Moved)).collect()
}

/// Positions of the longest rising run within `ranks`: what did not move.
fn longest_rise(ranks: &[usize]) -> std::collections::BTreeSet<usize> {
    // The last position of the best run of each length, and the position before each.
    let (mut ends, mut before) = (Vec::<usize>::new(), Vec::with_capacity(ranks.len()));
    for (at, rank) in ranks.iter().enumerate() {
        let length = ends.partition_point(|end| ranks[*end] < *rank);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length < ends.len() { ends[length] = at } else { ends.push(at) }
    }
    std::iter::successors(ends.last().copied(), |at| before[*at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
        let sources = |files: &[(&str, &str)]| files.iter().map(|(path, text)| Source::new(*path, *text)).collect::<Vec<_>>();
        changes(&sources(old), &sources(new)).iter().map(ToString::to_string).collect()
    }

    const ROUTES: &str =
        "route \"a\" {\n    from any\n    hangup\n}\nroute \"b\" { from any; hangup; }\nroute \"c\" { from any; hangup; }\n";

    #[test]
    fn names_tell_what_was_added_changed_and_removed() {
        let new = "route \"a\" {\n    from any\n    hangup \"busy\"\n}\nroute \"c\" { from any; hangup; }\nroute \"d\" { from any; hangup; }\nqueue \"q\"\n";
        let changes = told(&[("p.kdl", ROUTES)], &[("p.kdl", new)]);
        assert_eq!(changes, ["queue `q` added", "route `a` changed", "route `b` removed", "route `d` added"]);
    }

    #[test]
    fn layout_and_comments_are_no_difference() {
        let new = "// why\nroute \"a\" { from any; hangup }\n\nroute \"b\" {\n  from any // all\n\n  hangup\n}\nroute \"c\" { /* x */ from any; hangup; }";
        assert_eq!(told(&[("p.kdl", ROUTES)], &[("p.kdl", new)]), [""; 0]);
    }

    #[test]
    fn a_route_that_stands_elsewhere_has_moved() {
        let new =
            "route \"c\" { from any; hangup; }\nroute \"a\" {\n    from any\n    hangup\n}\nroute \"b\" { from any; hangup; }\n";
        assert_eq!(told(&[("p.kdl", ROUTES)], &[("p.kdl", new)]), ["route `c` moved"]);
        let split = &ROUTES[ROUTES.find("route \"c\"").unwrap()..];
        let rest = &ROUTES[..ROUTES.len() - split.len()];
        assert_eq!(told(&[("p.kdl", ROUTES)], &[("a.kdl", split), ("p.kdl", rest)]), ["route `c` moved"]);
    }

    #[test]
    fn what_has_no_name_is_told_by_its_kind() {
        let old = "extensions from=1 to=2\nextensions from=5 to=6\nlisten { sip-udp \"127.0.0.1:5060\"; }";
        let new = "extensions from=1 to=2\nextensions from=5 to=7\nlisten { sip-udp \"127.0.0.1:5070\"; }";
        assert_eq!(told(&[("p.kdl", old)], &[("p.kdl", new)]), ["extensions changed", "listen changed"]);
    }

    #[test]
    fn only_what_calls_walk_through_is_of_calls() {
        let both = |old: &str, new: &str| {
            let side = |text: &str| [Source::new("p.kdl", text)];
            changes(&side(old), &side(new)).iter().map(Change::is_of_calls).collect::<Vec<_>>()
        };
        assert_eq!(both("", "route \"x\" { hangup; }\nschedule \"s\" { }\ndefaults { }\ntest \"t\" { }"), [true; 4]);
        assert_eq!(both("", "queue \"q\"\ntrunk \"t\" { }\nrealm \"r\"\nlisten { }"), [false; 4]);
        let calendar = |text| [Source::new("plan/holidays.ics", text)];
        let changed = changes(&calendar("A"), &calendar("B"));
        assert!(changed[0].is_of_calls() && changed[0].to_string() == "calendar `holidays.ics` changed", "{changed:?}");
    }

    #[test]
    fn two_plans_of_ten_thousand_routes_are_compared_one_by_one_only_where_they_differ() {
        use std::fmt::Write as _;
        let text = |odd: &str| {
            (0..10_000).fold(String::new(), |mut text, n| {
                let _ = writeln!(
                    text,
                    "route \"r{n}\" {{ from any; to \"{n}\"; hangup \"{}\"; }}",
                    if n == 7 { odd } else { "busy" }
                );
                text
            })
        };
        assert_eq!(told(&[("p.kdl", &text("busy"))], &[("p.kdl", &text("normal"))]), ["route `r7` changed"]);
    }
}
