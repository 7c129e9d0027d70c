//! Holidays out of an iCalendar file (RFC 5545): the days of its events.
//!
//! Read: `VEVENT` with `DTSTART`, `DTEND` or `DURATION` in days, and `RRULE` with `FREQ=YEARLY`. An
//! event with a time of day closes the whole days that it touches. Alarms, time zones and attendees
//! mean nothing here. A rule that is not understood is an error rather than a holiday forgotten.

use jiff::{ToSpan, civil::Date};

use crate::schedule::DateRule;

/// Events that are read of one file at most.
const MAX_EVENTS: usize = 5_000;
/// Days that one event lasts at most.
const MAX_DAYS: u16 = 366;

/// What is wrong with a calendar, and at which byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadCalendar {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

/// A content line: where it begins, its name, and its value; continuation lines are joined to it.
struct Line {
    offset: usize,
    name: String,
    value: String,
}

#[derive(Default)]
struct Event {
    offset: usize,
    start: Option<Date>,
    end: Option<Date>,
    days: Option<u16>,
    rule: Option<(usize, String)>,
}

/// The dates of all events.
pub(crate) fn dates(text: &str) -> Result<Vec<DateRule>, BadCalendar> {
    let mut out = Vec::new();
    let mut event: Option<Event> = None;
    // Alarms and the like, inside of an event.
    let mut inner = 0_u32;
    let (mut ended, lines) = (false, lines(text)?);
    if !lines.first().is_some_and(|line| line.name == "BEGIN" && line.value.eq_ignore_ascii_case("VCALENDAR")) {
        return Err(BadCalendar { offset: 0, message: "a calendar begins with BEGIN:VCALENDAR".into() });
    }
    for line in lines {
        let bad = |message: String| BadCalendar { offset: line.offset, message };
        ended |= line.name == "END" && line.value.eq_ignore_ascii_case("VCALENDAR");
        match (line.name.as_str(), &mut event) {
            ("BEGIN", None) if line.value.eq_ignore_ascii_case("VEVENT") => {
                event = Some(Event { offset: line.offset, ..Event::default() })
            }
            ("BEGIN", Some(_)) => inner += 1,
            ("END", Some(_)) if inner > 0 => inner -= 1,
            ("END", Some(open)) => {
                let rule = std::mem::take(open).into_rule()?;
                event = None;
                if out.len() == MAX_EVENTS {
                    return Err(bad(format!("more than {MAX_EVENTS} events")));
                }
                out.push(rule);
            }
            (_, Some(_)) if inner > 0 => {}
            ("DTSTART", Some(open)) => open.start = Some(date(&line.value).ok_or_else(|| bad("DTSTART is no date".into()))?),
            ("DTEND", Some(open)) => open.end = Some(last_day(&line.value).ok_or_else(|| bad("DTEND is no date".into()))?),
            ("DURATION", Some(open)) => {
                open.days = Some(duration_days(&line.value).ok_or_else(|| bad("DURATION is not in days or weeks".into()))?)
            }
            ("RRULE", Some(open)) => open.rule = Some((line.offset, line.value)),
            ("RDATE" | "EXDATE" | "EXRULE", Some(_)) => return Err(bad(format!("{} is not understood", line.name))),
            _ => {}
        }
    }
    match event {
        Some(event) => Err(BadCalendar { offset: event.offset, message: "this event does not end".into() }),
        // What was cut off on its way here has fewer holidays than was meant.
        None if !ended => {
            let last = text.trim_end().rfind('\n').map_or(0, |at| at + 1);
            Err(BadCalendar { offset: last, message: "the calendar is cut off: END:VCALENDAR is missing".into() })
        }
        None => Ok(out),
    }
}

impl Event {
    fn into_rule(self) -> Result<DateRule, BadCalendar> {
        let bad = |offset, message: &str| BadCalendar { offset, message: message.into() };
        let first = self.start.ok_or_else(|| bad(self.offset, "this event has no DTSTART"))?;
        let last = match (self.end, self.days) {
            (Some(end), _) => end.max(first),
            (None, Some(days)) => first
                .checked_add(i64::from(days.max(1) - 1).days())
                .map_err(|_| bad(self.offset, "this event ends at no date"))?,
            (None, None) => first,
        };
        let days = (last - first).get_days() + 1;
        let days = u16::try_from(days)
            .ok()
            .filter(|days| *days <= MAX_DAYS)
            .ok_or_else(|| bad(self.offset, "this event lasts longer than a year"))?;
        match self.rule {
            None => Ok(DateRule::Span { from: first, to: last }),
            Some((offset, rule)) => yearly(first, days, &rule).ok_or_else(|| {
                bad(
                    offset,
                    "only yearly rules on the date of the event are understood (FREQ=YEARLY with COUNT, UNTIL or INTERVAL)",
                )
            }),
        }
    }
}

fn yearly(first: Date, days: u16, rule: &str) -> Option<DateRule> {
    let (mut every_years, mut last, mut yearly) = (1_i16, None, false);
    let mut count = None;
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        match name.to_ascii_uppercase().as_str() {
            "FREQ" => yearly = value.eq_ignore_ascii_case("YEARLY"),
            "INTERVAL" => every_years = value.parse().ok().filter(|n| (1..=400).contains(n))?,
            "COUNT" => count = Some(value.parse::<i16>().ok().filter(|n| *n > 0)?),
            "UNTIL" => last = Some(date(value)?),
            "BYMONTH" if value.parse() == Ok(first.month()) => {}
            "BYMONTHDAY" if value.parse() == Ok(first.day()) => {}
            "WKST" => {}
            _ => return None,
        }
    }
    if let Some(count) = count {
        let years = every_years.checked_mul(count - 1)?;
        // A 29 February that does not come in that year ends on the 28th all the same.
        last = Some(first.checked_add(i64::from(years).years()).ok()?);
    }
    yearly.then_some(DateRule::Recurring { first, days, every_years, last })
}

