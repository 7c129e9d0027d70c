//! Answers STUN binding requests that come to the SIP port: how a device behind a NAT keeps its way to us open, and
//! learns that we are there (RFC 5626 section 4.4.2, RFC 8489 section 14.2).
//!
//! Nothing else of STUN: no credentials, no ICE. An answer is at most 2.2 times as long as its request, and goes to
//! nobody but whoever it came from.

use std::net::{IpAddr, SocketAddr};

use bytes::{BufMut as _, Bytes, BytesMut};

/// What tells STUN from SIP on one port (RFC 8489 section 5).
const COOKIE: u32 = 0x2112_A442;
const HEAD_BYTES: usize = 20;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
/// Attributes that a peer may ignore begin here.
const OPTIONAL_FROM: u16 = 0x8000;
/// Required attributes that change nothing here: names and proofs that we do not ask for.
const HARMLESS: [u16; 3] = [0x0006, 0x0008, 0x0024];

/// Whether a datagram is STUN and no SIP.
#[must_use]
pub fn is_stun(datagram: &[u8]) -> bool {
    let cookie = datagram.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    datagram.len() >= HEAD_BYTES && datagram.first().is_some_and(|byte| *byte < 4) && cookie == Some(COOKIE)
}

/// The answer to a datagram from `source`; `None` when it is no binding request, or malformed: nobody answers that.
#[must_use]
pub fn answer(datagram: &[u8], source: SocketAddr) -> Option<Bytes> {
    let word = |at: usize| datagram.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes);
    let (kind, length) = (word(0)?, usize::from(word(2)?));
    if !is_stun(datagram) || kind != BINDING_REQUEST || length % 4 != 0 || datagram.len() != HEAD_BYTES + length {
        return None;
    }
    let unknown = unknown_attributes(datagram.get(HEAD_BYTES..)?)?;
    let mut attributes = BytesMut::new();
    let kind = if unknown.is_empty() {
        mapped_address(&mut attributes, source, datagram.get(4..HEAD_BYTES)?);
        BINDING_SUCCESS
    } else {
        // 420 (RFC 8489 section 6.3.1), with the attributes that it is about.
        attribute(&mut attributes, ERROR_CODE, &[0, 0, 4, 20]);
        let named: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        attribute(&mut attributes, UNKNOWN_ATTRIBUTES, &named);
        BINDING_ERROR
    };
    let mut out = BytesMut::with_capacity(HEAD_BYTES + attributes.len());
    out.put_u16(kind);
    out.put_u16(u16::try_from(attributes.len()).ok()?);
    out.put_slice(datagram.get(4..HEAD_BYTES)?);
    out.put_slice(&attributes);
    Some(out.freeze())
}

/// The attributes that we would have to understand and do not; `None` when they cannot be told apart.
fn unknown_attributes(mut rest: &[u8]) -> Option<Vec<u16>> {
    let mut unknown = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let [a, b, c, d] = *head;
        let (kind, length) = (u16::from_be_bytes([a, b]), usize::from(u16::from_be_bytes([c, d])));
        if kind < OPTIONAL_FROM && !HARMLESS.contains(&kind) {
            unknown.push(kind);
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
    rest.is_empty().then_some(unknown)
}

/// The source, hidden from NATs that rewrite whatever looks like an address (RFC 8489 section 14.2).
fn mapped_address(out: &mut BytesMut, source: SocketAddr, key: &[u8]) {
    let [high, low] = source.port().to_be_bytes();
    let xor = |address: &[u8]| -> Vec<u8> { address.iter().zip(key).map(|(byte, key)| byte ^ key).collect() };
    let (family, address) = match source.ip().to_canonical() {
        IpAddr::V4(v4) => (1, xor(&v4.octets())),
        IpAddr::V6(v6) => (2, xor(&v6.octets())),
    };
    let [first, second, ..] = COOKIE.to_be_bytes();
    let mut value = vec![0, family, high ^ first, low ^ second];
    value.extend(address);
    attribute(out, XOR_MAPPED_ADDRESS, &value);
}

fn attribute(out: &mut BytesMut, kind: u16, value: &[u8]) {
    out.put_u16(kind);
    out.put_u16(u16::try_from(value.len()).unwrap_or_default());
    out.put_slice(value);
    out.put_bytes(0, value.len().next_multiple_of(4) - value.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request with these attributes.
    fn request(attributes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(attributes.len()).unwrap();
        [&[0, 1, 0, length, 0x21, 0x12, 0xA4, 0x42][..], b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae", attributes].concat()
    }

    fn answered(attributes: &[u8], source: &str) -> Option<String> {
        let bytes = answer(&request(attributes), source.parse().unwrap())?;
        Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    #[test]
    fn a_binding_request_is_answered_with_the_address_it_came_from() {
        // The addresses of RFC 5769 sections 2.2 and 2.3.
        let head = "2112a442b7e7a701bc34d686fa87dfae";
        let v4 = answered(&[], "192.0.2.1:32853").unwrap();
        assert_eq!(v4, format!("0101000c{head}002000080001a147e112a643"));
        let v6 = answered(&[], "[2001:db8:1234:5678:11:2233:4455:6677]:32853").unwrap();
        assert_eq!(v6, format!("01010018{head}002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"));
        assert!(v6.len() / 2 <= 20 * 22 / 10, "no amplifier");
        // SOFTWARE with padding, USERNAME, FINGERPRINT: no reason to refuse.
        let more = b"\x80\x22\x00\x03abc\x00\x00\x06\x00\x01a\x00\x00\x00\x80\x28\x00\x04\x01\x02\x03\x04";
        assert_eq!(answered(more, "192.0.2.1:32853"), Some(v4));
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_named() {
        // CHANGE-REQUEST of RFC 3489 would make us send to somebody else.
        let refused = answered(b"\x00\x03\x00\x04\x00\x00\x00\x06", "192.0.2.1:9").unwrap();
        assert!(refused.starts_with("01110010") && refused.ends_with("0009000400000414000a000200030000"), "{refused}");
    }

    #[test]
    fn what_is_no_binding_request_is_not_answered() {
        let source = "192.0.2.1:9".parse().unwrap();
        let mut bad = vec![Vec::new(), b"OPTIONS sip:a@h SIP/2.0\r\n".to_vec(), b"\r\n\r\n".to_vec()];
        bad.push(request(&[]).split_last().unwrap().1.to_vec());
        bad.push([&request(&[])[..], b"x"].concat());
        for at in [0, 1, 3, 4] {
            let mut one = request(&[]);
            one[at] ^= 2;
            bad.push(one);
        }
        bad.push(request(b"\x80\x22\x00\x09abcd"));
        for datagram in bad {
            assert_eq!(answer(&datagram, source), None, "{datagram:?}");
        }
        assert!(is_stun(&request(&[])) && !is_stun(b"INVITE sip:a@h SIP/2.0"));
    }
}
