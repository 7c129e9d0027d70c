//! What a simulated call is: who calls whom and when, what the caller does, and what everybody else does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tandem_switch::{
    cdr::Origin,
    name::{AgentName, AudioStreamName, PartyNumber, ServiceName, TrunkName},
    step::StepOutcome,
    time::Timestamp,
};

use super::{
    behaviour::{self, Behaviour, Fault, Presence},
    replies::Reply,
};
use crate::{
    diagnostic::did_you_mean,
    plan::{Plan, parse_number},
    read::duration_ms,
    switches::{Override, Overrides},
};

/// A simulated call lasts no longer than this, in ms.
pub const MAX_CALL_MS: u64 = 7_200_000;
/// A caller who is told nothing hangs up after so long, in ms.
const HANGS_UP_AFTER_MS: u64 = 600_000;
/// A conversation of which nothing is said lasts so long, in ms.
const TALKS_MS: u64 = 30_000;
/// Prompts that one caller answers at most.
const MAX_KEYS: usize = 64;

/// What a simulated call is told to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// When the call arrives.
    pub at: Timestamp,
    /// Where it comes from.
    pub origin: Origin,
    /// Who calls.
    pub from: PartyNumber,
    /// What was dialled.
    pub to: PartyNumber,
    pub(super) keys: Vec<Keys>,
    /// `None`: as long as anybody would.
    pub(super) hang_up_after_ms: Option<u64>,
    pub(super) talk_ms: u64,
    pub(super) agents: BTreeMap<AgentName, (Presence, Behaviour)>,
    /// By extension, by number, and by the name of a trunk.
    pub(super) parties: BTreeMap<String, Behaviour>,
    pub(super) programs: BTreeMap<AudioStreamName, StepOutcome>,
    /// One after another, by service.
    pub(super) replies: BTreeMap<ServiceName, Vec<Reply>>,
    /// Names of boxes, lots and rooms without a free place.
    pub(super) full: BTreeSet<String>,
    pub(super) faults: BTreeSet<Fault>,
    pub(super) overrides: Arc<Overrides>,
}

/// What a caller types at one prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// How long they wait first.
    pub(super) wait_ms: Option<u64>,
    /// None of them: this prompt is left alone.
    pub(super) keys: String,
}

/// A script that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct ScriptError {
    /// What is wrong.
    pub sentence: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl ScriptError {
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), suggestion: None }
    }

    pub(super) fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let sentence = format!("there is no {what} `{}`", name.escape_debug());
        Self { suggestion: did_you_mean(name, known), ..Self::new(sentence) }
    }
}

impl Script {
    /// A call of which nothing more is said: no agent is signed in but those who always are, everybody else answers, the
    /// caller types nothing and hangs up after ten minutes.
    ///
    /// # Errors
    /// As [`Plan::origin_of`]; and the dialled number is empty or too long.
    pub fn new(plan: &Plan, at: Timestamp, from: Option<&str>, trunk: Option<&str>, to: &str) -> Result<Self, ScriptError> {
        for number in from.into_iter().chain([to]) {
            if !(1..=64).contains(&number.len()) || number.contains(char::is_control) {
                return Err(ScriptError::new("a number has 1 to 64 characters, none of them a control character"));
            }
        }
        let (origin, from) = plan.origin_of(from, trunk)?;
        Ok(Self {
            at,
            origin,
            from,
            to: to.into(),
            keys: Vec::new(),
            hang_up_after_ms: None,
            talk_ms: TALKS_MS,
            agents: BTreeMap::new(),
            parties: BTreeMap::new(),
            programs: BTreeMap::new(),
            replies: BTreeMap::new(),
            full: BTreeSet::new(),
            faults: BTreeSet::new(),
            overrides: Arc::default(),
        })
    }

    pub(super) fn hangs_up_after_ms(&self) -> u64 {
        self.hang_up_after_ms.unwrap_or(HANGS_UP_AFTER_MS)
    }

