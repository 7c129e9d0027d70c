use super::*;
use proptest::prelude::*;
use std::path::Path;

#[test]
fn facts_of_the_codecs() {
    let facts = |codec: Codec| (codec.sdp_name(), codec.rtp_clock_hz(), codec.sample_rate_hz(), codec.static_payload_type());
    assert_eq!(facts(Codec::Pcmu), ("PCMU", 8000, 8000, Some(0)));
    assert_eq!(facts(Codec::Pcma), ("PCMA", 8000, 8000, Some(8)));
    assert_eq!(facts(Codec::G722), ("G722", 8000, 16_000, Some(9)));
    assert_eq!(facts(Codec::Opus), ("opus", 48_000, 16_000, None));
    assert_eq!(Codec::from_sdp_name("OPUS"), Some(Codec::Opus));
    assert_eq!(Codec::from_sdp_name("G723"), None);
    let passed_on = CodecError::PassedOn { codec: Codec::G729 };
    assert_eq!(Encoder::new(Codec::G729).err(), Some(passed_on.clone()));
    assert_eq!(Decoder::with_rate(Codec::G729, 8_000).err(), Some(passed_on));
    assert_eq!(Codec::from_static_payload_type(9), Some(Codec::G722));
}

/// Every codec at every rate it runs at.
fn variants() -> impl Iterator<Item = (Codec, u32)> {
    Codec::ALL.into_iter().flat_map(|codec| codec.supported_rates_hz().iter().map(move |&rate_hz| (codec, rate_hz)))
}

/// A steady voiced sound at 8 kHz or above: a 150 Hz pulse train of falling harmonics.
fn vowel(rate_hz: u32, ms: u32) -> Vec<i16> {
    let sample = |n: u32| {
        let phase = std::f64::consts::TAU * 150.0 * f64::from(n) / f64::from(rate_hz);
        round_to_sample((1..12).map(|k| 5000.0 / f64::from(k) * (f64::from(k) * phase).cos()).sum())
    };
    (0..rate_hz / 1000 * ms).map(sample).collect()
}

/// Encode and decode in frames of 20 ms, losing those whose number `lost` names.
fn transmit(codec: Codec, rate_hz: u32, pcm: &[i16], lost: impl Fn(usize) -> bool) -> Vec<i16> {
    let mut encoder = Encoder::with_rate(codec, rate_hz).unwrap();
    let mut decoder = Decoder::with_rate(codec, rate_hz).unwrap();
    let frame = rate_hz as usize / 50;
    let mut payload = vec![0; codec.max_payload_bytes(20)];
    let mut heard = Vec::new();
    for (number, part) in pcm.chunks_exact(frame).enumerate() {
        let bytes = encoder.encode(part, &mut payload).unwrap();
        let mut out = vec![0; frame];
        let samples = if lost(number) { decoder.conceal(&mut out) } else { decoder.decode(&payload[..bytes], &mut out).unwrap() };
        assert_eq!(samples, frame);
        heard.extend_from_slice(&out);
    }
    heard
}

/// Signal to noise ratio in dB at the delay that fits best, leaving out the first 100 ms.
fn snr_db(sent: &[i16], heard: &[i16], rate_hz: u32) -> f64 {
    let start = rate_hz as usize / 10;
    let longest_delay = rate_hz as usize / 50;
    let at_delay = |delay: usize| {
        let (mut signal, mut noise) = (0.0, 1.0);
        for n in start..sent.len() - longest_delay {
            let (x, y) = (f64::from(sent[n]), f64::from(heard[n + delay]));
            signal += x * x;
            noise += (x - y) * (x - y);
        }
        10.0 * (signal / noise).log10()
    };
    (0..longest_delay).map(at_delay).fold(f64::MIN, f64::max)
}

fn power(pcm: &[i16]) -> f64 {
    pcm.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / pcm.len() as f64
}

