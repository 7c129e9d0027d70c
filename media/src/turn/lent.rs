//! Places behind the server, and the two forms in which datagrams travel to and from there (RFC 8656 sections 11 and 12).
//!
//! A place behind the server is another one than the same address without it: a browser may be heard both ways. So it is
//! named by an address of its own, which no network gives: IPv6 with a scope that is a number of ours. Whoever sends looks
//! for that mark; nobody else has to know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::browser::{HEAD_BYTES, MAGIC_COOKIE};

/// The scope of places behind the server.
const MARK: u32 = 0x5455_524e;
/// What a Send indication has besides its data: header, an address of IPv6, the head of the data.
pub const MOST_FRAME_BYTES: usize = HEAD_BYTES + 4 + 20 + 4;
/// Channels have these numbers (section 12).
pub(super) const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x4fff;

const SEND_INDICATION: [u8; 2] = [0x00, 0x16];
const DATA_INDICATION: [u8; 2] = [0x00, 0x17];
const XOR_PEER_ADDRESS: u16 = 0x0012;
const DATA: u16 = 0x0013;

/// The name of a peer that is reached by the server.
#[must_use]
pub fn lent(peer: SocketAddr) -> SocketAddr {
    let ip = match peer.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    SocketAddrV6::new(ip, peer.port(), 0, MARK).into()
}

/// The peer that is meant by such a name; `None`: it is reached without the server.
#[must_use]
pub fn behind(place: SocketAddr) -> Option<SocketAddr> {
    match place {
        SocketAddr::V6(place) if place.scope_id() == MARK => {
            Some(SocketAddr::new(IpAddr::V6(*place.ip()).to_canonical(), place.port()))
        }
        _ => None,
    }
}

/// Where whoever is there is, with or without the server.
#[must_use]
pub fn seen(place: SocketAddr) -> SocketAddr {
    behind(place).unwrap_or(place)
}

/// What the server passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed<'a> {
    /// From the peer of that channel.
    ByChannel(u16, &'a [u8]),
    /// From that peer.
    From(SocketAddr, &'a [u8]),
}

/// Reads what the server passes on; `None` when it is something else, or malformed.
#[must_use]
pub fn passed(datagram: &[u8]) -> Option<Passed<'_>> {
    let [first, second, high, low, ..] = *datagram else { return None };
    let (kind, length) = (u16::from_be_bytes([first, second]), usize::from(u16::from_be_bytes([high, low])));
    if CHANNELS.contains(&kind) {
        return Some(Passed::ByChannel(kind, datagram.get(4..4 + length)?));
    }
    let (head, attributes) = datagram.split_first_chunk::<HEAD_BYTES>()?;
    if head[..2] != DATA_INDICATION || head[4..8] != MAGIC_COOKIE {
        return None;
    }
    let (mut attributes, mut peer, mut data) = (attributes.get(..length)?, None, None);
    while let Some(([kind_high, kind_low, high, low], rest)) = attributes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let value = rest.get(..length)?;
        match u16::from_be_bytes([*kind_high, *kind_low]) {
            XOR_PEER_ADDRESS if peer.is_none() => peer = Some(unmasked(value, head)?),
            DATA if data.is_none() => data = Some(value),
            _ => {}
        }
        attributes = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(Passed::From(peer?, data?))
}

