//! Callbacks: shown, asked for, cancelled.

use axum::http::Method;
use serde_json::{Value, json};
use tandem_switch::id::ItemId;

use super::Fixture;

const PATH: &str = "/api/v1/callbacks";

#[tokio::test]
async fn callbacks_are_shown_without_those_who_wait_on_the_line() {
    let fixture = Fixture::start().await;
    let shown = fixture.get(&fixture.read, PATH).await.good();
    assert_eq!(shown.as_array().unwrap().len(), 1, "{shown}");
    let seen = (&shown[0]["position"], &shown[0]["kind"], &shown[0]["callback_tries"]);
    assert_eq!(seen, (&json!(2), &json!("callback"), &json!(2)));
    assert!(shown[0]["not_before"].as_str().is_some_and(|at| at.ends_with('Z')), "{shown}");
    let queue = fixture.get(&fixture.read, "/api/v1/queues/support").await.good();
    assert_eq!((&queue["items"][0]["kind"], &queue["items"][1]["kind"]), (&json!("call"), &json!("callback")));
}

#[tokio::test]
async fn a_callback_is_asked_for_by_number_or_by_extension() {
    let mut fixture = Fixture::start().await;
    let ask = |body: Value| fixture.order(Method::POST, &fixture.operate, PATH, body);
    let wanted = json!({"queue": "support", "number": "+390212345678", "shown": "+390298765432",
        "skills": [{"skill": "billing", "level": 2}], "priority_minutes": 5});
    assert_eq!(ask(wanted.clone()).await.good()["item"], ItemId(1).to_string());
    assert_eq!(ask(json!({"queue": "support", "extension": "1010", "shown": "1800"})).await.good()["kind"], "callback");
    for (body, status, says) in [
        (json!({"queue": "support", "shown": "1800"}), 400, "either a number or an extension"),
        (json!({"queue": "support", "number": "1", "extension": "1010", "shown": "1"}), 400, "either a number"),
        (json!({"queue": "support", "extension": "1010", "via": "x", "shown": "1"}), 400, "either a number"),
        (json!({"queue": "lost", "number": "+390212345678", "shown": "1"}), 400, "no such queue"),
        (json!({"queue": "full", "number": "+390212345678", "shown": "1"}), 409, "full"),
        (json!({"queue": "known", "number": "+390212345678", "shown": "1"}), 409, "called back already"),
    ] {
        let told = ask(body).await.problem(status);
        assert!(told.contains(says), "{told}");
    }
    assert_eq!(ask(json!({"queue": "support", "more": 1})).await.status.as_u16(), 422);
    let refused = fixture.order(Method::POST, &fixture.read, PATH, wanted).await;
    assert_eq!(refused.status.as_u16(), 403, "whoever may only read asks for nothing");
    let asked = fixture.asked.recv().await.unwrap();
    assert!(asked.ends_with(" None"), "nobody has that number: {asked}");
    let ada = fixture.customer("Ada", "02 1234 5678").await;
    let body = json!({"queue": "support", "number": "+390212345678", "shown": "1"});
    fixture.order(Method::POST, &fixture.operate, PATH, body).await.good();
    let mut last = asked.clone();
    while let Ok(next) = fixture.asked.try_recv() {
        last = next;
    }
    assert!(last.ends_with(&format!(" Some({ada})")), "{last}");
    assert!(asked.contains("billing") && asked.contains("+390298765432") && asked.contains("priority_minutes: 5"), "{asked}");
}

#[tokio::test]
async fn a_callback_is_cancelled_with_a_reason() {
    let fixture = Fixture::start().await;
    let send = async |what: &str| {
        let request = super::request(Method::DELETE, &format!("{PATH}/{what}"), Some(&fixture.operate), None);
        fixture.send(request).await
    };
    let (promised, other) = (ItemId(2), ItemId(9));
    assert_eq!(send(&format!("{promised}?reason=mistake")).await.good()["done"], true);
    assert!(send(&format!("{other}?reason=mistake")).await.problem(404).contains("callback"));
    send(&format!("{promised}?reason=%20")).await.problem(400);
    send(&format!("{promised}")).await.problem(400);
    send("nothing?reason=x").await.problem(400);
}
