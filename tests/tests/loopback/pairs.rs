//! Every codec with every kind of keys, in conversation with every other: nine phones that others wrote, each with each; and how
//! speech sounds that comes from each, by PESQ (ITU-T P.862).

use std::{path::Path, process::Command};

use tandem_tests::{phone::Phone, switch::Switch, wait};

use crate::TEAM;

const CODECS: [&str; 3] = ["PCMU", "G722", "opus"];
const KEYS: [Keys; 3] = [Keys::None, Keys::Sdes, Keys::Dtls];
const PHONES: usize = CODECS.len() * KEYS.len();
/// The number of the first one.
const FIRST: usize = 1001;

#[derive(Clone, Copy, Debug)]
enum Keys {
    None,
    Sdes,
    Dtls,
}

/// What a phone speaks, and its tone, which no other has.
fn kind(phone: usize) -> (&'static str, Keys, f64) {
    let tone = f64::from(u32::try_from(phone).expect("few"));
    (CODECS[phone / KEYS.len()], KEYS[phone % KEYS.len()], 500.0 + 150.0 * tone)
}

fn number(phone: usize) -> String {
    (FIRST + phone).to_string()
}

fn plan() -> String {
    let extension = |phone: usize| {
        let word = match kind(phone).1 {
            Keys::None => "none",
            Keys::Sdes => "sdes",
            Keys::Dtls => "dtls",
        };
        format!("extensions from={n} to={n} media-keys=\"{word}\"\n", n = number(phone))
    };
    let last = FIRST + PHONES;
    let ranges: String = (0..PHONES).map(extension).collect();
    TEAM.replace("extensions from=1001 to=1020", &format!("{ranges}extensions from={last} to=1020"))
}

fn start(switch: &Switch, phone: usize) -> Phone {
    let (codec, keys, hz) = kind(phone);
    let setup = Phone::of(switch, &number(phone)).codec(codec).hz(hz).seconds(300).answers();
    let setup = match keys {
        Keys::None => setup,
        Keys::Sdes => setup.with_keys(),
        Keys::Dtls => setup.with_dtls_and_ice(),
    };
    setup.start(switch)
}

/// Who speaks to whom in a round, so that after nine of them each spoke to each: one sits out.
fn pairs(round: usize) -> Vec<(usize, usize)> {
    let partner = |phone: usize| (round + PHONES - phone) % PHONES;
    (0..PHONES).filter(|phone| *phone < partner(*phone)).map(|phone| (phone, partner(phone))).collect()
}

#[test]
fn each_codec_with_each_kind_of_keys_hears_each_other() {
    let switch = Switch::with_plan(&plan());
    let mut phones: Vec<Phone> = (0..PHONES).map(|phone| start(&switch, phone)).collect();
    let mut met = 0;
    for round in 0..PHONES {
        let pairs = pairs(round);
        let before: Vec<f64> = phones.iter().map(|phone| phone.heard().seconds()).collect();
        for (from, to) in &pairs {
            phones[*from].dial(&number(*to));
        }
        for (from, _) in &pairs {
            phones[*from].expect("CALL_ESTABLISHED");
        }
        for (from, to) in &pairs {
            let hears = |who: usize, whom: usize| phones[who].heard().after(before[who]).seconds_of(kind(whom).2) >= 0.6;
            let what = format!("{:?} and {:?} hear each other", kind(*from), kind(*to));
            wait::until_true(&what, || hears(*from, *to) && hears(*to, *from));
            met += 1;
        }
        for (from, _) in &pairs {
            phones[*from].hang_up();
        }
        for (from, to) in &pairs {
            phones[*from].expect("CALL_CLOSED");
            phones[*to].expect("CALL_CLOSED");
        }
        wait::until_true("no call is left", || switch.calls().is_empty());
    }
    assert_eq!(met, PHONES * (PHONES - 1) / 2, "each met each");
    let records = switch.until_cdrs("", met);
    assert!(records.iter().all(|record| record["cause"] == "normal"), "{records:?}");
}

/// The least that is taken, on a machine that does a hundred other things. What is reached on one that does not stands in
/// docs/benchmarks.md.
const LEAST: [f64; CODECS.len()] = [3.5, 2.7, 3.2];

#[test]
fn speech_from_each_codec_and_kind_of_keys_stays_speech() {
    // A machine that is busy with others takes something away from phones and switch alike, and adds nothing: the best of
    // three tries counts.
    let mut best = vec![0.0_f64; PHONES];
    for _ in 0..3 {
        for (best, score) in best.iter_mut().zip(scores()) {
            *best = best.max(score);
        }
        let told: Vec<String> = best.iter().enumerate().map(|(phone, score)| format!("{:?} {score}", kind(phone))).collect();
        println!("{}", told.join("\n"));
        if best.iter().enumerate().all(|(phone, score)| *score >= LEAST[phone / KEYS.len()]) {
            return;
        }
    }
    panic!("speech is worse than {LEAST:?} three times: {best:?}");
}

/// How good speech of each phone is that another one hears.
fn scores() -> Vec<f64> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let said = root.join("../media/src/codec/testdata/speech-en.wav");
    let plan = plan().replace(
        &format!("extensions from={} to=1020", FIRST + PHONES),
        &format!("extensions from={} to=1020 media-keys=\"none\"", FIRST + PHONES),
    );
    let switch = Switch::with_plan(&plan);
    let spoken = switch.ground.join("spoken.wav");
    // A second of silence on both sides: what is said is heard whole.
    let made = Command::new("sox")
        .args([&said, &spoken])
        .args(["pad", "1", "3"])
        .status()
        .expect("sox is installed (docker/packages.sh test)");
    assert!(made.success());
    let with_voice = |phone: usize| {
        let (codec, keys, _) = kind(phone);
        let setup = Phone::of(&switch, &number(phone)).codec(codec).says(&spoken);
        let setup = match keys {
            Keys::None => setup,
            Keys::Sdes => setup.with_keys(),
            Keys::Dtls => setup.with_dtls_and_ice(),
        };
        setup.start(&switch)
    };
    let mut callers: Vec<Phone> = (0..PHONES).map(with_voice).collect();
    let listeners: Vec<Phone> =
        (0..PHONES).map(|phone| Phone::of(&switch, &number(PHONES + phone)).answers().start(&switch)).collect();
    for (phone, caller) in callers.iter_mut().enumerate() {
        caller.dial(&number(PHONES + phone));
    }
    for caller in &mut callers {
        caller.expect("CALL_ESTABLISHED");
    }
    for listener in &listeners {
        wait::until_true("all was heard", || listener.heard().seconds() >= 7.5);
    }
    let python = Command::new(root.join("python.sh")).arg("speech").output().expect("a script");
    assert!(python.status.success(), "tests/python.sh failed: {}", String::from_utf8_lossy(&python.stderr));
    let heard = listeners.iter().map(|listener| listener.dump().expect("a recording"));
    let out = Command::new(String::from_utf8_lossy(&python.stdout).trim())
        .arg(root.join("speech/score.py"))
        .arg(&said)
        .args(heard)
        .output()
        .expect("python");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let scores: Vec<f64> = text.lines().map(|line| line.parse().expect("a score")).collect();
    assert_eq!(scores.len(), PHONES);
    scores
}
