//! Opening hours.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date, tz::TimeZone};
use tandem_switch::{name::ScheduleName, time::Timestamp};

use super::{Builder, tops};
use crate::{
    diagnostic::did_you_mean,
    ical,
    read::{Data, Item, Value},
    schedule::{DateRule, Hours, Schedule},
    source::Location,
};

/// A calendar whose last day is less than so many days away is pointed out.
const CALENDAR_ENDS_SOON_DAYS: i64 = 60;
/// Taken where the check is not told what time it is: 2026-01-01.
const UNKNOWN_NOW: Timestamp = Timestamp(1_767_225_600_000_000);

impl Builder<'_> {
    pub(super) fn schedules(&mut self, items: &[Item]) -> BTreeMap<ScheduleName, Schedule> {
        let mut schedules = BTreeMap::new();
        for item in tops(items, "schedule") {
            let Some(name) = item.text() else { continue };
            let schedule = self.schedule(name, item);
            if !self.findings.has_errors() {
                self.changes(&schedule, item.at);
            }
            schedules.entry(schedule.name.clone()).or_insert(schedule);
        }
        schedules
    }

    /// A schedule that is always the same decides nothing.
    fn changes(&mut self, schedule: &Schedule, at: Location) {
        let now = self.world.now.unwrap_or(UNKNOWN_NOW);
        if !schedule.next_transitions(now, 1).is_empty() {
            return;
        }
        let name = &schedule.name;
        if schedule.is_plainly_always() {
            return;
        }
        if schedule.standing(now, None).open {
            let message = format!("schedule `{name}` never closes: only its emergency switch closes it");
            self.findings.advice("always-open", at, message);
        } else {
            self.findings.warning("never-open", at, format!("schedule `{name}` is never open in the next two years"));
        }
    }

    fn schedule(&mut self, name: &str, item: &Item) -> Schedule {
        let zone = match item.prop("tz").map(|v| &v.data) {
            Some(Data::Zone(zone)) => zone.clone(),
            _ => self.zone.clone(),
        };
        let (mut holidays, mut calendars) = (Vec::new(), Vec::new());
        for value in item.named("holidays").flat_map(|holidays| &holidays.args) {
            match &value.data {
                Data::Dates(rule) => holidays.push(rule.clone()),
                Data::Calendar(file) => {
                    let rules = self.calendar(file, value);
                    calendars.push((file.as_str(), value.at, last(&rules)));
                    holidays.extend(rules);
                }
                _ => {}
            }
        }
        self.calendars_end(calendars, &zone);
        let weekly = item.named("open").filter_map(|open| match open.args.first()?.data {
            Data::Days(days) => Some((days, hours(open))),
            _ => None,
        });
        let special = item.named("special").flat_map(|special| dates(special).map(|rule| (rule, hours(special))));
        Schedule {
            name: name.into(),
            zone,
            weekly: weekly.collect(),
            special: special.collect(),
            closed: item.named("closed").flat_map(dates).collect(),
            holidays,
        }
    }

    /// When the last calendar of a schedule is over, nothing is known of the holidays to come.
    fn calendars_end(&mut self, calendars: Vec<(&str, Location, Option<Date>)>, zone: &TimeZone) {
        // One that comes back for ever ends never.
        let ends: Option<Vec<_>> = calendars.into_iter().map(|(file, at, last)| Some((last?, file, at))).collect();
        let Some((last, file, at)) = ends.and_then(|ends| ends.into_iter().max()) else { return };
        let now = self.world.now.and_then(|now| jiff::Timestamp::from_microsecond(now.0).ok());
        let Some(today) = now.map(|now| zone.to_datetime(now).date()) else { return };
        if last >= today.saturating_add(CALENDAR_ENDS_SOON_DAYS.days()) {
            return;
        }
        let ends = if last < today { "ended" } else { "ends" };
        let message = format!("the calendar `{file}` {ends} on {last}: no holiday after that is known");
        let suggestion = Some("get a newer one from where it came".to_owned());
        self.findings.warning_with("calendar-ends", at, message, suggestion);
    }

    /// The dates of a calendar file of this folder.
    fn calendar(&mut self, file: &str, value: &Value) -> Vec<DateRule> {
        let calendars = self.sources.iter().zip(0_u16..).filter(|(source, _)| source.path.ends_with(".ics"));
        let Some((source, index)) = calendars.clone().find(|(source, _)| source.file_name() == file) else {
            let suggestion = did_you_mean(file, calendars.map(|(source, _)| source.file_name()));
            self.findings.error_with(
                "missing-file",
                value.at,
                format!("there is no calendar `{file}` in this folder"),
                suggestion,
            );
            return Vec::new();
        };
        match ical::dates(&source.text) {
            Ok(rules) => rules,
            Err(bad) => {
                let length = source.text[bad.offset..].lines().next().map_or(0, str::len);
                let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                self.findings.error(
                    "bad-calendar",
                    Location { file: index, offset: clip(bad.offset), length: clip(length) },
                    bad.message,
                );
                Vec::new()
            }
        }
    }
}

/// The last day of a calendar; `None` when it has none.
fn last(rules: &[DateRule]) -> Option<Date> {
    let ends: Option<Vec<Date>> = rules.iter().map(DateRule::last).collect();
    ends?.into_iter().max()
}

fn hours(item: &Item) -> Vec<Hours> {
    item.args.iter().filter_map(|value| if let Data::Hours(hours) = value.data { Some(hours) } else { None }).collect()
}

fn dates(item: &Item) -> impl Iterator<Item = DateRule> + '_ {
    item.args.iter().filter_map(|value| if let Data::Dates(rule) = &value.data { Some(rule.clone()) } else { None })
}
