//! The legs of one call, and what each of them hears.
//!
//! Whatever a leg is told goes out through here, so that what must hold of a leg at any time is kept
//! in one place: it is ended once, it is never joined when gone, it hears one thing at a time. What
//! must be done to have it so, like parting before a prompt, is done here unasked.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::contract::{Input, Output};
use crate::{
    cause::Cause,
    id::LegId,
    name::{AgentName, PartyNumber, RoomName},
    step::{Audio, Supervision, Target},
};

/// How far a leg is. Seen from the leg's own side: the caller's leg rings when its side was told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LegStage {
    /// Invited, no news yet.
    Invited,
    /// Rings.
    Ringing,
    /// Not answered, but audio can be heard.
    EarlyMedia,
    /// Answered.
    Up,
}

/// What a leg hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ear {
    Silence,
    /// Ring-back tone, until stopped.
    RingBack,
    /// Music, until stopped.
    Music,
    /// A playing that ends by itself, by its number.
    Play(u32),
    /// Another leg.
    Joined(LegId),
    Echo,
    /// A room.
    Room,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) stage: LegStage,
    pub(super) ear: Ear,
    /// Its side put us on hold.
    pub(super) held: bool,
    /// A key of its side means something to us.
    #[serde(default)]
    pub(super) keys: bool,
}

/// The legs that are not gone, and all that is still to be told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Legs {
    alive: SmallVec<[Leg; 2]>,
    /// The party that the call is for: leg 0, until that one hands the call over to the other.
    caller: LegId,
    last: u16,
    plays: u32,
    #[serde(skip)]
    outputs: VecDeque<Output>,
}

impl Legs {
    pub(super) fn new() -> Self {
        let caller = Leg { id: LegId::CALLER, stage: LegStage::Invited, ear: Ear::Silence, held: false, keys: false };
        Self { alive: SmallVec::from_iter([caller]), caller: LegId::CALLER, last: 0, plays: 0, outputs: VecDeque::new() }
    }

    /// Nobody is there yet: whoever the call is for is called.
    pub(super) fn nobody() -> Self {
        Self { alive: SmallVec::new(), ..Self::new() }
    }

    pub(super) const fn caller(&self) -> LegId {
        self.caller
    }

    /// From now on the call is for another party, who is up.
    pub(super) const fn set_caller(&mut self, leg: LegId) {
        self.caller = leg;
    }

