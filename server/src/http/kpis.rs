//! What the floor achieves: figures by queue, agent and interval, and the rows they are made of.

#![expect(unused_qualifications, reason = "the macro that documents a query writes them")]

use axum::{
    Json,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tandem_switch::{
    kpi::{KPIS, Kpi, Terms},
    time::Timestamp,
};
use utoipa::{IntoParams, ToSchema};

use super::{
    Api,
    problem::{Params, Problem},
    view::{At, word},
};
use crate::{
    clock,
    store::{By, FigureQuery, NoFigures, StoreError, WaitRow},
};

/// A day, which is told of unless another time is asked for.
const DAY_US: i64 = 86_400_000_000;
/// Rows of waits that are read at a time.
const PAGE: u32 = 2_000;

/// What to tell separately.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ByWord {
    /// All together.
    #[default]
    All,
    /// Each queue.
    Queue,
    /// Each agent.
    Agent,
}

/// Which figures.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct KpiQuery {
    /// From then on, RFC 3339; a day before `to` unless said, and with `interval` a whole number of intervals since 1970.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<At>,
    /// Before then, RFC 3339; now unless said.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<At>,
    /// Of this queue only.
    queue: Option<String>,
    /// Of this agent only.
    agent: Option<String>,
    /// Each queue or each agent separately.
    #[serde(default)]
    #[param(inline)]
    by: ByWord,
    /// Each interval separately: its length in seconds, 60 at least; counted from `from`.
    interval: Option<u32>,
    /// This figure only (`service-level`).
    kpi: Option<String>,
    /// This variant only (`default`).
    variant: Option<String>,
    /// Wanted answer time in seconds: 1 to 256, 20 unless said.
    target: Option<u32>,
    /// Who goes sooner did not wait, in seconds: 0 to 256, 6 unless said.
    short_abandon: Option<u32>,
}

/// Which waits.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WaitQuery {
    /// Begun then or later, RFC 3339; a day before `to` unless said.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<At>,
    /// Begun before, RFC 3339; now unless said.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<At>,
    /// In this queue only.
    queue: Option<String>,
    /// Answered by this agent only.
    agent: Option<String>,
}

/// Figures.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KpiAnswer {
    /// The wanted answer time that was counted with, in seconds.
    pub target_s: u32,
    /// Abandoned sooner than this are short, in seconds.
    pub short_abandon_s: u32,
    /// By interval, then by name.
    pub rows: Vec<KpiRow>,
}

/// The figures of one interval and one queue or agent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KpiRow {
    /// Its begin.
    pub from: At,
    /// Its end.
    pub to: At,
    /// The queue or agent; empty for all.
    pub name: String,
    /// The figures.
    pub figures: Vec<ReadingView>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReadingView {
    /// Which.
    pub kpi: String,
    /// Which variant of it.
    pub variant: String,
    /// `count`, `share` (0 to 1) or `ms`.
    pub unit: String,
    /// The figure; null when there is nothing it could be told of.
    pub value: Option<f64>,
    /// Of how many it is told.
    pub n: u64,
    /// Half of them are at most so long, in ms.
    pub median: Option<u64>,
    /// Nine in ten are at most so long, in ms.
    pub p90: Option<u64>,
}

/// What a figure is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct KpiDefinition {
    /// Its name.
    pub kpi: String,
    /// Which variant.
    pub variant: String,
    /// The formula.
    pub formula: String,
    /// `count`, `share` (0 to 1) or `ms`.
    pub unit: String,
    /// `queue`, `agent` or `both`: what it is told of.
    pub per: String,
    /// What it leaves out.
    pub excludes: String,
}

/// What each figure is
///
/// Name, variant, formula, unit and what is left out: what a tile shows when one points at it.
#[utoipa::path(get, path = "/api/v1/kpis/definitions", tag = "floor", security(("token" = ["read"])),
    responses((status = 200, body = [KpiDefinition])))]
pub(super) async fn definitions() -> Json<Vec<KpiDefinition>> {
    let told = |kpi: &Kpi| KpiDefinition {
        kpi: kpi.name.to_owned(),
        variant: kpi.variant.to_owned(),
        formula: kpi.formula.to_owned(),
        unit: word(&kpi.unit),
        per: word(&kpi.per),
        excludes: kpi.excludes.to_owned(),
    };
    Json(KPIS.iter().map(told).collect())
}

