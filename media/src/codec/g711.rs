//! G.711 µ-law and A-law (ITU-T G.711, 11/1988), by tables built at compile time.
//!
//! The decision levels are those of the Recommendation on 14-bit (µ-law) and 13-bit (A-law) samples,
//! so a code decoded and encoded again stays itself, except µ-law 0x7F: "minus zero" becomes plus zero.

use super::CodecError;

/// Linear value, scaled to 16 bits, of each µ-law code.
pub(super) static ULAW_DECODE: [i16; 256] = ulaw_decode_table();
/// Linear value, scaled to 16 bits, of each A-law code.
pub(super) static ALAW_DECODE: [i16; 256] = alaw_decode_table();
/// µ-law code of each 14-bit sample.
pub(super) static ULAW_ENCODE: EncodeTable<16384> = EncodeTable(ulaw_encode_table());
/// A-law code of each 13-bit sample. (The Recommendation's A-law has one magnitude bit less: bit 0 is free.)
pub(super) static ALAW_ENCODE: EncodeTable<8192> = EncodeTable(alaw_encode_table());

/// Codes by the topmost bits of a sample, `SIZE` being a power of two.
pub(super) struct EncodeTable<const SIZE: usize>([u8; SIZE]);

/// Encode sample by sample; gives the number of bytes written.
pub(super) fn encode<const SIZE: usize>(table: &EncodeTable<SIZE>, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
    let have = out.len();
    let out = out.get_mut(..pcm.len()).ok_or(CodecError::OutputTooSmall { needed: pcm.len(), have })?;
    let shift = 16 - SIZE.ilog2();
    for (code, &sample) in out.iter_mut().zip(pcm) {
        *code = table.0[usize::from(sample.cast_unsigned() >> shift)];
    }
    Ok(pcm.len())
}

/// Decode byte by byte; gives the number of samples written.
pub(super) fn decode(table: &[i16; 256], payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
    let have = out.len();
    let out = out.get_mut(..payload.len()).ok_or(CodecError::OutputTooSmall { needed: payload.len(), have })?;
    for (sample, &code) in out.iter_mut().zip(payload) {
        *sample = table[usize::from(code)];
    }
    Ok(payload.len())
}

/// Table 2 of the Recommendation: sign, 3-bit chord, 4-bit step, all bits inverted on the line; each chord
/// doubles the step and the bias of 33 (of 8192) makes chords meet.
#[expect(clippy::cast_possible_truncation, reason = "the index is below 256")]
const fn ulaw_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8);
        let chord = (bits >> 4) & 7;
        let magnitude = ((((bits & 15) as i16) * 2 + 33) << chord) - 33;
        table[code] = 4 * if bits & 0x80 == 0 { magnitude } else { -magnitude };
        code += 1;
    }
    table
}

/// Table 1 of the Recommendation: sign, 3-bit chord, 4-bit step, even bits inverted on the line (0x55);
/// the two lowest chords share one step size.
#[expect(clippy::cast_possible_truncation, reason = "the index is below 256")]
const fn alaw_decode_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = (code as u8) ^ 0x55;
        let chord = (bits >> 4) & 7;
        let step = ((bits & 15) as i16) * 2 + 1;
        let magnitude = if chord == 0 { step } else { (step + 32) << (chord - 1) };
        table[code] = 8 * if bits & 0x80 == 0 { -magnitude } else { magnitude };
        code += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "a chord is at most 7, a step at most 15")]
const fn ulaw_encode_table() -> [u8; 16384] {
    let mut table = [0; 16384];
    let mut index = 0;
    while index < 8192 {
        // The magnitude of a negative sample is its one's complement, so -1 falls beside 0.
        let biased = if index + 33 > 8191 { 8191 } else { index + 33 } as u32;
        let chord = biased.ilog2() - 5;
        let code = !(((chord << 4) | ((biased >> (chord + 1)) & 15)) as u8);
        table[index] = code;
        table[16383 - index] = code & 0x7F;
        index += 1;
    }
    table
}

