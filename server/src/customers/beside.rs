//! The task that stands beside the calls: it hears of them when the database does, looks up who is outside, and tells the
//! screens of agents and the floor.
//!
//! No loop waits for it: it is told through a bounded channel that drops the oldest news when it is full, and its look-ups have a
//! budget and a number.

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use tandem_switch::{
    customers::{Identity, IdentityKind},
    floor::OfferOutcome,
    id::{CallId, CustomerId, OfferId},
    identity::CallerIdentity,
    name::AgentName,
};
use tokio::{
    sync::{Semaphore, broadcast, mpsc, oneshot},
    time::timeout,
};

use super::{
    Customers, follow,
    known::Known,
    promised::{self, Promised},
    screens::{Input, Output, Pop, Screens},
};
use crate::{
    clock,
    lookup::{Looked, Lookups},
    metrics::METRICS,
    reach::Reach,
    store::{Told, Writer},
    wire::floor::FloorAsk,
};

/// What is looked up has to be there by then; what is not is unknown.
pub const BUDGET: Duration = Duration::from_millis(150);
/// Look-ups at a time; beyond them people are unknown.
const MAX_LOOK_UPS: usize = 64;
/// Pops that a subscriber may be behind before it is told of a gap.
const POPS: usize = 1_024;
/// Questions that may wait.
const ASKS: usize = 256;
/// Who waited before the start is read within that.
const START: Duration = Duration::from_secs(10);

/// What subscribers are told.
#[derive(Clone, Debug)]
pub enum Shown {
    /// An agent is asked.
    Pop(Arc<Pop>),
    /// What a CRM said of whoever rings came after the pop.
    LookedUp(Arc<Pop>),
    /// They have answered, or not.
    Ended {
        /// Which offer.
        offer: OfferId,
        /// Who was asked.
        agent: AgentName,
        /// How it ended.
        outcome: OfferOutcome,
    },
}

/// Who is on each of some calls: the customer and their name.
pub type Named = BTreeMap<CallId, (CustomerId, String)>;

#[derive(Debug)]
enum Ask {
    Shown(oneshot::Sender<Vec<Arc<Pop>>>),
    Named(Vec<CallId>, oneshot::Sender<Named>),
    Review(oneshot::Sender<()>),
}

/// The way to the task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Beside {
    asks: mpsc::Sender<Ask>,
    pops: broadcast::Sender<Shown>,
}

impl Beside {
    /// Starts the task.
    #[must_use]
    pub fn start(customers: Customers, writer: &Writer, floor: mpsc::Sender<FloorAsk>) -> Self {
        let lookups = Lookups::new(customers.store.clone(), Reach::default());
        Self::start_with(customers, writer, floor, lookups)
    }

    /// The same with a CRM that is asked beside the database.
    #[must_use]
    pub fn start_with(customers: Customers, writer: &Writer, floor: mpsc::Sender<FloorAsk>, lookups: Lookups) -> Self {
        let (asks, asked) = mpsc::channel(ASKS);
        let pops = broadcast::Sender::new(POPS);
        let (found_tx, found) = mpsc::channel(MAX_LOOK_UPS);
        let slots = Arc::new(Semaphore::new(MAX_LOOK_UPS));
        let task = Task {
            screens: Screens::default(),
            promised: Promised::default(),
            lookups,
            customers,
            pops: pops.clone(),
            floor,
            found_tx,
            slots,
        };
        tokio::spawn(task.run(writer.told(), found, asked));
        Self { asks, pops }
    }

    /// Pops from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Shown> {
        self.pops.subscribe()
    }

    /// Pops of offers that are open.
    pub async fn shown(&self) -> Vec<Arc<Pop>> {
        self.ask(Ask::Shown).await
    }

    /// Who is on calls, as far as it is certain.
    pub async fn named(&self, calls: Vec<CallId>) -> Named {
        self.ask(|reply| Ask::Named(calls, reply)).await
    }

    /// A suppression is new: whoever is called back is looked at again.
    pub async fn review(&self) {
        self.ask(Ask::Review).await;
    }

    /// A task that is busy is one that knows nothing.
    async fn ask<T: Default>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> T {
        let (reply, answer) = oneshot::channel();
        let answered = async {
            self.asks.send(ask(reply)).await.ok()?;
            answer.await.ok()
        };
        timeout(BUDGET, answered).await.ok().flatten().unwrap_or_default()
    }
}

struct Task {
    screens: Screens,
    lookups: Lookups,
    promised: Promised,
    customers: Customers,
    pops: broadcast::Sender<Shown>,
    floor: mpsc::Sender<FloorAsk>,
    found_tx: mpsc::Sender<Input>,
    slots: Arc<Semaphore>,
}

