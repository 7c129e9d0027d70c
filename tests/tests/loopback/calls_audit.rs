//! Calls against rows: SIPp calls, agents answer, hand on and are in conference, and its own log of messages is held against the
//! records, their segments and the figures.
//!
//! `TANDEM_AUDIT_CALLS=10000` makes it long; the numbers that it prints are in docs/benchmarks.md.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tandem_tests::{
    sipp::{Devices, Script, Sipp},
    switch::Switch,
    wait::{self, SOON},
};

use crate::{TEAM, states};

/// Calls where nobody says how many.
const FEW: usize = 300;
/// Who is answered within that is answered in time, in s.
const TARGET_S: u32 = 1;
/// SIPp and the switch look at their clocks at different moments; whoever waited that close to the target may count either way.
const NEAR_MS: i64 = 250;
const AGENTS: [&str; 6] = ["1001", "1002", "1003", "1004", "1005", "1006"];
const WHO_HAND_ON: [&str; 1] = ["1007"];
const COLLEAGUE: &str = "1015";

fn plan() -> String {
    format!(
        r#"
route "audit" {{
    from any
    to "1700"
    ring
    queue "support"
}}
queue "nobody" {{
    when-empty "wait"
    max-waiting 300
}}
route "in-vain" {{
    from any
    to "1701"
    ring
    queue "nobody"
}}
route "rooms" {{
    from any
    to "30{{n:2}}"
    conference "room-{{n}}" {{
        full {{ hangup "busy"; }}
        error {{ hangup; }}
    }}
}}
{TEAM}"#
    )
}

/// What one SIPp saw of one call, in ms. A caller is answered by the queue, an agent answers for themselves.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    invited: Option<i64>,
    answers: Option<i64>,
    over: Option<i64>,
}

/// Reads a log of messages that SIPp wrote (`-trace_msg`): a call for each caller's number.
fn seen(log: &Path) -> BTreeMap<String, Seen> {
    let text = fs::read_to_string(log).expect("SIPp's log of messages");
    // The From of a BYE is that of whoever hangs up: whose call it is stands in its INVITE.
    let (mut numbers, mut calls): (BTreeMap<String, String>, BTreeMap<String, Seen>) = Default::default();
    for block in text.split("----------------------------------------------- ").skip(1) {
        let (at, rest) = block.split_once('\n').expect("a line with the time");
        let Some((way, message)) = rest.split_once(":\n\n") else { continue };
        let header = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        let from = || header("From: <sip:").split('@').next().expect("a number").to_owned();
        let number = numbers.entry(header("Call-ID: ").trim().to_owned()).or_insert_with(from).clone();
        let (first, method) =
            (message.lines().next().unwrap_or_default(), header("CSeq: ").split(' ').nth(1).unwrap_or_default());
        let (at, call) = (moment(at), calls.entry(number).or_default());
        let is_sent = way.contains("sent");
        match (is_sent, first, method.trim()) {
            (true, line, _) if line.starts_with("INVITE ") => call.invited = call.invited.or(Some(at)),
            (true, line, "INVITE") if line.starts_with("SIP/2.0 200") => call.answers = call.answers.or(Some(at)),
            (_, line, _) if line.starts_with("BYE ") => call.over = call.over.or(Some(at)),
            _ => {}
        }
    }
    calls
}

/// The time of a line `2026-11-24 10:11:12.123456`, in ms of some day; a run over midnight is none of ours.
fn moment(text: &str) -> i64 {
    let time = text.trim().rsplit([' ', '\t', 'T']).next().expect("a time");
    let (whole, part) = time.split_once('.').unwrap_or((time, "0"));
    let seconds = whole.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().expect("hours, minutes, seconds"));
    seconds * 1_000 + format!("{part:0<3}")[..3].parse::<i64>().expect("thousandths")
}

