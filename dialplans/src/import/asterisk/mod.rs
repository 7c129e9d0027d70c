//! Asterisk: `extensions.conf`, `pjsip.conf`, `sip.conf`, `queues.conf` and the small files beside them.

mod apps;
mod calls;
mod devices;
mod dialplan;
mod jumps;
mod lines;
mod menus;
mod pattern;
mod pjsip;
mod queues;
mod sip;
mod small;
mod state;
mod times;
mod values;
mod walk;

use std::collections::BTreeMap;

use self::{
    devices::{Device, Devices},
    dialplan::Dialplan,
    lines::Reader,
    walk::{Origin, Walk},
};
use super::{
    draft::Draft,
    ledger::UnitId,
    limits::{ConfigFile, ImportError},
};

/// Reads all files into a draft of a plan.
pub(super) fn read(files: &[ConfigFile]) -> Result<Draft, ImportError> {
    let mut reader = Reader::new(files);
    if !["extensions.conf", "pjsip.conf", "sip.conf", "queues.conf"].iter().any(|name| reader.has(name)) {
        return Err(ImportError::Nothing { expected: "extensions.conf, pjsip.conf, sip.conf or queues.conf" });
    }
    let mut draft = Draft::default();
    let mut devices = Devices::default();
    let extensions = reader.sections("extensions.conf", &mut draft.ledger)?;
    let plan = Dialplan::read(extensions, &mut draft.ledger);
    let phones = reader.sections("pjsip.conf", &mut draft.ledger)?;
    let older = reader.sections("sip.conf", &mut draft.ledger)?;
    let mut accounts = pjsip::read(&phones, &mut draft);
    accounts.extend(sip::read(&older, &mut draft));
    let entered = devices::declare(&accounts, &plan, &mut draft, &mut devices);
    pjsip::leave(&phones, &mut draft.ledger);
    sip::leave(&older, &mut draft.ledger);
    let sections = reader.sections("queues.conf", &mut draft.ledger)?;
    queues::declare(&sections, &mut draft, &mut devices);
    let sections = reader.sections("voicemail.conf", &mut draft.ledger)?;
    small::mailboxes(&sections, &mut draft);
    for name in ["res_parking.conf", "features.conf"] {
        let sections = reader.sections(name, &mut draft.ledger)?;
        small::parking(&sections, &mut draft, &mut devices);
    }
    let sections = reader.sections("rtp.conf", &mut draft.ledger)?;
    small::ports(&sections, &mut draft);
    small::others(&reader, &mut draft);
    routes(&entered, &plan, &mut draft, &devices);
    Ok(draft)
}

/// The routes of every context that calls come in at.
fn routes(entered: &[(String, UnitId, Device)], plan: &Dialplan, draft: &mut Draft, devices: &Devices) {
    let mut origins: BTreeMap<usize, Origin> = BTreeMap::new();
    for (context, at, device) in entered {
        let Some(index) = plan.find(context) else {
            draft.ledger.not_converted(*at, format!("there is no context `{context}`"), "write routes for its calls");
            continue;
        };
        let origin = origins.entry(index).or_default();
        match device {
            Device::Trunk(trunk) if !origin.trunks.contains(trunk) => origin.trunks.push(trunk.clone()),
            Device::Trunk(_) => {}
            Device::Extension(number) => origin.callers.push(number.to_string()),
        }
    }
    if origins.is_empty() {
        // No file says whose calls come in where. Only extensions are let in: a carrier's rights are never guessed.
        let is_entry = |name: &str| !plan.included.contains(name) && !name.starts_with("macro-") && !name.starts_with("sub");
        let contexts = plan.contexts.iter().enumerate().filter(|(_, context)| is_entry(&context.name));
        origins.extend(contexts.map(|(index, _)| (index, Origin { extensions: true, ..Origin::default() })));
    }
    for exten in plan.contexts.iter().flat_map(|context| &context.extens).filter(|exten| exten.text == "h") {
        apps::after_calls(&exten.steps, &mut draft.ledger);
    }
    let all = draft.extensions.len();
    let mut walk = Walk::new(draft, plan, devices);
    for (context, origin) in origins {
        let Origin { trunks, extensions, callers } = origin;
        // Extensions are told apart only where they may dial different things.
        let everybody = extensions || callers.len() >= all && all > 0;
        let callers = if everybody { Vec::new() } else { callers };
        if everybody {
            walk.enter(context, &Origin { trunks, extensions: true, callers });
            continue;
        }
        if !trunks.is_empty() {
            walk.enter(context, &Origin { trunks, ..Origin::default() });
        }
        if !callers.is_empty() {
            walk.enter(context, &Origin { extensions: true, callers, ..Origin::default() });
        }
    }
}
