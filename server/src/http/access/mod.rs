//! Who may do what: one row for each route, one for each kind of event. What has no row is for nobody.
//!
//! A token has a scope, and each scope holds the ones before it. A login has roles, and may do what any of them may. Agents
//! are let through to what is their own only; [`Own`] says how that is found out, before the route hears of the request.

pub(super) mod events;
pub(super) mod routes;

use axum::extract::{MatchedPath, Request};
use tandem_switch::{
    id::{CallId, ItemId, RecordingId},
    name::AgentName,
};
use utoipa::openapi::{OpenApi, security::SecurityRequirement};

use super::{Api, control::ControlRequest, problem::Problem};
use crate::store::{CallRecord, Role, Scope};

/// What agents see of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// Nothing.
    Nothing,
    /// The agent that the path names, when that is they.
    Agent,
    /// The call that the path names, when they are or were in it.
    Call,
    /// The item that the path names, when it was offered to them.
    Item,
    /// The recording that the path names, when they are or were in its call.
    Recording,
    /// What the route picks out for them.
    Picked,
}

/// Who may use one route.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) method: &'static str,
    /// As the document writes it.
    pub(super) path: &'static str,
    /// Nothing has to be shown.
    pub(super) open: bool,
    /// What a token must hold; `None`: no token will do.
    pub(super) scope: Option<Scope>,
    /// Logins with one of these see all of it.
    pub(super) roles: &'static [Role],
    /// And agents this.
    pub(super) own: Own,
    /// Its use is a look at somebody's data, and written down under this name.
    pub(super) look: Option<&'static str>,
    /// The cookie that a ticket was traded for does as well.
    pub(super) ticket: bool,
}

/// What a caller is let through to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// All of it.
    All,
    /// What is this agent's.
    Own(AgentName),
    /// Nothing, and why.
    No(String),
}

impl Row {
    /// What somebody with these roles is let through to.
    pub(super) fn leave_of_roles(&self, roles: &[Role], agent: Option<&AgentName>) -> Leave {
        if self.roles.iter().any(|role| roles.contains(role)) {
            return Leave::All;
        }
        match (self.own, agent) {
            (own, Some(agent)) if own != Own::Nothing && roles.contains(&Role::Agent) => Leave::Own(agent.clone()),
            _ => {
                let words = |roles: &[Role]| roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
                let wanted = if self.roles.is_empty() { "no login".to_owned() } else { words(self.roles) };
                Leave::No(format!("this is for {wanted}; you are {}", words(roles)))
            }
        }
    }

    /// What a token of this scope is let through to.
    pub(super) fn leave_of_scope(&self, scope: Scope) -> Leave {
        match self.scope {
            Some(wanted) if scope.holds(wanted) => Leave::All,
            Some(wanted) => Leave::No(format!("this asks for a token of scope {wanted}; yours has scope {scope}")),
            None => Leave::No("this is for who logged in; a token has no session and no password".to_owned()),
        }
    }

    /// The parts of a path that stand where this row's path has names.
    pub(super) fn parts<'a>(&self, path: &'a str) -> Vec<&'a str> {
        let pairs = self.path.split('/').zip(path.split('/'));
        pairs.filter_map(|(name, part)| name.starts_with('{').then_some(part)).collect()
    }

    /// Refuses an agent what is not theirs. What is not there at all is told by the route, which finds it out again.
    pub(super) async fn check_own(&self, api: &Api, agent: &AgentName, path: &str) -> Result<(), Problem> {
        let part = self.parts(path).first().copied().unwrap_or_default();
        let theirs = match self.own {
            Own::Nothing => false,
            Own::Picked => true,
            Own::Agent => part == agent.as_str(),
            Own::Call => match part.parse() {
                Ok(call) => is_in_call(api, call, agent).await?,
                Err(_) => false,
            },
            Own::Recording => match part.parse::<RecordingId>() {
                Ok(recording) => match api.control.store.recording(recording).await? {
                    Some(row) => is_in_call(api, row.call, agent).await?,
                    None => false,
                },
                Err(_) => false,
            },
            Own::Item => match part.parse::<ItemId>() {
                Ok(item) => {
                    let story = api.control.store.why(item).await?;
                    story.is_some_and(|story| {
                        story.agent.as_ref() == Some(agent) || story.offers.iter().any(|offer| offer.agent == *agent)
                    })
                }
                Err(_) => false,
            },
        };
        if theirs { Ok(()) } else { Err(Problem::forbidden("agents see what is their own, and this is not")) }
    }
}

/// Whether an agent talks or talked in a call, or is one of its ends.
pub(super) async fn is_in_call(api: &Api, call: CallId, agent: &AgentName) -> Result<bool, Problem> {
    if let Some(CallRecord { cdr, .. }) = api.control.store.cdr(call).await? {
        let number = agent.as_str();
        return Ok(cdr.agent.as_ref() == Some(agent)
            || cdr.segments.iter().any(|segment| segment.agent.as_ref() == Some(agent))
            || cdr.from.as_str() == number
            || cdr.to.as_str() == number
            || cdr.answered_by.is_some_and(|answered| answered.as_str() == number));
    }
    let (live, id) = (api.control.ask(ControlRequest::Calls).await?, call.to_string());
    Ok(live.iter().any(|live| live.call == id && is_theirs(live, agent)))
}

/// Whether a call that is up is an agent's.
pub(super) fn is_theirs(call: &super::view::CallView, agent: &AgentName) -> bool {
    call.agent.as_deref() == Some(agent.as_str()) || call.from == agent.as_str() || call.to == agent.as_str()
}

/// The row of a request that was routed.
pub(super) fn row_of(request: &Request) -> Option<&'static Row> {
    let path = request.extensions().get::<MatchedPath>()?.as_str();
    // Axum answers HEAD by what answers GET.
    let method = if request.method() == axum::http::Method::HEAD { "GET" } else { request.method().as_str() };
    row(method, path)
}

/// The row of a route.
pub(super) fn row(method: &str, path: &str) -> Option<&'static Row> {
    routes::BY_ROUTE.get(&(method, path)).copied()
}

/// Writes into the document who may log in for what, from the same rows that let them through.
pub(super) fn document(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let operations = [
            ("GET", &mut item.get),
            ("PUT", &mut item.put),
            ("POST", &mut item.post),
            ("PATCH", &mut item.patch),
            ("DELETE", &mut item.delete),
        ];
        for (method, operation) in operations {
            let (Some(operation), Some(row)) = (operation, row(method, path)) else { continue };
            let agents = (row.own != Own::Nothing && !row.roles.contains(&Role::Agent)).then_some(Role::Agent);
            let roles: Vec<_> = row.roles.iter().copied().chain(agents).map(Role::as_str).collect();
            if !row.open && !roles.is_empty() {
                operation.security.get_or_insert_default().push(SecurityRequirement::new("login", roles));
            }
        }
    }
}
