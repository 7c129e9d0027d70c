//! What is done fast for plans of many routes, held against the slow way that needs no proof.

use std::{fmt::Write as _, sync::Arc};

use proptest::{prelude::*, test_runner::Config};
use tandem_dialplan::{CallFacts, Checker, Needs, Plan, Source, World, check, explain, needs};
use tandem_switch::cdr::Origin;

use crate::{
    fuzz::{mutate, seeds},
    noon, world,
};

/// So many cases, or more when `PROPTEST_CASES` says so.
pub(crate) fn at_least(cases: u32) -> Config {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|asked| asked.parse().ok());
    Config::with_cases(asked.unwrap_or(0).max(cases))
}

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

pub(crate) fn route() -> impl Strategy<Value = String> {
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
    same_in(checker, sources, &world()).map(drop)
}

/// The same in some surroundings, without asking first for what is needed of them.
pub(crate) fn same_in(checker: &mut Checker, sources: &[Source], world: &World) -> Result<Option<Arc<Plan>>, TestCaseError> {
    let ((plan, report), (fresh_plan, fresh_report)) = (checker.check(sources, world), check(sources, world));
    prop_assert_eq!(report.diagnostics, fresh_report.diagnostics);
    prop_assert_eq!(written(plan.as_ref()), written(fresh_plan.as_ref()));
    let (Some(plan), Some(fresh)) = (plan.map(Arc::new), fresh_plan.map(Arc::new)) else { return Ok(None) };
    for (origin, from, to) in [(0, "10", "00"), (0, "11", "51"), (1, "+3902", "1"), (2, "", "+392"), (1, "2", "61")] {
        let facts = call(origin, from, to);
        prop_assert_eq!(
            plan.route_for(&facts).map(|route| (&route.name, route.line)),
            fresh.route_for(&facts).map(|route| (&route.name, route.line))
        );
        prop_assert_eq!(explain(&plan, &facts, noon()), explain(&fresh, &facts, noon()));
    }
    Ok(Some(plan))
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
