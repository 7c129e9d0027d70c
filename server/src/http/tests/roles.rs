//! The role matrix: every route that the document names × every role, every scope and nobody, against the table of access;
//! and what agents see, who are let through to their own only.

use std::net::SocketAddr;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};
use tandem_switch::{
    cause::{Blame, Cause},
    cdr::{Cdr, Origin},
    id::{CallId, RecordingId},
};

use super::{Answer, Fixture, at, request};
use crate::{
    clock,
    http::{
        Peer,
        access::{self, Own, routes::ROUTES},
    },
    store::{KeptAs, Record, RecordingStarted, Role, Scope},
};

const FROM: &str = "+390212345";

/// A session of somebody in these roles, as bearer.
pub(super) async fn logged_in(fixture: &Fixture, user: &str, roles: &[Role], extension: Option<&str>) -> String {
    let store = &fixture.control.store;
    store.put_login(user, (roles, extension.map(Into::into).as_ref()), "test", at(0)).await.unwrap();
    let login = store.login(user).await.unwrap().unwrap();
    store.begin_session(&login, None, clock::now().at).await.unwrap().0.expose().to_owned()
}

/// Every operation of the document: method, path as it is written there, and a path to ask for.
async fn operations(fixture: &Fixture) -> Vec<(Method, String, String, Value)> {
    let document = fixture.send(request(Method::GET, "/api/v1/openapi.json", None, None)).await.good();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let asked = path.split('/').map(|part| if part.starts_with('{') { "0000000000005" } else { part });
            all.push((method, path.clone(), asked.collect::<Vec<_>>().join("/"), operation["security"].clone()));
        }
    }
    all
}

#[tokio::test]
async fn every_route_lets_through_whom_its_row_names_and_nobody_else() {
    let fixture = Fixture::start().await;
    let operations = operations(&fixture).await;
    let mut sessions = Vec::new();
    for role in Role::ALL {
        // An extension alone makes no agent.
        sessions.push((role, logged_in(&fixture, role.as_str(), &[role], Some("1003")).await));
    }
    let tokens = [
        (Scope::Read, &fixture.read),
        (Scope::Control, &fixture.operate),
        (Scope::Admin, &fixture.admin),
        (Scope::Payment, &fixture.payment),
    ];
    let (mut asked, mut refused) = (0, 0);
    for (method, path, place, security) in &operations {
        let row =
            access::row(method.as_str(), path).unwrap_or_else(|| panic!("{method} {path} has no row in http/access/routes.rs"));
        let nobody = fixture.send(request(method.clone(), place, None, None)).await.status.as_u16();
        asked += 1;
        if row.open {
            continue;
        }
        assert_eq!(nobody, 401, "{method} {path} without anything");
        for (scope, token) in tokens {
            let status = fixture.send(request(method.clone(), place, Some(token), None)).await.status.as_u16();
            let may = row.scope.is_some_and(|wanted| scope.holds(wanted));
            assert_eq!(status != 403, may, "{method} {path} with a token of scope {scope}: {status}");
            (asked, refused) = (asked + 1, refused + u32::from(!may));
        }
        for (role, session) in &sessions {
            // Logging out would end what the next question needs.
            if place.ends_with("/logout") || (method, place.as_str()) == (&Method::DELETE, "/api/v1/sessions") {
                assert_eq!(row.roles.len(), Role::ALL.len());
                continue;
            }
            let status = fixture.send(request(method.clone(), place, Some(session), None)).await.status.as_u16();
            let may =
                row.roles.contains(role) || (*role == Role::Agent && row.own == Own::Picked && place != "/api/v1/recordings");
            assert_eq!(status != 403, may, "{method} {path} as {role}: {status}");
            assert_ne!(status, 401, "{method} {path} as {role}");
            (asked, refused) = (asked + 1, refused + u32::from(!may));
        }
        // The document says the same as the table.
        let named = |scheme: &str| security.as_array().unwrap().iter().find_map(|one| one.get(scheme).cloned());
        let scope = row.scope.map(|scope| json!([scope.to_string()]));
        assert_eq!(named("token"), scope, "{method} {path}: its scope in the document and in the table");
        let mut roles: Vec<_> = row.roles.iter().map(|role| role.as_str()).collect();
        if row.own != Own::Nothing && !row.roles.contains(&Role::Agent) {
            roles.push("agent");
        }
        assert_eq!(named("login"), (!roles.is_empty()).then(|| json!(roles)), "{method} {path}: its roles in the document");
    }
    assert!(operations.len() >= 80 && asked > operations.len() * 9 && refused > 250, "{} {asked} {refused}", operations.len());
    let stale = ROUTES
        .iter()
        .filter(|row| !operations.iter().any(|(method, path, ..)| (method.as_str(), path.as_str()) == (row.method, row.path)));
    assert_eq!(stale.map(|row| (row.method, row.path)).collect::<Vec<_>>(), [], "rows of no route");
}

