//! What the API shows: plain structures with their JSON schema, made from what the loops and the store say.
//!
//! Instants are RFC 3339 in UTC; durations are milliseconds and end in `_ms`.

mod admin;
mod calls;
mod floor;
mod plans;

use std::{fmt, str::FromStr};

pub use admin::{CapacityView, PersonView, PlanFileView, PlanProblem, PlanView, RouteConsidered, RouteExplanation};
pub(crate) use calls::origin;
pub use calls::{
    CallDetail, CallView, CdrPage, CdrView, ConferenceView, MemberView, ParkedView, RecordingPage, RecordingView, SegmentView,
    WaveformView,
};
pub use floor::{
    AgentView, ConsideredView, HeldView, ItemStoryView, ItemView, OfferView, QueueDetail, QueueView, SkillView, StateChange,
};
pub use plans::{GenerationDetail, GenerationPage, GenerationView, PlanApplied, PlanDiff, PlanText, WatchView};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tandem_switch::time::Timestamp;
use utoipa::ToSchema;

/// An instant, RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-02T09:30:00.25Z")]
pub struct At(pub Timestamp);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0.0) {
            Ok(at) => at.fmt(f),
            // Outside the years that have four digits.
            Err(_) => write!(f, "{}us", self.0.0),
        }
    }
}

impl FromStr for At {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let at: jiff::Timestamp =
            text.parse().map_err(|_| format!("`{text}` is no instant: expected one like 2026-11-02T09:30:00Z"))?;
        Ok(Self(Timestamp(at.as_microsecond())))
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl From<Timestamp> for At {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

/// Whether the process can do its work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, `not ready`, or `still` when a loop does not turn.
    pub status: String,
    /// What is missing, in sentences.
    pub missing: Vec<String>,
}

/// An answer that says only that it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Done {
    /// Always true.
    pub done: bool,
}

/// A closed word as serde spells it.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A name or identifier as text.
pub(super) fn text<T: fmt::Display>(value: &T) -> String {
    value.to_string()
}
