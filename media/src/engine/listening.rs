//! Listening to what a stream receives: decoded behind a jitter buffer of its own, by the clock, only while something is
//! wanted of it. The plain relay of other streams does nothing of this.

use std::time::{Duration, Instant};

use super::{context::Context, receive::Streams, worker::Worker};
use crate::{
    contract::{Event, Format},
    detect::{Listener, RATE_HZ, Verdict, Wanted},
    player::Pacer,
    reception::Arrival,
    rtp::Header,
    transcode::Transcoder,
};

/// Milliseconds that are heard in one go.
const FRAME_MS: u8 = 20;
/// Samples of that.
const FRAME: usize = 160;
/// A key in the audio is not told so long after an event of RFC 4733: a party that sends both pressed once. Longer than any
/// jitter buffer holds audio.
const AFTER_EVENT: Duration = Duration::from_millis(1_000);

/// Nothing is heard any more so long after the last packet when nothing but keys is wanted: no jitter buffer holds audio for
/// longer. A detector of other things counts silence, too.
const REST_AFTER: Duration = Duration::from_millis(1_000);

/// Nothing but keys.
const KEYS: Wanted = Wanted { keys: true, ..Wanted::NOTHING };

/// The state of a stream that is listened to.
pub(super) struct Listening {
    wanted: Wanted,
    pacer: Pacer,
    /// When the last packet of a telephone event came.
    event_at: Option<Instant>,
    /// When there was something to hear last; `None`: it is not heard by the clock.
    awake: Option<Instant>,
    /// `None` while there is nothing to hear: most streams are wanted for keys, and never are.
    ears: Option<Box<Ears>>,
}

/// What hears.
struct Ears {
    listener: Listener,
    transcoder: Option<Transcoder>,
}

impl Ears {
    fn new(wanted: Wanted) -> Box<Self> {
        Box::new(Self { listener: Listener::new(wanted), transcoder: None })
    }
}

impl Listening {
    fn new(wanted: Wanted, now: Instant) -> Self {
        let pacer = Pacer::new(now, Duration::from_millis(FRAME_MS.into()));
        // Who is wanted for keys only is asleep until its first packet.
        Self { wanted, pacer, event_at: None, awake: (wanted != KEYS).then_some(now), ears: None }
    }

    /// Other things are wanted.
    fn want(&mut self, wanted: Wanted, now: Instant) {
        self.wanted = wanted;
        self.awake.get_or_insert(now);
        if let Some(ears) = &mut self.ears {
            ears.listener.want(wanted);
        }
    }

    fn receive(&mut self, header: &Header, payload: Option<&[u8]>, format: Format, arrival: Arrival, now: Instant) {
        if !format.codec.is_spoken() {
            return;
        }
        if self.awake.replace(now).is_none() {
            // What it would have heard meanwhile is not made up for later.
            let _ = self.pacer.due(now);
        }
        if payload.is_none() && Some(header.payload_type) == format.receive_dtmf_payload_type {
            self.event_at = Some(now);
        }
        let ears = self.ears.get_or_insert_with(|| Ears::new(self.wanted));
        if ears.transcoder.as_ref().is_none_or(|transcoder| transcoder.codec() != format.codec) {
            match Transcoder::new(format.codec, RATE_HZ, FRAME_MS, now) {
                Ok(fresh) => ears.transcoder = Some(fresh),
                Err(error) => return tracing::error!(%error, "no decoder for a stream that is listened to"),
            }
        }
        if let Some(transcoder) = &mut ears.transcoder {
            transcoder.receive(now, header, payload, arrival);
        }
    }

    /// Whether it is to be heard by the clock.
    pub(super) const fn is_awake(&self) -> bool {
        self.awake.is_some()
    }

    /// Whether nothing can come of hearing it now.
    fn may_rest(&self, now: Instant) -> bool {
        let has_come = self.awake.is_some_and(|at| now.saturating_duration_since(at) < REST_AFTER);
        self.wanted == KEYS && !self.is_key_down() && !has_come
    }

    /// Until the next packet.
    fn rest(&mut self) {
        (self.awake, self.ears) = (None, None);
    }

    /// Whether a key sounds at this moment.
    pub(super) fn is_key_down(&self) -> bool {
        self.ears.as_ref().is_some_and(|ears| ears.listener.pressed().is_some())
    }

