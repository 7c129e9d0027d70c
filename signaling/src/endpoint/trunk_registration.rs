//! Our own registration with a carrier (RFC 3261 section 10.2), for trunks that ask for it.
//!
//! A round tries the carrier's addresses one after the other, those that failed lately last. When all failed, the
//! next round waits as RFC 5626 section 4.5 says: longer with each failure, and with a random part.

use super::{
    Endpoint,
    client_transaction::{ClientMethod, NewClient, Purpose, new_branch},
    config::Peer,
    contract::Destination,
    text::{EscapedUser, MAX_FORWARDS, Token},
    timers::{Ms, NEVER},
};
use crate::message::{Message, Name, RequestBuilder, read_seconds};

/// What we ask for, in seconds.
const WISH_S: u32 = 3_600;
/// A carrier that wants longer than a week is not believed.
const LONGEST_WISH_S: u32 = 604_800;
/// Times in a row that "too brief" (423) is answered with a longer wish.
const MOST_WISHES: u8 = 3;
/// RFC 5626 section 4.5: the upper bound of the first wait, and of all.
const BASE_MS: Ms = 30_000;
const LONGEST_MS: Ms = 1_800_000;
/// No carrier gets a refresh sooner than this.
const LEAST_MS: Ms = 5_000;
/// Should nothing come of a request at all, not even silence, it is tried again.
const LOST_MS: Ms = 60_000;

/// How a trunk's registration stands.
#[derive(Debug)]
pub(super) struct TrunkRegistration {
    wanted: bool,
    good: bool,
    /// When the next REGISTER goes out.
    pub(super) due_at: Ms,
    call_id: u64,
    cseq: u32,
    wish_s: u32,
    /// "Too brief" in a row.
    wishes: u8,
    /// Failed rounds in a row.
    failures: u8,
    /// The last failure was one of the network: worth trying again as soon as the carrier is seen.
    unreachable: bool,
    /// Whom we are, or try to be, registered with.
    peer: Option<Peer>,
    /// Whom this round still asks.
    next_peers: Vec<Peer>,
}

impl TrunkRegistration {
    pub(super) const fn new(wanted: bool, at: Ms) -> Self {
        Self {
            wanted,
            good: false,
            due_at: if wanted { at } else { NEVER },
            call_id: 0,
            cseq: 0,
            wish_s: WISH_S,
            wishes: 0,
            failures: 0,
            unreachable: false,
            peer: None,
            next_peers: Vec::new(),
        }
    }

    /// Nothing is to be awaited before the trunk can be used.
    pub(super) const fn is_settled(&self) -> bool {
        !self.wanted
    }

    pub(super) const fn is_good(&self) -> bool {
        !self.wanted || self.good
    }

    /// A ping was answered.
    pub(super) fn reachable_again(&mut self, soon: Ms) {
        if self.wanted && self.unreachable {
            self.due_at = self.due_at.min(soon);
        }
    }

    /// The trunk has other addresses: it has the first ones, or ours is gone.
    pub(super) fn peers_changed(&mut self, now: Ms, had_none: bool, peers: &[Peer]) {
        let has = |peer: &Peer| peers.iter().any(|new| (new.transport, new.address) == (peer.transport, peer.address));
        self.next_peers.retain(has);
        if !self.wanted || peers.is_empty() {
            return;
        }
        if had_none || self.peer.as_ref().is_some_and(|peer| !has(peer)) {
            self.peer = None;
            self.failures = 0;
            self.due_at = self.due_at.min(now);
        }
    }
}

impl Endpoint {
    pub(super) fn trunk_registration_due(&mut self, number: usize) {
        let now = self.now;
        let (branch, call_id) = (self.random(), self.random());
        let Some(state) = self.trunks.number_mut(number) else { return };
        if state.registration.due_at > now {
            return;
        }
        state.registration.due_at = now + LOST_MS;
        let name = state.trunk.name.clone();
        let Some(peer) = self.registration_peer(&name) else { return };
        let Some(state) = self.trunks.number_mut(number) else { return };
        let registration = &mut state.registration;
        registration.peer = Some(peer);
        registration.unreachable = false;
        registration.cseq = registration.cseq.wrapping_add(1) & i32::MAX.cast_unsigned();
        if registration.call_id == 0 {
            registration.call_id = call_id.max(1);
        }
        // With the last address there is nothing to hurry for.
        let patience_ms = if registration.next_peers.is_empty() { 0 } else { state.trunk.patience_ms.into() };
        let Some(message) = self.build_register(&name, peer, branch) else { return };
        let to = Destination::Address { transport: peer.transport, to: peer.address };
        let new = NewClient::new(branch, ClientMethod::Other, to, message);
        let purpose = Purpose::Register { trunk: name.clone() };
        let key = self.start_client(NewClient { purpose, trunk: Some(name), ..new });
        self.hurry(key, patience_ms);
    }

    /// Whom to register with now: the next of the round, or whom we are registered with, or the first of a new round.
    fn registration_peer(&mut self, name: &str) -> Option<Peer> {
        let order = self.peers_in_order(name)?;
        let now = self.now;
        let (_, state) = self.trunks.get_mut(name)?;
        let registration = &mut state.registration;
        if registration.next_peers.is_empty() {
            registration.next_peers = order;
            let stays = registration.peer.filter(|peer| !self.health.is_avoided(now, peer));
            if let Some(peer) = stays.filter(|peer| registration.next_peers.contains(peer)) {
                registration.next_peers.retain(|other| *other != peer);
                return Some(peer);
            }
        }
        (!registration.next_peers.is_empty()).then(|| registration.next_peers.remove(0))
    }

