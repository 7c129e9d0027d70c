//! Who is served first, and by whom.

use crate::floor::tests::script::check;

#[test]
fn callers_are_served_in_the_order_they_came() {
    check(
        "
        given 1 rings at 1001
        > call 2 support
        2: queued, place 2
        > call 3 support
        3: queued, place 3
        > wait 2
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        2: place 1
        3: place 2
        > wait 1
        > finish 1
        1 finished with 1001, normal
        1001 ready
        offer 2: 1001 chosen: idle 0 s
        1001 reserved
        2: ring 1001 for 10 s (offer 2)
        > accept 2
        offer 2 accepted
        1001 engaged with 2
        2: connect offer 2
        ",
    );
}

#[test]
fn priority_is_minutes_of_waiting_ahead() {
    check(
        "
        > queue support
        > agent 1001 support
        > reachable 1001
        > call 1 support
        1: queued, place 1
        > wait 30
        > call 2 support priority=1
        2: queued, place 1
        1: place 2
        > call 3 support
        3: queued, place 3
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        2: ring 1001 for 10 s (offer 1)
        ",
    );
}

#[test]
fn over_queues_the_wait_is_measured_against_the_answer_target() {
    check(
        "
        > queue sales target=10
        > queue support target=40
        > agent 1001 sales,support
        > reachable 1001
        > call 1 support
        1: queued, place 1
        > wait 20
        > call 2 sales
        2: queued, place 1
        > wait 10
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        2: ring 1001 for 10 s (offer 1)
        ",
    );
}

#[test]
fn the_best_level_is_asked_first_then_the_longest_idle() {
    check(
        "
        > queue support
        > agent 1001 support billing:5 always-on
        1001 ready
        > wait 1
        > agent 1002 support billing:9 always-on
        1002 ready
        > wait 1
        > agent 1003 support billing:5 always-on
        1003 ready
        > call 1 support billing:4
        1: queued, place 1
        offer 1: 1002 chosen: billing 9, idle 1 s
        1002 reserved
        1: ring 1002 for 10 s (offer 1)
        > call 2 support billing:4
        2: queued, place 2
        offer 2: 1001 chosen: billing 5, idle 2 s
        1001 reserved
        2: ring 1001 for 10 s (offer 2)
        > call 3 support billing:4
        3: queued, place 3
        offer 3: 1003 chosen: billing 5, idle 0 s
        1003 reserved
        3: ring 1003 for 10 s (offer 3)
        > call 4 support billing:6
        4: queued, place 4
        ",
    );
}

#[test]
fn a_requirement_softens_while_the_caller_waits() {
    check(
        "
        > queue support relax=billing:2@30 relax=billing:0@60
        > agent 1001 support always-on
        1001 ready
        > agent 1002 support billing:2 always-on
        1002 ready
        > call 1 support billing:5
        1: queued, place 1
        > call 2 support billing:5
        2: queued, place 2
        > wait 30
        offer 1: 1002 chosen: billing 2, idle 30 s
        1002 reserved
        1: ring 1002 for 10 s (offer 1)
        > wait 9
        > wait 30
        offer 1 expired
        1: withdraw offer 1
        1002 ready
        offer 2: 1002 chosen: billing 2, idle 40 s, did not take it before
        1002 reserved
        1: ring 1002 for 10 s (offer 2)
        offer 2 expired
        1: withdraw offer 2
        1002 ready
        offer 3: 1002 chosen: billing 2, idle 50 s, did not take it before
        1002 reserved
        1: ring 1002 for 10 s (offer 3)
        offer 3 expired
        1: withdraw offer 3
        1002 not ready: missed
        offer 4: 1001 chosen: billing 0, idle 60 s
        1001 reserved
        1: ring 1001 for 10 s (offer 4)
        ",
    );
}

