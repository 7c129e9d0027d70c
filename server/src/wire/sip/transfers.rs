//! Transfers, between SIP and the calls: who asks for what, and what they are told.

use tandem_signaling::endpoint::{Command, InviteId, Source, TransferTo};
use tandem_switch::{call::TransferNews, cdr::Origin, name::Extension};

use super::{SipEdge, SipEvent, arriving::number, causes};
use crate::wire::LegRef;

/// A transfer that a leg asked for.
pub(super) struct Asked {
    invite: InviteId,
    /// The call has taken it up, and will say how it ends.
    has_begun: bool,
}

impl SipEdge {
    pub(super) fn transferred(&mut self, invite: InviteId, by: Source, to: TransferTo) {
        let at = self.invites.get(&invite).copied();
        let by = match by {
            Source::Account(user) => Origin::Extension(user.as_ref().into()),
            Source::Trunk(name) => Origin::Trunk(name.as_ref().into()),
        };
        let wish = at.and_then(|at| match to {
            TransferTo::Number(user) => {
                let to = number(&user);
                (!to.as_str().is_empty()).then_some(SipEvent::Transferred { at, by, to })
            }
            TransferTo::Invitation(other) => {
                let with = self.invites.get(&other).copied()?;
                Some(SipEvent::Joined { at, by, with })
            }
        });
        let Some((at, wish)) = at.zip(wish) else {
            return self.command(Command::TransferProgress { invite, code: 480 });
        };
        self.transfers.insert(at, Asked { invite, has_begun: false });
        self.events.push_back(wish);
    }

    /// Tells whoever asked for a transfer how it goes.
    pub fn transfer_goes(&mut self, at: LegRef, news: &TransferNews) {
        let Some(asked) = self.transfers.get_mut(&at) else { return };
        let invite = asked.invite;
        let code = match news {
            TransferNews::Begun { .. } => {
                asked.has_begun = true;
                return;
            }
            TransferNews::Rings => 180,
            TransferNews::Taken => 200,
            TransferNews::Refused => 480,
            TransferNews::Failed(cause) => match causes::to_code(*cause).0 {
                // "Normal" is no reason why somebody did not answer.
                ..300 => 480,
                code => code,
            },
        };
        if code >= 200 {
            self.transfers.remove(&at);
        }
        self.command(Command::TransferProgress { invite, code });
    }

    /// A leg is about to be made for a transfer that an extension asked for.
    pub fn refers(&mut self, at: LegRef, by: Extension) {
        self.referring = Some((at, by));
    }

    /// Who asked for the transfer that a leg is made for.
    pub(super) fn referrer(&mut self, at: LegRef) -> Option<Extension> {
        match self.legs.get(&at) {
            // The next trunk of a group is told what the first one was.
            Some(leg) => leg.referred_by.clone(),
            None => self.referring.take_if(|(of, _)| *of == at).map(|(_, by)| by),
        }
    }

    /// A leg is gone. A transfer that has not begun never will.
    pub(super) fn forget_transfer(&mut self, at: LegRef) {
        if let Some(asked) = self.transfers.get(&at).filter(|asked| !asked.has_begun) {
            let invite = asked.invite;
            self.transfers.remove(&at);
            self.command(Command::TransferProgress { invite, code: 480 });
        }
    }
}
