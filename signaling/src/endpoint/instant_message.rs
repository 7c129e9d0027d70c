//! MESSAGE (RFC 3428) from one of our users to the devices of another.
//!
//! A message is not passed through but made anew: nothing of the sender's request goes on but the text, the
//! name and the hops left. It is kept nowhere: the sender learns what the devices said. Text is personal;
//! neither events nor logs carry it.

use std::{collections::HashMap, sync::Arc};

use super::{
    Endpoint,
    client_transaction::{ClientMethod, NewClient, Purpose, new_branch},
    config::Limits,
    contract::{Binding, Destination, InviteId},
    limits::Buckets,
    server_transaction::Incoming,
    slab::Key,
    text::{EscapedUser, MAX_FORWARDS, Token, phrase},
    timers::{Alarm, Ms, Owner},
    uac::weight,
};
use crate::{
    hashing::Seeded,
    message::{Message, Name, NameAddr, RequestBuilder, Uri},
};

/// The longest request on a path that may have no congestion control (RFC 3428 section 8), in bytes.
const LONGEST_REQUEST: usize = 1_300;
/// What a text is sent as.
const TEXT: &str = "text/plain;charset=UTF-8";
/// How many senders are remembered; the oldest gives way.
const MOST_SENDERS: usize = 16_384;
/// Longer display names are cut, in letters.
const LONGEST_NAME: usize = 64;

/// Messages on their way, and how many more each account may send.
#[derive(Debug)]
pub(super) struct Relays {
    rows: HashMap<u64, Relay, Seeded>,
    last: u64,
    rate: Buckets<Arc<str>>,
}

/// One message on its way to the devices of its receiver.
#[derive(Debug)]
struct Relay {
    /// The sender's request.
    server: Key,
    /// Devices that have not answered.
    open: usize,
    /// The most telling failure so far.
    worst: u16,
    end_at: Ms,
    alarm: Alarm,
}

impl Relays {
    pub(super) fn new(limits: &Limits, hasher: Seeded) -> Self {
        let rate = Buckets::new(limits.message_rate_per_s, limits.message_burst, MOST_SENDERS, hasher);
        Self { rows: HashMap::with_hasher(hasher), last: 0, rate }
    }
}

impl Endpoint {
    /// A MESSAGE outside any dialog.
    pub(super) fn instant_message(&mut self, incoming: &Incoming<'_>) {
        let Incoming { flow, message, .. } = *incoming;
        if self.draining || !self.has_room(false) {
            return self.overloaded(flow, message);
        }
        if self.trunks.of_flow(&flow).is_some() {
            // Carriers have no business with our users' screens.
            return self.refuse(flow, message, 403, phrase(403), |builder| builder);
        }
        let Some(sender) = self.proved_account(flow, message) else { return };
        if self.is_merged(incoming) {
            return self.refuse(flow, message, 482, phrase(482), |builder| builder);
        }
        let from =
            message.from().ok().filter(|from| from.uri().and_then(|uri| uri.user_decoded()).is_some_and(|user| *user == *sender));
        let Some(from) = from else { return self.answer(incoming, 403, |builder| builder) };
        if !is_plain_text(message) {
            return self.answer(incoming, 415, |builder| {
                builder.header(Name::Accept, "text/plain").header(Name::AcceptEncoding, "identity")
            });
        }
        if !self.messages.rate.take(self.now, sender.clone()) {
            let after = self.config.limits.retry_after_s;
            return self.answer(incoming, 480, |builder| builder.header(Name::RetryAfter, after));
        }
        match self.copies(message, &sender, &from) {
            Ok(copies) => self.relay(incoming, copies),
            Err(code) => self.answer(incoming, code, |builder| builder),
        }
    }

    /// The requests that bring a text to its receiver's devices.
    fn copies(&mut self, message: &Message, sender: &str, from: &NameAddr<'_>) -> Result<Vec<NewClient>, u16> {
        if message.body().is_empty() || str::from_utf8(message.body()).is_err() {
            return Err(400);
        }
        if message.body().len() > LONGEST_REQUEST {
            return Err(413);
        }
        let hops = message.max_forwards().ok().flatten().unwrap_or(MAX_FORWARDS).min(MAX_FORWARDS);
        let hops = hops.checked_sub(1).ok_or(483_u16)?;
        let uri = Uri::parse(message.request_uri()).filter(Uri::is_sip).ok_or(416_u16)?;
        let user = uri.user_decoded().filter(|_| self.hosts(&uri)).ok_or(404_u16)?;
        self.registrar.account(&user).ok_or(404_u16)?;
        let bindings: Vec<Binding> = self.registrar.bindings(&user).cloned().collect();
        if bindings.is_empty() {
            return Err(480);
        }
        let display: String = from.display_name().chars().take(LONGEST_NAME).collect();
        let text = Text { sender, display: &display, receiver: &user, hops, body: message.body() };
        let copies: Vec<NewClient> = bindings.iter().filter_map(|binding| self.copy_for(binding, &text)).collect();
        if copies.is_empty() { Err(413) } else { Ok(copies) }
    }

