//! `tandem replay floor`: the callers of the past on other queues, or with more or fewer agents.

use clap::Args;
use serde::Serialize;
use tandem_switch::{
    floor::{AgentProfile, FloorEvent},
    kpi::{Books, KPIS, Past, Reading, Setting, Tally, Terms, rerun},
    name::{AgentName, QueueName, SkillLevel},
    step::Target,
    time::Timestamp,
};

use super::{
    CliError, Common,
    people::open,
    print,
    replay::{good, moment},
    table::draw,
};
use crate::{
    clock,
    http::view::At,
    store::{Person, Store},
};

/// Journal rows that are read at a time, and at most.
const PAGE: u32 = 2_000;
const MOST_EVENTS: u64 = 20_000_000;
/// Whoever waits at the end of the time is followed so long, in µs.
const FOLLOWED_US: i64 = 6 * 3_600_000_000;
/// Agents that can be added to a queue.
const MOST_ADDED: i32 = 1_000;
/// What is compared.
const SHOWN: [(&str, &str); 6] = [
    ("offered", "default"),
    ("answered", "default"),
    ("abandoned", "default"),
    ("service-level", "default"),
    ("asa", "default"),
    ("abandon-rate", "default"),
];

#[derive(Debug, Args)]
pub(super) struct FloorArgs {
    /// Callers who came then or later: "2026-11-20 00:00" or 18:05 by the plan's clock, or 2026-11-20T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: String,
    /// Callers who came before; now unless said.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Folder of the plan that was in service.
    #[arg(long, value_name = "DIR", default_value = ".")]
    plan: String,
    /// Folder of a plan whose queues are tried instead.
    #[arg(long, value_name = "DIR")]
    with: Option<String>,
    /// So many agents more or less for a queue, all the time: `support=+2`, `support=-1`.
    #[arg(long, value_name = "QUEUE=±N", value_parser = staff)]
    staff: Vec<Staff>,
    /// Wanted answer time, in seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=256))]
    target: Option<u32>,
}

/// More or fewer agents for a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Staff {
    queue: String,
    by: i32,
}

fn staff(text: &str) -> Result<Staff, String> {
    let bad = || format!("`{text}` is not like support=+2 or support=-1");
    let (queue, by) = text.split_once('=').ok_or_else(bad)?;
    if queue.is_empty() || !by.starts_with(['+', '-']) {
        return Err(bad());
    }
    let by: i32 = by.parse().map_err(|_| bad())?;
    if by == 0 || by.abs() > MOST_ADDED {
        return Err(format!("{MOST_ADDED} agents more or less at most, and not none"));
    }
    Ok(Staff { queue: queue.to_owned(), by })
}

/// The figures of one queue, or of all.
#[derive(Debug, Serialize)]
struct Row {
    /// Empty for all.
    queue: String,
    kpi: &'static str,
    variant: &'static str,
    /// What the journal tells.
    recorded: Option<f64>,
    /// What a rerun with nothing changed gives: how far it can be trusted.
    rerun: Option<f64>,
    /// What a rerun with the changes gives.
    changed: Option<f64>,
    #[serde(skip)]
    unit: &'static str,
}

#[derive(Debug, Serialize)]
struct View {
    since: At,
    until: At,
    events: u64,
    callers: u64,
    rows: Vec<Row>,
    assumptions: &'static str,
}

const ASSUMPTIONS: &str = "Agents take each offer after the time it rang then, and are on and off duty as they were; \
    conversations and wrap-up last as they did (the median where nobody knows). Who gave up does so after the same wait; who was \
    answered would have waited on as patiently as others did. Queues and skills of agents are those of now. Callbacks are not run again.";

