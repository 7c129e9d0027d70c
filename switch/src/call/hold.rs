//! Hold: a party who holds is alone, the other hears music. Both must take the conversation back.

use super::{Call, talk::Talk};
use crate::{
    cdr::SegmentState,
    id::LegId,
    name::PromptName,
    step::{Audio, Phrase},
    time::Timestamp,
};

impl Call {
    /// Makes what both parties hear fit to who holds.
    pub(super) fn settle_hold(&mut self, now: Timestamp, talk: &Talk) {
        let (caller, peer) = (self.legs.caller(), talk.peer);
        let state = match (self.legs.holds(caller), self.legs.holds(peer)) {
            (false, false) => {
                self.legs.join(caller, peer);
                SegmentState::Talking
            }
            (true, false) => self.hold(caller, Some(peer)),
            (false, true) => self.hold(peer, Some(caller)),
            (true, true) => {
                self.legs.hush(peer);
                self.hold(caller, None)
            }
        };
        self.ledger.turn(now, state, talk.with.agent().cloned());
    }

    fn hold(&mut self, holder: LegId, listener: Option<LegId>) -> SegmentState {
        self.legs.part(holder);
        self.legs.hush(holder);
        match (listener, self.settings.hold_music.clone()) {
            (Some(listener), Some(music)) => {
                let audio = self.music(music);
                self.legs.play(listener, audio, true);
            }
            (Some(listener), None) => self.legs.hush(listener),
            (None, _) => {}
        }
        SegmentState::Hold
    }

    /// Music has no words, but it is filed under a language like every prompt.
    pub(super) fn music(&self, prompt: PromptName) -> Audio {
        Audio { language: self.settings.language.clone(), phrases: vec![Phrase::Prompt(prompt)] }
    }
}
