//! `tandem person`, `tandem retention` and `tandem hold`: people outside, by the running server.

use clap::{Args, Subcommand};
use reqwest::Method;

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{draw, instant, maybe},
};
use crate::http::{
    privacy::{EraseOrder, HoldOrder, HoldView, PersonOrder, RetentionOrder, RetentionPolicy, TakenView},
    view::Done,
};

#[derive(Debug, Subcommand)]
pub(super) enum PersonCommand {
    /// Everything that is kept of somebody, one JSON value a line, to standard output.
    Export {
        /// Their numbers and other addresses, as records have them.
        #[arg(required_unless_present = "customers")]
        numbers: Vec<String>,
        /// Or a customer, by the identifier; needed where several have a number. Can be given more than once.
        #[arg(long = "customer", value_name = "CUSTOMER")]
        customers: Vec<String>,
    },
    /// Take somebody out of records, journal, recordings and messages. Figures stay.
    Erase {
        /// Their numbers and other addresses, as records have them.
        #[arg(required_unless_present = "customers")]
        numbers: Vec<String>,
        /// Or a customer, by the identifier; needed where several have a number. Can be given more than once.
        #[arg(long = "customer", value_name = "CUSTOMER")]
        customers: Vec<String>,
        /// Never contact them again: a hash of each address stays, by which it is known.
        #[arg(long)]
        suppress: bool,
        /// Only say what would go.
        #[arg(long)]
        dry_run: bool,
        /// Write the database anew, too, so that its files hold nothing of them.
        #[arg(long)]
        compact: bool,
    },
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct RetentionArgs {
    #[command(subcommand)]
    command: Option<RetentionCommand>,
    /// Calls and voice messages that began so long ago, now: days, as in 730d.
    #[arg(long, value_name = "DAYS", value_parser = days, required_unless_present = "customers_older_than")]
    older_than: Option<u32>,
    /// Customers of whom nothing was heard for so long, now: days, as in 1095d.
    #[arg(long, value_name = "DAYS", value_parser = days)]
    customers_older_than: Option<u32>,
    /// Only say what would go.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum RetentionCommand {
    /// What ages by itself, daily, and when it last did.
    Show,
    /// Have it age by itself, daily.
    Set {
        /// Calls and voice messages since they began: days, as in 730d, or never.
        #[arg(long, value_name = "DAYS", value_parser = maybe_days)]
        calls: Option<Age>,
        /// Customers since anything was heard of them: days, as in 1095d, or never.
        #[arg(long, value_name = "DAYS", value_parser = maybe_days)]
        customers: Option<Age>,
    },
}

/// Days, or never.
#[derive(Clone, Copy, Debug)]
struct Age(Option<u32>);

fn maybe_days(text: &str) -> Result<Age, String> {
    if text == "never" { Ok(Age(None)) } else { days(text).map(|days| Age(Some(days))) }
}

#[derive(Debug, Subcommand)]
pub(super) enum HoldCommand {
    /// Keep a call, or all of a number, whatever their age and whoever wants them gone.
    Add {
        /// This call with all that belongs to it.
        #[arg(long, required_unless_present = "number", conflicts_with = "number")]
        call: Option<String>,
        /// All calls and messages of this number.
        #[arg(long)]
        number: Option<String>,
        /// Why.
        #[arg(long)]
        why: String,
    },
    /// Everything that must stay.
    List,
    /// Keep it no longer.
    Lift {
        /// Its identifier, as the list shows it.
        hold: String,
    },
}

fn days(text: &str) -> Result<u32, String> {
    let days = text.strip_suffix('d').unwrap_or(text).parse().ok();
    days.filter(|days| (1..=36_500).contains(days)).ok_or_else(|| "give days, as in 730d".to_owned())
}

pub(super) async fn person(command: PersonCommand, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match command {
        PersonCommand::Export { numbers, customers } => export(&client, PersonOrder { numbers, customers }).await,
        PersonCommand::Erase { numbers, customers, suppress, dry_run, compact } => {
            let order = EraseOrder { numbers, customers, suppress, dry_run, compact };
            let taken: TakenView = client.order(Method::POST, &["privacy", "erase"], &order).await?;
            print(common, &taken, told)
        }
    }
}

/// As it comes: an export may be longer than memory is.
async fn export(client: &Client, order: PersonOrder) -> Result<(), CliError> {
    use std::io::Write as _;
    let mut response = client.stream(&["privacy", "export"], &order).await?;
    let (mut out, mut last) = (std::io::stdout(), Vec::new());
    let broken = || CliError::failed("the export broke off and is not whole").todo("see the server's log, and ask again");
    while let Some(chunk) = response.chunk().await.map_err(|_| broken())? {
        out.write_all(&chunk).map_err(CliError::failed)?;
        last.extend_from_slice(&chunk);
        last.drain(..last.len().saturating_sub(100));
    }
    let is_whole = String::from_utf8_lossy(&last).trim_end().lines().last().is_some_and(|line| line.contains("{\"end\":"));
    if is_whole { Ok(()) } else { Err(broken()) }
}

pub(super) async fn retention(args: RetentionArgs, common: &Common) -> Result<(), CliError> {
    let (client, path) = (Client::find(common)?, ["privacy", "retention"]);
    match args.command {
        None => {
            let RetentionArgs { older_than: older_than_days, customers_older_than: customers_older_than_days, dry_run, .. } =
                args;
            let order = RetentionOrder { older_than_days, customers_older_than_days, dry_run };
            let taken: TakenView = client.order(Method::POST, &path, &order).await?;
            print(common, &taken, told)
        }
        Some(RetentionCommand::Show) => print(common, &client.get(&path).await?, aged),
        Some(RetentionCommand::Set { calls, customers }) => {
            // What is not said stays.
            let mut policy: RetentionPolicy = client.get(&path).await?;
            policy.calls_days = calls.map_or(policy.calls_days, |age| age.0);
            policy.customers_days = customers.map_or(policy.customers_days, |age| age.0);
            let order = RetentionPolicy { last_at: None, ..policy };
            let policy: RetentionPolicy = client.order(Method::PUT, &path, &order).await?;
            print(common, &policy, aged)
        }
    }
}

fn aged(policy: &RetentionPolicy) -> String {
    let said = |days: Option<u32>| days.map_or_else(|| "never".to_owned(), |days| format!("after {days} days"));
    let last = policy.last_at.map_or_else(|| "not yet".to_owned(), instant);
    format!(
        "Calls and voice messages: {}\nCustomers: {}\nLast looked for: {last}\n",
        said(policy.calls_days),
        said(policy.customers_days)
    )
}

pub(super) async fn hold(command: HoldCommand, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match command {
        HoldCommand::Add { call, number, why } => {
            let order = HoldOrder { call, number, why };
            let hold: HoldView = client.order(Method::POST, &["holds"], &order).await?;
            print(common, &hold, |hold| drawn(std::slice::from_ref(hold)))
        }
        HoldCommand::List => {
            let holds: Vec<HoldView> = client.get(&["holds"]).await?;
            print(common, &holds, |holds| drawn(holds))
        }
        HoldCommand::Lift { hold } => {
            let done: Done = client.delete(&["holds", &hold]).await?;
            print(common, &done, |_| "The hold is lifted.\n".to_owned())
        }
    }
}

fn told(taken: &TakenView) -> String {
    if taken.running {
        return "It takes longer, and goes on: `tandem audit` will say how it ended.\n".to_owned();
    }
    let TakenView { dry_run, receipt, customers, shared, suppressions, calls, recordings, messages, events, held, .. } = taken;
    let verb = if *dry_run { "Would go" } else { "Gone" };
    let mut text = format!(
        "{verb}: {customers} customers, the numbers of {calls} calls, {recordings} recordings, {messages} messages; {events} rows of \
         the journal changed.\nHeld: {held}.\n"
    );
    if *suppressions > 0 {
        text.push_str(&format!("Kept, hashed: {suppressions} suppressions.\n"));
    }
    if *shared > 0 {
        text.push_str(&format!("Left, because they are somebody else's too: {shared} addresses.\n"));
    }
    if !receipt.is_empty() {
        text.push_str(&format!("Receipt: {receipt} (`tandem audit` names it)\n"));
    }
    text
}

fn drawn(holds: &[HoldView]) -> String {
    let rows = holds.iter().map(|hold| {
        vec![
            hold.id.clone(),
            maybe(hold.call.as_ref()),
            maybe(hold.number.as_ref()),
            hold.why.clone(),
            hold.by.clone(),
            instant(hold.at),
        ]
    });
    draw(&["HOLD", "CALL", "NUMBER", "WHY", "BY", "SINCE"], &rows.collect::<Vec<_>>())
}
