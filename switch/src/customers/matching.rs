//! Whose an address is: certain, a list of candidates, or nobody's.
//!
//! A customer is taken only when everything speaks for them: they alone have the address, it is theirs now, whoever wrote it
//! down was sure of it, and nothing speaks against the caller's being who they show. Anything less is a candidate, shown to an
//! agent with its score and its reasons.

use serde::{Deserialize, Serialize};

use crate::{id::CustomerId, identity::CallerIdentity, time::Timestamp};

/// Full confidence.
pub const CERTAIN: u8 = 100;
/// Candidates that are told, at most.
pub const MAX_CANDIDATES: usize = 10;

/// One customer who has the address that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who: after all merges.
    pub customer: CustomerId,
    /// How sure it is that the address is theirs, 0 to 100, as whoever wrote it down said.
    pub confidence: u8,
    /// Theirs since.
    pub valid_from: Timestamp,
    /// Theirs until; `None`: still.
    pub valid_to: Option<Timestamp>,
}

/// Why a candidate is none that is taken by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// Others have the address too.
    Shared,
    /// Whoever wrote it down was not sure.
    Unsure,
    /// It was theirs once.
    Expired,
    /// The caller's signature says that the number may not be theirs.
    Unproven,
}

/// Somebody whom it may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Who.
    pub customer: CustomerId,
    /// 0 to 99.
    pub score: u8,
    /// What speaks against them.
    pub doubts: Vec<Doubt>,
}

/// Whose an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matched {
    /// Theirs, without a doubt.
    Certain(CustomerId),
    /// One of theirs, perhaps; best first.
    Candidates(Vec<Candidate>),
    /// Nobody's.
    Nobody,
}

/// Weighs everybody who has an address. `proof` is what is known of the caller's signature, where one is checked.
#[must_use]
pub fn matched(holders: &[Holder], proof: Option<CallerIdentity>, now: Timestamp) -> Matched {
    let mut people: Vec<Candidate> = Vec::new();
    for holder in holders {
        let Candidate { customer, score, doubts } = weighed(holder, proof, now);
        // Somebody who has the address twice (they were two before a merge) is believed as far as the better one goes. One that
        // holds now goes before one that does not: else it could not make the address shared.
        let holds = |doubts: &[Doubt]| !doubts.contains(&Doubt::Expired);
        match people.iter_mut().find(|known| known.customer == customer) {
            Some(known) if (holds(&known.doubts), known.score) >= (holds(&doubts), score) => {}
            Some(known) => *known = Candidate { customer, score, doubts },
            None => people.push(Candidate { customer, score, doubts }),
        }
    }
    // Who had the address once does not make it shared with who has it now.
    let holding = people.iter().filter(|one| !one.doubts.contains(&Doubt::Expired)).count();
    if holding > 1 {
        for one in people.iter_mut().filter(|one| !one.doubts.contains(&Doubt::Expired)) {
            one.doubts.push(Doubt::Shared);
            one.score /= 2;
        }
    }
    people.sort_by(|a, b| b.score.cmp(&a.score).then(a.customer.cmp(&b.customer)));
    match people.first() {
        None => Matched::Nobody,
        Some(best) if best.score >= CERTAIN && best.doubts.is_empty() => Matched::Certain(best.customer),
        Some(_) => {
            people.truncate(MAX_CANDIDATES);
            Matched::Candidates(people)
        }
    }
}

fn weighed(holder: &Holder, proof: Option<CallerIdentity>, now: Timestamp) -> Candidate {
    let mut score = holder.confidence.min(CERTAIN);
    let mut doubts = Vec::new();
    if score < CERTAIN {
        doubts.push(Doubt::Unsure);
    }
    if now < holder.valid_from || holder.valid_to.is_some_and(|end| end <= now) {
        doubts.push(Doubt::Expired);
        score /= 4;
    }
    if proof.is_some_and(speaks_against) {
        doubts.push(Doubt::Unproven);
        score /= 2;
    }
    Candidate { customer: holder.customer, score, doubts }
}

