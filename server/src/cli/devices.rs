//! `tandem device`: what rings for an agent. By the running server when there is one, else in the database itself.

use clap::{Args, Subcommand};
use reqwest::Method;
use tandem_switch::name::Extension;

use super::{
    CliError, Common,
    people::{People, WHO},
    print,
    table::{draw, duration, maybe},
};
use crate::{
    clock,
    http::devices::{DeviceChange, DeviceView, DevicesOrder, DevicesView},
    store::Store,
};

#[derive(Debug, Subcommand)]
pub(super) enum DeviceCommand {
    /// The devices of an agent, the first one first.
    List {
        /// Whose.
        agent: String,
    },
    /// Add a device, or change the one of that name. A new one is the last.
    Add {
        /// Whose.
        agent: String,
        /// Its name, as in desk.
        device: String,
        #[command(flatten)]
        change: Box<DeviceArgs>,
    },
    /// Take a device away.
    Remove {
        /// Whose.
        agent: String,
        /// Its name.
        device: String,
    },
    /// Say how they ring, and which of them are first.
    Order {
        /// Whose.
        agent: String,
        /// The first ones by name; the others stay behind them.
        devices: Vec<String>,
        /// All at once.
        #[arg(long, conflicts_with = "in_order")]
        all: bool,
        /// One after another.
        #[arg(long)]
        in_order: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct DeviceArgs {
    /// desk, softphone or mobile.
    #[arg(long)]
    kind: String,
    /// All phones that are registered with this extension ring.
    #[arg(long)]
    extension: Option<String>,
    /// A fixed address, as in sip:agent7@127.0.0.3:5090.
    #[arg(long)]
    address: Option<String>,
    /// A number outside.
    #[arg(long, requires = "trunk")]
    number: Option<String>,
    /// The trunk that the number is called by.
    #[arg(long)]
    trunk: Option<String>,
    /// It rings so long, in ms; as long as the queue says when absent.
    #[arg(long)]
    ring_ms: Option<u64>,
    /// The key that takes the call: 1 for a mobile when absent, none for others; "" for none.
    #[arg(long)]
    confirm: Option<String>,
}

impl From<DeviceArgs> for DeviceChange {
    fn from(args: DeviceArgs) -> Self {
        let DeviceArgs { kind, extension, address, number, trunk, ring_ms, confirm } = args;
        Self { kind, extension, address, number, trunk, ring_ms, confirm }
    }
}

/// What is done.
enum Change {
    Put(String, DeviceChange),
    Remove(String),
    Order(DevicesOrder),
}

pub(super) async fn run(command: DeviceCommand, common: &Common) -> Result<(), CliError> {
    let people = People::find(common).await?;
    let (agent, change) = match command {
        DeviceCommand::List { agent } => {
            let person = people.one(&people.existing(&agent).await?).await?;
            return print(common, &person.devices, drawn);
        }
        DeviceCommand::Add { agent, device, change } => (agent, Change::Put(device, (*change).into())),
        DeviceCommand::Remove { agent, device } => (agent, Change::Remove(device)),
        DeviceCommand::Order { agent, devices, all, in_order } => {
            let order = if all { Some("all") } else { in_order.then_some("in-order") };
            (agent, Change::Order(DevicesOrder { order: order.map(str::to_owned), names: devices }))
        }
    };
    let extension = people.existing(&agent).await?;
    let devices = match &people {
        People::Server(client) => {
            let whose = extension.as_str();
            match &change {
                Change::Put(name, device) => client.order(Method::PUT, &["people", whose, "devices", name], device).await?,
                Change::Remove(name) => client.delete(&["people", whose, "devices", name]).await?,
                Change::Order(order) => client.order(Method::PUT, &["people", whose, "devices"], order).await?,
            }
        }
        People::Database(store) => in_database(store, &extension, change).await?,
    };
    print(common, &devices, drawn)
}

async fn in_database(store: &Store, extension: &Extension, change: Change) -> Result<DevicesView, CliError> {
    let known = store.person(extension).await?;
    let mut devices = known.ok_or_else(|| CliError::not_found("person", extension.as_str()))?.devices;
    let (what, which) = match change {
        Change::Put(name, device) => {
            let device = device.read(&name).map_err(CliError::failed)?;
            devices.put(device).map_err(CliError::failed)?;
            ("device-added", name)
        }
        Change::Remove(name) => {
            if !devices.remove(&name) {
                return Err(CliError::not_found("device", &name).todo("see `tandem device list`"));
            }
            ("device-removed", name)
        }
        Change::Order(order) => {
            order.apply(&mut devices).map_err(CliError::failed)?;
            ("devices-ordered", order.names.join(" "))
        }
    };
    store.put_devices((extension, &devices), (what, &which), WHO, clock::now().at).await?;
    Ok(DevicesView::from(&devices))
}

fn drawn(devices: &DevicesView) -> String {
    if devices.devices.is_empty() {
        return "No devices of their own: the phones of the extension ring, or the fixed address.\n".to_owned();
    }
    let rows = devices.devices.iter().zip(1..).map(|(DeviceView { name, device }, place)| {
        let by = device.trunk.as_ref().map(|trunk| format!(" by {trunk}")).unwrap_or_default();
        let target = [&device.extension, &device.address, &device.number].into_iter().flatten().next();
        vec![
            place.to_string(),
            name.clone(),
            device.kind.clone(),
            format!("{}{by}", maybe(target)),
            maybe(device.ring_ms.map(duration)),
            maybe(device.confirm.as_ref().filter(|key| !key.is_empty())),
        ]
    });
    let how = if devices.order == "all" { "They ring all at once." } else { "They ring one after another." };
    format!("{}{how}\n", draw(&["", "DEVICE", "KIND", "RINGS", "FOR", "KEY"], &rows.collect::<Vec<_>>()))
}
