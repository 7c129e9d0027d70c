//! The devices of one agent that ring for one offer: the first who takes the call has it, and the others are told so.
//!
//! A device that wants a key has taken the call only when the key was pressed: until then the others ring on. Whatever
//! becomes of one device says nothing of the others; the offer is declined when none is left. How long all of it may take
//! is the floor's: of the time of a single device only that is kept here after which others still ring.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Call, Input, dial};
use crate::{
    cause::Cause,
    device::{CONFIRM_MS, CONFIRM_PROMPT, Devices},
    id::LegId,
    name::{AgentName, Language},
    step::{Audio, Phrase, RingStrategy},
    time::Timestamp,
};

/// What rings for one offer. It does not outlive the process: who is rung is not up, and the offer is made anew.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Rung {
    agent: Option<AgentName>,
    devices: Devices,
    /// Devices before this one were called.
    next: usize,
    legs: SmallVec<[RungLeg; 2]>,
    /// Something was heard to ring.
    heard: bool,
    /// The failure that says most of those so far.
    failure: Option<Cause>,
}

/// One device that is called.
#[derive(Debug, Serialize, Deserialize)]
struct RungLeg {
    leg: LegId,
    /// Which of the devices.
    place: usize,
    /// It is given up then.
    until: Option<Timestamp>,
    /// Somebody or something answered, and is asked for the key.
    answered: bool,
}

/// What came of an input for those who wait for the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rings {
    /// Nothing that matters to them.
    On,
    /// The first device rings.
    Heard,
    /// This leg is the agent's. The others are gone.
    Taken(LegId),
    /// No device is left.
    Failed(Cause),
}

impl Rung {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.legs.iter().filter_map(|rung| rung.until).min()
    }

    /// The legs of the devices that are called.
    pub(super) fn legs(&self) -> SmallVec<[LegId; 2]> {
        self.legs.iter().map(|rung| rung.leg).collect()
    }

    fn find(&mut self, leg: LegId) -> Option<&mut RungLeg> {
        self.legs.iter_mut().find(|rung| rung.leg == leg)
    }

    fn key_of(&self, leg: LegId) -> Option<char> {
        let rung = self.legs.iter().find(|rung| rung.leg == leg)?;
        self.devices.list.get(rung.place)?.confirm
    }

    fn note(&mut self, cause: Cause) {
        if self.failure.is_none_or(|known| dial::rank(cause) > dial::rank(known)) {
            self.failure = Some(cause);
        }
    }
}

impl Call {
    /// Calls the first of an agent's devices, or all of them.
    ///
    /// # Errors
    /// None can be called: the call has used up its numbers.
    pub(super) fn ring_devices(&mut self, now: Timestamp, agent: &AgentName, devices: Devices) -> Result<Rung, Cause> {
        let mut rung = Rung { agent: Some(agent.clone()), devices, ..Rung::default() };
        self.ring_next_device(now, &mut rung);
        if rung.legs.is_empty() { Err(rung.failure.unwrap_or(Cause::NotFound)) } else { Ok(rung) }
    }

    fn ring_next_device(&mut self, now: Timestamp, rung: &mut Rung) {
        while let Some(device) = rung.devices.list.get(rung.next) {
            let (place, target) = (rung.next, device.target.clone());
            if rung.devices.list.len() > 1 {
                self.trace("device", device.name.as_str());
            }
            rung.next += 1;
            let until = rung.devices.gives_up_after_ms(place).map(|ms| now.plus_ms(ms));
            match self.legs.offer(target, self.arrival.from.clone(), rung.agent.clone()) {
                Some(leg) => rung.legs.push(RungLeg { leg, place, until, answered: false }),
                None => rung.note(Cause::Congestion),
            }
            if rung.devices.order == RingStrategy::InOrder && !rung.legs.is_empty() {
                return;
            }
        }
    }

    /// One of the devices said something, or a time is over.
    pub(super) fn device_said(&mut self, now: Timestamp, rung: &mut Rung, language: &Language, input: &Input) -> Rings {
        match *input {
            Input::LegRang { leg, .. } if !rung.heard && rung.find(leg).is_some() => {
                rung.heard = true;
                self.trace("rings", leg.to_string());
                Rings::Heard
            }
            Input::LegAnswered { leg } if rung.find(leg).is_some() => match rung.key_of(leg) {
                Some(_) => {
                    self.ask_for_key(now, rung, language, leg);
                    Rings::On
                }
                None => self.device_takes(rung, leg),
            },
            Input::Digit { leg, digit } if rung.key_of(leg) == Some(digit) => self.device_takes(rung, leg),
            Input::LegFailed { leg, cause } | Input::LegEnded { leg, cause } => {
                let Some(place) = rung.legs.iter().position(|rung| rung.leg == leg) else { return Rings::On };
                let gone = rung.legs.remove(place);
                // Whoever hung up on the question did not want the call, or was a machine.
                rung.note(if gone.answered { Cause::NoAnswer } else { cause });
                self.device_is_gone(now, rung)
            }
            Input::Tick => self.device_times_out(now, rung),
            _ => Rings::On,
        }
    }

    /// Whoever answered is asked for the key, over and over.
    fn ask_for_key(&mut self, now: Timestamp, rung: &mut Rung, language: &Language, leg: LegId) {
        let Some(asked) = rung.find(leg) else { return };
        (asked.answered, asked.until) = (true, Some(now.plus_ms(CONFIRM_MS)));
        self.trace("device", "answered, is asked for the key");
        self.legs.want_key(leg, true);
        let audio = Audio { language: language.clone(), phrases: vec![Phrase::Prompt(CONFIRM_PROMPT.into())] };
        self.legs.play(leg, audio, true);
    }

    fn device_takes(&mut self, rung: &mut Rung, leg: LegId) -> Rings {
        self.legs.want_key(leg, false);
        self.legs.hush(leg);
        for other in std::mem::take(&mut rung.legs).into_iter().filter(|other| other.leg != leg) {
            self.legs.end(other.leg, Cause::AnsweredElsewhere);
        }
        Rings::Taken(leg)
    }

    fn device_times_out(&mut self, now: Timestamp, rung: &mut Rung) -> Rings {
        let is_due = |rung: &RungLeg| rung.until.is_some_and(|until| until <= now);
        let Some(place) = rung.legs.iter().position(is_due) else { return Rings::On };
        let late = rung.legs.remove(place);
        self.trace("device", if late.answered { "no key was pressed" } else { "rang out" });
        self.legs.dismiss(late.leg);
        rung.note(Cause::NoAnswer);
        match self.device_is_gone(now, rung) {
            Rings::On => self.device_times_out(now, rung),
            ended => ended,
        }
    }

    /// The next in order is called when nothing rings any more.
    fn device_is_gone(&mut self, now: Timestamp, rung: &mut Rung) -> Rings {
        if rung.legs.is_empty() {
            self.ring_next_device(now, rung);
        }
        if rung.legs.is_empty() { Rings::Failed(rung.failure.unwrap_or(Cause::Unavailable)) } else { Rings::On }
    }
}
