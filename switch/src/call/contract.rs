//! What a call is told, what it wants done, and what is known of it when it arrives.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Newcomer;
use crate::{
    ask::{Answer, Ask, Unanswered},
    cause::Cause,
    cdr::{Cdr, Origin},
    id::{CallId, LegId, RecordingId},
    link::{FloorSays, ToFloor},
    name::{AgentName, AudioStreamName, Extension, Language, LotName, MailboxName, PartyNumber, PromptName, RoomName, RouteName},
    step::{Audio, Sides, Step, StepOutcome, Supervision, Target, Whom},
};

/// What a call is told. One at a time, each with the present instant.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The recording of the call is silent from now on, or has audio again; so are those that follow it.
    PauseRecording {
        /// Silence.
        paused: bool,
    },
    /// A payment begins or ends: from now on nobody hears the [paying leg](super::Call::payer), or all is as before. Means
    /// nothing outside of a conversation.
    Payment {
        /// It begins.
        begins: bool,
    },
    /// The dialplan's next step; the first one begins the call, each later one follows a `StepEnded`.
    Step(Step),
    /// The dialplan moved to another route: for the record.
    Routed(RouteName),
    /// A called leg rings; `early_media` says whether its own audio can be heard already.
    LegRang {
        /// Which leg.
        leg: LegId,
        /// Whether there is something to hear.
        early_media: bool,
    },
    /// A called leg answered and its audio is set up.
    LegAnswered {
        /// Which leg.
        leg: LegId,
    },
    /// A called leg did not come up. Final: the leg is gone.
    LegFailed {
        /// Which leg.
        leg: LegId,
        /// Why.
        cause: Cause,
    },
    /// A called leg did not come up, and names somebody else to call. Final: the leg is gone.
    LegRedirected {
        /// Which leg.
        leg: LegId,
        /// Whose leg that was, proved: the extension whose device it is, or the trunk.
        by: Origin,
        /// Whom to call instead, the best first. Of several only what a trunk names is tried one after another, as far as
        /// the first five.
        to: Vec<PartyNumber>,
        /// Why, as far as they say: [`Cause::Busy`], [`Cause::NoAnswer`], else [`Cause::Redirected`].
        why: Cause,
    },
    /// A leg ended from the other side (hang-up, cancel, lost connection). Final: the leg is gone.
    LegEnded {
        /// Which leg.
        leg: LegId,
        /// Why.
        cause: Cause,
    },
    /// A leg put us on hold (`true`) or took us back (`false`).
    LegHeld {
        /// Which leg.
        leg: LegId,
        /// On hold now.
        held: bool,
    },
    /// A digit was pressed on a leg.
    Digit {
        /// Which leg.
        leg: LegId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
    },
    /// What was playing to a leg came to its end by itself.
    Played {
        /// Which leg.
        leg: LegId,
        /// Which playing; an old number is a late message and means nothing.
        play: u32,
    },
    /// A party of a conversation wants the other one connected to a number. If that can be tried, the plan is
    /// asked at [`TransferNews::Begun`], and its steps follow.
    Transfer {
        /// Who asks.
        leg: LegId,
        /// Whose leg that is, proved: the plan gives what they may dial.
        by: Origin,
        /// What was dialled for it.
        to: PartyNumber,
    },
    /// The room that a leg was to enter has no place left.
    RoomFull {
        /// Which leg.
        leg: LegId,
    },
    /// A leg could not be brought into its room.
    RoomFailed {
        /// Which leg.
        leg: LegId,
    },
    /// The program that a leg was given to is done with it, or gone.
    Streamed {
        /// Which leg.
        leg: LegId,
        /// How the step ends: `Done`, `Said`, `Failed` or `Stalled`.
        outcome: StepOutcome,
    },
    /// The service that was asked has answered, or will not.
    Answered {
        /// Which question; an answer to an older one means nothing.
        question: u32,
        /// What it answered.
        answer: Result<Answer, Unanswered>,
    },
    /// Somebody with the right to it mutes the caller in a room, or lets them speak.
    Mute {
        /// They only listen from now on.
        muted: bool,
    },
    /// A leg is in a slot of its lot.
    Parked {
        /// Which leg.
        leg: LegId,
        /// The number of the slot.
        slot: Extension,
    },
    /// No slot of the lot is free.
    LotFull {
        /// Which leg.
        leg: LegId,
    },
    /// A box has room for a message of a leg.
    MailboxOpen {
        /// Which leg.
        leg: LegId,
    },
    /// A box has no room.
    MailboxFull {
        /// Which leg.
        leg: LegId,
    },
    /// Whom a leg was to take is not there, or not for it to take.
    NotTaken {
        /// Which leg.
        leg: LegId,
    },
    /// A leg that was to [take](Output::Take) somebody goes to their call, answered, and is that one's. The call ends.
    Leaves {
        /// Which leg.
        leg: LegId,
    },
    /// Somebody from another call takes the caller, who is [parked](super::Call::parked_in) or for whom somebody else
    /// [rings](super::Call::rings).
    Taken {
        /// Who takes them.
        new: Newcomer,
    },
    /// The carrier has a leg's party back, or not.
    HandedBack {
        /// Which leg.
        leg: LegId,
        /// Why not; `None` when it is done.
        failed: Option<Cause>,
    },
    /// The party that a leg [talks to](super::Call::partner) goes to another call, and is that one's from now on.
    /// Who is left is let go, and the call ends.
    GivenAway {
        /// Who is left.
        by: LegId,
    },
    /// Somebody takes the place of a leg that [talks](super::Call::partner), and that one is let go.
    Replaced {
        /// Whose place.
        leg: LegId,
        /// Who takes it.
        new: Newcomer,
    },
    /// The floor says something.
    Floor(FloorSays),
    /// Somebody with the right to it ends the call.
    Hangup {
        /// Why.
        cause: Cause,
    },
    /// A deadline may have passed.
    Tick,
}