pub(super) async fn run(args: FloorArgs, common: &Common) -> Result<(), CliError> {
    let plan = good(&args.plan, common)?;
    let other = args.with.as_deref().map(|folder| good(folder, common)).transpose()?;
    let now = clock::now().at;
    let since = moment(Some(&args.since), &plan, now)?.unwrap_or(now);
    let until = moment(args.until.as_deref(), &plan, now)?.unwrap_or(now);
    if since >= until {
        return Err(CliError::failed("`--since` is not before `--until`"));
    }
    let store = open(common).await?;
    let (past, events) = read(&store, (since, until)).await?;
    let agents: Vec<AgentProfile> = store.people().await?.iter().filter_map(Person::profile).collect();
    let same = Setting { queues: plan.queue_profiles(), agents };
    let mut changed = same.clone();
    if let Some(other) = &other {
        changed.queues = other.queue_profiles();
    }
    for staff in &args.staff {
        change_staff(&mut changed, staff)?;
    }
    let reruns = tokio::task::spawn_blocking(move || {
        let again = rerun(&past, &same, (since, until));
        let changed = rerun(&past, &changed, (since, until));
        (past, again, changed)
    });
    let (past, again, changed) = reruns.await.map_err(CliError::failed)?;
    let terms = Terms { target_s: args.target.unwrap_or(Terms::default().target_s), ..Terms::default() };
    let books = [past.books(), &again, &changed];
    let rows = rows(books, (since, until), terms);
    let callers = counted(past.books(), None, (since, until)).offered;
    let view = View { since: At(since), until: At(until), events, callers, rows, assumptions: ASSUMPTIONS };
    print(common, &view, told)
}

/// The journal of a time, and of what became of its callers after it.
async fn read(store: &Store, (since, until): (Timestamp, Timestamp)) -> Result<(Past, u64), CliError> {
    let mut past = Past::default();
    past.begin(&store.spells_at(since).await?, since);
    let (mut seq, mut events) = (store.seq_before(since).await?, 0);
    loop {
        let page = store.events_after(seq, PAGE).await?;
        let Some(last) = page.last() else { break };
        seq = last.seq;
        events += page.len() as u64;
        if events > MOST_EVENTS {
            return Err(CliError::failed(format!("more than {MOST_EVENTS} events: ask for a shorter time")));
        }
        for row in page.iter().filter(|row| row.at >= since && row.is_of_floor()) {
            let event: FloorEvent = serde_json::from_str(&row.body)
                .map_err(|error| CliError::failed(format!("row {} of the journal cannot be read: {error}", row.seq)))?;
            past.apply(&event);
        }
        let is_over = last.at >= until && past.open(until) == 0;
        if is_over || last.at.0 > until.0.saturating_add(FOLLOWED_US) {
            break;
        }
    }
    Ok((past.complete(), events))
}

fn change_staff(setting: &mut Setting, staff: &Staff) -> Result<(), CliError> {
    let queue = QueueName::from(staff.queue.as_str());
    if !setting.queues.iter().any(|known| known.queue == queue) {
        return Err(CliError::failed(format!("the plan has no queue `{}`", staff.queue)));
    }
    let serves = |agent: &AgentProfile| agent.queues.contains(&queue);
    if staff.by < 0 {
        let mut fewer = staff.by.unsigned_abs();
        while let Some(last) = (fewer > 0).then(|| setting.agents.iter().rposition(serves)).flatten() {
            setting.agents.remove(last);
            fewer -= 1;
        }
        if fewer > 0 {
            return Err(CliError::failed(format!("`{}` has {fewer} agents less than are to go", staff.queue)));
        }
        return Ok(());
    }
    // They can do what any of the queue can.
    let mut skills: Vec<SkillLevel> = Vec::new();
    for skill in setting.agents.iter().filter(|agent| serves(agent)).flat_map(|agent| &agent.skills) {
        match skills.iter_mut().find(|known| known.skill == skill.skill) {
            Some(known) => known.level = known.level.max(skill.level),
            None => skills.push(skill.clone()),
        }
    }
    for n in 1..=staff.by {
        let agent = AgentName::from(format!("extra {} {n}", staff.queue));
        let device = Target::Extension(agent.as_str().into());
        setting.agents.push(AgentProfile {
            agent,
            queues: vec![queue.clone()],
            skills: skills.clone(),
            device,
            devices: tandem_switch::device::Devices::default(),
            always_on: false,
            capacity: tandem_switch::channel::Capacity::default(),
        });
    }
    Ok(())
}

/// The waits of a time, of one queue or of all.
fn counted(books: &Books, queue: Option<&QueueName>, (since, until): (Timestamp, Timestamp)) -> Tally {
    let mut tally = Tally::default();
    let of_time = books.waits().iter().filter(|wait| (since..until).contains(&wait.entered_at));
    of_time.filter(|wait| queue.is_none_or(|queue| wait.queue == *queue)).for_each(|wait| tally.wait(wait));
    tally
}

