//! The handshake of DTLS 1.2 with one peer, and the keys of SRTP that come out of it (RFC 5764). The protocol is that of
//! the `dtls` crate; here are its rules, its bounds, and the check of who the peer is.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use ::dtls::{
    endpoint::{Endpoint, EndpointEvent},
    extension::extension_use_srtp::SrtpProtectionProfile,
    state::State,
};
use bytes::BytesMut;
use shared::TransportProtocol;

use super::{Identity, NoKeys, Terms, records::Budget};
use crate::keys::{StreamKey, StreamKeys, Suite};

/// The library names peers by their addresses. Here it has one, wherever that is.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// The name under which the keys are drawn (RFC 5764 section 4.2).
const LABEL: &str = "EXTRACTOR-dtls_srtp";

/// What a handshake came to.
#[derive(Debug)]
pub(super) enum Progress {
    Keys(Box<StreamKeys>),
    Failed(NoKeys),
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody began.
    Idle,
    Shaking,
    Complete,
    /// The peer said goodbye, which is all there is to say after a handshake.
    Closed,
    Failed,
}

/// One association.
pub(super) struct Association {
    identity: Arc<Identity>,
    terms: Terms,
    endpoint: Endpoint,
    /// The certificate of the description was seen, and its key proved.
    is_proved: Arc<AtomicBool>,
    budget: Budget,
    stage: Stage,
}

/// What a handshake waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// That there is a way to the peer.
    Way,
    /// That the peer begins.
    Hello,
    /// Nothing, or the answer to a flight of ours, which has a time of its own.
    Nothing,
}

impl Association {
    pub(super) fn new(identity: &Arc<Identity>, terms: &Terms) -> Self {
        Self {
            identity: Arc::clone(identity),
            terms: terms.clone(),
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, None),
            is_proved: Arc::default(),
            budget: Budget::new(),
            stage: Stage::Idle,
        }
    }

    pub(super) fn is_failed(&self) -> bool {
        self.stage == Stage::Failed
    }

    /// There is a way to the peer: a client says hello, a server listens.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Progress> {
        if self.stage != Stage::Idle {
            return None;
        }
        let (identity, is_proved, expected) = (Arc::clone(&self.identity), Arc::clone(&self.is_proved), self.terms.fingerprint);
        let config = self.identity.config(self.terms.is_client, move |certificate| {
            let fits = expected.fits(certificate, identity.crypto());
            is_proved.store(fits, Ordering::Relaxed);
            fits
        });
        self.stage = Stage::Shaking;
        let begun = config.and_then(|config| {
            if !self.terms.is_client {
                self.endpoint.set_server_config(Some(Arc::new(config)));
                return Ok(());
            }
            self.endpoint.connect(now, PEER, Arc::new(config), None).map_err(|error| error.to_string())
        });
        begun.err().map(|error| self.fail(NoKeys::fault(&error)))
    }

    /// Takes a datagram from the peer.
    pub(super) fn handle(&mut self, now: Instant, datagram: &[u8]) -> Option<Progress> {
        if self.stage == Stage::Idle && !self.terms.is_client {
            // A browser may begin before it nominates.
            if let Some(failed) = self.begin(now) {
                return Some(failed);
            }
        }
        if !matches!(self.stage, Stage::Shaking | Stage::Complete) || !self.budget.admits(datagram) {
            return None;
        }
        let events = match self.endpoint.read(now, PEER, None, BytesMut::from(datagram)) {
            Ok(events) => events,
            // What comes after the keys changes nothing about them.
            Err(_) if self.stage == Stage::Complete => return None,
            Err(error) => return Some(self.fail(NoKeys::of(&error))),
        };
        let mut progress = None;
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => progress = Some(self.complete()),
                EndpointEvent::PeerClosed => progress = self.close().or(progress),
                _ => {}
            }
        }
        progress
    }

    /// Sends a flight again that was not answered in time (RFC 6347 section 4.2.4).
    pub(super) fn tick(&mut self, now: Instant) -> Option<Progress> {
        if self.deadline().is_none_or(|due| now < due) {
            return None;
        }
        self.endpoint.handle_timeout(PEER, now).err()?;
        Some(self.fail(NoKeys::NotAnswered))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.stage == Stage::Shaking).then(|| self.endpoint.poll_timeout(&PEER))?
    }

    /// What it waits for.
    pub(super) fn waits_for(&self) -> Wait {
        match self.stage {
            Stage::Idle => Wait::Way,
            Stage::Shaking if self.deadline().is_none() => Wait::Hello,
            _ => Wait::Nothing,
        }
    }

    /// The next datagram for the peer.
    pub(super) fn transmit(&mut self) -> Option<Vec<u8>> {
        self.endpoint.poll_transmit().map(|sent| sent.message.to_vec())
    }

    fn complete(&mut self) -> Progress {
        if !self.is_proved.load(Ordering::Relaxed) {
            return self.fail(NoKeys::NoCertificate);
        }
        let keys = self.endpoint.get_connection_state(PEER).and_then(|state| keys(state, self.terms.is_client));
        match keys {
            Some(keys) => {
                self.stage = Stage::Complete;
                self.budget.complete();
                Progress::Keys(Box::new(keys))
            }
            None => self.fail(NoKeys::NoProfile),
        }
    }

    /// The peer said goodbye; before there were keys that is a failure.
    fn close(&mut self) -> Option<Progress> {
        if self.stage == Stage::Complete {
            self.stage = Stage::Closed;
            return None;
        }
        Some(self.fail(NoKeys::GivenUp))
    }

    fn fail(&mut self, why: NoKeys) -> Progress {
        self.stage = Stage::Failed;
        Progress::Failed(why)
    }
}

/// The keys of both directions (RFC 5764 section 4.2): the client's and the server's, then the salts in that order.
fn keys(state: &State, is_client: bool) -> Option<StreamKeys> {
    let suite = match state.srtp_protection_profile() {
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Suite::AeadAes128Gcm,
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Suite::AesCm128HmacSha1_80,
        _ => return None,
    };
    let (key, salt) = (suite.key_bytes(), suite.salt_bytes());
    let material = state.export_keying_material(LABEL, &[], 2 * (key + salt)).ok()?;
    let (keys, salts) = material.as_ref().split_at_checked(2 * key)?;
    let (client_key, server_key) = keys.split_at_checked(key)?;
    let (client_salt, server_salt) = salts.split_at_checked(salt)?;
    let client = StreamKey::new(suite, client_key, client_salt)?;
    let server = StreamKey::new(suite, server_key, server_salt)?;
    Some(if is_client { StreamKeys { send: client, receive: server } } else { StreamKeys { send: server, receive: client } })
}
