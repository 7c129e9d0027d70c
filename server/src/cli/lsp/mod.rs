//! `tandem lsp`: what editors ask about plans, over stdin and stdout (Language Server Protocol 3.17).
//!
//! All that is known of plans is in `tandem_dialplan`; here its answers become messages. The protocol is spoken with
//! `serde_json` alone: what is used of it is a dozen messages, and the crates for it read messages of any size.

mod answers;
mod documents;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::{Receiver, TryRecvError, sync_channel},
};

use clap::Args;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tandem_dialplan::{Draft, Encoding};

use self::{
    answers::{At, Shown},
    documents::{Change, Documents, Unread, path_of},
    wire::{Incoming, Refusal, code},
};
use super::CliError;

/// Messages that wait while one is worked on; then the editor waits.
const WAITING: usize = 64;
/// Folders of the workspace that are looked at.
const MAX_ROOTS: usize = 16;

#[derive(Debug, Args)]
pub(super) struct LspArgs {
    /// Speak over stdin and stdout, as is done anyway: some editors add it.
    #[arg(long)]
    stdio: bool,
}

/// Serves one editor until it says `exit` or is gone.
pub(super) fn run(_: &LspArgs) -> Result<ExitCode, CliError> {
    let (incoming_tx, incoming) = sync_channel(WAITING);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let message = wire::read(&mut input);
            let last = matches!(message, Incoming::Broken(_) | Incoming::End);
            if incoming_tx.send(message).is_err() || last {
                return;
            }
        }
    });
    Server::new(io::stdout().lock()).serve(&incoming)
}

/// How far the editor is (LSP 3.17, "Lifecycle Messages").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    Running,
    ShutDown,
}

/// What the editor can do and has told.
#[derive(Clone, Copy, Debug)]
struct Editor {
    encoding: Encoding,
    registers_watches: bool,
}

struct Server<W> {
    output: W,
    stage: Stage,
    editor: Editor,
    /// Folders of the workspace.
    roots: Vec<PathBuf>,
    documents: Documents,
    /// Plans as they stand, by folder; made anew when something changed.
    drafts: BTreeMap<PathBuf, (Draft, Unread)>,
    /// Folders whose findings are to be told anew.
    stale: BTreeSet<PathBuf>,
    /// The files that findings were told of, by folder.
    told: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

impl<W: Write> Server<W> {
    fn new(output: W) -> Self {
        Self {
            output,
            stage: Stage::Fresh,
            editor: Editor { encoding: Encoding::Utf16, registers_watches: false },
            roots: Vec::new(),
            documents: Documents::default(),
            drafts: BTreeMap::new(),
            stale: BTreeSet::new(),
            told: BTreeMap::new(),
        }
    }

