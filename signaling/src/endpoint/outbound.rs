//! Registrations by flow: SIP outbound (RFC 5626) and Path (RFC 3327).
//!
//! A device that speaks outbound opens several connections and registers by each: its bindings are named by its
//! instance and the number of the registration, not by their contacts, and a call tries one after the other. We are
//! registrar and edge in one and call back by the flow itself, so no token stands for it in a URI; a proxy before us
//! has its own in its Path.

use std::sync::Arc;

use super::{
    Endpoint,
    contract::{Binding, Destination, Invite, InviteId, Outbound, Target},
    uac::Route,
};
use crate::{
    flow::{Flow, Transport},
    message::{ContactHeader, Message, Name, NameAddr, Quoted, ResponseBuilder, Uri, unfold},
};

/// What a REGISTER may require of us.
pub(super) const REGISTER_EXTENSIONS: [&str; 2] = ["path", "outbound"];
/// Longer paths are refused: no real way has so many proxies.
const MOST_PROXIES: usize = 8;
/// Longer values of Path, and names of instances, are refused, in bytes.
const LONGEST_PATH: usize = 512;
const LONGEST_INSTANCE: usize = 256;
/// How often a device should say that it is there (RFC 5626 section 4.4), in seconds. Routers forget a way of UDP in
/// half a minute.
const FLOW_TIMER_UDP_S: u32 = 25;
const FLOW_TIMER_STREAM_S: u32 = 120;

/// What a REGISTER says of the way to its device.
#[derive(Clone, Debug, Default)]
pub(super) struct Registering {
    /// The device speaks outbound.
    outbound: bool,
    /// The device knows Path, so it is told.
    path: bool,
    /// The proxies between us and the device, the nearest to us first.
    pub(super) proxies: Arc<[Box<str>]>,
}

/// Why a REGISTER with outbound or Path is refused, as a status code.
pub(super) struct Refused(pub(super) u16);

impl Registering {
    pub(super) fn read(message: &Message) -> Result<Self, Refused> {
        let lists = |tag: &str| {
            let mut listed = message.headers(Name::Supported).chain(message.headers(Name::Require));
            listed.any(|option| option.eq_ignore_ascii_case(tag))
        };
        let proxies: Vec<Box<str>> = message.headers(Name::Path).map(|value| unfold(value).into()).collect();
        let is_way = |value: &str| {
            value.len() <= LONGEST_PATH && NameAddr::parse(value).and_then(|proxy| proxy.uri()).is_some_and(|uri| uri.is_sip())
        };
        if proxies.len() > MOST_PROXIES || !proxies.iter().all(|value| is_way(value)) {
            return Err(Refused(400));
        }
        Ok(Self { outbound: lists("outbound"), path: lists("path"), proxies: proxies.into() })
    }

    /// The instance and number of the one contact that is registered by its flow, if any is (RFC 5626 section 6).
    pub(super) fn flow_of(&self, message: &Message, contact: &ContactHeader<'_>) -> Result<Option<Outbound>, Refused> {
        let (Some(address), true) = (contact.address(), self.outbound) else { return Ok(None) };
        let (Some(instance), Some(number)) = (contact.instance(), address.params.get("reg-id")) else { return Ok(None) };
        let reg_id = number.parse().ok().filter(|number| (1..1 << 31).contains(number)).ok_or(Refused(400))?;
        let is_name = (1..=LONGEST_INSTANCE).contains(&instance.len()) && !instance.chars().any(char::is_control);
        if !is_name {
            return Err(Refused(400));
        }
        // Through a proxy that knows nothing of flows there is none to come back by.
        let nearest = self.proxies.last().and_then(|value| NameAddr::parse(value)?.uri());
        if message.headers(Name::Via).count() > 1 && !nearest.is_some_and(|uri: Uri<'_>| uri.params.has("ob")) {
            return Err(Refused(439));
        }
        Ok(Some(Outbound { instance: (*instance).into(), reg_id }))
    }

