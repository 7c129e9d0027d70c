//! `kill -9` again and again with a hundred calls up and a hundred waiting, at moments that nobody chose.
//!
//! `TANDEM_KILLS=50` says how often; `make test` is content with a few. Callers come and go all the time, so each kill
//! finds calls in the middle of something. Which ones could not go on, and why that many are too many, is said at
//! the end.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use tandem_tests::{
    journal::Journal,
    phone::Phone,
    sipp::{Devices, Script, Sipp},
    switch::Switch,
    wait,
};

use crate::TEAM;

const AGENTS: usize = 100;
const WAITING: usize = 100;
const KILLS: usize = 3;
/// Agents and callers in three parts. A kill makes them begin to count anew, so the third part is the one that comes
/// and goes between two kills. SIPp returns what it hears: when two of them talk there is nothing to return, and agents
/// are gone before that silence counts. New callers are more than the agents can serve.
const CROWD: [Part; 3] = [
    Part { agents: 48, agents_stay_ms: "26000", callers: 98, callers_stay_ms: "40000", new_per_second: "8" },
    Part { agents: 48, agents_stay_ms: "28000", callers: 98, callers_stay_ms: "75000", new_per_second: "8" },
    Part { agents: 4, agents_stay_ms: "900", callers: 6, callers_stay_ms: "600", new_per_second: "2" },
];
/// Agents who are not of the third part.
const PATIENT: usize = CROWD[0].agents + CROWD[1].agents;
/// A call that is so old is one that was up. Younger ones can be lost with the process.
const UP_AFTER: Duration = Duration::from_millis(500);
/// The two phones have as much to say, in seconds: longer than fifty kills take.
const TALK_S: u32 = 1_800;
const LOW: f64 = 600.0;
const HIGH: f64 = 1_400.0;

struct Part {
    agents: usize,
    /// They hang up then, unless the other side has.
    agents_stay_ms: &'static str,
    /// At a time.
    callers: usize,
    callers_stay_ms: &'static str,
    new_per_second: &'static str,
}

/// What the kills have cost so far.
#[derive(Default)]
struct Toll {
    /// Calls taken up, each as often as it was.
    taken_up: f64,
    /// Calls closed, the youngest included.
    closed: f64,
    places: usize,
    /// Calls that were up for a while before a kill.
    were_up: BTreeSet<String>,
}

