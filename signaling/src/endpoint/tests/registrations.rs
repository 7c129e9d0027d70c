//! Devices register, with passwords, and go away.

use bytes::Bytes;

use super::{
    desk::{Desk, Phone},
    world::account,
};
use crate::{
    endpoint::{Command, EndpointConfig, Input, RegistrationLimits},
    flow::{ConnectionId, Transport},
    message::{Message, Name},
};

fn alice() -> Phone {
    Phone::new("alice", "secret", "192.0.2.7:5070")
}

fn contacts(reply: &Message) -> Vec<&str> {
    reply.headers(Name::Contact).collect()
}

#[test]
fn a_phone_registers_with_either_algorithm_refreshes_and_leaves() {
    for algorithm in [0, 1] {
        let mut desk = Desk::new();
        let mut phone = Phone { algorithm, ..alice() };
        let reply = desk.register(&mut phone, &[(Name::Expires, "600")]);
        assert_eq!((reply.code(), contacts(&reply)), (Some(200), vec!["<sip:alice@192.0.2.7:5070>;expires=600"]));
        assert_eq!(desk.words(), ["added sip:alice@192.0.2.7:5070"]);
        desk.pass(100_000);
        let reply = desk.proved(&mut phone, "REGISTER", "sip:tandem.test", &[]);
        assert_eq!(contacts(&reply), ["<sip:alice@192.0.2.7:5070>;expires=500"], "a fetch changes nothing");
        phone.contact = "<sip:alice@192.0.2.7:5070>;q=0.5;expires=99999".to_owned();
        let reply = desk.register(&mut phone, &[]);
        assert_eq!(contacts(&reply), ["<sip:alice@192.0.2.7:5070>;q=0.500;expires=7200"]);
        assert_eq!(desk.words(), ["refreshed sip:alice@192.0.2.7:5070"]);
        phone.contact = "*".to_owned();
        let reply = desk.register(&mut phone, &[(Name::Expires, "0")]);
        assert_eq!((reply.code(), contacts(&reply)), (Some(200), vec![]));
        assert_eq!(desk.words(), ["removed sip:alice@192.0.2.7:5070 Unregistered 0"]);
    }
}

#[test]
fn both_challenges_come_in_one_reply_and_the_stronger_first() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let request = phone.request("REGISTER", "sip:tandem.test", &[]);
    desk.receive(phone.flow, request);
    let reply = desk.next();
    let algorithms: Vec<_> =
        reply.auth_values(Name::WwwAuthenticate).map(|value| value.get("algorithm").unwrap().into_owned()).collect();
    assert_eq!(algorithms, ["SHA-256", "MD5"]);
    assert_eq!(desk.endpoint.counts().server_transactions, 0, "a stranger costs no memory");
}

#[test]
fn a_new_password_drops_what_registered_with_the_old_one() {
    let mut desk = Desk::new();
    desk.register(&mut alice(), &[(Name::Expires, "600")]);
    desk.words();
    let accounts = |password| Command::SetAccounts(vec![account("alice", password), account("bob", "other")]);
    desk.command(accounts("secret"));
    assert_eq!(desk.words(), Vec::<String>::new(), "the same password again changes nothing");
    desk.command(accounts("renewed"));
    assert_eq!(desk.words(), ["removed sip:alice@192.0.2.7:5070 PasswordChanged 0"]);
    assert_eq!(desk.endpoint.counts().bindings, 0);
    desk.pass(33_000);
    let mut phone = Phone { password: "renewed", ..alice() };
    assert_eq!(desk.register(&mut phone, &[(Name::Expires, "600")]).code(), Some(200));
    desk.words();
    desk.command(Command::PutAccount(account("alice", "again")));
    assert_eq!(desk.words(), ["removed sip:alice@192.0.2.7:5070 PasswordChanged 0"]);
}

#[test]
fn an_unrefreshed_binding_expires() {
    let mut desk = Desk::new();
    desk.register(&mut alice(), &[(Name::Expires, "60")]);
    desk.words();
    desk.pass(59_999);
    assert_eq!(desk.words(), Vec::<String>::new());
    desk.pass(1);
    assert_eq!(desk.words(), ["removed sip:alice@192.0.2.7:5070 Expired 0"]);
    assert_eq!(desk.endpoint.counts().bindings, 0);
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let mut refusals = Vec::new();
    for (user, password) in [("alice", "guess"), ("mallory", "secret")] {
        let mut desk = Desk::new();
        let mut phone = Phone::new(user, password, "192.0.2.66:5060");
        let reply = desk.register(&mut phone, &[]);
        assert_eq!(desk.words(), [format!("auth failed {user}")]);
        let shape: Vec<String> = reply.lines().map(|(name, value)| format!("{:?} {}", name, value.len() / 8)).collect();
        let challenge = reply.auth_values(Name::WwwAuthenticate).next().unwrap();
        refusals.push((reply.code(), challenge.get("stale").is_some(), shape.len()));
    }
    assert_eq!(refusals[0], refusals[1]);
    assert_eq!(refusals[0], (Some(401), false, refusals[0].2));
}

