//! Where the writer's samples go while a recording lasts: a WAV file whose header is right after each flush, or, with a
//! key, a sealed one that holds the same (see [`crate::archive`]).

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use hound::{SampleFormat, WavSpec, WavWriter};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::archive::{capture, sealed};

/// Bytes that wait for a flush.
const BUFFER_BYTES: usize = 64 * 1024;

pub(super) enum Sink {
    Clear(WavWriter<BufWriter<File>>),
    Sealed(Box<sealed::Writer<BufWriter<File>>>),
}

impl Sink {
    /// Makes the file, which must not be there yet and which only its owner reads.
    pub(super) fn create(path: &Path, rate_hz: u32, key: Option<&sealed::Key>) -> Result<Self, hound::Error> {
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let mut sink = match key {
            None => {
                let spec = WavSpec { channels: 2, sample_rate: rate_hz, bits_per_sample: 16, sample_format: SampleFormat::Int };
                Self::Clear(WavWriter::new(file, spec)?)
            }
            Some(key) => {
                let mut seed = [0; sealed::SEED_BYTES];
                SystemRandom::new().fill(&mut seed).map_err(|_| io::Error::other("the system gives no random bytes"))?;
                let mut file = sealed::Writer::new(file, key, &seed, 0)?;
                file.write_all(&capture::header(rate_hz, None))?;
                Self::Sealed(Box::new(file))
            }
        };
        sink.flush()?;
        Ok(sink)
    }

    pub(super) fn append(&mut self, pair: [i16; 2]) -> Result<(), hound::Error> {
        match self {
            Self::Clear(file) => pair.into_iter().try_for_each(|sample| file.write_sample(sample)),
            Self::Sealed(file) => {
                let ([a, b], [c, d]) = (pair[0].to_le_bytes(), pair[1].to_le_bytes());
                Ok(file.write_all(&[a, b, c, d])?)
            }
        }
    }

    /// What was appended is with the system when this returns.
    pub(super) fn flush(&mut self) -> Result<(), hound::Error> {
        match self {
            Self::Clear(file) => file.flush(),
            Self::Sealed(file) => Ok(file.flush()?),
        }
    }

    pub(super) fn finish(self) -> Result<(), hound::Error> {
        match self {
            Self::Clear(file) => file.finalize(),
            Self::Sealed(file) => Ok(file.finish().map(drop)?),
        }
    }
}
