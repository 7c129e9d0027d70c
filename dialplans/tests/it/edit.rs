//! Plans under edit: what is not meant stays as it is, byte by byte.

use std::path::Path;

use proptest::{prelude::*, test_runner::Config};
use tandem_dialplan::{Desk, Edit, NewValue, NotEdited, Source, Spot, check, read_sources};
use tandem_switch::name::PromptName;

use crate::world;

const PLAN: &str = r##"// The plan of the house.

realm "tandem"
country "IT"

// Those who help.
queue "support" {
    // Nobody waits longer.
    answer-target "20s" // as agreed

    ring "15s"
}
queue sales { ring "10s"; answer-target "30s" }

// First.
route "day" {
    from extension
    to "1000"
    menu "welcome" timeout="5s" tries=3 {
        press "1" { queue "sales" }
        press "2" {
            queue "support" priority=5
        }
        otherwise { hangup }
    }
}

// Second.
route "night" {
    from extension
    to #"1001"#
    play "goodbye" "closed"
    hangup
}
"##;

fn text(value: &str) -> NewValue {
    NewValue::Text(value.to_owned())
}

fn set(at: &str, name: &str, value: NewValue) -> Edit {
    Edit::Set { at: at.into(), name: name.into(), value }
}

fn insert(to: Spot, text: &str) -> Edit {
    Edit::Insert { to, text: text.into() }
}

fn desk(text: &str) -> Desk {
    Desk::new(vec![Source::new("10.kdl", text)])
}

fn edited(edits: &[Edit]) -> String {
    let mut desk = desk(PLAN);
    for edit in edits {
        desk.edit(edit).unwrap_or_else(|refused| panic!("{edit:?}: {refused}"));
    }
    desk.sources()[0].text.to_string()
}

/// `PLAN` with the only occurrence of one text replaced by another.
fn with(old: &str, new: &str) -> String {
    assert_eq!(PLAN.matches(old).count(), 1, "{old}");
    PLAN.replace(old, new)
}

fn refused(edit: &Edit) -> NotEdited {
    let mut desk = desk(PLAN);
    let refused = desk.edit(edit).expect_err("nothing else");
    assert_eq!(&*desk.sources()[0].text, PLAN);
    refused
}

#[test]
fn a_value_changes_and_nothing_else() {
    let menu = "route \"day\" > menu";
    for (edit, expected) in [
        (set(menu, "timeout", text("7s")), with("\"5s\"", "\"7s\"")),
        (set(menu, "tries", NewValue::Number(4)), with("tries=3", "tries=4")),
        (set(menu, "between", text("2s")), with("tries=3 {", "tries=3 between=\"2s\" {")),
        (set("queue support", "answer-target", text("30s")), with("\"20s\"", "\"30s\"")),
        (set("queue support", "answer-target", NewValue::Typed { typed: "30s".into() }), with("\"20s\"", "\"30s\"")),
        (set("queue sales", "wrap-up", text("5s")), with("\"30s\" }", "\"30s\"; wrap-up \"5s\" }")),
        (set("queue support", "wrap-up", text("5s")), with("    ring \"15s\"\n", "    ring \"15s\"\n\n    wrap-up \"5s\"\n")),
        (Edit::Unset { at: menu.into(), name: "timeout".into() }, with(" timeout=\"5s\"", "")),
        (
            Edit::Unset { at: "queue \"support\"".into(), name: "answer-target".into() },
            with("    // Nobody waits longer.\n    answer-target \"20s\" // as agreed\n\n", ""),
        ),
        (Edit::SetValue { at: "country".into(), nth: 1, value: text("DE") }, with("\"IT\"", "\"DE\"")),
        (Edit::SetValue { at: "route night > to".into(), nth: 1, value: text("1002") }, with("#\"1001\"#", "#\"1002\"#")),
        (
            Edit::SetValue { at: "route night > play".into(), nth: 3, value: text("busy") },
            with("\"closed\"", "\"closed\" \"busy\""),
        ),
        (
            Edit::InsertValue { at: "route night > play".into(), nth: 1, value: text("busy") },
            with("\"goodbye\"", "\"busy\" \"goodbye\""),
        ),
        (Edit::RemoveValue { at: "route night > play".into(), nth: 1 }, with("\"goodbye\" ", "")),
    ] {
        assert_eq!(edited(std::slice::from_ref(&edit)), expected, "{edit:?}");
    }
}

