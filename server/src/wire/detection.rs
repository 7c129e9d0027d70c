//! Keys in the audio of a leg, listened for where its party has no other way to say them.
//!
//! A party that negotiated telephone-event (RFC 4733) is believed to use it, and its audio is relayed unheard. One that did
//! not can say keys by SIP INFO, which is always taken, or in its audio. Once it used INFO its audio is not listened to any
//! more: many phones do both, and a key counts once.

use tandem_media::contract::{Command, Wanted};

use super::{LegRef, media::MediaEdge};

/// Whether the keys of a leg are looked for in its audio.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeysInAudio {
    are_wanted: bool,
    /// They come by SIP INFO.
    are_elsewhere: bool,
}

impl MediaEdge {
    /// Whether keys of the leg can come in its audio only, as was negotiated.
    pub fn listen_for_keys(&mut self, leg: LegRef, wanted: bool) {
        let Some(open) = self.streams.get_mut(&leg) else { return };
        let keys = wanted && !open.keys.are_elsewhere;
        if std::mem::replace(&mut open.keys.are_wanted, keys) != keys {
            self.with(leg, |stream| Command::Detect { stream, what: Wanted { keys, ..Wanted::NOTHING } });
        }
    }

    /// The party of the leg said a key in a message.
    pub fn keys_come_by_message(&mut self, leg: LegRef) {
        if let Some(open) = self.streams.get_mut(&leg) {
            open.keys.are_elsewhere = true;
        }
        self.listen_for_keys(leg, false);
    }
}
