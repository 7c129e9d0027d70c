//! The other end of a stream whose keys are agreed by DTLS: where it is (ICE, RFC 8445, in the lite role) and who it is
//! (the certificate of its description, RFC 5763). That is how browsers send audio, and phones that speak like them.
//!
//! Sans-I/O: [`Peer::handle`] takes every datagram that is neither RTP nor RTCP (RFC 7983), [`Peer::tick`] the time, and
//! [`Peer::poll`] gives what follows. The keys go to the stream, whose packets never come here.
//!
//! - **Where.** With ICE a place counts once it sent a binding request with our name and password. The last one that was
//!   nominated is where everything goes. Without ICE (or when the other side is lite too, which means that nobody
//!   checks, RFC 8445 section 6.1.1) it is the address of its description, and only that.
//! - **Who.** DTLS is spoken with such places only; a handshake from elsewhere is not even looked at.
//! - **Consent** (RFC 7675): after 30 s without a check nothing is sent there any more until there is one again.
//! - **Later descriptions**: the same certificate and role keep the keys, whatever happens to ICE; new names and passwords
//!   are an ICE restart, during which the old place counts on.
//!
//! What the DTLS library does is bounded by `records`; the randomness of handshakes is the operating system's.

mod dtls;
mod ice;
mod identity;
mod no_keys;
mod records;
mod stun;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, fmt, net::SocketAddr, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

use crate::keys::StreamKeys;
use dtls::{Association, Progress, Wait};
use ice::Ice;
pub use identity::{Fingerprint, Identity, NoIdentity};
pub use no_keys::NoKeys;
use no_keys::PATIENCE;

/// What both descriptions say of a stream with DTLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The certificate that the other side must prove to have.
    pub fingerprint: Fingerprint,
    /// We begin the handshake (`a=setup:active` is ours).
    pub is_client: bool,
    /// The names and passwords of ICE; `None`: the other side is where its description says.
    pub ice: Option<IceTerms>,
}

/// What is agreed for ICE. The other side's password is not needed: we check nothing, we are checked.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceTerms {
    /// Our name.
    pub ufrag: String,
    /// Our password.
    pub password: String,
    /// Their name.
    pub their_ufrag: String,
}

impl fmt::Debug for IceTerms {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceTerms({}:{})", self.ufrag, self.their_ufrag)
    }
}

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
    /// At most one answer and one flight a datagram: whoever gives one takes them out.
    outputs: VecDeque<Output>,
}

impl Peer {
    /// Nothing was heard of it. `remote` is the address of its description, which counts without ICE.
    #[must_use]
    pub fn new(now: Instant, identity: &Arc<Identity>, terms: &Terms, remote: SocketAddr) -> Self {
        let mut peer = Self {
            identity: Arc::clone(identity),
            terms: terms.clone(),
            ice: terms.ice.as_ref().map(|terms| Ice::new(terms.clone())),
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
        peer.wait(now);
        peer
    }

    /// What was agreed anew; whether it is with somebody else, for whom the keys so far are not meant.
    pub fn renegotiate(&mut self, now: Instant, terms: &Terms, remote: SocketAddr) -> bool {
        let is_restart = self.terms.ice != terms.ice;
        let is_other = (self.terms.fingerprint, self.terms.is_client) != (terms.fingerprint, terms.is_client);
        if is_other || is_restart && self.association.is_failed() {
            self.association = Association::new(&self.identity, terms);
            (self.awaited, self.told) = (None, None);
        }
        match (&mut self.ice, &terms.ice) {
            (Some(ice), Some(terms)) if is_restart => ice.restart(terms.clone()),
            (Some(_), Some(_)) => {}
            (was, terms) => {
                // Who is to be checked from now on is nowhere until that was done.
                let is_unproved = was.is_none() && terms.is_some();
                *was = terms.clone().map(Ice::new);
                self.outputs.extend(self.selected.take_if(|_| is_unproved).map(Output::Silent));
            }
        }
        self.terms = terms.clone();
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
            // Only whoever was checked, or is where the description says.
            Some(20..=63) if self.is_known(from) => {
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

    /// What became due: a flight that is sent again, consent that ran out.
    pub fn tick(&mut self, now: Instant) {
        let progress = self.association.tick(now);
        self.follow(progress);
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
        let Some(check) = ice.handle(now, from, datagram, self.identity.crypto()) else { return false };
        self.outputs.push_back(Output::Send { to: from, bytes: check.answer });
        if check.is_nominated && self.selected != Some(from) {
            self.select(now, from);
        }
        check.is_proof
    }

    /// What the peer has to do next for there to be keys.
    fn missing(&self) -> Option<NoKeys> {
        match self.association.waits_for() {
            Wait::Way if self.ice.as_ref().is_some_and(Ice::has_places) => Some(NoKeys::NotNominated),
            Wait::Way => Some(NoKeys::NotChecked),
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
        let to = self.selected.or(self.heard_from.filter(|from| self.is_known(*from)));
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
