//! Carrier links: which calls are theirs, where theirs go, whether they answer, and how many there may be.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use super::{
    Endpoint,
    client_transaction::{ClientMethod, NewClient, Purpose, new_branch},
    config::{Peer, PeerMatch, Trunk},
    contract::{Destination, Event},
    health::{Health, address_of},
    text::{MAX_FORWARDS, Token},
    timers::{Alarm, Ms, NEVER, Owner},
    trunk_registration::TrunkRegistration,
};
use crate::{
    digest::Answer,
    flow::{Flow, Transport},
    hashing::Seeded,
    locate::draw,
    message::RequestBuilder,
};

/// A carrier that is reachable again is registered with within this time.
const AGAIN_WITHIN_MS: Ms = 1_000;
/// So many calls to emergency services find room where others find none.
pub(super) const EMERGENCIES: usize = 32;

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
    /// When the next call of ours may begin, in µs, were all evenly spaced; see [`Trunks::begin_call`].
    even_us: u64,
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

    fn has_room(&self) -> bool {
        self.trunk.max_calls == 0 || self.calls < self.trunk.max_calls
    }

    pub(super) fn is_usable(&self, now: Ms, health: &Health) -> bool {
        let stands = self.up != Some(false) && self.has_room();
        stands && self.trunk.peers.iter().any(|peer| !health.is_avoided(now, peer))
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
        let room = state.has_room();
        state.calls += usize::from(room);
        room
    }

    /// Counts one more call that we begin. Calls fill a bucket that holds those of one second. A call to an emergency
    /// service waits for nobody: only so many more of them than the trunk's calls may be up.
    pub(super) fn begin_call(&mut self, name: &str, now: Ms, is_emergency: bool) -> bool {
        let Some((_, state)) = self.get_mut(name) else { return false };
        if is_emergency {
            let room = state.trunk.max_calls == 0 || state.calls < state.trunk.max_calls + EMERGENCIES;
            state.calls += usize::from(room);
            return room;
        }
        let mut even_us = state.even_us.max(now * 1_000);
        if state.trunk.calls_per_s > 0 {
            even_us += 1_000_000 / u64::from(state.trunk.calls_per_s);
            if even_us > (now + 1_000) * 1_000 {
                return false;
            }
        }
        let room = state.has_room();
        if room {
            state.even_us = even_us;
            state.calls += 1;
        }
        room
    }

    /// Counts a call from before a restart, however many there are.
    pub(super) fn count_call(&mut self, name: &str) {
        if let Some((_, state)) = self.get_mut(name) {
            state.calls += 1;
        }
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

    /// Host part of a Request-URI for a trunk, when one is configured.
    pub(super) fn authority(&self, name: &str) -> Option<&str> {
        self.get(name)?.trunk.authority.as_deref()
    }

    pub(super) fn patience_ms(&self, name: &str) -> Option<Ms> {
        Some(self.get(name)?.trunk.patience_ms.into())
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
        let spread_ms = registration_spread_ms(&trunks);
        self.trunks.age = self.trunks.age.wrapping_add(1);
        for trunk in trunks {
            let known = before.iter().position(|state| state.trunk.name == trunk.name).map(|at| before.swap_remove(at));
            let state = match known {
                Some(state) if state.trunk == trunk => TrunkState { alarm: Alarm::new(), ..state },
                known => self.new_trunk(trunk, known.map_or(0, |state| state.calls), spread_ms),
            };
            self.trunks.list.push(state);
        }
        self.trunks.rebuild_index();
        for number in 0..self.trunks.list.len() {
            self.settle_trunk(number);
            self.arm_trunk(number);
        }
    }

    fn new_trunk(&mut self, trunk: Trunk, calls: usize, spread_ms: Ms) -> TrunkState {
        let (pings, registers) = (trunk.options_ping_s > 0, trunk.register && trunk.credentials.is_some());
        let register_at = self.now + self.random() % (spread_ms + 1);
        TrunkState {
            calls,
            even_us: 0,
            // Until the first ping is answered, a trunk that is pinged is not known to be up; its
            // calls are tried all the same.
            answers: vec![!pings; trunk.peers.len()],
            ping_at: if pings { self.now } else { NEVER },
            registration: TrunkRegistration::new(registers, register_at),
            up: None,
            digest: Answer::default(),
            alarm: Alarm::new(),
            trunk,
        }
    }

    /// [`Command::SetPeers`](super::Command::SetPeers).
    pub(super) fn set_peers(&mut self, name: &str, peers: Vec<Peer>) {
        let now = self.now;
        let Some((number, state)) = self.trunks.get_mut(name).filter(|(_, state)| state.trunk.peers != peers) else { return };
        let before = std::mem::replace(&mut state.trunk.peers, peers);
        let answered = |peer: &Peer| {
            let at = before.iter().position(|old| (old.transport, old.address) == (peer.transport, peer.address));
            at.and_then(|at| state.answers.get(at).copied())
        };
        let pings = state.trunk.options_ping_s > 0;
        state.answers = state.trunk.peers.iter().map(|peer| answered(peer).unwrap_or(!pings)).collect();
        if pings {
            state.ping_at = now;
        }
        state.registration.peers_changed(now, before.is_empty(), &state.trunk.peers);
        self.trunks.rebuild_index();
        self.settle_trunk(number);
        self.arm_trunk(number);
        self.trunk_found(name);
    }

    /// Where a trunk's calls go, in the order in which they are tried.
    pub(super) fn peers_in_order(&mut self, name: &str) -> Option<Vec<Peer>> {
        let peers = self.trunks.get(name)?.trunk.peers.clone();
        let mut peers = if peers.len() > 1 { draw(&peers, || self.random()) } else { peers };
        self.health.order(self.now, &mut peers);
        Some(peers)
    }

    /// An address of a carrier did not work.
    pub(super) fn peer_failed(&mut self, to: &Destination, wish_s: Option<u32>) {
        let random = self.random();
        self.health.failed(self.now, address_of(to), wish_s, random);
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
        let patience_ms = state.trunk.patience_ms.into();
        let to = Destination::Address { transport: peer.transport, to: peer.address };
        let (transport, address) = self.our_address(&to);
        let uri = match &state.trunk.authority {
            Some(authority) => format!("sip:{authority}"),
            None => format!("sip:{}", peer.address),
        };
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
            let key = self.start_client(NewClient { purpose: Purpose::Ping { trunk, peer: at }, ..new });
            self.hurry(key, patience_ms);
        }
    }

    /// Any reply shows that somebody is there, but one that says he is out of order.
    pub(super) fn ping_result(&mut self, trunk: &str, peer: usize, code: u16) {
        let (now, random) = (self.now, self.random());
        let Some((number, state)) = self.trunks.get_mut(trunk) else { return };
        let good = !matches!(code, 408 | 503);
        if let Some(answers) = state.answers.get_mut(peer) {
            *answers = good;
        }
        let soon = now + random % AGAIN_WITHIN_MS;
        if good {
            state.registration.reachable_again(soon);
        }
        self.say_trunk(number, code);
        self.arm_trunk(number);
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
}

/// Registrations of many trunks do not all begin at one instant.
fn registration_spread_ms(trunks: &[Trunk]) -> Ms {
    let registering = trunks.iter().filter(|trunk| trunk.register).count();
    Ms::try_from(registering.saturating_sub(1)).unwrap_or(Ms::MAX).saturating_mul(50).min(5_000)
}
