//! Programs outside that hear calls and speak in them, over WebSockets: `docs/audio-streams.md` is what they are told.
//!
//! A stream is one call's audio to one program. Its core is [`session`]: what is said when, and when it is given up. A task
//! (`connection`) drives it between a socket and the pipes of the media threads. The line loop starts streams by a
//! [`Launcher`], and hears of their end as of any other question that somebody asks it.

mod connection;
mod contract;
pub mod message;
mod session;
mod voice;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use rustls::{ClientConfig, RootCertStore};
use tandem_dialplan::{AudioStream, Plan, StreamUrl};
use tandem_media::{contract::FORK_FRAME_MS, pipe::Pipe};
use tandem_switch::{id::CallId, name::AudioStreamName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

pub use self::contract::{Counts, Ending, Facts};
use self::{
    connection::Task,
    message::{Mode, Side},
    session::Session,
};
use crate::{
    clock,
    metrics::METRICS,
    service_token::{ServiceToken, TokenError, Tokens},
    wire::line::LineAsk,
};

/// Streams of the process at most.
const MOST_STREAMS: usize = 1_000;
/// Orders that may wait for one.
const ORDERS: usize = 64;
/// Frames of a side that fit between a media thread and the task: a second.
const FORK_FRAMES: usize = 50;
/// Milliseconds of the program's voice that are handed on before they are due.
const AHEAD_MS: usize = 100;

/// A program as the plan has it, with its secret.
pub struct Target {
    /// Where it is.
    pub url: StreamUrl,
    /// How we prove ourselves there.
    pub token: Option<ServiceToken>,
    /// Samples a second, unless said otherwise.
    pub rate_hz: u32,
    /// Audio may go there in the clear.
    pub unencrypted: bool,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.url.text())
    }
}

/// All programs of a plan.
pub type Targets = Arc<BTreeMap<AudioStreamName, Arc<Target>>>;

/// The programs of a plan, with their tokens.
///
/// # Errors
/// A token is missing or of no use.
pub fn targets(plan: &Plan, tokens: Tokens<'_>) -> Result<Targets, TokenError> {
    let target = |(name, stream): (&AudioStreamName, &AudioStream)| {
        let token = tokens.of("audio-stream", name.as_str(), stream.token.as_ref())?;
        let (url, unencrypted) = (stream.url.clone(), stream.unencrypted);
        Ok((name.clone(), Arc::new(Target { url, token, rate_hz: stream.rate_hz, unencrypted })))
    };
    plan.audio_streams.iter().map(target).collect::<Result<BTreeMap<_, _>, _>>().map(Arc::new)
}

/// Names a stream in the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamNumber(u64);

/// What the line loop is told of a stream.
#[derive(Debug)]
pub struct ProgramNews {
    /// Whose call.
    pub call: CallId,
    /// Which stream of it.
    pub stream: StreamNumber,
    /// What.
    pub told: Told,
}

/// What there is to be told.
#[derive(Debug)]
pub enum Told {
    /// A line for the live trace.
    Trace(String),
    /// It is over.
    Ended(Ending),
}

/// What a stream is told.
#[derive(Debug)]
enum Order {
    /// A side is heard through this from now on.
    Hear(Side, Arc<Pipe>),
    /// The caller pressed a key.
    Key(char),
    /// It ends.
    End(&'static str),
}

/// Starts streams.
#[derive(Debug)]
pub struct Launcher {
    runtime: tokio::runtime::Handle,
    line: mpsc::WeakSender<LineAsk>,
    places: Arc<Semaphore>,
    next: u64,
}

/// A stream, as the line loop has it. It ends when this is dropped.
#[derive(Debug)]
pub struct Running {
    /// Its name.
    pub number: StreamNumber,
    /// What it may do.
    pub mode: Mode,
    /// Samples a second.
    pub rate_hz: u32,
    /// What the times of its frames count from.
    pub epoch: Instant,
    /// The program's voice, when it speaks.
    pub voice: Option<Arc<Pipe>>,
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
}

impl Launcher {
    /// Streams run on this runtime, and tell that loop what becomes of them.
    #[must_use]
    pub fn new(runtime: tokio::runtime::Handle, line: mpsc::WeakSender<LineAsk>) -> Self {
        Self { runtime, line, places: Arc::new(Semaphore::new(MOST_STREAMS)), next: 1 }
    }

