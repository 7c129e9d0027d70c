//! What the signalling edge takes from the plan.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use tandem_dialplan as plan;
use tandem_signaling::{
    digest::Algorithm,
    endpoint::{DigestUri, EndpointConfig, Listener, Peer, PeerMatch, Rights, Trunk, TrunkCredentials},
    flow::Transport,
    locate::Place,
    sdp::{AudioCodec, IceRole, KeyRule},
};
use tandem_switch::name::{PartyNumber, TrunkName};

use super::{finder::Wanted, keys};
use crate::wire::line::Service;

/// What is offered where the plan names no codecs: what needs no transcoding with carriers first.
const DEFAULT_CODECS: [AudioCodec; 5] =
    [AudioCodec::Pcma, AudioCodec::Pcmu, AudioCodec::G722, AudioCodec::Opus, AudioCodec::G729];

/// Addresses, realm and trunks.
#[derive(Clone)]
pub struct Settings {
    /// Local address of audio.
    pub rtp_address: IpAddr,
    /// The address that others are told instead of a local one.
    pub advertise: Option<IpAddr>,
    /// Whether we check browsers, too.
    pub ice: IceRole,
    /// `Retry-After` of refusals, in seconds.
    pub retry_after_s: u32,
    realm: String,
    digest: Vec<Algorithm>,
    listeners: Vec<Listener>,
    codecs: Arc<HashMap<TrunkName, Vec<AudioCodec>>>,
    /// The plan in service, for its trunks' rules.
    plan: Option<Arc<plan::Plan>>,
    /// Peers of trunks that were found by name.
    found: Arc<HashMap<TrunkName, (Place, Vec<Peer>)>>,
}

impl Settings {
    /// Settings of a plan that listens at `listen`.
    #[must_use]
    pub fn new(plan: &plan::Plan, listen: &plan::Listen) -> Self {
        let advertise = listen.advertise;
        let digest = plan.digest.iter().map(|digest| match digest {
            plan::Digest::Sha512_256 => Algorithm::Sha512_256,
            plan::Digest::Sha256 => Algorithm::Sha256,
            plan::Digest::Md5 => Algorithm::Md5,
        });
        let digest = digest.collect();
        let kinds = [
            (Transport::Udp, &listen.sip_udp),
            (Transport::Tcp, &listen.sip_tcp),
            (Transport::Tls, &listen.sip_tls),
            (Transport::Ws, &listen.http),
            (Transport::Wss, &listen.https),
        ];
        let listener = |transport, bound: std::net::SocketAddr| {
            let mut advertised = bound;
            if let Some(ip) = advertise.filter(|ip| ip.is_ipv4() == bound.is_ipv4()) {
                advertised.set_ip(ip);
            }
            Listener { transport, bound, advertised }
        };
        let listeners = kinds.iter().flat_map(|(transport, all)| all.iter().map(|bound| listener(*transport, *bound))).collect();
        Self {
            rtp_address: listen.rtp_address,
            advertise,
            ice: if listen.ice == plan::Ice::Full { IceRole::Full } else { IceRole::Lite },
            retry_after_s: 5,
            realm: plan.realm.clone(),
            digest,
            listeners,
            codecs: Arc::default(),
            plan: None,
            found: Arc::default(),
        }
    }

    pub(super) fn endpoint(&self) -> EndpointConfig {
        let mut config = EndpointConfig::new(self.realm.clone(), self.listeners.clone());
        config.digest.clone_from(&self.digest);
        config.product = concat!("Tandem/", env!("CARGO_PKG_VERSION")).to_owned();
        config
    }

    /// The local address of a transport in a family: where restored flows leave from.
    pub(super) fn listener_like(&self, transport: Transport, remote: std::net::SocketAddr) -> Option<std::net::SocketAddr> {
        let fits = |listener: &&Listener| listener.transport == transport && listener.bound.is_ipv4() == remote.is_ipv4();
        self.listeners.iter().find(fits).map(|listener| listener.bound)
    }

    /// The address that a peer is told for a local one.
    pub(super) fn advertised(&self, local: IpAddr) -> IpAddr {
        self.advertise.filter(|ip| ip.is_ipv4() == local.is_ipv4()).unwrap_or(local)
    }

    /// Codecs of a leg: the trunk's, or all.
    pub(super) fn codecs_of(&self, trunk: Option<&TrunkName>) -> Vec<AudioCodec> {
        trunk.and_then(|name| self.codecs.get(name)).cloned().unwrap_or_else(|| DEFAULT_CODECS.to_vec())
    }

