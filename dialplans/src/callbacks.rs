//! Who may be called back, and what is promised to whom: by a waiting caller's key, or asked for through the API.
//!
//! Whoever calls chooses the number they show. So a promise is made only for a number that the trunk would call anyway
//! (`allow`, `deny`, `international`), that is no emergency service, and long enough to be a customer's.

use std::fmt;

use tandem_switch::{
    callback::{Callback, CallbackAsked, Tries},
    cdr::Origin,
    ladder::Ladder,
    name::{PartyNumber, QueueName, SkillLevel, TrunkName},
    step::{QueueStep, Target},
    time::Timestamp,
};

use crate::{
    plan::{Plan, parse_number},
    trunk_rules::Refusal,
};

/// Says that one may be called back.
pub(crate) const OFFER_PROMPT: &str = "callback-offer";
/// Says that one will be.
pub(crate) const KEPT_PROMPT: &str = "callback-kept";
/// How customers are called when the plan does not say it.
pub(crate) const TRIES: Tries = Tries { left: 3, apart_ms: 300_000, ring_ms: 30_000 };
/// Shorter numbers are services and internal numbers of others, not customers.
const MIN_DIGITS: usize = 6;
/// As `priority=` of the step `queue`.
const MAX_PRIORITY_MINUTES: u32 = 1_440;
/// Skills of one wish, at most.
const MAX_SKILLS: usize = 16;

/// A callback that somebody asks for without calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackWish {
    /// Where the customer waits.
    pub queue: String,
    /// Whom to call.
    pub whom: CallbackWhom,
    /// What they see as the caller, as far as the trunk shows it.
    pub shown: String,
    /// What an agent must be able to do.
    pub skills: Vec<SkillLevel>,
    /// Minutes of virtual waiting ahead.
    pub priority_minutes: u32,
}

/// Whom to call back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackWhom {
    /// Somebody outside.
    Number {
        /// Their number.
        number: String,
        /// The trunk; that of the queue's `callback` when absent.
        via: Option<String>,
    },
    /// Somebody inside.
    Extension(String),
}

/// Why a wish cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadWish {
    /// The plan has no such queue.
    Queue,
    /// Nobody is called there: what is wrong, and what to do.
    Number(&'static str, &'static str),
    /// The trunk does not call there.
    Refused(Refusal),
    /// No such trunk, or none was named and the queue names none either.
    Trunk,
    /// No such extension.
    Extension,
    /// The number to be shown is none.
    Shown,
    /// The plan has no such skill, or its level is not one of 1 to 10, or there are too many.
    Skills,
    /// More than a day ahead.
    Priority,
}

impl BadWish {
    /// The field that is wrong.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Number(..) | Self::Refused(_) => "number",
            Self::Trunk => "via",
            Self::Extension => "extension",
            Self::Shown => "shown",
            Self::Skills => "skills",
            Self::Priority => "priority_minutes",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn todo(&self) -> &'static str {
        match self {
            Self::Queue => "see `tandem queue list` for those that there are",
            Self::Number(_, todo) => todo,
            Self::Refused(_) => "see `international`, `allow` and `deny` of the trunk in the plan",
            Self::Trunk => "name a trunk with a `peer`, or give the queue's `callback` a `via`",
            Self::Extension => "give one of the plan's `extensions`",
            Self::Shown => "give the number of yours that the customer is to see",
            Self::Skills => "give at most 16 skills of the plan, with levels from 1 to 10",
            Self::Priority => "give 0 to 1440",
        }
    }
}

impl fmt::Display for BadWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue => f.write_str("the plan has no such queue"),
            Self::Number(what, _) => f.write_str(what),
            Self::Refused(why) => write!(f, "the trunk does not call this number ({why})"),
            Self::Trunk => f.write_str("there is no trunk to call by"),
            Self::Extension => f.write_str("this is no extension"),
            Self::Shown => f.write_str("this is no telephone number"),
            Self::Skills => f.write_str("the skills do not fit the plan"),
            Self::Priority => f.write_str("the priority is too high"),
        }
    }
}

