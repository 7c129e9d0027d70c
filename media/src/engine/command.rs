//! What the line loop's commands do to the streams and recordings of a media thread.

use std::{path::PathBuf, sync::Arc};

use super::{stream::Tap, tape::WriterOrder, worker::Worker};
use crate::{
    archive::sealed::Key,
    contract::{Command, Event, StreamId},
    player::Player,
    record::Side,
};

/// Streams.
impl Worker {
    /// The slot of the stream a command is for; no stream's slot when it is gone or for a recording.
    pub(super) fn slot_for(&self, command: &Command) -> usize {
        let id = match command {
            Command::Configure { stream, .. }
            | Command::Watch { stream, .. }
            | Command::Expect { stream, .. }
            | Command::Part { stream }
            | Command::Play { stream, .. }
            | Command::RingBack { stream }
            | Command::StopPlay { stream }
            | Command::Echo { stream }
            | Command::SendDigit { stream, .. }
            | Command::RelayDigit { stream, .. }
            | Command::Detect { stream, .. }
            | Command::Fork { stream, .. }
            | Command::Speak { stream, .. }
            | Command::Mask { stream, .. }
            | Command::Close { stream } => stream,
            Command::Join { a, .. } => a,
            Command::Record { left, .. } => left,
            Command::Mix { .. } | Command::PauseRecord { .. } | Command::StopRecord { .. } => return usize::MAX,
        };
        self.slots.get(id).copied().unwrap_or(usize::MAX)
    }

    pub(super) fn command(&mut self, slot: usize, command: Command) {
        match command {
            Command::Record { recording, path, key, left, right } => self.record(recording, (path, key), left, right),
            Command::PauseRecord { recording, paused } => self.cx.tape.order(WriterOrder::Pause { recording, paused }),
            Command::StopRecord { recording } => self.stop_record(recording),
            Command::Mix { room, members } => self.mix(room, &members),
            Command::Close { .. } => self.close(slot),
            command => self.stream_command(slot, command),
        }
    }

    fn stream_command(&mut self, slot: usize, command: Command) {
        let Some(stream) = self.streams.get_mut(slot).and_then(Option::as_deref_mut) else { return };
        if stream.faulty {
            return;
        }
        match command {
            Command::Configure { to, .. } => {
                stream.configure(&to, &mut self.cx);
                if stream.is_checking() {
                    self.start_pacing(slot);
                }
            }
            Command::Watch { silence, .. } => stream.watch(silence, self.cx.now),
            Command::Expect { both_ways, .. } => stream.expect(both_ways, self.cx.now),
            Command::Join { b, .. } => self.join(slot, b),
            Command::Part { .. } => self.part(slot),
            Command::Echo { .. } => {
                self.part(slot);
                self.partner(slot, Some(slot));
            }
            Command::Play { play, audio, repeat, .. } => self.play(slot, Some(Player::new(audio, repeat, Some(play)))),
            Command::RingBack { .. } => {
                let tone = Player::tone(Arc::clone(&self.ring_back));
                self.play(slot, Some(tone));
            }
            Command::StopPlay { .. } => self.play(slot, None),
            Command::Detect { what, .. } => self.listen(slot, what),
            Command::Mask { masked, .. } => stream.mask(masked, self.cx.now),
            command @ (Command::Fork { .. } | Command::Speak { .. }) => self.program_command(slot, command),
            Command::SendDigit { digit, duration_ms, .. } => self.send_digit(slot, digit, duration_ms),
            Command::RelayDigit { digit, duration_ms, .. } => {
                if let Some(partner) = stream.partner.filter(|partner| *partner != slot && !stream.inbound.is_masked()) {
                    self.send_digit(partner, digit, duration_ms);
                }
            }
            Command::Mix { .. }
            | Command::Record { .. }
            | Command::PauseRecord { .. }
            | Command::StopRecord { .. }
            | Command::Close { .. } => {}
        }
    }

    /// Brings keys that were pressed as events to a partner that has none.
    pub(super) fn pass_keys_on(&mut self, slot: usize) {
        while let Some((key, duration_ms)) = self.cx.pressed.pop_front() {
            let partner = self.streams[slot].as_deref().and_then(|stream| stream.partner).filter(|partner| *partner != slot);
            let format = |partner: usize| self.streams.get(partner)?.as_deref()?.outbound.format;
            if let Some(partner) = partner.filter(|partner| format(*partner).is_some_and(|to| to.dtmf_payload_type.is_none())) {
                self.send_digit(partner, key, u16::try_from(duration_ms).unwrap_or(u16::MAX));
            }
        }
    }

    pub(super) fn send_digit(&mut self, slot: usize, digit: char, duration_ms: u16) {
        let Some(stream) = self.streams.get_mut(slot).and_then(Option::as_deref_mut) else { return };
        if stream.send_key(digit, duration_ms, &mut self.cx) {
            self.start_pacing(slot);
        }
    }

