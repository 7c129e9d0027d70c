//! Copies of messages for a Homer collector: the third version of its encapsulation protocol (HEP3, also called EEP).
//!
//! A packet is `HEP3`, its length, and chunks of vendor, type, length and value. What is secret in a message is masked
//! byte for byte, so that lengths stay: credentials, SRTP keys of SDP, and key presses in INFO. Sending is not here.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Range,
};

use crate::flow::Transport;

/// Longer messages are cut, so that a packet fits into a datagram.
const MAX_PAYLOAD_BYTES: usize = 60_000;

/// A longer Call-ID is no correlation.
const MAX_CALL_ID_BYTES: usize = 256;

/// One message that came or went.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// Who gets it.
    pub destination: SocketAddr,
    /// How it travelled.
    pub transport: Transport,
    /// When, in µs since 1970.
    pub unix_us: u64,
    /// Which of the collector's agents we are.
    pub agent_id: u32,
    /// The message.
    pub message: &'a [u8],
}

impl Captured<'_> {
    /// The packet for the collector.
    #[must_use]
    pub fn to_hep3(&self) -> Vec<u8> {
        let mut payload = self.message[..self.message.len().min(MAX_PAYLOAD_BYTES)].to_vec();
        let call_id = mask(&mut payload);
        let mut packet = Packet(b"HEP3\0\0".to_vec());
        let (source, destination) = (self.source.ip().to_canonical(), self.destination.ip().to_canonical());
        packet.addresses(source, destination);
        packet.chunk(IP_PROTOCOL, &[if self.transport == Transport::Udp { 17 } else { 6 }]);
        packet.chunk(SOURCE_PORT, &self.source.port().to_be_bytes());
        packet.chunk(DESTINATION_PORT, &self.destination.port().to_be_bytes());
        // The protocol has 32 bits for the seconds: they last until 2106.
        let seconds = u32::try_from(self.unix_us / 1_000_000).unwrap_or(u32::MAX);
        packet.chunk(SECONDS, &seconds.to_be_bytes());
        packet.chunk(MICROSECONDS, &u32::try_from(self.unix_us % 1_000_000).unwrap_or(0).to_be_bytes());
        packet.chunk(PROTOCOL_TYPE, &[SIP]);
        packet.chunk(AGENT_ID, &self.agent_id.to_be_bytes());
        if let Some(call_id) = call_id {
            packet.chunk(CORRELATION, &payload[call_id]);
        }
        packet.chunk(PAYLOAD, &payload);
        packet.finish()
    }
}

// Types of chunks of the vendor 0.
const IP_FAMILY: u16 = 0x01;
const IP_PROTOCOL: u16 = 0x02;
const SOURCE_V4: u16 = 0x03;
const DESTINATION_V4: u16 = 0x04;
const SOURCE_V6: u16 = 0x05;
const DESTINATION_V6: u16 = 0x06;
const SOURCE_PORT: u16 = 0x07;
const DESTINATION_PORT: u16 = 0x08;
const SECONDS: u16 = 0x09;
const MICROSECONDS: u16 = 0x0A;
const PROTOCOL_TYPE: u16 = 0x0B;
const AGENT_ID: u16 = 0x0C;
const PAYLOAD: u16 = 0x0F;
const CORRELATION: u16 = 0x11;

/// The protocol type of SIP.
const SIP: u8 = 1;

struct Packet(Vec<u8>);

impl Packet {
    fn addresses(&mut self, source: IpAddr, destination: IpAddr) {
        // Families as the protocol's first implementation, on Linux, numbered them.
        const V4: u8 = 2;
        const V6: u8 = 10;
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.chunk(IP_FAMILY, &[V4]);
                self.chunk(SOURCE_V4, &source.octets());
                self.chunk(DESTINATION_V4, &destination.octets());
            }
            (source, destination) => {
                let octets = |ip: IpAddr| match ip {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                    IpAddr::V6(v6) => v6.octets(),
                };
                self.chunk(IP_FAMILY, &[V6]);
                self.chunk(SOURCE_V6, &octets(source));
                self.chunk(DESTINATION_V6, &octets(destination));
            }
        }
    }

    fn chunk(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 6).expect("values were cut to their bounds");
        self.0.extend([0, 0]);
        self.0.extend(kind.to_be_bytes());
        self.0.extend(length.to_be_bytes());
        self.0.extend(value);
    }

    fn finish(mut self) -> Vec<u8> {
        let length = u16::try_from(self.0.len()).expect("the payload was cut to its bound");
        self.0[4..6].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

/// What the line at hand holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Credentials,
    Other,
}

