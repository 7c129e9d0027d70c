//! Calls of the simulated switch that outlive it: written down when they are quiet, as `server/src/wire` does it, and
//! taken up by the next one.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use tandem_dialplan::{KeptRun, Plan, Run};
use tandem_signaling::endpoint::{KeptLeg, Moment};
use tandem_switch::{
    call::{Call, CallSettings, KeptCall, Restart},
    floor::{Conversation, GoingOn},
    id::{CallId, LegId},
    name::{AgentName, Extension},
    time::Timestamp,
};

use crate::{
    edge::{Edge, KeptSide, LegRef},
    line::{Line, LiveCall, LiveLeg},
};

/// So long nothing may have happened to a call, in µs.
const QUIET_US: i64 = 200_000;

/// What the store holds of calls, as text.
pub(crate) type Kept = BTreeMap<CallId, String>;

#[derive(Serialize)]
struct Written<'a> {
    call: &'a Call,
    run: KeptRun,
    legs: Vec<KeptLive>,
}

#[derive(Deserialize)]
struct Read {
    call: KeptCall,
    run: KeptRun,
    legs: Vec<KeptLive>,
}

#[derive(Serialize, Deserialize)]
struct KeptLive {
    leg: LegId,
    party: String,
    occupies: Option<Extension>,
    dialog: Option<(KeptLeg, KeptSide)>,
}

/// A call that is taken up, and what it still has to say.
pub(crate) struct Survivors {
    pub(crate) going_on: GoingOn,
    /// Calls whose caller is there.
    pub(crate) live: Vec<CallId>,
}

impl Line {
    /// Something happened to a call.
    pub(crate) fn touch(&mut self, call: CallId) {
        self.touched.insert(call, self.now);
    }

    /// Writes down the calls that are quiet.
    pub(crate) fn keep_calls(&mut self) {
        for call in self.edge.changed() {
            self.touched.entry(call).or_insert(self.now);
        }
        let now = self.now;
        let ripe: Vec<CallId> = self.touched.iter().filter(|(_, at)| now.0 - at.0 >= QUIET_US).map(|(call, _)| *call).collect();
        for call in ripe {
            self.touched.remove(&call);
            if let Some(live) = self.calls.get(&call) {
                let moment = moment(&self.now, self.edge.now);
                let text = written(live, &mut self.edge, moment);
                self.kept.insert(call, text);
            }
        }
    }

    /// Brings back what the last life kept. The calls have not said anything yet.
    pub(crate) fn bring_back(&mut self, kept: Kept, conversations: &[Conversation], stopped_at: Timestamp) -> Survivors {
        let mut survivors = Survivors { going_on: GoingOn::default(), live: Vec::new() };
        for text in kept.values() {
            let read: Read = serde_json::from_str(text).expect("what was kept can be read");
            self.bring_one_back(read, conversations, stopped_at, &mut survivors);
        }
        self.kept = kept;
        survivors
    }

    fn bring_one_back(&mut self, read: Read, conversations: &[Conversation], stopped_at: Timestamp, survivors: &mut Survivors) {
        let Read { call, run, legs } = read;
        let id = call.call();
        let up: Vec<LegId> = call.legs_up().collect();
        let mut back = Vec::new();
        let moment = moment(&self.now, self.edge.now);
        for kept in &legs {
            let at = LegRef { call: id, leg: kept.leg };
            if let Some((dialog, side)) = &kept.dialog
                && self.edge.bring_back(moment, at, dialog, side, up.contains(&kept.leg))
            {
                back.push(kept.leg);
            }
        }
        let gone: Vec<LegId> = up.into_iter().filter(|leg| !back.contains(leg)).collect();
        let talks = call.talks_about().filter(|(_, leg)| back.contains(leg));
        let conversation = talks.and_then(|(item, _)| conversations.iter().find(|it| it.item.item == item));
        let caller = call.caller();
        if back.contains(&caller) {
            survivors.live.push(id);
            survivors.going_on.waiting.extend(call.waits_as());
            survivors.going_on.talking.extend(conversation.cloned());
            for extension in legs.iter().filter(|kept| back.contains(&kept.leg)).filter_map(|kept| kept.occupies.as_ref()) {
                *survivors.going_on.legs.entry(AgentName::from(extension.as_str())).or_insert(0) += 1;
            }
        }
        let (plan, settings): (Arc<Plan>, Arc<CallSettings>) = (Arc::clone(&self.plan), Arc::clone(&self.settings));
        let run = Run::restore(Arc::clone(&plan), &run).unwrap_or_else(|| Run::lost(plan, &run));
        let (arrival, finished) = (call.arrival().clone(), talks.is_some() && conversation.is_none());
        let restart = Restart { stopped_at, settings, gone: &gone, finished, anew: false };
        let legs = legs.into_iter().filter(|kept| back.contains(&kept.leg));
        let legs = legs.map(|KeptLive { leg, party, occupies, .. }| LiveLeg { leg, party, occupies }).collect();
        let call = Call::take_up(self.now, call, restart, &mut self.ids);
        self.calls.insert(id, LiveCall::survived(arrival, call, run, legs));
    }

    /// Lets the calls that were brought back do what they want.
    pub(crate) fn go_on(&mut self) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.work(call, LiveCall::go_on);
            for at in self.legs_of(call) {
                self.edge.probe(at);
            }
        }
    }
}

fn written(live: &LiveCall, edge: &mut Edge, moment: Moment) -> String {
    let legs = live.legs.iter().map(|leg| KeptLive {
        leg: leg.leg,
        party: leg.party.clone(),
        occupies: leg.occupies.clone(),
        dialog: edge.keep_leg(moment, live.at(leg.leg)),
    });
    let legs = legs.collect();
    serde_json::to_string(&Written { call: &live.call, run: live.run.keep(), legs }).expect("a call can be written")
}

fn moment(now: &Timestamp, instant: std::time::Instant) -> Moment {
    Moment { instant, unix_ms: now.as_ms().cast_unsigned() }
}