    /// The request for one device; `None` when it would be too long for its way.
    fn copy_for(&mut self, binding: &Binding, text: &Text<'_>) -> Option<NewClient> {
        let (branch, tag, call_id) = (self.random(), self.random(), self.random());
        let to = Destination::Flow(binding.flow);
        let (transport, address) = self.our_address(&to);
        let mut builder = RequestBuilder::new("MESSAGE", &binding.contact)
            .via(transport, address, &new_branch(branch))
            .max_forwards(text.hops)
            .from(text.display, format_args!("sip:{}@{address}", EscapedUser(text.sender)), Token::new(tag).as_str())
            .to("", format_args!("sip:{}@{address}", EscapedUser(text.receiver)), None)
            .call_id(Token::new(call_id).as_str())
            .cseq(1);
        if !self.config.product.is_empty() {
            builder = builder.header(Name::UserAgent, &self.config.product);
        }
        let message = builder.build_with_body(TEXT, text.body).ok()?;
        let fits = transport.is_reliable() || message.len() <= LONGEST_REQUEST;
        fits.then(|| NewClient::new(branch, ClientMethod::Other, to, message))
    }

    /// Sends the copies; the sender is answered when a device has.
    fn relay(&mut self, incoming: &Incoming<'_>, copies: Vec<NewClient>) {
        let tag = self.random();
        let server = self.open_server(incoming, InviteId(0), tag);
        self.messages.last += 1;
        let id = self.messages.last;
        // The sender waits for 64 T1 and no longer, and must hear of it before (RFC 4320 section 4.2).
        let end_at = self.now + 32 * self.timing.t1;
        let mut relay = Relay { server, open: copies.len(), worst: 480, end_at, alarm: Alarm::new() };
        self.timers.set(&mut relay.alarm, end_at, Owner::Relay(id));
        self.messages.rows.insert(id, relay);
        for copy in copies {
            self.start_client(NewClient { purpose: Purpose::Relay(id), ..copy });
        }
    }

    /// A device answered, or could not be reached (408, 503). The first that takes the text decides: 200 when
    /// it has it, 202 when it only will (RFC 3428 section 7).
    pub(super) fn relayed(&mut self, id: u64, code: u16) {
        let Some(relay) = self.messages.rows.get_mut(&id) else { return };
        relay.open = relay.open.saturating_sub(1);
        let told = match code {
            202 => Some(202),
            200..=299 => Some(200),
            _ => {
                let code = told_of(code);
                if weight(code) > weight(relay.worst) {
                    relay.worst = code;
                }
                (relay.open == 0).then_some(relay.worst)
            }
        };
        if let Some(code) = told {
            self.end_relay(id, code);
        }
    }

    /// A heap entry of a message was popped.
    pub(super) fn relay_due(&mut self, id: u64, at: Ms) {
        let now = self.now;
        let Some(relay) = self.messages.rows.get_mut(&id) else { return };
        if relay.alarm.popped(at) && relay.end_at <= now {
            let code = relay.worst;
            self.end_relay(id, code);
        }
    }

    fn end_relay(&mut self, id: u64, code: u16) {
        if let Some(gone) = self.messages.rows.remove(&id) {
            let reason = if code == 202 { "Accepted" } else { "" };
            self.reply(gone.server, code, reason, |builder| builder, None);
        }
    }
}

/// What all copies of a message have in common.
struct Text<'a> {
    sender: &'a str,
    display: &'a str,
    receiver: &'a str,
    hops: u8,
    body: &'a [u8],
}

/// Whether a body is plain text as it stands; UTF-8 is what we take and what is meant when nothing is said.
fn is_plain_text(message: &Message) -> bool {
    let encoded = message.headers(Name::ContentEncoding).any(|encoding| !encoding.eq_ignore_ascii_case("identity"));
    let Some(kind) = message.content_type() else { return message.body().is_empty() };
    let charset = kind.params.get_unquoted("charset");
    let readable = charset.is_none_or(|charset| ["utf-8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known)));
    !encoded && readable && kind.is("text", "plain")
}

/// What a sender is told for what a device said. Its challenge is not for them, and silence is never 408
/// (RFC 4320 section 4.1).
const fn told_of(code: u16) -> u16 {
    match code {
        300..=399 | 401 | 407 | 408 | 481 | 503 => 480,
        _ => code,
    }
}
