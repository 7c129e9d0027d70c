//! What each resource shows and does.

use std::{
    io::Write as _,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tandem_media::archive::finish::Format;
use tandem_switch::{
    cause::{Blame, Cause},
    cdr::{Cdr, Origin},
    floor::{FloorEvent, WaitingItem},
    id::{CallId, ItemId, RecordingId},
};
use tokio::sync::mpsc;

use super::{Fixture, at, request};
use crate::{
    http::{app, control::Control},
    metrics::QUEUE_METRICS,
    recordings::Archive,
    store::{KeptAs, MessageLeft, MessageStarted, Record, RecordingStarted},
};

fn cdr(call: u64) -> Record {
    let cdr = Cdr {
        call: CallId(call),
        origin: Origin::Trunk("acme".into()),
        from: "+3902".into(),
        to: "1800".into(),
        route: None,
        queue: Some("support".into()),
        agent: None,
        answered_by: None,
        started_at: at(250),
        answered_at: None,
        connected_at: None,
        ended_at: at(1_000),
        waited_ms: 700,
        talked_ms: 0,
        cause: Cause::Cancelled,
        blame: Blame::Caller,
        recording: None,
        generation: 1,
        restarts: 0,
        told: [("wacid".to_owned(), "wacid.1==".to_owned())].into(),
        segments: Vec::new(),
    };
    Record::CallEnded { cdr: Box::new(cdr), quality: None, identity: None, was_kept: false }
}

#[tokio::test]
async fn queues_agents_and_calls_are_shown_as_the_loops_tell() {
    let fixture = Fixture::start().await;
    let queue = fixture.get(&fixture.read, "/api/v1/queues/support").await.good();
    assert_eq!((&queue["waiting"], &queue["longest_wait_ms"]), (&json!(2), &json!(60_250)));
    assert_eq!(queue["items"][1]["position"], 2);
    assert_eq!(queue["items"][0]["waited_ms"], 60_000);
    let agent = fixture.get(&fixture.read, "/api/v1/agents/1001").await.good();
    assert_eq!((&agent["state"], &agent["since"]), (&json!("ready"), &json!("2026-09-21T14:13:20Z")));
    let call = fixture.get(&fixture.read, "/api/v1/calls/0000000000005").await.good();
    assert_eq!((&call["stage"], &call["queue"]), (&json!("live"), &json!("support")));
}

#[tokio::test]
async fn an_agents_state_is_changed_and_the_audit_knows_by_whom() {
    let mut fixture = Fixture::start().await;
    let body = json!({ "state": "not-ready", "reason": "lunch" });
    for method in [Method::PUT, Method::POST] {
        let agent = fixture.order(method, &fixture.operate, "/api/v1/agents/1001/state", body.clone()).await.good();
        assert_eq!((&agent["state"], &agent["reason"]), (&json!("not-ready"), &json!("lunch")));
        assert_eq!(
            fixture.asked.recv().await.unwrap(),
            "\"1001\": NotReady { reason: \"lunch\" }".replace('"', "").replace("lunch", "\"lunch\"")
        );
    }
    fixture.order(Method::PUT, &fixture.operate, "/api/v1/agents/9/state", json!({ "state": "ready" })).await.problem(404);
    let path = "/api/v1/agents/1002/state";
    fixture.order(Method::PUT, &fixture.operate, path, body).await.problem(409);
    fixture.order(Method::PUT, &fixture.operate, path, json!({ "state": "sign-out" })).await.good();
    fixture.send(request(Method::POST, "/api/v1/calls/0000000000005/hangup", Some(&fixture.operate), None)).await.good();
    fixture.send(request(Method::POST, "/api/v1/calls/0000000000006/hangup", Some(&fixture.operate), None)).await.problem(404);
    fixture.control.writer.flush().await.unwrap();
    let events = fixture.control.store.events_after(0, 100).await.unwrap();
    let done: Vec<_> = events.iter().filter(|row| row.body.contains("test control")).map(|row| row.body.as_str()).collect();
    assert_eq!(done.len(), 4, "{events:?}");
    assert!(done[0].contains("agent-state-changed") && done[3].contains("call-hung-up"));
}

#[tokio::test]
async fn bans_are_shown_and_lifted_by_an_address() {
    let fixture = Fixture::start().await;
    let bans = fixture.get(&fixture.read, "/api/v1/bans").await.good();
    assert_eq!(
        (&bans[0]["source"], &bans[0]["offence"], &bans[0]["times"]),
        (&json!("192.0.2.7"), &json!("passwords"), &json!(2))
    );
    let lift = |path: &'static str| fixture.send(request(Method::DELETE, path, Some(&fixture.operate), None));
    lift("/api/v1/bans/192.0.2.7").await.good();
    lift("/api/v1/bans/192.0.2.8").await.problem(404);
    lift("/api/v1/bans/office").await.problem(400);
}

#[tokio::test]
async fn the_emergency_switch_of_a_schedule_is_turned_with_a_reason_and_for_a_while() {
    let fixture = Fixture::start().await;
    let all = fixture.get(&fixture.read, "/api/v1/schedules").await.good();
    assert_eq!((&all[0]["schedule"], &all[0]["open"], &all[0]["switch"]), (&json!("office"), &json!(true), &json!(null)));
    fixture.get(&fixture.read, "/api/v1/schedules/office").await.good();
    fixture.get(&fixture.read, "/api/v1/schedules/night").await.problem(404);
    let put = |schedule: &str, body| {
        let path = format!("/api/v1/schedules/{schedule}/switch");
        let request = request(Method::PUT, &path, Some(&fixture.operate), Some(Value::to_string(&body)));
        fixture.send(request)
    };
    let closed = put("office", json!({ "says": "force-closed", "why": "fire", "for_s": 7200 })).await.good();
    assert_eq!((&closed["open"], &closed["switch"]["says"]), (&json!(false), &json!("force-closed")));
    assert_eq!(closed["switch"]["why"], "fire");
    assert!(closed["switch"]["by"].as_str().unwrap().contains("test control"), "{closed}");
    assert!(closed["switch"]["until"].as_str() > closed["switch"]["at"].as_str(), "{closed}");
    for (schedule, body, status) in [
        ("day", json!({ "says": "force-open", "why": "x" }), 404),
        ("office", json!({ "says": "force-open", "why": " " }), 400),
        ("office", json!({ "says": "force-open", "why": "a\u{1b}[2J" }), 400),
        ("office", json!({ "says": "force-open", "why": "x".repeat(201) }), 400),
        ("office", json!({ "says": "force-open", "why": "x", "for_s": 0 }), 400),
        ("office", json!({ "says": "force-open", "why": "x", "until": "2001-01-01T00:00:00Z" }), 400),
        ("office", json!({ "says": "force-open", "why": "x", "until": "2101-01-01T00:00:00Z", "for_s": 5 }), 400),
        ("office", json!({ "says": "open", "why": "x" }), 422),
    ] {
        put(schedule, body).await.problem(status);
    }
    let follow = |path: &'static str| fixture.send(request(Method::DELETE, path, Some(&fixture.operate), None));
    follow("/api/v1/schedules/office/switch?why=over").await.good();
    follow("/api/v1/schedules/night/switch").await.problem(409);
    let reader = request(Method::DELETE, "/api/v1/schedules/office/switch", Some(&fixture.read), None);
    fixture.send(reader).await.problem(403);
    fixture.control.writer.flush().await.unwrap();
    let events = fixture.control.store.events_after(0, 100).await.unwrap();
    let audited = |what| events.iter().filter(|row| &*row.kind == "audit" && row.body.contains(what)).count();
    assert_eq!((audited("schedule-forced-closed"), audited("schedule-followed")), (1, 1));
}

#[tokio::test]
async fn cdrs_come_in_pages_by_cursor() {
    let fixture = Fixture::start().await;
    let records: Vec<Record> = (10..15).map(cdr).collect();
    fixture.control.store.commit(&records).await.unwrap();
    let first = fixture.get(&fixture.read, "/api/v1/cdrs?limit=3&queue=support&from=2026-09-21T14:13:20Z").await.good();
    assert_eq!(first["cdrs"].as_array().unwrap().len(), 3);
    assert_eq!(first["cdrs"][0]["started_at"], "2026-09-21T14:13:20.25Z");
    assert_eq!(first["cdrs"][0]["origin"], "trunk:acme");
    let next = first["next"].as_str().unwrap();
    let second = fixture.get(&fixture.read, &format!("/api/v1/cdrs?limit=3&before={next}")).await.good();
    assert_eq!((second["cdrs"].as_array().unwrap().len(), &second["next"]), (2, &json!(null)));
    let one = fixture.get(&fixture.read, &format!("/api/v1/calls/{}", CallId(12))).await.good();
    assert_eq!((&one["stage"], &one["cause"], &one["blame"]), (&json!("ended"), &json!("cancelled"), &json!("caller")));
    let number = fixture.get(&fixture.read, "/api/v1/cdrs?number=%2B3902").await.good();
    assert_eq!(number["cdrs"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_recording_is_given_whole_and_in_ranges_and_only_from_its_folder() {
    let fixture = Fixture::start().await;
    let audio: Vec<u8> = (0..200_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    std::fs::write(fixture.recordings.join("a.wav"), &audio).unwrap();
    let outside = fixture.recordings.with_file_name("secret");
    std::fs::write(&outside, "secret").unwrap();
    std::os::unix::fs::symlink(&outside, fixture.recordings.join("link.wav")).unwrap();
    for (id, path) in [(1, "a.wav"), (2, "../secret"), (3, "link.wav"), (4, "gone.wav"), (5, "a.wav")] {
        let started = RecordingStarted {
            kept: KeptAs::default(),
            recording: RecordingId(id),
            call: CallId(9),
            path: path.into(),
            at: at(0),
        };
        let ended = Record::RecordingFinished { recording: RecordingId(id), duration_ms: 1, size_bytes: 1, at: at(1) };
        fixture.control.store.commit(&[Record::RecordingStarted(started)]).await.unwrap();
        if id != 5 {
            fixture.control.store.commit(&[ended]).await.unwrap();
        }
    }
    let path = |id| format!("/api/v1/recordings/{}", RecordingId(id));
    let whole = fixture.get(&fixture.read, &path(1)).await;
    assert_eq!(
        (whole.status, &whole.headers[header::CONTENT_TYPE], &whole.body[..]),
        (StatusCode::OK, &"audio/wav".parse().unwrap(), &audio[..])
    );
    let ranged = |range: &str| {
        let request = Request::builder().uri(path(1)).header(header::RANGE, range);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", fixture.read));
        fixture.send(request.body(axum::body::Body::empty()).unwrap())
    };
    let part = ranged("bytes=100000-170000").await;
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &audio[100_000..=170_000]));
    assert_eq!(part.headers[header::CONTENT_RANGE], "bytes 100000-170000/200000");
    assert_eq!(ranged("bytes=-10").await.body, audio[199_990..]);
    let outside = ranged("bytes=200000-").await;
    outside.problem(416);
    assert_eq!(outside.headers[header::CONTENT_RANGE], "bytes */200000");
    for id in [2, 3, 4] {
        fixture.get(&fixture.read, &path(id)).await.problem(404);
    }
    fixture.get(&fixture.read, &path(5)).await.problem(409);
    let list = fixture.get(&fixture.read, "/api/v1/recordings?limit=2").await.good();
    assert_eq!((&list["recordings"][0]["state"], &list["recordings"][0]["path"]), (&json!("recording"), &json!(null)));
    assert_eq!(list["next"], RecordingId(4).to_string());
    fixture.control.writer.flush().await.unwrap();
    let events = fixture.control.store.events_after(0, 100).await.unwrap();
    assert_eq!(events.iter().filter(|row| row.body.contains("recording-read")).count(), 1);
}

#[tokio::test]
async fn a_sealed_recording_is_opened_in_ranges_and_by_the_page() {
    use tandem_media::archive::sealed::{Key, Writer};
    let mut fixture = Fixture::start().await;
    let audio: Vec<u8> = (0..200_000u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let key = Arc::new(Key::new(&[3; 32]).unwrap());
    let mut file = Writer::new(Vec::new(), &key, &[1; 44], 65_536).unwrap();
    file.write_all(&audio).unwrap();
    std::fs::write(fixture.recordings.join("a.opus.sealed"), file.finish().unwrap()).unwrap();
    let kept = KeptAs { format: Format::Opus, sealed: true, ..KeptAs::default() };
    let started = RecordingStarted { kept, recording: RecordingId(1), call: CallId(9), path: "a.opus.sealed".into(), at: at(0) };
    let ended = Record::RecordingFinished { recording: RecordingId(1), duration_ms: 1, size_bytes: 1, at: at(1) };
    fixture.control.store.commit(&[Record::RecordingStarted(started), ended]).await.unwrap();
    let path = format!("/api/v1/recordings/{}", RecordingId(1));
    let refused = fixture.get(&fixture.read, &path).await;
    refused.problem(500);
    assert!(String::from_utf8_lossy(&refused.body).contains("the configured keys are none"), "{:?}", refused.body);

    let (archive_tx, archive) = tokio::sync::watch::channel(Arc::new(Archive { keys: vec![key], ..Archive::default() }));
    fixture.control.archive = archive;
    fixture.app = app(fixture.control.clone(), axum::Router::new());
    let whole = fixture.get(&fixture.read, &path).await;
    assert_eq!((&whole.headers[header::CONTENT_TYPE], &whole.body[..]), (&"audio/ogg".parse().unwrap(), &audio[..]));

    // The page: a ticket by token, a cookie by ticket, audio by cookie.
    let ticket = fixture.order(Method::POST, &fixture.read, &format!("{path}/ticket"), json!({})).await.good();
    assert!(ticket["player"].as_str().unwrap().starts_with(&format!("{path}/player#")));
    let trade = |ticket: &str| {
        let body = json!({ "ticket": ticket }).to_string();
        fixture.send(request(Method::POST, &format!("{path}/session"), None, Some(body)))
    };
    trade("0.x.00").await.problem(401);
    let traded = trade(ticket["ticket"].as_str().unwrap()).await;
    let cookie = traded.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Strict") && cookie.contains(&format!("Path={path};")), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let listen = |path: &str| {
        let request = Request::builder().uri(path).header(header::COOKIE, &cookie).header(header::RANGE, "bytes=65530-131080");
        fixture.send(request.body(axum::body::Body::empty()).unwrap())
    };
    let part = listen(&path).await;
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &audio[65_530..=131_080]));
    listen(&format!("{path}/waveform")).await.problem(404);
    for other in [format!("/api/v1/recordings/{}", RecordingId(2)), "/api/v1/recordings".to_owned(), "/api/v1/cdrs".to_owned()] {
        listen(&other).await.problem(401);
    }
    let id = fixture.get(&fixture.read, "/api/v1/whoami").await.good()["id"].as_str().unwrap().to_owned();
    fixture.control.store.revoke_token(&id, "test", at(2)).await.unwrap();
    listen(&path).await.problem(401);
    fixture.control.writer.flush().await.unwrap();
    let events = fixture.control.store.events_after(0, 100).await.unwrap();
    assert_eq!(events.iter().filter(|row| row.body.contains("recording-read")).count(), 1, "who listens, once in a while");
    drop(archive_tx);
}

#[tokio::test]
async fn a_loop_that_stands_still_is_named() {
    let fixture = Fixture::start().await;
    let now = crate::clock::now().at;
    fixture.control.ready.floor.beat(now);
    fixture.control.ready.line.beat(tandem_switch::time::Timestamp(now.0 - 15_000_000));
    for path in ["/healthz", "/readyz"] {
        let answer = fixture.send(request(Method::GET, path, None, None)).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.json()["missing"], json!(["the line loop stands still since 15 s"]));
    }
    fixture.control.ready.line.beat(now);
    assert_eq!(fixture.send(request(Method::GET, "/healthz", None, None)).await.good()["status"], "ok");
}

