use super::*;
use crate::detect::{
    Verdict, Wanted,
    tests::{noise, silence, speech, tones, verdicts},
};

/// The tones told in `pcm`, with the time of each in ms.
fn heard(pcm: &[i16]) -> Vec<(usize, Tone)> {
    let wanted = Wanted { tones: true, ..Wanted::NOTHING };
    verdicts(wanted, pcm)
        .into_iter()
        .map(|(at, verdict)| match verdict {
            Verdict::Tone(tone) => (at, tone),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// A cadence of these frequencies: ms of sound and of silence by turns, for so many ms in all.
fn cadence(hz: &[f32], beats: &[usize], ms: usize) -> Vec<i16> {
    let parts: Vec<_> = hz.iter().map(|hz| (*hz, -16.0)).collect();
    let mut pcm = Vec::new();
    for (number, beat) in beats.iter().cycle().enumerate() {
        pcm.extend(if number % 2 == 0 { tones(&parts, *beat) } else { silence(*beat) });
        if pcm.len() >= ms * 8 || *beat == 0 {
            return pcm;
        }
    }
    pcm
}

#[test]
fn the_tones_of_each_country_are_told_once_and_in_time() {
    /// Whose, what, its frequencies and beats, and the time until which it is told, in ms.
    type Row<'a> = (&'a str, Tone, &'a [f32], &'a [usize], usize);
    let all: [Row<'_>; 19] = [
        ("it", Tone::Dial, &[425.0], &[200, 200, 600, 1_000], 2_200),
        ("it", Tone::RingBack, &[425.0], &[1_000, 4_000], 2_700),
        ("it", Tone::Busy, &[425.0], &[500, 500], 1_700),
        ("it", Tone::Congestion, &[425.0], &[200, 200], 1_300),
        ("de", Tone::Dial, &[425.0], &[8_000, 0], 2_800),
        ("de", Tone::Busy, &[425.0], &[480, 480], 1_700),
        ("de", Tone::Congestion, &[425.0], &[240, 240], 1_400),
        ("fr", Tone::Dial, &[440.0], &[8_000, 0], 2_800),
        ("fr", Tone::RingBack, &[440.0], &[1_500, 3_500], 3_200),
        ("fr", Tone::Busy, &[440.0], &[500, 500], 1_700),
        ("uk", Tone::Dial, &[350.0, 440.0], &[8_000, 0], 1_700),
        ("uk", Tone::RingBack, &[400.0, 450.0], &[400, 200, 400, 2_000], 2_200),
        ("uk", Tone::Busy, &[400.0], &[375, 375], 1_400),
        ("uk", Tone::Congestion, &[400.0], &[400, 350, 225, 525], 1_700),
        ("us", Tone::RingBack, &[440.0, 480.0], &[2_000, 4_000], 3_700),
        ("us", Tone::Busy, &[480.0, 620.0], &[500, 500], 1_700),
        ("us", Tone::Congestion, &[480.0, 620.0], &[250, 250], 1_400),
        ("fax", Tone::FaxCalling, &[1_100.0], &[500, 3_000], 1_100),
        ("fax", Tone::FaxAnswering, &[2_100.0], &[3_000, 0], 1_200),
    ];
    for (country, tone, hz, beats, within_ms) in all {
        let told = heard(&cadence(hz, beats, 8_000));
        assert!(matches!(told[..], [(at, found)] if found == tone && at <= within_ms), "{country} {tone:?}: {told:?}");
    }
}

#[test]
fn the_three_tones_of_special_information_are_told() {
    for (first, second, ms) in [(950.0, 1_400.0, 330), (913.8, 1_370.6, 274), (985.2, 1_428.5, 380)] {
        let pcm = [silence(300), tones(&[(first, -16.0)], ms), tones(&[(second, -16.0)], ms), tones(&[(1_776.7, -16.0)], ms)];
        let told = heard(&[pcm.concat(), silence(1_000)].concat());
        assert!(matches!(told[..], [(_, Tone::SpecialInformation)]), "{first}: {told:?}");
    }
}

#[test]
fn ringing_that_turns_to_busy_is_both() {
    let pcm = [cadence(&[425.0], &[1_000, 4_000], 10_000), cadence(&[425.0], &[500, 500], 5_000)].concat();
    assert_eq!(heard(&pcm).into_iter().map(|(_, tone)| tone).collect::<Vec<_>>(), [Tone::RingBack, Tone::Busy]);
}

#[test]
fn speech_noise_and_other_tones_are_none() {
    for language in ["en", "it"] {
        assert_eq!(heard(&[speech(language), silence(2_000)].concat()), []);
    }
    for seed in 0..5 {
        assert_eq!(heard(&noise(10_000, 10_000, seed)), []);
    }
    assert_eq!(heard(&cadence(&[1_000.0], &[500, 500], 8_000)), [], "a beep again and again");
    assert_eq!(heard(&cadence(&[425.0], &[700, 700], 8_000)), [], "no cadence of the table");
    assert_eq!(heard(&cadence(&[560.0], &[500, 500], 8_000)), [], "no frequency of the table");
}

#[test]
fn a_busy_tone_is_heard_through_noise() {
    let mut pcm = cadence(&[425.0], &[500, 500], 5_000);
    for (sample, noise) in pcm.iter_mut().zip(noise(6_000, 2_000, 9)) {
        *sample += noise;
    }
    assert_eq!(heard(&pcm).into_iter().map(|(_, tone)| tone).collect::<Vec<_>>(), [Tone::Busy]);
}
