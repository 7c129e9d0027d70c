//! Session timers (RFC 4028) of calls that outlive the process.

use super::{
    calls::end,
    far::{ALLOW, Far, desk},
    restart::{WE_REFRESH, cseq},
};
use crate::message::Name;

#[test]
fn a_session_goes_on_in_both_roles() {
    // Ours: at half of the interval, whatever happened meanwhile.
    let mut ours = desk(|_| {});
    let (far, invite) = Far::answered(&mut ours, &[ALLOW, WE_REFRESH]);
    ours.pass(100_000);
    let (mut ours, _) = ours.survived_after(20_000, invite);
    assert_eq!(ours.until_sent(300_000), 180_000);
    let update = ours.next();
    assert_eq!((update.method(), update.header(Name::SessionExpires)), ("UPDATE", Some("600;refresher=uac")));
    far.reply(&mut ours, &update, 200, &[WE_REFRESH], "");
    assert_eq!(ours.until_sent(300_000), 300_000);
    // Theirs: they are waited for as long as before, and what they say counts.
    let mut theirs = desk(|_| {});
    let (mut far, invite) = Far::answered(&mut theirs, &[ALLOW, (Name::SessionExpires, "600;refresher=uas")]);
    theirs.pass(250_000);
    let (mut theirs, _) = theirs.survived_after(30_000, invite);
    theirs.pass(20_000);
    far.send(&mut theirs, "UPDATE", &[(Name::Supported, "timer"), WE_REFRESH], "");
    assert_eq!(theirs.next().header(Name::SessionExpires), Some("600;refresher=uac"));
    theirs.pass(567_999);
    assert_eq!((theirs.lines(), theirs.words()), (vec![], vec![]));
    theirs.pass(1);
    assert_eq!((theirs.lines(), theirs.words()), (vec!["BYE".to_owned()], vec!["ended Timeout".to_owned()]));
}

#[test]
fn an_overdue_session_is_refreshed_at_once_and_an_expired_one_hung_up() {
    for (down_ms, expires, sent, told) in [
        (299_999, "600;refresher=uac", vec![], vec![]),
        (300_000, "600;refresher=uac", vec!["UPDATE"], vec![]),
        (599_999, "600;refresher=uac", vec!["UPDATE"], vec![]),
        (600_000, "600;refresher=uac", vec!["BYE"], vec!["ended Timeout"]),
        (567_999, "600;refresher=uas", vec![], vec![]),
        (568_000, "600;refresher=uas", vec!["BYE"], vec!["ended Timeout"]),
        (9_000_000, "600;refresher=uas", vec!["BYE"], vec!["ended Timeout"]),
    ] {
        let mut desk = desk(|_| {});
        let (_, invite) = Far::answered(&mut desk, &[ALLOW, (Name::SessionExpires, expires)]);
        let (mut desk, _) = desk.survived_after(down_ms, invite);
        desk.pass(u64::from(sent == ["BYE"]));
        assert_eq!(
            (desk.lines(), desk.words()),
            (sent.iter().map(|line| (*line).to_owned()).collect(), told.iter().map(|word| (*word).to_owned()).collect()),
            "{down_ms} {expires}"
        );
    }
}

#[test]
fn an_expired_session_that_is_ended_at_once_is_not_told_of_again() {
    for expires in ["600;refresher=uac", "600;refresher=uas"] {
        let mut desk = desk(|_| {});
        let (_, invite) = Far::answered(&mut desk, &[ALLOW, (Name::SessionExpires, expires)]);
        let (mut desk, invite) = desk.survived_after(700_000, invite);
        desk.command(end(invite));
        desk.pass(10);
        assert_eq!((desk.lines(), desk.words()), (vec!["BYE".to_owned()], vec![]), "{expires}");
    }
}

#[test]
fn a_refresh_whose_reply_was_lost_is_sent_again() {
    let mut desk = desk(|_| {});
    let (_, invite) = Far::answered(&mut desk, &[ALLOW, WE_REFRESH]);
    desk.until_sent(300_000);
    let first = desk.next();
    desk.pass(100);
    let (mut desk, _) = desk.survived(invite);
    let again = desk.next();
    assert_eq!((again.method(), cseq(&again)), ("UPDATE", cseq(&first) + 65));
}

#[test]
fn a_wall_clock_that_was_set_back_makes_no_session_last_for_ever() {
    let mut desk = desk(|_| {});
    let (_, invite) = Far::answered(&mut desk, &[ALLOW, WE_REFRESH]);
    let mut kept = serde_json::to_value(desk.kept(invite)).unwrap();
    kept["session"]["due_unix_ms"] = u64::MAX.into();
    let (mut desk, _) = desk.killed(1_000, &serde_json::from_value(kept).unwrap());
    assert_eq!(desk.until_sent(600_000), 600_000);
}