    /// Whether the audio of a trunk is encrypted.
    pub(super) fn keys_of_trunk(&self, name: &TrunkName) -> KeyRule {
        self.trunk(name).map_or(KeyRule::Plain, |trunk| keys::rule(trunk.media_keys))
    }

    /// Whether the audio of an extension is encrypted.
    pub(super) fn keys_of_extension(&self, number: &str) -> KeyRule {
        keys::rule(self.media_keys_of(number))
    }

    /// Whether devices of an extension that come by WebSocket get another offer than its others.
    pub(super) fn is_web_encrypted(&self, number: &str) -> bool {
        self.media_keys_of(number) == plan::MediaKeys::Usual
    }

    fn media_keys_of(&self, number: &str) -> plan::MediaKeys {
        self.extensions_of(number).map_or(plan::MediaKeys::Usual, |range| range.media_keys)
    }

    /// The extensions that a number is one of.
    pub(super) fn extensions_of(&self, number: &str) -> Option<&plan::ExtensionRange> {
        self.plan.iter().flat_map(|plan| &plan.extensions).find(|range| range.contains(number))
    }

    /// The trunks of a plan, as the endpoint takes them; their codecs stay here.
    pub(super) fn take_trunks(&mut self, service: &Service) -> Vec<Trunk> {
        let trunks = service.plan.trunks.values();
        let named = trunks.clone().filter(|trunk| !trunk.codecs.is_empty());
        self.codecs =
            Arc::new(named.map(|trunk| (trunk.name.clone(), trunk.codecs.iter().map(|codec| audio(*codec)).collect())).collect());
        self.plan = Some(Arc::clone(&service.plan));
        let known = std::mem::take(Arc::make_mut(&mut self.found));
        let mut all = Vec::new();
        for one in trunks {
            let place = one.peer.as_ref().map(place);
            let peers = match place.as_ref().and_then(Place::peer) {
                Some(peer) => vec![peer],
                // A name that was found under the plan before need not be waited for.
                None => match known.get(&one.name).filter(|(of, _)| Some(of) == place.as_ref()) {
                    Some((of, peers)) => {
                        Arc::make_mut(&mut self.found).insert(one.name.clone(), (of.clone(), peers.clone()));
                        peers.clone()
                    }
                    None => Vec::new(),
                },
            };
            all.push(trunk(one, peers, service.secrets.get(&one.name)));
        }
        all
    }

    /// The plan in service.
    pub(super) fn plan(&self) -> Option<Arc<plan::Plan>> {
        self.plan.clone()
    }

    /// Those of a plan in service.
    #[cfg(test)]
    pub(super) fn of(plan: plan::Plan) -> Self {
        let mut settings = Self::new(&plan, &plan.listen);
        settings.plan = Some(Arc::new(plan));
        settings
    }

    pub(super) fn trunk(&self, name: &TrunkName) -> Option<&plan::Trunk> {
        self.plan.as_ref()?.trunks.get(name)
    }

    /// A number from a carrier as the plan sees it.
    pub(super) fn read_number(&self, trunk: &TrunkName, number: PartyNumber) -> PartyNumber {
        self.trunk(trunk).map_or_else(|| number.clone(), |trunk| trunk.rules.numbering.read(&number))
    }

    /// The number that a trunk's call is for. Where we registered, some carriers put our own name into the
    /// Request-URI, and the number that was dialled into To only.
    pub(super) fn dialled<'a>(&self, trunk: Option<&TrunkName>, request_user: &'a str, to_user: &'a str) -> &'a str {
        let credentials = trunk.and_then(|name| self.trunk(name)?.credentials.as_ref());
        let own = credentials.is_some_and(|ours| ours.user == request_user);
        if own && !to_user.is_empty() { to_user } else { request_user }
    }

    /// Keeps what was found for the next plan.
    pub(super) fn found(&mut self, trunk: &str, place: Place, peers: Vec<Peer>) {
        Arc::make_mut(&mut self.found).insert(trunk.into(), (place, peers));
    }
}

/// What is to be found for the trunks of a plan.
#[must_use]
pub fn wanted(plan: &plan::Plan) -> Wanted {
    let places = plan.trunks.values().filter_map(|trunk| Some((trunk.name.as_str().into(), place(trunk.peer.as_ref()?))));
    let names = places.filter(|(_, place): &(Arc<str>, Place)| place.peer().is_none());
    Wanted { name_servers: plan.name_servers.clone(), places: names.collect() }
}

fn place(peer: &plan::Peer) -> Place {
    let host = match &peer.address.host {
        plan::Host::Address(address) => address.to_string(),
        plan::Host::Name(name) => name.clone(),
    };
    Place { host, port: peer.address.port, transport: peer.transport.map(transport), secure: peer.secure }
}

