//! Legal holds: what stays although its time is over or somebody wants it gone.

use serde::Serialize;
use tandem_switch::{id::CallId, time::Timestamp};

use super::Number;
use crate::store::{
    Audit, Doer, Record, Store, StoreError,
    db::{Row, args},
    sql::statements,
};

statements! {
    PUT_HOLD = "INSERT INTO holds (hold_id, call_id, number, why, placed_by, placed_us) VALUES ($1, $2, $3, $4, $5, $6)";
    HOLDS = "SELECT hold_id, call_id, number, why, placed_by, placed_us FROM holds ORDER BY placed_us, hold_id";
    LIFT_HOLD = "DELETE FROM holds WHERE hold_id = $1";
    HOLDS_ON_NUMBER = "SELECT hold_id, call_id, number, why, placed_by, placed_us FROM holds WHERE number = $1 \
        OR call_id IN (SELECT call_id FROM calls WHERE LTRIM(REPLACE(from_number, '+', ''), '0') = $1 \
        OR LTRIM(REPLACE(to_number, '+', ''), '0') = $1 OR LTRIM(REPLACE(COALESCE(answered_by, ''), '+', ''), '0') = $1) \
        ORDER BY placed_us, hold_id";
    HOLDS_ON_MESSAGE = "SELECT hold_id, holds.call_id, number, why, placed_by, placed_us FROM holds JOIN messages \
        ON holds.call_id = messages.call_id OR holds.number = LTRIM(REPLACE(messages.from_number, '+', ''), '0') \
        WHERE messages.message_id = $1";
}

/// Something that must stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Names it.
    pub id: String,
    /// This call with all that belongs to it.
    pub call: Option<CallId>,
    /// Or all calls of this number: digits, without `+` and leading zeros.
    pub number: Option<String>,
    /// Why.
    pub why: String,
    /// Who placed it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl Store {
    /// All holds, oldest first.
    pub async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        self.db.fetch(HOLDS, &[]).await?.iter().map(hold).collect()
    }

    /// Holds that keep something of a number.
    pub async fn holds_on(&self, number: &Number) -> Result<Vec<Hold>, StoreError> {
        self.db.fetch(HOLDS_ON_NUMBER, &args![number.as_str()]).await?.iter().map(hold).collect()
    }

    /// Holds that keep a voice message.
    pub async fn holds_on_message(&self, message: tandem_switch::id::RecordingId) -> Result<Vec<Hold>, StoreError> {
        self.db.fetch(HOLDS_ON_MESSAGE, &args![message.to_string()]).await?.iter().map(hold).collect()
    }

    /// Places a hold on a call or on a number.
    pub async fn place_hold(
        &self,
        (call, number): (Option<CallId>, Option<&Number>),
        why: &str,
        by: impl Into<Doer>,
        at: Timestamp,
    ) -> Result<Hold, StoreError> {
        let mut bytes = [0u8; 6];
        getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
        let by = by.into();
        let hold = Hold {
            id: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            call,
            number: number.map(|number| number.as_str().to_owned()),
            why: why.to_owned(),
            by: by.who.clone(),
            at,
        };
        let call = call.map(|call| call.to_string());
        let row = args![hold.id.as_str(), call, hold.number.clone(), why, hold.by.as_str(), at];
        let audit = Audit::of(by, "hold-placed", hold.id.as_str(), at);
        self.change(&[(PUT_HOLD, row.into())], &[Record::Audit(audit)]).await?;
        Ok(hold)
    }

    /// Lifts a hold. `false` when there is none of this name.
    pub async fn lift_hold(&self, id: &str, by: impl Into<Doer>, at: Timestamp) -> Result<bool, StoreError> {
        if !self.holds().await?.iter().any(|hold| hold.id == id) {
            return Ok(false);
        }
        let audit = Audit::of(by, "hold-lifted", id, at);
        self.change(&[(LIFT_HOLD, args![id].into())], &[Record::Audit(audit)]).await?;
        Ok(true)
    }
}

fn hold(row: &Row) -> Result<Hold, StoreError> {
    Ok(Hold {
        id: row.get("hold_id")?,
        call: row.get::<Option<&str>>("call_id")?.map(|_| row.parsed("call_id")).transpose()?,
        number: row.get("number")?,
        why: row.get("why")?,
        by: row.get("placed_by")?,
        at: row.at("placed_us")?,
    })
}
