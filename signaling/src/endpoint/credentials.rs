//! Our password for a carrier: which challenges are answered, and with what (RFC 3261 section 22, RFC 8760).
//!
//! It is proved to nobody but the carrier's own addresses, in the realm that it is for, and not a second time to
//! who has found it wrong. A dialog that the carrier began goes where the carrier says: in there it is proved only for
//! a realm that is configured, and only to the addresses that we call it at.

use std::net::IpAddr;

use bytes::Bytes;

use super::{Endpoint, client_transaction::new_branch, text::Token, trunk::Trunks};
use crate::{
    digest::Answered,
    flow::Flow,
    message::{AuthValue, Message, Name, RequestBuilder, auth_values},
};

impl Trunks {
    /// Whether a challenge from this address may be answered with the trunk's password.
    fn trusts(&self, name: &str, address: IpAddr, is_in_theirs: bool) -> bool {
        let address = address.to_canonical();
        let Some(trunk) = self.get(name).map(|state| &state.trunk) else { return false };
        let is_peer = trunk.peers.iter().any(|peer| peer.address.ip().to_canonical() == address);
        if is_in_theirs {
            return is_peer && trunk.credentials.as_ref().is_some_and(|known| known.realm.is_some());
        }
        is_peer || trunk.from.iter().any(|from| from.contains(address))
    }
}

impl Endpoint {
    /// Whether whoever challenges may have a proof of the trunk's password.
    pub(super) fn may_prove(&self, trunk: &str, flow: Flow, is_in_theirs: bool) -> bool {
        self.trunks.trusts(trunk, flow.remote.ip(), is_in_theirs)
    }

    /// The request again with credentials for a challenge of its trunk (RFC 3261 section 22.2), and
    /// its branch. `cseq` is its number; else the one after that of the request. `None` when the challenge is not for us.
    pub(super) fn with_credentials(
        &mut self,
        trunk: &str,
        (request, cseq): (&Bytes, Option<u32>),
        response: &Message,
        code: u16,
    ) -> Option<(u64, Bytes)> {
        let (branch, cnonce) = (self.random(), Token::new(self.random()));
        let (asks, says) = match code {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            _ => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        };
        let request = Message::parse(request.clone()).ok()?;
        let uri = self.digest_uri(trunk, request.request_uri());
        let (_, state) = self.trunks.get_mut(trunk)?;
        let credentials = state.trunk.credentials.as_ref()?;
        // Who has seen our proof and asks again without calling it stale finds the password wrong (RFC 7616 section
        // 3.3): asking once more would only lock the account.
        let seen = |challenge: &AuthValue<'_>| {
            let realm = challenge.get("realm");
            request.auth_values(says).any(|proof| proof.get("realm") == realm)
        };
        let answered = state.digest.to(
            response.auth_values(asks).filter(|challenge| is_stale(challenge) || !seen(challenge)),
            credentials.realm.as_deref(),
            (&credentials.user, &credentials.password),
            (request.method(), &uri),
            cnonce.as_str(),
        );
        let Answered::Value(value) = answered else { return None };
        again(&request, branch, cseq, &[(says, &value)]).map(|message| (branch, message))
    }
}

fn is_stale(challenge: &AuthValue<'_>) -> bool {
    challenge.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
}

/// A request of our own once more: new branch, this or the next number, these headers in place of the old. Credentials take the
/// place of those for the same realm only, so that several proxies can each have theirs.
pub(super) fn again(request: &Message, branch: u64, cseq: Option<u32>, changes: &[(Name, &str)]) -> Option<Bytes> {
    let via = request.header(Name::Via)?;
    let (before, _) = via.split_once(";branch=")?;
    let cseq = match cseq {
        Some(cseq) => cseq,
        None => request.cseq().ok()?.number.checked_add(1)?,
    };
    let mut builder = RequestBuilder::new(request.method(), request.request_uri())
        .header(Name::Via, format_args!("{before};branch={};rport", new_branch(branch)));
    let is_replaced = |known: Name, old: &str| {
        let proof = matches!(known, Name::Authorization | Name::ProxyAuthorization);
        changes.iter().any(|(changed, new)| known == *changed && (!proof || is_for_same_realm(old, new)))
    };
    for (written, value) in request.lines() {
        let (written, value) = (str::from_utf8(written).ok()?, str::from_utf8(value).ok()?);
        let known = Name::of(written.as_bytes());
        builder = match known {
            Name::Via | Name::ContentLength | Name::ContentType => builder,
            Name::CSeq => builder.cseq(cseq),
            _ if is_replaced(known, value) => builder,
            _ => builder.header_named(written, value),
        };
    }
    for (name, value) in changes {
        builder = builder.header(*name, value);
    }
    match request.header(Name::ContentType) {
        Some(kind) => builder.build_with_body(kind, request.body()).ok(),
        None => builder.build().ok(),
    }
}

/// Whether two credentials are for one realm: the newer takes the place of the older.
fn is_for_same_realm(old: &str, new: &str) -> bool {
    let realm = |value| auth_values(value).next().and_then(|credentials| credentials.get("realm"));
    realm(old) == realm(new)
}
