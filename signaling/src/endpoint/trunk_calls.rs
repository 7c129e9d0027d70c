//! What is particular to the calls of some trunks: what they prove beside their address, which of their headers the
//! program is told, and that running calls of theirs are not changed from our side.
//!
//! A carrier whose address can be had by others too (a cloud's, say) is believed by its digest on top (RFC 3261 section
//! 22.2): it knows the password that we answer its own challenges with. One that takes no re-INVITE and no UPDATE is
//! never sent any: we are not the refresher of its sessions, and new offers of the program are refused here. And calls that
//! a carrier began by a connection of its own outlive that connection.

use super::{
    Endpoint,
    auth::{Ask, is_same_resource},
    config::{DigestUri, SessionTimers},
    contract::{Destination, Event, InviteId, ToldHeader},
    invitation::{Invitation, Phase},
    session_timer::{self, Side, Verdict},
};
use crate::{
    digest::{self, Claim},
    flow::{ConnectionId, Flow},
    message::{Message, Name, Uri, unfold},
};

/// Longer values of told headers are cut, in letters.
const LONGEST_TOLD: usize = 256;
/// The most of a claimed user name that an event repeats, in letters.
const CLAIM_SHOWN: usize = 64;
/// Longer texts of a Warning are cut, in letters.
const LONGEST_WARNING: usize = 160;

impl Endpoint {
    /// Whether a new call from a trunk's address is the trunk's; if not, it is answered.
    pub(super) fn proves_trunk(&mut self, flow: Flow, message: &Message, trunk: &str) -> bool {
        let Some(state) = self.trunks.get(trunk) else { return false };
        if !state.trunk.challenges {
            return true;
        }
        let Some(known) = state.trunk.credentials.clone() else {
            // Nothing could ever prove it.
            self.refuse(flow, message, 403, "Forbidden", |builder| builder);
            return false;
        };
        let realm = self.challenger.realm().to_owned();
        let headers = [Name::ProxyAuthorization, Name::Authorization];
        let claim = headers.iter().flat_map(|name| message.auth_values(*name)).find_map(|value| Claim::read(&value, &realm));
        let Some(claim) = claim.filter(|claim| is_same_resource(claim.uri(), message.request_uri())) else {
            self.challenge(flow, message, false, Ask::Proxy);
            return false;
        };
        let ha1 = digest::ha1(&known.user, &realm, &known.password);
        let stored = (claim.user() == known.user).then_some(&ha1);
        match self.challenger.check(self.now, flow.remote.ip(), message.method(), &claim, stored) {
            digest::Verdict::Proved => return true,
            digest::Verdict::Stale => {
                self.challenge(flow, message, true, Ask::Proxy);
            }
            digest::Verdict::Wrong => {
                if self.challenge(flow, message, false, Ask::Proxy) {
                    let user = claim.user().chars().take(CLAIM_SHOWN).collect();
                    let proved = flow.transport.is_reliable() || self.challenger.is_ours(self.now, flow.remote.ip(), &claim);
                    self.tell(Event::AuthFailed { user, source: flow.remote.ip(), proved });
                }
            }
        }
        false
    }

    /// The headers of a message that the program is told of a trunk's calls. Text from outside, without controls.
    pub(super) fn told_headers(&self, trunk: Option<&str>, message: &Message) -> Vec<ToldHeader> {
        let wanted = trunk.and_then(|name| self.trunks.get(name)).map(|state| &*state.trunk.tells).unwrap_or_default();
        let told = wanted.iter().filter_map(|name| {
            let value = unfold(message.header_named(name)?).chars().filter(|c| !c.is_control()).take(LONGEST_TOLD).collect();
            Some(ToldHeader { name: name.clone(), value })
        });
        told.collect()
    }

    /// What a BYE tells beside that it is over.
    pub(super) fn tell_last_headers(&mut self, invite: InviteId, message: &Message) {
        let trunk = self.invites.get(&invite).and_then(|invitation| invitation.trunk.clone());
        let headers = self.told_headers(trunk.as_deref(), message);
        if !headers.is_empty() {
            self.tell(Event::HeadersTold { invite, headers });
        }
    }

    /// Whether running calls of a trunk are not to be changed from our side.
    pub(super) fn is_fixed(&self, trunk: Option<&str>) -> bool {
        trunk.and_then(|name| self.trunks.get(name)).is_some_and(|state| !state.trunk.takes_changes)
    }

    /// The same for an invitation.
    pub(super) fn is_fixed_call(&self, invite: InviteId) -> bool {
        self.invites.get(&invite).is_some_and(|invitation| self.is_fixed(invitation.trunk.as_deref()))
    }

