//! Whether audio is encrypted and how its keys are agreed, and the randomness that new keys are made from.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize as _;

use super::{Fingerprint, Media, MediaKey, SessionDescription, Suite};

/// Whether audio is encrypted, and how its keys are agreed. What they offer with DTLS is taken by every rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyRule {
    /// Not with keys in descriptions; we offer `RTP/AVP`.
    #[default]
    Plain,
    /// Always, with keys in descriptions: `RTP/SAVP`.
    Sdes,
    /// As the other side offers; we offer `RTP/AVP`.
    Optional,
    /// Always, with keys by DTLS: `UDP/TLS/RTP/SAVPF`.
    Dtls,
}

impl KeyRule {
    /// The rule, with what new keys are made from where keys may be needed. Nothing is agreed by DTLS with it.
    #[must_use]
    pub fn with(self, seed: impl FnOnce() -> KeySeed) -> KeyPolicy {
        KeyPolicy { rule: self, seed: (self != Self::Plain).then(seed), fingerprint: None, ice: IceRole::Lite, lent: None }
    }

    /// Whether a section can be answered: one over SRTP needs a usable key, and is never answered as plain (RFC 4568
    /// section 7.1.2).
    #[must_use]
    pub fn allows(self, media: &Media) -> bool {
        if media.is_dtls_audio() {
            true
        } else if media.is_secure_audio() {
            matches!(self, Self::Sdes | Self::Optional) && !media.crypto.is_empty()
        } else {
            matches!(self, Self::Plain | Self::Optional) && media.is_plain_audio()
        }
    }
}

/// Whether we check the other side of a stream with ICE, too (RFC 8445).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IceRole {
    /// We are checked; we check only those who are lite and offer.
    #[default]
    Lite,
    /// Both sides check.
    Full,
}

/// A [`KeyRule`], with the seed of the keys of one description. The default is the plain rule without anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    rule: KeyRule,
    seed: Option<KeySeed>,
    /// Of our certificate.
    fingerprint: Option<Fingerprint>,
    ice: IceRole,
    /// By a TURN server.
    lent: Option<SocketAddr>,
}

impl KeyPolicy {
    /// A rule of somebody with a certificate.
    #[must_use]
    pub const fn new(rule: KeyRule, seed: KeySeed, fingerprint: Fingerprint) -> Self {
        Self { rule, seed: Some(seed), fingerprint: Some(fingerprint), ice: IceRole::Lite, lent: None }
    }

    /// The same with another role.
    #[must_use]
    pub fn with_ice(self, ice: IceRole) -> Self {
        Self { ice, ..self }
    }

    /// The same with an address that a TURN server lends us, which is named as a candidate where we check, too.
    #[must_use]
    pub fn with_lent(self, lent: Option<SocketAddr>) -> Self {
        Self { lent, ..self }
    }

    pub(super) const fn lent(&self) -> Option<SocketAddr> {
        self.lent
    }

    pub(super) const fn ice(&self) -> IceRole {
        self.ice
    }

    /// Without the seed.
    #[must_use]
    pub const fn rule(&self) -> KeyRule {
        self.rule
    }

    /// The seed of keys in descriptions, where there may be some.
    pub(super) fn seed(&self) -> Option<&KeySeed> {
        self.seed.as_ref().filter(|_| matches!(self.rule, KeyRule::Sdes | KeyRule::Optional))
    }

    /// What is needed for DTLS.
    pub(super) const fn dtls(&self) -> Option<(&KeySeed, Fingerprint)> {
        match (&self.seed, self.fingerprint) {
            (Some(seed), Some(fingerprint)) => Some((seed, fingerprint)),
            _ => None,
        }
    }
}

