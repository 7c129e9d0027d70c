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
    /// Number and path of each file, when nothing was said about any: then each top node is an item.
    clean: Option<Vec<(u16, String)>>,
    /// In all items.
    nodes: usize,
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

/// What became of one file that has as many nodes as before.
struct Edited<'s> {
    source: &'s Source,
    number: u16,
    tops: Vec<Top>,
    /// Nodes in those that were and in those that are now.
    nodes: (usize, usize),
    /// Position and what stands there now.
    others: Vec<(usize, Item)>,
    /// Position, and where it began and begins. That may be the same place, on another line.
    moved: Vec<(usize, usize, usize)>,
}

impl Kept {
    /// Reads all `*.kdl` sources into one list of top items, in the order given.
    pub(crate) fn read(&mut self, sources: &[Source], findings: &mut Findings) -> &[Item] {
        if !self.touch_up(sources) {
            self.read_all(sources, findings);
        }
        &self.items
    }

    /// Reads what is another text in files that have as many nodes as before, and of which nothing is to be said.
    /// `false`: nothing was done, all must be read.
    fn touch_up(&mut self, sources: &[Source]) -> bool {
        let known = self.clean.iter().flatten().map(|(number, path)| (*number, path.as_str()));
        if self.clean.is_none() || !plan_files(sources).map(|(number, source)| (number, source.path.as_str())).eq(known) {
            return false;
        }
        let (mut first, mut nodes, mut edits) = (0, self.nodes, Vec::new());
        for (number, source) in plan_files(sources) {
            let Some(known) = self.files.get(&source.path) else { return false };
            if known.text != source.text {
                let Some(edit) = Edited::new((number, source), known, &self.items[first..]) else { return false };
                nodes = nodes + edit.nodes.1 - edit.nodes.0;
                edits.push(edit);
            }
            first += known.tops.len();
        }
        if nodes > MAX_NODES {
            return false;
        }
        self.nodes = nodes;
        let mut places = BTreeMap::new();
        for Edited { source, number, tops, others, moved, .. } in edits {
            for (at, from, to) in moved {
                self.items[at].move_to(number, from, to);
                places.insert(at, None);
            }
            for (at, item) in others {
                places.insert(at, Some(std::mem::replace(&mut self.items[at], item)));
            }
            self.files.insert(source.path.clone(), File { text: Arc::clone(&source.text), tops });
        }
        if !places.is_empty() {
            self.since = match &self.since {
                Since::Places(known) if known.is_empty() => Since::Places(places),
                // A second difference is not counted from the same texts.
                _ => Since::Unknown,
            };
        }
        true
    }

    fn read_all(&mut self, sources: &[Source], findings: &mut Findings) {
        let Self { items, files, .. } = std::mem::take(self);
        let mut old: Vec<Option<Item>> = items.into_iter().map(Some).collect();
        let said = findings.count();
        let mut reader = Reader { file: 0, base: 0, nodes: 0, findings };
        for (number, source) in plan_files(sources) {
            reader.file = number;
            let known = files.get(&source.path);
            let Some(ranges) = tops(&mut reader, source, known) else { continue };
            let mut same = Same::new(known, source);
            let mut file = File { text: Arc::clone(&source.text), tops: Vec::with_capacity(ranges.len()) };
            for (at, range) in ranges.into_iter().enumerate() {
                // What is read of this file is not all of it, so it is not known the next time.
                if reader.findings.is_full() {
                    reader.only_once(&self.items);
                    return;
                }
                let known = same.take(at, &source.text[range.clone()]).filter(|top| reader.nodes + top.nodes <= MAX_NODES);
                let taken = known.and_then(|top| Some((top, old.get_mut(top.item?)?.take()?)));
                file.tops.push(match taken {
                    Some((top, item)) => self.take_over(item, &mut reader, &range, top),
                    None => self.parse(&mut reader, source, range),
                });
            }
            self.files.insert(source.path.clone(), file);
        }
        reader.only_once(&self.items);
        self.nodes = reader.nodes;
        // Of two files with the same path only one is known.
        let is_clean = findings.count() == said && self.files.len() == plan_files(sources).count();
        self.clean = is_clean.then(|| plan_files(sources).map(|(number, source)| (number, source.path.clone())).collect());
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

    fn take_over(&mut self, mut item: Item, reader: &mut Reader<'_>, range: &Range<usize>, was: &Top) -> Top {
        if item.at.file != reader.file || range.start != was.range.start {
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

impl<'s> Edited<'s> {
    /// `None` when there are more or fewer nodes, or something is to be said.
    fn new((number, source): (u16, &'s Source), known: &File, items: &[Item]) -> Option<Self> {
        if source.text.len() > MAX_FILE_BYTES {
            return None;
        }
        let ranges = split::top_nodes(&source.text).ok().filter(|ranges| ranges.len() == known.tops.len())?;
        let mut unheard = Findings::new(&[]);
        let mut reader = Reader { file: number, base: 0, nodes: 0, findings: &mut unheard };
        let mut edit =
            Self { source, number, tops: Vec::with_capacity(ranges.len()), nodes: (0, 0), others: Vec::new(), moved: Vec::new() };
        let (mut before, mut now, mut lines) = (0, 0, 0);
        for ((range, was), item) in ranges.into_iter().zip(&known.tops).zip(items) {
            let at = was.item?;
            let (old, new) = (&known.text[before..was.range.start], &source.text[now..range.start]);
            if old != new {
                lines += lines_in(new) - lines_in(old);
            }
            (before, now) = (was.range.start, range.start);
            let mut nodes = was.nodes;
            if source.text[range.clone()] == known.text[was.range.clone()] {
                if range.start != was.range.start || lines != 0 {
                    edit.moved.push((at, was.range.start, range.start));
                }
            } else {
                let (read_before, mut read) = (reader.nodes, Vec::new());
                reader.base = range.start;
                reader.top_node(&source.text[range.clone()], &mut read);
                let now = read.pop().filter(|now| read.is_empty() && now.spec.repeats && item.spec.repeats)?;
                nodes = reader.nodes - read_before;
                edit.nodes = (edit.nodes.0 + was.nodes, edit.nodes.1 + nodes);
                edit.others.push((at, now));
            }
            edit.tops.push(Top { range, nodes, item: Some(at) });
        }
        (reader.findings.count() == 0).then_some(edit)
    }
}

fn lines_in(text: &str) -> i64 {
    text.bytes().map(|byte| i64::from(byte == b'\n')).sum()
}

/// The files that are read, each with its number.
fn plan_files(sources: &[Source]) -> impl Iterator<Item = (u16, &Source)> {
    (0_u16..).zip(sources).filter(|(_, source)| source.path.ends_with(".kdl"))
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
