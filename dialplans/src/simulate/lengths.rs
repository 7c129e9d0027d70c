//! How long recordings are.

use std::collections::BTreeMap;

use tandem_switch::{
    name::PromptName,
    step::{Audio, Phrase},
};

use crate::say::say;

/// Taken for a recording whose length is not known, in ms.
const UNKNOWN_MS: u64 = 2_000;

/// Lengths of recordings; one that is not named lasts two seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lengths {
    ms: BTreeMap<String, u64>,
}

/// A part of what is played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The prompt, if it is one that the plan names.
    pub(super) prompt: Option<PromptName>,
    pub(super) ms: u64,
}

impl Lengths {
    /// Notes the length of a recording by its path without ending: `en/welcome`, `music/hold`.
    pub fn insert(&mut self, path: impl Into<String>, ms: u64) {
        self.ms.insert(path.into(), ms);
    }

    /// The parts of some audio, one after another.
    pub(super) fn pieces(&self, audio: &Audio) -> Vec<Piece> {
        let piece = |phrase: &Phrase| {
            let prompt = if let Phrase::Prompt(prompt) = phrase { Some(prompt.clone()) } else { None };
            let recordings = say(&Audio { language: audio.language.clone(), phrases: vec![phrase.clone()] });
            let length = |name: &PromptName| {
                let own = self.ms.get(&format!("{}/{name}", audio.language));
                own.or_else(|| self.ms.get(name.as_str())).copied().unwrap_or(UNKNOWN_MS)
            };
            Piece { prompt, ms: recordings.iter().map(length).sum() }
        };
        audio.phrases.iter().map(piece).collect()
    }
}

/// Length of the audio of a WAV file in ms, from its first bytes: the chunks before the audio are enough. `None` when
/// they do not tell.
#[must_use]
pub fn wav_length_ms(bytes: &[u8]) -> Option<u64> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    if bytes.get(..4)? != b"RIFF" || bytes.get(8..12)? != b"WAVE" {
        return None;
    }
    let mut at = 12_usize;
    let mut bytes_per_s = 0;
    loop {
        let (name, length) = (bytes.get(at..at + 4)?, word(at + 4)?);
        match name {
            b"fmt " => bytes_per_s = word(at + 16)?,
            b"data" if bytes_per_s > 0 => return Some(u64::from(length) * 1_000 / u64::from(bytes_per_s)),
            _ => {}
        }
        // Chunks begin at even bytes.
        at = at.checked_add(8)?.checked_add(usize::try_from(length).ok()?.checked_add(1)? & !1)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_recording_is_in_its_head() {
        let shipped = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/music/beep.wav")).unwrap();
        let whole = wav_length_ms(&shipped).unwrap();
        assert!((100..2_000).contains(&whole), "{whole}");
        assert_eq!(wav_length_ms(&shipped[..64]), Some(whole));
        for cut in 0..44 {
            assert_eq!(wav_length_ms(&shipped[..cut]), None);
        }
        let mut endless = shipped[..44].to_vec();
        endless[36..44].copy_from_slice(b"LIST\xff\xff\xff\xff");
        assert_eq!(wav_length_ms(&endless), None);
    }

    #[test]
    fn what_is_put_together_lasts_as_long_as_its_parts() {
        let mut lengths = Lengths::default();
        lengths.insert("en/welcome", 3_000);
        lengths.insert("en/digits/4", 400);
        lengths.insert("beep", 200);
        let phrases = vec![Phrase::Prompt("welcome".into()), Phrase::Digits("44".into()), Phrase::Prompt("beep".into())];
        let pieces = lengths.pieces(&Audio { language: "en".into(), phrases });
        assert_eq!(pieces.iter().map(|piece| piece.ms).collect::<Vec<_>>(), [3_000, 800, 200]);
        assert_eq!(pieces[1].prompt, None);
    }
}