    /// Starts a stream. `None`: there are too many.
    pub fn start(&mut self, call: CallId, target: &Arc<Target>, facts: Facts) -> Option<Running> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (number, epoch) = (StreamNumber(self.next), clock::instant());
        self.next += 1;
        let (mode, rate_hz) = (facts.mode, facts.rate_hz);
        let (orders_tx, orders) = mpsc::channel(ORDERS);
        let shared = Arc::new(Shared::default());
        let voice = (mode == Mode::Talk).then(|| Arc::new(Pipe::new(rate_hz as usize / 1_000 * AHEAD_MS)));
        METRICS.audio_streams.set((MOST_STREAMS - self.places.available_permits()) as u64);
        let task = Task {
            session: Session::new(epoch, facts),
            target: Arc::clone(target),
            orders,
            shared: Arc::clone(&shared),
            report: Report { call, stream: number, line: self.line.clone(), place, places: Arc::clone(&self.places) },
            voice: voice.clone(),
            rate_hz,
            tls,
        };
        self.runtime.spawn(task.run());
        Some(Running { number, mode, rate_hz, epoch, voice, orders: orders_tx, shared })
    }
}

impl Running {
    /// A new way for the audio of a side; what came before goes no further. `None`: the task is behind with its orders.
    #[must_use]
    pub fn hear(&self, side: Side) -> Option<Arc<Pipe>> {
        let frame = self.rate_hz as usize / 1_000 * usize::from(FORK_FRAME_MS) + tandem_media::contract::FORK_HEAD;
        let pipe = Arc::new(Pipe::new(frame * FORK_FRAMES));
        self.orders.try_send(Order::Hear(side, Arc::clone(&pipe))).ok()?;
        Some(pipe)
    }

    /// The caller pressed a key.
    pub fn key(&self, key: char) {
        // Whoever presses so fast is not counted on.
        let _behind = self.orders.try_send(Order::Key(key));
    }

    /// It ends, for this reason. That its last words are said is not waited for.
    pub fn end(self, reason: &'static str) -> Counts {
        let _gone = self.orders.try_send(Order::End(reason));
        self.shared.counts()
    }

    /// What was counted up to now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }
}

/// What a task lets others see.
#[derive(Debug, Default)]
struct Shared {
    connections: AtomicU32,
    frames_sent: AtomicU64,
    frames_dropped: AtomicU64,
    voice_dropped_ms: AtomicU64,
}

impl Shared {
    fn count(&self, counts: Counts) {
        let more = |seen: &AtomicU64, now: u64| now.saturating_sub(seen.swap(now, Relaxed));
        METRICS.audio_stream_frames.add(more(&self.frames_sent, counts.frames_sent));
        METRICS.audio_stream_frames_dropped.add(more(&self.frames_dropped, counts.frames_dropped));
        self.connections.store(counts.connections, Relaxed);
        self.voice_dropped_ms.store(counts.voice_dropped_ms, Relaxed);
    }

    fn counts(&self) -> Counts {
        Counts {
            connections: self.connections.load(Relaxed),
            frames_sent: self.frames_sent.load(Relaxed),
            frames_dropped: self.frames_dropped.load(Relaxed),
            voice_dropped_ms: self.voice_dropped_ms.load(Relaxed),
        }
    }
}

/// The way of a task to the line loop.
struct Report {
    call: CallId,
    stream: StreamNumber,
    line: mpsc::WeakSender<LineAsk>,
    place: OwnedSemaphorePermit,
    places: Arc<Semaphore>,
}

impl Report {
    async fn tell(&self, told: Told) {
        if let Some(line) = self.line.upgrade() {
            let news = ProgramNews { call: self.call, stream: self.stream, told };
            let _gone = line.send(LineAsk::Program(Box::new(news))).await;
        }
    }

    async fn trace(&self, line: String) {
        tracing::debug!(call = %self.call, "audio stream {line}");
        self.tell(Told::Trace(line)).await;
    }

    async fn ended(self, ending: Ending) {
        METRICS.audio_streams_ended.inc(ending.as_str());
        self.tell(Told::Ended(ending)).await;
        drop(self.place);
        METRICS.audio_streams.set((MOST_STREAMS - self.places.available_permits()) as u64);
    }
}

/// Whom we believe that they are who they say.
pub(crate) fn tls() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
    });
    Arc::clone(config)
}
