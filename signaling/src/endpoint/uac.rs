//! Outgoing invitations: forks, answers, and the ways to end (RFC 3261 sections 13.2, 9.1, 16.7).

use std::sync::Arc;

use super::{
    Endpoint,
    client_transaction::{ClientMethod, NewClient, Purpose, Silence, new_branch},
    config::Peer,
    contract::{Destination, Event, Invite, InviteId, RejectedBy, Target},
    dialog::{Dialog, Trust},
    identity::shown_caller,
    invitation::{Calling, Fork, Invitation, Phase},
    negotiation::{Carrier, Negotiation},
    receive::{ALLOW, SUPPORTED, sdp_of},
    session_timer,
    slab::Key,
    text::{EscapedUser, MAX_FORWARDS, Token, phrase},
    trunk_calls::{bare_uri, with_warning},
};
use crate::{
    flow::{Flow, Transport},
    message::{Message, Name, RequestBuilder, Uri},
};

/// One place to send an INVITE to.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) request_uri: String,
    pub(super) to: Destination,
    pub(super) next_peers: Vec<Peer>,
    /// The proxies that it must pass (RFC 3327 section 5.5).
    pub(super) path: Arc<[Box<str>]>,
    /// Other flows to the same device (RFC 5626), should this one fail.
    pub(super) next_flows: Vec<Route>,
}

impl Route {
    fn new(request_uri: String, to: Destination, next_peers: Vec<Peer>) -> Self {
        Self { request_uri, to, next_peers, path: Arc::default(), next_flows: Vec::new() }
    }
}

/// Why an INVITE cannot even be sent.
struct NoRoute(u16);

impl Endpoint {
    /// [`Command::Invite`](super::Command::Invite).
    pub(super) fn invite(&mut self, wish: Invite) {
        let invite = wish.invite;
        let routes = match max_forwards(&wish) {
            0 => Err(NoRoute(483)),
            _ if !(self.has_room(true) || wish.is_emergency && self.has_reserve()) => Err(NoRoute(503)),
            _ => self.routes(&wish.target),
        };
        let routes = match routes {
            Ok(routes) if !self.invites.contains_key(&invite) => routes,
            Ok(_) => return,
            Err(NoRoute(code)) => {
                return self.tell(Event::Rejected { invite, code, reason: phrase(code).to_owned(), by: RejectedBy::Us });
            }
        };
        let (trunk, account) = match &wish.target {
            Target::Trunk { name, .. } | Target::TrunkOrElse { name, .. } => (Some(name.clone()), None),
            Target::Account(user) => (None, Some(user.clone())),
            Target::Uri(_) => (None, None),
        };
        if trunk.as_ref().is_some_and(|name| !self.trunks.begin_call(name, self.now, wish.is_emergency)) {
            return self.tell(Event::Rejected { invite, code: 503, reason: phrase(503).to_owned(), by: RejectedBy::Us });
        }
        let calling = Calling { wish, forks: Vec::with_capacity(routes.len()), worst: None, redirected: None, heard: 0 };
        let calling = Phase::Calling(Box::new(calling));
        let invitation = Invitation { trunk, account, ..Invitation::new(invite, calling, Negotiation::Ours(Carrier::Invite)) };
        self.invites.insert(invite, Box::new(invitation));
        for route in routes {
            let _noted = self.start_fork(invite, route);
        }
        self.give_up_if_hopeless(invite);
    }

    fn routes(&mut self, target: &Target) -> Result<Vec<Route>, NoRoute> {
        match target {
            Target::Account(user) => {
                self.registrar.account(user).ok_or(NoRoute(404))?;
                let routes = self.routes_to_devices(user);
                if routes.is_empty() { Err(NoRoute(480)) } else { Ok(routes) }
            }
            Target::Trunk { name, user } | Target::TrunkOrElse { name, user } => {
                let mut peers = self.peers_in_order(name).ok_or(NoRoute(404))?;
                if peers.is_empty() {
                    return Err(NoRoute(503));
                }
                let first = peers.remove(0);
                Ok(vec![self.trunk_route(name, user, first, peers)])
            }
            Target::Uri(text) => {
                let uri = Uri::parse(text).filter(Uri::is_sip).ok_or(NoRoute(404))?;
                let ip = uri.address().ok_or(NoRoute(404))?;
                let transport = uri.transport().and_then(Transport::from_name).unwrap_or(match uri.scheme {
                    crate::message::Scheme::Sips => Transport::Tls,
                    _ => Transport::Udp,
                });
                if !transport.can_be_dialled() {
                    return Err(NoRoute(404));
                }
                let to = (ip, uri.port.unwrap_or(transport.default_port())).into();
                Ok(vec![Route::new(text.clone(), Destination::Address { transport, to }, Vec::new())])
            }
        }
    }

