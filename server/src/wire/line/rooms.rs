//! Rooms and announcements, as the rest of the program asks for them.

use tandem_switch::{
    call::Input,
    cause::Cause,
    id::CallId,
    name::{Language, PromptName, RoomName},
    step::{Audio, Phrase},
};

use super::Line;
use crate::{
    http::{
        control::{AnnounceAnswer, Hearers, MemberOrder},
        view::{ConferenceView, MemberView},
    },
    wire::LegRef,
};

impl Line {
    /// All rooms with their members, who came first before others.
    pub(super) fn conferences(&self) -> Vec<ConferenceView> {
        let mut rooms = std::collections::BTreeMap::<&RoomName, Vec<MemberView>>::new();
        for live in self.calls.values() {
            if let Some((room, member)) = live.member() {
                rooms.entry(room).or_default().push(member);
            }
        }
        let view = |(room, mut members): (&RoomName, Vec<MemberView>)| {
            members.sort_by(|a, b| (a.since.0, &a.call).cmp(&(b.since.0, &b.call)));
            ConferenceView { room: room.to_string(), members }
        };
        rooms.into_iter().map(view).collect()
    }

    /// Does something with a member. `false`: the call is not in the room.
    pub(super) fn order_member(&mut self, room: &RoomName, call: CallId, order: MemberOrder) -> bool {
        let is_member = self.calls.get(&call).and_then(|live| live.member()).is_some_and(|(its, _)| its == room);
        if is_member {
            let input = match order {
                MemberOrder::Mute => Input::Mute { muted: true },
                MemberOrder::Unmute => Input::Mute { muted: false },
                MemberOrder::Remove => Input::Hangup { cause: Cause::Normal },
            };
            self.work(call, |live, edges| live.handle(edges, input));
        }
        is_member
    }

    /// Plays a recording into a conversation or a room.
    pub(super) fn announce(&mut self, prompt: &PromptName, language: Option<Language>, to: &Hearers) -> AnnounceAnswer {
        let hearers = match self.hearers(to) {
            Ok(hearers) => hearers,
            Err(answer) => return answer,
        };
        for at in hearers {
            let Some(live) = self.calls.get(&at.call) else { continue };
            let language = language.clone().unwrap_or_else(|| live.language().clone());
            let audio = Audio { language, phrases: vec![Phrase::Prompt(prompt.clone())] };
            if !self.edges.media.announce(at, &audio) {
                return AnnounceAnswer::NoPrompt;
            }
            self.trace(at.call, "call", || format!("announcement {prompt} to {}", at.leg));
        }
        AnnounceAnswer::Done
    }

    fn hearers(&self, to: &Hearers) -> Result<Vec<LegRef>, AnnounceAnswer> {
        match to {
            Hearers::Room(room) => {
                let members = self.calls.values().filter(|live| live.member().is_some_and(|(its, _)| its == room));
                let legs: Vec<LegRef> = members.map(|live| LegRef { call: live.id(), leg: live.caller() }).collect();
                if legs.is_empty() { Err(AnnounceAnswer::NotThere) } else { Ok(legs) }
            }
            Hearers::Call { call, caller, agent } => {
                let live = self.calls.get(call).filter(|live| !live.is_over()).ok_or(AnnounceAnswer::NotThere)?;
                let (customer, other) = live.talkers().ok_or(AnnounceAnswer::NotTalking)?;
                let wanted = [(customer, *caller), (other, *agent)].into_iter().filter(|(_, wanted)| *wanted);
                Ok(wanted.map(|(leg, _)| LegRef { call: *call, leg }).collect())
            }
        }
    }
}
