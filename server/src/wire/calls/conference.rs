//! A live call in a room, and in a conversation that something is announced in.

use tandem_switch::{
    call::Input,
    id::LegId,
    name::{Language, RoomName},
};

use super::LiveCall;
use crate::{
    http::view::{At, MemberView},
    store::{ConferenceNews, Membership, Record},
    wire::{edges::Edges, media::Entering},
};

impl LiveCall {
    /// Brings a leg into a room, or lets it speak there from now on or no longer.
    pub(super) fn enter_room(&mut self, edges: &mut Edges, leg: LegId, room: RoomName, voice: bool) -> Option<Input> {
        match edges.media.enter_room(self.at(leg), &room, voice) {
            Entering::In => {
                let muted = self.call.conference().is_some_and(|conference| conference.muted);
                self.in_room(edges, room, muted);
                None
            }
            Entering::Full => Some(Input::RoomFull { leg }),
            Entering::Failed => Some(Input::RoomFailed { leg }),
        }
    }

    /// Notes what changed.
    fn in_room(&mut self, edges: &mut Edges, room: RoomName, muted: bool) {
        let before = self.room.replace((room.clone(), muted)).filter(|(was, _)| *was == room).map(|(_, muted)| muted);
        let news = match (before, muted) {
            (None, _) => Membership::Joined { muted },
            (Some(false), true) => Membership::Muted,
            (Some(true), false) => Membership::Unmuted,
            _ => return,
        };
        self.note(edges, room, news);
    }

    /// Notes that it is in no room any more, when it is not.
    pub(super) fn settle_room(&mut self, edges: &mut Edges) {
        if self.call.conference().is_none()
            && let Some((room, _)) = self.room.take()
        {
            self.note(edges, room, Membership::Left);
        }
    }

    fn note(&self, edges: &mut Edges, room: RoomName, what: Membership) {
        let news = ConferenceNews { room, call: self.facts.call, what, at: edges.now.at };
        edges.ledger.write(Record::Conference(news));
    }

    /// The room that it is in, and what others see of it there.
    #[must_use]
    pub fn member(&self) -> Option<(&RoomName, MemberView)> {
        let conference = self.call.conference()?;
        let view = self.call.view();
        let member = MemberView {
            call: self.facts.call.to_string(),
            from: self.facts.from.as_str().to_owned(),
            muted: conference.muted,
            held: view.held,
            since: At(conference.since),
        };
        Some((conference.room, member))
    }

    /// Who talks to each other now, the caller first; `None` when they do not hear each other.
    #[must_use]
    pub fn talkers(&self) -> Option<(LegId, LegId)> {
        self.call.talkers()
    }

    /// The party that it is for.
    #[must_use]
    pub const fn caller(&self) -> LegId {
        self.call.caller()
    }

    /// What its plan speaks.
    #[must_use]
    pub const fn language(&self) -> &Language {
        self.run.language()
    }
}
