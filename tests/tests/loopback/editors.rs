//! `tandem lsp` as an editor of others' making sees it: the client of pygls.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use tandem_tests::{ground::Ground, switch::program, wait};

const PEOPLE: &str = "extensions from=1001 to=1010
listen { sip-udp \"127.0.0.1:5060\"; http \"127.0.0.1:8080\"; rtp \"20000-29999\"; }
queue \"support\"
queue \"sales\"
";
const ROUTES: &str = "route \"help\" {\n    from extension\n    to \"1000\"\n    answer\n    queue \"support\"\n}\n";

struct Editor {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Editor {
    /// Starts the editor, and the server in it, on a folder with a plan of two files.
    fn start(ground: &Ground) -> Self {
        let folder = ground.folder.join("a plan");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("10.kdl"), PEOPLE).expect("a file");
        fs::write(folder.join("20.kdl"), ROUTES).expect("a file");
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = Command::new(tests.join("python.sh")).arg("lsp").output().expect("a script");
        assert!(python.status.success(), "tests/python.sh failed: {}", String::from_utf8_lossy(&python.stderr));
        let mut child = Command::new(String::from_utf8_lossy(&python.stdout).trim())
            .arg(tests.join("lsp/editor.py"))
            .arg(program())
            .args(["lsp", "--stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the editor starts");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, input, output: BufReader::new(output), folder }
    }

    fn order(&mut self, order: &Value) -> Value {
        writeln!(self.input, "{order}").expect("the editor listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the editor speaks");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{line}` to {order}: {error}"))
    }

    fn uri(&self, file: &str) -> String {
        format!("file://{}/{file}", self.folder.display()).replace(' ', "%20")
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.order(&json!({ "request": method, "params": params }))
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.order(&json!({ "notify": method, "params": params }));
    }

    fn initialize(&mut self, capabilities: &Value) -> Value {
        let root = self.uri("").trim_end_matches('/').to_owned();
        let params = json!({ "processId": null, "rootUri": root, "capabilities": capabilities });
        let answer = self.request("initialize", params);
        self.notify("initialized", json!({}));
        answer["result"].clone()
    }

    fn open(&mut self, file: &str, text: &str) {
        let document = json!({ "uri": self.uri(file), "languageId": "kdl", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
    }

    fn change(&mut self, file: &str, version: i32, changes: Value) {
        let document = json!({ "uri": self.uri(file), "version": version });
        self.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": changes }));
    }

    fn findings(&mut self, file: &str, version: Option<i32>) -> Value {
        let order = json!({ "findings": self.uri(file), "version": version });
        self.order(&order)
    }

    /// Asks about a place; `more` are further parameters.
    fn ask(&mut self, what: &str, file: &str, (line, character): (u32, u32), more: Value) -> Value {
        let mut params =
            json!({ "textDocument": { "uri": self.uri(file) }, "position": { "line": line, "character": character } });
        params.as_object_mut().expect("above").extend(more.as_object().expect("an object").clone());
        self.request(&format!("textDocument/{what}"), params)
    }

    fn end(mut self) -> Value {
        let end = self.order(&json!({ "end": true }));
        drop(self.input);
        let ended = wait::until("the editor does not end", wait::SOON, || self.child.try_wait().expect("our child"));
        assert!(ended.success());
        assert_eq!(end["faults"], json!([]), "the client understands all of it");
        end
    }
}

fn range(line: u32, from: u32, to: u32) -> Value {
    json!({ "start": { "line": line, "character": from }, "end": { "line": line, "character": to } })
}

#[test]
fn findings_follow_what_is_typed() {
    let ground = Ground::new();
    let mut editor = Editor::start(&ground);
    let told = editor.initialize(&json!({ "workspace": { "didChangeWatchedFiles": { "dynamicRegistration": true } } }));
    assert_eq!(told["capabilities"]["positionEncoding"], "utf-16");
    editor.open("20.kdl", ROUTES);
    let found = editor.findings("20.kdl", Some(1));
    assert_eq!(found, json!([]));
    // The queue that no route leads to is told of in its file, which is not open.
    let unused = editor.findings("10.kdl", None);
    assert_eq!((&unused[0]["code"], &unused[0]["severity"]), (&json!("unused"), &json!(2)), "{unused}");

    // A letter of two units of UTF-16 before the mistake.
    let typed = json!([{ "range": range(4, 0, 0), "text": "/*\u{1f4de}*/" }, { "range": range(4, 20, 21), "text": "" }]);
    editor.change("20.kdl", 2, typed);
    let found = editor.findings("20.kdl", Some(2));
    let message = "there is no queue `suport`\ndid you mean `support`?";
    assert_eq!(
        (&found[0]["message"], &found[0]["range"], &found[0]["severity"]),
        (&json!(message), &range(4, 16, 24), &json!(1))
    );
    assert_eq!((&found[0]["code"], &found[0]["source"]), (&json!("unknown-name"), &json!("tandem")));

    // The whole text anew, with a name that another file has.
    editor.change("20.kdl", 3, json!([{ "text": format!("{ROUTES}queue \"sales\"\n") }]));
    let found = editor.findings("20.kdl", Some(3));
    let related = &found[0]["relatedInformation"][0];
    assert_eq!((&found[0]["code"], &related["location"]["range"]), (&json!("twice"), &range(3, 6, 13)), "{found}");
    assert_eq!(related["location"]["uri"], editor.uri("10.kdl"));

    // Closed, the file's text counts again.
    let document = json!({ "textDocument": { "uri": editor.uri("20.kdl") } });
    editor.notify("textDocument/didClose", document);
    editor.open("10.kdl", &PEOPLE.replace("queue \"support\"", "queue \"helpers\""));
    editor.findings("10.kdl", Some(1));
    // Answered after all files of the plan were told of.
    editor.ask("hover", "10.kdl", (0, 0), json!({}));
    let found = editor.findings("20.kdl", None);
    assert_eq!((found[0]["code"].as_str(), found.as_array().map(Vec::len)), (Some("unknown-name"), Some(1)), "{found}");
    assert_eq!(editor.request("shutdown", Value::Null)["result"], Value::Null);
    editor.notify("exit", Value::Null);
    let end = editor.end();
    assert_eq!((&end["status"], &end["registered"]), (&json!(0), &json!(["workspace/didChangeWatchedFiles"])));
}

#[test]
fn questions_are_answered_over_files() {
    let ground = Ground::new();
    let mut editor = Editor::start(&ground);
    let told = editor.initialize(&json!({ "general": { "positionEncodings": ["utf-8", "utf-16"] } }));
    assert_eq!(told["capabilities"]["positionEncoding"], "utf-8");
    let text = ROUTES.replace("    queue", "/*è*/    queue");
    editor.open("20.kdl", &text);
    let queue = (4, 20);

    let hover = editor.ask("hover", "20.kdl", queue, json!({}))["result"].clone();
    let shown = hover["contents"]["value"].as_str().expect("Markdown");
    assert!(shown.ends_with("```kdl\nqueue \"support\"\n```\n10.kdl:3"), "{shown}");
    assert_eq!(hover["range"], range(4, 16, 25));
    let definition = editor.ask("definition", "20.kdl", queue, json!({}))["result"].clone();
    assert_eq!(definition, json!({ "uri": editor.uri("10.kdl"), "range": range(2, 6, 15) }));
    let references = editor.ask("references", "20.kdl", queue, json!({ "context": { "includeDeclaration": true } }));
    assert_eq!(references["result"].as_array().map(Vec::len), Some(2), "{references}");

    let prepared = editor.ask("prepareRename", "20.kdl", queue, json!({}));
    assert_eq!(prepared["result"]["placeholder"], "support", "{prepared}");
    let renamed = editor.ask("rename", "20.kdl", queue, json!({ "newName": "help" }));
    let changes = &renamed["result"]["changes"];
    assert_eq!(changes[editor.uri("10.kdl")], json!([{ "range": range(2, 6, 15), "newText": "\"help\"" }]), "{renamed}");
    assert_eq!(changes[editor.uri("20.kdl")], json!([{ "range": range(4, 16, 25), "newText": "\"help\"" }]), "{renamed}");
    let taken = editor.ask("rename", "20.kdl", queue, json!({ "newName": "sales" }));
    assert_eq!(taken["error"], json!({ "code": -32803, "message": "there is already a queue `sales`" }));

    // Somebody types: the brace and the quote are open.
    editor.change("20.kdl", 2, json!([{ "text": "route \"r\" {\n    from any\n    queue \"s" }]));
    let proposed = editor.ask("completion", "20.kdl", (2, 12), json!({}))["result"].clone();
    let items: Vec<_> =
        proposed["items"].as_array().expect("a list").iter().map(|item| (&item["label"], &item["textEdit"])).collect();
    let edit = |name: &str| json!({ "range": range(2, 10, 12), "newText": format!("\"{name}\"") });
    assert_eq!(items, [(&json!("sales"), &edit("sales")), (&json!("support"), &edit("support"))]);

    assert_eq!(
        editor.request(
            "textDocument/formatting",
            json!({ "textDocument": { "uri": editor.uri("20.kdl") }, "options": { "tabSize": 4, "insertSpaces": true } })
        )["error"]["code"],
        -32601
    );
    assert_eq!(editor.ask("hover", "30.kdl", (0, 0), json!({}))["error"]["code"], -32602, "not open");
    editor.notify("exit", Value::Null);
    assert_eq!(editor.end()["status"], 1, "without a shutdown");
}

