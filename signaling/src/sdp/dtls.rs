//! What descriptions say of DTLS-SRTP and ICE (RFC 5763, RFC 8842, RFC 8839): the fingerprint of a certificate, who begins,
//! names and passwords of checks. We have one candidate. Lite, those of the other side mean nothing to us, since it is them
//! who check; full, we check them: where the plan says so, and towards those who offer as lite, who check nobody.
//!
//! Our name and password stay as long as the other side's do, and change with them, with our address, and with our
//! certificate: each is a restart of ICE (RFC 8839 section 4.4.1.1.1).

use std::{
    fmt::{self, Write as _},
    net::{IpAddr, SocketAddr},
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};

use super::{
    IceRole, KeySeed,
    candidate::{MOST_CANDIDATES, MediaCandidate},
    description::{Connection, Media, SessionDescription},
    session::{LocalAudio, own_address},
};

/// Priority of a host candidate that is the only one (RFC 8445 section 5.1.2.1).
const PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;
/// That of a relayed one.
const LENT_PRIORITY: u32 = (65_535 << 8) | 255;
/// The longest names and passwords (RFC 8839 section 5.4).
const LONGEST_ICE: usize = 256;
/// The longest `a=mid` that is repeated.
const LONGEST_MID: usize = 64;

/// The SHA-256 of a certificate (RFC 8122).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// `sha-256 12:AB:…`; `None` for other hashes.
    fn read(value: &str) -> Option<Self> {
        let (hash, digits) = value.trim().split_once(' ')?;
        let mut bytes = [0; 32];
        let mut pairs = digits.trim().split(':');
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        (hash.eq_ignore_ascii_case("sha-256") && pairs.next().is_none()).then_some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for byte in self.0 {
            write!(f, "{between}{byte:02X}")?;
            between = ":";
        }
        Ok(())
    }
}

/// Who begins (RFC 4145 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    Active,
    Passive,
    ActPass,
    /// Nobody, or a word that we do not know.
    Nobody,
}

/// A name and a password of ICE.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Credentials {
    ufrag: String,
    password: String,
}

impl fmt::Debug for Credentials {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.ufrag)
    }
}

impl Credentials {
    fn new(seed: &KeySeed) -> Self {
        // A name that no other stream has, by which a shared port tells them apart, and 144 bits of password (RFC 8445
        // section 5.3).
        let bytes = seed.bytes::<24>();
        Self { ufrag: BASE64.encode(seed.name()), password: BASE64.encode(&bytes[6..]) }
    }

    fn is_sound(&self) -> bool {
        let fits = |text: &str, least| {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
            (least..=LONGEST_ICE).contains(&text.len()) && text.bytes().all(is_letter)
        };
        fits(&self.ufrag, 4) && fits(&self.password, 22)
    }
}

/// The lines of a section, or those of the session that stand for all sections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DtlsLines {
    fingerprint: Option<Fingerprint>,
    setup: Option<Setup>,
    ufrag: Option<String>,
    password: Option<String>,
    mid: Option<String>,
    candidates: Vec<MediaCandidate>,
}

impl DtlsLines {
    /// Takes an attribute; `false` when it is none of these. What is malformed counts as not there.
    pub(super) fn read(&mut self, name: &str, value: &str) -> bool {
        let value = value.trim();
        match name {
            // Of several certificates or hashes any will do (RFC 8122 section 5).
            "fingerprint" => self.fingerprint = Fingerprint::read(value).or(self.fingerprint),
            "setup" => {
                self.setup = Some(match value {
                    "active" => Setup::Active,
                    "passive" => Setup::Passive,
                    "actpass" => Setup::ActPass,
                    _ => Setup::Nobody,
                });
            }
            "ice-ufrag" => self.ufrag = Some(value.to_owned()),
            "ice-pwd" => self.password = Some(value.to_owned()),
            "candidate" if self.candidates.len() >= MOST_CANDIDATES => {}
            "candidate" => self.candidates.extend(MediaCandidate::read(value)),
            "mid" => self.mid = Some(value.to_owned()).filter(|mid| is_mid(mid)),
            _ => return false,
        }
        true
    }

    /// Whether a handshake is possible with it.
    pub(super) fn is_usable(&self) -> bool {
        let has_ice = self.ufrag.is_some() || self.password.is_some();
        self.fingerprint.is_some() && self.setup != Some(Setup::Nobody) && has_ice == self.credentials().is_some()
    }

    fn credentials(&self) -> Option<Credentials> {
        let credentials = Credentials { ufrag: self.ufrag.clone()?, password: self.password.clone()? };
        credentials.is_sound().then_some(credentials)
    }
}

