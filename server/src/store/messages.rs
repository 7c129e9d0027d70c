//! Voice messages: what is left, heard and gone, and the boxes that they lie in.

use serde::{Deserialize, Serialize};
use tandem_switch::{
    id::{CallId, RecordingId},
    name::{MailboxName, PartyNumber},
    time::Timestamp,
};

use super::{
    Store, StoreError,
    db::{Arg, Row, args},
    sql,
};

/// Sorts after every identifier: the cursor of a first page.
const AFTER_ALL: &str = "~";

/// A message that begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageStarted {
    /// Which.
    pub message: RecordingId,
    /// For which box.
    pub mailbox: MailboxName,
    /// Of which call.
    pub call: CallId,
    /// Who speaks; empty for somebody who is not to be shown.
    pub from: PartyNumber,
    /// The file, relative to the folder of the messages, with `/` between its parts.
    pub path: String,
    /// When.
    pub at: Timestamp,
}

/// What is known of a message when it is complete: enough to send it to somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageLeft {
    /// Which.
    pub message: RecordingId,
    /// In which box.
    pub mailbox: MailboxName,
    /// Its length, in ms.
    pub duration_ms: u64,
    /// Size of the file.
    pub size_bytes: u64,
    /// When.
    pub at: Timestamp,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageState {
    /// Somebody speaks.
    Recording,
    /// Nobody has heard it.
    New,
    /// Heard, and kept.
    Heard,
}

impl MessageState {
    const fn word(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::New => "new",
            Self::Heard => "heard",
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRow {
    /// Which.
    pub message: RecordingId,
    /// In which box.
    pub mailbox: MailboxName,
    /// Of which call.
    pub call: CallId,
    /// Who spoke; empty for somebody who is not to be shown.
    pub from: PartyNumber,
    /// The file, relative to the folder of the messages; not for the outside.
    pub path: String,
    /// What became of it.
    pub state: MessageState,
    /// Its begin.
    pub started_at: Timestamp,
    /// Its length, in ms.
    pub duration_ms: Option<u64>,
    /// Size of the file.
    pub size_bytes: Option<u64>,
}

/// Which messages are wanted. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// In this box.
    pub mailbox: Option<String>,
    /// New ones, or those that were heard.
    pub state: Option<MessageState>,
    /// Older than this one: the last one of the page before.
    pub before: Option<RecordingId>,
}

pub(super) fn started(started: &MessageStarted) -> Vec<Arg> {
    let MessageStarted { message, mailbox, call, from, path, at } = started;
    args![message.to_string(), mailbox.as_str(), call.to_string(), from.as_str(), path.as_str(), *at].to_vec()
}

pub(super) fn left(left: &MessageLeft) -> Vec<Arg> {
    let MessageLeft { message, duration_ms, size_bytes, at, .. } = left;
    args![message.to_string(), *duration_ms, *size_bytes, *at].to_vec()
}

pub(super) fn marked(message: RecordingId, heard: bool) -> Vec<Arg> {
    let state = if heard { MessageState::Heard } else { MessageState::New };
    args![message.to_string(), state.word()].to_vec()
}

impl Store {
    /// A page of messages, newest first; those that are being spoken are not among them.
    pub async fn messages(&self, filter: &MessageFilter, limit: u32) -> Result<Vec<MessageRow>, StoreError> {
        let before = filter.before.map_or_else(|| AFTER_ALL.to_owned(), |message| message.to_string());
        let mailbox = filter.mailbox.clone().unwrap_or_default();
        let state = filter.state.map_or("", MessageState::word);
        self.db.fetch(sql::MESSAGES, &args![before, mailbox, state, limit]).await?.iter().map(message_row).collect()
    }

    /// One message.
    pub async fn message(&self, message: RecordingId) -> Result<Option<MessageRow>, StoreError> {
        self.db.fetch_one(sql::MESSAGE, &args![message.to_string()]).await?.as_ref().map(message_row).transpose()
    }

    /// All messages, also those that were being spoken when the last process ended.
    pub async fn all_messages(&self) -> Result<Vec<MessageRow>, StoreError> {
        self.db.fetch(sql::ALL_MESSAGES, &[]).await?.iter().map(message_row).collect()
    }
}

pub(super) fn message_row(row: &Row) -> Result<MessageRow, StoreError> {
    Ok(MessageRow {
        message: row.parsed("message_id")?,
        mailbox: MailboxName::from(row.get::<&str>("mailbox")?),
        call: row.parsed("call_id")?,
        from: PartyNumber::from(row.get::<&str>("from_number")?),
        path: row.get("path")?,
        state: row.word("state")?.ok_or(StoreError::Unreadable { column: "state" })?,
        started_at: row.at("started_us")?,
        duration_ms: row.maybe_count("duration_ms")?,
        size_bytes: row.maybe_count("size_bytes")?,
    })
}
