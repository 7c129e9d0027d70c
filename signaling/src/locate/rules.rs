//! RFC 3263 section 4: from a URI to transport, port and address.
//!
//! One pass over the answers that are known. What is missing is asked for, and the pass made again when it is
//! there: so there is no state between two answers that could be wrong.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use super::{Answer, Data, Known, MOST_RECORDS, Peer, Place, Question, Reach, Record, RecordKind};
use crate::flow::Transport;

/// Names that stand for another name, one after the other.
const MOST_ALIASES: usize = 8;
/// Services of a domain that are looked at.
const MOST_SERVICES: usize = 8;
/// Servers that are looked up.
const MOST_SERVERS: usize = 32;
/// Addresses in all.
const MOST_PEERS: usize = 32;
/// Shares are counted in so many parts, for a server with several addresses divides its own among them.
const PARTS: u32 = 840;

/// What a pass came to.
pub(super) struct Located {
    /// What must be known first; the rest is void unless this is empty.
    pub(super) wants: Vec<Question>,
    /// Where the place is.
    pub(super) peers: Vec<Peer>,
    /// When the first answer ends; `None` when nothing was asked.
    pub(super) fresh_until: Option<Instant>,
    /// Some answer was missing.
    pub(super) doubtful: bool,
}

/// NAPTR services (RFC 3263 section 4.1) with their transports.
const SERVICES: [(&str, Transport, bool); 3] =
    [("SIPS+D2T", Transport::Tls, true), ("SIP+D2T", Transport::Tcp, false), ("SIP+D2U", Transport::Udp, false)];

pub(super) fn locate(place: &Place, reach: &Reach, now: Instant, known: &BTreeMap<Question, Known>) -> Located {
    let mut pass =
        Pass { reach, now, known, located: Located { wants: Vec::new(), peers: Vec::new(), fresh_until: None, doubtful: false } };
    pass.place(place);
    pass.located
}

struct Pass<'a> {
    reach: &'a Reach,
    now: Instant,
    known: &'a BTreeMap<Question, Known>,
    located: Located,
}

/// One server of a service.
struct Server<'a> {
    transport: Transport,
    host: &'a str,
    port: u16,
    rank: u16,
    weight: u16,
}

impl<'a> Pass<'a> {
    fn place(&mut self, place: &Place) {
        if let Some(peer) = place.peer() {
            return self.located.peers.push(peer);
        }
        let transport = place.usual_transport();
        if let Some(port) = place.port {
            return self.host(&Server { transport, host: &place.host, port, rank: 0, weight: 0 });
        }
        let services = match place.transport {
            Some(_) => vec![(transport, service_name(transport, &place.host))],
            None => match self.services(place) {
                Some(services) => services,
                None => return,
            },
        };
        self.servers(&services, &place.host);
    }

    /// The services that a domain names, in its order, or all that it could have.
    fn services(&mut self, place: &Place) -> Option<Vec<(Transport, String)>> {
        let records = self.ask(&place.host, RecordKind::Naptr)?;
        let mut named: Vec<_> = records
            .into_iter()
            .filter_map(|record| {
                let Data::Naptr { order, preference, flags, services, has_regexp, replacement } = &record.data else {
                    return None;
                };
                let (_, transport, secure) = SERVICES.into_iter().find(|(service, ..)| service.eq_ignore_ascii_case(services))?;
                let ours = self.reach.transports.contains(&transport) && (secure || !place.secure);
                let leads_on = flags.eq_ignore_ascii_case("s") && !has_regexp && !replacement.is_empty();
                (ours && leads_on).then(|| ((*order, *preference), (transport, replacement.to_ascii_lowercase())))
            })
            .collect();
        named.sort_by_key(|(order, _)| *order);
        named.truncate(MOST_SERVICES);
        if !named.is_empty() {
            return Some(named.into_iter().map(|(_, service)| service).collect());
        }
        let possible = self
            .reach
            .transports
            .iter()
            .filter(|transport| SERVICES.iter().any(|(_, known, secure)| known == *transport && (*secure || !place.secure)));
        Some(possible.map(|transport| (*transport, service_name(*transport, &place.host))).collect())
    }

    /// The servers of services; the host itself when there is none (RFC 3263 section 4.2).
    fn servers(&mut self, services: &[(Transport, String)], host: &str) {
        let mut servers: Vec<Server<'a>> = Vec::new();
        let (mut rank, mut exists) = (0, false);
        for (transport, name) in services {
            let Some(records) = self.ask(name, RecordKind::Srv) else { continue };
            exists |= !records.is_empty();
            let mut of_service: Vec<_> = records.into_iter().filter_map(|record| read_server(*transport, record)).collect();
            of_service.sort_by_key(|server| server.rank);
            let mut last = None;
            for mut server in of_service {
                // Ranks go on from service to service: all of the first come before any of the second.
                if last.replace(server.rank) != Some(server.rank) && !servers.is_empty() {
                    rank += 1;
                }
                server.rank = rank;
                servers.push(server);
            }
        }
        if !self.located.wants.is_empty() {
            return;
        }
        if !exists {
            let usual = if self.reach.transports.contains(&Transport::Udp) { Transport::Udp } else { Transport::Tls };
            let transport = match services {
                [(only, _)] => *only,
                several if several.iter().any(|(transport, _)| *transport == usual) => usual,
                several => several.first().map_or(usual, |(transport, _)| *transport),
            };
            return self.host(&Server { transport, host, port: transport.default_port(), rank: 0, weight: 0 });
        }
        for server in servers.iter().take(MOST_SERVERS) {
            self.host(server);
        }
    }

