//! Typed operations on an endpoint in any order: commands, messages of a peer that knows its dialogs, losses, time.
//!
//! It stays bounded and terminates at each step, everything that it sends is well-formed, its next deadline lies ahead,
//! and when the program lets go and the peer falls silent, every transaction, dialog and subscription ends.
#![no_main]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tandem_signaling::{
    endpoint::{
        Command, Destination, Endpoint, EndpointConfig, Event, Input, Invite, InviteId, Listener, Output, PartyIdentity, Peer,
        Rights, Target, Trunk,
    },
    flow::{ConnectionId, Flow, Transport},
    message::{Message, Name},
};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n";
const METHODS: [&str; 13] = [
    "ACK",
    "BYE",
    "CANCEL",
    "INVITE",
    "UPDATE",
    "PRACK",
    "INFO",
    "REFER",
    "OPTIONS",
    "NOTIFY",
    "SUBSCRIBE",
    "MESSAGE",
    "REGISTER",
];
const CODES: [u16; 24] =
    [100, 180, 183, 199, 200, 202, 204, 302, 401, 404, 407, 408, 415, 420, 422, 423, 481, 486, 487, 488, 491, 500, 503, 603];
const PAUSES_MS: [u64; 8] = [0, 1, 200, 500, 4_000, 32_000, 200_000, 2_000_000];
const MORE: [&str; 12] = [
    "Supported: 100rel, timer\r\n",
    "Require: 100rel\r\n",
    "Require: x\r\n",
    "Session-Expires: 90;refresher=uas\r\nMin-SE: 90\r\nSupported: timer\r\n",
    "Session-Expires: 1800;refresher=uac\r\nRequire: timer\r\nSupported: timer\r\n",
    "Min-SE: 4000\r\n",
    "Refer-To: <sip:1002@192.0.2.1>\r\n",
    "Event: refer\r\nExpires: 60\r\n",
    "Retry-After: 5\r\n",
    "Record-Route: <sip:192.0.2.8;lr>\r\n",
    "Allow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n",
    "Max-Forwards: 0\r\n",
];
/// What one input may make it say, and how many alarms may be due at one instant.
const MOST: usize = 2_000;
/// Long enough for every timer and every grant.
const AFTERWARDS: Duration = Duration::from_secs(4 * 3_600);

struct Bytewise<'a>(std::slice::Iter<'a, u8>);

impl Bytewise<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let at = usize::from(self.byte());
        (!all.is_empty()).then(|| all[at % all.len()])
    }
}

struct World {
    endpoint: Endpoint,
    now: Instant,
    /// What it said last: requests and replies.
    said: Vec<Message>,
    heard: Vec<(Flow, Bytes)>,
    invites: Vec<InviteId>,
    last: Option<Destination>,
    /// For branches and Call-IDs that are not to be the same.
    count: u32,
}

fn peer() -> SocketAddr {
    "192.0.2.7:5060".parse().expect("an address")
}

fn ours() -> SocketAddr {
    "192.0.2.1:5060".parse().expect("an address")
}

/// UDP for the most part; sometimes a connection.
fn flow(byte: u8) -> Flow {
    let udp = Flow::udp(ours(), peer());
    if byte % 4 == 3 { Flow { transport: Transport::Tcp, connection: Some(ConnectionId(7)), ..udp } } else { udp }
}

impl World {
    fn new() -> Self {
        let listeners = [Transport::Udp, Transport::Tcp].map(|transport| Listener::new(transport, ours()));
        let endpoint = Endpoint::new(EndpointConfig::new("tandem.test".to_owned(), listeners.into()), [7; 32]);
        let now = Instant::now();
        let mut world = Self { endpoint, now, said: Vec::new(), heard: Vec::new(), invites: Vec::new(), last: None, count: 0 };
        let rights = Rights { transfers: true, identity: true };
        let trunk = Trunk { rights, patience_ms: 4_000, ..Trunk::new("far", vec![Peer::new(Transport::Udp, peer())]) };
        world.give(Input::Command(Command::SetTrunks(vec![trunk])));
        world
    }

    fn give(&mut self, input: Input) {
        self.endpoint.handle(self.now, input);
        for round in 0.. {
            assert!(round < MOST, "one input makes it talk for ever");
            let Some(output) = self.endpoint.poll() else { return };
            match output {
                Output::Transmit { to, bytes } => {
                    self.last = Some(to);
                    let Ok(message) = Message::parse(bytes.clone()) else { panic!("sent: {bytes:?}") };
                    self.said.push(message);
                    if self.said.len() > 64 {
                        self.said.remove(0);
                    }
                }
                Output::Event(Event::Invited(invited)) => self.invites.push(invited.invite),
                Output::Event(_) => {}
            }
        }
    }

