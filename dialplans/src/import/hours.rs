//! Opening hours out of conditions on the time of day, the weekday and the date.

use super::{
    draft::{Draft, file},
    kdl_out::{Build as _, node},
    ledger::UnitId,
};

/// Days that one condition may name; more are written by hand.
const MAX_DATES: usize = 62;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAYS_OF_MONTHS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// A condition on the time. `None` means any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct When {
    /// Minutes since midnight, the end not included; past midnight when it is below the begin.
    pub(super) hours: Option<(u16, u16)>,
    /// Weekdays, Monday first.
    pub(super) days: Option<[bool; 7]>,
    /// Days of the month, from 1.
    pub(super) month_days: Option<(u8, u8)>,
    /// Months, from 1.
    pub(super) months: Option<(u8, u8)>,
    /// Time zone.
    pub(super) zone: Option<String>,
}

/// A schedule and whether the condition holds while it is open or while it is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scheduled {
    pub(super) schedule: String,
    pub(super) open: bool,
}

impl When {
    /// Declares the schedule; the error says why there can be none. `None` when the condition always holds.
    pub(super) fn schedule(&self, draft: &mut Draft, at: UnitId) -> Result<Option<Scheduled>, String> {
        let by_date = self.month_days.is_some() || self.months.is_some();
        let by_clock = self.hours.is_some() || self.days.is_some();
        if !by_date && !by_clock {
            return Ok(None);
        }
        if by_date && by_clock {
            return Err("a condition on hours and on dates at once".into());
        }
        let words = self.words();
        let known = draft
            .tops
            .iter()
            .any(|top| top.file == file::SCHEDULES && top.node.get(0).and_then(|v| v.as_string()) == Some(&words));
        let scheduled = Scheduled { schedule: words.clone(), open: !by_date };
        if known {
            return Ok(Some(scheduled));
        }
        let mut schedule = node("schedule").arg(words).maybe("tz", self.zone.clone());
        if by_date {
            // Closed on these dates and open on all others: the condition holds while it is closed.
            let closed = self.dates()?.into_iter().fold(node("closed"), |node, date| node.arg(date));
            schedule = schedule.child(node("open").arg("daily").arg("00:00-24:00")).child(closed);
        } else {
            let (from, to) = self.hours.unwrap_or((0, 1_440));
            let hours = format!("{}-{}", clock(from), clock(to));
            schedule = schedule.child(node("open").arg(self.day_words()).arg(hours));
        }
        draft.top(file::SCHEDULES, schedule, vec![at]);
        Ok(Some(scheduled))
    }

    /// A name that says what it is: `mon-fri-0900-1700`.
    fn words(&self) -> String {
        let mut words = Vec::new();
        if self.days.is_some() {
            words.push(self.day_words().replace(',', "-"));
        }
        if let Some((from, to)) = self.hours {
            words.push(format!("{}-{}", clock(from).replace(':', ""), clock(to).replace(':', "")));
        }
        for (label, span) in [("month", self.months), ("day", self.month_days)] {
            match span {
                Some((from, to)) if from == to => words.push(format!("{label}-{from}")),
                Some((from, to)) => words.push(format!("{label}-{from}-to-{to}")),
                None => {}
            }
        }
        if let Some(zone) = &self.zone {
            words.push(super::names::kebab(zone));
        }
        words.join("-").chars().take(60).collect()
    }

    fn day_words(&self) -> String {
        let days = self.days.unwrap_or([true; 7]);
        if days == [true; 7] {
            return "daily".into();
        }
        let set: Vec<usize> = (0..7).filter(|day| days[*day]).collect();
        match set.as_slice() {
            // One spell that does not go over Sunday.
            [first, .., last] if last - first + 1 == set.len() && set.len() > 2 => format!("{}-{}", DAYS[*first], DAYS[*last]),
            _ => set.iter().map(|day| DAYS[*day]).collect::<Vec<_>>().join(","),
        }
    }

    fn dates(&self) -> Result<Vec<String>, String> {
        let months = span(self.months.unwrap_or((1, 12)), 12);
        let mut dates = Vec::new();
        for month in months {
            let length = DAYS_OF_MONTHS[usize::from(month - 1)];
            for day in span(self.month_days.unwrap_or((1, 31)), 31).into_iter().filter(|day| *day <= length) {
                dates.push(format!("{month:02}-{day:02}"));
            }
        }
        if dates.is_empty() || dates.len() > MAX_DATES {
            return Err(format!("a condition on {} days of the year; at most {MAX_DATES} are written out", dates.len()));
        }
        Ok(dates)
    }
}

/// All from one to the other, over the end if need be.
fn span((from, to): (u8, u8), most: u8) -> Vec<u8> {
    if !(1..=most).contains(&from) || !(1..=most).contains(&to) {
        return Vec::new();
    }
    if from <= to { (from..=to).collect() } else { (from..=most).chain(1..=to).collect() }
}

fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// `mon`, `Monday`: its place in the week.
pub(super) fn weekday(word: &str) -> Option<usize> {
    let word = word.trim().to_ascii_lowercase();
    DAYS.iter().position(|day| word.starts_with(day))
}

/// `jan`, `January`, `1`.
pub(super) fn month(word: &str) -> Option<u8> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let word = word.trim().to_ascii_lowercase();
    if let Ok(number) = word.parse::<u8>() {
        return (1..=12).contains(&number).then_some(number);
    }
    MONTHS.iter().position(|month| word.starts_with(month)).and_then(|at| u8::try_from(at + 1).ok())
}

/// `9:00`, `09:00`: minutes since midnight.
pub(super) fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':').unwrap_or((text.trim(), "0"));
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour <= 24 && minute < 60 && hour * 60 + minute <= 1_440).then_some(hour * 60 + minute)
}

/// A span of weekdays, over Sunday if need be.
pub(super) fn days(from: usize, to: usize) -> [bool; 7] {
    let mut days = [false; 7];
    let mut at = from % 7;
    loop {
        days[at] = true;
        if at == to % 7 {
            return days;
        }
        at = (at + 1) % 7;
    }
}
