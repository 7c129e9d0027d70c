//! Opening hours: weekly hours, special days, closed days and holidays, in one time zone.
//!
//! Hours are wall-clock times. Where daylight saving skips an hour, an opening in the gap moves
//! behind it; where an hour comes twice, the first one counts.

use std::fmt;

use jiff::{
    ToSpan,
    civil::Date,
    tz::{TimeZone, TimeZoneDatabase},
};
use serde::Serialize;
use tandem_switch::{name::ScheduleName, time::Timestamp};

use crate::switches::{Override, Switch};

/// Days that are looked ahead for the next opening.
const HORIZON_DAYS: u32 = 800;

/// The opening hours of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: ScheduleName,
    /// The zone of all its hours.
    pub zone: TimeZone,
    pub(crate) weekly: Vec<(Days, Vec<Hours>)>,
    pub(crate) special: Vec<(DateRule, Vec<Hours>)>,
    pub(crate) closed: Vec<DateRule>,
    pub(crate) holidays: Vec<DateRule>,
}

/// Days of the week; bit 0 is Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Days(pub(crate) u8);

/// Minutes since midnight; the end is after the begin, and past 1440 when it lies on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hours {
    pub(crate) from: u16,
    pub(crate) to: u16,
}

/// Some dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DateRule {
    Span {
        from: Date,
        to: Date,
    },
    Yearly {
        month: i8,
        day: i8,
    },
    /// A spell of days that comes back, as calendars have it.
    Recurring {
        first: Date,
        days: u16,
        every_years: i16,
        last: Option<Date>,
    },
}

impl DateRule {
    /// The last day on which it holds; `None` when it comes back for ever.
    pub(crate) fn last(&self) -> Option<Date> {
        match self {
            Self::Span { to, .. } => Some(*to),
            Self::Yearly { .. } => None,
            Self::Recurring { days, last, .. } => last.map(|last| last.saturating_add(i64::from(days.saturating_sub(1)).days())),
        }
    }

    pub(crate) fn holds(&self, date: Date) -> bool {
        match self {
            Self::Span { from, to } => (*from..=*to).contains(&date),
            Self::Yearly { month, day } => date.month() == *month && date.day() == *day,
            Self::Recurring { first, days, every_years, last } => (0..*days).any(|back| {
                let Ok(start) = date.checked_sub(i64::from(back).days()) else { return false };
                (start.month(), start.day()) == (first.month(), first.day())
                    && start >= *first
                    && last.is_none_or(|last| start <= last)
                    && (start.year() - first.year()) % every_years == 0
            }),
        }
    }
}

/// Whether a schedule is open, and by which of its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Open or closed.
    pub open: bool,
    /// Why, for a person.
    pub why: String,
}

/// A moment at which a schedule opens or closes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// When.
    pub at: Timestamp,
    /// Opens (`true`) or closes.
    pub opens: bool,
    /// The same moment on the wall clock of the schedule: `Fri 2026-12-25 08:30 CET`.
    pub local: String,
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.local, if self.opens { "opens" } else { "closes" })
    }
}

impl Schedule {
    /// Whether it says in so many words that it is always open: then it is there for its emergency switch.
    pub(crate) fn is_plainly_always(&self) -> bool {
        let all_day = self.weekly.as_slice() == [(Days(0b111_1111), vec![Hours { from: 0, to: 24 * 60 }])];
        all_day && self.special.is_empty() && self.closed.is_empty() && self.holidays.is_empty()
    }

