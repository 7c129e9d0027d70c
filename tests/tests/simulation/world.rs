//! A world in simulated time: a switch, a carrier with callers, phones with agents, and what happens next.
//!
//! Everything that happens stands in one queue, ordered by time; chance comes from one seed. So a world is
//! the same world each time it is run.

use std::{
    collections::BinaryHeap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tandem_dialplan::Plan;
use tandem_signaling::{
    endpoint::{Command, Destination, Input, InviteId, Output},
    flow::Flow,
};
use tandem_switch::{
    floor::{self, AgentProfile, Floor},
    id::{CallId, IdSource},
    link::{ToFloor, ToLine},
    name::{AgentName, PartyNumber},
    time::Timestamp,
};

use crate::{
    Shape, Totals,
    diary::Diary,
    dice::Dice,
    edge::{Edge, LegRef},
    line::{Effect, Line},
    net::Net,
    people::{Act, Phone},
    plan,
    station::{Station, account, link},
    watch::{Watch, check_cdr},
};

/// The first moment of every world.
const BEGIN_MS: i64 = 1_790_000_000_000;
/// Where the switch, the carrier and the desk with fixed devices stand.
pub(crate) const SWITCH: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1)), 5060);
const CARRIER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2)), 5060);
const DESK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 3)), 5090);
/// Messages between the two loops take so long at most, in ms; a few of a hundred find the other loop busy.
const LINK_MS: u64 = 3;
const BUSY_LINK_MS: u64 = 250;
const BUSY_PERCENT: u64 = 3;

/// What must not be, and whom it concerns.
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) whom: Vec<String>,
}

impl Failure {
    pub(crate) fn of_all(what: impl Into<String>) -> Self {
        Self { what: what.into(), whom: Vec::new() }
    }
}

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Something that will happen. What concerns one life of the switch names it, and means nothing to the next.
pub(crate) enum Happening {
    /// A datagram arrives.
    Packet {
        to: Place,
        flow: Flow,
        bytes: Bytes,
    },
    /// A deadline of a station.
    Wake(Place),
    FloorWake(u32),
    FloorHears(u32, Box<ToFloor>),
    LineHears(u32, Box<ToLine>),
    Played(u32, LegRef, u32),
    Digit(CallId, char),
    /// Audio of a leg has been away for so long that it is noticed.
    Silence(LegRef),
    /// A leg whose other side left long ago.
    MustBeGone(u32, LegRef),
    /// A person does something on a line of a phone.
    Act {
        phone: usize,
        life: u32,
        invite: InviteId,
        act: Act,
    },
    /// A new caller, and the one after.
    Arrive,
    /// Somebody calls again.
    CallBack {
        number: String,
        dials: String,
    },
    /// An agent looks at what they are doing.
    Errand(usize),
    /// A phone has power again.
    PowerOn(usize),
    Crash,
    Restart,
}

/// Who may be sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Switch,
    Phone(usize),
}

struct Due {
    at: u64,
    serial: u64,
    what: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.serial).cmp(&(self.at, self.serial))
    }
}

pub(crate) struct World {
    pub(crate) shape: Shape,
    pub(crate) dice: Dice,
    pub(crate) now: u64,
    pub(crate) totals: Totals,
    pub(crate) diary: Option<Diary>,
    pub(crate) net: Net,
    pub(crate) plan: Arc<Plan>,
    pub(crate) line: Line,
    pub(crate) floor: Floor,
    pub(crate) watch: Watch,
    /// The carrier, the desk of fixed devices, then one phone for each registered agent.
    pub(crate) phones: Vec<Phone>,
    pub(crate) agents: Vec<AgentName>,
    pub(crate) profiles: Vec<AgentProfile>,
    /// Lives of the switch; odd while it is down.
    pub(crate) life: u32,
    /// When it was alive last.
    pub(crate) stopped_at: Timestamp,
    /// Everybody answers at once, nobody gives up.
    pub(crate) polite: bool,
    /// No new calls, errands and accidents.
    pub(crate) closing: bool,
    /// Messages between the loops under way.
    pub(crate) on_link: usize,
    /// Something changed since the two loops were compared.
    pub(crate) unseen: bool,
    /// Inputs of the floor.
    pub(crate) floor_steps: u64,
    pub(crate) steps: u64,
    pub(crate) next_number: u64,
    start: Instant,
    serial: u64,
    queue: BinaryHeap<Due>,
    switch_wake: Option<u64>,
    floor_wake: Option<u64>,
    link_at: [u64; 2],
}

