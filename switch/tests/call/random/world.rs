//! What the rest of the switch would believe of a call, and what must never be asked of it.

use std::collections::{BTreeMap, BTreeSet};

use tandem_switch::{
    call::{Input, Output, RedirectNews, TransferNews},
    id::{ItemId, LegId, OfferId, RecordingId},
    link::{FloorSays, ToFloor},
    step::Step,
};

/// Devices that one offer rings, at most.
const MOST_DEVICES: usize = 3;

/// How an offer stands, as the floor knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    Open(ItemId),
    Accepted(ItemId),
    Over,
}

/// How an item stands, as the floor knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Waiting,
    Connected,
    Over,
}

#[derive(Debug, Default)]
pub(super) struct World {
    /// Alive or gone, and joined to whom.
    legs: BTreeMap<LegId, (bool, Option<LegId>)>,
    /// Answered.
    up: BTreeSet<LegId>,
    /// What plays to a leg: a playing that ends by itself, by its number, or music and tones without one.
    playing: BTreeMap<LegId, Option<u32>>,
    recordings: BTreeMap<RecordingId, bool>,
    offers: BTreeMap<OfferId, Offer>,
    item_states: BTreeMap<ItemId, Item>,
    /// All items, oldest first.
    pub(super) items: Vec<ItemId>,
    /// Legs that are none of the call's any more.
    given_away: BTreeSet<LegId>,
    pub(super) last_offer: u64,
    /// The floor was asked to keep this item without the call.
    pub(super) asked_for_callback: Option<ItemId>,
    pub(super) last_play: u32,
    pub(super) accepted: Option<OfferId>,
    pub(super) awaits_step: bool,
    /// Who has asked for a transfer that is under way.
    pub(super) transfer: Option<LegId>,
    /// Redirects that are under way, one within the other.
    pub(super) redirects: usize,
    pub(super) most_redirects: usize,
    caller_can_hear: bool,
    answered: bool,
    /// A restart has just been.
    restarted: bool,
}

impl World {
    pub(super) fn new() -> Self {
        let mut new = Self { awaits_step: true, ..Self::default() };
        new.legs.insert(LegId::CALLER, (true, None));
        new
    }

    pub(super) fn last_leg(&self) -> LegId {
        *self.legs.keys().next_back().unwrap()
    }

    pub(super) fn alive_legs(&self) -> Vec<LegId> {
        self.legs.iter().filter(|(leg, (alive, _))| *alive && !self.given_away.contains(leg)).map(|(leg, _)| *leg).collect()
    }

    fn alive(&self, leg: LegId) -> bool {
        self.legs.get(&leg).is_some_and(|(alive, _)| *alive)
    }

    pub(super) fn is_up(&self, leg: LegId) -> bool {
        self.up.contains(&leg)
    }

    fn joined(&self, leg: LegId) -> Option<LegId> {
        self.legs.get(&leg).and_then(|(_, joined)| *joined)
    }

    fn bury(&mut self, leg: LegId) {
        if let Some((alive, _)) = self.legs.get_mut(&leg) {
            *alive = false;
        }
    }

    /// A leg goes to another call: it is to be parted, and not to be ended.
    pub(super) fn gives_away(&mut self, leg: LegId) {
        self.given_away.insert(leg);
    }

    /// A leg comes from another call, and is up.
    pub(super) fn takes_in(&mut self, leg: LegId) {
        assert!(self.legs.insert(leg, (true, None)).is_none(), "{leg} twice");
        self.up.insert(leg);
    }

    /// What an input says of the world, before the call hears it.
    pub(super) fn hear(&mut self, input: &Input) {
        match input {
            Input::Step(step) if self.awaits_step => self.awaits_step = matches!(step, Step::Hangup { .. }),
            Input::LegFailed { leg, .. } | Input::LegEnded { leg, .. } | Input::LegRedirected { leg, .. } => self.bury(*leg),
            Input::LegAnswered { leg } if *leg != LegId::CALLER && self.alive(*leg) => {
                self.up.insert(*leg);
            }
            Input::Played { leg, play } if self.playing.get(leg) == Some(&Some(*play)) => {
                self.playing.remove(leg);
            }
            Input::Floor(says) => self.floor_says(says),
            _ => {}
        }
    }

