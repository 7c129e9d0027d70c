//! Opening hours.

use std::collections::BTreeMap;

use tandem_switch::name::ScheduleName;

use super::{Builder, tops};
use crate::{
    diagnostic::did_you_mean,
    ical,
    read::{Data, Item, Value},
    schedule::{DateRule, Hours, Schedule},
    source::Location,
};

impl Builder<'_> {
    pub(super) fn schedules(&mut self, items: &[Item]) -> BTreeMap<ScheduleName, Schedule> {
        let mut schedules = BTreeMap::new();
        for item in tops(items, "schedule") {
            let Some(name) = item.text() else { continue };
            let schedule = self.schedule(name, item);
            if schedule.weekly.is_empty() && schedule.special.is_empty() && item.children.is_empty() {
                self.findings.warning("never-open", item.at, format!("schedule `{name}` is never open"));
            }
            schedules.entry(schedule.name.clone()).or_insert(schedule);
        }
        schedules
    }

    fn schedule(&mut self, name: &str, item: &Item) -> Schedule {
        let zone = match item.prop("tz").map(|v| &v.data) {
            Some(Data::Zone(zone)) => zone.clone(),
            _ => self.zone.clone(),
        };
        let mut holidays = Vec::new();
        for value in item.named("holidays").flat_map(|holidays| &holidays.args) {
            match &value.data {
                Data::Dates(rule) => holidays.push(rule.clone()),
                Data::Calendar(file) => holidays.extend(self.calendar(file, value)),
                _ => {}
            }
        }
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

fn hours(item: &Item) -> Vec<Hours> {
    item.args.iter().filter_map(|value| if let Data::Hours(hours) = value.data { Some(hours) } else { None }).collect()
}

fn dates(item: &Item) -> impl Iterator<Item = DateRule> + '_ {
    item.args.iter().filter_map(|value| if let Data::Dates(rule) = &value.data { Some(rule.clone()) } else { None })
}
