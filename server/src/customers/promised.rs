//! Whether somebody who is to be called back may still be: asked when it is promised, when the agent who will call is rung, and
//! of all at once when a suppression is written down. The agent is called first, so the answer is there before the customer is.

use std::{collections::BTreeMap, time::Duration};

use tandem_switch::{
    customers::{
        Channel, Identity,
        consent::{Question, SERVICE},
    },
    id::ItemId,
    name::PartyNumber,
    time::Timestamp,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::Customers;
use crate::{
    clock,
    store::{Audit, Doer, Record, StoreError, Told},
    wire::floor::FloorAsk,
};

/// Who withdraws, for the audit.
const BY: &str = "suppression";
/// The floor answers within that, or the callback was not withdrawn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who is called back.
#[derive(Debug, Default)]
pub(super) struct Promised(BTreeMap<ItemId, PartyNumber>);

impl Promised {
    /// Whoever is there from before.
    pub(super) fn insert(&mut self, item: ItemId, caller: PartyNumber) {
        self.0.insert(item, caller);
    }

    /// Who is to be asked about because of some news.
    pub(super) fn hear(&mut self, news: &Told) -> Option<(ItemId, PartyNumber)> {
        match news {
            Told::Waits { item, caller, is_callback: true, .. } => {
                self.0.insert(*item, caller.clone());
                Some((*item, caller.clone()))
            }
            Told::Offered { item, .. } => self.0.get(item).map(|caller| (*item, caller.clone())),
            Told::Gone { item } => {
                self.0.remove(item);
                None
            }
            _ => None,
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(ItemId, PartyNumber)> {
        self.0.iter().map(|(item, caller)| (*item, caller.clone())).collect()
    }
}

impl Customers {
    /// Why a number may not be called back; `None`: it may.
    ///
    /// # Errors
    /// The database.
    pub async fn not_called_back(&self, number: &str, now: Timestamp) -> Result<Option<String>, StoreError> {
        let Some(identity) = Identity::of_caller(number, self.country()) else { return Ok(None) };
        let customer = self.certain(&identity, now).await?;
        // They asked for it, or somebody of ours did for them.
        self.refused(Question { identity: &identity, customer, purpose: SERVICE, channel: Channel::Voice, at: now }).await
    }
}

/// Withdraws those who may not be called, with a row in the audit.
pub(super) fn review(customers: &Customers, floor: &mpsc::Sender<FloorAsk>, promised: Vec<(ItemId, PartyNumber)>) {
    if promised.is_empty() {
        return;
    }
    let (customers, floor) = (customers.clone(), floor.clone());
    tokio::spawn(async move {
        for (item, caller) in promised {
            match customers.not_called_back(caller.as_str(), clock::now().at).await {
                Ok(None) => {}
                Ok(Some(why)) => withdraw(&customers, &floor, item, &why).await,
                // Whoever asked for the call gets it: a database that is away is no wish of theirs.
                Err(error) => {
                    tracing::warn!(%item, %error, "nobody knows whether a customer may be called back: they are");
                }
            }
        }
    });
}

async fn withdraw(customers: &Customers, floor: &mpsc::Sender<FloorAsk>, item: ItemId, why: &str) {
    let (done, was_there) = oneshot::channel();
    let asked = async {
        floor.send(FloorAsk::DropCallback { item, done }).await.ok()?;
        was_there.await.ok()
    };
    match timeout(PATIENCE, asked).await.ok().flatten() {
        Some(true) => {
            tracing::info!(%item, why, "a callback is withdrawn: the customer may not be called");
            let audit = Audit::of(Doer::from(BY), "callback-cancelled", format!("{item}: {why}"), clock::now().at);
            if let Err(error) = customers.store.commit(&[Record::Audit(audit)]).await {
                tracing::warn!(%item, %error, "the audit does not say that a callback is withdrawn");
            }
        }
        Some(false) => {}
        None => tracing::warn!(%item, "a callback that may not be made could not be withdrawn: the floor does not answer"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use tandem_switch::{
        customers::{
            IdentityKind,
            consent::{Rule, Whose},
        },
        floor::{Considered, Decision, FloorEvent, WaitingItem},
        id::{CallId, ConsentId, OfferId},
    };
    use tokio::sync::watch;

    use super::*;
    use crate::{
        customers::beside::Beside,
        store::{
            CustomerChange, Store, Writer,
            testing::{both, promise},
        },
    };

    const ANNA: &str = "+390212345678";

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_790_000_000_000 + ms)
    }

    fn item(item: u64, caller: &str, is_callback: bool) -> WaitingItem {
        WaitingItem {
            item: ItemId(item),
            call: CallId(item + 100),
            queue: "billing".into(),
            caller: caller.into(),
            skills: Vec::new(),
            priority_minutes: 0,
            virtual_arrival_at: at(0),
            callback: is_callback.then(|| Box::new(promise())),
            work: tandem_switch::floor::Work::default(),
        }
    }

    fn kept(item: WaitingItem) -> Record {
        Record::Floor(FloorEvent::CallbackKept { item, at: at(0) })
    }

    fn offered(offer: u64, item: u64) -> Record {
        let considered = vec![Considered { agent: "1002".into(), why: String::new() }];
        let decision = Decision { waited_ms: 5, skills: Vec::new(), considered };
        let (offer, item) = (OfferId(offer), ItemId(item));
        Record::Floor(FloorEvent::Offered { offer, item, agent: "1002".into(), decision, at: at(1) })
    }

    async fn never(customers: &Customers, number: &str) {
        let rule = Rule {
            consent: ConsentId(1),
            whose: Whose::Identity(Identity::kept(IdentityKind::Phone, number.to_owned())),
            allowed: false,
            purpose: None,
            channel: Some(Channel::Voice),
            jurisdiction: None,
            source: "letter".into(),
            proof: None,
            valid_from: at(0),
            valid_to: None,
        };
        customers.commit("test", at(0), vec![CustomerChange::ConsentPut(rule)]).await.unwrap();
    }

    /// The next callback that the floor is told to drop.
    async fn dropped(floor: &mut mpsc::Receiver<FloorAsk>) -> ItemId {
        match timeout(Duration::from_secs(20), floor.recv()).await.unwrap().unwrap() {
            FloorAsk::DropCallback { item, done } => {
                done.send(true).unwrap();
                item
            }
            other => panic!("{other:?}"),
        }
    }

    async fn audits(store: &Store) -> Vec<String> {
        let rows = store.events_after(0, 1_000).await.unwrap();
        rows.iter().filter(|row| &*row.kind == "audit").map(|row| row.body.clone()).collect()
    }

    #[tokio::test]
    async fn whoever_says_no_is_not_called_back_and_the_audit_says_why() {
        for db in both().await {
            let store = db.open().await;
            let customers = Customers::new(store.clone(), watch::channel(Some("IT".to_owned())).1);
            // From before the start, and from after it.
            let queued = FloorEvent::Queued { item: item(1, ANNA, false), rejoined: None, at: at(0) };
            store.commit(&[Record::Floor(queued), kept(item(1, ANNA, true))]).await.unwrap();
            let (writer, _writing) = Writer::start(store.clone());
            let (floor_tx, mut floor) = mpsc::channel(8);
            let beside = Beside::start(customers.clone(), &writer, floor_tx);
            for record in [kept(item(2, "+390212345679", true)), offered(50, 2)] {
                writer.try_write(record).unwrap();
            }
            writer.flush().await.unwrap();
            assert_eq!(customers.not_called_back(ANNA, at(9)).await.unwrap(), None);
            never(&customers, ANNA).await;
            let why = customers.not_called_back("02 12345678", at(9)).await.unwrap();
            assert_eq!(why.as_deref(), Some("is suppressed for all purposes on voice, by letter"));
            beside.review().await;
            assert_eq!(dropped(&mut floor).await, ItemId(1), "a new no counts at once, and of nobody else");

            // One that is promised although there is a no; and one whose agent is rung before anybody heard of the promise.
            writer.try_write(kept(item(3, ANNA, true))).unwrap();
            assert_eq!(dropped(&mut floor).await, ItemId(3));
            writer.try_write(offered(51, 3)).unwrap();
            assert_eq!(dropped(&mut floor).await, ItemId(3), "asked again when the agent is rung");
            // The audit is written after the floor has answered; a row that comes later is waited for.
            let told = async {
                loop {
                    let said = audits(&store).await;
                    if said.len() >= 3 {
                        return said;
                    }
                    tokio::task::yield_now().await;
                }
            };
            let said = timeout(Duration::from_secs(20), told).await.unwrap();
            assert!(said.iter().all(|body| body.contains("callback-cancelled") && body.contains("by letter")), "{said:?}");
            assert!(floor.try_recv().is_err());
        }
    }
}
