//! How far a caller's number can be believed, as the signalling side found out.

use serde::{Deserialize, Serialize};

/// What became of the check of a signed caller id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallerIdentity {
    /// Not known yet.
    Pending,
    /// Signed by somebody who knows the caller, and that the number is theirs.
    VerifiedA,
    /// Signed by somebody who knows the caller, not the number.
    VerifiedB,
    /// Signed by somebody who knows only where the call came in.
    VerifiedC,
    /// Not signed.
    NoIdentity,
    /// Signed too long ago, or in the future.
    Stale,
    /// Signed for another caller or another destination.
    NumberMismatch,
    /// The signature does not hold.
    BadSignature,
    /// Signed by somebody whom no trusted authority knows.
    UntrustedCertificate,
    /// Nobody can tell: the signer's certificate could not be had.
    CertificateUnavailable,
    /// The signature cannot be read.
    Malformed,
}

impl CallerIdentity {
    /// All of them.
    const ALL: [Self; 11] = [
        Self::Pending,
        Self::VerifiedA,
        Self::VerifiedB,
        Self::VerifiedC,
        Self::NoIdentity,
        Self::Stale,
        Self::NumberMismatch,
        Self::BadSignature,
        Self::UntrustedCertificate,
        Self::CertificateUnavailable,
        Self::Malformed,
    ];

    /// The one that a word names.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|identity| identity.as_str() == word)
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::VerifiedA => "verified-a",
            Self::VerifiedB => "verified-b",
            Self::VerifiedC => "verified-c",
            Self::NoIdentity => "no-identity",
            Self::Stale => "stale",
            Self::NumberMismatch => "number-mismatch",
            Self::BadSignature => "bad-signature",
            Self::UntrustedCertificate => "untrusted-certificate",
            Self::CertificateUnavailable => "certificate-unavailable",
            Self::Malformed => "malformed",
        }
    }
}
