//! What the signalling edge takes from the plan.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use tandem_dialplan as plan;
use tandem_signaling::{
    digest::Algorithm,
    endpoint::{EndpointConfig, Listener, Peer, PeerMatch, Rights, Trunk, TrunkCredentials},
    flow::Transport,
    sdp::AudioCodec,
};
use tandem_switch::name::TrunkName;

use crate::wire::line::Service;

/// What is offered where the plan names no codecs: what needs no transcoding with carriers first.
const DEFAULT_CODECS: [AudioCodec; 4] = [AudioCodec::Pcma, AudioCodec::Pcmu, AudioCodec::G722, AudioCodec::Opus];

/// Addresses, realm and trunks.
#[derive(Clone)]
pub struct Settings {
    /// Local address of audio.
    pub rtp_address: IpAddr,
    /// The address that others are told instead of a local one.
    pub advertise: Option<IpAddr>,
    /// `Retry-After` of refusals, in seconds.
    pub retry_after_s: u32,
    realm: String,
    digest: Vec<Algorithm>,
    listeners: Vec<Listener>,
    codecs: Arc<HashMap<TrunkName, Vec<AudioCodec>>>,
    /// Our user names at carriers.
    users: Arc<HashMap<TrunkName, String>>,
}

impl Settings {
    /// Settings of a plan that listens at `listen`.
    #[must_use]
    pub fn new(plan: &plan::Plan, listen: &plan::Listen) -> Self {
        let advertise = listen.advertise;
        let digest = plan.digest.iter().map(|digest| match digest {
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
            retry_after_s: 5,
            realm: plan.realm.clone(),
            digest,
            listeners,
            codecs: Arc::default(),
            users: Arc::default(),
        }
    }

    pub(super) fn endpoint(&self) -> EndpointConfig {
        let mut config = EndpointConfig::new(self.realm.clone(), self.listeners.clone());
        config.digest.clone_from(&self.digest);
        config.product = concat!("Tandem/", env!("CARGO_PKG_VERSION")).to_owned();
        config
    }

    /// The local address of UDP in a family: where restored flows leave from.
    pub(super) fn udp_like(&self, remote: std::net::SocketAddr) -> Option<std::net::SocketAddr> {
        let fits = |listener: &&Listener| listener.transport == Transport::Udp && listener.bound.is_ipv4() == remote.is_ipv4();
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

    /// The trunks of a plan, as the endpoint takes them; their codecs stay here.
    pub(super) fn take_trunks(&mut self, service: &Service) -> Vec<Trunk> {
        let trunks = service.plan.trunks.values();
        let named = trunks.clone().filter(|trunk| !trunk.codecs.is_empty());
        self.codecs =
            Arc::new(named.map(|trunk| (trunk.name.clone(), trunk.codecs.iter().map(|codec| audio(*codec)).collect())).collect());
        let users = trunks.clone().filter_map(|trunk| Some((trunk.name.clone(), trunk.credentials.as_ref()?.user.clone())));
        self.users = Arc::new(users.collect());
        trunks.map(|one| trunk(one, service)).collect()
    }

    /// The number that a trunk's call is for. Where we registered, some carriers put our own name into the
    /// Request-URI, and the number that was dialled into To only.
    pub(super) fn dialled<'a>(&self, trunk: Option<&TrunkName>, request_user: &'a str, to_user: &'a str) -> &'a str {
        let own = trunk.and_then(|name| self.users.get(name)).is_some_and(|user| user == request_user);
        if own && !to_user.is_empty() { to_user } else { request_user }
    }
}

fn trunk(trunk: &plan::Trunk, service: &Service) -> Trunk {
    let addresses = service.peers.get(&trunk.name).map(Vec::as_slice).unwrap_or_default();
    let over = trunk.peer.as_ref().map_or(Transport::Udp, |peer| transport(peer.transport));
    let secret = service.secrets.get(&trunk.name);
    Trunk {
        name: trunk.name.as_str().into(),
        peers: addresses.iter().map(|address| Peer { transport: over, address: *address }).collect(),
        from: trunk
            .networks
            .iter()
            .map(|net| PeerMatch { ip: net.address, prefix: net.prefix, port: None, transport: None })
            .collect(),
        credentials: trunk.credentials.as_ref().zip(secret).map(|(credentials, password)| TrunkCredentials {
            user: credentials.user.clone(),
            password: password.clone(),
            realm: None,
        }),
        from_domain: trunk.credentials.as_ref().and(trunk.peer.as_ref()).and_then(named_host),
        options_ping_s: trunk.ping_ms.map_or(0, |ms| u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX)),
        max_calls: trunk.max_calls as usize,
        register: trunk.register,
        rights: Rights { transfers: trunk.transfers, identity: trunk.trusts_identity },
    }
}

/// A carrier that knows us by password has us as users of its name.
fn named_host(peer: &plan::Peer) -> Option<String> {
    match &peer.address.host {
        plan::Host::Name(name) => Some(name.clone()),
        plan::Host::Address(_) => None,
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
        let host = |plan: &plan::Plan| plan.trunks.values().next().and_then(|trunk| named_host(trunk.peer.as_ref()?));
        assert_eq!(host(&plan("sip.carrier.example")).as_deref(), Some("sip.carrier.example"));
        assert_eq!(host(&plan("192.0.2.1")), None);
    }

    #[test]
    fn a_call_to_our_user_name_is_for_the_number_in_to() {
        let plan = plan("sip.carrier.example");
        let carrier = TrunkName::from("carrier");
        let mut settings = Settings::new(&plan, &plan.listen);
        settings.users = Arc::new([(carrier.clone(), "acme".to_owned())].into());
        assert_eq!(settings.dialled(Some(&carrier), "acme", "+390212345678"), "+390212345678");
        assert_eq!(settings.dialled(Some(&carrier), "acme", ""), "acme");
        assert_eq!(settings.dialled(Some(&carrier), "+390287654321", "+390212345678"), "+390287654321");
        assert_eq!(settings.dialled(None, "acme", "+390212345678"), "acme", "an extension dials what it says");
    }
}
