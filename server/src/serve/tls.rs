//! TLS: the certificate of the plan, or one of our own made at the first start; whom we trust.
//!
//! What other sides prove is checked against the authorities of the machine (its own store, by `rustls-native-certs`:
//! an admin's private authority is there and a list inside the program would age), or against the one file that a
//! trunk names. TLS 1.2 and 1.3, nothing older.

use std::{
    fs,
    io::BufReader,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::verify_server_name,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::ParsedCertificate,
};
use tandem_dialplan::{Host, Listen, Peer, Trunk};
use tokio::sync::watch;

use super::{control::chain, data::write_private};
use crate::wire::sip::{TlsConfigs, TlsPeer, TlsPeers};

/// A certificate or key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("the TLS file {path} cannot be used: {error}")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: String,
    },
    /// Certificate and key do not belong together, or are of no known kind.
    #[error("the TLS certificate and key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// Our own certificate cannot be made.
    #[error("no TLS certificate can be made")]
    Make(#[source] rcgen::Error),
    /// What a certificate should be for is no name.
    #[error("`{0}` is no name that a certificate could be for")]
    Name(String),
}

/// The certificate in service and the peers that are trusted. New ones count for new connections.
pub struct Tls {
    /// Where our own certificate lies.
    own: PathBuf,
    server: watch::Sender<Arc<ServerConfig>>,
    peers: watch::Sender<Arc<TlsPeers>>,
}

impl Tls {
    /// Takes the certificate that a plan names into service, or one of our own.
    ///
    /// # Errors
    /// It cannot be read or made.
    pub fn start(listen: &Listen, folder: &Path, own: PathBuf, peers: Arc<TlsPeers>) -> Result<Self, TlsError> {
        if listen.tls.is_none() {
            let mut names = vec!["localhost".to_owned()];
            let addresses = listen.sip_tls.iter().chain(&listen.https).map(|at| at.ip()).chain(listen.advertise);
            names.extend(addresses.map(|ip| ip.to_string()));
            names.dedup();
            ensure_own(&own, names)?;
        }
        let server = server(listen, folder, &own)?;
        Ok(Self { own, server: watch::Sender::new(Arc::new(server)), peers: watch::Sender::new(peers) })
    }

    /// What connections look at.
    #[must_use]
    pub fn configs(&self) -> TlsConfigs {
        TlsConfigs { server: self.server.subscribe(), peers: self.peers.subscribe() }
    }

    /// Reads the certificate again. One that cannot be used changes nothing: the log says why.
    pub fn renew(&self, listen: &Listen, folder: &Path) {
        match server(listen, folder, &self.own) {
            Ok(server) => {
                self.server.send_replace(Arc::new(server));
                tracing::info!("the TLS certificate was read again");
            }
            Err(error) => tracing::error!("the TLS certificate before stays in service: {}", chain(&error)),
        }
    }

    /// For whoever finds out where peers are.
    #[must_use]
    pub fn peers(&self) -> watch::Sender<Arc<TlsPeers>> {
        self.peers.clone()
    }

    /// Trusts the peers of a newer plan from now on.
    pub fn set_peers(&self, newer: &TlsPeers) {
        self.peers.send_modify(|peers| Arc::make_mut(peers).take(newer.clone()));
    }
}

/// What we show to whoever connects.
fn server(listen: &Listen, folder: &Path, own: &Path) -> Result<ServerConfig, TlsError> {
    let (certificate, key) = match &listen.tls {
        Some(files) => (folder.join(&files.certificate), folder.join(&files.key)),
        // One that was made before the plan named any, too.
        None => (own.join("certificate.pem"), own.join("key.pem")),
    };
    let (chain, key) = (certificates(&certificate)?, private_key(&key)?);
    ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).map_err(TlsError::Pair)
}

