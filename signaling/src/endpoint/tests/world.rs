//! A small network in simulated time: endpoints, a wire that loses, doubles, delays and overtakes,
//! and a text ladder of what crossed it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt::Write as _,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore as _, SeedableRng as _};

use crate::{
    digest::ha1,
    endpoint::{
        Account, Command, Destination, Endpoint, EndpointConfig, Event, Input, Listener, Output, Peer, PeerMatch, Rights,
        TransferTo, Trunk,
    },
    flow::{ConnectionId, Flow, Transport},
    message::{Kind, Message},
};

pub(super) const REALM: &str = "tandem.test";
pub(super) const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n";

/// What the wire does to datagrams. Parts per hundred; streams are spared but for the delay.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) loss: u32,
    pub(super) doubles: u32,
    /// A packet takes 1 ms and up to so many more.
    pub(super) jitter_ms: u64,
}

pub(super) struct World {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) ends: Vec<Endpoint>,
    pub(super) faults: Faults,
    /// What crossed the wire, a line each.
    pub(super) ladder: String,
    pub(super) events: VecDeque<(usize, Event)>,
    /// An end that hears nothing.
    pub(super) deaf: Option<usize>,
    /// Messages to addresses where no endpoint is.
    pub(super) elsewhere: Vec<(Destination, Bytes)>,
    flying: BTreeMap<(Instant, u64), (usize, Flow, Bytes)>,
    /// Connections: the other end, and its flow.
    connections: HashMap<ConnectionId, (usize, Flow)>,
    random: ChaCha12Rng,
    serial: u64,
}

pub(super) fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, u8::try_from(end + 1).unwrap()], 5060))
}

pub(super) fn config(end: usize) -> EndpointConfig {
    let listeners = [Transport::Udp, Transport::Tcp].map(|transport| Listener::new(transport, address(end)));
    EndpointConfig { product: String::new(), ..EndpointConfig::new(REALM, listeners.into()) }
}

/// A trunk that leads to another endpoint, and takes its calls.
pub(super) fn trunk(name: &str, to: SocketAddr, transport: Transport) -> Trunk {
    Trunk {
        from: vec![PeerMatch { ip: to.ip(), prefix: 32, port: None, transport: None }],
        ..Trunk::new(name, vec![Peer::new(transport, to)])
    }
}

pub(super) fn account(user: &str, password: &str) -> Account {
    let ha1 = ha1(user, REALM, password);
    Account {
        user: user.into(),
        ha1_md5: ha1.md5,
        ha1_sha256: ha1.sha256,
        ha1_sha512_256: ha1.sha512_256,
        max_bindings: 4,
        rights: Rights { transfers: true, identity: true },
    }
}

impl World {
    /// `count` endpoints that trust each other over `transport`: trunk `t0` leads to the first.
    pub(super) fn new(count: usize, transport: Transport, seed: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a simulation needs some first instant; nothing depends on which")]
        let start = Instant::now();
        let seed_of = |end: u8| -> [u8; 32] { std::array::from_fn(|i| if i < 8 { seed.to_le_bytes()[i] } else { end }) };
        let ends = (0..count).map(|end| Endpoint::new(config(end), seed_of(u8::try_from(end).unwrap()))).collect();
        let mut world = Self {
            start,
            now: start,
            ends,
            faults: Faults::default(),
            ladder: String::new(),
            events: VecDeque::new(),
            deaf: None,
            elsewhere: Vec::new(),
            flying: BTreeMap::new(),
            connections: HashMap::new(),
            random: ChaCha12Rng::from_seed(seed_of(255)),
            serial: 0,
        };
        for end in 0..count {
            let others = (0..count).filter(|other| *other != end);
            let trunks = others.map(|other| trunk(&format!("t{other}"), address(other), transport)).collect();
            world.command(end, Command::SetTrunks(trunks));
        }
        world.events.clear();
        world
    }

    pub(super) fn random(&mut self, below: u64) -> u64 {
        self.random.next_u64() % below.max(1)
    }

    pub(super) fn command(&mut self, end: usize, command: Command) {
        self.input(end, Input::Command(command));
    }

