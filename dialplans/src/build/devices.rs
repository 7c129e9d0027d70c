//! Devices of starter agents.

use std::collections::BTreeSet;

use tandem_switch::{
    device::{CONFIRM_KEY, CONFIRM_PROMPT, Device, DeviceKind, Devices},
    name::{Language, PartyNumber},
    step::{RingStrategy, Target},
};

use super::{Builder, tops};
use crate::{diagnostic::Findings, plan::parse_number, read::Item, world::World};

impl Builder<'_> {
    /// What the `device` lines of a node say; what is wrong with one is said where it stands.
    pub(super) fn devices(&mut self, agents: &Item, (from, to): (u32, u32)) -> Devices {
        let order = match agents.prop_text("strategy") {
            Some("all") => RingStrategy::All,
            _ => RingStrategy::InOrder,
        };
        let mut devices = Devices { order, list: Vec::new() };
        for item in agents.named("device") {
            let Some(name) = item.text() else { continue };
            let Some(device) = self.device(item, name, (from, to)) else { continue };
            if devices.list.iter().any(|known| known.name == device.name) {
                self.findings.error("twice", item.at, format!("there is a device `{name}` already"));
            } else if let Err(bad) = devices.put(device) {
                self.findings.error("bad-value", item.at, bad.to_string());
            }
        }
        devices
    }

    fn device(&mut self, item: &Item, name: &str, range: (u32, u32)) -> Option<Device> {
        let kind = item.prop_text("kind").and_then(DeviceKind::of)?;
        let text = |name: &str| item.prop_text(name);
        let target = match (text("extension"), text("address"), text("number"), text("via")) {
            (Some(extension), None, None, None) => {
                let all_there = [range.0, range.1].iter().all(|n| self.is_extension(&extension.replace("{n}", &n.to_string())));
                if !all_there {
                    let message = "not all of these agents have such an extension: nobody can register with it";
                    self.findings.warning("unknown-extension", item.prop("extension").map_or(item.at, |v| v.at), message);
                }
                Target::Extension(extension.into())
            }
            (None, Some(address), None, None) => Target::Fixed(address.into()),
            (None, None, Some(number), Some(trunk)) => {
                if parse_number(&number.replace("{n}", &range.0.to_string())).is_none() {
                    let at = item.prop("number").map_or(item.at, |v| v.at);
                    self.findings.error("bad-value", at, "expected a telephone number, `{n}` being the number of the agent");
                    return None;
                }
                Target::Trunk { trunk: trunk.into(), number: PartyNumber::from(number) }
            }
            _ => {
                let message = "a device has one of `extension`, `address`, or `number` with `via`";
                self.findings.error("missing-property", item.at, message);
                return None;
            }
        };
        let key = text("confirm").and_then(|key| key.chars().next());
        let confirm = key.or((kind == DeviceKind::Mobile).then_some(CONFIRM_KEY));
        Some(Device { name: name.into(), kind, target, ring_ms: item.prop_ms("ring"), confirm })
    }
}

/// Whoever is asked for a key is asked in each language that has any recordings.
pub(super) fn prompts(items: &[Item], languages: &BTreeSet<Language>, world: &World, findings: &mut Findings) {
    let devices = tops(items, "starter-agents").flat_map(|agents| agents.named("device"));
    for device in devices.filter(|device| device.prop_text("kind") == Some("mobile") || device.prop("confirm").is_some()) {
        let mut spoken = languages.iter().filter(|language| world.prompts.contains_key(*language));
        if let Some(language) = spoken.find(|language| !world.has(language, CONFIRM_PROMPT)) {
            let message = format!("this device plays the recording `{CONFIRM_PROMPT}`, which is not there in `{language}`");
            findings.error("unknown-prompt", device.at, message);
        }
    }
}