    /// What we answer to what a request says of session timers. Where no change of ours is taken we refresh nothing:
    /// who wants that of us gets a session that does not expire, as from somebody who knows no timers.
    pub(super) fn session_verdict(&self, trunk: Option<&str>, request: &Message) -> Verdict {
        let policy = self.config.session;
        if !self.is_fixed(trunk) {
            return session_timer::answer(&policy, request);
        }
        match session_timer::answer(&SessionTimers { expires_s: 0, ..policy }, request) {
            Verdict::On { refresher: Side::Uas, .. } => Verdict::Off,
            other => other,
        }
    }

    /// A connection is gone. Calls of a trunk that came by it go on by another one, which we open where their first hop
    /// leads.
    pub(super) fn dial_trunks_of(&mut self, connection: ConnectionId) {
        let by_it = |to: &Destination| matches!(to, Destination::Flow(flow) if flow.connection == Some(connection));
        let is_of = |invitation: &&Invitation| {
            let stays = matches!(invitation.phase, Phase::Up | Phase::Leaving { .. }) && invitation.trunk.is_some();
            stays && invitation.dialog.as_ref().is_some_and(|dialog| by_it(&dialog.to) && dialog.to.transport().can_be_dialled())
        };
        let mut calls: Vec<InviteId> = self.invites.values().filter(is_of).map(|invitation| invitation.id).collect();
        calls.sort_unstable();
        for invite in calls {
            let Some(invitation) = self.invites.get_mut(&invite) else { continue };
            let (Some(trunk), Some(mut dialog)) = (invitation.trunk.clone(), invitation.dialog.take()) else { continue };
            if let Some(to) = self.dialled_again(&trunk, &dialog) {
                dialog.to = to;
            }
            if let Some(invitation) = self.invites.get_mut(&invite) {
                invitation.dialog = Some(dialog);
            }
        }
    }

    /// What our credentials say that they are for.
    pub(super) fn digest_uri(&self, trunk: &str, request_uri: &str) -> String {
        match self.trunks.get(trunk).map(|state| state.trunk.digest_uri) {
            Some(DigestUri::UserHost) => bare_uri(request_uri),
            Some(DigestUri::Whole) | None => request_uri.to_owned(),
        }
    }
}

/// `sip:user@host` of a SIP URI, as written: without port, parameters and headers.
pub(super) fn bare_uri(text: &str) -> String {
    match Uri::parse(text).filter(Uri::is_sip) {
        // A `;` behind the `@`, or the first one if there is no user: the user part may have its own (RFC 4904).
        Some(uri) => {
            let scheme = text.split_once(':').map_or("sip", |(scheme, _)| scheme);
            let user = text.rsplit_once('@').and_then(|(before, _)| before.split_once(':')).map(|(_, user)| user);
            user.map_or_else(|| format!("{scheme}:{}", uri.host), |user| format!("{scheme}:{user}@{}", uri.host))
        }
        None => text.to_owned(),
    }
}

/// A reason phrase with what the Warning headers say behind it (RFC 3261 section 20.43): some carriers say there why.
pub(super) fn with_warning(reason: &str, response: &Message) -> String {
    let warnings = response.header_lines(Name::Warning).filter_map(|line| str::from_utf8(line).ok());
    let text: String = warnings.filter_map(warn_text).collect::<Vec<_>>().join("; ");
    let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_WARNING).collect();
    if text.is_empty() { reason.to_owned() } else { format!("{reason} ({text})") }
}

/// The quoted text of `399 host "text"`.
fn warn_text(value: &str) -> Option<&str> {
    let (_, text) = value.split_once('"')?;
    text.rsplit_once('"').map(|(text, _)| text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_uri_is_user_and_host() {
        for (text, bare) in [
            ("sip:+1555@wa.meta.vc;transport=tls", "sip:+1555@wa.meta.vc"),
            ("sip:+1555@wa.meta.vc:5061;transport=tls?a=b", "sip:+1555@wa.meta.vc"),
            ("sip:+1555;tgrp=wacall;trunk-context=x@wa.meta.vc", "sip:+1555;tgrp=wacall;trunk-context=x@wa.meta.vc"),
            ("sip:wa.meta.vc;lr", "sip:wa.meta.vc"),
            ("tel:+1555", "tel:+1555"),
        ] {
            assert_eq!(bare_uri(text), bare);
        }
    }

    #[test]
    fn the_text_of_a_warning_is_what_stands_in_quotes() {
        assert_eq!(warn_text(r#"399 wa.meta.vc "no permission""#), Some("no permission"));
        assert_eq!(warn_text("399 wa.meta.vc none"), None);
    }
}