    fn trunk_route(&self, trunk: &str, user: &str, peer: Peer, next_peers: Vec<Peer>) -> Route {
        let Peer { transport, address, .. } = peer;
        let user = EscapedUser(user);
        let request_uri = match (self.trunks.authority(trunk), transport) {
            (Some(authority), _) => format!("sip:{user}@{authority}"),
            (None, Transport::Udp) => format!("sip:{user}@{address}"),
            (None, _) => format!("sip:{user}@{address};transport={}", transport.uri_name()),
        };
        Route::new(request_uri, Destination::Address { transport, to: address }, next_peers)
    }

    /// A carrier that does not answer at all is not waited for as long as a ringing phone.
    fn hurry_fork(&mut self, invite: InviteId, client: Key) {
        let trunk = self.invites.get(&invite).and_then(|invitation| invitation.trunk.clone());
        if let Some(patience_ms) = trunk.and_then(|name| self.trunks.patience_ms(&name)) {
            self.hurry(client, patience_ms);
        }
    }

    /// Sends one INVITE of an invitation; `false` when it could not be made.
    pub(super) fn start_fork(&mut self, invite: InviteId, route: Route) -> bool {
        let (branch, local_tag, call_id) = (self.random(), self.random(), self.random());
        let Some(invitation) = self.invites.get(&invite) else { return false };
        let Phase::Calling(calling) = &invitation.phase else { return false };
        let trunk = invitation.trunk.clone();
        let message = self.build_invite(&calling.wish, trunk.as_deref(), &route, (branch, local_tag, call_id));
        let Some(message) = message else {
            self.note_failure(invite, 500, phrase(500), RejectedBy::Us);
            return false;
        };
        let Route { request_uri, to, next_peers, next_flows, .. } = route;
        let purpose = Purpose::Fork(invite);
        let client = self.start_client(NewClient {
            branch,
            method: ClientMethod::Invite,
            to,
            message,
            purpose,
            trunk,
            is_in_theirs: false,
            tries: 0,
        });
        if let Some(calling) = self.calling(invite) {
            let (early, contact) = (Vec::new(), request_uri.into());
            calling.forks.push(Fork { client, local_tag, next_peers, early, next_flows, contact });
            self.hurry_fork(invite, client);
        }
        true
    }

