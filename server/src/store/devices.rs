//! Devices of people: what rings for an agent, and in which order.

use tandem_switch::{device::Devices, name::Extension, time::Timestamp};

use super::{
    Audit, Doer, Record, Store, StoreError,
    db::{args, json},
    sql::statements,
};

statements! {
    SET_DEVICES = "UPDATE people SET devices = $2, changed_us = $3 WHERE extension = $1";
}

impl Store {
    /// From now on these ring for somebody. `what` was done, and to `which` device, for the audit: its number is not in there.
    pub async fn put_devices(
        &self,
        (extension, devices): (&Extension, &Devices),
        (what, which): (&str, &str),
        by: impl Into<Doer>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let kept = (*devices != Devices::default()).then(|| json(devices));
        let audit = Audit::of(by, what, format!("{extension}: {which}"), at);
        let row = args![extension.as_str(), kept, at];
        self.change(&[(SET_DEVICES, row.into())], &[Record::Audit(audit)]).await
    }
}
