//! What descriptions say of the other end of a stream with DTLS.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

use super::Fingerprint;

/// More candidates are not looked at.
pub const MOST_CANDIDATES: usize = 32;

/// What both descriptions say of a stream with DTLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The certificate that the other side must prove to have.
    pub fingerprint: Fingerprint,
    /// We begin the handshake (`a=setup:active` is ours).
    pub is_client: bool,
    /// The names and passwords of ICE; `None`: the other side is where its description says.
    pub ice: Option<IceTerms>,
}

/// What is agreed for ICE.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceTerms {
    /// Our name.
    pub ufrag: String,
    /// Our password.
    pub password: String,
    /// Their name.
    pub their_ufrag: String,
    /// What we check them with; `None`: we are lite and check nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks: Option<CheckTerms>,
}

impl IceTerms {
    /// Whether names and passwords are the same: others are a restart (RFC 8445 section 9), other candidates are not.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let key = |terms: &Self| terms.checks.as_ref().map(|checks| checks.their_password.clone());
        (&self.ufrag, &self.password, &self.their_ufrag) == (&other.ufrag, &other.password, &other.their_ufrag)
            && key(self) == key(other)
    }
}

impl fmt::Debug for IceTerms {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceTerms({}:{})", self.ufrag, self.their_ufrag)
    }
}

/// What we check the other side with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckTerms {
    /// Their password.
    pub their_password: String,
    /// We choose (RFC 8445 section 6.1.1).
    pub is_controlling: bool,
    /// Where they may be; what is over [`MOST_CANDIDATES`] is not looked at.
    pub candidates: Vec<Candidate>,
}

impl fmt::Debug for CheckTerms {
    /// Without password and addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckTerms({} candidates, controlling: {})", self.candidates.len(), self.is_controlling)
    }
}

/// Where the other side may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its address.
    pub address: SocketAddr,
    /// Its priority (RFC 8445 section 5.1.2).
    pub priority: u32,
}
