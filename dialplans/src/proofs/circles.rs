//! Which places of a graph lie on a circle with which others.

/// Of each of `count` places a number; two have the same exactly when ways lead from each to the other (a place that is
/// on no circle has one of its own). One pass over places and ways (Tarjan), without recursion.
pub(super) fn circles(count: usize, ways: &[(usize, usize)]) -> Vec<usize> {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (from, to) in ways {
        next[*from].push(*to);
    }
    let mut search =
        Search { next, order: vec![None; count], low: vec![0; count], open: Vec::new(), circle: vec![None; count], seen: 0 };
    for place in 0..count {
        if search.order[place].is_none() {
            search.from(place);
        }
    }
    search.circle.into_iter().enumerate().map(|(place, circle)| circle.unwrap_or(place)).collect()
}

struct Search {
    next: Vec<Vec<usize>>,
    /// When each place was first come to.
    order: Vec<Option<usize>>,
    /// The earliest place that is still open and can be reached from each.
    low: Vec<usize>,
    /// Places whose circle is not known yet.
    open: Vec<usize>,
    circle: Vec<Option<usize>>,
    seen: usize,
}

impl Search {
    fn from(&mut self, start: usize) {
        let mut path = vec![(start, 0)];
        self.enter(start);
        while let Some((place, way)) = path.last_mut() {
            let at = *place;
            if let Some(to) = self.next[at].get(*way).copied() {
                *way += 1;
                match self.order[to] {
                    None => {
                        self.enter(to);
                        path.push((to, 0));
                    }
                    Some(order) if self.circle[to].is_none() => self.low[at] = self.low[at].min(order),
                    Some(_) => {}
                }
                continue;
            }
            path.pop();
            if let Some((before, _)) = path.last() {
                self.low[*before] = self.low[*before].min(self.low[at]);
            }
            if self.order[at] == Some(self.low[at]) {
                while let Some(member) = self.open.pop() {
                    self.circle[member] = Some(at);
                    if member == at {
                        break;
                    }
                }
            }
        }
    }

    fn enter(&mut self, place: usize) {
        self.order[place] = Some(self.seen);
        self.low[place] = self.seen;
        self.seen += 1;
        self.open.push(place);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn reached(ways: &[(usize, usize)], from: usize) -> BTreeSet<usize> {
        let (mut found, mut open) = (BTreeSet::from([from]), vec![from]);
        while let Some(at) = open.pop() {
            for (_, to) in ways.iter().filter(|(from, _)| *from == at) {
                if found.insert(*to) {
                    open.push(*to);
                }
            }
        }
        found
    }

    proptest! {
        #[test]
        fn two_places_are_on_a_circle_when_each_reaches_the_other(ways in proptest::collection::vec((0..9_usize, 0..9_usize), 0..24)) {
            let found = circles(9, &ways);
            for (a, b) in (0..9).flat_map(|a| (0..9).map(move |b| (a, b))) {
                let expected = reached(&ways, a).contains(&b) && reached(&ways, b).contains(&a);
                prop_assert_eq!(found[a] == found[b], expected, "{} and {} of {:?}", a, b, &ways);
            }
        }
    }

    #[test]
    fn a_chain_of_any_length_is_walked_without_recursion() {
        let chain: Vec<_> = (0..200_000).map(|place| (place, place + 1)).collect();
        assert!(circles(200_001, &chain).iter().enumerate().all(|(place, circle)| place == *circle));
    }
}
