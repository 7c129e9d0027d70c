//! What a line loop says to the media engine and what it hears back: closed enums, plain values.
//!
//! A **stream** is the media side of one leg. All streams of one call share a group and so a media
//! thread; joining two streams therefore needs no lock and no hand-over. Commands travel over one
//! bounded channel per media thread, events come back over one bounded channel for all of them.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    ops::Range,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    archive::sealed::Key,
    browser::Terms,
    codec::{Audio, Codec, OpusLimits},
    hidden::HiddenKey,
    keys::StreamKeys,
    pipe::Pipe,
    turn::Server,
};

mod fork;

pub use fork::{FORK_FRAME_MS, FORK_HEAD, Fork, ForkHead};

pub use crate::{
    browser::NoKeys,
    detect::{Verdict, Wanted},
    one_way::OneWay,
    quality::Quality,
};

/// The media side of one leg. Chosen by the caller; never used twice in the life of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {:x}", self.0)
    }
}

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Media threads; at least 1 is used.
    pub threads: usize,
    /// Local addresses that sockets may be bound to. `Engine::open` names one of them.
    pub addresses: Vec<IpAddr>,
    /// First RTP port (rounded up to even) that may be used on each address.
    pub first_port: u16,
    /// Last port that may be used, RTCP's odd port included.
    pub last_port: u16,
    /// The first of the ports that streams of browsers share, one for each media thread; `None`: there are none. They must not
    /// lie in the range.
    pub shared_port: Option<u16>,
    /// The server that lends addresses to these ports; nobody else has one.
    pub turn: Option<Server>,
    /// The least rest of a closed port, so that a new call never hears an old one. The port that rested
    /// longest is always next, so it is much longer until the range is nearly used up.
    pub drain: Duration,
    /// Events that fit into the channel to the caller, at least 16. When it is full, each media
    /// thread keeps as many again in order; beyond that, events are dropped, counted and logged.
    pub event_capacity: usize,
    /// So many streams of a media thread hear music or ring-back that has no end. Further ones are sent a packet of silence each
    /// second until it is their turn, so that thousands who wait do not take the thread's time from those who talk.
    pub most_sounds: usize,
    /// Reads the monotonic clock. The engine reads it once per wake-up of a thread.
    pub clock: fn() -> Instant,
    /// Unix time in microseconds at the moment of `Engine::start`, for the NTP times of RTCP.
    pub unix_us: u64,
    /// Seed of all random numbers (SSRCs, first sequence numbers, RTCP intervals).
    pub seed: u64,
}

impl EngineConfig {
    /// One thread on 127.0.0.1, ports 20000 to 29999.
    #[must_use]
    pub fn new(clock: fn() -> Instant) -> Self {
        Self {
            threads: 1,
            addresses: vec![IpAddr::from([127, 0, 0, 1])],
            first_port: 20_000,
            last_port: 29_999,
            shared_port: None,
            turn: None,
            drain: Duration::from_millis(500),
            event_capacity: 4_096,
            most_sounds: 1_000,
            clock,
            unix_us: 0,
            seed: 0,
        }
    }
}

impl EngineConfig {
    /// The ports that streams of browsers share.
    #[must_use]
    pub fn shared_ports(&self) -> Range<u16> {
        let count = u16::try_from(self.threads.max(1)).unwrap_or(u16::MAX);
        self.shared_port.map_or(0..0, |first| first..first.saturating_add(count))
    }
}

/// Where a new stream receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// RTP; this is the address and port for the SDP.
    pub rtp: SocketAddr,
    /// RTCP of a peer without rtcp-mux: always the RTP port plus one.
    pub rtcp: SocketAddr,
}

/// Why a stream could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Every port is in use or rests. Ours; worth retrying after the rest, a call gets 503.
    #[error("no free RTP port on {0}")]
    PortsExhausted(IpAddr),
    /// The address is not one of `EngineConfig::addresses`.
    #[error("{0} is not an address of this media engine")]
    UnknownAddress(IpAddr),
    /// The id is in use.
    #[error("{0} is open already")]
    AlreadyOpen(StreamId),
    /// The media thread is behind with its commands.
    #[error("the media thread is overloaded")]
    Busy,
    /// The socket could not be made.
    #[error("cannot open an RTP socket")]
    Socket(#[source] std::io::Error),
    /// The ports of a stream of before a restart cannot be had again: another program or stream has them, or they are
    /// none of this engine's any more. The stream needs others, and its peer a new offer.
    #[error("the port of {0} cannot be had again")]
    PortTaken(SocketAddr),
    /// What was kept of a stream is of another version, or nothing that was ever kept.
    #[error("what was kept of a stream cannot be right")]
    Nonsense,
}

