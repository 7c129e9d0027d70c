//! Legs to streams, phrases to audio: the line loop's side of the media engine.

mod conferring;
mod masking;
mod programs;

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tandem_media::{
    archive::sealed::Key,
    browser::Fingerprint,
    codec::Audio as Pcm,
    contract::{Command, CommandError, Configure, Event, MixMember, MixRole, NoKeys, OneWay, Opened, Quality, StreamId},
    engine::Engine,
    hidden::HiddenKey,
};
use tandem_switch::{
    id::{CallId, RecordingId},
    step::{Audio, Supervision},
};

use super::{LegRef, detection::KeysInAudio, line::Service, rooms::Rooms, supervision::Talk};
use crate::{metrics::METRICS, prompts::Prompts};

pub use conferring::Entering;

/// How long a key press is that we make, in ms.
const KEY_MS: u16 = 120;

/// The media side of all legs of one line loop.
pub struct MediaEdge {
    engine: Engine,
    prompts: Arc<Prompts>,
    /// A leg that must be heard is lost after so much silence.
    silence: Option<Duration>,
    pub(super) streams: HashMap<LegRef, Open>,
    legs: HashMap<StreamId, LegRef>,
    next: u64,
    rooms: Rooms,
    /// Heard by who is alone in a room.
    music: Option<Audio>,
    /// Streams that nobody hears, by call.
    masked: HashMap<CallId, StreamId>,
    /// Calls whose audio is handled where that of another call is, so that legs can move between them.
    beside: HashMap<CallId, u64>,
    /// Programs that hear calls.
    programs: programs::Programs,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    stream: StreamId,
    opened: Opened,
    /// Where its audio comes from.
    heard_from: Option<SocketAddr>,
    /// It came from another call, whose audio may be handled elsewhere.
    is_stray: bool,
    /// Its keys.
    pub(super) keys: KeysInAudio,
}

/// What the engine told, in terms of legs. What concerns a stream that was closed meanwhile is not told,
/// except its quality.
#[derive(Debug)]
pub enum MediaEvent {
    /// A key was pressed.
    Digit(LegRef, char),
    /// A key is to reach the leg's party by a message; how long it was pressed, in ms.
    KeyOut(LegRef, char, u32),
    /// A key was pressed on a leg that is masked.
    Hidden(LegRef, HiddenKey),
    /// A playing came to its end.
    Played(LegRef, u32),
    /// Audio of the leg stopped although it must be heard, or handling it failed.
    Lost(LegRef),
    /// Audio of the leg arrives, from where.
    Started(LegRef, SocketAddr),
    /// Audio of the leg goes one way only, and why.
    OneWay(LegRef, OneWay),
    /// The leg has no keys, and why.
    NoKeys(LegRef, NoKeys),
    /// A recording is complete.
    Recorded {
        /// Which.
        recording: RecordingId,
        /// The file.
        path: PathBuf,
        /// Its length, in ms.
        duration_ms: u64,
        /// Packets missing in it.
        frames_lost: u64,
    },
    /// A recording ended early.
    RecordFailed {
        /// Which.
        recording: RecordingId,
        /// What the operating system said.
        error: String,
    },
    /// What was measured on a leg that is gone.
    Measured(LegRef, Quality),
}

impl MediaEdge {
    /// The edge of one line loop over its engine.
    #[must_use]
    pub fn new(engine: Engine, service: &Service) -> Self {
        let prompts = Arc::clone(&service.prompts);
        let mut edge = Self {
            engine,
            prompts,
            silence: None,
            streams: HashMap::new(),
            legs: HashMap::new(),
            next: 1,
            rooms: Rooms::default(),
            music: None,
            masked: HashMap::new(),
            beside: HashMap::new(),
            programs: programs::Programs::default(),
        };
        edge.set_service(service);
        edge
    }

    /// Recordings and times of a new plan; what plays goes on.
    pub fn set_service(&mut self, service: &Service) {
        self.prompts = Arc::clone(&service.prompts);
        self.music = conferring::music_of(service);
        self.programs.targets = Arc::clone(&service.programs);
        self.silence = service.plan.silence_ends_after_ms.map(Duration::from_millis);
    }

    /// What was ordered since the last commit begins now.
    pub fn commit(&mut self) {
        self.engine.commit();
    }

    /// The certificate of this process, for descriptions.
    #[must_use]
    pub const fn certificate(&self) -> Fingerprint {
        self.engine.fingerprint()
    }

    const fn next_stream(&mut self) -> StreamId {
        let stream = StreamId(self.next);
        self.next += 1;
        stream
    }

