//! Emergency switches of schedules, kept over a restart.

use serde::{Deserialize, Serialize};
use tandem_dialplan::Override;
use tandem_switch::{name::ScheduleName, time::Timestamp};

use super::{
    Store, StoreError,
    db::{Arg, args},
    sql,
};

/// Somebody turned the emergency switch of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleTurned {
    /// Whose.
    pub schedule: ScheduleName,
    /// What it says from now on; `None`: the schedule is followed again.
    pub says: Option<Override>,
    /// Who: the name of a token.
    pub by: String,
    /// Why, in their words.
    pub why: String,
    /// When.
    pub at: Timestamp,
    /// When it turns itself back; `None`: when somebody does.
    pub until: Option<Timestamp>,
}

impl ScheduleTurned {
    /// Whether it still says something.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.says.is_some() && self.until.is_none_or(|until| now < until)
    }

    /// The statement that brings the table up to date, with its arguments.
    pub(super) fn statement(&self) -> (&'static str, Vec<Arg>) {
        match self.says {
            Some(says) => {
                let row = args![self.schedule.as_str(), says.word(), self.by.as_str(), self.why.as_str(), self.at, self.until];
                (sql::PUT_SCHEDULE_SWITCH, row.into())
            }
            None => (sql::REMOVE_SCHEDULE_SWITCH, args![self.schedule.as_str()].into()),
        }
    }
}

impl Store {
    /// The switches that are on at `now`.
    pub async fn schedule_switches(&self, now: Timestamp) -> Result<Vec<ScheduleTurned>, StoreError> {
        let rows = self.db.fetch(sql::SCHEDULE_SWITCHES, &args![now]).await?;
        let switch = |row: &super::db::Row| -> Result<ScheduleTurned, StoreError> {
            let says: String = row.get("says")?;
            let known = [Override::ForceOpen, Override::ForceClosed].into_iter().find(|known| known.word() == says);
            let says = known.ok_or(StoreError::Unreadable { column: "schedule_switches.says" })?;
            Ok(ScheduleTurned {
                schedule: row.get::<String>("schedule")?.into(),
                says: Some(says),
                by: row.get("turned_by")?,
                why: row.get("why")?,
                at: Timestamp(row.get("turned_us")?),
                until: row.get::<Option<i64>>("until_us")?.map(Timestamp),
            })
        };
        rows.iter().map(switch).collect()
    }
}
