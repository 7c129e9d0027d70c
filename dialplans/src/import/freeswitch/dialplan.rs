//! Contexts become routes. A `transfer` to a number becomes a `goto` to the route of that number, with its groups filled in.

use std::collections::{BTreeMap, VecDeque};

use kdl::KdlNode;

use super::{
    super::{
        draft::{Draft, RouteDraft},
        kdl_out::{Build as _, node},
        ledger::UnitId,
        limits::MAX_ROUTES,
        value::{Piece, Value, is_local, text},
    },
    Known,
    conditions::{Rule, read},
    xml::Element,
};

/// Actions that are looked at in one import at most.
const MAX_ACTIONS: usize = 200_000;
/// How deep extensions are put into one route.
const MAX_INLINE: usize = 8;

/// What is known of a call at an action.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) context: usize,
    pub(super) rule: usize,
    pub(super) number: Value,
    /// `$1`, `$2`, …
    pub(super) groups: Vec<Value>,
    pub(super) vars: BTreeMap<String, Value>,
    pub(super) depth: usize,
}

impl Scope {
    /// Whether something of it is known in the route only that was dialled.
    pub(super) fn is_local(&self) -> bool {
        is_local(&self.number)
            || self.groups.iter().any(|group| is_local(group))
            || self.vars.values().any(|value| is_local(value))
    }
}

pub(super) struct Walk<'a> {
    pub(super) draft: &'a mut Draft,
    pub(super) known: &'a Known,
    pub(super) contexts: Vec<(String, Vec<Rule<'a>>)>,
    pub(super) menus: BTreeMap<String, &'a Element>,
    made: BTreeMap<(usize, usize, String), String>,
    pub(super) made_menus: BTreeMap<(usize, String), String>,
    open: VecDeque<(String, Scope)>,
    /// Lines of the route that is written.
    pub(super) units: Vec<UnitId>,
    pub(super) count: usize,
}

