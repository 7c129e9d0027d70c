//! Carrier links, what they do with numbers, and groups of them.

use std::collections::BTreeMap;

use tandem_switch::name::{PartyNumber, TrunkName};

use super::{
    Builder, tops,
    trunk_calls::{profile, usual_caller_id, usual_codecs, usual_media_keys, usual_numbering, usual_peer},
};
use crate::{
    listen::TlsFiles,
    pattern::Pattern,
    plan::parse_number,
    read::{Data, Item},
    settings::{Codec, Credentials, Dtmf, MediaKeys, Peer, Transport, Trunk, TrunkTls},
    trunk_rules::{CallerIdRule, Member, NumberFormat, Numbering, TrunkGroup, TrunkRules},
};

/// Written where a prefix would stand.
const NO_PREFIX: &str = "none";

impl Builder<'_> {
    pub(super) fn trunks(&mut self, items: &[Item]) -> BTreeMap<TrunkName, Trunk> {
        let mut trunks: BTreeMap<TrunkName, Trunk> = BTreeMap::new();
        for item in tops(items, "trunk") {
            let Some(name) = item.text() else { continue };
            let trunk = self.trunk(name, item);
            for network in &trunk.networks {
                if let Some(other) = trunks.values().find(|other| other.networks.contains(network)) {
                    let message = format!("trunk `{}` trusts the same address: its calls cannot be told apart", other.name);
                    self.findings.error("overlap", item.at, message);
                }
            }
            trunks.entry(trunk.name.clone()).or_insert(trunk);
        }
        trunks
    }

    fn trunk(&mut self, name: &str, item: &Item) -> Trunk {
        let networks = item.named("match").flat_map(|m| &m.args);
        let peer = item.child("peer").and_then(|peer| {
            let (way, Some(Data::Peer(address))) = (peer.text()?, peer.args.get(1).map(|v| &v.data)) else { return None };
            Some(Peer { transport: Transport::from_word(way), secure: way == "auto-tls", address: address.clone() })
        });
        let peer = if item.child("peer").is_none() { usual_peer(item) } else { peer };
        let credentials = item.child("credentials").and_then(|c| {
            Some(Credentials {
                user: c.prop_text("user")?.to_owned(),
                secret: c.prop("secret")?.secret()?.clone(),
                realm: c.prop_text("realm").map(str::to_owned),
            })
        });
        let codecs: Vec<_> = item.child("codecs").into_iter().flat_map(Item::texts).filter_map(Codec::from_word).collect();
        let written_keys = item.child("media-keys").and_then(Item::text).and_then(MediaKeys::from_word);
        let trunk = Trunk {
            name: name.into(),
            networks: networks.filter_map(|v| if let Data::Network(network) = v.data { Some(network) } else { None }).collect(),
            tls: self.trunk_tls(item, peer.as_ref()),
            calls: self.trunk_calls(item, peer.as_ref(), credentials.as_ref()),
            peer,
            credentials,
            codecs: if codecs.is_empty() { usual_codecs(item) } else { codecs },
            media_keys: written_keys.unwrap_or_else(|| usual_media_keys(item)),
            dtmf: item.child("dtmf").and_then(Item::text).and_then(Dtmf::from_word).unwrap_or_default(),
            register: item.child("register").and_then(Item::flag).unwrap_or(false),
            ping_ms: item.child("options-ping").and_then(Item::ms),
            max_calls: item.child("max-calls").and_then(Item::count).unwrap_or(1_000),
            calls_per_s: item.child("calls-per-second").and_then(Item::count).unwrap_or(0),
            failover_ms: item.child("failover-after").and_then(Item::ms).unwrap_or(4_000),
            domain: item.child("domain").and_then(|d| match &d.args.first()?.data {
                Data::Peer(host) => Some(host.to_string()),
                _ => None,
            }),
            rules: self.trunk_rules(item),
            trusts_identity: item.child("trust").into_iter().flat_map(Item::texts).any(|what| what == "identity"),
            transfers: item.child("transfers").and_then(Item::flag).unwrap_or(false),
            takes_refer: item.child("takes-refer").and_then(Item::flag).unwrap_or(false),
            redirects: item.child("redirects").and_then(Item::flag).unwrap_or(false),
            identity: self.identity(item),
        };
        if trunk.peer.is_none() && item.child("peer").is_none() {
            for (needs, child) in [(trunk.register, "register"), (trunk.ping_ms.is_some(), "options-ping")] {
                if needs {
                    self.findings.error(
                        "missing-peer",
                        item.child(child).map_or(item.at, |c| c.at),
                        format!("`{child}` needs a `peer`"),
                    );
                }
            }
        }
        if trunk.register && item.child("credentials").is_none() {
            self.findings.error("missing-credentials", item.at, "`register` needs `credentials`");
        }
        trunk
    }

    fn trunk_tls(&mut self, trunk: &Item, peer: Option<&Peer>) -> Option<TrunkTls> {
        let tls = trunk.child("tls")?;
        self.must_be_there(tls);
        if peer.is_none_or(|peer| peer.transport.is_some_and(|transport| transport != Transport::Tls)) {
            self.findings.error("missing-peer", tls.at, "`tls` needs a `peer` with the transport `tls`, `auto-tls` or `auto`");
        }
        let own = match (tls.prop_text("certificate"), tls.prop_text("key")) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate: certificate.to_owned(), key: key.to_owned() }),
            (None, None) => None,
            _ => {
                self.findings.error("missing-file", tls.at, "`certificate` and `key` go together");
                None
            }
        };
        let name = tls.prop("name").and_then(|name| {
            let Data::Peer(name) = &name.data else { return None };
            if name.port.is_some() {
                self.findings.error("bad-value", tls.at, "expected the name of a host, without a port");
            }
            Some(name.host.clone())
        });
        Some(TrunkTls { name, authorities: tls.prop_text("ca").map(str::to_owned), own })
    }

    fn trunk_rules(&mut self, item: &Item) -> TrunkRules {
        TrunkRules {
            numbering: self.numbering(item),
            international: item.child("international").and_then(Item::flag).unwrap_or_else(|| profile(item).is_some()),
            allow: patterns(item, "allow"),
            deny: patterns(item, "deny"),
            caller_id: self.caller_id(item),
            our_numbers: patterns(item, "our-numbers"),
        }
    }

    fn numbering(&mut self, item: &Item) -> Numbering {
        let usual = usual_numbering(item);
        let Some(numbers) = item.child("numbers") else { return usual };
        let format = |name| numbers.prop_text(name).and_then(NumberFormat::from_word).unwrap_or_default();
        let prefix = |name| numbers.prop_text(name).map(|text| if text == NO_PREFIX { String::new() } else { text.to_owned() });
        let digits = |text: &str| text.len() <= 8 && text.bytes().all(|b| b.is_ascii_digit());
        for name in ["country-code", "national-prefix", "international-prefix"] {
            let text = numbers.prop_text(name).filter(|text| *text != NO_PREFIX).unwrap_or_default();
            if !digits(text) || (name == "country-code" && (text.len() > 3 || text.starts_with('0'))) {
                let at = numbers.prop(name).map_or(numbers.at, |value| value.at);
                self.findings.error("bad-value", at, format!("`{name}` is written in digits"));
            }
        }
        let numbering = Numbering {
            outgoing: format("out"),
            incoming: format("in"),
            country_code: numbers.prop_text("country-code").filter(|code| !code.is_empty()).map(str::to_owned),
            national_prefix: prefix("national-prefix").unwrap_or(usual.national_prefix),
            international_prefix: prefix("international-prefix").unwrap_or(usual.international_prefix),
        };
        let needs_country = numbering.outgoing != NumberFormat::AsIs || numbering.incoming == NumberFormat::National;
        if needs_country && numbering.country_code.is_none() {
            self.findings.error("missing-property", numbers.at, "this format needs `country-code=…`");
        }
        numbering
    }

    fn caller_id(&mut self, item: &Item) -> CallerIdRule {
        let Some(rule) = item.child("caller-id") else { return usual_caller_id(item) };
        let number: Option<PartyNumber> = rule.prop_text("number").and_then(parse_number);
        if let Some(written) = rule.prop("number").filter(|_| number.is_none()) {
            self.findings.error("bad-number", written.at, "this is no telephone number");
        }
        if rule.text() == Some("ours") && item.child("our-numbers").is_none() {
            self.findings.error("missing-node", rule.at, "`caller-id \"ours\"` needs `our-numbers`");
        }
        match (rule.text(), number) {
            (Some("fixed"), Some(number)) => CallerIdRule::Fixed(number),
            (Some("ours"), Some(number)) => CallerIdRule::Ours(number),
            (Some("anonymous"), number) => {
                let trusted = item.child("trust").into_iter().flat_map(Item::texts).any(|what| what == "identity");
                if number.is_some() && !trusted {
                    let message = "a carrier is told the number of an anonymous call with `trust \"identity\"` only";
                    self.findings.error("missing-node", rule.at, message);
                }
                CallerIdRule::Anonymous(number)
            }
            (_, Some(_)) => CallerIdRule::AsIs,
            (_, None) => {
                if rule.prop("number").is_none() {
                    self.findings.error("missing-property", rule.at, "this rule needs `number=…`");
                }
                CallerIdRule::AsIs
            }
        }
    }

    pub(super) fn trunk_groups(
        &mut self,
        items: &[Item],
        trunks: &BTreeMap<TrunkName, Trunk>,
    ) -> BTreeMap<TrunkName, TrunkGroup> {
        let mut groups = BTreeMap::new();
        for item in tops(items, "trunk-group") {
            let Some(name) = item.text().map(TrunkName::from) else { continue };
            let mut members: Vec<Member> = Vec::new();
            for member in item.named("member") {
                let Some(trunk) = member.text().map(TrunkName::from) else { continue };
                match trunks.get(&trunk) {
                    Some(_) if has_no_peer(items, &trunk) => {
                        let message = format!("trunk `{trunk}` has no `peer`: no call can go there");
                        self.findings.error("missing-peer", member.at, message);
                    }
                    Some(_) if members.iter().any(|other| other.trunk == trunk) => {
                        self.findings.error("twice", member.at, format!("trunk `{trunk}` is in the group twice"));
                    }
                    Some(_) => {}
                    // A name that is declared nowhere was said already.
                    None if tops(items, "trunk-group").any(|group| group.text() == Some(trunk.as_str())) => {
                        self.findings.error("bad-group", member.at, format!("`{trunk}` is a group: groups hold trunks"));
                    }
                    None => {}
                }
                let number = |prop, usual| member.prop_count(prop).unwrap_or(usual);
                members.push(Member { trunk, rank: number("rank", 0), weight: number("weight", 1) });
            }
            if members.is_empty() {
                self.findings.error("bad-group", item.at, "a group needs a `member`");
            }
            self.no_calls_from(items, &name);
            groups.insert(name.clone(), TrunkGroup { name, members });
        }
        groups
    }

    /// Calls come by a trunk and never by a group.
    fn no_calls_from(&mut self, items: &[Item], group: &TrunkName) {
        for from in tops(items, "route").flat_map(|route| route.named("from")) {
            if let Some(value) = from.prop("trunk").filter(|value| value.text() == Some(group.as_str())) {
                self.findings.error("bad-group", value.at, format!("`{group}` is a group: calls come by one of its trunks"));
            }
        }
    }
}

/// Whether a trunk says nothing of where calls go. A peer that cannot be read was said already.
fn has_no_peer(items: &[Item], trunk: &TrunkName) -> bool {
    tops(items, "trunk")
        .any(|item| item.text() == Some(trunk.as_str()) && item.child("peer").is_none() && profile(item).is_none())
}

fn patterns(item: &Item, name: &'static str) -> Vec<Pattern> {
    let values = item.named(name).flat_map(|node| &node.args);
    values.filter_map(|value| if let Data::Pattern(pattern) = &value.data { Some((**pattern).clone()) } else { None }).collect()
}
