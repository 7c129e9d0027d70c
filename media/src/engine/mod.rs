//! The media engine: the only part of this crate with sockets, files and threads.
//!
//! [`Engine`] is the handle that a line loop owns. It binds the socket of a new stream itself, so that
//! the SDP can name the port at once, and gives it to the media thread of the stream's group. A
//! media thread is one epoll loop (`worker`) that owns all its streams: no locks, no hand-over. One
//! more thread writes recordings (`writer`).

mod browser;
mod command;
mod context;
mod events;
mod fork;
mod lending;
mod life;
mod listening;
mod mailbox;
mod masking;
mod measure;
mod mixing;
mod moving;
mod paced;
mod receive;
mod reopen;
mod shared;
mod sink;
mod socket;
mod stream;
mod tape;
mod timer;
mod transcoding;
mod wake;
mod worker;
mod writer;

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use tokio::sync::{mpsc, watch};

use crate::{
    browser::{Fingerprint, Identity},
    contract::{Command, CommandError, Configure, EngineConfig, Event, MOST_MEMBERS, MixMember, OpenError, Opened, StreamId},
    ports::PortPool,
    random::Random,
};
use context::OwnAddresses;
use events::EventQueue;
use life::Life;
use mailbox::Mailbox;
use moving::Handover;
use shared::{Line, Reader, SharedPort};
use wake::Wake;
use worker::{NewStream, Order, Worker};

/// Commands that may wait for one media thread.
const ORDERS: usize = 4_096;
/// Ports tried before `open` gives up on a range that other programs use.
const BIND_TRIES: usize = 64;

/// A media thread as its owner sees it.
struct Thread {
    orders: SyncSender<Order>,
    wake: Arc<Wake>,
    join: Option<JoinHandle<()>>,
    /// It was given something since the last commit.
    given: bool,
    /// The ports that its streams share, one for each address.
    shared: Vec<Arc<SharedPort>>,
}

/// An open stream as its owner sees it.
struct OpenStream {
    thread: usize,
    group: u64,
    address: IpAddr,
    port: u16,
    /// Others have the port, too.
    is_shared: bool,
    /// What its CNAME is made from.
    name: u64,
    /// As it was negotiated last.
    to: Option<Configure>,
}

/// The handle of the media engine. Dropping it closes all streams, completes all recordings and waits
/// for the threads.
pub struct Engine {
    config: EngineConfig,
    threads: Vec<Thread>,
    writer: Option<JoinHandle<()>>,
    pools: Vec<(IpAddr, PortPool)>,
    streams: HashMap<StreamId, OpenStream>,
    recordings: HashMap<u64, usize>,
    rooms: HashMap<u64, usize>,
    /// Streams whose thread had no room for their `Close`; at most one entry a stream.
    closing: VecDeque<(usize, StreamId)>,
    /// Streams on their way to a thread that had no room for the word of it.
    owed: VecDeque<(usize, Handover)>,
    dropped_events: Arc<AtomicU64>,
    ended: watch::Receiver<Option<String>>,
    /// The threads are meant to end.
    is_dropped: Arc<AtomicBool>,
    random: Random,
    /// Of the certificate of this process.
    fingerprint: Fingerprint,
}

impl Engine {
    /// Starts the threads. Events come out of the receiver; when it is dropped they are discarded.
    ///
    /// # Errors
    /// The operating system gave no thread, epoll instance or randomness.
    pub fn start(config: EngineConfig) -> io::Result<(Self, mpsc::Receiver<Event>)> {
        let capacity = config.event_capacity.max(16);
        let (events_tx, events_rx) = mpsc::channel(capacity);
        let dropped_events = Arc::new(AtomicU64::new(0));
        let queue = || EventQueue::new(events_tx.clone(), capacity, Arc::clone(&dropped_events));
        let count = config.threads.max(1);
        let (ended_tx, ended) = watch::channel(None);
        let ended_tx = Arc::new(ended_tx);
        let closing = Arc::new(AtomicBool::new(false));
        let life = |thread: String| Life { thread, ended: Arc::clone(&ended_tx), closing: Arc::clone(&closing) };
        let (tapes, writer) = writer::start(config.clock, count, queue(), life("media-writer".to_owned()))?;
        let mut random = Random::new(config.seed);
        let identity = Arc::new(Identity::new().map_err(io::Error::other)?);
        let mut threads = Vec::with_capacity(count);
        let wakes = (0..count).map(|_| Wake::new().map(Arc::new)).collect::<io::Result<Vec<_>>>()?;
        let mail: Arc<[Mailbox]> = wakes.iter().map(Mailbox::new).collect();
        for (index, (tape, wake)) in tapes.into_iter().zip(wakes).enumerate() {
            let (orders_tx, orders_rx) = sync_channel(ORDERS);
            let shared = bind_shared(&config, index)?;
            let reader = |port| Reader::new(port).lent_by(config.turn.as_ref(), (config.clock)(), &identity);
            let place = (index, Arc::clone(&mail), shared.iter().map(reader).collect());
            let worker = Worker::new(&config, &identity, Arc::clone(&wake), place, orders_rx, queue(), tape)?;
            let life = life(format!("media-{index}"));
            let join = std::thread::Builder::new().name(life.thread.clone()).spawn(move || {
                let _life = life;
                worker.run();
            })?;
            threads.push(Thread { orders: orders_tx, wake, join: Some(join), given: false, shared });
        }
        let pools = config
            .addresses
            .iter()
            .map(|&address| (address, PortPool::new(config.first_port, config.last_port, config.drain, random.u64())))
            .collect();
        let engine = Self {
            config,
            threads,
            writer: Some(writer),
            pools,
            streams: HashMap::new(),
            recordings: HashMap::new(),
            rooms: HashMap::new(),
            closing: VecDeque::new(),
            owed: VecDeque::new(),
            dropped_events,
            ended,
            is_dropped: closing,
            random,
            fingerprint: identity.fingerprint(),
        };
        Ok((engine, events_rx))
    }

