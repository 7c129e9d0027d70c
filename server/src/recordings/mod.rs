//! What becomes of recordings when their conversation is over: they are finished (`finisher`), brought to a store
//! (`spool`, `s3`), opened again for who may listen (`file`), and deleted when their time is over (`sweep`).
//!
//! The rows of the table `recordings` say what is still to be done, so that a start goes on where the last process was.

pub mod file;
pub mod finisher;
mod make;
pub mod s3;
pub mod spool;
pub mod sweep;

use std::{io, path::PathBuf, sync::Arc};

use tandem_dialplan::{RecordingFormat, Recordings, Secret};
use tandem_media::archive::{
    finish::Format,
    sealed::{KEY_BYTES, Key},
};
use tandem_switch::{id::RecordingId, time::Timestamp};
use tokio::sync::watch;
use zeroize::Zeroizing;

use self::s3::{Bucket, Credentials};
use crate::store::{KeptAs, Store, Writer};

/// What the plan in service wants of recordings, with its secrets.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// What they are kept as.
    pub format: Format,
    /// The first one seals, all of them open.
    pub keys: Vec<Arc<Key>>,
    /// Days that they are kept; for ever when `None`.
    pub retain_days: Option<u32>,
    /// Where they are brought.
    pub spool: Option<Arc<Spool>>,
}

/// Where recordings are brought.
#[derive(Debug)]
pub struct Spool {
    /// The store.
    pub bucket: Bucket,
    /// Files stay in the folder, too.
    pub keep_local: bool,
}

/// Starts all that is done with recordings beside the calls.
///
/// # Errors
/// The system gives no thread.
pub fn start(store: &Store, writer: &Writer, folder: PathBuf, archive: &watch::Receiver<Arc<Archive>>) -> io::Result<()> {
    let parts = Parts { store: store.clone(), writer: writer.clone(), folder, archive: archive.clone() };
    finisher::start(parts.clone())?;
    spool::start(parts.clone());
    sweep::start(parts);
    Ok(())
}

/// What all of them work with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// What is to be done.
    pub store: Store,
    /// Where it is written that it is.
    pub writer: Writer,
    /// The recordings folder.
    pub folder: PathBuf,
    /// What the plan in service wants.
    pub archive: watch::Receiver<Arc<Archive>>,
}

/// What is wrong with what the plan says of recordings, once its secrets are read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A secret is not there.
    #[error("a secret of `recordings` cannot be read from {0}")]
    Secret(String),
    /// No address of a store.
    #[error("the store of `recordings` has no such address as {0}")]
    Store(String),
    /// A key of another form.
    #[error("the key of `recordings` in {0} is not 64 hexadecimal digits; `openssl rand -hex 32` makes one")]
    Key(String),
}

/// Where a recording that begins goes.
#[derive(Debug)]
pub struct Begin {
    /// The file that will be kept, below the recordings folder.
    pub path: String,
    /// How it will be kept.
    pub kept: KeptAs,
    /// What it is sealed with.
    pub key: Option<Arc<Key>>,
}

impl Archive {
    /// Reads the secrets of a plan: `read` gives what a reference leads to, `place` says in words where that is.
    ///
    /// # Errors
    /// One is missing, or a key is none.
    pub fn new(
        plan: &Recordings,
        read: impl Fn(&Secret) -> Option<String>,
        place: impl Fn(&Secret) -> String,
    ) -> Result<Self, ArchiveError> {
        let key = |secret: &Secret| {
            let text = Zeroizing::new(read(secret).ok_or_else(|| ArchiveError::Secret(place(secret)))?);
            let bytes = key_bytes(&text).ok_or_else(|| ArchiveError::Key(place(secret)))?;
            Key::new(&bytes).map(Arc::new).map_err(|_| ArchiveError::Key(place(secret)))
        };
        Ok(Self {
            format: match plan.format {
                RecordingFormat::Wav => Format::Wav,
                RecordingFormat::Opus => Format::Opus,
            },
            keys: plan.keys.iter().map(key).collect::<Result<_, _>>()?,
            retain_days: plan.retain_days,
            spool: plan.spool.as_ref().map(|spool| open_spool(spool, &read, &place)).transpose()?,
        })
    }

    /// Settles how a recording that begins now is kept. `retain_days` is what its queue says of that.
    #[must_use]
    pub fn begin(&self, at: Timestamp, recording: RecordingId, retain_days: Option<u32>) -> Begin {
        let day = jiff::Timestamp::from_microsecond(at.0).unwrap_or_default().strftime("%Y/%m/%d").to_string();
        let key = self.keys.first().cloned();
        let sealed = if key.is_some() { ".sealed" } else { "" };
        let path = format!("{day}/{recording}.{}{sealed}", self.format.suffix());
        let is_ready = self.format == Format::Wav && key.is_none();
        let capture = if is_ready { path.clone() } else { format!("{day}/{recording}.capture") };
        let kept = KeptAs {
            format: self.format,
            sealed: key.is_some(),
            capture: Some(capture),
            retain_days: retain_days.or(self.retain_days),
        };
        Begin { path, kept, key }
    }
}

fn open_spool(
    plan: &tandem_dialplan::Spool,
    read: &impl Fn(&Secret) -> Option<String>,
    place: &impl Fn(&Secret) -> String,
) -> Result<Arc<Spool>, ArchiveError> {
    let secret = |secret: &Secret| read(secret).ok_or_else(|| ArchiveError::Secret(place(secret)));
    let credentials =
        Credentials { access_key: secret(&plan.access_key)?, secret_key: Zeroizing::new(secret(&plan.secret_key)?) };
    let bucket = Bucket::new(&plan.url, plan.region.clone(), credentials);
    let bucket = bucket.ok_or_else(|| ArchiveError::Store(plan.url.clone()))?;
    Ok(Arc::new(Spool { bucket, keep_local: plan.keep_local }))
}

fn key_bytes(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let text = text.trim();
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(plan: &Recordings, secret: &str) -> Result<Archive, ArchiveError> {
        Archive::new(plan, |_| Some(secret.to_owned()), |_| "the environment variable KEY".to_owned())
    }

    fn sealed() -> Recordings {
        Recordings { format: RecordingFormat::Opus, keys: vec![Secret::Env("KEY".into())], ..Recordings::default() }
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        let good = "0f".repeat(32);
        assert_eq!(archive(&sealed(), &good).unwrap().keys.len(), 1);
        for bad in ["", "0f", &"0g".repeat(32), &"0f".repeat(33), &"+f".repeat(32)] {
            let error = archive(&sealed(), bad).unwrap_err().to_string();
            assert!(error.starts_with("the key of `recordings` in the environment variable KEY is not 64"), "{error}");
            assert!(bad.is_empty() || !error.contains(bad));
        }
    }

    #[test]
    fn files_say_what_they_are() {
        let names = |archive: &Archive| {
            let begin = archive.begin(Timestamp(1_790_000_000_000_000), RecordingId(7), Some(3));
            assert_eq!(begin.kept.retain_days, Some(3));
            (
                begin.path.rsplit('/').next().unwrap().replace(&RecordingId(7).to_string(), "ID"),
                begin.kept.capture == Some(begin.path),
            )
        };
        assert_eq!(names(&Archive::default()), ("ID.wav".to_owned(), true));
        assert_eq!(names(&archive(&sealed(), &"0f".repeat(32)).unwrap()), ("ID.opus.sealed".to_owned(), false));
        let opus = Archive { format: Format::Opus, ..Archive::default() };
        assert_eq!(names(&opus), ("ID.opus".to_owned(), false));
    }
}
