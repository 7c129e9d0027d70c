#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;

use tandem_switch::{
    cause::Cause,
    cdr::Origin,
    customers::{Channel, Country, Identity, cases::CaseStatus},
    floor::{Decision, Work},
    id::{CaseId, ConversationId, CustomerId, InteractionId, ItemId, LinkId, NoteId, OfferId, RecordingId},
    link::{LeaveReason, RefuseReason},
};

use super::*;
use crate::store::{CaseRow, CustomerRow, InteractionRow, Record, testing::TestDb};

const AT: Timestamp = Timestamp(1_790_000_000_000_000);

fn item() -> WaitingItem {
    WaitingItem {
        item: ItemId(2),
        call: CallId(1),
        queue: "support".into(),
        caller: "+390212345678".into(),
        skills: Vec::new(),
        priority_minutes: 0,
        virtual_arrival_at: AT,
        callback: None,
        work: Work::default(),
    }
}

fn of_the_floor() -> Vec<FloorEvent> {
    let (offer, agent, at) = (OfferId(3), || "1001".into(), AT);
    let decision = Decision { waited_ms: 1, skills: Vec::new(), considered: Vec::new() };
    vec![
        FloorEvent::Queued { item: item(), rejoined: None, at },
        FloorEvent::Refused { call: CallId(1), queue: "support".into(), reason: RefuseReason::Full, at },
        FloorEvent::Overflowed { item: item(), from: "sales".into(), at },
        FloorEvent::Offered { offer, item: ItemId(2), agent: agent(), decision, at },
        FloorEvent::OfferEnded { offer, item: ItemId(2), agent: agent(), outcome: OfferOutcome::Declined(Cause::Busy), at },
        FloorEvent::CallbackKept { item: item(), at },
        FloorEvent::Left { item: ItemId(2), reason: LeaveReason::TimedOut, at },
        FloorEvent::Finished { item: ItemId(2), agent: agent(), cause: Cause::Normal, at },
        FloorEvent::AgentChanged { agent: agent(), state: AgentState::NotReady { reason: "lunch".into() }, at },
    ]
}

fn of_customers() -> Vec<CustomerChange> {
    let (customer, other, case) = (CustomerId(7), CustomerId(8), CaseId(9));
    let moved = || serde_json::from_value(json!({ "customers": [], "identities": [] })).unwrap_or_default();
    let put = CustomerRow {
        customer,
        name: "Ada".into(),
        language: "it".into(),
        attributes: BTreeMap::new(),
        root: customer,
        created_at: AT,
        changed_at: AT,
    };
    let case_row = CaseRow {
        case,
        customer,
        subject: "No tone".into(),
        topic: Some("support".into()),
        status: CaseStatus::Pending,
        outcome: None,
        reopen_window_s: 60,
        respond_within_s: None,
        resolve_within_s: None,
        opened_at: AT,
        touched_at: AT,
        solved_at: None,
        status_by: "test".into(),
        status_at: AT,
    };
    let interaction = InteractionRow {
        interaction: InteractionId(1),
        conversation: ConversationId(1),
        customer: Some(customer),
        case: Some(case),
        channel: Channel::Voice,
        inbound: true,
        identity: Identity::of_caller("+390212345678", Country::default()),
        candidates: Vec::new(),
        call: Some(CallId(1)),
        queue: None,
        agent: None,
        started_at: AT,
        ended_at: None,
        disposition: None,
    };
    vec![
        CustomerChange::Put(put),
        CustomerChange::Merged { link: LinkId(4), kept: customer, folded: other, why: "the same".into(), moved: moved() },
        CustomerChange::Unmerged { link: LinkId(4), customer: other, moved: moved() },
        CustomerChange::Noted { note: NoteId(5), customer, case: None, body: "Prefers mornings".into() },
        CustomerChange::CasePut(case_row),
        CustomerChange::InteractionStarted(interaction),
        CustomerChange::InteractionEnded { interaction: InteractionId(1), queue: Some("support".into()), agent: None },
        CustomerChange::Disposed { interaction: InteractionId(1), disposition: "sold".into() },
    ]
}

/// What subscribers are told, by kind; and nothing of what is the switch's own business.
#[tokio::test]
async fn every_kind_is_told_in_words_of_its_own() {
    let started = CallStarted {
        call: CallId(1),
        origin: Origin::Trunk("carrier".into()),
        from: "+390212345678".into(),
        to: "1800".into(),
        generation: 1,
        called_back: false,
        at: AT,
    };
    let left = MessageLeft { message: RecordingId(6), mailbox: "office".into(), duration_ms: 7_000, size_bytes: 1, at: AT };
    let mut records = vec![Record::CallStarted(started), Record::MessageLeft(left)];
    records.extend(of_the_floor().into_iter().map(Record::Floor));
    let news = |what| Record::Customer(Box::new(CustomerNews { by: "test".into(), at: AT, what }));
    records.extend(of_customers().into_iter().map(news));
    let db = TestDb::lite();
    let store = db.open().await;
    store.commit(&records).await.unwrap();
    let all: BTreeSet<String> = [ALL.to_owned()].into();
    let mut told = BTreeMap::new();
    for row in store.events_after(0, 100).await.unwrap() {
        assert!(is_wanted(&all, &row.kind), "{}", row.kind);
        let message: Value = serde_json::from_str(&message(&row).unwrap()).unwrap();
        assert_eq!((&message["v"], &message["at"]), (&json!(1), &json!("2026-09-21T14:13:20Z")), "{message}");
        let body = message["body"].as_object().unwrap();
        told.insert(row.kind.to_string(), body.clone());
    }
    // The end of a call is its record; a test with a real call looks at that.
    let missing: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).filter(|kind| !told.contains_key(*kind)).collect();
    assert_eq!(missing, ["call-ended"]);
    for (kind, name, value) in [
        ("call-started", "origin", "trunk:carrier"),
        ("queued", "since", "2026-09-21T14:13:20Z"),
        ("queued", "caller", "+390212345678"),
        ("refused", "why", "full"),
        ("overflowed", "from", "sales"),
        ("offer-ended", "cause", "busy"),
        ("left", "why", "timed-out"),
        ("finished", "agent", "1001"),
        ("agent-changed", "reason", "lunch"),
        ("message-left", "mailbox", "office"),
        ("customers-merged", "why", "the same"),
        ("customer-noted", "by", "test"),
        ("case-put", "opened_at", "2026-09-21T14:13:20Z"),
        ("interaction-started", "address", "+390212345678"),
        ("interaction-ended", "queue", "support"),
        ("interaction-disposed", "disposition", "sold"),
    ] {
        assert_eq!(told[kind][name], value, "{kind}: {:?}", told[kind]);
    }
    assert!(!told["offered"].contains_key("decision"), "who else was weighed is nobody's outside");
}
