//! Customers through the API.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};
use tandem_switch::{
    customers::Channel,
    id::{CallId, ConversationId, InteractionId},
    time::Timestamp,
};

use super::Fixture;
use crate::store::{CustomerChange, InteractionRow};

impl Fixture {
    pub(super) async fn customer(&self, name: &str, number: &str) -> String {
        let wish = json!({ "name": name, "language": "it", "identities": [{ "kind": "phone", "value": number }] });
        let added = self.order(Method::POST, &self.operate, "/api/v1/customers", wish).await.good();
        added["customer"].as_str().unwrap().to_owned()
    }

    /// A call that was.
    async fn spell(&self) -> CallId {
        let call = CallId(100);
        let row = InteractionRow {
            interaction: InteractionId(call.0),
            conversation: ConversationId(call.0),
            customer: None,
            case: None,
            channel: Channel::Voice,
            inbound: true,
            identity: None,
            candidates: Vec::new(),
            call: Some(call),
            queue: None,
            agent: None,
            started_at: Timestamp::from_ms(0),
            ended_at: None,
            disposition: None,
        };
        let news = vec![CustomerChange::InteractionStarted(row)];
        self.control.customers.commit("test", Timestamp::from_ms(0), news).await.unwrap();
        call
    }

    async fn import(&self, path: &str, file: &str) -> Vec<Value> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.admin))
            .header(header::CONTENT_TYPE, "text/csv")
            .body(Body::from(file.to_owned()))
            .unwrap();
        let answer = self.send(request).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_customer_is_found_by_number_name_and_after_a_merge() {
    let fixture = Fixture::start().await;
    let ada = fixture.customer("Ada Lovelace", "02 3041 2345").await;
    let augusta = fixture.customer("Augusta King", "+39 347 1234567").await;
    let found = async |query: &str| {
        let page = fixture.get(&fixture.read, &format!("/api/v1/customers?{query}")).await.good();
        page["customers"].as_array().unwrap().iter().map(|it| it["customer"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("number=%2B390230412345").await, std::slice::from_ref(&ada));
    assert_eq!(found("name=love").await, std::slice::from_ref(&ada));
    assert_eq!(found("name=ove").await, [""; 0]);
    assert_eq!(found("name=%25").await, [""; 0]);
    let path = format!("/api/v1/customers/{ada}/merge");
    let merged =
        fixture.order(Method::POST, &fixture.operate, &path, json!({ "customer": augusta, "why": "one person" })).await.good();
    assert_eq!((merged["customer"].as_str(), merged["identities"].as_array().unwrap().len()), (Some(ada.as_str()), 2));
    assert_eq!(found("number=3471234567").await, std::slice::from_ref(&ada));
    fixture.order(Method::POST, &fixture.operate, &path, json!({ "customer": augusta, "why": "again" })).await.problem(409);
    let link = merged["merges"][0]["link"].as_str().unwrap();
    let undone = fixture.order(Method::DELETE, &fixture.operate, &format!("/api/v1/merges/{link}"), json!({})).await.good();
    assert_eq!((undone["name"].as_str(), undone["identities"].as_array().unwrap().len()), (Some("Augusta King"), 1));
    assert_eq!(found("number=3471234567").await, [augusta]);
    fixture.get(&fixture.read, "/api/v1/customers?number=12").await.problem(400);
    fixture.get(&fixture.read, "/api/v1/customers/01k3p9x7c0z4m").await.problem(404);
}

#[tokio::test]
async fn notes_cases_and_splits_belong_to_their_customer() {
    let fixture = Fixture::start().await;
    let ada = fixture.customer("Ada", "02 3041 2345").await;
    let post = async |path: String, body: Value| fixture.order(Method::POST, &fixture.operate, &path, body).await;
    let case = post(format!("/api/v1/customers/{ada}/cases"), json!({ "subject": "No tone", "topic": "repair" })).await.good();
    let case = case["case"].as_str().unwrap();
    post(format!("/api/v1/customers/{ada}/notes"), json!({ "body": "She called twice", "case": case })).await.good();
    post(format!("/api/v1/customers/{ada}/notes"), json!({ "body": "x".repeat(4_001) })).await.problem(400);
    let timeline = fixture.get(&fixture.read, &format!("/api/v1/customers/{ada}/timeline")).await.good();
    assert_eq!(
        (timeline["entries"][0]["body"].as_str(), timeline["entries"][0]["case"].as_str()),
        (Some("She called twice"), Some(case))
    );
    let path = format!("/api/v1/cases/{case}");
    let done =
        fixture.order(Method::PATCH, &fixture.operate, &path, json!({ "status": "solved", "outcome": "fixed" })).await.good();
    assert!(done["solved_at"].is_string());
    fixture.order(Method::PATCH, &fixture.operate, &path, json!({ "status": "gone" })).await.problem(400);
    fixture.order(Method::PATCH, &fixture.operate, &path, json!({ "status": "closed" })).await.good();
    fixture.order(Method::PATCH, &fixture.operate, &path, json!({ "status": "open" })).await.problem(409);
    let states = fixture.get(&fixture.read, &format!("{path}/states")).await.good();
    let words: Vec<_> = states.as_array().unwrap().iter().map(|state| state["status"].as_str().unwrap()).collect();
    assert_eq!(words, ["open", "solved", "closed"]);
    assert!(states[2]["by"].as_str().unwrap().ends_with("(test control)"), "{states}");
    let more = json!({ "identities": [{ "kind": "email", "value": "Ada@Example.com" }] });
    fixture.order(Method::PATCH, &fixture.operate, &format!("/api/v1/customers/{ada}"), more).await.good();
    let split = json!({ "identities": [{ "kind": "email", "value": "ada@example.com" }], "name": "Another Ada" });
    let other = post(format!("/api/v1/customers/{ada}/split"), split.clone()).await.good();
    assert_eq!(
        (other["name"].as_str(), other["identities"][0]["value"].as_str()),
        (Some("Another Ada"), Some("ada@example.com"))
    );
    post(format!("/api/v1/customers/{ada}/split"), split).await.problem(400);
    let last = json!({ "identities": [{ "kind": "phone", "value": "0230412345" }] });
    post(format!("/api/v1/customers/{ada}/split"), last).await.problem(400);
}

#[tokio::test]
async fn once_there_are_codes_only_those_that_are_offered_say_what_an_interaction_was() {
    let fixture = Fixture::start().await;
    let call = fixture.spell().await;
    let path = format!("/api/v1/interactions/{call}/disposition");
    let dispose = async |code: &str| fixture.order(Method::PUT, &fixture.operate, &path, json!({ "disposition": code })).await;
    dispose("whatever").await.good();
    let put = async |code: &str, body: Value| {
        fixture.order(Method::PUT, &fixture.admin, &format!("/api/v1/dispositions/{code}"), body).await
    };
    put("sold", json!({ "label": "They bought" })).await.good();
    put("old", json!({ "label": "As it was said once", "offered": false })).await.good();
    put("two%0Alines", json!({ "label": "x" })).await.problem(400);
    put("long", json!({ "label": "x".repeat(201) })).await.problem(400);
    let no = dispose("old").await;
    assert_eq!(no.problem(400), "no such disposition");
    assert!(no.json()["todo"].as_str().unwrap().starts_with("give one of sold, or"), "{:?}", no.body);
    dispose("sold").await.good();
    let codes = fixture.get(&fixture.read, "/api/v1/dispositions").await.good();
    assert_eq!(codes.as_array().unwrap().len(), 2);
    fixture.order(Method::PUT, &fixture.operate, "/api/v1/dispositions/x", json!({ "label": "x" })).await.problem(403);
}

#[tokio::test]
async fn may_contact_answers_with_its_reason() {
    let fixture = Fixture::start().await;
    let ada = fixture.customer("Ada", "02 3041 2345").await;
    let may = async |purpose: &str| {
        let path = format!("/api/v1/may-contact?kind=phone&value=0230412345&purpose={purpose}&channel=voice");
        let answer = fixture.get(&fixture.read, &path).await.good();
        (answer["may"].as_bool().unwrap(), answer["reason"].as_str().unwrap().to_owned())
    };
    assert!(may("service").await.0);
    assert_eq!(may("marketing").await, (false, "no consent for marketing on voice".to_owned()));
    let yes = json!({ "customer": ada, "allowed": true, "purpose": "marketing", "source": "web form" });
    fixture.order(Method::POST, &fixture.operate, "/api/v1/consents", yes).await.good();
    assert!(may("marketing").await.0);
    let no = json!({ "identity": { "kind": "phone", "value": "+390230412345" }, "allowed": false, "jurisdiction": "it", "source": "register" });
    let no = fixture.order(Method::POST, &fixture.operate, "/api/v1/consents", no).await.good();
    assert_eq!(may("marketing").await, (false, "is suppressed for all purposes on all channels, by register".to_owned()));
    let back = json!({ "queue": "support", "number": "0230412345", "via": "carrier", "shown": "1800" });
    let told = fixture.order(Method::POST, &fixture.operate, "/api/v1/callbacks", back).await.problem(409);
    assert_eq!(told, "the number may not be called: it is suppressed for all purposes on all channels, by register");
    let path = format!("/api/v1/consents/{}", no["consent"].as_str().unwrap());
    fixture.order(Method::DELETE, &fixture.operate, &path, json!({})).await.good();
    assert!(may("marketing").await.0);
    let both = fixture.get(&fixture.read, &format!("/api/v1/customers/{ada}/consents")).await.good();
    assert_eq!(both.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_export_imports_as_it_is() {
    let fixture = Fixture::start().await;
    fixture.customer("=Ada, \"L.\"", "02 3041 2345").await;
    fixture.customer("Bob", "+44 20 7946 0018").await;
    let answer = fixture.get(&fixture.admin, "/api/v1/customers-export").await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/csv; charset=utf-8");
    let file = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(file.contains("\"'=Ada, \"\"L.\"\"\""), "{file}");
    let lines = fixture.import("/api/v1/customers-import", &file).await;
    let same = json!({ "rows": 2, "added": 0, "changed": 0, "same": 2, "refused": 0, "dry_run": false });
    assert_eq!(lines, [same]);
    let lines =
        fixture.import("/api/v1/customers-import?separator=semicolon&dry_run=true", "name;phone\nX;12\nY;0230412399\n").await;
    assert_eq!(lines[0]["line"], 2);
    assert_eq!(lines[1], json!({ "rows": 2, "added": 1, "changed": 0, "same": 0, "refused": 1, "dry_run": true }));
    let lines = fixture.import("/api/v1/customers-import", "shoe\n1\n").await;
    assert!(lines[0]["error"].as_str().unwrap().starts_with("line 1: column 1 is none of"), "{lines:?}");
}

#[tokio::test]
async fn the_clocks_of_a_case_say_what_is_due_first() {
    let fixture = Fixture::start().await;
    let ada = fixture.customer("Ada", "02 3041 2345").await;
    let open = async |subject: &str, respond: u32, resolve: u32| {
        let wish = json!({ "subject": subject, "respond_within_s": respond, "resolve_within_s": resolve });
        let case = fixture.order(Method::POST, &fixture.operate, &format!("/api/v1/customers/{ada}/cases"), wish).await.good();
        case["case"].as_str().unwrap().to_owned()
    };
    let (late, soon, never) = (open("late", 0, 7_200).await, open("soon", 600, 0).await, open("never", 0, 0).await);
    let view = async |case: &str| fixture.get(&fixture.read, &format!("/api/v1/cases/{case}")).await.good();
    let of_soon = view(&soon).await;
    assert_eq!(
        (of_soon["response"]["state"].as_str(), of_soon["response"]["within_ms"].as_u64()),
        (Some("running"), Some(600_000))
    );
    assert_eq!((of_soon["resolution"].is_null(), view(&never).await["response"].is_null()), (true, true));
    let due = async || {
        let all = fixture.get(&fixture.read, "/api/v1/cases").await.good();
        all.as_array().unwrap().iter().map(|case| case["case"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(due().await, [soon.clone(), late.clone()]);

    let change = async |case: &str, wish: Value| {
        fixture.order(Method::PATCH, &fixture.operate, &format!("/api/v1/cases/{case}"), wish).await
    };
    change(&late, json!({ "status": "pending" })).await.good();
    let paused = view(&late).await["resolution"].clone();
    assert_eq!((paused["state"].as_str(), paused["due_at"].is_null()), (Some("paused"), true));
    // An agent spoke with her about it.
    let store = &fixture.control.store;
    let row = store.case(soon.parse().unwrap()).await.unwrap().unwrap();
    let talk = InteractionRow {
        interaction: InteractionId(77),
        conversation: ConversationId(77),
        customer: Some(row.customer),
        case: Some(row.case),
        channel: Channel::Chat,
        inbound: true,
        identity: None,
        candidates: Vec::new(),
        call: None,
        queue: None,
        agent: None,
        started_at: row.opened_at.plus_ms(1_000),
        ended_at: None,
        disposition: None,
    };
    let (interaction, agent) = (talk.interaction, Some("1001".to_owned()));
    let changes =
        vec![CustomerChange::InteractionStarted(talk), CustomerChange::InteractionEnded { interaction, queue: None, agent }];
    fixture.control.customers.commit("test", row.opened_at.plus_ms(5_000), changes).await.unwrap();
    let met = view(&soon).await["response"].clone();
    assert_eq!((met["state"].as_str(), met["used_ms"].as_u64()), (Some("met"), Some(1_000)));
    change(&soon, json!({ "respond_within_s": 0 })).await.good();
    assert_eq!(due().await, [late]);
    change(&soon, json!({ "resolve_within_s": 40_000_000 })).await.problem(400);
    assert_eq!(store.verify().await.unwrap().different, 0);
}
