//! The table's rows inside of a queue's declaration: who waits there and how, and what happens to whoever cannot.

use super::{
    Body, Kind, NodeSpec, Noun, many, must, node, one, prop,
    steps::{ERROR, FULL, NO_AGENTS, TIMED_OUT},
};

pub(super) const QUEUE: &[NodeSpec] = &[
    node(
        "answer-target",
        "Wanted answer time; ranks are measured against it.",
        &[one("time", Kind::Duration, "`20s` when absent")],
        &[],
        Body::None,
    ),
    node("ring", "How long one agent's device rings.", &[one("time", Kind::Duration, "`15s` when absent")], &[], Body::None),
    node(
        "wrap-up",
        "Time for the agent after each conversation.",
        &[one("time", Kind::Duration, "none when absent")],
        &[],
        Body::None,
    ),
    many(node(
        "relax",
        "After some waiting, a skill is asked for at a lower level.",
        &[],
        &[
            must("after", Kind::Duration, "waiting time"),
            must("skill", Kind::Refers(Noun::Skill), ""),
            prop("to-level", Kind::Count(0, 9), "0", "level asked for from then on; 0 asks for nothing"),
        ],
        Body::None,
    )),
    node(
        "max-waiting",
        "Callers at most; more are refused as `full`.",
        &[one("callers", Kind::Count(1, 1_000_000), "1000 when absent")],
        &[],
        Body::None,
    ),
    node("max-wait", "The longest wait; then `timed-out`.", &[one("time", Kind::Duration, "none when absent")], &[], Body::None),
    node(
        "rejoin-grace",
        "After a restart, a caller who calls back within this time has the old place again.",
        &[one("time", Kind::Duration, "`5m` when absent")],
        &[],
        Body::None,
    ),
    node(
        "max-missed",
        "An agent who lets so many offers in a row ring out becomes not ready.",
        &[one("offers", Kind::Count(1, 100), "2 when absent")],
        &[],
        Body::None,
    ),
    node(
        "when-empty",
        "While no agent is signed in: callers leave by `no-agents`, or wait.",
        &[one("what", Kind::OneOf(&["leave", "wait"]), "`leave` when absent")],
        &[],
        Body::None,
    ),
    many(node(
        "overflow",
        "After some waiting here, callers pass on to another queue, with the time they have waited. Where nobody is signed in there, or it is full, they stay.",
        &[],
        &[
            must("after", Kind::Duration, "from joining this queue on"),
            must("to", Kind::Refers(Noun::Queue), "where they pass on to"),
        ],
        Body::None,
    )),
    node(
        "music",
        "Heard while waiting; ring-back when absent.",
        &[one("prompt", Kind::Refers(Noun::Prompt), "")],
        &[],
        Body::None,
    ),
    node("announce", "Say position and estimated wait.", &[], &[must("every", Kind::Duration, "")], Body::None),
    node("comfort", "Said with each announcement.", &[one("prompt", Kind::Refers(Noun::Prompt), "")], &[], Body::None),
    node("record", "Record conversations.", &[one("on", Kind::Flag, "`#false` when absent")], &[], Body::None),
    node(
        "retain",
        "How long its recordings are kept; as `recordings` says when absent.",
        &[one("age", Kind::Age, "`90d`")],
        &[],
        Body::None,
    ),
    NO_AGENTS,
    TIMED_OUT,
    FULL,
    ERROR,
];
