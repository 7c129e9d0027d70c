//! Busy lamps: what the devices of each extension are doing, over all calls.
//!
//! A call knows its own legs only, and a watcher wants to see all calls of an extension at once: here they
//! are put together. As many entries as there are legs of devices of ours; who is gone leaves nothing.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tandem_switch::{
    call::LegStage,
    id::CallId,
    name::{Extension, PartyNumber},
};

use super::LegRef;

/// What one device of an extension is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lamp {
    /// The leg of the call that it is.
    pub at: LegRef,
    /// The device calls; otherwise it is called.
    pub calls: bool,
    /// How far it is.
    pub stage: LegStage,
    /// The other party.
    pub remote: PartyNumber,
    /// The other party's name; empty for none.
    pub display: String,
}

/// A leg as a device of ours, and what watchers have been shown of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Device {
    /// Whose.
    pub extension: Extension,
    calls: bool,
    remote: PartyNumber,
    display: String,
    #[serde(skip)]
    shown: Option<LegStage>,
}

impl Device {
    /// A device that calls somebody.
    #[must_use]
    pub const fn calling(extension: Extension, remote: PartyNumber) -> Self {
        Self { extension, calls: true, remote, display: String::new(), shown: None }
    }

    /// A device that is called by somebody.
    #[must_use]
    pub const fn called(extension: Extension, remote: PartyNumber, display: String) -> Self {
        Self { extension, calls: false, remote, display, shown: None }
    }

    /// Whether watchers have been shown anything of it.
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        self.shown.is_some()
    }

    /// How far it is now; its lamp, if watchers have not been shown that.
    pub fn news(&mut self, at: LegRef, stage: LegStage) -> Option<Lamp> {
        let known = self.shown.replace(stage) == Some(stage);
        let lamp = || Lamp { at, calls: self.calls, stage, remote: self.remote.clone(), display: self.display.clone() };
        (!known).then(lamp)
    }
}

/// The lamps of all extensions that are on a call.
#[derive(Debug, Default)]
pub struct Lamps(HashMap<Extension, Vec<Lamp>>);

impl Lamps {
    /// A device is doing this now; all that the extension's devices do.
    pub fn light(&mut self, extension: &Extension, lamp: Lamp) -> &[Lamp] {
        let lamps = self.0.entry(extension.clone()).or_default();
        match lamps.iter_mut().find(|known| known.at == lamp.at) {
            Some(known) => *known = lamp,
            None => lamps.push(lamp),
        }
        lamps
    }

    /// A call that a device of the extension is on, if there is one.
    #[must_use]
    pub fn call_of(&self, extension: &Extension) -> Option<CallId> {
        self.0.get(extension)?.first().map(|lamp| lamp.at.call)
    }

    /// What the devices of an extension do.
    #[must_use]
    pub fn all_of(&self, extension: &Extension) -> &[Lamp] {
        self.0.get(extension).map_or(&[], Vec::as_slice)
    }

    /// A device is done; all that the extension's devices still do.
    pub fn put_out(&mut self, extension: &Extension, at: LegRef) -> &[Lamp] {
        if let Some(lamps) = self.0.get_mut(extension) {
            lamps.retain(|lamp| lamp.at != at);
            if lamps.is_empty() {
                self.0.remove(extension);
            }
        }
        self.all_of(extension)
    }
}

#[cfg(test)]
mod tests {
    use tandem_switch::id::LegId;

    use super::*;

    #[test]
    fn only_what_changes_is_news() {
        let at = LegRef { call: CallId(1), leg: LegId::CALLER };
        let mut device = Device::called("1001".into(), "1002".into(), "Bob".to_owned());
        assert!(!device.is_shown());
        assert!(device.news(at, LegStage::Ringing).is_some_and(|lamp| !lamp.calls && lamp.display == "Bob"));
        assert!(device.news(at, LegStage::Ringing).is_none() && device.is_shown());
        assert!(device.news(at, LegStage::Up).is_some());
    }

    #[test]
    fn an_extension_shows_all_its_legs_and_nothing_is_left_of_those_that_are_gone() {
        let (mut lamps, extension) = (Lamps::default(), Extension::from("1001"));
        let at = |call| LegRef { call: CallId(call), leg: LegId::CALLER };
        let lamp = |call, stage| Lamp { at: at(call), calls: true, stage, remote: "1002".into(), display: String::new() };
        lamps.light(&extension, lamp(1, LegStage::Ringing));
        assert_eq!(lamps.light(&extension, lamp(2, LegStage::Invited)).len(), 2);
        assert_eq!(lamps.light(&extension, lamp(1, LegStage::Up))[0].stage, LegStage::Up);
        assert_eq!(lamps.put_out(&extension, at(1)), [lamp(2, LegStage::Invited)]);
        assert!(lamps.put_out(&extension, at(2)).is_empty() && lamps.0.is_empty());
        assert!(lamps.put_out(&extension, at(2)).is_empty());
    }
}
