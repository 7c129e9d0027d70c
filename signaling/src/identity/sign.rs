//! The authentication service: makes the Identity header of a call of ours (RFC 8224 section 6.1, RFC 8588).

use std::fmt;

use ring::{
    rand::SecureRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

use super::{
    Attestation, TelephoneNumber,
    passport::{SHAKEN, encode, is_https, to_sign},
};

/// Signs with one key, whose certificate others find at one URL.
pub struct Signer {
    key: EcdsaKeyPair,
    x5u: String,
    origid: String,
}

/// What is claimed of one call.
pub(super) struct Claim<'a> {
    pub(super) orig: &'a TelephoneNumber,
    pub(super) dest: &'a TelephoneNumber,
    pub(super) attestation: Attestation,
    pub(super) origid: &'a str,
    pub(super) iat: u64,
}

/// Why a signer cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// The key is of another kind.
    #[error("the key is no P-256 key in PKCS #8 as PEM (`openssl pkcs8 -topk8 -nocrypt` makes one of an EC key)")]
    Key,
    /// The URL is of another kind.
    #[error("the certificate's URL does not begin with https://")]
    Url,
    /// The origination identifier is of another kind.
    #[error("the origination identifier is no UUID")]
    Origid,
}

impl Signer {
    /// A signer with a private key (PKCS #8, PEM), the URL of its certificate, and an origination identifier.
    ///
    /// # Errors
    /// See [`SignerError`].
    pub fn new(key_pem: &[u8], certificate_url: &str, origid: &str, random: &dyn SecureRandom) -> Result<Self, SignerError> {
        if !is_https(certificate_url) {
            return Err(SignerError::Url);
        }
        if !is_uuid(origid) {
            return Err(SignerError::Origid);
        }
        let der = PrivatePkcs8KeyDer::from_pem_slice(key_pem).map_err(|_| SignerError::Key)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), random);
        let key = key.map_err(|_| SignerError::Key)?;
        Ok(Self { key, x5u: certificate_url.to_owned(), origid: origid.to_owned() })
    }

    /// The value of the Identity header of a call at `unix_s` seconds since 1970; `None` when the system gives no
    /// randomness.
    #[must_use]
    pub fn sign(
        &self,
        (orig, dest): (&TelephoneNumber, &TelephoneNumber),
        attestation: Attestation,
        unix_s: u64,
        random: &dyn SecureRandom,
    ) -> Option<String> {
        let claim = Claim { orig, dest, attestation, origid: &self.origid, iat: unix_s };
        let signed = to_sign(&self.x5u, &claim);
        let signature = self.key.sign(random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{};info=<{}>;alg=ES256;ppt={SHAKEN}", encode(signature.as_ref()), self.x5u))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("x5u", &self.x5u).finish_non_exhaustive()
    }
}

/// Whether a text is a UUID (RFC 4122 section 3).
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
