//! Programs that hear calls, and the steps that give them audio.

use std::collections::BTreeMap;

use tandem_switch::{name::AudioStreamName, step::Sides};

use super::{Builder, tops};
use crate::{
    audio_streams::{AudioStream, StreamUrl},
    plan::Action,
    read::{Item, Value},
};

impl Builder<'_> {
    pub(super) fn audio_streams(&mut self, items: &[Item]) -> BTreeMap<AudioStreamName, AudioStream> {
        let mut all = BTreeMap::new();
        for item in tops(items, "audio-stream") {
            if let (Some(name), Some(stream)) = (item.text(), self.audio_stream(item)) {
                all.entry(name.into()).or_insert(stream);
            }
        }
        all
    }

    fn audio_stream(&mut self, item: &Item) -> Option<AudioStream> {
        let Some(value) = item.child("url").and_then(|url| url.args.first()) else {
            self.findings.error("missing-url", item.at, "`audio-stream` needs `url`");
            return None;
        };
        let Some(url) = StreamUrl::parse(value.text()?) else {
            self.findings.error("bad-value", value.at, "expected `wss://host/path` or `ws://127.0.0.1:port/path`");
            return None;
        };
        let unencrypted = item.child("unencrypted").and_then(|node| node.args.first()?.flag()).unwrap_or(false);
        if !url.secure && !url.is_loopback() && !unencrypted {
            let message = "the audio of calls would go to another machine in the clear";
            let help = "use `wss://`, or say `unencrypted #true` for a network that nobody else is in";
            self.findings.error_with("unencrypted", value.at, message, Some(help.into()));
        }
        let token = item.child("token").and_then(|token| token.args.first()).and_then(Value::secret).cloned();
        let rate_hz = if item.child("rate").and_then(Item::text) == Some("16000") { 16_000 } else { 8_000 };
        Some(AudioStream { url, token, rate_hz, unencrypted })
    }

    pub(super) fn fork(item: &Item) -> Option<Action> {
        let sides = item.prop_text("sides").and_then(Sides::from_word).unwrap_or_default();
        Some(Action::Fork { program: item.text()?.into(), sides })
    }

    pub(super) fn stream(&mut self, item: &Item) -> Option<Action> {
        let mut choices = Vec::new();
        for outcome in item.named("outcome") {
            let block = self.block(&outcome.children);
            for word in outcome.texts() {
                if choices.iter().any(|(known, _)| known == word) {
                    self.findings.error("twice", outcome.at, format!("outcome `{word}` is handled twice"));
                }
                choices.push((word.to_owned(), block));
            }
        }
        Some(Action::Stream { program: item.text()?.into(), choices, handlers: self.handlers(item) })
    }
}
