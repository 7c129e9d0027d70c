//! The table's rows about values and what follows from them: variables, conditions, and services that are asked.

use super::{Body, Kind, NodeSpec, Noun, Place, Prop, Times, many, must, node, one, prop, some};
use crate::plan::DigitShape;

pub(super) const DECISION_SERVICE: NodeSpec = many(node(
    "decision-service",
    "A service that routes ask what to do (`ask`), by HTTP. See \"Decisions\" above.",
    &[one("name", Kind::Declares(Noun::DecisionService), "")],
    &[],
    Body::Required(Place::DecisionService),
));

pub(super) const SERVICE: &[NodeSpec] = &[
    node(
        "url",
        "Where it is.",
        &[one("url", Kind::Text, "`https://host/path`; `http://` only on this machine")],
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
];

pub(super) const LANGUAGES: NodeSpec = node(
    "languages",
    "Languages that a variable may choose (`set language=\"{…}\"`), beside that of `language` and those that `set` names.",
    &[some("languages", Kind::Language, Times::OneOrMore, "")],
    &[],
    Body::None,
);

pub(super) const SET: NodeSpec = many(node(
    "set",
    "Give a variable its value, with `to`; or change the language that the caller hears. A variable is set once on each path.",
    &[some("variable", Kind::Variable, Times::Optional, "its name, when `to` says the value")],
    &[
        prop("to", Kind::Template, "", "`{area}{rest}`; empty when it would be longer than 256 bytes"),
        prop(
            "language",
            Kind::LanguageOrVariable,
            "",
            "`it`, or `{lang}`: then it stays as it is unless that is one of the languages of this plan",
        ),
    ],
    Body::None,
));

const VALUE: super::Arg = one("value", Kind::Template, "`{number}`");

const CONDITIONS: &[Prop] = &[
    prop("is", Kind::Text, "", "exactly this"),
    prop("fits", Kind::Pattern, "", "a number pattern, over the whole value; what it captures is known in the braces"),
    prop("matches", Kind::Regex, "", "the same with a regular expression"),
    prop("type", Kind::OneOf(DigitShape::WORDS), "", "what it is: an internal number, or one that could be dialled"),
    prop("known", Kind::Flag, "", "there is a value, and it is not empty; or, with `#false`, there is none"),
];

pub(super) const IF: NodeSpec = many(node(
    "if",
    "Do the steps in braces if a value is as one property says, then go on.",
    &[VALUE],
    CONDITIONS,
    Body::Required(Place::Steps),
));

pub(super) const UNLESS: NodeSpec = many(node(
    "unless",
    "Do the steps in braces if a value is not as one property says, then go on.",
    &[VALUE],
    CONDITIONS,
    Body::Required(Place::Steps),
));

pub(super) const SWITCH: NodeSpec = many(node(
    "switch",
    "Do the steps of the first branch that a value fits, then go on; without any, only go on.",
    &[VALUE],
    &[],
    Body::Required(Place::Switch),
));

const fn branch(name: &'static str, about: &'static str, args: &'static [super::Arg]) -> NodeSpec {
    many(node(name, about, args, &[], Body::Required(Place::Steps)))
}

pub(super) const BRANCHES: &[NodeSpec] = &[
    branch("is", "It is exactly one of these.", &[some("words", Kind::Text, Times::OneOrMore, "")]),
    branch(
        "fits",
        "The whole value fits one of these number patterns; what they capture is known here.",
        &[some("patterns", Kind::Pattern, Times::OneOrMore, "`10XX`, `9{rest:number}`")],
    ),
    branch(
        "matches",
        "The same with regular expressions.",
        &[some("expressions", Kind::Regex, Times::OneOrMore, "`[A-Z]{2}(?<digits>[0-9]+)`")],
    ),
    branch("type", "It is one of these.", &[some("types", Kind::OneOf(DigitShape::WORDS), Times::OneOrMore, "")]),
    branch("known", "There is a value, and it is not empty.", &[]),
    branch("empty", "There is no value, or it is empty.", &[]),
    node("otherwise", "None of the branches above.", &[], &[], Body::Required(Place::Steps)),
];

pub(super) const ASK: NodeSpec = many(node(
    "ask",
    "Ask a service what to do, and go on with the steps of its answer. What the caller hears stays as it is meanwhile.",
    &[one("service", Kind::Refers(Noun::DecisionService), "")],
    &[prop("budget", Kind::Duration, "1s", "how long it may take, 100ms to 5s; then `otherwise`")],
    Body::Required(Place::Ask),
));

pub(super) const ASKING: &[NodeSpec] = &[
    node(
        "send",
        "Variables that the service is told, beside the numbers, where the call came from, its route and its language.",
        &[some("variables", Kind::Variable, Times::OneOrMore, "")],
        &[],
        Body::None,
    ),
    node(
        "receive",
        "Variables that an answer gives values for, 8 at most; known in `outcome`, and empty where it gives none.",
        &[some("variables", Kind::Variable, Times::OneOrMore, "")],
        &[],
        Body::None,
    ),
    many(node(
        "outcome",
        "The service answered one of these words.",
        &[some("words", Kind::Text, Times::OneOrMore, "as in its answer")],
        &[],
        Body::Required(Place::Steps),
    )),
    node(
        "otherwise",
        "Required: there is no answer in time, or none that is known here.",
        &[],
        &[],
        Body::Required(Place::Steps),
    ),
];

/// In a `test`.
pub(super) const TEST_ANSWER: NodeSpec = many(node(
    "answer",
    "What a service answers that `ask` asks: the first line to the first question, and so on; the last one also to those that come after. A service of which nothing is said is `unreachable`.",
    &[
        one("service", Kind::Refers(Noun::DecisionService), ""),
        one("word", Kind::Text, "one that the plan knows; else `late`, `unreachable`, `busy`, `refused` or `malformed`"),
    ],
    &[prop("after", Kind::Duration, "100ms", "when it answers")],
    Body::Optional(Place::TestAnswer),
));

pub(super) const ANSWER_VALUES: &[NodeSpec] = &[many(node(
    "value",
    "A value that it gives.",
    &[one("variable", Kind::Variable, "as in `receive`")],
    &[must("is", Kind::Text, "")],
    Body::None,
))];
