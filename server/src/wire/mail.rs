//! Which messages lie in which boxes, and those that are being spoken.
//!
//! The store has them too; here they are counted, so that a box can be full and a lamp can be lit without waiting for it.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
};

use tandem_switch::{
    id::{CallId, RecordingId},
    name::{MailboxName, PartyNumber},
    time::Timestamp,
};

use crate::store::{MessageLeft, MessageStarted, Record};

/// What is shorter is no message, in ms.
pub const SHORTEST_MS: u64 = 1_000;

/// Messages of one box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Not heard yet.
    pub new: u32,
    /// Heard, and kept.
    pub heard: u32,
    /// Being spoken.
    pub open: u32,
}

/// What is known of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    New,
    Heard,
}

/// All messages.
#[derive(Debug)]
pub struct Mail {
    folder: PathBuf,
    messages: HashMap<RecordingId, (MailboxName, Stage)>,
    counts: BTreeMap<MailboxName, Count>,
}

impl Mail {
    /// Boxes whose audio lies below `folder`, with the messages of before: heard or not.
    #[must_use]
    pub fn new(folder: PathBuf, before: impl IntoIterator<Item = (RecordingId, MailboxName, bool)>) -> Self {
        let mut mail = Self { folder, messages: HashMap::new(), counts: BTreeMap::new() };
        for (message, mailbox, heard) in before {
            mail.put(message, mailbox, if heard { Stage::Heard } else { Stage::New });
        }
        mail
    }

    /// The messages of a box.
    #[must_use]
    pub fn count(&self, mailbox: &MailboxName) -> Count {
        self.counts.get(mailbox).copied().unwrap_or_default()
    }

    /// All boxes with messages.
    pub fn boxes(&self) -> impl Iterator<Item = &MailboxName> {
        self.counts.keys()
    }

    /// Whether a box takes one more.
    #[must_use]
    pub fn has_room(&self, mailbox: &MailboxName, most: u32) -> bool {
        let Count { new, heard, open } = self.count(mailbox);
        new.saturating_add(heard).saturating_add(open) < most
    }

    /// A message begins: its record, and the file that it goes to.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn begin(
        &mut self,
        at: Timestamp,
        (message, mailbox): (RecordingId, MailboxName),
        (call, from): (CallId, PartyNumber),
    ) -> io::Result<(Record, PathBuf)> {
        let day = jiff::Timestamp::from_microsecond(at.0).map_err(io::Error::other)?;
        let path = format!("{}/{message}.wav", day.strftime("%Y/%m/%d"));
        let file = self.folder.join(&path);
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        self.put(message, mailbox.clone(), Stage::Open);
        Ok((Record::MessageStarted(MessageStarted { message, mailbox, call, from, path, at }), file))
    }

    /// Whether it is a message that is being spoken.
    #[must_use]
    pub fn is_open(&self, message: RecordingId) -> bool {
        matches!(self.messages.get(&message), Some((_, Stage::Open)))
    }

    /// Whether nobody is speaking.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.counts.values().all(|count| count.open == 0)
    }

    /// A message is complete in its file, or could not be written: what is to be noted, and its box.
    pub fn close(&mut self, at: Timestamp, message: RecordingId, written: Option<(&Path, u64)>) -> Option<(Record, MailboxName)> {
        let mailbox = self.take(message)?;
        let gone = |why| Record::MessageGone { message, mailbox: mailbox.clone(), why, at };
        let record = match written {
            Some((file, duration_ms)) if duration_ms >= SHORTEST_MS => {
                self.put(message, mailbox.clone(), Stage::New);
                let size_bytes = std::fs::metadata(file).map_or(0, |file| file.len());
                Record::MessageLeft(MessageLeft { message, mailbox: mailbox.clone(), duration_ms, size_bytes, at })
            }
            Some((file, _)) => {
                if let Err(error) = std::fs::remove_file(file) {
                    tracing::warn!(%message, %error, "the file of a message that is none cannot be removed");
                }
                gone("too-short")
            }
            None => gone("failed"),
        };
        Some((record, mailbox))
    }

    /// Others have changed a message: heard or not, or gone. Its box, when that is news.
    pub fn changed(&mut self, message: RecordingId, heard: Option<bool>) -> Option<MailboxName> {
        let (mailbox, stage) = self.messages.get(&message).cloned()?;
        let now = heard.map(|heard| if heard { Stage::Heard } else { Stage::New });
        if stage == Stage::Open || now == Some(stage) {
            return None;
        }
        self.take(message);
        if let Some(now) = now {
            self.put(message, mailbox.clone(), now);
        }
        Some(mailbox)
    }

    fn put(&mut self, message: RecordingId, mailbox: MailboxName, stage: Stage) {
        *self.counts.entry(mailbox.clone()).or_default().of(&stage) += 1;
        self.messages.insert(message, (mailbox, stage));
    }

    fn take(&mut self, message: RecordingId) -> Option<MailboxName> {
        let (mailbox, stage) = self.messages.remove(&message)?;
        let count = self.counts.entry(mailbox.clone()).or_default();
        *count.of(&stage) -= 1;
        Some(mailbox)
    }
}