/// A signature that is there and does not hold. None at all says nothing: most carriers send none.
#[must_use]
pub const fn speaks_against(proof: CallerIdentity) -> bool {
    match proof {
        CallerIdentity::Stale
        | CallerIdentity::NumberMismatch
        | CallerIdentity::BadSignature
        | CallerIdentity::UntrustedCertificate
        | CallerIdentity::Malformed => true,
        CallerIdentity::Pending
        | CallerIdentity::VerifiedA
        | CallerIdentity::VerifiedB
        | CallerIdentity::VerifiedC
        | CallerIdentity::NoIdentity
        | CallerIdentity::CertificateUnavailable => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn holder(customer: u64, confidence: u8) -> Holder {
        Holder { customer: CustomerId(customer), confidence, valid_from: Timestamp(0), valid_to: None }
    }

    #[test]
    fn only_who_is_certain_is_taken() {
        assert_eq!(matched(&[], None, NOW), Matched::Nobody);
        assert_eq!(matched(&[holder(1, 100)], None, NOW), Matched::Certain(CustomerId(1)));
        assert_eq!(matched(&[holder(1, 100), holder(1, 40)], None, NOW), Matched::Certain(CustomerId(1)));
        let shared = matched(&[holder(2, 100), holder(1, 100)], None, NOW);
        let of = |customer, score, doubt| Candidate { customer: CustomerId(customer), score, doubts: vec![doubt] };
        assert_eq!(shared, Matched::Candidates(vec![of(1, 50, Doubt::Shared), of(2, 50, Doubt::Shared)]));
        assert_eq!(matched(&[holder(1, 99)], None, NOW), Matched::Candidates(vec![of(1, 99, Doubt::Unsure)]));
        let forged = matched(&[holder(1, 100)], Some(CallerIdentity::BadSignature), NOW);
        assert_eq!(forged, Matched::Candidates(vec![of(1, 50, Doubt::Unproven)]));
    }

    #[test]
    fn a_number_that_changed_hands_is_its_new_owners() {
        let old = Holder { valid_to: Some(Timestamp(500_000)), ..holder(1, 100) };
        assert_eq!(matched(&[old, holder(2, 100)], None, NOW), Matched::Certain(CustomerId(2)));
        let alone = Candidate { customer: CustomerId(1), score: 25, doubts: vec![Doubt::Expired] };
        assert_eq!(matched(&[old], None, NOW), Matched::Candidates(vec![alone]));
        let unsure_still = matched(&[old, holder(1, 3), holder(2, 100)], None, NOW);
        assert!(matches!(unsure_still, Matched::Candidates(both) if both.len() == 2), "they may have it still");
    }

    proptest! {
        #[test]
        fn nobody_below_full_confidence_is_ever_taken(
            holders in prop::collection::vec((1u64..5, 0u8..=100, -2i64..3, prop::option::of(-2i64..3)), 0..8),
            forged in any::<bool>(),
        ) {
            let holders: Vec<Holder> = holders.into_iter().map(|(customer, confidence, from, to)| Holder {
                customer: CustomerId(customer),
                confidence,
                valid_from: Timestamp(1_000_000 + from),
                valid_to: to.map(|to| Timestamp(1_000_000 + to)),
            }).collect();
            let proof = forged.then_some(CallerIdentity::NumberMismatch);
            let current = |holder: &&Holder| holder.valid_from <= NOW && holder.valid_to.is_none_or(|to| NOW < to);
            match matched(&holders, proof, NOW) {
                Matched::Certain(customer) => {
                    prop_assert!(!forged);
                    prop_assert!(holders.iter().filter(current).all(|holder| holder.customer == customer));
                    prop_assert!(holders.iter().filter(current).any(|holder| holder.confidence == 100));
                }
                Matched::Candidates(all) => prop_assert!(all.iter().all(|one| one.score < 100 && !one.doubts.is_empty())),
                Matched::Nobody => prop_assert!(holders.is_empty()),
            }
        }
    }
}