    fn build_invite(
        &self,
        wish: &Invite,
        trunk: Option<&str>,
        Route { request_uri, to, path, .. }: &Route,
        (branch, local_tag, call_id): (u64, u64, u64),
    ) -> Option<bytes::Bytes> {
        let (transport, address) = self.our_address(to);
        let domain = self.own_domain(trunk, to);
        let (display, from) = shown_caller(wish, &domain);
        let to_uri = match &wish.target {
            Target::Account(user) => format!("sip:{}@{domain}", EscapedUser(user)),
            // The address of record behind a name: To has no parameters (RFC 3261 table 1).
            Target::Trunk { name, .. } | Target::TrunkOrElse { name, .. } if self.trunks.authority(name).is_some() => {
                bare_uri(request_uri)
            }
            Target::Trunk { .. } | Target::TrunkOrElse { .. } | Target::Uri(_) => request_uri.to_owned(),
        };
        let mut builder = RequestBuilder::new("INVITE", request_uri)
            .via(transport, address, &new_branch(branch))
            .max_forwards(max_forwards(wish))
            .routes(path.iter().map(|proxy| &**proxy))
            .from(display, from, Token::new(local_tag).as_str())
            .to("", to_uri, None)
            .call_id(Token::new(call_id).as_str())
            .cseq(1)
            .contact(self.our_contact(to))
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED);
        if !self.is_fixed(trunk) {
            builder = session_timer::ask(&self.config.session, builder);
        }
        builder = self.with_identity(builder, wish, &domain, request_uri);
        if !self.config.product.is_empty() {
            builder = builder.header(Name::UserAgent, &self.config.product);
        }
        for (name, value) in &wish.headers {
            // Headers that we write ourselves, and any that would break the message, are left out.
            let harmless = Name::of(name.as_bytes()) == Name::Other || MAY_BE_ADDED.contains(&Name::of(name.as_bytes()));
            if harmless && is_header(name, value) {
                builder = builder.header_named(name, value);
            }
        }
        builder.build_with_body("application/sdp", wish.sdp_by(transport)).ok()
    }

    /// The host part of our From.
    fn own_domain(&self, trunk: Option<&str>, to: &Destination) -> String {
        let configured = trunk.and_then(|name| self.trunks.own_domain(name));
        configured.unwrap_or_else(|| self.our_address(to).1.to_string())
    }

    /// A 2xx: the first wins, the others are hung up.
    pub(super) fn fork_answered(&mut self, invite: InviteId, key: Key, flow: Flow, response: &Message) {
        let Some(calling) = self.calling(invite) else { return self.hang_up_stray(key, flow, response) };
        let heard = calling.heard;
        let Some(local_tag) = calling.forks.iter().find(|fork| fork.client == key).map(|fork| fork.local_tag) else {
            return self.hang_up_stray(key, flow, response);
        };
        let Some(mut dialog) = self.dialog_from_answer(key, flow, response, Some(local_tag)) else { return };
        let settled = self.settle_early(invite, &mut dialog);
        let own = settled.as_ref().map_or(0, |settled| settled.name);
        self.leave_exchange(invite, |early| early != own);
        let others = self.take_forks(invite);
        let (negotiation, early_answer) =
            settled.map_or((Negotiation::Agreed, None), |settled| (settled.negotiation, settled.answer));
        // The first description that came reliably is the answer; those after it say nothing.
        let answer = early_answer.clone().or_else(|| sdp_of(response));
        let told = if early_answer.is_some() && heard == own { None } else { answer.clone() };
        if let Some(invitation) = self.invites.get_mut(&invite) {
            invitation.up(dialog, negotiation);
        }
        if let Some(answer) = answer {
            self.note_theirs(invite, &answer);
        }
        self.by_tag.insert(local_tag, invite);
        for other in others.iter().filter(|other| other.client != key) {
            self.cancel_client(other.client, Some("SIP;cause=200;text=\"Call completed elsewhere\"".to_owned()));
        }
        self.session_answered(invite, key, response);
        self.tell(Event::Answered { invite, sdp: told, flow });
    }

    /// Makes the dialog of a 2xx and acknowledges it. `None` if the reply cannot be ours.
    pub(super) fn dialog_from_answer(
        &mut self,
        key: Key,
        flow: Flow,
        response: &Message,
        local_tag: Option<u64>,
    ) -> Option<Dialog> {
        let row = self.clients.get(key)?;
        let trust = if row.trunk.is_some() { Trust::Contact } else { Trust::Source };
        let echoed = Token::read(response.from().ok()?.tag()?)?;
        let local_tag = local_tag.unwrap_or(echoed);
        if echoed != local_tag {
            return None;
        }
        let used = row.used_cseq;
        let mut dialog = Dialog::uac(response, flow, local_tag, trust).ok()?;
        dialog.local_cseq = dialog.local_cseq.max(used);
        dialog.acked_by = Some(key);
        self.acknowledge(key, &dialog, response);
        Some(dialog)
    }

    /// Sends the ACK of a 2xx (RFC 3261 section 13.2.2.4), with the credentials of its INVITE.
    pub(super) fn acknowledge(&mut self, key: Key, dialog: &Dialog, response: &Message) {
        let branch = self.random();
        let Ok(cseq) = response.cseq() else { return };
        let request = self.clients.get(key).map(|row| row.message.clone()).and_then(|bytes| Message::parse(bytes).ok());
        let mut builder = dialog.request("ACK", cseq.number, self.our_address(&dialog.to), &new_branch(branch));
        for name in [Name::Authorization, Name::ProxyAuthorization] {
            for value in request.iter().flat_map(|request| request.headers(name)) {
                builder = builder.header(name, value);
            }
        }
        if let Ok(ack) = builder.build() {
            let ack = bytes::Bytes::copy_from_slice(&ack);
            self.keep_ack(key, response, dialog.to, ack.clone());
            self.send(dialog.to, ack);
        }
    }

    /// A 2xx that nobody wants: a late fork, or an answer that crossed our CANCEL.
    pub(super) fn hang_up_stray(&mut self, key: Key, flow: Flow, response: &Message) {
        if let Some(mut dialog) = self.dialog_from_answer(key, flow, response, None) {
            self.send_bye(&mut dialog, None, None);
        }
    }

    /// A final reply above 299.
    pub(super) fn fork_refused(&mut self, invite: InviteId, key: Key, response: &Message, code: u16) {
        let reason = match response.kind() {
            crate::message::Kind::Response { reason, .. } => reason,
            crate::message::Kind::Request { .. } => "",
        };
        let Some(fork) = self.take_fork(invite, key) else { return self.give_up_if_hopeless(invite) };
        if code == 430 {
            self.flow_failed(invite, &fork.contact);
        }
        if (code == 503 && self.try_next_peer(invite, fork.next_peers))
            || (matches!(code, 408 | 430) && self.try_next_flow(invite, fork.next_flows))
        {
            return;
        }
        self.note_redirect(invite, response, code);
        self.note_failure(invite, code, &with_warning(reason, response), RejectedBy::Peer);
        if code >= 600 {
            // Nobody else is to be asked (RFC 3261 section 16.7).
            self.leave_exchange(invite, |_| true);
            for other in self.take_forks(invite) {
                self.cancel_client(other.client, None);
            }
        }
        self.give_up_if_hopeless(invite);
    }

    /// No reply for longer than a carrier needs. It may have the INVITE all the same: so it is cancelled before
    /// anybody else is asked, and should it answer, that call is hung up.
    pub(super) fn fork_slow(&mut self, invite: InviteId, key: Key) {
        let Some(calling) = self.calling(invite) else { return };
        let or_else = matches!(calling.wish.target, Target::TrunkOrElse { .. });
        let others = calling.forks.iter().any(|fork| fork.client == key && !fork.next_peers.is_empty());
        if !or_else && !others {
            return;
        }
        let next = self.take_fork(invite, key).map(|fork| fork.next_peers).unwrap_or_default();
        self.cancel_client(key, None);
        if !self.try_next_peer(invite, next) {
            self.note_failure(invite, 408, phrase(408), RejectedBy::Network);
            self.give_up_if_hopeless(invite);
        }
    }

    /// No reply, or no way to send.
    pub(super) fn fork_silent(&mut self, invite: InviteId, key: Key, silence: Silence) {
        // Where it rang, nobody else is asked.
        let fork = self.take_fork(invite, key).filter(|_| silence != Silence::RangTooLong);
        if let Some(Fork { next_peers, next_flows, .. }) = fork
            && (self.try_next_peer(invite, next_peers) || self.try_next_flow(invite, next_flows))
        {
            return;
        }
        let code = if silence == Silence::NoWay { 503 } else { 408 };
        self.note_failure(invite, code, phrase(code), RejectedBy::Network);
        self.give_up_if_hopeless(invite);
    }

    /// An INVITE was sent again with credentials, in another transaction.
    pub(super) fn fork_moved(&mut self, invite: InviteId, old: Key, new: Key) {
        if let Some(fork) = self.calling(invite).and_then(|calling| calling.forks.iter_mut().find(|fork| fork.client == old)) {
            fork.client = new;
            self.hurry_fork(invite, new);
        }
    }

    /// Whoever rang at the end of a fork is there no more.
    pub(super) fn fork_gone(&mut self, invite: InviteId, code: u16) {
        self.note_failure(invite, code, phrase(code), RejectedBy::Peer);
        self.give_up_if_hopeless(invite);
    }

    fn try_next_peer(&mut self, invite: InviteId, mut peers: Vec<Peer>) -> bool {
        let Some(calling) = self.calling(invite) else { return false };
        let (Target::Trunk { name, user } | Target::TrunkOrElse { name, user }) = &calling.wish.target else { return false };
        let (name, user) = (name.clone(), user.clone());
        if peers.is_empty() {
            return false;
        }
        let peer = peers.remove(0);
        let route = self.trunk_route(&name, &user, peer, peers);
        self.start_fork(invite, route)
    }

    /// Keeps the failure that tells the caller most.
    fn note_failure(&mut self, invite: InviteId, code: u16, reason: &str, by: RejectedBy) {
        let Some(calling) = self.calling(invite) else { return };
        if calling.worst.as_ref().is_none_or(|(known, ..)| weight(code) > weight(*known)) {
            calling.worst = Some((code, reason.to_owned(), by));
        }
    }

    fn give_up_if_hopeless(&mut self, invite: InviteId) {
        let Some(calling) = self.calling(invite).filter(|calling| calling.forks.is_empty()) else { return };
        let (code, reason, by) = calling.worst.take().unwrap_or((480, String::new(), RejectedBy::Us));
        let redirected = calling.redirected.take().filter(|_| (300..=302).contains(&code));
        self.finish(invite);
        self.tell(match redirected {
            Some(redirected) => Event::Redirected(redirected),
            None => Event::Rejected { invite, code, reason, by },
        });
    }

    /// [`Command::End`](super::Command::End).
    pub(super) fn end(&mut self, invite: InviteId, code: u16, reason: &str) {
        let header = reason_header(code, reason);
        let Some(invitation) = self.invites.get_mut(&invite) else { return };
        let must_wait = invitation.must_wait();
        match &mut invitation.phase {
            Phase::Ringing { .. } => {
                let code = if code < 300 { 480 } else { code };
                self.reject(invite, code, reason, None);
            }
            Phase::Calling(_) => {
                for fork in self.take_forks(invite) {
                    self.cancel_client(fork.client, header.clone());
                }
                self.finish(invite);
            }
            Phase::Up if must_wait => {
                invitation.phase = Phase::Leaving { reason: header };
                invitation.later = None;
                self.refuse_pending_reoffer(invite, 487);
            }
            Phase::Up => self.hang_up(invite, header),
            Phase::Leaving { .. } => {}
        }
    }
}