/// What a call wants done. Every leg that was ever named ends by `EndLeg`, `LegFailed`, `LegRedirected` or `LegEnded`,
/// exactly one of them, unless it was given away; or a restart took it, of which nothing more is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Tell the caller's side that it rings.
    RingCaller,
    /// Open an audio path to the caller before an answer.
    EarlyMedia,
    /// Answer the caller.
    Answer,
    /// Call somebody on a new leg.
    InviteLeg {
        /// The new leg.
        leg: LegId,
        /// Whom.
        target: Target,
        /// The number to show.
        caller_id: PartyNumber,
        /// Which numbers of the same trunk were called before and led here, the first one first, and why.
        diverted: Vec<(PartyNumber, Cause)>,
        /// The agent whose device rings for an offer: the floor knows of it, so it occupies nobody.
        offered: Option<AgentName>,
    },
    /// Ask the carrier of a leg to connect its party to a number itself. [`Input::HandedBack`] says how that went.
    HandBack {
        /// Which leg.
        leg: LegId,
        /// Whom to.
        number: PartyNumber,
    },
    /// End a leg whatever it is doing: refuse it, cancel it or hang it up. No word comes back.
    EndLeg {
        /// Which leg.
        leg: LegId,
        /// What its side is told.
        cause: Cause,
    },
    /// Play to a leg, instead of whatever it hears now.
    Play {
        /// To whom.
        leg: LegId,
        /// Number of this playing; comes back in `Played`.
        play: u32,
        /// What.
        audio: Audio,
        /// Over and over, never `Played`.
        repeat: bool,
    },
    /// Play the ordinary ring-back tone to a leg, over and over.
    RingBack {
        /// To whom.
        leg: LegId,
    },
    /// Stop whatever is playing to a leg.
    StopPlay {
        /// To whom.
        leg: LegId,
    },
    /// The two legs hear each other from now on.
    Join {
        /// One.
        left: LegId,
        /// The other.
        right: LegId,
    },
    /// A leg is taken out of a join; both hear nothing.
    Part {
        /// Which leg.
        leg: LegId,
    },
    /// A leg hears itself.
    Echo {
        /// Which leg.
        leg: LegId,
    },
    /// A leg hears everybody else in a room and, when it has a voice, is heard by them. Said again when that changes.
    /// It leaves when it ends, or hears something else.
    EnterRoom {
        /// Which leg.
        leg: LegId,
        /// Which room.
        room: RoomName,
        /// Whether the others hear it.
        voice: bool,
    },
    /// Find a slot for a leg: answered by [`Input::Parked`] or [`Input::LotFull`]. It is free once `Call::parked_in` is not it.
    Park {
        /// Which leg.
        leg: LegId,
        /// In which lot.
        lot: LotName,
        /// Its slots, the first and the last.
        slots: (u32, u32),
        /// The slot that it was in before a restart.
        had: Option<Extension>,
        /// Who parks it: the slot that they had last is theirs again, if it is free.
        by: Option<Extension>,
    },
    /// Find out whether a box takes a message of a leg. [`Input::MailboxOpen`] or [`Input::MailboxFull`] is the answer.
    AskMailbox {
        /// Which leg.
        leg: LegId,
        /// Which box.
        mailbox: MailboxName,
        /// Messages that it holds at most.
        most: u32,
    },
    /// What a leg says from now on is a message, until `StopRecord`.
    TakeMessage {
        /// The new message.
        message: RecordingId,
        /// Which leg.
        leg: LegId,
        /// For which box.
        mailbox: MailboxName,
    },
    /// A leg takes somebody of another call. [`Input::NotTaken`] or [`Input::Leaves`] is the answer.
    Take {
        /// Which leg.
        leg: LegId,
        /// Whom.
        whom: Whom,
    },
    /// A leg hears the conversations of an agent from now on, and is heard as its role says. Said again when that changes.
    Supervise {
        /// Which leg.
        leg: LegId,
        /// Whose conversations.
        agent: AgentName,
        /// Who hears it.
        role: Supervision,
    },
    /// From now on a program hears the call.
    Fork {
        /// Which.
        program: AudioStreamName,
        /// Whom it hears.
        sides: Sides,
    },
    /// A key for the program that [has](super::Call::program) the caller.
    ProgramKey {
        /// Which key.
        key: char,
    },
    /// Ask a service; [`Input::Answered`] tells what it answers.
    Ask {
        /// Number of the question.
        question: u32,
        /// What is asked.
        ask: Box<Ask>,
    },
    /// Record a conversation: one party left, the other right.
    Record {
        /// The new recording; also in the CDR.
        recording: RecordingId,
        /// Left channel: the caller.
        left: LegId,
        /// Right channel: the agent or called party.
        right: LegId,
    },
    /// Silence in a recording from now on, or audio again.
    PauseRecord {
        /// Which.
        recording: RecordingId,
        /// Silence.
        paused: bool,
    },
    /// Close a recording.
    StopRecord {
        /// Which.
        recording: RecordingId,
    },
    /// The step ended; the dialplan gives the next.
    StepEnded(StepOutcome),
    /// How a transfer goes.
    Transfer {
        /// Who asked for it; perhaps gone.
        by: LegId,
        /// What there is to say.
        news: TransferNews,
    },
    /// How a call goes that a phone leads elsewhere.
    Redirect(RedirectNews),
    /// A message for the floor.
    Floor(ToFloor),
    /// Something worth a line in the live trace (`tandem follow`): short, no personal data.
    Trace(&'static str, Arc<str>),
    /// The call is over. Nothing comes after it. All legs and recordings were ended before.
    Ended(Box<Cdr>),
}

