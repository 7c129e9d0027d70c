//! The table's rows inside of routes: steps, and the ways in which they can end.

use super::{Body, Kind, NodeSpec, Noun, Place, Times, many, must, node, one, prop, some};
use crate::plan::HANGUP_WORDS;

const LEVEL: Kind = Kind::Count(1, 10);

pub(crate) const STEPS: &[NodeSpec] = &[
    many(node("ring", "Tell the caller's phone that it rings; the call is not answered.", &[], &[], Body::None)),
    many(node("answer", "Answer the call.", &[], &[], Body::None)),
    many(node(
        "play",
        "Play recordings one after another; as early media while the call is not answered.",
        &[some("prompt", Kind::Refers(Noun::Prompt), Times::OneOrMore, "")],
        &[prop("interrupt", Kind::Flag, "#false", "a key press ends it")],
        Body::None,
    )),
    many(node(
        "say",
        "Speak a value by the grammar of the caller's language: `say time`, or one of the properties.",
        &[some("what", Kind::OneOf(&["time"]), Times::Optional, "the time of day")],
        &[
            prop("number", Kind::Template, "", "as a number: \"forty-two\""),
            prop("digits", Kind::Template, "", "digit by digit: \"four, two\""),
            prop("interrupt", Kind::Flag, "#false", "a key press ends it"),
        ],
        Body::None,
    )),
    many(node(
        "menu",
        "Play a prompt and let the caller choose by key. A wrong key or silence asks again until the tries are used up.",
        &[some("prompt", Kind::Refers(Noun::Prompt), Times::OneOrMore, "")],
        &[
            prop("timeout", Kind::Duration, "5s", "wait for a key after the prompt"),
            prop("between", Kind::Duration, "3s", "wait between keys, when a choice has more than one"),
            prop("tries", Kind::Count(1, 10), "3", "how often it is asked in all"),
        ],
        Body::Required(Place::Menu),
    )),
    many(node(
        "collect",
        "Gather digits. Afterwards they are known by the name given in `as`.",
        &[some("prompt", Kind::Refers(Noun::Prompt), Times::Any, "")],
        &[
            must("max", Kind::Count(1, 32), "digits at most"),
            prop("min", Kind::Count(1, 32), "1", "digits at least"),
            must("as", Kind::Variable, ""),
            prop("type", Kind::OneOf(&["digits", "extension", "number"]), "digits", "what they must be; else they are invalid"),
            prop("secret", Kind::Flag, "#false", "a PIN: nothing shows or keeps it, and only `ask` may `send` it"),
            prop("timeout", Kind::Duration, "5s", "wait for the first digit"),
            prop("between", Kind::Duration, "3s", "wait between digits"),
            prop("end", Kind::Key, "#", "key that ends the input early"),
            prop("tries", Kind::Count(1, 10), "3", "how often it is asked in all"),
        ],
        Body::Optional(Place::Collect),
    )),
    many(node(
        "queue",
        "Wait in a queue until an agent took the call and the conversation is over.",
        &[one("queue", Kind::Refers(Noun::Queue), "")],
        &[
            prop("skill", Kind::Refers(Noun::Skill), "", "required of the agent"),
            prop("level", LEVEL, "1", "how much of the skill"),
            prop("priority", Kind::Count(0, 1_440), "0", "minutes of waiting that the caller gets ahead"),
            prop("max-wait", Kind::Duration, "", "the longest wait; that of the queue when absent"),
            prop("record", Kind::Flag, "", "record the conversation; as the queue says when absent"),
        ],
        Body::Optional(Place::JoinQueue),
    )),
    many(node(
        "dial",
        "Call somebody: `extension=`, or `trunk=` with `number=`, or a group in braces.",
        &[],
        &[
            prop("extension", Kind::Template, "", ""),
            prop("trunk", Kind::Refers(Noun::Trunk), "", "carrier link, or group of them, for `number`"),
            prop("number", Kind::Template, "", "whom to call; the trunk's rules say how it is written, and whether it may be"),
            prop("ring", Kind::Duration, "30s", "ringing time; for each in turn when in order"),
            prop("strategy", Kind::OneOf(&["all", "in-order"]), "all", "how a group rings"),
            prop("record", Kind::Flag, "#false", "record the conversation"),
            prop("music", Kind::Refers(Noun::Prompt), "", "heard instead of ring-back"),
            prop("caller-id", Kind::Template, "", "number to show instead of the caller's own"),
        ],
        Body::Optional(Place::Dial),
    )),
    many(node(
        "hand-back",
        "Give the caller back to their carrier, which connects them to a number itself (SIP REFER). The call is answered first; it is over when the carrier has done it, and goes on here when it has not. For calls of trunks with `takes-refer #true`, by the trunk's rules of what may be called; `error` for all others.",
        &[one("number", Kind::Template, "as with `dial number=`")],
        &[],
        Body::Optional(Place::HandBack),
    )),
    super::decisions::SET,
    super::decisions::IF,
    super::decisions::UNLESS,
    super::decisions::SWITCH,
    super::decisions::ASK,
    many(node(
        "conference",
        "Answer, and be together with everybody who is in the same room, until they hang up. A room is there as soon as somebody enters it. `*6` mutes and unmutes.",
        &[one("room", Kind::Template, "letters, digits and dashes: `weekly`, `room-{number}`")],
        &[prop("muted", Kind::Flag, "#false", "begins as somebody who only listens")],
        Body::Optional(Place::Conference),
    )),
    many(node(
        "supervise",
        "Answer, and listen to an agent's conversations with callers of queues, one after another. Key `1` listens, `2` speaks to the agent only, `3` speaks to both. For extensions that `supervisors` names; `error` for all others.",
        &[one("agent", Kind::Template, "extension of the agent")],
        &[prop("as", Kind::OneOf(&["monitor", "whisper", "barge-in"]), "monitor", "to begin with")],
        Body::Optional(Place::Supervise),
    )),
    many(node(
        "park",
        "Answer, and wait in a slot of a lot until somebody takes the caller from there and the conversation is over. Who had the caller transferred here is called back when the time of the lot is over; who comes here by themselves hears the slot.",
        &[one("lot", Kind::Refers(Noun::Lot), "")],
        &[],
        Body::Optional(Place::Park),
    )),
    many(node(
        "voicemail",
        "Answer, greet, and take a message after the tone: until the key `#`, the longest time, or hang-up.",
        &[one("mailbox", Kind::Template, "`support`, or the number of an extension: `{number}`")],
        &[],
        Body::Optional(Place::Voicemail),
    )),
    many(node(
        "retrieve",
        "Take the caller who is parked in a slot.",
        &[one("slot", Kind::Template, "number of the slot: `{number}`")],
        &[],
        Body::Optional(Place::Retrieve),
    )),
    many(node(
        "pickup",
        "Answer a call for which somebody else's phone rings: that of an extension, of a group, or with neither of any group of the caller's. For extensions that are in a `pickup-group` with those whose phone rings; `error` for all others, when nobody rings, and for calls that a queue offers to an agent.",
        &[some("extension", Kind::Template, Times::Optional, "whose phone rings")],
        &[prop("group", Kind::Refers(Noun::PickupGroup), "", "a group that the caller is in")],
        Body::Optional(Place::PickUp),
    )),
    super::audio_streams::FORK,
    super::audio_streams::STREAM,
    many(node("echo", "Send the caller's own audio back until they hang up.", &[], &[], Body::None)),
    many(node(
        "agent",
        "The caller, an agent at their own phone, changes their state.",
        &[one("what", Kind::OneOf(&["sign-in", "sign-out", "ready", "not-ready", "more-wrap-up"]), "")],
        &[prop("reason", Kind::Text, "", "why not ready (`lunch`); required with `not-ready`")],
        Body::Optional(Place::Agent),
    )),
    many(node(
        "when-open",
        "Do the steps in braces while the schedule is open, then go on.",
        &[one("schedule", Kind::Refers(Noun::Schedule), "")],
        &[],
        Body::Required(Place::Steps),
    )),
    many(node(
        "unless-open",
        "Do the steps in braces while the schedule is closed, then go on.",
        &[one("schedule", Kind::Refers(Noun::Schedule), "")],
        &[],
        Body::Required(Place::Steps),
    )),
    many(node(
        "goto",
        "Go on with another route; the steps after it are never reached.",
        &[one("route", Kind::Refers(Noun::Route), "")],
        &[],
        Body::None,
    )),
    many(node(
        "hangup",
        "End the call.",
        &[some("cause", Kind::OneOf(HANGUP_WORDS), Times::Optional, "what the caller's phone is told; `normal` when absent")],
        &[],
        Body::None,
    )),
];

