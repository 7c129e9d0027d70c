//! Who sends a request: a trunk by its address, an account by its password, or a stranger.

use std::sync::Arc;

use super::{
    Endpoint,
    contract::{Event, Source},
};
use crate::{
    digest::{Claim, Ha1, Verdict},
    flow::Flow,
    message::{Message, Name, ResponseBuilder, Uri},
};

/// The most of a claimed user name that an event repeats, in letters.
const CLAIM_SHOWN: usize = 64;

impl Endpoint {
    /// The account that a request proves to come from; when none, the challenge is sent.
    pub(super) fn proved_account(&mut self, flow: Flow, message: &Message) -> Option<Arc<str>> {
        let headers = [Name::Authorization, Name::ProxyAuthorization];
        let realm = self.challenger.realm();
        let claim = headers.iter().flat_map(|name| message.auth_values(*name)).find_map(|value| Claim::read(&value, realm));
        let Some(claim) = claim.filter(|claim| is_same_resource(claim.uri(), message.request_uri())) else {
            self.challenge(flow, message, false);
            return None;
        };
        let account = self.registrar.account(claim.user());
        let stored =
            account.map(|account| Ha1 { md5: account.ha1_md5, sha256: account.ha1_sha256, sha512_256: account.ha1_sha512_256 });
        let user = account.map(|account| account.user.clone());
        let verdict = self.challenger.check(self.now, flow.remote.ip(), message.method(), &claim, stored.as_ref());
        match (verdict, user) {
            (Verdict::Proved, Some(user)) => return Some(user),
            (Verdict::Stale, Some(_)) => {
                self.challenge(flow, message, true);
            }
            _ => {
                if self.challenge(flow, message, false) {
                    let user = claim.user().chars().take(CLAIM_SHOWN).collect();
                    let proved = flow.transport.is_reliable() || self.challenger.is_ours(self.now, flow.remote.ip(), &claim);
                    self.tell(Event::AuthFailed { user, source: flow.remote.ip(), proved });
                }
            }
        }
        None
    }

    /// Who makes a call; when nobody that we know, the challenge is sent.
    pub(super) fn caller(&mut self, flow: Flow, message: &Message) -> Option<Source> {
        if let Some(trunk) = self.trunks.of_flow(&flow) {
            return Some(Source::Trunk(trunk));
        }
        self.proved_account(flow, message).map(Source::Account)
    }

    /// Whether a flow is one of a trunk: by its address, which is all that a trunk proves.
    #[must_use]
    pub fn is_of_trunk(&self, flow: &Flow) -> bool {
        self.trunks.of_flow(flow).is_some()
    }

    /// Whether one more refusal may go to where a request came from. It is paid for here.
    pub(super) fn may_refuse(&mut self, flow: &Flow) -> bool {
        self.trunks.of_flow(flow).is_some() || self.strangers.may_be_refused(self.now, flow.remote.ip())
    }

    /// Sends 401 with its challenges; `false` when the sender has had too many refusals.
    fn challenge(&mut self, flow: Flow, message: &Message, stale: bool) -> bool {
        let challenges = self.challenger.challenges(self.now, flow.remote.ip(), stale);
        let before = self.outputs.len();
        let first = challenges.first().cloned();
        let short = first.map(|first| move |builder: ResponseBuilder| builder.header(Name::WwwAuthenticate, first));
        let whole = |builder| {
            challenges.into_iter().fold(builder, |builder: ResponseBuilder, one| builder.header(Name::WwwAuthenticate, one))
        };
        self.refuse_shortly(flow, message, (401, "Unauthorized"), whole, short);
        self.outputs.len() > before
    }
}

/// Whether credentials were made for this Request-URI. Phones differ in ports and parameters, so
/// user and host count.
fn is_same_resource(claimed: &str, request_uri: &str) -> bool {
    if claimed == request_uri {
        return true;
    }
    let (Some(claimed), Some(asked)) = (Uri::parse(claimed), Uri::parse(request_uri)) else { return false };
    claimed.is_sip()
        && asked.is_sip()
        && claimed.host.eq_ignore_ascii_case(asked.host)
        && claimed.user_decoded() == asked.user_decoded()
}
