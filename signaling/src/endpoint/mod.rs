//! The user-agent core of one line loop: transactions (RFC 3261 section 17, RFC 6026), dialogs
//! (section 12), registrations (section 10), and the rules of who may call.
//!
//! It is handed messages and commands with the present instant, and hands out messages to send and
//! events. It does no I/O, reads no clock, and takes its randomness from the seed. It knows nothing
//! of media, dialplans or queues; an SDP body is bytes to it. Nothing of a received message goes
//! into a sent one but what RFC 3261 says must be repeated.
//!
//! Where to look: `receive` sorts what comes in; `uas` and `uac` are the two sides of an invitation,
//! `reliable` and `early` their progress, `in_dialog`, `offers_in` and `offers_out` what follows, `refer` and
//! `replaces` transfers; `negotiation` and `session_timer` are the rules of offer and answer and of session
//! timers, `refresh` keeps sessions alive; `register`, `outbound` and `trunk` devices and carriers; `auth` who
//! is who, `identity` who calls as far as it is believed; `notifier` tells watchers what `package` says of
//! others; `instant_message` passes texts on.

mod auth;
mod client_transaction;
mod config;
mod contract;
mod credentials;
mod dialog;
mod early;
mod event;
mod hand_back;
mod health;
mod identity;
mod in_dialog;
mod info;
mod instant_message;
mod invitation;
mod limits;
mod negotiation;
mod notifier;
mod offers_in;
mod offers_out;
mod outbound;
mod package;
mod receive;
mod redirect;
mod refer;
mod refresh;
mod register;
mod reliable;
mod replaces;
mod server_transaction;
mod session_timer;
mod slab;
mod subscription;
mod survive;
mod text;
mod timers;
mod trunk;
mod trunk_calls;
mod trunk_registration;
mod uac;
mod uas;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore as _, SeedableRng as _};

pub use config::*;
pub use contract::*;
pub use identity::{Diverted, PartyIdentity};
pub use package::{
    Availability, DialogDirection, DialogStage, MessageSummary, Presence, RemoteParty, ResourceState, WatchedDialog,
};
pub use redirect::Redirected;
pub use survive::{KeptCalling, KeptDialog, KeptLeg, KeptRinging, Moment, NotRestored, Restored};

use crate::{
    digest::Challenger,
    flow::{ConnectionId, Transport},
    hashing::Seeded,
    registrar::{Change, Registrar},
};

use client_transaction::Clients;
use health::Health;
use instant_message::Relays;
use invitation::{Invitation, Phase};
use limits::Strangers;
use refer::Referral;
use server_transaction::Servers;
use subscription::Subscriptions;
use survive::Invitations;
use timers::{Ms, Owner, Timers};
use trunk::Trunks;

/// The user-agent core. See the module.
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    timing: Timing,
    hasher: Seeded,
    random: ChaCha12Rng,
    /// The first instant that was given; time inside counts from it.
    started: Option<Instant>,
    instant: Option<Instant>,
    now: Ms,
    outputs: VecDeque<Output>,
    timers: Timers,
    clients: Clients,
    servers: Servers,
    invites: Invitations,
    /// Invitations with a dialog, by our tag.
    by_tag: HashMap<u64, InviteId, Seeded>,
    last_invite: u64,
    /// Transfers that somebody is to hear of, by the invitation that they were asked for in.
    referrals: HashMap<InviteId, Referral, Seeded>,
    registrar: Registrar,
    challenger: Challenger,
    strangers: Strangers,
    trunks: Trunks,
    subscriptions: Subscriptions,
    messages: Relays,
    health: Health,
    /// Connections that an invitation or a request of ours used: only their end concerns calls.
    used_connections: BTreeSet<ConnectionId>,
    /// Whose device has to come back by a new connection, by its account.
    away: HashMap<std::sync::Arc<str>, Vec<InviteId>, Seeded>,
    draining: bool,
}

/// The timers of the configuration in ms.
#[derive(Clone, Copy, Debug)]
struct Timing {
    t1: Ms,
    t2: Ms,
    t4: Ms,
    /// Timer D: at least 32 s (RFC 3261 section 17.1.1.2).
    wait_d: Ms,
    longest_ring: Ms,
}

impl Timing {
    fn new(config: &EndpointConfig) -> Self {
        let ms = |duration: Duration| Ms::try_from(duration.as_millis()).unwrap_or(Ms::from(u32::MAX)).max(1);
        let t1 = ms(config.timers.t1);
        Self {
            t1,
            t2: ms(config.timers.t2),
            t4: ms(config.timers.t4),
            wait_d: (64 * t1).max(32_000),
            longest_ring: ms(config.longest_ring),
        }
    }
}

