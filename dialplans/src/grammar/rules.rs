//! The table's rows about rules over channels.

use super::{Body, Kind, NodeSpec, Noun, Place, many, must, node, one, prop};

pub(super) const RULE: NodeSpec = many(node(
    "rule",
    "When something happens to a customer, on whichever channel, do something some time later, unless something speaks against it. See `docs/rules.md`.",
    &[one("name", Kind::Declares(Noun::Rule), "")],
    &[],
    Body::Required(Place::Rule),
));

pub(super) const PARTS: &[NodeSpec] = &[
    node("when", "What sets it off: one line.", &[], &[], Body::Required(Place::RuleWhen)),
    node(
        "unless",
        "What speaks against it, looked at in this order when the time has come: one such thing is enough.",
        &[],
        &[],
        Body::Required(Place::RuleUnless),
    ),
    node("then", "What is done, in this order.", &[], &[], Body::Required(Place::RuleThen)),
];

const QUEUE: super::Prop = prop("queue", Kind::Refers(Noun::Queue), "", "only in this queue");
const AFTER: super::Prop = prop("after", Kind::Duration, "0s", "so long after that; `720h` at most");

pub(super) const WHEN: &[NodeSpec] = &[
    node(
        "abandoned",
        "Somebody hung up while they waited. The customer's next contact ends it.",
        &[],
        &[QUEUE, prop("waited", Kind::Duration, "0s", "only who had waited so long"), AFTER],
        Body::None,
    ),
    node("waiting", "Somebody waits so long. It ends when they do not wait any more.", &[], &[QUEUE, AFTER], Body::None),
    node(
        "unanswered",
        "A call from outside ended and nobody of ours had talked, nor was a message left. The customer's next contact ends it.",
        &[],
        &[AFTER],
        Body::None,
    ),
    node(
        "voicemail",
        "Somebody left a message. It ends when the message is heard, or with the customer's next contact.",
        &[],
        &[prop("mailbox", Kind::Text, "", "only in this box: a declared one, or that of an extension"), AFTER],
        Body::None,
    ),
    node(
        "callback-failed",
        "Somebody was called back as often as was promised, and did not answer. The customer's next contact ends it.",
        &[],
        &[QUEUE, AFTER],
        Body::None,
    ),
    node(
        "case-open",
        "A case is open so long. It ends when the case is not.",
        &[],
        &[prop("topic", Kind::Text, "", "only about this"), AFTER],
        Body::None,
    ),
    node(
        "happened",
        "A channel or another program says through the API that something happened to a customer. The customer's next contact ends it.",
        &[one("what", Kind::Text, "its own word: `unresolved`, `csat-low`, `undelivered`")],
        &[prop("channel", Kind::OneOf(&["voice", "email", "sms", "whatsapp", "chat"]), "", "only on this channel"), AFTER],
        Body::None,
    ),
];

pub(super) const UNLESS: &[NodeSpec] = &[
    many(node(
        "outside",
        "It is outside of these hours.",
        &[],
        &[must("schedule", Kind::Refers(Noun::Schedule), "")],
        Body::None,
    )),
    node("contacted", "Somebody of ours has talked to the customer since.", &[], &[], Body::None),
    many(node(
        "no-consent",
        "The customer may not be contacted for this purpose by the channel of an action. `service` needs no consent, only that nothing suppresses it.",
        &[],
        &[prop("purpose", Kind::Text, "service", "")],
        Body::None,
    )),
    many(node(
        "cap",
        "The rule was carried out for this customer so often already.",
        &[one("times", Kind::Count(1, 1_000), "")],
        &[must("per", Kind::Duration, "in so long")],
        Body::None,
    )),
];

const TEMPLATE: super::Prop = must("template", Kind::Text, "the name that whoever sends it knows its text by");

pub(super) const THEN: &[NodeSpec] = &[
    many(node(
        "call",
        "The customer is called through a queue: a callback, with an agent first.",
        &[],
        &[
            must("queue", Kind::Refers(Noun::Queue), "where the callback waits"),
            prop("via", Kind::Refers(Noun::Trunk), "", "the trunk; that of the queue's `callback` when absent"),
            prop("shown", Kind::Text, "", "the number that the customer sees; the one that they dialled when absent"),
            prop("priority", Kind::Count(0, 1_440), "0", "minutes of waiting ahead"),
        ],
        Body::None,
    )),
    node(
        "priority",
        "Who waits moves ahead; only behind `waiting`.",
        &[one("minutes", Kind::Count(1, 1_440), "of virtual waiting")],
        &[],
        Body::None,
    ),
    node(
        "case",
        "The customer's case gets this status; one is opened for a customer who has none.",
        &[one("status", Kind::OneOf(&["open", "pending", "solved", "closed"]), "")],
        &[prop("topic", Kind::Text, "", "what it is about; that of any case when absent")],
        Body::None,
    ),
    many(node(
        "notify",
        "Supervisors and programs are told, through the events of the API.",
        &[one("text", Kind::Text, "what they read")],
        &[],
        Body::None,
    )),
    many(node("sms", "A short message goes into the outbox.", &[], &[TEMPLATE], Body::None)),
    many(node("whatsapp", "A WhatsApp message goes into the outbox.", &[], &[TEMPLATE], Body::None)),
    many(node("email", "An email goes into the outbox.", &[], &[TEMPLATE], Body::None)),
];
