//! Names a node by the names on the way to it: `route "night" > menu > press "1"`.
//!
//! ```text
//! address = [file ":"] [node { ">" node }]
//! node    = name { value | property "=" value } [ "[" nth "]" ]
//! ```
//! Values are those that the node has, from its first on; `[2]` is the second of several that fit. Every part must
//! fit exactly one node: an edit of the wrong one is worse than none.

use std::sync::Arc;

use kdl::{KdlEntry, KdlValue};

use super::{
    NotEdited,
    tree::{Node, Tree},
    write::quoted,
};
use crate::{
    diagnostic::did_you_mean,
    editor::lexeme::{Lexeme, Lexemes, Shape},
};

/// Longest address, in bytes.
const MAX_BYTES: usize = 1_024;
/// Nodes that are named when an address does not fit.
const MAX_CANDIDATES: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) file: Option<String>,
    pub(super) parts: Vec<Part>,
}

/// One node of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    name: String,
    args: Vec<String>,
    props: Vec<(String, String)>,
    nth: Option<usize>,
}

/// A file with its tree.
pub(super) struct Leaf<'a> {
    /// In the order of the plan's files.
    pub(super) file: usize,
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) tree: Arc<Tree>,
}

/// A node that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Which of the leaves.
    pub(super) leaf: usize,
    /// Index by index from the top; empty for the file itself.
    pub(super) path: Vec<usize>,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, NotEdited> {
        let bad = |why: &str| NotEdited::Address { address: text.chars().take(80).collect(), why: why.to_owned() };
        if text.len() > MAX_BYTES {
            return Err(bad("it is too long"));
        }
        let mut address = Self::default();
        let mut open: Option<Part> = None;
        let mut lexemes = Lexemes::new(text);
        while let Some(lexeme) = lexemes.next() {
            let word = word(text, &lexeme).ok_or_else(|| bad("it is made of names and values, with `>` between nodes"))?;
            let bare = lexeme.shape == Shape::Word;
            let first = open.is_none() && address.parts.is_empty() && address.file.is_none();
            if bare && word == ">" {
                address.parts.push(open.take().ok_or_else(|| bad("a node is missing before `>`"))?);
            } else if bare && first && word.ends_with(':') {
                address.file = Some(word.trim_end_matches(':').to_owned());
            } else if lexeme.names_property {
                let value = lexemes.by_ref().find(|lexeme| lexeme.shape != Shape::Equals);
                let value =
                    value.and_then(|value| self::word(text, &value)).ok_or_else(|| bad("a value is missing after `=`"))?;
                let part = open.as_mut().ok_or_else(|| bad("it begins with the name of a node"))?;
                part.props.push((word, value));
            } else {
                let (word, nth) = if bare { counted(&word) } else { (word.as_str(), None) };
                match &mut open {
                    None => open = Some(Part { name: word.to_owned(), nth, ..Part::default() }),
                    Some(part) if part.nth.is_some() => return Err(bad("`[…]` ends a node; `>` leads to the next")),
                    Some(part) => {
                        if !word.is_empty() {
                            part.args.push(word.to_owned());
                        }
                        part.nth = nth;
                    }
                }
            }
        }
        match open {
            Some(part) => address.parts.push(part),
            None if !address.parts.is_empty() => return Err(bad("a node is missing after `>`")),
            None if address.file.is_none() => return Err(bad("it is empty")),
            None => {}
        }
        if address.parts.iter().any(|part| part.name.is_empty() || part.nth == Some(0)) {
            return Err(bad("nodes have names, and are counted from 1"));
        }
        Ok(address)
    }

    /// The one node that it names.
    pub(super) fn find(&self, leaves: &[Leaf<'_>]) -> Result<Found, NotEdited> {
        if let Some(file) = &self.file
            && !leaves.iter().any(|leaf| leaf.name == file)
        {
            return Err(NotEdited::NoFile { file: file.chars().take(80).collect() });
        }
        let searched = |leaf: &Leaf<'_>| self.file.as_ref().is_none_or(|file| leaf.name == file);
        let mut open: Vec<Found> =
            (0..leaves.len()).filter(|leaf| searched(&leaves[*leaf])).map(|leaf| Found { leaf, path: Vec::new() }).collect();
        for part in &self.parts {
            open = vec![part.among(leaves, &open)?];
        }
        match open.as_slice() {
            [found] => Ok(found.clone()),
            _ => Err(NotEdited::Address { address: String::new(), why: "it names no file".to_owned() }),
        }
    }
}

impl Part {
    fn fits(&self, node: &Node) -> bool {
        let mut args = node.args();
        self.name == node.name
            && self.args.iter().all(|wanted| args.next().is_some_and(|entry| shown(&entry.value) == *wanted))
            && self.props.iter().all(|(name, wanted)| node.prop(name).is_some_and(|entry| shown(&entry.value) == *wanted))
    }

