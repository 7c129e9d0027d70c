//! Reads a text that may be unfinished: which row of the table each word of it stands for.
//!
//! The check gives up on a node that is not KDL, and rightly so; an editor is asked for help exactly
//! there. So this reader never fails: it goes from word to word, keeps the open braces in mind, and takes a
//! node that stands at the beginning of its line and fits only the top of a file for just that, which
//! mends braces that are not closed yet. For texts that the check takes both see the same names; a
//! test holds them to that.

use std::ops::Range;

use kdl::KdlEntry;

use super::lexeme::{Lexeme, Lexemes, Shape};
use crate::{
    grammar::{Arg, Body, Kind, NodeSpec, Place, Prop},
    read::nth_arg,
};

/// A word of the text and what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// With its quotes.
    pub(super) range: Range<usize>,
    /// Without them.
    pub(super) text: String,
    /// Ends with its closing quote, or has none.
    pub(super) closed: bool,
    pub(super) role: Role,
}

/// What a word may be for, where it stands.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// A node's name in some place.
    Node { place: Place },
    /// The name of a property.
    Prop { spec: &'static NodeSpec },
    /// A value after the node's name. A property's name may stand there as well: which are given already
    /// is told.
    Arg { spec: &'static NodeSpec, arg: Option<&'static Arg>, given: Vec<&'static str> },
    /// The value of a property.
    PropValue { prop: &'static Prop },
}

impl Role {
    /// The type of the value, if it is one that the table has.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Arg { arg, .. } => arg.map(|arg| arg.kind),
            Self::PropValue { prop } => Some(prop.kind),
            Self::Node { .. } | Self::Prop { .. } => None,
        }
    }
}

/// Every word of a text that the table knows a role for.
pub(super) fn outline(text: &str) -> Vec<Seen> {
    let mut walker = Walker::new(text);
    Lexemes::new(text).filter_map(|lexeme| walker.take(&lexeme)).collect()
}

/// The word that the byte `offset` lies in or ends, or else an empty one there. `None` in comments and
/// where nothing is known.
pub(super) fn word_at(text: &str, offset: usize) -> Option<Seen> {
    let mut walker = Walker::new(text);
    let mut end = 0;
    for lexeme in Lexemes::new(text) {
        if lexeme.range.start > offset {
            break;
        }
        let inside = lexeme.range.start < offset && offset < lexeme.range.end;
        let word = matches!(lexeme.shape, Shape::Word | Shape::Quoted { .. });
        let open_at_end = offset == lexeme.range.end && lexeme.shape != Shape::Quoted { closed: true };
        if word && (inside || open_at_end || offset == lexeme.range.start) {
            return walker.take(&lexeme);
        }
        if inside && lexeme.shape == Shape::Comment {
            return None;
        }
        if lexeme.range.start == offset {
            break;
        }
        end = lexeme.range.end;
        // A comment to the end of the line, with the place behind its last letter.
        if lexeme.shape == Shape::Comment && end == offset && text[lexeme.range.clone()].starts_with("//") {
            return None;
        }
        walker.take(&lexeme);
    }
    // Behind a quote that is closed, a value cannot begin without a blank.
    let touches = end == offset && text[..offset].ends_with('"');
    if touches {
        None
    } else {
        walker.role(false).map(|role| Seen { range: offset..offset, text: String::new(), closed: true, role })
    }
}

struct Walker<'a> {
    source: &'a str,
    /// The open braces; the top of the file is the first.
    blocks: Vec<Block>,
    node: Option<Node>,
    /// A `/-` stands before what comes.
    skip: bool,
}

#[derive(Clone, Copy)]
struct Block {
    /// `None` in the braces of a node that has none, or that is not known.
    place: Option<Place>,
    hidden: bool,
}

/// The node that is being read.
struct Node {
    spec: Option<&'static NodeSpec>,
    hidden: bool,
    args: usize,
    given: Vec<&'static str>,
    awaits: Awaits,
}

