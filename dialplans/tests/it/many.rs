//! What is done fast for plans of many routes, held against the slow way that needs no proof.

use std::{fmt::Write as _, sync::Arc};

use proptest::{prelude::*, test_runner::Config};
use tandem_dialplan::{CallFacts, Checker, Needs, Plan, Source, check, explain, needs};
use tandem_switch::cdr::Origin;

use crate::{
    fuzz::{mutate, seeds},
    noon, world,
};

fn numbers() -> impl Strategy<Value = String> {
    "(\\+39|00)?[0-2]{1,4}"
}

/// A condition on a number, of each kind that there is.
fn condition() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => numbers().prop_map(|number| format!("\"{number}\"")),
        3 => "(\\+39|00)?[0-2XZ]{1,3}(\\{n:1\\.\\.3\\})?".prop_map(|pattern| format!("\"{pattern}\"")),
        1 => Just("\"{who:extension}\"".to_owned()),
        1 => Just("\"{all:number}\"".to_owned()),
        2 => "(\\[\\+\\]39|00|0?|\\(\\?:0\\|1\\))[0-2]{0,2}(\\.|\\[0-9\\])[*+?]?".prop_map(|regex| format!("matches=\"{regex}\"")),
        1 => "[0-2]{1,2}\\|[0-2]{1,2}x?".prop_map(|regex| format!("matches=\"{regex}\"")),
    ]
}

fn route() -> impl Strategy<Value = String> {
    let from =
        prop::sample::select(vec!["from any", "from extension", "from trunk=\"a\"", "from trunk=\"b\"\n    from extension", ""]);
    let conditions = || prop::collection::vec(condition(), 0..3);
    (from, conditions(), conditions()).prop_map(|(from, to, caller)| {
        let mut text = format!("    {from}\n");
        if !from.is_empty() {
            to.iter().for_each(|to| writeln!(text, "    to {to}").unwrap());
            // A few: most calls would find no route.
            caller.iter().skip(1).for_each(|caller| writeln!(text, "    caller {caller}").unwrap());
        }
        text
    })
}

fn plan_text(routes: &[String]) -> String {
    let mut text =
        "extensions from=10 to=21\ntrunk \"a\" { match \"192.0.2.1\" }\ntrunk \"b\" { match \"192.0.2.2\" }\n".to_owned();
    for (at, route) in routes.iter().enumerate() {
        writeln!(text, "route \"r{at}\" {{\n{route}    hangup\n}}").unwrap();
    }
    text
}

fn call(origin: u8, from: &str, to: &str) -> CallFacts {
    let origin = match origin % 3 {
        0 => Origin::Extension("10".into()),
        1 => Origin::Trunk("a".into()),
        _ => Origin::Trunk("b".into()),
    };
    CallFacts { origin, from: from.into(), to: to.into(), language: None, overrides: Arc::default() }
}

proptest! {
    #![proptest_config(Config::with_cases(1_000))]

    #[test]
    fn the_route_that_is_looked_up_is_the_first_that_fits(
        routes in prop::collection::vec(route(), 1..14),
        calls in prop::collection::vec((any::<u8>(), numbers(), "(\\+39|00)?[0-2x]{0,5}|é1"), 20),
    ) {
        let (plan, report) = check(&[Source::new("a.kdl", plan_text(&routes))], &world());
        prop_assert!(plan.is_some(), "{}", report.lines());
        let plan = Arc::new(plan.unwrap());
        for (origin, from, to) in &calls {
            let facts = call(*origin, from, to);
            let explained = explain(&plan, &facts, noon());
            prop_assert_eq!(plan.route_for(&facts).map(|route| &route.name), explained.taken.as_ref(), "{:?}", facts);
        }
    }
}

/// All that a plan is, as text.
fn written(plan: Option<&Plan>) -> String {
    format!("{plan:?}")
}

/// Checks a plan with a checker that has seen others, and with one that has not.
fn same_as_fresh(checker: &mut Checker, sources: &[Source]) -> Result<(), TestCaseError> {
    let (again, fresh): (Needs, Needs) = (checker.needs(sources), needs(sources));
    prop_assert_eq!(again, fresh);
    let ((plan, report), (fresh_plan, fresh_report)) = (checker.check(sources, &world()), check(sources, &world()));
    prop_assert_eq!(report.diagnostics, fresh_report.diagnostics);
    prop_assert_eq!(written(plan.as_ref()), written(fresh_plan.as_ref()));
    Ok(())
}

