//! A media thread: one epoll loop over the sockets of its streams, one tick for what is sent by the
//! clock, and a slower one for reports and time limits. The clock is read once per wake-up. A panic
//! while a stream is handled ends that stream only.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::SocketAddr,
    os::fd::OwnedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};

use super::{
    context::{Context, FRAME_SAMPLES, OwnAddresses, PACKET_BYTES},
    events::EventQueue,
    mailbox::Mailbox,
    mixing::Room,
    moving::Handover,
    receive,
    shared::{Line, Reader},
    socket,
    stream::Stream,
    tape::Tape,
    timer::Timer,
    transcoding,
    wake::Wake,
};
use crate::{
    browser::Identity,
    codec::Audio,
    contract::{Command, Configure, EngineConfig, Event, StreamId},
    reports::NtpClock,
};

/// Sockets looked at per wake-up; the others are still ready at the next.
const READY: usize = 512;
/// Commands taken per wake-up, so that media is not held up by them.
const ORDERS_AT_ONCE: usize = 256;
/// Tick of prompts and key presses.
const FAST: Duration = Duration::from_millis(10);
/// Streams that are sent to by the clock in one go: an encoder takes up to a tenth of a millisecond, and what others
/// receive meanwhile waits.
const PACED_AT_ONCE: usize = 16;
/// Tick of reports, silence, lost ends of key presses and recordings.
const SLOW: Duration = Duration::from_millis(200);
/// A stream that nothing happens to is looked at once in so long: to visit thousands in each tick costs more than what they
/// want, and none of it is in a hurry.
const LOOK: Duration = Duration::from_secs(1);
/// Longest datagram that is read; longer ones are no voice.
const DATAGRAM_BYTES: usize = 2_048;
/// How much less nice the thread is to others of its machine: audio that waits for a database to be written is heard.
const NICE: i32 = -11;
/// Epoll's names for the wake-up of the thread itself, and for its timer.
const WAKE: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
/// The bit of its names for shared ports; those of streams have it clear.
const SHARED: u64 = 1 << 63;

/// A stream as it comes from the handle.
#[derive(Debug)]
pub(super) struct NewStream {
    pub(super) id: StreamId,
    pub(super) rtp: Line,
    pub(super) seed: u64,
    /// What its CNAME is made from.
    pub(super) name: u64,
    /// How it was negotiated before a restart.
    pub(super) to: Option<Configure>,
    /// Where its peer was heard from before a restart.
    pub(super) heard_from: Option<SocketAddr>,
}

/// What the handle says.
#[derive(Debug)]
pub(super) enum Order {
    Open(Box<NewStream>),
    Command(Command),
    /// Give a stream to another thread.
    Give {
        stream: StreamId,
        into: Handover,
        wake: Arc<Wake>,
    },
    /// Take one over; nothing else before it is here.
    Take(Handover),
}

/// The state of a media thread.
pub(super) struct Worker {
    clock: fn() -> Instant,
    pub(super) epoll: OwnedFd,
    wake: Arc<Wake>,
    timer: Timer,
    orders: Receiver<Order>,
    /// Some were left for the next wake-up.
    more_orders: bool,
    /// The handle is gone.
    is_over: bool,
    events: EventQueue,
    pub(super) streams: Vec<Option<Box<Stream>>>,
    /// Counts the streams that a slot has had, so that an event for an old one is not taken for the new.
    generations: Vec<u32>,
    /// When each slot was looked at; `None`: it is at the next slow tick.
    looked_at: Vec<Option<Instant>>,
    pub(super) free: Vec<usize>,
    pub(super) slots: HashMap<StreamId, usize>,
    pub(super) paced: Vec<usize>,
    /// Where in that list the tick goes on.
    paced_next: usize,
    /// How many so far only fill the time of somebody who waits, and how many may.
    sounds: usize,
    pub(super) most_sounds: usize,
    /// Those who have none, in the order in which they came.
    pub(super) resting: Vec<usize>,
    pub(super) recordings: HashMap<u64, u64>,
    pub(super) rooms: HashMap<u64, Room>,
    /// A stream that comes from another thread; orders wait for it.
    pub(super) awaited: Option<Handover>,
    pub(super) ring_back: Arc<Audio>,
    pub(super) fast_at: Instant,
    slow_at: Instant,
    pub(super) datagram: Box<[u8; DATAGRAM_BYTES]>,
    /// Which thread this is.
    pub(super) index: usize,
    /// Of all threads.
    pub(super) mail: Arc<[Mailbox]>,
    /// Ports that streams of this thread share.
    pub(super) readers: Vec<Reader>,
    pub(super) cx: Context,
}

