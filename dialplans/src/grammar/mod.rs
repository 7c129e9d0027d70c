//! The one table of the dialplan language: which nodes stand where, and what their values are.
//!
//! Reading, checking, "did you mean" and the reference in `docs/dialplan.md` all come from here.
//! A new step is one row here and one arm in `build/steps.rs` and `run.rs`.

mod audio_streams;
mod decisions;
mod identity;
mod mailboxes;
mod noun;
mod places;
mod protect;
mod queues;
mod recordings;
mod rules;
mod steps;
mod test_blocks;
mod trunk_calls;
mod trunks;

pub(crate) use noun::Noun;
pub(crate) use places::TOP;
pub(crate) use steps::{HANDLERS, STEPS};

/// Where nodes may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Top,
    Listen,
    Trunk,
    Identity,
    TrunkGroup,
    Protect,
    Recordings,
    Queue,
    Schedule,
    StarterAgents,
    Defaults,
    Route,
    Steps,
    Menu,
    Collect,
    JoinQueue,
    Dial,
    HandBack,
    Conference,
    Supervise,
    PickupGroup,
    Mailbox,
    Park,
    Voicemail,
    Retrieve,
    PickUp,
    Agent,
    AudioStream,
    Stream,
    DecisionService,
    Switch,
    Ask,
    Rule,
    RuleWhen,
    RuleUnless,
    RuleThen,
    Test,
    TestAnswer,
}

/// One kind of node.
#[derive(Debug)]
pub(crate) struct NodeSpec {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) args: &'static [Arg],
    pub(crate) props: &'static [Prop],
    pub(crate) body: Body,
    /// May stand more than once in one place.
    pub(crate) repeats: bool,
}

/// What stands in a node's braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Optional(Place),
    Required(Place),
}

/// Values that follow a node's name.
#[derive(Debug)]
pub(crate) struct Arg {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) times: Times,
    pub(crate) about: &'static str,
}

/// How many values an [`Arg`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    Once,
    Optional,
    OneOrMore,
    Any,
}

/// A `name=value` of a node.
#[derive(Debug)]
pub(crate) struct Prop {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// As it would be written; empty when leaving it out means something that `about` tells.
    pub(crate) default: &'static str,
    pub(crate) about: &'static str,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Gives something its name.
    Declares(Noun),
    /// Names something that is declared elsewhere.
    Refers(Noun),
    OneOf(&'static [&'static str]),
    Text,
    Flag,
    Duration,
    DurationOrNever,
    Count(u32, u32),
    Bind,
    Ip,
    Ports,
    Network,
    Peer,
    Secret,
    FileName,
    Folder,
    /// A file of the plan in or below the folder of the file that names it.
    PlanFile,
    Contact,
    Pattern,
    Regex,
    Extension,
    Template,
    Variable,
    Language,
    LanguageOrVariable,
    Country,
    TimeZone,
    Key,
    Keys,
    Days,
    Hours,
    Dates,
    Holidays,
    /// Whole days, as a count.
    Age,
    When,
}

impl Kind {
    /// What the reference calls it.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Declares(noun) => format!("name of this {}", noun.word()),
            Self::Refers(noun) => noun.word().to_owned(),
            Self::OneOf(words) => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(" or "),
            Self::Count(low, high) => format!("number {low}–{high}"),
            _ => self.word().to_owned(),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Flag => "`#true` or `#false`",
            Self::Duration => "duration",
            Self::DurationOrNever => "duration or `never`",
            Self::Bind => "address:port",
            Self::Ip => "address",
            Self::Ports => "port range",
            Self::Network => "address or network",
            Self::Peer => "host:port",
            Self::Secret => "secret",
            Self::FileName => "file name",
            Self::Folder => "relative path",
            Self::PlanFile => "plan file",
            Self::Contact => "device address",
            Self::Pattern => "pattern",
            Self::Regex => "regular expression",
            Self::Extension => "extension",
            Self::Template => "template",
            Self::Variable => "variable name",
            Self::Language => "language",
            Self::LanguageOrVariable => "language or variable",
            Self::Country => "country",
            Self::TimeZone => "time zone",
            Self::Key => "key",
            Self::Keys => "keys",
            Self::Days => "days",
            Self::Hours => "hours",
            Self::Dates => "dates",
            Self::Holidays => "dates or calendar file",
            Self::Age => "days",
            Self::When => "moment",
            Self::Declares(_) | Self::Refers(_) | Self::OneOf(_) | Self::Count(..) => "",
        }
    }
}

