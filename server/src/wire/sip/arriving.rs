//! Calls that arrive: who calls as far as it is believed, whom, and what a signed caller id does to that.

use std::{collections::BTreeMap, sync::Arc};

use tandem_signaling::endpoint::{Command, InviteId, Invited, Source};
use tandem_switch::{
    cdr::Origin,
    name::{PartyNumber, TrunkName},
};

use super::{
    Arrived, InviteRef, Judged, MAX_NAME_CHARS, SipEdge, SipEvent, SipLeg, WITHHELD,
    identity::{self, Standing},
    keys::LegKeys,
};
use crate::metrics::METRICS;

impl SipEdge {
    pub(super) fn invited(&mut self, mut invited: Invited) {
        let (invite, flow, max_forwards) = (invited.invite, invited.flow, invited.max_forwards);
        let replaces = match invited.replaces {
            Some(replaced) => match self.invites.get(&replaced) {
                Some(at) => Some(*at),
                // Being set up, or gone: as a call of its own it would be somebody else's.
                None => return self.command(Command::Reject { invite, code: 481, reason: String::new(), retry_after_s: None }),
            },
            None => None,
        };
        let trunk: Option<TrunkName> = match &invited.source {
            Source::Trunk(name) => Some(name.as_ref().into()),
            Source::Account(account) => {
                self.proved(&flow, account);
                None
            }
        };
        let codecs = self.settings.codecs_of(trunk.as_ref());
        let (rule, extension) = match &invited.source {
            Source::Trunk(name) => (self.settings.keys_of_trunk(&name.as_ref().into()), None),
            Source::Account(account) => (self.settings.keys_of_extension(account), Some(Arc::clone(account))),
        };
        let keys = LegKeys::new(rule, &mut self.keys);
        let mut leg = match SipLeg::incoming(invite, flow.remote.ip(), invited.sdp.as_deref(), codecs, keys) {
            Ok(leg) => leg,
            Err((code, reason)) => {
                return self.command(Command::Reject { invite, code, reason, retry_after_s: None });
            }
        };
        leg.max_forwards = Some(max_forwards);
        leg.from_trunk = trunk.is_some();
        self.settings.dress(&mut leg, trunk.as_ref(), extension.as_deref());
        leg.is_withheld = invited.party.is_withheld;
        leg.diverted_by = std::mem::take(&mut invited.party.diverted_by);
        self.arrived.insert(invite, leg);
        let dialled = self.settings.dialled(trunk.as_ref(), &invited.request_user, &invited.to_user);
        let mut arrived = Box::new(Arrived { replaces, ..arrived(&invited, dialled) });
        if let Some(trunk) = &trunk {
            arrived.from = self.settings.read_number(trunk, arrived.from);
            arrived.to = self.settings.read_number(trunk, arrived.to);
            arrived.told = self.settings.kept_headers(trunk, &invited.headers);
        }
        let standing = self.identity.examine(self.now, &mut invited, arrived);
        self.stands(invite, standing);
    }

    /// What becomes of a call whose caller id is looked at.
    pub(super) fn stands(&mut self, invite: InviteId, standing: Standing) {
        match standing {
            Standing::Goes(arrived) => self.events.push_back(SipEvent::Arrived(arrived)),
            Standing::Waits => {}
            Standing::Refused(code, reason) => {
                self.arrived.remove(&invite);
                self.command(Command::Reject { invite, code, reason: reason.to_owned(), retry_after_s: None });
            }
        }
    }

    /// The verdict on a signed caller id.
    pub fn judged(&mut self, judged: Judged) {
        let invite = judged.invite();
        match self.identity.judged(&judged) {
            Some(standing) => self.stands(invite, standing),
            None => {
                if let Some(at) = self.invites.get(&invite).copied() {
                    METRICS.caller_identity.inc(judged.verdict().as_str());
                    let identity = identity::word(judged.verdict());
                    self.events.push_back(SipEvent::Identified { at, identity });
                }
            }
        }
    }
}

/// Who calls, as far as it is believed, and whom.
fn arrived(invited: &Invited, dialled: &str) -> Arrived {
    let Invited { source, party, from_user, from_display, .. } = invited;
    let (origin, from) = match source {
        Source::Account(user) => (Origin::Extension(user.as_ref().into()), PartyNumber::from(user.as_ref())),
        // A number that is withheld is not kept either: it was sent for the network, not for us.
        Source::Trunk(name) if party.is_withheld => (Origin::Trunk(name.as_ref().into()), PartyNumber::from(WITHHELD)),
        Source::Trunk(name) => (Origin::Trunk(name.as_ref().into()), number(party.number.as_ref().unwrap_or(from_user))),
    };
    let display = match party.number {
        _ if party.is_withheld => "",
        Some(_) if !party.display.is_empty() => &party.display,
        _ => from_display,
    };
    let (invite, display, to) = (InviteRef(invited.invite), text(display), number(dialled));
    Arrived { invite, origin, from, display, to, identity: None, told: BTreeMap::new(), replaces: None }
}

/// A number as the other side wrote it, without what no number has, and without its parameters (`;tgrp=…`, RFC 4904).
pub(super) fn number(user: &str) -> PartyNumber {
    PartyNumber::from(text(user.split(';').next().unwrap_or_default()).as_str())
}

fn text(raw: &str) -> String {
    raw.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect()
}
