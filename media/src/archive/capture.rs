//! Captures: WAV of two channels and 16 bits (RIFF, 1991) that may have been cut at any byte. Its audio goes on to the end
//! of the file, whatever the header says: the header is behind while a call is up, and says nothing where it is sealed.

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};

use super::ArchiveError;

/// Bytes before the audio in what we write.
pub const HEADER_BYTES: u64 = 44;
/// Bytes of a sample pair.
pub const PAIR_BYTES: u64 = 4;
/// Chunks before the audio, and bytes of one: more is no capture of ours.
const MAX_CHUNKS: usize = 16;
const MAX_CHUNK_BYTES: u32 = 64 * 1024;
/// Pairs that are read at once.
const BLOCK_PAIRS: usize = 4_096;

/// The header of a file with so many bytes of audio; with `None` of one that is not at its end yet.
#[must_use]
pub fn header(rate_hz: u32, audio_bytes: Option<u64>) -> [u8; 44] {
    let data = audio_bytes.and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(u32::MAX);
    let mut header = *b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0\0\0\0\0\0\0\0\0\x04\0\x10\0data\0\0\0\0";
    header[4..8].copy_from_slice(&data.saturating_add(36).to_le_bytes());
    header[24..28].copy_from_slice(&rate_hz.to_le_bytes());
    header[28..32].copy_from_slice(&rate_hz.saturating_mul(4).to_le_bytes());
    header[40..44].copy_from_slice(&data.to_le_bytes());
    header
}

/// Makes the header of a clear capture say what is there; a half pair at the end goes. `false`: it said so already.
///
/// # Errors
/// The file cannot be read or written, or is no capture.
pub fn mend<F: Read + Write + Seek>(file: &mut F) -> Result<bool, ArchiveError> {
    file.rewind()?;
    let rate_hz = Capture::open(&mut *file)?.rate_hz();
    let audio = file.seek(SeekFrom::End(0))?.saturating_sub(HEADER_BYTES);
    let right = header(rate_hz, Some(audio - audio % PAIR_BYTES));
    let mut there = [0; 44];
    file.rewind()?;
    file.read_exact(&mut there)?;
    if there == right {
        return Ok(false);
    }
    file.rewind()?;
    file.write_all(&right)?;
    Ok(true)
}

/// Reads a capture from its begin.
#[derive(Debug)]
pub struct Capture<R> {
    input: R,
    rate_hz: u32,
    block: Vec<u8>,
}

impl<R: Read> Capture<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is no capture, or cannot be read.
    pub fn open(mut input: R) -> Result<Self, ArchiveError> {
        if &take::<4>(&mut input)? != b"RIFF" {
            return Err(ArchiveError::Capture("it does not begin as a WAV file"));
        }
        take::<4>(&mut input)?;
        if &take::<4>(&mut input)? != b"WAVE" {
            return Err(ArchiveError::Capture("it does not begin as a WAV file"));
        }
        let mut rate_hz = None;
        for _ in 0..MAX_CHUNKS {
            let name = take::<4>(&mut input)?;
            let bytes = u32::from_le_bytes(take::<4>(&mut input)?);
            match (&name, rate_hz) {
                (b"data", Some(rate_hz)) => return Ok(Self { input, rate_hz, block: Vec::new() }),
                (b"data", None) => return Err(ArchiveError::Capture("its format is not given before its audio")),
                (b"fmt ", _) if (16..=40).contains(&bytes) => {
                    rate_hz = Some(format(take::<16>(&mut input)?)?);
                    skip(&mut input, bytes - 16 + bytes % 2)?;
                }
                _ if bytes <= MAX_CHUNK_BYTES => skip(&mut input, bytes + bytes % 2)?,
                _ => break,
            }
        }
        Err(ArchiveError::Capture("no audio is found in it"))
    }

    /// Sample pairs a second: 8000 or 16000.
    #[must_use]
    pub const fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Hands out all pairs to the end. How many there were.
    ///
    /// # Errors
    /// It cannot be read, or the taker cannot go on.
    pub fn read_all(&mut self, mut take: impl FnMut([i16; 2]) -> Result<(), ArchiveError>) -> Result<u64, ArchiveError> {
        let mut pairs = 0;
        loop {
            let rest = self.block.len();
            self.block.resize(BLOCK_PAIRS * 4, 0);
            let read = match self.input.read(&mut self.block[rest..]) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Err(error) => return Err(error.into()),
            };
            self.block.truncate(rest + read);
            let whole = self.block.len() - self.block.len() % 4;
            for pair in self.block[..whole].chunks_exact(4) {
                take([i16::from_le_bytes([pair[0], pair[1]]), i16::from_le_bytes([pair[2], pair[3]])])?;
                pairs += 1;
            }
            self.block.drain(..whole);
            if read == 0 {
                return Ok(pairs);
            }
        }
    }

    /// The input, to ask it how it ended.
    pub const fn input(&self) -> &R {
        &self.input
    }
}

