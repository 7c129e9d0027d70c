//! Calls that are only thought of: `simulate` for one, `test` for those that stand in the plan.

use std::{io::Write as _, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use serde::Serialize;
use tandem_dialplan::{Coverage, Lengths, Never, Plan, Script, ScriptError, Simulation, Test, TestResult, When, junit, run_test};

use super::{CliError, Common, plans, print, table::clean};
use crate::{
    clock,
    http::view::{At, CdrView},
    serve::plans::Checked,
    store::CallRecord,
};

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// Folder of the plan, or the name of one that ships (see `tandem plans`).
    #[arg(default_value = ".")]
    folder: String,
    /// The dialled number.
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// Who calls: an extension, or a number outside. Unless said, the first extension or an unknown number.
    #[arg(long, value_name = "NUMBER")]
    from: Option<String>,
    /// The trunk that the call comes by; needed only when the plan has several.
    #[arg(long)]
    trunk: Option<String>,
    /// When, by the plan's clock: 18:05 for today, "2026-12-25 18:05"; or 2026-12-25T17:05:00Z. Now unless said.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// What the caller types, prompt by prompt: "1,wait 2s,34#"; `nothing` leaves a prompt alone.
    #[arg(long, value_name = "KEYS")]
    digits: Option<String>,
    /// What an agent does: 1002=ready, 1002=ready:10s, away, offline (away:4m comes then), busy, no-answer, rejected, unreachable. Nobody is
    /// signed in unless said.
    #[arg(long, value_name = "AGENT=WORD", value_delimiter = ',')]
    agent: Vec<String>,
    /// What somebody does who is called: 1001=busy, +390212345678=answers:5s, no-answer, rejected, unreachable, forwards:1002; also for a
    /// whole trunk: carrier=unreachable. Everybody answers unless said.
    #[arg(long, value_name = "PARTY=WORD", value_delimiter = ',')]
    party: Vec<String>,
    /// How a program that gets the caller ends: bot=done, bot=said:billing, bot=failed, bot=stalled.
    #[arg(long, value_name = "PROGRAM=WORD", value_delimiter = ',')]
    program: Vec<String>,
    /// What a service answers that the plan asks: crm=gold, crm=gold:language=it;name=Rossi, crm=late; also unreachable, busy,
    /// refused, malformed. Said again, it is the answer to the next question. Nobody answers unless said.
    #[arg(long, value_name = "SERVICE=WORD", value_delimiter = ',')]
    answer: Vec<String>,
    /// The emergency switch of a schedule: office=closed, office=open.
    #[arg(long, value_name = "SCHEDULE=WORD", value_delimiter = ',')]
    schedule: Vec<String>,
    /// A mailbox, parking lot or room that has no free place.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    full: Vec<String>,
    /// Something of the switch that is out of order: floor, rooms.
    #[arg(long, value_name = "WORD", value_delimiter = ',')]
    fault: Vec<String>,
    /// When the caller hangs up; after ten minutes unless said, two hours at most.
    #[arg(long, value_name = "TIME")]
    hang_up_after: Option<String>,
    /// How long conversations last, until whoever was called hangs up; 30s unless said.
    #[arg(long, value_name = "TIME")]
    talk: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Folder of the plan, or the name of one that ships (see `tandem plans`).
    #[arg(default_value = ".")]
    folder: String,
    /// Only the test of this name; without coverage.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Also write the results there, as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// What a simulated call looks like to a program.
#[derive(Debug, Serialize)]
struct SimulationView {
    trace: Vec<RowView>,
    /// Rows more that there were.
    left_out: usize,
    /// As the record of a real call; its identifiers are made up.
    record: CdrView,
}

#[derive(Debug, Serialize)]
struct RowView {
    at: At,
    after_ms: u64,
    part: &'static str,
    text: String,
}

#[derive(Debug, Serialize)]
struct TestView<'a> {
    name: &'a str,
    file: &'a str,
    line: u32,
    failure: Option<&'a str>,
    #[serde(flatten)]
    call: SimulationView,
}

#[derive(Debug, Serialize)]
struct CoverageView {
    /// Reached, and all.
    routes: (usize, usize),
    branches: (usize, usize),
    steps: (usize, usize),
    never: Vec<Never>,
}

impl SimulationView {
    fn new(simulation: &Simulation) -> Self {
        let row = |row: &tandem_dialplan::Row| RowView {
            at: At(row.at),
            after_ms: simulation.after_ms(row.at),
            part: row.part,
            text: row.text.clone(),
        };
        Self {
            trace: simulation.rows.iter().map(row).collect(),
            left_out: simulation.left_out,
            record: CallRecord { cdr: simulation.cdr.clone(), quality: None, identity: None, customer: None, case: None }.into(),
        }
    }
}

impl From<ScriptError> for CliError {
    fn from(error: ScriptError) -> Self {
        let wrong = Self::failed(&error);
        match error.suggestion {
            Some(suggestion) => wrong.todo(suggestion),
            None => wrong,
        }
    }
}

