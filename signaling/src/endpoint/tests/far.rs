//! The other end of one call, on the desk: a carrier whose every message is written by hand.

use super::{
    desk::Desk,
    world::{SDP, trunk},
};
use crate::{
    endpoint::{Command, EndpointConfig, Event, Invite, InviteId, PartyIdentity, Target},
    flow::{Flow, Transport},
    message::{Message, Name, RequestBuilder, ResponseBuilder},
};

pub(super) const CARRIER: &str = "192.0.2.50:5060";
pub(super) const ALLOW: (Name, &str) = (Name::Allow, "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK");

/// What the far end describes.
pub(super) const THEIRS: &str =
    "v=0\r\no=far 7 7 IN IP4 192.0.2.50\r\ns=-\r\nc=IN IP4 192.0.2.50\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

#[derive(Clone)]
pub(super) struct Far {
    flow: Flow,
    /// Its own address with its tag.
    own: String,
    /// Ours, with our tag once that is known.
    pub(super) other: String,
    call_id: String,
    pub(super) cseq: u32,
    /// The INVITE of ours that it answers.
    invite: Option<Message>,
    tag: String,
}

/// A desk with the carrier's trunk.
pub(super) fn desk(change: impl FnOnce(&mut EndpointConfig)) -> Desk {
    let mut config = super::world::config(0);
    change(&mut config);
    with_carrier(Desk::with(config))
}

pub(super) fn with_carrier(mut desk: Desk) -> Desk {
    desk.command(Command::SetTrunks(vec![trunk("carrier", CARRIER.parse().unwrap(), Transport::Udp)]));
    desk.words();
    desk
}

impl Far {
    /// It calls us.
    pub(super) fn calls(desk: &mut Desk, more: &[(Name, &str)], sdp: &str) -> (Self, InviteId) {
        let mut far = Self {
            flow: Flow::udp(super::world::address(0), CARRIER.parse().unwrap()),
            own: "<sip:far@192.0.2.50>;tag=far".to_owned(),
            other: "<sip:1@127.0.0.1>".to_owned(),
            call_id: "far-1".to_owned(),
            cseq: 0,
            invite: None,
            tag: "far".to_owned(),
        };
        far.send(desk, "INVITE", more, sdp);
        assert_eq!(desk.code(), 100);
        let Some(Event::Invited(invited)) = desk.events.pop_front() else { panic!("not invited") };
        (far, invited.invite)
    }

    /// We call it; what it was sent is the first thing in its hands.
    pub(super) fn called(desk: &mut Desk) -> (Self, InviteId) {
        let invite = desk.endpoint.next_invite();
        let target = Target::Trunk { name: "carrier".into(), user: "1".to_owned() };
        let (from_user, from_display) = ("7".to_owned(), String::new());
        let wish = Invite {
            invite,
            target,
            from_user,
            from_display,
            sdp: super::calls::sdp(),
            headers: Vec::new(),
            is_emergency: false,
            web_sdp: None,
            party: PartyIdentity::default(),
        };
        desk.command(Command::Invite(Box::new(wish)));
        let message = desk.next();
        (Self::at(&message, "x"), invite)
    }

    /// Somebody who rings at the end of an INVITE of ours.
    pub(super) fn at(invite: &Message, tag: &str) -> Self {
        Self {
            flow: Flow::udp(super::world::address(0), CARRIER.parse().unwrap()),
            own: format!("{};tag={tag}", invite.header(Name::To).unwrap()),
            other: invite.header(Name::From).unwrap().to_owned(),
            call_id: invite.call_id().unwrap().to_owned(),
            cseq: 100,
            invite: Some(invite.clone()),
            tag: tag.to_owned(),
        }
    }

    pub(super) fn invite(&self) -> &Message {
        self.invite.as_ref().expect("it was called")
    }

    /// A call of ours, answered with these headers.
    pub(super) fn answered(desk: &mut Desk, more: &[(Name, &str)]) -> (Self, InviteId) {
        let (far, invite) = Self::called(desk);
        far.reply(desk, &far.invite().clone(), 200, more, THEIRS);
        assert_eq!(desk.next().method(), "ACK");
        assert_eq!(desk.words(), ["answered sdp"]);
        (far, invite)
    }

    /// A call of its, answered and acknowledged; our 2xx.
    pub(super) fn talking(desk: &mut Desk, more: &[(Name, &str)]) -> (Self, InviteId, Message) {
        let (mut far, invite) = Self::calls(desk, more, THEIRS);
        desk.command(Command::Answer { invite, sdp: super::calls::sdp() });
        let answer = far.hear(desk, 200);
        far.ack(desk, "");
        assert_eq!(desk.words(), ["confirmed"]);
        (far, invite, answer)
    }

