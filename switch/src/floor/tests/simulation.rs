//! Many seeded worlds: everything that can happen happens, in any order, and the rules hold.

use super::world::{Dice, World};
use crate::{
    callback::{Callback, Tries},
    cause::Cause,
    cdr::Origin,
    channel::Capacity,
    device::{Device, DeviceKind, Devices},
    floor::{AgentProfile, Input, QueueProfile, Relaxation, Work, WorkRules},
    id::{CallId, CustomerId, ItemId, OfferId},
    ladder::Ladder,
    link::{Enqueue, LeaveReason, ToFloor},
    name::{AgentName, PartyNumber, QueueName, SkillLevel},
    step::{AgentRequest, QueueStep, RingStrategy, Target},
};

const QUEUES: [&str; 3] = ["support", "sales", "night"];
const SKILLS: [&str; 2] = ["billing", "italian"];
const AGENTS: u64 = 6;

#[test]
fn whatever_happens_nobody_is_lost_and_no_agent_is_idle_while_somebody_waits() {
    let (mut served, mut rejoined, mut overflowed) = (0, 0, 0);
    let (mut callbacks, mut reached) = (0, 0);
    for seed in 0..32 {
        let shout = Shout(seed);
        let world = run(seed, 700);
        served += world.served;
        rejoined += world.rejoined;
        overflowed += world.overflowed;
        callbacks += world.callbacks;
        reached += world.reached;
        std::mem::forget(shout);
    }
    // The worlds are no ghost towns.
    assert!(served > 1_000 && rejoined > 50, "served {served}, rejoined {rejoined}");
    assert!(overflowed > 50, "overflowed {overflowed}");
    assert!(callbacks > 100 && reached > 50, "callbacks {callbacks}, reached {reached}");
}

/// Says which seed failed.
struct Shout(u64);

impl Drop for Shout {
    fn drop(&mut self) {
        eprintln!("failed with seed {}", self.0);
    }
}

fn run(seed: u64, steps: u64) -> World {
    let mut world = World::new(seed);
    world.queues = QUEUES.iter().map(|name| queue(&mut world.dice, name)).collect();
    world.agents = (0..AGENTS).map(|number| agent(&mut world.dice, number)).collect();
    world.give(Input::Queues(world.queues.clone()));
    world.give(Input::Agents(world.agents.clone()));
    let mut next = 1;
    for _ in 0..steps {
        step(&mut world, &mut next);
        let ms = world.dice.below(3_000);
        world.pass(ms);
    }
    drain(&mut world);
    world
}

/// Everybody works and answers: then everybody is served.
fn drain(world: &mut World) {
    world.eager = true;
    for queue in &mut world.queues {
        queue.max_missed = 0;
    }
    world.agents = (0..AGENTS).map(|number| agent(&mut Dice::new(number), number)).collect();
    for agent in &mut world.agents {
        agent.queues = QUEUES.iter().map(|name| QueueName::from(*name)).collect();
        agent.skills = SKILLS.iter().map(|name| skill(name, 9)).collect();
        agent.always_on = true;
    }
    world.give(Input::Queues(world.queues.clone()));
    world.give(Input::Agents(world.agents.clone()));
    for number in 0..AGENTS {
        for phone in [name(number), second_phone(number)] {
            world.give(Input::Line(ToFloor::DeviceBusy { agent: phone, legs: 0 }));
        }
        for request in [AgentRequest::SignIn, AgentRequest::Ready] {
            world.give(Input::Agent { agent: name(number), request });
        }
    }
    for _ in 0..3_600 {
        world.pass(5_000);
        if !world.anybody_waits() && world.everybody_is_free() {
            assert!(world.callers.is_empty(), "callers whom the floor forgot");
            return;
        }
    }
    panic!("somebody still waits after five hours: {:?}", world.floor.items(world.now));
}

fn step(world: &mut World, next: &mut u64) {
    match world.dice.below(100) {
        0..=34 => call(world, next),
        35..=43 => hang_up(world),
        44..=45 => overflow(world),
        46 => call_back(world),
        47..=66 => ask(world),
        67..=74 => device(world),
        75..=82 => nonsense(world),
        83..=90 => reload_agents(world),
        91..=95 => reload_queues(world),
        96..=97 => restart(world, next),
        _ => world.pass(20_000),
    }
}

fn call(world: &mut World, next: &mut u64) {
    let caller = PartyNumber::from(&*format!("+3900{}", world.dice.below(40)));
    let queue = QueueName::from(*world.dice.pick(&QUEUES));
    enqueue(world, next, caller, queue);
}

