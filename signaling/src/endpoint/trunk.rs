//! Carrier links: which calls are theirs, whether they answer, and our credentials with them.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use bytes::Bytes;

use super::{
    Endpoint,
    client_transaction::{ClientMethod, NewClient, Purpose, new_branch},
    config::{Peer, PeerMatch, Trunk},
    contract::{Destination, Event},
    text::{MAX_FORWARDS, Token},
    timers::{Alarm, Ms, NEVER, Owner},
    trunk_registration::TrunkRegistration,
};
use crate::{
    digest::{Answer, Answered},
    flow::{Flow, Transport},
    hashing::Seeded,
    message::{Message, Name, RequestBuilder},
};

/// All trunks, with their state.
#[derive(Debug)]
pub(super) struct Trunks {
    list: Vec<TrunkState>,
    by_ip: HashMap<IpAddr, Vec<Match>, Seeded>,
    /// Whole networks, the narrowest first; looked at when no single address fits.
    networks: Vec<(PeerMatch, Match)>,
    /// Grows with each new list, so that timers of an old one mean nothing.
    age: u32,
}

#[derive(Clone, Copy, Debug)]
struct Match {
    port: Option<u16>,
    transport: Option<Transport>,
    trunk: usize,
}

#[derive(Debug)]
pub(super) struct TrunkState {
    pub(super) trunk: Trunk,
    /// Calls up or on their way, both directions.
    calls: usize,
    /// Which peers answered their last ping; all, as long as none was sent.
    answers: Vec<bool>,
    ping_at: Ms,
    pub(super) registration: TrunkRegistration,
    /// What was last said of it.
    up: Option<bool>,
    pub(super) digest: Answer,
    pub(super) alarm: Alarm,
}

impl TrunkState {
    fn due(&self) -> Ms {
        self.ping_at.min(self.registration.due_at)
    }
}

impl Trunks {
    pub(super) fn new(hasher: Seeded) -> Self {
        Self { list: Vec::new(), by_ip: HashMap::with_hasher(hasher), networks: Vec::new(), age: 0 }
    }

    /// The trunk that a message comes from, by its address. The most exact match wins.
    pub(super) fn of_flow(&self, flow: &Flow) -> Option<Arc<str>> {
        if self.list.is_empty() {
            return None;
        }
        let address = flow.remote.ip().to_canonical();
        let fits = |candidate: &&Match| {
            candidate.port.is_none_or(|port| port == flow.remote.port())
                && candidate.transport.is_none_or(|transport| transport == flow.transport)
        };
        let exact = self.by_ip.get(&address).into_iter().flatten().filter(fits);
        let best = exact.max_by_key(|found| (found.port.is_some(), found.transport.is_some(), std::cmp::Reverse(found.trunk)));
        let around =
            || self.networks.iter().find(|(network, found)| network.contains(address) && fits(&found)).map(|(_, found)| found);
        let best = best.or_else(around)?;
        self.list.get(best.trunk).map(|state| state.trunk.name.clone())
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<(usize, &mut TrunkState)> {
        self.list.iter_mut().enumerate().find(|(_, state)| *state.trunk.name == *name)
    }

    pub(super) fn number_mut(&mut self, number: usize) -> Option<&mut TrunkState> {
        self.list.get_mut(number)
    }

    pub(super) fn get(&self, name: &str) -> Option<&TrunkState> {
        self.list.iter().find(|state| *state.trunk.name == *name)
    }

    /// Counts one more call; `false` when the trunk has as many as it may have.
    pub(super) fn take_call(&mut self, name: &str) -> bool {
        let Some((_, state)) = self.get_mut(name) else { return false };
        let room = state.trunk.max_calls == 0 || state.calls < state.trunk.max_calls;
        state.calls += usize::from(room);
        room
    }

    pub(super) fn give_back(&mut self, name: Option<&str>) {
        if let Some((_, state)) = name.and_then(|name| self.get_mut(name)) {
            state.calls = state.calls.saturating_sub(1);
        }
    }

    /// Host part of From for a trunk, when one is configured.
    pub(super) fn own_domain(&self, name: &str) -> Option<String> {
        self.get(name)?.trunk.from_domain.clone()
    }

    /// Where a trunk's calls go: those that answer pings first, then the others.
    pub(super) fn peers_in_order(&self, name: &str) -> Option<Vec<Peer>> {
        let state = self.get(name)?;
        let peers = || state.trunk.peers.iter().zip(&state.answers);
        let (good, bad) = (peers().filter(|(_, answers)| **answers), peers().filter(|(_, answers)| !**answers));
        Some(good.chain(bad).map(|(peer, _)| *peer).collect())
    }

    fn rebuild_index(&mut self) {
        self.by_ip.clear();
        self.networks.clear();
        for (trunk, state) in self.list.iter().enumerate() {
            // A UDP peer calls from the port it is called at; a stream comes from any.
            let of_peer = |peer: &Peer| {
                let port = (peer.transport == Transport::Udp).then_some(peer.address.port());
                (peer.address.ip(), port, Some(peer.transport))
            };
            let peers = state.trunk.peers.iter().map(of_peer);
            let single = state.trunk.from.iter().filter(|from| from.is_single()).map(|from| (from.ip, from.port, from.transport));
            for (ip, port, transport) in peers.chain(single) {
                self.by_ip.entry(ip.to_canonical()).or_default().push(Match { port, transport, trunk });
            }
            let wide = state.trunk.from.iter().filter(|from| !from.is_single());
            self.networks.extend(wide.map(|from| (*from, Match { port: from.port, transport: from.transport, trunk })));
        }
        self.networks.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix));
    }
}

