//! Phones on loopback and an engine whose clock the test moves, so that nothing waits for real time.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

pub(crate) mod line;
pub(crate) mod page;
#[path = "../../../tests/src/turnserver.rs"]
#[allow(unreachable_pub, reason = "it is the whole-program tests' own")]
pub(crate) mod turnserver;

use std::{
    f64::consts::TAU,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use rtp::packet::Packet;
use tandem_media::{
    codec::{Codec, Decoder, Encoder},
    contract::{Command, Configure, EngineConfig, Event, Format, LearnPolicy, StreamId},
    engine::Engine,
};

/// How long a test waits for something that must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A clock that stands still until it is moved.
pub(crate) struct Clock {
    base: OnceLock<Instant>,
    us: AtomicU64,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self { base: OnceLock::new(), us: AtomicU64::new(0) }
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
    pub(crate) fn now(&self) -> Instant {
        *self.base.get_or_init(Instant::now) + Duration::from_micros(self.us.load(Ordering::SeqCst))
    }

    pub(crate) fn advance_ms(&self, ms: u64) {
        self.us.fetch_add(ms * 1_000, Ordering::SeqCst);
    }
}

/// Declares the clock of one test and the function that reads it.
#[macro_export]
macro_rules! simulated_clock {
    ($clock:ident, $read:ident) => {
        static $clock: support::Clock = support::Clock::new();
        fn $read() -> std::time::Instant {
            $clock.now()
        }
    };
}

/// An engine on its own loopback address.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) local: IpAddr,
    events: mpsc::Receiver<Event>,
    next: u64,
}

impl Bench {
    /// `host` is the last part of the engine's address 127.0.71.x and must differ between tests.
    pub(crate) fn new(host: u8, clock: fn() -> Instant) -> Self {
        Self::with(host, clock, |_| ())
    }

    pub(crate) fn with(host: u8, clock: fn() -> Instant, change: impl FnOnce(&mut EngineConfig)) -> Self {
        let local = IpAddr::from([127, 0, 71, host]);
        let mut config = EngineConfig::new(clock);
        (config.addresses, config.first_port, config.last_port) = (vec![local], 20_000, 20_099);
        (config.unix_us, config.seed) = (1_790_000_000_000_000, u64::from(host));
        change(&mut config);
        let (engine, mut events) = Engine::start(config).unwrap();
        let (tx, rx) = mpsc::sync_channel(1_000);
        std::thread::spawn(move || {
            while let Some(event) = events.blocking_recv() {
                if tx.send(event).is_err() {
                    return;
                }
            }
        });
        Self { engine, local, events: rx, next: 1 }
    }

    /// A phone and its stream, negotiated with each other.
    pub(crate) fn phone(&mut self, codec: Codec) -> Phone {
        self.phone_with(codec, |_| ())
    }

    pub(crate) fn phone_with(&mut self, codec: Codec, change: impl FnOnce(&mut Configure)) -> Phone {
        self.phone_of(1, codec, change)
    }

    /// One of another group.
    pub(crate) fn phone_in(&mut self, group: u64, codec: Codec) -> Phone {
        self.phone_of(group, codec, |_| ())
    }

    fn phone_of(&mut self, group: u64, codec: Codec, change: impl FnOnce(&mut Configure)) -> Phone {
        let stream = StreamId(self.next);
        self.next += 1;
        let opened = self.engine.open(stream, group, self.local).unwrap();
        let mut phone = Phone::new(stream, opened.rtp, codec);
        let mut to = Phone::with_codec(codec, phone.address());
        to.remote_rtcp = Some(phone.rtcp.local_addr().unwrap());
        change(&mut to);
        phone.configured = Some(to.clone());
        phone.payload_type = to.format.receive_payload_type;
        self.command(Command::Configure { stream, to });
        phone
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.engine.command(command).unwrap();
        self.engine.commit();
    }

    /// A phone that hears itself, for [`Phone::settle`].
    pub(crate) fn control(&mut self) -> Phone {
        let control = self.phone(Codec::Pcmu);
        self.command(Command::Echo { stream: control.stream });
        control
    }

    pub(crate) fn join(&mut self, a: &Phone, b: &Phone) {
        self.command(Command::Join { a: a.stream, b: b.stream });
    }

    /// The next event that `wanted` picks; others are skipped.
    pub(crate) fn event<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv_timeout(DEADLINE).expect("the event came in time");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    /// The event that `wanted` picks, if it is there within a time; others are skipped.
    pub(crate) fn try_event<T>(&self, within: Duration, wanted: impl Fn(&Event) -> Option<T>) -> Option<T> {
        loop {
            let event = self.events.recv_timeout(within).ok()?;
            if let Some(found) = wanted(&event) {
                return Some(found);
            }
        }
    }

    /// Closes a stream and gives all events told up to its end, with what was measured.
    pub(crate) fn close(&mut self, stream: StreamId) -> (Vec<Event>, tandem_media::contract::Quality) {
        self.command(Command::Close { stream });
        let mut before = Vec::new();
        loop {
            match self.events.recv_timeout(DEADLINE).expect("the stream closed in time") {
                Event::Closed { stream: closed, quality } if closed == stream => return (before, quality),
                event => before.push(event),
            }
        }
    }
}

