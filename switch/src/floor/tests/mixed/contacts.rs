//! What customers do: call, write, wait, ask to be called back, give up.

use super::{
    agents::{AGENTS, QUEUES, SKILLS, name, skill},
    world::World,
};
use crate::{
    callback::{Callback, Tries},
    cause::Cause,
    cdr::Origin,
    channel::Channel,
    demand::Load,
    floor::{Input, Preferred, Side, Work, tests::simulation::waited},
    id::{CallId, ItemId},
    link::{Enqueue, LeaveReason, ToFloor},
    name::{PartyNumber, QueueName},
    step::Target,
    time::Timestamp,
};

/// Somebody outside.
pub(super) struct Contact {
    pub(super) enqueue: Enqueue,
    pub(super) talks: bool,
}

impl Contact {
    /// A customer who was called back.
    pub(super) fn caller(call: CallId, caller: PartyNumber) -> Self {
        let enqueue = Enqueue {
            item: ItemId(0),
            call,
            queue: "support".into(),
            caller,
            skills: Vec::new(),
            priority_minutes: 0,
            wait_without_agents: true,
            arrived_at: Timestamp(0),
            work: Work::default(),
        };
        Self { enqueue, talks: false }
    }
}

impl World {
    /// One thing happens.
    pub(super) fn happen(&mut self) {
        match self.dice.below(1_000) {
            0..=279 => self.arrive(),
            280..=349 => self.give_up(),
            350..=369 => self.overflow(),
            370..=399 => self.wants_callback(),
            400..=419 => self.transfer(),
            420..=559 => self.agent_asks(),
            560..=649 => self.device(),
            650..=709 => self.nonsense(),
            710..=739 => self.agent_changes(),
            740..=749 => self.queue_changes(),
            750..=789 => self.moves_ahead(),
            790..=799 => self.make_store_slow(),
            800..=804 => self.restart(),
            805..=819 => self.pass(30_000),
            _ => {}
        }
    }

    fn arrive(&mut self) {
        let channel = match self.dice.below(100) {
            0..=44 => Channel::Voice,
            45..=69 => Channel::Chat,
            70..=87 => Channel::Email,
            88..=93 => Channel::Sms,
            _ => Channel::Whatsapp,
        };
        let number = PartyNumber::from(&*format!("+3900{}", self.dice.below(60)));
        let queue = QueueName::from(*self.dice.pick(&QUEUES));
        self.enqueue(channel, number, queue, self.now);
    }

    fn enqueue(&mut self, channel: Channel, caller: PartyNumber, queue: QueueName, arrived_at: Timestamp) {
        self.next_item += 1;
        let (item, call) = (ItemId(self.next_item), CallId(self.next_item));
        let mut skills = Vec::new();
        for name in SKILLS {
            if self.dice.chance(25) {
                skills.push(skill(name, 1 + self.dice.below(6)));
            }
        }
        let until_at = self.now.plus_ms(self.dice.below(60_000));
        let known = self.dice.chance(20).then(|| name(self.dice.below(AGENTS)));
        let deadline_at = (channel == Channel::Whatsapp).then(|| self.now.plus_ms(self.dice.below(1_200_000)));
        let preferred = known.map(|agent| Preferred { agent, until_at });
        let load = if self.dice.chance(30) { *self.dice.pick(&Load::ALL) } else { Load::Normal };
        let enqueue = Enqueue {
            item,
            call,
            queue,
            caller,
            skills,
            priority_minutes: if self.dice.chance(20) { u32::try_from(self.dice.below(10)).unwrap() } else { 0 },
            wait_without_agents: self.dice.chance(70),
            arrived_at,
            work: Work { channel, load, preferred, deadline_at },
        };
        self.contacts.insert(item, Contact { enqueue: enqueue.clone(), talks: false });
        self.give(Input::Line(ToFloor::Enqueue(enqueue.clone())));
        if self.dice.chance(5) && self.contacts.contains_key(&item) {
            self.give(Input::Line(ToFloor::Enqueue(enqueue)));
        }
    }

    fn somebody(&mut self) -> Option<ItemId> {
        let items: Vec<ItemId> = self.contacts.keys().copied().collect();
        if items.is_empty() { None } else { Some(*self.dice.pick(&items)) }
    }

    fn give_up(&mut self) {
        let Some(item) = self.somebody() else { return };
        let talks = self.contacts.remove(&item).is_some_and(|contact| contact.talks);
        self.goes(item, talks);
    }

    fn goes(&mut self, item: ItemId, talks: bool) {
        let message = if talks {
            ToFloor::Finished { item, cause: Cause::Normal }
        } else {
            ToFloor::Leave { item, reason: *self.dice.pick(&[LeaveReason::Abandoned, LeaveReason::TimedOut]) }
        };
        self.send(0, &message);
    }

    fn overflow(&mut self) {
        let Some(item) = self.somebody() else { return };
        let (to, wait_without_agents) = (QueueName::from(*self.dice.pick(&QUEUES)), self.dice.chance(70));
        self.send(0, &ToFloor::Overflow { item, to, wait_without_agents });
    }

