//! What each edit does to the bytes, and what the file must mean afterwards.

use std::ops::Range;

use kdl::KdlValue;

use super::{
    Edit, NewValue, NotEdited, Spot,
    address::{Address, Leaf},
    layout::{Gap, Splice, Standing, cut, indented, line_end, paste},
    tree::{Entry, Node, Tree},
    write::written,
};
use crate::{
    diagnostic::did_you_mean,
    grammar::{Body, Kind, NodeSpec, Place},
    read::nth_arg,
};

/// A node and its file, to be worked at.
pub(super) struct Hands<'a> {
    leaf: &'a Leaf<'a>,
    path: &'a [usize],
}

/// What came of it.
pub(super) struct Worked {
    pub(super) splices: Vec<Splice>,
    pub(super) expected: Tree,
    /// Paths of the nodes that it depends on.
    pub(super) touched: Vec<Vec<usize>>,
}

impl<'a> Hands<'a> {
    pub(super) const fn at(leaf: &'a Leaf<'a>, path: &'a [usize]) -> Self {
        Self { leaf, path }
    }

    pub(super) fn work(&self, edit: &Edit, leaves: &[Leaf<'_>]) -> Result<Worked, NotEdited> {
        match edit {
            Edit::Set { name, value, .. } => self.set(name, value),
            Edit::Unset { name, .. } => self.unset(name),
            Edit::SetValue { nth, value, .. } => self.set_value(*nth, value),
            Edit::InsertValue { nth, value, .. } => self.insert_value(*nth, value),
            Edit::RemoveValue { nth, .. } => self.remove_value(*nth),
            Edit::Insert { to, text } => self.insert(to, text),
            Edit::Remove { .. } => self.remove(),
            Edit::Replace { text, .. } => self.replace(text),
            Edit::Move { to, .. } => self.shift(to, leaves),
            Edit::Rename { .. } => Err(NotEdited::Unsafe),
        }
    }

    fn text(&self) -> &'a str {
        self.leaf.text
    }

    /// The node; a file is none.
    fn node(&self) -> Result<&Node, NotEdited> {
        let file = || NotEdited::Address { address: format!("{}:", self.leaf.name), why: "it is a file".to_owned() };
        self.leaf.tree.node(self.path).ok_or_else(file)
    }