    /// Whether it is open at an instant.
    #[must_use]
    pub fn standing(&self, at: Timestamp, switch: Option<&Switch>) -> Standing {
        if let Some(switch) = switch {
            return self.forced(switch);
        }
        let Some(today) = self.local_date(at) else { return Standing { open: false, why: "no such date".into() } };
        let yesterday = today.yesterday().unwrap_or(today);
        for date in [today, yesterday] {
            let (reason, hours) = self.hours_on(date);
            if let Some(hours) =
                hours.iter().find(|hours| self.instants(date, **hours).is_some_and(|(from, to)| (from..to).contains(&at.0)))
            {
                return Standing { open: true, why: format!("{reason} of {date}: {hours}") };
            }
        }
        let (reason, hours) = self.hours_on(today);
        let hours: Vec<_> = hours.iter().map(ToString::to_string).collect();
        let why = if hours.is_empty() {
            format!("{reason} of {today}")
        } else {
            format!("outside the {reason} of {today}: {}", hours.join(", "))
        };
        Standing { open: false, why }
    }

    /// What it is while its emergency switch is on.
    fn forced(&self, switch: &Switch) -> Standing {
        let mut why = switch.says.forced().to_owned();
        match &switch.by {
            Some(by) => why = format!("{why} by {by}"),
            None => why += " by the emergency switch",
        }
        if let Some(until) = switch.until {
            why = format!("{why} until {}", self.local(until));
        }
        Standing { open: switch.says == Override::ForceOpen, why }
    }

    /// The next `n` openings and closings after an instant, within about two years.
    #[must_use]
    pub fn next_transitions(&self, after: Timestamp, n: usize) -> Vec<Transition> {
        let mut out = Vec::new();
        let Some(mut date) = self.local_date(after).and_then(|today| today.yesterday().ok()) else { return out };
        // The spell that may still grow: hours that touch, over midnight too, are one.
        let mut spell: Option<(i64, i64)> = None;
        for _ in 0..HORIZON_DAYS {
            let mut today: Vec<_> = self.hours_on(date).1.iter().filter_map(|hours| self.instants(date, *hours)).collect();
            today.sort_unstable();
            for (from, to) in today {
                match &mut spell {
                    Some((_, end)) if from <= *end => *end = to.max(*end),
                    _ => self.note(spell.replace((from, to)), after, &mut out),
                }
            }
            if out.len() >= n {
                break;
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        if let Some((from, to)) = spell {
            // Open on into the first day that is not looked at: no closing is known.
            let goes_on =
                self.hours_on(date).1.iter().filter_map(|hours| self.instants(date, *hours)).any(|(begin, _)| begin <= to);
            self.note(Some((from, if goes_on { i64::MAX } else { to })), after, &mut out);
        }
        out.truncate(n);
        out
    }

    fn note(&self, spell: Option<(i64, i64)>, after: Timestamp, out: &mut Vec<Transition>) {
        let Some((from, to)) = spell else { return };
        for (at, opens) in [(from, true), (to, false)] {
            if at > after.0 && at < i64::MAX {
                out.push(Transition { at: Timestamp(at), opens, local: self.local(Timestamp(at)) });
            }
        }
    }

    /// An instant on its wall clock: `Fri 2026-12-25 08:30 CET`.
    #[must_use]
    pub fn local(&self, at: Timestamp) -> String {
        match jiff::Timestamp::from_microsecond(at.0) {
            Ok(instant) => instant.to_zoned(self.zone.clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string(),
            Err(_) => "?".into(),
        }
    }

    fn local_date(&self, at: Timestamp) -> Option<Date> {
        let instant = jiff::Timestamp::from_microsecond(at.0).ok()?;
        Some(self.zone.to_datetime(instant).date())
    }

    /// The hours of a date, and what they come from.
    fn hours_on(&self, date: Date) -> (&'static str, Vec<Hours>) {
        if self.closed.iter().any(|rule| rule.holds(date)) {
            return ("closed day", Vec::new());
        }
        let special: Vec<_> =
            self.special.iter().filter(|(rule, _)| rule.holds(date)).flat_map(|(_, hours)| hours.clone()).collect();
        if !special.is_empty() {
            return ("special hours", special);
        }
        if self.holidays.iter().any(|rule| rule.holds(date)) {
            return ("holiday", Vec::new());
        }
        let bit = 1_u8 << date.weekday().to_monday_zero_offset();
        let weekly = self.weekly.iter().filter(|(days, _)| days.0 & bit != 0).flat_map(|(_, hours)| hours.clone()).collect();
        ("weekly hours", weekly)
    }

    /// Begin and end of some hours of a date, in microseconds since the epoch.
    fn instants(&self, date: Date, hours: Hours) -> Option<(i64, i64)> {
        let instant = |minutes: u16| {
            let wall = date.at(0, 0, 0, 0).checked_add(i64::from(minutes).minutes()).ok()?;
            self.zone.to_ambiguous_timestamp(wall).compatible().ok().map(|instant| instant.as_microsecond())
        };
        Some((instant(hours.from)?, instant(hours.to)?))
    }
}

/// A time zone by its name, from the database that is built in: the same on every machine.
pub(crate) fn time_zone(name: &str) -> Option<TimeZone> {
    if name == "UTC" { Some(TimeZone::UTC) } else { TimeZoneDatabase::bundled().get(name).ok() }
}

impl crate::Plan {
    /// The begin of the day of an instant, in the zone of the plan.
    #[must_use]
    pub fn midnight_before(&self, at: Timestamp) -> Timestamp {
        let day = jiff::Timestamp::from_microsecond(at.0).ok();
        let day = day.and_then(|at| at.to_zoned(self.time_zone.clone()).start_of_day().ok());
        day.map_or(at, |day| Timestamp(day.timestamp().as_microsecond()))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = if self.to > 1440 { self.to - 1440 } else { self.to };
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from / 60, self.from % 60, to / 60, to % 60)
    }
}

const DAY_WORDS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Days {
    /// `mon-fri`, `sat,sun`, `fri-mon`, `daily`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "daily" {
            return Ok(Self(0x7f));
        }
        let day = |word: &str| {
            DAY_WORDS
                .iter()
                .position(|d| *d == word.trim())
                .ok_or_else(|| format!("`{word}` is no day: expected mon, tue, wed, thu, fri, sat or sun, or `daily`"))
        };
        let mut bits = 0;
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (day(first)?, day(last)?);
            let mut at = first;
            loop {
                bits |= 1 << at;
                if at == last {
                    break;
                }
                at = (at + 1) % 7;
            }
        }
        Ok(Self(bits))
    }
}

