//! Callers that are handed back to their carrier by REFER, with SIPp as the carrier.

use tandem_tests::{
    sipp::{Devices, Script},
    switch::Switch,
};

use crate::{TEAM, states, tells};

fn start() -> Switch {
    let carrier = "trunk \"carrier\" {\n";
    assert!(TEAM.contains(carrier));
    let team = TEAM.replace(carrier, &format!("{carrier}    takes-refer #true\n    numbers country-code=\"39\"\n"));
    Switch::with_plan(&format!(
        r#"
route "back" {{
    from any
    to "1900" "1901"
    answer
    play "welcome"
    hand-back "0287654321" {{
        busy {{ dial extension="1005"; }}
        rejected {{ hangup "forbidden"; }}
        unreachable {{ dial extension="1005"; }}
        error {{ hangup "not-found"; }}
    }}
}}
route "abroad" {{
    from trunk="carrier"
    to "1902"
    answer
    hand-back "00442071838750" {{
        rejected {{ play "goodbye"; hangup "forbidden"; }}
    }}
}}
{team}"#
    ))
}

fn caller(switch: &Switch, scenario: &str, from: &str, to: &str) -> Script {
    Script::carrier(scenario, switch).caller(from).dial(to)
}

#[test]
fn a_carrier_has_its_caller_back_and_the_call_is_over() {
    let switch = start();
    let script = caller(&switch, "carrier-takes-back", "0212345678", "1900");
    script.set("number", "0287654321").set("outcome", "200 OK").start().succeed();
    let record = switch.until_cdr("0212345678");
    tells(&record, &[("route", "back"), ("cause", "normal"), ("blame", "us")]);
    assert_eq!(states(&record), ["transferring"], "{record}");
}

#[test]
fn a_caller_whom_the_carrier_does_not_take_is_not_lost() {
    let switch = start();
    let answers = || Devices::once(&switch, &["1005"], Script::new("agent-hangs-up", &switch).stay_ms(200));
    let phone = answers();
    let script = caller(&switch, "carrier-takes-back", "0212345678", "1900");
    script.set("number", "0287654321").set("outcome", "486 Busy Here").start().succeed();
    phone.succeed();
    let record = switch.until_cdr("0212345678");
    tells(&record, &[("answered_by", "1005"), ("cause", "normal"), ("blame", "callee")]);
    assert_eq!(states(&record), ["transferring", "ringing", "talking"], "{record}");
    // A carrier that does not know REFER at all.
    let phone = answers();
    caller(&switch, "carrier-refuses-refer", "0212345679", "1901").start().succeed();
    phone.succeed();
    tells(&switch.until_cdr("0212345679"), &[("answered_by", "1005")]);
}

#[test]
fn only_callers_of_such_a_carrier_are_handed_back_and_by_its_rules() {
    let switch = start();
    Script::new("caller-waits-for-bye", &switch).user(&switch, "1011").dial("1900").start().succeed();
    tells(&switch.until_cdr("1011"), &[("cause", "not-found")]);
    caller(&switch, "carrier-waits-for-bye", "0212345678", "1902").start().succeed();
    tells(&switch.until_cdr("0212345678"), &[("cause", "forbidden")]);
    assert_eq!(switch.metric("tandem_trunk_refusals_total{why=\"international\"}"), 1.0);
}
