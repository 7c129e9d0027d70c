//! The small files: mailboxes, parking, ports of audio; and what is said of files that are not looked into.

use super::{
    super::{
        draft::{Draft, extension_number, file},
        kdl_out::{Build as _, node, seconds},
    },
    devices::Devices,
    lines::{Reader, Section},
};

/// `[default]` and its like: `1001 => PIN,NAME,MAIL`.
pub(super) fn mailboxes(sections: &[Section], draft: &mut Draft) {
    for section in sections {
        if matches!(section.name.as_str(), "general" | "zonemessages" | "aliases") {
            draft.ledger.left_out(section.at, "how Asterisk keeps messages");
            section.entries.iter().for_each(|entry| draft.ledger.left_out(entry.at, "how Asterisk keeps messages"));
            continue;
        }
        draft.ledger.converted(section.at, "mailboxes");
        for entry in &section.entries {
            let mut parts = entry.value.split(',').map(str::trim);
            let pin = parts.next().unwrap_or_default();
            draft.ledger.hide(entry.at, pin);
            let (name, mail) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let own = extension_number(&entry.key).filter(|number| draft.extensions.contains_key(number));
            match own {
                Some(number) => {
                    let person = draft.person(number);
                    if person.name.is_empty() && !name.is_empty() {
                        person.name = name.chars().filter(|c| !c.is_control()).take(64).collect();
                    }
                    if mail.is_empty() {
                        draft.ledger.converted(entry.at, "every extension has a mailbox; it is heard without a PIN");
                    } else {
                        let todo = "fetch messages by the API: docs/voicemail.md";
                        draft.ledger.not_converted(entry.at, "converted in part: messages are not sent by mail", todo);
                    }
                }
                None => draft.ledger.not_converted(
                    entry.at,
                    "a mailbox that no extension has; one that a step names is declared with the step",
                    "declare `mailbox \"…\"`",
                ),
            }
        }
    }
}

/// `res_parking.conf`, and `features.conf` before it.
pub(super) fn parking(sections: &[Section], draft: &mut Draft, devices: &mut Devices) {
    for section in sections {
        if section.value("parkpos").is_none() {
            if section.entries.is_empty() {
                draft.ledger.left_out(section.at, "a section without a line");
            }
            continue;
        }
        let name = super::super::names::kebab(if section.name == "general" { "default" } else { &section.name });
        let (from, to) = section.value("parkpos").and_then(|slots| slots.split_once('-')).unwrap_or_default();
        let (Some(from), Some(to)) = (extension_number(from.trim()), extension_number(to.trim())) else {
            draft.ledger.not_converted(section.at, "slots that are no numbers", "declare `parking \"…\" from=… to=…`");
            continue;
        };
        let time = section.value("parkingtime").and_then(|time| time.trim().parse::<u64>().ok());
        let lot = node("parking").arg(name.as_str()).prop("from", i128::from(from)).prop("to", i128::from(to));
        let lot = lot.maybe("timeout", time.filter(|time| *time > 0).map(seconds));
        draft.top(file::QUEUES, lot, vec![section.at]);
        devices.lot.get_or_insert(name.clone());
        draft.ledger.converted(section.at, format!("parking `{name}`"));
        let entry_point = section.value("parkext").and_then(|number| extension_number(number.trim()));
        routes(draft, &name, entry_point, (from, to), section);
        for entry in &section.entries {
            match entry.key.to_ascii_lowercase().as_str() {
                "parkpos" | "parkingtime" | "parkext" => draft.ledger.converted(entry.at, format!("parking `{name}`")),
                "context" | "parkinghints" | "findslot" | "parkext_exclusive" | "comebackdialtime" | "comebacktoorigin" => {
                    draft.ledger.left_out(entry.at, "slots are dialled from every extension, and who parked is called back");
                }
                _ => {}
            }
        }
    }
}

