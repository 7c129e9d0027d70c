//! What a live call can reach: the edges of its line loop, and the present moment.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use tandem_dialplan::Overrides;
use tandem_switch::{
    id::IdSource,
    link::ToFloor,
    name::{AgentName, Extension},
};

use super::{
    LegRef,
    lamps::{Lamp, Lamps},
    ledger::Ledger,
    lots::Lots,
    mail::Mail,
    media::MediaEdge,
    payments::Payments,
    sip::SipEdge,
    supervision::Supervision,
    trace::TraceBus,
};
use crate::{clock::Now, decisions::Decider};

/// The edges of one line loop.
pub struct Edges {
    /// The moment of the input that is worked on.
    pub now: Now,
    /// Signalling.
    pub sip: SipEdge,
    /// Audio.
    pub media: MediaEdge,
    /// The floor.
    pub floor: FloorLink,
    /// What is written down.
    pub ledger: Ledger,
    /// Who uses their device outside of offers.
    pub devices: Devices,
    /// What watchers see of extensions.
    pub lamps: Lamps,
    /// Who is parked where.
    pub lots: Lots,
    /// Messages in boxes.
    pub mail: Mail,
    /// Supervisors beside agents.
    pub supervision: Supervision,
    /// Emergency switches of schedules.
    pub switches: Arc<Overrides>,
    /// Payments by keys.
    pub payments: Payments,
    /// What asks services.
    pub decider: Decider,
    /// The live trace.
    pub traces: TraceBus,
    /// Names of items and recordings.
    pub ids: IdSource,
}

impl Edges {
    /// Lets watchers see what a device of an extension is doing now.
    pub fn light(&mut self, extension: &Extension, lamp: Lamp) {
        self.sip.show_lamps(extension, self.lamps.light(extension, lamp));
    }

    /// Lets watchers see that a device of an extension is done.
    pub fn put_out(&mut self, extension: &Extension, at: LegRef) {
        self.sip.show_lamps(extension, self.lamps.put_out(extension, at));
    }
}

/// What is on its way to the floor loop.
///
/// The line loop sends it on as room comes free, and takes no new messages from the network while more
/// than [`FloorLink::LIMIT`] wait: so it is bounded, and neither loop ever waits for the other.
#[derive(Debug, Default)]
pub struct FloorLink {
    waiting: VecDeque<ToFloor>,
    closed: bool,
}

impl FloorLink {
    /// Messages that may wait before the network is made to.
    pub const LIMIT: usize = 4_096;

    /// Puts a message on its way.
    pub fn send(&mut self, message: ToFloor) {
        if !self.closed {
            self.waiting.push_back(message);
        }
    }

    /// From now on the floor hears nothing more: the process stops, and places in line must outlive it.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Takes the next message to go.
    pub fn take_next(&mut self) -> Option<ToFloor> {
        self.waiting.pop_front()
    }

    /// Puts a message that found no room back to the front.
    pub fn put_back(&mut self, message: ToFloor) {
        self.waiting.push_front(message);
    }

    /// Whether something waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether too much waits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() > Self::LIMIT
    }
}

/// Live legs of each extension's devices outside of offers, by name, so that none counts twice and none that is gone at all:
/// who is on a call of their own is not offered another.
#[derive(Debug, Default)]
pub struct Devices(HashMap<Extension, HashSet<LegRef>>);

impl Devices {
    /// A leg is up or on its way.
    pub fn occupy(&mut self, extension: &Extension, leg: LegRef, floor: &mut FloorLink) {
        let legs = self.0.entry(extension.clone()).or_default();
        if legs.insert(leg) {
            tell(floor, extension, legs.len());
        }
    }

    /// A leg is gone.
    pub fn release(&mut self, extension: &Extension, leg: LegRef, floor: &mut FloorLink) {
        let Some(legs) = self.0.get_mut(extension) else { return };
        if legs.remove(&leg) {
            tell(floor, extension, legs.len());
        }
        if legs.is_empty() {
            self.0.remove(extension);
        }
    }
}

fn tell(floor: &mut FloorLink, extension: &Extension, legs: usize) {
    let legs = u32::try_from(legs).unwrap_or(u32::MAX);
    floor.send(ToFloor::DeviceBusy { agent: AgentName::from(extension.as_str()), legs });
}
