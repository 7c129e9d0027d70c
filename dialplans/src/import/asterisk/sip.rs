//! `sip.conf`, the older file of phones and carriers: sections are peers, and `register` lines stand in `[general]`.

use super::{
    super::{draft::Draft, ledger::Ledger},
    devices::{Account, codecs},
    lines::{Entry, Section},
    pjsip::{dtmf, is_yes, listen, media_keys},
};

/// Settings that the switch decides itself, or that say nothing for it.
const LEFT_OUT: &[&str] = &[
    "type",
    "nat",
    "canreinvite",
    "directmedia",
    "disallow",
    "insecure",
    "allowguest",
    "allowoverlap",
    "srvlookup",
    "tcpenable",
    "tlsenable",
    "mailbox",
    "busylevel",
    "call-limit",
    "callcounter",
    "limitonpeers",
    "notifyringing",
    "notifyhold",
    "videosupport",
    "useragent",
    "realm",
    "rtptimeout",
    "rtpholdtimeout",
    "localnet",
    "permit",
    "deny",
    "progressinband",
    "session-timers",
    "sendrpid",
    "alwaysauthreject",
    "maxexpiry",
    "minexpiry",
    "defaultexpiry",
    "registertimeout",
    "registerattempts",
    "t38pt_udptl",
    "tos_sip",
    "tos_audio",
    "subscribecontext",
    "allowsubscribe",
    "pedantic",
    "transport",
    "qualifyfreq",
    "jbenable",
    "recordhistory",
    "port",
    "username",
    "defaultuser",
    "fromuser",
    "amaflags",
    "dynamic_exclude_static",
    "contactpermit",
    "contactdeny",
    "cos_sip",
];

/// Reads all of it.
pub(super) fn read(sections: &[Section], draft: &mut Draft) -> Vec<Account> {
    let mut accounts = Vec::new();
    let mut usual = None;
    for section in sections.iter().filter(|section| section.name != "general") {
        let account = peer(section, &mut draft.ledger);
        accounts.push(account);
    }
    for section in sections.iter().filter(|section| section.name == "general") {
        draft.ledger.converted(section.at, "settings of all devices");
        for entry in &section.entries {
            match entry.key.to_ascii_lowercase().as_str() {
                "register" => register(entry, &mut accounts, &mut draft.ledger),
                "context" => usual = Some((entry.value.clone(), entry.at)),
                "bindaddr" | "udpbindaddr" | "tcpbindaddr" | "tlsbindaddr" => {
                    let word = if entry.key.starts_with("tcp") {
                        "sip-tcp"
                    } else if entry.key.starts_with("tls") {
                        "sip-tls"
                    } else {
                        "sip-udp"
                    };
                    let value = entry.value.trim();
                    let usual = if word == "sip-tls" { 5_061 } else { 5_060 };
                    let address = value.parse().ok().or_else(|| Some(std::net::SocketAddr::new(value.parse().ok()?, usual)));
                    let outside = section.value("externip").or(section.value("externaddr"));
                    listen(draft, word, address, outside, entry.at);
                }
                "externip" | "externaddr" => draft.ledger.converted(entry.at, "`advertise`"),
                _ => {}
            }
        }
    }
    for account in &mut accounts {
        if account.context.is_none() {
            account.context.clone_from(&usual);
        }
    }
    if let Some((_, at)) = usual {
        draft.ledger.converted(at, "the context of devices that name none; strangers have none here");
    }
    accounts
}

