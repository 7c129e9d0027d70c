//! Who is in which conference: names to rooms of the media engine.

use std::collections::HashMap;

use tandem_media::contract::{MOST_MEMBERS, MixMember, MixRole, StreamId};
use tandem_switch::name::RoomName;

/// All rooms of one line loop. A room is there as long as somebody is in it.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: HashMap<RoomName, Room>,
    of: HashMap<StreamId, RoomName>,
    last: u64,
}

#[derive(Debug)]
struct Room {
    id: u64,
    members: Vec<MixMember>,
}

/// A room as the engine is to have it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Laid {
    /// Its number.
    pub(super) room: u64,
    /// Everybody in it; nobody ends it.
    pub(super) members: Vec<MixMember>,
}

impl Rooms {
    /// Somebody enters, or speaks there from now on or no longer. `None`: there is no place left.
    pub(super) fn enter(&mut self, stream: StreamId, name: &RoomName, voice: bool) -> Option<Laid> {
        let member = MixMember { stream, role: if voice { MixRole::Party } else { MixRole::Listener } };
        let room = match self.rooms.get_mut(name) {
            Some(room) => room,
            None => {
                self.last += 1;
                self.rooms.entry(name.clone()).or_insert(Room { id: self.last, members: Vec::new() })
            }
        };
        match room.members.iter().position(|known| known.stream == stream) {
            Some(place) => room.members[place] = member,
            None if room.members.len() >= MOST_MEMBERS => return None,
            None => room.members.push(member),
        }
        self.of.insert(stream, name.clone());
        Some(Laid { room: room.id, members: room.members.clone() })
    }

    /// Somebody is gone. `None`: they were in no room.
    pub(super) fn leave(&mut self, stream: StreamId) -> Option<Laid> {
        let name = self.of.remove(&stream)?;
        let room = self.rooms.get_mut(&name)?;
        room.members.retain(|member| member.stream != stream);
        let laid = Laid { room: room.id, members: room.members.clone() };
        if laid.members.is_empty() {
            self.rooms.remove(&name);
        }
        Some(laid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_there_as_long_as_somebody_is_in_it_and_has_an_end() {
        let mut rooms = Rooms::default();
        let weekly = RoomName::from("weekly");
        let first = rooms.enter(StreamId(1), &weekly, true).unwrap();
        assert_eq!(first.members, [MixMember { stream: StreamId(1), role: MixRole::Party }]);
        let muted = rooms.enter(StreamId(1), &weekly, false).unwrap();
        assert_eq!(muted.members, [MixMember { stream: StreamId(1), role: MixRole::Listener }], "once");
        for n in 2..=100 {
            assert_eq!(rooms.enter(StreamId(n), &weekly, true).unwrap().room, first.room);
        }
        assert_eq!(rooms.enter(StreamId(101), &weekly, true), None);
        assert_ne!(rooms.enter(StreamId(101), &RoomName::from("other"), true).unwrap().room, first.room);
        for n in 1..=100 {
            assert_eq!(rooms.leave(StreamId(n)).unwrap().members.len() as u64, 100 - n);
        }
        assert_eq!(rooms.leave(StreamId(1)), None);
        assert_ne!(rooms.enter(StreamId(1), &weekly, true).unwrap().room, first.room, "a new one");
    }
}
