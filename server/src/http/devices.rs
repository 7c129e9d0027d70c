//! Devices of a person: what rings for them as an agent, in which order, and for how long.

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    device::{BadDevices, CONFIRM_KEY, Device, DeviceKind, Devices},
    floor,
    name::{DeviceName, PartyNumber},
    step::{RingStrategy, Target},
};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Api,
    auth::Caller,
    control::ControlRequest,
    people::{extension, read_extension},
    problem::{JsonBody, Path, Problem},
};
use crate::{clock, store::Person};

/// A number outside: an optional plus sign, and digits.
const NUMBER_DIGITS: std::ops::RangeInclusive<usize> = 3..=20;

/// The devices of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DevicesView {
    /// How they ring: `in-order` or `all`.
    pub order: String,
    /// The devices, the first one first; none when the phones of the extension, or the fixed address, ring.
    pub devices: Vec<DeviceView>,
}

/// Something that rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceView {
    /// Its name, one of a kind among those of the person.
    pub name: String,
    /// What it is, and where.
    #[serde(flatten)]
    pub device: DeviceChange,
}

/// A device of an agent now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceNowView {
    /// Its name.
    pub device: String,
    /// `desk`, `softphone` or `mobile`.
    pub kind: String,
    /// Whether a call could reach it: it is registered, or needs no registration.
    pub reachable: bool,
    /// Live legs outside of what was offered.
    pub legs: u32,
}

impl From<&floor::DeviceNow> for DeviceNowView {
    fn from(device: &floor::DeviceNow) -> Self {
        let floor::DeviceNow { device, kind, reachable, legs } = device;
        Self { device: device.to_string(), kind: kind.word().to_owned(), reachable: *reachable, legs: *legs }
    }
}

/// A device as an admin writes it: at an `extension`, an `address`, or a `number` by a `trunk`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceChange {
    /// `desk`, `softphone` or `mobile`.
    pub kind: String,
    /// All phones that are registered with this extension ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// A fixed address, as in `sip:agent7@127.0.0.3:5090`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// A number outside, with its `trunk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// The trunk, or the group of trunks, that the number is called by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<String>,
    /// It rings so long, in ms: 1000 to 120000; as long as the queue says when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_ms: Option<u64>,
    /// Whoever answers has the call only when they press this key, so that no voicemail takes one. When absent: `1` for a
    /// mobile, none for others. "" for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}

/// How devices ring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DevicesOrder {
    /// `in-order`: one after another; `all`: at once. As it is when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// Those that are first, by name; the others stay behind them.
    #[serde(default)]
    pub names: Vec<String>,
}

impl Default for DevicesView {
    fn default() -> Self {
        Self::from(&Devices::default())
    }
}

impl From<&Devices> for DevicesView {
    fn from(devices: &Devices) -> Self {
        Self { order: order_word(devices.order).to_owned(), devices: devices.list.iter().map(DeviceView::from).collect() }
    }
}

impl From<&Device> for DeviceView {
    fn from(device: &Device) -> Self {
        let Device { name, kind, target, ring_ms, confirm } = device;
        let confirm = confirm.map_or_else(String::new, String::from);
        let mut change = DeviceChange {
            kind: kind.word().to_owned(),
            ring_ms: *ring_ms,
            confirm: Some(confirm).filter(|key| !key.is_empty() || *kind == DeviceKind::Mobile),
            ..DeviceChange::default()
        };
        match target {
            Target::Extension(extension) => change.extension = Some(extension.to_string()),
            Target::Fixed(address) => change.address = Some(address.to_string()),
            Target::Trunk { trunk, number } => {
                (change.number, change.trunk) = (Some(number.as_str().to_owned()), Some(trunk.to_string()));
            }
        }
        Self { name: name.to_string(), device: change }
    }
}

const fn order_word(order: RingStrategy) -> &'static str {
    match order {
        RingStrategy::All => "all",
        RingStrategy::InOrder => "in-order",
    }
}

impl DeviceChange {
    /// The device of that name.
    ///
    /// # Errors
    /// A sentence on what does not fit.
    pub fn read(self, name: &str) -> Result<Device, String> {
        let kind = DeviceKind::of(&self.kind).ok_or("kind: give desk, softphone or mobile")?;
        let target = match (self.extension, self.address, self.number, self.trunk) {
            (Some(text), None, None, None) => {
                Target::Extension(read_extension(&text).map_err(|bad| format!("extension: {bad}"))?)
            }
            (None, Some(text), None, None) => Target::Fixed(super::people::read_address(&text)?.into()),
            (None, None, Some(number), Some(trunk)) => {
                let digits = number.strip_prefix('+').unwrap_or(&number);
                let good = NUMBER_DIGITS.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
                good.then_some(()).ok_or("number: give 3 to 20 digits, with a + before them or not")?;
                let named = (1..=64).contains(&trunk.len()) && !trunk.contains(char::is_control);
                named.then_some(()).ok_or("trunk: give the name of a trunk of the plan")?;
                Target::Trunk { trunk: trunk.as_str().into(), number: PartyNumber::from(number.as_str()) }
            }
            _ => return Err("give one of `extension`, `address`, or `number` with `trunk`".into()),
        };
        let mut keys = self.confirm.as_deref().map(str::chars);
        let confirm = match &mut keys {
            None => (kind == DeviceKind::Mobile).then_some(CONFIRM_KEY),
            Some(keys) => keys.next(),
        };
        if keys.is_some_and(|mut more| more.next().is_some()) {
            return Err(format!("confirm: {}", BadDevices::Key));
        }
        Ok(Device { name: name.into(), kind, target, ring_ms: self.ring_ms, confirm })
    }
}

