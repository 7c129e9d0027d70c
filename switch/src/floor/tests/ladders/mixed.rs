//! Calls, chats and emails on one floor.

use crate::floor::tests::script::check;

#[test]
fn three_chats_fit_one_agent_and_a_call_takes_them_whole() {
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
        > call 2 support by=chat
        2: queued, place 1
        offer 2: 1001 chosen: 0.333 taken
        2: ring 1001 for 10 s (offer 2)
        > accept 2
        offer 2 accepted
        2: connect offer 2
        > call 3 support by=chat
        3: queued, place 1
        offer 3: 1001 chosen: 0.666 taken
        3: ring 1001 for 10 s (offer 3)
        > accept 3
        offer 3 accepted
        3: connect offer 3
        > call 4 support by=chat
        4: queued, place 1
        ",
    );
}

#[test]
fn while_a_call_is_the_oldest_nobody_at_work_is_given_another_chat() {
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
        > call 2 support
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
        > leave 2
        offer 2 withdrawn
        2: withdraw offer 2
        2 left, Abandoned
        1001 ready
        offer 3: 1001 chosen: idle 0 s
        1001 reserved
        3: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn when_the_call_is_gone_chats_are_given_again() {
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
        > call 2 support
        2: queued, place 1
        > call 3 support by=chat
        3: queued, place 2
        > leave 2
        2 left, Abandoned
        offer 2: 1001 chosen: 0.333 taken
        3: ring 1001 for 10 s (offer 2)
        ",
    );
}

#[test]
fn a_call_interrupts_email_which_goes_on_after_wrap_up_and_never_the_other_way() {
    check(
        "
        > queue support wrap=5
        > agent 1001 support always-on
        1001 ready
        > call 1 support by=email
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
        offer 2: 1001 chosen: 0.200 taken
        2: ring 1001 for 10 s (offer 2)
        > accept 2
        offer 2 accepted
        1 with 1001 is Interrupted, turn of Agent
        1001 engaged with 2
        2: connect offer 2
        > call 3 support by=email
        3: queued, place 1
        > finish 2
        2 finished with 1001, normal
        1001 wrap-up for 5 s
        > wait 5
        1 with 1001 is Active, turn of Agent
        1001 engaged with 1
        offer 3: 1001 chosen: 0.200 taken
        3: ring 1001 for 10 s (offer 3)
        ",
    );
}

#[test]
fn an_agent_who_says_nothing_loses_the_chat_to_its_place() {
    check(
        "
        > queue support lease=60 park=0
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
        > wait 59
        > wrote 1 agent
        1 with 1001 is Active, turn of Customer
        > wait 500
        > wrote 1 customer
        1 with 1001 is Active, turn of Agent
        > wait 30
        > wrote 1 customer
        > agent 1002 support always-on
        1002 ready
        > wait 30
        1 returned by 1001, Lease
        1: queued, place 1
        1001 ready
        offer 2: 1002 chosen: idle 30 s
        1002 reserved
        1: ring 1002 for 10 s (offer 2)
        ",
    );
}

#[test]
fn a_silent_chat_is_parked_and_comes_back_to_its_agent() {
    check(
        "
        > queue support park=120 prefer=30
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
        > wrote 1 agent
        1 with 1001 is Active, turn of Customer
        > wait 120
        1 with 1001 is Parked, turn of Customer
        1001 ready
        > restart
        > wrote 1 customer
        1 with 1001 is Active, turn of Agent
        1001 engaged with 1
        > wrote 1 agent
        1 with 1001 is Active, turn of Customer
        > wait 120
        1 with 1001 is Parked, turn of Customer
        1001 ready
        > call 2 support
        2: queued, place 1
        offer 2: 1001 chosen: idle 240 s
        1001 reserved
        2: ring 1001 for 10 s (offer 2)
        > accept 2
        offer 2 accepted
        1001 engaged with 2
        2: connect offer 2
        > agent 1002 support always-on
        1002 ready
        > wrote 1 customer
        1 returned by 1001, Stirred
        1: queued, place 1
        > wait 30
        offer 3: 1002 chosen: idle 30 s
        1002 reserved
        1: ring 1002 for 10 s (offer 3)
        ",
    );
}

#[test]
fn a_customer_is_kept_for_the_agent_they_know_but_not_for_ever() {
    check(
        "
        > queue support
        > agent 1001 support always-on
        1001 ready
        > agent 1002 support billing:5 always-on
        1002 ready
        > call 1 support billing:5
        1: queued, place 1
        offer 1: 1002 chosen: billing 5, idle 0 s
        1002 reserved
        1: ring 1002 for 10 s (offer 1)
        > accept 1
        offer 1 accepted
        1002 engaged with 1
        1: connect offer 1
        > call 2 support for=1002@20
        2: queued, place 1
        > wait 19
        > call 3 support for=1001@20
        3: queued, place 2
        offer 2: 1001 chosen: idle 19 s, the customer knows them
        1001 reserved
        3: ring 1001 for 10 s (offer 2)
        > decline 2 rejected
        offer 2 declined, rejected
        1001 ready
        > wait 5
        offer 3: 1001 chosen: idle 24 s
        1001 reserved
        2: ring 1001 for 10 s (offer 3)
        > finish 1
        1 finished with 1002, normal
        1002 ready
        offer 4: 1002 chosen: idle 0 s
        1002 reserved
        3: ring 1002 for 10 s (offer 4)
        ",
    );
}

#[test]
fn an_item_moves_within_the_bound_and_with_a_reason() {
    check(
        "
        > queue support most=10
        > call 1 support
        1: queued, place 1
        > wait 60
        > call 2 support
        2: queued, place 2
        > wait 2
        > prioritise 2 5 asked to speak to a manager
        2 moves from 0 to 5 minutes: asked to speak to a manager
        2: place 1
        1: place 2
        > prioritise 2 11 too much
        > prioritise 2 0 a mistake
        2 moves from 5 to 0 minutes: a mistake
        > wait 1
        1: place 1
        2: place 2
        > restart waits=1,2
        1: place 1
        2: place 2
        > agent 1001 support always-on
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        1: ring 1001 for 10 s (offer 1)
        ",
    );
}

#[test]
fn who_cannot_be_answered_later_comes_first() {
    check(
        "
        > queue support
        > call 1 support
        1: queued, place 1
        > wait 60
        > call 2 support by=whatsapp deadline=900
        2: queued, place 2
        > wait 600
        2: place 1
        1: place 2
        > agent 1001 support always-on
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        2: ring 1001 for 10 s (offer 1)
        ",
    );
}

#[test]
fn a_chat_is_not_lost_with_the_process_nor_with_its_agent() {
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
        > call 2 support by=email
        2: queued, place 1
        offer 2: 1001 chosen: 0.333 taken
        2: ring 1001 for 10 s (offer 2)
        > restart
        offer 2 withdrawn
        2: place 1
        offer 3: 1001 chosen: 0.333 taken
        2: ring 1001 for 10 s (offer 3)
        > forget-agent 1001
        > restart
        offer 3 withdrawn
        2: place 1
        1001 offline
        1 returned by 1001, AgentGone
        1: queued, place 1
        ",
    );
}

#[test]
fn wrap_up_is_extended_as_often_as_the_queue_allows() {
    check(
        "
        > queue support wrap=10 extension=30 extensions=1
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
        > finish 1
        1 finished with 1001, normal
        1001 wrap-up for 10 s
        > wait 4
        > more-wrap-up 1001
        1001 wrap-up for 36 s
        > more-wrap-up 1001
        > wait 36
        1001 ready
        ",
    );
}
