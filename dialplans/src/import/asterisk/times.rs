//! `GotoIfTime`: opening hours between the steps.

use super::{
    super::{
        hours::{When, days, minutes, month, weekday},
        kdl_out::{Build as _, node},
        ledger::UnitId,
    },
    apps::why,
    dialplan::split,
    state::State,
    walk::{At, Flow, Walk},
};

impl Walk<'_> {
    /// `GotoIfTime(TIMES,WEEKDAYS,DAYS,MONTHS[,ZONE]?YES[:NO])`.
    pub(super) fn goto_if_time(&mut self, args: &str, line: UnitId, at: At, state: &State) -> Result<Flow, (String, String)> {
        let by_hand = "declare a `schedule`, and write `when-open` or `unless-open`";
        let Some((times, targets)) = args.split_once('?') else { return Err(why("a condition without a `?`", by_hand)) };
        let when = when(times).ok_or_else(|| why(format!("`{times}` are no times that can be read"), by_hand))?;
        let scheduled = when.schedule(self.draft, line).map_err(|what| why(what, by_hand))?;
        let (yes, no) = split_branches(targets);
        let next = At { step: at.step + 1, ..at };
        let mut branch = |branch: &str| {
            let mut state = state.clone();
            let to = if branch.trim().is_empty() { next } else { self.target(&split(branch), at, &mut state)? };
            Ok(self.transfer(to, state))
        };
        let Some(scheduled) = scheduled else { return branch(yes).map(Flow::End) };
        let (inside, behind) = (branch(yes)?, branch(no)?);
        if when.zone.is_none() {
            self.draft
                .ledger
                .converted(line, "a schedule; its hours are those of `time-zone`, which is UTC until the plan says another");
        }
        let word = if scheduled.open { "when-open" } else { "unless-open" };
        let mut nodes = vec![node(word).arg(scheduled.schedule).children_of(inside)];
        nodes.extend(behind);
        Ok(Flow::End(nodes))
    }
}

/// `YES:NO`; a colon in brackets parts nothing.
pub(super) fn split_branches(targets: &str) -> (&str, &str) {
    let mut depth = 0_u32;
    let at = targets.char_indices().find(|(_, c)| {
        match c {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *c == ':' && depth == 0
    });
    at.map_or((targets, ""), |(at, _)| (&targets[..at], &targets[at + 1..]))
}

/// `9:00-17:00,mon-fri,*,*`.
fn when(text: &str) -> Option<When> {
    let parts: Vec<&str> = text.split([',', '|']).map(str::trim).collect();
    let [times, weekdays, month_days, months, zone @ ..] = parts.as_slice() else { return None };
    let any = |text: &str| text == "*" || text.is_empty();
    let span = |text: &str| -> Option<(String, String)> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        Some((from.trim().to_owned(), to.trim().to_owned()))
    };
    let mut when = When::default();
    if !any(times) {
        let (from, to) = times.split_once('-')?;
        when.hours = Some((minutes(from)?, minutes(to)?));
    }
    if !any(weekdays) {
        let mut set = [false; 7];
        for part in weekdays.split('&') {
            let (from, to) = span(part)?;
            let part = days(weekday(&from)?, weekday(&to)?);
            set.iter_mut().zip(part).for_each(|(day, more)| *day |= more);
        }
        when.days = Some(set);
    }
    if !any(month_days) {
        let (from, to) = span(month_days)?;
        when.month_days = Some((from.parse().ok()?, to.parse().ok()?));
    }
    if !any(months) {
        let (from, to) = span(months)?;
        when.months = Some((month(&from)?, month(&to)?));
    }
    when.zone = zone.first().filter(|zone| !any(zone)).map(|zone| (*zone).to_owned());
    Some(when)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let week = when("9:00-17:30,mon-fri,*,*").unwrap();
        assert_eq!((week.hours, week.days), (Some((540, 1_050)), Some([true, true, true, true, true, false, false])));
        let holiday = when("*,*,25,dec").unwrap();
        assert_eq!((holiday.month_days, holiday.months), (Some((25, 25)), Some((12, 12))));
        assert!(when("9:00,mon").is_none() && when("25:00-26:00,*,*,*").is_none());
        assert_eq!(split_branches("a,s,1:b,s,1"), ("a,s,1", "b,s,1"));
    }
}
