//! What we ask a TURN server, and its answers (RFC 8656 sections 6 to 12), with the long-term credential mechanism (RFC 8489
//! section 9.2).

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ::stun::{
    attributes::{
        ATTR_CHANNEL_NUMBER, ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY,
        ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS, AttrType,
    },
    error_code::ErrorCodeAttribute,
    integrity::MessageIntegrity,
    message::{
        CLASS_ERROR_RESPONSE, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, Getter as _, METHOD_ALLOCATE, METHOD_CHANNEL_BIND,
        METHOD_CREATE_PERMISSION, METHOD_REFRESH, Message, MessageType, Method, Setter as _, TransactionId,
    },
    xoraddr::XorMappedAddress,
};

use super::Server;
use crate::browser::{HEAD_BYTES, Identity, MAGIC_COOKIE, Transaction, parse};

/// UDP, in REQUESTED-TRANSPORT (section 18.6).
const UDP: [u8; 4] = [17, 0, 0, 0];
/// IPv6, in REQUESTED-ADDRESS-FAMILY (section 18.8).
const IPV6: [u8; 4] = [2, 0, 0, 0];
/// Longer realms and nonces are not sent back (RFC 8489 sections 14.9 and 14.10).
const MOST_TEXT: usize = 763;
/// The most of a reason that is shown.
const MOST_REASON: usize = 80;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// An address (section 7).
    Allocate,
    /// That it lasts longer (section 8).
    Refresh,
    /// That it ends (section 8).
    Release,
    /// That these may send to it (section 10).
    Permit(Vec<IpAddr>),
    /// A channel to that peer (section 12).
    Bind(SocketAddr, u16),
}

/// How we prove to know the password.
pub(super) struct Login {
    username: String,
    realm: String,
    nonce: Vec<u8>,
    key: Vec<u8>,
}

impl Login {
    pub(super) fn new(server: &Server, realm: String, nonce: Vec<u8>, identity: &Identity) -> Option<Self> {
        let (username, password) = (server.username.clone(), server.password.clone());
        let key = MessageIntegrity::long_term_integrity_key(username.clone(), realm.clone(), password, identity.crypto()).ok()?;
        Some(Self { username, realm, nonce, key })
    }
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Granted {
        relayed: Option<SocketAddr>,
        lifetime: Option<Duration>,
    },
    /// 401 and 438: what to prove with.
    Prove {
        realm: String,
        nonce: Vec<u8>,
        is_stale: bool,
    },
    Refused {
        code: u16,
        reason: String,
    },
}

/// The transaction that a datagram answers, unchecked; `None` in everything else.
pub(super) fn answered_in(datagram: &[u8]) -> Option<Transaction> {
    let head = datagram.first_chunk::<HEAD_BYTES>()?;
    // The first of the two bits that say what a message is (RFC 8489 section 5): an answer has it.
    let is_answer = head[0] & 0xc0 == 0 && head[0] & 1 == 1 && head[4..8] == MAGIC_COOKIE;
    is_answer.then_some(head[8..].try_into().ok()?)
}

impl Ask {
    const fn method(&self) -> Method {
        match self {
            Self::Allocate => METHOD_ALLOCATE,
            Self::Refresh | Self::Release => METHOD_REFRESH,
            Self::Permit(_) => METHOD_CREATE_PERMISSION,
            Self::Bind(..) => METHOD_CHANNEL_BIND,
        }
    }

