//! The core of a call, tested through what it is told and what it does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod ladder;
mod random;

/// One test for each ladder, and a complaint about ladders that no test runs.
macro_rules! ladders {
    ($($name:ident),* $(,)?) => {
        mod ladders {
            $(
                #[test]
                fn $name() {
                    super::ladder::check(stringify!($name));
                }
            )*

            #[test]
            fn every_ladder_is_run() {
                let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/call/ladders");
                for entry in std::fs::read_dir(folder).unwrap() {
                    let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
                    assert!([$(stringify!($name)),*].contains(&name.as_str()), "{name} is not in the list");
                }
            }
        }
    };
}

ladders! {
    a_key_ends_a_prompt_and_stays_typed,
    a_prompt_without_interrupt_is_heard_out,
    a_step_on_top_of_another_is_ignored,
    agent_request_from_a_trunk_is_an_error,
    agent_signs_in,
    an_empty_prompt_ends_at_once,
    caller_loses_the_network,
    caller_who_holds_while_waiting_is_connected_on_hold,
    collect_by_number_of_digits,
    collect_by_terminator,
    collect_timers,
    conference,
    conference_without_a_place,
    dial_answered_caller_hears_ring_back_then_early_media,
    dial_answered_caller_unanswered,
    dial_caller_gives_up,
    dial_caller_gives_up_in_early_media,
    dial_early_media_reaches_the_caller,
    dial_in_order,
    dial_nobody_answers,
    dial_nobody_to_dial,
    dial_ring_group_best_cause,
    dial_ring_group_first_answer_wins,
    dial_trunk_fails,
    dial_with_music,
    digits_in_a_conversation_do_not_leak,
    echo,
    hand_back_done,
    hand_back_fails,
    hand_back_in_a_redirect,
    hand_back_met_by_a_restart,
    hold_before_connect_stops_the_queue_music,
    hold_by_both,
    hold_by_the_called_party,
    consult_by_the_caller,
    consult_caller_is_given_away,
    consult_colleague_is_given_away,
    consult_customer_gets_the_colleague,
    consult_needs_a_conversation,
    consult_newcomer_holds,
    hold_then_hang_up,
    moved_to_another_device_of_the_agent,
    moved_to_another_device_of_the_caller,
    old_offers_are_declined,
    park_by_a_transfer,
    park_by_a_transfer_into_a_full_lot,
    park_by_the_caller,
    park_nobody_comes,
    park_nobody_comes_and_nobody_parked,
    park_outlives_restarts,
    pickup,
    pickup_from_a_group_that_rings,
    plan_answers_plays_and_hangs_up,
    play_is_early_media_when_unanswered,
    queue_accept_meets_withdraw,
    queue_agent_is_lost_before_connect,
    queue_agent_is_lost_before_withdraw,
    queue_announcement_is_cut_by_the_agent,
    queue_announces,
    queue_announces_nothing_when_nothing_is_known,
    queue_caller_hangs_up_before_the_word_on_an_accept,
    queue_caller_hangs_up_while_the_agent_rings,
    queue_caller_hangs_up_while_waiting,
    queue_connect_without_accept_means_nothing,
    queue_connects_and_agent_hangs_up,
    queue_connects_and_caller_hangs_up,
    queue_floor_is_silent,
    queue_offer_declined_then_next_agent,
    queue_offer_expires,
    queue_refused_later,
    queue_refuses,
    queue_second_offer_is_declined,
    queue_timeout_after_a_withdrawn_accept,
    queue_timeout_ends_a_ringing_offer,
    queue_timeout_waits_for_the_word_on_an_accept,
    redirect_answered,
    redirect_by_the_carrier,
    redirect_by_the_carrier_to_several,
    redirect_chain_and_loop,
    redirect_in_a_group,
    redirect_in_a_transfer,
    redirect_in_a_transfer_fails,
    redirect_met_by_a_restart,
    redirect_nobody_takes_it,
    redirect_of_an_offer,
    redirect_to_a_queue,
    redirect_too_often,
    retrieve,
    retrieve_nobody,
    restart_after_a_conversation_that_the_floor_knows_as_over,
    restart_before_the_answer,
    restart_between_accept_and_connect,
    restart_in_a_transfer,
    restart_in_a_transfer_loses_whoever_asked,
    restart_in_a_transfer_of_an_agent_who_is_gone,
    restart_in_a_conference,
    restart_in_an_agents_request,
    restart_in_an_echo_test,
    restart_in_conversation,
    restart_loses_a_caller_who_waits,
    restart_loses_the_agent,
    restart_loses_the_called_party,
    restart_loses_the_caller_in_conversation,
    restart_on_another_plan,
    restart_on_hold,
    restart_twice,
    restart_while_a_group_rings,
    restart_while_an_agent_rings,
    restart_while_somebody_rings,
    restart_while_the_plan_talks,
    restart_while_waiting,
    supervise,
    switch_ends_a_conversation,
    switch_ends_a_waiting_call,
    trace_of_a_call,
    transfer_by_the_caller,
    transfer_customer_hangs_up_meanwhile,
    transfer_done,
    transfer_fails_and_both_talk_on,
    transfer_fails_while_the_agent_holds,
    transfer_fails_without_agent_goes_back_to_the_queue,
    transfer_fails_without_colleague_calls_them_back,
    transfer_fails_and_the_phone_hangs_up_by_itself,
    transfer_is_refused_outside_of_conversations,
    transfer_nobody_to_call_back,
    transfer_one_at_a_time,
    transfer_to_a_menu,
    transfer_to_another_queue,
    transfer_to_nobody,
    transfer_to_somebody_with_early_media,
    typing_ahead_through_menus,
}