    /// What the 200 says besides the contacts.
    pub(super) fn confirm(&self, builder: ResponseBuilder, flow: &Flow, by_flow: bool) -> ResponseBuilder {
        let known = if self.path { &*self.proxies } else { &[] };
        let builder = known.iter().fold(builder, |builder, proxy| builder.header(Name::Path, proxy));
        if !by_flow {
            return builder;
        }
        let timer = if flow.transport == Transport::Udp { FLOW_TIMER_UDP_S } else { FLOW_TIMER_STREAM_S };
        builder.header(Name::Require, "outbound").header(Name::FlowTimer, timer)
    }
}

/// The parameters of a contact that is registered by its flow.
pub(super) fn contact_params(binding: &Binding) -> String {
    let params = |outbound: &Outbound| format!(";reg-id={};+sip.instance={}", outbound.reg_id, Quoted(&outbound.instance));
    binding.outbound.as_ref().map(params).unwrap_or_default()
}

impl Invite {
    /// The offer for whoever is reached by a transport.
    pub(super) fn sdp_by(&self, transport: Transport) -> &bytes::Bytes {
        let web = self.web_sdp.as_ref().filter(|_| matches!(transport, Transport::Ws | Transport::Wss));
        web.unwrap_or(&self.sdp)
    }
}

impl Endpoint {
    /// Whether a device of an account comes by WebSocket, as browsers do.
    #[must_use]
    pub fn comes_by_web_socket(&self, user: &str) -> bool {
        let is_web = |binding: &Binding| matches!(binding.flow.transport, Transport::Ws | Transport::Wss);
        self.registrar.bindings(user).any(is_web)
    }

    /// Whether all devices of an account do.
    #[must_use]
    pub fn comes_by_web_socket_only(&self, user: &str) -> bool {
        let is_web = |binding: &Binding| matches!(binding.flow.transport, Transport::Ws | Transport::Wss);
        self.comes_by_web_socket(user) && self.registrar.bindings(user).all(is_web)
    }

    /// The ways to the devices of an account: one to each, with the device's other flows behind it (RFC 5626 section
    /// 5.3: never two flows of one instance at a time).
    pub(super) fn routes_to_devices(&self, user: &str) -> Vec<Route> {
        let route = |binding: &Binding| Route {
            request_uri: binding.contact.to_string(),
            to: Destination::Flow(binding.flow),
            next_peers: Vec::new(),
            path: Arc::clone(&binding.path),
            next_flows: Vec::new(),
        };
        let mut devices: Vec<(Option<&str>, Route)> = Vec::new();
        for binding in self.registrar.bindings(user) {
            let instance = binding.outbound.as_ref().map(|outbound| &*outbound.instance);
            match devices.iter_mut().find(|(known, _)| known.is_some() && *known == instance) {
                Some((_, first)) => {
                    // The newest flow is the likeliest to stand.
                    let mut newer = route(binding);
                    std::mem::swap(first, &mut newer);
                    first.next_flows = std::mem::take(&mut newer.next_flows);
                    first.next_flows.insert(0, newer);
                }
                None => devices.push((instance, route(binding))),
            }
        }
        devices.into_iter().map(|(_, route)| route).collect()
    }

    /// A device could not be reached by one of its flows: the next is tried.
    pub(super) fn try_next_flow(&mut self, invite: InviteId, mut flows: Vec<Route>) -> bool {
        if flows.is_empty() {
            return false;
        }
        let mut next = flows.remove(0);
        next.next_flows = flows;
        self.start_fork(invite, next)
    }

    /// A proxy before us says that the way to a device is gone (RFC 5626 section 5.3): so is its binding.
    pub(super) fn flow_failed(&mut self, invite: InviteId, contact: &str) {
        let Some(Target::Account(user)) = self.calling(invite).map(|calling| calling.wish.target.clone()) else { return };
        let changes = self.registrar.flow_failed(&user, contact);
        self.tell_changes(changes);
    }
}