#[test]
fn a_replayed_request_and_an_old_nonce_are_challenged_anew_as_stale() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let request = phone.request("REGISTER", "sip:tandem.test", &[]);
    desk.receive(phone.flow, request);
    let challenge = desk.next();
    let mut send = |desk: &mut Desk, nc: u32| {
        let credentials = phone.credentials(&challenge, "REGISTER", "sip:tandem.test", nc);
        let request = phone.request("REGISTER", "sip:tandem.test", &[(Name::Authorization, &credentials)]);
        desk.receive(phone.flow, request);
        let reply = desk.next();
        let stale =
            reply.auth_values(Name::WwwAuthenticate).next().and_then(|value| value.get("stale").map(|stale| stale.into_owned()));
        (reply.code().unwrap(), stale)
    };
    assert_eq!(send(&mut desk, 1), (200, None));
    assert_eq!(send(&mut desk, 1), (401, Some("true".to_owned())), "nc 1 was used");
    assert_eq!(send(&mut desk, 2), (200, None));
    desk.pass(300_000);
    assert_eq!(send(&mut desk, 3), (401, Some("true".to_owned())), "the nonce is old");
    assert_eq!(desk.words(), Vec::<String>::new(), "none of it is a guess");
}

#[test]
fn a_repeated_datagram_is_answered_from_the_transaction() {
    let mut desk = Desk::new();
    let mut phone = alice();
    let challenge_for = phone.request("REGISTER", "sip:tandem.test", &[]);
    desk.receive(phone.flow, challenge_for);
    let challenge = desk.next();
    let credentials = phone.credentials(&challenge, "REGISTER", "sip:tandem.test", 1);
    let contact = phone.contact.clone();
    let request = phone.request("REGISTER", "sip:tandem.test", &[(Name::Contact, &contact), (Name::Authorization, &credentials)]);
    for _ in 0..3 {
        desk.receive(phone.flow, request.clone());
        assert_eq!(desk.code(), 200);
    }
    assert_eq!(desk.words().len(), 1);
    desk.pass(32_001);
    assert_eq!(desk.endpoint.counts().server_transactions, 0);
}

#[test]
fn only_the_own_address_of_record_may_be_registered() {
    let mut desk = Desk::new();
    let mut phone = Phone { user: "bob", ..alice() };
    let request = phone.request("REGISTER", "sip:tandem.test", &[]);
    desk.receive(phone.flow, request);
    let challenge = desk.next();
    let credentials = alice().credentials(&challenge, "REGISTER", "sip:tandem.test", 1);
    let request = phone.request(
        "REGISTER",
        "sip:tandem.test",
        &[(Name::Contact, "<sip:x@192.0.2.7>"), (Name::Authorization, &credentials)],
    );
    desk.receive(phone.flow, request);
    assert_eq!(desk.code(), 403);
    assert_eq!(desk.words(), Vec::<String>::new());
}

#[test]
fn too_short_is_423_and_bad_contacts_are_400() {
    let mut desk = Desk::new();
    let reply = desk.register(&mut alice(), &[(Name::Expires, "10")]);
    assert_eq!((reply.code(), reply.header(Name::MinExpires)), (Some(423), Some("60")));
    for (contact, expires) in [("*", "60"), ("*, <sip:a@192.0.2.7>", "0"), ("<tel:+1>", "600")] {
        let mut phone = Phone { contact: contact.to_owned(), call_id: format!("c{}", contact.len()), ..alice() };
        assert_eq!(desk.register(&mut phone, &[(Name::Expires, expires)]).code(), Some(400), "{contact}");
    }
    assert_eq!(desk.endpoint.counts().bindings, 0);
}

#[test]
fn an_older_request_of_the_same_phone_changes_nothing() {
    let mut desk = Desk::new();
    let mut phone = alice();
    desk.register(&mut phone, &[]);
    let mut late = Phone { cseq: 0, ..phone.clone() };
    late.contact.push_str(";expires=0");
    // The phone's tag makes another branch, so that this is no repetition.
    late.user = "alice";
    late.flow.remote.set_port(5071);
    assert_eq!(desk.register(&mut late, &[]).code(), Some(500));
    assert_eq!(desk.endpoint.counts().bindings, 1);
}