impl Hours {
    /// `08:30-18:00`; `22:00-06:00` ends on the next day; `00:00-24:00` is all day.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` are no hours: expected as in `08:30-18:00`");
        let clock = |text: &str| -> Option<u16> {
            let (hour, minute) = text.trim().split_once(':')?;
            let two_digits =
                |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<u16>().ok()).flatten();
            let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
            (hour <= 24 && minute < 60 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
        };
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (clock(from).ok_or_else(wrong)?, clock(to).ok_or_else(wrong)?);
        if from == to || from == 1440 {
            return Err(format!("`{text}` is open at no time; all day is `00:00-24:00`"));
        }
        Ok(Self { from, to: if to < from { to + 1440 } else { to } })
    }
}

impl DateRule {
    /// `2026-12-24`, `12-25` or `2026-08-10..2026-08-21`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no date: expected `2026-12-24`, `12-25` or `2026-08-10..2026-08-21`");
        let date = |text: &str| -> Result<Date, String> {
            let shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            shaped.then(|| text.parse().ok()).flatten().ok_or_else(wrong)
        };
        if let Some((from, to)) = text.split_once("..") {
            let (from, to) = (date(from)?, date(to)?);
            return if from <= to { Ok(Self::Span { from, to }) } else { Err(format!("`{text}` ends before it begins")) };
        }
        if text.len() == 5 {
            // 2024 had a 29 February.
            let date = date(&format!("2024-{text}"))?;
            return Ok(Self::Yearly { month: date.month(), day: date.day() });
        }
        let date = date(text)?;
        Ok(Self::Span { from: date, to: date })
    }
}

#[cfg(test)]
mod tests;
