//! Wrong plans and what is said about them. Each `wrong/*.kdl` ends with what is expected, one `//~`
//! line a finding; `UPDATE_EXPECTED=1` writes these lines anew, for a person to read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use regex::Regex;
use tandem_dialplan::{BrokenPrompt, RULES, Rule, Source, World, check, with_imports};
use tandem_switch::time::Timestamp;

use crate::world;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wrong")
}

/// What stands beside a wrong plan in every case.
const CALENDARS: [(&str, &str); 2] = [
    ("good.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20251225\nRRULE:FREQ=YEARLY\nEND:VEVENT\nEND:VCALENDAR\n"),
    ("bad.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nRRULE:FREQ=DAILY\nEND:VEVENT\n"),
];
/// Of more findings only the first and the last are written down.
const SHOWN: usize = 80;

/// A wrong plan and its surroundings, as its text says. Lines that begin so mean more than they say:
///
/// - `//! times N`: the next line stands N times;
/// - `//! file PATH`: what follows is another file;
/// - `//! broken PATH WHAT`, `//! own PATH`, `//! sound PATH FILE`: recordings;
/// - `//! recordings LANGUAGE`: a language has recordings, though no grammar.
struct Case {
    name: String,
    sources: Vec<Source>,
    world: World,
}

impl Case {
    fn read(name: &str, text: &str) -> Self {
        // The check knows what day it is: Monday, 2026-11-23.
        let mut world = World { now: Some(Timestamp::from_ms(1_795_428_000_000)), ..world() };
        let mut files: Vec<(String, String)> = vec![(name.to_owned(), String::new())];
        let mut times = 1;
        for line in text.lines().filter(|line| !line.starts_with("//~")) {
            let words: Vec<&str> = line.strip_prefix("//! ").map(|rest| rest.splitn(3, ' ').collect()).unwrap_or_default();
            match words.as_slice() {
                ["times", n] => times = n.parse().unwrap(),
                ["file", path] => files.push(((*path).to_owned(), String::new())),
                ["broken", path, what] => {
                    let broken = BrokenPrompt { file: format!("prompts/{path}.wav"), what: (*what).to_owned() };
                    world.broken_prompts.insert((*path).to_owned(), broken);
                }
                ["own", path] => drop(world.own_prompts.insert((*path).to_owned())),
                ["sound", path, file] => drop(world.other_sounds.insert((*path).to_owned(), (*file).to_owned())),
                ["recordings", language] => {
                    world.prompts.insert((*language).into(), ["welcome".into()].into());
                }
                [] => {
                    let file = &mut files.last_mut().unwrap().1;
                    (0..times).for_each(|_| *file += &format!("{line}\n"));
                    times = 1;
                    continue;
                }
                other => panic!("{name}: {other:?}"),
            }
            // So that lines are counted as they stand in the text.
            if words[0] != "file" {
                files.last_mut().unwrap().1.push('\n');
            }
        }
        // Calendars of its own take the place of the usual ones.
        if files.len() == 1 && text.contains(".ics") {
            files.extend(CALENDARS.map(|(name, text)| (name.to_owned(), text.to_owned())));
        }
        let (own, below): (Vec<_>, Vec<_>) =
            files.into_iter().map(|(path, text)| Source::new(path, text)).partition(|file| !file.path.contains('/'));
        let below = |path: &str| Ok::<_, ()>(below.iter().find(|file| file.path == path).cloned());
        Self { name: name.to_owned(), sources: with_imports(own, below).unwrap(), world }
    }

    fn found(&self) -> Vec<String> {
        let (taken, report) = check(&self.sources, &self.world);
        assert_eq!(taken.is_none(), report.has_errors(), "{}", self.name);
        let own = format!("{}:", self.name);
        let lines: Vec<_> =
            report.lines().lines().map(|line| format!("//~ {}", line.strip_prefix(&own).unwrap_or(line))).collect();
        match lines.as_slice() {
            [first, .., last] if lines.len() > SHOWN => {
                vec![first.clone(), format!("//~ … {} more", lines.len() - 2), last.clone()]
            }
            _ => lines,
        }
    }
}

fn cases() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_mistake_is_said_with_place_and_suggestion() {
    let cases = cases();
    assert!(cases.len() > 30);
    for (path, text) in cases {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let found: String = Case::read(&name, &text).found().iter().map(|line| format!("{line}\n")).collect();
        let lines = |expected: bool| -> String {
            text.lines().filter(|line| line.starts_with("//~") == expected).map(|line| format!("{line}\n")).collect()
        };
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&path, format!("{}{found}", lines(false))).unwrap();
        } else {
            assert_eq!(found, lines(true), "{name}");
        }
    }
}

