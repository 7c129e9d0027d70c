//! A payment in a conversation: the paying party enters card numbers, and what it sends is for nobody in the call.
//!
//! The call knows only that it is so and whose leg it is: the media side masks that leg, and the wiring gathers the keys. It
//! holds through hold and a restart, and ends with the conversation as it is: by a transfer, another device or hang-up.

use super::{
    Call, Doing,
    talk::{Talk, With},
};
use crate::id::LegId;

impl Call {
    /// The leg of a payment that is under way: nobody may hear it.
    #[must_use]
    pub const fn payer(&self) -> Option<LegId> {
        match &self.doing {
            Doing::Talk(talk) => talk.payer,
            _ => None,
        }
    }

    /// Begins or ends a payment of whoever is on the outer side: a party that a trunk carries, else the caller.
    pub(super) fn pay_by_keys(&mut self, mut talk: Talk, begins: bool) -> Doing {
        let is_called = matches!(talk.with, With::Party { by_trunk: true }) && !self.side.1;
        let payer = begins.then(|| if is_called { talk.peer } else { self.legs.caller() });
        if talk.payer != payer {
            talk.payer = payer;
            self.trace("payment", if begins { "begins" } else { "ends" });
        }
        Doing::Talk(talk)
    }
}