/// One SIPp with as many callers as it is told, each with a number of their own; and where its log is.
fn callers(
    switch: &Switch,
    (scenario, dial, stay_ms): (&str, &str, u32),
    (first, count): (usize, usize),
    rate: &str,
) -> (Sipp, PathBuf) {
    let mut script = Script::carrier(scenario, switch).dial(dial);
    if stay_ms > 0 {
        script = script.stay_ms(stay_ms);
    }
    for number in first..first + count {
        script = script.caller(&format!("+39021{number:06}"));
    }
    let port = 5_060 + u16::try_from(first / 100_000).expect("few kinds of callers");
    let (script, log) = logged(switch, script.port(port), &format!("callers-{first}"));
    (script.start_row(100, rate), log)
}

/// The same with a log of its messages.
fn logged(switch: &Switch, script: Script, name: &str) -> (Script, PathBuf) {
    let log = switch.ground.join(format!("{name}.messages"));
    (script.with(&["-trace_msg", "-message_file", log.to_str().expect("plain paths")]), log)
}

/// Every record, newest first.
fn records(switch: &Switch) -> Vec<Value> {
    let (mut all, mut before) = (Vec::new(), String::new());
    loop {
        let mut page = switch.get(&format!("/cdrs?limit=500{before}"));
        all.extend(page["cdrs"].as_array().expect("records").iter().cloned());
        match page["next"].take() {
            Value::String(next) => before = format!("&before={next}"),
            _ => return all,
        }
    }
}

/// Segments follow each other without a gap, from the begin of the call to its end.
fn assert_whole(record: &Value) {
    let segments = record["segments"].as_array().expect("segments");
    let mut at = &record["started_at"];
    for segment in segments {
        assert_eq!(&segment["from_at"], at, "a gap in {record}");
        at = &segment["to_at"];
    }
    assert_eq!(at, &record["ended_at"], "an end that is none in {record}");
}

fn figure(switch: &Switch, queue: &str, kpi: &str, variant: &str) -> f64 {
    let path = format!("/kpis?by=queue&queue={queue}&kpi={kpi}&variant={variant}&target={TARGET_S}");
    let answer = switch.get(&path);
    answer["rows"][0]["figures"][0]["value"].as_f64().unwrap_or_else(|| panic!("{path}: {answer}"))
}