#[test]
fn voice_survives_every_codec() {
    for (codec, rate_hz) in variants() {
        let sent = vowel(rate_hz, 600);
        let snr = snr_db(&sent, &transmit(codec, rate_hz, &sent, |_| false), rate_hz);
        let least = match codec {
            Codec::Pcmu | Codec::Pcma => 35.0,
            Codec::G722 => 20.0,
            // Opus keeps the sound rather than the waveform.
            Codec::Opus => 5.0,
            Codec::G729 => unreachable!("it is not spoken"),
        };
        assert!(snr > least, "{codec:?} at {rate_hz} Hz: {snr} dB");
    }
}

#[test]
fn one_lost_frame_is_filled_with_sound_and_many_fade_away() {
    for (codec, rate_hz) in variants() {
        let sent = vowel(rate_hz, 1000);
        let frame = rate_hz as usize / 50;
        let heard = transmit(codec, rate_hz, &sent, |number| number == 20 || number >= 30);
        let level = |number: usize| power(&heard[number * frame..][..frame]) / power(&sent);
        assert!(level(20) > 0.2 && level(20) < 2.0, "{codec:?} at {rate_hz} Hz: {}", level(20));
        assert!(level(21) > 0.5 && level(21) < 3.0, "{codec:?} at {rate_hz} Hz: {}", level(21));
        assert!(level(45) < 0.02, "{codec:?} at {rate_hz} Hz: {}", level(45));
    }
}

#[test]
fn a_voice_is_concealed_without_clicks() {
    for (codec, rate_hz) in [(Codec::Pcma, 8000), (Codec::G722, 16_000)] {
        let sent = vowel(rate_hz, 1000);
        let steepest = |pcm: &[i16]| pcm.windows(2).map(|pair| i32::from(pair[0]).abs_diff(i32::from(pair[1]))).max().unwrap();
        let heard = transmit(codec, rate_hz, &sent, |number| number % 7 == 5);
        // G.722's predictor needs some samples to catch up with the sender's.
        let limit = if codec == Codec::G722 { 15 } else { 11 };
        assert!(steepest(&heard) * 10 < steepest(&sent) * limit, "{codec:?}: {}", steepest(&heard));
        let snr = snr_db(&sent, &heard, rate_hz);
        let least = if codec == Codec::G722 { 8.0 } else { 12.0 };
        assert!(snr > least, "{codec:?}: {snr} dB");
    }
}

/// A line that loses a tenth.
fn lossy_line() -> Adaptation {
    let mut line = Adaptation::default();
    line.reported(25);
    line
}

#[test]
fn opus_follows_its_line_and_leaves_out_pauses_where_that_is_wanted() {
    let limits = OpusLimits { fec: true, dtx: true, ..OpusLimits::default() };
    let mut encoder = Encoder::new(Codec::Opus).unwrap();
    encoder.limit(limits).unwrap();
    let mut narrow = Adaptation::default();
    (0..6).for_each(|_| narrow.reported(60));
    let voice = vowel(16_000, 2_000);
    let mut payload = [0; 1275];
    let mut bytes = |encoder: &mut Encoder, pcm: &[i16]| -> Vec<usize> {
        pcm.chunks_exact(320).map(|part| encoder.encode(part, &mut payload).unwrap()).collect()
    };
    let free: usize = bytes(&mut encoder, &voice).iter().sum();
    encoder.adapt(narrow).unwrap();
    let adapted: usize = bytes(&mut encoder, &voice).iter().sum();
    assert!(adapted * 10 < free * 7, "{free} bytes, and {adapted} on a narrow line");
    let pause = bytes(&mut encoder, &[0; 16_000]);
    let sent = pause.iter().filter(|bytes| !encoder.is_pause(**bytes)).count();
    assert!((2..25).contains(&sent), "of fifty packets of silence {sent} are sent");
    encoder.limit(OpusLimits { dtx: false, ..limits }).unwrap();
    assert!(bytes(&mut encoder, &[0; 16_000]).iter().all(|bytes| !encoder.is_pause(*bytes)));
}

