//! The command line: `tandem serve` and what admins type beside it.
//!
//! Output is made for people; `--format json` gives what the HTTP API gives. Errors are one sentence and
//! what to do. Exit codes: 0 done; 1 it could not be done, `check` found errors or a `test` failed; 2 the command line
//! is wrong; 3 the server or database cannot be reached; 4 there is no such thing.

mod apply;
mod audits;
mod bans;
mod callbacks;
mod calls;
mod client;
mod conferences;
mod customers;
mod devices;
mod floor;
mod follow;
mod import;
mod journal;
mod kpi;
mod ladder;
mod logins;
mod lookup;
mod lsp;
mod messages;
mod people;
mod plan_files;
mod plans;
mod privacy;
mod recordings;
mod replay;
mod replay_floor;
mod rules;
mod schedules;
mod shipped;
mod simulate;
mod table;
mod tokens;
mod webhooks;

use std::{fmt, net::IpAddr, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{log, serve, store::StoreError};

/// What a command is told besides its own words.
#[derive(Debug, Parser)]
#[command(name = "tandem", version, about = "A voice-first contact switch.", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Debug, Args)]
struct Common {
    /// The folder that `serve` keeps its data in.
    #[arg(long, global = true, env = "TANDEM_DATA", default_value = "var", value_name = "DIR")]
    data: PathBuf,
    /// Address of a running server, as in http://127.0.0.1:8080; else the one that runs on the data folder.
    #[arg(long, global = true, env = "TANDEM_SERVER", value_name = "URL")]
    server: Option<String>,
    /// The token for it. Better given by TANDEM_TOKEN: others can see what stands on a command line.
    #[arg(long, global = true, env = "TANDEM_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// A database other than the data folder's own.
    #[arg(long, global = true, env = "TANDEM_DATABASE", hide_env_values = true, value_name = "URL")]
    database: Option<String>,
    /// For people or for programs.
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the switch.
    Serve(ServeArgs),
    /// Check a plan: every error and warning with file, line and column.
    Check(plans::CheckArgs),
    /// Which route a call would take, and why not the earlier ones.
    Explain(plans::ExplainArgs),
    /// A whole call through a plan, from arrival to record, without ringing anybody.
    Simulate(simulate::SimulateArgs),
    /// Run the tests that stand in a plan, and say what they never reach.
    Test(simulate::TestArgs),
    /// Calls of the past on a plan that may come: which would go elsewhere. Exit status 1 when one would.
    Replay(replay::ReplayArgs),
    /// Take another plan into service: for all calls, or for some first.
    Apply(apply::ApplyArgs),
    /// Read the server's own folder again and take the plan there into service.
    Reload,
    /// End a canary, or take an older plan into service again.
    Rollback(apply::RollbackArgs),
    /// Plans that were taken: who, when, what and how it ended.
    History(apply::HistoryArgs),
    /// What differs between two plans: generations or folders.
    Diff(apply::DiffArgs),
    /// The plans that ship, and a copy of one to start from.
    Plans(shipped::PlansArgs),
    /// Make a plan of another switch's configuration, and say what could not be converted.
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// The language of plans for other programs: a KDL schema, or with `--format json` the whole table.
    Schema,
    /// Edit the files of the plan by name of what is in them; comments and layout stay.
    Plan(plan_files::PlanArgs),
    /// The language server: what editors ask about the files of a plan.
    Lsp(lsp::LspArgs),
    /// People: extensions, passwords, queues and skills.
    #[command(subcommand)]
    User(people::UserCommand),
    /// Tokens of the HTTP API.
    #[command(subcommand)]
    Token(tokens::TokenCommand),
    /// Logins: who may use the console and the API by name and password, in which roles.
    #[command(subcommand)]
    Login(logins::LoginCommand),
    /// Who did what: changes, log-ins, looks at recordings, messages and records.
    Audit(audits::AuditArgs),
    /// People outside: what is kept of one, and taking them out of it.
    #[command(subcommand)]
    Person(privacy::PersonCommand),
    /// Take numbers of people outside out of records of some age.
    Retention(privacy::RetentionArgs),
    /// Legal holds: what stays whatever its age and whoever wants it gone.
    #[command(subcommand)]
    Hold(privacy::HoldCommand),
    /// Queues and who waits in them.
    #[command(subcommand)]
    Queue(floor::QueueCommand),
    /// Orders about what waits.
    #[command(subcommand)]
    Floor(floor::FloorCommand),
    /// Who is called when it is their turn, and no longer.
    Callbacks(callbacks::CallbacksArgs),
    /// All agents and what they are doing.
    Agents,
    /// Change an agent's state.
    Agent(floor::AgentArgs),
    /// What rings for an agent: list, add, remove, put in order.
    #[command(subcommand)]
    Device(devices::DeviceCommand),
    /// Calls that are up, and records of those that are over.
    #[command(subcommand)]
    Calls(calls::CallsCommand),
    /// Rooms: who is in them, mute, remove, announce.
    #[command(subcommand)]
    Conferences(conferences::ConferencesCommand),
    /// Recordings: which there are, and which go because their time is over.
    #[command(subcommand)]
    Recordings(recordings::RecordingsCommand),
    /// Customers: who they are, merges, cases, consent, import and export.
    #[command(subcommand)]
    Customer(customers::CustomerCommand),
    /// The CRM that is asked about a number when a call comes.
    #[command(subcommand)]
    Lookup(lookup::LookupCommand),
    /// Systems outside that are told what happens: subscriptions, dead letters.
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
    /// Voice messages.
    #[command(subcommand)]
    Messages(messages::MessagesCommand),
    /// All schedules: open or closed now, why, and what comes next.
    Schedules,
    /// One schedule, and its emergency switch.
    Schedule(schedules::ScheduleArgs),
    /// Sources that are not heard for a while, for guessing passwords, scanning or flooding.
    Bans(bans::BansArgs),
    /// Rules over channels: what sets them off, what they wait for, what they did.
    Rules(rules::RulesArgs),
    /// Messages that rules leave to be sent.
    Outbox(rules::OutboxArgs),
    /// The live trace of a number's calls, until interrupted.
    Follow(follow::FollowArgs),
    /// Why an item was given to whom, or why it still waits.
    Why(floor::WhyArgs),
    /// Service level, waits, handling times, occupancy: by queue, agent and interval.
    Kpi(kpi::KpiArgs),
    /// The journal that all tables are made of.
    #[command(subcommand)]
    Journal(journal::JournalCommand),
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Folder of the plan, or the name of one that ships (see `tandem plans`).
    #[arg(long, default_value = "demo", value_name = "DIR")]
    config: String,
    /// Listen here instead of the addresses of the plan.
    #[arg(long, value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// Threads that relay audio.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    media_threads: u16,
    /// How long a stop waits for calls to end, in seconds.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    drain: u64,
    /// Networks of yours that webhooks and lookups may go to, as in 10.1.0.0/16; else only the public Internet by https.
    #[arg(long, env = "TANDEM_REACH", value_name = "NETWORK", value_delimiter = ',', value_parser = crate::reach::network)]
    reach: Vec<tandem_dialplan::Network>,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    log_format: log::LogFormat,
    /// error, warn, info, debug, trace, or a filter such as `info,tandem::wire=debug`.
    #[arg(long, env = "TANDEM_LOG", default_value = "info", value_name = "LEVEL")]
    log_level: String,
}

/// Runs the command line; the exit code of the process.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { command, common } = Cli::parse();
    match run(command, &common) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tandem: {error}");
            ExitCode::from(error.code)
        }
    }
}

