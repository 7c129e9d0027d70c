#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const DAY_MS: u64 = 24 * 60 * 60_000;

/// A journal, a database and a receiver, with a subscriber between them that may be killed.
struct World {
    now: Timestamp,
    /// Rows of the journal: whether the subscriber wants them.
    journal: Vec<(Timestamp, bool)>,
    kept: Mark,
    dead: BTreeMap<i64, u32>,
    terms: Terms,
    subscriber: Subscriber,
    got: Vec<i64>,
    tried: Vec<(u64, i64, u32)>,
}

impl World {
    fn new() -> Self {
        let terms = Terms { give_up_ms: DAY_MS, ..Terms::default() };
        let subscriber = Subscriber::new(Mark::default(), terms.clone(), 7);
        let now = Timestamp::from_ms(1_790_000_000_000);
        let (kept, dead) = (Mark::default(), BTreeMap::new());
        Self { now, journal: Vec::new(), kept, dead, terms, subscriber, got: Vec::new(), tried: Vec::new() }
    }

    fn happen(&mut self, wanted: &[bool]) {
        self.journal.extend(wanted.iter().map(|wanted| (self.now, *wanted)));
        self.give(Input::Grown(self.head()));
    }

    fn head(&self) -> i64 {
        i64::try_from(self.journal.len()).unwrap()
    }

    fn give(&mut self, input: Input) {
        self.subscriber.handle(self.now, input);
    }

    /// Carries out one thing; `false`: there is none. `answer`: what the receiver says; `store`: whether the database does it.
    fn step(&mut self, answer: Outcome, store: bool) -> bool {
        let Some(output) = self.subscriber.poll() else { return false };
        let input = match output {
            Output::Send { seq, attempt } => {
                let ms = self.now.ms_since(Timestamp::from_ms(1_790_000_000_000));
                self.tried.push((ms, seq, attempt));
                if answer == Outcome::Taken {
                    self.got.push(seq);
                }
                Input::Answered(answer)
            }
            _ if !store => Input::StoreFailed,
            Output::Read { after } => {
                let rows = self.journal.iter().enumerate().map(|(at, row)| (i64::try_from(at).unwrap() + 1, row));
                let page: Vec<_> = rows.filter(|(seq, _)| *seq > after).take(PAGE as usize).collect();
                let up_to = page.last().map_or(after, |(seq, _)| *seq);
                let events = page.into_iter().filter(|(_, row)| row.1).map(|(seq, row)| Event { seq, at: row.0 }).collect();
                Input::Read { events, up_to }
            }
            Output::Save(mark) => self.write(|world| world.kept = mark),
            Output::Bury { seq, attempts, mark } => self.write(|world| {
                world.dead.insert(seq, attempts);
                world.kept = mark;
            }),
            Output::Raise(seq) => self.write(|world| {
                world.dead.remove(&seq);
                world.terms.resend.remove(&seq);
            }),
            Output::LeaveDead(seq) => self.write(|world| assert!(world.terms.resend.remove(&seq))),
            Output::LeaveAllDead => self.write(|world| world.terms.resend.clear()),
            Output::Pause => self.write(|world| world.terms.paused = true),
        };
        self.give(input);
        true
    }

    fn write(&mut self, change: impl FnOnce(&mut Self)) -> Input {
        change(self);
        Input::Written
    }

    fn run(&mut self, answer: Outcome) {
        while self.step(answer, true) {}
    }

    /// Time passes to the next moment that the subscriber waits for.
    fn wait(&mut self) -> bool {
        let Some(at) = self.subscriber.deadline() else { return false };
        self.now = self.now.max(at);
        self.give(Input::Tick);
        true
    }

    fn change(&mut self, change: impl FnOnce(&mut Terms)) {
        self.terms.dead = self.dead.len() as u64;
        change(&mut self.terms);
        self.give(Input::Changed(self.terms.clone()));
    }

    fn kill(&mut self) {
        self.terms.dead = self.dead.len() as u64;
        self.subscriber = Subscriber::new(self.kept, self.terms.clone(), 8);
        self.give(Input::Grown(self.head()));
    }
}

#[test]
fn events_go_one_at_a_time_in_their_order_and_only_those_that_are_wanted() {
    let mut world = World::new();
    world.happen(&[true, false, true, true, false]);
    world.run(Outcome::Taken);
    assert_eq!(world.got, [1, 3, 4]);
    assert_eq!(world.kept, Mark { done_to: 5, streak: None }, "at rest it is written down");
    assert_eq!(world.subscriber.deadline(), None);
}