#[test]
fn devices_are_bounded_and_a_moved_device_replaces_itself() {
    let mut desk = Desk::new();
    for port in 6001..=6006 {
        let mut phone = Phone::new("alice", "secret", &format!("192.0.2.7:{port}"));
        assert_eq!(desk.register(&mut phone, &[]).code(), Some(200));
        desk.pass(1_000);
    }
    assert_eq!(desk.endpoint.counts().bindings, 4);
    assert!(desk.words().contains(&"removed sip:alice@192.0.2.7:6002 Replaced 4".to_owned()));
    for port in 7001..=7002 {
        let mut phone = Phone::new("bob", "other", &format!("192.0.2.8:{port}"));
        phone.contact.push_str(";+sip.instance=\"<urn:uuid:1>\"");
        desk.register(&mut phone, &[]);
    }
    assert_eq!(desk.endpoint.bindings("bob").count(), 1);
    desk.command(Command::RemoveAccount { user: "alice".into() });
    assert_eq!(desk.endpoint.counts().bindings, 1);
}

#[test]
fn a_closed_connection_takes_its_binding_along() {
    let mut desk = Desk::new();
    desk.register(&mut alice().over_tcp(5), &[]);
    desk.register(&mut Phone::new("alice", "secret", "192.0.2.9:5060"), &[]);
    desk.words();
    desk.input(Input::ConnectionClosed { connection: ConnectionId(5) });
    assert_eq!(desk.words(), ["removed sip:alice@192.0.2.7:5070 ConnectionClosed 1"]);
}

#[test]
fn a_binding_survives_a_restart() {
    let mut desk = Desk::new();
    desk.register(&mut alice(), &[(Name::Expires, "100")]);
    let binding = desk.endpoint.bindings("alice").next().unwrap().clone();
    let mut after = Desk::new();
    after.now = desk.now;
    after.command(Command::RestoreBinding(binding.clone()));
    assert_eq!(after.endpoint.bindings("alice").collect::<Vec<_>>(), [&binding]);
    after.pass(100_000);
    assert_eq!(after.endpoint.counts().bindings, 0);
    after.command(Command::RestoreBinding(binding));
    assert_eq!(after.endpoint.counts().bindings, 0, "it is over");
}

#[test]
fn who_came_by_a_connection_is_dialled_after_a_restart_where_they_say_that_they_listen() {
    let after = |phone: &mut Phone, more: &[(Name, &str)]| {
        let mut desk = Desk::new();
        desk.register(phone, more);
        let binding = desk.endpoint.bindings("alice").next().unwrap().clone().after_restart();
        binding.map(|binding| (binding.flow.transport, binding.flow.remote.to_string(), binding.flow.connection))
    };
    let dialled = |to: &str| Some((Transport::Tcp, to.to_owned(), None));
    // alice() comes from 192.0.2.7:5070 and says so.
    let mut phone = alice().over_tcp(1);
    phone.flow.remote.set_port(50_123);
    assert_eq!(after(&mut phone, &[]), dialled("192.0.2.7:5070"));
    let edge = "<sip:192.0.2.7:5088;transport=tcp;lr>";
    assert_eq!(after(&mut phone, &[(Name::Path, edge), (Name::Supported, "path")]), dialled("192.0.2.7:5088"));
    assert_eq!(after(&mut phone, &[(Name::Path, "<sip:edge.example;lr>")]), None, "a name says nothing of this address");
    phone.flow.transport = Transport::Tls;
    assert_eq!(after(&mut phone, &[]), None);
    phone.flow.transport = Transport::Wss;
    assert_eq!(after(&mut phone, &[]), None);
    let mut behind_nat = alice().over_tcp(1);
    behind_nat.contact = "<sip:alice@10.0.0.4:5070;transport=tcp>".to_owned();
    assert_eq!(after(&mut behind_nat, &[]), None);
    let binding = after(&mut alice(), &[]);
    assert_eq!(binding, Some((Transport::Udp, "192.0.2.7:5070".to_owned(), None)), "nothing is lost over UDP");
}

#[test]
fn other_domains_are_not_ours_when_ours_are_named() {
    let config = EndpointConfig {
        domains: vec!["example.org".to_owned()],
        registration: RegistrationLimits::default(),
        ..super::world::config(0)
    };
    let mut desk = Desk::with(config);
    assert_eq!(desk.register(&mut alice(), &[]).code(), Some(200), "the realm is ours");
    let mut phone = alice();
    phone.cseq = 10;
    let uri = "sip:elsewhere.example";
    let request = phone.request("REGISTER", uri, &[]);
    let request = Bytes::from(
        String::from_utf8(request.to_vec()).unwrap().replace("To: <sip:alice@tandem.test>", "To: <sip:alice@elsewhere.example>"),
    );
    desk.receive(phone.flow, request);
    let challenge = desk.next();
    let credentials = phone.credentials(&challenge, "REGISTER", uri, 1);
    let request = phone.request("REGISTER", uri, &[(Name::Authorization, &credentials)]);
    let request = Bytes::from(
        String::from_utf8(request.to_vec()).unwrap().replace("To: <sip:alice@tandem.test>", "To: <sip:alice@elsewhere.example>"),
    );
    desk.receive(phone.flow, request);
    assert_eq!(desk.code(), 404);
}
