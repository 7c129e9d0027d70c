//! What extensions and trunks have spent of their caps, kept over a restart.

use tandem_switch::{time::Timestamp, toll::TollSpent};

use super::{
    Store, StoreError,
    db::{Arg, args, json},
    sql,
};

/// What is older counts for nothing: no cap is of more than a day.
const DAY_US: i64 = 86_400_000_000;

/// The row of one of them.
pub(super) fn row(spent: &TollSpent) -> Vec<Arg> {
    args![json(&spent.who), json(spent), spent.at].into()
}

/// Rows up to then say nothing any more.
pub(super) const fn forgotten(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(DAY_US))
}

impl Store {
    /// What was spent of caps that still count at `now`.
    pub async fn toll_spent(&self, now: Timestamp) -> Result<Vec<TollSpent>, StoreError> {
        let rows = self.db.fetch(sql::TOLL_SPENT, &args![forgotten(now)]).await?;
        rows.iter().map(|row| row.json("body")).collect()
    }
}
