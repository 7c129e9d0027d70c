//! What was measured on a stream, both ways: what we received, and what the peer says that it received.
//!
//! `None` means not measured, never "good". The scores are those of the [E-model](crate::emodel).

use serde::Serialize;

use crate::{
    codec::Codec,
    emodel::{self, Loss, Mos},
    reception::Reception,
};

/// Fewer packets than this say nothing about quality: one second of them.
const LEAST_PACKETS: u64 = 50;
/// A receiver is taken to wait for so many times the jitter before it plays; nobody tells what it does.
const JITTERS_OF_BUFFER: f32 = 2.0;

/// What was measured on a stream over its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quality {
    /// RTP packets accepted.
    pub packets_received: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Packets that never came (RFC 3550 A.3, never negative).
    pub lost: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came too late to be played; `None` where we played none, because we passed them on as they came.
    pub late: Option<u64>,
    /// Packets that came twice.
    pub duplicated: u64,
    /// Packets from somebody who is not the peer.
    pub foreign: u64,
    /// Packets that are not RTP or RTCP as negotiated, or not authentic.
    pub malformed: u64,
    /// Packets that were more than any audio has: somebody floods, or two peers send each other back what they hear.
    pub excess: u64,
    /// Interarrival jitter (RFC 3550 A.8) at the end, in ms.
    pub jitter_ms: Option<f32>,
    /// The longest time that audio was missing, in ms: beyond what the peer left out on purpose, and while it was expected.
    pub longest_gap_ms: Option<u32>,
    /// Round trip by RTCP, the last one, in ms.
    pub rtt_ms: Option<f32>,
    /// How what was received sounds to whoever hears it with concealment of losses.
    pub mos: Option<Mos>,
    /// What the peer says that it receives of ours; `None` without its reports.
    pub remote: Option<RemoteQuality>,
}

/// What a peer reports that it receives of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct RemoteQuality {
    /// Packets of ours that it lost over the whole stream (RFC 3550 section 6.4.1).
    pub lost: u64,
    /// Their share of what we sent, 0 to 1.
    pub loss: f32,
    /// The jitter that it sees, in ms.
    pub jitter_ms: f32,
    /// How that sounds there, estimated by us.
    pub mos: Option<Mos>,
    /// What it reckons itself, where it sends extended reports.
    pub stated: Option<Stated>,
}

/// A peer's own account of how it hears us (RFC 3611 section 4.7). What it says that it does not know is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stated {
    /// Share of our packets that it lost, 0 to 1.
    pub loss: f32,
    /// Share that came and that it did not play, 0 to 1.
    pub discarded: f32,
    /// R factor, 0 to 100.
    pub rating: Option<u8>,
    /// Mean opinion score of listening, 1 to 5.
    pub mos_listening: Option<f32>,
    /// Mean opinion score of conversation, delay included, 1 to 5.
    pub mos_conversation: Option<f32>,
    /// What its own buffers and codec add, in ms, one way.
    pub end_system_delay_ms: Option<u16>,
}

/// The delay from mouth to ear that follows from a measured round trip, in ms: half of it, one packet, and a receive
/// buffer for the jitter. `None` without a round trip.
#[must_use]
pub fn mouth_to_ear_ms(rtt_ms: Option<f32>, packet_ms: u8, jitter_ms: f32) -> Option<f32> {
    rtt_ms.map(|rtt| rtt / 2.0 + f32::from(packet_ms) + JITTERS_OF_BUFFER * jitter_ms)
}

/// How what was received sounds; `discarded` packets came and were not played. `None` when too little was received, or
/// nothing is published for the codec.
#[must_use]
pub fn received_mos(codec: Codec, reception: &Reception, discarded: u64, rtt_ms: Option<f32>, packet_ms: u8) -> Option<Mos> {
    let jitter_ms = reception.jitter_ms().filter(|_| reception.received() >= LEAST_PACKETS)?;
    emodel::estimate(codec, true, reception.loss(discarded), mouth_to_ear_ms(rtt_ms, packet_ms, jitter_ms))
}

