//! REGISTER (RFC 3261 section 10.3): from the message to what the registrar is asked, and back.

use std::sync::Arc;

use super::{
    Endpoint,
    outbound::{REGISTER_EXTENSIONS, Refused, Registering, contact_params},
    server_transaction::Incoming,
};
use crate::{
    message::{ContactHeader, Message, Name, ResponseBuilder, Uri},
    registrar::{ContactWish, RegisterError, Registration, Wishes},
};

/// Longer contacts are refused, in bytes.
const LONGEST_CONTACT: usize = 1_024;
/// A User-Agent is kept up to this length, in letters.
const USER_AGENT_KEPT: usize = 80;

impl Endpoint {
    pub(super) fn register(&mut self, incoming: &Incoming<'_>) {
        let Incoming { flow, message, .. } = *incoming;
        if !self.has_room(false) {
            return self.overloaded(flow, message);
        }
        // A password even from a trunk's address: a binding is worth more than a call.
        let Some(user) = self.proved_account(flow, message) else { return };
        if !names_only(message, &user) {
            return self.answer(incoming, 403, |builder| builder);
        }
        if !self.is_ours(message) {
            return self.answer(incoming, 404, |builder| builder);
        }
        let read = Registering::read(message).and_then(|way| read_wishes(message, &way).map(|wishes| (way, wishes)));
        let (way, wishes) = match read {
            Ok(read) => read,
            Err(Refused(code)) => return self.answer(incoming, code, |builder| builder),
        };
        let by_flow = matches!(&wishes, Wishes::Each(all) if all.iter().any(|wish| wish.outbound.is_some()));
        let registration = Registration {
            wishes,
            call_id: incoming.call_id.into(),
            cseq: incoming.cseq,
            flow,
            path: Arc::clone(&way.proxies),
            user_agent: message
                .header(Name::UserAgent)
                .unwrap_or_default()
                .chars()
                .take(USER_AGENT_KEPT)
                .collect::<String>()
                .into(),
        };
        match self.registrar.register(self.instant(), &user, &registration) {
            Ok(changes) => {
                let lines = self.binding_lines(&user);
                self.answer(incoming, 200, |builder| {
                    let builder = lines.iter().fold(builder, |builder, line| builder.header(Name::Contact, line));
                    way.confirm(builder, &flow, by_flow).header(Name::Supported, REGISTER_EXTENSIONS.join(", "))
                });
                self.tell_changes(changes);
            }
            Err(error) => self.refuse_registration(incoming, error),
        }
    }

    fn refuse_registration(&mut self, incoming: &Incoming<'_>, error: RegisterError) {
        let (code, min) = match error {
            RegisterError::TooBrief(min) => (423, Some(min)),
            RegisterError::OutOfOrder => (500, None),
            RegisterError::NoAccount | RegisterError::TooMany => (403, None),
        };
        let add = |builder: ResponseBuilder| match min {
            Some(min) => builder.header(Name::MinExpires, min),
            None => builder,
        };
        self.answer(incoming, code, add);
    }

    /// The Contact values of a 200: every binding with the seconds that it has left.
    fn binding_lines(&self, user: &str) -> Vec<String> {
        let now = self.instant();
        let line = |binding: &super::Binding| {
            let left = binding.expires_at.saturating_duration_since(now).as_secs();
            let (contact, q) = (&binding.contact, binding.q);
            let params = contact_params(binding);
            let q = if q == 1_000 { String::new() } else { format!(";q=0.{q:03}") };
            format!("<{contact}>{q};expires={left}{params}")
        };
        self.registrar.bindings(user).map(line).collect()
    }

    /// Whether the address of record is in a domain of ours.
    fn is_ours(&self, message: &Message) -> bool {
        self.config.domains.is_empty() || message.to().ok().and_then(|to| to.uri()).is_some_and(|to| self.is_our_name(&to))
    }

    /// Whether the host of an address may be ours: any may when no domains are configured.
    pub(super) fn hosts(&self, uri: &Uri<'_>) -> bool {
        self.config.domains.is_empty() || self.is_our_name(uri)
    }

    /// Whether a call to a URI stays with us. When no domains are configured, every name is taken as ours, but no
    /// address that is not.
    pub(super) fn stays_here(&self, uri: &Uri<'_>) -> bool {
        (self.config.domains.is_empty() && uri.address().is_none()) || self.is_our_name(uri)
    }

    fn is_our_name(&self, uri: &Uri<'_>) -> bool {
        let named =
            std::iter::once(&self.config.realm).chain(&self.config.domains).any(|ours| ours.eq_ignore_ascii_case(uri.host));
        let listens =
            |ip| self.config.listeners.iter().any(|listener| listener.advertised.ip() == ip || listener.bound.ip() == ip);
        named || uri.address().is_some_and(listens)
    }
}

/// Whether From and To both name the account that proved itself.
fn names_only(message: &Message, user: &str) -> bool {
    [message.from(), message.to()].into_iter().all(|address| {
        address
            .ok()
            .and_then(|address| address.uri())
            .is_some_and(|uri| uri.is_sip() && uri.user_decoded().is_some_and(|named| named == user))
    })
}

/// A refusal when the Contact headers cannot be carried out.
fn read_wishes(message: &Message, way: &Registering) -> Result<Wishes, Refused> {
    let contacts: Vec<ContactHeader<'_>> = message.contacts().collect::<Result<_, _>>().map_err(|_| Refused(400))?;
    if contacts.iter().any(|contact| contact.address().is_none()) {
        // RFC 3261 section 10.2.2: alone, and with Expires: 0.
        let alone = contacts.len() == 1 && message.expires() == Some(0);
        return if alone { Ok(Wishes::RemoveAll) } else { Err(Refused(400)) };
    }
    let wishes: Vec<ContactWish> = contacts.iter().map(|contact| read_wish(message, contact, way)).collect::<Result<_, _>>()?;
    // A flow leads to one contact (RFC 5626 section 6).
    let wanted = wishes.iter().filter(|wish| wish.expires_s != Some(0)).count();
    if wanted > 1 && wishes.iter().any(|wish| wish.outbound.is_some()) {
        return Err(Refused(400));
    }
    Ok(Wishes::Each(wishes))
}

fn read_wish(message: &Message, contact: &ContactHeader<'_>, way: &Registering) -> Result<ContactWish, Refused> {
    let uri = contact.address().and_then(|address| address.uri());
    let uri = uri.filter(|uri| uri.is_sip() && uri.as_str().len() <= LONGEST_CONTACT).ok_or(Refused(400))?;
    let outbound = way.flow_of(message, contact)?;
    Ok(ContactWish {
        contact: uri.as_str().into(),
        q: contact.q_thousandths().unwrap_or(1_000),
        expires_s: contact.expires().or(message.expires()),
        instance: contact.instance().map(|instance| instance.as_ref().into()),
        outbound,
    })
}