/// Figures by queue, agent and interval
///
/// Waits and the conversations that came of them belong to the interval in which the wait began; what agents spend their
/// time on to the interval in which they spend it.
#[utoipa::path(get, path = "/api/v1/kpis", tag = "floor", security(("token" = ["read"])), params(KpiQuery),
    responses((status = 200, body = KpiAnswer), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn kpis(State(api): State<Api>, Params(query): Params<KpiQuery>) -> Result<Json<KpiAnswer>, Problem> {
    let chosen = chosen(&query)?;
    let terms = terms(&query)?;
    let now = clock::now().at;
    let asked = figure_query((query.from, query.to), (query.queue, query.agent), now)?;
    let by = match query.by {
        ByWord::All => By::All,
        ByWord::Queue => By::Queue,
        ByWord::Agent => By::Agent,
    };
    if query.interval.is_some_and(|seconds| seconds < 60) {
        return Err(Problem::bad("an interval is 60 seconds at least").at("interval"));
    }
    let mut asked = FigureQuery { by, interval_s: query.interval, ..asked };
    if let (None, Some(seconds)) = (query.from, query.interval) {
        // Half hours at full and half hours, not at the minute of the question.
        let step = i64::from(seconds) * 1_000_000;
        asked.from_at = Timestamp(asked.from_at.0.div_euclid(step) * step);
    }
    let (of_queue, of_agent) = (by == By::Queue || asked.queue.is_some(), by == By::Agent || asked.agent.is_some());
    let rows = api.control.store.figures(&asked, now).await.map_err(|error| match error {
        NoFigures::TooMany => Problem::bad(error.to_string()).at("interval").todo("ask for a shorter time or longer intervals"),
        NoFigures::Store(error) => error.into(),
    })?;
    let rows = rows.into_iter().map(|row| KpiRow {
        from: At(row.from_at),
        to: At(row.to_at),
        name: row.name,
        figures: chosen.iter().filter(|kpi| kpi.is_per(of_queue, of_agent)).map(|kpi| reading(kpi, &row.tally, terms)).collect(),
    });
    let Terms { target_s, short_abandon_s } = terms;
    Ok(Json(KpiAnswer { target_s, short_abandon_s, rows: rows.collect() }))
}

fn reading(kpi: &Kpi, tally: &tandem_switch::kpi::Tally, terms: Terms) -> ReadingView {
    let reading = kpi.of(tally, terms);
    ReadingView {
        kpi: reading.kpi.to_owned(),
        variant: reading.variant.to_owned(),
        unit: word(&reading.unit),
        value: reading.value,
        n: reading.n,
        median: reading.median,
        p90: reading.p90,
    }
}

fn chosen(query: &KpiQuery) -> Result<Vec<&'static Kpi>, Problem> {
    let is_chosen = |kpi: &&Kpi| {
        query.kpi.as_deref().is_none_or(|name| kpi.name == name)
            && query.variant.as_deref().is_none_or(|name| kpi.variant == name)
    };
    let chosen: Vec<_> = KPIS.iter().filter(is_chosen).collect();
    if chosen.is_empty() {
        let place = if query.kpi.is_some() { "kpi" } else { "variant" };
        return Err(Problem::bad("there is no such figure").at(place).todo("see /api/v1/kpis/definitions"));
    }
    Ok(chosen)
}

fn terms(query: &KpiQuery) -> Result<Terms, Problem> {
    let standard = Terms::default();
    let target_s = query.target.unwrap_or(standard.target_s);
    let short_abandon_s = query.short_abandon.unwrap_or(standard.short_abandon_s);
    if !(1..=Terms::MOST_S).contains(&target_s) {
        return Err(Problem::bad("the wanted answer time is 1 to 256 seconds").at("target"));
    }
    if short_abandon_s > Terms::MOST_S {
        return Err(Problem::bad("a short abandon is 256 seconds at most").at("short_abandon"));
    }
    Ok(Terms { target_s, short_abandon_s })
}

fn figure_query(
    (from, to): (Option<At>, Option<At>),
    (queue, agent): (Option<String>, Option<String>),
    now: Timestamp,
) -> Result<FigureQuery, Problem> {
    let to_at = to.map_or(now, |to| to.0);
    let from_at = from.map_or(Timestamp(to_at.0 - DAY_US), |from| from.0);
    if from_at >= to_at {
        return Err(Problem::bad("`from` is not before `to`").at("from"));
    }
    let (queue, agent) = (queue.map(Into::into), agent.map(Into::into));
    Ok(FigureQuery { from_at, to_at, queue, agent, by: By::All, interval_s: None })
}

