//! FreeSWITCH: the dialplan, the directory, gateways, mod_callcenter and IVR menus.

mod actions;
mod bridge;
mod callcenter;
mod conditions;
mod dialplan;
mod directory;
mod gateways;
mod menus;
mod regexes;
mod xml;

use std::collections::BTreeMap;

use self::xml::{Element, Files};
use super::{
    draft::Draft,
    limits::{ConfigFile, ImportError},
};

/// Everything that actions may name.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Gateways: their name and ours, and the context that their calls come in at.
    gateways: BTreeMap<String, (String, String)>,
    /// Their name and ours.
    queues: BTreeMap<String, String>,
    /// Extensions by the context that their calls come in at.
    contexts: BTreeMap<String, Vec<u32>>,
    /// Groups of the directory.
    groups: BTreeMap<String, Vec<u32>>,
}

/// Reads all files into a draft of a plan.
pub(super) fn read(files: &[ConfigFile]) -> Result<Draft, ImportError> {
    if !files.iter().any(|file| file.path.ends_with(".xml")) {
        return Err(ImportError::Nothing { expected: "freeswitch.xml, or dialplan/*.xml and directory/*.xml" });
    }
    let mut draft = Draft::default();
    let mut reader = Files::new(files);
    let elements = reader.elements(&mut draft.ledger)?;
    let mut known = Known::default();
    let (mut contexts, mut menus) = (Vec::new(), Vec::new());
    let mut parts = Parts::default();
    for element in &elements {
        parts.sort(element, &mut draft);
    }
    for domain in &parts.users {
        directory::declare(domain, &mut draft, &mut known);
    }
    for profile in &parts.profiles {
        gateways::declare(profile, &mut draft, &mut known);
    }
    for configuration in &parts.callcenter {
        callcenter::declare(configuration, &mut draft, &mut known);
    }
    contexts.extend(parts.contexts.iter().copied());
    menus.extend(parts.menus.iter().copied());
    dialplan::routes(&contexts, &menus, reader.globals(), &mut draft, &known);
    for (path, lines) in reader.others().filter(|(_, lines)| *lines > 0) {
        let at = draft.ledger.enter_file(path, lines);
        draft.ledger.not_converted(at, "nothing reads this file", "see whether calls need what it says, and write it by hand");
    }
    Ok(draft)
}

/// Elements by what they declare.
#[derive(Default)]
struct Parts<'a> {
    contexts: Vec<&'a Element>,
    menus: Vec<&'a Element>,
    users: Vec<&'a Element>,
    profiles: Vec<&'a Element>,
    callcenter: Vec<&'a Element>,
}

impl<'a> Parts<'a> {
    fn sort(&mut self, element: &'a Element, draft: &mut Draft) {
        let inside = |parts: &mut Self, draft: &mut Draft| element.children.iter().for_each(|child| parts.sort(child, draft));
        let frame = |draft: &mut Draft| draft.ledger.left_out(element.at, "the frame of what stands in it");
        match element.name.as_str() {
            "context" => self.contexts.push(element),
            "menu" if element.get("name").is_some() => self.menus.push(element),
            "domain" | "user" if element.get("name").or(element.get("id")).is_some() => self.users.push(element),
            "gateway" | "profile" if element.name == "gateway" || element.named("settings").next().is_some() => {
                self.profile(element, draft);
            }
            "document" | "section" | "configuration" | "menus" | "profiles" | "gateways" if element.name != "configuration" => {
                frame(draft);
                inside(self, draft);
            }
            "configuration" => match element.get("name").unwrap_or_default() {
                "callcenter.conf" => self.callcenter.push(element),
                "ivr.conf" | "sofia.conf" => {
                    frame(draft);
                    inside(self, draft);
                }
                name => configuration(name, element, draft),
            },
            "global_settings" => element.walk(&mut |part| draft.ledger.left_out(part.at, "how FreeSWITCH runs")),
            "macro" | "macros" | "language" | "phrases" => {
                element.walk(&mut |part| draft.ledger.left_out(part.at, "how FreeSWITCH speaks: prompts ship in en and it"));
            }
            _ => {
                let todo = "see whether calls need it, and write it by hand";
                element.walk(&mut |part| draft.ledger.not_converted(part.at, "nothing of this kind is read", todo));
            }
        }
    }

    /// A SIP profile, and no profile of another module.
    fn profile(&mut self, element: &'a Element, draft: &mut Draft) {
        let of_sip = element.name == "gateway" || element.param("sip-port").is_some() || element.file.contains("sip_profiles");
        if of_sip {
            self.profiles.push(element);
        } else {
            let todo = "see whether calls need it, and write it by hand";
            element.walk(&mut |part| draft.ledger.not_converted(part.at, "a profile of a module without a counterpart", todo));
        }
    }
}

/// Settings of FreeSWITCH's modules: most say nothing for a plan.
fn configuration(name: &str, element: &Element, draft: &mut Draft) {
    const CALLS_NEED_IT: &[&str] = &[
        "acl.conf",
        "conference.conf",
        "voicemail.conf",
        "fifo.conf",
        "distributor.conf",
        "lcr.conf",
        "enum.conf",
        "directory.conf",
        "httapi.conf",
        "xml_curl.conf",
        "lua.conf",
        "python.conf",
        "perl.conf",
        "verto.conf",
        "skinny.conf",
    ];
    let stem = name.trim_end_matches(".conf");
    if CALLS_NEED_IT.contains(&name) {
        let todo = match stem {
            "acl" => "write the addresses into `match` of the trunk that they belong to",
            "conference" => "rooms have no profiles: docs/conferences.md",
            "voicemail" => "boxes are declared by `mailbox`: docs/voicemail.md",
            "lua" | "python" | "perl" | "httapi" | "xml_curl" => {
                "programs follow calls by the API, or take them by `stream`: docs/audio-streams.md"
            }
            _ => "see whether calls need it, and write it by hand",
        };
        element.walk(&mut |part| draft.ledger.not_converted(part.at, format!("settings of {stem}"), todo));
    } else {
        element.walk(&mut |part| draft.ledger.left_out(part.at, format!("how FreeSWITCH runs its module {stem}")));
    }
}
