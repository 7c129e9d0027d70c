//! The invariants of ARCHITECTURE.md, held by reading the source as text.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// One Rust source file: its path from the root, and its text without the test module at its end.
struct SourceFile {
    path: String,
    code: String,
    lines: usize,
}

fn sources() -> Vec<SourceFile> {
    let mut found = Vec::new();
    for folder in ["signaling", "media", "switch", "dialplans", "bridges", "server"] {
        walk(&root().join(folder).join("src"), &mut found);
    }
    assert!(found.len() > 20, "the walk found only {} files", found.len());
    found
}

fn walk(folder: &Path, found: &mut Vec<SourceFile>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("a readable source");
            let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
            let tests = name.contains("/tests/") || name.ends_with("/tests.rs") || name.ends_with("_tests.rs");
            let code = if tests { String::new() } else { without_tests(&text) };
            found.push(SourceFile { path: name, code, lines: text.lines().count() });
        }
    }
}

/// The text up to the test module (tests stand last), without comment lines.
fn without_tests(text: &str) -> String {
    let end = text.find("\n#[cfg(test)]").unwrap_or(text.len());
    text[..end].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Lines of `files` that contain one of `words`, as `path: line`.
fn uses<'a>(files: impl Iterator<Item = &'a SourceFile>, words: &[&str]) -> Vec<String> {
    files
        .flat_map(|file| {
            file.code
                .lines()
                .filter(|line| words.iter().any(|word| line.contains(word)))
                .map(|line| format!("{}: {}", file.path, line.trim()))
        })
        .collect()
}

#[test]
fn dependencies_point_down_only() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("tandem-signaling", &[][..]),
        ("tandem-media", &[]),
        ("tandem-switch", &[]),
        ("tandem-dialplan", &["tandem-switch"]),
        ("tandem-bridges", &["tandem-switch"]),
        ("tandem", &["tandem-signaling", "tandem-media", "tandem-switch", "tandem-dialplan", "tandem-bridges"]),
        ("tandem-tests", &["tandem", "tandem-signaling", "tandem-media", "tandem-switch", "tandem-dialplan", "tandem-bridges"]),
    ]);
    for package in metadata()["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let down = allowed.get(name).unwrap_or_else(|| panic!("{name} is not a room of the house"));
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let used = dependency["name"].as_str().expect("a name");
            let ours = used == "tandem" || used.starts_with("tandem-");
            assert!(!ours || down.contains(&used), "{name} may not use {used}");
        }
    }
}

fn metadata() -> serde_json::Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&out.stdout).expect("cargo metadata is JSON")
}

#[test]
fn only_the_signalling_edge_knows_sip() {
    let files = sources();
    let elsewhere = files.iter().filter(|f| !f.path.starts_with("signaling/") && !f.path.starts_with("server/src/wire/sip"));
    let found = uses(elsewhere, &["tandem_signaling", "rsip::"]);
    assert!(found.is_empty(), "SIP outside of signaling/ and server/src/wire/sip:\n{}", found.join("\n"));
}

/// Files of the core crates that stand apart because they do the I/O.
const IO_ROOMS: [&str; 5] =
    ["signaling/src/transport/", "media/src/engine/", "media/src/codec/audio.rs", "dialplans/src/load.rs", "dialplans/src/bin/"];

#[test]
fn cores_do_no_io_and_read_no_clock() {
    let files = sources();
    let cores = files
        .iter()
        .filter(|f| !f.path.starts_with("server/") && !f.path.starts_with("bridges/"))
        .filter(|f| !IO_ROOMS.iter().any(|r| f.path.starts_with(r)));
    let words = [
        "Instant::now(",
        "SystemTime::now(",
        ".elapsed()",
        "Zoned::now(",
        "Timestamp::now(",
        "std::fs",
        "std::thread",
        "thread::spawn",
        "UdpSocket",
        "TcpStream",
        "TcpListener",
        "tokio::",
        "std::env::var",
        "std::process",
        ".await;",
        ".await?",
        ".await)",
        ".await.",
        ".await,",
        "async fn",
        "thread_rng",
        "rand::rng()",
        "getrandom",
    ];
    let found = uses(cores, &words);
    assert!(found.is_empty(), "I/O, a clock or foreign randomness in a core:\n{}", found.join("\n"));
}

