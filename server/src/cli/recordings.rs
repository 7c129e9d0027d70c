//! Recordings: which there are, and which go because their time is over.

use clap::Subcommand;
use reqwest::Method;

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{draw, duration, instant, maybe},
};
use crate::http::{recordings::SweepOrder, view::RecordingPage};

#[derive(Debug, Subcommand)]
pub(super) enum RecordingsCommand {
    /// Newest first.
    List {
        /// Of this call only.
        #[arg(long)]
        call: Option<String>,
        /// Older than this recording: the next page.
        #[arg(long)]
        before: Option<String>,
        /// Rows at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
        limit: u32,
    },
    /// Delete now what is deleted daily: the audio of recordings that are older than `retain` said.
    Sweep {
        /// Only say which these are.
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) async fn run(command: RecordingsCommand, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    let page: RecordingPage = match command {
        RecordingsCommand::List { call, before, limit } => {
            let all = [("call", call), ("before", before), ("limit", Some(limit.to_string()))];
            let query: Vec<_> = all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            client.search(&["recordings"], &query).await?
        }
        RecordingsCommand::Sweep { dry_run } => {
            client.order(Method::POST, &["recordings", "sweep"], &SweepOrder { dry_run }).await?
        }
    };
    print(common, &page, drawn)
}

fn drawn(page: &RecordingPage) -> String {
    let rows = page.recordings.iter().map(|row| {
        vec![
            row.recording.clone(),
            row.call.clone(),
            instant(row.started_at),
            row.duration_ms.map(duration).unwrap_or_default(),
            row.size_bytes.map(|bytes| format!("{} kB", bytes.div_ceil(1_000))).unwrap_or_default(),
            format!("{}{}", row.format, if row.sealed { ", sealed" } else { "" }),
            row.state.clone(),
            maybe(row.place.as_ref()),
        ]
    });
    let heads = ["RECORDING", "CALL", "STARTED", "LENGTH", "SIZE", "FORMAT", "STATE", "PLACE"];
    let more = page.next.as_ref().map(|next| format!("\nMore: --before {next}\n")).unwrap_or_default();
    draw(&heads, &rows.collect::<Vec<_>>()) + &more
}
