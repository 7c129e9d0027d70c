//! The table's rows outside of routes: settings, trunks, queues, schedules, first agents.

use super::{Body, Kind, NodeSpec, Noun, Place, Times, many, must, node, one, prop, some};
use crate::settings::{Digest, MediaKeys};

pub(crate) const TOP: &[NodeSpec] = &[
    node(
        "realm",
        "The realm in which devices prove their passwords.",
        &[one("realm", Kind::Text, "`tandem` when absent")],
        &[],
        Body::None,
    ),
    node(
        "digest",
        "How devices may prove their passwords (RFC 8760), best first. Some phones give up at a challenge that they do not know: for them alone, leave `sha-256` out.",
        &[some(
            "algorithm",
            Kind::OneOf(Digest::WORDS),
            Times::OneOrMore,
            "`sha-256` `md5` when absent; `sha-512-256` proves only passwords that were set by this version or a later one",
        )],
        &[],
        Body::None,
    ),
    node(
        "country",
        "The country whose numbers are written without a prefix.",
        &[one("country", Kind::Country, "two letters, `IT`")],
        &[],
        Body::None,
    ),
    node(
        "language",
        "The language that callers hear until a step sets another.",
        &[one("language", Kind::Language, "`en` when absent")],
        &[],
        Body::None,
    ),
    node(
        "time-zone",
        "Used by `say time` and by schedules that name none.",
        &[one("zone", Kind::TimeZone, "`UTC` when absent")],
        &[],
        Body::None,
    ),
    node(
        "prompts",
        "The folder of recordings: `<language>/<prompt>.wav`, and `<prompt>.wav` for what has no language.",
        &[one("folder", Kind::Folder, "relative to this folder; `prompts` when absent")],
        &[],
        Body::None,
    ),
    node(
        "silence-ends-after",
        "A call ends when one of its parties, answered and not on hold, sends no audio for so long. `never` where phones are silent while nobody speaks.",
        &[one("time", Kind::DurationOrNever, "`30s` when absent")],
        &[],
        Body::None,
    ),
    many(node(
        "name-server",
        "A name server that is asked for the addresses of carriers; those of the system when absent.",
        &[one("address", Kind::Bind, "")],
        &[],
        Body::None,
    )),
    node("listen", "The addresses that the switch listens on.", &[], &[], Body::Required(Place::Listen)),
    many(node(
        "extensions",
        "Internal numbers. `dial extension=…` reaches these and no others.",
        &[],
        &[
            must("from", Kind::Count(0, 999_999_999), "the lowest"),
            must("to", Kind::Count(0, 999_999_999), "the highest, with as many digits"),
            prop(
                "media-keys",
                Kind::OneOf(MediaKeys::WORDS),
                "",
                "whether what we offer their devices is encrypted: `none`, `sdes` for always with keys in the messages, `sdes-optional` for when the device offers it, `dtls` for always with keys by DTLS; when absent, DTLS to devices that come by WebSocket, which browsers need, and nothing to others. What a device offers with DTLS is always taken",
            ),
            prop(
                "redirects",
                Kind::Flag,
                "#true",
                "their phones may name another number for a call (call forwarding, SIP 3xx); the plan is asked for it with the rights of the extension",
            ),
        ],
        Body::None,
    )),
    node(
        "supervisors",
        "Who may use the step `supervise`, from their own phones.",
        &[some("extension", Kind::Text, Times::OneOrMore, "")],
        &[],
        Body::None,
    ),
    many(node(
        "skill",
        "An ability that a queue step may ask of an agent.",
        &[one("name", Kind::Declares(Noun::Skill), "")],
        &[],
        Body::None,
    )),
    many(node(
        "trunk",
        "A carrier link: where its calls come from and where ours go.",
        &[one("name", Kind::Declares(Noun::Trunk), "")],
        &[],
        Body::Required(Place::Trunk),
    )),
    super::identity::CAPTURE,
    many(node(
        "trunk-group",
        "Trunks that stand for each other; `dial trunk=` may name the group. A call that a trunk cannot take (no answer, 408, 5xx, full) goes to the next; one that the called party refused does not.",
        &[one("name", Kind::Declares(Noun::Trunk), "unlike that of any trunk")],
        &[],
        Body::Required(Place::TrunkGroup),
    )),
    super::protect::PROTECT,
    super::recordings::RECORDINGS,
    many(node("queue", "A waiting line.", &[one("name", Kind::Declares(Noun::Queue), "")], &[], Body::Optional(Place::Queue))),
    many(node(
        "parking",
        "A lot with slots, in which callers wait until somebody takes them from there by dialling the number of the slot. Slots can be watched like extensions.",
        &[one("name", Kind::Declares(Noun::Lot), "")],
        &[
            must("from", Kind::Count(0, 999_999_999), "number of the first slot; slots are no extensions"),
            must("to", Kind::Count(0, 999_999_999), "number of the last one, with as many digits"),
            prop("timeout", Kind::Duration, "2m", "then whoever parked the caller is called back"),
            prop("music", Kind::Refers(Noun::Prompt), "", "heard meanwhile; what is heard on hold when absent"),
        ],
        Body::None,
    )),
    many(node(
        "mailbox",
        "A box for voice messages. Every extension has one under its number, also without this.",
        &[one("name", Kind::Text, "letters, digits and dashes: `support`, `1001`")],
        &[],
        Body::Optional(Place::Mailbox),
    )),
    many(node(
        "pickup-group",
        "Extensions that may answer each other's phones while they ring, by the step `pickup`.",
        &[one("name", Kind::Declares(Noun::PickupGroup), "")],
        &[],
        Body::Required(Place::PickupGroup),
    )),
    many(node(
        "schedule",
        "Opening hours. For a day, `closed` wins over `special`, `special` over `holidays`, and `holidays` over `open`.",
        &[one("name", Kind::Declares(Noun::Schedule), "")],
        &[prop("tz", Kind::TimeZone, "", "time zone of all its hours; that of `time-zone` when absent")],
        Body::Required(Place::Schedule),
    )),
    many(node(
        "starter-agents",
        "Agents that are put into the database at the first start. People live in the database, not in plans; this gives a new installation somebody to talk to.",
        &[],
        &[
            must("from", Kind::Count(0, 999_999_999), "number of the first"),
            must("to", Kind::Count(0, 999_999_999), "number of the last"),
            prop("name", Kind::Text, "{n}", "their names; `{n}` is the number"),
            prop(
                "contact",
                Kind::Contact,
                "",
                "a fixed address of each device, `{n}` being the number; without it, devices register",
            ),
            prop("always-on", Kind::Flag, "#false", "reachable and signed in from the start; for fixed devices"),
        ],
        Body::Optional(Place::StarterAgents),
    )),
    node(
        "defaults",
        "What happens when a step ends in a way that is not handled where it stands. What is not given here has a built-in default: the matching prompt, then a hang-up.",
        &[],
        &[],
        Body::Required(Place::Defaults),
    ),
    many(node(
        "route",
        "One entry of the dialplan. Routes are tried in the order of the files (by name) and of the text; the first that fits takes the call. A route with neither `from` nor `to` is reached by `goto` only.",
        &[one("name", Kind::Declares(Noun::Route), "")],
        &[],
        Body::Required(Place::Route),
    )),
];

