//! `queues.conf`: queues, and who serves them.

use super::{
    super::{
        draft::{Draft, extension_number, file},
        kdl_out::{Build as _, node, seconds},
    },
    devices::{Device, Devices},
    lines::{Entry, Section},
    pjsip::is_yes,
};

/// Settings that the floor decides itself, or that say nothing for it.
const LEFT_OUT: &[&str] = &[
    "announce-holdtime",
    "announce-position",
    "announce-round-seconds",
    "autofill",
    "autopausebusy",
    "autopausedelay",
    "autopauseunavail",
    "eventmemberstatus",
    "eventwhencalled",
    "log_membername_as_agent",
    "memberdelay",
    "min-announce-frequency",
    "monitor-type",
    "penaltymemberslimit",
    "persistentmembers",
    "queue-callswaiting",
    "queue-holdtime",
    "queue-minute",
    "queue-minutes",
    "queue-quantity1",
    "queue-quantity2",
    "queue-reporthold",
    "queue-seconds",
    "queue-thankyou",
    "queue-thereare",
    "queue-youarenext",
    "reportholdtime",
    "relative-periodic-announce",
    "retry",
    "ringinuse",
    "setinterfacevar",
    "setqueueentryvar",
    "setqueuevar",
    "shared_lastcall",
    "timeoutpriority",
    "timeoutrestart",
    "updatecdr",
    "random-periodic-announce",
    "keepstats",
    "announce-position-only-up",
    "announce-position-limit",
    "announce-to-first-user",
    "musiconhold",
    "musicclass",
    "music",
];

/// Declares the queues.
pub(super) fn declare(sections: &[Section], draft: &mut Draft, devices: &mut Devices) {
    for section in sections {
        if matches!(section.name.as_str(), "general" | "globals") {
            draft.ledger.left_out(section.at, "settings of all queues");
            section.entries.iter().for_each(|entry| draft.ledger.left_out(entry.at, "how Asterisk runs its queues"));
            continue;
        }
        let name = draft.queue_names.of(&section.name);
        if name != section.name {
            draft.ledger.converted(section.at, format!("queue `{name}`, which is how its name is written here"));
        }
        devices.queues.insert(section.name.clone(), name.clone());
        queue(section, &name, draft, devices);
    }
}

fn queue(section: &Section, name: &str, draft: &mut Draft, devices: &Devices) {
    let mut queue = node("queue").arg(name);
    let mut music = Some("music/hold");
    for entry in &section.entries {
        let value = entry.value.trim();
        let key = entry.key.to_ascii_lowercase();
        let number: Option<u64> = value.parse().ok();
        let child = match (key.as_str(), number) {
            ("timeout", Some(n)) if n > 0 => Some(node("ring").arg(seconds(n))),
            ("wrapuptime", Some(n)) if n > 0 => Some(node("wrap-up").arg(seconds(n))),
            ("servicelevel", Some(n)) if n > 0 => Some(node("answer-target").arg(seconds(n))),
            ("maxlen", Some(n)) if n > 0 => Some(node("max-waiting").arg(i128::from(n.min(1_000_000)))),
            ("announce-frequency", Some(n)) if n > 0 => Some(node("announce").prop("every", seconds(n))),
            ("wrapuptime" | "maxlen" | "announce-frequency" | "weight" | "timeout" | "periodic-announce-frequency", Some(0)) => {
                draft.ledger.left_out(entry.at, "nothing, as when it is absent");
                continue;
            }
            ("periodic-announce", None) => {
                let prompt = draft.prompt(value.split(',').next().unwrap_or(value));
                Some(node("comfort").arg(prompt))
            }
            ("joinempty" | "leavewhenempty", _) => {
                empty(entry, key == "joinempty", &mut queue, draft);
                continue;
            }
            ("monitor-format", _) => Some(node("record").arg(true)),
            ("autopause", _) => is_yes(value).then(|| node("max-missed").arg(1)),
            ("member", _) => {
                member(entry, name, draft, devices);
                continue;
            }
            ("strategy", _) => {
                strategy(entry, draft);
                continue;
            }
            ("musicclass" | "musiconhold" | "music", _) => {
                if value != "default" && !value.is_empty() {
                    let todo = "record the music as music/hold, or name another prompt by `music`";
                    draft.ledger.not_converted(entry.at, format!("the music `{value}`: the music that ships plays"), todo);
                } else {
                    draft.ledger.converted(entry.at, "`music`");
                }
                music = Some("music/hold");
                continue;
            }
            _ => {
                rest(entry, draft);
                continue;
            }
        };
        draft.ledger.converted(entry.at, format!("queue `{name}`"));
        let known = |name: &str| queue.children().is_some_and(|children| children.get(name).is_some());
        if let Some(child) = child.filter(|child| !known(child.name().value())) {
            queue = queue.child(child);
        }
    }
    if let Some(music) = music {
        queue = queue.child(node("music").arg(music));
    }
    draft.ledger.converted(section.at, format!("queue `{name}`"));
    draft.top(file::QUEUES, queue, vec![section.at]);
}

