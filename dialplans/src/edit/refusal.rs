//! Why a text stays as it is.

use crate::editor::NotRenamed;

/// Why an edit was not made. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEdited {
    /// An address cannot be read.
    #[error("`{address}` names no node: {why}")]
    Address {
        /// As it was given, shortened.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// The plan has no such file.
    #[error("the plan has no file `{file}`")]
    NoFile {
        /// As it was given, shortened.
        file: String,
    },
    /// No node fits a part of the address.
    #[error("there is no node `{node}` there{}{}", told(guess.as_ref()), listed(candidates, "; there are: "))]
    NoNode {
        /// The part.
        node: String,
        /// What may have been meant.
        guess: Option<String>,
        /// Addresses of what has the same name.
        candidates: Vec<String>,
    },
    /// Several nodes fit a part of the address.
    #[error("`{node}` fits more than one node: {}", candidates.join("; "))]
    Ambiguous {
        /// The part.
        node: String,
        /// Their addresses.
        candidates: Vec<String>,
    },
    /// A file of the plan cannot be read as nodes.
    #[error("{file}:{line}: {why}; mend it first, or write the whole file")]
    Unread {
        /// Which.
        file: String,
        /// From 1.
        line: u32,
        /// What is wrong.
        why: String,
    },
    /// The language does not know the node there.
    #[error("the language knows no `{node}` there, so nothing can be said about its values")]
    Unknown {
        /// Its name.
        node: String,
    },
    /// A node has no such property, nor a node of one value.
    #[error("`{node}` has no `{name}` that can be set{}", told(guess.as_ref()))]
    NoSetting {
        /// The node's name.
        node: String,
        /// As it was given, shortened.
        name: String,
        /// What may have been meant.
        guess: Option<String>,
    },
    /// It is not there to be taken away.
    #[error("`{node}` has no `{name}` now")]
    NotSet {
        /// The node's name.
        node: String,
        /// The property or node.
        name: String,
    },
    /// A value is not of the kind that the language wants there.
    #[error("{name}: {why}{}", told(suggestion.as_ref()))]
    Value {
        /// Of the property, node or value.
        name: String,
        /// What is wrong.
        why: String,
        /// What to write instead.
        suggestion: Option<String>,
    },
    /// A node does not have so many values.
    #[error("`{node}` has {has} values; there is no place {nth}")]
    NoValue {
        /// The node's name.
        node: String,
        /// Which was wanted.
        nth: usize,
        /// How many it has.
        has: usize,
    },
    /// A node takes no more values.
    #[error("`{node}` takes no more than {most} values")]
    Full {
        /// The node's name.
        node: String,
        /// How many.
        most: usize,
    },
    /// A text is not what is wanted.
    #[error("the text {why}")]
    Text {
        /// What is wrong.
        why: String,
    },
    /// Nodes of several lines cannot stand among nodes of one line.
    #[error("the nodes there stand on one line: give text of one line without `//`, or replace the node around them")]
    OneLine,
    /// A node would come under another one.
    #[error("a node is moved among those beside it; to bring it elsewhere, remove it and insert it there")]
    Elsewhere,
    /// Nothing is called so.
    #[error("there is no {noun} `{name}` to rename{}", told(guess.as_ref()))]
    NoName {
        /// As it was given, shortened.
        noun: String,
        /// As it was given, shortened.
        name: String,
        /// What may have been meant.
        guess: Option<String>,
    },
    /// The name cannot be changed.
    #[error(transparent)]
    NotRenamed(#[from] NotRenamed),
    /// The file would be larger than a plan's file may be.
    #[error("the file would be larger than a plan's file may be")]
    TooLarge,
    /// The text would mean something else than what was asked for.
    #[error("the edit would change more than it says; write the file instead")]
    Unsafe,
}

fn told(guess: Option<&String>) -> String {
    guess.map_or_else(String::new, |guess| format!(" ({guess})"))
}

fn listed(all: &[String], before: &str) -> String {
    if all.is_empty() { String::new() } else { format!("{before}{}", all.join("; ")) }
}
