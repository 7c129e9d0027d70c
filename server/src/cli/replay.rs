//! `tandem replay`: calls of the past on a plan that may come.

use std::{io::IsTerminal as _, process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use serde::Serialize;
use tandem_dialplan::{Fate, PastCall, Plan, Tally, When, replay};
use tandem_switch::{cdr::Origin, time::Timestamp};

use super::{
    CliError, Common,
    client::Client,
    plans, print,
    replay_floor::{self, FloorArgs},
    table::{clean, draw, instant},
};
use crate::{
    clock,
    http::view::{At, CdrPage, CdrView},
    serve::plans::Checked,
};

/// Records that are asked for at a time.
const PAGE: u32 = 500;
/// Calls that are listed one by one; more are counted.
const MOST_LISTED: usize = 10_000;
/// A day.
const DAY_US: i64 = 86_400_000_000;
/// Progress is told so often.
const TOLD_EVERY: u64 = 10_000;

#[derive(Debug, Subcommand)]
enum Other {
    /// The callers of the past on other queues, or with more or fewer agents: what service level, waits and abandons would be.
    Floor(FloorArgs),
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ReplayArgs {
    #[command(subcommand)]
    other: Option<Other>,
    /// Folder of the plan that may come, or the name of one that ships (see `tandem plans`).
    #[arg(default_value = ".")]
    folder: String,
    /// Calls that began then or later: "2026-11-20 00:00" or 18:05 by the plan's clock, or 2026-11-20T00:00:00Z. The last 24 hours unless
    /// said.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Calls that began before.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Folder of the plan that is compared with, step by step; only the routes of the records unless said.
    #[arg(long, value_name = "DIR")]
    against: Option<String>,
    /// Calls at most, the newest first.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    limit: u64,
}

/// One call that would go elsewhere.
#[derive(Debug, Serialize)]
struct Moved {
    call: String,
    started_at: At,
    origin: String,
    from: String,
    to: String,
    route: Option<String>,
    #[serde(flatten)]
    fate: Fate,
    /// The same for a person.
    #[serde(skip)]
    words: String,
}

#[derive(Debug, Serialize)]
struct ReplayView {
    /// Records that were read.
    calls: u64,
    /// How many of them would go elsewhere.
    moved: u64,
    /// These, the newest first; at most 10,000.
    elsewhere: Vec<Moved>,
    #[serde(skip)]
    tally: Tally,
}

/// Exit code 1 when a call would go elsewhere.
pub(super) async fn run(args: ReplayArgs, common: &Common) -> Result<ExitCode, CliError> {
    if let Some(Other::Floor(args)) = args.other {
        replay_floor::run(args, common).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let plan = good(&args.folder, common)?;
    let before = args.against.as_deref().map(|folder| good(folder, common)).transpose()?;
    let now = clock::now().at;
    let since = moment(args.since.as_deref(), &plan, now)?.unwrap_or(Timestamp(now.0 - DAY_US));
    let until = moment(args.until.as_deref(), &plan, now)?;
    let client = Client::find(common)?;
    let mut view = ReplayView { calls: 0, moved: 0, elsewhere: Vec::new(), tally: Tally::default() };
    let mut next: Option<String> = None;
    loop {
        let mut query = vec![("from", At(since).to_string()), ("limit", PAGE.to_string())];
        query.extend(until.map(|until| ("to", At(until).to_string())));
        query.extend(next.take().map(|before| ("before", before)));
        let page: CdrPage = client.search(&["cdrs"], &query).await?;
        let room = args.limit - view.tally.calls;
        for cdr in page.cdrs.into_iter().take(usize::try_from(room).unwrap_or(usize::MAX)) {
            view.look(&plan, before.as_ref(), cdr)?;
        }
        next = page.next;
        if next.is_none() || view.tally.calls >= args.limit {
            break;
        }
        if view.tally.calls.is_multiple_of(TOLD_EVERY) && std::io::stderr().is_terminal() {
            eprintln!("{} calls read", view.tally.calls);
        }
    }
    (view.calls, view.moved) = (view.tally.calls, view.tally.moved());
    print(common, &view, told)?;
    Ok(if view.moved > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub(super) fn good(folder: &str, common: &Common) -> Result<Arc<Plan>, CliError> {
    let Checked { plan, .. } = plans::read(folder, &common.data)?;
    let holds_errors = || CliError::failed("the plan holds errors").todo(format!("see them: tandem check {folder}"));
    plan.map(Arc::new).ok_or_else(holds_errors)
}

pub(super) fn moment(text: Option<&str>, plan: &Plan, now: Timestamp) -> Result<Option<Timestamp>, CliError> {
    let Some(text) = text else { return Ok(None) };
    let when = When::parse(text).map_err(CliError::failed)?;
    when.instant(&plan.time_zone, now).map(Some).ok_or_else(|| CliError::failed("there is no such moment"))
}

impl ReplayView {
    fn look(&mut self, plan: &Arc<Plan>, before: Option<&Arc<Plan>>, cdr: CdrView) -> Result<(), CliError> {
        let origin = match cdr.origin.split_once(':') {
            Some(("extension", extension)) => Origin::Extension(extension.into()),
            Some(("trunk", trunk)) => Origin::Trunk(trunk.into()),
            _ => {
                return Err(CliError::failed(format!(
                    "the record of call {} has no origin that is known here",
                    clean(&cdr.call)
                )));
            }
        };
        let (from, to) = (cdr.from.as_str().into(), cdr.to.as_str().into());
        let call = PastCall { origin, from, to, at: cdr.started_at.0, route: cdr.route.as_deref().map(Into::into) };
        let fate = replay(plan, before, &call);
        self.tally.add(&call, &fate);
        if let Some(words) = fate.words().filter(|_| self.elsewhere.len() < MOST_LISTED) {
            let CdrView { call, started_at, origin, from, to, route, .. } = cdr;
            self.elsewhere.push(Moved { call, started_at, origin, from, to, route, fate, words });
        }
        Ok(())
    }
}

fn told(view: &ReplayView) -> String {
    let mut text = format!("{} calls, {} would go elsewhere\n", view.calls, view.moved);
    if view.moved == 0 {
        return text;
    }
    let count = |((was, will), calls): (&(String, String), &u64)| vec![calls.to_string(), was.clone(), will.clone()];
    text +=
        &format!("\n{}", draw(&["CALLS", "WENT TO", "WOULD GO TO"], &view.tally.elsewhere.iter().map(count).collect::<Vec<_>>()));
    let row = |moved: &Moved| {
        let route = moved.route.clone().unwrap_or_else(|| "no route".to_owned());
        let Moved { call, started_at, from, to, words, .. } = moved;
        vec![instant(*started_at), from.clone(), to.clone(), route, words.clone(), call.clone()]
    };
    let rows: Vec<_> = view.elsewhere.iter().map(row).collect();
    text += &format!("\n{}", draw(&["STARTED", "FROM", "TO", "WENT TO", "WOULD GO TO", "CALL"], &rows));
    let listed = u64::try_from(view.elsewhere.len()).unwrap_or(u64::MAX);
    if view.moved > listed {
        text += &format!("and {} more\n", view.moved - listed);
    }
    text
}