    fn floor_says(&mut self, says: &FloorSays) {
        match says {
            FloorSays::Offer { offer, item, .. } => {
                self.last_offer = offer.0;
                self.offers.insert(*offer, Offer::Open(*item));
            }
            FloorSays::Withdraw { offer } => {
                if self.accepted == Some(*offer) {
                    self.accepted = None;
                }
                if let Some(offer) = self.offers.get_mut(offer) {
                    *offer = Offer::Over;
                }
            }
            FloorSays::Connect { offer } if self.accepted == Some(*offer) => {
                self.accepted = None;
                if let Some(Offer::Accepted(item)) = self.offers.insert(*offer, Offer::Over) {
                    self.item_states.insert(item, Item::Connected);
                }
            }
            FloorSays::CallbackKept { item } if self.item_states.get(item) == Some(&Item::Waiting) => self.item_over(*item),
            FloorSays::Refused { item, .. } if self.item_states.get(item) == Some(&Item::Waiting) => self.item_over(*item),
            _ => {}
        }
    }

    /// A restart: the legs that were not up are gone, and some that were; nobody hears anything, nothing is recorded,
    /// no offer lives. The floor keeps an item that waits. The legs of `lost` were up.
    pub(super) fn restart(&mut self, lost: &[LegId]) {
        for (leg, (alive, joined)) in &mut self.legs {
            *alive &= self.up.contains(leg) && !lost.contains(leg);
            *joined = None;
        }
        self.playing.clear();
        self.recordings.values_mut().for_each(|open| *open = false);
        self.offers.values_mut().for_each(|offer| *offer = Offer::Over);
        self.accepted = None;
        self.redirects = 0;
        // What the plan said meanwhile is lost: a call that awaits a step says again how the last one ended.
        self.awaits_step = false;
        self.restarted = true;
    }

    /// What was said of a restart is said.
    pub(super) fn restarted(&mut self, is_over: bool) {
        self.restarted = false;
        if is_over {
            // The floor keeps the place of a caller who is lost.
            self.item_states.values_mut().for_each(|state| *state = Item::Over);
        }
    }

    /// An item is gone from the floor, with all its offers.
    fn item_over(&mut self, item: ItemId) {
        self.item_states.insert(item, Item::Over);
        for offer in self.offers.values_mut() {
            if matches!(offer, Offer::Open(of) | Offer::Accepted(of) if *of == item) {
                *offer = Offer::Over;
            }
        }
        self.accepted = None;
    }

