//! The table's rows about programs that hear calls, and the steps that give them audio.

use super::{Body, Kind, NodeSpec, Noun, Place, Times, many, node, one, prop, some};

pub(super) const AUDIO_STREAM: NodeSpec = many(node(
    "audio-stream",
    "A program that calls may give their audio to over a WebSocket: for transcription (`fork`, and the API), or to speak with callers (`stream`). See `docs/audio-streams.md`.",
    &[one("name", Kind::Declares(Noun::AudioStream), "")],
    &[],
    Body::Required(Place::AudioStream),
));

pub(super) const NODES: &[NodeSpec] = &[
    node(
        "url",
        "Where the program is.",
        &[one("url", Kind::Text, "`wss://host/path`; `ws://` only on this machine, unless `unencrypted` says otherwise")],
        &[],
        Body::None,
    ),
    node(
        "token",
        "Sent to it as `Authorization: Bearer`.",
        &[one("secret", Kind::Secret, "`env:NAME` or `file:path`")],
        &[],
        Body::None,
    ),
    node("rate", "Samples a second.", &[one("hz", Kind::OneOf(&["8000", "16000"]), "`8000` when absent")], &[], Body::None),
    node(
        "unencrypted",
        "Audio goes to a `ws://` of another machine in the clear: for networks that nobody else is in.",
        &[one("allowed", Kind::Flag, "")],
        &[],
        Body::None,
    ),
];

pub(super) const FORK: NodeSpec = many(node(
    "fork",
    "From now on a program hears the call, until it ends or the program is stopped by the API. The call goes on at once, and goes on as well when the program cannot be reached.",
    &[one("program", Kind::Refers(Noun::AudioStream), "")],
    &[prop("sides", Kind::OneOf(&["both", "caller", "agent"]), "both", "whom it hears")],
    Body::None,
));

pub(super) const STREAM: NodeSpec = many(node(
    "stream",
    "Answer, and give the caller to a program: it hears them and speaks to them, until it says that it is done, hangs up, or fails.",
    &[one("program", Kind::Refers(Noun::AudioStream), "")],
    &[],
    Body::Optional(Place::Stream),
));

pub(super) const OUTCOME: NodeSpec = many(node(
    "outcome",
    "The program was done, and said one of these words.",
    &[some("words", Kind::Text, Times::OneOrMore, "as in its message `done`")],
    &[],
    Body::Required(Place::Steps),
));
