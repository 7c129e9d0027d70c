//! The fixed RTP header (RFC 3550 section 5.1): a bounds-checked view of what arrived, and the twelve
//! bytes of what leaves, written in place. No allocation, no copy of the payload.
//!
//! Contributing sources, header extensions and padding are skipped when read and never forwarded:
//! they were negotiated, if at all, with one leg only.

use std::ops::Range;

/// Length of the header without contributing sources and extension, in bytes.
pub const HEADER_BYTES: usize = 12;

/// What a valid packet says in front of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// 0 to 127.
    pub payload_type: u8,
    /// First packet of a talk spurt or event.
    pub marker: bool,
    /// Counts packets.
    pub sequence: u16,
    /// Counts samples at the payload's clock.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
    payload_start: usize,
    payload_end: usize,
}

impl Header {
    /// Reads a datagram. `None` when it is not version 2 or a length in it points outside of it.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<HEADER_BYTES>()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut start = HEADER_BYTES + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let extension = packet.get(start..start + 4)?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        let mut end = packet.len();
        if fixed[0] & 0x20 != 0 {
            let padding = usize::from(*packet.last()?);
            // The count includes itself, so zero is not a padding (RFC 3550 section 5.1).
            if padding == 0 || padding > end {
                return None;
            }
            end -= padding;
        }
        (start <= end).then_some(Self {
            payload_type: fixed[1] & 0x7f,
            marker: fixed[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            payload_start: start,
            payload_end: end,
        })
    }

    /// Where the payload lies in the datagram that was parsed. It is at least 12 bytes from the start.
    #[must_use]
    pub const fn payload(&self) -> Range<usize> {
        self.payload_start..self.payload_end
    }
}

/// Whether a datagram on a shared port is RTCP: the second byte is a packet type between 192 and 223
/// (RFC 5761 section 4).
#[must_use]
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// What is written in front of a payload that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// 0 to 127.
    pub payload_type: u8,
    /// First packet after a change of source.
    pub marker: bool,
    /// Counts packets.
    pub sequence: u16,
    /// Counts samples at the payload's clock.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

impl Stamp {
    /// The twelve bytes on the wire.
    #[must_use]
    pub fn bytes(&self) -> [u8; HEADER_BYTES] {
        let mut head = [0; HEADER_BYTES];
        head[0] = 0x80;
        head[1] = self.payload_type & 0x7f | u8::from(self.marker) << 7;
        head[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        head[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        head[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        head
    }

    /// Writes the header directly in front of `payload` inside `packet` and gives the datagram to send.
    /// `payload` comes from [`Header::payload`] of the same bytes.
    pub fn write_before<'a>(&self, packet: &'a mut [u8], payload: &Range<usize>) -> &'a [u8] {
        let start = payload.start - HEADER_BYTES;
        packet[start..payload.start].copy_from_slice(&self.bytes());
        &packet[start..payload.end]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first, 0x88, 0x12, 0x34, 0, 0, 0, 9, 0xde, 0xad, 0xbe, 0xef];
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn a_plain_packet_is_read() {
        let bytes = packet(0x80, b"voice");
        let header = Header::parse(&bytes).unwrap();
        assert_eq!((header.payload_type, header.marker, header.sequence), (8, true, 0x1234));
        assert_eq!((header.timestamp, header.ssrc), (9, 0xdead_beef));
        assert_eq!(&bytes[header.payload()], b"voice");
    }

    #[test]
    fn sources_extension_and_padding_are_cut_off_in_place() {
        let mut rest = vec![0; 8];
        rest.extend_from_slice(&[0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
        rest.extend_from_slice(b"voice");
        rest.extend_from_slice(&[0, 0, 3]);
        let mut bytes = packet(0x80 | 0x20 | 0x10 | 2, &rest);
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(&bytes[header.payload()], b"voice");
        let stamp = Stamp { payload_type: 0, marker: false, sequence: 7, timestamp: 8, ssrc: 9 };
        let out = stamp.write_before(&mut bytes, &header.payload()).to_vec();
        assert_eq!(out.len(), 12 + 5);
        let back = Header::parse(&out).unwrap();
        assert_eq!((back.payload_type, back.marker, back.sequence, back.timestamp, back.ssrc), (0, false, 7, 8, 9));
        assert_eq!(&out[back.payload()], b"voice");
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(Header::parse(&[]), None);
        assert_eq!(Header::parse(&[0x80; 11]), None);
        for version in [0x00, 0x40, 0xc0] {
            assert_eq!(Header::parse(&packet(version, b"x")), None);
        }
        assert_eq!(Header::parse(&packet(0x8f, b"short")), None, "15 sources do not fit");
        assert_eq!(Header::parse(&packet(0x90, &[0, 0, 0xff, 0xff])), None, "extension of 256 KiB");
        assert_eq!(Header::parse(&packet(0x90, &[0, 0])), None, "extension header cut off");
        assert_eq!(Header::parse(&packet(0xa0, &[1, 2, 200])), None, "padding larger than the packet");
        assert_eq!(Header::parse(&packet(0xa0, &[1, 2, 0])), None, "padding of zero");
        assert_eq!(Header::parse(&packet(0xa0, &[1, 2, 14])), None, "padding reaches into the header");
        assert_eq!(Header::parse(&packet(0x80, &[])).unwrap().payload(), 12..12);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_leaving_the_packet(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(header) = Header::parse(&bytes) {
                prop_assert!(header.payload().start >= HEADER_BYTES && header.payload().end <= bytes.len());
            }
        }
    }
}
