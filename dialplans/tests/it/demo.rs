//! The plans that ship: right without a single remark, and doing what the README says.

use std::{path::Path, sync::Arc};

use tandem_dialplan::{Codec, Coverage, Lengths, Plan, explain, load, run_test};
use tandem_switch::{name::QueueName, step::StepOutcome, step::Target};

use crate::{facts, ladder, noon};

fn shipped(folder: &str) -> Arc<Plan> {
    let loaded = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    assert_eq!(loaded.report.lines(), "", "{folder} checks clean");
    assert!(folder != "demo" || loaded.prompts.join("en/welcome.wav").is_file());
    Arc::new(loaded.plan.unwrap())
}

fn digits(keys: &str) -> StepOutcome {
    StepOutcome::Digits(keys.into())
}

#[test]
fn the_demo_has_its_addresses_queues_and_people() {
    let plan = shipped("demo");
    let listen = &plan.listen;
    let all = listen.sip_udp.iter().chain(&listen.sip_tcp).chain(&listen.sip_tls).chain(&listen.http);
    let all: Vec<_> = all.map(ToString::to_string).collect();
    assert_eq!(all, ["127.0.0.1:5060", "127.0.0.1:5060", "127.0.0.1:5061", "127.0.0.1:8080"]);
    assert_eq!((listen.rtp_address.to_string().as_str(), listen.rtp_ports), ("127.0.0.1", (20_000, 29_999)));
    let support = &plan.queues[&QueueName::from("support")];
    assert_eq!((support.profile.ring_ms, support.profile.wrap_up_ms, support.announce_every_ms), (15_000, 10_000, Some(20_000)));
    assert!(support.record && !support.wait_without_agents);
    let people = plan.starter_profiles();
    assert_eq!((people.len(), people[0].agent.as_str(), people[9].agent.as_str()), (10, "1001", "1010"));
    assert_eq!(people[0].device, Target::Extension("1001".into()));
    assert!(plan.listen.clone().on("192.0.2.10".parse().unwrap()).sip_tls[0].to_string() == "192.0.2.10:5061");
}

#[test]
fn an_address_that_stands_for_all_is_told_to_nobody() {
    let listen = shipped("demo").listen.clone();
    assert_eq!(listen.untold(), None);
    for all in ["0.0.0.0", "::"] {
        let all = all.parse().unwrap();
        assert_eq!(listen.clone().on(all).untold(), Some(all));
    }
    let named = |advertise: &str| {
        let listen = listen.clone().on("0.0.0.0".parse().unwrap());
        tandem_dialplan::Listen { advertise: Some(advertise.parse().unwrap()), ..listen }.untold()
    };
    assert_eq!(named("198.51.100.7"), None);
    assert!(named("2001:db8::1").is_some() && named("0.0.0.0").is_some());
}

#[test]
fn silence_ends_a_call_after_half_a_minute_unless_the_plan_says_otherwise() {
    let silence = |line: &str| {
        let text = format!("{line}\nroute \"r\" {{\n    from any\n    hangup\n}}\n");
        let (plan, report) = tandem_dialplan::check(&[tandem_dialplan::Source::new("plan.kdl", text)], &crate::world());
        plan.unwrap_or_else(|| panic!("{}", report.lines())).silence_ends_after_ms
    };
    assert_eq!(silence(""), Some(30_000));
    assert_eq!(silence("silence-ends-after \"2m\""), Some(120_000));
    assert_eq!(silence("silence-ends-after \"never\""), None);
}