    /// A request with a transaction of its own.
    pub(super) fn request(&self, login: Option<&Login>, is_v6: bool, identity: &Identity) -> Option<(Transaction, Vec<u8>)> {
        let id = identity.random()?;
        let mut message = Message::new();
        (message.typ, message.transaction_id) = (MessageType::new(self.method(), CLASS_REQUEST), TransactionId(id));
        message.write_header();
        match self {
            Self::Allocate => {
                message.add(ATTR_REQUESTED_TRANSPORT, &UDP);
                if is_v6 {
                    message.add(ATTR_REQUESTED_ADDRESS_FAMILY, &IPV6);
                }
            }
            Self::Refresh => {}
            Self::Release => message.add(ATTR_LIFETIME, &[0; 4]),
            Self::Permit(peers) => {
                peers.iter().try_for_each(|ip| add_address(&mut message, ATTR_XOR_PEER_ADDRESS, SocketAddr::new(*ip, 0)))?;
            }
            Self::Bind(peer, number) => {
                let [high, low] = number.to_be_bytes();
                message.add(ATTR_CHANNEL_NUMBER, &[high, low, 0, 0]);
                add_address(&mut message, ATTR_XOR_PEER_ADDRESS, *peer)?;
            }
        }
        if let Some(login) = login {
            message.add(ATTR_USERNAME, login.username.as_bytes());
            message.add(ATTR_REALM, login.realm.as_bytes());
            message.add(ATTR_NONCE, &login.nonce);
            let proof = MessageIntegrity::new_raw_integrity_with_provider(login.key.clone(), identity.crypto());
            proof.add_to(&mut message).ok()?;
        }
        Some((id, message.raw))
    }
}

fn add_address(message: &mut Message, kind: AttrType, address: SocketAddr) -> Option<()> {
    XorMappedAddress { ip: address.ip(), port: address.port() }.add_to_as(message, kind).ok()
}

/// Reads the answer to a request; `None` when it is malformed, or of another method, or does not prove to know the password
/// though the request did. `login`: with what the request proved it.
pub(super) fn answer(datagram: &[u8], ask: &Ask, login: Option<&Login>, identity: &Identity) -> Option<Answer> {
    let mut message = parse(datagram)?;
    if message.typ.method != ask.method() {
        return None;
    }
    let protected = message.attributes.0.iter().position(|attribute| attribute.typ == ATTR_MESSAGE_INTEGRITY);
    // The library reads the proof of whatever length; the right one has 20 bytes.
    let has_proof = protected.is_some_and(|at| message.attributes.0[at].value.len() == 20);
    let knows = |login: &Login| MessageIntegrity::check(&mut message.clone(), &login.key, identity.crypto()).is_ok();
    let is_proved = has_proof && login.is_some_and(knows);
    // What stands behind the proof is not protected by it.
    message.attributes.0.truncate(protected.unwrap_or(message.attributes.0.len()));
    match message.typ.class {
        CLASS_SUCCESS_RESPONSE if is_proved || login.is_none() => {
            let mut relayed = XorMappedAddress::default();
            let relayed = relayed.get_from_as(&message, ATTR_XOR_RELAYED_ADDRESS).is_ok().then_some(relayed);
            let lifetime = message.get(ATTR_LIFETIME).ok().and_then(|value| value.try_into().ok()).map(u32::from_be_bytes);
            Some(Answer::Granted {
                relayed: relayed.map(|XorMappedAddress { ip, port }| SocketAddr::new(ip, port)),
                lifetime: lifetime.map(|seconds| Duration::from_secs(seconds.into())),
            })
        }
        CLASS_ERROR_RESPONSE => {
            let mut error = ErrorCodeAttribute::default();
            error.get_from(&message).ok()?;
            let code = error.code.0;
            match code {
                // Who asks for a proof cannot prove anything yet.
                401 | 438 => Some(Answer::Prove {
                    realm: String::from_utf8(text(&message, ATTR_REALM)?).ok()?,
                    nonce: text(&message, ATTR_NONCE)?,
                    is_stale: code == 438,
                }),
                _ if is_proved || login.is_none() => {
                    let reason = String::from_utf8_lossy(&error.reason);
                    let shown = reason.chars().filter(|c| !c.is_control()).take(MOST_REASON).collect();
                    Some(Answer::Refused { code, reason: shown })
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn text(message: &Message, kind: AttrType) -> Option<Vec<u8>> {
    message.get(kind).ok().filter(|value| value.len() <= MOST_TEXT)
}