proptest! {
    #![proptest_config(Config::with_cases(150))]

    #[test]
    fn a_plan_that_is_checked_again_is_checked_as_if_it_were_new(
        files in prop::collection::vec(prop::sample::select(seeds()), 1..4),
        edits in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec((any::<u8>(), any::<usize>(), any::<usize>()), 0..3), 0..6_u8), 1..6),
    ) {
        let mut sources: Vec<Source> = files.iter().enumerate().map(|(at, text)| Source::new(format!("{at}.kdl"), text.as_str())).collect();
        let mut checker = Checker::default();
        same_as_fresh(&mut checker, &sources)?;
        for (file, edit, kind) in edits {
            let at = file.index(sources.len());
            match kind {
                // Files come, go and change their places too.
                0 => sources.push(Source::new(format!("{}x.kdl", sources.len()), sources[at].text.to_string())),
                1 if sources.len() > 1 => drop(sources.remove(at)),
                2 => sources.rotate_left(1),
                _ => sources[at] = Source::new(sources[at].path.clone(), mutate(&sources[at].text, &edit)),
            }
            same_as_fresh(&mut checker, &sources)?;
        }
    }

    #[test]
    fn a_route_that_is_added_moved_or_taken_away_is_all_that_changes(
        first in prop::collection::vec(route(), 1..8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), route(), 0..4_u8), 1..6),
    ) {
        let mut routes = first;
        let mut checker = Checker::default();
        same_as_fresh(&mut checker, &[Source::new("a.kdl", plan_text(&routes))])?;
        for (at, route, kind) in changes {
            let at = at.index(routes.len());
            match kind {
                0 if routes.len() > 1 => drop(routes.remove(at)),
                1 => routes.insert(at, route),
                2 => routes.swap(0, at),
                _ => routes[at] = route,
            }
            same_as_fresh(&mut checker, &[Source::new("a.kdl", plan_text(&routes))])?;
        }
    }
}

/// Lines of a route that show the rest of the plan nothing, and lines that do.
const LINES: &[&str] = &[
    "hangup",
    "hangup \"busy\"",
    "ring",
    "answer",
    "play \"welcome\"",
    "play \"goodbye\" interrupt=#true",
    "play \"no-such\"",
    "goto \"r0\"",
    "goto \"r1\"",
    "queue \"one\"",
    "queue \"two\" { full { hangup \"busy\"; }; }",
    "queue \"two\" priority=3 max-wait=\"9s\"",
    "dial extension=\"11\" ring=\"20s\"",
    "dial extension=\"99\"",
    "dial trunk=\"a\" number=\"0{pin}\"",
    "dial trunk=\"a\" number=\"{dialled}\" { busy { goto \"r2\"; }; }",
    "collect \"welcome\" as=\"pin\" max=4",
    "collect \"welcome\" as=\"pin\" max=4 secret=#true",
    "set \"pin\" to=\"1\"",
    "set language=\"it\"",
    "if \"{pin}\" is=\"1\" { hangup; }",
    "if \"{pin}\" known=#true { play \"welcome\"; }",
    "menu \"welcome\" tries=2 { press \"1\" { hangup; }; otherwise { goto \"r1\"; }; }",
    "when-open \"office\" { play \"welcome\"; }",
    "voicemail \"sales\"",
    "say time",
    "conference \"room\"",
    "// a comment",
    "",
];

/// Routes of lines in two files, with what they name; a test stands behind the last route when the number says so.
fn lined(routes: &[(String, Vec<usize>)], tail: u8) -> [Source; 2] {
    let mut head =
        "extensions from=10 to=21\ntrunk \"a\" { match \"192.0.2.1\"; peer \"udp\" \"192.0.2.1:5060\"; }\nmailbox \"sales\"\n\
         schedule \"office\" { open \"mon-fri\" \"08:30-18:00\"; }\nqueue \"one\"\n"
            .to_owned();
    head += if tail & 1 == 0 {
        "queue \"two\"\n"
    } else {
        "queue \"two\" { full { play \"welcome\"; }; error { queue \"one\"; }; }\n"
    };
    let mut files = [head, String::new()];
    for (at, (from, lines)) in routes.iter().enumerate() {
        let file = &mut files[usize::from(at % 3 == 2)];
        writeln!(file, "route \"r{at}\" {{\n{from}").unwrap();
        lines.iter().for_each(|line| writeln!(file, "    {}", LINES[*line]).unwrap());
        file.push_str("}\n");
    }
    if tail & 2 != 0 {
        files[1] += "test \"t\" { call from=\"10\" to=\"1\"; expect route=\"r0\"; }\n";
    }
    let [head, rest] = files;
    [Source::new("a.kdl", head), Source::new("b.kdl", rest)]
}

