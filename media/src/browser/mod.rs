//! The other end of a stream whose keys are agreed by DTLS: where it is (ICE, RFC 8445) and who it is (the certificate of its
//! description, RFC 5763). That is how browsers send audio, and phones that speak like them.
//!
//! Sans-I/O: [`Peer::handle`] takes every datagram that is neither RTP nor RTCP (RFC 7983), [`Peer::tick`] the time, and
//! [`Peer::poll`] gives what follows. The keys go to the stream, whose packets never come here.
//!
//! - **Where.** In the lite role a place counts once it sent a binding request with our name and password, and the last one
//!   that was nominated is where everything goes. In the full role we check besides (`checks`), and nothing but checks goes
//!   to an address that did not answer one. Without ICE (or when both sides are lite, which means that nobody checks, RFC
//!   8445 section 6.1.1) it is the address of the description, and only that.
//! - **Who.** DTLS is spoken with such places only; a handshake from elsewhere is not even looked at.
//! - **Consent** (RFC 7675): after 30 s without a check (lite), or without an answer to ours (full), nothing is sent there any
//!   more.
//! - **Later descriptions**: the same certificate and role keep the keys, whatever happens to ICE; new names and passwords
//!   are an ICE restart, during which the old place counts on.
//!
//! What the DTLS library does is bounded by `records`; the randomness of handshakes is the operating system's.

mod asks;
mod checks;
mod consent;
mod dtls;
mod ice;
mod identity;
mod no_keys;
mod pairs;
mod records;
mod stun;
mod terms;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, fmt, net::SocketAddr, sync::Arc, time::Instant};

use crate::keys::StreamKeys;
pub(crate) use asks::Timer;
use dtls::{Association, Progress, Wait};
use ice::Ice;
pub use identity::{Fingerprint, Identity, NoIdentity};
pub use no_keys::NoKeys;
use no_keys::PATIENCE;
pub(crate) use stun::{HEAD_BYTES, MAGIC_COOKIE, parse};
pub use terms::{Candidate, CheckTerms, IceTerms, MOST_CANDIDATES, Terms};

/// What follows from what came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A datagram to send.
    Send {
        /// Where to.
        to: SocketAddr,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Where packets go from now on.
    Selected(SocketAddr),
    /// What they are encrypted with from now on.
    Keys(Box<StreamKeys>),
    /// Nobody answers for the selected place any more: nothing may be sent there.
    Silent(SocketAddr),
    /// There are no keys, and why. What failed in the handshake is changed by other [`Terms`] only; what is awaited may
    /// still come.
    NoKeys(NoKeys),
}

/// The name of ours that a check is for, unchecked: says whose it is where several streams share a port.
#[must_use]
pub fn name_in(datagram: &[u8]) -> Option<&str> {
    stun::name_in(datagram)
}

/// What tells a check of ours from all others, and what its answer has too: whose an answer is where several streams share
/// a port.
pub type Transaction = [u8; 12];

/// The transaction of a request; `None` in everything else.
#[must_use]
pub fn asked_in(datagram: &[u8]) -> Option<Transaction> {
    asks::asked_in(datagram)
}

/// The transaction that a datagram answers, unchecked; `None` in everything else.
#[must_use]
pub fn answered_in(datagram: &[u8]) -> Option<Transaction> {
    asks::answered_in(datagram)
}

/// Whoever is at the other end of one stream.
pub struct Peer {
    identity: Arc<Identity>,
    terms: Terms,
    /// `None`: without ICE.
    ice: Option<Ice>,
    /// Where packets go.
    selected: Option<SocketAddr>,
    /// Where the handshake was spoken from last.
    heard_from: Option<SocketAddr>,
    association: Association,
    /// What the peer has to do next, since when; `None`: nothing, or that was told.
    awaited: Option<(NoKeys, Instant)>,
    /// What was told of that last.
    told: Option<NoKeys>,
    /// At most one answer, one check and one flight a datagram: whoever gives one takes them out.
    outputs: VecDeque<Output>,
}

impl Peer {
    /// Nothing was heard of it. `remote` is the address of its description, which counts without ICE.
    #[must_use]
    pub fn new(now: Instant, identity: &Arc<Identity>, terms: &Terms, remote: SocketAddr) -> Self {
        let mut peer = Self {
            identity: Arc::clone(identity),
            terms: terms.clone(),
            ice: terms.ice.as_ref().map(|terms| Ice::new(now, terms.clone(), identity)),
            selected: None,
            heard_from: None,
            association: Association::new(identity, terms),
            awaited: None,
            told: None,
            outputs: VecDeque::new(),
        };
        if peer.ice.is_none() {
            peer.select(now, remote);
        }
        peer.follow_ice(now);
        peer.wait(now);
        peer
    }

    /// What was agreed anew; whether it is with somebody else, for whom the keys so far are not meant.
    pub fn renegotiate(&mut self, now: Instant, terms: &Terms, remote: SocketAddr) -> bool {
        let is_restart = match (&self.terms.ice, &terms.ice) {
            (Some(before), Some(now)) => !before.is_same(now),
            (before, now) => before.is_some() != now.is_some(),
        };
        let is_other = (self.terms.fingerprint, self.terms.is_client) != (terms.fingerprint, terms.is_client);
        if is_other || is_restart && self.association.is_failed() {
            self.association = Association::new(&self.identity, terms);
            (self.awaited, self.told) = (None, None);
        }
        match (&mut self.ice, &terms.ice) {
            (Some(ice), Some(terms)) if is_restart => ice.restart(now, terms.clone(), &self.identity),
            (Some(_), Some(_)) => {}
            (was, terms) => {
                // Who is to be checked from now on is nowhere until that was done.
                let is_unproved = was.is_none() && terms.is_some();
                *was = terms.clone().map(|terms| Ice::new(now, terms, &self.identity));
                self.outputs.extend(self.selected.take_if(|_| is_unproved).map(Output::Silent));
            }
        }
        self.terms = terms.clone();
        self.follow_ice(now);
        if self.ice.is_none() && self.selected != Some(remote) {
            self.select(now, remote);
        } else if is_other && self.selected.is_some() {
            self.begin(now);
        }
        self.wait(now);
        is_other
    }

