//! The one task that writes what the loops record: bounded, batching, in order, each record once.
//!
//! While the database is away the queue absorbs; when the queue is full, records are refused and counted,
//! new calls first, so that those in progress still get their CDR.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, broadcast, mpsc, oneshot, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{JournalRow, Record, Store, StoreError, Told, db::args, project::Batch, sql, told};
use crate::metrics::METRICS;

/// Records that may wait.
const QUEUE_RECORDS: usize = 32_768;
/// Of these, how many are kept for records of calls that are already up.
const RESERVED_RECORDS: usize = QUEUE_RECORDS / 8;
/// Records in one transaction.
const BATCH_RECORDS: usize = 512;
/// How long a record of a call waits for others: a commit with its sync to disk costs more than what is in it.
const LINGER: Duration = Duration::from_millis(100);
/// How long places in line, and all that is not the record of a call, wait.
const URGENT_LINGER: Duration = Duration::from_millis(5);
const FIRST_RETRY: Duration = Duration::from_millis(50);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// A record that was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue is full: the database has been away or too slow for long. Take no new calls.
    #[error("the queue of the database writer is full")]
    Full,
    /// The writer has ended.
    #[error("the database writer has ended")]
    Ended,
}

/// Hands records to the writer's task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    messages_tx: mpsc::Sender<Message>,
    urgent: Arc<Notify>,
    trouble: watch::Receiver<Option<Arc<str>>>,
    /// Records taken and not committed yet, those of the present batch included.
    unwritten: Arc<AtomicUsize>,
    told: broadcast::Sender<Told>,
}

#[derive(Debug)]
enum Message {
    Record(Record),
    Flush(oneshot::Sender<()>),
    End,
}

impl Writer {
    /// Starts the task on the current runtime. It ends, everything written, when it is told to
    /// ([`end`](Self::end)) or the last `Writer` is dropped.
    #[must_use]
    pub fn start(store: Store) -> (Self, JoinHandle<()>) {
        let (messages_tx, messages_rx) = mpsc::channel(QUEUE_RECORDS);
        let (trouble_tx, trouble) = watch::channel(None);
        let mut name = [0u8; 8];
        // A name that meets another one is worse than none: without randomness the process is of no use.
        getrandom::fill(&mut name).expect("the operating system gives random bytes");
        let name = u64::from_le_bytes(name);
        let (urgent, unwritten) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let task = Task {
            store,
            messages_rx,
            urgent: Arc::clone(&urgent),
            trouble_tx,
            unwritten: Arc::clone(&unwritten),
            name: format!("{name:016x}"),
            batch: 0,
        };
        let told = broadcast::Sender::new(told::CAPACITY);
        (Self { messages_tx, urgent, trouble, unwritten, told }, tokio::spawn(task.run()))
    }

    /// Takes a record, never waiting. What is refused is counted and lost.
    pub fn try_write(&self, record: Record) -> Result<(), Refused> {
        if self.told.receiver_count() > 0
            && let Some(news) = Told::of(&record)
        {
            // Nobody who listens is no loss.
            drop(self.told.send(news));
        }
        let free = self.messages_tx.capacity();
        let refused = if matches!(record, Record::CallStarted(_)) && free < RESERVED_RECORDS {
            Refused::Full
        } else {
            let urgent = record.is_urgent();
            // Counted first: the task may be quicker than we are.
            self.unwritten.fetch_add(1, Ordering::Relaxed);
            let sent = self.messages_tx.try_send(Message::Record(record));
            if sent.is_err() {
                self.unwritten.fetch_sub(1, Ordering::Relaxed);
            }
            match sent {
                Ok(()) => {
                    if urgent {
                        self.urgent.notify_one();
                    }
                    METRICS.store_queue_records.set((QUEUE_RECORDS - free) as u64);
                    return Ok(());
                }
                Err(mpsc::error::TrySendError::Full(_)) => Refused::Full,
                Err(mpsc::error::TrySendError::Closed(_)) => Refused::Ended,
            }
        };
        METRICS.store_records_refused.inc();
        Err(refused)
    }

