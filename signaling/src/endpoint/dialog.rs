//! One dialog (RFC 3261 section 12): what its requests are made from, and where they go.

use std::net::{IpAddr, SocketAddr};

use super::{
    contract::Destination,
    slab::Key,
    text::{MAX_FORWARDS, Token},
};
use crate::{
    flow::{Flow, Transport},
    message::{Fault, Message, Name, NameAddr, RequestBuilder, Uri},
};

/// Longer route sets are refused: no real path has so many proxies.
pub(super) const MOST_ROUTES: usize = 16;

/// One dialog, seen from our end.
#[derive(Debug)]
pub(super) struct Dialog {
    pub(super) local_tag: u64,
    pub(super) call_id: Box<str>,
    pub(super) remote_tag: Box<str>,
    /// Our From, without the tag.
    pub(super) local: Box<str>,
    /// Their From or To, with the tag.
    pub(super) remote: Box<str>,
    pub(super) target: Box<str>,
    pub(super) routes: Box<[Box<str>]>,
    pub(super) local_cseq: u32,
    pub(super) remote_cseq: Option<u32>,
    /// Where our requests go.
    pub(super) to: Destination,
    /// The way the dialog began by, or was last heard of with a new target.
    pub(super) flow: Flow,
    pub(super) trust: Trust,
    /// We chose the Call-ID: we are the caller (decides who waits longer after a glare).
    pub(super) ours: bool,
    /// The INVITE transaction that keeps an ACK for us.
    pub(super) acked_by: Option<Key>,
    /// They say that they know UPDATE.
    pub(super) takes_update: bool,
}

/// How far a Contact or Record-Route is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Devices: they are where their messages come from, whatever they say (NAT).
    Source,
    /// Trunks: they may send us to another address of theirs.
    Contact,
}

impl Dialog {
    /// The dialog that an INVITE to us begins. A missing Contact (RFC 2543) is made up from From.
    pub(super) fn uas(request: &Message, flow: Flow, local_tag: u64, trust: Trust) -> Result<Self, Fault> {
        let (from, to) = (request.from()?, request.to()?);
        let target = contact_of(request).unwrap_or_else(|| from.uri_text.into());
        let routes = routes_of(request, false)?;
        let to_destination = next_hop(&target, &routes, flow, trust);
        Ok(Self {
            local_tag,
            call_id: request.call_id()?.into(),
            remote_tag: from.tag().unwrap_or_default().into(),
            local: without_tag(&to),
            remote: address_text(&from),
            target,
            routes,
            local_cseq: 0,
            remote_cseq: Some(request.cseq()?.number),
            to: to_destination,
            flow,
            trust,
            ours: false,
            acked_by: None,
            takes_update: request.lists(Name::Allow, "UPDATE"),
        })
    }

    /// The dialog that a 2xx to our INVITE begins. A missing Contact is made up from To.
    pub(super) fn uac(response: &Message, flow: Flow, local_tag: u64, trust: Trust) -> Result<Self, Fault> {
        let (from, to) = (response.from()?, response.to()?);
        let target = contact_of(response).unwrap_or_else(|| to.uri_text.into());
        let routes = routes_of(response, true)?;
        let to_destination = next_hop(&target, &routes, flow, trust);
        Ok(Self {
            local_tag,
            call_id: response.call_id()?.into(),
            remote_tag: to.tag().unwrap_or_default().into(),
            local: without_tag(&from),
            remote: address_text(&to),
            target,
            routes,
            local_cseq: response.cseq()?.number,
            remote_cseq: None,
            to: to_destination,
            flow,
            trust,
            ours: true,
            acked_by: None,
            takes_update: response.lists(Name::Allow, "UPDATE"),
        })
    }

    /// Whether a request that carries our tag belongs here.
    pub(super) fn matches(&self, from_tag: &str, call_id: &str) -> bool {
        *from_tag == *self.remote_tag && *call_id == *self.call_id
    }

    /// Takes the CSeq number of a new request; `false` when it is lower than one before (RFC 3261 section 12.2.2).
    /// The same number once more is not: some phones do not count the request by which they answered a challenge,
    /// and their BYE would never be taken.
    pub(super) fn take_cseq(&mut self, number: u32) -> bool {
        let in_order = self.remote_cseq.is_none_or(|last| number >= last);
        if in_order {
            self.remote_cseq = Some(number);
        }
        in_order
    }

