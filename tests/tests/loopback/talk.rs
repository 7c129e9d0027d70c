//! Calls that talk with everything on, for a while.

/// The two-minute form of `make talk`: SRTP on both sides, a notice, each conversation recorded. No packet is lost, memory stays
/// where it is, and each recording is there in its length.
#[test]
fn calls_talk_for_two_minutes_with_everything_on() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/load/talk.py");
    let program = tandem_tests::switch::program();
    let out = std::process::Command::new("python3")
        .args([script, "--calls", "10", "--minutes", "2", "--program"])
        .arg(program)
        .output()
        .expect("python3 is installed (docker/packages.sh test)");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    let row: serde_json::Value = serde_json::from_str(text.trim()).expect("a line of JSON");
    assert_eq!(
        (&row["up"], &row["lost"], &row["recordings"], &row["short"]),
        (&10.into(), &0.into(), &10.into(), &0.into()),
        "{row}"
    );
}
