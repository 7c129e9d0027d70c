use std::time::Duration;

use super::*;
use crate::rtp::Stamp;

fn header(ssrc: u32, sequence: u16, timestamp: u32) -> Header {
    Header::parse(&Stamp { payload_type: 0, marker: false, sequence, timestamp, ssrc }.bytes()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "any instant will do as the start of simulated time")]
fn start() -> Instant {
    Instant::now()
}

fn feed(sequences: &[u16]) -> (Reception, Vec<Arrival>) {
    let epoch = start();
    let mut reception = Reception::new(epoch);
    let arrivals = sequences
        .iter()
        .enumerate()
        .map(|(i, &s)| reception.handle(epoch + Duration::from_millis(20 * i as u64), &header(1, s, 160 * u32::from(s)), true))
        .collect();
    (reception, arrivals)
}

#[test]
fn order_loss_lateness_and_repeats_are_told_apart() {
    use Arrival::{Duplicate, First, InOrder, Late};
    let (r, arrivals) = feed(&[65_534, 65_535, 1, 0, 1, 4]);
    let expected = [First, InOrder { missing: 0 }, InOrder { missing: 1 }, Late, Duplicate, InOrder { missing: 2 }];
    assert_eq!(arrivals, expected);
    assert_eq!((r.received(), r.lost(), r.reordered(), r.duplicated()), (5, 2, 1, 1));
}

#[test]
fn one_wild_packet_is_ignored_and_two_are_a_restart() {
    let (r, arrivals) = feed(&[10, 11, 40_000, 12, 50_000, 50_001, 50_002]);
    assert_eq!(arrivals[2], Arrival::Wild);
    assert_eq!(arrivals[3], Arrival::InOrder { missing: 0 });
    assert_eq!(arrivals[4..], [Arrival::Wild, Arrival::First, Arrival::InOrder { missing: 0 }]);
    assert_eq!((r.received(), r.lost()), (5, 0));
}

#[test]
fn a_new_source_starts_anew_and_keeps_the_totals() {
    let epoch = start();
    let mut r = Reception::new(epoch);
    for s in [1, 2, 5] {
        r.handle(epoch, &header(1, s, 0), true);
    }
    assert_eq!(r.handle(epoch, &header(2, 900, 0), true), Arrival::First);
    assert_eq!((r.received(), r.lost()), (4, 2));
    let report = r.report().unwrap();
    assert_eq!((report.ssrc, report.newest, report.lost), (2, 900, 0));
}

#[test]
fn a_report_counts_the_interval() {
    let (mut r, _) = feed(&[0, 1, 2, 3]);
    assert_eq!(r.report().unwrap().fraction_lost, 0);
    let epoch = r.epoch;
    for s in [4, 7] {
        r.handle(epoch, &header(1, s, 0), false);
    }
    let report = r.report().unwrap();
    assert_eq!((report.fraction_lost, report.lost, report.newest), (128, 2, 7));
}

#[test]
fn jitter_follows_appendix_a8() {
    let epoch = start();
    let mut r = Reception::new(epoch);
    for i in 0..400u16 {
        let late = if i % 2 == 0 { 0 } else { 5_000 };
        let now = epoch + Duration::from_micros(20_000 * u64::from(i) + late);
        r.handle(now, &header(1, i, 160 * u32::from(i)), true);
    }
    let jitter = r.jitter_ms().unwrap();
    assert!((jitter - 5.0).abs() < 0.1, "{jitter}");
}

#[test]
fn the_longest_gap_is_what_the_sender_did_not_mean() {
    let epoch = start();
    let mut r = Reception::new(epoch);
    let at = |ms| epoch + Duration::from_millis(ms);
    let mut packet = |ms, sequence: u16, timestamp| r.handle(at(ms), &header(1, sequence, timestamp), true);
    // The sender is silent for a second; then three packets are lost; then one comes 70 ms late.
    for (ms, sequence, timestamp) in [(0, 1, 0), (20, 2, 160), (1_020, 3, 8_160), (1_100, 7, 8_800)] {
        packet(ms, sequence, timestamp);
    }
    packet(1_190, 8, 8_960);
    assert_eq!(r.longest_gap_ms(), Some(70));
    r.forgive();
    r.handle(at(60_000), &header(1, 9, 9_120), true);
    r.handle(at(60_020), &header(1, 10, 9_280), true);
    assert_eq!(r.longest_gap_ms(), Some(70), "on hold nobody waits");
    assert_eq!((Reception::new(epoch).longest_gap_ms(), r.lost()), (None, 3));
}

#[test]
fn what_comes_late_is_not_lost_and_what_is_lost_is_spread_as_it_was() {
    // Five in a row of fifty, and in every fifty one that is only late.
    let mut sequences = Vec::new();
    for block in 0..40u16 {
        let base = block * 50;
        sequences.extend((base..base + 20).chain([base + 21, base + 20]).chain(base + 22..base + 45));
    }
    let (r, _) = feed(&sequences);
    assert_eq!((r.lost(), r.reordered()), (39 * 5, 40), "the last five are not missed yet");
    let pattern = r.pattern();
    assert!((4.4..4.6).contains(&pattern.burst_ratio()), "{}", pattern.burst_ratio());
    let bursts = pattern.bursts();
    assert_eq!((bursts.burst_density, bursts.burst_packets, bursts.gap_density), (1.0, 5.0, 0.0));
    assert!((r.loss(0).percent - 9.77).abs() < 0.1, "{:?}", r.loss(0));
    assert!((r.loss(39).percent - 11.7).abs() < 0.1, "{:?}", r.loss(39));
}
