//! The CRM that is asked about numbers: set, shown, tried.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode},
    routing::get,
};
use serde_json::{Value, json};
use tandem_switch::{
    cdr::Origin,
    floor::{Decision, FloorEvent, WaitingItem, Work},
    id::{CallId, ItemId, OfferId},
};

use super::{Fixture, at};
use crate::{
    customers::beside::Shown,
    store::{CallStarted, Record},
};

const PATH: &str = "/api/v1/lookup";
const TEST: &str = "/api/v1/lookup/test";

/// A CRM that knows one number, and fails for another; how often it was asked.
async fn crm() -> (String, Arc<AtomicU32>) {
    let asked = Arc::<AtomicU32>::default();
    let answer = |State(asked): State<Arc<AtomicU32>>, Path(number): Path<String>, headers: HeaderMap| async move {
        asked.fetch_add(1, Relaxed);
        let token = headers.get("authorization").and_then(|token| token.to_str().ok()).unwrap_or_default().to_owned();
        match number.as_str() {
            "+390211111111" => {
                tokio::time::sleep(Duration::from_millis(600)).await;
                (StatusCode::OK, Json(json!({ "contact": { "name": "Bob" } })))
            }
            "+390212345678" => (StatusCode::OK, Json(json!({ "contact": { "name": "Ada", "asked": token } }))),
            "+390200000000" => (StatusCode::BAD_GATEWAY, Json(Value::Null)),
            _ => (StatusCode::NOT_FOUND, Json(Value::Null)),
        }
    };
    let app = Router::new().route("/by/{number}", get(answer)).with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/by/{{number}}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, asked)
}

impl Fixture {
    async fn looked(&self, number: &str) -> Value {
        self.order(Method::POST, &self.admin, TEST, json!({ "number": number })).await.good()
    }
}

#[tokio::test]
async fn a_crm_is_asked_once_in_a_while_and_left_alone_when_it_fails() {
    let fixture = Fixture::start().await;
    let (url, asked) = crm().await;
    fixture.get(&fixture.read, PATH).await.problem(404);
    fixture.order(Method::POST, &fixture.admin, TEST, json!({ "number": "0212345678" })).await.problem(404);
    let fields = json!({ "Name": "/contact/name", "Token": "/contact/asked" });
    let set = json!({ "url": url, "token": "secret", "fields": fields, "keep_s": 60 });
    let shown = fixture.order(Method::PUT, &fixture.admin, PATH, set).await.good();
    assert_eq!((&shown["has_token"], &shown["wait_ms"], &shown["rests_until"]), (&json!(true), &json!(100), &Value::Null));
    let ada = fixture.looked("02 1234 5678").await;
    assert_eq!((&ada["number"], &ada["looked"]["kept"]), (&json!("+390212345678"), &json!(false)));
    assert_eq!(ada["looked"]["fields"], json!({ "Name": "Ada", "Token": "Bearer secret" }));
    assert_eq!(fixture.looked("+390212345678").await["looked"]["kept"], true);
    assert_eq!(fixture.looked("+390287654321").await["looked"]["fields"], json!({}), "nobody is an answer");
    assert_eq!(asked.load(Relaxed), 2);
    for _ in 0..5 {
        assert_eq!(fixture.looked("+390200000000").await["error"], "it answered 502");
    }
    let resting = fixture.looked("+390200000000").await;
    assert!(resting["error"].as_str().unwrap().contains("left alone"), "{resting}");
    assert_eq!(asked.load(Relaxed), 7);
    assert_eq!(fixture.looked("+390212345678").await["looked"]["kept"], true, "what is kept is still told");
    assert!(fixture.get(&fixture.read, PATH).await.good()["rests_until"].is_string());
    // The token stays with its host, and goes nowhere else.
    let again = fixture.order(Method::PUT, &fixture.admin, PATH, json!({ "url": format!("{url}?x=1") })).await.good();
    assert!(again["has_token"] == true && again["rests_until"].is_null(), "{again}");
    let other = json!({ "url": "https://other.example/{number}" });
    assert_eq!(fixture.order(Method::PUT, &fixture.admin, PATH, other).await.good()["has_token"], false);
    fixture.order(Method::DELETE, &fixture.admin, PATH, json!({})).await.good();
    fixture.get(&fixture.read, PATH).await.problem(404);
}

