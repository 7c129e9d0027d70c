//! What a sealed file gives back, and what it notices.

use std::io::Cursor;

use super::*;

fn key(byte: u8) -> Arc<Key> {
    Arc::new(Key::new(&[byte; KEY_BYTES]).unwrap())
}

fn sealed(bytes: &[u8], record_bytes: u32) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &key(1), &[9; SEED_BYTES], record_bytes).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn opened(file: &[u8]) -> io::Result<Vec<u8>> {
    let mut reader = Reader::new(file, &[key(1)])?;
    let mut out = Vec::new();
    reader.read_to_end(&mut out).map(|_| out)
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn what_was_sealed_opens_at_any_place() {
    for size in [0, 1, 99, 100, 101, 200, 950] {
        let (clear, file) = (pattern(size), sealed(&pattern(size), 100));
        assert_eq!(opened(&file).unwrap(), clear);
        let mut reader = Reader::at_any_place(Cursor::new(&file), &[key(2), key(1)]).unwrap();
        assert_eq!(reader.size_bytes(), size as u64);
        for from in [0, 1, 99, 100, 101, 199, 200, size].into_iter().filter(|&from| from <= size) {
            reader.seek(SeekFrom::Start(from as u64)).unwrap();
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, clear[from..], "{size} from {from}");
        }
    }
}

#[test]
fn nothing_clear_is_in_it() {
    let file = sealed(&[0x55; 5_000], 100);
    assert!(!file.windows(8).any(|eight| eight == [0x55; 8]));
}

#[test]
fn any_change_is_noticed() {
    let file = sealed(&pattern(250), 100);
    for at in 0..file.len() {
        let mut bad = file.clone();
        bad[at] ^= 1;
        assert!(opened(&bad).is_err(), "{at}");
    }
    for cut in 0..file.len() {
        assert!(opened(&file[..cut]).is_err(), "{cut}");
        assert!(Reader::at_any_place(Cursor::new(&file[..cut]), &[key(1)]).is_err(), "{cut}");
    }
    let mut longer = file.clone();
    longer.push(0);
    assert!(Reader::at_any_place(Cursor::new(&longer), &[key(1)]).is_err());
}

#[test]
fn records_that_are_exchanged_or_left_out_are_noticed() {
    let file = sealed(&pattern(300), 100);
    let record = |n: usize| HEAD_BYTES + n * 120..HEAD_BYTES + (n + 1) * 120;
    let exchanged = [&file[..HEAD_BYTES], &file[record(1)], &file[record(0)], &file[record(2)]].concat();
    let left_out = [&file[..HEAD_BYTES], &file[record(0)], &file[record(2)]].concat();
    assert!(opened(&exchanged).is_err() && opened(&left_out).is_err());
    let head_of_another = Writer::new(Vec::new(), &key(1), &[8; SEED_BYTES], 100).unwrap().finish().unwrap();
    assert!(opened(&[&head_of_another[..HEAD_BYTES], &file[HEAD_BYTES..]].concat()).is_err());
}

#[test]
fn a_capture_that_was_cut_loses_what_was_not_flushed_and_no_more() {
    let mut writer = Writer::new(Vec::new(), &key(1), &[9; SEED_BYTES], 0).unwrap();
    let mut ends = vec![writer.out.len()];
    for n in 1..=3u8 {
        writer.write_all(&[n; 10]).unwrap();
        writer.flush().unwrap();
        ends.push(writer.out.len());
    }
    writer.write_all(&[9; 10]).unwrap();
    let file = writer.out.clone();
    for cut in HEAD_BYTES..=file.len() {
        let mut reader = Reader::new(&file[..cut], &[key(1)]).unwrap();
        let mut out = Vec::new();
        reader.read_to_end(&mut out).unwrap();
        assert_eq!(out.len(), 10 * ends[1..].iter().filter(|&&end| end <= cut).count(), "cut at {cut}");
        assert!(!reader.is_whole());
    }
    let whole = writer.finish().unwrap();
    let mut reader = Reader::new(&whole[..], &[key(1)]).unwrap();
    reader.read_to_end(&mut Vec::new()).unwrap();
    assert!(reader.is_whole());
}

#[test]
fn another_key_is_named() {
    let error = Reader::new(&sealed(b"a", 100)[..], &[key(2)]).unwrap_err().to_string();
    let (one, two) = (key(1).id(), key(2).id());
    assert_eq!(error, format!("it is sealed with key {one}, and the configured keys are {two}"));
    let clear = Reader::new(&b"RIFF and more"[..], &[key(1)]).unwrap_err().to_string();
    assert_eq!(clear, "it is not sealed");
}