    fn wants_callback(&mut self) {
        if self.dice.chance(10) {
            let promised: Vec<ItemId> =
                self.ledger.waiting.values().filter(|item| item.callback.is_some()).map(|item| item.item).collect();
            if !promised.is_empty() {
                let item = *self.dice.pick(&promised);
                self.give(Input::DropCallback(item));
            }
            return;
        }
        let calls = self.contacts.iter().filter(|(_, one)| !one.talks && one.enqueue.work.channel == Channel::Voice);
        let calls: Vec<ItemId> = calls.map(|(item, _)| *item).collect();
        if calls.is_empty() {
            return;
        }
        let item = *self.dice.pick(&calls);
        let callback = Callback {
            target: Target::Trunk { trunk: "carrier".into(), number: "1".into() },
            tries: Tries {
                left: 1 + u32::try_from(self.dice.below(3)).unwrap(),
                apart_ms: self.dice.below(60_000),
                ring_ms: 1_000 + self.dice.below(20_000),
            },
            not_before: self.now,
            origin: Origin::Trunk("carrier".into()),
            dialled: "1800".into(),
            arrived_at: self.now,
            step: waited(),
            customer: None,
        };
        self.send(0, &ToFloor::CallBack { item, callback: Box::new(callback) });
    }

    /// An agent passes a caller on to another queue, where they have waited as long as they did before.
    fn transfer(&mut self) {
        let calls = self.contacts.iter().filter(|(_, one)| one.talks && one.enqueue.work.channel == Channel::Voice);
        let calls: Vec<ItemId> = calls.map(|(item, _)| *item).collect();
        if calls.is_empty() {
            return;
        }
        let item = *self.dice.pick(&calls);
        let contact = self.contacts.remove(&item).unwrap();
        self.give(Input::Line(ToFloor::Finished { item, cause: Cause::Normal }));
        let queue = QueueName::from(*self.dice.pick(&QUEUES));
        let arrived_at = contact.enqueue.arrived_at.max(Timestamp(self.now.0 - 3_600_000_000));
        self.sum.transferred += 1;
        self.enqueue(Channel::Voice, contact.enqueue.caller, queue, arrived_at);
    }

    /// After somebody wrote, the other side does, or the conversation is over, or one of them is silent.
    pub(super) fn goes_on(&mut self, item: ItemId, by: Side) {
        if self.contacts.get(&item).is_none_or(|contact| !contact.talks) {
            return;
        }
        if self.dice.chance(15) {
            self.contacts.remove(&item);
            return self.send(0, &ToFloor::Finished { item, cause: Cause::Normal });
        }
        let (by, ms) = match by {
            Side::Customer => (Side::Agent, 2_000 + self.dice.below(70_000)),
            Side::Agent => (Side::Customer, 2_000 + self.dice.below(180_000)),
        };
        self.send(ms, &ToFloor::Wrote { item, by });
    }

    fn moves_ahead(&mut self) {
        let waiting: Vec<ItemId> = self.ledger.waiting.keys().copied().collect();
        if waiting.is_empty() {
            return;
        }
        let item = *self.dice.pick(&waiting);
        let minutes = u32::try_from(self.dice.below(90)).unwrap();
        self.give(Input::Prioritise { item, minutes, reason: "a complaint".into() });
    }

    fn nonsense(&mut self) {
        let Some(item) = self.somebody() else { return };
        let message = match self.dice.below(5) {
            0 => ToFloor::Leave { item: ItemId(1 << 60), reason: LeaveReason::Fault },
            1 => ToFloor::Wrote { item, by: Side::Customer },
            2 if self.contacts.get(&item).is_some_and(|one| !one.talks) => ToFloor::Finished { item, cause: Cause::Normal },
            3 => ToFloor::Accept { offer: crate::id::OfferId(1) },
            _ => ToFloor::DeviceBusy { agent: "9999".into(), legs: 3 },
        };
        self.give(Input::Line(message));
    }

    /// Calls that live say where they are; who writes says what got lost between them and the floor.
    pub(super) fn after_restart(&mut self) {
        for (item, contact) in &mut self.contacts {
            contact.talks = self.ledger.talks.contains_key(item);
        }
        let known: Vec<(ItemId, Enqueue, bool)> =
            self.contacts.iter().map(|(item, contact)| (*item, contact.enqueue.clone(), contact.talks)).collect();
        for (item, enqueue, talks) in known {
            if !self.contacts.contains_key(&item) {
                continue;
            }
            if !talks {
                self.give(Input::Line(ToFloor::Enqueue(enqueue)));
            } else if enqueue.work.channel == Channel::Voice {
                let ms = self.dice.below(30_000);
                self.send(ms, &ToFloor::Finished { item, cause: Cause::Normal });
            } else {
                self.goes_on(item, Side::Customer);
            }
        }
        let is_gone = |item: &ItemId, channel: Channel| channel != Channel::Voice && !self.contacts.contains_key(item);
        let waited = self.ledger.waiting.values().filter(|item| is_gone(&item.item, item.work.channel));
        let talked = self.ledger.talks.values().filter(|talk| is_gone(&talk.item.item, talk.item.work.channel));
        let gone: Vec<(ItemId, bool)> =
            waited.map(|item| (item.item, false)).chain(talked.map(|talk| (talk.item.item, true))).collect();
        for (item, talks) in gone {
            self.goes(item, talks);
        }
    }

    /// At the end everybody comes to an end.
    pub(super) fn hurry(&mut self) {
        let gone: Vec<ItemId> = self.contacts.iter().filter(|(_, one)| one.talks).map(|(item, _)| *item).collect();
        for item in gone {
            self.contacts.remove(&item);
            self.goes(item, true);
        }
        let talks: Vec<ItemId> = self.ledger.talks.keys().filter(|item| !self.contacts.contains_key(item)).copied().collect();
        for item in talks {
            self.goes(item, true);
        }
    }
}
