//! Imports from a real folder: what is found, and what leads out of it.

use std::{fs, path::PathBuf};

use tandem_dialplan::{LoadError, check, load, read_sources, read_sources_with};

use crate::world;

/// A folder with these files, anew.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tandem-imports-{name}-{}", std::process::id()));
    let _nothing_of_before = fs::remove_dir_all(&folder);
    for (path, text) in files {
        let path = folder.join("plan").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

const MAIN: &str =
    "import \"shared/hours.kdl\"\nroute \"r\" { from any; unless-open \"office\" { hangup; }; hangup \"busy\"; }\n";

#[test]
fn files_below_are_read_when_they_are_imported_and_only_then() {
    let files = [
        ("10.kdl", MAIN),
        (
            "shared/hours.kdl",
            "import \"it.ics\"\nschedule \"office\" { open \"mon-fri\" \"08:00-18:00\"; holidays \"it.ics\"; }\n",
        ),
        ("shared/it.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20251225\nRRULE:FREQ=YEARLY\nEND:VEVENT\nEND:VCALENDAR\n"),
        ("shared/other.kdl", "nonsense"),
    ];
    let home = folder("below", &files).join("plan");
    let loaded = load(&home).unwrap();
    assert_eq!(loaded.report.lines(), "");
    assert!(loaded.plan.is_some());
    let names = |sources: &[tandem_dialplan::Source]| {
        let below = |path: &str| path.strip_prefix(home.to_str().unwrap()).unwrap()[1..].to_owned();
        sources.iter().map(|source| below(&source.path)).collect::<Vec<_>>()
    };
    let sources = read_sources(&home).unwrap();
    assert_eq!(names(&sources), ["shared/it.ics", "shared/hours.kdl", "10.kdl"]);
    // An editor has another text of the file than the disk.
    let typed = |path: &std::path::Path| path.ends_with("hours.kdl").then(|| "schedule \"offise\"".to_owned());
    let sources = read_sources_with(&home, typed).unwrap();
    assert_eq!(names(&sources), ["shared/hours.kdl", "10.kdl"]);
    assert!(check(&sources, &world()).1.lines().contains("there is no schedule `office` (did you mean `offise`?)"));
}

#[test]
fn a_file_that_is_not_there_is_a_finding_and_one_outside_is_not_read() {
    let home =
        folder("outside", &[("10.kdl", MAIN), ("../hours.kdl", "schedule \"office\" { open \"daily\" \"00:00-24:00\"; }")]);
    let plan = home.join("plan");
    assert!(load(&plan).unwrap().report.lines().contains("10.kdl:1:8: error[missing-file]: there is no file"));
    fs::create_dir_all(plan.join("shared")).unwrap();
    std::os::unix::fs::symlink(home.join("hours.kdl"), plan.join("shared/hours.kdl")).unwrap();
    assert!(matches!(load(&plan), Err(LoadError::Outside { .. })));
    fs::remove_file(plan.join("shared/hours.kdl")).unwrap();
    fs::write(plan.join("shared/hours.kdl"), vec![b' '; 1 << 21]).unwrap();
    assert!(matches!(load(&plan), Err(LoadError::TooMuch { .. })));
    for n in 0..300 {
        fs::write(plan.join(format!("shared/{n}.kdl")), format!("import \"{}.kdl\"\n", n + 1)).unwrap();
    }
    fs::write(plan.join("10.kdl"), "import \"shared/0.kdl\"\n").unwrap();
    assert!(matches!(load(&plan), Err(LoadError::TooMuch { .. })));
}
