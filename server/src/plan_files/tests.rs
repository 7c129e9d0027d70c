//! Two who edit the same plan: one wins, the other is told, nothing is lost.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::{collections::BTreeMap, fs, path::PathBuf};

use tandem_dialplan::{Edit, NewValue, Spot};
use tandem_switch::time::Timestamp;

use super::*;

const QUEUES: &str = "// Queues.\nqueue \"support\" {\n    ring \"15s\" // each\n}\n\nqueue \"sales\" {\n    ring \"10s\"\n}\n";
const ROUTES: &str = "extensions from=1001 to=1009\n\nroute \"a\" {\n    from extension\n    to \"1800\"\n    queue \"support\"\n}\n\nroute \"b\" {\n    from extension\n    to \"1801\"\n    queue \"sales\"\n}\n";

struct Folder {
    path: PathBuf,
    files: PlanFiles,
}

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tandem-plan-files-{}-{name}", std::process::id()));
        let _not_there = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("10.kdl"), QUEUES).unwrap();
        fs::write(path.join("20.kdl"), ROUTES).unwrap();
        Self { files: PlanFiles::new(&path), path }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).unwrap()
    }

    /// The ETags of all files, as somebody sees them who reads them now.
    fn seen(&self) -> BTreeMap<String, String> {
        self.files.read().unwrap().into_iter().map(|file| (file.name, etag(&file.sha256))).collect()
    }

    fn wish(&self, base: &BTreeMap<String, String>, edits: &[Edit], rebase: bool) -> Result<Proposal, Refused> {
        self.files.edits(&PlanEdits { base: base.clone(), edits: edits.to_vec(), rebase, ..PlanEdits::default() })
    }

    fn take(&self, proposal: &Proposal, by: &str) -> Result<(), Refused> {
        self.files.take(proposal, by, At(Timestamp::from_ms(1_790_000_000_000)))
    }

    fn make(&self, by: &str, base: &BTreeMap<String, String>, edits: &[Edit], rebase: bool) -> Result<(), Refused> {
        self.take(&self.wish(base, edits, rebase)?, by)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.path);
    }
}

fn set(at: &str, name: &str, value: &str) -> Edit {
    Edit::Set { at: at.into(), name: name.into(), value: NewValue::Text(value.into()) }
}

fn conflicts(refused: Result<(), Refused>) -> Vec<Conflict> {
    match refused {
        Err(Refused::Conflict(conflicts) | Refused::Overlap { conflicts, .. }) => conflicts,
        other => panic!("a conflict, not {other:?}"),
    }
}

#[test]
fn the_second_of_two_is_told_who_changed_what() {
    let folder = Folder::new("second");
    let (ada, bob) = (folder.seen(), folder.seen());
    folder.make("ada", &ada, &[set("queue support", "ring", "20s")], false).unwrap();
    let told = conflicts(folder.make("bob", &bob, &[set("queue support", "ring", "30s")], false));
    assert_eq!(folder.text("10.kdl"), QUEUES.replace("15s", "20s"));
    let [conflict] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((conflict.file.as_str(), conflict.changes[0].by.as_str(), conflict.outside), ("10.kdl", "ada", false));
    assert_eq!(conflict.nodes, ["changed queue \"support\""]);
    assert!(conflict.diff.contains("-    ring \"15s\" // each\n+    ring \"20s\" // each\n"), "{}", conflict.diff);
    assert_eq!(conflict.etag.as_ref(), folder.seen().get("10.kdl"));
    // Who has read it again may.
    folder.make("bob", &folder.seen(), &[set("queue support", "ring", "30s")], false).unwrap();
}

