//! Outgoing calls that ring in several places: early dialogs, PRACK, and whose answer it is (RFC 3261
//! section 13.2.2, RFC 3262 section 4).

use super::{
    calls::sdp,
    desk::Desk,
    far::{ALLOW, Far, THEIRS, desk},
};
use crate::{
    endpoint::Command,
    message::{Message, Name},
};

fn prack(desk: &mut Desk) -> String {
    let message = desk.next();
    assert_eq!(message.method(), "PRACK");
    let (tag, number) = (message.to().unwrap().tag().unwrap().to_owned(), message.cseq().unwrap().number);
    format!("{tag} {number}: {}", message.header(Name::RAck).unwrap())
}

fn two(desk: &mut Desk) -> (Far, Far) {
    let (x, _) = Far::called(desk);
    let y = Far::at(x.invite(), "y");
    (x, y)
}

#[test]
fn reliable_progress_is_acknowledged_in_order_in_each_dialog() {
    let mut desk = desk(|_| {});
    let (x, y) = two(&mut desk);
    assert!(x.invite().lists(Name::Supported, "100rel"));
    x.progress(&mut desk, 183, 5, THEIRS);
    assert_eq!((prack(&mut desk), desk.words()), ("x 2: 5 1 INVITE".to_owned(), vec!["progressed 183 sdp".to_owned()]));
    x.progress(&mut desk, 183, 5, THEIRS);
    x.progress(&mut desk, 180, 7, "");
    assert_eq!((desk.lines(), desk.words()), (vec![], vec![]), "a repetition, and one that came too early");
    x.progress(&mut desk, 180, 6, THEIRS);
    assert_eq!((prack(&mut desk), desk.words()), ("x 3: 6 1 INVITE".to_owned(), vec!["progressed 180".to_owned()]));
    y.progress(&mut desk, 180, 900, "");
    assert_eq!((prack(&mut desk), desk.words()), ("y 2: 900 1 INVITE".to_owned(), vec!["progressed 180".to_owned()]));
    // Not reliable, whatever number it has; and a number that is none.
    y.reply(&mut desk, &y.invite().clone(), 180, &[(Name::RSeq, "901")], "");
    y.reply(&mut desk, &y.invite().clone(), 180, &[(Name::Require, "100rel"), (Name::RSeq, "0")], "");
    assert_eq!(desk.lines(), Vec::<String>::new());
    assert_eq!(desk.endpoint.counts().dialogs, 1, "one tag of ours, whoever rings");
}

#[test]
fn the_answer_is_that_of_the_dialog_which_is_answered() {
    let mut desk = desk(|_| {});
    let (x, y) = two(&mut desk);
    x.progress(&mut desk, 183, 1, THEIRS);
    y.progress(&mut desk, 183, 1, THEIRS);
    desk.words();
    desk.sent.clear();
    x.reply(&mut desk, &x.invite().clone(), 200, &[ALLOW], "");
    assert_eq!(desk.words(), ["answered sdp"], "the program heard of y's last");
    let ack = desk.next();
    assert_eq!((ack.method(), ack.cseq().unwrap().number), ("ACK", 1));
    // y answered as well: it is acknowledged and hung up, with a number that it has not seen.
    y.reply(&mut desk, &y.invite().clone(), 200, &[ALLOW], "");
    assert_eq!(desk.next().method(), "ACK");
    let bye = desk.next();
    assert_eq!((bye.method(), bye.to().unwrap().tag(), bye.cseq().unwrap().number), ("BYE", Some("y"), 3));
    assert_eq!(desk.words(), Vec::<String>::new());
}

#[test]
fn descriptions_after_a_reliable_answer_say_nothing() {
    let mut desk = desk(|_| {});
    let (x, _) = two(&mut desk);
    x.reply(&mut desk, &x.invite().clone(), 183, &[ALLOW], THEIRS);
    assert_eq!(desk.words(), ["progressed 183 sdp"], "a preview");
    x.progress(&mut desk, 183, 1, THEIRS);
    x.progress(&mut desk, 183, 2, THEIRS);
    x.reply(&mut desk, &x.invite().clone(), 183, &[ALLOW], THEIRS);
    x.reply(&mut desk, &x.invite().clone(), 200, &[ALLOW], THEIRS);
    assert_eq!(desk.words(), ["progressed 183 sdp", "progressed 183", "progressed 183", "answered"]);
}