fn cdr(call: u64, agent: &str, from: &str) -> Record {
    let cdr = Cdr {
        call: CallId(call),
        origin: Origin::Trunk("carrier".into()),
        from: from.into(),
        to: "1800".into(),
        route: None,
        queue: Some("support".into()),
        agent: Some(agent.into()),
        answered_by: None,
        started_at: at(0),
        answered_at: None,
        connected_at: None,
        ended_at: at(9_000),
        waited_ms: 0,
        talked_ms: 0,
        cause: Cause::Normal,
        blame: Blame::Caller,
        recording: None,
        generation: 1,
        restarts: 0,
        told: std::collections::BTreeMap::new(),
        segments: Vec::new(),
    };
    Record::CallEnded { cdr: Box::new(cdr), quality: None, identity: None, was_kept: false }
}

fn recorded(call: u64) -> Record {
    let (recording, call) = (RecordingId(call + 100), CallId(call));
    Record::RecordingStarted(RecordingStarted {
        kept: KeptAs::default(),
        recording,
        call,
        path: format!("{}.wav", call.0),
        at: at(0),
    })
}

/// A call that is over, with a recording that is complete.
pub(super) fn recorded_call(call: u64, agent: &str, from: &str) -> Vec<Record> {
    let recording = RecordingId(call + 100);
    let finished = Record::RecordingFinished { recording, duration_ms: 1, size_bytes: 4, at: at(1) };
    vec![recorded(call), finished, cdr(call, agent, from)]
}

#[tokio::test]
async fn an_agent_sees_what_is_theirs_and_nothing_of_others() {
    let mut fixture = Fixture::start().await;
    let ada = logged_in(&fixture, "ada", &[Role::Agent], Some("1001")).await;
    let bob = logged_in(&fixture, "bob", &[Role::Agent], Some("1002")).await;
    fixture.control.store.commit(&[cdr(21, "1001", FROM), cdr(22, "1002", FROM), recorded(21), recorded(22)]).await.unwrap();
    let id = |number: u64| CallId(number).to_string();

    // Their state, and nobody else's.
    fixture.get(&ada, "/api/v1/agents/1001").await.good();
    for path in ["/api/v1/agents/1002", "/api/v1/agents/%31001", "/api/v1/agents", "/api/v1/people", "/api/v1/queues/support"] {
        fixture.get(&ada, path).await.problem(403);
    }
    fixture.order(Method::PUT, &ada, "/api/v1/agents/1001/state", json!({ "state": "ready" })).await.good();
    assert_eq!(fixture.asked.recv().await.unwrap(), "1001: Ready");
    fixture.order(Method::PUT, &bob, "/api/v1/agents/1001/state", json!({ "state": "sign-out" })).await.problem(403);

    // Their calls. The one that is up is of the device 1001, in nobody's hands yet.
    assert_eq!(fixture.get(&ada, "/api/v1/calls").await.good().as_array().unwrap().len(), 1);
    assert_eq!(fixture.get(&bob, "/api/v1/calls").await.good().as_array().unwrap().len(), 0);
    fixture.send(request(Method::POST, &format!("/api/v1/calls/{}/hangup", id(5)), Some(&bob), None)).await.problem(403);
    fixture.send(request(Method::POST, &format!("/api/v1/calls/{}/hangup", id(5)), Some(&ada), None)).await.good();
    fixture.get(&ada, &format!("/api/v1/calls/{}", id(21))).await.good();
    fixture.get(&ada, &format!("/api/v1/calls/{}", id(22))).await.problem(403);
    for query in ["", "?agent=1002", "?number=%2B390212345"] {
        let page = fixture.get(&ada, &format!("/api/v1/cdrs{query}")).await.good();
        let agents: Vec<_> = page["cdrs"].as_array().unwrap().iter().map(|cdr| cdr["agent"].clone()).collect();
        assert_eq!(agents, ["1001"], "{query}");
    }

    // Recordings of their calls.
    fixture.get(&ada, "/api/v1/recordings").await.problem(403);
    fixture.get(&ada, &format!("/api/v1/recordings?call={}", id(22))).await.problem(403);
    let own = fixture.get(&ada, &format!("/api/v1/recordings?call={}", id(21))).await.good();
    assert_eq!(own["recordings"].as_array().unwrap().len(), 1);
    for kind in ["", "/waveform"] {
        fixture.get(&ada, &format!("/api/v1/recordings/{}{kind}", RecordingId(122))).await.problem(403);
        let answer = fixture.get(&ada, &format!("/api/v1/recordings/{}{kind}", RecordingId(121))).await;
        assert!([404, 409].contains(&answer.status.as_u16()), "it goes on: {}", answer.status);
    }
    let ticket = async |who: &str, number| {
        fixture.send(request(Method::POST, &format!("/api/v1/recordings/{}/ticket", RecordingId(number)), Some(who), None)).await
    };
    ticket(&ada, 122).await.problem(403);
    ticket(&ada, 121).await.good();
}

