//! `tandem serve`: puts the parts together, in the order in which they can fail, and takes them apart again.

pub mod banner;
pub mod control;
pub mod data;
pub mod people;
pub mod plans;
pub mod reload;
pub mod signals;
pub mod tls;

use std::{
    io::IsTerminal,
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
};

use serde_json::json;
use tandem_dialplan::Listen;
use tandem_media::{contract::EngineConfig, engine::Engine};
use tokio::sync::mpsc;

use crate::{
    clock,
    http::{
        control::{CONTROL_CAPACITY, Control, Readiness},
        view::PlanProblem,
    },
    metrics::METRICS,
    store::{Generation, Person, PlanFile, Record, Scope, Store, StoreError, TokenCheck, Writer},
    wire::{
        floor::{self, FloorLoop, LINK_CAPACITY},
        line::{self, Line, Service},
        media::MediaEdge,
        sip::{Network, Settings, SipEdge, Sockets, TlsConfigs, finder, wanted},
        trace::TraceBus,
    },
};
use control::{Director, chain};
use data::DataFolder;
use plans::{Checked, PlanFolder};

/// Questions that may wait for a loop.
const ASKS: usize = 1_024;

/// What `serve` is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder of the plan, or `demo`.
    pub config: String,
    /// The data folder.
    pub data: PathBuf,
    /// Every address of the plan is replaced by this one.
    pub bind: Option<IpAddr>,
    /// A database other than the embedded one.
    pub database: Option<String>,
    /// Media threads.
    pub media_threads: usize,
    /// How long a drain waits for calls to end, in s.
    pub drain_s: u64,
}

