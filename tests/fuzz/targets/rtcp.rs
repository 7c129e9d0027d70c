//! RTCP of a peer: compound packets, right and wrong, between packets that we receive and send. What they claim stays
//! within what can be, and what we say of it is well formed.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tandem_media::{
    adapt::{Adaptation, LEAST_BPS, MOST_BPS},
    emodel::Mos,
    outgoing::Outgoing,
    reception::Reception,
    reports::{Buffering, Heard, NtpClock, Reports},
    rtp::{Header, Stamp},
};

const OURS: u32 = 0x0102_0304;

/// The lengths of its packets come to that of the whole (RFC 3550 section 6.1).
fn assert_compound(mut rest: &[u8]) {
    assert!(rest.len() <= 1_400, "it fits into a datagram");
    while !rest.is_empty() {
        assert_eq!(rest[0] >> 6, 2);
        let bytes = 4 + 4 * usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        rest = rest.get(bytes..).expect("it ends where it says");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut now = Instant::now();
    let mut reception = Reception::new(now);
    let mut outgoing = Outgoing::new(OURS, 2, 3);
    let mut reports = Reports::new(now, NtpClock::new(now, 1_800_000_000_000_000), 4, 5);
    let mut line = Adaptation::default();
    let mut rest = bytes;
    // Each step: what, how long after the one before, and how many bytes it takes.
    while let Some((&[kind, wait, length], tail)) = rest.split_first_chunk::<3>() {
        let (datagram, tail) = tail.split_at(usize::from(length).min(tail.len()));
        rest = tail;
        now += Duration::from_millis(u64::from(wait) * 20);
        match kind % 4 {
            0 => drop(outgoing.stamp(now, 0, u32::from(wait) * 160, false, 160)),
            1 => {
                let sequence = u16::from_be_bytes([kind, length]);
                let stamp = Stamp { payload_type: 0, marker: false, sequence, timestamp: u32::from(wait) * 160, ssrc: 9 };
                let header = Header::parse(&stamp.bytes()).expect("a header");
                let _ = reception.handle(now, &header, true);
            }
            _ => {
                let _ = reports.handle(now, &outgoing, datagram);
            }
        }
        let _ = reports.take_hearing();
        if let Some(fraction) = reports.take_lost_of_late() {
            line.reported(fraction);
            assert!(line.loss_percent() <= 100 && (LEAST_BPS..=MOST_BPS).contains(&line.bps()));
        }
        assert!(reports.rtt_ms().is_none_or(|ms| (0.0..=30_000.0).contains(&ms)));
        if let Some(remote) = reports.remote() {
            assert!((0.0..=1.0).contains(&remote.loss) && remote.jitter_ms >= 0.0);
            let is_score = |score: Option<f32>| score.is_none_or(|score| (1.0..=5.0).contains(&score));
            assert!(remote.stated.is_none_or(|stated| {
                is_score(stated.mos_listening)
                    && is_score(stated.mos_conversation)
                    && stated.rating.is_none_or(|rating| rating <= 100)
            }));
        }
        let mos = None::<Mos>;
        let buffering = Some(Buffering { delay_ms: u16::from(wait), most_ms: 200 });
        let heard = Heard { discarded: u64::from(length), packet_ms: 20, mos, listening: mos, buffering };
        if let Some(said) = reports.due(now, 8_000, &outgoing, &mut reception, Some(&heard)) {
            assert_compound(&said);
        }
    }
    if let Some(said) = reports.bye(now, 8_000, &outgoing, &mut reception, None) {
        assert_compound(&said);
    }
});
