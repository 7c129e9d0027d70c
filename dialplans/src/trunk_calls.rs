//! What is particular to the calls of a trunk: how they prove themselves, what may be done with them, and what of them
//! is kept. A profile is a name for all of that at once, as a certain carrier wants it.

use std::collections::BTreeMap;

/// A carrier that is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// WhatsApp Business Calling by SIP (`docs/whatsapp.md`).
    Whatsapp,
}

impl Profile {
    pub(crate) const WORDS: &'static [&'static str] = &["whatsapp"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        (word == "whatsapp").then_some(Self::Whatsapp)
    }
}

/// What our answer to a challenge says that it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestUri {
    /// The Request-URI as it is sent.
    #[default]
    Whole,
    /// User and host of it.
    UserHost,
}

impl DigestUri {
    pub(crate) const WORDS: &'static [&'static str] = &["whole", "user-host"];

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "whole" => Some(Self::Whole),
            "user-host" => Some(Self::UserHost),
            _ => None,
        }
    }
}

/// A header whose value is kept with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepHeader {
    /// The header.
    pub header: String,
    /// The name that the value has in the plan and in the record.
    pub name: String,
    /// What is cut off where the value begins with it.
    pub without: Option<String>,
}

/// What is particular to the calls of a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkCalls {
    /// The carrier, when it is one that is known by name.
    pub profile: Option<Profile>,
    /// Its calls must prove the password of its `credentials`, beside coming from its addresses.
    pub challenge: bool,
    /// What our answers to its challenges are for.
    pub digest_uri: DigestUri,
    /// A running call may be changed from our side (re-INVITE, UPDATE).
    pub reinvite: bool,
    /// Something is sent at least so often while a call is up, in ms; as the audio comes when `None`.
    pub keep_alive_ms: Option<u64>,
    /// Its calls may go out through other trunks.
    pub onward: bool,
    /// Headers whose values are kept.
    pub keep_headers: Vec<KeepHeader>,
}

impl Default for TrunkCalls {
    fn default() -> Self {
        Self {
            profile: None,
            challenge: false,
            digest_uri: DigestUri::Whole,
            reinvite: true,
            keep_alive_ms: None,
            onward: true,
            keep_headers: Vec::new(),
        }
    }
}

impl TrunkCalls {
    /// Whether a value of this name may be kept.
    #[must_use]
    pub fn keeps(&self, name: &str) -> bool {
        self.keep_headers.iter().any(|keep| keep.name == name)
    }

    /// What is kept of headers, by its name. Of several headers for one name the first that is there counts.
    #[must_use]
    pub fn kept<'h>(&self, headers: impl Iterator<Item = (&'h str, &'h str)> + Clone) -> BTreeMap<String, String> {
        let mut kept = BTreeMap::new();
        for keep in &self.keep_headers {
            let value = headers.clone().find(|(header, _)| header.eq_ignore_ascii_case(&keep.header)).map(|(_, value)| value);
            if let Some(value) = value {
                let value = keep.without.as_deref().and_then(|without| value.strip_prefix(without)).unwrap_or(value);
                kept.entry(keep.name.clone()).or_insert_with(|| value.to_owned());
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_header_for_a_name_counts_and_loses_what_it_is_to_lose() {
        let keep = |header: &str, name: &str, without: Option<&str>| KeepHeader {
            header: header.into(),
            name: name.into(),
            without: without.map(Into::into),
        };
        let keep_headers =
            vec![keep("x-wacid", "wacid", None), keep("Call-ID", "wacid", Some("outgoing:")), keep("x-name", "name", None)];
        let calls = TrunkCalls { keep_headers, ..TrunkCalls::default() };
        let kept = |headers: &[(&str, &str)]| format!("{:?}", calls.kept(headers.iter().copied()));
        assert_eq!(kept(&[("call-id", "outgoing:wacid.1=="), ("X-Wacid", "wacid.2")]), r#"{"wacid": "wacid.2"}"#);
        assert_eq!(kept(&[("call-id", "outgoing:wacid.1==")]), r#"{"wacid": "wacid.1=="}"#);
        assert_eq!(kept(&[("call-id", "abc"), ("x-name", "Ana")]), r#"{"name": "Ana", "wacid": "abc"}"#);
        assert_eq!(kept(&[("x-other", "1")]), "{}");
        assert!(calls.keeps("wacid") && !calls.keeps("x-wacid"));
    }
}
