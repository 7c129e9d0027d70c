//! Ogg pages (RFC 3533) of one logical stream whose packets each lie in one page, and Opus in them (RFC 7845).

use std::io::{ErrorKind, Read, Write};

use super::ArchiveError;

/// The audio of a page at most: seeking finds places so far apart (RFC 7845 section 6 asks for less than a second).
const PACKETS_PER_PAGE: usize = 50;
const MAX_SEGMENTS: usize = 255;
const HEAD_BYTES: usize = 27;
const FIRST: u8 = 2;
const LAST: u8 = 4;
/// Samples a second in granule positions, whatever was encoded (RFC 7845 section 4).
pub const GRANULES_HZ: u64 = 48_000;

/// Table of the CRC with polynomial 0x04c11db7, not reflected (RFC 3533 section 6).
const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0u32;
    while at < 256 {
        let mut crc = at << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 };
            bit += 1;
        }
        table[at as usize] = crc;
        at += 1;
    }
    table
};

fn crc(parts: [&[u8]; 3]) -> u32 {
    let bytes = parts.into_iter().flatten();
    bytes.fold(0, |crc, byte| crc << 8 ^ CRC[usize::from(crc.to_be_bytes()[0] ^ byte)])
}

/// Writes pages.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    serial: u32,
    pages: u32,
    /// What waits to be a page: lengths of its packets in segments, their bytes, how many, and the granule position.
    segments: Vec<u8>,
    body: Vec<u8>,
    packets: usize,
    granule: u64,
}

impl<W: Write> Writer<W> {
    /// A stream of this number.
    pub const fn new(out: W, serial: u32) -> Self {
        Self { out, serial, pages: 0, segments: Vec::new(), body: Vec::new(), packets: 0, granule: 0 }
    }

    /// Adds a packet; `granule` is the position at its end. Those of a full page are written.
    ///
    /// # Errors
    /// The page cannot be written, or the packet fits in none.
    pub fn packet(&mut self, packet: &[u8], granule: u64) -> Result<(), ArchiveError> {
        let segments = packet.len() / 255 + 1;
        if segments > MAX_SEGMENTS {
            return Err(ArchiveError::Ogg("a packet is too long for a page"));
        }
        if self.packets == PACKETS_PER_PAGE || self.segments.len() + segments > MAX_SEGMENTS {
            self.end_page(false)?;
        }
        self.segments.extend(std::iter::repeat_n(255, segments - 1));
        self.segments.push(u8::try_from(packet.len() % 255).unwrap_or_default());
        self.body.extend_from_slice(packet);
        self.packets += 1;
        self.granule = granule;
        Ok(())
    }

    /// Writes what waits as a page.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end_page(&mut self, last: bool) -> Result<(), ArchiveError> {
        let mut head = [0; HEAD_BYTES];
        head[..4].copy_from_slice(b"OggS");
        head[5] = (u8::from(self.pages == 0) * FIRST) | (u8::from(last) * LAST);
        head[6..14].copy_from_slice(&self.granule.to_le_bytes());
        head[14..18].copy_from_slice(&self.serial.to_le_bytes());
        head[18..22].copy_from_slice(&self.pages.to_le_bytes());
        head[26] = u8::try_from(self.segments.len()).unwrap_or_default();
        let sum = crc([&head, &self.segments, &self.body]);
        head[22..26].copy_from_slice(&sum.to_le_bytes());
        for part in [&head[..], &self.segments, &self.body] {
            self.out.write_all(part)?;
        }
        self.pages += 1;
        self.segments.clear();
        self.body.clear();
        self.packets = 0;
        Ok(())
    }

    /// Ends the stream at a granule position, which may be before the end of its last packet (RFC 7845 section 4.4).
    ///
    /// # Errors
    /// The last page cannot be written.
    pub fn finish(mut self, granule: u64) -> Result<W, ArchiveError> {
        self.granule = granule;
        self.end_page(true)?;
        Ok(self.out)
    }
}

/// One page.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Position at the end of its last packet.
    pub granule: u64,
    /// The first of its stream.
    pub first: bool,
    /// The last.
    pub last: bool,
    /// Its stream.
    pub serial: u32,
    /// Counts up.
    pub number: u32,
    /// Whole ones.
    pub packets: Vec<Vec<u8>>,
}

