//! What strangers, forgers and impostors send.

use ::dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::*;

#[test]
fn who_does_not_know_name_and_password_changes_nothing_and_gets_the_reply_of_the_rfc() {
    let mut pair = Pair::new();
    let nominate = [ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE];
    for (forged, expected) in [
        (request("ours:them", "", &nominate, &[]), 400),
        (request("ours:them", "guessed", &nominate, &[]), 401),
        (request("ours:other", PASSWORD, &nominate, &[]), 401),
        (request("ours", PASSWORD, &nominate, &[]), 401),
        (request("ours:them", PASSWORD, &[ATTR_ICE_CONTROLLED, ATTR_USE_CANDIDATE], &[]), 487),
        (request("ours:them", PASSWORD, &[AttrType(0x7777)], &[]), 420),
    ] {
        let refused = answer(&mut pair, ELSEWHERE, &forged).unwrap();
        assert_eq!((refused.typ, code(&refused)), (BINDING_ERROR, expected));
        assert!(!pair.ours.is_known(at(ELSEWHERE)), "{expected}");
    }
    // What stands behind the protection is not protected.
    let behind = request("ours:them", PASSWORD, &[ATTR_ICE_CONTROLLING], &[ATTR_USE_CANDIDATE]);
    assert_eq!(answer(&mut pair, BROWSER, &behind).unwrap().typ, BINDING_SUCCESS);
    let mut changed = nomination();
    changed[30] ^= 1;
    let mut longer = nomination();
    longer.extend([0; 4]);
    for nothing in [&changed[..], &longer, &nomination()[..19], b"\x00\x01\x00\x00", b""] {
        assert!(answer(&mut pair, BROWSER, nothing).is_none());
    }
    assert_eq!(pair.ours_said, [], "nothing was selected");
}

#[test]
fn a_handshake_is_spoken_with_whoever_was_checked_and_with_nobody_else() {
    let mut pair = Pair::new();
    pair.collect();
    let hello = pair.wire.pop_front().expect("the hello of the browser").1;
    for from in [ELSEWHERE, BROWSER] {
        pair.hears(from, &hello);
        assert_eq!(pair.ours.poll(), None, "nobody was checked");
    }
    pair.hears(BROWSER, &nomination());
    pair.wire.push_back((true, hello.clone()));
    pair.carry(|_, _| false);
    assert!(pair.keys().is_some());
    for _ in 0..1_000 {
        pair.hears(ELSEWHERE, &hello);
    }
    pair.collect();
    assert!(pair.wire.is_empty() && failed(&pair.ours_said).is_none());
}

#[test]
fn another_certificate_than_that_of_the_description_gives_no_keys() {
    let identities: Vec<_> = (0..3).map(|_| Arc::new(Identity::new().unwrap())).collect();
    let [one, other, third] = &identities[..] else { unreachable!() };
    let terms = |of: &Arc<Identity>, is_client, ice| Terms { fingerprint: of.fingerprint(), is_client, ice };
    // We expect the third and meet the other; then the other expects the third and meets us.
    for (ours, browser, who) in [(third, one, "ours"), (other, third, "browser")] {
        let mut pair = Pair::with((one, &terms(ours, false, Some(ice()))), (other, &terms(browser, true, None)));
        pair.hears(BROWSER, &nomination());
        for _ in 0..12 {
            pair.carry(|_, _| false);
            let both = [pair.ours.deadline(), pair.browser.deadline()];
            if both.iter().flatten().min().is_none_or(|due| *due > pair.now + Duration::from_secs(5)) {
                break;
            }
            pair.wait();
        }
        assert!(keys(&pair.ours_said).is_none() && keys(&pair.browser_said).is_none(), "{who}");
        let said = if who == "ours" { &pair.ours_said } else { &pair.browser_said };
        assert_eq!(failed(said), Some(&NoKeys::OtherCertificate), "{who}");
    }
}

