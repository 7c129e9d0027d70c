//! Who goes on to another queue takes their waiting time along; who cannot be served there stays.

use crate::floor::tests::script::check;

#[test]
fn a_caller_goes_on_with_arrival_and_priority() {
    check(
        "
        > queue support
        > queue sales
        > agent 1001 sales
        > reachable 1001
        > sign-in 1001
        1001 ready
        > legs 1001 1
        1001 on a direct call
        > call 1 support priority=1
        1: queued, place 1
        > wait 5
        > call 2 sales
        2: queued, place 1
        > wait 5
        > overflow 1 sales
        1 went from support to sales
        1: in sales, place 1
        2: place 2
        > legs 1001 0
        1001 ready
        offer 1: 1001 chosen: idle 10 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        ",
    );
}

#[test]
fn a_caller_stays_where_the_other_queue_is_empty_full_or_unknown() {
    check(
        "
        > queue support
        > queue sales max=1
        > agent 1001 sales
        > call 1 support
        1: queued, place 1
        > overflow 1 sales
        1: not in sales, NoAgents
        > sign-in 1001
        1001 ready
        > call 2 sales
        2: queued, place 1
        > overflow 1 sales
        1: not in sales, Full
        > overflow 1 nowhere
        1: not in nowhere, NoSuchQueue
        > overflow 9 sales
        > leave 1
        1 left, Abandoned
        ",
    );
}

#[test]
fn a_device_that_rings_is_let_ring() {
    check(
        "
        > queue support
        > queue sales
        > agent 1001 support,sales
        > reachable 1001
        > sign-in 1001
        1001 ready
        > call 1 support
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > overflow 1 sales
        > decline 1 rejected
        offer 1 declined, rejected
        1001 ready
        > overflow 1 sales
        1 went from support to sales
        1: in sales, place 1
        ",
    );
}

#[test]
fn who_went_on_is_found_again_where_they_are() {
    check(
        "
        > queue support
        > queue sales
        > agent 1001 sales
        > sign-in 1001
        1001 ready
        > call 1 support
        1: queued, place 1
        > wait 5
        > overflow 1 sales
        1 went from support to sales
        1: in sales, place 1
        > restart waits=1
        1: place 1
        > call 1 support
        1: in sales, place 1
        > restart
        > wait 5
        > call 2 sales from=+3900000001
        2 takes the place of 1
        2: queued, place 1
        ",
    );
}

#[test]
fn a_promise_stays_where_it_was_made_whatever_its_call_still_wants() {
    check(
        "
        > queue sales
        > queue support
        > agent 1001 support always-on
        1001 ready
        > agent 1002 sales
        > call 1 sales
        1: queued, place 1
        > call-back 1
        1 is called back, tries 2
        1: will be called back
        > overflow 1 support
        1: will be called back
        ",
    );
}
