//! `application/simple-message-summary` (RFC 3842 section 3.5): whether messages wait for one user.

use super::Entity;

/// Voice messages of one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageSummary {
    /// Not listened to yet.
    pub new: u32,
    /// Listened to and kept.
    pub old: u32,
}

pub(super) fn document(messages: MessageSummary, of: Entity<'_>) -> String {
    let MessageSummary { new, old } = messages;
    let waiting = if new > 0 { "yes" } else { "no" };
    let mut text = format!("Messages-Waiting: {waiting}\r\nMessage-Account: sip:{of}\r\n");
    if new > 0 || old > 0 {
        text.push_str(&format!("Voice-Message: {new}/{old}\r\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of RFC 3842 section 5.1.
    #[test]
    fn messages_are_counted_when_there_are_any() {
        let of = Entity { user: "alice", host: "vmail.example.com" };
        let said = |new, old| document(MessageSummary { new, old }, of);
        let account = "Message-Account: sip:alice@vmail.example.com\r\n";
        assert_eq!(said(2, 8), format!("Messages-Waiting: yes\r\n{account}Voice-Message: 2/8\r\n"));
        assert_eq!(said(0, 8), format!("Messages-Waiting: no\r\n{account}Voice-Message: 0/8\r\n"));
        assert_eq!(said(0, 0), format!("Messages-Waiting: no\r\n{account}"));
    }
}
