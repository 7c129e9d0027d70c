//! The E-model: how good a voice path sounds, from what was measured on it (ITU-T G.107, G.107.1, G.113).
//!
//! `R = R0 − Id − Ie,eff`, and the mean opinion score is a fixed curve of R (G.107 annex B). R0 is 93.2 with the defaults
//! of G.107, which hold for what a switch cannot measure: loudness, noise and echo of the rooms and phones at both ends.
//!
//! Not here: measuring. What was not measured is not filled in: a delay that nobody knows is left out, and the score says
//! so; a codec whose behaviour under loss nobody published has no score as soon as something is lost.

use serde::Serialize;

use crate::codec::Codec;

/// R of a narrow-band path without impairments (G.107 section 7.7).
const R_NARROW: f32 = 93.2;
/// The same of a wide-band path (G.107.1 section 7.1).
const R_WIDE: f32 = 129.0;
/// The wide-band scale is so much longer, and divided by it before the curve of G.107 (G.107.1 appendix I).
const WIDE_TO_NARROW: f32 = 1.29;
/// The greatest impairment by loss (G.107 equation 7-29).
const WORST_LOSS: f32 = 95.0;

/// On what scale a score is: a narrow-band path is judged beside other narrow-band paths (G.107), a wide-band path beside
/// wide-band ones (G.107.1). So 4.4 of the one is no better than 4.3 of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// 300 to 3,400 Hz.
    NarrowBand,
    /// 50 to 7,000 Hz.
    WideBand,
}

/// An estimated mean opinion score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mos {
    /// 1 (bad) to 4.5 (excellent).
    pub value: f32,
    /// The R that it is the score of, 0 to 100.
    pub rating: f32,
    /// What it is compared with.
    pub scale: Scale,
    /// The delay from mouth to ear, in ms, that is in it; `None`: the delay is not known, and left out of it.
    pub delay_ms: Option<f32>,
}

/// What became of packets on their way to the ear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Lost, or too late to be played, in percent.
    pub percent: f32,
    /// How much longer the runs of lost packets are than random loss of that share makes them; 1 for random loss
    /// (BurstR of G.107).
    pub burst_ratio: f32,
}

/// What a codec and its loss do to a path (G.113).
#[derive(Clone, Copy, Debug)]
struct Impairment {
    scale: Scale,
    /// Ie: without loss.
    codec: f32,
    /// Bpl: how well loss is borne; `None` where it is not published.
    robustness: Option<f32>,
}

/// The values that are published. G.711: G.113 appendix I, 25.1 with the concealment of G.711 appendix I and 4.3 without
/// any. G.729A: the same appendix. G.722 at 64 kbit/s: G.113 appendix IV, without loss only, because the values under loss there are for other
/// concealments than phones use. Opus: none for the wide band that we speak.
const fn impairment(codec: Codec, is_concealed: bool) -> Option<Impairment> {
    match codec {
        Codec::Pcmu | Codec::Pcma => {
            let robustness = if is_concealed { 25.1 } else { 4.3 };
            Some(Impairment { scale: Scale::NarrowBand, codec: 0.0, robustness: Some(robustness) })
        }
        Codec::G722 => Some(Impairment { scale: Scale::WideBand, codec: 13.0, robustness: None }),
        // G.729A.
        Codec::G729 => Some(Impairment { scale: Scale::NarrowBand, codec: 11.0, robustness: Some(19.0) }),
        Codec::Opus => None,
    }
}

/// The score of a path; `None` where no values are published for it. `is_concealed`: whoever plays it hides losses.
#[must_use]
pub fn estimate(codec: Codec, is_concealed: bool, loss: Loss, delay_ms: Option<f32>) -> Option<Mos> {
    let Impairment { scale, codec, robustness } = impairment(codec, is_concealed)?;
    let lost = match (loss.percent > 0.0, robustness) {
        (false, _) => 0.0,
        (true, None) => return None,
        (true, Some(robustness)) => (WORST_LOSS - codec) * loss.percent / (loss.percent / loss.burst_ratio.max(1.0) + robustness),
    };
    let clean = match scale {
        Scale::NarrowBand => R_NARROW - codec - lost,
        Scale::WideBand => (R_WIDE - codec) / WIDE_TO_NARROW - lost,
    };
    let rating = (clean - delay_ms.map_or(0.0, delay_impairment)).clamp(0.0, 100.0);
    Some(Mos { value: score(rating), rating, scale, delay_ms })
}

/// Id for a delay from mouth to ear, in ms, as Cole and Rosenbluth (2001) simplified G.107 for its default echo.
fn delay_impairment(delay_ms: f32) -> f32 {
    0.024 * delay_ms + if delay_ms > 177.3 { 0.11 * (delay_ms - 177.3) } else { 0.0 }
}

/// The score of a rating from 0 to 100 (G.107 annex B). The curve falls below 1 for ratings under 6.5.
fn score(rating: f32) -> f32 {
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(percent: f32) -> Loss {
        Loss { percent, burst_ratio: 1.0 }
    }

    #[track_caller]
    fn scores(codec: Codec, is_concealed: bool, loss: Loss, delay_ms: Option<f32>, expected: f32) {
        let mos = estimate(codec, is_concealed, loss, delay_ms).unwrap();
        assert!((mos.value - expected).abs() < 0.006, "{mos:?} is not {expected}");
        assert_eq!(mos.delay_ms, delay_ms);
    }

    #[test]
    fn the_curve_goes_through_the_published_points() {
        for (percent, expected) in [(0.0, 4.41), (1.0, 4.33), (3.0, 4.13), (5.0, 3.92), (10.0, 3.41)] {
            scores(Codec::Pcma, true, at(percent), None, expected);
        }
        for (percent, expected) in [(1.0, 3.83), (5.0, 2.17)] {
            scores(Codec::Pcmu, false, at(percent), None, expected);
        }
    }

    #[test]
    fn delay_counts_when_it_is_known_and_hurts_beyond_177_ms() {
        scores(Codec::Pcmu, true, at(0.0), Some(100.0), 4.36);
        scores(Codec::Pcmu, true, at(0.0), Some(300.0), 3.71);
        scores(Codec::Pcmu, true, at(40.0), Some(600.0), 1.0);
    }

    #[test]
    fn loss_in_bursts_is_worse_than_the_same_at_random() {
        let random = estimate(Codec::Pcmu, true, at(5.0), None).unwrap().value;
        let bursts = estimate(Codec::Pcmu, true, Loss { percent: 5.0, burst_ratio: 4.0 }, None).unwrap().value;
        assert!(bursts < random - 0.05, "{bursts} {random}");
        assert_eq!(estimate(Codec::Pcmu, true, Loss { percent: 5.0, burst_ratio: 0.2 }, None).unwrap().value, random);
    }

    #[test]
    fn what_is_not_published_has_no_score() {
        let wide = estimate(Codec::G722, true, at(0.0), None).unwrap();
        assert_eq!(wide.scale, Scale::WideBand);
        assert!((4.3..4.4).contains(&wide.value), "{wide:?}");
        assert_eq!(estimate(Codec::G722, true, at(1.0), None), None);
        assert_eq!(estimate(Codec::Opus, true, at(0.0), None), None);
    }
}