impl Endpoint {
    /// [`Command::SetTrunks`](super::Command::SetTrunks).
    pub(super) fn set_trunks(&mut self, trunks: Vec<Trunk>) {
        let mut before = std::mem::take(&mut self.trunks.list);
        self.trunks.age = self.trunks.age.wrapping_add(1);
        for trunk in trunks {
            let known = before.iter().position(|state| state.trunk.name == trunk.name).map(|at| before.swap_remove(at));
            let state = match known {
                Some(state) if state.trunk == trunk => TrunkState { alarm: Alarm::new(), ..state },
                known => self.new_trunk(trunk, known.map_or(0, |state| state.calls)),
            };
            self.trunks.list.push(state);
        }
        self.trunks.rebuild_index();
        for number in 0..self.trunks.list.len() {
            self.settle_trunk(number);
            self.arm_trunk(number);
        }
    }

    fn new_trunk(&self, trunk: Trunk, calls: usize) -> TrunkState {
        let (pings, registers) = (trunk.options_ping_s > 0, trunk.register && trunk.credentials.is_some());
        TrunkState {
            calls,
            // Until the first ping is answered, a trunk that is pinged is not known to be up; its
            // calls are tried all the same.
            answers: vec![!pings; trunk.peers.len()],
            ping_at: if pings { self.now } else { NEVER },
            registration: TrunkRegistration::new(registers, self.now),
            up: None,
            digest: Answer::default(),
            alarm: Alarm::new(),
            trunk,
        }
    }

    pub(super) fn arm_trunk(&mut self, number: usize) {
        let age = self.trunks.age;
        let Some(state) = self.trunks.list.get_mut(number) else { return };
        let due = state.due();
        if let Ok(number) = u16::try_from(number) {
            self.timers.set(&mut state.alarm, due, Owner::Trunk(number, age));
        }
    }

    /// A heap entry of a trunk was popped.
    pub(super) fn trunk_due(&mut self, number: u16, age: u32, at: Ms) {
        let number = usize::from(number);
        let now = self.now;
        let Some(state) = self.trunks.list.get_mut(number).filter(|_| age == self.trunks.age) else { return };
        if !state.alarm.popped(at) {
            return;
        }
        if state.ping_at <= now {
            state.ping_at = now + Ms::from(state.trunk.options_ping_s) * 1_000;
            for peer in 0..state.trunk.peers.len() {
                self.ping(number, peer);
            }
        }
        self.trunk_registration_due(number);
        self.arm_trunk(number);
    }

