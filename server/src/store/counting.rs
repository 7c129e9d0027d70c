//! Figures of a query: settled stretches from their roll-ups, the rest from rows.

use std::collections::BTreeMap;

use tandem_switch::{
    cause::Cause,
    floor::OfferOutcome,
    kpi::{Spell, Tally, Wait},
    name::{AgentName, QueueName},
    time::Timestamp,
};

use super::{
    Store, StoreError,
    db::args,
    figures::{OFFERS_ENDED, PAGE, TRANSFERS},
    rollups::Cover,
};

/// Rows of an answer at most.
const MOST_ROWS: usize = 10_000;

/// What figures are told of separately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Nothing: of all together.
    #[default]
    All,
    /// Each queue.
    Queue,
    /// Each agent.
    Agent,
}

/// Which figures.
#[derive(Clone, Debug)]
pub struct FigureQuery {
    /// From then on.
    pub from_at: Timestamp,
    /// Before then.
    pub to_at: Timestamp,
    /// Of this queue.
    pub queue: Option<QueueName>,
    /// Of this agent.
    pub agent: Option<AgentName>,
    /// For what separately.
    pub by: By,
    /// For each so many seconds separately.
    pub interval_s: Option<u32>,
}

/// The counts of one interval and one queue or agent.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureRow {
    /// Its begin.
    pub from_at: Timestamp,
    /// Its end.
    pub to_at: Timestamp,
    /// The queue or agent; empty for all.
    pub name: String,
    /// What was counted.
    pub tally: Tally,
}

/// Why figures are not told.
#[derive(Debug, thiserror::Error)]
pub enum NoFigures {
    /// More rows than an answer may have.
    #[error("that would be more than {MOST_ROWS} rows")]
    TooMany,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl FigureQuery {
    /// The length of an interval, in µs.
    pub(super) fn step_us(&self) -> i64 {
        let span = self.to_at.0.saturating_sub(self.from_at.0).max(1);
        self.interval_s.map_or(span, |seconds| i64::from(seconds.max(1)) * 1_000_000)
    }
}

/// Counts by interval and name.
struct Cells<'a> {
    query: &'a FigureQuery,
    step_us: i64,
    cells: BTreeMap<(i64, String), Tally>,
}

impl Cells<'_> {
    fn name(&self, queue: Option<&str>, agent: Option<&str>) -> Option<String> {
        match self.query.by {
            By::All => Some(String::new()),
            By::Queue => queue.map(str::to_owned),
            By::Agent => agent.map(str::to_owned),
        }
    }

    /// The begin of the interval that an instant lies in.
    const fn begin(&self, at: Timestamp) -> i64 {
        let from = self.query.from_at.0;
        from + (at.0 - from).div_euclid(self.step_us) * self.step_us
    }

    fn cell(&mut self, begin: i64, name: String) -> Result<&mut Tally, NoFigures> {
        if self.cells.len() >= MOST_ROWS && !self.cells.contains_key(&(begin, name.clone())) {
            return Err(NoFigures::TooMany);
        }
        Ok(self.cells.entry((begin, name)).or_default())
    }

    fn end(&self, begin: i64) -> i64 {
        begin.saturating_add(self.step_us).min(self.query.to_at.0)
    }

    fn wait(&mut self, wait: &Wait) -> Result<(), NoFigures> {
        let Some(name) = self.name(Some(wait.queue.as_str()), wait.agent.as_ref().map(AgentName::as_str)) else { return Ok(()) };
        // Of an agent only what they did is told, not how those waited whom nobody has answered.
        let of_agent = self.query.by == By::Agent || self.query.agent.is_some();
        let cell = self.cell(self.begin(wait.entered_at), name)?;
        if of_agent {
            cell.conversation(wait)
        } else {
            cell.wait(wait)
        }
        Ok(())
    }

    /// Counts what of a spell lies in a part of the query's time.
    fn spell(&mut self, spell: &Spell, part: (Timestamp, Timestamp), now: Timestamp) -> Result<(), NoFigures> {
        let Some(name) = self.name(None, Some(spell.agent.as_str())) else { return Ok(()) };
        let (from, to) = (spell.from_at.max(part.0), spell.to_at.unwrap_or(now).min(part.1));
        let mut begin = self.begin(from);
        while begin < to.0 {
            let end = self.end(begin);
            self.cell(begin, name.clone())?.spell(spell.activity, (from, to), (Timestamp(begin), Timestamp(end)));
            begin = end;
        }
        Ok(())
    }
}

impl Store {
    /// Counts for figures; spells that go on are counted until `now`.
    pub async fn figures(&self, query: &FigureQuery, now: Timestamp) -> Result<Vec<FigureRow>, NoFigures> {
        let cover = self.cover(query).await?;
        self.figures_from(query, cover, now).await
    }

    /// The same from rows alone.
    #[cfg(test)]
    pub(super) async fn figures_of_rows(&self, query: &FigureQuery, now: Timestamp) -> Result<Vec<FigureRow>, NoFigures> {
        self.figures_from(query, Cover::none(query), now).await
    }

