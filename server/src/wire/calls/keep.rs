//! A live call as it is written down, and as the next process goes on with it.
//!
//! It is written behind: a call that changes waits until it is quiet, so one that is over soon is never written, and
//! what is written is a call between two inputs, with core, plan, signalling and audio at the same moment.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tandem_dialplan::{KeptRun, Run};
use tandem_media::contract::KeptMedia;
use tandem_switch::{
    call::{Call, KeptCall, Restart},
    id::{IdSource, LegId},
    identity::CallerIdentity,
    name::Extension,
    time::Timestamp,
};

use super::{Facts, KeptFork, LiveCall, LiveLeg};
use crate::wire::{LegRef, audio::CallAudio, edges::Edges, lamps::Device, line::Service, sip::KeptSip, trial::Picked};

/// The form of what is written. What was written in another one is not read.
pub const FORM: u32 = 1;
/// So long nothing may have happened to a call that was never kept: most that are over soon are never written.
const QUIET: Duration = Duration::from_millis(200);
/// The same for one that was kept before, or that stands in line, so that its place has a caller: it is not one of
/// those, and what changes is written as soon as it is settled.
const SETTLED: Duration = Duration::from_millis(20);
/// A call that is never quiet is kept so often.
const RESTLESS: Duration = Duration::from_secs(1);

/// What is known of the keeping of a call.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// When something first happened since it was kept, and last.
    touched: Option<(Instant, Instant)>,
    /// There is something of it in the store.
    pub(super) was_kept: bool,
}

impl Keeping {
    fn is_ripe(&self, now: Instant, has_item: bool) -> bool {
        let since = |at| now.saturating_duration_since(at);
        let quiet = if self.was_kept || has_item { SETTLED } else { QUIET };
        self.touched.is_some_and(|(first, last)| since(last) >= quiet || since(first) >= RESTLESS)
    }
}

/// A call as it is written.
#[derive(Serialize)]
struct Written<'a> {
    call: &'a Call,
    run: KeptRun,
    display: &'a str,
    identity: Option<CallerIdentity>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    told: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fork: Option<KeptFork>,
    legs: Vec<WrittenLeg<'a>>,
}

#[derive(Serialize)]
struct WrittenLeg<'a> {
    leg: LegId,
    occupies: Option<&'a Extension>,
    device: Option<&'a Device>,
    sip: Option<KeptSip>,
    media: Option<KeptMedia>,
}

/// The same as it is read.
#[derive(Debug, Deserialize)]
pub struct KeptLiveCall {
    /// Its core.
    pub call: KeptCall,
    run: KeptRun,
    display: String,
    identity: Option<CallerIdentity>,
    #[serde(default)]
    told: BTreeMap<String, String>,
    /// The program that hears it.
    #[serde(default)]
    fork: Option<KeptFork>,
    /// Its legs, up or not.
    pub legs: Vec<KeptLiveLeg>,
}

/// A leg of a kept call.
#[derive(Debug, Deserialize)]
pub struct KeptLiveLeg {
    /// Which.
    pub leg: LegId,
    /// The extension whose device it occupies outside of offers.
    pub occupies: Option<Extension>,
    device: Option<Device>,
    /// Its signalling.
    pub sip: Option<KeptSip>,
    /// Its audio.
    pub media: Option<KeptMedia>,
}

/// What a restart means to a call that is taken up.
pub struct Revival<'a> {
    /// The plan in service now.
    pub service: &'a Service,
    /// The last sign of life of the process before.
    pub stopped_at: Timestamp,
    /// Legs that were up and are not back.
    pub gone: &'a [LegId],
    /// The floor knows its conversation as over.
    pub finished: bool,
}

impl LiveCall {
    /// Something happened. `true` when nothing had since it was kept.
    pub fn touch(&mut self, now: Instant) -> bool {
        let first = self.keeping.touched.map_or(now, |(first, _)| first);
        self.keeping.touched.replace((first, now)).is_none()
    }

    /// Whether it is time to keep it.
    #[must_use]
    pub fn is_ripe(&self, now: Instant) -> bool {
        self.keeping.is_ripe(now, self.item.is_some())
    }