/// The numbers to park at and to take callers from.
fn routes(draft: &mut Draft, lot: &str, entry_point: Option<u32>, (from, to): (u32, u32), section: &Section) {
    use super::super::draft::RouteDraft;
    let mut route = |name: String, numbers: Vec<String>, step: kdl::KdlNode| {
        let to = numbers.into_iter().fold(node("to"), |node, number| node.arg(number));
        let name = draft.route_names.unique(&name);
        let (guards, units) = (vec![node("from").arg("extension"), to], vec![section.at]);
        draft.routes.push(RouteDraft { name, guards, steps: vec![step, node("hangup")], units });
    };
    if let Some(number) = entry_point {
        route(format!("park-{lot}"), vec![number.to_string()], node("park").arg(lot));
    }
    let slots: Vec<String> = (from..=to).take(200).map(|slot| slot.to_string()).collect();
    route(format!("take-from-{lot}"), slots, node("retrieve").arg("{dialled}"));
}

/// `rtp.conf`: which ports are for audio.
pub(super) fn ports(sections: &[Section], draft: &mut Draft) {
    for section in sections {
        let number = |key: &str| section.value(key).and_then(|value| value.trim().parse::<u16>().ok());
        if let (Some(from), Some(to)) = (number("rtpstart"), number("rtpend")) {
            let rtp = node("rtp").arg(format!("{from}-{to}"));
            match draft.tops.iter_mut().find(|top| top.node.name().value() == "listen") {
                Some(top) => top.node.ensure_children().nodes_mut().push(rtp),
                None => draft.top(
                    file::SWITCH,
                    node("listen").child(node("sip-udp").arg("127.0.0.1:5060")).child(rtp),
                    vec![section.at],
                ),
            }
        }
        for (key, at) in section.entries.iter().map(|entry| (entry.key.as_str(), entry.at)).chain([("", section.at)]) {
            match key {
                "rtpstart" | "rtpend" => draft.ledger.converted(at, "`rtp`"),
                _ => draft.ledger.left_out(at, "the switch needs no such setting, or finds it out itself"),
            }
        }
    }
}

/// Files that say nothing for a plan, and why.
const OTHER: &[(&str, &str)] = &[
    ("logger", "where Asterisk writes its log"),
    ("modules", "which modules Asterisk loads"),
    ("asterisk", "how Asterisk runs"),
    ("cdr", "Asterisk's call records: ours are in the database"),
    ("cel", "Asterisk's event log: ours is the journal"),
    ("indications", "tones of analogue lines"),
    ("cli", "Asterisk's console"),
    ("cli_aliases", "Asterisk's console"),
    ("cli_permissions", "Asterisk's console"),
    ("codecs", "parameters of Asterisk's codecs"),
    ("dsp", "detection in audio"),
    ("manager", "Asterisk's interface for programs: ours is the HTTP API"),
    ("ari", "Asterisk's interface for programs: ours is the HTTP API"),
    ("http", "Asterisk's web server"),
    ("acl", "who may talk to Asterisk"),
    ("ccss", "completion of calls"),
    ("udptl", "fax"),
    ("res_fax", "fax"),
    ("phoneprov", "settings files for phones"),
    ("pjproject", "how Asterisk runs"),
    ("pjsip_notify", "messages to phones"),
    ("sip_notify", "messages to phones"),
    ("sorcery", "where Asterisk keeps its objects"),
    ("stasis", "how Asterisk runs"),
    ("statsd", "Asterisk's metrics: ours are at /metrics"),
    ("prometheus", "Asterisk's metrics: ours are at /metrics"),
    ("hep", "copies of signalling: see `capture`"),
    ("say", "how Asterisk speaks numbers"),
    ("enum", "numbers in the DNS"),
    ("res_", "where Asterisk keeps its data"),
    ("cdr_", "Asterisk's call records: ours are in the database"),
    ("cel_", "Asterisk's event log: ours is the journal"),
    ("resolver_unbound", "how Asterisk asks the DNS"),
    ("musiconhold", "where Asterisk's music lies: music/hold ships, and `music` names others"),
];

/// Says of each file that was not looked into why not.
pub(super) fn others(reader: &Reader<'_>, draft: &mut Draft) {
    for (path, lines) in reader.unread().filter(|(_, lines)| *lines > 0) {
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.split('.').next().unwrap_or(name);
        let at = draft.ledger.enter_file(path, lines);
        let known = OTHER.iter().find(|(known, _)| stem == *known || (known.ends_with('_') && stem.starts_with(known)));
        match known {
            Some((_, why)) if !path.contains('/') => draft.ledger.left_out(at, *why),
            _ => draft.ledger.not_converted(
                at,
                "nothing reads this file",
                "see whether calls need what it says, and write it by hand",
            ),
        }
    }
}
