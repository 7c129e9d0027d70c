//! `tandem token`: in the database itself, where the running server looks at each request; or by the server that is named.

use clap::Subcommand;
use reqwest::Method;

use super::{
    CliError, Common,
    client::Client,
    people::{WHO, open},
    print,
    table::{draw, instant, list, maybe},
};
use crate::{
    clock,
    http::{
        tokens::{MadeToken, NewToken, TokenView},
        view::Done,
    },
    store::Scope,
};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token. It is shown this once.
    Add {
        /// What it is for.
        name: String,
        /// The most it may do: read, control, admin; or payment, which only reads the keys of payments.
        #[arg(long, default_value = "read")]
        scope: Scope,
    },
    /// All tokens ever made, without the tokens themselves.
    List,
    /// Revoke a token; open connections end within five seconds.
    Revoke {
        /// Its identifier, as the list shows it.
        id: String,
    },
}

pub(super) async fn run(command: TokenCommand, common: &Common) -> Result<(), CliError> {
    match command {
        TokenCommand::Add { name, scope } => {
            let made = add(name, scope, common).await?;
            print(common, &made, |made| {
                list(&[("id", made.view.id.clone()), ("scope", made.view.scope.to_string()), ("token", made.token.clone())])
                    + "\nThe token is shown this once.\n"
            })
        }
        TokenCommand::List => {
            let tokens: Vec<TokenView> = match server(common)? {
                Some(client) => client.get(&["tokens"]).await?,
                None => open(common).await?.tokens().await?.into_iter().map(TokenView::from).collect(),
            };
            print(common, &tokens, |tokens| drawn(tokens))
        }
        TokenCommand::Revoke { id } => {
            let revoked = match server(common)? {
                Some(client) => client.delete::<Done>(&["tokens", &id]).await?.done,
                None => open(common).await?.revoke_token(&id, WHO, clock::now().at).await?,
            };
            if !revoked {
                return Err(CliError::not_found("token that holds", &id).todo("see `tandem token list`"));
            }
            print(common, &Done { done: true }, |_| "The token is revoked.\n".to_owned())
        }
    }
}

/// The server, when one was named by hand.
fn server(common: &Common) -> Result<Option<Client>, CliError> {
    common.server.as_ref().map(|_| Client::find(common)).transpose()
}

async fn add(name: String, scope: Scope, common: &Common) -> Result<MadeToken, CliError> {
    match server(common)? {
        Some(client) => client.order(Method::POST, &["tokens"], &NewToken { name, scope }).await,
        None => {
            let (text, token) = open(common).await?.add_token(&name, scope, WHO, clock::now().at).await?;
            Ok(MadeToken { token: text.expose().into(), view: token.into() })
        }
    }
}

fn drawn(tokens: &[TokenView]) -> String {
    let rows = tokens.iter().map(|token| {
        vec![
            token.id.clone(),
            token.name.clone(),
            token.scope.to_string(),
            instant(token.created_at),
            maybe(token.used_at.map(instant)),
            maybe(token.revoked_at.map(instant)),
        ]
    });
    draw(&["ID", "NAME", "SCOPE", "MADE", "USED", "REVOKED"], &rows.collect::<Vec<_>>())
}
