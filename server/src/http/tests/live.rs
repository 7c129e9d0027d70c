//! WebSockets and the listener, over loopback sockets.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tandem_switch::{
    floor::{AgentState, Considered, Decision, FloorEvent, OfferOutcome, WaitingItem},
    id::{CallId, ItemId, OfferId},
    name::AgentName,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use super::{Fixture, at, roles::logged_in};
use crate::{
    http::serve_until,
    store::{Audit, Record, Role},
    wire::trace::TraceLine,
};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) async fn listen(fixture: &Fixture) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(serve_until(listener, None, fixture.app.clone(), stopped));
    (address, stop)
}

pub(super) async fn connect(address: SocketAddr, token: &str, path: &str) -> Result<Socket, Error> {
    let mut request = format!("ws://{address}/api/v1/{path}").into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    connect_async(request).await.map(|(socket, _)| socket)
}

/// The next text message; `None` when the socket ends.
pub(super) async fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(30), socket.next()).await.expect("in good time");
        match message {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

fn change(n: u64) -> Record {
    let state = AgentState::NotReady { reason: format!("reason {n}") };
    Record::Floor(FloorEvent::AgentChanged { agent: "1001".into(), state, at: at(i64::try_from(n).unwrap()) })
}

#[tokio::test]
async fn a_subscriber_resumes_where_it_stopped_and_misses_nothing() {
    let fixture = Fixture::start().await;
    let (address, _stop) = listen(&fixture).await;
    let before = fixture.control.store.head().await.unwrap();
    let first: Vec<Record> = (0..700).map(change).collect();
    fixture.control.store.commit(&first).await.unwrap();
    let mut socket = connect(address, &fixture.read, &format!("events?after={before}")).await.unwrap();
    for n in 0..3 {
        let event = next(&mut socket).await.unwrap();
        assert_eq!((event["seq"].as_i64(), event["kind"].as_str()), (Some(before + 1 + n), Some("agent-changed")));
    }
    drop(socket);
    let mut socket = connect(address, &fixture.read, &format!("events?after={}", before + 3)).await.unwrap();
    for n in 700..900 {
        fixture.control.writer.try_write(change(n)).unwrap();
    }
    for n in 3..900 {
        let event = next(&mut socket).await.unwrap();
        assert_eq!(event["seq"].as_i64(), Some(before + 1 + n));
        assert_eq!(event["body"]["state"]["reason"], format!("reason {n}"));
    }
}

#[tokio::test]
async fn who_logged_in_hears_what_their_roles_are_for_until_these_change() {
    let fixture = Fixture::start().await;
    let (address, _stop) = listen(&fixture).await;
    let of_another = |n| {
        let Record::Floor(FloorEvent::AgentChanged { state, at, .. }) = change(n) else { unreachable!() };
        Record::Floor(FloorEvent::AgentChanged { agent: "1002".into(), state, at })
    };
    let audit = || Record::Audit(Audit::of("ada", "test", "", at(0)));
    let agent = logged_in(&fixture, "bob", &[Role::Agent], Some("1001")).await;
    let supervisor = logged_in(&fixture, "eve", &[Role::Supervisor], None).await;
    let mut theirs = connect(address, &agent, "events").await.unwrap();
    let mut floors = connect(address, &supervisor, "events").await.unwrap();
    assert!(connect(address, &agent, "follow").await.is_err(), "traces are not for agents");
    // A subscriber begins with what comes after it: what it hears first says that it is there.
    let reason = |event: &Value| event["body"]["state"]["reason"].as_str().unwrap_or_default().to_owned();
    for n in 0.. {
        fixture.control.store.commit(&[change(n)]).await.unwrap();
        let heard =
            tokio::time::timeout(Duration::from_millis(200), async { (next(&mut theirs).await, next(&mut floors).await) });
        if heard.await.is_ok() {
            break;
        }
        assert!(n < 100, "nobody hears");
    }
    fixture.control.store.commit(&[of_another(1_001), audit(), change(1_002)]).await.unwrap();
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "reason 1002") {
        heard.push(reason(&next(&mut theirs).await.unwrap()));
    }
    assert!(!heard.contains(&"reason 1001".to_owned()), "another's state is not theirs: {heard:?}");
    let mut heard = Vec::new();
    while heard.last().is_none_or(|(_, last)| last != "reason 1002") {
        let event = next(&mut floors).await.unwrap();
        heard.push((event["kind"].clone(), reason(&event)));
    }
    assert!(heard.iter().any(|(_, reason)| reason == "reason 1001"));
    assert!(heard.iter().all(|(kind, _)| kind == "agent-changed"), "the audit is not a supervisor's: {heard:?}");
    // A change of roles closes what was opened under the old ones.
    fixture.control.store.put_login("eve", (&[Role::Operator], None), "test", at(1)).await.unwrap();
    while next(&mut floors).await.is_some() {}
    connect(address, &supervisor, "events").await.unwrap();
}

