//! A 503 that costs next to nothing (RFC 3261 section 21.5.4): made from the bytes of the request, and forgotten.

use std::io::Write as _;

use bytes::Bytes;

use super::peek::Peek;
use crate::{endpoint::Endpoint, flow::Flow, message::Via};

/// Our tag in such a reply begins with this: its ACK is known without a transaction.
const MARK: &[u8] = b"503-";
/// Longer requests are left to the endpoint, in bytes of what is repeated.
const MAX_REPEATED: usize = 4_096;

/// A reply and its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where it goes.
    pub to: Flow,
    /// The reply.
    pub bytes: Bytes,
}

/// Whether a tag is one of such a reply.
pub(super) fn is_ours(tag: &[u8]) -> bool {
    tag.starts_with(MARK)
}

/// The topmost Via of a request that can be refused in this way.
pub(super) fn top_via<'a>(peek: &Peek<'a>) -> Option<Via<'a>> {
    let top = peek.vias.first().filter(|_| peek.can_be_answered())?;
    Via::parse(str::from_utf8(top).ok()?).ok()
}

/// Refuses a request. The same request gets the same tag (RFC 3261 section 8.2.7): `mark` is made from it.
pub(super) fn refuse(flow: Flow, peek: &Peek<'_>, via: &Via<'_>, retry_after_s: u32, mark: u64) -> Option<Refusal> {
    let repeated = peek.vias.iter().map(|via| via.len()).sum::<usize>() + peek.from.len() + peek.to.len() + peek.call_id.len();
    if repeated > MAX_REPEATED {
        return None;
    }
    let mut out = Vec::with_capacity(repeated + 256);
    out.extend_from_slice(b"SIP/2.0 503 Service Unavailable\r\n");
    for (n, value) in peek.vias.iter().enumerate() {
        out.extend_from_slice(b"Via: ");
        if n == 0 {
            put_top_via(&mut out, value, via, &flow);
        } else {
            out.extend_from_slice(value);
        }
        out.extend_from_slice(b"\r\n");
    }
    for (name, value) in [("From", peek.from), ("To", peek.to), ("Call-ID", peek.call_id), ("CSeq", peek.cseq)] {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        if name == "To" && peek.to_tag().is_none() {
            out.extend_from_slice(b";tag=");
            out.extend_from_slice(MARK);
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{mark:016x}");
        }
        out.extend_from_slice(b"\r\n");
    }
    let _ = write!(out, "Retry-After: {retry_after_s}\r\nContent-Length: 0\r\n\r\n");
    Some(Refusal { to: Endpoint::reply_flow(flow, via), bytes: out.into() })
}

/// The topmost Via with what a server adds to it (RFC 3261 section 18.2.1, RFC 3581 section 4).
fn put_top_via(out: &mut Vec<u8>, value: &[u8], via: &Via<'_>, flow: &Flow) {
    let asks = via.rport() == Some(None);
    let at = if asks { value.windows(6).position(|piece| piece.eq_ignore_ascii_case(b";rport")) } else { None };
    match at {
        Some(at) => {
            out.extend_from_slice(&value[..at + 6]);
            let _ = write!(out, "={}", flow.remote.port());
            out.extend_from_slice(value[at + 6..].strip_prefix(b"=").unwrap_or(&value[at + 6..]));
        }
        None => out.extend_from_slice(value),
    }
    if asks || via.address() != Some(flow.remote.ip()) {
        let _ = write!(out, ";received={}", flow.remote.ip());
    }
}
