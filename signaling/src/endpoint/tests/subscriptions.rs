//! SUBSCRIBE (RFC 6665): who may watch whom, for how long, and how it ends.

use super::{
    desk::{Desk, Phone},
    world::{REALM, account, config, trunk},
};
use crate::{
    endpoint::{
        Command, DialogDirection, DialogStage, EndpointConfig, RemoteParty, ResourceState, SubscriptionLimits, WatchedDialog,
    },
    flow::Transport,
    message::{Message, Name, ResponseBuilder},
};

pub(super) const BOB: &str = "sip:bob@tandem.test";

pub(super) fn alice() -> Phone {
    Phone::new("alice", "secret", "192.0.2.7:5070")
}

/// Has a phone subscribe; the final reply.
pub(super) fn subscribe(desk: &mut Desk, phone: &mut Phone, uri: &str, event: &str, more: &[(Name, &str)]) -> Message {
    let contact = phone.contact.clone();
    let mut headers = vec![(Name::Contact, contact.as_str()), (Name::Event, event)];
    headers.extend_from_slice(more);
    desk.proved(phone, "SUBSCRIBE", uri, &headers)
}

/// Sends a SUBSCRIBE in a dialog, without and with a password; the final reply.
pub(super) fn again(desk: &mut Desk, phone: &mut Phone, to_tag: &str, event: &str, expires: &str) -> Message {
    let contact = phone.contact.clone();
    let mut credentials: Option<String> = None;
    for round in 0..2 {
        if round == 1 {
            let challenge = desk.next();
            assert_eq!(challenge.code(), Some(401), "every SUBSCRIBE must prove who sends it");
            credentials = Some(phone.credentials(&challenge, "SUBSCRIBE", BOB, 1));
        }
        let mut headers = vec![(Name::Contact, contact.as_str()), (Name::Event, event), (Name::Expires, expires)];
        headers.extend(credentials.iter().map(|value| (Name::Authorization, value.as_str())));
        let request = String::from_utf8(phone.request("SUBSCRIBE", BOB, &headers).to_vec()).unwrap();
        desk.receive(phone.flow, request.replace("To: <sip:bob@tandem.test>", &format!("To: <{BOB}>;tag={to_tag}")));
    }
    desk.next()
}

/// A subscription to what bob's devices do, with its first NOTIFY taken; our tag in it.
pub(super) fn watching(desk: &mut Desk, phone: &mut Phone) -> String {
    let accepted = subscribe(desk, phone, BOB, "dialog", &[]);
    assert_eq!(accepted.code(), Some(200));
    let first = desk.next();
    answer(desk, phone, &first, 200, &[]);
    accepted.to().unwrap().tag().unwrap().to_owned()
}

pub(super) fn answer(desk: &mut Desk, phone: &Phone, request: &Message, code: u16, more: &[(Name, &str)]) {
    let builder = ResponseBuilder::from_request(request, code, "X", super::world::address(0), None);
    let reply = more.iter().fold(builder, |builder, (name, value)| builder.header(*name, value)).build();
    desk.receive(phone.flow, reply.unwrap());
}

pub(super) fn bob_is(desk: &mut Desk, stage: Option<DialogStage>) {
    let dialog = |stage| WatchedDialog {
        id: "7-1".to_owned(),
        direction: DialogDirection::Recipient,
        stage,
        remote: Some(RemoteParty { user: "390612345".to_owned(), display: "Carla".to_owned() }),
    };
    let state = ResourceState::Dialogs(stage.map(dialog).into_iter().collect());
    desk.command(Command::Publish { user: "bob".into(), state });
}

pub(super) fn body(message: &Message) -> &str {
    str::from_utf8(message.body()).unwrap()
}

