//! One endpoint on the desk: messages are written by hand, replies looked at.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::world::{REALM, account, config, in_words};
use crate::{
    digest::Challenge,
    endpoint::{Command, Destination, Endpoint, EndpointConfig, Event, Input, Output},
    flow::{ConnectionId, Flow, Transport},
    message::{Message, Name, RequestBuilder},
};

pub(super) struct Desk {
    pub(super) endpoint: Endpoint,
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) sent: VecDeque<(Destination, Message)>,
    pub(super) events: VecDeque<Event>,
}

/// A device with its address and password.
#[derive(Clone)]
pub(super) struct Phone {
    pub(super) user: &'static str,
    pub(super) password: &'static str,
    pub(super) flow: Flow,
    /// 0 answers the SHA-256 challenge, 1 the MD5 one.
    pub(super) algorithm: usize,
    pub(super) contact: String,
    pub(super) call_id: String,
    pub(super) cseq: u32,
}

impl Phone {
    pub(super) fn new(user: &'static str, password: &'static str, address: &str) -> Self {
        let remote: SocketAddr = address.parse().unwrap();
        let flow = Flow::udp(super::world::address(0), remote);
        Self {
            user,
            password,
            flow,
            algorithm: 0,
            contact: format!("<sip:{user}@{remote}>"),
            call_id: format!("c-{remote}"),
            cseq: 0,
        }
    }

    pub(super) fn over_tcp(mut self, connection: u64) -> Self {
        self.flow = Flow { transport: Transport::Tcp, connection: Some(ConnectionId(connection)), ..self.flow };
        self
    }

    /// A request of this phone with the next number.
    pub(super) fn request(&mut self, method: &str, uri: &str, more: &[(Name, &str)]) -> Bytes {
        self.cseq += 1;
        let own = format!("sip:{}@{REALM}", self.user);
        let to = if method == "REGISTER" { own.clone() } else { uri.to_owned() };
        let mut builder = RequestBuilder::new(method, uri)
            .via(self.flow.transport, self.flow.remote, &format!("z9hG4bK-{}-{}-{}", self.user, self.call_id, self.cseq))
            .max_forwards(70)
            .from("", own, "phone")
            .to("", to, None)
            .call_id(&self.call_id)
            .cseq(self.cseq);
        for (name, value) in more {
            builder = builder.header(*name, value);
        }
        builder.build().unwrap()
    }

    /// What answers the challenge in a 401.
    pub(super) fn credentials(&self, challenge: &Message, method: &str, uri: &str, nc: u32) -> String {
        let values: Vec<_> = challenge.auth_values(Name::WwwAuthenticate).collect();
        let challenge = Challenge::read(&values[self.algorithm]).expect("we challenge with what we can answer");
        challenge.answer(self.user, self.password, method, uri, nc, "cnonce")
    }
}

impl Desk {
    pub(super) fn new() -> Self {
        Self::with(config(0))
    }

    pub(super) fn with(config: EndpointConfig) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a test needs some first instant; nothing depends on which")]
        let now = Instant::now();
        Self::begun(config, now, now)
    }

    /// One that begins later than the clock of its test.
    pub(super) fn begun(config: EndpointConfig, start: Instant, now: Instant) -> Self {
        let mut desk =
            Self { endpoint: Endpoint::new(config, [9; 32]), start, now, sent: VecDeque::new(), events: VecDeque::new() };
        desk.command(Command::SetAccounts(vec![account("alice", "secret"), account("bob", "other")]));
        desk
    }

    pub(super) fn command(&mut self, command: Command) {
        self.input(Input::Command(command));
    }

    pub(super) fn input(&mut self, input: Input) {
        self.endpoint.handle(self.now, input);
        self.drain();
    }

    pub(super) fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Event(event) => self.events.push_back(event),
                Output::Transmit { to, bytes } => self.sent.push_back((to, Message::parse(bytes).expect("well-formed"))),
            }
        }
    }

    /// Lets time pass, with every deadline on its way.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(at) = self.endpoint.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.input(Input::Tick);
        }
        self.now = until;
        self.input(Input::Tick);
    }

    pub(super) fn receive(&mut self, flow: Flow, bytes: impl Into<Bytes>) {
        self.input(Input::Received { flow, bytes: bytes.into() });
    }

    /// The next message that was sent.
    pub(super) fn next(&mut self) -> Message {
        self.sent.pop_front().expect("something was sent").1
    }

    /// The code of the next reply.
    pub(super) fn code(&mut self) -> u16 {
        self.next().code().expect("a reply was sent")
    }

    pub(super) fn words(&mut self) -> Vec<String> {
        self.events.drain(..).map(|event| in_words(0, &event)[3..].to_owned()).collect()
    }

    /// Sends a request twice, without and with credentials; the final reply.
    pub(super) fn proved(&mut self, phone: &mut Phone, method: &str, uri: &str, more: &[(Name, &str)]) -> Message {
        let request = phone.request(method, uri, more);
        self.receive(phone.flow, request);
        let challenge = self.next();
        assert_eq!(challenge.code(), Some(401));
        let credentials = phone.credentials(&challenge, method, uri, 1);
        let mut more = more.to_vec();
        more.push((Name::Authorization, &credentials));
        let request = phone.request(method, uri, &more);
        self.receive(phone.flow, request);
        self.next()
    }

    /// What was sent last, and where to.
    pub(super) fn next_with_way(&mut self) -> (Destination, Message) {
        self.sent.pop_front().expect("something was sent")
    }

    pub(super) fn register(&mut self, phone: &mut Phone, more: &[(Name, &str)]) -> Message {
        let contact = phone.contact.clone();
        let mut headers = vec![(Name::Contact, contact.as_str())];
        headers.extend_from_slice(more);
        self.proved(phone, "REGISTER", &format!("sip:{REALM}"), &headers)
    }
}
