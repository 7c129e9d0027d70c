//! The stub itself: each rule that is known of the edge, broken once by hand.

use std::net::IpAddr;

use tandem_tests::{
    ground::Ground,
    wait,
    whatsapp::{Edge, ROUTES, Setup, Sip, Stage},
};

const URI: &str = "sip:+15550101234@wa.meta.vc;transport=tls";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 39998 RTP/SAVP 107 101\r\n\
                   a=rtpmap:107 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
                   a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n";

fn request(method: &str, uri: &str, cseq: u32) -> Sip {
    Sip::new(format!("{method} {uri} SIP/2.0"))
        .with("Via", format!("SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bKhand{method}{cseq}"))
        .with("Max-Forwards", "70")
        .with("From", "<sip:+15550100000@sip.example.com>;tag=us")
        .with("To", "<sip:+15550101234@wa.meta.vc>")
        .with("Call-ID", "by-hand")
        .with("CSeq", format!("{cseq} {method}"))
        .with("Contact", "<sip:+15550100000@127.0.0.1:5061;transport=tls>")
}

fn invite(uri: &str, cseq: u32) -> Sip {
    request("INVITE", uri, cseq).with_sdp(SDP)
}

fn edge(ip: IpAddr) -> Edge {
    Edge::start(ip, Setup::default())
}

/// The code of the last reply in a conversation.
fn last_code(edge: &Edge, said: impl Fn(&[Sip]) -> Option<Sip>) -> Option<u16> {
    edge.told(&[], said).expect("a connection").last().and_then(Sip::code)
}

/// The INVITE that answers the challenges of a 407, by the hand of a client that is right: but for what `change` does.
fn proved(challenge: &Sip, change: impl Fn(&str) -> String) -> Sip {
    let value = Edge::proof(challenge, 0, "sip:+15550101234@wa.meta.vc");
    invite(URI, 2).with("Proxy-Authorization", change(&value))
}

#[test]
fn who_offers_sip_by_alpn_is_refused_by_an_alert_and_who_offers_nothing_is_not() {
    let edge = edge(Ground::new().carrier());
    let refused = edge.told(&["sip"], |_| None).and_then(|_| edge.told(&["sip"], |_| Some(invite(URI, 1))).map(drop));
    assert!(refused.as_ref().is_err_and(|why| why.contains("NoApplicationProtocol")), "{refused:?}");
    assert_eq!(last_code(&edge, |replies| replies.is_empty().then(|| invite(URI, 1))), Some(407));
}

#[test]
fn each_first_request_gets_the_reply_of_its_rule() {
    let edge = edge(Ground::new().carrier());
    let from = |user_host: &str| invite(URI, 1).but("From", format!("<sip:{user_host}>;tag=us"));
    for (rule, said, code) in [
        ("no registrations", request("REGISTER", "sip:wa.meta.vc", 1), 403),
        ("an address in the Request-URI", invite("sip:+15550101234@192.0.2.1;transport=tls", 1), 404),
        ("sips", invite("sips:+15550101234@wa.meta.vc", 1), 404),
        ("no +", invite("sip:15550101234@wa.meta.vc;transport=tls", 1), 404),
        ("no transport", invite("sip:+15550101234@wa.meta.vc", 1), 404),
        ("another number in From", from("+15550109999@sip.example.com"), 400),
        ("another host in From", from("+15550100000@sip.example.net"), 403),
        ("an address in From", from("+15550100000@127.0.0.1"), 403),
        ("the parent domain in From", from("+15550100000@example.com"), 407),
        ("no proof", invite(URI, 1), 407),
        ("UPDATE", request("UPDATE", URI, 1), 405),
    ] {
        let got = last_code(&edge, |replies| replies.is_empty().then(|| said.clone()));
        assert_eq!(got, Some(code), "{rule}");
    }
    assert_eq!(edge.violations().len(), 9, "{:?}", edge.violations());
}

#[test]
fn a_proof_must_be_of_one_challenge_and_for_whom_is_called() {
    let edge = edge(Ground::new().carrier());
    let said = |change: fn(&str) -> String| {
        last_code(&edge, |replies| match replies {
            [] => Some(invite(URI, 1)),
            [challenge] => Some(proved(challenge, change)),
            _ => None,
        })
    };
    for (rule, change, code) in [
        ("a user with +", (|value| value.replace("username=\"", "username=\"+")) as fn(&str) -> String, 403),
        ("the nonce of the other challenge", |value| value.replace("-SHA-256\", uri", "-MD5\", uri"), 403),
        ("the other opaque", |value| value.replace("opaque=\"o", "opaque=\"p"), 403),
        ("another uri", |value| value.replace("+15550101234@", "+15550109999@"), 403),
        ("a wrong response", |value| value.replace("response=\"", "response=\"0"), 403),
    ] {
        assert_eq!(said(change), Some(code), "{rule}");
    }
    assert_eq!(said(str::to_owned), Some(200), "the right one");
    // The number of the request must grow by one.
    let again = last_code(&edge, |replies| match replies {
        [] => Some(invite(URI, 1)),
        [challenge] => Some(proved(challenge, str::to_owned).but("CSeq", "7 INVITE")),
        _ => None,
    });
    assert_eq!(again, Some(403));
}

#[test]
fn an_answered_call_wants_both_routes_no_change_and_audio() {
    let edge = edge(Ground::new().carrier());
    let dialog = |method: &str, routes: &[&str], cseq: u32| {
        let to = "<sip:+15550101234@wa.meta.vc>;tag=edge";
        let uri = "sip:+15550101234@wa.meta.vc;transport=tls;ob";
        let request = request(method, uri, cseq).but("To", to);
        routes.iter().fold(request, |request, route| request.with("Route", format!("<{route}>")))
    };
    let replies = edge.told(&[], |replies| match replies.len() {
        0 => Some(invite(URI, 1)),
        1 => Some(proved(&replies[0], str::to_owned)),
        2 => Some(dialog("ACK", &ROUTES, 2)),
        3 => Some(dialog("INVITE", &ROUTES, 3).with_sdp(SDP)),
        4 => Some(dialog("BYE", &ROUTES[..1], 4)),
        5 => Some(dialog("BYE", &[ROUTES[1], ROUTES[0]], 5)),
        _ => None,
    });
    let codes: Vec<_> = replies.expect("a connection").iter().filter_map(Sip::code).collect();
    assert_eq!(codes, [407, 200, 500, 481, 481]);
    // Nothing is sent to it: after twenty seconds of its time it is gone.
    edge.until("by-hand", Stage::Over);
    assert_eq!(edge.end_of("by-hand").1.as_deref(), Some("no media in the first 20 s"));
}

#[test]
fn an_ack_without_the_routes_is_none() {
    let edge = edge(Ground::new().carrier());
    let _replies = edge.told(&[], |replies| match replies.len() {
        0 => Some(invite(URI, 1)),
        1 => Some(proved(&replies[0], str::to_owned)),
        2 => Some(request("ACK", URI, 2).but("To", "<sip:+15550101234@wa.meta.vc>;tag=edge")),
        _ => None,
    });
    wait::until_true("it is noticed", || edge.violations().iter().any(|broken| broken.starts_with("both Routes")));
    assert_eq!(edge.end_of("by-hand"), (200, None), "it never was up");
}
