//! What has a name.

/// Things with names. A reference is checked against the declarations of the same noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Noun {
    Queue,
    Skill,
    Schedule,
    Trunk,
    Route,
    Prompt,
    Lot,
    PickupGroup,
    AudioStream,
    DecisionService,
    Rule,
}

impl Noun {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Skill => "skill",
            Self::Schedule => "schedule",
            Self::Trunk => "trunk",
            Self::Route => "route",
            Self::Prompt => "prompt",
            Self::Lot => "parking",
            Self::PickupGroup => "pickup group",
            Self::AudioStream => "audio stream",
            Self::DecisionService => "decision service",
            Self::Rule => "rule",
        }
    }
}
