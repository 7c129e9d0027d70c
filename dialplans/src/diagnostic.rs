//! What `check` has to say about a plan: where, what, and what was probably meant.

use std::{fmt, sync::Arc};

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};
use serde::Serialize;

pub(crate) use crate::nearest::did_you_mean;
use crate::{
    rules,
    source::{Location, Source},
};

/// Diagnostics that are kept of one check; what comes after is only counted.
pub const MAX_DIAGNOSTICS: usize = 200;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Works, but could be better.
    Advice,
    /// Works, but hardly as meant.
    Warning,
    /// The plan is not taken.
    Error,
}

impl Severity {
    /// As it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that is wrong or odd, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable word for the kind of finding (`unknown-name`).
    pub code: &'static str,
    /// A sentence for a person.
    pub message: String,
    /// The file, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// First byte in the file.
    pub offset: u32,
    /// Bytes that are meant.
    pub length: u32,
    /// What to write instead, when that can be told.
    pub suggestion: Option<String>,
    /// Another place that has to do with it: the first of two declarations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related: Option<Related>,
}

/// A second place of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// The file, as it was given.
    pub file: String,
    /// First byte in the file.
    pub offset: u32,
    /// Bytes that are meant.
    pub length: u32,
    /// What stands there, in a few words.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = self.severity.word();
        write!(f, "{}:{}:{}: {severity}[{}]: {}", self.file, self.line, self.column, self.code, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, " ({suggestion})"),
            None => Ok(()),
        }
    }
}

/// All findings about one plan, with the text that they are about.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Report {
    /// In order of file and place, at most [`MAX_DIAGNOSTICS`].
    pub diagnostics: Vec<Diagnostic>,
    #[serde(skip)]
    sources: Vec<Source>,
}

impl Report {
    /// Whether the plan cannot be taken.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    /// Findings of one severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == severity).count()
    }

    /// One line a finding: `file:line:column: error[code]: message (suggestion)`.
    #[must_use]
    pub fn lines(&self) -> String {
        self.diagnostics.iter().map(|d| format!("{d}\n")).collect()
    }

    /// Every finding drawn into its text, for a terminal.
    #[must_use]
    pub fn drawn(&self, color: bool) -> String {
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_links(false);
        let mut out = String::new();
        for diagnostic in &self.diagnostics {
            let source = self.sources.iter().find(|s| s.path == diagnostic.file);
            let drawing = Drawing { diagnostic, source: source.map(|s| NamedSource::new(&s.path, s.text.to_string())) };
            if handler.render_report(&mut out, &drawing).is_err() {
                out.push_str(&diagnostic.to_string());
            }
            out.push('\n');
        }
        out
    }
}

/// A finding beside its source, as miette wants it.
#[derive(Debug)]
struct Drawing<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<NamedSource<String>>,
}

impl fmt::Display for Drawing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Drawing<'_> {}

impl miette::Diagnostic for Drawing<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Advice => miette::Severity::Advice,
            Severity::Warning => miette::Severity::Warning,
            Severity::Error => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.suggestion.as_ref().map(|s| Box::new(s) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|s| s as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = (self.diagnostic.offset as usize, self.diagnostic.length as usize);
        Some(Box::new(std::iter::once(LabeledSpan::new_with_span(None, span))))
    }
}

/// Gathers findings while a plan is read and checked.
#[derive(Debug)]
pub(crate) struct Findings {
    sources: Vec<Source>,
    /// Where each line of each source begins.
    lines: Vec<Arc<[usize]>>,
    found: Vec<(Location, Diagnostic)>,
    left_out: usize,
    /// What was found last is among them.
    kept_last: bool,
}

impl Findings {
    pub(crate) fn new(sources: &[Source]) -> Self {
        Self::again(sources, &[], &[])
    }

    /// The same, with the lines of an earlier reading for files that are as they were.
    pub(crate) fn again(sources: &[Source], before: &[Source], lines: &[Arc<[usize]>]) -> Self {
        let begins = |(at, source): (usize, &Source)| match (before.get(at), lines.get(at)) {
            (Some(before), Some(lines)) if before.text == source.text => Arc::clone(lines),
            _ => std::iter::once(0).chain(source.text.match_indices('\n').map(|(at, _)| at + 1)).collect(),
        };
        Self {
            sources: sources.to_vec(),
            lines: sources.iter().enumerate().map(begins).collect(),
            found: Vec::new(),
            left_out: 0,
            kept_last: false,
        }
    }

    /// Where each line of each source begins.
    pub(crate) fn lines(&self) -> &[Arc<[usize]>] {
        &self.lines
    }

    /// Whether no more findings are kept, so that looking for more is of no use.
    pub(crate) const fn is_full(&self) -> bool {
        self.left_out > 0
    }

    /// How many there are, those that are only counted too.
    pub(crate) const fn count(&self) -> usize {
        self.found.len() + self.left_out
    }

    pub(crate) fn error(&mut self, code: &'static str, at: Location, message: impl Into<String>) {
        self.add(Severity::Error, code, at, message.into(), None);
    }

    pub(crate) fn error_with(
        &mut self,
        code: &'static str,
        at: Location,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.add(Severity::Error, code, at, message.into(), suggestion);
    }

    pub(crate) fn warning(&mut self, code: &'static str, at: Location, message: impl Into<String>) {
        self.add(Severity::Warning, code, at, message.into(), None);
    }

