//! RTCP of one stream (RFC 3550 section 6): sender and receiver reports every few seconds, BYE at the
//! end, and what the peer's reports say about the way back. What comes in is read by a small reader
//! of our own, because anybody can send it; what goes out is built with the `rtcp` crate.

use std::time::{Duration, Instant};

use rtcp::{
    goodbye::Goodbye,
    packet::Packet,
    receiver_report::ReceiverReport,
    reception_report::ReceptionReport,
    sender_report::SenderReport,
    source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem},
};

use crate::{outgoing::Outgoing, random::Random, reception::Reception};

/// Mean time between reports (RFC 3550 section 6.2); each is 0.5 to 1.5 times as long.
const INTERVAL_MS: u64 = 5_000;
/// Seconds from the NTP era (1900) to the Unix epoch.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;
/// A round trip above this is a wrong report.
const MAX_RTT_MS: f32 = 30_000.0;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;

/// Maps the engine's clock to NTP time.
#[derive(Clone, Copy, Debug)]
pub struct NtpClock {
    epoch: Instant,
    unix_us: u64,
}

impl NtpClock {
    /// At `epoch` it was `unix_us` microseconds after 1970.
    #[must_use]
    pub const fn new(epoch: Instant, unix_us: u64) -> Self {
        Self { epoch, unix_us }
    }

    /// NTP time: seconds since 1900 in the upper half, fraction in the lower.
    #[must_use]
    pub fn at(&self, now: Instant) -> u64 {
        let elapsed = u64::try_from(now.saturating_duration_since(self.epoch).as_micros()).unwrap_or(u64::MAX);
        let us = self.unix_us.saturating_add(elapsed);
        let seconds = (us / 1_000_000 + NTP_TO_UNIX_S) & 0xffff_ffff;
        (seconds << 32) | (((us % 1_000_000) << 32) / 1_000_000)
    }
}

/// The middle 32 bits of an NTP time.
const fn middle(ntp: u64) -> u32 {
    (ntp >> 16 & 0xffff_ffff) as u32
}

/// RTCP state of one stream.
#[derive(Clone, Debug)]
pub struct Reports {
    random: Random,
    clock: NtpClock,
    cname: String,
    next_at: Instant,
    /// Middle of the peer's last sender report's NTP time, and when it came.
    last_sender_report: Option<(u32, Instant)>,
    rtt_ms: Option<f32>,
    remote_loss: Option<f32>,
    /// A report was sent.
    reported: bool,
}

impl Reports {
    /// The first report is due after half an interval. `name` should be random, for it becomes the CNAME (RFC 7022);
    /// it stays the same when the SSRC changes.
    #[must_use]
    pub fn new(now: Instant, clock: NtpClock, seed: u64, name: u64) -> Self {
        let random = Random::new(seed);
        let cname = format!("{name:016x}");
        let mut reports = Self {
            random,
            clock,
            cname,
            next_at: now,
            last_sender_report: None,
            rtt_ms: None,
            remote_loss: None,
            reported: false,
        };
        reports.next_at = now + reports.interval() / 2;
        reports
    }

    fn interval(&mut self) -> Duration {
        Duration::from_millis(INTERVAL_MS / 2 + self.random.below(INTERVAL_MS))
    }

    /// The last measured round trip.
    #[must_use]
    pub const fn rtt_ms(&self) -> Option<f32> {
        self.rtt_ms
    }

    /// Share of our packets that the peer lost, 0 to 1.
    #[must_use]
    pub const fn remote_loss(&self) -> Option<f32> {
        self.remote_loss
    }

    /// The report that is due now, as a compound packet; `None` when none is due or nothing has
    /// happened to report on.
    pub fn due(&mut self, now: Instant, clock_rate: u32, outgoing: &Outgoing, reception: &mut Reception) -> Option<Vec<u8>> {
        if now < self.next_at {
            return None;
        }
        self.next_at = now + self.interval();
        let blocks = self.blocks(now, reception);
        if blocks.is_empty() && outgoing.packets() == 0 {
            return None;
        }
        self.reported = true;
        marshal(&[self.report(now, clock_rate, outgoing, blocks), self.description(outgoing.ssrc())])
    }

    /// The last compound packet of a stream, with BYE. Who never sent anything must not say it (RFC 3550
    /// section 6.3.7).
    pub fn bye(&mut self, now: Instant, clock_rate: u32, outgoing: &Outgoing, reception: &mut Reception) -> Option<Vec<u8>> {
        if outgoing.packets() == 0 && !self.reported {
            return None;
        }
        let blocks = self.blocks(now, reception);
        let bye = Goodbye { sources: vec![outgoing.ssrc()], ..Goodbye::default() };
        marshal(&[self.report(now, clock_rate, outgoing, blocks), self.description(outgoing.ssrc()), Box::new(bye)])
    }

