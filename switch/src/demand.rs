//! What an item asks of an agent: its medium, and how much of them it takes by the measure of that medium.
//!
//! There are few of them on purpose: who waits is grouped by what is asked, and matching looks at groups.

use serde::{Deserialize, Serialize};

use crate::channel::{Channel, WHOLE};

/// How much of its agent an item takes, measured by what one conversation of its channel takes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Load {
    /// Half as much.
    Light,
    /// As much as any.
    #[default]
    Normal,
    /// Twice as much, but no more than an agent.
    Heavy,
    /// All of them.
    Whole,
}

impl Load {
    /// All of them, the lightest first.
    pub const ALL: [Self; 4] = [Self::Light, Self::Normal, Self::Heavy, Self::Whole];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Normal => "normal",
            Self::Heavy => "heavy",
            Self::Whole => "whole",
        }
    }

    /// The load that a word names.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|load| load.word() == word)
    }

    /// Whether it is as any other; for `skip_serializing_if`.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        *self == Self::Normal
    }

    /// Thousandths of an agent, of whom any conversation of the channel takes `weight`. Nothing stays nothing.
    #[must_use]
    pub const fn of(self, weight: u16) -> u16 {
        match (self, weight) {
            (_, 0) => 0,
            (Self::Light, 1) => 1,
            (Self::Light, _) => weight / 2,
            (Self::Normal, _) => weight,
            (Self::Heavy, _) if weight > WHOLE / 2 => WHOLE,
            (Self::Heavy, _) => weight * 2,
            (Self::Whole, _) => WHOLE,
        }
    }
}

/// What an item asks of an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Demand {
    /// Its medium.
    pub channel: Channel,
    /// How much.
    pub load: Load,
}

impl Demand {
    /// Every one that there is.
    pub fn all() -> impl Iterator<Item = Self> {
        Channel::ALL.into_iter().flat_map(|channel| Load::ALL.map(|load| Self { channel, load }))
    }

    const fn bit(self) -> u32 {
        1 << (self.channel.index() * Load::ALL.len() + self.load as usize)
    }
}

/// A set of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Demands(u32);

impl Demands {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The greatest in order.
    pub const LAST: Self = Self(u32::MAX);

    /// Whether it is in the set.
    #[must_use]
    pub const fn contains(self, demand: Demand) -> bool {
        self.0 & demand.bit() != 0
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl FromIterator<Demand> for Demands {
    fn from_iter<I: IntoIterator<Item = Demand>>(demands: I) -> Self {
        Self(demands.into_iter().fold(0, |set, demand| set | demand.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Capacity;

    #[test]
    fn a_load_is_measured_by_its_channel_and_never_more_than_an_agent() {
        let of = |weight| Load::ALL.map(|load| load.of(weight));
        assert_eq!(of(333), [166, 333, 666, 1_000]);
        assert_eq!(of(600), [300, 600, 1_000, 1_000]);
        assert_eq!(of(1), [1, 1, 2, 1_000]);
        assert_eq!(of(0), [0; 4], "who takes none of a channel takes no light ones either");
    }

    #[test]
    fn a_call_takes_what_calls_take_and_sets_hold_each_demand_for_itself() {
        let capacity = Capacity::default();
        for load in Load::ALL {
            assert_eq!(capacity.share(Demand { channel: Channel::Voice, load }), WHOLE);
        }
        for one in Demand::all() {
            let set: Demands = [one].into_iter().collect();
            assert!(Demand::all().all(|other| set.contains(other) == (one == other)));
        }
        assert!(capacity.whole().contains(Demand { channel: Channel::Chat, load: Load::Whole }));
        assert!(!capacity.whole().contains(Demand { channel: Channel::Chat, load: Load::Heavy }));
    }

    #[test]
    fn words_read_back() {
        assert!(Load::ALL.into_iter().all(|load| Load::of_word(load.word()) == Some(load)));
    }
}
