//! Why a leg or a call ended, and whose doing it was.

use serde::{Deserialize, Serialize};

/// Why a leg failed or ended. Protocol codes are mapped to and from this at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Someone hung up after an answer, or the plan ended the call in good order.
    Normal,
    /// The caller gave up before an answer.
    Cancelled,
    /// Another device of the group took the call first.
    AnsweredElsewhere,
    /// The party is on another call.
    Busy,
    /// It rang and nobody answered.
    NoAnswer,
    /// The party pressed "decline".
    Rejected,
    /// The party names somebody else to call, who is not called.
    Redirected,
    /// No device is registered for the number.
    NotRegistered,
    /// No such number.
    NotFound,
    /// The party may not make this call.
    Forbidden,
    /// The two sides share no audio format.
    Incompatible,
    /// The other side, or the way to it, is overloaded or out of order.
    Unavailable,
    /// We are overloaded, out of ports or draining.
    Congestion,
    /// No reply at all within the protocol's time.
    Timeout,
    /// Audio from the party stopped and did not come back.
    MediaTimeout,
    /// The connection to the device broke.
    NetworkFailure,
    /// The caller does not wait on the line, but is called back.
    Callback,
    /// The switch restarted while the call was up.
    Restart,
    /// A fault of ours: the call was ended so that no other call suffers.
    Fault,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Normal,
        Self::Cancelled,
        Self::AnsweredElsewhere,
        Self::Busy,
        Self::NoAnswer,
        Self::Rejected,
        Self::Redirected,
        Self::NotRegistered,
        Self::NotFound,
        Self::Forbidden,
        Self::Incompatible,
        Self::Unavailable,
        Self::Congestion,
        Self::Timeout,
        Self::MediaTimeout,
        Self::NetworkFailure,
        Self::Callback,
        Self::Restart,
        Self::Fault,
    ];

    /// The cause of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }

    /// The word that is stored and shown (`no-answer`).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Cancelled => "cancelled",
            Self::AnsweredElsewhere => "answered-elsewhere",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Rejected => "rejected",
            Self::Redirected => "redirected",
            Self::NotRegistered => "not-registered",
            Self::NotFound => "not-found",
            Self::Forbidden => "forbidden",
            Self::Incompatible => "incompatible",
            Self::Unavailable => "unavailable",
            Self::Congestion => "congestion",
            Self::Timeout => "timeout",
            Self::MediaTimeout => "media-timeout",
            Self::NetworkFailure => "network-failure",
            Self::Callback => "callback",
            Self::Restart => "restart",
            Self::Fault => "fault",
        }
    }

    /// Whether asking another device or the same one later may succeed.
    #[must_use]
    pub const fn worth_retrying(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::NoAnswer
                | Self::NotRegistered
                | Self::Unavailable
                | Self::Congestion
                | Self::Timeout
                | Self::NetworkFailure
        )
    }
}

/// Whose doing the end of a call was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The party that the call began with.
    Caller,
    /// The party that was called: an agent or another extension.
    Callee,
    /// The trunk or the network beyond it.
    Carrier,
    /// This switch or its configuration.
    Us,
}

impl Blame {
    /// The word that is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::Carrier => "carrier",
            Self::Us => "us",
        }
    }
}
