//! Times what a plan is asked for, for `make bench` (tests/load/plan_bench.py): one JSON object for each thing on a line of its own.
//!
//!     plan_speed FOLDER <CALLS
//!     plan_speed FOLDER routes <CALLS        only the route of each call, `-` for none
//!
//! FOLDER holds a plan, CALLS a call on each line: `extension:1000 +39021234567`, `trunk:carrier:+39347123 +39021234567`.
//! Times are in microseconds: of each route lookup, of each call that is simulated from its arrival to its record, and of
//! each check of the plan with one number of it changed by a checker that knows the plan before.

#![expect(clippy::disallowed_methods, reason = "it measures the time that passes, and nothing else")]

use std::{error::Error, io::BufRead as _, path::Path, sync::Arc, time::Instant};

use tandem_dialplan::{CallFacts, Checker, Lengths, Plan, Script, Source, World, check, read_sources, simulate};
use tandem_switch::{cdr::Origin, time::Timestamp};

/// A Monday noon in November.
const AT: Timestamp = Timestamp::from_ms(1_795_435_200_000);
/// Calls that are simulated: each takes much longer than a lookup.
const SIMULATED: usize = 2_000;
const CHECKS: usize = 11;
/// Rounds of lookups that are not counted: caches fill up.
const WARM_ROUNDS: usize = 1;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("plan_speed FOLDER <CALLS")?;
    let folder = Path::new(&folder);
    let (plan, report) = check(&read_sources(folder)?, &world());
    let plan = Arc::new(plan.ok_or_else(|| report.lines())?);
    let calls: Vec<CallFacts> = std::io::stdin().lock().lines().map(|line| call(&line?)).collect::<Result<_, _>>()?;
    if std::env::args().nth(2).as_deref() == Some("routes") {
        for call in &calls {
            println!("{}", plan.route_for(call).map_or("-", |route| route.name.as_str()));
        }
        return Ok(());
    }
    told("route_lookup_us", &lookups(&plan, &calls), plan.routes.len());
    told("simulated_call_us", &simulated(&plan, &calls)?, plan.routes.len());
    told("check_again_us", &checks(folder)?, plan.routes.len());
    Ok(())
}

/// The recordings that tests/load/plans.py names, and one more.
fn world() -> World {
    let mut world = World::default();
    world.prompts.entry("en".into()).or_default().extend(["welcome".into(), "busy".into()]);
    world.shared_prompts.insert("music/hold".into());
    world
}

fn call(line: &str) -> Result<CallFacts, Box<dyn Error>> {
    let (caller, to) = line.split_once(' ').ok_or("a call is a caller and a number")?;
    let (origin, from) =
        match (caller.strip_prefix("extension:"), caller.strip_prefix("trunk:").and_then(|it| it.split_once(':'))) {
            (Some(extension), _) => (Origin::Extension(extension.into()), extension),
            (None, Some((trunk, number))) => (Origin::Trunk(trunk.into()), number),
            (None, None) => return Err("a caller is `extension:NUMBER` or `trunk:NAME:NUMBER`".into()),
        };
    Ok(CallFacts { origin, from: from.into(), to: to.into(), language: None, overrides: Arc::default() })
}

fn lookups(plan: &Plan, calls: &[CallFacts]) -> Vec<f64> {
    let mut times = Vec::with_capacity(ROUNDS * calls.len());
    for round in 0..WARM_ROUNDS + ROUNDS {
        for call in calls {
            let began = Instant::now();
            std::hint::black_box(plan.route_for(std::hint::black_box(call)));
            let took = began.elapsed();
            if round >= WARM_ROUNDS {
                times.push(took.as_secs_f64() * 1e6);
            }
        }
    }
    times
}

fn simulated(plan: &Arc<Plan>, calls: &[CallFacts]) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut times = Vec::new();
    for call in calls.iter().take(SIMULATED) {
        let trunk = if let Origin::Trunk(trunk) = &call.origin { Some(trunk.as_str()) } else { None };
        let mut script = Script::new(plan, AT, Some(call.from.as_str()), trunk, call.to.as_str())?;
        script.types("1")?;
        let began = Instant::now();
        std::hint::black_box(simulate(plan, &script, &Lengths::default()));
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}

/// The first file says how long somebody waits; each check finds another number there.
fn checks(folder: &Path) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut sources = read_sources(folder)?;
    let world = world();
    let mut checker = Checker::default();
    let first = sources.first().cloned().ok_or("there is no file")?;
    let mut times = Vec::new();
    for round in 0..=CHECKS {
        let text = first.text.replacen("max-wait=\"60s\"", &format!("max-wait=\"{}s\"", 61 + round), 1);
        sources[0] = Source::new(first.path.clone(), text);
        let began = Instant::now();
        let (plan, report) = checker.check(&sources, &world);
        let took = began.elapsed();
        drop(plan.ok_or_else(|| report.lines())?);
        if round > 0 {
            times.push(took.as_secs_f64() * 1e6);
        }
    }
    Ok(times)
}

fn told(what: &str, times: &[f64], routes: usize) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |part: usize| sorted.get((sorted.len().saturating_sub(1)) * part / 100).copied().unwrap_or(f64::NAN);
    println!(
        "{{\"kind\": \"{what}\", \"routes\": {routes}, \"count\": {}, \"p50\": {:.3}, \"p99\": {:.3}, \"most\": {:.3}}}",
        sorted.len(),
        at(50),
        at(99),
        at(100)
    );
}
