//! Where the switch goes by a URL that somebody gave it: never to this machine or its networks, unless whoever started it
//! says so.
//!
//! A name is resolved, every address is looked at, and what was looked at is what is connected to: a name that leads somewhere
//! else a moment later leads nowhere. Redirects are nobody's to follow.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use tandem_dialplan::Network;

/// How far requests of the switch may go. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    allowed: Arc<[Network]>,
}

impl Reach {
    /// The public Internet, and these networks.
    #[must_use]
    pub fn new(allowed: Vec<Network>) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Whether an address may be connected to. Without TLS nothing goes further than the networks that were named.
    #[must_use]
    pub fn allows(&self, address: IpAddr, is_secure: bool) -> bool {
        (is_secure && is_public(address)) || self.allowed.iter().any(|network| network.contains(address))
    }

    /// The addresses of a host that may be connected to.
    ///
    /// # Errors
    /// There are none, and why.
    pub async fn resolve(&self, host: &str, port: u16, is_secure: bool) -> io::Result<Vec<SocketAddr>> {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        let allowed: Vec<SocketAddr> = found.iter().copied().filter(|at| self.allows(at.ip(), is_secure)).collect();
        match (allowed.is_empty(), found.first()) {
            (false, _) => Ok(allowed),
            (true, Some(at)) if !is_secure && is_public(at.ip()) => {
                Err(refused(format!("{host} is outside and http is not secure: use https")))
            }
            // The address is not told: whoever gave the name learns nothing of the networks here.
            (true, Some(_)) => Err(refused(format!("{host} is in a network that `tandem serve --reach` does not name"))),
            (true, None) => Err(refused(format!("{host} has no address"))),
        }
    }
}

/// A network on the command line.
///
/// # Errors
/// It is none; what one looks like.
pub fn network(text: &str) -> Result<Network, String> {
    text.parse().map_err(|()| "expected a network like 10.1.0.0/16, or one address".to_owned())
}

fn refused(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

/// Whether an address is one of the public Internet (RFC 6890 and its registries), and not one in which another hides.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = matches!((a, b, c), (0 | 10 | 127, ..) | (100, 64..=127, _) | (169, 254, _) | (172, 16..=31, _))
        || matches!(
            (a, b, c),
            (192, 0, 0 | 2) | (192, 88, 99) | (192, 168, _) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113)
        );
    !special && a < 224
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, ..] = v6.segments();
    // Global unicast without Teredo and its neighbours, documentation, and 6to4.
    let special = (a == 0x2001 && (b < 0x200 || b == 0xDB8)) || a == 0x2002 || (a == 0x3FFF && b < 0x1000);
    (0x2000..0x4000).contains(&a) && !special
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_reached() {
        for address in ["1.1.1.1", "192.0.1.1", "172.32.0.1", "100.63.0.1", "223.255.255.1", "2606:4700::1111", "2a00::1"] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "64:ff9b::a00:1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::",
            "fc00::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn networks_of_ours_are_reached_only_where_they_were_named() {
        let none = Reach::default();
        let here = Reach::new(vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        for host in ["127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1"] {
            assert!(none.resolve(host, 80, false).await.is_err() && none.resolve(host, 443, true).await.is_err(), "{host}");
            assert!(here.resolve(host, 80, false).await.is_ok(), "{host}");
        }
        assert!(here.resolve("10.0.0.1", 443, true).await.is_err(), "another one");
        assert!(none.resolve("1.1.1.1", 443, true).await.is_ok());
        let plain = none.resolve("1.1.1.1", 80, false).await.unwrap_err();
        assert!(plain.to_string().contains("use https"), "{plain}");
    }
}
