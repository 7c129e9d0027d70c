//! What is known of the audio of a call's legs: in its record, in the metrics, and in the live trace. `docs/quality.md`
//! says what the figures mean.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value, json};
use tandem_media::{
    contract::{NoKeys, OneWay, Quality},
    emodel::Mos,
    one_way::Way,
    quality::RemoteQuality,
};
use tandem_switch::id::LegId;

use crate::metrics::{METRICS, SCORES};

/// Verdicts on one leg that are kept; it may be held and resumed for ever.
const MOST_VERDICTS: usize = 8;

/// What is known of the audio of one call.
#[derive(Debug, Default)]
pub struct CallAudio {
    legs: BTreeMap<LegId, LegAudio>,
    /// What became of streams to programs.
    pub streams: Vec<Value>,
}

#[derive(Debug, Default)]
struct LegAudio {
    measured: Option<Quality>,
    one_way: Vec<OneWay>,
    no_keys: Vec<NoKeys>,
}

impl CallAudio {
    /// What was measured on a leg that is gone.
    pub fn measured(&mut self, leg: LegId, quality: Quality) {
        self.legs.entry(leg).or_default().measured = Some(quality);
    }

    /// Audio of a leg goes one way only. The first verdicts are kept.
    pub fn one_way(&mut self, leg: LegId, verdict: OneWay) {
        let verdicts = &mut self.legs.entry(leg).or_default().one_way;
        if verdicts.len() < MOST_VERDICTS {
            verdicts.push(verdict);
        }
    }

    /// A leg has no keys. The first verdicts are kept.
    pub fn no_keys(&mut self, leg: LegId, verdict: NoKeys) {
        let verdicts = &mut self.legs.entry(leg).or_default().no_keys;
        if verdicts.len() < MOST_VERDICTS {
            verdicts.push(verdict);
        }
    }

    /// By leg, with `null` for what was not measured; `None` when nothing is known.
    #[must_use]
    pub fn to_json(&self) -> Option<Value> {
        let mut known: Map<_, _> = self.legs.iter().map(|(leg, audio)| (leg.0.to_string(), audio.to_json())).collect();
        if !self.streams.is_empty() {
            known.insert("streams".to_owned(), Value::Array(self.streams.clone()));
        }
        (!known.is_empty()).then_some(Value::Object(known))
    }
}

impl LegAudio {
    fn to_json(&self) -> Value {
        // Numbers and words: nothing of it can fail to be written.
        let mut leg = self.measured.map_or_else(|| json!({}), |quality| serde_json::to_value(quality).unwrap_or_default());
        if !self.one_way.is_empty() {
            leg["one_way"] = self.one_way.iter().map(verdict).collect();
        }
        if !self.no_keys.is_empty() {
            let verdict = |no_keys: &NoKeys| json!({ "cause": no_keys.cause(), "detail": no_keys.to_string() });
            leg["no_keys"] = self.no_keys.iter().map(verdict).collect();
        }
        leg
    }
}

fn verdict(one_way: &OneWay) -> Value {
    json!({ "way": one_way.way().as_str(), "cause": one_way.cause(), "detail": one_way.to_string() })
}

/// Which way is silent, in words.
#[must_use]
pub const fn silent(way: Way) -> &'static str {
    match way {
        Way::FromPeer => "is not heard",
        Way::ToPeer => "hears nothing",
    }
}

/// Counts what was measured on a leg that is gone.
pub fn count(quality: &Quality) {
    METRICS.media_packets_in.add(quality.packets_received);
    METRICS.media_packets_out.add(quality.packets_sent);
    METRICS.media_packets_refused.add(quality.foreign + quality.malformed);
    METRICS.media_packets_lost.add(quality.lost);
    METRICS.media_mos.inc(class(quality.mos));
    METRICS.media_remote_mos.inc(class(quality.remote.and_then(|remote| remote.mos)));
}

