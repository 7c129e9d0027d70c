//! One WebSocket (RFC 7118): each of its messages is one SIP message, in a text or a binary frame. The handshake was
//! the HTTP server's.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    connection::{Connection, PING, PONG, set_timer},
    streams::StreamEvent,
};

/// Pings without a word after which the other side is taken for dead.
const DEAD_PINGS: u32 = 3;
/// Read buffers are made for ordinary messages; larger ones grow them.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// Reads and writes until either side ends; then says `Closed`.
pub(super) async fn run<S>(connection: Connection, stream: S, outgoing: mpsc::Receiver<Bytes>, pongs: mpsc::WeakSender<Bytes>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = connection.limits;
    let longest = limits.max_message_bytes;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(2 * longest + READ_BUFFER_BYTES)
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest));
    let (mut sink, mut source) = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await.split();
    let code = tokio::select! {
        code = read(&connection, &mut source, pongs) => code,
        () = write(&mut sink, outgoing, limits.web_ping, limits.partial) => CloseCode::Away,
    };
    let goodbye = timeout(limits.partial, async {
        // Refused when they said goodbye first: then only theirs is confirmed.
        let _said_before = sink.send(Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::default() }))).await;
        sink.close().await
    });
    let _best_effort = goodbye.await;
    connection.close().await;
}

/// Reads until there is a reason to close, and says it.
async fn read(
    connection: &Connection,
    source: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    pongs: mpsc::WeakSender<Bytes>,
) -> CloseCode {
    let limits = &connection.limits;
    let mut timer = pin!(sleep(limits.first));
    let mut greeted = false;
    loop {
        let message = tokio::select! {
            message = source.next() => message,
            () = &mut timer => return CloseCode::Policy,
        };
        let bytes = match message {
            Some(Ok(Message::Text(text))) => Bytes::from(text),
            Some(Ok(Message::Binary(bytes))) => bytes,
            // Pings are answered below us.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Bytes::new(),
            Some(Ok(Message::Close(_))) | None => return CloseCode::Normal,
            Some(Err(Error::Capacity(_))) => return CloseCode::Size,
            Some(Err(Error::Utf8(_))) => return CloseCode::Invalid,
            Some(Err(_)) => return CloseCode::Protocol,
        };
        if bytes == PING {
            // Keep-alives of other streams are good here, too (RFC 7118 section 6).
            if pongs.upgrade().is_none_or(|pongs| pongs.try_send(PONG).is_err()) {
                return CloseCode::Policy;
            }
        } else if bytes.iter().any(|byte| !byte.is_ascii_whitespace()) {
            greeted = true;
            if connection.events.send(StreamEvent::Message { flow: connection.flow, bytes }).await.is_err() {
                return CloseCode::Away;
            }
        }
        set_timer(timer.as_mut(), sleep(limits.web_ping * DEAD_PINGS), greeted);
    }
}

/// Writes, and pings, until the queue is dropped or the peer does not take bytes for `limit`.
async fn write(
    sink: &mut (impl Sink<Message, Error = Error> + Unpin),
    mut outgoing: mpsc::Receiver<Bytes>,
    ping: Duration,
    limit: Duration,
) {
    let mut tick = interval(ping);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    loop {
        let message = tokio::select! {
            bytes = outgoing.recv() => match bytes {
                // SIP is UTF-8, but what a peer wrote in a body need not be (RFC 7118 section 5.1).
                Some(bytes) => Utf8Bytes::try_from(bytes.clone()).map_or(Message::Binary(bytes), Message::Text),
                None => return,
            },
            _ = tick.tick() => Message::Ping(Bytes::new()),
        };
        if !matches!(timeout(limit, sink.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
}