/// The routes of all contexts that calls come in at.
pub(super) fn routes<'a>(
    contexts: &[&'a Element],
    menus: &[&'a Element],
    globals: &BTreeMap<String, String>,
    draft: &mut Draft,
    known: &Known,
) {
    let mut rules: Vec<(String, Vec<Rule<'_>>)> = Vec::new();
    for context in contexts {
        let name = context.get("name").unwrap_or("default").to_owned();
        draft.ledger.converted(context.at, "its extensions are routes");
        let mut vars = globals.clone();
        let mut found = Vec::new();
        for extension in &context.children {
            if extension.name == "extension" {
                found.extend(read(extension, &mut vars, draft));
            } else {
                extension.walk(&mut |part| draft.ledger.not_converted(part.at, "no extension", "see what was meant"));
            }
        }
        match rules.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => known.extend(found),
            None => rules.push((name, found)),
        }
    }
    let menus = menus.iter().filter_map(|menu| Some((menu.get("name")?.to_owned(), *menu))).collect();
    let mut walk = Walk {
        draft,
        known,
        contexts: rules,
        menus,
        made: BTreeMap::new(),
        made_menus: BTreeMap::new(),
        open: VecDeque::new(),
        units: Vec::new(),
        count: 0,
    };
    for (context, guards) in walk.origins() {
        walk.enter(context, &guards);
    }
    walk.finish();
}

impl<'a> Walk<'a> {
    /// Contexts that calls come in at, and the guards that say whose.
    fn origins(&self) -> Vec<(usize, Vec<KdlNode>)> {
        let mut origins = Vec::new();
        let all = self.draft.extensions.len();
        for (index, (name, _)) in self.contexts.iter().enumerate() {
            let trunks = self.known.gateways.values().filter(|(_, context)| context == name);
            let trunks: Vec<KdlNode> = trunks.map(|(trunk, _)| node("from").prop("trunk", trunk.as_str())).collect();
            let numbers = self.known.contexts.get(name).map_or(&[][..], Vec::as_slice);
            if numbers.len() == all && all > 0 {
                origins.push((index, [vec![node("from").arg("extension")], trunks].concat()));
                continue;
            }
            if !trunks.is_empty() {
                origins.push((index, trunks));
            }
            if !numbers.is_empty() {
                let caller = numbers.iter().fold(node("caller"), |caller, number| caller.arg(number.to_string()));
                origins.push((index, vec![node("from").arg("extension"), caller]));
            }
        }
        if origins.is_empty() {
            // No file says whose calls come in where. Only extensions are let in: a carrier's rights are never guessed.
            let usual = self.contexts.iter().position(|(name, _)| name == "default");
            origins.extend(usual.map(|index| (index, vec![node("from").arg("extension")])));
        }
        origins
    }

    fn enter(&mut self, context: usize, guards: &[KdlNode]) {
        for rule in 0..self.contexts[context].1.len() {
            if self.draft.routes.len() >= MAX_ROUTES {
                return;
            }
            let Rule { to, caller, name, .. } = &self.contexts[context].1[rule];
            let mut guards = guards.to_vec();
            if let Some(expression) = to {
                guards.push(match &expression.single {
                    Some(number) => node("to").arg(number.as_str()),
                    None => node("to").prop("matches", expression.text.as_str()),
                });
            }
            if let Some(expression) = caller {
                let named = expression.text.replace("(?<g", "(?<c");
                guards.push(node("caller").prop("matches", named));
            }
            let number = to.as_ref().and_then(|to| to.single.as_deref()).map_or_else(|| vec![Piece::Dialled(0)], text);
            let name = self.draft.route_names.unique(&format!("{}-{name}", self.contexts[context].0));
            let groups = self.groups(context, rule, None);
            let scope = Scope { context, rule, number, groups, vars: BTreeMap::new(), depth: 0 };
            self.units.clear();
            let steps = self.rule(scope);
            let units = std::mem::take(&mut self.units);
            self.draft.routes.push(RouteDraft { name, guards, steps, units });
        }
    }

    /// `$1` and so on: captures of the route, or texts where the number is known.
    fn groups(&self, context: usize, rule: usize, number: Option<&str>) -> Vec<Value> {
        let Some(to) = &self.contexts[context].1[rule].to else { return Vec::new() };
        match number.or(to.single.as_deref()) {
            Some(number) => to.groups(number).unwrap_or_default().iter().map(|group| text(group)).collect(),
            None => (1..10)
                .map(|n| {
                    let name = format!("g{n}");
                    match n {
                        1 if to.first_is_all => vec![Piece::Dialled(0)],
                        _ if to.text.contains(&format!("(?<{name}>")) => vec![Piece::Collected(name)],
                        _ => vec![Piece::Unknown(format!("${n}"))],
                    }
                })
                .collect(),
        }
    }

    /// The steps of an extension. Outside of its hours the next one for the same numbers takes the call.
    pub(super) fn rule(&mut self, scope: Scope) -> Vec<KdlNode> {
        let Rule { at, when, actions, .. } = &self.contexts[scope.context].1[scope.rule];
        let (at, when, actions) = (*at, when.clone(), actions.clone());
        self.units.push(at);
        self.draft.ledger.converted(at, "a route");
        let Some(when) = when else { return self.run(&actions, scope) };
        let scheduled = match when.schedule(self.draft, at) {
            Ok(Some(scheduled)) => scheduled,
            Ok(None) => return self.run(&actions, scope),
            Err(why) => {
                self.draft.ledger.not_converted(at, why, "declare a `schedule`, and write `when-open` or `unless-open`");
                return vec![node("hangup").arg("unavailable")];
            }
        };
        let inside = self.run(&actions, scope.clone());
        let word = if scheduled.open { "when-open" } else { "unless-open" };
        let mut nodes = vec![node(word).arg(scheduled.schedule).children_of(inside)];
        match self.alike(scope.context, scope.rule, scope.rule + 1) {
            Some(rule) if scope.depth < MAX_INLINE => {
                nodes.extend(self.rule(Scope { rule, depth: scope.depth + 1, ..scope }));
            }
            _ => {
                let todo = "write what comes at other times behind it";
                self.draft.ledger.not_converted(
                    at,
                    "converted in part: at other times later extensions of other numbers could fit",
                    todo,
                );
                nodes.push(node("hangup").arg("not-found"));
            }
        }
        nodes
    }

    /// The first extension of a context from `first` on that is for the same numbers.
    fn alike(&self, like_context: usize, like: usize, first: usize) -> Option<usize> {
        self.alike_in(like_context, like, like_context, first)
    }

    fn alike_in(&self, like_context: usize, like: usize, context: usize, first: usize) -> Option<usize> {
        let to = self.contexts[like_context].1[like].to.as_ref()?;
        let rules = self.contexts[context].1.iter().enumerate().skip(first);
        let mut fits = rules.filter(|(_, rule)| rule.caller.is_none() && rule.to.as_ref().is_some_and(|other| other.is(to)));
        fits.next().map(|(index, _)| index)
    }

    /// `transfer NUMBER XML CONTEXT`.
    pub(super) fn transfer(&mut self, number: &Value, context: Option<&str>, scope: &Scope) -> Option<Vec<KdlNode>> {
        let context = match context {
            Some(name) => self.contexts.iter().position(|(known, _)| known == name)?,
            None => scope.context,
        };
        if let Some(number) = super::super::value::literal(number) {
            let fits = |rule: &Rule<'_>| rule.caller.is_none() && rule.to.as_ref().is_none_or(|to| to.groups(&number).is_some());
            let rule = self.contexts[context].1.iter().position(fits)?;
            let key = (context, rule, number.clone());
            if let Some(name) = self.made.get(&key) {
                return Some(vec![node("goto").arg(name.as_str())]);
            }
            if self.made.len() >= MAX_ROUTES {
                return None;
            }
            let name = self.draft.route_names.unique(&format!("to-{}-{number}", self.contexts[context].0));
            self.made.insert(key, name.clone());
            let groups = self.groups(context, rule, Some(&number));
            let scope = Scope { context, rule, number: text(&number), groups, vars: BTreeMap::new(), depth: 0 };
            self.open.push_back((name.clone(), scope));
            return Some(vec![node("goto").arg(name)]);
        }
        if *number != [Piece::Dialled(0)] || scope.depth >= MAX_INLINE {
            return None;
        }
        // What was dialled, somewhere else: the extension that is for the same numbers there.
        let rule = self
            .alike_in(scope.context, scope.rule, context, 0)
            .filter(|rule| (context, *rule) != (scope.context, scope.rule))?;
        let groups = if self.contexts[context].1[rule].to.as_ref().is_some_and(|to| to.first_is_all) {
            vec![number.clone()]
        } else {
            scope.groups.clone()
        };
        Some(self.rule(Scope { context, rule, groups, depth: scope.depth + 1, ..scope.clone() }))
    }

    /// A route for steps that several endings lead to.
    pub(super) fn shared(&mut self, wish: &str, steps: Vec<KdlNode>) -> Vec<KdlNode> {
        if steps.len() <= 3 {
            return steps;
        }
        let name = self.draft.route_names.unique(wish);
        self.draft.routes.push(RouteDraft { name: name.clone(), guards: Vec::new(), steps, units: self.units.clone() });
        vec![node("goto").arg(name)]
    }

    fn finish(&mut self) {
        while let Some((name, scope)) = self.open.pop_front() {
            self.units.clear();
            let steps = self.rule(scope);
            let units = std::mem::take(&mut self.units);
            self.draft.routes.push(RouteDraft { name, guards: Vec::new(), steps, units });
        }
    }

    /// Whether the bound on actions is reached.
    pub(super) const fn is_full(&mut self) -> bool {
        self.count += 1;
        self.count > MAX_ACTIONS
    }
}
