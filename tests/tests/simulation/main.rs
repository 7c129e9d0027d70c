//! Many calls in simulated time, over a wire that loses every fifth message: `Endpoint`, `Call`, `Run` and
//! `Floor` wired as the server wires them, callers and agents who do whatever people do, and the invariants
//! of the design checked at each step.
//!
//! No sockets, no threads, no sleeps: a world is one queue of things that will happen and one seed. A failure
//! prints the seed and the last events of the call concerned; `TANDEM_SEED=n` runs that world again.
//!
//! - `world`: time, and who tells whom. `net`: the wire. `noise`: messages damaged on their way.
//! - `edge`, `line`: the switch, wired. `plan`: its dialplan. `crash`: its restarts. `keep`: calls that outlive them.
//! - `station`, `people`, `errands`: endpoints and those who use them.
//! - `watch`, `checks`, `finish`: what must hold, in the journal and the records, at each step, at the end.
//! - `diary`: what happened to whom, for a failure.

mod checks;
mod crash;
mod diary;
mod dice;
mod edge;
mod errands;
mod finish;
mod keep;
mod line;
mod net;
mod noise;
mod people;
mod plan;
mod station;
mod watch;
mod world;

use std::{
    ops::AddAssign,
    panic::{AssertUnwindSafe, catch_unwind},
};

use diary::Diary;
use world::{Failure, World};

/// How big a world is, and what is looked at how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Calls that reach the switch before it comes to rest.
    calls: u64,
    /// Agents with fixed devices, and with devices that register.
    fixed: u64,
    registered: u64,
    /// Mean time between two callers, in ms.
    gap_ms: u64,
    /// The floor checks itself once in so many of its inputs: 1 is always.
    check_every: u64,
    /// Line and floor are compared once in so many steps of the world.
    compare_every: u64,
    /// Times that the switch stops and comes back.
    restarts: u64,
    /// Of a hundred messages to the switch, so many are sent again with damage.
    noise: u64,
}

/// Some 40 calls at a time; everything is checked at every step.
const SMALL: Shape =
    Shape { calls: 2_000, fixed: 7, registered: 4, gap_ms: 300, check_every: 1, compare_every: 1, restarts: 1, noise: 0 };
/// Some 1,000 calls at a time; what takes long is checked at each 64th step.
const LARGE: Shape =
    Shape { calls: 25_000, fixed: 180, registered: 12, gap_ms: 11, check_every: 64, compare_every: 64, restarts: 2, noise: 0 };
const NOISY: Shape = Shape { calls: 1_000, noise: 10, ..SMALL };

/// What came to pass in worlds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    dialled: u64,
    calls: u64,
    records: u64,
    cut: u64,
    survived: u64,
    answered: u64,
    queued: u64,
    abandoned: u64,
    offers: u64,
    rejoined: u64,
    restarts: u64,
    sent: u64,
    lost: u64,
    damaged: u64,
    steps: u64,
    simulated_ms: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        let pairs = [
            (&mut self.dialled, other.dialled),
            (&mut self.calls, other.calls),
            (&mut self.records, other.records),
            (&mut self.cut, other.cut),
            (&mut self.survived, other.survived),
            (&mut self.answered, other.answered),
            (&mut self.queued, other.queued),
            (&mut self.abandoned, other.abandoned),
            (&mut self.offers, other.offers),
            (&mut self.rejoined, other.rejoined),
            (&mut self.restarts, other.restarts),
            (&mut self.sent, other.sent),
            (&mut self.lost, other.lost),
            (&mut self.damaged, other.damaged),
            (&mut self.steps, other.steps),
            (&mut self.simulated_ms, other.simulated_ms),
        ];
        for (sum, more) in pairs {
            *sum += more;
        }
    }
}

/// Runs one world. A failed one is run once more with a diary, and tells.
fn run(seed: u64, shape: Shape) -> Totals {
    let mut world = World::new(seed, shape, None);
    let Err(failure) = live(&mut world) else { return world.totals };
    let mut again = World::new(seed, shape, Some(Diary::default()));
    let failure = live(&mut again).err().unwrap_or(failure);
    let diary = again.diary.as_ref().map(|diary| diary.about(&failure.whom)).unwrap_or_default();
    panic!(
        "{}\nat {} ms of the world with TANDEM_SEED={seed} ({shape:?})\nconcerning {:?}:\n{diary}",
        failure.what, again.now, failure.whom
    );
}

fn live(world: &mut World) -> Result<(), Failure> {
    catch_unwind(AssertUnwindSafe(|| world.live())).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(Failure::of_all(format!("a panic: {}", said.unwrap_or_default())))
    })
}

fn run_all(name: &str, seeds: std::ops::Range<u64>, shape: Shape) {
    #[expect(clippy::disallowed_methods, reason = "only to say how long it took")]
    let began = std::time::Instant::now();
    let mut totals = Totals::default();
    match std::env::var("TANDEM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => totals += run(seed, shape),
        None => seeds.for_each(|seed| totals += run(seed, shape)),
    }
    #[expect(clippy::disallowed_methods, reason = "only to say how long it took")]
    let took = began.elapsed();
    let Totals {
        calls, answered, abandoned, queued, cut, survived, offers, rejoined, restarts, sent, lost, damaged, steps, ..
    } = totals;
    println!(
        "{name}: {calls} calls, {answered} answered, {queued} queued, {abandoned} abandoned, {offers} offers, \
         {restarts} restarts ({cut} calls cut off, {survived} went on, {rejoined} got their place back), \
         {sent} messages, {lost} lost, {damaged} damaged, {steps} steps, {:.1} simulated hours, {:.1} s",
        totals.simulated_ms as f64 / 3_600_000.0,
        took.as_secs_f64()
    );
}

#[test]
fn half_the_calls_in_small_worlds_where_everything_is_checked_at_each_step() {
    run_all("small worlds", 1..26, SMALL);
}

#[test]
fn half_the_calls_a_thousand_at_a_time() {
    run_all("large worlds", 101..103, LARGE);
}

#[test]
fn damaged_messages_and_strangers_harm_nothing() {
    run_all("noisy worlds", 201..207, NOISY);
}

#[test]
fn a_world_with_the_same_seed_is_the_same_world() {
    let shape = Shape { calls: 200, ..SMALL };
    let [one, other] = [(), ()].map(|()| run(42, shape));
    assert_eq!((one.sent, one.lost, one.steps, one.simulated_ms), (other.sent, other.lost, other.steps, other.simulated_ms));
}
