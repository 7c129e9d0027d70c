//! `a=crypto` (RFC 4568): the key of one direction of an SRTP stream, written into the description itself. Reads and
//! prints lines; which of them counts is decided where offers are answered.
//!
//! A line is usable when all of it is understood: suite, one key of the right length, a lifetime that is one, no MKI
//! with bytes in it, and no session parameter that would weaken the stream or that we do not know. All others are
//! skipped, for an offer has several. What a line says of its key is nowhere shown: see [`MediaKey`].

use std::fmt::{self, Write as _};

use base64::{
    Engine as _,
    alphabet::STANDARD as ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use rand_chacha::{ChaCha20Rng, rand_core::RngCore as _};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

/// RFC 4568 section 6.1 asks for padding, and some phones leave it out.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));
/// The longest key with its salt, in bytes.
const MOST_BYTES: usize = 46;
/// Tags have nine digits at most (RFC 4568 section 9.1).
const MOST_TAG_DIGITS: usize = 9;
/// No key may protect more packets (RFC 3711 section 9.2), as a power of two.
const MOST_PACKETS_LOG2: u32 = 48;

/// How a stream is encrypted and authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES in counter mode with 128 bits, tag of 80 bits (RFC 4568 section 6.2.1).
    AesCm128HmacSha1_80,
    /// The same with a tag of 32 bits on RTP (section 6.2.2).
    AesCm128HmacSha1_32,
    /// AES in counter mode with 256 bits, tag of 80 bits (RFC 6188).
    AesCm256HmacSha1_80,
    /// AES in Galois counter mode with 128 bits (RFC 7714).
    AeadAes128Gcm,
    /// AES in Galois counter mode with 256 bits (RFC 7714).
    AeadAes256Gcm,
}

impl Suite {
    /// All, in the order in which we offer them: the cheapest good one first, the short tag last.
    pub const ALL: [Self; 5] = [
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
        Self::AesCm128HmacSha1_80,
        Self::AesCm256HmacSha1_80,
        Self::AesCm128HmacSha1_32,
    ];

    /// Its name in descriptions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.as_str().eq_ignore_ascii_case(name))
    }

    /// Bytes of its master key.
    #[must_use]
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256HmacSha1_80 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of its master salt.
    #[must_use]
    pub const fn salt_bytes(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AesCm256HmacSha1_80 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }
}

/// The master key and salt of one direction of a stream. Its `Debug` shows the suite only, and its bytes are
/// overwritten when it goes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaKey {
    suite: Suite,
    /// Key, salt, zeros.
    bytes: [u8; MOST_BYTES],
}

impl MediaKey {
    /// A new one from randomness of its own.
    pub(super) fn random(suite: Suite, random: &mut ChaCha20Rng) -> Self {
        let mut bytes = [0; MOST_BYTES];
        random.fill_bytes(&mut bytes[..suite.key_bytes() + suite.salt_bytes()]);
        Self { suite, bytes }
    }

    /// Key and salt behind each other in base64, as a line has them.
    fn read(suite: Suite, text: &str) -> Option<Self> {
        let length = suite.key_bytes() + suite.salt_bytes();
        let mut room = Zeroizing::new([0; MOST_BYTES + 2]);
        let found = BASE64.decode_slice(text, &mut room[..]).ok().filter(|found| *found == length)?;
        let mut bytes = [0; MOST_BYTES];
        bytes[..found].copy_from_slice(&room[..found]);
        Some(Self { suite, bytes })
    }

    /// For what.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The master key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.bytes[..self.suite.key_bytes()]
    }

    /// The master salt.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.bytes[self.suite.key_bytes()..][..self.suite.salt_bytes()]
    }

    fn base64(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(&self.bytes[..self.suite.key_bytes() + self.suite.salt_bytes()]))
    }
}

impl Drop for MediaKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for MediaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaKey({})", self.suite.as_str())
    }
}

impl From<MediaKey> for String {
    fn from(key: MediaKey) -> Self {
        format!("{} {}", key.suite.as_str(), *key.base64())
    }
}

impl TryFrom<String> for MediaKey {
    type Error = NoKey;

    fn try_from(text: String) -> Result<Self, NoKey> {
        let text = Zeroizing::new(text);
        let (suite, key) = text.split_once(' ').ok_or(NoKey)?;
        Self::read(Suite::of(suite).ok_or(NoKey)?, key).ok_or(NoKey)
    }
}

/// What was kept is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key of SRTP")]
pub struct NoKey;

/// One usable `a=crypto` line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CryptoLine {
    /// Names the line within its section; the answer repeats that of the line that it takes.
    pub tag: u32,
    /// The key of whoever wrote the line: it encrypts what that side sends.
    pub key: MediaKey,
}

