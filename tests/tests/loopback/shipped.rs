//! The plans that ship, each on a real switch: a phone that nobody here wrote calls from outside and presses keys, and what
//! plan and call say is, row by row, what they say of the same call simulated.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use serde_json::Value;
use tandem_tests::{
    ground::Ground,
    phone::Setup,
    sipp::{Devices, Script, Sipp},
    switch::{Switch, program},
    wait,
};

use crate::simulated::said;

/// Whoever calls.
const CALLER: &str = "+393471234567";

/// Whether the schedules of a plan are open or closed, whatever the clock of this machine says.
#[derive(Clone, Copy)]
enum Hours {
    Open,
    Closed,
}

/// A firm that copied a plan that ships and put its own carrier into it.
fn firm(name: &str, hours: Hours) -> Switch {
    let ground = Ground::new();
    let out = std::process::Command::new(program())
        .args(["plans", "copy", name, "plan"])
        .current_dir(&ground.folder)
        .output()
        .expect("the program runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let plan = ground.join("plan");
    // Our carrier is on this machine, and asks for no password; who is not called is not there.
    let carrier = format!("peer \"udp\" \"{}:5060\"", ground.carrier());
    change(
        &plan,
        "10-firm.kdl",
        &[
            ("match \"192.0.2.0/24\"", "match \"127.0.0.1\""),
            ("peer \"udp\" \"sip.carrier.example:5060\"", &carrier),
            ("    register #true\n    options-ping \"30s\"\n", ""),
            ("secret=\"env:CARRIER_SECRET\"", "secret=\"file:carrier-secret\""),
            // Debian's baresip and SIPp know no other.
            ("realm \"tandem\"\n", "realm \"tandem\"\ndigest \"md5\"\n"),
        ],
    );
    for file in ["10-firm.kdl", "30-routes.kdl"] {
        let text = fs::read_to_string(plan.join(file)).expect("a file of the plan");
        let text = text.replace("password-file \"passwords\"", "password-file \"demo-passwords\"");
        fs::write(plan.join(file), text).expect("a writable folder");
    }
    fs::write(plan.join("carrier-secret"), "secret\n").expect("a writable folder");
    let text = fs::read_to_string(plan.join("20-hours.kdl")).expect("a plan has hours");
    let names = text.lines().filter_map(|line| line.strip_prefix("schedule \"")?.split('"').next());
    let times = match hours {
        Hours::Open => "open \"daily\" \"00:00-24:00\"",
        // Closed on every day that this test is run.
        Hours::Closed => "open \"daily\" \"00:00-24:00\"; closed \"2020-01-01..2098-12-31\"",
    };
    let always: String = names.map(|name| format!("schedule \"{name}\" {{ {times}; }}\n")).collect();
    fs::write(plan.join("20-hours.kdl"), always).expect("a writable folder");
    // They are about real hours.
    fs::remove_file(plan.join("90-tests.kdl")).expect("a plan has tests");
    let config = plan.to_str().expect("plain paths").to_owned();
    Switch::start(ground, &config, None, 5_060)
}

/// Changes what stands in a file of a plan; each must be there.
fn change(plan: &Path, file: &str, changes: &[(&str, &str)]) {
    let mut text = fs::read_to_string(plan.join(file)).expect("a file of the plan");
    for (old, new) in changes {
        assert!(text.contains(old), "{file} has no {old}");
        text = text.replace(old, new);
    }
    fs::write(plan.join(file), text).expect("a writable folder");
}

/// What the caller does when the plan has led them somewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Speaks after the tone, and hangs up.
    LeavesMessage,
    /// Talks until the other one hangs up, or hears it to the end.
    Stays,
}

/// A call of somebody outside: what is dialled, the keys for each prompt that gathers some, and what else the simulation is
/// told of the world.
struct Call<'a> {
    to: &'a str,
    keys: &'a [&'a str],
    then: Then,
    world: &'a [&'a str],
}

