//! Who we are to those whom we agree on keys with: one self-signed certificate for each process. Nobody believes it for
//! itself; its fingerprint stands in our descriptions, and these are believed as far as signalling is (RFC 5763).

use std::{fmt, sync::Arc};

use ::dtls::{
    config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig},
    crypto::Certificate,
    extension::extension_use_srtp::SrtpProtectionProfile,
};
use ::srtp::crypto::{self, HashAlgorithm, RTCCrypto, RTCCryptoProvider, constant_time_eq};
use serde::{Deserialize, Serialize};

/// The SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

/// There is no certificate: the operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate for DTLS: {0}")]
pub struct NoIdentity(String);

/// Our certificate with its key.
pub struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    fingerprint: Fingerprint,
}

impl Identity {
    /// A new one (ECDSA with P-256), which no other process has.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn new() -> Result<Self, NoIdentity> {
        let provider = crypto::default_provider().map_err(|error| NoIdentity(error.to_string()))?;
        // The name in it says nothing: a certificate must not tell who it is of (RFC 8827 section 9).
        let certificate = Certificate::generate_self_signed(vec!["media".to_owned()], provider.crypto())
            .map_err(|error| NoIdentity(error.to_string()))?;
        let fingerprint = certificate
            .certificate
            .first()
            .and_then(|certificate| Fingerprint::of(certificate, provider.crypto()))
            .ok_or_else(|| NoIdentity("no SHA-256".to_owned()))?;
        Ok(Self { provider, certificate, fingerprint })
    }

    /// What our descriptions say of it.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(crate) fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }

    /// Bytes that nobody can guess; `None` when the operating system has none, which it has.
    pub(crate) fn random<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.provider.random().fill(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The rules of one handshake. `is_accepted` is asked for the peer's certificate, whose key the peer proved to have.
    pub(super) fn config(
        &self,
        is_client: bool,
        is_accepted: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    ) -> Result<HandshakeConfig, String> {
        use ::dtls::cipher_suite::CipherSuiteId as Cipher;
        let verify = move |chain: &[Vec<u8>], _: &[_]| match chain.first() {
            Some(certificate) if is_accepted(certificate) => Ok(()),
            _ => Err(shared::error::Error::ErrInvalidCertificate),
        };
        ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&self.provider))
            .with_certificates(vec![self.certificate.clone()])
            .with_cipher_suites(vec![
                Cipher::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
                Cipher::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
                Cipher::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
            ])
            .with_srtp_protection_profiles(vec![
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            ])
            // The library takes a client's Finished without comparing it. With this extension (RFC 7627) the keys
            // themselves are made from the whole handshake, so whoever changed it has other keys.
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // No authority signs these certificates: the description vouches for them.
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(verify)))
            .with_server_name("media".to_owned())
            .build(is_client, None)
            .map_err(|error| error.to_string())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({:?})", self.fingerprint)
    }
}

impl Fingerprint {
    /// That of a certificate; `None` when there is no SHA-256, which there is.
    pub(super) fn of(certificate: &[u8], crypto: &dyn RTCCrypto) -> Option<Self> {
        let digest = crypto.hash(HashAlgorithm::Sha256, certificate).ok()?;
        Some(Self(digest.try_into().ok()?))
    }

    /// Whether a certificate has it.
    pub(super) fn fits(self, certificate: &[u8], crypto: &dyn RTCCrypto) -> bool {
        Self::of(certificate, crypto).is_some_and(|found| constant_time_eq(&found.0, &self.0))
    }
}
