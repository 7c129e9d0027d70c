//! What an editor is told about plans, finished and not. In the texts `|` is the cursor.

use std::{path::Path, sync::Arc};

use proptest::{prelude::*, test_runner::Config};
use tandem_dialplan::{Draft, Location, NotRenamed, Source, read_sources};

use crate::{
    fuzz::{mutate, seeds},
    world,
};

const PEOPLE: &str = r#"
skill "billing"
// Those who help.
queue "support" {
    ring "15s"
}
queue "sales"
trunk "carrier" { peer "udp" "sip.example.com:5060"; }
schedule "office" { open "mon-fri" "08:00-18:00"; }
"#;

/// A draft of two files and the place of the cursor in the second.
fn draft(text: &str) -> (Draft, Location) {
    let offset = text.find('|').expect("a cursor");
    let sources = vec![Source::new("10.kdl", PEOPLE), Source::new("20.kdl", text.replacen('|', "", 1))];
    (Draft::new(sources, world()), Location { file: 1, offset: u32::try_from(offset).unwrap(), length: 0 })
}

/// The labels of what is proposed.
fn proposed(text: &str) -> Vec<String> {
    let (draft, at) = draft(text);
    draft.complete(at).into_iter().map(|completion| completion.label).collect()
}

/// The text with the proposal of that name taken.
fn completed(text: &str, label: &str) -> String {
    let (draft, at) = draft(text);
    let all = draft.complete(at);
    let taken = all.iter().find(|completion| completion.label == label).unwrap_or_else(|| panic!("{label} among {all:?}"));
    let mut text = draft.sources()[1].text.to_string();
    let from = taken.replace.offset as usize;
    text.replace_range(from..from + taken.replace.length as usize, &taken.insert);
    text
}

fn has(all: &[String], wanted: &str) -> bool {
    all.iter().any(|label| label == wanted)
}

/// Each place as `file:text`.
fn places(draft: &Draft, found: &[Location]) -> Vec<String> {
    let shown = found.iter().map(|at| {
        let source = &draft.sources()[usize::from(at.file)];
        let (from, to) = (at.offset as usize, (at.offset + at.length) as usize);
        let line = source.text[..from].matches('\n').count() + 1;
        format!("{}:{line}:{}", source.path, &source.text[from..to])
    });
    shown.collect()
}

#[test]
fn nodes_are_proposed_where_they_may_stand() {
    let top = proposed("|");
    assert!(has(&top, "route") && has(&top, "trunk") && !has(&top, "play"), "{top:?}");
    let route = proposed("route \"r\" {\n    pl|\n}");
    assert!(has(&route, "play") && has(&route, "from") && !has(&route, "trunk"), "{route:?}");
    let menu = proposed("route \"r\" {\n    menu \"welcome\" {\n        |\n    }\n}");
    assert!(has(&menu, "press") && !has(&menu, "play"), "{menu:?}");
    assert_eq!(completed("route \"r\" {\n    pl|\n}", "play"), "route \"r\" {\n    play\n}");
    assert_eq!(proposed("nonsense {\n    |\n}"), Vec::<String>::new());
}

#[test]
fn unfinished_texts_are_completed_as_well() {
    let open = proposed("route \"r\" {\n    from extension\n    menu \"welcome\" {\n        press \"1\" { que|");
    assert!(has(&open, "queue") && has(&open, "hangup"), "{open:?}");
    let after = proposed("route \"r\" {\n    menu \"welcome\" {\n\nroute \"s\" {\n    |\n}");
    assert!(has(&after, "from") && !has(&after, "press"), "the brace of another route is not closed: {after:?}");
    assert_eq!(completed("route \"r\" {\n    queue \"sup|", "support"), "route \"r\" {\n    queue \"support\"");
    assert_eq!(completed("route \"r\" {\n    queue \"sup| }\n}", "support"), "route \"r\" {\n    queue \"support\" }\n}");
    assert_eq!(completed("route \"r\" {\n    queue \"|\"\n}", "sales"), "route \"r\" {\n    queue \"sales\"\n}");
    assert_eq!(completed("route \"r\" {\n    queue |\n}", "sales"), "route \"r\" {\n    queue \"sales\"\n}");
    // Names of a file with a mistake are known all the same.
    let own = proposed("queue \"own\" {{ ring\nroute \"r\" {\n    queue \"|");
    assert_eq!(own, ["own", "sales", "support"]);
}

