//! Sorts what comes in: replies to their transaction, repetitions to theirs, requests in dialogs to
//! their invitation, and the rest to the handler of their method.
//!
//! A request is checked in this order: syntax, method, Require, body; only then is it asked who
//! sends it. So a stranger learns what RFC 3261 section 8.2 wants him to, and nothing else.

use bytes::Bytes;

use super::{
    Endpoint,
    contract::{InviteId, Output},
    outbound::REGISTER_EXTENSIONS,
    reliable::REL,
    server_transaction::Incoming,
    session_timer::TIMER,
    text::{Token, phrase},
};
use crate::{
    flow::Flow,
    message::{Message, Method, Name, ParseError, ResponseBuilder, Unacceptable},
};

/// What we serve.
pub(super) const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REGISTER, SUBSCRIBE, MESSAGE, REFER, NOTIFY";

/// The extensions that we offer of a new call. Replaces is not among them: the program has the last word on it.
pub(super) const SUPPORTED: &str = "100rel, timer, norefersub";

/// And in a running one, where progress of ours asks nothing of anybody.
pub(super) const SUPPORTED_INSIDE: &str = "timer, norefersub";

/// The extensions that a request may require of us, and of which method it must be, if that matters: reliable
/// progress (RFC 3262), session timers (RFC 4028), Replaces (RFC 3891), REFER without a subscription (RFC 4488),
/// Path (RFC 3327) and outbound (RFC 5626).
const KNOWN: [(&str, Option<Method>); 6] = [
    (REL, None),
    (TIMER, None),
    ("replaces", Some(Method::Invite)),
    ("norefersub", Some(Method::Refer)),
    ("path", Some(Method::Register)),
    ("outbound", Some(Method::Register)),
];

/// The bodies that we read.
pub(super) const ACCEPT: &str = "application/sdp";

impl Endpoint {
    pub(super) fn received(&mut self, flow: Flow, bytes: Bytes) {
        let too_long = bytes.len() > self.config.limits.max_message_bytes;
        match Message::parse(bytes) {
            Ok(message) if !message.is_request() => self.response(flow, &message),
            Ok(message) if too_long => self.refuse(flow, &message, 513, "Message Too Large", |builder| builder),
            Ok(message) => self.request(flow, &message),
            Err(ParseError::Unacceptable(broken)) => self.refuse_broken(flow, &broken),
            Err(_) => {}
        }
    }

    /// Tells the sender what is wrong, unless the fault is in what the reply would have to repeat.
    fn refuse_broken(&mut self, flow: Flow, broken: &Unacceptable) {
        let before = self.outputs.len();
        self.refuse(flow, &broken.message, broken.fault.code, broken.fault.reason, |builder| builder);
        let unreadable =
            matches!(self.outputs.back(), Some(Output::Transmit { bytes, .. }) if Message::parse(bytes.clone()).is_err());
        if self.outputs.len() > before && unreadable {
            self.outputs.pop_back();
        }
    }

    fn request(&mut self, flow: Flow, message: &Message) {
        let read = message.validate_request().and_then(|()| Incoming::read(flow, message));
        let incoming = match read {
            Ok(incoming) => incoming,
            Err(fault) => return self.refuse(flow, message, fault.code, fault.reason, |builder| builder),
        };
        let known = self.servers.find(self.transaction_id(&incoming, message.method()));
        if incoming.method == Method::Ack {
            let absorbed = known.is_some_and(|key| self.server_acked(key));
            if !absorbed && let Some((invite, 0)) = self.dialog_of(&incoming) {
                self.acknowledged(invite, &incoming);
            }
            return;
        }
        if let Some(key) = known {
            return self.request_again(key);
        }
        match incoming.method {
            Method::Cancel => self.cancel_requested(&incoming),
            _ if !self.acceptable(&incoming) => {}
            Method::Subscribe if self.subscription_of(&incoming).is_some() => self.resubscribe(&incoming),
            _ if incoming.to_tag.is_some() => self.in_dialog(&incoming),
            Method::Invite => self.invited(&incoming),
            Method::Register => self.register(&incoming),
            Method::Options => self.asked_for_options(&incoming),
            Method::Subscribe => self.subscribe(&incoming),
            Method::Message => self.instant_message(&incoming),
            // Outside a dialog there is no call to transfer; whoever asks is not even told who may.
            Method::Refer => self.refuse(flow, message, 403, phrase(403), |builder| builder),
            _ => self.refuse(flow, message, 481, phrase(481), |builder| builder),
        }
    }

