//! What calls never reached of a plan: routes, branches, and answers to the ends of steps.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Simulation;
use crate::{
    build::BUILT_IN,
    keep::{choices_of, handlers_of, kind},
    plan::{Action, BlockId, Ending, Placed, Plan, parse_room},
    source::Location,
    trail::Trail,
};

/// What calls have reached of a plan so far.
#[derive(Debug)]
pub struct Coverage {
    routes: Vec<Point>,
    branches: Vec<Point>,
    trail: Trail,
    steps: usize,
}

/// Somewhere that a call can get to.
#[derive(Debug)]
struct Point {
    what: String,
    file: String,
    line: u32,
    block: BlockId,
}

/// Something that no call got to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Never {
    /// What it is: "route `night`", "`busy` of `dial`".
    pub what: String,
    /// The file it stands in.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
}

impl Coverage {
    /// Of a plan that no call has gone through.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let point = |what: String, at: Location, block: BlockId| {
            let (file, line) = plan.place(at);
            Point { what, file: file.to_owned(), line, block }
        };
        let routes = plan.routes.iter().map(|route| point(format!("route `{}`", route.name), route.at, route.block)).collect();
        let mut branches: BTreeMap<BlockId, (Vec<String>, String, Location)> = BTreeMap::new();
        let mut steps = 0;
        for placed in plan.blocks().flat_map(|block| &block.steps).filter(|placed| placed.at != BUILT_IN) {
            steps += 1;
            for (word, of, block) in branches_of(plan, placed) {
                let at = plan.block(block).steps.first().map_or(placed.at, |first| first.at);
                let (words, _, _) = branches.entry(block).or_insert_with(|| (Vec::new(), of, at));
                if !words.contains(&word) {
                    words.push(word);
                }
            }
        }
        let mut branches: Vec<_> = branches
            .into_iter()
            .map(|(block, (words, of, at))| (at, point(format!("{} of `{of}`", words.join(" and ")), at, block)))
            .collect();
        branches.sort_by_key(|(at, _)| *at);
        let branches = branches.into_iter().map(|(_, point)| point).collect();
        Self { routes, branches, trail: Trail::default(), steps }
    }

    /// Takes in where one call got to.
    pub fn add(&mut self, simulation: &Simulation) {
        self.trail.merge(&simulation.trail);
    }

    /// Routes that were reached, and all of them.
    #[must_use]
    pub fn routes(&self) -> (usize, usize) {
        self.reached(&self.routes)
    }

    /// Branches that were taken, and all of them: choices, opening hours, and answers to the ends of steps.
    #[must_use]
    pub fn branches(&self) -> (usize, usize) {
        self.reached(&self.branches)
    }

    /// Steps that were done, and all of them.
    #[must_use]
    pub fn steps(&self) -> (usize, usize) {
        (self.trail.steps.len(), self.steps)
    }

    /// What was never reached, in the order of the text: routes, then branches.
    #[must_use]
    pub fn never(&self) -> Vec<Never> {
        let all = self.routes.iter().chain(&self.branches);
        let never = all.filter(|point| !self.trail.blocks.contains(&point.block));
        never.map(|Point { what, file, line, .. }| Never { what: what.clone(), file: file.clone(), line: *line }).collect()
    }

    fn reached(&self, points: &[Point]) -> (usize, usize) {
        (points.iter().filter(|point| self.trail.blocks.contains(&point.block)).count(), points.len())
    }
}

/// The branches of a step that stand in the text: the word, what it is a branch of, and where it leads.
fn branches_of(plan: &Plan, placed: &Placed) -> Vec<(String, String, BlockId)> {
    let action = &placed.action;
    let of = kind(action);
    if let Action::WhenOpen { schedule, open, block } = action {
        let of = if *open { "when-open" } else { "unless-open" };
        return vec![(format!("schedule {schedule}"), of.to_owned(), *block)];
    }
    if let Action::If { condition, block, .. } = action {
        return vec![(format!("`{}`", condition.label()), of.to_owned(), *block)];
    }
    let choices = choices_of(action).iter().map(|(choice, block)| (format!("`{choice}`"), of.to_owned(), *block));
    let mut all: Vec<_> = choices.collect();
    if let Some(handlers) = handlers_of(action) {
        for ending in Ending::ALL {
            let block = handlers.get(ending);
            let is_written = plan.block(block).steps.first().is_some_and(|step| step.at != BUILT_IN);
            let word = format!("`{}`", ending.word());
            if handlers.is_own(ending) {
                all.push((word, of.to_owned(), block));
            } else if handlers.is_of_queue(ending) {
                all.push((word, queue_of(action), block));
            } else if is_written {
                all.push((word, "defaults".to_owned(), block));
            }
        }
    }
    all
}

fn queue_of(action: &Action) -> String {
    match action {
        Action::Queue(join) => format!("queue {}", join.queue),
        other => kind(other).to_owned(),
    }
}

impl Plan {
    /// Whether a step of the plan can lead to a room of that name.
    pub(super) fn has_room(&self, name: &str) -> bool {
        let rooms = self.blocks().flat_map(|block| &block.steps).filter_map(|placed| match &placed.action {
            Action::Conference { room, .. } => Some(room.literal()),
            _ => None,
        });
        let wanted = parse_room(name);
        wanted.is_some() && rooms.into_iter().any(|room| room.is_none_or(|room| parse_room(room) == wanted))
    }
}