#[test]
fn segments_sum_to_the_time_of_each_call_and_the_service_level_is_what_sipp_saw() {
    let many = env::var("TANDEM_AUDIT_CALLS").map_or(FEW, |text| text.parse().expect("a number of calls"));
    let switch = Switch::with_plan(&plan());
    let talk = || Script::new("agent-hangs-up", &switch).stay_ms(500);
    let _colleague = Devices::start(&switch, &[COLLEAGUE], talk());
    let (agents, of_agents) = logged(&switch, talk(), "agents");
    let _agents = Devices::start(&switch, &AGENTS, agents);
    let (mut who_hand_on, mut of_who_hand_on) = (Vec::new(), Vec::new());
    for agent in WHO_HAND_ON {
        let script = Script::new("audit-agent-refers", &switch).set("colleague", COLLEAGUE);
        let (script, log) = logged(&switch, script.set("user", agent).set("password", &switch.password(agent)), agent);
        who_hand_on.push(Devices::start(&switch, &[agent], script));
        of_who_hand_on.push(log);
    }
    for agent in AGENTS.iter().chain(&WHO_HAND_ON) {
        switch.set_agent(agent, "sign-in");
    }
    // Of ten calls seven are of the queue, two of a room, one is given up. Callers come faster
    // than seven agents take them, so that many wait longer than is wanted.
    let (in_rooms, in_vain) = (many / 5, many / 10);
    let answered = many - in_rooms - in_vain;
    // A long run is at the edge of what they take, so that all waits are in it.
    let rate = if many > FEW { "18" } else { "40" };
    let (queue, of_queue) = callers(&switch, ("audit-caller-waits", "1700", 0), (0, answered), rate);
    let (rooms, of_rooms) = callers(&switch, ("audit-caller", "3001", 200), (100_000, in_rooms), "12");
    let (vain, of_vain) = callers(&switch, ("audit-caller", "1701", 400), (200_000, in_vain), "6");
    let limit = Duration::from_secs(120 + u64::try_from(many / 10).expect("a small number"));
    for sipp in [queue, rooms, vain] {
        sipp.succeed_within(limit);
    }

    // Each call has one record, whose segments are the whole of it; what SIPp saw is as long.
    let pages = wait::until("every call has its record", SOON, || Some(records(&switch)).filter(|all| all.len() >= many));
    let (logs, mut found) = ([seen(&of_queue), seen(&of_rooms), seen(&of_vain)], 0);
    let mut answers = seen(&of_agents);
    answers.extend(of_who_hand_on.iter().flat_map(|log| seen(log)));
    let by_number: BTreeMap<&String, &Seen> = logs.iter().flatten().collect();
    let waited = |number: &String| Some(answers.get(number)?.answers? - by_number.get(number)?.invited?);
    let (mut furthest, mut handed_on, mut waits_apart) = (0, 0, 0);
    for page in pages {
        let number = page["from"].as_str().expect("a number").to_owned();
        let Some(seen) = by_number.get(&number) else { panic!("SIPp knows nothing of {page}") };
        let record = switch.get(&format!("/calls/{}", page["call"].as_str().expect("an identifier")));
        assert_whole(&record);
        found += 1;
        handed_on += usize::from(states(&record).contains(&"transferring"));
        let took = |from: &str, to: &str| Some(time(&record[to])? - time(&record[from])?);
        let whole = took("started_at", "ended_at").expect("a begin and an end");
        let of_sipp = seen.over.zip(seen.invited).map(|(over, invited)| over - invited).expect("a begin and an end");
        furthest = furthest.max((whole - of_sipp).abs());
        if let (Some(waited), Some(record)) = (waited(&number), took("started_at", "connected_at")) {
            waits_apart = waits_apart.max((waited - record).abs());
        }
    }
    assert_eq!((found, by_number.len()), (many, many), "a record for each call, and a call for each record");
    assert!(handed_on >= many / 10, "calls are handed on: {handed_on}");
    assert!(furthest <= 2_000, "a record is {furthest} ms longer or shorter than what SIPp saw");

    let waits: Vec<i64> = logs[0].keys().filter_map(waited).collect();
    assert_eq!(waits.len(), answered, "an agent answers each of them");
    let within = |margin: i64| waits.iter().filter(|wait| **wait <= i64::from(TARGET_S) * 1_000 + margin).count();
    let (sure, at_most, in_time) = (within(-NEAR_MS), within(NEAR_MS), within(0));
    let count = |count: usize| f64::from(u32::try_from(count).expect("a small number"));
    let level = figure(&switch, "support", "service-level", "of-offered");
    let told = level * count(answered);
    println!(
        "calls {many}, handed on {handed_on}; length of a call: at most {furthest} ms apart, wait: {waits_apart} ms; answered within \
         {TARGET_S} s: SIPp {in_time}, the switch {told:.0} of {answered} ({} near it)",
        at_most - sure
    );
    assert!((count(sure)..=count(at_most)).contains(&told.round()), "SIPp saw {sure} to {at_most}, the figure says {told}");
    let all = |queue: &str, kpi: &str| figure(&switch, queue, kpi, "default");
    assert_eq!((all("support", "offered"), all("support", "answered")), (count(answered), count(answered)));
    assert_eq!((all("nobody", "offered"), all("nobody", "abandoned")), (count(in_vain), count(in_vain)));
    assert_eq!(figure(&switch, "nobody", "service-level", "of-offered"), 0.0);
}

/// A time of a record, in ms.
fn time(value: &Value) -> Option<i64> {
    let text = value.as_str()?.trim_end_matches('Z');
    Some(moment(&text.replace('T', " ")))
}
