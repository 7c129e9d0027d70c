//! What a step of the text becomes: the step that the call is given, or where the run goes on.
//!
//! Only here does what a caller sent become a target, and only by the parser of the target's type.

use std::sync::Arc;

use tandem_switch::{
    cause::Cause,
    cdr::Origin,
    name::{Extension, LotName, PromptName},
    step::{Audio, Collect, Dial, LeaveMessage, Park, Phrase, QueueStep, Step, Supervision, Target, Whom},
    time::Timestamp,
};

use super::{Run, overflow::ladder};
use crate::{
    inside::Mailbox,
    plan::{
        Action, CollectDigits, DialOut, DialTarget, DigitShape, Ending, JoinQueue, Menu, PickUp, Plan, Say, parse_number,
        parse_room,
    },
    template::{CALLER, DIALLED, Template},
};

/// What is heard before a message where a box has no greeting of its own.
const GREETING: &str = "voicemail-greeting";
/// The tone that a message begins at.
const TONE: &str = "music/beep";

/// What follows a step of the text.
pub(super) enum Next {
    /// Nothing is to be waited for.
    GoOn,
    /// The call is given this, and says how it ended.
    Give(Step),
    /// The step ended at once, so.
    Ended(Ending),
    Over(Cause),
}

impl Run {
    pub(super) fn next(&mut self, plan: &Plan, action: &Action, now: Timestamp) -> Next {
        match action {
            Action::Ring => Next::Give(Step::Ring),
            Action::Answer => Next::Give(Step::Answer),
            Action::Echo => Next::Give(Step::Echo),
            Action::Play { prompts, interrupt } => {
                Next::Give(Step::Play { audio: self.audio([], prompts), interrupt: *interrupt })
            }
            Action::Say { what, interrupt } => match self.phrase(plan, what, now) {
                Some(phrase) => {
                    let audio = Audio { language: self.language.clone(), phrases: vec![phrase] };
                    Next::Give(Step::Play { audio, interrupt: *interrupt })
                }
                None => Next::GoOn,
            },
            Action::Menu(menu) => Next::Give(self.ask_menu(menu, None)),
            Action::Collect(collect) => Next::Give(self.ask_digits(collect, None)),
            Action::Queue(queue) => self.queue(plan, queue),
            Action::Dial(dial) => self.dial(plan, dial),
            Action::HandBack { number, .. } => self.hand_back(plan, number),
            Action::Conference { room, muted, .. } => match self.fill(room).and_then(|room| parse_room(&room)) {
                Some(room) => Next::Give(Step::Conference { room, muted: *muted }),
                None => Next::Ended(Ending::Error),
            },
            Action::Supervise { agent, role, .. } => self.supervise(plan, agent, *role),
            Action::Park { lot, .. } => self.park(plan, lot),
            Action::Voicemail { mailbox, .. } => self.voicemail(plan, mailbox),
            Action::Retrieve { slot, .. } => match self.fill(slot).and_then(|slot| plan.slot(&slot)) {
                Some(slot) => Next::Give(Step::Take(Whom::Parked(slot))),
                None => Next::Ended(Ending::Error),
            },
            Action::PickUp { whom, .. } => self.pick_up(plan, whom),
            Action::Fork { program, sides } => Next::Give(Step::Fork { program: program.clone(), sides: *sides }),
            Action::Stream { program, .. } => Next::Give(Step::Stream { program: program.clone() }),
            Action::Agent { request, .. } => Next::Give(Step::Agent(request.clone())),
            Action::Set { variable, to } => self.set(variable, to),
            Action::SetLanguage(choice) => self.set_language(plan, choice),
            Action::If { value, condition, holds, block } => self.if_so(plan, value, (condition, *holds), *block),
            Action::Switch(switch) => self.switch(plan, switch),
            Action::Ask(ask) => self.ask_service(plan, ask),
            Action::WhenOpen { schedule, open, block } => {
                let switches = Arc::clone(&self.facts.overrides);
                let switch = switches.at(schedule, now);
                let standing = plan.schedules.get(schedule).map(|known| known.standing(now, switch));
                let is_open = standing.as_ref().is_some_and(|standing| standing.open);
                match standing.filter(|_| switch.is_some()) {
                    Some(standing) => self.trace("schedule", &format!("{schedule} is {}", standing.why)),
                    None => self.trace("schedule", &format!("{schedule} is {}", if is_open { "open" } else { "closed" })),
                }
                if is_open == *open {
                    self.open_block(*block);
                }
                Next::GoOn
            }
            Action::Goto(route) => {
                self.enter(&plan.routes[*route]);
                Next::GoOn
            }
            Action::Hangup(cause) => Next::Over(*cause),
        }
    }