const fn handler(name: &'static str, about: &'static str) -> NodeSpec {
    node(name, about, &[], &[], Body::Required(Place::Steps))
}

const NO_INPUT: NodeSpec = handler("no-input", "Nothing was pressed, in the last try too.");
const INVALID: NodeSpec = handler("invalid", "What was pressed is no choice or not of the type, in the last try too.");
const BUSY: NodeSpec = handler("busy", "The called party is on another call.");
const NO_ANSWER: NodeSpec = handler("no-answer", "It rang and nobody answered.");
const UNREACHABLE: NodeSpec = handler("unreachable", "No device could be reached, or the trunk failed, or the number was none.");
const REJECTED: NodeSpec = handler("rejected", "The called party declined.");
pub(super) const NO_AGENTS: NodeSpec = handler("no-agents", "No agent of the queue is signed in.");
pub(super) const TIMED_OUT: NodeSpec = handler("timed-out", "The longest wait is over.");
pub(super) const FULL: NodeSpec = handler("full", "The queue takes no more callers.");
const FAILED: NodeSpec = handler("failed", "The program could not be reached, or its connection is lost.");
const STALLED: NodeSpec = handler("stalled", "The program takes nothing any more, or does not answer.");
pub(super) const ERROR: NodeSpec = handler("error", "It could not be done.");

