//! What a plan says about the switch towards the outside: addresses, peers, trunks.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use tandem_switch::name::TrunkName;

use crate::{
    identity::TrunkIdentity,
    listen::{Ice, TlsFiles, Turn},
    secret::Secret,
    trunk_calls::TrunkCalls,
    trunk_rules::TrunkRules,
};

/// Where the switch listens. A kind with no address is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// SIP over UDP.
    pub sip_udp: Vec<SocketAddr>,
    /// SIP over TCP.
    pub sip_tcp: Vec<SocketAddr>,
    /// SIP over TLS.
    pub sip_tls: Vec<SocketAddr>,
    /// HTTP: API, health and metrics; SIP over WebSocket.
    pub http: Vec<SocketAddr>,
    /// The same in TLS.
    pub https: Vec<SocketAddr>,
    /// Address that audio is sent from and received on.
    pub rtp_address: IpAddr,
    /// First and last port for audio.
    pub rtp_ports: (u16, u16),
    /// The first port that the audio of browsers shares, one for each media thread.
    pub rtp_shared: Option<u16>,
    /// Whether we check browsers, too.
    pub ice: Ice,
    /// Whoever lends an address to the ports that browsers share.
    pub turn: Option<Turn>,
    /// The address that other sides are told instead of the one listened on (behind NAT).
    pub advertise: Option<IpAddr>,
    /// Certificate chain and private key for TLS, as PEM files; made at first start when `None`.
    pub tls: Option<TlsFiles>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            sip_udp: Vec::new(),
            sip_tcp: Vec::new(),
            sip_tls: Vec::new(),
            http: Vec::new(),
            https: Vec::new(),
            rtp_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            rtp_ports: (20_000, 29_999),
            rtp_shared: None,
            ice: Ice::Lite,
            turn: None,
            advertise: None,
            tls: None,
        }
    }
}

impl Listen {
    /// The same ports on another address (`--bind ADDRESS`).
    #[must_use]
    pub fn on(mut self, address: IpAddr) -> Self {
        for list in [&mut self.sip_udp, &mut self.sip_tcp, &mut self.sip_tls, &mut self.http, &mut self.https] {
            list.iter_mut().for_each(|bind| bind.set_ip(address));
        }
        self.rtp_address = address;
        self
    }

    /// An address of SIP or audio that no peer could be told: it stands for all addresses of this machine, and
    /// `advertise` names none in its place.
    #[must_use]
    pub fn untold(&self) -> Option<IpAddr> {
        let sip = [&self.sip_udp, &self.sip_tcp, &self.sip_tls].into_iter().flatten().map(SocketAddr::ip);
        sip.chain([self.rtp_address]).find(|ip| ip.is_unspecified() && !self.tells(*ip))
    }

    fn tells(&self, instead_of: IpAddr) -> bool {
        self.advertise.is_some_and(|told| told.is_ipv4() == instead_of.is_ipv4() && !told.is_unspecified())
    }
}

/// How messages to a peer travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// An encrypted stream.
    Tls,
}

impl Transport {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The ways to a peer: a transport, or what the DNS says, or that with TLS only.
    pub(crate) const WAYS: &'static [&'static str] = &["udp", "tcp", "tls", "auto", "auto-tls"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls].into_iter().find(|t| t.as_str() == word)
    }
}

/// An audio format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// G.711 μ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722, wide band.
    G722,
    /// Opus.
    Opus,
    /// G.729, which is passed on only.
    G729,
}

impl Codec {
    pub(crate) const WORDS: &'static [&'static str] = &["pcmu", "pcma", "g722", "opus", "g729"];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
            Self::G722 => "g722",
            Self::Opus => "opus",
            Self::G729 => "g729",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Pcmu, Self::Pcma, Self::G722, Self::Opus].into_iter().find(|c| c.as_str() == word)
    }
}

