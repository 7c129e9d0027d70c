//! The files of the plan, as clients read and write them.

use axum::{body::Body, http::request::Builder};
use serde_json::json;

use super::*;

const QUEUES: &str = "// Queues.\nqueue \"support\" {\n    ring \"15s\" // each\n}\nqueue \"sales\"\n";

impl Fixture {
    async fn with_plan() -> Self {
        let fixture = Self::start().await;
        let folder = fixture.plan_folder();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("10.kdl"), QUEUES).unwrap();
        fixture
    }

    fn plan_folder(&self) -> PathBuf {
        self.recordings.with_file_name("plan")
    }

    fn on_disk(&self, name: &str) -> String {
        std::fs::read_to_string(self.plan_folder().join(name)).unwrap()
    }

    async fn etag(&self, name: &str) -> String {
        let answer = self.get(&self.admin, &format!("/api/v1/plan/files/{name}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.headers[header::ETAG].to_str().unwrap().to_owned()
    }

    async fn with(&self, method: Method, path: &str, headers: &[(header::HeaderName, &str)], body: &str) -> Answer {
        let start = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {}", self.admin));
        let all = headers.iter().fold(start, |builder: Builder, (name, value)| builder.header(name, *value));
        self.send(all.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn edit(&self, wish: Value) -> Answer {
        self.order(Method::POST, &self.admin, "/api/v1/plan/edits", wish).await
    }
}

fn ring(value: &str) -> Value {
    json!({ "do": "set", "at": "queue support", "name": "ring", "value": value })
}

#[tokio::test]
async fn files_are_listed_and_read_with_their_etags() {
    let fixture = Fixture::with_plan().await;
    let list = fixture.get(&fixture.admin, "/api/v1/plan/files").await.good();
    assert_eq!((list["files"][0]["file"].as_str(), list["files"][0]["state"].as_str()), (Some("10.kdl"), Some("new")));
    let file = fixture.get(&fixture.admin, "/api/v1/plan/files/10.kdl").await;
    assert_eq!(
        (&file.body[..], file.headers[header::ETAG].to_str().unwrap()),
        (QUEUES.as_bytes(), list["files"][0]["etag"].as_str().unwrap())
    );
    let etag = fixture.etag("10.kdl").await;
    let again = fixture.with(Method::GET, "/api/v1/plan/files/10.kdl", &[(header::IF_NONE_MATCH, &etag)], "").await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    for (path, status) in [("11.kdl", 404), ("..%2F10.kdl", 404), ("%2Fetc%2Fpasswd", 404)] {
        fixture.get(&fixture.admin, &format!("/api/v1/plan/files/{path}")).await.problem(status);
    }
    for token in [&fixture.read, &fixture.operate] {
        fixture.get(token, "/api/v1/plan/files").await.problem(403);
        fixture.order(Method::POST, token, "/api/v1/plan/edits", json!({ "edits": [ring("20s")] })).await.problem(403);
    }
}

#[tokio::test]
async fn a_file_is_written_only_over_the_text_that_was_read() {
    let fixture = Fixture::with_plan().await;
    let (path, etag) = ("/api/v1/plan/files/10.kdl", fixture.etag("10.kdl").await);
    let other = QUEUES.replace("15s", "16s");
    let told = fixture.with(Method::PUT, path, &[], &other).await.problem(428);
    assert!(told.contains("which text"), "{told}");
    fixture.with(Method::PUT, path, &[(header::IF_MATCH, "*")], &other).await.problem(400);
    let dry = fixture.with(Method::PUT, &format!("{path}?dry_run=true"), &[(header::IF_MATCH, &etag)], &other).await.good();
    assert_eq!((&dry["written"], dry["files"][0]["nodes"][0].as_str()), (&json!(false), Some("changed queue \"support\"")));
    assert_eq!(fixture.on_disk("10.kdl"), QUEUES);

    // Ada is first; Bob is told what she did.
    let written = fixture.with(Method::PUT, path, &[(header::IF_MATCH, &etag)], &other).await.good();
    assert_eq!((&written["written"], fixture.on_disk("10.kdl").as_str()), (&json!(true), other.as_str()));
    let late = fixture.with(Method::PUT, path, &[(header::IF_MATCH, &etag)], &QUEUES.replace("15s", "17s")).await;
    assert_eq!(late.problem(412), "10.kdl changed since you read it");
    assert_eq!(late.headers[header::ETAG].to_str().unwrap(), written["files"][0]["etag"].as_str().unwrap());
    let conflict = &late.json()["conflicts"][0];
    assert!(conflict["changes"][0]["by"].as_str().unwrap().contains("test admin") && conflict["outside"] == false, "{conflict}");
    assert!(conflict["diff"].as_str().unwrap().contains("+    ring \"16s\" // each"), "{conflict}");
    assert_eq!(fixture.on_disk("10.kdl"), other);

    let bad = fixture.with(Method::PUT, path, &[(header::IF_MATCH, &fixture.etag("10.kdl").await)], "queue {").await;
    bad.problem(422);
    assert_eq!(bad.json()["problems"][0]["file"], "10.kdl");
    let large = "// ".to_owned() + &"x".repeat(1 << 20);
    fixture.with(Method::PUT, path, &[(header::IF_MATCH, &etag)], &large).await.problem(413);
    for name in ["..%2Fx.kdl", "x.txt", ".x.kdl"] {
        let path = format!("/api/v1/plan/files/{name}");
        fixture.with(Method::PUT, &path, &[(header::IF_NONE_MATCH, "*")], "skill \"a\"").await.problem(400);
    }
    assert_eq!(fixture.on_disk("10.kdl"), other);

    fixture.with(Method::PUT, "/api/v1/plan/files/20.kdl", &[(header::IF_NONE_MATCH, "*")], "skill \"a\"\n").await.good();
    fixture.with(Method::PUT, "/api/v1/plan/files/20.kdl", &[(header::IF_NONE_MATCH, "*")], "skill \"b\"\n").await.problem(412);
    let etag = fixture.etag("20.kdl").await;
    fixture.with(Method::DELETE, "/api/v1/plan/files/20.kdl", &[(header::IF_MATCH, &etag)], "").await.good();
    fixture.with(Method::DELETE, "/api/v1/plan/files/20.kdl", &[(header::IF_MATCH, &etag)], "").await.problem(404);
}

#[tokio::test]
async fn nodes_are_edited_and_conflicts_are_told() {
    let fixture = Fixture::with_plan().await;
    let base = json!({ "10.kdl": fixture.etag("10.kdl").await });
    let done = fixture.edit(json!({ "base": base, "edits": [ring("20s")] })).await.good();
    assert_eq!(fixture.on_disk("10.kdl"), QUEUES.replace("15s", "20s"));
    assert!(done["files"][0]["diff"].as_str().unwrap().contains("+    ring \"20s\" // each"), "{done}");

    let sales = json!({ "do": "set", "at": "queue sales", "name": "ring", "value": "9s" });
    fixture.edit(json!({ "base": base, "edits": [sales] })).await.problem(412);
    let told = fixture.edit(json!({ "base": base, "edits": [sales, ring("30s")], "rebase": true })).await;
    assert!(told.problem(409).contains("queue \"support\""), "{:?}", told.body);
    assert_eq!(told.json()["where"], "body.edits[1]");
    fixture.edit(json!({ "base": base, "edits": [sales], "rebase": true })).await.good();
    assert!(fixture.on_disk("10.kdl").contains("ring \"20s\" // each") && fixture.on_disk("10.kdl").contains("ring \"9s\""));

    fixture.edit(json!({ "edits": [ring("30s")] })).await.problem(428);
    let base = json!({ "10.kdl": fixture.etag("10.kdl").await });
    for (edit, status, detail) in [
        (json!({ "do": "set", "at": "queue", "name": "ring", "value": "1s" }), 422, "more than one node"),
        (ring("soon"), 422, "ring: "),
        (json!({ "do": "set", "at": "queue sales", "name": "ring", "value": "1s\" }\nskill \"x" }), 422, "ring: "),
        (json!({ "do": "conjure" }), 422, "unknown variant"),
    ] {
        let told = fixture.edit(json!({ "base": base, "edits": [edit] })).await.problem(status);
        assert!(told.contains(detail), "{told}");
    }
}

#[tokio::test]
async fn what_cannot_be_applied_is_put_back_and_all_is_audited() {
    let fixture = Fixture::with_plan().await;
    let base = json!({ "10.kdl": fixture.etag("10.kdl").await });
    // The loops of this test take no plan of this token.
    let told = fixture.edit(json!({ "base": base, "edits": [ring("20s")], "apply": true })).await;
    assert!(told.problem(422).contains("as they were") && told.json()["problems"][0]["file"] == "routes.kdl", "{:?}", told.body);
    assert_eq!(fixture.on_disk("10.kdl"), QUEUES);
    fixture.edit(json!({ "base": base, "edits": [ring("20s")] })).await.good();
}

#[tokio::test]
async fn of_many_writers_at_once_one_wins_and_the_others_know() {
    let fixture = Fixture::with_plan().await;
    let base = json!({ "10.kdl": fixture.etag("10.kdl").await });
    let wishes = (1..=12).map(|n| fixture.edit(json!({ "base": base, "edits": [ring(&format!("{n}s"))] })));
    let answers = futures_util::future::join_all(wishes).await;
    let won: Vec<_> = (1..=12).zip(&answers).filter(|(_, answer)| answer.status == StatusCode::OK).map(|(n, _)| n).collect();
    let [winner] = won[..] else { panic!("{won:?} won") };
    assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::PRECONDITION_FAILED).count(), 11);
    assert_eq!(fixture.on_disk("10.kdl"), QUEUES.replace("15s", &format!("{winner}s")));
}
