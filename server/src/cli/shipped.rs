//! `tandem plans`: the plans that ship, and a copy of one to start from.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{CliError, Common, print, table::draw};
use crate::serve::shipped::{self, CopyError, ShippedPlan};

#[derive(Debug, Args)]
pub(super) struct PlansArgs {
    #[command(subcommand)]
    command: Option<PlansCommand>,
}

#[derive(Debug, Subcommand)]
enum PlansCommand {
    /// Which plans ship, and for whom each is.
    List,
    /// Write one into a folder of yours, which must be new or empty.
    Copy {
        /// Its name, as listed.
        name: String,
        /// The folder.
        folder: PathBuf,
    },
}

pub(super) fn run(args: &PlansArgs, common: &Common) -> Result<(), CliError> {
    match &args.command {
        None | Some(PlansCommand::List) => print(common, &shipped::plans(), |plans| listed(plans)),
        Some(PlansCommand::Copy { name, folder }) => copy(name, folder, common),
    }
}

fn listed(plans: &[ShippedPlan]) -> String {
    let rows: Vec<_> = plans.iter().map(|plan| vec![plan.name.clone(), plan.sentence.clone()]).collect();
    draw(&["PLAN", "FOR"], &rows)
}

fn copy(name: &str, folder: &Path, common: &Common) -> Result<(), CliError> {
    let files = shipped::copy(name, folder).map_err(|error| {
        let code = if matches!(error, CopyError::Unknown(_)) { 4 } else { 1 };
        let todo = match error {
            CopyError::Unknown(_) => "see which do: tandem plans",
            CopyError::Taken(_) => "name a folder that is new or empty",
            CopyError::Write { .. } => "name a folder that can be written to",
        };
        CliError { code, ..CliError::failed(error).todo(todo) }
    })?;
    let shown = folder.display().to_string();
    print(common, &json!({ "plan": name, "folder": shown, "files": files }), |_| {
        let mut text = String::new();
        files.iter().for_each(|file| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "    {file}");
        });
        format!(
            "{shown}: the plan {name}\n{text}\nWhat to change stands in {shown}/README.md. Then, with the carrier's password in CARRIER_SECRET where there is a carrier:\n\n    tandem test {shown}\n    tandem serve --config {shown}\n"
        )
    })
}