#[test]
fn a_receiver_that_is_away_is_tried_at_growing_pauses_and_nothing_overtakes() {
    let mut world = World::new();
    world.happen(&[true, true]);
    for _ in 0..12 {
        world.run(Outcome::Failed(None));
        assert!(world.wait());
    }
    assert!(world.tried.iter().all(|(_, seq, _)| *seq == 1), "{:?}", world.tried);
    let pauses: Vec<u64> = world.tried.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    for (n, pause) in pauses.iter().enumerate() {
        let whole = (1_000 << n).min(300_000);
        assert!((whole / 2..=whole).contains(pause), "pause {n} is {pause}");
    }
    world.run(Outcome::Taken);
    assert_eq!(world.got, [1, 2]);
    assert_eq!(world.kept, Mark { done_to: 2, streak: None });
}

#[test]
fn a_receiver_may_ask_for_a_pause_of_an_hour_at_most() {
    let mut world = World::new();
    world.happen(&[true]);
    world.run(Outcome::Failed(Some(30_000)));
    assert_eq!(world.subscriber.retry_at(), Some(world.now.plus_ms(30_000)));
    world.wait();
    world.run(Outcome::Failed(Some(u64::MAX)));
    assert_eq!(world.subscriber.retry_at(), Some(world.now.plus_ms(3_600_000)));
    world.give(Input::Hurry);
    world.run(Outcome::Taken);
    assert_eq!(world.got, [1], "an admin does not wait");
}

#[test]
fn an_event_that_nobody_takes_for_a_day_is_a_dead_letter_and_the_order_goes_on() {
    let mut world = World::new();
    world.happen(&[true, true]);
    while world.dead.is_empty() {
        world.run(Outcome::Refused);
        world.wait();
    }
    let last = world.tried.iter().rfind(|(_, seq, _)| *seq == 1).unwrap();
    assert!((DAY_MS..DAY_MS + 300_000).contains(&last.0), "{last:?}");
    assert_eq!(world.dead[&1], last.2);
    world.run(Outcome::Taken);
    world.wait();
    world.run(Outcome::Taken);
    assert_eq!(world.got, [2]);
    assert_eq!(world.kept.done_to, 2);
    // Sent once more, it goes from the list.
    world.change(|terms| terms.resend = [1].into());
    world.run(Outcome::Taken);
    assert_eq!((world.got.as_slice(), world.dead.len()), (&[2, 1][..], 0));
}

#[test]
fn the_day_is_counted_over_a_restart_and_not_over_a_pause() {
    let mut world = World::new();
    world.happen(&[true]);
    world.run(Outcome::Failed(None));
    world.now = world.now.plus_ms(DAY_MS);
    world.kill();
    world.run(Outcome::Failed(None));
    assert_eq!(world.dead, [(1, 2)].into());
    world.happen(&[true]);
    world.wait();
    world.run(Outcome::Failed(None));
    world.change(|terms| terms.paused = true);
    world.now = world.now.plus_ms(3 * DAY_MS);
    world.give(Input::Tick);
    assert_eq!(world.subscriber.poll(), None);
    world.change(|terms| terms.paused = false);
    world.run(Outcome::Failed(None));
    assert_eq!(world.dead.len(), 1, "the pause was no failure");
    world.wait();
    world.run(Outcome::Taken);
    assert_eq!(world.got, [2]);
}

#[test]
fn dead_letters_alternate_with_what_happens_and_end_when_the_receiver_is_away() {
    let mut world = World::new();
    world.happen(&[true; 6]);
    world.kept = Mark { done_to: 3, streak: None };
    world.dead = [(1, 1), (2, 1), (3, 1)].into();
    world.terms.resend = [1, 2, 3].into();
    world.kill();
    world.run(Outcome::Taken);
    assert_eq!(world.got, [1, 4, 2, 5, 3, 6]);
    world.dead = [(1, 1), (2, 1), (3, 1)].into();
    world.change(|terms| terms.resend = [1, 2, 3].into());
    assert!(world.step(Outcome::Refused, true));
    world.run(Outcome::Failed(None));
    let again: Vec<i64> = world.tried[6..].iter().map(|(_, seq, _)| *seq).collect();
    assert_eq!(again, [1, 2], "one is not wanted, the next one finds nobody");
    assert_eq!((world.dead.len(), world.terms.resend.len()), (3, 0));
}

#[test]
fn with_too_many_dead_letters_it_is_paused_and_nothing_is_lost() {
    let mut world = World::new();
    world.happen(&[true]);
    world.terms.dead = MOST_DEAD;
    world.give(Input::Changed(world.terms.clone()));
    world.run(Outcome::Refused);
    world.now = world.now.plus_ms(DAY_MS);
    world.give(Input::Tick);
    world.run(Outcome::Refused);
    assert!(world.terms.paused && world.dead.is_empty());
    world.change(|terms| terms.paused = false);
    world.run(Outcome::Taken);
    assert_eq!(world.got, [1]);
}