    fn command(&mut self, command: Command) {
        self.give(Input::Command(command));
    }

    fn hear(&mut self, flow: Flow, bytes: Bytes) {
        self.heard.push((flow, bytes.clone()));
        if self.heard.len() > 32 {
            self.heard.remove(0);
        }
        self.give(Input::Received { flow, bytes });
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut at_once = 0;
        while let Some(at) = self.endpoint.deadline().filter(|at| *at <= end) {
            at_once = if at > self.now { 0 } else { at_once + 1 };
            assert!(at_once < MOST, "its deadline does not move on");
            self.now = self.now.max(at);
            self.give(Input::Tick);
        }
        self.now = end;
        self.give(Input::Tick);
    }

    fn fresh(&mut self) -> u32 {
        self.count += 1;
        self.count
    }

    /// A request outside dialogs, or in that of something that it said.
    fn request(&mut self, from: &mut Bytewise<'_>) {
        let (method, how) = (from.of(&METHODS).unwrap_or("OPTIONS"), from.byte());
        let index = usize::from(from.byte());
        let fresh = self.fresh();
        let outside = how & 1 == 0;
        let reference = if self.said.is_empty() || outside { None } else { Some(&self.said[index % self.said.len()]) };
        let call = index % 4;
        let (mut theirs, mut own, mut call_id, mut branch, mut cseq) =
            (format!("<sip:far@192.0.2.7>;tag=f{call}"), "<sip:1001@192.0.2.1>".to_owned(), format!("c{call}"), fresh, 1);
        if let Some(message) = reference {
            // In their requests From is theirs; in what we said it is whoever asked.
            let of = |name| message.header(name).unwrap_or_default().to_owned();
            (own, theirs) = if message.is_request() { (of(Name::From), of(Name::To)) } else { (of(Name::To), of(Name::From)) };
            call_id = of(Name::CallId);
            cseq = message.cseq().map_or(1, |cseq| cseq.number);
            if message.is_request() && !theirs.contains("tag=") {
                theirs.push_str(";tag=f9");
            }
        }
        // A transaction of before, for CANCEL and ACK; else a new one.
        if how & 2 != 0 {
            branch = u32::from(from.byte());
        }
        cseq = cseq.wrapping_add([0, 1, 2, 7][usize::from(how >> 2) % 4]);
        let body = if how & 16 != 0 { SDP } else { "" };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let more = if how & 32 != 0 { from.of(&MORE).unwrap_or_default() } else { "" };
        let rack = if method == "PRACK" { format!("RAck: {} {cseq} INVITE\r\n", from.byte()) } else { String::new() };
        let way = flow(how >> 6);
        let text = format!(
            "{method} sip:1001@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/{} 192.0.2.7;branch=z9hG4bKf{branch}\r\nMax-Forwards: 70\r\n\
             From: {theirs}\r\nTo: {own}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:far@192.0.2.7>\r\n\
             {more}{rack}{kind}Content-Length: {}\r\n\r\n{body}",
            if way.connection.is_some() { "TCP" } else { "UDP" },
            body.len()
        );
        self.hear(way, text.into());
    }

    /// A reply to a request that it sent.
    fn reply(&mut self, from: &mut Bytewise<'_>) {
        let requests: Vec<_> = self.said.iter().filter(|message| message.is_request() && message.method() != "ACK").collect();
        let Some(request) = from.of(&requests) else { return };
        let (code, how) = (from.of(&CODES).unwrap_or(200), from.byte());
        let tag = ["", ";tag=a", ";tag=b", ";tag=c"][usize::from(how) % 4];
        let of = |name| request.header(name).unwrap_or_default();
        let vias: String = request.headers(Name::Via).map(|via| format!("Via: {via}\r\n")).collect();
        let to = of(Name::To);
        let to = if to.contains("tag=") { to.to_owned() } else { format!("{to}{tag}") };
        let body = if how & 4 != 0 { SDP } else { "" };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let more = if how & 8 != 0 { from.of(&MORE).unwrap_or_default() } else { "" };
        let reliable = if how & 16 != 0 { format!("Require: 100rel\r\nRSeq: {}\r\n", from.byte()) } else { String::new() };
        let text = format!(
            "SIP/2.0 {code} x\r\n{vias}From: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:far@192.0.2.7>\r\n\
             {more}{reliable}{kind}Content-Length: {}\r\n\r\n{body}",
            of(Name::From),
            of(Name::CallId),
            of(Name::CSeq),
            body.len()
        );
        self.hear(flow(how >> 6), text.into());
    }

