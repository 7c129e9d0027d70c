//! The keys of encrypted audio of one leg: the plan's rule, the randomness for ours, and how they reach the media engine.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tandem_dialplan as plan;
use tandem_media::{
    browser::{Candidate, CheckTerms, Fingerprint as StreamFingerprint, IceTerms, Terms},
    keys::{StreamKey, StreamKeys, Suite as StreamSuite},
};
use tandem_signaling::sdp::{
    Fingerprint, KeyPolicy, KeyRule, KeySource, MediaCandidate, MediaChecks, MediaDtls, MediaIce, MediaKey, MediaKeys, Suite,
};

/// What a leg needs for its keys.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct LegKeys {
    rule: KeyRule,
    /// Each process has its own.
    #[serde(skip)]
    source: Option<Box<KeySource>>,
}

impl Clone for LegKeys {
    /// Without its randomness: nobody makes the same keys again.
    fn clone(&self) -> Self {
        Self { rule: self.rule, source: None }
    }
}

impl LegKeys {
    pub(super) fn new(rule: KeyRule, all: &mut KeySource) -> Self {
        Self { rule, source: Some(Box::new(all.fork())) }
    }

    /// The same for a leg that is back.
    pub(super) fn renew(&mut self, all: &mut KeySource) {
        *self = Self::new(self.rule, all);
    }

    pub(super) const fn rule(&self) -> KeyRule {
        self.rule
    }

    /// For one description of a process with that certificate.
    pub(super) fn policy(&mut self, certificate: StreamFingerprint) -> KeyPolicy {
        self.policy_by(self.rule, certificate)
    }

    /// The same by another rule.
    pub(super) fn policy_by(&mut self, rule: KeyRule, certificate: StreamFingerprint) -> KeyPolicy {
        let drawn = self.source.as_mut().map(|source| KeyPolicy::new(rule, source.seed(), Fingerprint(certificate.0)));
        drawn.unwrap_or_default()
    }
}

/// What the plan says of keys, as signalling takes it.
pub(super) const fn rule(word: plan::MediaKeys) -> KeyRule {
    match word {
        plan::MediaKeys::Usual | plan::MediaKeys::None => KeyRule::Plain,
        plan::MediaKeys::Sdes => KeyRule::Sdes,
        plan::MediaKeys::SdesOptional => KeyRule::Optional,
        plan::MediaKeys::Dtls => KeyRule::Dtls,
    }
}

/// What was agreed, as the media engine takes it.
pub(super) fn stream_keys(keys: &MediaKeys) -> Arc<StreamKeys> {
    Arc::new(StreamKeys { send: stream_key(&keys.send), receive: stream_key(&keys.receive) })
}

/// The same of DTLS.
pub(super) fn terms(agreed: &MediaDtls) -> Arc<Terms> {
    let ice = agreed.ice.as_ref().map(|MediaIce { ufrag, password, their_ufrag, checks }| IceTerms {
        ufrag: ufrag.clone(),
        password: password.clone(),
        their_ufrag: their_ufrag.clone(),
        checks: checks.as_ref().map(check_terms),
    });
    Arc::new(Terms { fingerprint: StreamFingerprint(agreed.fingerprint.0), is_client: agreed.is_client, ice })
}

fn check_terms(checks: &MediaChecks) -> CheckTerms {
    let MediaChecks { their_password, is_controlling, candidates } = checks;
    let candidates = candidates.iter().map(|&MediaCandidate { address, priority }| Candidate { address, priority });
    CheckTerms { their_password: their_password.clone(), is_controlling: *is_controlling, candidates: candidates.collect() }
}

fn stream_key(key: &MediaKey) -> StreamKey {
    let suite = match key.suite() {
        Suite::AesCm128HmacSha1_80 => StreamSuite::AesCm128HmacSha1_80,
        Suite::AesCm128HmacSha1_32 => StreamSuite::AesCm128HmacSha1_32,
        Suite::AesCm256HmacSha1_80 => StreamSuite::AesCm256HmacSha1_80,
        Suite::AeadAes128Gcm => StreamSuite::AeadAes128Gcm,
        Suite::AeadAes256Gcm => StreamSuite::AeadAes256Gcm,
    };
    StreamKey::new(suite, key.key(), key.salt()).expect("both sides have the lengths of the RFCs")
}

#[cfg(test)]
mod tests {
    use tandem_signaling::sdp::{AudioCodec, Direction, LocalAudio, LocalSession, SessionDescription};

    use super::*;

    #[test]
    fn keys_of_every_suite_reach_the_engine_as_they_are() {
        let mut source = KeySource::new([1; 32]);
        let mut keys = LegKeys::new(KeyRule::Sdes, &mut source);
        let mut side = |port| LocalAudio {
            address: [127, 0, 0, 1].into(),
            port,
            codecs: vec![AudioCodec::Pcma],
            direction: Direction::SendRecv,
            rtcp_mux: true,
            keys: keys.policy(StreamFingerprint([7; 32])),
        };
        for suite in Suite::ALL {
            let offer = LocalSession::new(1).offer(&side(4_000)).text;
            let lines = offer.lines().filter(|line| !line.contains("a=crypto") || line.contains(suite.as_str()));
            let offer: String = lines.map(|line| format!("{line}\r\n")).collect();
            let offer = SessionDescription::parse(offer.as_bytes()).unwrap();
            let (_, negotiated) = LocalSession::new(2).answer(&offer, &side(5_000)).unwrap();
            let agreed = negotiated.keys.unwrap();
            let (here, back) = (stream_keys(&agreed), MediaKeys { send: agreed.receive.clone(), receive: agreed.send.clone() });
            assert_eq!((&here.send, &here.receive), (&stream_keys(&back).receive, &stream_keys(&back).send));
            assert!(here.send != here.receive);
        }
    }

    #[test]
    fn what_is_written_down_has_no_randomness_and_a_leg_that_is_back_gets_new() {
        let mut source = KeySource::new([1; 32]);
        let mut keys = LegKeys::new(KeyRule::Sdes, &mut source);
        let certificate = StreamFingerprint([7; 32]);
        let first = keys.policy(certificate);
        let written = serde_json::to_string(&keys.clone()).unwrap();
        assert_eq!(written, r#"{"rule":"Sdes"}"#);
        let mut back: LegKeys = serde_json::from_str(&written).unwrap();
        back.renew(&mut source);
        let again = back.policy(certificate);
        assert!(again.rule() == KeyRule::Sdes && again != first && again != keys.policy(certificate));
    }
}
