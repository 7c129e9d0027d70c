//! Logins and sessions.

use super::at;
use crate::{
    passwords,
    store::{IDLE_MS, MOST_FAILURES, Role, Secret, testing::both},
};

const MINUTE_MS: i64 = 60_000;

#[tokio::test]
async fn logins_read_back_and_neither_passwords_nor_secrets_are_kept() {
    for db in both().await {
        let store = db.open().await;
        let roles = [Role::Supervisor, Role::Agent];
        store.put_login("ada", (&roles, Some(&"1001".into())), "test", at(0)).await.unwrap();
        let hash = passwords::hash("correct horse battery");
        store.set_login_password("ada", &hash, "test", at(1)).await.unwrap();
        store.put_login("ada", (&[Role::Auditor], None), "test", at(2)).await.unwrap();
        let login = store.login("ada").await.unwrap().unwrap();
        assert_eq!((login.roles.as_slice(), &login.extension, login.created_at), (&[Role::Auditor][..], &None, at(0)));
        assert_eq!(login.password.as_ref().map(Secret::expose), Some(hash.expose()), "a change of roles keeps the password");
        let (secret, session) = store.begin_session(&login, Some([192, 0, 2, 1].into()), at(3)).await.unwrap();
        assert_eq!(store.check_session(secret.expose(), at(4)).await.unwrap(), Some(session));
        let rows = store.events_after(0, 100).await.unwrap();
        assert!(rows.iter().all(|row| !row.body.contains(secret.expose()) && !row.body.contains("argon2")), "{rows:?}");
        assert!(store.remove_login("ada", "test", at(5)).await.unwrap());
        assert_eq!(store.check_session(secret.expose(), at(6)).await.unwrap(), None);
        assert!(!store.remove_login("ada", "test", at(7)).await.unwrap());
    }
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_at_its_end_however_it_is_used() {
    for db in both().await {
        let store = db.open().await;
        store.put_login("ada", (&[Role::Admin], None), "test", at(0)).await.unwrap();
        let login = store.login("ada").await.unwrap().unwrap();
        let idle = i64::try_from(IDLE_MS).unwrap();
        let (secret, session) = store.begin_session(&login, None, at(0)).await.unwrap();
        let holds = async |ms: i64| store.check_session(secret.expose(), at(ms)).await.unwrap().is_some();
        assert!(holds(idle - 1).await);
        let mut now = idle - 1;
        // What an open WebSocket does.
        while now + 20 * MINUTE_MS < 12 * 60 * MINUTE_MS {
            now += 20 * MINUTE_MS;
            assert!(store.session_still(&session.id, at(now)).await.unwrap().is_some(), "{now}");
        }
        assert!(!holds(12 * 60 * MINUTE_MS).await, "twelve hours are the most");
        let (secret, _) = store.begin_session(&login, None, at(0)).await.unwrap();
        assert_eq!(store.check_session(secret.expose(), at(idle)).await.unwrap(), None, "half an hour without use");
        for bad in ["", "tds_", "tds_00", &secret.expose()[1..], &secret.expose().replacen("tds_", "tdm_", 1)] {
            assert_eq!(store.check_session(bad, at(1)).await.unwrap(), None, "{bad}");
        }
    }
}

#[tokio::test]
async fn sessions_of_a_login_are_bounded_and_the_oldest_goes() {
    for db in both().await {
        let store = db.open().await;
        store.put_login("ada", (&[Role::Admin], None), "test", at(0)).await.unwrap();
        let login = store.login("ada").await.unwrap().unwrap();
        let (first, _) = store.begin_session(&login, None, at(0)).await.unwrap();
        for n in 1..=16 {
            assert!(store.check_session(first.expose(), at(n)).await.unwrap().is_some(), "{n}");
            store.begin_session(&login, None, at(n)).await.unwrap();
        }
        assert_eq!(store.sessions(at(20)).await.unwrap().len(), 16);
        assert_eq!(store.check_session(first.expose(), at(20)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn wrong_passwords_count_until_one_is_right() {
    for db in both().await {
        let store = db.open().await;
        store.put_login("ada", (&[Role::Admin], None), "test", at(0)).await.unwrap();
        let fail = async |ms| {
            let login = store.login("ada").await.unwrap();
            store.login_failed("ada", login.as_ref(), None, at(ms)).await.unwrap();
        };
        fail(1).await;
        store.login_failed("nobody", None, None, at(1)).await.unwrap();
        assert_eq!(store.login("ada").await.unwrap().unwrap().failures, 1);
        store.begin_session(&store.login("ada").await.unwrap().unwrap(), None, at(2)).await.unwrap();
        assert_eq!(store.login("ada").await.unwrap().unwrap().failures, 0);
        for n in 0..=i64::from(MOST_FAILURES) {
            assert_eq!(store.login("ada").await.unwrap().unwrap().locked_at, (n == 100).then_some(at(1_099)), "{n}");
            fail(1_000 + n).await;
        }
        store.unlock_login("ada", "test", at(5_000)).await.unwrap();
        let login = store.login("ada").await.unwrap().unwrap();
        assert_eq!((login.failures, login.locked_at), (0, None));
    }
}
