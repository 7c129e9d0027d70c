//! Descriptions with DTLS-SRTP and ICE: what a browser offers and is answered, what it is offered, and what stays.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::net::{IpAddr, SocketAddr};

use tandem_signaling::sdp::{
    AudioCodec, Direction, Fingerprint, IceRole, Incompatible, KeyPolicy, KeyRule, KeySource, LocalAudio, LocalSession,
    MediaChecks, MediaDtls, Negotiated, SessionDescription,
};

const THEIRS: &str = "AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB";
const OURS: &str = "11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11";

/// What Chromium says, with its candidate hidden behind a name.
fn browser(setup: &str) -> String {
    format!(
        "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111 8 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
         a=candidate:1 1 udp 2113937151 6f0f3d10.local 50000 typ host generation 0\r\na=ice-ufrag:them\r\n\
         a=ice-pwd:theirpasswordof22letters\r\na=ice-options:trickle\r\na=fingerprint:sha-256 {THEIRS}\r\na=setup:{setup}\r\n\
         a=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n"
    )
}

/// What a phone says that has no ICE.
fn phone(setup: &str) -> String {
    format!(
        "v=0\r\no=- 7 7 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\na=fingerprint:SHA-256 {}\r\na=setup:{setup}\r\n\
         m=audio 4000 UDP/TLS/RTP/SAVP 8\r\na=rtcp-mux\r\n",
        THEIRS.to_lowercase()
    )
}

struct Side {
    session: LocalSession,
    source: KeySource,
    rule: KeyRule,
    port: u16,
    certificate: u8,
    ice: IceRole,
    lent: Option<SocketAddr>,
}

impl Side {
    fn new(rule: KeyRule) -> Self {
        Self {
            session: LocalSession::new(7),
            source: KeySource::new([1; 32]),
            rule,
            port: 20_000,
            certificate: 0x11,
            ice: IceRole::Lite,
            lent: None,
        }
    }

    fn full(rule: KeyRule) -> Self {
        Self { ice: IceRole::Full, ..Self::new(rule) }
    }

    fn local(&mut self) -> LocalAudio {
        LocalAudio {
            address: IpAddr::from([127, 0, 0, 1]),
            port: self.port,
            codecs: vec![AudioCodec::Pcma],
            direction: Direction::SendRecv,
            rtcp_mux: true,
            keys: KeyPolicy::new(self.rule, self.source.seed(), Fingerprint([self.certificate; 32]))
                .with_ice(self.ice)
                .with_lent(self.lent),
        }
    }

    fn answer(&mut self, offer: &str) -> Result<(String, Negotiated), Incompatible> {
        let local = self.local();
        self.session.answer(&SessionDescription::parse(offer.as_bytes()).unwrap(), &local)
    }

    fn offer(&mut self) -> String {
        let local = self.local();
        self.session.offer(&local).text
    }

    fn offers_and_reads(&mut self, answer: &str) -> Result<Negotiated, Incompatible> {
        let local = self.local();
        let offer = self.session.offer(&local);
        self.session.read_answer(&offer, &SessionDescription::parse(answer.as_bytes()).unwrap())
    }
}

/// The values of an attribute.
fn values<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':')).collect()
}

fn dtls(negotiated: &Negotiated) -> &MediaDtls {
    negotiated.dtls.as_deref().expect("keys by DTLS")
}

#[test]
fn a_browser_is_answered_with_what_it_needs() {
    for rule in [KeyRule::Plain, KeyRule::Sdes, KeyRule::Optional, KeyRule::Dtls] {
        let (text, negotiated) = Side::new(rule).answer(&browser("actpass")).unwrap();
        assert!(text.contains("\r\na=group:BUNDLE 0\r\na=ice-lite\r\nm=audio 20000 UDP/TLS/RTP/SAVPF 8 126\r\n"), "{text}");
        assert_eq!(values(&text, "fingerprint"), [format!("sha-256 {OURS}")]);
        assert_eq!((values(&text, "setup"), values(&text, "mid")), (vec!["passive"], vec!["0"]));
        assert_eq!(values(&text, "candidate"), ["1 1 UDP 2130706431 127.0.0.1 20000 typ host"]);
        assert!(text.contains("\r\na=rtcp-mux\r\n") && text.contains("\r\na=end-of-candidates\r\n"), "{text}");
        let agreed = dtls(&negotiated);
        let ice = agreed.ice.as_ref().expect("checks");
        assert_eq!((agreed.fingerprint, agreed.is_client), (Fingerprint([0xab; 32]), false));
        assert_eq!(
            (&*ice.their_ufrag, vec![&*ice.ufrag], vec![&*ice.password]),
            ("them", values(&text, "ice-ufrag"), values(&text, "ice-pwd"))
        );
        assert!(ice.ufrag.len() == 8 && ice.password.len() == 24);
        // 0.0.0.0 holds nobody here.
        assert_eq!((negotiated.direction, negotiated.remote_rtp), (Direction::SendRecv, None));
        assert!(!format!("{negotiated:?}").contains(&*ice.password), "passwords are not shown");
    }
}

