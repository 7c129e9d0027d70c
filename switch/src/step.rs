//! What a dialplan may ask of a call, one step at a time, and how each step can end.

use serde::{Deserialize, Serialize};

use crate::{
    ask::{Answer, Ask, Unanswered},
    callback::CallbackOffer,
    cause::Cause,
    ladder::Ladder,
    name::{
        AgentName, AudioStreamName, Extension, Language, LotName, MailboxName, PartyNumber, PromptName, QueueName, RoomName,
        SkillLevel, TrunkName,
    },
};

/// One action of a dialplan, resolved: every name in it exists.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Tell the caller's side that it rings; the call is not answered. Ends at once with `Done`.
    Ring,
    /// Answer the call. Ends with `Done`; a call that is already answered ends it at once.
    Answer,
    /// Play phrases one after another, as early media when the call is not answered. Ends with `Done`,
    /// or with `Digits` when `interrupt` and the caller pressed a key; the key stays typed ahead for the
    /// next `Collect`, so that a menu can be chosen from before it has spoken.
    Play {
        /// What is heard.
        audio: Audio,
        /// A key press ends it.
        interrupt: bool,
    },
    /// Play phrases and gather digits; a key press stops the phrases. Ends with `Digits`, or with
    /// `NoInput` when nothing was pressed in time.
    Collect(Collect),
    /// Wait in a queue until an agent took the call and it ended, or until one of the ways out.
    /// Ends with `Done` (an agent took it and hung up first), `NoAgents`, `TimedOut`, `Full` or `Error`.
    Queue(QueueStep),
    /// Call somebody. Ends with `Done` (answered, and the called party hung up), `Busy`, `NoAnswer`,
    /// `Unreachable` or `Rejected`.
    Dial(Dial),
    /// Answer, and ask the caller's carrier to connect them to a number itself. When that is done the call ends; else
    /// it ends with `Busy`, `NoAnswer`, `Unreachable`, `Rejected` or `Error`.
    HandBack {
        /// Whom to.
        number: PartyNumber,
    },
    /// Send the caller's own audio back until hang-up.
    Echo,
    /// Answer, and be together with everybody else who is in the room, until hang-up. Ends with `Full`.
    Conference {
        /// Which room; it is there as long as somebody is in it.
        room: RoomName,
        /// Begins as somebody who only listens.
        muted: bool,
    },
    /// Answer, and listen to an agent's conversations with callers of queues, one after another, until hang-up. Keys change
    /// who hears the supervisor.
    Supervise {
        /// Whose conversations.
        agent: AgentName,
        /// To begin with.
        role: Supervision,
    },
    /// Wait in a slot until somebody takes the caller from there and the conversation is over. Ends with `Done`, `Full`,
    /// `TimedOut` (nobody came; whoever parked the caller was called back and did not answer) or `Error`.
    Park(Park),
    /// Answer, greet, and take a message for a box, until a key, the longest time or hang-up. Ends with `Done`, `Full` or
    /// `Error`.
    Voicemail(LeaveMessage),
    /// Take somebody of another call: the caller goes there, and this call is over. Ends with `Error` when there is nobody.
    Take(Whom),
    /// From now on a program hears the call, until the end. Ends at once with `Done`.
    Fork {
        /// Which.
        program: AudioStreamName,
        /// Whom it hears.
        sides: Sides,
    },
    /// Answer, and give the caller to a program, which hears them and speaks. Ends with `Done`, `Said`, `Failed` or `Stalled`.
    Stream {
        /// Which.
        program: AudioStreamName,
    },
    /// Ask a service outside; what the caller hears stays as it is. Ends with `Answered` or `Unanswered`.
    Ask(Box<Ask>),
    /// The caller, who is an agent, signs in or out or changes state. Ends with `Done` or `Error`.
    Agent(AgentRequest),
    /// End the call. Nothing follows.
    Hangup {
        /// What the caller's side is told.
        cause: Cause,
    },
}

/// Who hears a supervisor. The supervisor always hears both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supervision {
    /// Nobody.
    Monitor,
    /// The agent only.
    Whisper,
    /// Agent and customer.
    BargeIn,
}

impl Supervision {
    /// All, in the order of the keys 1 to 3.
    pub const ALL: [Self; 3] = [Self::Monitor, Self::Whisper, Self::BargeIn];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Whisper => "whisper",
            Self::BargeIn => "barge-in",
        }
    }
}

/// How a caller is parked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Park {
    /// Where.
    pub lot: LotName,
    /// Numbers of its slots, the first and the last.
    pub slots: (u32, u32),
    /// How long they wait, in ms.
    pub timeout_ms: u64,
    /// Heard meanwhile, over and over; the hold music when `None`.
    pub music: Option<PromptName>,
    /// In which the slot is said.
    pub language: Language,
}

/// How a message is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveMessage {
    /// In which box.
    pub mailbox: MailboxName,
    /// Heard first, with the tone.
    pub greeting: Audio,
    /// The longest message, in ms.
    pub max_ms: u64,
    /// Messages that the box holds at most.
    pub most: u32,
}

/// Whom a caller takes from another call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// Who is parked in this slot.
    Parked(Extension),
    /// Who calls one of these and is not answered yet; the first who rings, in this order.
    Calling(Vec<Extension>),
}

impl Whom {
    /// The word of the step.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Parked(_) => "retrieve",
            Self::Calling(_) => "pickup",
        }
    }
}

/// Phrases and the language they are spoken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audio {
    /// Which recordings are used.
    pub language: Language,
    /// One after another.
    pub phrases: Vec<Phrase>,
}