#[test]
fn exactly_one_function_reads_the_clock() {
    let files = sources();
    let found = uses(files.iter(), &["Instant::now", "SystemTime::now", "Zoned::now(", "jiff::Timestamp::now("]);
    assert!(!found.is_empty(), "nobody reads the clock");
    let elsewhere: Vec<_> = found.iter().filter(|line| !line.starts_with("server/src/clock.rs")).collect();
    assert!(elsewhere.is_empty(), "the clock is read outside of server/src/clock.rs: {elsewhere:#?}");
}

#[test]
fn nothing_is_unbounded() {
    let files = sources();
    let words = ["unbounded", "mpsc::channel()", "mpsc::channel::<", "futures::channel::mpsc::unbounded"];
    let found: Vec<_> =
        uses(files.iter(), &words).into_iter().filter(|line| !line.contains("tokio::sync::mpsc::channel::<")).collect();
    assert!(found.is_empty(), "a queue without a bound:\n{}", found.join("\n"));
}

#[test]
fn one_tls_provider_and_no_copyleft_surprise() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock is committed");
    for banned in ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls", "g729-sys"] {
        assert!(!lock.contains(&format!("name = \"{banned}\"")), "{banned} is in Cargo.lock; deny.toml says why it must not be");
    }
}

/// What the code measures now must not be worse than what tests/ratchet.txt holds; when it is better, tighten the file.
#[test]
fn every_test_that_the_conformance_table_names_is_there() {
    let table = fs::read_to_string(root().join("docs/conformance.md")).expect("the table");
    let rows = table.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.rsplit('|').nth(1));
    let names: Vec<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(names.len() > 50, "{} names", names.len());
    let mut text = String::new();
    for folder in ["signaling", "media"] {
        collect(&root().join(folder), &mut text);
    }
    let missing: Vec<_> = names.iter().filter(|name| !text.contains(&format!("fn {name}()"))).collect();
    assert!(missing.is_empty(), "named in docs/conformance.md and not there: {missing:?}");
}

/// The text of all Rust files below a folder.
fn collect(folder: &Path, text: &mut String) {
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a readable folder").path()) {
        if path.is_dir() {
            collect(&path, text);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("a readable source"));
        }
    }
}

#[test]
fn sizes_only_shrink() {
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for line in fs::read_to_string(root().join("tests/ratchet.txt")).expect("tests/ratchet.txt").lines() {
        if let Some((name, value)) = line.split_once('=') {
            held.insert(name.trim().to_owned(), value.trim().parse().expect("a number"));
        }
    }
    let files = sources();
    let lengths: Vec<(usize, String)> = files.iter().flat_map(functions).collect();
    let longest_file = files.iter().max_by_key(|f| f.lines).expect("a file");
    let longest_function = lengths.iter().max().expect("a function");
    let measured = [
        ("longest_file_lines", longest_file.lines, longest_file.path.clone()),
        ("files_over_400_lines", files.iter().filter(|f| f.lines > 400).count(), String::new()),
        ("longest_function_lines", longest_function.0, longest_function.1.clone()),
        ("functions_over_70_lines", lengths.iter().filter(|(n, _)| *n > 70).count(), String::new()),
    ];
    for (name, value, place) in measured {
        let bound = *held.get(name).unwrap_or_else(|| panic!("tests/ratchet.txt lacks {name}"));
        assert!(value <= bound, "{name} grew to {value} ({place}); the ratchet holds {bound}: split by subject, do not raise it");
    }
}

/// Length and place of every function of a file; rustfmt's layout makes the closing brace easy to find.
fn functions(file: &SourceFile) -> Vec<(usize, String)> {
    let lines: Vec<&str> = file.code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let text = line.trim_start();
        let words: Vec<&str> = text.split_whitespace().take(4).collect();
        if !words.contains(&"fn") || text.ends_with(';') || text.ends_with('}') {
            continue;
        }
        let indent = line.len() - text.len();
        let close = format!("{}}}", " ".repeat(indent));
        if let Some(length) = lines[start..].iter().position(|l| *l == close) {
            let name = text.split("fn ").nth(1).unwrap_or("").split(['(', '<']).next().unwrap_or("");
            found.push((length + 1, format!("{}: {name}", file.path)));
        }
    }
    found
}
