//! What is particular to the calls of a trunk, and what a profile demands.

use tandem_switch::name::PartyNumber;

use super::Builder;
use crate::{
    read::{Data, Item},
    settings::{Codec, Credentials, Host, HostPort, MediaKeys, Peer, Transport},
    trunk_calls::{DigestUri, KeepHeader, Profile, TrunkCalls},
    trunk_rules::{CallerIdRule, NumberFormat, Numbering},
};

/// More headers of a trunk are not kept.
const MOST_HEADERS: usize = 16;
/// A peer that counts silence gives up after half a minute, so that longer is as good as nothing, in ms.
const KEEP_ALIVE_MS: std::ops::RangeInclusive<u64> = 1_000..=20_000;
/// What WhatsApp is reached by.
const WHATSAPP_HOST: &str = "wa.meta.vc";
/// It drops a call after 30 s without audio of ours, in ms.
const WHATSAPP_KEEP_ALIVE_MS: u64 = 4_000;
/// Its headers that are kept, by their names without `x-wa-meta-`.
const WHATSAPP_HEADERS: [&str; 7] =
    ["wacid", "call-duration", "cta-payload", "deeplink-payload", "user-id", "parent-user-id", "username"];

/// The profile of a trunk, if it has one.
pub(super) fn profile(trunk: &Item) -> Option<Profile> {
    trunk.child("profile").and_then(Item::text).and_then(Profile::from_word)
}

/// Where a trunk's calls go when it does not say.
pub(super) fn usual_peer(trunk: &Item) -> Option<Peer> {
    let Profile::Whatsapp = profile(trunk)?;
    let address = HostPort { host: Host::Name(WHATSAPP_HOST.to_owned()), port: None };
    Some(Peer { transport: Some(Transport::Tls), secure: false, address })
}

/// The codecs of a trunk that names none.
pub(super) fn usual_codecs(trunk: &Item) -> Vec<Codec> {
    profile(trunk).map(|Profile::Whatsapp| Codec::Opus).into_iter().collect()
}

/// Whether the audio of a trunk that does not say is encrypted.
pub(super) fn usual_media_keys(trunk: &Item) -> MediaKeys {
    profile(trunk).map_or(MediaKeys::None, |Profile::Whatsapp| MediaKeys::Sdes)
}

/// How numbers are written on a trunk that does not say.
pub(super) fn usual_numbering(trunk: &Item) -> Numbering {
    match profile(trunk) {
        None => Numbering::default(),
        Some(Profile::Whatsapp) => {
            Numbering { outgoing: NumberFormat::E164Plus, incoming: NumberFormat::E164, ..Numbering::default() }
        }
    }
}

/// Whose number a trunk shows that does not say: a profile's user name is the number.
pub(super) fn usual_caller_id(trunk: &Item) -> CallerIdRule {
    let user = trunk.child("credentials").and_then(|credentials| credentials.prop_text("user"));
    match (profile(trunk), user) {
        (Some(Profile::Whatsapp), Some(user)) => CallerIdRule::Fixed(PartyNumber::from(format!("+{user}").as_str())),
        _ => CallerIdRule::AsIs,
    }
}