    pub(super) fn input(&mut self, end: usize, input: Input) {
        self.ends[end].handle(self.now, input);
        while let Some(output) = self.ends[end].poll() {
            match output {
                Output::Event(event) => self.events.push_back((end, event)),
                Output::Transmit { to, bytes } => self.transmit(end, to, bytes),
            }
        }
    }

    fn transmit(&mut self, from: usize, to: Destination, bytes: Bytes) {
        let reached = (0..self.ends.len()).find(|end| address(*end) == to.address());
        if to.transport() == Transport::Udp {
            let Some(receiver) = reached else { return self.elsewhere.push((to, bytes)) };
            let flow = Flow::udp(address(receiver), address(from));
            let lost = self.random(100) < u64::from(self.faults.loss);
            self.note(from, receiver, &bytes, lost);
            if lost {
                return;
            }
            let copies = 1 + u64::from(self.random(100) < u64::from(self.faults.doubles));
            for _ in 0..copies {
                let delay = 1 + self.random(self.faults.jitter_ms + 1);
                self.fly(delay, receiver, flow, bytes.clone());
            }
            return;
        }
        let open = match to {
            Destination::Flow(flow) => flow.connection.and_then(|id| self.connections.get(&id).copied()),
            Destination::Address { .. } => reached.map(|receiver| self.connect(from, receiver, to.transport())),
        };
        match open {
            Some((receiver, flow)) => {
                self.note(from, receiver, &bytes, false);
                self.fly(1, receiver, flow, bytes);
            }
            None => self.input(from, Input::SendFailed { to }),
        }
    }

    fn fly(&mut self, delay_ms: u64, receiver: usize, flow: Flow, bytes: Bytes) {
        if self.deaf == Some(receiver) {
            return;
        }
        self.serial += 1;
        self.flying.insert((self.now + Duration::from_millis(delay_ms), self.serial), (receiver, flow, bytes));
    }

    /// The connection that `from` opened to `to`, or a new one.
    fn connect(&mut self, from: usize, to: usize, transport: Transport) -> (usize, Flow) {
        let known = self.connections.values().find(|(end, flow)| *end == to && flow.remote == address(from));
        if let Some(known) = known {
            return *known;
        }
        let ids = [1, 2].map(|i| ConnectionId(u64::try_from(self.connections.len()).unwrap() + i));
        let flow = |local, remote, id| Flow { transport, local, remote, connection: Some(id) };
        self.connections.insert(ids[0], (to, flow(address(to), address(from), ids[1])));
        self.connections.insert(ids[1], (from, flow(address(from), address(to), ids[0])));
        self.connections[&ids[0]]
    }

    /// Breaks every connection.
    pub(super) fn break_connections(&mut self) {
        let mut gone: Vec<_> = std::mem::take(&mut self.connections).into_iter().collect();
        gone.sort_unstable_by_key(|(id, _)| *id);
        for (_, (end, flow)) in gone {
            if let Some(connection) = flow.connection {
                self.input(end, Input::ConnectionClosed { connection });
            }
        }
    }

    fn note(&mut self, from: usize, to: usize, bytes: &Bytes, lost: bool) {
        let name = |end: usize| char::from(b'a' + u8::try_from(end).unwrap());
        let message = Message::parse(bytes.clone()).expect("endpoints send well-formed messages");
        let line = match message.kind() {
            Kind::Request { method, .. } => method.to_owned(),
            Kind::Response { code, .. } => format!("{code} {}", message.cseq().unwrap().method),
        };
        let ms = (self.now - self.start).as_millis();
        let lost = if lost { " (lost)" } else { "" };
        writeln!(self.ladder, "{ms:>6} {}>{} {line}{lost}", name(from), name(to)).unwrap();
    }