impl Count {
    const fn of(&mut self, stage: &Stage) -> &mut u32 {
        match stage {
            Stage::Open => &mut self.open,
            Stage::New => &mut self.new,
            Stage::Heard => &mut self.heard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_790_000_000_000_000);

    fn mail() -> (Mail, PathBuf) {
        let folder = std::env::temp_dir().join(format!("tandem-mail-{}-{:?}", std::process::id(), std::thread::current().id()));
        (Mail::new(folder.clone(), [(RecordingId(1), "1001".into(), false), (RecordingId(2), "1001".into(), true)]), folder)
    }

    fn begin(mail: &mut Mail, message: u64) -> PathBuf {
        let (record, file) = mail.begin(AT, (RecordingId(message), "1001".into()), (CallId(7), "+390612345678".into())).unwrap();
        assert_eq!(record.kind(), "message-started");
        std::fs::write(&file, [0; 100]).unwrap();
        file
    }

    #[test]
    fn a_box_counts_what_is_in_it_and_is_full_with_what_is_being_spoken() {
        let (mut mail, folder) = mail();
        let mailbox = MailboxName::from("1001");
        assert!(mail.has_room(&mailbox, 3) && !mail.has_room(&mailbox, 2) && mail.has_room(&"1002".into(), 1));
        let file = begin(&mut mail, 3);
        assert!(!mail.has_room(&mailbox, 3) && mail.is_open(RecordingId(3)) && !mail.is_settled());
        assert_eq!(mail.changed(RecordingId(3), None), None, "nobody has it yet");
        let (record, of) = mail.close(AT, RecordingId(3), Some((&file, 1_000))).unwrap();
        assert_eq!((record.kind(), &of, mail.is_settled()), ("message-left", &mailbox, true));
        assert_eq!(mail.count(&mailbox), Count { new: 2, heard: 1, open: 0 });
        assert_eq!(mail.changed(RecordingId(3), Some(true)), Some(mailbox.clone()));
        assert_eq!(mail.changed(RecordingId(3), Some(true)), None, "no news");
        assert_eq!(mail.changed(RecordingId(2), None), Some(mailbox.clone()));
        assert_eq!(mail.count(&mailbox), Count { new: 1, heard: 1, open: 0 });
        assert_eq!(mail.changed(RecordingId(2), Some(false)), None, "it is gone");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_shorter_than_a_second_is_no_message_and_leaves_no_file() {
        let (mut mail, folder) = mail();
        let file = begin(&mut mail, 4);
        let (record, _) = mail.close(AT, RecordingId(4), Some((&file, 999))).unwrap();
        assert!(matches!(record, Record::MessageGone { why: "too-short", .. }) && !file.exists());
        begin(&mut mail, 5);
        let (record, _) = mail.close(AT, RecordingId(5), None).unwrap();
        assert!(matches!(record, Record::MessageGone { why: "failed", .. }));
        assert!(mail.close(AT, RecordingId(5), None).is_none());
        assert_eq!(mail.count(&"1001".into()), Count { new: 1, heard: 1, open: 0 });
        std::fs::remove_dir_all(folder).unwrap();
    }
}
