//! What a plan says about signed caller ids (STIR/SHAKEN), and about copies of signalling.

use crate::{inside::ExtensionRange, pattern::Pattern, settings::HostPort};

/// Where copies of all signalling go: a Homer collector that takes HEP3 over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Its host and port; the usual port when none is given.
    pub address: HostPort,
    /// Our number among its agents.
    pub id: u32,
}

/// What is done about signed caller ids on a trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrunkIdentity {
    /// How those of its calls are checked; not at all when `None`.
    pub verify: Option<VerifyIdentity>,
    /// How ours are signed; not at all when `None`.
    pub sign: Option<SignIdentity>,
}

/// What becomes of calls whose caller id does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityPolicy {
    /// They go on; it is shown.
    Show,
    /// They are refused.
    Require,
}

/// How the caller ids of a trunk's calls are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyIdentity {
    /// What becomes of those that do not hold.
    pub policy: IdentityPolicy,
    /// PEM file with the authorities that count, relative to the folder of the plan.
    pub trust: String,
    /// How far signing and arrival may lie apart, in ms.
    pub fresh_ms: u64,
    /// How long a call waits for its verdict, in ms.
    pub wait_ms: u64,
    /// The country whose numbers the trunk writes without prefix, as digits.
    pub country_code: Option<String>,
    /// The only hosts that certificates are taken from; any that has a public address when empty.
    pub hosts: Vec<String>,
}

/// How our caller ids are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIdentity {
    /// PEM file with the private key, relative to the folder of the plan.
    pub key: String,
    /// Where others find its certificate.
    pub certificate: String,
    /// The origination identifier: a UUID.
    pub origid: String,
    /// The numbers that are ours.
    pub own: Vec<Pattern>,
}

impl SignIdentity {
    /// Whether a caller id is a number of ours.
    #[must_use]
    pub fn is_own(&self, caller_id: &str, extensions: &[ExtensionRange]) -> bool {
        self.own.iter().any(|pattern| pattern.captures(caller_id, extensions).is_some())
    }
}
