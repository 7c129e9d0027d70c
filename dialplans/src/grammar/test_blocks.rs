//! The table's rows for calls that `tandem test` simulates.

use super::{Body, Kind, NodeSpec, Noun, Place, Times, many, must, node, one, prop, some};
use crate::simulate::{AGENT_WORDS, CAUSE_WORDS, FAULT_WORDS, PARTY_WORDS, PROGRAM_WORDS};

pub(super) const TEST: NodeSpec = many(node(
    "test",
    "A call that `tandem test` simulates, and what is to come of it. Real calls know nothing of it.",
    &[one("name", Kind::Text, "a sentence: `holiday evening`")],
    &[must(
        "at",
        Kind::When,
        "when the call arrives: `2026-12-25T18:05:00` on the clock of `time-zone`, or with a zone of its own",
    )],
    Body::Required(Place::Test),
));

pub(super) const NODES: &[NodeSpec] = &[
    node(
        "call",
        "Who calls, and what is dialled.",
        &[],
        &[
            prop(
                "from",
                Kind::Text,
                "",
                "an extension, or a number outside; the first extension or an unknown number when absent",
            ),
            prop("trunk", Kind::Refers(Noun::Trunk), "", "by which it comes; needed only when the plan has several"),
            must("to", Kind::Text, "the dialled number, as it comes in"),
            prop("hang-up-after", Kind::Duration, "10m", "then the caller hangs up, whatever goes on"),
            prop("talk", Kind::Duration, "30s", "how long conversations last; whoever was called ends them"),
        ],
        Body::None,
    ),
    node(
        "digits",
        "What the caller types: one piece for each prompt that gathers keys, in order, parted by commas. `nothing` leaves a prompt alone, `wait 2s` comes before a piece. Keys are typed a second after the prompt unless told to wait.",
        &[one("keys", Kind::Text, "`1,wait 2s,34#`")],
        &[],
        Body::None,
    ),
    many(node(
        "agent",
        "What an agent does; who is not named is not signed in. An extension that is no starter agent is taken for an agent of every queue, with every skill.",
        &[
            one("agent", Kind::Text, "name of the agent: `1002`"),
            one(
                "does",
                Kind::OneOf(AGENT_WORDS),
                "`ready` is signed in and answers; `away` is signed in and not ready; the last four are signed in and do not answer",
            ),
        ],
        &[prop(
            "after",
            Kind::Duration,
            "",
            "when they answer (`3s` when absent) or decline (`2s`); who is `away` or `offline` is ready then, counted from the begin of the call",
        )],
        Body::None,
    )),
    many(node(
        "party",
        "What somebody does who is called by `dial` or `hand-back`, or at a device of an agent; who is not named answers. A `voicemail` answers and presses no key.",
        &[
            one("party", Kind::Text, "an extension, a number outside, or a trunk, which is `unreachable` for all numbers"),
            one("does", Kind::OneOf(PARTY_WORDS), ""),
        ],
        &[
            prop("after", Kind::Duration, "", "when they answer (`3s` when absent) or decline (`2s`)"),
            prop("to", Kind::Text, "", "whom the phone of an extension names instead; required with `forwards`"),
        ],
        Body::None,
    )),
    many(node(
        "program",
        "How a program that gets the caller ends; `done` when not named.",
        &[one("program", Kind::Refers(Noun::AudioStream), ""), one("ends", Kind::OneOf(PROGRAM_WORDS), "")],
        &[prop("word", Kind::Text, "", "what it says; required with `said`")],
        Body::None,
    )),
    super::decisions::TEST_ANSWER,
    many(node(
        "schedule",
        "The emergency switch of a schedule.",
        &[one("schedule", Kind::Refers(Noun::Schedule), ""), one("stands", Kind::OneOf(&["open", "closed"]), "")],
        &[],
        Body::None,
    )),
    many(node(
        "full",
        "Boxes, parking lots and rooms that have no free place.",
        &[some("name", Kind::Text, Times::OneOrMore, "")],
        &[],
        Body::None,
    )),
    many(node(
        "fault",
        "Something of the switch itself that is out of order.",
        &[some(
            "what",
            Kind::OneOf(FAULT_WORDS),
            Times::OneOrMore,
            "with `floor`, queues and agents hear nothing; with `rooms`, nobody gets into a conference",
        )],
        &[],
        Body::None,
    )),
    many(node(
        "expect",
        "What is to come: everything of one line after everything of the line before it, whatever else comes between.",
        &[],
        &[
            prop("route", Kind::Refers(Noun::Route), "", "the call goes there"),
            prop("prompt", Kind::Refers(Noun::Prompt), "", "the caller hears it, or its begin"),
            prop("digits", Kind::Text, "", "a prompt gathers these"),
            prop("queue", Kind::Refers(Noun::Queue), "", "the call waits there"),
            prop("answered-by", Kind::Text, "", "the caller talks to this agent, extension or number"),
            prop("cause", Kind::OneOf(CAUSE_WORDS), "", "why the call ends"),
        ],
        Body::None,
    )),
];