    /// Wakes the threads that were given something since the last commit: once for many commands, because to
    /// wake a thread costs more than what most commands do.
    pub fn commit(&mut self) {
        self.flush();
        for thread in &mut self.threads {
            if std::mem::take(&mut thread.given) {
                thread.wake.wake();
            }
        }
    }

    /// The certificate that streams with DTLS prove to have, new with each engine: for descriptions.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether streams of two groups are on one thread, so that they can be joined.
    #[must_use]
    pub fn is_same_thread(&self, one: u64, other: u64) -> bool {
        self.thread_of(one) == self.thread_of(other)
    }

    fn thread_of(&self, group: u64) -> usize {
        usize::try_from(group % self.threads.len() as u64).unwrap_or(0)
    }

    /// Opens the socket of a new stream on `local`, one of the configured addresses. Streams of one
    /// `group` (a call) can be joined and recorded together.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is left open then.
    pub fn open(&mut self, stream: StreamId, group: u64, local: IpAddr) -> Result<Opened, OpenError> {
        self.flush();
        if self.streams.contains_key(&stream) {
            return Err(OpenError::AlreadyOpen(stream));
        }
        let now = (self.config.clock)();
        let (_, pool) = self.pools.iter_mut().find(|(address, _)| *address == local).ok_or(OpenError::UnknownAddress(local))?;
        let mut bound = None;
        for _ in 0..BIND_TRIES {
            let port = pool.take(now).ok_or(OpenError::PortsExhausted(local))?;
            match socket::bind(SocketAddr::new(local, port)) {
                Ok(rtp) => {
                    bound = Some((port, rtp));
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => pool.release(port, now),
                Err(error) => {
                    pool.release(port, now);
                    return Err(OpenError::Socket(error));
                }
            }
        }
        let (port, rtp) = bound.ok_or(OpenError::PortsExhausted(local))?;
        let (thread, name) = (self.thread_of(group), self.random.u64());
        let open = OpenStream { thread, group, address: local, port, is_shared: false, name, to: None };
        self.adopt(stream, open, Line::Own(rtp), None)
    }

    /// Opens a stream on the port that browsers share, or on one of its own where there is none. Its peer must be checked
    /// (ICE): there is no other way to know whose a packet is.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is left open then.
    pub fn open_shared(&mut self, stream: StreamId, group: u64, local: IpAddr) -> Result<Opened, OpenError> {
        let thread = self.thread_of(group);
        let port = self.threads[thread].shared.iter().find(|port| port.address().ip() == local).cloned();
        let Some(port) = port else { return self.open(stream, group, local) };
        self.flush();
        if self.streams.contains_key(&stream) {
            return Err(OpenError::AlreadyOpen(stream));
        }
        let (line, name) = (Line::Shared(port.berth(stream, thread)), self.random.u64());
        let number = port.address().port();
        let open = OpenStream { thread, group, address: local, port: number, is_shared: true, name, to: None };
        self.adopt(stream, open, line, None)
    }

    /// Whether a stream is on a port that it shares.
    #[must_use]
    pub fn is_shared(&self, stream: StreamId) -> bool {
        self.streams.get(&stream).is_some_and(|open| open.is_shared)
    }

    /// The address that a TURN server lends to the port of a stream, if one does now: for descriptions.
    #[must_use]
    pub fn lent(&self, stream: StreamId) -> Option<SocketAddr> {
        let open = self.streams.get(&stream).filter(|open| open.is_shared)?;
        let at = SocketAddr::new(open.address, open.port);
        let mut ports = self.threads.iter().flat_map(|thread| &thread.shared);
        ports.find(|port| port.address() == at)?.lending()?.address()
    }

    /// Addresses that a TURN server lends now, one for each shared port at most.
    #[must_use]
    pub fn lent_addresses(&self) -> usize {
        let ports = self.threads.iter().flat_map(|thread| &thread.shared);
        ports.filter_map(|port| port.lending()?.address()).count()
    }

    /// Datagrams on shared ports that were nobody's.
    #[must_use]
    pub fn datagrams_of_nobody(&self) -> u64 {
        self.threads.iter().flat_map(|thread| &thread.shared).map(|port| port.nobodys()).sum()
    }

    /// Hands the socket of a stream to its thread.
    fn adopt(
        &mut self,
        stream: StreamId,
        open: OpenStream,
        rtp: Line,
        heard_from: Option<SocketAddr>,
    ) -> Result<Opened, OpenError> {
        let (local, port) = (open.address, open.port);
        let new = NewStream { id: stream, rtp, seed: self.random.u64(), name: open.name, to: open.to.clone(), heard_from };
        if self.order(open.thread, Order::Open(Box::new(new))).is_err() {
            if !open.is_shared {
                self.release(local, port);
            }
            return Err(OpenError::Busy);
        }
        self.streams.insert(stream, open);
        Ok(Opened { rtp: SocketAddr::new(local, port), rtcp: SocketAddr::new(local, port + 1) })
    }

    /// Gives a command to the thread that owns the stream. Returns at once. The thread is sure to act on it
    /// after [`commit`](Self::commit), and before the next packet of its streams.
    ///
    /// # Errors
    /// See [`CommandError`]; the command had no effect then.
    pub fn command(&mut self, command: Command) -> Result<(), CommandError> {
        self.flush();
        let thread = self.check(&command)?;
        match command {
            Command::Close { stream } => {
                self.close(stream);
                Ok(())
            }
            Command::Record { recording, .. } => {
                self.order(thread, Order::Command(command))?;
                self.recordings.insert(recording, thread);
                Ok(())
            }
            Command::Mix { room, ref members } => {
                let is_over = members.is_empty();
                self.order(thread, Order::Command(command))?;
                if is_over {
                    self.rooms.remove(&room);
                } else {
                    self.rooms.insert(room, thread);
                }
                Ok(())
            }
            Command::StopRecord { recording } => {
                self.order(thread, Order::Command(command))?;
                self.recordings.remove(&recording);
                Ok(())
            }
            Command::Configure { stream, ref to } => {
                let to = to.clone();
                self.order(thread, Order::Command(command))?;
                if let Some(open) = self.streams.get_mut(&stream) {
                    open.to = Some(to);
                }
                Ok(())
            }
            _ => self.order(thread, Order::Command(command)),
        }
    }

    /// Streams that are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// RTP ports that could still be opened on `local`, those at rest included.
    #[must_use]
    pub fn free_ports(&self, local: IpAddr) -> usize {
        self.pools.iter().find(|(address, _)| *address == local).map_or(0, |(_, pool)| pool.len())
    }

    /// Shows the name of the first thread that ended, which none should do before the engine is dropped. Its streams
    /// are silent from then on.
    #[must_use]
    pub fn ended(&self) -> watch::Receiver<Option<String>> {
        self.ended.clone()
    }

    /// Events dropped because nobody took them in time.
    #[must_use]
    pub fn dropped_events(&self) -> u64 {
        self.dropped_events.load(Ordering::Relaxed)
    }

    /// The thread for a command, when everything in it is open, together and allowed.
    fn check(&self, command: &Command) -> Result<usize, CommandError> {
        let of = |id: &StreamId| self.streams.get(id).ok_or(CommandError::NotOpen);
        match command {
            Command::Configure { stream, to } => {
                let rtcp = to.remote_rtcp.unwrap_or(to.remote);
                if to.goes_to_remote() && [to.remote, rtcp].into_iter().any(|remote| is_forbidden(&self.config, remote)) {
                    return Err(CommandError::ForbiddenRemote);
                }
                let open = of(stream)?;
                let is_checked = to.dtls.as_ref().is_some_and(|terms| terms.ice.is_some());
                if open.is_shared && !is_checked { Err(CommandError::NotChecked) } else { Ok(open.thread) }
            }
            Command::Join { a, b } => self.together(a, b),
            Command::Mix { room, members } => self.room_thread(*room, members),
            Command::Record { recording, left, right, .. } => {
                let thread = right.as_ref().map_or_else(|| Ok(of(left)?.thread), |right| self.together(left, right))?;
                let running = self.recordings.get(recording);
                if running.is_some_and(|&at| at != thread) { Err(CommandError::DifferentGroups) } else { Ok(thread) }
            }
            Command::PauseRecord { recording, .. } | Command::StopRecord { recording } => {
                self.recordings.get(recording).copied().ok_or(CommandError::NotOpen)
            }
            Command::Watch { stream, .. }
            | Command::Fork { stream, .. }
            | Command::Speak { stream, .. }
            | Command::Expect { stream, .. }
            | Command::Part { stream }
            | Command::Play { stream, .. }
            | Command::RingBack { stream }
            | Command::StopPlay { stream }
            | Command::Echo { stream }
            | Command::SendDigit { stream, .. }
            | Command::RelayDigit { stream, .. }
            | Command::Detect { stream, .. }
            | Command::Mask { stream, .. }
            | Command::Close { stream } => Ok(of(stream)?.thread),
        }
    }

    /// The thread of a room: the one of all its members, or where it was when it has none any more.
    fn room_thread(&self, room: u64, members: &[MixMember]) -> Result<usize, CommandError> {
        if members.len() > MOST_MEMBERS {
            return Err(CommandError::RoomFull);
        }
        let mut threads = members.iter().map(|member| self.streams.get(&member.stream).map(|open| open.thread));
        let thread = match threads.next() {
            Some(first) => first.ok_or(CommandError::NotOpen)?,
            None => self.rooms.get(&room).copied().ok_or(CommandError::NotOpen)?,
        };
        for other in threads {
            if other.ok_or(CommandError::NotOpen)? != thread {
                return Err(CommandError::DifferentGroups);
            }
        }
        let moved = self.rooms.get(&room).is_some_and(|&at| at != thread);
        if moved { Err(CommandError::DifferentGroups) } else { Ok(thread) }
    }

    fn together(&self, a: &StreamId, b: &StreamId) -> Result<usize, CommandError> {
        let (a, b) = (self.streams.get(a), self.streams.get(b));
        let (a, b) = (a.ok_or(CommandError::NotOpen)?, b.ok_or(CommandError::NotOpen)?);
        if a.group == b.group { Ok(a.thread) } else { Err(CommandError::DifferentGroups) }
    }

    fn close(&mut self, stream: StreamId) {
        let Some(open) = self.streams.remove(&stream) else { return };
        if !open.is_shared {
            self.release(open.address, open.port);
        }
        if self.order(open.thread, Order::Command(Command::Close { stream })).is_err() {
            self.closing.push_back((open.thread, stream));
        }
    }

    fn release(&mut self, local: IpAddr, port: u16) {
        let now = (self.config.clock)();
        if let Some((_, pool)) = self.pools.iter_mut().find(|(address, _)| *address == local) {
            pool.release(port, now);
        }
    }

    /// Sends what found no room before. It goes before anything new.
    fn flush(&mut self) {
        while let Some((thread, handover)) = self.owed.pop_front() {
            if self.order(thread, Order::Take(handover.clone())).is_err() {
                self.owed.push_front((thread, handover));
                return;
            }
        }
        while let Some(&(thread, stream)) = self.closing.front() {
            if self.order(thread, Order::Command(Command::Close { stream })).is_err() {
                return;
            }
            self.closing.pop_front();
        }
    }

    fn order(&mut self, thread: usize, order: Order) -> Result<(), CommandError> {
        let thread = &mut self.threads[thread];
        let taken = thread.orders.try_send(order);
        thread.wake.raise();
        thread.given = true;
        if taken.is_err() {
            thread.wake.wake();
        }
        taken.map_err(|_| CommandError::Busy)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Relaxed);
        for thread in &mut self.threads {
            // The thread ends when its channel is gone.
            let (gone, _) = sync_channel(1);
            thread.orders = gone;
            thread.wake.raise();
            thread.wake.wake();
        }
        for thread in &mut self.threads {
            if let Some(join) = thread.join.take() {
                let _ = join.join();
            }
        }
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// The ports that the streams of a thread share.
fn bind_shared(config: &EngineConfig, thread: usize) -> io::Result<Vec<Arc<SharedPort>>> {
    let Some(port) = config.shared_ports().nth(thread) else { return Ok(Vec::new()) };
    let server = config.turn.as_ref().map(|server| server.address);
    config.addresses.iter().map(|&address| SharedPort::bind(SocketAddr::new(address, port), server)).collect()
}

/// Addresses that media is never sent to: groups, nowhere, and ourselves, which would be a loop.
fn is_forbidden(config: &EngineConfig, remote: SocketAddr) -> bool {
    OwnAddresses::of(config).forbids(remote)
}