impl SessionDescription {
    /// The audio sections that a rule allows, in the order in which they are tried: who offers several ways prefers the
    /// encrypted one, wherever it stands, and the one whose keys nobody can read.
    pub fn audio(&self, rule: KeyRule) -> impl Iterator<Item = (usize, &Media)> {
        let all = move |is_wanted: fn(&Media) -> bool| {
            let fits = move |(_, media): &(usize, &Media)| is_wanted(media) && rule.allows(media);
            self.media.iter().enumerate().filter(fits)
        };
        all(Media::is_dtls_audio).chain(all(Media::is_secure_audio)).chain(all(Media::is_plain_audio))
    }
}

/// Bytes of a name that no other description has.
const NAME_BYTES: usize = 6;

/// Randomness for the keys of one description, and only for that: from a source that nobody can guess.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySeed {
    bytes: [u8; 32],
    name: [u8; NAME_BYTES],
}

impl KeySeed {
    /// From 32 random bytes that are used for nothing else.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        let mut name = [0; NAME_BYTES];
        ChaCha20Rng::from_seed(bytes).fill_bytes(&mut name);
        Self { bytes, name }
    }

    /// What no other description of this process has: a source counts them.
    pub(super) const fn name(&self) -> [u8; NAME_BYTES] {
        self.name
    }

    /// Its first bytes, for what is no key of SRTP.
    pub(super) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        ChaCha20Rng::from_seed(self.bytes).fill_bytes(&mut bytes);
        bytes
    }

    /// One new key for each suite.
    pub(super) fn keys<'a>(&self, suites: impl IntoIterator<Item = Suite> + 'a) -> impl Iterator<Item = MediaKey> + 'a {
        let mut random = ChaCha20Rng::from_seed(self.bytes);
        suites.into_iter().map(move |suite| MediaKey::random(suite, &mut random))
    }
}

impl Drop for KeySeed {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for KeySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySeed")
    }
}

/// Draws seeds for the descriptions of one program.
pub struct KeySource {
    random: ChaCha20Rng,
    /// Counts the seeds of this one and of all that were forked off, from somewhere: the next process counts from elsewhere.
    drawn: Arc<AtomicU64>,
}

impl KeySource {
    /// From randomness of which others know nothing. It may be used for other things too: what is drawn says nothing
    /// of it.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(b"keys of SRTP").chain_update(seed).finalize();
        let mut random = ChaCha20Rng::from_seed(digest.into());
        let drawn = Arc::new(AtomicU64::new(random.next_u64()));
        Self { random, drawn }
    }

    /// Another source, of which this one knows nothing afterwards.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        Self { random: ChaCha20Rng::from_seed(seed), drawn: Arc::clone(&self.drawn) }
    }

    /// A seed that was never drawn before.
    pub fn seed(&mut self) -> KeySeed {
        let mut bytes = [0; 32];
        self.random.fill_bytes(&mut bytes);
        let [_, _, name @ ..] = self.drawn.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        KeySeed { bytes, name }
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySource")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_descriptions_of_a_process_have_the_same_name_and_the_next_one_counts_from_elsewhere() {
        let mut source = KeySource::new([9; 32]);
        let mut fork = source.fork();
        let mut forked_again = fork.fork();
        let mut names = std::collections::HashSet::new();
        for _ in 0..1_000 {
            for source in [&mut source, &mut fork, &mut forked_again] {
                assert!(names.insert(source.seed().name()));
            }
        }
        assert!(!names.contains(&KeySource::new([8; 32]).seed().name()));
    }

    #[test]
    fn keys_are_new_with_each_seed_and_seeds_are_not_shown() {
        let mut source = KeySource::new([9; 32]);
        let drawn: Vec<_> = (0..3).flat_map(|_| source.seed().keys(Suite::ALL).collect::<Vec<_>>()).collect();
        for (at, key) in drawn.iter().enumerate() {
            assert!(drawn[..at].iter().all(|other| other.key() != key.key() && other.salt() != key.salt()));
        }
        let shown = format!("{:?} {source:?}", KeyRule::Sdes.with(|| KeySeed::new([65; 32])));
        assert_eq!(shown, "KeyPolicy { rule: Sdes, seed: Some(KeySeed), fingerprint: None, ice: Lite, lent: None } KeySource");
    }
}