#[tokio::test]
async fn roles_that_change_hold_at_once() {
    let fixture = Fixture::start().await;
    let ada = logged_in(&fixture, "ada", &[Role::Supervisor], None).await;
    fixture.get(&ada, "/api/v1/agents").await.good();
    fixture.get(&ada, "/api/v1/logins").await.problem(403);
    let change = json!({ "roles": ["auditor", "operator", "auditor"] });
    let view = fixture.order(Method::PUT, &fixture.admin, "/api/v1/logins/ada", change).await.good();
    assert_eq!(view["roles"], json!(["operator", "auditor"]));
    fixture.get(&ada, "/api/v1/logins").await.good();
    fixture.get(&ada, "/api/v1/recordings").await.problem(403);
    for bad in [json!({ "roles": [] }), json!({ "roles": ["agent"] }), json!({ "roles": ["agent"], "extension": "a b" })] {
        fixture.order(Method::PUT, &fixture.admin, "/api/v1/logins/ada", bad).await.problem(400);
    }
}

/// Logs in over HTTP.
async fn log_in(fixture: &Fixture, user: &str, password: &str, keep: &str, last: u8, more: &[(&str, &str)]) -> Answer {
    let mut asked = Request::builder().method(Method::POST).uri("/api/v1/login").header(header::CONTENT_TYPE, "application/json");
    for (name, value) in more {
        asked = asked.header(*name, *value);
    }
    let body = json!({ "user": user, "password": password, "keep": keep });
    let mut asked = asked.body(Body::from(body.to_string())).unwrap();
    let (local, remote) = (SocketAddr::from(([127, 0, 0, 1], 80)), SocketAddr::from(([192, 0, 2, last], 9)));
    asked.extensions_mut().insert(Peer { local, remote, secure: true });
    fixture.send(asked).await
}

async fn with_password(fixture: &Fixture, user: &str, password: &str) {
    let admin = &fixture.admin;
    fixture.order(Method::PUT, admin, &format!("/api/v1/logins/{user}"), json!({ "roles": ["supervisor"] })).await.good();
    let password = json!({ "password": password });
    fixture.order(Method::PUT, admin, &format!("/api/v1/logins/{user}/password"), password).await.good();
}

