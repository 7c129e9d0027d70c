//! `tandem rules` and `tandem outbox`: rules over channels, and the messages that they leave to be sent.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use reqwest::Method;

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{draw, instant},
};
use crate::http::{
    rules::{RuleView, TimerStory, TimerView, outbox::OutboxView},
    view::Done,
};

#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    #[command(subcommand)]
    command: Option<RulesCommand>,
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    /// What rules wait for and did, the newest first.
    Timers {
        /// Only these: running, fired, skipped or cancelled.
        #[arg(long, value_parser = ["running", "fired", "skipped", "cancelled"])]
        state: Option<String>,
        /// Only of this rule.
        #[arg(long)]
        rule: Option<String>,
    },
    /// What set a timer off, and what came of it.
    Why {
        /// Its identifier.
        timer: String,
    },
    /// End a timer before its time.
    Cancel {
        /// Its identifier.
        timer: String,
        /// Why, for those who come later.
        #[arg(long)]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct OutboxArgs {
    /// Only these: waiting, sent or dead.
    #[arg(long, value_parser = ["waiting", "sent", "dead"])]
    state: Option<String>,
    #[command(subcommand)]
    command: Option<OutboxCommand>,
}

#[derive(Debug, Subcommand)]
enum OutboxCommand {
    /// Try a dead message again.
    Retry {
        /// Its name.
        message: String,
    },
}

pub(super) async fn run(args: RulesArgs, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match args.command {
        None => {
            let rules: Vec<RuleView> = client.get(&["rules"]).await?;
            print(common, &rules, |rules| drawn(rules))
        }
        Some(RulesCommand::Timers { state, rule }) => {
            let query = [("state", state.unwrap_or_default()), ("rule", rule.unwrap_or_default())];
            let timers: Vec<TimerView> = client.search(&["rules", "timers"], &query).await?;
            print(common, &timers, |timers| drawn_timers(timers))
        }
        Some(RulesCommand::Why { timer }) => {
            let story: TimerStory = client.get(&["rules", "timers", &timer]).await?;
            print(common, &story, told)
        }
        Some(RulesCommand::Cancel { timer, reason }) => {
            let done: Done = client.delete_with(&["rules", "timers", &timer], &[("reason", reason)]).await?;
            print(common, &done, |_| "The timer does not run any more.\n".to_owned())
        }
    }
}

pub(super) async fn outbox(args: OutboxArgs, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    match args.command {
        None => {
            let query = [("state", args.state.unwrap_or_default())];
            let messages: Vec<OutboxView> = client.search(&["outbox"], &query).await?;
            print(common, &messages, |messages| drawn_messages(messages))
        }
        Some(OutboxCommand::Retry { message }) => {
            let message: OutboxView = client.order(Method::POST, &["outbox", &message, "retry"], &serde_json::json!({})).await?;
            print(common, &message, |message| drawn_messages(std::slice::from_ref(message)))
        }
    }
}

fn drawn(rules: &[RuleView]) -> String {
    let row = |rule: &RuleView| {
        let RuleView { rule, when, after_ms, then, running, fired, skipped, cancelled } = rule.clone();
        let counts = [running, fired, skipped, cancelled].map(|count| count.to_string());
        [rule, when, format!("{} s", after_ms / 1_000), then.join(", ")].into_iter().chain(counts).collect()
    };
    draw(
        &["RULE", "WHEN", "AFTER", "THEN", "RUNNING", "FIRED", "SKIPPED", "CANCELLED"],
        &rules.iter().map(row).collect::<Vec<_>>(),
    )
}

fn drawn_timers(timers: &[TimerView]) -> String {
    let row = |timer: &TimerView| {
        let who = timer.identity.clone().or_else(|| timer.customer.clone()).unwrap_or_else(|| "unknown".to_owned());
        vec![
            timer.timer.clone(),
            timer.rule.clone(),
            timer.state.clone(),
            who,
            instant(timer.set),
            instant(timer.due),
            timer.why.clone(),
        ]
    };
    draw(&["TIMER", "RULE", "STATE", "WHO", "SET", "DUE", "WHY"], &timers.iter().map(row).collect::<Vec<_>>())
}

fn told(story: &TimerStory) -> String {
    let TimerStory { timer, deeds } = story;
    let who = timer.identity.as_deref().unwrap_or("unknown");
    let mut text = format!(
        "Rule {} was set off by row {} of the journal ({}) at {}, for {who}.\n",
        timer.rule,
        timer.cause,
        timer.when,
        instant(timer.set)
    );
    let due = instant(timer.due);
    let ended = timer.ended.map(instant).unwrap_or_default();
    let _fits = match &*timer.state {
        "running" => writeln!(text, "It looks at {due}."),
        "fired" => writeln!(text, "It was due at {due} and was carried out at {ended}:"),
        state => writeln!(text, "It was {state} at {ended}: {}.", timer.why),
    };
    for deed in deeds {
        let detail = if deed.detail.is_empty() { String::new() } else { format!(": {}", deed.detail) };
        let _fits = writeln!(text, "  {} {}{detail}", deed.what, deed.state);
    }
    text
}

fn drawn_messages(messages: &[OutboxView]) -> String {
    let row = |message: &OutboxView| {
        let OutboxView { message, channel, to, template, state, attempts, next, why, .. } = message.clone();
        vec![message, channel, to, template, state, attempts.to_string(), instant(next), why]
    };
    let head = ["MESSAGE", "CHANNEL", "TO", "TEMPLATE", "STATE", "TRIED", "NEXT", "WHY"];
    draw(&head, &messages.iter().map(row).collect::<Vec<_>>())
}