#[test]
fn nodes_come_and_go_with_their_comments() {
    let remove = |at: &str| Edit::Remove { at: at.into() };
    let night =
        "// Second.\nroute \"night\" {\n    from extension\n    to #\"1001\"#\n    play \"goodbye\" \"closed\"\n    hangup\n}\n";
    for (edit, expected) in [
        (remove("route night"), with(&format!("\n{night}"), "")),
        (
            remove("queue support > answer-target"),
            with("    // Nobody waits longer.\n    answer-target \"20s\" // as agreed\n\n", ""),
        ),
        (remove("queue sales > ring"), with("ring \"10s\"; answer", "answer")),
        (remove("queue sales > answer-target"), with("\"10s\"; answer-target \"30s\"", "\"10s\"")),
        (remove("route day > menu > press 1 > queue"), with("{ queue \"sales\" }", "{ }")),
        (
            insert(Spot::After("route \"day\" > menu > press 1".into()), "press \"3\" {\n\thangup\n}"),
            with("{ queue \"sales\" }\n", "{ queue \"sales\" }\n        press \"3\" {\n        \thangup\n        }\n"),
        ),
        (
            insert(Spot::Before("route night".into()), "\n// New.\nroute \"new\" {\n    hangup\n}\n"),
            with("// Second.", "// New.\nroute \"new\" {\n    hangup\n}\n\n// Second."),
        ),
        (insert(Spot::LastIn("10.kdl:".into()), "skill \"billing\""), format!("{PLAN}\nskill \"billing\"\n")),
        (insert(Spot::FirstIn("queue sales".into()), "wrap-up \"5s\""), with("{ ring \"10s\"", "{ wrap-up \"5s\"; ring \"10s\"")),
        (
            Edit::Replace { at: "route day > menu > press 2".into(), text: "press \"2\" {\n    hangup // so be it\n}".into() },
            with("            queue \"support\" priority=5\n", "            hangup // so be it\n"),
        ),
        (
            Edit::Move { at: "route night".into(), to: Spot::Before("route day".into()) },
            with(&format!("\n{night}"), "").replace("// First.", &format!("{night}\n// First.")),
        ),
        (
            Edit::Move { at: "route day > menu > press 1".into(), to: Spot::LastIn("route day > menu".into()) },
            with("        press \"1\" { queue \"sales\" }\n", "")
                .replace("otherwise { hangup }\n", "otherwise { hangup }\n        press \"1\" { queue \"sales\" }\n"),
        ),
        (
            Edit::Rename { noun: "queue".into(), name: "sales".into(), to: "shop".into() },
            with("queue sales", "queue \"shop\"").replace("{ queue \"sales\" }", "{ queue \"shop\" }"),
        ),
    ] {
        assert_eq!(edited(std::slice::from_ref(&edit)), expected, "{edit:?}");
    }
}

