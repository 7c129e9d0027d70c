//! Whom we expect at the other end of a TLS connection that we open, and how we prove ourselves there.
//!
//! The certificate must hold the *configured* name of the peer, not just the address that a name was resolved to:
//! DNS is not to be believed (RFC 3261 section 26.3.2.2, RFC 5922 section 7.1). That name also goes out as SNI.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};

/// One peer: its name, and the authorities and the certificate of ours that go with it.
#[derive(Clone, Debug)]
pub struct TlsPeer {
    /// What its certificate must be for.
    pub name: ServerName<'static>,
    /// Whose signature counts, and what we show when we are asked.
    pub config: Arc<ClientConfig>,
}

/// All trunks that TLS leads to, where they were found, and what holds for everybody else.
#[derive(Clone, Debug)]
pub struct TlsPeers {
    trunks: HashMap<Arc<str>, TlsPeer>,
    places: HashMap<SocketAddr, Arc<str>>,
    others: Arc<ClientConfig>,
}

impl TlsPeers {
    /// No trunk yet. Whoever is known by nothing but an address must have a certificate that holds it.
    #[must_use]
    pub fn new(others: Arc<ClientConfig>) -> Self {
        Self { trunks: HashMap::new(), places: HashMap::new(), others }
    }

    /// What holds for everybody else.
    #[must_use]
    pub const fn others(&self) -> &Arc<ClientConfig> {
        &self.others
    }

    /// A trunk must prove this.
    pub fn expect(&mut self, trunk: &str, peer: TlsPeer) {
        self.trunks.insert(trunk.into(), peer);
    }

    /// A trunk was found at these addresses, and at no others. One that nothing is expected of is none of ours.
    pub fn found(&mut self, trunk: &str, addresses: impl IntoIterator<Item = SocketAddr>) {
        self.places.retain(|_, known| **known != *trunk);
        if let Some((name, _)) = self.trunks.get_key_value(trunk) {
            self.places.extend(addresses.into_iter().map(|address| (address, Arc::clone(name))));
        }
    }

    /// Takes the trunks of a newer plan. Those that stay are where they were, unless it says where they are.
    pub fn take(&mut self, newer: Self) {
        let moved = |trunk: &Arc<str>| newer.places.values().any(|known| known == trunk);
        let stay = self.places.drain().filter(|(_, trunk)| newer.trunks.contains_key(trunk) && !moved(trunk));
        let mut places: HashMap<_, _> = stay.collect();
        places.extend(newer.places);
        (self.trunks, self.places, self.others) = (newer.trunks, places, newer.others);
    }

    /// Whom we expect at an address. Another port of a trunk's machine is that trunk, too: a carrier may move a
    /// dialog there.
    pub(super) fn at(&self, address: SocketAddr) -> TlsPeer {
        let beside = || {
            let same = self.places.iter().filter(|(known, _)| known.ip() == address.ip());
            same.min_by_key(|(known, _)| known.port()).map(|(_, trunk)| trunk)
        };
        let found = self.places.get(&address).or_else(beside).and_then(|trunk| self.trunks.get(trunk)).cloned();
        let name = || ServerName::IpAddress(address.ip().into());
        found.unwrap_or_else(|| TlsPeer { name: name(), config: Arc::clone(&self.others) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
    }

    fn peers(trunks: &[(&str, &'static str)]) -> TlsPeers {
        let mut peers = TlsPeers::new(config());
        for (trunk, name) in trunks {
            peers.expect(trunk, TlsPeer { name: ServerName::try_from(*name).unwrap(), config: config() });
        }
        peers
    }

    fn name(peers: &TlsPeers, address: &str) -> String {
        peers.at(address.parse().unwrap()).name.to_str().into_owned()
    }

    #[test]
    fn a_trunk_is_expected_where_it_was_found_last_and_addresses_elsewhere() {
        let mut all = peers(&[("a", "a.example"), ("b", "b.example")]);
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        all.found("a", [at("192.0.2.1:5061"), at("192.0.2.2:5061")]);
        all.found("b", [at("192.0.2.3:5061")]);
        all.found("unknown", [at("192.0.2.9:5061")]);
        assert_eq!(name(&all, "192.0.2.2:5061"), "a.example");
        assert_eq!(name(&all, "192.0.2.2:5070"), "a.example", "another port of the same machine");
        assert_eq!(name(&all, "192.0.2.9:5061"), "192.0.2.9");
        all.found("a", [at("192.0.2.1:5061")]);
        assert_eq!(name(&all, "192.0.2.2:5061"), "192.0.2.2");
        // A newer plan: `b` is gone, `a` has another name and is where it was.
        all.take(peers(&[("a", "new.example")]));
        assert_eq!((name(&all, "192.0.2.1:5061"), name(&all, "192.0.2.3:5061")), ("new.example".into(), "192.0.2.3".into()));
        let mut newer = peers(&[("a", "new.example")]);
        newer.found("a", [at("192.0.2.4:5061")]);
        all.take(newer);
        assert_eq!((name(&all, "192.0.2.4:5061"), name(&all, "192.0.2.1:5061")), ("new.example".into(), "192.0.2.1".into()));
    }
}
