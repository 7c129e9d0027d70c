//! Floods, guesses, scanners and mutants at the running switch, and callers who are served all the same.
//!
//! `TANDEM_FULL=1` (`make siege`) runs what is said of them at full length, with times.

use std::{
    fs,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use tandem_signaling::{
    digest::Challenge,
    message::{Message, Name},
};
use tandem_tests::{
    mutants::Dice,
    phone::Phone,
    sipp::Script,
    switch::Switch,
    wait,
    words::{Words, code},
};

use crate::{TEAM, tells};

/// What a switch that answers needs at most, also on a busy machine.
const SOON: Duration = Duration::from_secs(5);
/// After which nothing is taken to come any more.
const SILENCE: Duration = Duration::from_millis(500);

fn is_full() -> bool {
    std::env::var_os("TANDEM_FULL").is_some()
}

fn note(text: &str) {
    // Past the test harness, which shows what tests print only when they fail.
    writeln!(std::io::stderr(), "{text}").expect("a standard error");
}

#[expect(clippy::disallowed_methods, reason = "what is measured here is real time")]
fn now() -> Instant {
    Instant::now()
}

/// An address beside the switch that nobody else has.
fn stranger(switch: &Switch, last: u8) -> IpAddr {
    let IpAddr::V4(ip) = switch.sip.ip() else { panic!("an IPv4 test") };
    let [a, b, c, _] = ip.octets();
    IpAddr::V4(Ipv4Addr::new(a, b, c, last))
}

/// One call of a carrier: answered, acknowledged, ended. How long the answer took.
fn call(words: &Words, name: &str) -> Option<Duration> {
    let began = now();
    let uri = format!("sip:1800@{}", words.switch());
    let invite = words.request("INVITE", &uri, "+390212345678", name, "");
    words.send(invite.as_bytes());
    let until = began + SOON;
    let mut repeat_at = began + Duration::from_millis(500);
    let answer = loop {
        let left = until.checked_duration_since(now())?;
        let heard = words.hear(left.min(Duration::from_millis(100)));
        match heard {
            Some(text) if text.contains(&format!("Call-ID: {name}@")) && code(&text)? >= 200 => break text,
            _ if now() > repeat_at => {
                words.send(invite.as_bytes());
                repeat_at += Duration::from_secs(1);
            }
            _ => {}
        }
    };
    let took = now() - began;
    let answer = Message::parse(answer.into_bytes().into()).ok().filter(|answer| answer.code() == Some(200))?;
    let tag = answer.to().ok()?.tag()?.to_owned();
    for method in ["ACK", "BYE"] {
        let request = words.request(method, &uri, "+390212345678", name, "");
        let request = request.replace(&format!("To: <{uri}>"), &format!("To: <{uri}>;tag={tag}"));
        let request = if method == "BYE" { request.replace("CSeq: 1", "CSeq: 2") } else { request };
        words.send(request.replace(&format!("branch=z9hG4bK{name}"), &format!("branch=z9hG4bK{name}{method}")).as_bytes());
    }
    Some(took)
}

/// Calls one after the other for so long: how many were tried, and how long those took that were set up.
fn calls_for(words: &Words, name: &str, length: Duration) -> (usize, Vec<Duration>) {
    let (until, mut tried, mut took) = (now() + length, 0, Vec::new());
    while now() < until {
        took.extend(call(words, &format!("{name}{tried}")));
        tried += 1;
        // What is measured is the switch beside a flood, and not beside all calls that this machine can make.
        let _late = words.hear(Duration::from_millis(4));
    }
    took.sort_unstable();
    (tried, took)
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default()
}

/// Sends requests of all kinds from three addresses, so many a second together, until told to stop.
fn flood(words: &[Words; 3], per_s: u32, stop: &AtomicBool) -> u64 {
    let methods = ["REGISTER", "INVITE", "OPTIONS", "SUBSCRIBE", "MESSAGE", "BYE"];
    let (began, mut sent) = (now(), 0u64);
    while !stop.load(Ordering::Relaxed) {
        let due = u64::try_from((now() - began).as_millis()).expect("not long") * u64::from(per_s) / 1_000;
        while sent < due {
            let one = &words[usize::try_from(sent % 3).expect("small")];
            let method = methods[usize::try_from(sent / 3 % 6).expect("small")];
            let uri = format!("sip:1800@{}", one.switch().ip());
            one.send(one.request(method, &uri, "1001", &format!("flood{sent}"), "").as_bytes());
            sent += 1;
        }
        // Pacing of a load, not waiting for something: nothing of the test depends on it.
        let _nothing = words[0].hear(Duration::from_millis(2));
    }
    sent
}

#[test]
fn a_flood_from_three_addresses_leaves_the_callers_of_a_fourth_alone() {
    let (seconds, per_s) = if is_full() { (60, 5_000) } else { (3, 2_000) };
    let switch = Switch::with_plan(TEAM);
    let carrier = Words::new(switch.ground.carrier(), switch.sip);
    let before_kib = switch.resident_kib();
    let (_, calm) = calls_for(&carrier, "calm", Duration::from_secs(1));
    let strangers = [102, 103, 104].map(|last| Words::new(stranger(&switch, last), switch.sip));
    let stop = AtomicBool::new(false);
    let (sent, (tried, took)) = thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&strangers, per_s, &stop));
        // Somebody new comes meanwhile, with a password.
        let mut phone = Phone::of(&switch, "1011").start(&switch);
        let calls = calls_for(&carrier, "flood", Duration::from_secs(seconds));
        phone.dial("1999");
        phone.expect("CALL_ESTABLISHED");
        phone.hang_up();
        stop.store(true, Ordering::Relaxed);
        (flooding.join().expect("no fault"), calls)
    });
    let grown = switch.resident_kib().saturating_sub(before_kib);
    assert!(took.len() * 1_000 >= tried * 995, "{} of {tried} calls were set up", took.len());
    assert!(grown < 200 * 1_024, "{grown} KiB more");
    assert!(switch.metric("tandem_sip_dropped_total{reason=\"rate\"}") > 0.0, "what is too much is not answered");
    let mut rounds = 0..;
    let (after, served) = wait::until("as before", Duration::from_secs(5), || {
        let (tried, took) =
            calls_for(&carrier, &format!("after{}", rounds.next().expect("without end")), Duration::from_millis(500));
        (took.len() == tried).then_some((tried, took))
    });
    note(&format!(
        "flood: {sent} requests in {seconds} s; {} of {tried} calls set up, p99 {:?} (calm {:?}, after {:?} of {after}); {grown} KiB more",
        took.len(),
        p99(&took),
        p99(&calm),
        p99(&served),
    ));
    if is_full() {
        assert!(p99(&took) < Duration::from_secs(1), "{:?}", p99(&took));
    }
}