#[test]
fn opus_keeps_to_what_the_far_side_takes() {
    let speech = Audio::from_wav_bytes(include_bytes!("testdata/speech-en.wav")).unwrap();
    let packets = |limits: Option<OpusLimits>| -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(Codec::Opus).unwrap();
        if let Some(limits) = limits {
            encoder.limit(limits).unwrap();
        }
        encoder.adapt(lossy_line()).unwrap();
        let encode = |part: &[i16]| {
            let mut payload = [0; 1275];
            let bytes = encoder.encode(part, &mut payload).unwrap();
            payload[..bytes].to_vec()
        };
        speech.pcm_16k.chunks_exact(320).map(encode).collect()
    };
    let bps = |packets: &[Vec<u8>]| packets.iter().map(Vec::len).sum::<usize>() * 8 * 50 / packets.len();
    // The configuration in the first byte says the band: SILK has four of each (RFC 6716 section 3.1).
    let band = |packets: &[Vec<u8>]| packets.iter().map(|packet| packet[0] >> 3).max().unwrap() / 4;
    let free = packets(Some(OpusLimits { fec: true, ..OpusLimits::default() }));
    assert!(free == packets(None), "ours are fewer than anybody's most");
    assert!(bps(&free) > 17_000 && band(&free) == 2, "{}", bps(&free));
    let fewer = packets(Some(OpusLimits { most_bps: 16_000, most_playback_hz: 16_000, fec: true, dtx: false }));
    assert!((9_000..16_000).contains(&bps(&fewer)) && band(&fewer) == 2, "{}", bps(&fewer));
    let narrow = packets(Some(OpusLimits { most_bps: 0, most_playback_hz: 8_000, fec: false, dtx: false }));
    assert!(bps(&narrow) <= 6_600 && band(&narrow) == 0, "{}", bps(&narrow));
    // Who cannot use copies gets none: there is more room for the voice.
    assert!(packets(Some(OpusLimits::default())) != free);
}

#[test]
fn opus_restores_a_frame_from_the_next_packet_better_than_it_guesses() {
    let speech = Audio::from_wav_bytes(include_bytes!("testdata/speech-en.wav")).unwrap();
    let frame = 320;
    let mut encoder = Encoder::new(Codec::Opus).unwrap();
    encoder.adapt(lossy_line()).unwrap();
    let packets: Vec<Vec<u8>> = speech
        .pcm_16k
        .chunks_exact(frame)
        .map(|part| {
            let mut payload = [0; 1275];
            let bytes = encoder.encode(part, &mut payload).unwrap();
            payload[..bytes].to_vec()
        })
        .collect();
    let mut error = [0.0, 0.0];
    for (way, error) in error.iter_mut().enumerate() {
        let mut whole = Decoder::new(Codec::Opus).unwrap();
        let mut lossy = Decoder::new(Codec::Opus).unwrap();
        for (number, packet) in packets.iter().enumerate() {
            let (mut expected, mut out) = ([0; 320], [0; 320]);
            whole.decode(packet, &mut expected).unwrap();
            match (number % 5 == 3, packets.get(number + 1)) {
                (true, Some(next)) if way == 1 => assert_eq!(lossy.recover(next, &mut out), frame),
                (true, _) => assert_eq!(lossy.conceal(&mut out), frame),
                (false, _) => assert_eq!(lossy.decode(packet, &mut out), Ok(frame)),
            }
            *error += expected.iter().zip(out).map(|(&x, y)| (f64::from(x) - f64::from(y)).powi(2)).sum::<f64>();
        }
    }
    assert!(error[1] < 0.8 * error[0], "guessed {:.3e}, restored {:.3e}", error[0], error[1]);
}

#[test]
fn opus_takes_its_frame_lengths_and_no_others() {
    let mut encoder = Encoder::new(Codec::Opus).unwrap();
    let mut payload = [0; 1275];
    for ms in [10, 20, 40, 60] {
        let bytes = encoder.encode(&vowel(16_000, ms), &mut payload).unwrap();
        let mut out = [0; 960];
        let samples = Decoder::new(Codec::Opus).unwrap().decode(&payload[..bytes], &mut out);
        assert_eq!(samples, Ok(16 * ms as usize), "{ms} ms");
    }
    for samples in [0, 1, 159, 321, 480, 640 * 3] {
        let refused = encoder.encode(&vec![0; samples], &mut payload);
        assert_eq!(refused, Err(CodecError::FrameLength { codec: Codec::Opus, samples }));
    }
    assert!(matches!(encoder.encode(&[0; 320], &mut []), Err(CodecError::OutputTooSmall { .. })));
}

