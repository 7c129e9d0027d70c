//! What an [`Endpoint`](super::Endpoint) is set up with.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

pub use crate::locate::Peer;
use crate::{digest::Algorithm, flow::Transport};

/// Settings that stay for the life of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Digest realm, and what passwords are hashed with.
    pub realm: String,
    /// Host names (without port) that are ours, beside the realm and the listeners' addresses: a
    /// REGISTER for any other domain is refused with 404. Empty: any domain is taken as ours.
    pub domains: Vec<String>,
    /// Value of `Server` and `User-Agent`; empty for neither.
    pub product: String,
    /// The sockets we listen on. The first of a transport and address family is used for what we
    /// send on our own.
    pub listeners: Vec<Listener>,
    /// Base timers of RFC 3261 section 17.
    pub timers: BaseTimers,
    /// Bounds on registrations.
    pub registration: RegistrationLimits,
    /// Bounds on subscriptions.
    pub subscriptions: SubscriptionLimits,
    /// Bounds on everything else.
    pub limits: Limits,
    /// What devices are challenged with, best first (RFC 8760 section 2.3).
    pub digest: Vec<Algorithm>,
    /// How long a digest nonce can be used.
    pub nonce_lifetime: Duration,
    /// How long an outgoing invitation may ring before it is given up for good, should the program
    /// not end it earlier (timer C, RFC 3261 section 16.6).
    pub longest_ring: Duration,
    /// When progress of incoming invitations is reliable (RFC 3262).
    pub reliable_progress: ReliableProgress,
    /// Session timers (RFC 4028).
    pub session: SessionTimers,
}

impl EndpointConfig {
    /// The usual settings for one realm and a set of listeners.
    #[must_use]
    pub fn new(realm: impl Into<String>, listeners: Vec<Listener>) -> Self {
        Self {
            realm: realm.into(),
            domains: Vec::new(),
            product: "Tandem".to_owned(),
            listeners,
            timers: BaseTimers::default(),
            registration: RegistrationLimits::default(),
            subscriptions: SubscriptionLimits::default(),
            limits: Limits::default(),
            digest: vec![Algorithm::Sha256, Algorithm::Md5],
            nonce_lifetime: Duration::from_secs(300),
            longest_ring: Duration::from_secs(900),
            reliable_progress: ReliableProgress::EarlyMedia,
            session: SessionTimers::default(),
        }
    }
}

/// When a provisional reply of ours asks for a PRACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReliableProgress {
    /// Only for callers that require it.
    WhenRequired,
    /// Also with early media, for callers that can do it: a lost 183 would be silence.
    EarlyMedia,
}

/// How long a session lives without a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimers {
    /// What we ask for and at most agree to, in seconds; 0 asks for nothing, and agrees to what others
    /// ask for.
    pub expires_s: u32,
    /// Shorter wishes get 422, in seconds; 90 at least.
    pub min_s: u32,
}

impl Default for SessionTimers {
    fn default() -> Self {
        Self { expires_s: 1_800, min_s: 90 }
    }
}

/// A socket we listen on.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Over what.
    pub transport: Transport,
    /// The address it is bound to, as it shows up in [`Flow::local`](crate::flow::Flow).
    pub bound: SocketAddr,
    /// The address that others reach it by: goes into Via and Contact.
    pub advertised: SocketAddr,
}

impl Listener {
    /// A listener that is reached where it is bound.
    #[must_use]
    pub const fn new(transport: Transport, address: SocketAddr) -> Self {
        Self { transport, bound: address, advertised: address }
    }
}

/// RFC 3261 table 4.
#[derive(Clone, Copy, Debug)]
pub struct BaseTimers {
    /// Round-trip estimate; 500 ms.
    pub t1: Duration,
    /// Longest retransmission interval; 4 s.
    pub t2: Duration,
    /// How long a message may stay in the network; 5 s.
    pub t4: Duration,
}

impl Default for BaseTimers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

/// Bounds on registrations.
#[derive(Clone, Copy, Debug)]
pub struct RegistrationLimits {
    /// Shorter wishes get 423, in seconds.
    pub min_expires_s: u32,
    /// For devices that do not say, in seconds.
    pub default_expires_s: u32,
    /// Longer wishes are cut to this, in seconds.
    pub max_expires_s: u32,
}

impl Default for RegistrationLimits {
    fn default() -> Self {
        Self { min_expires_s: 60, default_expires_s: 3_600, max_expires_s: 7_200 }
    }
}

/// Bounds on subscriptions (RFC 6665).
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionLimits {
    /// Shorter wishes get 423, in seconds.
    pub min_expires_s: u32,
    /// For watchers that do not say, in seconds.
    pub default_expires_s: u32,
    /// Longer wishes are cut to this, in seconds.
    pub max_expires_s: u32,
    /// Subscriptions of one account; above it new ones get 403.
    pub most_per_watcher: usize,
    /// Subscriptions to one account; above it new ones get 503.
    pub most_per_resource: usize,
    /// Subscriptions in all; above it new ones get 503.
    pub most: usize,
    /// The least time between two NOTIFYs of one subscription, in ms; what happens meanwhile is told in one.
    pub notify_interval_ms: u64,
}

impl Default for SubscriptionLimits {
    fn default() -> Self {
        Self {
            min_expires_s: 60,
            default_expires_s: 3_600,
            max_expires_s: 7_200,
            most_per_watcher: 256,
            most_per_resource: 512,
            most: 20_000,
            notify_interval_ms: 200,
        }
    }
}

