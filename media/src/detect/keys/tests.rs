use super::*;
use crate::detect::{
    Verdict, Wanted,
    tests::{noise, silence, speech, tones, verdicts},
};

/// A key as a telephone makes it: the levels of its low and its high tone in dBm0.
fn key(key: char, ms: usize, low: f32, high: f32) -> Vec<i16> {
    off_by(key, ms, low, high, 1.0)
}

fn off_by(key: char, ms: usize, low: f32, high: f32, factor: f32) -> Vec<i16> {
    let row = KEYS.iter().position(|row| row.contains(&key)).unwrap();
    let column = KEYS[row].iter().position(|&other| other == key).unwrap();
    tones(&[(LOW_HZ[row] * factor, low), (HIGH_HZ[column] * factor, high)], ms)
}

/// The keys that are heard in `pcm` after `lead` samples of silence.
fn heard(pcm: &[i16], lead: usize) -> String {
    let all = [vec![0; lead], pcm.to_vec(), silence(80)].concat();
    let wanted = Wanted { keys: true, ..Wanted::NOTHING };
    verdicts(wanted, &all)
        .into_iter()
        .map(|(_, verdict)| match verdict {
            Verdict::Key { key, .. } => key,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn every_key_of_forty_milliseconds_is_heard_once_wherever_it_begins() {
    for lead in (0..HOP_MS as usize * 8).step_by(7) {
        let keys = "1234567890*#ABCD1199";
        let pcm: Vec<_> = keys.chars().flat_map(|k| [key(k, 40, -12.0, -10.0), silence(40)].concat()).collect();
        assert_eq!(heard(&pcm, lead), keys, "lead {lead}");
    }
}

#[test]
fn a_key_is_told_with_its_length_when_it_is_let_go() {
    for ms in [60, 100, 500] {
        let pcm = [silence(100), key('7', ms, -12.0, -12.0), silence(100)].concat();
        let told = verdicts(Wanted { keys: true, ..Wanted::NOTHING }, &pcm);
        let [(at, Verdict::Key { key: '7', duration_ms })] = told[..] else { panic!("{told:?}") };
        assert!(duration_ms.abs_diff(u32::try_from(ms).unwrap()) <= 20, "{duration_ms} of {ms}");
        assert!((100 + ms..=160 + ms).contains(&at), "{at} of {ms}");
    }
}

#[test]
fn a_long_press_is_one_key_even_with_a_gap_of_ten_milliseconds() {
    let pcm = [key('5', 400, -12.0, -12.0), silence(10), key('5', 400, -12.0, -12.0)].concat();
    assert_eq!(heard(&pcm, 0), "5");
}

#[test]
fn short_clicks_and_single_tones_are_no_keys() {
    for lead in (0..80).step_by(7) {
        assert_eq!(heard(&key('5', 20, -12.0, -12.0), lead), "");
        for parts in [&[(770.0, -9.0)][..], &[(1_336.0, -9.0)], &[(425.0, -9.0)], &[(350.0, -13.0), (440.0, -13.0)]] {
            assert_eq!(heard(&tones(parts, 500), lead), "");
        }
    }
}

#[test]
fn level_and_twist_have_limits() {
    for (low, high, expected, what) in [
        (-36.0, -36.0, "8", "quiet"),
        (-50.0, -50.0, "", "too quiet"),
        (-3.0, -3.0, "8", "full scale"),
        (-14.0, -10.0, "8", "4 dB of twist"),
        (-8.0, -16.0, "8", "8 dB of reverse twist"),
        (-20.0, -8.0, "", "12 dB of twist"),
        (-8.0, -20.0, "", "12 dB of reverse twist"),
    ] {
        assert_eq!(heard(&key('8', 80, low, high), 0), expected, "{what}");
    }
}

#[test]
fn frequencies_within_one_and_a_half_percent_are_keys_and_beyond_three_and_a_half_are_not() {
    for k in "159D".chars() {
        for (factor, is_key) in [(0.985, true), (1.015, true), (0.965, false), (1.035, false)] {
            let expected = if is_key { k.to_string() } else { String::new() };
            assert_eq!(heard(&off_by(k, 100, -12.0, -12.0, factor), 0), expected, "{k} off by {factor}");
        }
    }
}

#[test]
fn overtones_reveal_a_voice() {
    let pcm = tones(&[(770.0, -12.0), (1_336.0, -12.0), (2_672.0, -15.0)], 200);
    assert_eq!(heard(&pcm, 0), "");
}

#[test]
fn keys_are_heard_through_noise_and_noise_is_no_key() {
    let mut pcm = key('3', 80, -12.0, -12.0);
    for (sample, noise) in pcm.iter_mut().zip(noise(80, 3_000, 1)) {
        *sample += noise;
    }
    assert_eq!(heard(&pcm, 33), "3");
    for seed in 0..20 {
        assert_eq!(heard(&noise(10_000, 20_000, seed), 0), "", "seed {seed}");
    }
}

#[test]
fn speech_is_no_key() {
    for language in ["en", "it"] {
        for lead in (0..80).step_by(17) {
            assert_eq!(heard(&speech(language), lead), "");
        }
    }
}