fn rows(books: [&Books; 3], time: (Timestamp, Timestamp), terms: Terms) -> Vec<Row> {
    let queues: std::collections::BTreeSet<&QueueName> =
        books.iter().flat_map(|books| books.waits()).map(|wait| &wait.queue).collect();
    let names = std::iter::once(None).chain(queues.into_iter().map(Some));
    let mut rows = Vec::new();
    for queue in names {
        let tallies = books.map(|books| counted(books, queue, time));
        for (kpi, variant) in SHOWN {
            let Some(kpi) = KPIS.iter().find(|known| (known.name, known.variant) == (kpi, variant)) else { continue };
            let [recorded, rerun, changed] = tallies.each_ref().map(|tally| kpi.of(tally, terms));
            let Reading { kpi: name, variant, unit, .. } = recorded;
            rows.push(Row {
                queue: queue.map(ToString::to_string).unwrap_or_default(),
                kpi: name,
                variant,
                recorded: recorded.value,
                rerun: rerun.value,
                changed: changed.value,
                unit: match unit {
                    tandem_switch::kpi::Unit::Count => "count",
                    tandem_switch::kpi::Unit::Share => "share",
                    tandem_switch::kpi::Unit::Ms => "ms",
                },
            });
        }
    }
    rows
}

fn told(view: &View) -> String {
    let shown = |value: Option<f64>, unit: &str| match (value, unit) {
        (None, _) => "-".to_owned(),
        (Some(value), "share") => format!("{:.1} %", value * 100.0),
        (Some(value), "ms") => format!("{:.1} s", value / 1_000.0),
        (Some(value), _) => format!("{value:.0}"),
    };
    let line = |row: &Row| {
        let queue = if row.queue.is_empty() { "all" } else { &row.queue };
        let values = [row.recorded, row.rerun, row.changed].map(|value| shown(value, row.unit));
        [queue.to_owned(), row.kpi.to_owned()].into_iter().chain(values).collect()
    };
    let rows: Vec<Vec<String>> = view.rows.iter().map(line).collect();
    let table = draw(&["QUEUE", "FIGURE", "RECORDED", "RERUN AS IT WAS", "RERUN WITH CHANGES"], &rows);
    format!("{} callers from {} to {}\n\n{table}\n{}\n", view.callers, view.since, view.until, view.assumptions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staff_reads_as_it_is_written() {
        assert_eq!(staff("support=+2"), Ok(Staff { queue: "support".into(), by: 2 }));
        assert_eq!(staff("a=b=-1").map_err(drop), Err(()));
        assert_eq!(staff("support=-1").map(|staff| staff.by), Ok(-1));
        for bad in ["support", "support=2", "=+1", "support=+0", "support=+5000", "support=+x"] {
            assert!(staff(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn agents_are_added_with_the_skills_of_the_queue_and_taken_away() {
        let agent = |name: &str, level| AgentProfile {
            agent: name.into(),
            queues: vec!["support".into()],
            skills: vec![SkillLevel { skill: "billing".into(), level }],
            device: Target::Extension(name.into()),
            devices: tandem_switch::device::Devices::default(),
            always_on: false,
            capacity: tandem_switch::channel::Capacity::default(),
        };
        let queue = tandem_switch::floor::QueueProfile {
            queue: "support".into(),
            answer_target_ms: 20_000,
            ring_ms: 20_000,
            wrap_up_ms: 0,
            relax: Vec::new(),
            max_waiting: 10,
            rejoin_grace_ms: 0,
            max_missed: 0,
            callbacks_per_day: 1,
            work: tandem_switch::floor::WorkRules::default(),
        };
        let mut setting = Setting { queues: vec![queue], agents: vec![agent("1001", 2), agent("1002", 5)] };
        let by = |queue: &str, by| Staff { queue: queue.into(), by };
        assert!(change_staff(&mut setting, &by("support", 2)).is_ok() && setting.agents.len() == 4);
        assert_eq!(setting.agents[3].skills[0].level, 5);
        assert!(change_staff(&mut setting, &by("support", -3)).is_ok());
        assert_eq!(setting.agents.iter().map(|agent| agent.agent.as_str()).collect::<Vec<_>>(), ["1001"]);
        assert!(change_staff(&mut setting, &by("support", -2)).is_err() && change_staff(&mut setting, &by("sales", 1)).is_err());
    }
}
