//! The Via header (RFC 3261 section 20.42, RFC 3581).

use std::net::IpAddr;

use super::scan::Scanner;
use super::uri::{host_address, read_host_port};
use super::{Fault, Params};

/// One Via value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, `WS` or any other token, as written.
    pub transport: &'a str,
    /// The host of sent-by as written: an IPv6 address has its brackets.
    pub host: &'a str,
    /// The port of sent-by, if written.
    pub port: Option<u16>,
    /// All parameters.
    pub params: Params<'a>,
}

const MALFORMED: Fault = Fault::bad("Malformed Via header");

impl<'a> Via<'a> {
    /// Reads one Via value (no list).
    ///
    /// # Errors
    /// A 400; a 505 for another SIP version.
    pub fn parse(value: &'a str) -> Result<Self, Fault> {
        let (via, rest) = Self::parse_lenient(value)?;
        Ok(Self { params: Params::parse(rest).ok_or(MALFORMED)?, ..via })
    }

    /// Reads the part before the parameters, to answer a request whose Via has broken ones; gives the text of the
    /// parameters beside it.
    pub(super) fn parse_lenient(value: &'a str) -> Result<(Self, &'a str), Fault> {
        let mut scanner = Scanner::new(value);
        let protocol = part(&mut scanner, true)?;
        let version = part(&mut scanner, true)?;
        let transport = part(&mut scanner, false)?;
        if !protocol.eq_ignore_ascii_case("SIP") {
            return Err(MALFORMED);
        }
        if version != "2.0" {
            return Err(Fault { code: 505, reason: "SIP Version Not Supported" });
        }
        let before = scanner.rest().len();
        scanner.skip_lws();
        if scanner.rest().len() == before {
            return Err(MALFORMED);
        }
        let (host, port) = read_host_port(&mut scanner, true).ok_or(MALFORMED)?;
        scanner.skip_lws();
        Ok((Self { transport, host, port, params: Params::default() }, scanner.rest()))
    }

    /// The branch parameter.
    #[must_use]
    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }

    /// The `received` parameter as an address, with or without brackets (RFC 5118 section 4.5).
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        self.params.get("received").and_then(host_address)
    }

    /// The `rport` parameter: `Some(None)` when asked for, `Some(Some(port))` when filled in (RFC 3581).
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.get("rport").map(|port| port.parse().ok())
    }

    /// The host of sent-by as an address, when it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        host_address(self.host)
    }
}

/// A token and, unless it is the last, the slash after it, with white space around.
fn part<'a>(scanner: &mut Scanner<'a>, slash: bool) -> Result<&'a str, Fault> {
    scanner.skip_lws();
    let token = scanner.token().ok_or(MALFORMED)?;
    if slash {
        scanner.skip_lws();
        if !scanner.eat(b'/') {
            return Err(MALFORMED);
        }
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_folded_and_spaced_values() {
        let via = Via::parse("SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw").unwrap();
        assert_eq!((via.transport, via.host, via.port, via.branch()), ("UDP", "192.0.2.2", None, Some("390skdjuw")));
        let via = Via::parse("SIP/2.0/TLS [2001:db8::9:1] : 5062 ; received=2001:db8::9:255;rport").unwrap();
        assert_eq!((via.host, via.port, via.rport()), ("[2001:db8::9:1]", Some(5062), Some(None)));
        assert_eq!(via.received(), "2001:db8::9:255".parse().ok());
        let via = Via::parse("SIP/2.0/UDP h;received=[::1];rport=9").unwrap();
        assert_eq!((via.received(), via.rport()), ("::1".parse().ok(), Some(Some(9))));
    }

    #[test]
    fn refuses_broken_values() {
        for text in
            ["", "SIP/2.0/UDP", "SIP/2.0/UDP h;;", "SIP/2.0/UDP h:70000", "SIP/2.0/UDPh", "x/2.0/UDP h", "SIP/2.0/UDP [::1"]
        {
            assert_eq!(Via::parse(text).unwrap_err().code, 400, "{text}");
        }
        assert_eq!(Via::parse("SIP/7.0/UDP h").unwrap_err().code, 505);
        assert_eq!(Via::parse_lenient("SIP/2.0/UDP 192.0.2.15:6;;").unwrap().0.port, Some(6));
    }
}
