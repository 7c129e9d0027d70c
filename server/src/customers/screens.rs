//! What stands on the screen of the agent who is asked: decided here, looked up and shown elsewhere.
//!
//! Everybody outside is looked up when their call arrives, and again when an agent is asked and that was a while ago. A look-up
//! always comes to its end within its budget; one that found nothing in time leaves what was known before.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tandem_switch::{
    customers::Identity,
    floor::OfferOutcome,
    id::{CallId, CustomerId, ItemId, OfferId},
    identity::CallerIdentity,
    name::{AgentName, QueueName},
    time::Timestamp,
};

use super::known::Known;
use crate::lookup::Looked;

/// Calls, and items, that are remembered; the oldest are forgotten, and looked up again when an agent is asked.
const MAX_KEPT: usize = 100_000;
/// What was found so long ago is asked again.
const FRESH_MS: u64 = 3_000;

/// What happens.
#[derive(Clone, Debug)]
pub enum Input {
    /// A call is there.
    Arrived {
        /// Which.
        call: CallId,
        /// Its side outside; `None` where it has none, or shows no number.
        identity: Option<Identity>,
    },
    /// The signature of its caller's number speaks against them.
    Doubted {
        /// Which.
        call: CallId,
        /// What the check said.
        proof: CallerIdentity,
    },
    /// It is over.
    Over(CallId),
    /// An item waits.
    Waits {
        /// Which.
        item: ItemId,
        /// The call behind it.
        call: CallId,
        /// Where.
        queue: QueueName,
        /// Who waits, for the case that the call is not known.
        identity: Option<Identity>,
    },
    /// It does not any more.
    Gone(ItemId),
    /// An agent is asked.
    Offered {
        /// The offer.
        offer: OfferId,
        /// What.
        item: ItemId,
        /// Whom.
        agent: AgentName,
        /// Why them.
        why: String,
        /// When.
        at: Timestamp,
    },
    /// They have answered, or not.
    OfferEnded {
        /// Which.
        offer: OfferId,
        /// How.
        outcome: OfferOutcome,
    },
    /// A look-up came to its end; `None`: without an answer.
    Found {
        /// Of which call.
        call: CallId,
        /// What the look-up knew of the caller's signature.
        proof: Option<CallerIdentity>,
        /// What was found.
        known: Option<Arc<Known>>,
        /// How long it took, in ms.
        took_ms: u64,
    },
    /// A CRM said something of whoever is on a call.
    Looked {
        /// Which call.
        call: CallId,
        /// What.
        looked: Arc<Looked>,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Look somebody up.
    LookUp {
        /// Of which call.
        call: CallId,
        /// Whose address.
        identity: Option<Identity>,
        /// What speaks against their being who they show.
        proof: Option<CallerIdentity>,
    },
    /// Show it.
    Pop(Arc<Pop>),
    /// What a CRM said came after the pop: show it too.
    LookedUp(Arc<Pop>),
    /// The offer of a pop is over.
    Ended {
        /// Which.
        pop: Arc<Pop>,
        /// How.
        outcome: OfferOutcome,
    },
    /// Tell the floor who an item is about.
    Known {
        /// The item.
        item: ItemId,
        /// Who.
        customer: CustomerId,
    },
}

/// What an agent sees.
#[derive(Clone, Debug, PartialEq)]
pub struct Pop {
    /// The offer.
    pub offer: OfferId,
    /// What waits.
    pub item: ItemId,
    /// The call behind it, where one was told.
    pub call: Option<CallId>,
    /// Where it waited.
    pub queue: Option<QueueName>,
    /// Who is asked.
    pub agent: AgentName,
    /// Why they.
    pub why: String,
    /// When they were asked.
    pub at: Timestamp,
    /// Who is outside.
    pub known: Arc<Known>,
    /// How long it took to find out, in ms.
    pub took_ms: u64,
    /// What a CRM said of them, as far as it did.
    pub looked: Option<Arc<Looked>>,
}

#[derive(Debug)]
struct Waiting {
    call: CallId,
    queue: QueueName,
}

#[derive(Debug, Default)]
struct Guest {
    identity: Option<Identity>,
    proof: Option<CallerIdentity>,
    looking: bool,
    known: Option<(Arc<Known>, Timestamp, u64)>,
    looked: Option<Arc<Looked>>,
    /// What the agent sees who took it.
    taken: Option<Arc<Pop>>,
    /// Items of this call that wait, or are talked about.
    items: Vec<ItemId>,
    /// Those of them that the floor was not told about.
    untold: Vec<ItemId>,
    /// Pops that wait for the look-up; with an end, those of agents who were quicker than it.
    pops: Vec<(Pop, Option<OfferOutcome>)>,
    /// It is over, or never was: somebody is called back.
    over: bool,
}

/// The screens of all agents.
#[derive(Debug, Default)]
pub struct Screens {
    guests: BTreeMap<CallId, Guest>,
    items: BTreeMap<ItemId, Waiting>,
    shown: BTreeMap<OfferId, Arc<Pop>>,
    /// Offers whose pop waits for a look-up, with the call.
    pending: BTreeMap<OfferId, CallId>,
    outputs: VecDeque<Output>,
}

impl Screens {
    /// Takes one input; poll until `None` before the next one.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Arrived { call, identity } => {
                self.guests.insert(call, Guest { identity, ..Guest::default() });
                self.look_up(call);
                while self.guests.len() > MAX_KEPT {
                    self.guests.pop_first();
                }
            }
            Input::Doubted { call, proof } => {
                if let Some(guest) = self.guests.get_mut(&call).filter(|guest| guest.proof != Some(proof)) {
                    // What is being looked up without it does not count.
                    (guest.proof, guest.looking) = (Some(proof), false);
                    self.look_up(call);
                }
            }
            Input::Over(call) => {
                if let Some(guest) = self.guests.get_mut(&call) {
                    guest.over = true;
                }
                self.forget(call);
            }
            Input::Waits { item, call, queue, identity } => self.waits(item, Waiting { call, queue }, identity),
            Input::Gone(item) => self.gone(item),
            Input::Offered { offer, item, agent, why, at } => {
                let waiting = self.items.get(&item);
                let (call, queue) = (waiting.map(|it| it.call), waiting.map(|it| it.queue.clone()));
                let known = Arc::new(Known::nothing("nobody told who waits"));
                self.pop(now, Pop { offer, item, call, queue, agent, why, at, known, took_ms: 0, looked: None });
            }
            Input::OfferEnded { offer, outcome } => {
                if let Some(guest) = self.pending.remove(&offer).and_then(|call| self.guests.get_mut(&call)) {
                    // Whoever talks already sees with whom as soon as it is known; the others do not care any more.
                    guest.pops.retain_mut(|(pop, ended)| {
                        let is_it = pop.offer == offer;
                        *ended = ended.or(is_it.then_some(outcome));
                        !is_it || outcome == OfferOutcome::Accepted
                    });
                }
                self.end(offer, outcome);
            }
            Input::Found { call, proof, known, took_ms } => {
                if self.guests.get(&call).is_some_and(|guest| guest.proof == proof) {
                    self.found(now, call, known, took_ms);
                }
            }
            Input::Looked { call, looked } => self.looked(call, &looked),
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What stands on screens now.
    pub fn shown(&self) -> impl Iterator<Item = &Arc<Pop>> {
        self.shown.values()
    }

