//! `tandem login`: by the running server when there is one, else in the database itself. So the first admin of a new
//! install is added before or after its first start.

use std::io::Read as _;

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::{
    CliError, Common,
    client::Client,
    people::{WHO, open},
    print,
    table::{draw, instant, maybe, tick},
};
use crate::{
    clock,
    http::{
        logins::{LoginChange, LoginPassword, LoginView, SessionView, read_user},
        view::Done,
    },
    passwords,
    store::{Role, Store},
};

#[derive(Debug, Subcommand)]
pub(super) enum LoginCommand {
    /// Let somebody log in. Prints the password that was made for them, once.
    Add {
        /// Their name.
        user: String,
        /// What they may do: admin, supervisor, agent, operator, auditor; give it once for each.
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<Role>,
        /// Which agent they are; agents need one.
        #[arg(long)]
        extension: Option<String>,
        /// Read the password from standard input instead of making one.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Everybody who may log in.
    List,
    /// Change roles and extension. Both are replaced, at once.
    Set {
        /// Whose.
        user: String,
        /// What they may do; give it once for each.
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<Role>,
        /// Which agent they are; agents need one.
        #[arg(long)]
        extension: Option<String>,
    },
    /// Set a password; all sessions end. Prints the one that was made, unless it is read from standard input.
    SetPassword {
        /// Whose.
        user: String,
        /// Read it from standard input instead of making one.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Take passwords again of somebody who typed too many wrong ones.
    Unlock {
        /// Whom.
        user: String,
    },
    /// Everybody who is logged in.
    Sessions,
    /// Log somebody out everywhere.
    End {
        /// Whom.
        user: String,
    },
    /// Let somebody log in no more; their sessions end.
    Remove {
        /// Whom.
        user: String,
    },
}

/// Where logins are changed.
enum Logins {
    Server(Client),
    Database(Store),
}

pub(super) async fn run(command: LoginCommand, common: &Common) -> Result<(), CliError> {
    let logins = Logins::find(common).await?;
    match command {
        LoginCommand::Add { user, roles, extension, password_stdin } => {
            let user = read_user(&user).map_err(CliError::failed)?;
            if logins.all().await?.iter().any(|login| login.user == user) {
                return Err(
                    CliError::failed(format!("there is a login `{user}` already")).todo("change it by `tandem login set`")
                );
            }
            let (password, made) = password(password_stdin)?;
            logins.put(&user, LoginChange { roles, extension }).await?;
            logins.set_password(&user, &password).await?;
            told_password(common, &logins.existing(&user).await?, made.then_some(&password))
        }
        LoginCommand::List => print(common, &logins.all().await?, |all| drawn(all)),
        LoginCommand::Set { user, roles, extension } => {
            let user = logins.existing(&user).await?.user;
            logins.put(&user, LoginChange { roles, extension }).await?;
            print(common, &logins.existing(&user).await?, |login| drawn(std::slice::from_ref(login)))
        }
        LoginCommand::SetPassword { user, password_stdin } => {
            let user = logins.existing(&user).await?.user;
            let (password, made) = password(password_stdin)?;
            logins.set_password(&user, &password).await?;
            told_password(common, &logins.existing(&user).await?, made.then_some(&password))
        }
        LoginCommand::Unlock { user } => {
            let user = logins.existing(&user).await?.user;
            match &logins {
                Logins::Server(client) => {
                    client.order::<Done>(Method::POST, &["logins", &user, "unlock"], &json!({})).await.map(drop)?
                }
                Logins::Database(store) => store.unlock_login(&user, WHO, clock::now().at).await?,
            }
            done(common, format!("{user} may log in again.\n"))
        }
        LoginCommand::Sessions => {
            let sessions: Vec<SessionView> = match &logins {
                Logins::Server(client) => client.get(&["sessions"]).await?,
                Logins::Database(store) => store.sessions(clock::now().at).await?.into_iter().map(SessionView::from).collect(),
            };
            print(common, &sessions, |sessions| drawn_sessions(sessions))
        }
        LoginCommand::End { user } => {
            let user = logins.existing(&user).await?.user;
            match &logins {
                Logins::Server(client) => client.delete::<Done>(&["logins", &user, "sessions"]).await.map(drop)?,
                Logins::Database(store) => store.end_sessions(&user, WHO, clock::now().at).await?,
            }
            done(common, format!("{user} is logged out everywhere.\n"))
        }
        LoginCommand::Remove { user } => {
            let user = logins.existing(&user).await?.user;
            match &logins {
                Logins::Server(client) => client.delete::<Done>(&["logins", &user]).await.map(drop)?,
                Logins::Database(store) => store.remove_login(&user, WHO, clock::now().at).await.map(drop)?,
            }
            done(common, format!("{user} is removed.\n"))
        }
    }
}

impl Logins {
    /// The server that was named, or the one that runs on the data folder; without one, the database.
    async fn find(common: &Common) -> Result<Self, CliError> {
        match Client::find(common) {
            Ok(client) => match client.get::<serde_json::Value>(&["whoami"]).await {
                // What the data folder names may have stopped long ago; what was named by hand is meant.
                Err(error) if error.code == 3 && common.server.is_none() => Ok(Self::Database(open(common).await?)),
                Err(error) => Err(error),
                Ok(_) => Ok(Self::Server(client)),
            },
            Err(error) if common.server.is_some() => Err(error),
            Err(_) => Ok(Self::Database(open(common).await?)),
        }
    }

    async fn all(&self) -> Result<Vec<LoginView>, CliError> {
        match self {
            Self::Server(client) => client.get(&["logins"]).await,
            Self::Database(store) => Ok(store.logins().await?.into_iter().map(LoginView::from).collect()),
        }
    }

    async fn existing(&self, user: &str) -> Result<LoginView, CliError> {
        let user = read_user(user).map_err(CliError::failed)?;
        let known = self.all().await?.into_iter().find(|login| login.user == user);
        known.ok_or_else(|| CliError::not_found("login", &user).todo("see `tandem login list`"))
    }

    async fn put(&self, user: &str, change: LoginChange) -> Result<(), CliError> {
        match self {
            Self::Server(client) => client.order::<LoginView>(Method::PUT, &["logins", user], &change).await.map(drop),
            Self::Database(store) => {
                let (roles, extension) = change.read().map_err(CliError::failed)?;
                Ok(store.put_login(user, (&roles, extension.as_ref()), WHO, clock::now().at).await?)
            }
        }
    }

    async fn set_password(&self, user: &str, password: &str) -> Result<(), CliError> {
        match self {
            Self::Server(client) => {
                let change = LoginPassword { password: password.into() };
                client.order::<Done>(Method::PUT, &["logins", user, "password"], &change).await.map(drop)
            }
            Self::Database(store) => Ok(store.set_login_password(user, &passwords::hash(password), WHO, clock::now().at).await?),
        }
    }
}

/// From standard input, or made here. Never from the command line: others can see that.
fn password(from_stdin: bool) -> Result<(String, bool), CliError> {
    if !from_stdin {
        return Ok((passwords::made(), true));
    }
    let mut text = String::new();
    std::io::stdin().take(1_024).read_to_string(&mut text).map_err(CliError::failed)?;
    let line = text.lines().next().unwrap_or_default();
    Ok((passwords::read(line).map_err(CliError::failed)?.to_owned(), false))
}

fn done(common: &Common, sentence: String) -> Result<(), CliError> {
    print(common, &Done { done: true }, |_| sentence)
}

fn told_password(common: &Common, login: &LoginView, made: Option<&String>) -> Result<(), CliError> {
    let mut value = json!(login);
    if let Some(password) = made {
        value["password"] = json!(password);
    }
    print(common, &value, |_| {
        let table = drawn(std::slice::from_ref(login));
        let shown = made.map(|password| format!("\nThe password, shown this once: {password}\n"));
        format!("{table}{}", shown.unwrap_or_default())
    })
}

fn words(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" ")
}

fn drawn(logins: &[LoginView]) -> String {
    let rows = logins.iter().map(|login| {
        vec![
            login.user.clone(),
            words(&login.roles),
            maybe(login.extension.as_ref()),
            tick(login.has_password),
            instant(login.created_at),
            maybe(login.locked_at.map(instant)),
        ]
    });
    draw(&["LOGIN", "ROLES", "EXTENSION", "PASSWORD", "ADDED", "LOCKED"], &rows.collect::<Vec<_>>())
}

fn drawn_sessions(sessions: &[SessionView]) -> String {
    let rows = sessions.iter().map(|session| {
        vec![
            session.id.clone(),
            session.user.clone(),
            words(&session.roles),
            maybe(session.source.as_ref()),
            instant(session.began_at),
            instant(session.used_at),
            instant(session.ends_at),
        ]
    });
    draw(&["SESSION", "LOGIN", "ROLES", "FROM", "BEGAN", "USED", "ENDS"], &rows.collect::<Vec<_>>())
}
