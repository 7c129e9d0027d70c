//! Calls of the past on another plan.

use std::sync::Arc;

use tandem_dialplan::{Fate, PastCall, Plan, Tally, replay};
use tandem_switch::{cdr::Origin, time::Timestamp};

use crate::{noon, plan};

/// What both plans begin with.
const TEAM: &str = r#"
    extensions from=1001 to=1003
    queue "support" { when-empty "wait"; }
    queue "sales" { when-empty "wait"; }
    schedule "office" { open "daily" "08:00-18:00"; }
"#;

fn before() -> Arc<Plan> {
    plan(&format!(
        r#"{TEAM}
        trunk "carrier" {{ match "192.0.2.1"; }}
        trunk "old" {{ match "192.0.2.2"; }}
        route "line" {{ from trunk="carrier"; from trunk="old"; to "100"; unless-open "office" {{ hangup "unavailable"; }}; queue "support"; }}
        route "rest" {{ from any; hangup "not-found"; }}
        "#
    ))
}

/// The night has a route of its own, sales their number, and the old trunk is gone.
fn after() -> Arc<Plan> {
    plan(&format!(
        r#"{TEAM}
        trunk "carrier" {{ match "192.0.2.1"; }}
        route "sales" {{ from trunk="carrier"; to "1001"; queue "sales"; }}
        route "line" {{ from trunk="carrier"; to "100"; unless-open "office" {{ goto "night"; }}; queue "support"; }}
        route "night" {{ play "closed"; hangup "unavailable"; }}
        "#
    ))
}

fn call(origin: &str, to: &str, at: Timestamp, route: &str) -> PastCall {
    let origin = match origin.strip_prefix("trunk:") {
        Some(trunk) => Origin::Trunk(trunk.into()),
        None => Origin::Extension(origin.into()),
    };
    let route = Some(route).filter(|route| !route.is_empty()).map(Into::into);
    PastCall { origin, from: "+393471234567".into(), to: to.into(), at, route }
}

#[test]
fn what_would_go_elsewhere_is_told_with_where_to() {
    let (before, after) = (before(), after());
    let night = Timestamp(noon().0 + 9 * 3_600_000_000);
    let words = |against: Option<&Arc<Plan>>, call: &PastCall| replay(&after, against, call).words();
    let way = "the same route, go to route night instead of hang up: unavailable";
    for (past, by_route, by_way) in [
        (call("trunk:carrier", "100", noon(), "line"), None, None),
        (call("trunk:carrier", "100", night, "line"), None, Some(way)),
        (call("trunk:carrier", "1001", noon(), "rest"), Some("sales"), Some("sales")),
        (call("1002", "4711", noon(), "rest"), Some("no route"), Some("no route")),
        (call("1002", "4711", noon(), ""), None, None),
    ] {
        assert_eq!(words(None, &past).as_deref(), by_route, "{past:?}");
        assert_eq!(words(Some(&before), &past).as_deref(), by_way, "{past:?}");
    }
    for gone in [call("trunk:old", "100", noon(), "line"), call("1009", "100", noon(), "rest")] {
        assert_eq!(replay(&after, Some(&before), &gone), Fate::NoOrigin);
    }
    // The plan on itself moves nobody.
    for past in [call("trunk:carrier", "100", night, "line"), call("1002", "4711", noon(), "rest")] {
        assert_eq!(replay(&before, Some(&before), &past), Fate::Same);
    }
}

#[test]
fn calls_that_move_are_counted_by_where_from_and_where_to() {
    let after = after();
    let mut tally = Tally::default();
    let moved = call("trunk:carrier", "1001", noon(), "rest");
    for past in [&moved, &moved, &call("trunk:carrier", "100", noon(), "line"), &call("1009", "1", noon(), "")] {
        tally.add(past, &replay(&after, None, past));
    }
    let counted: Vec<_> = tally.elsewhere.iter().map(|((was, will), calls)| format!("{calls} {was} > {will}")).collect();
    assert_eq!(counted, ["1 no route > refused: where it came from is not in the plan", "2 rest > sales"]);
    assert_eq!((tally.calls, tally.moved()), (4, 3));
}