/// What a NOTIFY of the dialog package says, short.
pub(super) fn lamp(notify: &Message) -> String {
    let text = body(notify);
    let version = text.split("version=\"").nth(2).and_then(|rest| rest.split('"').next()).unwrap_or("none");
    let state = text.split("<state>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or("idle");
    format!("{version} {state}")
}

#[test]
fn a_subscription_lasts_as_long_as_was_granted_and_is_refreshed() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let brief = subscribe(&mut desk, &mut phone, BOB, "dialog", &[(Name::Expires, "59")]);
    assert_eq!((brief.code(), brief.header(Name::MinExpires)), (Some(423), Some("60")));
    let long = subscribe(&mut desk, &mut phone, BOB, "dialog", &[(Name::Expires, "999999")]);
    assert_eq!(long.header(Name::Expires), Some("7200"));
    let notify = desk.next();
    answer(&mut desk, &phone, &notify, 200, &[]);
    let tag = long.to().unwrap().tag().unwrap().to_owned();
    assert_eq!(again(&mut desk, &mut phone, &tag, "dialog", "59").code(), Some(423));
    let shorter = again(&mut desk, &mut phone, &tag, "dialog", "60");
    assert_eq!((shorter.code(), shorter.header(Name::Expires)), (Some(200), Some("60")));
    let notify = desk.next();
    assert_eq!(notify.header(Name::SubscriptionState), Some("active;expires=60"), "told at once, though nothing changed");
    answer(&mut desk, &phone, &notify, 200, &[]);
    desk.pass(59_999);
    assert!(desk.sent.is_empty());
    desk.pass(1);
    let last = desk.next();
    assert_eq!(last.header(Name::SubscriptionState), Some("terminated;reason=timeout"));
    assert_eq!(desk.endpoint.counts().subscriptions, 0);
    answer(&mut desk, &phone, &last, 200, &[]);
    bob_is(&mut desk, Some(DialogStage::Early));
    desk.pass(40_000);
    assert!(desk.sent.is_empty());
    let counts = desk.endpoint.counts();
    assert_eq!(counts.client_transactions + counts.server_transactions + counts.subscriptions, 0);
}

#[test]
fn without_a_wish_an_hour_is_granted_and_it_can_be_taken_back() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let accepted = subscribe(&mut desk, &mut phone, BOB, "dialog", &[]);
    assert_eq!(accepted.header(Name::Expires), Some("3600"));
    let unanswered = desk.next();
    let tag = accepted.to().unwrap().tag().unwrap().to_owned();
    let gone = again(&mut desk, &mut phone, &tag, "dialog", "0");
    assert_eq!((gone.code(), gone.header(Name::Expires)), (Some(200), Some("0")));
    assert!(desk.sent.is_empty(), "one NOTIFY is out still");
    answer(&mut desk, &phone, &unanswered, 200, &[]);
    let last = desk.next();
    assert_eq!(last.header(Name::SubscriptionState), Some("terminated;reason=timeout"));
    assert_eq!(lamp(&last), "1 idle");
    assert_eq!(desk.endpoint.counts().subscriptions, 0);
}

#[test]
fn whoever_comes_and_goes_leaves_no_timers() {
    let mut desk = Desk::new();
    for i in 0..200 {
        let mut phone = Phone { call_id: format!("c{i}"), ..alice() };
        let tag = watching(&mut desk, &mut phone);
        assert_eq!(again(&mut desk, &mut phone, &tag, "dialog", "0").code(), Some(200));
        let last = desk.next();
        answer(&mut desk, &phone, &last, 200, &[]);
        desk.pass(5_000);
    }
    let counts = desk.endpoint.counts();
    assert!(counts.subscriptions == 0 && counts.timers < 200, "{counts:?}");
}

#[test]
fn a_fetch_is_told_once_and_leaves_nothing() {
    let mut desk = Desk::new();
    bob_is(&mut desk, Some(DialogStage::Early));
    let accepted = subscribe(&mut desk, &mut alice(), BOB, "dialog", &[(Name::Expires, "0")]);
    assert_eq!((accepted.code(), accepted.header(Name::Expires)), (Some(200), Some("0")));
    let only = desk.next();
    assert_eq!(only.header(Name::SubscriptionState), Some("terminated;reason=timeout"));
    assert_eq!(lamp(&only), "0 early");
    assert_eq!(desk.endpoint.counts().subscriptions, 0);
}

