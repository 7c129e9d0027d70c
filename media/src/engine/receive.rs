//! What happens to a datagram: checked, judged, counted, recorded, and at once carried over to the
//! partner. Between two legs of one codec nothing is decoded, copied or allocated.

use std::net::SocketAddr;

use super::{
    context::Context,
    listening,
    stream::{CarriedEvent, Inbound, Outbound, Speaker, Stream},
};
use crate::{
    contract::{Event, Format, StreamId},
    learn::Verdict,
    reception::Arrival,
    relay::Packing,
    rtp::{self, HEADER_BYTES, Header},
    turn::seen,
};

/// Payload type of comfort noise (RFC 3389): part of G.711 silence suppression, never negotiated by us.
const COMFORT_NOISE: u8 = 13;

/// A thread's streams by slot.
pub(super) type Streams = [Option<Box<Stream>>];

/// A datagram from the RTP socket of the stream in `slot`.
pub(super) fn on_rtp(streams: &mut Streams, slot: usize, packet: &mut [u8], from: SocketAddr, cx: &mut Context) {
    let Some(stream) = streams.get_mut(slot).and_then(Option::as_deref_mut) else { return };
    if let Some(browser) = &stream.browser {
        let is_expected = stream.inbound.has_key() && browser.is_known(from);
        if stream.take_other(packet, from, cx) {
            return;
        }
        if !is_expected {
            stream.inbound.foreign += 1;
            return;
        }
    }
    if stream.outbound.rtcp_mux && rtp::is_rtcp(packet) {
        return on_rtcp(stream, packet, from, cx);
    }
    // Before anything is learned from it: who cannot prove himself is nobody.
    let Some(packet) = stream.inbound.unprotect(packet, false) else { return };
    let Some((header, format)) = accept(stream, packet, from, cx) else { return };
    let is_audio = header.payload_type == format.receive_payload_type;
    let arrival = stream.inbound.reception.handle(cx.now, &header, is_audio);
    if !stream.inbound.expected || matches!(arrival, Arrival::Duplicate | Arrival::Wild) {
        return;
    }
    stream.settle_mask(cx.now);
    let is_masked = stream.inbound.is_masked();
    let is_event = Some(header.payload_type) == format.receive_dtmf_payload_type;
    if !is_audio {
        let noise = (header.payload_type == COMFORT_NOISE).then(|| packet.get(header.payload().start).copied()).flatten();
        stream.inbound.pause(&header, arrival, noise, cx.now);
    }
    if is_audio && !is_masked {
        stream.inbound.record(&header, &packet[header.payload()], format, cx);
    } else if is_event {
        stream.inbound.detect(stream.id, &header, &packet[header.payload()], format, cx);
    }
    if !stream.branches.is_empty() {
        stream.branch(&header, is_audio.then(|| &packet[header.payload()]), (format, arrival), cx.now);
    }
    if stream.listening.is_some() {
        let payload = is_audio.then(|| &packet[header.payload()]);
        listening::receive(streams, slot, (&header, payload, format, arrival), cx.now);
    }
    if is_masked {
        return hold_back(streams, slot, &header, arrival);
    }
    let Some(stream) = streams.get_mut(slot).and_then(Option::as_deref_mut) else { return };
    if let Some(seat) = &mut stream.seat {
        let payload = is_audio.then(|| &packet[header.payload()]);
        return seat.receive(&header, payload, format, arrival, cx.now);
    }
    match stream.partner {
        Some(partner) if partner == slot => {
            let Stream { inbound, outbound, .. } = stream;
            if is_audio {
                forward_audio(inbound, outbound, packet, &header, format, arrival, cx);
            } else {
                outbound.relay.hold_back(&header, arrival);
            }
        }
        Some(partner) => {
            let Ok([Some(source), Some(sink)]) = streams.get_disjoint_mut([slot, partner]) else { return };
            let (inbound, outbound) = (&mut source.inbound, &mut sink.outbound);
            if is_audio {
                forward_audio(inbound, outbound, packet, &header, format, arrival, cx);
            } else if is_event {
                forward_event(outbound, packet, &header, format, arrival, cx);
            } else {
                outbound.relay.hold_back(&header, arrival);
            }
        }
        None => {}
    }
}

/// What nobody may hear goes nowhere: for the partner, the numbers close up.
fn hold_back(streams: &mut Streams, slot: usize, header: &Header, arrival: Arrival) {
    let partner = streams[slot].as_deref().and_then(|stream| stream.partner);
    if let Some(sink) = partner.and_then(|partner| streams.get_mut(partner)).and_then(Option::as_deref_mut) {
        sink.outbound.relay.hold_back(header, arrival);
    }
}

