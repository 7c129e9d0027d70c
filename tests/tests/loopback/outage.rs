//! The database is away under load: PostgreSQL stopped, or the disk of SQLite full. Calls and waiting go on, it is said loudly, and
//! when it is back everything is written once. What clients outside were told is held against the tables.
//!
//! `make outage SECONDS=60` is the long form.

use std::{env, fs, path::Path, process::Command};

use tandem_tests::switch::program;

fn outage(what: &str, net: &str) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load/outage.py");
    let seconds = env::var("TANDEM_OUTAGE_SECONDS").unwrap_or_else(|_| "8".to_owned());
    let out = Command::new("python3")
        .arg(script)
        .arg("--program")
        .arg(program())
        .args(["--what", what, "--seconds", &seconds, "--seed", "5", "--net", net])
        .output()
        .expect("python3 is there");
    let (told, trouble) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    println!("{}", told.trim());
    assert!(out.status.success(), "{trouble}");
}

#[test]
fn calls_go_on_without_postgresql_and_all_is_written_once_when_it_is_back() {
    outage("postgresql", "127.77.3");
}

#[test]
fn calls_go_on_while_the_disk_is_full_and_nothing_that_was_acknowledged_is_lost() {
    // A file system of its own is for root to mount.
    if fs::read_to_string("/proc/self/status").expect("Linux").contains("\nUid:\t0\t") {
        outage("disk", "127.77.4");
    }
}