#[tokio::test]
async fn who_has_a_password_for_another_realm_is_told() {
    let fixture = Fixture::start().await;
    let mut person = crate::store::Person::new("1011".into(), "before");
    person.set_password("long enough");
    fixture.control.store.put_person(&person, "test", at(0)).await.unwrap();
    let path = "/api/v1/people/1011";
    assert_eq!(fixture.get(&fixture.admin, path).await.good()["needs_password"], true);
    assert_eq!(fixture.get(&fixture.admin, "/api/v1/people").await.good()[0]["needs_password"], true);
    let password = json!({ "password": "long enough" });
    fixture.order(Method::PUT, &fixture.admin, &format!("{path}/password"), password).await.good();
    assert_eq!(fixture.get(&fixture.admin, path).await.good()["needs_password"], false);
}

#[tokio::test]
async fn people_are_made_changed_and_removed_and_their_secrets_never_shown() {
    let mut fixture = Fixture::start().await;
    let path = "/api/v1/people/1011";
    let admin = fixture.admin.clone();
    fixture.order(Method::PUT, &admin, &format!("{path}/password"), json!({ "password": "long enough" })).await.problem(404);
    let change = json!({ "display_name": "Ada", "queues": ["support"], "skills": [{ "skill": "billing", "level": 3 }] });
    let person = fixture.order(Method::PUT, &admin, path, change).await.good();
    assert_eq!((&person["has_password"], &person["queues"]), (&json!(false), &json!(["support"])));
    fixture.order(Method::PUT, &admin, &format!("{path}/password"), json!({ "password": "short" })).await.problem(400);
    fixture.order(Method::PUT, &admin, &format!("{path}/password"), json!({ "password": "long enough" })).await.good();
    let person =
        fixture.order(Method::PUT, &admin, path, json!({ "device": "sip:a@127.0.0.1:5090", "always_on": true })).await.good();
    assert_eq!(
        (&person["display_name"], &person["device"], &person["has_password"]),
        (&json!("Ada"), &json!("sip:a@127.0.0.1:5090"), &json!(true))
    );
    let stored = fixture.control.store.person(&"1011".into()).await.unwrap().unwrap();
    for shown in [fixture.get(&admin, path).await, fixture.get(&admin, "/api/v1/people").await] {
        let text = String::from_utf8_lossy(&shown.body).into_owned();
        assert!(!text.contains(stored.ha1_md5.as_ref().unwrap().expose()) && !text.contains("ha1"), "{text}");
    }
    fixture.send(request(Method::DELETE, path, Some(&admin), None)).await.good();
    fixture.send(request(Method::DELETE, path, Some(&admin), None)).await.problem(404);
    // Answered after everything that was told before.
    fixture.get(&admin, "/api/v1/queues").await.good();
    let mut told = 0;
    while fixture.asked.try_recv().is_ok() {
        told += 1;
    }
    assert_eq!(told, 4, "the loops are told of each change");
}