    /// Takes a datagram whose first byte says STUN or DTLS. `true`: it proved that the peer is there.
    pub fn handle(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let mut is_proof = false;
        match datagram.first() {
            Some(0..=3) => is_proof = self.check(now, from, datagram),
            // Only whoever was checked, or is where the description says: what is said back must go there.
            Some(20..=63) if self.may_be_sent_to(from) => {
                self.heard_from = Some(from);
                let progress = self.association.handle(now, datagram);
                self.follow(progress);
            }
            _ => {}
        }
        self.wait(now);
        is_proof
    }

    /// Whether packets from there can be the peer's. They must be authentic besides.
    #[must_use]
    pub fn is_known(&self, from: SocketAddr) -> bool {
        match &self.ice {
            Some(ice) => ice.is_valid(from),
            None => self.selected == Some(from),
        }
    }

    /// Whether anything but checks may be sent there.
    fn may_be_sent_to(&self, place: SocketAddr) -> bool {
        self.selected == Some(place) || self.ice.as_ref().is_some_and(|ice| ice.may_be_sent_to(place))
    }

    /// Whether we look for a way, in steps of some ms.
    #[must_use]
    pub fn is_checking(&self) -> bool {
        self.ice.as_ref().is_some_and(Ice::is_checking)
    }

    /// What became due: a flight that is sent again, a check, consent that ran out.
    pub fn tick(&mut self, now: Instant) {
        let progress = self.association.tick(now);
        self.follow(progress);
        if let Some(ice) = &mut self.ice {
            ice.tick(now, &self.identity);
        }
        self.follow_ice(now);
        let is_silent = self.ice.as_mut().is_some_and(|ice| ice.ran_out(now));
        if let Some(selected) = self.selected.take_if(|_| is_silent) {
            self.outputs.push_back(Output::Silent(selected));
        }
        self.wait(now);
        if let Some((what, _)) = self.awaited.take_if(|(_, since)| now >= *since + PATIENCE) {
            self.told = Some(what.clone());
            self.outputs.push_back(Output::NoKeys(what));
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`tick`](Self::tick) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let awaited = self.awaited.as_ref().map(|(_, since)| *since + PATIENCE);
        [self.association.deadline(), self.ice.as_ref().and_then(Ice::deadline), awaited].into_iter().flatten().min()
    }

    fn check(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        let Some(ice) = &mut self.ice else { return false };
        let heard = ice.handle(now, from, datagram, &self.identity);
        self.outputs.extend(heard.answer.map(|bytes| Output::Send { to: from, bytes }));
        self.follow_ice(now);
        heard.is_proof
    }

    /// Sends our checks, and goes where they lead.
    fn follow_ice(&mut self, now: Instant) {
        let Some(ice) = &mut self.ice else { return };
        while let Some((to, bytes)) = ice.transmit() {
            self.outputs.push_back(Output::Send { to, bytes });
        }
        if let Some(place) = ice.selected().filter(|place| self.selected != Some(*place)) {
            self.select(now, place);
        }
    }

    /// What the peer has to do next for there to be keys.
    fn missing(&self) -> Option<NoKeys> {
        match self.association.waits_for() {
            Wait::Way => Some(self.ice.as_ref().map_or(NoKeys::NotChecked, Ice::missing)),
            Wait::Hello => Some(NoKeys::NotBegun),
            Wait::Nothing => None,
        }
    }

    /// The time of what the peer has to do begins when that is next, and is told once.
    fn wait(&mut self, now: Instant) {
        let missing = self.missing();
        if missing.is_none() || missing == self.told {
            self.awaited = None;
        } else if self.awaited.as_ref().map(|(what, _)| what) != missing.as_ref() {
            self.awaited = missing.map(|what| (what, now));
        }
    }

    fn select(&mut self, now: Instant, place: SocketAddr) {
        self.selected = Some(place);
        self.outputs.push_back(Output::Selected(place));
        self.begin(now);
    }

    /// Begins the handshake where that is on us and not done.
    fn begin(&mut self, now: Instant) {
        let progress = self.association.begin(now);
        self.follow(progress);
    }

    /// Sends what the handshake wants sent: where packets go, or back to where the last flight came from as long as
    /// nothing was nominated.
    fn follow(&mut self, progress: Option<Progress>) {
        let to = self.selected.or(self.heard_from.filter(|from| self.may_be_sent_to(*from)));
        while let Some(bytes) = self.association.transmit() {
            self.outputs.extend(to.map(|to| Output::Send { to, bytes }));
        }
        match progress {
            Some(Progress::Keys(keys)) => self.outputs.push_back(Output::Keys(keys)),
            Some(Progress::Failed(why)) => self.outputs.push_back(Output::NoKeys(why)),
            None => {}
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("terms", &self.terms).field("selected", &self.selected).finish_non_exhaustive()
    }
}