    /// Tells what becomes no record to who stands beside the calls.
    pub fn tell(&self, news: Told) {
        // Without a listener nobody misses it.
        drop(self.told.send(news));
    }

    /// What is handed in from now on, before it is written.
    #[must_use]
    pub fn told(&self) -> broadcast::Receiver<Told> {
        self.told.subscribe()
    }

    /// Whether new calls should be refused: their records would be.
    #[must_use]
    pub fn is_pressed(&self) -> bool {
        self.messages_tx.capacity() < RESERVED_RECORDS
    }

    /// Whether there is room for what can wait.
    #[must_use]
    pub fn is_at_ease(&self) -> bool {
        self.messages_tx.capacity() > QUEUE_RECORDS / 2
    }

    /// How full the queue is, in thousandths of what new calls may use.
    #[must_use]
    pub fn load(&self) -> u32 {
        let used = QUEUE_RECORDS - self.messages_tx.capacity();
        u32::try_from(used * 1_000 / (QUEUE_RECORDS - RESERVED_RECORDS)).unwrap_or(1_000)
    }

    /// What was taken before is not to wait for company.
    pub fn hurry(&self) {
        self.urgent.notify_one();
    }

    /// Returns when everything taken before is committed (or was refused by the database itself).
    pub async fn flush(&self) -> Result<(), Refused> {
        let (done_tx, done) = oneshot::channel();
        self.messages_tx.send(Message::Flush(done_tx)).await.map_err(|_| Refused::Ended)?;
        self.urgent.notify_one();
        done.await.map_err(|_| Refused::Ended)
    }

    /// Ends the task: what was taken before is written, what comes later is refused. Waits for the task at most
    /// `patience`, then gives up on it. How many records are not written.
    pub async fn end(&self, mut task: JoinHandle<()>, patience: Duration) -> usize {
        let ended = timeout(patience, async {
            // Whoever cannot be told has ended.
            let _ended = self.messages_tx.send(Message::End).await;
            self.urgent.notify_one();
            let _panicked = (&mut task).await;
        });
        if ended.await.is_err() {
            task.abort();
        }
        self.unwritten()
    }

    /// Records that were taken and are not written yet.
    #[must_use]
    pub fn unwritten(&self) -> usize {
        self.unwritten.load(Ordering::Relaxed)
    }

    /// Why nothing can be written at the moment; `None` when all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<str>> {
        self.trouble.borrow().clone()
    }

    /// The same, as it changes.
    #[must_use]
    pub fn watch_trouble(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.trouble.clone()
    }
}

impl Record {
    /// Somebody may be waiting for it to be on the disk.
    const fn is_urgent(&self) -> bool {
        !matches!(
            self,
            Self::CallStarted(_) | Self::CallEnded { .. } | Self::CallKept { .. } | Self::BindingPut { .. } | Self::TollSpent(_)
        )
    }
}

struct Task {
    store: Store,
    messages_rx: mpsc::Receiver<Message>,
    urgent: Arc<Notify>,
    trouble_tx: watch::Sender<Option<Arc<str>>>,
    unwritten: Arc<AtomicUsize>,
    name: String,
    batch: i64,
}

