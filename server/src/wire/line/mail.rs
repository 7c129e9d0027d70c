//! Messages that are complete, and phones that show that some wait (RFC 3842).

use std::path::Path;

use tandem_switch::{
    id::RecordingId,
    name::{Extension, MailboxName},
    time::Timestamp,
};

use super::Line;
use crate::{
    metrics::METRICS,
    store::Record,
    wire::{edges::Edges, ledger::Ledger, mail::Mail},
};

/// Notes what became of a message that was being spoken. `None`: it is a recording, and no message.
pub(super) fn closed(
    (mail, ledger): (&mut Mail, &mut Ledger),
    at: Timestamp,
    message: RecordingId,
    written: Option<(&Path, u64)>,
) -> Option<MailboxName> {
    let (record, mailbox) = mail.close(at, message, written)?;
    match &record {
        Record::MessageLeft(_) => METRICS.messages_left.inc(),
        Record::MessageGone { why: "failed", .. } => METRICS.messages_failed.inc(),
        _ => {}
    }
    ledger.write(record);
    Some(mailbox)
}

impl Line {
    /// The same, and whoever watches the box is told. `false`: it is no message.
    pub(super) fn message_closed(&mut self, message: RecordingId, written: Option<(&Path, u64)>) -> bool {
        if !self.edges.mail.is_open(message) {
            return false;
        }
        let Edges { mail, ledger, now, .. } = &mut self.edges;
        if let Some(mailbox) = closed((mail, ledger), now.at, message, written) {
            self.show_mailbox(&mailbox);
        }
        true
    }

    /// Somebody else heard a message, or deleted it.
    pub(super) fn message_changed(&mut self, message: RecordingId, heard: Option<bool>) {
        if let Some(mailbox) = self.edges.mail.changed(message, heard) {
            self.show_mailbox(&mailbox);
        }
    }

    /// Shows what waits in all boxes: phones may have come, or boxes been given to others.
    pub(super) fn show_all_mail(&mut self) {
        let boxes: Vec<MailboxName> = self.edges.mail.boxes().cloned().collect();
        for mailbox in &boxes {
            self.show_mailbox(mailbox);
        }
    }

    fn show_mailbox(&mut self, mailbox: &MailboxName) {
        let plan = std::sync::Arc::clone(&self.service.plan);
        for extension in plan.shown_to(mailbox) {
            self.show_mail_of(&extension);
        }
    }

    /// An extension's phones show all boxes that are theirs, together.
    fn show_mail_of(&mut self, extension: &Extension) {
        let (mut new, mut old) = (0u32, 0u32);
        for mailbox in self.service.plan.mailboxes_of(extension) {
            let count = self.edges.mail.count(&mailbox);
            new = new.saturating_add(count.new);
            old = old.saturating_add(count.heard);
        }
        self.edges.sip.show_messages(extension, new, old);
    }
}
