//! What a board shows, what changed in it, and what a console that was away has missed. No clock, no sockets.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::Serialize;
use tandem_switch::{
    floor::{AgentView, QueueView},
    kpi::{Activity, KPIS, Tally, Terms},
    time::Timestamp,
};
use utoipa::ToSchema;

use crate::http::view::At;

/// Updates that are kept for those who come back.
const KEPT: usize = 512;

/// A queue on the board.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct QueueTile {
    /// Its name.
    queue: String,
    /// Callers who wait.
    waiting: u32,
    /// Who is to be called back.
    callbacks: u32,
    /// In conversation.
    talking: u32,
    /// The caller who waits longest does so since then; null when nobody waits.
    waiting_since: Option<At>,
    /// Its agents by what they do: `ready`, `reserved`, `engaged`, `direct`, `wrap-up`, `not-ready`, `offline`.
    agents: BTreeMap<&'static str, u32>,
    /// What it achieved today.
    today: Today,
}

/// What a queue achieved since midnight in the zone of the plan: the figures of `/api/v1/kpis`, default variants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct Today {
    /// Service level, 0 to 1; null while there is nobody it could be told of.
    service_level: Option<f64>,
    /// Of how many it is told.
    service_level_n: u64,
    /// Wanted answer time that it is counted with, in seconds.
    target_s: u32,
    /// Offered while on the line.
    offered: u64,
    /// Answered.
    answered: u64,
    /// Gone without an answer.
    abandoned: u64,
    /// Average wait of those who were answered, in ms.
    asa_ms: Option<f64>,
}

impl Today {
    /// Worked out from the counts of a queue.
    pub(super) fn new(tally: &Tally, answer_target_ms: u64) -> Self {
        let standard = Terms::default();
        let target_s = u32::try_from(answer_target_ms / 1_000).unwrap_or(Terms::MOST_S).clamp(1, Terms::MOST_S);
        let terms = Terms { target_s, ..standard };
        let reading =
            |name: &str| KPIS.iter().find(|kpi| kpi.name == name && kpi.variant == "default").map(|kpi| kpi.of(tally, terms));
        let count = |name: &str| reading(name).map_or(0, |reading| reading.n);
        let level = reading("service-level");
        Self {
            service_level: level.and_then(|level| level.value),
            service_level_n: level.map_or(0, |level| level.n),
            target_s,
            offered: count("offered"),
            answered: count("answered"),
            abandoned: count("abandoned"),
            asa_ms: reading("asa").and_then(|asa| asa.value),
        }
    }
}

/// The tiles of a floor.
pub(super) fn tiles(
    (queues, agents): (&[QueueView], &[AgentView]),
    today: &BTreeMap<String, Tally>,
    now: Timestamp,
) -> BTreeMap<String, QueueTile> {
    let mut doing: BTreeMap<&str, BTreeMap<&'static str, u32>> = BTreeMap::new();
    for agent in agents {
        for queue in &agent.queues {
            *doing.entry(queue.as_str()).or_default().entry(Activity::of(&agent.state).as_str()).or_default() += 1;
        }
    }
    let none = Tally::default();
    let tile = |queue: &QueueView| {
        let name = queue.queue.to_string();
        let since =
            Timestamp(now.0.saturating_sub(i64::try_from(queue.longest_wait_ms).unwrap_or(i64::MAX).saturating_mul(1_000)));
        let tile = QueueTile {
            waiting: queue.waiting,
            callbacks: queue.callbacks,
            talking: queue.engaged,
            waiting_since: (queue.waiting > 0).then_some(At(since)),
            agents: doing.remove(name.as_str()).unwrap_or_default(),
            today: Today::new(today.get(&name).unwrap_or(&none), queue.answer_target_ms),
            queue: name.clone(),
        };
        (name, tile)
    };
    queues.iter().map(tile).collect()
}

/// One message of the board: the queues that changed since the number before; or, to begin anew with, all of them.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(in crate::http) struct BoardMessage {
    /// Its number; give the last one as `after` to go on later.
    pub(super) seq: i64,
    /// When.
    at: At,
    /// Forget what was sent before: these are all queues there are.
    anew: bool,
    /// Queues as they are now.
    queues: Vec<QueueTile>,
    /// Queues that are no more.
    gone: Vec<String>,
}

/// A message, as it is sent to everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Update {
    pub(super) seq: i64,
    pub(super) text: Arc<str>,
}

impl Update {
    fn new(message: &BoardMessage) -> Arc<Self> {
        let text = serde_json::to_string(message).expect("our own types have string keys");
        Arc::new(Self { seq: message.seq, text: text.into() })
    }
}

/// The board and its last updates.
#[derive(Debug)]
pub(super) struct Log {
    tiles: BTreeMap<String, QueueTile>,
    seq: i64,
    at: Timestamp,
    kept: VecDeque<Arc<Update>>,
}