impl Builder<'_> {
    pub(super) fn trunk_calls(&mut self, trunk: &Item, peer: Option<&Peer>, credentials: Option<&Credentials>) -> TrunkCalls {
        let profile = profile(trunk);
        let is_plain = profile.is_none();
        let flag = |name, usual| trunk.child(name).and_then(Item::flag).unwrap_or(usual);
        let digest_uri = trunk.child("digest-uri").and_then(Item::text).and_then(DigestUri::from_word);
        let calls = TrunkCalls {
            profile,
            challenge: flag("challenge", !is_plain),
            digest_uri: digest_uri.unwrap_or(if is_plain { DigestUri::Whole } else { DigestUri::UserHost }),
            reinvite: flag("reinvite", is_plain),
            keep_alive_ms: self.keep_alive_ms(trunk).or((!is_plain).then_some(WHATSAPP_KEEP_ALIVE_MS)),
            onward: flag("onward", is_plain),
            keep_headers: self.keep_headers(trunk, profile),
        };
        if let Some(challenge) = trunk.child("challenge").filter(|_| calls.challenge && credentials.is_none()) {
            self.findings.error("missing-credentials", challenge.at, "`challenge` needs `credentials`");
        }
        if let Some(Profile::Whatsapp) = profile {
            self.whatsapp(trunk, peer, credentials);
        }
        calls
    }

    fn keep_alive_ms(&mut self, trunk: &Item) -> Option<u64> {
        let item = trunk.child("media-keep-alive")?;
        let ms = item.ms()?;
        if !KEEP_ALIVE_MS.contains(&ms) {
            self.findings.error("bad-value", item.at, "expected 1 to 20 s");
        }
        Some(ms)
    }

    fn keep_headers(&mut self, trunk: &Item, profile: Option<Profile>) -> Vec<KeepHeader> {
        let mut kept = Vec::new();
        for item in trunk.named("keep-header") {
            let (Some(header), Some(name)) = (item.text(), item.prop_text("as")) else { continue };
            let is_token = header.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
            if header.is_empty() || header.len() > 64 || !is_token {
                self.findings.error("bad-value", item.at, "this is no name of a header");
            }
            let without = item.prop_text("without").map(str::to_owned);
            kept.push(KeepHeader { header: header.to_owned(), name: name.to_owned(), without });
        }
        if let Some(Profile::Whatsapp) = profile {
            let own = |name: &str| KeepHeader { header: format!("x-wa-meta-{name}"), name: name.to_owned(), without: None };
            kept.extend(WHATSAPP_HEADERS.map(own));
            // The identifier stands in the Call-ID as well.
            let (header, name) = ("call-id".to_owned(), "wacid".to_owned());
            kept.push(KeepHeader { header, name, without: Some("outgoing:".to_owned()) });
        }
        if kept.len() > MOST_HEADERS {
            self.findings.error("too-many", trunk.at, format!("a trunk keeps at most {MOST_HEADERS} headers"));
        }
        kept
    }

    /// What WhatsApp refuses is refused here: each of these is a 403 or 404 there, or a call that is never answered.
    fn whatsapp(&mut self, trunk: &Item, peer: Option<&Peer>, credentials: Option<&Credentials>) {
        let mut wrong = |child: &'static str, message: &str| {
            let at = trunk.child(child).map_or(trunk.at, |item| item.at);
            self.findings.error("profile", at, message);
        };
        if peer.is_some_and(|peer| peer.transport != Some(Transport::Tls) || matches!(peer.address.host, Host::Address(_))) {
            wrong("peer", "WhatsApp is called by TLS and by name");
        }
        let domain = trunk.child("domain").and_then(|domain| domain.args.first()).map(|value| &value.data);
        match domain {
            Some(Data::Peer(HostPort { host: Host::Name(_), port: None })) => {}
            _ => wrong("domain", "WhatsApp needs `domain`: the host name of ours that the number is configured with there"),
        }
        let is_number = |user: &str| (5..=15).contains(&user.len()) && user.bytes().all(|b| b.is_ascii_digit());
        if credentials.is_none_or(|credentials| !is_number(&credentials.user)) {
            wrong("credentials", "WhatsApp needs `credentials`, whose user is the business number in digits, without `+`");
        }
        for (name, message) in [
            ("register", "WhatsApp refuses registrations"),
            ("options-ping", "WhatsApp answers no pings: its health shows in its calls"),
            ("takes-refer", "WhatsApp takes nobody back: transfers stay on our side"),
            ("caller-id", "WhatsApp takes calls of the number of `credentials` only"),
        ] {
            let is_off = trunk.child(name).and_then(Item::flag) == Some(false);
            if trunk.child(name).is_some() && !is_off {
                wrong(name, message);
            }
        }
        if trunk.child("match").is_none() {
            let message =
                "calls come from more addresses than the DNS tells: without `match` for all of them they are strangers'";
            self.findings.warning("profile", trunk.at, message);
        }
    }
}