/// Masks what is secret; says where the Call-ID stands. Reads line by line, so that it works on what no parser takes.
fn mask(message: &mut [u8]) -> Option<Range<usize>> {
    let (mut call_id, mut line, mut has_digits) = (None, Line::Other, false);
    let mut at = 0;
    while at < message.len() {
        let end = memchr::memchr(b'\n', &message[at..]).map_or(message.len(), |length| at + length + 1);
        let text = &message[at..end];
        let is_folded = matches!(text.first(), Some(b' ' | b'\t'));
        if !is_folded {
            if text.trim_ascii().is_empty() && at > 0 {
                mask_body(&mut message[end..], has_digits);
                return call_id;
            }
            line = Line::Other;
            if let Some(colon) = memchr::memchr(b':', text) {
                let (name, value) = (text[..colon].trim_ascii().to_ascii_lowercase(), text[colon + 1..].trim_ascii());
                match name.as_slice() {
                    b"authorization" | b"proxy-authorization" => line = Line::Credentials,
                    b"call-id" | b"i" if call_id.is_none() => call_id = place_of(value, text, at),
                    b"content-type" | b"c" => has_digits = value.to_ascii_lowercase().starts_with(b"application/dtmf"),
                    _ => {}
                }
            }
        }
        if line == Line::Credentials {
            let from = if is_folded { at } else { memchr::memchr(b':', &message[at..end]).map_or(end, |colon| at + colon + 1) };
            hide(&mut message[from..end]);
        }
        at = end;
    }
    call_id
}

fn place_of(value: &[u8], line: &[u8], line_at: usize) -> Option<Range<usize>> {
    let from = line_at + line.iter().rposition(|byte| value.last() == Some(byte))? + 1 - value.len();
    (1..=MAX_CALL_ID_BYTES).contains(&value.len()).then(|| from..from + value.len())
}

fn mask_body(body: &mut [u8], has_digits: bool) {
    if has_digits {
        return hide(body);
    }
    // RFC 4568 section 9.1: `a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY|…`; RFC 8839 section 5.4: `a=ice-pwd:PASSWORD`.
    for line in body.split_mut(|byte| *byte == b'\n') {
        let lower = line.to_ascii_lowercase();
        if lower.starts_with(b"a=ice-pwd:") {
            hide(&mut line[b"a=ice-pwd:".len()..]);
        } else if lower.starts_with(b"a=crypto:")
            && let Some(key) = memchr::memmem::find(line, b"inline:")
        {
            hide(&mut line[key + b"inline:".len()..]);
        }
    }
}

fn hide(secret: &mut [u8]) {
    secret.iter_mut().filter(|byte| !byte.is_ascii_whitespace()).for_each(|byte| *byte = b'*');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(message: &str) -> (String, Option<String>) {
        let mut bytes = message.as_bytes().to_vec();
        let call_id = mask(&mut bytes).map(|place| String::from_utf8(bytes[place].to_vec()).unwrap());
        (String::from_utf8(bytes).unwrap(), call_id)
    }

    #[test]
    fn credentials_are_masked_in_every_spelling_and_lengths_stay() {
        let (text, call_id) = masked(
            "REGISTER sip:h SIP/2.0\r\nAUTHORIZATION : Digest u=\"a\",\r\n\tresponse=\"s\"\r\nI:  a b@c \r\nproxy-authorization:x\r\nTo: <sip:a@h>\r\n\r\nAuthorization: body",
        );
        assert_eq!(
            text,
            "REGISTER sip:h SIP/2.0\r\nAUTHORIZATION : ****** ******\r\n\t************\r\nI:  a b@c \r\nproxy-authorization:*\r\nTo: <sip:a@h>\r\n\r\nAuthorization: body"
        );
        assert_eq!(call_id.as_deref(), Some("a b@c"));
    }

    #[test]
    fn keys_of_srtp_and_digits_are_masked() {
        let (text, _) = masked(
            "INVITE sip:h SIP/2.0\nc: application/sdp\n\nv=0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc+/=|2^20\nm=audio",
        );
        assert!(text.ends_with("v=0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***********\nm=audio"), "{text}");
        let (text, _) = masked("INVITE sip:h SIP/2.0\r\n\r\nv=0\r\na=ice-ufrag:a\r\nA=ICE-PWD:secret\r\na=mid:0\r\n");
        assert!(text.ends_with("a=ice-ufrag:a\r\nA=ICE-PWD:******\r\na=mid:0\r\n"), "{text}");
        let (text, _) = masked("INFO sip:h SIP/2.0\r\nContent-Type: application/DTMF-relay\r\n\r\nSignal=5\r\nDuration=160\r\n");
        assert!(text.ends_with("\r\n\r\n********\r\n************\r\n"), "{text}");
    }

    #[test]
    fn anything_at_all_can_be_captured() {
        let (home, v6) = ("192.0.2.1:5060".parse().unwrap(), "[2001:db8::1]:5061".parse().unwrap());
        for message in [&b""[..], b"\r\n\r\n", b":", b"Call-ID:", b"Call-ID: \r\n\r\n", b"Authorization", &[0xFF; 70_000]] {
            let captured =
                Captured { source: home, destination: v6, transport: Transport::Tls, unix_us: 0, agent_id: 1, message };
            let packet = captured.to_hep3();
            assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), packet.len());
        }
    }
}
