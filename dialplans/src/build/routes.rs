//! Routes: who may use them, and for which numbers.

use std::sync::Arc;

use super::{Builder, tops};
use crate::{
    grammar::STEPS,
    pattern::{NumberMatch, Piece, Shape},
    plan::{Block, OriginGuard, Route},
    read::{Data, Item},
    shared_list::SharedList,
};

impl Builder<'_> {
    /// All routes and the blocks of each.
    pub(super) fn routes(&mut self, items: &[Item]) -> (SharedList<Route>, Vec<Arc<Vec<Block>>>) {
        let built = (0..).zip(tops(items, "route")).map(|(number, item)| self.nth_route(number, item));
        let (routes, blocks): (Vec<_>, Vec<_>) = built.unzip();
        (routes.into_iter().collect(), blocks)
    }

    /// One of them, the first being number 0.
    pub(super) fn nth_route(&mut self, number: u32, item: &Item) -> (Arc<Route>, Arc<Vec<Block>>) {
        self.part = number + 1;
        let route = self.route(item);
        self.part = 0;
        (Arc::new(route), Arc::new(std::mem::take(&mut self.own)))
    }

    fn route(&mut self, item: &Item) -> Route {
        let origins = item.named("from").filter_map(|from| self.origin(from)).collect();
        let to = self.number_matches(item, "to");
        let caller = self.number_matches(item, "caller");
        let guarded = item.child("from").is_some();
        for (name, guard) in [("to", item.child("to")), ("caller", item.child("caller"))] {
            if let (false, Some(guard)) = (guarded, guard) {
                let message = format!("`{name}` without `from`: say who may use this route");
                let suggestion = Some("add `from extension`, `from trunk=\"…\"` or `from any`".to_owned());
                self.findings.error_with("missing-from", guard.at, message, suggestion);
            }
        }
        if !item.children.iter().any(|child| STEPS.iter().any(|spec| spec.name == child.spec.name)) {
            self.findings.error("no-steps", item.at, "this route has no steps: the caller would hear nothing");
        }
        let block = self.block(&item.children);
        let (_, line, _) = self.findings.line_column(item.at);
        Route { name: item.text().unwrap_or_default().into(), origins, to, caller, at: item.at, line, block }
    }

    fn origin(&mut self, from: &Item) -> Option<OriginGuard> {
        match (from.text(), from.prop_text("trunk")) {
            (Some("extension"), None) => Some(OriginGuard::Extension),
            (Some("any"), None) => Some(OriginGuard::Any),
            (None, Some(trunk)) => Some(OriginGuard::Trunk(trunk.into())),
            _ => {
                // A wrong word or trunk was said already.
                if from.args.is_empty() == from.props.is_empty() {
                    self.findings.error("bad-from", from.at, "expected `from extension`, `from any` or `from trunk=\"…\"`");
                }
                None
            }
        }
    }

    fn number_matches(&mut self, item: &Item, name: &'static str) -> Vec<NumberMatch> {
        let mut out = Vec::new();
        for guard in item.named(name) {
            if guard.args.is_empty() == guard.prop("matches").is_none() {
                self.findings.error("bad-pattern", guard.at, format!("`{name}` takes either patterns or `matches=…`"));
            }
            for value in guard.values() {
                match &value.data {
                    Data::Pattern(pattern) => {
                        let internal =
                            pattern.pieces().iter().any(|piece| matches!(piece, Piece::Capture { shape: Shape::Extension, .. }));
                        if internal && self.extensions.is_empty() {
                            self.findings.error(
                                "no-extensions",
                                value.at,
                                "there are no internal numbers: declare `extensions from=… to=…`",
                            );
                        }
                        out.push(NumberMatch::Pattern(Arc::clone(pattern)));
                    }
                    Data::Regex(regex) => out.push(NumberMatch::Regex(Arc::clone(regex))),
                    _ => {}
                }
            }
        }
        out
    }
}
