//! Plans into service and out of it: `apply`, `reload`, `rollback`, and what was: `history`, `diff`.

use std::{fmt::Write as _, path::Path, process::ExitCode, str::FromStr};

use clap::Args;
use serde::Serialize;
use serde_json::json;
use tandem_dialplan::Source;

use super::{
    CliError, Common, Format,
    client::Client,
    print,
    table::{clean, draw, instant, maybe},
};
use crate::{
    http::{
        generations::{ApplyOrder, CanaryOrder, PromoteOrder, RollbackOrder, WatchOrder},
        view::{GenerationDetail, GenerationPage, GenerationView, PlanApplied, PlanDiff, PlanProblem, PlanText, PlanView},
    },
    plan_diff::differ,
    plan_folder,
    serve::control::chain,
};

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    /// Folder of the plan that is to come; the server's own folder, read again, when absent.
    folder: Option<String>,
    /// Why, for the history.
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    /// Change nothing: check, and show what would change.
    #[arg(long)]
    dry_run: bool,
    /// For so many of all callers only, as in 10%.
    #[arg(long, value_name = "SHARE", requires = "folder")]
    canary: Option<Percent>,
    /// For calls from or to this number only; may be given several times.
    #[arg(long, value_name = "NUMBER", requires = "folder")]
    canary_number: Vec<String>,
    /// Take the canary into service for all calls.
    #[arg(long, conflicts_with_all = ["folder", "dry_run", "onto"])]
    promote: bool,
    /// Only if this generation is in service.
    #[arg(long, value_name = "GENERATION")]
    onto: Option<u64>,
    #[command(flatten)]
    watch: WatchArgs,
}

#[derive(Debug, Args)]
struct WatchArgs {
    /// How long the new plan is watched, as in 10m, or `off`.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    watch: WatchTime,
    /// It goes back by itself when more of its calls than that go wrong.
    #[arg(long, value_name = "SHARE", default_value = "5%")]
    max_errors: Percent,
    /// It never does before so many of its calls have ended.
    #[arg(long, value_name = "CALLS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    min_calls: u32,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// The generation that is to come back. When absent, a canary ends; without one, the plan before comes back.
    generation: Option<u64>,
    /// Why, for the history.
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// At most so many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Only older ones than this.
    #[arg(long, value_name = "GENERATION")]
    before: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// A generation or a folder.
    a: String,
    /// Another one; the plan in service when absent, which is taken for the newer one unless the first is a folder.
    b: Option<String>,
}

/// A share, as in `10%` or `2.5`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Percent(f64);

impl FromStr for Percent {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
        let share = number.filter(|share| (0.0..=100.0).contains(share)).map(Self);
        share.ok_or_else(|| format!("`{text}` is no share: expected one like 10%"))
    }
}

/// How long something is watched, in seconds; `None` for not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WatchTime(Option<u64>);

impl FromStr for WatchTime {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let (number, unit) = text.split_at(text.trim_end_matches(|c: char| c.is_ascii_lowercase()).len());
        let unit = match unit {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3_600),
            "d" => Some(86_400),
            _ => None,
        };
        let seconds = number.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
        let seconds = seconds.filter(|seconds| (1..=7 * 86_400).contains(seconds));
        seconds
            .map(|s| Self(Some(s)))
            .ok_or_else(|| format!("`{text}` is no time: expected one like 10m, a week at most, or `off`"))
    }
}

impl WatchArgs {
    fn order(&self) -> Option<WatchOrder> {
        let Self { watch, max_errors, min_calls } = *self;
        watch.0.map(|for_s| WatchOrder { for_s, max_errors_percent: max_errors.0, least_calls: min_calls })
    }
}

/// Exit code 1 when the plan holds errors.
pub(super) async fn apply(args: ApplyArgs, common: &Common) -> Result<ExitCode, CliError> {
    let client = Client::find(common)?;
    let ApplyArgs { folder, message, dry_run, canary, canary_number, promote, onto, watch } = args;
    let watch = watch.order();
    if promote {
        return ordered(&client, common, "promote", &PromoteOrder { message, watch }, &[]).await;
    }
    let sources = folder.map(|folder| read(&folder)).transpose()?;
    let is_canary = canary.is_some() || !canary_number.is_empty();
    let order = ApplyOrder {
        files: sources.as_ref().map(|sources| sources.iter().map(text_of).collect()),
        message,
        dry_run,
        canary: is_canary.then(|| CanaryOrder { percent: canary.map_or(0.0, |share| share.0), numbers: canary_number }),
        watch,
        onto,
    };
    ordered(&client, common, "apply", &order, &sources.unwrap_or_default()).await
}

