//! The files of the plan, edited by name on a running switch: comments stay, and nobody's change is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tandem_tests::{journal::Journal, switch::Switch, wait};

const PEOPLE: &str = "var/demo/20-people.kdl";

#[test]
fn a_plan_is_edited_by_name_and_taken_into_service() {
    let switch = Switch::demo();
    let text = || fs::read_to_string(switch.ground.join(PEOPLE)).expect("the demo's file");
    let before = text();
    let set = ["plan", "set", "queue \"support\"", "answer-target=31s"];
    let with = |last: &'static str| [&set[..], &[last]].concat();

    assert_eq!(switch.cli(&["plan", "files"]).matches("in-service").count(), 4);
    assert_eq!(switch.cli(&["plan", "show", "20-people.kdl"]), before);
    let told = switch.cli(&with("--dry-run"));
    assert!(
        told.contains("\n-    answer-target \"20s\"     // wanted answer time\n+    answer-target \"31s\"     // wanted"),
        "{told}"
    );
    assert!(told.ends_with("nothing was written\n") && text() == before, "{told}");

    switch.cli(&set);
    let after = before.replacen("answer-target \"20s\"", "answer-target \"31s\"", 1);
    assert_eq!(text(), after, "and every other byte is as it was");
    assert!(switch.cli(&["plan", "files"]).lines().any(|line| line.contains("20-people.kdl") && line.contains("changed")));
    assert_eq!(switch.get("/plan")["generation"], 1);

    let told = switch.cli(&["plan", "rename", "queue", "sales", "shop", "--apply"]);
    assert!(told.ends_with("written and in service\n") && told.matches("+++ b/").count() >= 2, "{told}");
    assert_eq!(switch.get("/plan")["generation"], 2);
    assert!(switch.get("/queues").to_string().contains("\"shop\""));
    assert_eq!(switch.cli(&["plan", "files"]).matches("in-service").count(), 4);

    for (arguments, reason) in [
        (&["plan", "set", "queue support", "answer-target=soon"][..], "answer-target: "),
        (&["plan", "set", "queue suport", "answer-target=5s"], "did you mean `queue \"support\"`?"),
        (&["plan", "remove", "queue support"], "the plan would hold errors"),
        (&["plan", "show", "../cli.json"], "the plan has no file"),
    ] {
        let out = switch.command(arguments).output().expect("the program runs");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && said.contains(reason), "{arguments:?}: {said}");
    }
    // The people and the token of the first start are in the audit too.
    let audits = Journal::open(&switch).until("audit", 12, wait::SOON);
    let changed: Vec<_> = audits.iter().filter(|audit| audit["what"] == "plan-file-changed").collect();
    let subject = changed.first().and_then(|audit| audit["subject"].as_str()).unwrap_or_default();
    assert!(subject.starts_with("20-people.kdl: ") && subject.len() > 2 * 64, "{audits:?}");
}