#[test]
fn texts_of_other_habits_keep_them() {
    let both = |before: &str, edit: &Edit, after: &str| {
        let mut desk = desk(before);
        desk.edit(edit).unwrap_or_else(|refused| panic!("{before:?}: {refused}"));
        assert_eq!(&*desk.sources()[0].text, after);
    };
    let ring = set("queue a", "ring", text("5s"));
    both("queue \"a\" {\r\n\twrap-up \"1s\"\r\n}\r\n", &ring, "queue \"a\" {\r\n\twrap-up \"1s\"\r\n\tring \"5s\"\r\n}\r\n");
    both("queue \"a\" {\n  // empty\n}", &ring, "queue \"a\" {\n  // empty\n  ring \"5s\"\n}");
    both("queue \"a\"", &ring, "queue \"a\" {\n    ring \"5s\"\n}");
    both("queue \"a\" {}", &ring, "queue \"a\" { ring \"5s\" }");
    both("queue \"a\" { wrap-up \"1s\"; }", &ring, "queue \"a\" { wrap-up \"1s\"; ring \"5s\"; }");
    both("queue \"a\" { wrap-up \"1s\" ; }", &ring, "queue \"a\" { wrap-up \"1s\" ; ring \"5s\"; }");
    both(
        "queue \"a\" { wrap-up \"1s\" ; ring \"5s\"; }",
        &Edit::Remove { at: "queue a > ring".into() },
        "queue \"a\" { wrap-up \"1s\" ; }",
    );
    both("skill \"b\"\nqueue \"a\" /* x */ // y", &Edit::Remove { at: "queue".into() }, "skill \"b\"");
    both("\u{feff}// x\nqueue \"a\"\nskill \"b\"\n", &Edit::Remove { at: "queue".into() }, "\u{feff}skill \"b\"\n");
    both("/- queue \"b\"\nqueue \"a\"\n", &ring, "/- queue \"b\"\nqueue \"a\" {\n    ring \"5s\"\n}\n");
    both("", &insert(Spot::LastIn("10.kdl:".into()), "skill \"b\""), "skill \"b\"\n");
    both("extensions from=1 \\\n    to=9\n", &set("extensions", "to", NewValue::Number(8)), "extensions from=1 \\\n    to=8\n");
}

#[test]
fn what_does_not_fit_is_refused_with_a_reason() {
    let menu = "route \"day\" > menu";
    for (edit, reason) in [
        (set("queue", "ring", text("5s")), "fits more than one node: 10.kdl: queue \"support\"; 10.kdl: queue \"sales\""),
        (
            set("queue suport", "ring", text("5s")),
            "there is no node `queue \"suport\"` there (did you mean `queue \"support\"`?)",
        ),
        (set(menu, "timeout", NewValue::Number(5)), "timeout: expected text, not a number"),
        (set(menu, "tries", text("3")), "tries: expected a whole number"),
        (set(menu, "tries", NewValue::Number(99)), "tries: expected a whole number from 1 to 10"),
        (set(menu, "timout", text("5s")), "`menu` has no `timout` that can be set (did you mean `timeout`?)"),
        (set("route day", "menu", text("x")), "`route` has no `menu`"),
        (Edit::Unset { at: menu.into(), name: "between".into() }, "`menu` has no `between` now"),
        (Edit::SetValue { at: "country".into(), nth: 2, value: text("DE") }, "`country` takes no more than 1 values"),
        (Edit::SetValue { at: "country".into(), nth: 3, value: text("DE") }, "`country` has 1 values; there is no place 3"),
        (Edit::SetValue { at: "country".into(), nth: 0, value: text("DE") }, "there is no place 0"),
        (Edit::RemoveValue { at: "country".into(), nth: 2 }, "there is no place 2"),
        (Edit::Remove { at: "11.kdl: country".into() }, "the plan has no file `11.kdl`"),
        (Edit::Remove { at: "10.kdl:".into() }, "it is a file"),
        (insert(Spot::After("country".into()), "// nothing"), "the text holds no node"),
        (insert(Spot::After("country".into()), "queue {"), "the text is not right"),
        (insert(Spot::After("country".into()), "} queue"), "closes nothing"),
        (insert(Spot::Before("country".into()), "skill \"b\" \\"), "the edit would change more than it says"),
        (insert(Spot::FirstIn("queue sales".into()), "a 1 // b"), "on one line"),
        (insert(Spot::FirstIn("queue sales".into()), "a {\n}"), "on one line"),
        (Edit::Replace { at: "country".into(), text: "a; b".into() }, "the text holds 2 nodes, not one"),
        (Edit::Move { at: "country".into(), to: Spot::FirstIn("queue support".into()) }, "moved among those beside it"),
        (
            Edit::Rename { noun: "queue".into(), name: "sale".into(), to: "x".into() },
            "there is no queue `sale` to rename (did you mean `sales`?)",
        ),
        (Edit::Rename { noun: "queue".into(), name: "sales".into(), to: "support".into() }, "there is already a queue `support`"),
        (Edit::Rename { noun: "queue".into(), name: "sales".into(), to: "a\" { }".into() }, "is no name"),
    ] {
        let told = refused(&edit).to_string();
        assert!(told.contains(reason), "{edit:?}: {told}");
    }
    let mut broken = desk("queue \"a\" {\n  ring 5s\n}\nskill");
    let told = broken.edit(&set("skill", "x", text("5s"))).unwrap_err().to_string();
    assert!(told.starts_with("10.kdl:2: ") && told.ends_with("mend it first, or write the whole file"), "{told}");
}