/// How a transfer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferNews {
    /// It begins: from now on the steps are those of the plan for `to`, with the rights of whoever asked, and
    /// `StepEnded` is for it. The plan of before waits.
    Begun {
        /// With whose rights.
        origin: Origin,
        /// What was dialled.
        to: PartyNumber,
    },
    /// The wanted party rings.
    Rings,
    /// The party was taken: the new plan has the call for good. Final.
    Taken,
    /// It failed: the plan of before has the call again. Final.
    Failed(Cause),
    /// It could not begin; one that is under way is not touched. Final.
    Refused,
}

/// How a call goes that a phone leads elsewhere. One may follow within another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedirectNews {
    /// From now on the steps are those of the plan for `to`, with the rights of `by`, and `StepEnded` is for it. The
    /// plan of before waits.
    Begun {
        /// Whose device redirects.
        by: Extension,
        /// Whom it names.
        to: PartyNumber,
        /// Why, as in [`Input::LegRedirected`].
        why: Cause,
    },
    /// Somebody has the call: the plan that was asked last has it for good, and all that waited are over. Final for all.
    Taken,
    /// Nobody took it: the plan of before has the call again. Final for the last one.
    Failed,
}

/// What is known of a call when it arrives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// Its identifier.
    pub call: CallId,
    /// Where it came from.
    pub origin: Origin,
    /// Who calls.
    pub from: PartyNumber,
    /// What was dialled.
    pub to: PartyNumber,
    /// Generation of the plan it runs on.
    pub generation: u64,
}

/// What is the same for all calls of one generation of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSettings {
    /// Heard by a party whom the other one put on hold, over and over; silence when `None`.
    pub hold_music: Option<PromptName>,
    /// Language of music, where the step names none.
    pub language: Language,
    /// Heard before a conversation of the call is recorded; nobody is told when `None`.
    pub notice: Option<Notice>,
    /// How long the floor may take to reply, in ms, before its silence counts as a fault of ours.
    pub floor_reply_ms: u64,
}

/// What is heard before a conversation is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The recording.
    pub prompt: PromptName,
    /// The other party hears it, too.
    pub to_both: bool,
}

impl Default for CallSettings {
    fn default() -> Self {
        Self { hold_music: None, language: "en".into(), notice: None, floor_reply_ms: 5_000 }
    }
}