    /// Its row in the table of the language.
    fn spec(&self) -> Result<&'static NodeSpec, NotEdited> {
        let (mut place, mut spec) = (Some(Place::Top), None);
        for length in 1..=self.path.len() {
            let node = Self::at(self.leaf, &self.path[..length]);
            let name = &node.node()?.name;
            let row = place.and_then(|place| place.find(name)).ok_or_else(|| NotEdited::Unknown { node: name.clone() })?;
            place = body_of(row);
            spec = Some(row);
        }
        spec.ok_or_else(|| NotEdited::Unknown { node: self.leaf.name.to_owned() })
    }

    fn done(&self, splices: Vec<Splice>, change: impl FnOnce(&mut Node)) -> Worked {
        let mut expected = Tree::clone(&self.leaf.tree);
        if let Some(node) = expected.node_mut(self.path) {
            change(node);
        }
        Worked { splices, expected, touched: vec![self.path.to_vec()] }
    }

    fn set(&self, name: &str, value: &NewValue) -> Result<Worked, NotEdited> {
        let (node, spec) = (self.node()?, self.spec()?);
        if let Some(prop) = spec.props.iter().find(|prop| prop.name == name) {
            let value = value.of_kind(prop.kind, name)?;
            return Ok(match node.entries.iter().position(|entry| entry.name.as_deref() == Some(name)) {
                Some(at) => self.put(at, value),
                None => {
                    let end = node.entries_end;
                    let splice = Splice::new(end..end, format!(" {name}={}", written(&value, None)));
                    self.done(vec![splice], |node| node.entries.push(entry(Some(name), value)))
                }
            });
        }
        let Some((index, row)) = self.setting(spec, name) else { return Err(no_setting(spec, name)) };
        match index {
            Some(index) => {
                let path: Vec<_> = self.path.iter().copied().chain([index]).collect();
                let child = Hands::at(self.leaf, &path);
                match child.node()?.args().count() {
                    0 | 1 => child.set_value(1, value),
                    _ => Err(NotEdited::Value {
                        name: name.to_owned(),
                        why: "it has several values".to_owned(),
                        suggestion: Some("set them one by one, by number".to_owned()),
                    }),
                }
            }
            None => {
                let kind = row.args.first().map_or(Kind::Text, |arg| arg.kind);
                let value = written(&value.of_kind(kind, name)?, None);
                self.insert_at(&self.last_inside(), &format!("{name} {value}"))
            }
        }
    }

    /// A node in the braces that is there once at most and has a value: where it is now, and its row.
    fn setting(&self, spec: &NodeSpec, name: &str) -> Option<(Option<usize>, &'static NodeSpec)> {
        let place = body_of(spec)?;
        let row = place.nodes().iter().find(|row| row.name == name && !row.repeats && row.args.len() == 1)?;
        let there = self.leaf.tree.children(self.path).iter().position(|child| child.name == name);
        Some((there, row))
    }

    fn unset(&self, name: &str) -> Result<Worked, NotEdited> {
        let (node, spec) = (self.node()?, self.spec()?);
        if let Some(at) = node.entries.iter().position(|entry| entry.name.as_deref() == Some(name)) {
            return Ok(self.take(at));
        }
        match self.setting(spec, name) {
            Some((Some(index), _)) => {
                let path: Vec<_> = self.path.iter().copied().chain([index]).collect();
                Hands::at(self.leaf, &path).remove()
            }
            None if spec.props.iter().all(|prop| prop.name != name) => Err(no_setting(spec, name)),
            _ => Err(NotEdited::NotSet { node: node.name.clone(), name: name.to_owned() }),
        }
    }

    /// Another value in the place of the entry `at`.
    fn put(&self, at: usize, value: KdlValue) -> Worked {
        let Some(old) = self.leaf.tree.node(self.path).and_then(|node| node.entries.get(at)) else {
            return self.done(Vec::new(), |_| {});
        };
        let splices = if old.value == value {
            Vec::new()
        } else {
            vec![Splice::new(old.value_at.clone(), written(&value, Some(&self.text()[old.value_at.clone()])))]
        };
        self.done(splices, |node| node.entries[at].value = value)
    }

    /// Takes the entry `at` away, with the blanks before it.
    fn take(&self, at: usize) -> Worked {
        let Some(old) = self.leaf.tree.node(self.path).and_then(|node| node.entries.get(at)) else {
            return self.done(Vec::new(), |_| {});
        };
        let Range { start, end } = old.at;
        let start = self.text()[..start].trim_end_matches([' ', '\t']).len();
        self.done(vec![Splice::new(start..end, String::new())], |node| drop(node.entries.remove(at)))
    }

    /// Which entry the `nth` value is; that behind the last has none.
    fn nth(&self, nth: usize) -> Result<Option<usize>, NotEdited> {
        let node = self.node()?;
        let args: Vec<_> = (0..node.entries.len()).filter(|at| node.entries[*at].name.is_none()).collect();
        let refused = || NotEdited::NoValue { node: node.name.clone(), nth, has: args.len() };
        match nth.checked_sub(1).ok_or_else(refused)? {
            at if at < args.len() => Ok(Some(args[at])),
            at if at == args.len() => Ok(None),
            _ => Err(refused()),
        }
    }

    /// The value as the language wants the `nth` to be.
    fn value(&self, nth: usize, value: &NewValue) -> Result<KdlValue, NotEdited> {
        let spec = self.spec()?;
        let arg = nth_arg(spec.args, nth.saturating_sub(1)).ok_or_else(|| full(spec))?;
        // Where there is but one, it goes by the node's name.
        value.of_kind(arg.kind, if spec.args.len() == 1 { spec.name } else { arg.name })
    }

    fn set_value(&self, nth: usize, value: &NewValue) -> Result<Worked, NotEdited> {
        match self.nth(nth)? {
            Some(at) => Ok(self.put(at, self.value(nth, value)?)),
            None => self.append(self.value(nth, value)?),
        }
    }

    fn append(&self, value: KdlValue) -> Result<Worked, NotEdited> {
        let node = self.node()?;
        let last = node.entries.iter().rposition(|entry| entry.name.is_none());
        let end = last.map_or(node.name_end, |at| node.entries[at].at.end);
        let splice = Splice::new(end..end, format!(" {}", written(&value, None)));
        Ok(self.done(vec![splice], |node| node.entries.insert(last.map_or(0, |at| at + 1), entry(None, value))))
    }

    fn insert_value(&self, nth: usize, value: &NewValue) -> Result<Worked, NotEdited> {
        let (node, spec) = (self.node()?, self.spec()?);
        if nth_arg(spec.args, node.args().count()).is_none() {
            return Err(full(spec));
        }
        let value = self.value(nth, value)?;
        let Some(at) = self.nth(nth)? else { return self.append(value) };
        let begin = node.entries[at].at.start;
        let splice = Splice::new(begin..begin, format!("{} ", written(&value, None)));
        Ok(self.done(vec![splice], |node| node.entries.insert(at, entry(None, value))))
    }

    fn remove_value(&self, nth: usize) -> Result<Worked, NotEdited> {
        let node = self.node()?;
        let missing = || NotEdited::NoValue { node: node.name.clone(), nth, has: node.args().count() };
        Ok(self.take(self.nth(nth)?.ok_or_else(missing)?))
    }

    fn last_inside(&self) -> Gap {
        Gap { parent: self.path.to_vec(), index: self.leaf.tree.children(self.path).len(), after: true }
    }

    /// The gap of a spot whose anchor this is.
    fn gap(&self, spot: &Spot) -> Result<Gap, NotEdited> {
        let beside = |after: bool| {
            let file = NotEdited::Address { address: format!("{}:", self.leaf.name), why: "nodes stand in a file".to_owned() };
            let (index, parent) = self.path.split_last().ok_or(file)?;
            Ok(Gap { parent: parent.to_vec(), index: index + usize::from(after), after })
        };
        match spot {
            Spot::Before(_) => beside(false),
            Spot::After(_) => beside(true),
            Spot::FirstIn(_) => Ok(Gap { parent: self.path.to_vec(), index: 0, after: false }),
            Spot::LastIn(_) => Ok(self.last_inside()),
        }
    }

    fn insert(&self, to: &Spot, text: &str) -> Result<Worked, NotEdited> {
        self.insert_at(&self.gap(to)?, text)
    }

    fn insert_at(&self, gap: &Gap, text: &str) -> Result<Worked, NotEdited> {
        let new = nodes_of(text)?;
        let splice = paste(self.text(), &self.leaf.tree, gap, text)?;
        let mut expected = Tree::clone(&self.leaf.tree);
        if let Some(children) = expected.children_mut(&gap.parent) {
            children.splice(gap.index..gap.index, new);
        }
        Ok(Worked { splices: vec![splice], expected, touched: vec![self.path.to_vec()] })
    }

    fn remove(&self) -> Result<Worked, NotEdited> {
        let node = self.node()?;
        let (index, parent) = self.path.split_last().ok_or(NotEdited::Unsafe)?;
        let standing = Standing::of(self.text(), &self.leaf.tree, node);
        let splice = cut(self.text(), &standing, index + 1 == self.leaf.tree.children(parent).len());
        let mut expected = Tree::clone(&self.leaf.tree);
        if let Some(children) = expected.children_mut(parent) {
            children.remove(*index);
        }
        Ok(Worked { splices: vec![splice], expected, touched: vec![self.path.to_vec()] })
    }

    fn replace(&self, text: &str) -> Result<Worked, NotEdited> {
        let node = self.node()?;
        let new = nodes_of(text)?;
        let [new] = new.as_slice() else { return Err(NotEdited::Text { why: format!("holds {} nodes, not one", new.len()) }) };
        let line = &self.text()[..node.at.start];
        let line = &line[line.rfind('\n').map_or(0, |at| at + 1)..];
        let indent = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
        let written = indented(text, indent, line_end(self.text()));
        let splice = Splice::new(node.at.clone(), written.trim_start().to_owned());
        Ok(self.done(vec![splice], |node| *node = new.clone()))
    }

    fn shift(&self, to: &Spot, leaves: &[Leaf<'_>]) -> Result<Worked, NotEdited> {
        let node = self.node()?;
        let (index, parent) = self.path.split_last().ok_or(NotEdited::Unsafe)?;
        let mut anchor = Address::parse(to.anchor())?;
        anchor.file.get_or_insert_with(|| self.leaf.name.to_owned());
        let found = anchor.find(leaves)?;
        if leaves[found.leaf].file != self.leaf.file {
            return Err(NotEdited::Elsewhere);
        }
        let gap = Hands::at(self.leaf, &found.path).gap(to)?;
        if gap.parent != parent {
            return Err(NotEdited::Elsewhere);
        }
        let touched = vec![self.path.to_vec(), found.path];
        let mut expected = Tree::clone(&self.leaf.tree);
        if gap.index == *index || gap.index == index + 1 {
            return Ok(Worked { splices: Vec::new(), expected, touched });
        }
        let standing = Standing::of(self.text(), &self.leaf.tree, node);
        let moved = &self.text()[standing.whole.clone()];
        let pasted = paste(self.text(), &self.leaf.tree, &gap, moved)?;
        let cut = cut(self.text(), &standing, index + 1 == self.leaf.tree.children(parent).len());
        if let Some(children) = expected.children_mut(parent) {
            let node = children.remove(*index);
            children.insert(gap.index - usize::from(gap.index > *index), node);
        }
        Ok(Worked { splices: vec![cut, pasted], expected, touched })
    }
}