impl CryptoLine {
    /// Reads the value of the attribute; `None` when it is not usable.
    pub(super) fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let (tag, suite, keys) = (words.next()?, Suite::of(words.next()?)?, words.next()?);
        let is_tag = tag.len() <= MOST_TAG_DIGITS && tag.bytes().all(|digit| digit.is_ascii_digit());
        let tag = tag.parse().ok().filter(|_| is_tag)?;
        // Several keys need an MKI to tell them apart.
        let (method, inline) = keys.split_once(':').filter(|_| !keys.contains(';'))?;
        let mut parts = inline.split('|');
        let key = MediaKey::read(suite, parts.next()?).filter(|_| method.eq_ignore_ascii_case("inline"))?;
        let mut rest = parts.next();
        if let Some(lifetime) = rest.filter(|part| !part.contains(':')) {
            is_lifetime(lifetime).then_some(())?;
            rest = parts.next();
        }
        let is_bare = rest.is_none_or(is_empty_mki) && parts.next().is_none();
        (is_bare && words.all(is_harmless)).then_some(Self { tag, key })
    }

    /// Appends the line, CRLF included.
    pub(super) fn print(&self, out: &mut String) {
        let _ = write!(out, "a=crypto:{} {} inline:{}\r\n", self.tag, self.key.suite.as_str(), *self.key.base64());
    }
}

/// Packets that the key may protect: `2^20` or a number (RFC 4568 section 6.1).
fn is_lifetime(text: &str) -> bool {
    match text.strip_prefix("2^") {
        Some(power) => power.parse().is_ok_and(|power: u32| power <= MOST_PACKETS_LOG2),
        None => text.parse().is_ok_and(|packets: u64| (1..=1 << MOST_PACKETS_LOG2).contains(&packets)),
    }
}

/// `1:0`: an MKI that takes no bytes in any packet.
fn is_empty_mki(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    text.split_once(':').is_some_and(|(mki, length)| digits(mki) && length.parse() == Ok(0_u8))
}

/// A session parameter that changes nothing for us: no key derivation rate, a hint for the replay window that ours
/// fulfils, or one that may be ignored (RFC 4568 sections 6.3 and 6.3.7).
fn is_harmless(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let number = || value.parse::<u32>().ok();
    match name {
        "KDR" => number() == Some(0),
        "WSH" => number().is_some_and(|packets| (64..=1_024).contains(&packets)),
        _ => name.starts_with('-'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_30: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNk";
    const KEY_28: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYg==";
    const KEY_46: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZA==";

    fn is_usable(value: &str) -> bool {
        CryptoLine::read(value).is_some()
    }

    #[test]
    fn each_suite_has_its_length_of_key_and_salt() {
        for suite in Suite::ALL {
            let fits = |key: &str| is_usable(&format!("1 {} inline:{key}", suite.as_str()));
            let length = suite.key_bytes() + suite.salt_bytes();
            let expected: Vec<_> = [(KEY_28, 28), (KEY_30, 30), (KEY_46, 46)].map(|(_, bytes)| bytes == length).into();
            assert_eq!([KEY_28, KEY_30, KEY_46].map(fits)[..], expected, "{suite:?}");
        }
        let long = BASE64.encode([7; 44]);
        assert!(is_usable(&format!("1 AEAD_AES_256_GCM inline:{long}")), "{long}");
        let unpadded = KEY_46.trim_end_matches('=');
        assert!(is_usable(&format!("9 AES_256_CM_HMAC_SHA1_80 inline:{unpadded}")), "padding may be missing");
    }

    #[test]
    fn lines_that_are_not_wholly_understood_are_not_usable() {
        let line = |rest: &str| format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}{rest}");
        for good in ["", "|2^20", "|2^48", "|1048576", "|1:0", "|2^20|1:0", " KDR=0", " WSH=128", " -XY=3 WSH=64"] {
            assert!(is_usable(&line(good)), "{good}");
        }
        for bad in [
            "|2^49",
            "|0",
            "|2^",
            "|x",
            "|1:4",
            "|2^20|1:4",
            "|2^20|1:0|x",
            "|:0",
            " KDR=1",
            " KDR",
            " WSH=63",
            " WSH=x",
            " UNENCRYPTED_SRTP",
            " UNENCRYPTED_SRTCP",
            " UNAUTHENTICATED_SRTP",
            " FEC_ORDER=FEC_SRTP",
            " XY=3",
            "=",
            "%",
        ] {
            assert!(!is_usable(&line(bad)), "{bad}");
        }
        let two = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}|2^20|1:4;inline:{KEY_30}|2^20|2:4");
        let other = [format!("1 F8_128_HMAC_SHA1_80 inline:{KEY_30}"), format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY_30}")];
        let tags =
            [format!("0123456789 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}"), format!("-1 AEAD_AES_128_GCM inline:{KEY_28}")];
        for bad in other.iter().chain(&tags).map(String::as_str).chain([
            two.as_str(),
            "",
            "1",
            "1 AEAD_AES_128_GCM",
            "1 AEAD_AES_128_GCM inline:",
        ]) {
            assert!(!is_usable(bad), "{bad}");
        }
    }

    #[test]
    fn a_key_is_never_shown_and_comes_back_from_what_was_kept() {
        let line = CryptoLine::read(&format!("7 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}")).unwrap();
        assert_eq!(format!("{line:?}"), "CryptoLine { tag: 7, key: MediaKey(AES_CM_128_HMAC_SHA1_80) }");
        let mut text = String::new();
        line.print(&mut text);
        assert_eq!(text, format!("a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}\r\n"));
        let kept = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::from_str::<CryptoLine>(&kept).unwrap(), line);
        assert!(serde_json::from_str::<MediaKey>("\"AEAD_AES_128_GCM MDEy\"").is_err());
    }
}
