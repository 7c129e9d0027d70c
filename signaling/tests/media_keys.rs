//! Offers and answers with keys of SRTP (RFC 4568) as text: which line is taken, which keys stay, what is refused.
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use tandem_signaling::sdp::{
    AudioCodec, Direction, Incompatible, KeyRule, KeySource, LocalAudio, LocalSession, Negotiated, SdpOffer, SessionDescription,
    Suite,
};

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNk";
const OTHER: &str = "YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";
const GCM: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYg==";

/// One side: each description that it makes has new randomness.
struct Side {
    session: LocalSession,
    source: KeySource,
    rule: KeyRule,
    port: u16,
    direction: Direction,
}

impl Side {
    fn new(seed: u8, rule: KeyRule) -> Self {
        let session = LocalSession::new(u64::from(seed));
        let port = 19_900 + 100 * u16::from(seed);
        Self { session, source: KeySource::new([seed; 32]), rule, port, direction: Direction::SendRecv }
    }

    fn local(&mut self) -> LocalAudio {
        LocalAudio {
            address: "192.0.2.1".parse().unwrap(),
            port: self.port,
            codecs: vec![AudioCodec::Pcma],
            direction: self.direction,
            rtcp_mux: true,
            keys: self.rule.with(|| self.source.seed()),
        }
    }

    fn offer(&mut self) -> SdpOffer {
        let local = self.local();
        self.session.offer(&local)
    }

    fn answer(&mut self, offer: &str) -> Result<(String, Negotiated), Incompatible> {
        let local = self.local();
        self.session.answer(&parse(offer), &local)
    }

    fn read(&mut self, offer: &SdpOffer, answer: &str) -> Result<Negotiated, Incompatible> {
        self.session.read_answer(offer, &parse(answer))
    }
}

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

fn description(protocol: &str, lines: &[&str]) -> String {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n";
    let lines: String = lines.iter().map(|line| format!("a=crypto:{line}\r\n")).collect();
    format!("{head}m=audio 4000 {protocol} 8\r\n{lines}")
}

fn savp(lines: &[&str]) -> String {
    description("RTP/SAVP", lines)
}

/// The lines of keys of a description, without the keys.
fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("a=crypto:"));
    lines.map(|line| line.split_once(" inline:").unwrap().0.to_owned()).collect()
}

/// The keys as they stand in a description.
fn inline(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.split_once(" inline:")).map(|(_, key)| key.to_owned()).collect()
}

