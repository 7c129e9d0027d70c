//! Identifiers: 64 bits, ordered by the time they were made, printed as 13 base-32 letters.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::time::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LANE_BITS: u32 = 6;
const SEQUENCE_BITS: u32 = 16;

/// Makes identifiers of one owner. Two owners never share a lane, so their identifiers never meet.
#[derive(Clone, Debug)]
pub struct IdSource {
    lane: u64,
    last: u64,
}

impl IdSource {
    /// A source for `lane` (0 to 63).
    #[must_use]
    pub const fn new(lane: u8) -> Self {
        Self { lane: lane as u64 & ((1 << LANE_BITS) - 1), last: 0 }
    }

    /// The next identifier: never zero, never repeated by this source, even when `now` stands still.
    pub fn next(&mut self, now: Timestamp) -> u64 {
        let ms = now.as_ms().max(0).cast_unsigned() & ((1 << 42) - 1);
        let clock = ms << SEQUENCE_BITS;
        self.last = clock.max(self.last + 1);
        let (ms, sequence) = (self.last >> SEQUENCE_BITS, self.last & ((1 << SEQUENCE_BITS) - 1));
        ms << (LANE_BITS + SEQUENCE_BITS) | self.lane << SEQUENCE_BITS | sequence
    }
}

/// An identifier that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an identifier: expected 13 letters and digits, as in 01k3p9x7c0z4m")]
pub struct BadId(String);

fn print(id: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0u8; 13];
    for (i, letter) in text.iter_mut().enumerate() {
        let shift = 60 - 5 * i;
        *letter = ALPHABET[((id >> shift) & 31) as usize];
    }
    f.write_str(str::from_utf8(&text).expect("the alphabet is ASCII"))
}

fn read(text: &str) -> Result<u64, BadId> {
    let bad = || BadId(text.chars().take(40).collect());
    if text.len() != 13 {
        return Err(bad());
    }
    let mut id: u64 = 0;
    for (i, byte) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|&a| a == byte.to_ascii_lowercase()).ok_or_else(bad)?;
        if i == 0 && digit > 15 {
            return Err(bad());
        }
        id = id << 5 | digit as u64;
    }
    Ok(id)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                print(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                print(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                read(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                read(&text).map(Self).map_err(D::Error::custom)
            }
        }
    };
}

id! {
    /// One call: a voice interaction with all its legs.
    CallId
}
id! {
    /// One work item: "an agent should do something". The only thing that is queued.
    ItemId
}
id! {
    /// One work item proposed to one agent.
    OfferId
}
id! {
    /// One recording of one call.
    RecordingId
}
id! {
    /// One person or firm outside.
    CustomerId
}
id! {
    /// One merge of two customers.
    LinkId
}
id! {
    /// One request of one customer.
    CaseId
}
id! {
    /// One thread on one channel. That of a call has the call's identifier.
    ConversationId
}
id! {
    /// One contiguous spell of contact. That of a call has the call's identifier.
    InteractionId
}
id! {
    /// Something that somebody wrote about a customer.
    NoteId
}
id! {
    /// One consent or suppression.
    ConsentId
}
id! {
    /// One time that a rule over channels was set off.
    TimerId
}

/// One party of a call. Leg 0 is the party that the call began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LegId(pub u16);

impl LegId {
    /// The party that the call began with.
    pub const CALLER: Self = Self(0);
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leg {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_and_differ_even_when_time_stands_still() {
        let (mut a, mut b) = (IdSource::new(1), IdSource::new(2));
        let now = Timestamp::from_ms(1_790_000_000_000);
        let mut seen = std::collections::HashSet::new();
        let mut last = 0;
        for _ in 0..200_000 {
            let id = a.next(now);
            assert!(id > last && seen.insert(id) && seen.insert(b.next(now)));
            last = id;
        }
    }

    #[test]
    fn an_id_reads_back_as_printed() {
        for id in [1, u64::MAX, 1_790_000_000_000 << 22] {
            assert_eq!(CallId(id).to_string().parse(), Ok(CallId(id)));
        }
        assert!("not an id".parse::<CallId>().is_err());
        assert!("zzzzzzzzzzzzz".parse::<CallId>().is_err());
    }
}
