//! A text as nodes, each with the bytes that it takes up.
//!
//! The KDL parser says what a text means, the lexemes say where it stands; both must see the same nodes, or the
//! text is not edited at all. Comments, blank lines and what `/-` leaves out are nobody's: they stay where they are.

use std::ops::Range;

use kdl::{KdlNode, KdlValue};

use crate::{
    editor::lexeme::{Lexeme, Lexemes, Shape},
    read::split,
    source::MAX_FILE_BYTES,
};

/// All nodes of a file.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// In their order.
    pub(super) comments: Vec<Range<usize>>,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    /// From its name to its last value or brace.
    pub(super) at: Range<usize>,
    /// Where its name ends.
    pub(super) name_end: usize,
    /// Where its last value ends, with those that `/-` leaves out.
    pub(super) entries_end: usize,
    pub(super) entries: Vec<Entry>,
    pub(super) body: Option<Body>,
}

/// A value or a property.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Option<String>,
    pub(super) value: KdlValue,
    /// With the property's name.
    pub(super) at: Range<usize>,
    pub(super) value_at: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Body {
    /// From `{` to behind `}`.
    pub(super) braces: Range<usize>,
    pub(super) nodes: Vec<Node>,
}

/// Why a text has no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) offset: usize,
    pub(super) message: String,
}

impl Tree {
    pub(super) fn read(text: &str) -> Result<Self, Unread> {
        let unread = |offset, message: &str| Unread { offset, message: message.to_owned() };
        if text.len() > MAX_FILE_BYTES {
            return Err(unread(0, "the file is too large"));
        }
        let ranges = split::top_nodes(text).map_err(|wrong| unread(wrong.offset, &wrong.message))?;
        let lexemes: Vec<_> = Lexemes::new(text).collect();
        let of_comment = |lexeme: &&Lexeme| lexeme.shape == Shape::Comment;
        let comments = lexemes.iter().filter(of_comment).map(|lexeme| lexeme.range.clone()).collect();
        let mut walker = Walker { lexemes, next: 0 };
        let (mut nodes, _) = walker.nodes();
        for (at, range) in ranges.iter().enumerate() {
            let parsed = KdlNode::parse(&text[range.clone()]).map_err(|error| {
                let first = error.diagnostics.first();
                let offset = range.start + first.map_or(0, |problem| problem.span.offset());
                unread(offset, first.and_then(|problem| problem.message.as_deref()).unwrap_or("this is not KDL"))
            })?;
            let agrees = nodes.get_mut(at).is_some_and(|node| node.adopt(&parsed, range.start));
            if !agrees {
                return Err(unread(range.start, "this node is written in a way that is not edited piece by piece"));
            }
        }
        match nodes.get(ranges.len()) {
            None => Ok(Self { nodes, comments }),
            Some(more) => Err(unread(more.at.start, "this node is written in a way that is not edited piece by piece")),
        }
    }

    /// The nodes in the braces of the node at a path; at the top for the empty one.
    pub(super) fn children(&self, path: &[usize]) -> &[Node] {
        match path {
            [] => &self.nodes,
            path => self.node(path).and_then(|node| node.body.as_ref()).map_or(&[], |body| &body.nodes),
        }
    }

    pub(super) fn node(&self, path: &[usize]) -> Option<&Node> {
        let (last, above) = path.split_last()?;
        self.children(above).get(*last)
    }

    pub(super) fn node_mut(&mut self, path: &[usize]) -> Option<&mut Node> {
        let (last, above) = path.split_last()?;
        self.children_mut(above)?.get_mut(*last)
    }

    /// As [`Self::children`]; braces come into being where there were none.
    pub(super) fn children_mut(&mut self, path: &[usize]) -> Option<&mut Vec<Node>> {
        let mut nodes = &mut self.nodes;
        for index in path {
            let node = nodes.get_mut(*index)?;
            nodes = &mut node.body.get_or_insert_with(|| Body { braces: 0..0, nodes: Vec::new() }).nodes;
        }
        Some(nodes)
    }

    /// Whether both mean the same, wherever it stands.
    pub(super) fn means(&self, other: &Self) -> bool {
        all_mean(&self.nodes, &other.nodes)
    }
}

fn all_mean(one: &[Node], other: &[Node]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.means(other))
}

