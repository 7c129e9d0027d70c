//! The keys of one session over its life (RFC 4568 sections 5 and 7): which lines we offer, which we take, and when
//! ours change.
//!
//! Ours stay as long as nothing changes: through refreshes, hold and resume, and a restart of the program. There are
//! new ones when our address changes (section 7.1.4), when another suite is taken, and when the other side comes with
//! a new key of its own: then somebody else may be there who does not know how often our counters rolled over.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{
    KeySeed,
    crypto::{CryptoLine, MediaKey, Suite},
    description::Media,
    session::{LocalAudio, own_address},
};

/// The keys of a stream, one for each direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaKeys {
    /// Encrypts what we send.
    pub send: MediaKey,
    /// Decrypts what we receive. It is of the same suite.
    pub receive: MediaKey,
}

/// What a session remembers of keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SessionKeys {
    /// What we described last: our lines.
    ours: Vec<CryptoLine>,
    /// Which of them counts, once that is agreed.
    agreed: Option<u32>,
    /// The other side's.
    theirs: Option<MediaKey>,
    address: IpAddr,
    port: u16,
}

impl SessionKeys {
    /// Whether it can have been kept.
    pub(super) fn is_sound(&self) -> bool {
        let known = |tag| self.ours.iter().any(|line| line.tag == tag);
        (1..=Suite::ALL.len()).contains(&self.ours.len()) && self.agreed.is_none_or(known)
    }

    /// The lines of an offer: the agreed one again, or one of each suite.
    pub(super) fn offer(before: Option<&Self>, local: &LocalAudio, seed: &KeySeed) -> Self {
        let before = before.filter(|keys| keys.agreed.is_some());
        let agreed = before.and_then(Self::agreed_line);
        let is_moved = before.is_some_and(|keys| keys.address() != own_address(local));
        let ours = match agreed {
            Some(line) if is_moved => seed.keys([line.key.suite()]).map(|key| CryptoLine { tag: line.tag, key }).collect(),
            Some(line) => vec![line.clone()],
            None => (1..).zip(seed.keys(Suite::ALL)).map(|(tag, key)| CryptoLine { tag, key }).collect(),
        };
        let theirs = before.and_then(|keys| keys.theirs.clone());
        Self { ours, agreed: agreed.map(|line| line.tag), theirs, address: local.address, port: local.port }
    }

    /// Answers the lines of an offer with one; `None` when none is usable. The suite stays when it is offered again, else
    /// it is the first of theirs.
    pub(super) fn answer(before: Option<&Self>, offer: &Media, local: &LocalAudio, seed: &KeySeed) -> Option<(Self, MediaKeys)> {
        let agreed = before.and_then(Self::agreed_line);
        let same_suite = |line: &&CryptoLine| agreed.is_some_and(|agreed| agreed.key.suite() == line.key.suite());
        let taken = offer.crypto.iter().find(same_suite).or(offer.crypto.first())?;
        let suite = taken.key.suite();
        let is_same = |keys: &&Self| keys.theirs.as_ref() == Some(&taken.key) && keys.address() == own_address(local);
        let own = before.filter(is_same).and(agreed).filter(|line| line.key.suite() == suite).map(|line| line.key.clone());
        let key = own.or_else(|| seed.keys([suite]).next())?;
        let keys = MediaKeys { send: key.clone(), receive: taken.key.clone() };
        let (address, port) = (local.address, local.port);
        let ours = vec![CryptoLine { tag: taken.tag, key }];
        Some((Self { ours, agreed: Some(taken.tag), theirs: Some(taken.key.clone()), address, port }, keys))
    }

    /// Takes the line of an answer: it must be one, with tag and suite of a line of ours (RFC 4568 section 5.1.3).
    pub(super) fn read_answer(&mut self, answer: &Media) -> Option<MediaKeys> {
        let [taken] = answer.crypto.as_slice() else { return None };
        let ours = self.ours.iter().find(|line| line.tag == taken.tag && line.key.suite() == taken.key.suite())?;
        let keys = MediaKeys { send: ours.key.clone(), receive: taken.key.clone() };
        (self.agreed, self.theirs) = (Some(taken.tag), Some(taken.key.clone()));
        Some(keys)
    }

    /// Our lines.
    pub(super) fn lines(&self) -> &[CryptoLine] {
        &self.ours
    }

    fn agreed_line(&self) -> Option<&CryptoLine> {
        self.ours.iter().find(|line| Some(line.tag) == self.agreed)
    }

    const fn address(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}