/// Whether audio is encrypted (SRTP), with keys in the messages of the call (SDES) or by DTLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MediaKeys {
    /// What the plan does not say: what we offer is not encrypted, but to devices that come by WebSocket, which get DTLS.
    #[default]
    Usual,
    /// What we offer is not encrypted, whatever the device comes by.
    None,
    /// Always; who offers nothing else is refused.
    Sdes,
    /// When the other side offers it; what we offer is not encrypted.
    SdesOptional,
    /// Always, by DTLS; who offers nothing else is refused.
    Dtls,
}

impl MediaKeys {
    pub(crate) const WORDS: &'static [&'static str] = &["none", "sdes", "sdes-optional", "dtls"];

    /// Whether keys stand in messages.
    pub(crate) const fn are_written(self) -> bool {
        matches!(self, Self::Sdes | Self::SdesOptional)
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::None, Self::Sdes, Self::SdesOptional, Self::Dtls]
            .into_iter()
            .zip(Self::WORDS)
            .find(|(_, own)| **own == word)
            .map(|(keys, _)| keys)
    }
}

/// How keys reach a party beside telephone-event (RFC 4733), which is taken from everybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dtmf {
    /// As telephone-event where that was agreed, else as tones in the audio.
    #[default]
    Auto,
    /// By SIP INFO, always.
    Info,
    /// As tones in the audio, always.
    Tones,
}

impl Dtmf {
    pub(crate) const WORDS: &'static [&'static str] = &["auto", "info", "tones"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Auto, Self::Info, Self::Tones].into_iter().zip(Self::WORDS).find(|(_, own)| **own == word).map(|(way, _)| way)
    }
}

/// How a device proves its password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Digest {
    /// SHA-512-256 (RFC 8760).
    Sha512_256,
    /// SHA-256 (RFC 8760).
    Sha256,
    /// MD5: what every phone knows.
    Md5,
}

impl Digest {
    pub(crate) const WORDS: &'static [&'static str] = &["sha-512-256", "sha-256", "md5"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "sha-512-256" => Some(Self::Sha512_256),
            "sha-256" => Some(Self::Sha256),
            "md5" => Some(Self::Md5),
            _ => None,
        }
    }
}

/// The host that a trunk's calls go to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name to be looked up.
    Name(String),
}

/// `host:port`, `host`, `address:port` or `[v6]:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port; the transport's usual one when `None`.
    pub port: Option<u16>,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]")?,
            Host::Address(address) => write!(f, "{address}")?,
            Host::Name(name) => f.write_str(name)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl HostPort {
    /// The host as it stands in a URI.
    #[must_use]
    pub fn host_text(&self) -> String {
        Self { host: self.host.clone(), port: None }.to_string()
    }
}

impl FromStr for HostPort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if address.port() == 0 {
                Err(())
            } else {
                Ok(Self { host: Host::Address(address.ip()), port: Some(address.port()) })
            };
        }
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(Self { host: Host::Address(address), port: None });
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse::<u16>().ok().filter(|p| *p > 0).ok_or(())?)),
            None => (text, None),
        };
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        let last_is_word = name.rsplit('.').next().is_some_and(|l| l.bytes().any(|b| b.is_ascii_alphabetic()));
        if name.len() <= 253 && name.split('.').all(label) && last_is_word {
            Ok(Self { host: Host::Name(name.to_ascii_lowercase()), port })
        } else {
            Err(())
        }
    }
}

/// Where a trunk's calls go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// How; `None` when the DNS says (RFC 3263).
    pub transport: Option<Transport>,
    /// Nothing but TLS will do.
    pub secure: bool,
    /// Where to.
    pub address: HostPort,
}

/// A range of addresses: `192.0.2.0/24`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// Leading bits that count.
    pub prefix: u8,
}