impl Node {
    fn means(&self, other: &Self) -> bool {
        let entries =
            |node: &Self| node.entries.iter().map(|entry| (entry.name.clone(), entry.value.clone())).collect::<Vec<_>>();
        let bodies = match (&self.body, &other.body) {
            (Some(one), Some(other)) => all_mean(&one.nodes, &other.nodes),
            (None, None) => true,
            _ => false,
        };
        self.name == other.name && bodies && entries(self) == entries(other)
    }

    /// The values without names, in their order.
    pub(super) fn args(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.name.is_none())
    }

    pub(super) fn prop(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name.as_deref() == Some(name))
    }

    /// Takes names and values from what the parser read; whether it is the same node.
    fn adopt(&mut self, parsed: &KdlNode, base: usize) -> bool {
        let entries = parsed.entries();
        let same_name = base + parsed.name().span().offset() == self.at.start && parsed.ty().is_none();
        if !same_name || entries.len() != self.entries.len() {
            return false;
        }
        self.name = parsed.name().value().to_owned();
        for (own, parsed) in self.entries.iter_mut().zip(entries) {
            if parsed.ty().is_some() || own.name.is_some() != parsed.name().is_some() {
                return false;
            }
            own.name = parsed.name().map(|name| name.value().to_owned());
            own.value = parsed.value().clone();
        }
        match (&mut self.body, parsed.children()) {
            (None, None) => true,
            (Some(body), Some(children)) => {
                body.nodes.len() == children.nodes().len()
                    && body.nodes.iter_mut().zip(children.nodes()).all(|(node, parsed)| node.adopt(parsed, base))
            }
            _ => false,
        }
    }
}

struct Walker {
    lexemes: Vec<Lexeme>,
    next: usize,
}

impl Walker {
    fn peek(&self) -> Option<&Lexeme> {
        self.lexemes.get(self.next)
    }

    /// The nodes up to the closing brace or the end, and where the brace ends. Nesting was bounded by the splitter.
    fn nodes(&mut self) -> (Vec<Node>, usize) {
        let (mut nodes, mut left_out) = (Vec::new(), false);
        while let Some(Lexeme { shape, range, .. }) = self.peek().cloned() {
            match shape {
                Shape::Close => {
                    self.next += 1;
                    return (nodes, range.end);
                }
                Shape::Word | Shape::Quoted { .. } => {
                    let node = self.node(&range);
                    if !std::mem::take(&mut left_out) {
                        nodes.push(node);
                    }
                }
                Shape::Skip => {
                    left_out = true;
                    self.next += 1;
                }
                Shape::End | Shape::Comment | Shape::Equals | Shape::Open => self.next += 1,
            }
        }
        (nodes, self.lexemes.last().map_or(0, |last| last.range.end))
    }

    fn node(&mut self, name: &Range<usize>) -> Node {
        self.next += 1;
        let mut node = Node {
            name: String::new(),
            at: name.clone(),
            name_end: name.end,
            entries_end: name.end,
            entries: Vec::new(),
            body: None,
        };
        let mut left_out = false;
        while let Some(Lexeme { shape, range, names_property }) = self.peek().cloned() {
            match shape {
                Shape::End if left_out => self.next += 1,
                Shape::End | Shape::Close => break,
                Shape::Comment | Shape::Equals => self.next += 1,
                Shape::Skip => {
                    left_out = true;
                    self.next += 1;
                }
                Shape::Open => {
                    self.next += 1;
                    let (nodes, end) = self.nodes();
                    node.at.end = end;
                    if !std::mem::take(&mut left_out) {
                        node.body = Some(Body { braces: range.start..end, nodes });
                    }
                }
                Shape::Word | Shape::Quoted { .. } => {
                    self.next += 1;
                    let value_at = if names_property { self.value_after_equals(&range) } else { range.clone() };
                    (node.entries_end, node.at.end) = (value_at.end, value_at.end);
                    if !std::mem::take(&mut left_out) {
                        let name = names_property.then(String::new);
                        node.entries.push(Entry { name, value: KdlValue::Null, at: range.start..value_at.end, value_at });
                    }
                }
            }
        }
        node
    }

    /// The value behind a property's name; the name again where there is none, which the parser refuses.
    fn value_after_equals(&mut self, name: &Range<usize>) -> Range<usize> {
        while let Some(Lexeme { shape, range, .. }) = self.peek().cloned() {
            match shape {
                Shape::Equals | Shape::Comment => self.next += 1,
                Shape::Word | Shape::Quoted { .. } => {
                    self.next += 1;
                    return range;
                }
                _ => break,
            }
        }
        name.clone()
    }
}
