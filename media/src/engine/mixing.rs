//! Rooms of a media thread: members in their seats, and the mix that each is sent every 20 ms.
//!
//! A room is laid down as a whole, members and roles together, between two mixes. So nobody is ever heard by somebody
//! who should not hear them, not even for one frame.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use super::{
    context::Context,
    receive::Streams,
    stream::{Outbound, Speaker, Stream},
    worker::Worker,
};
use crate::{
    codec::{Codec, Downsampler, Upsampler},
    contract::{Format, MixMember, MixRole},
    mix::{FRAME_MS, Gate, Limiter, MAX_FRAME, Sum, frame_samples},
    player::Pacer,
    reception::Arrival,
    rtp::Header,
    transcode::Transcoder,
};

/// The longest packet we make, in frames of the mix: 60 ms.
const MOST_FRAMES: usize = 3;

/// A room.
pub(super) struct Room {
    members: Vec<usize>,
    rate_hz: u32,
    pacer: Pacer,
    sum: Sum,
    /// What is whispered in this frame, and to whom.
    whispers: Vec<(usize, [i16; MAX_FRAME])>,
}

/// What a member does in the room, by slots of the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Party,
    Listener,
    /// `None`: whom it was meant for is gone, so nobody hears it.
    Whisper(Option<usize>),
}

/// The state of a stream in a room.
pub(super) struct Seat {
    pub(super) room: u64,
    place: Place,
    rate_hz: u32,
    transcoder: Option<Transcoder>,
    up: Upsampler,
    down: Downsampler,
    gate: Gate,
    limiter: Limiter,
    /// What the member says in this frame, when anything.
    says: [i16; MAX_FRAME],
    speaks: bool,
    /// What the member hears, until a packet is full.
    hears: Vec<i16>,
}

impl Seat {
    fn new(room: u64, place: Place, rate_hz: u32) -> Self {
        Self {
            room,
            place,
            rate_hz,
            transcoder: None,
            up: Upsampler::new(),
            down: Downsampler::new(),
            gate: Gate::default(),
            limiter: Limiter::default(),
            says: [0; MAX_FRAME],
            speaks: false,
            hears: Vec::with_capacity(MAX_FRAME * (MOST_FRAMES + 1)),
        }
    }

    /// The rate at which a codec takes part: its own, or the room's when that is less.
    const fn rate_of(&self, codec: Codec) -> u32 {
        if codec.sample_rate_hz() < self.rate_hz { codec.sample_rate_hz() } else { self.rate_hz }
    }

    /// A packet of the member; without a payload one that holds no audio.
    pub(super) fn receive(&mut self, header: &Header, payload: Option<&[u8]>, format: Format, arrival: Arrival, now: Instant) {
        if !format.codec.is_spoken() {
            return;
        }
        let rate = self.rate_of(format.codec);
        if self.transcoder.as_ref().is_none_or(|t| t.codec() != format.codec || t.rate_hz() != rate) {
            match Transcoder::new(format.codec, rate, FRAME_MS, now) {
                Ok(fresh) => self.transcoder = Some(fresh),
                Err(error) => return tracing::error!(%error, "no decoder for a member of a room"),
            }
        }
        if let Some(transcoder) = &mut self.transcoder {
            transcoder.receive(now, header, payload, arrival);
        }
    }

    /// The frame that is due of what the member says.
    fn next(&mut self, now: Instant) {
        let frame = &mut self.says[..frame_samples(self.rate_hz)];
        let came = match &mut self.transcoder {
            None => false,
            Some(transcoder) if transcoder.rate_hz() == self.rate_hz => transcoder.frame_at(now, frame),
            Some(transcoder) => {
                let mut narrow = [0; MAX_FRAME];
                let came = transcoder.frame_at(now, &mut narrow);
                if came {
                    self.up.process(&narrow[..frame_samples(transcoder.rate_hz())], frame);
                }
                came
            }
        };
        self.speaks = came && self.place != Place::Listener && self.gate.opens(frame);
    }

    fn said(&self) -> &[i16] {
        &self.says[..frame_samples(self.rate_hz)]
    }
}

impl Worker {
    /// Lays down a room: who is in it, and who hears whom. Who is not named any more leaves it; nobody ends it.
    pub(super) fn mix(&mut self, room: u64, members: &[MixMember]) {
        let slot_of = |id| self.slots.get(&id).copied();
        let mut seats: Vec<(usize, Place)> = Vec::with_capacity(members.len());
        for member in members {
            let Some(slot) = slot_of(member.stream) else { continue };
            let place = match member.role {
                MixRole::Party => Place::Party,
                MixRole::Listener => Place::Listener,
                MixRole::Whisper { to } => Place::Whisper(slot_of(to).filter(|_| members.iter().any(|m| m.stream == to))),
            };
            let is_fit = self.streams[slot].as_ref().is_some_and(|stream| !stream.faulty);
            if is_fit && !seats.iter().any(|(taken, _)| *taken == slot) {
                seats.push((slot, place));
            }
        }
        let before = self.rooms.remove(&room);
        for &slot in before.iter().flat_map(|room| &room.members) {
            if !seats.iter().any(|(seat, _)| *seat == slot) {
                self.leave(slot);
            }
        }
        if seats.is_empty() {
            return;
        }
        let rate_hz = self.room_rate(&seats);
        for &(slot, place) in &seats {
            self.take_seat(slot, room, place, rate_hz);
        }
        let every = Duration::from_millis(FRAME_MS.into());
        let pacer = before.map_or_else(|| Pacer::new(self.cx.now, every), |room| room.pacer);
        let members = seats.into_iter().map(|(slot, _)| slot).collect();
        if self.rooms.is_empty() && self.paced.is_empty() {
            self.fast_at = self.cx.now;
        }
        self.rooms.insert(room, Room { members, rate_hz, pacer, sum: Sum::default(), whispers: Vec::new() });
    }

