//! Webhooks: made, shown, paused, tried; and what is sent.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use tandem_switch::webhooks::Mark;

use super::{Fixture, at};
use crate::{
    store::{Audit, CustomerChange, CustomerNews, CustomerRow, Record, WebhookProgress},
    webhooks::{events::KINDS, signature},
};

const PATH: &str = "/api/v1/webhooks";

type Got = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A receiver that answers so and keeps what it got.
async fn receiver(status: u16) -> (String, Got) {
    let got = Got::default();
    let take = move |State(got): State<Got>, headers: HeaderMap, body: String| async move {
        got.lock().unwrap().push((headers, body));
        (StatusCode::from_u16(status).unwrap(), "so be it")
    };
    let app = Router::new().route("/hook", post(take)).with_state(Arc::clone(&got));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?key=7", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, got)
}

impl Fixture {
    async fn webhook(&self, url: &str, kinds: &[&str]) -> (String, String) {
        let made = self.order(Method::POST, &self.admin, PATH, json!({ "url": url, "kinds": kinds })).await.good();
        (made["webhook"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
    }

    async fn webhook_until(&self, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let looks = async {
            loop {
                let shown = self.get(&self.read, &format!("{PATH}/{name}")).await.good();
                if is_so(&shown) {
                    return shown;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), looks).await.unwrap()
    }
}

fn put(customer: u64, name: &str) -> Record {
    let row = CustomerRow {
        customer: tandem_switch::id::CustomerId(customer),
        name: name.into(),
        language: "it".into(),
        attributes: [("plan".to_owned(), "gold".to_owned())].into(),
        root: tandem_switch::id::CustomerId(customer),
        created_at: at(0),
        changed_at: at(0),
    };
    Record::Customer(Box::new(CustomerNews { by: "test".into(), at: at(0), what: CustomerChange::Put(row) }))
}

#[tokio::test]
async fn what_is_wanted_is_sent_signed_and_in_order_and_nothing_else() {
    let fixture = Fixture::start().await;
    let (url, got) = receiver(200).await;
    fixture.control.store.commit(&[put(1, "before")]).await.unwrap();
    let (name, secret) = fixture.webhook(&url, &["customer-put"]).await;
    let audit = Record::Audit(Audit::of("test", "something", "else", at(0)));
    fixture.control.store.commit(&[put(2, "Ada"), audit, put(3, "Bob 🎉")]).await.unwrap();
    let shown = fixture.webhook_until(&name, |shown| shown["delivered_at"].is_string() && got.lock().unwrap().len() == 2).await;
    assert_eq!((&shown["state"], &shown["dead"]), (&json!("active"), &json!(0)));
    assert!(shown["url"].as_str().unwrap().ends_with("/hook?…"), "a key in a URL is not shown: {shown}");
    let got = got.lock().unwrap().clone();
    let bodies: Vec<Value> = got.iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect();
    assert_eq!(
        bodies[0]["body"],
        json!({ "customer": "0000000000002", "name": "Ada", "language": "it", "attributes": { "plan": "gold" } })
    );
    assert_eq!(
        (&bodies[0]["v"], &bodies[0]["kind"], &bodies[1]["body"]["name"]),
        (&json!(1), &json!("customer-put"), &json!("Bob 🎉"))
    );
    assert_eq!(bodies[0]["id"], format!("evt_{}", bodies[0]["seq"]));
    for (headers, body) in &got {
        let signed = headers["tandem-signature"].to_str().unwrap();
        let seconds: i64 = signed.split(',').next().unwrap().strip_prefix("t=").unwrap().parse().unwrap();
        let at = tandem_switch::time::Timestamp::from_ms(seconds * 1_000);
        assert_eq!(signed, signature(&[&secret], at, body));
        assert!(headers["tandem-kind"] == "customer-put" && headers["tandem-attempt"] == "1", "{headers:?}");
    }
    // While a secret is changed, both sign.
    let other = fixture.order(Method::POST, &fixture.admin, &format!("{PATH}/{name}/secret"), json!({})).await.good();
    let test = fixture.order(Method::POST, &fixture.operate, &format!("{PATH}/{name}/test"), json!({})).await.good();
    assert_eq!((&test["taken"], &test["status"]), (&json!(true), &json!(200)));
    assert!(fixture.get(&fixture.read, PATH).await.good()[0]["old_secret_until"].is_string());
    let shown = fixture.get(&fixture.admin, &format!("{PATH}/{name}")).await.good().to_string();
    assert!(!shown.contains(&secret) && !shown.contains(other["secret"].as_str().unwrap()), "no secret is shown again");
}

#[tokio::test]
async fn while_it_is_paused_nothing_is_sent_and_nothing_is_lost() {
    let fixture = Fixture::start().await;
    let (url, got) = receiver(204).await;
    let (name, _) = fixture.webhook(&url, &["*"]).await;
    let path = format!("{PATH}/{name}");
    assert_eq!(
        fixture.order(Method::POST, &fixture.operate, &format!("{path}/pause"), json!({})).await.good()["state"],
        "paused"
    );
    fixture.control.store.commit(&[put(2, "Ada")]).await.unwrap();
    let (other, _) = fixture.webhook(&url, &["customer-put"]).await;
    fixture.control.store.commit(&[put(3, "Bob")]).await.unwrap();
    fixture.webhook_until(&other, |shown| shown["delivered_at"].is_string()).await;
    assert_eq!(got.lock().unwrap().len(), 1, "the other one has heard of Bob");
    fixture.order(Method::POST, &fixture.operate, &format!("{path}/resume"), json!({})).await.good();
    fixture.webhook_until(&name, |_| got.lock().unwrap().len() == 3).await;
    fixture.order(Method::DELETE, &fixture.admin, &path, json!({})).await.good();
    fixture.get(&fixture.read, &path).await.problem(404);
}

#[tokio::test]
async fn dead_letters_are_shown_sent_once_more_and_thrown_away() {
    let fixture = Fixture::start().await;
    let (url, got) = receiver(200).await;
    let (away, _) = receiver(503).await;
    let (name, _) = fixture.webhook(&away, &["case-put"]).await;
    let store = &fixture.control.store;
    store.commit(&[put(2, "Ada"), put(3, "Bob")]).await.unwrap();
    let head = store.head().await.unwrap();
    let progress = WebhookProgress { mark: Mark { done_to: head, streak: None }, ..WebhookProgress::default() };
    for seq in [head - 1, head] {
        store.bury(&name, (seq, 4, "it answered 503"), &progress, at(9)).await.unwrap();
    }
    let path = format!("{PATH}/{name}");
    let dead = fixture.get(&fixture.read, &format!("{path}/dead")).await.good();
    assert_eq!((&dead[0]["kind"], &dead[1]["seq"], dead.as_array().unwrap().len()), (&json!("customer-put"), &json!(head), 2));
    let order =
        async |what: &str, body: Value| fixture.order(Method::POST, &fixture.operate, &format!("{path}/dead/{what}"), body).await;
    assert_eq!(order("resend", json!({})).await.good()["events"], 2);
    // The receiver is away: it is asked about the first one only, and they stay.
    let until_left = async {
        while !store.dead_to_resend(&name).await.unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), until_left).await.unwrap();
    assert_eq!(fixture.get(&fixture.read, &path).await.good()["dead"], 2);
    fixture.order(Method::PATCH, &fixture.admin, &path, json!({ "url": url })).await.good();
    assert_eq!(order("resend", json!({ "seq": head })).await.good()["events"], 1);
    fixture.webhook_until(&name, |shown| shown["dead"].as_u64().unwrap() < 2 && !got.lock().unwrap().is_empty()).await;
    let last = got.lock().unwrap().last().unwrap().clone();
    assert_eq!(last.0["tandem-attempt"], "0");
    order("discard", json!({ "seq": 1 })).await.problem(404);
    order("discard", json!({})).await.good();
    assert_eq!(fixture.get(&fixture.read, &format!("{path}/dead")).await.good(), json!([]));
}

#[tokio::test]
async fn a_subscription_that_cannot_be_is_refused_with_what_to_do() {
    let fixture = Fixture::start().await;
    for (body, says) in [
        (json!({ "url": "crm.example", "kinds": ["*"] }), "the URL"),
        (json!({ "url": "https://ada:x@crm.example/", "kinds": ["*"] }), "user name"),
        (json!({ "url": "https://crm.example/", "kinds": ["audit"] }), "`audit` is no kind"),
        (json!({ "url": "https://crm.example/", "kinds": [] }), "nothing"),
        (json!({ "url": "https://crm.example/", "kinds": ["*"], "give_up_s": 1 }), "10 s"),
    ] {
        let told = fixture.order(Method::POST, &fixture.admin, PATH, body).await.problem(400);
        assert!(told.contains(says), "{told}");
    }
    // The network of the switch is not reached, whatever a name says.
    let (name, _) = fixture.webhook("https://10.0.0.1/hook", &["*"]).await;
    let test = fixture.order(Method::POST, &fixture.operate, &format!("{PATH}/{name}/test"), json!({})).await.good();
    assert!(test["taken"] == false && test["error"].as_str().unwrap().contains("--reach"), "{test}");
    for _ in 1..crate::webhooks::MOST {
        fixture.webhook("https://10.0.0.1/hook", &["left"]).await;
    }
    let one_more = json!({ "url": "https://10.0.0.1/hook", "kinds": ["left"] });
    fixture.order(Method::POST, &fixture.admin, PATH, one_more).await.problem(409);
}

#[test]
fn the_document_for_receivers_lists_every_kind() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/webhooks.md"));
    for (kind, what) in KINDS {
        assert!(text.contains(&format!("| `{kind}` | {what} |")), "docs/webhooks.md: {kind}: {what}");
    }
}