/// What comes next in a node.
#[derive(Clone, Copy)]
enum Awaits {
    Entry,
    /// `name` was read, `=` follows.
    Equals(Option<&'static Prop>),
    Value(Option<&'static Prop>),
}

impl<'a> Walker<'a> {
    fn new(source: &'a str) -> Self {
        Self { source, blocks: vec![Block { place: Some(Place::Top), hidden: false }], node: None, skip: false }
    }

    fn block(&self) -> Block {
        self.blocks.last().copied().unwrap_or(Block { place: None, hidden: true })
    }

    /// Goes on by one lexeme; what it is when it is a word with a role.
    fn take(&mut self, lexeme: &Lexeme) -> Option<Seen> {
        match lexeme.shape {
            Shape::Comment => None,
            Shape::Skip => {
                self.skip = true;
                None
            }
            Shape::End => {
                // Blank lines may stand between `/-` and its node.
                self.skip &= self.node.is_none();
                self.node = None;
                None
            }
            Shape::Open => {
                let place = self.node.as_ref().and_then(|node| node.spec).and_then(|spec| match spec.body {
                    Body::None => None,
                    Body::Optional(place) | Body::Required(place) => Some(place),
                });
                let hidden = self.block().hidden || self.node.take().is_some_and(|node| node.hidden) || self.skip;
                self.skip = false;
                self.blocks.push(Block { place, hidden });
                None
            }
            Shape::Close => {
                if self.blocks.len() > 1 {
                    self.blocks.pop();
                }
                self.node = None;
                None
            }
            Shape::Equals => {
                if let Some(node) = &mut self.node
                    && let Awaits::Equals(prop) = node.awaits
                {
                    node.awaits = Awaits::Value(prop);
                }
                None
            }
            Shape::Word | Shape::Quoted { .. } => self.word(lexeme),
        }
    }

    fn word(&mut self, lexeme: &Lexeme) -> Option<Seen> {
        let text = plain(&self.source[lexeme.range.clone()], lexeme.shape);
        if self.node.is_none() {
            self.mend(lexeme.range.start, &text);
        }
        let role = self.role(lexeme.names_property);
        let hidden = match &mut self.node {
            None => {
                let block = self.block();
                let spec = block.place.and_then(|place| place.find(&text));
                let hidden = block.hidden || std::mem::take(&mut self.skip);
                self.node = Some(Node { spec, hidden, args: 0, given: Vec::new(), awaits: Awaits::Entry });
                hidden
            }
            Some(node) => match node.awaits {
                Awaits::Entry | Awaits::Equals(_) if lexeme.names_property => {
                    let prop = node.spec.and_then(|spec| spec.props.iter().find(|prop| prop.name == text));
                    node.awaits = Awaits::Equals(prop);
                    if !self.skip {
                        node.given.extend(prop.map(|prop| prop.name));
                    }
                    node.hidden || self.skip
                }
                Awaits::Value(_) => {
                    node.awaits = Awaits::Entry;
                    node.hidden || std::mem::take(&mut self.skip)
                }
                Awaits::Entry | Awaits::Equals(_) => {
                    let skipped = std::mem::take(&mut self.skip);
                    node.args += usize::from(!skipped);
                    node.hidden || skipped
                }
            },
        };
        let closed = lexeme.shape != Shape::Quoted { closed: false };
        role.filter(|_| !hidden).map(|role| Seen { range: lexeme.range.clone(), text, closed, role })
    }

    /// What a word would be that stands here.
    fn role(&self, names_property: bool) -> Option<Role> {
        let Some(node) = &self.node else {
            let block = self.block();
            return block.place.filter(|_| !block.hidden).map(|place| Role::Node { place });
        };
        let spec = node.spec.filter(|_| !node.hidden)?;
        match node.awaits {
            Awaits::Value(prop) => prop.map(|prop| Role::PropValue { prop }),
            Awaits::Entry | Awaits::Equals(_) if names_property => Some(Role::Prop { spec }),
            Awaits::Entry | Awaits::Equals(_) => {
                Some(Role::Arg { spec, arg: nth_arg(spec.args, node.args), given: node.given.clone() })
            }
        }
    }

    /// Closes forgotten braces before a node that can only stand at the top.
    fn mend(&mut self, at: usize, name: &str) {
        let first_in_line = self.source[..at].bytes().next_back().is_none_or(|b| b == b'\n' || b == b'\r');
        let known_here = self.block().place.is_some_and(|place| place.find(name).is_some());
        if first_in_line && self.blocks.len() > 1 && !known_here && Place::Top.find(name).is_some() {
            self.blocks.truncate(1);
        }
    }
}

/// The text of a word without quotes; that of a string that is not closed is what stands there so far.
fn plain(written: &str, shape: Shape) -> String {
    if shape == Shape::Word {
        return written.to_owned();
    }
    let bare = written.trim_matches('#').trim_matches('"');
    if shape == (Shape::Quoted { closed: true })
        && written.contains(['\\', '\n'])
        && let Ok(entry) = KdlEntry::parse(written)
        && let Some(text) = entry.value().as_string()
    {
        return text.to_owned();
    }
    bare.to_owned()
}
