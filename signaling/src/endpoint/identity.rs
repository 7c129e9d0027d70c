//! Who calls, at the edge of trust: what a peer may say of it, and what we say (RFC 3323, RFC 3325, RFC 5806,
//! RFC 7044, RFC 3892, and Remote-Party-ID of draft-ietf-sip-privacy-04).
//!
//! A wish for privacy is honoured from anybody. Who asserts an identity or tells of diversions is believed only
//! when it is a trunk with the right to; from everybody else those headers mean nothing, in whatever spelling.
//! Nothing of them is copied onward: what goes out is written anew, and only to trunks that are trusted.

use super::{
    Endpoint,
    contract::{Invite, Source, Target},
    text::EscapedUser,
};
use crate::message::{Message, Name, NameAddr, Quoted, RequestBuilder, Scheme, Uri};

/// Diversions of one call that are kept; later ones are left out.
const MOST_DIVERSIONS: usize = 8;
/// Longer users and names are cut, in letters.
const LONGEST_NAME: usize = 256;
/// The user part of who does not want to be known (RFC 3323 section 4.1.1.3).
const ANONYMOUS: &str = "anonymous";
const ANONYMOUS_HOST: &str = "anonymous.invalid";

/// Who calls, beyond what From claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartyIdentity {
    /// Incoming: the number that a trusted trunk vouches for. Outgoing: the one that a trusted trunk is told;
    /// that of From when `None`.
    pub number: Option<String>,
    /// The display name that came with it; empty when none did. Outgoing, that of From counts.
    pub display: String,
    /// The caller does not want to be shown (Privacy). Then nothing else is known here of an incoming call, and
    /// From of an outgoing one names nobody.
    pub is_withheld: bool,
    /// Who diverted the call before, the first one first; of an incoming call only what a trusted trunk says.
    pub diverted_by: Vec<Diverted>,
    /// Outgoing: who had the call transferred (Referred-By, RFC 3892), told to our users and to trusted trunks. Of an
    /// incoming call it is nobody, whatever it claims.
    pub referred_by: Option<String>,
}

/// Somebody who was called first and had the call go elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Diverted {
    /// Their number, with escapes undone.
    pub user: String,
    /// Why, as a status code: 302 for always, 486 busy, 480 no answer; 300 when unknown.
    pub code: u16,
}

impl Endpoint {
    /// What an INVITE says of its caller that can be relied on.
    pub(super) fn party_of(&self, source: &Source, message: &Message) -> PartyIdentity {
        let is_trusted = match source {
            Source::Trunk(name) => self.is_trusted(name),
            // Who an account is was proved, and it cannot vouch for others.
            Source::Account(_) => false,
        };
        let mut party = PartyIdentity { is_withheld: wants_privacy(message), ..PartyIdentity::default() };
        if is_trusted {
            party.number = asserted(message, &mut party);
            party.diverted_by = diversions(message);
        }
        if party.is_withheld {
            // Whoever is told of the call is not told who it is; so it need not be known.
            (party.number, party.display) = (None, String::new());
        }
        party
    }

    fn is_trusted(&self, trunk: &str) -> bool {
        self.trunks.get(trunk).is_some_and(|state| state.trunk.rights.identity)
    }

