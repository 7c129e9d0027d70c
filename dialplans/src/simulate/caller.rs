//! The caller: what they hear, and what they type at which prompt.

use std::collections::VecDeque;

use tandem_switch::{
    call::Input,
    id::LegId,
    name::PromptName,
    step::{Audio, Phrase, Step},
    time::Timestamp,
};

use super::{
    lengths::{Lengths, Piece},
    script::Keys,
    stage::{Event, Stage},
};

/// Before the first key at a prompt that was heard out, in ms.
const FIRST_KEY_MS: u64 = 1_000;
/// From key to key, in ms.
const NEXT_KEY_MS: u64 = 300;

/// What a caller is at.
#[derive(Debug)]
pub(super) struct Caller {
    /// For the prompts to come.
    keys: VecDeque<Keys>,
    /// A prompt wants keys, and they have typed none at it.
    is_asked: bool,
    /// While it waits, this prompt wants one.
    offer: Option<PromptName>,
    hears: Option<Hearing>,
}

/// Something with an end plays to the caller.
#[derive(Debug)]
struct Hearing {
    play: u32,
    from: Timestamp,
    pieces: Vec<Piece>,
}

impl Caller {
    pub(super) fn new(keys: &[Keys]) -> Self {
        Self { keys: keys.iter().cloned().collect(), is_asked: false, offer: None, hears: None }
    }

    /// The plan gives a step: whether it wants keys.
    pub(super) fn given(&mut self, step: &Step) {
        self.offer = match step {
            Step::Queue(queue) => queue.callback.as_ref().map(|offer| offer.prompt.clone()),
            _ => None,
        };
        self.is_asked = matches!(step, Step::Collect(_) | Step::Conference { .. } | Step::Supervise { .. } | Step::Stream { .. });
    }

    /// A message begins: a key ends it.
    pub(super) const fn speaks(&mut self) {
        self.is_asked = true;
    }

    /// The step is over: who has not typed yet types at the next one.
    pub(super) const fn is_done(&mut self) {
        self.is_asked = false;
    }

    /// The caller hears this from now on; how long it lasts, in ms.
    pub(super) fn hears(&mut self, now: Timestamp, play: u32, audio: &Audio, lengths: &Lengths) -> u64 {
        let pieces = lengths.pieces(audio);
        let is_offer = |phrase: &Phrase| matches!(phrase, Phrase::Prompt(prompt) if self.offer.as_ref() == Some(prompt));
        self.is_asked |= audio.phrases.iter().any(is_offer);
        let lasts_ms = pieces.iter().map(|piece| piece.ms).sum();
        self.hears = Some(Hearing { play, from: now, pieces });
        lasts_ms
    }

    /// Whether this is what they hear now.
    pub(super) fn heard_out(&self, play: u32) -> bool {
        self.hears.as_ref().is_some_and(|hears| hears.play == play)
    }

    /// What plays ends, or is stopped: the prompts that had begun.
    pub(super) fn stops_hearing(&mut self, now: Timestamp) -> Vec<PromptName> {
        let Some(Hearing { from, pieces, .. }) = self.hears.take() else { return Vec::new() };
        let elapsed = now.ms_since(from);
        let mut begins = 0;
        let mut heard = Vec::new();
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 && begins >= elapsed {
                break;
            }
            begins += piece.ms;
            heard.extend(piece.prompt);
        }
        heard
    }

    /// Whether they have heard what asks for keys, and have some or leave it alone.
    pub(super) fn wants_to_type(&self) -> bool {
        self.is_asked && self.hears.is_none() && !self.keys.is_empty()
    }
}

impl Stage<'_> {
    /// The keys for the prompt that was heard.
    pub(super) fn type_next(&mut self) {
        self.caller.is_done();
        let Some(Keys { wait_ms, keys }) = self.caller.keys.pop_front() else { return };
        let mut at_ms = wait_ms.unwrap_or(FIRST_KEY_MS);
        for key in keys.chars() {
            self.later(at_ms, Event::Key(key));
            at_ms += NEXT_KEY_MS;
        }
    }

    pub(super) fn types(&mut self, digit: char) {
        self.story.row(self.now, "caller", format!("types {digit}"));
        self.inputs.push_back(Input::Digit { leg: LegId::CALLER, digit });
    }
}