/// Why the switch did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder.
    #[error(transparent)]
    Data(#[from] data::DataError),
    /// The demo plan cannot be unpacked.
    #[error("the demo plan cannot be unpacked: {0}")]
    Demo(#[source] std::io::Error),
    /// The folder of the plan cannot be read.
    #[error("the plan cannot be read: {}", chain(.0))]
    Plan(#[from] tandem_dialplan::LoadError),
    /// The plan holds errors; they were printed.
    #[error("the plan holds {0} errors; nothing was started")]
    PlanErrors(usize),
    /// The plan is right, but what it needs is not there.
    #[error(transparent)]
    Service(#[from] plans::ServiceError),
    /// The database.
    #[error("the database: {}", chain(.0))]
    Store(#[from] StoreError),
    /// The first people.
    #[error("{}", chain(.0))]
    Starters(#[from] people::StarterError),
    /// TLS.
    #[error("{}", chain(.0))]
    Tls(#[from] tls::TlsError),
    /// An address cannot be bound.
    #[error("cannot listen at {0}: {1}; is another switch running there, or is the address not of this machine?")]
    Bind(SocketAddr, #[source] std::io::Error),
    /// A thread or signal handler cannot be made, or something else of the system failed.
    #[error("the system: {0}")]
    System(#[from] std::io::Error),
    /// The media engine.
    #[error("the media engine cannot start: {0}")]
    Media(String),
}

/// Runs the switch until it is told to stop.
///
/// # Errors
/// It could not start, or could not go on.
pub fn run(options: Options) -> Result<(), ServeError> {
    // Fails only when a provider is installed already, which is as good.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().thread_name("tandem").build()?;
    runtime.block_on(serve(options))
}

async fn serve(options: Options) -> Result<(), ServeError> {
    let data = DataFolder::take(&options.data)?;
    let folder = PlanFolder::find(&options.config, &options.data, options.bind).map_err(ServeError::Demo)?;
    let Checked { plan, report, prompts, files } = folder.check()?;
    if !report.diagnostics.is_empty() {
        eprint!("{}", report.drawn(std::io::stderr().is_terminal()));
    }
    let warnings = control::problems(&report);
    let plan = plan.ok_or(ServeError::PlanErrors(report.count(tandem_dialplan::Severity::Error)))?;

    let store = match &options.database {
        Some(url) => Store::open(url).await?,
        None => Store::open_folder(&options.data).await?,
    };
    store.migrate().await?;
    let started_at = clock::now().at;
    let lost = store.close_orphans(started_at).await?;
    if lost > 0 {
        tracing::warn!(calls = lost, "calls were up when the switch stopped last; their records say `restart`");
    }
    people::ensure_starters(&plan, &store, &data, started_at).await?;

    let listen = plan.listen.clone();
    let sockets =
        Sockets::bind(&listen.sip_udp, &listen.sip_tcp, &listen.sip_tls).map_err(|(at, error)| ServeError::Bind(at, error))?;
    let http = listen.http.iter().map(|at| bind_http(*at)).collect::<Result<Vec<_>, _>>()?;
    let tls = tls_of(&listen, &folder.path, &data)?;

    let generation = store.generations(1).await?.first().map_or(0, |last| last.generation) + 1;
    let service = plans::service(plan, &folder.path, prompts, generation)?;
    // A loop that decodes a prompt stands still meanwhile: all are ready before the first call.
    let prompts = Arc::clone(&service.prompts);
    tokio::task::spawn_blocking(move || prompts.load_all()).await.map_err(std::io::Error::other)?;

    let parts = Start { data, folder, listen, sockets, http, tls, store, service, warnings, files, options };
    parts.run().await
}

fn bind_http(at: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind(at).map_err(|error| ServeError::Bind(at, error))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn tls_of(listen: &Listen, folder: &Path, data: &DataFolder) -> Result<TlsConfigs, tls::TlsError> {
    if let Some(files) = &listen.tls {
        return tls::load(&folder.join(&files.certificate), &folder.join(&files.key));
    }
    let own = data.join("tls");
    let mut names = vec!["localhost".to_owned()];
    names.extend(listen.sip_tls.iter().map(|at| at.ip()).chain(listen.advertise).map(|ip| ip.to_string()));
    tls::ensure_own(&own, names)?;
    tls::load(&own.join("certificate.pem"), &own.join("key.pem"))
}

/// Everything that can fail has not: what the loops are made of.
struct Start {
    data: DataFolder,
    folder: PlanFolder,
    listen: Listen,
    sockets: Sockets,
    http: Vec<TcpListener>,
    tls: TlsConfigs,
    store: Store,
    service: Service,
    warnings: Vec<PlanProblem>,
    files: Vec<PlanFile>,
    options: Options,
}

impl Start {
    async fn run(self) -> Result<(), ServeError> {
        let Self { data, folder, listen, sockets, http, tls, store, service, warnings, files, options } = self;
        let now = clock::now();
        let people = store.people().await?;
        let restored = store.restore().await?;
        let bindings = store.bindings(now.at).await?;
        METRICS.items_waiting.set(restored.waiting.len() as u64);

        let (writer, writing) = Writer::start(store.clone());
        let taken = Generation { generation: service.generation, by: "start".to_owned(), files, at: now.at };
        let _full_is_impossible = writer.try_write(Record::PlanLoaded(taken.clone()));
        METRICS.plan_generation.set(service.generation);

        let traces = TraceBus::default();
        let ready = Arc::new(Readiness::default());
        let (to_floor, from_lines) = mpsc::channel(LINK_CAPACITY);
        let (to_line, from_floor) = mpsc::channel(LINK_CAPACITY);
        let (line_tx, line_asks) = mpsc::channel(ASKS);
        let (floor_tx, floor_asks) = mpsc::channel(ASKS);
        tokio::spawn(FloorLoop::run(floor::Parts {
            queues: service.plan.queue_profiles(),
            agents: people.iter().filter_map(Person::profile).collect(),
            restored,
            from_lines,
            to_line,
            asks: floor_asks,
            writer: writer.clone(),
        }));

        let (engine, media_events) =
            Engine::start(engine_config(&options, &listen, now)?).map_err(|error| ServeError::Media(chain(&error)))?;
        let mut sip = SipEdge::new(now, Settings::new(&service.plan, &listen), random());
        sip.set_people(&people);
        sip.set_service(&service);
        sip.restore(&bindings);
        let recordings = data.join("recordings");
        let runtime = tokio::runtime::Handle::current();
        let parts = LineStart {
            sockets,
            tls,
            runtime,
            parts: line::Parts {
                sip,
                media: MediaEdge::new(engine, Arc::clone(&service.prompts)),
                media_events,
                to_floor,
                from_floor,
                asks: line_asks,
                writer: writer.clone(),
                recordings: recordings.clone(),
                traces: traces.clone(),
                service: service.clone(),
            },
        };
        let line = parts.spawn()?;
        ready.sip_bound.store(true, Ordering::Relaxed);
        ready.plan_loaded.store(true, Ordering::Relaxed);

        let (requests_tx, requests) = mpsc::channel(CONTROL_CAPACITY);
        let control = Control {
            requests_tx,
            store: store.clone(),
            writer: writer.clone(),
            traces,
            ready: Arc::clone(&ready),
            recordings,
            realm: service.plan.realm.clone(),
        };
        for listener in http {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::spawn(crate::http::serve(listener, control.clone()));
        }
        write_access(&data, &listen, &store, now.at).await?;
        banner::print(&service.plan, &listen, &people::first_passwords(&service.plan, &data), &options);

        let director = Director {
            finder: finder::start(&listen, line_tx.clone(), wanted(&service.plan)),
            folder,
            service,
            taken,
            warnings,
            line: line_tx.clone(),
            floor: floor_tx,
            store: store.clone(),
            writer: writer.clone(),
            ready: Arc::clone(&ready),
            reloads: reload::Reloads::default(),
        };
        tokio::spawn(director.run(requests));
        signals::until_stopped(&control, &line_tx, options.drain_s).await?;

        let _loop_is_gone = line_tx.send(line::LineAsk::Stop).await;
        let _ended = tokio::task::spawn_blocking(move || line.join()).await;
        let _writer_is_gone = writer.flush().await;
        drop(writer);
        writing.abort();
        store.close().await;
        println!("Tandem has stopped.");
        Ok(())
    }
}

/// A line loop before it runs on its own thread.
struct LineStart {
    sockets: Sockets,
    tls: TlsConfigs,
    runtime: tokio::runtime::Handle,
    parts: line::Parts,
}

impl LineStart {
    fn spawn(self) -> std::io::Result<thread::JoinHandle<()>> {
        let Self { sockets, tls, runtime, parts } = self;
        let own = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let network = {
            let _in_runtime = own.enter();
            Network::new(sockets, tls, runtime)?
        };
        thread::Builder::new().name("line-0".into()).spawn(move || own.block_on(Line::run(parts, network)))
    }
}

fn engine_config(options: &Options, listen: &Listen, now: clock::Now) -> Result<EngineConfig, ServeError> {
    let mut config = EngineConfig::new(clock::instant);
    config.threads = options.media_threads;
    config.addresses = vec![listen.rtp_address];
    (config.first_port, config.last_port) = listen.rtp_ports;
    config.unix_us = u64::try_from(now.at.0).map_err(|_| ServeError::Media("the clock stands before 1970".to_owned()))?;
    config.seed = u64::from_le_bytes(random());
    Ok(config)
}

/// Random bytes of the system.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness passwords could be guessed: better not to start.
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Leaves address and a token for the command line of this machine, in a file that only its owner reads.
async fn write_access(
    data: &DataFolder,
    listen: &Listen,
    store: &Store,
    at: tandem_switch::time::Timestamp,
) -> Result<(), ServeError> {
    const NAME: &str = "command line";
    let Some(http) = listen.http.first() else { return Ok(()) };
    let file = data.join("cli.json");
    let kept = std::fs::read_to_string(&file).ok().and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    let kept = kept.and_then(|access| access["token"].as_str().map(str::to_owned));
    let token = match kept {
        Some(token) if matches!(store.check_token(&token, at).await?, TokenCheck::Good(_)) => token,
        _ => {
            for old in store.tokens().await?.iter().filter(|token| token.name == NAME && token.revoked_at.is_none()) {
                store.revoke_token(&old.id, "start", at).await?;
            }
            store.add_token(NAME, Scope::Admin, "start", at).await?.0.expose().to_owned()
        }
    };
    let reachable = if http.ip().is_unspecified() { SocketAddr::new(IpAddr::from([127, 0, 0, 1]), http.port()) } else { *http };
    let text = json!({ "server": format!("http://{reachable}"), "token": token }).to_string();
    data::write_private(&file, &text)?;
    Ok(())
}
