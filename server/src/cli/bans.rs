//! `tandem bans`: sources that the running switch does not hear for a while.

use std::net::IpAddr;

use clap::{Args, Subcommand};

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{draw, instant},
};
use crate::http::{bans::BanView, view::Done};

#[derive(Debug, Args)]
pub(super) struct BansArgs {
    #[command(subcommand)]
    command: Option<BansCommand>,
}

#[derive(Debug, Subcommand)]
enum BansCommand {
    /// Hear a source again.
    Lift {
        /// An address of it.
        address: IpAddr,
    },
}

pub(super) async fn run(args: BansArgs, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match args.command {
        None => {
            let bans: Vec<BanView> = client.get(&["bans"]).await?;
            print(common, &bans, |bans| drawn(bans))
        }
        Some(BansCommand::Lift { address }) => {
            let done: Done = client.delete(&["bans", &address.to_string()]).await?;
            print(common, &done, |_| "The source is heard again.\n".to_owned())
        }
    }
}

fn drawn(bans: &[BanView]) -> String {
    let rows = bans.iter().map(|ban| vec![ban.source.clone(), ban.offence.clone(), ban.times.to_string(), instant(ban.until)]);
    draw(&["SOURCE", "FOR", "TIMES", "UNTIL"], &rows.collect::<Vec<_>>())
}
