//! Logins: who may use the API by name and password, in which roles, and who is logged in.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use tandem_switch::{name::Extension, time::Timestamp};

use super::{
    Audit, Doer, Record, Secret, Store, StoreError,
    db::{Row, args, json},
    sql::statements,
    tokens::{hash, random_text},
};

/// How every session's secret begins, so that scanners find leaked ones.
pub const SESSION_PREFIX: &str = "tds_";
/// Letters of the hash that name a session.
const ID_LETTERS: usize = 12;
/// A session that nobody uses ends after so long. An open WebSocket uses it.
pub const IDLE_MS: u64 = 30 * 60 * 1_000;
/// Every session ends after so long.
const LONGEST_MS: u64 = 12 * 60 * 60 * 1_000;
/// `used_us` is written at most so often, in ms.
const USED_GRAIN_MS: u64 = 60_000;
/// Sessions of one login; the oldest goes.
const MOST_SESSIONS: u32 = 16;
/// So many wrong passwords in a row lock a login (NIST SP 800-63B section 3.2.2 allows no more).
pub const MOST_FAILURES: u32 = 100;

statements! {
    PUT_LOGIN = "INSERT INTO logins (user_name, roles, extension, created_us, changed_us) VALUES ($1, $2, $3, $4, $4) \
        ON CONFLICT (user_name) DO UPDATE SET roles = excluded.roles, extension = excluded.extension, changed_us = excluded.changed_us";
    LOGIN = "SELECT user_name, password, roles, extension, created_us, failures, locked_us FROM logins WHERE user_name = $1";
    LOGINS = "SELECT user_name, password, roles, extension, created_us, failures, locked_us FROM logins ORDER BY user_name";
    REMOVE_LOGIN = "DELETE FROM logins WHERE user_name = $1";
    SET_LOGIN_PASSWORD = "UPDATE logins SET password = $2, changed_us = $3, failures = 0, locked_us = NULL WHERE user_name = $1";
    UNLOCK_LOGIN = "UPDATE logins SET failures = 0, locked_us = NULL WHERE user_name = $1";
    LOGIN_FAILED = "UPDATE logins SET failures = failures + 1, \
        locked_us = CASE WHEN failures + 1 >= $3 THEN COALESCE(locked_us, $2) ELSE locked_us END WHERE user_name = $1";
    LOGIN_DONE = "UPDATE logins SET failures = 0 WHERE user_name = $1";
    PUT_SESSION = "INSERT INTO sessions (session_id, session_sha256, user_name, source, began_us, used_us, ends_us) \
        VALUES ($1, $2, $3, $4, $5, $5, $6)";
    SESSION = "SELECT sessions.session_id, sessions.session_sha256, sessions.user_name, sessions.source, sessions.began_us, \
        sessions.used_us, sessions.ends_us, logins.roles, logins.extension FROM sessions \
        JOIN logins ON logins.user_name = sessions.user_name WHERE sessions.session_id = $1";
    SESSIONS = "SELECT sessions.session_id, sessions.session_sha256, sessions.user_name, sessions.source, sessions.began_us, \
        sessions.used_us, sessions.ends_us, logins.roles, logins.extension FROM sessions \
        JOIN logins ON logins.user_name = sessions.user_name WHERE sessions.ends_us > $1 AND sessions.used_us > $2 \
        ORDER BY sessions.user_name, sessions.began_us";
    SESSION_USED = "UPDATE sessions SET used_us = $2 WHERE session_id = $1 AND used_us < $2";
    END_SESSION = "DELETE FROM sessions WHERE session_id = $1";
    END_SESSIONS = "DELETE FROM sessions WHERE user_name = $1";
    END_OLD_SESSIONS = "DELETE FROM sessions WHERE ends_us <= $1 OR used_us <= $2";
    END_OLDEST_SESSIONS = "DELETE FROM sessions WHERE user_name = $1 AND session_id NOT IN \
        (SELECT session_id FROM sessions WHERE user_name = $1 ORDER BY began_us DESC, session_id LIMIT $2)";
}

/// What somebody who logs in is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything: people, logins, tokens, the plan.
    Admin,
    /// Runs the floor: queues, agents, calls, recordings, figures.
    Supervisor,
    /// Talks to customers: sees what concerns them and nothing of others.
    Agent,
    /// Runs the switch: plan, health, trunks, bans; no recordings and no messages.
    Operator,
    /// Looks whether all is done right: records, figures, who did what. Changes nothing, listens to nothing.
    Auditor,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Admin, Self::Supervisor, Self::Agent, Self::Operator, Self::Auditor];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Supervisor => "supervisor",
            Self::Agent => "agent",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| format!("`{text}` is no role: use admin, supervisor, agent, operator or auditor"))
    }
}

