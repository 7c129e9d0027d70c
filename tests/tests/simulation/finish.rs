//! The whole run of a world: its calls, their end, and what must be left then: nothing.

use tandem_signaling::endpoint::{Command, Input};
use tandem_switch::cdr::{Cdr, SegmentState};

use crate::{
    Totals,
    net::GOOD,
    station::{SIXTY_FOUR_T1_MS, link},
    world::{Failure, Outcome, SWITCH, World},
};

/// When nobody calls any more, everything is over after so long, in ms: the longest patience, the grace of
/// a restart, and some transactions one after the other.
const LAST_CALLS_MS: u64 = 180_000;
/// And every transaction after so long. The longest way out is that of an INVITE which was given up: it waits for
/// a provisional reply (timer B), after its CANCEL for a final one (RFC 3261 section 9.1), then for more of those
/// (timer D).
const SETTLE_MS: u64 = 3 * SIXTY_FOUR_T1_MS + 5_000;

impl World {
    pub(crate) fn live(&mut self) -> Outcome {
        while self.totals.calls < self.shape.calls {
            self.run_until(self.now + 1_000)?;
        }
        self.closing = true;
        self.come_to_rest()?;
        self.net.faults = GOOD;
        self.coda()?;
        self.come_to_rest()?;
        self.totals.simulated_ms = self.now;
        self.totals.sent = self.net.sent;
        self.totals.lost = self.net.lost;
        self.totals.offers = self.watch.offered;
        self.totals.rejoined = self.watch.rejoined;
        self.totals.steps = self.steps;
        let Totals { calls, records, cut, .. } = self.totals;
        if calls != records + cut {
            return Err(Failure::of_all(format!("{calls} calls, {records} records and {cut} that a restart cut off")));
        }
        Ok(())
    }

    /// Everybody hangs up sooner or later; then nothing is left anywhere.
    fn come_to_rest(&mut self) -> Outcome {
        let until = self.now + LAST_CALLS_MS;
        while self.is_busy() && self.now < until {
            self.run_until(self.now + 500)?;
        }
        for phone in 0..self.phones.len() {
            let trunk = link("switch", SWITCH, self.phones[phone].owner.as_deref(), false);
            self.run_phone(phone, Input::Command(Command::SetTrunks(vec![trunk])));
        }
        self.run_until(self.now + SETTLE_MS)?;
        let line = self.line.left_over().or_else(|| self.line.edge.station.left_over()).or_else(|| self.watch.left_over());
        let left = line.or_else(|| self.phones.iter().find_map(crate::people::Phone::left_over));
        let left = left.or_else(|| (!self.floor.items(self.timestamp()).is_empty()).then(|| "items on the floor".to_owned()));
        if let Some(left) = left {
            let whom = self.line.callers().map(|(_, number)| number.as_str().to_owned()).take(1).collect();
            return Err(Failure { what: format!("left over at the end: {left}"), whom });
        }
        self.floor.check_invariants(self.timestamp()).map_err(Failure::of_all)?;
        self.check_fold()
    }

    fn is_busy(&self) -> bool {
        let phones = self.phones.iter().any(|phone| !phone.is_on || phone.station.invites() > 0);
        !self.is_up() || self.line.calls() > 0 || self.line.edge.station.invites() > 0 || phones || !self.watch.kept.is_empty()
    }

    /// On a good wire, with everybody at their best, calls go through: nothing was used up by what was before.
    fn coda(&mut self) -> Outcome {
        self.polite = true;
        self.all_ready()?;
        let before = self.totals.answered;
        let dialled = ["4000", "4100", "5000"];
        for (n, dials) in dialled.into_iter().enumerate() {
            self.call(0, &format!("c-last-{n}"), dials);
            self.run_until(self.now + 20_000)?;
        }
        let answered = self.totals.answered - before;
        if answered != dialled.len() as u64 {
            let what = format!("after all, {answered} of {} good calls were answered", dialled.len());
            return Err(Failure { what, whom: (0..dialled.len()).map(|n| format!("c-last-{n}")).collect() });
        }
        Ok(())
    }
}

impl Totals {
    /// A record was written.
    pub(crate) fn ended(&mut self, cdr: &Cdr) {
        let waited = cdr.segments.iter().any(|segment| segment.state == SegmentState::Queued);
        self.records += 1;
        self.answered += u64::from(cdr.connected_at.is_some());
        self.queued += u64::from(cdr.queue.is_some());
        let gave_up = cdr.blame == tandem_switch::cause::Blame::Caller;
        self.abandoned += u64::from(waited && cdr.agent.is_none() && gave_up);
    }
}
