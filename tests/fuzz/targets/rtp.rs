//! A row of datagrams on one port, as the media engine reads them: statistics, learning, digits, decoders,
//! the jitter buffer and reports hold.
#![no_main]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use libfuzzer_sys::fuzz_target;
use tandem_media::{
    codec::{Codec, Decoder},
    contract::LearnPolicy,
    dtmf::DigitDetector,
    learn::Learner,
    outgoing::Outgoing,
    quality::received_mos,
    reception::Reception,
    reports::{Heard, NtpClock, Reports},
    rtp::{Header, is_rtcp},
    transcode::Transcoder,
};

fuzz_target!(|bytes: &[u8]| {
    let mut now = Instant::now();
    let peer: SocketAddr = "192.0.2.1:4000".parse().expect("an address");
    let mut reception = Reception::new(now);
    let mut learner = Learner::new(peer, Some(peer.ip()), LearnPolicy::default());
    let mut digits = DigitDetector::new();
    let mut outgoing = Outgoing::new(1, 2, 3);
    let mut reports = Reports::new(now, NtpClock::new(now, 1_800_000_000_000_000), 4, 5);
    let mut decoders = Codec::ALL.map(|codec| Decoder::new(codec).expect("a decoder"));
    let mut transcoder = Transcoder::new(Codec::Opus, 8_000, 20, now).expect("a decoder");
    let mut pcm = [0; 5_760];
    let mut rest = bytes;
    // Each datagram: its length, when it comes, from which port, then its bytes.
    while let Some((&[length, wait, port], tail)) = rest.split_first_chunk::<3>() {
        let (datagram, tail) = tail.split_at(usize::from(length).min(tail.len()));
        rest = tail;
        now += Duration::from_millis(u64::from(wait));
        if is_rtcp(datagram) {
            let _ = reports.handle(now, &outgoing, datagram);
        } else if let Some(header) = Header::parse(datagram) {
            let payload = &datagram[header.payload()];
            learner.handle(now, SocketAddr::new(peer.ip(), 4_000 + u16::from(port % 3)), &header);
            let arrival = reception.handle(now, &header, true);
            transcoder.receive(now, &header, Some(payload).filter(|_| port < 250), arrival);
            for digit in digits.handle(now, header.timestamp, payload, 8_000).into_iter().flatten() {
                assert!("0123456789*#ABCD".contains(digit.key));
            }
            for decoder in &mut decoders {
                if let Ok(samples) = decoder.decode(payload, &mut pcm) {
                    assert!(samples <= pcm.len());
                }
            }
            let _ = outgoing.stamp(now, 0, header.timestamp, false, payload.len());
        }
        while transcoder.next_frame(now, &mut pcm).is_some() {}
        assert!(transcoder.depth_ms() <= 200);
        let mos = received_mos(Codec::Pcmu, &reception, 0, reports.rtt_ms(), 20);
        assert!(mos.is_none_or(|mos| (1.0..=5.0).contains(&mos.value)));
        let heard = Heard { discarded: 0, packet_ms: 20, mos, listening: mos, buffering: None };
        let _ = reports.due(now, 8_000, &outgoing, &mut reception, Some(&heard));
    }
    let share = reports.remote().map_or(0.0, |remote| remote.loss);
    assert!((0.0..=1.0).contains(&share));
    let _ = reports.bye(now, 8_000, &outgoing, &mut reception, None);
});
