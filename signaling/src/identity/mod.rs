//! Who a caller is, vouched for by a signature (STIR/SHAKEN: RFC 8224, 8225 and 8588; ES256 only).
//!
//! - [`Presented`]: what a request says of its caller and its destination, taken from the message.
//! - [`Verifier`]: the core that judges it; it asks for certificates and gives one [`Verdict`] per case.
//! - [`Signer`]: makes the Identity header of a call of ours.
//! - [`TrustList`]: the authorities whose certificates count.
//!
//! Not here: fetching certificates (they are asked for by URL and handed in), what a verdict means for the call,
//! PASSporTs other than `shaken` (such headers count as absent), revocation lists.

mod cache;
mod certificate;
mod header;
mod number;
mod passport;
mod presented;
mod sign;
mod verifier;

#[cfg(test)]
mod tests;

pub use certificate::{MAX_CERTIFICATE_BYTES, TrustError, TrustList};
pub use number::TelephoneNumber;
pub use presented::Presented;
pub use sign::{Signer, SignerError, is_uuid};
pub use verifier::{Case, Fetched, Input, Output, Verifier, Vouched};

/// How sure the signer is of the caller's right to the number (RFC 8588 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attestation {
    /// Full: it knows the caller, and that the number is theirs.
    A,
    /// Partial: it knows the caller, not the number.
    B,
    /// Gateway: it knows only where the call came in.
    C,
}

impl Attestation {
    /// The letter of the claim.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }

    fn from_letter(letter: &str) -> Option<Self> {
        [Self::A, Self::B, Self::C].into_iter().find(|known| known.as_str() == letter)
    }
}

/// What became of the check of a caller's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Signed by a trusted certificate, for these two numbers, just now.
    Verified(Attestation),
    /// No Identity header of a kind that we read.
    NoIdentity,
    /// Signed too long ago, or in the future.
    Stale,
    /// Signed for another caller or another destination.
    NumberMismatch,
    /// The signature is not of that certificate.
    BadSignature,
    /// The certificate does not lead to a trusted authority, or is not valid now.
    UntrustedCertificate,
    /// The certificate could not be had.
    CertificateUnavailable,
    /// The header breaks the rules.
    Malformed,
}

impl Verdict {
    /// A word for records, screens and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified(Attestation::A) => "verified-a",
            Self::Verified(Attestation::B) => "verified-b",
            Self::Verified(Attestation::C) => "verified-c",
            Self::NoIdentity => "no-identity",
            Self::Stale => "stale",
            Self::NumberMismatch => "number-mismatch",
            Self::BadSignature => "bad-signature",
            Self::UntrustedCertificate => "untrusted-certificate",
            Self::CertificateUnavailable => "certificate-unavailable",
            Self::Malformed => "malformed",
        }
    }

    /// How a request is refused where only verified callers are let in (RFC 8224 section 6.2.2): status code and
    /// reason phrase; `None` for a verified one.
    #[must_use]
    pub const fn refusal(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Verified(_) => None,
            Self::NoIdentity => Some((428, "Use Identity Header")),
            Self::Stale => Some((403, "Stale Date")),
            Self::CertificateUnavailable => Some((436, "Bad Identity Info")),
            Self::UntrustedCertificate => Some((437, "Unsupported Credential")),
            Self::NumberMismatch | Self::BadSignature | Self::Malformed => Some((438, "Invalid Identity Header")),
        }
    }
}
