//! `pjsip.conf`: endpoints with their auth, aor, identify and registration; transports.

use std::net::IpAddr;

use super::{
    super::{
        draft::Draft,
        kdl_out::{Build as _, node},
        ledger::{Ledger, UnitId},
    },
    devices::{Account, codecs, uri},
    lines::Section,
};

/// Settings that the switch decides itself, or that say nothing for it.
const LEFT_OUT: &[&str] = &[
    "type",
    "disallow",
    "direct_media",
    "rtp_symmetric",
    "force_rport",
    "rewrite_contact",
    "transport",
    "ice_support",
    "use_avpf",
    "trust_id_outbound",
    "send_pai",
    "send_rpid",
    "timers",
    "timers_min_se",
    "timers_sess_expires",
    "identify_by",
    "device_state_busy_at",
    "rtp_timeout",
    "rtp_timeout_hold",
    "rtp_keepalive",
    "100rel",
    "inband_progress",
    "bundle",
    "webrtc",
    "media_use_received_transport",
    "max_audio_streams",
    "max_video_streams",
    "allow_subscribe",
    "sub_min_expiry",
    "aors",
    "auth",
    "outbound_auth",
    "endpoint",
    "auth_type",
    "max_contacts",
    "remove_existing",
    "minimum_expiration",
    "maximum_expiration",
    "default_expiration",
    "qualify_timeout",
    "authenticate_qualify",
    "support_path",
    "expiration",
    "retry_interval",
    "max_retries",
    "forbidden_retry_interval",
    "fatal_retry_interval",
    "auth_rejection_permanent",
    "line",
    "contact_user",
    "tos_audio",
    "cos_audio",
    "tos_video",
    "cos_video",
    "tos",
    "cos",
    "allow_transfer",
    "mailboxes",
    "mwi_subscribe_replaces_unsolicited",
    "media_address",
    "bind_rtp_to_media_address",
    "t38_udptl",
    "t38_udptl_ec",
    "srv_lookups",
    "asymmetric_rtp_codec",
    "connected_line_method",
    "rpid_immediate",
    "preferred_codec_only",
    "user_eq_phone",
    "deny",
    "permit",
    "sdp_session",
    "one_touch_recording",
    "dtls_auto_generate_cert",
    "dtls_verify",
    "dtls_setup",
    "dtls_cert_file",
    "dtls_private_key",
    "rtcp_mux",
    "allow_reload",
    "async_operations",
    "local_net",
    "server_uri",
    "client_uri",
    "protocol",
    "outbound_proxy_support",
];

/// Reads all of it.
pub(super) fn read(sections: &[Section], draft: &mut Draft) -> Vec<Account> {
    let of = |kind: &str| -> Vec<&Section> {
        sections.iter().filter(|section| section.value("type").is_some_and(|t| t.trim().eq_ignore_ascii_case(kind))).collect()
    };
    let (auths, aors, identifies, registrations) = (of("auth"), of("aor"), of("identify"), of("registration"));
    let endpoints = of("endpoint");
    let mut accounts: Vec<Account> = Vec::new();
    for endpoint in &endpoints {
        let auth = |key: &str| named(&auths, endpoint.value(key));
        let aor = named(&aors, endpoint.value("aors").or(Some(&endpoint.name)));
        let identify: Vec<_> = identifies.iter().copied().filter(|i| i.value("endpoint") == Some(&endpoint.name)).collect();
        let outbound = auth("outbound_auth");
        let mut account = Account { name: endpoint.name.clone(), units: vec![endpoint.at], ..Account::default() };
        let contact = aor.and_then(|aor| aor.value("contact"));
        account.is_trunk = outbound.is_some() || !identify.is_empty() || (contact.is_some() && endpoint.value("auth").is_none());
        read_endpoint(endpoint, &mut account, &mut draft.ledger);
        if let Some(auth) = outbound.or_else(|| auth("auth")) {
            read_auth(auth, &mut account, &mut draft.ledger);
        }
        if let Some(aor) = aor {
            read_aor(aor, &mut account, &mut draft.ledger);
        }
        for identify in identify {
            account.units.push(identify.at);
            for entry in identify.entries.iter().filter(|entry| entry.key.eq_ignore_ascii_case("match")) {
                account.networks.extend(entry.value.split(',').map(|network| (network.trim().to_owned(), entry.at)));
            }
        }
        accounts.push(account);
    }
    for registration in registrations {
        read_registration(registration, &auths, &mut accounts, &mut draft.ledger);
    }
    for transport in of("transport") {
        read_transport(transport, draft);
    }
    accounts
}

/// What nobody used: known settings say nothing here; others are told.
pub(super) fn leave(sections: &[Section], ledger: &mut Ledger) {
    sections.iter().for_each(|section| leave_section(section, ledger));
}

