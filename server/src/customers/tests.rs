//! Customers at work, on both databases.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tandem_switch::{
    cause::{Blame, Cause},
    cdr::{Cdr, Origin},
    customers::{
        Channel, Identity,
        cases::{CaseStatus, REOPEN_WINDOW_S},
        consent::{Rule, Whose},
        matching::Matched,
    },
    floor::{Considered, Decision, FloorEvent, WaitingItem},
    id::{CallId, CaseId, ConsentId, CustomerId, InteractionId, ItemId, LinkId, NoteId, OfferId},
    identity::CallerIdentity,
    name::{PartyNumber, TrunkName},
    time::Timestamp,
};
use tokio::sync::{broadcast, mpsc, watch};

use super::{
    Customers,
    beside::{Beside, Shown},
    follow,
    import::Importer,
    screens::Pop,
};
use crate::store::{
    CallStarted, CaseRow, CustomerChange, CustomerRow, DispositionRow, IdentityRow, InteractionRow, Record, Store, Writer,
    testing::both,
};
use crate::wire::floor::FloorAsk;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + ms)
}

fn customers(store: &Store) -> Customers {
    Customers::new(store.clone(), watch::channel(Some("IT".to_owned())).1)
}

async fn add(customers: &Customers, id: u64, numbers: &[&str]) {
    let customer = CustomerId(id);
    let row = CustomerRow {
        customer,
        name: format!("Customer {id}"),
        language: "it".into(),
        attributes: BTreeMap::new(),
        root: customer,
        created_at: at(0),
        changed_at: at(0),
    };
    let identity = |number: &&str| {
        CustomerChange::IdentityPut(IdentityRow {
            customer,
            identity: Identity::of_caller(number, customers.country()).unwrap(),
            verified: true,
            source: "test".into(),
            confidence: 100,
            valid_from: at(-1_000),
            valid_to: None,
        })
    };
    let changes = [CustomerChange::Put(row)].into_iter().chain(numbers.iter().map(identity)).collect();
    customers.commit("test", at(0), changes).await.unwrap();
}

async fn merge(customers: &Customers, link: u64, kept: u64, folded: u64) {
    let roots = [CustomerId(kept), CustomerId(folded)];
    let mut links = customers.store.customer_links(&roots).await.unwrap();
    let (kept, folded, moved) = links.merge(LinkId(link), roots[0], roots[1]).unwrap();
    let change = CustomerChange::Merged { link: LinkId(link), kept, folded, why: "same".into(), moved };
    customers.commit("test", at(1), vec![change]).await.unwrap();
}

fn case(id: u64, customer: u64, status: CaseStatus, topic: Option<&str>) -> CustomerChange {
    CustomerChange::CasePut(CaseRow {
        case: CaseId(id),
        customer: CustomerId(customer),
        subject: "It does not work".into(),
        topic: topic.map(str::to_owned),
        status,
        outcome: None,
        reopen_window_s: REOPEN_WINDOW_S,
        respond_within_s: None,
        resolve_within_s: None,
        opened_at: at(0),
        touched_at: at(0),
        solved_at: (status == CaseStatus::Solved).then_some(at(0)),
        status_by: "test".into(),
        status_at: at(0),
    })
}

fn began(call: u64, from: &str) -> Record {
    Record::CallStarted(CallStarted {
        call: CallId(call),
        origin: Origin::Trunk(TrunkName::from("carrier")),
        from: PartyNumber::from(from),
        to: PartyNumber::from("1800"),
        generation: 1,
        called_back: false,
        at: at(1_000),
    })
}

fn ended(call: u64, from: &str, proof: Option<CallerIdentity>) -> Record {
    let cdr = Cdr {
        call: CallId(call),
        origin: Origin::Trunk(TrunkName::from("carrier")),
        from: PartyNumber::from(from),
        to: PartyNumber::from("1800"),
        route: None,
        queue: Some("billing".into()),
        agent: Some("1002".into()),
        answered_by: None,
        started_at: at(1_000),
        answered_at: Some(at(1_100)),
        connected_at: Some(at(2_000)),
        ended_at: at(9_000),
        waited_ms: 900,
        talked_ms: 7_000,
        cause: Cause::Normal,
        blame: Blame::Caller,
        recording: None,
        generation: 1,
        restarts: 0,
        told: BTreeMap::new(),
        segments: Vec::new(),
    };
    Record::CallEnded { cdr: Box::new(cdr), quality: None, identity: proof, was_kept: false }
}

/// The journal alone makes the same tables.
async fn told(store: &Store, tables: &[&str]) {
    let verified = store.verify().await.unwrap();
    assert_eq!(verified.differences, []);
    for table in tables {
        assert!(verified.compared.get(table).is_some_and(|rows| *rows > 0), "{table}: {:?}", verified.compared);
    }
}

