//! Settings and first agents.

use tandem_switch::name::{QueueName, SkillLevel, SkillName};

use super::{Builder, tops};
use crate::{
    inside::{ExtensionRange, StarterAgents},
    listen::{Ice, TlsFiles, Turn},
    read::{Data, Item, is_extension},
    settings::{Dtmf, Listen, MediaKeys},
};

/// Agents that one node makes at most.
const MAX_STARTER_AGENTS: u32 = 10_000;

impl Builder<'_> {
    pub(super) fn extension_ranges(&mut self, items: &[Item]) -> Vec<ExtensionRange> {
        let mut ranges: Vec<ExtensionRange> = Vec::new();
        for item in tops(items, "extensions") {
            let (Some(from), Some(to)) = (item.prop_count("from"), item.prop_count("to")) else { continue };
            if from > to {
                self.findings.error("bad-range", item.at, format!("{from} is above {to}"));
            } else if from.to_string().len() != to.to_string().len() {
                self.findings.error("bad-range", item.at, format!("{from} and {to} have not the same number of digits"));
            } else if let Some(other) = ranges.iter().find(|other| other.from <= to && from <= other.to) {
                self.findings.error(
                    "twice",
                    item.at,
                    format!("some of these are extensions already: {}–{}", other.from, other.to),
                );
            } else {
                let media_keys = item.prop_text("media-keys").and_then(MediaKeys::from_word).unwrap_or_default();
                let redirects = item.prop_flag("redirects").unwrap_or(true);
                let dtmf = item.prop_text("dtmf").and_then(Dtmf::from_word).unwrap_or_default();
                ranges.push(ExtensionRange { from, to, media_keys, dtmf, redirects });
            }
        }
        ranges
    }

    pub(super) fn listen(&mut self, items: &[Item]) -> Listen {
        let mut listen = Listen::default();
        let Some(item) = tops(items, "listen").next() else { return listen };
        let binds = |name: &'static str| {
            item.named(name)
                .filter_map(|bind| {
                    if let Some(Data::Bind(address)) = bind.args.first().map(|v| &v.data) { Some(*address) } else { None }
                })
                .collect()
        };
        listen.sip_udp = binds("sip-udp");
        listen.sip_tcp = binds("sip-tcp");
        listen.sip_tls = binds("sip-tls");
        listen.http = binds("http");
        listen.https = binds("https");
        let first_sip = listen.sip_udp.iter().chain(&listen.sip_tcp).chain(&listen.sip_tls).next();
        if let Some(address) = first_sip {
            listen.rtp_address = address.ip();
        } else {
            self.findings.warning("no-listen", item.at, "no address for SIP: the switch can take no call");
        }
        if let Some(rtp) = item.child("rtp") {
            if let Some(Data::Ports(from, to)) = rtp.args.first().map(|v| &v.data) {
                listen.rtp_ports = (*from, *to);
            }
            if let Some(Data::Ip(address)) = rtp.prop("address").map(|v| &v.data) {
                listen.rtp_address = *address;
            }
        }
        listen.ice = item.child("ice").and_then(Item::text).map(Ice::from_word).unwrap_or_default();
        listen.rtp_shared = self.shared_port(item, listen.rtp_ports);
        listen.turn = self.turn(item, &listen);
        if let Some(Data::Ip(address)) = item.child("advertise").and_then(|a| a.args.first()).map(|v| &v.data) {
            listen.advertise = Some(*address);
        }
        if let Some(ip) = listen.untold() {
            let message =
                format!("nobody can be told to send to {ip}: give the address that phones reach, or name it by `advertise`");
            self.findings.error("untold-address", item.at, message);
        }
        if let Some(tls) = item.child("tls") {
            let file = |name| tls.prop_text(name).unwrap_or_default().to_owned();
            self.must_be_there(tls);
            listen.tls = Some(TlsFiles { certificate: file("certificate"), key: file("key") });
        }
        listen
    }

    /// The port that browsers share, which must not be one of the others.
    fn shared_port(&mut self, listen: &Item, (from, to): (u16, u16)) -> Option<u16> {
        let item = listen.child("rtp-shared")?;
        let Some(Data::Count(port)) = item.args.first().map(|v| &v.data) else { return None };
        let port = u16::try_from(*port).ok()?;
        if (from..=to).contains(&port) {
            self.findings.error(
                "shared-port",
                item.at,
                format!("port {port} is one of `rtp`, {from}-{to}: give one outside of it"),
            );
        }
        Some(port)
    }

    /// The server that lends addresses, which makes sense for ports that browsers share and whoever checks them only.
    fn turn(&mut self, written: &Item, listen: &Listen) -> Option<Turn> {
        let item = written.child("turn")?;
        if listen.rtp_shared.is_none() || listen.ice != Ice::Full {
            let message = "`turn` wants `rtp-shared` and `ice \"full\"` beside it: the address is lent to that port, and found by checks of ours";
            self.findings.error("turn-alone", item.at, message);
        }
        let Some((host, port)) = Turn::host_and_port(item.text()?) else {
            let message =
                "expected the name or the address of a server, with its port unless it is 3478: `turn.example.net:3478`";
            self.findings.error("bad-value", item.args.first().map_or(item.at, |value| value.at), message);
            return None;
        };
        Some(Turn { host, port, user: item.prop_text("user")?.to_owned(), secret: item.prop("secret")?.secret()?.clone() })
    }

    /// The files that a `tls` node names must exist.
    pub(super) fn must_be_there(&mut self, tls: &Item) {
        for path in ["ca", "certificate", "key"].iter().filter_map(|name| tls.prop_text(name)) {
            if !path.is_empty() && !self.world.files.contains(path) {
                self.findings.error("missing-file", tls.at, format!("there is no file `{path}`"));
            }
        }
    }

    pub(super) fn starter_agents(&mut self, items: &[Item]) -> Vec<StarterAgents> {
        let mut all = Vec::new();
        for item in tops(items, "starter-agents") {
            let (Some(from), Some(to)) = (item.prop_count("from"), item.prop_count("to")) else { continue };
            let name = item.prop_text("name").unwrap_or("{n}").to_owned();
            let contact = item.prop_text("contact").map(str::to_owned);
            if from > to || to - from >= MAX_STARTER_AGENTS {
                self.findings.error(
                    "bad-range",
                    item.at,
                    format!("expected `from` below `to`, and at most {MAX_STARTER_AGENTS} agents"),
                );
                continue;
            }
            if from != to && !name.contains("{n}") {
                self.findings.error(
                    "bad-value",
                    item.prop("name").map_or(item.at, |v| v.at),
                    "without `{n}` all of them have the same name",
                );
            }
            if contact.is_none() && [from, to].iter().any(|n| !self.is_extension(&name.replace("{n}", &n.to_string()))) {
                self.findings.warning(
                    "unknown-extension",
                    item.at,
                    "not all of these agents have an extension: nobody can register as them",
                );
            }
            all.push(StarterAgents {
                from,
                to,
                name,
                contact,
                always_on: item.prop_flag("always-on").unwrap_or(false),
                devices: self.devices(item, (from, to)),
                queues: item.child("queues").into_iter().flat_map(Item::texts).map(QueueName::from).collect(),
                skills: skill_levels(item),
                password_file: item.child("password-file").and_then(Item::text).map(str::to_owned),
            });
        }
        all
    }

    /// Whether a text is one of the declared internal numbers.
    pub(super) fn is_extension(&self, text: &str) -> bool {
        is_extension(text) && self.extensions.iter().any(|range| range.contains(text))
    }
}

/// The `skill "…" level=…` lines of a node.
pub(super) fn skill_levels(item: &Item) -> Vec<SkillLevel> {
    let levels = item.named("skill").filter_map(|skill| {
        let level =
            u8::try_from(skill.prop_count("level").unwrap_or(if item.spec.name == "queue" { 1 } else { 5 })).unwrap_or(10);
        Some(SkillLevel { skill: SkillName::from(skill.text()?), level })
    });
    levels.collect()
}
