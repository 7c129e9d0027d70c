//! Who is parked in which slot, and who wants to take whom from another call.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tandem_switch::{
    id::CallId,
    name::{Extension, LotName},
    step::Whom,
};

use super::LegRef;

/// Free slots of which it is known who had them last; who was there the longest ago is forgotten first.
const MOST_KNOWN: u64 = 10_000;

/// All slots of one line loop.
#[derive(Debug, Default)]
pub struct Lots {
    taken: BTreeMap<Extension, Slot>,
    of: HashMap<CallId, Extension>,
    left: HashMap<Extension, Left>,
    turns: u64,
    /// Legs that want somebody of another call; each call has one wish at most.
    pub(super) wishes: VecDeque<(LegRef, Whom)>,
}

/// A slot with somebody in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Who.
    pub at: LegRef,
    /// Of which lot.
    pub lot: LotName,
    /// Who parked them.
    pub by: Option<Extension>,
}

/// A slot that was left.
#[derive(Debug)]
struct Left {
    turn: u64,
    by: Option<Extension>,
}

/// What is wanted of a lot.
#[derive(Debug)]
pub struct Claim {
    /// Which lot.
    pub lot: LotName,
    /// Its slots, the first and the last.
    pub slots: (u32, u32),
    /// No other one than this will do.
    pub had: Option<Extension>,
    /// For whom.
    pub by: Option<Extension>,
}

impl Lots {
    /// A slot for a leg, if one is free: the one that whoever parks it had last, so that what they heard there holds
    /// for whom they bring; else the one that is free for the longest time.
    pub fn claim(&mut self, at: LegRef, claim: Claim) -> Option<Extension> {
        self.release(at.call);
        let Claim { lot, slots, had, by } = claim;
        let slot = match had {
            Some(had) => (!self.taken.contains_key(&had)).then_some(had)?,
            None => self.best(slots, by.as_ref())?,
        };
        self.taken.insert(slot.clone(), Slot { at, lot, by });
        self.of.insert(at.call, slot.clone());
        Some(slot)
    }

    fn best(&self, (first, last): (u32, u32), by: Option<&Extension>) -> Option<Extension> {
        let free = (first..=last).map(|n| Extension::from(n.to_string())).filter(|slot| !self.taken.contains_key(slot));
        free.min_by_key(|slot| {
            let left = self.left.get(slot);
            let is_theirs = by.is_some() && left.is_some_and(|left| left.by.as_ref() == by);
            let turn = left.map_or(0, |left| left.turn);
            // Of several that were theirs, the last.
            (!is_theirs, if is_theirs { u64::MAX - turn } else { turn })
        })
    }

    /// A call is in its slot no longer: which one that was, and who was there.
    pub fn release(&mut self, call: CallId) -> Option<(Extension, LegRef)> {
        let slot = self.of.remove(&call)?;
        let Slot { at, by, .. } = self.taken.remove(&slot)?;
        self.turns += 1;
        self.left.insert(slot.clone(), Left { turn: self.turns, by });
        if self.left.len() as u64 > 2 * MOST_KNOWN {
            let oldest = self.turns.saturating_sub(MOST_KNOWN);
            self.left.retain(|_, left| left.turn > oldest);
        }
        Some((slot, at))
    }

    /// The slot of a call.
    #[must_use]
    pub fn of(&self, call: CallId) -> Option<&Extension> {
        self.of.get(&call)
    }

    /// Who is in a slot.
    #[must_use]
    pub fn holder(&self, slot: &Extension) -> Option<LegRef> {
        self.taken.get(slot).map(|slot| slot.at)
    }

    /// All slots with somebody in them.
    pub fn all(&self) -> impl Iterator<Item = (&Extension, &Slot)> {
        self.taken.iter()
    }
}

#[cfg(test)]
mod tests {
    use tandem_switch::id::LegId;

    use super::*;

    fn claim(lots: &mut Lots, call: u64, by: Option<&str>) -> Option<String> {
        let claim = Claim { lot: "main".into(), slots: (701, 703), had: None, by: by.map(Into::into) };
        lots.claim(LegRef { call: CallId(call), leg: LegId::CALLER }, claim).map(|slot| slot.to_string())
    }

    #[test]
    fn the_slot_that_is_free_for_longest_is_next_and_a_full_lot_is_full() {
        let mut lots = Lots::default();
        let slots: Vec<_> = (1..=4).map(|call| claim(&mut lots, call, None)).collect();
        assert_eq!(slots, [Some("701".to_owned()), Some("702".to_owned()), Some("703".to_owned()), None]);
        lots.release(CallId(2));
        lots.release(CallId(1));
        assert_eq!(lots.release(CallId(1)), None);
        assert_eq!(claim(&mut lots, 5, None).as_deref(), Some("702"));
        assert_eq!(lots.holder(&"702".into()).map(|at| at.call), Some(CallId(5)));
        assert_eq!((lots.holder(&"701".into()), lots.of(CallId(5)).map(Extension::as_str)), (None, Some("702")));
    }

    #[test]
    fn whoever_heard_their_slot_finds_it_again_for_whom_they_bring() {
        let mut lots = Lots::default();
        claim(&mut lots, 1, None);
        assert_eq!(claim(&mut lots, 2, Some("1001")).as_deref(), Some("702"));
        lots.release(CallId(1));
        lots.release(CallId(2));
        assert_eq!(claim(&mut lots, 3, Some("1001")).as_deref(), Some("702"));
        assert_eq!(claim(&mut lots, 4, Some("1002")).as_deref(), Some("703"), "never used before");
    }

    #[test]
    fn after_a_restart_a_slot_is_the_one_that_it_was_or_none() {
        let mut lots = Lots::default();
        let mut again = |call| {
            let claim = Claim { lot: "main".into(), slots: (701, 703), had: Some("799".into()), by: None };
            lots.claim(LegRef { call: CallId(call), leg: LegId::CALLER }, claim)
        };
        assert_eq!(again(1).as_ref().map(Extension::as_str), Some("799"), "also one that the plan has no more");
        assert_eq!(again(2), None);
    }
}
