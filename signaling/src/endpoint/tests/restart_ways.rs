//! After a restart: legs that nobody had answered, connections that are gone, and both ends of a call together.

use super::{
    calls::{LONG_MS, call, end, established, sdp, until_invited},
    desk::{Desk, Phone},
    far::{ALLOW, Far, THEIRS, desk},
    world::{World, address, trunk},
};
use crate::{
    endpoint::{Command, Destination, Endpoint, Event, Input, InviteId, KeptLeg, Moment, Restored},
    flow::{ConnectionId, Flow, Transport},
    message::{Name, ResponseBuilder},
};

#[test]
fn a_caller_whom_nobody_answered_is_told_to_try_again() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, &[ALLOW], THEIRS);
    desk.command(Command::Progress { invite, code: 180, sdp: None });
    let ringing = far.hear(&mut desk, 180);
    let kept = desk.kept(invite);
    let (mut desk, restored) = desk.killed(1_000, &kept);
    assert_eq!(restored, Restored::Ended);
    let refusal = desk.next();
    assert_eq!((refusal.code(), refusal.header(Name::RetryAfter)), (Some(503), Some("1")));
    for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq] {
        assert_eq!(refusal.header_bytes(name), ringing.header_bytes(name));
    }
    // It is repeated until the ACK, as any refusal is; the INVITE that comes again gets the same.
    assert_eq!(desk.until_sent(500), 500);
    assert_eq!(desk.next().bytes(), refusal.bytes());
    far.send(&mut desk, "CANCEL", &[], "");
    desk.sent.clear();
    far.cseq = 1;
    far.ack(&mut desk, "");
    desk.pass(64_000);
    let counts = desk.endpoint.counts();
    assert_eq!((desk.words(), counts.invites, counts.server_transactions), (vec![], 0, 0));
}

#[test]
fn whoever_rings_is_told_that_it_is_over() {
    let mut desk = desk(|_| {});
    let (far, invite) = Far::called(&mut desk);
    far.reply(&mut desk, &far.invite().clone(), 180, &[], "");
    let kept = desk.kept(invite);
    let (mut desk, restored) = desk.killed(1_000, &kept);
    assert_eq!(restored, Restored::Ended);
    let cancel = desk.next();
    assert_eq!(cancel.method(), "CANCEL");
    for name in [Name::Via, Name::From, Name::To, Name::CallId] {
        assert_eq!(cancel.header(name), far.invite().header(name), "as in the INVITE (RFC 3261 section 9.1)");
    }
    assert_eq!((cancel.request_uri(), cancel.cseq().unwrap().number), (far.invite().request_uri(), 1));
    far.reply(&mut desk, &cancel, 200, &[], "");
    far.reply(&mut desk, &far.invite().clone(), 487, &[], "");
    let ack = desk.next();
    assert_eq!((ack.method(), ack.header(Name::Via)), ("ACK", far.invite().header(Name::Via)));
    desk.pass(40_000);
    assert_eq!((desk.lines(), desk.words(), desk.endpoint.counts().client_transactions), (vec![], vec![], 0));
}

#[test]
fn whoever_answers_all_the_same_is_acknowledged_and_hung_up() {
    let mut desk = desk(|_| {});
    let (far, invite) = Far::called(&mut desk);
    far.progress(&mut desk, 183, 7, THEIRS);
    let prack = desk.next();
    assert_eq!(prack.method(), "PRACK");
    let kept = desk.kept(invite);
    let (mut desk, _) = desk.killed(1_000, &kept);
    assert_eq!(desk.next().method(), "CANCEL");
    far.reply(&mut desk, &far.invite().clone(), 200, &[], THEIRS);
    let (ack, bye) = (desk.next(), desk.next());
    assert_eq!((ack.method(), ack.cseq().unwrap().number), ("ACK", 1));
    assert_eq!((bye.method(), bye.cseq().unwrap().number), ("BYE", 67), "above the PRACK of before");
    far.reply(&mut desk, &far.invite().clone(), 200, &[], THEIRS);
    assert_eq!(desk.lines(), ["ACK"]);
    far.reply(&mut desk, &bye, 200, &[], "");
    desk.pass(64_000);
    assert_eq!((desk.words(), desk.endpoint.counts().client_transactions), (vec![], 0));
}

