//! What a plan says about overload and abuse.

use crate::settings::Network;

/// Who is spared, who comes first, and how much is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protect {
    /// Networks that are never limited or banned.
    pub allow: Vec<Network>,
    /// Numbers of emergency services as they are dialled; the usual ones when `None`.
    pub emergency: Option<Vec<String>>,
    /// The only domains that strangers are answered for; any when empty.
    pub domains: Vec<String>,
    /// Calls at a time; the switch's own bound when `None`.
    pub max_calls: Option<u32>,
}