    fn opened(&mut self, leg: LegRef, open: Open) {
        self.legs.insert(open.stream, leg);
        self.streams.insert(leg, open);
    }

    /// The leg was negotiated, or negotiated anew.
    ///
    /// # Errors
    /// The leg is not open, or its address is none that media may be sent to.
    pub fn configure(&mut self, leg: LegRef, to: Configure) -> Result<(), CommandError> {
        let stream = self.stream(leg).ok_or(CommandError::NotOpen)?;
        self.engine.command(Command::Configure { stream, to })
    }

    /// Whether the leg must be heard, and hear us, from now on: its silence counts then.
    pub fn watch(&mut self, leg: LegRef, counts: bool) {
        let silence = self.silence.filter(|_| counts);
        self.with(leg, |stream| Command::Watch { stream, silence });
        self.with(leg, |stream| Command::Expect { stream, both_ways: counts });
    }

    /// Whether the leg has a stream.
    #[must_use]
    pub fn is_open(&self, leg: LegRef) -> bool {
        self.streams.contains_key(&leg)
    }

    /// The audio of a call that begins is to be handled where that of another one is.
    pub fn put_beside(&mut self, call: CallId, other: CallId) {
        self.beside.insert(call, self.place(other));
    }

    /// A call is over.
    pub fn forget(&mut self, call: CallId) {
        self.beside.remove(&call);
    }

    /// Whether legs can move between two calls.
    #[must_use]
    pub fn are_beside(&self, one: CallId, other: CallId) -> bool {
        self.engine.is_same_thread(self.place(one), self.place(other))
    }

    /// A leg is one of another call from now on.
    pub fn move_leg(&mut self, from: LegRef, to: LegRef) {
        if let Some(mut open) = self.streams.remove(&from) {
            open.is_stray |= !self.are_beside(from.call, to.call);
            self.legs.insert(open.stream, to);
            self.streams.insert(to, open);
        }
    }

    fn place(&self, call: CallId) -> u64 {
        self.beside.get(&call).copied().unwrap_or(call.0)
    }

    fn stream(&self, leg: LegRef) -> Option<StreamId> {
        self.streams.get(&leg).map(|open| open.stream)
    }

    pub(super) fn with(&mut self, leg: LegRef, command: impl FnOnce(StreamId) -> Command) {
        if let Some(stream) = self.stream(leg) {
            self.tell(command(stream));
        }
    }

    /// A command that is not taken leaves a leg without audio, which its silence watch will find; the
    /// call itself goes on.
    fn tell(&mut self, command: Command) {
        if let Err(error) = self.engine.command(command) {
            METRICS.loop_messages_refused.inc();
            tracing::warn!(%error, "a media command was not taken");
        }
    }

    /// Plays phrases to the leg. What has no recording in the language is left out and counted.
    pub fn play(&mut self, leg: LegRef, play: u32, audio: &Audio, repeat: bool) {
        let audio: Vec<Arc<Pcm>> = self.prompts.resolve(audio);
        self.with(leg, |stream| Command::Play { stream, play, audio, repeat });
    }

    /// Plays ring-back tone to the leg.
    pub fn ring_back(&mut self, leg: LegRef) {
        self.with(leg, |stream| Command::RingBack { stream });
    }

    /// Stops what plays to the leg.
    pub fn stop_play(&mut self, leg: LegRef) {
        self.with(leg, |stream| Command::StopPlay { stream });
    }

    /// The leg hears itself.
    pub fn echo(&mut self, leg: LegRef) {
        self.with(leg, |stream| Command::Echo { stream });
    }

    /// The leg's party pressed a key and said so in a message: its partner hears of it.
    pub fn relay_digit(&mut self, leg: LegRef, digit: char, duration_ms: u16) {
        self.with(leg, |stream| Command::RelayDigit { stream, digit, duration_ms });
    }

    /// Two legs hear each other.
    pub fn join(&mut self, left: LegRef, right: LegRef) {
        let (Some(a), Some(b)) = (self.streams.get(&left).copied(), self.streams.get(&right).copied()) else { return };
        if a.is_stray || b.is_stray {
            let (stray, other) = if b.is_stray { (b, a) } else { (a, b) };
            if let Err(error) = self.engine.bring(stray.stream, other.stream) {
                tracing::warn!(call = %left.call, %error, "the audio of a leg cannot be brought to the other");
            }
        }
        self.tell(Command::Join { a: a.stream, b: b.stream });
    }