/// The version of [`KeptMedia`].
pub(crate) const KEPT_VERSION: u8 = 1;

/// What must be known of a stream to open it again in another process: see [`Engine::keep`](crate::engine::Engine::keep).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMedia {
    pub(crate) v: u8,
    pub(crate) rtp: SocketAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<Configure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) heard_from: Option<SocketAddr>,
    /// What its CNAME is made from.
    pub(crate) name: u64,
}

impl KeptMedia {
    /// Where it received; the address and port of the SDP.
    #[must_use]
    pub const fn rtp(&self) -> SocketAddr {
        self.rtp
    }

    /// Where its peer was heard from.
    #[must_use]
    pub const fn heard_from(&self) -> Option<SocketAddr> {
        self.heard_from
    }
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The stream or recording is not open.
    #[error("the stream or recording is not open")]
    NotOpen,
    /// Two streams of different groups cannot be joined or recorded together, and members of a room must be of one thread.
    #[error("the streams belong to different groups")]
    DifferentGroups,
    /// Media is never sent there: multicast, broadcast, unspecified, port 0 or one of our own ports.
    #[error("media may not be sent to that address")]
    ForbiddenRemote,
    /// A stream of a shared port is found by checks only (ICE), and this is not to be checked.
    #[error("a stream of a shared port must be checked (ICE)")]
    NotChecked,
    /// The media thread is behind with its commands; this one was not taken.
    #[error("the media thread is overloaded")]
    Busy,
    /// A room has at most [`MOST_MEMBERS`].
    #[error("a room has at most {MOST_MEMBERS} members")]
    RoomFull,
}

/// Who besides the address of the SDP may become the peer of a stream (symmetric RTP, RFC 4961).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LearnPolicy {
    /// Nobody: only the address and port of the SDP.
    Strict,
    /// Another port of the SDP's address, or any port of the address that signalling came from.
    #[default]
    SameHost,
    /// Any address, after a longer trial.
    Any,
}

/// What is spoken on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// The codec.
    pub codec: Codec,
    /// The RTP payload type that we send it with: the number of their description.
    pub payload_type: u8,
    /// The RTP payload type that we receive it with: the number of ours. An answer may use another one
    /// than its offer (RFC 3264 section 6.1).
    pub receive_payload_type: u8,
    /// Payload type of telephone-event (RFC 4733) that we send, when negotiated.
    pub dtmf_payload_type: Option<u8>,
    /// The one that we receive.
    pub receive_dtmf_payload_type: Option<u8>,
    /// The clock that durations of events are counted in, in Hz: the codec's RTP clock, or 8,000 beside Opus. Their
    /// timestamps are those of the audio.
    pub dtmf_clock_hz: u32,
    /// Milliseconds of audio in a packet that we make: 10, 20, 30, 40 or 60; others become 20.
    pub ptime_ms: u8,
    /// What they take of the Opus that we make. What a partner made is passed on as it is.
    #[serde(default)]
    pub opus: OpusLimits,
    /// Without telephone-event, keys to them go in the messages of the call ([`Event::KeyOut`]), not as tones in the audio.
    #[serde(default)]
    pub signalled_keys: bool,
}

/// The negotiated side of a stream. Sent again after each re-negotiation; an unchanged remote keeps
/// the learned address, a changed one starts learning anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configure {
    /// Where the peer's SDP wants RTP. With ICE nobody looks at it.
    pub remote: SocketAddr,
    /// Where it wants RTCP; the RTP port plus one when the SDP says nothing.
    pub remote_rtcp: Option<SocketAddr>,
    /// Who else may become the peer.
    pub learn: LearnPolicy,
    /// Address that signalling of this leg came from, for `LearnPolicy::SameHost`.
    pub signalling: Option<IpAddr>,
    /// What is spoken.
    pub format: Format,
    /// We may send (SDP `sendrecv` or `sendonly` from our side).
    pub send: bool,
    /// We expect to receive (`sendrecv` or `recvonly` from our side).
    pub receive: bool,
    /// RTCP comes and goes on the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// Where we may send, silence is sent when nothing else was for so many ms, and soon when nothing was yet: some
    /// peers end a call that they hear nothing of (RFC 6263 section 4.1 has empty packets for that, which not all
    /// count). `None`: nothing is sent of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive_ms: Option<u32>,
    /// The peer wants to be told how it is heard (RTCP XR, RFC 3611).
    #[serde(default)]
    pub rtcp_xr: bool,
    /// The keys of SRTP; `None` for plain RTP. Counters go on as long as a key stays, and begin anew with a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Arc<StreamKeys>>,
    /// The keys are agreed by DTLS, and nothing is sent or taken before. `keys` says nothing then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtls: Option<Arc<Terms>>,
}