impl Network {
    /// Whether the address lies in it. An IPv4 address in IPv6 clothes counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let address = address.to_canonical();
        let mask = if self.prefix == 0 { 0 } else { u128::MAX << (128 - u32::from(self.prefix)) };
        address.is_ipv4() == self.address.is_ipv4() && (bits(address) ^ bits(self.address)) & mask == 0
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| ())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(widest);
        if prefix <= widest { Ok(Self { address, prefix }) } else { Err(()) }
    }
}

/// How we prove ourselves to a trunk, and it to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub user: String,
    /// Where the password is.
    pub secret: Secret,
    /// The only realm that may ask for it; any of the carrier's when `None`.
    pub realm: Option<String>,
}

/// How a trunk's peer proves itself over TLS, and we to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkTls {
    /// What its certificate must be for; the peer's host when `None`.
    pub name: Option<Host>,
    /// File of the only authorities that count; those of the machine when `None`.
    pub authorities: Option<String>,
    /// What we show when we are asked.
    pub own: Option<TlsFiles>,
}

/// A carrier link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Its name.
    pub name: TrunkName,
    /// Addresses whose calls belong to it without a password.
    pub networks: Vec<Network>,
    /// Where our calls go; `None` for a trunk that only brings calls.
    pub peer: Option<Peer>,
    /// How the peer proves itself over TLS; by its host's name and the machine's authorities when `None`.
    pub tls: Option<TrunkTls>,
    /// User and password, when the other side asks for them.
    pub credentials: Option<Credentials>,
    /// Audio formats that are offered and taken, best first; all that the switch knows when empty.
    pub codecs: Vec<Codec>,
    /// Whether its audio is encrypted.
    pub media_keys: MediaKeys,
    /// How keys reach its parties.
    pub dtmf: Dtmf,
    /// Whether we register with the peer.
    pub register: bool,
    /// How often the peer is asked whether it lives, in ms.
    pub ping_ms: Option<u64>,
    /// Calls at most at one time, both ways.
    pub max_calls: u32,
    /// Whether it may have its calls transferred, by the routes that it may use.
    pub transfers: bool,
    /// Whether it may name another number for a call of ours, to be called through it by its rules.
    pub redirects: bool,
    /// Whether it takes callers back (REFER).
    pub takes_refer: bool,
    /// Whether it is trusted with who calls: believed, and told.
    pub trusts_identity: bool,
    /// What is done about signed caller ids.
    pub identity: TrunkIdentity,
    /// Calls that we begin per second at most; 0 for no bound.
    pub calls_per_s: u32,
    /// How long the first reply may take before the next address is tried, in ms.
    pub failover_ms: u64,
    /// The domain that our calls name as theirs and that is registered with; the peer's name when `None`.
    pub domain: Option<String>,
    /// What it does with numbers.
    pub rules: TrunkRules,
    /// What is particular to its calls.
    pub calls: TrunkCalls,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let net: Network = "192.0.2.0/24".parse().unwrap();
        assert!(net.contains("192.0.2.77".parse().unwrap()) && net.contains("::ffff:192.0.2.1".parse().unwrap()));
        assert!(!net.contains("192.0.3.1".parse().unwrap()) && !net.contains("::1".parse().unwrap()));
        let one: Network = "2001:db8::7".parse().unwrap();
        assert!(one.contains("2001:db8::7".parse().unwrap()) && !one.contains("2001:db8::8".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains("203.0.113.9".parse().unwrap()));
        assert!("192.0.2.0/33".parse::<Network>().is_err() && "here".parse::<Network>().is_err());
    }

    #[test]
    fn a_peer_is_an_address_or_a_name_with_or_without_port() {
        for (text, printed) in [
            ("127.0.0.3:5090", "127.0.0.3:5090"),
            ("[2001:db8::1]:5060", "[2001:db8::1]:5060"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("SIP.Carrier.example", "sip.carrier.example"),
            ("sip.carrier.example:5061", "sip.carrier.example:5061"),
        ] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), printed);
        }
        for bad in ["", ":5060", "a b", "host:0", "host:70000", "1.2.3", "-a.example", "user@host"] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
    }
}
