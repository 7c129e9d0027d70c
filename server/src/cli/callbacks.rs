//! `tandem callbacks`: who is called when it is their turn.

use clap::{Args, Subcommand};

use super::{
    CliError, Common,
    client::Client,
    floor::skills,
    print,
    table::{draw, duration, instant, maybe},
};
use crate::http::{callbacks::CallbackView, view::Done};

#[derive(Debug, Args)]
pub(super) struct CallbacksArgs {
    #[command(subcommand)]
    command: Option<CallbacksCommand>,
}

#[derive(Debug, Subcommand)]
enum CallbacksCommand {
    /// All of them, queue by queue, the next one first; the same as without a word.
    List,
    /// Do not call somebody back.
    Cancel {
        /// The item, as the list names it.
        item: String,
        /// Why, for the audit.
        reason: String,
    },
}

pub(super) async fn run(args: CallbacksArgs, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match args.command {
        None | Some(CallbacksCommand::List) => {
            let callbacks: Vec<CallbackView> = client.get(&["callbacks"]).await?;
            print(common, &callbacks, |callbacks| drawn(callbacks))
        }
        Some(CallbacksCommand::Cancel { item, reason }) => {
            let done: Done = client.delete_with(&["callbacks", &item], &[("reason", reason)]).await?;
            print(common, &done, |_| "They are not called back.\n".to_owned())
        }
    }
}

fn drawn(callbacks: &[CallbackView]) -> String {
    let rows = callbacks.iter().map(|CallbackView { item, not_before }| {
        vec![
            item.queue.clone(),
            maybe(item.position),
            item.item.clone(),
            item.caller.clone(),
            item.stage.clone(),
            duration(item.waited_ms),
            maybe(item.callback_tries),
            instant(*not_before),
            maybe(item.agent.as_ref()),
            skills(&item.skills),
        ]
    });
    let heads = ["QUEUE", "PLACE", "ITEM", "NUMBER", "STAGE", "WAITED", "TRIES", "NOT BEFORE", "AGENT", "SKILLS"];
    draw(&heads, &rows.collect::<Vec<_>>())
}