    /// Checks what RFC 3261 section 8.2 says to check of every request, and replies if it fails.
    fn acceptable(&mut self, incoming: &Incoming<'_>) -> bool {
        let Incoming { flow, message, method, .. } = *incoming;
        let allow = |builder: ResponseBuilder| builder.header(Name::Allow, ALLOW);
        match method {
            Method::Invite | Method::Bye | Method::Register | Method::Options | Method::Update | Method::Info | Method::Prack => {
            }
            // A NOTIFY comes only where we asked for it: in a dialog.
            Method::Notify if incoming.to_tag.is_some() => {}
            Method::Refer | Method::Subscribe | Method::Message => {}
            Method::Other => {
                self.refuse(flow, message, 501, "Not Implemented", allow);
                return false;
            }
            _ => {
                self.refuse(flow, message, 405, "Method Not Allowed", allow);
                return false;
            }
        }
        let is_known =
            |tag: &str| KNOWN.iter().any(|(known, of)| of.is_none_or(|of| of == method) && known.eq_ignore_ascii_case(tag));
        let asked = [Name::Require, Name::ProxyRequire].into_iter().flat_map(|name| message.headers(name));
        let required: Vec<&str> = asked.filter(|tag| !is_known(tag)).collect();
        if !required.is_empty() {
            let list = required.join(", ");
            self.refuse(flow, message, 420, "Bad Extension", |builder| builder.header(Name::Unsupported, list));
            return false;
        }
        // RFC 3891 section 3: only an INVITE can take a place.
        if message.has(Name::Replaces) && method != Method::Invite {
            self.refuse(flow, message, 400, "Replaces Outside of INVITE", |builder| builder);
            return false;
        }
        let takes_sdp = matches!(method, Method::Invite | Method::Update | Method::Prack);
        if takes_sdp && !message.body().is_empty() && !has_plain_sdp(message) {
            self.refuse(flow, message, 415, "Unsupported Media Type", |builder| {
                builder.header(Name::Accept, ACCEPT).header(Name::AcceptEncoding, "identity")
            });
            return false;
        }
        true
    }

    /// The invitation of a request in a dialog, and which of its dialogs: our tag, their tag and the
    /// Call-ID must all be right.
    pub(super) fn dialog_of(&self, incoming: &Incoming<'_>) -> Option<(InviteId, u64)> {
        let tag = Token::read(incoming.to_tag?)?;
        let id = *self.by_tag.get(&tag)?;
        Some((id, self.invites.get(&id)?.dialog_with(incoming.from_tag, incoming.call_id)?))
    }

    fn asked_for_options(&mut self, incoming: &Incoming<'_>) {
        let Incoming { flow, message, .. } = *incoming;
        // Once and forgotten: asking again does no harm (RFC 3261 section 11.2).
        let (code, reason) = if self.draining { (503, "Service Unavailable") } else { (200, "OK") };
        self.refuse(flow, message, code, reason, options_headers);
    }
}

/// What we can do (RFC 3261 section 11.2).
pub(super) fn options_headers(builder: ResponseBuilder) -> ResponseBuilder {
    builder
        .header(Name::Allow, ALLOW)
        .header(Name::AllowEvents, super::package::ALLOW_EVENTS)
        .header(Name::Accept, format_args!("{ACCEPT}, text/plain"))
        .header(Name::AcceptEncoding, "identity")
        .header(Name::Supported, format_args!("{SUPPORTED}, {}", REGISTER_EXTENSIONS.join(", ")))
}

/// Whether the body is SDP as it stands.
fn has_plain_sdp(message: &Message) -> bool {
    let encoded = message.headers(Name::ContentEncoding).any(|encoding| !encoding.eq_ignore_ascii_case("identity"));
    !encoded && message.content_type().is_some_and(|body| body.is_sdp())
}

/// The SDP of a message, if it has any.
pub(super) fn sdp_of(message: &Message) -> Option<Bytes> {
    let present = !message.body().is_empty() && has_plain_sdp(message);
    present.then(|| message.body_bytes())
}
