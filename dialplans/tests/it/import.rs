//! Configurations of other switches, and the plans that are made of them. Each folder below `tests/import/<switch>` is a
//! configuration; `expected.txt` beside its files is what must come out. `UPDATE_EXPECTED=1` writes it anew, for a
//! person to read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tandem_dialplan::{
    Source, World, check,
    import::{self, ConfigFile, Fate, ImportError, Imported},
};

use crate::world;

type Import = fn(&[ConfigFile], &World) -> Result<Imported, ImportError>;

const SWITCHES: &[(&str, Import)] = &[("asterisk", import::asterisk), ("freeswitch", import::freeswitch)];

fn file(path: &str, text: impl Into<String>) -> ConfigFile {
    ConfigFile { path: path.into(), text: text.into() }
}

/// All files of a folder but what is expected.
fn configuration(folder: &Path) -> Vec<ConfigFile> {
    let (mut files, mut open) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(at) = open.pop() {
        for path in fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name != "expected.txt") {
                let below = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                files.push(file(&below, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The plan that was made must pass by itself, with the recordings and secrets that come with it.
fn remarks(imported: &Imported) -> String {
    let mut world = world();
    world.shared_prompts.extend(imported.recordings.iter().map(|recording| recording.prompt.as_str().into()));
    world.files.extend(imported.secrets.iter().map(|secret| secret.path.clone()));
    let sources: Vec<_> = imported.files.iter().map(|file| Source::new(file.name.clone(), file.text.clone())).collect();
    let (plan, report) = check(&sources, &world);
    assert!(plan.is_some(), "{}", report.drawn(false));
    report.lines()
}

fn shown(imported: &Imported) -> String {
    let mut out = String::new();
    for file in &imported.files {
        out += &format!("// ---- {}\n{}", file.name, file.text);
    }
    for person in &imported.people {
        let file = person.password_file.as_deref().unwrap_or("none");
        out += &format!("person {} `{}` serves {:?}, password in {file}\n", person.extension, person.name, person.queues);
    }
    let secrets: Vec<_> = imported.secrets.iter().map(|secret| secret.path.as_str()).collect();
    out += &format!("secrets: {}\n", secrets.join(" "));
    for recording in &imported.recordings {
        out += &format!("recording {}: {:?}\n", recording.prompt, recording.sound);
    }
    out += &format!("remarks of the check:\n{}", remarks(imported));
    for finding in &imported.findings {
        let fate = match finding.fate {
            Fate::Converted => "+",
            Fate::LeftOut => "o",
            Fate::NotConverted => "-",
        };
        let lines = if finding.lines > 1 { format!(" ({} lines)", finding.lines) } else { String::new() };
        out += &format!("{fate} {}:{}{lines}: {} | {}", finding.file, finding.line, finding.text, finding.why);
        out += &finding.todo.as_ref().map(|todo| format!(" | {todo}\n")).unwrap_or_else(|| "\n".into());
    }
    out
}

#[test]
fn configurations_become_plans_that_pass_the_check() {
    let mut cases = 0;
    for (switch, import) in SWITCHES {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(switch);
        for case in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let imported = import(&configuration(&case), &world()).unwrap();
            let (found, path) = (shown(&imported), case.join("expected.txt"));
            if std::env::var_os("UPDATE_EXPECTED").is_some() {
                fs::write(&path, &found).unwrap();
            }
            assert_eq!(found, fs::read_to_string(&path).unwrap_or_default(), "{}", case.display());
            cases += 1;
        }
    }
    assert!(cases >= 3, "{cases}");
}

/// Lines that say something, by file: what must be found again among the findings.
fn lines(files: &[ConfigFile]) -> Vec<(String, u32)> {
    let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with(';');
    let numbered = |file: &ConfigFile| {
        let lines: Vec<_> =
            file.text.lines().zip(1..).filter(|(line, _)| says(line)).map(|(_, n)| (file.path.clone(), n)).collect();
        lines
    };
    files.iter().flat_map(numbered).collect()
}

#[test]
fn no_line_of_asterisk_is_lost_in_silence_and_no_password_is_shown() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/import/asterisk");
    for case in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let files = configuration(&case);
        let imported = import::asterisk(&files, &world()).unwrap();
        for (path, line) in lines(&files) {
            let told = |finding: &&import::Finding| finding.file == path && (finding.line == line || finding.lines > 1);
            assert_eq!(imported.findings.iter().filter(told).count(), 1, "{path}:{line}");
        }
        let everything = format!("{:?}{:?}{:?}{:?}", imported.files, imported.findings, imported.people, imported.secrets);
        assert!(!everything.contains("not-a-secret") && !imported.secrets.iter().any(|secret| secret.secret.is_empty()));
    }
}

#[test]
fn no_element_of_freeswitch_is_lost_in_silence_and_no_password_is_shown() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/import/freeswitch");
    for case in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let files = configuration(&case);
        let imported = import::freeswitch(&files, &world()).unwrap();
        for file in &files {
            for (line, number) in file.text.lines().zip(1_u32..) {
                let trimmed = line.trim();
                let opens = trimmed.starts_with('<')
                    && !trimmed.starts_with("</")
                    && !trimmed.starts_with("<!")
                    && !trimmed.starts_with("<?");
                let told = imported.findings.iter().any(|finding| finding.file == file.path && finding.line == number);
                assert_eq!(opens, told, "{}:{number}: {line}", file.path);
            }
        }
        let everything = format!("{:?}{:?}{:?}{:?}", imported.files, imported.findings, imported.people, imported.secrets);
        assert!(
            !everything.contains("not-a-secret"),
            "{}",
            imported.findings.iter().map(|f| format!("{f:?}\n")).collect::<String>()
        );
    }
}

