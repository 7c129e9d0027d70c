//! The binding requests that we send, and what answers them (RFC 8445 section 7.2, RFC 8489).

use std::time::{Duration, Instant};

use ::srtp::crypto::RTCCrypto;
use ::stun::{
    attributes::{
        ATTR_ERROR_CODE, ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_MAPPED_ADDRESS, ATTR_MESSAGE_INTEGRITY,
        ATTR_MESSAGE_INTEGRITY_SHA256, ATTR_PRIORITY, ATTR_UNKNOWN_ATTRIBUTES, ATTR_USE_CANDIDATE, ATTR_USERNAME,
        ATTR_XORMAPPED_ADDRESS, AttrType,
    },
    error_code::{CODE_ROLE_CONFLICT, ErrorCodeAttribute},
    fingerprint::FINGERPRINT,
    integrity::MessageIntegrity,
    message::{BINDING_REQUEST, Getter as _, Message, Setter as _, TransactionId},
};

use super::{
    Identity, Transaction,
    stun::{HEAD_BYTES, MAGIC_COOKIE, MOST_BYTES, parse},
};

/// A request is sent so often (Rc of RFC 8489 section 6.2.1).
const MOST_SENT: u32 = 7;
/// So many times the first interval its answer is awaited after the last time (Rm).
const LAST_WAIT: u32 = 16;
/// Required attributes of answers that we know.
const KNOWN: [AttrType; 7] = [
    ATTR_XORMAPPED_ADDRESS,
    ATTR_MAPPED_ADDRESS,
    ATTR_ERROR_CODE,
    ATTR_UNKNOWN_ATTRIBUTES,
    ATTR_USERNAME,
    ATTR_MESSAGE_INTEGRITY,
    ATTR_MESSAGE_INTEGRITY_SHA256,
];

/// Kinds of messages, by their first bytes.
const REQUEST: [u8; 2] = [0x00, 0x01];
const SUCCESS: [u8; 2] = [0x01, 0x01];
const ERROR: [u8; 2] = [0x01, 0x11];

/// Its first bytes and its transaction.
fn head(datagram: &[u8]) -> Option<([u8; 2], Transaction)> {
    let head = datagram.first_chunk::<HEAD_BYTES>()?;
    let kind = [head[0], head[1]];
    (head[4..8] == MAGIC_COOKIE && datagram.len() <= MOST_BYTES).then_some((kind, head[8..].try_into().ok()?))
}

/// The transaction of a request.
pub(super) fn asked_in(datagram: &[u8]) -> Option<Transaction> {
    head(datagram).filter(|(kind, _)| *kind == REQUEST).map(|(_, id)| id)
}

/// The transaction that a datagram answers.
pub(super) fn answered_in(datagram: &[u8]) -> Option<Transaction> {
    head(datagram).filter(|(kind, _)| matches!(*kind, SUCCESS | ERROR)).map(|(_, id)| id)
}

/// What a request of ours says.
pub(super) struct Wording<'a> {
    /// Their name and ours.
    pub(super) username: &'a str,
    /// Their password.
    pub(super) password: &'a str,
    pub(super) is_controlling: bool,
    pub(super) tie_breaker: u64,
    pub(super) priority: u32,
    pub(super) nominates: bool,
}

impl Wording<'_> {
    /// A request with a transaction of its own.
    pub(super) fn request(&self, identity: &Identity) -> Option<(Transaction, Vec<u8>)> {
        let id = identity.random()?;
        let mut message = Message::new();
        (message.typ, message.transaction_id) = (BINDING_REQUEST, TransactionId(id));
        message.write_header();
        message.add(ATTR_USERNAME, self.username.as_bytes());
        message.add(ATTR_PRIORITY, &self.priority.to_be_bytes());
        let role = if self.is_controlling { ATTR_ICE_CONTROLLING } else { ATTR_ICE_CONTROLLED };
        message.add(role, &self.tie_breaker.to_be_bytes());
        if self.nominates {
            message.add(ATTR_USE_CANDIDATE, &[]);
        }
        let proof = MessageIntegrity::new_short_term_integrity_with_provider(self.password.to_owned(), identity.crypto());
        proof.add_to(&mut message).ok()?;
        FINGERPRINT.add_to(&mut message).ok()?;
        Some((id, message.raw))
    }
}

/// When a request is sent again, and when nobody answers any more (RFC 8489 section 6.2.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    first: Duration,
    sent: u32,
    /// When it is sent again or given up.
    pub(crate) due: Instant,
}

impl Timer {
    /// Of a request that was sent once, with this interval before the second time.
    pub(crate) fn new(now: Instant, first: Duration) -> Self {
        Self { first, sent: 1, due: now + first }
    }

    /// Of one that is not sent again, and whose answer counts for so long.
    pub(crate) fn once(now: Instant, wait: Duration) -> Self {
        Self { first: wait, sent: MOST_SENT, due: now + wait }
    }

    /// It is not sent again; an answer counts all the same.
    pub(crate) fn stop(&mut self) {
        if self.sent < MOST_SENT {
            (self.sent, self.due) = (MOST_SENT, self.due + self.first * LAST_WAIT);
        }
    }

    /// It is due: whether to send it again. `false`: nobody answered.
    pub(crate) fn again(&mut self) -> bool {
        if self.sent >= MOST_SENT {
            return false;
        }
        self.sent += 1;
        let wait = if self.sent == MOST_SENT { LAST_WAIT } else { 1 << (self.sent - 1) };
        self.due += self.first * wait;
        true
    }
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Success,
    /// 487: they have our role and keep it.
    RoleConflict,
    /// Anything else.
    Refused,
}

impl Answer {
    /// Reads an answer to one of our requests; `None` when it does not prove to know the password, or is malformed: it is as
    /// if it had not come (RFC 8489 section 9.1.4).
    pub(super) fn read(datagram: &[u8], password: &str, crypto: &dyn RTCCrypto) -> Option<Self> {
        let mut message = parse(datagram)?;
        let attributes = &message.attributes.0;
        let protected = attributes.iter().position(|attribute| attribute.typ == ATTR_MESSAGE_INTEGRITY)?;
        // The library reads the proof of whatever length; the right one has 20 bytes.
        if attributes[protected].value.len() != 20
            || MessageIntegrity::check(&mut message.clone(), password.as_bytes(), crypto).is_err()
        {
            return None;
        }
        // What stands behind the proof is not protected by it.
        message.attributes.0.truncate(protected);
        // RFC 8489 section 6.3.3: what must be understood and is not, is no success.
        let is_known = |kind: AttrType| !kind.required() || KNOWN.contains(&kind);
        let is_understood = message.attributes.0.iter().all(|attribute| is_known(attribute.typ));
        let mut error = ErrorCodeAttribute::default();
        match *datagram.first_chunk()? {
            SUCCESS if is_understood && message.contains(ATTR_XORMAPPED_ADDRESS) => Some(Self::Success),
            ERROR if is_understood && error.get_from(&message).is_ok() && error.code == CODE_ROLE_CONFLICT => {
                Some(Self::RoleConflict)
            }
            _ => Some(Self::Refused),
        }
    }
}
