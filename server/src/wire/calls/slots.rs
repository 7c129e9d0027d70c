//! A live call in a slot, and callers who go from one live call to another.

use tandem_switch::{
    call::{Input, LegStage, Newcomer},
    id::LegId,
    name::{Extension, PartyNumber},
};

use super::LiveCall;
use crate::{
    http::view::ParkedView,
    wire::{
        edges::Edges,
        lamps::{Device, Lamp},
        lots::{Claim, Slot},
    },
};

impl LiveCall {
    /// Finds a slot for a leg, and lights its lamp.
    pub(super) fn park(&self, edges: &mut Edges, leg: LegId, claim: Claim) -> Input {
        self.leave_slot(edges);
        let at = self.at(leg);
        let Some(slot) = edges.lots.claim(at, claim) else { return Input::LotFull { leg } };
        // Who it is is nobody's business: the number of a slot is no device's.
        let lamp = Lamp { at, calls: false, stage: LegStage::Up, remote: PartyNumber::from(""), display: String::new() };
        edges.light(&slot, lamp);
        Input::Parked { leg, slot }
    }

    /// What is in no slot any more leaves none behind.
    pub(super) fn settle_slot(&self, edges: &mut Edges) {
        if edges.lots.of(self.facts.call).is_some() && self.call.parked_in().is_none() {
            self.leave_slot(edges);
        }
    }

    pub(super) fn leave_slot(&self, edges: &mut Edges) {
        if let Some((slot, at)) = edges.lots.release(self.facts.call) {
            edges.put_out(&slot, at);
        }
    }

    /// What others see of it while it is in a slot.
    #[must_use]
    pub fn parked(&self, number: &Extension, slot: &Slot) -> ParkedView {
        ParkedView {
            slot: number.to_string(),
            lot: slot.lot.to_string(),
            call: self.facts.call.to_string(),
            party: self.call.party().as_str().to_owned(),
            by: slot.by.as_ref().map(ToString::to_string),
            since: self.call.view().since.into(),
        }
    }

    /// Whether the caller wants to take somebody, and is up already.
    #[must_use]
    pub fn takes(&self) -> Option<bool> {
        self.call.takes()
    }

    /// The party that may be taken.
    #[must_use]
    pub fn may_be_taken(&self) -> Option<LegId> {
        self.call.may_be_taken().then(|| self.call.caller())
    }

    /// Whether a leg is that of somebody who is called by the plan and rings.
    #[must_use]
    pub fn rings(&self, leg: LegId) -> bool {
        self.call.rings(leg)
    }

    /// Who the caller is, as they come to another call under this name.
    #[must_use]
    pub fn newcomer(&self, leg: LegId) -> Newcomer {
        let held = self.call.view().legs.iter().any(|seen| seen.leg == self.call.caller() && seen.held);
        Newcomer { leg, number: self.call.party(), by_trunk: false, held, is_same_party: false }
    }

    /// The caller, answered, goes to another call: their signalling and their audio are left as they are.
    pub fn leave(&mut self, edges: &mut Edges, leg: LegId) {
        self.handle(edges, Input::Leaves { leg });
        let Some(at) = self.legs.iter().position(|live| live.leg == leg) else { return };
        let gone = self.legs.swap_remove(at);
        if let Some(extension) = gone.occupies {
            edges.devices.release(&extension, self.at(leg), &mut edges.floor);
        }
        if let Some(device) = gone.device.filter(Device::is_shown) {
            edges.put_out(&device.extension, self.at(leg));
        }
    }

    /// Somebody takes the party. `extension`: whose device it is, if it is one of ours.
    pub fn taken(&mut self, edges: &mut Edges, new: Newcomer, extension: Option<Extension>) {
        let shown = self.call.party();
        let device = extension.clone().map(|extension| Device::called(extension, shown, String::new()));
        self.take_leg(edges, new.leg, extension, device);
        self.handle(edges, Input::Taken { new });
    }
}
