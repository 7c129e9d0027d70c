//! The table's rows about overload and abuse.

use super::{Body, Kind, NodeSpec, Noun, Place, Prop, Times, many, node, one, prop, some};

pub(super) const PROTECT: NodeSpec = node(
    "protect",
    "Overload and abuse: who is spared, who comes first, how much is taken. See `docs/overload.md`.",
    &[],
    &[],
    Body::Required(Place::Protect),
);

const COUNT: Kind = Kind::Count(0, 1_000_000);

const TRUNK_CAPS: &[Prop] = &[
    prop("calls", COUNT, "", "that we begin, at once"),
    prop("per-hour", COUNT, "", "begun in an hour"),
    prop("per-day", COUNT, "", "begun in a day"),
    prop("abroad-minutes", COUNT, "", "minutes with other countries in a day"),
];

pub(super) const NODES: &[NodeSpec] = &[
    node(
        "allow",
        "Addresses that are never limited and never banned: an office whose phones share one. The addresses of trunks are among them without being named.",
        &[some("network", Kind::Network, Times::OneOrMore, "`192.0.2.7` or `192.0.2.0/24`")],
        &[],
        Body::None,
    ),
    node(
        "emergency",
        "Numbers, as they are dialled, whose calls are taken before all others when the switch has too much to do. `112` `911` when absent.",
        &[some("number", Kind::Extension, Times::OneOrMore, "")],
        &[],
        Body::None,
    ),
    node(
        "domains",
        "The only domains that strangers are answered for: the host of the addresses that phones call and register at, names and addresses alike. Any when absent.",
        &[some("domain", Kind::Peer, Times::OneOrMore, "without a port")],
        &[],
        Body::None,
    ),
    node(
        "extension-caps",
        "How much each extension may call through trunks; over it calls are refused, and an alarm is told. What is not given stays as usual.",
        &[],
        &[
            prop("calls", COUNT, "10", "at once"),
            prop("per-hour", COUNT, "200", "begun in an hour"),
            prop("per-day", COUNT, "1000", "begun in a day"),
            prop("abroad-minutes", COUNT, "120", "minutes with other countries in a day"),
        ],
        Body::None,
    ),
    many(node(
        "trunk-caps",
        "The same for a trunk, whoever calls through it. What is not given has no bound here.",
        &[one("trunk", Kind::Refers(Noun::Trunk), "no group")],
        TRUNK_CAPS,
        Body::None,
    )),
    node(
        "max-calls",
        "Calls at a time. The last tenth of them is for agents, callers whose place in line is kept, and emergencies.",
        &[one("calls", Kind::Count(10, 100_000), "20000 when absent")],
        &[],
        Body::None,
    ),
];
