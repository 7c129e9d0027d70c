//! What becomes of recorded audio on disk: captures that grow while people talk, the files they are made into, and what
//! is sealed of both. Readers and writers over any `Read` and `Write`: no clock, no threads, no paths.
//!
//! A **capture** ([`capture`]) is a WAV of two channels whose end is the end of the file. It is finished as WAV or as
//! Opus in Ogg ([`ogg`], [`opus`]) while [`peaks`] sees what it looks like. [`sealed`] stands before either when a key is
//! configured.

pub mod capture;
pub mod finish;
pub mod ogg;
pub mod opus;
pub mod peaks;
pub mod sealed;

/// Why audio cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is no capture of ours.
    #[error("it is no recording as Tandem captures them: {0}")]
    Capture(&'static str),
    /// It is no Ogg file of one Opus stream.
    #[error("it is no whole Ogg file of one Opus stream: {0}")]
    Ogg(&'static str),
    /// libopus did not do its work.
    #[error("the Opus encoder refused: {0}")]
    Opus(&'static str),
    /// It is sealed, and cannot be opened.
    #[error(transparent)]
    Sealed(#[from] sealed::SealError),
}