/// The day of `20261225` or `20261225T180000Z`.
fn date(value: &str) -> Option<Date> {
    let digits = value.get(..8).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
    if value.len() > 8 && value.as_bytes()[8] != b'T' {
        return None;
    }
    Date::new(digits[..4].parse().ok()?, digits[4..6].parse().ok()?, digits[6..8].parse().ok()?).ok()
}

/// The last day before an end, which is itself not part of the event.
fn last_day(value: &str) -> Option<Date> {
    let end = date(value)?;
    let at_midnight = value.get(8..).is_none_or(|time| time.is_empty() || time.starts_with("T000000"));
    if at_midnight { end.yesterday().ok() } else { Some(end) }
}

fn duration_days(value: &str) -> Option<u16> {
    let value = value.strip_prefix('P')?;
    if let Some(weeks) = value.strip_suffix('W') {
        return weeks.parse::<u16>().ok()?.checked_mul(7);
    }
    if let Some(hours) = value.strip_prefix('T') {
        return (!hours.is_empty()).then_some(1);
    }
    value.split_once('D').and_then(|(days, _)| days.parse().ok())
}

fn lines(text: &str) -> Result<Vec<Line>, BadCalendar> {
    let mut out: Vec<Line> = Vec::new();
    let mut offset = 0;
    let mut raw: Vec<(usize, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\r', '\n']);
        match (bare.strip_prefix([' ', '\t']), raw.last_mut()) {
            (Some(more), Some((_, last))) => last.push_str(more),
            _ => raw.push((offset, bare.to_owned())),
        }
        offset += line.len();
    }
    for (offset, line) in raw.into_iter().filter(|(_, line)| !line.trim().is_empty()) {
        let Some((name, value)) = line.split_once(':') else {
            return Err(BadCalendar { offset, message: "this is no line of a calendar: it has no `:`".into() });
        };
        let name = name.split(';').next().unwrap_or(name).trim_start_matches('\u{feff}').to_ascii_uppercase();
        out.push(Line { offset, name, value: value.trim().to_owned() });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(event: &str) -> String {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
            event.replace(' ', "\r\n")
        )
    }

    fn holds(event: &str, day: &str) -> bool {
        let rules = dates(&calendar(event)).unwrap();
        rules.iter().any(|rule| rule.holds(day.parse().unwrap()))
    }

    #[test]
    fn events_cover_their_days() {
        assert!(holds("DTSTART;VALUE=DATE:20261225 DTEND;VALUE=DATE:20261227", "2026-12-26"));
        assert!(!holds("DTSTART;VALUE=DATE:20261225 DTEND;VALUE=DATE:20261227", "2026-12-27"));
        assert!(holds("DTSTART:20261231T180000Z DTEND:20270101T020000Z", "2027-01-01"));
        assert!(holds("DTSTART;VALUE=DATE:20260810 DURATION:P2W", "2026-08-23"));
        assert!(holds("DTSTART;VALUE=DATE:20200425 RRULE:FREQ=YEARLY", "2031-04-25"));
        assert!(!holds("DTSTART;VALUE=DATE:20200425 RRULE:FREQ=YEARLY", "2019-04-25"));
        assert!(!holds("DTSTART;VALUE=DATE:20200425 RRULE:FREQ=YEARLY;COUNT=2", "2022-04-25"));
        assert!(holds("DTSTART;VALUE=DATE:20200425 RRULE:FREQ=YEARLY;INTERVAL=2", "2024-04-25"));
        assert!(!holds("DTSTART;VALUE=DATE:20200425 RRULE:FREQ=YEARLY;UNTIL=20230101", "2023-04-25"));
        assert!(holds(
            "SUMMARY:Folded DTSTART;VALUE=DATE:202 BEGIN:VALARM DTSTART:x END:VALARM".replace("202 ", "20261101 ").as_str(),
            "2026-11-01"
        ));
    }

    #[test]
    fn what_is_not_understood_is_said_with_its_place() {
        for (event, why) in [
            ("DTSTART;VALUE=DATE:20261225 RRULE:FREQ=WEEKLY", "only yearly"),
            ("DTSTART;VALUE=DATE:20261225 RRULE:FREQ=YEARLY;BYDAY=4TH", "only yearly"),
            ("DTSTART:christmas", "no date"),
            ("SUMMARY:nothing", "no DTSTART"),
            ("DTSTART;VALUE=DATE:20261225 EXDATE:20271225", "not understood"),
        ] {
            let error = dates(&calendar(event)).unwrap_err();
            assert!(error.message.contains(why), "{event}: {}", error.message);
        }
        assert!(dates("hello").is_err() && dates("").is_err());
        assert!(dates("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261225\n").is_err());
        let cut = dates("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261225\nEND:VEVENT\n").unwrap_err();
        assert!((cut.offset, cut.message.contains("cut off")) == (46, true), "{cut:?}");
        let torn = dates("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTA\nEND:VCALENDAR\n").unwrap_err();
        assert_eq!(torn.offset, 29);
    }
}
