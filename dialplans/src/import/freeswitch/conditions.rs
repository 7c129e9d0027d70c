//! One `<extension>`: for which calls it is, and what it does.

use std::collections::BTreeMap;

use super::{
    super::{
        draft::Draft,
        hours::{When, days, minutes},
        ledger::UnitId,
    },
    regexes::Expression,
    xml::Element,
};

/// An extension whose conditions are understood.
#[derive(Debug)]
pub(super) struct Rule<'a> {
    pub(super) name: String,
    pub(super) at: UnitId,
    pub(super) to: Option<Expression>,
    pub(super) caller: Option<Expression>,
    pub(super) when: Option<When>,
    pub(super) actions: Vec<&'a Element>,
}

/// What a condition says of a call.
enum Says {
    /// It holds for every call, or for none.
    Always(bool),
    To(Expression),
    Caller(Expression),
    When(When),
    /// Why nobody knows.
    Unknown(String),
}

/// Reads an extension; `None` when it is for no call, or sets values only, or is not understood. What it is told of is said.
pub(super) fn read<'a>(extension: &'a Element, vars: &mut BTreeMap<String, String>, draft: &mut Draft) -> Option<Rule<'a>> {
    let name = extension.get("name").unwrap_or("unnamed").to_owned();
    let mut rule = Rule { name, at: extension.at, to: None, caller: None, when: None, actions: Vec::new() };
    if traceless(extension) {
        extension.walk(&mut |part| draft.ledger.left_out(part.at, "nothing of it is heard"));
        return None;
    }
    for condition in &extension.children {
        if condition.name != "condition" {
            draft.ledger.not_converted(condition.at, "no condition", "FreeSWITCH does not read it either: see what was meant");
            continue;
        }
        let may_fail = condition.get("break") == Some("never");
        if may_fail && traceless(condition) {
            condition.walk(&mut |part| draft.ledger.left_out(part.at, "nothing of it is heard"));
            continue;
        }
        let says = if condition.children.iter().any(|child| matches!(child.name.as_str(), "condition" | "regex")) {
            Says::Unknown("conditions in each other".to_owned())
        } else {
            says(condition, vars)
        };
        match says {
            Says::Always(true) => {}
            Says::Always(false) if may_fail => {
                condition.walk(&mut |part| draft.ledger.left_out(part.at, "the condition holds for no call"));
                continue;
            }
            Says::Always(false) => {
                extension.walk(&mut |part| draft.ledger.left_out(part.at, "the condition holds for no call"));
                return None;
            }
            Says::To(expression) if rule.to.is_none() && !may_fail => rule.to = Some(expression),
            Says::Caller(expression) if rule.caller.is_none() && !may_fail => rule.caller = Some(expression),
            Says::When(when) if rule.when.is_none() && !may_fail => rule.when = Some(when),
            Says::To(_) | Says::Caller(_) | Says::When(_) => {
                let why = "a second condition of the kind, or one that may fail";
                give_up(if may_fail { condition } else { extension }, why, draft);
                if may_fail {
                    continue;
                }
                return None;
            }
            Says::Unknown(why) => {
                give_up(if may_fail { condition } else { extension }, &why, draft);
                if may_fail {
                    continue;
                }
                return None;
            }
        }
        draft.ledger.converted(condition.at, "guards of a route");
        for child in &condition.children {
            match child.name.as_str() {
                "action" => rule.actions.push(child),
                _ => {
                    let todo = "write a route behind this one, or `unless-open`";
                    draft.ledger.not_converted(child.at, "what is done when the condition does not hold", todo);
                }
            }
        }
    }
    if extension.get("continue") == Some("true") {
        values_only(&rule, vars, draft);
        return None;
    }
    if rule.actions.is_empty() {
        draft.ledger.left_out(extension.at, "an extension that does nothing");
        return None;
    }
    Some(rule)
}

/// Whether all that an element does leaves no trace in a call.
fn traceless(element: &Element) -> bool {
    let (mut actions, mut traces) = (0, 0);
    element.walk(&mut |part| {
        if matches!(part.name.as_str(), "action" | "anti-action") {
            actions += 1;
            traces += usize::from(!super::actions::leaves_no_trace(part));
        }
    });
    actions > 0 && traces == 0
}

