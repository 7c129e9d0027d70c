//! Recordings from the conversation to who listens: Opus and WAV, sealed, paused, through a kill.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tandem_media::archive::{ogg, sealed};
use tandem_tests::{ground::Ground, phone::Phone, switch::Switch, tone, tone::Heard, wait};

use super::TEAM;

const CALLER_HZ: f64 = 600.0;
const OTHER_HZ: f64 = 1_400.0;
const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Colleagues are recorded, as these settings say.
fn start(settings: &str) -> Switch {
    let ground = Ground::new();
    let plan = TEAM.replace("ring=\"3s\" {", "ring=\"3s\" record=#true {");
    let config = ground.plan(&format!("{plan}\nrecordings {{\n{settings}\n}}\n"));
    fs::write(config.join("recording.key"), KEY).expect("a writable folder");
    Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060)
}

/// Two colleagues who talk, each with their own tone; and their call.
fn talk(switch: &Switch) -> (Phone, Phone, String) {
    let mut caller = Phone::of(switch, "1001").hz(CALLER_HZ).start(switch);
    let mut other = Phone::of(switch, "1002").hz(OTHER_HZ).start(switch);
    caller.dial("1002");
    other.expect("CALL_INCOMING");
    other.accept();
    let call = switch.until_call("1001", "talking");
    let call = call["call"].as_str().expect("a name").to_owned();
    caller.until_heard(OTHER_HZ, 1.0);
    (caller, other, call)
}

/// The recordings of a call, the first one first, when each is in one of these states.
fn until_states(switch: &Switch, call: &str, states: &[&str]) -> Vec<Value> {
    let limit = Duration::from_secs(60);
    wait::until(&format!("the recordings are {states:?}"), limit, || {
        let mut rows = switch.get(&format!("/recordings?call={call}"))["recordings"].as_array().expect("a list").clone();
        rows.reverse();
        let is_done = |row: &Value| row["size_bytes"].is_u64();
        (rows.iter().map(|row| row["state"].as_str().unwrap_or("")).eq(states.iter().copied()) && rows.iter().all(is_done))
            .then_some(rows)
    })
}

fn name(row: &Value) -> &str {
    row["recording"].as_str().expect("a name")
}

/// What others make of an Ogg file: whether `opusinfo` finds nothing wrong, and the two sides by `opusdec`.
fn decode(folder: &Path, file: &[u8]) -> [Heard; 2] {
    let (opus, wav) = (folder.join("a.opus"), folder.join("a.wav"));
    fs::write(&opus, file).expect("a writable folder");
    let info = Command::new("opusinfo").arg(&opus).output().expect("opus-tools are installed");
    let text = String::from_utf8_lossy(&info.stdout).into_owned() + &String::from_utf8_lossy(&info.stderr);
    assert!(info.status.success() && !text.to_lowercase().contains("warning"), "{text}");
    let decoded = Command::new("opusdec").args(["--quiet", "--rate", "16000"]).args([&opus, &wav]).status();
    assert!(decoded.expect("opus-tools are installed").success());
    [0, 1].map(|side| tone::read(&wav, side))
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map_while(Result::ok) {
        let path = entry.path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

#[test]
fn a_sealed_recording_pauses_leaves_no_clear_audio_and_is_heard_again() {
    let switch = start("format \"opus\"\nkey \"file:recording.key\"");
    let (mut caller, mut other, call) = talk(&switch);
    switch.post(&format!("/calls/{call}/recording"), &json!({ "action": "pause" }));
    assert_eq!(switch.get(&format!("/calls/{call}"))["recording"], "paused");
    // The pause holds through hold.
    other.hold();
    switch.until_call("1001", "hold");
    other.resume();
    switch.until_call("1001", "talking");
    let before = caller.heard().seconds();
    wait::until_true("they talk in the pause", || caller.heard().after(before).seconds_of(OTHER_HZ) >= 1.0);
    switch.cli(&["calls", "resume-recording", &call]);
    assert_eq!(switch.get(&format!("/calls/{call}"))["recording"], "on");
    let before = caller.heard().seconds();
    wait::until_true("they talk after it", || caller.heard().after(before).seconds_of(OTHER_HZ) >= 1.5);
    let folder = switch.ground.join("var/recordings");
    let capture = files(&folder).pop().expect("a capture");
    let as_captured = fs::read(&capture).expect("a file");
    caller.hang_up();
    let row = until_states(&switch, &call, &["finished"]).remove(0);
    assert_eq!((&row["format"], &row["sealed"], &row["place"]), (&"opus".into(), &true.into(), &"folder".into()), "{row}");

    let path = format!("/api/v1/recordings/{}", name(&row));
    let file = switch.download(&path);
    let ms = ogg::inspect(&file[..]).expect("an Ogg file").samples / 48;
    assert_eq!(Some(ms), row["duration_ms"].as_u64());
    let [left, right] = decode(&switch.ground.join(""), &file);
    assert!((left.seconds() - ms as f64 / 1_000.0).abs() < 0.001, "{} s of {ms} ms", left.seconds());
    // Before and after the pause each is heard on their side, in it nobody is.
    for (side, hz) in [(&left, CALLER_HZ), (&right, OTHER_HZ)] {
        let (heard, silent) = (side.seconds_of(hz), side.seconds() - side.seconds_of_sound());
        assert!(heard >= 1.8 && silent >= 0.8, "{heard} s of {hz} Hz, {silent} s of silence");
    }
    let waveform = switch.get(&format!("/recordings/{}/waveform", name(&row)));
    let loud = waveform["left"].as_array().expect("a list").iter().filter(|level| level.as_u64() > Some(50)).count();
    assert!(loud > 50 && waveform["spell_ms"] == 10, "{loud} loud spells");

    // On the disk: one file, sealed, and nothing of what it and its capture hold.
    let all = files(&folder);
    assert_eq!(all.len(), 1, "{all:?}");
    let sealed_file = fs::read(&all[0]).expect("a file");
    assert!(sealed_file.starts_with(b"TNDMSEAL") && as_captured.starts_with(b"TNDMSEAL"));
    let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&KEY[at * 2..at * 2 + 2], 16).expect("digits")).collect();
    let key = sealed::Key::new(bytes[..].try_into().expect("32 bytes")).expect("a key").into();
    let mut clear = Vec::new();
    let mut reader = sealed::Reader::new(&as_captured[..], &[key]).expect("the key opens it");
    std::io::Read::read_to_end(&mut reader, &mut clear).expect("it opens as far as it goes");
    let sound = (clear.len() / 8..).map(|at| &clear[at * 4..at * 4 + 32]).find(|part| part.iter().all(|b| *b != 0));
    let (sound, page) = (sound.expect("somebody talks"), &file[600..632]);
    for part in [sound, page] {
        assert!(![&as_captured, &sealed_file].into_iter().any(|file| file.windows(32).any(|bytes| bytes == part)));
    }
    assert!(switch.metric("tandem_recordings_saved_total") >= 1.0);
    let events = switch.cli(&["calls", "show", &call]);
    assert!(events.contains(name(&row)), "{events}");
}

