//! mod_callcenter: queues, agents, and who serves what.

use std::collections::BTreeMap;

use super::{
    super::{
        draft::{Draft, extension_number, file},
        kdl_out::{Build as _, node, seconds},
    },
    Known,
    xml::Element,
};

/// What agents say that queues need.
#[derive(Default)]
struct Agents {
    numbers: BTreeMap<String, u32>,
    wrap_up_s: u64,
    max_missed: u64,
}

/// Declares all of it.
pub(super) fn declare(configuration: &Element, draft: &mut Draft, known: &mut Known) {
    draft.ledger.left_out(configuration.at, "the frame of what stands in it");
    for settings in configuration.named("settings") {
        settings.walk(&mut |part| draft.ledger.left_out(part.at, "how FreeSWITCH runs its module callcenter"));
    }
    let agents = agents(configuration, draft);
    for queues in configuration.named("queues") {
        draft.ledger.left_out(queues.at, "the frame of what stands in it");
        for element in queues.named("queue") {
            queue(element, &agents, draft, known);
        }
    }
    for tiers in configuration.named("tiers") {
        draft.ledger.left_out(tiers.at, "the frame of what stands in it");
        for tier in tiers.named("tier") {
            self::tier(tier, &agents, draft, known);
        }
    }
}

fn agents(configuration: &Element, draft: &mut Draft) -> Agents {
    let mut agents = Agents::default();
    for frame in configuration.named("agents") {
        draft.ledger.left_out(frame.at, "the frame of what stands in it");
        for agent in frame.named("agent") {
            let name = agent.get("name").unwrap_or_default();
            let contact = agent.get("contact").unwrap_or_default();
            let dialled = contact.rsplit('/').next().unwrap_or_default().split('@').next().unwrap_or_default();
            let number = extension_number(dialled).or_else(|| extension_number(name.split('@').next().unwrap_or_default()));
            let Some(number) = number.filter(|number| draft.extensions.contains_key(number)) else {
                draft.ledger.not_converted(agent.at, "no extension of this plan", "add the agent: tandem user add --queue");
                continue;
            };
            agents.numbers.insert(name.to_owned(), number);
            let whole = |key: &str| agent.get(key).and_then(|value| value.parse::<u64>().ok()).unwrap_or(0);
            agents.wrap_up_s = agents.wrap_up_s.max(whole("wrap-up-time"));
            agents.max_missed = agents.max_missed.max(whole("max-no-answer"));
            if agent.get("type").is_some_and(|kind| kind != "callback") {
                let todo = "agents are rung at their phones";
                draft.ledger.not_converted(agent.at, "converted in part: an agent whose line stays open", todo);
            } else {
                draft.ledger.converted(agent.at, format!("the agent {number}"));
            }
        }
    }
    agents
}

fn queue(element: &Element, agents: &Agents, draft: &mut Draft, known: &mut Known) {
    let theirs = element.get("name").unwrap_or_default();
    let name = draft.queue_names.of(theirs.split('@').next().unwrap_or(theirs));
    known.queues.insert(theirs.to_owned(), name.clone());
    known.queues.entry(theirs.split('@').next().unwrap_or(theirs).to_owned()).or_insert(name.clone());
    let mut queue = node("queue").arg(name.as_str());
    if agents.wrap_up_s > 0 {
        queue = queue.child(node("wrap-up").arg(seconds(agents.wrap_up_s)));
    }
    if agents.max_missed > 0 {
        queue = queue.child(node("max-missed").arg(i128::from(agents.max_missed.min(100))));
    }
    let mut waits = true;
    for param in element.params() {
        let value = param.get("value").unwrap_or_default();
        let number: Option<u64> = value.parse().ok();
        let child = match (param.get("name").unwrap_or_default(), number) {
            ("max-wait-time", Some(n)) if n > 0 => node("max-wait").arg(seconds(n)),
            ("announce-frequency", Some(n)) if n > 0 => node("announce").prop("every", seconds(n)),
            ("announce-sound", _) if !value.is_empty() => {
                let prompt = draft.prompt(value);
                node("comfort").arg(prompt)
            }
            ("record-template", _) if !value.is_empty() => node("record").arg(true),
            ("max-wait-time-with-no-agent", Some(n)) => {
                waits = n == 0;
                draft.ledger.converted(param.at, "`when-empty`");
                continue;
            }
            ("strategy", _) => {
                strategy(param, value, draft);
                continue;
            }
            ("moh-sound", _) => {
                if value.contains("hold_music") || value.starts_with("local_stream://") {
                    draft.ledger.converted(param.at, "`music`");
                } else {
                    let todo = "record the music as music/hold, or name another prompt by `music`";
                    draft.ledger.not_converted(param.at, "the music that ships plays", todo);
                }
                continue;
            }
            ("tier-rules-apply", _) if value == "true" => {
                let todo = "give agents skills with levels, and ask for them by `relax`";
                draft.ledger.not_converted(param.at, "levels of agents that open one after another", todo);
                continue;
            }
            _ => {
                draft.ledger.left_out(param.at, "the floor decides it itself");
                continue;
            }
        };
        draft.ledger.converted(param.at, format!("queue `{name}`"));
        if queue.children().is_none_or(|children| children.get(child.name().value()).is_none()) {
            queue = queue.child(child);
        }
    }
    if waits {
        queue = queue.child(node("when-empty").arg("wait"));
    }
    queue = queue.child(node("music").arg("music/hold"));
    draft.ledger.converted(element.at, format!("queue `{name}`"));
    draft.top(file::QUEUES, queue, vec![element.at]);
}

fn strategy(param: &Element, value: &str, draft: &mut Draft) {
    match value {
        "longest-idle-agent" | "round-robin" | "agent-with-least-talk-time" | "agent-with-fewest-calls" | "random" => {
            draft.ledger.converted(param.at, "agents share the calls: who has been idle longest comes first");
        }
        other => {
            let todo = "one agent is rung at a time, the one who has been idle longest first; `dial` with a group rings all";
            draft.ledger.not_converted(param.at, format!("the strategy `{other}`"), todo);
        }
    }
}

fn tier(tier: &Element, agents: &Agents, draft: &mut Draft, known: &Known) {
    let number = tier.get("agent").and_then(|agent| agents.numbers.get(agent));
    let queue = tier.get("queue").and_then(|queue| known.queues.get(queue));
    let (Some(&number), Some(queue)) = (number, queue) else {
        return draft.ledger.not_converted(tier.at, "no agent or no queue of this plan", "add them: tandem user set --queue");
    };
    let person = draft.person(number);
    if !person.queues.contains(queue) {
        person.queues.push(queue.clone());
    }
    let level = |key: &str| tier.get(key).is_none_or(|level| level == "1");
    if level("level") && level("position") {
        draft.ledger.converted(tier.at, format!("the queues of {number}"));
    } else {
        let todo = "give agents skills with levels, and ask for them by `relax`";
        draft.ledger.not_converted(tier.at, "converted in part: level and position have no counterpart", todo);
    }
}
