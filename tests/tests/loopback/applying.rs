//! Plans on a running switch: applied, for all calls or some; taken back by hand or by themselves; killed half-way.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::{collections::BTreeMap, fs, path::PathBuf, thread};

use serde_json::{Value, json};
use tandem_tests::{sipp::Script, switch::Switch, wait};

use crate::TEAM;

/// The last route answers, then refuses as busy.
fn busy() -> String {
    changed("play \"not-found\"\n    hangup \"not-found\"", "hangup \"busy\"")
}

fn changed(old: &str, new: &str) -> String {
    let text = TEAM.replace(old, new);
    assert_ne!(text, TEAM);
    text
}

/// Writes a plan beside that of the switch; its folder.
fn folder(switch: &Switch, name: &str, text: &str) -> String {
    let folder = switch.ground.join(name);
    fs::create_dir_all(&folder).expect("a writable folder");
    fs::write(folder.join("plan.kdl"), text.replace("{carrier}", &switch.ground.carrier_network())).expect("a writable folder");
    folder.to_str().expect("plain paths").to_owned()
}

/// What lies in the folder of the switch.
fn on_disk(switch: &Switch) -> String {
    fs::read_to_string(switch.ground.join("plan/plan.kdl")).expect("the plan of the switch")
}

fn written(switch: &Switch, text: &str) -> String {
    text.replace("{carrier}", &switch.ground.carrier_network())
}

/// Runs the command line; exit status, and all that it said.
fn run(switch: &Switch, arguments: &[&str]) -> (Option<i32>, String) {
    let out = switch.command(arguments).output().expect("the program runs");
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

fn refused(switch: &Switch, users: &[&str], number: &str, code: &str) {
    let script = Script::new("caller-refused", switch).set("code", code);
    users.iter().fold(script, |script, user| script.user(switch, user)).dial(number).start().succeed();
}

fn generation_of(switch: &Switch, from: &str) -> u64 {
    switch.until_cdr(from)["generation"].as_u64().expect("a number")
}

fn history(switch: &Switch) -> Vec<Value> {
    switch.get("/plan/generations")["generations"].as_array().expect("a list").clone()
}

/// A generation in the history; waits until it is in this state.
fn until_state(switch: &Switch, generation: u64, state: &str) -> Value {
    wait::until(&format!("generation {generation} is {state}"), wait::SOON, || {
        history(switch).into_iter().find(|row| row["generation"] == generation && row["state"] == state)
    })
}

#[test]
fn a_plan_is_applied_and_a_bad_one_changes_nothing() {
    let switch = Switch::with_plan(TEAM);
    refused(&switch, &["1011"], "4711", "404");
    let new = folder(&switch, "new", &busy());

    let dry = switch.cli(&["apply", &new, "--dry-run"]);
    assert!(
        dry.contains("+    hangup \"busy\"") && dry.contains("route `unknown` changed") && dry.contains("nothing was changed"),
        "{dry}"
    );
    assert_eq!(on_disk(&switch), written(&switch, TEAM));

    let said = switch.cli(&["apply", &new, "--message", "they are busy", "--onto", "1"]);
    assert!(said.starts_with("Generation 2 is in service.\n") && said.contains("plan.kdl: +1 -2 lines"), "{said}");
    refused(&switch, &["1012"], "4711", "486");
    assert_eq!([generation_of(&switch, "1011"), generation_of(&switch, "1012")], [1, 2]);
    assert_eq!(on_disk(&switch), written(&switch, &busy()), "the folder agrees with what runs");

    let bad = folder(
        &switch,
        "bad",
        &busy().replace("queue \"support\"\n}\n\nroute \"menu\"", "queue \"suport\"\n}\n\nroute \"menu\""),
    );
    let line =
        1 + fs::read_to_string(switch.ground.join("bad/plan.kdl")).unwrap().lines().position(|l| l.contains("suport")).unwrap();
    let (code, said) = run(&switch, &["apply", &bad]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&format!("error: plan.kdl:{line}:")) && said.contains("suport") && said.contains("in service stays"),
        "{said}"
    );
    assert_eq!(switch.get("/plan")["generation"], 2);
    assert_eq!(on_disk(&switch), written(&switch, &busy()));
    let (code, said) = run(&switch, &["apply", &new, "--onto", "1"]);
    assert!(code == Some(1) && said.contains("somebody was faster"), "{said}");

    let told = switch.cli(&["history"]);
    assert!(told.contains("they are busy") && told.contains("generation 2 took its place"), "{told}");
    let diff = switch.cli(&["diff", "1"]);
    assert!(diff.contains("-    hangup \"not-found\"") && diff.contains("route `unknown` changed"), "{diff}");
    let said = switch.cli(&["rollback", "--message", "they are not"]);
    assert!(said.starts_with("Generation 3 is in service.\n"), "{said}");
    refused(&switch, &["1013"], "4711", "404");
    assert_eq!(on_disk(&switch), written(&switch, TEAM));
    let bad = until_state(&switch, 2, "rolled-back");
    assert_eq!(bad["why"], "back to generation 1: they are not");
    assert_eq!(history(&switch)[0]["how"], "rollback to 1");
    let kinds: Vec<String> = history(&switch).iter().map(|row| row["state"].to_string()).collect();
    assert_eq!(kinds, ["\"in-service\"", "\"rolled-back\"", "\"replaced\""]);
}