#[test]
fn a_kill_loses_the_last_moment_only_and_a_pause_stays() {
    let mut switch = start("format \"opus\"\nkey \"file:recording.key\"");
    let (mut caller, _other, call) = talk(&switch);
    caller.until_heard(OTHER_HZ, 3.0);
    switch.post(&format!("/calls/{call}/recording"), &json!({ "action": "pause" }));
    switch.until_kept();
    switch.kill9();
    switch.start_again();
    switch.until_call("1001", "talking");
    assert_eq!(switch.get(&format!("/calls/{call}"))["recording"], "paused");
    let before = caller.heard().seconds();
    wait::until_true("they talk on", || caller.heard().after(before).seconds_of(OTHER_HZ) >= 1.5);
    caller.hang_up();
    let rows = until_states(&switch, &call, &["interrupted", "finished"]);
    let [first, second] = [&rows[0], &rows[1]].map(|row| switch.download(&format!("/api/v1/recordings/{}", name(row))));
    let folder = switch.ground.join("");
    let [left, _] = decode(&folder, &first);
    assert!(left.seconds_of(CALLER_HZ) >= 1.5, "{} s", left.seconds_of(CALLER_HZ));
    let sides = decode(&folder, &second);
    assert!(sides[0].seconds() >= 1.0);
    for side in &sides {
        assert_eq!(side.seconds_of_sound(), 0.0, "nothing in the pause, whatever happens to the process");
    }
}

/// A store of others' making (moto) that checks signatures, in its own process.
struct Store {
    child: std::process::Child,
    input: std::process::ChildStdin,
    output: std::io::BufReader<std::process::ChildStdout>,
    keys: Value,
}