/// Headers known to us that a program may add to an INVITE. Those that say who calls are written by `identity`.
const MAY_BE_ADDED: [Name; 7] =
    [Name::AlertInfo, Name::CallInfo, Name::Date, Name::Identity, Name::Priority, Name::Subject, Name::UserToUser];

/// How many hops an invitation may make.
fn max_forwards(wish: &Invite) -> u8 {
    let wanted = wish.headers.iter().find(|(name, _)| Name::of(name.as_bytes()) == Name::MaxForwards);
    wanted.and_then(|(_, value)| value.parse().ok()).unwrap_or(MAX_FORWARDS).min(MAX_FORWARDS)
}

fn is_header(name: &str, value: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    !name.is_empty() && name.bytes().all(token) && !value.chars().any(char::is_control)
}

/// How much a failure tells: a global refusal most, silence least.
pub(super) const fn weight(code: u16) -> u16 {
    match code {
        600..=699 => 1_000,
        // Lower classes come first (RFC 3261 section 16.7 step 6).
        300..=302 => 950,
        486 => 900,
        480 => 500,
        408 => 100,
        503 => 90,
        400..=499 => 700,
        303..=399 => 300,
        _ => 200,
    }
}

/// RFC 3326. A code below 300 without a text says nothing worth a header.
fn reason_header(code: u16, reason: &str) -> Option<String> {
    if code < 300 && reason.is_empty() {
        return None;
    }
    let text: Arc<str> = if reason.is_empty() { phrase(code).into() } else { reason.into() };
    Some(format!("SIP;cause={code};text={}", crate::message::Quoted(&text)))
}