/// Somebody who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Their name, in lower case.
    pub user: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Which agent they are.
    pub extension: Option<Extension>,
    /// The hash of their password, as text of the PHC format; `None` until one is set.
    pub password: Option<Secret>,
    /// When they were added.
    pub created_at: Timestamp,
    /// Wrong passwords in a row.
    pub failures: u32,
    /// Since when no password is taken.
    pub locked_at: Option<Timestamp>,
}

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Names it in lists and in the audit; not secret.
    pub id: String,
    /// Whose.
    pub user: String,
    /// What they may do now.
    pub roles: Vec<Role>,
    /// Which agent they are.
    pub extension: Option<Extension>,
    /// From where they logged in.
    pub source: Option<String>,
    /// When.
    pub began_at: Timestamp,
    /// When it was used last, within a minute.
    pub used_at: Timestamp,
    /// When it ends however much it is used.
    pub ends_at: Timestamp,
}

impl Session {
    fn holds(&self, now: Timestamp) -> bool {
        now < self.ends_at && now.ms_since(self.used_at) < IDLE_MS
    }
}

impl Store {
    /// Everybody who may log in.
    pub async fn logins(&self) -> Result<Vec<Login>, StoreError> {
        self.db.fetch(LOGINS, &[]).await?.iter().map(login).collect()
    }

    /// One of them.
    pub async fn login(&self, user: &str) -> Result<Option<Login>, StoreError> {
        self.db.fetch_one(LOGIN, &args![user]).await?.as_ref().map(login).transpose()
    }

    /// Adds a login or changes its roles and extension. Both hold at once, in sessions that go on too.
    pub async fn put_login(
        &self,
        user: &str,
        (roles, extension): (&[Role], Option<&Extension>),
        by: impl Into<Doer>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let words: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
        let row = args![user, json(&roles), extension.map(|extension| extension.as_str()), at];
        let audit = Audit::of(by, "login-changed", format!("{user}: {}", words.join(" ")), at);
        self.change(&[(PUT_LOGIN, row.into())], &[Record::Audit(audit)]).await
    }

    /// Removes a login; its sessions end. `false` when there was none.
    pub async fn remove_login(&self, user: &str, by: impl Into<Doer>, at: Timestamp) -> Result<bool, StoreError> {
        if self.login(user).await?.is_none() {
            return Ok(false);
        }
        let audit = Audit::of(by, "login-removed", user, at);
        let statements = [(END_SESSIONS, args![user].into()), (REMOVE_LOGIN, args![user].into())];
        self.change(&statements, &[Record::Audit(audit)]).await?;
        Ok(true)
    }

    /// Keeps the hash of a new password. All sessions of the login end.
    pub async fn set_login_password(
        &self,
        user: &str,
        hash: &Secret,
        by: impl Into<Doer>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let audit = Audit::of(by, "login-password-changed", user, at);
        let statements = [(SET_LOGIN_PASSWORD, args![user, hash.expose(), at].into()), (END_SESSIONS, args![user].into())];
        self.change(&statements, &[Record::Audit(audit)]).await
    }

    /// Takes passwords again of somebody who guessed too often.
    pub async fn unlock_login(&self, user: &str, by: impl Into<Doer>, at: Timestamp) -> Result<(), StoreError> {
        let audit = Audit::of(by, "login-unlocked", user, at);
        self.change(&[(UNLOCK_LOGIN, args![user].into())], &[Record::Audit(audit)]).await
    }

    /// Notes a password that was wrong. For a user who is none the same is done and nothing changes: it takes as long. What
    /// was typed as a name that is none may be a password, and is not written down.
    pub async fn login_failed(
        &self,
        user: &str,
        known: Option<&Login>,
        from: Option<IpAddr>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let locks = known.is_some_and(|login| login.locked_at.is_none() && login.failures + 1 >= MOST_FAILURES);
        let by = Doer { who: "nobody yet".into(), from };
        let what = if locks { "login-locked" } else { "login-failed" };
        let audit = Audit::of(by, what, if known.is_some() { user } else { "an unknown name" }, at);
        self.change(&[(LOGIN_FAILED, args![user, at, MOST_FAILURES].into())], &[Record::Audit(audit)]).await
    }

