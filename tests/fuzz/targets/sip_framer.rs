//! A stream cut in two ways gives the same messages, or breaks in both.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tandem_signaling::message::{Frame, Framer};

fuzz_target!(|bytes: &[u8]| {
    let Some((size, stream)) = bytes.split_first() else { return };
    let whole = cut(std::iter::once(stream));
    let pieces = cut(stream.chunks(usize::from(*size).max(1)));
    assert_eq!(whole, pieces);
    assert!(whole.0.iter().map(Bytes::len).sum::<usize>() <= stream.len());
});

/// The messages, and whether the stream broke.
fn cut<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Bytes>, bool) {
    let mut framer = Framer::new(4096);
    let mut found = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(bytes))) => found.push(bytes),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}