impl Task {
    async fn run(mut self, mut told: broadcast::Receiver<Told>, mut found: mpsc::Receiver<Input>, mut asks: mpsc::Receiver<Ask>) {
        self.take_up().await;
        loop {
            tokio::select! {
                news = told.recv() => match news {
                    Ok(news) => {
                        let asked = self.promised.hear(&news);
                        promised::review(&self.customers, &self.floor, asked.into_iter().collect());
                        let input = self.input(news);
                        self.give(input);
                    }
                    Err(broadcast::error::RecvError::Lagged(lost)) => {
                        tracing::warn!(lost, "screen pops fell behind the calls: some agents see nobody");
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                Some(input) = found.recv() => self.give(input),
                ask = asks.recv() => match ask {
                    Some(ask) => self.answer(ask),
                    None => return,
                },
            }
        }
    }

    /// Whoever waits since before the start. What happens meanwhile waits in the channel.
    async fn take_up(&mut self) {
        let Ok(Ok(restored)) = timeout(START, self.customers.store.restore()).await else {
            tracing::warn!("who waited before the start cannot be read: their agents see nobody");
            return;
        };
        for item in restored.waiting {
            let is_callback = item.callback.is_some();
            if is_callback {
                self.promised.insert(item.item, item.caller.clone());
            }
            let news = Told::Waits { item: item.item, call: item.call, queue: item.queue, caller: item.caller, is_callback };
            let input = self.input(news);
            self.give(input);
        }
    }

    fn input(&self, news: Told) -> Input {
        match news {
            Told::Arrived { call, origin, from, to } => {
                let outside = follow::outside(&self.customers, &origin, from.as_str(), to.as_str());
                Input::Arrived { call, identity: outside.and_then(|(_, identity)| identity) }
            }
            Told::Doubted { call, proof } => Input::Doubted { call, proof },
            Told::Over { call } => Input::Over(call),
            Told::Waits { item, call, queue, caller, .. } => {
                let identity = Identity::of_caller(caller.as_str(), self.customers.country());
                Input::Waits { item, call, queue, identity }
            }
            Told::Gone { item } => Input::Gone(item),
            Told::Offered { offer, item, agent, why, at } => Input::Offered { offer, item, agent, why, at },
            Told::OfferEnded { offer, outcome } => Input::OfferEnded { offer, outcome },
        }
    }

    fn give(&mut self, input: Input) {
        self.screens.handle(clock::now().at, input);
        while let Some(output) = self.screens.poll() {
            match output {
                Output::LookUp { call, identity, proof } => self.look_up(call, identity, proof),
                // Without subscribers nobody misses it.
                Output::Pop(pop) => drop(self.pops.send(Shown::Pop(pop))),
                Output::LookedUp(pop) => {
                    METRICS.lookups_late.inc();
                    drop(self.pops.send(Shown::LookedUp(pop)));
                }
                Output::Ended { pop, outcome } => {
                    let shown = Shown::Ended { offer: pop.offer, agent: pop.agent.clone(), outcome };
                    drop(self.pops.send(shown));
                }
                Output::Known { item, customer } => {
                    // A floor that is that busy calls back by number only.
                    drop(self.floor.try_send(FloorAsk::Known { item, customer }));
                }
            }
        }
    }

    /// Looks somebody up beside everything else; says so within the budget, whatever the database and the CRM do. What the CRM
    /// says later is told later.
    fn look_up(&self, call: CallId, identity: Option<Identity>, proof: Option<CallerIdentity>) {
        let (customers, lookups, found_tx) = (self.customers.clone(), self.lookups.clone(), self.found_tx.clone());
        let slot = Arc::clone(&self.slots).try_acquire_owned();
        tokio::spawn(async move {
            let began = clock::now();
            let known = async {
                let _held = slot.ok()?;
                timeout(BUDGET, customers.known(identity.as_ref(), proof, began.at)).await.ok().and_then(Result::ok)
            };
            let (wait, number) = (lookups.wait(), identity.as_ref().filter(|identity| identity.kind() == IdentityKind::Phone));
            let mut asked = pin!(async {
                match (wait, number) {
                    (Some(_), Some(number)) => lookups.ask(number.value()).await.ok(),
                    _ => None,
                }
            });
            let waited = timeout(wait.unwrap_or(BUDGET).min(BUDGET), &mut asked);
            let (known, said) = tokio::join!(known, waited);
            // A task that is gone has no screens.
            let tell = async |looked: Option<Looked>| {
                if let Some(looked) = looked {
                    drop(found_tx.send(Input::Looked { call, looked: Arc::new(looked) }).await);
                }
            };
            let is_late = said.is_err();
            tell(said.ok().flatten()).await;
            let took = clock::instant().saturating_duration_since(began.instant);
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            drop(found_tx.send(Input::Found { call, proof, known: known.map(Arc::new), took_ms }).await);
            if is_late {
                tell(asked.await).await;
            }
        });
    }

    fn answer(&self, ask: Ask) {
        // Whoever asked may have stopped waiting.
        match ask {
            Ask::Review(reply) => {
                promised::review(&self.customers, &self.floor, self.promised.all());
                let _asker_is_gone = reply.send(());
            }
            Ask::Shown(reply) => drop(reply.send(self.screens.shown().cloned().collect())),
            Ask::Named(calls, reply) => {
                let name = |call: CallId| {
                    let known: Arc<Known> = self.screens.known(call)?;
                    let row = &known.customer.as_ref()?.row;
                    Some((call, (row.customer, row.name.clone())))
                };
                drop(reply.send(calls.into_iter().filter_map(name).collect()));
            }
        }
    }
}
