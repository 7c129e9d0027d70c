//! Offers and answers as text: what is offered, what we answer, what was agreed.
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::fmt::Write as _;

use tandem_signaling::sdp::{
    AudioCodec, Direction, Incompatible, KeyPolicy, LocalAudio, LocalSession, Negotiated, OpusWishes, SdpError,
    SessionDescription,
};

fn local() -> LocalAudio {
    LocalAudio {
        address: "192.0.2.1".parse().unwrap(),
        port: 20_000,
        codecs: vec![AudioCodec::Opus, AudioCodec::G722, AudioCodec::Pcma, AudioCodec::Pcmu],
        direction: Direction::SendRecv,
        rtcp_mux: true,
        keys: KeyPolicy::default(),
    }
}

fn description(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\n{lines}")
}

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

fn show(negotiated: &Negotiated) -> String {
    let Negotiated { codec, send_payload_type, receive_payload_type, dtmf_send, dtmf_receive, ptime_ms, .. } = negotiated;
    let Negotiated { dtmf_clock_hz, remote_rtp, remote_rtcp, direction, rtcp_mux, .. } = negotiated;
    let mut text = format!("{codec:?} send {send_payload_type} receive {receive_payload_type}");
    let _ = write!(text, "\ndtmf {dtmf_send:?} {dtmf_receive:?} ptime {ptime_ms}");
    if *dtmf_clock_hz != codec.clock_hz() {
        let _ = write!(text, " events of {dtmf_clock_hz} Hz");
    }
    let _ = write!(text, "\nrtp {remote_rtp:?} rtcp {remote_rtcp:?} {direction:?} mux {rtcp_mux}");
    text
}

/// The answer's lines after `t=`, and what was agreed.
fn check(offer: &str) -> String {
    check_with(&mut LocalSession::new(42), offer, &local())
}

