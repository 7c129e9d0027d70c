//! What the last process left: its calls are brought back before the first message is read.
//!
//! Dialogs first, then audio on the ports that it had, then the call itself. A call whose caller is not back ends with
//! its record; one of which nothing can be read is left to the store, which closes it. Neither keeps the others from
//! going on, nor the process from starting.

use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tandem_media::contract::OpenError;
use tandem_switch::{
    cause::Cause,
    floor::{Conversation, GoingOn},
    id::{CallId, IdSource, ItemId, LegId},
    name::AgentName,
    time::Timestamp,
};

use super::{
    LegRef,
    calls::{FORM, KeptLiveCall, LiveCall, Revival},
    line::Service,
    media::MediaEdge,
    sip::{Back, SipEdge},
};
use crate::{clock::Now, store::KeptRow};

/// Where calls are brought back to.
pub struct Home<'a> {
    /// The present.
    pub now: Now,
    /// The last sign of life of the last process.
    pub stopped_at: Timestamp,
    /// The plan in service now.
    pub service: &'a Service,
    /// Signalling, set up.
    pub sip: &'a mut SipEdge,
    /// Audio.
    pub media: &'a mut MediaEdge,
    /// Items that wait, as the floor knows them.
    pub waiting: BTreeSet<ItemId>,
    /// Names of items and recordings.
    pub ids: &'a mut IdSource,
}

/// What goes on.
#[derive(Default)]
pub struct Survivors {
    /// The calls; those whose caller is lost are over, and only want their record.
    pub calls: Vec<LiveCall>,
    /// How many of them are over.
    pub lost: usize,
    /// What the floor is to be told of them.
    pub going_on: GoingOn,
}

impl Survivors {
    /// Which calls.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<CallId> {
        self.calls.iter().map(LiveCall::id).collect()
    }

    /// Items that agents go on talking about.
    #[must_use]
    pub fn talking(&self) -> BTreeSet<ItemId> {
        self.going_on.talking.iter().map(|it| it.item.item).collect()
    }
}

/// A kept call whose legs are back, as far as they could be.
struct Returned {
    kept: KeptLiveCall,
    back: Vec<LegId>,
    gone: Vec<LegId>,
}

/// Brings the calls back that the last process kept. `conversations` are those of the floor that were under way.
#[must_use]
pub fn bring_back(rows: Vec<KeptRow>, conversations: &[Conversation], home: &mut Home<'_>) -> Survivors {
    home.sip.set_up();
    let mut unsettled = Vec::new();
    // Ports first: nobody may be given one that another call wants back.
    let returned: Vec<Returned> = rows.into_iter().filter_map(|row| legs_back(&row, home, &mut unsettled)).collect();
    for at in unsettled {
        // Without audio it cannot be offered anything; the watch for silence finds it.
        if let Err(cause) = home.sip.offer_again(at, home.media) {
            tracing::warn!(call = %at.call, leg = at.leg.0, cause = cause.as_str(), "a leg is back without audio");
        }
    }
    let mut survivors = Survivors::default();
    for one in returned {
        revive(one, conversations, home, &mut survivors);
    }
    let talking = survivors.talking();
    let over = conversations.iter().filter(|it| it.item.work.channel.is_voice() && !talking.contains(&it.item.item));
    survivors.going_on.cut_off = over.map(|it| it.item.item).collect();
    survivors
}

