//! Phones of the script that forward: each way through the plan that comes of it, with the rights of who forwards, as the
//! server has it.

use std::sync::Arc;

use tandem_switch::{
    call::{Input, RedirectNews},
    cause::Cause,
    cdr::Origin,
    id::LegId,
    name::{Extension, PartyNumber},
};

use super::stage::Stage;
use crate::run::{CallFacts, Input as RunInput, Run};

impl Stage<'_> {
    /// The way through the plan that has the call now.
    pub(super) fn active_run(&mut self) -> &mut Run {
        match self.redirects.last_mut() {
            Some(redirected) => redirected,
            None => &mut self.run,
        }
    }

    /// A phone names somebody else. Whose plan does not let it, refuses.
    pub(super) fn forwards(&self, leg: LegId, by: Extension, to: PartyNumber) -> Input {
        if self.plan.may_redirect(&by) {
            Input::LegRedirected { leg, by: Origin::Extension(by), to: vec![to], why: Cause::Redirected }
        } else {
            Input::LegFailed { leg, cause: Cause::Redirected }
        }
    }

    pub(super) fn redirect_goes(&mut self, news: RedirectNews) {
        match news {
            RedirectNews::Begun { by, to, .. } => {
                let facts = CallFacts {
                    origin: Origin::Extension(by.clone()),
                    from: by.as_str().into(),
                    to,
                    language: Some(self.active_run().language().clone()),
                    overrides: Arc::clone(&self.script.overrides),
                };
                let mut run = Run::new(Arc::clone(self.plan), facts).with_trail();
                run.handle(self.now, RunInput::Start);
                self.redirects.push(run);
                self.drain_run();
            }
            RedirectNews::Taken => {
                if let Some(taken) = self.redirects.pop() {
                    let before = std::mem::replace(&mut self.run, taken);
                    let waited = std::mem::take(&mut self.redirects);
                    [before].into_iter().chain(waited).for_each(|mut run| self.trail.merge(&run.take_trail()));
                }
            }
            RedirectNews::Failed => {
                if let Some(mut failed) = self.redirects.pop() {
                    self.trail.merge(&failed.take_trail());
                }
            }
        }
    }

    /// Where all of them got to.
    pub(super) fn trails(&mut self) -> crate::trail::Trail {
        let mut trail = std::mem::take(&mut self.trail);
        [&mut self.run].into_iter().chain(&mut self.redirects).for_each(|run| trail.merge(&run.take_trail()));
        trail
    }
}