impl Store {
    fn start(ip: &str, port: u16) -> Self {
        use std::process::Stdio;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("s3");
        let python = Command::new(folder.join("../python.sh")).arg("s3").output().expect("a script");
        assert!(python.status.success(), "tests/python.sh failed: {}", String::from_utf8_lossy(&python.stderr));
        let python = String::from_utf8_lossy(&python.stdout).trim().to_owned();
        let mut child = Command::new(python)
            .arg(folder.join("store.py"))
            .args([ip, &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the store starts");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut store = Self { child, input, output: std::io::BufReader::new(output), keys: Value::Null };
        store.keys = store.line();
        store
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut self.output, &mut line).expect("the store speaks");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the store said `{line}`: {error}"))
    }

    /// What lies in it, by name.
    fn objects(&mut self) -> Value {
        std::io::Write::write_all(&mut self.input, b"\n").expect("the store listens");
        self.line()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

#[test]
fn a_store_gets_what_it_missed_plays_it_and_loses_it_when_its_time_is_over() {
    let ground = Ground::new();
    let ip = ground.ip.to_string();
    let spool = format!(
        "format \"opus\"\nretain \"30d\"\nkey \"file:recording.key\"\n\
         spool \"http://{ip}:9000/calls/of/tests\" region=\"eu-test-1\" access-key=\"file:access\" secret-key=\"file:secret\""
    );
    let plan = TEAM.replace("ring=\"3s\" {", "ring=\"3s\" record=#true {");
    let config = ground.plan(&format!("{plan}\nrecordings {{\n{spool}\n}}\n"));
    for (name, text) in [("recording.key", KEY), ("access", "nobody"), ("secret", "nothing")] {
        fs::write(config.join(name), text).expect("a writable folder");
    }
    let mut switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
    let (mut caller, _other, call) = talk(&switch);
    caller.hang_up();
    let row = until_states(&switch, &call, &["finished"]).remove(0);
    wait::until_true("the store is missed", || switch.metric("tandem_recordings_spool_failed_total") >= 1.0);
    assert_eq!(switch.get("/recordings")["recordings"][0]["place"], "folder");
    let before = switch.download(&format!("/api/v1/recordings/{}", name(&row)));

    // The store comes, and says no to who cannot prove themselves.
    let mut store = Store::start(&ip, 9_000);
    let refused = switch.metric("tandem_recordings_spool_failed_total");
    wait::until("the store refuses", Duration::from_secs(90), || {
        (switch.metric("tandem_recordings_spool_failed_total") > refused).then_some(())
    });
    assert_eq!(store.objects(), json!({}));
    for (name, field) in [("access", "access"), ("secret", "secret")] {
        fs::write(config.join(name), store.keys[field].as_str().expect("text")).expect("a writable folder");
    }
    switch.signal("HUP");
    wait::until("the store has it", Duration::from_secs(90), || {
        (switch.get("/recordings")["recordings"][0]["place"] == "store").then_some(())
    });
    let objects = store.objects();
    let sizes: Vec<_> = objects.as_object().expect("names").values().collect();
    assert_eq!(sizes, [&row["size_bytes"]], "{objects}");
    assert!(
        objects.as_object().expect("names").keys().all(|name| name.starts_with("of/tests/20") && name.ends_with(".opus.sealed"))
    );
    wait::until_true("the file is gone here", || files(&switch.ground.join("var/recordings")).is_empty());
    assert_eq!(switch.download(&format!("/api/v1/recordings/{}", name(&row))), before, "it is heard from the store");

    // A month later.
    assert!(!switch.cli(&["recordings", "sweep", "--dry-run"]).contains(name(&row)));
    switch.signal("TERM");
    switch.ended();
    switch.alter("UPDATE recordings SET started_us = started_us - 31 * 86400000000");
    switch.start_again();
    wait::until_true("its time is over", || switch.get("/recordings")["recordings"][0]["state"] == "deleted");
    assert_eq!(store.objects(), json!({}));
    assert_eq!(switch.get("/recordings")["recordings"][0]["place"], Value::Null);
}

#[test]
fn the_caller_is_told_before_anything_is_recorded() {
    let switch = start("format \"opus\"\nnotice \"recording-notice\" to=\"both\"");
    let mut caller = Phone::of(&switch, "1001").hz(CALLER_HZ).start(&switch);
    let mut other = Phone::of(&switch, "1002").hz(OTHER_HZ).start(&switch);
    caller.dial("1002");
    other.expect("CALL_INCOMING");
    other.accept();
    let call = switch.until_call("1001", "talking");
    assert_eq!(call["recording"], Value::Null, "not before the notice was heard: {call}");
    let notice = crate::prompt("en/recording-notice");
    caller.until_heard(OTHER_HZ, 1.5);
    for phone in [&caller, &other] {
        assert!(phone.heard().contains(&notice));
    }
    let call = call["call"].as_str().expect("a name").to_owned();
    caller.hang_up();
    let row = until_states(&switch, &call, &["finished"]).remove(0);
    let [left, right] = decode(&switch.ground.join(""), &switch.download(&format!("/api/v1/recordings/{}", name(&row))));
    assert!(right.seconds_of(OTHER_HZ) >= 1.0);
    assert!(left.seconds() < caller.heard().seconds() - 1.0, "it begins after the notice");
}