fn named<'a>(sections: &[&'a Section], name: Option<&str>) -> Option<&'a Section> {
    let name = name?.split(',').next()?.trim();
    sections.iter().copied().find(|section| section.name == name)
}

fn read_endpoint(endpoint: &Section, account: &mut Account, ledger: &mut Ledger) {
    for entry in &endpoint.entries {
        let value = entry.value.trim();
        match entry.key.to_ascii_lowercase().as_str() {
            "context" => account.context = Some((value.to_owned(), entry.at)),
            "callerid" => account.caller_id = Some(value.to_owned()),
            "from_domain" => account.domain = Some(value.to_owned()),
            "from_user" if account.user.is_none() => account.user = Some(value.to_owned()),
            "trust_id_inbound" => account.trusted = is_yes(value),
            "dtmf_mode" => account.traits.dtmf = dtmf(value),
            "media_encryption" => account.traits.media_keys = media_keys(value),
            "allow" => {
                let (ours, others) = codecs(value);
                account.codecs = ours;
                if !others.is_empty() {
                    let what = format!("codecs that the switch does not speak: {}", others.join(", "));
                    ledger.not_converted(entry.at, what, "see whether the other side speaks one of the rest");
                } else if account.is_trunk {
                    ledger.converted(entry.at, "`codecs`");
                } else {
                    ledger.left_out(entry.at, "phones are offered every codec, and choose");
                }
                continue;
            }
            "call_group" | "pickup_group" | "named_call_group" | "named_pickup_group" => {
                ledger.not_converted(entry.at, "who may take whose calls", "write a `pickup-group`");
                continue;
            }
            _ => continue,
        }
        ledger.converted(entry.at, format!("settings of `{}`", account.name));
    }
}

fn read_auth(auth: &Section, account: &mut Account, ledger: &mut Ledger) {
    account.units.push(auth.at);
    for entry in &auth.entries {
        match entry.key.to_ascii_lowercase().as_str() {
            "username" if account.is_trunk => {
                account.user = Some(entry.value.clone());
                ledger.converted(entry.at, "`credentials`");
            }
            "username" if entry.value == account.name => ledger.converted(entry.at, "the number of the extension"),
            "username" => ledger.not_converted(
                entry.at,
                "devices prove their password under the number of their extension",
                "set the user name of the device to its number",
            ),
            "password" => {
                account.secret = Some((entry.value.clone(), entry.at));
            }
            "md5_cred" => {
                ledger.not_converted(
                    entry.at,
                    "a hash that counts in one realm only",
                    "set a new password: tandem user set-password",
                );
            }
            _ => {}
        }
    }
    if account.user.is_none() {
        account.user = Some(auth.name.clone());
    }
}

fn read_aor(aor: &Section, account: &mut Account, ledger: &mut Ledger) {
    account.units.push(aor.at);
    for entry in &aor.entries {
        match entry.key.to_ascii_lowercase().as_str() {
            "contact" => match uri(&entry.value) {
                Some((_, host, transport)) if account.is_trunk && account.peer.is_none() => {
                    account.peer = Some((transport.unwrap_or_else(|| "udp".to_owned()), host));
                    ledger.converted(entry.at, "`peer`");
                }
                _ => ledger.not_converted(entry.at, "a fixed address of a device", "set it: tandem user set --device"),
            },
            "qualify_frequency" => {
                account.ping_s = entry.value.trim().parse::<f64>().ok().and_then(whole);
                if account.is_trunk {
                    ledger.converted(entry.at, "`options-ping`");
                } else {
                    ledger.left_out(entry.at, "registrations say which devices are there");
                }
            }
            _ => {}
        }
    }
}

fn read_registration(registration: &Section, auths: &[&Section], accounts: &mut Vec<Account>, ledger: &mut Ledger) {
    let server = registration.value("server_uri").and_then(uri);
    let client = registration.value("client_uri").and_then(uri);
    let auth = named(auths, registration.value("outbound_auth"));
    let endpoint = registration.value("endpoint");
    let host = |peer: &(String, String)| peer.1.split(':').next().unwrap_or_default().to_owned();
    let server_host = server.as_ref().map(|(_, host, _)| host.split(':').next().unwrap_or_default().to_owned());
    let of = accounts.iter().position(|account| {
        account.is_trunk
            && (endpoint == Some(&account.name)
                || (account.peer.is_some() && account.peer.as_ref().map(host) == server_host)
                || account.name == registration.name)
    });
    let index = of.unwrap_or_else(|| {
        accounts.push(Account { name: registration.name.clone(), is_trunk: true, ..Account::default() });
        accounts.len() - 1
    });
    let account = &mut accounts[index];
    account.units.push(registration.at);
    account.register = true;
    if let Some((_, host, transport)) = server
        && account.peer.is_none()
    {
        account.peer = Some((transport.unwrap_or_else(|| "udp".to_owned()), host));
    }
    if let Some((user, domain, _)) = client {
        account.user = account.user.take().or(user);
        if account.peer.as_ref().is_some_and(|peer| peer.1 != domain) {
            account.domain.get_or_insert(domain);
        }
    }
    if let (Some(auth), None) = (auth, &account.secret) {
        read_auth(auth, account, ledger);
    }
    for entry in registration.entries.iter().filter(|entry| ["server_uri", "client_uri"].contains(&entry.key.as_str())) {
        ledger.converted(entry.at, "`register`");
    }
}

