use std::{f32::consts::TAU, time::Duration};

use proptest::prelude::*;

use super::*;

/// Tones of so many Hz and dBm0 together.
pub(super) fn tones(parts: &[(f32, f32)], ms: usize) -> Vec<i16> {
    let parts: Vec<_> = parts.iter().map(|(hz, dbm0)| (hz, (2.0 * spectrum::power_of_dbm0(*dbm0)).sqrt())).collect();
    let sample = |n: usize| parts.iter().map(|(hz, amplitude)| amplitude * (TAU * *hz * n as f32 / 8_000.0).sin()).sum::<f32>();
    (0..ms * 8).map(|n| crate::codec::round_to_sample(f64::from(sample(n)))).collect()
}

pub(super) fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 8]
}

pub(super) fn noise(ms: usize, amplitude: i32, seed: u32) -> Vec<i16> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16).cast_signed() - 32_768) * amplitude / 32_768
    };
    (0..ms * 8).map(|_| crate::codec::saturate((next() + next() + next()) / 3)).collect()
}

/// What the prompts of the tests say: about two and a half seconds of speech.
pub(super) fn speech(language: &str) -> Vec<i16> {
    let wav = match language {
        "en" => &include_bytes!("../codec/testdata/speech-en.wav")[..],
        _ => include_bytes!("../codec/testdata/speech-it.wav"),
    };
    crate::codec::Audio::from_wav_bytes(wav).unwrap().pcm(8_000).to_vec()
}

/// All verdicts on `pcm` in frames of 20 ms, with the time of each in ms.
pub(super) fn verdicts(wanted: Wanted, pcm: &[i16]) -> Vec<(usize, Verdict)> {
    let mut listener = Listener::new(wanted);
    let mut all = Vec::new();
    for (number, frame) in pcm.chunks(160).enumerate() {
        listener.hear(frame, |verdict| all.push((number * 20 + 20, verdict)));
    }
    all
}

const ANSWER: Wanted = Wanted { answer: Some(ANSWER_BUDGET), beep: true, ..Wanted::NOTHING };

fn answer(pcm: &[Vec<i16>]) -> Vec<Verdict> {
    let mut pcm = pcm.concat();
    pcm.extend(silence(4_000));
    verdicts(ANSWER, &pcm).into_iter().map(|(_, verdict)| verdict).collect()
}

/// So much of a voice, without a pause: the loud parts of speech one after another.
fn voice(ms: usize) -> Vec<i16> {
    let speech = speech("en");
    let loud = speech.chunks_exact(160).filter(|frame| frame.iter().map(|s| i64::from(*s).pow(2)).sum::<i64>() > 160 * 1_000_000);
    loud.cycle().flatten().copied().take(ms * 8).collect()
}

#[test]
fn who_greets_shortly_and_waits_is_human() {
    assert_eq!(answer(&[silence(600), voice(500)]), [Verdict::Answer(Answer::Human)]);
    assert_eq!(answer(&[silence(300), voice(400), silence(200), voice(700)]), [Verdict::Answer(Answer::Human)]);
}

#[test]
fn who_talks_on_is_a_machine_and_its_beep_is_told() {
    let greeting = [silence(300), voice(4_000), silence(400), tones(&[(1_000.0, -12.0)], 400)];
    assert_eq!(answer(&greeting)[0], Verdict::Answer(Answer::Machine));
    let beep = answer(&greeting)[1..].to_vec();
    assert!(matches!(beep[..], [Verdict::Beep { hz: 995..=1_005, duration_ms: 380..=420 }]), "{beep:?}");
}

#[test]
fn a_short_greeting_with_a_beep_is_a_machines() {
    for voice_ms in [0, 1_500] {
        let greeting = [silence(300), voice(voice_ms), silence(100), tones(&[(800.0, -12.0)], 300)];
        assert!(matches!(answer(&greeting)[..], [Verdict::Beep { .. }, Verdict::Answer(Answer::Machine)]), "{voice_ms}");
    }
}

#[test]
fn a_fax_and_silence_are_told() {
    assert_eq!(answer(&[silence(200), tones(&[(2_100.0, -12.0)], 2_600)]), [Verdict::Answer(Answer::Fax)]);
    let calling = answer(&[silence(200), tones(&[(1_100.0, -12.0)], 500)]);
    assert_eq!(calling.last(), Some(&Verdict::Answer(Answer::Fax)));
    assert_eq!(answer(&[silence(4_000)]), [Verdict::Answer(Answer::Silence)]);
    assert_eq!(answer(&[noise(4_000, 600, 3)]), [Verdict::Answer(Answer::Silence)], "noise is silence");
}

