//! Roll-ups: what figures count in stretches of time in which nothing changes any more.
//!
//! They are projections of projections: made of `waits`, `agent_spells`, `offers` and transfers, equal to what these rows
//! count, and dropped in the transaction of whatever changes these rows after all. So they may be thrown away at any time.
//!
//! A stretch is made in three steps. Its mark comes first, while no writer is at work; then rows are read, while they are;
//! and what was counted is kept only if nobody dropped the mark meanwhile.

use std::collections::BTreeSet;

use tandem_switch::{
    kpi::{Rollup, Tally},
    name::{AgentName, QueueName},
    time::Timestamp,
};

use super::{
    Store, StoreError,
    counting::{By, FigureQuery},
    db::{Insert, Rows, Tx, args, json},
    figures::{PAGE, TRANSFERS},
    sql::{self, statements},
};

/// Lengths of stretches, in seconds: a day (UTC), an hour, a quarter of an hour. Each is so many of the next.
pub(super) const SPANS_S: [i64; 3] = [86_400, 3_600, 900];
/// What happened so long ago is in the tables, unless the database is away: then it drops what was made without it.
const SETTLING_US: i64 = 60_000_000;
/// Parts of a query without roll-ups, and runs of roll-ups, that are read one by one. With more, all is read at once.
const MOST_PARTS: usize = 128;
/// Stretches that are made in one go, so that others get their turn.
const MOST_AT_ONCE: u64 = 200;
/// Shorter stretches than a day are kept so long.
const KEPT_US: i64 = 62 * 86_400_000_000;

statements! {
    /// Whatever happens at an instant changes the stretch around it, and later ones: agents go on in what they do.
    UNSEAL_SINCE = "DELETE FROM figure_rollups WHERE to_us > $1";
    /// The stretches around an instant.
    UNSEAL_AT = "DELETE FROM figure_rollups WHERE to_us > $1 AND from_us <= $1";
    MARKS = "SELECT from_us FROM figure_rollups WHERE span_s = $1 AND kind = 'all' AND from_us >= $2 AND from_us < $3 \
        AND body <> '' ORDER BY from_us";
    ROLLUPS = "SELECT from_us, name, body FROM figure_rollups WHERE span_s = $1 AND kind = $2 AND ($3 = '' OR name = $3) \
        AND from_us >= $4 AND from_us < $5 AND body <> '' ORDER BY from_us, name";
    ROLLED_UP = "SELECT span_s, kind, from_us, name, to_us, body FROM figure_rollups WHERE body <> '' \
        AND (span_s, from_us, kind, name) > ($1, $2, $3, $4) ORDER BY span_s, from_us, kind, name LIMIT $5";
    DROP_STRETCH = "DELETE FROM figure_rollups WHERE span_s = $1 AND from_us = $2";
    IS_MARKED = "SELECT 1 FROM figure_rollups WHERE span_s = $1 AND kind = 'all' AND from_us = $2 AND body = ''";
    FORGET_SHORT = "DELETE FROM figure_rollups WHERE to_us < $1 AND span_s < 86400 AND EXISTS (SELECT 1 FROM figure_rollups AS day \
        WHERE day.span_s = 86400 AND day.kind = 'all' AND day.from_us <= figure_rollups.from_us AND day.to_us >= figure_rollups.to_us)";
    UNSETTLED = "SELECT 1 FROM waits WHERE entered_us >= $1 AND entered_us < $2 AND (ended_us IS NULL \
        OR (ended_how = 'answered' AND finished_us IS NULL) OR EXISTS (SELECT 1 FROM agent_spells \
        WHERE agent_spells.item_id = waits.item_id AND activity = 'wrap-up' AND to_us IS NULL)) LIMIT 1";
    FIRST_FIGURE = "SELECT MIN(first_us) AS first_us FROM (SELECT MIN(entered_us) AS first_us FROM waits \
        UNION ALL SELECT MIN(from_us) FROM agent_spells UNION ALL SELECT MIN(ended_us) FROM offers) AS firsts";
}

/// Rows of a stretch.
pub(super) static INSERT_ROLLUP: Insert =
    Insert::new("INSERT INTO figure_rollups (span_s, kind, from_us, name, to_us, body)", 6, "");