    /// The headers of privacy, identity and diversion of an INVITE of ours.
    pub(super) fn with_identity(
        &self,
        mut builder: RequestBuilder,
        wish: &Invite,
        domain: &str,
        request_uri: &str,
    ) -> RequestBuilder {
        let party = &wish.party;
        let trunk = match &wish.target {
            Target::Trunk { name, .. } | Target::TrunkOrElse { name, .. } => Some(name),
            Target::Account(_) | Target::Uri(_) => None,
        };
        // Devices at fixed addresses have proved nothing.
        let may_know = trunk.map_or(matches!(wish.target, Target::Account(_)), |name| self.is_trusted(name));
        if let Some(user) = party.referred_by.as_deref().filter(|_| may_know) {
            builder = builder.header(Name::ReferredBy, format_args!("<sip:{}@{domain}>", EscapedUser(user)));
        }
        let Some(name) = trunk else { return builder };
        if party.is_withheld {
            builder = builder.header(Name::Privacy, "id");
        }
        if !self.is_trusted(name) {
            return builder;
        }
        let number = party.number.as_deref().unwrap_or(&wish.from_user);
        if is_plain(number) && !number.eq_ignore_ascii_case(ANONYMOUS) {
            let display = if wish.from_display.is_empty() { String::new() } else { format!("{} ", Quoted(&wish.from_display)) };
            let uri = EscapedUser(number);
            builder = builder.header(Name::PAssertedIdentity, format_args!("{display}<sip:{uri}@{domain}>"));
        }
        let diverted = party.diverted_by.iter().filter(|diverted| is_plain(&diverted.user)).take(MOST_DIVERSIONS);
        let diverted: Vec<_> = diverted.collect();
        // The last one first (RFC 5806 section 4.2).
        for Diverted { user, code } in diverted.iter().rev() {
            let (user, reason) = (EscapedUser(user), reason_word(*code));
            builder = builder.header(Name::Diversion, format_args!("<sip:{user}@{domain}>;reason={reason};counter=1"));
        }
        history(builder, diverted.into_iter(), domain, request_uri)
    }
}

/// The display name and the URI of From.
pub(super) fn shown_caller<'a>(wish: &'a Invite, domain: &str) -> (&'a str, String) {
    if wish.party.is_withheld {
        return ("Anonymous", format!("sip:{ANONYMOUS}@{ANONYMOUS_HOST}"));
    }
    let user = EscapedUser(&wish.from_user);
    let uri = if wish.from_user.is_empty() { format!("sip:{domain}") } else { format!("sip:{user}@{domain}") };
    (&wish.from_display, uri)
}

/// A number or a plain name. What else somebody upstream wrote is not vouched for: the next switch may read more into it.
fn is_plain(user: &str) -> bool {
    (1..=64).contains(&user.len()) && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-_.*#".contains(&b))
}

/// History-Info in the order of what happened, ending with where the call goes now (RFC 7044 section 10.3).
fn history<'a>(
    builder: RequestBuilder,
    diverted: impl Iterator<Item = &'a Diverted>,
    domain: &str,
    request_uri: &str,
) -> RequestBuilder {
    let (mut builder, mut index, mut before) = (builder, String::from("1"), String::new());
    for Diverted { user, code } in diverted {
        let user = EscapedUser(user);
        let uri = format!("<sip:{user}@{domain}?Reason=SIP%3Bcause%3D{code}>");
        builder = builder.header(Name::HistoryInfo, format_args!("{uri};index={index}{before}"));
        before = format!(";mp={index}");
        index.push_str(".1");
    }
    if before.is_empty() {
        return builder;
    }
    builder.header(Name::HistoryInfo, format_args!("<{request_uri}>;index={index}{before}"))
}

/// Whether the caller asks not to be shown: by Privacy (RFC 3323 section 4.2, RFC 3325 section 9.3), or by calling
/// as nobody.
fn wants_privacy(message: &Message) -> bool {
    let lines = message.header_lines(Name::Privacy).filter_map(|line| str::from_utf8(line).ok());
    let words = lines.flat_map(|line| line.split([';', ',', '\r', '\n', ' ', '\t']));
    let by_header = words.filter(|word| !word.is_empty()).any(|word| {
        let known = ["id", "user", "header"];
        known.iter().any(|wanted| word.eq_ignore_ascii_case(wanted))
    });
    let from = message.from().ok().and_then(|from| from.uri());
    let is_nobody = |uri: Uri<'_>| {
        uri.host.eq_ignore_ascii_case(ANONYMOUS_HOST)
            || uri.user_decoded().is_some_and(|user| user.eq_ignore_ascii_case(ANONYMOUS))
    };
    by_header || from.is_some_and(is_nobody)
}