#[test]
fn every_rule_has_a_plan_that_breaks_it_as_bad_as_it_can_be() {
    let finding = Regex::new(r"^//~ [^ ]*\d+:\d+: (error|warning|advice)\[([a-z-]+)\]").unwrap();
    let mut broken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, text) in cases() {
        for line in text.lines() {
            if let Some(found) = finding.captures(line) {
                broken.entry(found[2].to_owned()).or_default().insert(found[1].to_owned());
            }
        }
    }
    let words = |rule: &Rule| rule.severities.iter().map(|severity| severity.word().to_owned()).collect();
    let rules: BTreeMap<String, BTreeSet<String>> = RULES.iter().map(|rule| (rule.code.to_owned(), words(rule))).collect();
    assert_eq!(broken, rules);
    assert!(RULES.is_sorted_by_key(|rule| rule.code), "the table is in order");
}

#[test]
fn no_finding_is_made_that_the_table_does_not_know() {
    let made =
        Regex::new(r#"(?:error|error_with|warning|warning_with|advice|say_once)\(\s*"([a-z-]+)"|code: "([a-z-]+)""#).unwrap();
    let mut open = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut codes = BTreeSet::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            let found = made.captures_iter(&text).filter_map(|found| found.get(1).or(found.get(2)));
            codes.extend(found.map(|code| code.as_str().to_owned()));
        }
    }
    assert!(codes.len() > 60, "{codes:?}");
    let unknown: Vec<_> = codes.iter().filter(|code| !RULES.iter().any(|rule| rule.code == **code)).collect();
    assert_eq!(unknown, Vec::<&String>::new());
}

#[test]
fn a_finding_in_an_imported_file_names_that_file() {
    let text = "import \"shared/queues.kdl\"\nroute \"r\" { from any; queue \"suport\"; }\n";
    let sources = [Source::new("shared/queues.kdl", "\nqueue \"support\" { rong \"3s\"; }\n"), Source::new("plan.kdl", text)];
    let lines = check(&sources, &world()).1.lines();
    assert!(lines.contains("shared/queues.kdl:2:19: error[unknown-node]"), "{lines}");
    assert!(lines.contains("plan.kdl:2:29: error[unknown-name]: there is no queue `suport`"), "{lines}");
}

#[test]
fn a_finding_is_drawn_into_its_text_and_written_as_json() {
    let text = "queue \"support\"\nroute \"r\" {\n    from any\n    answer\n    queue \"suport\"\n}\n";
    let (_, report) = check(&[Source::new("plan.kdl", text)], &world());
    insta::assert_snapshot!(report.drawn(false).trim_end(), @r#"
    unknown-name

      × there is no queue `suport`
       ╭─[plan.kdl:5:11]
     4 │     answer
     5 │     queue "suport"
       ·           ────────
     6 │ }
       ╰────
      help: did you mean `support`?
    "#);
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap(), @r#"
    [
      {
        "severity": "error",
        "code": "unknown-name",
        "message": "there is no queue `suport`",
        "file": "plan.kdl",
        "line": 5,
        "column": 11,
        "offset": 62,
        "length": 8,
        "suggestion": "did you mean `support`?"
      }
    ]
    "#);
}

#[test]
fn an_inline_secret_is_shown_nowhere() {
    let text = "trunk \"t\" {\n    peer \"udp\" \"192.0.2.1\"\n    credentials user=\"u\" secret=\"hunter2\"\n}\n";
    let (plan, report) = check(&[Source::new("plan.kdl", text)], &world());
    assert!(plan.is_none());
    let everything = format!("{}{}{}", report.drawn(true), report.lines(), serde_json::to_string(&report).unwrap());
    assert!(everything.contains("inline-secret") && !everything.contains("hunter2"), "{everything}");
}

#[test]
fn files_form_one_namespace_and_the_first_declaration_is_named() {
    let sources = [Source::new("a.kdl", "queue \"support\"\n"), Source::new("b.kdl", "queue \"support\"\nqueue \"sales\"\n")];
    let (plan, report) = check(&sources, &world());
    assert!(plan.is_none());
    assert!(
        report.lines().contains("b.kdl:1:7: error[twice]: queue `support` is declared twice, first at a.kdl:1"),
        "{}",
        report.lines()
    );
}

#[test]
fn an_empty_plan_and_a_huge_one_are_refused() {
    for sources in [vec![], vec![Source::new("a.kdl", "// nothing\n")], vec![Source::new("notes.txt", "x")]] {
        let (plan, report) = check(&sources, &world());
        assert!(plan.is_none() && report.has_errors());
    }
    let sources: Vec<_> = (0..300).map(|n| Source::new(format!("{n}.kdl"), "")).collect();
    assert!(check(&sources, &world()).0.is_none());
}
