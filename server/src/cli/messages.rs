//! `tandem messages`: voice messages, by the running switch.

use clap::Subcommand;
use reqwest::Method;

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{draw, duration, instant},
};
use crate::http::{
    messages::{MessageChange, MessagePage, MessageView, WantedState},
    view::Done,
};

#[derive(Debug, Subcommand)]
pub(super) enum MessagesCommand {
    /// Messages, newest first.
    List {
        /// In this box.
        #[arg(long)]
        mailbox: Option<String>,
        /// Only those that nobody has heard.
        #[arg(long)]
        new: bool,
        /// Older than this message: the next page.
        #[arg(long)]
        before: Option<String>,
        /// Rows at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Say that a message was heard.
    Heard {
        /// Its identifier.
        message: String,
    },
    /// Say that a message is new again.
    New {
        /// Its identifier.
        message: String,
    },
    /// Delete a message.
    Delete {
        /// Its identifier.
        message: String,
    },
}

pub(super) async fn run(command: MessagesCommand, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match command {
        MessagesCommand::List { mailbox, new, before, limit } => {
            let state = new.then(|| "new".to_owned());
            let all = [("mailbox", mailbox), ("state", state), ("before", before), ("limit", Some(limit.to_string()))];
            let query: Vec<(&str, String)> = all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            let page: MessagePage = client.search(&["messages"], &query).await?;
            print(common, &page, drawn)
        }
        MessagesCommand::Heard { message } => mark(&client, common, &message, WantedState::Heard).await,
        MessagesCommand::New { message } => mark(&client, common, &message, WantedState::New).await,
        MessagesCommand::Delete { message } => {
            let done: Done = client.delete(&["messages", &message]).await?;
            print(common, &done, |_| "The message is deleted.\n".to_owned())
        }
    }
}

async fn mark(client: &Client, common: &Common, message: &str, state: WantedState) -> Result<(), CliError> {
    let view: MessageView = client.order(Method::PATCH, &["messages", message], &MessageChange { state }).await?;
    print(common, &view, |view| format!("The message is {}.\n", view.state))
}

fn drawn(page: &MessagePage) -> String {
    let rows = page.messages.iter().map(|it| {
        vec![it.message.clone(), it.mailbox.clone(), it.from.clone(), instant(it.at), duration(it.duration_ms), it.state.clone()]
    });
    let more = page.next.as_ref().map(|next| format!("\nMore: --before {next}\n")).unwrap_or_default();
    format!("{}{more}", draw(&["MESSAGE", "MAILBOX", "FROM", "AT", "LENGTH", "STATE"], &rows.collect::<Vec<_>>()))
}
