//! Programs that calls may give their audio to, as a plan names them.

use std::net::IpAddr;

use crate::secret::Secret;

/// A program that hears calls over a WebSocket, and may speak in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioStream {
    /// Where it is.
    pub url: StreamUrl,
    /// How we prove ourselves there.
    pub token: Option<Secret>,
    /// Samples a second: 8,000 or 16,000.
    pub rate_hz: u32,
    /// Audio may go there in the clear although it is another machine.
    pub unencrypted: bool,
}

/// A `ws` or `wss` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamUrl {
    /// By TLS.
    pub secure: bool,
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Path and query, beginning with `/`.
    pub path: String,
}

impl StreamUrl {
    /// Reads `wss://host:port/path?query`. No user, no fragment, nothing that needs an escape.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match (text.strip_prefix("wss://"), text.strip_prefix("ws://")) {
            (Some(rest), _) => Self::behind_scheme(true, rest),
            (None, Some(rest)) => Self::behind_scheme(false, rest),
            (None, None) => None,
        }
    }

    /// Reads what stands behind `://`.
    pub(crate) fn behind_scheme(secure: bool, rest: &str) -> Option<Self> {
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let is_name =
            !host.is_empty() && host.len() <= 253 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:".contains(&b));
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@?".contains(&b);
        if !is_name || !path.bytes().all(is_plain) {
            return None;
        }
        let port = match port {
            None if secure => 443,
            None => 80,
            Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(Self { secure, host: host.to_owned(), port, path: format!("{slash}{path}") })
    }

    /// Whether it can only be on this machine, by how it is written.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// As it is written, with its port.
    #[must_use]
    pub fn text(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, written) in [
            ("ws://127.0.0.1:9000/calls?a=1", "ws://127.0.0.1:9000/calls?a=1"),
            ("wss://bots.example.com", "wss://bots.example.com:443/"),
            ("ws://localhost", "ws://localhost:80/"),
            ("ws://[::1]:7/x", "ws://[::1]:7/x"),
            ("wss://h?x=y", "wss://h:443/?x=y"),
        ] {
            assert_eq!(StreamUrl::parse(text).map(|url| url.text()).as_deref(), Some(written), "{text}");
        }
        for bad in [
            "",
            "http://a/",
            "ws://",
            "ws://u@h/",
            "wss://h:0/",
            "wss://h:x/",
            "wss://h/#f",
            "ws://h/ b",
            "ws://[x]/",
            "ws://[::1]7/",
        ] {
            assert_eq!(StreamUrl::parse(bad), None, "{bad}");
        }
        let here = |text: &str| StreamUrl::parse(text).unwrap().is_loopback();
        assert!(here("ws://127.8.0.1/") && here("ws://localhost/") && here("ws://[::1]/"));
        assert!(!here("ws://10.0.0.1/") && !here("ws://localhost.example.com/"));
    }
}