#[test]
fn rates_a_codec_cannot_run_at_are_refused_with_those_it_can() {
    let refused = Encoder::with_rate(Codec::G722, 48_000).map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "G722 does not run at 48000 Hz; it offers [8000, 16000]");
    assert!(Decoder::with_rate(Codec::Pcmu, 16_000).is_err());
}

#[test]
fn an_empty_payload_is_lost_not_decoded() {
    for (codec, rate_hz) in variants() {
        let refused = Decoder::with_rate(codec, rate_hz).unwrap().decode(&[], &mut [0; 960]);
        assert_eq!(refused, Err(CodecError::Payload { codec, bytes: 0 }));
    }
}

/// The prompts that ship are made by a script: this catches one that went missing or came out silent.
#[test]
fn shipped_prompts_can_be_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialplans/prompts");
    let mut played = 0;
    for language in ["en", "it"] {
        let texts = std::fs::read_to_string(folder.join(format!("{language}.txt"))).unwrap();
        for line in texts.lines().filter(|line| !line.starts_with('#')) {
            let (name, _text) = line.split_once('\t').unwrap();
            let prompt = Audio::load(&folder.join(language).join(format!("{name}.wav"))).unwrap();
            let level_dbfs = 10.0 * (power(&prompt.pcm_16k) / f64::from(i16::MAX).powi(2)).log10();
            assert!((200..15_000).contains(&prompt.duration_ms), "{language}/{name}: {} ms", prompt.duration_ms);
            assert!((-24.0..-16.0).contains(&level_dbfs), "{language}/{name}: {level_dbfs} dBFS");
            played += 1;
        }
    }
    assert!(played > 300, "{played}");
    let music = Audio::load(&folder.join("music/hold.wav")).unwrap();
    assert_eq!(music.duration_ms, 24_000);
}

#[test]
fn legs_can_move_between_threads() {
    fn check<T: Send>() {}
    check::<Encoder>();
    check::<Decoder>();
    check::<Audio>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever arrives, whatever the buffer: an answer within the buffer, and the decoder goes on working.
    #[test]
    fn hostile_payloads_do_no_harm(
        packets in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..1500), 0..2000_usize, 0..3_u8), 1..12)
    ) {
        for (codec, rate_hz) in variants() {
            let mut decoder = Decoder::with_rate(codec, rate_hz).unwrap();
            for (payload, room, way) in &packets {
                let mut out = vec![0; *room];
                match way {
                    0 => prop_assert!(decoder.decode(payload, &mut out).map_or(true, |samples| samples <= *room)),
                    1 => prop_assert_eq!(decoder.conceal(&mut out), *room),
                    _ => prop_assert_eq!(decoder.recover(payload, &mut out), *room),
                }
            }
            let mut encoder = Encoder::with_rate(codec, rate_hz).unwrap();
            let mut payload = vec![0; codec.max_payload_bytes(20)];
            let frame = rate_hz as usize / 50;
            let bytes = encoder.encode(&vowel(rate_hz, 20), &mut payload).unwrap();
            prop_assert_eq!(decoder.decode(&payload[..bytes], &mut vec![0; frame]), Ok(frame));
        }
    }

    #[test]
    fn any_sound_is_encoded_within_its_bounds(sound in prop::collection::vec(any::<i16>(), 960)) {
        for (codec, rate_hz) in variants() {
            let mut encoder = Encoder::with_rate(codec, rate_hz).unwrap();
            let mut payload = vec![0; codec.max_payload_bytes(20)];
            let bytes = encoder.encode(&sound[..rate_hz as usize / 50], &mut payload).unwrap();
            prop_assert!(bytes <= codec.max_payload_bytes(20));
        }
    }
}
