//! What a plan says about overload and abuse.

use tandem_switch::toll::{Caps, TollRules};

use crate::settings::Network;

/// What an extension may call outside where the plan says nothing.
pub(crate) const USUAL: Caps = Caps { calls: Some(10), per_hour: Some(200), per_day: Some(1_000), abroad_minutes: Some(120) };

/// Numbers of emergency services where the plan names none.
const EMERGENCY: [&str; 2] = ["112", "911"];

/// Who is spared, who comes first, and how much is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protect {
    /// Networks that are never limited or banned.
    pub allow: Vec<Network>,
    /// Numbers of emergency services as they are dialled; the usual ones when `None`.
    pub emergency: Option<Vec<String>>,
    /// The only domains that strangers are answered for; any when empty.
    pub domains: Vec<String>,
    /// How much may be called outside.
    pub toll: TollRules,
    /// Calls at a time; the switch's own bound when `None`.
    pub max_calls: Option<u32>,
}

impl Protect {
    /// The numbers of emergency services as they are dialled.
    pub fn emergency(&self) -> impl Iterator<Item = &str> {
        let named = self.emergency.as_ref().map(|named| named.iter().map(String::as_str));
        let usual = EMERGENCY.iter().copied().filter(|_| self.emergency.is_none());
        named.into_iter().flatten().chain(usual)
    }
}

impl Default for Protect {
    fn default() -> Self {
        let toll = TollRules { extension: USUAL, ..TollRules::default() };
        Self { allow: Vec::new(), emergency: None, domains: Vec::new(), toll, max_calls: None }
    }
}
