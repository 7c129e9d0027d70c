//! Finding trunks' servers: the locator, fed from the DNS in a task of its own. The line loop hears of peers when
//! they are found or change, and never waits for a name server.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hickory_resolver::{
    TokioResolver,
    config::{NameServerConfig, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::rr::{Name, RData, RecordType},
};
use tandem_dialplan::Listen;
use tandem_signaling::{
    flow::Transport,
    locate::{Answer, Data, Input, Locator, Output, Peer, Place, Question, Reach, Record, RecordKind},
    transport::TlsPeers,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{clock, metrics::METRICS, wire::line::LineAsk};

/// Plans that may wait to be told.
const PLANS: usize = 4;
/// How long one name server has for one try, and how many tries there are.
const TRY_FOR: Duration = Duration::from_secs(2);
const TRIES: usize = 2;
/// Wake-ups when nothing is due.
const IDLE: Duration = Duration::from_secs(60);
/// For how long "there is nothing" is believed when the answer does not say.
const USUAL_ABSENCE_S: u32 = 60;

/// What a plan wants found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Name servers to ask instead of the system's.
    pub name_servers: Vec<SocketAddr>,
    /// The places of trunks whose peers are names.
    pub places: Vec<(Arc<str>, Place)>,
}

/// The peers of a trunk.
#[derive(Clone, Debug)]
pub struct Found {
    /// Whose.
    pub(super) trunk: Arc<str>,
    /// What was looked up.
    pub(super) place: Place,
    /// What was found.
    pub(super) peers: Vec<Peer>,
}

/// Starts the task with the first plan. It ends with the sender that is handed back.
pub fn start(
    listen: &Listen,
    line: mpsc::Sender<LineAsk>,
    tls: watch::Sender<Arc<TlsPeers>>,
    wanted: Wanted,
) -> mpsc::Sender<Wanted> {
    let (to_finder, plans) = mpsc::channel(PLANS);
    let _empty_yet = to_finder.try_send(wanted);
    let finder = Finder {
        locator: Locator::new(reach(listen)),
        wanted: Wanted::default(),
        resolver: None,
        asking: JoinSet::new(),
        tls,
        line,
    };
    tokio::spawn(finder.run(plans));
    to_finder
}

/// What the switch can reach from where it listens.
fn reach(listen: &Listen) -> Reach {
    let kinds = [(Transport::Udp, &listen.sip_udp), (Transport::Tcp, &listen.sip_tcp), (Transport::Tls, &listen.sip_tls)];
    let all = || kinds.iter().flat_map(|(_, bound)| bound.iter().map(SocketAddr::ip));
    Reach {
        transports: kinds.iter().filter(|(_, bound)| !bound.is_empty()).map(|(transport, _)| *transport).collect(),
        ipv4: all().any(|ip| ip.is_ipv4()),
        ipv6: all().any(|ip| ip.is_ipv6()),
    }
}

struct Finder {
    locator: Locator,
    wanted: Wanted,
    resolver: Option<TokioResolver>,
    asking: JoinSet<(Question, Answer)>,
    /// A peer must prove the name that was looked up, wherever that led to.
    tls: watch::Sender<Arc<TlsPeers>>,
    line: mpsc::Sender<LineAsk>,
}

impl Finder {
    async fn run(mut self, mut plans: mpsc::Receiver<Wanted>) {
        loop {
            let due = self.locator.deadline().unwrap_or_else(|| clock::instant() + IDLE);
            let input = tokio::select! {
                wanted = plans.recv() => match wanted {
                    Some(wanted) => self.take(wanted),
                    None => return,
                },
                Some(answered) = self.asking.join_next() => match answered {
                    Ok((question, answer)) => Input::Answered { question, answer },
                    // A look-up that ended in a fault counts as silent in a while.
                    Err(_) => Input::Tick,
                },
                () = tokio::time::sleep_until(due.into()) => Input::Tick,
            };
            self.locator.handle(clock::instant(), input);
            while let Some(output) = self.locator.poll() {
                self.carry_out(output).await;
            }
        }
    }