/// Something that can be heard. What is not a plain prompt is put together from prompts by the grammar of the language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phrase {
    /// A recorded prompt.
    Prompt(PromptName),
    /// A cardinal number: "forty-two".
    Number(u32),
    /// Digits one by one: "four, two".
    Digits(String),
    /// "You are number three in the queue."
    Position(u32),
    /// "The estimated waiting time is about five minutes." Minutes, at least 1.
    EstimatedWait(u32),
    /// The time of day.
    Time {
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
    },
}

/// How digits are gathered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collect {
    /// What is heard first; may be empty.
    pub audio: Audio,
    /// Ends as soon as so many digits were pressed; at least 1.
    pub max_digits: u8,
    /// How long to wait for the first digit after the audio, in ms.
    pub first_digit_ms: u64,
    /// How long to wait between digits, in ms.
    pub next_digit_ms: u64,
    /// A key that ends the input and is not part of it.
    pub terminator: Option<char>,
}

/// How a call waits in a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueStep {
    /// Which queue.
    pub queue: QueueName,
    /// What an agent must be able to do.
    pub skills: Vec<SkillLevel>,
    /// Minutes of virtual waiting that the call gets ahead.
    pub priority_minutes: u32,
    /// The step ends with `TimedOut` after so long without an answer, in ms.
    pub max_wait_ms: Option<u64>,
    /// Heard while waiting, over and over; ordinary ring-back when `None`.
    pub music: Option<PromptName>,
    /// Language of the announcements.
    pub language: Language,
    /// Position and estimated wait are said so often, in ms; `None` says them never.
    pub announce_every_ms: Option<u64>,
    /// Said with each announcement ("please stay on the line").
    pub comfort: Option<PromptName>,
    /// Whether the conversation is recorded.
    pub record: bool,
    /// Who is rung comes from the floor; whether a caller may wait while nobody is signed in comes
    /// from here: `false` ends the step with `NoAgents` at once.
    pub wait_without_agents: bool,
    /// Where the caller passes on to.
    #[serde(default)]
    pub ladder: Ladder,
    /// What the caller is offered instead of waiting on the line.
    #[serde(default)]
    pub callback: Option<Box<CallbackOffer>>,
}

/// Whom to call, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dial {
    /// At least one.
    pub targets: Vec<Target>,
    /// All at once or one after another.
    pub strategy: RingStrategy,
    /// Ringing time, per target when in order, in ms.
    pub ring_ms: u64,
    /// Whether the conversation is recorded.
    pub record: bool,
    /// Heard by the caller while it rings; the called side's own early media or ring-back when `None`.
    pub music: Option<PromptName>,
    /// The number shown to the called party instead of the caller's own.
    pub caller_id: Option<PartyNumber>,
}

/// How a group is rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RingStrategy {
    /// Everybody at once; the first who answers has the call.
    All,
    /// One after another in the order written.
    InOrder,
}

/// Somebody who can be called.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// All devices registered for an extension.
    Extension(Extension),
    /// A number through a trunk.
    Trunk {
        /// Which trunk.
        trunk: TrunkName,
        /// The number as it is sent to the trunk.
        number: PartyNumber,
    },
    /// An agent's device at a fixed address that the admin wrote (`sip:agent7@127.0.0.3:5090`); the
    /// address is opaque to everything but the signalling edge.
    Fixed(std::sync::Arc<str>),
}

/// What an agent asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "request")]
pub enum AgentRequest {
    /// Begin duty: Offline becomes Ready.
    SignIn,
    /// End duty: becomes Offline once a conversation in progress and its wrap-up are over.
    SignOut,
    /// Take offers again; ends wrap-up early.
    Ready,
    /// Take no more offers.
    NotReady {
        /// Why, in the admin's words (`lunch`).
        reason: String,
    },
    /// More time for the paperwork of the last conversation, as much and as often as its queue allows.
    MoreWrapUp,
}

/// How a step ended. The dialplan has an answer to each one that its step can give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// It did what it says.
    Done,
    /// The digits that were pressed.
    Digits(String),
    /// Nothing was pressed in time.
    NoInput,
    /// The called party is on another call.
    Busy,
    /// It rang and nobody answered.
    NoAnswer,
    /// No device could be reached, or the trunk failed.
    Unreachable,
    /// The called party declined.
    Rejected,
    /// No agent of the queue is signed in.
    NoAgents,
    /// The longest wait in the queue is over.
    TimedOut,
    /// The queue takes no more callers.
    Full,
    /// It could not be done; the reason was logged.
    Error,
    /// The program was done and said this word, of its own choice.
    Said(String),
    /// The program could not be reached, or is gone.
    Failed,
    /// The program does not take or answer anything.
    Stalled,
    /// What the service that was asked answered.
    Answered(Answer),
    /// It did not, and why.
    Unanswered(Unanswered),
}

/// Whom a program hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sides {
    /// The party that the call is for, and whom they talk to.
    #[default]
    Both,
    /// The first of them.
    Caller,
    /// The second.
    Agent,
}

impl Sides {
    /// From the word for it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Both, Self::Caller, Self::Agent].into_iter().find(|sides| sides.as_str() == word)
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Caller => "caller",
            Self::Agent => "agent",
        }
    }

    /// In a sentence.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Both => "both sides",
            Self::Caller => "the caller's side",
            Self::Agent => "the agent's side",
        }
    }

    /// Whether the first or the second of them is heard.
    #[must_use]
    pub const fn has(self, agent: bool) -> bool {
        match self {
            Self::Both => true,
            Self::Caller => !agent,
            Self::Agent => agent,
        }
    }
}