    /// The addresses of one server.
    fn host(&mut self, server: &Server<'_>) {
        let wanted = [(self.reach.ipv6, RecordKind::Aaaa), (self.reach.ipv4, RecordKind::A)];
        let records = wanted.into_iter().filter(|(of_use, _)| *of_use).filter_map(|(_, kind)| self.ask(server.host, kind));
        let addresses: Vec<IpAddr> = records
            .flatten()
            .filter_map(|record| match record.data {
                Data::A(v4) => Some(IpAddr::V4(v4)),
                Data::Aaaa(v6) => Some(IpAddr::V6(v6)),
                _ => None,
            })
            .filter(|address| !address.is_unspecified() && !address.is_multicast())
            .collect();
        let parts = u32::try_from(addresses.len()).unwrap_or(1).max(1);
        for address in addresses {
            let share = u32::from(server.weight) * PARTS / parts;
            self.add(server.transport, SocketAddr::new(address, server.port), server.rank, share);
        }
    }

    fn add(&mut self, transport: Transport, address: SocketAddr, rank: u16, weight: u32) {
        let peers = &mut self.located.peers;
        let twice = peers.iter().any(|peer| peer.transport == transport && peer.address == address);
        if peers.len() < MOST_PEERS && !twice {
            peers.push(Peer { transport, address, rank, weight });
        }
    }

    /// The records of a name, through its aliases. `None` when that is not known yet; then it is wanted.
    fn ask(&mut self, name: &str, kind: RecordKind) -> Option<Vec<&'a Record>> {
        let mut question = Question { name: name.trim_end_matches('.').to_ascii_lowercase(), kind };
        let mut left = MOST_ALIASES;
        loop {
            let Some(known) = self.known.get(&question).filter(|known| known.until > self.now) else {
                if !self.located.wants.contains(&question) {
                    self.located.wants.push(question);
                }
                return None;
            };
            self.located.fresh_until = Some(self.located.fresh_until.map_or(known.until, |until| until.min(known.until)));
            let records = match &known.answer {
                Answer::Records(records) => &records[..records.len().min(MOST_RECORDS)],
                Answer::Nothing { .. } => return Some(Vec::new()),
                Answer::Failed => {
                    self.located.doubtful = true;
                    return Some(Vec::new());
                }
            };
            let asked = question.name.clone();
            loop {
                let own = |record: &&Record| record.name.trim_end_matches('.').eq_ignore_ascii_case(&question.name);
                let found: Vec<_> = records.iter().filter(own).filter(|record| record.data.is(kind)).collect();
                if !found.is_empty() {
                    return Some(found);
                }
                let alias = records.iter().filter(own).find_map(|record| match &record.data {
                    Data::Alias(other) => Some(other.trim_end_matches('.').to_ascii_lowercase()),
                    _ => None,
                });
                match alias {
                    Some(other) if left > 0 => {
                        left -= 1;
                        question.name = other;
                    }
                    _ => break,
                }
            }
            if question.name == asked || left == 0 {
                return Some(Vec::new());
            }
        }
    }
}

impl Data {
    const fn is(&self, kind: RecordKind) -> bool {
        matches!(
            (self, kind),
            (Self::A(_), RecordKind::A)
                | (Self::Aaaa(_), RecordKind::Aaaa)
                | (Self::Srv { .. }, RecordKind::Srv)
                | (Self::Naptr { .. }, RecordKind::Naptr)
        )
    }
}

/// `None` for a service that there decidedly is not (target `.`), and for what cannot be used.
fn read_server(transport: Transport, record: &Record) -> Option<Server<'_>> {
    let Data::Srv { priority, weight, port, target } = &record.data else { return None };
    let host = target.trim_end_matches('.');
    (!host.is_empty() && *port > 0).then_some(Server { transport, host, port: *port, rank: *priority, weight: *weight })
}

/// `_sip._udp.example.com` (RFC 3263 section 4.1).
fn service_name(transport: Transport, host: &str) -> String {
    match transport {
        Transport::Udp => format!("_sip._udp.{host}"),
        Transport::Tls => format!("_sips._tcp.{host}"),
        _ => format!("_sip._tcp.{host}"),
    }
}
