//! One connection: a task that reads whole messages, a task that writes them.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{accept::Admitted, streams::StreamEvent};
use crate::{
    flow::{ConnectionId, Flow},
    message::{Frame, Framer},
};

/// What both tasks of a connection know.
pub(super) struct Connection {
    pub(super) flow: Flow,
    pub(super) id: ConnectionId,
    pub(super) max_message_bytes: usize,
    pub(super) idle: Duration,
    pub(super) partial: Duration,
    pub(super) events: mpsc::Sender<StreamEvent>,
    /// Given back when both tasks are gone.
    pub(super) admitted: Admitted,
}

/// Answer to a keep-alive.
const PONG: Bytes = Bytes::from_static(b"\r\n");

impl Connection {
    /// Reads and writes until either side ends; then says `Closed`.
    pub(super) async fn run<S>(self, stream: S, outgoing: mpsc::Receiver<Bytes>, pongs: mpsc::WeakSender<Bytes>)
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (reader, writer) = split(stream);
        tokio::select! {
            () = self.read(reader, pongs) => {}
            () = write(writer, outgoing, self.partial) => {}
        }
        drop(self.admitted);
        // When the loop is gone there is nobody to tell.
        let _loop_is_gone = self.events.send(StreamEvent::Closed { connection: self.id }).await;
    }

    async fn read(&self, mut reader: impl AsyncRead + Unpin, pongs: mpsc::WeakSender<Bytes>) {
        let mut framer = Framer::new(self.max_message_bytes);
        // One timer for a whole message: a byte now and then must not keep it open.
        let mut timer = pin!(sleep(self.idle));
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
                        // Waiting here is the bound: a peer that sends faster than we work is not read.
                        if self.events.send(StreamEvent::Message { flow: self.flow, bytes }).await.is_err() {
                            return;
                        }
                    }
                    Ok(Some(Frame::Ping)) => {
                        if pongs.upgrade().is_none_or(|pongs| pongs.try_send(PONG).is_err()) {
                            return;
                        }
                    }
                    Ok(Some(Frame::Pong)) => {}
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!(connection = self.id.0, %error, "closing a connection that lost its place");
                        return;
                    }
                }
            }
            if is_new {
                timer.set(sleep(if framer.is_partial() { self.partial } else { self.idle }));
            }
        }
    }
}

/// Writes until the queue is dropped or the peer does not take bytes for `limit`.
async fn write(mut writer: impl AsyncWrite + Unpin, mut outgoing: mpsc::Receiver<Bytes>, limit: Duration) {
    while let Some(bytes) = outgoing.recv().await {
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
