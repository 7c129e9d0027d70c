//! Who is in which conference: names to rooms of the media engine.

use std::collections::{BTreeSet, HashMap};

use tandem_media::contract::{MOST_MEMBERS, MixMember, MixRole, StreamId};
use tandem_switch::name::RoomName;

/// All rooms of one line loop. A room is there as long as somebody is in it.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: HashMap<RoomName, Room>,
    of: HashMap<StreamId, RoomName>,
    /// Rooms that the engine does not have yet as they are.
    owed: BTreeSet<RoomName>,
    last: u64,
}

#[derive(Debug)]
struct Room {
    id: u64,
    members: Vec<MixMember>,
    /// Who hears music because nobody else is there.
    lonely: Option<StreamId>,
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
    /// Somebody enters, or speaks there from now on or no longer. `false`: there is no place left.
    pub(super) fn enter(&mut self, stream: StreamId, name: &RoomName, voice: bool) -> bool {
        let member = MixMember { stream, role: if voice { MixRole::Party } else { MixRole::Listener } };
        let room = match self.rooms.get_mut(name) {
            Some(room) => room,
            None => {
                self.last += 1;
                self.rooms.entry(name.clone()).or_insert(Room { id: self.last, members: Vec::new(), lonely: None })
            }
        };
        match room.members.iter().position(|known| known.stream == stream) {
            Some(place) => room.members[place] = member,
            None if room.members.len() >= MOST_MEMBERS => return false,
            None => room.members.push(member),
        }
        self.of.insert(stream, name.clone());
        true
    }

    /// Somebody is gone from this room. `None`: they were in none.
    pub(super) fn leave(&mut self, stream: StreamId) -> Option<(RoomName, Laid)> {
        let name = self.of.remove(&stream)?;
        let room = self.rooms.get_mut(&name)?;
        room.members.retain(|member| member.stream != stream);
        let laid = Laid { room: room.id, members: room.members.clone() };
        if laid.members.is_empty() {
            self.rooms.remove(&name);
            self.owed.remove(&name);
        }
        Some((name, laid))
    }

    /// A room as it is to be.
    pub(super) fn laid(&self, name: &RoomName) -> Option<Laid> {
        self.rooms.get(name).map(|room| Laid { room: room.id, members: room.members.clone() })
    }

    /// The engine had no room for this one now.
    pub(super) fn owe(&mut self, name: &RoomName) {
        self.owed.insert(name.clone());
    }

    pub(super) fn take_owed(&mut self) -> BTreeSet<RoomName> {
        std::mem::take(&mut self.owed)
    }

    /// Who was alone in a room, and who is from now on.
    pub(super) fn change_lonely(&mut self, name: &RoomName) -> (Option<StreamId>, Option<StreamId>) {
        let Some(room) = self.rooms.get_mut(name) else { return (None, None) };
        let alone = if let [one] = room.members[..] { Some(one.stream) } else { None };
        (std::mem::replace(&mut room.lonely, alone), alone)
    }

    pub(super) fn is_lonely(&self, stream: StreamId) -> bool {
        self.of.get(&stream).and_then(|name| self.rooms.get(name)).is_some_and(|room| room.lonely == Some(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_there_as_long_as_somebody_is_in_it_and_has_an_end() {
        let mut rooms = Rooms::default();
        let weekly = RoomName::from("weekly");
        assert!(rooms.enter(StreamId(1), &weekly, true));
        let first = rooms.laid(&weekly).unwrap();
        assert_eq!(first.members, [MixMember { stream: StreamId(1), role: MixRole::Party }]);
        assert!(rooms.enter(StreamId(1), &weekly, false));
        let muted = rooms.laid(&weekly).unwrap();
        assert_eq!(muted.members, [MixMember { stream: StreamId(1), role: MixRole::Listener }], "once");
        for n in 2..=100 {
            assert!(rooms.enter(StreamId(n), &weekly, true));
        }
        assert_eq!(rooms.laid(&weekly).unwrap().room, first.room);
        assert!(!rooms.enter(StreamId(101), &weekly, true));
        assert!(rooms.enter(StreamId(7), &weekly, false), "who is there finds it never full");
        assert!(rooms.enter(StreamId(101), &RoomName::from("other"), true));
        for n in 1..=100 {
            assert_eq!(rooms.leave(StreamId(n)).unwrap().1.members.len() as u64, 100 - n);
        }
        assert_eq!(rooms.leave(StreamId(1)), None);
        assert!(rooms.enter(StreamId(1), &weekly, true));
        assert_ne!(rooms.laid(&weekly).unwrap().room, first.room, "a new one");
    }

    #[test]
    fn whoever_is_alone_is_known_until_somebody_comes() {
        let mut rooms = Rooms::default();
        let weekly = RoomName::from("weekly");
        let (one, other) = (StreamId(1), StreamId(2));
        rooms.enter(one, &weekly, true);
        assert_eq!(rooms.change_lonely(&weekly), (None, Some(one)));
        assert!(rooms.is_lonely(one));
        rooms.enter(other, &weekly, true);
        assert_eq!(rooms.change_lonely(&weekly), (Some(one), None));
        rooms.leave(one);
        assert_eq!(rooms.change_lonely(&weekly), (None, Some(other)));
        rooms.leave(other);
        assert_eq!(rooms.change_lonely(&weekly), (None, None));
    }
}
