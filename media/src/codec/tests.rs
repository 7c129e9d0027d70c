use super::*;

#[test]
fn facts_of_the_codecs() {
    let facts = |codec: Codec| (codec.sdp_name(), codec.rtp_clock_hz(), codec.sample_rate_hz(), codec.static_payload_type());
    assert_eq!(facts(Codec::Pcmu), ("PCMU", 8000, 8000, Some(0)));
    assert_eq!(facts(Codec::Pcma), ("PCMA", 8000, 8000, Some(8)));
    assert_eq!(facts(Codec::G722), ("G722", 8000, 16_000, Some(9)));
    assert_eq!(facts(Codec::Opus), ("opus", 48_000, 16_000, None));
    assert_eq!(Codec::from_sdp_name("OPUS"), Some(Codec::Opus));
    assert_eq!(Codec::from_sdp_name("G729"), None);
    assert_eq!(Codec::from_static_payload_type(9), Some(Codec::G722));
}
