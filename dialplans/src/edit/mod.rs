//! Edits of a plan's text that leave every other byte as it was: comments, blank lines, the way values are written.
//!
//! A [`Desk`] holds the files; an [`Edit`] names a node and says what becomes of it. Texts are changed by putting new
//! bytes in the place of old ones, never by writing a parsed document anew. Afterwards the text is read again: it must
//! mean what it meant before but for the edit, or nothing is changed. So no value can become a node, and no comment can
//! swallow one. Whether the plan is *right* is not decided here: that is the check's.

mod address;
mod diff;
mod hands;
mod layout;
mod refusal;
mod tree;
mod write;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::{
    address::{Address, Leaf, address_in},
    hands::{Hands, Worked},
    layout::Splice,
    tree::Tree,
};
pub use self::{
    diff::{Changed, NodeChange, node_changes, unified},
    refusal::NotEdited,
    write::NewValue,
};
use crate::{
    editor::Draft,
    source::{Location, MAX_FILE_BYTES, Source},
    world::World,
};

/// What is to become of a plan's text. Nodes are named by their address (`route "night" > menu > press "1"`), values
/// are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Edit {
    /// Give a property a value; or a node in the braces that has one value, such as a queue's `answer-target`.
    Set {
        /// The node.
        at: String,
        /// Of the property or node.
        name: String,
        /// The value.
        value: NewValue,
    },
    /// Take a property away, or such a node.
    Unset {
        /// The node.
        at: String,
        /// Of the property or node.
        name: String,
    },
    /// Put a value in the place of another; the place behind the last adds one.
    SetValue {
        /// The node.
        at: String,
        /// Which value.
        nth: usize,
        /// The value.
        value: NewValue,
    },
    /// Put a value before another.
    InsertValue {
        /// The node.
        at: String,
        /// Which it will be.
        nth: usize,
        /// The value.
        value: NewValue,
    },
    /// Take a value away.
    RemoveValue {
        /// The node.
        at: String,
        /// Which value.
        nth: usize,
    },
    /// Add nodes.
    Insert {
        /// Where.
        to: Spot,
        /// One node or more, as they stand in a plan.
        text: String,
    },
    /// Take a node away, with the comments that stand right above and behind it.
    Remove {
        /// The node.
        at: String,
    },
    /// Write a node anew. Comments beside it stay.
    Replace {
        /// The node.
        at: String,
        /// One node, as it stands in a plan.
        text: String,
    },
    /// Give a node another place among those beside it, with its comments.
    Move {
        /// The node.
        at: String,
        /// Where to.
        to: Spot,
    },
    /// Give something another name, everywhere.
    Rename {
        /// What kind of thing: `queue`, `route`, `schedule`, …
        noun: String,
        /// Its name.
        name: String,
        /// Its new name.
        to: String,
    },
}

/// A place between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spot {
    /// Before a node.
    Before(String),
    /// After a node.
    After(String),
    /// Before all others in the braces of a node, or in a file (`30-routes.kdl:`).
    FirstIn(String),
    /// After all others there.
    LastIn(String),
}

/// A node that an edit depends on, as it was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// The file.
    pub file: String,
    /// Its address there.
    pub address: String,
    /// Its line, from 1.
    pub line: u32,
    /// Its text; empty where only its place in the file counts.
    pub text: String,
}

/// The files of a plan under edit.
#[derive(Clone, Debug)]
pub struct Desk {
    sources: Vec<Source>,
    trees: Vec<Option<Arc<Tree>>>,
}

impl Desk {
    /// Lays the files out.
    #[must_use]
    pub fn new(sources: Vec<Source>) -> Self {
        let trees = vec![None; sources.len()];
        Self { sources, trees }
    }

