//! Rules over channels.

use tandem_switch::{
    channel::Channel,
    customers::cases::CaseStatus,
    name::PartyNumber,
    rules::{MAX_RULES, Rule, Then, Unless, When},
};

use super::{Builder, tops};
use crate::{plan::parse_number, read::Item};

/// Whoever waits longer for something writes a program.
const MAX_AFTER_MS: u64 = 30 * 24 * 3_600_000;

impl Builder<'_> {
    pub(super) fn rules(&mut self, items: &[Item]) -> Vec<Rule> {
        let rules: Vec<Rule> = tops(items, "rule").filter_map(|item| self.rule(item)).collect();
        if let Some(item) = tops(items, "rule").nth(MAX_RULES) {
            self.findings.error("too-many", item.at, format!("more than {MAX_RULES} rules"));
        }
        rules
    }

    fn rule(&mut self, item: &Item) -> Option<Rule> {
        let (when, then) = (self.part(item, "when"), self.part(item, "then"));
        let (when, then) = (when?, then?);
        if let Some(second) = when.children.get(1) {
            self.findings.error("twice", second.at, "a rule is set off by one thing: write a second rule");
        }
        let trigger = when.children.first()?;
        let after_ms = trigger.prop_ms("after").unwrap_or(0);
        if after_ms > MAX_AFTER_MS {
            self.findings.error("bad-value", trigger.at, "`after` is 720h at most");
        }
        let unless = item.child("unless").map(|part| part.children.iter().filter_map(unless).collect());
        let waits = trigger.spec.name == "waiting";
        let then = then.children.iter().filter_map(|child| self.then(child, waits)).collect();
        Some(Rule { name: item.text()?.into(), when: self.when(trigger)?, after_ms, unless: unless.unwrap_or_default(), then })
    }

    fn part<'i>(&mut self, item: &'i Item, name: &'static str) -> Option<&'i Item> {
        let part = item.child(name).filter(|part| !part.children.is_empty());
        if part.is_none() {
            self.findings.error("missing-node", item.at, format!("`rule` needs `{name}` with a line in it"));
        }
        part
    }

    fn when(&mut self, item: &Item) -> Option<When> {
        let queue = item.prop_text("queue").map(Into::into);
        Some(match item.spec.name {
            "abandoned" => When::Abandoned { queue, waited_ms: item.prop_ms("waited").unwrap_or(0) },
            "waiting" => When::Waiting { queue },
            "unanswered" => When::Unanswered,
            "voicemail" => {
                let mailbox = item.prop("mailbox");
                if let Some((value, name)) = mailbox.and_then(|value| Some((value, value.text()?)))
                    && !self.mailboxes.contains_key(name)
                    && !self.is_extension(name)
                {
                    let message = format!("there is no mailbox `{name}`, and no extension of that number");
                    self.findings.error("unknown-name", value.at, message);
                }
                When::Voicemail { mailbox: mailbox.and_then(|value| value.text()).map(Into::into) }
            }
            "callback-failed" => When::CallbackFailed { queue },
            "case-open" => When::CaseOpen { topic: item.prop_text("topic").map(str::to_owned) },
            "happened" => {
                When::Happened { what: item.text()?.to_owned(), channel: item.prop_text("channel").and_then(Channel::of) }
            }
            _ => return None,
        })
    }

    fn then(&mut self, item: &Item, waits: bool) -> Option<Then> {
        Some(match item.spec.name {
            "call" => Then::Call {
                queue: item.prop_text("queue")?.into(),
                via: item.prop_text("via").map(Into::into),
                shown: self.shown(item),
                priority_minutes: item.prop_count("priority").unwrap_or(0),
            },
            "priority" => {
                if !waits {
                    let message = "nobody waits who could move ahead: `priority` stands behind `when { waiting … }`";
                    self.findings.error("never-waits", item.at, message);
                }
                Then::Priority { minutes: item.count()? }
            }
            "case" => {
                Then::Case { topic: item.prop_text("topic").map(str::to_owned), status: item.text().and_then(CaseStatus::of)? }
            }
            "notify" => Then::Notify { text: item.text()?.to_owned() },
            word => Then::Message { channel: Channel::of(word)?, template: item.prop_text("template")?.to_owned() },
        })
    }

    fn shown(&mut self, item: &Item) -> Option<PartyNumber> {
        let value = item.prop("shown")?;
        let number = value.text().and_then(parse_number);
        if number.is_none() {
            self.findings.error("bad-number", value.at, "expected a number: digits, and `+` before them");
        }
        number
    }
}

fn unless(item: &Item) -> Option<Unless> {
    Some(match item.spec.name {
        "outside" => Unless::Outside(item.prop_text("schedule")?.into()),
        "contacted" => Unless::Contacted,
        "no-consent" => Unless::NoConsent { purpose: item.prop_text("purpose").unwrap_or("service").to_owned() },
        "cap" => Unless::Cap { times: item.count()?, per_ms: item.prop_ms("per")? },
        _ => return None,
    })
}
