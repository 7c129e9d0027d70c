//! Whom a queue may call back: what the caller sent becomes a target by the parser of a telephone number, and is one that
//! somebody can be reached by.

use tandem_switch::{callback::CallbackOffer, cdr::Origin, step::Target};

use super::Run;
use crate::{
    inside::QueueCallback,
    plan::{Plan, parse_number},
};

/// Shorter numbers are services and internal numbers of others, not customers.
const MIN_DIGITS: usize = 6;

impl Run {
    /// What this caller is offered; nothing when they could not be called.
    pub(super) fn callback(&self, plan: &Plan, offer: &QueueCallback) -> Option<CallbackOffer> {
        let target = match &self.facts.origin {
            Origin::Extension(extension) => Target::Extension(plan.extension(extension.as_str())?),
            Origin::Trunk(_) => {
                let number = parse_number(self.facts.from.as_str())?;
                let digits = number.as_str().trim_start_matches('+');
                let is_reachable = digits.len() >= MIN_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
                Target::Trunk { trunk: offer.via.clone().filter(|_| is_reachable)?, number }
            }
        };
        let QueueCallback { after_ms, key, prompt, confirm, tries, .. } = offer.clone();
        Some(CallbackOffer { after_ms, key, prompt, confirm, target, tries })
    }
}