#[test]
fn values_are_proposed_by_what_the_table_wants() {
    assert_eq!(proposed("route \"r\" {\n    queue \"support\" skill=|\n}"), ["billing"]);
    assert_eq!(proposed("route \"r\" {\n    dial number=\"1\" trunk=\"c|\"\n}"), ["carrier"]);
    assert_eq!(proposed("route \"r\" {\n    goto \"|\"\n}\nroute \"s\" { hangup; }"), ["r", "s"]);
    let flags = proposed("extensions from=1 to=2 redirects=|");
    assert_eq!(flags, ["#true", "#false"]);
    let words = proposed("extensions from=1 to=2 media-keys=\"|\"");
    assert!(has(&words, "sdes") && has(&words, "dtls"), "{words:?}");
    let prompts = proposed("route \"r\" {\n    play |\n}");
    assert!(has(&prompts, "goodbye") && has(&prompts, "music/hold") && !has(&prompts, "digits/1"), "{prompts:?}");
}

#[test]
fn properties_are_proposed_once() {
    let open = proposed("extensions from=1 |");
    assert!(has(&open, "to") && has(&open, "dtmf") && !has(&open, "from"), "{open:?}");
    assert_eq!(completed("extensions from=1 t|", "to"), "extensions from=1 to=");
    assert_eq!(completed("extensions fr|=1", "from"), "extensions from=1");
}

