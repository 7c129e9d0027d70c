//! SRTP and SRTCP of one stream (RFC 3711, RFC 6188, RFC 7714): what leaves is protected, what arrives is believed only
//! when its tag is right and it never came before. `session` has the ciphers; here is what is remembered of packets.
//!
//! - **Memory**: of each source that proved itself its newest index and a window, four at most; of all others nothing.
//! - **RTCP without encryption** is refused: with AES-CM it could be authentic, and nobody here sends it.
//! - **Rollover counters** are not told. After a restart the peer's has a value that nobody knows; and it can run away while
//!   we hear nothing (RFC 3711 section 3.3.1). Every so many failures a packet is tried with later counters.
//! - **Keystreams**: a packet whose index was used already is not protected again, whatever it is (section 9.1).
//!
//! A packet is opened in its place and sealed into the caller's room: nothing is allocated for it.

mod session;

use crate::{keys::StreamKey, rtp::HEADER_BYTES};
use session::{Place, Session};

/// Packets that may come late and still count.
const WINDOW: u32 = 128;
/// Sources that proved themselves; the one that was heard of longest ago makes room.
const MOST_SOURCES: usize = 4;
/// After so many failures one packet is tried with later rollover counters.
const SEARCH_EVERY: u32 = 50;
/// The last rollover counter that is tried: over 23 hours at 50 packets a second.
const LAST_ROLLOVER: u64 = 64;
/// The longest packet that is handled.
const MOST_BYTES: usize = 2_048;
/// So many bytes a packet grows by at most.
pub const MOST_MORE: usize = session::MOST_MORE;
/// Room for whatever is sealed.
pub const SEALED_BYTES: usize = MOST_BYTES + MOST_MORE;
/// The last index of SRTCP (RFC 3711 section 9.2).
const LAST_RTCP: u32 = 0x7fff_ffff;

/// Protects what a stream sends.
pub struct Protector {
    key: StreamKey,
    /// `None` when the ciphers are not there, which they are: nothing is sent then.
    session: Option<Session>,
    sent: Indexes,
    /// Compound RTCP packets that were sent.
    reports: u32,
}

impl Protector {
    /// Nothing was sent with this key.
    #[must_use]
    pub fn new(key: &StreamKey) -> Self {
        Self { key: key.clone(), session: session(key), sent: Indexes::default(), reports: 0 }
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &StreamKey {
        &self.key
    }

    /// Seals a packet into `room` as it goes on the wire, and gives its length; `None` when its index was used before, or is
    /// too old to know, or there is no room.
    pub fn rtp(&mut self, packet: &[u8], room: &mut [u8]) -> Option<usize> {
        let head = Head::read(packet)?;
        let index = self.sent.estimate(head.sequence)?;
        room.get_mut(..packet.len())?.copy_from_slice(packet);
        let sealed = self.session.as_ref()?.seal_rtp(head.at(index), room, packet.len())?;
        self.sent.take(index);
        Some(sealed)
    }

    /// The same for a compound RTCP packet.
    pub fn rtcp(&mut self, packet: &[u8], room: &mut [u8]) -> Option<usize> {
        if self.reports >= LAST_RTCP {
            return None;
        }
        self.reports += 1;
        room.get_mut(..packet.len())?.copy_from_slice(packet);
        self.session.as_ref()?.seal_rtcp(self.reports, room, packet.len())
    }
}

/// Authenticates and decrypts what a stream receives.
pub struct Unprotector {
    key: StreamKey,
    session: Option<Session>,
    /// The newest first.
    sources: Vec<Source>,
    /// Failures since a packet was tried with later rollover counters.
    failures: u32,
}

/// A source that proved itself.
#[derive(Clone, Copy, Default)]
struct Source {
    ssrc: u32,
    received: Indexes,
    reports: Indexes,
}

impl Unprotector {
    /// Nothing was received with this key, or nothing is known of it after a restart.
    #[must_use]
    pub fn new(key: &StreamKey) -> Self {
        let sources = Vec::with_capacity(MOST_SOURCES);
        // The first failure is looked at: after a restart it is all that is known of the peer's counter.
        Self { key: key.clone(), session: session(key), sources, failures: SEARCH_EVERY - 1 }
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &StreamKey {
        &self.key
    }

    /// Decrypts a packet in its place and gives its new length; `None` when it is not authentic, or came before: then its
    /// bytes are spoiled.
    pub fn rtp(&mut self, packet: &mut [u8]) -> Option<usize> {
        let head = Head::read(packet)?;
        let received = self.sources.iter().find(|source| source.ssrc == head.ssrc).map(|source| source.received);
        let received = received.unwrap_or_default();
        if received.is_taken(head.sequence) {
            // A replay says nothing of the counter.
            return None;
        }
        let session = self.session.as_ref()?;
        let opened = if self.failures + 1 < SEARCH_EVERY {
            let index = received.estimate(head.sequence);
            let opened = index.and_then(|index| Some((index, session.open_rtp(head.at(index), packet)?)));
            self.failures += u32::from(opened.is_none());
            opened
        } else {
            self.failures = 0;
            search(session, &head, received, packet)
        };
        let (index, length) = opened?;
        self.source(head.ssrc).received.take(index);
        Some(length)
    }

    /// The same for a compound RTCP packet.
    pub fn rtcp(&mut self, packet: &mut [u8]) -> Option<usize> {
        let session = self.session.as_ref()?;
        let (ssrc, number) = session.read_rtcp(packet)?;
        let index = u64::from(number);
        let known = self.sources.iter().find(|source| source.ssrc == ssrc);
        if known.is_some_and(|source| !source.reports.may_come(index)) {
            return None;
        }
        let length = session.open_rtcp((ssrc, number), packet)?;
        self.source(ssrc).reports.take(index);
        Some(length)
    }

    /// A source that proved itself; that of longest ago makes room for it.
    fn source(&mut self, ssrc: u32) -> &mut Source {
        let at = self.sources.iter().position(|source| source.ssrc == ssrc).unwrap_or_else(|| {
            self.sources.truncate(MOST_SOURCES - 1);
            self.sources.insert(0, Source { ssrc, ..Source::default() });
            0
        });
        &mut self.sources[at]
    }
}

/// Tries a packet with the rollover counter that is expected, and with later ones; never with earlier ones, which would be a
/// replay.
fn search(session: &Session, head: &Head, received: Indexes, packet: &mut [u8]) -> Option<(u64, usize)> {
    // What fails is spoiled.
    let mut kept = [0; MOST_BYTES];
    let kept = kept.get_mut(..packet.len())?;
    kept.copy_from_slice(packet);
    let after = received.newest.map_or(0, |newest| newest >> 16);
    let later = (after + 1..=LAST_ROLLOVER).map(|rollover| rollover << 16 | u64::from(head.sequence));
    received.estimate(head.sequence).into_iter().chain(later).find_map(|index| {
        packet.copy_from_slice(kept);
        Some((index, session.open_rtp(head.at(index), packet)?))
    })
}

/// Which packets of one source were handled: the newest index, and those shortly before it (RFC 3711 section 3.3.2).
#[derive(Clone, Copy, Debug, Default)]
struct Indexes {
    /// Rollover counter and sequence number.
    newest: Option<u64>,
    /// Bit n: the one n before the newest.
    seen: u128,
}

impl Indexes {
    /// The index of a packet, from its sequence number (RFC 3711 section 3.3.1); `None` when it was handled before or is
    /// older than what is known.
    fn estimate(&self, sequence: u16) -> Option<u64> {
        self.nearest(sequence).filter(|index| self.may_come(*index))
    }

