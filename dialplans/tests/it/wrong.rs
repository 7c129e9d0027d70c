//! Wrong plans and what is said about them. Each `wrong/*.kdl` ends with what is expected, one `//~`
//! line a finding; `UPDATE_EXPECTED=1` writes these lines anew, for a person to read.

use std::{fs, path::PathBuf};

use tandem_dialplan::{Source, check};

use crate::world;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/wrong")
}

#[test]
fn every_mistake_is_said_with_place_and_suggestion() {
    let mut paths: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 5);
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let plan: String = text.lines().filter(|line| !line.starts_with("//~")).map(|line| format!("{line}\n")).collect();
        let expected: String = text.lines().filter(|line| line.starts_with("//~")).map(|line| format!("{line}\n")).collect();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let calendars = [
            ("good.ics", "BEGIN:VCALENDAR\nEND:VCALENDAR\n"),
            ("bad.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nRRULE:FREQ=DAILY\nEND:VEVENT\n"),
        ];
        let sources: Vec<_> =
            [(name.as_str(), plan.as_str())].into_iter().chain(calendars).map(|(path, text)| Source::new(path, text)).collect();
        let (taken, report) = check(&sources, &world());
        assert_eq!(taken.is_none(), report.has_errors(), "{name}");
        let found: String = report
            .lines()
            .lines()
            .map(|line| format!("//~ {}\n", line.strip_prefix(&format!("{name}:")).unwrap_or(line)))
            .collect();
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&path, format!("{plan}{found}")).unwrap();
        } else {
            assert_eq!(found, expected, "{name}");
        }
    }
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
