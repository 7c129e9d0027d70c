//! PASSporTs of the kind `shaken` (RFC 8225, RFC 8588): read strictly, and written.
//!
//! Nothing is believed here: whether the signature holds is for the verifier to find out.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Attestation, TelephoneNumber,
    header::{IdentityHeader, Token},
    sign::{Claim, is_uuid},
};

/// Destinations of one call at most.
const MAX_DESTINATIONS: usize = 16;

/// Bytes of a URL at most.
const MAX_URL_BYTES: usize = 1_024;

/// The kind that is read and written here.
pub(super) const SHAKEN: &str = "shaken";

/// What a PASSporT claims.
#[derive(Debug)]
pub(super) struct Passport {
    /// Where the certificate is: a URL of the scheme `https`.
    pub(super) x5u: String,
    /// When it was signed, in seconds since 1970.
    pub(super) iat: u64,
    /// Who calls.
    pub(super) orig: TelephoneNumber,
    /// Who is called.
    pub(super) dest: Vec<TelephoneNumber>,
    /// How sure the signer is.
    pub(super) attestation: Attestation,
    /// Which part of the signer's network it came from; for tracing a call back.
    pub(super) origid: String,
    /// The text that is signed.
    pub(super) signed: String,
    /// The two numbers of an ES256 signature, one after the other (RFC 7518 section 3.4).
    pub(super) signature: [u8; 64],
}

/// The JOSE header (RFC 8225 section 4). Members that we do not know are ignored (RFC 7515 section 4), repeated ones
/// refused.
#[derive(Deserialize)]
struct JoseHeader {
    alg: String,
    typ: String,
    ppt: String,
    x5u: String,
    crit: Option<IgnoredAny>,
}

/// The claims (RFC 8225 section 5, RFC 8588 section 4).
#[derive(Deserialize)]
struct Claims {
    attest: String,
    dest: Destinations,
    iat: u64,
    orig: Originator,
    origid: String,
}

#[derive(Deserialize)]
struct Destinations {
    tn: Vec<String>,
}

#[derive(Deserialize)]
struct Originator {
    tn: String,
}

impl Passport {
    /// Reads the PASSporT of a header; `None` when one of its rules is broken.
    pub(super) fn of(header: &IdentityHeader<'_>) -> Option<Self> {
        // Header and claims of the compact form would have to be made from the message, and what `shaken` adds to
        // them does not stand there (RFC 8224 section 4.1.1).
        let Token::Full { signed, header: jose, payload, signature } = header.token else { return None };
        let jose: JoseHeader = read(jose)?;
        let critical_extensions = jose.crit.is_some();
        if jose.alg != "ES256" || jose.typ != "passport" || jose.ppt != SHAKEN || critical_extensions {
            return None;
        }
        // What stands beside the token must not say something else (RFC 8224 section 4.1).
        if header.alg.is_some_and(|alg| alg != "ES256") || header.info != jose.x5u || !is_https(&jose.x5u) {
            return None;
        }
        let claims: Claims = read(payload)?;
        let dest: Option<Vec<_>> =
            claims.dest.tn.iter().take(MAX_DESTINATIONS).map(|tn| TelephoneNumber::from_claim(tn)).collect();
        if !is_uuid(&claims.origid) {
            return None;
        }
        Some(Self {
            x5u: jose.x5u,
            iat: claims.iat,
            orig: TelephoneNumber::from_claim(&claims.orig.tn)?,
            dest: dest.filter(|dest| !dest.is_empty())?,
            attestation: Attestation::from_letter(&claims.attest)?,
            origid: claims.origid,
            signed: signed.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?.try_into().ok()?,
        })
    }
}

/// The text to be signed: keys in order and without white space (RFC 8225 section 9).
pub(super) fn to_sign(x5u: &str, claim: &Claim<'_>) -> String {
    // Numbers are digits, the URL and the UUID were checked when the signer was made: nothing needs an escape.
    let header = format!(r#"{{"alg":"ES256","ppt":"{SHAKEN}","typ":"passport","x5u":"{x5u}"}}"#);
    let Claim { orig, dest, attestation, origid, iat } = claim;
    let (attest, dest, orig) = (attestation.as_str(), dest.as_str(), orig.as_str());
    let claims =
        format!(r#"{{"attest":"{attest}","dest":{{"tn":["{dest}"]}},"iat":{iat},"orig":{{"tn":"{orig}"}},"origid":"{origid}"}}"#);
    format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()))
}

/// Base64 as RFC 7515 section 2 has it.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether a certificate may be asked for there: `https://host…`, printable, without quotes, user or fragment.
pub(super) fn is_https(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'#' | b'@');
    url.len() <= MAX_URL_BYTES && !host.is_empty() && url.bytes().all(plain)
}

/// The host of a URL that [`is_https`] passed, in lower case and without brackets.
pub(super) fn host_of(url: &str) -> String {
    let authority = url.strip_prefix("https://").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.to_ascii_lowercase()
}

fn read<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
