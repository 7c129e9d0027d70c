//! What a plan says of signed caller ids, with its files read.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use ring::rand::SystemRandom;
use tandem_dialplan::{self as plan, ExtensionRange, IdentityPolicy, Plan};
use tandem_signaling::identity::{Signer, SignerError, TrustError, TrustList};

/// A list of authorities or a key is no larger.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// One trunk's.
#[derive(Clone, Debug, Default)]
pub struct TrunkIdentity {
    pub(super) verify: Option<Arc<Verify>>,
    pub(super) sign: Option<Arc<Sign>>,
}

/// How callers are checked.
#[derive(Debug)]
pub(super) struct Verify {
    pub(super) policy: IdentityPolicy,
    pub(super) trust: Arc<TrustList>,
    pub(super) fresh: Duration,
    pub(super) wait: Duration,
    pub(super) country_code: Option<String>,
    pub(super) hosts: Arc<[String]>,
}

/// How ours are signed.
#[derive(Debug)]
pub(super) struct Sign {
    pub(super) signer: Signer,
    pub(super) rule: plan::SignIdentity,
    pub(super) extensions: Vec<ExtensionRange>,
}

/// Why it cannot be done as the plan says.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("{file} cannot be read: {error}")]
    File {
        /// Which.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// A list of authorities cannot be used.
    #[error("{file} is no list of authorities: {error}")]
    Trust {
        /// Which.
        file: String,
        /// Why.
        error: TrustError,
    },
    /// There is no signing with that.
    #[error("calls cannot be signed with {file}: {error}")]
    Sign {
        /// The file of the key.
        file: String,
        /// Why.
        error: SignerError,
    },
}

/// Reads what a trunk's settings name from the folder of the plan.
///
/// # Errors
/// A file is not there, or not what it should be.
pub fn load(trunk: &plan::Trunk, plan: &Plan, folder: &Path) -> Result<TrunkIdentity, IdentityError> {
    let plan::TrunkIdentity { verify, sign } = &trunk.identity;
    Ok(TrunkIdentity {
        verify: verify.as_ref().map(|verify| load_verify(verify, folder)).transpose()?.map(Arc::new),
        sign: sign.as_ref().map(|sign| load_sign(sign, plan, folder)).transpose()?.map(Arc::new),
    })
}

fn load_verify(verify: &plan::VerifyIdentity, folder: &Path) -> Result<Verify, IdentityError> {
    let trust = TrustList::from_pem(&read(folder, &verify.trust)?)
        .map_err(|error| IdentityError::Trust { file: verify.trust.clone(), error })?;
    Ok(Verify {
        policy: verify.policy,
        trust: Arc::new(trust),
        fresh: Duration::from_millis(verify.fresh_ms),
        wait: Duration::from_millis(verify.wait_ms),
        country_code: verify.country_code.clone(),
        hosts: verify.hosts.clone().into(),
    })
}

fn load_sign(sign: &plan::SignIdentity, plan: &Plan, folder: &Path) -> Result<Sign, IdentityError> {
    let key = read(folder, &sign.key)?;
    let signer = Signer::new(&key, &sign.certificate, &sign.origid, &SystemRandom::new())
        .map_err(|error| IdentityError::Sign { file: sign.key.clone(), error })?;
    Ok(Sign { signer, rule: sign.clone(), extensions: plan.extensions.clone() })
}

fn read(folder: &Path, file: &str) -> Result<Vec<u8>, IdentityError> {
    let path = folder.join(file);
    let too_large = || io::Error::other("it is too large");
    let bytes =
        fs::metadata(&path).and_then(|meta| if meta.len() <= MAX_FILE_BYTES { fs::read(&path) } else { Err(too_large()) });
    bytes.map_err(|error| IdentityError::File { file: file.to_owned(), error })
}
