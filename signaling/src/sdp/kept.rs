//! A session as it outlives the process: plain data, looked at before it is believed.

use serde::{Deserialize, Serialize};

use super::{
    dtls::SessionDtls,
    keys::SessionKeys,
    parse::MAX_MEDIA,
    payload_types::PayloadTypes,
    session::{LocalSession, Section},
};

/// The version of what is kept.
const VERSION: u8 = 1;
/// Longer words of a section were never kept, in bytes.
const LONGEST_WORD: usize = 255;

/// What is written of a [`LocalSession`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    v: u8,
    id: u64,
    version: u64,
    last: Option<u64>,
    sections: Vec<Section>,
    payload_types: PayloadTypes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keys: Option<Box<SessionKeys>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dtls: Option<Box<SessionDtls>>,
}

/// What was kept of a session is of another version, or nothing that was ever kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was kept of a session of SDP cannot be right")]
pub struct NotKept;

impl From<LocalSession> for Kept {
    fn from(session: LocalSession) -> Self {
        let LocalSession { id, version, last, sections, payload_types, keys, dtls } = session;
        Self { v: VERSION, id, version, last, sections, payload_types, keys, dtls }
    }
}

impl TryFrom<Kept> for LocalSession {
    type Error = NotKept;

    fn try_from(kept: Kept) -> Result<Self, NotKept> {
        let Kept { v, id, version, last, sections, payload_types, keys, dtls } = kept;
        let most = u64::MAX >> 1;
        let is_sound = v == VERSION
            && id <= most
            && version < most
            && sections.len() <= MAX_MEDIA
            && sections.iter().all(Section::is_sound)
            && payload_types.is_sound()
            && keys.as_deref().is_none_or(SessionKeys::is_sound)
            && dtls.as_deref().is_none_or(SessionDtls::is_sound);
        if is_sound { Ok(Self { id, version, last, sections, payload_types, keys, dtls }) } else { Err(NotKept) }
    }
}

impl Section {
    /// Whether its words can stand in a line of a description.
    fn is_sound(&self) -> bool {
        let word = |word: &String| word.len() <= LONGEST_WORD && !word.chars().any(|letter| letter.is_control() || letter == ' ');
        match self {
            Self::Audio { protocol } => word(protocol),
            Self::Refused { kind, protocol, format } => [kind, protocol, format].into_iter().all(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::{AudioCodec, Direction, LocalAudio, SessionDescription};

    fn local() -> LocalAudio {
        LocalAudio {
            address: [127, 0, 0, 1].into(),
            port: 20_000,
            codecs: vec![AudioCodec::Opus, AudioCodec::Pcma],
            direction: Direction::SendRecv,
            rtcp_mux: true,
            keys: crate::sdp::KeyPolicy::default(),
        }
    }

    #[test]
    fn a_session_goes_on_with_its_id_version_and_numbers() {
        let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 97 98\r\na=rtpmap:97 opus/48000/2\r\na=rtpmap:98 telephone-event/48000\r\n";
        let mut session = LocalSession::new(7);
        session.answer(&SessionDescription::parse(offer.as_bytes()).unwrap(), &local()).unwrap();
        let written = serde_json::to_string(&session).unwrap();
        let mut again: LocalSession = serde_json::from_str(&written).unwrap();
        let held = LocalAudio { direction: Direction::SendOnly, ..local() };
        assert_eq!(again.offer(&held), session.offer(&held));
        let text = again.offer(&held).text;
        assert!(
            text.starts_with("v=0\r\no=- 7 8 ") && text.contains("m=video 0 RTP/AVP 96\r\nm=audio 20000 RTP/AVP 97"),
            "{text}"
        );
        assert!(written.len() < 400, "{written}");
    }

    #[test]
    fn nonsense_is_an_error() {
        let written = serde_json::to_value(LocalSession::new(7)).unwrap();
        let line = serde_json::json!([{ "Audio": { "protocol": "RTP/AVP\r\na=evil" } }]);
        let many = serde_json::Value::Array(vec![serde_json::json!({ "Audio": { "protocol": "RTP/AVP" } }); MAX_MEDIA + 1]);
        for (field, value) in [
            ("v", 2.into()),
            ("id", u64::MAX.into()),
            ("version", u64::MAX.into()),
            ("sections", line),
            ("sections", many),
            ("payload_types", serde_json::json!({ "opus": 128, "dtmf_48000": 110, "dtmf_8000": 101 })),
        ] {
            let mut bad = written.clone();
            bad[field] = value;
            assert!(serde_json::from_value::<LocalSession>(bad).is_err(), "{field}");
        }
    }
}
