//! Calls that outlived a restart, as the floor takes them up again.

use crate::floor::tests::script::check;

#[test]
fn who_waits_with_a_live_call_is_offered_again_in_the_old_order() {
    check(
        "
        > queue support grace=60
        > agent 1001 support
        > call 1 support from=+411
        1: queued, place 1
        > wait 5
        > call 2 support from=+412 priority=5
        2: queued, place 1
        1: place 2
        > wait 5
        > call 3 support from=+413
        3: queued, place 3
        > reachable 1001
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        2: ring 1001 for 10 s (offer 1)
        > restart waits=1,2
        offer 1 withdrawn
        2: place 1
        1: place 2
        1001 ready
        > reachable 1001
        offer 2: 1001 chosen: idle 0 s
        1001 reserved
        2: ring 1001 for 10 s (offer 2)
        > call 2 support from=+412 priority=5
        > call 1 support from=+411
        > wait 3
        > accept 2
        offer 2 accepted
        1001 engaged with 2
        2: connect offer 2
        1: place 1
        > wait 60
        3 left, Restart
        ",
    );
}

#[test]
fn a_call_that_asks_for_its_place_hears_where_it_stands() {
    check(
        "
        > queue support grace=60
        > agent 1001 support
        > sign-in 1001
        1001 ready
        > call 1 support no-wait
        1: queued, place 1
        > restart
        > call 1 support no-wait
        1: queued, place 1
        > sign-out 1001
        1001 offline
        1 left, NoAgents
        1: refused, NoAgents
        ",
    );
}

#[test]
fn a_call_may_not_wait_for_agents_who_went_with_the_restart() {
    check(
        "
        > queue support
        > agent 1001 support
        > sign-in 1001
        1001 ready
        > call 1 support no-wait
        1: queued, place 1
        > drop-agent 1001
        1001 offline
        1 left, NoAgents
        1: refused, NoAgents
        > agent 1001 support
        > sign-in 1001
        1001 ready
        > call 2 support no-wait
        2: queued, place 1
        > restart waits=2
        2: place 1
        > call 2 support no-wait
        > sign-out 1001
        1001 offline
        2 left, NoAgents
        2: refused, NoAgents
        ",
    );
}

#[test]
fn an_agent_in_conversation_stays_in_it_and_one_whose_call_is_gone_is_free() {
    check(
        "
        > queue support wrap=5
        > agent 1001 support
        > agent 1002 support
        > reachable 1001
        > sign-in 1001
        1001 ready
        > reachable 1002
        > sign-in 1002
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
        > call 2 support
        2: queued, place 1
        offer 2: 1002 chosen: idle 0 s
        1002 reserved
        2: ring 1002 for 10 s (offer 2)
        > accept 2
        offer 2 accepted
        1002 engaged with 2
        2: connect offer 2
        > not-ready 1001 lunch
        1001 asked for NotReady { reason: \"lunch\" }
        > wait 10
        > restart talks=1
        2 finished with 1002, restart
        1002 ready
        > finish 2
        > finish 1
        1 finished with 1001, normal
        1001 wrap-up for 5 s
        > wait 5
        1001 not ready: lunch
        ",
    );
}

#[test]
fn an_agent_on_a_call_of_their_own_is_not_asked() {
    check(
        "
        > queue support
        > agent 1001 support
        > reachable 1001
        > sign-in 1001
        1001 ready
        > legs 1001 1
        1001 on a direct call
        > call 1 support
        1: queued, place 1
        > restart waits=1 busy=1001
        1: place 1
        > reachable 1001
        > legs 1001 1
        > legs 1001 0
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        ",
    );
}

#[test]
fn a_conversation_with_an_agent_whom_the_database_has_no_more_is_over_for_the_floor() {
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
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > forget-agent 1001
        > restart talks=1
        1 finished with 1001, restart
        1001 offline
        > finish 1
        ",
    );
}