#[test]
fn nothing_is_proposed_in_comments_and_left_out_nodes() {
    for text in
        ["// rou|", "// |", "/* ro|ute */", "/-route \"r\" {\n    pl|\n}", "route \"r\" {\n    /-play \"|\"\n}", "route \"r\"|"]
    {
        assert_eq!(proposed(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn words_are_explained_from_the_table() {
    let hover = |text| draft(text).0.hover(draft(text).1).map(|hover| hover.markdown);
    let node = hover("que|ue \"x\"").unwrap();
    assert!(node.starts_with("- **`queue`** *name*") && node.contains("A waiting line."), "{node}");
    let step = hover("route \"r\" {\n    qu|eue \"support\"\n}").unwrap();
    assert!(step.contains("`skill=` (skill): required of the agent"), "{step}");
    let prop = hover("route \"r\" {\n    queue \"support\" sk|ill=\"billing\"\n}").unwrap();
    assert_eq!(prop, "`skill=` (skill): required of the agent");
    let word = hover("extensions from=1 to=2 dtmf=\"in|fo\"").unwrap();
    assert!(word.starts_with("`dtmf=` (`auto` or"), "{word}");
    assert_eq!(hover("route \"r\" {|\n}"), None);
    assert_eq!(hover("// que|ue"), None);
    assert_eq!(hover("quue|e \"x\""), None);
}

#[test]
fn a_reference_shows_what_it_leads_to() {
    let hover = |text| draft(text).0.hover(draft(text).1).unwrap().markdown;
    let queue = hover("route \"r\" {\n    queue \"sup|port\"\n}");
    assert!(queue.ends_with("```kdl\n// Those who help.\nqueue \"support\" {\n    ring \"15s\"\n}\n```\n10.kdl:4"), "{queue}");
    assert!(hover("route \"r\" {\n    queue \"su|port\"\n}").ends_with("There is no queue `suport`."));
    assert!(hover("route \"r\" {\n    play \"wel|come\"\n}").ends_with("Recorded for `en`, `it`."));
    assert!(hover("route \"r\" {\n    play \"music/|hold\"\n}").ends_with("Recorded for every language."));
    assert!(hover("route \"r\" {\n    play \"nev|er\"\n}").ends_with("There is no recording `never`."));
}

#[test]
fn names_are_followed_over_files() {
    let (draft, at) = draft("route \"r\" {\n    from any\n    queue \"supp|ort\"\n    queue \"support\"\n}");
    assert_eq!(places(&draft, draft.definition(at).as_slice()), ["10.kdl:4:\"support\""]);
    assert_eq!(places(&draft, &draft.references(at, false)), ["20.kdl:3:\"support\"", "20.kdl:4:\"support\""]);
    let declaration = draft.definition(at).unwrap();
    let all = draft.references(declaration, true);
    assert_eq!(places(&draft, &all), ["10.kdl:4:\"support\"", "20.kdl:3:\"support\"", "20.kdl:4:\"support\""]);
    assert_eq!(draft.definition(Location { file: 1, offset: 0, length: 0 }), None);
    assert_eq!(draft.definition(Location { file: 9, offset: 7, length: 0 }), None);
}

#[test]
fn a_name_is_changed_in_the_whole_plan() {
    let (draft, at) = draft("route \"r\" {\n    from any\n    answer\n    queue sup|port\n}");
    let (insert, found) = draft.rename(at, "help").unwrap();
    assert_eq!(
        (insert.as_str(), places(&draft, &found)),
        ("\"help\"", vec!["10.kdl:4:\"support\"".into(), "20.kdl:4:support".into()])
    );
    assert_eq!(draft.renamable(at).unwrap().1, "support");
    assert_eq!(draft.rename(at, "sales"), Err(NotRenamed::Taken { noun: "queue", name: "sales".into() }));
    assert!(draft.rename(at, "carrier").is_ok(), "a trunk's name is no queue's");
    for bad in ["", "two words", "\"", "a/b", "{", "è", &"x".repeat(65)] {
        assert!(matches!(draft.rename(at, bad), Err(NotRenamed::Invalid(_))), "{bad}");
    }
}

#[test]
fn a_name_that_cannot_be_changed_says_why() {
    let refused = |text| draft(text).0.rename(draft(text).1, "other").unwrap_err().to_string();
    assert!(refused("rou|te \"r\" { hangup; }").starts_with("there is no name of the plan here"));
    assert_eq!(refused("route \"r\" { play \"wel|come\"; }"), "a recording is called as its file is: rename the file");
    assert_eq!(refused("route \"r\" { queue \"sup|ort\"; }"), "there is no queue `suport`: declare it first");
    let unread = refused("route \"r\" { queue \"sup|port\"; }\nroute \"s\" {\n    kueue \"support\"\n}");
    assert!(unread.ends_with("mend 20.kdl:3 first"), "{unread}");
}

/// The check's reader and the editor's must see the same names, else a rename would miss one.
#[test]
fn both_readers_see_the_same_names() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut renamed = 0;
    for folder in ["demo", "../tests/load", "../tests/plans"] {
        let sources = read_sources(&home.join(folder)).unwrap();
        let draft = Draft::new(sources.clone(), world());
        let before = draft.report().lines();
        for (file, source) in (0_u16..).zip(&sources) {
            for (offset, _) in source.text.match_indices('"') {
                let at = Location { file, offset: u32::try_from(offset + 1).unwrap(), length: 0 };
                let Ok((name, mut places)) = draft.rename(at, "another-name") else { continue };
                let mut texts: Vec<String> = sources.iter().map(|source| source.text.to_string()).collect();
                places.sort();
                for place in places.iter().rev() {
                    let from = place.offset as usize;
                    texts[usize::from(place.file)].replace_range(from..from + place.length as usize, &name);
                }
                let changed: Vec<_> = sources.iter().zip(texts).map(|(old, text)| Source::new(&*old.path, text)).collect();
                let after = Draft::new(changed, world()).report().lines();
                assert_eq!(before.matches("error[").count(), after.matches("error[").count(), "{after}");
                renamed += 1;
            }
        }
    }
    assert!(renamed > 20, "only {renamed} names");
}

proptest! {
    #![proptest_config(Config { cases: 60, failure_persistence: None, ..Config::default() })]

    /// Whatever is typed, an answer fits the text.
    #[test]
    fn answers_lie_within_the_text(
        seed in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<u8>(), any::<usize>(), any::<usize>()), 0..6),
        place in any::<prop::sample::Index>(),
    ) {
        let seeds = seeds();
        let text = mutate(seed.get(&seeds[..]).as_str(), &edits);
        let offset = place.index(text.len() + 2);
        let text: Arc<str> = text.into();
        let draft = Draft::new(vec![Source::new("plan.kdl", Arc::clone(&text))], world());
        let at = Location { file: 0, offset: u32::try_from(offset).unwrap(), length: 0 };
        let fits = |at: Location| text.get(at.offset as usize..(at.offset + at.length) as usize).is_some();
        prop_assert!(draft.complete(at).iter().all(|completion| fits(completion.replace)));
        prop_assert!(draft.hover(at).is_none_or(|hover| fits(hover.at)));
        prop_assert!(draft.references(at, true).into_iter().all(fits));
        if let Ok((_, places)) = draft.rename(at, "other") {
            prop_assert!(!places.is_empty() && places.into_iter().all(fits));
        }
    }
}

#[test]
fn deep_and_strange_texts_are_walked() {
    for text in
        ["{".repeat(100_000), "}".repeat(1000), "/*".repeat(50_000), "\"".repeat(9_999), "(".repeat(5_000), "\\".repeat(5_000)]
    {
        let offset = u32::try_from(text.len()).unwrap();
        let draft = Draft::new(vec![Source::new("plan.kdl", text)], world());
        let proposed = draft.complete(Location { file: 0, offset, length: 0 });
        assert!(proposed.iter().all(|completion| completion.replace.offset <= offset));
        assert!(draft.report().has_errors());
    }
}
