//! Answers about a plan, as the protocol writes them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json};
use tandem_dialplan::{Checker, CompletionKind, Diagnostic, Draft, Encoding, Lines, Location, NotRenamed, Severity};

use super::{
    documents::{Documents, Place},
    wire::{Refusal, code},
};

/// Proposals that are sent at once; with more the editor asks again as more is typed.
const MAX_PROPOSALS: usize = 500;

/// A place that is asked about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct At {
    pub(super) text_document: DocumentName,
    pub(super) position: Place,
}

#[derive(Deserialize)]
pub(super) struct DocumentName {
    pub(super) uri: String,
}

/// A plan as the editor sees it.
pub(super) struct Shown<'a> {
    pub(super) draft: &'a Draft,
    /// Why files of the plan that are not open are missing, if so.
    pub(super) unread: Option<&'a str>,
    pub(super) documents: &'a Documents,
    pub(super) encoding: Encoding,
}

impl Shown<'_> {
    pub(super) fn location(&self, path: &Path, place: Place) -> Option<Location> {
        let name = path.to_string_lossy();
        let index = self.draft.sources().iter().position(|source| source.path == name)?;
        let offset = Lines::new(&self.draft.sources()[index].text, self.encoding).offset(place.into());
        Some(Location { file: u16::try_from(index).ok()?, offset: u32::try_from(offset).ok()?, length: 0 })
    }

    fn text(&self, at: Location) -> &str {
        self.draft.sources().get(usize::from(at.file)).map_or("", |source| &source.text)
    }

    fn range(&self, at: Location) -> Value {
        range(&Lines::new(self.text(at), self.encoding), at.offset, at.length)
    }

    fn uri(&self, file: &str) -> String {
        self.documents.uri(Path::new(file))
    }

    /// Where something stands, as a link.
    fn link(&self, at: Location) -> Value {
        let file = self.draft.sources().get(usize::from(at.file)).map_or("", |source| &source.path);
        json!({ "uri": self.uri(file), "range": self.range(at) })
    }

    pub(super) fn completions(&self, at: Location) -> Value {
        let mut all = self.draft.complete(at);
        let written = |replace: Location| {
            self.text(replace).get(replace.offset as usize..(replace.offset + replace.length) as usize).unwrap_or_default()
        };
        let many = all.len() > MAX_PROPOSALS;
        if many {
            let typed = all.first().map_or("", |first| written(first.replace)).trim_matches('"').to_lowercase();
            all.retain(|each| each.label.to_lowercase().contains(&typed));
            all.truncate(MAX_PROPOSALS);
        }
        let items = all.into_iter().map(|each| {
            // The numbers are those of the protocol's `CompletionItemKind`.
            let kind = match each.kind {
                CompletionKind::Node => 14,
                CompletionKind::Property => 10,
                CompletionKind::Word => 20,
                CompletionKind::Name => 18,
            };
            // Editors hold what is proposed against the whole text that it replaces, its quote included.
            let filter = if written(each.replace).starts_with('"') { &each.insert } else { &each.label };
            json!({
                "label": each.label,
                "kind": kind,
                "detail": each.detail,
                "documentation": { "kind": "markdown", "value": each.documentation },
                "filterText": filter,
                "textEdit": { "range": self.range(each.replace), "newText": each.insert },
            })
        });
        json!({ "isIncomplete": many, "items": items.collect::<Vec<_>>() })
    }

    pub(super) fn hover(&self, at: Location) -> Value {
        self.draft.hover(at).map_or(
            Value::Null,
            |hover| json!({ "contents": { "kind": "markdown", "value": hover.markdown }, "range": self.range(hover.at) }),
        )
    }

    pub(super) fn definition(&self, at: Location) -> Value {
        self.draft.definition(at).map_or(Value::Null, |at| self.link(at))
    }

    pub(super) fn references(&self, at: Location, with_declaration: bool) -> Value {
        self.draft.references(at, with_declaration).into_iter().map(|at| self.link(at)).collect()
    }

    pub(super) fn renamable(&self, at: Location) -> Result<Value, Refusal> {
        self.whole()?;
        let (at, name) = self.draft.renamable(at).map_err(refused)?;
        Ok(json!({ "range": self.range(at), "placeholder": name }))
    }

    pub(super) fn rename(&self, at: Location, new: &str) -> Result<Value, Refusal> {
        self.whole()?;
        let (insert, places) = self.draft.rename(at, new).map_err(refused)?;
        let mut changes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for at in places {
            let file = self.draft.sources().get(usize::from(at.file)).map_or("", |source| &source.path);
            changes.entry(self.uri(file)).or_default().push(json!({ "range": self.range(at), "newText": insert }));
        }
        Ok(json!({ "changes": changes }))
    }

    /// Who renames must see every file.
    fn whole(&self) -> Result<(), Refusal> {
        match self.unread {
            None => Ok(()),
            Some(why) => Err(Refusal::new(code::REQUEST_FAILED, format!("files of the plan could not be looked into: {why}"))),
        }
    }

    /// The findings of each file of the plan. What keeps the folder from being read is told in the files that
    /// are open.
    pub(super) fn findings(&self, folder: &Path, checker: &mut Checker) -> BTreeMap<PathBuf, Vec<Value>> {
        let mut all: BTreeMap<PathBuf, Vec<Value>> = BTreeMap::new();
        if let Some(error) = self.unread {
            for (path, _) in self.documents.within(folder) {
                let start = json!({ "line": 0, "character": 0 });
                let found = json!({
                    "range": { "start": start, "end": start },
                    "severity": 1,
                    "code": "unreadable",
                    "source": "tandem",
                    "message": error,
                });
                all.entry(path.clone()).or_default().push(found);
            }
        }
        if self.draft.sources().is_empty() {
            return all;
        }
        let report = self.draft.report_again(checker);
        for source in self.draft.sources() {
            let lines = Lines::new(&source.text, self.encoding);
            let found = report.diagnostics.iter().filter(|diagnostic| diagnostic.file == source.path);
            let found = found.map(|diagnostic| self.finding(diagnostic, &lines));
            all.entry(PathBuf::from(&source.path)).or_default().extend(found);
        }
        all
    }

    fn finding(&self, diagnostic: &Diagnostic, lines: &Lines<'_>) -> Value {
        let severity = match diagnostic.severity {
            // A secret of the server is seldom there where the plan is written.
            Severity::Error if diagnostic.code == "missing-secret" => 2,
            Severity::Error => 1,
            Severity::Warning => 2,
            Severity::Advice => 3,
        };
        let message = match &diagnostic.suggestion {
            Some(suggestion) => format!("{}\n{suggestion}", diagnostic.message),
            None => diagnostic.message.clone(),
        };
        let mut found = json!({
            "range": range(lines, diagnostic.offset, diagnostic.length),
            "severity": severity,
            "code": diagnostic.code,
            "source": "tandem",
            "message": message,
        });
        if let Some(related) = &diagnostic.related {
            let source = self.draft.sources().iter().find(|source| source.path == related.file);
            let lines = Lines::new(source.map_or("", |source| &source.text), self.encoding);
            let link = json!({ "uri": self.uri(&related.file), "range": range(&lines, related.offset, related.length) });
            found["relatedInformation"] = json!([{ "location": link, "message": related.message }]);
        }
        found
    }
}

fn range(lines: &Lines<'_>, offset: u32, length: u32) -> Value {
    let place = |at: u32| {
        let position = lines.position(at as usize);
        json!({ "line": position.line, "character": position.character })
    };
    json!({ "start": place(offset), "end": place(offset.saturating_add(length)) })
}

fn refused(why: NotRenamed) -> Refusal {
    Refusal::new(code::REQUEST_FAILED, why.to_string())
}
