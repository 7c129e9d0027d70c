//! What a person is told: decisions, explanations, views.

use crate::{
    floor::{ItemStage, tests::script::Script},
    id::ItemId,
};

fn after(ladder: &str) -> Script {
    let mut script = Script::new();
    for line in ladder.lines().map(str::trim).filter(|line| !line.is_empty()) {
        script.run(line);
    }
    script
}

#[track_caller]
fn check(ladder: &str, item: u64, expected: &str) {
    let script = after(ladder);
    let told = script.floor.explain(ItemId(item), script.now).map_or_else(
        || "unknown".to_owned(),
        |explanation| {
            let agents = explanation.considered.iter().map(|one| format!("{}: {}", one.agent, one.why));
            std::iter::once(explanation.summary.clone()).chain(agents).collect::<Vec<_>>().join("\n")
        },
    );
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(told, expected.join("\n"));
}

#[test]
fn an_item_that_waits_says_why_nobody_has_it() {
    check(
        "
        queue support wrap=30
        agent 1001 support billing:5 always-on
        agent 1002 support billing:2 always-on
        agent 1003 support billing:5
        agent 1004 support billing:5
        agent 1005 support billing:5 always-on
        agent 1006 support billing:5 always-on
        agent 1007 support billing:5 always-on
        agent 1008 support billing:5 always-on
        sign-in 1004
        not-ready 1005 lunch
        legs 1006 1
        call 1 support billing:5
        accept 1
        finish 1
        call 2 support billing:5
        call 3 support billing:5
        accept 2
        decline 3 busy
        wait 1
        call 4 support billing:3
        ",
        4,
        "
        no agent who can take it is free; 1 ahead in support
        1001: wrap-up for 29 s more
        1002: skill billing 2 < 3
        1003: not signed in
        1004: device not reachable
        1005: not ready: lunch
        1006: on a call outside the queues
        1007: in conversation
        1008: left alone for 4 s after busy
        ",
    );
}

#[test]
fn an_item_says_where_it_is() {
    let offered = "
        queue support
        agent 1001 support always-on
        call 1 support
        ";
    check(offered, 1, "an offer is being sent to 1001\n1001: another offer rings");
    check(&format!("{offered}\nringing 1"), 1, "an offer rings at 1001\n1001: another offer rings");
    check(&format!("{offered}\naccept 1"), 1, "in conversation with 1001\n1001: in conversation");
    check(&format!("{offered}\nleave 1"), 1, "unknown");
    check("queue support\ncall 1 support", 1, "no agent serves support");
    check("queue support\nagent 1001 support\ncall 1 support", 1, "no agent of support is signed in\n1001: not signed in");
    check("queue support\ncall 1 support\nrestart", 1, "the switch restarted: the place is kept until the caller calls back");
    check(
        "queue support\nagent 1001 support always-on\ncall 1 support dutch:1",
        1,
        "no agent of support has the skills that it asks for\n1001: skill dutch 0 < 1",
    );
}

#[test]
fn the_chosen_one_comes_first_then_the_others_as_they_would_have_been_chosen() {
    let mut script = after(
        "
        queue support
        agent 1001 support billing:3 always-on
        wait 2
        agent 1002 support billing:3 always-on
        agent 1003 support billing:9 always-on
        agent 1004 support always-on
        wait 3
        ",
    );
    script.run("call 1 support billing:2");
    let decision = script.last_decision();
    let told: Vec<_> = decision.considered.iter().map(|one| format!("{}: {}", one.agent, one.why)).collect();
    assert_eq!(
        told,
        [
            "1003: chosen: billing 9, idle 3 s",
            "1001: free: billing 3, idle 5 s",
            "1002: free: billing 3, idle 3 s",
            "1004: skill billing 0 < 2",
        ]
    );
}

#[test]
fn a_decision_lists_64_agents_at_most() {
    let mut script = after("queue support");
    for number in 0..100 {
        script.run(&format!("agent {} support always-on", 1000 + number));
    }
    script.run("call 1 support");
    let decision = script.last_decision();
    assert_eq!(decision.considered.len(), 64);
    assert_eq!(decision.considered[0].agent.as_str(), "1000");
    assert_eq!(decision.considered[63].agent.as_str(), "1063");
}

#[test]
fn the_views_show_the_floor_as_it_is() {
    let script = after(
        "
        queue support
        queue sales
        agent 1001 support billing:3 always-on
        agent 1002 support,sales
        call 1 support
        accept 1
        sign-out 1001
        wait 5
        call 2 support
        wait 7
        call 3 support priority=1
        reachable 1002
        sign-in 1002
        ",
    );
    let (floor, now) = (&script.floor, script.now);
    let queues = floor.queues(now);
    let support = queues.iter().find(|queue| queue.queue.as_str() == "support").unwrap();
    assert_eq!((support.waiting, support.offered, support.engaged, support.expected_back), (2, 1, 1, 0));
    assert_eq!((support.agents, support.agents_signed_in, support.agents_free), (2, 2, 0));
    assert_eq!((support.longest_wait_ms, support.estimated_wait_ms), (7_000, None));
    let items: Vec<_> = floor.items(now).iter().map(|item| (item.item.0, item.stage, item.place.map(|p| p.position))).collect();
    assert_eq!(items, [(3, ItemStage::Offered, Some(1)), (2, ItemStage::Waiting, Some(2)), (1, ItemStage::Engaged, None)]);
    assert_eq!(floor.item(ItemId(3), now).unwrap().rank, Some(3.0));
    let agents = floor.agents();
    assert_eq!((agents[0].item, agents[0].offer.is_some(), agents[0].pending.is_some()), (Some(ItemId(1)), false, true));
    assert_eq!((agents[1].item, agents[1].offer.is_some(), agents[1].free), (Some(ItemId(3)), true, false));
    assert_eq!(floor.agent(&"1009".into()), None);
    serde_json::to_string(&(queues, agents, floor.items(now), floor.explain(ItemId(2), now))).unwrap();
}

#[test]
fn who_has_no_room_for_so_much_says_how_much() {
    check(
        "
        queue support
        agent 1001 support always-on
        call 1 support by=chat load=heavy
        accept 1
        call 2 support by=chat load=heavy
        ",
        2,
        "
        no agent who can take it is free; 0 ahead in support
        1001: in 1 conversations that take 0.666 of them, and this one (heavy) takes 0.666
        ",
    );
}