    /// The exit code is 0 only for who shuts down before the exit.
    fn serve(mut self, incoming: &Receiver<Incoming>) -> Result<ExitCode, CliError> {
        loop {
            // Plans are checked when nothing waits: not at each of many letters.
            let next = match incoming.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.tell_findings().map_err(CliError::failed)?;
                    incoming.recv().unwrap_or(Incoming::End)
                }
                Err(TryRecvError::Disconnected) => Incoming::End,
                Ok(next) => next,
            };
            match next {
                Incoming::Message(message) => {
                    if message["method"] == "exit" {
                        return Ok(ExitCode::from(u8::from(self.stage != Stage::ShutDown)));
                    }
                    self.message(message).map_err(CliError::failed)?;
                }
                Incoming::Bad(refusal) => self.send(&wire::response(&Value::Null, Err(refusal))).map_err(CliError::failed)?,
                Incoming::Broken(why) => {
                    return Err(CliError::failed(format!("what the editor sends cannot be understood: {why}"))
                        .todo("`tandem lsp` is started by editors: see docs/editors.md"));
                }
                Incoming::End => return Ok(ExitCode::FAILURE),
            }
        }
    }

    fn send(&mut self, message: &Value) -> io::Result<()> {
        wire::write(&mut self.output, message)
    }

    fn message(&mut self, mut message: Value) -> io::Result<()> {
        let params = message.get_mut("params").map_or(Value::Null, Value::take);
        match (message.get("method").and_then(Value::as_str), message.get("id")) {
            (Some(method), Some(id)) => {
                let answer = self.request(method, params);
                let good = answer.is_ok();
                self.send(&wire::response(id, answer))?;
                if method == "initialize" && good && self.editor.registers_watches {
                    self.send(&watches())?;
                }
                Ok(())
            }
            (Some(method), None) if self.stage == Stage::Running => self.notification(method, params),
            // Answers to what we asked, and what comes too early or too late.
            (None, Some(_)) if message.get("result").is_some() || message.get("error").is_some() => Ok(()),
            (Some(_), None) => Ok(()),
            (None, id) => {
                let refusal = Refusal::new(code::INVALID_REQUEST, "this is no message of JSON-RPC 2.0");
                self.send(&wire::response(id.unwrap_or(&Value::Null), Err(refusal)))
            }
        }
    }

    fn request(&mut self, method: &str, params: Value) -> Result<Value, Refusal> {
        match (self.stage, method) {
            (Stage::Fresh, "initialize") => Ok(self.initialize(&params)),
            (Stage::Fresh, _) => Err(Refusal::new(code::NOT_INITIALIZED, "the first request is `initialize`")),
            (Stage::ShutDown, _) => Err(Refusal::new(code::INVALID_REQUEST, "this server was shut down")),
            (Stage::Running, "shutdown") => {
                self.stage = Stage::ShutDown;
                Ok(Value::Null)
            }
            (Stage::Running, "textDocument/completion") => self.asked(params, |shown, at, ()| Ok(shown.completions(at))),
            (Stage::Running, "textDocument/hover") => self.asked(params, |shown, at, ()| Ok(shown.hover(at))),
            (Stage::Running, "textDocument/definition") => self.asked(params, |shown, at, ()| Ok(shown.definition(at))),
            (Stage::Running, "textDocument/references") => {
                self.asked(params, |shown, at, wanted: Wanted| Ok(shown.references(at, wanted.context.include_declaration)))
            }
            (Stage::Running, "textDocument/prepareRename") => self.asked(params, |shown, at, ()| shown.renamable(at)),
            (Stage::Running, "textDocument/rename") => {
                self.asked(params, |shown, at, new: NewName| shown.rename(at, &new.new_name))
            }
            (Stage::Running, "initialize") => Err(Refusal::new(code::INVALID_REQUEST, "`initialize` is sent once")),
            (Stage::Running, _) => Err(Refusal::new(code::METHOD_NOT_FOUND, "this request is not known here")),
        }
    }

    fn initialize(&mut self, params: &Value) -> Value {
        self.stage = Stage::Running;
        let capabilities = &params["capabilities"];
        let encodings = capabilities["general"]["positionEncodings"].as_array();
        let known = encodings.into_iter().flatten().filter_map(Value::as_str).find(|word| matches!(*word, "utf-8" | "utf-16"));
        let word = known.unwrap_or("utf-16");
        self.editor = Editor {
            encoding: if word == "utf-8" { Encoding::Utf8 } else { Encoding::Utf16 },
            registers_watches: capabilities["workspace"]["didChangeWatchedFiles"]["dynamicRegistration"] == true,
        };
        let folders = params["workspaceFolders"].as_array().into_iter().flatten().filter_map(|folder| folder["uri"].as_str());
        self.roots = folders.chain(params["rootUri"].as_str()).filter_map(path_of).take(MAX_ROOTS).collect();
        self.stale.extend(self.roots.iter().cloned());
        json!({
            "capabilities": {
                "positionEncoding": word,
                "textDocumentSync": { "openClose": true, "change": 2, "save": true },
                "completionProvider": { "triggerCharacters": ["\"", "="] },
                "hoverProvider": true,
                "definitionProvider": true,
                "referencesProvider": true,
                "renameProvider": { "prepareProvider": true },
            },
            "serverInfo": { "name": "tandem", "version": env!("CARGO_PKG_VERSION") },
        })
    }

    /// Answers a question about a place in a document.
    fn asked<P: DeserializeOwned>(
        &mut self,
        params: Value,
        answer: impl FnOnce(&Shown<'_>, tandem_dialplan::Location, P) -> Result<Value, Refusal>,
    ) -> Result<Value, Refusal> {
        let bad = |error| Refusal::new(code::INVALID_PARAMS, format!("these parameters do not fit: {error}"));
        let at = At::deserialize(&params).map_err(bad)?;
        // A question without more to it has no parameters of its own.
        let more = P::deserialize(if size_of::<P>() == 0 { Value::Null } else { params }).map_err(bad)?;
        let Some(path) = path_of(&at.text_document.uri).filter(|path| self.documents.get(path).is_some()) else {
            return Err(Refusal::new(code::INVALID_PARAMS, "this document is not open here"));
        };
        let folder = self.documents.get(&path).map_or_else(PathBuf::new, |document| document.home.clone());
        let Self { drafts, documents, editor, .. } = self;
        let (draft, unread) = drafts.entry(folder.clone()).or_insert_with(|| documents.draft(&folder));
        let shown = Shown { draft, unread: unread.as_deref(), documents, encoding: editor.encoding };
        match shown.location(&path, at.position) {
            Some(place) => answer(&shown, place, more),
            None => Err(Refusal::new(code::REQUEST_FAILED, "this document is no file of a plan: those end in .kdl or .ics")),
        }
    }

    fn notification(&mut self, method: &str, params: Value) -> io::Result<()> {
        let done = match method {
            "textDocument/didOpen" => self.about(params, |documents, path, opened: Opened, _| {
                let Opened { text_document: TextDocument { uri, version, text } } = opened;
                documents.open(path, uri, version, text)
            }),
            "textDocument/didChange" => self.about(params, |documents, path, changed: Changed, encoding| {
                documents.change(&path, changed.text_document.version, changed.content_changes, encoding)
            }),
            "textDocument/didSave" => self.about(params, |_, _, _: Value, _| Ok(())),
            "textDocument/didClose" => self.about(params, |documents, path, _: Value, _| {
                documents.close(&path);
                Ok(())
            }),
            "workspace/didChangeWatchedFiles" => {
                let tracked: Vec<_> = self.tracked().map(Path::to_owned).collect();
                self.drafts.clear();
                self.stale.extend(tracked);
                Ok(())
            }
            // What need not be understood may be ignored: `initialized`, `$/cancelRequest` and the like.
            _ => Ok(()),
        };
        match done {
            Ok(()) => Ok(()),
            Err(message) => self.send(&wire::notification("window/showMessage", json!({ "type": 1, "message": message }))),
        }
    }

    /// Takes what happened to a document; then its plan is to be looked at anew. The error is for a person.
    fn about<P: DeserializeOwned>(
        &mut self,
        params: Value,
        take: impl FnOnce(&mut Documents, PathBuf, P, Encoding) -> Result<(), String>,
    ) -> Result<(), String> {
        let Some(path) = params["textDocument"]["uri"].as_str().and_then(path_of) else { return Ok(()) };
        let params = P::deserialize(params).map_err(|error| format!("tandem: a change was not understood: {error}"))?;
        let before = self.documents.get(&path).map(|document| document.home.clone());
        let taken = take(&mut self.documents, path.clone(), params, self.editor.encoding);
        // What is imported now, or not any more, belongs to another plan.
        for folder in before.into_iter().chain([self.documents.settle(&path)]) {
            self.drafts.remove(&folder);
            self.stale.insert(folder);
        }
        taken
    }

    /// Folders that findings are told of.
    fn tracked(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(PathBuf::as_path).chain(self.documents.folders())
    }

    /// Checks what changed and tells what was found.
    fn tell_findings(&mut self) -> io::Result<()> {
        while let Some(folder) = self.stale.pop_first() {
            let mut before = self.told.remove(&folder).unwrap_or_default();
            if self.tracked().any(|tracked| tracked == folder) {
                let (draft, unread) = self.documents.draft(&folder);
                let (documents, encoding) = (&self.documents, self.editor.encoding);
                let all = Shown { draft: &draft, unread: unread.as_deref(), documents, encoding }.findings(&folder);
                let mut told = BTreeSet::new();
                for (path, found) in all {
                    let open = self.documents.get(&path);
                    let known = before.remove(&path);
                    if !found.is_empty() || open.is_some() || known {
                        let version = open.map(|document| document.version);
                        let uri = self.documents.uri(&path);
                        self.send(&findings(&uri, version, found))?;
                        told.insert(path);
                    }
                }
                self.drafts.insert(folder.clone(), (draft, unread));
                self.told.insert(folder, told);
            } else {
                self.drafts.remove(&folder);
            }
            // Files that are gone, and those of folders that nobody looks at any more.
            for path in before {
                let uri = self.documents.uri(&path);
                self.send(&findings(&uri, None, Vec::new()))?;
            }
        }
        Ok(())
    }
}

fn findings(uri: &str, version: Option<i64>, found: Vec<Value>) -> Value {
    let mut params = json!({ "uri": uri, "diagnostics": found });
    if let Some(version) = version {
        params["version"] = version.into();
    }
    wire::notification("textDocument/publishDiagnostics", params)
}

/// Asks to be told of changes that others make to files.
fn watches() -> Value {
    let options = json!({ "watchers": [{ "globPattern": "**/*.{kdl,ics,wav}" }] });
    let watch = json!({ "id": "files", "method": "workspace/didChangeWatchedFiles", "registerOptions": options });
    json!({ "jsonrpc": "2.0", "id": "watch", "method": "client/registerCapability", "params": { "registrations": [watch] } })
}

#[derive(Deserialize)]
struct Opened {
    #[serde(rename = "textDocument")]
    text_document: TextDocument,
}

#[derive(Deserialize)]
struct TextDocument {
    uri: String,
    version: i64,
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    text_document: Versioned,
    content_changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Versioned {
    version: i64,
}

#[derive(Deserialize)]
struct Wanted {
    context: WantedContext,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WantedContext {
    include_declaration: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewName {
    new_name: String,
}
