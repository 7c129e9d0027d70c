//! Signed caller ids (STIR/SHAKEN) at the edge: who is checked, who waits for a verdict, and what is signed.
//!
//! Checking is done by a task of its own ([`judge`]), so that neither cryptography nor the fetch of a certificate holds
//! up the line loop. A call waits for its verdict only as long as the plan says, and goes on as `pending` after that.

mod certificates;
mod judge;
mod setup;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use ring::rand::SystemRandom;
use tandem_dialplan::IdentityPolicy;
use tandem_signaling::{
    endpoint::{InviteId, Invited},
    identity::{Attestation, Case, TelephoneNumber, Verdict},
};
use tandem_switch::{cdr::Origin, identity::CallerIdentity, name::TrunkName};
use tokio::sync::mpsc;

use super::Arrived;
use crate::{clock::Now, metrics::METRICS};
pub use judge::{Judge, Judged};
pub use setup::{IdentityError, TrunkIdentity, load};
use setup::{Sign, Verify};

/// Calls that wait for a verdict before they begin; further ones do not wait.
const MAX_HELD: usize = 4_096;

/// The line loop's side of it.
pub(super) struct IdentityDesk {
    cases: mpsc::Sender<Box<Case>>,
    trunks: Arc<BTreeMap<TrunkName, TrunkIdentity>>,
    held: HashMap<InviteId, Held>,
    random: SystemRandom,
}

/// A call that waits for its verdict.
struct Held {
    until: Instant,
    policy: IdentityPolicy,
    arrived: Box<Arrived>,
}

/// What becomes of a call now.
pub(super) enum Standing {
    /// It begins.
    Goes(Box<Arrived>),
    /// It waits.
    Waits,
    /// It is refused with this status code and reason phrase.
    Refused(u16, &'static str),
}

impl IdentityDesk {
    pub(super) fn new(cases: mpsc::Sender<Box<Case>>) -> Self {
        Self { cases, trunks: Arc::default(), held: HashMap::new(), random: SystemRandom::new() }
    }

    pub(super) fn set(&mut self, trunks: Arc<BTreeMap<TrunkName, TrunkIdentity>>) {
        self.trunks = trunks;
    }

    /// A call arrived: has it checked if its trunk's are.
    pub(super) fn examine(&mut self, now: Now, invited: &mut Invited, mut arrived: Box<Arrived>) -> Standing {
        let verify = match &arrived.origin {
            Origin::Trunk(trunk) => self.trunks.get(trunk).and_then(|identity| identity.verify.clone()),
            Origin::Extension(_) => None,
        };
        let Some(verify) = verify else { return Standing::Goes(arrived) };
        let asked = invited.identity.is_some() && self.cases.try_send(Box::new(case(now, &verify, invited, &arrived))).is_ok();
        if !asked {
            // Without a header there is nothing to find out; with one, the checking side is overrun.
            let verdict = if invited.identity.is_none() { Verdict::NoIdentity } else { Verdict::CertificateUnavailable };
            return conclude(verify.policy, verdict, arrived);
        }
        arrived.identity = Some(CallerIdentity::Pending);
        let may_go = verify.policy == IdentityPolicy::Show;
        if verify.wait.is_zero() && may_go {
            return Standing::Goes(arrived);
        }
        if self.held.len() >= MAX_HELD {
            return if may_go {
                Standing::Goes(arrived)
            } else {
                conclude(verify.policy, Verdict::CertificateUnavailable, arrived)
            };
        }
        self.held.insert(invited.invite, Held { until: now.instant + verify.wait, policy: verify.policy, arrived });
        Standing::Waits
    }

    /// The verdict on a call; `None` when it does not wait (any more).
    pub(super) fn judged(&mut self, judged: &Judged) -> Option<Standing> {
        let Held { policy, arrived, .. } = self.held.remove(&judged.invite)?;
        Some(conclude(policy, judged.verdict, arrived))
    }