impl RemoteQuality {
    /// The same with a score, when `sent` packets are enough for one.
    #[must_use]
    pub fn scored(self, codec: Codec, sent: u64, rtt_ms: Option<f32>, packet_ms: u8) -> Self {
        let loss = Loss { percent: self.loss * 100.0, burst_ratio: 1.0 };
        let delay_ms = mouth_to_ear_ms(rtt_ms, packet_ms, self.jitter_ms);
        let mos = (sent >= LEAST_PACKETS).then(|| emodel::estimate(codec, true, loss, delay_ms)).flatten();
        Self { mos, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{
        random::Random,
        rtp::{Header, Stamp},
    };

    /// Two minutes of packets of 20 ms through a way that loses so many in a thousand, delays each by up to so many ms,
    /// and repeats one in fifty.
    fn through(seed: u64, lost_per_mille: u64, jitter_ms: u64) -> Reception {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
        let epoch = Instant::now();
        let mut random = Random::new(seed);
        let mut arrivals = Vec::new();
        for i in 0..6_000u16 {
            for _ in 0..=u64::from(random.below(50) == 0) {
                let late_us = random.below(jitter_ms * 1_000 + 1);
                if random.below(1_000) >= lost_per_mille {
                    arrivals.push((epoch + Duration::from_micros(u64::from(i) * 20_000 + late_us), i));
                    break;
                }
            }
        }
        arrivals.sort_unstable();
        let mut reception = Reception::new(epoch);
        for (at, i) in arrivals {
            let stamp = Stamp { payload_type: 0, marker: false, sequence: i, timestamp: u32::from(i) * 160, ssrc: 1 };
            reception.handle(at, &Header::parse(&stamp.bytes()).unwrap(), true);
        }
        reception
    }

    #[test]
    fn the_score_follows_the_formula_through_a_lossy_way() {
        for seed in 0..5 {
            for (per_mille, expected) in [(0, 4.41), (10, 4.33), (30, 4.13), (50, 3.92), (100, 3.41)] {
                for jitter_ms in [0, 20, 60, 120] {
                    let reception = through(seed, per_mille, jitter_ms);
                    let mos = received_mos(Codec::Pcmu, &reception, 0, None, 20).unwrap();
                    assert!((mos.value - expected).abs() < 0.1, "seed {seed}, {per_mille}, {jitter_ms} ms: {mos:?}");
                    assert_eq!(mos.delay_ms, None, "nobody measured it");
                }
            }
        }
    }

    #[test]
    fn the_delay_is_in_the_score_as_soon_as_there_is_a_round_trip() {
        let reception = through(1, 0, 0);
        let near = received_mos(Codec::Pcmu, &reception, 0, Some(20.0), 20).unwrap();
        let far = received_mos(Codec::Pcmu, &reception, 0, Some(600.0), 20).unwrap();
        assert_eq!(near.delay_ms, Some(30.0));
        assert!(far.value < near.value - 0.5, "{near:?} {far:?}");
    }

    #[test]
    fn too_little_is_unknown_and_what_was_not_played_is_as_bad_as_lost() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
        let nothing = Reception::new(Instant::now());
        assert_eq!(received_mos(Codec::Pcmu, &nothing, 0, None, 20), None);
        let reception = through(1, 0, 0);
        let played = received_mos(Codec::Pcmu, &reception, 0, None, 20).unwrap().value;
        let not_played = received_mos(Codec::Pcmu, &reception, 300, None, 20).unwrap().value;
        assert!((played - not_played - 0.49).abs() < 0.01, "{played} {not_played}");
        let remote = RemoteQuality { loss: 0.05, ..RemoteQuality::default() };
        assert_eq!(remote.scored(Codec::Pcmu, 49, None, 20).mos, None);
        assert!((remote.scored(Codec::Pcmu, 50, None, 20).mos.unwrap().value - 3.92).abs() < 0.01);
    }
}
