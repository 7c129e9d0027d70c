//! What the core of a stream is told, and what it wants done.

use tandem_switch::step::Sides;

use super::message::{Mode, Side};

/// What a stream is, for its whole life.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which call.
    pub call: String,
    /// The program's name in the plan.
    pub program: String,
    /// What it may do.
    pub mode: Mode,
    /// Whom it hears.
    pub sides: Sides,
    /// Samples a second.
    pub rate_hz: u32,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The call is over, or somebody stopped it.
    Stopped,
    /// The program is done, and said this word.
    Done(Option<String>),
    /// The program wants the call ended.
    Hangup,
    /// It cannot be reached, or its connection is lost, or it said what it must not.
    Failed,
    /// It does not take or answer anything.
    Stalled,
}

impl Ending {
    /// The word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Done(_) => "done",
            Self::Hangup => "hangup",
            Self::Failed => "failed",
            Self::Stalled => "stalled",
        }
    }
}

/// What a session is told.
#[derive(Debug)]
pub(super) enum Input<'a> {
    /// The connection stands.
    Opened,
    /// It cannot be made, or is lost, for this reason.
    Lost(&'a str),
    /// A text of the program.
    Text(&'a str),
    /// Audio of the program.
    Binary(&'a [u8]),
    /// A sign of life of the program.
    Alive,
    /// What was sent last is with the system.
    Sent,
    /// A frame of the call.
    Frame { side: Side, masked: bool, at_ms: u32, samples: &'a [i16] },
    /// Frames of the call that never came here.
    Missed(u64),
    /// The caller pressed a key.
    Key(char),
    /// The caller has heard so many samples of what was handed on.
    Heard(u64),
    /// The stream is to end.
    End(&'static str),
    /// Time went by.
    Tick,
}

/// What a session wants done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// Connect.
    Open,
    /// Send this; [`Input::Sent`] is the answer. Not before the last one is answered.
    Send(Message),
    /// Say goodbye with this code, and drop the connection.
    Close(u16),
    /// Nothing of what was handed on and not heard is to be heard.
    Cut,
    /// A line for the live trace.
    Trace(String),
    /// It is over. Nothing follows.
    Ended(Ending),
}

/// One message to the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Text(String),
    Audio(Vec<u8>),
    Ping,
}

/// What is counted of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that stood.
    pub connections: u32,
    /// Frames of the call that the program has.
    pub frames_sent: u64,
    /// Frames of the call that were dropped.
    pub frames_dropped: u64,
    /// Milliseconds of the program's audio that were dropped.
    pub voice_dropped_ms: u64,
}
