//! What watchers may see of extensions and agents, in the endpoint's words (RFC 4235, RFC 3842, RFC 3863).

use tandem_signaling::endpoint::{
    Availability, Command, DialogDirection, DialogStage, MessageSummary, Presence, RemoteParty, ResourceState, WatchedDialog,
};
use tandem_switch::{
    call::LegStage,
    floor::AgentState,
    name::{AgentName, Extension},
};

use super::SipEdge;
use crate::wire::{LegRef, lamps::Lamp};

impl SipEdge {
    /// Shows what the devices of an extension are doing: all of it.
    pub fn show_lamps(&mut self, extension: &Extension, lamps: &[Lamp]) {
        let state = ResourceState::Dialogs(lamps.iter().map(dialog).collect());
        self.command(Command::Publish { user: extension.as_str().into(), state });
    }

    /// Shows how many messages wait for an extension.
    pub fn show_messages(&mut self, extension: &Extension, new: u32, old: u32) {
        let state = ResourceState::Messages(MessageSummary { new, old });
        self.command(Command::Publish { user: extension.as_str().into(), state });
    }

    /// Whether the party of a leg does not want to be shown to others.
    #[must_use]
    pub fn is_withheld(&self, at: LegRef) -> bool {
        self.legs.get(&at).is_some_and(|leg| leg.is_withheld)
    }

    /// Shows whether an agent can be had.
    pub fn show_agent(&mut self, agent: &AgentName, state: &AgentState) {
        self.gate.set_on_duty(agent.as_str(), *state != AgentState::Offline);
        let state = ResourceState::Presence(presence(state));
        self.command(Command::Publish { user: agent.as_str().into(), state });
    }
}

fn dialog(lamp: &Lamp) -> WatchedDialog {
    let remote = RemoteParty { user: lamp.remote.as_str().to_owned(), display: lamp.display.clone() };
    WatchedDialog {
        id: format!("{}-{}", lamp.at.call, lamp.at.leg.0),
        direction: if lamp.calls { DialogDirection::Initiator } else { DialogDirection::Recipient },
        stage: match lamp.stage {
            LegStage::Invited => DialogStage::Trying,
            LegStage::Ringing | LegStage::EarlyMedia => DialogStage::Early,
            LegStage::Up => DialogStage::Confirmed,
        },
        remote: Some(remote).filter(|remote| !remote.user.is_empty()),
    }
}

fn presence(state: &AgentState) -> Presence {
    let (availability, note) = match state {
        AgentState::Offline => (Availability::Offline, ""),
        AgentState::Ready => (Availability::Available, ""),
        AgentState::Reserved { .. } => (Availability::Busy, "ringing"),
        AgentState::Engaged { .. } => (Availability::Busy, "in conversation"),
        AgentState::WrapUp { .. } => (Availability::Busy, "wrap-up"),
        AgentState::NotReady { reason } => (Availability::Away, reason.as_str()),
    };
    Presence { availability, note: note.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_who_takes_no_calls_is_away_for_their_reason() {
        let said = |state| {
            let Presence { availability, note } = presence(&state);
            (availability, note)
        };
        assert_eq!(said(AgentState::NotReady { reason: "lunch".to_owned() }), (Availability::Away, "lunch".to_owned()));
        assert_eq!(said(AgentState::Engaged { item: None }).0, Availability::Busy);
        assert_eq!(said(AgentState::Ready), (Availability::Available, String::new()));
        assert_eq!(said(AgentState::Offline), (Availability::Offline, String::new()));
    }
}
