//! Legs in rooms: who is in which, music for whoever is alone, and what is announced there.

use tandem_media::contract::{Command, CommandError, StreamId};
use tandem_switch::{
    name::RoomName,
    step::{Audio, Phrase},
};

use super::{MediaEdge, Service};
use crate::wire::LegRef;

/// The number of what nobody waits for the end of: music for whoever is alone, announcements. A call counts from 1.
const UNAWAITED: u32 = 0;

/// What became of a leg that was to be in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entering {
    /// It is there.
    In,
    /// There is no place left.
    Full,
    /// It cannot be.
    Failed,
}

/// The music of a plan for those who wait.
pub(super) fn music_of(service: &Service) -> Option<Audio> {
    let music = service.settings.hold_music.clone()?;
    Some(Audio { language: service.settings.language.clone(), phrases: vec![Phrase::Prompt(music)] })
}

impl MediaEdge {
    /// The leg is in a room, with or without a voice.
    pub fn enter_room(&mut self, leg: LegRef, room: &RoomName, voice: bool) -> Entering {
        let Some(stream) = self.stream(leg) else { return Entering::Failed };
        if !self.rooms.enter(stream, room, voice) {
            return Entering::Full;
        }
        if let Err(error) = self.lay_room(room) {
            tracing::warn!(call = %leg.call, %room, %error, "a leg cannot enter a room");
            self.leave_room(stream);
            return Entering::Failed;
        }
        self.entertain(room);
        Entering::In
    }

    /// A stream is in no room any more.
    pub(super) fn leave_room(&mut self, stream: StreamId) {
        let Some((room, laid)) = self.rooms.leave(stream) else { return };
        self.tell(Command::Mix { room: laid.room, members: laid.members });
        self.entertain(&room);
    }

    /// Lays down a room as it is to be. What a thread has no room for now is laid down soon: nobody has to leave for that.
    fn lay_room(&mut self, room: &RoomName) -> Result<(), CommandError> {
        let Some(laid) = self.rooms.laid(room) else { return Ok(()) };
        let first = laid.members.first().map(|member| member.stream);
        let mut brought = Ok(());
        for member in &laid.members {
            brought = brought.and_then(|()| self.engine.bring(member.stream, first.unwrap_or(member.stream)));
        }
        match brought.and_then(|()| self.engine.command(Command::Mix { room: laid.room, members: laid.members })) {
            Err(CommandError::Busy) => self.rooms.owe(room),
            other => return other,
        }
        Ok(())
    }

    /// Lays down what found no room before.
    pub fn lay_owed_rooms(&mut self) {
        for room in self.rooms.take_owed() {
            if let Err(error) = self.lay_room(&room) {
                tracing::warn!(%room, %error, "a room is not as it should be");
            }
        }
    }

    /// Whoever is alone in a room hears music, until somebody comes.
    fn entertain(&mut self, room: &RoomName) {
        let (before, alone) = self.rooms.change_lonely(room);
        if before == alone {
            return;
        }
        if let Some(stream) = before.filter(|stream| self.legs.contains_key(stream)) {
            self.tell(Command::StopPlay { stream });
        }
        if let Some(stream) = alone {
            self.play_music(stream);
        }
    }

    fn play_music(&mut self, stream: StreamId) {
        let audio = self.music.as_ref().map(|music| self.prompts.resolve(music)).unwrap_or_default();
        if !audio.is_empty() {
            self.tell(Command::Play { stream, play: UNAWAITED, audio, repeat: true });
        }
    }

    /// Something that was played to a leg is over: who is alone in a room hears music again.
    pub fn played_out(&mut self, leg: LegRef) {
        if let Some(stream) = self.stream(leg).filter(|stream| self.rooms.is_lonely(*stream)) {
            self.play_music(stream);
        }
    }

    /// Plays to a leg once, over whatever it hears, which goes on meanwhile. `false`: there is no such recording.
    pub fn announce(&mut self, leg: LegRef, audio: &Audio) -> bool {
        let audio = self.prompts.resolve(audio);
        let is_there = !audio.is_empty();
        if is_there {
            self.with(leg, |stream| Command::Play { stream, play: UNAWAITED, audio, repeat: false });
        }
        is_there
    }
}
