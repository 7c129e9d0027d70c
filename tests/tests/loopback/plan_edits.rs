//! The files of the plan, edited by name on a running switch: comments stay, and nobody's change is lost.

use std::{fs, process::Stdio};

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
    let audits = Journal::open(&switch).until("audit", 3, wait::SOON);
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
