//! What each record does to the tables.

use tandem_dialplan::Override;
use tandem_switch::{
    cause::Cause,
    channel::Channel,
    floor::{AgentState, FloorEvent, OfferOutcome, Preferred, Restored, ReturnReason, Side, Standing, WaitingItem, Work},
    id::{CallId, ItemId, OfferId, RecordingId},
    identity::CallerIdentity,
    link::LeaveReason,
    name::Extension,
    step::AgentRequest,
    toll::TollSpent,
};

use super::{at, cdr, changed, ended, offered, queued, started, waiting};
use crate::store::{
    Ban, Binding, BindingWay, CallRecord, CdrFilter, Generation, GenerationRow, How, PlanFile, PlanState, Record,
    RecordingStarted, RecordingState, ScheduleTurned, Terms,
    testing::{both, promise},
};

#[tokio::test]
async fn a_cdr_reads_back_as_it_was_written() {
    for db in both().await {
        let store = db.open().await;
        store.commit(&[started(1), started(2), ended(1)]).await.unwrap();
        let expected = CallRecord {
            cdr: cdr(1),
            quality: Some(serde_json::json!({ "mos": 4.2 })),
            identity: Some(CallerIdentity::VerifiedB),
            customer: None,
            case: None,
        };
        assert_eq!(store.cdr(CallId(1)).await.unwrap(), Some(expected));
        assert_eq!(store.cdr(CallId(2)).await.unwrap(), None, "it goes on");
        // The beginning and the end of a call that is over soon are one row, and two in the journal.
        assert_eq!(store.events_after(0, 10).await.unwrap().len(), 3);
        store.commit(&[started(3)]).await.unwrap();
        store.commit(&[ended(3)]).await.unwrap();
        assert_eq!(
            store.cdr(CallId(3)).await.unwrap().map(|record| record.cdr),
            Some(cdr(3)),
            "nor does it matter if they are not"
        );
        // Written again, as after a doubtful commit, it is still one call.
        store.commit(&[ended(1)]).await.unwrap();
        assert_eq!(store.cdrs(&CdrFilter::default(), 10).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn cdrs_come_in_pages_newest_first_and_filtered() {
    for db in both().await {
        let store = db.open().await;
        let records: Vec<Record> = (1..=150).map(ended).collect();
        store.commit(&records).await.unwrap();
        let mut seen = Vec::new();
        let mut filter = CdrFilter { number: Some("1800".into()), agent: Some("1002".into()), ..CdrFilter::default() };
        loop {
            let page = store.cdrs(&filter, 40).await.unwrap();
            let Some(last) = page.last() else { break };
            filter.before = Some(last.cdr.call);
            seen.extend(page.iter().map(|record| record.cdr.call.0));
        }
        assert_eq!(seen, (1..=150).rev().collect::<Vec<u64>>());
        for miss in [
            CdrFilter { number: Some("999".into()), ..CdrFilter::default() },
            CdrFilter { queue: Some("sales".into()), ..CdrFilter::default() },
            CdrFilter { cause: Some("busy".into()), ..CdrFilter::default() },
            CdrFilter { from_at: Some(at(1)), ..CdrFilter::default() },
            CdrFilter { to_at: Some(at(0)), ..CdrFilter::default() },
        ] {
            assert!(store.cdrs(&miss, 10).await.unwrap().is_empty(), "{miss:?}");
        }
    }
}

/// The events of a floor that saw everything: the tables must say what folding them says.
fn busy_floor() -> Vec<FloorEvent> {
    let wrap_up = AgentState::WrapUp { until_at: at(40_000) };
    let ask = |agent: &str, request, ms| FloorEvent::AgentAsked { agent: agent.into(), request, at: at(ms) };
    let end = |offer, item, agent: &str, outcome, ms| FloorEvent::OfferEnded {
        offer: OfferId(offer),
        item: ItemId(item),
        agent: agent.into(),
        outcome,
        at: at(ms),
    };
    let elsewhere = WaitingItem { queue: "sales".into(), virtual_arrival_at: at(21), ..waiting(5, 20) };
    let overflowed = FloorEvent::Overflowed { item: elsewhere, from: "support".into(), at: at(705) };
    let promised = WaitingItem { callback: Some(Box::new(promise())), ..waiting(4, 40) };
    vec![
        changed("1001", AgentState::Ready, 1),
        changed("1002", AgentState::Ready, 2),
        changed("1003", AgentState::NotReady { reason: "lunch".into() }, 3),
        changed("1004", AgentState::Offline, 4),
        queued(1, 10),
        queued(2, 20),
        queued(3, 30),
        queued(4, 40),
        offered(1, 1, "1001", 100),
        changed("1001", AgentState::Reserved { offer: OfferId(1) }, 100),
        end(1, 1, "1001", OfferOutcome::Accepted, 200),
        changed("1001", AgentState::Engaged { item: Some(ItemId(1)) }, 200),
        ask("1001", AgentRequest::SignOut, 250),
        offered(2, 2, "1002", 300),
        end(2, 2, "1002", OfferOutcome::Declined(Cause::Rejected), 400),
        FloorEvent::Left { item: ItemId(3), reason: LeaveReason::Abandoned, at: at(450) },
        FloorEvent::Finished { item: ItemId(1), agent: "1001".into(), cause: Cause::Normal, at: at(500) },
        changed("1001", wrap_up, 500),
        offered(3, 4, "1002", 600),
        changed("1002", AgentState::Reserved { offer: OfferId(3) }, 600),
        FloorEvent::Queued { item: waiting(5, 20), rejoined: Some(ItemId(2)), at: at(700) },
        overflowed,
        FloorEvent::CallbackKept { item: promised, at: at(706) },
        FloorEvent::Prioritised {
            item: WaitingItem { priority_minutes: 9, virtual_arrival_at: at(21), queue: "sales".into(), ..waiting(5, 20) },
            from_minutes: 2,
            reason: "a complaint".into(),
            at: at(707),
        },
        ask("1003", AgentRequest::SignOut, 710),
        ask("1003", AgentRequest::Ready, 720),
        FloorEvent::Queued { item: chat(6), rejoined: None, at: at(800) },
        FloorEvent::Queued { item: chat(7), rejoined: None, at: at(801) },
        offered(6, 6, "1002", 810),
        end(6, 6, "1002", OfferOutcome::Accepted, 820),
        turned(6, Standing::Interrupted, Side::Agent, 830),
        turned(6, Standing::Parked, Side::Customer, 840),
        offered(7, 7, "1002", 850),
        end(7, 7, "1002", OfferOutcome::Accepted, 860),
        turned(7, Standing::Active, Side::Customer, 870),
        FloorEvent::Returned { item: chat(7), agent: "1002".into(), reason: ReturnReason::Stirred, at: at(880) },
    ]
}

/// A chat that is kept for somebody.
fn chat(item: u64) -> WaitingItem {
    let preferred = Some(Preferred { agent: "1002".into(), until_at: at(90_000) });
    let work =
        Work { channel: Channel::Chat, load: tandem_switch::demand::Load::Heavy, preferred, deadline_at: Some(at(99_000)) };
    WaitingItem { work, ..waiting(item, 60) }
}

fn turned(item: u64, standing: Standing, turn: Side, ms: i64) -> FloorEvent {
    FloorEvent::ConversationChanged { item: ItemId(item), agent: "1002".into(), standing, turn, at: at(ms) }
}

#[tokio::test]
async fn the_tables_say_what_folding_the_journal_says() {
    for db in both().await {
        let store = db.open().await;
        let mut folded = Restored::default();
        for (n, event) in busy_floor().into_iter().enumerate() {
            folded.apply(&event);
            store.commit(&[Record::Floor(event)]).await.unwrap();
            let mut restored = store.restore().await.unwrap();
            for list in [&mut folded.waiting, &mut restored.waiting] {
                list.sort_by_key(|waiting| (waiting.virtual_arrival_at, waiting.item));
            }
            assert_eq!(restored, folded, "after event {n}");
        }
        let held: Vec<_> = folded.held.iter().map(|held| (held.conversation.item.item.0, held.standing, held.turn)).collect();
        assert_eq!(held, [(6, Standing::Parked, Side::Customer)]);
        let ids: Vec<u64> = folded.waiting.iter().map(|item| item.item.0).collect();
        assert_eq!(ids, [5, 4, 7]);
        assert_eq!(folded.waiting[0].queue.as_str(), "sales");
        assert_eq!(folded.waiting[1].callback.as_ref().map(|promise| promise.tries.left), Some(2));
    }
}

#[tokio::test]
async fn why_tells_who_was_asked_and_how_it_ended() {
    for db in both().await {
        let store = db.open().await;
        let events: Vec<Record> = busy_floor().into_iter().map(Record::Floor).collect();
        store.commit(&events).await.unwrap();
        let story = store.why(ItemId(1)).await.unwrap().unwrap();
        assert_eq!((story.state.as_str(), story.agent, story.reason.as_deref()), ("served", Some("1001".into()), Some("normal")));
        assert_eq!((story.served_at, story.ended_at), (Some(at(200)), Some(at(500))));
        assert_eq!(story.offers[0].decision.considered[0].why, "idle longest: 312 s");
        assert_eq!(story.offers[0].outcome.as_deref(), Some("accepted"));
        assert_eq!(story.events.len(), 4);
        let declined = store.why(ItemId(2)).await.unwrap().unwrap();
        assert_eq!((declined.state.as_str(), declined.offers[0].cause.as_deref()), ("rejoined", Some("rejected")));
        assert_eq!(store.why(ItemId(3)).await.unwrap().unwrap().reason.as_deref(), Some("abandoned"));
        assert_eq!(store.why(ItemId(999)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn recordings_bindings_and_plans_read_back() {
    for db in both().await {
        let store = db.open().await;
        let recording = |id| {
            Record::RecordingStarted(RecordingStarted {
                kept: crate::store::KeptAs::default(),
                recording: RecordingId(id),
                call: CallId(9),
                path: format!("2026/11/{id}.wav"),
                at: at(0),
            })
        };
        let outbound = Some(("<urn:uuid:1>".to_owned(), 2));
        let way = BindingWay { q: 300, path: vec!["<sip:edge.example;lr;ob>".to_owned()], outbound };
        let binding = Binding {
            extension: Extension::from("1001"),
            contact: "sip:1001@127.0.0.1:5062".into(),
            source: "udp:127.0.0.1:5062".into(),
            register_call_id: "a@b".into(),
            register_cseq: 7,
            user_agent: Some("phone\0with a NUL".into()),
            registered_at: at(0),
            expires_at: at(60_000),
            way: Some(way.clone()),
        };
        let plan = Generation {
            generation: 4,
            by: "start".into(),
            how: How::Start,
            state: PlanState::InService,
            message: None,
            changes: Vec::new(),
            terms: Terms::default(),
            files: vec![PlanFile { file: "routes.kdl".into(), sha256: "00".into() }],
            at: at(0),
        };
        let refreshed = Binding { expires_at: at(120_000), register_cseq: 8, ..binding.clone() };
        let before = store.head().await.unwrap();
        store
            .commit(&[
                recording(1),
                recording(2),
                Record::RecordingFinished { recording: RecordingId(1), duration_ms: 4_000, size_bytes: 64_044, at: at(4_000) },
                Record::RecordingFailed { recording: RecordingId(2), reason: "disk full".into(), lost: false, at: at(10) },
                Record::BindingPut { binding, refreshed: false },
                Record::BindingPut { binding: refreshed, refreshed: true },
                Record::PlanLoaded(Box::new(plan.clone())),
            ])
            .await
            .unwrap();
        assert_eq!(store.head().await.unwrap() - before, 6, "a refresh is no news");
        let rows = store.recordings(Some(CallId(9)), None, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.state).collect::<Vec<_>>(), [RecordingState::Failed, RecordingState::Finished]);
        assert_eq!(store.recording(RecordingId(1)).await.unwrap().unwrap().size_bytes, Some(64_044));
        assert_eq!(store.recordings(None, Some(RecordingId(2)), 10).await.unwrap().len(), 1);
        let bindings = store.bindings(at(90_000)).await.unwrap();
        assert_eq!((bindings.len(), bindings[0].register_cseq), (1, 8));
        assert_eq!(bindings[0].way.as_ref(), Some(&way));
        assert_eq!(bindings[0].user_agent.as_deref(), Some("phone\u{fffd}with a NUL"));
        assert!(store.bindings(at(120_000)).await.unwrap().is_empty(), "expired");
        assert_eq!(store.generations(None, 5).await.unwrap(), [GenerationRow { taken: plan, news: None }]);
        let contact = "sip:1001@127.0.0.1:5062".to_owned();
        store.commit(&[Record::BindingRemoved { extension: "1001".into(), contact, at: at(1) }]).await.unwrap();
        assert!(store.bindings(at(0)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_was_spent_of_a_cap_is_there_after_a_restart_for_a_day() {
    let spent = |who: &str, in_day: u32, ms: i64| -> TollSpent {
        let body = format!(r#"{{"who":{{"extension":"{who}"}},"hour":[1,1],"day":[2,{in_day},3],"at":{}}}"#, at(ms).0);
        serde_json::from_str(&body).unwrap()
    };
    for db in both().await {
        let store = db.open().await;
        let head = store.head().await.unwrap();
        store.commit(&[Record::TollSpent(vec![spent("1001", 1, 0), spent("1002", 1, 5_000)])]).await.unwrap();
        store.commit(&[Record::TollSpent(vec![spent("1001", 2, 9_000)])]).await.unwrap();
        assert_eq!(store.head().await.unwrap(), head, "no news for the journal");
        assert_eq!(store.toll_spent(at(10_000)).await.unwrap(), [spent("1001", 2, 9_000), spent("1002", 1, 5_000)]);
        assert_eq!(store.toll_spent(at(86_406_000)).await.unwrap(), [spent("1001", 2, 9_000)]);
    }
}

#[tokio::test]
async fn emergency_switches_are_there_after_a_restart_until_they_are_turned_back() {
    for db in both().await {
        let store = db.open().await;
        let turned = |schedule: &str, says, since, until: Option<i64>| ScheduleTurned {
            schedule: schedule.into(),
            says,
            by: "anna".to_owned(),
            why: "fire".to_owned(),
            at: at(since),
            until: until.map(at),
        };
        let (closed, open) = (Some(Override::ForceClosed), Some(Override::ForceOpen));
        let all = [
            turned("office", closed, 0, None),
            turned("night", open, 1, Some(60)),
            turned("office", open, 2, None),
            turned("lab", closed, 3, None),
            turned("lab", None, 4, None),
        ];
        store.commit(&all.map(Record::ScheduleTurned)).await.unwrap();
        let night = turned("night", open, 1, Some(60));
        let office = turned("office", open, 2, None);
        assert_eq!(store.schedule_switches(at(10)).await.unwrap(), [night, office.clone()]);
        assert_eq!(store.schedule_switches(at(60)).await.unwrap(), [office]);
        let journal = store.events_after(0, 10).await.unwrap();
        assert_eq!(journal.iter().filter(|row| &*row.kind == "schedule-turned").count(), 5);
        assert!(journal[0].body.contains("anna") && journal[0].body.contains("fire"), "{journal:?}");
    }
}

#[tokio::test]
async fn bans_are_there_after_a_restart_until_they_end_or_are_lifted() {
    for db in both().await {
        let store = db.open().await;
        let ban = |source: &str, times, until| Ban {
            source: source.parse().unwrap(),
            offence: "scan".to_owned(),
            times,
            at: at(0),
            until: at(until),
        };
        let records = [ban("192.0.2.1", 1, 60), ban("192.0.2.1", 2, 240), ban("2001:db8::", 1, 60), ban("192.0.2.3", 1, 900)];
        store.commit(&records.map(Record::Banned)).await.unwrap();
        let kept = |now| {
            let store = store.clone();
            async move { store.bans(at(now)).await.unwrap() }
        };
        assert_eq!(kept(10).await.len(), 3);
        assert_eq!(kept(100).await, [ban("192.0.2.1", 2, 240), ban("192.0.2.3", 1, 900)]);
        let source = "192.0.2.1".parse().unwrap();
        store.commit(&[Record::BanLifted { source, at: at(110) }]).await.unwrap();
        assert_eq!(kept(120).await, [ban("192.0.2.3", 1, 900)]);
    }
}