    /// Who is on a call, as far as is known.
    #[must_use]
    pub fn known(&self, call: CallId) -> Option<Arc<Known>> {
        self.guests.get(&call)?.known.as_ref().map(|(known, ..)| Arc::clone(known))
    }

    fn look_up(&mut self, call: CallId) {
        let Some(guest) = self.guests.get_mut(&call).filter(|guest| !guest.looking) else { return };
        guest.looking = true;
        self.outputs.push_back(Output::LookUp { call, identity: guest.identity.clone(), proof: guest.proof });
    }

    fn waits(&mut self, item: ItemId, waiting: Waiting, identity: Option<Identity>) {
        let call = waiting.call;
        self.items.insert(item, waiting);
        while self.items.len() > MAX_KEPT {
            self.items.pop_first();
        }
        let guest = self.guests.entry(call).or_insert_with(|| Guest { identity, over: true, ..Guest::default() });
        if guest.items.contains(&item) {
            return;
        }
        guest.items.push(item);
        match guest.known.as_ref().and_then(|(known, ..)| known.certain()) {
            Some(customer) => self.outputs.push_back(Output::Known { item, customer }),
            None => guest.untold.push(item),
        }
    }

    fn gone(&mut self, item: ItemId) {
        let Some(Waiting { call, .. }) = self.items.remove(&item) else { return };
        let Some(guest) = self.guests.get_mut(&call) else { return };
        guest.items.retain(|known| *known != item);
        guest.untold.retain(|known| *known != item);
        self.forget(call);
    }

    /// Nobody asks about a call that is over and for which nobody is called back.
    fn forget(&mut self, call: CallId) {
        if self.guests.get(&call).is_some_and(|guest| guest.over && guest.items.is_empty() && guest.pops.is_empty()) {
            self.guests.remove(&call);
        }
    }

