//! The certificate behind a signature: its chain up to a trusted authority (RFC 8226, RFC 5280), and the signature
//! itself.

use std::{fmt, time::Duration};

use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, TrustAnchor, UnixTime, alg_id,
    pem::PemObject,
};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring as algorithms};

/// A certificate chain is no longer than this.
pub const MAX_CERTIFICATE_BYTES: usize = 65_536;

/// Certificates of one chain at most.
const MAX_CHAIN: usize = 8;

/// Authorities of one list at most.
const MAX_ANCHORS: usize = 1_024;

/// What a chain may be signed with: the one algorithm of SHAKEN, and what authorities above it use.
const CHAIN_ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
];

/// `anyExtendedKeyUsage` (RFC 5280 section 4.2.1.12). No purpose is defined for STIR, so that a certificate that is
/// bound to other ones, such as TLS, is not for us.
const ANY_PURPOSE: &[u8] = &[0x55, 0x1D, 0x25, 0x00];

/// `id-pe-TNAuthList` (RFC 8226 section 9) as an OBJECT IDENTIFIER.
const TN_AUTH_LIST: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1A];

/// A certificate and those that lead from it to an authority.
#[derive(Debug)]
pub(super) struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    /// Whether the certificate says for which numbers or carrier it is.
    pub(super) has_tn_auth_list: bool,
}

impl Chain {
    /// Reads what a certificate server sent: PEM, or one certificate as DER.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_CERTIFICATE_BYTES {
            return None;
        }
        let certificates = if bytes.first() == Some(&SEQUENCE) {
            vec![CertificateDer::from(bytes.to_vec())]
        } else {
            CertificateDer::pem_slice_iter(bytes).take(MAX_CHAIN + 1).collect::<Result<Vec<_>, _>>().ok()?
        };
        let leaf = certificates.first().filter(|_| certificates.len() <= MAX_CHAIN)?;
        EndEntityCert::try_from(leaf).ok()?;
        let has_tn_auth_list = has_extension(leaf, TN_AUTH_LIST).unwrap_or(false);
        Some(Self { certificates, has_tn_auth_list })
    }

    /// Whether the certificate's key made this signature.
    pub(super) fn has_signed(&self, text: &str, signature: &[u8; 64]) -> bool {
        let leaf = self.certificates.first().and_then(|leaf| EndEntityCert::try_from(leaf).ok());
        leaf.is_some_and(|leaf| leaf.verify_signature(&Es256, text.as_bytes(), signature).is_ok())
    }
}

/// The authorities whose certificates count.
pub struct TrustList {
    anchors: Vec<TrustAnchor<'static>>,
}

/// Why a list of authorities cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// It is not PEM.
    #[error("it is not PEM")]
    NotPem,
    /// It holds no certificate, or too many.
    #[error("it holds {0} certificates; expected 1 to {MAX_ANCHORS}")]
    Count(usize),
    /// One of them cannot be read.
    #[error("certificate {0} of it cannot be read")]
    Certificate(usize),
}

impl TrustList {
    /// Reads the certificates of the authorities, as PEM.
    ///
    /// # Errors
    /// See [`TrustError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustError> {
        let certificates = CertificateDer::pem_slice_iter(pem).take(MAX_ANCHORS + 1).collect::<Result<Vec<_>, _>>();
        let certificates = certificates.map_err(|_| TrustError::NotPem)?;
        if !(1..=MAX_ANCHORS).contains(&certificates.len()) {
            return Err(TrustError::Count(certificates.len()));
        }
        let anchor = |(n, certificate): (usize, &CertificateDer<'_>)| {
            anchor_from_trusted_cert(certificate).map(|anchor| anchor.to_owned()).map_err(|_| TrustError::Certificate(n + 1))
        };
        Ok(Self { anchors: certificates.iter().enumerate().map(anchor).collect::<Result<_, _>>()? })
    }

    /// Whether a chain leads to one of them, and was valid at a moment in seconds since 1970.
    pub(super) fn vouches_for(&self, chain: &Chain, unix_s: u64) -> bool {
        let Some((leaf, others)) = chain.certificates.split_first() else { return false };
        let Ok(leaf) = EndEntityCert::try_from(leaf) else { return false };
        let at = UnixTime::since_unix_epoch(Duration::from_secs(unix_s));
        let purpose = KeyUsage::required_if_present(ANY_PURPOSE);
        leaf.verify_for_usage(CHAIN_ALGORITHMS, &self.anchors, others, at, purpose, None, None).is_ok()
    }
}

