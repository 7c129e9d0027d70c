//! A checked plan: every name in it exists, every way a step can end has an answer.
//!
//! Immutable; calls hold it in an `Arc` and keep the plan they began with when a newer one is taken.

mod endings;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use jiff::tz::TimeZone;
use tandem_switch::{
    call::{CallSettings, Notice},
    cause::Cause,
    cdr::Origin,
    floor::{AgentProfile, QueueProfile},
    name::{
        AudioStreamName, Extension, Language, LotName, MailboxName, PartyNumber, PromptName, QueueName, RoomName, RouteName,
        ScheduleName, ServiceName, SkillLevel, SkillName, TrunkName,
    },
    rules::Rule,
    step::{AgentRequest, RingStrategy, Sides, Supervision},
};

pub(crate) use self::endings::{Ending, Handlers};
use crate::{
    audio_streams::AudioStream,
    decisions::{AskService, Condition, DecisionService, LanguageChoice, Switch},
    identity::Capture,
    index::RouteIndex,
    inside::{ExtensionRange, Lot, Mailbox, Queue, StarterAgents},
    pattern::{Captures, NumberMatch},
    protect::Protect,
    recordings::Recordings,
    routing::captures,
    run::CallFacts,
    schedule::Schedule,
    settings::{Digest, Listen, Trunk},
    shared_list::SharedList,
    simulate::Test,
    source::Location,
    template::Template,
    trunk_rules::TrunkGroup,
};

/// Music for a party that the other one put on hold: the plan has no word of its own for it.
const HOLD_MUSIC: &str = "music/hold";

/// Everything an admin wrote, resolved. A copy shares the routes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Counts the plans that were taken; set by the server, 0 before.
    pub generation: u64,
    /// The realm in which devices prove their passwords.
    pub realm: String,
    /// How devices may prove their passwords, best first.
    pub digest: Vec<Digest>,
    /// Two letters, as in `IT`.
    pub country: Option<String>,
    /// What callers hear first.
    pub language: Language,
    /// Every language that a caller can come to hear.
    pub languages: BTreeSet<Language>,
    /// Name of the zone in which `say time` speaks.
    pub time_zone: TimeZone,
    /// Folder of the recordings, relative to the folder of the plan.
    pub prompts: String,
    /// An answered party that is not on hold is lost when nothing is heard of it for so long, in ms; never when `None`.
    pub silence_ends_after_ms: Option<u64>,
    /// Name servers to ask instead of the system's.
    pub name_servers: Vec<std::net::SocketAddr>,
    /// Where the switch listens.
    pub listen: Listen,
    /// Where copies of all signalling go.
    pub capture: Option<Capture>,
    /// Overload and abuse.
    pub protect: Protect,
    /// What becomes of recordings.
    pub recordings: Recordings,
    /// Internal numbers.
    pub extensions: Vec<ExtensionRange>,
    /// Extensions that may supervise agents.
    pub supervisors: BTreeSet<Extension>,
    /// Declared abilities.
    pub skills: BTreeSet<SkillName>,
    /// Carrier links by name.
    pub trunks: BTreeMap<TrunkName, Trunk>,
    /// Groups of carrier links by name; no name is both a trunk's and a group's.
    pub trunk_groups: BTreeMap<TrunkName, TrunkGroup>,
    /// Waiting lines by name.
    pub queues: BTreeMap<QueueName, Queue>,
    /// Parking lots by name.
    pub lots: BTreeMap<LotName, Lot>,
    /// Programs that calls may give their audio to, by name.
    pub audio_streams: BTreeMap<AudioStreamName, AudioStream>,
    /// Services that routes ask what to do, by name.
    pub decision_services: BTreeMap<ServiceName, DecisionService>,
    /// Boxes for messages that are declared; those of extensions are there without.
    pub mailboxes: BTreeMap<MailboxName, Mailbox>,
    /// Who may answer whose phone, by name.
    pub pickup_groups: BTreeMap<String, Vec<Extension>>,
    /// Opening hours by name.
    pub schedules: BTreeMap<ScheduleName, Schedule>,
    /// Agents of the first start.
    pub starter_agents: Vec<StarterAgents>,
    /// What is done about what happens on any channel.
    pub rules: Vec<Rule>,
    /// Routes in the order in which they are tried.
    pub routes: SharedList<Route>,
    /// What `tandem test` runs.
    pub tests: Vec<Test>,
    /// Names of what callers type in secret.
    pub(crate) secrets: BTreeSet<String>,
    /// Finds among the routes; made of them once they are all there.
    pub(crate) index: Arc<RouteIndex>,
    /// All blocks of steps; [`BlockId`] counts into it. First those that routes share, then those of each route.
    pub(crate) parts: SharedList<Vec<Block>>,
    /// Paths of the files, in the order in which [`Location::file`] counts them.
    pub(crate) files: Vec<String>,
    /// Where the lines of each of them begin.
    pub(crate) lines: Vec<Arc<[usize]>>,
}

