//! Messages of the last process: what was said until it ended is a message.

use std::path::{Path, PathBuf};

use tandem_switch::time::Timestamp;

use crate::{
    metrics::METRICS,
    store::{MessageLeft, MessageRow, MessageState, Record, Store, StoreError},
    wire::mail::{Mail, SHORTEST_MS},
};

/// All messages, those that were being spoken closed.
///
/// # Errors
/// The store cannot be read or written.
pub(super) async fn take_over(store: &Store, folder: PathBuf, stopped_at: Timestamp) -> Result<Mail, StoreError> {
    let rows = store.all_messages().await?;
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows {
        let heard = match row.state {
            MessageState::Heard => true,
            MessageState::New => false,
            MessageState::Recording => {
                let record = closed(&row, &folder.join(&row.path), stopped_at);
                let is_left = matches!(record, Record::MessageLeft(_));
                store.commit(&[record]).await?;
                if !is_left {
                    continue;
                }
                METRICS.messages_left.inc();
                false
            }
        };
        kept.push((row.message, row.mailbox, heard));
    }
    Ok(Mail::new(folder, kept))
}

/// What a message became that was being spoken when the process ended.
fn closed(row: &MessageRow, file: &Path, at: Timestamp) -> Record {
    let (message, mailbox) = (row.message, row.mailbox.clone());
    match length_ms(file) {
        Some(duration_ms) if duration_ms >= SHORTEST_MS => {
            let size_bytes = std::fs::metadata(file).map_or(0, |file| file.len());
            Record::MessageLeft(MessageLeft { message, mailbox, duration_ms, size_bytes, at })
        }
        length => {
            let _not_there = std::fs::remove_file(file);
            Record::MessageGone { message, mailbox, why: if length.is_some() { "too-short" } else { "failed" }, at }
        }
    }
}

/// How long the audio of a file is; `None` when it cannot be read.
fn length_ms(file: &Path) -> Option<u64> {
    let reader = hound::WavReader::open(file).ok()?;
    let rate = u64::from(reader.spec().sample_rate.max(1));
    Some(u64::from(reader.duration()) * 1_000 / rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_until_the_end_is_a_message_when_it_is_long_enough() {
        let folder = std::env::temp_dir().join(format!("tandem-messages-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let row = MessageRow {
            message: tandem_switch::id::RecordingId(7),
            mailbox: "1001".into(),
            call: tandem_switch::id::CallId(1),
            from: "1002".into(),
            path: "a.wav".into(),
            state: MessageState::Recording,
            started_at: Timestamp(0),
            duration_ms: None,
            size_bytes: None,
        };
        let file = folder.join("a.wav");
        let write = |ms: u32| {
            let spec =
                hound::WavSpec { channels: 2, sample_rate: 8_000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
            let mut wav = hound::WavWriter::create(&file, spec).unwrap();
            (0..ms * 16).for_each(|_| wav.write_sample(0_i16).unwrap());
            wav.finalize().unwrap();
        };
        write(1_500);
        assert!(matches!(closed(&row, &file, Timestamp(1)), Record::MessageLeft(MessageLeft { duration_ms: 1_500, .. })));
        write(900);
        assert!(matches!(closed(&row, &file, Timestamp(1)), Record::MessageGone { why: "too-short", .. }) && !file.exists());
        assert!(matches!(closed(&row, &file, Timestamp(1)), Record::MessageGone { why: "failed", .. }));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
