//! What a plan that comes into service changes at the edge.

use std::sync::Arc;

use tandem_signaling::endpoint::Command;

use super::{SipEdge, finder::Found};
use crate::wire::line::Service;

impl SipEdge {
    /// Takes no new calls from now on.
    pub fn drain(&mut self) {
        self.command(Command::Drain);
    }

    /// Takes a new plan's trunks into service.
    pub fn set_service(&mut self, service: &Service) {
        let trunks = self.settings.take_trunks(service);
        self.set_gate(&service.plan);
        self.set_toll(&service.plan);
        self.capture.set(service.capture);
        self.identity.set(Arc::clone(&service.identities));
        self.command(Command::SetTrunks(trunks));
        self.command(Command::SetPlaces(service.plan.slots().map(|slot| slot.as_str().into()).collect()));
    }

    /// The peers of a trunk were found.
    pub fn found(&mut self, found: Found) {
        let Found { trunk, place, peers } = found;
        self.settings.found(&trunk, place, peers.clone());
        self.command(Command::SetPeers { trunk, peers });
    }
}
