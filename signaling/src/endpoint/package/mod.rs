//! Event packages (RFC 6665 section 5.4): what can be subscribed to, as typed state, and how it is written.
//!
//! Here is only what a document says. Who gets it, when and how often is in `subscription` and `notifier`.

mod dialog_info;
mod message_summary;
mod presence;
mod xml;

use std::fmt;

pub use dialog_info::{DialogDirection, DialogStage, RemoteParty, WatchedDialog};
pub use message_summary::MessageSummary;
pub use presence::{Availability, Presence};

use super::text::EscapedUser;

/// The packages that we serve, as `Allow-Events` lists them.
pub(super) const ALLOW_EVENTS: &str = "dialog, message-summary, presence";

/// One package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Package {
    /// RFC 4235: what the devices of somebody are doing.
    Dialog,
    /// RFC 3842: whether messages wait.
    MessageSummary,
    /// RFC 3856: whether somebody can be had.
    Presence,
}

impl Package {
    /// Reads the name in an Event header. A template (`presence.winfo`) is another package, and none of ours.
    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Dialog, Self::MessageSummary, Self::Presence].into_iter().find(|package| package.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Dialog => "dialog",
            Self::MessageSummary => "message-summary",
            Self::Presence => "presence",
        }
    }

    /// The media type of its documents.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Dialog => "application/dialog-info+xml",
            Self::MessageSummary => "application/simple-message-summary",
            Self::Presence => "application/pidf+xml",
        }
    }
}

/// What one of our users is doing, seen through one package: all of it, not what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceState {
    /// The dialogs of all of the user's devices; empty when none is in use.
    Dialogs(Vec<WatchedDialog>),
    /// Messages that wait for the user.
    Messages(MessageSummary),
    /// Whether the user can be had.
    Presence(Presence),
}

/// The state of one user in all packages; before anything is said: no dialog, no message, off duty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Published {
    dialogs: Vec<WatchedDialog>,
    messages: MessageSummary,
    presence: Presence,
}

impl Published {
    /// Takes new state; the package if it is news.
    pub(super) fn take(&mut self, state: ResourceState) -> Option<Package> {
        let (package, news) = match state {
            ResourceState::Dialogs(dialogs) => (Package::Dialog, replaced(&mut self.dialogs, dialogs)),
            ResourceState::Messages(messages) => (Package::MessageSummary, replaced(&mut self.messages, messages)),
            ResourceState::Presence(presence) => (Package::Presence, replaced(&mut self.presence, presence)),
        };
        news.then_some(package)
    }

    /// The document of a package. `version` counts the documents of one subscription; `whole`: the reader may
    /// see with whom the user talks.
    pub(super) fn document(&self, package: Package, of: Entity<'_>, version: u32, whole: bool) -> String {
        match package {
            Package::Dialog => dialog_info::document(&self.dialogs, of, version, whole),
            Package::MessageSummary => message_summary::document(self.messages, of),
            Package::Presence => presence::document(&self.presence, of),
        }
    }
}

fn replaced<T: PartialEq>(old: &mut T, new: T) -> bool {
    let news = *old != new;
    *old = new;
    news
}

/// Whom a document is about: the user and the host that the subscriber knows them by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entity<'a> {
    pub(super) user: &'a str,
    pub(super) host: &'a str,
}

impl fmt::Display for Entity<'_> {
    /// `user@host`, for behind a scheme.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", EscapedUser(self.user), self.host)
    }
}
