//! The emergency switches of schedules: stronger than everything that a schedule says.
//!
//! Somebody turns one at once, for everybody, with a reason; the server keeps it and writes down who. One that is
//! turned for a while turns itself back: nobody has to remember it.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use tandem_switch::{name::ScheduleName, time::Timestamp};

/// What an emergency switch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Override {
    /// Open until turned back.
    ForceOpen,
    /// Closed until turned back.
    ForceClosed,
}

impl Override {
    /// The word of commands and of the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ForceOpen => "force-open",
            Self::ForceClosed => "force-closed",
        }
    }

    /// How the audit calls turning it so.
    #[must_use]
    pub const fn audited(self) -> &'static str {
        match self {
            Self::ForceOpen => "schedule-forced-open",
            Self::ForceClosed => "schedule-forced-closed",
        }
    }

    /// What the schedule is then, in a sentence.
    #[must_use]
    pub const fn forced(self) -> &'static str {
        match self {
            Self::ForceOpen => "forced open",
            Self::ForceClosed => "forced closed",
        }
    }
}

/// A switch that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// What it says.
    pub says: Override,
    /// Who turned it; nobody in a simulated call.
    pub by: Option<Arc<str>>,
    /// When it turns itself back.
    pub until: Option<Timestamp>,
}

impl From<Override> for Switch {
    fn from(says: Override) -> Self {
        Self { says, by: None, until: None }
    }
}

impl Switch {
    /// Whether it still says something.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// The emergency switches that are on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(BTreeMap<ScheduleName, Switch>);

impl Overrides {
    /// Turns one on, or otherwise than it was.
    pub fn turn(&mut self, schedule: ScheduleName, switch: impl Into<Switch>) {
        self.0.insert(schedule, switch.into());
    }

    /// The one of a schedule, if it says something at that moment.
    #[must_use]
    pub fn at(&self, schedule: &ScheduleName, now: Timestamp) -> Option<&Switch> {
        self.0.get(schedule).filter(|switch| switch.holds(now))
    }
}

impl FromIterator<(ScheduleName, Switch)> for Overrides {
    fn from_iter<T: IntoIterator<Item = (ScheduleName, Switch)>>(all: T) -> Self {
        Self(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_turns_itself_back() {
        let office = ScheduleName::from("office");
        let mut switches = Overrides::default();
        assert_eq!(switches.at(&office, Timestamp(0)), None);
        switches.turn(office.clone(), Switch { until: Some(Timestamp(10)), ..Override::ForceClosed.into() });
        assert!(switches.at(&office, Timestamp(9)).is_some());
        assert!(switches.at(&office, Timestamp(10)).is_none());
        switches.turn(office.clone(), Override::ForceOpen);
        assert_eq!(switches.at(&office, Timestamp(i64::MAX)).map(|switch| switch.says), Some(Override::ForceOpen));
        assert_eq!(switches.at(&ScheduleName::from("night"), Timestamp(0)), None);
    }
}