impl Plan {
    /// The trunk that a call from this address belongs to: the one with the narrowest network around it.
    #[must_use]
    pub fn trunk_at(&self, address: IpAddr) -> Option<&Trunk> {
        let fits = self.trunks.values().flat_map(|trunk| trunk.networks.iter().map(move |network| (network, trunk)));
        fits.filter(|(network, _)| network.contains(address)).max_by_key(|(network, _)| network.prefix).map(|(_, trunk)| trunk)
    }

    /// The queues as the floor takes them.
    #[must_use]
    pub fn queue_profiles(&self) -> Vec<QueueProfile> {
        self.queues.values().map(|queue| queue.profile.clone()).collect()
    }

    /// The agents of a first start, as the floor takes them.
    #[must_use]
    pub fn starter_profiles(&self) -> Vec<AgentProfile> {
        self.starter_agents.iter().flat_map(StarterAgents::agents).collect()
    }

    /// The extension that a text names: one of the declared ranges, nothing else.
    #[must_use]
    pub fn extension(&self, text: &str) -> Option<Extension> {
        self.extensions.iter().any(|range| range.contains(text)).then(|| Extension::from(text))
    }

    /// Whether a device of an extension may lead its calls elsewhere.
    #[must_use]
    pub fn may_redirect(&self, extension: &Extension) -> bool {
        self.extensions.iter().any(|range| range.redirects && range.contains(extension.as_str()))
    }

    /// The parking slot that a text names.
    #[must_use]
    pub fn slot(&self, text: &str) -> Option<Extension> {
        self.lots.values().any(|lot| lot.contains(text)).then(|| Extension::from(text))
    }

    /// The box that a text names: a declared one, or that of an extension.
    #[must_use]
    pub fn mailbox(&self, text: &str) -> Option<(MailboxName, Mailbox)> {
        let name = MailboxName::from(text);
        let known = self.mailboxes.get(&name).cloned();
        known.or_else(|| self.extension(text).map(|_| Mailbox::default())).map(|mailbox| (name, mailbox))
    }

    /// Whose phones show what waits in a box.
    pub fn shown_to<'a>(&'a self, mailbox: &'a MailboxName) -> impl Iterator<Item = Extension> + 'a {
        let own = self.extension(mailbox.as_str());
        let declared = self.mailboxes.get(mailbox).into_iter().flat_map(|mailbox| mailbox.extensions.iter().cloned());
        own.into_iter().chain(declared)
    }

    /// The boxes that an extension's phones show.
    #[must_use]
    pub fn mailboxes_of(&self, extension: &Extension) -> BTreeSet<MailboxName> {
        let shown = self.mailboxes.iter().filter(|(_, mailbox)| mailbox.extensions.contains(extension));
        shown.map(|(name, _)| name.clone()).chain([MailboxName::from(extension.as_str())]).collect()
    }

    /// All parking slots.
    pub fn slots(&self) -> impl Iterator<Item = Extension> {
        let numbers = self.lots.values().flat_map(|lot| lot.slots.0..=lot.slots.1);
        numbers.map(|number| Extension::from(number.to_string()))
    }

    /// Whether an extension may answer the phone of another one.
    #[must_use]
    pub fn may_pick_up(&self, by: &Extension, of: &Extension) -> bool {
        self.pickup_groups.values().any(|group| group.contains(by) && group.contains(of))
    }

    /// The route of that name.
    #[must_use]
    pub fn route(&self, name: &RouteName) -> Option<&Route> {
        self.index.named(name.as_str()).and_then(|at| self.routes.get(at)).map(|route| &**route)
    }

    /// The route that takes a call: the first in file order that fits.
    #[must_use]
    pub fn route_for(&self, facts: &CallFacts) -> Option<&Route> {
        self.found(facts).map(|(route, _)| route)
    }

    /// The same, with what its patterns took out of the numbers.
    pub(crate) fn found(&self, facts: &CallFacts) -> Option<(&Route, Captures)> {
        let candidates = self.index.candidates(facts.to.as_str(), facts.from.as_str());
        let mut routes = candidates.into_iter().filter_map(|at| self.routes.get(at as usize));
        routes.find_map(|route| Some((&**route, captures(self, route, facts)?)))
    }

    /// `file:line` of a place in the plan, when the place has a text.
    #[must_use]
    pub fn file_of(&self, at: Location) -> Option<&str> {
        self.files.get(usize::from(at.file)).map(String::as_str)
    }

