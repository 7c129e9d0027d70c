//! NOTIFY (RFC 6665, 4235, 3842, 3856): what watchers are told, how often, and where.

use super::{
    desk::{Desk, Phone},
    subscriptions::{BOB, again, alice, answer, bob_is, body, lamp, subscribe, watching},
};
use crate::{
    endpoint::{Availability, Command, Destination, DialogStage, Input, MessageSummary, Presence, ResourceState},
    message::{Message, Name},
};

#[test]
fn a_watcher_is_told_at_once_and_at_each_change() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let accepted =
        subscribe(&mut desk, &mut phone, BOB, "dialog;id=4", &[(Name::Expires, "600"), (Name::RecordRoute, "<sip:p;lr>")]);
    assert_eq!((accepted.code(), accepted.header(Name::Expires)), (Some(200), Some("600")));
    assert_eq!(accepted.header(Name::RecordRoute), Some("<sip:p;lr>"));
    assert!(accepted.has(Name::Contact), "the target of what follows in the dialog");
    let (to, notify) = desk.sent.pop_front().unwrap();
    assert_eq!(to, Destination::Flow(phone.flow), "by the flow of the watcher");
    assert_eq!((notify.method(), notify.request_uri()), ("NOTIFY", "sip:alice@192.0.2.7:5070"));
    assert_eq!(notify.header(Name::Route), Some("<sip:p;lr>"));
    assert_eq!(notify.from().unwrap().tag(), accepted.to().unwrap().tag());
    assert_eq!(notify.to().unwrap().tag(), Some("phone"));
    assert_eq!(notify.header(Name::Event), Some("dialog;id=4"));
    assert_eq!(notify.header(Name::SubscriptionState), Some("active;expires=600"));
    assert_eq!(notify.header(Name::ContentType), Some("application/dialog-info+xml"));
    assert!(notify.has(Name::Contact));
    assert!(body(&notify).contains("state=\"full\" entity=\"sip:bob@tandem.test\""), "{}", body(&notify));
    let mut said = vec![lamp(&notify)];
    let mut last = notify.cseq().unwrap().number;
    answer(&mut desk, &phone, &notify, 200, &[]);
    for stage in [Some(DialogStage::Trying), Some(DialogStage::Early), Some(DialogStage::Confirmed), None] {
        desk.pass(1_000);
        bob_is(&mut desk, stage);
        let notify = desk.next();
        said.push(lamp(&notify));
        let cseq = notify.cseq().unwrap().number;
        assert_eq!(std::mem::replace(&mut last, cseq) + 1, cseq);
        answer(&mut desk, &phone, &notify, 200, &[]);
        bob_is(&mut desk, stage);
        desk.pass(1_000);
        assert!(desk.sent.is_empty(), "what is no news is not told");
    }
    assert_eq!(said, ["0 idle", "1 trying", "2 early", "3 confirmed", "4 idle"]);
    assert_eq!(desk.words(), Vec::<String>::new());
}

#[test]
fn one_notify_is_out_at_a_time_and_the_next_says_how_things_stand_then() {
    let mut desk = Desk::new();
    let mut phone = alice();
    watching(&mut desk, &mut phone);
    desk.pass(1_000);
    bob_is(&mut desk, Some(DialogStage::Trying));
    let first = desk.next();
    for stage in [Some(DialogStage::Early), Some(DialogStage::Confirmed), None, Some(DialogStage::Early)] {
        bob_is(&mut desk, stage);
    }
    desk.pass(499);
    assert!(desk.sent.is_empty());
    answer(&mut desk, &phone, &first, 200, &[]);
    let second = desk.next();
    assert_eq!((lamp(&first), lamp(&second)), ("1 trying".to_owned(), "2 early".to_owned()));
    assert!(desk.sent.is_empty());
}

#[test]
fn nobody_is_told_more_than_five_times_a_second() {
    let mut desk = Desk::new();
    let mut phone = alice();
    watching(&mut desk, &mut phone);
    desk.pass(1_000);
    let mut told = Vec::new();
    for i in 0..100 {
        bob_is(&mut desk, Some(if i % 2 == 0 { DialogStage::Early } else { DialogStage::Confirmed }));
        while let Some((_, notify)) = desk.sent.pop_front() {
            told.push(lamp(&notify));
            answer(&mut desk, &phone, &notify, 200, &[]);
        }
        desk.pass(10);
    }
    desk.pass(200);
    told.extend(desk.sent.drain(..).map(|(_, notify)| lamp(&notify)));
    assert!((5..=6).contains(&told.len()), "{told:?}");
    assert!(told.last().unwrap().ends_with("confirmed"), "the last state is told: {told:?}");
}