impl fmt::Debug for TrustList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustList({})", self.anchors.len())
    }
}

/// ES256 as JSON Web Signatures write it: two numbers of 32 bytes (RFC 7518 section 3.4), where certificates use DER.
#[derive(Debug)]
struct Es256;

impl SignatureVerificationAlgorithm for Es256 {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key).verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const EXTENSIONS: u8 = 0xA3;

/// Whether a certificate has an extension (RFC 5280 section 4.1); `None` when it is no certificate.
fn has_extension(certificate: &[u8], oid: &[u8]) -> Option<bool> {
    let (tag, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate).filter(|_| tag == SEQUENCE)?;
    while let Some((tag, content, rest)) = element(fields) {
        if tag == EXTENSIONS {
            let (_, mut extensions, _) = element(content)?;
            while let Some((_, extension, rest)) = element(extensions) {
                let (tag, name, _) = element(extension)?;
                if tag == OBJECT_IDENTIFIER && name == oid {
                    return Some(true);
                }
                extensions = rest;
            }
        }
        fields = rest;
    }
    Some(false)
}

/// The first element of some DER: tag, content, and what follows. Lengths over 65,535 do not occur here.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
        0x82 => rest.split_first_chunk().map(|(&length, rest)| (usize::from(u16::from_be_bytes(length)), rest))?,
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example token of the PASSporT specification (RFC 8225 appendix A), its key and its signature. Its `iat` is
    /// a string and it has no `ppt`, so that it is no `shaken` PASSporT; its signature is what counts here.
    #[test]
    fn the_signature_of_the_specification_s_example_holds() {
        const SIGNED: &[u8] = b"eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIxNTU1NTEyMTIifX0";
        const SIGNATURE: &str = "rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w";
        const KEY: &str = "04f0735b41dfd39af08ac0f28790c17d7d271abc6787efc61353ca8b4bc2391cb1d24a69404cb72c950321342fce865581602eb6ea7225a3b5de79b612ed26f7ee";
        let key: Vec<u8> = (0..KEY.len()).step_by(2).map(|at| u8::from_str_radix(&KEY[at..at + 2], 16).unwrap()).collect();
        let signature = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, SIGNATURE).unwrap();
        assert!(Es256.verify_signature(&key, SIGNED, &signature).is_ok());
        assert!(Es256.verify_signature(&key, &SIGNED[1..], &signature).is_err());
        assert!(Es256.verify_signature(&key, SIGNED, &signature[1..]).is_err());
    }

    #[test]
    fn elements_never_reach_behind_their_end() {
        assert_eq!(element(&[0x30, 0x02, 1, 2, 3]), Some((0x30, &[1, 2][..], &[3][..])));
        assert_eq!(element(&[0x30, 0x81, 0x01, 9]), Some((0x30, &[9][..], &[][..])));
        for broken in [&[][..], &[0x30], &[0x30, 2, 1], &[0x30, 0x81], &[0x30, 0x82, 1], &[0x30, 0x83, 0, 0, 1, 7], &[0x30, 0x80]]
        {
            assert_eq!(element(broken), None, "{broken:?}");
        }
        assert_eq!(Chain::parse(b"").map(|_| ()), None);
        assert_eq!(Chain::parse(&[0x30; 70_000]).map(|_| ()), None);
    }
}
