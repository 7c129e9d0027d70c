//! Subscriptions and dead letters.

use tandem_switch::webhooks::{Mark, Streak};

use super::{at, queued};
use crate::store::{LookupTerms, Record, WebhookProgress, WebhookTerms, testing::both};

fn terms(kinds: &[&str]) -> WebhookTerms {
    let kinds = kinds.iter().map(|&kind| kind.to_owned()).collect();
    WebhookTerms { url: "https://crm.example/hook?key=1".into(), kinds, give_up_s: 3_600 }
}

#[tokio::test]
async fn a_subscription_begins_at_the_end_of_the_journal_and_reads_back() {
    for db in both().await {
        let store = db.open().await;
        store.commit(&[Record::Floor(queued(1, 0)), Record::Floor(queued(2, 5))]).await.unwrap();
        let (name, secret) = store.add_webhook(&terms(&["queued", "left"]), "test", at(1)).await.unwrap();
        let row = store.webhook(&name).await.unwrap().unwrap();
        assert_eq!((row.mark, row.paused_at, row.dead), (Mark { done_to: 2, streak: None }, None, 0));
        assert_eq!(row.kinds.iter().map(String::as_str).collect::<Vec<_>>(), ["left", "queued"]);
        assert_eq!((row.secret.expose(), row.old_secret), (secret.expose(), None));
        let other = store.change_webhook_secret(&name, "test", at(2)).await.unwrap();
        store.change_webhook(&name, &WebhookTerms { give_up_s: 60, ..terms(&["*"]) }, "test", at(3)).await.unwrap();
        let row = store.webhook(&name).await.unwrap().unwrap();
        let old = row.old_secret.map(|(old, until)| (old.expose().to_owned(), until));
        assert_eq!((row.secret.expose(), row.give_up_s), (other.expose(), 60));
        assert_eq!(old, Some((secret.expose().to_owned(), at(24 * 60 * 60_000 + 2))));
        let journal = store.events_after(0, 100).await.unwrap();
        assert!(journal.iter().all(|row| !row.body.contains(secret.expose()) && !row.body.contains(other.expose())));
        assert!(journal.iter().filter(|row| &*row.kind == "audit").count() == 3, "{journal:?}");
        store.remove_webhook(&name, "test", at(4)).await.unwrap();
        assert!(store.webhooks().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn how_far_it_is_and_what_was_given_up_are_one_and_outlive_the_process() {
    for db in both().await {
        let store = db.open().await;
        let (name, _) = store.add_webhook(&terms(&["*"]), "test", at(0)).await.unwrap();
        store.commit(&[Record::Floor(queued(1, 0)), Record::Floor(queued(2, 5))]).await.unwrap();
        let streak = Some(Streak { since_at: at(7), attempts: 3 });
        let failing =
            WebhookProgress { mark: Mark { done_to: 2, streak }, delivered_at: Some(at(6)), last_error: Some("x".into()) };
        store.save_webhook(&name, &failing).await.unwrap();
        let buried = WebhookProgress { mark: Mark { done_to: 3, streak }, ..WebhookProgress::default() };
        store.bury(&name, (2, 9, "it answered 500"), &buried, at(8)).await.unwrap();
        store.bury(&name, (3, 1, "it answered 500"), &buried, at(9)).await.unwrap();
        store.close().await;
        let store = db.open().await;
        let row = store.webhook(&name).await.unwrap().unwrap();
        assert_eq!((row.mark, row.delivered_at, row.last_error, row.dead), (buried.mark, Some(at(6)), None, 2));
        let dead = store.dead_of_webhook(&name, 0, 10).await.unwrap();
        assert_eq!(
            dead.iter().map(|row| (row.seq, row.kind.as_str(), row.attempts)).collect::<Vec<_>>(),
            [(2, "queued", 9), (3, "queued", 1)]
        );
        assert_eq!((dead[1].at, dead[1].died_at, dead[1].resend), (Some(at(5)), at(9), false));
        // Sent once more: one is taken, one is not.
        assert_eq!(store.resend_dead(&name, Some(7), "test", at(10)).await.unwrap(), 0);
        assert_eq!(store.resend_dead(&name, None, "test", at(10)).await.unwrap(), 2);
        assert_eq!(store.dead_to_resend(&name).await.unwrap(), [2, 3].into());
        store.raise_dead(&name, 2).await.unwrap();
        store.leave_dead(&name, 3, "it answered 400").await.unwrap();
        let dead = store.dead_of_webhook(&name, 0, 10).await.unwrap();
        assert_eq!(
            dead.iter().map(|row| (row.seq, row.attempts, row.why.as_str(), row.resend)).collect::<Vec<_>>(),
            [(3, 2, "it answered 400", false)]
        );
        assert_eq!(store.discard_dead(&name, None, "test", at(11)).await.unwrap(), 1);
        // A pause is no failure.
        store.pause_webhook(&name, Some("full"), "test", at(12)).await.unwrap();
        let row = store.webhook(&name).await.unwrap().unwrap();
        assert_eq!((row.paused_at, row.paused_why.as_deref()), (Some(at(12)), Some("full")));
        store.resume_webhook(&name, "test", at(13)).await.unwrap();
        let row = store.webhook(&name).await.unwrap().unwrap();
        assert_eq!((row.paused_at, row.mark.streak), (None, None));
    }
}

#[tokio::test]
async fn there_is_one_crm_to_ask_or_none() {
    for db in both().await {
        let store = db.open().await;
        assert_eq!(store.lookup().await.unwrap(), None);
        let first = LookupTerms {
            url: "https://crm.example/{number}".into(),
            is_post: false,
            token: Some("secret".to_owned().into()),
            fields: [("Name".to_owned(), "/name".to_owned())].into(),
            wait_ms: 100,
            limit_ms: 2_000,
            keep_s: 300,
        };
        store.put_lookup(&first, "test", at(0)).await.unwrap();
        assert_eq!(store.lookup().await.unwrap(), Some(first.clone()));
        let other = LookupTerms { is_post: true, token: None, ..first };
        store.put_lookup(&other, "test", at(1)).await.unwrap();
        assert_eq!(store.lookup().await.unwrap(), Some(other));
        store.remove_lookup("test", at(2)).await.unwrap();
        assert_eq!(store.lookup().await.unwrap(), None);
        let journal = store.events_after(0, 100).await.unwrap();
        assert!(journal.len() == 3 && journal.iter().all(|row| !row.body.contains("secret")), "{journal:?}");
    }
}
