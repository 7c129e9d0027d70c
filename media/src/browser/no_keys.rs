//! Why a stream whose keys are to be agreed by DTLS has none: one verdict for whoever has to mend it.
//!
//! What failed for good is told when it fails. What is awaited of the peer (a check, a nomination, the beginning of the
//! handshake) is told once it was awaited for [`PATIENCE`]; that is no end, and keys may still come.

use std::{fmt, time::Duration};

use shared::error::Error;

/// So long each step of the peer is awaited before that is told: browsers take a fraction of it, and those with a slow
/// way to us give up later.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// What the library says of a fault is cut there.
const MOST_CHARS: usize = 200;

/// Why there are no keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoKeys {
    /// Nobody proved to know the name and password of our description.
    NotChecked,
    /// The peer checked, and chose none of the places that it checked from.
    NotNominated,
    /// We checked, and nothing answered.
    NotReached,
    /// The peer was to begin the handshake, and did not.
    NotBegun,
    /// We spoke, and nothing came back that leads on.
    NotAnswered,
    /// The peer has another certificate than its description says.
    OtherCertificate,
    /// The peer proved no certificate.
    NoCertificate,
    /// There is no profile of SRTP that both have.
    NoProfile,
    /// The peer ended the handshake.
    GivenUp,
    /// Anything else in the handshake, as the library names it.
    Handshake(String),
}

impl NoKeys {
    /// All causes, as [`cause`](Self::cause) names them.
    pub const CAUSES: &'static [&'static str] = &[
        "not-checked",
        "not-nominated",
        "not-reached",
        "not-begun",
        "not-answered",
        "other-certificate",
        "no-certificate",
        "no-profile",
        "given-up",
        "handshake",
    ];

    /// The cause in one word.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::NotChecked => "not-checked",
            Self::NotNominated => "not-nominated",
            Self::NotReached => "not-reached",
            Self::NotBegun => "not-begun",
            Self::NotAnswered => "not-answered",
            Self::OtherCertificate => "other-certificate",
            Self::NoCertificate => "no-certificate",
            Self::NoProfile => "no-profile",
            Self::GivenUp => "given-up",
            Self::Handshake(_) => "handshake",
        }
    }

    /// What a fault of the library's means.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::ErrInvalidCertificate => Self::OtherCertificate,
            Error::ErrServerNoMatchingSrtpProfile
            | Error::ErrClientNoMatchingSrtpProfile
            | Error::ErrRequestedButNoSrtpExtension => Self::NoProfile,
            other => Self::fault(&other.to_string()),
        }
    }

    pub(super) fn fault(text: &str) -> Self {
        Self::Handshake(text.chars().filter(|letter| !letter.is_control()).take(MOST_CHARS).collect())
    }
}

impl fmt::Display for NoKeys {
    /// For whoever runs the switch.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = PATIENCE.as_secs();
        match self {
            Self::NotChecked => {
                write!(f, "nobody checked the way to us (ICE) in {seconds} s: a firewall, or a wrong `advertise`")
            }
            Self::NotNominated => write!(f, "the peer checked the way to us (ICE) and chose none in {seconds} s"),
            Self::NotReached => {
                write!(f, "no address of the peer answered our checks (ICE) in {seconds} s: a firewall, or a NAT between")
            }
            Self::NotBegun => write!(f, "the peer was to begin the handshake (DTLS) and did not in {seconds} s"),
            Self::NotAnswered => f.write_str("the peer does not answer in the handshake (DTLS)"),
            Self::OtherCertificate => f.write_str("the peer's certificate is not that of its description"),
            Self::NoCertificate => f.write_str("the peer proved no certificate"),
            Self::NoProfile => f.write_str("no profile of SRTP in common"),
            Self::GivenUp => f.write_str("the peer ended the handshake (DTLS)"),
            Self::Handshake(why) => write!(f, "the handshake (DTLS) failed: {why}"),
        }
    }
}
