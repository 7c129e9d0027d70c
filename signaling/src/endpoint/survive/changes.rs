//! Which invitations may have changed. All of them are in one table, and whoever takes one from it to change it puts
//! it on a list; whether it did change is only looked at when somebody wants to know.

use std::hash::BuildHasher as _;
use std::{collections::HashMap, hash::Hasher as _};

use crate::{
    endpoint::{
        Endpoint,
        contract::{Destination, InviteId},
        invitation::{Exchange, Invitation, Phase},
    },
    hashing::Seeded,
};

/// The list is swept when it is so much longer than twice the table.
const SLACK: usize = 64;

/// All invitations of an endpoint.
#[derive(Debug)]
pub(in crate::endpoint) struct Invitations {
    rows: HashMap<InviteId, Box<Invitation>, Seeded>,
    /// Those that may have changed, with some that are gone.
    touched: Vec<InviteId>,
}

impl Invitations {
    pub(in crate::endpoint) fn new(hasher: Seeded) -> Self {
        Self { rows: HashMap::with_hasher(hasher), touched: Vec::new() }
    }

    pub(in crate::endpoint) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(in crate::endpoint) fn contains_key(&self, invite: &InviteId) -> bool {
        self.rows.contains_key(invite)
    }

    pub(in crate::endpoint) fn get(&self, invite: &InviteId) -> Option<&Invitation> {
        self.rows.get(invite).map(|row| &**row)
    }

    /// One to be changed.
    pub(in crate::endpoint) fn get_mut(&mut self, invite: &InviteId) -> Option<&mut Invitation> {
        let row = self.rows.get_mut(invite)?;
        if !row.is_touched {
            row.is_touched = true;
            self.touched.push(*invite);
        }
        Some(row)
    }

    pub(in crate::endpoint) fn insert(&mut self, invite: InviteId, mut row: Box<Invitation>) {
        if self.touched.len() > 2 * self.rows.len() + SLACK {
            // Nobody wants to know: those that are gone make room.
            self.touched.retain(|touched| self.rows.contains_key(touched));
        }
        row.is_touched = true;
        self.touched.push(invite);
        self.rows.insert(invite, row);
    }

    pub(in crate::endpoint) fn remove(&mut self, invite: &InviteId) -> Option<Box<Invitation>> {
        self.rows.remove(invite)
    }

    pub(in crate::endpoint) fn values(&self) -> impl Iterator<Item = &Invitation> {
        self.rows.values().map(|row| &**row)
    }

    /// What is kept of it changed elsewhere.
    pub(in crate::endpoint) fn touch(&mut self, invite: InviteId) {
        let _touched = self.get_mut(&invite);
    }

    pub(super) fn pop_touched(&mut self) -> Option<InviteId> {
        while let Some(invite) = self.touched.pop() {
            if let Some(row) = self.rows.get_mut(&invite) {
                row.is_touched = false;
                return Some(invite);
            }
        }
        None
    }

    pub(super) fn note_kept(&mut self, invite: InviteId, mark: u64) {
        if let Some(row) = self.rows.get_mut(&invite) {
            row.kept = mark;
        }
    }
}

impl Endpoint {
    /// A number for all that would be kept of a leg; never 0. `None` when it is over.
    pub(super) fn mark_of(&self, invite: InviteId) -> Option<u64> {
        let invitation = self.invites.get(&invite)?;
        let mut mark = self.hasher.build_hasher();
        match &invitation.phase {
            Phase::Up => mark.write_u8(1),
            Phase::Ringing { .. } => mark.write_u8(2),
            Phase::Calling(calling) => {
                mark.write_u8(3);
                for fork in &calling.forks {
                    let row = self.clients.get(fork.client);
                    mark.write_u64(fork.local_tag);
                    mark.write_u64(row.map_or(0, |row| u64::from(row.used_cseq) << 1 | u64::from(row.is_heard())));
                }
            }
            Phase::Leaving { .. } => return None,
        }
        if let Some(dialog) = &invitation.dialog {
            mark.write_u32(dialog.local_cseq);
            mark.write_u32(dialog.remote_cseq.unwrap_or(u32::MAX));
            mark.write(dialog.target.as_bytes());
            mark.write_u8(u8::from(dialog.takes_update));
            write_way(&mut mark, &dialog.to);
            write_way(&mut mark, &Destination::Flow(dialog.flow));
        }
        mark.write(&invitation.described);
        mark.write_u8(u8::from(!matches!(invitation.exchange, Exchange::Nobody) || invitation.later.is_some()));
        mark.write_u32(invitation.unacked.as_ref().map_or(0, |unacked| unacked.cseq.max(1)));
        if let Some(session) = &invitation.session {
            mark.write_u32(session.interval_s);
            mark.write_u64(session.at);
            mark.write_u8(u8::from(session.is_ours));
        }
        let referral = self.referrals.get(&invite).is_some_and(|referral| referral.is_undecided());
        mark.write_u8(u8::from(referral) << 1 | u8::from(invitation.was_referred));
        Some(mark.finish().max(1))
    }
}

fn write_way(mark: &mut impl std::hash::Hasher, to: &Destination) {
    use std::hash::Hash as _;
    to.hash(mark);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::negotiation::Negotiation;

    #[test]
    fn what_nobody_asks_for_does_not_pile_up() {
        let mut invites = Invitations::new(Seeded::new(1, 2));
        let row = |invite| Box::new(Invitation::new(invite, Phase::Up, Negotiation::Agreed));
        invites.insert(InviteId(0), row(InviteId(0)));
        for number in 1..10_000 {
            let invite = InviteId(number);
            invites.insert(invite, row(invite));
            invites.touch(invite);
            invites.remove(&invite);
        }
        assert!(invites.touched.len() <= SLACK + 4, "{}", invites.touched.len());
        assert_eq!((invites.pop_touched(), invites.pop_touched()), (Some(InviteId(0)), None), "each once");
        invites.touch(InviteId(0));
        assert_eq!(invites.pop_touched(), Some(InviteId(0)));
    }
}