/// Reads the next page; `None` at the end of the file. It takes no more memory than one page has, 64 KiB.
///
/// # Errors
/// There is something else, or a page that was changed or cut.
pub fn read_page(input: &mut impl Read) -> Result<Option<Page>, ArchiveError> {
    let mut head = [0; HEAD_BYTES];
    match input.read_exact(&mut head[..1]) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    read(input, &mut head[1..])?;
    if !head.starts_with(b"OggS\0") || head[5] & !(FIRST | LAST) != 0 {
        return Err(ArchiveError::Ogg("a page does not begin where it should, or goes on from the one before"));
    }
    let mut segments = vec![0; usize::from(head[26])];
    read(input, &mut segments)?;
    let mut body = vec![0; segments.iter().map(|&bytes| usize::from(bytes)).sum()];
    read(input, &mut body)?;
    let sum = [head[22], head[23], head[24], head[25]];
    head[22..26].fill(0);
    if crc([&head, &segments, &body]) != u32::from_le_bytes(sum) {
        return Err(ArchiveError::Ogg("the sum of a page is wrong"));
    }
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    Ok(Some(Page {
        granule: u64::from(word(6)) | u64::from(word(10)) << 32,
        first: head[5] & FIRST != 0,
        last: head[5] & LAST != 0,
        serial: word(14),
        number: word(18),
        packets: packets(&segments, &body)?,
    }))
}

fn read(input: &mut impl Read, bytes: &mut [u8]) -> Result<(), ArchiveError> {
    input.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => ArchiveError::Ogg("it is cut"),
        _ => error.into(),
    })
}

fn packets(segments: &[u8], body: &[u8]) -> Result<Vec<Vec<u8>>, ArchiveError> {
    let (mut packets, mut from, mut to) = (Vec::new(), 0, 0);
    for &bytes in segments {
        to += usize::from(bytes);
        if bytes < 255 {
            packets.push(body[from..to].to_vec());
            from = to;
        }
    }
    if from == to { Ok(packets) } else { Err(ArchiveError::Ogg("a packet goes on in the next page")) }
}

/// What an Ogg file of Opus holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opus {
    /// Channels.
    pub channels: u8,
    /// Samples of each that are heard, at 48 kHz.
    pub samples: u64,
    /// Packets of audio.
    pub packets: u64,
}

/// Reads a file to its end and says what it holds: heads, sums, order, positions and end are checked, nothing is decoded.
///
/// # Errors
/// It is not one whole Opus stream.
pub fn inspect(mut input: impl Read) -> Result<Opus, ArchiveError> {
    let wrong = ArchiveError::Ogg;
    let first = read_page(&mut input)?.ok_or(wrong("it is empty"))?;
    let head = match &first.packets[..] {
        [head] if first.first && !first.last && first.granule == 0 => head,
        _ => return Err(wrong("its first page is not its head")),
    };
    let (channels, pre_skip) = match head.as_slice() {
        [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', 0..=15, channels @ 1..=2, low, high, ..] if head.len() >= 19 => {
            (*channels, u64::from(u16::from_le_bytes([*low, *high])))
        }
        _ => return Err(wrong("it does not begin with an Opus head")),
    };
    let (mut number, mut granule, mut packets) = (0, 0, 0);
    loop {
        let page = read_page(&mut input)?.ok_or(wrong("it ends before its last page"))?;
        number += 1;
        if page.first || page.serial != first.serial || page.number != number || page.granule < granule {
            return Err(wrong("its pages do not follow each other"));
        }
        granule = page.granule;
        if number == 1 {
            let is_tags = page.packets.first().is_some_and(|tags| tags.starts_with(b"OpusTags"));
            if !is_tags || page.packets.len() != 1 || page.last {
                return Err(wrong("its second page is not its tags"));
            }
            continue;
        }
        packets += page.packets.len() as u64;
        if page.last {
            break;
        }
    }
    if read_page(&mut input)?.is_some() {
        return Err(wrong("it goes on after its last page"));
    }
    let samples = granule.checked_sub(pre_skip).ok_or(wrong("it ends before it begins"))?;
    Ok(Opus { channels, samples, packets })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_as_they_were_written() {
        let mut writer = Writer::new(Vec::new(), 7);
        let sizes = [0usize, 1, 254, 255, 256, 510, 1_275];
        for (at, size) in (1..).zip(sizes) {
            writer.packet(&vec![u8::try_from(at).unwrap(); size], at * 960).unwrap();
        }
        let bytes = writer.finish(6_000).unwrap();
        let page = read_page(&mut &bytes[..]).unwrap().unwrap();
        assert_eq!((page.granule, page.first, page.last, page.serial, page.number), (6_000, true, true, 7, 0));
        assert_eq!(page.packets.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
        assert!(read_page(&mut &bytes[bytes.len()..]).unwrap().is_none());
    }

    /// The check value of this CRC in the usual catalogues is that of POSIX `cksum` without its last inversion.
    #[test]
    fn the_sum_is_that_of_the_standard() {
        assert_eq!(crc([b"", b"123456789", b""]), 0x89a1_897f);
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let mut writer = Writer::new(Vec::new(), 7);
        writer.packet(b"abc", 960).unwrap();
        let good = writer.finish(960).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(read_page(&mut &bad[..]).is_err(), "{at}");
            assert!(at == 0 || read_page(&mut &good[..at]).is_err(), "{at}");
        }
    }
}
