//! People outside over HTTP: exported, erased with their voice, held, aged.

use axum::http::Method;
use serde_json::{Value, json};
use tandem_switch::id::{CallId, RecordingId};

use super::{Fixture, at, request, roles::recorded_call};
use crate::store::{CallStarted, MessageLeft, MessageStarted, Record};

const ANNA: &str = "+390212345678";
const BOB: &str = "+441632960123";

/// A call with its recording and a voice message, both with a file.
async fn lives(fixture: &Fixture, call: u64, number: &str) {
    let message = RecordingId(call + 900);
    let path = format!("{message}.wav");
    let mut records = recorded_call(call, "1001", number);
    let (from, mailbox): (_, tandem_switch::name::MailboxName) = (number.into(), "support".into());
    let mailed = MessageStarted { message, mailbox: mailbox.clone(), call: CallId(call), from, path: path.clone(), at: at(0) };
    records.push(Record::MessageStarted(mailed));
    records.push(Record::MessageLeft(MessageLeft { message, mailbox, duration_ms: 1, size_bytes: 4, at: at(1) }));
    fixture.control.store.commit(&records).await.unwrap();
    for file in [path, format!("{call}.wav")] {
        std::fs::write(fixture.recordings.join(file), b"RIFF").unwrap();
    }
}

fn files(fixture: &Fixture) -> Vec<String> {
    let entries = std::fs::read_dir(&fixture.recordings).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<_> = entries.collect();
    files.sort();
    files
}

async fn order(fixture: &Fixture, path: &str, body: Value) -> super::Answer {
    fixture.order(Method::POST, &fixture.admin, path, body).await
}

fn taken(view: &Value) -> [u64; 4] {
    ["calls", "recordings", "messages", "held"].map(|name| view[name].as_u64().unwrap())
}

