//! Reading a plan again: only what was written anew is parsed.
//!
//! Kept are the items of the last reading with the text that each top node had. A node whose text stands in the file
//! still is taken over with its places moved to where it stands now; one that anything was said about is read again,
//! so that it is said again.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use super::{Item, MAX_NODES, Reader, Value, split};
use crate::{
    diagnostic::Findings,
    source::{MAX_FILE_BYTES, Source},
};

/// The last reading of a plan. As large as one plan at most.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Of all files, in order.
    items: Vec<Item>,
    files: HashMap<String, File>,
    since: Since,
}

/// What the readings since [`Kept::settle`] found otherwise.
#[derive(Debug, Default)]
enum Since {
    /// It cannot be told item by item.
    #[default]
    Unknown,
    /// By position: the item that stood there, or `None` where the same one stands at another place of its file.
    Places(BTreeMap<usize, Option<Item>>),
}

#[derive(Debug)]
struct File {
    text: Arc<str>,
    tops: Vec<Top>,
}

/// A node at the top of a file.
#[derive(Clone, Debug)]
struct Top {
    range: Range<usize>,
    /// Nodes in it, itself counted.
    nodes: usize,
    /// Which item it became; `None` when it became none, or something was said about it.
    item: Option<usize>,
}

impl Kept {
    /// Reads all `*.kdl` sources into one list of top items, in the order given.
    pub(crate) fn read(&mut self, sources: &[Source], findings: &mut Findings) -> &[Item] {
        let Self { items, files, since } = std::mem::take(self);
        let mut old: Vec<Option<Item>> = items.into_iter().map(Some).collect();
        let mut places = Some(BTreeMap::new());
        let mut reader = Reader { file: 0, base: 0, nodes: 0, findings };
        for (number, source) in (0_u16..).zip(sources).filter(|(_, source)| source.path.ends_with(".kdl")) {
            reader.file = number;
            let known = files.get(&source.path);
            let Some(ranges) = tops(&mut reader, source, known) else { continue };
            let mut same = Same::new(known, source);
            let mut file = File { text: Arc::clone(&source.text), tops: Vec::with_capacity(ranges.len()) };
            for (at, range) in ranges.into_iter().enumerate() {
                // What is read of this file is not all of it, so it is not known the next time.
                if reader.findings.is_full() {
                    reader.only_once(&self.items);
                    return &self.items;
                }
                let top = match same.take(at, &source.text[range.clone()]).filter(|top| reader.nodes + top.nodes <= MAX_NODES) {
                    Some(top) => {
                        let item = top.item.and_then(|item| old.get_mut(item)?.take());
                        places = places.filter(|_| top.item == Some(self.items.len()));
                        item.map(|item| self.take_over(item, &mut reader, &range, top, places.as_mut()))
                    }
                    None => None,
                };
                let top = top.unwrap_or_else(|| {
                    places = places.take().filter(|_| !old.is_empty());
                    let top = self.parse(&mut reader, source, range);
                    match (top.item, &mut places) {
                        (Some(item), Some(places)) => drop(places.insert(item, None)),
                        _ => places = None,
                    }
                    top
                });
                file.tops.push(top);
            }
            self.files.insert(source.path.clone(), file);
        }
        reader.only_once(&self.items);
        self.since = since.and(places.filter(|_| old.len() == self.items.len()), old);
        &self.items
    }

    /// What is read from here on is held against what was read last.
    pub(crate) fn settle(&mut self) {
        self.since = Since::Places(BTreeMap::new());
    }

