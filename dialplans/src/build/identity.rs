//! Signed caller ids of a trunk, and copies of signalling.

use super::{Builder, tops};
use crate::{
    identity::{Capture, IdentityPolicy, SignIdentity, TrunkIdentity, VerifyIdentity},
    read::{Data, Item},
    settings::{Host, HostPort},
};

/// A verdict takes a fetch of two seconds at most.
const REQUIRED_WAIT_MS: u64 = 3_000;
/// No caller is kept waiting longer for a verdict: timer B of the other side runs.
const LONGEST_WAIT_MS: u64 = 10_000;

/// Where copies of signalling go.
pub(super) fn capture(items: &[Item]) -> Option<Capture> {
    let item = tops(items, "capture").next()?;
    Some(Capture { address: peer(item.args.get(1).map(|value| &value.data))?.clone(), id: item.prop_count("id").unwrap_or(1) })
}

/// Files that a node of `identity` names.
pub(super) fn files(item: &Item) -> impl Iterator<Item = &str> {
    let name = match item.spec.name {
        "verify" => Some("trust"),
        "sign" => Some("key"),
        _ => None,
    };
    name.and_then(|name| item.prop_text(name)).into_iter()
}

impl Builder<'_> {
    pub(super) fn identity(&mut self, trunk: &Item) -> TrunkIdentity {
        let Some(item) = trunk.child("identity") else { return TrunkIdentity::default() };
        for child in &item.children {
            for file in files(child).filter(|file| !self.world.files.contains(*file)) {
                self.findings.error("missing-file", child.at, format!("there is no file `{file}`"));
            }
        }
        let (verify, sign) = (item.child("verify"), item.child("sign"));
        for (child, needs, there) in [("certificates-from", "verify", verify.is_some()), ("own", "sign", sign.is_some())] {
            if let Some(child) = item.child(child).filter(|_| !there) {
                self.findings.error("missing-node", child.at, format!("`{}` needs `{needs}`", child.spec.name));
            }
        }
        if verify.is_none() && sign.is_none() {
            self.findings.error("missing-node", item.at, "`identity` needs `verify`, `sign` or both");
        }
        TrunkIdentity {
            verify: verify.and_then(|verify| self.verify(verify, item)),
            sign: sign.and_then(|sign| self.sign(sign, item)),
        }
    }

    fn verify(&mut self, verify: &Item, item: &Item) -> Option<VerifyIdentity> {
        let policy = if verify.text()? == "require" { IdentityPolicy::Require } else { IdentityPolicy::Show };
        let usual_ms = if policy == IdentityPolicy::Require { REQUIRED_WAIT_MS } else { 0 };
        let wait_ms = verify.prop_ms("wait").unwrap_or(usual_ms);
        if wait_ms > LONGEST_WAIT_MS {
            let at = verify.prop("wait").map_or(verify.at, |value| value.at);
            self.findings.error("bad-value", at, format!("a call waits at most {} s for its verdict", LONGEST_WAIT_MS / 1_000));
        }
        let hosts = item.child("certificates-from").into_iter().flat_map(|from| &from.args);
        let hosts = hosts.filter_map(|value| peer(Some(&value.data))).map(|address| match &address.host {
            Host::Address(ip) => ip.to_string(),
            Host::Name(name) => name.clone(),
        });
        Some(VerifyIdentity {
            policy,
            trust: verify.prop_text("trust")?.to_owned(),
            fresh_ms: verify.prop_ms("fresh").unwrap_or(60_000),
            wait_ms,
            country_code: verify.prop_count("country-code").map(|code| code.to_string()),
            hosts: hosts.collect(),
        })
    }

    fn sign(&mut self, sign: &Item, item: &Item) -> Option<SignIdentity> {
        let (certificate, origid) = (sign.prop_text("certificate")?, sign.prop_text("origid")?);
        let checks = [
            ("certificate", certificate.starts_with("https://"), "expected a URL that begins with `https://`"),
            ("origid", is_uuid(origid), "expected a UUID, as in `123e4567-e89b-12d3-a456-426655440000`"),
        ];
        for (name, fits, message) in checks {
            if !fits {
                self.findings.error("bad-value", sign.prop(name).map_or(sign.at, |value| value.at), message);
            }
        }
        let own: Vec<_> = item.named("own").flat_map(|own| &own.args).collect();
        if own.is_empty() {
            self.findings.warning("no-own-numbers", sign.at, "without `own`, no call is signed with attestation A");
        }
        let own =
            own.into_iter().filter_map(|value| if let Data::Pattern(own) = &value.data { Some((**own).clone()) } else { None });
        Some(SignIdentity {
            key: sign.prop_text("key")?.to_owned(),
            certificate: certificate.to_owned(),
            origid: origid.to_owned(),
            own: own.collect(),
        })
    }
}

fn peer(data: Option<&Data>) -> Option<&HostPort> {
    if let Some(Data::Peer(address)) = data { Some(address) } else { None }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