/// The number that a trusted peer vouches for, and its display name.
fn asserted(message: &Message, party: &mut PartyIdentity) -> Option<String> {
    let mut addresses = message.addresses(Name::PAssertedIdentity).filter_map(Result::ok);
    let found = addresses.find_map(|address| Some((user_of(&address)?, address)));
    let (number, address) = match found {
        Some(found) => found,
        None => {
            let address = message.addresses(Name::RemotePartyId).filter_map(Result::ok).find(is_of_caller)?;
            let privacy = address.params.get("privacy").unwrap_or_default();
            party.is_withheld |= ["full", "uri"].iter().any(|word| privacy.eq_ignore_ascii_case(word));
            (user_of(&address)?, address)
        }
    };
    party.display = address.display_name().chars().take(LONGEST_NAME).collect();
    Some(number)
}

fn is_of_caller(address: &NameAddr<'_>) -> bool {
    address.params.get("party").is_none_or(|party| party.eq_ignore_ascii_case("calling"))
}

/// The user that an address of ours or theirs names.
pub(super) fn user_of(address: &NameAddr<'_>) -> Option<String> {
    let uri = address.uri().filter(|uri| uri.scheme != Scheme::Other)?;
    // What follows in a user part are parameters of the number (RFC 3966).
    let user = uri.user_decoded()?;
    let user: String = user.split(';').next().unwrap_or_default().chars().take(LONGEST_NAME).collect();
    (!user.is_empty() && !user.eq_ignore_ascii_case(ANONYMOUS)).then_some(user)
}

/// Who diverted the call before it came to us, the first one first.
fn diversions(message: &Message) -> Vec<Diverted> {
    let told = message.addresses(Name::Diversion).filter_map(Result::ok).filter_map(|address| {
        let code = code_of_word(address.params.get_unquoted("reason").as_deref().unwrap_or_default());
        Some(Diverted { user: user_of(&address)?, code })
    });
    let mut told: Vec<Diverted> = told.take(MOST_DIVERSIONS).collect();
    told.reverse();
    if !told.is_empty() {
        return told;
    }
    // Of History-Info only those count who did something with the call: they carry a reason.
    let entries = message.addresses(Name::HistoryInfo).filter_map(Result::ok).filter_map(|address| {
        let code = address.uri()?.headers.split('&').find_map(reason_code)?;
        Some(Diverted { user: user_of(&address)?, code })
    });
    entries.take(MOST_DIVERSIONS).collect()
}

/// Why whoever sent this diverts calls, as a status code; `None` when it does not say.
pub(super) fn diversion_code(message: &Message) -> Option<u16> {
    let last = message.addresses(Name::Diversion).find_map(Result::ok)?;
    Some(code_of_word(last.params.get_unquoted("reason").as_deref()?)).filter(|code| *code != 300)
}

/// The code of `Reason=SIP%3Bcause%3D486`, a header within a URI.
fn reason_code(header: &str) -> Option<u16> {
    let (_, value) = header.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("Reason"))?;
    let value = value.to_ascii_lowercase().replace("%3b", ";").replace("%3d", "=");
    let cause = value.split(';').find_map(|param| param.strip_prefix("cause="))?;
    cause.parse().ok().filter(|code| (300..=699).contains(code))
}

/// The words of RFC 5806 section 4.1 and the status codes that say the same.
const REASONS: [(&str, u16); 5] =
    [("user-busy", 486), ("no-answer", 480), ("unconditional", 302), ("deflection", 380), ("unavailable", 503)];

fn reason_word(code: u16) -> &'static str {
    REASONS.iter().find(|(_, known)| *known == code).map_or("unknown", |(word, _)| word)
}

fn code_of_word(word: &str) -> u16 {
    REASONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map_or(300, |(_, code)| *code)
}