    /// Where items stand that are not as they were when it was settled: see [`Since`].
    pub(crate) const fn since(&self) -> Option<&BTreeMap<usize, Option<Item>>> {
        if let Since::Places(places) = &self.since { Some(places) } else { None }
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(super) fn into_items(self) -> Vec<Item> {
        self.items
    }

    fn take_over(
        &mut self,
        mut item: Item,
        reader: &mut Reader<'_>,
        range: &Range<usize>,
        was: &Top,
        places: Option<&mut BTreeMap<usize, Option<Item>>>,
    ) -> Top {
        if item.at.file != reader.file || range.start != was.range.start {
            if let Some(places) = places {
                places.insert(self.items.len(), None);
            }
            item.move_to(reader.file, was.range.start, range.start);
        }
        reader.nodes += was.nodes;
        self.items.push(item);
        Top { range: range.clone(), nodes: was.nodes, item: Some(self.items.len() - 1) }
    }

    fn parse(&mut self, reader: &mut Reader<'_>, source: &Source, range: Range<usize>) -> Top {
        let (said, nodes, items) = (reader.findings.count(), reader.nodes, self.items.len());
        reader.base = range.start;
        reader.top_node(&source.text[range.clone()], &mut self.items);
        let is_clean = reader.findings.count() == said && self.items.len() == items + 1;
        Top { range, nodes: reader.nodes - nodes, item: is_clean.then_some(items) }
    }
}

impl Since {
    /// With what one more reading found, where `left` are the items of the one before that it did not take over.
    fn and(self, places: Option<BTreeMap<usize, Option<Item>>>, mut left: Vec<Option<Item>>) -> Self {
        match (self, places) {
            (known @ Self::Places(_), Some(places)) if places.is_empty() => known,
            (Self::Places(known), Some(mut places)) if known.is_empty() => {
                for (at, was) in &mut places {
                    *was = left.get_mut(*at).and_then(Option::take);
                }
                Self::Places(places)
            }
            // A second difference is not counted from the same texts.
            _ => Self::Unknown,
        }
    }
}

/// Where the top nodes of a file stand; `None` when it cannot be told, which is said.
fn tops(reader: &mut Reader<'_>, source: &Source, known: Option<&File>) -> Option<Vec<Range<usize>>> {
    reader.base = 0;
    if source.text.len() > MAX_FILE_BYTES {
        let message = format!("the file is larger than {} KiB", MAX_FILE_BYTES / 1024);
        reader.findings.error("too-large", reader.at(&(0..0)), message);
        return None;
    }
    if let Some(known) = known.filter(|known| known.text == source.text) {
        return Some(known.tops.iter().map(|top| top.range.clone()).collect());
    }
    match split::top_nodes(&source.text) {
        Ok(ranges) => Some(ranges),
        Err(wrong) => {
            reader.findings.error(wrong.code, reader.at(&(wrong.offset..wrong.offset + 1)), wrong.message);
            None
        }
    }
}

/// Finds the node of a file as it was that has the same text as one of now.
enum Same<'a> {
    /// There was no such file.
    Nothing,
    /// The whole file is as it was.
    All(&'a [Top]),
    /// By text; of several with the same text the last is taken first, which is no matter.
    Some(HashMap<&'a str, Vec<&'a Top>>),
}

impl<'a> Same<'a> {
    fn new(known: Option<&'a File>, source: &Source) -> Self {
        match known {
            None => Self::Nothing,
            Some(known) if known.text == source.text => Self::All(&known.tops),
            Some(known) => {
                let mut by_text: HashMap<&str, Vec<&Top>> = HashMap::with_capacity(known.tops.len());
                for top in known.tops.iter().filter(|top| top.item.is_some()) {
                    by_text.entry(&known.text[top.range.clone()]).or_default().push(top);
                }
                Self::Some(by_text)
            }
        }
    }

    fn take(&mut self, at: usize, text: &str) -> Option<&'a Top> {
        match self {
            Self::Nothing => None,
            Self::All(tops) => tops.get(at),
            Self::Some(by_text) => by_text.get_mut(text)?.pop(),
        }
    }
}

impl Item {
    /// Moves every place in it from one begin to another.
    fn move_to(&mut self, file: u16, from: usize, to: usize) {
        let moved = |offset: u32| u32::try_from((offset as usize + to).saturating_sub(from)).unwrap_or(u32::MAX);
        let value = |value: &mut Value| (value.at.file, value.at.offset) = (file, moved(value.at.offset));
        (self.at.file, self.at.offset) = (file, moved(self.at.offset));
        self.args.iter_mut().for_each(value);
        self.props.iter_mut().for_each(|(_, prop)| value(prop));
        self.children.iter_mut().for_each(|child| child.move_to(file, from, to));
    }
}