/// Whether the switch says anything to a request of OPTIONS.
fn answers(words: &Words, name: &str, more: &str) -> bool {
    words.send(words.request("OPTIONS", &format!("sip:{}", words.switch()), "probe", name, more).as_bytes());
    words.hear(SILENCE).is_some()
}

fn guess(words: &Words, n: u32) {
    let uri = format!("sip:{}", words.switch().ip());
    words.send(words.request("REGISTER", &uri, "1001", &format!("guess{n}"), "").as_bytes());
    let Some(challenge) = words.hear(SOON) else { return };
    let challenge = Message::parse(challenge.into_bytes().into()).expect("a reply");
    let value = challenge.auth_values(Name::WwwAuthenticate).next().expect("a challenge");
    let answer = Challenge::read(&value).expect("one of ours").answer("1001", &format!("wrong{n}"), "REGISTER", &uri, 1, "c");
    let more = format!("Authorization: {answer}\r\n");
    words.send(words.request("REGISTER", &uri, "1001", &format!("guessed{n}"), &more).as_bytes());
    let _refused = words.hear(SILENCE);
}

#[test]
fn who_guesses_passwords_is_banned_over_a_restart_until_the_ban_is_lifted() {
    let mut switch = Switch::with_plan(TEAM);
    let ip = stranger(&switch, 105);
    let words = Words::new(ip, switch.sip);
    assert!(answers(&words, "before", ""));
    for n in 0..11 {
        guess(&words, n);
    }
    assert!(!answers(&words, "banned", ""));
    assert!(answers(&Words::new(stranger(&switch, 106), switch.sip), "other", ""), "nobody else is");
    let bans = switch.get("/bans");
    assert_eq!((&bans[0]["source"], &bans[0]["offence"]), (&ip.to_string().into(), &"passwords".into()));
    assert!(switch.cli(&["bans"]).contains(&ip.to_string()));
    wait::until_true("the ban is kept", || {
        let events = switch.cli(&["bans", "--format", "json"]);
        events.contains("passwords") && switch.metric("tandem_store_queue_records") < 1.0
    });
    switch.kill9();
    switch.start_again();
    assert!(!answers(&words, "still", ""), "a restart forgives nothing");
    switch.cli(&["bans", "lift", &ip.to_string()]);
    assert!(answers(&words, "lifted", ""));
    assert_eq!(switch.get("/bans"), serde_json::json!([]));
}