fn peer(section: &Section, ledger: &mut Ledger) -> Account {
    let mut account = Account { name: section.name.clone(), units: vec![section.at], ..Account::default() };
    let host = section.value("host").map(str::trim);
    account.is_trunk = host.is_some_and(|host| !host.eq_ignore_ascii_case("dynamic"));
    for entry in &section.entries {
        let value = entry.value.trim();
        match entry.key.to_ascii_lowercase().as_str() {
            "context" => account.context = Some((value.to_owned(), entry.at)),
            "callerid" => account.caller_id = Some(value.to_owned()),
            "secret" | "remotesecret" => {
                account.secret = Some((value.to_owned(), entry.at));
                continue;
            }
            "md5secret" => {
                ledger.not_converted(
                    entry.at,
                    "a hash that counts in one realm only",
                    "set a new password: tandem user set-password",
                );
                continue;
            }
            "fromdomain" => account.domain = Some(value.to_owned()),
            "trustrpid" => account.trusted = is_yes(value),
            "dtmfmode" => account.traits.dtmf = dtmf(value),
            "encryption" => account.traits.media_keys = media_keys(value),
            "qualify" if account.is_trunk => account.ping_s = (!matches!(value, "no" | "0")).then_some(60),
            "host" if account.is_trunk => {
                let port = section.value("port").map(|port| format!(":{}", port.trim())).unwrap_or_default();
                let transport = section.value("transport").and_then(|t| t.split(',').next()).unwrap_or("udp").trim().to_owned();
                account.peer = Some((transport, format!("{value}{port}")));
                // A name is told of as the address that calls come from, where that is read.
                account.networks.push((value.to_owned(), entry.at));
            }
            "host" | "qualify" => {
                ledger.left_out(entry.at, "devices say where they are when they register");
                continue;
            }
            "allow" => {
                let (ours, others) = codecs(value);
                account.codecs.extend(ours.into_iter().filter(|codec| !account.codecs.contains(codec)).collect::<Vec<_>>());
                if !others.is_empty() {
                    let what = format!("codecs that the switch does not speak: {}", others.join(", "));
                    ledger.not_converted(entry.at, what, "see whether the other side speaks one of the rest");
                    continue;
                }
            }
            "callgroup" | "pickupgroup" | "namedcallgroup" | "namedpickupgroup" => {
                ledger.not_converted(entry.at, "who may take whose calls", "write a `pickup-group`");
                continue;
            }
            _ => continue,
        }
        ledger.converted(entry.at, format!("settings of `{}`", section.name));
    }
    let user = ["defaultuser", "username", "fromuser"].into_iter().find_map(|key| section.value(key));
    account.user = Some(user.unwrap_or(&section.name).to_owned());
    account
}

/// `register => user[:secret[:authuser]]@host[:port][/extension]`.
fn register(entry: &Entry, accounts: &mut Vec<Account>, ledger: &mut Ledger) {
    let (who, place) = entry.value.rsplit_once('@').unwrap_or((&entry.value, ""));
    let mut who = who.rsplit("//").next().unwrap_or(who).split(':');
    let (user, secret, auth) = (who.next().unwrap_or_default(), who.next(), who.next());
    if let Some(secret) = secret {
        ledger.hide(entry.at, secret);
    }
    let host = place.split(['/', '~']).next().unwrap_or_default();
    if host.is_empty() {
        return ledger.not_converted(entry.at, "a registration without a host", "write a `trunk` with `register #true`");
    }
    let name = host.split(':').next().unwrap_or(host);
    let same = |account: &Account| {
        account.is_trunk
            && (account.name == name || account.peer.as_ref().is_some_and(|peer| peer.1.split(':').next() == Some(name)))
    };
    let index = accounts.iter().position(same).unwrap_or_else(|| {
        let peer = Some(("udp".to_owned(), host.to_owned()));
        accounts.push(Account { name: name.to_owned(), is_trunk: true, peer, units: vec![entry.at], ..Account::default() });
        accounts.len() - 1
    });
    let account = &mut accounts[index];
    account.register = true;
    account.user = Some(auth.unwrap_or(user).to_owned());
    if let (Some(secret), None) = (secret, &account.secret) {
        account.secret = Some((secret.to_owned(), entry.at));
    }
    ledger.converted(entry.at, "`register`");
}

/// What nobody used: known settings say nothing here; others are told.
pub(super) fn leave(sections: &[Section], ledger: &mut Ledger) {
    for entry in sections.iter().flat_map(|section| &section.entries) {
        if !ledger.is_open(entry.at) {
            continue;
        }
        if LEFT_OUT.contains(&entry.key.to_ascii_lowercase().as_str()) {
            ledger.left_out(entry.at, "the switch needs no such setting, or finds it out itself");
        } else {
            let what = format!("the setting `{}` has no counterpart", entry.key);
            ledger.not_converted(entry.at, what, "see whether the calls need it");
        }
    }
}