    /// Takes the next message, a reply of ours with this code; learns our tag from it.
    pub(super) fn hear(&mut self, desk: &mut Desk, code: u16) -> Message {
        let message = desk.next();
        assert_eq!(message.code(), Some(code));
        self.other = message.header(Name::To).unwrap().to_owned();
        message
    }

    /// Sends a request with the next number.
    pub(super) fn send(&mut self, desk: &mut Desk, method: &str, more: &[(Name, &str)], sdp: &str) {
        self.cseq += 1;
        self.send_as(desk, method, self.cseq, more, sdp);
    }

    /// Sends a request with the next number and a body of some type.
    pub(super) fn tell(&mut self, desk: &mut Desk, method: &str, more: &[(Name, &str)], body: (&str, &str)) {
        self.cseq += 1;
        self.send_with(desk, method, self.cseq, more, body);
    }

    /// The ACK of the last INVITE.
    pub(super) fn ack(&self, desk: &mut Desk, sdp: &str) {
        self.send_as(desk, "ACK", self.cseq, &[], sdp);
    }

    fn send_as(&self, desk: &mut Desk, method: &str, cseq: u32, more: &[(Name, &str)], sdp: &str) {
        self.send_with(desk, method, cseq, more, ("application/sdp", sdp));
    }

    fn send_with(&self, desk: &mut Desk, method: &str, cseq: u32, more: &[(Name, &str)], (kind, body): (&str, &str)) {
        let mut builder = RequestBuilder::new(method, "sip:1@127.0.0.1:5060")
            .via(Transport::Udp, CARRIER, &format!("z9hG4bK-{}-{method}-{cseq}", self.tag))
            .max_forwards(70)
            .header(Name::From, &self.own)
            .header(Name::To, &self.other)
            .call_id(&self.call_id)
            .cseq(cseq)
            .contact(format!("sip:far@{CARRIER}"));
        for (name, value) in more {
            builder = builder.header(*name, value);
        }
        let bytes = if body.is_empty() { builder.build() } else { builder.build_with_body(kind, body.as_bytes()) };
        desk.receive(self.flow, bytes.unwrap());
    }

    /// Replies to a request of ours.
    pub(super) fn reply(&self, desk: &mut Desk, request: &Message, code: u16, more: &[(Name, &str)], sdp: &str) {
        let mut builder = ResponseBuilder::from_request(request, code, "X", super::world::address(0), Some(&self.tag))
            .contact(format!("sip:far@{CARRIER}"));
        for (name, value) in more {
            builder = builder.header(*name, value);
        }
        let bytes = if sdp.is_empty() { builder.build() } else { builder.build_with_body("application/sdp", sdp.as_bytes()) };
        desk.receive(self.flow, bytes.unwrap());
    }

    /// A reliable provisional reply to the INVITE.
    pub(super) fn progress(&self, desk: &mut Desk, code: u16, rseq: u32, sdp: &str) {
        let rseq = rseq.to_string();
        self.reply(desk, &self.invite().clone(), code, &[(Name::Require, "100rel"), (Name::RSeq, &rseq), ALLOW], sdp);
    }
}

impl Desk {
    /// What was sent, in words: method or code, and the body if there is one.
    pub(super) fn lines(&mut self) -> Vec<String> {
        let line = |message: &Message| {
            let what = message.code().map_or_else(|| message.method().to_owned(), |code| code.to_string());
            what + if message.body().is_empty() { "" } else { " sdp" }
        };
        self.sent.drain(..).map(|(_, message)| line(&message)).collect()
    }

    /// The next message but for the 100 before it.
    pub(super) fn final_reply(&mut self) -> Message {
        let message = self.next();
        if message.code() == Some(100) { self.next() } else { message }
    }

    /// Lets time pass until something is sent; how long that took, in ms.
    pub(super) fn until_sent(&mut self, at_most_ms: u64) -> u64 {
        let start = self.now;
        while self.sent.is_empty() {
            let next = self.endpoint.deadline().expect("something is waited for");
            let ms = u64::try_from(next.saturating_duration_since(self.now).as_millis()).unwrap();
            self.pass(ms);
            let passed = u64::try_from((self.now - start).as_millis()).unwrap();
            assert!(passed <= at_most_ms, "nothing was sent");
        }
        u64::try_from((self.now - start).as_millis()).unwrap()
    }
}

/// SDP of ours is the one that every test uses.
pub(super) const OURS: &str = SDP;
