//! A called side that names somebody else to call: 3xx (RFC 3261 sections 8.1.3.4, 19.1.5, 21.3).
//!
//! What it names is never called from here: a URI of theirs would choose where we send, and who pays. The program
//! is told the numbers, and it decides. Hosts, parameters and embedded headers of the URIs mean nothing.

use super::{
    Endpoint,
    contract::{InviteId, Source},
    identity::{diversion_code, user_of},
};
use crate::message::{ContactHeader, Message};

/// Contacts of one reply that are looked at; later ones are left out.
const MOST_CONTACTS: usize = 8;

/// An outgoing invitation that was not taken, with whom to call instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirected {
    /// Which invitation.
    pub invite: InviteId,
    /// Who says so: one of our users, by a device of theirs, or a carrier.
    pub by: Source,
    /// Whom they name, the best first: user parts of `sip`, `sips` and `tel` URIs with escapes undone; not
    /// necessarily printable, and not necessarily numbers. At least one.
    pub users: Vec<String>,
    /// 300, 301 or 302.
    pub code: u16,
    /// Why, as a status code: what their Diversion says (486 busy, 480 no answer, …), else 302 for always.
    pub why: u16,
}

impl Endpoint {
    /// Keeps whom a 3xx names, should nobody else take the invitation. The first such reply counts; 305 and 380 name
    /// nobody who could be called (RFC 3261 sections 21.3.4, 21.3.5).
    pub(super) fn note_redirect(&mut self, invite: InviteId, response: &Message, code: u16) {
        if !(300..=302).contains(&code) {
            return;
        }
        let Some(invitation) = self.invites.get(&invite) else { return };
        let users = users_named(response);
        let Some(by) = invitation.party().filter(|_| !users.is_empty()) else { return };
        let why = diversion_code(response).unwrap_or(302);
        if let Some(calling) = self.calling(invite) {
            calling.redirected.get_or_insert_with(|| Box::new(Redirected { invite, by, users, code, why }));
        }
    }
}

/// The users of the Contacts, by falling preference and else in their order.
fn users_named(response: &Message) -> Vec<String> {
    let contacts = response.contacts().take(MOST_CONTACTS).filter_map(Result::ok);
    let mut named: Vec<(u16, String)> = contacts
        .filter_map(|contact| {
            let user = contact.address().and_then(user_of)?;
            // Without a word on it, as preferred as can be.
            Some((ContactHeader::q_thousandths(&contact).unwrap_or(1_000), user))
        })
        .collect();
    named.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    named.into_iter().map(|(_, user)| user).collect()
}
