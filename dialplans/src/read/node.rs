//! A KDL node as the table is held against it, whoever read it: names, values and their places, without layout.

use std::{borrow::Cow, ops::Range};

use kdl::{KdlEntry, KdlNode, KdlValue};
use miette::SourceSpan;

/// Bytes of the text that was read.
pub(super) type Span = Range<usize>;

#[derive(Debug, PartialEq)]
pub(super) struct Node<'a> {
    /// Where a type annotation stands.
    pub(super) annotation: Option<Span>,
    pub(super) name: Cow<'a, str>,
    pub(super) name_at: Span,
    pub(super) entries: Vec<Entry<'a>>,
    /// `None` without braces.
    pub(super) children: Option<Vec<Node<'a>>>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Entry<'a> {
    pub(super) at: Span,
    pub(super) has_annotation: bool,
    /// That of a property, and where it stands.
    pub(super) name: Option<(Cow<'a, str>, Span)>,
    pub(super) value: KdlValue,
}

impl From<&KdlNode> for Node<'_> {
    fn from(node: &KdlNode) -> Self {
        Self {
            annotation: node.ty().map(|ty| range(ty.span())),
            name: Cow::Owned(node.name().value().to_owned()),
            name_at: range(node.name().span()),
            entries: node.entries().iter().map(Entry::from).collect(),
            children: node.children().map(|children| children.nodes().iter().map(Self::from).collect()),
        }
    }
}

impl From<&KdlEntry> for Entry<'_> {
    fn from(entry: &KdlEntry) -> Self {
        Self {
            at: range(entry.span()),
            has_annotation: entry.ty().is_some(),
            name: entry.name().map(|name| (Cow::Owned(name.value().to_owned()), range(name.span()))),
            value: entry.value().clone(),
        }
    }
}

pub(super) fn range(span: SourceSpan) -> Span {
    span.offset()..span.offset() + span.len()
}