    /// The only one of the children of `parents` that fits.
    fn among(&self, leaves: &[Leaf<'_>], parents: &[Found]) -> Result<Found, NotEdited> {
        let children = || {
            parents.iter().flat_map(|parent| {
                let nodes = leaves[parent.leaf].tree.children(&parent.path);
                nodes.iter().enumerate().map(|(index, node)| {
                    (node, Found { leaf: parent.leaf, path: parent.path.iter().copied().chain([index]).collect() })
                })
            })
        };
        let fitting: Vec<_> = children().filter(|(node, _)| self.fits(node)).map(|(_, found)| found).collect();
        match (fitting.as_slice(), self.nth) {
            ([found], None) => Ok(found.clone()),
            (all, Some(nth)) if nth <= all.len() => Ok(all[nth - 1].clone()),
            ([], _) | (_, Some(_)) => {
                let alike: Vec<_> = children().filter(|(node, _)| node.name == self.name).map(|(_, found)| found).collect();
                let candidates = addresses(leaves, &alike);
                let wanted = self.to_string();
                let guess = did_you_mean(&wanted, candidates.iter().map(|c| c.split_once(": ").map_or(&**c, |(_, node)| node)))
                    .or_else(|| did_you_mean(&self.name, children().map(|(node, _)| node.name.as_str())));
                Err(NotEdited::NoNode { node: wanted, guess, candidates })
            }
            (all, None) => Err(NotEdited::Ambiguous { node: self.to_string(), candidates: addresses(leaves, all) }),
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))?;
        self.props.iter().try_for_each(|(name, value)| write!(f, " {name}={}", quoted(value)))?;
        self.nth.map_or(Ok(()), |nth| write!(f, "[{nth}]"))
    }
}

fn addresses(leaves: &[Leaf<'_>], found: &[Found]) -> Vec<String> {
    found.iter().take(MAX_CANDIDATES).map(|found| address_in(&leaves[found.leaf], &found.path)).collect()
}

/// The address of a node, with its file; it leads back to that node.
pub(super) fn address_in(leaf: &Leaf<'_>, path: &[usize]) -> String {
    let parts: Vec<_> = (1..=path.len()).filter_map(|length| part_of(&leaf.tree, &path[..length])).collect();
    format!("{}: {}", leaf.name, parts.join(" > ")).trim_end().to_owned()
}

/// How a node is named among its siblings: by its first value, and by its place where that is not enough.
pub(super) fn part_of(tree: &Tree, path: &[usize]) -> Option<String> {
    let (index, above) = path.split_last()?;
    let node = tree.node(path)?;
    let args = node.args().take(1).map(|entry| shown(&entry.value)).collect();
    let mut part = Part { name: node.name.clone(), args, ..Part::default() };
    let siblings = tree.children(above);
    if siblings.iter().filter(|other| part.fits(other)).count() > 1 {
        part.nth = Some(siblings[..=*index].iter().filter(|other| part.fits(other)).count());
    }
    Some(part.to_string())
}

/// A value as an address writes it, without quotes.
fn shown(value: &KdlValue) -> String {
    value.as_string().map_or_else(|| value.to_string(), str::to_owned)
}

/// The text of a word or string; `None` for what has no place in an address.
fn word(text: &str, lexeme: &Lexeme) -> Option<String> {
    let written = &text[lexeme.range.clone()];
    match lexeme.shape {
        Shape::Word => Some(written.to_owned()),
        Shape::Quoted { closed: true } => Some(KdlEntry::parse(written).ok()?.value().as_string()?.to_owned()),
        _ => None,
    }
}

/// Parts a word from the `[2]` at its end.
fn counted(word: &str) -> (&str, Option<usize>) {
    let counted = word.strip_suffix(']').and_then(|word| word.rsplit_once('['));
    match counted.and_then(|(name, nth)| Some((name, nth.parse().ok()?))) {
        Some((name, nth)) => (name, Some(nth)),
        None => (word, None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    fn leaf(text: &str) -> Leaf<'_> {
        Leaf { file: 0, name: "a.kdl", text, tree: Arc::new(Tree::read(text).unwrap()) }
    }

    #[test]
    fn an_address_leads_to_one_node() {
        let leaves = [leaf("queue support { ring \"5s\" }\nroute night { menu a { press 1; press 2; }; menu b }\nx; x p=1")];
        for (address, path) in [
            ("queue \"support\" > ring", vec![0, 0]),
            ("route night > menu[1] > press \"2\"", vec![1, 0, 1]),
            ("route > menu b", vec![1, 1]),
            ("x[2]", vec![3]),
            ("x p=1", vec![3]),
            ("a.kdl: x[1]", vec![2]),
            ("a.kdl:", vec![]),
        ] {
            assert_eq!(Address::parse(address).unwrap().find(&leaves).unwrap().path, path, "{address}");
        }
    }

    #[test]
    fn what_fits_none_or_many_names_what_there_is() {
        let leaves = [leaf("route night { play a; play a }\nroute day")];
        let told = |address: &str| Address::parse(address).unwrap().find(&leaves).unwrap_err().to_string();
        assert_eq!(told("route"), "`route` fits more than one node: a.kdl: route \"night\"; a.kdl: route \"day\"");
        assert_eq!(
            told("route nite"),
            "there is no node `route \"nite\"` there (did you mean `route \"night\"`?); there are: a.kdl: route \"night\"; a.kdl: route \"day\""
        );
        assert!(told("route night > play a").ends_with("play \"a\"[1]; a.kdl: route \"night\" > play \"a\"[2]"));
        assert!(told("rout night").contains("did you mean `route`?"), "{}", told("rout night"));
        assert!(told("route night > play a[3]").contains("there is no node"));
        assert!(told("b.kdl: route").contains("no file `b.kdl`"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in
            ["", ">", "a >", "> a", "a { b }", "a; b", "a\nb", "a[0]", "a[1] b", "p=", "a p=", "a // b", "a /- b", "a \"b", "[1]"]
        {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
        assert!(Address::parse(&"a".repeat(2_000)).is_err());
    }
}
