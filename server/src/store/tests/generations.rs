//! Generations of the plan.

use super::at;
use crate::store::{
    Generation, GenerationRow, How, KEPT_TEXTS, PlanFile, PlanNews, PlanState, PlanTexts, Record, Share, Store, Terms,
    WatchRules, WatchTerms, testing::both,
};

fn taken(generation: u64, files: &[(&str, &str)], state: PlanState) -> Generation {
    Generation {
        generation,
        by: "token x".into(),
        how: How::Rollback(2),
        state,
        message: Some("a reason".into()),
        changes: vec!["route `a` changed".into()],
        terms: Terms {
            share: Some(Share { per_10000: 250, numbers: vec!["+390212345".into()] }),
            watch: Some(WatchTerms { rules: WatchRules::default(), back_to: 2, until: at(600_000) }),
        },
        files: files.iter().map(|(file, text)| PlanFile { file: (*file).into(), sha256: format!("sha of {text}") }).collect(),
        at: at(i64::try_from(generation).unwrap()),
    }
}

fn records(generation: u64, files: &[(&str, &str)], state: PlanState) -> [Record; 2] {
    let taken = taken(generation, files, state);
    let texts = files.iter().map(|(_, text)| (format!("sha of {text}"), (*text).into())).collect();
    [Record::PlanTexts(PlanTexts { generation, files: taken.files.clone(), texts }), Record::PlanLoaded(Box::new(taken))]
}

async fn texts(store: &Store, generation: u64) -> Vec<(String, String)> {
    store.plan_texts(generation).await.unwrap()
}

#[tokio::test]
async fn a_generation_reads_back_whole_with_what_became_of_it() {
    for db in both().await {
        let store = db.open().await;
        let before = store.head().await.unwrap();
        store.commit(&records(7, &[("b.kdl", "B"), ("a.kdl", "A")], PlanState::Applying)).await.unwrap();
        let expected = taken(7, &[("b.kdl", "B"), ("a.kdl", "A")], PlanState::Applying);
        assert_eq!(store.generation(7).await.unwrap(), Some(GenerationRow { taken: expected.clone(), news: None }));
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
        assert_eq!(texts(&store, 7).await, owned(&[("a.kdl", "A"), ("b.kdl", "B")]));
        let (state, why, by) = (PlanState::RolledBack, "too bad".to_owned(), "watch".to_owned());
        let news = PlanNews { generation: 7, state, why, by, at: at(9) };
        store.commit(&[Record::PlanNews(news.clone())]).await.unwrap();
        let taken = Generation { state, ..expected };
        assert_eq!(store.generations(None, 5).await.unwrap(), [GenerationRow { taken, news: Some(news) }]);
        let kinds: Vec<_> = store.events_after(before, 9).await.unwrap().iter().map(|row| row.kind.to_string()).collect();
        assert_eq!(kinds, ["plan-loaded", "plan-rolled-back"]);
        assert_eq!(store.generation(8).await.unwrap(), None);
        assert!(texts(&store, 8).await.is_empty());
    }
}

#[tokio::test]
async fn texts_are_kept_of_the_last_generations_and_of_what_is_in_service() {
    for db in both().await {
        let store = db.open().await;
        store.commit(&records(1, &[("a.kdl", "shared"), ("b.kdl", "first")], PlanState::InService)).await.unwrap();
        for generation in 2..=KEPT_TEXTS + 10 {
            let own = format!("own {generation}");
            let files = [("a.kdl", "shared"), ("b.kdl", own.as_str())];
            store.commit(&records(generation, &files, PlanState::Replaced)).await.unwrap();
        }
        assert_eq!(texts(&store, 1).await.len(), 2, "in service");
        assert!(texts(&store, 2).await.is_empty() && texts(&store, 10).await.is_empty());
        assert_eq!(texts(&store, 11).await.len(), 2);
        assert_eq!(store.plan_text("sha of own 11").await.unwrap().as_deref(), Some("own 11"));
        assert_eq!(store.plan_text("sha of own 10").await.unwrap(), None);
        assert_eq!(store.generations(Some(5), 2).await.unwrap().len(), 2, "rows stay longer");
        let bodies = store.db.fetch("SELECT COUNT(*) AS n FROM plan_texts", &[]).await.unwrap();
        assert_eq!(bodies[0].count("n").unwrap(), 2 + KEPT_TEXTS, "a text is there once, and goes with the last that has it");
    }
}
