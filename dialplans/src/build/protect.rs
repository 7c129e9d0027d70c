//! Overload and abuse.

use std::collections::BTreeMap;

use tandem_switch::{
    name::TrunkName,
    toll::{Caps, TollRules},
};

use super::{Builder, tops};
use crate::{
    protect::{Protect, USUAL},
    read::{Data, Item},
    settings::Host,
};

impl Builder<'_> {
    pub(super) fn protect(&mut self, items: &[Item]) -> Protect {
        let Some(item) = tops(items, "protect").next() else { return Protect::default() };
        let allow = item.child("allow").into_iter().flat_map(|allow| &allow.args);
        let domains = item.child("domains").into_iter().flat_map(|domains| &domains.args);
        let mut hosts = Vec::new();
        for value in domains {
            let Data::Peer(domain) = &value.data else { continue };
            if domain.port.is_some() {
                self.findings.error("bad-value", value.at, "expected a domain without a port");
            }
            hosts.push(match &domain.host {
                Host::Name(name) => name.clone(),
                Host::Address(std::net::IpAddr::V6(v6)) => format!("[{v6}]"),
                Host::Address(v4) => v4.to_string(),
            });
        }
        Protect {
            allow: allow.filter_map(|value| if let Data::Network(network) = value.data { Some(network) } else { None }).collect(),
            emergency: item.child("emergency").map(|numbers| numbers.texts().map(str::to_owned).collect()),
            domains: hosts,
            toll: self.toll(item),
            max_calls: item.child("max-calls").and_then(Item::count),
        }
    }

    fn toll(&mut self, item: &Item) -> TollRules {
        let mut trunks = BTreeMap::new();
        for caps in item.named("trunk-caps") {
            let Some(name) = caps.text() else { continue };
            if trunks.insert(TrunkName::from(name), read(caps, Caps::default())).is_some() {
                self.findings.error("twice", caps.at, format!("trunk `{name}` has caps already"));
            }
        }
        TollRules { extension: item.child("extension-caps").map_or(USUAL, |caps| read(caps, USUAL)), trunks }
    }
}

fn read(item: &Item, usual: Caps) -> Caps {
    Caps {
        calls: item.prop_count("calls").or(usual.calls),
        per_hour: item.prop_count("per-hour").or(usual.per_hour),
        per_day: item.prop_count("per-day").or(usual.per_day),
        abroad_minutes: item.prop_count("abroad-minutes").or(usual.abroad_minutes),
    }
}
