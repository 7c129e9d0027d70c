//! FreeSWITCH's XML: elements with their lines, includes followed, `$${…}` filled in.
//!
//! Entities other than the five of XML itself are refused, and so is a document type: nothing in these files expands.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::super::{
    ledger::{Ledger, UnitId},
    limits::{ConfigFile, ImportError, MAX_INCLUDE_DEPTH, MAX_LINES},
};

/// How deep elements may stand in each other.
const MAX_DEPTH: usize = 64;
/// Longest value once `$${…}` is filled in.
const MAX_VALUE_BYTES: usize = 4_096;

/// An element.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Self>,
    pub(super) at: UnitId,
    /// The file that it stands in.
    pub(super) file: Arc<str>,
}

impl Element {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The `value` of the `<param>` or `<variable>` of that name.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params().find(|param| param.get("name") == Some(name)).and_then(|param| param.get("value"))
    }

    /// All `<param>` and `<variable>`, also in their `<params>`, `<variables>` and `<settings>`.
    pub(super) fn params(&self) -> impl Iterator<Item = &Self> {
        let inside = |child: &&Self| matches!(child.name.as_str(), "params" | "variables" | "settings");
        let is_param = |child: &&Self| matches!(child.name.as_str(), "param" | "variable");
        let nested = self.children.iter().filter(inside).flat_map(|child| &child.children);
        self.children.iter().chain(nested).filter(is_param)
    }

    /// This element and all below it.
    pub(super) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        self.children.iter().for_each(|child| child.walk(visit));
    }
}

/// The files of the configuration, and what was read of them.
pub(super) struct Files<'a> {
    files: BTreeMap<&'a str, &'a str>,
    read: BTreeSet<&'a str>,
    globals: BTreeMap<String, String>,
    elements: usize,
}

impl<'a> Files<'a> {
    pub(super) fn new(files: &'a [ConfigFile]) -> Self {
        let files = files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
        Self { files, read: BTreeSet::new(), globals: BTreeMap::new(), elements: 0 }
    }

    /// The top elements of all files, each read once: `freeswitch.xml` and all that it includes, then the others.
    pub(super) fn elements(&mut self, ledger: &mut Ledger) -> Result<Vec<Element>, ImportError> {
        let mut out = Vec::new();
        let all: Vec<&str> =
            ["vars.xml", "freeswitch.xml"].into_iter().chain(self.files.keys().copied().collect::<Vec<_>>()).collect();
        for path in all {
            if path.ends_with(".xml") && !self.read.contains(path) && self.files.contains_key(path) {
                out.extend(self.file(path, 0, ledger)?);
            }
        }
        Ok(out)
    }

    /// Values that `set` gave, by name.
    pub(super) fn globals(&self) -> &BTreeMap<String, String> {
        &self.globals
    }

    /// Files that are no XML, with their lines.
    pub(super) fn others(&self) -> impl Iterator<Item = (&'a str, usize)> {
        let files = self.files.iter().filter(|(path, _)| !self.read.contains(*path));
        files.map(|(path, text)| (*path, text.lines().filter(|line| !line.trim().is_empty()).count()))
    }