/// Brings the legs of one call back. `None`: it cannot be read.
fn legs_back(row: &KeptRow, home: &mut Home<'_>, unsettled: &mut Vec<LegRef>) -> Option<Returned> {
    let call = row.call;
    if row.v != u64::from(FORM) {
        tracing::warn!(%call, form = row.v, "a call was kept in a form that this version does not read; it is closed");
        return None;
    }
    let mut kept: KeptLiveCall = match serde_json::from_str(&row.body) {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!(%call, %error, "what was kept of a call cannot be read; it is closed");
            return None;
        }
    };
    if kept.call.call() != call {
        tracing::warn!(%call, "what was kept of a call is of another one; it is closed");
        return None;
    }
    let up: Vec<LegId> = kept.call.legs_up().collect();
    let mut back = Vec::new();
    for at in 0..kept.legs.len() {
        let (leg, wanted) = (kept.legs[at].leg, up.contains(&kept.legs[at].leg));
        if catch_unwind(AssertUnwindSafe(|| leg_back(&mut kept, at, wanted, home, unsettled))).unwrap_or_default() {
            back.push(leg);
        }
    }
    let gone = up.into_iter().filter(|leg| !back.contains(leg)).collect();
    Some(Returned { kept, back, gone })
}

/// Brings one leg back; whether it is.
fn leg_back(kept: &mut KeptLiveCall, index: usize, wanted: bool, home: &mut Home<'_>, unsettled: &mut Vec<LegRef>) -> bool {
    let at = kept.at(kept.legs[index].leg);
    let Some(sip) = kept.legs[index].sip.take() else { return false };
    let back = match home.sip.bring_back(at, sip) {
        Ok(Some(back)) => back,
        Ok(None) => return false,
        Err(error) => {
            tracing::warn!(call = %at.call, leg = at.leg.0, %error, "a leg cannot be taken up again");
            return false;
        }
    };
    if !wanted {
        // The call knows nothing of its answer yet.
        home.sip.end(at, Cause::Restart);
        return false;
    }
    let audio = kept.legs[index].media.as_ref().map_or(Err(OpenError::Nonsense), |media| home.media.reopen(at, media));
    if let Err(error) = &audio {
        tracing::warn!(call = %at.call, leg = at.leg.0, %error, "the ports of a leg cannot be had again; it is offered others");
    }
    if audio.is_err() || back == Back::Unsettled {
        unsettled.push(at);
    }
    home.sip.heard_again(at, home.media);
    true
}

/// Makes a call of what is back.
fn revive(one: Returned, conversations: &[Conversation], home: &mut Home<'_>, survivors: &mut Survivors) {
    let Returned { mut kept, back, gone } = one;
    let call = kept.call.call();
    let talks = kept.call.talks_about().filter(|(_, leg)| back.contains(leg));
    let conversation = talks.and_then(|(item, _)| conversations.iter().find(|it| it.item.item == item));
    let is_lost = !back.contains(&kept.call.caller());
    let waits_as = kept.call.waits_as().filter(|item| home.waiting.contains(item));
    if waits_as.is_none() {
        kept.call.lost_its_place();
    }
    let occupied: Vec<AgentName> = kept
        .legs
        .iter()
        .filter(|leg| back.contains(&leg.leg))
        .filter_map(|leg| leg.occupies.as_ref().map(|extension| AgentName::from(extension.as_str())))
        .collect();
    let revival = Revival {
        service: home.service,
        stopped_at: home.stopped_at,
        gone: &gone,
        finished: talks.is_some() && conversation.is_none(),
    };
    let (now, ids) = (home.now.at, &mut *home.ids);
    let Ok(live) = catch_unwind(AssertUnwindSafe(|| LiveCall::revive(now, kept, &revival, ids))) else {
        tracing::error!(%call, "a fault in the taking up of a call; it is closed");
        for leg in back {
            let at = LegRef { call, leg };
            home.sip.end(at, Cause::Fault);
            home.media.close(at);
        }
        return;
    };
    if is_lost {
        survivors.lost += 1;
        tracing::warn!(%call, "the caller of a call cannot be brought back; it is closed");
    } else {
        survivors.going_on.waiting.extend(waits_as);
        survivors.going_on.talking.extend(conversation.cloned());
        for agent in occupied {
            *survivors.going_on.legs.entry(agent).or_insert(0) += 1;
        }
    }
    survivors.calls.push(live);
}