#[test]
fn an_agent_who_comes_free_gets_the_first_item_they_may_take() {
    check(
        "
        > queue support
        > agent 1001 support
        > agent 1002 support italian:1
        > reachable 1001
        > reachable 1002
        > call 1 support italian:1
        1: queued, place 1
        > call 2 support
        2: queued, place 2
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        2: ring 1001 for 10 s (offer 1)
        > sign-in 1002
        1002 ready
        offer 2: 1002 chosen: italian 1, idle 0 s
        1002 reserved
        1: ring 1002 for 10 s (offer 2)
        ",
    );
}

#[test]
fn idle_time_counts_from_the_last_conversation_whatever_was_toggled_since() {
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
        > wait 1
        > finish 1
        1 finished with 1001, normal
        1001 wrap-up for 5 s
        > call 2 support
        2: queued, place 1
        offer 2: 1002 chosen: idle 1 s
        1002 reserved
        2: ring 1002 for 10 s (offer 2)
        > accept 2
        offer 2 accepted
        1002 engaged with 2
        2: connect offer 2
        > wait 2
        > finish 2
        2 finished with 1002, normal
        1002 wrap-up for 5 s
        > ready 1002
        1002 ready
        > wait 1
        > ready 1001
        1001 ready
        > not-ready 1001 coffee
        1001 not ready: coffee
        > ready 1001
        1001 ready
        > call 3 support
        3: queued, place 1
        offer 3: 1001 chosen: idle 3 s
        1001 reserved
        3: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn a_queue_refuses_whom_it_cannot_take() {
    check(
        "
        > queue support max=1
        > call 1 nowhere
        1: refused, NoSuchQueue
        > call 2 support no-wait
        2: refused, NoAgents
        > call 3 support
        3: queued, place 1
        > call 4 support
        4: refused, Full
        > leave 3
        3 left, Abandoned
        > call 5 support
        5: queued, place 1
        ",
    );
}

#[test]
fn the_last_agent_who_signs_out_takes_the_waiting_along_unless_they_may_wait() {
    check(
        "
        > queue support
        > agent 1001 support
        > sign-in 1001
        1001 ready
        > call 1 support no-wait
        1: queued, place 1
        > call 2 support
        2: queued, place 2
        > call 3 support no-wait
        3: queued, place 3
        > sign-out 1001
        1001 offline
        1 left, NoAgents
        1: refused, NoAgents
        3 left, NoAgents
        3: refused, NoAgents
        ",
    );
}

#[test]
fn an_estimate_is_told_once_enough_calls_were_handled() {
    check(
        "
        given 1 rings at 1001
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > wait 60
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
        > wait 60
        > finish 2
        2 finished with 1001, normal
        1001 ready
        > call 3 support
        3: queued, place 1
        offer 3: 1001 chosen: idle 0 s
        1001 reserved
        3: ring 1001 for 10 s (offer 3)
        > accept 3
        offer 3 accepted
        1001 engaged with 3
        3: connect offer 3
        > wait 60
        > finish 3
        3 finished with 1001, normal
        1001 ready
        > call 4 support
        4: queued, place 1
        offer 4: 1001 chosen: idle 0 s
        1001 reserved
        4: ring 1001 for 10 s (offer 4)
        > accept 4
        offer 4 accepted
        1001 engaged with 4
        4: connect offer 4
        > wait 60
        > finish 4
        4 finished with 1001, normal
        1001 ready
        > call 5 support
        5: queued, place 1
        offer 5: 1001 chosen: idle 0 s
        1001 reserved
        5: ring 1001 for 10 s (offer 5)
        > accept 5
        offer 5 accepted
        1001 engaged with 5
        5: connect offer 5
        > call 6 support
        6: queued, place 1
        > call 7 support
        7: queued, place 2
        > wait 60
        > finish 5
        5 finished with 1001, normal
        1001 ready
        6: place 1, about 60 s
        7: place 2, about 120 s
        offer 6: 1001 chosen: idle 0 s
        1001 reserved
        6: ring 1001 for 10 s (offer 6)
        > wait 2
        ",
    );
}