/// The waits that figures are made of, as CSV
///
/// A row for each spell in one queue, in the order in which they began; sent as they are read, however many there are.
#[utoipa::path(get, path = "/api/v1/kpis/waits", tag = "floor", security(("token" = ["read"])), params(WaitQuery),
    responses((status = 200, content_type = "text/csv", body = String), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn waits(State(api): State<Api>, Params(query): Params<WaitQuery>) -> Result<Response, Problem> {
    let asked = figure_query((query.from, query.to), (query.queue, query.agent), clock::now().at)?;
    let store = api.control.store.clone();
    // What is wrong from the start is still told as a problem.
    let first = store.waits(&asked, None, PAGE).await?;
    let rows = stream::unfold(Some((None, Some(first))), move |state| {
        let (store, asked) = (store.clone(), asked.clone());
        async move {
            let (after, ready): (Option<WaitRow>, Option<Vec<WaitRow>>) = state?;
            let head = if after.is_none() { HEAD } else { "" };
            let page = match ready {
                Some(page) => Ok(page),
                None => store.waits(&asked, after.as_ref(), PAGE).await,
            };
            match page {
                Err(error) => Some((Err::<String, StoreError>(error), None)),
                Ok(page) => {
                    let text = page.iter().fold(head.to_owned(), |text, wait| text + &line(wait));
                    let full = page.len() == PAGE as usize;
                    Some((Ok(text), page.into_iter().next_back().filter(|_| full).map(|last| (Some(last), None))))
                }
            }
        }
    });
    let head =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, "attachment; filename=\"waits.csv\"")];
    Ok((head, Body::from_stream(rows)).into_response())
}

const HEAD: &str = "item,nth,call,queue,callback,entered,waiting_since,ended,how,waited_ms,agent,finished,wrap_up_ms\r\n";

fn line(wait: &WaitRow) -> String {
    let instant = |at: Option<Timestamp>| at.map(|at| At(at).to_string()).unwrap_or_default();
    let (how, ended) = wait.end.map_or(("waiting", None), |(how, at)| (how.as_str(), Some(at)));
    let waited = ended.map(|at| at.ms_since(wait.waiting_since_at).to_string()).unwrap_or_default();
    let agent = wait.agent.as_ref().map(|agent| agent.as_str()).unwrap_or_default();
    let fields = [
        wait.item.to_string(),
        wait.nth.to_string(),
        wait.call.to_string(),
        field(wait.queue.as_str()),
        wait.callback.to_string(),
        instant(Some(wait.entered_at)),
        instant(Some(wait.waiting_since_at)),
        instant(ended),
        how.to_owned(),
        waited,
        field(agent),
        instant(wait.finished_at),
        wait.wrap_up_ms.to_string(),
    ];
    fields.join(",") + "\r\n"
}

/// A name as a field (RFC 4180); a spreadsheet must not take it for a formula.
fn field(name: &str) -> String {
    let name = if name.starts_with(['=', '+', '-', '@', '\t']) { format!("'{name}") } else { name.to_owned() };
    if name.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_field() {
        assert_eq!(["support", "a,b", "say \"x\"", "=1+1"].map(field), ["support", "\"a,b\"", "\"say \"\"x\"\"\"", "'=1+1"]);
    }

    #[test]
    fn the_table_in_docs_is_the_registry() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/kpis.md");
        let page = std::fs::read_to_string(path).unwrap_or_default();
        let (before, rest) = page.split_once("<!-- figures -->\n").unwrap_or((&page, ""));
        let after = rest.split_once("<!-- end of figures -->").map_or("", |(_, after)| after);
        let wanted = format!("{before}<!-- figures -->\n{}<!-- end of figures -->{after}", tandem_switch::kpi::document());
        if std::env::var_os("TANDEM_WRITE_DOCS").is_some() {
            std::fs::write(path, &wanted).unwrap();
            return;
        }
        assert!(page == wanted, "docs/kpis.md is not the registry: run the test again with TANDEM_WRITE_DOCS=1");
    }
}
