//! Whom a queue may call back: what the caller sent becomes a target by the parser of a telephone number, and is one that
//! somebody can be reached by.

use tandem_switch::{callback::CallbackOffer, cdr::Origin, step::Target};

use super::Run;
use crate::{inside::QueueCallback, plan::Plan};

impl Run {
    /// What this caller is offered; nothing when they could not be called.
    pub(super) fn callback(&self, plan: &Plan, offer: &QueueCallback) -> Option<CallbackOffer> {
        let target = match &self.facts.origin {
            Origin::Extension(extension) => Target::Extension(plan.extension(extension.as_str())?),
            Origin::Trunk(_) => {
                let trunk = offer.via.clone()?;
                let number = plan.customer_number(&trunk, self.facts.from.as_str(), &self.facts.to).ok()?;
                Target::Trunk { trunk, number }
            }
        };
        let QueueCallback { after_ms, key, prompt, confirm, tries, .. } = offer.clone();
        Some(CallbackOffer { after_ms, key, prompt, confirm: Some(confirm), target, tries })
    }
}