#[test]
fn scanners_and_other_domains_are_answered_with_nothing() {
    let plan = format!("protect {{\n domains \"pbx.example\" \"127.0.0.1\"\n}}\n{TEAM}");
    let switch = Switch::with_plan(&plan);
    let words = Words::new(stranger(&switch, 107), switch.sip);
    let ask = |uri: &str, name: &str, more: &str| {
        words.send(words.request("OPTIONS", uri, "probe", name, more).as_bytes());
        words.hear(SILENCE).is_some()
    };
    assert!(ask("sip:100@pbx.example", "right", ""));
    assert!(!ask("sip:100@pbx.example", "scanner", "User-Agent: friendly-scanner\r\n"));
    assert!(!ask("sip:nm", "nmap", ""));
    assert!(!ask("sip:100@other.example", "other", ""));
    assert!(ask("sip:100@PBX.example:5060", "again", ""));
}

#[test]
fn a_stolen_extension_calls_outside_no_more_than_it_may_and_an_alarm_says_so() {
    let plan = format!(
        "protect {{\n extension-caps calls=1\n}}\ntrunk \"out\" {{\n peer \"udp\" \"{{far}}:5070\"\n}}\n\
         route \"out\" {{\n from extension\n to \"0{{number:number}}\"\n dial trunk=\"out\" number=\"{{number}}\"\n}}\n{TEAM}"
    );
    let ground = tandem_tests::ground::Ground::new();
    let far = ground.carrier();
    let config = ground.plan(&plan.replace("{far}", &far.to_string()));
    let switch = Switch::start(ground, config.to_str().expect("plain paths"), None, 5_060);
    let _far = Script::carrier("agent-hangs-up", &switch).at_ip(far).port(5_070).stay_ms(20_000).start();
    let mut first = Phone::of(&switch, "1011").start(&switch);
    first.dial("0212345678");
    first.expect("CALL_ESTABLISHED");
    switch.until_call("1011", "talking");
    // The same account from another device.
    let mut thief = Phone::of(&switch, "1011").start(&switch);
    thief.dial("0212345679");
    thief.expect("CALL_CLOSED");
    assert_eq!(switch.metric("tandem_toll_refusals_total{cap=\"calls\"}"), 1.0);
    assert!(switch.log().contains("toll fraud?"));
    tells(&switch.until_cdr("1011"), &[("cause", "rejected"), ("blame", "us")]);
    first.hang_up();
    first.expect("CALL_CLOSED");
}

/// The torture messages, and those of a real call.
fn seeds(words: &Words) -> Vec<Vec<u8>> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/torture");
    let mut seeds = Vec::new();
    for part in ["rfc4475", "rfc5118"] {
        for file in fs::read_dir(folder.join(part)).expect("a folder").map(|entry| entry.expect("a file").path()) {
            seeds.push(fs::read(file).expect("a message"));
        }
    }
    let uri = format!("sip:1800@{}", words.switch());
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0 8\r\n";
    for method in
        ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "REFER", "UPDATE", "PRACK", "INFO"]
    {
        let request = words.request(method, &uri, "+390212345678", &format!("seed{method}"), "");
        let body = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
        seeds.push(request.replace("Content-Length: 0\r\n\r\n", &body).into_bytes());
        seeds.push(request.into_bytes());
    }
    seeds
}

