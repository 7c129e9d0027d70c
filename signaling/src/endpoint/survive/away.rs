//! What a leg has from before a restart: a connection that is gone, and an ACK that may be asked for again.
//!
//! A carrier is dialled: at the address that its first hop names, or, where that is a name, at one of the trunk's once
//! that was found. A device has to come back.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::kept::{KeptDevice, KeptWay};
use crate::{
    endpoint::{
        Endpoint,
        client_transaction::new_branch,
        contract::{Binding, Destination, EndedHow, InviteId},
        dialog::Dialog,
        invitation::{Invitation, Phase},
        text::Token,
        timers::{Ms, NEVER},
    },
    flow::{Flow, Transport},
    message::{Message, NameAddr, Uri},
};

/// So long a device has time to come back by a new connection, in ms. Whoever has not by then is not coming, or can
/// be dialled.
pub(super) const AWAY_MS: Ms = 60_000;

/// What an invitation has from before a restart.
#[derive(Debug)]
pub(in crate::endpoint) struct Revived {
    /// Until then a 2xx of theirs may come again whose ACK was lost (64 T1 after it).
    acks_until: Ms,
    away: Option<Away>,
}

/// Its connection is gone.
#[derive(Debug)]
pub(super) struct Away {
    /// Who has to come back; `None`: the addresses of its trunk are to be found first.
    device: Option<KeptDevice>,
    until: Ms,
}

impl Away {
    pub(super) const fn new(device: Option<KeptDevice>, now: Ms) -> Self {
        Self { device, until: now + AWAY_MS }
    }
}

impl Revived {
    pub(super) const fn new(acks_until: Ms, away: Option<Away>) -> Self {
        Self { acks_until, away }
    }

    /// When who is away is given up.
    pub(in crate::endpoint) fn due(&self) -> Ms {
        self.away.as_ref().map_or(NEVER, |away| away.until)
    }
}

impl Invitation {
    /// Whether its device has to come back, or its trunk to be found, before anything can be said to it.
    pub(in crate::endpoint) fn is_away(&self) -> bool {
        self.revived.as_ref().is_some_and(|revived| revived.away.is_some())
    }

    /// Where it can be asked whether its other side is there. One that is away is looked for where it says that it
    /// listens: a phone that is behind no NAT takes a connection there before it finds out that the old one is gone.
    pub(super) fn asked_at(&self) -> Option<Destination> {
        let dialog = self.dialog.as_ref()?;
        let Some(device) = self.device() else { return Some(dialog.to).filter(|_| !self.is_away()) };
        let (transport, from) = (dialog.to.transport(), dialog.to.address().ip());
        let listens = |hop: &str| listens_at(transport, from, hop).filter(|_| transport.can_be_dialled());
        let to = match dialog.routes.first() {
            Some(route) => listens(route)?,
            // In a call, phones like to name the port of their connection.
            None => listens(&device.contact).or_else(|| listens(&dialog.target))?,
        };
        Some(Destination::Address { transport, to })
    }

    pub(super) fn device(&self) -> Option<&KeptDevice> {
        self.revived.as_ref()?.away.as_ref()?.device.as_ref()
    }

    /// Whether a BYE has to wait: for the ACK of our answer (RFC 3261 section 15), or for the device.
    pub(in crate::endpoint) fn must_wait(&self) -> bool {
        self.is_away() || (self.unacked.is_some() && self.dialog.as_ref().is_some_and(|dialog| !dialog.ours))
    }
}

impl Endpoint {
    /// Puts a leg on the list of those whose device is away.
    pub(super) fn note_away(&mut self, invite: InviteId, account: Option<Arc<str>>) {
        if let Some(account) = account {
            self.away.entry(account).or_default().push(invite);
        }
    }

    /// The device of a binding.
    pub(super) fn device_of(&self, binding: &Binding) -> KeptDevice {
        let by_flow = binding.outbound.as_ref().map(|outbound| &*outbound.instance);
        let instance = by_flow.or_else(|| self.registrar.instance(&binding.account, &binding.contact));
        KeptDevice { contact: binding.contact.to_string(), instance: instance.map(str::to_owned) }
    }

    /// A device registered: if legs of its wait for it, they go on by its new flow.
    pub(in crate::endpoint) fn came_back(&mut self, binding: &Binding) {
        if !self.away.contains_key(&binding.account) {
            return;
        }
        let came = self.device_of(binding);
        let Some(waiting) = self.away.get_mut(&binding.account) else { return };
        let invites = &self.invites;
        let is_of = |invite: &InviteId| {
            let device = invites.get(invite).and_then(|invitation| invitation.device());
            device.is_some_and(|device| device.is(&came))
        };
        let (back, rest): (Vec<_>, Vec<_>) = std::mem::take(waiting).into_iter().partition(is_of);
        *waiting = rest;
        if waiting.is_empty() {
            self.away.remove(&binding.account);
        }
        for invite in back {
            self.is_back(invite, binding.flow);
        }
    }

