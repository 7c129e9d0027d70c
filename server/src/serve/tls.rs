//! TLS: the certificate of the plan, or one of our own made at the first start.

use std::{fs, io::BufReader, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::verify_server_name,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::ParsedCertificate,
};

use super::data::write_private;
use crate::wire::sip::TlsConfigs;

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
    #[error("the TLS certificate and key cannot be used together: {0}")]
    Pair(#[source] rustls::Error),
    /// Our own certificate cannot be made.
    #[error("no TLS certificate can be made: {0}")]
    Make(#[source] rcgen::Error),
}

/// Both sides of TLS from PEM files.
///
/// # Errors
/// The files cannot be read, or do not fit each other.
pub fn load(certificate: &Path, key: &Path) -> Result<TlsConfigs, TlsError> {
    let at = |path: &Path, error: String| TlsError::File { path: path.display().to_string(), error };
    let file = fs::File::open(certificate).map_err(|error| at(certificate, error.to_string()))?;
    let chain: Vec<_> = CertificateDer::pem_reader_iter(BufReader::new(file))
        .collect::<Result<_, _>>()
        .map_err(|error| at(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(at(certificate, "it holds no certificate; expected PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| at(key, error.to_string()))?;
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(chain.clone(), key).map_err(TlsError::Pair)?;
    let mut roots = RootCertStore::empty();
    // Trunks may present what our own certificate is signed by: a private authority.
    roots.add_parsable_certificates(chain);
    roots.add_parsable_certificates(system_roots());
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConfigs { server: Arc::new(server), client: Arc::new(client) })
}

/// The authorities that Debian trusts; none where the file is not there.
fn system_roots() -> Vec<CertificateDer<'static>> {
    let Ok(file) = fs::File::open("/etc/ssl/certs/ca-certificates.crt") else { return Vec::new() };
    CertificateDer::pem_reader_iter(BufReader::new(file)).filter_map(Result::ok).collect()
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
    let at = |path: &Path, error: std::io::Error| TlsError::File { path: path.display().to_string(), error: error.to_string() };
    fs::create_dir_all(folder).map_err(|error| at(folder, error))?;
    let made = rcgen::generate_simple_self_signed(names).map_err(TlsError::Make)?;
    write_private(&key, &made.signing_key.serialize_pem()).map_err(|error| at(&key, error))?;
    fs::write(&certificate, made.cert.pem()).map_err(|error| at(&certificate, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_certificate_is_made_anew_only_when_a_name_is_not_in_it() {
        let folder = std::env::temp_dir().join(format!("tandem-tls-{}", std::process::id()));
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