    /// Begins a session. Its secret comes back this once; only its hash is kept.
    pub async fn begin_session(
        &self,
        login: &Login,
        from: Option<IpAddr>,
        at: Timestamp,
    ) -> Result<(Secret, Session), StoreError> {
        let text = random_text(SESSION_PREFIX);
        let hash = hash(text.expose());
        let session = Session {
            id: hash[..ID_LETTERS].into(),
            user: login.user.clone(),
            roles: login.roles.clone(),
            extension: login.extension.clone(),
            source: from.map(|from| from.to_string()),
            began_at: at,
            used_at: at,
            ends_at: at.plus_ms(LONGEST_MS),
        };
        let user = login.user.as_str();
        let row = args![session.id.as_str(), hash.as_str(), user, session.source.clone(), at, session.ends_at];
        let statements = [
            (END_OLD_SESSIONS, args![at, idle_since(at)].into()),
            (PUT_SESSION, row.into()),
            (END_OLDEST_SESSIONS, args![user, MOST_SESSIONS].into()),
            (LOGIN_DONE, args![user].into()),
        ];
        let by = Doer { who: format!("login {user}"), from };
        let audit = Audit::of(by, "logged-in", format!("session {}", session.id), at);
        self.change(&statements, &[Record::Audit(audit)]).await?;
        Ok((text, session))
    }

    /// Looks up what somebody showed as the secret of a session, and notes its use.
    pub async fn check_session(&self, shown: &str, now: Timestamp) -> Result<Option<Session>, StoreError> {
        if !shown.starts_with(SESSION_PREFIX) || shown.len() != SESSION_PREFIX.len() + 64 {
            return Ok(None);
        }
        let hash = hash(shown);
        let Some(row) = self.db.fetch_one(SESSION, &args![&hash[..ID_LETTERS]]).await? else { return Ok(None) };
        let same: bool = row.get::<&str>("session_sha256")?.as_bytes().ct_eq(hash.as_bytes()).into();
        let session = session(&row)?;
        if !same || !session.holds(now) {
            return Ok(None);
        }
        self.session_used(&session, now).await;
        Ok(Some(session))
    }

    /// A session that was good, as it is now: for connections that live long, which use it.
    pub async fn session_still(&self, id: &str, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let Some(row) = self.db.fetch_one(SESSION, &args![id]).await? else { return Ok(None) };
        let session = session(&row)?;
        if !session.holds(now) {
            return Ok(None);
        }
        self.session_used(&session, now).await;
        Ok(Some(session))
    }

    async fn session_used(&self, session: &Session, now: Timestamp) {
        if now.ms_since(session.used_at) >= USED_GRAIN_MS {
            // A failure to note it refuses nobody; the next request tries again.
            let _ = self.db.execute(SESSION_USED, &args![session.id.as_str(), now]).await;
        }
    }

    /// Everybody who is logged in at `now`.
    pub async fn sessions(&self, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        self.db.fetch(SESSIONS, &args![now, idle_since(now)]).await?.iter().map(session).collect()
    }

    /// Ends one session.
    pub async fn end_session(&self, id: &str, by: impl Into<Doer>, at: Timestamp) -> Result<(), StoreError> {
        let audit = Audit::of(by, "logged-out", format!("session {id}"), at);
        self.change(&[(END_SESSION, args![id].into())], &[Record::Audit(audit)]).await
    }

    /// Ends all sessions of a login.
    pub async fn end_sessions(&self, user: &str, by: impl Into<Doer>, at: Timestamp) -> Result<(), StoreError> {
        let audit = Audit::of(by, "sessions-ended", user, at);
        self.change(&[(END_SESSIONS, args![user].into())], &[Record::Audit(audit)]).await
    }
}

fn idle_since(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(IDLE_MS * 1_000).unwrap_or(i64::MAX)))
}

fn login(row: &Row) -> Result<Login, StoreError> {
    Ok(Login {
        user: row.get("user_name")?,
        roles: row.json("roles")?,
        extension: row.get::<Option<&str>>("extension")?.map(Extension::from),
        password: row.get::<Option<String>>("password")?.map(Secret::from),
        created_at: row.at("created_us")?,
        failures: u32::try_from(row.count("failures")?).unwrap_or(u32::MAX),
        locked_at: row.maybe_at("locked_us")?,
    })
}

fn session(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.get("session_id")?,
        user: row.get("user_name")?,
        roles: row.json("roles")?,
        extension: row.get::<Option<&str>>("extension")?.map(Extension::from),
        source: row.get("source")?,
        began_at: row.at("began_us")?,
        used_at: row.at("used_us")?,
        ends_at: row.at("ends_us")?,
    })
}
