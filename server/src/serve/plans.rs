//! From a folder of plan files to a plan in service.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use tandem_dialplan::{Checker, Host, LoadError, Peer, Plan, Report, Secret, Source, Transport, World};

use super::{
    control::chain,
    shipped::{self, CopyError},
    tls::{self, TlsError},
};
use crate::{
    clock,
    plan_folder::{below, hash},
    prompts::Prompts,
    recordings::{Archive, ArchiveError},
    store::PlanFile,
    wire::{
        line::Service,
        sip::{Collector, IdentityError, load_identity},
    },
};

/// Where Homer listens for HEP.
const HOMER_PORT: u16 = 9_060;
/// Where SIP over TLS is expected (RFC 3261 section 19.1.2).
const SIPS_PORT: u16 = 5_061;
/// A secret in a file is no longer than this.
const MAX_SECRET_BYTES: usize = 4_096;

/// A folder that was read and checked, with the recordings it may use.
pub struct Checked {
    /// There exactly when the report has no error.
    pub plan: Option<Plan>,
    /// What was found.
    pub report: Report,
    /// The shipped recordings and the plan's own.
    pub prompts: Arc<Prompts>,
    /// The texts; paths are below the folder.
    pub sources: Vec<Source>,
    /// Each file with its hash, for the journal.
    pub files: Vec<PlanFile>,
}

/// What the next reading of a plan need not do again.
#[derive(Default)]
pub struct LastReading {
    checker: Checker,
    prompts: Option<Arc<Prompts>>,
    /// Of each file its text and the hash of that.
    hashes: BTreeMap<String, (Arc<str>, String)>,
}

impl LastReading {
    /// Checks texts as if they lay in a folder, with the recordings and secrets that do.
    fn check(&mut self, folder: &Path, sources: Vec<Source>) -> Checked {
        let needs = self.checker.needs(&sources);
        let prompts = Prompts::find_again(Some(&folder.join(&needs.prompts)), self.prompts.as_deref());
        let (plan, report) = self.checker.check(&sources, &world(folder, needs.files, &prompts));
        let prompts = Arc::new(prompts);
        self.prompts = Some(Arc::clone(&prompts));
        let sources = below(folder, sources);
        Checked { plan, report, prompts, files: self.files(&sources), sources }
    }

    /// Each text with its hash.
    fn files(&mut self, sources: &[Source]) -> Vec<PlanFile> {
        let hashes = self.hashes(sources);
        sources.iter().zip(hashes).map(|(source, sha256)| PlanFile { file: source.path.clone(), sha256 }).collect()
    }

    /// The hash of each file, in order.
    fn hashes(&mut self, sources: &[Source]) -> Vec<String> {
        let mut before = std::mem::take(&mut self.hashes);
        let hash_of = |source: &Source| {
            let known = before.remove(&source.path).filter(|(text, _)| *text == source.text);
            let hash = known.map_or_else(|| hash(source.text.as_bytes()), |(_, hash)| hash);
            self.hashes.insert(source.path.clone(), (Arc::clone(&source.text), hash.clone()));
            hash
        };
        sources.iter().map(hash_of).collect()
    }
}

/// Reads and checks the plan in a folder. Its own recordings go before those that ship.
///
/// # Errors
/// The folder or a file of it cannot be read. What is wrong in the files is in the report.
pub fn check(folder: &Path) -> Result<Checked, LoadError> {
    check_again(folder, &mut LastReading::default())
}

/// The same, when a plan was read before: what did not change since costs next to nothing.
///
/// # Errors
/// As [`check`].
pub fn check_again(folder: &Path, last: &mut LastReading) -> Result<Checked, LoadError> {
    let sources = tandem_dialplan::read_sources(folder)?;
    Ok(last.check(folder, sources))
}

/// Each text with its hash.
#[must_use]
pub fn files_of(sources: &[Source]) -> Vec<PlanFile> {
    LastReading::default().files(sources)
}

/// What lies around a plan: the environment, the files that it names, its recordings and those that ship.
#[must_use]
pub fn surroundings(folder: &Path, sources: &[Source]) -> (World, Prompts) {
    let needs = tandem_dialplan::needs(sources);
    let prompts = Prompts::find(Some(&folder.join(&needs.prompts)));
    (world(folder, needs.files, &prompts), prompts)
}

/// The environment, the files of `named` that are there, and recordings.
fn world(folder: &Path, named: BTreeSet<String>, prompts: &Prompts) -> World {
    let mut world = World {
        environment: std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect(),
        files: named.into_iter().filter(|file| folder.join(file).is_file()).collect(),
        now: Some(clock::now().at),
        ..World::default()
    };
    prompts.tell(&mut world);
    world
}

