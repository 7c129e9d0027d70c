//! Finding the servers of a name (RFC 3263): which transport, which addresses, in which order.
//!
//! [`Locator`] is a core: it is told which places to watch, says what it wants to ask of the DNS, takes the
//! answers, and tells the peers of each place whenever they change. A place stays found while its records are
//! looked up again, and for a day when they cannot be (RFC 8767): a call never waits for a name server.
//!
//! `rules` holds section 4 of the RFC, `draw` the order among equals (RFC 2782). Not here: sockets, name
//! servers, and which of the peers is healthy.

mod draw;
mod rules;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    flow::Transport,
    message::{Scheme, Uri},
};

pub use draw::draw;

/// Questions that may be out at a time; more wait until some are answered.
const MOST_ASKED: usize = 64;
/// Answers that are kept; one more, and the one that ends first goes.
const MOST_KNOWN: usize = 4_096;
/// Records of one answer that are looked at.
const MOST_RECORDS: usize = 128;
/// Nothing is asked again sooner, whatever its time to live says.
const LEAST_FRESH: Duration = Duration::from_secs(5);
/// Nothing is believed for longer without asking again.
const MOST_FRESH: Duration = Duration::from_secs(3_600);
/// "There is no such record" is not believed for longer.
const MOST_ABSENT: Duration = Duration::from_secs(900);
/// After a failure it is tried again so soon, then after twice the time, up to [`MOST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(5);
const MOST_RETRY: Duration = Duration::from_secs(300);
/// A question that is not answered at all counts as failed.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long the last good answer is used when there is no better one.
const STALE_FOR: Duration = Duration::from_secs(86_400);

/// What is to be found: the parts of a SIP URI that say where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// A name, or an address (IPv6 without brackets).
    pub host: String,
    /// The port, when it is given.
    pub port: Option<u16>,
    /// The `transport` parameter, when it is given.
    pub transport: Option<Transport>,
    /// A `sips:` URI: nothing but TLS will do.
    pub secure: bool,
}

/// One address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Over what.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// All of a lower rank are tried before those of a higher one (the priority of RFC 2782).
    pub rank: u16,
    /// Share among those of its rank; in the order given when none has any.
    pub weight: u32,
}

impl Peer {
    /// A peer that is tried in the order in which it is listed.
    #[must_use]
    pub const fn new(transport: Transport, address: SocketAddr) -> Self {
        Self { transport, address, rank: 0, weight: 0 }
    }
}

/// What can be reached at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Transports that we speak, the preferred first: counts where the other side has no preference.
    pub transports: Vec<Transport>,
    /// IPv4 addresses are of use.
    pub ipv4: bool,
    /// IPv6 addresses are of use.
    pub ipv6: bool,
}

/// The kinds of records that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// Services of a domain (RFC 3403).
    Naptr,
    /// Servers of a service (RFC 2782).
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// One question to the DNS.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question {
    /// The name, in lower case and without the last dot.
    pub name: String,
    /// What is asked of it.
    pub kind: RecordKind,
}

/// What the DNS said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These records, aliases included.
    Records(Vec<Record>),
    /// There is no such name, or nothing of this kind.
    Nothing {
        /// For how long this may be believed, in seconds.
        ttl_s: u32,
    },
    /// No answer, or one that says nothing.
    Failed,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose.
    pub name: String,
    /// For how long it may be used, in seconds.
    pub ttl_s: u32,
    /// What it says.
    pub data: Data,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A server.
    Srv {
        /// The lowest is tried first.
        priority: u16,
        /// Share among those of one priority.
        weight: u16,
        /// Its port.
        port: u16,
        /// Its name; empty for "there is no such service".
        target: String,
    },
    /// A service.
    Naptr {
        /// The lowest comes first.
        order: u16,
        /// Among those of one order, the lowest comes first.
        preference: u16,
        /// `s` for one that leads to SRV records.
        flags: String,
        /// `SIP+D2U` and its like.
        services: String,
        /// A rewriting rule; such a record is not for us.
        has_regexp: bool,
        /// The name to ask next.
        replacement: String,
    },
    /// Another name for the same thing.
    Alias(String),
}

/// What a locator is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// These places are wanted from now on, each under a name, and no others.
    Watch(Vec<(Arc<str>, Place)>),
    /// The DNS answered a question, or did not.
    Answered {
        /// Which.
        question: Question,
        /// What it said.
        answer: Answer,
    },
    /// A deadline may have passed.
    Tick,
}

/// What a locator wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the DNS. To be answered by [`Input::Answered`].
    Ask(Question),
    /// The peers of a place were found, or changed; none when there are none.
    Found {
        /// The name it is watched under.
        name: Arc<str>,
        /// Its peers.
        peers: Vec<Peer>,
    },
}

