//! What differs between two texts of a file: by nodes, for people who ask what happened, and by lines.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{address::part_of, line, tree::Tree};

/// Lines that are shown around a change.
const AROUND: usize = 3;
/// Products of line counts up to which the shortest difference is looked for; beyond, all between the first and the last
/// different line is one change.
const MAX_CELLS: usize = 4_000_000;

/// A node at the top of a file that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeChange {
    /// Which node.
    pub node: String,
    /// What became of it.
    pub what: Changed,
    /// Its line, from 1; that of the old text when it is gone.
    pub line: u32,
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Changed {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Its text is another.
    Changed,
}

/// The nodes at the top that differ. A text that is no KDL has none.
#[must_use]
pub fn node_changes(before: &str, after: &str) -> Vec<NodeChange> {
    let (old, new) = (nodes(before), nodes(after));
    let find = |all: &[Top], name: &str| all.iter().position(|top| top.name == name);
    let mut found: Vec<_> = new
        .iter()
        .filter_map(|top| {
            let what = match find(&old, &top.name) {
                None => Changed::Added,
                Some(at) if old[at].text != top.text => Changed::Changed,
                Some(_) => return None,
            };
            Some(NodeChange { node: top.name.clone(), what, line: top.line })
        })
        .collect();
    let gone = old.iter().filter(|top| find(&new, &top.name).is_none());
    found.extend(gone.map(|top| NodeChange { node: top.name.clone(), what: Changed::Removed, line: top.line }));
    found
}

struct Top {
    name: String,
    text: String,
    line: u32,
}

fn nodes(text: &str) -> Vec<Top> {
    let Ok(tree) = Tree::read(text) else { return Vec::new() };
    let top = |(at, node): (usize, &super::tree::Node)| {
        let name = part_of(&tree, &[at]).unwrap_or_default();
        Top { name, text: text[node.at.clone()].to_owned(), line: line(text, node.at.start) }
    };
    tree.nodes.iter().enumerate().map(top).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Both,
    Old,
    New,
}

/// The difference in the unified format, without its head; empty when there is none.
#[must_use]
pub fn unified(before: &str, after: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let script = script(&old, &new);
    let changed: Vec<_> = (0..script.len()).filter(|at| script[*at].0 != Side::Both).collect();
    let mut out = String::new();
    let mut next = 0;
    while let Some(first) = changed.get(next) {
        let mut last = *first;
        while let Some(at) = changed.get(next)
            && *at <= last + 2 * AROUND
        {
            (last, next) = (*at, next + 1);
        }
        let (from, to) = (first.saturating_sub(AROUND), (last + AROUND + 1).min(script.len()));
        let count = |range: &[(Side, usize)], not: Side| range.iter().filter(|(side, _)| *side != not).count();
        let (before, hunk) = (&script[..from], &script[from..to]);
        let place = |side: Side| (count(before, side) + usize::from(count(hunk, side) > 0), count(hunk, side));
        let ((old_at, old_lines), (new_at, new_lines)) = (place(Side::New), place(Side::Old));
        let _never_fails = writeln!(out, "@@ -{old_at},{old_lines} +{new_at},{new_lines} @@");
        for (side, at) in hunk {
            let (mark, line) = match side {
                Side::Both => (' ', old[*at]),
                Side::Old => ('-', old[*at]),
                Side::New => ('+', new[*at]),
            };
            out.push(mark);
            out.push_str(line);
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// Each line of both texts once: in both (by its number in the old), only in the old, only in the new.
fn script(old: &[&str], new: &[&str]) -> Vec<(Side, usize)> {
    let head = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(old, new)| old == new).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let mut out: Vec<_> = (0..head).map(|at| (Side::Both, at)).collect();
    let (a, b) = (&old[head..old_end], &new[head..new_end]);
    let (mut i, mut j) = (0, 0);
    if a.len().saturating_mul(b.len()) <= MAX_CELLS {
        let common = longest_common(a, b);
        let width = b.len() + 1;
        while i < a.len() && j < b.len() {
            if a[i] == b[j] {
                out.push((Side::Both, head + i));
                (i, j) = (i + 1, j + 1);
            } else if common[(i + 1) * width + j] >= common[i * width + j + 1] {
                out.push((Side::Old, head + i));
                i += 1;
            } else {
                out.push((Side::New, head + j));
                j += 1;
            }
        }
    }
    out.extend((head + i..old_end).map(|at| (Side::Old, at)));
    out.extend((head + j..new_end).map(|at| (Side::New, at)));
    out.extend((old_end..old.len()).map(|at| (Side::Both, at)));
    out
}

/// How many lines the rest of one and the rest of the other have in common, for every pair of rests.
fn longest_common(a: &[&str], b: &[&str]) -> Vec<u32> {
    let width = b.len() + 1;
    let mut common = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i * width + j] = if a[i] == b[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_are_told_with_those_around() {
        assert_eq!(unified("a\n", "a\n"), "");
        assert_eq!(unified("a\nb\nc\n", "a\nx\nc\n"), "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
        assert_eq!(unified("", "a\nb"), "@@ -0,0 +1,2 @@\n+a\n+b\n\\ No newline at end of file\n");
        let long: String = (0..30).map(|n| format!("{n}\n")).collect();
        let other = long.replace("\n3\n", "\nthree\n").replace("\n25\n", "\n");
        assert_eq!(
            unified(&long, &other),
            "@@ -1,7 +1,7 @@\n 0\n 1\n 2\n-3\n+three\n 4\n 5\n 6\n@@ -23,7 +23,6 @@\n 22\n 23\n 24\n-25\n 26\n 27\n 28\n"
        );
    }

    #[test]
    fn nodes_that_differ_are_told_by_name() {
        let before = "realm \"a\"\nqueue \"x\" { ring \"5s\"; }\nqueue \"y\"\n";
        let after = "// new\nrealm \"a\"\nqueue \"x\" { ring \"6s\"; }\nroute \"z\"\n";
        let told: Vec<_> =
            node_changes(before, after).into_iter().map(|c| format!("{:?} {} {}", c.what, c.node, c.line)).collect();
        assert_eq!(told, ["Changed queue \"x\" 3", "Added route \"z\" 4", "Removed queue \"y\" 3"]);
    }
}
