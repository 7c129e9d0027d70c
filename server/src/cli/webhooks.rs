//! `tandem webhooks`: who outside is told what happens, and what they did not take.

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{draw, duration, instant, list, maybe, tick},
};
use crate::{
    http::{
        view::Done,
        webhooks::{DeadDone, DeadView, MadeSecret, NewWebhook, TestView, WebhookChange, WebhookView, WhichDead},
    },
    webhooks::events::{ALL, KINDS},
};

#[derive(Debug, Subcommand)]
pub(super) enum WebhooksCommand {
    /// Tell a system outside what happens from now on. The secret that signs is shown this once.
    Add {
        /// Where to: https, or http to a network that `tandem serve --reach` names.
        url: String,
        /// What of; all unless said. Repeat it for more.
        #[arg(long = "kind", value_name = "KIND")]
        kinds: Vec<String>,
        /// After so many seconds without success an event is a dead letter.
        #[arg(long, value_name = "SECONDS")]
        give_up: Option<u64>,
    },
    /// All subscriptions, and how they are.
    List,
    /// One of them.
    Show {
        /// Its name.
        webhook: String,
    },
    /// Change where to, what of, or when events are given up.
    Change {
        /// Its name.
        webhook: String,
        /// Where to.
        #[arg(long)]
        url: Option<String>,
        /// What of, in the place of what was.
        #[arg(long = "kind", value_name = "KIND")]
        kinds: Vec<String>,
        /// After so many seconds without success an event is a dead letter.
        #[arg(long, value_name = "SECONDS")]
        give_up: Option<u64>,
    },
    /// Another secret, shown this once; the one before signs too for 24 hours.
    Secret {
        /// Its name.
        webhook: String,
    },
    /// Send nothing for now. What happens meanwhile is kept.
    Pause {
        /// Its name.
        webhook: String,
    },
    /// Go on where it was, or try now what waits for a next attempt.
    Resume {
        /// Its name.
        webhook: String,
    },
    /// End a subscription, dead letters and all.
    Remove {
        /// Its name.
        webhook: String,
    },
    /// What it did not take in time, oldest first.
    Dead {
        /// Its name.
        webhook: String,
        /// After this one.
        #[arg(long, value_name = "SEQ")]
        after: Option<i64>,
    },
    /// Send dead letters once more: one, or all.
    Resend {
        /// Its name.
        webhook: String,
        /// This one, as the list of dead letters numbers it.
        seq: Option<i64>,
    },
    /// Throw dead letters away: one, or all.
    Discard {
        /// Its name.
        webhook: String,
        /// This one, as the list of dead letters numbers it.
        seq: Option<i64>,
    },
    /// Send an event that did not happen, and say what came of it.
    Test {
        /// Its name.
        webhook: String,
    },
    /// The kinds of events, and what each tells.
    Kinds,
}

pub(super) async fn run(command: WebhooksCommand, common: &Common) -> Result<(), CliError> {
    if matches!(command, WebhooksCommand::Kinds) {
        let rows: Vec<Vec<String>> = KINDS.iter().map(|(kind, what)| vec![(*kind).to_owned(), (*what).to_owned()]).collect();
        return print(common, &KINDS, |_| draw(&["KIND", "WHAT IT TELLS"], &rows));
    }
    let client = Client::find(common)?;
    match command {
        WebhooksCommand::Kinds => Ok(()),
        WebhooksCommand::Add { url, kinds, give_up } => {
            let kinds = if kinds.is_empty() { [ALL.to_owned()].into() } else { kinds.into_iter().collect() };
            let new = NewWebhook { url, kinds, give_up_s: give_up };
            made(common, &client.order::<MadeSecret>(Method::POST, &["webhooks"], &new).await?)
        }
        WebhooksCommand::List => {
            let webhooks: Vec<WebhookView> = client.get(&["webhooks"]).await?;
            print(common, &webhooks, |webhooks| drawn(webhooks))
        }
        WebhooksCommand::Show { webhook } => shown(common, &client.get(&["webhooks", &webhook]).await?),
        WebhooksCommand::Change { webhook, url, kinds, give_up } => {
            let kinds = (!kinds.is_empty()).then(|| kinds.into_iter().collect());
            let change = WebhookChange { url, kinds, give_up_s: give_up };
            shown(common, &client.order(Method::PATCH, &["webhooks", &webhook], &change).await?)
        }
        WebhooksCommand::Secret { webhook } => {
            made(common, &client.order(Method::POST, &["webhooks", &webhook, "secret"], &json!({})).await?)
        }
        WebhooksCommand::Pause { webhook } => {
            shown(common, &client.order(Method::POST, &["webhooks", &webhook, "pause"], &json!({})).await?)
        }
        WebhooksCommand::Resume { webhook } => {
            shown(common, &client.order(Method::POST, &["webhooks", &webhook, "resume"], &json!({})).await?)
        }
        WebhooksCommand::Remove { webhook } => {
            let done: Done = client.delete(&["webhooks", &webhook]).await?;
            print(common, &done, |_| "The subscription is removed.\n".to_owned())
        }
        WebhooksCommand::Dead { webhook, after } => {
            let query: Vec<_> = after.map(|after| ("after", after.to_string())).into_iter().collect();
            let dead: Vec<DeadView> = client.search(&["webhooks", &webhook, "dead"], &query).await?;
            print(common, &dead, |dead| drawn_dead(dead))
        }
        WebhooksCommand::Resend { webhook, seq } => {
            let path = ["webhooks", &webhook, "dead", "resend"];
            let done: DeadDone = client.order(Method::POST, &path, &WhichDead { seq }).await?;
            print(common, &done, |done| format!("{} are sent once more.\n", done.events))
        }
        WebhooksCommand::Discard { webhook, seq } => {
            let path = ["webhooks", &webhook, "dead", "discard"];
            let done: DeadDone = client.order(Method::POST, &path, &WhichDead { seq }).await?;
            print(common, &done, |done| format!("{} are thrown away.\n", done.events))
        }
        WebhooksCommand::Test { webhook } => test(common, &client, &webhook).await,
    }
}

