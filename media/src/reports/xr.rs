//! The VoIP metrics of RTCP XR (RFC 3611 section 4.7): what we say of what we hear, and what a peer says of us.

use rtcp::extended_report::{ExtendedReport, VoIPMetricsReportBlock};

use super::word;
use crate::{
    bursts::GMIN,
    emodel::{Mos, Scale},
    quality::Stated,
    reception::Reception,
};

/// "Not known" of levels, echo, ratings and scores.
const UNKNOWN: u8 = 127;
/// The kind of the block.
const VOIP_METRICS: u8 = 7;
/// Its length after its first word, in words.
const VOIP_METRICS_WORDS: u16 = 8;
/// RX config (section 4.7.6) where we play what comes: enhanced concealment, adaptive buffer. Where we pass it on, nobody
/// tells us how it is played: unspecified.
const PLAYED: u8 = 2 << 6 | 3 << 4;

/// A jitter buffer that plays a stream, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffering {
    /// How long it holds packets now.
    pub delay_ms: u16,
    /// How long it does at most.
    pub most_ms: u16,
}

/// What is said beside the reception itself.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// Packets that came and were not played.
    pub discarded: u64,
    /// The length of a packet, in ms.
    pub packet_ms: u8,
    /// The score of what was heard, with the delay where that is known.
    pub mos: Option<Mos>,
    /// The same without the delay.
    pub listening: Option<Mos>,
    /// Where we play the stream ourselves.
    pub buffering: Option<Buffering>,
}

/// The report of `ours` on what it hears of `theirs`.
pub(super) fn write(ours: u32, theirs: u32, reception: &Reception, heard: &Heard, rtt_ms: Option<f32>) -> ExtendedReport {
    let bursts = reception.pattern().bursts();
    let packet_ms = f32::from(heard.packet_ms);
    let narrow = heard.mos.filter(|mos| mos.scale == Scale::NarrowBand);
    let score = |mos: Option<Mos>| mos.map_or(UNKNOWN, |mos| byte(mos.value * 10.0));
    let delay_ms = heard.buffering.map_or(0, |buffering| buffering.delay_ms);
    let most_ms = heard.buffering.map_or(0, |buffering| buffering.most_ms);
    let block = VoIPMetricsReportBlock {
        ssrc: theirs,
        loss_rate: byte(reception.loss(0).percent * 2.56),
        discard_rate: byte((reception.loss(heard.discarded).percent - reception.loss(0).percent) * 2.56),
        burst_density: byte(bursts.burst_density * 256.0),
        gap_density: byte(bursts.gap_density * 256.0),
        burst_duration: short(bursts.burst_packets * packet_ms),
        gap_duration: short(bursts.gap_packets * packet_ms),
        round_trip_delay: rtt_ms.map_or(0, short),
        end_system_delay: delay_ms + u16::from(heard.packet_ms),
        signal_level: UNKNOWN,
        noise_level: UNKNOWN,
        rerl: UNKNOWN,
        gmin: GMIN,
        rfactor: narrow.map_or(UNKNOWN, |mos| byte(mos.rating)),
        ext_rfactor: UNKNOWN,
        mos_lq: score(heard.listening),
        mos_cq: score(heard.mos.filter(|mos| mos.delay_ms.is_some())),
        rx_config: if heard.buffering.is_some() { PLAYED } else { 0 },
        reserved: 0,
        jb_nominal: delay_ms,
        jb_maximum: most_ms,
        jb_abs_max: most_ms,
    };
    ExtendedReport { sender_ssrc: ours, reports: vec![Box::new(block)] }
}

/// What an extended report says of us: the blocks lie after header and sender. `None` when a length in it points outside
/// of it; `Some(None)` when it says nothing of us.
pub(super) fn read(mut blocks: &[u8], ours: u32) -> Option<Option<Stated>> {
    let mut found = None;
    while let Some(&[kind, _, high, low]) = blocks.first_chunk::<4>() {
        let words = u16::from_be_bytes([high, low]);
        let (block, rest) = blocks.split_at_checked(4 + 4 * usize::from(words))?;
        if kind == VOIP_METRICS && words == VOIP_METRICS_WORDS && word(block, 4) == Some(ours) {
            found = stated(block);
        }
        blocks = rest;
    }
    blocks.is_empty().then_some(found)
}

fn stated(block: &[u8]) -> Option<Stated> {
    let &[.., loss, discarded, _, _] = block.first_chunk::<12>()?;
    let &[_, _, delay_high, delay_low, _, _, _, _, rating, _, listening, conversation] = block.get(16..)?.first_chunk::<12>()?;
    let share = |part: u8| f32::from(part) / 256.0;
    let score = |tenths: u8| (10..=50).contains(&tenths).then(|| f32::from(tenths) / 10.0);
    let delay_ms = u16::from_be_bytes([delay_high, delay_low]);
    Some(Stated {
        loss: share(loss),
        discarded: share(discarded),
        rating: (rating <= 100).then_some(rating),
        mos_listening: score(listening),
        mos_conversation: score(conversation),
        end_system_delay_ms: (delay_ms > 0).then_some(delay_ms),
    })
}

/// The nearest number that fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
const fn byte(value: f32) -> u8 {
    value.round() as u8
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float cast saturates")]
const fn short(value: f32) -> u16 {
    value.round() as u16
}
