//! The table of subscriptions: who watches whom through which package, and what is known of those watched.
//!
//! A subscription is at most one NOTIFY ahead of its watcher: while one is out, changes are only noted, and
//! the next document says how things stand then. So a slow watcher costs one document, not a queue.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    config::SubscriptionLimits,
    dialog::Dialog,
    package::{Entity, Package, Published, ResourceState},
    timers::{Alarm, Ms, NEVER},
};
use crate::hashing::Seeded;

/// One subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    /// Whose device asked.
    pub(super) watcher: Arc<str>,
    pub(super) topic: Topic,
    pub(super) dialog: Dialog,
    /// Counts the documents (RFC 4235 section 4.1).
    pub(super) version: u32,
    /// A NOTIFY is out.
    pub(super) is_awaiting: bool,
    /// There is something that the watcher has not been told.
    pub(super) is_stale: bool,
    /// No NOTIFY before then.
    pub(super) quiet_until: Ms,
    pub(super) end_at: Ms,
    /// Why it is over, when only the last NOTIFY is owed.
    pub(super) over: Option<Over>,
    pub(super) alarm: Alarm,
}

/// What is subscribed to.
#[derive(Clone, Debug)]
pub(super) struct Topic {
    pub(super) package: Package,
    /// The Event header's `id`.
    pub(super) id: Option<Box<str>>,
    /// Who is watched.
    pub(super) resource: Arc<str>,
    /// The host by which the watcher knows them.
    pub(super) host: Box<str>,
}

impl Topic {
    pub(super) fn entity(&self) -> Entity<'_> {
        Entity { user: &self.resource, host: &self.host }
    }
}

/// Why a subscription is over (RFC 6665 section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// It was not refreshed, or was not to be, or was taken back.
    Timeout,
    /// The watcher may not watch any more.
    Rejected,
    /// There is nobody to watch any more.
    NoResource,
}

impl Over {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Rejected => "rejected",
            Self::NoResource => "noresource",
        }
    }
}

/// What a subscription has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    Nothing,
    /// Say how things stand.
    Notify,
    /// Say so for the last time, and why.
    Finish(Over),
}

impl Subscription {
    /// What is to be done at an instant.
    pub(super) fn duty(&self, now: Ms) -> Duty {
        let over = self.over.or((self.end_at <= now).then_some(Over::Timeout));
        match over {
            _ if self.is_awaiting => Duty::Nothing,
            Some(over) => Duty::Finish(over),
            None if self.is_stale && self.quiet_until <= now => Duty::Notify,
            None => Duty::Nothing,
        }
    }

    /// When there is something to do without anybody asking.
    pub(super) fn due(&self) -> Ms {
        match (self.is_awaiting, self.is_stale) {
            // The transaction has an end of its own, and says so.
            (true, _) => NEVER,
            (false, true) => self.quiet_until.min(self.end_at),
            (false, false) => self.end_at,
        }
    }
}

/// Why a subscription is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// This watcher has as many as they may have.
    Watcher,
    /// There are as many as there may be, in all or of this user.
    Table,
}

/// All subscriptions, by our tag, and what is known of those who can be watched.
#[derive(Debug)]
pub(super) struct Subscriptions {
    limits: SubscriptionLimits,
    rows: HashMap<u64, Box<Subscription>, Seeded>,
    resources: HashMap<Arc<str>, Resource, Seeded>,
    per_watcher: HashMap<Arc<str>, usize, Seeded>,
    /// Names that are nobody's, and can be watched.
    places: BTreeSet<Arc<str>>,
}

#[derive(Debug, Default)]
struct Resource {
    published: Published,
    /// Tags of the subscriptions to it.
    watched_by: Vec<u64>,
}

impl Subscriptions {
    pub(super) fn new(limits: SubscriptionLimits, hasher: Seeded) -> Self {
        Self {
            limits,
            rows: HashMap::with_hasher(hasher),
            resources: HashMap::with_hasher(hasher),
            per_watcher: HashMap::with_hasher(hasher),
            places: BTreeSet::new(),
        }
    }

