//! How many callbacks a number is promised in a day. A caller can show the number of somebody else: without a bound, that
//! somebody would be called again and again.

use std::collections::BTreeMap;

use super::{
    Floor,
    contract::FloorEvent,
    items::{Behind, Item},
};
use crate::{
    callback::CallbackAsked,
    id::{CallId, CustomerId, ItemId},
    name::{PartyNumber, QueueName},
    time::Timestamp,
};

const DAY_MS: i64 = 86_400_000;
/// Numbers that are remembered in a day. Beyond them nobody new is promised anything.
const MAX_NUMBERS: usize = 100_000;

/// What was promised on one day (UTC).
#[derive(Debug, Default)]
pub(super) struct Promises {
    day: i64,
    by_number: BTreeMap<String, u32>,
    /// The item by which a customer is called back, whichever day.
    pub(super) by_customer: BTreeMap<CustomerId, ItemId>,
}

impl Promises {
    fn roll(&mut self, now: Timestamp) {
        let today = day(now);
        if self.day != today {
            self.day = today;
            self.by_number.clear();
        }
    }

    fn of(&self, now: Timestamp, number: &PartyNumber) -> u32 {
        let is_today = self.day == day(now);
        self.by_number.get(number.as_str()).copied().filter(|_| is_today).unwrap_or(0)
    }

    fn allows(&self, now: Timestamp, number: &PartyNumber, per_day: u32) -> bool {
        let known = self.by_number.contains_key(number.as_str()) || self.day != day(now);
        self.of(now, number) < per_day && (known || self.by_number.len() < MAX_NUMBERS)
    }

    pub(super) fn count(&mut self, now: Timestamp, number: &PartyNumber, promises: u32) {
        self.roll(now);
        let count = self.by_number.entry(number.as_str().to_owned()).or_default();
        *count = count.saturating_add(promises);
    }
}

fn day(now: Timestamp) -> i64 {
    now.as_ms().div_euclid(DAY_MS)
}

/// Why a callback that was asked for is not promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPromised {
    /// The plan has no such queue.
    NoSuchQueue,
    /// The queue is full.
    Full,
    /// The number has been promised as many callbacks as it may be in a day.
    TooOften,
    /// The number, or the customer by another one, is called back already.
    Promised(ItemId),
}

impl Floor {
    /// Whether a waiting caller may have a promise now.
    pub(super) fn may_promise(&self, now: Timestamp, queue: &QueueName, caller: &PartyNumber) -> bool {
        let per_day = self.queues.get(queue).map_or(0, |queue| queue.profile.callbacks_per_day);
        self.promises.allows(now, caller, per_day)
    }

    /// The item by which a number is called back.
    #[must_use]
    pub fn promised_to(&self, caller: &PartyNumber) -> Option<ItemId> {
        self.queues.values().find_map(|queue| queue.promised.get(caller.as_str()).copied())
    }

    /// Whether [`Input::AskCallback`](super::Input::AskCallback) would be granted.
    ///
    /// # Errors
    /// Why not.
    pub fn may_ask(&self, now: Timestamp, asked: &CallbackAsked) -> Result<(), NotPromised> {
        let name = &asked.callback.step.queue;
        let queue = self.queues.get(name).filter(|queue| queue.in_plan).ok_or(NotPromised::NoSuchQueue)?;
        let theirs = asked.callback.customer.and_then(|customer| self.promises.by_customer.get(&customer).copied());
        if let Some(item) = self.promised_to(&asked.caller).or(theirs) {
            return Err(NotPromised::Promised(item));
        }
        if queue.order.len() >= usize::try_from(queue.profile.max_waiting).unwrap_or(usize::MAX) {
            return Err(NotPromised::Full);
        }
        if self.may_promise(now, name, &asked.caller) { Ok(()) } else { Err(NotPromised::TooOften) }
    }

    /// Somebody who is not on the line is to be called back: they wait from now on. No call is behind the item before one
    /// is made.
    pub(super) fn ask_callback(&mut self, now: Timestamp, asked: CallbackAsked) {
        if self.may_ask(now, &asked).is_err() {
            return;
        }
        let CallbackAsked { caller, callback } = asked;
        let (item, call) = (ItemId(self.ids.next(now)), CallId(self.ids.next(now)));
        let step = &callback.step;
        let queue = self.queue_entry(&step.queue);
        let item = Item::promised(item, call, queue.order.free_moment(now, step.priority_minutes), (caller, callback));
        let (id, name, key, record) = (item.item, item.queue.clone(), item.key(), item.record());
        self.journal(FloorEvent::Queued { item: record.clone(), rejoined: None, at: now });
        self.journal(FloorEvent::CallbackKept { item: record, at: now });
        self.promises.count(now, &item.caller, 1);
        self.items.insert(id, item);
        self.queue_entry(&name).order.insert(key);
        self.promise(id);
        self.places_changed(now, &name);
        self.wait_for_turn(now, id);
    }
}

impl Item {
    fn promised(
        item: ItemId,
        call: CallId,
        arrived_at: Timestamp,
        (caller, callback): (PartyNumber, Box<crate::callback::Callback>),
    ) -> Self {
        let step = &callback.step;
        let mut new = Self::new(&crate::link::Enqueue {
            item,
            call,
            queue: step.queue.clone(),
            caller,
            skills: step.skills.clone(),
            priority_minutes: step.priority_minutes,
            wait_without_agents: true,
            arrived_at,
            work: super::Work::default(),
        });
        new.customer = callback.customer;
        new.behind = Behind::Callback(callback);
        new
    }
}