#[test]
fn what_lay_in_the_folder_and_was_not_in_service_is_not_lost() {
    let mut switch = Switch::with_plan(TEAM);
    let mine = format!("{TEAM}\n// Mine, not loaded yet.\n");
    let _folder = switch.ground.plan(&mine);
    let new = folder(&switch, "new", &busy());
    let said = switch.cli(&["apply", &new]);
    assert!(said.contains("kept as generation 2") && said.contains("Generation 3 is in service"), "{said}");
    let aside = switch.get("/plan/generations/2");
    assert_eq!((&aside["state"], &aside["how"]), (&json!("set-aside"), &json!("folder")));
    assert_eq!(aside["texts"][0]["text"], json!(written(&switch, &mine)));

    // A start without news is no generation; one with news is told as such.
    switch.signal("TERM");
    switch.ended();
    switch.start_again();
    assert_eq!(switch.get("/plan")["generation"], 3);
    switch.signal("TERM");
    switch.ended();
    let _folder = switch.ground.plan(&mine);
    switch.start_again();
    assert_eq!((&switch.get("/plan")["generation"], &history(&switch)[0]["how"]), (&json!(4), &json!("start")));
    let gone = until_state(&switch, 3, "replaced");
    assert_eq!(gone["why"], "the folder held another plan at the start: generation 4");
    refused(&switch, &["1011"], "4711", "404");
    let said = switch.cli(&["reload"]);
    assert!(said.starts_with("Generation 5 is in service"), "{said}");
}

#[test]
fn a_canary_takes_its_numbers_and_outlives_a_restart() {
    let mut switch = Switch::with_plan(TEAM);
    let new = folder(&switch, "new", &busy());
    let said = switch.cli(&["apply", &new, "--canary-number", "1012", "--canary-number", "4712"]);
    assert!(said.starts_with("Generation 2 is a canary beside generation 1.\n"), "{said}");
    let calls = |switch: &Switch, [caller, canary, dialled]: [&str; 3]| {
        refused(switch, &[caller], "4711", "404");
        refused(switch, &[canary], "4711", "486");
        refused(switch, &[dialled], "4712", "486");
        assert_eq!([caller, canary, dialled].map(|from| generation_of(switch, from)), [1, 2, 2]);
    };
    calls(&switch, ["1011", "1012", "1013"]);
    assert_eq!((&switch.get("/plan")["generation"], &switch.get("/plan")["canary"]), (&json!(1), &json!(2)));
    assert_eq!(on_disk(&switch), written(&switch, TEAM), "the folder holds what a start is to find");

    let (code, said) = run(&switch, &["apply", &new, "--canary", "5%"]);
    assert!(code == Some(1) && said.contains("generation 2 is a canary already"), "{said}");
    switch.kill9();
    switch.start_again();
    refused(&switch, &["1014"], "4712", "486");
    refused(&switch, &["1015"], "4711", "404");
    assert_eq!(switch.metric("tandem_plan_canary_generation"), 2.0);

    let said = switch.cli(&["apply", "--promote", "--message", "good"]);
    assert!(said.starts_with("Generation 2 is in service.\n"), "{said}");
    refused(&switch, &["1016"], "4711", "486");
    assert_eq!(on_disk(&switch), written(&switch, &busy()));
    assert_eq!(
        (until_state(&switch, 2, "in-service")["percent"].as_f64(), &switch.get("/plan")["canary"]),
        (Some(0.0), &json!(null))
    );
    until_state(&switch, 1, "replaced");
}