/// An address with cookie and transaction over it (RFC 8489 section 14.2).
fn unmasked(value: &[u8], head: &[u8; HEAD_BYTES]) -> Option<SocketAddr> {
    let [_, family, high, low, ip @ ..] = value else { return None };
    let port = u16::from_be_bytes([high ^ head[4], low ^ head[5]]);
    let ip = match family {
        1 => IpAddr::V4(Ipv4Addr::from(masked(<[u8; 4]>::try_from(ip).ok()?, head))),
        2 => IpAddr::V6(Ipv6Addr::from(masked(<[u8; 16]>::try_from(ip).ok()?, head))),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn masked<const N: usize>(mut ip: [u8; N], head: &[u8; HEAD_BYTES]) -> [u8; N] {
    ip.iter_mut().zip(&head[4..]).for_each(|(byte, mask)| *byte ^= mask);
    ip
}

/// What the server is sent for the peer to get `data`: over a channel, or by an indication while there is none. `None`: more
/// than fits into `buffer`.
pub fn wrapped<'a>(peer: SocketAddr, channel: Option<u16>, data: &[u8], buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let length = u16::try_from(data.len()).ok()?.to_be_bytes();
    let mut frame = Frame { buffer, length: 0 };
    if let Some(channel) = channel {
        frame.put(&channel.to_be_bytes())?;
        frame.put(&length)?;
        frame.put(data)?;
        return Some(frame.done());
    }
    // Nobody answers an indication, so its transaction says nothing to anybody.
    let mut head = [0; HEAD_BYTES];
    head[..2].copy_from_slice(&SEND_INDICATION);
    head[4..8].copy_from_slice(&MAGIC_COOKIE);
    frame.put(&head)?;
    let [high, low] = peer.port().to_be_bytes();
    let port = [high ^ head[4], low ^ head[5]];
    frame.put(&XOR_PEER_ADDRESS.to_be_bytes())?;
    match peer.ip() {
        IpAddr::V4(ip) => {
            frame.put(&[0, 8, 0, 1])?;
            frame.put(&port)?;
            frame.put(&masked(ip.octets(), &head))?;
        }
        IpAddr::V6(ip) => {
            frame.put(&[0, 20, 0, 2])?;
            frame.put(&port)?;
            frame.put(&masked(ip.octets(), &head))?;
        }
    }
    frame.put(&DATA.to_be_bytes())?;
    frame.put(&length)?;
    frame.put(data)?;
    frame.put(&[0; 3][..data.len().next_multiple_of(4) - data.len()])?;
    let body = u16::try_from(frame.length - HEAD_BYTES).ok()?;
    frame.buffer[2..4].copy_from_slice(&body.to_be_bytes());
    Some(frame.done())
}

struct Frame<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Frame<'a> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.buffer.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    fn done(self) -> &'a [u8] {
        &self.buffer[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn a_place_behind_the_server_is_another_than_the_same_without_and_keeps_its_address() {
        for peer in ["192.0.2.7:4000", "[2001:db8::7]:4000"].map(at) {
            let place = lent(peer);
            assert!(place != peer && behind(place) == Some(peer) && behind(peer).is_none());
            assert_eq!((seen(place), seen(peer)), (peer, peer));
        }
        assert_eq!(behind(at("[fe80::1%3]:4000")), None);
    }

    #[test]
    fn what_is_wrapped_for_a_peer_is_read_as_from_it_when_the_server_turns_it_round() {
        let mut buffer = [0; 128];
        for peer in ["192.0.2.7:4000", "[2001:db8::7]:4000"].map(at) {
            for data in [&b""[..], b"a", b"four", b"seven b"] {
                let frame = wrapped(peer, None, data, &mut buffer).unwrap();
                assert!(frame.len().is_multiple_of(4) && frame.len() <= MOST_FRAME_BYTES + data.len() + 3);
                assert_eq!(passed(frame), None, "an indication to send is none that data came");
                let mut turned = frame.to_vec();
                turned[1] = 0x17;
                assert_eq!(passed(&turned), Some(Passed::From(peer, data)));
                let frame = wrapped(peer, Some(0x4001), data, &mut buffer).unwrap();
                assert_eq!((frame.len(), passed(frame)), (4 + data.len(), Some(Passed::ByChannel(0x4001, data))));
            }
        }
        assert_eq!(wrapped(at("192.0.2.7:4000"), Some(0x4001), &[0; 125], &mut buffer), None);
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        let mut buffer = [0; 128];
        let frame = wrapped(at("192.0.2.7:4000"), None, b"data", &mut buffer).unwrap();
        let mut turned = frame.to_vec();
        turned[1] = 0x17;
        for end in 0..turned.len() {
            assert_eq!(passed(&turned[..end]), None, "{end}");
        }
        for end in 0..8 {
            let frame = [0x40, 1, 0, 4, 1, 2, 3, 4];
            assert_eq!(passed(&frame[..end]), None, "{end}");
        }
    }
}
