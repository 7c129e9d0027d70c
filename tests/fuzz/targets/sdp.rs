//! A description: answered or refused, and what we print of it reads again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_signaling::sdp::{AudioCodec, Direction, KeyRule, KeySeed, LocalAudio, LocalSession, SessionDescription};

fuzz_target!(|bytes: &[u8]| {
    let Ok(theirs) = SessionDescription::parse(bytes) else { return };
    let local = LocalAudio {
        address: "192.0.2.1".parse().expect("an address"),
        port: 20_000,
        codecs: AudioCodec::ALL.to_vec(),
        direction: Direction::SendRecv,
        rtcp_mux: true,
        keys: KeyRule::Optional.with(|| KeySeed::new([7; 32])),
    };
    let mut session = LocalSession::new(1);
    if let Ok((answer, negotiated)) = session.answer(&theirs, &local) {
        let answer = SessionDescription::parse(answer.as_bytes()).expect("what we print we read");
        assert_eq!(answer.media.len(), theirs.media.len());
        assert_eq!(answer.media.iter().filter(|media| media.port != 0).count(), 1);
        assert!(negotiated.remote_rtp.is_none_or(|address| !address.ip().is_multicast()));
        assert!((10..=60).contains(&negotiated.ptime_ms));
        let again = session.offer(&local);
        SessionDescription::parse(again.text.as_bytes()).expect("what we print we read");
    }
    let mut caller = LocalSession::new(2);
    let offer = caller.offer(&local);
    let _ = caller.read_answer(&offer, &theirs);
});
