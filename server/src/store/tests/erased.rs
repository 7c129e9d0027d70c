//! Customers who want to be gone: no word about them is left anywhere, figures and others stay, and the tables still are what
//! the journal says.

use std::collections::BTreeMap;

use tandem_switch::{
    customers::{
        Channel, Identity, IdentityKind,
        cases::CaseStatus,
        consent::{Question, Rule, Whose, may_contact},
    },
    id::{CallId, CaseId, ConsentId, CustomerId, LinkId, NoteId},
    time::Timestamp,
};
use tokio::sync::watch;

use super::{
    at,
    privacy::{lives, places_of},
};
use crate::{
    customers::{Customers, follow},
    privacy::{Person, PrivacyError, Wanted},
    store::{CaseRow, CustomerChange, CustomerRow, IdentityRow, PersonCall, Redaction, Store, testing::both},
};

const ANNA: &str = "+390212345678";
const SECOND: &str = "+393471234567";
const MAIL: &str = "sparrow.anna@example.com";
const BOB: &str = "+390212345679";

fn customers(store: &Store) -> Customers {
    Customers::new(store.clone(), watch::channel(Some("IT".to_owned())).1)
}

fn put(id: u64, name: &str) -> CustomerChange {
    let customer = CustomerId(id);
    CustomerChange::Put(CustomerRow {
        customer,
        name: name.to_owned(),
        language: "it".into(),
        attributes: BTreeMap::from([("likes".to_owned(), format!("{name} attribute"))]),
        root: customer,
        created_at: at(0),
        changed_at: at(0),
    })
}

fn has(id: u64, kind: IdentityKind, value: &str) -> CustomerChange {
    CustomerChange::IdentityPut(IdentityRow {
        customer: CustomerId(id),
        identity: Identity::kept(kind, value.to_owned()),
        verified: true,
        source: "test".into(),
        confidence: 100,
        valid_from: at(-1_000),
        valid_to: None,
    })
}

fn case(id: u64, customer: u64, word: &str) -> CustomerChange {
    CustomerChange::CasePut(CaseRow {
        case: CaseId(id),
        customer: CustomerId(customer),
        subject: format!("{word} subject"),
        topic: Some("support".into()),
        status: CaseStatus::Solved,
        outcome: Some(format!("{word} outcome")),
        reopen_window_s: 3_600,
        respond_within_s: None,
        resolve_within_s: None,
        opened_at: at(0),
        touched_at: at(0),
        solved_at: Some(at(0)),
        status_by: "test".into(),
        status_at: at(0),
    })
}

fn no(id: u64, whose: Whose, purpose: &str, channel: Option<Channel>, allowed: bool) -> CustomerChange {
    CustomerChange::ConsentPut(Rule {
        consent: ConsentId(id),
        whose,
        allowed,
        purpose: Some(purpose.to_owned()),
        channel,
        jurisdiction: None,
        source: "form".into(),
        proof: Some(format!("{} proof", if id == 34 { "bystander" } else { "sparrow" })),
        valid_from: at(0),
        valid_to: None,
    })
}

fn phone(number: &str) -> Identity {
    Identity::kept(IdentityKind::Phone, number.to_owned())
}

/// Anna is two customers who are one, with everything that customers can have; Bob is somebody else.
async fn fill(customers: &Customers) {
    follow::caught_up(customers).await.unwrap();
    let note = |id, customer, body: &str| CustomerChange::Noted {
        note: NoteId(id),
        customer: CustomerId(customer),
        case: None,
        body: body.to_owned(),
    };
    let changes = vec![
        put(1, "Sparrow Anna"),
        has(1, IdentityKind::Phone, ANNA),
        has(1, IdentityKind::Email, MAIL),
        put(2, "Sparrow Second"),
        has(2, IdentityKind::Phone, SECOND),
        put(3, "Bystander Bob"),
        has(3, IdentityKind::Phone, BOB),
        note(11, 1, "sparrow note"),
        note(12, 3, "bystander note"),
        case(21, 1, "sparrow"),
        case(22, 3, "bystander"),
        no(31, Whose::Identity(phone(ANNA)), "marketing", None, false),
        no(32, Whose::Customer(CustomerId(2)), "survey", Some(Channel::Voice), false),
        no(33, Whose::Identity(phone(SECOND)), "offers", None, true),
        no(34, Whose::Identity(phone(BOB)), "marketing", None, true),
    ];
    customers.commit("test", at(0), changes).await.unwrap();
    let roots = [CustomerId(1), CustomerId(2)];
    let mut links = customers.store.customer_links(&roots).await.unwrap();
    let (kept, folded, moved) = links.merge(LinkId(41), roots[0], roots[1]).unwrap();
    let merged = CustomerChange::Merged { link: LinkId(41), kept, folded, why: "sparrow why".into(), moved };
    customers.commit("test", at(1), vec![merged]).await.unwrap();
    lives(&customers.store, 101, ANNA, 0).await;
    lives(&customers.store, 102, BOB, 1_000).await;
    // The carrier writes it as it is dialled at home.
    lives(&customers.store, 103, "3471234567", 2_000).await;
    follow::caught_up(customers).await.unwrap();
}

