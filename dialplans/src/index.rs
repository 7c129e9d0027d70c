//! Which routes can take a call at all: few of ten thousand are held against a number.
//!
//! A number pattern begins with characters that stand for themselves, and mostly so does a regular expression. Routes
//! are found by these beginnings; those that have none are always tried. What is found is in file order, so the first
//! of them that admits the call is the first of all: [`explain`](crate::explain()) still walks them one by one.

use std::{collections::HashMap, fmt, sync::Arc};

use tandem_switch::name::RouteName;

use crate::{pattern::NumberMatch, plan::Route};

/// Routes by what a call must bring.
#[derive(Default)]
pub(crate) struct RouteIndex {
    /// By the dialled number.
    dialled: Beginnings,
    /// By the caller's number: those that any dialled number may lead to.
    caller: Beginnings,
    names: HashMap<RouteName, u32>,
}

impl fmt::Debug for RouteIndex {
    /// What is in it stands in the routes that it is made of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteIndex").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

impl RouteIndex {
    /// Of all routes, in file order.
    pub(crate) fn new(routes: &[Arc<Route>]) -> Self {
        let mut index = Self::default();
        for (at, route) in (0_u32..).zip(routes) {
            index.names.entry(route.name.clone()).or_insert(at);
            if route.origins.is_empty() {
                continue;
            }
            match beginnings(&route.to) {
                Some(found) => found.into_iter().for_each(|beginning| index.dialled.add(beginning, at)),
                None => {
                    let found = beginnings(&route.caller).unwrap_or_else(|| vec![Beginning::default()]);
                    found.into_iter().for_each(|beginning| index.caller.add(beginning, at));
                }
            }
        }
        index
    }

    /// Positions of the routes that may take a call, in file order, each once.
    pub(crate) fn candidates(&self, dialled: &str, caller: &str) -> Vec<u32> {
        let mut found = Vec::new();
        self.dialled.find(dialled, &mut found);
        self.caller.find(caller, &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The position of the route of that name.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(name).map(|at| *at as usize)
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