    fn report(&self, now: Instant, clock_rate: u32, outgoing: &Outgoing, reports: Vec<ReceptionReport>) -> Box<dyn Packet> {
        match outgoing.timestamp_now(now, clock_rate) {
            Some(rtp_time) => Box::new(SenderReport {
                ssrc: outgoing.ssrc(),
                ntp_time: self.clock.at(now),
                rtp_time,
                packet_count: low_bits(outgoing.packets()),
                octet_count: low_bits(outgoing.payload_bytes()),
                reports,
                ..SenderReport::default()
            }),
            None => Box::new(ReceiverReport { ssrc: outgoing.ssrc(), reports, ..ReceiverReport::default() }),
        }
    }

    fn description(&self, source: u32) -> Box<dyn Packet> {
        let cname = SourceDescriptionItem { sdes_type: SdesType::SdesCname, text: self.cname.clone().into() };
        Box::new(SourceDescription { chunks: vec![SourceDescriptionChunk { source, items: vec![cname] }] })
    }

    fn blocks(&self, now: Instant, reception: &mut Reception) -> Vec<ReceptionReport> {
        let Some(heard) = reception.report() else { return Vec::new() };
        let (last_sender_report, delay) = self.last_sender_report.map_or((0, 0), |(ntp, at)| {
            let us = now.saturating_duration_since(at).as_micros();
            (ntp, u32::try_from(us * 65_536 / 1_000_000).unwrap_or(u32::MAX))
        });
        vec![ReceptionReport {
            ssrc: heard.ssrc,
            fraction_lost: heard.fraction_lost,
            total_lost: heard.lost,
            last_sequence_number: heard.newest,
            jitter: heard.jitter,
            last_sender_report,
            delay,
        }]
    }

    /// Reads a compound packet of the peer. `false` when it is malformed; what came before the fault
    /// was taken then. Packets of other kinds, a peer's BYE too, are skipped: SIP ends calls.
    pub fn handle(&mut self, now: Instant, outgoing: &Outgoing, mut rest: &[u8]) -> bool {
        if rest.len() < 8 {
            return false;
        }
        while let Some(&[first, kind, high, low]) = rest.first_chunk::<4>() {
            let bytes = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
            if first >> 6 != 2 || !(192..=223).contains(&kind) {
                return false;
            }
            let Some((packet, tail)) = rest.split_at_checked(bytes) else { return false };
            let taken = match kind {
                SENDER_REPORT => self.sender_report(now, packet, first & 0x1f, outgoing),
                RECEIVER_REPORT => packet.get(8..).is_some_and(|blocks| self.read_blocks(now, blocks, first & 0x1f, outgoing)),
                _ => true,
            };
            if !taken {
                return false;
            }
            rest = tail;
        }
        rest.is_empty()
    }

    fn sender_report(&mut self, now: Instant, packet: &[u8], count: u8, outgoing: &Outgoing) -> bool {
        let (Some(ntp), Some(blocks)) = (word(packet, 10), packet.get(28..)) else { return false };
        self.last_sender_report = Some((ntp, now));
        self.read_blocks(now, blocks, count, outgoing)
    }

    fn read_blocks(&mut self, now: Instant, blocks: &[u8], count: u8, outgoing: &Outgoing) -> bool {
        if blocks.len() < 24 * usize::from(count) {
            return false;
        }
        for block in blocks.chunks_exact(24).take(usize::from(count)) {
            if word(block, 0) == Some(outgoing.ssrc()) {
                self.heard_about_us(now, block, outgoing);
            }
        }
        true
    }

    fn heard_about_us(&mut self, now: Instant, block: &[u8], outgoing: &Outgoing) {
        let at = |offset| word(block, offset).unwrap_or(0);
        let lost = at(4) & 0xff_ffff;
        // 24 bits with a sign: more repeats than losses make it negative (RFC 3550 A.3).
        let lost = if lost & 0x80_0000 != 0 { 0 } else { lost };
        if outgoing.packets() > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a ratio of packet counts")]
            let share = lost as f32 / outgoing.packets() as f32;
            self.remote_loss = Some(share.min(1.0));
        }
        let (last, delay) = (at(16), at(20));
        if last == 0 {
            return;
        }
        // Modulo 2^32 in 1/65536 s (RFC 3550 section 6.4.1).
        let trip = middle(self.clock.at(now)).wrapping_sub(last).wrapping_sub(delay).cast_signed();
        #[expect(clippy::cast_precision_loss, reason = "a figure in ms")]
        let trip_ms = trip as f32 * 1_000.0 / 65_536.0;
        if (-2.0..MAX_RTT_MS).contains(&trip_ms) {
            self.rtt_ms = Some(trip_ms.max(0.0));
        }
    }
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

const fn low_bits(count: u64) -> u32 {
    (count & 0xffff_ffff) as u32
}