    /// A conversation with supervisors is a room: the two hear each other, and of the others what their roles say.
    pub fn lay_supervised(&mut self, room: u64, talk: Talk, supervisors: &[(LegRef, Supervision)]) {
        let Some(agent) = self.stream(talk.agent) else { return };
        let parties = [talk.customer, talk.agent].into_iter().map(|leg| (leg, MixRole::Party));
        let others = supervisors.iter().map(|(leg, role)| {
            let role = match role {
                Supervision::Monitor => MixRole::Listener,
                Supervision::Whisper => MixRole::Whisper { to: agent },
                Supervision::BargeIn => MixRole::Party,
            };
            (*leg, role)
        });
        let member = |(leg, role)| Some(MixMember { stream: self.stream(leg)?, role });
        let members: Vec<_> = parties.chain(others).filter_map(member).collect();
        for member in &members {
            if let Err(error) = self.engine.bring(member.stream, agent) {
                tracing::warn!(%error, "a supervisor's audio cannot be brought to the conversation");
            }
        }
        self.tell(Command::Mix { room, members });
    }

    /// A room is over: nobody in it hears anything.
    pub fn end_room(&mut self, room: u64) {
        self.tell(Command::Mix { room, members: Vec::new() });
    }

    /// A leg's phone is sent a key press.
    pub fn send_digit(&mut self, leg: LegRef, digit: char) {
        self.with(leg, |stream| Command::SendDigit { stream, digit, duration_ms: KEY_MS });
    }

    /// The leg and its partner no longer hear each other.
    pub fn part(&mut self, leg: LegRef) {
        self.with(leg, |stream| Command::Part { stream });
    }

    /// Records two legs into a file.
    pub fn record(&mut self, recording: RecordingId, (path, key): (PathBuf, Option<Arc<Key>>), left: LegRef, right: LegRef) {
        let right = self.stream(right);
        self.with(left, |left| Command::Record { recording: recording.0, path, key, left, right });
    }

    /// Silence in a recording from now on, or audio again.
    pub fn pause_record(&mut self, recording: RecordingId, paused: bool) {
        self.tell(Command::PauseRecord { recording: recording.0, paused });
    }

    /// Records what one leg says into a file.
    pub fn record_alone(&mut self, recording: RecordingId, path: PathBuf, leg: LegRef) {
        self.with(leg, |left| Command::Record { recording: recording.0, path, key: None, left, right: None });
    }

    /// Closes a recording.
    pub fn stop_record(&mut self, recording: RecordingId) {
        self.tell(Command::StopRecord { recording: recording.0 });
    }

    /// The leg is gone. `true` when `Measured` will follow.
    pub fn close(&mut self, leg: LegRef) -> bool {
        let Some(open) = self.streams.remove(&leg) else { return false };
        self.leave_room(open.stream);
        self.tell(Command::Close { stream: open.stream });
        true
    }

    /// Puts an event of the engine in terms of legs.
    pub fn translate(&mut self, event: Event) -> Option<MediaEvent> {
        let leg = |stream| self.legs.get(&stream).copied();
        Some(match event {
            Event::Digit { stream, digit, .. } => MediaEvent::Digit(leg(stream)?, digit),
            Event::KeyOut { stream, key, duration_ms } => MediaEvent::KeyOut(leg(stream)?, key, duration_ms.into()),
            // Only keys are listened for, which come as such.
            Event::Detected { .. } => return None,
            Event::Hidden { stream, key } => MediaEvent::Hidden(leg(stream)?, key),
            Event::Played { stream, play } => MediaEvent::Played(leg(stream)?, play),
            Event::MediaStarted { stream, from } => {
                let leg = leg(stream)?;
                if let Some(open) = self.streams.get_mut(&leg) {
                    open.heard_from = Some(from);
                }
                MediaEvent::Started(leg, from)
            }
            Event::OneWay { stream, verdict } => MediaEvent::OneWay(leg(stream)?, verdict),
            Event::NoKeys { stream, verdict } => MediaEvent::NoKeys(leg(stream)?, verdict),
            Event::MediaLost { stream } | Event::Fault { stream } => MediaEvent::Lost(leg(stream)?),
            Event::Recorded { recording, path, duration_ms, frames_lost } => {
                MediaEvent::Recorded { recording: RecordingId(recording), path, duration_ms, frames_lost }
            }
            Event::RecordFailed { recording, error } => MediaEvent::RecordFailed { recording: RecordingId(recording), error },
            Event::Closed { stream, quality } => MediaEvent::Measured(self.legs.remove(&stream)?, quality),
        })
    }
}

mod ports;
#[cfg(test)]
mod tests;
