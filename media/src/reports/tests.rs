use proptest::prelude::*;

use super::*;
use crate::{codec::Codec, rtp::Header};

#[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
fn start() -> Instant {
    Instant::now()
}

struct Side {
    heard: Option<Heard>,
    reports: Reports,
    outgoing: Outgoing,
    reception: Reception,
}

impl Side {
    fn new(epoch: Instant, ssrc: u32) -> Self {
        let clock = NtpClock::new(epoch, 1_790_000_000_000_000 + u64::from(ssrc) * 5_000_000);
        Self {
            heard: None,
            reports: Reports::new(epoch, clock, u64::from(ssrc), u64::from(ssrc)),
            outgoing: Outgoing::new(ssrc, 0, 0),
            reception: Reception::new(epoch),
        }
    }

    fn send(&mut self, now: Instant) -> Header {
        let stamp = self.outgoing.stamp(now, 0, self.outgoing.timestamp().wrapping_add(160), false, 160);
        Header::parse(&stamp.bytes()).unwrap()
    }

    fn due(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.reports.due(now, 8_000, &self.outgoing, &mut self.reception, self.heard.as_ref())
    }
}

#[test]
fn two_sides_measure_round_trip_and_loss() {
    let epoch = start();
    let (mut a, mut b) = (Side::new(epoch, 1), Side::new(epoch, 2));
    let way = Duration::from_millis(35);
    for i in 0..3_000u64 {
        let now = epoch + Duration::from_millis(20 * i);
        let (from_a, from_b) = (a.send(now), b.send(now));
        if i % 10 != 0 {
            b.reception.handle(now + way, &from_a, true);
        }
        a.reception.handle(now + way, &from_b, true);
        if let Some(report) = a.due(now) {
            assert!(b.reports.handle(now + way, &b.outgoing, &report));
        }
        if let Some(report) = b.due(now) {
            assert!(a.reports.handle(now + way, &a.outgoing, &report));
        }
    }
    for side in [&a, &b] {
        let rtt = side.reports.rtt_ms().unwrap();
        assert!((rtt - 70.0).abs() < 1.0, "{rtt}");
    }
    let remote = a.reports.remote().unwrap();
    assert!((remote.loss - 0.1).abs() < 0.03 && remote.lost > 200, "{remote:?}");
    assert!(b.reports.remote().unwrap().loss < 0.01);
    assert_eq!(remote.stated, None, "nobody asked for extended reports");
}

#[test]
fn reports_come_every_few_seconds_and_end_with_bye() {
    let epoch = start();
    let mut a = Side::new(epoch, 1);
    a.send(epoch);
    let count = (0..60_000).filter(|ms| a.due(epoch + Duration::from_millis(*ms)).is_some()).count();
    assert!((8..=20).contains(&count), "{count}");
    let bye = a.reports.bye(epoch, 8_000, &a.outgoing, &mut a.reception, None).unwrap();
    let packets = rtcp::packet::unmarshal(&mut bye.as_slice()).unwrap();
    assert_eq!(packets.len(), 3);
    let reader = packets[1].as_any().downcast_ref::<SourceDescription>().unwrap();
    assert_eq!(reader.chunks[0].items[0].text.len(), 16);
    assert!(packets[2].as_any().is::<Goodbye>());
}

#[test]
fn a_stream_that_only_listens_sends_receiver_reports() {
    let epoch = start();
    let (mut a, mut b) = (Side::new(epoch, 1), Side::new(epoch, 2));
    assert_eq!(a.due(epoch + Duration::from_secs(9)), None, "nothing to report");
    a.reception.handle(epoch, &b.send(epoch), true);
    let report = a.due(epoch + Duration::from_secs(20)).unwrap();
    assert_eq!(report[1], RECEIVER_REPORT);
}

#[test]
fn malformed_reports_are_refused() {
    let epoch = start();
    let mut a = Side::new(epoch, 1);
    let cases: [&[u8]; 7] = [
        &[],
        &[0x80, 200, 0, 0],
        &[0x80, 200, 0, 1, 0, 0, 0, 1],
        &[0x9f, 201, 0, 1, 0, 0, 0, 1],
        &[0x81, 201, 0xff, 0xff, 0, 0, 0, 1],
        &[0x00, 201, 0, 1, 0, 0, 0, 1],
        &[0x80, 205, 0x00, 0x01, 0, 0, 0, 0, 0x81],
    ];
    for bytes in cases {
        assert!(!a.reports.handle(epoch, &a.outgoing, bytes), "{bytes:?}");
    }
    assert!(a.reports.handle(epoch, &a.outgoing, &[0x81, 203, 0, 1, 0, 0, 0, 9]), "a BYE alone is skipped");
}

#[test]
fn extended_reports_say_how_a_peer_is_heard_to_whoever_asked() {
    let epoch = start();
    let (mut a, mut b) = (Side::new(epoch, 1), Side::new(epoch, 2));
    let mos = crate::quality::received_mos;
    for i in 0..1_500u64 {
        let now = epoch + Duration::from_millis(20 * i);
        let packet = a.send(now);
        // Two of a hundred are lost, side by side.
        if i % 100 > 1 {
            b.reception.handle(now, &packet, true);
        }
    }
    let heard = |mos| Heard { discarded: 15, packet_ms: 20, mos, listening: mos, buffering: None };
    b.heard = Some(heard(mos(Codec::Pcmu, &b.reception, 15, Some(50.0), 20)));
    let report = b.due(epoch + Duration::from_secs(40)).unwrap();
    let read = rtcp::packet::unmarshal(&mut report.as_slice()).unwrap();
    assert!(read[2].as_any().is::<rtcp::extended_report::ExtendedReport>(), "{read:?}");
    assert!(a.reports.handle(epoch, &a.outgoing, &report));
    let stated = a.reports.remote().unwrap().stated.unwrap();
    assert!((stated.loss - 0.02).abs() < 0.004 && (stated.discarded - 0.01).abs() < 0.004, "{stated:?}");
    assert_eq!((stated.mos_listening, stated.end_system_delay_ms), (stated.mos_conversation, Some(20)));
    assert!((4.0..4.2).contains(&stated.mos_listening.unwrap()) && stated.rating.is_some_and(|r| (75..90).contains(&r)));
    // 14 bursts of two lost packets, 40 ms each, and 1,470 packets beside them: 2,100 ms each.
    let block = &report[report.len() - 36..];
    assert_eq!((block[10], &block[12..16], block[23]), (255, &[0, 40, 8, 52][..], 16), "{block:?}");

    b.heard = Some(heard(None));
    let report = b.due(epoch + Duration::from_secs(80)).unwrap();
    assert!(a.reports.handle(epoch, &a.outgoing, &report));
    let stated = a.reports.remote().unwrap().stated.unwrap();
    assert_eq!((stated.rating, stated.mos_listening, stated.mos_conversation), (None, None, None), "unknown is not good");
    let strange = Outgoing::new(77, 0, 0);
    assert!(b.reports.handle(epoch, &strange, &report) && b.reports.remote().is_none(), "a report on somebody else");
    for cut in 1..report.len() {
        assert!(!a.reports.handle(epoch, &a.outgoing, &report[..cut]) || cut % 4 == 0, "cut to {cut}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), kind in 198u8..208) {
        let epoch = start();
        let mut a = Side::new(epoch, 1);
        if bytes.len() > 3 {
            bytes[0] = bytes[0] & 0x1f | 0x80;
            (bytes[1], bytes[2], bytes[3]) = (kind, 0, bytes[3] % 32);
        }
        a.reports.handle(epoch, &a.outgoing, &bytes);
    }
}