/// As the server does it, without files.
async fn erase(customers: &Customers, wanted: Wanted, suppress: bool, now: Timestamp) -> (Person, String) {
    let store = &customers.store;
    let person = Person::find(customers, wanted).await.unwrap();
    let redaction = Redaction::of(&person.numbers);
    for number in &person.numbers {
        for message in store.messages_of(number, None, 10).await.unwrap() {
            let (message, mailbox) = (message.message, message.mailbox);
            let gone = crate::store::Record::MessageGone { message, mailbox, why: "erased", at: now };
            store.commit(&[gone]).await.unwrap();
        }
    }
    let mut calls: Vec<PersonCall> = Vec::new();
    for root in &person.roots {
        let page = person.calls(store, *root, None).await.unwrap();
        calls.extend(page.into_iter().filter_map(|(_, call)| call));
    }
    for number in &person.numbers {
        calls.extend(store.calls_of(number, None, 10).await.unwrap());
    }
    for call in calls {
        store.erase_call(&call, &redaction.and(&call.outside()), now).await.unwrap();
    }
    person.erase(customers, &redaction, ("test", suppress, now)).await.unwrap();
    for number in &person.numbers {
        let mut after = Some(0);
        while let Some(seq) = after {
            after = store.erase_events(number, &redaction, seq).await.unwrap().0;
        }
    }
    (person, redaction.tombstone().to_owned())
}

fn wanted(texts: &[&str], customers: &Customers) -> Wanted {
    let mut wanted = Wanted::default();
    texts.iter().for_each(|text| wanted.add(text, customers.country()).unwrap());
    wanted
}

async fn may(customers: &Customers, identity: &Identity, purpose: &str) -> bool {
    let rules = customers.store.consent_rules(Some(identity), None).await.unwrap();
    may_contact(&rules, Question { identity, customer: None, purpose, channel: Channel::Voice, at: at(99_999) }).may
}

const CANARIES: [&str; 4] = ["parrow", "390212345678", "3471234567", MAIL];

#[tokio::test]
async fn no_word_about_a_customer_is_left_and_every_figure_is() {
    for db in both().await {
        let store = db.open().await;
        let customers = customers(&store);
        fill(&customers).await;
        let before = places_of(&store, "parrow").await;
        for place in ["customers.name", "customer_notes.body", "cases.subject", "cases.outcome", "consents.proof", "journal.body"]
        {
            assert!(before.iter().any(|hit| hit == place), "the test fills {place}: {before:?}");
        }
        let others = [places_of(&store, "ystander").await, places_of(&store, "390212345679").await];
        let counts = async || {
            let tables =
                ["customers", "customer_notes", "cases", "case_states", "conversations", "interactions", "customer_links"];
            let mut counts = Vec::new();
            for table in tables {
                let sql = String::leak(format!("SELECT COUNT(*) AS many FROM {table}"));
                counts.push(store.db.fetch(sql, &[]).await.unwrap()[0].count("many").unwrap());
            }
            counts
        };
        let counted = counts().await;

        // By one number of hers, as somebody would write it.
        let (person, tombstone) = erase(&customers, wanted(&["02 12345678"], &customers), false, at(50_000)).await;
        assert_eq!((person.all.members.len(), person.all.shared), (2, 0));
        for canary in CANARIES {
            assert_eq!(places_of(&store, canary).await, Vec::<String>::new(), "{canary}");
        }
        assert_eq!([places_of(&store, "ystander").await, places_of(&store, "390212345679").await], others, "others stay");
        assert_eq!(counts().await, counted);
        assert!(store.identities_of(CustomerId(1)).await.unwrap().is_empty());
        assert_eq!(store.customer(CustomerId(1)).await.unwrap().unwrap().name, tombstone);
        assert_eq!(store.cases_of(CustomerId(1), 9).await.unwrap()[0].status, CaseStatus::Open, "their call had opened it again");
        assert_eq!(store.interactions_of(CustomerId(1), None, 9).await.unwrap().len(), 2, "and so does when they called");
        let listed = store.customers_by_name("", None, 9).await.unwrap();
        assert_eq!(listed.iter().map(|row| row.customer.0).collect::<Vec<_>>(), [3]);
        let verified = store.verify().await.unwrap();
        assert_eq!(verified.different, 0, "the tables still are what the journal says: {:?}", verified.differences);

        // Calling again they are somebody new, and once more finds what is new only.
        lives(&store, 104, ANNA, 60_000).await;
        follow::caught_up(&customers).await.unwrap();
        let row = store.interaction(tandem_switch::id::InteractionId(104)).await.unwrap().unwrap();
        assert_eq!(row.customer, None);
        let (person, _) = erase(&customers, wanted(&[ANNA], &customers), false, at(70_000)).await;
        assert_eq!(person.all.members, []);
        assert_eq!(places_of(&store, "390212345678").await, Vec::<String>::new());
        assert!(store.cdr(CallId(104)).await.unwrap().unwrap().cdr.from.as_str().starts_with("erased-"));
        assert_eq!(store.verify().await.unwrap().different, 0);
    }
}

