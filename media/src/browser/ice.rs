//! Where the other side is (RFC 8445): its checks are answered, in either role of ours. In the lite role (section 2.5) that
//! is all, and the other side nominates (sections 7.3 and 8.2); in the full role there are `checks` of ours besides.

use std::{net::SocketAddr, time::Instant};

use super::{
    IceTerms, Identity, NoKeys,
    checks::Checks,
    consent::{self, Consent},
    stun::{Refusal, Request, Said},
};

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
    /// In the lite role.
    nominated: Option<SocketAddr>,
    /// `None`: we are lite.
    checks: Option<Checks>,
}

/// What came of a datagram.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// What is sent back.
    pub(super) answer: Option<Vec<u8>>,
    /// The other side proved to be there.
    pub(super) is_proof: bool,
}

impl Ice {
    pub(super) fn new(now: Instant, terms: IceTerms, identity: &Identity) -> Self {
        let checks = terms.checks.as_ref().map(|checks| Checks::new(now, &terms, checks, None, identity));
        Self { terms, places: Vec::new(), nominated: None, checks }
    }

    /// Other names and passwords. What was found goes on until something else is nominated (RFC 8445 section 9), or until
    /// its consent ends.
    pub(super) fn restart(&mut self, now: Instant, terms: IceTerms, identity: &Identity) {
        let (selected, ends) = (self.selected(), self.deadline_of_consent());
        let consent = ends.map(|until| Consent { until, ask_at: until });
        if let Some(place) = selected.filter(|place| !self.places.iter().any(|known| known.address == *place)) {
            self.checked(now, place);
        }
        self.checks = terms.checks.as_ref().map(|checks| Checks::new(now, &terms, checks, consent, identity));
        self.nominated = selected.filter(|_| self.checks.is_none());
        self.terms = terms;
    }

    /// What is missed of the other side as long as it has chosen no place.
    pub(super) fn missing(&self) -> NoKeys {
        match &self.checks {
            Some(checks) if !checks.has_ways() => NoKeys::NotReached,
            None if self.places.is_empty() => NoKeys::NotChecked,
            _ => NoKeys::NotNominated,
        }
    }

    /// Whether the other side proved to be there.
    pub(super) fn is_valid(&self, address: SocketAddr) -> bool {
        self.places.iter().any(|place| place.address == address)
            || self.checks.as_ref().is_some_and(|checks| checks.has_answered(address))
    }

    /// Whether more than checks and answers may be sent there: whoever is full must have answered a check of ours.
    pub(super) fn may_be_sent_to(&self, address: SocketAddr) -> bool {
        match &self.checks {
            Some(checks) => checks.has_answered(address),
            None => self.is_valid(address),
        }
    }

    /// Where packets go.
    pub(super) fn selected(&self) -> Option<SocketAddr> {
        self.checks.as_ref().map_or(self.nominated, Checks::selected)
    }

    /// Whether the choice is ours.
    #[cfg(test)]
    pub(super) fn is_controlling(&self) -> bool {
        self.checks.as_ref().is_some_and(Checks::is_controlling)
    }

    /// The next check of ours.
    pub(super) fn transmit(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.checks.as_mut()?.transmit()
    }

    /// Whether we look for a way.
    pub(super) fn is_checking(&self) -> bool {
        self.checks.as_ref().is_some_and(Checks::is_busy)
    }

    /// Takes what may be a check, or the answer to one of ours. Only who proved to know the password changes anything.
    pub(super) fn handle(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], identity: &Identity) -> Heard {
        if let Some(request) = Request::read(datagram) {
            return self.answer(now, from, &request, identity);
        }
        let is_proof = self.checks.as_mut().is_some_and(|checks| checks.was_answered(now, from, datagram, identity));
        Heard { answer: None, is_proof }
    }

    fn answer(&mut self, now: Instant, from: SocketAddr, request: &Request, identity: &Identity) -> Heard {
        let IceTerms { ufrag, password, their_ufrag, .. } = &self.terms;
        let username = [ufrag.as_bytes(), b":", their_ufrag.as_bytes()].concat();
        let said = request.check(&username, password, identity.crypto()).and_then(|said| {
            let is_conflict = match &mut self.checks {
                Some(checks) => checks.is_conflict(&said),
                None => matches!(said.role, Some((false, _))),
            };
            if is_conflict { Err(Refusal::RoleConflict) } else { Ok(said) }
        });
        match said {
            Ok(said) => {
                let answer = request.success(from, password, identity.crypto());
                if answer.is_some() {
                    self.was_checked(now, from, &said, identity);
                }
                Heard { is_proof: answer.is_some(), answer }
            }
            Err(refusal) => {
                let proved = matches!(refusal, Refusal::Unknown(_) | Refusal::RoleConflict).then_some(&**password);
                Heard { answer: request.refuse(&refusal, proved, identity.crypto()), is_proof: false }
            }
        }
    }

    fn was_checked(&mut self, now: Instant, from: SocketAddr, said: &Said, identity: &Identity) {
        self.checked(now, from);
        match &mut self.checks {
            Some(checks) => checks.was_checked(now, from, said, identity),
            None if said.is_nominated => self.nominated = Some(from),
            None => {}
        }
    }

    fn checked(&mut self, now: Instant, address: SocketAddr) {
        if let Some(place) = self.places.iter_mut().find(|place| place.address == address) {
            place.checked_at = now;
            return;
        }
        if self.places.len() >= MOST_PLACES {
            let selected = self.selected();
            let others = self.places.iter().enumerate().filter(|(_, place)| Some(place.address) != selected);
            if let Some((oldest, _)) = others.min_by_key(|(_, place)| place.checked_at) {
                self.places.swap_remove(oldest);
            }
        }
        self.places.push(Place { address, checked_at: now });
    }

    /// Sends checks that are due.
    pub(super) fn tick(&mut self, now: Instant, identity: &Identity) {
        if let Some(checks) = &mut self.checks {
            checks.tick(now, identity);
        }
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.checks {
            Some(checks) => checks.deadline(),
            None => self.deadline_of_consent(),
        }
    }

    /// When consent for the place that packets go to runs out.
    fn deadline_of_consent(&self) -> Option<Instant> {
        if let Some(checks) = &self.checks {
            return checks.consent().map(|consent| consent.until);
        }
        let place = self.places.iter().find(|place| Some(place.address) == self.nominated)?;
        Some(place.checked_at + consent::LASTS)
    }

    /// Forgets where packets go when its consent ran out; whether it did.
    pub(super) fn ran_out(&mut self, now: Instant) -> bool {
        let selected = self.selected();
        let is_over = match &mut self.checks {
            Some(checks) => checks.ran_out(now),
            None => self.deadline_of_consent().is_some_and(|due| now >= due),
        };
        if is_over {
            self.nominated = None;
            self.places.retain(|place| Some(place.address) != selected);
        }
        is_over
    }
}
