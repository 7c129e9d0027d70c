//! Registrations of devices, as they are kept over a restart.

use serde::{Deserialize, Serialize};
use tandem_switch::{name::Extension, time::Timestamp};

/// A device that can be reached for an extension (RFC 3261 section 10.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Whose.
    pub extension: Extension,
    /// The contact URI as the device gave it.
    pub contact: String,
    /// Transport and address its REGISTER came from, for the way back (`udp:127.0.0.1:5062`).
    pub source: String,
    /// Call-ID of that REGISTER; older ones of the same Call-ID are refused.
    pub register_call_id: String,
    /// CSeq of that REGISTER.
    pub register_cseq: u32,
    /// What the device calls itself.
    pub user_agent: Option<String>,
    /// When it registered last.
    pub registered_at: Timestamp,
    /// Until when it holds.
    pub expires_at: Timestamp,
    /// How it is reached and named beside its contact; `None` where an older version wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<BindingWay>,
}

/// How a device is reached and named beside its contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingWay {
    /// Its preference among the devices, in thousandths.
    pub q: u16,
    /// The proxies before it, the nearest to us first (RFC 3327).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// The device whatever its addresses, and which of its flows this is (RFC 5626).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound: Option<(String, u32)>,
}
