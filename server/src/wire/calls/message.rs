//! A live call that leaves a message.

use tandem_switch::{
    call::Input,
    id::{LegId, RecordingId},
    name::{MailboxName, PartyNumber},
};

use super::LiveCall;
use crate::wire::edges::Edges;

impl LiveCall {
    /// What a leg says from now on goes into a box. A message that cannot be written is none; the call goes on.
    pub(super) fn take_message(&mut self, edges: &mut Edges, message: RecordingId, leg: LegId, mailbox: MailboxName) {
        let at = self.at(leg);
        let from = if edges.sip.is_withheld(at) { PartyNumber::from("") } else { self.call.party() };
        match edges.mail.begin(edges.now.at, (message, mailbox), (self.facts.call, from)) {
            Ok((record, file)) => {
                self.recording = Some(message);
                edges.ledger.write(record);
                edges.media.record_alone(message, file, at);
            }
            Err(error) => tracing::error!(%message, %error, "the folder of the messages cannot be written"),
        }
    }

    /// Whether a box has room.
    pub(super) fn ask_mailbox(edges: &Edges, leg: LegId, mailbox: &MailboxName, most: u32) -> Input {
        if edges.mail.has_room(mailbox, most) { Input::MailboxOpen { leg } } else { Input::MailboxFull { leg } }
    }
}
