//! States of agents.

use crate::floor::tests::script::check;

#[test]
fn a_conversation_is_followed_by_wrap_up_and_then_ready() {
    check(
        "
        > queue support wrap=5
        > agent 1001 support always-on
        1001 ready
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > wait 20
        > call 2 support
        2: queued, place 1
        > finish 1
        1 finished with 1001, normal
        1001 wrap-up for 5 s
        > wait 5
        1001 ready
        offer 2: 1001 chosen: idle 5 s
        1001 reserved
        2: ring 1001 for 10 s (offer 2)
        ",
    );
}

#[test]
fn signing_out_in_conversation_waits_for_wrap_up() {
    check(
        "
        > queue support wrap=5
        > agent 1001 support always-on
        1001 ready
        > call 1 support no-wait
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > sign-out 1001
        1001 asked for SignOut
        > call 2 support no-wait
        2: queued, place 1
        > finish 1
        1 finished with 1001, normal
        1001 wrap-up for 5 s
        > wait 5
        1001 offline
        2 left, NoAgents
        2: refused, NoAgents
        > sign-in 1001
        1001 ready
        ",
    );
}

#[test]
fn a_pause_asked_for_in_conversation_can_be_taken_back() {
    check(
        "
        given 1 rings at 1001
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > not-ready 1001 lunch
        1001 asked for NotReady { reason: \"lunch\" }
        > ready 1001
        1001 asked for Ready
        > finish 1
        1 finished with 1001, normal
        1001 ready
        > call 2 support
        2: queued, place 1
        offer 2: 1001 chosen: idle 0 s
        1001 reserved
        2: ring 1001 for 10 s (offer 2)
        > accept 2
        offer 2 accepted
        1001 engaged with 2
        2: connect offer 2
        > not-ready 1001 lunch
        1001 asked for NotReady { reason: \"lunch\" }
        > finish 2
        2 finished with 1001, normal
        1001 not ready: lunch
        ",
    );
}

#[test]
fn signing_out_or_pausing_takes_back_what_rings() {
    check(
        "
        given 1 rings at the first of two
        > not-ready 1001 lunch
        offer 1 withdrawn
        1: withdraw offer 1
        1001 not ready: lunch
        offer 2: 1002 chosen: idle 0 s
        1002 reserved
        1: ring 1002 for 10 s (offer 2)
        > sign-out 1002
        offer 2 withdrawn
        1: withdraw offer 2
        1002 offline
        > accept 1
        1: withdraw offer 1
        > ready 1001
        1001 ready
        offer 3: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn an_agent_on_a_direct_call_is_not_asked() {
    check(
        "
        > queue support
        > agent 1001 support always-on
        1001 ready
        > legs 1001 1
        1001 on a direct call
        > call 1 support
        1: queued, place 1
        > legs 1001 2
        > legs 1001 0
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > legs 1001 1
        > decline 1 busy
        offer 1 declined, busy
        1001 on a direct call
        > legs 1001 0
        1001 ready
        > wait 5
        offer 2: 1001 chosen: idle 5 s, did not take it before
        1001 reserved
        1: ring 1001 for 10 s (offer 2)
        ",
    );
}

#[test]
fn an_agent_signs_in_by_a_feature_code() {
    check(
        "
        > queue support
        > agent 1001 support
        > reachable 1001
        > legs 1001 1
        > code ready 1001
        99: reply false
        > code sign-in 1001
        1001 on a direct call
        99: reply true
        > call 1 support no-wait
        1: queued, place 1
        > legs 1001 0
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > code sign-in 1001
        99: reply true
        ",
    );
}

#[test]
fn a_device_that_goes_away_while_it_rings_gives_the_item_back() {
    check(
        "
        > queue support
        > agent 1001 support
        > agent 1002 support
        > reachable 1001
        > sign-in 1001
        1001 ready
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > unreachable 1001
        offer 1 withdrawn
        1: withdraw offer 1
        1001 ready
        > sign-in 1002
        1002 ready
        > reachable 1002
        offer 2: 1002 chosen: idle 0 s
        1002 reserved
        1: ring 1002 for 10 s (offer 2)
        ",
    );
}

#[test]
fn a_reload_changes_fields_and_resets_nothing() {
    check(
        "
        > queue support
        > agent 1001 support always-on
        1001 ready
        > agent 1002 sales always-on
        1002 ready
        > call 1 support billing:3
        1: queued, place 1
        > call 2 support
        2: queued, place 2
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        2: ring 1001 for 10 s (offer 1)
        > queue support wrap=9 relax=billing:1@0
        > agent 1001 support,sales billing:1 always-on
        > accept 1
        offer 1 accepted
        1001 engaged with 2
        2: connect offer 1
        > finish 2
        2 finished with 1001, normal
        1001 wrap-up for 9 s
        > wait 9
        1001 ready
        offer 2: 1001 chosen: billing 1, idle 9 s
        1001 reserved
        1: ring 1001 for 10 s (offer 2)
        > accept 2
        offer 2 accepted
        1001 engaged with 1
        1: connect offer 2
        > agent 1002 support billing:2 always-on
        > call 3 support billing:2
        3: queued, place 1
        offer 3: 1002 chosen: billing 2, idle 9 s
        1002 reserved
        3: ring 1002 for 10 s (offer 3)
        ",
    );
}

#[test]
fn an_agent_who_is_gone_is_signed_out_after_the_call() {
    check(
        "
        > queue support wrap=5
        > agent 1001 support always-on
        1001 ready
        > agent 1002 support always-on
        1002 ready
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > call 2 support no-wait
        2: queued, place 1
        offer 2: 1002 chosen: idle 0 s
        1002 reserved
        2: ring 1002 for 10 s (offer 2)
        > drop-agent 1001
        1001 asked for SignOut
        > drop-agent 1002
        offer 2 withdrawn
        2: withdraw offer 2
        1002 offline
        > ready 1001
        > finish 1
        1 finished with 1001, normal
        1001 offline
        2 left, NoAgents
        2: refused, NoAgents
        > agent 1001 support always-on
        1001 ready
        ",
    );
}

#[test]
fn an_agent_who_comes_back_into_the_database_during_the_call_stays() {
    check(
        "
        given 1 rings at 1001
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > drop-agent 1001
        1001 asked for SignOut
        > agent 1001 support always-on
        1001 asked for Ready
        > finish 1
        1 finished with 1001, normal
        1001 ready
        ",
    );
}

#[test]
fn a_queue_that_is_gone_serves_who_waits_and_takes_nobody_in() {
    check(
        "
        > queue support
        > agent 1001 support
        > reachable 1001
        > call 1 support
        1: queued, place 1
        > drop-queue support
        > call 2 support
        2: refused, NoSuchQueue
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > finish 1
        1 finished with 1001, normal
        1001 ready
        ",
    );
}

#[test]
fn queues_and_skills_that_change_are_matched_with_who_waits_at_once() {
    check(
        "
        > queue support
        > queue sales
        > agent 1001 sales always-on
        1001 ready
        > agent 1002 support billing:1 always-on
        1002 ready
        > call 1 support billing:3
        1: queued, place 1
        > agent 1001 sales,support always-on
        > agent 1001 sales,support billing:2 always-on
        > agent 1001 sales,support billing:3 always-on
        offer 1: 1001 chosen: billing 3, idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > agent 1001 sales always-on
        > decline 1 rejected
        offer 1 declined, rejected
        1001 ready
        > agent 1002 support billing:4 always-on
        offer 2: 1002 chosen: billing 4, idle 0 s
        1002 reserved
        1: ring 1002 for 10 s (offer 2)
        ",
    );
}
