//! `docs/dialplan.md` says what the table says, and its examples are right.

use std::{fs, path::Path, sync::Arc};

use tandem_dialplan::{Lengths, Severity, Source, check, reference, run_test};

use crate::world;

const BEGIN: &str = "<!-- reference: made from the table by the test `docs` with UPDATE_EXPECTED=1 -->\n";
const END: &str = "<!-- end of reference -->\n";

fn read() -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dialplan.md");
    let text = fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn the_reference_is_the_table() {
    let (path, text) = read();
    let (before, rest) = text.split_once(BEGIN).expect("the reference has a beginning");
    let (found, after) = rest.split_once(END).expect("the reference has an end");
    let wanted = format!("\n{}", reference());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
    } else {
        assert_eq!(found, wanted);
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
    let calendar = "BEGIN:VCALENDAR\nEND:VCALENDAR\n";
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
