//! Whether a route takes a call, and if not, why.

use std::fmt;

use crate::{
    pattern::{Captures, NumberMatch},
    plan::{OriginGuard, Plan, Route},
    run::CallFacts,
};

/// Why a route does not take a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    GotoOnly,
    Origin(Vec<OriginGuard>),
    Dialled(Vec<String>),
    Caller(Vec<String>),
}

/// The captures, when the route takes the call. As [`admits`], for who does not ask why not.
pub(crate) fn captures(plan: &Plan, route: &Route, facts: &CallFacts) -> Option<Captures> {
    if !route.origins.iter().any(|guard| guard.admits(&facts.origin)) {
        return None;
    }
    let mut captures = number_fits(plan, &route.to, facts.to.as_str())?;
    captures.extend(number_fits(plan, &route.caller, facts.from.as_str())?);
    Some(captures)
}

fn number_fits(plan: &Plan, matches: &[NumberMatch], number: &str) -> Option<Captures> {
    if matches.is_empty() {
        return Some(Captures::new());
    }
    matches.iter().find_map(|one| one.captures(number, &plan.extensions))
}

/// The captures, when the route takes the call.
pub(crate) fn admits(plan: &Plan, route: &Route, facts: &CallFacts) -> Result<Captures, Refusal> {
    if route.origins.is_empty() {
        return Err(Refusal::GotoOnly);
    }
    if !route.origins.iter().any(|guard| guard.admits(&facts.origin)) {
        return Err(Refusal::Origin(route.origins.clone()));
    }
    let texts = |matches: &[NumberMatch]| matches.iter().map(ToString::to_string).collect();
    let mut captures = number_fits(plan, &route.to, facts.to.as_str()).ok_or_else(|| Refusal::Dialled(texts(&route.to)))?;
    captures.extend(number_fits(plan, &route.caller, facts.from.as_str()).ok_or_else(|| Refusal::Caller(texts(&route.caller)))?);
    Ok(captures)
}

impl Plan {
    /// Whether any route takes the call.
    #[must_use]
    pub fn takes(&self, facts: &CallFacts) -> bool {
        self.routes.iter().any(|route| admits(self, route, facts).is_ok())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GotoOnly => f.write_str("has no `from`: reached by `goto` only"),
            Self::Origin(guards) => {
                let words: Vec<_> = guards.iter().map(ToString::to_string).collect();
                write!(f, "takes calls from {} only", words.join(" or "))
            }
            Self::Dialled(patterns) => write!(f, "the dialled number does not fit `{}`", patterns.join("` or `")),
            Self::Caller(patterns) => write!(f, "the caller's number does not fit `{}`", patterns.join("` or `")),
        }
    }
}

impl fmt::Display for OriginGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("anybody"),
            Self::Extension => f.write_str("extensions"),
            Self::Trunk(trunk) => write!(f, "trunk `{trunk}`"),
        }
    }
}