#[test]
fn xml_that_is_hostile_ends_in_a_plain_error() {
    let name = "freeswitch.xml";
    let bomb = "<!DOCTYPE a [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>\n<a>&b;</a>";
    let outside = "<!DOCTYPE a [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><a>&a;</a>";
    let include = |data: &str| format!("<a>\n<X-PRE-PROCESS cmd=\"include\" data=\"{data}\"/>\n</a>");
    for (text, said) in [
        (bomb.to_owned(), "freeswitch.xml:1: this is not XML that is read: a document type"),
        (outside.to_owned(), "a document type"),
        ("<context name=\"&nbsp;\"/>".to_owned(), "freeswitch.xml:1: this is not XML"),
        ("<a>\n<b></a>".to_owned(), "freeswitch.xml:2: this is not XML"),
        ("<a>\n<b>".to_owned(), "`<a>` is not closed"),
        ("<a>".repeat(100), "deeper than 64"),
        (
            "<a/>".repeat(1_900).lines().map(str::to_owned).collect::<String>() + &"<b/>\n".repeat(250_000),
            "more than 200000 elements",
        ),
        (include("../../etc/passwd"), "freeswitch.xml:2: the include `../../etc/passwd` leads out of the folder"),
        (include("freeswitch.xml"), "freeswitch.xml:2: the includes go round in a circle"),
        (include("*.xml"), "go round in a circle"),
    ] {
        let error = import::freeswitch(&[file(name, text)], &world()).unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    assert!(import::freeswitch(&[file("a.conf", "")], &world()).unwrap_err().to_string().contains("nothing to import"));
}

#[test]
fn extensions_that_lead_round_and_round_pass_the_check_all_the_same() {
    let context = |body: &str| format!("<context name=\"default\">{body}</context>");
    let one = |to: &str, app: &str, data: &str| {
        format!(
            "<extension name=\"x\"><condition field=\"destination_number\" expression=\"{to}\"><action application=\"{app}\" data=\"{data}\"/></condition></extension>"
        )
    };
    for body in [
        one("^1$", "transfer", "1 XML default"),
        one("^1$", "transfer", "2") + &one("^2$", "transfer", "1"),
        one("^(.*)$", "transfer", "$1 XML default"),
        one("^(.*)$", "transfer", "1$1"),
        one("(((", "answer", ""),
        one("^1$", "ivr", "none") + "<menu name=\"m\"/>",
        one("^1$", "playback", "&quot; } route evil { from any"),
        one("^1$", "bridge", &"user/1,".repeat(900)),
    ] {
        let imported = import::freeswitch(&[file("d.xml", context(&body))], &world()).unwrap();
        if !imported.files.is_empty() {
            remarks(&imported);
        }
        assert!(imported.files.iter().all(|file| !file.text.contains("route evil")), "{body}");
    }
}

fn asterisk(files: &[ConfigFile]) -> Result<Imported, ImportError> {
    let imported = import::asterisk(files, &world());
    // A configuration of which nothing could be converted makes no plan, and a report.
    if let Ok(imported) = imported.as_ref().map(|imported| (!imported.files.is_empty()).then_some(imported)) {
        imported.map(remarks);
    }
    imported
}

fn refused(files: &[ConfigFile]) -> String {
    asterisk(files).unwrap_err().to_string()
}

#[test]
fn what_is_hostile_ends_in_a_plain_error() {
    let name = "extensions.conf";
    let deep: Vec<_> = (0..40).map(|n| file(&format!("{n}.conf"), format!("#include {}.conf\n", n + 1))).collect();
    let with = |more: &[ConfigFile], first: &str| [&[file(name, first)][..], more].concat();
    for (files, said) in [
        (with(&[], "[a]\n#include extensions.conf\n"), "extensions.conf:2: the includes go round in a circle"),
        (with(&[file("b.conf", "#include extensions.conf\n")], "#include b.conf\n"), "go round in a circle"),
        (with(&deep, "#include 0.conf\n"), "deeper than 16 files"),
        (
            with(&[], "[a]\n#include ../../etc/passwd\n"),
            "extensions.conf:2: the include `../../etc/passwd` leads out of the folder",
        ),
        (with(&[], &format!("[a]\nexten => {},1,NoOp\n", "1".repeat(10_000))), "extensions.conf:2: too many bytes in one line"),
        (with(&[], &"[a]\n".repeat(250_000)), "too many lines"),
        (with(&vec![file("x.conf", ""); 3_000], ""), "too many files"),
        (vec![file(name, "x\n".repeat(9 << 20))], "too many bytes in all files"),
        (vec![file("notes.conf", "a = b")], "there is nothing to import"),
    ] {
        assert!(refused(&files).contains(said), "{said}: {}", refused(&files));
    }
    // Each file includes all others: a thousand files would be read a million times.
    let all = file(name, "[a]\n#include d/*.conf\n");
    let bomb: Vec<_> = (0..60).map(|n| file(&format!("d/{n}.conf"), "#include d/*.conf\n")).collect();
    assert!(refused(&[&[all][..], &bomb].concat()).contains("includes go round"));
}

#[test]
fn dialplans_that_go_round_and_round_pass_the_check_all_the_same() {
    for text in [
        "[a]\nexten => 1,1,Goto(2,1)\nexten => 2,1,Goto(1,1)\n",
        "[a]\nexten => _X.,1,Goto(a,1${EXTEN},1)\n",
        "[a]\nexten => _X.,1,Goto(a,${EXTEN:1},1)\n",
        "[a]\nexten => 1,1,Set(X=${X}y)\n same => n,Goto(1,1)\n",
        "[a]\nexten => 1,1,Set(X=y)\nexten => 1,2,Set(X=${X}${X})\n same => n,NoOp(${X})\n same => n,Goto(1,2)\n",
        "[a]\nexten => 1,1,Gosub(1,1)\n",
        "[macro-m]\nexten => s,1,Macro(m,${ARG1}1)\n[a]\nexten => 1,1,Macro(m,1)\n",
        "[a]\ninclude => b\n[b]\ninclude => a\nexten => 1,1,Answer\n same => n,Playback(x)\n",
        "[a]\nexten => _X.,1,Dial(SIP/${EXTEN}&SIP/${EXTEN:1}&SIP/${EXTEN:2},5)\n same => n,Goto(${EXTEN:1},1)\n",
        "[a]\nexten => 1,1,Dial(SIP/${${${${EXTEN}}}},${\n",
        "[a]\nexten => \"}{,1,Playback(\"; route evil { from any }\")\n",
    ] {
        let imported = asterisk(&[file("extensions.conf", text)]).unwrap();
        assert!(imported.files.iter().all(|file| !file.text.contains("route evil")), "{text}");
    }
}

#[test]
fn a_dialplan_that_splits_without_end_is_bounded() {
    let mut text = "[a]\nexten => _X.,1,Goto(b,${EXTEN},1)\n[b]\n".to_owned();
    for n in 0..60 {
        text += &format!("exten => _{n}X!,1,Dial(SIP/{n},5)\n same => n,Goto(a,1${{EXTEN}},1)\n");
    }
    let imported = asterisk(&[file("extensions.conf", text)]).unwrap();
    assert!(imported.files.iter().map(|file| file.text.len()).sum::<usize>() < 4 << 20);
}

#[test]
fn callers_come_in_only_where_their_file_says() {
    let pjsip = "[1001]\ntype=endpoint\ncontext=some\n[1002]\ntype=endpoint\ncontext=all\n";
    let plan = "[some]\nexten => 1,1,Playback(a)\n[all]\ninclude => some\nexten => 2,1,Playback(b)\n[public]\nexten => 3,1,Playback(c)\n";
    let imported = asterisk(&[file("pjsip.conf", pjsip), file("extensions.conf", plan)]).unwrap();
    let text: String = imported.files.iter().map(|file| file.text.as_str()).collect();
    assert!(text.contains("caller \"1001\"") && text.contains("caller \"1002\""), "{text}");
    assert!(!text.contains("imported/c"), "{text}");
    let forgotten = imported.findings.iter().find(|finding| finding.text.contains("Playback(c)")).unwrap();
    assert_eq!(forgotten.fate, Fate::NotConverted);
}
