//! Whether audio is encrypted with keys in descriptions, and the randomness that new keys are made from.

use std::fmt;

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroize as _;

use super::{Media, MediaKey, SessionDescription, Suite};

/// Whether audio is encrypted with keys in descriptions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyRule {
    /// Never: `RTP/AVP` only.
    #[default]
    Plain,
    /// Always: `RTP/SAVP` only.
    Sdes,
    /// As the other side offers; we offer `RTP/AVP`.
    Optional,
}

impl KeyRule {
    /// The rule, with what new keys are made from where keys may be needed.
    #[must_use]
    pub fn with(self, seed: impl FnOnce() -> KeySeed) -> KeyPolicy {
        match self {
            Self::Plain => KeyPolicy::Plain,
            Self::Sdes => KeyPolicy::Sdes(seed()),
            Self::Optional => KeyPolicy::Optional(seed()),
        }
    }

    /// Whether a section can be answered: one over SRTP needs a usable key, and is never answered as plain (RFC 4568
    /// section 7.1.2).
    #[must_use]
    pub fn allows(self, media: &Media) -> bool {
        if media.is_secure_audio() {
            self != Self::Plain && !media.crypto.is_empty()
        } else {
            self != Self::Sdes && media.is_plain_audio()
        }
    }
}

/// A [`KeyRule`], with the seed of the keys of one description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyPolicy {
    /// Never.
    #[default]
    Plain,
    /// Always.
    Sdes(KeySeed),
    /// As the other side offers.
    Optional(KeySeed),
}

impl KeyPolicy {
    /// Without the seed.
    #[must_use]
    pub const fn rule(&self) -> KeyRule {
        match self {
            Self::Plain => KeyRule::Plain,
            Self::Sdes(_) => KeyRule::Sdes,
            Self::Optional(_) => KeyRule::Optional,
        }
    }

    pub(super) const fn seed(&self) -> Option<&KeySeed> {
        match self {
            Self::Plain => None,
            Self::Sdes(seed) | Self::Optional(seed) => Some(seed),
        }
    }
}

impl SessionDescription {
    /// The audio sections that a rule allows, in the order in which they are tried: who offers both ways prefers the
    /// encrypted one, wherever it stands.
    pub fn audio(&self, rule: KeyRule) -> impl Iterator<Item = (usize, &Media)> {
        let all = move |is_secure| {
            let fits = move |(_, media): &(usize, &Media)| media.is_secure_audio() == is_secure && rule.allows(media);
            self.media.iter().enumerate().filter(fits)
        };
        all(true).chain(all(false))
    }
}

/// Randomness for the keys of one description, and only for that: from a source that nobody can guess.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySeed([u8; 32]);

impl KeySeed {
    /// From 32 random bytes that are used for nothing else.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// One new key for each suite.
    pub(super) fn keys<'a>(&self, suites: impl IntoIterator<Item = Suite> + 'a) -> impl Iterator<Item = MediaKey> + 'a {
        let mut random = ChaCha20Rng::from_seed(self.0);
        suites.into_iter().map(move |suite| MediaKey::random(suite, &mut random))
    }
}

impl Drop for KeySeed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for KeySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySeed")
    }
}

/// Draws seeds for the descriptions of one program.
pub struct KeySource(ChaCha20Rng);

impl KeySource {
    /// From randomness of which others know nothing. It may be used for other things too: what is drawn says nothing
    /// of it.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(b"keys of SRTP").chain_update(seed).finalize();
        Self(ChaCha20Rng::from_seed(digest.into()))
    }

    /// Another source, of which this one knows nothing afterwards.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// A seed that was never drawn before.
    pub fn seed(&mut self) -> KeySeed {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        KeySeed(bytes)
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
    fn keys_are_new_with_each_seed_and_seeds_are_not_shown() {
        let mut source = KeySource::new([9; 32]);
        let drawn: Vec<_> = (0..3).flat_map(|_| source.seed().keys(Suite::ALL).collect::<Vec<_>>()).collect();
        for (at, key) in drawn.iter().enumerate() {
            assert!(drawn[..at].iter().all(|other| other.key() != key.key() && other.salt() != key.salt()));
        }
        assert_eq!(format!("{:?} {source:?}", KeyRule::Sdes.with(|| KeySeed::new([65; 32]))), "Sdes(KeySeed) KeySource");
    }
}
