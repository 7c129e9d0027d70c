//! The floor loop: owns the floor of one pool, journals what it decides, and talks to the line loops.

use std::sync::Arc;

use tandem_switch::{
    floor::{AgentProfile, Floor, FloorEvent, Input, Output, QueueProfile},
    id::{IdSource, ItemId},
    link::{ToFloor, ToLine},
    name::AgentName,
    step::AgentRequest,
    time::Timestamp,
};
use tokio::sync::{mpsc, oneshot};

use crate::clock;

/// Messages between a line loop and the floor loop that may wait, each way.
pub const LINK_CAPACITY: usize = 65_536;

/// Questions and orders from the HTTP API and the command line.
#[derive(Debug)]
pub enum FloorAsk {
    /// The queues changed with the plan.
    Queues(Vec<QueueProfile>),
    /// The agents changed in the database.
    Agents(Vec<AgentProfile>),
    /// An agent's state is changed.
    Agent {
        /// Whose.
        agent: AgentName,
        /// To what.
        request: AgentRequest,
        /// Answered when it is done.
        done: oneshot::Sender<()>,
    },
    /// A look at everything.
    View(oneshot::Sender<FloorView>),
    /// Why an item still waits.
    Explain {
        /// Which.
        item: ItemId,
        /// The answer.
        answer: oneshot::Sender<Option<tandem_switch::floor::Explanation>>,
    },
}

/// What the floor looks like at one moment.
#[derive(Clone, Debug)]
pub struct FloorView {
    /// Every queue.
    pub queues: Vec<tandem_switch::floor::QueueView>,
    /// Every agent.
    pub agents: Vec<tandem_switch::floor::AgentView>,
    /// Every item that waits, is offered or is served.
    pub items: Vec<tandem_switch::floor::ItemView>,
    /// When.
    pub at: Timestamp,
}

/// Takes what the floor journals. Returns only when it is in the writer's hands.
pub trait Journal: Send {
    /// Hands one event over.
    fn append(&mut self, event: FloorEvent) -> impl Future<Output = ()> + Send;
}

/// The loop.
pub struct FloorLoop<J> {
    floor: Floor,
    from_lines: mpsc::Receiver<ToFloor>,
    to_line: mpsc::Sender<ToLine>,
    asks: mpsc::Receiver<FloorAsk>,
    journal: J,
}