#[test]
fn edits_are_written_as_json() {
    let json = r#"[{"do":"set","at":"queue a","name":"ring","value":"5s"},
        {"do":"set-value","at":"x","nth":1,"value":{"typed":"7"}},
        {"do":"insert","to":{"after":"queue a"},"text":"queue b"},
        {"do":"move","at":"x","to":{"first-in":"10.kdl:"}}]"#;
    let edits: Vec<Edit> = serde_json::from_str(json).unwrap();
    assert_eq!(edits[2], insert(Spot::After("queue a".into()), "queue b"));
    assert_eq!(serde_json::from_str::<Vec<Edit>>(&serde_json::to_string(&edits).unwrap()).unwrap(), edits);
    assert!(serde_json::from_str::<Edit>(r#"{"do":"remove","at":"x","force":true}"#).is_err());
    assert!(serde_json::from_str::<Edit>(r#"{"do":"set","at":"x","name":"y","value":null}"#).is_err());
}

/// Every file of the plans that ship, that are tested and that are wrong on purpose, without what tests expect of them.
fn files() -> Vec<Source> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["demo", "tests/calls", "tests/wrong"];
    let all = folders.iter().flat_map(|folder| read_sources(&home.join(folder)).unwrap());
    let plans = all.filter(|source| source.path.ends_with(".kdl"));
    plans.map(|source| Source::new(source.path, source.text.split("//~").next().unwrap_or_default())).collect()
}

/// Both are the same; else where they begin to differ.
fn same(now: &str, before: &str, what: &str) {
    if now != before {
        let at = now.chars().zip(before.chars()).take_while(|(a, b)| a == b).count();
        let around = |text: &str| text.chars().skip(at.saturating_sub(60)).take(120).collect::<String>();
        panic!("{what}\n--- before\n{}\n--- now\n{}", around(before), around(now));
    }
}

/// Every node of a file that can be addressed, found the slow way: by asking for each child by number.
fn addresses(desk: &mut Desk, names: &[&str]) -> Vec<String> {
    let file = desk.sources()[0].file_name().to_owned();
    let mut open = vec![format!("{file}:")];
    let mut found = Vec::new();
    while let Some(parent) = open.pop() {
        let joint = if parent.ends_with(':') { " " } else { " > " };
        for name in names {
            for nth in 1.. {
                let address = format!("{parent}{joint}{name}[{nth}]");
                // What it depends on is told before anything is changed; this changes nothing.
                let Ok(touched) = desk.edit(&Edit::Move { at: address.clone(), to: Spot::Before(address.clone()) }) else {
                    break;
                };
                assert_eq!(touched[0].file, file);
                open.push(touched[0].address.clone());
                found.push(touched[0].address.clone());
            }
        }
    }
    found
}

/// Words that begin a line or a block somewhere: names of nodes, and what is none.
fn names(text: &str) -> Vec<&str> {
    let mut names: Vec<_> = text
        .split(['\n', '{', ';'])
        .filter_map(|part| part.trim().split([' ', '{', '}', '"']).next())
        .filter(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

const NODES_OF_A_FILE: usize = 10;

#[test]
fn nodes_of_every_plan_are_edited_and_come_back() {
    let (mut nodes, mut unread) = (0, 0);
    for source in files() {
        let before = source.text.clone();
        let mut desk = Desk::new(vec![Source::new(source.file_name(), before.clone())]);
        let file = source.file_name().to_owned();
        match desk.edit(&insert(Spot::LastIn(format!("{file}:")), "skill \"probe\"")) {
            Ok(_) => {
                desk.edit(&Edit::Remove { at: "skill probe".into() }).unwrap();
                same(&desk.sources()[0].text, &before, &file);
            }
            // What is no KDL is left alone.
            Err(NotEdited::Unread { .. }) => {
                unread += 1;
                continue;
            }
            Err(other) => panic!("{file}: {other}"),
        }
        let all = addresses(&mut desk, &names(&before));
        // Of large files some nodes, at all depths: each is some texts to parse.
        for address in all.iter().step_by(all.len() / NODES_OF_A_FILE + 1) {
            nodes += 1;
            there_and_back(&mut desk, address, &before);
        }
    }
    assert!(nodes > 150 && unread < 6, "{nodes} nodes, {unread} files that are no KDL");
}

fn there_and_back(desk: &mut Desk, address: &str, before: &str) {
    let text_of = |desk: &Desk| desk.sources()[0].text.to_string();
    let place = |at: &str| Edit::Move { at: at.into(), to: Spot::Before(at.into()) };
    let node = desk.edit(&place(address)).unwrap().remove(0);
    // Nodes of one line may have the same text.
    let begins = before.match_indices(&node.text).map(|(at, _)| at);
    let begins: Vec<_> = begins.filter(|at| before[..*at].matches('\n').count() + 1 == node.line as usize).collect();

    // A neighbour comes and goes.
    for spot in [Spot::Before(address.into()), Spot::After(address.into())] {
        desk.edit(&insert(spot.clone(), "probe \"x\"")).unwrap_or_else(|refused| panic!("{address}: {refused}"));
        let with = text_of(desk);
        assert!(with.contains("probe \"x\"") && with.len() > before.len());
        let probe = match address.rsplit_once(" > ") {
            Some((parent, _)) => format!("{parent} > probe"),
            None => "probe".to_owned(),
        };
        desk.edit(&Edit::Remove { at: probe }).unwrap_or_else(|refused| panic!("{address} {spot:?}: {refused}"));
        same(&text_of(desk), before, &format!("{spot:?}"));
    }
    // Another takes its place, and it comes back; what stands around it stays.
    desk.edit(&Edit::Replace { at: address.into(), text: "probe \"x\"".into() }).unwrap();
    let with = text_of(desk);
    let replaced = |at: &usize| format!("{}probe \"x\"{}", &before[..*at], &before[at + node.text.len()..]);
    if begins.iter().all(|at| replaced(at) != with) {
        same(&with, &replaced(&begins[0]), address);
    }
    let there = address.rsplit_once(" > ").map_or_else(|| "probe".into(), |(parent, _)| format!("{parent} > probe"));
    desk.edit(&Edit::Replace { at: there, text: node.text.clone() }).unwrap_or_else(|refused| panic!("{address}: {refused}"));
    same(&text_of(desk), before, address);
    // Gone: only its own lines and blank ones are.
    let mut other = desk.clone();
    other.edit(&Edit::Remove { at: address.into() }).unwrap_or_else(|refused| panic!("{address}: {refused}"));
    let without = text_of(&other);
    let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
    assert!(without.len() < before.len() && solid(&without) + solid(&node.text) <= solid(before), "{address}");
}

proptest! {
    #![proptest_config(Config::with_cases(256))]

    /// Whatever a value says, it is a value: nothing else of the plan changes, and it can be taken back.
    #[test]
    fn no_value_becomes_anything_else(value in "\\PC{0,20}|[\"\\\\{}#;/*\\- \n]{0,12}", nth in 1_usize..4) {
        for (at, like) in [("route night > play", "\"goodbye\""), ("route night > to", "#\"1001\"#"), ("queue sales", "sales")] {
            let mut desk = desk(PLAN);
            let edit = Edit::SetValue { at: at.into(), nth, value: text(&value) };
            match desk.edit(&edit) {
                Ok(_) => {
                    let now = desk.sources()[0].text.to_string();
                    if nth == 1 {
                        let back = Edit::SetValue { at: format!("10.kdl: {}", if at.starts_with("queue") { "queue[2]" } else { at }), nth, value: text(like.trim_matches(['"', '#'])) };
                        desk.edit(&back).unwrap();
                        let same = desk.sources()[0].text.replace("queue \"sales\" {", "queue sales {").replace("to \"1001\"", "to #\"1001\"#");
                        prop_assert_eq!(same, PLAN, "{}", now);
                    }
                }
                Err(refused) => {
                    let kinds = matches!(refused, NotEdited::Value { .. } | NotEdited::Full { .. } | NotEdited::NoValue { .. });
                    prop_assert!(kinds, "{}", refused);
                    prop_assert_eq!(&*desk.sources()[0].text, PLAN);
                }
            }
        }
    }

    /// Whatever text is to be inserted, the old nodes stay what they were, or nothing changes.
    #[test]
    fn no_text_reaches_beyond_its_place(text in "(skill|a|\"|\\{|\\}|\\\\|/-|//|/\\*|\\*/|#|\n|;| ){0,12}", before in any::<bool>()) {
        let mut desk = desk(PLAN);
        let spot = if before { Spot::Before("route night".into()) } else { Spot::After("queue support > answer-target".into()) };
        if desk.edit(&insert(spot, &text)).is_ok() {
            let now = desk.sources()[0].text.to_string();
            let at = PLAN.bytes().zip(now.bytes()).take_while(|(a, b)| a == b).count();
            prop_assert!(PLAN[at..].len() < now.len() - at && now.ends_with(PLAN[at..].trim_start()), "{}", now);
        }
    }
}

#[test]
fn the_demo_stays_right_under_edit() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    let mut desk = Desk::new(read_sources(&home).unwrap());
    let routes = desk.edit(&Edit::Move { at: "route \"sales\"".into(), to: Spot::Before("route \"support\"".into()) }).unwrap();
    assert_eq!(routes.len(), 2);
    desk.edit(&Edit::Rename { noun: "queue".into(), name: "sales".into(), to: "shop".into() }).unwrap();
    desk.edit(&set("queue \"support\"", "answer-target", text("25s"))).unwrap();
    let mut world = world();
    for prompts in world.prompts.values_mut() {
        prompts.extend(["agent-signed-out", "agent-ready", "agent-not-ready"].map(PromptName::from));
    }
    let (plan, report) = check(desk.sources(), &world);
    assert!(plan.is_some(), "{}", report.lines());
    for (edit, back) in [
        (Edit::Move { at: "route sales".into(), to: Spot::After("route support".into()) }, "routes"),
        (Edit::Rename { noun: "queue".into(), name: "shop".into(), to: "sales".into() }, "names"),
        (set("queue support", "answer-target", text("20s")), "values"),
    ] {
        desk.edit(&edit).unwrap_or_else(|refused| panic!("{back}: {refused}"));
    }
    let original = read_sources(&home).unwrap();
    for (now, before) in desk.sources().iter().zip(&original) {
        same(&now.text, &before.text, &before.path);
    }
}