/// Whether callers wait while nobody is signed in.
fn empty(entry: &Entry, joins: bool, queue: &mut kdl::KdlNode, draft: &mut Draft) {
    let yes = is_yes(&entry.value);
    let waits = yes == joins;
    if !matches!(entry.value.trim(), "yes" | "no" | "strict" | "loose") {
        draft.ledger.not_converted(
            entry.at,
            "callers leave when no agent is signed in; finer conditions have no counterpart",
            "see `when-empty`",
        );
        return;
    }
    draft.ledger.converted(entry.at, "`when-empty`");
    if joins && waits && queue.children().is_none_or(|children| children.get("when-empty").is_none()) {
        queue.ensure_children().nodes_mut().push(node("when-empty").arg("wait"));
    }
}

/// `member => PJSIP/1001,PENALTY,NAME`.
fn member(entry: &Entry, queue: &str, draft: &mut Draft, devices: &Devices) {
    let mut parts = entry.value.split(',').map(str::trim);
    let device = parts.next().unwrap_or_default();
    let device = device.split_once('/').map_or(device, |(_, device)| device).split('@').next().unwrap_or_default();
    let number = match devices.by_name.get(device) {
        Some(Device::Extension(number)) => Some(*number),
        Some(Device::Trunk(_)) => None,
        None => extension_number(device).filter(|number| draft.extensions.contains_key(number)),
    };
    let Some(number) = number else {
        return draft.ledger.not_converted(entry.at, "no extension of this plan", "add the agent: tandem user add --queue");
    };
    let person = draft.person(number);
    if !person.queues.iter().any(|known| known == queue) {
        person.queues.push(queue.to_owned());
    }
    let penalty = parts.next().is_some_and(|penalty| !matches!(penalty, "" | "0"));
    if penalty {
        draft.ledger.not_converted(
            entry.at,
            "converted in part: a penalty has no counterpart",
            "give agents skills with levels, and ask for them by `relax`",
        );
    } else {
        draft.ledger.converted(entry.at, format!("the queues of {number}"));
    }
}

/// The floor gives a call to the agent who has been idle longest, by skill.
fn strategy(entry: &Entry, draft: &mut Draft) {
    match entry.value.trim() {
        "leastrecent" | "rrmemory" | "roundrobin" | "rrordered" | "fewestcalls" | "random" => {
            draft.ledger.converted(entry.at, "agents share the calls: who has been idle longest comes first");
        }
        other => {
            let todo = "one agent is rung at a time, the one who has been idle longest first; `dial` with a group rings all";
            draft.ledger.not_converted(entry.at, format!("the strategy `{other}`"), todo);
        }
    }
}

fn rest(entry: &Entry, draft: &mut Draft) {
    if LEFT_OUT.contains(&entry.key.to_ascii_lowercase().as_str()) {
        draft.ledger.left_out(entry.at, "the floor decides it itself, or says it anyway");
    } else {
        let what = format!("the setting `{}` has no counterpart", entry.key);
        draft.ledger.not_converted(entry.at, what, "see `queue` in docs/dialplan.md");
    }
}