    pub(super) fn ask_menu(&self, menu: &Menu, complaint: Option<Ending>) -> Step {
        let first = complaint_prompt(complaint, menu.invalid_prompt.as_ref(), menu.no_input_prompt.as_ref());
        Step::Collect(Collect {
            audio: self.audio(first, &menu.prompts),
            max_digits: menu.max_digits,
            first_digit_ms: menu.timeout_ms,
            next_digit_ms: menu.between_ms,
            terminator: None,
        })
    }

    pub(super) fn ask_digits(&self, collect: &CollectDigits, complaint: Option<Ending>) -> Step {
        let first = complaint_prompt(complaint, collect.invalid_prompt.as_ref(), collect.no_input_prompt.as_ref());
        Step::Collect(Collect {
            audio: self.audio(first, &collect.prompts),
            max_digits: collect.max,
            first_digit_ms: collect.timeout_ms,
            next_digit_ms: collect.between_ms,
            terminator: collect.end,
        })
    }

    pub(super) fn fits(&self, collect: &CollectDigits, digits: &str) -> bool {
        let length = (collect.min..=usize::from(collect.max)).contains(&digits.len());
        length
            && match collect.shape {
                DigitShape::Digits => digits.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#'),
                DigitShape::Extension => self.plan.extension(digits).is_some(),
                DigitShape::Number => parse_number(digits).is_some(),
            }
    }

    pub(super) fn queue(&self, plan: &Plan, join: &JoinQueue) -> Next {
        let Some(queue) = plan.queues.get(&join.queue) else { return Next::Ended(Ending::Error) };
        Next::Give(Step::Queue(QueueStep {
            queue: join.queue.clone(),
            skills: join.skills.clone(),
            priority_minutes: join.priority_minutes,
            max_wait_ms: join.max_wait_ms.or(queue.max_wait_ms),
            music: queue.music.clone(),
            language: self.language.clone(),
            announce_every_ms: queue.announce_every_ms,
            comfort: queue.comfort.clone(),
            record: join.record.unwrap_or(queue.record),
            wait_without_agents: queue.wait_without_agents,
            ladder: ladder(plan, join),
            callback: queue.callback.as_ref().and_then(|offer| self.callback(plan, offer)).map(Box::new),
        }))
    }

    /// What a caller sent becomes a target only here, and only by the parser of the target's type.
    /// What does not parse is nobody; with nobody left, the step ends as unreachable.
    pub(super) fn dial(&self, plan: &Plan, dial: &DialOut) -> Next {
        let targets: Vec<Target> = dial
            .targets
            .iter()
            .filter_map(|target| match target {
                DialTarget::Extension(template) => plan.extension(&self.fill(template)?).map(Target::Extension),
                DialTarget::Trunk { trunk, number } => {
                    Some(Target::Trunk { trunk: trunk.clone(), number: parse_number(&self.fill(number)?)? })
                }
            })
            .collect();
        if targets.is_empty() {
            return Next::Ended(Ending::Unreachable);
        }
        Next::Give(Step::Dial(Dial {
            targets,
            strategy: dial.strategy,
            ring_ms: dial.ring_ms,
            record: dial.record,
            music: dial.music.clone(),
            caller_id: dial.caller_id.as_ref().and_then(|template| parse_number(&self.fill(template)?)),
        }))
    }

    /// Only a carrier that takes them can have its callers back.
    pub(super) fn hand_back(&self, plan: &Plan, number: &Template) -> Next {
        let takes = match &self.facts.origin {
            Origin::Trunk(trunk) => plan.trunks.get(trunk).is_some_and(|trunk| trunk.takes_refer),
            Origin::Extension(_) => false,
        };
        match self.fill(number).and_then(|number| parse_number(&number)) {
            _ if !takes => Next::Ended(Ending::Error),
            Some(number) => Next::Give(Step::HandBack { number }),
            None => Next::Ended(Ending::Unreachable),
        }
    }

