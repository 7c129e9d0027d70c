//! Restored dialogs that the other side is asked about.

use super::far::{ALLOW, Far, desk};

/// What the desk tells when the other side of a restored call answers the question with `code`.
fn asked(code: u16) -> (usize, String) {
    let mut desk = desk(|_| {});
    let (far, invite) = Far::answered(&mut desk, &[ALLOW]);
    let (mut desk, invite) = desk.survived(invite);
    let now = desk.now;
    desk.endpoint.probe(now, invite);
    desk.drain();
    let question = desk.next();
    assert_eq!(question.method(), "OPTIONS");
    far.reply(&mut desk, &question, code, &[], "");
    (desk.endpoint.counts().invites, format!("{:?}", desk.events))
}

#[test]
fn who_knows_the_dialog_goes_on_whatever_they_think_of_the_question() {
    for code in [200, 405, 501] {
        assert_eq!(asked(code), (1, "[]".to_owned()), "{code}");
    }
}

#[test]
fn who_does_not_know_the_dialog_has_hung_up() {
    for code in [481, 404] {
        let (invites, events) = asked(code);
        assert!(invites == 0 && events.contains("Ended"), "{code}: {events}");
    }
}

#[test]
fn silence_ends_nothing() {
    let mut desk = desk(|_| {});
    let (_far, invite) = Far::answered(&mut desk, &[ALLOW]);
    let (mut desk, invite) = desk.survived(invite);
    let now = desk.now;
    desk.endpoint.probe(now, invite);
    desk.pass(60_000);
    let counts = desk.endpoint.counts();
    assert_eq!((counts.invites, counts.client_transactions), (1, 0));
}