pub(super) const LISTEN: &[NodeSpec] = &[
    many(node("sip-udp", "SIP over UDP.", &[one("address", Kind::Bind, "")], &[], Body::None)),
    many(node("sip-tcp", "SIP over TCP.", &[one("address", Kind::Bind, "")], &[], Body::None)),
    many(node("sip-tls", "SIP over TLS.", &[one("address", Kind::Bind, "")], &[], Body::None)),
    many(node(
        "http",
        "HTTP: API, health, metrics; SIP over WebSocket at `/sip`.",
        &[one("address", Kind::Bind, "")],
        &[],
        Body::None,
    )),
    many(node(
        "https",
        "The same in TLS. Browsers make calls from nowhere else.",
        &[one("address", Kind::Bind, "")],
        &[],
        Body::None,
    )),
    node(
        "rtp",
        "Ports for audio.",
        &[one("ports", Kind::Ports, "`20000-29999` when absent")],
        &[prop("address", Kind::Ip, "", "that of the first SIP address when absent")],
        Body::None,
    ),
    node(
        "advertise",
        "The address that other sides are told, when the switch stands behind NAT.",
        &[one("address", Kind::Ip, "")],
        &[],
        Body::None,
    ),
    node(
        "tls",
        "Certificate and key; made at the first start when absent. Read again with the plan; connections that stand stay.",
        &[],
        &[must("certificate", Kind::Folder, "PEM file"), must("key", Kind::Folder, "PEM file")],
        Body::None,
    ),
];

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
];

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

