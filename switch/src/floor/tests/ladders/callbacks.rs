//! Who is called back has a place like everybody else.

use crate::floor::tests::script::check;

#[test]
fn a_callback_waits_its_turn_and_rings_the_agent_first() {
    check(
        "
        given 1 waits for 1001
        > wait 5
        > call 2 support from=+412
        2: queued, place 2
        > call-back 1
        1 is called back, tries 2
        1: will be called back
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        made: ring 1001, then +411 (offer 1)
        > calls-customer 1
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        made: connect offer 1
        > call 3 support from=+413
        3: queued, place 2
        > finish 1
        1 finished with 1001, normal
        1001 ready
        offer 2: 1001 chosen: idle 0 s
        1001 reserved
        2: ring 1001 for 10 s (offer 2)
        ",
    );
}

#[test]
fn a_customer_who_does_not_answer_is_called_again_at_the_same_place() {
    check(
        "
        > queue support wrap=30
        > agent 1001 support
        > reachable 1001
        > call 1 support from=+411
        1: queued, place 1
        > call-back 1 tries=2 apart=60
        1 is called back, tries 2
        1: will be called back
        > call-back 1
        1: will be called back
        > leave 1
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        made: ring 1001, then +411 (offer 1)
        > calls-customer 1
        > wait 5
        > unreached 1 no-answer
        offer 1 unreached(noanswer)
        made: withdraw offer 1
        1 is called back, tries 1
        1001 ready
        > call 2 support from=+412
        2: queued, place 2
        offer 2: 1001 chosen: idle 5 s
        1001 reserved
        2: ring 1001 for 10 s (offer 2)
        > decline 2 rejected
        offer 2 declined, rejected
        1001 ready
        > wait 60
        offer 3: 1001 chosen: idle 10 s, did not take it before
        1001 reserved
        2: ring 1001 for 10 s (offer 3)
        offer 3 expired
        2: withdraw offer 3
        1001 ready
        offer 4: 1001 chosen: idle 20 s, did not take it before
        1001 reserved
        2: ring 1001 for 10 s (offer 4)
        offer 4 expired
        2: withdraw offer 4
        1001 ready
        offer 5: 1001 chosen: idle 30 s, did not take it before
        1001 reserved
        2: ring 1001 for 10 s (offer 5)
        offer 5 expired
        2: withdraw offer 5
        1001 not ready: missed
        > calls-customer 3
        > unreached 3 busy
        ",
    );
}

#[test]
fn who_calls_in_again_takes_their_place_over_and_is_not_called() {
    check(
        "
        given 1 waits for 1001
        > call-back 1
        1 is called back, tries 2
        1: will be called back
        > wait 5
        > call 2 support from=+412
        2: queued, place 2
        > call 3 support from=+411
        3 takes the place of 1
        3: queued, place 1
        > call-back 3
        3 is called back, tries 2
        3: will be called back
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        made: ring 1001, then +411 (offer 1)
        > calls-customer 1
        > call 4 support from=+411
        offer 1 withdrawn
        made: withdraw offer 1
        1001 ready
        4 takes the place of 3
        4: queued, place 1
        offer 2: 1001 chosen: idle 0 s
        1001 reserved
        4: ring 1001 for 10 s (offer 2)
        ",
    );
}

#[test]
fn a_promise_outlives_the_process_and_can_be_withdrawn() {
    check(
        "
        > queue support
        > queue sales
        > agent 1001 support
        > reachable 1001
        > call 1 support from=+411
        1: queued, place 1
        > call-back 1
        1 is called back, tries 2
        1: will be called back
        > call 2 support from=+412
        2: queued, place 2
        > call-back 2
        2 is called back, tries 2
        2: will be called back
        > call 3 sales from=+412
        3: queued, place 1
        > call-back 3
        2 left, Replaced
        3 is called back, tries 2
        3: will be called back
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        made: ring 1001, then +411 (offer 1)
        > calls-customer 1
        > restart
        offer 1 withdrawn
        1001 ready
        > reachable 1001
        offer 2: 1001 chosen: idle 0 s
        1001 reserved
        made: ring 1001, then +411 (offer 2)
        > drop-callback 1
        offer 2 withdrawn
        made: withdraw offer 2
        1 left, Withdrawn
        1001 ready
        > drop-callback 3
        3 left, Withdrawn
        > drop-callback 9
        ",
    );
}