#[test]
fn who_begins_is_what_the_other_side_leaves() {
    for (theirs, ours, is_client) in [("actpass", "passive", false), ("active", "passive", false), ("passive", "active", true)] {
        let (text, negotiated) = Side::new(KeyRule::Plain).answer(&browser(theirs)).unwrap();
        assert_eq!((values(&text, "setup"), dtls(&negotiated).is_client), (vec![ours], is_client), "{theirs}");
    }
    let unsaid = browser("actpass").replace("a=setup:actpass\r\n", "");
    assert!(!dtls(&Side::new(KeyRule::Plain).answer(&unsaid).unwrap().1).is_client);
    for (theirs, expected) in [("active", Some(false)), ("passive", Some(true)), ("actpass", None), ("holdconn", None)] {
        let read = Side::new(KeyRule::Dtls).offers_and_reads(&browser(theirs));
        assert_eq!(read.ok().map(|negotiated| dtls(&negotiated).is_client), expected, "{theirs}");
    }
    let unsaid = browser("active").replace("a=setup:active\r\n", "");
    assert!(dtls(&Side::new(KeyRule::Dtls).offers_and_reads(&unsaid).unwrap()).is_client);
}

#[test]
fn our_offer_leaves_the_choice_and_is_answered_by_nothing_else() {
    let mut we = Side::new(KeyRule::Dtls);
    let text = we.offer();
    assert!(text.contains("m=audio 20000 UDP/TLS/RTP/SAVPF 8"), "{text}");
    assert_eq!(
        (values(&text, "setup"), values(&text, "mid"), values(&text, "group")),
        (vec!["actpass"], vec!["0"], vec!["BUNDLE 0"])
    );
    let negotiated = we.offers_and_reads(&browser("active")).unwrap();
    assert_eq!(vec![&*dtls(&negotiated).ice.as_ref().unwrap().ufrag], values(&text, "ice-ufrag"), "offered again it is the same");
    for plain in ["RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVPX"] {
        let answer = browser("active").replace("UDP/TLS/RTP/SAVPF", plain).replace("0.0.0.0", "127.0.0.9");
        assert!(Side::new(KeyRule::Dtls).offers_and_reads(&answer).is_err(), "{plain}");
    }
    assert_eq!(Side::new(KeyRule::Plain).offers_and_reads(&phone("active")).unwrap_err(), Incompatible::NoKey);
}

#[test]
fn without_ice_and_with_a_side_that_is_lite_too_it_is_the_address_of_the_description() {
    let (text, negotiated) = Side::new(KeyRule::Plain).answer(&phone("actpass")).unwrap();
    assert!(!text.contains("ice") && !text.contains("candidate") && !text.contains("BUNDLE"), "{text}");
    assert!(text.contains("m=audio 20000 UDP/TLS/RTP/SAVP 8\r\n"), "{text}");
    assert_eq!((dtls(&negotiated).ice.clone(), negotiated.remote_rtp), (None, Some("127.0.0.9:4000".parse().unwrap())));
    let lite =
        phone("actpass").replace("a=setup", "a=ice-lite\r\na=ice-ufrag:them\r\na=ice-pwd:theirpasswordof22letters\r\na=setup");
    let answer = lite.replace("actpass", "active");
    let negotiated = Side::new(KeyRule::Dtls).offers_and_reads(&answer.replace("RTP/SAVP 8", "RTP/SAVPF 8")).unwrap();
    assert_eq!((dtls(&negotiated).ice.clone(), negotiated.remote_rtp), (None, Some("127.0.0.9:4000".parse().unwrap())));
    let negotiated = Side::new(KeyRule::Dtls).offers_and_reads(&phone("active")).unwrap();
    assert_eq!(dtls(&negotiated).ice, None, "they know nothing of it");
}

#[test]
fn what_gives_no_handshake_is_refused() {
    let good = browser("actpass");
    for (was, is) in [
        ("sha-256 AB", "sha-1 AB"),
        ("sha-256 AB", "sha-256 A"),
        ("sha-256 AB", "sha-256 AB:AB"),
        ("a=setup:actpass", "a=setup:holdconn"),
        ("a=ice-ufrag:them\r\n", ""),
        ("a=ice-ufrag:them", "a=ice-ufrag:the"),
        ("a=ice-ufrag:them", "a=ice-ufrag:th em"),
        ("a=ice-pwd:theirpasswordof22letters", "a=ice-pwd:short"),
    ] {
        assert!(good.contains(was), "{was}");
        assert!(Side::new(KeyRule::Plain).answer(&good.replace(was, is)).is_err(), "{is}");
    }
    let mut bare = Side::new(KeyRule::Plain);
    let local = LocalAudio { keys: KeyPolicy::default(), ..bare.local() };
    let refused = bare.session.answer(&SessionDescription::parse(good.as_bytes()).unwrap(), &local);
    assert_eq!(refused.unwrap_err(), Incompatible::NoKey, "without a certificate");
    for other in ["RTP/AVP", "RTP/SAVP"] {
        let offer =
            format!("v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\nm=audio 4000 {other} 8\r\n");
        assert_eq!(Side::new(KeyRule::Dtls).answer(&offer).unwrap_err(), Incompatible::NoKey, "{other}");
    }
}

