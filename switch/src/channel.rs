//! Media, and how much of an agent the work on each of them takes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::demand::{Demand, Demands};

/// An agent has so many thousandths to give.
pub const WHOLE: u16 = 1_000;

/// A medium.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// Calls.
    #[default]
    Voice,
    /// Email.
    Email,
    /// Short messages.
    Sms,
    /// WhatsApp messages.
    Whatsapp,
    /// Chat on a web page.
    Chat,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Voice, Self::Email, Self::Sms, Self::Whatsapp, Self::Chat];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Whatsapp => "whatsapp",
            Self::Chat => "chat",
        }
    }

    /// The channel that a word names.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.word() == word)
    }

    /// Whether it is a call; for `skip_serializing_if`.
    #[must_use]
    pub fn is_voice(&self) -> bool {
        *self == Self::Voice
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// A set of channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channels(u8);

impl Channels {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Whether it is in the set.
    #[must_use]
    pub const fn contains(self, channel: Channel) -> bool {
        self.0 & (1 << channel.index()) != 0
    }

    /// The set with one more.
    #[must_use]
    pub const fn with(self, channel: Channel) -> Self {
        Self(self.0 | (1 << channel.index()))
    }
}

/// What one agent can do at a time: the part of them that one conversation of each channel takes, in thousandths, and
/// which channel may interrupt which.
///
/// A call takes its agent whole, or the agent takes no calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "CapacityText", into = "CapacityText")]
pub struct Capacity {
    weights: [u16; 5],
    /// By the channel that interrupts.
    interrupts: [Channels; 5],
}

/// Capacity as it is written down. What is absent is as by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CapacityText {
    /// Thousandths of an agent that one conversation takes, by channel; 0 takes none of that channel.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<Channel, u16>,
    /// Pairs: the first may interrupt the second. `[["voice", "email"]]` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupts: Option<Vec<(Channel, Channel)>>,
}

/// Why a capacity cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCapacity {
    /// More than an agent.
    #[error("one conversation by {0} takes {1} thousandths: an agent has {WHOLE}")]
    TooMuch(&'static str, u16),
    /// Half a call.
    #[error("a call takes its agent whole: give voice 1000, or 0 for no calls")]
    PartOfACall,
    /// A channel interrupts itself.
    #[error("{0} cannot interrupt itself")]
    Itself(&'static str),
    /// Two interrupt each other for ever.
    #[error("{0} and {1} cannot interrupt each other: leave one of the two out")]
    EachOther(&'static str, &'static str),
}

impl Default for Capacity {
    fn default() -> Self {
        let mut interrupts = [Channels::NONE; 5];
        interrupts[Channel::Voice.index()] = Channels::NONE.with(Channel::Email);
        Self { weights: [WHOLE, 200, 333, 333, 333], interrupts }
    }
}

impl TryFrom<CapacityText> for Capacity {
    type Error = BadCapacity;

    fn try_from(text: CapacityText) -> Result<Self, BadCapacity> {
        let mut capacity = Self::default();
        for (channel, weight) in text.weights {
            if weight > WHOLE {
                return Err(BadCapacity::TooMuch(channel.word(), weight));
            }
            capacity.weights[channel.index()] = weight;
        }
        if !matches!(capacity.weight(Channel::Voice), 0 | WHOLE) {
            return Err(BadCapacity::PartOfACall);
        }
        if let Some(pairs) = text.interrupts {
            capacity.interrupts = [Channels::NONE; 5];
            for (first, second) in pairs {
                if first == second {
                    return Err(BadCapacity::Itself(first.word()));
                }
                if capacity.interrupts(second, first) {
                    return Err(BadCapacity::EachOther(first.word(), second.word()));
                }
                capacity.interrupts[first.index()] = capacity.interrupts[first.index()].with(second);
            }
        }
        Ok(capacity)
    }
}

impl From<Capacity> for CapacityText {
    fn from(capacity: Capacity) -> Self {
        let pairs = Channel::ALL.into_iter().flat_map(|first| Channel::ALL.map(|second| (first, second)));
        Self {
            weights: Channel::ALL.into_iter().map(|channel| (channel, capacity.weight(channel))).collect(),
            interrupts: Some(pairs.filter(|(first, second)| capacity.interrupts(*first, *second)).collect()),
        }
    }
}

impl Capacity {
    /// The part of the agent that one conversation takes; 0: they take none of this channel.
    #[must_use]
    pub const fn weight(&self, channel: Channel) -> u16 {
        self.weights[channel.index()]
    }

    /// The part of the agent that one item takes; 0: they take none of its channel. A call takes what calls take.
    #[must_use]
    pub const fn share(&self, demand: Demand) -> u16 {
        let weight = self.weight(demand.channel);
        if matches!(demand.channel, Channel::Voice) { weight } else { demand.load.of(weight) }
    }

    /// What they take anything of.
    #[must_use]
    pub fn takes(&self) -> Demands {
        Demand::all().filter(|demand| self.share(*demand) > 0).collect()
    }

    /// What takes the whole agent.
    #[must_use]
    pub fn whole(&self) -> Demands {
        Demand::all().filter(|demand| self.share(*demand) == WHOLE).collect()
    }

    /// Whether work on the first channel may interrupt work on the second.
    #[must_use]
    pub const fn interrupts(&self, first: Channel, second: Channel) -> bool {
        self.interrupts[first.index()].contains(second)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    fn read(text: &str) -> Result<Capacity, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_absent_is_as_by_default_and_reads_back() {
        let capacity = read(r#"{"weights":{"chat":500,"sms":0}}"#).unwrap();
        assert_eq!(Channel::ALL.map(|channel| capacity.weight(channel)), [1000, 200, 0, 333, 500]);
        assert!(capacity.interrupts(Channel::Voice, Channel::Email) && !capacity.interrupts(Channel::Email, Channel::Voice));
        let takes = |channel| capacity.takes().contains(Demand { channel, ..Demand::default() });
        assert!(!takes(Channel::Sms) && takes(Channel::Chat));
        assert_eq!(read(&serde_json::to_string(&capacity).unwrap()).unwrap(), capacity);
        assert_eq!(read("{}").unwrap(), Capacity::default());
    }

    #[test]
    fn what_cannot_be_says_why() {
        let refused = |text: &str| read(text).unwrap_err();
        assert!(refused(r#"{"weights":{"voice":500}}"#).contains("a call takes its agent whole"));
        assert!(refused(r#"{"weights":{"chat":1001}}"#).contains("1001 thousandths"));
        assert!(refused(r#"{"interrupts":[["voice","email"],["email","voice"]]}"#).contains("cannot interrupt each other"));
        assert!(refused(r#"{"interrupts":[["chat","chat"]]}"#).contains("cannot interrupt itself"));
        assert!(refused(r#"{"weights":{"fax":1}}"#).contains("fax"));
    }
}
