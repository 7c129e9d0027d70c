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
            self.challenge(flow, message, false, Ask::Own);
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
                self.challenge(flow, message, true, Ask::Own);
            }
            _ => {
                if self.challenge(flow, message, false, Ask::Own) {
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
            return self.proves_trunk(flow, message, &trunk).then_some(Source::Trunk(trunk));
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

    /// Sends 401 or 407 with its challenges; `false` when the sender has had too many refusals.
    pub(super) fn challenge(&mut self, flow: Flow, message: &Message, stale: bool, ask: Ask) -> bool {
        let (code, reason, name) = match ask {
            Ask::Own => (401, "Unauthorized", Name::WwwAuthenticate),
            Ask::Proxy => (407, "Proxy Authentication Required", Name::ProxyAuthenticate),
        };
        let challenges = self.challenger.challenges(self.now, flow.remote.ip(), stale);
        let before = self.outputs.len();
        let first = challenges.first().cloned();
        let short = first.map(|first| move |builder: ResponseBuilder| builder.header(name, first));
        let whole = |builder| challenges.into_iter().fold(builder, |builder: ResponseBuilder, one| builder.header(name, one));
        self.refuse_shortly(flow, message, (code, reason), whole, short);
        self.outputs.len() > before
    }
}

/// In which role a challenge asks (RFC 3261 sections 22.2, 22.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// As the server of the request: devices.
    Own,
    /// As a proxy before it: carriers.
    Proxy,
}

/// Whether credentials were made for this Request-URI. Phones differ in ports and parameters, so
/// user and host count.
pub(super) fn is_same_resource(claimed: &str, request_uri: &str) -> bool {
    if claimed == request_uri {
        return true;
    }
    let (Some(claimed), Some(asked)) = (Uri::parse(claimed), Uri::parse(request_uri)) else { return false };
    // Parameters of the number, such as RFC 4904 knows, are left out by some.
    let user = |uri: &Uri<'_>| uri.user_decoded().map(|user| user.split(';').next().unwrap_or_default().to_owned());
    claimed.is_sip() && asked.is_sip() && claimed.host.eq_ignore_ascii_case(asked.host) && user(&claimed) == user(&asked)
}
