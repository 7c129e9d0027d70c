//! The live trace of calls of one number.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use axum::{
    Extension,
    extract::{State, WebSocketUpgrade},
    response::Response,
};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    auth::Caller,
    problem::{Params, Problem},
    socket::{self, Closed, Subscriber},
    view::At,
};
use crate::{
    metrics::METRICS,
    wire::trace::{TraceMessage, Traced},
};

/// Whose calls.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FollowQuery {
    /// Caller's or dialled number, whole; every call unless said.
    number: Option<String>,
}

/// One message: a line of the trace, a message by wire, or a gap.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum FollowMessage {
    /// Something happened in a call.
    Line {
        /// When.
        at: At,
        /// Which call.
        call: String,
        /// Who calls.
        from: String,
        /// What was dialled.
        to: String,
        /// Where it comes from: `call`, `plan`, `sip`, `media` or `floor`.
        part: String,
        /// What happened.
        text: String,
    },
    /// A message came from a side of a call, or went there.
    Message {
        /// When.
        at: At,
        /// The address of the side.
        peer: String,
        /// `UDP`, `TCP`, `TLS`, `WS` or `WSS`.
        transport: String,
        /// It came from the switch.
        sent: bool,
        /// Which conversation it belongs to.
        call_id: String,
        /// Who began that.
        from: String,
        /// With whom.
        to: String,
        /// What it is, without body and credentials.
        what: String,
    },
    /// The reader was too slow, and lines were lost.
    Gap {
        /// How many.
        lost: u64,
    },
}

/// The live trace of calls (WebSocket)
#[utoipa::path(get, path = "/api/v1/follow", tag = "live", security(("token" = ["read"])), params(FollowQuery),
    responses((status = 101, description = "WebSocket; each text message is one of these", body = FollowMessage), (status = 503, body = Problem)))]
pub(super) async fn follow(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<FollowQuery>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(socket::no_upgrade)?;
    api.audit(&caller, "calls-followed", query.number.clone().unwrap_or_default());
    socket::upgrade(upgrade, api, caller, move |subscriber| serve(subscriber, query.number))
}

async fn serve(mut subscriber: Subscriber, number: Option<String>) -> Result<(), Closed> {
    let mut lines = subscriber.api().control.traces.listen();
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            heard = subscriber.heard() => {
                subscriber.attend(heard?).await?;
                continue;
            }
        };
        match line {
            Ok(traced) if concerns(&traced, number.as_deref()) => subscriber.send(&message(traced)).await?,
            Ok(_) => {}
            Err(RecvError::Lagged(lost)) => {
                METRICS.http_gaps.inc();
                subscriber.send(&FollowMessage::Gap { lost }).await?;
            }
            Err(RecvError::Closed) => return Err(Closed),
        }
    }
}

fn concerns(traced: &Traced, number: Option<&str>) -> bool {
    number.is_none_or(|number| match traced {
        Traced::Line(line) => line.from.as_str() == number || line.to.as_str() == number,
        Traced::Message(message) => [&message.from, &message.to, &message.number].into_iter().any(|known| known == number),
    })
}

fn message(traced: Traced) -> FollowMessage {
    let line = match traced {
        Traced::Line(line) => line,
        Traced::Message(message) => {
            let TraceMessage { at, peer, transport, sent, call_id, from, to, number: _, what } = *message;
            let (at, peer, transport) = (At(at), peer.to_string(), transport.to_owned());
            return FollowMessage::Message { at, peer, transport, sent, call_id, from, to, what };
        }
    };
    FollowMessage::Line {
        at: At(line.at),
        call: line.call.to_string(),
        from: line.from.as_str().into(),
        to: line.to.as_str().into(),
        part: line.part.into(),
        text: line.text,
    }
}
