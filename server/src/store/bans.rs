//! Sources that are not heard for a while, kept over a restart.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tandem_switch::time::Timestamp;

use super::{
    Store, StoreError,
    db::{Arg, args},
    sql,
};

/// A source that is not heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Its address, or the first one of its /64 in IPv6.
    pub source: IpAddr,
    /// What for: `passwords`, `scan`, `malformed`, `flood`.
    pub offence: String,
    /// The how many-th of this source.
    pub times: u32,
    /// Since when.
    pub at: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Ban {
    pub(super) fn row(&self) -> Vec<Arg> {
        args![self.source.to_string(), self.offence.as_str(), self.times, self.at, self.until].into()
    }
}

impl Store {
    /// The bans that hold at `now`.
    pub async fn bans(&self, now: Timestamp) -> Result<Vec<Ban>, StoreError> {
        let rows = self.db.fetch(sql::BANS, &args![now]).await?;
        let ban = |row: &super::db::Row| -> Result<Ban, StoreError> {
            let source: String = row.get("source")?;
            Ok(Ban {
                source: source.parse().map_err(|_| StoreError::Unreadable { column: "bans.source" })?,
                offence: row.get("offence")?,
                times: u32::try_from(row.get::<i64>("times")?).unwrap_or(1),
                at: Timestamp(row.get("began_us")?),
                until: Timestamp(row.get("until_us")?),
            })
        };
        rows.iter().map(ban).collect()
    }
}
