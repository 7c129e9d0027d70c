//! Calls under random inputs, sensible and senseless, late and doubled. After each one, what must
//! always hold is checked against a small model of the world that is built from the outputs alone.

mod inputs;
mod world;

use std::sync::Arc;

use tandem_switch::{
    call::{Arrival, Call, CallSettings, Input, KeptCall, Notice, Output, Restart},
    cause::Cause,
    cdr::{Cdr, Origin, SegmentState},
    id::{CallId, IdSource, LegId},
    time::Timestamp,
};

use inputs::Dice;
use world::World;

const CALLS: u64 = 6_000;
const INPUTS_PER_CALL: usize = 150;

#[test]
fn what_must_always_hold_of_a_call() {
    let (mut told, mut talked, mut over, mut transferred) = (0usize, 0u64, 0u64, 0u64);
    let (mut redirected, mut most) = (0u64, 0);
    for seed in 0..CALLS {
        let guard = SayTheSeed(seed);
        let cdr = one_call(seed, &mut told, &mut most);
        drop(guard);
        talked += u64::from(cdr.connected_at.is_some());
        transferred += u64::from(cdr.segments.iter().any(|segment| segment.state == SegmentState::Transferring));
        redirected += u64::from(cdr.segments.iter().any(|segment| segment.cause == Some(Cause::Redirected)));
        over += 1;
    }
    println!("{over} calls, {told} inputs, {talked} conversations, {transferred} transfers, {redirected} redirected");
    assert!(
        told > 300_000 && talked > CALLS / 10 && transferred > CALLS / 50,
        "the dice do not reach what they should: {told} inputs, {talked} conversations"
    );
    assert!(redirected > CALLS / 50 && most > 2, "{redirected} were redirected, {most} times at most");
}

/// Other seeds: `TANDEM_SEED=n` repeats one call and says all of it, `TANDEM_FULL=1` takes a hundred times as many.
#[test]
fn what_must_always_hold_of_other_calls() {
    let seed = std::env::var("TANDEM_SEED").ok().map(|seed| seed.parse().expect("TANDEM_SEED is a number"));
    let seeds = match seed {
        Some(seed) => seed..seed + 1,
        None if std::env::var_os("TANDEM_FULL").is_some() => CALLS..CALLS * 100,
        None => CALLS..CALLS + 500,
    };
    for seed in seeds {
        let guard = SayTheSeed(seed);
        one_call(seed, &mut 0, &mut 0);
        drop(guard);
    }
}

/// Prints the seed when a check fails.
struct SayTheSeed(u64);

impl Drop for SayTheSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}", self.0);
        }
    }
}

fn one_call(seed: u64, told: &mut usize, most: &mut usize) -> Cdr {
    let mut dice = Dice::new(seed);
    let begin = Timestamp::from_ms(1_790_000_000_000);
    let origin = if dice.one_in(2) { Origin::Trunk("carrier".into()) } else { Origin::Extension("1007".into()) };
    let arrival = Arrival { call: CallId(seed), origin, from: "+390212345678".into(), to: "1800".into(), generation: 3 };
    let hold_music = (!dice.one_in(4)).then(|| "hold".into());
    let notice = seed.is_multiple_of(3).then(|| Notice { prompt: "recorded".into(), to_both: seed.is_multiple_of(2) });
    let settings = CallSettings { hold_music, notice, ..CallSettings::default() };
    let settings = Arc::new(settings);
    let mut run = Run {
        call: Call::new(begin, arrival, Arc::clone(&settings)),
        settings,
        ids: IdSource::new(1),
        world: World::new(),
        now: begin,
        dice,
        cdr: None,
        is_loud: std::env::var_os("TANDEM_SEED").is_some(),
    };
    let mut left = INPUTS_PER_CALL;
    while left > 0 && run.cdr.is_none() {
        left -= 1;
        *told += 1;
        run.pass_time();
        if left.is_multiple_of(7) {
            run.tell(Input::Payment { begins: left.is_multiple_of(2) });
        }
        if run.dice.one_in(80) {
            run.restart();
            continue;
        }
        let input = run.dice.input(&run.world);
        // Who is up cannot name whom to call instead: no wiring says so.
        if !matches!(&input, Input::LegRedirected { leg, .. } if run.world.is_up(*leg)) {
            run.tell(input);
        }
    }
    run.tell(Input::Hangup { cause: Cause::Fault });
    run.nothing_after_the_end();
    *most = run.world.most_redirects.max(*most);
    let cdr = run.cdr.expect("a call that is hung up has ended");
    check_record(&cdr, begin);
    cdr
}

struct Run {
    call: Call,
    settings: Arc<CallSettings>,
    ids: IdSource,
    world: World,
    now: Timestamp,
    dice: Dice,
    cdr: Option<Cdr>,
    /// All that is told and said is printed.
    is_loud: bool,
}