async fn spell(customers: &Customers, call: u64) -> InteractionRow {
    customers.store.interaction(InteractionId(call)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_call_joins_its_customer_and_their_open_case_once() {
    for db in both().await {
        let store = db.open().await;
        let all = customers(&store);
        add(&all, 1, &["+390230412345"]).await;
        all.commit("test", at(0), vec![case(7, 1, CaseStatus::Pending, None)]).await.unwrap();
        follow::caught_up(&all).await.unwrap();
        store.commit(&[began(100, "02 30412345"), began(101, "anonymous"), began(102, "+442079460018")]).await.unwrap();
        follow::caught_up(&all).await.unwrap();
        let row = spell(&all, 100).await;
        assert_eq!((row.customer, row.case, row.ended_at), (Some(CustomerId(1)), Some(CaseId(7)), None));
        assert_eq!(row.identity.as_ref().map(Identity::value), Some("+390230412345"));
        assert_eq!(spell(&all, 101).await.identity, None, "who withholds their number is nobody");
        assert_eq!((spell(&all, 102).await.customer, spell(&all, 102).await.candidates), (None, Vec::new()));
        assert_eq!(store.case(CaseId(7)).await.unwrap().unwrap().touched_at, at(1_000));
        store.commit(&[ended(100, "02 30412345", None)]).await.unwrap();
        follow::caught_up(&all).await.unwrap();
        let row = spell(&all, 100).await;
        assert_eq!((row.queue.as_deref(), row.agent.as_deref(), row.ended_at), (Some("billing"), Some("1002"), Some(at(9_000))));
        // As after a `kill -9` between what came of the journal and the note of how far it was read.
        let before = store.events_after(0, 1_000).await.unwrap();
        all.commit("test", at(0), vec![CustomerChange::ReadUpTo(0)]).await.unwrap();
        follow::caught_up(&all).await.unwrap();
        assert_eq!(store.events_after(0, 1_000).await.unwrap(), before, "nothing is written twice");
        assert_eq!(store.interactions_of(CustomerId(1), None, 10).await.unwrap(), [row]);
        told(&store, &["customers", "identities", "cases", "case_states", "conversations", "interactions"]).await;
    }
}

#[tokio::test]
async fn a_solved_case_opens_again_when_a_call_was_about_it() {
    for db in both().await {
        let store = db.open().await;
        let all = customers(&store);
        add(&all, 1, &["+390230412345"]).await;
        all.commit("test", at(0), vec![case(7, 1, CaseStatus::Solved, Some("billing"))]).await.unwrap();
        follow::caught_up(&all).await.unwrap();
        store.commit(&[began(100, "+390230412345")]).await.unwrap();
        follow::caught_up(&all).await.unwrap();
        assert_eq!(spell(&all, 100).await.case, None, "nobody knows yet what it is about");
        store.commit(&[ended(100, "+390230412345", None)]).await.unwrap();
        follow::caught_up(&all).await.unwrap();
        assert_eq!(spell(&all, 100).await.case, Some(CaseId(7)));
        let case = store.case(CaseId(7)).await.unwrap().unwrap();
        assert_eq!((case.status, case.status_by.as_str(), case.status_at), (CaseStatus::Open, "the switch", at(9_000)));
        let states = store.case_states(CaseId(7)).await.unwrap();
        assert_eq!(states.iter().map(|state| state.status).collect::<Vec<_>>(), [CaseStatus::Solved, CaseStatus::Open]);
        told(&store, &["cases", "case_states"]).await;
    }
}

#[tokio::test]
async fn a_doubtful_caller_is_a_candidate_and_a_forged_one_is_taken_back() {
    for db in both().await {
        let store = db.open().await;
        let all = customers(&store);
        add(&all, 1, &["+390230412345", "+393471234567"]).await;
        add(&all, 2, &["+393471234567"]).await;
        follow::caught_up(&all).await.unwrap();
        store.commit(&[began(100, "+393471234567"), began(101, "+390230412345")]).await.unwrap();
        follow::caught_up(&all).await.unwrap();
        let row = spell(&all, 100).await;
        assert_eq!((row.customer, row.candidates.len()), (None, 2));
        assert_eq!(spell(&all, 101).await.customer, Some(CustomerId(1)));
        store.commit(&[ended(101, "+390230412345", Some(CallerIdentity::BadSignature))]).await.unwrap();
        follow::caught_up(&all).await.unwrap();
        assert_eq!(spell(&all, 101).await.customer, None);
        told(&store, &["interactions"]).await;
    }
}

#[tokio::test]
async fn a_merge_joins_everything_and_undoing_it_restores_everything() {
    for db in both().await {
        let store = db.open().await;
        let all = customers(&store);
        add(&all, 1, &["+390230412345"]).await;
        add(&all, 2, &["+390230412345", "+393471234567"]).await;
        add(&all, 3, &["+442079460018"]).await;
        let shared = Identity::of_caller("+390230412345", all.country()).unwrap();
        assert!(matches!(all.whose(&shared, None, at(5)).await.unwrap(), Matched::Candidates(_)));
        merge(&all, 10, 2, 1).await;
        merge(&all, 11, 3, 2).await;
        assert_eq!(all.certain(&shared, at(5)).await.unwrap(), Some(CustomerId(3)));
        assert_eq!(store.identities_of(CustomerId(3)).await.unwrap().len(), 4);
        assert_eq!(store.links_of(CustomerId(3)).await.unwrap().len(), 2);
        // The first one is undone first: what came later holds.
        let mut links = store.customer_links(&[CustomerId(3)]).await.unwrap();
        let (customer, moved) = links.undo(LinkId(10)).unwrap();
        let undone = CustomerChange::Unmerged { link: LinkId(10), customer, moved };
        all.commit("test", at(2), vec![undone]).await.unwrap();
        assert_eq!(store.link_root(LinkId(10)).await.unwrap(), None);
        assert_eq!(store.link_root(LinkId(11)).await.unwrap(), Some(CustomerId(3)));
        assert_eq!(store.identities_of(CustomerId(1)).await.unwrap().len(), 1);
        assert_eq!(store.identities_of(CustomerId(3)).await.unwrap().len(), 3);
        assert!(matches!(all.whose(&shared, None, at(5)).await.unwrap(), Matched::Candidates(_)));
        told(&store, &["customers", "customer_links"]).await;
    }
}

#[tokio::test]
async fn what_the_journal_does_not_say_is_found_without_telling_whom_it_is_about() {
    for db in both().await {
        let store = db.open().await;
        let all = customers(&store);
        add(&all, 1, &["+390230412345"]).await;
        let consent = Rule {
            consent: ConsentId(1),
            whose: Whose::Customer(CustomerId(1)),
            allowed: false,
            purpose: Some("marketing".into()),
            channel: Some(Channel::Voice),
            jurisdiction: None,
            source: "register".into(),
            proof: None,
            valid_from: at(0),
            valid_to: None,
        };
        let disposition = DispositionRow { code: "sold".into(), label: "They bought".into(), offered: true };
        let note = CustomerChange::Noted { note: NoteId(1), customer: CustomerId(1), case: None, body: "x".into() };
        let ended = CustomerChange::ConsentEnded { consent: ConsentId(1) };
        let changes = vec![CustomerChange::ConsentPut(consent), CustomerChange::DispositionPut(disposition), note, ended];
        all.commit("test", at(3), changes).await.unwrap();
        told(&store, &["consents", "dispositions", "customer_notes"]).await;
        store.scribble("UPDATE customers SET name = 'Eve', language = 'xx'").await;
        store.scribble("DELETE FROM identities").await;
        let verified = store.verify().await.unwrap();
        let found: Vec<_> = verified
            .differences
            .iter()
            .map(|one| (one.table, one.row.as_str(), one.journal.as_deref(), one.found.as_deref()))
            .collect();
        let id = CustomerId(1).to_string();
        let (other, phone) = (Some("another name, language"), format!("{id} phone"));
        let expected =
            [("customers", id.as_str(), other, Some("name, language")), ("identities", &phone, Some("there is one"), None)];
        assert_eq!(found, expected);
    }
}

async fn imported(all: &Customers, file: &str, dry_run: bool, piece: usize) -> (Vec<u64>, [u64; 5]) {
    let mut importer = Importer::new(all.clone(), "test".into(), b',', dry_run);
    let mut refused = Vec::new();
    for piece in file.as_bytes().chunks(piece) {
        refused.extend(importer.push(piece, at(10)).await.unwrap());
    }
    let (last, report) = importer.end(at(10)).await.unwrap();
    refused.extend(last);
    let counts = [report.rows, report.added, report.changed, report.same, report.refused];
    (refused.iter().map(|row| row.line).collect(), counts)
}

#[tokio::test]
async fn an_import_is_taken_once_however_often_it_is_given_and_says_what_it_refuses() {
    let mut file = "external_id,name,phone,attribute:plan\n".to_owned();
    for number in 0..450 {
        file.push_str(&format!("crm:{number},Customer {number},+39 02 3041 {number:04},gold\r\n"));
    }
    file.push_str("crm:7,Customer 7,not a number,gold\n,Nobody,,\ncrm:3,Renamed,,\n");
    for db in both().await {
        let store = db.open().await;
        let all = customers(&store);
        let tried = imported(&all, &file, true, 1_000).await;
        assert_eq!(store.customers_after(None, 10).await.unwrap(), [], "a dry run writes nothing");
        assert_eq!(tried.1[0], 453);
        assert_eq!(imported(&all, &file, false, 77).await, (vec![452, 453], [453, 450, 1, 0, 2]));
        let head = store.head().await.unwrap();
        let again = file.replace("crm:3,Customer 3,", "crm:3,Renamed,");
        assert_eq!(imported(&all, &again, false, 1 << 20).await, (vec![452, 453], [453, 0, 0, 451, 2]));
        assert_eq!(store.head().await.unwrap(), head, "the same again changes nothing");
        let page = store.customers_by_name("renam", None, 10).await.unwrap();
        assert_eq!((page.len(), page[0].attributes["plan"].as_str()), (1, "gold"));
        let number = Identity::of_caller("0230410003", all.country()).unwrap();
        assert_eq!(all.certain(&number, at(20)).await.unwrap(), Some(page[0].customer));
    }
}

fn waits(item: u64, call: u64) -> Record {
    let item = WaitingItem {
        item: ItemId(item),
        call: CallId(call),
        queue: "billing".into(),
        caller: "02 30412345".into(),
        skills: Vec::new(),
        priority_minutes: 0,
        virtual_arrival_at: at(0),
        callback: None,
        work: tandem_switch::floor::Work::default(),
    };
    Record::Floor(FloorEvent::Queued { item, rejoined: None, at: at(0) })
}

fn asked(offer: u64, item: u64) -> Record {
    let why = "idle longest: 5 s".to_owned();
    let considered = vec![Considered { agent: "1002".into(), why }];
    let decision = Decision { waited_ms: 5, skills: Vec::new(), considered };
    let (offer, item) = (OfferId(offer), ItemId(item));
    Record::Floor(FloorEvent::Offered { offer, item, agent: "1002".into(), decision, at: at(1) })
}

async fn popped(shown: &mut broadcast::Receiver<Shown>) -> Arc<Pop> {
    match tokio::time::timeout(Duration::from_secs(20), shown.recv()).await.unwrap().unwrap() {
        Shown::Pop(pop) => pop,
        Shown::Ended { .. } | Shown::LookedUp(_) => panic!("nothing has ended or comes late"),
    }
}

#[tokio::test]
async fn whoever_rings_is_on_the_screen_and_a_database_that_hangs_holds_nobody_up() {
    for db in both().await {
        let store = db.open().await;
        let all = customers(&store);
        add(&all, 1, &["+390230412345"]).await;
        all.commit("test", at(0), vec![case(7, 1, CaseStatus::Pending, None), case(8, 1, CaseStatus::Closed, None)])
            .await
            .unwrap();
        // Somebody waited before the start.
        store.commit(&[waits(4, 99)]).await.unwrap();
        let (writer, _writing) = Writer::start(store.clone());
        let (floor, mut told) = mpsc::channel(8);
        let beside = Beside::start(all.clone(), &writer, floor);
        let mut shown = beside.listen();
        for record in [began(100, "02 30412345"), waits(5, 100)] {
            writer.try_write(record).unwrap();
        }
        let news = told.recv().await.unwrap();
        assert!(matches!(news, FloorAsk::Known { item: ItemId(5), customer: CustomerId(1) }), "{news:?}");
        writer.try_write(asked(50, 5)).unwrap();
        let pop = popped(&mut shown).await;
        let known = pop.known.customer.as_ref().unwrap();
        assert_eq!((known.row.name.as_str(), known.identities.len()), ("Customer 1", 1));
        assert_eq!(known.open_cases.iter().map(|case| case.case).collect::<Vec<_>>(), [CaseId(7)]);
        assert_eq!((pop.why.as_str(), pop.agent.as_str(), pop.call), ("idle longest: 5 s", "1002", Some(CallId(100))));
        assert_eq!(beside.shown().await, [pop]);
        assert_eq!(beside.named(vec![CallId(100), CallId(3)]).await[&CallId(100)], (CustomerId(1), "Customer 1".to_owned()));
        writer.try_write(asked(51, 4)).unwrap();
        assert_eq!(popped(&mut shown).await.known.certain(), Some(CustomerId(1)), "who waited before the start");

        writer.flush().await.unwrap();
        let hung = store.hang().await;
        for record in [began(101, "02 30412345"), waits(6, 101), asked(52, 6)] {
            writer.try_write(record).unwrap();
        }
        let pop = popped(&mut shown).await;
        assert_eq!((pop.offer, pop.known.because.as_str()), (OfferId(52), "the database did not answer in time"));
        assert!(pop.took_ms >= 150, "{}", pop.took_ms);
        drop(hung);
        writer.flush().await.unwrap();
        writer.try_write(asked(53, 6)).unwrap();
        assert_eq!(popped(&mut shown).await.known.certain(), Some(CustomerId(1)), "it answers again");
    }
}
