//! What a queue does with who waits in it. Overflow ladders: that nobody is sent round in a circle, that the rungs are in order, and that each can be reached.
//! Callbacks: that they can be offered and made.

use std::collections::{BTreeMap, BTreeSet};

use crate::{diagnostic::Findings, plan::Plan, read::Item, source::Location};

/// Queues that a caller can come to from one queue, at most: every waiting call carries them.
const MAX_QUEUES: usize = 16;

/// One `overflow` of the text.
#[derive(Debug)]
struct Rung<'a> {
    after_ms: u64,
    to: &'a str,
    at: Location,
}

/// Checks the queues among some items.
pub(super) fn check(plan: &Plan, items: &[Item], findings: &mut Findings) {
    let mut ladders: BTreeMap<&str, Vec<Rung<'_>>> = BTreeMap::new();
    for item in items.iter().filter(|item| item.spec.name == "queue") {
        let Some(name) = item.text() else { continue };
        let rungs: Vec<_> = item.named("overflow").filter_map(rung).collect();
        each(name, item, &rungs, findings);
        callback(name, item, plan, findings);
        if !rungs.is_empty() {
            ladders.entry(name).or_insert(rungs);
        }
    }
    let mut said = BTreeSet::new();
    for name in ladders.keys() {
        match from(&ladders, name) {
            Ok(queues) if queues > MAX_QUEUES => {
                let message = format!("callers of `{name}` can pass on to {queues} queues: at most {MAX_QUEUES} are allowed");
                findings.error("too-deep", ladders[name][0].at, message);
            }
            Ok(_) => {}
            Err(circle) => {
                let mut members: Vec<_> = circle.clone();
                members.sort_unstable();
                members.dedup();
                // Said once, whichever of its queues it was found from.
                if said.insert(members) {
                    let chain = circle.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ");
                    let message = format!("callers would go round: {chain}");
                    findings.error("overflow-cycle", closing(&ladders, &circle), message);
                }
            }
        }
    }
}

fn rung(item: &Item) -> Option<Rung<'_>> {
    Some(Rung { after_ms: item.prop_ms("after")?, to: item.prop_text("to")?, at: item.at })
}

/// What can be said of one queue alone.
fn each(name: &str, item: &Item, rungs: &[Rung<'_>], findings: &mut Findings) {
    let max_wait_ms = item.child("max-wait").and_then(Item::ms);
    for (index, rung) in rungs.iter().enumerate() {
        let before = &rungs[..index];
        if before.last().is_some_and(|last| last.after_ms >= rung.after_ms) {
            let message = "this comes no later than the one before it: the rungs of a ladder stand in the order of their time";
            findings.error("overflow-order", rung.at, message);
        }
        if before.iter().any(|other| other.to == rung.to) {
            findings.error("twice", rung.at, format!("callers pass on to `{}` already", rung.to));
        }
        if max_wait_ms.is_some_and(|max| max <= rung.after_ms) {
            let message = format!("nobody waits so long in `{name}`: its `max-wait` is over by then");
            findings.warning("never-reached", rung.at, message);
        }
    }
}

/// The offer to be called back.
fn callback(name: &str, item: &Item, plan: &Plan, findings: &mut Findings) {
    let Some(offer) = item.child("callback") else { return };
    let after_ms = offer.prop_ms("offer-after").unwrap_or(60_000);
    if item.child("max-wait").and_then(Item::ms).is_some_and(|max| max <= after_ms) {
        let message = format!("nobody waits so long in `{name}`: its `max-wait` is over by then");
        findings.warning("never-reached", offer.at, message);
    }
    if offer.prop_text("prompt").is_none() && offer.prop_text("key").is_some_and(|key| key != "1") {
        let message = "`callback` with another key than 1 needs `prompt=…` (prompt): the one that ships says to press 1";
        findings.error("missing-property", offer.at, message);
    }
    if let Some(trunk) = offer.prop_text("via")
        && plan.trunks.get(trunk).is_some_and(|trunk| trunk.peer.is_none())
    {
        findings.error("missing-peer", offer.at, format!("trunk `{trunk}` has no `peer`: no call can go there"));
    }
}

/// How many queues there are on all ways from one, itself among them; the circle that one of the ways runs into.
fn from<'a>(ladders: &BTreeMap<&'a str, Vec<Rung<'a>>>, start: &'a str) -> Result<usize, Vec<&'a str>> {
    // Queues that are done lead into no circle.
    let mut done = BTreeSet::new();
    let mut way: Vec<(&str, usize)> = vec![(start, 0)];
    while let Some((name, next)) = way.last_mut() {
        let rung = ladders.get(name).and_then(|rungs| rungs.get(*next));
        *next += 1;
        match rung {
            None => {
                done.insert(*name);
                way.pop();
            }
            Some(rung) if done.contains(rung.to) => {}
            Some(rung) => {
                if let Some(first) = way.iter().position(|(known, _)| *known == rung.to) {
                    return Err(way[first..].iter().map(|(name, _)| *name).chain([rung.to]).collect());
                }
                // Longer ways than allowed are not walked to their end.
                if way.len() <= 2 * MAX_QUEUES {
                    way.push((rung.to, 0));
                } else {
                    done.insert(rung.to);
                }
            }
        }
        if done.len() > 4 * MAX_QUEUES {
            break;
        }
    }
    Ok(done.len().max(way.len()))
}

/// Where the last rung of a circle stands.
fn closing(ladders: &BTreeMap<&str, Vec<Rung<'_>>>, circle: &[&str]) -> Location {
    let Some([from, to]) = circle.last_chunk() else { return Location::default() };
    let rungs = ladders.get(from).into_iter().flatten();
    rungs.filter(|rung| rung.to == *to).map(|rung| rung.at).next().unwrap_or_default()
}