#[tokio::test]
async fn a_plan_that_is_not_taken_says_where_it_is_wrong() {
    let fixture = Fixture::start().await;
    let refused = fixture.send(request(Method::POST, "/api/v1/plan/reload", Some(&fixture.admin), None)).await;
    assert_eq!(refused.status, 422);
    let problem = &refused.json()["problems"][0];
    assert_eq!((&problem["file"], &problem["line"], &problem["column"]), (&json!("routes.kdl"), &json!(3), &json!(7)));
    assert_eq!(fixture.get(&fixture.read, "/api/v1/plan").await.good()["generation"], 2);
    assert_eq!(
        fixture.get(&fixture.read, "/api/v1/explain?to=1800&from=1001&at=2026-11-02T09:30:00Z").await.good()["route"],
        "1800"
    );
}

#[tokio::test]
async fn why_joins_the_story_and_the_present() {
    let fixture = Fixture::start().await;
    let item = WaitingItem {
        item: ItemId(7),
        call: CallId(8),
        queue: "support".into(),
        caller: "+3902".into(),
        skills: Vec::new(),
        priority_minutes: 0,
        virtual_arrival_at: at(0),
        callback: None,
        work: tandem_switch::floor::Work::default(),
    };
    fixture.control.store.commit(&[Record::Floor(FloorEvent::Queued { item, rejoined: None, at: at(0) })]).await.unwrap();
    let story = fixture.get(&fixture.read, &format!("/api/v1/items/{}/why", ItemId(7))).await.good();
    assert_eq!((&story["state"], &story["waits_because"]), (&json!("waiting"), &json!("every agent is on a call")));
}