/// A word of an `a=mid` line (RFC 5888 section 4).
fn is_mid(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte);
    (1..=LONGEST_MID).contains(&text.len()) && text.bytes().all(is_letter)
}

impl SessionDescription {
    /// Whether a section is reached by checks: then its address says nothing, 0.0.0.0 is no hold, and port 9 no port.
    #[must_use]
    pub fn is_checked(&self, media: &Media) -> bool {
        media.is_dtls_audio() && !self.is_lite && media.dtls.credentials().is_some()
    }

    /// Where a section may be reached. Who is lite and names no candidate means the address of the section.
    fn candidates(&self, media: &Media) -> Vec<MediaCandidate> {
        let named = media.dtls.candidates.clone();
        match self.connection_of(media) {
            Some(Connection::Address(address)) if named.is_empty() && self.is_lite && !address.is_unspecified() => {
                vec![MediaCandidate { address: SocketAddr::new(*address, media.port), priority: PRIORITY }]
            }
            _ => named,
        }
    }
}

/// What was agreed of DTLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaDtls {
    /// Of the other side's certificate.
    pub fingerprint: Fingerprint,
    /// We begin the handshake.
    pub is_client: bool,
    /// What is checked with; `None`: nobody checks, and they are at the address of their description.
    pub ice: Option<MediaIce>,
}

/// What was agreed of ICE.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaIce {
    /// Our name.
    pub ufrag: String,
    /// Our password.
    pub password: String,
    /// Their name.
    pub their_ufrag: String,
    /// What we check them with; `None`: we are lite, and they check us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<MediaChecks>,
}

/// What we check the other side with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaChecks {
    /// Their password.
    pub their_password: String,
    /// We choose.
    pub is_controlling: bool,
    /// Where they may be.
    pub candidates: Vec<MediaCandidate>,
}

impl fmt::Debug for MediaChecks {
    /// Without password and addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaChecks({} candidates, controlling: {})", self.candidates.len(), self.is_controlling)
    }
}

impl fmt::Debug for MediaIce {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MediaIce({}:{})", self.ufrag, self.their_ufrag)
    }
}

/// What a session remembers of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SessionDtls {
    ours: Credentials,
    fingerprint: Fingerprint,
    theirs: Option<Credentials>,
    /// What we said last of who begins; `None`: that they choose.
    is_client: Option<bool>,
    has_ice: bool,
    /// We check, too.
    #[serde(default)]
    is_full: bool,
    /// We choose (RFC 8445 section 6.1.1): settled with names and passwords.
    #[serde(default)]
    is_controlling: bool,
    mid: Option<String>,
    is_bundled: bool,
    address: IpAddr,
    port: u16,
    /// The address that a TURN server lends us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lent: Option<SocketAddr>,
}

impl SessionDtls {
    /// Whether it can have been kept.
    pub(super) fn is_sound(&self) -> bool {
        self.ours.is_sound() && self.theirs.as_ref().is_none_or(Credentials::is_sound) && self.mid.as_deref().is_none_or(is_mid)
    }

    /// What an offer says.
    pub(super) fn offer(before: Option<&Self>, local: &LocalAudio, (seed, fingerprint): (&KeySeed, Fingerprint)) -> Self {
        let same = before.filter(|before| before.is_same(local, fingerprint));
        Self {
            ours: same.map_or_else(|| Credentials::new(seed), |same| same.ours.clone()),
            fingerprint,
            theirs: before.and_then(|before| before.theirs.clone()),
            is_client: None,
            // Who answered without ICE once is offered it again: it may be another one now.
            has_ice: true,
            is_full: same.map_or(local.keys.ice() == IceRole::Full, |same| same.is_full),
            is_controlling: same.is_none_or(|same| same.is_controlling),
            mid: before.map_or_else(|| Some("0".to_owned()), |before| before.mid.clone()),
            is_bundled: before.is_none_or(|before| before.is_bundled),
            address: local.address,
            port: local.port,
            lent: local.keys.lent(),
        }
    }

