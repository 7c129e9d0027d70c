//! Logins and sessions as the API shows and takes them.

use serde::{Deserialize, Serialize};
use tandem_switch::name::Extension as Number;
use utoipa::ToSchema;

use crate::{
    http::{people::read_extension, view::At},
    store::{IDLE_MS, Login, Role, Session},
};

/// Somebody logs in.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginOrder {
    /// Their name; large letters count as small ones.
    pub user: String,
    /// Their password.
    pub password: String,
    /// How the session is shown from then on.
    #[serde(default)]
    pub keep: Keep,
}

/// How a session is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// By a cookie that no script reads: for browsers, which take it by TLS or from localhost only.
    #[default]
    Cookie,
    /// As `Authorization: Bearer tds_…`: for programs.
    Bearer,
}

/// Somebody who is logged in.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Names it in lists and in the audit; not secret.
    pub id: String,
    /// Whose.
    pub user: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Which agent they are.
    pub extension: Option<String>,
    /// From where they logged in.
    pub source: Option<String>,
    /// When.
    pub began_at: At,
    /// When it was used last, within a minute.
    pub used_at: At,
    /// When it ends however much it is used.
    pub ends_at: At,
    /// It ends earlier when it is not used for so long.
    pub idle_ms: u64,
    /// The secret, when it was asked for as bearer: shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        let Session { id, user, roles, extension, source, began_at, used_at, ends_at } = session;
        let (began_at, used_at, ends_at) = (At(began_at), At(used_at), At(ends_at));
        let extension = extension.map(|extension| extension.to_string());
        Self { id, user, roles, extension, source, began_at, used_at, ends_at, idle_ms: IDLE_MS, token: None }
    }
}

/// Somebody who may log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginView {
    /// Their name.
    pub user: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// Which agent they are.
    pub extension: Option<String>,
    /// Without a password nobody logs in.
    pub has_password: bool,
    /// When they were added.
    pub created_at: At,
    /// Wrong passwords in a row.
    pub failures: u32,
    /// Since when no password is taken, for too many wrong ones.
    pub locked_at: Option<At>,
}

impl From<Login> for LoginView {
    fn from(login: Login) -> Self {
        let Login { user, roles, extension, password, created_at, failures, locked_at } = login;
        let extension = extension.map(|extension| extension.to_string());
        let (has_password, created_at, locked_at) = (password.is_some(), At(created_at), locked_at.map(At));
        Self { user, roles, extension, has_password, created_at, failures, locked_at }
    }
}

/// Who may log in, and in which roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginChange {
    /// What they may do; at least one.
    pub roles: Vec<Role>,
    /// Which agent they are; agents need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
}

impl LoginChange {
    /// The roles, each once, and the extension.
    ///
    /// # Errors
    /// A sentence, with the name of the field first.
    pub fn read(mut self) -> Result<(Vec<Role>, Option<Number>), String> {
        self.roles.sort_unstable();
        self.roles.dedup();
        (!self.roles.is_empty()).then_some(()).ok_or("roles: give at least one")?;
        let extension = self.extension.as_deref().map(read_extension).transpose()?;
        if self.roles.contains(&Role::Agent) && extension.is_none() {
            return Err("extension: an agent needs one".into());
        }
        Ok((self.roles, extension))
    }
}

/// A new password, set by an admin.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginPassword {
    /// 12 to 128 characters.
    pub password: String,
}

/// A new password, set by whom it is for.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnPassword {
    /// The present one.
    pub old: String,
    /// 12 to 128 characters.
    pub new: String,
}
