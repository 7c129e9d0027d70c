//! Who may do what, on every route that the document names; and what is refused before anybody asks who.

use axum::http::{Method, header};
use serde_json::{Value, json};

use super::{Fixture, request};

/// Routes that need no token, and why that is right: probes must not need secrets, and the document holds none.
/// The page that plays is the same for all, and what it trades is leave itself.
const OPEN: [&str; 4] = ["/healthz", "/readyz", "/api/v1/openapi.json", "/api/v1/recordings/0000000000005/player"];
/// Routes for who logged in: a token has no session. The role matrix asks them.
const OF_SESSIONS: [&str; 3] = ["/api/v1/logout", "/api/v1/password", "/api/v1/sessions"];
const OWN_PROOF: [&str; 2] = ["/api/v1/recordings/0000000000005/session", "/api/v1/login"];

/// Each operation of the document: method, path with every parameter filled in, and the scope it names.
async fn operations(fixture: &Fixture) -> Vec<(Method, String, Option<String>)> {
    let document = fixture.send(request(Method::GET, "/api/v1/openapi.json", None, None)).await.good();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let scope = operation["security"][0]["token"][0].as_str().map(str::to_owned);
            let path = path.split('/').map(|part| if part.starts_with('{') { "0000000000005" } else { part });
            all.push((method, path.collect::<Vec<_>>().join("/"), scope));
        }
    }
    all
}

#[tokio::test]
async fn every_route_asks_for_the_scope_that_its_document_names() {
    let fixture = Fixture::start().await;
    let operations = operations(&fixture).await;
    assert!(operations.len() >= 28, "{}", operations.len());
    for (method, path, scope) in operations {
        let Some(scope) = scope else {
            let path = path.as_str();
            assert!(OPEN.contains(&path) || OWN_PROOF.contains(&path) || OF_SESSIONS.contains(&path), "{path} names no scope");
            continue;
        };
        for bad in [None, Some("tdm_"), Some("nonsense"), Some(&*format!("tdm_{}", "0".repeat(64)))] {
            let answer = fixture.send(request(method.clone(), &path, bad, None)).await;
            answer.problem(401);
            assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"tandem\"");
        }
        let tokens =
            [("read", &fixture.read), ("control", &fixture.operate), ("admin", &fixture.admin), ("payment", &fixture.payment)];
        let needed = tokens.iter().position(|(name, _)| *name == scope).unwrap();
        for (held, (_, token)) in tokens.iter().enumerate() {
            let status = fixture.send(request(method.clone(), &path, Some(token), None)).await.status.as_u16();
            let is_held = if needed == 3 || held == 3 { held == needed } else { held >= needed };
            assert_eq!(status == 403, !is_held, "{method} {path} with {}: {status}", tokens[held].0);
            assert_ne!(status, 401, "{method} {path}");
        }
    }
    for path in OPEN {
        assert_eq!(fixture.send(request(Method::GET, path, None, None)).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_document_is_openapi_3_1_and_every_reference_in_it_leads_somewhere() {
    let fixture = Fixture::start().await;
    let document = fixture.send(request(Method::GET, "/api/v1/openapi.json", None, None)).await.good();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut left = vec![&document];
    let mut references = 0;
    while let Some(value) = left.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    references += 1;
                    assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
                }
                left.extend(fields.values());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    assert!(references > 30);
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_the_next_request() {
    let fixture = Fixture::start().await;
    fixture.get(&fixture.read, "/api/v1/queues").await.good();
    let id = fixture.get(&fixture.read, "/api/v1/whoami").await.good()["id"].as_str().unwrap().to_owned();
    fixture.send(request(Method::DELETE, &format!("/api/v1/tokens/{id}"), Some(&fixture.admin), None)).await.good();
    fixture.get(&fixture.read, "/api/v1/queues").await.problem(401);
}

#[tokio::test]
async fn a_made_token_is_shown_once_and_works() {
    let fixture = Fixture::start().await;
    let body = json!({ "name": "wallboard", "scope": "read" });
    let made = fixture.order(Method::POST, &fixture.admin, "/api/v1/tokens", body).await.good();
    let token = made["token"].as_str().unwrap();
    fixture.get(token, "/api/v1/agents").await.good();
    fixture.get(token, "/api/v1/people").await.problem(403);
    let list = fixture.get(&fixture.admin, "/api/v1/tokens").await;
    assert!(!String::from_utf8_lossy(&list.body).contains(token));
}

#[tokio::test]
async fn what_cannot_be_read_is_a_problem_that_says_where() {
    let fixture = Fixture::start().await;
    let admin = &fixture.admin;
    let state = "/api/v1/agents/1001/state";
    for (path, body, status, place) in [
        (state, "{", 400, "body"),
        (state, "{\"state\":\"asleep\"}", 422, "body"),
        (state, "{\"state\":\"not-ready\",\"reason\":\"\"}", 400, "body.reason"),
        (state, "{\"state\":\"not-ready\",\"reason\":\"a\\nb\"}", 400, "body.reason"),
        ("/api/v1/people/10 01", "{}", 400, "path"),
        ("/api/v1/people/1001", "{\"ha1_md5\":\"x\"}", 422, "body"),
        ("/api/v1/people/1001", "{\"device\":\"http://x\"}", 400, "body"),
        ("/api/v1/people/1001", "{\"always_on\":true}", 400, "body"),
        ("/api/v1/people/1001", "{\"skills\":[{\"skill\":\"a\",\"level\":11}]}", 400, "body"),
    ] {
        let path = path.replace(' ', "%20");
        let answer = fixture.send(request(Method::PUT, &path, Some(admin), Some(body.into()))).await;
        answer.problem(status);
        assert_eq!(answer.json()["where"], place, "{path} {body}");
    }
    for (path, status) in [
        ("/api/v1/calls/nonsense", 400),
        ("/api/v1/calls/0000000000009", 404),
        ("/api/v1/items/0000000000009/why", 404),
        ("/api/v1/recordings/..%2F..%2Fetc%2Fpasswd", 400),
        ("/api/v1/queues/none", 404),
        ("/api/v1/cdrs?limit=x", 400),
        ("/api/v1/cdrs?form=2026-01-01T00:00:00Z", 400),
        ("/api/v1/explain?to=%3F&from=1", 400),
        ("/api/v1/events", 400),
        ("/api/v1/nothing", 404),
        ("/", 404),
    ] {
        assert!(!fixture.get(admin, path).await.problem(status).is_empty(), "{path}");
    }
    fixture.send(request(Method::PATCH, "/api/v1/queues", Some(admin), None)).await.problem(405);
    let big = format!("{{\"name\":\"{}\",\"scope\":\"read\"}}", "x".repeat(70_000));
    fixture.send(request(Method::POST, "/api/v1/tokens", Some(admin), Some(big))).await.problem(413);
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    fixture.send(request(Method::POST, "/api/v1/tokens", Some(admin), Some(deep))).await.problem(422);
}

#[tokio::test]
async fn answers_carry_the_headers_that_keep_browsers_out_of_trouble() {
    let fixture = Fixture::start().await;
    let answer = fixture.get(&fixture.read, "/api/v1/queues").await;
    assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert!(answer.headers.contains_key(header::CONTENT_SECURITY_POLICY));
    assert!(!answer.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
}
