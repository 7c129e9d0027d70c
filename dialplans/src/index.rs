//! Which routes can take a call at all: few of ten thousand are held against a number.
//!
//! A number pattern begins with characters that stand for themselves, and mostly so does a regular expression. Routes
//! are found by these beginnings; those that have none are always tried. What is found is in file order, so the first
//! of them that admits the call is the first of all: [`explain`](crate::explain()) still walks them one by one.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use tandem_switch::name::RouteName;

use crate::{pattern::NumberMatch, plan::Route, shared_list::SharedList};

/// Routes that may take other numbers before the index is made anew.
const MAX_CHANGED: usize = 64;

/// Routes by what a call must bring.
#[derive(Default)]
pub(crate) struct RouteIndex {
    first: Arc<Index>,
    names: Arc<HashMap<RouteName, u32>>,
    /// Routes that take other numbers since that was made: there they are not looked for.
    changed: BTreeSet<u32>,
    others: Index,
}

#[derive(Default)]
struct Index {
    /// By the dialled number.
    dialled: Beginnings,
    /// By the caller's number: those that any dialled number may lead to.
    caller: Beginnings,
}

impl fmt::Debug for RouteIndex {
    /// What is in it stands in the routes that it is made of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteIndex").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl RouteIndex {
    /// Of all routes, in file order.
    pub(crate) fn new(routes: &SharedList<Route>) -> Self {
        let (mut first, mut names) = (Index::default(), HashMap::new());
        for (at, route) in (0_u32..).zip(routes) {
            names.entry(route.name.clone()).or_insert(at);
            first.add(route, at);
        }
        Self { first: Arc::new(first), names: Arc::new(names), ..Self::default() }
    }

    /// Of the same routes, of which these take other numbers.
    pub(crate) fn with_others(&self, routes: &SharedList<Route>, changed: &[usize]) -> Self {
        let changed = changed.iter().filter_map(|at| u32::try_from(*at).ok());
        let changed: BTreeSet<u32> = self.changed.iter().copied().chain(changed).collect();
        if changed.len() > MAX_CHANGED {
            return Self::new(routes);
        }
        let mut others = Index::default();
        for at in &changed {
            if let Some(route) = routes.get(*at as usize) {
                others.add(route, *at);
            }
        }
        Self { first: Arc::clone(&self.first), names: Arc::clone(&self.names), changed, others }
    }

    /// Positions of the routes that may take a call, in file order, each once.
    pub(crate) fn candidates(&self, dialled: &str, caller: &str) -> Vec<u32> {
        let mut found = Vec::new();
        self.first.find(dialled, caller, &mut found);
        if !self.changed.is_empty() {
            found.retain(|at| !self.changed.contains(at));
            self.others.find(dialled, caller, &mut found);
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The position of the route of that name.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(name).map(|at| *at as usize)
    }
}

impl Index {
    fn add(&mut self, route: &Route, at: u32) {
        if route.origins.is_empty() {
            return;
        }
        match beginnings(&route.to) {
            Some(found) => found.into_iter().for_each(|beginning| self.dialled.add(beginning, at)),
            None => {
                let found = beginnings(&route.caller).unwrap_or_else(|| vec![Beginning::default()]);
                found.into_iter().for_each(|beginning| self.caller.add(beginning, at));
            }
        }
    }

    fn find(&self, dialled: &str, caller: &str, into: &mut Vec<u32>) {
        self.dialled.find(dialled, into);
        self.caller.find(caller, into);
    }
}

/// What a number must begin with.
#[derive(Debug, Default, PartialEq, Eq)]
struct Beginning {
    text: String,
    /// And it must end there.
    is_whole: bool,
}

/// Routes by the beginning of a number.
#[derive(Debug, Default)]
struct Beginnings {
    by_text: HashMap<String, Found>,
    /// Bit by bit: there is a beginning of so many bytes.
    lengths: u128,
}

/// Routes of one beginning, by position.
#[derive(Debug, Default)]
struct Found {
    whole: Vec<u32>,
    more: Vec<u32>,
}

impl Beginnings {
    fn add(&mut self, beginning: Beginning, route: u32) {
        self.lengths |= 1 << beginning.text.len();
        let found = self.by_text.entry(beginning.text).or_default();
        let list = if beginning.is_whole { &mut found.whole } else { &mut found.more };
        if list.last() != Some(&route) {
            list.push(route);
        }
    }

    fn find(&self, number: &str, into: &mut Vec<u32>) {
        let mut lengths = self.lengths;
        while lengths != 0 {
            let length = lengths.trailing_zeros() as usize;
            lengths &= lengths - 1;
            // Beyond its end, or inside of a character that no beginning holds.
            let Some(found) = number.get(..length).and_then(|begin| self.by_text.get(begin)) else { continue };
            into.extend(&found.more);
            if length == number.len() {
                into.extend(&found.whole);
            }
        }
    }
}

/// One of these is at the beginning of each number that fits; `None` when any may be, or there is no condition.
fn beginnings(matches: &[NumberMatch]) -> Option<Vec<Beginning>> {
    let mut all = Vec::new();
    for number in matches {
        match number {
            NumberMatch::Pattern(pattern) => {
                let (text, is_whole) = pattern.beginning();
                all.push(Beginning { text, is_whole });
            }
            NumberMatch::Regex(regex) => {
                let texts = regex.beginnings()?.iter();
                all.extend(texts.map(|text| Beginning { text: text.clone(), is_whole: false }));
            }
        }
    }
    (!all.is_empty() && all.iter().all(|beginning| !beginning.text.is_empty())).then_some(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
    use super::*;

    #[test]
    fn a_number_is_looked_up_by_each_of_its_beginnings() {
        let mut index = Beginnings::default();
        for (route, (text, is_whole)) in
            [("1", false), ("", false), ("123", true), ("12", true), ("123", false), ("2", false)].into_iter().enumerate()
        {
            index.add(Beginning { text: text.to_owned(), is_whole }, u32::try_from(route).unwrap());
        }
        let find = |number: &str| {
            let mut found = Vec::new();
            index.find(number, &mut found);
            found.sort_unstable();
            found
        };
        assert_eq!(find("123"), [0, 1, 2, 4]);
        assert_eq!(find("1234"), [0, 1, 4]);
        assert_eq!(find(""), [1]);
        assert_eq!(find("é"), [1]);
    }
}