#[test]
fn a_cancel_still_waits_for_a_sign_of_life() {
    let mut desk = desk(|_| {});
    let (far, invite) = Far::called(&mut desk);
    let kept = desk.kept(invite);
    let (mut desk, _) = desk.killed(1_000, &kept);
    desk.pass(100_000);
    assert_eq!(desk.lines(), Vec::<String>::new(), "nobody is known to have it");
    far.reply(&mut desk, &far.invite().clone(), 180, &[], "");
    assert_eq!(desk.next().method(), "CANCEL");
    // A reply changes what is to be kept, also one that nobody hears of.
    let (far, invite) = Far::called(&mut desk);
    while desk.endpoint.next_changed().is_some() {}
    desk.kept(invite);
    far.reply(&mut desk, &far.invite().clone(), 100, &[], "");
    assert_eq!(desk.endpoint.next_changed(), Some(invite));
}

/// A phone of alice that is registered by a connection, and calls over it; what its 200 has as To.
pub(super) fn on_the_phone(desk: &mut Desk, transport: Transport) -> (Phone, InviteId, String) {
    let contact = "<sip:alice@192.0.2.7:5070;transport=tcp>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"".to_owned();
    on_the_phone_as(desk, transport, contact)
}

/// The same with a contact that it registers.
pub(super) fn on_the_phone_as(desk: &mut Desk, transport: Transport, contact: String) -> (Phone, InviteId, String) {
    let mut phone = Phone::new("alice", "secret", "192.0.2.7:50123").over_tcp(1);
    phone.flow.transport = transport;
    phone.contact = contact;
    desk.register(&mut phone, &[(Name::Supported, "path, outbound")]);
    desk.words();
    let trying =
        desk.proved(&mut phone, "INVITE", "sip:1800@tandem.test", &[(Name::Contact, "<sip:alice@192.0.2.7:5070;transport=tcp>")]);
    assert_eq!(trying.code(), Some(100));
    let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
    desk.command(Command::Answer { invite: invited.invite, sdp: sdp() });
    let to = desk.next().header(Name::To).unwrap().to_owned();
    let cseq = phone.cseq;
    phone.cseq -= 1;
    let ack = in_dialog(&mut phone, &to, "ACK");
    desk.receive(phone.flow, ack);
    phone.cseq = cseq;
    desk.words();
    (phone, invited.invite, to)
}

/// A request of the phone in its call.
fn in_dialog(phone: &mut Phone, to: &str, method: &str) -> Vec<u8> {
    let text = phone.request(method, "sip:127.0.0.1:5060", &[]);
    let text = String::from_utf8(text.to_vec()).unwrap();
    let head = text.split("To: ").next().unwrap();
    let rest = text.split("To: ").nth(1).unwrap().split_once("\r\n").unwrap().1;
    let body = if method == "ACK" {
        format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{THEIRS}", THEIRS.len())
    } else {
        "Content-Length: 0\r\n\r\n".to_owned()
    };
    format!("{head}To: {to}\r\n{}{body}", rest.split("Content-Length").next().unwrap()).into_bytes()
}

pub(super) fn by_connection(to: &Destination) -> Option<u64> {
    if let Destination::Flow(Flow { connection: Some(ConnectionId(id)), .. }) = to { Some(*id) } else { None }
}

#[test]
fn a_phone_that_comes_back_by_a_new_connection_goes_on() {
    for transport in [Transport::Tcp, Transport::Wss] {
        let mut desk = Desk::new();
        let (mut phone, invite, to) = on_the_phone(&mut desk, transport);
        let kept = desk.kept(invite);
        let (mut desk, restored) = desk.killed(1_000, &kept);
        let Restored::Up { invite, .. } = restored else { panic!("{restored:?}") };
        let again = serde_json::to_value(desk.kept(invite)).unwrap();
        assert_eq!(again["device"]["instance"], "<urn:uuid:1>", "the device is not forgotten");
        // An offer waits; then the phone is there.
        desk.command(Command::Reoffer { invite, sdp: sdp() });
        desk.pass(400);
        assert_eq!(desk.lines(), Vec::<String>::new());
        phone.flow.connection = Some(ConnectionId(9));
        phone.flow.remote.set_port(50_999);
        desk.register(&mut phone, &[(Name::Supported, "path, outbound")]);
        desk.words();
        desk.until_sent(4_000);
        let (way, offer) = desk.next_with_way();
        assert_eq!((offer.method(), by_connection(&way)), ("INVITE", Some(9)));
        let answer = ResponseBuilder::from_request(&offer, 200, "OK", address(0), None)
            .build_with_body("application/sdp", THEIRS.as_bytes());
        desk.receive(phone.flow, answer.unwrap());
        assert_eq!((desk.lines(), desk.words()), (vec!["ACK".to_owned()], vec!["reoffer answered sdp".to_owned()]));
        let bye = in_dialog(&mut phone, &to, "BYE");
        desk.receive(phone.flow, bye);
        assert_eq!((desk.code(), desk.words()), (200, vec!["ended Bye { cause: None }".to_owned()]));
    }
}

