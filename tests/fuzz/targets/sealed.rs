//! A sealed file that somebody changed: what opens is the begin of what was sealed, or nothing.
#![no_main]

use std::{
    io::{Cursor, Read as _, Seek as _, SeekFrom, Write as _},
    sync::Arc,
};

use libfuzzer_sys::fuzz_target;
use tandem_media::archive::sealed::{Key, Reader, SEED_BYTES, Writer};

fuzz_target!(|bytes: &[u8]| {
    let key = Arc::new(Key::new(&[7; 32]).expect("a key"));
    let Some((&[kind, from], changes)) = bytes.split_first_chunk::<2>() else { return };
    let clear: Vec<u8> = (0..300u16).map(|at| at.to_be_bytes()[1]).collect();
    let record_bytes = if kind & 1 == 0 { 0 } else { 64 };
    let mut writer = Writer::new(Vec::new(), &key, &[3; SEED_BYTES], record_bytes).expect("memory");
    for part in clear.chunks(50) {
        writer.write_all(part).expect("memory");
        writer.flush().expect("memory");
    }
    let mut file = writer.finish().expect("memory");
    // Each change: what, where, and with what.
    for change in changes.chunks_exact(3) {
        let at = usize::from(change[1]) * 2 % file.len().max(1);
        match change[0] % 4 {
            0 if at < file.len() => file[at] ^= change[2],
            1 => file.truncate(at),
            2 => file.extend_from_slice(&[change[2]; 3]),
            _ if at < file.len() => file.rotate_left(at),
            _ => {}
        }
    }
    let mut out = Vec::new();
    if let Ok(mut reader) = Reader::new(&file[..], &[Arc::clone(&key)]) {
        let whole = reader.read_to_end(&mut out).is_ok() && reader.is_whole();
        assert!(clear.starts_with(&out));
        assert!(!whole || out == clear);
    }
    if let Ok(mut reader) = Reader::at_any_place(Cursor::new(&file), &[key]) {
        let from = u64::from(from);
        if reader.seek(SeekFrom::Start(from)).is_ok() {
            let mut rest = Vec::new();
            let _ = reader.read_to_end(&mut rest);
            assert!(clear[usize::from(bytes[1])..].starts_with(&rest));
        }
    }
    // Bytes of any origin.
    let _ = Reader::new(bytes, &[]);
});