/// A datagram that is RTCP by its port or its type.
pub(super) fn on_rtcp(stream: &mut Stream, packet: &mut [u8], from: SocketAddr, cx: &mut Context) {
    if !stream.is_rtcp_peer(from.ip()) {
        stream.inbound.foreign += 1;
        return;
    }
    let Some(packet) = stream.inbound.unprotect(packet, true) else { return };
    if !stream.take_reports(packet, cx) {
        stream.inbound.malformed += 1;
    }
}

/// The header and the format of a packet that is valid, negotiated and from the peer.
fn accept(stream: &mut Stream, packet: &[u8], from: SocketAddr, cx: &mut Context) -> Option<(Header, Format)> {
    let inbound = &mut stream.inbound;
    let (Some(format), Some(learner)) = (inbound.format, inbound.learner.as_mut()) else {
        inbound.foreign += 1;
        return None;
    };
    let Some(header) = Header::parse(packet) else {
        inbound.malformed += 1;
        inbound.one_way.no_rtp();
        return None;
    };
    let kind = header.payload_type;
    if kind != format.receive_payload_type && Some(kind) != format.receive_dtmf_payload_type && kind != COMFORT_NOISE {
        inbound.malformed += 1;
        inbound.one_way.other_payload_type(kind);
        return None;
    }
    let ours = Some(from) != stream.outbound.target && cx.own.contains(from);
    let verdict = match &mut stream.browser {
        _ if ours => Verdict::Foreign,
        Some(browser) => browser.judge(from),
        None => learner.handle(cx.now, from, &header),
    };
    match verdict {
        Verdict::Foreign => {
            inbound.foreign += 1;
            inbound.one_way.refused(seen(from));
            return None;
        }
        Verdict::AcceptNew => {
            cx.events.push_back(Event::MediaStarted { stream: stream.id, from: seen(from) });
            stream.retarget();
        }
        Verdict::Accept => {}
    }
    let inbound = &mut stream.inbound;
    if !inbound.gate.admits(cx.now) {
        inbound.excess += 1;
        return None;
    }
    (inbound.silent_since, inbound.lost_told) = (cx.now, false);
    inbound.one_way.heard();
    Some((header, format))
}

impl Inbound {
    /// Copies audio to the recording, if there is one.
    fn record(&mut self, header: &Header, payload: &[u8], format: Format, cx: &mut Context) {
        if let Some(tap) = &mut self.tap
            && !cx.tape.record(tap.recording, tap.side, format.codec, header, payload, cx.now)
        {
            tap.dropped += 1;
        }
    }

    /// Listens to a telephone event.
    fn detect(&mut self, stream: StreamId, header: &Header, payload: &[u8], format: Format, cx: &mut Context) {
        for digit in self.detector.handle(cx.now, header.timestamp, payload, format.dtmf_clock_hz).into_iter().flatten() {
            self.key_pressed(stream, digit.key, digit.duration_ms, cx);
        }
    }
}

/// Carries audio from one stream's inbound half to another's outbound half.
fn forward_audio(
    inbound: &mut Inbound,
    outbound: &mut Outbound,
    packet: &mut [u8],
    header: &Header,
    from: Format,
    arrival: Arrival,
    cx: &mut Context,
) {
    let (Some(to), Some(target)) = (outbound.format, outbound.target) else { return };
    if !outbound.takes_partner() {
        // On hold or behind a prompt: the numbers close up, so that it does not look like loss.
        return outbound.relay.hold_back(header, arrival);
    }
    if from.codec != to.codec {
        return inbound.take_in(outbound, &packet[header.payload()], header, from, arrival, cx.now);
    }
    if outbound.speaker != Speaker::Relayed {
        outbound.change_speaker();
        outbound.speaker = Speaker::Relayed;
    }
    let stamp = outbound.relay.forward(cx.now, header, arrival, packing(&to, to.payload_type), &mut outbound.identity);
    if let Some(stamp) = stamp {
        outbound.send_rtp(stamp.write_before(packet, &header.payload()), target);
    }
}

/// Carries a telephone event over, or holds it back when the partner has none.
fn forward_event(outbound: &mut Outbound, packet: &mut [u8], header: &Header, from: Format, arrival: Arrival, cx: &Context) {
    let (Some(to), Some(target)) = (outbound.format, outbound.target) else { return };
    let Some(payload_type) = to.dtmf_payload_type.filter(|_| outbound.takes_partner()) else {
        return outbound.relay.hold_back(header, arrival);
    };
    let (theirs, ours) = (from.dtmf_clock_hz, to.dtmf_clock_hz);
    let packing = packing(&to, payload_type);
    let payload = header.payload();
    let stamp = if from.codec == to.codec && theirs == ours {
        if outbound.speaker != Speaker::Relayed {
            outbound.change_speaker();
            outbound.speaker = Speaker::Relayed;
        }
        outbound.relay.forward(cx.now, header, arrival, packing, &mut outbound.identity)
    } else {
        if arrival == Arrival::Late || payload.len() < 4 {
            return;
        }
        scale_duration(&mut packet[payload.clone()], theirs, ours);
        Some(outbound.carry_event(header.timestamp, packing, payload.len(), cx))
    };
    if let Some(stamp) = stamp {
        outbound.send_rtp(stamp.write_before(packet, &payload), target);
    }
}

