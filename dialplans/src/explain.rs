//! Which route takes a call and why, and why not each earlier one.

use std::{fmt, sync::Arc};

use serde::Serialize;
use tandem_switch::{
    name::{RouteName, ScheduleName},
    step::{Step, StepOutcome},
    time::Timestamp,
};

use crate::{
    describe::describe,
    plan::Plan,
    routing::admits,
    run::{CallFacts, Input, Output, Run},
    schedule::Standing,
};

/// Steps that are shown at most.
const MAX_SHOWN: usize = 12;

/// What would happen to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Every route up to the one that takes the call, in the order tried.
    pub routes: Vec<RouteVerdict>,
    /// The route that takes the call.
    pub taken: Option<RouteName>,
    /// What the route's patterns took out of the numbers: name and text.
    pub captures: Vec<(String, String)>,
    /// All schedules at that moment.
    pub schedules: Vec<(ScheduleName, Standing)>,
    /// What the call would go through first, up to the first step that depends on somebody.
    pub steps: Vec<String>,
}

/// What one route makes of the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteVerdict {
    /// Which.
    pub route: RouteName,
    /// The file it stands in.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// Whether it takes the call.
    pub takes: bool,
    /// Why, for a person.
    pub why: String,
}

/// Explains what a plan would do with a call that arrives at an instant.
#[must_use]
pub fn explain(plan: &Arc<Plan>, facts: &CallFacts, at: Timestamp) -> Explanation {
    let mut routes = Vec::new();
    let mut taken = None;
    let mut captures = Vec::new();
    for route in &plan.routes {
        let verdict = admits(plan, route, facts);
        let why = match &verdict {
            Ok(_) => "fits".to_owned(),
            Err(refusal) => refusal.to_string(),
        };
        let file = plan.file_of(route.at).unwrap_or_default().to_owned();
        routes.push(RouteVerdict { route: route.name.clone(), file, line: route.line, takes: verdict.is_ok(), why });
        if let Ok(found) = verdict {
            taken = Some(route.name.clone());
            captures = found;
            break;
        }
    }
    let standing = |schedule: &crate::schedule::Schedule| {
        (schedule.name.clone(), schedule.standing(at, facts.overrides.at(&schedule.name, at)))
    };
    Explanation {
        routes,
        taken,
        captures,
        schedules: plan.schedules.values().map(standing).collect(),
        steps: first_steps(plan, facts, at),
    }
}

pub(crate) fn first_steps(plan: &Arc<Plan>, facts: &CallFacts, at: Timestamp) -> Vec<String> {
    let mut run = Run::new(Arc::clone(plan), facts.clone());
    let mut shown = Vec::new();
    run.handle(at, Input::Start);
    while let Some(output) = run.poll() {
        match output {
            Output::Routed(route) if shown.is_empty() => shown.push(format!("route {route}")),
            Output::Routed(route) => shown.push(format!("go to route {route}")),
            Output::Trace("schedule" | "language", what) => shown.push(what.to_string()),
            Output::Trace(kind @ ("if" | "switch" | "set"), what) => shown.push(format!("{kind} {what}")),
            Output::Trace(..) => {}
            Output::Step(step) => {
                shown.push(describe(&step));
                let certain = matches!(step, Step::Ring | Step::Answer | Step::Play { .. });
                if !certain || shown.len() >= MAX_SHOWN {
                    break;
                }
                run.handle(at, Input::Outcome(StepOutcome::Done));
            }
        }
    }
    shown
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for verdict in &self.routes {
            let mark = if verdict.takes { "->" } else { " -" };
            writeln!(f, "{mark} {} ({}:{}): {}", verdict.route, verdict.file, verdict.line, verdict.why)?;
        }
        if self.taken.is_none() {
            writeln!(f, "-> no route fits: the call is refused as not found")?;
        }
        for (name, text) in &self.captures {
            writeln!(f, "   {{{name}}} = {text}")?;
        }
        for (schedule, standing) in &self.schedules {
            writeln!(f, "   schedule {schedule} is {}: {}", if standing.open { "open" } else { "closed" }, standing.why)?;
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "   {step}"))
    }
}