/// The highest of the classes that a score reaches.
fn class(mos: Option<Mos>) -> &'static str {
    let reaches = |class: &&&str| class.parse::<f32>().is_ok_and(|least| mos.is_some_and(|mos| mos.value >= least));
    SCORES.iter().find(reaches).unwrap_or(&"unknown")
}

/// What was measured on a leg, in words.
#[must_use]
pub fn describe(leg: LegId, quality: &Quality) -> String {
    let Quality { packets_received, lost, reordered, duplicated, late, jitter_ms, longest_gap_ms, rtt_ms, mos, remote, .. } =
        quality;
    let mut text = format!("{leg}: {packets_received} packets received, {lost} lost, {reordered} reordered, {duplicated} twice");
    // Writing to a String cannot fail.
    let _ = late.map(|late| write!(text, ", {late} too late"));
    let _ = jitter_ms.map(|ms| write!(text, ", jitter {ms:.1} ms"));
    let _ = longest_gap_ms.map(|ms| write!(text, ", longest gap {ms} ms"));
    let _ = rtt_ms.map(|ms| write!(text, ", round trip {ms:.0} ms"));
    let _ = write!(text, ", MOS {}; it hears us: ", score(*mos));
    let _ = match remote {
        None => write!(text, "unknown, it sends no reports"),
        Some(RemoteQuality { loss, jitter_ms, mos, .. }) => {
            write!(text, "{:.1} % lost, jitter {jitter_ms:.1} ms, MOS {}", loss * 100.0, score(*mos))
        }
    };
    text
}

fn score(mos: Option<Mos>) -> String {
    match mos {
        None => "unknown".to_owned(),
        Some(Mos { value, delay_ms: Some(_), .. }) => format!("{value:.2}"),
        Some(Mos { value, delay_ms: None, .. }) => format!("{value:.2} (delay unknown)"),
    }
}

#[cfg(test)]
mod tests {
    use tandem_media::emodel::Scale;

    use super::*;

    fn mos(value: f32) -> Option<Mos> {
        Some(Mos { value, rating: 80.0, scale: Scale::NarrowBand, delay_ms: None })
    }

    #[test]
    fn scores_are_counted_by_the_class_that_they_reach() {
        let classes = [4.41, 4.3, 4.29, 3.1, 1.0].map(|value| class(mos(value)));
        assert_eq!((classes, class(None)), (["4.3", "4.3", "4.0", "3.1", "1.0"], "unknown"));
    }

    #[test]
    fn what_is_unknown_is_null_in_the_record_and_unknown_in_words() {
        let mut audio = CallAudio::default();
        assert_eq!(audio.to_json(), None);
        audio.measured(LegId(0), Quality { packets_received: 7, ..Quality::default() });
        let described = "192.168.1.5:4000".parse().unwrap();
        (0..20).for_each(|_| audio.one_way(LegId(1), OneWay::NothingComes { described }));
        let record = audio.to_json().unwrap();
        assert_eq!((&record["0"]["packets_received"], &record["0"]["mos"]), (&7.into(), &Value::Null), "{record}");
        assert_eq!(record["0"].get("one_way"), None);
        assert_eq!(record["1"]["one_way"].as_array().map(Vec::len), Some(MOST_VERDICTS));
        assert_eq!(
            (&record["1"]["one_way"][0]["way"], &record["1"]["one_way"][0]["cause"]),
            (&"from-peer".into(), &"nothing-comes".into())
        );
        (0..20).for_each(|_| audio.no_keys(LegId(1), NoKeys::OtherCertificate));
        let record = audio.to_json().unwrap();
        let no_keys = &record["1"]["no_keys"];
        assert_eq!((no_keys.as_array().map(Vec::len), &no_keys[0]["cause"]), (Some(MOST_VERDICTS), &"other-certificate".into()));
        assert!(no_keys[0]["detail"].is_string() && record["0"].get("no_keys").is_none(), "{record}");
        let words = describe(LegId(0), &Quality::default());
        assert_eq!(
            words,
            "leg 0: 0 packets received, 0 lost, 0 reordered, 0 twice, MOS unknown; it hears us: unknown, it sends no reports"
        );
    }
}