#[test]
fn names_stay_as_long_as_nothing_changes_and_each_change_is_a_restart() {
    let credentials = |text: &str| (values(text, "ice-ufrag")[0].to_owned(), values(text, "ice-pwd")[0].to_owned());
    let mut we = Side::new(KeyRule::Plain);
    let first = credentials(&we.answer(&browser("actpass")).unwrap().0);
    // Hold and refresh, in both directions.
    let held = browser("actpass").replace("a=sendrecv", "a=sendonly");
    assert_eq!(credentials(&we.answer(&held).unwrap().0), first);
    assert_eq!(credentials(&we.offer()), first);
    assert_eq!(credentials(&we.offers_and_reads(&browser("active")).map(|_| we.offer()).unwrap()), first);
    // Through what is kept, too.
    let kept = serde_json::to_string(&we.session).unwrap();
    let mut next = Side { session: serde_json::from_str(&kept).unwrap(), ..Side::new(KeyRule::Plain) };
    next.source = KeySource::new([2; 32]);
    assert_eq!(credentials(&next.offer()), first);
    // A restart of theirs is one of ours, and so is another certificate or port of ours.
    let restarted = browser("actpass").replace("a=ice-ufrag:them", "a=ice-ufrag:they");
    let second = credentials(&we.answer(&restarted).unwrap().0);
    assert!(second.0 != first.0 && second.1 != first.1);
    next.certificate = 0x22;
    let other = next.offer();
    assert!(credentials(&other) != first && values(&other, "setup") == ["actpass"]);
    we.port = 20_002;
    assert!(credentials(&we.offer()) != second);
}

#[test]
fn of_several_ways_the_one_with_dtls_is_taken() {
    let crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNk\r\n";
    let both = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nc=IN IP4 127.0.0.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n\
         m=audio 4002 RTP/SAVP 8\r\n{crypto}m=audio 4004 UDP/TLS/RTP/SAVP 8\r\na=fingerprint:sha-256 {THEIRS}\r\na=setup:actpass\r\n"
    );
    let (text, negotiated) = Side::new(KeyRule::Optional).answer(&both).unwrap();
    assert!(text.contains("m=audio 0 RTP/AVP 8\r\nm=audio 0 RTP/SAVP 8\r\nm=audio 20000 UDP/TLS/RTP/SAVP 8\r\n"), "{text}");
    assert!(negotiated.keys.is_none() && negotiated.remote_rtp == Some("127.0.0.9:4004".parse().unwrap()));
}

#[test]
fn what_was_kept_is_looked_at() {
    let mut we = Side::new(KeyRule::Plain);
    we.answer(&browser("actpass")).unwrap();
    let kept = serde_json::to_value(&we.session).unwrap();
    assert!(serde_json::from_value::<LocalSession>(kept.clone()).is_ok());
    for (field, value) in [("mid", "0\r\na=evil"), ("ours", "")] {
        let mut bad = kept.clone();
        bad["dtls"][field] = match field {
            "ours" => serde_json::json!({ "ufrag": "a\r\nb", "password": "x" }),
            _ => value.into(),
        };
        assert!(serde_json::from_value::<LocalSession>(bad).is_err(), "{field}");
    }
}

fn checks(negotiated: &Negotiated) -> &MediaChecks {
    dtls(negotiated).ice.as_ref().and_then(|ice| ice.checks.as_ref()).expect("checks of ours")
}

fn candidates(checks: &MediaChecks) -> Vec<String> {
    checks.candidates.iter().map(|candidate| candidate.address.to_string()).collect()
}