#[tokio::test]
async fn rows_of_another_process_are_seen_as_soon_as_one_of_ours_follows() {
    let fixture = Fixture::start().await;
    let (address, _stop) = listen(&fixture).await;
    let before = fixture.control.store.head().await.unwrap();
    let mut socket = connect(address, &fixture.read, &format!("events?after={}", before - 1)).await.unwrap();
    assert_eq!(next(&mut socket).await.unwrap()["seq"], before);
    let other = fixture._db.open().await;
    other.commit(&[change(1), change(2)]).await.unwrap();
    fixture.control.store.commit(&[change(3)]).await.unwrap();
    for n in 1..=3 {
        assert_eq!(next(&mut socket).await.unwrap()["seq"].as_i64(), Some(before + n));
    }
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_gets_a_gap_and_disturbs_nobody() {
    let fixture = Fixture::start().await;
    let (address, _stop) = listen(&fixture).await;
    let mut slow = connect(address, &fixture.read, "events?after=0").await.unwrap();
    // It has sent everything of before, so it is subscribed.
    let mut last = 0;
    while last < fixture.control.store.head().await.unwrap() {
        last = next(&mut slow).await.unwrap()["seq"].as_i64().unwrap();
    }
    // Large rows fill sockets and buffers, small ones the feed, while nobody reads.
    for (rows, bytes) in [(800, 20_000), (5_000, 1)] {
        let state = AgentState::NotReady { reason: "x".repeat(bytes) };
        let event = FloorEvent::AgentChanged { agent: "1001".into(), state, at: at(0) };
        fixture.control.store.commit(&vec![Record::Floor(event); rows]).await.unwrap();
    }
    fixture.control.store.commit(&[change(1)]).await.unwrap();
    let head = fixture.control.store.head().await.unwrap();
    let mut gaps = 0;
    loop {
        let message = next(&mut slow).await.unwrap();
        if message["gap"] == true {
            assert_eq!(message["after"].as_i64(), Some(last), "it says where the gap begins");
            gaps += 1;
            continue;
        }
        let seq = message["seq"].as_i64().unwrap();
        assert!(seq > last);
        last = seq;
        if last == head {
            break;
        }
    }
    assert!(gaps >= 1);
}

#[tokio::test]
async fn a_revoked_token_ends_an_open_subscription_within_five_seconds() {
    let fixture = Fixture::start().await;
    let (address, _stop) = listen(&fixture).await;
    let mut socket = connect(address, &fixture.read, "follow").await.unwrap();
    let tokens = fixture.control.store.tokens().await.unwrap();
    let id = &tokens.iter().find(|token| token.name == "test read").unwrap().id;
    fixture.control.store.revoke_token(id, "test", at(0)).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), next(&mut socket)).await;
    assert_eq!(ended, Ok(None));
}

#[tokio::test]
async fn follow_shows_the_calls_of_one_number_only() {
    let fixture = Fixture::start().await;
    let (address, _stop) = listen(&fixture).await;
    let traces = fixture.control.traces.clone();
    let mut socket = connect(address, &fixture.read, "follow?number=%2B3902").await.unwrap();
    while !traces.wanted() {
        tokio::task::yield_now().await;
    }
    for (call, from, to) in [(1, "1001", "1800"), (2, "+3902", "1800"), (3, "1001", "+3902")] {
        let line =
            TraceLine { at: at(0), call: CallId(call), from: from.into(), to: to.into(), part: "call", text: "answered".into() };
        traces.publish(line);
    }
    for call in [2, 3] {
        assert_eq!(next(&mut socket).await.unwrap()["call"], CallId(call).to_string());
    }
}

#[tokio::test]
async fn a_subscriber_that_talks_too_much_is_cut_off_and_without_a_token_there_is_none() {
    let fixture = Fixture::start().await;
    let (address, _stop) = listen(&fixture).await;
    let mut socket = connect(address, &fixture.read, "follow").await.unwrap();
    socket.send(Message::Text("x".repeat(5_000).into())).await.unwrap();
    assert_eq!(next(&mut socket).await, None);
    match connect(address, "tdm_none", "events").await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 401),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stop_answers_what_is_in_progress_and_takes_no_more() {
    let fixture = Fixture::start().await;
    let (address, stop) = listen(&fixture).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    idle.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stop.send_replace(true);
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), idle.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "an idle connection is closed");
}