    /// Wide-band when two can speak and hear it.
    fn room_rate(&self, seats: &[(usize, Place)]) -> u32 {
        let format = |slot: usize| self.streams[slot].as_ref().and_then(|stream| stream.inbound.format);
        let wide = seats.iter().filter_map(|(slot, _)| format(*slot)).filter(|f| f.codec.sample_rate_hz() == 16_000).count();
        if wide >= 2 { 16_000 } else { 8_000 }
    }

    fn take_seat(&mut self, slot: usize, room: u64, place: Place, rate_hz: u32) {
        let seat = self.streams[slot].as_deref_mut().and_then(|stream| stream.seat.as_deref_mut());
        if let Some(seat) = seat.filter(|seat| (seat.room, seat.rate_hz) == (room, rate_hz)) {
            seat.place = place;
            return;
        }
        self.part(slot);
        if let Some(stream) = self.streams[slot].as_deref_mut() {
            stream.seat = Some(Box::new(Seat::new(room, place, rate_hz)));
            stream.outbound.change_speaker();
        }
    }

    /// Takes a stream out of the room that it is in. A whisper to it is heard by nobody from now on.
    pub(super) fn leave_room(&mut self, slot: usize) {
        let Some(id) = self.streams[slot].as_ref().and_then(|stream| stream.seat.as_ref()).map(|seat| seat.room) else {
            return;
        };
        self.leave(slot);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.members.retain(|member| *member != slot);
        for member in &room.members {
            if let Some(seat) = self.streams[*member].as_deref_mut().and_then(|stream| stream.seat.as_deref_mut())
                && seat.place == Place::Whisper(Some(slot))
            {
                seat.place = Place::Whisper(None);
            }
        }
        if room.members.is_empty() {
            self.rooms.remove(&id);
        }
    }

    fn leave(&mut self, slot: usize) {
        if let Some(stream) = self.streams[slot].as_deref_mut() {
            stream.seat = None;
            stream.outbound.change_speaker();
        }
    }

    /// Makes the mixes that are due. A panic in one ends its members and nobody else.
    pub(super) fn mix_rooms(&mut self) {
        let Self { rooms, streams, cx, .. } = self;
        let mut faulty = Vec::new();
        for room in rooms.values_mut() {
            for _ in 0..room.pacer.due(cx.now) {
                if catch_unwind(AssertUnwindSafe(|| room.mix(streams, cx))).is_err() {
                    faulty.extend_from_slice(&room.members);
                    break;
                }
            }
        }
        for slot in faulty {
            self.fail(slot);
        }
    }
}

impl Room {
    fn mix(&mut self, streams: &mut Streams, cx: &mut Context) {
        self.sum.clear();
        self.whispers.clear();
        for &slot in &self.members {
            let Some(seat) = streams[slot].as_deref_mut().and_then(|stream| stream.seat.as_deref_mut()) else { continue };
            seat.next(cx.now);
            match seat.place {
                Place::Party if seat.speaks => self.sum.add(seat.said()),
                Place::Whisper(Some(to)) if seat.speaks => self.whispers.push((to, seat.says)),
                _ => {}
            }
        }
        let samples = frame_samples(self.rate_hz);
        for &slot in &self.members {
            let Some(Stream { seat: Some(seat), outbound, .. }) = streams[slot].as_deref_mut() else { continue };
            let own = (seat.place == Place::Party && seat.speaks).then(|| seat.said());
            let whispers = self.whispers.iter().filter(|(to, _)| *to == slot).map(|(_, says)| &says[..samples]);
            let (mut sums, mut heard) = ([0; MAX_FRAME], [0; MAX_FRAME]);
            self.sum.heard(own, whispers, &mut sums[..samples]);
            seat.limiter.limit(&sums[..samples], &mut heard[..samples]);
            outbound.send_mix(seat, &heard[..samples], cx);
        }
    }
}

impl Outbound {
    /// A frame of the mix, in the rate of the room, as far as packets become full with it.
    fn send_mix(&mut self, seat: &mut Seat, heard: &[i16], cx: &mut Context) {
        let Some(format) = self.format else { return };
        if !self.takes_partner() {
            seat.hears.clear();
            return;
        }
        let rate = seat.rate_of(format.codec);
        if rate == seat.rate_hz {
            seat.hears.extend_from_slice(heard);
        } else {
            let mut narrow = [0; MAX_FRAME];
            let samples = seat.down.process(heard, &mut narrow);
            seat.hears.extend_from_slice(&narrow[..samples]);
        }
        let packet = rate as usize / 1_000 * usize::from(format.ptime_ms);
        while seat.hears.len() >= packet {
            cx.frame[..packet].copy_from_slice(&seat.hears[..packet]);
            seat.hears.drain(..packet);
            self.send_frame(Speaker::Mixed, rate, packet, 0, cx);
        }
    }
}
