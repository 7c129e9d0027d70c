//! Legs that outlive the process: what is written down of each, and how the next process takes it up.

use serde::{Deserialize, Serialize};
use tandem_signaling::endpoint::{Command, KeptLeg, Moment, NotRestored, Restored};
use tandem_switch::{cause::Cause, id::CallId, toll::TollCall};

use super::{SipEdge, SipLeg};
use crate::{
    clock::Now,
    wire::{LegRef, media::MediaEdge},
};

/// What is written down of a leg: its dialog, and our side of its session if it can go on.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptSip {
    dialog: KeptLeg,
    session: Option<Box<SipLeg>>,
    /// For whom it is counted, when it goes by a trunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    toll: Option<TollCall>,
}

/// A leg that is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// It goes on.
    Up,
    /// The same, but it needs a new offer: nobody knows which description counts, or its keys were the last process's.
    Unsettled,
}

impl SipEdge {
    /// What another process needs to go on with a leg, or to end it.
    pub fn keep_leg(&mut self, at: LegRef) -> Option<KeptSip> {
        let invite = self.legs.get(&at)?.invite;
        let dialog = self.endpoint.keep(moment(self.now), invite)?;
        let session = self.legs.get(&at).filter(|_| dialog.is_up()).map(|leg| Box::new(leg.clone()));
        Some(KeptSip { dialog, session, toll: self.toll_of(at) })
    }

    /// The next call of which a leg is not as it was kept last.
    pub fn next_changed(&mut self) -> Option<CallId> {
        std::iter::from_fn(|| self.endpoint.next_changed()).find_map(|invite| self.invites.get(&invite).map(|at| at.call))
    }

    /// Asks the other side of a leg that is back whether it still knows it.
    pub fn probe(&mut self, at: LegRef) {
        if let Some(invite) = self.legs.get(&at).map(|leg| leg.invite) {
            self.endpoint.probe(self.now.instant, invite);
        }
    }

    /// Works off what the endpoint was told before the first message: accounts, trunks, registrations.
    pub fn set_up(&mut self) {
        while let Some(input) = self.inputs.pop_front() {
            self.hand_over(input);
        }
    }

    /// Takes up a leg of the last process. `None`: it was not answered, and is ended in good order.
    ///
    /// # Errors
    /// Why it cannot be; nothing is left of it here.
    pub fn bring_back(&mut self, at: LegRef, kept: KeptSip) -> Result<Option<Back>, NotRestored> {
        let KeptSip { dialog, session, toll } = kept;
        match (self.endpoint.restore(moment(self.now), &dialog)?, session) {
            (Restored::Up { invite, needs_offer }, Some(mut leg)) => {
                leg.invite = invite;
                leg.keys.renew(&mut self.keys);
                let wants_keys = leg.wants_keys();
                self.legs.insert(at, *leg);
                self.invites.insert(invite, at);
                if let Some(toll) = toll {
                    self.toll_goes_on(at, toll);
                }
                Ok(Some(if needs_offer || wants_keys { Back::Unsettled } else { Back::Up }))
            }
            (Restored::Up { invite, .. }, None) => {
                self.command(Command::End { invite, code: 500, reason: String::new() });
                Err(NotRestored::Nonsense("session"))
            }
            (Restored::Ended, _) => Ok(None),
        }
    }

    /// The audio of a leg that is back is there: silence counts again.
    pub fn heard_again(&mut self, at: LegRef, media: &mut MediaEdge) {
        if let Some(leg) = self.legs.get_mut(&at) {
            leg.up(at, media);
        }
    }

    /// Offers anew what the leg's audio is: it moved, or it is not certain what was agreed.
    ///
    /// # Errors
    /// There is no audio for it.
    pub fn offer_again(&mut self, at: LegRef, media: &mut MediaEdge) -> Result<(), Cause> {
        let leg = self.legs.get_mut(&at).ok_or(Cause::Fault)?;
        let sdp = leg.offer_again(at, &self.settings, media)?;
        let invite = leg.invite;
        self.command(Command::Reoffer { invite, sdp });
        Ok(())
    }
}

fn moment(now: Now) -> Moment {
    Moment { instant: now.instant, unix_ms: now.at.as_ms().max(0).cast_unsigned() }
}
