//! The binding requests of ICE (RFC 8445 section 7.3, RFC 8489): read, checked, answered. Attributes behind
//! MESSAGE-INTEGRITY are not protected by it and mean nothing, but FINGERPRINT (RFC 8489 section 14.5).

use std::net::SocketAddr;

use ::srtp::crypto::RTCCrypto;
use ::stun::{
    attributes::{
        ATTR_FINGERPRINT, ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_MESSAGE_INTEGRITY, ATTR_MESSAGE_INTEGRITY_SHA256,
        ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType,
    },
    error_code::{CODE_BAD_REQUEST, CODE_ROLE_CONFLICT, CODE_UNAUTHORIZED, CODE_UNKNOWN_ATTRIBUTE, ErrorCode},
    fingerprint::FINGERPRINT,
    integrity::MessageIntegrity,
    message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, MessageType, Setter},
    uattrs::UnknownAttributes,
    xoraddr::XorMappedAddress,
};

/// Longer requests are nobody's: names have 513 bytes at most.
pub(super) const MOST_BYTES: usize = 1_280;
/// Bytes of a header.
pub(crate) const HEAD_BYTES: usize = 20;
/// What all messages have behind their length (RFC 8489 section 5).
pub(crate) const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// More unknown attributes are not named.
const MOST_UNKNOWN: usize = 8;
/// Required attributes that we know.
const KNOWN: [AttrType; 5] =
    [ATTR_USERNAME, ATTR_MESSAGE_INTEGRITY, ATTR_MESSAGE_INTEGRITY_SHA256, ATTR_PRIORITY, ATTR_USE_CANDIDATE];