#[test]
fn a_folder_that_cannot_be_read_is_told_of() {
    let ground = Ground::new();
    let mut editor = Editor::start(&ground);
    fs::write(editor.folder.join("30.kdl"), b"queue \"\xff\"").expect("a file");
    editor.initialize(&json!({}));
    editor.open("20.kdl", &format!("queue \"own\"\n{ROUTES}"));
    let found = editor.findings("20.kdl", Some(1));
    let message = found[0]["message"].as_str().expect("a sentence");
    assert!(found[0]["code"] == "unreadable" && message.ends_with("30.kdl is not UTF-8 text"), "{found}");
    let renamed = editor.ask("rename", "20.kdl", (0, 8), json!({ "newName": "mine" }));
    let message = renamed["error"]["message"].as_str().expect("a sentence");
    assert!(message.starts_with("files of the plan could not be looked into: "), "{renamed}");
    // Mended, and told of by the editor.
    fs::write(editor.folder.join("30.kdl"), "").expect("a file");
    let changes = json!({ "changes": [{ "uri": editor.uri("30.kdl"), "type": 2 }] });
    editor.notify("workspace/didChangeWatchedFiles", changes);
    let renamed = editor.ask("rename", "20.kdl", (0, 8), json!({ "newName": "mine" }));
    assert!(renamed["result"]["changes"][editor.uri("20.kdl")].is_array(), "{renamed}");
    assert_eq!(editor.request("shutdown", Value::Null)["result"], Value::Null);
    editor.notify("exit", Value::Null);
    assert_eq!(editor.end()["status"], 0);
}

