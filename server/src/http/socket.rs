//! What the WebSockets share: they only send, to readers who must keep up, as long as their token or session holds.

use std::time::Duration;

use axum::{
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    http::StatusCode,
    response::Response,
};
use serde::Serialize;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Interval, MissedTickBehavior},
};

use super::{Api, auth::Caller, problem::Problem};
use crate::metrics::METRICS;

/// The largest frame that is read: subscribers have nothing to say.
const MAX_FRAME_BYTES: usize = 1_024;
/// How long one message may wait for a reader.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
/// How often the token is looked at.
const TICK: Duration = Duration::from_secs(4);
/// Ticks between pings, and ticks without a word after which the other side is taken for dead.
const PING_TICKS: u32 = 5;
const DEAD_TICKS: u32 = 11;

/// Why a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// What a subscriber's wait gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The other side lives.
    Word,
    /// Time passed.
    Tick,
}

/// One subscriber.
pub(super) struct Subscriber {
    socket: WebSocket,
    api: Api,
    caller: Caller,
    tick: Interval,
    silent_ticks: u32,
    _permit: OwnedSemaphorePermit,
}

/// Upgrades a request, if there is room for one more subscriber.
pub(super) fn upgrade<F>(
    upgrade: WebSocketUpgrade,
    api: Api,
    caller: Caller,
    serve: impl FnOnce(Subscriber) -> F + Send + 'static,
) -> Result<Response, Problem>
where
    F: Future<Output = Result<(), Closed>> + Send + 'static,
{
    let permit = api.subscribers.clone().try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "there are too many subscribers").todo("close those that are not needed")
    })?;
    let upgrade = upgrade.max_message_size(MAX_FRAME_BYTES).max_frame_size(MAX_FRAME_BYTES).max_write_buffer_size(1024 * 1024);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        METRICS.http_subscribers.inc();
        // The end of a subscription is its own news.
        let _closed = serve(Subscriber { socket, api, caller, tick, silent_ticks: 0, _permit: permit }).await;
        METRICS.http_subscribers.dec();
    }))
}

impl Subscriber {
    pub(super) fn api(&self) -> &Api {
        &self.api
    }

    /// Sends one message as JSON. A reader that does not take it in time is cut off.
    pub(super) async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), Closed> {
        let text = serde_json::to_string(message).map_err(|_| Closed)?;
        self.send_raw(Message::Text(text.into())).await
    }

    /// Sends what was written out for many.
    pub(super) async fn send_text(&mut self, text: &str) -> Result<(), Closed> {
        self.send_raw(Message::Text(text.into())).await
    }

    async fn send_raw(&mut self, message: Message) -> Result<(), Closed> {
        match tokio::time::timeout(SEND_PATIENCE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Closed),
        }
    }

    /// Waits for something from the other side or from the clock. Loses nothing when it is dropped half-way;
    /// what it gives must go to [`Self::attend`].
    pub(super) async fn heard(&mut self) -> Result<Heard, Closed> {
        tokio::select! {
            heard = self.socket.recv() => match heard {
                // Pings are answered below us; whatever else they say means only that they live.
                Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Closed),
                Some(Ok(_)) => Ok(Heard::Word),
            },
            _ = self.tick.tick() => Ok(Heard::Tick),
        }
    }

    /// Pings, looks after the token, and gives up on a side that is silent.
    pub(super) async fn attend(&mut self, heard: Heard) -> Result<(), Closed> {
        match heard {
            Heard::Word => {
                self.silent_ticks = 0;
                Ok(())
            }
            Heard::Tick => self.ticked().await,
        }
    }

    async fn ticked(&mut self) -> Result<(), Closed> {
        self.silent_ticks += 1;
        if self.silent_ticks > DEAD_TICKS {
            return Err(Closed);
        }
        // While the database is away nobody is thrown out.
        if let Ok(false) = self.caller.holds(&self.api).await {
            return Err(Closed);
        }
        if self.silent_ticks.is_multiple_of(PING_TICKS) {
            self.send_raw(Message::Ping(Vec::new().into())).await?;
        }
        Ok(())
    }
}

/// A request that is no WebSocket handshake.
pub(super) fn no_upgrade(rejection: axum::extract::ws::rejection::WebSocketUpgradeRejection) -> Problem {
    let status = axum::response::IntoResponse::into_response(rejection).status();
    Problem::new(status, "this is a WebSocket: the request does not ask for one").todo("connect with ws:// or wss://")
}