impl Endpoint {
    /// An endpoint without accounts and trunks. Two endpoints never share a seed.
    #[must_use]
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        let mut random = ChaCha12Rng::from_seed(seed);
        let hasher = Seeded::new(random.next_u64(), random.next_u64());
        let mut secret = [0; 32];
        random.fill_bytes(&mut secret);
        Self {
            timing: Timing::new(&config),
            hasher,
            started: None,
            instant: None,
            now: 0,
            outputs: VecDeque::new(),
            timers: Timers::default(),
            clients: Clients::new(hasher),
            servers: Servers::new(hasher),
            invites: Invitations::new(hasher),
            by_tag: HashMap::with_hasher(hasher),
            last_invite: 0,
            referrals: HashMap::with_hasher(hasher),
            registrar: Registrar::new(config.registration, hasher),
            challenger: Challenger::new(config.realm.clone(), config.digest.clone(), secret, config.nonce_lifetime),
            strangers: Strangers::of(&config.limits, hasher),
            trunks: Trunks::new(hasher),
            subscriptions: Subscriptions::new(config.subscriptions, hasher),
            messages: Relays::new(&config.limits, hasher),
            health: Health::new(hasher),
            used_connections: BTreeSet::new(),
            away: HashMap::with_hasher(hasher),
            draining: false,
            random,
            config,
        }
    }

    /// The name of the next outgoing invitation.
    pub fn next_invite(&mut self) -> InviteId {
        self.last_invite += 1;
        InviteId(self.last_invite)
    }

    /// Takes one input. What it leads to is to be fetched by [`poll`](Self::poll) until there is no
    /// more, before the next input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.observe(now);
        match input {
            Input::Received { flow, bytes } => self.received(flow, bytes),
            Input::SendFailed { to } => self.clients_without_way(|theirs| *theirs == to),
            Input::ConnectionClosed { connection } => self.connection_closed(connection),
            Input::Command(command) => self.command(command),
            Input::Tick => {}
        }
        self.run_timers();
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is wanted at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.next().zip(self.started).map(|(at, started)| started + Duration::from_millis(at));
        [timer, self.registrar.deadline()].into_iter().flatten().min()
    }

    /// How much is alive.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            client_transactions: self.clients.len(),
            server_transactions: self.servers.len(),
            dialogs: self.by_tag.len(),
            invites: self.invites.len(),
            subscriptions: self.subscriptions.len(),
            referrals: self.referrals.len(),
            bindings: self.registrar.count(),
            timers: self.timers.len(),
        }
    }

    /// Whether a call through a trunk has a good chance now: it is up, has room, and not all of its peers failed
    /// lately. One that is not usable may be tried all the same.
    #[must_use]
    pub fn trunk_is_usable(&self, name: &str) -> bool {
        self.trunks.get(name).is_some_and(|state| state.is_usable(self.now, &self.health))
    }

    /// Live bindings of an account.
    pub fn bindings(&self, account: &str) -> impl Iterator<Item = &Binding> {
        self.registrar.bindings(account)
    }

    fn observe(&mut self, now: Instant) {
        let started = *self.started.get_or_insert(now);
        let elapsed = now.saturating_duration_since(started).as_millis();
        self.now = self.now.max(Ms::try_from(elapsed).unwrap_or(self.now));
        self.instant = self.instant.max(Some(now));
    }

    /// The instant of the present input.
    fn instant(&self) -> Instant {
        self.instant.expect("an input was handled, and every input brings its instant")
    }

    fn run_timers(&mut self) {
        while let Some((at, owner)) = self.timers.pop(self.now) {
            match owner {
                Owner::Client(key) => self.client_due(key, at),
                Owner::Server(key) => self.server_due(key, at),
                Owner::Invite(id) => self.invite_due(id, at),
                Owner::Subscription(tag) => self.subscription_due(tag, at),
                Owner::Relay(id) => self.relay_due(id, at),
                Owner::Referral(id) => self.referral_due(id, at),
                Owner::Trunk(number, age) => self.trunk_due(number, age, at),
            }
        }
        let instant = self.instant();
        if self.registrar.deadline().is_some_and(|at| at <= instant) {
            let changes = self.registrar.expire(instant);
            self.tell_changes(changes);
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Progress { invite, code, sdp } => self.progress(invite, code, sdp),
            Command::Answer { invite, sdp } => self.accept(invite, sdp),
            Command::Reject { invite, code, reason, retry_after_s } => self.reject(invite, code, &reason, retry_after_s),
            Command::Invite(wish) => self.invite(*wish),
            Command::End { invite, code, reason } => self.end(invite, code, &reason),
            Command::Reoffer { invite, sdp } => self.reoffer(invite, sdp),
            Command::AnswerReoffer { invite, sdp } => self.answer_reoffer(invite, sdp),
            Command::RejectReoffer { invite, code } => self.reject_reoffer(invite, code),
            Command::TransferProgress { invite, code } => self.transfer_progress(invite, code),
            Command::HandBack { invite, number } => self.hand_back(invite, number),
            Command::SendKey { invite, key, duration_ms } => self.send_key(invite, key, duration_ms),
            Command::SetAccounts(accounts) => {
                let changes = self.registrar.set_accounts(accounts);
                self.tell_changes(changes);
                self.forget_watched();
            }
            Command::PutAccount(account) => {
                let changes = self.registrar.put_account(account);
                self.tell_changes(changes);
            }
            Command::RemoveAccount { user } => {
                let changes = self.registrar.remove_account(&user);
                self.tell_changes(changes);
                self.forget_watched();
            }
            Command::SetPlaces(places) => {
                self.subscriptions.set_places(places);
                self.forget_watched();
            }
            Command::SetTrunks(trunks) => self.set_trunks(trunks),
            Command::SetPeers { trunk, peers } => self.set_peers(&trunk, peers),
            Command::RestoreBinding(binding) => self.registrar.restore(self.instant(), binding),
            Command::Unregister { account, contact } => {
                let changes = self.registrar.unregister(&account, contact.as_deref());
                self.tell_changes(changes);
            }
            Command::Publish { user, state } => self.publish(&user, state),
            Command::Drain => self.draining = true,
        }
    }

    fn connection_closed(&mut self, connection: ConnectionId) {
        let changes = self.registrar.connection_closed(connection);
        self.tell_changes(changes);
        if !self.used_connections.remove(&connection) {
            return;
        }
        let by_it = |to: &Destination| matches!(to, Destination::Flow(flow) if flow.connection == Some(connection));
        self.clients_without_way(by_it);
        self.dial_trunks_of(connection);
        // A caller who hears no reply any more has given up.
        let servers = &self.servers;
        let is_lost = |invitation: &&Invitation| match invitation.phase {
            Phase::Ringing { server, .. } => servers.get(server).is_some_and(|row| by_it(&row.to())),
            _ => false,
        };
        let mut lost: Vec<InviteId> = self.invites.values().filter(is_lost).map(|invitation| invitation.id).collect();
        lost.sort_unstable();
        for invite in lost {
            self.cancelled(invite);
        }
    }

    /// Remembers that the end of a connection concerns a call or a request of ours.
    fn note_connection(&mut self, to: &Destination) {
        if let Destination::Flow(flow) = to
            && let Some(connection) = flow.connection
        {
            self.used_connections.insert(connection);
        }
    }

    fn tell_changes(&mut self, changes: Vec<Change>) {
        for change in changes {
            if let Change::Added(binding) | Change::Refreshed(binding) = &change {
                self.came_back(binding);
            }
            self.tell(match change {
                Change::Added(binding) => Event::BindingAdded(binding),
                Change::Refreshed(binding) => Event::BindingRefreshed(binding),
                Change::Removed { account, contact, why, left } => Event::BindingRemoved { account, contact, why, left },
            });
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn send(&mut self, to: Destination, bytes: Bytes) {
        if !bytes.is_empty() {
            self.outputs.push_back(Output::Transmit { to, bytes });
        }
    }

    fn random(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// The address of ours that a destination should know us by.
    fn our_address(&self, to: &Destination) -> (Transport, SocketAddr) {
        let transport = to.transport();
        let of_transport = || self.config.listeners.iter().filter(|listener| listener.transport == transport);
        let local = if let Destination::Flow(flow) = to { Some(flow.local) } else { None };
        let found = of_transport()
            .find(|listener| Some(listener.bound) == local)
            .or_else(|| of_transport().find(|listener| listener.bound.is_ipv4() == to.address().is_ipv4()))
            .or_else(|| of_transport().next());
        (transport, found.map_or_else(|| local.unwrap_or_else(|| to.address()), |listener| listener.advertised))
    }

    /// Our Contact for a destination.
    fn our_contact(&self, to: &Destination) -> String {
        match self.our_address(to) {
            (Transport::Udp, address) => format!("sip:{address}"),
            (transport, address) => format!("sip:{address};transport={}", transport.uri_name()),
        }
    }

    /// Whether there is room for one more transaction (and, for a call, one more dialog).
    fn has_room(&self, for_call: bool) -> bool {
        let limits = &self.config.limits;
        self.clients.len() + self.servers.len() < limits.max_transactions
            && (!for_call || self.invites.len() < limits.max_dialogs)
    }
}

impl Endpoint {
    /// Whether there is room for one more call to an emergency service, when there is none for others.
    fn has_reserve(&self) -> bool {
        let limits = &self.config.limits;
        self.clients.len() + self.servers.len() < limits.max_transactions + trunk::EMERGENCIES
            && self.invites.len() < limits.max_dialogs + trunk::EMERGENCIES
    }
}

impl Destination {
    /// Over what.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        match self {
            Self::Flow(flow) => flow.transport,
            Self::Address { transport, .. } => *transport,
        }
    }

    /// The other end.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        match self {
            Self::Flow(flow) => flow.remote,
            Self::Address { to, .. } => *to,
        }
    }
}