    /// A call that has waited long enough.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<(InviteId, Standing)> {
        let invite = self.held.iter().find(|(_, held)| held.until <= now).map(|(invite, _)| *invite)?;
        let Held { policy, arrived, .. } = self.held.remove(&invite)?;
        let standing = match policy {
            IdentityPolicy::Show => Standing::Goes(arrived),
            IdentityPolicy::Require => conclude(policy, Verdict::CertificateUnavailable, arrived),
        };
        Some((invite, standing))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.values().map(|held| held.until).min()
    }

    /// A call that waits was given up.
    pub(super) fn forget(&mut self, invite: InviteId) -> bool {
        self.held.remove(&invite).is_some()
    }

    /// Headers that sign a call of ours: who calls whom over which trunk, and whether the call came in by a trunk.
    pub(super) fn sign(&self, now: Now, trunk: &TrunkName, (from, to): (&str, &str), from_trunk: bool) -> Vec<(String, String)> {
        let Some(Sign { signer, rule, extensions }) = self.trunks.get(trunk).and_then(|identity| identity.sign.as_deref()) else {
            return Vec::new();
        };
        // A caller who is no number, such as `anonymous`, is nothing to vouch for.
        let numbers = TelephoneNumber::from_user(from).zip(TelephoneNumber::from_user(to));
        let Some((orig, dest)) = numbers else { return Vec::new() };
        let attestation = match (rule.is_own(from, extensions), from_trunk) {
            (true, _) => Attestation::A,
            (false, false) => Attestation::B,
            (false, true) => Attestation::C,
        };
        let identity = signer.sign((&orig, &dest), attestation, unix_s(now), &self.random);
        let date = jiff::Timestamp::from_microsecond(now.at.0).map(|at| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        // RFC 8224 section 6.1: a signed request has a Date.
        identity
            .zip(date.ok())
            .map_or_else(Vec::new, |(identity, date)| vec![("Date".to_owned(), date), ("Identity".to_owned(), identity)])
    }
}

fn case(now: Now, verify: &Verify, invited: &mut Invited, arrived: &Arrived) -> Case {
    Case {
        id: invited.invite.0,
        presented: invited.identity.take(),
        shown: arrived.from.as_str().to_owned(),
        trust: Arc::clone(&verify.trust),
        window_s: verify.fresh.as_secs(),
        country_code: verify.country_code.clone(),
        hosts: Arc::clone(&verify.hosts),
        unix_s: unix_s(now),
    }
}

fn conclude(policy: IdentityPolicy, verdict: Verdict, mut arrived: Box<Arrived>) -> Standing {
    METRICS.caller_identity.inc(verdict.as_str());
    match verdict.refusal().filter(|_| policy == IdentityPolicy::Require) {
        Some((code, reason)) => Standing::Refused(code, reason),
        None => {
            arrived.identity = Some(word(verdict));
            Standing::Goes(arrived)
        }
    }
}

/// A verdict in the switch's word.
pub(super) const fn word(verdict: Verdict) -> CallerIdentity {
    match verdict {
        Verdict::Verified(Attestation::A) => CallerIdentity::VerifiedA,
        Verdict::Verified(Attestation::B) => CallerIdentity::VerifiedB,
        Verdict::Verified(Attestation::C) => CallerIdentity::VerifiedC,
        Verdict::NoIdentity => CallerIdentity::NoIdentity,
        Verdict::Stale => CallerIdentity::Stale,
        Verdict::NumberMismatch => CallerIdentity::NumberMismatch,
        Verdict::BadSignature => CallerIdentity::BadSignature,
        Verdict::UntrustedCertificate => CallerIdentity::UntrustedCertificate,
        Verdict::CertificateUnavailable => CallerIdentity::CertificateUnavailable,
        Verdict::Malformed => CallerIdentity::Malformed,
    }
}

fn unix_s(now: Now) -> u64 {
    Duration::from_micros(u64::try_from(now.at.0).unwrap_or(0)).as_secs()
}