#[test]
fn killed_again_and_again_calls_go_on_and_nobody_loses_a_place() {
    let kills = std::env::var("TANDEM_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut switch = Switch::with_plan(&plan());
    let (callers, agents) = crowd(&switch);
    let phones = pair(&switch);
    wait::until("the house is full", Duration::from_secs(90), || {
        (states(&switch, "talking") >= PATIENT && waiting(&switch).len() >= WAITING * 9 / 10).then_some(())
    });
    let (mut toll, mut moment) = (Toll::default(), Moments(0x5eed));
    for kill in 1..=kills {
        // Some moment of the next two seconds.
        let at = wait::deadline(Duration::from_millis(moment.next() % 2_000));
        wait::until("the moment comes", wait::SOON, || wait::passed(at).then_some(()));
        one_kill(&mut switch, &mut toll);
        hear(&phones);
        println!("kill {kill}: {} calls taken up, {} closed, {} places kept", toll.taken_up, toll.closed, toll.places);
    }

    for callers in &callers {
        callers.finish();
    }
    wait::until("the last caller is gone", Duration::from_secs(180), || (switch.calls().len() <= 1).then_some(()));
    for device in &agents {
        device.finish();
    }
    let [mut one, mut other] = phones;
    one.hang_up();
    other.expect("CALL_CLOSED");
    nothing_is_left(&mut switch, kills, &toll);
}

fn plan() -> String {
    let plan = TEAM.replace("extensions from=1001 to=1020", "extensions from=1001 to=1220");
    let plan = plan.replace("starter-agents from=1001 to=1020", &format!("starter-agents from=1001 to={}", 1_002 + AGENTS));
    plan.replace("rejoin-grace \"12s\"", "rejoin-grace \"1s\"")
}

/// A hundred agents on duty, and twice as many callers at a time.
fn crowd(switch: &Switch) -> (Vec<Sipp>, Vec<Devices>) {
    let names: Vec<String> = (0..AGENTS).map(|n| (1_001 + n).to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rest = names.as_slice();
    let agents = CROWD.iter().zip(5_060..).map(|(part, port)| {
        let (mine, others) = rest.split_at(part.agents);
        rest = others;
        let script = Script::new("agent-stays", switch).set("patience_ms", part.agents_stay_ms).port(port);
        Devices::start_for(switch, mine, script, "3600")
    });
    let agents = agents.collect();
    for name in &names {
        switch.set_agent(name, "sign-in");
    }
    let callers = CROWD.iter().zip(5_060..).map(|(part, port)| {
        let script = Script::carrier("carrier-stays", switch).dial("1800").set("patience_ms", part.callers_stay_ms).port(port);
        let numbers = (0..5_000).map(|n| format!("+39{port}{n:06}"));
        numbers.fold(script, |script, number| script.caller(&number)).start_many(part.callers, part.new_per_second)
    });
    (callers.collect(), agents)
}

/// Two phones that talk all the time.
fn pair(switch: &Switch) -> [Phone; 2] {
    let [one, other] = [AGENTS + 1, AGENTS + 2].map(|n| (1_000 + n).to_string());
    let mut calls = Phone::of(switch, &one).hz(LOW).seconds(TALK_S).start(switch);
    let answers = Phone::of(switch, &other).hz(HIGH).seconds(TALK_S).answers().start(switch);
    calls.dial(&other);
    calls.expect("CALL_ESTABLISHED");
    [calls, answers]
}

fn hear([calls, answers]: &[Phone; 2]) {
    let before = [calls, answers].map(|phone| phone.heard().seconds());
    wait::until_true("the phones hear each other", || {
        calls.heard().after(before[0]).seconds_of(HIGH) >= 0.3 && answers.heard().after(before[1]).seconds_of(LOW) >= 0.3
    });
}

/// Places that a clock would not have chosen, the same in each run.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

fn states(switch: &Switch, state: &str) -> usize {
    switch.calls().iter().filter(|call| call["state"] == state).count()
}

fn waiting(switch: &Switch) -> Vec<String> {
    switch.line("support").into_iter().filter(|(_, stage)| stage == "waiting").map(|(caller, _)| caller).collect()
}

fn one_kill(switch: &mut Switch, toll: &mut Toll) {
    toll.were_up.extend(switch.calls().iter().map(|call| call["call"].as_str().unwrap_or_default().to_owned()));
    let at = wait::deadline(UP_AFTER);
    wait::until("the youngest of them is up", wait::SOON, || wait::passed(at).then_some(()));
    let before = waiting(switch);
    switch.kill9();
    switch.start_again();
    let after = waiting(switch);
    let [up, lost] = ["tandem_calls_taken_up", "tandem_calls_not_taken_up"].map(|name| switch.metric(name));
    toll.taken_up += up;
    toll.closed += lost;
    // Who waited before and waits now has the same people before them.
    let still: Vec<_> = before.iter().filter(|caller| after.contains(caller)).collect();
    let known: Vec<_> = after.iter().filter(|caller| before.contains(caller)).collect();
    assert_eq!(still, known, "the line is in another order");
    toll.places += still.len();
}

/// When everybody has gone: one record for each call, both ways of hanging up worked, nobody is left anywhere.
fn nothing_is_left(switch: &mut Switch, kills: usize, toll: &Toll) {
    wait::until_true("no call is left", || switch.calls().is_empty());
    switch.until_kept();
    let mut journal = Journal::open(switch);
    let started = journal.until("restarted", kills + 1, wait::SOON).len();
    assert_eq!(started, kills + 1);
    let begun = switch_calls(&journal, "call-started", |body| body["call"].clone());
    let ended = journal.until("call-ended", begun.len(), wait::SOON);
    let mut closed = switch_calls(&journal, "call-ended", |body| body["cdr"]["call"].clone());
    closed.sort();
    closed.dedup();
    assert_eq!((closed.len(), ended.len()), (begun.len(), begun.len()), "each call has one record");

    let cut_off = ended.iter().map(|end| &end["cdr"]).filter(|cdr| cdr["cause"] == "restart");
    let lost = cut_off.filter(|cdr| toll.were_up.contains(cdr["call"].as_str().unwrap_or_default())).count();
    let Toll { taken_up, closed, .. } = toll;
    println!("{kills} kills: {taken_up} calls went on, {lost} that were up did not; {closed} of any age were closed");
    assert!(*taken_up > (kills * AGENTS) as f64);
    assert!(lost as f64 * 100.0 <= *taken_up, "more than one call of a hundred is lost");

    let survivors = |blame: &str| {
        let cdrs = ended.iter().map(|end| &end["cdr"]);
        cdrs.filter(|cdr| cdr["restarts"].as_u64() > Some(0) && cdr["cause"] == "normal" && cdr["blame"] == blame).count()
    };
    let (by_callers, by_agents) = (survivors("caller"), survivors("callee"));
    println!("{} calls; of those that outlived a kill {by_callers} were hung up by callers, {by_agents} by agents", begun.len());
    assert!(by_callers > 0 && by_agents > 0, "both sides can hang up");
    let faults = ended.iter().filter(|end| end["cdr"]["cause"] == "fault").count();
    assert_eq!(faults, 0);
    assert_eq!(switch.line("support"), [], "no item is left");
    wait::until_true("every agent is free", || {
        (0..AGENTS).all(|n| {
            ["ready", "not-ready"].contains(&switch.agent(&(1_001 + n).to_string())["state"].as_str().unwrap_or_default())
        })
    });
    wait::until_true("no audio is left", || switch.metric("tandem_media_streams") == 0.0);

    switch.kill9();
    switch.start_again();
    let ghosts = ["tandem_calls_taken_up", "tandem_calls_not_taken_up"].map(|name| switch.metric(name));
    assert_eq!(ghosts, [0.0, 0.0], "a ghost was kept");
}

fn switch_calls(journal: &Journal, kind: &str, call: impl Fn(&Value) -> Value) -> Vec<String> {
    journal.of(kind).iter().map(|body| call(body).as_str().unwrap_or_default().to_owned()).collect()
}
