//! Replaces: which of our dialogs a header means, and who may take it over (RFC 3891 section 3).

use super::{
    Endpoint,
    contract::{InviteId, Source},
    invitation::{Invitation, Phase},
    server_transaction::Incoming,
    text::Token,
};
use crate::message::{Name, Replaces};

/// Why a dialog is not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotReplaced {
    Malformed,
    /// Not by this caller, or not this party.
    Forbidden,
    /// No such dialog, or one that waits for an answer of ours.
    Unknown,
    /// It is answered already, and only an early one is wanted.
    Answered,
    /// It has been ended.
    Ended,
}

impl NotReplaced {
    /// The status code for it.
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Forbidden => 403,
            Self::Unknown => 481,
            Self::Answered => 486,
            Self::Ended => 603,
        }
    }
}

impl Endpoint {
    /// The invitation whose place a new INVITE wants to take, if it says so.
    pub(super) fn replaced_by(&self, source: &Source, incoming: &Incoming<'_>) -> Result<Option<InviteId>, NotReplaced> {
        let message = incoming.message;
        let value = match message.header_lines(Name::Replaces).count() {
            0 => return Ok(None),
            1 => message.header(Name::Replaces).ok_or(NotReplaced::Malformed)?,
            _ => return Err(NotReplaced::Malformed),
        };
        let Source::Account(account) = source else { return Err(NotReplaced::Forbidden) };
        if !self.registrar.account(account).is_some_and(|account| account.rights.transfers) {
            return Err(NotReplaced::Forbidden);
        }
        let replaced = self.dialog_meant(value)?;
        if replaced.account.is_none() { Err(NotReplaced::Forbidden) } else { Ok(Some(replaced.id)) }
    }

    /// The other dialog of the same party that a REFER wants joined to the one it came in.
    pub(super) fn dialog_to_join(&self, invite: InviteId, value: &str) -> Result<InviteId, NotReplaced> {
        let party = self.invites.get(&invite).and_then(|invitation| invitation.account.as_ref());
        let other = self.dialog_meant(value)?;
        let own = other.id != invite && party.is_some() && other.account.as_ref() == party;
        if own { Ok(other.id) } else { Err(NotReplaced::Forbidden) }
    }

    /// The answered dialog that a Replaces header means.
    fn dialog_meant(&self, value: &str) -> Result<&Invitation, NotReplaced> {
        let replaces = Replaces::parse(value).ok_or(NotReplaced::Malformed)?;
        let tag = Token::read(replaces.to_tag).ok_or(NotReplaced::Unknown)?;
        let invitation = self.by_tag.get(&tag).and_then(|id| self.invites.get(id)).ok_or(NotReplaced::Unknown)?;
        let dialog = invitation.dialog.as_ref().ok_or(NotReplaced::Unknown)?;
        if !dialog.matches(replaces.from_tag, replaces.call_id) {
            return Err(NotReplaced::Unknown);
        }
        match invitation.phase {
            Phase::Up if replaces.early_only => Err(NotReplaced::Answered),
            Phase::Up => Ok(invitation),
            Phase::Leaving { .. } => Err(NotReplaced::Ended),
            // Early, and not begun by us.
            Phase::Ringing { .. } | Phase::Calling(_) => Err(NotReplaced::Unknown),
        }
    }
}