/// The part of a request's USERNAME that is ours (RFC 8445 section 7.2.2), unchecked; `None` in everything else.
pub(super) fn name_in(datagram: &[u8]) -> Option<&str> {
    let (head, mut attributes) = datagram.split_first_chunk::<HEAD_BYTES>()?;
    if head[..2] != [0, 1] || head[4..8] != MAGIC_COOKIE || datagram.len() > MOST_BYTES {
        return None;
    }
    while let Some(([kind_high, kind_low, length_high, length_low], rest)) = attributes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        if u16::from_be_bytes([*kind_high, *kind_low]) == ATTR_USERNAME.0 {
            return str::from_utf8(rest.get(..length)?).ok()?.split_once(':').map(|(ours, _)| ours);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// A binding request that is well formed.
pub(super) struct Request {
    message: Message,
    /// How many attributes there are up to MESSAGE-INTEGRITY, without it; `None` without one.
    protected: Option<usize>,
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 400: it proves nothing (RFC 8489 section 9.1.3).
    Unproved,
    /// 401: it does not know our name or password.
    Wrong,
    /// 420: it has attributes that must be understood.
    Unknown(Vec<AttrType>),
    /// 487: it has the role that we have and keep (RFC 8445 section 7.3.1.1).
    RoleConflict,
}

/// What a request says that proved to know our name and password.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// USE-CANDIDATE.
    pub(super) is_nominated: bool,
    /// PRIORITY: that of the candidate that it came from, were it a new one.
    pub(super) priority: u32,
    /// Whether it says that it chooses, and its tie-breaker; `None`: it does not say.
    pub(super) role: Option<(bool, u64)>,
}

/// A message of whole length that is not too long; unchecked otherwise.
pub(crate) fn parse(datagram: &[u8]) -> Option<Message> {
    let length = usize::from(u16::from_be_bytes([*datagram.get(2)?, *datagram.get(3)?]));
    if datagram.len() > MOST_BYTES || datagram.len() != HEAD_BYTES + length || length % 4 != 0 {
        return None;
    }
    let mut message = Message::default();
    message.unmarshal_binary(datagram).ok()?;
    Some(message)
}

impl Request {
    /// `None`: no binding request of ICE, or malformed.
    pub(super) fn read(datagram: &[u8]) -> Option<Self> {
        let message = parse(datagram)?;
        let attributes = &message.attributes.0;
        let last = attributes.last().filter(|last| last.typ == ATTR_FINGERPRINT && last.value.len() == 4);
        if message.typ != BINDING_REQUEST || last.is_none() || FINGERPRINT.check(&message).is_err() {
            return None;
        }
        let protected = attributes.iter().position(|attribute| attribute.typ == ATTR_MESSAGE_INTEGRITY);
        Some(Self { message, protected })
    }

    fn value(&self, kind: AttrType) -> Option<&[u8]> {
        let protected = self.message.attributes.0.get(..self.protected?)?;
        protected.iter().find(|attribute| attribute.typ == kind).map(|attribute| &attribute.value[..])
    }

    /// What it says, when it proves to know our name and password.
    pub(super) fn check(&self, username: &[u8], password: &str, crypto: &dyn RTCCrypto) -> Result<Said, Refusal> {
        let proof = self.protected.and_then(|at| self.message.attributes.0.get(at)).ok_or(Refusal::Unproved)?;
        let named = self.value(ATTR_USERNAME).ok_or(Refusal::Unproved)?;
        // The library reads the proof of whatever length; the right one has 20 bytes.
        let is_known = named == username && proof.value.len() == 20;
        if !is_known || MessageIntegrity::check(&mut self.message.clone(), password.as_bytes(), crypto).is_err() {
            return Err(Refusal::Wrong);
        }
        let attributes = self.message.attributes.0.iter().take(self.protected.unwrap_or_default());
        let unknown = attributes.map(|attribute| attribute.typ).filter(|kind| kind.required() && !KNOWN.contains(kind));
        let unknown: Vec<AttrType> = unknown.take(MOST_UNKNOWN).collect();
        if !unknown.is_empty() {
            return Err(Refusal::Unknown(unknown));
        }
        let number = |kind| self.value(kind).map(|value| value.try_into().map_or(0, u64::from_be_bytes));
        let controlling = number(ATTR_ICE_CONTROLLING).map(|tie_breaker| (true, tie_breaker));
        Ok(Said {
            is_nominated: self.value(ATTR_USE_CANDIDATE).is_some(),
            priority: self.value(ATTR_PRIORITY).and_then(|value| value.try_into().ok()).map_or(0, u32::from_be_bytes),
            role: controlling.or_else(|| number(ATTR_ICE_CONTROLLED).map(|tie_breaker| (false, tie_breaker))),
        })
    }

    /// The answer to a check: where it came from, protected.
    pub(super) fn success(&self, from: SocketAddr, password: &str, crypto: &dyn RTCCrypto) -> Option<Vec<u8>> {
        let mapped = XorMappedAddress { ip: from.ip().to_canonical(), port: from.port() };
        self.answer(BINDING_SUCCESS, &[&mapped], Some(password), crypto)
    }

    /// The answer to a request that is refused, protected where the request was.
    pub(super) fn refuse(&self, why: &Refusal, password: Option<&str>, crypto: &dyn RTCCrypto) -> Option<Vec<u8>> {
        let code: ErrorCode = match why {
            Refusal::Unproved => CODE_BAD_REQUEST,
            Refusal::Wrong => CODE_UNAUTHORIZED,
            Refusal::Unknown(_) => CODE_UNKNOWN_ATTRIBUTE,
            Refusal::RoleConflict => CODE_ROLE_CONFLICT,
        };
        match why {
            Refusal::Unknown(unknown) => {
                self.answer(BINDING_ERROR, &[&code, &UnknownAttributes(unknown.clone())], password, crypto)
            }
            _ => self.answer(BINDING_ERROR, &[&code], password, crypto),
        }
    }

    fn answer(
        &self,
        kind: MessageType,
        attributes: &[&dyn Setter],
        password: Option<&str>,
        crypto: &dyn RTCCrypto,
    ) -> Option<Vec<u8>> {
        let mut answer = Message::new();
        (answer.typ, answer.transaction_id) = (kind, self.message.transaction_id);
        answer.write_header();
        for attribute in attributes {
            attribute.add_to(&mut answer).ok()?;
        }
        if let Some(password) = password {
            let proof = MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), crypto);
            proof.add_to(&mut answer).ok()?;
        }
        FINGERPRINT.add_to(&mut answer).ok()?;
        Some(answer.raw)
    }
}
