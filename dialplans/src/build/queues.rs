//! Queues, and what happens to whoever cannot wait there.

use std::collections::BTreeMap;

use tandem_switch::{
    callback::Tries,
    floor::{QueueProfile, Relaxation, WorkRules},
    name::{PromptName, QueueName, SkillName, TrunkName},
};

use super::{Builder, tops};
use crate::{
    callbacks::{KEPT_PROMPT, OFFER_PROMPT, TRIES},
    diagnostic::Findings,
    inside::{Queue, QueueCallback},
    plan::{BlockId, Ending, Handlers},
    read::Item,
    source::Location,
};

/// Queues of which one answers for the other, one inside of the other, at most.
const MAX_CHAIN: usize = 8;

/// What queues say of the ends of a wait, for the steps that do not say it themselves.
///
/// An answer may join another queue, whose own answers then stand behind its step. So they are built when they are
/// asked for, each once; one that is asked for while it is being built leads back to itself.
#[derive(Default)]
pub(super) struct QueueAnswers<'a> {
    /// As they stand in the text: the steps of each ending.
    written: BTreeMap<&'a str, BTreeMap<Ending, &'a Item>>,
    built: BTreeMap<(&'a str, Ending), BlockId>,
    /// Those that are being built, the outermost first.
    open: Vec<(&'a str, Ending)>,
    /// Those that steps asked for themselves, in their order.
    asked: Vec<(&'a str, Ending)>,
}

impl<'a> QueueAnswers<'a> {
    pub(super) fn of(items: &'a [Item]) -> Self {
        let mut written: BTreeMap<&str, BTreeMap<Ending, &Item>> = BTreeMap::new();
        for item in tops(items, "queue") {
            let Some(name) = item.text() else { continue };
            for child in &item.children {
                if let Some(ending) = Ending::from_word(child.spec.name) {
                    written.entry(name).or_default().entry(ending).or_insert(child);
                }
            }
        }
        Self { written, ..Self::default() }
    }
}

impl<'a> Builder<'a> {
    /// Those that steps asked for since this was last called: what is built, and in which order, hangs on nothing else.
    pub(super) fn asked_answers(&mut self) -> Vec<(&'a str, Ending)> {
        std::mem::take(&mut self.answers.asked)
    }
}

impl Builder<'_> {
    pub(super) fn queues(&mut self, items: &[Item]) -> BTreeMap<QueueName, Queue> {
        let mut queues = BTreeMap::new();
        for item in tops(items, "queue") {
            let Some(name) = item.text() else { continue };
            queues.entry(QueueName::from(name)).or_insert(queue(name, item));
        }
        queues
    }

    /// Those that are built, for the building of some routes again.
    pub(super) fn built_answers(&self) -> Vec<(String, Ending, BlockId)> {
        self.answers.built.iter().map(|((queue, ending), block)| ((*queue).to_owned(), *ending, *block)).collect()
    }

    /// Takes these as built.
    pub(super) fn know_answers(&mut self, built: &[(String, Ending, BlockId)]) {
        for (queue, ending, block) in built {
            if let Some((queue, _)) = self.answers.written.get_key_value(queue.as_str()) {
                self.answers.built.insert((queue, *ending), *block);
            }
        }
    }

    /// Where a step says nothing of an ending, its queue does, if it has an answer.
    pub(super) fn queue_answers(&mut self, queue: &str, handlers: &mut Handlers, at: Location) {
        for ending in [Ending::NoAgents, Ending::TimedOut, Ending::Full, Ending::Error] {
            if !handlers.is_own(ending)
                && let Some(block) = self.queue_answer(queue, ending, at)
            {
                handlers.set_of_queue(ending, block);
            }
        }
    }

    fn queue_answer(&mut self, queue: &str, ending: Ending, at: Location) -> Option<BlockId> {
        let (&queue, answers) = self.answers.written.get_key_value(queue)?;
        let (key, item) = ((queue, ending), *answers.get(&ending)?);
        if self.answers.open.is_empty() {
            self.answers.asked.push(key);
        }
        if let Some(block) = self.answers.built.get(&key) {
            return Some(*block);
        }
        let open = &self.answers.open;
        if let Some(first) = open.iter().position(|known| *known == key) {
            let chain: Vec<_> = open[first..].iter().chain([&key]).map(|(queue, ending)| way(queue, *ending)).collect();
            round_and_round(self.findings, at, &chain);
            return None;
        }
        if open.len() >= MAX_CHAIN {
            let message = format!("queues answer for each other more than {MAX_CHAIN} deep: let one of them `goto` a route");
            self.findings.error("too-deep", at, message);
            return None;
        }
        self.answers.open.push(key);
        // Whichever route wants it first: it is everybody's.
        let part = std::mem::take(&mut self.part);
        let block = self.block(&item.children);
        self.part = part;
        self.answers.open.pop();
        self.answers.built.insert(key, block);
        Some(block)
    }
}

fn way(queue: &str, ending: Ending) -> String {
    format!("`{}` of `{queue}`", ending.word())
}

fn round_and_round(findings: &mut Findings, at: Location, chain: &[String]) {
    let message = format!("this queue's answers lead back to themselves: {}", chain.join(" → "));
    let suggestion = "answer it at this step, or `goto` a route that makes the caller wait";
    findings.error_with("endless-loop", at, message, Some(suggestion.into()));
}

fn queue(name: &str, item: &Item) -> Queue {
    let ms = |child| item.child(child).and_then(Item::ms);
    let count = |child| item.child(child).and_then(Item::count);
    let prompt = |child| item.child(child).and_then(Item::text).map(PromptName::from);
    let relax = item.named("relax").filter_map(|relax| {
        let to_level = u8::try_from(relax.prop_count("to-level").unwrap_or(0)).unwrap_or(0);
        Some(Relaxation { after_ms: relax.prop_ms("after")?, skill: SkillName::from(relax.prop_text("skill")?), to_level })
    });
    let overflow =
        item.named("overflow").filter_map(|rung| Some((rung.prop_ms("after")?, QueueName::from(rung.prop_text("to")?))));
    Queue {
        profile: QueueProfile {
            queue: name.into(),
            answer_target_ms: ms("answer-target").unwrap_or(20_000),
            ring_ms: ms("ring").unwrap_or(15_000),
            wrap_up_ms: ms("wrap-up").unwrap_or(0),
            relax: relax.collect(),
            max_waiting: count("max-waiting").unwrap_or(1_000),
            rejoin_grace_ms: ms("rejoin-grace").unwrap_or(300_000),
            max_missed: count("max-missed").unwrap_or(2),
            callbacks_per_day: item.child("callback").and_then(|offer| offer.prop_count("per-day")).unwrap_or(3),
            work: work(item),
        },
        music: prompt("music"),
        announce_every_ms: item.child("announce").and_then(|a| a.prop_ms("every")),
        comfort: prompt("comfort"),
        record: item.child("record").and_then(Item::flag).unwrap_or(false),
        retain_days: count("retain"),
        max_wait_ms: ms("max-wait"),
        wait_without_agents: item.child("when-empty").and_then(Item::text) == Some("wait"),
        overflow: overflow.collect(),
        callback: item.child("callback").and_then(callback),
    }
}

fn work(item: &Item) -> WorkRules {
    let rules = WorkRules::default();
    let ms = |child, otherwise| item.child(child).and_then(Item::ms).unwrap_or(otherwise);
    let extension = item.child("wrap-up-more");
    WorkRules {
        max_priority_minutes: item.child("max-priority").and_then(Item::count).unwrap_or(rules.max_priority_minutes),
        lease_ms: ms("lease", rules.lease_ms),
        park_after_ms: ms("park-after", rules.park_after_ms),
        prefer_ms: ms("prefer", rules.prefer_ms),
        extension_ms: extension.and_then(Item::ms).unwrap_or(rules.extension_ms),
        max_extensions: extension.and_then(|more| more.prop_count("times")).unwrap_or(rules.max_extensions),
    }
}

fn callback(item: &Item) -> Option<QueueCallback> {
    Some(QueueCallback {
        after_ms: item.prop_ms("offer-after").unwrap_or(60_000),
        key: item.prop_text("key").unwrap_or("1").chars().next()?,
        via: item.prop_text("via").map(TrunkName::from),
        prompt: item.prop_text("prompt").unwrap_or(OFFER_PROMPT).into(),
        confirm: item.prop_text("confirm").unwrap_or(KEPT_PROMPT).into(),
        tries: Tries {
            left: item.prop_count("tries").unwrap_or(TRIES.left),
            apart_ms: item.prop_ms("retry-after").unwrap_or(TRIES.apart_ms),
            ring_ms: item.prop_ms("ring").unwrap_or(TRIES.ring_ms),
        },
    })
}
