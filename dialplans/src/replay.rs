//! Calls that were, on a plan that may come: which another route would take, and which the same route would lead elsewhere.
//!
//! What a caller chose is not in a record, so a way is compared up to the first step that depends on somebody. Emergency
//! switches are taken as off, then and now.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use tandem_switch::{
    cdr::Origin,
    name::{PartyNumber, RouteName},
    time::Timestamp,
};

use crate::{explain::first_steps, plan::Plan, run::CallFacts};

/// What a record says of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastCall {
    /// Where it came from.
    pub origin: Origin,
    /// Who called.
    pub from: PartyNumber,
    /// What was dialled.
    pub to: PartyNumber,
    /// When it arrived.
    pub at: Timestamp,
    /// The route that took it.
    pub route: Option<RouteName>,
}

/// What another plan makes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fate")]
pub enum Fate {
    /// The same.
    Same,
    /// Another route takes it, or none does.
    Route {
        /// The route that does.
        by: Option<RouteName>,
    },
    /// Where it came from is not in the plan: such a call is refused.
    NoOrigin,
    /// The same route leads it another way.
    Way {
        /// The steps of before.
        was: Vec<String>,
        /// Those from now on.
        will: Vec<String>,
    },
}

/// What becomes of a call that was on `plan`; beside the record, `before` is the plan that it is compared with.
#[must_use]
pub fn replay(plan: &Arc<Plan>, before: Option<&Arc<Plan>>, call: &PastCall) -> Fate {
    let is_known = match &call.origin {
        Origin::Extension(extension) => plan.extension(extension.as_str()).is_some(),
        Origin::Trunk(trunk) => plan.trunks.contains_key(trunk),
    };
    if !is_known {
        return Fate::NoOrigin;
    }
    let PastCall { origin, from, to, at, route } = call;
    let (origin, from, to) = (origin.clone(), from.clone(), to.clone());
    let facts = CallFacts { origin, from, to, language: None, overrides: Arc::default() };
    let taken = |plan: &Plan| plan.route_for(&facts).map(|route| route.name.clone());
    let by = taken(plan);
    if by != *route {
        return Fate::Route { by };
    }
    // A plan that did not take the call so is not the one that it was on.
    let Some(before) = before.filter(|before| taken(before) == *route) else { return Fate::Same };
    let [was, will] = [before, plan].map(|plan| first_steps(plan, &facts, *at));
    if was == will { Fate::Same } else { Fate::Way { was, will } }
}

/// How many calls had which fate, for a summary: by the route that took them, and what takes them now.
#[derive(Debug, Default)]
pub struct Tally {
    /// Calls that were looked at.
    pub calls: u64,
    /// Those that would go elsewhere, by where they went and where they would go, in words.
    pub elsewhere: BTreeMap<(String, String), u64>,
}

impl Tally {
    /// Counts one.
    pub fn add(&mut self, call: &PastCall, fate: &Fate) {
        self.calls += 1;
        if let Some(to) = fate.words() {
            *self.elsewhere.entry((route_words(call.route.as_ref()), to)).or_default() += 1;
        }
    }

    /// How many would go elsewhere.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.elsewhere.values().sum()
    }
}

/// A route, or that there was none.
fn route_words(route: Option<&RouteName>) -> String {
    route.map_or_else(|| "no route".to_owned(), ToString::to_string)
}

impl Fate {
    /// Where it would go, in words; `None`: where it went.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Same => None,
            Self::Route { by } => Some(route_words(by.as_ref())),
            Self::NoOrigin => Some("refused: where it came from is not in the plan".to_owned()),
            Self::Way { was, will } => {
                let differs = was.iter().zip(will).position(|(was, will)| was != will).unwrap_or(was.len().min(will.len()));
                let step = |steps: &[String]| steps.get(differs).map_or("nothing more", String::as_str).to_owned();
                Some(format!("the same route, {} instead of {}", step(will), step(was)))
            }
        }
    }
}
