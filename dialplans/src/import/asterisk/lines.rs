//! The text of Asterisk's files: sections of `key = value`, comments, templates and includes.

use std::{collections::BTreeMap, sync::Arc};

use super::super::{
    ledger::{Ledger, UnitId},
    limits::{ConfigFile, ImportError, MAX_INCLUDE_DEPTH, MAX_LINES},
};

/// One `key = value`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) at: UnitId,
}

/// One `[section]`, with what its templates give it before its own.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) at: UnitId,
    pub(super) entries: Vec<Entry>,
    template: bool,
}

impl Section {
    /// The last value of a key: what comes later counts.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.entries.iter().rev().find(|entry| entry.key.eq_ignore_ascii_case(key)).map(|entry| entry.value.as_str())
    }
}

/// The files of the configuration, and what was read of them.
pub(super) struct Reader<'a> {
    files: BTreeMap<&'a str, &'a str>,
    read: BTreeMap<&'a str, bool>,
    lines: usize,
}

/// A file in the middle of being read.
struct Reading {
    sections: Vec<Section>,
    /// Inside of `;-- … --;`.
    in_comment: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(files: &'a [ConfigFile]) -> Self {
        let files = files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
        Self { files, read: BTreeMap::new(), lines: 0 }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Files that no other file included, with the number of their lines that say something.
    pub(super) fn unread(&self) -> impl Iterator<Item = (&'a str, usize)> {
        let says = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with(';');
        let files = self.files.iter().filter(|(path, _)| !self.read.contains_key(*path));
        files.map(move |(path, text)| (*path, text.lines().filter(says).count()))
    }

    /// The sections of a file and all that it includes; none when there is no such file.
    pub(super) fn sections(&mut self, path: &str, ledger: &mut Ledger) -> Result<Vec<Section>, ImportError> {
        let mut reading = Reading { sections: Vec::new(), in_comment: false };
        if self.has(path) {
            self.file(path, 0, &mut reading, ledger)?;
        }
        // Templates are done; what stands in those that nobody used says nothing.
        let (templates, sections): (Vec<_>, Vec<_>) = reading.sections.into_iter().partition(|section| section.template);
        for template in &templates {
            let used =
                sections.iter().flat_map(|section| &section.entries).any(|e| template.entries.iter().any(|t| t.at == e.at));
            for at in template.entries.iter().map(|entry| entry.at).chain([template.at]) {
                match used {
                    true if at == template.at => ledger.converted(at, "a template; its lines count where it is used"),
                    true => {}
                    false => ledger.left_out(at, "a template that nothing uses"),
                }
            }
        }
        Ok(sections)
    }

    fn file(&mut self, path: &str, depth: usize, reading: &mut Reading, ledger: &mut Ledger) -> Result<(), ImportError> {
        let Some((&path, &text)) = self.files.get_key_value(path) else { return Ok(()) };
        self.read.insert(path, true);
        let name: Arc<str> = path.into();
        for (line, number) in text.lines().zip(1_u32..) {
            self.lines += 1;
            if self.lines > MAX_LINES {
                return Err(ImportError::TooMuch { what: format!("{path}:{number}: too many lines"), most: MAX_LINES });
            }
            let line = uncommented(line, &mut reading.in_comment);
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let at = ledger.enter(&name, number, line);
            if let Some(directive) = line.strip_prefix('#') {
                let outcome = self.directive(path, number, directive, depth, reading, ledger);
                match outcome? {
                    None => ledger.converted(at, "what it includes is read in its place"),
                    Some((why, todo)) => ledger.not_converted(at, why, todo),
                }
            } else if let Some(header) = line.strip_prefix('[') {
                head(header, at, reading, ledger);
            } else {
                entry(line, at, reading, ledger);
            }
        }
        Ok(())
    }

    /// `#include` and its like; why not, when nothing was read.
    fn directive(
        &mut self,
        file: &str,
        line: u32,
        text: &str,
        depth: usize,
        reading: &mut Reading,
        ledger: &mut Ledger,
    ) -> Result<Option<(String, String)>, ImportError> {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let optional = word.eq_ignore_ascii_case("tryinclude");
        if !optional && !word.eq_ignore_ascii_case("include") {
            let todo = "run the program and put what it prints in the place of this line".to_owned();
            return Ok(Some((format!("`#{word}` runs a program"), todo)));
        }
        let wanted = rest.trim().trim_matches(|c| matches!(c, '"' | '<' | '>' | '\''));
        if wanted.split('/').any(|part| part == "..") {
            return Err(ImportError::Outside { file: file.to_owned(), line, path: wanted.to_owned() });
        }
        if depth + 1 >= MAX_INCLUDE_DEPTH {
            return Err(ImportError::IncludeLoop { file: file.to_owned(), line });
        }
        let wanted = wanted.strip_prefix("/etc/asterisk/").unwrap_or(wanted).trim_start_matches("./");
        let found: Vec<&str> = self.files.keys().copied().filter(|path| fits(wanted, path)).collect();
        if found.is_empty() && !optional {
            let todo = "copy that file into the folder, and import again".to_owned();
            return Ok(Some(("there is no such file in the folder".to_owned(), todo)));
        }
        for path in found {
            self.file(path, depth + 1, reading, ledger)?;
        }
        Ok(None)
    }
}

/// Whether a path fits a name with `*` in its last part.
fn fits(wanted: &str, path: &str) -> bool {
    let Some((before, after)) = wanted.split_once('*') else { return wanted == path };
    path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some_and(|between| !between.contains('/'))
}

/// The line without its comment.
fn uncommented(line: &str, in_comment: &mut bool) -> String {
    let mut out = String::new();
    let mut rest = line;
    loop {
        if *in_comment {
            let Some(end) = rest.find("--;") else { return out };
            *in_comment = false;
            rest = &rest[end + 3..];
        }
        let Some(at) = rest.find(';') else {
            out.push_str(rest);
            return out;
        };
        if rest[..at].ends_with('\\') {
            out.push_str(&rest[..at - 1]);
            out.push(';');
            rest = &rest[at + 1..];
        } else if rest[at..].starts_with(";--") && !rest[at..].starts_with(";---") {
            out.push_str(&rest[..at]);
            *in_comment = true;
            rest = &rest[at + 3..];
        } else {
            out.push_str(&rest[..at]);
            return out;
        }
    }
}

/// `[name]`, `[name](!)`, `[name](template,other)`, `[name](+)`.
fn head(header: &str, at: UnitId, reading: &mut Reading, ledger: &mut Ledger) {
    let Some((name, rest)) = header.split_once(']') else {
        return ledger.not_converted(at, "a section without its `]`", "close it");
    };
    let options = rest.trim().trim_start_matches('(').trim_end_matches(')');
    let mut section = Section { name: name.trim().to_owned(), at, entries: Vec::new(), template: false };
    for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        match option {
            "!" => section.template = true,
            "+" => {
                // More of an earlier section of the name: what reads them takes sections of one name together.
                section.template = reading.sections.iter().any(|known| known.name == section.name && known.template);
            }
            parent => match reading.sections.iter().rev().find(|known| known.name == parent) {
                Some(known) => section.entries.extend(known.entries.iter().cloned()),
                None => ledger.not_converted(at, format!("there is no template `{parent}` before it"), "declare it above"),
            },
        }
    }
    reading.sections.push(section);
}

