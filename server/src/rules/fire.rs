//! What is known when a timer is due, and what is done then.

use std::collections::BTreeSet;

use tandem_dialplan::{CallbackWhom, CallbackWish};
use tandem_switch::{
    channel::Channel,
    customers::{
        Identity, IdentityKind,
        cases::{CaseStatus, REOPEN_WINDOW_S},
        consent::{Question, SERVICE},
    },
    id::{CaseId, TimerId},
    rules::{End, Facts, Then, Thing, Timer, Unless, weigh},
    time::Timestamp,
};

use crate::{
    customers::Customers,
    http::{control::ControlRequest, schedules::ScheduleView},
    store::{CaseRow, CustomerChange, CustomerNews, Deed, DeedState, OutboxMessage, Record, RuleChange, RuleNews, StoreError},
};

use super::{Parts, asked};

/// Cases that are weighed.
const CASES: u32 = 50;

/// What becomes of a timer that is due.
pub(super) struct Weighed {
    pub(super) news: RuleNews,
    /// What is written down with it.
    pub(super) others: Vec<Record>,
}

/// Weighs a timer, and says what is to be written down.
///
/// # Errors
/// The database.
pub(super) async fn weighed(parts: &Parts, timer: &Timer, now: Timestamp) -> Result<Weighed, StoreError> {
    let (id, rule) = (timer.timer, timer.rule.name.to_string());
    if let Err(why) = weigh(&timer.rule, &facts(parts, timer, now).await?, now) {
        let what = RuleChange::Ended { timer: id, rule, how: End::Skipped, why };
        return Ok(Weighed { news: RuleNews::new(now, what), others: Vec::new() });
    }
    let (mut deeds, mut messages, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (nth, then) in timer.rule.then.iter().enumerate() {
        let (state, detail) = match then {
            Then::Call { .. } | Then::Priority { .. } => (DeedState::Todo, String::new()),
            Then::Notify { text } => (DeedState::Done, text.clone()),
            Then::Case { topic, status } => match case(&parts.customers, timer, (topic.as_deref(), *status), now).await? {
                Some((case, record)) => {
                    others.push(record);
                    (DeedState::Done, format!("case {case} is {}", status.word()))
                }
                None => (DeedState::Refused, "it is not certain who the customer is".to_owned()),
            },
            Then::Message { channel, template } => match address(&parts.customers, timer, *channel, now).await? {
                Some(to) => {
                    // A wish not to be contacted at all holds for every rule, whatever it asks before.
                    let customer = timer.about.customer;
                    let question = Question { identity: &to, customer, purpose: SERVICE, channel: *channel, at: now };
                    if let Some(why) = parts.customers.refused(question).await? {
                        deeds.push(Deed {
                            what: then.word().to_owned(),
                            state: DeedState::Refused,
                            detail: format!("the customer {why}"),
                        });
                        continue;
                    }
                    let message = format!("{id}-{nth}");
                    let detail = format!("message {message} is in the outbox");
                    let (channel, template) = (*channel, template.clone());
                    messages.push(OutboxMessage { message, channel, to, customer, template });
                    (DeedState::Done, detail)
                }
                None => (DeedState::Refused, format!("no address for {} is known", channel.word())),
            },
        };
        deeds.push(Deed { what: then.word().to_owned(), state, detail });
    }
    Ok(Weighed { news: RuleNews::new(now, RuleChange::Fired { timer: id, rule, deeds, messages }), others })
}

async fn facts(parts: &Parts, timer: &Timer, now: Timestamp) -> Result<Facts, StoreError> {
    let (mut facts, customers) = (Facts::default(), &parts.customers);
    let about = &timer.about;
    for unless in &timer.rule.unless {
        match unless {
            Unless::Outside(schedule) => {
                // A loop that does not answer is no opening hour.
                let views: Vec<ScheduleView> = asked(&parts.requests, ControlRequest::Schedules).await.unwrap_or_default();
                if !views.iter().any(|view| view.schedule == schedule.as_str() && view.open == Some(true)) {
                    facts.closed.insert(schedule.clone());
                }
            }
            Unless::Contacted => {
                facts.contacted = customers.store.talked_with(about.identity.as_ref(), about.customer, timer.set_at).await?;
            }
            Unless::NoConsent { purpose } => {
                if let Some(why) = refused(customers, timer, purpose, now).await? {
                    facts.refused.insert(purpose.clone(), why);
                }
            }
            Unless::Cap { per_ms, .. } => {
                let since = Timestamp(now.0.saturating_sub(i64::try_from(*per_ms).unwrap_or(i64::MAX).saturating_mul(1_000)));
                let fired = customers.store.fired(timer.rule.name.as_str(), timer, since).await?;
                if fired.len() > facts.carried_out.len() {
                    facts.carried_out = fired;
                }
            }
        }
    }
    Ok(facts)
}

/// The channels that a rule's actions reach the customer by.
fn reached_by(timer: &Timer) -> BTreeSet<Channel> {
    let channel = |then: &Then| match then {
        Then::Call { .. } => Some(Channel::Voice),
        Then::Message { channel, .. } => Some(*channel),
        Then::Priority { .. } | Then::Case { .. } | Then::Notify { .. } => None,
    };
    timer.rule.then.iter().filter_map(channel).collect()
}

/// Why the customer may not be contacted by one of them.
async fn refused(customers: &Customers, timer: &Timer, purpose: &str, now: Timestamp) -> Result<Option<String>, StoreError> {
    for channel in reached_by(timer) {
        let Some(identity) = address(customers, timer, channel, now).await? else { continue };
        let customer = timer.about.customer;
        let question = Question { identity: &identity, customer, purpose, channel, at: now };
        if let Some(why) = customers.refused(question).await? {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

/// Where a customer is reached by a channel.
async fn address(customers: &Customers, timer: &Timer, channel: Channel, now: Timestamp) -> Result<Option<Identity>, StoreError> {
    let kinds: &[IdentityKind] = match channel {
        Channel::Voice | Channel::Sms => &[IdentityKind::Phone],
        Channel::Whatsapp => &[IdentityKind::Whatsapp, IdentityKind::Phone],
        Channel::Email => &[IdentityKind::Email],
        Channel::Chat => &[IdentityKind::ChatToken],
    };
    let own = timer.about.identity.as_ref().filter(|identity| kinds.contains(&identity.kind()));
    if let Some(own) = own {
        return Ok(Some(own.clone()));
    }
    let Some(customer) = timer.about.customer else { return Ok(None) };
    let rows = customers.store.identities_of(customer).await?;
    let holds = |from: Timestamp, to: Option<Timestamp>| from <= now && to.is_none_or(|to| now < to);
    let mut fits: Vec<_> =
        rows.into_iter().filter(|row| kinds.contains(&row.identity.kind()) && holds(row.valid_from, row.valid_to)).collect();
    fits.sort_by_key(|row| (kinds.iter().position(|kind| *kind == row.identity.kind()), u8::MAX - row.confidence));
    Ok(fits.into_iter().next().map(|row| row.identity))
}

/// The customer's case as it is then; one that is opened where there is none.
async fn case(
    customers: &Customers,
    timer: &Timer,
    (topic, status): (Option<&str>, CaseStatus),
    now: Timestamp,
) -> Result<Option<(CaseId, Record)>, StoreError> {
    let Some(customer) = timer.about.customer else { return Ok(None) };
    let by = format!("rule {}", timer.rule.name);
    let cases = customers.store.cases_of(customer, CASES).await?;
    let fits =
        |case: &CaseRow| case.status != CaseStatus::Closed && topic.is_none_or(|topic| case.topic.as_deref() == Some(topic));
    let mut row = match cases.into_iter().find(|case| Thing::Case(case.case) == timer.thing || fits(case)) {
        Some(row) => row,
        None => CaseRow {
            case: CaseId(customers.id(now)),
            customer,
            subject: format!("{}: {}", timer.rule.name, timer.rule.when.word()),
            topic: topic.map(str::to_owned),
            status,
            outcome: None,
            reopen_window_s: REOPEN_WINDOW_S,
            respond_within_s: None,
            resolve_within_s: None,
            opened_at: now,
            touched_at: now,
            solved_at: (!status.is_open()).then_some(now),
            status_by: by.clone(),
            status_at: now,
        },
    };
    row.touched_at = now.max(row.touched_at);
    row.set_status(status, &by, now);
    let case = row.case;
    let news = CustomerNews { by, at: now, what: CustomerChange::CasePut(row) };
    Ok(Some((case, Record::Customer(Box::new(news)))))
}

/// What a callback of a rule asks for; or why it cannot.
pub(super) fn wish(timer: &Timer, then: &Then) -> Result<CallbackWish, String> {
    let Then::Call { queue, via, shown, priority_minutes } = then else { return Err("no callback".to_owned()) };
    let number = timer.about.identity.as_ref().filter(|identity| identity.kind() == IdentityKind::Phone);
    let Some(number) = number else { return Err("no number of the customer is known".to_owned()) };
    let Some(shown) = shown.as_ref().or(timer.about.dialled.as_ref()) else {
        return Err("no number to show is known: give `shown=` in the rule".to_owned());
    };
    Ok(CallbackWish {
        queue: queue.to_string(),
        whom: CallbackWhom::Number { number: number.value().to_owned(), via: via.as_ref().map(ToString::to_string) },
        shown: shown.as_str().to_owned(),
        skills: Vec::new(),
        priority_minutes: *priority_minutes,
    })
}

/// What is said of an action.
pub(super) fn done(timer: TimerId, nth: u32, outcome: Result<String, String>, now: Timestamp) -> RuleNews {
    let (state, detail) = match outcome {
        Ok(detail) => (DeedState::Done, detail),
        Err(why) => (DeedState::Refused, why),
    };
    RuleNews::new(now, RuleChange::Done { timer, nth, state, detail })
}