async fn test(common: &Common, client: &Client, webhook: &str) -> Result<(), CliError> {
    let test: TestView = client.order(Method::POST, &["webhooks", webhook, "test"], &json!({})).await?;
    print(common, &test, |test| match &test.error {
        None => format!("It took the event: {} after {} ms.\n", maybe(test.status), test.took_ms),
        Some(_) => String::new(),
    })?;
    match test.error {
        None => Ok(()),
        Some(error) => Err(CliError::failed(format!("it did not take the event: {error}"))),
    }
}

fn made(common: &Common, made: &MadeSecret) -> Result<(), CliError> {
    print(common, made, |made| {
        list(&[("webhook", made.webhook.clone()), ("secret", made.secret.clone())]) + "\nThe secret is shown this once.\n"
    })
}

fn shown(common: &Common, webhook: &WebhookView) -> Result<(), CliError> {
    print(common, webhook, |webhook| {
        list(&[
            ("webhook", webhook.webhook.clone()),
            ("url", webhook.url.clone()),
            ("kinds", webhook.kinds.join(", ")),
            ("state", webhook.state.clone()),
            ("paused", maybe(webhook.paused_at.map(instant))),
            ("why", maybe(webhook.paused_why.as_ref())),
            ("failing since", maybe(webhook.failing_since.map(instant))),
            ("attempts", webhook.attempts.to_string()),
            ("last error", maybe(webhook.last_error.as_ref())),
            ("delivered", maybe(webhook.delivered_at.map(instant))),
            ("rows behind", webhook.behind.to_string()),
            ("dead letters", webhook.dead.to_string()),
            ("gives up after", duration(webhook.give_up_s.saturating_mul(1_000))),
            ("old secret until", maybe(webhook.old_secret_until.map(instant))),
            ("made", instant(webhook.created_at)),
        ])
    })
}

fn drawn(webhooks: &[WebhookView]) -> String {
    let rows = webhooks.iter().map(|webhook| {
        vec![
            webhook.webhook.clone(),
            webhook.state.clone(),
            webhook.behind.to_string(),
            webhook.dead.to_string(),
            maybe(webhook.delivered_at.map(instant)),
            webhook.url.clone(),
            maybe(webhook.last_error.as_ref()),
        ]
    });
    draw(&["WEBHOOK", "STATE", "BEHIND", "DEAD", "DELIVERED", "URL", "LAST ERROR"], &rows.collect::<Vec<_>>())
}

fn drawn_dead(dead: &[DeadView]) -> String {
    let rows = dead.iter().map(|dead| {
        vec![
            dead.seq.to_string(),
            dead.kind.clone(),
            maybe(dead.at.map(instant)),
            dead.attempts.to_string(),
            instant(dead.died_at),
            tick(dead.resend),
            dead.why.clone(),
        ]
    });
    draw(&["SEQ", "KIND", "AT", "ATTEMPTS", "GIVEN UP", "RESEND", "WHY"], &rows.collect::<Vec<_>>())
}
