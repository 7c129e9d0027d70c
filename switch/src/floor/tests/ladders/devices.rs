//! Agents with several devices.

use crate::floor::tests::script::check;

#[test]
fn an_agent_is_reachable_as_long_as_one_device_is() {
    check(
        "
        > queue support
        > agent 1001 support devices=1001,1101
        > sign-in 1001
        1001 ready
        > reachable 1101
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 20 s (offer 1)
        > unreachable 1001
        > unreachable 1101
        offer 1 withdrawn
        1: withdraw offer 1
        1001 ready
        > reachable 1001
        offer 2: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 20 s (offer 2)
        ",
    );
}

#[test]
fn a_device_that_is_lost_leaves_the_offer_to_the_others() {
    check(
        "
        > queue support
        > agent 1001 support devices=1001,1101
        > reachable 1001
        > reachable 1101
        > sign-in 1001
        1001 ready
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 20 s (offer 1)
        > unreachable 1001
        > unreachable 1101
        offer 1 withdrawn
        1: withdraw offer 1
        1001 ready
        > reachable 1101
        offer 2: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 20 s (offer 2)
        ",
    );
}

#[test]
fn a_call_of_ones_own_on_any_device_keeps_the_others_silent() {
    check(
        "
        > queue support
        > agent 1001 support devices=1001,1101
        > reachable 1001
        > reachable 1101
        > sign-in 1001
        1001 ready
        > legs 1101 1
        1001 on a direct call
        > legs 1001 1
        > call 1 support
        1: queued, place 1
        > legs 1101 0
        > legs 1001 0
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 20 s (offer 1)
        ",
    );
}

#[test]
fn a_number_outside_is_always_worth_a_try() {
    check(
        "
        > queue support ring=10
        > agent 1001 support devices=1001,+39333:1
        > sign-in 1001
        1001 ready
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 30 s (offer 1)
        > wait 30
        offer 1 expired
        1: withdraw offer 1
        1001 ready
        offer 2: 1001 chosen: idle 30 s, did not take it before
        1001 reserved
        1: ring 1001 for 30 s (offer 2)
        ",
    );
}

#[test]
fn devices_that_come_while_somebody_waits_count_at_once() {
    check(
        "
        > queue support
        > agent 1001 support devices=1101
        > sign-in 1001
        1001 ready
        > call 1 support
        1: queued, place 1
        > reachable 1201
        > legs 1201 1
        > agent 1001 support devices=1101,1201
        1001 on a direct call
        > legs 1201 0
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 20 s (offer 1)
        > agent 1001 support devices=1101
        offer 1 withdrawn
        1: withdraw offer 1
        1001 ready
        ",
    );
}

#[test]
fn whoever_dials_from_a_second_device_is_the_agent() {
    check(
        "
        > queue support
        > agent 1001 support devices=1001,1101
        > code sign-in 1101
        1001 ready
        99: reply true
        > reachable 1101
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 20 s (offer 1)
        > code sign-out 1101
        offer 1 withdrawn
        1: withdraw offer 1
        1001 offline
        99: reply true
        ",
    );
}