#[test]
fn numbers_go_on_where_the_early_dialog_was() {
    let mut desk = desk(|_| {});
    let (mut x, invite) = Far::called(&mut desk);
    x.progress(&mut desk, 183, 1, THEIRS);
    x.send(&mut desk, "UPDATE", &[ALLOW], "");
    assert_eq!(desk.lines(), ["PRACK", "200"]);
    x.reply(&mut desk, &x.invite().clone(), 200, &[ALLOW], "");
    x.cseq -= 2;
    x.send(&mut desk, "INFO", &[], "");
    assert_eq!(desk.lines(), ["ACK", "500"], "a higher number was used in the early dialog");
    desk.command(Command::End { invite, code: 200, reason: String::new() });
    assert_eq!(desk.next().cseq().unwrap().number, 3);
}

#[test]
fn only_eight_that_ring_are_talked_to() {
    let mut desk = desk(|_| {});
    let (x, _) = Far::called(&mut desk);
    for i in 0..20 {
        Far::at(x.invite(), &format!("t{i}")).progress(&mut desk, 180, 1, "");
    }
    assert_eq!((desk.lines().len(), desk.words().len()), (8, 8));
}

#[test]
fn a_called_side_that_hangs_up_before_its_answer_is_given_up() {
    let mut desk = desk(|_| {});
    let (mut x, mut y) = two(&mut desk);
    for far in [&x, &y] {
        far.reply(&mut desk, &far.invite().clone(), 180, &[], "");
    }
    desk.words();
    x.send(&mut desk, "BYE", &[], "");
    assert_eq!((desk.lines(), desk.words()), (vec!["200".to_owned()], vec![]), "another one rings");
    y.send(&mut desk, "BYE", &[], "");
    assert_eq!((desk.lines(), desk.words()), (vec!["200".to_owned(), "CANCEL".to_owned()], vec!["rejected 480 Peer".to_owned()]));
    assert_eq!(desk.endpoint.counts().dialogs, 0);
}

#[test]
fn nothing_is_left_of_early_dialogs_of_a_call_that_is_over() {
    for code in [0, 486, 603] {
        let mut desk = desk(|_| {});
        let (mut x, invite) = Far::called(&mut desk);
        x.progress(&mut desk, 183, 1, THEIRS);
        desk.sent.clear();
        x.send(&mut desk, "UPDATE", &[], THEIRS);
        assert_eq!(desk.words(), ["progressed 183 sdp", "reoffered sdp"]);
        match code {
            0 => desk.command(Command::End { invite, code: 487, reason: String::new() }),
            code => x.reply(&mut desk, &x.invite().clone(), code, &[], ""),
        }
        let sent: Vec<Message> = desk.sent.drain(..).map(|(_, message)| message).collect();
        assert!(sent.iter().any(|message| message.code() == Some(487)), "their UPDATE waits for nobody: {code}");
        desk.command(Command::AnswerReoffer { invite, sdp: sdp() });
        x.send(&mut desk, "UPDATE", &[], "");
        assert_eq!(desk.code(), 481);
        assert_eq!((desk.endpoint.counts().dialogs, desk.endpoint.counts().invites), (0, 0));
    }
}

#[test]
fn offers_in_two_early_dialogs_do_not_take_each_others_place() {
    let mut desk = desk(|_| {});
    let (mut x, invite) = Far::called(&mut desk);
    let mut y = Far::at(x.invite(), "y");
    for far in [&mut x, &mut y] {
        far.progress(&mut desk, 183, 1, THEIRS);
    }
    desk.sent.clear();
    desk.words();
    x.send(&mut desk, "UPDATE", &[], THEIRS);
    assert_eq!((desk.lines(), desk.words()), (vec![], vec!["reoffered sdp".to_owned()]));
    y.send(&mut desk, "UPDATE", &[], THEIRS);
    let refused = desk.next();
    assert!(refused.code() == Some(500) && refused.header(Name::RetryAfter).is_some(), "it may come again");
    assert_eq!(desk.words(), Vec::<String>::new());
    desk.command(Command::End { invite, code: 487, reason: String::new() });
    desk.pass(200_000);
    let counts = desk.endpoint.counts();
    assert_eq!((counts.server_transactions, counts.client_transactions, counts.dialogs), (0, 0, 0));
}