#[test]
fn a_canary_takes_its_share_of_callers_the_same_ones_each_time() {
    let switch = Switch::with_plan(TEAM);
    let new = folder(&switch, "new", &changed("play \"not-found\"", "play \"goodbye\""));
    switch.cli(&["apply", &new, "--canary", "50%", "--watch", "off"]);
    let users: Vec<String> = (1001..=1020).map(|user| user.to_string()).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    refused(&switch, &users, "4711", "404");
    refused(&switch, &users, "4711", "404");
    let mut plans: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for cdr in switch.until_cdrs("cause=not-found", 40) {
        plans.entry(cdr["from"].as_str().unwrap().to_owned()).or_default().push(cdr["generation"].as_u64().unwrap());
    }
    assert!(plans.values().all(|both| both.len() == 2 && both[0] == both[1]), "{plans:?}");
    let taken = plans.values().filter(|both| both[0] == 2).count();
    assert!((3..=17).contains(&taken), "{taken} of 20: {plans:?}");

    let said = switch.cli(&["rollback"]);
    assert!(said.contains("Generation 1 is in service") && said.contains("takes no calls any more"), "{said}");
    refused(&switch, &users[..1], "4711", "404");
    until_state(&switch, 2, "rolled-back");
}

#[test]
fn a_canary_that_differs_in_what_is_there_once_is_refused() {
    let switch = Switch::with_plan(TEAM);
    let new = folder(&switch, "new", &changed("    max-missed 1\n", "    max-missed 2\n"));
    let (code, said) = run(&switch, &["apply", &new, "--canary", "10%"]);
    assert!(code == Some(1) && said.contains("queue `support` changed"), "{said}");
    let evil = json!({ "files": [{ "file": "../../evil.kdl", "text": "" }] });
    let (status, told) = switch.post_as(&switch.access().1, "/plan/apply", &evil);
    assert!(status == 422 && told["problems"][0]["message"].as_str().unwrap().contains("no path"), "{told}");
    assert_eq!(history(&switch).len(), 1);
}

/// Without the route that calls are for.
fn without_support() -> String {
    let (begin, end) = (TEAM.find("route \"unknown\"").unwrap(), TEAM.len());
    TEAM.replace(&TEAM[begin..end], "")
}

#[test]
fn a_plan_whose_calls_go_wrong_goes_by_itself() {
    let switch = Switch::with_plan(TEAM);
    let new = folder(&switch, "new", &without_support());
    switch.cli(&["apply", &new, "--watch", "5m", "--max-errors", "10%", "--min-calls", "4"]);
    assert_eq!(on_disk(&switch), written(&switch, &without_support()));
    // Three are too few.
    refused(&switch, &["1011", "1012", "1013"], "4711", "404");
    switch.until_cdrs("cause=not-found", 3);
    assert_eq!(switch.get("/plan")["generation"], 2);
    refused(&switch, &["1014"], "4711", "404");
    let bad = until_state(&switch, 2, "rolled-back");
    assert_eq!(bad["changed_by"], "watch");
    let why = bad["why"].as_str().unwrap();
    assert!(why.contains("back to generation 1") && why.contains("4 of 4 calls went wrong"), "{why}");
    wait::until_true("the plan before is back", || switch.get("/plan")["generation"] == 3);
    assert_eq!(on_disk(&switch), written(&switch, TEAM), "a restart would not bring it back");
    assert_eq!(switch.metric("tandem_plan_taken_back_total"), 1.0);
    assert!(switch.cli(&["history"]).contains("found no route although generation 1 has one"));
    refused(&switch, &["1015"], "4711", "404");
    assert_eq!(switch.until_cdr("1015")["route"], "unknown");
}