#[test]
fn the_first_usable_line_is_answered_with_its_tag_and_a_key_of_ours() {
    let mut we = Side::new(1, KeyRule::Sdes);
    let offer = savp(&[
        &format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
        &format!("2 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"),
        &format!("3 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
        &format!("4 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^20"),
        &format!("5 AES_CM_128_HMAC_SHA1_80 inline:{OTHER}"),
    ]);
    let (answer, negotiated) = we.answer(&offer).unwrap();
    assert!(answer.contains("m=audio 20000 RTP/SAVP 8\r\n"), "{answer}");
    assert_eq!(lines(&answer), ["4 AES_CM_128_HMAC_SHA1_32"]);
    let keys = negotiated.keys.unwrap();
    assert_eq!((keys.receive.suite(), keys.receive.key()), (Suite::AesCm128HmacSha1_32, &b"0123456789abcdef"[..]));
    assert_eq!(keys.receive.salt(), b"0123456789abcd");
    assert!(keys.send.suite() == keys.receive.suite() && keys.send.key() != keys.receive.key());
    assert_ne!(inline(&answer), [KEY], "each side has a key of its own");
}

#[test]
fn an_offer_has_a_key_for_each_suite_and_the_answer_chooses() {
    let mut we = Side::new(1, KeyRule::Sdes);
    let offer = we.offer();
    assert!(offer.text.contains("m=audio 20000 RTP/SAVP 8 101\r\n"), "{}", offer.text);
    let expected = [
        "1 AEAD_AES_128_GCM",
        "2 AEAD_AES_256_GCM",
        "3 AES_CM_128_HMAC_SHA1_80",
        "4 AES_256_CM_HMAC_SHA1_80",
        "5 AES_CM_128_HMAC_SHA1_32",
    ];
    assert_eq!(lines(&offer.text), expected);
    let keys = inline(&offer.text);
    assert!((0..5).all(|one| (0..one).all(|other| keys[one] != keys[other])), "no key is offered twice");
    for suite in Suite::ALL {
        let (mut we, mut they) = (Side::new(1, KeyRule::Sdes), Side::new(2, KeyRule::Optional));
        let offer = we.offer();
        let only: Vec<_> =
            offer.text.lines().filter(|line| !line.contains("a=crypto") || line.contains(suite.as_str())).collect();
        let (answer, theirs) = they.answer(&format!("{}\r\n", only.join("\r\n"))).unwrap();
        let ours = we.read(&offer, &answer).unwrap().keys.unwrap();
        let theirs = theirs.keys.unwrap();
        assert_eq!((&ours.send, &ours.receive), (&theirs.receive, &theirs.send), "{suite:?}");
        assert_eq!(ours.send.suite(), suite);
    }
}

#[test]
fn answers_that_name_no_line_of_ours_are_refused() {
    let mut we = Side::new(1, KeyRule::Sdes);
    let offer = we.offer();
    let none: [&[&str]; 5] = [
        &[],
        &[&format!("9 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")],
        &[&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")],
        &[&format!("3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4")],
        &[&format!("3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), &format!("1 AEAD_AES_128_GCM inline:{GCM}")],
    ];
    for lines in none {
        assert_eq!(we.read(&offer, &savp(lines)), Err(Incompatible::NoKey), "{lines:?}");
    }
    let good = format!("3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
    assert_eq!(we.read(&offer, &description("RTP/AVP", &[&good])), Err(Incompatible::NoKey), "no downgrade");
    assert!(we.read(&offer, &savp(&[&good])).is_ok());
    let mut plain = Side::new(1, KeyRule::Optional);
    let offer = plain.offer();
    assert!(offer.text.contains("m=audio 20000 RTP/AVP ") && inline(&offer.text).is_empty(), "optional: we offer plain");
    assert_eq!(plain.read(&offer, &savp(&[&good])), Err(Incompatible::NoKey));
}

#[test]
fn the_rule_says_what_is_taken() {
    let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
    let (plain, secure) = (description("RTP/AVP", &[]), savp(&[&line]));
    let (bare, marked) = (savp(&[]), description("RTP/AVP", &[&line]));
    let feedback = description("RTP/SAVPF", &[&line]);
    let both = format!("{plain}{}", &secure[secure.find("m=audio").unwrap()..]);
    let took = |rule, offer: &str| match Side::new(1, rule).answer(offer) {
        Ok((answer, negotiated)) => {
            assert_eq!(inline(&answer).len(), usize::from(negotiated.keys.is_some()));
            answer.lines().find_map(|line| Some(line.strip_prefix("m=audio 20000 ")?.to_owned())).unwrap()
        }
        Err(error) => error.to_string(),
    };
    let no = "no usable key";
    for (rule, expected) in [
        (KeyRule::Plain, ["RTP/AVP 8", no, no, "RTP/AVP 8", no, "RTP/AVP 8"]),
        (KeyRule::Sdes, [no, "RTP/SAVP 8", no, no, "RTP/SAVPF 8", "RTP/SAVP 8"]),
        (KeyRule::Optional, ["RTP/AVP 8", "RTP/SAVP 8", no, "RTP/AVP 8", "RTP/SAVPF 8", "RTP/SAVP 8"]),
    ] {
        let offers = [&plain, &secure, &bare, &marked, &feedback, &both];
        assert_eq!(offers.map(|offer| took(rule, offer)), expected, "{rule:?}");
    }
}

#[test]
fn keys_stay_through_hold_and_refresh_in_both_roles_and_through_a_restart() {
    let (mut we, mut they) = (Side::new(1, KeyRule::Sdes), Side::new(2, KeyRule::Sdes));
    let offer = we.offer();
    let (answer, theirs) = they.answer(&offer.text).unwrap();
    let ours = we.read(&offer, &answer).unwrap();
    we.direction = Direction::SendOnly;
    let again = we.offer();
    assert_eq!((lines(&again.text), inline(&again.text).len()), (vec!["1 AEAD_AES_128_GCM".to_owned()], 1));
    let (answered, held) = they.answer(&again.text).unwrap();
    assert_eq!((held.keys, inline(&answered)), (theirs.keys.clone(), inline(&answer)));
    assert_eq!(we.read(&again, &answered).unwrap().keys, ours.keys);
    // The other way round, after both were written down.
    for side in [&mut we, &mut they] {
        let written = serde_json::to_string(&side.session).unwrap();
        side.session = serde_json::from_str(&written).unwrap();
    }
    let back = they.offer();
    let (answered, after) = we.answer(&back.text).unwrap();
    assert_eq!(after.keys, ours.keys);
    assert_eq!(they.read(&back, &answered).unwrap().keys, theirs.keys);
}

#[test]
fn a_new_key_of_theirs_is_taken_over_and_brings_a_new_one_of_ours() {
    let mut we = Side::new(1, KeyRule::Optional);
    let (_, first) = we.answer(&savp(&[&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")])).unwrap();
    let (_, second) = we.answer(&savp(&[&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{OTHER}")])).unwrap();
    let (first, second) = (first.keys.unwrap(), second.keys.unwrap());
    assert!(first.receive != second.receive && first.send != second.send);
    // In an answer to ours only theirs can change.
    let offer = we.offer();
    let answer = savp(&[&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")]);
    let third = we.read(&offer, &answer).unwrap().keys.unwrap();
    assert_eq!((&third.send, &third.receive), (&second.send, &first.receive));
    // What was agreed stays when an offer is refused.
    assert_eq!(we.answer(&savp(&[])), Err(Incompatible::NoKey));
    assert_eq!(inline(&we.offer().text), inline(&offer.text));
}

#[test]
fn another_address_of_ours_has_another_key() {
    let (mut we, mut they) = (Side::new(1, KeyRule::Sdes), Side::new(2, KeyRule::Sdes));
    let offer = we.offer();
    let (answer, _) = they.answer(&offer.text).unwrap();
    we.read(&offer, &answer).unwrap();
    we.port = 20_010;
    let moved = we.offer();
    assert_eq!(lines(&moved.text), ["1 AEAD_AES_128_GCM"]);
    assert!(!inline(&offer.text).contains(&inline(&moved.text)[0]), "RFC 4568 section 7.1.4");
    let (answer, _) = they.answer(&moved.text).unwrap();
    let keys = we.read(&moved, &answer).unwrap().keys;
    we.port = 20_020;
    let back = they.offer();
    let (_, after) = we.answer(&back.text).unwrap();
    assert_ne!(after.keys.unwrap().send, keys.unwrap().send);
}

#[test]
fn nothing_that_is_shown_has_a_key() {
    let (mut we, mut they) = (Side::new(1, KeyRule::Sdes), Side::new(2, KeyRule::Sdes));
    let offer = we.offer();
    let (answer, theirs) = they.answer(&offer.text).unwrap();
    let ours = we.read(&offer, &answer).unwrap();
    let shown = format!("{offer:?} {:?} {theirs:?} {ours:?} {:?}", parse(&answer), we.session);
    assert!(shown.contains("MediaKey(AEAD_AES_128_GCM)"), "{shown}");
    for key in inline(&offer.text).iter().chain(&inline(&answer)) {
        assert!(!shown.contains(&key[..12]), "{shown}");
    }
}

#[test]
fn a_kept_session_whose_keys_cannot_be_right_is_refused() {
    let mut we = Side::new(1, KeyRule::Sdes);
    we.offer();
    let written = serde_json::to_value(&we.session).unwrap();
    assert!(serde_json::from_value::<LocalSession>(written.clone()).is_ok());
    for (field, value) in [("ours", serde_json::json!([])), ("agreed", 77.into()), ("theirs", "AEAD_AES_128_GCM x".into())] {
        let mut bad = written.clone();
        bad["keys"][field] = value;
        assert!(serde_json::from_value::<LocalSession>(bad).is_err(), "{field}");
    }
}