fn read_transport(transport: &Section, draft: &mut Draft) {
    let protocol = transport.value("protocol").unwrap_or("udp").trim().to_ascii_lowercase();
    let bind = transport.value("bind").unwrap_or_default().trim();
    let word = match protocol.as_str() {
        "udp" | "tcp" | "tls" => format!("sip-{protocol}"),
        _ => {
            draft.ledger.left_out(transport.at, "browsers come by the HTTP port: `http` or `https`");
            return;
        }
    };
    let usual = if protocol == "tls" { 5_061 } else { 5_060 };
    let address = bind.parse().or_else(|_| bind.parse::<IpAddr>().map(|ip| std::net::SocketAddr::new(ip, usual)));
    let at = transport.entries.iter().find(|entry| entry.key.eq_ignore_ascii_case("bind")).map_or(transport.at, |entry| entry.at);
    let advertise = transport.value("external_signaling_address").or(transport.value("external_media_address"));
    listen(draft, &word, address.ok(), advertise, at);
    draft.ledger.converted(transport.at, "`listen`");
    for entry in transport.entries.iter().filter(|entry| entry.key.starts_with("external_")) {
        draft.ledger.converted(entry.at, "`advertise`");
    }
}

/// One more address to listen on. One that stands for all can be told to nobody, so it waits for a person.
pub(super) fn listen(draft: &mut Draft, word: &str, address: Option<std::net::SocketAddr>, advertise: Option<&str>, at: UnitId) {
    let advertise = advertise.and_then(|text| text.trim().parse::<IpAddr>().ok());
    let Some(address) = address else {
        return draft.ledger.not_converted(at, "this address cannot be read", "write it into `listen`");
    };
    let (address, told) = if address.ip().is_unspecified() && advertise.is_none() {
        (std::net::SocketAddr::new([127, 0, 0, 1].into(), address.port()), false)
    } else {
        (address, true)
    };
    if told {
        draft.ledger.converted(at, "`listen`");
    } else {
        let todo = "put the address that phones reach into `listen`, or start with `tandem serve --bind ADDRESS`";
        draft.ledger.not_converted(at, "phones must be told one address, and this stands for all", todo);
    }
    draft.listen(node(word).arg(address.to_string()), at);
    if let Some(advertise) = advertise {
        draft.listen(node("advertise").arg(advertise.to_string()), at);
    }
}

fn leave_section(section: &Section, ledger: &mut Ledger) {
    let kind = section.value("type").unwrap_or_default().trim().to_ascii_lowercase();
    let whole = match kind.as_str() {
        "global" | "system" => Some("how Asterisk runs"),
        "phoneprov" | "domain_alias" | "resource_list" | "subscription" | "asterisk-publication" | "contact" => {
            Some("nothing of the dialplan")
        }
        _ => None,
    };
    for (key, at) in section.entries.iter().map(|entry| (entry.key.as_str(), entry.at)).chain([("type", section.at)]) {
        if !ledger.is_open(at) {
            continue;
        }
        match whole {
            Some(why) => ledger.left_out(at, why),
            None if at == section.at => {}
            None if LEFT_OUT.contains(&key.to_ascii_lowercase().as_str()) => {
                ledger.left_out(at, "the switch needs no such setting, or finds it out itself");
            }
            None => ledger.not_converted(at, format!("the setting `{key}` has no counterpart"), "see whether the calls need it"),
        }
    }
}

pub(super) fn is_yes(value: &str) -> bool {
    matches!(value.trim().to_ascii_lowercase().as_str(), "yes" | "true" | "y" | "t" | "1" | "on")
}

/// Whole seconds.
fn whole(seconds: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of seconds between 0 and a day")]
    (0.0..=86_400.0).contains(&seconds).then_some(seconds as u64)
}

pub(super) fn dtmf(mode: &str) -> Option<&'static str> {
    match mode.trim().to_ascii_lowercase().as_str() {
        "info" | "auto_info" | "shortinfo" => Some("info"),
        "inband" => Some("tones"),
        _ => None,
    }
}

pub(super) fn media_keys(value: &str) -> Option<&'static str> {
    match value.trim().to_ascii_lowercase().as_str() {
        "sdes" | "yes" => Some("sdes"),
        "dtls" => Some("dtls"),
        _ => None,
    }
}