    /// File and line of a place; no file and line 0 when it has no text.
    pub(crate) fn place(&self, at: Location) -> (&str, u32) {
        let index = usize::from(at.file);
        let (Some(file), Some(lines)) = (self.files.get(index), self.lines.get(index)) else { return ("", 0) };
        let line = lines.partition_point(|begin| *begin <= at.offset as usize);
        (file, u32::try_from(line).unwrap_or(u32::MAX))
    }

    /// What calls on this plan are set up with.
    #[must_use]
    pub fn call_settings(&self) -> CallSettings {
        let notice = self.recordings.notice.as_ref();
        let notice = notice.map(|notice| Notice { prompt: notice.prompt.clone(), to_both: notice.to_both });
        CallSettings { hold_music: Some(HOLD_MUSIC.into()), language: self.language.clone(), notice, ..CallSettings::default() }
    }

    /// Whether some `collect` gathers a secret by that name: then it is one everywhere.
    pub(crate) fn is_secret(&self, variable: &str) -> bool {
        self.secrets.contains(variable)
    }

    /// The route that begins with a block.
    pub(crate) fn route_of(&self, block: BlockId) -> Option<&Route> {
        let route = self.routes.get((block.part as usize).checked_sub(1)?)?;
        (route.block == block).then_some(&**route)
    }

    pub(crate) fn block(&self, id: BlockId) -> &Block {
        &self.parts[id.part as usize][id.at as usize]
    }

    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.parts.iter().flat_map(|part| &**part)
    }
}

/// One entry of the dialplan.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: RouteName,
    /// Who may use it; nobody when empty: it is reached by `goto` only.
    pub origins: Vec<OriginGuard>,
    /// What must have been dialled; anything when empty.
    pub to: Vec<NumberMatch>,
    /// Who must call; anybody when empty.
    pub caller: Vec<NumberMatch>,
    /// Where it stands.
    pub at: Location,
    /// Line of that place, from 1.
    pub line: u32,
    pub(crate) block: BlockId,
}

impl Route {
    /// Names of what its patterns take out of numbers.
    pub(crate) fn captured(&self) -> BTreeSet<&str> {
        self.to.iter().chain(&self.caller).flat_map(NumberMatch::names).collect()
    }
}

/// Who may use a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginGuard {
    /// Everybody.
    Any,
    /// Devices that proved their password.
    Extension,
    /// Calls of a trunk.
    Trunk(TrunkName),
}

impl OriginGuard {
    /// Whether a call from there may use it.
    #[must_use]
    pub fn admits(&self, origin: &Origin) -> bool {
        match (self, origin) {
            (Self::Any, _) | (Self::Extension, Origin::Extension(_)) => true,
            (Self::Trunk(mine), Origin::Trunk(trunk)) => mine == trunk,
            _ => false,
        }
    }
}

/// Counts into [`Plan::parts`]. That of the nth route is part n + 1, so what one route holds moves no other's blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockId {
    pub(crate) part: u32,
    pub(crate) at: u32,
}

/// Steps one after another.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) steps: Vec<Placed>,
}

/// A step and where it stands.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) action: Action,
    pub(crate) at: Location,
}

/// What one step of the text does.
#[derive(Debug)]
pub(crate) enum Action {
    Ring,
    Answer,
    Play { prompts: Vec<PromptName>, interrupt: bool },
    Say { what: Say, interrupt: bool },
    Menu(Menu),
    Collect(CollectDigits),
    Queue(JoinQueue),
    Dial(DialOut),
    HandBack { number: Template, handlers: Handlers },
    Conference { room: Template, muted: bool, handlers: Handlers },
    Supervise { agent: Template, role: Supervision, handlers: Handlers },
    Park { lot: LotName, handlers: Handlers },
    Voicemail { mailbox: Template, handlers: Handlers },
    Retrieve { slot: Template, handlers: Handlers },
    PickUp { whom: PickUp, handlers: Handlers },
    Set { variable: String, to: Template },
    SetLanguage(LanguageChoice),
    If { value: Template, condition: Condition, holds: bool, block: BlockId },
    Switch(Switch),
    Ask(AskService),
    Echo,
    Fork { program: AudioStreamName, sides: Sides },
    Stream { program: AudioStreamName, choices: Vec<(String, BlockId)>, handlers: Handlers },
    Agent { request: AgentRequest, handlers: Handlers },
    WhenOpen { schedule: ScheduleName, open: bool, block: BlockId },
    Goto(usize),
    Hangup(Cause),
}

/// Whose ringing phone is answered.
#[derive(Debug)]
pub(crate) enum PickUp {
    Extension(Template),
    Group(String),
    /// Any of a group that the caller is in.
    Groups,
}