/// Reads the server's folder again.
pub(super) async fn reload(common: &Common) -> Result<ExitCode, CliError> {
    let order = ApplyOrder { watch: crate::http::generations::usual_watch(), ..ApplyOrder::default() };
    ordered(&Client::find(common)?, common, "apply", &order, &[]).await
}

/// Takes an older plan into service.
pub(super) async fn rollback(args: RollbackArgs, common: &Common) -> Result<ExitCode, CliError> {
    let RollbackArgs { generation, message } = args;
    ordered(&Client::find(common)?, common, "rollback", &RollbackOrder { generation, message }, &[]).await
}

async fn ordered(
    client: &Client,
    common: &Common,
    what: &str,
    order: &impl Serialize,
    sources: &[Source],
) -> Result<ExitCode, CliError> {
    match client.order_plan::<PlanApplied>(&["plan", what], order).await? {
        Ok(applied) => {
            print(common, &applied, told)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            let view = json!({ "good": false, "problems": problems });
            print(common, &view, |_| shown(&problems, sources))?;
            if common.format == Format::Text {
                eprintln!("tandem: the plan holds errors; the one in service stays");
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn told(applied: &PlanApplied) -> String {
    let PlanApplied { taken, plan, canary, changes, diff, notes, warnings } = applied;
    let mut text = match (taken, diff) {
        (_, Some(diff)) => format!("{}The plan would be taken; nothing was changed.\n", lines(diff)),
        (Some(taken), None) if *taken == plan.generation => format!("Generation {taken} is in service.\n"),
        (Some(taken), None) => format!("Generation {taken} is a canary beside generation {}.\n", plan.generation),
        (None, None) => format!("Generation {} is in service.\n", plan.generation),
    };
    if changes.is_empty() && diff.is_some() {
        text.push_str("  nothing differs from the plan in service\n");
    }
    for line in changes.iter().chain(notes) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}", clean(line));
    }
    if let Some(GenerationView { generation, percent, numbers, .. }) = canary {
        let numbers = if numbers.is_empty() { String::new() } else { format!(" and calls from or to {}", numbers.join(", ")) };
        let _ = writeln!(text, "  canary {generation}: {}% of all callers{}", percent.unwrap_or(0.0), clean(&numbers));
    }
    text + &shown(warnings, &[])
}

/// Findings with their places, and the lines when they are known.
fn shown(problems: &[PlanProblem], sources: &[Source]) -> String {
    problems.iter().fold(String::new(), |mut text, problem| {
        let PlanProblem { severity, file, line, column, message, help } = problem;
        let place = if file.is_empty() { String::new() } else { format!("{file}:{line}:{column}: ") };
        let _ = writeln!(text, "{}", clean(&format!("{severity}: {place}{message}")));
        let source = sources.iter().find(|source| source.path == *file);
        let row = usize::try_from(*line).ok().and_then(|line| line.checked_sub(1));
        if let Some(written) = source.zip(row).and_then(|(source, row)| source.text.lines().nth(row)) {
            let _ = writeln!(text, "{line:5} | {}", clean(&written.replace('\t', " ")));
        }
        if let Some(help) = help {
            let _ = writeln!(text, "      = {}", clean(help));
        }
        text
    })
}

/// Text of several lines without what a terminal would obey.
fn lines(text: &str) -> String {
    text.lines().map(|line| clean(&line.replace('\t', "    ")) + "\n").collect()
}

/// Plans that were taken.
pub(super) async fn history(args: &HistoryArgs, common: &Common) -> Result<(), CliError> {
    let query = [("limit", Some(args.limit.to_string())), ("before", args.before.map(|before| before.to_string()))];
    let query: Vec<_> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let page: GenerationPage = Client::find(common)?.search(&["plan", "generations"], &query).await?;
    print(common, &page, drawn)
}

fn drawn(page: &GenerationPage) -> String {
    let rows = page.generations.iter().map(|it| {
        let watched = it.watch.as_ref().filter(|_| matches!(it.state.as_str(), "in-service" | "canary"));
        vec![
            it.generation.to_string(),
            it.state.clone(),
            it.how.clone(),
            instant(it.taken_at),
            it.by.clone(),
            maybe(it.message.as_ref()),
            it.changes.join("; "),
            maybe(it.why.as_ref()),
            maybe(it.changed_by.as_ref()),
            watched.map(|watch| instant(watch.until)).unwrap_or_default(),
        ]
    });
    let heads = ["GENERATION", "STATE", "HOW", "TAKEN", "BY", "MESSAGE", "CHANGES", "WHY", "TOLD BY", "WATCHED UNTIL"];
    let more = page.next.map(|next| format!("\nMore: --before {next}\n")).unwrap_or_default();
    format!("{}{more}", draw(&heads, &rows.collect::<Vec<_>>()))
}

/// What differs between two plans.
pub(super) async fn diff(args: &DiffArgs, common: &Common) -> Result<(), CliError> {
    let a = side(&args.a, common).await?;
    let (old, new) = match &args.b {
        Some(b) => (a, side(b, common).await?),
        None if number(&args.a).is_some() => (a, in_service(common).await?),
        None => (in_service(common).await?, a),
    };
    let found = differ(&old, &new);
    print(common, &found, |PlanDiff { changes, diff }| {
        let changes: String = changes.iter().map(|line| clean(line) + "\n").collect();
        if changes.is_empty() { "They do not differ.\n".to_owned() } else { format!("{}\n{changes}", lines(diff)) }
    })
}

/// A generation, unless a folder is called so.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| !Path::new(text).is_dir())
}

async fn side(text: &str, common: &Common) -> Result<Vec<Source>, CliError> {
    match number(text) {
        Some(number) => generation(&Client::find(common)?, number).await,
        None => read(text),
    }
}

async fn in_service(common: &Common) -> Result<Vec<Source>, CliError> {
    let client = Client::find(common)?;
    let plan: PlanView = client.get(&["plan"]).await?;
    generation(&client, plan.generation).await
}

async fn generation(client: &Client, number: u64) -> Result<Vec<Source>, CliError> {
    let detail: GenerationDetail = client.get(&["plan", "generations", &number.to_string()]).await?;
    if detail.texts.is_empty() {
        return Err(
            CliError::not_found("text of generation", &number.to_string()).todo("see `tandem history` for the later ones")
        );
    }
    Ok(detail.texts.into_iter().map(|PlanText { file, text }| Source::new(file, text)).collect())
}

fn read(folder: &str) -> Result<Vec<Source>, CliError> {
    let sources = plan_folder::read(Path::new(folder)).map_err(|error| CliError::failed(chain(&error)))?;
    if sources.is_empty() {
        let sentence = format!("there is no .kdl file in {folder}");
        return Err(CliError::failed(sentence).todo("give the folder that holds the plan's .kdl files"));
    }
    Ok(sources)
}

fn text_of(source: &Source) -> PlanText {
    PlanText { file: source.path.clone(), text: source.text.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_times_are_read() {
        let share = |text: &str| text.parse::<Percent>().ok().map(|share| share.0);
        assert_eq!(["10%", "2.5", "0%", "100%"].map(share), [Some(10.0), Some(2.5), Some(0.0), Some(100.0)]);
        assert_eq!(["", "%", "101%", "-1%", "NaN", "ten"].map(share), [None; 6]);
        let time = |text: &str| text.parse::<WatchTime>().ok().map(|time| time.0);
        assert_eq!(["10m", "30s", "2h", "7d", "off"].map(time), [600, 30, 7_200, 604_800, 0].map(|s| Some((s > 0).then_some(s))));
        assert_eq!(["", "10", "0s", "8d", "m", "1w", "99999999999999999999d"].map(time), [None; 7]);
    }

    #[test]
    fn a_finding_shows_its_place_and_its_line() {
        let problem = PlanProblem {
            severity: "error".into(),
            file: "a.kdl".into(),
            line: 2,
            column: 11,
            message: "unknown queue `suport`".into(),
            help: Some("did you mean `support`?".into()),
        };
        let sources = [Source::new("a.kdl", "route \"x\" {\n    queue \"suport\"\n}\n")];
        let told = "error: a.kdl:2:11: unknown queue `suport`\n    2 |     queue \"suport\"\n      = did you mean `support`?\n";
        assert_eq!(shown(std::slice::from_ref(&problem), &sources), told);
        let elsewhere = PlanProblem { line: 9, help: None, ..problem };
        assert_eq!(shown(&[elsewhere], &sources), "error: a.kdl:9:11: unknown queue `suport`\n");
    }
}
