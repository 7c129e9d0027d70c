//! Every table that the journal tells of is compared with it.

use tandem_dialplan::Override;
use tandem_switch::{
    floor::{AgentState, FloorEvent, OfferOutcome},
    id::{CallId, ItemId, OfferId, RecordingId},
    link::LeaveReason,
    name::Extension,
};

use super::{at, changed, offered, queued, started};
use crate::store::{
    Audit, Ban, Binding, CallStarted, Generation, Happened, How, KeptAs, MessageLeft, MessageStarted, PlanNews, PlanState,
    Record, RecordingNews, RecordingStarted, ScheduleTurned, Terms, testing::both,
};

fn recording(id: u64, capture: Option<&str>) -> Record {
    let kept = KeptAs { capture: capture.map(Into::into), ..KeptAs::default() };
    let path = format!("2026/11/{id}.wav");
    Record::RecordingStarted(RecordingStarted { kept, recording: RecordingId(id), call: CallId(9), path, at: at(0) })
}

fn recorded(id: u64) -> Record {
    Record::RecordingFinished { recording: RecordingId(id), duration_ms: 4_000, size_bytes: 64_044, at: at(4_000) }
}

fn news(id: u64, what: Happened) -> Record {
    Record::Recording(RecordingNews { recording: RecordingId(id), call: Some(CallId(9)), at: at(5_000), what })
}

fn message(id: u64) -> Record {
    let (message, mailbox, call) = (RecordingId(id), "office".into(), CallId(9));
    Record::MessageStarted(MessageStarted { message, mailbox, call, from: "+3902".into(), path: format!("{id}.wav"), at: at(0) })
}

fn left(id: u64) -> Record {
    let (message, mailbox) = (RecordingId(id), "office".into());
    Record::MessageLeft(MessageLeft { message, mailbox, duration_ms: 3_000, size_bytes: 900, at: at(3_000) })
}

fn device(contact: &str, expires_ms: i64) -> Record {
    let binding = Binding {
        extension: Extension::from("1001"),
        contact: contact.into(),
        source: "udp:127.0.0.1:5062".into(),
        register_call_id: "a@b".into(),
        register_cseq: 1,
        user_agent: None,
        registered_at: at(0),
        expires_at: at(expires_ms),
        way: None,
    };
    Record::BindingPut { binding, refreshed: false }
}

fn ban(source: &str, until_ms: i64) -> Record {
    let source = source.parse().unwrap();
    Record::Banned(Ban { source, offence: "scan".into(), times: 1, at: at(0), until: at(until_ms) })
}

fn turned(schedule: &str, says: Option<Override>) -> Record {
    let (by, why) = ("anna".to_owned(), "fire".to_owned());
    Record::ScheduleTurned(ScheduleTurned { schedule: schedule.into(), says, by, why, at: at(1), until: None })
}

fn plan(generation: u64) -> Record {
    let (by, how, state) = ("x".into(), How::Start, PlanState::InService);
    let (changes, files, terms) = (Vec::new(), Vec::new(), Terms::default());
    Record::PlanLoaded(Box::new(Generation { generation, by, how, state, message: None, changes, terms, files, at: at(0) }))
}

/// Something of everything, with a restart in the middle.
fn everything() -> Vec<Record> {
    let fails =
        |id, lost| Record::RecordingFailed { recording: RecordingId(id), reason: "disk full".into(), lost, at: at(4_000) };
    let marked = |id, heard| Record::MessageMarked { message: RecordingId(id), mailbox: "office".into(), heard, at: at(4_000) };
    let ends = |offer, item, outcome| {
        let (offer, item, agent) = (OfferId(offer), ItemId(item), "1001".into());
        Record::Floor(FloorEvent::OfferEnded { offer, item, agent, outcome, at: at(2_000) })
    };
    let rest = RecordingId(23);
    let replaced = PlanNews { generation: 1, state: PlanState::Replaced, why: "another".into(), by: "x".into(), at: at(3) };
    vec![
        Record::Floor(queued(1, 0)),
        Record::Floor(queued(2, 0)),
        Record::Floor(queued(3, 0)),
        Record::Floor(offered(1, 1, "1001", 1_000)),
        ends(1, 1, OfferOutcome::Declined(tandem_switch::cause::Cause::Busy)),
        Record::Floor(offered(2, 1, "1001", 1_500)),
        ends(2, 1, OfferOutcome::Accepted),
        Record::Floor(FloorEvent::Left { item: ItemId(2), reason: LeaveReason::Abandoned, at: at(2_000) }),
        started(7),
        recording(10, None),
        recorded(10),
        recording(11, Some("raw/11")),
        recorded(11),
        recording(12, Some("raw/12")),
        fails(12, true),
        recording(13, Some("raw/13")),
        recorded(13),
        news(13, Happened::Spooled { remote: "s3/13".into(), stays: false }),
        news(10, Happened::Deleted { by: "retention".into() }),
        recording(14, None),
        message(20),
        left(20),
        marked(20, true),
        message(21),
        left(21),
        message(22),
        Record::MessageGone { message: RecordingId(22), mailbox: "office".into(), why: "too short", at: at(1_000) },
        message(23),
        marked(23, true),
        Record::MessageGone { message: rest, mailbox: "office".into(), why: "deleted", at: at(1_000) },
        device("sip:a", 900_000),
        device("sip:b", 900_000),
        device("sip:c", 10_000),
        Record::BindingRemoved { extension: Extension::from("1001"), contact: "sip:b".into(), at: at(5_000) },
        ban("192.0.2.1", 900_000),
        ban("192.0.2.2", 10_000),
        ban("192.0.2.3", 900_000),
        Record::BanLifted { source: "192.0.2.3".parse().unwrap(), at: at(5_000) },
        turned("office", Some(Override::ForceOpen)),
        turned("lab", Some(Override::ForceClosed)),
        turned("lab", None),
        plan(1),
        plan(2),
        Record::PlanNews(replaced),
        Record::Restarted { stopped_at: at(6_000), taken_up: 1, closed: 0, at: at(20_000) },
    ]
}

