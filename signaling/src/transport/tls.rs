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

/// All peers that something is configured for, and what holds for the others.
#[derive(Clone, Debug)]
pub struct TlsPeers {
    /// Peers by the addresses that they were found at.
    pub named: HashMap<SocketAddr, TlsPeer>,
    /// For peers that are known by nothing but their address: the certificate must hold it.
    pub others: Arc<ClientConfig>,
}

impl TlsPeers {
    /// None but what holds for all.
    #[must_use]
    pub fn new(others: Arc<ClientConfig>) -> Self {
        Self { named: HashMap::new(), others }
    }

    /// Whom we expect at an address. Another port of a peer's machine is that peer, too: a carrier may move a dialog
    /// there.
    pub(super) fn at(&self, address: SocketAddr) -> TlsPeer {
        let beside = || {
            let same = self.named.iter().filter(|(known, _)| known.ip() == address.ip());
            same.min_by_key(|(known, _)| known.port()).map(|(_, peer)| peer)
        };
        let found = self.named.get(&address).or_else(beside).cloned();
        found.unwrap_or_else(|| TlsPeer { name: ServerName::IpAddress(address.ip().into()), config: Arc::clone(&self.others) })
    }
}
