//! Calls that phones lead elsewhere: each way through the plan that comes of it, with the rights of who redirected.

use std::{collections::VecDeque, sync::Arc};

use tandem_dialplan::{CallFacts, Input as RunInput, Run};
use tandem_switch::{
    call::{Input, RedirectNews},
    cause::Cause,
    cdr::Origin,
    id::LegId,
    name::{Extension, PartyNumber},
    step::Target,
};

use super::LiveCall;
use crate::wire::edges::Edges;

/// A way through the plan to whom a phone named.
pub(super) struct Redirected {
    run: Box<Run>,
    by: Extension,
    why: Cause,
}

impl LiveCall {
    /// The way through the plan that has the call now.
    pub(super) fn active_run(&mut self) -> &mut Run {
        match (self.redirects.last_mut(), &mut self.transfer) {
            (Some(redirected), _) => &mut redirected.run,
            (None, Some((_, run))) => run,
            (None, None) => &mut self.run,
        }
    }

    /// A redirected call has a way of its own through the plan. When somebody takes it that way is the call's.
    pub(super) fn redirect_goes(&mut self, edges: &mut Edges, news: RedirectNews, inputs: &mut VecDeque<Input>) {
        match news {
            RedirectNews::Begun { by, to, why } => {
                let told = self.facts.told.clone();
                let before = self.active_run();
                let facts = CallFacts {
                    origin: Origin::Extension(by.clone()),
                    from: by.as_str().into(),
                    to,
                    language: Some(before.language().clone()),
                    overrides: Arc::clone(&edges.switches),
                };
                let mut run = Box::new(Run::new(Arc::clone(before.plan()), facts).told(told));
                run.handle(edges.now.at, RunInput::Start);
                self.redirects.push(Redirected { run, by, why });
                self.drain_run(edges, inputs);
            }
            RedirectNews::Taken => {
                if let Some(taken) = self.redirects.pop() {
                    self.redirects.clear();
                    *self.active_run() = *taken.run;
                }
            }
            RedirectNews::Failed => drop(self.redirects.pop()),
        }
    }

    /// A leg is about to be made: whom it comes to is told who redirected the call, the first one first, and why. Phones
    /// did before their numbers were called; `by_carrier` did then.
    pub(super) fn diverts(&self, edges: &mut Edges, leg: LegId, target: &Target, by_carrier: Vec<(PartyNumber, Cause)>) {
        let phones = self.redirects.iter().map(|redirected| (redirected.by.as_str().into(), redirected.why));
        let Target::Trunk { trunk, .. } = target else { return edges.sip.diverts(self.at(leg), phones.collect()) };
        let numbers = by_carrier.into_iter().map(|(number, why)| (edges.sip.written(trunk, &number), why));
        let all = phones.chain(numbers).collect();
        edges.sip.diverts(self.at(leg), all);
    }
}