    fn pop(&mut self, now: Timestamp, pop: Pop) {
        let Some((call, guest)) = pop.call.and_then(|call| Some((call, self.guests.get_mut(&call)?))) else {
            return self.show(pop);
        };
        match &guest.known {
            Some((known, at, took_ms)) if !guest.looking && now.ms_since(*at) < FRESH_MS => {
                let looked = guest.looked.clone();
                let pop = Pop { known: Arc::clone(known), took_ms: *took_ms, looked, ..pop };
                self.show(pop);
            }
            _ => {
                self.pending.insert(pop.offer, call);
                guest.pops.push((pop, None));
                self.look_up(call);
            }
        }
    }

    fn end(&mut self, offer: OfferId, outcome: OfferOutcome) {
        if let Some(pop) = self.shown.remove(&offer) {
            if let (OfferOutcome::Accepted, Some(guest)) = (outcome, pop.call.and_then(|call| self.guests.get_mut(&call))) {
                guest.taken = Some(Arc::clone(&pop));
            }
            self.outputs.push_back(Output::Ended { pop, outcome });
        }
    }

    fn show(&mut self, pop: Pop) {
        let pop = Arc::new(pop);
        self.shown.insert(pop.offer, Arc::clone(&pop));
        self.outputs.push_back(Output::Pop(pop));
    }

    /// Whoever sees who rings, or talks to them, sees this too. Pops that wait still take it along.
    fn looked(&mut self, call: CallId, looked: &Arc<Looked>) {
        let Some(guest) = self.guests.get_mut(&call) else { return };
        if guest.looked.as_ref().is_some_and(|before| before.fields == looked.fields) {
            return;
        }
        guest.looked = Some(Arc::clone(looked));
        let seen = self.shown.values_mut().filter(|pop| pop.call == Some(call)).chain(guest.taken.as_mut());
        for pop in seen {
            *pop = Arc::new(Pop { looked: Some(Arc::clone(looked)), ..(**pop).clone() });
            self.outputs.push_back(Output::LookedUp(Arc::clone(pop)));
        }
    }