impl Configure {
    /// Whether packets go to the address that the SDP says, or may.
    pub(crate) fn goes_to_remote(&self) -> bool {
        self.dtls.as_ref().is_none_or(|terms| terms.ice.is_none())
    }
}

/// Members of a room.
pub const MOST_MEMBERS: usize = 100;

/// Somebody in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixMember {
    /// Who.
    pub stream: StreamId,
    /// What they do there.
    pub role: MixRole,
}

/// Who hears a member of a room. What a member hears is always all parties but itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MixRole {
    /// Everybody hears it.
    Party,
    /// Nobody does: a supervisor who monitors, or somebody muted.
    Listener,
    /// Only one member does.
    Whisper {
        /// Who; when that member is not in the room, nobody.
        to: StreamId,
    },
}

/// What a line loop tells the engine. Opening is `Engine::open`, because it answers.
#[derive(Clone, Debug)]
pub enum Command {
    /// The stream was (re-)negotiated.
    Configure {
        /// Which stream.
        stream: StreamId,
        /// The result.
        to: Configure,
    },
    /// Whether silence of the peer is told. Not watched until then. The time counts from this command when the
    /// stream was not watched before it.
    Watch {
        /// Which stream.
        stream: StreamId,
        /// Nothing received for so long is told as `Event::MediaLost`; `None` when the peer may be silent: before an
        /// answer, on hold.
        silence: Option<Duration>,
    },
    /// Whether audio must go both ways from now on: answered, and agreed so. When none comes of the peer, or it says that
    /// it hears none, `Event::OneWay` says why; the time counts from the first of these commands in a row.
    Expect {
        /// Which stream.
        stream: StreamId,
        /// Not before an answer, and not on hold.
        both_ways: bool,
    },
    /// The two hear each other. Each leaves the stream it was joined to before; echo ends. A prompt
    /// that plays goes on and has precedence until its end.
    Join {
        /// One stream.
        a: StreamId,
        /// The other, of the same group.
        b: StreamId,
    },
    /// The stream and its partner no longer hear each other.
    Part {
        /// Which stream.
        stream: StreamId,
    },
    /// Lays down a room: its members, and who hears whom. What it was before counts no more, all at once: who is not named
    /// any more leaves it, who is new leaves the partner or room that it had. Without members it ends. A member that is
    /// played to hears that instead until its end.
    Mix {
        /// Chosen by the caller; rooms of different threads are different ones.
        room: u64,
        /// At most [`MOST_MEMBERS`], on one thread.
        members: Vec<MixMember>,
    },
    /// Play prompts one after another, instead of what plays now (which gets no `Played`).
    Play {
        /// To which stream.
        stream: StreamId,
        /// Named in `Event::Played`.
        play: u32,
        /// At least one; empty audio ends at once.
        audio: Vec<Arc<Audio>>,
        /// From the beginning again, until stopped.
        repeat: bool,
    },
    /// Play ring-back tone (425 Hz, 1 s on, 4 s off) until stopped.
    RingBack {
        /// To which stream.
        stream: StreamId,
    },
    /// Stop what plays. No `Played` follows.
    StopPlay {
        /// On which stream.
        stream: StreamId,
    },
    /// Send the stream's audio back to itself until it is joined, parted or closed.
    Echo {
        /// Which stream.
        stream: StreamId,
    },
    /// Record what both streams receive into one stereo WAV file, sealed when there is a key. A recording that runs already goes
    /// on with the new sides (a transfer), in the same file; `path` and `key` are not looked at then. A stream is a
    /// side of one recording at a time, the newest. The file has 16 kHz when a side is wide-band now.
    Record {
        /// Chosen by the caller; unique in the life of an engine.
        recording: u64,
        /// A file that does not exist yet; its folder does.
        path: PathBuf,
        /// What it is sealed with.
        key: Option<Arc<Key>>,
        /// Heard on the left: the caller.
        left: StreamId,
        /// Heard on the right: the agent. May come later.
        right: Option<StreamId>,
    },
    /// Write silence instead of audio until told otherwise (card numbers); time goes on.
    PauseRecord {
        /// Which recording.
        recording: u64,
        /// Whether it pauses from now on.
        paused: bool,
    },
    /// End a recording; `Recorded` or `RecordFailed` follows.
    StopRecord {
        /// Which recording.
        recording: u64,
    },
    /// Send a key press as telephone-event (RFC 4733). Waits behind earlier ones, at most 32; without a
    /// negotiated telephone-event it is dropped.
    SendDigit {
        /// To which stream.
        stream: StreamId,
        /// `0`-`9`, `*`, `#`, `A`-`D`; others are dropped.
        digit: char,
        /// How long, in ms; held to 40 to 6000.
        duration_ms: u16,
    },
    /// The party of a stream pressed a key and said so outside its audio: the partner is sent it as
    /// [`SendDigit`](Self::SendDigit) would. Nothing without a partner, or when it hears itself.
    RelayDigit {
        /// Of whom.
        stream: StreamId,
        /// As there.
        digit: char,
        /// As there.
        duration_ms: u16,
    },
    /// Nobody hears what the stream receives from now on, no partner, room or recording, and its keys are told as
    /// [`Event::Hidden`] and sent to nobody; or all is as before again, once no key is held any more.
    Mask {
        /// Which stream.
        stream: StreamId,
        /// From now on.
        masked: bool,
    },
    /// Listen to what is received for this from now on, instead of what was listened for before. Only then is it decoded.
    Detect {
        /// Which stream.
        stream: StreamId,
        /// What; [`Wanted::NOTHING`] ends it.
        what: Wanted,
    },
    /// Copy what is received, decoded, into a pipe from now on, beside all else that becomes of it, until the pipe is closed.
    Fork {
        /// Which stream.
        stream: StreamId,
        /// Where to, and how.
        to: Fork,
    },
    /// Play what comes through a pipe, instead of what plays now, until the pipe is closed. No `Played` follows.
    Speak {
        /// To which stream.
        stream: StreamId,
        /// The samples.
        from: Arc<Pipe>,
        /// Of 8,000 or 16,000 Hz.
        rate_hz: u32,
    },
    /// The stream ends: RTCP BYE, sockets closed, port to rest, `Closed` told. Recordings go on without
    /// it. Always taken: when the thread is busy it is kept and sent with one of the next commands.
    Close {
        /// Which stream.
        stream: StreamId,
    },
}