#[test]
fn a_hang_up_waits_for_the_phone_to_come_back() {
    let mut desk = Desk::new();
    let (mut phone, invite, _) = on_the_phone(&mut desk, Transport::Wss);
    let kept = desk.kept(invite);
    let (mut desk, restored) = desk.killed(1_000, &kept);
    let Restored::Up { invite, .. } = restored else { panic!("{restored:?}") };
    desk.command(end(invite));
    desk.pass(30_000);
    assert_eq!(desk.lines(), Vec::<String>::new());
    phone.flow.connection = Some(ConnectionId(9));
    let contact = phone.contact.replace("reg-id=1", "reg-id=2");
    phone.contact = contact;
    desk.register(&mut phone, &[(Name::Supported, "path, outbound")]);
    let (way, bye) = desk.next_with_way();
    assert_eq!((bye.method(), by_connection(&way)), ("BYE", Some(9)), "any flow of the same instance will do");
    desk.pass(64_000);
    assert_eq!(desk.endpoint.counts().invites, 0);
}

#[test]
fn a_request_by_a_new_connection_shows_that_the_phone_is_back() {
    let mut desk = Desk::new();
    let (mut phone, invite, to) = on_the_phone(&mut desk, Transport::Wss);
    let kept = desk.kept(invite);
    let (mut desk, restored) = desk.killed(1_000, &kept);
    let Restored::Up { invite, .. } = restored else { panic!("{restored:?}") };
    phone.flow.connection = Some(ConnectionId(12));
    let options = in_dialog(&mut phone, &to, "OPTIONS");
    desk.receive(phone.flow, options);
    assert_eq!(desk.code(), 200);
    desk.command(end(invite));
    let (way, bye) = desk.next_with_way();
    assert_eq!((bye.method(), by_connection(&way)), ("BYE", Some(12)));
}

#[test]
fn a_phone_that_does_not_come_back_is_dialled_or_given_up() {
    for (transport, words) in [(Transport::Tcp, vec![]), (Transport::Wss, vec!["ended ConnectionLost"])] {
        let mut desk = Desk::new();
        let (_, invite, _) = on_the_phone(&mut desk, transport);
        let kept = desk.kept(invite);
        let (mut desk, restored) = desk.killed(1_000, &kept);
        let Restored::Up { invite, .. } = restored else { panic!("{restored:?}") };
        desk.pass(59_999);
        assert_eq!((desk.lines(), desk.words()), (vec![], vec![]));
        desk.pass(1);
        assert_eq!(desk.words(), words);
        if transport == Transport::Tcp {
            desk.command(end(invite));
            let (way, bye) = desk.next_with_way();
            let listens = "192.0.2.7:5070".parse().unwrap();
            assert_eq!((bye.method(), way), ("BYE", Destination::Address { transport: Transport::Tcp, to: listens }));
        }
    }
    // Who was not registered by the connection is dialled at once, where the contact says that they listen.
    let mut desk = Desk::new();
    let (_, invite, _) = on_the_phone(&mut desk, Transport::Tcp);
    desk.input(Input::ConnectionClosed { connection: ConnectionId(1) });
    let kept = desk.kept(invite);
    let (mut desk, restored) = desk.killed(1_000, &kept);
    let Restored::Up { invite, .. } = restored else { panic!("{restored:?}") };
    desk.command(end(invite));
    let (way, _) = desk.next_with_way();
    assert_eq!(way, Destination::Address { transport: Transport::Tcp, to: "192.0.2.7:5070".parse().unwrap() });
    desk.input(Input::SendFailed { to: way });
    assert_eq!(desk.endpoint.counts().client_transactions, 0);
}