    fn file(&mut self, path: &str, depth: usize, ledger: &mut Ledger) -> Result<Vec<Element>, ImportError> {
        let Some((&path, &text)) = self.files.get_key_value(path) else { return Ok(Vec::new()) };
        self.read.insert(path);
        let file: Arc<str> = path.into();
        let mut lines = Lines { text, offset: 0, line: 1 };
        let wrong = |line: u32, what: String| ImportError::NotXml { file: path.to_owned(), line, what };
        let mut reader = Reader::from_str(text);
        reader.config_mut().allow_dangling_amp = true;
        let mut open: Vec<Element> = Vec::new();
        let mut done = Vec::new();
        loop {
            let from = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
            let line = lines.at(from);
            let event = reader.read_event().map_err(|error| wrong(line, error.to_string()))?;
            match event {
                Event::Start(start) => {
                    if open.len() >= MAX_DEPTH {
                        return Err(wrong(line, format!("elements stand in each other deeper than {MAX_DEPTH}")));
                    }
                    open.push(self.element(&start, &file, line, ledger).map_err(|what| wrong(line, what))?);
                }
                Event::Empty(start) => {
                    let element = self.element(&start, &file, line, ledger).map_err(|what| wrong(line, what))?;
                    let elements = self.preprocessed(element, path, line, depth, ledger)?;
                    open.last_mut().map_or(&mut done, |parent| &mut parent.children).extend(elements);
                }
                Event::End(_) => {
                    let Some(element) = open.pop() else { continue };
                    let elements = self.preprocessed(element, path, line, depth, ledger)?;
                    open.last_mut().map_or(&mut done, |parent| &mut parent.children).extend(elements);
                }
                Event::DocType(_) => {
                    return Err(wrong(line, "a document type is not read: it could make a small file very large".into()));
                }
                Event::GeneralRef(_) | Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if let Some(element) = open.first() {
            return Err(wrong(lines.line, format!("`<{}>` is not closed", element.name)));
        }
        Ok(done)
    }

    fn element(&mut self, start: &BytesStart<'_>, file: &Arc<str>, line: u32, ledger: &mut Ledger) -> Result<Element, String> {
        self.elements += 1;
        if self.elements > MAX_LINES {
            return Err(format!("more than {MAX_LINES} elements"));
        }
        let name = start.name().as_ref().to_owned();
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
            attributes.push((attribute.key.as_ref().to_owned(), self.filled(&value)));
        }
        let text = attributes.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect::<String>();
        let at = ledger.enter(file, line, &format!("<{name}{text}>"));
        let element = Element { name, attributes, children: Vec::new(), at, file: Arc::clone(file) };
        hide(&element, ledger);
        Ok(element)
    }

    /// `$${name}` as it was set before.
    fn filled(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(open) = rest.find("$${") {
            out.push_str(&rest[..open]);
            let inside = &rest[open + 3..];
            let Some(close) = inside.find('}') else { break };
            match self.globals.get(&inside[..close]) {
                Some(value) => out.push_str(value),
                None => out.push_str(&rest[open..open + close + 4]),
            }
            rest = &inside[close + 1..];
            if out.len() > MAX_VALUE_BYTES {
                return String::new();
            }
        }
        out.push_str(rest);
        out
    }

    /// Does what `<X-PRE-PROCESS>` says; anything else stays as it is. `<include>` around a file's text goes.
    fn preprocessed(
        &mut self,
        element: Element,
        file: &str,
        line: u32,
        depth: usize,
        ledger: &mut Ledger,
    ) -> Result<Vec<Element>, ImportError> {
        if element.name == "include" {
            ledger.left_out(element.at, "the frame of a file");
            return Ok(element.children);
        }
        if !element.name.eq_ignore_ascii_case("x-pre-process") {
            return Ok(vec![element]);
        }
        let data = element.get("data").unwrap_or_default();
        match element.get("cmd").unwrap_or_default() {
            "set" => {
                if let Some((name, value)) = data.split_once('=') {
                    if is_secret(name) {
                        ledger.hide(element.at, value.trim());
                    }
                    self.globals.insert(name.trim().to_owned(), value.trim().trim_matches('\'').to_owned());
                }
                ledger.converted(element.at, "its value stands where it is used");
            }
            "include" => {
                if data.split('/').any(|part| part == "..") {
                    return Err(ImportError::Outside { file: file.to_owned(), line, path: data.to_owned() });
                }
                if depth + 1 >= MAX_INCLUDE_DEPTH {
                    return Err(ImportError::IncludeLoop { file: file.to_owned(), line });
                }
                let folder = file.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
                let wanted = format!("{folder}{data}");
                let paths: Vec<&str> = self.files.keys().copied().filter(|path| fits(&wanted, path)).collect();
                if paths.is_empty() && !data.contains('*') {
                    ledger.not_converted(element.at, "there is no such file in the folder", "copy it there, and import again");
                } else {
                    ledger.converted(element.at, "what it includes is read in its place");
                }
                let mut elements = Vec::new();
                for path in paths {
                    elements.extend(self.file(path, depth + 1, ledger)?);
                }
                return Ok(elements);
            }
            "stun-set" | "exec-set" | "env-set" | "exec" => {
                let todo = "put the value that it has into a line `cmd=\"set\"`, and import again";
                ledger.not_converted(element.at, "a value that only the machine of FreeSWITCH knows", todo);
            }
            _ => {}
        }
        Ok(Vec::new())
    }
}

/// Whether a path fits a name with `*` in its last part.
fn fits(wanted: &str, path: &str) -> bool {
    let Some((before, after)) = wanted.split_once('*') else { return wanted == path };
    path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some_and(|between| !between.contains('/'))
}

/// Whether a value is to be shown nowhere, whatever becomes of its element.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "secret", "token", "a1-hash", "dsn", "credential", "-pin"].iter().any(|word| name.contains(word))
}

fn hide(element: &Element, ledger: &mut Ledger) {
    let is_param = element.get("name").is_some_and(is_secret);
    for (name, value) in element.attributes() {
        if is_secret(name) || (is_param && name == "value") {
            ledger.hide(element.at, value);
        }
    }
}

/// Counts lines while going forward.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: u32,
}

impl Lines<'_> {
    /// The line of the first thing that says something from `offset` on.
    fn at(&mut self, offset: usize) -> u32 {
        let bytes = self.text.as_bytes();
        let end = offset.min(bytes.len());
        while self.offset < end {
            self.line += u32::from(bytes[self.offset] == b'\n');
            self.offset += 1;
        }
        self.line
    }
}