#[test]
fn two_who_write_at_once_and_an_editor_lose_nothing() {
    let switch = Switch::demo();
    let path = switch.ground.join(PEOPLE);
    let text = || fs::read_to_string(&path).expect("the demo's file");
    let (mut added, mut lost) = (Vec::new(), 0);
    for round in 0..4 {
        // Saved as editors do, while three commands are under way.
        let commands: Vec<_> = (0..3)
            .map(|n| {
                let skill = format!("skill \"s{round}{n}\"");
                let mut command = switch.command(&["plan", "insert", &skill, "--last-in", "20-people.kdl:"]);
                (skill, command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs"))
            })
            .collect();
        let saved = switch.ground.join("saved");
        fs::write(&saved, format!("{}// by hand {round}\n", text())).expect("a writable folder");
        let by_hand = fs::read_to_string(&saved).expect("written above");
        // An editor knows no lock: what it saves over is its own affair, what is saved over it is ours.
        let seen: Vec<String> = added.clone();
        fs::rename(&saved, &path).expect("a writable folder");
        assert!(seen.iter().all(|skill| by_hand.contains(skill)));
        let mut of_round = Vec::new();
        for (skill, child) in commands {
            let out = child.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            if out.status.success() {
                of_round.push(skill);
            } else {
                assert!(said.contains("changed since you read it"), "{said}");
                assert!(!text().contains(&skill), "{skill} was refused");
                lost += 1;
            }
        }
        assert!(text().contains(&format!("// by hand {round}\n")), "what was saved by hand stays");
        // What the editor saved over is what it had not read.
        added.extend(of_round.into_iter().filter(|skill| text().contains(skill.as_str())));
    }
    assert!(added.len() + lost >= 4 && added.iter().all(|skill| text().contains(skill)), "{added:?}\n{}", text());

    // Who wrote from an old text is told who was faster, and may carry over what touches nothing of it.
    let (_, token) = switch.access();
    let list = switch.get("/plan/files");
    let file = list["files"].as_array().and_then(|all| all.iter().find(|file| file["file"] == "20-people.kdl"));
    let base = json!({ "20-people.kdl": file.expect("in the list")["etag"] });
    let ring = |queue: &str, value: &str| json!({ "do": "set", "at": format!("queue {queue}"), "name": "ring", "value": value });
    let wish = |edit: Value, rebase: bool| {
        switch.post_as(&token, "/plan/edits", &json!({ "base": base, "edits": [edit], "rebase": rebase }))
    };
    assert_eq!(wish(ring("support", "21s"), false).0, 200);
    let (status, told) = wish(ring("support", "22s"), false);
    assert_eq!(status, 412, "{told}");
    assert!(told["conflicts"][0]["changes"][0]["by"].as_str().is_some_and(|by| by.contains("command line")), "{told}");
    assert_eq!(told["conflicts"][0]["nodes"], json!(["changed queue \"support\""]));
    assert_eq!(wish(ring("support", "22s"), true).0, 409);
    assert_eq!(wish(ring("sales", "23s"), true).0, 200);
    assert!(text().contains("ring \"21s\"") && text().contains("ring \"23s\""), "{}", text());
}

/// The demo's plan in another folder, with a queue in a file below it that is imported.
fn with_imported(switch: &Switch) -> PathBuf {
    let new = switch.ground.join("new");
    fs::create_dir_all(new.join("shared")).expect("a writable folder");
    for entry in fs::read_dir(switch.ground.join("var/demo")).expect("the demo's folder") {
        let path = entry.expect("the demo's folder").path();
        if path.extension().is_some_and(|kind| kind == "kdl") {
            let text = fs::read_to_string(&path).expect("a file of the demo");
            let import = if path.ends_with("20-people.kdl") { "import \"shared/extra.kdl\"\n" } else { "" };
            fs::write(new.join(path.file_name().expect("a file")), format!("{import}{text}")).expect("a writable folder");
        }
    }
    fs::write(new.join("shared/extra.kdl"), "queue \"extra\" {\n    ring \"15s\" // each\n}\n").expect("a writable folder");
    fs::write(new.join("shared/unread.kdl"), "nothing imports this {").expect("a writable folder");
    new
}

/// The texts of the generation in service, and what lies in the folder.
fn both(switch: &Switch) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let number = &switch.get("/plan")["generation"];
    wait::until_true("the generation in service is kept", || {
        let kept = switch.get("/plan/generations");
        kept["generations"].as_array().expect("a list").iter().any(|row| row["generation"] == *number)
    });
    let detail = switch.get(&format!("/plan/generations/{number}"));
    let word = |value: &Value| value.as_str().expect("a text").to_owned();
    let texts: BTreeMap<_, _> =
        detail["texts"].as_array().expect("a list").iter().map(|it| (word(&it["file"]), word(&it["text"]))).collect();
    let there = |name: &String| fs::read_to_string(switch.ground.join("var/demo").join(name)).ok();
    let there = texts.keys().filter_map(|name| Some((name.clone(), there(name)?))).collect();
    (texts, there)
}