impl World {
    fn moment(&self) -> Moment {
        let passed = u64::try_from(self.now.saturating_duration_since(self.start).as_millis()).unwrap();
        Moment { instant: self.now, unix_ms: 1_790_000_000_000 + passed }
    }

    /// One end is killed and begins anew with its legs.
    fn killed(&mut self, end: usize, transport: Transport, invite: InviteId) -> Restored {
        let moment = self.moment();
        let kept = self.ends[end].keep(moment, invite).expect("there is such a leg");
        let kept: KeptLeg = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
        let seed = [u8::try_from(self.random(256)).unwrap(); 32];
        self.ends[end] = Endpoint::new(super::world::config(end), seed);
        self.break_connections();
        let others = (0..self.ends.len()).filter(|other| *other != end);
        let trunks = others.map(|other| trunk(&format!("t{other}"), address(other), transport)).collect();
        self.command(end, Command::SetTrunks(trunks));
        self.events.clear();
        let restored = self.ends[end].restore(moment, &kept).expect("what was kept can be restored");
        self.input(end, Input::Tick);
        restored
    }
}

#[test]
fn either_side_hangs_up_after_either_was_killed() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for (killed, hangs_up) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            // Whoever was not killed does not dial anew by itself.
            if transport == Transport::Tcp && killed != hangs_up {
                continue;
            }
            let mut world = World::new(2, transport, 70);
            let (caller, callee) = established(&mut world);
            let mut names = [caller, callee];
            let Restored::Up { invite, .. } = world.killed(killed, transport, names[killed]) else { panic!("it was up") };
            names[killed] = invite;
            world.command(hangs_up, end(names[hangs_up]));
            let other = if hangs_up == 0 { "b" } else { "a" };
            assert_eq!(world.run(100), [format!("{other}: ended Bye {{ cause: None }}")], "{transport} {killed} {hangs_up}");
            assert!(world.ladder.ends_with("200 BYE\n"), "{}", world.ladder);
            world.settle(LONG_MS);
        }
    }
}

#[test]
fn a_call_under_way_ends_on_both_sides_when_either_is_killed() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for killed in [0, 1] {
            let mut world = World::new(2, transport, 71);
            let caller = call(&mut world, 0, 1);
            let callee = until_invited(&mut world);
            world.command(1, Command::Progress { invite: callee, code: 180, sdp: None });
            world.run(100);
            world.ladder.clear();
            assert_eq!(world.killed(killed, transport, [caller, callee][killed]), Restored::Ended);
            let told = world.run(100);
            let (expected, ladder) =
                if killed == 0 { ("b: cancelled", "a>b CANCEL") } else { ("a: rejected 503 Peer", "b>a 503 INVITE") };
            // The other end of a broken connection knows before it is told.
            assert!(transport == Transport::Tcp || told == [expected], "{transport} {killed}: {told:?}");
            assert!(world.ladder.contains(ladder), "{}", world.ladder);
            world.settle(LONG_MS);
        }
    }
}

#[test]
fn killed_again_and_again_with_loss_and_doubles_every_call_ends() {
    for seed in 0..200 {
        let mut world = World::new(2, Transport::Udp, seed);
        let (caller, callee) = established(&mut world);
        let mut names = [caller, callee];
        (world.faults.loss, world.faults.doubles, world.faults.jitter_ms) = (20, 20, 50);
        for _ in 0..4 {
            let end = usize::try_from(world.random(2)).unwrap();
            match world.random(3) {
                0 => world.command(end, Command::Reoffer { invite: names[end], sdp: sdp() }),
                1 => {
                    let Restored::Up { invite, .. } = world.killed(end, Transport::Udp, names[end]) else { panic!("it was up") };
                    names[end] = invite;
                }
                _ => {}
            }
            let pause = world.random(1_500);
            world.run_with(pause, &mut |world, end, event| {
                if let Event::Reoffered { invite, .. } = event {
                    world.command(end, Command::AnswerReoffer { invite, sdp: sdp() });
                }
            });
            if world.ends.iter().any(|end| end.counts().invites == 0) {
                break;
            }
        }
        let last = usize::try_from(world.random(2)).unwrap();
        world.command(last, end(names[last]));
        world.run(LONG_MS);
        // A BYE that was lost eleven times leaves the other side to its session timer, as without a restart.
        world.faults = super::world::Faults::default();
        world.command(1 - last, end(names[1 - last]));
        world.settle(3 * LONG_MS);
    }
}
