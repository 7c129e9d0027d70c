//! ICE in the lite role (RFC 8445 section 2.5): we have one address that others can reach, check nothing, and answer
//! those who check. The other side nominates (sections 7.3 and 8.2).

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use ::srtp::crypto::RTCCrypto;

use super::{
    IceTerms,
    stun::{self, Request},
};

/// So long a place counts after its last check (RFC 7675 section 5.1).
const CONSENT: Duration = Duration::from_secs(30);
/// Places that are known at a time; the one that was checked longest ago makes room.
const MOST_PLACES: usize = 8;

/// Where the other side proved to be.
#[derive(Clone, Copy, Debug)]
struct Place {
    address: SocketAddr,
    checked_at: Instant,
}

/// The state of one stream.
#[derive(Debug)]
pub(super) struct Ice {
    terms: IceTerms,
    places: Vec<Place>,
    nominated: Option<SocketAddr>,
}

/// A datagram was a check.
#[derive(Debug)]
pub(super) struct Check {
    /// What is sent back.
    pub(super) answer: Vec<u8>,
    /// The other side proved to be there.
    pub(super) is_proof: bool,
    /// The other side chose this place.
    pub(super) is_nominated: bool,
}

impl Ice {
    pub(super) const fn new(terms: IceTerms) -> Self {
        Self { terms, places: Vec::new(), nominated: None }
    }

    /// Other names and passwords. What was found goes on until something else is nominated (RFC 8445 section 9).
    pub(super) fn restart(&mut self, terms: IceTerms) {
        self.terms = terms;
    }

    /// Whether the other side proved to be anywhere.
    pub(super) const fn has_places(&self) -> bool {
        !self.places.is_empty()
    }

    /// Whether the other side proved to be there.
    pub(super) fn is_valid(&self, address: SocketAddr) -> bool {
        self.places.iter().any(|place| place.address == address)
    }

    /// The answer to a request; `None` when nobody answers that. Only a request that proved to know our password
    /// changes anything.
    pub(super) fn handle(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], crypto: &dyn RTCCrypto) -> Option<Check> {
        let request = Request::read(datagram)?;
        let IceTerms { ufrag, password, their_ufrag } = &self.terms;
        let username = [ufrag.as_bytes(), b":", their_ufrag.as_bytes()].concat();
        match request.check(&username, password, crypto) {
            Ok(is_nominated) => {
                let answer = request.success(from, password, crypto)?;
                self.checked(now, from);
                if is_nominated {
                    self.nominated = Some(from);
                }
                Some(Check { answer, is_proof: true, is_nominated })
            }
            Err(refusal) => {
                let proved = matches!(refusal, stun::Refusal::Unknown(_) | stun::Refusal::RoleConflict).then_some(&**password);
                Some(Check { answer: request.refuse(&refusal, proved, crypto)?, is_proof: false, is_nominated: false })
            }
        }
    }

    fn checked(&mut self, now: Instant, address: SocketAddr) {
        if let Some(place) = self.places.iter_mut().find(|place| place.address == address) {
            place.checked_at = now;
            return;
        }
        if self.places.len() >= MOST_PLACES {
            let others = self.places.iter().enumerate().filter(|(_, place)| Some(place.address) != self.nominated);
            if let Some((oldest, _)) = others.min_by_key(|(_, place)| place.checked_at) {
                self.places.swap_remove(oldest);
            }
        }
        self.places.push(Place { address, checked_at: now });
    }

    /// When consent for the nominated place runs out.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let place = self.places.iter().find(|place| Some(place.address) == self.nominated)?;
        Some(place.checked_at + CONSENT)
    }

    /// Forgets the nominated place when its consent ran out; whether it did.
    pub(super) fn ran_out(&mut self, now: Instant) -> bool {
        let is_over = self.deadline().is_some_and(|due| now >= due);
        if is_over {
            let gone = self.nominated.take();
            self.places.retain(|place| Some(place.address) != gone);
        }
        is_over
    }
}
