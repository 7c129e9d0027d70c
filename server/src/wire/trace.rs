//! The live trace of calls (`tandem follow`): a bus that costs nothing while nobody listens.

use std::net::SocketAddr;

use serde::Serialize;
use tandem_switch::{id::CallId, name::PartyNumber, time::Timestamp};
use tokio::sync::broadcast;

/// Listeners that fall behind by so many lines miss some, and are told how many.
const CAPACITY: usize = 4_096;

/// One line of the trace of one call.
#[derive(Clone, Debug, Serialize)]
pub struct TraceLine {
    /// When.
    pub at: Timestamp,
    /// Which call.
    pub call: CallId,
    /// Who calls: what a listener selects by.
    pub from: PartyNumber,
    /// What was dialled: a listener may select by it as well.
    pub to: PartyNumber,
    /// Where it comes from: `call`, `plan`, `sip`, `media`, `floor`.
    pub part: &'static str,
    /// What happened.
    pub text: String,
}

/// A message between a side of a call and us.
#[derive(Clone, Debug)]
pub struct TraceMessage {
    /// When.
    pub at: Timestamp,
    /// The address of the side.
    pub peer: SocketAddr,
    /// `UDP`, `TCP`, `TLS`, `WS` or `WSS`.
    pub transport: &'static str,
    /// We sent it.
    pub sent: bool,
    /// Which conversation it belongs to.
    pub call_id: String,
    /// Who began that.
    pub from: String,
    /// With whom.
    pub to: String,
    /// The number that a request is for; empty for none.
    pub number: String,
    /// What it is.
    pub what: String,
}

/// What followers are told.
#[derive(Clone, Debug)]
pub enum Traced {
    /// Something happened in a call.
    Line(TraceLine),
    /// A message came or went.
    Message(Box<TraceMessage>),
}

/// Where lines are published.
#[derive(Clone, Debug)]
pub struct TraceBus(broadcast::Sender<Traced>);

impl Default for TraceBus {
    fn default() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }
}

impl TraceBus {
    /// Whether anybody listens: who builds a line asks first.
    #[must_use]
    pub fn wanted(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Publishes a line to whoever listens.
    pub fn publish(&self, line: TraceLine) {
        let _nobody_listens = self.0.send(Traced::Line(line));
    }

    /// Publishes a message to whoever listens.
    pub fn publish_message(&self, message: TraceMessage) {
        let _nobody_listens = self.0.send(Traced::Message(Box::new(message)));
    }

    /// All lines from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Traced> {
        self.0.subscribe()
    }
}
