//! The same bytes to our lexer and to rsip, an independent reader: where both take a request, they read it alike.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use rsip::{
    headers::UntypedHeader as _,
    message::{HasHeaders as _, HeadersExt as _},
};
use tandem_signaling::message::{Message, Name};

/// What rsip is known to read otherwise than RFC 3261 says: folds, other line ends, and forms it does not know.
fn is_sound(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    text.is_ascii()
        && head.split("\r\n").all(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !line.contains(['\r', '\n', '\t']) && !line.starts_with(' ') && !name.ends_with(' ')
        })
}

fuzz_target!(|bytes: &[u8]| {
    if !is_sound(bytes) {
        return;
    }
    let Ok(ours) = Message::parse(Bytes::copy_from_slice(bytes)) else { return };
    let Ok(theirs) = rsip::Request::try_from(bytes) else { return };
    if ours.validate_request().is_err() {
        return;
    }
    assert_eq!(theirs.method.to_string(), ours.method());
    assert_eq!(theirs.headers().iter().count(), ours.header_count());
    if let Ok(call_id) = theirs.call_id_header() {
        assert_eq!(Some(call_id.value().trim()), ours.header(Name::CallId));
    }
    if let Ok(Ok(number)) = theirs.cseq_header().map(|cseq| cseq.seq()) {
        assert_eq!(ours.cseq().map(|cseq| cseq.number), Ok(number));
    }
});
