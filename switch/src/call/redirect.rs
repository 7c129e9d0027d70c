//! Somebody who is called names somebody else: a phone that forwards its calls, or a carrier that says where to ask.
//!
//! A phone's wish is the plan's to judge, with the rights of the phone's extension, as if that one had dialled the
//! number: the wiring asks the plan at [`RedirectNews::Begun`], and its steps follow. Meanwhile the dial that met the
//! phone waits. Should nobody take the call, it goes on as if the phone had failed, so no caller is lost by what a
//! phone says. What a carrier names is called through that carrier, whose rules hold for it: one number after another, when
//! it names several (RFC 3261 section 8.1.3.4).
//!
//! A group that rings at once is not led away by one of its phones, and neither is an offer to an agent: that is
//! declined.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Moment, Output, RedirectNews, dial::Dialling};
use crate::{
    cause::Cause,
    cdr::Origin,
    id::LegId,
    name::{PartyNumber, RouteName},
    step::{Step, StepOutcome, Target},
    time::Timestamp,
};

/// So many numbers of one reply are tried; later ones are left out.
const MOST_NAMED: usize = 5;
/// So often one dial is led elsewhere; the next time counts as a failure.
const MOST_HOPS: u8 = 5;

/// Where a dial was led.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Redirects {
    /// Dials that wait for what the plan does instead, the first one first.
    waiting: Vec<Redirect>,
    /// Who redirected and whom they named, since the plan's own dial began: nobody is asked twice.
    named: Vec<PartyNumber>,
    hops: u8,
}

#[derive(Debug, Serialize, Deserialize)]
struct Redirect {
    dialling: Box<Dialling>,
    /// The route that had the call.
    route: Option<RouteName>,
}

/// What a called side says instead of taking the call.
#[derive(Clone, Copy)]
pub(super) struct Elsewhere<'a> {
    /// The device of an extension, or a carrier.
    pub(super) by: &'a Origin,
    pub(super) to: &'a [PartyNumber],
    /// Why, in their words.
    pub(super) why: Cause,
}

impl Redirects {
    /// Whether the steps of now are for somebody whom a phone named.
    pub(super) const fn is_under_way(&self) -> bool {
        !self.waiting.is_empty()
    }
}

impl Call {
    /// The plan dials: what was named before is of another dial.
    pub(super) fn forget_redirects(&mut self) {
        if !self.redirects.is_under_way() {
            self.redirects = Redirects::default();
        }
    }

    /// A leg that was called names somebody else. It is gone.
    pub(super) fn called_redirects(
        &mut self,
        now: Timestamp,
        mut dialling: Box<Dialling>,
        leg: LegId,
        to: Elsewhere<'_>,
    ) -> Doing {
        let Some((place, who)) = dialling.take_redirecting(leg) else { return Doing::Dial(dialling) };
        let followed = match self.followed(&dialling, &who, &to) {
            Ok(followed) => followed,
            Err(why) => {
                self.trace("redirected", format!("by {leg}, not followed: {why}"));
                return self.called_failed(now, dialling, place, Cause::Redirected);
            }
        };
        self.redirects.hops += 1;
        self.redirects.named.push(who.clone());
        self.redirects.named.extend(followed.iter().cloned());
        match to.by {
            Origin::Trunk(trunk) => {
                self.trace("redirected", format!("by {leg}, through the same trunk"));
                self.ledger.redirected(now);
                let others = followed.into_iter().map(|number| Target::Trunk { trunk: trunk.clone(), number });
                dialling.aim(place, others.collect(), (who, to.why));
                self.ring_next(now, *dialling)
            }
            Origin::Extension(extension) => {
                self.trace("redirected", format!("by {leg}, the plan is asked"));
                self.ledger.redirected(now);
                let route = self.ledger.route.clone();
                self.redirects.waiting.push(Redirect { dialling, route });
                let (by, why) = (extension.clone(), to.why);
                for to in followed {
                    self.legs.say(Output::Redirect(RedirectNews::Begun { by: by.clone(), to, why }));
                }
                Doing::AwaitStep
            }
        }
    }

    /// Which of those whom it names are tried instead of `who`; at least one. Of a phone it is the first.
    fn followed(&self, dialling: &Dialling, who: &PartyNumber, to: &Elsewhere<'_>) -> Result<Vec<PartyNumber>, &'static str> {
        if dialling.is_group() {
            return Err("a group rings on");
        }
        if self.redirects.hops >= MOST_HOPS {
            return Err("too often");
        }
        let named = if matches!(to.by, Origin::Trunk(_)) { to.to } else { to.to.get(..1).unwrap_or_default() };
        let mut followed: Vec<PartyNumber> = Vec::new();
        for number in named {
            let is_new = number != who && !self.redirects.named.contains(number) && !followed.contains(number);
            if is_new && followed.len() < MOST_NAMED {
                followed.push(number.clone());
            }
        }
        if followed.is_empty() { Err("a loop") } else { Ok(followed) }
    }

    /// What the plan wants before anybody whom a phone named takes the call. As in a transfer, prompts before an answer
    /// are left out: what the dial that waits comes to is not known yet.
    pub(super) fn begin_in_redirect(&mut self, at: &mut Moment<'_>, step: Step) -> Doing {
        match step {
            Step::Ring => {
                self.transfer_rings();
                self.legs.ring_caller();
                self.step_ended(at.now, StepOutcome::Done)
            }
            Step::Play { .. } => self.step_ended(at.now, StepOutcome::Done),
            Step::Dial(dial) => self.begin_dial(at.now, dial),
            Step::Hangup { cause } => self.redirect_failed(at.now, cause),
            // It was not the caller who asked for it, and it is not for a phone to give the caller away.
            Step::Agent(_) | Step::Supervise { .. } | Step::HandBack { .. } | Step::Take(_) => {
                self.step_ended(at.now, StepOutcome::Error)
            }
            Step::Park(park) => self.begin_park(at.now, park),
            Step::Fork { program, sides } => self.fork(at.now, program, sides),
            Step::Ask(ask) => self.begin_ask(at.now, ask),
            Step::Answer
            | Step::Collect(_)
            | Step::Queue(_)
            | Step::Echo
            | Step::Voicemail(_)
            | Step::Stream { .. }
            | Step::Conference { .. } => {
                self.redirect_taken();
                self.legs.hush(self.legs.caller());
                self.begin_step(at, step)
            }
        }
    }

    /// Somebody has the call: what waited is not needed any more.
    pub(super) fn redirect_taken(&mut self) {
        if self.redirects.is_under_way() {
            self.trace("redirect", "done");
            self.redirects = Redirects::default();
            self.legs.say(Output::Redirect(RedirectNews::Taken));
        }
    }

    /// Nobody took the call: the dial that waits goes on.
    fn redirect_failed(&mut self, now: Timestamp, cause: Cause) -> Doing {
        let Some(Redirect { mut dialling, route }) = self.redirects.waiting.pop() else { return Doing::AwaitStep };
        self.trace("redirect", format!("failed: {}", cause.as_str()));
        self.ledger.route = route;
        self.legs.say(Output::Redirect(RedirectNews::Failed));
        dialling.note_failure(cause, self.ledger.blame);
        self.ring_next(now, *dialling)
    }

    /// A restart forgot where the plan was on its way to: whoever redirected is rung again.
    pub(super) fn back_from_redirects(&mut self, doing: Doing) -> Doing {
        let Some(Redirect { mut dialling, route }) = std::mem::take(&mut self.redirects).waiting.into_iter().next() else {
            return doing;
        };
        self.ledger.route = route;
        dialling.again();
        Doing::Dial(dialling)
    }
}