/// Why a checked plan cannot be taken into service.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A secret is not there.
    #[error("the password of trunk {trunk} cannot be read from {place}")]
    Secret {
        /// Whose.
        trunk: String,
        /// Where it should be.
        place: String,
    },
    /// What signed caller ids need cannot be used.
    #[error("the caller ids of trunk {trunk}: {error}")]
    Identity {
        /// Whose.
        trunk: String,
        /// Why.
        #[source]
        error: IdentityError,
    },
    /// What recordings need cannot be used.
    #[error(transparent)]
    Recordings(#[from] ArchiveError),
    /// What a program that hears calls is to be proved with is not there.
    #[error(transparent)]
    Programs(#[from] crate::programs::TokenError),
    /// What a service that is asked is to be proved with is not there.
    #[error(transparent)]
    Decisions(#[from] crate::decisions::TokenError),
    /// What belongs to a trunk's TLS cannot be used.
    #[error("the TLS of trunk {trunk}: {}", chain(.error))]
    Tls {
        /// Whose.
        trunk: String,
        /// What is wrong.
        error: TlsError,
    },
}

/// Makes a checked plan ready for the loops: fetches the passwords, keys and authorities of trunks.
///
/// # Errors
/// One is missing or of no use.
pub async fn service(mut plan: Plan, folder: &Path, prompts: Arc<Prompts>, generation: u64) -> Result<Service, ServiceError> {
    plan.generation = generation;
    let mut secrets = BTreeMap::new();
    let mut tls = tls::peers();
    for trunk in plan.trunks.values() {
        if let Some(credentials) = &trunk.credentials {
            let secret = read_secret(&credentials.secret, folder)
                .ok_or_else(|| ServiceError::Secret { trunk: trunk.name.to_string(), place: place(&credentials.secret) })?;
            secrets.insert(trunk.name.clone(), secret);
        }
        let by_tls = |peer: &&Peer| peer.transport.is_none_or(|transport| transport == Transport::Tls);
        if let Some(peer) = trunk.peer.as_ref().filter(by_tls) {
            let expected = tls::peer(trunk, peer, folder, &tls);
            let expected = expected.map_err(|error| ServiceError::Tls { trunk: trunk.name.to_string(), error })?;
            tls.expect(trunk.name.as_str(), expected);
            // Where a name leads to is told by the finder.
            if let Host::Address(address) = peer.address.host {
                tls.found(trunk.name.as_str(), [SocketAddr::new(address, peer.address.port.unwrap_or(SIPS_PORT))]);
            }
        }
    }
    let identities = plan.trunks.values().map(|trunk| {
        let identity = load_identity(trunk, &plan, folder);
        identity
            .map(|identity| (trunk.name.clone(), identity))
            .map_err(|error| ServiceError::Identity { trunk: trunk.name.to_string(), error })
    });
    let identities = Arc::new(identities.collect::<Result<BTreeMap<_, _>, _>>()?);
    let archive = Arc::new(Archive::new(&plan.recordings, |secret| read_secret(secret, folder), place)?);
    let programs = crate::programs::targets(&plan, |secret| read_secret(secret, folder), place)?;
    let decisions = crate::decisions::targets(&plan, |secret| read_secret(secret, folder), place)?;
    let settings = plan.call_settings();
    let capture = match &plan.capture {
        Some(capture) => collector(capture).await,
        None => None,
    };
    Ok(Service {
        plan: Arc::new(plan),
        tls: Arc::new(tls),
        secrets,
        capture,
        identities,
        prompts,
        settings: Arc::new(settings),
        archive,
        programs,
        decisions,
        generation,
        canary: None,
        trial: None,
    })
}

/// The address of a collector. One that has none now is no reason to refuse a plan.
async fn collector(capture: &tandem_dialplan::Capture) -> Option<Collector> {
    let port = capture.address.port.unwrap_or(HOMER_PORT);
    let found = match &capture.address.host {
        Host::Address(address) => Ok(Some(SocketAddr::new(*address, port))),
        Host::Name(name) => tokio::net::lookup_host((name.as_str(), port)).await.map(|mut all| all.next()),
    };
    match found {
        Ok(Some(address)) => Some(Collector { address, agent_id: capture.id }),
        Ok(None) | Err(_) => {
            tracing::warn!(
                "the collector {} has no address now; nothing is captured until the plan is loaded again",
                capture.address
            );
            None
        }
    }
}

pub(super) fn place(secret: &Secret) -> String {
    match secret {
        Secret::Env(name) => format!("the environment variable {name}"),
        Secret::File(name) => format!("the file {name}"),
    }
}

pub(super) fn read_secret(secret: &Secret, folder: &Path) -> Option<String> {
    match secret {
        Secret::Env(name) => std::env::var(name).ok(),
        Secret::File(name) => {
            let text = std::fs::read_to_string(folder.join(name)).ok().filter(|text| text.len() <= MAX_SECRET_BYTES)?;
            text.lines().next().map(str::to_owned)
        }
    }
    .filter(|secret| !secret.is_empty())
}

/// The folder of a plan: a path, or the name of one that ships, unpacked for the admin to read and change.
#[derive(Clone, Debug)]
pub struct PlanFolder {
    /// The folder.
    pub path: PathBuf,
    /// `--bind`: every address of the plan is replaced by this one.
    pub bind: Option<IpAddr>,
}

impl PlanFolder {
    /// Finds the folder of `--config`. A plan that ships is unpacked into the data folder unless it lies there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn find(config: &str, data: &Path, bind: Option<IpAddr>) -> Result<Self, CopyError> {
        Ok(Self { path: shipped::find(config, data)?, bind })
    }

    /// Reads and checks it.
    ///
    /// # Errors
    /// As [`check`].
    pub fn check(&self) -> Result<Checked, LoadError> {
        self.check_again(&mut LastReading::default())
    }

    /// Reads and checks it again.
    ///
    /// # Errors
    /// As [`check`].
    pub fn check_again(&self, last: &mut LastReading) -> Result<Checked, LoadError> {
        check_again(&self.path, last).map(|checked| self.bound(checked))
    }

    /// Checks texts as if they lay in it.
    #[must_use]
    pub fn check_texts(&self, sources: Vec<Source>, last: &mut LastReading) -> Checked {
        self.bound(last.check(&self.path, sources))
    }

    fn bound(&self, mut checked: Checked) -> Checked {
        if let (Some(plan), Some(bind)) = (&mut checked.plan, self.bind) {
            plan.listen = plan.listen.clone().on(bind);
        }
        checked
    }
}