fn run(command: Command, common: &Common) -> Result<ExitCode, CliError> {
    match command {
        Command::Serve(args) => return serve(args, common),
        Command::Check(args) => return plans::check(&args, common),
        Command::Simulate(args) => return simulate::simulate(&args, common).map(|()| ExitCode::SUCCESS),
        Command::Test(args) => return simulate::test(&args, common),
        Command::Plans(args) => return shipped::run(&args, common).map(|()| ExitCode::SUCCESS),
        Command::Import(command) => return import::run(&command, common).map(|()| ExitCode::SUCCESS),
        Command::Lsp(args) => return lsp::run(&args),
        Command::Schema => return plans::schema(common).map(|()| ExitCode::SUCCESS),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::failed)?;
    runtime.block_on(async {
        match command {
            Command::Serve(_)
            | Command::Check(_)
            | Command::Simulate(_)
            | Command::Test(_)
            | Command::Plans(_)
            | Command::Import(_)
            | Command::Lsp(_)
            | Command::Schema => {}
            Command::Explain(args) => plans::explain(args, common).await?,
            Command::Replay(args) => return replay::run(args, common).await,
            Command::Apply(args) => return apply::apply(args, common).await,
            Command::Reload => return apply::reload(common).await,
            Command::Rollback(args) => return apply::rollback(args, common).await,
            Command::History(args) => apply::history(&args, common).await?,
            Command::Diff(args) => apply::diff(&args, common).await?,
            Command::Plan(args) => plan_files::run(args, common).await?,
            Command::User(command) => people::run(command, common).await?,
            Command::Login(command) => logins::run(command, common).await?,
            Command::Audit(args) => audits::run(args, common).await?,
            Command::Person(command) => privacy::person(command, common).await?,
            Command::Retention(args) => privacy::retention(args, common).await?,
            Command::Hold(command) => privacy::hold(command, common).await?,
            Command::Token(command) => tokens::run(command, common).await?,
            Command::Queue(command) => floor::queue(command, common).await?,
            Command::Floor(command) => floor::order(command, common).await?,
            Command::Callbacks(args) => callbacks::run(args, common).await?,
            Command::Agents => floor::agents(common).await?,
            Command::Agent(args) => floor::agent(args, common).await?,
            Command::Device(command) => devices::run(command, common).await?,
            Command::Calls(command) => calls::run(command, common).await?,
            Command::Conferences(command) => conferences::run(command, common).await?,
            Command::Recordings(command) => recordings::run(command, common).await?,
            Command::Customer(command) => customers::run(command, common).await?,
            Command::Lookup(command) => lookup::run(command, common).await?,
            Command::Webhooks(command) => webhooks::run(command, common).await?,
            Command::Messages(command) => messages::run(command, common).await?,
            Command::Schedules => schedules::schedules(common).await?,
            Command::Schedule(args) => schedules::schedule(args, common).await?,
            Command::Bans(args) => bans::run(args, common).await?,
            Command::Rules(args) => rules::run(args, common).await?,
            Command::Outbox(args) => rules::outbox(args, common).await?,
            Command::Follow(args) => follow::run(args, common).await?,
            Command::Why(args) => floor::why(args, common).await?,
            Command::Kpi(args) => kpi::run(args, common).await?,
            Command::Journal(command) => return journal::run(&command, common).await,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn serve(args: ServeArgs, common: &Common) -> Result<ExitCode, CliError> {
    log::start(args.log_format, &args.log_level).map_err(CliError::failed)?;
    serve::run(serve::Options {
        config: args.config,
        data: common.data.clone(),
        bind: args.bind,
        database: common.database.clone(),
        media_threads: usize::from(args.media_threads),
        drain_s: args.drain,
        reach: crate::reach::Reach::new(args.reach),
    })
    .map_err(CliError::failed)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a result, for people or for programs.
fn print<T: serde::Serialize>(common: &Common, value: &T, text: impl FnOnce(&T) -> String) -> Result<(), CliError> {
    use std::io::Write as _;
    let shown = match common.format {
        Format::Json => serde_json::to_string_pretty(value).map_err(CliError::failed)? + "\n",
        Format::Text => text(value),
    };
    match std::io::stdout().write_all(shown.as_bytes()) {
        // `tandem calls cdr | head` is no error.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(CliError::failed),
    }
}

/// A command that could not be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CliError {
    sentence: String,
    todo: Option<String>,
    code: u8,
}

impl CliError {
    /// It could not be done.
    fn failed(error: impl fmt::Display) -> Self {
        Self { sentence: error.to_string(), todo: None, code: 1 }
    }

    /// What should do it is not there.
    fn unreachable(error: impl fmt::Display) -> Self {
        Self { code: 3, ..Self::failed(error) }
    }

    /// There is no such thing.
    fn not_found(what: &str, name: &str) -> Self {
        Self { code: 4, ..Self::failed(format!("there is no {what} `{name}`")) }
    }

    fn todo(mut self, todo: impl Into<String>) -> Self {
        self.todo = Some(todo.into());
        self
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The findings of a plan come on lines of their own.
        let lines: Vec<_> = self.sentence.lines().map(table::clean).collect();
        f.write_str(&lines.join("\n"))?;
        match &self.todo {
            Some(todo) => write!(f, "\n        {}", table::clean(todo)),
            None => Ok(()),
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::unreachable(serve::control::chain(&error)).todo("name the right database by --data or --database")
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_of_the_readme_are_understood() {
        for line in [
            "tandem serve --config demo --data var",
            "tandem serve --config /etc/tandem --data /var/lib/tandem --bind 127.0.0.1 --database postgres://u@h/d --log-format json --log-level debug",
            "tandem check demo --format json",
            "tandem plans",
            "tandem plans copy small-office /etc/tandem",
            "tandem serve --config small-office",
            "tandem import asterisk /etc/asterisk --to plan --sounds /var/lib/asterisk/sounds/en --all",
            "tandem import freeswitch /etc/freeswitch --format json",
            "tandem lsp --stdio",
            "tandem schema --format json",
            "tandem plan files",
            "tandem plan show 10-switch.kdl --config demo",
            "tandem plan set queue[1] answer-target=30s 1=IT --dry-run --apply",
            "tandem plan unset queue[1] answer-target",
            "tandem plan insert skill --last-in 20-people.kdl:",
            "tandem plan move route[2] --before route[1]",
            "tandem plan rename queue sales shop",
            "tandem explain --to 1800 --from 1001 --at 2026-11-02T09:30:00Z --config demo",
            "tandem simulate --to 1800",
            "tandem simulate demo --to 1000 --from 1001 --at 18:05 --digits 1,9 --agent 1002=ready:5s,1003=away --hang-up-after 30s",
            "tandem test demo --junit results.xml --format json",
            "tandem apply",
            "tandem apply plan -m why --onto 3 --watch 30m --max-errors 2.5% --min-calls 50",
            "tandem apply plan --dry-run --format json",
            "tandem apply plan --canary 10% --canary-number +390212345 --canary-number 1999 --watch off",
            "tandem apply --promote",
            "tandem reload",
            "tandem rollback",
            "tandem rollback 3 --message why",
            "tandem history --limit 5 --before 9",
            "tandem diff 3",
            "tandem diff 3 plan",
            "tandem user add 1011 --name Ada --queue support --skill billing=3",
            "tandem user set 1011 --no-queues --device sip:a@127.0.0.1:5090 --always-on true",
            "tandem user set-password 1011 --password-stdin",
            "tandem user list",
            "tandem user remove 1011",
            "tandem token add wallboard --scope read",
            "tandem token list",
            "tandem token revoke 0123456789ab",
            "tandem login add ada --role admin --role supervisor --password-stdin",
            "tandem login set bob --role agent --extension 1001",
            "tandem audit --what recording-read --who ada --from 2026-11-01T00:00:00Z --limit 1000",
            "tandem person export +390212345 0212345",
            "tandem person erase +390212345 --dry-run --compact",
            "tandem person erase --customer 01k3p9x7c0z4m --suppress",
            "tandem retention --older-than 730d --customers-older-than 1095d --dry-run",
            "tandem retention set --calls 730d --customers never",
            "tandem retention show",
            "tandem hold add --number +390212345 --why claim",
            "tandem hold add --call 01k3p9x7c0z4m --why claim",
            "tandem queue list --server http://127.0.0.1:8080",
            "tandem queue show support",
            "tandem floor priority 01k3p9x7c0z4m 10 complaint",
            "tandem agent 1002 more-wrap-up",
            "tandem device list 1001",
            "tandem device add 1001 mobile --kind mobile --number +393331234567 --trunk carrier --ring-ms 20000 --confirm 1",
            "tandem device remove 1001 desk",
            "tandem device order 1001 mobile desk --in-order",
            "tandem user set 1011 --takes chat=500 --interrupts voice=email",
            "tandem callbacks",
            "tandem callbacks list --format json",
            "tandem callbacks cancel 01k3p9x7c0z4m mistake",
            "tandem agents",
            "tandem kpi --by queue --interval 1800 --kpi service-level --variant of-offered --target 30",
            "tandem journal verify --data var",
            "tandem agent 1002 not-ready lunch",
            "tandem agent 1002 ready",
            "tandem calls list",
            "tandem calls show 01k3p9x7c0z4m",
            "tandem calls hangup 01k3p9x7c0z4m",
            "tandem calls payment 01k3p9x7c0z4m begin",
            "tandem calls announce 01k3p9x7c0z4m please-hold --to caller",
            "tandem conferences list",
            "tandem conferences mute weekly 01k3p9x7c0z4m",
            "tandem conferences announce weekly please-hold",
            "tandem token add till --scope payment",
            "tandem calls cdr --queue support --cause no-answer --limit 10",
            "tandem messages list --mailbox support --new",
            "tandem messages heard 01",
            "tandem messages delete 01",
            "tandem customer add --name Ada --phone +390212345678 --email ada@example.com --attribute plan=gold",
            "tandem customer case set 01 --status solved --outcome fixed",
            "tandem customer case set 01 --respond-within 600 --resolve-within 86400",
            "tandem customer case due",
            "tandem customer disposition set sold --label Bought",
            "tandem customer consent suppress --phone +390212345678 --source register",
            "tandem customer import customers.csv --dry-run --separator semicolon",
            "tandem schedules",
            "tandem schedule office",
            "tandem schedule office force-closed --for 2h --why fire",
            "tandem schedule office follow",
            "tandem bans",
            "tandem bans lift 192.0.2.7",
            "tandem bans lift 2001:db8::7",
            "tandem rules timers --state running",
            "tandem rules why 01k3p9x7c0z4m",
            "tandem outbox --state dead",
            "tandem follow 1800",
            "tandem why 01k3p9x7c0z4m",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }
}