fn marshal(packets: &[Box<dyn Packet>]) -> Option<Vec<u8>> {
    rtcp::packet::marshal(packets).ok().map(|bytes| bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtp::Header;

    #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
    fn start() -> Instant {
        Instant::now()
    }

    struct Side {
        reports: Reports,
        outgoing: Outgoing,
        reception: Reception,
    }

    impl Side {
        fn new(epoch: Instant, ssrc: u32) -> Self {
            let clock = NtpClock::new(epoch, 1_790_000_000_000_000 + u64::from(ssrc) * 5_000_000);
            Self {
                reports: Reports::new(epoch, clock, u64::from(ssrc), u64::from(ssrc)),
                outgoing: Outgoing::new(ssrc, 0, 0),
                reception: Reception::new(epoch),
            }
        }

        fn send(&mut self, now: Instant) -> Header {
            let stamp = self.outgoing.stamp(now, 0, self.outgoing.timestamp().wrapping_add(160), false, 160);
            Header::parse(&stamp.bytes()).unwrap()
        }

        fn due(&mut self, now: Instant) -> Option<Vec<u8>> {
            self.reports.due(now, 8_000, &self.outgoing, &mut self.reception)
        }
    }

    #[test]
    fn two_sides_measure_round_trip_and_loss() {
        let epoch = start();
        let (mut a, mut b) = (Side::new(epoch, 1), Side::new(epoch, 2));
        let way = Duration::from_millis(35);
        for i in 0..3_000u64 {
            let now = epoch + Duration::from_millis(20 * i);
            let (from_a, from_b) = (a.send(now), b.send(now));
            if i % 10 != 0 {
                b.reception.handle(now + way, &from_a, true);
            }
            a.reception.handle(now + way, &from_b, true);
            if let Some(report) = a.due(now) {
                assert!(b.reports.handle(now + way, &b.outgoing, &report));
            }
            if let Some(report) = b.due(now) {
                assert!(a.reports.handle(now + way, &a.outgoing, &report));
            }
        }
        for side in [&a, &b] {
            let rtt = side.reports.rtt_ms().unwrap();
            assert!((rtt - 70.0).abs() < 1.0, "{rtt}");
        }
        let loss = a.reports.remote_loss().unwrap();
        assert!((loss - 0.1).abs() < 0.03, "{loss}");
        assert!(b.reports.remote_loss().unwrap() < 0.01);
    }

    #[test]
    fn reports_come_every_few_seconds_and_end_with_bye() {
        let epoch = start();
        let mut a = Side::new(epoch, 1);
        a.send(epoch);
        let count = (0..60_000).filter(|ms| a.due(epoch + Duration::from_millis(*ms)).is_some()).count();
        assert!((8..=20).contains(&count), "{count}");
        let bye = a.reports.bye(epoch, 8_000, &a.outgoing, &mut a.reception).unwrap();
        let packets = rtcp::packet::unmarshal(&mut bye.as_slice()).unwrap();
        assert_eq!(packets.len(), 3);
        let reader = packets[1].as_any().downcast_ref::<SourceDescription>().unwrap();
        assert_eq!(reader.chunks[0].items[0].text.len(), 16);
        assert!(packets[2].as_any().is::<Goodbye>());
    }

    #[test]
    fn a_stream_that_only_listens_sends_receiver_reports() {
        let epoch = start();
        let (mut a, mut b) = (Side::new(epoch, 1), Side::new(epoch, 2));
        assert_eq!(a.due(epoch + Duration::from_secs(9)), None, "nothing to report");
        a.reception.handle(epoch, &b.send(epoch), true);
        let report = a.due(epoch + Duration::from_secs(20)).unwrap();
        assert_eq!(report[1], RECEIVER_REPORT);
    }

    #[test]
    fn malformed_reports_are_refused() {
        let epoch = start();
        let mut a = Side::new(epoch, 1);
        let cases: [&[u8]; 7] = [
            &[],
            &[0x80, 200, 0, 0],
            &[0x80, 200, 0, 1, 0, 0, 0, 1],
            &[0x9f, 201, 0, 1, 0, 0, 0, 1],
            &[0x81, 201, 0xff, 0xff, 0, 0, 0, 1],
            &[0x00, 201, 0, 1, 0, 0, 0, 1],
            &[0x80, 205, 0x00, 0x01, 0, 0, 0, 0, 0x81],
        ];
        for bytes in cases {
            assert!(!a.reports.handle(epoch, &a.outgoing, bytes), "{bytes:?}");
        }
        assert!(a.reports.handle(epoch, &a.outgoing, &[0x81, 203, 0, 1, 0, 0, 0, 9]), "a BYE alone is skipped");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), kind in 198u8..206) {
            let epoch = start();
            let mut a = Side::new(epoch, 1);
            if bytes.len() > 3 {
                bytes[0] = bytes[0] & 0x1f | 0x80;
                (bytes[1], bytes[2], bytes[3]) = (kind, 0, bytes[3] % 32);
            }
            a.reports.handle(epoch, &a.outgoing, &bytes);
        }
    }
}
