//! Where the other side may be (RFC 8839 section 5.1), as far as we can check it: addresses for UDP. What stands behind a
//! name (mDNS) or goes by TCP is skipped; whoever is there checks us, and is found by that.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// More candidates of a section are skipped.
pub(super) const MOST_CANDIDATES: usize = 32;

/// A place where the other side may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaCandidate {
    /// Its address.
    pub address: SocketAddr,
    /// Its priority, from 1 to 2³¹ − 1.
    pub priority: u32,
}

impl MediaCandidate {
    /// `foundation component transport priority address port typ type …`; `None`: malformed, or of no use.
    pub(super) fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let (foundation, component, transport) = (words.next()?, words.next()?, words.next()?);
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let is_sound = (1..=32).contains(&foundation.len()) && foundation.bytes().all(is_letter);
        // RTCP shares the port.
        if !is_sound || component != "1" || !transport.eq_ignore_ascii_case("udp") {
            return None;
        }
        let priority = words.next()?.parse().ok()?;
        let (ip, port): (IpAddr, u16) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let is_known = words.next()? == "typ" && matches!(words.next()?, "host" | "srflx" | "prflx" | "relay");
        let is_link_local = matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local());
        let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
        let is_place = port != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast && !is_link_local;
        let is_priority = (1..1 << 31).contains(&priority);
        (is_known && is_place && is_priority).then_some(Self { address: SocketAddr::new(ip, port), priority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_for_udp_are_candidates_and_nothing_else_is() {
        for (line, expected) in [
            ("1 1 UDP 2130706431 192.0.2.1 4000 typ host", Some("192.0.2.1:4000 2130706431")),
            ("a+/9 1 udp 1 2001:db8::1 9 typ relay raddr 10.0.0.1 rport 1 generation 0", Some("[2001:db8::1]:9 1")),
            ("1 1 udp 2113937151 6f0f3d10-aaaa.local 50000 typ host", None),
            ("1 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active", None),
            ("1 2 udp 2130706430 192.0.2.1 4001 typ host", None),
            ("1 1 udp 0 192.0.2.1 4000 typ host", None),
            ("1 1 udp 2147483648 192.0.2.1 4000 typ host", None),
            ("1 1 udp 1 192.0.2.1 0 typ host", None),
            ("1 1 udp 1 192.0.2.1 4000 typ new", None),
            ("1 1 udp 1 192.0.2.1 4000", None),
            ("1 1 udp 1 224.0.0.1 4000 typ host", None),
            ("1 1 udp 1 255.255.255.255 4000 typ host", None),
            ("1 1 udp 1 0.0.0.0 4000 typ host", None),
            ("1 1 udp 1 fe80::1 4000 typ host", None),
            ("a-b 1 udp 1 192.0.2.1 4000 typ host", None),
            ("", None),
        ] {
            let read = MediaCandidate::read(line).map(|read| format!("{} {}", read.address, read.priority));
            assert_eq!(read.as_deref(), expected, "{line}");
        }
    }
}