#[tokio::test]
async fn nonsense_and_huge_heads_are_refused() {
    let fixture = Fixture::start().await;
    let (address, _stop) = listen(&fixture).await;
    let many: String = (0..100).map(|n| format!("x-{n}: y\r\n")).collect();
    for head in [
        "INVITE sip:x SIP/2.0\r\n\r\n".to_owned(),
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(100_000)),
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        "POST /api/v1/tokens HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The other side may close before it has read everything.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("in good time");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"), "{answer}");
    }
}

#[tokio::test]
async fn an_agent_sees_who_rings_and_why_and_nobody_elses_screen() {
    let fixture = Fixture::start().await;
    let ada = fixture.customer("Ada", "02 3041 2345").await;
    let (address, _stop) = listen(&fixture).await;
    let mut theirs = connect(address, &fixture.read, "screen-pops?agent=1001").await.unwrap();
    let offer = |offer: u64, item: u64, agent: &str| {
        let (offer, item, agent) = (OfferId(offer), ItemId(item), AgentName::from(agent));
        let considered = vec![Considered { agent: agent.clone(), why: "idle longest: 5 s".into() }];
        let decision = Decision { waited_ms: 5, skills: Vec::new(), considered };
        Record::Floor(FloorEvent::Offered { offer, item, agent, decision, at: at(1) })
    };
    let waits = |item: u64, caller: &str| {
        let item = WaitingItem {
            item: ItemId(item),
            call: CallId(item),
            queue: "support".into(),
            caller: caller.into(),
            skills: Vec::new(),
            priority_minutes: 0,
            virtual_arrival_at: at(0),
            callback: None,
            work: tandem_switch::floor::Work::default(),
        };
        Record::Floor(FloorEvent::Queued { item, rejoined: None, at: at(0) })
    };
    for record in [waits(7, "anonymous"), offer(1, 7, "1002"), waits(8, "02 3041 2345"), offer(2, 8, "1001")] {
        fixture.control.writer.try_write(record).unwrap();
    }
    let pop = next(&mut theirs).await.unwrap()["pop"].clone();
    assert_eq!((pop["agent"].as_str(), pop["why"].as_str()), (Some("1001"), Some("idle longest: 5 s")));
    assert_eq!((pop["caller"]["customer"]["customer"].as_str(), pop["caller"]["language"].as_str()), (Some(&*ada), Some("it")));
    let end = OfferOutcome::Expired;
    let ended = FloorEvent::OfferEnded { offer: OfferId(2), item: ItemId(8), agent: "1001".into(), outcome: end, at: at(2) };
    fixture.control.writer.try_write(Record::Floor(ended)).unwrap();
    assert_eq!(next(&mut theirs).await.unwrap()["outcome"], "expired");
    // Who comes later is shown what is open.
    let mut all = connect(address, &fixture.read, "screen-pops").await.unwrap();
    let pop = next(&mut all).await.unwrap()["pop"].clone();
    assert_eq!((pop["agent"].as_str(), pop["caller"]["customer"].is_null()), (Some("1002"), true));
    assert_eq!(pop["caller"]["because"], "the number is withheld, or one of the house");
    // An agent sees their own, and asks for nobody else's.
    let agent = logged_in(&fixture, "zoe", &[Role::Agent], Some("1003")).await;
    let mut own = connect(address, &agent, "screen-pops").await.unwrap();
    for record in [waits(6, "1002"), offer(52, 6, "1002"), waits(7, "1002"), offer(53, 7, "1003")] {
        fixture.control.writer.try_write(record).unwrap();
    }
    assert_eq!(next(&mut own).await.unwrap()["pop"]["agent"], "1003");
    assert!(connect(address, &agent, "screen-pops?agent=1002").await.is_err());
}

#[tokio::test]
async fn while_the_database_is_away_whoever_was_known_sees_the_floor_and_nobody_else_does() {
    let fixture = Fixture::start().await;
    let store = &fixture.control.store;
    let ada = logged_in(&fixture, "ada", &[Role::Supervisor], None).await;
    for shown in [&fixture.read, &ada] {
        fixture.get(shown, "/api/v1/queues").await.good();
    }
    let hung = store.hang().await;
    for shown in [&fixture.read, &ada] {
        fixture.get(shown, "/api/v1/queues").await.good();
        fixture.get(shown, "/api/v1/agents").await.good();
    }
    drop(hung);
}