impl Task {
    async fn run(mut self) {
        let mut messages = Vec::with_capacity(BATCH_RECORDS);
        while self.messages_rx.recv_many(&mut messages, BATCH_RECORDS).await > 0 {
            self.linger(&mut messages).await;
            let (mut records, mut flushes) = (Vec::with_capacity(messages.len()), Vec::new());
            for message in messages.drain(..) {
                match message {
                    Message::Record(record) => records.push(record),
                    Message::Flush(done) => flushes.push(done),
                    // What is in the queue is still given out, then it is at its end.
                    Message::End => self.messages_rx.close(),
                }
            }
            self.write(&records).await;
            METRICS.calls_kept.add(records.iter().filter(|record| matches!(record, Record::CallKept { .. })).count() as u64);
            self.unwritten.fetch_sub(records.len(), Ordering::Relaxed);
            METRICS.store_queue_records.set(self.messages_rx.len() as u64);
            for done in flushes {
                // Who asked may have stopped waiting.
                let _ = done.send(());
            }
        }
        // The name will not be used again. Left behind it does no harm.
        let _ = self.store.db.execute(sql::DROP_WRITER, &args![self.name.as_str()]).await;
    }

    /// Waits for more records to share a commit with.
    async fn linger(&mut self, messages: &mut Vec<Message>) {
        let asked = |messages: &[Message]| messages.iter().any(|message| matches!(message, Message::Flush(_) | Message::End));
        if messages.len() >= BATCH_RECORDS || asked(messages) {
            return;
        }
        // What is urgent said so, now or before: then the wait is over at once and the short one begins.
        if timeout(LINGER, self.urgent.notified()).await.is_ok() {
            self.take_more(messages);
            if !asked(messages) {
                sleep(URGENT_LINGER).await;
            }
        }
        self.take_more(messages);
    }

    fn take_more(&mut self, messages: &mut Vec<Message>) {
        while messages.len() < BATCH_RECORDS
            && let Ok(message) = self.messages_rx.try_recv()
        {
            messages.push(message);
        }
    }

    /// Commits records, however long that takes. When the database refuses a value, the records go one by
    /// one, so that only the bad one is lost.
    async fn write(&mut self, records: &[Record]) {
        if records.is_empty() || self.commit(records).await.is_ok() {
            return;
        }
        for record in records {
            if self.commit(std::slice::from_ref(record)).await.is_err() {
                METRICS.store_records_refused.inc();
                tracing::error!(kind = record.kind(), "the database refused a record; it is lost");
            }
        }
    }

    /// `Err` only when the database refused a value.
    async fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let batch = Batch::new(records);
        self.batch += 1;
        let mut pause = FIRST_RETRY;
        let mut again = false;
        loop {
            match self.try_commit(&batch, again).await {
                Ok(rows) => {
                    METRICS.store_batches.inc();
                    METRICS.store_records.add(records.len() as u64);
                    self.trouble_tx.send_if_modified(|trouble| trouble.take().is_some());
                    self.store.feed.publish(rows);
                    return Ok(());
                }
                Err(error) if error.is_refusal() => return Err(error),
                Err(error) => self.report(&error),
            }
            METRICS.store_retries.inc();
            sleep(pause).await;
            pause = (pause * 2).min(LAST_RETRY);
            again = true;
        }
    }

    /// `again`: the last attempt may have gone through although its answer was lost.
    async fn try_commit(&self, batch: &Batch, again: bool) -> Result<Vec<JournalRow>, StoreError> {
        if again && let Some(row) = self.store.db.fetch_one(sql::READ_WRITER, &args![self.name.as_str()]).await? {
            let (batch, seq, rows): (i64, i64, i64) = (row.get("batch")?, row.get("seq")?, row.get("entries")?);
            if batch == self.batch {
                return self.store.events_after(seq - rows, u32::try_from(rows).unwrap_or(u32::MAX)).await;
            }
        }
        let mut tx = self.store.db.begin_writing().await?;
        let rows = batch.write(&mut tx).await?;
        let seq = rows.last().map_or(0, |row| row.seq);
        tx.execute(sql::PUT_WRITER, &args![self.name.as_str(), self.batch, seq, rows.len() as u64]).await?;
        tx.commit().await?;
        Ok(rows)
    }

    fn report(&self, error: &StoreError) {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        let first = self.trouble_tx.send_replace(Some(text.as_str().into())).is_none();
        if first {
            tracing::error!(error = %text, "the database does not take records; they wait in memory");
        }
    }
}
