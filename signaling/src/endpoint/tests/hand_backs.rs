//! REFER from us: what a carrier may answer, and say later (RFC 3515, RFC 3420, RFC 6665).

use super::{
    calls::{LONG_MS, call, end, sdp, until_invited},
    desk::Desk,
    far::{CARRIER, Far, THEIRS, desk},
    world::{Faults, World, trunk},
};
use crate::{
    endpoint::{Command, Event, InviteId, PeerMatch, Trunk, TrunkCredentials},
    flow::Transport,
    message::{Message, Name},
};

const TRYING: &str = "SIP/2.0 100 Trying\r\n";

/// A carrier's caller in conversation, whom the carrier is asked to have back; our REFER.
fn asked(desk: &mut Desk) -> (Far, InviteId, Message) {
    let (far, invite, _) = Far::talking(desk, &[]);
    desk.command(Command::HandBack { invite, number: "+39 02#1".to_owned() });
    let refer = desk.next();
    (far, invite, refer)
}

fn notify(desk: &mut Desk, far: &mut Far, event: &str, state: &str, kind: &str, body: &str) -> u16 {
    far.tell(desk, "NOTIFY", &[(Name::Event, event), (Name::SubscriptionState, state)], (kind, body));
    desk.code()
}

fn says(desk: &mut Desk, far: &mut Far, state: &str, body: &str) -> u16 {
    notify(desk, far, "refer", state, "message/sipfrag;version=2.0", body)
}

#[test]
fn a_carrier_that_has_its_caller_back_says_so_and_the_call_is_hung_up() {
    let mut desk = desk(|_| {});
    let (mut far, invite, refer) = asked(&mut desk);
    assert_eq!(refer.method(), "REFER");
    assert_eq!(refer.header(Name::ReferTo), Some("<sip:+39%2002%231@192.0.2.50:5060>"), "the number and nothing else");
    assert_eq!(refer.header(Name::ReferredBy), Some("<sip:1@127.0.0.1>"));
    assert!(refer.header(Name::Contact).is_some() && refer.to().unwrap().tag() == Some("far"));
    far.reply(&mut desk, &refer, 202, &[], "");
    assert_eq!(says(&mut desk, &mut far, "active;expires=60", TRYING), 200);
    assert_eq!(desk.words(), Vec::<String>::new());
    assert_eq!(says(&mut desk, &mut far, "terminated;reason=noresource", "SIP/2.0 200 OK\r\nTo: <sip:x@y>\r\n"), 200);
    assert_eq!(desk.words(), ["handed back 200"]);
    desk.command(end(invite));
    assert_eq!(desk.lines(), ["BYE"]);
}

#[test]
fn the_final_word_may_come_before_the_reply_and_counts_once() {
    let mut desk = desk(|_| {});
    let (mut far, _, refer) = asked(&mut desk);
    assert_eq!(says(&mut desk, &mut far, "terminated", "SIP/2.0 486 Busy Here"), 200);
    assert_eq!(desk.words(), ["handed back 486"]);
    far.reply(&mut desk, &refer, 202, &[], "");
    assert_eq!(says(&mut desk, &mut far, "terminated", "SIP/2.0 200 OK"), 481, "nobody waits for it any more");
    desk.pass(200_000);
    assert_eq!(desk.words(), Vec::<String>::new());
}

#[test]
fn a_carrier_that_does_not_do_it_leaves_the_call_as_it_was() {
    for code in [403, 405, 501, 603] {
        let mut desk = desk(|_| {});
        let (far, invite, refer) = asked(&mut desk);
        far.reply(&mut desk, &refer, code, &[], "");
        assert_eq!(desk.words(), [format!("handed back {code}")]);
        // And may be asked again.
        desk.command(Command::HandBack { invite, number: "2".to_owned() });
        assert_eq!(desk.lines(), ["REFER"]);
    }
}

