//! What a plan says about recordings.

use tandem_switch::name::PromptName;

use crate::secret::Secret;

/// What recordings are kept as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingFormat {
    /// WAV.
    #[default]
    Wav,
    /// Opus in Ogg.
    Opus,
}

/// What becomes of recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recordings {
    /// What they are kept as.
    pub format: RecordingFormat,
    /// Keys: the first one seals, all of them open; clear when empty.
    pub keys: Vec<Secret>,
    /// Days that they are kept; for ever when `None`.
    pub retain_days: Option<u32>,
    /// Who is told before a conversation is recorded.
    pub notice: Option<Notice>,
    /// Where they are brought.
    pub spool: Option<Spool>,
}

/// What is heard before a conversation is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The recording.
    pub prompt: PromptName,
    /// The other party hears it, too.
    pub to_both: bool,
}

/// A store that speaks the language of S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spool {
    /// `http` or `https`, host, and the path of bucket and folder.
    pub url: String,
    /// Its name for where it is.
    pub region: String,
    /// Who we are there.
    pub access_key: Secret,
    /// How we prove it.
    pub secret_key: Secret,
    /// Files stay in the folder, too.
    pub keep_local: bool,
}
