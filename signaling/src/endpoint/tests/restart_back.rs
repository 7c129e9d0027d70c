//! After a restart: where phones whose connection is gone are looked for, and how they are known again.

use super::{
    calls::end,
    desk::Desk,
    restart_ways::{by_connection, on_the_phone, on_the_phone_as},
    world::address,
};
use crate::{
    endpoint::{Destination, Input, KeptLeg, Restored},
    flow::{ConnectionId, Flow, Transport},
    message::ResponseBuilder,
};

#[test]
fn a_phone_that_is_no_longer_where_it_was_is_known_by_its_instance() {
    // Without outbound, and with the port of its connection in its contact, as some phones have it.
    let contact =
        |port: u16, instance: &str| format!("<sip:alice@192.0.2.7:{port};transport=tcp>;+sip.instance=\"<urn:uuid:{instance}>\"");
    for (instance, is_it) in [("1", true), ("2", false)] {
        let mut desk = Desk::new();
        let (mut phone, invite, _) = on_the_phone_as(&mut desk, Transport::Tcp, contact(50_123, "1"));
        let kept = desk.kept(invite);
        let (mut desk, restored) = desk.killed(1_000, &kept);
        let Restored::Up { invite, .. } = restored else { panic!("{restored:?}") };
        desk.command(end(invite));
        phone.flow.connection = Some(ConnectionId(9));
        phone.flow.remote.set_port(50_999);
        phone.contact = contact(50_999, instance);
        desk.register(&mut phone, &[]);
        desk.words();
        if is_it {
            let (way, bye) = desk.next_with_way();
            assert_eq!((bye.method(), by_connection(&way)), ("BYE", Some(9)));
        } else {
            assert_eq!(desk.lines(), Vec::<String>::new(), "another device of the account");
        }
    }
}

#[test]
fn a_phone_is_looked_for_where_it_listens_and_is_back_by_that_connection() {
    for is_there in [true, false] {
        let mut desk = Desk::new();
        let (phone, invite, _) = on_the_phone(&mut desk, Transport::Tcp);
        let mut kept = serde_json::to_value(desk.kept(invite)).unwrap();
        // As some phones write in a call: the port of the connection that is gone. What they registered is another.
        kept["target"] = "sip:alice@192.0.2.7:50123;transport=tcp".into();
        let kept: KeptLeg = serde_json::from_value(kept).unwrap();
        let (mut desk, restored) = desk.killed(1_000, &kept);
        let Restored::Up { invite, .. } = restored else { panic!("{restored:?}") };
        let now = desk.now;
        desk.endpoint.probe(now, invite);
        desk.drain();
        let (way, question) = desk.next_with_way();
        let listens = Destination::Address { transport: Transport::Tcp, to: "192.0.2.7:5070".parse().unwrap() };
        assert_eq!((question.method(), way), ("OPTIONS", listens));
        if is_there {
            let back = Flow { remote: way.address(), connection: Some(ConnectionId(30)), ..phone.flow };
            let answer = ResponseBuilder::from_request(&question, 200, "OK", address(0), None).build();
            desk.receive(back, answer.unwrap());
            desk.command(end(invite));
            let (way, bye) = desk.next_with_way();
            assert_eq!((bye.method(), by_connection(&way)), ("BYE", Some(30)));
        } else {
            desk.input(Input::SendFailed { to: way });
            desk.command(end(invite));
            desk.pass(59_000);
            assert_eq!((desk.lines(), desk.words()), (vec![], vec![]), "it may still come back by itself");
            desk.pass(1_000);
            let (way, bye) = desk.next_with_way();
            assert_eq!((bye.method(), way), ("BYE", listens), "where it registered");
        }
    }
    // Nobody can look for a browser.
    let mut desk = Desk::new();
    let (_, invite, _) = on_the_phone(&mut desk, Transport::Wss);
    let kept = desk.kept(invite);
    let (mut desk, restored) = desk.killed(1_000, &kept);
    let Restored::Up { invite, .. } = restored else { panic!("{restored:?}") };
    let now = desk.now;
    desk.endpoint.probe(now, invite);
    desk.drain();
    assert_eq!(desk.lines(), Vec::<String>::new());
}