impl DevicesOrder {
    /// Brings devices into this order.
    ///
    /// # Errors
    /// A sentence on what does not fit.
    pub fn apply(&self, devices: &mut Devices) -> Result<(), String> {
        devices.order = match self.order.as_deref() {
            None => devices.order,
            Some("all") => RingStrategy::All,
            Some("in-order") => RingStrategy::InOrder,
            Some(_) => return Err("order: give in-order or all".into()),
        };
        let names: Vec<DeviceName> = self.names.iter().map(|name| DeviceName::from(name.as_str())).collect();
        devices.arrange(&names).map_err(|bad| format!("names: {bad}"))
    }
}

impl Api {
    async fn keep_devices(&self, person: &Person, what: (&str, &str), caller: &Caller) -> Result<Json<DevicesView>, Problem> {
        let Person { extension, devices, .. } = person;
        self.control.store.put_devices((extension, devices), what, caller.by(), clock::now().at).await?;
        self.control.tell(ControlRequest::PeopleChanged)?;
        Ok(Json(DevicesView::from(devices)))
    }
}

fn bad(sentence: impl std::fmt::Display) -> Problem {
    Problem::bad(sentence.to_string()).at("body")
}

/// Devices of a person
#[utoipa::path(get, path = "/api/v1/people/{extension}/devices", tag = "admin", security(("token" = ["admin"])),
    params(("extension" = String, Path, description = "Their internal number")),
    responses((status = 200, body = DevicesView), (status = 404, body = Problem)))]
pub(super) async fn devices(State(api): State<Api>, Path(number): Path<String>) -> Result<Json<DevicesView>, Problem> {
    Ok(Json(DevicesView::from(&api.existing(&extension(&number)?).await?.devices)))
}

/// Order the devices of a person
///
/// Holds from the next offer on.
#[utoipa::path(put, path = "/api/v1/people/{extension}/devices", tag = "admin", security(("token" = ["admin"])),
    params(("extension" = String, Path, description = "Their internal number")), request_body = DevicesOrder,
    responses((status = 200, body = DevicesView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn order_devices(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(number): Path<String>,
    JsonBody(order): JsonBody<DevicesOrder>,
) -> Result<Json<DevicesView>, Problem> {
    let mut person = api.existing(&extension(&number)?).await?;
    order.apply(&mut person.devices).map_err(bad)?;
    api.keep_devices(&person, ("devices-ordered", order_word(person.devices.order)), &caller).await
}

/// Add a device to a person, or change one
///
/// A new one is the last. Holds from the next offer on.
#[utoipa::path(put, path = "/api/v1/people/{extension}/devices/{device}", tag = "admin", security(("token" = ["admin"])),
    params(("extension" = String, Path, description = "Their internal number"), ("device" = String, Path, description = "Its name")),
    request_body = DeviceChange,
    responses((status = 200, body = DevicesView), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn put_device(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((number, name)): Path<(String, String)>,
    JsonBody(change): JsonBody<DeviceChange>,
) -> Result<Json<DevicesView>, Problem> {
    let mut person = api.existing(&extension(&number)?).await?;
    let known = person.devices.list.iter().any(|device| device.name.as_str() == name);
    person.devices.put(change.read(&name).map_err(bad)?).map_err(bad)?;
    let what = if known { "device-changed" } else { "device-added" };
    api.keep_devices(&person, (what, &name), &caller).await
}

/// Take a device away from a person
#[utoipa::path(delete, path = "/api/v1/people/{extension}/devices/{device}", tag = "admin", security(("token" = ["admin"])),
    params(("extension" = String, Path, description = "Their internal number"), ("device" = String, Path, description = "Its name")),
    responses((status = 200, body = DevicesView), (status = 404, body = Problem)))]
pub(super) async fn remove_device(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((number, name)): Path<(String, String)>,
) -> Result<Json<DevicesView>, Problem> {
    let mut person = api.existing(&extension(&number)?).await?;
    if !person.devices.remove(&name) {
        return Err(Problem::not_found("device", &name));
    }
    api.keep_devices(&person, ("device-removed", &name), &caller).await
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(devices, order_devices)).routes(routes!(put_device, remove_device))
}