    fn found(&mut self, now: Timestamp, call: CallId, known: Option<Arc<Known>>, took_ms: u64) {
        let Some(guest) = self.guests.get_mut(&call) else { return };
        guest.looking = false;
        if let Some(known) = known {
            guest.known = Some((known, now, took_ms));
        }
        let certain = guest.known.as_ref().and_then(|(known, ..)| known.certain());
        if let Some(customer) = certain {
            let tell = std::mem::take(&mut guest.untold).into_iter().map(|item| Output::Known { item, customer });
            self.outputs.extend(tell);
        }
        let late = || Arc::new(Known::nothing("the database did not answer in time"));
        let known = guest.known.as_ref().map_or_else(late, |(known, ..)| Arc::clone(known));
        let looked = guest.looked.clone();
        // Whoever sees somebody for certain who is in doubt now sees that, too.
        let is_doubted = guest.proof.is_some();
        let (taken, of_call) = (guest.taken.take(), |pop: &&Arc<Pop>| is_doubted && pop.call == Some(call) && pop.known != known);
        let ringing = self.shown.values().filter(of_call).map(|pop| ((**pop).clone(), None));
        let talking = taken.iter().filter(of_call).map(|pop| ((**pop).clone(), Some(OfferOutcome::Accepted)));
        let again: Vec<_> = ringing.chain(talking).collect();
        guest.taken = taken;
        for (pop, ended) in again {
            let offer = pop.offer;
            self.show(Pop { known: Arc::clone(&known), took_ms, ..pop });
            if let Some(outcome) = ended {
                self.end(offer, outcome);
            }
        }
        let Some(guest) = self.guests.get_mut(&call) else { return };
        for (pop, ended) in std::mem::take(&mut guest.pops) {
            let offer = pop.offer;
            self.pending.remove(&offer);
            self.show(Pop { known: Arc::clone(&known), took_ms, looked: looked.clone(), ..pop });
            if let Some(outcome) = ended {
                self.end(offer, outcome);
            }
        }
        self.forget(call);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use tandem_switch::customers::Country;

    use super::*;
    use crate::store::CustomerRow;

    const CALL: CallId = CallId(1);
    const ITEM: ItemId = ItemId(2);
    const OFFER: OfferId = OfferId(3);

    struct Desk(Screens, Timestamp);

    impl Desk {
        fn give(&mut self, input: Input) -> Vec<Output> {
            self.0.handle(self.1, input);
            std::iter::from_fn(|| self.0.poll()).collect()
        }

        fn pass(&mut self, ms: u64) {
            self.1 = self.1.plus_ms(ms);
        }
    }

    fn desk() -> Desk {
        Desk(Screens::default(), Timestamp::from_ms(1_000))
    }

    fn ada() -> Option<Identity> {
        Identity::of_caller("+393471234567", Country::default())
    }

    fn arrived() -> Input {
        Input::Arrived { call: CALL, identity: ada() }
    }

    fn waits() -> Input {
        Input::Waits { item: ITEM, call: CALL, queue: "support".into(), identity: ada() }
    }

    fn offered() -> Input {
        let at = Timestamp::from_ms(1_000);
        Input::Offered { offer: OFFER, item: ITEM, agent: "1001".into(), why: "idle 5 s".into(), at }
    }

    fn customer(id: u64) -> Known {
        let customer = CustomerId(id);
        let row = CustomerRow {
            customer,
            name: "Ada".into(),
            language: "it".into(),
            attributes: BTreeMap::new(),
            root: customer,
            created_at: Timestamp(0),
            changed_at: Timestamp(0),
        };
        let (identities, links, open_cases) = (Vec::new(), Vec::new(), Vec::new());
        let (interactions, notes) = (Vec::new(), Vec::new());
        let customer = Some(super::super::known::KnownCustomer { row, identities, links, open_cases, interactions, notes });
        Known { customer, candidates: Vec::new(), because: "theirs".into() }
    }

    fn found(known: Option<Known>) -> Input {
        Input::Found { call: CALL, proof: None, known: known.map(Arc::new), took_ms: 2 }
    }

    fn look_up() -> Output {
        Output::LookUp { call: CALL, identity: ada(), proof: None }
    }

    fn popped(outputs: &[Output]) -> &Pop {
        outputs.iter().find_map(|output| if let Output::Pop(pop) = output { Some(&**pop) } else { None }).expect("a pop")
    }

    #[test]
    fn who_was_found_at_the_arrival_is_on_the_screen_at_once() {
        let mut desk = desk();
        assert_eq!(desk.give(arrived()), [look_up()]);
        assert_eq!(desk.give(waits()), []);
        let known = Output::Known { item: ITEM, customer: CustomerId(7) };
        assert_eq!(desk.give(found(Some(customer(7)))), [known]);
        let outputs = desk.give(offered());
        let pop = popped(&outputs);
        assert_eq!((pop.known.certain(), pop.why.as_str(), pop.call), (Some(CustomerId(7)), "idle 5 s", Some(CALL)));
        assert_eq!(desk.0.shown().count(), 1);
        let ended = desk.give(Input::OfferEnded { offer: OFFER, outcome: OfferOutcome::Expired });
        assert!(matches!(&ended[..], [Output::Ended { outcome: OfferOutcome::Expired, .. }]));
        assert_eq!(desk.0.shown().count(), 0);
    }

    #[test]
    fn an_agent_who_answers_before_the_look_up_does_sees_with_whom_they_talk() {
        let mut desk = desk();
        for input in [arrived(), waits(), offered()] {
            desk.give(input);
        }
        assert_eq!(desk.give(Input::OfferEnded { offer: OFFER, outcome: OfferOutcome::Accepted }), []);
        let outputs = desk.give(found(Some(customer(7))));
        assert_eq!(popped(&outputs).known.certain(), Some(CustomerId(7)));
        assert!(matches!(outputs.last(), Some(Output::Ended { outcome: OfferOutcome::Accepted, .. })), "{outputs:?}");
        assert_eq!(desk.0.shown().count(), 0);
    }

    #[test]
    fn who_waited_long_is_looked_up_again_and_a_database_that_is_away_takes_nothing_back() {
        let mut desk = desk();
        desk.give(arrived());
        desk.give(waits());
        desk.give(found(Some(customer(7))));
        desk.pass(FRESH_MS);
        assert_eq!(desk.give(offered()), [look_up()], "the pop waits for it");
        assert_eq!(popped(&desk.give(found(None))).known.certain(), Some(CustomerId(7)));
    }

    #[test]
    fn nobody_who_is_asked_waits_for_a_database_that_never_answered() {
        let mut desk = desk();
        desk.give(arrived());
        desk.give(waits());
        assert_eq!(desk.give(offered()), [], "the look-up of the arrival goes on");
        let outputs = desk.give(found(None));
        assert_eq!(popped(&outputs).known.because, "the database did not answer in time");
        // The next agent makes it look again.
        desk.give(Input::OfferEnded { offer: OFFER, outcome: OfferOutcome::Expired });
        assert_eq!(desk.give(offered()), [look_up()]);
        desk.give(Input::OfferEnded { offer: OFFER, outcome: OfferOutcome::Withdrawn });
        assert_eq!(desk.give(found(Some(customer(7)))), [Output::Known { item: ITEM, customer: CustomerId(7) }], "no pop for it");
    }

    #[test]
    fn who_is_called_back_is_looked_up_when_an_agent_is_asked_and_forgotten_when_it_is_done() {
        let mut desk = desk();
        desk.give(arrived());
        desk.give(waits());
        desk.give(found(Some(customer(7))));
        desk.give(Input::Over(CALL));
        desk.pass(60_000);
        assert_eq!(desk.give(offered()), [look_up()]);
        assert_eq!(
            popped(&desk.give(found(Some(customer(8))))).known.certain(),
            Some(CustomerId(8)),
            "the number is another\u{2019}s now"
        );
        desk.give(Input::Gone(ITEM));
        assert_eq!((desk.0.guests.len(), desk.0.items.len(), desk.0.pending.len()), (0, 0, 0));
        // An item of before a restart: no call was told.
        assert_eq!(desk.give(waits()), []);
        desk.give(Input::OfferEnded { offer: OFFER, outcome: OfferOutcome::Accepted });
        assert_eq!(desk.give(offered()), [look_up()]);
        desk.give(found(None));
        desk.give(Input::Gone(ITEM));
        assert_eq!(desk.0.guests.len(), 0);
    }

    fn said(name: &str) -> Arc<Looked> {
        Arc::new(Looked { fields: [("Name".to_owned(), name.to_owned())].into(), is_kept: false, took_ms: 40 })
    }

    #[test]
    fn what_a_crm_says_is_on_the_screen_or_comes_later_to_whoever_sees_the_call() {
        let mut desk = desk();
        desk.give(arrived());
        desk.give(waits());
        desk.give(offered());
        assert_eq!(desk.give(Input::Looked { call: CALL, looked: said("Ada") }), [], "the pop that waits takes it along");
        assert_eq!(popped(&desk.give(found(Some(customer(7))))).looked, Some(said("Ada")));
        assert_eq!(desk.give(Input::Looked { call: CALL, looked: said("Ada") }), [], "that is seen already");
        let outputs = desk.give(Input::Looked { call: CALL, looked: said("Ada Lovelace") });
        let [Output::LookedUp(pop)] = &outputs[..] else { panic!("{outputs:?}") };
        assert_eq!((pop.offer, &pop.looked), (OFFER, &Some(said("Ada Lovelace"))));
        assert_eq!(desk.0.shown().next().unwrap().looked, Some(said("Ada Lovelace")), "for who connects now");
        // Nobody is asked any more: whoever talks hears of it, the others do not.
        desk.give(Input::OfferEnded { offer: OFFER, outcome: OfferOutcome::Accepted });
        let outputs = desk.give(Input::Looked { call: CALL, looked: said("Countess of Lovelace") });
        assert!(matches!(&outputs[..], [Output::LookedUp(_)]), "{outputs:?}");
        desk.give(Input::Over(CALL));
        desk.give(Input::Gone(ITEM));
        assert_eq!(desk.give(Input::Looked { call: CALL, looked: said("Ada") }), []);
        assert_eq!(desk.0.guests.len(), 0);
    }

    #[test]
    fn whoever_is_in_doubt_is_nobody_for_certain_even_when_they_were_shown_before() {
        let proof = CallerIdentity::BadSignature;
        for is_taken in [false, true] {
            let mut desk = desk();
            for input in [arrived(), waits(), found(Some(customer(7))), offered()] {
                desk.give(input);
            }
            if is_taken {
                desk.give(Input::OfferEnded { offer: OFFER, outcome: OfferOutcome::Accepted });
            }
            let asked = desk.give(Input::Doubted { call: CALL, proof });
            assert_eq!(asked, [Output::LookUp { call: CALL, identity: ada(), proof: Some(proof) }]);
            // An answer to what was asked before does not count any more.
            assert_eq!(desk.give(found(Some(customer(7)))), []);
            let nobody = Arc::new(Known::nothing("it is not certain whose number this is"));
            let late = Input::Found { call: CALL, proof: Some(proof), known: Some(Arc::clone(&nobody)), took_ms: 1 };
            let outputs = desk.give(late);
            assert_eq!((popped(&outputs).offer, &popped(&outputs).known), (OFFER, &nobody));
            assert_eq!(outputs.len(), if is_taken { 2 } else { 1 }, "who talks already is told so, and that it was answered");
            assert_eq!(desk.give(Input::Doubted { call: CALL, proof }), [], "once is enough");
        }
    }
}
