//! `tandem schedules` and `tandem schedule`: opening hours as they stand, and their emergency switches.

use clap::{Args, Subcommand};
use reqwest::Method;

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{clean, draw, instant, list},
};
use crate::http::schedules::{ScheduleView, SwitchOrder, SwitchSays};

#[derive(Debug, Args)]
pub(super) struct ScheduleArgs {
    /// Its name in the plan.
    schedule: String,
    #[command(subcommand)]
    change: Option<Change>,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Open from now on, whatever its hours say; for calls that are up too.
    ForceOpen(Force),
    /// Closed from now on, whatever its hours say; for calls that are up too.
    ForceClosed(Force),
    /// Follow its hours again.
    Follow {
        /// Why, for those who will ask.
        #[arg(long, default_value = "", hide_default_value = true)]
        why: String,
    },
}

#[derive(Debug, Args)]
struct Force {
    /// Why, for those who will ask.
    #[arg(long)]
    why: String,
    /// For how long, as in 90m, 2h or 3d; until it is turned back unless said.
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    lasts_s: Option<u64>,
}

/// `90s`, `90m`, `2h`, `3d`.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time: expected as in 90m, 2h or 3d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit_s: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit_s)).filter(|s| *s > 0).ok_or_else(wrong)
}

pub(super) async fn schedules(common: &Common) -> Result<(), CliError> {
    let all: Vec<ScheduleView> = Client::find(common)?.get(&["schedules"]).await?;
    print(common, &all, |all| {
        let row = |view: &ScheduleView| {
            let switch = view.switch.as_ref().map(|switch| switch.why.clone()).unwrap_or_default();
            let next = view.next.first().map(|next| format!("{} {}", verb(next.opens), next.local)).unwrap_or_default();
            vec![view.schedule.clone(), standing(view).to_owned(), view.why.clone(), switch, next]
        };
        draw(&["SCHEDULE", "NOW", "BECAUSE", "REASON", "NEXT"], &all.iter().map(row).collect::<Vec<_>>())
    })
}

pub(super) async fn schedule(args: ScheduleArgs, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    let path = ["schedules", args.schedule.as_str(), "switch"];
    let order = |says, force: Force| SwitchOrder { says, why: force.why, until: None, for_s: force.lasts_s };
    let view: ScheduleView = match args.change {
        None => client.get(&path[..2]).await?,
        Some(Change::ForceOpen(force)) => client.order(Method::PUT, &path, &order(SwitchSays::ForceOpen, force)).await?,
        Some(Change::ForceClosed(force)) => client.order(Method::PUT, &path, &order(SwitchSays::ForceClosed, force)).await?,
        Some(Change::Follow { why }) => client.delete_with(&path, &[("why", why)]).await?,
    };
    print(common, &view, drawn)
}

fn drawn(view: &ScheduleView) -> String {
    let switch = view.switch.as_ref();
    let rows = [
        ("schedule", view.schedule.clone()),
        ("now", standing(view).to_owned()),
        ("because", view.why.clone()),
        ("turned by", switch.map(|switch| switch.by.clone()).unwrap_or_default()),
        ("turned at", switch.map(|switch| instant(switch.at)).unwrap_or_default()),
        ("reason", switch.map(|switch| switch.why.clone()).unwrap_or_default()),
        ("until", switch.and_then(|switch| switch.until).map(instant).unwrap_or_default()),
    ];
    let next = view.next.iter().map(|next| format!("  {} {}\n", clean(&next.local), verb(next.opens)));
    let by_its_hours = if view.next.is_empty() { "" } else { "by its hours:\n" };
    format!("{}{by_its_hours}{}", list(&rows), next.collect::<String>())
}

fn standing(view: &ScheduleView) -> &'static str {
    match view.open {
        Some(true) => "open",
        Some(false) => "closed",
        None => "unused",
    }
}

fn verb(opens: bool) -> &'static str {
    if opens { "opens" } else { "closes" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        for (text, expected) in [("90s", Some(90)), ("90m", Some(5_400)), ("2h", Some(7_200)), ("3d", Some(259_200))] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
        for text in ["", "h", "2", "0h", "-1h", "2w", "2µ", "99999999999999999d", "1.5h"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
