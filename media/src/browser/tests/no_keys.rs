//! What is told of a peer that does not do its part.

use ::dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::*;

/// Time passes, and what is due happens.
fn pass(pair: &mut Pair, time: Duration) {
    pair.now += time;
    pair.ours.tick(pair.now);
    pair.collect();
}

fn told(pair: &mut Pair) -> Vec<NoKeys> {
    pair.ours_said
        .drain(..)
        .filter_map(|output| match output {
            Output::NoKeys(why) => Some(why),
            _ => None,
        })
        .collect()
}

#[test]
fn each_step_that_the_peer_owes_is_told_once_when_it_was_awaited_and_keys_may_still_come() {
    let mut pair = Pair::new();
    pass(&mut pair, PATIENCE - Duration::from_millis(1));
    assert_eq!(told(&mut pair), []);
    pass(&mut pair, Duration::from_millis(1));
    assert_eq!(told(&mut pair), [NoKeys::NotChecked]);
    pass(&mut pair, 10 * PATIENCE);
    assert_eq!(told(&mut pair), [], "once");

    pair.hears(BROWSER, &check());
    pass(&mut pair, PATIENCE);
    assert_eq!(told(&mut pair), [NoKeys::NotNominated]);
    pair.wire.clear();
    pair.hears(BROWSER, &nomination());
    pass(&mut pair, PATIENCE);
    assert_eq!(told(&mut pair), [NoKeys::NotBegun]);
    pair.wait();
    pair.carry(|_, _| false);
    assert!(pair.keys().is_some(), "late is not never");
    pair.ours_said.clear();
    for _ in 0..10 {
        pair.hears(BROWSER, &check());
        pass(&mut pair, PATIENCE);
    }
    assert_eq!(told(&mut pair), []);
}

#[test]
fn who_shakes_hands_in_time_is_not_talked_about() {
    let mut pair = Pair::new();
    for step in [check(), nomination()] {
        pass(&mut pair, PATIENCE - Duration::from_millis(1));
        pair.hears(BROWSER, &step);
    }
    pass(&mut pair, PATIENCE - Duration::from_millis(1));
    pair.carry(|_, _| false);
    assert!(pair.keys().is_some() && told(&mut pair).is_empty());
}

#[test]
fn a_flight_that_nobody_answers_is_told_in_either_role() {
    for is_client in [true, false] {
        let (one, other) = (Arc::new(Identity::new().unwrap()), Arc::new(Identity::new().unwrap()));
        let terms = |of: &Arc<Identity>, is_client| Terms { fingerprint: of.fingerprint(), is_client, ice: None };
        let mut pair = Pair::with((&one, &terms(&other, is_client)), (&other, &terms(&one, !is_client)));
        // From our first flight with keys on, nothing of us arrives.
        pair.carry(|count, _| is_client || count > 3);
        let mut verdicts = Vec::new();
        for _ in 0..40 {
            let Some(due) = pair.ours.deadline() else { break };
            pair.now = pair.now.max(due);
            pass(&mut pair, Duration::ZERO);
            pair.wire.clear();
            verdicts.extend(told(&mut pair));
        }
        assert_eq!(verdicts, [NoKeys::NotAnswered], "client: {is_client}");
    }
}

#[test]
fn a_peer_without_a_profile_of_ours_is_told_as_such() {
    let mut pair = Pair::new();
    pair.hears(BROWSER, &nomination());
    bare::shakes_hands(&mut pair, SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32);
    assert_eq!(failed(&pair.ours_said), Some(&NoKeys::NoProfile));
}

#[test]
fn what_a_library_says_is_bounded_and_every_cause_has_a_word() {
    let NoKeys::Handshake(text) = NoKeys::fault(&"a\n\u{e9}".repeat(1_000)) else { unreachable!() };
    assert!(text.chars().count() == 200 && !text.contains('\n'));
    let all = [
        NoKeys::NotChecked,
        NoKeys::NotNominated,
        NoKeys::NotReached,
        NoKeys::NotBegun,
        NoKeys::NotAnswered,
        NoKeys::OtherCertificate,
        NoKeys::NoCertificate,
        NoKeys::NoProfile,
        NoKeys::GivenUp,
        NoKeys::Handshake(String::new()),
    ];
    assert_eq!(all.each_ref().map(NoKeys::cause), NoKeys::CAUSES);
}
