//! The words for what somebody in a script does.

use tandem_switch::{cause::Cause, name::PartyNumber, step::StepOutcome};

use super::script::ScriptError;
use crate::{diagnostic::did_you_mean, plan::parse_number, read::duration_ms};

/// What a called party can do.
pub(crate) const PARTY_WORDS: &[&str] = &["answers", "busy", "no-answer", "rejected", "unreachable", "voicemail", "forwards"];
/// What an agent can do.
pub(crate) const AGENT_WORDS: &[&str] = &["ready", "away", "offline", "busy", "no-answer", "rejected", "unreachable"];
/// How a program that has the caller can end.
pub(crate) const PROGRAM_WORDS: &[&str] = &["done", "said", "failed", "stalled"];

/// What of us can be out of order.
pub(crate) const FAULT_WORDS: &[&str] = &["floor", "rooms"];

/// After so long a party answers who is not told when, in ms.
const ANSWERS_AFTER_MS: u64 = 3_000;
/// After so long a party declines who is not told when, in ms.
const REJECTS_AFTER_MS: u64 = 2_000;

/// What a party does when its phone is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    Answers {
        after_ms: u64,
    },
    /// Something answers that presses no key.
    Voicemail {
        after_ms: u64,
    },
    Busy,
    NoAnswer,
    Rejected {
        after_ms: u64,
    },
    Unreachable,
    Forwards {
        to: PartyNumber,
    },
}

/// Something of ours that does not do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// It is silent: queues and agents hear nothing.
    Floor,
    /// Nobody can be brought into one.
    Rooms,
}

/// Whether an agent is there when the call comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Until so long after the call came, in ms; `None` for good.
    Offline(Option<u64>),
    Away(Option<u64>),
    Ready,
}

impl Behaviour {
    /// From its word, and the time until then where it has one.
    pub(super) fn of(word: &str, after_ms: Option<u64>) -> Result<Self, ScriptError> {
        let behaviour = match word {
            "answers" => Self::Answers { after_ms: after_ms.unwrap_or(ANSWERS_AFTER_MS) },
            "rejected" => Self::Rejected { after_ms: after_ms.unwrap_or(REJECTS_AFTER_MS) },
            "voicemail" => Self::Voicemail { after_ms: after_ms.unwrap_or(ANSWERS_AFTER_MS) },
            "busy" => Self::Busy,
            "no-answer" => Self::NoAnswer,
            "unreachable" => Self::Unreachable,
            "forwards" => return Err(ScriptError::new("`forwards` needs the number that is called instead")),
            _ => return Err(unknown(word, PARTY_WORDS)),
        };
        let takes_time = matches!(behaviour, Self::Answers { .. } | Self::Voicemail { .. } | Self::Rejected { .. });
        if after_ms.is_some() && !takes_time {
            return Err(ScriptError::new(format!("`{word}` takes no time: only who answers or declines does")));
        }
        Ok(behaviour)
    }

    /// A phone that names this number instead.
    pub(super) fn forwards(to: &str) -> Result<Self, ScriptError> {
        let to = parse_number(to).ok_or_else(|| ScriptError::new(format!("`{}` is no telephone number", to.escape_debug())))?;
        Ok(Self::Forwards { to })
    }

    /// The cause of a call that is not taken; `None` where that is not said at once.
    pub(super) const fn refuses(&self, by_trunk: bool) -> Option<Cause> {
        match self {
            Self::Busy => Some(Cause::Busy),
            Self::Unreachable if by_trunk => Some(Cause::Unavailable),
            Self::Unreachable => Some(Cause::NotRegistered),
            Self::Answers { .. } | Self::Voicemail { .. } | Self::NoAnswer | Self::Rejected { .. } | Self::Forwards { .. } => {
                None
            }
        }
    }
}

impl Default for Behaviour {
    /// What everybody does of whom nothing is said.
    fn default() -> Self {
        Self::Answers { after_ms: ANSWERS_AFTER_MS }
    }
}

/// Presence and phone of an agent.
pub(super) fn agent(word: &str, after_ms: Option<u64>) -> Result<(Presence, Behaviour), ScriptError> {
    match word {
        "ready" => Ok((Presence::Ready, Behaviour::of("answers", after_ms)?)),
        "away" => Ok((Presence::Away(after_ms), Behaviour::default())),
        "offline" => Ok((Presence::Offline(after_ms), Behaviour::default())),
        _ if AGENT_WORDS.contains(&word) => Ok((Presence::Ready, Behaviour::of(word, after_ms)?)),
        _ => Err(unknown(word, AGENT_WORDS)),
    }
}

/// What is out of order.
pub(super) fn fault(word: &str) -> Result<Fault, ScriptError> {
    match word {
        "floor" => Ok(Fault::Floor),
        "rooms" => Ok(Fault::Rooms),
        _ => Err(unknown(word, FAULT_WORDS)),
    }
}

/// How a program ends: `said` needs the word that it says.
pub(super) fn program(word: &str, said: Option<&str>) -> Result<StepOutcome, ScriptError> {
    match (word, said) {
        ("said", Some(said)) if !said.is_empty() => Ok(StepOutcome::Said(said.to_owned())),
        ("said", _) => Err(ScriptError::new("`said` needs the word that the program says")),
        (_, Some(_)) => {
            Err(ScriptError::new(format!("only a program that `said` something has a word, not one that is `{word}`")))
        }
        ("done", None) => Ok(StepOutcome::Done),
        ("failed", None) => Ok(StepOutcome::Failed),
        ("stalled", None) => Ok(StepOutcome::Stalled),
        _ => Err(unknown(word, PROGRAM_WORDS)),
    }
}

/// `WORD` or `WORD:REST`.
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((word, rest)) => (word.trim(), Some(rest.trim())),
        None => (text.trim(), None),
    }
}

/// The time behind a word.
pub(super) fn time(text: Option<&str>) -> Result<Option<u64>, ScriptError> {
    text.map(|text| duration_ms(text).map_err(ScriptError::new)).transpose()
}

fn unknown(word: &str, known: &[&str]) -> ScriptError {
    let sentence = format!("`{}` is not known here: expected {}", word.escape_debug(), known.join(", "));
    ScriptError { suggestion: did_you_mean(word, known.iter().copied()), ..ScriptError::new(sentence) }
}
