//! The keys of SRTP as the engine is given them: one master key with its salt for each direction of a stream. How they
//! were agreed is not known here; what is done with them is in `secure`.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

/// The longest key with its salt, in bytes.
const MOST_BYTES: usize = 46;

/// How packets are encrypted and authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-CM with 128 bits, tags of 80 bits (RFC 3711).
    AesCm128HmacSha1_80,
    /// The same with tags of 32 bits on RTP.
    AesCm128HmacSha1_32,
    /// AES-CM with 256 bits, tags of 80 bits (RFC 6188).
    AesCm256HmacSha1_80,
    /// AES-GCM with 128 bits (RFC 7714).
    AeadAes128Gcm,
    /// AES-GCM with 256 bits (RFC 7714).
    AeadAes256Gcm,
}

impl Suite {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
        Self::AesCm256HmacSha1_80,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// Bytes of the master key.
    #[must_use]
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256HmacSha1_80 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt.
    #[must_use]
    pub const fn salt_bytes(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AesCm256HmacSha1_80 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "cm-128-80",
            Self::AesCm128HmacSha1_32 => "cm-128-32",
            Self::AesCm256HmacSha1_80 => "cm-256-80",
            Self::AeadAes128Gcm => "gcm-128",
            Self::AeadAes256Gcm => "gcm-256",
        }
    }
}

/// The master key and salt of one direction. Its `Debug` shows the suite only, and its bytes are overwritten when it
/// goes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamKey {
    suite: Suite,
    /// Key, salt, zeros.
    bytes: [u8; MOST_BYTES],
}

impl StreamKey {
    /// `None` when a length is not the suite's.
    #[must_use]
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Option<Self> {
        if (key.len(), salt.len()) != (suite.key_bytes(), suite.salt_bytes()) {
            return None;
        }
        let mut bytes = [0; MOST_BYTES];
        bytes[..key.len()].copy_from_slice(key);
        bytes[key.len()..][..salt.len()].copy_from_slice(salt);
        Some(Self { suite, bytes })
    }

    /// For what.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.bytes[..self.suite.key_bytes()]
    }

    pub(crate) fn salt(&self) -> &[u8] {
        &self.bytes[self.suite.key_bytes()..][..self.suite.salt_bytes()]
    }
}

impl Drop for StreamKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamKey({})", self.suite.as_str())
    }
}

impl From<StreamKey> for String {
    fn from(key: StreamKey) -> Self {
        let length = key.suite.key_bytes() + key.suite.salt_bytes();
        let bytes = Zeroizing::new(BASE64.encode(&key.bytes[..length]));
        format!("{} {}", key.suite.as_str(), *bytes)
    }
}

impl TryFrom<String> for StreamKey {
    type Error = NoKey;

    fn try_from(text: String) -> Result<Self, NoKey> {
        let text = Zeroizing::new(text);
        let (suite, bytes) = text.split_once(' ').ok_or(NoKey)?;
        let suite = Suite::ALL.into_iter().find(|known| known.as_str() == suite).ok_or(NoKey)?;
        let bytes = Zeroizing::new(BASE64.decode(bytes).map_err(|_| NoKey)?);
        let (key, salt) = bytes.split_at_checked(suite.key_bytes()).ok_or(NoKey)?;
        Self::new(suite, key, salt).ok_or(NoKey)
    }
}

/// What was kept is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key of SRTP")]
pub struct NoKey;

/// The keys of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamKeys {
    /// Ours: what we send is encrypted with it.
    pub send: StreamKey,
    /// The peer's.
    pub receive: StreamKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown_and_comes_back_from_what_was_kept() {
        for suite in Suite::ALL {
            let key = StreamKey::new(suite, &vec![0x41; suite.key_bytes()], &vec![0x42; suite.salt_bytes()]).unwrap();
            assert_eq!(format!("{key:?}"), format!("StreamKey({})", suite.as_str()));
            let kept = serde_json::to_string(&key).unwrap();
            assert_eq!(serde_json::from_str::<StreamKey>(&kept).unwrap(), key);
            assert_eq!(StreamKey::new(suite, &[0; 15], &[0; 14]), None);
        }
        for bad in ["", "gcm-128", "gcm-128 QUFB", "gcm-128 %", "rot13 QUFB"] {
            assert_eq!(StreamKey::try_from(bad.to_owned()), Err(NoKey), "{bad}");
        }
    }
}
