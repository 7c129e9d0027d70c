//! What followers are shown of a message: from whom to whom, and what in one line. No body, no credentials.

use std::net::SocketAddr;

use bytes::Bytes;
use tandem_signaling::{
    flow::Transport,
    message::{Kind, Message, NameAddr, Uri},
    sdp::{Direction, SessionDescription},
};
use tandem_switch::time::Timestamp;

use crate::wire::trace::TraceMessage;

/// Longer names are cut, in letters.
const LONGEST_NAME: usize = 64;

/// Reads a message that came from `peer` or goes there. `None` for what is no message, such as a keep-alive.
pub(super) fn seen(at: Timestamp, peer: SocketAddr, transport: Transport, sent: bool, bytes: &Bytes) -> Option<TraceMessage> {
    let message = Message::parse(bytes.clone()).ok()?;
    let user = |address: &NameAddr<'_>| address.uri().and_then(|uri| cut(uri.user_decoded()?.as_ref())).unwrap_or_default();
    let (what, number) = match message.kind() {
        Kind::Request { method, uri } => {
            let number = Uri::parse(uri).and_then(|uri| cut(uri.user_decoded()?.as_ref())).unwrap_or_default();
            (if number.is_empty() { method.to_owned() } else { format!("{method} {number}") }, number)
        }
        Kind::Response { code, reason } => {
            let method = message.cseq().map(|cseq| cseq.method.to_owned()).unwrap_or_default();
            let reason = cut(reason).unwrap_or_default();
            (if method == "INVITE" { format!("{code} {reason}") } else { format!("{code} {reason} ({method})") }, String::new())
        }
    };
    Some(TraceMessage {
        at,
        peer,
        transport: transport.via_name(),
        sent,
        call_id: cut(message.call_id().ok()?)?,
        from: message.from().ok().as_ref().map(user).unwrap_or_default(),
        to: message.to().ok().as_ref().map(user).unwrap_or_default(),
        number,
        what: what + audio(message.body()),
    })
}

/// What a description says of audio.
fn audio(body: &[u8]) -> &'static str {
    let Ok(session) = SessionDescription::parse(body) else { return "" };
    match session.media.iter().find(|media| media.is_audio()).map(|media| media.direction) {
        Some(Direction::SendRecv) => " (sdp)",
        Some(Direction::SendOnly) => " (sdp sendonly)",
        Some(Direction::RecvOnly) => " (sdp recvonly)",
        Some(Direction::Inactive) => " (sdp inactive)",
        None => "",
    }
}

fn cut(text: &str) -> Option<String> {
    Some(text.chars().filter(|letter| !letter.is_control()).take(LONGEST_NAME).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<(String, String, String, String)> {
        let peer = "127.0.0.1:5070".parse().unwrap();
        let bytes = Bytes::from(text.replace('\n', "\r\n"));
        seen(Timestamp(1), peer, Transport::Udp, false, &bytes).map(|seen| (seen.what, seen.from, seen.to, seen.number))
    }

    fn message(first: &str, method: &str, body: &str) -> String {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
        let length = body.replace('\n', "\r\n").len();
        format!(
            "{first}\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1\nFrom: <sip:1011@h>;tag=1\nTo: <sip:1800@h>\nCall-ID: c\n\
             CSeq: 1 {method}\nMax-Forwards: 70\nAuthorization: Digest response=\"secret\"\n{kind}Content-Length: {length}\n\n{body}"
        )
    }

    const SDP: &str = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 30000 RTP/AVP 8\na=inactive\n";

    #[test]
    fn a_message_is_one_line_without_secrets() {
        let (what, from, to, number) = shown(&message("INVITE sip:1800@h SIP/2.0", "INVITE", SDP)).unwrap();
        assert_eq!(
            (what.as_str(), from.as_str(), to.as_str(), number.as_str()),
            ("INVITE 1800 (sdp inactive)", "1011", "1800", "1800")
        );
        assert_eq!(shown(&message("SIP/2.0 180 Ringing", "INVITE", "")).unwrap().0, "180 Ringing");
        assert_eq!(shown(&message("SIP/2.0 200 OK", "BYE", "")).unwrap().0, "200 OK (BYE)");
        assert_eq!(shown("\n\n"), None, "a keep-alive");
    }
}