fn enqueue(world: &mut World, next: &mut u64, caller: PartyNumber, queue: QueueName) {
    *next += 1;
    let (item, call) = (ItemId(*next), CallId(*next));
    let skills = SKILLS.iter().filter(|_| world.dice.chance(30)).map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let skills = skills.iter().map(|name| skill(name, u8::try_from(1 + world.dice.below(6)).unwrap())).collect();
    let enqueue = Enqueue {
        item,
        call,
        queue,
        caller: caller.clone(),
        skills,
        priority_minutes: if world.dice.chance(20) { u32::try_from(world.dice.below(10)).unwrap() } else { 0 },
        wait_without_agents: world.dice.chance(70),
        arrived_at: world.now,
        work: Work::default(),
    };
    world.admit(item, call, caller);
    // A call says nothing to the floor before it said that it comes: no delay, but maybe twice.
    world.give(Input::Line(ToFloor::Enqueue(enqueue.clone())));
    if world.dice.chance(5) && world.callers.contains_key(&item) {
        world.give(Input::Line(ToFloor::Enqueue(enqueue)));
    }
}

fn hang_up(world: &mut World) {
    let items: Vec<ItemId> = world.callers.keys().copied().collect();
    if items.is_empty() {
        return;
    }
    let item = *world.dice.pick(&items);
    let caller = world.callers.remove(&item).unwrap();
    let message = if caller.talking {
        ToFloor::Finished { item, cause: Cause::Normal }
    } else {
        ToFloor::Leave { item, reason: *world.dice.pick(&[LeaveReason::Abandoned, LeaveReason::TimedOut]) }
    };
    world.send(0, &message);
}

/// Somebody who waits, or waited a moment ago, goes on to another queue, or to the same.
fn overflow(world: &mut World) {
    let items: Vec<ItemId> = world.callers.keys().copied().collect();
    if items.is_empty() {
        return;
    }
    let (item, to) = (*world.dice.pick(&items), QueueName::from(*world.dice.pick(&QUEUES)));
    let wait_without_agents = world.dice.chance(70);
    world.send(0, &ToFloor::Overflow { item, to, wait_without_agents });
}

/// Somebody who waits wants to be called back, or one such wish is withdrawn.
fn call_back(world: &mut World) {
    if world.dice.chance(10) {
        let promised: Vec<ItemId> =
            world.floor.items(world.now).iter().filter(|i| i.callback.is_some()).map(|i| i.item).collect();
        if !promised.is_empty() {
            let item = *world.dice.pick(&promised);
            world.give(Input::DropCallback(item));
        }
        return;
    }
    for _ in 0..3 {
        let waiting: Vec<ItemId> = world.callers.iter().filter(|(_, caller)| !caller.talking).map(|(item, _)| *item).collect();
        if waiting.is_empty() {
            return;
        }
        let callback = Callback {
            target: Target::Trunk { trunk: "carrier".into(), number: "1".into() },
            tries: Tries {
                left: 1 + u32::try_from(world.dice.below(3)).unwrap(),
                apart_ms: world.dice.below(60_000),
                ring_ms: 1_000 + world.dice.below(20_000),
            },
            not_before: world.now,
            origin: Origin::Trunk("carrier".into()),
            dialled: "1800".into(),
            arrived_at: world.now,
            step: waited(),
            customer: None,
        };
        let item = *world.dice.pick(&waiting);
        world.send(0, &ToFloor::CallBack { item, callback: Box::new(callback) });
    }
}

fn ask(world: &mut World) {
    let agent = name(world.dice.below(AGENTS + 1));
    let requests = [
        AgentRequest::SignIn,
        AgentRequest::SignIn,
        AgentRequest::Ready,
        AgentRequest::Ready,
        AgentRequest::SignOut,
        AgentRequest::NotReady { reason: "lunch".to_owned() },
    ];
    let request = world.dice.pick(&requests).clone();
    if world.dice.chance(50) {
        world.give(Input::Agent { agent, request });
    } else {
        world.send(0, &ToFloor::Agent { call: CallId(1), agent, request });
    }
}

fn device(world: &mut World) {
    let number = world.dice.below(AGENTS);
    let agent = if world.dice.chance(70) { name(number) } else { second_phone(number) };
    let message = if world.dice.chance(70) {
        ToFloor::DeviceReachable { agent, reachable: world.dice.chance(75) }
    } else {
        ToFloor::DeviceBusy { agent, legs: u32::try_from(world.dice.below(5).saturating_sub(2)).unwrap() }
    };
    world.send(0, &message);
}

/// Old, unknown and misplaced messages. Some of them are true: a decline of a live offer is a decline.
fn nonsense(world: &mut World) {
    let known: Vec<ItemId> = world.floor.items(world.now).iter().map(|item| item.item).collect();
    let waiting: Vec<ItemId> = known.iter().copied().filter(|item| world.callers.get(item).is_some_and(|c| !c.talking)).collect();
    if !known.is_empty() && world.dice.chance(30) {
        let (item, customer) = (*world.dice.pick(&known), CustomerId(world.dice.below(10)));
        world.give(Input::Known { item, customer });
    }
    let old = world.offers_made.iter().rev().nth(7).copied().unwrap_or(OfferId(5));
    let message = match world.dice.below(6) {
        0 => ToFloor::Accept { offer: old },
        1 => ToFloor::Decline { offer: old, cause: Cause::Fault },
        2 => ToFloor::Leave { item: ItemId(1_000_000), reason: LeaveReason::Fault },
        3 if !waiting.is_empty() => ToFloor::Finished { item: *world.dice.pick(&waiting), cause: Cause::Normal },
        4 => ToFloor::Accept { offer: OfferId(1) },
        _ => ToFloor::DeviceBusy { agent: "9999".into(), legs: 3 },
    };
    world.give(Input::Line(message));
}