#[test]
fn what_cannot_be_watched_is_refused_with_its_code() {
    let mut desk = Desk::new();
    let cases = [
        (BOB, "refresh", &[][..], 489),
        (BOB, "presence.winfo", &[], 489),
        (BOB, "dialog;id=", &[], 400),
        (BOB, ";", &[], 400),
        (BOB, "dialog;call-id=1@h", &[], 403),
        (BOB, "dialog", &[(Name::Accept, "application/pidf+xml")], 406),
        (BOB, "dialog", &[(Name::Accept, "text/plain, application/dialog-info+xml;q=0.5")], 200),
        ("sip:nobody@tandem.test", "dialog", &[], 404),
        ("sip:tandem.test", "dialog", &[], 404),
        ("tel:+39061", "dialog", &[], 416),
        (BOB, "message-summary", &[], 403),
        ("sip:alice@tandem.test", "message-summary", &[], 200),
        (BOB, "presence", &[], 200),
    ];
    for (i, (uri, event, more, code)) in cases.into_iter().enumerate() {
        let mut phone = Phone { call_id: format!("c{i}"), ..alice() };
        let reply = subscribe(&mut desk, &mut phone, uri, event, more);
        assert_eq!(reply.code(), Some(code), "{uri} {event}");
        let offered = reply.header(Name::AllowEvents);
        assert_eq!(offered, (code == 489).then_some("dialog, message-summary, presence"));
        assert_eq!(desk.sent.drain(..).count(), usize::from(code == 200));
    }
    let mut phone = alice();
    let reply = desk.proved(&mut phone, "SUBSCRIBE", BOB, &[(Name::Contact, "<sip:alice@192.0.2.7>")]);
    assert_eq!(reply.code(), Some(489), "no Event at all");
    let reply = desk.proved(&mut phone, "SUBSCRIBE", BOB, &[(Name::Event, "dialog")]);
    assert_eq!(reply.code(), Some(400), "nowhere to send to");
}

#[test]
fn a_domain_that_is_not_ours_has_nobody_to_watch() {
    let mut desk = Desk::with(EndpointConfig { domains: vec!["pbx.test".to_owned()], ..config(0) });
    for (host, code) in [("pbx.test", 200), (REALM, 200), ("127.0.0.1", 200), ("elsewhere.test", 404)] {
        let mut phone = alice();
        phone.call_id = host.to_owned();
        let reply = subscribe(&mut desk, &mut phone, &format!("sip:bob@{host}"), "presence", &[]);
        assert_eq!(reply.code(), Some(code), "{host}");
        desk.sent.clear();
    }
}

#[test]
fn only_who_proves_to_be_the_sender_may_watch() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let request = phone.request("SUBSCRIBE", BOB, &[(Name::Event, "dialog"), (Name::Contact, "<sip:a@192.0.2.7>")]);
    desk.receive(phone.flow, request);
    assert_eq!(desk.code(), 401);
    // The right password of one, the name of another.
    let uri = BOB;
    let headers = [(Name::Event, "dialog"), (Name::Contact, "<sip:a@192.0.2.7>")];
    let challenge = {
        let request = phone.request("SUBSCRIBE", uri, &headers);
        desk.receive(phone.flow, request);
        desk.next()
    };
    let credentials = phone.credentials(&challenge, "SUBSCRIBE", uri, 1);
    let mut headers = headers.to_vec();
    headers.push((Name::Authorization, &credentials));
    let request = String::from_utf8(phone.request("SUBSCRIBE", uri, &headers).to_vec()).unwrap();
    desk.receive(phone.flow, request.replace("From: <sip:alice@", "From: <sip:bob@"));
    assert_eq!(desk.code(), 403);
    // A carrier is nobody's user, even at its own address.
    desk.command(Command::SetTrunks(vec![trunk("carrier", "192.0.2.50:5060".parse().unwrap(), Transport::Udp)]));
    let mut carrier = Phone::new("alice", "guess", "192.0.2.50:5060");
    assert_eq!(subscribe(&mut desk, &mut carrier, BOB, "dialog", &[]).code(), Some(401));
    assert!(desk.sent.is_empty());
    assert_eq!(desk.endpoint.counts().subscriptions, 0);
}