    /// What the caller types, prompt by prompt: `1,wait 2s,34#`, `nothing,1`.
    ///
    /// # Errors
    /// A piece is neither keys nor `wait TIME` nor `nothing`.
    pub fn types(&mut self, text: &str) -> Result<(), ScriptError> {
        let mut wait_ms: Option<u64> = None;
        for piece in text.split(',').map(str::trim) {
            if let Some(time) = piece.strip_prefix("wait ") {
                let ms = duration_ms(time.trim()).map_err(ScriptError::new)?;
                wait_ms = Some(wait_ms.unwrap_or(0).saturating_add(ms).min(MAX_CALL_MS));
                continue;
            }
            let keys = if piece == "nothing" { "" } else { piece };
            let is_keys =
                (1..=32).contains(&keys.len()) && keys.bytes().all(|b| matches!(b, b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D'));
            if piece != "nothing" && !is_keys {
                let sentence = format!("`{}` are no keys: expected as in `1,wait 2s,34#` or `nothing,1`", piece.escape_debug());
                return Err(ScriptError::new(sentence));
            }
            if self.keys.len() >= MAX_KEYS {
                return Err(ScriptError::new(format!("a caller answers at most {MAX_KEYS} prompts")));
            }
            self.keys.push(Keys { wait_ms: wait_ms.take(), keys: keys.to_owned() });
        }
        if wait_ms.is_some() { Err(ScriptError::new("nothing follows the last `wait`")) } else { Ok(()) }
    }

    /// The caller hangs up after so long.
    ///
    /// # Errors
    /// It is longer than any simulated call.
    pub fn hangs_up_after(&mut self, ms: u64) -> Result<(), ScriptError> {
        self.hang_up_after_ms = Some(bounded(ms)?);
        Ok(())
    }

    /// The same as text: `30s`.
    ///
    /// # Errors
    /// It is no duration, or too long.
    pub fn hangs_up_after_text(&mut self, text: &str) -> Result<(), ScriptError> {
        self.hangs_up_after(duration_ms(text).map_err(ScriptError::new)?)
    }

    /// The same for [`Self::talks`].
    ///
    /// # Errors
    /// It is no duration, or too long.
    pub fn talks_text(&mut self, text: &str) -> Result<(), ScriptError> {
        self.talks(duration_ms(text).map_err(ScriptError::new)?)
    }

    /// Every conversation lasts so long; then whoever was called hangs up.
    ///
    /// # Errors
    /// It is longer than any simulated call.
    pub fn talks(&mut self, ms: u64) -> Result<(), ScriptError> {
        self.talk_ms = bounded(ms)?;
        Ok(())
    }

    /// What an agent does: `1002=ready`, `1002=ready:10s`, `1003=away`.
    ///
    /// # Errors
    /// There is no such agent, or no such word.
    pub fn agent_text(&mut self, plan: &Plan, text: &str) -> Result<(), ScriptError> {
        let (name, rest) = named(text, "1002=ready")?;
        let (word, time) = behaviour::split(rest);
        self.agent(plan, name, word, behaviour::time(time)?)
    }

    /// The same, word by word.
    ///
    /// # Errors
    /// As [`Self::agent_text`].
    pub fn agent(&mut self, plan: &Plan, name: &str, word: &str, after_ms: Option<u64>) -> Result<(), ScriptError> {
        let known: Vec<_> = plan.starter_profiles().into_iter().map(|profile| profile.agent).collect();
        if !known.iter().any(|agent| agent.as_str() == name) && plan.extension(name).is_none() {
            return Err(ScriptError::unknown("agent or extension", name, known.iter().map(AgentName::as_str)));
        }
        let does = behaviour::agent(word, after_ms)?;
        match self.agents.insert(name.into(), does) {
            Some(_) => Err(ScriptError::new(format!("agent `{name}` is told twice what to do"))),
            None => Ok(()),
        }
    }

    /// What a party does: `1001=busy`, `+390212345678=answers:5s`, `1001=forwards:1002`, `carrier=unreachable`.
    ///
    /// # Errors
    /// There is no such party, or no such word.
    pub fn party_text(&mut self, plan: &Plan, text: &str) -> Result<(), ScriptError> {
        let (name, rest) = named(text, "1001=busy")?;
        match behaviour::split(rest) {
            ("forwards", to) => self.party(plan, name, "forwards", None, to),
            (word, time) => self.party(plan, name, word, behaviour::time(time)?, None),
        }
    }

    /// The same, word by word.
    ///
    /// # Errors
    /// As [`Self::party_text`].
    pub fn party(
        &mut self,
        plan: &Plan,
        name: &str,
        word: &str,
        after_ms: Option<u64>,
        to: Option<&str>,
    ) -> Result<(), ScriptError> {
        let is_known = plan.extension(name).is_some() || plan.trunks.contains_key(name);
        let key = if is_known { Some(name.to_owned()) } else { parse_number(name).map(|number| number.as_str().to_owned()) };
        let trunks = plan.trunks.keys().map(TrunkName::as_str);
        let key = key.ok_or_else(|| ScriptError::unknown("extension, number or trunk", name, trunks))?;
        let does = match to {
            Some(_) if word != "forwards" => {
                return Err(ScriptError::new(format!("only who `forwards` names somebody else, not who is `{word}`")));
            }
            Some(_) if plan.extension(name).is_none() => {
                return Err(ScriptError::new(format!("only phones of extensions forward here, and `{name}` is none")));
            }
            Some(to) => Behaviour::forwards(to)?,
            None => Behaviour::of(word, after_ms)?,
        };
        match self.parties.insert(key, does) {
            Some(_) => Err(ScriptError::new(format!("`{name}` is told twice what to do"))),
            None => Ok(()),
        }
    }

    /// How a program that gets the caller ends: `bot=failed`, `bot=said:billing`.
    ///
    /// # Errors
    /// There is no such program, or no such word.
    pub fn program_text(&mut self, plan: &Plan, text: &str) -> Result<(), ScriptError> {
        let (name, rest) = named(text, "bot=done")?;
        let (word, said) = behaviour::split(rest);
        self.program(plan, name, word, said)
    }

    /// The same, word by word.
    ///
    /// # Errors
    /// As [`Self::program_text`].
    pub fn program(&mut self, plan: &Plan, name: &str, word: &str, said: Option<&str>) -> Result<(), ScriptError> {
        if !plan.audio_streams.contains_key(name) {
            let known = plan.audio_streams.keys().map(AudioStreamName::as_str);
            return Err(ScriptError::unknown("audio-stream", name, known));
        }
        self.programs.insert(name.into(), behaviour::program(word, said)?);
        Ok(())
    }

    /// A box, lot or room has no free place.
    ///
    /// # Errors
    /// The name is none of these.
    pub fn full(&mut self, plan: &Plan, name: &str) -> Result<(), ScriptError> {
        let boxes = plan.mailboxes.keys().map(|name| name.as_str());
        let lots = plan.lots.keys().map(|name| name.as_str());
        let is_known = plan.mailbox(name).is_some() || plan.lots.contains_key(name) || plan.has_room(name);
        if !is_known {
            return Err(ScriptError::unknown("mailbox, parking lot or room", name, boxes.chain(lots)));
        }
        self.full.insert(name.to_owned());
        Ok(())
    }

    /// Something of ours is out of order: `floor`, `rooms`.
    ///
    /// # Errors
    /// There is no such word.
    pub fn fault(&mut self, word: &str) -> Result<(), ScriptError> {
        self.faults.insert(behaviour::fault(word)?);
        Ok(())
    }

    /// The emergency switch of a schedule: `office=open`, `office=closed`.
    ///
    /// # Errors
    /// There is no such schedule, or it is neither word.
    pub fn schedule_text(&mut self, plan: &Plan, text: &str) -> Result<(), ScriptError> {
        let (name, word) = named(text, "office=closed")?;
        self.schedule(plan, name, word)
    }

    /// The same, word by word.
    ///
    /// # Errors
    /// As [`Self::schedule_text`].
    pub fn schedule(&mut self, plan: &Plan, name: &str, word: &str) -> Result<(), ScriptError> {
        let Some(schedule) = plan.schedules.get(name) else {
            return Err(ScriptError::unknown("schedule", name, plan.schedules.keys().map(|name| name.as_str())));
        };
        let switch = match word {
            "open" => Override::ForceOpen,
            "closed" => Override::ForceClosed,
            _ => return Err(ScriptError::new(format!("a schedule is `open` or `closed`, not `{}`", word.escape_debug()))),
        };
        Arc::make_mut(&mut self.overrides).turn(schedule.name.clone(), switch);
        Ok(())
    }
}

fn bounded(ms: u64) -> Result<u64, ScriptError> {
    let most = MAX_CALL_MS / 3_600_000;
    if ms <= MAX_CALL_MS { Ok(ms) } else { Err(ScriptError::new(format!("a simulated call lasts at most {most} h"))) }
}

/// `NAME=WORD…`
pub(super) fn named<'a>(text: &'a str, as_in: &str) -> Result<(&'a str, &'a str), ScriptError> {
    let parts = text.split_once('=').map(|(name, word)| (name.trim(), word.trim()));
    parts.ok_or_else(|| ScriptError::new(format!("`{}` says not what: expected as in `{as_in}`", text.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_prompt_by_prompt() {
        let (plan, _) = crate::check(&[crate::Source::new("p.kdl", "extensions from=1001 to=1002\n")], &crate::World::default());
        let script = Script::new(&plan.unwrap(), Timestamp(0), None, None, "1").unwrap();
        let typed = |text: &str| {
            let mut script = script.clone();
            script.types(text).map(|()| script.keys.iter().map(|k| (k.wait_ms, k.keys.clone())).collect::<Vec<_>>())
        };
        let one = |wait: Option<u64>, keys: &str| (wait, keys.to_owned());
        assert_eq!(typed("1,wait 2s,34#").unwrap(), [one(None, "1"), one(Some(2_000), "34#")]);
        assert_eq!(typed(" nothing , wait 1s, wait 500ms, *").unwrap(), [one(None, ""), one(Some(1_500), "*")]);
        for bad in ["", "1,,2", "x", "wait 2s", "1,wait", "1 2", "wait soon,1", "\u{1b}[2J"] {
            let error = typed(bad).unwrap_err().to_string();
            assert!(!error.contains('\u{1b}'), "{bad}");
        }
        assert!(typed(&vec!["1"; 65].join(",")).is_err() && typed(&"1".repeat(33)).is_err());
    }
}
