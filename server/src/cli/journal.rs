//! `tandem journal`: whether the tables are what the journal says.

use std::process::ExitCode;

use clap::Subcommand;

use super::{CliError, Common, people::open, print, table::clean};
use crate::store::Verified;

#[derive(Debug, Subcommand)]
pub(super) enum JournalCommand {
    /// Fold the journal again and compare it with the tables. Exit status 1 when they differ. Best while no call is up.
    Verify,
}

pub(super) async fn run(command: &JournalCommand, common: &Common) -> Result<ExitCode, CliError> {
    let JournalCommand::Verify = command;
    let verified = open(common).await?.verify().await?;
    print(common, &verified, told)?;
    Ok(if verified.different > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn told(verified: &Verified) -> String {
    let compared: Vec<String> = verified.compared.iter().map(|(table, rows)| format!("{rows} {table}")).collect();
    let mut text = format!("{} events read; compared: {}\n", verified.events, compared.join(", "));
    if verified.different == 0 {
        return text + "the tables are what the journal says\n";
    }
    text += &format!("{} rows differ\n", verified.different);
    for one in &verified.differences {
        let side = |side: &Option<String>| side.as_ref().map_or_else(|| "no such row".to_owned(), |side| clean(side));
        text += &format!("\n{} {}\n  journal  {}\n  table    {}\n", one.table, one.row, side(&one.journal), side(&one.found));
    }
    let told = u64::try_from(verified.differences.len()).unwrap_or(u64::MAX);
    if verified.different > told {
        text += &format!("\nand {} more\n", verified.different - told);
    }
    text
}