#[test]
fn a_peer_that_proves_no_certificate_gives_no_keys() {
    let mut pair = Pair::new();
    pair.hears(BROWSER, &nomination());
    bare::shakes_hands(&mut pair, SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm);
    assert!(keys(&pair.ours_said).is_none());
    assert!(failed(&pair.ours_said).is_some(), "{:?}", pair.ours_said);
}

#[test]
fn records_that_anybody_can_forge_end_no_handshake_and_no_association() {
    let alert = b"\x15\xfe\xfd\0\0\0\0\0\0\0\x09\0\x02\x02\x28";
    let junk = [
        &alert[..],
        b"\x15\xfe\xfd\0\x01\0\0\0\0\0\x09\0\x02\x01\x00",
        b"\x17\xfe\xfd\0\0\0\0\0\0\0\x09\0\x02ab",
        b"\x17\xfe\xfd\0\x01\0\0\0\0\0\x09\0\x02ab",
        b"\x14\xfe\xfd\0\0\0\0\0\0\0\x09\0\x02\x01\x01",
        b"\x16\xfe\xfd\0\0\0\0\0\0\0\x09\0\x02ab",
        b"\x16\xfe\xfd\0\0\0\0\0\0\0\x09\0\x0c\x01\xff\xff\xff\0\0\0\0\0\0\0\0",
        b"\x3f\xfe\xfd\0\0\0\0\0\0\0\x09\0\0",
        b"\x16\xfe",
    ];
    let mut pair = Pair::new();
    pair.hears(BROWSER, &nomination());
    for round in 0..8 {
        pair.collect();
        // A flight, with junk before it.
        for _ in 0..pair.wire.len() {
            let (is_ours, datagram) = pair.wire.pop_front().unwrap();
            for forged in junk {
                pair.ours.handle(pair.now, at(BROWSER), forged);
                pair.browser.handle(pair.now, at(OURS), forged);
            }
            if is_ours {
                pair.ours.handle(pair.now, at(BROWSER), &datagram);
            } else if datagram[0] >= 20 {
                pair.browser.handle(pair.now, at(OURS), &datagram);
            }
        }
        assert!(round < 7 || pair.keys().is_some(), "keys all the same");
    }
    for _ in 0..10_000 {
        for forged in junk {
            pair.hears(BROWSER, forged);
        }
    }
    pair.collect();
    assert_eq!((failed(&pair.ours_said), pair.wire.len()), (None, 0));
}

#[test]
fn fragments_that_lead_nowhere_are_counted_and_then_not_read() {
    let mut pair = Pair::new();
    pair.hears(BROWSER, &nomination());
    pair.ours.poll();
    // One byte each of a long hello, from its end: the library would keep them and go through all of them each time.
    let fragment = |n: u16| {
        let mut record = b"\x16\xfe\xfd\0\0\0\0\0\0".to_vec();
        record.extend(n.to_be_bytes());
        record.extend(b"\0\x0d\x01\0\x40\0\0\0\0");
        record.extend((0x3fff - n).to_be_bytes());
        record.extend(b"\0\0\x01x");
        record
    };
    assert!(records::Budget::new().admits(&fragment(1)));
    for n in 0..10_000 {
        pair.hears(BROWSER, &fragment(n));
    }
    let mut budget = records::Budget::new();
    let admitted = (0..10_000).filter(|n| budget.admits(&fragment(*n))).count();
    assert_eq!(admitted, 256);
}

#[test]
fn places_are_bounded_and_the_nominated_one_stays() {
    let mut pair = Pair::new();
    pair.hears(BROWSER, &nomination());
    for port in 0..1_000 {
        pair.now += Duration::from_millis(1);
        pair.hears(&format!("127.0.0.3:{}", 10_000 + port), &check());
    }
    assert!(pair.ours.is_known(at(BROWSER)));
    assert_eq!((10_000..11_000).filter(|port| pair.ours.is_known(at(&format!("127.0.0.3:{port}")))).count(), 7);
}

#[test]
fn nothing_secret_is_shown() {
    let pair = Pair::new();
    let shown = format!("{:?} {:?} {:?}", pair.ours, pair.ours.terms, pair.ours.identity);
    assert!(!shown.contains(PASSWORD), "{shown}");
}
