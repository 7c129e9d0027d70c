//! An Ogg file of Opus, as recordings are read back before their capture goes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_media::archive::ogg;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let mut pages = 0;
    while let Ok(Some(page)) = ogg::read_page(&mut rest) {
        pages += 1;
        assert!(page.packets.iter().map(Vec::len).sum::<usize>() <= 255 * 255);
    }
    assert!(pages * 27 <= bytes.len());
    if let Ok(opus) = ogg::inspect(bytes) {
        assert!(matches!(opus.channels, 1 | 2));
    }
});
