//! What happened to whom. Kept only when a failed run is repeated.

use std::{collections::VecDeque, fmt::Write as _};

use tandem_signaling::message::{Kind, Message};

/// Lines kept in all, and lines shown of one call.
const KEPT: usize = 100_000;
const SHOWN: usize = 50;

#[derive(Default)]
pub(crate) struct Diary {
    lines: VecDeque<(u64, Vec<String>, String)>,
}

impl Diary {
    /// `whose`: numbers and agents whom it concerns.
    pub(crate) fn write(&mut self, at_ms: u64, whose: Vec<String>, what: String) {
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back((at_ms, whose, what));
    }

    /// A datagram from one address to another, and what becomes of it.
    pub(crate) fn packet(&mut self, at_ms: u64, way: &str, bytes: &bytes::Bytes, fate: &str) {
        let Ok(message) = Message::parse(bytes.clone()) else {
            return self.write(at_ms, Vec::new(), format!("{way} damaged message {fate}"));
        };
        let user = |address: Option<tandem_signaling::message::NameAddr<'_>>| {
            address.and_then(|address| address.uri()).and_then(|uri| uri.user_decoded()).map(|user| user.to_string())
        };
        let whose = [user(message.from().ok()), user(message.to().ok())].into_iter().flatten().collect();
        let cseq = message.cseq().map(|cseq| format!("{} {}", cseq.number, cseq.method)).unwrap_or_default();
        let what = match message.kind() {
            Kind::Request { method, .. } => method.to_owned(),
            Kind::Response { code, .. } => code.to_string(),
        };
        let call_id: String = message.call_id().unwrap_or_default().chars().take(6).collect();
        self.write(at_ms, whose, format!("{way} {what} ({cseq}, {call_id}) {fate}"));
    }

    /// The last lines about somebody; the last lines of all when nobody is named.
    pub(crate) fn about(&self, whom: &[String]) -> String {
        let fits = |whose: &[String]| whom.is_empty() || whose.iter().any(|one| whom.contains(one));
        let mut shown: Vec<_> = self.lines.iter().rev().filter(|(_, whose, _)| fits(whose)).take(SHOWN).collect();
        shown.reverse();
        let mut text = String::new();
        for (at_ms, whose, what) in shown {
            let _infallible = writeln!(text, "{at_ms:>9} {:<14} {what}", whose.join(","));
        }
        text
    }
}
