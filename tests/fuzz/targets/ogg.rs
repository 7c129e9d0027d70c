//! An Ogg file of Opus, as recordings are read back before their capture goes: one that was written, changed anywhere, with
//! the sums of its pages put right again, since no fuzzer finds a sum by itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_media::archive::ogg;

fuzz_target!(|bytes: &[u8]| {
    look(bytes);
    let Some((&[packets, changes], rest)) = bytes.split_first_chunk::<2>() else { return };
    let (changes, body) = rest.split_at((usize::from(changes) * 4).min(rest.len()));
    let mut file = written(packets, body);
    for change in changes.chunks_exact(4) {
        let at = usize::from(u16::from_be_bytes([change[1], change[2]])) % file.len().max(1);
        match change[0] % 4 {
            0 | 1 if at < file.len() => file[at] ^= change[3],
            2 => file.truncate(at),
            _ => file.insert(at.min(file.len()), change[3]),
        }
    }
    put_sums_right(&mut file);
    look(&file);
});

fn look(bytes: &[u8]) {
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
}

/// A whole file with so many packets of these bytes.
fn written(packets: u8, body: &[u8]) -> Vec<u8> {
    let mut pages = ogg::Writer::new(Vec::new(), 7);
    let mut head = b"OpusHead\x01\x02\x38\x01".to_vec();
    head.extend(8_000u32.to_le_bytes());
    head.extend([0, 0, 0]);
    pages.packet(&head, 0).expect("memory");
    pages.end_page(false).expect("memory");
    pages.packet(b"OpusTags\x06\0\0\0tandem\0\0\0\0", 0).expect("memory");
    pages.end_page(false).expect("memory");
    for number in 0..u64::from(packets) {
        let length = body.len() / (usize::from(packets) + 1);
        let from = usize::try_from(number).expect("small") * length;
        pages.packet(&body[from..from + length], (number + 1) * 960).expect("memory");
    }
    pages.finish(u64::from(packets) * 960).expect("memory")
}

fn put_sums_right(file: &mut [u8]) {
    let mut at = 0;
    while at + 27 <= file.len() {
        if &file[at..at + 4] != b"OggS" {
            at += 1;
            continue;
        }
        let segments = usize::from(file[at + 26]);
        let Some(table) = file.get(at + 27..at + 27 + segments) else { return };
        let end = at + 27 + segments + table.iter().map(|&bytes| usize::from(bytes)).sum::<usize>();
        let Some(page) = file.get_mut(at..end) else { return };
        page[22..26].fill(0);
        let sum = sum(page).to_le_bytes();
        page[22..26].copy_from_slice(&sum);
        at = end;
    }
}

/// RFC 3533 section 6: CRC with the polynomial 0x04c11db7, from 0, not reflected.
fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| sum << 1 ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    })
}