/// What a line loop hears from the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A key was pressed (RFC 4733, or in the audio where [`Command::Detect`] wants keys), told once, at its end. One that came
    /// both ways is told once, and one in the audio is sent to the partner as an event when that has them.
    Digit {
        /// On which stream.
        stream: StreamId,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
        /// How long, in ms.
        duration_ms: u32,
    },
    /// A key that is to reach the peer of a stream by a message of its call.
    KeyOut {
        /// On which stream.
        stream: StreamId,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        key: char,
        /// How long, in ms.
        duration_ms: u16,
    },
    /// A key of a stream that is [masked](Command::Mask).
    Hidden {
        /// On which stream.
        stream: StreamId,
        /// Which.
        key: HiddenKey,
    },
    /// A `Play` came to its end by itself.
    Played {
        /// On which stream.
        stream: StreamId,
        /// The number given with it.
        play: u32,
    },
    /// The first valid media of an accepted source; again when the source changed.
    MediaStarted {
        /// On which stream.
        stream: StreamId,
        /// From where.
        from: SocketAddr,
    },
    /// Nothing was received for the time that `Command::Watch` named. Told
    /// once; again only after media was received in between.
    MediaLost {
        /// Which stream.
        stream: StreamId,
    },
    /// Audio goes one way only, within 2 s of `Command::Expect` where the peer is not heard; where it says that it
    /// hears nothing, when it says so. Each way is told once.
    OneWay {
        /// On which stream.
        stream: StreamId,
        /// Which way, and why.
        verdict: OneWay,
    },
    /// A stream with DTLS has no keys, and so no audio. Some causes may mend themselves later: see
    /// [`NoKeys`](crate::browser::NoKeys).
    NoKeys {
        /// Which stream.
        stream: StreamId,
        /// Why.
        verdict: NoKeys,
    },
    /// Something was heard that `Command::Detect` wants; keys are told as `Digit`.
    Detected {
        /// On which stream.
        stream: StreamId,
        /// What.
        verdict: Verdict,
    },
    /// A recording is complete on disk.
    Recorded {
        /// Which recording.
        recording: u64,
        /// The file.
        path: PathBuf,
        /// Its length, in ms.
        duration_ms: u64,
        /// Packets that were received but are not in the file (too late, or the disk was too slow).
        frames_lost: u64,
    },
    /// A recording ended early; what was written before is readable. `StopRecord` is still owed, to forget
    /// it, and has no further answer.
    RecordFailed {
        /// Which recording.
        recording: u64,
        /// What the operating system said.
        error: String,
    },
    /// The stream is gone, with what was measured.
    Closed {
        /// Which stream.
        stream: StreamId,
        /// From its whole life.
        quality: Quality,
    },
    /// Handling the stream hit a fault of ours; it is silent from now on and must be closed.
    Fault {
        /// Which stream.
        stream: StreamId,
    },
}