    /// Hears the frames that are due; silence where nothing came, because time goes on for a detector, too.
    fn hear(&mut self, cx: &mut Context, mut tell: impl FnMut(Verdict, &mut Context)) {
        for _ in 0..self.pacer.due(cx.now) {
            let ears = self.ears.get_or_insert_with(|| Ears::new(self.wanted));
            let mut frame = [0; FRAME];
            let came = ears.transcoder.as_mut().is_some_and(|transcoder| transcoder.frame_at(cx.now, &mut frame));
            if !came {
                frame.fill(0);
            }
            ears.listener.hear(&frame, |verdict| tell(verdict, cx));
        }
    }
}

/// Whether keys of a stream are heard by its partner as they are, and by nobody else: then its audio is passed on unheard, as
/// any other. A partner with telephone-event or messages for keys wants them in that form, and who is masked is not heard at all.
fn is_passed_on(streams: &Streams, slot: usize) -> bool {
    let Some(stream) = streams[slot].as_deref() else { return false };
    let partner = stream.partner.filter(|partner| *partner != slot).and_then(|partner| streams[partner].as_deref());
    let wants_events = |format: Format| format.dtmf_payload_type.is_some() || format.signalled_keys;
    !stream.inbound.is_masked()
        && stream.listening.as_ref().is_some_and(|listening| listening.wanted == KEYS)
        && partner.is_some_and(|partner| !partner.outbound.format.is_some_and(wants_events))
}

/// A packet of a stream that is listened to; without a payload one that holds no audio.
pub(super) fn receive(
    streams: &mut Streams,
    slot: usize,
    (header, payload, format, arrival): (&Header, Option<&[u8]>, Format, Arrival),
    now: Instant,
) {
    if is_passed_on(streams, slot) {
        return;
    }
    if let Some(listening) = streams[slot].as_deref_mut().and_then(|stream| stream.listening.as_deref_mut()) {
        listening.receive(header, payload, format, arrival, now);
    }
}

impl Worker {
    /// Listens to a stream for something else from now on, or no more.
    pub(super) fn listen(&mut self, slot: usize, wanted: Wanted) {
        let Some(stream) = self.streams.get_mut(slot).and_then(Option::as_deref_mut) else { return };
        match &mut stream.listening {
            _ if wanted.is_nothing() => stream.listening = None,
            Some(listening) => listening.want(wanted, self.cx.now),
            none => *none = Some(Box::new(Listening::new(wanted, self.cx.now))),
        }
        if stream.listening.as_ref().is_some_and(|listening| listening.is_awake()) {
            self.start_pacing(slot);
        }
    }

    /// Hears what is due of a stream. `false` when nothing is listened for in it, or will be before the next packet: a crowd
    /// of streams without a sound costs nothing.
    pub(super) fn hear(&mut self, slot: usize) -> bool {
        let is_passed_on = is_passed_on(&self.streams, slot);
        let Some(stream) = self.streams[slot].as_deref_mut() else { return false };
        let (id, partner) = (stream.id, stream.partner.filter(|partner| *partner != slot));
        let (inbound, is_masked) = (&stream.inbound, stream.inbound.is_masked());
        let Some(listening) = &mut stream.listening else { return false };
        if is_passed_on || listening.may_rest(self.cx.now) {
            listening.rest();
            return false;
        }
        // RFC 4733 wins: the same key comes that way, too.
        let is_told = listening.event_at.is_some_and(|at| self.cx.now.saturating_duration_since(at) < AFTER_EVENT);
        let mut pressed = None;
        listening.hear(&mut self.cx, |verdict, cx| match verdict {
            Verdict::Key { .. } if is_told => {}
            Verdict::Key { duration_ms, .. } if inbound.was_pressed_before_mask(duration_ms, cx.now) => {}
            Verdict::Key { key, duration_ms } => {
                inbound.key_told(id, key, duration_ms, cx);
                pressed = Some((key, duration_ms)).filter(|_| !is_masked);
            }
            verdict => cx.events.push_back(Event::Detected { stream: id, verdict }),
        });
        // Two keys in what is heard at once would be shorter than any that are taken.
        if let (Some((key, duration_ms)), Some(partner)) = (pressed, partner) {
            self.send_digit(partner, key, u16::try_from(duration_ms).unwrap_or(u16::MAX));
        }
        true
    }
}
