//! The texts that editors have open, and the plans that they belong to.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use reqwest::Url;
use serde::Deserialize;
use tandem_dialplan::{Draft, Encoding, Lines, MAX_FILES, Position, Source, read_sources_with, with_imports};

use crate::serve::{control::chain, plans::surroundings};

/// Most text that is kept open, in bytes over all documents.
const MAX_OPEN_BYTES: usize = 32 << 20;

/// Folders above a file that are looked into for a plan that imports it.
const MAX_ABOVE: usize = 4;

/// Why the files of a folder could not be read, if so.
pub(super) type Unread = Option<String>;

/// A text that is open in the editor: it counts instead of the file's.
#[derive(Debug)]
pub(super) struct Document {
    /// As the editor calls it.
    pub(super) uri: String,
    pub(super) version: i64,
    /// The folder of the plan that it belongs to.
    pub(super) home: PathBuf,
    text: String,
}

/// One change of a text: of a range, or of the whole.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    range: Option<Range>,
    text: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Range {
    start: Place,
    end: Place,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Place {
    line: u32,
    character: u32,
}

impl From<Place> for Position {
    fn from(place: Place) -> Self {
        Self { line: place.line, character: place.character }
    }
}

/// All open documents, by the path of their files.
#[derive(Debug, Default)]
pub(super) struct Documents {
    open: BTreeMap<PathBuf, Document>,
}

impl Documents {
    pub(super) fn get(&self, path: &Path) -> Option<&Document> {
        self.open.get(path)
    }

    /// Keeps a text. The error says why not.
    pub(super) fn open(&mut self, path: PathBuf, uri: String, version: i64, text: String) -> Result<(), String> {
        if self.open.len() >= MAX_FILES && !self.open.contains_key(&path) {
            return Err(format!("more than {MAX_FILES} plan files are open: this one is not looked at"));
        }
        self.open.insert(path.clone(), Document { uri, version, home: path.parent().unwrap_or(&path).to_owned(), text });
        self.bounded(&path)
    }

    pub(super) fn change(&mut self, path: &Path, version: i64, changes: Vec<Change>, encoding: Encoding) -> Result<(), String> {
        for change in changes {
            let Some(document) = self.open.get_mut(path) else { return Ok(()) };
            match change.range {
                None => document.text = change.text,
                Some(range) => {
                    let lines = Lines::new(&document.text, encoding);
                    let start = lines.offset(range.start.into());
                    let end = lines.offset(range.end.into()).max(start);
                    document.text.replace_range(start..end, &change.text);
                }
            }
            self.bounded(path)?;
        }
        if let Some(document) = self.open.get_mut(path) {
            document.version = version;
        }
        Ok(())
    }

    pub(super) fn close(&mut self, path: &Path) {
        self.open.remove(path);
    }

    /// Lets go of a text that makes all of them too much.
    fn bounded(&mut self, path: &Path) -> Result<(), String> {
        let bytes: usize = self.open.values().map(|document| document.text.len()).sum();
        if bytes <= MAX_OPEN_BYTES {
            return Ok(());
        }
        self.open.remove(path);
        Err(format!(
            "more than {} MiB of plan files are open: this one is not looked at until it is opened anew",
            MAX_OPEN_BYTES >> 20
        ))
    }

    /// Those of the plan in one folder.
    pub(super) fn within<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = (&'a PathBuf, &'a Document)> {
        self.open.iter().filter(move |(_, document)| document.home == folder)
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.open.values().map(|document| document.home.as_path())
    }

    /// The folder of the plan that a file belongs to: a folder above it whose plan imports it, else its own.
    pub(super) fn home(&self, path: &Path) -> PathBuf {
        let own = path.parent().unwrap_or(path);
        let above = own.ancestors().skip(1).take(MAX_ABOVE);
        let imports = |folder: &&Path| {
            let sources = read_sources_with(folder, |path| self.text(path));
            sources.is_ok_and(|sources| sources.iter().any(|source| Path::new(&source.path) == path))
        };
        above.filter(|folder| folder.parent().is_some()).find(imports).unwrap_or(own).to_owned()
    }

    /// Finds out anew which plan an open file belongs to.
    pub(super) fn settle(&mut self, path: &Path) -> PathBuf {
        let home = self.home(path);
        if let Some(document) = self.open.get_mut(path) {
            document.home.clone_from(&home);
        }
        home
    }

    fn text(&self, path: &Path) -> Option<String> {
        self.open.get(path).map(|document| document.text.clone())
    }

    /// The plan of a folder, with the texts that are open in it. Where the folder cannot be read, the open
    /// texts are a plan all the same.
    pub(super) fn draft(&self, folder: &Path) -> (Draft, Unread) {
        let (mut sources, error) = match read_sources_with(folder, |path| self.text(path)) {
            Ok(sources) => (sources, None),
            Err(error) => (Vec::new(), Some(chain(&error))),
        };
        for (path, document) in self.within(folder) {
            let name = path.to_string_lossy();
            if !name.ends_with(".kdl") && !name.ends_with(".ics") {
                continue;
            }
            // One that is not on disk yet has its place by its name, as it will have.
            if !sources.iter().any(|source| source.path == name) {
                let place = sources.iter().position(|source| source.path.as_str() > &*name).unwrap_or(sources.len());
                sources.insert(place, Source::new(name, document.text.as_str()));
            }
        }
        let sources = with_imports(sources, |_| Ok::<_, std::convert::Infallible>(None)).unwrap_or_else(|never| match never {});
        let (world, _) = surroundings(folder, &sources);
        (Draft::new(sources, world), error)
    }

    /// What the editor calls a file.
    pub(super) fn uri(&self, path: &Path) -> String {
        match self.open.get(path) {
            Some(document) => document.uri.clone(),
            None => Url::from_file_path(path).map_or_else(|()| path.to_string_lossy().into_owned(), String::from),
        }
    }
}

/// The path of a `file:` URI; plans are files.
pub(super) fn path_of(uri: &str) -> Option<PathBuf> {
    Url::parse(uri).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(from: (u32, u32), to: (u32, u32), text: &str) -> Change {
        let place = |(line, character)| Place { line, character };
        Change { range: Some(Range { start: place(from), end: place(to) }), text: text.into() }
    }

    fn opened(text: &str) -> (Documents, PathBuf) {
        let (mut documents, path) = (Documents::default(), PathBuf::from("/plan/a.kdl"));
        documents.open(path.clone(), "file:///plan/a.kdl".into(), 1, text.into()).unwrap();
        (documents, path)
    }

    #[test]
    fn a_file_that_a_plan_above_imports_belongs_to_that_plan() {
        let folder = std::env::temp_dir().join(format!("tandem-lsp-{}", std::process::id()));
        let (main, shared) = (folder.join("main.kdl"), folder.join("shared/hours.kdl"));
        std::fs::create_dir_all(folder.join("shared")).unwrap();
        std::fs::write(&main, "").unwrap();
        std::fs::write(&shared, "").unwrap();
        let mut documents = Documents::default();
        documents.open(shared.clone(), String::new(), 1, "schedule \"office\"".into()).unwrap();
        assert_eq!(documents.settle(&shared), folder.join("shared"));
        let text = "import \"shared/hours.kdl\"\nroute \"r\" { from any; unless-open \"office\" { hangup; }; hangup; }\n";
        documents.open(main.clone(), String::new(), 1, text.into()).unwrap();
        assert_eq!((documents.settle(&shared), documents.settle(&main)), (folder.clone(), folder.clone()));
        // The import is typed and not saved; both texts are one plan.
        let (draft, unread) = documents.draft(&folder);
        assert_eq!(unread, None);
        let names: Vec<_> = draft.sources().iter().map(|source| source.path.clone()).collect();
        assert_eq!(names, [shared.to_string_lossy(), main.to_string_lossy()]);
        assert!(!draft.report().lines().contains("unknown-name"), "{}", draft.report().lines());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn changes_follow_one_another() {
        let (mut documents, path) = opened("a \"\u{1f4de}x\"\nb");
        let changes = vec![change((0, 5), (0, 6), "yz"), change((1, 0), (9, 9), "c\n"), change((2, 4), (0, 0), "d")];
        documents.change(&path, 2, changes, Encoding::Utf16).unwrap();
        let document = documents.get(&path).unwrap();
        assert_eq!((document.text.as_str(), document.version), ("a \"\u{1f4de}yz\"\nc\nd", 2));
        let whole = Change { range: None, text: "e".into() };
        documents.change(&path, 3, vec![whole], Encoding::Utf16).unwrap();
        assert_eq!(documents.get(&path).unwrap().text, "e");
    }

    #[test]
    fn open_texts_are_bounded() {
        let (mut documents, path) = opened("a");
        let much = Change { range: None, text: "x".repeat(MAX_OPEN_BYTES + 1) };
        let error = documents.change(&path, 2, vec![much], Encoding::Utf16).unwrap_err();
        assert!(error.contains("32 MiB") && documents.get(&path).is_none(), "{error}");
        for n in 0..MAX_FILES {
            documents.open(format!("/plan/{n}.kdl").into(), String::new(), 1, String::new()).unwrap();
        }
        assert!(documents.open(path, String::new(), 1, String::new()).is_err());
    }

    #[test]
    fn only_files_are_plans() {
        assert_eq!(path_of("file:///a%20b/c.kdl"), Some("/a b/c.kdl".into()));
        assert_eq!(path_of("untitled:Untitled-1"), None);
        assert_eq!(path_of("no uri"), None);
    }
}
