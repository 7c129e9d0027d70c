//! Tokens of the HTTP API: shown once, kept as a hash, limited in scope, revocable.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tandem_switch::time::Timestamp;

use super::{
    Audit, Doer, Record, Store, StoreError,
    db::{Row, args, json},
    people::{Secret, hex},
    sql,
};

/// How every token begins, so that scanners find leaked ones.
const PREFIX: &str = "tdm_";
/// Letters of the hash that name a token. The name says nothing about the rest of the token.
const ID_LETTERS: usize = 12;
/// `used_at` is written at most so often, in ms.
const USED_GRAIN_MS: u64 = 60_000;

/// What a token may do. Of the first three each holds the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// See everything, personal data included.
    Read,
    /// Change agents' states, hang up calls.
    Control,
    /// Change people, tokens and the plan.
    Admin,
    /// Read the keys of payments, and nothing else. No other scope holds it.
    Payment,
}

impl Scope {
    /// Whether it holds another one.
    #[must_use]
    pub const fn holds(self, wanted: Self) -> bool {
        match (self, wanted) {
            (Self::Payment, Self::Payment) => true,
            (Self::Payment, _) | (_, Self::Payment) => false,
            _ => self as u8 >= wanted as u8,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Control => "control",
            Self::Admin => "admin",
            Self::Payment => "payment",
        })
    }
}

impl FromStr for Scope {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "read" => Ok(Self::Read),
            "control" => Ok(Self::Control),
            "admin" => Ok(Self::Admin),
            "payment" => Ok(Self::Payment),
            _ => Err(format!("`{text}` is no scope: use read, control, admin or payment")),
        }
    }
}

/// A token as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Token {
    /// Names it in lists and in the audit; not secret.
    pub id: String,
    /// What it is for, in the admin's words.
    pub name: String,
    /// The most it may do.
    pub scope: Scope,
    /// When it was made, in µs since the epoch.
    #[schema(value_type = i64)]
    pub created_at: Timestamp,
    /// When it was used last, within a minute.
    #[schema(value_type = Option<i64>)]
    pub used_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(value_type = Option<i64>)]
    pub revoked_at: Option<Timestamp>,
}

/// What became of a token that somebody showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenCheck {
    /// It is good.
    Good(Token),
    /// It never was, or was revoked.
    Bad,
}

impl Store {
    /// Makes a token. The text comes back this once; only its hash is kept.
    pub async fn add_token(
        &self,
        name: &str,
        scope: Scope,
        by: impl Into<Doer>,
        at: Timestamp,
    ) -> Result<(Secret, Token), StoreError> {
        let text = random_text(PREFIX);
        let hash = hash(text.expose());
        let token =
            Token { id: hash[..ID_LETTERS].into(), name: name.into(), scope, created_at: at, used_at: None, revoked_at: None };
        let row = args![token.id.as_str(), hash.as_str(), name, json(&[scope]), at];
        let audit = Audit::of(by, "token-added", token.id.as_str(), at);
        self.change(&[(sql::PUT_TOKEN, row.into())], &[Record::Audit(audit)]).await?;
        Ok((text, token))
    }

    /// All tokens ever made, oldest first.
    pub async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.db.fetch(sql::TOKENS, &[]).await?.iter().map(token).collect()
    }

    /// Revokes a token at once. `false` when there is none of this id that still held.
    pub async fn revoke_token(&self, id: &str, by: impl Into<Doer>, at: Timestamp) -> Result<bool, StoreError> {
        let row = self.db.fetch_one(sql::TOKEN, &args![id]).await?;
        let holds = row.as_ref().map(token).transpose()?.is_some_and(|token| token.revoked_at.is_none());
        if holds {
            let audit = Audit::of(by, "token-revoked", id, at);
            self.change(&[(sql::REVOKE_TOKEN, args![id, at].into())], &[Record::Audit(audit)]).await?;
        }
        Ok(holds)
    }

    /// Looks up what somebody showed as a token, and notes its use.
    pub async fn check_token(&self, shown: &str, now: Timestamp) -> Result<TokenCheck, StoreError> {
        if !shown.starts_with(PREFIX) || shown.len() != PREFIX.len() + 64 {
            return Ok(TokenCheck::Bad);
        }
        let hash = hash(shown);
        let Some(row) = self.db.fetch_one(sql::TOKEN, &args![&hash[..ID_LETTERS]]).await? else { return Ok(TokenCheck::Bad) };
        let same: bool = row.get::<&str>("token_sha256")?.as_bytes().ct_eq(hash.as_bytes()).into();
        let token = token(&row)?;
        if !same || token.revoked_at.is_some() {
            return Ok(TokenCheck::Bad);
        }
        if token.used_at.is_none_or(|used_at| now.ms_since(used_at) >= USED_GRAIN_MS) {
            // Only a convenience of the list: a failure to note it refuses nobody.
            let _ = self.db.execute(sql::TOKEN_USED, &args![token.id.as_str(), now]).await;
        }
        Ok(TokenCheck::Good(token))
    }

    /// Whether a token that was good still is: for connections that live long.
    pub async fn token_holds(&self, id: &str) -> Result<bool, StoreError> {
        let row = self.db.fetch_one(sql::TOKEN, &args![id]).await?;
        Ok(row.as_ref().map(token).transpose()?.is_some_and(|token| token.revoked_at.is_none()))
    }
}

/// 256 random bits behind a prefix.
pub(super) fn random_text(prefix: &str) -> Secret {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    format!("{prefix}{}", hex(&bytes)).into()
}

pub(super) fn hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

fn token(row: &Row) -> Result<Token, StoreError> {
    let scopes: Vec<Scope> = row.json("scopes")?;
    Ok(Token {
        id: row.get("token_id")?,
        name: row.get("name")?,
        scope: scopes.into_iter().max().unwrap_or(Scope::Read),
        created_at: row.at("created_us")?,
        used_at: row.maybe_at("used_us")?,
        revoked_at: row.maybe_at("revoked_us")?,
    })
}