#[tokio::test]
async fn readiness_names_what_is_missing() {
    let fixture = Fixture::start().await;
    let readyz = || fixture.send(request(Method::GET, "/readyz", None, None));
    assert_eq!(readyz().await.good()["status"], "ok");
    let ready = &fixture.control.ready;
    for (part, word) in [(&ready.sip_bound, "SIP"), (&ready.plan_loaded, "plan")] {
        part.store(false, Relaxed);
        let answer = readyz().await;
        assert_eq!(answer.status, 503);
        assert!(answer.json()["missing"][0].as_str().unwrap().contains(word));
        part.store(true, Relaxed);
    }
    ready.draining.store(true, Relaxed);
    assert_eq!(readyz().await.status, 503);
    assert_eq!(fixture.send(request(Method::GET, "/healthz", None, None)).await.status, 200, "alive all the same");
}

#[tokio::test]
async fn metrics_hold_every_row_of_the_table_and_each_queue() {
    let fixture = Fixture::start().await;
    let text = String::from_utf8(fixture.get(&fixture.read, "/metrics").await.body.to_vec()).unwrap();
    assert!(text.contains("\ntandem_agents_signed_in 1\n"), "the floor is asked before its figures are shown");
    for row in crate::metrics::METRICS.table().iter().chain(QUEUE_METRICS) {
        assert!(text.contains(&format!("# TYPE {} {}\n", row.name, row.kind)), "{}", row.name);
    }
    assert!(text.contains("tandem_queue_waiting{queue=\"support\"} 2\n"));
    assert!(text.contains("tandem_queue_longest_wait_seconds{queue=\"support\"} 60.250\n"));
    assert!(text.contains("tandem_queue_offered_total{queue=\"support\"} 7\n"));
    assert!(text.contains("tandem_queue_answered_total{queue=\"support\"} 4\n"));
    assert!(text.contains("tandem_queue_answered_wait_seconds_total{queue=\"support\"} 61.500\n"));
    assert!(text.contains("tandem_agents{state=\"ready\"} 1\ntandem_agents{state=\"reserved\"} 0\n"));
    assert!(text.contains("tandem_queue_agents{queue=\"support\",state=\"ready\"} 1\n"));
}