    /// The files as they are now, in the order in which they came.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Makes one edit; what it depends on, as that was before.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn edit(&mut self, edit: &Edit) -> Result<Vec<Touched>, NotEdited> {
        if let Edit::Rename { noun, name, to } = edit {
            return self.rename(noun, name, to);
        }
        let anchor = Address::parse(edit.anchor())?;
        let leaves = self.leaves(anchor.file.as_deref())?;
        let found = anchor.find(&leaves)?;
        let leaf = &leaves[found.leaf];
        let Worked { splices, expected, touched } = Hands::at(leaf, &found.path).work(edit, &leaves)?;
        let touched = touched.iter().map(|path| touch(leaf, path)).collect();
        if !splices.is_empty() {
            let file = leaf.file;
            let (text, tree) = spliced(leaf.text, splices)?;
            if !tree.means(&expected) {
                return Err(NotEdited::Unsafe);
            }
            self.put(file, text, tree);
        }
        Ok(touched)
    }

    fn put(&mut self, file: usize, text: String, tree: Tree) {
        self.sources[file].text = text.into();
        self.trees[file] = Some(Arc::new(tree));
    }

    /// The plan's files that may be meant, read.
    fn leaves(&mut self, only: Option<&str>) -> Result<Vec<Leaf<'_>>, NotEdited> {
        let wanted: Vec<usize> = (0..self.sources.len())
            .filter(|file| self.sources[*file].path.ends_with(".kdl"))
            .filter(|file| only.is_none_or(|only| self.sources[*file].path == only))
            .collect();
        for file in &wanted {
            if self.trees[*file].is_none() {
                self.trees[*file] = Some(Arc::new(read(&self.sources[*file])?));
            }
        }
        let leaf = |file: usize| {
            let (source, tree) = (&self.sources[file], self.trees[file].clone()?);
            Some(Leaf { file, name: &source.path, text: &source.text, tree })
        };
        Ok(wanted.into_iter().filter_map(leaf).collect())
    }

    fn rename(&mut self, noun: &str, name: &str, to: &str) -> Result<Vec<Touched>, NotEdited> {
        let draft = Draft::new(self.sources.clone(), World::default());
        let declared = draft.declared_as(noun, name).ok_or_else(|| NotEdited::NoName {
            noun: noun.chars().take(40).collect(),
            name: name.chars().take(80).collect(),
            guess: draft.guess(noun, name),
        })?;
        let (written, places) = draft.rename(declared, to)?;
        let leaves = self.leaves(None)?;
        let mut touched = Vec::new();
        let mut changed = Vec::new();
        for leaf in &leaves {
            let here: Vec<_> = places.iter().filter(|at| usize::from(at.file) == leaf.file).map(bytes).collect();
            if here.is_empty() {
                continue;
            }
            let holds = |node: &tree::Node| here.iter().any(|place| node.at.contains(&place.start));
            let tops = (0..leaf.tree.nodes.len()).filter(|at| holds(&leaf.tree.nodes[*at]));
            touched.extend(tops.map(|at| touch(leaf, &[at])));
            let splices = here.into_iter().map(|place| Splice::new(place, written.clone())).collect();
            changed.push((leaf.file, spliced(leaf.text, splices)?));
        }
        for (file, (text, tree)) in changed {
            self.put(file, text, tree);
        }
        Ok(touched)
    }
}

impl Edit {
    /// The address that says which file it is about.
    fn anchor(&self) -> &str {
        match self {
            Self::Set { at, .. }
            | Self::Unset { at, .. }
            | Self::SetValue { at, .. }
            | Self::InsertValue { at, .. }
            | Self::RemoveValue { at, .. }
            | Self::Remove { at }
            | Self::Replace { at, .. }
            | Self::Move { at, .. } => at,
            Self::Insert { to, .. } => to.anchor(),
            Self::Rename { .. } => "",
        }
    }
}

impl Spot {
    fn anchor(&self) -> &str {
        match self {
            Self::Before(at) | Self::After(at) | Self::FirstIn(at) | Self::LastIn(at) => at,
        }
    }
}

fn read(source: &Source) -> Result<Tree, NotEdited> {
    Tree::read(&source.text).map_err(|unread| NotEdited::Unread {
        file: source.path.clone(),
        line: line(&source.text, unread.offset),
        why: unread.message,
    })
}

fn line(text: &str, at: usize) -> u32 {
    let before = text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count();
    u32::try_from(before + 1).unwrap_or(u32::MAX)
}

fn bytes(at: &Location) -> std::ops::Range<usize> {
    at.offset as usize..(at.offset + at.length) as usize
}

fn touch(leaf: &Leaf<'_>, path: &[usize]) -> Touched {
    let at = leaf.tree.node(path).map_or(0..0, |node| node.at.clone());
    Touched {
        file: leaf.name.to_owned(),
        address: address_in(leaf, path),
        line: line(leaf.text, at.start),
        text: leaf.text[at].to_owned(),
    }
}

/// The text with other bytes in some places, which must be KDL still.
fn spliced(text: &str, mut splices: Vec<Splice>) -> Result<(String, Tree), NotEdited> {
    splices.sort_by_key(|splice| std::cmp::Reverse(splice.range.start));
    let mut out = text.to_owned();
    for Splice { range, text } in splices {
        out.replace_range(range, &text);
    }
    if out.len() > MAX_FILE_BYTES {
        return Err(NotEdited::TooLarge);
    }
    let tree = Tree::read(&out).map_err(|_| NotEdited::Unsafe)?;
    Ok((out, tree))
}
