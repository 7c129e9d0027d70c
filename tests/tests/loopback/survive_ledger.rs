//! `kill -9` with a ledger outside of what was acknowledged, by `tests/load/kill_ledger.py`; `TANDEM_KILLS` says how often.

use std::{path::Path, process::Command};

use tandem_tests::{ground::Ground, postgres::Database, switch::program};

const KILLS: &str = "6";
/// Beside five other tests a call is written down later than on a machine of its own.
const UP_S: &str = "4";

/// Runs a script of `tests/load` against a switch of its own, on addresses that nobody else has.
fn script(name: &str, arguments: &[&str]) {
    let ground = Ground::new();
    let (net, _) = ground.ip.to_string().rsplit_once('.').map(|(net, last)| (net.to_owned(), last.to_owned())).expect("IPv4");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("load").join(name);
    let out = Command::new("python3")
        .arg(path)
        .arg("--program")
        .arg(program())
        .args(["--net", &net])
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python3 is installed");
    let told = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{name}: {}\n{told}", out.status);
    println!("{told}");
}

fn kills() -> String {
    std::env::var("TANDEM_KILLS").unwrap_or_else(|_| KILLS.to_owned())
}

#[test]
fn nothing_acknowledged_is_lost_on_sqlite() {
    script("kill_ledger.py", &["--kills", &kills(), "--up", UP_S]);
}

#[test]
fn nothing_acknowledged_is_lost_on_postgresql() {
    let database = Database::new("ledger");
    script("kill_ledger.py", &["--kills", &kills(), "--up", UP_S, "--database", &database.url()]);
}
