//! Calls that are led elsewhere, between SIP and the calls: who may redirect, to which number, and what those are
//! told whom the call comes to.

use tandem_dialplan::parse_number;
use tandem_signaling::endpoint::{Diverted, Redirected, Source};
use tandem_switch::{
    cause::Cause,
    cdr::Origin,
    name::{PartyNumber, TrunkName},
};

use super::{SipEdge, SipEvent};
use crate::wire::LegRef;

/// A called leg that names somebody else.
#[derive(Debug)]
pub struct LedElsewhere {
    /// Which leg.
    pub at: LegRef,
    /// Whose it was, proved.
    pub by: Origin,
    /// Whom to call instead, the best first; at least one.
    pub to: Vec<PartyNumber>,
    /// Why, as far as they say.
    pub why: Cause,
    /// The status code behind it, for traces.
    pub code: u16,
}

impl SipEdge {
    /// A called leg names others. Of what it names only numbers are taken.
    pub(super) fn redirected(&mut self, redirected: &Redirected) {
        let Redirected { invite, by, users, code, why } = redirected;
        let by = match by {
            Source::Account(user) => Origin::Extension(user.as_ref().into()),
            Source::Trunk(name) => Origin::Trunk(name.as_ref().into()),
        };
        let to = self.named(&by, users);
        let Some(at) = self.forget(*invite) else { return };
        self.events.push_back(match to {
            to if !to.is_empty() => SipEvent::Redirected(Box::new(LedElsewhere { at, by, to, why: cause_of(*why), code: *code })),
            _ => SipEvent::Failed { at, cause: Cause::Redirected, code: *code, said: String::new() },
        });
    }

    /// The numbers to call instead, if whoever names them may.
    fn named(&self, by: &Origin, users: &[String]) -> Vec<PartyNumber> {
        let Some(plan) = self.settings.plan() else { return Vec::new() };
        let numbers = users.iter().filter_map(|user| parse_number(user));
        match by {
            Origin::Extension(extension) if plan.may_redirect(extension) => numbers.collect(),
            Origin::Extension(_) => Vec::new(),
            Origin::Trunk(name) => match plan.trunks.get(name).filter(|trunk| trunk.redirects) {
                Some(trunk) => numbers.map(|number| trunk.rules.numbering.read(&number)).collect(),
                None => Vec::new(),
            },
        }
    }

    /// A number as a trunk writes it.
    pub fn written(&self, trunk: &TrunkName, number: &PartyNumber) -> PartyNumber {
        let plan = self.settings.plan();
        let known = plan.as_ref().and_then(|plan| plan.trunks.get(trunk));
        known.map_or_else(|| number.clone(), |known| known.rules.numbering.written(number.as_str()))
    }

    /// A leg is about to be made for a call that others redirected, the first one first.
    pub fn diverts(&mut self, at: LegRef, by: Vec<(PartyNumber, Cause)>) {
        let diverted = |(user, why): (PartyNumber, Cause)| Diverted { user: user.as_str().to_owned(), code: code_of(why) };
        if !by.is_empty() {
            self.diverting = Some((at, by.into_iter().map(diverted).collect()));
        }
    }

    /// Who diverted a call before a leg is made for it: on the way to us, and in here.
    pub(super) fn diversions(&mut self, at: LegRef, caller: LegRef) -> Vec<Diverted> {
        // The next trunk of a group is told what the first one was.
        if let Some(leg) = self.legs.get(&at) {
            return leg.diverted_by.clone();
        }
        let mut before = self.legs.get(&caller).map(|caller| caller.diverted_by.clone()).unwrap_or_default();
        if let Some((_, here)) = self.diverting.take_if(|(of, _)| *of == at) {
            before.extend(here);
        }
        before
    }
}

const fn cause_of(why: u16) -> Cause {
    match why {
        486 => Cause::Busy,
        480 | 408 => Cause::NoAnswer,
        _ => Cause::Redirected,
    }
}

const fn code_of(why: Cause) -> u16 {
    match why {
        Cause::Busy => 486,
        Cause::NoAnswer => 480,
        _ => 302,
    }
}