#[tokio::test]
async fn whoever_must_not_be_contacted_still_must_not_and_nobody_can_read_who_that_is() {
    for db in both().await {
        let store = db.open().await;
        let customers = customers(&store);
        fill(&customers).await;
        assert!(!may(&customers, &phone(ANNA), "marketing").await);
        erase(&customers, wanted(&[MAIL], &customers), false, at(50_000)).await;
        for (number, purpose, expected) in [
            (ANNA, "marketing", false),
            (ANNA, "survey", false),
            (SECOND, "survey", false),
            (SECOND, "service", true),
            (BOB, "marketing", true),
            (BOB, "service", true),
        ] {
            assert_eq!(may(&customers, &phone(number), purpose).await, expected, "{number} {purpose}");
        }
        let why = store.consent_rules(Some(&phone(ANNA)), None).await.unwrap();
        assert!(why.iter().all(|rule| rule.source == "erasure" && rule.proof.is_none()), "{why:?}");

        // And somebody who says never again.
        erase(&customers, wanted(&[BOB], &customers), true, at(60_000)).await;
        assert!(!may(&customers, &phone(BOB), "service").await);
        assert_eq!(places_of(&store, "390212345679").await, Vec::<String>::new());
        assert_eq!(store.verify().await.unwrap().different, 0);
    }
}

#[tokio::test]
async fn a_number_of_several_is_nobodys_until_somebody_says_whose() {
    for db in both().await {
        let store = db.open().await;
        let customers = customers(&store);
        fill(&customers).await;
        // Bob has Anna's number, too: they live together.
        customers.commit("test", at(5), vec![has(3, IdentityKind::Phone, ANNA)]).await.unwrap();
        let told = Person::find(&customers, wanted(&[ANNA], &customers)).await.unwrap_err();
        assert!(matches!(&told, PrivacyError::Shared(who) if who.len() == 2), "{told}");
        let bob = Wanted { customers: vec![CustomerId(3)], ..Wanted::default() };
        let (person, _) = erase(&customers, bob, false, at(50_000)).await;
        assert_eq!(person.all.shared, 1);
        assert_eq!(places_of(&store, "ystander").await, Vec::<String>::new());
        assert_eq!(store.identities_of(CustomerId(1)).await.unwrap().len(), 3, "hers stay hers");
        assert_eq!(store.cdr(CallId(101)).await.unwrap().unwrap().cdr.from.as_str(), ANNA);
        assert_eq!(store.verify().await.unwrap().different, 0);
    }
}

#[tokio::test]
async fn an_address_that_moved_before_its_calls_aged_leaves_journal_and_tables_equal() {
    for db in both().await {
        let store = db.open().await;
        let customers = customers(&store);
        fill(&customers).await;
        let row = |customer| IdentityRow {
            customer: CustomerId(customer),
            identity: phone(ANNA),
            verified: true,
            source: "test".into(),
            confidence: 100,
            valid_from: at(-1_000),
            valid_to: None,
        };
        let mut changes = vec![CustomerChange::IdentityMoved { row: row(3), from: CustomerId(1) }];
        for conversation in store.conversations_by(&phone(ANNA), CustomerId(1)).await.unwrap() {
            let customer = Some(CustomerId(3));
            changes.push(CustomerChange::ConversationMoved { conversation, customer, case: None });
        }
        assert_eq!(changes.len(), 2);
        customers.commit("test", at(20_000), changes).await.unwrap();
        for call in store.calls_to_erase(at(90_000), None, 10).await.unwrap() {
            store.erase_call(&call, &Redaction::of(&call.outside()), at(90_000)).await.unwrap();
        }
        assert!(!places_of(&store, ANNA).await.contains(&"interactions.value".to_owned()), "age reaches interactions");
        let verified = store.verify().await.unwrap();
        assert_eq!(verified.different, 0, "{:?}", verified.differences);
    }
}
