//! Ways in which steps end, and what a plan answers to each.

use tandem_switch::step::StepOutcome;

use super::BlockId;

/// A way in which a step can end that is not simply "done". The words of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Ending {
    NoInput,
    Invalid,
    Busy,
    NoAnswer,
    Unreachable,
    Rejected,
    NoAgents,
    TimedOut,
    Full,
    Error,
    Failed,
    Stalled,
}

impl Ending {
    pub(crate) const ALL: [Self; 12] = [
        Self::NoInput,
        Self::Invalid,
        Self::Busy,
        Self::NoAnswer,
        Self::Unreachable,
        Self::Rejected,
        Self::NoAgents,
        Self::TimedOut,
        Self::Full,
        Self::Error,
        Self::Failed,
        Self::Stalled,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::NoInput => "no-input",
            Self::Invalid => "invalid",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Unreachable => "unreachable",
            Self::Rejected => "rejected",
            Self::NoAgents => "no-agents",
            Self::TimedOut => "timed-out",
            Self::Full => "full",
            Self::Error => "error",
            Self::Failed => "failed",
            Self::Stalled => "stalled",
        }
    }

    /// How an outcome is called here; `None` when the step went well.
    pub(crate) const fn of(outcome: &StepOutcome) -> Option<Self> {
        match outcome {
            StepOutcome::Done
            | StepOutcome::Digits(_)
            | StepOutcome::Said(_)
            | StepOutcome::Answered(_)
            | StepOutcome::Unanswered(_) => None,
            StepOutcome::NoInput => Some(Self::NoInput),
            StepOutcome::Busy => Some(Self::Busy),
            StepOutcome::NoAnswer => Some(Self::NoAnswer),
            StepOutcome::Unreachable => Some(Self::Unreachable),
            StepOutcome::Rejected => Some(Self::Rejected),
            StepOutcome::NoAgents => Some(Self::NoAgents),
            StepOutcome::TimedOut => Some(Self::TimedOut),
            StepOutcome::Full => Some(Self::Full),
            StepOutcome::Error => Some(Self::Error),
            StepOutcome::Failed => Some(Self::Failed),
            StepOutcome::Stalled => Some(Self::Stalled),
        }
    }
}

/// The answer of one step to each ending: its own, else that of its queue, else the plan's default. Total.
#[derive(Clone, Debug)]
pub(crate) struct Handlers {
    blocks: [BlockId; Ending::ALL.len()],
    /// Bit by bit: the answer stands at the step itself.
    own: u16,
    /// The same: it stands at the queue that the step joins.
    of_queue: u16,
}

impl Handlers {
    pub(crate) const fn new(defaults: [BlockId; Ending::ALL.len()]) -> Self {
        Self { blocks: defaults, own: 0, of_queue: 0 }
    }

    pub(crate) fn set(&mut self, ending: Ending, block: BlockId) {
        self.blocks[ending as usize] = block;
        self.own |= 1 << ending as usize;
    }

    pub(crate) fn default_to(&mut self, ending: Ending, block: BlockId) {
        self.blocks[ending as usize] = block;
    }

    pub(crate) fn set_of_queue(&mut self, ending: Ending, block: BlockId) {
        self.blocks[ending as usize] = block;
        self.of_queue |= 1 << ending as usize;
    }

    pub(crate) const fn get(&self, ending: Ending) -> BlockId {
        self.blocks[ending as usize]
    }

    pub(crate) const fn is_own(&self, ending: Ending) -> bool {
        self.own & 1 << ending as usize != 0
    }

    pub(crate) const fn is_of_queue(&self, ending: Ending) -> bool {
        self.of_queue & 1 << ending as usize != 0
    }
}