    /// What an output asks for must be possible.
    pub(super) fn see(&mut self, output: &Output) {
        match output {
            Output::RingCaller => assert!(!self.caller_can_hear && self.alive(LegId::CALLER)),
            Output::EarlyMedia => {
                assert!(!self.caller_can_hear && self.alive(LegId::CALLER), "early media twice or too late");
                self.caller_can_hear = true;
            }
            Output::Answer => {
                assert!(!self.answered && self.alive(LegId::CALLER), "answered twice");
                (self.answered, self.caller_can_hear) = (true, true);
                self.up.insert(LegId::CALLER);
            }
            Output::InviteLeg { leg, .. } => {
                assert!(self.legs.insert(*leg, (true, None)).is_none(), "{leg} twice");
            }
            Output::EndLeg { leg, .. } => {
                assert!(self.alive(*leg) && !self.given_away.contains(leg), "{leg} ended twice");
                assert_eq!(self.joined(*leg), None, "{leg} ended while joined");
                self.bury(*leg);
            }
            Output::HandBack { leg, .. } => assert!(self.alive(*leg) && self.up.contains(leg), "{leg} cannot be handed back"),
            Output::Play { leg, play, repeat, .. } => {
                assert!(*play > self.last_play, "an old playing number");
                self.last_play = *play;
                self.sound(*leg);
                self.playing.insert(*leg, (!repeat).then_some(*play));
            }
            Output::RingBack { leg } => {
                self.sound(*leg);
                self.playing.insert(*leg, None);
            }
            Output::Echo { leg } => self.sound(*leg),
            Output::EnterRoom { leg, .. } | Output::Supervise { leg, .. } => {
                self.sound(*leg);
                assert!(self.up.contains(leg), "{leg} is not up and confers");
            }
            Output::Park { leg, .. } | Output::Take { leg, .. } => assert!(self.alive(*leg), "{leg} is gone and wants a slot"),
            Output::AskMailbox { leg, .. } => assert!(self.alive(*leg), "{leg} is gone and leaves a message"),
            Output::TakeMessage { message, leg, .. } => {
                assert!(self.alive(*leg) && self.up.contains(leg), "{leg} cannot be heard");
                assert!(self.recordings.insert(*message, true).is_none(), "the same message twice");
            }
            Output::StopPlay { leg } => {
                self.sound(*leg);
                assert!(self.playing.remove(leg).is_some(), "nothing plays to {leg}");
            }
            Output::Join { left, right } => self.join(*left, *right),
            Output::Part { leg } => {
                let other = self.joined(*leg).expect("parted and not joined");
                assert!(self.alive(*leg), "the one who is gone is parted");
                for leg in [*leg, other] {
                    self.legs.entry(leg).and_modify(|(_, joined)| *joined = None);
                }
            }
            Output::Record { recording, left, right } => {
                assert!(self.alive(*left) && self.alive(*right));
                assert!(self.recordings.insert(*recording, true).is_none(), "the same recording twice");
            }
            Output::PauseRecord { recording, .. } => assert_eq!(self.recordings.get(recording), Some(&true)),
            Output::StopRecord { recording } => {
                assert_eq!(self.recordings.insert(*recording, false), Some(true), "a recording ended twice");
            }
            Output::Fork { .. } => {}
            Output::Ask { .. } => assert!(!self.awaits_step, "no step asks"),
            Output::ProgramKey { .. } => assert!(!self.awaits_step, "no program has the caller"),
            Output::StepEnded(_) => {
                assert!(!self.awaits_step, "a step ended twice");
                let closed = self.recordings.values().all(|open| !open);
                assert!(closed || self.transfer.is_some(), "a recording outlives its step");
                self.awaits_step = true;
            }
            Output::Transfer { by, news } => self.transfer_goes(*by, news),
            Output::Redirect(news) => self.redirect_goes(news),
            Output::Floor(message) => self.floor_hears(message),
            Output::Trace(..) => {}
            Output::Ended(_) => unreachable!("seen by the caller"),
        }
    }

    fn transfer_goes(&mut self, by: LegId, news: &TransferNews) {
        match news {
            TransferNews::Begun { .. } => {
                assert!(self.transfer.is_none() && !self.awaits_step && self.alive(by));
                (self.transfer, self.awaits_step) = (Some(by), true);
            }
            TransferNews::Rings => assert_eq!(self.transfer, Some(by)),
            TransferNews::Taken => assert_eq!(self.transfer.take(), Some(by)),
            // The step of before goes on.
            TransferNews::Failed(_) => {
                assert_eq!(self.transfer.take(), Some(by));
                self.awaits_step = false;
            }
            TransferNews::Refused => {}
        }
    }

    fn redirect_goes(&mut self, news: &RedirectNews) {
        match news {
            RedirectNews::Begun { .. } => {
                assert!(!self.awaits_step && self.redirects < 5);
                (self.redirects, self.awaits_step) = (self.redirects + 1, true);
                self.most_redirects = self.most_redirects.max(self.redirects);
            }
            RedirectNews::Taken => assert!(std::mem::take(&mut self.redirects) > 0, "nothing to be taken"),
            // The step of before goes on.
            RedirectNews::Failed => {
                assert!(self.redirects > 0, "nothing to fail");
                (self.redirects, self.awaits_step) = (self.redirects - 1, false);
            }
        }
    }

    fn sound(&self, leg: LegId) {
        assert!(self.alive(leg), "sound for {leg}, which is gone");
        assert_eq!(self.joined(leg), None, "sound over a conversation");
        assert!(leg != LegId::CALLER || self.caller_can_hear, "the caller cannot hear yet");
    }

    fn join(&mut self, left: LegId, right: LegId) {
        assert!(left != right && self.caller_can_hear);
        for (leg, other) in [(left, right), (right, left)] {
            assert!(self.alive(leg), "{leg} joined and gone");
            assert_eq!(self.joined(leg), None, "{leg} joined twice");
            assert_eq!(self.playing.get(&leg), None, "{leg} joined while something plays to it");
            self.legs.insert(leg, (true, Some(other)));
        }
    }