#[test]
fn the_demo_menu_leads_to_the_queues_in_both_languages() {
    let plan = shipped("demo");
    insta::assert_snapshot!(ladder(&plan, facts("1001", "1000"), &[digits("2"), StepOutcome::Done]), @r"
    [welcome]
      answer
    [welcome-menu]
      play welcome (en) and gather up to 1 digits
      (pressed: 2)
    [support-line]
      play recording-notice (en)
      wait in queue support
      hang up: normal
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1001", "1000"), &[digits("9"), digits("5"), digits("1"), StepOutcome::NoAgents]), @r"
    [welcome]
      answer
    [welcome-menu]
      play welcome (en) and gather up to 1 digits
      (pressed: 9)
      (language: it)
    [welcome-menu-italian]
      play welcome (it) and gather up to 1 digits
      (again: invalid)
      play invalid-key, welcome (it) and gather up to 1 digits
      (pressed: 1)
    [sales-line]
      play recording-notice (it)
      wait in queue sales
      (ended: no-agents)
      play no-agents, try-later (it)
      hang up: normal
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1001", "1000"), &[StepOutcome::NoInput, StepOutcome::NoInput, StepOutcome::NoInput]), @r"
    [welcome]
      answer
    [welcome-menu]
      play welcome (en) and gather up to 1 digits
      (again: no-input)
      play no-input, welcome (en) and gather up to 1 digits
      (again: no-input)
      play no-input, welcome (en) and gather up to 1 digits
      (ended: no-input)
      play goodbye (en)
      hang up: normal
    ");
}

#[test]
fn the_demo_connects_colleagues_and_takes_feature_codes() {
    let plan = shipped("demo");
    insta::assert_snapshot!(ladder(&plan, facts("1001", "1007"), &[StepOutcome::Busy]), @r"
    [colleagues]
      dial 1007 for 30 s
      (ended: busy)
      play busy (en)
      hang up: busy
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1001", "1007"), &[StepOutcome::Rejected]), @r"
    [colleagues]
      dial 1007 for 30 s
      (ended, by default: rejected)
      play busy (en)
      hang up: rejected
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1001", "*14"), &[StepOutcome::Done]), @r"
    [not-ready]
      answer
      agent is not ready: lunch
      play agent-not-ready (en)
      hang up: normal
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1001", "*11"), &[StepOutcome::Error]), @r"
    [sign-in]
      answer
      agent signs in
      (ended, by default: error)
      play agent-error (en)
      hang up: normal
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1001", "1999"), &[]), @r"
    [echo]
      answer
      play echo-start (en)
      echo
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1001", "1800"), &[StepOutcome::TimedOut]), @r"
    [support]
      answer
    [support-line]
      play recording-notice (en)
      wait in queue support
      (ended, by default: timed-out)
      play try-later, goodbye (en)
      hang up: unavailable
    ");
    insta::assert_snapshot!(ladder(&plan, facts("1001", "4711"), &[]), @r"
    [unknown]
      play not-found (en)
      hang up: not-found
    ");
    insta::assert_snapshot!(ladder(&plan, facts("trunk:unknown", "1000"), &[]), @r"
    (route: none fits)
    hang up: not-found
    ");
}

#[test]
fn explain_says_which_route_and_why_not_the_earlier_ones() {
    let plan = shipped("demo");
    let explanation = explain(&plan, &facts("1001", "1003"), noon());
    let text = explanation.to_string().replace(env!("CARGO_MANIFEST_DIR"), "");
    insta::assert_snapshot!(text, @r"
     - welcome (/demo/30-routes.kdl:5): the dialled number does not fit `1000`
     - welcome-menu (/demo/30-routes.kdl:13): has no `from`: reached by `goto` only
     - welcome-menu-italian (/demo/30-routes.kdl:29): has no `from`: reached by `goto` only
     - support (/demo/30-routes.kdl:45): the dialled number does not fit `1800`
     - sales (/demo/30-routes.kdl:52): the dialled number does not fit `1801`
     - support-line (/demo/30-routes.kdl:59): has no `from`: reached by `goto` only
     - sales-line (/demo/30-routes.kdl:69): has no `from`: reached by `goto` only
    -> colleagues (/demo/30-routes.kdl:81): fits
       {colleague} = 1003
       route colleagues
       dial 1003 for 30 s
    ");
    assert!(serde_json::to_string(&explanation).unwrap().contains("\"taken\":\"colleagues\""));
}

#[test]
fn the_tests_of_the_demo_pass_and_reach_every_route_and_branch() {
    let plan = shipped("demo");
    let mut coverage = Coverage::of(&plan);
    for test in &plan.tests {
        let result = run_test(&plan, test, &Lengths::default());
        assert_eq!(result.failure, None, "{}\n{}", test.name, result.simulation);
        coverage.add(&result.simulation);
    }
    assert!(plan.tests.len() > 10);
    assert_eq!(coverage.never(), []);
    let (done, all) = coverage.steps();
    assert!(done + 2 >= all, "{done} of {all} steps");
}

#[test]
fn the_load_plan_is_what_the_load_scripts_ask_for() {
    let loaded = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/load")).unwrap();
    // Its keys are on the loopback only.
    assert!(loaded.report.lines().lines().all(|line| line.contains("warning[readable-keys]")), "{}", loaded.report.lines());
    let plan = Arc::new(loaded.plan.unwrap());
    let callers = plan.trunk_at("127.0.0.2".parse().unwrap()).unwrap();
    assert_eq!(callers.name.as_str(), "callers");
    assert!(plan.trunk_at("127.0.0.3".parse().unwrap()).is_none());
    let peer = |name: &str| {
        let trunk = &plan.trunks[&tandem_switch::name::TrunkName::from(name)];
        (trunk.peer.as_ref().unwrap().address.to_string(), trunk.codecs.clone())
    };
    assert_eq!(peer("callees-opus"), ("127.0.0.3:5090".into(), vec![Codec::Opus]));
    assert_eq!(peer("callees-g722"), ("127.0.0.3:5090".into(), vec![Codec::G722]));
    let agents = plan.starter_profiles();
    assert_eq!(agents.len(), 50);
    assert_eq!((agents[49].agent.as_str(), agents[49].always_on), ("agent49", true));
    assert_eq!(agents[49].device, Target::Fixed("sip:agent49@127.0.0.3:5090".into()));
    insta::assert_snapshot!(ladder(&plan, facts("trunk:callers", "2000"), &[StepOutcome::Done]), @r"
    [bridge-opus]
      dial a number through callees-opus for 60 s
      hang up: normal
    ");
    insta::assert_snapshot!(ladder(&plan, facts("trunk:callers", "4000"), &[StepOutcome::Done]), @r"
    [queue]
      ring
      wait in queue load
      hang up: normal
    ");
}