#[test]
fn requests_in_the_dialog_must_fit_it() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let tag = watching(&mut desk, &mut phone);
    assert_eq!(again(&mut desk, &mut phone, &tag, "presence", "600").code(), Some(481), "another package");
    assert_eq!(again(&mut desk, &mut phone, &tag, "dialog;id=1", "600").code(), Some(481), "another id");
    let mut other = Phone::new("bob", "other", "192.0.2.7:5070");
    other.cseq = phone.cseq;
    let stolen = again(&mut desk, &mut other, &tag, "dialog", "600");
    assert_eq!(stolen.code(), Some(403), "somebody else's");
    // Long after: no transaction remembers these numbers.
    desk.pass(40_000);
    phone.cseq = 0;
    assert_eq!(again(&mut desk, &mut phone, &tag, "dialog", "600").code(), Some(500), "not newer");
    let strange = phone.request("SUBSCRIBE", BOB, &[(Name::Event, "dialog")]);
    let strange =
        String::from_utf8(strange.to_vec()).unwrap().replace("To: <sip:bob@tandem.test>", &format!("To: <{BOB}>;tag=x{tag}"));
    desk.receive(phone.flow, strange);
    assert_eq!(desk.code(), 481, "nobody's");
    assert!(desk.sent.is_empty());
    assert_eq!(desk.endpoint.counts().subscriptions, 1);
}

#[test]
fn a_dialog_of_before_a_restart_is_unknown_so_that_its_phone_subscribes_anew() {
    let mut phone = alice();
    let tag = watching(&mut Desk::new(), &mut phone);
    // The next process (RFC 6665 section 4.1.2.2: 481 ends the subscription for the phone).
    let mut desk = Desk::new();
    let refresh = phone.request("SUBSCRIBE", BOB, &[(Name::Event, "dialog"), (Name::Expires, "600")]);
    let refresh = String::from_utf8(refresh.to_vec()).unwrap();
    desk.receive(phone.flow, refresh.replace("To: <sip:bob@tandem.test>", &format!("To: <{BOB}>;tag={tag}")));
    assert_eq!(desk.code(), 481);
    assert!(desk.sent.is_empty());
    watching(&mut desk, &mut phone);
    assert_eq!(desk.endpoint.counts().subscriptions, 1);
}

#[test]
fn a_subscribe_that_comes_twice_is_one() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let accepted = subscribe(&mut desk, &mut phone, BOB, "dialog", &[]);
    let notify = desk.next();
    phone.cseq -= 1;
    let repeated = phone.request("SUBSCRIBE", BOB, &[(Name::Event, "dialog")]);
    desk.receive(phone.flow, repeated);
    assert_eq!(desk.next().bytes(), accepted.bytes());
    assert!(desk.sent.is_empty() && notify.method() == "NOTIFY");
    assert_eq!(desk.endpoint.counts().subscriptions, 1);
}

#[test]
fn who_is_gone_watches_nobody_and_is_watched_by_nobody() {
    for (gone, reason) in [("bob", "noresource"), ("alice", "rejected")] {
        for by_list in [true, false] {
            let mut desk = Desk::new();
            let mut phone = alice();
            watching(&mut desk, &mut phone);
            bob_is(&mut desk, Some(DialogStage::Early));
            desk.command(if by_list {
                let (left, word) = if gone == "bob" { ("alice", "secret") } else { ("bob", "other") };
                Command::SetAccounts(vec![account(left, word)])
            } else {
                Command::RemoveAccount { user: gone.into() }
            });
            let last = desk.next();
            assert_eq!(last.header(Name::SubscriptionState).unwrap(), format!("terminated;reason={reason}"));
            assert!(last.body().is_empty(), "nothing more is told of anybody");
            assert_eq!(desk.endpoint.counts().subscriptions, 0);
        }
    }
    // Back again under the same name: nothing is known of them.
    let mut desk = Desk::new();
    bob_is(&mut desk, Some(DialogStage::Early));
    desk.command(Command::RemoveAccount { user: "bob".into() });
    bob_is(&mut desk, Some(DialogStage::Early));
    desk.command(Command::PutAccount(account("bob", "other")));
    subscribe(&mut desk, &mut alice(), BOB, "dialog", &[]);
    assert_eq!(lamp(&desk.next()), "0 idle");
}

