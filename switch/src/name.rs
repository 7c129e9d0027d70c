//! Names that admins choose, each its own type so that a queue is never taken for an agent.

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

name! {
    /// A waiting line.
    QueueName
}
name! {
    /// An ability that an item may require of an agent.
    SkillName
}
name! {
    /// An agent, named by the extension of their device (`1001`).
    AgentName
}
name! {
    /// A device of an agent (`desk`).
    DeviceName
}
name! {
    /// An internal number that a device registers as (`1001`).
    Extension
}
name! {
    /// A carrier link.
    TrunkName
}
name! {
    /// A conference.
    RoomName
}
name! {
    /// A program that hears calls.
    AudioStreamName
}
name! {
    /// A service that a dialplan asks what to do.
    ServiceName
}
name! {
    /// A rule over channels.
    RuleName
}
name! {
    /// A parking lot for callers.
    LotName
}
name! {
    /// A box for voice messages; that of an extension has its number.
    MailboxName
}
name! {
    /// One entry of the dialplan.
    RouteName
}
name! {
    /// Opening hours.
    ScheduleName
}
name! {
    /// A recorded prompt, without language and file ending (`welcome`, `digits/3`).
    PromptName
}
name! {
    /// A language tag as prompts are filed under (`en`, `it`).
    Language
}

/// An ability and how much of it: 1 (some) to 10 (the best).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SkillLevel {
    /// Which ability.
    pub skill: SkillName,
    /// 1 to 10; 0 means not at all.
    pub level: u8,
}

/// A number or user part that a call came from or goes to, as the other side wrote it.
///
/// Personal data: `Debug` prints only its last two characters, so that logs stay free of it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartyNumber(Arc<str>);

impl PartyNumber {
    /// The number itself: for routing, storage and screens, never for logs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for PartyNumber {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for PartyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tail = self.0.char_indices().rev().nth(1).map_or(0, |(i, _)| i);
        write!(f, "…{}", if self.0.len() > 2 { &self.0[tail..] } else { "" })
    }
}
