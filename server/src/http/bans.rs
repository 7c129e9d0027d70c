//! Sources that the switch does not hear for a while.

use std::net::IpAddr;

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Api,
    auth::Caller,
    control::ControlRequest,
    kept::Answer,
    problem::{Path, Problem},
    view::{At, Done},
};
use crate::store::Ban;

/// A source that is not heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BanView {
    /// Its address; in IPv6 the first one of the /64 that is meant.
    pub source: String,
    /// What for: `passwords`, `scan`, `malformed`, `flood`.
    pub offence: String,
    /// The how many-th of this source: each is four times as long as the one before.
    pub times: u32,
    /// Until when.
    pub until: At,
}

impl From<Ban> for BanView {
    fn from(ban: Ban) -> Self {
        Self { source: ban.source.to_string(), offence: ban.offence, times: ban.times, until: At(ban.until) }
    }
}

/// Sources that are not heard now
#[utoipa::path(get, path = "/api/v1/bans", tag = "process", security(("token" = ["read"])), responses((status = 200, body = [BanView])))]
pub(super) async fn bans(State(api): State<Api>) -> Result<Json<Vec<BanView>>, Problem> {
    let bans = api.control.ask(ControlRequest::Bans).await?;
    Ok(Json(bans.into_iter().map(BanView::from).collect()))
}

/// Hear a source again
#[utoipa::path(delete, path = "/api/v1/bans/{source}", tag = "process", security(("token" = ["control"])),
    params(("source" = String, Path, description = "An address of it")),
    responses((status = 200, body = Done), (status = 202, description = "Done; not in the database yet", body = Done), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn lift_ban(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path(source): Path<String>,
) -> Result<Answer<Done>, Problem> {
    let address: IpAddr = source
        .parse()
        .map_err(|_| Problem::bad("this is no address").at("path.source").todo("give one as in 192.0.2.7 or 2001:db8::7"))?;
    if !api.control.ask(|reply| ControlRequest::LiftBan { address, reply }).await? {
        return Err(Problem::not_found("ban of", &source));
    }
    api.audit(&caller, "ban-lifted", source);
    Ok(api.kept(Done { done: true }).await)
}