#[test]
fn edits_of_other_nodes_are_carried_over_when_that_is_wanted() {
    let folder = Folder::new("rebase");
    let seen = folder.seen();
    let before = Spot::Before("queue sales".into());
    let ada = [set("queue support", "ring", "20s"), Edit::Insert { to: before, text: "skill \"new\"".into() }];
    folder.make("ada", &seen, &ada, false).unwrap();
    folder.make("bob", &seen, &[set("queue sales", "ring", "30s")], true).unwrap();
    let both = folder.text("10.kdl");
    assert!(both.contains("\"20s\" // each") && both.contains("\"30s\"") && both.contains("skill \"new\""), "{both}");
    // The same node is another matter, even for another setting of it.
    for edit in [
        set("queue support", "wrap-up", "5s"),
        Edit::Remove { at: "queue support".into() },
        Edit::Rename { noun: "queue".into(), name: "support".into(), to: "help".into() },
        Edit::Move { at: "queue support".into(), to: Spot::After("queue sales".into()) },
    ] {
        let refused = folder.make("cyd", &seen, std::slice::from_ref(&edit), true);
        assert!(
            matches!(&refused, Err(Refused::Overlap { edit: 0, address, .. }) if address.contains("queue \"support\"")),
            "{edit:?}: {refused:?}"
        );
        let told = conflicts(refused);
        assert_eq!(told[0].changes.iter().map(|change| change.by.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
        assert_eq!(folder.text("10.kdl"), both);
    }
}

#[test]
fn what_an_editor_saved_is_never_lost() {
    let folder = Folder::new("editor");
    let seen = folder.seen();
    let proposal = folder.wish(&seen, &[set("queue support", "ring", "20s")], false).unwrap();
    let saved = QUEUES.replace("10s", "11s");
    fs::write(folder.path.join("10.kdl"), &saved).unwrap();
    let told = conflicts(folder.take(&proposal, "ada"));
    assert!(told[0].outside && told[0].changes.is_empty() && told[0].known, "{told:?}");
    assert_eq!(told[0].nodes, ["changed queue \"sales\""]);
    assert_eq!(folder.text("10.kdl"), saved);
    folder.make("ada", &seen, &[set("queue support", "ring", "20s")], true).unwrap();
    assert_eq!(folder.text("10.kdl"), saved.replace("15s", "20s"));
    // A text that nobody knows any more cannot be compared.
    let other = BTreeMap::from([("10.kdl".to_owned(), etag(&"0".repeat(64)))]);
    let told = conflicts(folder.make("bob", &other, &[set("queue sales", "ring", "20s")], true));
    assert!(!told[0].known && told[0].outside, "{told:?}");
}

#[test]
fn files_change_together_or_not_at_all() {
    let folder = Folder::new("together");
    let seen = folder.seen();
    let rename = [Edit::Rename { noun: "queue".into(), name: "sales".into(), to: "shop".into() }];
    let one = BTreeMap::from([("10.kdl".to_owned(), seen["10.kdl"].clone())]);
    let refused = folder.make("ada", &one, &rename, false);
    assert!(
        matches!(&refused, Err(Refused::NoBase(files)) if files[..] == [("20.kdl".into(), seen["20.kdl"].clone())]),
        "{refused:?}"
    );
    let proposal = folder.wish(&seen, &rename, false).unwrap();
    fs::write(folder.path.join("20.kdl"), format!("{ROUTES}// mine\n")).unwrap();
    assert_eq!(conflicts(folder.take(&proposal, "ada"))[0].file, "20.kdl");
    assert_eq!(folder.text("10.kdl"), QUEUES);
    fs::write(folder.path.join("20.kdl"), ROUTES).unwrap();
    folder.take(&proposal, "ada").unwrap();
    assert_eq!(folder.text("10.kdl") + &folder.text("20.kdl"), (QUEUES.to_owned() + ROUTES).replace("\"sales\"", "\"shop\""));
}

#[test]
fn nothing_is_written_that_would_be_wrong() {
    let folder = Folder::new("wrong");
    let seen = folder.seen();
    let refused = folder.make("ada", &seen, &[Edit::Remove { at: "queue sales".into() }], false);
    assert!(
        matches!(&refused, Err(Refused::Errors(problems)) if problems.iter().any(|p| p.file == "20.kdl" && p.message.contains("sales"))),
        "{refused:?}"
    );
    let refused = folder.make("ada", &seen, &[set("queue sales", "ring", "soon")], false);
    assert!(matches!(&refused, Err(Refused::Edit(0, error)) if error.to_string().contains("ring: ")), "{refused:?}");
    assert!(matches!(folder.make("ada", &seen, &[], false), Err(Refused::Count(_))));
    assert_eq!(folder.text("10.kdl"), QUEUES);
    // A plan that is wrong already is mended step by step.
    let broken = ROUTES.replace("queue \"support\"", "queue \"suport\"").replace("queue \"sales\"", "queue \"sale\"");
    fs::write(folder.path.join("20.kdl"), &broken).unwrap();
    let mend =
        |route: &str, to: &str| Edit::SetValue { at: format!("route {route} > queue"), nth: 1, value: NewValue::Text(to.into()) };
    let proposal = folder.wish(&folder.seen(), &[mend("a", "support")], false).unwrap();
    assert!(!proposal.is_right());
    folder.take(&proposal, "ada").unwrap();
    assert!(matches!(folder.make("ada", &folder.seen(), &[mend("a", "sport")], false), Err(Refused::Errors(_))));
    assert!(folder.wish(&folder.seen(), &[mend("b", "sales")], false).unwrap().is_right());
}

#[test]
fn whole_files_come_change_and_go() {
    let folder = Folder::new("whole");
    let put = |name: &str, text: Option<&str>, condition| {
        let proposal = folder.files.put(name, text, &condition)?;
        folder.take(&proposal, "ada").map(|()| proposal)
    };
    let is = |text: &str| Precondition::Is(hash(text.as_bytes()));
    put("30.kdl", Some("skill \"x\"\n"), Precondition::Absent).unwrap();
    assert_eq!(conflicts(put("30.kdl", Some(""), Precondition::Absent).map(drop))[0].base, None);
    assert_eq!(conflicts(put("30.kdl", Some(""), is("skill \"y\"\n")).map(drop))[0].file, "30.kdl");
    let changed = put("30.kdl", Some("skill \"y\"\n"), is("skill \"x\"\n")).unwrap();
    assert_eq!(changed.files[0].diff, "@@ -1 +1 @@\n-skill \"x\"\n+skill \"y\"\n");
    assert_eq!(changed.files[0].nodes, ["added skill \"y\"", "removed skill \"x\""]);
    put("30.kdl", None, is("skill \"y\"\n")).unwrap();
    assert!(!folder.path.join("30.kdl").exists());
    assert!(matches!(put("30.kdl", None, is("skill \"y\"\n")), Err(Refused::NoFile(_))));
    assert!(matches!(put("10.kdl", None, is(QUEUES)), Err(Refused::Errors(_))), "routes need its queues");
    for bad in [
        "../a.kdl",
        "a/../b.kdl",
        "/a.kdl",
        ".a.kdl",
        "a",
        "a.txt",
        ".kdl",
        "a\\b.kdl",
        "a b.kdl",
        "à.kdl",
        &format!("{}.kdl", "a".repeat(65)),
    ] {
        assert!(matches!(put(bad, Some(""), Precondition::Absent), Err(Refused::Name(_))), "{bad}");
    }
}

#[test]
fn imported_files_are_read_and_edited_where_they_lie() {
    let folder = Folder::new("imported");
    let put = |name: &str, text: Option<&str>, condition| {
        let proposal = folder.files.put(name, text, &condition)?;
        folder.take(&proposal, "ada").map(|()| proposal)
    };
    let is = |text: &str| Precondition::Is(hash(text.as_bytes()));
    // First the file, which nothing imports yet, then the import.
    let importing = format!("import \"shared/hours.kdl\"\n{QUEUES}");
    assert!(matches!(put("10.kdl", Some(&importing), is(QUEUES)), Err(Refused::Errors(_))), "there is no such file");
    put("shared/hours.kdl", Some("skill \"x\"\n"), Precondition::Absent).unwrap();
    assert!(!folder.seen().contains_key("shared/hours.kdl"), "it is not of the plan yet");
    assert_eq!(conflicts(put("shared/hours.kdl", Some(""), Precondition::Absent).map(drop))[0].file, "shared/hours.kdl");
    put("10.kdl", Some(&importing), is(QUEUES)).unwrap();
    let seen = folder.seen();
    assert_eq!(seen.keys().collect::<Vec<_>>(), ["10.kdl", "20.kdl", "shared/hours.kdl"]);
    let insert = Edit::Insert { to: Spot::LastIn("shared/hours.kdl:".into()), text: "skill \"y\"".into() };
    folder.make("ada", &seen, std::slice::from_ref(&insert), false).unwrap();
    assert_eq!(folder.text("shared/hours.kdl"), "skill \"x\"\nskill \"y\"\n");
    let told = conflicts(folder.make("bob", &seen, &[insert], false));
    assert_eq!((told[0].file.as_str(), told[0].nodes.as_slice()), ("shared/hours.kdl", &["added skill \"y\"".to_owned()][..]));
    // What is imported stays as long as it is, and its import can go without it.
    let text = folder.text("shared/hours.kdl");
    assert!(matches!(put("shared/hours.kdl", None, is(&text)), Err(Refused::Errors(_))));
    folder.make("ada", &folder.seen(), &[Edit::Remove { at: "10.kdl: import".into() }], false).unwrap();
    assert_eq!(folder.text("10.kdl"), QUEUES);
    put("shared/hours.kdl", None, is(&text)).unwrap();
    assert!(!folder.path.join("shared").exists());
}

#[test]
fn a_text_that_only_the_history_knows_can_be_told_to_it() {
    let folder = Folder::new("history");
    let old = QUEUES.replace("10s", "9s");
    let base = BTreeMap::from([("10.kdl".to_owned(), etag(&hash(old.as_bytes())))]);
    let edits = vec![set("queue support", "ring", "20s")];
    let wish = Wish::Nodes(PlanEdits { base, edits, rebase: true, ..PlanEdits::default() });
    assert!(matches!(folder.files.propose(&wish), Err(Refused::Conflict(told)) if !told[0].known));
    assert_eq!(folder.files.unknown(&wish), [hash(old.as_bytes())]);
    folder.files.remember(&hash(old.as_bytes()), &old);
    assert!(folder.files.unknown(&wish).is_empty());
    folder.take(&folder.files.propose(&wish).unwrap(), "ada").unwrap();
    assert_eq!(folder.text("10.kdl"), QUEUES.replace("15s", "20s"));
}
