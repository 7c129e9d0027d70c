//! One connection over TCP or TLS: a future that reads whole messages, a future that writes them.

use std::{
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    sync::mpsc,
    time::{Sleep, sleep, timeout},
};

use super::{
    accept::Admitted,
    streams::{StreamEvent, StreamLimits},
};
use crate::{
    flow::{ConnectionId, Flow},
    message::{Frame, Framer},
};

/// What both halves of a connection know.
pub(super) struct Connection {
    pub(super) flow: Flow,
    pub(super) id: ConnectionId,
    pub(super) limits: StreamLimits,
    pub(super) events: mpsc::Sender<StreamEvent>,
    /// Given back when both halves are gone.
    pub(super) admitted: Admitted,
    pub(super) keep_alive: KeepAlive,
}

/// Answer to a keep-alive (RFC 5626 section 4.4.1).
pub(super) const PONG: Bytes = Bytes::from_static(b"\r\n");
/// The keep-alive itself.
pub(super) const PING: Bytes = Bytes::from_static(b"\r\n\r\n");
/// A peer that answers keep-alives does so within this, or the connection is dead.
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// A connection that lost its place is read no more; what came before is still answered, within this.
const LAST_WORDS: Duration = Duration::from_millis(500);

impl Connection {
    /// Says `Opened`; `false` when there is no loop to tell.
    pub(super) async fn open(&self, outgoing: mpsc::Sender<Bytes>) -> bool {
        self.events.send(StreamEvent::Opened { flow: self.flow, outgoing }).await.is_ok()
    }

    /// Says `Closed`, when the right to be open is given back.
    pub(super) async fn close(self) {
        drop(self.admitted);
        // When the loop is gone there is nobody to tell.
        let _loop_is_gone = self.events.send(StreamEvent::Closed { connection: self.id }).await;
    }

    /// Reads and writes until either side ends; then says `Closed`.
    pub(super) async fn run<S>(self, stream: S, outgoing: mpsc::Receiver<Bytes>, outgoing_tx: mpsc::Sender<Bytes>)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        // The reader keeps a weak end only: the queue ends when the loop forgets the connection.
        let pongs = outgoing_tx.downgrade();
        if !self.open(outgoing_tx).await {
            return;
        }
        let (reader, writer) = split(stream);
        tokio::select! {
            () = self.read(reader, pongs) => {}
            () = self.write(writer, outgoing) => {}
        }
        self.close().await;
    }

    async fn read(&self, mut reader: impl AsyncRead + Unpin, pongs: mpsc::WeakSender<Bytes>) {
        let mut framer = Framer::new(self.limits.max_message_bytes);
        // One timer for a whole message: a byte now and then must not keep it open.
        let mut timer = pin!(sleep(self.keep_alive.patience(&self.limits)));
        let mut greeted = self.keep_alive.is_ours();
        loop {
            let was_partial = framer.is_partial();
            tokio::select! {
                read = reader.read_buf(framer.buffer()) => if !matches!(read, Ok(count) if count > 0) { return },
                () = &mut timer => return,
            }
            let mut is_new = !was_partial;
            loop {
                let frame = framer.next();
                is_new |= matches!(frame, Ok(Some(_)));
                match frame {
                    Ok(Some(Frame::Message(bytes))) => {
                        greeted = true;
                        self.keep_alive.heard();
                        // Waiting here is the bound: a peer that sends faster than we work is not read.
                        if self.events.send(StreamEvent::Message { flow: self.flow, bytes }).await.is_err() {
                            return;
                        }
                    }
                    Ok(Some(Frame::Ping)) => {
                        self.keep_alive.heard();
                        if pongs.upgrade().is_none_or(|pongs| pongs.try_send(PONG).is_err()) {
                            return;
                        }
                    }
                    Ok(Some(Frame::Pong)) => self.keep_alive.answered(),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!(connection = self.id.0, %error, "closing a connection that lost its place");
                        if greeted {
                            sleep(LAST_WORDS).await;
                        }
                        return;
                    }
                }
            }
            if is_new {
                let next = sleep(if framer.is_partial() { self.limits.partial } else { self.limits.idle });
                set_timer(timer.as_mut(), next, greeted);
            }
        }
    }

    /// Writes, and pings when there is nothing to write, until the queue is dropped or the peer does not take bytes.
    async fn write(&self, mut writer: impl AsyncWrite + Unpin, mut outgoing: mpsc::Receiver<Bytes>) {
        let limit = self.limits.partial;
        loop {
            let next = match self.keep_alive.wait() {
                None => outgoing.recv().await,
                Some(wait) => match timeout(wait, outgoing.recv()).await {
                    Ok(next) => next,
                    Err(_) if self.keep_alive.ping() => Some(PING),
                    Err(_) => {
                        tracing::debug!(connection = self.id.0, "closing a connection whose keep-alive was not answered");
                        return;
                    }
                },
            };
            let Some(bytes) = next else { break };
            let sent = timeout(limit, async {
                writer.write_all(&bytes).await?;
                writer.flush().await
            });
            if !matches!(sent.await, Ok(Ok(()))) {
                return;
            }
        }
        let _best_effort = timeout(limit, writer.shutdown()).await;
    }
}

/// Before the first whole message the time to it only gets shorter: line ends do not keep a connection open.
pub(super) fn set_timer(mut timer: std::pin::Pin<&mut Sleep>, next: Sleep, greeted: bool) {
    if greeted || next.deadline() < timer.deadline() {
        timer.set(next);
    }
}

/// Who keeps the connection alive: whoever opened it (RFC 5626 section 4.4).
pub(super) struct KeepAlive {
    /// How often we ping; `None` on connections that others opened.
    every: Option<Duration>,
    /// A ping of ours is not answered yet.
    awaited: AtomicBool,
    /// This peer has answered before. One that never did may not know of pings, and is not dead for that.
    answers: AtomicBool,
}

impl KeepAlive {
    /// Of a connection that was opened to us.
    pub(super) const fn theirs() -> Self {
        Self { every: None, awaited: AtomicBool::new(false), answers: AtomicBool::new(false) }
    }

    /// Of a connection that we opened: pings at somewhat different times, so that not all come at once.
    pub(super) fn ours(limits: &StreamLimits, id: ConnectionId) -> Self {
        let percent = u32::try_from(id.0 % 26).unwrap_or_default();
        Self { every: Some(limits.ping + limits.ping * percent / 100), ..Self::theirs() }
    }

    const fn is_ours(&self) -> bool {
        self.every.is_some()
    }

    /// How long the first message may be awaited.
    const fn patience(&self, limits: &StreamLimits) -> Duration {
        if self.is_ours() { limits.idle } else { limits.first }
    }

    fn wait(&self) -> Option<Duration> {
        self.every.map(|every| if self.is_overdue() { PONG_WITHIN.min(every) } else { every })
    }

    /// A ping goes out; `false` when the last one was not answered by a peer that answers.
    fn ping(&self) -> bool {
        let alive = !self.is_overdue();
        self.awaited.store(true, Ordering::Relaxed);
        alive
    }

    fn is_overdue(&self) -> bool {
        self.awaited.load(Ordering::Relaxed) && self.answers.load(Ordering::Relaxed)
    }

    fn heard(&self) {
        self.awaited.store(false, Ordering::Relaxed);
    }

    fn answered(&self) {
        self.answers.store(true, Ordering::Relaxed);
        self.heard();
    }
}