    /// Only a supervisor at their own phone may.
    pub(super) fn supervise(&self, plan: &Plan, agent: &Template, role: Supervision) -> Next {
        let may = matches!(&self.facts.origin, Origin::Extension(extension) if plan.supervisors.contains(extension));
        match self.fill(agent).and_then(|agent| plan.extension(&agent)) {
            Some(agent) if may => Next::Give(Step::Supervise { agent: agent.as_str().into(), role }),
            _ => Next::Ended(Ending::Error),
        }
    }

    pub(super) fn park(&self, plan: &Plan, lot: &LotName) -> Next {
        let Some(known) = plan.lots.get(lot) else { return Next::Ended(Ending::Error) };
        Next::Give(Step::Park(Park {
            lot: lot.clone(),
            slots: known.slots,
            timeout_ms: known.timeout_ms,
            music: known.music.clone(),
            language: self.language.clone(),
        }))
    }

    pub(super) fn voicemail(&self, plan: &Plan, mailbox: &Template) -> Next {
        let found = self.fill(mailbox).and_then(|text| plan.mailbox(&text));
        let Some((mailbox, Mailbox { greeting, max_ms, most, .. })) = found else { return Next::Ended(Ending::Error) };
        let greeting = greeting.unwrap_or_else(|| GREETING.into());
        let greeting = self.audio([greeting], &[TONE.into()]);
        Next::Give(Step::Voicemail(LeaveMessage { mailbox, greeting, max_ms, most }))
    }

    /// Only an extension may, and only where it shares a group with whose phone rings.
    pub(super) fn pick_up(&self, plan: &Plan, whom: &PickUp) -> Next {
        let Origin::Extension(by) = &self.facts.origin else { return Next::Ended(Ending::Error) };
        let groups = || plan.pickup_groups.values().filter(|group| group.contains(by));
        let wanted: Vec<Extension> = match whom {
            PickUp::Extension(template) => self.fill(template).and_then(|text| plan.extension(&text)).into_iter().collect(),
            PickUp::Group(name) => plan.pickup_groups.get(name).filter(|group| group.contains(by)).cloned().unwrap_or_default(),
            PickUp::Groups => groups().flatten().cloned().collect(),
        };
        let theirs: Vec<Extension> = wanted.into_iter().filter(|of| of != by && plan.may_pick_up(by, of)).collect();
        if theirs.is_empty() { Next::Ended(Ending::Error) } else { Next::Give(Step::Take(Whom::Calling(theirs))) }
    }

    pub(super) fn fill(&self, template: &Template) -> Option<String> {
        template.fill(|name| match name {
            DIALLED => Some(self.facts.to.as_str()),
            CALLER => Some(self.facts.from.as_str()),
            _ => self.variables.get(name).or_else(|| self.told.get(name)).map(String::as_str),
        })
    }

    pub(super) fn phrase(&self, plan: &Plan, what: &Say, now: Timestamp) -> Option<Phrase> {
        match what {
            Say::Number(template) => self.fill(template)?.parse().ok().map(Phrase::Number),
            Say::Digits(template) => self.fill(template).map(Phrase::Digits),
            Say::Time => {
                let instant = jiff::Timestamp::from_microsecond(now.0).ok()?;
                let clock = plan.time_zone.to_datetime(instant);
                Some(Phrase::Time { hour: clock.hour().unsigned_abs(), minute: clock.minute().unsigned_abs() })
            }
        }
    }

    pub(super) fn audio(&self, first: impl IntoIterator<Item = PromptName>, prompts: &[PromptName]) -> Audio {
        let phrases = first.into_iter().chain(prompts.iter().cloned()).map(Phrase::Prompt).collect();
        Audio { language: self.language.clone(), phrases }
    }
}

fn complaint_prompt(
    complaint: Option<Ending>,
    invalid: Option<&PromptName>,
    no_input: Option<&PromptName>,
) -> Option<PromptName> {
    match complaint? {
        Ending::NoInput => no_input.cloned(),
        _ => invalid.cloned(),
    }
}
