//! SIP profiles: gateways are trunks, and their addresses are listened on.

use super::{
    super::{
        draft::{Draft, file},
        kdl_out::{Build as _, node, seconds},
    },
    Known,
    xml::Element,
};
use crate::settings::HostPort;

/// Declares what stands in a profile, or one gateway by itself.
pub(super) fn declare(profile: &Element, draft: &mut Draft, known: &mut Known) {
    if profile.name == "gateway" {
        return gateway(profile, "public", draft, known);
    }
    let context = profile.param("context").unwrap_or("public").to_owned();
    draft.ledger.converted(profile.at, "its gateways are trunks");
    let mut told = |element: &Element, why: &str| draft.ledger.left_out(element.at, why);
    for child in profile.children.iter().filter(|child| child.name != "gateways") {
        match child.name.as_str() {
            "settings" => told(child, "the frame of what stands in it"),
            _ => child.walk(&mut |part| told(part, "names of a profile: the switch has none")),
        }
    }
    settings(profile, draft);
    for gateways in profile.named("gateways") {
        draft.ledger.left_out(gateways.at, "the frame of what stands in it");
        for child in &gateways.children {
            if child.name == "gateway" {
                gateway(child, &context, draft, known);
            } else {
                draft.ledger.not_converted(child.at, "nothing of this kind is read", "see whether calls need it");
            }
        }
    }
    for child in profile.named("gateway") {
        gateway(child, &context, draft, known);
    }
}

fn settings(profile: &Element, draft: &mut Draft) {
    for param in profile.params() {
        let value = param.get("value").unwrap_or_default();
        match param.get("name").unwrap_or_default() {
            "context" => draft.ledger.converted(param.at, "the routes that calls of its gateways may use"),
            "sip-ip" | "sip-port" => {
                let address = profile.param("sip-ip").unwrap_or_default();
                let port = profile.param("sip-port").and_then(|port| port.parse::<u16>().ok()).unwrap_or(5_060);
                match address.parse::<std::net::IpAddr>() {
                    Ok(ip) if !ip.is_unspecified() => {
                        draft.listen(node("sip-udp").arg(std::net::SocketAddr::new(ip, port).to_string()), param.at);
                        draft.ledger.converted(param.at, "`listen`");
                    }
                    _ => {
                        let todo =
                            "write the address that phones reach into `listen`, or start with `tandem serve --bind ADDRESS`";
                        draft.ledger.not_converted(param.at, "an address that only the machine of FreeSWITCH knows", todo);
                    }
                }
            }
            "ext-sip-ip" | "ext-rtp-ip" => match value.parse::<std::net::IpAddr>() {
                Ok(ip) => {
                    draft.listen(node("advertise").arg(ip.to_string()), param.at);
                    draft.ledger.converted(param.at, "`advertise`");
                }
                Err(_) => draft.ledger.left_out(param.at, "behind NAT, `advertise` names the address that others are told"),
            },
            "apply-inbound-acl" | "apply-register-acl" | "accept-blind-auth" | "accept-blind-reg" | "auth-calls" => {
                let todo = "addresses that need no password are those of `match` in a trunk";
                draft.ledger.not_converted(param.at, "who may call without a password", todo);
            }
            _ => draft.ledger.left_out(param.at, "how FreeSWITCH's SIP stack runs"),
        }
    }
}

fn gateway(gateway: &Element, context: &str, draft: &mut Draft, known: &mut Known) {
    let Some(theirs) = gateway.get("name").filter(|name| !name.is_empty()) else {
        return draft.ledger.not_converted(gateway.at, "a gateway without a name", "write a `trunk`");
    };
    let name = draft.trunk_names.of(theirs);
    let get = |key: &str| gateway.param(key).map(str::trim).filter(|value| !value.is_empty() && !value.contains("$${"));
    let host = get("proxy").or(get("realm")).unwrap_or(theirs);
    let (host, transport) = host.split_once(";transport=").unwrap_or((host, get("register-transport").unwrap_or("udp")));
    let mut trunk = node("trunk").arg(name.as_str());
    let has_peer = host.parse::<HostPort>().is_ok() && ["udp", "tcp", "tls"].contains(&transport);
    if let Ok(HostPort { host: crate::settings::Host::Address(ip), .. }) = host.parse::<HostPort>() {
        trunk = trunk.child(node("match").arg(ip.to_string()));
        draft.ledger.converted(gateway.at, format!("trunk `{name}`"));
    } else {
        let todo = format!("write `match` with the addresses that calls of `{name}` come from");
        draft.ledger.not_converted(
            gateway.at,
            "converted in part: calls are told by addresses here, and its peer is a name",
            todo,
        );
    }
    if has_peer {
        trunk = trunk.child(node("peer").arg(transport).arg(host));
    }
    if let (Some(user), Some(password)) = (get("username"), get("password")) {
        let path = draft.secret("trunk", &name, password);
        let credentials = node("credentials").prop("user", user).prop("secret", format!("file:{path}"));
        trunk = trunk.child(credentials.maybe("realm", get("realm").filter(|realm| *realm != host)));
        if get("register") != Some("false") && has_peer {
            trunk = trunk.child(node("register").arg(true));
        }
    }
    if let Some(domain) = get("from-domain").filter(|domain| domain.parse::<HostPort>().is_ok()) {
        trunk = trunk.child(node("domain").arg(domain));
    }
    if let Some(ping) = get("ping").and_then(|ping| ping.parse().ok()).filter(|ping| *ping > 0 && has_peer) {
        trunk = trunk.child(node("options-ping").arg(seconds(ping)));
    }
    draft.top(file::TRUNKS, trunk, vec![gateway.at]);
    for param in gateway.params() {
        match param.get("name").unwrap_or_default() {
            "username" | "password" | "proxy" | "realm" | "register" | "from-domain" | "ping" | "context"
            | "register-transport" => {
                draft.ledger.converted(param.at, format!("trunk `{name}`"));
            }
            "expire-seconds"
            | "retry-seconds"
            | "contact-params"
            | "extension-in-contact"
            | "ping-max"
            | "ping-min"
            | "extension"
            | "from-user"
            | "auth-username"
            | "register-proxy"
            | "caller-id-in-from" => {
                draft.ledger.left_out(param.at, "the switch needs no such setting, or finds it out itself");
            }
            word => {
                let why = format!("the setting `{word}` has no counterpart");
                draft.ledger.not_converted(param.at, why, "see whether the calls need it");
            }
        }
    }
    let context = get("context").unwrap_or(context).to_owned();
    known.gateways.insert(theirs.to_owned(), (name, context));
}