    fn floor_hears(&mut self, message: &ToFloor) {
        match message {
            // The call behind an item that waits lives again.
            ToFloor::Enqueue(enqueue) if self.restarted && self.item_states.get(&enqueue.item) == Some(&Item::Waiting) => {}
            ToFloor::Enqueue(enqueue) => {
                assert!(self.item_states.values().all(|state| *state == Item::Over), "two items at a time");
                assert!(self.item_states.insert(enqueue.item, Item::Waiting).is_none(), "an item twice");
                self.items.push(enqueue.item);
            }
            ToFloor::Leave { item, .. } => {
                assert_eq!(self.item_states[item], Item::Waiting, "it does not wait");
                self.item_over(*item);
            }
            ToFloor::Finished { item, .. } => {
                assert_eq!(self.item_states[item], Item::Connected, "it was not connected");
                self.item_over(*item);
            }
            ToFloor::CallBack { item, .. } => {
                assert_eq!(self.item_states[item], Item::Waiting, "only who waits is called back");
                self.asked_for_callback = Some(*item);
            }
            ToFloor::CallsCustomer { .. } | ToFloor::Unreached { .. } => panic!("not of a call that came in"),
            ToFloor::Overflow { item, .. } => assert_eq!(self.item_states[item], Item::Waiting, "only who waits moves"),
            ToFloor::Ringing { offer } => assert!(matches!(self.offers[offer], Offer::Open(_))),
            ToFloor::Accept { offer } => {
                let Offer::Open(item) = self.offers[offer] else { panic!("accept of {offer:?}, which is not open") };
                assert_eq!(self.accepted, None, "two accepts at a time");
                self.accepted = Some(*offer);
                self.offers.insert(*offer, Offer::Accepted(item));
            }
            ToFloor::Decline { offer, .. } => {
                assert!(matches!(self.offers[offer], Offer::Open(_)), "decline of {offer:?}, which is not open");
                self.offers.insert(*offer, Offer::Over);
            }
            ToFloor::Agent { .. } => {}
            ToFloor::DeviceBusy { .. } | ToFloor::DeviceReachable { .. } | ToFloor::Wrote { .. } => panic!("not a call's to say"),
        }
    }

    /// What must hold whenever the call has nothing more to say.
    pub(super) fn check_at_rest(&self) {
        for (leg, (alive, joined)) in &self.legs {
            if let Some(other) = joined {
                assert!(*alive && self.alive(*other), "{leg} is joined to one who is gone");
            }
        }
        let waiting = self.items.iter().filter(|item| self.item_states[item] == Item::Waiting).count();
        let open: Vec<_> = self.offers.values().filter(|offer| matches!(offer, Offer::Open(_) | Offer::Accepted(_))).collect();
        assert!(open.len() <= waiting, "an offer without a reply, or two at a time: {open:?}");
        let called = self.alive_legs().len().saturating_sub(1);
        // Of those whom an offer rings one is left when it is accepted.
        let most = if self.accepted.is_some() { 1 } else { open.len() * MOST_DEVICES };
        assert!(waiting == 0 || called <= most, "a leg that no offer accounts for");
        if self.transfer.is_some() {
            assert_eq!(waiting, 0, "who waits has been taken");
        } else if self.awaits_step {
            assert_eq!(called, 0, "a leg outlives its step");
            assert!(self.item_states.values().all(|state| *state == Item::Over), "an item outlives its step");
        }
    }

    /// What must hold when the call says that it is over.
    pub(super) fn check_end(&mut self) {
        assert_eq!(self.alive_legs(), [], "a leg outlives its call");
        assert_eq!(self.transfer, None, "a transfer outlives its call");
        assert!(self.recordings.values().all(|open| !open), "a recording outlives its call");
        let waits = |state: &Item| *state == Item::Waiting && self.restarted;
        assert!(self.item_states.values().all(|state| *state == Item::Over || waits(state)), "an item outlives its call");
        assert!(!self.offers.values().any(|offer| *offer != Offer::Over), "an offer outlives its call");
        self.awaits_step = true;
    }
}