#[tokio::test]
async fn every_table_is_compared_and_a_row_that_was_changed_is_found() {
    const CHANGES: [(&str, &str); 10] = [
        ("items", "UPDATE items SET reason = 'timed-out' WHERE state = 'left'"),
        ("offers", "UPDATE offers SET cause = NULL WHERE outcome = 'declined'"),
        ("recordings", "UPDATE recordings SET state = 'finished' WHERE state = 'interrupted'"),
        ("recordings", "DELETE FROM recordings WHERE state = 'failed'"),
        ("messages", "UPDATE messages SET state = 'new' WHERE state = 'heard'"),
        ("bindings", "DELETE FROM bindings WHERE contact = 'sip:a'"),
        ("bans", "UPDATE bans SET until_us = until_us + 1"),
        ("schedule_switches", "DELETE FROM schedule_switches"),
        ("generations", "UPDATE generations SET state = 'in-service' WHERE generation = 1"),
        ("calls", "DELETE FROM calls WHERE ended_us IS NULL"),
    ];
    for db in both().await {
        let store = db.open().await;
        for record in everything() {
            store.commit(std::slice::from_ref(&record)).await.unwrap();
            let verified = store.verify().await.unwrap();
            assert_eq!(verified.different, 0, "{} after {record:?}: {:#?}", db.url, verified.differences);
        }
        let verified = store.verify().await.unwrap();
        let compared: Vec<_> = verified.compared.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
        // Who waits and live offers are compared as a restart finds them, too.
        let wanted = "1 bans, 1 bindings, 1 calls, 2 generations, 4 items, 2 messages, 2 offers, 5 recordings, 1 schedule_switches, 3 waits";
        assert_eq!(compared.join(", "), wanted);
        for (table, change) in CHANGES {
            let before = store.verify().await.unwrap().different;
            assert!(store.db.execute(change, &[]).await.unwrap() > 0, "{change}");
            let verified = store.verify().await.unwrap();
            assert!(verified.different > before, "{change} on {}", db.url);
            assert!(verified.differences.iter().any(|one| one.table == table), "{change}: {:?}", verified.differences);
        }
    }
}

#[tokio::test]
async fn a_device_of_somebody_who_is_gone_is_no_difference_and_a_stranger_is() {
    for db in both().await {
        let store = db.open().await;
        store.commit(&[device("sip:a", 900_000), device("sip:b", 900_000)]).await.unwrap();
        let audit = Audit { who: "anna".into(), what: "person-removed".into(), subject: "1001".into(), from: None, at: at(5) };
        store.commit(&[Record::Audit(audit)]).await.unwrap();
        store.db.execute("DELETE FROM bindings WHERE contact = 'sip:a'", &[]).await.unwrap();
        assert_eq!(store.verify().await.unwrap().different, 0);
        store.db.execute("UPDATE bindings SET contact = 'sip:evil'", &[]).await.unwrap();
        let verified = store.verify().await.unwrap();
        assert_eq!((verified.different, verified.differences[0].row.as_str()), (1, "1001 sip:evil"));
    }
}

#[tokio::test]
async fn a_conversation_that_a_restart_ended_is_in_the_journal() {
    use crate::store::Restart;
    for db in both().await {
        let store = db.open().await;
        let (offer, item, agent) = (OfferId(1), ItemId(1), "1001");
        let accepted =
            FloorEvent::OfferEnded { offer, item, agent: agent.into(), outcome: OfferOutcome::Accepted, at: at(2_000) };
        let ready = changed(agent, AgentState::Ready, 0);
        store.commit(&[ready, queued(1, 0), offered(1, 1, agent, 1_000), accepted].map(Record::Floor)).await.unwrap();
        let nobody = (&[].into(), &[].into());
        let restart = Restart { stopped_at: at(9_000), now: at(60_000), going_on: nobody.0, talking: nobody.1 };
        store.close_orphans(&restart).await.unwrap();
        let story = store.why(item).await.unwrap().unwrap();
        assert_eq!((story.ended_at, story.reason.as_deref()), (Some(at(9_000)), Some("restart")));
        assert_eq!(store.verify().await.unwrap().different, 0);
        let call = CallStarted {
            call: CallId(8),
            origin: tandem_switch::cdr::Origin::Trunk("t".into()),
            from: "1".into(),
            to: "2".into(),
            generation: 1,
            called_back: false,
            at: at(0),
        };
        store.commit(&[Record::CallStarted(call)]).await.unwrap();
        assert_eq!(store.verify().await.unwrap().different, 0, "a call that is up");
    }
}
