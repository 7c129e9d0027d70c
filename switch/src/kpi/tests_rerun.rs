//! A day of the past, run again.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use super::{KPIS, Past, Setting, Tally, Terms, rerun};
use crate::{
    channel::Capacity,
    floor::{AgentProfile, Floor, Input, Output, QueueProfile, Work, WorkRules},
    id::{CallId, IdSource, ItemId},
    link::{Enqueue, FloorSays, LeaveReason, ToFloor},
    step::{AgentRequest, Target},
    time::Timestamp,
};

const TALK_S: i64 = 60;

fn at(s: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + s * 1_000)
}

fn queue() -> QueueProfile {
    QueueProfile {
        queue: "support".into(),
        answer_target_ms: 20_000,
        ring_ms: 20_000,
        wrap_up_ms: 10_000,
        relax: Vec::new(),
        max_waiting: 1_000,
        rejoin_grace_ms: 0,
        max_missed: 0,
        callbacks_per_day: 3,
        work: WorkRules::default(),
    }
}

fn agent(name: &str) -> AgentProfile {
    let device = Target::Extension(name.into());
    let (skills, capacity) = (Vec::new(), Capacity::default());
    AgentProfile {
        agent: name.into(),
        queues: vec!["support".into()],
        skills,
        device,
        devices: crate::device::Devices::default(),
        always_on: false,
        capacity,
    }
}

fn setting(agents: &[&str]) -> Setting {
    Setting { queues: vec![queue()], agents: agents.iter().map(|name| agent(name)).collect() }
}

/// A caller every 20 s for an hour and two agents, who answer after 2 s: more than they can do. Who waits 90 s gives up.
fn past() -> Past {
    let (mut floor, mut past) = (Floor::new(IdSource::new(7)), Past::default());
    let mut next: std::collections::BTreeMap<(i64, u64), ToFloor> = std::collections::BTreeMap::new();
    let mut count = 0;
    let mut plan = |next: &mut std::collections::BTreeMap<(i64, u64), ToFloor>, s: i64, message| {
        count += 1;
        next.insert((s, count), message);
    };
    for n in 0..180u64 {
        let s = i64::try_from(n).unwrap() * 20;
        let enqueue = Enqueue {
            item: ItemId(n + 1),
            call: CallId(n + 1),
            queue: "support".into(),
            caller: "1".into(),
            skills: Vec::new(),
            priority_minutes: 0,
            wait_without_agents: true,
            arrived_at: at(s),
            work: Work::default(),
        };
        plan(&mut next, s, ToFloor::Enqueue(enqueue));
        plan(&mut next, s + 90, ToFloor::Leave { item: ItemId(n + 1), reason: LeaveReason::Abandoned });
    }
    let mut inputs = vec![Input::Queues(vec![queue()]), Input::Agents(vec![agent("1001"), agent("1002")])];
    for name in ["1001", "1002"] {
        inputs.push(Input::Line(ToFloor::DeviceReachable { agent: name.into(), reachable: true }));
        inputs.push(Input::Agent { agent: name.into(), request: AgentRequest::SignIn });
    }
    let (mut offered, mut connected) = (std::collections::BTreeMap::new(), std::collections::BTreeSet::new());
    let mut now = at(0);
    loop {
        for input in std::mem::take(&mut inputs) {
            floor.handle(now, input);
            while let Some(output) = floor.poll() {
                match output {
                    Output::Journal(event) => past.apply(&event),
                    Output::Line(line) => {
                        let s = (now.0 - at(0).0) / 1_000_000;
                        match line.say {
                            FloorSays::Offer { offer, item, .. } => {
                                offered.insert(offer, item);
                                plan(&mut next, s + 2, ToFloor::Accept { offer });
                            }
                            FloorSays::Connect { offer } => {
                                let item = offered[&offer];
                                connected.insert(item);
                                plan(&mut next, s + TALK_S, ToFloor::Finished { item, cause: crate::cause::Cause::Normal });
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
        let planned = next.first_key_value().map(|((s, _), _)| at(*s));
        let Some(soon) = planned.into_iter().chain(floor.deadline()).min() else { break };
        now = soon;
        if planned == Some(soon) {
            let message = next.pop_first().unwrap().1;
            // Who talks does not give up.
            if !matches!(message, ToFloor::Leave { item, .. } if connected.contains(&item)) {
                inputs.push(Input::Line(message));
            }
        } else {
            inputs.push(Input::Tick);
        }
    }
    past.complete()
}

fn tally(books: &super::Books) -> Tally {
    let mut tally = Tally::default();
    books.waits().iter().for_each(|wait| tally.wait(wait));
    assert!(tally.balances());
    tally
}

fn service_level(tally: &Tally) -> f64 {
    KPIS.iter().find(|kpi| kpi.name == "service-level").unwrap().of(tally, Terms::default()).value.unwrap()
}

#[test]
fn the_same_floor_does_the_same_again() {
    let past = past();
    let (was, again) = (tally(past.books()), tally(&rerun(&past, &setting(&["1001", "1002"]), (at(0), at(7_200)))));
    assert!(was.offered == 180 && was.lost.n() > 20, "{was:?}");
    assert_eq!((again.offered, again.waiting), (180, 0));
    assert_eq!((again.answered.n(), again.lost.n()), (was.answered.n(), was.lost.n()));
    assert_eq!((again.answered.sum_ms(), again.handled.sum_ms()), (was.answered.sum_ms(), was.handled.sum_ms()));
}

#[test]
fn more_agents_help_and_fewer_do_not() {
    let past = past();
    let with = |agents: &[&str]| tally(&rerun(&past, &setting(agents), (at(0), at(7_200))));
    let (one, two, four) = (with(&["1001"]), with(&["1001", "1002"]), with(&["1001", "1002", "extra-1", "extra-2"]));
    assert!(
        one.lost.n() > two.lost.n() && two.lost.n() > 0 && four.lost.n() == 0,
        "{} {} {}",
        one.lost.n(),
        two.lost.n(),
        four.lost.n()
    );
    assert!(service_level(&one) < service_level(&two) && service_level(&four) > 0.99);
    assert_eq!(four.answered.n(), 180);
}

#[test]
fn a_shorter_wrap_up_of_the_plan_is_felt_and_who_is_off_duty_takes_nothing() {
    let past = past();
    let mut quick = setting(&["1001", "1002"]);
    quick.queues[0].wrap_up_ms = 0;
    let with = tally(&rerun(&past, &quick, (at(0), at(7_200))));
    assert!(with.answered.n() > tally(past.books()).answered.n());
    let nobody = tally(&rerun(&past, &setting(&[]), (at(0), at(7_200))));
    assert_eq!((nobody.answered.n(), nobody.offered), (0, 180), "all give up sooner or later, or wait on");
}