#[test]
fn a_greeting_between_the_two_is_unsure_and_the_budget_is_kept() {
    let wanted = Wanted { answer: Some(Duration::from_millis(3_000)), ..Wanted::NOTHING };
    let mut pcm = [silence(500), voice(1_950)].concat();
    pcm.extend(silence(3_000));
    assert_eq!(verdicts(wanted, &pcm), [(3_000, Verdict::Answer(Answer::Unsure))]);
}

#[test]
fn speech_begins_and_ends() {
    let wanted = Wanted { voice: true, ..Wanted::NOTHING };
    for language in ["en", "it"] {
        let mut pcm = silence(1_000);
        pcm.extend(speech(language));
        pcm.extend(silence(1_000));
        for (sample, noise) in pcm.iter_mut().zip(noise(10_000, 200, 5)) {
            *sample = sample.saturating_add(noise);
        }
        let told = verdicts(wanted, &pcm);
        let speaking: Vec<_> = told.iter().map(|(_, verdict)| *verdict == Verdict::Voice { speaking: true }).collect();
        assert!(told.len() >= 2 && speaking[0] && !speaking[told.len() - 1], "{told:?}");
        assert!((1_000..1_400).contains(&told[0].0), "{told:?}");
    }
}

#[test]
fn a_beep_needs_silence_after_it_and_a_steady_pitch() {
    let wanted = Wanted { beep: true, ..Wanted::NOTHING };
    for (hz, ms) in [(400.0, 90), (425.0, 300), (1_000.0, 200), (1_400.0, 1_900), (2_000.0, 500)] {
        let pcm = [voice(1_000), silence(100), tones(&[(hz, -15.0)], ms), silence(500)].concat();
        let told = verdicts(wanted, &pcm);
        assert!(matches!(told[..], [(_, Verdict::Beep { .. })]), "{hz} Hz {ms} ms: {told:?}");
    }
    let no_silence = [silence(500), tones(&[(1_000.0, -15.0)], 300), voice(1_000)].concat();
    let too_long = [silence(500), tones(&[(1_000.0, -15.0)], 3_000), silence(500)].concat();
    let a_key = [silence(500), tones(&[(770.0, -12.0), (1_336.0, -12.0)], 300), silence(500)].concat();
    let too_high = [silence(500), tones(&[(2_500.0, -15.0)], 300), silence(500)].concat();
    for (what, pcm) in [("speech after", no_silence), ("long", too_long), ("key", a_key), ("high", too_high)] {
        assert_eq!(verdicts(wanted, &pcm), [], "{what}");
    }
}

#[test]
fn what_is_wanted_can_change_while_listening() {
    let mut listener = Listener::new(Wanted { keys: true, ..Wanted::NOTHING });
    let mut told = Vec::new();
    listener.hear(&tones(&[(697.0, -12.0), (1_209.0, -12.0)], 100), |verdict| told.push(verdict));
    listener.want(Wanted { keys: true, beep: true, ..Wanted::NOTHING });
    listener.hear(&[silence(300), tones(&[(1_000.0, -15.0)], 300), silence(400)].concat(), |verdict| told.push(verdict));
    assert!(matches!(told[..], [Verdict::Key { key: '1', .. }, Verdict::Beep { .. }]), "{told:?}");
    listener.want(Wanted::NOTHING);
    listener.hear(&tones(&[(697.0, -12.0), (1_209.0, -12.0)], 100), |verdict| panic!("{verdict:?}"));
}

proptest! {
    #[test]
    fn any_samples_in_any_pieces_give_the_same_verdicts(frames in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..300), 0..20)) {
        let wanted = Wanted { voice: true, keys: true, tones: true, answer: Some(ANSWER_BUDGET), beep: true };
        let run = |pieces: &[Vec<i16>]| {
            let (mut listener, mut told) = (Listener::new(wanted), Vec::new());
            for piece in pieces {
                listener.hear(piece, |verdict| told.push(verdict));
            }
            told
        };
        prop_assert_eq!(run(&frames), run(&[frames.concat()]));
    }
}