#[tokio::test]
async fn who_logs_in_has_a_session_until_they_log_out() {
    let fixture = Fixture::start().await;
    with_password(&fixture, "ada", "correct horse battery").await;
    let made = log_in(&fixture, " Ada ", "correct horse battery", "bearer", 1, &[]).await.good();
    let token = made["token"].as_str().unwrap().to_owned();
    assert_eq!((made["user"].as_str(), made["source"].as_str()), (Some("ada"), Some("192.0.2.1")));
    assert_eq!(fixture.get(&token, "/api/v1/whoami").await.good()["user"], "ada");
    let list = fixture.get(&fixture.admin, "/api/v1/sessions").await;
    assert!(!String::from_utf8_lossy(&list.body).contains(&token) && list.good()[0]["user"] == "ada");
    fixture.send(request(Method::POST, "/api/v1/logout", Some(&token), None)).await.good();
    fixture.get(&token, "/api/v1/whoami").await.problem(401);
    for (user, password) in [("ada", "wrong"), ("nobody", "correct horse battery"), ("ada\n", ""), ("", "")] {
        let told = log_in(&fixture, user, password, "bearer", 1, &[]).await.problem(401);
        assert_eq!(told, "name or password is wrong, or the login is locked");
    }
    let events = fixture.control.store.events_after(0, 100).await.unwrap();
    let audits: Vec<_> = events.iter().filter(|row| &*row.kind == "audit").map(|row| row.body.as_str()).collect();
    assert!(audits.iter().any(|body| body.contains("logged-in") && body.contains("\"from\":\"192.0.2.1\"")), "{audits:?}");
    assert_eq!(audits.iter().filter(|body| body.contains("login-failed")).count(), 4, "{audits:?}");
    assert!(!audits.iter().any(|body| body.contains("nobody\"") || body.contains("correct")), "{audits:?}");
}

