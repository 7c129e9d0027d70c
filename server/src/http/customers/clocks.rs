//! The clocks of cases: what is promised, what has passed of it, and what is due first.

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::clocks::{Clock, ClockState, opened, resolution, response},
    time::Timestamp,
};
use utoipa::ToSchema;

use super::view::CaseView;
use crate::{
    clock,
    http::{Api, auth::Caller, problem::Problem, view::At},
    store::CaseRow,
};

/// Cases that are looked at.
const MOST: u32 = 1_000;

/// One clock of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClockView {
    /// `running`, `paused` (the case waits for the customer), `met` or `missed`.
    #[schema(value_type = String)]
    pub state: ClockState,
    /// What is promised, in ms.
    pub within_ms: u64,
    /// What has passed of it, in ms.
    pub used_ms: u64,
    /// When the time is over, or was; absent while it does not pass, and when it was done.
    pub due_at: Option<At>,
}

impl From<Clock> for ClockView {
    fn from(clock: Clock) -> Self {
        let Clock { within_ms, used_ms, due_at, state } = clock;
        Self { state, within_ms, used_ms, due_at: due_at.map(At) }
    }
}

/// A case with its clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseDetail {
    /// It.
    #[serde(flatten)]
    pub case: CaseView,
    /// By when it is to be answered; absent where that is not promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ClockView>,
    /// By when it is to be solved; absent where that is not promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<ClockView>,
}

impl CaseDetail {
    /// The first moment at which something is, or was, due.
    fn due_at(&self) -> Option<Timestamp> {
        [self.response, self.resolution].into_iter().flatten().filter_map(|clock| clock.due_at).map(|at| at.0).min()
    }
}

/// A case as its clocks stand.
pub(super) async fn detail(api: &Api, row: CaseRow, now: Timestamp) -> Result<CaseDetail, Problem> {
    let (store, promises) = (&api.control.store, row.promises());
    let states: Vec<_> = match promises.respond_within_s.or(promises.resolve_within_s) {
        Some(_) => store.case_states(row.case).await?.into_iter().map(|state| (state.status, state.at)).collect(),
        None => Vec::new(),
    };
    let replied_at = match (promises.respond_within_s, opened(&states)) {
        (Some(_), Some(since)) => store.replied(row.case, since).await?,
        _ => None,
    };
    let response = response(promises, &states, replied_at, now).map(ClockView::from);
    let resolution = resolution(promises, &states, now).map(ClockView::from);
    Ok(CaseDetail { case: row.into(), response, resolution })
}

/// Cases that something is promised of, the one that is due first first
///
/// Those that are open or pending; of the oldest 1000.
#[utoipa::path(get, path = "/api/v1/cases", tag = "customers", security(("token" = ["read"])),
    responses((status = 200, body = [CaseDetail])))]
pub(in crate::http) async fn due(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Vec<CaseDetail>>, Problem> {
    let now = clock::now().at;
    let mut all = Vec::new();
    for row in api.control.store.cases_promised(MOST).await? {
        all.push(detail(&api, row, now).await?);
    }
    all.sort_by_key(|case| (case.due_at().is_none(), case.due_at()));
    api.audit(&caller, "cases-read", "");
    Ok(Json(all))
}