fn lines() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        // Mostly what can be good: a plan with an error has no plan before it.
        3 => prop::sample::select(vec![vec![3, 4], vec![12], vec![9], vec![11], vec![10], vec![3, 4, 0], vec![3, 22], vec![6], vec![1], vec![15], vec![3, 4, 27]]),
        1 => prop::collection::vec(0..LINES.len(), 1..4),
    ]
}

proptest! {
    #![proptest_config(Config::with_cases(60))]

    #[test]
    fn a_step_that_is_changed_changes_no_more_than_it_would_in_a_new_plan(
        first in prop::collection::vec((route(), lines()), 2..7),
        tail in 0..4_u8,
        edits in prop::collection::vec((any::<prop::sample::Index>(), lines()), 1..10),
    ) {
        let mut routes = first;
        let mut checker = Checker::default();
        same_as_fresh(&mut checker, &lined(&routes, tail))?;
        for (at, lines) in edits {
            let at = at.index(routes.len());
            routes[at].1 = lines;
            same_as_fresh(&mut checker, &lined(&routes, tail))?;
        }
    }
}

#[test]
fn routes_that_did_not_change_are_shared_with_the_plan_before() {
    let text = |ring: u32, to: &str| {
        let one = |at: u32, ring: u32| {
            format!("route \"r{at}\" {{ from any; to \"{to}{at}\"; dial extension=\"11\" ring=\"{ring}s\"; }}\n")
        };
        format!("extensions from=10 to=21\n{}{}{}", one(0, 20), one(1, ring), one(2, 20))
    };
    let mut checker = Checker::default();
    let mut plan_of = |text: String| checker.check(&[Source::new("a.kdl", text)], &world()).0.unwrap();
    let shared =
        |old: &Plan, new: &Plan| old.routes.iter().zip(&new.routes).map(|(old, new)| Arc::ptr_eq(old, new)).collect::<Vec<_>>();
    let (first, second, third, other) =
        (plan_of(text(20, "1")), plan_of(text(21, "1")), plan_of(text(101, "1")), plan_of(text(101, "2")));
    assert_eq!(shared(&first, &second), [true, false, true]);
    // What stands behind the longer line has another place.
    assert_eq!(shared(&second, &third), [true, false, false]);
    assert_eq!(shared(&third, &other), [false; 3]);
}

/// The bound of nodes counts what is taken over as it counts what is read.
#[test]
fn a_plan_that_grows_too_large_is_refused_as_a_new_one_is() {
    let routes =
        |count: usize| (0..count).map(|at| format!("route \"r{at}\" {{\n{}}}\n", "answer\n".repeat(60))).collect::<String>();
    let mut checker = Checker::default();
    for count in [10, 4_000, 10] {
        let text = routes(count);
        let half = text[..text.len() / 2].rfind("route").unwrap();
        same_as_fresh(&mut checker, &[Source::new("a.kdl", &text[..half]), Source::new("b.kdl", &text[half..])]).unwrap();
    }
}

/// Advice by the hundred is no error, and hides none.
#[test]
fn much_advice_neither_refuses_a_plan_nor_hides_an_error() {
    let mut text = "route \"r\" { from any; hangup; }\n".to_owned();
    (0..300).for_each(|at| writeln!(text, "skill \"s{at}\"").unwrap());
    let (plan, report) = check(&[Source::new("a.kdl", text.as_str())], &world());
    assert!(plan.is_some(), "{}", report.lines());
    assert!(
        report.diagnostics.iter().any(|found| found.code == "too-many" && found.message == "100 more findings are not shown")
    );
    text += "route \"wrong\" { from any; to \"1\"; play \"welcome\"; ring; }\nroute \"silent\" { from any; to \"2\"; ring; }\n";
    let (plan, report) = check(&[Source::new("a.kdl", text.as_str())], &world());
    assert!(plan.is_none());
    assert!(report.diagnostics.iter().any(|found| found.code == "silent-end"), "{}", report.lines());
}
