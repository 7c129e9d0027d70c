//! The table's rows about signed caller ids, and about copies of signalling.

use super::{Body, Kind, NodeSpec, Place, Times, many, must, node, one, prop, some};

pub(super) const CAPTURE: NodeSpec = node(
    "capture",
    "Copies of all SIP messages go to a Homer collector (HEP3 over UDP). Passwords, media keys and key presses in them are masked.",
    &[one("transport", Kind::OneOf(&["udp"]), ""), one("address", Kind::Peer, "port 9060 when none is given")],
    &[prop("id", Kind::Count(1, u32::MAX), "1", "our number among the collector's agents")],
    Body::None,
);

pub(super) const IDENTITY: NodeSpec =
    node("identity", "Signed caller ids (STIR/SHAKEN, RFC 8224).", &[], &[], Body::Required(Place::Identity));

pub(super) const NODES: &[NodeSpec] = &[
    node(
        "verify",
        "Check the caller ids of the trunk's calls. With `show`, calls go on and the verdict stands in their records; with `require`, those that are not verified are refused (428, 403, 436, 437, 438).",
        &[one("policy", Kind::OneOf(&["show", "require"]), "")],
        &[
            must("trust", Kind::Folder, "PEM file with the certificates of the authorities that count"),
            prop("fresh", Kind::Duration, "60s", "how far signing and arrival may lie apart"),
            prop(
                "wait",
                Kind::Duration,
                "",
                "how long a call waits for its verdict; with `show` it does not wait when absent, with `require` 3s",
            ),
            prop("country-code", Kind::Count(1, 999), "", "country code of numbers that the trunk writes without it"),
        ],
        Body::None,
    ),
    node(
        "certificates-from",
        "The only hosts that certificates are fetched from. When absent: any host that has a public address.",
        &[some("host", Kind::Peer, Times::OneOrMore, "")],
        &[],
        Body::None,
    ),
    node(
        "sign",
        "Sign the caller ids of our calls on this trunk: attestation `A` for numbers that are `own`, else `B` for calls of our extensions and `C` for calls that came from a trunk.",
        &[],
        &[
            must("key", Kind::Folder, "PEM file with the private key (P-256, PKCS #8)"),
            must("certificate", Kind::Text, "where others find the certificate: `https://…`"),
            must("origid", Kind::Text, "origination identifier: a UUID of your choice"),
        ],
        Body::None,
    ),
    many(node(
        "own",
        "Numbers that are ours, for `sign`.",
        &[some("pattern", Kind::Pattern, Times::OneOrMore, "`+390471123XXX`")],
        &[],
        Body::None,
    )),
];
