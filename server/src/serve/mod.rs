//! `tandem serve`: puts the parts together, in the order in which they can fail, and takes them apart again.

pub mod applying;
pub mod banner;
pub mod control;
pub mod data;
mod editing;
pub mod messages;
pub mod orders;
pub mod people;
pub mod plans;
pub mod preparing;
pub mod running;
pub mod schedules;
pub mod shipped;
pub mod signals;
pub mod standing;
pub mod tls;
pub mod trials;
mod turn;

use std::{
    io::IsTerminal,
    net::{IpAddr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tandem_dialplan::Listen;
use tandem_media::{
    contract::{EngineConfig, Event},
    engine::Engine,
};
use tandem_switch::{floor::Restored, id::IdSource, link::ToFloor, name::PartyNumber, time::Timestamp, toll::TollSpent};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use crate::{
    clock,
    decisions::Decider,
    http::{
        control::{CONTROL_CAPACITY, Readiness},
        view::PlanProblem,
    },
    metrics::METRICS,
    programs::Launcher,
    recordings,
    store::{Ban, Binding, Person, Restart, Scope, Store, StoreError, TokenCheck, Writer},
    wire::{
        calls::LiveCall,
        floor::{self, FloorAsk, FloorLoop, FloorNews, LINK_CAPACITY},
        line::{self, Line, Service},
        media::MediaEdge,
        restart::{self, Home, Survivors},
        sip::{Capture, Judge, Judged, Network, Settings, SipEdge, Sockets, TlsConfigs, finder, wanted},
        trace::TraceBus,
    },
};
use control::{Director, api_control, chain};
use data::DataFolder;
use orders::{Orders, Standing};
use plans::PlanFolder;
use running::Running;
use schedules::Switches;
use tls::Tls;
use trials::Watch;

/// Questions that may wait for a loop.
const ASKS: usize = 1_024;

/// How long tasks that still run may take to end with the process.
const LAST_TASKS: Duration = Duration::from_secs(1);

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
    /// How far requests to systems outside may go.
    pub reach: crate::reach::Reach,
}

/// Why the switch did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder.
    #[error(transparent)]
    Data(#[from] data::DataError),
    /// A plan that ships cannot be unpacked.
    #[error("the plan that ships cannot be unpacked: {0}")]
    Unpack(#[from] shipped::CopyError),
    /// The folder of the plan cannot be read.
    #[error("the plan cannot be read: {}", chain(.0))]
    Plan(#[from] tandem_dialplan::LoadError),
    /// The plan holds errors; they were printed.
    #[error("the plan holds {0} errors; nothing was started")]
    PlanErrors(usize),
    /// `--bind` with an address that stands for all.
    #[error(
        "nobody can be told to send to {0}: give --bind the address that phones reach, or name it in the plan by `advertise`"
    )]
    Untold(IpAddr),
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
    /// A part that never should ended.
    #[error("{0} ended by a fault, and without it the switch cannot go on; the log says more. Start it again")]
    PartEnded(String),
    /// A part does not end although it was told to.
    #[error("{0} did not stop in time; the process ended without it")]
    PartHangs(String),
    /// It stopped, but the database did not take everything.
    #[error("{0} records are lost: the database did not take them")]
    RecordsLost(usize),
}

/// Runs the switch until it is told to stop.
///
/// # Errors
/// It could not start, or could not go on.
pub fn run(options: Options) -> Result<(), ServeError> {
    // Fails only when a provider is installed already, which is as good.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().thread_name("tandem").build()?;
    let outcome = runtime.block_on(serve(options));
    // A thread that hangs must not keep the process.
    runtime.shutdown_timeout(LAST_TASKS);
    outcome
}

async fn serve(options: Options) -> Result<(), ServeError> {
    let data = DataFolder::take(&options.data)?;
    let folder = PlanFolder::find(&options.config, &options.data, options.bind)?;
    let store = open_store(&options).await?;
    let started_at = clock::now().at;
    standing::complete(&store, &folder.path, started_at).await?;
    let mut checked = folder.check()?;
    let report = &checked.report;
    if !report.diagnostics.is_empty() {
        eprint!("{}", report.drawn(std::io::stderr().is_terminal()));
    }
    let warnings = control::problems(report);
    let errors = report.count(tandem_dialplan::Severity::Error);
    let plan = checked.plan.take().ok_or(ServeError::PlanErrors(errors))?;

    if let Some(ip) = plan.listen.untold() {
        return Err(ServeError::Untold(ip));
    }

    let stopped_at = store.last_sign_of_life(started_at).await?;
    people::ensure_starters(&plan, &store, &data, started_at).await?;
    people::warn_of_old_realm(&store, &plan.realm).await?;

    let listen = plan.listen.clone();
    let sockets =
        Sockets::bind(&listen.sip_udp, &listen.sip_tcp, &listen.sip_tls).map_err(|(at, error)| ServeError::Bind(at, error))?;
    let http = listen.http.iter().map(|at| bind_http(*at)).collect::<Result<Vec<_>, _>>()?;
    let https = listen.https.iter().map(|at| bind_http(*at)).collect::<Result<Vec<_>, _>>()?;

    let mut found = standing::find(&store, &checked, started_at).await?;
    let generation = found.standing.taken.generation;
    let mut service = plans::service(plan, &folder.path, checked.prompts, generation).await?;
    let (canary, watch) = found.go_on(&store, &folder, &mut service, started_at).await?;
    let tls = Tls::start(&listen, &folder.path, data.join("tls"), Arc::clone(&service.tls))?;
    // A loop that decodes a prompt stands still meanwhile: all are ready before the first call.
    let prompts = Arc::clone(&service.prompts);
    tokio::task::spawn_blocking(move || prompts.load_all()).await.map_err(std::io::Error::other)?;

    let plans = Plans { found, canary, watch, warnings };
    let parts = Start { data, folder, listen, sockets, http, https, tls, store, stopped_at, service, plans, options };
    parts.run().await
}

/// Opens the database, and brings its tables up to date.
async fn open_store(options: &Options) -> Result<Store, StoreError> {
    let store = match &options.database {
        Some(url) => Store::open(url).await?,
        None => Store::open_folder(&options.data).await?,
    };
    store.migrate().await?;
    Ok(store)
}

fn bind_http(at: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind(at).map_err(|error| ServeError::Bind(at, error))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Raises the limit of open files as far as we may: each connection and each port of audio is one.
fn open_files() {
    let limit = getrlimit(Resource::Nofile);
    // Refused: then the lower limit counts.
    let _lower = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// SIP connections at most: half of the files that may be open, so that audio and the store always find some.
fn max_connections() -> usize {
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| usize::try_from(files / 2).unwrap_or(usize::MAX))
}

/// Everything that can fail has not: what the loops are made of.
struct Start {
    data: DataFolder,
    folder: PlanFolder,
    listen: Listen,
    sockets: Sockets,
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
    tls: Tls,
    store: Store,
    /// The last sign of life of the last process.
    stopped_at: Timestamp,
    service: Service,
    plans: Plans,
    options: Options,
}

/// What is known of the plans in service.
struct Plans {
    found: standing::Found,
    canary: Option<Standing>,
    watch: Option<Watch>,
    warnings: Vec<PlanProblem>,
}

impl Start {
    async fn run(self) -> Result<(), ServeError> {
        let Self { data, folder, listen, sockets, http, https, tls, store, stopped_at, service, plans, options } = self;
        let (now, traces) = (clock::now(), TraceBus::default());
        let (engine, media_events) = start_engine(&options, &listen, &folder.path, now).await?;
        let media = engine.ended();
        let before = (engine, Capture::start(traces.clone()));
        let Inherited { people, restored, sip, verdicts, mut audio, ids, survivors } =
            inherit(&store, (now, stopped_at), &service, (&listen, &tls.configs()), before).await?;
        let switches = Switches::read(&store, now.at).await?;
        let (writer, writing) = Writer::start(store.clone());
        let Plans { found, canary, watch, warnings } = plans.noted(&writer, &service);

        let ready = Arc::new(Readiness::default());
        let ((to_floor, from_lines), (to_line, from_floor)) = (mpsc::channel(LINK_CAPACITY), mpsc::channel(LINK_CAPACITY));
        let (line_tx, line_asks) = mpsc::channel(ASKS);
        audio.launch_with(Launcher::new(tokio::runtime::Handle::current(), line_tx.downgrade()));
        let (floor_tx, floor_asks) = mpsc::channel(ASKS);
        let between = (from_lines, to_line, floor_asks);
        let floor_loop = FloorLoop::start(floor_parts(&service, (&people, restored), between, (&writer, &ready)));

        let (taken_up_tx, taken_up) = oneshot::channel();
        let line = LineStart {
            sockets,
            tls: tls.configs(),
            runtime: tokio::runtime::Handle::current(),
            parts: line::Parts {
                sip,
                media: audio,
                decider: Decider::new(tokio::runtime::Handle::current(), line_tx.downgrade()),
                verdicts,
                media_events,
                to_floor,
                from_floor,
                asks: line_asks,
                writer: writer.clone(),
                recordings: data.join("recordings"),
                mail: messages::take_over(&store, data.join("messages"), stopped_at).await?,
                traces: traces.clone(),
                service: service.clone(),
                switches: switches.overrides(),
                beat: ready.line.clone(),
                ids,
                survivors,
                taken_up: taken_up_tx,
            },
        };
        let (line_loop, web) = line.spawn()?;
        let _ended_by_a_fault = taken_up.await;
        ready.sip_bound.store(true, Ordering::Relaxed);
        ready.plan_loaded.store(true, Ordering::Relaxed);

        let (requests_tx, requests) = mpsc::channel(CONTROL_CAPACITY);
        let (archive_tx, archive) = watch::channel(Arc::clone(&service.archive));
        recordings::start(&store, &writer, data.join("recordings"), &archive)?;
        let ((country_tx, country), (rules_tx, rules)) = of_plan(&service.plan);
        crate::rollups::start(store.clone(), writer.clone());
        let folders = (&data, folder.path.as_path(), &options.reach);
        let stores = (&store, &writer, traces);
        let control = api_control((requests_tx, &floor_tx), stores, &ready, folders, (archive, country, rules), &service);
        let (stop_http, servers) = start_http((http, https), &tls, &crate::http::app(control.clone(), web))?;
        write_access(&data, &listen, &store, now.at).await?;
        banner::print(&service.plan, &listen, &people::first_passwords(&service.plan, &data), &options);

        let director = Director {
            finder: finder::start(&listen, line_tx.clone(), tls.peers(), wanted(&service.plan)),
            folder,
            service,
            standing: Arc::new(found.standing),
            canary: canary.map(Arc::new),
            watch,
            last: found.last,
            reading: Arc::default(),
            warnings,
            switches,
            line: line_tx.clone(),
            floor: floor_tx.clone(),
            store: store.clone(),
            writer: writer.clone(),
            tls,
            ready: Arc::clone(&ready),
            orders: Orders::default(),
            archive: archive_tx,
            country: country_tx,
            rules: rules_tx,
        };
        let running = Running {
            line: line_tx,
            line_loop: Some(line_loop),
            floor: floor_tx,
            floor_loop: Some(floor_loop),
            media,
            director: Some(tokio::spawn(director.run(requests))),
            writer,
            writing: Some(writing),
            stop_http,
            http: servers,
            store,
        };
        running.until_stopped(&control, options.drain_s).await
    }
}

/// What the floor loop is made of.
fn floor_parts(
    service: &Service,
    (people, restored): (&[Person], Restored),
    (from_lines, to_line, asks): (mpsc::Receiver<ToFloor>, mpsc::Sender<FloorNews>, mpsc::Receiver<FloorAsk>),
    (writer, ready): (&Writer, &Readiness),
) -> floor::Parts {
    floor::Parts {
        queues: service.plan.queue_profiles(),
        agents: people.iter().filter_map(Person::profile).collect(),
        restored,
        from_lines,
        to_line,
        asks,
        writer: writer.clone(),
        beat: ready.floor.clone(),
    }
}

impl Plans {
    /// Writes down what the start found.
    fn noted(mut self, writer: &Writer, service: &Service) -> Self {
        for record in std::mem::take(&mut self.found.records) {
            let _full_is_impossible = writer.try_write(record);
        }
        METRICS.plan_generation.set(service.generation);
        METRICS.plan_canary.set(service.canary.as_ref().map_or(0, |canary| canary.generation));
        self
    }
}

/// What there is of before: people, what the floor knew, and the edges with the calls that go on.
struct Inherited {
    people: Vec<Person>,
    restored: Restored,
    sip: SipEdge,
    verdicts: mpsc::Receiver<Judged>,
    audio: MediaEdge,
    ids: IdSource,
    survivors: Vec<LiveCall>,
}

/// Takes over what the last process left in the store.
async fn inherit(
    store: &Store,
    (now, stopped_at): (clock::Now, Timestamp),
    service: &Service,
    (listen, tls): (&Listen, &TlsConfigs),
    (engine, capture): (Engine, Capture),
) -> Result<Inherited, StoreError> {
    let people = store.people().await?;
    let mut restored = store.restore().await?;
    let mut kept = Kept::read(store, &restored, now).await?;
    let tolls = std::mem::take(&mut kept.tolls);
    let (mut sip, verdicts) = signalling(now, service, capture, (listen, tls), (&people, &kept));
    sip.restore_tolls(tolls);
    let (mut audio, mut ids) = (MediaEdge::new(engine, service), IdSource::new(2));
    let waiting = restored.waiting.iter().map(|item| item.item).collect();
    let home = Home { now, stopped_at, service, sip: &mut sip, media: &mut audio, waiting, ids: &mut ids };
    let Survivors { calls: survivors, going_on, .. } = survivors(store, home).await?;
    restored.going_on = going_on;
    restored.going_on.promised = store.promised_today(now.at).await?;
    METRICS.items_waiting.set(restored.waiting.len() as u64);
    Ok(Inherited { people, restored, sip, verdicts, audio, ids, survivors })
}

/// The calls of the last process that go on; the others are closed.
async fn survivors(store: &Store, mut home: Home<'_>) -> Result<Survivors, StoreError> {
    let (rows, conversations) = (store.kept_calls().await?, store.conversations().await?);
    let survivors = restart::bring_back(rows, &conversations, &mut home);
    let (going_on, talking) = (survivors.ids(), survivors.talking());
    let restart = Restart { stopped_at: home.stopped_at, now: home.now.at, going_on: &going_on, talking: &talking };
    let closed = store.close_orphans(&restart).await?;
    let (lost, up) = (survivors.lost as u64, (going_on.len() - survivors.lost) as u64);
    METRICS.calls_taken_up.set(up);
    METRICS.calls_not_taken_up.set(closed + lost);
    if up + lost + closed > 0 {
        tracing::info!("{up} calls taken up again, {} closed", closed + lost);
    }
    if closed + lost > 0 {
        tracing::warn!(calls = closed + lost, "calls were up when the switch stopped last; their records say `restart`");
    }
    Ok(survivors)
}

/// What signalling finds of the last run.
struct Kept {
    bindings: Vec<Binding>,
    bans: Vec<Ban>,
    tolls: Vec<TollSpent>,
    /// Callers whose places in line are kept.
    waiting: Vec<PartyNumber>,
}

impl Kept {
    async fn read(store: &Store, restored: &Restored, now: clock::Now) -> Result<Self, StoreError> {
        let (bindings, bans) = (store.bindings(now.at).await?, store.bans(now.at).await?);
        let tolls = store.toll_spent(now.at).await?;
        let waiting = restored.waiting.iter().map(|item| item.caller.clone()).collect();
        Ok(Self { bindings, bans, tolls, waiting })
    }
}

/// How long the place of a caller who waited at the last stop is kept at most, in ms.
fn longest_grace_ms(plan: &tandem_dialplan::Plan) -> u64 {
    plan.queues.values().map(|queue| queue.profile.rejoin_grace_ms).max().unwrap_or(0)
}

/// The signalling edge with all that it knows at the start, and the verdicts that it waits for.
fn signalling(
    now: clock::Now,
    service: &Service,
    capture: Capture,
    (listen, tls): (&Listen, &TlsConfigs),
    (people, kept): (&[Person], &Kept),
) -> (SipEdge, mpsc::Receiver<Judged>) {
    let (judge, verdicts) = Judge::start(Arc::clone(tls.peers.borrow().others()));
    let mut sip = SipEdge::new(now, Settings::new(&service.plan, listen), random(), capture, judge);
    sip.set_people(people);
    sip.set_service(service);
    sip.restore(&kept.bindings);
    sip.restore_bans(&kept.bans);
    sip.expect_back(kept.waiting.iter(), longest_grace_ms(&service.plan));
    (sip, verdicts)
}

/// Serves the HTTP application until the sender says stop; then the servers finish their answers and end.
fn start_http(
    (http, https): (Vec<TcpListener>, Vec<TcpListener>),
    tls: &Tls,
    app: &axum::Router,
) -> std::io::Result<(watch::Sender<bool>, JoinSet<()>)> {
    let (stop, stopped) = watch::channel(false);
    let mut servers = JoinSet::new();
    let plain = http.into_iter().map(|listener| (listener, None));
    for (listener, tls) in plain.chain(https.into_iter().map(|listener| (listener, Some(tls.configs().server)))) {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        servers.spawn(crate::http::serve_until(listener, tls, app.clone(), stopped.clone()));
    }
    Ok((stop, servers))
}

/// A line loop before it runs on its own thread.
struct LineStart {
    sockets: Sockets,
    tls: TlsConfigs,
    runtime: tokio::runtime::Handle,
    parts: line::Parts,
}

impl LineStart {
    /// What comes back when the loop ends (the records that it lost, or nothing when it panicked), and the route by
    /// which WebSockets come to it.
    fn spawn(self) -> std::io::Result<(oneshot::Receiver<usize>, axum::Router)> {
        let Self { sockets, tls, runtime, parts } = self;
        let own = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let network = {
            let _in_runtime = own.enter();
            Network::new(sockets, tls, max_connections(), runtime)?
        };
        let web = network.web();
        let (ended_tx, ended) = oneshot::channel();
        thread::Builder::new().name("line-0".into()).spawn(move || {
            crate::wire::hurry();
            let lost = own.block_on(Line::run(parts, network));
            let _nobody_waits = ended_tx.send(lost);
        })?;
        Ok((ended, web))
    }
}

async fn start_engine(
    options: &Options,
    listen: &Listen,
    folder: &Path,
    now: clock::Now,
) -> Result<(Engine, mpsc::Receiver<Event>), ServeError> {
    let mut config = engine_config(options, listen, now)?;
    config.turn = turn::server(listen, folder).await;
    let is_lent_to = config.turn.is_some();
    let (engine, events) = Engine::start(config).map_err(|error| ServeError::Media(chain(&error)))?;
    if is_lent_to {
        turn::lends(&engine, options.media_threads).await;
    }
    Ok((engine, events))
}

fn engine_config(options: &Options, listen: &Listen, now: clock::Now) -> Result<EngineConfig, ServeError> {
    let mut config = EngineConfig::new(clock::instant);
    config.threads = options.media_threads;
    config.addresses = vec![listen.rtp_address];
    (config.first_port, config.last_port) = listen.rtp_ports;
    config.shared_port = listen.rtp_shared;
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
async fn write_access(data: &DataFolder, listen: &Listen, store: &Store, at: Timestamp) -> Result<(), ServeError> {
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

type Told<T> = (watch::Sender<T>, watch::Receiver<T>);

/// What tasks hear of each plan: its country, and its rules over channels.
fn of_plan(plan: &tandem_dialplan::Plan) -> (Told<Option<String>>, Told<Vec<tandem_switch::rules::Rule>>) {
    (watch::channel(plan.country.clone()), watch::channel(plan.rules.clone()))
}