    /// Writes down what another process needs to go on with it. `false`: there is no room for that now.
    pub fn keep(&mut self, edges: &mut Edges) -> bool {
        let legs = self.legs.iter().map(|live| {
            let at = self.at(live.leg);
            WrittenLeg {
                leg: live.leg,
                occupies: live.occupies.as_ref(),
                device: live.device.as_ref(),
                sip: edges.sip.keep_leg(at),
                media: edges.media.keep(at),
            }
        });
        let legs = legs.collect();
        let Facts { call, display, identity, told, .. } = &self.facts;
        let written =
            Written { call: &self.call, run: self.run.keep(), display, identity: *identity, told, fork: self.kept_fork(), legs };
        let body = match serde_json::to_string(&written) {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%call, %error, "a call cannot be written down");
                self.keeping.touched = None;
                return true;
            }
        };
        let is_new_in_line = self.item.is_some() && !self.keeping.was_kept;
        let is_kept = edges.ledger.keep_call(*call, FORM, body, (edges.now.at, is_new_in_line));
        if is_kept {
            self.keeping = Keeping { touched: None, was_kept: true };
        }
        is_kept
    }

    /// A call of the last process, as far as its legs are back. What it wants is done by [`LiveCall::go_on`].
    #[must_use]
    pub fn revive(now: Timestamp, kept: KeptLiveCall, revival: &Revival<'_>, ids: &mut IdSource) -> Self {
        let KeptLiveCall { call, run, display, identity, told, fork, legs } = kept;
        let Picked { plan, settings, .. } = revival.service.of(call.arrival().generation);
        let (plan, settings) = (Arc::clone(plan), Arc::clone(settings));
        let found = Run::restore(Arc::clone(&plan), &run);
        let anew = found.is_none();
        let run = found.unwrap_or_else(|| Run::lost(plan, &run));
        let arrival = call.arrival().clone();
        let item = call.waits_as().or_else(|| call.talks_about().map(|(item, _)| item));
        let up: Vec<LegId> = call.legs_up().filter(|leg| !revival.gone.contains(leg)).collect();
        let restart = Restart { stopped_at: revival.stopped_at, settings, gone: revival.gone, finished: revival.finished, anew };
        let call = Call::take_up(now, call, restart, ids);
        let legs = legs.into_iter().filter(|kept| up.contains(&kept.leg));
        let facts = Facts {
            call: arrival.call,
            origin: arrival.origin,
            from: arrival.from,
            to: arrival.to,
            display,
            identity,
            told,
            generation: arrival.generation,
            started_at: call.view().started_at,
            restarts: call.restarts(),
        };
        Self {
            facts,
            call,
            run,
            transfer: None,
            redirects: Vec::new(),
            legs: legs.map(|KeptLiveLeg { leg, occupies, device, .. }| LiveLeg { leg, occupies, device }).collect(),
            item,
            recording: None,
            room: None,
            programs: super::programs::Programs::of_before(fork),
            step_failed: false,
            unmeasured: 0,
            audio: CallAudio::default(),
            over: None,
            keeping: Keeping { touched: None, was_kept: true },
            timer: None,
        }
    }

    /// Does what the call wants after it was taken up.
    pub fn go_on(&mut self, edges: &mut Edges) {
        for (extension, leg) in self.legs.iter().filter_map(|live| Some((live.occupies.as_ref()?, live.leg))) {
            edges.devices.occupy(extension, self.at(leg), &mut edges.floor);
        }
        let mut inputs = VecDeque::new();
        if self.hide_payer(edges).is_some() {
            inputs.push_back(tandem_switch::call::Input::Hangup { cause: tandem_switch::cause::Cause::Fault });
        }
        while let Some(output) = self.call.poll() {
            self.carry_out(edges, output, &mut inputs);
        }
        self.fork_again(edges);
        self.work_off(edges, inputs);
    }

    /// Its legs, as all edges name them.
    pub fn legs(&self) -> impl Iterator<Item = LegRef> {
        self.legs.iter().map(|live| self.at(live.leg))
    }

    /// Which call it is.
    #[must_use]
    pub const fn id(&self) -> tandem_switch::id::CallId {
        self.facts.call
    }
}

impl KeptLiveCall {
    /// One leg of it, as all edges name it.
    #[must_use]
    pub const fn at(&self, leg: LegId) -> LegRef {
        LegRef { call: self.call.call(), leg }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_call_is_kept_when_it_lasts_and_a_kept_one_as_soon_as_its_change_is_settled() {
        #[expect(clippy::disallowed_methods, reason = "some first instant; nothing depends on which")]
        let start = Instant::now();
        let ripe = |was_kept, has_item, touched: &[u64]| {
            let at = |ms| start + Duration::from_millis(ms);
            let last = touched[touched.len() - 1];
            let keeping = Keeping { touched: Some((at(touched[0]), at(last))), was_kept };
            (last..3_000).find(|ms| keeping.is_ripe(at(*ms), has_item))
        };
        let ripe_after = |was_kept, touched: &[u64]| ripe(was_kept, false, touched);
        assert_eq!(ripe_after(false, &[0]), Some(200));
        assert_eq!(ripe(false, true, &[0]), Some(20), "who stands in line");
        assert_eq!(ripe_after(true, &[0]), Some(20));
        assert_eq!(ripe_after(true, &[0, 15]), Some(35), "what follows at once goes with it");
        assert_eq!(ripe_after(false, &[0, 900]), Some(1_000), "never quiet");
        assert!(!Keeping { touched: None, was_kept: true }.is_ripe(start, true));
    }
}
