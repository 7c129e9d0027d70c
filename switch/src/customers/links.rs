//! Customers who are one: a forest of links. A merge adds a link, undoing one takes it away, and no customer's row is rewritten.
//!
//! A link goes from one root to another, so that the links are a forest at every moment, whichever of them are undone and
//! in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{CustomerId, LinkId};

/// Customers who may be merged into one.
pub const MAX_FAMILY: usize = 200;

/// Why two customers cannot be merged, or a merge not be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLink {
    /// They are.
    #[error("they are one customer already")]
    Same,
    /// A list of more than [`MAX_FAMILY`] is a mistake.
    #[error("the two were made of more than 200 customers; that many are not one person")]
    TooMany,
    /// No such link holds.
    #[error("that merge was undone already, or there was none")]
    Unknown,
}

/// Who is whom from now on: customers and their new roots.
pub type Moved = Vec<(CustomerId, CustomerId)>;

/// The links among some customers: always whole families.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    into: BTreeMap<CustomerId, (LinkId, CustomerId)>,
    members: BTreeSet<CustomerId>,
}

impl Links {
    /// A forest of customers, each with the link that goes out of it.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = (CustomerId, Option<(LinkId, CustomerId)>)>) -> Self {
        let mut links = Self::default();
        for (customer, into) in members {
            links.members.insert(customer);
            links.into.extend(into.map(|link| (customer, link)));
        }
        links
    }

    /// Who a customer is after all merges.
    #[must_use]
    pub fn root(&self, customer: CustomerId) -> CustomerId {
        let mut at = customer;
        // A forest ends; rows that a foreign hand made a ring of end here too.
        for _ in 0..=self.into.len() {
            match self.into.get(&at) {
                Some((_, next)) => at = *next,
                None => break,
            }
        }
        at
    }

    fn family(&self, root: CustomerId) -> Vec<CustomerId> {
        self.members.iter().copied().filter(|one| self.root(*one) == root).collect()
    }

    /// Makes `folded` one with `kept`, who gives the name. The root that is linked away, and who moved.
    ///
    /// # Errors
    /// They cannot be merged.
    pub fn merge(
        &mut self,
        link: LinkId,
        kept: CustomerId,
        folded: CustomerId,
    ) -> Result<(CustomerId, CustomerId, Moved), NoLink> {
        let (kept, folded) = (self.root(kept), self.root(folded));
        if kept == folded {
            return Err(NoLink::Same);
        }
        let moving = self.family(folded);
        if moving.len() + self.family(kept).len() > MAX_FAMILY {
            return Err(NoLink::TooMany);
        }
        self.into.insert(folded, (link, kept));
        Ok((kept, folded, moving.into_iter().map(|one| (one, kept)).collect()))
    }

    /// Takes a link away: whoever came with it goes with it. The root that is its own again, and who moved.
    ///
    /// # Errors
    /// No such link holds.
    pub fn undo(&mut self, link: LinkId) -> Result<(CustomerId, Moved), NoLink> {
        let found = self.into.iter().find(|(_, (known, _))| *known == link).map(|(customer, _)| *customer);
        let customer = found.ok_or(NoLink::Unknown)?;
        self.into.remove(&customer);
        Ok((customer, self.family(customer).into_iter().map(|one| (one, customer)).collect()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use proptest::prelude::*;

    use super::*;

    fn of(id: u64) -> CustomerId {
        CustomerId(id)
    }

    #[test]
    fn a_merge_is_undone_without_a_trace_even_in_the_middle_of_a_chain() {
        let mut links = Links::new((1..=4).map(|id| (of(id), None)));
        links.merge(LinkId(1), of(2), of(1)).unwrap();
        assert_eq!(links.merge(LinkId(2), of(3), of(1)).unwrap(), (of(3), of(2), vec![(of(1), of(3)), (of(2), of(3))]));
        assert_eq!(links.merge(LinkId(3), of(1), of(2)), Err(NoLink::Same));
        assert_eq!(links.undo(LinkId(1)).unwrap(), (of(1), vec![(of(1), of(1))]));
        assert_eq!((links.root(of(1)), links.root(of(2))), (of(1), of(3)));
        assert_eq!(links.undo(LinkId(1)), Err(NoLink::Unknown));
    }

    proptest! {
        #[test]
        fn random_merges_undone_in_any_order_restore_everybody(
            steps in prop::collection::vec((0u64..12, 0u64..12), 1..40),
            order in prop::collection::vec(any::<prop::sample::Index>(), 40),
        ) {
            let fresh = Links::new((0..12).map(|id| (of(id), None)));
            let mut links = fresh.clone();
            // The roots as the tables have them: only told what moved.
            let mut told: BTreeMap<CustomerId, CustomerId> = (0..12).map(|id| (of(id), of(id))).collect();
            let mut held = Vec::new();
            for (number, (kept, folded)) in (1..).zip(steps) {
                if let Ok((_, _, moved)) = links.merge(LinkId(number), of(kept), of(folded)) {
                    held.push(LinkId(number));
                    told.extend(moved);
                }
                prop_assert!((0..12).all(|id| told[&of(id)] == links.root(of(id))));
            }
            for pick in order {
                if held.is_empty() {
                    break;
                }
                let link = held.remove(pick.index(held.len()));
                told.extend(links.undo(link).unwrap().1);
                prop_assert!((0..12).all(|id| told[&of(id)] == links.root(of(id))));
            }
            for link in held {
                told.extend(links.undo(link).unwrap().1);
            }
            prop_assert_eq!(&links, &fresh);
            prop_assert!(told.iter().all(|(customer, root)| customer == root));
        }
    }
}
