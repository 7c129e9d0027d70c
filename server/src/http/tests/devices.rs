//! Devices of people.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Fixture, request};

const PATH: &str = "/api/v1/people/1011/devices";

#[tokio::test]
async fn devices_are_added_ordered_changed_and_removed_while_the_loops_are_told() {
    let mut fixture = Fixture::start().await;
    let admin = fixture.admin.clone();
    fixture.get(&admin, PATH).await.problem(404);
    fixture.order(Method::PUT, &admin, "/api/v1/people/1011", json!({ "queues": ["support"] })).await.good();
    assert_eq!(fixture.get(&admin, PATH).await.good(), json!({ "order": "in-order", "devices": [] }));
    let put = async |name: &str, body: Value| fixture.order(Method::PUT, &admin, &format!("{PATH}/{name}"), body).await;
    put("desk", json!({ "kind": "desk", "extension": "1011", "ring_ms": 8_000 })).await.good();
    put("soft", json!({ "kind": "softphone", "address": "sip:a@127.0.0.1:5090" })).await.good();
    let all = put("mobile", json!({ "kind": "mobile", "number": "+393331234567", "trunk": "carrier" })).await.good();
    assert_eq!(all["devices"][2]["confirm"], "1", "no voicemail takes a call: {all}");
    assert_eq!(all["devices"][0], json!({ "name": "desk", "kind": "desk", "extension": "1011", "ring_ms": 8_000 }));
    // Changed in its place; no key is wanted any more.
    let all = put("mobile", json!({ "kind": "mobile", "number": "0333", "trunk": "carrier", "confirm": "" })).await.good();
    assert_eq!((&all["devices"][2]["number"], &all["devices"][2]["confirm"]), (&json!("0333"), &json!("")));
    let ordered = json!({ "order": "all", "names": ["mobile", "soft"] });
    let all = fixture.order(Method::PUT, &admin, PATH, ordered).await.good();
    let names: Vec<_> = all["devices"].as_array().unwrap().iter().map(|device| device["name"].clone()).collect();
    assert_eq!((&all["order"], names), (&json!("all"), vec![json!("mobile"), json!("soft"), json!("desk")]));
    fixture.send(request(Method::DELETE, &format!("{PATH}/soft"), Some(&admin), None)).await.good();
    fixture.send(request(Method::DELETE, &format!("{PATH}/soft"), Some(&admin), None)).await.problem(404);
    // What else is changed of a person leaves them.
    let person = fixture.order(Method::PUT, &admin, "/api/v1/people/1011", json!({ "display_name": "Ada" })).await.good();
    assert_eq!(person["devices"]["devices"].as_array().unwrap().len(), 2, "{person}");
    let kept = fixture.control.store.person(&"1011".into()).await.unwrap().unwrap().devices;
    assert_eq!(kept.list.iter().map(|device| device.name.as_str()).collect::<Vec<_>>(), ["mobile", "desk"]);
    let audit = fixture.get(&admin, "/api/v1/audit?subject=1011").await;
    assert!(!String::from_utf8_lossy(&audit.body).contains("393331234567"), "no number of theirs in the audit");
    fixture.get(&admin, "/api/v1/queues").await.good();
    let mut told = 0;
    while fixture.asked.try_recv().is_ok() {
        told += 1;
    }
    assert_eq!(told, 8, "the loops are told of each change");
}

#[tokio::test]
async fn what_cannot_ring_is_refused_with_what_to_give() {
    let fixture = Fixture::start().await;
    let admin = fixture.admin.clone();
    fixture.order(Method::PUT, &admin, "/api/v1/people/1011", json!({ "queues": ["support"] })).await.good();
    for (name, body, says) in [
        ("desk", json!({ "kind": "fax", "extension": "1011" }), "desk, softphone or mobile"),
        ("desk", json!({ "kind": "desk" }), "one of `extension`"),
        ("desk", json!({ "kind": "desk", "extension": "1011", "address": "sip:a@b" }), "one of `extension`"),
        ("desk", json!({ "kind": "desk", "number": "+39333" }), "`number` with `trunk`"),
        ("desk", json!({ "kind": "desk", "number": "pizza", "trunk": "carrier" }), "digits"),
        ("desk", json!({ "kind": "desk", "extension": "a b" }), "extension"),
        ("desk", json!({ "kind": "desk", "address": "http://x" }), "sip:agent7@127.0.0.3:5090"),
        ("desk", json!({ "kind": "desk", "extension": "1011", "ring_ms": 10 }), "1 to 120 seconds"),
        ("desk", json!({ "kind": "desk", "extension": "1011", "confirm": "12" }), "key"),
        ("desk", json!({ "kind": "desk", "extension": "1011", "confirm": "x" }), "key"),
        ("a%20b", json!({ "kind": "desk", "extension": "1011" }), "the name of a device"),
    ] {
        let told = fixture.order(Method::PUT, &admin, &format!("{PATH}/{name}"), body.clone()).await.problem(400);
        assert!(told.contains(says), "{body}: {told}");
    }
    for (body, says) in [(json!({ "order": "at-random" }), "in-order or all"), (json!({ "names": ["fax"] }), "no device `fax`")] {
        let told = fixture.order(Method::PUT, &admin, PATH, body).await.problem(400);
        assert!(told.contains(says), "{told}");
    }
    let refused = fixture.order(Method::PUT, &fixture.operate, PATH, json!({ "order": "all" })).await;
    assert_eq!(refused.status.as_u16(), 403, "only an admin decides what rings");
}
