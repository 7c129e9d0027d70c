//! Files of recordings, opened to be read at any place: clear ones, and sealed ones record by record.

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use axum::body::Bytes;
use tandem_media::archive::sealed::{Key, Reader};
use tokio::runtime::Handle;

use super::{Spool, s3::StoreTrouble};
use crate::clock;

/// Bytes that are fetched from the store at once.
const PIECE_BYTES: u64 = 256 * 1024;

/// An open recording.
#[derive(Debug)]
pub enum Audio {
    /// As it is in the file.
    Clear(File),
    /// Opened as it is read.
    Sealed(Box<Reader<File>>),
    /// As it is in the store.
    Remote(Remote),
    /// Fetched from the store and opened as it is read.
    SealedRemote(Box<Reader<Remote>>),
}

impl Audio {
    /// Opens a file that is finished, and says how many bytes of audio it has.
    ///
    /// # Errors
    /// It is not there, or cannot be opened with these keys.
    pub fn open(file: File, sealed: bool, keys: &[Arc<Key>]) -> io::Result<(Self, u64)> {
        if !sealed {
            let bytes = file.metadata()?.len();
            return Ok((Self::Clear(file), bytes));
        }
        let reader = Reader::at_any_place(file, keys)?;
        let bytes = reader.size_bytes();
        Ok((Self::Sealed(Box::new(reader)), bytes))
    }
}

impl Audio {
    /// Opens an object of the store; for a thread that may wait.
    ///
    /// # Errors
    /// It is not there, or cannot be opened with these keys.
    pub fn open_remote(remote: Remote, sealed: bool, keys: &[Arc<Key>]) -> io::Result<(Self, u64)> {
        if !sealed {
            let bytes = remote.bytes;
            return Ok((Self::Remote(remote), bytes));
        }
        let reader = Reader::at_any_place(remote, keys)?;
        let bytes = reader.size_bytes();
        Ok((Self::SealedRemote(Box::new(reader)), bytes))
    }
}

/// An object of the store, fetched a piece at a time by a thread that may wait.
#[derive(Debug)]
pub struct Remote {
    runtime: Handle,
    spool: Arc<Spool>,
    name: String,
    bytes: u64,
    at: u64,
    /// The piece that was fetched last, and where it begins.
    piece: (u64, Bytes),
}

impl Remote {
    /// Asks the store for an object.
    ///
    /// # Errors
    /// It is not there, or the store does not answer.
    pub async fn find(spool: Arc<Spool>, name: String) -> io::Result<Self> {
        let bytes = spool.bucket.size(clock::now().at, &name).await.map_err(said)?;
        Ok(Self { runtime: Handle::current(), spool, name, bytes, at: 0, piece: (0, Bytes::new()) })
    }
}

fn said(error: StoreTrouble) -> io::Error {
    match error {
        StoreTrouble::Missing => ErrorKind::NotFound.into(),
        other => io::Error::other(other),
    }
}

impl Read for Remote {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.bytes {
            return Ok(0);
        }
        let (begin, piece) = &self.piece;
        if !(*begin..begin + piece.len() as u64).contains(&self.at) {
            let last = (self.at + PIECE_BYTES).min(self.bytes) - 1;
            let got = self.runtime.block_on(self.spool.bucket.get(clock::now().at, &self.name, self.at, last));
            self.piece = (self.at, got.map_err(said)?);
        }
        let (begin, piece) = &self.piece;
        let from = usize::try_from(self.at - begin).unwrap_or(usize::MAX);
        let rest = piece.get(from..).filter(|rest| !rest.is_empty()).ok_or(ErrorKind::UnexpectedEof)?;
        let read = rest.len().min(into.len());
        into[..read].copy_from_slice(&rest[..read]);
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Remote {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Read for Audio {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(file) => file.read(into),
            Self::Sealed(reader) => reader.read(into),
            Self::Remote(remote) => remote.read(into),
            Self::SealedRemote(reader) => reader.read(into),
        }
    }
}

impl Seek for Audio {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Clear(file) => file.seek(to),
            Self::Sealed(reader) => reader.seek(to),
            Self::Remote(remote) => remote.seek(to),
            Self::SealedRemote(reader) => reader.seek(to),
        }
    }
}

/// A stored relative path below `root`; `None` when it would lead anywhere else.
#[must_use]
pub fn below(root: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path);
    path.components().all(|part| matches!(part, Component::Normal(_))).then(|| root.join(path))
}

/// Opens a regular file below `root`, following no link out of it.
///
/// # Errors
/// There is none.
pub fn open_below(root: &Path, path: &str) -> io::Result<File> {
    let path = below(root, path).ok_or(ErrorKind::NotFound)?;
    // Links are followed first: what counts is where the file really is.
    let (root, path) = (root.canonicalize()?, path.canonicalize()?);
    if !path.starts_with(root) {
        return Err(ErrorKind::NotFound.into());
    }
    let file = File::open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::NotFound.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stored_path_leads_out_of_the_folder() {
        let root = Path::new("/recordings");
        assert_eq!(below(root, "2026/11/a.wav"), Some("/recordings/2026/11/a.wav".into()));
        for out in ["../a.wav", "/etc/passwd", "a/../../b", "./../x", ".."] {
            assert_eq!(below(root, out), None, "{out}");
        }
    }
}
