//! What a REGISTER asks for.

use std::sync::Arc;

use crate::{endpoint::Outbound, flow::Flow};

/// A REGISTER of an account that has proved itself.
#[derive(Clone, Debug)]
pub struct Registration {
    /// What it asks for; an empty list only asks what is registered.
    pub wishes: Wishes,
    /// Its Call-ID.
    pub call_id: Box<str>,
    /// Its CSeq number.
    pub cseq: u32,
    /// The way it came.
    pub flow: Flow,
    /// The proxies on the way to the device.
    pub path: Arc<[Box<str>]>,
    /// Its User-Agent header, or nothing.
    pub user_agent: Arc<str>,
}

/// The Contact headers of a REGISTER.
#[derive(Clone, Debug)]
pub enum Wishes {
    /// `Contact: *` with `Expires: 0`.
    RemoveAll,
    /// One by one.
    Each(Vec<ContactWish>),
}

/// One contact of a REGISTER.
#[derive(Clone, Debug)]
pub struct ContactWish {
    /// The URI as written, without angle brackets.
    pub contact: Arc<str>,
    /// Preference of 0–1000.
    pub q: u16,
    /// For how long, in seconds; 0 removes; `None` when neither contact nor message says.
    pub expires_s: Option<u32>,
    /// What the device calls itself, whatever its addresses (`+sip.instance`).
    pub instance: Option<Box<str>>,
    /// Its flow, when it registers by that (RFC 5626).
    pub outbound: Option<Outbound>,
}
