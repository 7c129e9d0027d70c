//! `docs/dialplan.md` says what the table says, and its examples are right.

use std::{fs, path::Path, sync::Arc};

use tandem_dialplan::{Lengths, Severity, Source, check, reference, rule_reference, run_test};

use crate::world;

/// Where a part begins and ends that is made from a table.
const REFERENCE: [&str; 2] =
    ["<!-- reference: made from the table by the test `docs` with UPDATE_EXPECTED=1 -->\n", "<!-- end of reference -->\n"];
const RULES: [&str; 2] =
    ["<!-- rules: made from the table by the test `docs` with UPDATE_EXPECTED=1 -->\n", "<!-- end of rules -->\n"];

fn read() -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dialplan.md");
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn what_is_made_from_tables_is_what_they_say() {
    let (path, mut text) = read();
    for ([begin, end], made) in [(RULES, rule_reference()), (REFERENCE, reference())] {
        let (before, rest) = text.split_once(begin).expect("it has a beginning");
        let (found, after) = rest.split_once(end).expect("it has an end");
        let wanted = format!("\n{made}");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            text = format!("{before}{begin}{wanted}{end}{after}");
            fs::write(&path, &text).unwrap();
        } else {
            assert_eq!(found, wanted);
        }
    }
}

#[test]
fn the_examples_check_without_errors_or_warnings() {
    let (_, text) = read();
    let mut examples = String::new();
    let mut inside = false;
    for line in text.lines() {
        // Lines outside of examples stay empty, so that findings name the line of the document.
        inside = if inside { line != "```" } else { line == "```kdl" };
        let is_code = inside && line != "```kdl";
        examples += if is_code { line } else { "" };
        examples.push('\n');
    }
    let calendar = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20251225\nRRULE:FREQ=YEARLY\nEND:VEVENT\nEND:VCALENDAR\n";
    let (plan, report) = check(&[Source::new("dialplan.md.kdl", examples), Source::new("holidays-it.ics", calendar)], &world());
    let bad: Vec<_> = report.diagnostics.iter().filter(|d| d.severity > Severity::Advice).map(ToString::to_string).collect();
    assert_eq!(bad, Vec::<String>::new());
    let plan = Arc::new(plan.unwrap());
    assert!(!plan.tests.is_empty());
    for test in &plan.tests {
        let result = run_test(&plan, test, &Lengths::default());
        assert_eq!(result.failure, None, "{}", result.simulation);
    }
}