    /// A new Contact of the other side (target refresh), and the way it came.
    pub(super) fn refresh(&mut self, message: &Message, flow: Flow) {
        if let Some(target) = contact_of(message) {
            self.target = target;
        }
        self.flow = flow;
        self.to = next_hop(&self.target, &self.routes, flow, self.trust);
        self.note_allow(message);
    }

    /// What they know now, if they say.
    pub(super) fn note_allow(&mut self, message: &Message) {
        if message.has(Name::Allow) {
            self.takes_update = message.lists(Name::Allow, "UPDATE");
        }
    }

    /// Whether both are the same dialog; our tag and the Call-ID are known to be.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.local_tag == other.local_tag && self.remote_tag == other.remote_tag
    }

    /// Goes on where the early dialog was: only its route is new (RFC 3261 section 13.2.2.4).
    pub(super) fn carry_on(&mut self, early: &Self) {
        (self.local_cseq, self.remote_cseq) = (early.local_cseq, early.remote_cseq);
        self.takes_update |= early.takes_update;
    }

    /// Where its requests go first, as written: the nearest proxy, or the other side itself.
    pub(super) fn first_hop(&self) -> &str {
        self.routes.first().unwrap_or(&self.target)
    }

    /// Whether that is a name: then only the addresses of the trunk say where it leads (RFC 3263).
    pub(super) fn goes_by_name(&self) -> bool {
        let text = NameAddr::parse(self.first_hop()).map_or(self.first_hop(), |hop| hop.uri_text);
        Uri::parse(text).filter(Uri::is_sip).is_some_and(|hop| hop.address().is_none())
    }

    /// Begins a request in the dialog, up to the headers that every one has. `cseq` is the ACK's or
    /// the next one, counted by the caller.
    pub(super) fn request(&self, method: &str, cseq: u32, ours: (Transport, SocketAddr), branch: &str) -> RequestBuilder {
        // A first route without `lr` is a strict router: it wants to be the Request-URI, and the
        // target goes to the end (RFC 3261 section 12.2.1.1).
        let strict = self.routes.first().and_then(|route| NameAddr::parse(route)).filter(|route| !route.is_loose_route());
        let mut builder = RequestBuilder::new(method, strict.map_or(&*self.target, |route| route.uri_text))
            .via(ours.0, ours.1, branch)
            .max_forwards(MAX_FORWARDS);
        let skip = usize::from(strict.is_some());
        builder = builder.routes(self.routes.iter().skip(skip).map(|route| &**route));
        if skip == 1 {
            builder = builder.header(Name::Route, format_args!("<{}>", self.target));
        }
        let tag = Token::new(self.local_tag);
        builder
            .header(Name::From, format_args!("{};tag={tag}", self.local))
            .header(Name::To, &self.remote)
            .call_id(&self.call_id)
            .cseq(cseq)
    }
}

fn contact_of(message: &Message) -> Option<Box<str>> {
    let contact = message.contacts().next()?.ok()?;
    let uri = contact.address()?.uri()?;
    // Headers in a URI are never followed: they could not be headers of ours.
    let end = uri.as_str().len() - if uri.headers.is_empty() { 0 } else { uri.headers.len() + 1 };
    uri.as_str().get(..end).map(Into::into)
}

fn routes_of(message: &Message, reversed: bool) -> Result<Box<[Box<str>]>, Fault> {
    let mut routes = Vec::new();
    for value in message.headers(Name::RecordRoute) {
        if routes.len() == MOST_ROUTES || NameAddr::parse(value).is_none_or(|route| route.uri().is_none()) {
            return Err(Fault::bad("Malformed Record-Route header"));
        }
        routes.push(crate::message::unfold(value).into());
    }
    if reversed {
        routes.reverse();
    }
    Ok(routes.into())
}

fn address_text(address: &NameAddr<'_>) -> Box<str> {
    let mut text = without_tag(address).into_string();
    if let Some(tag) = address.tag() {
        text.push_str(";tag=");
        text.push_str(tag);
    }
    text.into()
}

/// The address in brackets, with its display name; header parameters are of no use to us.
fn without_tag(address: &NameAddr<'_>) -> Box<str> {
    let display = crate::message::unfold(address.display);
    let space = if display.is_empty() { "" } else { " " };
    format!("{display}{space}<{}>", address.uri_text).into()
}