    fn build_register(&mut self, name: &str, peer: Peer, branch: u64) -> Option<bytes::Bytes> {
        let tag = self.random();
        let state = self.trunks.get(name)?;
        let (trunk, registration) = (&state.trunk, &state.registration);
        let credentials = trunk.credentials.as_ref()?;
        let domain = trunk.from_domain.clone().unwrap_or_else(|| peer.address.to_string());
        let user = EscapedUser(&credentials.user).to_string();
        let to = Destination::Address { transport: peer.transport, to: peer.address };
        let (transport, address) = self.our_address(&to);
        let own = format!("sip:{user}@{domain}");
        RequestBuilder::new("REGISTER", format_args!("sip:{domain}"))
            .via(transport, address, &new_branch(branch))
            .max_forwards(MAX_FORWARDS)
            .from("", &own, Token::new(tag).as_str())
            .to("", &own, None)
            .call_id(Token::new(registration.call_id).as_str())
            .cseq(registration.cseq)
            .contact(self.registered_contact(&user, &to))
            .header(Name::Expires, registration.wish_s)
            .build()
            .ok()
    }

    fn registered_contact(&self, user: &str, to: &Destination) -> String {
        self.our_contact(to).replacen("sip:", &format!("sip:{user}@"), 1)
    }

    /// A final reply to our REGISTER (challenges that we could answer apart).
    pub(super) fn trunk_register_result(&mut self, trunk: &str, response: &Message, code: u16) {
        let (now, random) = (self.now, self.random());
        let granted_s = self.granted_s(trunk, response);
        let Some((number, state)) = self.trunks.get_mut(trunk).filter(|(_, state)| state.registration.wanted) else { return };
        let registration = &mut state.registration;
        // The number may have grown by a try with credentials.
        registration.cseq = registration.cseq.max(response.cseq().map(|cseq| cseq.number).unwrap_or_default());
        let min = response.header(Name::MinExpires).and_then(read_seconds);
        match (code, min) {
            (200..=299, _) => {
                registration.good = true;
                registration.unreachable = false;
                (registration.failures, registration.wishes) = (0, 0);
                registration.next_peers.clear();
                // Refreshed in good time, and not by everybody at once.
                let granted_ms = Ms::from(granted_s) * 1_000;
                registration.due_at = now + (granted_ms * (700 + random % 151) / 1_000).max(LEAST_MS);
            }
            (423, Some(min)) if min > registration.wish_s && min <= LONGEST_WISH_S && registration.wishes < MOST_WISHES => {
                registration.wish_s = min;
                registration.wishes += 1;
                registration.due_at = now;
                if let Some(peer) = registration.peer {
                    registration.next_peers.insert(0, peer);
                }
            }
            _ => {
                let wish_s = response.header(Name::RetryAfter).and_then(read_seconds);
                return self.trunk_register_failed(trunk, code, wish_s);
            }
        }
        self.say_trunk(number, code);
        self.arm_trunk(number);
    }

    /// Our REGISTER failed, or was not answered. `wish_s`: its `Retry-After`.
    pub(super) fn trunk_register_failed(&mut self, trunk: &str, code: u16, wish_s: Option<u32>) {
        let (now, random) = (self.now, self.random());
        // A late word on a registration that is not wanted any more must not begin another.
        let Some((number, state)) = self.trunks.get_mut(trunk).filter(|(_, state)| state.registration.wanted) else { return };
        let registration = &mut state.registration;
        registration.unreachable = matches!(code, 408 | 503);
        if registration.unreachable && !registration.next_peers.is_empty() {
            registration.due_at = now;
            return self.arm_trunk(number);
        }
        registration.good = false;
        registration.peer = None;
        registration.next_peers.clear();
        registration.wishes = 0;
        let most = (BASE_MS << registration.failures.saturating_add(1).min(7)).min(LONGEST_MS);
        registration.failures = registration.failures.saturating_add(1);
        let wait = most / 2 + random % (most / 2 + 1);
        let wished = wish_s.map_or(0, |s| Ms::from(s) * 1_000).min(LONGEST_MS);
        registration.due_at = now + wait.max(wished);
        self.say_trunk(number, code);
        self.arm_trunk(number);
    }

    /// How long the registration holds: as the reply says of our own contact, or of all (RFC 3261 section 10.2.4).
    fn granted_s(&self, trunk: &str, response: &Message) -> u32 {
        let state = self.trunks.get(trunk);
        let own = state.and_then(|state| {
            let peer = state.registration.peer?;
            let to = Destination::Address { transport: peer.transport, to: peer.address };
            let user = EscapedUser(&state.trunk.credentials.as_ref()?.user).to_string();
            Some(self.registered_contact(&user, &to))
        });
        let contacts = || response.contacts().filter_map(Result::ok);
        let is_own = |uri: &str| own.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(uri));
        let ours = contacts().find(|contact| contact.address().and_then(|a| a.uri()).is_some_and(|uri| is_own(uri.as_str())));
        let wish_s = state.map_or(WISH_S, |state| state.registration.wish_s);
        match ours.and_then(|contact| contact.expires()) {
            Some(expires) => expires,
            None => contacts().filter_map(|contact| contact.expires()).chain(response.expires()).min().unwrap_or(wish_s),
        }
    }
}