#[test]
fn a_number_is_promised_so_many_callbacks_a_day_and_no_more() {
    check(
        "
        > queue support day=2
        > call 1 support from=+411
        1: queued, place 1
        > call-back 1
        1 is called back, tries 2
        1: will be called back
        > drop-callback 1
        1 left, Withdrawn
        > call 2 support from=+411
        2: queued, place 1
        > call-back 2
        2 is called back, tries 2
        2: will be called back
        > call 3 support from=+411
        3 takes the place of 2
        3: queued, place 1
        > call-back 3
        3: will not be called back
        > call 4 support from=+412
        4: queued, place 2
        > call-back 4
        4 is called back, tries 2
        4: will be called back
        > restart promised=+411,+411
        > call 5 support from=+411
        5 takes the place of 3
        5: queued, place 1
        > call-back 5
        5: will not be called back
        > ask support +411
        not promised: TooOften
        > leave 5
        5 left, Abandoned
        > wait 86400
        > ask support +411
        made 1 is called back, tries 2
        ",
    );
}

#[test]
fn a_callback_that_was_asked_for_waits_like_one_of_a_caller() {
    check(
        "
        > queue support max=2
        > agent 1001 support
        > reachable 1001
        > call 1 support from=+411
        1: queued, place 1
        > wait 5
        > ask support +412
        made 1 is called back, tries 2
        > ask support +412
        not promised: Promised
        > ask support +413
        not promised: Full
        > ask sales +413
        not promised: NoSuchQueue
        > leave 1
        1 left, Abandoned
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        made: ring 1001, then +412 (offer 1)
        > restart
        offer 1 withdrawn
        1001 ready
        > reachable 1001
        offer 2: 1001 chosen: idle 0 s
        1001 reserved
        made: ring 1001, then +412 (offer 2)
        > calls-customer 2
        > accept 2
        offer 2 accepted
        1001 engaged with made 1
        made: connect offer 2
        ",
    );
}

#[test]
fn a_customer_is_called_back_once_whichever_of_their_numbers_they_gave() {
    check(
        "
        > queue support
        > queue sales
        > call 1 support from=+411
        1: queued, place 1
        > known 1 7
        > call-back 1
        1 is called back, tries 2
        1: will be called back
        > ask sales +412 customer=7
        not promised: Promised
        > call 2 sales from=+413
        2: queued, place 1
        > known 2 7
        > call-back 2
        1 left, Replaced
        2 is called back, tries 2
        2: will be called back
        > call 3 sales from=+414
        3: queued, place 2
        > call-back 3
        3 is called back, tries 2
        3: will be called back
        > known 3 7
        3 is called back, tries 2
        2 left, Replaced
        > ask sales +415 customer=8
        made 1 is called back, tries 2
        ",
    );
}

#[test]
fn who_a_callback_is_for_outlives_a_restart() {
    check(
        "
        > queue support
        > call 1 support from=+411
        1: queued, place 1
        > known 1 7
        > call-back 1
        1 is called back, tries 2
        1: will be called back
        > restart
        > ask support +412 customer=7
        not promised: Promised
        ",
    );
}

#[test]
fn no_more_customers_are_called_than_agents_are_free() {
    check(
        "
        > queue support
        > agent 1001 support
        > agent 1002 support
        > reachable 1001
        > reachable 1002
        > call 1 support
        1: queued, place 1
        > call-back 1
        1 is called back, tries 2
        1: will be called back
        > call 2 support
        2: queued, place 2
        > call-back 2
        2 is called back, tries 2
        2: will be called back
        > call 3 support
        3: queued, place 3
        > call-back 3
        3 is called back, tries 2
        3: will be called back
        > sign-in 1001
        1001 ready
        offer 1: 1001 chosen: idle 0 s
        1001 reserved
        made: ring 1001, then +3900000001 (offer 1)
        > calls-customer 1
        > sign-in 1002
        1002 ready
        offer 2: 1002 chosen: idle 0 s
        1002 reserved
        made: ring 1002, then +3900000002 (offer 2)
        > wait 5
        > accept 1
        offer 1 accepted
        1001 engaged with 1
        made: connect offer 1
        > finish 1
        1 finished with 1001, normal
        1001 ready
        offer 3: 1001 chosen: idle 0 s
        1001 reserved
        made: ring 1001, then +3900000003 (offer 3)
        ",
    );
}
