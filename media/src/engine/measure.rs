//! What a stream says of what it heard: to its peer, every few seconds (RTCP), and to the line loop, at its end.

use std::time::Instant;

use super::{context::Context, stream::Stream};
use crate::{
    contract::Event,
    emodel::{self, Mos},
    jitter::JitterBuffer,
    quality::{self, Quality},
    reports::{Buffering, Heard},
};

impl Stream {
    /// What was measured over the whole life.
    pub(super) fn quality(&self) -> Quality {
        let (inbound, outbound) = (&self.inbound, &self.outbound);
        let reception = &inbound.reception;
        let (sent, rtt_ms) = (outbound.identity.packets(), outbound.reports.rtt_ms());
        let remote = outbound.reports.remote().map(|remote| match outbound.format {
            Some(format) => remote.scored(format.codec, sent, rtt_ms, format.ptime_ms),
            None => remote,
        });
        Quality {
            packets_received: reception.received(),
            packets_sent: sent,
            lost: reception.lost(),
            reordered: reception.reordered(),
            late: inbound.late(),
            duplicated: reception.duplicated(),
            foreign: inbound.foreign,
            malformed: inbound.malformed,
            excess: inbound.excess,
            jitter_ms: reception.jitter_ms(),
            longest_gap_ms: reception.longest_gap_ms(),
            rtt_ms,
            mos: self.mos(),
            remote,
        }
    }

    /// Whether audio must go both ways from now on.
    pub(super) fn expect(&mut self, both_ways: bool, now: Instant) {
        self.inbound.one_way.expect(now, both_ways, self.outbound.identity.packets());
    }

    /// Tells why the peer is not heard, when it is time. `true`: it may be soon.
    pub(super) fn judge(&mut self, cx: &mut Context) -> bool {
        let Some(learner) = &self.inbound.learner else { return false };
        if self.browser.as_ref().is_some_and(|browser| !browser.has_keys()) {
            self.inbound.one_way.wait(cx.now);
        }
        if let Some(verdict) = self.inbound.one_way.verdict(cx.now, learner.described()) {
            cx.events.push_back(Event::OneWay { stream: self.id, verdict });
        }
        self.inbound.one_way.is_waiting()
    }

    /// Takes reports of the peer. `false` when they are malformed.
    pub(super) fn take_reports(&mut self, packet: &[u8], cx: &mut Context) -> bool {
        let outbound = &mut self.outbound;
        let is_sound = outbound.reports.handle(cx.now, &outbound.identity, packet);
        if let (Some(hears), Some(to)) = (outbound.reports.take_hearing(), outbound.target)
            && let Some(verdict) = self.inbound.one_way.reported(cx.now, hears, outbound.identity.packets(), to)
        {
            cx.events.push_back(Event::OneWay { stream: self.id, verdict });
        }
        if let Some(fraction_lost) = outbound.reports.take_lost_of_late() {
            outbound.line.reported(fraction_lost);
            outbound.adapt();
        }
        is_sound
    }

    fn mos(&self) -> Option<Mos> {
        let format = self.inbound.format?;
        quality::received_mos(
            format.codec,
            &self.inbound.reception,
            self.inbound.late().unwrap_or(0),
            self.outbound.reports.rtt_ms(),
            format.ptime_ms,
        )
    }

    /// What the peer is told of how it is heard, if it wants to be told.
    fn heard(&self) -> Option<Heard> {
        let format = self.inbound.format.filter(|_| self.outbound.rtcp_xr)?;
        let mos = self.mos();
        let discarded = self.inbound.late().unwrap_or(0);
        let loss = self.inbound.reception.loss(discarded);
        let listening = mos.and_then(|_| emodel::estimate(format.codec, true, loss, None));
        let ms = |ms: u32| u16::try_from(ms).unwrap_or(u16::MAX);
        let buffering = self
            .inbound
            .transcoder
            .as_ref()
            .map(|transcoder| Buffering { delay_ms: ms(transcoder.depth_ms()), most_ms: ms(JitterBuffer::most_ms()) });
        Some(Heard { discarded, packet_ms: format.ptime_ms, mos, listening, buffering })
    }

    /// Sends the report that is due.
    pub(super) fn report(&mut self, now: Instant) {
        let Some(format) = self.outbound.format.filter(|_| self.outbound.reports.is_due(now)) else { return };
        let heard = self.heard();
        let (outbound, clock) = (&mut self.outbound, format.codec.rtp_clock_hz());
        let reception = &mut self.inbound.reception;
        if let Some(packet) = outbound.reports.due(now, clock, &outbound.identity, reception, heard.as_ref()) {
            outbound.send_rtcp(&packet);
        }
    }

    /// Says goodbye.
    pub(super) fn bye(&mut self, now: Instant) {
        let Some(format) = self.outbound.format else { return };
        let heard = self.heard();
        let (outbound, clock) = (&mut self.outbound, format.codec.rtp_clock_hz());
        let reception = &mut self.inbound.reception;
        if let Some(packet) = outbound.reports.bye(now, clock, &outbound.identity, reception, heard.as_ref()) {
            outbound.send_rtcp(&packet);
        }
    }
}