impl Log {
    /// An empty board. Numbers of an earlier process are below those of this one: they begin with the µs of its start.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { tiles: BTreeMap::new(), seq: now.0, at: now, kept: VecDeque::new() }
    }

    /// The board is so now: what changed, if anything did.
    pub(super) fn change(&mut self, tiles: BTreeMap<String, QueueTile>, now: Timestamp) -> Option<Arc<Update>> {
        let queues: Vec<QueueTile> = tiles
            .iter()
            .filter(|(name, tile)| self.tiles.get(*name).is_none_or(|old| differs(old, tile)))
            .map(|(_, tile)| tile.clone())
            .collect();
        let gone: Vec<String> = self.tiles.keys().filter(|name| !tiles.contains_key(*name)).cloned().collect();
        if queues.is_empty() && gone.is_empty() {
            return None;
        }
        for tile in &queues {
            self.tiles.insert(tile.queue.clone(), tile.clone());
        }
        self.tiles.retain(|name, _| tiles.contains_key(name));
        (self.seq, self.at) = (self.seq + 1, now);
        let update = Update::new(&BoardMessage { seq: self.seq, at: At(now), anew: false, queues, gone });
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Arc::clone(&update));
        Some(update)
    }

    /// What a console is sent first that has seen all up to a number: what it missed, or the whole board.
    pub(super) fn missed(&self, after: Option<i64>) -> Vec<Arc<Update>> {
        let oldest = self.kept.front().map_or(self.seq, |update| update.seq - 1);
        match after {
            Some(after) if (oldest..=self.seq).contains(&after) => {
                self.kept.iter().filter(|update| update.seq > after).cloned().collect()
            }
            _ => vec![self.whole()],
        }
    }

    /// The whole board as it was told last.
    pub(super) fn whole(&self) -> Arc<Update> {
        let queues = self.tiles.values().cloned().collect();
        Update::new(&BoardMessage { seq: self.seq, at: At(self.at), anew: true, queues, gone: Vec::new() })
    }
}

/// The begin of a wait is told in ms and worked out anew each time: less than that is no change.
fn differs(old: &QueueTile, new: &QueueTile) -> bool {
    let close = match (old.waiting_since, new.waiting_since) {
        (Some(old), Some(new)) => (old.0.0 - new.0.0).abs() < 2_000,
        (old, new) => old == new,
    };
    !close || QueueTile { waiting_since: None, ..old.clone() } != QueueTile { waiting_since: None, ..new.clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use serde_json::Value;

    use super::*;

    fn queue(name: &str, waiting: u32, longest_wait_ms: u64) -> QueueView {
        QueueView {
            queue: name.into(),
            in_plan: true,
            waiting,
            callbacks: 0,
            offered: 0,
            expected_back: 0,
            engaged: 0,
            longest_wait_ms,
            estimated_wait_ms: None,
            handling_ms: None,
            answer_target_ms: 20_000,
            agents: 0,
            agents_signed_in: 0,
            agents_free: 0,
        }
    }

    fn board(queues: &[QueueView], at_ms: i64) -> BTreeMap<String, QueueTile> {
        tiles((queues, &[]), &BTreeMap::new(), Timestamp::from_ms(at_ms))
    }

    /// A console that applies what it is sent.
    #[derive(Default)]
    struct Console {
        seq: Option<i64>,
        waiting: BTreeMap<String, u64>,
    }

    impl Console {
        fn take(&mut self, updates: &[Arc<Update>]) {
            for update in updates {
                let message: Value = serde_json::from_str(&update.text).unwrap();
                let seq = message["seq"].as_i64().unwrap();
                if message["anew"] == true {
                    self.waiting.clear();
                } else {
                    assert_eq!(self.seq.map(|last| last + 1), Some(seq), "in order, none twice, none missing");
                }
                self.seq = Some(seq);
                for tile in message["queues"].as_array().unwrap() {
                    self.waiting.insert(tile["queue"].as_str().unwrap().to_owned(), tile["waiting"].as_u64().unwrap());
                }
                for gone in message["gone"].as_array().unwrap() {
                    self.waiting.remove(gone.as_str().unwrap()).unwrap();
                }
            }
        }
    }

    #[test]
    fn who_comes_back_gets_what_it_missed_and_nothing_else() {
        let mut log = Log::new(Timestamp::from_ms(1_000));
        let mut away = Console::default();
        away.take(&log.missed(None));
        for n in 0..300u32 {
            let names: Vec<QueueView> = (0..n % 4).map(|name| queue(&format!("q{name}"), n, 5)).collect();
            log.change(board(&names, i64::from(n)), Timestamp::from_ms(i64::from(n)));
            if n % 7 == 0 {
                let missed = log.missed(away.seq);
                assert!(missed.iter().all(|update| !update.text.contains("\"anew\":true")), "nothing is begun anew");
                away.take(&missed);
                let mut fresh = Console::default();
                fresh.take(&log.missed(None));
                assert_eq!((away.seq, &away.waiting), (fresh.seq, &fresh.waiting));
            }
        }
    }

    #[test]
    fn who_was_away_too_long_or_knew_another_process_begins_anew() {
        let mut log = Log::new(Timestamp::from_ms(1_000));
        let first = log.missed(None)[0].seq;
        for n in 0..u32::try_from(KEPT).unwrap() + 1 {
            log.change(board(&[queue("q", n + 1, 5)], 0), Timestamp::from_ms(2_000));
        }
        for after in [first, first - 7, 0, i64::MAX] {
            let missed = log.missed(Some(after));
            assert!(missed.len() == 1 && missed[0].text.contains("\"anew\":true"), "{after}");
        }
        assert_eq!(log.missed(Some(first + 1)).len(), KEPT);
        assert!(log.missed(Some(log.seq)).is_empty());
    }

    #[test]
    fn a_wait_that_only_goes_on_is_no_change() {
        let mut log = Log::new(Timestamp::from_ms(1_000));
        assert!(log.change(board(&[queue("q", 1, 500)], 10_000), Timestamp::from_ms(10_000)).is_some());
        assert!(log.change(board(&[queue("q", 1, 1_500)], 11_001), Timestamp::from_ms(11_001)).is_none());
        assert!(log.change(board(&[queue("q", 1, 200)], 11_200), Timestamp::from_ms(11_200)).is_some(), "another one is first");
    }
}