#[test]
fn mutants_over_udp_and_tcp_leave_the_switch_as_it_was() {
    const SEED: u64 = 20_261_122;
    let rounds = if is_full() { 200_000 } else { 3_000 };
    let switch = Switch::with_plan(TEAM);
    let carriers: Vec<Words> = (0..20).map(|_| Words::new(switch.ground.carrier(), switch.sip)).collect();
    let strangers: Vec<Words> = (110..150).map(|last| Words::new(stranger(&switch, last), switch.sip)).collect();
    let probe = Words::new(switch.ground.carrier(), switch.sip);
    let seeds = seeds(&carriers[0]);
    let mut dice = Dice::new(SEED);
    let mut connection: Option<TcpStream> = None;
    let mut pings = Vec::new();
    let mut attack = |rounds: usize, name: &str| {
        for round in 0..rounds {
            let mutant = dice.mutant(&seeds[round % seeds.len()]);
            match round % 20 {
                // Over a connection, which is opened again when the switch closes it.
                0 => {
                    let sent = connection.as_mut().is_some_and(|stream| stream.write_all(&mutant).is_ok());
                    if !sent {
                        connection = TcpStream::connect(switch.sip).ok();
                    }
                }
                n if n % 2 == 0 => carriers[round % 20].send(&mutant),
                _ => strangers[round % 40].send(&mutant),
            }
            if round % 50 == 49 {
                let began = now();
                assert!(probe.answered_options(&format!("{name}{round}")), "seed {SEED}, {name} {round}");
                pings.push(now() - began);
            }
        }
    };
    let settled = |switch: &Switch| {
        wait::until("everything that began is over", Duration::from_secs(120), || {
            (switch.metric("tandem_sip_transactions") < 1.0 && switch.calls().is_empty()).then(|| switch.resident_kib())
        })
    };
    attack(rounds / 2, "first");
    let before = if is_full() { settled(&switch) } else { switch.resident_kib() };
    attack(rounds / 2, "second");
    let after = if is_full() { settled(&switch) } else { switch.resident_kib() };
    pings.sort_unstable();
    note(&format!("mutants: {rounds}, OPTIONS p99 {:?}, {before} KiB after half of them, {after} KiB after all", p99(&pings)));
    if is_full() {
        assert!(p99(&pings) < Duration::from_millis(20), "{:?}", p99(&pings));
        assert!(after * 100 <= before * 105, "{before} KiB became {after} KiB");
    }
    assert!(call(&carriers[0], "afterwards").is_some(), "a call is answered");
}

#[test]
fn known_and_unknown_users_cannot_be_told_apart_by_a_clock() {
    let tries = if is_full() { 500 } else { 20 };
    let switch = Switch::with_plan(TEAM);
    let median = |user: &str, last: u8| {
        let words = Words::new(stranger(&switch, last), switch.sip);
        let uri = format!("sip:{user}@{}", switch.sip.ip());
        let mut took: Vec<Duration> = (0..tries)
            .map(|n| {
                let digest = format!(
                    "Authorization: Digest username=\"{user}\", realm=\"tandem\", nonce=\"{}\", uri=\"{uri}\", \
                     response=\"{}\", algorithm=MD5, cnonce=\"1\", nc=00000001, qop=auth\r\n",
                    "0".repeat(64),
                    "0".repeat(32)
                );
                let began = now();
                words.send(words.request("REGISTER", &uri, user, &format!("{user}-{n}"), &digest).as_bytes());
                assert!(words.hear(SOON).is_some_and(|text| code(&text) == Some(401)), "{user} {n}");
                now() - began
            })
            .collect();
        took.sort_unstable();
        took[took.len() / 2]
    };
    let (known, unknown) = (median("1001", 151), median("9999", 152));
    note(&format!("a wrong password: {known:?} for somebody who exists, {unknown:?} for nobody"));
    if is_full() {
        assert!(known.abs_diff(unknown) < Duration::from_millis(1), "{known:?} {unknown:?}");
    }
}
