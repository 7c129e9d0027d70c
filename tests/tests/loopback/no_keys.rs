//! Audio whose keys are agreed by DTLS: what is told when there are none, and that nothing is said before there are some.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use tandem_tests::{
    browser::{Browser, Library},
    ground::Ground,
    phone::Phone,
    switch::Switch,
    tone, wait,
};

use crate::{TEAM, with_https};

const PAGE: &str = "1011";
const DESK: &str = "1012";
const PROMPT: &str = "1900";

/// A page says that it has another certificate than it has, as somebody in between would.
#[test]
fn a_certificate_that_is_not_the_described_one_is_in_record_trace_and_metric() {
    let switch = Switch::with_plan(&with_https());
    let browser = Browser::speaking(&switch, 600.0);
    let mut page = browser.phone(&switch, Library::JsSipAudio, PAGE);
    let mut desk = Phone::of(&switch, DESK).answers().start(&switch);
    page.evaluate(
        "phone.ua.on('newRTCSession', ({ session }) => session.on('sdp', (event) => { if (event.originator === 'local') \
         event.sdp = event.sdp.replace(/a=fingerprint:sha-256 ../g, (line) => \
         'a=fingerprint:sha-256 ' + (line.endsWith('00') ? '01' : '00')); })); 0",
    );
    let mut follow = switch.command(&["follow", PAGE]).stdout(Stdio::piped()).spawn().expect("the program runs");
    wait::until_true("somebody follows", || switch.metric("tandem_http_subscribers") == 1.0);
    page.does(&format!("call('{DESK}')"));
    page.until("UP");
    wait::until_true("the verdict is counted", || {
        switch.metric("tandem_media_no_keys_total{cause=\"other-certificate\"}") >= 1.0
    });
    desk.hang_up();
    let record = switch.until_cdr(PAGE);
    let verdict = &record["quality"]["0"]["no_keys"][0];
    assert_eq!(verdict["cause"], "other-certificate", "{record}");
    assert!(record["quality"]["0"].get("one_way").is_none() && record["quality"]["1"].get("no_keys").is_none(), "{record}");
    follow.kill().expect("our child");
    let lines = BufReader::new(follow.stdout.take().expect("piped above")).lines().map_while(Result::ok);
    let seen = lines.collect::<Vec<_>>().join("\n");
    follow.wait().expect("our child");
    assert!(seen.contains("leg 0 has no keys: the peer's certificate is not that of its description"), "{seen}");
}

/// Loud for as long as is looked for in what somebody heard, at its very beginning.
fn write_prompt(ground: &Ground) {
    let folder = ground.join("plan/prompts/en");
    fs::create_dir_all(&folder).expect("a writable folder");
    let spec = hound::WavSpec { channels: 1, sample_rate: 8_000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut file = hound::WavWriter::create(folder.join("first.wav"), spec).expect("a writable folder");
    for at in 0..8_000_i32 {
        // A tone that rises: no piece of it is like another one.
        let phase = f64::from(at) / 8_000.0 * (500.0 + f64::from(at) / 8.0) * std::f64::consts::TAU;
        let loudness = if at < 1_000 { 16_000.0 } else { 4_000.0 };
        #[expect(clippy::cast_possible_truncation, reason = "within 16000")]
        file.write_sample((phase.sin() * loudness) as i16).expect("room on the disk");
    }
    file.finalize().expect("room on the disk");
}

#[test]
fn the_first_word_of_a_prompt_is_heard_by_whoever_agrees_on_keys_first() {
    let ground = Ground::new();
    let plan = TEAM.replace(
        "extensions from=1001 to=1020",
        "extensions from=1001 to=1012\nextensions from=1013 to=1020 media-keys=\"dtls\"",
    );
    let route = format!(
        "route \"first-word\" {{\n    from extension\n    to \"{PROMPT}\"\n    answer\n    play \"first\"\n    hangup\n}}\n"
    );
    let folder = ground.plan(&plan.replace("route \"unknown\"", &format!("{route}route \"unknown\"")));
    write_prompt(&ground);
    let prompt = tone::read(&folder.join("prompts/en/first.wav"), 0);
    let switch = Switch::start(ground, folder.to_str().expect("plain paths"), None, 5_060);
    for (user, has_ice) in [("1013", false), ("1014", true)] {
        let phone = Phone::of(&switch, user).codec("PCMU");
        let mut phone = if has_ice { phone.with_dtls_and_ice() } else { phone.with_dtls() }.start(&switch);
        phone.dial(PROMPT);
        phone.expect("CALL_CLOSED");
        let heard = phone.heard();
        assert!(heard.contains(&prompt), "{user} heard {} s of sound and not the beginning", heard.seconds_of_sound());
    }
}
