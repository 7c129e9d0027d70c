//! What a plan has and does not use, besides names.

use std::collections::BTreeSet;

use super::tops;
use crate::{
    diagnostic::Findings,
    grammar::Kind,
    read::{Data, Item, Value},
    source::{Location, Source},
};

/// What callers type and nobody looks at. Variables live as long as their route has the call.
pub(super) fn variables(items: &[Item], findings: &mut Findings) {
    tops(items, "route").chain(tops(items, "defaults")).for_each(|top| variables_of(top, findings));
}

/// Those of one of the two.
pub(super) fn variables_of(top: &Item, findings: &mut Findings) {
    let (mut kept, mut used) = (Vec::new(), BTreeSet::new());
    gather(top, &mut kept, &mut used);
    for (name, at) in kept.iter().filter(|(name, _)| !used.contains(*name)) {
        findings.warning("unused", *at, format!("what the caller types is kept as `{name}`, and used nowhere in this route"));
    }
}

fn gather<'a>(item: &'a Item, kept: &mut Vec<(&'a str, Location)>, used: &mut BTreeSet<&'a str>) {
    let own = if item.spec.name == "collect" { item.prop("as") } else { None };
    kept.extend(own.and_then(|value| Some((value.text()?, value.at))));
    for value in item.values() {
        match &value.data {
            Data::Template(template) => used.extend(template.variables()),
            Data::Text(name) if value.kind == Kind::Variable && own.is_none_or(|own| own.at != value.at) => {
                used.insert(name);
            }
            _ => {}
        }
    }
    item.children.iter().for_each(|child| gather(child, kept, used));
}

/// Boxes that no step leads to. Which one a caller's text names cannot be told: then any may be meant.
pub(super) fn mailboxes(items: &[Item], findings: &mut Findings) {
    let mut named = Some(BTreeSet::new());
    for top in tops(items, "route").chain(tops(items, "defaults")) {
        top.walk(&mut |item| {
            if item.spec.name != "voicemail" {
                return;
            }
            let Some(Data::Template(mailbox)) = item.args.first().map(|value| &value.data) else { return };
            match (mailbox.literal(), &mut named) {
                (Some(name), Some(named)) => drop(named.insert(name.to_owned())),
                _ => named = None,
            }
        });
    }
    let Some(named) = named else { return };
    for value in tops(items, "mailbox").filter_map(|item| item.args.first()) {
        if let Some(name) = value.text().filter(|name| !named.contains(*name)) {
            findings.warning("unused", value.at, format!("mailbox `{name}` is used nowhere"));
        }
    }
}

/// Calendars that no schedule names.
pub(super) fn calendars(items: &[Item], sources: &[Source], findings: &mut Findings) {
    if findings.has_errors() {
        return;
    }
    let mut named = BTreeSet::new();
    for schedule in tops(items, "schedule") {
        let values = schedule.named("holidays").flat_map(|holidays| &holidays.args);
        named.extend(
            values.filter_map(|Value { data, .. }| if let Data::Calendar(file) = data { Some(file.as_str()) } else { None }),
        );
    }
    for (source, file) in sources.iter().zip(0_u16..).filter(|(source, _)| source.path.ends_with(".ics")) {
        if !named.contains(source.file_name()) {
            let at = Location { file, ..Location::default() };
            findings.advice("unused", at, format!("no schedule names the calendar `{}`", source.file_name()));
        }
    }
}
