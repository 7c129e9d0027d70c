//! Phones and carriers, whichever file declares them: extensions, people, passwords, trunks.

use std::collections::BTreeMap;

use super::{
    super::{
        draft::{Draft, Traits, extension_number, file},
        kdl_out::{Build as _, node, seconds},
        ledger::UnitId,
    },
    dialplan::{Dialplan, is_event, split},
};
use crate::settings::{HostPort, Network};

/// What a name in a dial string stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Device {
    Extension(u32),
    Trunk(String),
}

/// Everything that steps may name.
#[derive(Debug, Default)]
pub(super) struct Devices {
    pub(super) by_name: BTreeMap<String, Device>,
    /// Their name and ours.
    pub(super) queues: BTreeMap<String, String>,
    /// The parking lot.
    pub(super) lot: Option<String>,
}

/// An endpoint of pjsip.conf or a peer of sip.conf.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    pub(super) name: String,
    /// Its lines, the section first.
    pub(super) units: Vec<UnitId>,
    pub(super) context: Option<(String, UnitId)>,
    pub(super) caller_id: Option<String>,
    pub(super) user: Option<String>,
    pub(super) secret: Option<(String, UnitId)>,
    /// Transport, and host with port.
    pub(super) peer: Option<(String, String)>,
    pub(super) networks: Vec<(String, UnitId)>,
    pub(super) register: bool,
    pub(super) domain: Option<String>,
    pub(super) codecs: Vec<String>,
    pub(super) traits: Traits,
    pub(super) ping_s: Option<u64>,
    pub(super) trusted: bool,
    pub(super) is_trunk: bool,
}

impl Account {
    /// `"Ada" <1001>`: the name and the number.
    fn shown(&self) -> (String, Option<String>) {
        let Some(caller_id) = &self.caller_id else { return (String::new(), None) };
        match caller_id.split_once('<') {
            Some((name, number)) => {
                let number = number.split('>').next().unwrap_or_default().trim().to_owned();
                (name.trim().trim_matches('"').to_owned(), (!number.is_empty()).then_some(number))
            }
            None => (String::new(), Some(caller_id.trim().to_owned())),
        }
    }
}

/// Puts accounts into the draft; the contexts that their calls come in at.
pub(super) fn declare(
    accounts: &[Account],
    plan: &Dialplan,
    draft: &mut Draft,
    devices: &mut Devices,
) -> Vec<(String, UnitId, Device)> {
    let mut entered = Vec::new();
    for account in accounts {
        let device = if account.is_trunk {
            let name = trunk(account, draft);
            Device::Trunk(name)
        } else {
            let Some(number) = number(account, plan) else {
                let what = format!("`{}` is a name, and devices have numbers here", account.name);
                let todo = "choose a number, declare it by `extensions`, and add them: tandem user add";
                account.units.iter().for_each(|unit| draft.ledger.not_converted(*unit, what.clone(), todo));
                continue;
            };
            phone(account, number, draft);
            devices.by_name.entry(number.to_string()).or_insert(Device::Extension(number));
            Device::Extension(number)
        };
        if let Some((context, at)) = &account.context {
            entered.push((context.clone(), *at, device.clone()));
        }
        devices.by_name.insert(account.name.clone(), device);
    }
    entered
}

/// The number of a phone: its name, or the extension that dials it, or its caller id.
fn number(account: &Account, plan: &Dialplan) -> Option<u32> {
    extension_number(&account.name).or_else(|| dialled_as(&account.name, plan)).or_else(|| {
        let (_, number) = account.shown();
        number.and_then(|number| extension_number(&number))
    })
}

/// The extension that dials this device and nobody else.
fn dialled_as(name: &str, plan: &Dialplan) -> Option<u32> {
    let extens = plan.contexts.iter().flat_map(|context| &context.extens).filter(|exten| !is_event(&exten.text));
    let mut found = extens.filter(|exten| {
        let dials = exten.steps.iter().filter(|step| step.app == "dial").filter_map(|step| split(&step.args).into_iter().next());
        dials.into_iter().any(|target| target.split_once('/').is_some_and(|(_, device)| device == name))
    });
    found.find_map(|exten| extension_number(&exten.text))
}

fn phone(account: &Account, number: u32, draft: &mut Draft) {
    if draft.extensions.insert(number, account.traits).is_some() {
        let todo = "give each device a number of its own, or let them share one password";
        let first = account.units.first().copied();
        if let Some(first) = first {
            draft.ledger.not_converted(first, format!("the extension {number} is that of another device already"), todo);
        }
    }
    let (name, _) = account.shown();
    let file = account.secret.as_ref().map(|(secret, at)| {
        draft.ledger.converted(*at, format!("the password of {number}, in a file of its own"));
        draft.secret("person", &number.to_string(), secret)
    });
    let person = draft.person(number);
    if !name.is_empty() {
        person.name = name.chars().filter(|c| !c.is_control()).take(64).collect();
    }
    person.password_file = file.or_else(|| person.password_file.take());
    for unit in &account.units {
        draft.ledger.converted(*unit, format!("extension {number}"));
    }
}