#[expect(clippy::cast_possible_truncation, reason = "a chord is at most 7, a step at most 15")]
const fn alaw_encode_table() -> [u8; 8192] {
    let mut table = [0; 8192];
    let mut index = 0;
    while index < 4096 {
        let magnitude = (index >> 1) as u32;
        let code = if magnitude < 16 {
            magnitude
        } else {
            let chord = magnitude.ilog2() - 3;
            (chord << 4) | ((magnitude >> (chord - 1)) & 15)
        } as u8;
        table[index] = (code | 0x80) ^ 0x55;
        table[8191 - index] = code ^ 0x55;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<const SIZE: usize>(encode_table: &EncodeTable<SIZE>, decode_table: &[i16; 256], code: u8) -> u8 {
        let mut pcm = [0; 1];
        let mut back = [0; 1];
        decode(decode_table, &[code], &mut pcm).unwrap();
        encode(encode_table, &pcm, &mut back).unwrap();
        back[0]
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for code in 0..=255 {
            assert_eq!(round_trip(&ALAW_ENCODE, &ALAW_DECODE, code), code, "A-law {code:#x}");
            let expected = if code == 0x7F { 0xFF } else { code };
            assert_eq!(round_trip(&ULAW_ENCODE, &ULAW_DECODE, code), expected, "µ-law {code:#x}");
        }
    }

    /// Decoder output values at the ends of chords, from tables 1a and 2a of the Recommendation.
    #[test]
    fn codes_have_the_values_of_the_recommendation() {
        for (code, value) in [(0xFF_usize, 0), (0x80, 8031), (0x8F, 4191), (0x90, 3999), (0xEF, 33), (0xFE, 2), (0x00, -8031)] {
            assert_eq!(ULAW_DECODE[code], value * 4, "µ-law {code:#x}");
        }
        for (code, value) in [(0xD5_usize, 1), (0xD4, 3), (0x55, -1), (0xAA, 4032), (0xA5, 2112), (0x2A, -4032), (0xC5, 33)] {
            assert_eq!(ALAW_DECODE[code], value * 8, "A-law {code:#x}");
        }
    }

    /// Tables 5 and 6: these eight codes, repeated, are a 1 kHz sine at 0 dBm0.
    #[test]
    fn the_digital_milliwatt_is_a_sine() {
        let alaw = [0x34, 0x21, 0x21, 0x34, 0xB4, 0xA1, 0xA1, 0xB4].map(|code: usize| f64::from(ALAW_DECODE[code]));
        let ulaw = [0x1E, 0x0B, 0x0B, 0x1E, 0x9E, 0x8B, 0x8B, 0x9E].map(|code: usize| f64::from(ULAW_DECODE[code]));
        for wave in [alaw, ulaw] {
            let power = wave.iter().map(|x| x * x).sum::<f64>() / 8.0;
            let dbm0 = 10.0 * (power / (32768.0 * 32768.0 / 2.0)).log10() + 3.15;
            assert!(dbm0.abs() < 0.1, "{dbm0}");
            let peak = (power * 2.0).sqrt();
            for (n, &x) in wave.iter().enumerate() {
                let phase = -std::f64::consts::PI / 4.0 * (n as f64 + 0.5);
                assert!((peak * phase.sin() - x).abs() < 0.03 * peak, "{n}: {x}");
            }
        }
    }

    #[test]
    fn encoding_picks_the_nearest_code() {
        let mut code = [0; 1];
        for sample in i16::MIN..=i16::MAX {
            for (decode_table, law) in [(&ULAW_DECODE, 'u'), (&ALAW_DECODE, 'A')] {
                let written = if law == 'u' {
                    encode(&ULAW_ENCODE, &[sample], &mut code)
                } else {
                    encode(&ALAW_ENCODE, &[sample], &mut code)
                };
                assert_eq!(written, Ok(1));
                let error = (i32::from(decode_table[usize::from(code[0])]) - i32::from(sample)).abs();
                // Half a step of the chord: at most 1/33 of the magnitude, and 16 in the lowest chords.
                let clipped = i32::from(sample).abs().saturating_sub(32124).max(0);
                assert!(error <= 16 + i32::from(sample).abs() / 32 + clipped, "{law} {sample}: off by {error}");
            }
        }
    }

    #[test]
    fn a_small_buffer_is_refused() {
        let refused = decode(&ULAW_DECODE, &[0; 161], &mut [0; 160]);
        assert_eq!(refused, Err(CodecError::OutputTooSmall { needed: 161, have: 160 }));
        let refused = encode(&ALAW_ENCODE, &[0; 2], &mut [0; 1]);
        assert_eq!(refused, Err(CodecError::OutputTooSmall { needed: 2, have: 1 }));
    }
}