fn reload_agents(world: &mut World) {
    let number = world.dice.below(AGENTS);
    world.agents.retain(|agent| agent.agent != name(number));
    if world.dice.chance(75) {
        let changed = agent(&mut world.dice, number);
        world.agents.push(changed);
    } else {
        world.came_again.insert(name(number));
    }
    world.give(Input::Agents(world.agents.clone()));
}

fn reload_queues(world: &mut World) {
    let name = *world.dice.pick(&QUEUES);
    world.queues.retain(|queue| queue.queue.as_str() != name);
    if world.dice.chance(80) {
        let changed = queue(&mut world.dice, name);
        world.queues.push(changed);
    }
    world.give(Input::Queues(world.queues.clone()));
}

/// After the restart some callers call back, some to another queue.
fn restart(world: &mut World, next: &mut u64) {
    let numbers = world.restart();
    for number in 0..AGENTS {
        if world.dice.chance(80) {
            world.give(Input::Line(ToFloor::DeviceReachable { agent: name(number), reachable: true }));
        }
    }
    for caller in numbers {
        let ms = world.dice.below(2_000);
        world.pass(ms);
        let queue = QueueName::from(*world.dice.pick(&QUEUES));
        let same = world.journal.waiting.iter().find(|item| item.caller == caller).map(|item| item.queue.clone());
        enqueue(world, next, caller, same.unwrap_or(queue));
    }
}

fn name(number: u64) -> AgentName {
    AgentName::from(format!("{}", 1001 + number))
}

fn skill(name: &str, level: u8) -> SkillLevel {
    SkillLevel { skill: name.into(), level }
}

fn agent(dice: &mut Dice, number: u64) -> AgentProfile {
    AgentProfile {
        agent: name(number),
        queues: QUEUES.iter().filter(|_| dice.chance(60)).map(|name| QueueName::from(*name)).collect(),
        skills: SKILLS.iter().map(|name| skill(name, u8::try_from(dice.below(8)).unwrap())).collect(),
        device: Target::Extension("1".into()),
        devices: devices(dice, number),
        always_on: dice.chance(30),
        capacity: Capacity::default(),
    }
}

/// Their own phone, or two, or a number outside as well.
fn devices(dice: &mut Dice, number: u64) -> Devices {
    let own = Target::Extension(name(number).as_str().into());
    let second = Target::Extension(second_phone(number).as_str().into());
    let mobile = Target::Trunk { trunk: "carrier".into(), number: "+39333".into() };
    let order = if dice.chance(50) { RingStrategy::All } else { RingStrategy::InOrder };
    let wanted = [own, second, mobile].into_iter().take(usize::try_from(dice.below(8).saturating_sub(4)).unwrap());
    let device = |target| Device { name: "a".into(), kind: DeviceKind::Desk, target, ring_ms: None, confirm: None };
    Devices { order, list: wanted.map(device).collect() }
}

fn second_phone(number: u64) -> AgentName {
    format!("9{}", name(number)).into()
}

fn queue(dice: &mut Dice, name: &str) -> QueueProfile {
    let relax = |dice: &mut Dice| Relaxation {
        after_ms: dice.below(60_000),
        skill: (*dice.pick(&SKILLS)).into(),
        to_level: u8::try_from(dice.below(4)).unwrap(),
    };
    QueueProfile {
        queue: name.into(),
        answer_target_ms: 1_000 + dice.below(60_000),
        ring_ms: dice.below(15_000),
        wrap_up_ms: dice.below(3) * 4_000,
        relax: (0..dice.below(3)).map(|_| relax(dice)).collect(),
        max_waiting: u32::try_from(5 + dice.below(30)).unwrap(),
        rejoin_grace_ms: dice.below(90_000),
        max_missed: u32::try_from(dice.below(4)).unwrap(),
        callbacks_per_day: 3,
        work: WorkRules::default(),
    }
}

/// How somebody waited who is called back; the floor does not look at it.
pub(super) fn waited() -> QueueStep {
    QueueStep {
        queue: "support".into(),
        skills: Vec::new(),
        priority_minutes: 0,
        max_wait_ms: None,
        music: None,
        language: "en".into(),
        announce_every_ms: None,
        comfort: None,
        record: false,
        wait_without_agents: true,
        ladder: Ladder::default(),
        callback: None,
    }
}