    pub(super) fn say(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn is_drained(&self) -> bool {
        self.outputs.is_empty()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Leg> {
        self.alive.iter()
    }

    /// After a restart: a leg that was not up, or is `gone`, is not there any more, and nobody hears anything.
    pub(super) fn wake(&mut self, gone: &[LegId]) {
        self.alive.retain(|leg| leg.stage == LegStage::Up && !gone.contains(&leg.id));
        for leg in &mut self.alive {
            leg.ear = Ear::Silence;
        }
    }

    fn leg(&mut self, leg: LegId) -> Option<&mut Leg> {
        self.alive.iter_mut().find(|l| l.id == leg)
    }

    pub(super) fn stage(&self, leg: LegId) -> Option<LegStage> {
        self.iter().find(|l| l.id == leg).map(|l| l.stage)
    }

    pub(super) fn ear(&self, leg: LegId) -> Ear {
        self.iter().find(|l| l.id == leg).map_or(Ear::Silence, |l| l.ear)
    }

    pub(super) fn holds(&self, leg: LegId) -> bool {
        self.iter().any(|l| l.id == leg && l.held)
    }

    /// Takes down what an input says of a leg. `false` when it is late or says nothing new, so that
    /// nobody needs to hear of it.
    pub(super) fn admit(&mut self, input: &Input) -> bool {
        match *input {
            Input::LegRang { leg, early_media } => {
                let stage = if early_media { LegStage::EarlyMedia } else { LegStage::Ringing };
                leg != LegId::CALLER && self.rise(leg, stage)
            }
            Input::LegAnswered { leg } => leg != LegId::CALLER && self.rise(leg, LegStage::Up),
            Input::LegFailed { leg, .. } | Input::LegEnded { leg, .. } | Input::LegRedirected { leg, .. } => self.forget(leg),
            Input::LegHeld { leg, held } => self.leg(leg).is_some_and(|l| std::mem::replace(&mut l.held, held) != held),
            Input::Played { leg, play } => {
                let current = self.ear(leg) == Ear::Play(play);
                if current {
                    self.set_ear(leg, Ear::Silence);
                }
                current
            }
            Input::Digit { leg, digit } => {
                (leg == self.caller || self.iter().any(|l| l.id == leg && l.keys))
                    && matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d')
            }
            Input::HandedBack { leg, .. }
            | Input::RoomFull { leg }
            | Input::RoomFailed { leg }
            | Input::Parked { leg, .. }
            | Input::LotFull { leg }
            | Input::MailboxOpen { leg }
            | Input::MailboxFull { leg }
            | Input::NotTaken { leg }
            | Input::Streamed { leg, .. }
            | Input::Leaves { leg } => leg == self.caller && self.stage(leg).is_some(),
            Input::Taken { ref new } => self.next() == Some(new.leg),
            Input::Transfer { leg, .. } | Input::GivenAway { by: leg } | Input::Replaced { leg, .. } => {
                self.stage(leg) == Some(LegStage::Up)
            }
            Input::Step(_)
            | Input::Routed(_)
            | Input::Floor(_)
            | Input::Hangup { .. }
            | Input::PauseRecording { .. }
            | Input::Payment { .. }
            | Input::Mute { .. }
            | Input::Answered { .. }
            | Input::Tick => true,
        }
    }

    /// A called leg whose keys are heard, or not any more.
    pub(super) fn want_key(&mut self, leg: LegId, wanted: bool) {
        if let Some(leg) = self.leg(leg) {
            leg.keys = wanted;
        }
    }

    /// Whether the leg is alive and was not so far yet.
    fn rise(&mut self, leg: LegId, stage: LegStage) -> bool {
        match self.leg(leg) {
            Some(found) if found.stage < stage => {
                found.stage = stage;
                true
            }
            _ => false,
        }
    }

    /// Whether there was such a leg. One that it was joined to hears nothing from now on.
    fn forget(&mut self, leg: LegId) -> bool {
        let Some(place) = self.alive.iter().position(|l| l.id == leg) else { return false };
        if let Ear::Joined(other) = self.ear(leg) {
            self.part(other);
        }
        self.alive.remove(place);
        true
    }

    fn set_ear(&mut self, leg: LegId, ear: Ear) {
        if let Some(leg) = self.leg(leg) {
            leg.ear = ear;
        }
    }

    /// Tells the caller's side that it rings, if that was not said yet and nothing can be heard yet.
    pub(super) fn ring_caller(&mut self) {
        if self.rise(self.caller, LegStage::Ringing) {
            self.say(Output::RingCaller);
        }
    }

    /// Makes sure that the caller can hear us.
    pub(super) fn open_caller(&mut self) {
        if self.rise(self.caller, LegStage::EarlyMedia) {
            self.say(Output::EarlyMedia);
        }
    }

    /// Answers the caller; `false` when that was done before.
    pub(super) fn answer(&mut self) -> bool {
        let first = self.rise(self.caller, LegStage::Up);
        if first {
            self.say(Output::Answer);
        }
        first
    }

    /// A new leg; `None` when a call has used up its numbers. `diverted`: who led there.
    pub(super) fn invite(
        &mut self,
        target: Target,
        caller_id: PartyNumber,
        diverted: Vec<(PartyNumber, Cause)>,
    ) -> Option<LegId> {
        self.call_out(target, caller_id, diverted, None)
    }

    /// A new leg to a device that rings for an agent.
    pub(super) fn offer(&mut self, target: Target, caller_id: PartyNumber, agent: Option<AgentName>) -> Option<LegId> {
        self.call_out(target, caller_id, Vec::new(), agent)
    }

    fn call_out(
        &mut self,
        target: Target,
        caller_id: PartyNumber,
        diverted: Vec<(PartyNumber, Cause)>,
        offered: Option<AgentName>,
    ) -> Option<LegId> {
        let leg = self.next()?;
        self.last = leg.0;
        self.alive.push(Leg { id: leg, stage: LegStage::Invited, ear: Ear::Silence, held: false, keys: false });
        self.say(Output::InviteLeg { leg, target, caller_id, diverted, offered });
        Some(leg)
    }

    /// The name of the next leg; `None` when a call has used up its numbers.
    pub(super) fn next(&self) -> Option<LegId> {
        self.last.checked_add(1).map(LegId)
    }

    /// A leg that is up comes from elsewhere, with the name that is next.
    pub(super) fn adopt(&mut self, leg: LegId, held: bool) {
        self.last = leg.0;
        self.alive.push(Leg { id: leg, stage: LegStage::Up, ear: Ear::Silence, held, keys: false });
    }

    /// A leg goes elsewhere: it is none of ours any more.
    pub(super) fn let_go(&mut self, leg: LegId) {
        self.forget(leg);
    }

    /// Ends a leg, if it is not gone.
    pub(super) fn end(&mut self, leg: LegId, cause: Cause) {
        if self.forget(leg) {
            self.say(Output::EndLeg { leg, cause });
        }
    }

    /// Ends a called leg that is not wanted any more.
    pub(super) fn dismiss(&mut self, leg: LegId) {
        let answered = self.stage(leg) == Some(LegStage::Up);
        self.end(leg, if answered { Cause::Normal } else { Cause::Cancelled });
    }

    /// Ends all legs, the caller's last.
    pub(super) fn end_all(&mut self, cause: Cause) {
        while let Some(leg) = self.alive.last() {
            match (leg.id, leg.stage) {
                (LegId::CALLER, _) | (_, LegStage::Up) => self.end(leg.id, cause),
                (called, _) => self.end(called, Cause::Cancelled),
            }
        }
    }

    pub(super) fn play(&mut self, leg: LegId, audio: Audio, repeat: bool) {
        self.part(leg);
        if self.stage(leg).is_some() {
            self.plays = self.plays.wrapping_add(1);
            self.set_ear(leg, if repeat { Ear::Music } else { Ear::Play(self.plays) });
            self.say(Output::Play { leg, play: self.plays, audio, repeat });
        }
    }

    pub(super) fn ring_back(&mut self, leg: LegId) {
        self.part(leg);
        if self.stage(leg).is_some() && self.ear(leg) != Ear::RingBack {
            self.set_ear(leg, Ear::RingBack);
            self.say(Output::RingBack { leg });
        }
    }

    /// Stops whatever is played to a leg; what it hears of another leg goes on.
    pub(super) fn hush(&mut self, leg: LegId) {
        if matches!(self.ear(leg), Ear::RingBack | Ear::Music | Ear::Play(_)) {
            self.set_ear(leg, Ear::Silence);
            self.say(Output::StopPlay { leg });
        }
    }

    pub(super) fn echo(&mut self, leg: LegId) {
        self.hush(leg);
        self.part(leg);
        if self.stage(leg).is_some() {
            self.set_ear(leg, Ear::Echo);
            self.say(Output::Echo { leg });
        }
    }

    /// A leg is in a room, with or without a voice.
    pub(super) fn enter_room(&mut self, leg: LegId, room: RoomName, voice: bool) {
        self.hush(leg);
        self.part(leg);
        if self.stage(leg).is_some() {
            self.set_ear(leg, Ear::Room);
            self.say(Output::EnterRoom { leg, room, voice });
        }
    }

    /// A leg hears the conversations of an agent.
    pub(super) fn supervise(&mut self, leg: LegId, agent: AgentName, role: Supervision) {
        self.hush(leg);
        self.part(leg);
        if self.stage(leg).is_some() {
            self.set_ear(leg, Ear::Room);
            self.say(Output::Supervise { leg, agent, role });
        }
    }

    /// The two hear each other and nothing else.
    pub(super) fn join(&mut self, left: LegId, right: LegId) {
        if self.stage(left).is_none() || self.stage(right).is_none() || self.ear(left) == Ear::Joined(right) {
            return;
        }
        for leg in [left, right] {
            self.hush(leg);
            self.part(leg);
        }
        self.set_ear(left, Ear::Joined(right));
        self.set_ear(right, Ear::Joined(left));
        self.say(Output::Join { left, right });
    }

    /// A leg and the one it is joined to hear nothing.
    pub(super) fn part(&mut self, leg: LegId) {
        if let Ear::Joined(other) = self.ear(leg) {
            self.set_ear(leg, Ear::Silence);
            self.set_ear(other, Ear::Silence);
            self.say(Output::Part { leg });
        }
    }
}