/// A plan without errors, and how long its recordings are.
fn read(folder: &str, common: &Common) -> Result<(Arc<Plan>, Lengths), CliError> {
    let Checked { plan, prompts, .. } = plans::read(folder, &common.data)?;
    let plan = plan.ok_or_else(|| CliError::failed("the plan holds errors").todo(format!("see them: tandem check {folder}")))?;
    Ok((Arc::new(plan), prompts.lengths()))
}

pub(super) fn simulate(args: &SimulateArgs, common: &Common) -> Result<(), CliError> {
    let (plan, lengths) = read(&args.folder, common)?;
    let script = script(args, &plan)?;
    let simulation = tandem_dialplan::simulate(&plan, &script, &lengths);
    print(common, &SimulationView::new(&simulation), |_| simulation.to_string())
}

fn script(args: &SimulateArgs, plan: &Plan) -> Result<Script, CliError> {
    let now = clock::now().at;
    let at = match args.at.as_deref().map(When::parse).transpose().map_err(CliError::failed)? {
        Some(when) => when.instant(&plan.time_zone, now).ok_or_else(|| CliError::failed("there is no such moment"))?,
        None => now,
    };
    let mut script = Script::new(plan, at, args.from.as_deref(), args.trunk.as_deref(), &args.to)?;
    args.digits.iter().try_for_each(|text| script.types(text))?;
    args.agent.iter().try_for_each(|text| script.agent_text(plan, text))?;
    args.party.iter().try_for_each(|text| script.party_text(plan, text))?;
    args.program.iter().try_for_each(|text| script.program_text(plan, text))?;
    args.answer.iter().try_for_each(|text| script.answer_text(plan, text))?;
    args.schedule.iter().try_for_each(|text| script.schedule_text(plan, text))?;
    args.full.iter().try_for_each(|name| script.full(plan, name))?;
    args.fault.iter().try_for_each(|word| script.fault(word))?;
    args.hang_up_after.iter().try_for_each(|text| script.hangs_up_after_text(text))?;
    args.talk.iter().try_for_each(|text| script.talks_text(text))?;
    Ok(script)
}

/// Exit code 1 when a test fails.
pub(super) fn test(args: &TestArgs, common: &Common) -> Result<ExitCode, CliError> {
    let (plan, lengths) = read(&args.folder, common)?;
    if plan.tests.is_empty() {
        return Err(CliError::failed("the plan has no `test`").todo("write one: see docs/dialplan.md, \"Trying a plan\""));
    }
    let wanted = |test: &&Test| args.only.as_ref().is_none_or(|name| test.name == *name);
    let results: Vec<(&Test, TestResult)> =
        plan.tests.iter().filter(wanted).map(|test| (test, run_test(&plan, test, &lengths))).collect();
    if let (Some(name), true) = (&args.only, results.is_empty()) {
        return Err(CliError::not_found("test", name));
    }
    let coverage = args.only.is_none().then(|| {
        let mut coverage = Coverage::of(&plan);
        results.iter().for_each(|(_, result)| coverage.add(&result.simulation));
        coverage
    });
    if let Some(path) = &args.junit {
        let written = std::fs::File::create(path).and_then(|mut file| file.write_all(junit(&results).as_bytes()));
        written.map_err(|error| CliError::failed(format!("cannot write {}: {error}", path.display())))?;
    }
    print(common, &shown(&results, coverage.as_ref()), |_| told(&results, coverage.as_ref()))?;
    let failed = results.iter().any(|(_, result)| result.failure.is_some());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn shown(results: &[(&Test, TestResult)], coverage: Option<&Coverage>) -> serde_json::Value {
    let view = |(test, result): &(&Test, TestResult)| {
        let call = SimulationView::new(&result.simulation);
        let view = TestView { name: &test.name, file: &test.file, line: test.line, failure: result.failure.as_deref(), call };
        serde_json::json!(view)
    };
    let coverage = coverage.map(|coverage| CoverageView {
        routes: coverage.routes(),
        branches: coverage.branches(),
        steps: coverage.steps(),
        never: coverage.never(),
    });
    serde_json::json!({ "tests": results.iter().map(view).collect::<Vec<_>>(), "coverage": coverage })
}

fn told(results: &[(&Test, TestResult)], coverage: Option<&Coverage>) -> String {
    let mut text = String::new();
    let mut failed = 0;
    for (test, TestResult { failure, simulation }) in results {
        let (name, place) = (clean(&test.name), clean(&format!("{}:{}", test.file, test.line)));
        match failure {
            None => text += &format!("ok      {name}  ({place})\n"),
            Some(failure) => {
                failed += 1;
                text += &format!("FAILED  {name}  ({place})\n        {}\n", clean(failure));
                simulation.to_string().lines().for_each(|line| text += &format!("        {line}\n"));
            }
        }
    }
    text += &format!("{} tests, {failed} failed\n", results.len());
    if let Some(coverage) = coverage {
        let share = |(reached, all): (usize, usize)| format!("{reached} of {all}");
        let (routes, branches, steps) = (share(coverage.routes()), share(coverage.branches()), share(coverage.steps()));
        text += &format!("reached: {routes} routes, {branches} branches, {steps} steps\n");
        for Never { what, file, line } in coverage.never() {
            text += &clean(&format!("    never: {what} ({file}:{line})"));
            text.push('\n');
        }
    }
    text
}