/// `key = value`, `key => value`.
fn entry(line: &str, at: UnitId, reading: &mut Reading, ledger: &mut Ledger) {
    let Some((key, value)) = line.split_once('=') else {
        return ledger.not_converted(
            at,
            "neither a section nor `key = value`",
            "Asterisk does not read it either: see what was meant",
        );
    };
    let value = value.strip_prefix('>').unwrap_or(value).trim().to_owned();
    let key = key.trim().to_owned();
    if is_secret(&key) {
        ledger.hide(at, &value);
    }
    match reading.sections.last_mut() {
        Some(section) => section.entries.push(Entry { key, value, at }),
        None => ledger.not_converted(at, "a line before the first section", "put it into a section"),
    }
}

/// Whether a value is to be shown nowhere, whatever becomes of its line.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["pass", "secret", "cred", "token", "pin"].iter().any(|word| key.contains(word)) && !key.contains("ping")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_end_lines_unless_they_are_escaped() {
        let mut inside = false;
        let mut read = |line: &str| uncommented(line, &mut inside);
        assert_eq!(read("a = b ; c"), "a = b ");
        assert_eq!(read(r"a = b\;c ; d"), "a = b;c ");
        assert_eq!(read("a ;-- b"), "a ");
        assert_eq!(read("hidden = 1"), "");
        assert_eq!(read("c --; d = 2"), " d = 2");
        assert_eq!(read("x ;---- y"), "x ");
    }

    #[test]
    fn a_star_stays_in_its_folder() {
        assert!(fits("conf.d/*.conf", "conf.d/a.conf") && !fits("conf.d/*.conf", "conf.d/x/a.conf"));
        assert!(fits("a.conf", "a.conf") && !fits("a.conf", "b.conf"));
    }
}
