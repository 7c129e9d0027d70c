//! SRTP and SRTCP of one stream (RFC 3711, RFC 6188, RFC 7714): what leaves is protected, what arrives is believed only
//! when its tag is right and it never came before. The ciphers are those of the `srtp` crate; around them stands what
//! that crate leaves to its user, because anybody can send packets here:
//!
//! - **Memory**: it remembers every source of a packet, authentic or not. Here each source that proved itself has a
//!   context of its own, four at most, and all others share one that is thrown away after a few failures.
//! - **RTCP without encryption**: it takes such a packet without a look at its tag. Here it is refused before.
//! - **Rollover counters**: they are not told. After a restart the peer's has a value that nobody knows; and it can run
//!   away while we hear nothing (RFC 3711 section 3.3.1). Every so many failures a packet is tried with later counters.
//! - **Keystreams**: a packet whose index was used already is not protected again, whatever it is (section 9.1).
//!
//! Each packet costs one allocation in each direction, of its own length.

use ::rtp::Header;
use ::srtp::{
    context::Context,
    crypto,
    option::{srtcp_replay_protection, srtp_replay_protection},
    protection_profile::ProtectionProfile,
};
use bytes::BytesMut;

use crate::{
    keys::{StreamKey, Suite},
    rtp::HEADER_BYTES,
};

/// Packets that may come late and still count.
const WINDOW: u32 = 128;
/// Sources that proved themselves; the one that was heard of longest ago makes room.
const MOST_SOURCES: usize = 4;
/// Failures after which the context of strangers is thrown away, with all that they made it remember.
const MOST_STRANGERS: u32 = 16;
/// After so many failures one packet is tried with later rollover counters.
const SEARCH_EVERY: u32 = 50;
/// The last rollover counter that is tried: over 23 hours at 50 packets a second.
const LAST_ROLLOVER: u64 = 64;
/// A context is led to a later counter in steps of so many packets: well below half of the sequence numbers.
const STEP: u64 = 1 << 14;

/// Protects what a stream sends.
pub struct Protector {
    key: StreamKey,
    /// `None` when the ciphers are not there, which they are: nothing is sent then.
    context: Option<Context>,
    sent: Indexes,
}