#[tokio::test]
async fn a_lookup_that_cannot_be_is_refused_with_what_to_do() {
    let fixture = Fixture::start().await;
    for (body, says) in [
        (json!({ "url": "crm" }), "the URL"),
        (json!({ "url": "https://crm.example/" }), "stands nowhere"),
        (json!({ "url": "https://{number}.example/" }), "stands nowhere"),
        (json!({ "url": "https://crm.example/{number}", "wait_ms": 151 }), "wait_ms is 10 to 150"),
        (json!({ "url": "https://crm.example/{number}", "fields": { "Name": "name" } }), "the fields"),
        (json!({ "url": "https://crm.example/{number}", "token": "a b" }), "the token"),
    ] {
        let told = fixture.order(Method::PUT, &fixture.admin, PATH, body).await.problem(400);
        assert!(told.contains(says), "{told}");
    }
    let set = json!({ "url": "http://10.0.0.1/{number}" });
    fixture.order(Method::PUT, &fixture.admin, PATH, set).await.good();
    let away = fixture.looked("+390212345678").await;
    assert!(away["error"].as_str().unwrap().contains("--reach"), "{away}");
    fixture.order(Method::POST, &fixture.admin, TEST, json!({ "number": "12" })).await.problem(400);
}

/// Somebody calls, waits, and an agent is asked.
fn rings(call: u64, number: &str) -> [Record; 3] {
    let (call, item) = (CallId(call), ItemId(call + 1));
    let origin = Origin::Trunk("carrier".into());
    let started =
        CallStarted { call, origin, from: number.into(), to: "1800".into(), generation: 1, called_back: false, at: at(0) };
    let waiting = WaitingItem {
        item,
        call,
        queue: "support".into(),
        caller: number.into(),
        skills: Vec::new(),
        priority_minutes: 0,
        virtual_arrival_at: at(0),
        callback: None,
        work: Work::default(),
    };
    let decision = Decision { waited_ms: 5, skills: Vec::new(), considered: Vec::new() };
    let offered = FloorEvent::Offered { offer: OfferId(call.0 + 2), item, agent: "1001".into(), decision, at: at(1) };
    let queued = FloorEvent::Queued { item: waiting, rejoined: None, at: at(0) };
    [Record::CallStarted(started), Record::Floor(queued), Record::Floor(offered)]
}

#[tokio::test]
async fn a_screen_waits_a_moment_for_the_crm_and_is_told_later_what_comes_later() {
    let fixture = Fixture::start().await;
    let (url, _) = crm().await;
    let set = json!({ "url": url, "fields": { "Name": "/contact/name" }, "wait_ms": 150 });
    fixture.order(Method::PUT, &fixture.admin, PATH, set).await.good();
    let mut shown = fixture.control.beside.listen();
    let mut next = async || tokio::time::timeout(Duration::from_secs(20), shown.recv()).await.unwrap().unwrap();
    for record in rings(10, "+390212345678") {
        fixture.control.writer.try_write(record).unwrap();
    }
    let Shown::Pop(pop) = next().await else { panic!("a pop comes first") };
    assert_eq!(pop.looked.as_ref().unwrap().fields["Name"], "Ada", "it was waited for");
    for record in rings(20, "+390211111111") {
        fixture.control.writer.try_write(record).unwrap();
    }
    let Shown::Pop(pop) = next().await else { panic!("a pop comes first") };
    assert_eq!((pop.offer, &pop.looked), (OfferId(22), &None));
    assert!((150..550).contains(&pop.took_ms), "{}", pop.took_ms);
    let Shown::LookedUp(late) = next().await else { panic!("then what came late") };
    assert_eq!((late.offer, late.looked.as_ref().unwrap().fields["Name"].as_str()), (OfferId(22), "Bob"));
    assert!(late.looked.as_ref().unwrap().took_ms >= 600);
}