#[test]
fn of_a_busy_journal_not_every_event_costs_a_write() {
    let mut world = World::new();
    world.happen(&[true; 120]);
    let mut saves = Vec::new();
    loop {
        if let Some(Output::Save(mark)) = world.subscriber.under_way {
            saves.push(mark.done_to);
        }
        if !world.step(Outcome::Taken, true) {
            break;
        }
    }
    assert_eq!(saves, [50, 100, 120]);
    // What nobody wants is passed over for good now and then.
    world.happen(&[false; 2_500]);
    world.run(Outcome::Taken);
    assert_eq!((world.kept.done_to, world.subscriber.mark().done_to), (2_120, 2_620));
    world.kill();
    world.run(Outcome::Taken);
    assert_eq!(world.got.len(), 120);
}

#[derive(Clone, Debug)]
enum Move {
    Happen(Vec<bool>),
    Steps(Vec<(Outcome, bool)>),
    Wait,
    Pass(u64),
    Kill,
    Pause(bool),
    ResendAll,
    Hurry,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![4 => Just(Outcome::Taken), 2 => Just(Outcome::Failed(None)), 1 => Just(Outcome::Refused),
        1 => Just(Outcome::Failed(Some(5_000)))]
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => prop::collection::vec(any::<bool>(), 1..80).prop_map(Move::Happen),
        6 => prop::collection::vec((outcome(), prop::bool::weighted(0.9)), 1..40).prop_map(Move::Steps),
        3 => Just(Move::Wait),
        1 => (0..2 * DAY_MS).prop_map(Move::Pass),
        2 => Just(Move::Kill),
        1 => any::<bool>().prop_map(Move::Pause),
        1 => Just(Move::ResendAll),
        1 => Just(Move::Hurry),
    ];
    prop::collection::vec(one, 1..60)
}

proptest! {
    #[test]
    fn nothing_is_lost_or_overtakes_whatever_fails_and_whenever_it_is_killed(moves in moves()) {
        let mut world = World::new();
        let mut first = Vec::new();
        let mut checked = 0;
        for one in moves {
            match one {
                Move::Happen(wanted) => world.happen(&wanted),
                Move::Steps(steps) => for (answer, store) in steps {
                    world.step(answer, store);
                },
                Move::Wait => {
                    world.wait();
                }
                Move::Pass(ms) => {
                    world.now = world.now.plus_ms(ms);
                    world.give(Input::Tick);
                }
                Move::Kill => world.kill(),
                Move::Pause(paused) => world.change(|terms| terms.paused = paused),
                Move::ResendAll => {
                    let all: BTreeSet<i64> = world.dead.keys().copied().collect();
                    world.change(|terms| terms.resend = all);
                }
                Move::Hurry => world.give(Input::Hurry),
            }
            for &(_, seq, attempt) in &world.tried[checked..] {
                // Whatever is tried in its turn has all that came before it behind it: taken once, or a dead letter.
                if attempt > 0 && !first.contains(&seq) {
                    let before = (1..seq).filter(|n| world.journal[usize::try_from(*n).unwrap() - 1].1);
                    let left: Vec<i64> = before.filter(|n| !world.got.contains(n) && !world.dead.contains_key(n)).collect();
                    prop_assert!(left.is_empty(), "{seq} overtook {left:?}");
                    first.push(seq);
                }
            }
            checked = world.tried.len();
            prop_assert!(first.is_sorted(), "first attempts are in order");
        }
        // In the end the receiver is there, and all comes to rest.
        world.kill();
        world.change(|terms| terms.paused = false);
        for _ in 0..200 {
            world.run(Outcome::Taken);
            if !world.wait() {
                break;
            }
        }
        prop_assert_eq!(world.subscriber.poll(), None);
        prop_assert_eq!(world.subscriber.deadline(), None);
        let wanted = (1..=world.head()).filter(|n| world.journal[usize::try_from(*n).unwrap() - 1].1);
        for seq in wanted {
            prop_assert!(world.got.contains(&seq) || world.dead.contains_key(&seq), "{} is lost", seq);
        }
        // Only rows that nobody wants may not be written down yet.
        prop_assert!(world.journal[usize::try_from(world.kept.done_to).unwrap()..].iter().all(|(_, wanted)| !wanted));
        prop_assert!(world.subscriber.mark().done_to == world.head() && world.kept.streak.is_none());
    }
}