fn check_with(session: &mut LocalSession, offer: &str, local: &LocalAudio) -> String {
    match session.answer(&parse(&description(offer)), local) {
        Ok((answer, negotiated)) => {
            parse(&answer);
            let (_, media) = answer.split_once("\r\nt=").unwrap();
            format!("t={media}\n{}", show(&negotiated)).replace('\r', "")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_phone_is_answered_with_our_first_common_codec() {
    insta::assert_snapshot!(check(
        "c=IN IP4 192.0.2.7
         t=0 0
         m=audio 4000 RTP/AVP 0 8 101
         a=rtpmap:0 PCMU/8000
         a=rtpmap:8 PCMA/8000
         a=rtpmap:101 telephone-event/8000
         a=fmtp:101 0-16
         a=ptime:30
         a=rtcp:4010 IN IP4 192.0.2.8"
    ), @r"
    t=0 0
    m=audio 20000 RTP/AVP 8 101
    a=rtpmap:8 PCMA/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
    a=ptime:30
    a=sendrecv

    Pcma send 8 receive 8
    dtmf Some(101) Some(101) ptime 30
    rtp Some(192.0.2.7:4000) rtcp Some(192.0.2.8:4010) SendRecv mux false
    ");
}

#[test]
fn events_follow_the_clock_of_the_codec() {
    insta::assert_snapshot!(check(
        "c=IN IP6 2001:db8::7
         t=3149328700 0
         m=audio 4000 RTP/AVPF 111 0 126 110
         a=rtpmap:111 OPUS/48000/2
         a=rtpmap:110 telephone-event/48000
         a=rtpmap:126 telephone-event/8000
         a=rtcp-mux"
    ), @r"
    t=3149328700 0
    m=audio 20000 RTP/AVPF 111 110
    a=rtpmap:111 opus/48000/2
    a=fmtp:111 minptime=10;useinbandfec=1
    a=rtpmap:110 telephone-event/48000
    a=fmtp:110 0-15
    a=ptime:20
    a=sendrecv
    a=rtcp-mux

    Opus send 111 receive 111
    dtmf Some(110) Some(110) ptime 20
    rtp Some([2001:db8::7]:4000) rtcp Some([2001:db8::7]:4000) SendRecv mux true
    ");
}

#[test]
fn a_phone_with_opus_and_events_of_8_khz_only_keeps_both() {
    let mut session = LocalSession::new(42);
    let offer = "c=IN IP4 192.0.2.7\nt=0 0\nm=audio 4000 RTP/AVP 111 0 110\na=rtpmap:111 opus/48000/2\n\
                 a=rtpmap:110 telephone-event/8000";
    insta::assert_snapshot!(check_with(&mut session, offer, &local()), @r"
    t=0 0
    m=audio 20000 RTP/AVP 111 110
    a=rtpmap:111 opus/48000/2
    a=fmtp:111 minptime=10;useinbandfec=1
    a=rtpmap:110 telephone-event/8000
    a=fmtp:110 0-15
    a=ptime:20
    a=sendrecv

    Opus send 111 receive 111
    dtmf Some(110) Some(110) ptime 20 events of 8000 Hz
    rtp Some(192.0.2.7:4000) rtcp Some(192.0.2.7:4001) SendRecv mux false
    ");
    let again = session.offer(&local()).text;
    assert!(again.contains("a=rtpmap:110 telephone-event/8000\r\n"), "the number keeps its meaning: {again}");
    assert!(again.contains("a=rtpmap:96 telephone-event/48000\r\n"), "and ours for the other clock moved: {again}");
}

#[test]
fn opus_alone_is_offered_with_events_of_both_clocks_and_an_answer_may_choose() {
    let mut session = LocalSession::new(42);
    let offer = session.offer(&LocalAudio { codecs: vec![AudioCodec::Opus], ..local() });
    assert!(offer.text.contains("m=audio 20000 RTP/AVP 111 101 110\r\n"), "{}", offer.text);
    let answer = "c=IN IP4 192.0.2.7\nt=0 0\nm=audio 4000 RTP/AVP 111 101\na=rtpmap:111 opus/48000/2\n\
                  a=rtpmap:101 telephone-event/8000";
    let negotiated = session.read_answer(&offer, &parse(&description(answer))).unwrap();
    assert_eq!((negotiated.codec, negotiated.dtmf_send, negotiated.dtmf_receive), (AudioCodec::Opus, Some(101), Some(101)));
    assert_eq!(negotiated.dtmf_clock_hz, 8_000);
}

#[test]
fn other_media_is_refused_in_its_place() {
    insta::assert_snapshot!(check(
        "t=0 0
         m=video 6000 RTP/AVP 31 96
         c=IN IP4 192.0.2.7
         m=audio 0 RTP/AVP 8
         m=audio 5000 RTP/SAVP 8
         m=audio 5002 RTP/AVP 97 9
         c=IN IP4 192.0.2.9
         a=rtpmap:97 iLBC/8000
         a=sendonly
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
    ), @r"
    t=0 0
    m=video 0 RTP/AVP 31
    m=audio 0 RTP/AVP 8
    m=audio 0 RTP/SAVP 8
    m=audio 20000 RTP/AVP 9
    a=rtpmap:9 G722/8000
    a=ptime:20
    a=recvonly
    m=application 0 UDP/DTLS/SCTP webrtc-datachannel

    G722 send 9 receive 9
    dtmf None None ptime 20
    rtp Some(192.0.2.9:5002) rtcp Some(192.0.2.9:5003) RecvOnly mux false
    ");
}

/// The direction we end with for an offered direction and address, when we want `ours`.
fn direction(offered: &str, address: &str, ours: Direction) -> Direction {
    let offer = parse(&description(&format!("c=IN IP4 {address}\nt=0 0\n{offered}\nm=audio 4000 RTP/AVP 8")));
    let local = LocalAudio { direction: ours, ..local() };
    LocalSession::new(1).answer(&offer, &local).unwrap().1.direction
}

#[test]
fn hold_by_direction_and_by_address() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let (address, zero) = ("192.0.2.7", "0.0.0.0");
    assert_eq!(direction("a=sendrecv", address, SendRecv), SendRecv);
    assert_eq!(direction("a=sendonly", address, SendRecv), RecvOnly);
    assert_eq!(direction("a=recvonly", address, SendRecv), SendOnly);
    assert_eq!(direction("a=inactive", address, SendRecv), Inactive);
    assert_eq!(direction("a=sendonly", address, SendOnly), Inactive);
    assert_eq!(direction("a=sendrecv", address, SendOnly), SendOnly);
    assert_eq!(direction("a=sendrecv", zero, SendRecv), RecvOnly);
    assert_eq!(direction("a=recvonly", zero, SendRecv), Inactive);
    let held = parse(&description("c=IN IP4 0.0.0.0\nt=0 0\nm=audio 4000 RTP/AVP 8"));
    assert_eq!(LocalSession::new(1).answer(&held, &local()).unwrap().1.remote_rtp, None);
}

#[test]
fn packet_lengths_stay_in_bounds() {
    let ptime = |lines: &str| {
        let offer = parse(&description(&format!("c=IN IP4 192.0.2.7\nt=0 0\nm=audio 4000 RTP/AVP 8\n{lines}")));
        LocalSession::new(1).answer(&offer, &local()).unwrap().1.ptime_ms
    };
    assert_eq!(ptime(""), 20);
    for (lines, expected) in [("a=ptime:10", 10), ("a=ptime:60", 60), ("a=ptime:0", 20), ("a=ptime:1", 20), ("a=ptime:1000", 20)]
    {
        assert_eq!(ptime(lines), expected, "{lines}");
    }
    for (lines, expected) in
        [("a=ptime:x", 20), ("a=ptime:60\na=maxptime:40", 40), ("a=maxptime:5", 10), ("a=ptime:-20", 20), ("a=ptime:20.0", 20)]
    {
        assert_eq!(ptime(lines), expected, "{lines}");
    }
}

#[test]
fn offers_that_give_no_audio_say_why() {
    let audio = "t=0 0\nm=audio 4000 RTP/AVP";
    let cases = [
        ("t=0 0", Incompatible::NoAudio),
        (&format!("c=IN IP4 192.0.2.7\n{audio} 18"), Incompatible::NoCommonCodec),
        (&format!("c=IN IP4 192.0.2.7\n{audio} 200 -1 x"), Incompatible::NoCommonCodec),
        (&format!("c=IN IP4 192.0.2.7\n{audio} 0\na=rtpmap:0 PCMU/16000"), Incompatible::NoCommonCodec),
        (&format!("{audio} 8"), Incompatible::NoAddress),
        (&format!("c=IN IP4 224.2.1.1/127/3\n{audio} 8"), Incompatible::UnusableAddress),
        (&format!("c=IN IP4 255.255.255.255\n{audio} 8"), Incompatible::UnusableAddress),
        (&format!("c=IN IP4 media.example.com\n{audio} 8"), Incompatible::UnusableAddress),
        ("c=IN IP4 192.0.2.1\nt=0 0\nm=audio 20000 RTP/AVP 8", Incompatible::UnusableAddress),
        ("c=IN IP4 192.0.2.7\nt=0 0\nm=audio 0 RTP/AVP 8", Incompatible::NoAudio),
    ];
    for (offer, expected) in cases {
        assert_eq!(check(offer), expected.to_string(), "{offer}");
    }
}

#[test]
fn voip_metrics_are_sent_to_whoever_asks_and_asked_of_all() {
    let asks = |line: &str| {
        let offer = format!("c=IN IP4 192.0.2.7\nt=0 0\nm=audio 4000 RTP/AVP 8\n{line}");
        let (answer, negotiated) = LocalSession::new(42).answer(&parse(&description(&offer)), &local()).unwrap();
        assert_eq!(answer.contains("a=rtcp-xr:voip-metrics"), negotiated.rtcp_xr, "{answer}");
        negotiated.rtcp_xr
    };
    assert!(
        asks("a=rtcp-xr:voip-metrics") && asks("a=rtcp-xr:pkt-loss-rle=4 rcvr-rtt=all:10 voip-metrics stat-summary=loss,dup")
    );
    assert!(!asks("") && !asks("a=rtcp-xr") && !asks("a=rtcp-xr:stat-summary=loss") && !asks("a=rtcp-xr:voip-metrics-not"));
    let mut session = LocalSession::new(42);
    let offer = session.offer(&local());
    for (line, expected) in [("a=rtcp-xr:voip-metrics", true), ("a=rtcp-mux", false)] {
        let answer = parse(&description(&format!("c=IN IP4 192.0.2.7\nt=0 0\nm=audio 4000 RTP/AVP 8\n{line}")));
        assert_eq!(session.read_answer(&offer, &answer).unwrap().rtcp_xr, expected, "{line}");
    }
}

#[test]
fn our_offer_and_its_answers() {
    let mut session = LocalSession::new(42);
    let offer = session.offer(&local());
    insta::assert_snapshot!(offer.text.replace('\r', ""), @r"
    v=0
    o=- 42 42 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=audio 20000 RTP/AVP 111 9 8 0 101 110
    a=rtpmap:111 opus/48000/2
    a=fmtp:111 minptime=10;useinbandfec=1
    a=rtpmap:9 G722/8000
    a=rtpmap:8 PCMA/8000
    a=rtpmap:0 PCMU/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
    a=rtpmap:110 telephone-event/48000
    a=fmtp:110 0-15
    a=ptime:20
    a=sendrecv
    a=rtcp-mux
    a=rtcp-xr:voip-metrics
    ");
    let mut answer = |lines: &str| {
        let answer = parse(&description(&format!("c=IN IP4 192.0.2.7\nt=0 0\n{lines}")));
        session.read_answer(&offer, &answer).map_or_else(|error| error.to_string(), |negotiated| show(&negotiated))
    };
    insta::assert_snapshot!(answer("m=audio 4000 RTP/AVP 18 8 96\na=rtpmap:96 telephone-event/8000\na=sendonly"), @r"
    Pcma send 8 receive 8
    dtmf Some(96) Some(101) ptime 20
    rtp Some(192.0.2.7:4000) rtcp Some(192.0.2.7:4001) RecvOnly mux false
    ");
    insta::assert_snapshot!(answer("m=audio 65535 RTP/AVP 111 110\na=rtcp-mux"), @r"
    Opus send 111 receive 111
    dtmf Some(110) Some(110) ptime 20
    rtp Some(192.0.2.7:65535) rtcp Some(192.0.2.7:65535) SendRecv mux true
    ");
    assert_eq!(answer("m=audio 0 RTP/AVP 8"), Incompatible::NoAudio.to_string());
    assert_eq!(answer("m=audio 4000 RTP/AVP 18"), Incompatible::NoCommonCodec.to_string());
    assert_eq!(answer("m=audio 4000 RTP/AVP 8\nm=video 1 RTP/AVP 8"), Incompatible::SectionsChanged.to_string());
    assert_eq!(answer(""), Incompatible::SectionsChanged.to_string());
}

#[test]
fn a_later_offer_keeps_id_sections_and_payload_types() {
    let mut session = LocalSession::new(42);
    let first = "c=IN IP4 192.0.2.7\nt=0 0\nm=video 6000 RTP/AVP 31\nm=audio 4000 RTP/AVP 101 111\n\
                 a=rtpmap:101 opus/48000/2\na=rtpmap:111 telephone-event/48000";
    check_with(&mut session, first, &local());
    let hold = LocalAudio { direction: Direction::SendOnly, codecs: vec![AudioCodec::Opus, AudioCodec::Pcma], ..local() };
    let offer = session.offer(&hold);
    insta::assert_snapshot!(offer.text.replace('\r', ""), @r"
    v=0
    o=- 42 43 IN IP4 192.0.2.1
    s=-
    c=IN IP4 192.0.2.1
    t=0 0
    m=video 0 RTP/AVP 31
    m=audio 20000 RTP/AVP 101 8 96 111
    a=rtpmap:101 opus/48000/2
    a=fmtp:101 minptime=10;useinbandfec=1
    a=rtpmap:8 PCMA/8000
    a=rtpmap:96 telephone-event/8000
    a=fmtp:96 0-15
    a=rtpmap:111 telephone-event/48000
    a=fmtp:111 0-15
    a=ptime:20
    a=sendonly
    a=rtcp-mux
    a=rtcp-xr:voip-metrics
    ");
    assert_eq!(session.offer(&hold).text, offer.text, "unchanged: the version stays");
    assert!(session.offer(&local()).text.contains("o=- 42 44 "));
    let fewer = parse(&description("c=IN IP4 192.0.2.7\nt=0 0\nm=audio 4000 RTP/AVP 8"));
    assert_eq!(session.answer(&fewer, &local()).unwrap_err(), Incompatible::SectionsChanged);
}

#[test]
fn descriptions_that_can_not_be_read() {
    let error = |text: &str| SessionDescription::parse(text.as_bytes()).map(|_| ());
    let head = "v=0\no=- 1 1 IN IP4 h\ns=-\n";
    assert_eq!(error(""), Err(SdpError::Version));
    assert_eq!(error("v=1"), Err(SdpError::Version));
    assert_eq!(error("v=0"), Err(SdpError::Origin));
    assert_eq!(error("v=0\no=- x 1 IN IP4 h"), Err(SdpError::Origin));
    assert_eq!(error(&format!("{head}junk")), Err(SdpError::BadLine));
    assert_eq!(error(&format!("{head}m =video 1 RTP/AVP 0")), Err(SdpError::BadLine));
    assert_eq!(error(&format!("{head}c=IN IP6 192.0.2.1")), Err(SdpError::Connection));
    assert_eq!(error(&format!("{head}t=0")), Err(SdpError::Time));
    for media in ["audio", "audio 1", "audio 1 RTP/AVP", "audio 70000 RTP/AVP 0", "audio -1 RTP/AVP 0"] {
        assert_eq!(error(&format!("{head}m={media}")), Err(SdpError::Media), "{media}");
    }
    assert_eq!(error(&format!("{head}{}", "m=audio 1 RTP/AVP 0\n".repeat(100))), Err(SdpError::TooManyMedia));
    assert_eq!(error(&format!("{head}m=audio 1 RTP/AVP{}", " 0".repeat(65))), Err(SdpError::TooManyFormats));
    let many = "a=rtpmap:0 PCMU/8000\n".repeat(65);
    assert_eq!(error(&format!("{head}m=audio 1 RTP/AVP 0\n{many}")), Err(SdpError::TooManyFormats));
    assert_eq!(error(&format!("{head}{}", "x".repeat(40_000))), Err(SdpError::TooLong));
    let odd = "a=rtpmap:999 x/1\na=rtpmap:0\na=rtpmap:0 PCMU/0\na=fmtp\na=rtcp:x\na=crypto:\n\nb=AS:x\nz=";
    assert_eq!(error(&format!("{head}m=audio 1 RTP/AVP 0\n{odd}")), Ok(()));
}

#[test]
fn what_a_peer_wants_of_opus_is_read_from_offers_and_answers() {
    let opus = "c=IN IP4 192.0.2.7\nt=0 0\nm=audio 4000 RTP/AVP 0 111\na=rtpmap:111 opus/48000/2\na=fmtp:0 maxaveragebitrate=7000\n\
                a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1";
    let wishes = Some(OpusWishes { most_bps: 20_000, most_playback_hz: 16_000, fec: true, dtx: false });
    let (answer, negotiated) = LocalSession::new(42).answer(&parse(&description(opus)), &local()).unwrap();
    assert_eq!(negotiated.opus, wishes);
    assert!(answer.contains("a=fmtp:111 minptime=10;useinbandfec=1\r\n"), "ours are not theirs: {answer}");

    let mut session = LocalSession::new(42);
    let offer = session.offer(&local());
    let answer = opus.replace("0 111", "111");
    assert_eq!(session.read_answer(&offer, &parse(&description(&answer))).unwrap().opus, wishes);
    let bare = opus.replace("111\n", "0\n");
    let offer = session.offer(&LocalAudio { codecs: vec![AudioCodec::Pcmu], ..local() });
    assert_eq!(session.read_answer(&offer, &parse(&description(&bare))).unwrap().opus, None, "not of another codec");
}