#[test]
fn a_watch_goes_on_after_a_restart_and_ends_a_canary() {
    let mut switch = Switch::with_plan(TEAM);
    let new = folder(&switch, "new", &without_support());
    switch.cli(&["apply", &new, "--canary", "100%", "--min-calls", "2"]);
    switch.kill9();
    switch.start_again();
    refused(&switch, &["1011", "1012"], "4711", "404");
    let bad = until_state(&switch, 2, "rolled-back");
    assert!(bad["changed_by"] == "watch" && bad["why"].as_str().unwrap().contains("2 of 2 calls"), "{bad}");
    wait::until_true("the canary is gone", || switch.get("/plan")["canary"].is_null());
    refused(&switch, &["1013"], "4711", "404");
    let record = switch.until_cdr("1013");
    assert_eq!((&record["generation"], &record["route"]), (&json!(1), &json!("unknown")));
}

/// Three files instead of one.
fn three_files(switch: &Switch, name: &str, text: &str) -> String {
    let path = PathBuf::from(folder(switch, name, text));
    let whole = fs::read_to_string(path.join("plan.kdl")).unwrap();
    let (head, routes) = whole.split_at(whole.find("route \"support\"").unwrap());
    let (first, last) = routes.split_at(routes.find("route \"echo\"").unwrap());
    for (file, text) in [("10-head.kdl", head), ("20-first.kdl", first), ("30-last.kdl", last)] {
        fs::write(path.join(file), text).unwrap();
    }
    fs::remove_file(path.join("plan.kdl")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn files_on_disk(switch: &Switch) -> Vec<String> {
    let names = fs::read_dir(switch.ground.join("plan")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_kill_in_the_middle_of_an_apply_leaves_a_whole_plan() {
    let mut switch = Switch::with_plan(TEAM);
    let fault = switch.ground.join("plan/fault-after");
    fs::write(&fault, "1").unwrap();
    let new = three_files(&switch, "new", &busy());
    let (code, said) = run(&switch, &["apply", &new]);
    assert_ne!(code, Some(0), "{said}");
    switch.ended();
    fs::remove_file(fault).unwrap();
    assert_eq!(files_on_disk(&switch).iter().filter(|name| name.ends_with(".kdl") && !name.starts_with('.')).count(), 2, "half");
    switch.start_again();
    assert!(switch.log().contains("that is completed"), "{}", switch.log());
    assert_eq!(files_on_disk(&switch), ["10-head.kdl", "20-first.kdl", "30-last.kdl"]);
    assert_eq!(switch.get("/plan")["generation"], 2);
    refused(&switch, &["1011"], "4711", "486");
    until_state(&switch, 2, "in-service");
    until_state(&switch, 1, "replaced");
}

#[test]
fn applies_at_the_same_time_go_one_after_the_other() {
    let switch = Switch::with_plan(TEAM);
    let plans: Vec<String> = (0..3).map(|n| folder(&switch, &format!("new-{n}"), &format!("{}\n// {n}\n", busy()))).collect();
    let applies: Vec<_> = plans
        .iter()
        .map(|plan| {
            let mut command = switch.command(&["apply", plan]);
            thread::spawn(move || command.output().expect("the program runs"))
        })
        .collect();
    for apply in applies {
        let out = apply.join().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }
    let last = switch.get("/plan");
    assert_eq!(last["generation"], 4);
    let detail = switch.get("/plan/generations/4");
    assert_eq!(detail["texts"][0]["text"], json!(on_disk(&switch)), "the folder holds the one that came last");
    until_state(&switch, 4, "in-service");
    until_state(&switch, 3, "replaced");
    let states: Vec<Value> = history(&switch).iter().map(|row| row["state"].clone()).collect();
    assert_eq!(states.iter().filter(|state| *state == "in-service").count(), 1, "{states:?}");
    assert_eq!(states.iter().filter(|state| *state == "replaced").count(), 3, "{states:?}");
}
