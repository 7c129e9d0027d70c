//! The `supervise` step: the caller listens to an agent, and speaks to them or to both when a key says so.
//!
//! `1` monitors, `2` whispers, `3` barges in. A supervisor who holds us is heard by nobody meanwhile.

use serde::{Deserialize, Serialize};

use super::{Call, Doing, Input};
use crate::{name::AgentName, step::Supervision, time::Timestamp};

/// A caller who supervises.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Supervising {
    agent: AgentName,
    role: Supervision,
}

impl Call {
    pub(super) fn begin_supervise(&mut self, now: Timestamp, agent: AgentName, role: Supervision) -> Doing {
        self.typed.clear();
        self.answer_caller(now);
        self.supervise_again(Supervising { agent, role })
    }

    /// Takes the role, also as it was before a restart.
    pub(super) fn supervise_again(&mut self, supervising: Supervising) -> Doing {
        let caller = self.legs.caller();
        let role = if self.legs.holds(caller) { Supervision::Monitor } else { supervising.role };
        self.trace("supervise", role.as_str());
        self.legs.supervise(caller, supervising.agent.clone(), role);
        Doing::Supervise(supervising)
    }

    pub(super) fn supervising(&mut self, mut supervising: Supervising, input: &Input) -> Doing {
        match *input {
            Input::LegHeld { .. } => self.supervise_again(supervising),
            Input::Digit { digit, .. } => {
                self.typed.clear();
                let chosen = ['1', '2', '3'].iter().position(|key| *key == digit).map(|index| Supervision::ALL[index]);
                match chosen.filter(|role| *role != supervising.role) {
                    Some(role) => {
                        supervising.role = role;
                        self.supervise_again(supervising)
                    }
                    None => Doing::Supervise(supervising),
                }
            }
            _ => Doing::Supervise(supervising),
        }
    }
}