impl Plan {
    /// The number of a customer who can be called back by a trunk; `shown` is what they would see.
    ///
    /// # Errors
    /// It is none that may be called.
    pub fn customer_number(&self, trunk: &TrunkName, text: &str, shown: &PartyNumber) -> Result<PartyNumber, BadWish> {
        let full = "give the full number of a customer, as in +390212345678";
        let number = parse_number(text).ok_or(BadWish::Number("this is no telephone number", full))?;
        let digits = number.as_str().trim_start_matches('+');
        if digits.len() < MIN_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadWish::Number("this number is too short or holds a service code", full));
        }
        if self.is_emergency(&number) {
            return Err(BadWish::Number("this is the number of an emergency service", full));
        }
        match self.ways(trunk, &number, shown, || 0) {
            (ways, _) if !ways.is_empty() => Ok(number),
            (_, Some(refusal)) => Err(BadWish::Refused(refusal)),
            _ => Err(BadWish::Trunk),
        }
    }

    /// What is promised to somebody for whom a callback is asked.
    ///
    /// # Errors
    /// Something in the wish is not of this plan.
    pub fn callback_for(&self, wish: &CallbackWish, now: Timestamp) -> Result<CallbackAsked, BadWish> {
        let name = QueueName::from(wish.queue.as_str());
        let queue = self.queues.get(&name).ok_or(BadWish::Queue)?;
        let offer = queue.callback.as_ref();
        let shown = parse_number(&wish.shown).ok_or(BadWish::Shown)?;
        let known = |skill: &SkillLevel| self.skills.contains(&skill.skill) && (1..=10).contains(&skill.level);
        if wish.skills.len() > MAX_SKILLS || !wish.skills.iter().all(known) {
            return Err(BadWish::Skills);
        }
        if wish.priority_minutes > MAX_PRIORITY_MINUTES {
            return Err(BadWish::Priority);
        }
        let (origin, caller, target) = match &wish.whom {
            CallbackWhom::Number { number, via } => {
                let via = via.as_deref().map(TrunkName::from).or_else(|| offer.and_then(|offer| offer.via.clone()));
                let trunk = via.filter(|trunk| self.can_call_by(trunk)).ok_or(BadWish::Trunk)?;
                let number = self.customer_number(&trunk, number, &shown)?;
                (Origin::Trunk(trunk.clone()), number.clone(), Target::Trunk { trunk, number })
            }
            CallbackWhom::Extension(text) => {
                let extension = self.extension(text).ok_or(BadWish::Extension)?;
                (Origin::Extension(extension.clone()), extension.as_str().into(), Target::Extension(extension))
            }
        };
        let step = QueueStep {
            queue: name.clone(),
            skills: wish.skills.clone(),
            priority_minutes: wish.priority_minutes,
            max_wait_ms: queue.max_wait_ms,
            music: queue.music.clone(),
            language: self.language.clone(),
            announce_every_ms: queue.announce_every_ms,
            comfort: queue.comfort.clone(),
            record: queue.record,
            wait_without_agents: queue.wait_without_agents,
            ladder: Ladder::default(),
            callback: None,
        };
        let tries = offer.map_or(TRIES, |offer| offer.tries);
        let callback = Callback { target, tries, not_before: now, origin, dialled: shown, arrived_at: now, step, customer: None };
        Ok(CallbackAsked { caller, callback: Box::new(callback) })
    }

    /// A trunk, or one of a group, that calls can go out by.
    fn can_call_by(&self, name: &TrunkName) -> bool {
        let has_peer = |trunk: &TrunkName| self.trunks.get(trunk).is_some_and(|trunk| trunk.peer.is_some());
        let group = self.trunk_groups.get(name);
        group.map_or_else(|| has_peer(name), |group| group.members.iter().any(|member| has_peer(&member.trunk)))
    }
}