impl Worker {
    pub(super) fn new(
        config: &EngineConfig,
        identity: &Arc<Identity>,
        wake: Arc<Wake>,
        (index, mail, readers): (usize, Arc<[Mailbox]>, Vec<Reader>),
        orders: Receiver<Order>,
        events: EventQueue,
        tape: Tape,
    ) -> io::Result<Self> {
        let now = (config.clock)();
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = Timer::new()?;
        epoll::add(&epoll, wake.fd(), epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        epoll::add(&epoll, timer.fd(), epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)?;
        for (number, reader) in readers.iter().enumerate() {
            let key = SHARED | number as u64;
            epoll::add(&epoll, reader.socket(), epoll::EventData::new_u64(key), epoll::EventFlags::IN)?;
        }
        Ok(Self {
            clock: config.clock,
            epoll,
            wake,
            timer,
            orders,
            more_orders: false,
            is_over: false,
            events,
            streams: Vec::new(),
            generations: Vec::new(),
            looked_at: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            paced: Vec::new(),
            paced_next: 0,
            sounds: 0,
            most_sounds: config.most_sounds,
            resting: Vec::new(),
            recordings: HashMap::new(),
            rooms: HashMap::new(),
            awaited: None,
            ring_back: Arc::new(Audio::ringback()),
            fast_at: now,
            slow_at: now,
            datagram: Box::new([0; DATAGRAM_BYTES]),
            index,
            mail,
            readers,
            cx: Context {
                now,
                events: VecDeque::new(),
                pressed: VecDeque::new(),
                tape,
                ntp: NtpClock::new(now, config.unix_us),
                own: OwnAddresses::of(config),
                identity: Arc::clone(identity),
                frame: Box::new([0; FRAME_SAMPLES]),
                packet: Box::new([0; PACKET_BYTES]),
            },
        })
    }

    /// Runs until the handle is gone.
    pub(super) fn run(mut self) {
        // Of this thread only. Without leave (root, or RLIMIT_NICE) it goes at the priority of all.
        let _refused = rustix::process::nice(NICE);
        let mut ready = Vec::with_capacity(READY);
        loop {
            if let Err(error) = self.wait(&mut ready) {
                tracing::error!(%error, "a media thread cannot wait for its sockets");
                break;
            }
            self.cx.now = (self.clock)();
            self.obey();
            for event in ready.drain(..) {
                let key = event.data.u64();
                match usize::try_from(key & !SHARED) {
                    _ if key == WAKE => {}
                    _ if key == TIMER => self.timer.rang(),
                    Ok(number) if key & SHARED != 0 => self.on_shared(number),
                    _ => self.on_ready(key),
                }
            }
            self.take_letters();
            if self.is_over {
                break;
            }
            self.tick();
            self.tell();
        }
        self.close_all();
    }

    /// Commands first: a packet sent after a command must meet its effect.
    pub(super) fn obey(&mut self) {
        if !self.more_orders && !self.wake.is_raised() {
            return;
        }
        self.wake.clear();
        match self.take_orders() {
            Ok(more) => self.more_orders = more,
            Err(Gone) => self.is_over = true,
        }
    }

    fn wait(&mut self, ready: &mut Vec<epoll::Event>) -> io::Result<()> {
        const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout = match self.deadline() {
            _ if self.more_orders => Some(&AT_ONCE),
            Some(at) if at <= self.cx.now => Some(&AT_ONCE),
            Some(at) => {
                self.timer.set(at, self.cx.now)?;
                None
            }
            None => None,
        };
        match epoll::wait(&self.epoll, spare_capacity(ready), timeout) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// When there is something to do.
    fn deadline(&self) -> Option<Instant> {
        if !self.paced.is_empty() || !self.rooms.is_empty() || self.events.is_behind() {
            Some(self.fast_at.min(self.slow_at))
        } else if !self.slots.is_empty() || !self.recordings.is_empty() || self.readers.iter().any(|r| r.borrower.is_some()) {
            Some(self.slow_at)
        } else {
            None
        }
    }

    fn on_ready(&mut self, key: u64) {
        let Some((slot, is_rtcp)) = self.slot_of(key) else { return };
        self.guarded(slot, |worker| {
            let Some(stream) = worker.streams.get_mut(slot).and_then(Option::as_deref_mut) else { return };
            let socket = if is_rtcp { stream.outbound.rtcp.as_ref() } else { stream.outbound.rtp.own() };
            let Some(socket) = socket else { return };
            // One datagram per wake-up: level-triggered epoll comes back for more after the others.
            let Ok((bytes, from)) = socket.recv_from(&mut worker.datagram[..]) else { return };
            if is_rtcp {
                receive::on_rtcp(stream, &mut worker.datagram[..bytes], from, &mut worker.cx);
            } else {
                worker.received(slot, bytes, from);
            }
        });
    }

    /// A datagram was read for the stream there.
    pub(super) fn received(&mut self, slot: usize, bytes: usize, from: SocketAddr) {
        if self.streams[slot].as_deref().is_none_or(|stream| stream.faulty) {
            return;
        }
        receive::on_rtp(&mut self.streams, slot, &mut self.datagram[..bytes], from, &mut self.cx);
        self.pass_keys_on(slot);
        let Some(stream) = self.streams[slot].as_deref() else { return };
        let Stream { inbound, paced, .. } = stream;
        if inbound.detector.is_busy() {
            self.looked_at[slot] = None;
        }
        let is_heard = stream.listening.as_ref().is_some_and(|listening| listening.is_awake());
        if !paced && (inbound.is_transcoding() || stream.is_checking() || is_heard) {
            self.start_pacing(slot);
        }
    }

    /// Runs `work` on behalf of a stream; a panic in it ends the stream.
    pub(super) fn guarded(&mut self, slot: usize, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            self.fail(slot);
        }
    }

    pub(super) fn fail(&mut self, slot: usize) {
        let Some(stream) = self.streams.get_mut(slot).and_then(Option::as_deref_mut) else { return };
        stream.faulty = true;
        if let Some(rtp) = stream.outbound.rtp.own() {
            let _ = epoll::delete(&self.epoll, rtp);
        }
        if let Some(rtcp) = &stream.outbound.rtcp {
            let _ = epoll::delete(&self.epoll, rtcp);
        }
        (stream.outbound.player, stream.inbound.tap) = (None, None);
        let id = stream.id;
        tracing::error!(stream = %id, "handling a stream panicked; it is silent from now on");
        self.cx.events.push_back(Event::Fault { stream: id });
        self.part(slot);
    }

    fn take_orders(&mut self) -> Result<bool, Gone> {
        for _ in 0..ORDERS_AT_ONCE {
            if !self.has_come() {
                return Ok(false);
            }
            match self.orders.try_recv() {
                Ok(Order::Open(new)) => self.open(*new),
                Ok(Order::Give { stream, into, wake }) => self.give(stream, &into, &wake),
                Ok(Order::Take(handover)) => self.awaited = Some(handover),
                Ok(Order::Command(command)) => {
                    let slot = self.slot_for(&command);
                    if let Some(looked_at) = self.looked_at.get_mut(slot) {
                        *looked_at = None;
                    }
                    self.guarded(slot, |worker| worker.command(slot, command));
                }
                Err(TryRecvError::Empty) => return Ok(false),
                Err(TryRecvError::Disconnected) => return Err(Gone),
            }
        }
        Ok(true)
    }

    fn tick(&mut self) {
        let now = self.cx.now;
        if now >= self.fast_at {
            if self.pace() {
                // In step with the clock, so that what goes by it does not come a little later each time.
                self.fast_at = if now.saturating_duration_since(self.fast_at) < FAST { self.fast_at + FAST } else { now + FAST };
            }
            self.mix_rooms();
            self.events.flush();
        }
        let is_slow = now >= self.slow_at;
        self.readers.iter_mut().for_each(|reader| reader.borrow(now, is_slow));
        if is_slow {
            self.slow_at = now + SLOW;
            self.see_to_resting();
            if !self.recordings.is_empty() {
                self.cx.tape.reached(now);
            }
            for slot in 0..self.streams.len() {
                if self.looked_at[slot].is_some_and(|at| now.saturating_duration_since(at) < LOOK) {
                    continue;
                }
                if self.streams[slot].as_ref().is_some_and(|stream| !stream.faulty) {
                    self.guarded(slot, |worker| worker.watch(slot));
                }
            }
        }
    }

    /// Sends what is due by the clock to some of the streams. `true` when all had their turn.
    fn pace(&mut self) -> bool {
        for _ in 0..PACED_AT_ONCE {
            let Some(&slot) = self.paced.get(self.paced_next) else {
                self.paced_next = 0;
                self.sounds = 0;
                return true;
            };
            let (mut busy, mut rests) = (false, false);
            self.guarded(slot, |worker| {
                if let Some(stream) = worker.streams[slot].as_deref_mut().filter(|stream| !stream.faulty) {
                    let fills_time = stream.only_fills_time();
                    worker.sounds += usize::from(fills_time);
                    if fills_time && worker.sounds > worker.most_sounds {
                        rests = true;
                    } else {
                        busy = stream.pace(&mut worker.cx);
                    }
                    busy |= stream.pace_checks(&mut worker.cx);
                    busy |= stream.give_branches(&worker.cx);
                    busy |= worker.hear(slot);
                    busy |= transcoding::pace(&mut worker.streams, slot, &mut worker.cx);
                }
            });
            if busy {
                self.paced_next += 1;
            } else {
                self.paced.swap_remove(self.paced_next);
                if let Some(stream) = self.streams[slot].as_deref_mut() {
                    stream.paced = false;
                }
                if rests {
                    self.rest(slot);
                }
            }
        }
        false
    }

    /// Opens the socket of RTCP of a stream that needs one. Another program may have the port: then the call has
    /// no reports, which is not worth its audio.
    fn open_rtcp(&mut self, slot: usize) {
        let key = self.key(slot, true);
        let Some(stream) = self.streams[slot].as_deref_mut() else { return };
        let opened = socket::bind_beside(&stream.outbound.rtp).and_then(|rtcp| {
            epoll::add(&self.epoll, &rtcp, epoll::EventData::new_u64(key), epoll::EventFlags::IN)?;
            Ok(rtcp)
        });
        stream.outbound.is_rtcp_settled = true;
        match opened {
            Ok(rtcp) => stream.outbound.rtcp = Some(rtcp),
            Err(error) => tracing::warn!(stream = %stream.id, %error, "no port for RTCP: the call goes on without reports"),
        }
    }

    /// Reports, signs of life, silence and lost ends of key presses of one stream.
    fn watch(&mut self, slot: usize) {
        let now = self.cx.now;
        self.looked_at[slot] = Some(now);
        if self.streams[slot].as_deref().is_some_and(|stream| stream.wants_rtcp_socket(now)) {
            self.open_rtcp(slot);
        }
        let Some(stream) = self.streams[slot].as_deref_mut() else { return };
        stream.report(now);
        stream.settle_mask(now);
        stream.outbound.keep_alive(&mut self.cx);
        if stream.tick_browser(&mut self.cx) {
            self.looked_at[slot] = None;
        }
        let (id, inbound) = (stream.id, &mut stream.inbound);
        let Some(format) = inbound.format else { return };
        if let Some(digit) = inbound.detector.timeout(now, format.dtmf_clock_hz) {
            inbound.key_pressed(id, digit.key, digit.duration_ms, &mut self.cx);
        }
        let is_busy = inbound.detector.is_busy();
        let silence = now.saturating_duration_since(inbound.silent_since);
        if inbound.watched.is_some_and(|most| silence >= most) && !inbound.lost_told {
            inbound.lost_told = true;
            self.cx.events.push_back(Event::MediaLost { stream: id });
        }
        if stream.judge(&mut self.cx) || is_busy {
            self.looked_at[slot] = None;
        }
        self.pass_keys_on(slot);
    }

    pub(super) fn tell(&mut self) {
        while let Some(event) = self.cx.events.pop_front() {
            self.events.push(event);
        }
    }
}

/// The handle was dropped.
struct Gone;

/// Streams and slots.
impl Worker {
    fn key(&self, slot: usize, is_rtcp: bool) -> u64 {
        u64::from(self.generations[slot]) << 32 | (slot as u64) << 1 | u64::from(is_rtcp)
    }

