//! WAV files: captures, which may be cut anywhere, and prompts of any make.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use tandem_media::{
    archive::{capture, finish, peaks},
    codec::Audio,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(seen) = finish::look(bytes) {
        assert!(seen.pairs * 4 <= bytes.len() as u64 && seen.waveform.peaks.len() <= peaks::MAX_SPELLS);
        let copy = finish::write(bytes, Vec::new(), finish::Format::Wav, &seen, 0).expect("what was seen is there");
        finish::verify(&copy[..], finish::Format::Wav, &seen).expect("what was written is there");
    }
    let mut file = Cursor::new(bytes.to_vec());
    if capture::mend(&mut file).is_ok() {
        assert_eq!(file.get_ref().len(), bytes.len());
    }
    let _ = Audio::from_wav_bytes(bytes);
});