    /// Answers an offer; `None` when no handshake is possible with it.
    pub(super) fn answer(
        before: Option<&Self>,
        (offer, media): (&SessionDescription, &Media),
        local: &LocalAudio,
        (seed, fingerprint): (&KeySeed, Fingerprint),
    ) -> Option<(Self, MediaDtls)> {
        let theirs = media.dtls.credentials();
        let same = before.filter(|before| before.theirs == theirs && before.is_same(local, fingerprint));
        // Without a word an offer is active (RFC 4145 section 4). Who leaves the choice begins: they know by their checks
        // when there is a way (RFC 8842 section 5.3 lets us choose).
        let is_client = match media.dtls.setup.unwrap_or(Setup::Active) {
            Setup::Active | Setup::ActPass => false,
            Setup::Passive => true,
            Setup::Nobody => return None,
        };
        // With somebody lite it is us who check.
        let is_lite = offer.is_lite && !offer.candidates(media).is_empty();
        let mid = media.dtls.mid.clone();
        let is_bundled = mid.as_ref().is_some_and(|mid| offer.bundle.contains(mid));
        let session = Self {
            ours: same.map_or_else(|| Credentials::new(seed), |same| same.ours.clone()),
            fingerprint,
            has_ice: theirs.is_some(),
            is_full: same.map_or(is_lite || local.keys.ice() == IceRole::Full, |same| same.is_full),
            is_controlling: same.map_or(offer.is_lite, |same| same.is_controlling),
            theirs,
            is_client: Some(is_client),
            mid,
            is_bundled,
            address: local.address,
            port: local.port,
            lent: local.keys.lent(),
        };
        let agreed = session.agreed(offer, media, is_client)?;
        Some((session, agreed))
    }

    /// Takes what an answer says.
    pub(super) fn read_answer(&mut self, answer: &SessionDescription, media: &Media) -> Option<MediaDtls> {
        // Without a word an answer is passive (RFC 4145 section 4); it may leave no choice (RFC 8842 section 5.3).
        let is_client = match media.dtls.setup.unwrap_or(Setup::Passive) {
            Setup::Active => false,
            Setup::Passive => true,
            Setup::ActPass | Setup::Nobody => return None,
        };
        // New names of theirs: the one who offers chooses.
        self.is_controlling |= self.theirs != media.dtls.credentials();
        let agreed = self.agreed(answer, media, is_client)?;
        (self.theirs, self.is_client) = (media.dtls.credentials(), Some(is_client));
        Some(agreed)
    }

    fn agreed(&self, theirs: &SessionDescription, media: &Media, is_client: bool) -> Option<MediaDtls> {
        let has_checks = self.is_full || theirs.is_checked(media);
        let candidates = || theirs.candidates(media);
        let ice = media.dtls.credentials().filter(|_| has_checks).map(|Credentials { ufrag, password }| MediaIce {
            ufrag: self.ours.ufrag.clone(),
            password: self.ours.password.clone(),
            their_ufrag: ufrag,
            checks: self.is_full.then(|| MediaChecks {
                their_password: password,
                is_controlling: self.is_controlling,
                candidates: candidates(),
            }),
        });
        Some(MediaDtls { fingerprint: media.dtls.fingerprint?, is_client, ice })
    }

    fn is_same(&self, local: &LocalAudio, fingerprint: Fingerprint) -> bool {
        self.fingerprint == fingerprint && SocketAddr::new(self.address, self.port) == own_address(local)
    }

    /// The lines of the session.
    pub(super) fn print_session(&self, out: &mut String) {
        if let Some(mid) = self.mid.as_ref().filter(|_| self.is_bundled) {
            let _ = write!(out, "a=group:BUNDLE {mid}\r\n");
        }
        match (self.has_ice, self.is_full) {
            (true, false) => out.push_str("a=ice-lite\r\n"),
            // RFC 8839 section 4.2.4, RFC 8445 section 10: no nomination but the regular one.
            (true, true) => out.push_str("a=ice-options:ice2\r\n"),
            (false, _) => {}
        }
    }

    /// The lines of the section.
    pub(super) fn print(&self, out: &mut String) {
        let setup = match self.is_client {
            None => "actpass",
            Some(true) => "active",
            Some(false) => "passive",
        };
        let _ = write!(out, "a=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n", self.fingerprint);
        if let Some(mid) = &self.mid {
            let _ = write!(out, "a=mid:{mid}\r\n");
        }
        if self.has_ice {
            let (Credentials { ufrag, password }, Self { address, port, .. }) = (&self.ours, self);
            let _ = write!(
                out,
                "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n\
                 a=candidate:1 1 UDP {PRIORITY} {address} {port} typ host\r\n"
            );
            // Who is lite has no others than its own (RFC 8445 section 5.2).
            if let Some(lent) = self.lent.filter(|_| self.is_full) {
                let (ip, at) = (lent.ip(), lent.port());
                let _ = write!(out, "a=candidate:2 1 UDP {LENT_PRIORITY} {ip} {at} typ relay raddr {address} rport {port}\r\n");
            }
            out.push_str("a=end-of-candidates\r\n");
        }
    }
}
