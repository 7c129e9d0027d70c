//! The notice that a conversation will be recorded: heard before the first recorded conversation of a call. The two hear
//! each other when the caller has heard it out, and only from then on anything is recorded.

use super::{Call, Moment, talk::Talk};
use crate::{
    cdr::SegmentState,
    name::Language,
    step::{Audio, Phrase},
};

impl Call {
    /// The language that its plan speaks now, for what the plan does not say itself.
    pub fn speaks(&mut self, language: Language) {
        self.language = Some(language);
    }

    /// Lets the two talk; recorded, if `record` says so, as soon as the caller was told.
    pub(super) fn converse(&mut self, at: &mut Moment<'_>, talk: &Talk, record: bool) {
        let notice = self.settings.notice.clone().filter(|_| record && !self.owed.has_told());
        let Some(notice) = notice else {
            self.settle_hold(at.now, talk);
            if record {
                self.record(at, talk.peer);
            }
            return;
        };
        self.trace("notice", "before the recording begins");
        self.owed.tells();
        self.ledger.turn(at.now, SegmentState::Talking, talk.with.agent().cloned());
        let language = self.language.clone().unwrap_or_else(|| self.settings.language.clone());
        let audio = Audio { language, phrases: vec![Phrase::Prompt(notice.prompt)] };
        self.legs.play(self.legs.caller(), audio.clone(), false);
        if notice.to_both {
            self.legs.play(talk.peer, audio, false);
        } else {
            self.legs.hush(talk.peer);
        }
    }

    /// The two go on where they were: with the notice, if they were in it.
    pub(super) fn converse_again(&mut self, at: &mut Moment<'_>, talk: &Talk) {
        if self.owed.is_telling() {
            self.converse(at, talk, true);
        } else {
            self.settle_hold(at.now, talk);
        }
    }

    /// The caller has heard the notice.
    pub(super) fn told(&mut self, at: &mut Moment<'_>, talk: &Talk) {
        self.owed.told();
        self.settle_hold(at.now, talk);
        self.record(at, talk.peer);
    }
}
