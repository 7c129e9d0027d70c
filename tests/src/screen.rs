//! The screen of an agent: who rings, as the switch tells it.

use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::{net::TcpStream, runtime::Runtime, time::timeout_at};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::client::IntoClientRequest as _};

use crate::{switch::Switch, wait};

/// Messages for one agent, in order.
pub struct Screen {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    runtime: Runtime,
}

impl Screen {
    /// Subscribes to what an agent sees.
    ///
    /// # Panics
    /// When the switch does not let us.
    #[must_use]
    pub fn open(switch: &Switch, agent: &str) -> Self {
        let (server, token) = switch.access();
        let url = format!("{}/api/v1/screen-pops?agent={agent}", server.replace("http://", "ws://"));
        let mut request = url.into_client_request().expect("a URL");
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a token"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (socket, _) = runtime.block_on(connect_async(request)).expect("the switch takes subscribers");
        Self { socket, runtime }
    }

    /// The next message that has a field: `pop` or `ended`.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn next(&mut self, field: &str) -> Value {
        let end = wait::deadline(wait::SOON);
        loop {
            let next = self.runtime.block_on(async { timeout_at(end.into(), self.socket.next()).await });
            let message = next.expect("a message in time").expect("the switch goes on telling").expect("a message");
            let Ok(mut message) = serde_json::from_str::<Value>(&message.into_text().expect("text")) else { continue };
            if !message[field].is_null() {
                return if field == "pop" { message[field].take() } else { message };
            }
        }
    }
}
