//! The table's rows for what is left with a box, and for groups that pick up for each other.

use super::{Body, Kind, NodeSpec, Noun, Times, many, node, one, some};

pub(super) const MAILBOX: &[NodeSpec] = &[
    node(
        "greeting",
        "Heard before the tone.",
        &[one("prompt", Kind::Refers(Noun::Prompt), "`voicemail-greeting` when absent")],
        &[],
        Body::None,
    ),
    node("max", "The longest message.", &[one("time", Kind::Duration, "`3m` when absent")], &[], Body::None),
    node(
        "messages",
        "Messages at most; with so many the box is `full`.",
        &[one("messages", Kind::Count(1, 10_000), "100 when absent")],
        &[],
        Body::None,
    ),
    many(node(
        "extension",
        "Whose phones show that messages wait. That of an extension is shown to its own phones anyway.",
        &[some("extension", Kind::Extension, Times::OneOrMore, "")],
        &[],
        Body::None,
    )),
];

pub(super) const PICKUP_GROUP: &[NodeSpec] =
    &[many(node("extension", "Who is in it.", &[some("extension", Kind::Extension, Times::OneOrMore, "")], &[], Body::None))];