impl Place {
    /// The nodes that may stand here.
    pub(crate) const fn nodes(self) -> &'static [NodeSpec] {
        match self {
            Self::Top => TOP,
            Self::Listen => places::LISTEN,
            Self::Trunk => trunks::TRUNK,
            Self::TrunkGroup => trunks::TRUNK_GROUP,
            Self::Identity => identity::NODES,
            Self::Protect => protect::NODES,
            Self::Recordings => recordings::NODES,
            Self::Queue => queues::QUEUE,
            Self::Schedule => places::SCHEDULE,
            Self::StarterAgents => places::STARTER_AGENTS,
            Self::Defaults => HANDLERS,
            Self::Route => places::ROUTE,
            Self::Steps => STEPS,
            Self::Menu => steps::MENU,
            Self::Collect => steps::COLLECT,
            Self::JoinQueue => steps::JOIN_QUEUE,
            Self::Dial => steps::DIAL,
            Self::HandBack => steps::HAND_BACK,
            Self::Conference => steps::CONFERENCE,
            Self::Supervise => steps::SUPERVISE,
            Self::PickupGroup => mailboxes::PICKUP_GROUP,
            Self::Mailbox => mailboxes::MAILBOX,
            Self::Park => steps::PARK,
            Self::Voicemail => steps::VOICEMAIL,
            Self::Retrieve | Self::PickUp => steps::TAKE,
            Self::Agent => steps::AGENT,
            Self::AudioStream => audio_streams::NODES,
            Self::Stream => steps::STREAM,
            Self::DecisionService => decisions::SERVICE,
            Self::Switch => decisions::BRANCHES,
            Self::Ask => decisions::ASKING,
            Self::Rule => rules::PARTS,
            Self::RuleWhen => rules::WHEN,
            Self::RuleUnless => rules::UNLESS,
            Self::RuleThen => rules::THEN,
            Self::Test => test_blocks::NODES,
            Self::TestAnswer => decisions::ANSWER_VALUES,
        }
    }

    /// Whether steps may stand here beside the nodes of the place.
    pub(crate) const fn takes_steps(self) -> bool {
        matches!(self, Self::Route | Self::Steps)
    }

    /// The node of that name, if it may stand here.
    pub(crate) fn find(self, name: &str) -> Option<&'static NodeSpec> {
        let steps: &[NodeSpec] = if self.takes_steps() { STEPS } else { &[] };
        self.nodes().iter().chain(steps).find(|spec| spec.name == name)
    }

    /// All names that may stand here.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        let steps: &[NodeSpec] = if self.takes_steps() { STEPS } else { &[] };
        self.nodes().iter().chain(steps).map(|spec| spec.name)
    }

    /// Where these nodes stand, in words.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Top => "at the top of a file",
            Self::Listen => "in `listen`",
            Self::Trunk => "in `trunk`",
            Self::Identity => "in `identity`",
            Self::TrunkGroup => "in `trunk-group`",
            Self::Protect => "in `protect`",
            Self::Recordings => "in `recordings`",
            Self::Queue => "in `queue`",
            Self::Schedule => "in `schedule`",
            Self::StarterAgents => "in `starter-agents`",
            Self::Defaults => "in `defaults`",
            Self::Route => "in `route`",
            Self::Steps => "among steps",
            Self::Menu => "in `menu`",
            Self::Collect => "in `collect`",
            Self::JoinQueue => "in the step `queue`",
            Self::Dial => "in `dial`",
            Self::HandBack => "in `hand-back`",
            Self::Conference => "in `conference`",
            Self::Supervise => "in `supervise`",
            Self::PickupGroup => "in `pickup-group`",
            Self::Mailbox => "in `mailbox`",
            Self::Park => "in `park`",
            Self::Voicemail => "in `voicemail`",
            Self::Retrieve => "in `retrieve`",
            Self::PickUp => "in `pickup`",
            Self::Agent => "in `agent`",
            Self::AudioStream => "in `audio-stream`",
            Self::Stream => "in `stream`",
            Self::DecisionService => "in `decision-service`",
            Self::Switch => "in `switch`",
            Self::Ask => "in `ask`",
            Self::Rule => "in `rule`",
            Self::RuleWhen => "in `when` of a `rule`",
            Self::RuleUnless => "in `unless` of a `rule`",
            Self::RuleThen => "in `then` of a `rule`",
            Self::Test => "in `test`",
            Self::TestAnswer => "in `answer` of a `test`",
        }
    }

    pub(crate) const ALL: &'static [Self] = &[
        Self::Top,
        Self::Listen,
        Self::Trunk,
        Self::Identity,
        Self::TrunkGroup,
        Self::Protect,
        Self::Recordings,
        Self::Queue,
        Self::Schedule,
        Self::StarterAgents,
        Self::PickupGroup,
        Self::Mailbox,
        Self::AudioStream,
        Self::DecisionService,
        Self::Route,
        Self::Steps,
        Self::Menu,
        Self::Collect,
        Self::JoinQueue,
        Self::Dial,
        Self::HandBack,
        Self::Conference,
        Self::Supervise,
        Self::Park,
        Self::Voicemail,
        Self::Retrieve,
        Self::PickUp,
        Self::Agent,
        Self::Stream,
        Self::Switch,
        Self::Ask,
        Self::Defaults,
        Self::Rule,
        Self::RuleWhen,
        Self::RuleUnless,
        Self::RuleThen,
        Self::Test,
        Self::TestAnswer,
    ];
}

const fn node(name: &'static str, about: &'static str, args: &'static [Arg], props: &'static [Prop], body: Body) -> NodeSpec {
    NodeSpec { name, about, args, props, body, repeats: false }
}

const fn many(spec: NodeSpec) -> NodeSpec {
    NodeSpec { repeats: true, ..spec }
}

const fn one(name: &'static str, kind: Kind, about: &'static str) -> Arg {
    Arg { name, kind, times: Times::Once, about }
}

const fn some(name: &'static str, kind: Kind, times: Times, about: &'static str) -> Arg {
    Arg { name, kind, times, about }
}

const fn prop(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Prop {
    Prop { name, kind, required: false, default, about }
}

const fn must(name: &'static str, kind: Kind, about: &'static str) -> Prop {
    Prop { name, kind, required: true, default: "", about }
}
