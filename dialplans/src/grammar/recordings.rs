//! The table's rows about what becomes of recordings.

use super::{Body, Kind, NodeSpec, Noun, Place, Times, must, node, one, prop, some};

pub(super) const RECORDINGS: NodeSpec = node(
    "recordings",
    "What recordings are kept as, where and how long. See `docs/recordings.md`.",
    &[],
    &[],
    Body::Required(Place::Recordings),
);

pub(super) const NODES: &[NodeSpec] = &[
    node(
        "format",
        "What a recording is kept as, when its conversation is over.",
        &[one("name", Kind::OneOf(&["wav", "opus"]), "`wav` when absent: 32 to 64 kB a second; `opus` has 2 to 6")],
        &[],
        Body::None,
    ),
    node(
        "key",
        "Recordings are sealed (AES-256-GCM) from their first second. 64 hexadecimal digits, as of `openssl rand -hex 32`. The first key seals; the others only open what was sealed before.",
        &[some("secret", Kind::Secret, Times::OneOrMore, "`env:NAME` or `file:path`")],
        &[],
        Body::None,
    ),
    node(
        "retain",
        "How long recordings are kept from their begin. Then their audio is deleted, wherever it is; the record that there was one stays. For ever when absent.",
        &[one("age", Kind::Age, "`90d`")],
        &[],
        Body::None,
    ),
    node(
        "notice",
        "Heard before the first recorded conversation of a call, in the caller's language; what is said is recorded from its end on.",
        &[one("prompt", Kind::Refers(Noun::Prompt), "")],
        &[prop("to", Kind::OneOf(&["caller", "both"]), "caller", "who hears it")],
        Body::None,
    ),
    node(
        "spool",
        "Finished recordings are brought to a store that speaks the language of S3, again and again until it has them.",
        &[one("url", Kind::Text, "`https://host/bucket/folder`")],
        &[
            must("access-key", Kind::Secret, "`env:NAME` or `file:path`"),
            must("secret-key", Kind::Secret, "`env:NAME` or `file:path`"),
            prop("region", Kind::Text, "us-east-1", "as the store calls it"),
            prop("keep-local", Kind::Flag, "#false", "the file stays here, too"),
        ],
        Body::None,
    ),
];
