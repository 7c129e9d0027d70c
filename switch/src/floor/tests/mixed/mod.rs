//! A mixed floor: calls, chats, emails and short messages; callbacks, transfers, declines, lost devices, a slow store, and
//! restarts at any step. After each step all that it touched is checked, and every so often everything.
//!
//! `TANDEM_FULL=1` runs ten seeds of a million steps (`make floor`); `TANDEM_SEED` runs one.

mod agents;
mod contacts;
mod ledger;
mod world;

use std::{env, sync::Mutex, thread};

use world::World;

const SEEDS: u64 = 10;
const STEPS: u64 = 10_000;
const FULL_STEPS: u64 = 1_000_000;

/// What happened in all worlds, so that none of them is a ghost town.
#[derive(Debug, Default)]
struct Sum {
    served: u64,
    returned: u64,
    parked: u64,
    interrupted: u64,
    moved: u64,
    called_back: u64,
    transferred: u64,
    restarts: u64,
    lost_events: u64,
    together: u64,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.served += other.served;
        self.returned += other.returned;
        self.parked += other.parked;
        self.interrupted += other.interrupted;
        self.moved += other.moved;
        self.called_back += other.called_back;
        self.transferred += other.transferred;
        self.restarts += other.restarts;
        self.lost_events += other.lost_events;
        self.together += other.together;
    }
}

/// Says which seed failed, and after how many steps.
struct Shout(u64, u64);

impl Drop for Shout {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("failed with TANDEM_SEED={} after {} steps", self.0, self.1);
        }
    }
}

#[test]
fn a_mixed_floor_holds_its_promises_at_every_step() {
    let is_full = env::var_os("TANDEM_FULL").is_some();
    let steps = if is_full { FULL_STEPS } else { STEPS };
    let seeds: Vec<u64> = match env::var("TANDEM_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..SEEDS).collect(),
    };
    let (left, sum) = (Mutex::new(seeds.clone()), Mutex::new(Sum::default()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(seed) = { left.lock().unwrap().pop() } {
                    let told = run(seed, steps);
                    if is_full {
                        eprintln!("seed {seed}: {steps} steps, {told:?}");
                    }
                    sum.lock().unwrap().add(&told);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap();
    if seeds.len() > 1 {
        let Sum { served, returned, parked, interrupted, moved, called_back, transferred, restarts, lost_events, together } = sum;
        let all = [served, returned, parked, interrupted, moved, called_back, transferred, restarts, lost_events, together];
        assert!(served > steps / 3, "{sum:?}");
        assert!(all.iter().all(|count| *count > steps / 100), "something hardly ever happened: {sum:?}");
    }
}

fn run(seed: u64, steps: u64) -> Sum {
    let mut shout = Shout(seed, 0);
    let mut world = World::new(seed);
    for step in 0..steps {
        shout.1 = step;
        world.step(step);
    }
    world.drain();
    std::mem::take(&mut world.sum)
}
