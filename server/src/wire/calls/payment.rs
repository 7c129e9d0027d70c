//! A live call in a payment: the mask of whoever pays follows what the core says.

use tandem_switch::call::Input;

use super::LiveCall;
use crate::wire::edges::Edges;

impl LiveCall {
    /// Masks whoever pays, before anything else that the core wants is done. When that cannot be, there is no payment.
    pub(super) fn hide_payer(&mut self, edges: &mut Edges) -> Option<Input> {
        let payer = self.at(self.call.payer()?);
        if edges.payments.hide(payer, &mut edges.media) {
            return None;
        }
        tracing::error!(call = %payer.call, "a payment cannot be kept from the other party, and does not begin");
        Some(Input::Payment { begins: false })
    }

    /// Nobody pays any more: after all else was done.
    pub(super) fn show_payer(&self, edges: &mut Edges) {
        if self.call.payer().is_none() {
            edges.payments.show(self.facts.call, &mut edges.media);
        }
    }
}