impl Protector {
    /// Nothing was sent with this key.
    #[must_use]
    pub fn new(key: &StreamKey) -> Self {
        Self { key: key.clone(), context: context(key, false), sent: Indexes::default() }
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &StreamKey {
        &self.key
    }

    /// The packet as it goes on the wire; `None` when its index was used before, or is too old to know.
    pub fn rtp(&mut self, packet: &[u8]) -> Option<BytesMut> {
        let head = Head::read(packet)?;
        let index = self.sent.estimate(head.sequence)?;
        let sealed = self.context.as_mut()?.encrypt_rtp_with_header(packet, &head.header()).ok();
        self.sent.take(index);
        sealed
    }

    /// A compound RTCP packet as it goes on the wire.
    pub fn rtcp(&mut self, packet: &[u8]) -> Option<BytesMut> {
        self.context.as_mut()?.encrypt_rtcp(packet).ok()
    }
}

/// Authenticates and decrypts what a stream receives.
pub struct Unprotector {
    key: StreamKey,
    /// The newest first.
    sources: Vec<Source>,
    strangers: Option<Context>,
    /// What the strangers' context has seen.
    strange: u32,
    /// Failures since a packet was tried with later rollover counters.
    failures: u32,
}

/// A source that proved itself.
struct Source {
    ssrc: u32,
    context: Context,
    received: Indexes,
}

impl Unprotector {
    /// Nothing was received with this key, or nothing is known of it after a restart.
    #[must_use]
    pub fn new(key: &StreamKey) -> Self {
        let sources = Vec::with_capacity(1);
        // The first failure is looked at: after a restart it is all that is known of the peer's counter.
        Self { key: key.clone(), sources, strangers: None, strange: 0, failures: SEARCH_EVERY - 1 }
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &StreamKey {
        &self.key
    }

    /// Decrypts a packet in its place and gives its new length; `None` when it is not authentic, or came before.
    pub fn rtp(&mut self, packet: &mut [u8]) -> Option<usize> {
        let head = Head::read(packet)?;
        let header = head.header();
        let known = self.sources.iter().position(|source| source.ssrc == head.ssrc);
        let opened = match known {
            Some(at) => {
                let Source { context, received, .. } = &mut self.sources[at];
                let index = received.estimate(head.sequence);
                let opened = index.and_then(|_| context.decrypt_rtp_with_header(packet, &header).ok());
                if let (Some(_), Some(index)) = (&opened, index) {
                    received.take(index);
                } else if received.is_taken(head.sequence) {
                    // A replay says nothing of the counter.
                    return None;
                }
                opened
            }
            None => {
                let opened = self.strangers()?.decrypt_rtp_with_header(packet, &header).ok();
                if opened.is_some() {
                    self.prove(head.ssrc, Some(u64::from(head.sequence)));
                }
                opened
            }
        };
        let clear = match opened {
            Some(clear) => clear,
            None => self.search(known, &head, &header, packet)?,
        };
        let place = packet.get_mut(..clear.len())?;
        place.copy_from_slice(&clear);
        Some(clear.len())
    }

    /// The same for a compound RTCP packet.
    pub fn rtcp(&mut self, packet: &mut [u8]) -> Option<usize> {
        let ssrc = rtcp_source(packet, self.key.suite())?;
        let clear = match self.sources.iter_mut().find(|source| source.ssrc == ssrc) {
            Some(source) => source.context.decrypt_rtcp(packet).ok()?,
            None => {
                let clear = self.strangers()?.decrypt_rtcp(packet).ok()?;
                self.prove(ssrc, None);
                clear
            }
        };
        let place = packet.get_mut(..clear.len())?;
        place.copy_from_slice(&clear);
        Some(clear.len())
    }

    /// The context for a packet of a source that did not prove itself yet.
    fn strangers(&mut self) -> Option<&mut Context> {
        if self.strange >= MOST_STRANGERS {
            self.strangers = None;
        }
        if self.strangers.is_none() {
            (self.strangers, self.strange) = (context(&self.key, true), 0);
        }
        self.strange += 1;
        self.strangers.as_mut()
    }

    /// A stranger proved itself.
    fn prove(&mut self, ssrc: u32, index: Option<u64>) {
        if let Some(context) = self.strangers.take() {
            self.remember(Source { ssrc, context, received: Indexes::begin(index) });
        }
    }

    fn remember(&mut self, source: Source) {
        self.sources.retain(|other| other.ssrc != source.ssrc);
        self.sources.truncate(MOST_SOURCES - 1);
        self.sources.insert(0, source);
    }

    /// Tries a packet that is not authentic with later rollover counters, now and then.
    fn search(&mut self, known: Option<usize>, head: &Head, header: &Header, packet: &[u8]) -> Option<BytesMut> {
        self.failures += 1;
        if self.failures < SEARCH_EVERY {
            return None;
        }
        self.failures = 0;
        // Never back: that would be a replay.
        let after = known.and_then(|at| self.sources[at].received.newest).map_or(0, |newest| newest >> 16);
        let (mut there, mut here) = (context(&self.key, false)?, context(&self.key, true)?);
        // The packet before this one, in the first round of sequence numbers; then on and on. Nothing of that leaves.
        let first = u64::from(head.sequence.wrapping_sub(1));
        for step in 0..=4 * LAST_ROLLOVER {
            let [.., high, low] = (first + step * STEP).to_be_bytes();
            let before = Head { sequence: u16::from_be_bytes([high, low]), bytes: HEADER_BYTES, ..*head }.header();
            let bare = [0; HEADER_BYTES];
            here.decrypt_rtp_with_header(&there.encrypt_rtp_with_header(&bare, &before).ok()?, &before).ok()?;
            let index = first + step * STEP + 1;
            if step % 4 != 0 || index >> 16 <= after {
                continue;
            }
            if let Ok(clear) = here.decrypt_rtp_with_header(packet, header) {
                self.remember(Source { ssrc: head.ssrc, context: here, received: Indexes::begin(Some(index)) });
                return Some(clear);
            }
        }
        None
    }
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
    fn begin(index: Option<u64>) -> Self {
        Self { newest: index, seen: u128::from(index.is_some()) }
    }

    /// The index of a packet, from its sequence number (RFC 3711 section 3.3.1); `None` when it was handled before or is
    /// older than what is known.
    fn estimate(&self, sequence: u16) -> Option<u64> {
        let index = self.nearest(sequence)?;
        let Some(newest) = self.newest else { return Some(index) };
        match newest.checked_sub(index) {
            Some(behind) if behind >= u64::from(WINDOW) => None,
            Some(behind) if self.seen >> behind & 1 == 1 => None,
            _ => Some(index),
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

    /// What the ciphers look at: two numbers and the length, which extensions that cannot be read would spoil.
    fn header(&self) -> Header {
        let csrc = vec![0; (self.bytes - HEADER_BYTES) / 4];
        Header { version: 2, sequence_number: self.sequence, ssrc: self.ssrc, csrc, ..Header::default() }
    }
}

/// Who sends a compound packet that is long enough and encrypted.
fn rtcp_source(packet: &[u8], suite: Suite) -> Option<u32> {
    let profile = profile(suite);
    // Header and source, then the tag and the index with its flag in the order of the suite.
    let least = 8 + profile.aead_auth_tag_len() + 4 + profile.rtcp_auth_tag_len();
    let flag = packet.len().checked_sub(4 + profile.rtcp_auth_tag_len())?;
    let is_encrypted = packet.len() >= least && packet[0] >> 6 == 2 && packet[flag] & 0x80 != 0;
    is_encrypted.then(|| u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]))
}

const fn profile(suite: Suite) -> ProtectionProfile {
    match suite {
        Suite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AesCm256HmacSha1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    }
}

fn context(key: &StreamKey, receives: bool) -> Option<Context> {
    let windows = receives
        .then(|| (srtp_replay_protection(WINDOW as usize), srtcp_replay_protection(WINDOW as usize)))
        .map_or((None, None), |(rtp, rtcp)| (Some(rtp), Some(rtcp)));
    let made = crypto::default_provider().map_err(|error| error.to_string()).and_then(|provider| {
        Context::new(key.key(), key.salt(), profile(key.suite()), windows.0, windows.1, provider.crypto())
            .map_err(|error| error.to_string())
    });
    made.inspect_err(|error| tracing::error!(%error, "no cipher for a stream; it is silent")).ok()
}

#[cfg(test)]
mod tests;