#[test]
fn there_are_so_many_subscriptions_and_no_more() {
    let limits = SubscriptionLimits { most_per_watcher: 2, most_per_resource: 4, most: 5, ..SubscriptionLimits::default() };
    let mut desk = Desk::with(EndpointConfig { subscriptions: limits, ..config(0) });
    desk.command(Command::PutAccount(account("carla", "third")));
    let mut ask = |user: &'static str, password: &'static str, whom: &str, n: usize| {
        let mut phone = Phone::new(user, password, &format!("192.0.2.9:{}", 5_000 + n));
        let uri = format!("sip:{whom}@{REALM}");
        let reply = subscribe(&mut desk, &mut phone, &uri, "presence", &[]);
        desk.sent.clear();
        (reply.code().unwrap(), reply.has(Name::RetryAfter))
    };
    assert_eq!(ask("alice", "secret", "bob", 1), (200, false));
    assert_eq!(ask("alice", "secret", "bob", 2), (200, false));
    assert_eq!(ask("alice", "secret", "bob", 3), (403, false), "as many as one may have");
    assert_eq!(ask("bob", "other", "bob", 4), (200, false));
    assert_eq!(ask("bob", "other", "bob", 5), (200, false));
    assert_eq!(ask("carla", "third", "bob", 6), (503, true), "as many as one is watched by");
    assert_eq!(ask("carla", "third", "alice", 7), (200, false));
    assert_eq!(ask("carla", "third", "alice", 8), (503, true), "as many as there may be");
    assert_eq!(desk.endpoint.counts().subscriptions, 5);
}

#[test]
fn an_endpoint_that_drains_takes_no_new_watcher_and_keeps_those_it_has() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let tag = watching(&mut desk, &mut phone);
    desk.command(Command::Drain);
    let request = Phone::new("bob", "other", "192.0.2.8:5070").request("SUBSCRIBE", BOB, &[(Name::Event, "dialog")]);
    desk.receive(phone.flow, request);
    assert_eq!(desk.code(), 503);
    assert_eq!(again(&mut desk, &mut phone, &tag, "dialog", "600").code(), Some(200));
}

#[test]
fn a_place_is_watched_and_has_neither_mail_nor_presence() {
    const SLOT: &str = "sip:701@tandem.test";
    let mut desk = Desk::new();
    let mut alice = alice();
    assert_eq!(subscribe(&mut desk, &mut alice, SLOT, "dialog", &[]).code(), Some(404), "nobody of that name");
    desk.command(Command::SetPlaces(["701".into()].into()));
    for event in ["message-summary", "presence"] {
        assert_ne!(subscribe(&mut desk, &mut alice, SLOT, event, &[]).code(), Some(200), "{event}");
    }
    assert_eq!(subscribe(&mut desk, &mut alice, SLOT, "dialog", &[]).code(), Some(200));
    let first = desk.next();
    assert_eq!(lamp(&first), "0 idle");
    answer(&mut desk, &alice, &first, 200, &[]);
    let taken =
        WatchedDialog { id: "1".into(), direction: DialogDirection::Recipient, stage: DialogStage::Confirmed, remote: None };
    desk.command(Command::Publish { user: "701".into(), state: ResourceState::Dialogs(vec![taken]) });
    desk.pass(200);
    let told = desk.next();
    assert_eq!(lamp(&told), "1 confirmed");
    answer(&mut desk, &alice, &told, 200, &[]);
    // The place is gone, and so is whoever watches it.
    desk.command(Command::SetPlaces(std::collections::BTreeSet::new()));
    assert!(desk.next().header(Name::SubscriptionState).is_some_and(|state| state.contains("noresource")));
}
