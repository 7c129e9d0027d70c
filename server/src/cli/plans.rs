//! Plans: `check` and `explain`, from files or from the running server.

use std::{collections::BTreeMap, io::IsTerminal as _, path::Path, process::ExitCode, sync::Arc};

use clap::Args;
use serde_json::json;
use tandem_dialplan::{Plan, Schedule, Severity};

use super::{CliError, Common, Format, client::Client, print, table::draw};
use crate::{
    clock,
    http::view::{At, RouteExplanation},
    serve::{
        control::{chain, explain_call, problems},
        plans::{Checked, PlanFolder},
    },
};

/// Openings and closings that `check` tells of each schedule.
const TRANSITIONS: usize = 10;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Folder of the plan, or the name of one that ships (see `tandem plans`).
    #[arg(default_value = ".")]
    folder: String,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The dialled number.
    #[arg(long)]
    to: String,
    /// The caller's number; `TRUNK:NUMBER` when it comes by one of several trunks.
    #[arg(long)]
    from: String,
    /// When, as in 2026-11-02T09:30:00Z; now unless said.
    #[arg(long)]
    at: Option<At>,
    /// Folder of a plan, or the name of one that ships; the plan in service unless said.
    #[arg(long, value_name = "DIR")]
    config: Option<String>,
}

pub(super) fn read(folder: &str, data: &Path) -> Result<Checked, CliError> {
    let folder = PlanFolder::find(folder, data, None).map_err(CliError::failed)?;
    folder.check().map_err(|error| {
        CliError::failed(chain(&error))
            .todo("give the folder that holds the plan's .kdl files, or the name of a plan that ships: tandem plans")
    })
}

/// Exit code 1 when there are errors.
pub(super) fn check(args: &CheckArgs, common: &Common) -> Result<ExitCode, CliError> {
    let Checked { plan, report, files, .. } = read(&args.folder, &common.data)?;
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    if common.format == Format::Json {
        let schedules = plan.as_ref().map(coming);
        let found = problems(&report);
        println!(
            "{}",
            json!({ "good": plan.is_some(), "errors": errors, "warnings": warnings, "problems": found, "schedules": schedules })
        );
    } else {
        print!("{}", report.drawn(std::io::stdout().is_terminal()));
        for (name, transitions) in plan.as_ref().map(coming).unwrap_or_default() {
            println!("schedule {}: the next openings and closings", super::table::clean(&name));
            transitions.iter().for_each(|transition| println!("    {transition}"));
        }
        println!("{} files: {errors} errors, {warnings} warnings", files.len());
    }
    Ok(if plan.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The next openings and closings of each schedule.
fn coming(plan: &Plan) -> BTreeMap<String, Vec<String>> {
    let now = clock::now().at;
    let next = |schedule: &Schedule| schedule.next_transitions(now, TRANSITIONS).iter().map(ToString::to_string).collect();
    plan.schedules.iter().map(|(name, schedule)| (name.to_string(), next(schedule))).collect()
}

pub(super) async fn explain(args: ExplainArgs, common: &Common) -> Result<(), CliError> {
    let ExplainArgs { to, from, at, config } = args;
    let explained = match config {
        Some(folder) => {
            let Checked { plan, .. } = read(&folder, &common.data)?;
            let plan =
                plan.ok_or_else(|| CliError::failed("the plan holds errors").todo(format!("see them: tandem check {folder}")))?;
            let at = at.map_or_else(|| clock::now().at, |at| at.0);
            explain_call(&Arc::new(plan), &to, &from, at, Arc::default()).map_err(CliError::failed)?
        }
        None => {
            let at = at.map(|at| ("at", at.to_string()));
            let query: Vec<_> = [("to", to), ("from", from)].into_iter().chain(at).collect();
            Client::find(common)?.search(&["explain"], &query).await?
        }
    };
    print(common, &explained, told)
}

fn told(explained: &RouteExplanation) -> String {
    let rows: Vec<_> = explained
        .considered
        .iter()
        .map(|one| vec![if one.taken { ">" } else { "" }.to_owned(), one.route.clone(), one.why.clone()])
        .collect();
    let route = explained.route.as_ref().map_or_else(|| "no route takes the call".to_owned(), |route| format!("route {route}"));
    let because: String = explained.because.iter().map(|sentence| format!("  {}\n", super::table::clean(sentence))).collect();
    format!("{}\n{because}\n{}", super::table::clean(&route), draw(&["", "ROUTE", "WHY"], &rows))
}

pub(super) fn schema(common: &Common) -> Result<(), CliError> {
    print(common, &tandem_dialplan::language_table(), |_| tandem_dialplan::kdl_schema())
}