/// How the time of a query is told: by tallies of whole stretches, and by the rows of what is left.
#[derive(Debug)]
pub(super) struct Cover {
    /// Begin of a stretch, name, and what was counted.
    pub(super) tallies: Vec<(i64, String, Tally)>,
    /// Parts of which rows are to be read.
    pub(super) gaps: Vec<(Timestamp, Timestamp)>,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stretch {
    pub(super) span_s: i64,
    pub(super) from_us: i64,
}

impl Stretch {
    /// That of a length which an instant lies in.
    pub(super) const fn around(span_s: i64, at: Timestamp) -> Self {
        let span = span_s * 1_000_000;
        Self { span_s, from_us: at.0.div_euclid(span) * span }
    }

    pub(super) const fn to_us(self) -> i64 {
        self.from_us.saturating_add(self.span_s * 1_000_000)
    }

    pub(super) const fn bounds(self) -> (Timestamp, Timestamp) {
        (Timestamp(self.from_us), Timestamp(self.to_us()))
    }

    const fn next(self) -> Self {
        Self { span_s: self.span_s, from_us: self.to_us() }
    }

    /// The stretches of the next shorter length in it.
    fn parts(self) -> Option<impl Iterator<Item = Self>> {
        let shorter = *SPANS_S.iter().find(|span| **span < self.span_s)?;
        let first = Self { span_s: shorter, from_us: self.from_us };
        Some(std::iter::successors(Some(first), |part| Some(part.next())).take_while(move |part| part.from_us < self.to_us()))
    }
}

impl Cover {
    /// All of it from rows.
    pub(super) fn none(query: &FigureQuery) -> Self {
        Self { tallies: Vec::new(), gaps: vec![(query.from_at, query.to_at)] }
    }
}

/// Which roll-ups a query is told from, and of whom; `None`: none says that.
fn kind(query: &FigureQuery) -> Option<(&'static str, &str)> {
    let (queue, agent) = (query.queue.as_ref().map(QueueName::as_str), query.agent.as_ref().map(AgentName::as_str));
    match (query.by, queue, agent) {
        (By::All, None, None) => Some(("all", "")),
        (By::All | By::Queue, Some(queue), None) => Some(("queue", queue)),
        (By::All | By::Agent, None, Some(agent)) => Some(("agent", agent)),
        (By::Queue, None, None) => Some(("queue", "")),
        (By::Agent, None, None) => Some(("agent", "")),
        _ => None,
    }
}

/// What of these parts lies in whole stretches of a length: from the begin of the first to the end of the last.
fn whole(parts: &[(i64, i64)], span: i64) -> Vec<(i64, i64)> {
    let inner = |(from, to): &(i64, i64)| (from.saturating_add(span - 1).div_euclid(span) * span, to.div_euclid(span) * span);
    parts.iter().map(inner).filter(|(from, to)| from < to).collect()
}

/// Takes marked stretches out of parts: what is used, and what is left.
fn taken_out(parts: Vec<(i64, i64)>, marks: &BTreeSet<i64>, span: i64) -> (Vec<i64>, Vec<(i64, i64)>) {
    let (mut used, mut left) = (Vec::new(), Vec::new());
    for (from, to) in parts {
        let mut begin = from;
        for mark in marks.range(from..to).filter(|mark| **mark + span <= to) {
            if begin < *mark {
                left.push((begin, *mark));
            }
            used.push(*mark);
            begin = mark + span;
        }
        if begin < to {
            left.push((begin, to));
        }
    }
    (used, left)
}

/// Puts together what touches.
fn joined(parts: impl IntoIterator<Item = (i64, i64)>) -> Vec<(i64, i64)> {
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (from, to) in parts {
        match joined.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// Few parts as they are, many as one that holds them all.
fn few(parts: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    match (parts.first(), parts.last()) {
        (Some(first), Some(last)) if parts.len() > MOST_PARTS => vec![(first.0, last.1)],
        _ => parts,
    }
}

impl Store {
    /// How the time of a query is told best.
    pub(super) async fn cover(&self, query: &FigureQuery) -> Result<Cover, StoreError> {
        let (step, (from, to)) = (query.step_us(), (query.from_at.0, query.to_at.0));
        let steps = to.saturating_sub(from).div_euclid(step);
        let Some((kind, name)) = kind(query).filter(|_| step >= SPANS_S[2] * 1_000_000 && steps < 100_000) else {
            return Ok(Cover::none(query));
        };
        let begins = std::iter::successors(Some(from), |begin| begin.checked_add(step)).take_while(|begin| *begin < to);
        let mut parts: Vec<(i64, i64)> = begins.map(|begin| (begin, begin.saturating_add(step).min(to))).collect();
        let mut tx = self.db.snapshot().await?;
        let mut used = Vec::new();
        for span_s in SPANS_S {
            let span = span_s * 1_000_000;
            let mut marks = BTreeSet::new();
            for (from, to) in few(joined(whole(&parts, span))) {
                for row in tx.fetch(MARKS, &args![span_s, from, to]).await? {
                    marks.insert(row.get::<i64>("from_us")?);
                }
            }
            let (taken, left) = taken_out(parts, &marks, span);
            used.push((span_s, taken));
            parts = left;
        }
        let gaps = joined(parts);
        if gaps.len() > MOST_PARTS {
            return Ok(Cover::none(query));
        }
        let mut tallies = Vec::new();
        for (span_s, taken) in used {
            let span = span_s * 1_000_000;
            let runs = few(joined(taken.iter().map(|begin| (*begin, begin + span))));
            let taken: BTreeSet<i64> = taken.into_iter().collect();
            for (from, to) in runs {
                for row in tx.fetch(ROLLUPS, &args![span_s, kind, name, from, to]).await? {
                    let begin = row.get("from_us")?;
                    if taken.contains(&begin) {
                        tallies.push((begin, row.get("name")?, row.json("body")?));
                    }
                }
            }
        }
        Ok(Cover { tallies, gaps: gaps.into_iter().map(|(from, to)| (Timestamp(from), Timestamp(to))).collect() })
    }

    /// Makes roll-ups of what is settled at `now`: how many stretches, and none when there is nothing more to do. Stops after
    /// some, so that it can be asked again at once.
    pub async fn seal_figures(&self, now: Timestamp) -> Result<u64, StoreError> {
        let first = self.db.fetch_one(FIRST_FIGURE, &[]).await?.map_or(Ok(None), |row| row.maybe_at("first_us"))?;
        let Some(first) = first else { return Ok(0) };
        let (day_s, until_us) = (SPANS_S[0], now.0.saturating_sub(SETTLING_US));
        self.db.execute(FORGET_SHORT, &args![now.0.saturating_sub(KEPT_US)]).await?;
        let days = Stretch::around(day_s, first);
        let marks = self.marks(days.span_s, (days.from_us, until_us)).await?;
        let mut made = 0;
        let mut day = days;
        while day.from_us < until_us && made < MOST_AT_ONCE {
            if !marks.contains(&day.from_us) {
                Box::pin(self.seal(day, until_us, &mut made)).await?;
            }
            day = day.next();
        }
        Ok(made)
    }

    async fn marks(&self, span_s: i64, (from, to): (i64, i64)) -> Result<BTreeSet<i64>, StoreError> {
        let rows = self.db.fetch(MARKS, &args![span_s, from, to]).await?;
        rows.iter().map(|row| row.get("from_us")).collect()
    }

    /// Makes what can be made of a stretch: its parts first, and when it has all of them, itself. Whether it is there now.
    async fn seal(&self, stretch: Stretch, until_us: i64, made: &mut u64) -> Result<bool, StoreError> {
        if stretch.from_us >= until_us || *made >= MOST_AT_ONCE {
            return Ok(false);
        }
        let Some(parts) = stretch.parts() else {
            return Ok(stretch.to_us() <= until_us && self.seal_rows(stretch, made).await?);
        };
        let mut all = true;
        let parts: Vec<Stretch> = parts.collect();
        let marks = self.marks(parts[0].span_s, (stretch.from_us, stretch.to_us())).await?;
        for &part in &parts {
            all &= marks.contains(&part.from_us) || Box::pin(self.seal(part, until_us, made)).await?;
        }
        if !all {
            return Ok(false);
        }
        self.mark(stretch).await?;
        // A part that was dropped before the mark is missed here; one that is dropped after it takes the mark along.
        if self.marks(parts[0].span_s, (stretch.from_us, stretch.to_us())).await?.len() != parts.len() {
            self.db.execute(DROP_STRETCH, &args![stretch.span_s, stretch.from_us]).await?;
            return Ok(false);
        }
        let rollup = self.merged(stretch).await?;
        *made += 1;
        self.keep(stretch, &rollup).await
    }

    /// Makes a stretch of rows, if these are settled.
    async fn seal_rows(&self, stretch: Stretch, made: &mut u64) -> Result<bool, StoreError> {
        // Looked at first, so that one that waits long costs no writes.
        if self.is_unsettled(stretch).await? {
            return Ok(false);
        }
        self.mark(stretch).await?;
        if self.is_unsettled(stretch).await? {
            self.db.execute(DROP_STRETCH, &args![stretch.span_s, stretch.from_us]).await?;
            return Ok(false);
        }
        let rollup = self.rolled_up(stretch).await?;
        *made += 1;
        self.keep(stretch, &rollup).await
    }

    async fn is_unsettled(&self, stretch: Stretch) -> Result<bool, StoreError> {
        Ok(self.db.fetch_one(UNSETTLED, &args![stretch.from_us, stretch.to_us()]).await?.is_some())
    }

    /// Rows of a stretch, counted.
    async fn rolled_up(&self, stretch: Stretch) -> Result<Rollup, StoreError> {
        let (within, mut rollup) = (stretch.bounds(), Rollup::default());
        let query = FigureQuery { from_at: within.0, to_at: within.1, queue: None, agent: None, by: By::All, interval_s: None };
        let mut after = None;
        loop {
            let page = self.waits(&query, after.as_ref(), PAGE).await?;
            page.iter().for_each(|wait| rollup.wait(wait));
            after = page.into_iter().next_back();
            if after.is_none() {
                break;
            }
        }
        self.spells_going_on(within.0, "").await?.iter().for_each(|spell| rollup.spell(spell, within));
        let mut after = None;
        loop {
            let page = self.spells(&query, "", after.as_ref()).await?;
            page.iter().for_each(|spell| rollup.spell(spell, within));
            after = page.into_iter().next_back();
            if after.is_none() {
                break;
            }
        }
        let mut after = None;
        loop {
            let page = self.offers_ended(&query, "", after).await?;
            page.iter().for_each(|offer| rollup.offer(&offer.agent, offer.outcome));
            after = page.last().map(|offer| (offer.at, offer.offer.clone()));
            if after.is_none() {
                break;
            }
        }
        for row in self.db.fetch(TRANSFERS, &args![query.from_at, query.to_at, "", ""]).await? {
            let agent = row.get::<Option<&str>>("agent")?.map(AgentName::from);
            rollup.transfer(&QueueName::from(row.get::<&str>("queue")?), agent.as_ref());
        }
        Ok(rollup.tidy())
    }

    /// The roll-ups of the parts of a stretch, put together.
    async fn merged(&self, stretch: Stretch) -> Result<Rollup, StoreError> {
        let mut rollup = Rollup::default();
        let span_s = stretch.parts().and_then(|mut parts| parts.next()).map_or(0, |part| part.span_s);
        for kind in ["all", "queue", "agent"] {
            for row in self.db.fetch(ROLLUPS, &args![span_s, kind, "", stretch.from_us, stretch.to_us()]).await? {
                let tally: Tally = row.json("body")?;
                let name: &str = row.get("name")?;
                match kind {
                    "queue" => rollup.queues.entry(QueueName::from(name)).or_default().merge(&tally),
                    "agent" => rollup.agents.entry(AgentName::from(name)).or_default().merge(&tally),
                    _ => rollup.all.merge(&tally),
                }
            }
        }
        Ok(rollup)
    }

    /// Says that a stretch is being made, while no writer is at work.
    async fn mark(&self, stretch: Stretch) -> Result<(), StoreError> {
        let mut tx = self.turn().await?;
        tx.execute(DROP_STRETCH, &args![stretch.span_s, stretch.from_us]).await?;
        let mut rows = Rows::new(&INSERT_ROLLUP);
        rows.push(args![stretch.span_s, "all", stretch.from_us, "", stretch.to_us(), ""]);
        tx.insert(&rows).await?;
        tx.commit().await
    }

    /// Keeps what was counted, if nothing changed it since the mark.
    async fn keep(&self, stretch: Stretch, rollup: &Rollup) -> Result<bool, StoreError> {
        let mut tx = self.turn().await?;
        let key = args![stretch.span_s, stretch.from_us];
        if tx.fetch(IS_MARKED, &key).await?.is_empty() {
            return Ok(false);
        }
        tx.execute(DROP_STRETCH, &key).await?;
        let mut rows = Rows::new(&INSERT_ROLLUP);
        let mut row = |kind: &'static str, name: &str, tally: &Tally| {
            rows.push(args![stretch.span_s, kind, stretch.from_us, name, stretch.to_us(), json(tally)]);
        };
        row("all", "", &rollup.all);
        rollup.queues.iter().for_each(|(queue, tally)| row("queue", queue.as_str(), tally));
        rollup.agents.iter().for_each(|(agent, tally)| row("agent", agent.as_str(), tally));
        tx.insert(&rows).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// A transaction that waits for its turn among the writers, as each of them does.
    async fn turn(&self) -> Result<Tx, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.fetch(sql::RAISE_HEAD, &args![0u64]).await?;
        Ok(tx)
    }
}