/// How a stream of that format wants packets of one of its payload types.
fn packing(format: &Format, payload_type: u8) -> Packing {
    let clock_rate = format.codec.rtp_clock_hz();
    Packing { payload_type, clock_rate, step: clock_rate / 1_000 * u32::from(format.ptime_ms) }
}

/// Brings the duration of an event to another clock; a longer one than fits stays at the most.
fn scale_duration(payload: &mut [u8], theirs: u32, ours: u32) {
    if let [_, _, high, low, ..] = payload {
        let duration = u32::from(u16::from_be_bytes([*high, *low]));
        let scaled = u64::from(duration) * u64::from(ours) / u64::from(theirs.max(1));
        [*high, *low] = u16::try_from(scaled).unwrap_or(u16::MAX).to_be_bytes();
    }
}

impl Outbound {
    /// The header for an event packet of a partner whose timestamps mean nothing here.
    fn carry_event(&mut self, theirs: u32, packing: Packing, bytes: usize, cx: &Context) -> rtp::Stamp {
        let Packing { payload_type, clock_rate, step } = packing;
        let begun = self.carried_event.filter(|event| event.theirs == theirs);
        let ours = begun.map_or_else(|| self.identity.timestamp_at(cx.now, clock_rate, step), |event| event.ours);
        if begun.is_none() {
            self.change_speaker();
        }
        self.carried_event = Some(CarriedEvent { theirs, ours, at: cx.now });
        self.identity.stamp(cx.now, payload_type, ours, begun.is_none(), bytes)
    }

    /// Encodes and sends the first `samples` of the context's frame as one packet that follows the
    /// last one of the same speaker directly, or after `skipped_ms` of silence.
    pub(super) fn send_frame(&mut self, speaker: Speaker, rate_hz: u32, samples: usize, skipped_ms: u32, cx: &mut Context) {
        let (Some(format), Some(target)) = (self.format, self.target) else { return };
        let clock = format.codec.rtp_clock_hz();
        let step = clock / 1_000 * u32::from(format.ptime_ms);
        let fresh = self.speaker != speaker;
        if fresh {
            self.change_speaker();
            self.speaker = speaker;
        }
        let Some(encoder) = self.encoder_at(rate_hz) else { return };
        let (head, body) = cx.packet.split_at_mut(HEADER_BYTES);
        let Ok(bytes) = encoder.encode(&cx.frame[..samples], body) else { return };
        let is_pause = encoder.is_pause(bytes);
        let skipped_ms = skipped_ms.saturating_add(std::mem::take(&mut self.unsent_ms));
        if is_pause && !fresh {
            self.unsent_ms = skipped_ms.saturating_add(u32::from(format.ptime_ms));
            return;
        }
        let timestamp = if fresh {
            self.identity.timestamp_at(cx.now, clock, step)
        } else {
            self.identity.timestamp().wrapping_add(step).wrapping_add((clock / 1_000).wrapping_mul(skipped_ms))
        };
        let marker = fresh || skipped_ms > 0;
        let stamp = self.identity.stamp(cx.now, format.payload_type, timestamp, marker, bytes);
        head.copy_from_slice(&stamp.bytes());
        self.send_rtp(&cx.packet[..HEADER_BYTES + bytes], target);
    }

    fn encoder_at(&mut self, rate_hz: u32) -> Option<&mut crate::codec::Encoder> {
        let Format { codec, opus, .. } = self.format?;
        let fits = |e: &crate::codec::Encoder| e.codec() == codec && e.rate_hz() == rate_hz;
        if !self.encoder.as_deref().is_some_and(fits) {
            let limited = |mut encoder: crate::codec::Encoder| encoder.limit(opus).map(|()| Box::new(encoder));
            self.encoder = crate::codec::Encoder::with_rate(codec, rate_hz).and_then(limited).ok();
            self.adapt();
        }
        self.encoder.as_deref_mut()
    }

    /// Encodes for the line as it is now known.
    pub(super) fn adapt(&mut self) {
        if let Some(encoder) = &mut self.encoder
            && let Err(error) = encoder.adapt(self.line)
        {
            tracing::warn!(%error, "an encoder does not follow its line");
        }
    }
}