    pub(super) fn set_places(&mut self, places: BTreeSet<Arc<str>>) {
        self.places = places;
    }

    /// A name that is nobody's, and can be watched.
    pub(super) fn place(&self, name: &str) -> Option<Arc<str>> {
        self.places.get(name).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, tag: u64) -> Option<&Subscription> {
        self.rows.get(&tag).map(|row| &**row)
    }

    pub(super) fn get_mut(&mut self, tag: u64) -> Option<&mut Subscription> {
        self.rows.get_mut(&tag).map(|row| &mut **row)
    }

    /// Whether one more would be taken.
    pub(super) fn has_room(&self, watcher: &str, resource: &str) -> Result<(), Full> {
        let of_watcher = self.per_watcher.get(watcher).copied().unwrap_or(0);
        let of_resource = self.resources.get(resource).map_or(0, |resource| resource.watched_by.len());
        if self.rows.len() >= self.limits.most || of_resource >= self.limits.most_per_resource {
            return Err(Full::Table);
        }
        if of_watcher >= self.limits.most_per_watcher { Err(Full::Watcher) } else { Ok(()) }
    }

    pub(super) fn insert(&mut self, tag: u64, subscription: Subscription) {
        *self.per_watcher.entry(subscription.watcher.clone()).or_insert(0) += 1;
        self.resources.entry(subscription.topic.resource.clone()).or_default().watched_by.push(tag);
        self.rows.insert(tag, Box::new(subscription));
    }

    pub(super) fn remove(&mut self, tag: u64) -> Option<Subscription> {
        let gone = self.rows.remove(&tag)?;
        if let Some(count) = self.per_watcher.get_mut(&gone.watcher) {
            *count -= 1;
            if *count == 0 {
                self.per_watcher.remove(&gone.watcher);
            }
        }
        if let Some(resource) = self.resources.get_mut(&gone.topic.resource) {
            resource.watched_by.retain(|other| *other != tag);
            if resource.watched_by.is_empty() && resource.published == Published::default() {
                self.resources.remove(&gone.topic.resource);
            }
        }
        Some(*gone)
    }

    /// Takes new state of a user; the subscriptions that it is news for.
    pub(super) fn publish(&mut self, user: Arc<str>, state: ResourceState) -> Vec<u64> {
        let Self { rows, resources, .. } = self;
        let resource = resources.entry(user).or_default();
        let Some(package) = resource.published.take(state) else { return Vec::new() };
        let mut concerned = Vec::new();
        for tag in &resource.watched_by {
            if let Some(row) = rows.get_mut(tag).filter(|row| row.topic.package == package) {
                row.is_stale = true;
                concerned.push(*tag);
            }
        }
        concerned
    }

    /// Forgets users who are gone; the subscriptions that are over with them.
    pub(super) fn forget_users(&mut self, is_known: impl Fn(&str) -> bool) -> Vec<u64> {
        let places = &self.places;
        let is_watched = |name: &str| is_known(name) || places.contains(name);
        self.resources.retain(|user, resource| is_watched(user) || !resource.watched_by.is_empty());
        let mut ended = Vec::new();
        for (tag, row) in &mut self.rows {
            let over = if !is_known(&row.watcher) { Over::Rejected } else { Over::NoResource };
            if over == Over::Rejected || !is_watched(&row.topic.resource) {
                row.over = Some(over);
                ended.push(*tag);
            }
        }
        for (user, resource) in &mut self.resources {
            if !is_watched(user) {
                resource.published = Published::default();
            }
        }
        ended.sort_unstable();
        ended
    }

    /// The document that a subscription is owed now.
    pub(super) fn document(&self, topic: &Topic, watcher: &str, version: u32) -> String {
        // With whom somebody talks is for them alone to see.
        let whole = *watcher == *topic.resource;
        match self.resources.get(&topic.resource) {
            Some(resource) => resource.published.document(topic.package, topic.entity(), version, whole),
            None => Published::default().document(topic.package, topic.entity(), version, whole),
        }
    }
}