    fn take(&mut self, wanted: Wanted) -> Input {
        let needs_resolver = !wanted.places.is_empty();
        if needs_resolver && (self.resolver.is_none() || self.wanted.name_servers != wanted.name_servers) {
            self.resolver = resolver(&wanted.name_servers)
                .inspect_err(|error| tracing::error!(%error, "no name server can be asked; trunks with names stay down"))
                .ok();
        }
        let places = wanted.places.clone();
        self.wanted = wanted;
        Input::Watch(places)
    }

    async fn carry_out(&mut self, output: Output) {
        match output {
            Output::Ask(question) => {
                let resolver = self.resolver.clone();
                self.asking.spawn(async move {
                    let answer = match resolver {
                        Some(resolver) => ask(&resolver, &question).await,
                        None => Answer::Failed,
                    };
                    METRICS.dns_lookups.inc(match &answer {
                        Answer::Records(_) => "found",
                        Answer::Nothing { .. } => "nothing",
                        Answer::Failed => "failed",
                    });
                    (question, answer)
                });
            }
            Output::Found { name, peers } => {
                if peers.is_empty() {
                    tracing::warn!(trunk = %name, "the peer of a trunk has no address now; it is looked for again");
                } else {
                    tracing::info!(trunk = %name, addresses = peers.len(), "the peer of a trunk was found");
                }
                let by_tls = peers.iter().filter(|peer| peer.transport == Transport::Tls).map(|peer| peer.address);
                self.tls.send_modify(|known| Arc::make_mut(known).found(&name, by_tls));
                if let Some((_, place)) = self.wanted.places.iter().find(|(known, _)| *known == name) {
                    let _loop_is_gone = self.line.send(LineAsk::Found(Found { trunk: name, place: place.clone(), peers })).await;
                }
            }
        }
    }
}

fn resolver(name_servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if name_servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let server = |at: &SocketAddr| {
            let mut server = NameServerConfig::udp_and_tcp(at.ip());
            server.connections.iter_mut().for_each(|connection| connection.port = at.port());
            server
        };
        let config = ResolverConfig::from_name_servers(name_servers.iter().map(server).collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    // What is known, and for how long, is the locator's to keep.
    options.cache_size = 0;
    (options.timeout, options.attempts) = (TRY_FOR, TRIES);
    options.preserve_intermediates = true;
    builder.build()
}

async fn ask(resolver: &TokioResolver, question: &Question) -> Answer {
    let kind = match question.kind {
        RecordKind::Naptr => RecordType::NAPTR,
        RecordKind::Srv => RecordType::SRV,
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
    };
    // With the last dot: a carrier's name is never looked for below a domain of ours.
    let Ok(name) = Name::from_ascii(format!("{}.", question.name)) else { return Answer::Nothing { ttl_s: USUAL_ABSENCE_S } };
    match resolver.lookup(name, kind).await {
        Ok(found) => Answer::Records(found.answers().iter().filter_map(record).collect()),
        Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
            Answer::Nothing { ttl_s: nothing.negative_ttl.unwrap_or(USUAL_ABSENCE_S) }
        }
        Err(error) => {
            tracing::debug!(%error, name = question.name, "the DNS does not answer");
            Answer::Failed
        }
    }
}

fn record(record: &hickory_resolver::proto::rr::Record) -> Option<Record> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let data = match &record.data {
        RData::A(address) => Data::A(address.0),
        RData::AAAA(address) => Data::Aaaa(address.0),
        RData::CNAME(other) => Data::Alias(plain(&other.0)),
        RData::SRV(server) => {
            Data::Srv { priority: server.priority, weight: server.weight, port: server.port, target: plain(&server.target) }
        }
        RData::NAPTR(service) => Data::Naptr {
            order: service.order,
            preference: service.preference,
            flags: text(&service.flags),
            services: text(&service.services),
            has_regexp: !service.regexp.is_empty(),
            replacement: plain(&service.replacement),
        },
        _ => return None,
    };
    Some(Record { name: plain(&record.name), ttl_s: record.ttl, data })
}

/// A name as the locator writes it; empty for the root.
fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}