    fn ping(&mut self, number: usize, at: usize) {
        let (branch, tag, call_id) = (self.random(), self.random(), self.random());
        let Some(state) = self.trunks.list.get(number) else { return };
        let (trunk, Some(peer)) = (state.trunk.name.clone(), state.trunk.peers.get(at)) else { return };
        let to = Destination::Address { transport: peer.transport, to: peer.address };
        let (transport, address) = self.our_address(&to);
        let uri = format!("sip:{}", peer.address);
        let message = RequestBuilder::new("OPTIONS", &uri)
            .via(transport, address, &new_branch(branch))
            .max_forwards(MAX_FORWARDS)
            .from("", format_args!("sip:ping@{address}"), Token::new(tag).as_str())
            .to("", &uri, None)
            .call_id(Token::new(call_id).as_str())
            .cseq(1)
            .contact(self.our_contact(&to))
            .build();
        if let Ok(message) = message {
            let new = NewClient::new(branch, ClientMethod::Other, to, message);
            self.start_client(NewClient { purpose: Purpose::Ping { trunk, peer: at }, ..new });
        }
    }

    /// Any reply shows that somebody is there, but one that says he is out of order.
    pub(super) fn ping_result(&mut self, trunk: &str, peer: usize, code: u16) {
        let Some((number, state)) = self.trunks.get_mut(trunk) else { return };
        if let Some(answers) = state.answers.get_mut(peer) {
            *answers = !matches!(code, 408 | 503);
        }
        self.say_trunk(number, code);
    }

    /// Says of a new trunk that is not pinged nor registered that it is up.
    fn settle_trunk(&mut self, number: usize) {
        if self.trunks.list.get(number).is_some_and(|state| state.trunk.options_ping_s == 0 && state.registration.is_settled()) {
            self.say_trunk(number, 200);
        }
    }

    /// Tells of a change, if there is one.
    pub(super) fn say_trunk(&mut self, number: usize, code: u16) {
        let Some(state) = self.trunks.list.get_mut(number) else { return };
        let reachable = state.trunk.options_ping_s == 0 || state.answers.iter().any(|answers| *answers);
        let up = reachable && state.registration.is_good();
        if state.up.replace(up) != Some(up) {
            let name = state.trunk.name.clone();
            self.tell(if up { Event::TrunkUp { name } } else { Event::TrunkDown { name, code } });
        }
    }

    /// The request again with credentials for a challenge of its trunk (RFC 3261 section 22.2), and
    /// its branch. `None` when the challenge is not for us.
    pub(super) fn with_credentials(
        &mut self,
        trunk: &str,
        request: &Bytes,
        response: &Message,
        code: u16,
    ) -> Option<(u64, Bytes)> {
        let (branch, cnonce) = (self.random(), Token::new(self.random()));
        let (asks, says) = match code {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            _ => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        };
        let request = Message::parse(request.clone()).ok()?;
        let (_, state) = self.trunks.get_mut(trunk)?;
        let credentials = state.trunk.credentials.as_ref()?;
        let answered = state.digest.to(
            response.auth_values(asks),
            credentials.realm.as_deref(),
            (&credentials.user, &credentials.password),
            (request.method(), request.request_uri()),
            cnonce.as_str(),
        );
        let Answered::Value(value) = answered else { return None };
        again(&request, branch, &[(says, &value)]).map(|message| (branch, message))
    }
}

/// A request of our own once more: new branch, next number, these headers in place of the old.
pub(super) fn again(request: &Message, branch: u64, changes: &[(Name, &str)]) -> Option<Bytes> {
    let via = request.header(Name::Via)?;
    let (before, _) = via.split_once(";branch=")?;
    let cseq = request.cseq().ok()?.number.checked_add(1)?;
    let mut builder = RequestBuilder::new(request.method(), request.request_uri())
        .header(Name::Via, format_args!("{before};branch={};rport", new_branch(branch)));
    for (written, value) in request.lines() {
        let (written, value) = (str::from_utf8(written).ok()?, str::from_utf8(value).ok()?);
        let known = Name::of(written.as_bytes());
        builder = match known {
            Name::Via | Name::ContentLength | Name::ContentType => builder,
            Name::CSeq => builder.cseq(cseq),
            _ if changes.iter().any(|(changed, _)| known == *changed) => builder,
            _ => builder.header_named(written, value),
        };
    }
    for (name, value) in changes {
        builder = builder.header(*name, value);
    }
    match request.header(Name::ContentType) {
        Some(kind) => builder.build_with_body(kind, request.body()).ok(),
        None => builder.build().ok(),
    }
}