    pub(super) fn play(&mut self, slot: usize, player: Option<Player>) {
        let Some(stream) = self.streams[slot].as_deref_mut() else { return };
        stream.outbound.player_pacer = None;
        stream.outbound.player = player;
        if stream.outbound.player.is_some() {
            self.start_pacing(slot);
        }
    }

    pub(super) fn start_pacing(&mut self, slot: usize) {
        let Some(stream) = self.streams[slot].as_deref_mut() else { return };
        if !stream.paced {
            stream.paced = true;
            if self.paced.is_empty() && self.rooms.is_empty() {
                self.fast_at = self.cx.now;
            }
            self.paced.push(slot);
        }
    }

    pub(super) fn join(&mut self, a: usize, b: StreamId) {
        let Some(&b) = self.slots.get(&b) else { return };
        if a != b && self.streams[b].as_ref().is_some_and(|stream| !stream.faulty) {
            self.part(a);
            self.part(b);
            self.partner(a, Some(b));
            self.partner(b, Some(a));
        }
    }

    /// The stream and whoever it is together with no longer hear each other.
    pub(super) fn part(&mut self, slot: usize) {
        self.leave_room(slot);
        let partner = self.streams[slot].as_ref().and_then(|stream| stream.partner);
        for slot in [Some(slot), partner].into_iter().flatten() {
            self.partner(slot, None);
        }
    }

    fn partner(&mut self, slot: usize, partner: Option<usize>) {
        if let Some(stream) = self.streams[slot].as_deref_mut() {
            stream.partner = partner;
            stream.inbound.drop_transcoder();
            stream.outbound.change_speaker();
        }
    }

    pub(super) fn close(&mut self, slot: usize) {
        self.part_if_open(slot);
        let Some(mut stream) = self.streams.get_mut(slot).and_then(Option::take) else { return };
        if !stream.faulty {
            stream.bye(self.cx.now);
        }
        if let Some(tap) = stream.inbound.tap {
            *self.recordings.entry(tap.recording).or_default() += tap.dropped;
        }
        self.slots.remove(&stream.id);
        self.paced.retain(|&paced| paced != slot);
        self.free.push(slot);
        self.cx.events.push_back(Event::Closed { stream: stream.id, quality: stream.quality() });
    }

    fn part_if_open(&mut self, slot: usize) {
        if self.streams.get(slot).is_some_and(Option::is_some) {
            self.part(slot);
        }
    }

    pub(super) fn close_all(mut self) {
        for slot in 0..self.streams.len() {
            self.close(slot);
        }
        let recordings: Vec<u64> = self.recordings.keys().copied().collect();
        for recording in recordings {
            self.stop_record(recording);
        }
        let now = self.cx.now;
        self.readers.iter_mut().for_each(|reader| reader.give_back(now));
        self.tell();
        self.cx.tape.finish();
    }
}

/// Recordings.
impl Worker {
    fn record(&mut self, recording: u64, file: (PathBuf, Option<Arc<Key>>), left: StreamId, right: Option<StreamId>) {
        let left = self.slots.get(&left).copied();
        let right = right.and_then(|right| self.slots.get(&right).copied());
        let sides = [(Side::Left, left), (Side::Right, right)];
        let running = self.recordings.contains_key(&recording);
        if running {
            self.untap(recording, &sides);
        } else {
            self.recordings.insert(recording, 0);
            let wide = sides.iter().filter_map(|(_, slot)| self.streams[(*slot)?].as_ref()?.inbound.format);
            let rate_hz = wide.map(|format| format.codec.sample_rate_hz()).max().unwrap_or(8_000);
            self.cx.tape.start(recording, file.0, file.1, rate_hz, self.cx.now);
        }
        for (side, slot) in sides {
            let Some(inbound) = slot.and_then(|slot| self.streams[slot].as_deref_mut()).map(|s| &mut s.inbound) else {
                continue;
            };
            if inbound.tap.is_none_or(|tap| (tap.recording, tap.side) != (recording, side)) {
                inbound.tap = Some(Tap { recording, side, dropped: 0 });
                self.cx.tape.order(WriterOrder::ChangeSide { recording, side });
            }
        }
    }

    /// Takes a recording away from the streams that are not one of its sides any more.
    fn untap(&mut self, recording: u64, keep: &[(Side, Option<usize>)]) {
        for slot in 0..self.streams.len() {
            let Some(inbound) = self.streams[slot].as_deref_mut().map(|s| &mut s.inbound) else { continue };
            let Some(tap) = inbound.tap.filter(|tap| tap.recording == recording) else { continue };
            if !keep.contains(&(tap.side, Some(slot))) {
                inbound.tap = None;
                *self.recordings.entry(recording).or_default() += tap.dropped;
            }
        }
    }

    pub(super) fn stop_record(&mut self, recording: u64) {
        self.untap(recording, &[]);
        if let Some(dropped) = self.recordings.remove(&recording) {
            self.cx.tape.order(WriterOrder::Stop { recording, at: self.cx.now, dropped });
        }
    }
}
