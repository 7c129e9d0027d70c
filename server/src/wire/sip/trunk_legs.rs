//! What is particular to legs of some trunks: what they told beside the numbers, with whom they may be connected, that
//! their audio never pauses, and what a carrier said when it refused one.

use std::collections::BTreeMap;

use tandem_signaling::endpoint::{InviteId, ToldHeader};
use tandem_switch::{id::LegId, name::TrunkName};

use super::{Settings, SipEdge, SipEvent, SipLeg};
use crate::wire::LegRef;

/// Legs of a call are found by their numbers, which count up with each device that is rung for a caller who waits.
const MOST_LEGS: u16 = 256;
/// Longer texts of refusals are cut, in letters.
const MOST_SAID: usize = 200;
/// So many digits in a row may be a number of somebody.
const FEW_DIGITS: usize = 4;

impl Settings {
    /// Notes with a leg what its trunk wants of it.
    pub(super) fn dress(&self, leg: &mut SipLeg, trunk: Option<&TrunkName>, extension: Option<&str>) {
        let keep_alive_ms = trunk.and_then(|name| self.trunk(name)?.calls.keep_alive_ms);
        leg.keep_alive_ms = keep_alive_ms.and_then(|ms| u32::try_from(ms).ok());
        leg.trunk = trunk.cloned();
        leg.dtmf = match (trunk, extension) {
            (Some(name), _) => self.trunk(name).map(|trunk| trunk.dtmf),
            (None, Some(number)) => self.extensions_of(number).map(|range| range.dtmf),
            (None, None) => None,
        }
        .unwrap_or_default();
    }

    /// What is kept of the headers of a trunk, by the names that the plan gives.
    pub(super) fn kept_headers(&self, trunk: &TrunkName, headers: &[ToldHeader]) -> BTreeMap<String, String> {
        let headers = headers.iter().map(|told| (&*told.name, &*told.value));
        self.trunk(trunk).map(|trunk| trunk.calls.kept(headers)).unwrap_or_default()
    }

    /// Whether calls of a trunk stay off all others.
    fn stays_in(&self, trunk: &TrunkName) -> bool {
        self.trunk(trunk).is_some_and(|trunk| !trunk.calls.onward)
    }
}

impl SipEdge {
    pub(super) fn headers_told(&mut self, invite: InviteId, headers: &[ToldHeader]) {
        let Some(at) = self.invites.get(&invite).copied() else { return };
        let Some(trunk) = self.legs.get(&at).and_then(|leg| leg.trunk.clone()) else { return };
        let told = self.settings.kept_headers(&trunk, headers);
        self.events.push_back(SipEvent::Told { at, told });
    }

    /// The trunk that the parties of a call must not leave, when there is one.
    pub(super) fn kept_in(&self, at: LegRef) -> Option<TrunkName> {
        let legs = (0..=MOST_LEGS).filter_map(|n| self.legs.get(&LegRef { leg: LegId(n), ..at }));
        let parties = legs.filter(|leg| leg.is_incoming() || leg.is_answered());
        parties.filter_map(|leg| leg.trunk.as_ref()).find(|trunk| self.settings.stays_in(trunk)).cloned()
    }

    /// Whether the parties of two legs may be connected with each other.
    #[must_use]
    pub fn may_meet(&self, one: LegRef, other: LegRef) -> bool {
        let trunk = |at: LegRef| self.legs.get(&at).and_then(|leg| leg.trunk.as_ref());
        match (trunk(one), trunk(other)) {
            (Some(one), Some(other)) => one == other || !(self.settings.stays_in(one) || self.settings.stays_in(other)),
            _ => true,
        }
    }
}

/// What the other side said, fit for a line.
pub(super) fn said(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_control()).take(MOST_SAID).collect()
}

/// A carrier that does not want a call says why in words: an admin has to see them.
pub(super) fn log_refusal(at: LegRef, leg: &SipLeg, code: u16, reason: &str) {
    if let Some(trunk) = leg.trunk.as_ref().filter(|_| matches!(code, 400..=403 | 407)) {
        tracing::warn!(call = %at.call, leg = at.leg.0, %trunk, code, said = masked(&said(reason)), "a trunk refused a call");
    }
}

/// A text without the numbers of people.
fn masked(text: &str) -> String {
    let (mut out, mut digits) = (String::with_capacity(text.len()), String::new());
    for letter in text.chars().chain(std::iter::once('\0')) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        out.push_str(if digits.len() > FEW_DIGITS { "…" } else { &digits });
        digits.clear();
        out.extend(Some(letter).filter(|letter| *letter != '\0'));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_carrier_said_is_shown_without_numbers() {
        assert_eq!(
            masked(&said("Forbidden (no permission for +15550101234,\r\n code 138006x)")),
            "Forbidden (no permission for +…, code …x)"
        );
        assert_eq!(masked("daily limit of 100"), "daily limit of 100");
        assert_eq!(masked("15550101234"), "…");
    }
}
