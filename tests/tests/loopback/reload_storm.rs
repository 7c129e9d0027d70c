//! The plan is read anew ten times a second, good ones and bad ones, while calls come: none is dropped, none goes by
//! another plan than the one it began with, and every bad plan is refused with its reason.
//!
//! `TANDEM_FULL=1` (`make siege`) runs it for a minute; otherwise ten seconds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tandem_tests::{sipp::Script, switch::Switch, wait};

const EVERY: Duration = Duration::from_millis(100);
const CALLS_PER_S: usize = 50;

#[expect(clippy::disallowed_methods, reason = "the pace of the storm is real time")]
fn now() -> Instant {
    Instant::now()
}

/// A plan of which every route says by its name which plan it is of. A call is in it for longer than ten plans last.
fn good(version: usize) -> String {
    format!(
        r#"
        listen {{ sip-udp "127.0.0.1:5060"; http "127.0.0.1:8080"; rtp "20000-29999"; }}
        extensions from=1001 to=1010
        trunk "carrier" {{ match "{{carrier}}"; max-calls 5000; }}
        queue "support-{version}"
        route "calls-{version}" {{
            from any
            to "1800"
            answer
            say number="7"
            queue "support-{version}" {{ no-agents {{ echo; }}; error {{ echo; }}; }}
        }}
        "#
    )
}

/// What is wrong with a plan, and a word of what is said about it.
const MISTAKES: &[(&str, &str)] = &[
    ("route \"cut off\" { from any", "closing"),
    ("route \"r\" { from any; answer; play \"no-such-prompt\"; }", "no-such-prompt"),
    ("route \"r\" { from any; queue \"suport\"; }", "suport"),
    ("route \"r\" { from any; answer; }", "silence"),
    ("route \"r\" { from any; goto \"r\"; }", "r"),
    ("trunk \"other\" { match \"192.0.2.1\"; credentials \"user\" secret=\"hunter2\"; }", "secret"),
    ("listen { sip-udp \"127.0.0.1:5060\"; }", "listen"),
    ("colour \"green\"", "colour"),
    ("\u{0}\u{1}\u{2}", ""),
];

/// Reads the plan anew: its generation, or what was said against it.
fn reload(switch: &Switch, token: &str) -> Result<u64, Value> {
    let (status, body) = switch.post_as(token, "/plan/reload", &json!({}));
    match status {
        200 => Ok(body["generation"].as_u64().expect("a generation")),
        422 => Err(body),
        other => panic!("{other}: {body}"),
    }
}

/// Every record, once there are so many.
fn all_cdrs(switch: &Switch, count: usize) -> Vec<Value> {
    wait::until(&format!("{count} records"), wait::SOON, || {
        let (mut all, mut before) = (Vec::new(), String::new());
        loop {
            let page = switch.get(&format!("/cdrs?limit=500{before}"));
            all.extend(page["cdrs"].as_array().expect("records").iter().cloned());
            match page["next"].as_str() {
                Some(next) => before = format!("&before={next}"),
                None => break,
            }
        }
        (all.len() >= count).then_some(all)
    })
}

#[test]
fn calls_keep_their_plan_while_good_and_bad_ones_come_ten_times_a_second() {
    let seconds = if std::env::var_os("TANDEM_FULL").is_some() { 60 } else { 10 };
    let switch = Switch::with_plan(&good(1_000));
    let token = switch.access().1;
    let first = switch.get("/plan")["generation"].as_u64().expect("a generation");
    let mut versions = BTreeMap::from([(first, 1_000)]);
    let calls = CALLS_PER_S * seconds;
    let caller = Script::built_in("uac", &switch).with(&["-s", "1800"]).stay_ms(2_500);
    let mut callers = caller.start_calls(calls, &CALLS_PER_S.to_string());
    let (began, mut refused) = (now(), 0_usize);
    for round in 1.. {
        if !callers.runs() {
            break;
        }
        let due = began + EVERY * u32::try_from(round).expect("a minute");
        std::thread::park_timeout(due.saturating_duration_since(now()));
        if round % 3 == 0 {
            let (mistake, word) = MISTAKES[round / 3 % MISTAKES.len()];
            let _same_folder = switch.ground.plan(&format!("{}\n{mistake}\n", good(9_000 + round)));
            let said = reload(&switch, &token).expect_err(mistake);
            let problems = said["problems"].as_array().expect("problems");
            let mut errors = problems.iter().filter(|problem| problem["severity"] == "error");
            let is_the_reason = |error: &Value| {
                error["line"].as_u64() > Some(0) && error["message"].as_str().unwrap_or_default().to_lowercase().contains(word)
            };
            assert!(errors.any(is_the_reason), "{mistake}: {said}");
            refused += 1;
        } else {
            let _same_folder = switch.ground.plan(&good(1_000 + round));
            let generation = reload(&switch, &token).unwrap_or_else(|said| panic!("{said}"));
            assert!(versions.insert(generation, 1_000 + round).is_none(), "a generation twice");
        }
    }
    callers.succeed();
    let cdrs = all_cdrs(&switch, calls);
    let (mut plans, mut went_on) = (BTreeSet::new(), 0);
    for cdr in &cdrs {
        let generation = cdr["generation"].as_u64().expect("a generation");
        let version = versions[&generation];
        assert_eq!(cdr["route"], format!("calls-{version}"), "{cdr}");
        assert_eq!((cdr["cause"].as_str(), cdr["blame"].as_str()), (Some("normal"), Some("caller")), "{cdr}");
        // What comes after the first step is of the same plan, though others have come since.
        if !cdr["queue"].is_null() {
            assert_eq!(cdr["queue"], format!("support-{version}"), "{cdr}");
            went_on += 1;
        }
        plans.insert(generation);
    }
    assert!(went_on > calls / 2, "{went_on} calls went on in their plan after others had come");
    // A debug build reads a plan in half a second.
    let least = if seconds == 60 { 200 } else { 5 };
    assert!(plans.len() > least, "calls were spread over {} plans only", plans.len());
    assert_eq!(switch.metric("tandem_plan_reloads_refused_total"), refused as f64);
    assert_eq!(switch.metric("tandem_call_faults_total"), 0.0);
}
