//! Keys by SIP INFO, both ways: `application/dtmf-relay`, which phones and carriers send though no RFC describes it (RFC 6086
//! appendix A calls such use "legacy"), and the bare digit of `application/dtmf`.
//!
//! Ours go one after the other, each when the one before was answered: nothing else keeps their order over UDP.

use std::collections::VecDeque;

use super::{
    Endpoint, Event, InviteId,
    client_transaction::{ClientMethod, Inside, NewClient, Purpose, new_branch},
    contract::EndedHow,
    invitation::Phase,
    receive::ACCEPT,
    server_transaction::Incoming,
};
use crate::message::{Message, Name};

/// How long a digit is taken to be pressed when INFO does not say, in ms.
const DIGIT_MS: u32 = 160;
/// No digit lasts longer, in ms.
const LONGEST_DIGIT_MS: u32 = 10_000;
/// Keys that may wait to be sent.
const MAX_WAITING: usize = 32;

/// Keys on their way to a party.
#[derive(Debug, Default)]
pub(super) struct KeysOut {
    waiting: VecDeque<(char, u32)>,
    /// One is sent and not answered.
    is_out: bool,
}

impl Endpoint {
    /// INFO in a dialog.
    pub(super) fn informed(&mut self, invite: InviteId, incoming: &Incoming<'_>) {
        let message = incoming.message;
        if message.body().is_empty() {
            return self.answer(incoming, 200, |builder| builder);
        }
        let Some((digit, duration_ms)) = digit_of(message) else {
            return self
                .answer(incoming, 415, |builder| builder.header(Name::Accept, format_args!("application/dtmf-relay, {ACCEPT}")));
        };
        self.answer(incoming, 200, |builder| builder);
        self.tell(Event::InfoDigit { invite, digit, duration_ms });
    }

    /// [`Command::SendKey`](super::Command::SendKey).
    pub(super) fn send_key(&mut self, invite: InviteId, key: char, duration_ms: u32) {
        let Some(invitation) = self.invites.get_mut(&invite).filter(|invitation| matches!(invitation.phase, Phase::Up)) else {
            return;
        };
        let keys = invitation.keys.get_or_insert_default();
        if let Some(key) = known(key).filter(|_| keys.waiting.len() < MAX_WAITING) {
            keys.waiting.push_back((key, duration_ms.min(LONGEST_DIGIT_MS)));
        }
        self.send_next_key(invite);
    }

    fn send_next_key(&mut self, invite: InviteId) {
        let next = self.invites.get_mut(&invite).and_then(|invitation| invitation.keys.as_mut()).filter(|keys| !keys.is_out);
        let Some((key, duration_ms)) = next.and_then(|keys| keys.waiting.pop_front()) else { return };
        let branch = self.random();
        let Some(cseq) = self.next_cseq(invite, 0) else { return };
        let Some(invitation) = self.invites.get(&invite) else { return };
        let Some(dialog) = &invitation.dialog else { return };
        let (to, trunk, is_in_theirs) = (dialog.to, invitation.trunk.clone(), !dialog.ours);
        let message = dialog
            .request("INFO", cseq, self.our_address(&to), &new_branch(branch))
            .contact(self.our_contact(&to))
            .build_with_body("application/dtmf-relay", format!("Signal={key}\r\nDuration={duration_ms}\r\n").as_bytes());
        let Ok(message) = message else { return };
        if let Some(keys) = self.invites.get_mut(&invite).and_then(|invitation| invitation.keys.as_mut()) {
            keys.is_out = true;
        }
        let purpose = Purpose::Inside { invite, dialog: 0, what: Inside::Key };
        let info = NewClient::new(branch, ClientMethod::Other, to, message);
        self.start_client(NewClient { trunk, is_in_theirs, purpose, ..info });
    }

    /// What became of an INFO of ours; 408 when it was not answered.
    pub(super) fn key_answered(&mut self, invite: InviteId, code: u16) {
        let Some(keys) = self.invites.get_mut(&invite).and_then(|invitation| invitation.keys.as_mut()) else { return };
        keys.is_out = false;
        match code {
            // RFC 6086 section 4.2.2.
            481 => return self.lost(invite, EndedHow::Timeout),
            300.. => self.tell(Event::KeyRefused { invite, code }),
            _ => {}
        }
        self.send_next_key(invite);
    }
}

/// `Signal=5`, `Duration=160` of `application/dtmf-relay`, or the bare digit of `application/dtmf`.
fn digit_of(message: &Message) -> Option<(char, u32)> {
    let body = str::from_utf8(message.body()).ok()?;
    let kind = message.content_type()?;
    if kind.is("application", "dtmf") {
        return Some((read_digit(body.trim())?, DIGIT_MS));
    }
    if !kind.is("application", "dtmf-relay") {
        return None;
    }
    let field = |name: &str| {
        let mut lines = body.lines().filter_map(|line| line.split_once('='));
        lines.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let duration = field("duration").and_then(|text| text.parse().ok()).unwrap_or(DIGIT_MS);
    Some((read_digit(field("signal")?)?, duration.min(LONGEST_DIGIT_MS)))
}

fn read_digit(text: &str) -> Option<char> {
    let mut letters = text.chars();
    let digit = known(letters.next()?)?;
    letters.next().is_none().then_some(digit)
}

fn known(key: char) -> Option<char> {
    let key = key.to_ascii_uppercase();
    matches!(key, '0'..='9' | '*' | '#' | 'A'..='D').then_some(key)
}
