//! `tandem kpi`: what the floor achieves.

use clap::{Args, ValueEnum};

use super::{
    CliError, Common,
    client::Client,
    print,
    table::{draw, instant},
};
use crate::http::kpis::{KpiAnswer, KpiDefinition, ReadingView};

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Queue,
    Agent,
}

#[derive(Debug, Args)]
pub(super) struct KpiArgs {
    /// From then on, as in 2026-11-02T00:00:00Z; a day before `--to` unless said.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before then; now unless said.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Of this queue only.
    #[arg(long)]
    queue: Option<String>,
    /// Of this agent only.
    #[arg(long)]
    agent: Option<String>,
    /// Each queue or each agent separately.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Each interval separately: its length.
    #[arg(long, value_name = "SECONDS")]
    interval: Option<u32>,
    /// This figure only (`service-level`).
    #[arg(long)]
    kpi: Option<String>,
    /// This variant only; each figure's usual one unless said, `all` for all.
    #[arg(long)]
    variant: Option<String>,
    /// Wanted answer time, in seconds.
    #[arg(long, value_name = "SECONDS")]
    target: Option<u32>,
    /// Who goes sooner did not wait, in seconds.
    #[arg(long, value_name = "SECONDS")]
    short_abandon: Option<u32>,
    /// The waits that figures are made of, as CSV.
    #[arg(long, conflicts_with_all = ["by", "interval", "kpi", "variant", "target", "short_abandon"])]
    rows: bool,
    /// What each figure is.
    #[arg(long, exclusive = true)]
    definitions: bool,
}

pub(super) async fn run(args: KpiArgs, common: &Common) -> Result<(), CliError> {
    let client = Client::find(common)?;
    if args.definitions {
        let all: Vec<KpiDefinition> = client.get(&["kpis", "definitions"]).await?;
        return print(common, &all, |all| drawn_definitions(all));
    }
    let mut query: Vec<(&str, String)> = Vec::new();
    let texts = [("from", args.from), ("to", args.to), ("queue", args.queue), ("agent", args.agent)];
    query.extend(texts.into_iter().filter_map(|(name, value)| Some((name, value?))));
    if args.rows {
        return client.copy(&["kpis", "waits"], &query, &mut std::io::stdout().lock()).await;
    }
    let by = args.by.map(|by| match by {
        By::Queue => "queue".to_owned(),
        By::Agent => "agent".to_owned(),
    });
    let variant = args.variant.or_else(|| args.kpi.is_none().then(|| "default".to_owned())).filter(|variant| variant != "all");
    query.extend(
        [("by", by), ("kpi", args.kpi), ("variant", variant)].into_iter().filter_map(|(name, value)| Some((name, value?))),
    );
    let numbers = [("interval", args.interval), ("target", args.target), ("short_abandon", args.short_abandon)];
    query.extend(numbers.into_iter().filter_map(|(name, value)| Some((name, value?.to_string()))));
    let answer: KpiAnswer = client.search(&["kpis"], &query).await?;
    print(common, &answer, drawn)
}

fn drawn_definitions(all: &[KpiDefinition]) -> String {
    let rows = all.iter().map(|one| {
        vec![one.kpi.clone(), one.variant.clone(), one.unit.clone(), one.per.clone(), one.formula.clone(), one.excludes.clone()]
    });
    draw(&["FIGURE", "VARIANT", "IN", "OF", "FORMULA", "LEAVES OUT"], &rows.collect::<Vec<_>>())
}

fn drawn(answer: &KpiAnswer) -> String {
    let mut rows = Vec::new();
    for row in &answer.rows {
        for reading in &row.figures {
            let seconds = |ms: Option<u64>| ms.map(|ms| format!("{} s", ms / 1_000)).unwrap_or_default();
            let variant = if reading.variant == "default" { String::new() } else { reading.variant.clone() };
            rows.push(vec![
                instant(row.from),
                row.name.clone(),
                reading.kpi.clone(),
                variant,
                value(reading),
                reading.n.to_string(),
                seconds(reading.median),
                seconds(reading.p90),
            ]);
        }
    }
    draw(&["FROM", "OF", "FIGURE", "VARIANT", "VALUE", "N", "MEDIAN", "P90"], &rows)
        + &format!("\nanswered in {} s wanted; abandoned below {} s is short\n", answer.target_s, answer.short_abandon_s)
}

fn value(reading: &ReadingView) -> String {
    match (reading.value, reading.unit.as_str()) {
        (None, _) => "-".to_owned(),
        (Some(value), "share") => format!("{:.1} %", value * 100.0),
        (Some(value), "ms") => format!("{:.1} s", value / 1_000.0),
        (Some(value), _) => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        let reading = |value, unit: &str| {
            let (kpi, variant, unit) = (String::new(), String::new(), unit.to_owned());
            super::value(&ReadingView { kpi, variant, unit, value, n: 1, median: None, p90: None })
        };
        assert_eq!(reading(Some(0.8125), "share"), "81.2 %");
        assert_eq!(reading(Some(23_333.3), "ms"), "23.3 s");
        assert_eq!((reading(Some(12.0), "count"), reading(None, "share")), ("12".to_owned(), "-".to_owned()));
    }
}
