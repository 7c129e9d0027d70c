//! Payments, as the rest of the program asks for them.

use tandem_switch::{call::Input, id::CallId};

use super::Line;
use crate::http::control::PaymentAnswer;

impl Line {
    /// Begins or ends the payment of a call.
    pub(super) fn pay(&mut self, call: CallId, begins: bool) -> PaymentAnswer {
        let Some(live) = self.calls.get(&call).filter(|live| !live.is_over()) else { return PaymentAnswer::NoCall };
        match (begins, live.view()) {
            (true, view) if view.step != "talk" => return PaymentAnswer::NotTalking,
            (false, view) if !view.payment => return PaymentAnswer::NotPaying,
            (true, _) => {}
            (false, _) => self.edges.payments.complete(call, self.edges.now.at),
        }
        self.work(call, |live, edges| live.handle(edges, Input::Payment { begins }));
        let is_paying = self.calls.get(&call).is_some_and(|live| live.view().payment);
        if is_paying == begins { PaymentAnswer::Done } else { PaymentAnswer::Busy }
    }
}