#[test]
fn imported_files_go_with_every_generation_and_an_edit_is_one() {
    let mut switch = Switch::demo();
    let shared = switch.ground.join("var/demo/shared/extra.kdl");
    let new = with_imported(&switch);
    switch.cli(&["apply", new.to_str().expect("plain paths")]);
    let text = fs::read_to_string(&shared).expect("it was sent too");
    assert!(!shared.with_file_name("unread.kdl").exists());
    assert_eq!(switch.cli(&["plan", "show", "shared/extra.kdl"]), text);
    assert_eq!(switch.cli(&["plan", "files"]).matches("in-service").count(), 5);
    assert!(switch.cli(&["diff", "1", "2"]).contains("+++ b/shared/extra.kdl"));

    let list = switch.get("/plan/files");
    let set = ["plan", "set", "shared/extra.kdl: queue extra", "ring=20s", "--apply"];
    assert!(switch.cli(&[&set[..], &["-m", "longer"]].concat()).ends_with("written and in service\n"));
    assert_eq!(fs::read_to_string(&shared).expect("it stays"), text.replace("15s", "20s"));
    let row = wait::until("the edit is in service", wait::SOON, || {
        let row = switch.get("/plan/generations")["generations"][0].clone();
        (row["state"] == "in-service").then_some(row)
    });
    assert_eq!((&row["generation"], &row["how"], &row["message"]), (&json!(3), &json!("edit"), &json!("longer")));
    assert!(row["by"].as_str().is_some_and(|by| by.contains("command line")) && row["state"] == "in-service", "{row}");
    assert!(row["changes"].to_string().contains("queue `extra` changed"), "{row}");

    // What nobody remembers after a restart is in the history.
    switch.signal("TERM");
    switch.ended();
    switch.start_again();
    assert_eq!(switch.get("/plan")["generation"], 3, "a folder with imports is what it was");
    let files = list["files"].as_array().expect("a list");
    let base: BTreeMap<_, _> = files.iter().map(|file| (file["file"].as_str().expect("a name"), &file["etag"])).collect();
    let edit = json!({ "do": "set", "at": "queue extra", "name": "wrap-up", "value": "5s" });
    let (status, told) = switch.post_as(&switch.access().1, "/plan/edits", &json!({ "base": base, "edits": [edit] }));
    assert_eq!((status, &told["conflicts"][0]["known"]), (412, &json!(true)), "{told}");
    assert_eq!(told["conflicts"][0]["nodes"], json!(["changed queue \"extra\""]));

    switch.cli(&["rollback", "1"]);
    assert!(!shared.exists() && !shared.parent().is_some_and(Path::exists), "generation 1 has no such file");
    switch.cli(&["rollback", "3"]);
    assert_eq!(fs::read_to_string(&shared).expect("it is back"), text.replace("15s", "20s"));
    let (texts, there) = both(&switch);
    assert_eq!(texts, there);

    // A path that leads elsewhere is no plan's.
    for (file, reason) in [("../x.kdl", "is no path"), ("shared/lost.kdl", "no file imports"), ("shared/.x.kdl", "is no path")] {
        let files = json!([{ "file": file, "text": "skill \"x\"\n" }]);
        let (status, told) = switch.post_as(&switch.access().1, "/plan/apply", &json!({ "files": files }));
        assert!(status == 422 && told.to_string().contains(reason), "{file}: {status} {told}");
    }
}

#[test]
fn edits_and_applies_at_the_same_moment_do_not_mix() {
    let switch = Switch::demo();
    let new = with_imported(&switch);
    switch.cli(&["apply", new.to_str().expect("plain paths")]);
    let mut children = Vec::new();
    for n in 0..4 {
        let value = format!("ring={}s", 20 + n);
        let edit = ["plan", "set", "queue support", &value, "--apply"];
        let written = ["plan", "set", "queue sales", &value];
        let other = switch.ground.join(format!("new-{n}"));
        fs::create_dir_all(other.join("shared")).expect("a writable folder");
        for file in ["10-switch.kdl", "20-people.kdl", "30-routes.kdl", "90-tests.kdl", "shared/extra.kdl"] {
            let text = fs::read_to_string(new.join(file)).expect("written above");
            fs::write(other.join(file), format!("{text}// apply {n}\n")).expect("a writable folder");
        }
        let apply = ["apply", other.to_str().expect("plain paths")];
        for arguments in [&edit[..], &written, &apply] {
            let child = switch.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
            children.push((arguments.iter().any(|word| word.contains("apply")), child.expect("the program runs")));
        }
    }
    let mut taken = 2;
    for (applies, child) in children {
        let out = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success() || said.contains("changed since you read"), "{said}");
        taken += u64::from(out.status.success() && applies);
    }
    // Edits that nobody applied and an apply found are generations of their own.
    let rows = wait::until("every apply is written down", wait::SOON, || {
        let rows = switch.get("/plan/generations");
        rows["generations"].as_array().expect("a list").iter().all(|row| row["state"] != "applying").then_some(rows)
    });
    let rows = rows["generations"].as_array().expect("a list");
    let aside = rows.iter().filter(|row| row["state"] == "set-aside").count() as u64;
    assert_eq!(rows.len() as u64, taken + aside, "{rows:?}");
    assert!(rows.iter().all(|row| row["state"] != "failed" && row["state"] != "applying"), "{rows:?}");
    switch.cli(&["reload"]);
    let (texts, there) = both(&switch);
    assert_eq!(texts, there, "the folder is the plan in service");
    // Of an apply all files are there or none: the mark that each file ends with is the same.
    let mark = |text: &String| text.lines().last().filter(|line| line.starts_with("// apply")).map(str::to_owned);
    let marks: BTreeSet<_> = texts.values().map(mark).collect();
    assert_eq!(marks.len(), 1, "{marks:?}");
    let hidden = fs::read_dir(switch.ground.join("var/demo")).expect("its folder");
    let hidden: Vec<_> = hidden.map(|entry| entry.expect("its folder").file_name()).collect();
    assert!(hidden.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{hidden:?}");
}