/// Where requests of a dialog go: RFC 3261 section 12.2.1.1 where that can work, else back by the
/// way they came.
fn next_hop(target: &str, routes: &[Box<str>], flow: Flow, trust: Trust) -> Destination {
    let route = routes.first().and_then(|route| NameAddr::parse(route));
    let hop = Uri::parse(route.map_or(target, |route| route.uri_text)).filter(Uri::is_sip);
    let address = hop.as_ref().and_then(|hop| Some((hop, hop.address()?)));
    let Some((hop, ip)) = address else { return Destination::Flow(flow) };
    if !flow.transport.can_be_dialled() {
        return Destination::Flow(flow);
    }
    let transport = hop.transport().and_then(Transport::from_name).unwrap_or(match hop.scheme {
        crate::message::Scheme::Sips => Transport::Tls,
        _ => flow.transport,
    });
    let port = hop.port.unwrap_or(transport.default_port());
    if ip == flow.remote.ip() {
        let same_socket = flow.transport == Transport::Udp && transport == Transport::Udp && port != 0;
        let remote = if same_socket { SocketAddr::new(ip, port) } else { flow.remote };
        return Destination::Flow(Flow { remote, ..flow });
    }
    if trust == Trust::Contact && transport.can_be_dialled() && port != 0 && reach(ip) == reach(flow.remote.ip()) {
        return Destination::Address { transport, to: SocketAddr::new(ip, port) };
    }
    Destination::Flow(flow)
}

/// How far an address reaches: a message from the Internet never sends us into our own network.
#[derive(PartialEq, Eq)]
enum Reach {
    Loopback,
    Private,
    Global,
    Never,
}

fn reach(ip: IpAddr) -> Reach {
    let ip = ip.to_canonical();
    if ip.is_unspecified() || ip.is_multicast() {
        return Reach::Never;
    }
    if ip.is_loopback() {
        return Reach::Loopback;
    }
    let private = match ip {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_link_local() || v4.is_broadcast() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xC0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    if private { Reach::Private } else { Reach::Global }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(contact: &str, trust: Trust, transport: Transport) -> String {
        let remote = "198.51.100.7:4071".parse().unwrap();
        let flow = Flow { transport, local: "192.0.2.1:5060".parse().unwrap(), remote, connection: None };
        match next_hop(contact, &[], flow, trust) {
            Destination::Flow(flow) => format!("flow {}", flow.remote),
            Destination::Address { transport, to } => format!("{transport} {to}"),
        }
    }

    #[test]
    fn a_device_is_where_its_messages_come_from_and_a_trunk_where_it_says() {
        let (udp, tcp) = (Transport::Udp, Transport::Tcp);
        assert_eq!(hop("sip:a@10.0.0.5:5062", Trust::Source, udp), "flow 198.51.100.7:4071");
        assert_eq!(hop("sip:a@198.51.100.7:5062", Trust::Source, udp), "flow 198.51.100.7:5062");
        assert_eq!(hop("sip:a@198.51.100.7:5062", Trust::Source, tcp), "flow 198.51.100.7:4071");
        assert_eq!(hop("sip:a@198.51.100.9", Trust::Contact, udp), "UDP 198.51.100.9:5060");
        assert_eq!(hop("sip:a@198.51.100.9;transport=tcp", Trust::Contact, udp), "TCP 198.51.100.9:5060");
        assert_eq!(hop("sip:a@127.0.0.1:5432", Trust::Contact, udp), "flow 198.51.100.7:4071");
        assert_eq!(hop("sip:a@239.1.1.1", Trust::Contact, udp), "flow 198.51.100.7:4071");
        assert_eq!(hop("sip:a@pc33.example.com", Trust::Contact, udp), "flow 198.51.100.7:4071");
        // Browsers cannot be dialled (RFC 7118): neither there nor from there.
        assert_eq!(hop("sip:a@198.51.100.9;transport=ws", Trust::Contact, tcp), "flow 198.51.100.7:4071");
        for transport in [Transport::Ws, Transport::Wss] {
            assert_eq!(hop("sip:a@198.51.100.9;transport=tcp", Trust::Contact, transport), "flow 198.51.100.7:4071");
            assert_eq!(hop("sip:a@df7jal23ls0d.invalid;transport=ws", Trust::Source, transport), "flow 198.51.100.7:4071");
        }
    }
}