pub(crate) const HANDLERS: &[NodeSpec] =
    &[NO_INPUT, INVALID, BUSY, NO_ANSWER, UNREACHABLE, REJECTED, NO_AGENTS, TIMED_OUT, FULL, FAILED, STALLED, ERROR];

pub(super) const MENU: &[NodeSpec] = &[
    many(node(
        "press",
        "The steps for a choice.",
        &[some("keys", Kind::Keys, Times::OneOrMore, "`1`, `9`, `42`, `*`")],
        &[],
        Body::Required(Place::Steps),
    )),
    handler("otherwise", "The tries are used up, by wrong keys or by silence."),
    NO_INPUT,
];

pub(super) const COLLECT: &[NodeSpec] = &[NO_INPUT, INVALID];

pub(super) const JOIN_QUEUE: &[NodeSpec] = &[
    many(node(
        "skill",
        "One more skill required of the agent.",
        &[one("skill", Kind::Refers(Noun::Skill), "")],
        &[prop("level", LEVEL, "1", "")],
        Body::None,
    )),
    NO_AGENTS,
    TIMED_OUT,
    FULL,
    ERROR,
];

pub(super) const DIAL: &[NodeSpec] = &[
    many(node("extension", "One of the group.", &[some("extension", Kind::Extension, Times::OneOrMore, "")], &[], Body::None)),
    many(node(
        "outside",
        "One of the group, through a trunk.",
        &[],
        &[must("trunk", Kind::Refers(Noun::Trunk), ""), must("number", Kind::Template, "")],
        Body::None,
    )),
    BUSY,
    NO_ANSWER,
    UNREACHABLE,
    REJECTED,
];

pub(super) const HAND_BACK: &[NodeSpec] = &[BUSY, NO_ANSWER, UNREACHABLE, REJECTED, ERROR];

pub(super) const CONFERENCE: &[NodeSpec] = &[handler("full", "The room has no place left."), ERROR];

pub(super) const SUPERVISE: &[NodeSpec] = &[ERROR];

pub(super) const PARK: &[NodeSpec] = &[
    handler("timed-out", "Nobody came in time, and whoever parked the caller did not answer."),
    handler("full", "No slot of the lot is free."),
    ERROR,
];

pub(super) const VOICEMAIL: &[NodeSpec] =
    &[handler("full", "The box holds as many messages as it may."), handler("error", "There is no such box.")];

pub(super) const TAKE: &[NodeSpec] = &[handler("error", "There is nobody to take, or not for this caller.")];

pub(super) const AGENT: &[NodeSpec] = &[ERROR];

pub(super) const STREAM: &[NodeSpec] = &[super::audio_streams::OUTCOME, FAILED, STALLED];
