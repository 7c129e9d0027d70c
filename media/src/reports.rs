//! RTCP of one stream (RFC 3550 section 6): sender and receiver reports every few seconds, BYE at the
//! end, and what the peer's reports say about the way back. What comes in is read by a small reader
//! of our own, because anybody can send it; what goes out is built with the `rtcp` crate.

mod xr;

use std::time::{Duration, Instant};

use rtcp::{
    goodbye::Goodbye,
    packet::Packet,
    receiver_report::ReceiverReport,
    reception_report::ReceptionReport,
    sender_report::SenderReport,
    source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem},
};

pub use xr::{Buffering, Heard};

use crate::{outgoing::Outgoing, quality::RemoteQuality, random::Random, reception::Reception};

/// Mean time between reports (RFC 3550 section 6.2); each is 0.5 to 1.5 times as long.
const INTERVAL_MS: u64 = 5_000;
/// Seconds from the NTP era (1900) to the Unix epoch.
const NTP_TO_UNIX_S: u64 = 2_208_988_800;
/// A round trip above this is a wrong report.
const MAX_RTT_MS: f32 = 30_000.0;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const EXTENDED_REPORT: u8 = 207;

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
    remote: Option<RemoteQuality>,
    /// Whether the peer heard of us, as its newest report says; until that is taken.
    hearing: Option<bool>,
    /// What share of our packets was lost on the way to the peer, in 256ths, as its newest report says; until that is taken.
    lost_of_late: Option<u8>,
    /// A report was sent.
    reported: bool,
    /// Of what we send, in Hz.
    clock_rate: u32,
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
            remote: None,
            hearing: None,
            lost_of_late: None,
            reported: false,
            clock_rate: 8_000,
        };
        reports.next_at = now + reports.interval() / 2;
        reports
    }

    /// From now on what we send counts at this rate, in Hz.
    pub fn set_clock_rate(&mut self, hz: u32) {
        self.clock_rate = hz.max(1);
    }

    fn interval(&mut self) -> Duration {
        Duration::from_millis(INTERVAL_MS / 2 + self.random.below(INTERVAL_MS))
    }

    /// The last measured round trip.
    #[must_use]
    pub const fn rtt_ms(&self) -> Option<f32> {
        self.rtt_ms
    }

    /// What the peer says that it receives of us; not scored.
    #[must_use]
    pub const fn remote(&self) -> Option<RemoteQuality> {
        self.remote
    }

    /// Whether the peer hears anything of us, when it has said so since the last time.
    pub const fn take_hearing(&mut self) -> Option<bool> {
        self.hearing.take()
    }

    /// What share of what we sent was lost of late, in 256ths, when the peer has said so since the last time.
    pub const fn take_lost_of_late(&mut self) -> Option<u8> {
        self.lost_of_late.take()
    }

    /// Whether a report is due, so that what it should say beside the reception is worth finding out.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.next_at
    }

    /// The report that is due now, as a compound packet; `None` when none is due or nothing has happened to report on.
    /// `heard`: the peer wants to be told how it is heard.
    pub fn due(
        &mut self,
        now: Instant,
        clock_rate: u32,
        outgoing: &Outgoing,
        reception: &mut Reception,
        heard: Option<&Heard>,
    ) -> Option<Vec<u8>> {
        if !self.is_due(now) {
            return None;
        }
        self.next_at = now + self.interval();
        let packets = self.packets(now, clock_rate, outgoing, reception, heard);
        if packets.is_empty() {
            return None;
        }
        self.reported = true;
        marshal(&packets)
    }

    /// The last compound packet of a stream, with BYE. Who never sent anything must not say it (RFC 3550
    /// section 6.3.7).
    pub fn bye(
        &mut self,
        now: Instant,
        clock_rate: u32,
        outgoing: &Outgoing,
        reception: &mut Reception,
        heard: Option<&Heard>,
    ) -> Option<Vec<u8>> {
        if outgoing.packets() == 0 && !self.reported {
            return None;
        }
        let mut packets = self.packets(now, clock_rate, outgoing, reception, heard);
        packets.push(Box::new(Goodbye { sources: vec![outgoing.ssrc()], ..Goodbye::default() }));
        marshal(&packets)
    }

    /// Report, name and extended report; nothing when there is nothing to report on.
    fn packets(
        &self,
        now: Instant,
        clock_rate: u32,
        outgoing: &Outgoing,
        reception: &mut Reception,
        heard: Option<&Heard>,
    ) -> Vec<Box<dyn Packet>> {
        let blocks = self.blocks(now, reception);
        let theirs = blocks.first().map(|block| block.ssrc);
        if theirs.is_none() && outgoing.packets() == 0 && !self.reported {
            return Vec::new();
        }
        let mut packets = vec![self.report(now, clock_rate, outgoing, blocks), self.description(outgoing.ssrc())];
        if let (Some(theirs), Some(heard)) = (theirs, heard) {
            packets.push(Box::new(xr::write(outgoing.ssrc(), theirs, reception, heard, self.rtt_ms)));
        }
        packets
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
                EXTENDED_REPORT => packet.get(8..).is_some_and(|blocks| self.extended_report(blocks, outgoing)),
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
        // Who hears nobody names nobody (RFC 3550 section 6.4.1).
        self.hearing = Some(false);
        for block in blocks.chunks_exact(24).take(usize::from(count)) {
            if word(block, 0) == Some(outgoing.ssrc()) {
                self.heard_about_us(now, block, outgoing);
                self.hearing = Some(block[4] < u8::MAX);
                self.lost_of_late = Some(block[4]);
            }
        }
        true
    }

    fn extended_report(&mut self, blocks: &[u8], outgoing: &Outgoing) -> bool {
        let read = xr::read(blocks, outgoing.ssrc());
        if let Some(stated) = read.flatten() {
            self.remote.get_or_insert_default().stated = Some(stated);
        }
        read.is_some()
    }

    fn heard_about_us(&mut self, now: Instant, block: &[u8], outgoing: &Outgoing) {
        let at = |offset| word(block, offset).unwrap_or(0);
        let lost = at(4) & 0xff_ffff;
        // 24 bits with a sign: more repeats than losses make it negative (RFC 3550 A.3).
        let lost = if lost & 0x80_0000 != 0 { 0 } else { lost };
        if outgoing.packets() > 0 {
            let remote = self.remote.get_or_insert_default();
            #[expect(clippy::cast_precision_loss, reason = "ratios and figures for people")]
            let (share, jitter_ms) = (lost as f32 / outgoing.packets() as f32, at(12) as f32 * 1_000.0 / self.clock_rate as f32);
            (remote.lost, remote.loss, remote.jitter_ms) = (u64::from(lost), share.min(1.0), jitter_ms);
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
mod tests;
