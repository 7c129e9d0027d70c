//! Legs of a live call that go to another call, and legs that come.

use tandem_switch::{
    call::{Input, Newcomer, Partner},
    id::LegId,
    name::{Extension, PartyNumber},
    time::Timestamp,
};

use super::LiveCall;
use crate::wire::{LegRef, edges::Edges, lamps::Device};

/// Which of two calls goes on when their parties are brought together: that of a customer in line, else one that
/// whoever asks did not begin, else the older one.
type Weight = (bool, bool, std::cmp::Reverse<Timestamp>);

impl LiveCall {
    /// Whom a leg talks to.
    #[must_use]
    pub fn partner(&self, of: LegId) -> Option<Partner> {
        self.call.partner(of)
    }

    /// How much it matters that this call, and not the other one of the same party, goes on.
    #[must_use]
    pub fn weight(&self, by: LegId) -> Weight {
        (self.item.is_some(), by != LegId::CALLER, std::cmp::Reverse(self.facts.started_at))
    }

    /// The name of the next leg.
    #[must_use]
    pub fn next_leg(&self) -> Option<LegId> {
        self.call.next_leg()
    }

    /// What was dialled.
    #[must_use]
    pub const fn dialled(&self) -> &PartyNumber {
        &self.facts.to
    }

    /// Whose device a leg is, if it is one of ours.
    #[must_use]
    pub fn extension_of(&self, leg: LegId) -> Option<Extension> {
        let live = self.legs.iter().find(|live| live.leg == leg)?;
        live.device.as_ref().map(|device| device.extension.clone())
    }

    /// The party of `by` goes to another call: their signalling and their audio are left as they are.
    pub fn give_away(&mut self, edges: &mut Edges, by: LegId, partner: LegId) {
        self.handle(edges, Input::GivenAway { by });
        let Some(at) = self.legs.iter().position(|live| live.leg == partner) else { return };
        let gone = self.legs.swap_remove(at);
        if let Some(extension) = gone.occupies {
            edges.devices.release(&extension, self.at(partner), &mut edges.floor);
        }
        if let Some(device) = gone.device.filter(Device::is_shown) {
            edges.put_out(&device.extension, self.at(partner));
        }
    }

    /// Somebody takes the place of a leg. `extension`: whose device it is, if it is one of ours.
    pub fn take_in(&mut self, edges: &mut Edges, leg: LegId, new: Newcomer, extension: Option<Extension>) {
        let shown = self.call.partner(leg).map_or_else(|| PartyNumber::from(""), |partner| partner.number);
        let is_offered = new.is_same_party && self.legs.iter().any(|live| live.leg == leg && live.occupies.is_none());
        let device = extension.clone().map(|extension| Device::called(extension, shown, String::new()));
        self.take_leg(edges, new.leg, extension.filter(|_| !is_offered), device);
        if !new.is_same_party {
            self.occupy_the_rest(edges);
        }
        self.handle(edges, Input::Replaced { leg, new });
    }

    /// An agent whose conversation goes on without its item is on a call of their own.
    fn occupy_the_rest(&mut self, edges: &mut Edges) {
        let call = self.facts.call;
        for live in &mut self.legs {
            if let (None, Some(device)) = (&live.occupies, &live.device) {
                edges.devices.occupy(&device.extension, LegRef { call, leg: live.leg }, &mut edges.floor);
                live.occupies = Some(device.extension.clone());
            }
        }
    }
}
