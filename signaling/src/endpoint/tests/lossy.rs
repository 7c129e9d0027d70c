//! Many calls over a bad wire: every one ends, and nothing is left.

use std::collections::HashMap;

use bytes::Bytes;

use super::world::{Faults, SDP, World};
use crate::{
    endpoint::{Command, Event, Invite, InviteId, PartyIdentity, Target},
    flow::Transport,
};

fn sdp() -> Bytes {
    Bytes::from_static(SDP.as_bytes())
}

/// Random programs at both ends; the invitations that are open, by end and name.
#[derive(Default)]
struct Programs {
    open: HashMap<(usize, InviteId), &'static str>,
    ended: usize,
}

impl Programs {
    fn place_call(&mut self, world: &mut World, from: usize) {
        let invite = world.ends[from].next_invite();
        let target = Target::Trunk { name: format!("t{}", 1 - from).into(), user: "1".to_owned() };
        let wish = Invite {
            party: PartyIdentity::default(),
            invite,
            target,
            from_user: "2".to_owned(),
            from_display: String::new(),
            sdp: sdp(),
            headers: Vec::new(),
            is_emergency: false,
            web_sdp: None,
        };
        self.open.insert((from, invite), "calling");
        world.command(from, Command::Invite(Box::new(wish)));
    }

    fn hear(&mut self, world: &mut World, end: usize, event: Event) {
        match event {
            Event::Invited(invited) => {
                let invite = invited.invite;
                assert_eq!(self.open.insert((end, invite), "ringing"), None);
                let dice = world.random(10);
                match world.random(3) {
                    0 => world.command(end, Command::Progress { invite, code: 180, sdp: None }),
                    1 => world.command(end, Command::Progress { invite, code: 183, sdp: Some(sdp()) }),
                    _ => {}
                }
                match dice {
                    0..=5 => world.command(end, Command::Answer { invite, sdp: sdp() }),
                    6 => self.give_up(world, end, invite, 486),
                    _ => {}
                }
            }
            Event::Answered { invite, .. } | Event::Confirmed { invite, .. } => {
                let known = self.open.insert((end, invite), "up");
                assert!(known.is_some(), "an event for an invitation that is over");
                match world.random(4) {
                    0 => world.command(end, Command::Reoffer { invite, sdp: sdp() }),
                    1 => self.give_up(world, end, invite, 200),
                    _ => {}
                }
            }
            Event::Progressed { invite, sdp: Some(_), .. } => {
                assert!(self.open.contains_key(&(end, invite)));
                match world.random(3) {
                    0 => world.command(end, Command::Reoffer { invite, sdp: sdp() }),
                    1 => self.give_up(world, end, invite, 487),
                    _ => {}
                }
            }
            Event::Reoffered { invite, .. } => {
                assert!(self.open.contains_key(&(end, invite)));
                if self.open.get(&(end, invite)) == Some(&"ringing") && world.random(2) == 0 {
                    // The answer has to wait for the exchange.
                    world.command(end, Command::Answer { invite, sdp: sdp() });
                }
                let command = match world.random(3) {
                    0 => Command::RejectReoffer { invite, code: 488 },
                    _ => Command::AnswerReoffer { invite, sdp: sdp() },
                };
                world.command(end, command);
            }
            Event::Cancelled { invite } | Event::Rejected { invite, .. } | Event::Ended { invite, .. } => {
                assert!(self.open.remove(&(end, invite)).is_some(), "ended twice");
                self.ended += 1;
            }
            Event::ReofferAnswered { invite, .. } | Event::ReofferRejected { invite, .. } => {
                assert!(self.open.contains_key(&(end, invite)));
            }
            _ => {}
        }
    }

    fn give_up(&mut self, world: &mut World, end: usize, invite: InviteId, code: u16) {
        if self.open.remove(&(end, invite)).is_some() {
            self.ended += 1;
            world.command(end, Command::End { invite, code, reason: String::new() });
        }
    }

    /// One of the open invitations is ended, by chance.
    fn end_one(&mut self, world: &mut World) {
        let mut open: Vec<_> = self.open.keys().copied().collect();
        open.sort_unstable();
        if !open.is_empty() {
            let at = usize::try_from(world.random(open.len() as u64)).unwrap();
            let (end, invite) = open[at];
            self.give_up(world, end, invite, 200);
        }
    }
}

fn many_calls(seed: u64, faults: Faults, transport: Transport) {
    let mut world = World::new(2, transport, seed);
    world.faults = faults;
    let mut programs = Programs::default();
    for _ in 0..200 {
        let from = usize::from(world.random(2) == 1);
        programs.place_call(&mut world, from);
        if world.random(3) == 0 {
            programs.end_one(&mut world);
        }
        let pause = world.random(400);
        world.run_with(pause, &mut |world, end, event| programs.hear(world, end, event));
    }
    // An INVITE may still be on its way, and be heard of after everything else has ended.
    for _ in 0..4 {
        while !programs.open.is_empty() {
            programs.end_one(&mut world);
            world.run_with(50, &mut |world, end, event| programs.hear(world, end, event));
        }
        world.run_with(33_000, &mut |world, end, event| programs.hear(world, end, event));
    }
    assert!(programs.ended >= 200, "seed {seed}");
    // 64 T1 + 5 s, once for what is under way and once for a BYE that had to wait for an ACK.
    world.settle(2 * 37_000);
}

#[test]
fn every_call_ends_and_leaves_nothing_whatever_is_lost() {
    for (seed, loss) in [(1, 0), (2, 0), (3, 20), (4, 20), (5, 50), (6, 50), (7, 100)] {
        many_calls(seed, Faults { loss, doubles: 10, jitter_ms: 40 }, Transport::Udp);
    }
    many_calls(8, Faults::default(), Transport::Tcp);
}

#[test]
fn a_run_with_the_same_seed_is_the_same_run() {
    let ladder = || {
        let mut world = World::new(2, Transport::Udp, 42);
        world.faults = Faults { loss: 20, doubles: 20, jitter_ms: 30 };
        let mut programs = Programs::default();
        for _ in 0..20 {
            programs.place_call(&mut world, 0);
            world.run_with(100, &mut |world, end, event| programs.hear(world, end, event));
        }
        world.ladder
    };
    assert_eq!(ladder(), ladder());
}
