//! What is said between the switch and a program, as `docs/audio-streams.md` has it.

use serde::{Deserialize, Serialize};
use tandem_media::contract::FORK_FRAME_MS;
use tandem_switch::step::Sides;

/// The version of all this.
pub const VERSION: u32 = 1;
/// Bytes before the samples of a frame of the call.
pub const HEAD_BYTES: usize = 12;
/// Bit of the second byte: nobody may hear what is said now.
const MASKED: u8 = 1;
/// Longest name of a mark and longest outcome, in bytes.
pub const LONGEST_NAME: usize = 100;

/// What a program may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It hears.
    Listen,
    /// It has the caller: it hears them and speaks.
    Talk,
}

impl Mode {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Talk => "talk",
        }
    }
}

/// Whose voice a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The party that the call is for.
    Caller,
    /// Whom they talk to.
    Agent,
}

/// What we say in text.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ToProgram<'a> {
    /// First of all, in each connection.
    Start {
        /// See [`VERSION`].
        version: u32,
        /// Which call.
        call: &'a str,
        /// As the plan names the program.
        stream: &'a str,
        /// What it may do.
        mode: Mode,
        /// Whom it hears.
        sides: &'static [&'static str],
        /// Samples a second, both ways.
        rate: u32,
        /// Milliseconds of a frame.
        frame_ms: u8,
        /// Connections of this stream before this one.
        sequence: u32,
    },
    /// Nothing follows.
    Stop {
        /// Why.
        reason: &'static str,
    },
    /// The caller pressed a key.
    Keys {
        /// Which.
        keys: &'a str,
    },
    /// The caller has heard all that was said before a mark, or will not hear it.
    Mark {
        /// Its name.
        name: &'a str,
        /// It was cleared.
        cleared: bool,
    },
    /// Audio is lost: it came faster than it went.
    Dropped {
        /// Whose: `call` or `program`.
        from: &'static str,
        /// How much.
        ms: u64,
    },
}

impl ToProgram<'_> {
    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        // Words and numbers: nothing of it can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What a program says in text.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum FromProgram {
    /// Tell me when all that I said up to now was heard.
    Mark {
        /// By this name.
        name: String,
    },
    /// Nothing more of what I said is to be heard.
    Clear,
    /// The call is to end.
    Hangup,
    /// I am done: the plan goes on.
    Done {
        /// By this word.
        #[serde(default)]
        outcome: Option<String>,
    },
    /// Something of a later version.
    #[serde(other)]
    Other,
}

/// The words for sides.
#[must_use]
pub const fn words_of(sides: Sides) -> &'static [&'static str] {
    match sides {
        Sides::Both => &["caller", "agent"],
        Sides::Caller => &["caller"],
        Sides::Agent => &["agent"],
    }
}

/// A frame of the call: a head, then 20 ms of samples, little-endian.
#[must_use]
pub fn frame(side: Side, masked: bool, sequence: u32, at_ms: u32, samples: &[i16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + samples.len() * 2);
    bytes.extend([side as u8, if masked { MASKED } else { 0 }, FORK_FRAME_MS, 0]);
    bytes.extend(sequence.to_le_bytes());
    bytes.extend(at_ms.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

/// The samples that a program sent; `None`: they are no whole samples.
#[must_use]
pub fn samples(bytes: &[u8]) -> Option<Vec<i16>> {
    let pairs = bytes.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_documented() {
        let bytes = frame(Side::Agent, true, 0x0102, 40, &[1, -2]);
        assert_eq!(bytes, [1, 1, 20, 0, 2, 1, 0, 0, 40, 0, 0, 0, 1, 0, 254, 255]);
        assert_eq!(samples(&bytes[HEAD_BYTES..]), Some(vec![1, -2]));
        assert_eq!(samples(&[1, 2, 3]), None);
    }

    #[test]
    fn what_a_later_version_says_is_passed_over_and_nonsense_is_not() {
        let read = |text: &str| serde_json::from_str::<FromProgram>(text).ok();
        assert_eq!(read(r#"{"event":"done","outcome":"sales"}"#), Some(FromProgram::Done { outcome: Some("sales".into()) }));
        assert_eq!(read(r#"{"event":"done"}"#), Some(FromProgram::Done { outcome: None }));
        assert_eq!(read(r#"{"event":"smile","wide":true}"#), Some(FromProgram::Other));
        for bad in ["", "[]", "{}", r#"{"event":"mark"}"#, r#"{"event":"mark","name":7}"#, "clear"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