    async fn figures_from(&self, query: &FigureQuery, cover: Cover, now: Timestamp) -> Result<Vec<FigureRow>, NoFigures> {
        let mut cells = Cells { query, step_us: query.step_us(), cells: BTreeMap::new() };
        for (from_us, name, tally) in cover.tallies {
            let name = if query.by == By::All { String::new() } else { name };
            cells.cell(cells.begin(Timestamp(from_us)), name)?.merge(&tally);
        }
        for gap in cover.gaps {
            self.count(&mut cells, gap, now).await?;
        }
        let counted: Vec<_> = cells.cells.iter().filter(|(_, tally)| !tally.is_empty()).collect();
        let row = |((begin, name), tally): (&(i64, String), &Tally)| FigureRow {
            from_at: Timestamp(*begin),
            to_at: Timestamp(cells.end(*begin)),
            name: name.clone(),
            tally: tally.clone(),
        };
        Ok(counted.into_iter().map(row).collect())
    }

    /// Counts rows of a part of a query's time.
    async fn count(&self, cells: &mut Cells<'_>, part: (Timestamp, Timestamp), now: Timestamp) -> Result<(), NoFigures> {
        let query = FigureQuery { from_at: part.0, to_at: part.1, ..cells.query.clone() };
        let mut after = None;
        loop {
            let page = self.waits(&query, after.as_ref(), PAGE).await?;
            page.iter().try_for_each(|wait| cells.wait(wait))?;
            let full = page.len() == PAGE as usize;
            after = page.into_iter().next_back();
            if !full {
                break;
            }
        }
        let queue = query.queue.as_ref().map_or("", QueueName::as_str);
        let agent = query.agent.as_ref().map_or("", AgentName::as_str);
        for row in self.db.fetch(TRANSFERS, &args![query.from_at, query.to_at, queue, agent]).await? {
            let begin = cells.begin(row.at("from_us")?);
            if let Some(name) = cells.name(row.get("queue")?, row.get("agent")?) {
                cells.cell(begin, name)?.transferred += 1;
            }
        }
        if query.queue.is_some() || query.by == By::Queue {
            return Ok(());
        }
        self.count_agents(cells, &query, now).await
    }

    /// What agents did, whichever queue it was for.
    async fn count_agents(&self, cells: &mut Cells<'_>, query: &FigureQuery, now: Timestamp) -> Result<(), NoFigures> {
        let (part, agent) = ((query.from_at, query.to_at), query.agent.as_ref().map_or("", AgentName::as_str));
        let mut spells = self.spells_going_on(query.from_at, agent).await?;
        loop {
            spells.iter().try_for_each(|spell| cells.spell(spell, part, now))?;
            // Those that go on come first, and are no cursor for those that begin.
            let last = spells.pop().filter(|spell| spell.from_at >= query.from_at);
            spells = self.spells(query, agent, last.as_ref()).await?;
            if spells.is_empty() {
                break;
            }
        }
        let mut ended = self.offers_ended(query, agent, None).await?;
        loop {
            let full = ended.len() == PAGE as usize;
            let last = ended.last().map(|offer| (offer.at, offer.offer.clone()));
            for EndedOffer { agent, outcome, at, .. } in ended {
                let Some(name) = cells.name(None, Some(agent.as_str())) else { continue };
                cells.cell(cells.begin(at), name)?.offer(outcome);
            }
            if !full {
                return Ok(());
            }
            ended = self.offers_ended(query, agent, last).await?;
        }
    }

    /// A page of offers that ended in the time of a query, after one of them.
    pub(super) async fn offers_ended(
        &self,
        query: &FigureQuery,
        agent: &str,
        after: Option<(Timestamp, String)>,
    ) -> Result<Vec<EndedOffer>, StoreError> {
        let (at, offer) = after.unwrap_or((Timestamp(i64::MIN), String::new()));
        let rows = self.db.fetch(OFFERS_ENDED, &args![query.from_at.max(at), query.to_at, agent, at, offer, PAGE]).await?;
        let ended = |row: &super::db::Row| {
            Ok(EndedOffer {
                offer: row.get("offer_id")?,
                agent: AgentName::from(row.get::<&str>("agent")?),
                outcome: outcome(row.get("outcome")?),
                at: row.at("ended_us")?,
            })
        };
        rows.iter().map(ended).collect()
    }
}

/// An offer that ended.
pub(super) struct EndedOffer {
    pub(super) offer: String,
    pub(super) agent: AgentName,
    pub(super) outcome: OfferOutcome,
    pub(super) at: Timestamp,
}

/// The causes do not matter for figures.
fn outcome(word: Option<&str>) -> OfferOutcome {
    match word {
        Some("accepted") => OfferOutcome::Accepted,
        Some("declined") => OfferOutcome::Declined(Cause::Rejected),
        Some("expired") => OfferOutcome::Expired,
        _ => OfferOutcome::Withdrawn,
    }
}