    pub(crate) fn warning_with(
        &mut self,
        code: &'static str,
        at: Location,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.add(Severity::Warning, code, at, message.into(), suggestion);
    }

    pub(crate) fn advice(&mut self, code: &'static str, at: Location, message: impl Into<String>) {
        self.add(Severity::Advice, code, at, message.into(), None);
    }

    /// Adds a second place to what was found last.
    pub(crate) fn relate(&mut self, at: Location, message: impl Into<String>) {
        // What is only counted has no places.
        let Some(source) = self.sources.get(usize::from(at.file)).filter(|_| self.kept_last) else { return };
        let related = Related { file: source.path.clone(), offset: at.offset, length: at.length, message: message.into() };
        if let Some((_, last)) = self.found.last_mut() {
            last.related = Some(related);
        }
    }

    /// What was found so far.
    pub(crate) fn found(&self) -> &[(Location, Diagnostic)] {
        &self.found
    }

    /// Takes over what was found of an earlier text and is still so.
    pub(crate) fn extend(&mut self, found: &[(Location, Diagnostic)]) {
        self.found.extend_from_slice(found);
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(|(_, d)| d.severity == Severity::Error)
    }

    /// `file:line` of a place, for sentences.
    pub(crate) fn place(&self, at: Location) -> String {
        let (file, line, _) = self.line_column(at);
        if file.is_empty() { "built-in".into() } else { format!("{file}:{line}") }
    }

    /// File, line and column, both from 1, columns counting characters; the file is empty for what has
    /// no text.
    pub(crate) fn line_column(&self, at: Location) -> (&str, u32, u32) {
        let index = usize::from(at.file);
        let (Some(source), Some(lines)) = (self.sources.get(index), self.lines.get(index)) else { return ("", 1, 1) };
        let mut end = source.text.len().min(at.offset as usize);
        while !source.text.is_char_boundary(end) {
            end -= 1;
        }
        let line = lines.partition_point(|begin| *begin <= end).max(1);
        let column = source.text[lines[line - 1]..end].chars().count() + 1;
        (&source.path, u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }

    /// Blots out a secret that stands in the text, so that no drawing of the text shows it.
    pub(crate) fn blot_out(&mut self, at: Location) {
        let Some(source) = self.sources.get_mut(usize::from(at.file)) else { return };
        let (from, to) = (at.offset as usize, (at.offset + at.length) as usize);
        if let (Some(before), Some(hidden), Some(after)) =
            (source.text.get(..from), source.text.get(from..to), source.text.get(to..))
        {
            // As many bytes as before, so that every other place stays where it is.
            let blots: String = hidden.bytes().map(|b| if b == b'\n' { '\n' } else { '*' }).collect();
            source.text = format!("{before}{blots}{after}").into();
        }
    }

    fn add(&mut self, severity: Severity, code: &'static str, at: Location, message: String, suggestion: Option<String>) {
        debug_assert!(
            rules::find(code).is_some_and(|rule| rule.severities.contains(&severity)),
            "the table of rules has no {severity:?} `{code}`"
        );
        self.kept_last = true;
        if self.found.len() >= MAX_DIAGNOSTICS {
            self.left_out += 1;
            // An error is told instead of something that is none; whether there is any error is never lost.
            let mild = self.found.iter().rposition(|(_, known)| known.severity != Severity::Error);
            match mild.filter(|_| severity == Severity::Error) {
                Some(mild) => drop(self.found.remove(mild)),
                None => {
                    self.kept_last = false;
                    return;
                }
            }
        }
        let (file, line, column) = self.line_column(at);
        let file = file.to_owned();
        let diagnostic = Diagnostic {
            severity,
            code,
            message,
            file,
            line,
            column,
            offset: at.offset,
            length: at.length,
            suggestion,
            related: None,
        };
        self.found.push((at, diagnostic));
    }

    pub(crate) fn into_report(mut self) -> Report {
        let severity = if self.has_errors() { Severity::Error } else { Severity::Advice };
        self.found.sort_by_key(|(at, _)| *at);
        let mut diagnostics: Vec<_> = self.found.into_iter().map(|(_, diagnostic)| diagnostic).collect();
        diagnostics.dedup();
        if self.left_out > 0
            && let Some(last) = diagnostics.last().cloned()
        {
            let message = format!("{} more findings are not shown", self.left_out);
            diagnostics.push(Diagnostic { severity, code: "too-many", message, suggestion: None, related: None, ..last });
        }
        Report { diagnostics, sources: self.sources }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_begin_at_one() {
        let findings = Findings::new(&[Source::new("a.kdl", "è {\n  ò x\n}")]);
        let at = |offset| findings.line_column(Location { file: 0, offset, length: 1 });
        assert_eq!(at(0), ("a.kdl", 1, 1));
        assert_eq!(at(10), ("a.kdl", 2, 5));
        assert_eq!(at(9_999), ("a.kdl", 3, 2));
        assert_eq!(findings.place(Location { file: u16::MAX, ..Location::default() }), "built-in");
    }

    #[test]
    fn a_blotted_secret_is_in_no_drawing() {
        let source = Source::new("t.kdl", "credentials secret=\"hunter2\"\n");
        let mut findings = Findings::new(&[source]);
        let at = Location { file: 0, offset: 19, length: 9 };
        findings.error("inline-secret", at, "a secret stands in the plan");
        findings.blot_out(at);
        let drawn = findings.into_report().drawn(false);
        assert!(drawn.contains("credentials secret=*********") && !drawn.contains("hunter2"), "{drawn}");
    }
}