async fn export(fixture: &Fixture, numbers: &[&str]) -> Vec<Value> {
    let answer = order(fixture, "/api/v1/privacy/export", json!({ "numbers": numbers })).await;
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_export_is_everything_of_one_and_nothing_of_others() {
    let fixture = Fixture::start().await;
    for (call, number) in [(21, ANNA), (22, BOB), (23, ANNA)] {
        lives(&fixture, call, number).await;
    }
    let lines = export(&fixture, &["00390212345678"]).await;
    assert_eq!(lines.len(), 5, "{lines:#?}");
    for (line, call) in lines.iter().zip([21, 23]) {
        assert_eq!(line["call"]["from"], ANNA);
        assert_eq!(line["call"]["call"], CallId(call).to_string());
        assert_eq!(line["recordings"].as_array().unwrap().len(), 1);
        assert!(line["events"].as_array().unwrap().iter().any(|event| event["kind"] == "call-ended"));
    }
    assert!(lines[2..4].iter().all(|line| line["message"]["from"] == ANNA));
    assert_eq!(lines[4], json!({ "end": { "customers": 0, "entries": 0, "calls": 2, "messages": 2 } }));
    assert_eq!(
        export(&fixture, &["+39000000000"]).await,
        [json!({ "end": { "customers": 0, "entries": 0, "calls": 0, "messages": 0 } })]
    );
    assert_eq!(export(&fixture, &[ANNA, BOB]).await.len(), 7);
    for bad in [json!([]), json!(["1001"]), json!(["x"]), json!(vec![ANNA; 17])] {
        order(&fixture, "/api/v1/privacy/export", json!({ "numbers": bad })).await.problem(400);
    }
}

#[tokio::test]
async fn an_erasure_takes_rows_and_voice_and_says_what_it_took() {
    let fixture = Fixture::start().await;
    for (call, number) in [(21, ANNA), (22, BOB), (23, ANNA)] {
        lives(&fixture, call, number).await;
    }
    let everything = files(&fixture);
    // Who looked for them is in the audit with their number.
    fixture.get(&fixture.read, "/api/v1/cdrs?number=%2B390212345678").await.good();
    let erase = async |dry_run: bool| {
        order(&fixture, "/api/v1/privacy/erase", json!({ "numbers": [ANNA], "dry_run": dry_run })).await.good()
    };
    let dry = erase(true).await;
    assert_eq!((taken(&dry), dry["events"].as_u64()), ([2, 2, 2, 0], Some(0)));
    assert_eq!(files(&fixture), everything, "a dry run touches nothing");
    let wet = erase(false).await;
    assert_eq!(taken(&wet), [2, 2, 2, 0]);
    assert_eq!(files(&fixture), [format!("{}.wav", RecordingId(922)), "22.wav".to_owned()]);
    let rows = fixture.control.store.events_after(0, 1_000).await.unwrap();
    assert!(!rows.iter().any(|row| row.body.contains("390212345678")), "{rows:?}");
    assert!(rows.iter().any(|row| row.body.contains(BOB)));
    let told = rows.iter().find(|row| row.body.contains("person-erased")).unwrap();
    assert!(told.body.contains("2 calls, 2 recordings, 2 messages"), "{}", told.body);
    let record = fixture.get(&fixture.read, &format!("/api/v1/calls/{}", CallId(21))).await.good();
    assert!(record["from"].as_str().unwrap().starts_with("erased-"), "{record}");
    assert_eq!(record["queue"], "support", "figures stay");
    fixture.get(&fixture.read, &format!("/api/v1/recordings/{}", RecordingId(121))).await.problem(410);
    assert_eq!(taken(&erase(false).await), [0, 0, 0, 0], "once more there is nothing");
}

#[tokio::test]
async fn a_customer_goes_with_all_their_addresses_and_leaves_a_receipt() {
    let fixture = Fixture::start().await;
    lives(&fixture, 21, ANNA).await;
    let person = json!({ "name": "Canary Anna", "identities": [
        { "kind": "phone", "value": ANNA }, { "kind": "email", "value": "canary@example.com" }] });
    let customer = order(&fixture, "/api/v1/customers", person).await.good()["customer"].as_str().unwrap().to_owned();
    let note = json!({ "body": "canary note" });
    order(&fixture, &format!("/api/v1/customers/{customer}/notes"), note).await.good();
    let no = json!({ "customer": customer, "allowed": false, "purpose": "marketing", "source": "form" });
    order(&fixture, "/api/v1/consents", no).await.good();
    let other = json!({ "name": "Bob", "identities": [{ "kind": "phone", "value": "+390212345679" }] });
    order(&fixture, "/api/v1/customers", other).await.good();

    let lines = export(&fixture, &["canary@example.com"]).await;
    assert_eq!(lines[0]["customer"]["name"], "Canary Anna");
    assert_eq!(lines[0]["identities"].as_array().unwrap().len(), 2);
    assert_eq!(lines[0]["consents"].as_array().unwrap().len(), 1);
    assert_eq!(lines[1]["entry"]["body"], "canary note");
    let end = json!({ "customers": 1, "entries": 1, "calls": 1, "messages": 1 });
    assert_eq!(lines.last().unwrap()["end"], end, "the calls of their number are theirs, whichever address was given");

    let erase = async |dry_run: bool| {
        order(&fixture, "/api/v1/privacy/erase", json!({ "customers": [customer], "dry_run": dry_run })).await.good()
    };
    let dry = erase(true).await;
    assert_eq!((dry["customers"].as_u64(), dry["suppressions"].as_u64(), dry["receipt"].as_str()), (Some(1), Some(2), Some("")));
    let wet = erase(false).await;
    assert_eq!((wet["customers"].as_u64(), taken(&wet)), (Some(1), [1, 1, 1, 0]));
    let receipt = wet["receipt"].as_str().unwrap();
    let rows = fixture.control.store.events_after(0, 1_000).await.unwrap();
    assert!(!rows.iter().any(|row| row.body.to_lowercase().contains("canary")), "{rows:?}");
    assert!(rows.iter().any(|row| &*row.kind == "audit" && row.body.contains("person-erased") && row.body.contains(receipt)));
    let left = fixture.get(&fixture.read, &format!("/api/v1/customers/{customer}")).await.good();
    assert_eq!((left["name"].as_str(), left["identities"].as_array().unwrap().len()), (Some(receipt), 0));
    let asked = async |number: &str| {
        let number = number.replace('+', "%2B");
        let path = format!("/api/v1/may-contact?kind=phone&value={number}&purpose=marketing&channel=voice");
        fixture.get(&fixture.read, &path).await.good()
    };
    assert_eq!(asked(ANNA).await["reason"], "is suppressed for marketing on all channels, by erasure");
    assert_eq!(asked("+390212345679").await["reason"], "no consent for marketing on voice");
    order(&fixture, "/api/v1/privacy/erase", json!({ "customers": ["01zzzzzzzzzzz"] })).await.problem(404);
    order(&fixture, "/api/v1/privacy/erase", json!({})).await.problem(400);
}

#[tokio::test]
async fn a_hold_wins_over_erasure_age_and_deletion() {
    let fixture = Fixture::start().await;
    lives(&fixture, 21, ANNA).await;
    lives(&fixture, 22, BOB).await;
    let hold = order(&fixture, "/api/v1/holds", json!({ "number": "0039 02 12345678", "why": "a claim" })).await.good();
    assert_eq!((hold["number"].as_str(), hold["call"].is_null()), (Some("390212345678"), true));
    let told = order(&fixture, "/api/v1/privacy/erase", json!({ "numbers": [ANNA] })).await.problem(409);
    assert!(told.contains(hold["id"].as_str().unwrap()) && told.contains("a claim"), "{told}");
    let message = format!("/api/v1/messages/{}", RecordingId(921));
    fixture.send(request(Method::DELETE, &message, Some(&fixture.admin), None)).await.problem(409);
    let retention = async |dry_run: bool| {
        let body = json!({ "older_than_days": 1, "dry_run": dry_run });
        order(&fixture, "/api/v1/privacy/retention", body).await.good()
    };
    assert_eq!(taken(&retention(true).await), [1, 0, 1, 2]);
    assert_eq!(taken(&retention(false).await), [1, 0, 1, 2]);
    assert_eq!(taken(&retention(false).await), [0, 0, 0, 2], "what is done is done");
    assert_eq!(export(&fixture, &[ANNA]).await.len(), 3);
    assert_eq!(export(&fixture, &[BOB]).await.len(), 1);
    let path = format!("/api/v1/holds/{}", hold["id"].as_str().unwrap());
    fixture.send(request(Method::DELETE, &path, Some(&fixture.admin), None)).await.good();
    fixture.send(request(Method::DELETE, &path, Some(&fixture.admin), None)).await.problem(404);
    assert_eq!(taken(&retention(true).await), [1, 0, 1, 0]);
    for bad in [json!({ "why": "x" }), json!({ "why": "", "number": ANNA }), json!({ "why": "x", "number": "12" })] {
        order(&fixture, "/api/v1/holds", bad).await.problem(400);
    }
    order(&fixture, "/api/v1/privacy/retention", json!({ "older_than_days": 0 })).await.problem(400);
}

#[tokio::test]
async fn nobody_is_erased_while_they_are_on_the_line() {
    let fixture = Fixture::start().await;
    let origin = tandem_switch::cdr::Origin::Trunk("carrier".into());
    let up = CallStarted {
        call: CallId(31),
        origin,
        from: ANNA.into(),
        to: "1800".into(),
        generation: 1,
        called_back: false,
        at: at(0),
    };
    fixture.control.store.commit(&[Record::CallStarted(up)]).await.unwrap();
    let told = order(&fixture, "/api/v1/privacy/erase", json!({ "numbers": [ANNA] })).await.problem(409);
    assert!(told.starts_with("a call of theirs is up"), "{told}");
}

#[tokio::test]
async fn what_is_said_to_age_does_so_daily_by_itself() {
    let fixture = Fixture::start().await;
    let now = crate::clock::now().at;
    let day = 86_400_000_000;
    let later = |days: i64| tandem_switch::time::Timestamp(now.0 + days * day);
    lives(&fixture, 21, ANNA).await;
    let person = json!({ "name": "Canary Anna", "identities": [{ "kind": "phone", "value": "+390212345679" }] });
    let customer = order(&fixture, "/api/v1/customers", person).await.good()["customer"].as_str().unwrap().to_owned();
    let path = "/api/v1/privacy/retention";
    let never = json!({ "calls_days": null, "customers_days": null, "last_at": null });
    assert_eq!(fixture.get(&fixture.admin, path).await.good(), never);
    assert_eq!(crate::privacy::look(&fixture.control, later(10_000)).await.unwrap(), None, "nobody said so");

    let set = async |body: Value| fixture.order(Method::PUT, &fixture.admin, path, body).await;
    set(json!({ "calls_days": 0 })).await.problem(400);
    set(json!({ "calls_days": 30, "customers_days": 300 })).await.good();
    // The call is of 2026 and a day ages it; of the customer something was heard just now.
    let taken = crate::privacy::look(&fixture.control, later(100)).await.unwrap().unwrap();
    assert_eq!((taken.calls, taken.messages, taken.customers), (1, 1, 0));
    assert_eq!(crate::privacy::look(&fixture.control, later(100)).await.unwrap(), None, "once a day");
    assert!(!fixture.get(&fixture.admin, path).await.good()["last_at"].is_null());

    let hold = order(&fixture, "/api/v1/holds", json!({ "number": "+390212345679", "why": "a claim" })).await.good();
    let taken = crate::privacy::look(&fixture.control, later(400)).await.unwrap().unwrap();
    assert_eq!((taken.customers, taken.held), (0, 1), "a hold keeps customers, too");
    let lifted = format!("/api/v1/holds/{}", hold["id"].as_str().unwrap());
    fixture.send(request(Method::DELETE, &lifted, Some(&fixture.admin), None)).await.good();
    let taken = crate::privacy::look(&fixture.control, later(401)).await.unwrap().unwrap();
    assert_eq!((taken.customers, taken.held), (1, 0));
    let row = fixture.get(&fixture.read, &format!("/api/v1/customers/{customer}")).await.good();
    assert!(row["name"].as_str().unwrap().starts_with("erased-"), "{row}");
    assert_eq!(fixture.control.store.verify().await.unwrap().different, 0);
    let audits = fixture.get(&fixture.admin, "/api/v1/audit?what=records-aged").await.good();
    assert!(audits.to_string().contains("1 customers"), "{audits}");
}
