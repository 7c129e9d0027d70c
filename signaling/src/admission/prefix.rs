//! Whom an address counts for: itself in IPv4, its /64 in IPv6, where one customer has a whole one.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// The bits of an IPv6 address that tell customers apart.
const V6_BITS: u32 = 64;

/// One source, as it is counted and banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(IpAddr);

impl Prefix {
    /// The source that an address belongs to. An IPv4 address in IPv6 clothes counts as IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - V6_BITS))))),
            v4 => Self(v4),
        }
    }

    /// Its first address.
    #[must_use]
    pub const fn first(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => write!(f, "{v4}"),
            IpAddr::V6(v6) => write!(f, "{v6}/{V6_BITS}"),
        }
    }
}

impl FromStr for Prefix {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = text.strip_suffix("/64").or_else(|| text.strip_suffix("/32")).unwrap_or(text);
        Ok(Self::of(address.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_customer_is_one_source_and_an_ipv4_address_another() {
        let prefix = |text: &str| text.parse::<Prefix>().unwrap();
        assert_eq!(prefix("2001:db8:1:2:3::4"), prefix("2001:db8:1:2::/64"));
        assert_ne!(prefix("2001:db8:1:2::1"), prefix("2001:db8:1:3::1"));
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.2.2"));
        assert_eq!(prefix("::ffff:192.0.2.1"), prefix("192.0.2.1"));
        assert_eq!(prefix("2001:db8:1:2:3::4").to_string(), "2001:db8:1:2::/64");
        assert_eq!(prefix("192.0.2.1").to_string(), "192.0.2.1");
        assert!("here".parse::<Prefix>().is_err());
    }
}