/// Bounds on state and on what strangers may ask.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Client and server transactions together; above it new requests get 503.
    pub max_transactions: usize,
    /// Dialogs; above it new INVITEs get 503.
    pub max_dialogs: usize,
    /// Longer messages are refused with 513, in bytes.
    pub max_message_bytes: usize,
    /// How many refusals (challenges count) one address that is no trunk gets per second. Whatever
    /// else it sends is dropped; a request with a right password is served all the same.
    pub stranger_rate_per_s: u32,
    /// And at once.
    pub stranger_burst: u32,
    /// How many such addresses are remembered; the oldest gives way.
    pub max_strangers: usize,
    /// How many MESSAGEs one account may send per second; above it they get 480.
    pub message_rate_per_s: u32,
    /// And at once.
    pub message_burst: u32,
    /// `Retry-After` of our 503, and of that 480, in seconds.
    pub retry_after_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_transactions: 400_000,
            max_dialogs: 40_000,
            max_message_bytes: 65_535,
            stranger_rate_per_s: 100,
            stranger_burst: 500,
            max_strangers: 4_096,
            message_rate_per_s: 2,
            message_burst: 20,
            retry_after_s: 5,
        }
    }
}

/// A carrier link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trunk {
    /// Its name.
    pub name: Arc<str>,
    /// Where its calls go: by rank and weight, those that failed lately last. May be empty until
    /// [`SetPeers`](super::Command::SetPeers) brings them.
    pub peers: Vec<Peer>,
    /// Whose calls are its: no digest is asked of them. The peers' addresses count without being
    /// repeated here.
    pub from: Vec<PeerMatch>,
    /// What we answer its challenges with, and what its calls are asked for where it `challenges`.
    pub credentials: Option<TrunkCredentials>,
    /// Host part of From, and the domain that is registered with; the peer's address when `None`.
    pub from_domain: Option<String>,
    /// What stands behind the `@` of a Request-URI: `carrier.example:5070;transport=tcp`. The peer's address when
    /// `None`. A name that was looked up stays a name (RFC 3263 section 4).
    pub authority: Option<String>,
    /// How long the first reply to an INVITE, a REGISTER or a ping may take before the next peer is tried; 0 for
    /// as long as the transaction lives.
    pub patience_ms: u32,
    /// Seconds between pings (OPTIONS); 0 for none (the trunk then counts as up).
    pub options_ping_s: u32,
    /// Calls at a time in both directions; 0 for no bound.
    pub max_calls: usize,
    /// Calls that we begin per second at most, after as many at once; 0 for no bound.
    pub calls_per_s: u32,
    /// Register with the carrier (needs credentials).
    pub register: bool,
    /// What it may ask for.
    pub rights: Rights,
    /// What our answers to its challenges say that they are for.
    pub digest_uri: DigestUri,
    /// New calls of it must prove the password of `credentials` (407), beside coming from its addresses.
    pub challenges: bool,
    /// It takes changes of a running call. If not, it is sent no re-INVITE and no UPDATE: new offers of the program are
    /// refused with 488, and we refresh none of its sessions.
    pub takes_changes: bool,
    /// Headers of its INVITE and BYE that the program is told, as [`ToldHeader`](super::ToldHeader).
    pub tells: Vec<Arc<str>>,
}

/// What a digest is computed for (RFC 3261 section 22.4: the Request-URI; some carriers compare less of it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestUri {
    /// The Request-URI as it is sent.
    #[default]
    Whole,
    /// `sip:user@host` of it, which is also what To says.
    UserHost,
}

/// What a party may ask for beyond plain calls. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Have its calls transferred (REFER), and for an account also take the place of another (Replaces).
    /// Whoever may do so can have any number called that the program lets them call.
    pub transfers: bool,
    /// For a trunk: it is trusted with who calls. What it says of that is believed (RFC 3325), and it is told.
    pub identity: bool,
}

impl Trunk {
    /// A trunk without credentials, pings and bounds.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, peers: Vec<Peer>) -> Self {
        Self {
            name: name.into(),
            peers,
            from: Vec::new(),
            credentials: None,
            from_domain: None,
            authority: None,
            patience_ms: 4_000,
            options_ping_s: 0,
            max_calls: 0,
            calls_per_s: 0,
            register: false,
            rights: Rights::default(),
            digest_uri: DigestUri::Whole,
            challenges: false,
            takes_changes: true,
            tells: Vec::new(),
        }
    }
}

/// Whose calls are a trunk's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerMatch {
    /// From this address.
    pub ip: IpAddr,
    /// Leading bits of it that count: 32 or 128 for this address alone.
    pub prefix: u8,
    /// From this port only.
    pub port: Option<u16>,
    /// Over this only.
    pub transport: Option<Transport>,
}

impl PeerMatch {
    /// Whether it means one address only.
    pub(super) const fn is_single(&self) -> bool {
        self.prefix >= if self.ip.is_ipv4() { 32 } else { 128 }
    }

    /// Whether an address lies in it.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let mask = if self.prefix == 0 { 0 } else { u128::MAX << (128 - u32::from(self.prefix.min(128))) };
        self.ip.is_ipv4() == address.is_ipv4() && (bits(self.ip) ^ bits(address)) & mask == 0
    }
}

/// What we answer a carrier's challenges with.
#[derive(Clone, PartialEq, Eq)]
pub struct TrunkCredentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// The only realm they are for; with `None`, any that the trunk's own addresses ask for.
    pub realm: Option<String>,
}

impl std::fmt::Debug for TrunkCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TrunkCredentials")
    }
}