    /// Whether a packet of that index was not handled before, as far as is known.
    fn may_come(&self, index: u64) -> bool {
        match self.newest.and_then(|newest| newest.checked_sub(index)) {
            Some(behind) => behind < u64::from(WINDOW) && self.seen >> behind & 1 == 0,
            None => true,
        }
    }

    /// Whether the packet was handled before.
    fn is_taken(&self, sequence: u16) -> bool {
        let behind = self.nearest(sequence).and_then(|index| self.newest?.checked_sub(index));
        behind.is_some_and(|behind| behind < u64::from(WINDOW) && self.seen >> behind & 1 == 1)
    }

    /// The index that is nearest to the newest; `None` before the first.
    fn nearest(&self, sequence: u16) -> Option<u64> {
        let Some(newest) = self.newest else { return Some(u64::from(sequence)) };
        let [.., high, low] = newest.to_be_bytes();
        let ahead = sequence.wrapping_sub(u16::from_be_bytes([high, low])).cast_signed();
        newest.checked_add_signed(i64::from(ahead))
    }

    /// The packet was handled.
    fn take(&mut self, index: u64) {
        let newest = self.newest.unwrap_or(index);
        if index >= newest {
            let ahead = u32::try_from(index - newest).unwrap_or(WINDOW);
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.newest = Some(index);
        } else if newest - index < u64::from(WINDOW) {
            self.seen |= 1 << (newest - index);
        }
    }
}

/// The part of a packet that is not encrypted.
#[derive(Clone, Copy, Debug)]
struct Head {
    sequence: u16,
    ssrc: u32,
    bytes: usize,
}

impl Head {
    fn read(packet: &[u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<HEADER_BYTES>().filter(|fixed| fixed[0] >> 6 == 2)?;
        let mut bytes = HEADER_BYTES + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let extension = packet.get(bytes..bytes + 4)?;
            bytes += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        (bytes <= packet.len()).then_some(Self {
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            bytes,
        })
    }

    const fn at(&self, index: u64) -> Place {
        Place { head: self.bytes, ssrc: self.ssrc, index }
    }
}

fn session(key: &StreamKey) -> Option<Session> {
    let made = Session::new(key);
    if made.is_none() {
        tracing::error!("no cipher for a stream; it is silent");
    }
    made
}

#[cfg(test)]
mod tests;
