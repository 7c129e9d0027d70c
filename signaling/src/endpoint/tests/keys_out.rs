//! Keys that we send by SIP INFO.

use super::{
    desk::Desk,
    far::{Far, desk},
};
use crate::{
    endpoint::{Command, InviteId},
    message::{Message, Name},
};

fn press(desk: &mut Desk, invite: InviteId, keys: &str) {
    for key in keys.chars() {
        desk.command(Command::SendKey { invite, key, duration_ms: 160 });
    }
}

fn signal(message: &Message) -> String {
    assert_eq!(message.method(), "INFO");
    assert_eq!(message.header(Name::ContentType), Some("application/dtmf-relay"));
    String::from_utf8(message.body().to_vec()).unwrap()
}

#[test]
fn keys_go_one_after_the_other_each_when_the_one_before_was_answered() {
    let mut desk = desk(|_| {});
    let (far, invite, _) = Far::talking(&mut desk, &[]);
    press(&mut desk, invite, "1#x");
    let first = desk.next();
    assert_eq!(signal(&first), "Signal=1\r\nDuration=160\r\n");
    assert!(desk.sent.is_empty(), "the second waits");
    far.reply(&mut desk, &first, 200, &[], "");
    let second = desk.next();
    assert_eq!(signal(&second), "Signal=#\r\nDuration=160\r\n");
    assert_eq!(second.cseq().unwrap().number, first.cseq().unwrap().number + 1);
    far.reply(&mut desk, &second, 200, &[], "");
    assert!(desk.sent.is_empty() && desk.words().is_empty(), "x is no key");
}

#[test]
fn a_refused_key_is_told_and_the_next_is_tried() {
    let mut desk = desk(|_| {});
    let (far, invite, _) = Far::talking(&mut desk, &[]);
    press(&mut desk, invite, "12");
    let first = desk.next();
    far.reply(&mut desk, &first, 415, &[], "");
    assert_eq!(desk.words(), ["key refused 415"]);
    assert_eq!(signal(&desk.next()), "Signal=2\r\nDuration=160\r\n");
    desk.pass(40_000);
    assert_eq!(desk.words(), ["key refused 408"], "nobody answered; the call goes on");
}

#[test]
fn a_dialog_that_they_do_not_know_is_over() {
    let mut desk = desk(|_| {});
    let (far, invite, _) = Far::talking(&mut desk, &[]);
    press(&mut desk, invite, "1");
    let info = desk.next();
    far.reply(&mut desk, &info, 481, &[], "");
    assert_eq!(desk.words(), ["ended Timeout"]);
}

#[test]
fn no_more_than_32_wait_and_none_before_the_answer() {
    let mut desk = desk(|_| {});
    let (early, invite) = Far::called(&mut desk);
    press(&mut desk, invite, "1");
    assert!(desk.sent.is_empty());
    drop(early);
    let (far, invite, _) = Far::talking(&mut desk, &[]);
    press(&mut desk, invite, &"5".repeat(100));
    let mut sent = 0;
    while !desk.sent.is_empty() {
        let info = desk.next();
        far.reply(&mut desk, &info, 200, &[], "");
        sent += 1;
    }
    assert_eq!(sent, 33, "one on its way, and those that waited");
}
