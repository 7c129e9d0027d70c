//! Plans that are sent, and those that were.

use axum::http::Method;
use serde_json::json;

use super::{Fixture, at};
use crate::store::{Generation, How, PlanFile, PlanState, PlanTexts, Record, Terms};

#[tokio::test]
async fn a_plan_is_applied_by_admins_within_bounds() {
    let mut fixture = Fixture::start().await;
    let apply = "/api/v1/plan/apply";
    let files = json!([{ "file": "a.kdl", "text": "x" }]);
    let order = json!({ "files": files, "message": " why ", "dry_run": true, "onto": 2 });
    fixture.order(Method::POST, &fixture.operate, apply, order.clone()).await.problem(403);
    let applied = fixture.order(Method::POST, &fixture.admin, apply, order).await.good();
    assert_eq!((&applied["taken"], &applied["plan"]["generation"]), (&json!(4), &json!(2)));
    let asked = fixture.asked.recv().await.unwrap();
    assert!(asked.starts_with("Apply(") && asked.ends_with("true Some(2)"), "{asked}");
    // Larger than any other body may be.
    let large = json!({ "files": [{ "file": "a.kdl", "text": "// x\n".repeat(100_000) }] });
    fixture.order(Method::POST, &fixture.admin, apply, large).await.good();
    let enormous = json!({ "files": [{ "file": "a.kdl", "text": "x".repeat(13 << 20) }] });
    fixture.order(Method::POST, &fixture.admin, apply, enormous).await.problem(413);
    for bad in [
        json!({ "canary": { "percent": 10 } }),
        json!({ "files": files, "canary": {} }),
        json!({ "files": files, "canary": { "percent": 101 } }),
        json!({ "files": files, "canary": { "numbers": ["sip:evil@x"] } }),
        json!({ "files": files, "canary": { "numbers": vec!["1"; 101] } }),
        json!({ "files": files, "watch": { "for_s": 0, "max_errors_percent": 5, "least_calls": 20 } }),
        json!({ "files": files, "watch": { "for_s": 60, "max_errors_percent": 500, "least_calls": 20 } }),
        json!({ "files": files, "message": "x".repeat(1_001) }),
    ] {
        fixture.order(Method::POST, &fixture.admin, apply, bad).await.problem(400);
    }
    let (promote, rollback) = ("/api/v1/plan/promote", "/api/v1/plan/rollback");
    let no_canary = fixture.order(Method::POST, &fixture.admin, promote, json!({})).await.problem(409);
    assert_eq!(no_canary, "there is no canary");
    fixture.order(Method::POST, &fixture.admin, rollback, json!({ "generation": 9 })).await.problem(404);
    fixture.order(Method::POST, &fixture.admin, rollback, json!({})).await.good();
    fixture.order(Method::POST, &fixture.operate, rollback, json!({})).await.problem(403);
}

#[tokio::test]
async fn generations_are_listed_shown_and_compared() {
    let fixture = Fixture::start().await;
    for (generation, text) in [(1, "route \"a\" { from any; hangup; }\n"), (2, "route \"a\" { from any; hangup \"busy\"; }\n")] {
        let files = vec![PlanFile { file: "a.kdl".into(), sha256: format!("{generation:064}") }];
        let texts = vec![(files[0].sha256.clone(), text.into())];
        let taken = Generation {
            generation,
            by: "x".into(),
            how: How::Apply,
            state: PlanState::InService,
            message: Some("why".into()),
            changes: vec!["route `a` changed".into()],
            terms: Terms::default(),
            files: files.clone(),
            at: at(0),
        };
        let records = [Record::PlanTexts(PlanTexts { generation, files, texts }), Record::PlanLoaded(Box::new(taken))];
        fixture.control.store.commit(&records).await.unwrap();
    }
    let page = fixture.get(&fixture.read, "/api/v1/plan/generations?limit=1").await.good();
    assert_eq!((&page["generations"][0]["generation"], &page["next"]), (&json!(2), &json!(2)));
    let older = fixture.get(&fixture.read, "/api/v1/plan/generations?before=2").await.good();
    assert_eq!((older["generations"].as_array().unwrap().len(), &older["next"]), (1, &json!(null)));
    fixture.get(&fixture.operate, "/api/v1/plan/generations/1").await.problem(403);
    let detail = fixture.get(&fixture.admin, "/api/v1/plan/generations/1").await.good();
    assert_eq!((&detail["how"], &detail["texts"][0]["file"]), (&json!("apply"), &json!("a.kdl")));
    fixture.get(&fixture.admin, "/api/v1/plan/generations/9").await.problem(404);
    let diff = fixture.get(&fixture.admin, "/api/v1/plan/diff?from=1&to=2").await.good();
    assert_eq!(diff["changes"], json!(["a.kdl: +1 -1 lines", "route `a` changed"]));
    assert!(diff["diff"].as_str().unwrap().contains("+route \"a\" { from any; hangup \"busy\"; }"));
    fixture.get(&fixture.admin, "/api/v1/plan/diff?from=1&to=9").await.problem(404);
}