    /// A leg is off the list of those whose device is away.
    pub(in crate::endpoint) fn forget_away(&mut self, invite: InviteId, account: Option<Arc<str>>) {
        let Some(account) = account.filter(|_| !self.away.is_empty()) else { return };
        if let Some(waiting) = self.away.get_mut(&account) {
            waiting.retain(|waits| *waits != invite);
            if waiting.is_empty() {
                self.away.remove(&account);
            }
        }
    }

    /// The device of a leg is heard of by a new connection, before it registered by it.
    pub(in crate::endpoint) fn heard_again(&mut self, invite: InviteId, flow: Flow) {
        let account = self.invites.get(&invite).filter(|invitation| invitation.is_away()).map(|it| it.account.clone());
        if let Some(account) = account {
            self.forget_away(invite, account);
            self.is_back(invite, flow);
        }
    }

    fn is_back(&mut self, invite: InviteId, flow: Flow) {
        if let Some(dialog) = self.invites.get_mut(&invite).and_then(|invitation| invitation.dialog.as_mut()) {
            dialog.flow = flow;
        }
        self.goes_on(invite, Destination::Flow(flow));
    }

    /// What there is to say to a leg can be said from now on.
    fn goes_on(&mut self, invite: InviteId, to: Destination) {
        self.note_connection(&to);
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        invitation.revived.as_mut().map(|revived| revived.away.take());
        if let Some(dialog) = &mut invitation.dialog {
            dialog.to = to;
        }
        if let Phase::Leaving { reason } = &mut invitation.phase {
            let reason = reason.take();
            self.hang_up(invite, reason);
        }
    }

    /// The addresses of a trunk were found: legs that waited for that go on, and are asked whether they are known there.
    pub(in crate::endpoint) fn trunk_found(&mut self, trunk: &str) {
        let waits = |invitation: &&Invitation| {
            invitation.is_away() && invitation.device().is_none() && invitation.trunk.as_deref() == Some(trunk)
        };
        let mut waiting: Vec<InviteId> = self.invites.values().filter(waits).map(|invitation| invitation.id).collect();
        waiting.sort_unstable();
        for invite in waiting {
            let before = self.invites.get(&invite).and_then(|invitation| Some(invitation.dialog.as_ref()?.to));
            if let Some(to) = before.and_then(|before| self.peer_again(trunk, &before)) {
                self.goes_on(invite, to);
                self.ask(invite);
            }
        }
    }

    /// An address of a trunk for a dialog whose connection is gone: of the machine that it went to before, if it is one
    /// of them.
    fn peer_again(&mut self, trunk: &str, before: &Destination) -> Option<Destination> {
        let (transport, machine) = (before.transport(), before.address().ip().to_canonical());
        let mut peers = self.peers_in_order(trunk)?;
        peers.retain(|peer| peer.transport == transport);
        let same = peers.iter().find(|peer| peer.address.ip().to_canonical() == machine);
        same.or(peers.first()).map(|peer| Destination::Address { transport, to: peer.address })
    }

    /// Where requests of a trunk's dialog go whose connection is gone (RFC 3261 section 12.2.1.1); `None` as long as that
    /// is not known, and for a trunk that is none of ours any more.
    pub(in crate::endpoint) fn dialled_again(&mut self, trunk: &str, dialog: &Dialog) -> Option<Destination> {
        self.trunks.get(trunk)?;
        let (transport, remote) = (dialog.to.transport(), dialog.to.address());
        if dialog.goes_by_name() {
            return self.peer_again(trunk, &dialog.to);
        }
        Some(Destination::Address { transport, to: dialled(transport, remote, dialog.first_hop()) })
    }

    /// The device of a leg did not come back in time, or its trunk was not found: it is dialled from now on, if it can be.
    pub(in crate::endpoint) fn away_due(&mut self, invite: InviteId) {
        let now = self.now;
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let listens = invitation.asked_at();
        let Some(revived) = invitation.revived.as_mut().filter(|revived| revived.due() <= now) else { return };
        revived.away = None;
        if let (Some(dialog), Some(to)) = (&mut invitation.dialog, listens) {
            dialog.to = to;
        }
        let can_be_dialled = invitation.dialog.as_ref().is_some_and(|dialog| dialog.to.transport().can_be_dialled());
        let account = invitation.account.clone();
        let leaving = match &mut invitation.phase {
            Phase::Leaving { reason } => Some(reason.take()),
            _ => None,
        };
        self.forget_away(invite, account);
        match leaving {
            Some(reason) => self.hang_up(invite, reason),
            None if !can_be_dialled => self.lost(invite, EndedHow::ConnectionLost),
            None => {}
        }
    }