    fn call(&mut self, from: &mut Bytewise<'_>) {
        let invite = self.endpoint.next_invite();
        let (name, user) = ("far".into(), "+390212345678".to_owned());
        let target = match from.byte() % 3 {
            0 => Target::Trunk { name, user },
            1 => Target::TrunkOrElse { name, user },
            _ => Target::Uri("sip:agent@192.0.2.7".to_owned()),
        };
        self.invites.push(invite);
        self.command(Command::Invite(Box::new(Invite {
            invite,
            target,
            from_user: "1001".to_owned(),
            from_display: String::new(),
            party: PartyIdentity::default(),
            sdp: SDP.into(),
            headers: Vec::new(),
            is_emergency: false,
            web_sdp: None,
        })));
    }

    fn order(&mut self, from: &mut Bytewise<'_>) {
        let (what, byte) = (from.byte(), from.byte());
        let Some(invite) = from.of(&self.invites) else { return };
        let code = CODES[usize::from(byte) % CODES.len()];
        let sdp = || Bytes::from_static(SDP.as_bytes());
        self.command(match what % 9 {
            0 => Command::Progress { invite, code: 180 + u16::from(byte % 4), sdp: (byte & 4 != 0).then(sdp) },
            1 | 2 => Command::Answer { invite, sdp: sdp() },
            3 => Command::Reject { invite, code: code.max(400), reason: String::new(), retry_after_s: Some(u32::from(byte)) },
            4 => Command::End { invite, code: code.max(200), reason: String::new() },
            5 => Command::Reoffer { invite, sdp: sdp() },
            6 => Command::AnswerReoffer { invite, sdp: sdp() },
            7 => Command::RejectReoffer { invite, code: 488 },
            _ => Command::TransferProgress { invite, code: code.max(101) },
        });
    }

    /// What came before comes again, perhaps with one byte of it changed.
    fn again(&mut self, from: &mut Bytewise<'_>) {
        let (index, at, byte) = (usize::from(from.byte()), usize::from(from.byte()) * 3, from.byte());
        if self.heard.is_empty() {
            return;
        }
        let (flow, bytes) = self.heard[index % self.heard.len()].clone();
        let mut bytes = bytes.to_vec();
        if byte != 0
            && let Some(place) = bytes.get_mut(at)
        {
            *place = byte;
        }
        self.give(Input::Received { flow, bytes: bytes.into() });
    }

    /// The program lets go of everything, and nobody says anything any more.
    fn ends(mut self) {
        for invite in std::mem::take(&mut self.invites) {
            self.command(Command::End { invite, code: 200, reason: String::new() });
        }
        self.pass(AFTERWARDS);
        let counts = self.endpoint.counts();
        let left = [
            counts.client_transactions,
            counts.server_transactions,
            counts.dialogs,
            counts.invites,
            counts.subscriptions,
            counts.referrals,
            counts.bindings,
        ];
        assert_eq!(left, [0; 7], "client and server transactions, dialogs, invites, subscriptions, referrals, bindings");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut world = World::new();
    let mut from = Bytewise(bytes.iter());
    for _ in 0..200 {
        if from.0.len() == 0 {
            break;
        }
        match from.byte() % 16 {
            0 | 1 => {
                let pause = from.of(&PAUSES_MS).unwrap_or(0);
                world.pass(Duration::from_millis(pause));
            }
            2..=5 => world.request(&mut from),
            6..=9 => world.reply(&mut from),
            10 => world.call(&mut from),
            11 | 12 => world.order(&mut from),
            13 => world.again(&mut from),
            14 => {
                if let Some(to) = world.last {
                    world.give(Input::SendFailed { to });
                }
            }
            _ => world.give(Input::ConnectionClosed { connection: ConnectionId(7) }),
        }
        let counts = world.endpoint.counts();
        assert!(counts.invites <= 200 && counts.dialogs <= 1_000 && counts.timers <= 20_000, "{counts:?}");
    }
    world.ends();
});
