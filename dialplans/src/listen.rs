//! What stands in `listen` besides addresses.

use std::net::{IpAddr, SocketAddr};

use crate::secret::Secret;

/// Who looks for the way that audio with ICE goes (RFC 8445).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ice {
    /// The other side; we look for those who do not look themselves.
    #[default]
    Lite,
    /// Both.
    Full,
}

impl Ice {
    pub(crate) const WORDS: &'static [&'static str] = &["lite", "full"];

    pub(crate) fn from_word(word: &str) -> Self {
        if word == "full" { Self::Full } else { Self::Lite }
    }
}

/// Names of PEM files, relative to the folder of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// A TURN server (RFC 8656) that lends addresses to the audio of browsers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its name or address.
    pub host: String,
    /// Its port, by UDP.
    pub port: u16,
    /// Our name.
    pub user: String,
    /// Our password.
    pub secret: Secret,
}

impl Turn {
    /// The port of a server that names none (RFC 8656 section 6).
    const PORT: u16 = 3_478;

    /// Host and port of `name`, `name:port`, `address`, `address:port` or `[address]:port`.
    pub(crate) fn host_and_port(written: &str) -> Option<(String, u16)> {
        if let Ok(address) = written.parse::<IpAddr>() {
            return Some((address.to_string(), Self::PORT));
        }
        if let Ok(address) = written.parse::<SocketAddr>() {
            return (address.port() > 0).then(|| (address.ip().to_string(), address.port()));
        }
        let (host, port) = match written.split_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
            None => (written, Self::PORT),
        };
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let is_name = host.len() <= 253 && host.split('.').all(is_label) && !host.ends_with(|c: char| c.is_ascii_digit());
        is_name.then(|| (host.to_owned(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_name_or_an_address_with_or_without_a_port() {
        let read = |written| Turn::host_and_port(written).map(|(host, port)| format!("{host} {port}"));
        for (written, expected) in [
            ("turn.example.net", "turn.example.net 3478"),
            ("turn.example.net:443", "turn.example.net 443"),
            ("192.0.2.1", "192.0.2.1 3478"),
            ("192.0.2.1:3479", "192.0.2.1 3479"),
            ("2001:db8::1", "2001:db8::1 3478"),
            ("[2001:db8::1]:3479", "2001:db8::1 3479"),
        ] {
            assert_eq!(read(written).as_deref(), Some(expected));
        }
        for written in
            ["", ":3478", "turn:turn.example.net", "a b", "a..b", "turn.example.net:0", "turn.example.net:70000", "192.0.2.256"]
        {
            assert_eq!(read(written), None, "{written}");
        }
    }
}