fn trunk(account: &Account, draft: &mut Draft) -> String {
    let name = draft.trunk_names.of(&account.name);
    let mut trunk = node("trunk").arg(name.as_str());
    for (network, at) in &account.networks {
        match network_of(network) {
            Some(network) => {
                trunk = trunk.child(node("match").arg(network));
                draft.ledger.converted(*at, format!("an address of trunk `{name}`"));
            }
            None => draft.ledger.not_converted(
                *at,
                "calls are told by addresses here, and this is a name",
                format!("write `match` with the addresses of `{name}`"),
            ),
        }
    }
    if let Some((transport, host)) = &account.peer {
        match host.parse::<HostPort>() {
            Ok(_) => trunk = trunk.child(node("peer").arg(transport.as_str()).arg(host.as_str())),
            Err(()) => draft.ledger.not_converted(account.units[0], "the address of the peer cannot be read", "write `peer`"),
        }
    }
    if let (Some(user), Some((secret, at))) = (&account.user, &account.secret) {
        draft.ledger.converted(*at, format!("the password of trunk `{name}`, in a file of its own"));
        let path = draft.secret("trunk", &name, secret);
        trunk = trunk.child(node("credentials").prop("user", user.as_str()).prop("secret", format!("file:{path}")));
        if account.register && account.peer.is_some() {
            trunk = trunk.child(node("register").arg(true));
        }
    }
    if let Some(domain) = account.domain.as_ref().filter(|domain| domain.parse::<HostPort>().is_ok()) {
        trunk = trunk.child(node("domain").arg(domain.as_str()));
    }
    if let Some(ping) = account.ping_s.filter(|ping| *ping > 0 && account.peer.is_some()) {
        trunk = trunk.child(node("options-ping").arg(seconds(ping)));
    }
    if !account.codecs.is_empty() {
        trunk = trunk.child(account.codecs.iter().fold(node("codecs"), |node, codec| node.arg(codec.as_str())));
    }
    for (word, value) in [("media-keys", account.traits.media_keys), ("dtmf", account.traits.dtmf)] {
        if let Some(value) = value {
            trunk = trunk.child(node(word).arg(value));
        }
    }
    if account.trusted {
        trunk = trunk.child(node("trust").arg("identity"));
    }
    if let (_, Some(number)) = account.shown()
        && crate::plan::parse_number(&number).is_some()
    {
        trunk = trunk.child(node("caller-id").arg("fixed").prop("number", number));
    }
    for unit in &account.units {
        draft.ledger.converted(*unit, format!("trunk `{name}`"));
    }
    draft.top(file::TRUNKS, trunk, account.units.clone());
    name
}

/// `192.0.2.0/255.255.255.0` and `192.0.2.0/24`, as the second.
pub(super) fn network_of(text: &str) -> Option<String> {
    let text = text.trim();
    let written = match text.split_once('/') {
        Some((address, mask)) if mask.contains('.') => {
            let mask: std::net::Ipv4Addr = mask.parse().ok()?;
            let bits = mask.to_bits();
            (bits.leading_ones() + bits.trailing_zeros() == 32 || bits == u32::MAX)
                .then(|| format!("{address}/{}", bits.leading_ones()))?
        }
        _ => text.to_owned(),
    };
    written.parse::<Network>().is_ok().then_some(written)
}

/// `sip:user@host:5060;transport=tcp`: user, host with port, and transport.
pub(super) fn uri(text: &str) -> Option<(Option<String>, String, Option<String>)> {
    let bare = text.trim().trim_matches(['<', '>', '"']);
    let (secure, bare) = match bare.split_once(':') {
        Some(("sip", rest)) => (false, rest),
        Some(("sips", rest)) => (true, rest),
        _ => (false, bare),
    };
    let mut parts = bare.split([';', '\\']).map(str::trim).filter(|part| !part.is_empty());
    let address = parts.next()?;
    let transport = parts.find_map(|part| part.strip_prefix("transport=")).map(str::to_ascii_lowercase);
    let (user, host) = match address.rsplit_once('@') {
        Some((user, host)) => (Some(user.split(':').next().unwrap_or(user).to_owned()), host),
        None => (None, address),
    };
    let known = transport.filter(|transport| ["udp", "tcp", "tls"].contains(&transport.as_str()));
    (!host.is_empty()).then(|| (user, host.to_owned(), known.or_else(|| secure.then(|| "tls".to_owned()))))
}

/// Our names of their codecs, and those that we do not speak.
pub(super) fn codecs(list: &str) -> (Vec<String>, Vec<String>) {
    let (mut ours, mut others) = (Vec::new(), Vec::new());
    for theirs in list.split(',').map(|codec| codec.split(':').next().unwrap_or(codec).trim()).filter(|c| !c.is_empty()) {
        let word = match theirs.trim_start_matches('!') {
            _ if theirs.starts_with('!') => continue,
            "all" => continue,
            "ulaw" | "PCMU" => "pcmu",
            "alaw" | "PCMA" => "pcma",
            "g722" | "G722" => "g722",
            "opus" | "OPUS" => "opus",
            "g729" | "g729a" | "G729" => "g729",
            other => {
                others.push(other.to_owned());
                continue;
            }
        };
        if !ours.iter().any(|known| known == word) {
            ours.push(word.to_owned());
        }
    }
    (ours, others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_asterisk_writes_them() {
        assert_eq!(network_of("192.0.2.0/255.255.255.0").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(network_of("192.0.2.7").as_deref(), Some("192.0.2.7"));
        assert_eq!(network_of("192.0.2.0/255.0.255.0"), None);
        assert_eq!(network_of("sip.example"), None);
        let (user, host, transport) = uri("sip:me@sip.example:5061\\;transport=TLS").unwrap();
        assert_eq!((user.as_deref(), host.as_str(), transport.as_deref()), (Some("me"), "sip.example:5061", Some("tls")));
        assert_eq!(codecs("!all,ulaw,g722,gsm,ulaw"), (vec!["pcmu".into(), "g722".into()], vec!["gsm".into()]));
    }
}