fn format(format: [u8; 16]) -> Result<u32, ArchiveError> {
    let word = |at: usize| u16::from_le_bytes([format[at], format[at + 1]]);
    if (word(0), word(2), word(14)) != (1, 2, 16) {
        return Err(ArchiveError::Capture("it is not linear PCM of 16 bits and two channels"));
    }
    match u32::from_le_bytes([format[4], format[5], format[6], format[7]]) {
        rate @ (8_000 | 16_000) => Ok(rate),
        _ => Err(ArchiveError::Capture("its rate is neither 8000 nor 16000 Hz")),
    }
}

fn take<const N: usize>(input: &mut impl Read) -> Result<[u8; N], ArchiveError> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => ArchiveError::Capture("it ends before its audio"),
        _ => error.into(),
    })?;
    Ok(bytes)
}

fn skip(input: &mut impl Read, bytes: u32) -> Result<(), ArchiveError> {
    for _ in 0..bytes {
        take::<1>(input)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn pairs(bytes: &[u8]) -> Vec<[i16; 2]> {
        let mut all = Vec::new();
        let mut capture = Capture::open(bytes).unwrap();
        let count = capture.read_all(|pair| {
            all.push(pair);
            Ok(())
        });
        let count = count.unwrap();
        assert_eq!(count, all.len() as u64);
        all
    }

    #[test]
    fn the_audio_goes_on_to_the_end_of_the_file() {
        let mut bytes = header(8_000, None).to_vec();
        bytes.extend([1, 0, 2, 0, 3, 0, 4, 0, 5]);
        assert_eq!(pairs(&bytes), [[1, 2], [3, 4]], "half a pair is none");
        let mut long = header(16_000, Some(8)).to_vec();
        long.extend(std::iter::repeat_n(7, 40_000));
        assert_eq!(pairs(&long).len(), 10_000, "what came after the header was written counts");
    }

    #[test]
    fn what_another_writer_wrote_is_read() {
        let mut bytes = Cursor::new(Vec::new());
        let spec =
            hound::WavSpec { channels: 2, sample_rate: 8_000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        (1..=6i16).for_each(|sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        assert_eq!(&bytes.get_ref()[..44], &header(8_000, Some(12)), "and our header is the same");
        assert_eq!(pairs(bytes.get_ref()), [[1, 2], [3, 4], [5, 6]]);
    }

    #[test]
    fn a_header_that_is_behind_is_mended() {
        let mut file = Cursor::new(header(8_000, Some(4)).to_vec());
        file.get_mut().extend([0; 402]);
        assert!(mend(&mut file).unwrap());
        assert_eq!(file.get_ref()[..44], header(8_000, Some(400)));
        assert!(!mend(&mut file).unwrap());
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        let good = header(8_000, None);
        for cut in 0..44 {
            assert!(Capture::open(&good[..cut]).is_err(), "{cut}");
        }
        for (at, byte) in [(0, b'X'), (8, b'X'), (20, 3), (22, 1), (25, 1), (34, 8)] {
            let mut bad = good;
            bad[at] = byte;
            assert!(Capture::open(&bad[..]).is_err(), "{at}");
        }
    }
}