/// A peer with an RTP and an RTCP socket on 127.0.72.x.
pub(crate) struct Phone {
    pub(crate) stream: StreamId,
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    pub(crate) engine_rtp: SocketAddr,
    pub(crate) configured: Option<Configure>,
    pub(crate) payload_type: u8,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    codec: Codec,
    encoder: Encoder,
    decoder: Decoder,
    samples_sent: usize,
}

impl Phone {
    pub(crate) fn new(stream: StreamId, engine_rtp: SocketAddr, codec: Codec) -> Self {
        let bind = || {
            let socket = UdpSocket::bind("127.0.72.1:0").unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket
        };
        Self {
            stream,
            rtp: bind(),
            rtcp: bind(),
            engine_rtp,
            configured: None,
            payload_type: 0,
            ssrc: 0x1000 + u32::try_from(stream.0).unwrap(),
            sequence: 65_530,
            timestamp: 4_294_967_000,
            codec,
            encoder: Encoder::new(codec).unwrap(),
            decoder: Decoder::new(codec).unwrap(),
            samples_sent: 0,
        }
    }

    /// What is agreed with a phone there that speaks PCMA.
    pub(crate) fn plain(remote: SocketAddr) -> Configure {
        Self::with_codec(Codec::Pcma, remote)
    }

    fn with_codec(codec: Codec, remote: SocketAddr) -> Configure {
        Configure {
            remote,
            remote_rtcp: None,
            learn: LearnPolicy::SameHost,
            signalling: None,
            format: Format {
                codec,
                payload_type: codec.static_payload_type().unwrap_or(111),
                receive_payload_type: codec.static_payload_type().unwrap_or(111),
                dtmf_payload_type: Some(101),
                receive_dtmf_payload_type: Some(101),
                dtmf_clock_hz: codec.rtp_clock_hz(),
                ptime_ms: 20,
                opus: Default::default(),
                signalled_keys: false,
            },
            send: true,
            receive: true,
            rtcp_mux: false,
            rtcp_xr: false,
            keep_alive_ms: None,
            keys: None,
            dtls: None,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.rtp.local_addr().unwrap()
    }

    /// Sends one packet under the phone's next numbers.
    pub(crate) fn send(&mut self, payload_type: u8, marker: bool, payload: &[u8]) {
        self.send_raw(&self.packet(payload_type, marker, payload));
        self.sequence = self.sequence.wrapping_add(1);
    }

    pub(crate) fn packet(&self, payload_type: u8, marker: bool, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x80, payload_type | u8::from(marker) << 7];
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    pub(crate) fn send_raw(&self, bytes: &[u8]) {
        self.rtp.send_to(bytes, self.engine_rtp).unwrap();
    }

    /// Sends 20 ms of a tone.
    pub(crate) fn send_tone(&mut self, hz: f64) {
        let payload = self.encoded_tone(hz);
        self.send(self.payload_type, false, &payload);
        self.timestamp = self.timestamp.wrapping_add(self.codec.rtp_clock_hz() / 50);
    }

    /// The next 20 ms of a tone as a payload.
    pub(crate) fn encoded_tone(&mut self, hz: f64) -> Vec<u8> {
        let rate = self.encoder.rate_hz() as usize;
        let pcm: Vec<i16> = (0..rate / 50).map(|i| sine(hz, rate, self.samples_sent + i)).collect();
        self.samples_sent += pcm.len();
        let mut payload = [0; 1_500];
        let bytes = self.encoder.encode(&pcm, &mut payload).unwrap();
        payload[..bytes].to_vec()
    }

    /// The next packet from the engine.
    pub(crate) fn receive(&self) -> Packet {
        self.try_receive(DEADLINE).expect("a packet came in time")
    }

    pub(crate) fn try_receive(&self, wait: Duration) -> Option<Packet> {
        self.rtp.set_read_timeout(Some(wait)).unwrap();
        let mut bytes = [0; 2_048];
        let length = self.rtp.recv(&mut bytes).ok()?;
        Some(unmarshal(&bytes[..length]))
    }

    /// Of one that hears itself: what was commanded and sent before is done when its packet came back.
    pub(crate) fn settle(&mut self) {
        self.send_tone(400.0);
        self.receive();
    }

    /// Decodes a packet and appends its samples.
    pub(crate) fn listen(&mut self, packet: &Packet, pcm: &mut Vec<i16>) {
        let mut out = [0; 5_760];
        let samples = self.decoder.decode(&packet.payload, &mut out).unwrap();
        pcm.extend_from_slice(&out[..samples]);
    }
}

pub(crate) fn unmarshal(bytes: &[u8]) -> Packet {
    use shared::marshal::Unmarshal as _;
    Packet::unmarshal(&mut &bytes[..]).unwrap()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a test tone")]
pub(crate) fn sine(hz: f64, rate: usize, index: usize) -> i16 {
    (8_000.0 * (TAU * hz * index as f64 / rate as f64).sin()) as i16
}

/// Share of the energy that lies at a frequency, 0 to 1 (Goertzel).
pub(crate) fn share_of(pcm: &[i16], rate: u32, hz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hz / f64::from(rate)).cos();
    let (mut s1, mut s2, mut energy) = (0.0, 0.0, 0.0);
    for &sample in pcm {
        let x = f64::from(sample);
        (s2, s1) = (s1, x + coefficient * s1 - s2);
        energy += x * x;
    }
    let power = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
    #[expect(clippy::cast_precision_loss, reason = "a count of samples")]
    let share = power * 2.0 / (pcm.len() as f64 * energy.max(1.0));
    share
}