#[tokio::test]
async fn loops_that_are_full_or_gone_cost_a_503_and_health_still_answers() {
    let fixture = Fixture::start().await;
    let (requests_tx, requests) = mpsc::channel(1);
    let control = Control { requests_tx, ..fixture.control.clone() };
    let fixture = Fixture { app: app(control.clone(), axum::Router::new()), ..fixture };
    control.tell(crate::http::control::ControlRequest::PeopleChanged).unwrap();
    assert!(fixture.get(&fixture.read, "/api/v1/queues").await.problem(503).contains("too many requests wait"));
    drop(requests);
    let answer = fixture.get(&fixture.read, "/api/v1/queues").await;
    assert!(answer.problem(503).contains("stopping"));
    assert_eq!(answer.headers[header::RETRY_AFTER], "2");
    assert_eq!(fixture.get(&fixture.read, "/metrics").await.status, 200);
    assert_eq!(fixture.send(request(Method::GET, "/healthz", None, None)).await.status, 200);
}

#[tokio::test]
async fn messages_are_listed_by_box_given_by_ranges_marked_and_deleted() {
    let mut fixture = Fixture::start().await;
    let audio = vec![7u8; 1_000];
    let lies_there = fixture.recordings.join("m1.wav");
    std::fs::write(&lies_there, &audio).unwrap();
    let started = |id: u64, mailbox: &str, path: &str| {
        let (message, call, from) = (RecordingId(id), CallId(9), "+390612345678".into());
        Record::MessageStarted(MessageStarted {
            message,
            mailbox: mailbox.into(),
            call,
            from,
            path: path.into(),
            at: at(id.cast_signed()),
        })
    };
    let left = |id: u64, mailbox: &str| {
        let (message, mailbox) = (RecordingId(id), mailbox.into());
        Record::MessageLeft(MessageLeft { message, mailbox, duration_ms: 2_500, size_bytes: 1_000, at: at(9) })
    };
    let records = [
        started(1, "1001", "m1.wav"),
        left(1, "1001"),
        started(2, "support", "../secret"),
        left(2, "support"),
        started(3, "1001", "m3.wav"),
    ];
    fixture.control.store.commit(&records).await.unwrap();
    let list = fixture.get(&fixture.read, "/api/v1/messages?mailbox=1001").await.good();
    let all = list["messages"].as_array().unwrap();
    assert_eq!(all.len(), 1, "who still speaks is not among them");
    let expected = json!({
        "message": RecordingId(1).to_string(), "mailbox": "1001", "call": CallId(9).to_string(), "from": "+390612345678",
        "state": "new", "at": all[0]["at"], "duration_ms": 2_500, "size_bytes": 1_000
    });
    assert_eq!(all[0], expected);
    let path = |id| format!("/api/v1/messages/{}", RecordingId(id));
    let asked = Request::builder().uri(path(1)).header(header::RANGE, "bytes=990-");
    let asked = asked.header(header::AUTHORIZATION, format!("Bearer {}", fixture.read));
    let part = fixture.send(asked.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!((part.status.as_u16(), part.body.len()), (206, 10));
    for id in [2, 3, 4] {
        fixture.get(&fixture.read, &path(id)).await.problem(404);
    }
    let heard = fixture.order(Method::PATCH, &fixture.operate, &path(1), json!({ "state": "heard" })).await.good();
    assert_eq!(heard["state"], "heard");
    assert_eq!(fixture.asked.recv().await.unwrap(), format!("{}: Some(true)", RecordingId(1)));
    let kept = fixture.get(&fixture.read, "/api/v1/messages?state=heard").await.good();
    assert_eq!(kept["messages"].as_array().unwrap().len(), 1);
    fixture.order(Method::PATCH, &fixture.operate, &path(1), json!({ "state": "lost" })).await.problem(422);
    fixture.order(Method::DELETE, &fixture.operate, &path(1), json!(null)).await.good();
    assert_eq!(fixture.asked.recv().await.unwrap(), format!("{}: None", RecordingId(1)));
    assert!(!lies_there.exists());
    fixture.get(&fixture.read, &path(1)).await.problem(404);
}
