//! What is there again after a restart.

use crate::floor::tests::script::check;

#[test]
fn a_caller_who_calls_back_in_time_has_the_old_place() {
    check(
        "
        > queue support grace=60
        > agent 1001 support
        > call 1 support from=+411 priority=2
        1: queued, place 1
        > wait 5
        > call 2 support from=+412
        2: queued, place 2
        > wait 5
        > call 3 support from=+413
        3: queued, place 3
        > restart
        > wait 10
        > call 4 support from=+414
        4: queued, place 4
        > call 5 support from=+412
        5 takes the place of 2
        5: queued, place 2
        > wait 2
        > call 6 support from=+411
        6 takes the place of 1
        6: queued, place 1
        > wait 48
        3 left, Restart
        4: place 3
        > wait 2
        > reachable 1001
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        6: ring 1001 for 10 s (offer 1)
        ",
    );
}

#[test]
fn an_old_place_is_only_for_the_same_queue_and_a_known_number() {
    check(
        "
        > queue support
        > queue sales
        > call 1 support from=anonymous
        1: queued, place 1
        > call 2 support from=+412
        2: queued, place 2
        > restart
        > call 3 support from=anonymous
        3: queued, place 3
        > call 4 sales from=+412
        4: queued, place 1
        > call 5 support from=+412
        5 takes the place of 2
        5: queued, place 2
        ",
    );
}

#[test]
fn a_rejoiner_is_never_refused_for_a_full_queue() {
    check(
        "
        > queue support max=1
        > call 1 support from=+411
        1: queued, place 1
        > restart
        > call 2 support from=+412
        2: refused, Full
        > call 3 support from=+411
        3 takes the place of 1
        3: queued, place 1
        ",
    );
}

#[test]
fn places_of_before_the_restart_are_offered_to_nobody() {
    check(
        "
        > queue support
        > agent 1001 support always-on
        1001 ready
        > call 1 support from=+411
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > call 2 support from=+412
        2: queued, place 2
        > restart
        offer 1 withdrawn
        1001 ready
        > call 3 support from=+413
        3: queued, place 3
        offer 2: 1001 chosen: idle 0 s
        1001 reserved
        3: ring 1001 for 10 s (offer 2)
        > call 4 support from=+411
        4 takes the place of 1
        4: queued, place 1
        > accept 2
        offer 2 accepted
        1001 engaged with 3
        3: connect offer 2
        > finish 3
        3 finished with 1001, normal
        1001 ready
        offer 3: 1001 chosen: idle 0 s
        1001 reserved
        4: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn agents_are_as_they_were_as_far_as_it_still_means_something() {
    check(
        "
        > queue support wrap=60
        > agent 1001 support always-on
        1001 ready
        > agent 1002 support always-on
        1002 ready
        > agent 1003 support always-on
        1003 ready
        > agent 1004 support always-on
        1004 ready
        > agent 1005 support always-on
        1005 ready
        > agent 1006 support always-on
        1006 ready
        > not-ready 1001 lunch
        1001 not ready: lunch
        > sign-out 1002
        1002 offline
        > call 1 support
        1: queued, place 1
        offer 1: 1003 chosen: idle 0 s
        1003 reserved
        1: ring 1003 for 10 s (offer 1)
        > accept 1
        offer 1 accepted
        1003 engaged with 1
        1: connect offer 1
        > finish 1
        1 finished with 1003, normal
        1003 wrap-up for 60 s
        > call 2 support
        2: queued, place 1
        offer 2: 1004 chosen: idle 0 s
        1004 reserved
        2: ring 1004 for 10 s (offer 2)
        > accept 2
        offer 2 accepted
        1004 engaged with 2
        2: connect offer 2
        > call 3 support
        3: queued, place 1
        offer 3: 1005 chosen: idle 0 s
        1005 reserved
        3: ring 1005 for 10 s (offer 3)
        > accept 3
        offer 3 accepted
        1005 engaged with 3
        3: connect offer 3
        > sign-out 1005
        1005 asked for SignOut
        > call 4 support
        4: queued, place 1
        offer 4: 1006 chosen: idle 0 s
        1006 reserved
        4: ring 1006 for 10 s (offer 4)
        > wait 3
        > restart
        offer 4 withdrawn
        2 finished with 1004, restart
        1004 ready
        3 finished with 1005, restart
        1005 offline
        1006 ready
        > wait 60
        1003 ready
        4 left, Restart
        ",
    );
}

#[test]
fn the_order_of_the_idle_survives() {
    check(
        "
        given 1 rings at the first of two
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > wait 5
        > finish 1
        1 finished with 1001, normal
        1001 ready
        > call 2 support
        2: queued, place 1
        offer 2: 1002 chosen: idle 5 s
        1002 reserved
        2: ring 1002 for 10 s (offer 2)
        > accept 2
        offer 2 accepted
        1002 engaged with 2
        2: connect offer 2
        > wait 5
        > finish 2
        2 finished with 1002, normal
        1002 ready
        > not-ready 1001 coffee
        1001 not ready: coffee
        > wait 1
        > ready 1001
        1001 ready
        > restart
        > call 3 support
        3: queued, place 1
        offer 3: 1001 chosen: idle 6 s
        1001 reserved
        3: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn a_second_restart_loses_nothing_either() {
    check(
        "
        > queue support
        > agent 1001 support always-on
        1001 ready
        > call 1 support from=+411
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > wait 1
        > call 2 support from=+412
        2: queued, place 2
        > restart
        offer 1 withdrawn
        1001 ready
        > wait 30
        > restart
        > wait 40
        > call 3 support from=+412
        3 takes the place of 2
        3: queued, place 2
        offer 2: 1001 chosen: idle 71 s
        1001 reserved
        3: ring 1001 for 10 s (offer 2)
        > wait 30
        offer 2 expired
        3: withdraw offer 2
        1001 ready
        offer 3: 1001 chosen: idle 81 s, did not take it before
        1001 reserved
        3: ring 1001 for 10 s (offer 3)
        offer 3 expired
        3: withdraw offer 3
        1001 ready
        1 left, Restart
        3: place 1
        offer 4: 1001 chosen: idle 91 s, did not take it before
        1001 reserved
        3: ring 1001 for 10 s (offer 4)
        offer 4 expired
        3: withdraw offer 4
        1001 not ready: missed
        ",
    );
}

#[test]
fn an_agent_whom_the_database_lost_meanwhile_is_off_duty() {
    check(
        "
        given 1 rings at the first of two
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > drop-agent 1001
        1001 asked for SignOut
        > restart
        1 finished with 1001, restart
        1001 offline
        > restart
        ",
    );
}
