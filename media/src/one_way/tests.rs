use super::*;

const SDP: &str = "198.51.100.7:4000";

type Packet = fn(&mut OneWayWatch, SocketAddr);

struct Bench {
    now: Instant,
    watch: OneWayWatch,
}

impl Bench {
    fn answered() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
        let now = Instant::now();
        let mut watch = OneWayWatch::default();
        watch.expect(now, true, 0);
        Self { now, watch }
    }

    fn after(&mut self, ms: u64) -> Option<OneWay> {
        self.judge(ms, SDP)
    }

    fn judge(&mut self, ms: u64, described: &str) -> Option<OneWay> {
        self.now += Duration::from_millis(ms);
        self.watch.verdict(self.now, at(described))
    }

    fn reports(&mut self, ms: u64, hears: bool, sent: u64) -> Option<OneWay> {
        self.now += Duration::from_millis(ms);
        self.watch.reported(self.now, hears, sent, at(SDP))
    }
}

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

#[test]
fn the_verdict_comes_once_and_within_two_seconds_with_a_tick_of_200_ms() {
    let mut bench = Bench::answered();
    let told: Vec<u64> = (1..=20).filter(|_| bench.after(200).is_some()).collect();
    assert_eq!(told, [8], "at 1.6 s");
    assert!(!bench.watch.is_waiting());
}

#[test]
fn the_time_begins_when_nothing_else_is_in_the_way() {
    let mut bench = Bench::answered();
    for _ in 0..50 {
        assert_eq!(bench.after(200), None);
        bench.watch.wait(bench.now);
    }
    let told: Vec<u64> = (1..=20).filter(|_| bench.after(200).is_some()).collect();
    assert_eq!(told, [8], "1.6 s after that");
    bench.watch.wait(bench.now);
    assert_eq!(bench.after(10_000), None, "once");
}

#[test]
fn each_cause_is_told_in_words_with_what_was_seen() {
    let from = at("203.0.113.9:5004");
    let cases: [(&str, Packet, &str, &str); 7] = [
        (SDP, |_, _| (), "nothing-comes", "no packet from the peer since the answer; its SDP says 198.51.100.7:4000"),
        (
            "10.1.2.3:4000",
            |_, _| (),
            "nothing-comes",
            "no packet from the peer since the answer; its SDP says 10.1.2.3:4000, a private address",
        ),
        (
            "192.168.1.5:4000",
            OneWayWatch::refused,
            "private-address",
            "the peer's SDP says 192.168.1.5, media arrives from 203.0.113.9:5004 (60 refused)",
        ),
        (
            SDP,
            OneWayWatch::refused,
            "other-source",
            "packets come from 203.0.113.9:5004, neither agreed nor learned (60 refused); the SDP says 198.51.100.7:4000",
        ),
        (
            SDP,
            |watch, _| watch.other_payload_type(18),
            "other-payload-type",
            "60 packets of payload type 18, which was not agreed",
        ),
        (SDP, |watch, _| watch.undecryptable(), "undecryptable", "60 packets cannot be decrypted with the agreed keys"),
        (SDP, |watch, _| watch.no_rtp(), "no-rtp", "60 datagrams that are no RTP"),
    ];
    for (described, packet, cause, words) in cases {
        let mut bench = Bench::answered();
        (0..60).for_each(|_| packet(&mut bench.watch, from));
        let verdict = bench.judge(1_600, described).unwrap();
        assert_eq!((verdict.cause(), verdict.to_string().as_str()), (cause, words));
        assert!(OneWay::CAUSES.contains(&cause) && verdict.way() == Way::FromPeer);
    }
}

#[test]
fn what_most_packets_have_is_the_cause_and_a_stray_packet_is_none() {
    let mut bench = Bench::answered();
    bench.watch.no_rtp();
    bench.watch.other_payload_type(18);
    assert_eq!(bench.after(2_000).unwrap().cause(), "nothing-comes");
    let mut bench = Bench::answered();
    (0..5).for_each(|_| bench.watch.no_rtp());
    (0..9).for_each(|_| bench.watch.undecryptable());
    assert_eq!(bench.after(2_000), Some(OneWay::Undecryptable { packets: 9 }));
}

#[test]
fn who_is_heard_once_is_not_judged() {
    let mut bench = Bench::answered();
    bench.watch.refused(at("203.0.113.9:5004"));
    bench.watch.heard();
    // A pause in speech, however long, and a refresh of the session.
    bench.watch.expect(bench.now, true, 100);
    assert_eq!(bench.after(60_000), None);
}

#[test]
fn hold_ends_the_waiting_and_resuming_begins_it_anew() {
    let mut bench = Bench::answered();
    assert_eq!(bench.after(1_500), None);
    bench.watch.expect(bench.now, false, 0);
    assert_eq!(bench.after(60_000), None);
    assert_eq!(bench.reports(1_000, false, 5_000), None);
    bench.watch.undecryptable();
    bench.watch.expect(bench.now, true, 5_000);
    assert_eq!(bench.after(1_500), None);
    assert_eq!(bench.after(100).unwrap().cause(), "nothing-comes", "what came on hold is forgotten");
}

#[test]
fn before_an_answer_nobody_is_judged() {
    let mut bench = Bench::answered();
    bench.watch = OneWayWatch::default();
    bench.watch.no_rtp();
    assert_eq!(bench.after(60_000), None);
    assert_eq!(bench.reports(10_000, false, 500), None);
}

#[test]
fn a_peer_that_reports_nothing_of_a_second_of_audio_does_not_hear_us() {
    let mut bench = Bench::answered();
    assert_eq!(bench.reports(900, false, 45), None, "it cannot know yet");
    assert_eq!(bench.reports(5_000, true, 295), None);
    assert_eq!(bench.reports(5_000, false, 320), None, "we were silent");
    let verdict = bench.reports(5_000, false, 570).unwrap();
    assert_eq!(verdict, OneWay::PeerHearsNothing { to: at(SDP), sent: 570 });
    assert_eq!((verdict.cause(), verdict.way()), ("peer-hears-nothing", Way::ToPeer));
    let words = "the peer reports that it receives nothing (RTCP) of 570 packets sent to 198.51.100.7:4000";
    assert_eq!(verdict.to_string(), words);
    assert_eq!(bench.reports(5_000, false, 820), None, "told once");
}
