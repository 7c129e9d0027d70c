//! How offers end.

use crate::floor::tests::script::check;

#[test]
fn an_offer_that_rings_out_goes_to_the_next_and_the_caller_keeps_the_place() {
    check(
        "
        given 1 rings at the first of two
        > call 2 support
        2: queued, place 2
        offer 2: 1002 chosen: idle 0 s
        1002 reserved
        2: ring 1002 for 10 s (offer 2)
        > ringing 1
        > wait 9
        > accept 2
        offer 2 accepted
        1002 engaged with 2
        2: connect offer 2
        > wait 1
        offer 1 expired
        1: withdraw offer 1
        1001 ready
        offer 3: 1001 chosen: idle 10 s, did not take it before
        1001 reserved
        1: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn who_let_an_item_ring_out_is_asked_again_only_when_nobody_else_is_free() {
    check(
        "
        > queue support missed=0
        > agent 1001 support always-on
        1001 ready
        > agent 1002 support always-on
        1002 ready
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > wait 10
        offer 1 expired
        1: withdraw offer 1
        1001 ready
        offer 2: 1002 chosen: idle 10 s
        1002 reserved
        1: ring 1002 for 10 s (offer 2)
        > wait 10
        offer 2 expired
        1: withdraw offer 2
        1002 ready
        offer 3: 1001 chosen: idle 20 s, did not take it before
        1001 reserved
        1: ring 1001 for 10 s (offer 3)
        > accept 3
        offer 3 accepted
        1001 engaged with 1
        1: connect offer 3
        ",
    );
}

#[test]
fn an_agent_who_misses_too_often_takes_a_break() {
    check(
        "
        > queue support missed=2
        > agent 1001 support always-on
        1001 ready
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > wait 20
        offer 1 expired
        1: withdraw offer 1
        1001 ready
        offer 2: 1001 chosen: idle 10 s, did not take it before
        1001 reserved
        1: ring 1001 for 10 s (offer 2)
        offer 2 expired
        1: withdraw offer 2
        1001 not ready: missed
        > ready 1001
        1001 ready
        offer 3: 1001 chosen: idle 20 s, did not take it before
        1001 reserved
        1: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn a_late_accept_is_hung_up_and_a_second_accept_means_nothing() {
    check(
        "
        > queue support missed=1
        > agent 1001 support always-on
        1001 ready
        > agent 1002 support always-on
        1002 ready
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > wait 10
        offer 1 expired
        1: withdraw offer 1
        1001 not ready: missed
        offer 2: 1002 chosen: idle 10 s
        1002 reserved
        1: ring 1002 for 10 s (offer 2)
        > accept 1
        1: withdraw offer 1
        > accept 2
        offer 2 accepted
        1002 engaged with 1
        1: connect offer 2
        > accept 2
        > accept 1
        1: withdraw offer 1
        > leave 1
        1 finished with 1002, cancelled
        1002 ready
        > accept 2
        ",
    );
}

#[test]
fn a_busy_device_is_left_alone_for_a_while() {
    check(
        "
        given 1 rings at 1001
        > decline 1 busy
        offer 1 declined, busy
        1001 ready
        > wait 4
        > wait 1
        offer 2: 1001 chosen: idle 5 s, did not take it before
        1001 reserved
        1: ring 1001 for 10 s (offer 2)
        > decline 2 rejected
        offer 2 declined, rejected
        1001 ready
        > ready 1001
        offer 3: 1001 chosen: idle 5 s, did not take it before
        1001 reserved
        1: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn a_device_that_keeps_failing_is_tried_less_and_less() {
    check(
        "
        given 1 rings at 1001
        > decline 1 unavailable
        offer 1 declined, unavailable
        1001 ready
        > wait 5
        offer 2: 1001 chosen: idle 5 s, did not take it before
        1001 reserved
        1: ring 1001 for 10 s (offer 2)
        > decline 2 timeout
        offer 2 declined, timeout
        1001 ready
        > wait 9
        > wait 1
        offer 3: 1001 chosen: idle 15 s, did not take it before
        1001 reserved
        1: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn an_unregistered_device_is_asked_when_it_is_back() {
    check(
        "
        > queue support
        > agent 1001 support
        > reachable 1001
        > sign-in 1001
        1001 ready
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > decline 1 not-registered
        offer 1 declined, not-registered
        1001 ready
        > wait 20
        > reachable 1001
        offer 2: 1001 chosen: idle 20 s, did not take it before
        1001 reserved
        1: ring 1001 for 10 s (offer 2)
        > unreachable 1001
        offer 2 withdrawn
        1: withdraw offer 2
        1001 ready
        > reachable 1001
        offer 3: 1001 chosen: idle 20 s, did not take it before
        1001 reserved
        1: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_frees_the_agent_for_the_next() {
    check(
        "
        given 1 rings at 1001
        > call 2 support
        2: queued, place 2
        > leave 1
        offer 1 withdrawn
        1: withdraw offer 1
        1 left, Abandoned
        1001 ready
        offer 2: 1001 chosen: idle 0 s
        1001 reserved
        2: ring 1001 for 10 s (offer 2)
        > leave 1
        > accept 1
        1: withdraw offer 1
        > decline 1 busy
        ",
    );
}

#[test]
fn a_hang_up_that_crosses_the_connect_frees_the_agent_without_wrap_up() {
    check(
        "
        > queue support wrap=10
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
        > leave 1
        1 finished with 1001, cancelled
        1001 ready
        > finish 1
        ",
    );
}

#[test]
fn messages_that_fit_nothing_change_nothing() {
    check(
        "
        given 1 rings at 1001
        > call 1 support
        > finish 1
        > finish 7
        > leave 7
        > legs 1009 1
        > reachable 1009
        > sign-in 1009
        > code sign-in 1009
        99: reply false
        > decline 1 busy
        offer 1 declined, busy
        1001 ready
        > decline 1 busy
        > ringing 1
        > accept 1
        1: withdraw offer 1
        ",
    );
}