    fn slot_of(&self, key: u64) -> Option<(usize, bool)> {
        let slot = usize::try_from((key & 0xffff_ffff) >> 1).ok()?;
        (self.generations.get(slot).copied().map(u64::from) == Some(key >> 32)).then_some((slot, key & 1 == 1))
    }

    fn open(&mut self, new: NewStream) {
        let stream = Box::new(Stream::new(new, &mut self.cx));
        self.seat(stream);
    }

    /// Gives a stream a slot, and the thread ears for its sockets.
    pub(super) fn seat(&mut self, stream: Box<Stream>) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.streams.push(None);
            self.generations.push(0);
            self.looked_at.push(None);
            self.streams.len() - 1
        });
        // The upper bit stays clear, so that no key equals `WAKE`.
        self.generations[slot] = self.generations[slot].wrapping_add(1) & 0x7fff_ffff;
        self.looked_at[slot] = None;
        let key = |is_rtcp| epoll::EventData::new_u64(self.key(slot, is_rtcp));
        let outbound = &stream.outbound;
        let sockets = [(outbound.rtp.own(), false), (outbound.rtcp.as_ref(), true)];
        let added = sockets.into_iter().try_for_each(|(socket, is_rtcp)| match socket {
            Some(socket) => epoll::add(&self.epoll, socket, key(is_rtcp), epoll::EventFlags::IN),
            None => Ok(()),
        });
        self.slots.insert(stream.id, slot);
        self.streams[slot] = Some(stream);
        if let Err(error) = added {
            tracing::error!(%error, "a media thread cannot watch a socket");
            self.fail(slot);
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::engine::{socket::bind, tape::WriterOrder};

    #[expect(clippy::disallowed_methods, reason = "the clock of this test")]
    fn clock() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_panic_ends_one_stream_and_is_told() {
        let (events_tx, mut events) = tokio::sync::mpsc::channel(16);
        let queue = EventQueue::new(events_tx, 16, Arc::default());
        let (writer, _orders) = sync_channel::<WriterOrder>(16);
        let tape = Tape::new(0, writer).0;
        let (_handle, orders) = sync_channel(16);
        let config = EngineConfig::new(clock);
        let identity = Arc::new(Identity::new().unwrap());
        let (wake, place) = (Arc::new(Wake::new().unwrap()), (0, Arc::from([]), Vec::new()));
        let mut worker = Worker::new(&config, &identity, wake, place, orders, queue, tape).unwrap();
        for id in [1, 2] {
            let rtp = bind(SocketAddr::from(([127, 0, 71, 60], 21_000 + 2 * u16::try_from(id).unwrap()))).unwrap();
            let rtp = Line::Own(rtp);
            worker.open(NewStream { id: StreamId(id), rtp, seed: id, name: id, to: None, heard_from: None });
        }
        worker.join(0, StreamId(2));
        worker.guarded(0, |_| panic!("a fault in the first stream"));
        worker.tell();
        assert_eq!(events.try_recv(), Ok(Event::Fault { stream: StreamId(1) }));
        assert_eq!(worker.streams[1].as_ref().unwrap().partner, None);
        assert!(!worker.streams[1].as_ref().unwrap().faulty);
        worker.close(0);
        worker.tell();
        assert!(matches!(events.try_recv(), Ok(Event::Closed { stream: StreamId(1), .. })));
        assert!(worker.slot_of(1 << 32).is_some() && worker.streams[0].is_none());
    }
}
