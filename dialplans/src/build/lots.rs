//! Parking lots, and who may answer whose phone.

use std::collections::BTreeMap;

use tandem_switch::name::{Extension, LotName};

use super::{Builder, tops};
use crate::{
    inside::Lot,
    plan::{Action, DialTarget, PickUp},
    read::Item,
};

/// Slots of one lot at most.
const MAX_SLOTS: u32 = 1_000;

impl Builder<'_> {
    pub(super) fn lots(&mut self, items: &[Item]) -> BTreeMap<LotName, Lot> {
        let mut lots: BTreeMap<LotName, Lot> = BTreeMap::new();
        for item in tops(items, "parking") {
            let (Some(name), Some(from), Some(to)) = (item.text(), item.prop_count("from"), item.prop_count("to")) else {
                continue;
            };
            if from > to || from.to_string().len() != to.to_string().len() || to - from >= MAX_SLOTS {
                let message = format!("expected `from` below `to` with the same number of digits, and at most {MAX_SLOTS} slots");
                self.findings.error("bad-range", item.at, message);
                continue;
            }
            if let Some(other) = self.extensions.iter().find(|other| other.from <= to && from <= other.to) {
                let message = format!("some of these slots are extensions: {}–{}", other.from, other.to);
                self.findings.error("twice", item.at, message);
            }
            if let Some((other, _)) = lots.iter().find(|(_, other)| other.slots.0 <= to && from <= other.slots.1) {
                self.findings.error("twice", item.at, format!("some of these are slots of `{other}` already"));
            }
            let lot = Lot {
                slots: (from, to),
                timeout_ms: item.prop_ms("timeout").unwrap_or(120_000),
                music: item.prop_text("music").map(Into::into),
            };
            lots.entry(name.into()).or_insert(lot);
        }
        lots
    }

    pub(super) fn pickup_groups(&mut self, items: &[Item]) -> BTreeMap<String, Vec<Extension>> {
        let mut groups = BTreeMap::new();
        for item in tops(items, "pickup-group") {
            let Some(name) = item.text() else { continue };
            let members = self.members(item);
            groups.entry(name.to_owned()).or_insert(members);
        }
        groups
    }

    /// The `extension "…"` lines of a node.
    pub(super) fn members(&mut self, item: &Item) -> Vec<Extension> {
        let mut members: Vec<Extension> = Vec::new();
        for value in item.named("extension").flat_map(|line| &line.args) {
            let Some(text) = value.text() else { continue };
            if !self.is_extension(text) {
                self.findings.error("unknown-extension", value.at, format!("`{text}` is no internal number of this plan"));
            } else if !members.iter().any(|known| known.as_str() == text) {
                members.push(text.into());
            }
        }
        members
    }

    pub(super) fn park(&mut self, item: &Item) -> Option<Action> {
        Some(Action::Park { lot: item.text()?.into(), handlers: self.handlers(item) })
    }

    pub(super) fn retrieve(&mut self, item: &Item) -> Option<Action> {
        let value = item.args.first()?;
        let slot = value.as_template()?;
        if let Some(text) = slot.literal()
            && !self.lots.values().any(|lot| lot.contains(text))
        {
            self.findings.error("unknown-slot", value.at, format!("`{text}` is no slot of a `parking` of this plan"));
        }
        Some(Action::Retrieve { slot, handlers: self.handlers(item) })
    }

    pub(super) fn pickup(&mut self, item: &Item) -> Option<Action> {
        let whom = match (item.args.first(), item.prop_text("group")) {
            (Some(value), None) => match self.extension_target(value)? {
                DialTarget::Extension(extension) => PickUp::Extension(extension),
                DialTarget::Trunk { .. } => return None,
            },
            (None, Some(group)) => PickUp::Group(group.to_owned()),
            (None, None) => PickUp::Groups,
            (Some(_), Some(_)) => {
                self.findings.error("bad-pickup", item.at, "expected an extension or `group=…`, and not both");
                return None;
            }
        };
        Some(Action::PickUp { whom, handlers: self.handlers(item) })
    }
}