impl Call<'_> {
    /// What plan and call say when it is simulated.
    fn simulated(&self, switch: &Switch) -> Vec<String> {
        let mut arguments = vec!["simulate", "plan", "--trunk", "carrier", "--from", CALLER, "--to", self.to];
        let keys = self.keys.join(",");
        if !keys.is_empty() {
            arguments.extend(["--digits", &keys]);
        }
        // Somebody who leaves a message has spoken for a while by then.
        let after = if self.then == Then::LeavesMessage { "2m" } else { "10m" };
        arguments.extend(["--hang-up-after", after, "--talk", "1s", "--format", "json"]);
        arguments.extend(self.world);
        let simulation: Value = serde_json::from_str(&switch.cli(&arguments)).expect("JSON");
        said(simulation["trace"].as_array().expect("rows"))
    }

    /// What a follower is told when it is made.
    fn real(&self, switch: &Switch) -> Vec<String> {
        let mut caller = Setup::outside(switch, CALLER).start_there();
        let (mut follow, lines) = follow(switch);
        caller.dial(self.to);
        let mut keys = self.keys.iter();
        let mut real = Vec::new();
        for row in lines {
            if row.contains(" and gather up to ") {
                keys.next().filter(|keys| **keys != "nothing").into_iter().for_each(|keys| caller.press(keys));
            } else if row.ends_with("the message begins") && self.then == Then::LeavesMessage {
                caller.hang_up();
            }
            let last = row.starts_with("call: ended");
            real.push(row);
            if last {
                break;
            }
        }
        follow.kill().expect("our child");
        follow.wait().expect("our child");
        wait::until_true("nobody follows", || switch.metric("tandem_http_subscribers") == 0.0);
        real
    }

    #[track_caller]
    fn goes_as_simulated(&self, switch: &Switch) -> Vec<String> {
        let simulated = self.simulated(switch);
        assert!(simulated.len() > 4, "{simulated:?}");
        let real = self.real(switch);
        assert_eq!(plain(&real), plain(&simulated), "{} with {:?}; real, then simulated", self.to, self.keys);
        real
    }
}

/// Rows without who turned the switch of a schedule: that is no matter of the plan.
fn plain(rows: &[String]) -> Vec<&str> {
    let by = |row: &str| row.starts_with("plan: schedule ").then(|| row.find(" by ")).flatten();
    rows.iter().map(|row| &row[..by(row).unwrap_or(row.len())]).collect()
}

/// Follows the caller's calls: what plan and call say of them, as it happens.
fn follow(switch: &Switch) -> (Child, impl Iterator<Item = String>) {
    let mut follow =
        switch.command(&["follow", CALLER, "--format", "json"]).stdout(Stdio::piped()).spawn().expect("the program runs");
    wait::until_true("somebody follows", || switch.metric("tandem_http_subscribers") == 1.0);
    let lines = BufReader::new(follow.stdout.take().expect("piped above")).lines().map_while(Result::ok);
    (follow, lines.flat_map(|line| said([&serde_json::from_str::<Value>(&line).expect("JSON")])))
}

/// Phones that answer, and hang up after a second.
fn phones(switch: &Switch, extensions: &[&str]) -> Devices {
    Devices::start(switch, extensions, Script::new("agent-hangs-up", switch).stay_ms(1_000))
}

/// A mobile behind our carrier, which answers one call.
fn outside(switch: &Switch) -> Sipp {
    let text = fs::read_to_string(switch.ground.join("plan/10-firm.kdl")).expect("the plan");
    let peer = text.split("peer \"udp\" \"").nth(1).and_then(|rest| rest.split(':').next()).expect("a carrier");
    let ip = peer.parse().expect("the address that we gave it");
    Script::carrier("agent-hangs-up", switch).at_ip(ip).stay_ms(1_000).start()
}

fn has(rows: &[String], wanted: &str) {
    assert!(rows.iter().any(|row| row.contains(wanted)), "no {wanted} in {rows:#?}");
}

#[test]
fn small_office() {
    let switch = firm("small-office", Hours::Open);
    let _phones = phones(&switch, &["1003", "1007"]);
    let call = |to, keys: &[&str], then, world: &[&str]| Call { to, keys, then, world }.goes_as_simulated(&switch);
    // An extension of four digits.
    let rows = call("+390212345600", &["3", "1007"], Then::Stays, &[]);
    has(&rows, "collected 4 digits");
    has(&rows, "connected");
    // A direct line whose phone is not there: the menu instead, and one of two who sell.
    let rows = call("+390212345605", &["1"], Then::Stays, &["--party", "1005=unreachable,1004=unreachable"]);
    has(&rows, "route sales");
    has(&rows, "connected");

    let closed = firm("small-office", Hours::Closed);
    let message = Call { to: "+390212345600", keys: &[], then: Then::LeavesMessage, world: &[] };
    has(&message.goes_as_simulated(&closed), "the message begins");
}