impl World {
    pub(crate) fn new(seed: u64, shape: Shape, diary: Option<Diary>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a simulation needs some first instant; nothing depends on which")]
        let start = Instant::now();
        let mut dice = Dice::new(seed);
        let plan = Arc::new(plan::plan());
        let net = Net::new(dice.next());
        let mut line = Line::new(Edge::new(Station::new(SWITCH, dice.seed()), start), Arc::clone(&plan));
        line.noting = diary.is_some();
        let mut phones =
            vec![Phone::new(Station::new(CARRIER, dice.seed()), None), Phone::new(Station::new(DESK, dice.seed()), None)];
        for agent in 0..shape.registered {
            phones.push(Phone::new(Station::new(address_of(agent), dice.seed()), Some(format!("{}", 1001 + agent))));
        }
        let mut world = Self {
            shape,
            dice,
            now: 0,
            totals: Totals::default(),
            diary,
            net,
            plan,
            line,
            floor: Floor::new(IdSource::new(3)),
            watch: Watch::default(),
            phones,
            agents: Vec::new(),
            profiles: Vec::new(),
            life: 0,
            stopped_at: Timestamp::default(),
            polite: false,
            closing: false,
            on_link: 0,
            unseen: false,
            floor_steps: 0,
            steps: 0,
            next_number: 0,
            start,
            serial: 0,
            queue: BinaryHeap::new(),
            switch_wake: None,
            floor_wake: None,
            link_at: [0; 2],
        };
        world.open();
        world
    }

    /// The first inputs.
    fn open(&mut self) {
        self.set_up_switch();
        self.profiles = plan::agents(&mut self.dice, self.shape);
        self.agents = self.profiles.iter().map(|profile| profile.agent.clone()).collect();
        let opened = self.floor_told(floor::Input::Queues(self.plan.queue_profiles()));
        let opened = opened.and_then(|()| self.floor_told(floor::Input::Agents(self.profiles.clone())));
        assert!(opened.is_ok(), "an empty floor takes its queues and agents");
        for phone in 0..self.phones.len() {
            self.plug_in(phone);
        }
        for agent in 0..self.agents.len() {
            let first = self.dice.between(500, 6_000);
            self.later(first, Happening::Errand(agent));
        }
        self.later(3_000, Happening::Arrive);
        for _ in 0..self.shape.restarts {
            let length = self.shape.calls * self.shape.gap_ms;
            let at = self.dice.between(length / 5, length);
            self.later(at, Happening::Crash);
        }
    }

    /// Accounts and trunks of a switch that starts.
    pub(crate) fn set_up_switch(&mut self) {
        let accounts = self.phones.iter().filter_map(|phone| phone.owner.as_deref()).map(account).collect();
        self.line.edge.command(Command::SetAccounts(accounts));
        let mut carrier = link("carrier", CARRIER, None, false);
        // Four times as many as there are at a time: were they not given back, they would soon be used up.
        carrier.max_calls = usize::try_from(60_000 / self.shape.gap_ms + 40).expect("a small number");
        self.line.edge.command(Command::SetTrunks(vec![carrier]));
        self.run_switch();
    }

    /// A phone that starts knows the switch, and registers if somebody owns it.
    pub(crate) fn plug_in(&mut self, phone: usize) {
        let owner = self.phones[phone].owner.clone();
        let trunk = link("switch", SWITCH, owner.as_deref(), owner.is_some());
        self.run_phone(phone, Input::Command(Command::SetTrunks(vec![trunk])));
    }

    pub(crate) fn later(&mut self, delay_ms: u64, what: Happening) {
        self.serial += 1;
        self.queue.push(Due { at: self.now + delay_ms, serial: self.serial, what });
    }

