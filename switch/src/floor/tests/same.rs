//! Whether the journal folded knows what the floor knows.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    floor::{AgentState, Restored, WaitingItem},
    id::ItemId,
    name::AgentName,
};

/// The journal folded knows what the floor knows. Agents who are off duty may have left the floor; of
/// those who left and came again the journal also knows when they worked before.
pub(super) fn assert_same(folded: &Restored, live: &Restored, came_again: &BTreeSet<AgentName>) {
    let waiting = |restored: &Restored| -> BTreeMap<ItemId, WaitingItem> {
        restored.waiting.iter().map(|item| (item.item, item.clone())).collect()
    };
    assert_eq!(waiting(folded), waiting(live));
    let on_duty = |restored: &Restored| -> Vec<_> {
        let mut agents = restored.agents.clone();
        agents.retain(|agent| agent.state != AgentState::Offline);
        for agent in agents.iter_mut().filter(|agent| came_again.contains(&agent.agent)) {
            agent.idle_since_at = None;
        }
        agents
    };
    assert_eq!(on_duty(folded), on_duty(live));
    let mut offers = folded.offers.clone();
    offers.sort_by_key(|offer| offer.offer);
    assert_eq!(offers, live.offers);
}
