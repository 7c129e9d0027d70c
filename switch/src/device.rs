//! Devices of an agent: what rings when something is offered to them, in which order, and for how long.
//!
//! A device is somewhere that can be called: the phones that register as an extension, an address that the admin wrote,
//! or a number outside. Whoever has none of their own is rung where their person is.

use serde::{Deserialize, Serialize};

use crate::{
    name::{DeviceName, Extension},
    step::{RingStrategy, Target},
};

/// Heard by whoever answers a device that wants a key: which key takes the call.
pub const CONFIRM_PROMPT: &str = "confirm-call";
/// The key that takes a call, where nothing else is said.
pub const CONFIRM_KEY: char = '1';
/// So long a device that answered is asked for the key, in ms. A voicemail that speaks meanwhile presses none.
pub const CONFIRM_MS: u64 = 10_000;
/// Devices of one agent, at most.
pub const MOST_DEVICES: usize = 8;
/// An offer rings no longer than this however many devices there are, in ms.
pub const MOST_RING_MS: u64 = 300_000;

/// What sort of thing a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// A telephone on a desk.
    Desk,
    /// A program on a computer, or in a browser.
    Softphone,
    /// A number outside, which a voicemail may answer.
    Mobile,
}

impl DeviceKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Desk, Self::Softphone, Self::Mobile];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Desk => "desk",
            Self::Softphone => "softphone",
            Self::Mobile => "mobile",
        }
    }

    /// The kind that a word names.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Something that rings for an agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Device {
    /// Its name, one of a kind among those of the agent.
    pub name: DeviceName,
    /// What it is.
    pub kind: DeviceKind,
    /// Where it is called.
    pub target: Target,
    /// It rings so long, in ms; as long as the queue lets an agent be rung when `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_ms: Option<u64>,
    /// Whoever answers has the call only when they press this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<char>,
}

/// The devices of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Devices {
    /// All at once, or one after another.
    pub order: RingStrategy,
    /// The devices, the first one first.
    pub list: Vec<Device>,
}

/// Why something is no device of an agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDevices {
    /// Its name.
    #[error("the name of a device has 1 to 32 letters, digits, dots, dashes or underscores")]
    Name,
    /// Its time.
    #[error("a device rings 1 to 120 seconds")]
    Ring,
    /// Its key.
    #[error("the key that takes a call is one of 0 to 9, * and #")]
    Key,
    /// There are enough.
    #[error("an agent has at most 8 devices: remove one first")]
    TooMany,
    /// There is none of that name, or it was named twice.
    #[error("there is no device `{0}`, or it is named twice")]
    NoSuch(DeviceName),
}

impl Default for Devices {
    fn default() -> Self {
        Self { order: RingStrategy::InOrder, list: Vec::new() }
    }
}

impl From<Target> for Devices {
    /// One device that rings as long as the queue says.
    fn from(target: Target) -> Self {
        let only = Device { name: "phone".into(), kind: DeviceKind::Desk, target, ring_ms: None, confirm: None };
        Self { order: RingStrategy::InOrder, list: vec![only] }
    }
}

impl Device {
    /// How long it may take until the device is done, in ms: to ring, and to press the key.
    fn takes_ms(&self, ring_ms: u64) -> u64 {
        let confirm_ms = if self.confirm.is_some() { CONFIRM_MS } else { 0 };
        self.ring_ms.unwrap_or(ring_ms).saturating_add(confirm_ms)
    }

    /// The extension that its phones register as.
    #[must_use]
    pub const fn extension(&self) -> Option<&Extension> {
        match &self.target {
            Target::Extension(extension) => Some(extension),
            Target::Trunk { .. } | Target::Fixed(_) => None,
        }
    }
}