#[derive(Debug)]
pub(crate) enum Say {
    Number(Template),
    Digits(Template),
    Time,
}

#[derive(Debug)]
pub(crate) struct Menu {
    pub(crate) prompts: Vec<PromptName>,
    /// Said before asking again, when there is such a recording.
    pub(crate) invalid_prompt: Option<PromptName>,
    pub(crate) no_input_prompt: Option<PromptName>,
    pub(crate) choices: Vec<(String, BlockId)>,
    pub(crate) max_digits: u8,
    pub(crate) timeout_ms: u64,
    pub(crate) between_ms: u64,
    pub(crate) tries: u32,
    pub(crate) handlers: Handlers,
}

#[derive(Debug)]
pub(crate) struct CollectDigits {
    pub(crate) prompts: Vec<PromptName>,
    pub(crate) invalid_prompt: Option<PromptName>,
    pub(crate) no_input_prompt: Option<PromptName>,
    pub(crate) variable: String,
    /// Nobody may see it, and it outlives nothing.
    pub(crate) secret: bool,
    pub(crate) shape: DigitShape,
    pub(crate) min: usize,
    pub(crate) max: u8,
    pub(crate) end: Option<char>,
    pub(crate) timeout_ms: u64,
    pub(crate) between_ms: u64,
    pub(crate) tries: u32,
    pub(crate) handlers: Handlers,
}

/// What collected digits must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DigitShape {
    Digits,
    Extension,
    Number,
}

#[derive(Debug)]
pub(crate) struct JoinQueue {
    pub(crate) queue: QueueName,
    pub(crate) skills: Vec<SkillLevel>,
    pub(crate) priority_minutes: u32,
    pub(crate) max_wait_ms: Option<u64>,
    pub(crate) record: Option<bool>,
    pub(crate) handlers: Handlers,
}

#[derive(Debug)]
pub(crate) struct DialOut {
    pub(crate) targets: Vec<DialTarget>,
    pub(crate) strategy: RingStrategy,
    pub(crate) ring_ms: u64,
    pub(crate) record: bool,
    pub(crate) music: Option<PromptName>,
    pub(crate) caller_id: Option<Template>,
    pub(crate) handlers: Handlers,
}

#[derive(Debug)]
pub(crate) enum DialTarget {
    Extension(Template),
    Trunk { trunk: TrunkName, number: Template },
}

/// What a plan may say when it hangs up.
pub(crate) const HANGUP_WORDS: &[&str] =
    &["normal", "busy", "no-answer", "rejected", "not-found", "forbidden", "unavailable", "congestion"];

/// The cause behind a word of [`HANGUP_WORDS`].
pub(crate) fn hangup_cause(word: &str) -> Option<Cause> {
    let causes = [
        Cause::Normal,
        Cause::Busy,
        Cause::NoAnswer,
        Cause::Rejected,
        Cause::NotFound,
        Cause::Forbidden,
        Cause::Unavailable,
        Cause::Congestion,
    ];
    causes.into_iter().find(|cause| cause.as_str() == word)
}

/// A telephone number as it may be sent to a trunk: an optional `+`, then 1 to 32 digits, `*` or `#`.
/// Blanks, dots, dashes, slashes and brackets are left out; anything else makes it no number.
#[must_use]
pub fn parse_number(text: &str) -> Option<PartyNumber> {
    if text.len() > 64 {
        return None;
    }
    let bare: String = text.chars().filter(|c| !matches!(c, ' ' | '.' | '-' | '/' | '(' | ')')).collect();
    let digits = bare.strip_prefix('+').unwrap_or(&bare);
    let fits = (1..=32).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
    fits.then(|| PartyNumber::from(&*bare))
}

/// The name of a mailbox: 1 to 32 letters, digits and dashes, as it is written.
pub(crate) fn is_mailbox(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The name of a conference: 1 to 32 letters, digits and dashes; case does not matter.
pub(crate) fn parse_room(text: &str) -> Option<RoomName> {
    let fits = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    fits.then(|| RoomName::from(text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_number_and_nothing_that_could_be_an_address() {
        assert_eq!(parse_number("+39 02 1234-5678").unwrap().as_str(), "+390212345678");
        assert_eq!(parse_number("*11").unwrap().as_str(), "*11");
        for bad in ["", "+", "alice", "1000@evil.example", "1&2", "12;x=y", "1\r\nX: y", "++1", "1+2"] {
            assert!(parse_number(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn every_hangup_word_has_a_cause() {
        assert!(HANGUP_WORDS.iter().all(|word| hangup_cause(word).is_some()));
    }
}