/// What a server that is given `input` says, and how it ends.
fn said(input: &[u8]) -> (String, String, Option<i32>) {
    let mut server = Command::new(program())
        .arg("lsp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    server.stdin.take().expect("piped").write_all(input).expect("it reads");
    let out = server.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&out.stdout), text(&out.stderr), out.status.code())
}

#[test]
fn nonsense_gets_an_error_and_ends_nothing_else() {
    let framed = |text: &str| format!("Content-Length: {}\r\n\r\n{text}", text.len());
    let initialize = framed(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":7,"rootUri":[]}}"#);
    let all = [
        framed(r#"{"jsonrpc":"2.0","id":"early","method":"textDocument/hover"}"#),
        framed("{nonsense"),
        framed("[1, 2]"),
        framed("7"),
        initialize.clone(),
        framed(r#"{"jsonrpc":"2.0","id":2,"method":"textDocument/hover","params":{"position":"here"}}"#),
        framed(r#"{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///x.kdl"}}}"#),
        framed(r#"{"jsonrpc":"2.0","id":3,"method":"shutdown"}"#),
        framed(r#"{"jsonrpc":"2.0","id":4,"method":"textDocument/hover"}"#),
        framed(r#"{"jsonrpc":"2.0","method":"exit"}"#),
    ];
    let (out, err, status) = said(all.concat().as_bytes());
    let codes: Vec<&str> = out.split("\"code\":").skip(1).map(|rest| rest.split(',').next().unwrap_or(rest)).collect();
    assert_eq!(codes, ["-32002", "-32700", "-32600", "-32600", "-32602", "-32600"], "{out}");
    assert!(out.contains("a change was not understood: missing field"), "{out}");
    assert_eq!((status, err.as_str()), (Some(0), ""));

    let (_, err, status) = said(b"GET / HTTP/1.1\r\n\r\n");
    assert!(status == Some(1) && err.contains("a message's header without a colon") && err.contains("docs/editors.md"), "{err}");
    let (_, err, status) = said(initialize.as_bytes());
    assert_eq!((status, err.as_str()), (Some(1), ""), "an editor that is gone");
}