/// A challenge in a call that the carrier began: its Contact says where our requests go.
#[test]
fn our_password_is_proved_in_a_call_of_theirs_only_for_the_configured_realm_at_an_address_of_the_plan() {
    let credentials =
        |realm: Option<&str>| TrunkCredentials { user: "desk".into(), password: "secret".into(), realm: realm.map(Into::into) };
    let network = PeerMatch { ip: "192.0.2.0".parse().unwrap(), prefix: 24, port: None, transport: None };
    for (realm, asks, peer, proves) in [
        (Some("carrier"), "carrier", CARRIER, true),
        (Some("carrier"), "other", CARRIER, false),
        (None, "carrier", CARRIER, false),
        // It may call us from there, and is not called there.
        (Some("carrier"), "carrier", "192.0.2.99:5060", false),
    ] {
        let mut desk = desk(|_| {});
        let own = Trunk {
            credentials: Some(credentials(realm)),
            from: vec![network],
            ..trunk("carrier", peer.parse().unwrap(), Transport::Udp)
        };
        desk.command(Command::SetTrunks(vec![own]));
        desk.words();
        let (mut far, invite, refer) = asked(&mut desk);
        if proves {
            // Something else of ours goes before the challenge comes.
            desk.endpoint.probe(desk.now, invite);
            desk.pass(1);
            let other = desk.next();
            assert_eq!((other.method(), other.cseq().unwrap().number), ("OPTIONS", refer.cseq().unwrap().number + 1));
            far.reply(&mut desk, &other, 200, &[], "");
        }
        let challenge = format!("Digest realm=\"{asks}\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"");
        far.reply(&mut desk, &refer, 407, &[(Name::ProxyAuthenticate, &challenge)], "");
        if !proves {
            assert_eq!((desk.lines(), desk.words()), (vec![], vec!["handed back 407".to_owned()]), "{realm:?} {asks} {peer}");
            continue;
        }
        let again = desk.next();
        assert_eq!((again.method(), again.cseq().unwrap().number), ("REFER", refer.cseq().unwrap().number + 2));
        assert!(again.header(Name::ProxyAuthorization).is_some_and(|proof| proof.contains("username=\"desk\"")));
        far.reply(&mut desk, &again, 202, &[], "");
        let named = format!("refer;id={}", again.cseq().unwrap().number);
        assert_eq!(notify(&mut desk, &mut far, &named, "terminated", "message/sipfrag", "SIP/2.0 200 OK"), 200);
        assert_eq!(desk.words(), ["handed back 200"]);
        // So is any other request, by a later number.
        desk.command(end(invite));
        let bye = desk.next();
        far.reply(&mut desk, &bye, 401, &[(Name::WwwAuthenticate, &challenge)], "");
        let proved = desk.next();
        assert!(proved.method() == "BYE" && proved.header(Name::Authorization).is_some());
        assert_eq!((bye.cseq().unwrap().number, proved.cseq().unwrap().number), (4, 5));
    }
}

#[test]
fn silence_is_an_answer() {
    // No reply at all.
    let mut desk = desk(|_| {});
    let _asked = asked(&mut desk);
    desk.pass(33_000);
    assert_eq!(desk.words(), ["handed back 408"]);
    // Taken, and then nothing more.
    let mut desk = super::far::desk(|_| {});
    let (mut far, _, refer) = asked(&mut desk);
    far.reply(&mut desk, &refer, 202, &[], "");
    desk.pass(60_000);
    assert_eq!(says(&mut desk, &mut far, "active", TRYING), 200);
    desk.pass(31_000);
    assert_eq!(desk.words(), ["handed back 408"]);
    // Taken, and the subscription ends without a word.
    let mut desk = super::far::desk(|_| {});
    let (mut far, _, refer) = asked(&mut desk);
    far.reply(&mut desk, &refer, 202, &[], "");
    assert_eq!(says(&mut desk, &mut far, "terminated;reason=giveup", ""), 200);
    assert_eq!(desk.words(), ["handed back 408"]);
}

#[test]
fn what_a_notify_must_be() {
    let mut desk = desk(|_| {});
    let (mut far, _, refer) = asked(&mut desk);
    far.reply(&mut desk, &refer, 202, &[], "");
    let sipfrag = "message/sipfrag";
    assert_eq!(notify(&mut desk, &mut far, "dialog", "active", sipfrag, TRYING), 489);
    assert_eq!(notify(&mut desk, &mut far, "refer;id=99", "active", sipfrag, TRYING), 481);
    assert_eq!(notify(&mut desk, &mut far, "refer", "active", "text/plain", TRYING), 415);
    for broken in ["", "SIP/2.0", "SIP/2.0 2000 OK", "SIP/2.0 99 No", "SIP/3.0 200 OK", "x\r\nSIP/2.0 200 OK", "SIP/2.0 +20 OK"] {
        assert_eq!(says(&mut desk, &mut far, "active", broken), 400, "{broken:?}");
    }
    assert_eq!(desk.words(), Vec::<String>::new());
    let named = format!("refer;id={}", refer.cseq().unwrap().number);
    assert_eq!(notify(&mut desk, &mut far, &named, "active", sipfrag, "SIP/2.0 200"), 200);
    assert_eq!(desk.words(), ["handed back 200"], "a subscription that goes on is no reason to wait");
    assert_eq!(says(&mut desk, &mut far, "terminated", TRYING), 481);
}

#[test]
fn a_notify_that_nobody_asked_for_is_refused() {
    let mut desk = desk(|_| {});
    let (mut far, ..) = Far::talking(&mut desk, &[]);
    assert_eq!(says(&mut desk, &mut far, "active", TRYING), 481);
    assert_eq!(desk.words(), Vec::<String>::new());
}

#[test]
fn the_refer_waits_for_the_ack_of_our_answer() {
    let mut desk = desk(|_| {});
    let (mut far, invite) = Far::calls(&mut desk, &[], THEIRS);
    desk.command(Command::Answer { invite, sdp: sdp() });
    desk.command(Command::HandBack { invite, number: "2".to_owned() });
    far.hear(&mut desk, 200);
    assert_eq!(desk.lines(), Vec::<String>::new());
    desk.command(Command::HandBack { invite, number: "3".to_owned() });
    assert_eq!(desk.words(), ["handed back 403"], "one at a time");
    far.ack(&mut desk, "");
    assert_eq!(desk.lines(), ["REFER"]);
}

#[test]
fn only_a_carrier_can_have_somebody_back() {
    let mut desk = Desk::new();
    let talker = super::transfers::Talker::new(&mut desk, "alice", "secret", 9);
    desk.lines();
    desk.command(Command::HandBack { invite: talker.invite, number: "2".to_owned() });
    assert_eq!((desk.lines(), desk.words()), (vec![], vec!["handed back 403".to_owned()]));
}

#[test]
fn whoever_hangs_up_meanwhile_ends_it() {
    let mut desk = desk(|_| {});
    let (mut far, _, refer) = asked(&mut desk);
    far.reply(&mut desk, &refer, 202, &[], "");
    far.send(&mut desk, "BYE", &[], "");
    assert_eq!((desk.lines(), desk.words()), (vec!["200".to_owned()], vec!["ended Bye { cause: None }".to_owned()]));
    desk.pass(200_000);
    assert_eq!((desk.words(), desk.endpoint.counts().invites), (vec![], 0));
}

/// Over a bad wire: the other end transfers as phones and carriers do, and says how it went.
#[test]
fn over_a_bad_wire_every_wish_has_one_end() {
    let mut ends = [0; 3];
    for seed in 0..60 {
        let mut world = World::new(2, Transport::Udp, seed);
        let trusted: Vec<_> = ["t1", "t0"]
            .into_iter()
            .enumerate()
            .map(|(end, name)| {
                let mut trunk = trunk(name, super::world::address(1 - end), Transport::Udp);
                trunk.rights.transfers = true;
                trunk
            })
            .collect();
        for (end, trunk) in trusted.into_iter().enumerate() {
            world.command(end, Command::SetTrunks(vec![trunk]));
        }
        world.events.clear();
        call(&mut world, 0, 1);
        let callee = until_invited(&mut world);
        world.faults = Faults { loss: 20, doubles: 20, jitter_ms: 300 };
        world.command(1, Command::Answer { invite: callee, sdp: sdp() });
        world.command(1, Command::HandBack { invite: callee, number: "7".to_owned() });
        let (mut told, mut over) = (0, false);
        world.run_with(300_000, &mut |world, at, event| match event {
            Event::Transferred { invite, .. } => {
                let code = if seed % 2 == 0 { 200 } else { 486 };
                world.command(at, Command::TransferProgress { invite, code });
            }
            Event::HandedBack { invite, code } => {
                assert!(!over, "after the end");
                told += 1;
                ends[usize::from(code == 200) + usize::from(code == 486) * 2] += 1;
                world.command(at, end(invite));
            }
            Event::Ended { .. } if at == 1 => over = true,
            _ => {}
        });
        assert!(told == 1 || (told == 0 && over), "seed {seed}: told {told} times");
        world.settle(LONG_MS);
    }
    assert!(ends[1] > 20 && ends[2] > 20, "{ends:?}");
}