#[test]
fn full_we_say_so_and_check_their_addresses_and_who_offers_chooses() {
    let with_address = browser("actpass").replace("6f0f3d10.local 50000", "192.0.2.7 50000");
    let mut we = Side::full(KeyRule::Plain);
    let (text, negotiated) = we.answer(&with_address).unwrap();
    assert!(!text.contains("ice-lite") && text.contains("\r\na=ice-options:ice2\r\nm=audio"), "{text}");
    let agreed = checks(&negotiated);
    assert_eq!((candidates(agreed), agreed.is_controlling), (vec!["192.0.2.7:50000".to_owned()], false));
    assert_eq!(agreed.their_password, "theirpasswordof22letters");
    let shown = format!("{negotiated:?}");
    assert!(!shown.contains("theirpassword") && !shown.contains("192.0.2.7"), "{shown}");
    // Hold, in either direction: nobody changes roles.
    let (_, again) = we.answer(&with_address.replace("sendrecv", "sendonly")).unwrap();
    assert!(!checks(&again).is_controlling);
    assert!(!checks(&we.offers_and_reads(&with_address.replace("actpass", "active")).unwrap()).is_controlling);
    // A name alone is no address: they check us.
    let (_, hidden) = Side::full(KeyRule::Plain).answer(&browser("actpass")).unwrap();
    assert_eq!(candidates(checks(&hidden)), [""; 0]);

    let mut we = Side::full(KeyRule::Dtls);
    assert!(!we.offer().contains("ice-lite"));
    assert!(checks(&we.offers_and_reads(&with_address.replace("actpass", "active")).unwrap()).is_controlling);
    assert!(checks(&we.answer(&with_address).unwrap().1).is_controlling, "a refresh of theirs");
    let restart = with_address.replace("ufrag:them", "ufrag:another");
    assert!(!checks(&we.answer(&restart).unwrap().1).is_controlling, "a restart of theirs");

    let many: String = (1..200).map(|port| format!("a=candidate:1 1 udp 1 192.0.2.7 {port} typ host\r\n")).collect();
    let many = with_address.replace("a=ice-ufrag", &format!("{many}a=ice-ufrag"));
    assert_eq!(checks(&Side::full(KeyRule::Plain).answer(&many).unwrap().1).candidates.len(), 32);
}

#[test]
fn whoever_is_lite_and_offers_is_checked_by_us_who_choose() {
    let lite =
        phone("actpass").replace("a=setup", "a=ice-lite\r\na=ice-ufrag:them\r\na=ice-pwd:theirpasswordof22letters\r\na=setup");
    for (ice, named) in [(IceRole::Lite, ""), (IceRole::Full, "a=candidate:1 1 udp 2130706431 127.0.0.9 4000 typ host\r\n")] {
        let mut we = Side { ice, ..Side::new(KeyRule::Plain) };
        let offer = format!("{lite}{named}");
        let (text, negotiated) = we.answer(&offer).unwrap();
        assert!(!text.contains("ice-lite") && values(&text, "ice-ufrag").len() == 1, "{text}");
        let agreed = checks(&negotiated);
        assert_eq!((candidates(agreed), agreed.is_controlling), (vec!["127.0.0.9:4000".to_owned()], true));
        // We stay what we are in what comes later.
        assert!(!we.offer().contains("ice-lite") && checks(&we.answer(&offer).unwrap().1).is_controlling);
        let kept = serde_json::to_string(&we.session).unwrap();
        let mut back = Side { session: serde_json::from_str(&kept).unwrap(), ..we };
        assert!(!back.offer().contains("ice-lite"), "after a restart of the program");
    }
}

#[test]
fn an_address_that_a_server_lends_is_named_in_the_full_role_and_is_no_restart() {
    const LENT: &str = "2 1 UDP 16777215 203.0.113.9 50000 typ relay raddr 127.0.0.1 rport 20000";
    let offer = phone("actpass").replace("a=setup", "a=ice-ufrag:them\r\na=ice-pwd:theirpasswordof22letters\r\na=setup");
    let mut we = Side { lent: Some("203.0.113.9:50000".parse().unwrap()), ..Side::full(KeyRule::Dtls) };
    let first = we.offer();
    assert_eq!(values(&first, "candidate")[1..], [LENT]);
    assert!(first.find("typ relay").unwrap() < first.find("a=end-of-candidates").unwrap());
    let kept: LocalSession = serde_json::from_str(&serde_json::to_string(&we.session).unwrap()).unwrap();
    // The server takes it back, and lends another one.
    for (lent, named) in [(None, 1), (Some("203.0.113.9:50001".parse().unwrap()), 2)] {
        we.lent = lent;
        let again = we.offer();
        assert_eq!((values(&again, "candidate").len(), values(&again, "ice-ufrag")), (named, values(&first, "ice-ufrag")));
    }
    assert_eq!(values(&we.answer(&offer).unwrap().0, "candidate").len(), 2);
    assert_eq!(values(&Side { session: kept, ..we }.offer(), "ice-ufrag"), values(&first, "ice-ufrag"));
    // Who is lite has no others than its own (RFC 8445 section 5.2).
    let mut lite = Side { lent: Some("203.0.113.9:50000".parse().unwrap()), ..Side::new(KeyRule::Dtls) };
    assert_eq!(values(&lite.offer(), "candidate").len(), 1);
}