/// Finds servers and keeps them found. See the module.
#[derive(Debug)]
pub struct Locator {
    reach: Reach,
    watched: Vec<Watched>,
    known: BTreeMap<Question, Known>,
    asked: BTreeMap<Question, Instant>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Watched {
    name: Arc<str>,
    place: Place,
    peers: Option<Vec<Peer>>,
    /// When the peers were last what the DNS said.
    good_at: Option<Instant>,
    /// When it is looked up again; `None` while it is, and for what needs no look-up.
    refresh_at: Option<Instant>,
    searching: bool,
}

/// An answer with the time until which it counts.
#[derive(Debug)]
struct Known {
    answer: Answer,
    until: Instant,
    /// Failures in a row.
    failures: u8,
}

impl Place {
    /// The place that a URI leads to; `None` for one that is not `sip:` or `sips:`, or names a transport that we
    /// do not know.
    #[must_use]
    pub fn of_uri(uri: &Uri<'_>) -> Option<Self> {
        let transport = match uri.transport() {
            Some(name) => Some(Transport::from_name(name)?),
            None => None,
        };
        let host = uri.host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
        uri.is_sip().then_some(Self { host, port: uri.port, transport, secure: uri.scheme == Scheme::Sips })
    }

    /// The peer, when the host is an address: then there is nothing to look up.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        let address: IpAddr = self.host.parse().ok()?;
        let transport = self.usual_transport();
        Some(Peer::new(transport, SocketAddr::new(address, self.port.unwrap_or(transport.default_port()))))
    }

    /// The transport when no service says another (RFC 3263 section 4.1). "sips:" with a transport in the clear is
    /// TLS over it (RFC 3261 section 26.2.2).
    fn usual_transport(&self) -> Transport {
        if self.secure { Transport::Tls } else { self.transport.unwrap_or(Transport::Udp) }
    }
}

impl Locator {
    /// A locator that watches nothing yet.
    #[must_use]
    pub const fn new(reach: Reach) -> Self {
        Self { reach, watched: Vec::new(), known: BTreeMap::new(), asked: BTreeMap::new(), outputs: VecDeque::new() }
    }

    /// Takes one input. What it leads to is to be fetched by [`poll`](Self::poll) until there is no more.
    pub fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Watch(places) => self.watch(places),
            Input::Answered { question, answer } => {
                if self.asked.remove(&question).is_some() {
                    self.learn(now, question, answer);
                }
            }
            Input::Tick => {}
        }
        let silent: Vec<_> = self.asked.iter().filter(|(_, by)| **by <= now).map(|(question, _)| question.clone()).collect();
        for question in silent {
            self.asked.remove(&question);
            self.learn(now, question, Answer::Failed);
        }
        for at in 0..self.watched.len() {
            let watched = &mut self.watched[at];
            if watched.refresh_at.is_some_and(|due| due <= now) {
                (watched.refresh_at, watched.searching) = (None, true);
            }
            if watched.searching {
                self.search(now, at);
            }
        }
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is wanted at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let refresh = self.watched.iter().filter_map(|watched| watched.refresh_at);
        refresh.chain(self.asked.values().copied()).min()
    }

    /// Those that were watched before keep what was found.
    fn watch(&mut self, places: Vec<(Arc<str>, Place)>) {
        let mut before = std::mem::take(&mut self.watched);
        for (name, place) in places {
            let same = before.iter().position(|watched| watched.name == name && watched.place == place);
            self.watched.push(match same {
                Some(at) => before.swap_remove(at),
                None => Watched { name, place, peers: None, good_at: None, refresh_at: None, searching: true },
            });
        }
    }

    fn learn(&mut self, now: Instant, question: Question, answer: Answer) {
        let before = self.known.get(&question).map_or(0, |known| known.failures);
        let (fresh, failures) = match &answer {
            Answer::Records(records) => {
                let least = records.iter().take(MOST_RECORDS).map(|record| record.ttl_s).min().unwrap_or(0);
                (Duration::from_secs(least.into()).clamp(LEAST_FRESH, MOST_FRESH), 0)
            }
            Answer::Nothing { ttl_s } => (Duration::from_secs((*ttl_s).into()).clamp(LEAST_FRESH, MOST_ABSENT), 0),
            Answer::Failed => ((FIRST_RETRY * (1 << before.min(6))).min(MOST_RETRY), before.saturating_add(1)),
        };
        if self.known.len() >= MOST_KNOWN
            && let Some(first) = self.known.iter().min_by_key(|(_, known)| known.until).map(|(question, _)| question.clone())
        {
            self.known.remove(&first);
        }
        self.known.insert(question, Known { answer, until: now + fresh, failures });
    }

    /// Goes as far with a place as the answers that are there allow.
    fn search(&mut self, now: Instant, at: usize) {
        let watched = &mut self.watched[at];
        let found = rules::locate(&watched.place, &self.reach, now, &self.known);
        if !found.wants.is_empty() {
            for question in found.wants {
                if self.asked.len() < MOST_ASKED && !self.asked.contains_key(&question) {
                    self.asked.insert(question.clone(), now + ANSWER_WITHIN);
                    self.outputs.push_back(Output::Ask(question));
                }
            }
            return;
        }
        watched.searching = false;
        watched.refresh_at = found.fresh_until;
        let was_good = watched.peers.as_ref().is_some_and(|peers| !peers.is_empty())
            && watched.good_at.is_some_and(|good_at| now.saturating_duration_since(good_at) < STALE_FOR);
        if was_good && (found.doubtful || found.peers.is_empty()) {
            return;
        }
        watched.good_at = Some(now);
        if watched.peers.as_ref() != Some(&found.peers) {
            watched.peers = Some(found.peers.clone());
            self.outputs.push_back(Output::Found { name: watched.name.clone(), peers: found.peers });
        }
    }
}
