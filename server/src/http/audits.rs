//! Who did what, for those who look whether all is done right.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    calls::{MAX_PAGE, PAGE},
    problem::{Params, Problem},
    view::At,
};
use crate::store::{Audit, AuditFilter};

/// Which audits.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// This stands in who did it, or in the address they came from (`ada`, `192.0.2.7`).
    who: Option<String>,
    /// What was done, whole (`recording-read`).
    what: Option<String>,
    /// This stands in what it was done to.
    subject: Option<String>,
    /// Then or later, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<At>,
    /// Before, RFC 3339.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<At>,
    /// The `next` of the page before.
    before: Option<i64>,
    /// Rows at most: 1 to 500, 50 unless said.
    limit: Option<u32>,
}

/// Somebody did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// Its number in the journal.
    pub seq: i64,
    /// When.
    pub at: At,
    /// A token's or login's name, or `command line`.
    pub who: String,
    /// From which address; absent for who needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What was done (`recording-read`, `person-changed`).
    pub what: String,
    /// To whom or what: an extension, an identifier, what was asked for.
    pub subject: String,
}

/// A page of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// Newest first. There may be fewer than were asked for, and more behind them.
    pub audits: Vec<AuditView>,
    /// Give it as `before` for the page after; absent at the end.
    pub next: Option<i64>,
}

impl From<(i64, Audit)> for AuditView {
    fn from((seq, audit): (i64, Audit)) -> Self {
        let Audit { who, from, what, subject, at } = audit;
        Self { seq, at: At(at), who, from: from.map(|from| from.to_string()), what, subject }
    }
}

/// Who did what, newest first
///
/// Each change, each log-in and failure, and each look at recordings, messages and records of calls.
#[utoipa::path(get, path = "/api/v1/audit", tag = "admin", security(("token" = ["admin"])), params(AuditQuery),
    responses((status = 200, body = AuditPage), (status = 400, body = Problem)))]
pub(super) async fn audit(State(api): State<Api>, Params(query): Params<AuditQuery>) -> Result<Json<AuditPage>, Problem> {
    let AuditQuery { who, what, subject, from, to, before, limit } = query;
    let filter = AuditFilter { who, what, subject, from_at: from.map(|at| at.0), to_at: to.map(|at| at.0), before };
    let (audits, next) = api.control.store.audits(&filter, limit.unwrap_or(PAGE).clamp(1, MAX_PAGE)).await?;
    Ok(Json(AuditPage { audits: audits.into_iter().map(AuditView::from).collect(), next }))
}
