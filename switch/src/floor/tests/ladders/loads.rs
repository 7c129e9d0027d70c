//! Items that take more or less of their agent than others of their channel.

use crate::floor::tests::script::check;

#[test]
fn two_heavy_chats_do_not_fit_one_agent_but_a_light_one_beside_a_heavy_one_does() {
    check(
        "
        > queue support
        > agent 1001 support always-on
        1001 ready
        > call 1 support by=chat load=heavy
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > call 2 support by=chat load=heavy
        2: queued, place 1
        > call 3 support by=chat load=light
        3: queued, place 2
        offer 2: 1001 chosen: 0.666 taken
        3: ring 1001 for 10 s (offer 2)
        > accept 2
        offer 2 accepted
        3: connect offer 2
        > finish 1
        1 finished with 1001, normal
        1001 engaged with 3
        offer 3: 1001 chosen: 0.166 taken
        2: ring 1001 for 10 s (offer 3)
        > finish 3
        3 finished with 1001, normal
        1001 reserved
        ",
    );
}

#[test]
fn a_chat_that_needs_an_agent_whole_is_waited_for_as_a_call_is() {
    check(
        "
        > queue support
        > agent 1001 support always-on
        1001 ready
        > call 1 support by=chat
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > call 2 support by=chat load=whole
        2: queued, place 1
        > wait 1
        > call 3 support by=chat
        3: queued, place 2
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
        > finish 2
        2 finished with 1001, normal
        1001 ready
        offer 3: 1001 chosen: idle 0 s
        1001 reserved
        3: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn a_call_is_a_call_whatever_is_said_of_its_load() {
    check(
        "
        > queue support
        > agent 1001 support always-on
        1001 ready
        > call 1 support load=light
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > call 2 support load=light
        2: queued, place 1
        ",
    );
}

#[test]
fn a_load_outlives_a_restart() {
    check(
        "
        > queue support
        > agent 1001 support always-on
        1001 ready
        > call 1 support by=chat load=heavy
        1: queued, place 1
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        1: connect offer 1
        > restart
        > call 2 support by=chat load=heavy
        2: queued, place 1
        ",
    );
}
