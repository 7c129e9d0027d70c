//! The journal of a switch, read as it grows.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::{net::TcpStream, runtime::Runtime, time::timeout_at};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::client::IntoClientRequest as _};

use crate::{switch::Switch, wait};

/// Rows from the first one on, in order.
pub struct Journal {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    runtime: Runtime,
    rows: Vec<Value>,
}

impl Journal {
    /// Subscribes to everything the journal holds and will hold.
    ///
    /// # Panics
    /// When the switch does not let us.
    #[must_use]
    pub fn open(switch: &Switch) -> Self {
        let (server, token) = switch.access();
        let url = format!("{}/api/v1/events?after=0", server.replace("http://", "ws://"));
        let mut request = url.into_client_request().expect("a URL");
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a token"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (socket, _) = runtime.block_on(connect_async(request)).expect("the switch takes subscribers");
        Self { socket, runtime, rows: Vec::new() }
    }

    /// Reads on until there are `count` rows of `kind`; gives the bodies of those, the oldest first.
    ///
    /// # Panics
    /// When they do not come in time, or rows are missing.
    #[track_caller]
    pub fn until(&mut self, kind: &str, count: usize, limit: Duration) -> Vec<Value> {
        let end = wait::deadline(limit);
        while self.of(kind).len() < count {
            let next = self.runtime.block_on(async { timeout_at(end.into(), self.socket.next()).await });
            let Ok(message) = next else { panic!("after {limit:?} only {} of {count} `{kind}`", self.of(kind).len()) };
            let text = message.expect("the switch goes on telling").expect("a message").into_text().expect("text");
            let Ok(row) = serde_json::from_str::<Value>(&text) else { continue };
            assert!(row["gap"].is_null(), "rows are missing: {row}");
            self.rows.push(row);
        }
        self.of(kind)
    }

    /// The bodies of the rows of a kind that were read by now.
    #[must_use]
    pub fn of(&self, kind: &str) -> Vec<Value> {
        self.rows.iter().filter(|row| row["kind"] == kind).map(|row| row["body"].clone()).collect()
    }
}