    pub(crate) const fn timestamp(&self) -> Timestamp {
        Timestamp::from_ms(BEGIN_MS + self.now.cast_signed())
    }

    pub(crate) fn instant(&self) -> Instant {
        self.start + Duration::from_millis(self.now)
    }

    fn ms_of(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn note(&mut self, whose: &[&str], what: impl FnOnce() -> String) {
        if let Some(diary) = &mut self.diary {
            diary.write(self.now, whose.iter().map(|&one| one.to_owned()).collect(), what());
        }
    }

    /// Moves on to the next thing that happens, up to `until`; `false` when nothing does.
    pub(crate) fn step(&mut self, until: u64) -> Outcome<bool> {
        if self.queue.peek().is_none_or(|due| due.at > until) {
            self.now = self.now.max(until);
            return Ok(false);
        }
        let Some(due) = self.queue.pop() else { return Ok(false) };
        self.now = due.at;
        self.steps += 1;
        self.happen(due.what)?;
        self.check_step()?;
        Ok(true)
    }

    pub(crate) fn run_until(&mut self, until: u64) -> Outcome {
        while self.step(until)? {}
        Ok(())
    }

    fn happen(&mut self, what: Happening) -> Outcome {
        match what {
            Happening::Packet { to: Place::Switch, flow, bytes } => {
                if self.is_up() {
                    self.line.edge.give(Input::Received { flow, bytes });
                    self.run_switch();
                }
            }
            Happening::Packet { to: Place::Phone(phone), flow, bytes } => {
                if self.phones[phone].is_on {
                    self.run_phone(phone, Input::Received { flow, bytes });
                }
            }
            // A wake-up that an earlier one took the place of means nothing.
            Happening::Wake(Place::Switch) => {
                if self.switch_wake.take_if(|at| *at == self.now).is_some() && self.is_up() {
                    self.run_switch();
                }
            }
            Happening::Wake(Place::Phone(phone)) => {
                let this = &mut self.phones[phone];
                if this.wake.take_if(|at| *at == self.now).is_some() && this.is_on {
                    self.run_phone(phone, Input::Tick);
                }
            }
            Happening::FloorWake(life) if life == self.life => {
                if self.floor_wake.take_if(|at| *at == self.now).is_some() {
                    self.floor_told(floor::Input::Tick)?;
                }
            }
            Happening::FloorHears(life, message) if life == self.life => {
                self.on_link -= 1;
                self.floor_told(floor::Input::Line(*message))?;
            }
            Happening::LineHears(life, message) if life == self.life => {
                self.on_link -= 1;
                self.line.floor_said(*message);
                self.run_switch();
            }
            Happening::Played(life, at, play) if life == self.life => {
                self.line.played(at, play);
                self.run_switch();
            }
            Happening::Digit(call, digit) => {
                if self.is_up() {
                    self.line.pressed(call, digit);
                    self.run_switch();
                }
            }
            // A call that outlived the switch is as silent as it was.
            Happening::Silence(at) if self.is_up() => {
                self.line.fell_silent(at);
                self.run_switch();
            }
            Happening::Silence(at) => self.later(1_000, Happening::Silence(at)),
            Happening::MustBeGone(life, at) if life == self.life => self.check_gone(at)?,
            Happening::Act { phone, life, invite, act } => self.act(phone, life, invite, act),
            Happening::Arrive => self.arrive(),
            Happening::CallBack { number, dials } => self.call(0, &number, &dials),
            Happening::Errand(agent) => self.errand(agent)?,
            Happening::PowerOn(phone) => self.power_on(phone),
            Happening::Crash => self.crash()?,
            Happening::Restart => self.restart()?,
            // Of another life of the switch.
            Happening::FloorWake(_)
            | Happening::FloorHears(..)
            | Happening::LineHears(..)
            | Happening::Played(..)
            | Happening::MustBeGone(..) => {}
        }
        Ok(())
    }

    /// The wake-ups of a process die with it.
    pub(crate) const fn forget_wakes(&mut self) {
        (self.switch_wake, self.floor_wake) = (None, None);
    }

    pub(crate) const fn is_up(&self) -> bool {
        self.life.is_multiple_of(2)
    }

    /// Lets the line work off all that it was given, and carries out what it wants.
    pub(crate) fn run_switch(&mut self) {
        self.line.wake(self.timestamp(), self.instant());
        self.line.settle();
        self.unseen = true;
        for (to, bytes) in std::mem::take(&mut self.line.edge.sent) {
            self.transmit(Place::Switch, to, bytes);
        }
        for effect in std::mem::take(&mut self.line.effects) {
            self.carry_out(effect);
        }
        let station = self.line.edge.station.deadline().map(|at| self.ms_of(at));
        let calls = self.line.deadline().map(whole_ms);
        if let Some(at) = [station, calls].into_iter().flatten().min()
            && self.switch_wake.is_none_or(|known| known > at)
        {
            self.switch_wake = Some(at);
            self.later(at.saturating_sub(self.now), Happening::Wake(Place::Switch));
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Floor(message) => {
                self.on_link += 1;
                self.on_the_link(0, Happening::FloorHears(self.life, Box::new(message)));
            }
            Effect::Play(at, play) => {
                let length = self.dice.between(200, 1_500);
                self.later(length, Happening::Played(self.life, at, play));
            }
            Effect::Began(call, number) => self.began(call, &number),
            Effect::Ended(cdr) => {
                self.totals.ended(&cdr);
                if let (Err(what), None) = (check_cdr(&cdr), &self.line.wrong) {
                    self.line.wrong = Some((format!("{what} in {cdr:?}"), cdr.from.clone()));
                }
            }
            Effect::Note(number, what) => self.note(&[number.as_str()], || what),
        }
    }

    /// Messages between the loops take some time, and keep their order.
    fn on_the_link(&mut self, way: usize, what: Happening) {
        let longest = if self.dice.percent(BUSY_PERCENT) { BUSY_LINK_MS } else { LINK_MS };
        let at = (self.now + self.dice.below(longest + 1)).max(self.link_at[way]);
        self.link_at[way] = at;
        self.later(at - self.now, what);
    }

    /// Tells the floor one thing; its journal is watched, its messages go to the line.
    pub(crate) fn floor_told(&mut self, input: floor::Input) -> Outcome {
        if self.diary.is_some() {
            self.note(&[], || format!("floor told {input:?}"));
        }
        self.floor.handle(self.timestamp(), input);
        while let Some(output) = self.floor.poll() {
            match output {
                floor::Output::Journal(event) => {
                    let before = self.diary.is_some().then(|| self.whom(&event));
                    let seen = self.watch.see(&event);
                    if let Some(mut whom) = before {
                        whom.extend(self.whom(&event));
                        self.note(&whom.iter().map(String::as_str).collect::<Vec<_>>(), || format!("floor: {event:?}"));
                        seen.map_err(|what| Failure { what, whom })?;
                    } else {
                        seen.map_err(Failure::of_all)?;
                    }
                }
                floor::Output::Line(message) => {
                    self.on_link += 1;
                    self.on_the_link(1, Happening::LineHears(self.life, Box::new(message)));
                }
            }
        }
        self.unseen = true;
        self.floor_steps += 1;
        if let Some(at) = self.floor.deadline().map(whole_ms)
            && self.floor_wake.is_none_or(|known| known > at)
        {
            self.floor_wake = Some(at);
            self.later(at.saturating_sub(self.now), Happening::FloorWake(self.life));
        }
        self.check_floor()
    }

    /// Whom an event of the floor concerns; only known for the diary.
    fn whom(&self, event: &floor::FloorEvent) -> Vec<String> {
        use floor::FloorEvent as Event;
        let (item, agent) = match event {
            Event::AgentChanged { agent, .. } | Event::AgentAsked { agent, .. } => (None, Some(agent)),
            Event::Queued { item, .. }
            | Event::Overflowed { item, .. }
            | Event::CallbackKept { item, .. }
            | Event::Prioritised { item, .. } => (Some(item.item), None),
            Event::Returned { item, agent, .. } => (Some(item.item), Some(agent)),
            Event::ConversationChanged { item, agent, .. } => (Some(*item), Some(agent)),
            Event::Offered { item, agent, .. } | Event::OfferEnded { item, agent, .. } | Event::Finished { item, agent, .. } => {
                (Some(*item), Some(agent))
            }
            Event::Left { item, .. } => (Some(*item), None),
            Event::Refused { .. } => (None, None),
        };
        let caller = item.and_then(|item| self.watch.items.get(&item)).map(|life| life.caller.as_str().to_owned());
        caller.into_iter().chain(agent.map(|agent| agent.as_str().to_owned())).collect()
    }

    /// Hands one input to a phone, and what comes of it to the wire and to the person.
    pub(crate) fn run_phone(&mut self, phone: usize, input: Input) {
        let now = self.instant();
        let station = &mut self.phones[phone].station;
        station.handle(now, input);
        let outputs: Vec<Output> = std::iter::from_fn(|| station.poll()).collect();
        for output in outputs {
            match output {
                Output::Transmit { to, bytes } => self.transmit(Place::Phone(phone), to, bytes),
                Output::Event(event) => self.heard(phone, event),
            }
        }
        let this = &self.phones[phone];
        if let Some(at) = this.station.deadline().map(|at| self.ms_of(at))
            && this.wake.is_none_or(|known| known > at)
        {
            self.phones[phone].wake = Some(at);
            self.later(at.saturating_sub(self.now), Happening::Wake(Place::Phone(phone)));
        }
    }

    fn transmit(&mut self, from: Place, to: Destination, bytes: Bytes) {
        let address = to.address();
        let Some(receiver) = self.place_at(address) else { return };
        let source = match from {
            Place::Switch => SWITCH,
            Place::Phone(phone) => self.phones[phone].station.address,
        };
        let of_callers = from == Place::Phone(0) || receiver == Place::Phone(0);
        let fate = self.net.fate(&bytes, of_callers);
        if let Some(diary) = &mut self.diary {
            diary.packet(self.now, &format!("{source}>{address}"), &bytes, &format!("{fate:?}"));
        }
        let flow = Flow::udp(address, source);
        for delay in fate.into_iter().flatten() {
            self.later(delay, Happening::Packet { to: receiver, flow, bytes: bytes.clone() });
        }
        if receiver == Place::Switch && self.shape.noise > 0 {
            self.make_noise(flow, &bytes);
        }
    }

    /// Beside the message comes one that was damaged on its way, or made up by a stranger.
    fn make_noise(&mut self, flow: Flow, bytes: &Bytes) {
        if self.closing || !self.dice.percent(self.shape.noise) {
            return;
        }
        let stranger = SocketAddr::from(([127, 9, 9, 9], 5060));
        let flow = if self.dice.percent(30) { Flow::udp(flow.local, stranger) } else { flow };
        let bytes = Bytes::from(crate::noise::damage(bytes, &mut self.dice));
        let delay = self.dice.between(1, 200);
        self.totals.damaged += 1;
        self.later(delay, Happening::Packet { to: Place::Switch, flow, bytes });
    }

    fn place_at(&self, address: SocketAddr) -> Option<Place> {
        if address == SWITCH {
            return Some(Place::Switch);
        }
        let place = match address {
            _ if address == CARRIER => 0,
            _ if address == DESK => 1,
            SocketAddr::V4(v4) if v4.ip().octets()[2] == 1 => usize::from(v4.ip().octets()[3]) + 1,
            _ => return None,
        };
        (place < self.phones.len()).then_some(Place::Phone(place))
    }

    /// A call arrived at the switch: its caller's line knows it from now on.
    fn began(&mut self, call: CallId, number: &PartyNumber) {
        self.totals.calls += 1;
        for phone in &mut self.phones {
            phone.began(call, number.as_str());
        }
    }
}

/// Where the phone of a registered agent stands.
fn address_of(agent: u64) -> SocketAddr {
    SocketAddr::from(([127, 0, 1, u8::try_from(agent + 1).expect("few phones register")], 5060))
}

/// The first whole millisecond of the world at which a deadline has passed.
fn whole_ms(at: Timestamp) -> u64 {
    u64::try_from((at.0 + 999) / 1_000 - BEGIN_MS).unwrap_or(0)
}
