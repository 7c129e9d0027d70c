//! What the edge demands of a new call, in the order in which it looks, and how it refuses.

use std::net::IpAddr;

use super::{
    REALM, Setup,
    digest::{self, Case},
    message::{Sip, user_host},
};

/// Challenges of one reply: algorithm, nonce, opaque. Each has its own.
pub(super) type Challenges = Vec<(&'static str, String, String)>;

/// How a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status code.
    pub(super) code: u16,
    /// The reason phrase.
    pub(super) reason: &'static str,
    /// The text of a Warning 399.
    pub(super) warning: Option<&'static str>,
}

const fn refusal(code: u16, reason: &'static str) -> Refusal {
    Refusal { code, reason, warning: None }
}

/// Numbers, hosts and form of a new INVITE.
pub(super) fn address(setup: &Setup, invite: &Sip) -> Result<(), Refusal> {
    let (user, host) = user_host(invite.uri());
    let is_ip = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if invite.uri().starts_with("sips:") || is_ip || host != REALM || !is_e164(user) || !invite.uri().ends_with(";transport=tls")
    {
        return Err(refusal(404, "Not Found"));
    }
    let from = invite.uris("From").into_iter().next().unwrap_or_default();
    let (from_user, from_host) = user_host(&from);
    if from_user.strip_prefix('+') != Some(setup.business) {
        return Err(refusal(400, "From number is not a WhatsApp business number"));
    }
    // The configured host, or a parent domain of it.
    if from_host != setup.host && !setup.host.ends_with(&format!(".{from_host}")) {
        return Err(refusal(403, "From host is not configured"));
    }
    Ok(())
}

/// What answers the challenges of a call before.
pub(super) fn proof(setup: &Setup, challenges: &Challenges, invite: &Sip) -> Result<(), Refusal> {
    let bad = Err(refusal(403, "Bad digest"));
    let (mut proofs, to) = (invite.all("Proxy-Authorization"), invite.uris("To").into_iter().next().unwrap_or_default());
    let (Some(proof), None) = (proofs.next(), proofs.next()) else { return bad };
    let fields = digest::fields(proof);
    let get = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let own = challenges.iter().find(|(_, nonce, _)| nonce == get("nonce"));
    let fits = own.is_some_and(|(algorithm, _, opaque)| *algorithm == get("algorithm") && opaque == get("opaque"));
    if !fits || get("realm") != REALM || get("username") != setup.business || get("qop") != "auth" {
        return bad;
    }
    if user_host(get("uri")) != user_host(&to) || user_host(&to) != user_host(invite.uri()) {
        return Err(refusal(403, "Proxy auth uri does not match SIP \"to\" uri"));
    }
    let case = Case { user: setup.business, password: setup.password, method: "INVITE", uri: get("uri") };
    if digest::response(&fields, case).as_deref() == Some(get("response")) { Ok(()) } else { bad }
}

/// Whom it is for, and what is spoken.
pub(super) fn permission(setup: &Setup, invite: &Sip) -> Result<(), Refusal> {
    if user_host(invite.uri()).0.strip_prefix('+') != Some(setup.customer) {
        let warning = Some("No approved call permission from the recipient");
        return Err(Refusal { warning, ..refusal(403, "Forbidden") });
    }
    let sdp = &invite.body;
    let is_right =
        ["m=audio ", setup.protocol, "a=crypto:", "opus/48000/2", "telephone-event/8000"].iter().all(|part| sdp.contains(part));
    if is_right { Ok(()) } else { Err(refusal(403, "SDP is invalid")) }
}

fn is_e164(user: &str) -> bool {
    let digits = user.strip_prefix('+').unwrap_or_default();
    (5..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}