/// What stands behind the `@` of what we send to a peer that is named.
fn authority(peer: &plan::Peer) -> Option<String> {
    let plan::Host::Name(_) = &peer.address.host else { return None };
    let way = peer.transport.filter(|transport| *transport != plan::Transport::Udp);
    let parameter = way.map(|transport| format!(";transport={}", transport.as_str())).unwrap_or_default();
    Some(format!("{}{parameter}", peer.address))
}

fn trunk(trunk: &plan::Trunk, peers: Vec<Peer>, secret: Option<&String>) -> Trunk {
    let named = trunk.peer.as_ref().and_then(|peer| match &peer.address.host {
        plan::Host::Name(name) => Some(name.clone()),
        plan::Host::Address(_) => None,
    });
    Trunk {
        from: trunk
            .networks
            .iter()
            .map(|net| PeerMatch { ip: net.address, prefix: net.prefix, port: None, transport: None })
            .collect(),
        credentials: trunk.credentials.as_ref().zip(secret).map(|(credentials, password)| TrunkCredentials {
            user: credentials.user.clone(),
            password: password.clone(),
            realm: credentials.realm.clone(),
        }),
        from_domain: trunk.domain.clone().or(named),
        authority: trunk.peer.as_ref().and_then(authority),
        patience_ms: u32::try_from(trunk.failover_ms).unwrap_or(u32::MAX),
        options_ping_s: trunk.ping_ms.map_or(0, |ms| u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX)),
        max_calls: trunk.max_calls as usize,
        calls_per_s: trunk.calls_per_s,
        register: trunk.register,
        rights: Rights { transfers: trunk.transfers, identity: trunk.trusts_identity },
        digest_uri: match trunk.calls.digest_uri {
            plan::DigestUri::Whole => DigestUri::Whole,
            plan::DigestUri::UserHost => DigestUri::UserHost,
        },
        challenges: trunk.calls.challenge,
        takes_changes: trunk.calls.reinvite,
        tells: trunk.calls.keep_headers.iter().map(|keep| keep.header.as_str().into()).collect(),
        ..Trunk::new(trunk.name.as_str(), peers)
    }
}

const fn transport(word: plan::Transport) -> Transport {
    match word {
        plan::Transport::Udp => Transport::Udp,
        plan::Transport::Tcp => Transport::Tcp,
        plan::Transport::Tls => Transport::Tls,
    }
}

const fn audio(word: plan::Codec) -> AudioCodec {
    match word {
        plan::Codec::Pcmu => AudioCodec::Pcmu,
        plan::Codec::Pcma => AudioCodec::Pcma,
        plan::Codec::G722 => AudioCodec::G722,
        plan::Codec::Opus => AudioCodec::Opus,
        plan::Codec::G729 => AudioCodec::G729,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(peer: &str) -> plan::Plan {
        let text = format!(
            "trunk \"carrier\" {{\n peer \"udp\" \"{peer}:5060\"\n credentials user=\"acme\" secret=\"env:SECRET\"\n register #true\n}}\n\
             route \"r\" {{\n from any\n hangup\n}}"
        );
        let world = plan::World { environment: ["SECRET".to_owned()].into(), ..plan::World::default() };
        let (plan, report) = plan::check(&[plan::Source::new("plan.kdl", text)], &world);
        plan.unwrap_or_else(|| panic!("{}", report.lines()))
    }

    #[test]
    fn at_a_carrier_that_has_a_name_we_are_users_of_that_name() {
        let host = |plan: &plan::Plan| trunk(plan.trunks.values().next().unwrap(), Vec::new(), None).from_domain;
        assert_eq!(host(&plan("sip.carrier.example")).as_deref(), Some("sip.carrier.example"));
        assert_eq!(host(&plan("192.0.2.1")), None);
    }

    #[test]
    fn a_call_to_our_user_name_is_for_the_number_in_to() {
        let plan = plan("sip.carrier.example");
        let carrier = TrunkName::from("carrier");
        let mut settings = Settings::new(&plan, &plan.listen);
        settings.plan = Some(Arc::new(plan));
        assert_eq!(settings.dialled(Some(&carrier), "acme", "+390212345678"), "+390212345678");
        assert_eq!(settings.dialled(Some(&carrier), "acme", ""), "acme");
        assert_eq!(settings.dialled(Some(&carrier), "+390287654321", "+390212345678"), "+390287654321");
        assert_eq!(settings.dialled(None, "acme", "+390212345678"), "acme", "an extension dials what it says");
    }
}