fn give_up(element: &Element, why: &str, draft: &mut Draft) {
    let todo = "write a route with `to`, `caller` or `when-open`: docs/dialplan.md";
    element.walk(&mut |part| draft.ledger.not_converted(part.at, why.to_owned(), todo));
}

/// An extension that others follow can only set values for them.
fn values_only(rule: &Rule<'_>, vars: &mut BTreeMap<String, String>, draft: &mut Draft) {
    let always = rule.to.is_none() && rule.caller.is_none() && rule.when.is_none();
    for action in &rule.actions {
        let data = action.get("data").unwrap_or_default();
        let sets = matches!(action.get("application"), Some("set" | "export"));
        match data.split_once('=').filter(|(_, value)| sets && always && !value.contains("${")) {
            Some((name, value)) => {
                vars.insert(name.trim().to_owned(), value.trim().to_owned());
                draft.ledger.converted(action.at, "a value that later conditions know");
            }
            None if super::actions::leaves_no_trace(action) => draft.ledger.left_out(action.at, "nothing of it is heard"),
            None => {
                let todo = "write its steps into each route that follows";
                draft.ledger.not_converted(
                    action.at,
                    "a route takes a call for good, and this goes on with later extensions",
                    todo,
                );
            }
        }
    }
    draft.ledger.left_out(rule.at, "values for later extensions");
}

fn says(condition: &Element, vars: &BTreeMap<String, String>) -> Says {
    const TIMES: &[&str] =
        &["wday", "hour", "minute-of-day", "time-of-day", "mday", "mon", "minute", "week", "mweek", "yday", "year", "date-time"];
    if condition.attributes().any(|(name, _)| TIMES.contains(&name)) {
        return match when(condition) {
            Some(when) => Says::When(when),
            None => Says::Unknown("a time that cannot be told by opening hours".to_owned()),
        };
    }
    let Some(field) = condition.get("field").map(|field| field.trim_start_matches("${").trim_end_matches('}')) else {
        return Says::Always(true);
    };
    let expression = condition.get("expression").unwrap_or_default();
    let parsed = Expression::parse(expression);
    match field {
        "destination_number" | "caller_id_number" | "ani" => match parsed {
            Some(parsed) if field == "destination_number" => Says::To(parsed),
            Some(parsed) => Says::Caller(parsed),
            None => Says::Unknown(format!("the regular expression `{expression}` cannot be told in ours")),
        },
        _ => match (vars.get(field), parsed) {
            (Some(value), Some(parsed)) => Says::Always(parsed.groups(value).is_some()),
            _ => Says::Unknown(format!("nobody knows before the call what `{field}` is")),
        },
    }
}

/// Weekdays from 1 (Sunday), hours from 0, minutes of the day from 1.
fn when(condition: &Element) -> Option<When> {
    let span = |text: &str| -> Option<(u16, u16)> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
    };
    let mut when = When::default();
    for (name, value) in condition.attributes() {
        match name {
            "wday" => {
                // `2-6`, or `mon-fri`.
                let day = |text: &str| {
                    super::super::hours::weekday(text).or_else(|| Some((text.trim().parse::<usize>().ok()? + 5) % 7))
                };
                let (from, to) = value.split_once('-').unwrap_or((value, value));
                when.days = Some(days(day(from)?, day(to)?));
            }
            "hour" => {
                let (from, to) = span(value)?;
                // The last hour counts to its end.
                when.hours = Some((from * 60, (to.checked_add(1)? * 60).min(1_440)));
            }
            "minute-of-day" => {
                let (from, to) = span(value)?;
                when.hours = Some((from.saturating_sub(1), to.min(1_440)));
            }
            "time-of-day" => {
                let (from, to) = value.split_once('-')?;
                let minute = |text: &str| {
                    minutes(
                        text.trim()
                            .rsplit_once(':')
                            .filter(|(before, _)| before.contains(':'))
                            .map_or(text, |(before, _)| before),
                    )
                };
                when.hours = Some((minute(from)?, minute(to)?));
            }
            "mday" | "mon" => {
                let (from, to) = span(value)?;
                let both = Some((u8::try_from(from).ok()?, u8::try_from(to).ok()?));
                if name == "mday" { when.month_days = both } else { when.months = both }
            }
            "tz-offset" | "minute" | "week" | "mweek" | "yday" | "year" | "date-time" | "field" => return None,
            _ => {}
        }
    }
    when.hours.is_none_or(|(from, to)| from < 1_440 && from != to).then_some(when)
}