impl Run {
    /// Some time goes by, and every deadline in it is kept.
    fn pass_time(&mut self) {
        let mut until = Timestamp(self.now.0 + self.dice.pause_us());
        if self.dice.one_in(12) {
            until = until.max(self.call.deadline().unwrap_or(until));
        }
        while let Some(due) = self.call.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.tell(Input::Tick);
        }
        self.now = until;
    }

    /// What the wiring does about legs that come from elsewhere and go there.
    fn move_legs(&mut self, input: &Input) {
        match input {
            Input::GivenAway { by } => {
                if let Some(partner) = self.call.partner(*by) {
                    self.world.gives_away(partner.leg);
                }
            }
            Input::Replaced { leg, new } if self.call.partner(*leg).is_some() && self.call.next_leg() == Some(new.leg) => {
                self.world.takes_in(new.leg);
            }
            Input::Leaves { leg } if self.call.takes().is_some() && *leg == self.call.caller() => self.world.gives_away(*leg),
            Input::Taken { new } if self.call.may_be_taken() && self.call.next_leg() == Some(new.leg) => {
                self.world.takes_in(new.leg);
            }
            _ => {}
        }
    }

    fn tell(&mut self, input: Input) {
        if self.is_loud {
            println!("{} <- {input:?}", self.now.0);
        }
        self.move_legs(&input);
        self.world.hear(&input);
        self.call.handle(self.now, input, &mut self.ids);
        self.drain();
        for ticks in 0.. {
            if self.call.deadline().is_none_or(|due| due > self.now) {
                break;
            }
            assert!(ticks < 16, "a deadline that stays in the past");
            self.call.handle(self.now, Input::Tick, &mut self.ids);
            self.drain();
        }
        self.world.check_at_rest();
        let view = self.call.view();
        let legs: Vec<_> = view.legs.iter().map(|leg| leg.leg).collect();
        assert_eq!(legs, self.world.alive_legs(), "the view shows other legs");
        assert_eq!(view.step == "over", self.cdr.is_some());
    }

    /// The process is gone, and another one takes up what was written down: perhaps not all legs, perhaps on
    /// another plan, perhaps after the conversation.
    fn restart(&mut self) {
        let text = serde_json::to_string(&self.call).unwrap();
        let again: Call = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), text, "what is read back is what was written");
        let kept: KeptCall = serde_json::from_str(&text).unwrap();
        let up: Vec<LegId> = kept.legs_up().collect();
        let gone: Vec<LegId> = up.iter().copied().filter(|_| self.dice.one_in(8)).collect();
        let finished = kept.talks_about().is_some() && self.dice.one_in(8);
        let caller_up = up.contains(&kept.caller()) && !gone.contains(&kept.caller());
        self.world.restart(&gone);
        if self.is_loud {
            println!("{} restart, gone: {gone:?}, finished: {finished}", self.now.0);
        }
        let restart = Restart {
            stopped_at: self.now,
            settings: Arc::clone(&self.settings),
            gone: &gone,
            finished,
            anew: self.dice.one_in(4),
        };
        self.call = Call::take_up(self.now, kept, restart, &mut self.ids);
        self.drain();
        assert_eq!(self.cdr.is_none(), caller_up, "a call goes on while its caller is there");
        self.world.restarted(self.cdr.is_some());
        self.world.check_at_rest();
    }

    fn drain(&mut self) {
        while let Some(output) = self.call.poll() {
            if self.is_loud {
                println!("    -> {output:?}");
            }
            assert!(self.cdr.is_none(), "{output:?} after the end");
            if let Output::Ended(cdr) = output {
                self.world.check_end();
                self.cdr = Some(*cdr);
            } else {
                self.world.see(&output);
            }
        }
    }

    fn nothing_after_the_end(&mut self) {
        assert!(self.call.is_over() && self.call.deadline().is_none());
        for _ in 0..20 {
            let input = self.dice.input(&self.world);
            self.call.handle(self.now, input, &mut self.ids);
            assert_eq!(self.call.poll(), None, "something after the end");
        }
    }
}

fn check_record(cdr: &Cdr, begin: Timestamp) {
    assert_eq!(cdr.started_at, begin);
    let mut at = begin;
    for segment in &cdr.segments {
        assert_eq!(segment.from_at, at, "a gap between segments");
        assert!(segment.to_at > at, "an empty segment");
        at = segment.to_at;
    }
    assert_eq!(at, cdr.ended_at, "segments do not sum to the wall time");
    let sum = |state| {
        let us: i64 = cdr.segments.iter().filter(|s| s.state == state).map(|s| s.to_at.0 - s.from_at.0).sum();
        us.unsigned_abs() / 1_000
    };
    assert_eq!((cdr.waited_ms, cdr.talked_ms), (sum(SegmentState::Queued), sum(SegmentState::Talking)));
    assert!(cdr.agent.is_none() || cdr.connected_at.is_some());
    assert!(cdr.connected_at.is_none() || cdr.answered_at <= cdr.connected_at);
}
