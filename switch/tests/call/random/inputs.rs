//! The dice: what a call is told next.

use tandem_switch::{
    ask::{Ask, Unanswered},
    call::{Input, Newcomer},
    callback::{CallbackOffer, Tries},
    cause::Cause,
    cdr::Origin,
    device::{Device, DeviceKind, Devices},
    id::{ItemId, LegId, OfferId},
    ladder::{Hall, Ladder, Rung},
    link::{FloorSays, Place, RefuseReason},
    step::{
        AgentRequest, Audio, Collect, Dial, LeaveMessage, Park, Phrase, QueueStep, RingStrategy, Sides, Step, StepOutcome,
        Supervision, Target, Whom,
    },
};

use super::world::World;

/// SplitMix64.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x7461_6e64_656d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let n = self.below(from.len() as u64);
        from[usize::try_from(n).unwrap()].clone()
    }

    /// Mostly nothing or moments, now and then seconds.
    pub(super) fn pause_us(&mut self) -> i64 {
        let us = match self.below(10) {
            0..=4 => 0,
            5..=7 => self.below(400_000),
            8 => self.below(3_000_000),
            _ => self.below(20_000_000),
        };
        us.cast_signed()
    }

    pub(super) fn input(&mut self, world: &World) -> Input {
        if world.awaits_step && !self.one_in(6) {
            let gives_up = (world.transfer.is_some() || world.redirects > 0) && self.one_in(3);
            let goes_on = world.redirects > 0 && self.one_in(2);
            return Input::Step(match (gives_up, goes_on) {
                (true, _) => Step::Hangup { cause: self.cause() },
                (false, true) => self.dial(),
                (false, false) => self.step(),
            });
        }
        // Who redirects is often redirected to somebody who does.
        if world.redirects > 0 && self.one_in(4) {
            return self.redirected(world);
        }
        match self.below(100) {
            0..=9 => Input::LegRang { leg: self.leg(world), early_media: self.one_in(3) },
            10..=27 => Input::LegAnswered { leg: self.leg(world) },
            28..=32 => Input::LegFailed { leg: self.called_leg(world), cause: self.cause() },
            33..=35 => Input::LegEnded { leg: self.called_leg(world), cause: self.cause() },
            36..=37 => self.redirected(world),
            38 if self.one_in(3) => Input::LegEnded { leg: LegId::CALLER, cause: self.cause() },
            38..=40 => Input::Transfer { leg: self.leg(world), by: Origin::Extension("1001".into()), to: "1002".into() },
            41..=46 => Input::LegHeld { leg: self.leg(world), held: self.one_in(2) },
            47..=54 => Input::Digit { leg: self.leg(world), digit: self.pick(&['0', '5', '9', '*', '#', 'A', 'x']) },
            55..=62 => Input::Played { leg: self.leg(world), play: world.last_play.wrapping_sub(u32::from(self.one_in(5))) },
            63..=91 => Input::Floor(self.floor(world)),
            92 => Input::PauseRecording { paused: self.one_in(2) },
            93 if self.one_in(6) => Input::Hangup { cause: self.cause() },
            93..=94 => Input::Step(self.step()),
            95 if self.one_in(2) => Input::GivenAway { by: self.leg(world) },
            95 => Input::Replaced { leg: self.leg(world), new: self.newcomer(world) },
            96 if self.one_in(3) => Input::RoomFull { leg: self.leg(world) },
            96 if self.one_in(2) => Input::HandedBack { leg: self.leg(world), failed: self.one_in(2).then(|| self.cause()) },
            96 => Input::Routed("elsewhere".into()),
            97..=98 => self.about_slots(world),
            _ => Input::Tick,
        }
    }

    /// Slots, and who takes whom from where.
    fn about_slots(&mut self, world: &World) -> Input {
        let leg = self.leg(world);
        match self.below(12) {
            11 if self.one_in(2) => {
                Input::Answered { question: u32::try_from(self.below(4)).unwrap(), answer: Err(Unanswered::Unreachable) }
            }
            11 => Input::Streamed { leg, outcome: StepOutcome::Failed },
            8..=9 => Input::MailboxOpen { leg },
            10 => Input::MailboxFull { leg },
            0..=2 => Input::Parked { leg, slot: "701".into() },
            3 => Input::LotFull { leg },
            4 => Input::NotTaken { leg },
            5 => Input::Leaves { leg },
            _ => Input::Taken { new: Newcomer { is_same_party: false, ..self.newcomer(world) } },
        }
    }

    fn redirected(&mut self, world: &World) -> Input {
        let by = if self.one_in(3) { Origin::Trunk("carrier".into()) } else { Origin::Extension("1001".into()) };
        let to = self.pick(&["1002", "1003", "1004", "+390287654321", "0", "1", "2", "3", "4"]).into();
        let more = self.pick(&["+390287654321", "5", "6", "7"]).into();
        let to = if self.one_in(2) { vec![to, more] } else { vec![to] };
        Input::LegRedirected { leg: self.called_leg(world), by, to, why: self.cause() }
    }

    fn newcomer(&mut self, world: &World) -> Newcomer {
        // Mostly the name that is next.
        let leg = LegId(world.last_leg().0 + 1 + u16::from(self.one_in(8)));
        let (by_trunk, held, is_same_party) = (self.one_in(2), self.one_in(4), self.one_in(3));
        Newcomer { leg, number: "1003".into(), by_trunk, held, is_same_party }
    }

    /// Any leg that ever was, and one that never was; mostly the last.
    fn leg(&mut self, world: &World) -> LegId {
        let last = world.last_leg();
        if self.one_in(2) { last } else { LegId(u16::try_from(self.below(u64::from(last.0) + 2)).unwrap()) }
    }

    fn called_leg(&mut self, world: &World) -> LegId {
        LegId(self.leg(world).0.max(1))
    }

    fn cause(&mut self) -> Cause {
        self.pick(&[
            Cause::Normal,
            Cause::Busy,
            Cause::NoAnswer,
            Cause::Rejected,
            Cause::Unavailable,
            Cause::MediaTimeout,
            Cause::Fault,
        ])
    }

    /// An item of this call, mostly the one that waits.
    fn item(&mut self, world: &World) -> ItemId {
        match world.items.last() {
            Some(item) if !self.one_in(6) => *item,
            Some(_) => self.pick(&world.items),
            None => ItemId(1),
        }
    }

    fn floor(&mut self, world: &World) -> FloorSays {
        let item = self.item(world);
        let place = Place { position: 1, estimated_wait_ms: self.one_in(2).then_some(90_000) };
        let known = OfferId(self.below(world.last_offer + 2));
        let last = OfferId(world.last_offer);
        match self.below(40) {
            0..=3 => FloorSays::Queued { item, place },
            4..=6 => FloorSays::Place { item, place },
            7 => FloorSays::Refused {
                item,
                reason: self.pick(&[RefuseReason::NoAgents, RefuseReason::Full, RefuseReason::NoSuchQueue]),
            },
            8..=18 => FloorSays::Offer {
                offer: OfferId(world.last_offer + 1),
                item,
                agent: "1001".into(),
                devices: self.devices(),
                ring_ms: 20_000,
            },
            19..=21 => FloorSays::Withdraw { offer: if self.one_in(3) { known } else { last } },
            // The floor connects what it was told is accepted; now and then it is beside itself.
            22..=35 => FloorSays::Connect { offer: world.accepted.filter(|_| !self.one_in(8)).unwrap_or(known) },
            36 if world.asked_for_callback == Some(item) && self.one_in(4) => FloorSays::CallbackRefused { item },
            36 if world.asked_for_callback == Some(item) => FloorSays::CallbackKept { item },
            37 => FloorSays::Overflowed { item, queue: self.pick(&["sales", "night"]).into(), place },
            38 => FloorSays::Stays { item, to: self.pick(&["sales", "night"]).into(), reason: RefuseReason::Full },
            _ => FloorSays::AgentReply { done: self.one_in(2) },
        }
    }

    fn audio(&mut self) -> Audio {
        let phrases = if self.one_in(5) { Vec::new() } else { vec![Phrase::Prompt("welcome".into())] };
        Audio { language: "en".into(), phrases }
    }

    fn step(&mut self) -> Step {
        match self.below(60) {
            0..=2 => Step::Ring,
            3..=5 => Step::Answer,
            6..=11 => Step::Play { audio: self.audio(), interrupt: self.one_in(2) },
            12..=17 => Step::Collect(Collect {
                audio: self.audio(),
                max_digits: u8::try_from(self.below(4)).unwrap(),
                first_digit_ms: self.below(6_000),
                next_digit_ms: self.below(3_000),
                terminator: self.one_in(2).then_some('#'),
            }),
            18..=40 => self.queue(),
            41..=53 => self.dial(),
            54 if self.one_in(2) => Step::Park(Park {
                lot: "main".into(),
                slots: (701, 703),
                timeout_ms: self.below(60_000),
                music: None,
                language: "en".into(),
            }),
            54 if self.one_in(2) => Step::Voicemail(LeaveMessage {
                mailbox: "1001".into(),
                greeting: self.audio(),
                max_ms: self.below(60_000),
                most: 9,
            }),
            54 => Step::Take(Whom::Parked("701".into())),
            55 if self.one_in(2) => Step::Echo,
            55 if self.one_in(2) => Step::Stream { program: "bot".into() },
            55 if self.one_in(2) => Step::Ask(Box::new(Ask {
                service: "crm".into(),
                budget_ms: self.below(5_000),
                words: vec!["gold".into()],
                receives: Vec::new(),
                origin: Origin::Trunk("carrier".into()),
                from: "+390212345678".into(),
                to: "100".into(),
                route: None,
                language: "en".into(),
                variables: Vec::new(),
            })),
            55 if self.one_in(3) => Step::Fork { program: "ears".into(), sides: Sides::Both },
            55 if self.one_in(2) => Step::Supervise { agent: "1001".into(), role: Supervision::Monitor },
            55 if self.one_in(2) => Step::Conference { room: "weekly".into(), muted: self.one_in(2) },
            55 => Step::HandBack { number: "+390287654321".into() },
            56..=58 => Step::Agent(AgentRequest::SignIn),
            _ => Step::Hangup { cause: self.cause() },
        }
    }

    fn queue(&mut self) -> Step {
        Step::Queue(QueueStep {
            queue: "support".into(),
            skills: Vec::new(),
            priority_minutes: 0,
            max_wait_ms: self.one_in(2).then(|| self.below(60_000)),
            music: self.one_in(2).then(|| "moh".into()),
            language: "en".into(),
            announce_every_ms: self.one_in(2).then(|| self.below(5_000)),
            comfort: self.one_in(3).then(|| "please-wait".into()),
            record: self.one_in(2),
            wait_without_agents: self.one_in(2),
            ladder: self.ladder(),
            callback: self.callback_offer(),
        })
    }

    /// One device, or several: with a key or without.
    fn devices(&mut self) -> Devices {
        if self.one_in(2) {
            return Target::Extension("1001".into()).into();
        }
        let order = if self.one_in(2) { RingStrategy::All } else { RingStrategy::InOrder };
        let list = (0..=self.below(3)).map(|n| Device {
            name: format!("device {n}").into(),
            kind: DeviceKind::Softphone,
            target: Target::Extension("1001".into()),
            ring_ms: Some(1_000 + self.below(20_000)),
            confirm: self.one_in(2).then_some('1'),
        });
        Devices { order, list: list.collect() }
    }

    fn callback_offer(&mut self) -> Option<Box<CallbackOffer>> {
        self.one_in(2).then(|| {
            Box::new(CallbackOffer {
                after_ms: self.below(20_000),
                key: '1',
                prompt: "callback-offer".into(),
                confirm: self.one_in(2).then(|| "callback-kept".into()),
                target: Target::Trunk { trunk: "carrier".into(), number: "+390612345678".into() },
                tries: Tries { left: 2, apart_ms: 60_000, ring_ms: 20_000 },
            })
        })
    }

    fn ladder(&mut self) -> Ladder {
        let queues = ["support", "sales", "night"];
        let rungs = (0..self.below(4)).map(|_| Rung {
            of: self.pick(&queues).into(),
            after_ms: self.below(40_000),
            to: self.pick(&queues).into(),
        });
        let rungs = rungs.collect();
        let hall = |queue: &str| Hall {
            queue: queue.into(),
            max_wait_ms: Some(50_000),
            music: None,
            announce_every_ms: None,
            comfort: None,
            record: false,
            wait_without_agents: true,
        };
        Ladder { rungs, halls: queues.map(hall).into(), own_max_wait: self.one_in(2) }
    }

    fn dial(&mut self) -> Step {
        let targets = [
            Target::Extension("1001".into()),
            Target::Fixed("sip:agent7@127.0.0.3:5090".into()),
            Target::Trunk { trunk: "carrier".into(), number: "+390612345678".into() },
        ];
        Step::Dial(Dial {
            targets: (0..self.below(4)).map(|_| self.pick(&targets)).collect(),
            strategy: if self.one_in(2) { RingStrategy::All } else { RingStrategy::InOrder },
            ring_ms: self.below(25_000),
            record: self.one_in(2),
            music: self.one_in(3).then(|| "moh".into()),
            caller_id: None,
        })
    }
}
