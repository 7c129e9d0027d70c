//! The toll guard at the edge: who pays for a leg through a trunk, and what becomes of one that is over its caps.

use tandem_switch::{
    cause::Cause,
    name::{Extension, TrunkName},
    toll::{Spender, TollCall, TollGuard, TollSpent},
};

use super::{SipEdge, SipEvent};
use crate::{metrics::METRICS, store::Record, wire::LegRef};

/// The guard, and for whom the next leg is made.
#[derive(Debug)]
pub(super) struct Toll {
    guard: TollGuard<LegRef>,
    payer: Option<(LegRef, Extension)>,
}

impl Toll {
    pub(super) fn new() -> Self {
        Self { guard: TollGuard::new(tandem_dialplan::Protect::default().toll), payer: None }
    }
}

impl SipEdge {
    /// A leg is about to be made for an extension.
    pub fn pays(&mut self, at: LegRef, extension: Extension) {
        self.toll.payer = Some((at, extension));
    }

    pub(super) fn set_toll(&mut self, plan: &tandem_dialplan::Plan) {
        self.toll.guard.set(plan.protect.toll.clone());
    }

    /// Whether a leg may be made through a trunk.
    pub(super) fn may_call(&mut self, at: LegRef, trunk: &TrunkName, abroad: bool) -> bool {
        let Toll { guard, payer } = &mut self.toll;
        let told = payer.as_ref().filter(|(of, _)| *of == at).map(|(_, extension)| extension.clone());
        // The next trunk of a group is tried for whom the first one was.
        let payer = told.or_else(|| guard.extension_of(&at).cloned());
        let begun = guard.begin(self.now.at, at, (payer.as_ref(), trunk), abroad);
        if let Err(cap) = begun {
            METRICS.toll_refusals.inc(cap.as_str());
        }
        self.toll_alarms();
        begun.is_ok()
    }

    pub(super) fn toll_answered(&mut self, at: LegRef) {
        self.toll.guard.answered(self.now.at, &at);
    }

    pub(super) fn toll_ended(&mut self, at: LegRef) {
        self.toll.guard.end(self.now.at, &at);
    }

    /// A leg is one of another call from now on.
    pub(super) fn toll_moved(&mut self, from: LegRef, to: LegRef) {
        self.toll.guard.rename(&from, to);
    }

    /// For whom a leg is counted, to be written down with it.
    pub(super) fn toll_of(&self, at: LegRef) -> Option<TollCall> {
        self.toll.guard.call(&at)
    }

    /// A leg of before a restart goes on.
    pub(super) fn toll_goes_on(&mut self, at: LegRef, kept: TollCall) {
        self.toll.guard.go_on(self.now.at, at, kept);
    }

    /// Puts back what was spent before a restart.
    pub fn restore_tolls(&mut self, spent: Vec<TollSpent>) {
        spent.into_iter().for_each(|spent| self.toll.guard.restore(spent));
    }

    /// Ends the calls that are over their caps, and has what was spent written down. To be asked now and then.
    pub fn toll_due(&mut self) {
        for at in self.toll.guard.tick(self.now.at) {
            METRICS.toll_refusals.inc("abroad-minutes");
            self.end(at, Cause::Forbidden);
            self.events.push_back(SipEvent::Ended { at, cause: Cause::Forbidden });
        }
        self.toll_alarms();
        let spent = self.toll.guard.changed(self.now.at);
        if !spent.is_empty() {
            self.events.push_back(SipEvent::Keep(Box::new(Record::TollSpent(spent))));
        }
    }

    fn toll_alarms(&mut self) {
        while let Some(alarm) = self.toll.guard.poll() {
            METRICS.toll_alarms.inc();
            let (kind, who) = match &alarm.who {
                Spender::Extension(extension) => ("extension", extension.as_str()),
                Spender::Trunk(trunk) => ("trunk", trunk.as_str()),
            };
            tracing::error!(who, cap = alarm.cap.as_str(), "toll fraud? an {kind} called outside as much as it may");
            self.events.push_back(SipEvent::Keep(Box::new(Record::TollAlarm(alarm))));
        }
    }
}