#[tokio::test]
async fn a_cookie_is_closed_to_scripts_and_to_pages_of_others() {
    let fixture = Fixture::start().await;
    with_password(&fixture, "ada", "correct horse battery").await;
    let ours = [("host", "tandem.example"), ("origin", "https://tandem.example")];
    let theirs = [("host", "tandem.example"), ("origin", "https://evil.example")];
    log_in(&fixture, "ada", "correct horse battery", "cookie", 1, &theirs).await.problem(403);
    let answer = log_in(&fixture, "ada", "correct horse battery", "cookie", 1, &ours).await;
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(set.starts_with("__Host-tandem=tds_") && set.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{set}");
    assert!(!String::from_utf8_lossy(&answer.body).contains("tds_"), "a script must not read it from the answer");
    let cookie = set.split(';').next().unwrap();
    let ask = |method: Method, path: &str, more: &[(&str, &str)]| {
        let mut asked = Request::builder().method(method).uri(path).header(header::COOKIE, cookie);
        for (name, value) in more {
            asked = asked.header(*name, *value);
        }
        fixture.send(asked.body(Body::empty()).unwrap())
    };
    ask(Method::GET, "/api/v1/agents", &[]).await.good();
    let hang_up = "/api/v1/calls/0000000000005/hangup";
    ask(Method::POST, hang_up, &[]).await.problem(403);
    ask(Method::POST, hang_up, &theirs).await.problem(403);
    ask(Method::POST, hang_up, &ours).await.good();
    let socket = [("upgrade", "websocket"), theirs[0], theirs[1]];
    ask(Method::GET, "/api/v1/events", &socket).await.problem(403);
    let gone = ask(Method::POST, "/api/v1/logout", &ours).await;
    assert!(gone.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    ask(Method::GET, "/api/v1/agents", &[]).await.problem(401);
}

#[tokio::test]
async fn a_new_password_ends_every_session() {
    let fixture = Fixture::start().await;
    with_password(&fixture, "ada", "correct horse battery").await;
    let first =
        log_in(&fixture, "ada", "correct horse battery", "bearer", 1, &[]).await.good()["token"].as_str().unwrap().to_owned();
    let second =
        log_in(&fixture, "ada", "correct horse battery", "bearer", 1, &[]).await.good()["token"].as_str().unwrap().to_owned();
    let change = |old: &str, new: &str| json!({ "old": old, "new": new });
    let password = "/api/v1/password";
    fixture.order(Method::PUT, &first, password, change("wrong", "a new password")).await.problem(401);
    fixture.order(Method::PUT, &first, password, change("correct horse battery", "short")).await.problem(400);
    fixture.order(Method::PUT, &first, password, change("correct horse battery", "a new password")).await.good();
    for token in [&first, &second] {
        fixture.get(token, "/api/v1/whoami").await.problem(401);
    }
    log_in(&fixture, "ada", "correct horse battery", "bearer", 1, &[]).await.problem(401);
    log_in(&fixture, "ada", "a new password", "bearer", 1, &[]).await.good();
}

#[tokio::test]
async fn guesses_cost_time_for_known_names_and_unknown_ones_alike() {
    let fixture = Fixture::start().await;
    with_password(&fixture, "ada", "correct horse battery").await;
    for user in ["ada", "nobody"] {
        for _ in 0..11 {
            log_in(&fixture, user, "wrong", "bearer", 1, &[]).await.problem(401);
        }
        // The right one as well: else the wait would tell which it is.
        let told = log_in(&fixture, user, "correct horse battery", "bearer", 2, &[]).await.problem(429);
        assert_eq!(told, "there were too many wrong passwords");
    }
    // An admin's new password ends the wait.
    with_password(&fixture, "ada", "another password").await;
    log_in(&fixture, "ada", "another password", "bearer", 2, &[]).await.good();
}

#[tokio::test]
async fn a_login_is_locked_after_a_hundred_and_unlocked_by_an_admin() {
    let fixture = Fixture::start().await;
    with_password(&fixture, "ada", "correct horse battery").await;
    for _ in 0..100 {
        let login = fixture.control.store.login("ada").await.unwrap();
        fixture.control.store.login_failed("ada", login.as_ref(), None, at(5)).await.unwrap();
    }
    let seen = fixture.get(&fixture.admin, "/api/v1/logins").await.good();
    assert_eq!((seen[0]["failures"].as_u64(), seen[0]["locked_at"].is_null()), (Some(100), false));
    log_in(&fixture, "ada", "correct horse battery", "bearer", 1, &[]).await.problem(401);
    let events = fixture.control.store.events_after(0, 500).await.unwrap();
    assert_eq!(events.iter().filter(|row| row.body.contains("login-locked")).count(), 1);
    fixture.send(request(Method::POST, "/api/v1/logins/ada/unlock", Some(&fixture.admin), None)).await.good();
    log_in(&fixture, "ada", "correct horse battery", "bearer", 1, &[]).await.good();
}

#[tokio::test]
async fn every_look_is_in_the_audit_once_with_who_what_when_and_from_where() {
    let fixture = Fixture::start().await;
    fixture.control.store.commit(&[cdr(21, "1001", FROM)]).await.unwrap();
    let ada = logged_in(&fixture, "ada", &[Role::Supervisor], None).await;
    let call = format!("/api/v1/calls/{}", CallId(21));
    let look = async |path: &str| {
        let mut asked = request(Method::GET, path, Some(&ada), None);
        let (local, remote) = (SocketAddr::from(([127, 0, 0, 1], 80)), SocketAddr::from(([192, 0, 2, 7], 9)));
        asked.extensions_mut().insert(Peer { local, remote, secure: true });
        fixture.send(asked).await
    };
    look(&call).await.good();
    look(&call).await.good();
    look("/api/v1/cdrs?number=%2B390212345").await.good();
    look("/api/v1/cdrs?limit=x").await.problem(400);
    look("/api/v1/calls/0000000000099").await.problem(404);
    look("/api/v1/audit").await.problem(403);
    fixture.control.writer.flush().await.unwrap();
    let asked = async |query: &str| {
        let page = fixture.get(&fixture.admin, &format!("/api/v1/audit{query}")).await.good();
        let row = |row: &Value| format!("{} {} {} {}", row["who"], row["from"], row["what"], row["subject"]).replace('"', "");
        page["audits"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let looks =
        ["login ada 192.0.2.7 calls-read ?number=+390212345".to_owned(), format!("login ada 192.0.2.7 call-read {}", CallId(21))];
    assert_eq!(asked("?who=192.0.2.7").await, looks);
    assert_eq!(asked("?who=192.0.2.7&limit=1").await, looks[..1]);
    assert_eq!(asked("?what=call-read").await, looks[1..]);
    assert_eq!(asked("?subject=390212345").await, looks[..1]);
    assert_eq!(asked("?what=call").await, [""; 0]);
    // Who looks at the audit is in it, too.
    fixture.control.writer.flush().await.unwrap();
    assert!(asked("?what=audit-read").await.len() >= 4);
    let first = fixture.get(&fixture.admin, "/api/v1/audit?limit=3").await.good();
    let rest = fixture.get(&fixture.admin, &format!("/api/v1/audit?before={}", first["next"])).await.good();
    let seq =
        |page: &Value| page["audits"].as_array().unwrap().iter().map(|row| row["seq"].as_i64().unwrap()).collect::<Vec<_>>();
    let all: Vec<_> = seq(&first).into_iter().chain(seq(&rest)).collect();
    assert!(all.is_sorted_by(|a, b| a > b) && rest["next"].is_null(), "{all:?}");
    assert!(all.last().is_some_and(|last| *last <= 4), "down to the first one");
}