pub(super) const SCHEDULE: &[NodeSpec] = &[
    many(node(
        "open",
        "Weekly hours.",
        &[
            one("days", Kind::Days, "`mon-fri`, `sat,sun` or `daily`"),
            some("hours", Kind::Hours, Times::OneOrMore, "`08:30-18:00`; `22:00-06:00` ends on the next day"),
        ],
        &[],
        Body::None,
    )),
    many(node(
        "special",
        "Other hours on some dates, instead of the weekly ones.",
        &[one("dates", Kind::Dates, ""), some("hours", Kind::Hours, Times::OneOrMore, "")],
        &[],
        Body::None,
    )),
    many(node(
        "closed",
        "Dates on which nothing is open.",
        &[some("dates", Kind::Dates, Times::OneOrMore, "`2026-12-24`, `12-25` (every year) or `2026-08-10..2026-08-21`")],
        &[],
        Body::None,
    )),
    many(node(
        "holidays",
        "Holidays: dates as in `closed`, or calendar files of this folder.",
        &[some("dates", Kind::Holidays, Times::OneOrMore, "`12-25` or `holidays-it.ics`")],
        &[],
        Body::None,
    )),
];

pub(super) const STARTER_AGENTS: &[NodeSpec] = &[
    node("queues", "Queues they serve.", &[some("queue", Kind::Refers(Noun::Queue), Times::OneOrMore, "")], &[], Body::None),
    many(node(
        "skill",
        "What they can do.",
        &[one("skill", Kind::Refers(Noun::Skill), "")],
        &[prop("level", Kind::Count(1, 10), "5", "1 (some) to 10 (the best)")],
        Body::None,
    )),
    node(
        "password-file",
        "File in the data folder to which the passwords made for them are written.",
        &[one("file", Kind::FileName, "")],
        &[],
        Body::None,
    ),
];

pub(super) const ROUTE: &[NodeSpec] = &[
    many(node(
        "from",
        "Who may use the route: `from extension`, `from any`, or `from trunk=\"carrier\"`. Several lines mean any of them.",
        &[some("whom", Kind::OneOf(&["extension", "any"]), Times::Optional, "")],
        &[prop("trunk", Kind::Refers(Noun::Trunk), "", "")],
        Body::None,
    )),
    many(node(
        "to",
        "What was dialled. Several patterns mean any of them; a route without `to` fits every number.",
        &[some("pattern", Kind::Pattern, Times::Any, "")],
        &[prop("matches", Kind::Regex, "", "a regular expression over the whole number, instead of patterns")],
        Body::None,
    )),
    many(node(
        "caller",
        "Who calls, by number.",
        &[some("pattern", Kind::Pattern, Times::Any, "")],
        &[prop("matches", Kind::Regex, "", "a regular expression over the whole number, instead of patterns")],
        Body::None,
    )),
];