#[test]
fn support_line() {
    let switch = firm("support-line", Hours::Open);
    let call = |keys: &[&str], then, world: &[&str]| Call { to: "+442079460100", keys, then, world }.goes_as_simulated(&switch);
    let rows = call(&["1"], Then::LeavesMessage, &[]);
    has(&rows, "no-agents");
    has(&rows, "the message begins");
    let _phones = phones(&switch, &["2003"]);
    switch.set_agent("2003", "sign-in");
    has(&call(&["2"], Then::Stays, &["--agent", "2003=ready"]), "connected");
}

#[test]
fn sales_line() {
    let switch = firm("sales-line", Hours::Open);
    // A ladder with short rungs.
    change(&switch.ground.join("plan"), "30-routes.kdl", &[("overflow after=\"25s\"", "overflow after=\"2s\"")]);
    switch.cli(&["check", "plan"]);
    switch.signal("HUP");
    wait::until_true("the plan is taken", || switch.get("/plan")["generation"] == 2);
    let call = |world: &[&str]| Call { to: "+390212345700", keys: &[], then: Then::Stays, world }.goes_as_simulated(&switch);
    // Nobody is signed in: down to the mobile of whoever is responsible.
    let mobile = outside(&switch);
    let rows = call(&[]);
    has(&rows, "wait in queue everybody");
    has(&rows, "route manager");
    mobile.succeed();
    // The one who sells is signed in and not ready: who calls passes on to whoever helps out.
    let _phones = phones(&switch, &["3001", "3012"]);
    switch.set_agent("3001", "sign-in");
    switch.set_agent("3012", "sign-in");
    switch.post("/agents/3001/state", &serde_json::json!({ "state": "not-ready", "reason": "break" }));
    let rows = call(&["--agent", "3001=away,3012=ready"]);
    has(&rows, "overflow");
    has(&rows, "connected");
    switch.set_agent("3001", "ready");
    has(&call(&["--agent", "3001=ready,3012=ready"]), "connected");
}

#[test]
fn credit_collection() {
    let switch = firm("credit-collection", Hours::Open);
    let call =
        |keys: &[&str], world: &[&str]| Call { to: "+390212345800", keys, then: Then::Stays, world }.goes_as_simulated(&switch);
    has(&call(&["2"], &[]), "third-party");
    let _phones = phones(&switch, &["4003"]);
    switch.set_agent("4003", "sign-in");
    let rows = call(&["1", "20471153", "1", "1"], &["--agent", "4003=ready"]);
    has(&rows, "collected 8 digits");
    has(&rows, "wait in queue payments");
    has(&rows, "connected");
}

#[test]
fn night_service() {
    let switch = firm("night-service", Hours::Closed);
    let call = |keys: &[&str], then| Call { to: "+442079460200", keys, then, world: &[] }.goes_as_simulated(&switch);
    let mobile = outside(&switch);
    has(&call(&["1"], Then::Stays), "route on-duty");
    mobile.succeed();
    has(&call(&["2"], Then::LeavesMessage), "the message begins");
}

#[test]
fn language_menu() {
    let switch = firm("language-menu", Hours::Open);
    let _phones = phones(&switch, &["6003"]);
    switch.set_agent("6003", "sign-in");
    let world = ["--agent", "6003=ready"];
    let call = Call { to: "+390212345900", keys: &["2", "2"], then: Then::Stays, world: &world };
    let rows = call.goes_as_simulated(&switch);
    has(&rows, "main-menu (it)");
    has(&rows, "wait in queue changes");
    has(&rows, "connected");
}

#[test]
fn emergency_closure() {
    let call = |switch: &Switch, keys: &[&str], world: &[&str]| {
        Call { to: "+442079460300", keys, then: Then::Stays, world }.goes_as_simulated(switch)
    };
    let open = firm("emergency-closure", Hours::Open);
    let _phones = phones(&open, &["7001"]);
    has(&call(&open, &[], &["--party", "7002=unreachable,7003=unreachable"]), "connected");
    // The same switch, turned while it runs. The simulation knows nobody who could have turned it.
    open.cli(&["schedule", "premises", "force-closed", "--why", "the cellar is under water"]);
    let mobile = outside(&open);
    let rows = call(&open, &["1"], &["--schedule", "premises=closed"]);
    has(&rows, "schedule premises is forced closed");
    has(&rows, "route in-charge");
    mobile.succeed();
    open.cli(&["schedule", "premises", "follow"]);
    assert!(
        Call { to: "+442079460300", keys: &[], then: Then::Stays, world: &[] }
            .real(&open)
            .contains(&"call: route front-door".to_owned())
    );
}