#[test]
fn a_watcher_who_moved_is_told_where_it_is_now() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let tag = watching(&mut desk, &mut phone);
    let mut moved = Phone { cseq: phone.cseq, call_id: phone.call_id.clone(), ..alice() }.over_tcp(7);
    moved.flow.remote.set_port(40_000);
    moved.contact = "<sip:alice@10.0.0.9:5062;transport=tcp>".to_owned();
    assert_eq!(again(&mut desk, &mut moved, &tag, "dialog", "600").code(), Some(200));
    let (to, notify) = desk.sent.pop_front().unwrap();
    assert_eq!(to, Destination::Flow(moved.flow));
    assert_eq!(notify.request_uri(), "sip:alice@10.0.0.9:5062;transport=tcp");
    answer(&mut desk, &moved, &notify, 200, &[]);
    // The connection breaks: the next NOTIFY finds no way, and that is the end of it.
    desk.pass(1_000);
    bob_is(&mut desk, Some(DialogStage::Early));
    let (to, _) = desk.sent.pop_front().unwrap();
    desk.input(Input::SendFailed { to });
    assert_eq!(desk.endpoint.counts().subscriptions, 0);
}

#[test]
fn a_notify_that_fails_ends_the_subscription_and_one_that_is_put_off_does_not() {
    for (code, more, left) in [
        (481, &[][..], 0),
        (481, &[(Name::RetryAfter, "5")], 0),
        (404, &[], 0),
        (500, &[], 0),
        (401, &[], 0),
        (202, &[], 1),
        (503, &[(Name::RetryAfter, "5")], 1),
    ] {
        let mut desk = Desk::new();
        let mut phone = alice();
        watching(&mut desk, &mut phone);
        desk.pass(1_000);
        bob_is(&mut desk, Some(DialogStage::Early));
        let notify = desk.next();
        answer(&mut desk, &phone, &notify, code, more);
        assert_eq!(desk.endpoint.counts().subscriptions, left, "{code}");
        bob_is(&mut desk, None);
        desk.pass(4_999);
        let waits = code == 503;
        assert_eq!(desk.sent.is_empty(), left == 0 || waits, "{code}");
        if waits {
            desk.pass(1);
            assert_eq!(lamp(&desk.next()), "2 idle");
        }
    }
}

#[test]
fn a_watcher_who_is_gone_is_asked_for_half_a_minute() {
    let mut desk = Desk::new();
    let mut phone = alice();
    watching(&mut desk, &mut phone);
    desk.pass(1_000);
    bob_is(&mut desk, Some(DialogStage::Early));
    desk.pass(31_999);
    let tries: Vec<Message> = desk.sent.drain(..).map(|(_, message)| message).collect();
    assert!(tries.len() > 5 && tries.iter().all(|one| one.bytes() == tries[0].bytes()), "the same again, not another");
    assert_eq!(desk.endpoint.counts().subscriptions, 1);
    desk.pass(1);
    assert_eq!(desk.endpoint.counts().subscriptions, 0);
    bob_is(&mut desk, None);
    assert!(desk.sent.is_empty());
}

#[test]
fn with_whom_somebody_talks_is_for_them_alone() {
    let mut desk = Desk::new();
    bob_is(&mut desk, Some(DialogStage::Confirmed));
    subscribe(&mut desk, &mut alice(), BOB, "dialog", &[]);
    let other = desk.next();
    assert!(!body(&other).contains("390612345") && !body(&other).contains("Carla"), "{}", body(&other));
    let mut own = Phone::new("bob", "other", "192.0.2.8:5070");
    subscribe(&mut desk, &mut own, BOB, "dialog", &[]);
    let own = desk.next();
    assert!(body(&own).contains("<identity display=\"Carla\">sip:390612345@tandem.test</identity>"), "{}", body(&own));
}

#[test]
fn each_package_hears_of_its_own_state_only() {
    let mut desk = Desk::new();
    let mut phone = alice();
    for (i, event) in ["presence", "dialog", "message-summary"].into_iter().enumerate() {
        phone.call_id = format!("c{i}");
        let uri = "sip:alice@tandem.test";
        assert_eq!(subscribe(&mut desk, &mut phone, uri, event, &[]).code(), Some(200));
        let first = desk.next();
        let says = ["<basic>closed</basic>", "version=\"0\" state=\"full\"", "Messages-Waiting: no\r\n"][i];
        assert!(body(&first).contains(says), "{}", body(&first));
        answer(&mut desk, &phone, &first, 200, &[]);
    }
    desk.pass(1_000);
    let mut publish = |state| {
        desk.command(Command::Publish { user: "alice".into(), state });
        let sent: Vec<Message> = desk.sent.drain(..).map(|(_, message)| message).collect();
        assert_eq!(sent.len(), 1);
        (sent[0].header(Name::ContentType).unwrap().to_owned(), body(&sent[0]).to_owned())
    };
    let busy = Presence { availability: Availability::Busy, note: "on a call".to_owned() };
    let (kind, text) = publish(ResourceState::Presence(busy));
    assert_eq!(kind, "application/pidf+xml");
    assert!(text.contains("<rpid:busy/>") && text.contains("<note>on a call</note>"), "{text}");
    let (kind, text) = publish(ResourceState::Messages(MessageSummary { new: 2, old: 1 }));
    assert_eq!(kind, "application/simple-message-summary");
    assert!(text.starts_with("Messages-Waiting: yes\r\n") && text.ends_with("Voice-Message: 2/1\r\n"), "{text}");
}