/// No peers yet, and the authorities of this machine for all that have none of their own.
#[must_use]
pub fn peers() -> TlsPeers {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        tracing::warn!("this machine trusts no authority: no peer can prove itself by TLS but those with a `ca` of their own");
    }
    TlsPeers::new(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

/// What a trunk's peer must prove, and what we show it. `all` has what holds where the trunk says nothing.
///
/// # Errors
/// A file cannot be read, or its content not be used.
pub fn peer(trunk: &Trunk, peer: &Peer, folder: &Path, all: &TlsPeers) -> Result<TlsPeer, TlsError> {
    let wish = trunk.tls.as_ref();
    let host = wish.and_then(|wish| wish.name.as_ref()).unwrap_or(&peer.address.host);
    let name = match host {
        Host::Address(address) => ServerName::IpAddress((*address).into()),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name.clone()))?,
    };
    let Some(wish) = wish.filter(|wish| wish.authorities.is_some() || wish.own.is_some()) else {
        return Ok(TlsPeer { name, config: Arc::clone(all.others()) });
    };
    let mut roots = RootCertStore::empty();
    match &wish.authorities {
        Some(file) => {
            let path = folder.join(file);
            for authority in certificates(&path)? {
                roots.add(authority).map_err(|error| file_error(&path, error))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let config = match &wish.own {
        None => config.with_no_client_auth(),
        Some(files) => {
            let (chain, key) = (certificates(&folder.join(&files.certificate))?, private_key(&folder.join(&files.key))?);
            config.with_client_auth_cert(chain, key).map_err(TlsError::Pair)?
        }
    };
    Ok(TlsPeer { name, config: Arc::new(config) })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = fs::File::open(path).map_err(|error| file_error(path, error))?;
    let found: Vec<_> = CertificateDer::pem_reader_iter(BufReader::new(file))
        .collect::<Result<_, _>>()
        .map_err(|error| file_error(path, error))?;
    if found.is_empty() { Err(file_error(path, "it holds no certificate; expected PEM")) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| file_error(path, error))
}

fn file_error(path: &Path, error: impl ToString) -> TlsError {
    TlsError::File { path: path.display().to_string(), error: error.to_string() }
}

/// Whether a certificate of ours holds for every one of `names`.
fn carries(certificate: &Path, names: &[String]) -> bool {
    let Ok(certificate) = CertificateDer::from_pem_file(certificate) else { return false };
    let Ok(certificate) = ParsedCertificate::try_from(&certificate) else { return false };
    names.iter().all(|name| ServerName::try_from(name.as_str()).is_ok_and(|name| verify_server_name(&certificate, &name).is_ok()))
}

/// Makes a certificate for `names` in `folder`, unless one for all of them is there. Phones must be told to trust it.
///
/// # Errors
/// It cannot be made or written.
pub fn ensure_own(folder: &Path, names: Vec<String>) -> Result<(), TlsError> {
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    if certificate.exists() && key.exists() {
        if carries(&certificate, &names) {
            return Ok(());
        }
        tracing::warn!("the addresses changed, so a new TLS certificate is made: phones must be told to trust it");
    }
    fs::create_dir_all(folder).map_err(|error| file_error(folder, error))?;
    let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::Make)?;
    write_private(&key, &made.signing_key.serialize_pem()).map_err(|error| file_error(&key, error))?;
    fs::write(&certificate, made.cert.pem()).map_err(|error| file_error(&certificate, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trunk to `sip.carrier.example` with this `tls` line, and a folder with a pair and a key of another pair.
    fn checked(tls: &str) -> Result<TlsPeer, TlsError> {
        static COUNTER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("tandem-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let made = || rcgen::generate_simple_self_signed(["here".to_owned()]).unwrap();
        let (pair, other) = (made(), made());
        fs::write(folder.join("a.pem"), pair.cert.pem()).unwrap();
        fs::write(folder.join("a.key"), pair.signing_key.serialize_pem()).unwrap();
        fs::write(folder.join("b.key"), other.signing_key.serialize_pem()).unwrap();
        let text =
            format!("trunk \"t\" {{ peer \"tls\" \"sip.carrier.example\"\n {tls}\n }}\nroute \"r\" {{ from any\n hangup\n }}");
        let files = ["a.pem", "a.key", "b.key"].map(str::to_owned).into();
        let world = tandem_dialplan::World { files, ..tandem_dialplan::World::default() };
        let (plan, report) = tandem_dialplan::check(&[tandem_dialplan::Source::new("plan.kdl", text)], &world);
        let plan = plan.unwrap_or_else(|| panic!("{}", report.lines()));
        let trunk = plan.trunks.values().next().unwrap();
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let found = peer(trunk, trunk.peer.as_ref().unwrap(), &folder, &peers());
        fs::remove_dir_all(folder).unwrap();
        found
    }

    fn name(tls: &str) -> String {
        checked(tls).unwrap().name.to_str().into_owned()
    }

    #[test]
    fn a_peer_must_prove_its_configured_name() {
        assert_eq!(name(""), "sip.carrier.example");
        assert_eq!(name("tls name=\"tls.carrier.example\""), "tls.carrier.example");
        assert_eq!(name("tls name=\"192.0.2.1\" ca=\"a.pem\""), "192.0.2.1");
    }

    #[test]
    fn what_we_show_is_a_pair_and_authorities_are_certificates() {
        assert!(checked("tls certificate=\"a.pem\" key=\"a.key\"").unwrap().config.client_auth_cert_resolver.has_certs());
        assert!(!checked("tls ca=\"a.pem\"").unwrap().config.client_auth_cert_resolver.has_certs());
        assert!(matches!(checked("tls certificate=\"a.pem\" key=\"b.key\""), Err(TlsError::Pair(_))));
        assert!(matches!(checked("tls ca=\"a.key\""), Err(TlsError::File { .. })));
    }

    #[test]
    fn our_certificate_is_made_anew_only_when_a_name_is_not_in_it() {
        let folder = std::env::temp_dir().join(format!("tandem-own-tls-{}", std::process::id()));
        let certificate = folder.join("certificate.pem");
        let ensured = |names: &[&str]| {
            ensure_own(&folder, names.iter().map(|&name| name.to_owned()).collect()).unwrap();
            fs::read_to_string(&certificate).unwrap()
        };
        let first = ensured(&["localhost", "127.0.0.1"]);
        assert_eq!(ensured(&["localhost", "127.0.0.1"]), first, "phones trust it already");
        assert_eq!(ensured(&["localhost"]), first);
        let second = ensured(&["localhost", "192.0.2.10", "2001:db8::1"]);
        assert_ne!(second, first);
        assert_eq!(ensured(&["2001:db8::1", "192.0.2.10"]), second);
        fs::write(&certificate, "no certificate").unwrap();
        let third = ensured(&["localhost"]);
        assert!(carries(&certificate, &["localhost".to_owned()]) && third != second);
        fs::remove_dir_all(&folder).unwrap();
    }
}
