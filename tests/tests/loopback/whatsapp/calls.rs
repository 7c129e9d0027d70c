//! Calls that are made: by a customer, to a customer, and to whom a customer's link leads.

use serde_json::json;
use tandem_tests::{
    phone::Phone,
    wait,
    whatsapp::{Behaviour, HZ, Setup, Stage},
};

use super::{CUSTOMER, QUEUE, World};
use crate::{states, tells};

const AGENT_HZ: f64 = 900.0;
const COLLEAGUE_HZ: f64 = 1_500.0;

#[test]
fn a_customer_is_served_held_and_handed_on_and_the_edge_is_asked_for_no_change() {
    let world = World::start(QUEUE);
    let World { edge, switch, .. } = &world;
    let mut agent = Phone::of(switch, "1001").hz(AGENT_HZ).answers().start(switch);
    let _colleague = Phone::of(switch, "1002").hz(COLLEAGUE_HZ).answers().start(switch);
    switch.set_agent("1001", "sign-in");
    let call = world.customer_calls(&[
        ("x-wa-meta-deeplink-payload", "order-7"),
        ("x-wa-meta-username", "ana.k"),
        ("X-FB-Attestation", "forged"),
    ]);
    edge.until(&call, Stage::Up);
    let audio = edge.audio(&call);
    edge.until_heard(&call, AGENT_HZ, 0.5);
    agent.until_heard(HZ, 0.5);

    agent.hold();
    switch.until_call(CUSTOMER, "hold");
    // More than half a minute of the edge's time with one sign of life in ten seconds of it.
    let before = audio.packets();
    wait::until_true("the edge hears of us while it is held", || audio.packets() >= before + 5);
    agent.resume();
    switch.until_call(CUSTOMER, "talking");
    let heard = audio.heard().seconds_of(AGENT_HZ);
    edge.until_heard(&call, AGENT_HZ, heard + 0.5);

    agent.transfer("1002");
    edge.until_heard(&call, COLLEAGUE_HZ, 0.5);
    edge.hang_up(&call);
    let record = switch.until_cdr(CUSTOMER);
    tells(&record, &[("origin", "trunk:wa"), ("to", "+15550100000"), ("cause", "normal"), ("blame", "caller")]);
    let wacid = call.trim_start_matches("outgoing:");
    let told = json!({ "wacid": wacid, "deeplink-payload": "order-7", "username": "ana.k", "call-duration": "42" });
    assert_eq!(record["told"], told, "{record}");
    assert!(states(&record).contains(&"transferring"), "{record}");
    let requests = edge.requests();
    assert!(requests.iter().all(|line| line.starts_with("ACK ")), "nothing was asked of the edge: {requests:?}");
    world.is_lawful();
}

#[test]
fn a_customer_is_called_talks_and_is_hung_up_by_both_proxies() {
    let world = World::start(QUEUE);
    let World { edge, switch, .. } = &world;
    let mut desk = Phone::of(switch, "1011").hz(AGENT_HZ).start(switch);
    desk.dial("915550101234");
    let call = edge.until_called(Stage::Up);
    assert_eq!(edge.number_of(&call), CUSTOMER);
    edge.until_heard(&call, AGENT_HZ, 0.5);
    desk.until_heard(HZ, 0.5);
    desk.hang_up();
    edge.until(&call, Stage::Over);
    assert_eq!(edge.end_of(&call), (200, Some("by the switch".to_owned())));
    // And one who does not answer is let go.
    edge.behave(Behaviour::Ring);
    desk.dial("915550101234");
    let call = edge.until_called(Stage::Ringing);
    desk.hang_up();
    edge.until(&call, Stage::Over);
    assert_eq!(edge.end_of(&call).1.as_deref(), Some("cancelled"));
    world.is_lawful();
}

#[test]
fn a_call_goes_on_over_kill_9_and_the_edge_hears_of_its_end() {
    // No clock that runs away: while the switch starts nobody sends audio.
    let setup = Setup { speed: 1, ..Setup::default() };
    let World { edge, mut switch, _names } = World::at(setup, setup.host, setup.password, QUEUE);
    let mut agent = Phone::of(&switch, "1001").hz(AGENT_HZ).answers().start(&switch);
    switch.set_agent("1001", "sign-in");
    let call = edge.call(switch.sip.ip(), &[]);
    edge.until(&call, Stage::Up);
    edge.until_heard(&call, AGENT_HZ, 0.5);
    switch.until_kept();
    switch.kill9();
    let heard = edge.audio(&call).heard().seconds_of(AGENT_HZ);
    switch.start_again();
    edge.until_heard(&call, AGENT_HZ, heard + 0.5);
    agent.hang_up();
    // Its connection went with the old process, and it listens at no port that it came from.
    edge.until(&call, Stage::Over);
    assert_eq!(edge.end_of(&call), (200, Some("by the switch".to_owned())));
    tells(&switch.until_cdr(CUSTOMER), &[("agent", "1001"), ("cause", "normal"), ("blame", "callee")]);
    assert_eq!(edge.violations(), Vec::<String>::new(), "{:?}", edge.requests());
}

#[test]
fn a_link_says_whom_its_customers_reach_and_nothing_else() {
    let world = World::start(
        r#"
route "by-link" {
    from trunk="wa"
    to "+15550100000"
    dial extension="{deeplink-payload}" ring="10s" { unreachable { hangup "unavailable"; }; }
}
"#,
    );
    let World { edge, switch, .. } = &world;
    let _desk = Phone::of(switch, "1012").hz(AGENT_HZ).answers().start(switch);
    let call = world.customer_calls(&[("x-wa-meta-deeplink-payload", "1012")]);
    edge.until(&call, Stage::Up);
    edge.until_heard(&call, AGENT_HZ, 0.5);
    edge.hang_up(&call);
    for headers in [&[("x-wa-meta-deeplink-payload", "+15550109999")][..], &[("x-wa-meta-deeplink-payload", "../1012")], &[]] {
        let call = world.customer_calls(headers);
        edge.until(&call, Stage::Over);
        assert_eq!(edge.end_of(&call), (480, None), "{headers:?}");
    }
    world.is_lawful();
}

#[test]
fn customers_do_not_get_out_by_other_carriers() {
    let world = World::start(
        r#"
trunk "telephones" { peer "udp" "127.0.0.1:5999"; international #true; }
route "onward" {
    from trunk="wa"
    to "+15550100000"
    dial trunk="telephones" number="+390212345678" { rejected { hangup "forbidden"; }; }
}
"#,
    );
    let World { edge, switch, .. } = &world;
    let call = world.customer_calls(&[]);
    edge.until(&call, Stage::Over);
    assert_eq!(edge.end_of(&call), (403, None));
    assert_eq!(switch.metric("tandem_trunk_refusals_total{why=\"onward\"}"), 1.0);
    world.is_lawful();
}