impl Devices {
    /// Whether there is none; for `skip_serializing_if`.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.list.is_empty()
    }

    /// How long an offer to them lasts, in ms, when a device without a time of its own rings `ring_ms`.
    #[must_use]
    pub fn ring_ms(&self, ring_ms: u64) -> u64 {
        let each = self.list.iter().map(|device| device.takes_ms(ring_ms));
        let all = match self.order {
            RingStrategy::All => each.max(),
            RingStrategy::InOrder => each.reduce(u64::saturating_add),
        };
        all.unwrap_or(ring_ms).min(MOST_RING_MS.max(ring_ms))
    }

    /// With the time of each written down.
    #[must_use]
    pub fn timed(mut self, ring_ms: u64) -> Self {
        for device in &mut self.list {
            device.ring_ms.get_or_insert(ring_ms);
        }
        self
    }

    /// How long one of them rings before it is given up, in ms; `None` when it rings as long as the offer lasts.
    #[must_use]
    pub fn gives_up_after_ms(&self, place: usize) -> Option<u64> {
        let device = self.list.get(place)?;
        let longest = self.list.iter().map(|device| device.takes_ms(0)).max().unwrap_or(0);
        let is_last = match self.order {
            RingStrategy::All => device.takes_ms(0) >= longest,
            RingStrategy::InOrder => place + 1 >= self.list.len(),
        };
        device.ring_ms.filter(|_| !is_last)
    }

    /// Adds a device behind the others, or puts one in the place of that name.
    ///
    /// # Errors
    /// It cannot be one of them.
    pub fn put(&mut self, device: Device) -> Result<(), BadDevices> {
        let name = device.name.as_str();
        if !(1..=32).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(BadDevices::Name);
        }
        if device.ring_ms.is_some_and(|ring_ms| !(1_000..=120_000).contains(&ring_ms)) {
            return Err(BadDevices::Ring);
        }
        if device.confirm.is_some_and(|key| !matches!(key, '0'..='9' | '*' | '#')) {
            return Err(BadDevices::Key);
        }
        let many = self.list.len();
        match self.list.iter_mut().find(|known| known.name == device.name) {
            Some(known) => *known = device,
            None if many >= MOST_DEVICES => return Err(BadDevices::TooMany),
            None => self.list.push(device),
        }
        Ok(())
    }

    /// Takes a device away. `false`: there is none of that name.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|device| device.name.as_str() != name);
        self.list.len() < before
    }

    /// Puts the named devices first, in this order; the others stay behind them as they are.
    ///
    /// # Errors
    /// There is no such device, or one is named twice.
    pub fn arrange(&mut self, names: &[DeviceName]) -> Result<(), BadDevices> {
        let mut left = self.list.clone();
        let mut list = Vec::with_capacity(left.len());
        for name in names {
            let place = left.iter().position(|device| device.name == *name).ok_or_else(|| BadDevices::NoSuch(name.clone()))?;
            list.push(left.remove(place));
        }
        list.append(&mut left);
        self.list = list;
        Ok(())
    }

    /// The extensions whose phones are among them.
    pub fn extensions(&self) -> impl Iterator<Item = &Extension> {
        self.list.iter().filter_map(Device::extension)
    }

    /// Whether one of them needs no registration, and so is always worth a try.
    #[must_use]
    pub fn is_always_there(&self) -> bool {
        self.list.iter().any(|device| device.extension().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, ring_ms: Option<u64>, confirm: Option<char>) -> Device {
        let target = Target::Extension(name.into());
        Device { name: name.into(), kind: DeviceKind::Desk, target, ring_ms, confirm }
    }

    #[test]
    fn an_offer_lasts_as_long_as_its_devices_may_take() {
        let list = vec![device("1", None, None), device("2", Some(8_000), None), device("3", Some(20_000), Some('1'))];
        let in_order = Devices { order: RingStrategy::InOrder, list: list.clone() };
        assert_eq!(in_order.ring_ms(15_000), 15_000 + 8_000 + 20_000 + CONFIRM_MS);
        let at_once = Devices { order: RingStrategy::All, list };
        assert_eq!(at_once.ring_ms(15_000), 20_000 + CONFIRM_MS);
        assert_eq!(Devices::from(Target::Extension("1".into())).ring_ms(15_000), 15_000);
        let slow = Devices { list: vec![device("1", Some(MOST_RING_MS), Some('1'))], ..Devices::default() };
        assert_eq!(slow.ring_ms(15_000), MOST_RING_MS);
    }

    #[test]
    fn devices_are_put_arranged_and_removed() {
        let mut devices = Devices::default();
        for name in ["desk", "soft", "mobile"] {
            devices.put(device(name, None, None)).unwrap();
        }
        devices.put(device("soft", Some(5_000), None)).unwrap();
        let names = |devices: &Devices| devices.list.iter().map(|device| device.name.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!((names(&devices).as_str(), devices.list[1].ring_ms), ("desk soft mobile", Some(5_000)));
        devices.arrange(&["mobile".into(), "desk".into()]).unwrap();
        assert_eq!(names(&devices), "mobile desk soft");
        assert_eq!(devices.arrange(&["fax".into()]), Err(BadDevices::NoSuch("fax".into())));
        assert_eq!(devices.arrange(&["desk".into(), "desk".into()]), Err(BadDevices::NoSuch("desk".into())));
        assert!(devices.remove("desk") && !devices.remove("desk"));
        assert_eq!(devices.put(device("", None, None)), Err(BadDevices::Name));
        assert_eq!(devices.put(device("a", Some(10), None)), Err(BadDevices::Ring));
        assert_eq!(devices.put(device("a", None, Some('x'))), Err(BadDevices::Key));
        for n in devices.list.len()..MOST_DEVICES {
            devices.put(device(&format!("d{n}"), None, None)).unwrap();
        }
        assert_eq!(devices.put(device("one-more", None, None)), Err(BadDevices::TooMany));
    }

    #[test]
    fn whoever_rings_last_rings_until_the_offer_ends() {
        let list = vec![device("1", None, None), device("2", Some(8_000), None)];
        let in_order = Devices { order: RingStrategy::InOrder, list: list.clone() }.timed(15_000);
        assert_eq!((in_order.gives_up_after_ms(0), in_order.gives_up_after_ms(1)), (Some(15_000), None));
        let at_once = Devices { order: RingStrategy::All, list }.timed(15_000);
        assert_eq!((at_once.gives_up_after_ms(0), at_once.gives_up_after_ms(1)), (None, Some(8_000)));
    }
}
