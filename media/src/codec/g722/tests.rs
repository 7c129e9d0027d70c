use super::*;

/// Vectors made with an independent implementation (libspandsp 2) from speech, two tones, white noise and a
/// square wave, and from the codes of noise in bursts with every 37th byte replaced. All stay below full
/// scale: that implementation wraps around there, where the Recommendation limits.
const INPUT: &[u8] = include_bytes!("../testdata/g722-input.s16le");
const ENCODED: &[u8] = include_bytes!("../testdata/g722-encoded.bin");
const DECODED: &[u8] = include_bytes!("../testdata/g722-decoded.s16le");
const NARROW_DECODED: &[u8] = include_bytes!("../testdata/g722-narrow-decoded.s16le");
const WITH_ERRORS: &[u8] = include_bytes!("../testdata/g722-errors.bin");
const WITH_ERRORS_DECODED: &[u8] = include_bytes!("../testdata/g722-errors-decoded.s16le");

fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.as_chunks().0.iter().map(|&pair| i16::from_le_bytes(pair)).collect()
}

/// Encode in frames of `frame` samples.
fn encode(encoder: &mut Encoder, pcm: &[i16], frame: usize) -> Vec<u8> {
    let mut codes = Vec::new();
    for part in pcm.chunks(frame) {
        let mut out = vec![0; part.len()];
        let written = encoder.encode(part, &mut out).unwrap();
        codes.extend_from_slice(&out[..written]);
    }
    codes
}

/// Decode in frames of `frame` bytes.
fn decode(decoder: &mut Decoder, codes: &[u8], frame: usize) -> Vec<i16> {
    let mut pcm = Vec::new();
    for part in codes.chunks(frame) {
        let mut out = vec![0; part.len() * 2];
        let written = decoder.decode(part, &mut out).unwrap();
        pcm.extend_from_slice(&out[..written]);
    }
    pcm
}

#[test]
fn encodes_bit_exactly_in_frames_of_any_length() {
    for frame in [2, 160, 320, 998] {
        let codes = encode(&mut Encoder::new(16_000), &samples(INPUT), frame);
        let wrong = codes.iter().zip(ENCODED).position(|(ours, theirs)| ours != theirs);
        assert_eq!((codes.len(), wrong), (ENCODED.len(), None), "frames of {frame}");
    }
}

#[test]
fn decodes_bit_exactly_in_frames_of_any_length() {
    for frame in [1, 160, 499] {
        for (codes, expected) in [(ENCODED, DECODED), (WITH_ERRORS, WITH_ERRORS_DECODED)] {
            let pcm = decode(&mut Decoder::new(16_000), codes, frame);
            let expected = samples(expected);
            let wrong = pcm.iter().zip(&expected).position(|(ours, theirs)| ours != theirs);
            assert_eq!((pcm.len(), wrong), (expected.len(), None), "frames of {frame}");
        }
    }
}

#[test]
fn the_lower_band_alone_decodes_bit_exactly() {
    let pcm = decode(&mut Decoder::new(8000), ENCODED, 160);
    assert_eq!(pcm, samples(NARROW_DECODED));
}

#[test]
fn narrowband_speech_passes_to_a_wideband_listener() {
    let tone: Vec<i16> = (0..8000).map(|n| crate::codec::round_to_sample(8000.0 * (0.7 * f64::from(n)).sin())).collect();
    let codes = encode(&mut Encoder::new(8000), &tone, 160);
    let wide = decode(&mut Decoder::new(16_000), &codes, 160);
    let power = |pcm: &[i16]| pcm.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / pcm.len() as f64;
    let change_db = 10.0 * (power(&wide[1600..]) / power(&tone)).log10();
    assert!(change_db.abs() < 0.5, "{change_db}");
}

#[test]
fn full_scale_is_limited_and_does_not_wrap_around() {
    let square: Vec<i16> = (0..3200).map(|n| if n / 16 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let codes = encode(&mut Encoder::new(16_000), &square, 320);
    let pcm = decode(&mut Decoder::new(16_000), &codes, 160);
    // The middle of each half wave, 22 samples late by both mirror filters.
    for (n, x) in pcm.iter().enumerate().skip(640) {
        let place = (n - 22) % 32;
        if place % 16 == 8 {
            assert_eq!(*x > 0, place < 16, "sample {n}: {x}");
            assert!(x.unsigned_abs() > 25_000, "sample {n}: {x}");
        }
    }
}

#[test]
fn silence_stays_silent() {
    let codes = encode(&mut Encoder::new(16_000), &[0; 3200], 320);
    let pcm = decode(&mut Decoder::new(16_000), &codes, 160);
    assert!(pcm.iter().all(|x| x.abs() < 16));
}

#[test]
fn odd_frames_and_small_buffers_are_refused() {
    let mut out = [0; 160];
    let odd = Encoder::new(16_000).encode(&[0; 319], &mut out);
    assert_eq!(odd, Err(CodecError::FrameLength { codec: Codec::G722, samples: 319 }));
    let small = Encoder::new(16_000).encode(&[0; 322], &mut out);
    assert_eq!(small, Err(CodecError::OutputTooSmall { needed: 161, have: 160 }));
    let small = Decoder::new(16_000).decode(&[0; 160], &mut [0; 160]);
    assert_eq!(small, Err(CodecError::OutputTooSmall { needed: 320, have: 160 }));
}

#[test]
fn following_the_guess_at_a_loss_leaves_less_damage() {
    let pcm = crate::codec::Audio::from_wav_bytes(include_bytes!("../testdata/speech-en.wav")).unwrap().pcm_16k;
    let codes = encode(&mut Encoder::new(16_000), &pcm, 320);
    let clean = decode(&mut Decoder::new(16_000), &codes, 160);
    let damage = |follow: bool| {
        let mut decoder = Decoder::new(16_000);
        let mut concealer = crate::codec::Concealer::new(16_000);
        let mut damage = 0.0;
        for (number, (part, clean)) in codes.chunks_exact(160).zip(clean.chunks_exact(320)).enumerate() {
            let mut out = [0; 320];
            if number % 10 == 4 {
                concealer.lost(&mut out);
                if follow {
                    decoder.follow(&out);
                }
            } else {
                decoder.decode(part, &mut out).unwrap();
                concealer.received(&mut out);
                damage += clean.iter().zip(out).map(|(&x, y)| (f64::from(x) - f64::from(y)).powi(2)).sum::<f64>();
            }
        }
        damage
    };
    let (idle, following) = (damage(false), damage(true));
    assert!(following < 0.9 * idle, "{idle:.3e} idle, {following:.3e} following");
}
