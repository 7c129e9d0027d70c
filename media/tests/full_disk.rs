//! A disk that is full in the middle of a recording, as a limit of the length of files: the recording says so, the call
//! goes on.

mod support;

use std::{path::PathBuf, process::Command as Process};

use support::Bench;
use tandem_media::{
    codec::Codec,
    contract::{Command, Event},
};

/// Set in the process that has the limit.
const LIMITED: &str = "TANDEM_TEST_LIMITED";

simulated_clock!(FULL, full);
#[test]
fn a_full_disk_fails_the_recording_and_nothing_else() {
    if std::env::var_os(LIMITED).is_none() {
        // A shell that ignores the signal hands that on: writing fails then, as it does on a full disk.
        let name = "a_full_disk_fails_the_recording_and_nothing_else";
        let status = Process::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact --nocapture \"$1\""])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .env(LIMITED, "1")
            .status();
        return assert!(status.unwrap().success());
    }
    let mut bench = Bench::new(41, full);
    let (mut a, b) = (bench.phone(Codec::Pcmu), bench.phone(Codec::Pcmu));
    bench.join(&a, &b);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("full-{}.wav", std::process::id()));
    let _not_there = std::fs::remove_file(&path);
    bench.command(Command::Record { recording: 9, path: path.clone(), key: None, left: a.stream, right: Some(b.stream) });
    for _ in 0..250 {
        a.send_tone(440.0);
        b.receive();
        FULL.advance_ms(20);
    }
    let error = bench.event(|event| match event {
        Event::RecordFailed { recording: 9, error } => Some(error.clone()),
        Event::Recorded { .. } => panic!("it cannot be complete"),
        _ => None,
    });
    assert!(error.to_lowercase().contains("too large"), "{error}");
    for _ in 0..10 {
        a.send_tone(440.0);
        b.receive();
        FULL.advance_ms(20);
    }
    bench.command(Command::StopRecord { recording: 9 });
    assert!(std::fs::metadata(&path).unwrap().len() > 16_000, "what was written is there");
    std::fs::remove_file(path).unwrap();
}
