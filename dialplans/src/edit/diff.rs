//! What differs between two texts of a file: by nodes, for people who ask what happened, and by lines.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use similar::TextDiff;

use super::{address::part_of, line, tree::Tree};

/// Lines that are shown around a change.
const AROUND: usize = 3;
/// How long the shortest difference of a file is looked for; then a longer one is as good.
const PATIENCE: Duration = Duration::from_millis(500);

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

/// The difference in the unified format, without its head; empty when there is none.
#[must_use]
pub fn unified(before: &str, after: &str) -> String {
    let lines = TextDiff::configure().timeout(PATIENCE).diff_lines(before, after);
    lines.unified_diff().context_radius(AROUND).to_string()
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
