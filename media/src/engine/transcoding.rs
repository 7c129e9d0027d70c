//! Audio between two legs of different codecs: held in a jitter buffer as it comes, and sent by the clock.

use std::time::{Duration, Instant};

use super::{
    context::Context,
    receive::Streams,
    stream::{Inbound, Outbound, Speaker},
};
use crate::{
    contract::Format,
    reception::Arrival,
    rtp::Header,
    transcode::{Transcoder, common_rate_hz},
};

/// So long after a packet of a telephone event no audio is sent: the next one may still be of the same key press, and audio
/// in between would make two of it.
const AFTER_EVENT: Duration = Duration::from_millis(80);

impl Inbound {
    /// Takes audio in for a partner with another codec.
    pub(super) fn take_in(
        &mut self,
        outbound: &mut Outbound,
        payload: &[u8],
        header: &Header,
        from: Format,
        arrival: Arrival,
        now: Instant,
    ) {
        let Some(to) = outbound.format.filter(|to| to.codec.is_spoken() && from.codec.is_spoken()) else { return };
        let rate = common_rate_hz(from.codec, to.codec);
        let frame = rate as usize / 1_000 * usize::from(to.ptime_ms);
        let fits = |t: &Transcoder| t.codec() == from.codec && t.rate_hz() == rate && t.frame_samples() == frame;
        if !self.transcoder.as_deref().is_some_and(fits) {
            self.drop_transcoder();
            match Transcoder::new(from.codec, rate, to.ptime_ms, now) {
                Ok(fresh) => self.transcoder = Some(Box::new(fresh)),
                Err(error) => return tracing::error!(%error, "no decoder for a joined stream"),
            }
        }
        let Some(transcoder) = &mut self.transcoder else { return };
        if arrival == Arrival::First {
            outbound.change_speaker();
        }
        transcoder.receive(now, header, Some(payload), arrival);
    }

    /// A packet without audio: whoever sends it says nothing meanwhile. `noise` is the level of what is heard instead, as
    /// comfort noise tells it (RFC 3389 section 3).
    pub(super) fn pause(&mut self, header: &Header, arrival: Arrival, noise: Option<u8>, now: Instant) {
        if let Some(transcoder) = &mut self.transcoder {
            transcoder.receive(now, header, None, arrival);
            if let (Some(level), Arrival::InOrder { .. }) = (noise, arrival) {
                transcoder.comfort(level);
            }
        }
    }

    /// The partner, or a codec, is another from now on.
    pub(super) fn drop_transcoder(&mut self) {
        if let Some(transcoder) = self.transcoder.take() {
            self.late = Some(self.late.unwrap_or(0) + transcoder.discarded().late);
        }
    }

    /// Packets that came too late to be played, where any were played here.
    pub(super) fn late(&self) -> Option<u64> {
        match &self.transcoder {
            Some(transcoder) => Some(self.late.unwrap_or(0) + transcoder.discarded().late),
            None => self.late,
        }
    }

    /// Whether the partner is owed something by the clock.
    pub(super) fn is_transcoding(&self) -> bool {
        self.transcoder.as_deref().is_some_and(Transcoder::is_busy)
    }
}

impl Outbound {
    fn is_in_event(&self, now: Instant) -> bool {
        self.carried_event.is_some_and(|event| now.saturating_duration_since(event.at) < AFTER_EVENT)
    }
}

/// Sends to the partner of a stream what is due of its audio. `false` when nothing is under way.
pub(super) fn pace(streams: &mut Streams, slot: usize, cx: &mut Context) -> bool {
    let partner = streams[slot].as_deref().filter(|stream| stream.inbound.is_transcoding()).and_then(|stream| stream.partner);
    let Some(partner) = partner else { return false };
    let Ok([Some(source), Some(sink)]) = streams.get_disjoint_mut([slot, partner]) else { return false };
    let Some(transcoder) = &mut source.inbound.transcoder else { return false };
    let outbound = &mut sink.outbound;
    if !outbound.takes_partner() || outbound.is_in_event(cx.now) {
        transcoder.forget();
        return false;
    }
    let (rate, frame) = (transcoder.rate_hz(), transcoder.frame_samples());
    while let Some(skipped_ms) = transcoder.next_frame(cx.now, &mut cx.frame[..]) {
        outbound.send_frame(Speaker::Transcoded, rate, frame, skipped_ms, cx);
    }
    transcoder.is_busy()
}