    /// A reply to nothing that we know. A 2xx to an INVITE of before a restart is acknowledged again, as often as it
    /// comes (RFC 3261 section 13.2.2.4); one of somebody who is not the peer is hung up.
    pub(in crate::endpoint) fn answered_before(&mut self, flow: Flow, response: &Message) {
        let Some((invite, cseq)) = self.revived_by(response) else { return };
        let Ok(Some(their_tag)) = response.to().map(|to| to.tag()) else { return };
        let Some(invitation) = self.invites.get(&invite) else { return };
        let Some(dialog) = &invitation.dialog else { return };
        if dialog.matches(their_tag, response.call_id().unwrap_or_default()) {
            let to = if invitation.is_away() { Destination::Flow(flow) } else { dialog.to };
            let ack = self.ack_of(invite, cseq);
            return self.send(to, ack.unwrap_or_default());
        }
        // Another fork, as far as this can be one.
        let (trust, local_tag) = (dialog.trust, dialog.local_tag);
        if !dialog.ours || !self.has_room(false) {
            return;
        }
        if let Ok(mut stray) = Dialog::uac(response, flow, local_tag, trust) {
            let branch = self.random();
            let ack = stray.request("ACK", cseq, self.our_address(&stray.to), &new_branch(branch)).build();
            self.send(stray.to, ack.unwrap_or_default());
            stray.local_cseq = stray.local_cseq.saturating_add(super::CSEQ_JUMP);
            self.send_bye(&mut stray, None, None);
        }
    }

    /// The leg from before a restart whose INVITE a 2xx answers, and that INVITE's number.
    fn revived_by(&self, response: &Message) -> Option<(InviteId, u32)> {
        let cseq = response.cseq().ok().filter(|cseq| cseq.method == "INVITE")?.number;
        let _accepted = response.code().filter(|code| (200..300).contains(code))?;
        let invite = *self.by_tag.get(&Token::read(response.from().ok()?.tag()?)?)?;
        let invitation = self.invites.get(&invite)?;
        let dialog = invitation.dialog.as_ref()?;
        let is_late = invitation.revived.as_ref()?.acks_until < self.now;
        let is_ours = *dialog.call_id == *response.call_id().ok()? && cseq <= dialog.local_cseq;
        (is_ours && !is_late).then_some((invite, cseq))
    }

    fn ack_of(&mut self, invite: InviteId, cseq: u32) -> Option<bytes::Bytes> {
        let branch = self.random();
        let dialog = self.invites.get(&invite)?.dialog.as_ref()?;
        dialog.request("ACK", cseq, self.our_address(&dialog.to), &new_branch(branch)).build().ok()
    }

    /// The flow of a kept way: by the same socket, or by the first that fits if that is gone.
    pub(super) fn flow_again(&self, kept: &KeptWay) -> Flow {
        let listeners = || self.config.listeners.iter().filter(|listener| listener.transport == kept.transport);
        let same = listeners().find(|listener| Some(listener.bound) == kept.local);
        let like = || listeners().find(|listener| listener.bound.is_ipv4() == kept.remote.is_ipv4());
        let local = same.or_else(like).map(|listener| listener.bound).or(kept.local).unwrap_or(kept.remote);
        Flow { transport: kept.transport, local, remote: kept.remote, connection: None }
    }

    /// Where the requests of a restored dialog go.
    pub(super) fn way_again(&self, kept: &KeptWay, next_hop: &str) -> Destination {
        let (transport, remote) = (kept.transport, kept.remote);
        match kept.local {
            None => Destination::Address { transport, to: remote },
            Some(_) if !transport.is_reliable() || !transport.can_be_dialled() => Destination::Flow(self.flow_again(kept)),
            Some(_) => Destination::Address { transport, to: dialled(transport, remote, next_hop) },
        }
    }
}

/// Whoever opened a connection to us did so from any port: where they listen is in their address.
fn dialled(transport: Transport, remote: SocketAddr, next_hop: &str) -> SocketAddr {
    listens_at(transport, remote.ip(), next_hop).unwrap_or(remote)
}

/// Where somebody listens, by their own address; nobody can tell when that is of another network than they come from.
fn listens_at(transport: Transport, from: IpAddr, next_hop: &str) -> Option<SocketAddr> {
    let uri = NameAddr::parse(next_hop).map_or(next_hop, |address| address.uri_text);
    let uri = Uri::parse(uri).filter(|uri| uri.address() == Some(from))?;
    Some((from, uri.port.unwrap_or(transport.default_port())).into()).filter(|at: &SocketAddr| at.port() != 0)
}

impl Binding {
    /// A binding of before a restart, as its device can be reached now. `None`: it has to register anew, because it
    /// came by a connection, and nobody listens where it, or the proxy before it (RFC 3327), says that it is. Nor can
    /// one be sure of a certificate there: over TLS everybody has to come back.
    #[must_use]
    pub fn after_restart(mut self) -> Option<Self> {
        let transport = self.flow.transport;
        if transport.is_reliable() {
            let next_hop = self.path.first().map_or(&*self.contact, |proxy| proxy);
            let dialled = Some(next_hop).filter(|_| transport == Transport::Tcp);
            self.flow.remote = listens_at(transport, self.flow.remote.ip(), dialled?)?;
            self.flow.connection = None;
        }
        Some(self)
    }
}

impl KeptDevice {
    /// Whether it is the same device, by the name that it has whatever its addresses (RFC 5626 section 4.1), or else by
    /// its contact.
    fn is(&self, other: &Self) -> bool {
        match (&self.instance, &other.instance) {
            (Some(known), Some(instance)) => known == instance,
            _ => self.contact == other.contact,
        }
    }
}
