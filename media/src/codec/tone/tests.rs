use super::*;
use proptest::prelude::*;

/// A key as a telephone makes it: low and high tone with these amplitudes, `ms` long.
fn key(key: char, ms: usize, low_amplitude: f32, high_amplitude: f32) -> Vec<i16> {
    let row = KEYS.iter().position(|row| row.contains(&key)).unwrap();
    let column = KEYS[row].iter().position(|&other| other == key).unwrap();
    tones(&[(LOW_HZ[row], low_amplitude), (HIGH_HZ[column], high_amplitude)], ms)
}

fn tones(parts: &[(f32, f32)], ms: usize) -> Vec<i16> {
    let sample = |n: usize| parts.iter().map(|(hz, amplitude)| amplitude * (TAU * hz * n as f32 / 8000.0).sin()).sum::<f32>();
    (0..ms * 8).map(|n| crate::codec::round_to_sample(f64::from(sample(n)))).collect()
}

fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 8]
}

/// What a detector hears in `pcm`, fed in frames of 20 ms after `lead` samples of silence.
fn heard(pcm: &[i16], lead: usize) -> String {
    let mut detector = DtmfDetector::new();
    let mut all = vec![0; lead];
    all.extend_from_slice(pcm);
    all.extend(silence(60));
    all.chunks(160).filter_map(|frame| detector.detect(frame)).collect()
}

fn noise(len: usize, amplitude: i32, seed: u32) -> Vec<i16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16).cast_signed() - 32_768) * amplitude / 32_768
    };
    (0..len).map(|_| crate::codec::saturate((next() + next() + next()) / 3)).collect()
}

#[test]
fn every_key_of_forty_milliseconds_is_heard_once_wherever_it_begins() {
    for lead in (0..BLOCK).step_by(7) {
        let mut pcm = Vec::new();
        for k in "1234567890*#ABCD1199".chars() {
            pcm.extend(key(k, 40, 6000.0, 7000.0));
            pcm.extend(silence(40));
        }
        assert_eq!(heard(&pcm, lead), "1234567890*#ABCD1199", "lead {lead}");
    }
}

#[test]
fn a_long_press_is_one_key_even_with_a_gap_of_ten_milliseconds() {
    let mut pcm = key('5', 400, 5000.0, 5000.0);
    pcm.extend(silence(10));
    pcm.extend(key('5', 400, 5000.0, 5000.0));
    assert_eq!(heard(&pcm, 0), "5");
}

#[test]
fn short_clicks_and_single_tones_are_no_keys() {
    for lead in (0..BLOCK).step_by(7) {
        assert_eq!(heard(&key('5', 20, 6000.0, 6000.0), lead), "");
        assert_eq!(heard(&tones(&[(770.0, 9000.0)], 200), lead), "");
        assert_eq!(heard(&tones(&[(1336.0, 9000.0)], 200), lead), "");
        assert_eq!(heard(&tones(&[(425.0, 9000.0)], 500), lead), "");
        assert_eq!(heard(&tones(&[(350.0, 5000.0), (440.0, 5000.0)], 500), lead), "", "a dial tone");
    }
}

#[test]
fn level_and_twist_have_limits() {
    assert_eq!(heard(&key('8', 80, 500.0, 500.0), 0), "8", "-36 dBm0");
    assert_eq!(heard(&key('8', 80, 100.0, 100.0), 0), "", "-50 dBm0");
    assert_eq!(heard(&key('8', 80, 16_000.0, 16_000.0), 0), "8", "full scale");
    assert_eq!(heard(&key('8', 80, 3000.0, 6000.0), 0), "8", "6 dB of twist");
    assert_eq!(heard(&key('8', 80, 6000.0, 4000.0), 0), "8", "3.5 dB of reverse twist");
    assert_eq!(heard(&key('8', 80, 2000.0, 8000.0), 0), "", "12 dB of twist");
    assert_eq!(heard(&key('8', 80, 8000.0, 2000.0), 0), "", "12 dB of reverse twist");
}

#[test]
fn frequencies_within_one_and_a_half_percent_are_keys_and_beyond_five_are_not() {
    for (offset, expected) in [(0.985, "6"), (1.015, "6"), (0.94, ""), (1.06, "")] {
        let pcm = tones(&[(770.0 * offset, 6000.0), (1477.0 * offset, 6000.0)], 100);
        assert_eq!(heard(&pcm, 0), expected, "{offset}");
    }
}

#[test]
fn overtones_reveal_a_voice() {
    let pcm = tones(&[(770.0, 6000.0), (1336.0, 6000.0), (2672.0, 2500.0)], 200);
    assert_eq!(heard(&pcm, 0), "");
}

#[test]
fn keys_are_heard_through_noise_and_noise_is_no_key() {
    let mut pcm = key('3', 80, 6000.0, 6000.0);
    for (sample, noise) in pcm.iter_mut().zip(noise(640, 3000, 1)) {
        *sample += noise;
    }
    assert_eq!(heard(&pcm, 33), "3");
    for seed in 0..20 {
        assert_eq!(heard(&noise(80_000, 20_000, seed), 0), "", "seed {seed}");
    }
}

#[test]
fn speech_is_no_key() {
    for wav in [&include_bytes!("../testdata/speech-en.wav")[..], include_bytes!("../testdata/speech-it.wav")] {
        let speech = crate::codec::Audio::from_wav_bytes(wav).unwrap();
        for lead in (0..BLOCK).step_by(17) {
            assert_eq!(heard(&speech.pcm_8k, lead), "");
        }
    }
}

proptest! {
    #[test]
    fn any_samples_in_any_pieces_give_the_same_keys(frames in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..300), 0..20)) {
        let mut detector = DtmfDetector::new();
        let in_pieces: Vec<_> = frames.iter().filter_map(|frame| detector.detect(frame)).collect();
        let mut detector = DtmfDetector::new();
        let at_once: Vec<_> = frames.concat().chunks(BLOCK).filter_map(|frame| detector.detect(frame)).collect();
        prop_assert_eq!(in_pieces, at_once);
    }
}