    /// Moves on to the next thing that happens, if it does so before `until`.
    fn step(&mut self, until: Instant) -> bool {
        let packet = self.flying.keys().next().map(|(at, _)| *at);
        let timer = self.ends.iter().enumerate().filter_map(|(end, endpoint)| Some((endpoint.deadline()?, end))).min();
        let next = [packet, timer.map(|(at, _)| at)].into_iter().flatten().min();
        let Some(next) = next.filter(|at| *at <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        if packet == Some(next) {
            let (_, (end, flow, bytes)) = self.flying.pop_first().expect("just seen");
            self.input(end, Input::Received { flow, bytes });
        } else if let Some((_, end)) = timer {
            self.input(end, Input::Tick);
        }
        true
    }

    /// Runs for so long; `program` hears every event as it happens.
    pub(super) fn run_with(&mut self, ms: u64, program: &mut dyn FnMut(&mut Self, usize, Event)) {
        let until = self.now + Duration::from_millis(ms);
        loop {
            while let Some((end, event)) = self.events.pop_front() {
                program(self, end, event);
            }
            if !self.step(until) {
                break;
            }
        }
        while let Some((end, event)) = self.events.pop_front() {
            program(self, end, event);
        }
    }

    /// Runs for so long; the events, in words, are handed back.
    pub(super) fn run(&mut self, ms: u64) -> Vec<String> {
        let mut seen = Vec::new();
        self.run_with(ms, &mut |_, end, event| seen.push(in_words(end, &event)));
        seen
    }

    /// Runs until nothing is to be awaited; asserts that nothing is left.
    pub(super) fn settle(&mut self, ms: u64) {
        self.run(ms);
        for (end, endpoint) in self.ends.iter().enumerate() {
            let counts = endpoint.counts();
            let left = counts.client_transactions + counts.server_transactions + counts.dialogs + counts.invites;
            assert_eq!(left, 0, "end {end} still has {counts:?}");
        }
    }
}

/// An event, short.
pub(super) fn in_words(end: usize, event: &Event) -> String {
    let name = char::from(b'a' + u8::try_from(end).unwrap());
    let with = |sdp: &Option<Bytes>| if sdp.is_some() { " sdp" } else { "" };
    let words = match event {
        Event::Invited(invited) => format!("invited {} from {}{}", invited.request_user, invited.from_user, with(&invited.sdp)),
        Event::Cancelled { .. } => "cancelled".to_owned(),
        Event::Confirmed { sdp, .. } => format!("confirmed{}", with(sdp)),
        Event::Progressed { code, sdp, .. } => format!("progressed {code}{}", with(sdp)),
        Event::Answered { sdp, .. } => format!("answered{}", with(sdp)),
        Event::Rejected { code, by, .. } => format!("rejected {code} {by:?}"),
        Event::Redirected(redirected) => {
            format!("redirected {} {} to {}", redirected.code, redirected.why, redirected.users.join(" "))
        }
        Event::Reoffered { sdp, .. } => format!("reoffered{}", with(sdp)),
        Event::ReofferAnswered { sdp, .. } => format!("reoffer answered{}", with(sdp)),
        Event::ReofferRejected { code, .. } => format!("reoffer rejected {code}"),
        Event::HeadersTold { headers, .. } => {
            let told: Vec<_> = headers.iter().map(|told| format!("{}={}", told.name, told.value)).collect();
            format!("told {}", told.join(" "))
        }
        Event::Ended { how, .. } => format!("ended {how:?}"),
        Event::Transferred { to: TransferTo::Number(number), .. } => format!("transferred to {number}"),
        Event::Transferred { to: TransferTo::Invitation(other), .. } => format!("transferred to the party of {}", other.0),
        Event::HandedBack { code, .. } => format!("handed back {code}"),
        Event::InfoDigit { digit, duration_ms, .. } => format!("digit {digit} {duration_ms}"),
        Event::KeyRefused { code, .. } => format!("key refused {code}"),
        Event::BindingAdded(binding) => format!("added {}", binding.contact),
        Event::BindingRefreshed(binding) => format!("refreshed {}", binding.contact),
        Event::BindingRemoved { contact, why, left, .. } => format!("removed {contact} {why:?} {left}"),
        Event::TrunkUp { name } => format!("{name} up"),
        Event::TrunkDown { name, code } => format!("{name} down {code}"),
        Event::AuthFailed { user, .. } => format!("auth failed {user}"),
    };
    format!("{name}: {words}")
}
