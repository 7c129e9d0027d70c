//! The table's rows of carrier links.

use super::{Body, Kind, NodeSpec, Noun, Times, many, must, node, one, prop, some};
use crate::{
    settings::{Codec, MediaKeys, Transport},
    trunk_rules::NumberFormat,
};

pub(super) const TRUNK: &[NodeSpec] = &[
    many(node(
        "match",
        "Addresses that are trusted: what they send is a call of this trunk, without a password.",
        &[some("network", Kind::Network, Times::OneOrMore, "`192.0.2.7` or `192.0.2.0/24`")],
        &[],
        Body::None,
    )),
    node(
        "peer",
        "Where our calls go. A name without a port is looked up by its services (NAPTR, SRV): several servers by priority and weight, and the next one when one fails.",
        &[
            one("transport", Kind::OneOf(Transport::WAYS), "`auto` takes what the carrier's domain names, `auto-tls` only TLS"),
            one("address", Kind::Peer, ""),
        ],
        &[],
        Body::None,
    ),
    node(
        "tls",
        "How the peer proves itself over TLS, and we to it. Without it the peer's certificate must be signed by an authority that this machine trusts.",
        &[],
        &[
            prop("name", Kind::Peer, "", "the host that the certificate must be for; the peer's when absent"),
            prop("ca", Kind::Folder, "", "PEM file: the only authorities that count"),
            prop("certificate", Kind::Folder, "", "PEM file: what we show"),
            prop("key", Kind::Folder, "", "PEM file: its private key"),
        ],
        Body::None,
    ),
    node(
        "credentials",
        "User and password, when the carrier asks for them.",
        &[],
        &[
            must("user", Kind::Text, ""),
            must("secret", Kind::Secret, "`env:NAME` or `file:path`, never the password itself"),
            prop("realm", Kind::Text, "", "the only realm that may ask for the password; any of the carrier's when absent"),
        ],
        Body::None,
    ),
    node(
        "domain",
        "The domain that our calls name as theirs, and that is registered with.",
        &[one("domain", Kind::Peer, "the peer's name or address when absent")],
        &[],
        Body::None,
    ),
    node(
        "codecs",
        "Audio formats that are offered and taken, best first; all when absent.",
        &[some("codec", Kind::OneOf(Codec::WORDS), Times::OneOrMore, "")],
        &[],
        Body::None,
    ),
    node(
        "media-keys",
        "Whether audio is encrypted (SRTP), with keys in the messages of the call (SDES): `none`, `sdes` for always, `sdes-optional` for when the carrier offers it; what we offer is not encrypted then. Who offers what may not be is refused with 488.",
        &[one("keys", Kind::OneOf(MediaKeys::WORDS), "`none` when absent")],
        &[],
        Body::None,
    ),
    super::identity::IDENTITY,
    node("register", "Register with the peer, so that it knows where we are.", &[one("on", Kind::Flag, "")], &[], Body::None),
    node("options-ping", "Ask the peer so often whether it lives.", &[one("every", Kind::Duration, "")], &[], Body::None),
    node(
        "max-calls",
        "Calls at most at one time, both ways.",
        &[one("calls", Kind::Count(1, 100_000), "1000 when absent")],
        &[],
        Body::None,
    ),
    node(
        "calls-per-second",
        "Calls that we begin per second at most, after as many at once; more are refused.",
        &[one("calls", Kind::Count(1, 10_000), "no bound when absent")],
        &[],
        Body::None,
    ),
    node(
        "failover-after",
        "How long a server may take for its first reply before the next one is tried.",
        &[one("time", Kind::Duration, "`4s` when absent")],
        &[],
        Body::None,
    ),
    node(
        "numbers",
        "How numbers are written on the carrier's side, and of which country it is.",
        &[],
        &[
            prop("out", Kind::OneOf(NumberFormat::WORDS), "as-is", "what we send"),
            prop(
                "in",
                Kind::OneOf(NumberFormat::WORDS),
                "as-is",
                "what we get; the plan sees `+` and country where that can be told",
            ),
            prop(
                "country-code",
                Kind::Text,
                "",
                "`39`; without it every number with `+` or the international prefix counts as abroad",
            ),
            prop("national-prefix", Kind::Text, "0", "before a number of the country; `none` for a country without one"),
            prop("international-prefix", Kind::Text, "00", "before a number of another country"),
        ],
        Body::None,
    ),
    node(
        "international",
        "Whether calls to other countries go out. They are what toll fraud is made of.",
        &[one("on", Kind::Flag, "`#false` when absent")],
        &[],
        Body::None,
    ),
    many(node(
        "allow",
        "What may be called; anything (but codes with `*` or `#`) when absent. Patterns are held against the number as it was dialled, and with `+` and country.",
        &[some("pattern", Kind::Pattern, Times::OneOrMore, "")],
        &[],
        Body::None,
    )),
    many(node(
        "deny",
        "What may not be called, even if it is allowed.",
        &[some("pattern", Kind::Pattern, Times::OneOrMore, "")],
        &[],
        Body::None,
    )),
    node(
        "caller-id",
        "Whose number is shown: always the same, the call's own when it is one of `our-numbers`, or nobody's. The call's own when absent.",
        &[one("rule", Kind::OneOf(&["fixed", "ours", "anonymous"]), "")],
        &[prop(
            "number",
            Kind::Text,
            "",
            "with `fixed` the one, with `ours` the one instead; with `anonymous` told to the carrier alone, which needs `trust \"identity\"`",
        )],
        Body::None,
    ),
    many(node(
        "our-numbers",
        "Numbers that are ours on this trunk.",
        &[some("pattern", Kind::Pattern, Times::OneOrMore, "")],
        &[],
        Body::None,
    )),
    node(
        "trust",
        "What the carrier is trusted with. `identity`: who calls. Its P-Asserted-Identity, Remote-Party-ID, Diversion and History-Info are believed, and it is told ours, also of callers who withhold their number.",
        &[some("what", Kind::OneOf(&["identity"]), Times::OneOrMore, "")],
        &[],
        Body::None,
    ),
    node(
        "transfers",
        "Whether the carrier may have its calls transferred (SIP REFER) to numbers of routes that it may use. Extensions always may.",
        &[one("on", Kind::Flag, "`#false` when absent: whoever may transfer can make us call")],
        &[],
        Body::None,
    ),
    node(
        "takes-refer",
        "Whether the carrier takes callers back by SIP REFER: then the step `hand-back` may be used for its calls.",
        &[one("on", Kind::Flag, "`#false` when absent")],
        &[],
        Body::None,
    ),
    node(
        "redirects",
        "Whether the carrier may name another number for a call of ours (SIP 3xx). It is called through the same trunk, by the trunk's rules.",
        &[one("on", Kind::Flag, "`#false` when absent: whoever may redirect chooses whom we call")],
        &[],
        Body::None,
    ),
];

pub(super) const TRUNK_GROUP: &[NodeSpec] = &[many(node(
    "member",
    "One of the trunks.",
    &[one("trunk", Kind::Refers(Noun::Trunk), "")],
    &[
        prop("rank", Kind::Count(0, 100), "0", "all of a lower rank are tried before those of a higher one"),
        prop("weight", Kind::Count(0, 1_000), "1", "share of the calls among those of its rank"),
    ],
    Body::None,
))];