const fn body_of(spec: &NodeSpec) -> Option<Place> {
    match spec.body {
        Body::None => None,
        Body::Optional(place) | Body::Required(place) => Some(place),
    }
}

fn entry(name: Option<&str>, value: KdlValue) -> Entry {
    Entry { name: name.map(str::to_owned), value, at: 0..0, value_at: 0..0 }
}

fn full(spec: &NodeSpec) -> NotEdited {
    NotEdited::Full { node: spec.name.to_owned(), most: spec.args.len() }
}

fn no_setting(spec: &'static NodeSpec, name: &str) -> NotEdited {
    let inside = body_of(spec).map_or(&[][..], Place::nodes).iter().filter(|row| !row.repeats && row.args.len() == 1);
    let known = spec.props.iter().map(|prop| prop.name).chain(inside.map(|row| row.name));
    NotEdited::NoSetting {
        node: spec.name.to_owned(),
        name: name.chars().take(80).collect(),
        guess: did_you_mean(name, known.clone()).or_else(|| {
            let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
            (!known.is_empty()).then(|| format!("it has {}", known.join(", ")))
        }),
    }
}

/// The nodes of a text that is to be written into a plan.
fn nodes_of(text: &str) -> Result<Vec<Node>, NotEdited> {
    let refused = |why: String| NotEdited::Text { why };
    let tree = Tree::read(text)
        .map_err(|unread| refused(format!("is not right in line {}: {}", super::line(text, unread.offset), unread.message)))?;
    if tree.nodes.is_empty() { Err(refused("holds no node".to_owned())) } else { Ok(tree.nodes) }
}
