//! The line loop: owns calls. Everything that concerns a call passes through here, one input at a time.

mod asks;
mod call_backs;
mod consult;
mod ending;
mod keeping;
mod mail;
mod payments;
mod programs;
mod rooms;
mod takes;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tandem_dialplan::{Overrides, Plan};
use tandem_media::contract::Event;
use tandem_switch::{
    call::{Arrival, CallSettings, Input},
    cause::Cause,
    id::{CallId, IdSource},
    link::{FloorSays, ToFloor},
    name::TrunkName,
    time::Timestamp,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    LegRef, audio,
    beat::Heartbeat,
    calls::{LiveCall, Setup},
    edges::{Devices, Edges, FloorLink},
    floor::FloorNews,
    lamps::Lamps,
    ledger::Ledger,
    lots::Lots,
    mail::Mail,
    media::{MediaEdge, MediaEvent},
    pace::{Pace, rest_for},
    payments::Payments,
    sip::{Arrived, Collector, Judged, LedElsewhere, Load, Network, SipEdge, SipEvent, TlsPeers, TrunkIdentity},
    supervision::Supervision,
    trace::TraceBus,
    trial::{Canary, Picked, Trial},
};
use crate::{
    clock,
    decisions::Decider,
    metrics::METRICS,
    prompts::Prompts,
    recordings::Archive,
    store::{CallStarted, Writer},
};
pub use asks::LineAsk;
use keeping::Keeping;

/// Inputs taken of one kind before the others get their turn.
const TURN: u32 = 64;
/// After the order to stop, how long recordings may take to be completed and records to find room with the writer.
const LAST_RECORDS: Duration = Duration::from_secs(5);
/// Wake-ups when nothing is due, so that a clock that was wrong is found.
const IDLE: Duration = Duration::from_secs(1);

/// A plan in service, with what is made of it once.
#[derive(Clone)]
pub struct Service {
    /// The plan.
    pub plan: Arc<Plan>,
    /// How trunks prove themselves over TLS.
    pub tls: Arc<TlsPeers>,
    /// Passwords for trunks.
    pub secrets: BTreeMap<TrunkName, String>,
    /// Where copies of all signalling go.
    pub capture: Option<Collector>,
    /// Signed caller ids, by trunk.
    pub identities: Arc<BTreeMap<TrunkName, TrunkIdentity>>,
    /// Its recordings.
    pub prompts: Arc<Prompts>,
    /// What calls are set up with.
    pub settings: Arc<CallSettings>,
    /// What becomes of recordings.
    pub archive: Arc<Archive>,
    /// Programs that hear calls.
    pub programs: crate::programs::Targets,
    /// Services that are asked.
    pub decisions: crate::decisions::Targets,
    /// Counts up with each plan.
    pub generation: u64,
    /// Another plan for some calls.
    pub canary: Option<Arc<Canary>>,
    /// The count of the plan that is watched: this one or the canary.
    pub trial: Option<Arc<Trial>>,
}

/// What a line loop is made of.
pub struct Parts {
    /// Signalling.
    pub sip: SipEdge,
    /// Audio.
    pub media: MediaEdge,
    /// Verdicts on signed caller ids.
    pub verdicts: mpsc::Receiver<Judged>,
    /// What the engine tells.
    pub media_events: mpsc::Receiver<Event>,
    /// To the floor.
    pub to_floor: mpsc::Sender<ToFloor>,
    /// From the floor.
    pub from_floor: mpsc::Receiver<FloorNews>,
    /// Questions and orders.
    pub asks: mpsc::Receiver<LineAsk>,
    /// Where records go.
    pub writer: Writer,
    /// Where recordings go.
    pub recordings: PathBuf,
    /// What asks services.
    pub decider: Decider,
    /// Messages in boxes.
    pub mail: Mail,
    /// The live trace.
    pub traces: TraceBus,
    /// The first plan.
    pub service: Service,
    /// Emergency switches of schedules that are on.
    pub switches: Arc<Overrides>,
    /// That the loop turns.
    pub beat: Heartbeat,
    /// Names of items and recordings.
    pub ids: IdSource,
    /// Calls of the last process that go on.
    pub survivors: Vec<LiveCall>,
    /// Told when these have gone on.
    pub taken_up: oneshot::Sender<()>,
}

/// The loop.
pub struct Line {
    edges: Edges,
    calls: HashMap<CallId, LiveCall>,
    timers: BTreeSet<(Timestamp, CallId)>,
    todo: VecDeque<(CallId, Input)>,
    service: Service,
    call_ids: IdSource,
    draining: Option<oneshot::Sender<()>>,
    ending: Option<oneshot::Sender<()>>,
    taking: bool,
    /// Set by the order to stop: when the loop ends at the latest.
    stop_at: Option<std::time::Instant>,
    floor_is_gone: bool,
    measured_at: std::time::Instant,
    pace: Pace,
    beat: Heartbeat,
    keeping: Keeping,
}

/// One thing that woke the loop.
enum Woken {
    Network,
    Floor(FloorNews),
    Media(Event),
    Judged(Judged),
    Ask(LineAsk),
    Time,
    Room,
    FloorGone,
    EngineGone,
}

impl Line {
    /// Runs until it is told to stop, or the asking side is gone. How many records found no room with the writer and
    /// are lost.
    pub async fn run(parts: Parts, mut network: Network) -> usize {
        let Parts {
            sip,
            media,
            mut verdicts,
            mut media_events,
            to_floor,
            mut from_floor,
            mut asks,
            writer,
            recordings,
            mut decider,
            mail,
            traces,
            ids,
            survivors,
            taken_up,
            service,
            switches,
            beat,
        } = parts;
        decider.set_targets(&service.decisions);
        let edges = Edges {
            now: clock::now(),
            sip,
            media,
            floor: FloorLink::default(),
            ledger: Ledger::new(writer, recordings, &service),
            devices: Devices::default(),
            lamps: Lamps::default(),
            lots: Lots::default(),
            mail,
            supervision: Supervision::default(),
            switches,
            payments: Payments::default(),
            decider,
            traces,
            ids,
        };
        let mut line = Self::new(edges, service, beat);
        line.take_up(survivors);
        line.show_all_mail();
        line.settle(&mut network);
        let _nobody_waits = taken_up.send(());
        let sleep = tokio::time::sleep(IDLE);
        tokio::pin!(sleep);
        while !line.may_end() {
            if let Some(rest) = line.pace.rest() {
                rest_for(rest);
            }
            let due = line.deadline().unwrap_or(line.edges.now.instant + IDLE).min(line.edges.now.instant + IDLE);
            if sleep.deadline().into_std() != due {
                sleep.as_mut().reset(due.into());
            }
            let woken = tokio::select! {
                biased;
                ask = asks.recv(), if line.stop_at.is_none() => Woken::Ask(ask.unwrap_or(LineAsk::Stop)),
                said = from_floor.recv(), if !line.floor_is_gone => said.map_or(Woken::FloorGone, Woken::Floor),
                event = media_events.recv() => event.map_or(Woken::EngineGone, Woken::Media),
                Some(judged) = verdicts.recv() => Woken::Judged(judged),
                () = network.ready(), if !line.edges.floor.is_full() => Woken::Network,
                room = to_floor.reserve(), if !line.edges.floor.is_empty() => { drop(room); Woken::Room }
                () = &mut sleep => Woken::Time,
            };
            line.edges.now = clock::now();
            line.pace.wakes(line.edges.now.instant);
            line.beat.beat(line.edges.now.at);
            line.edges.sip.wake(line.edges.now);
            match woken {
                Woken::EngineGone => break,
                // The calls go on without; who watches the loops decides what becomes of them.
                Woken::FloorGone => line.floor_is_gone = true,
                Woken::Network => line.take_from(&mut network),
                Woken::Floor(said) => {
                    line.floor_said(said);
                    line.more(&mut from_floor, Self::floor_said);
                }
                Woken::Media(event) => {
                    line.media_told(event);
                    line.more(&mut media_events, Self::media_told);
                }
                Woken::Judged(judged) => {
                    line.judged(judged);
                    line.more(&mut verdicts, Self::judged);
                }
                Woken::Ask(ask) => line.answer(ask),
                Woken::Time | Woken::Room => {}
            }
            line.tick();
            line.settle(&mut network);
            line.keep_calls();
            line.edges.media.commit();
            line.send_to_floor(&to_floor);
            line.measure(&mut network);
        }
        line.end(&mut media_events)
    }

    fn new(edges: Edges, service: Service, beat: Heartbeat) -> Self {
        Self {
            edges,
            calls: HashMap::new(),
            timers: BTreeSet::new(),
            todo: VecDeque::new(),
            service,
            call_ids: IdSource::new(1),
            draining: None,
            ending: None,
            taking: true,
            stop_at: None,
            floor_is_gone: false,
            measured_at: clock::instant(),
            pace: Pace::new(clock::instant()),
            beat,
            keeping: Keeping::default(),
        }
    }

    /// How long the turn took, and once a second how much there is of everything.
    fn measure(&mut self, network: &mut Network) {
        let now = clock::instant();
        if let Some(busy) = self.pace.sleeps(now) {
            let (waited_ms, writer) = (network.waited_ms(now), self.edges.ledger.writer_load());
            self.edges.sip.look(Load { busy, waited_ms, writer, calls: self.calls.len() });
        }
        let turn = now.saturating_duration_since(self.edges.now.instant);
        METRICS.line_loop_turn.observe_us(u64::try_from(turn.as_micros()).unwrap_or(u64::MAX));
        if now.saturating_duration_since(self.measured_at) >= IDLE {
            self.measured_at = now;
            self.edges.sip.toll_due();
            let (legs, transactions) = self.edges.sip.load();
            let (streams, ports) = self.edges.media.load(self.service.plan.listen.rtp_address);
            let gauges = [
                (&METRICS.calls, self.calls.len()),
                (&METRICS.legs, legs),
                (&METRICS.sip_transactions, transactions),
                (&METRICS.sip_connections, network.connections()),
                (&METRICS.bans, self.edges.sip.bans().len()),
                (&METRICS.media_streams, streams),
                (&METRICS.media_ports_free, ports),
                (&METRICS.media_nobodys, usize::try_from(self.edges.media.datagrams_of_nobody()).unwrap_or(usize::MAX)),
                (&METRICS.media_turn, self.edges.media.lent_addresses()),
            ];
            for (gauge, value) in gauges {
                gauge.set(value as u64);
            }
        }
    }

    fn more<T>(&mut self, source: &mut mpsc::Receiver<T>, mut take: impl FnMut(&mut Self, T)) {
        for _ in 0..TURN {
            match source.try_recv() {
                Ok(next) => take(self, next),
                Err(_) => return,
            }
        }
    }

    fn take_from(&mut self, network: &mut Network) {
        let mut taken = 0;
        while taken < TURN && network.take(&mut self.edges.sip) {
            // Replies leave at once: a burst is not answered at its end only.
            self.settle(network);
            taken += 1;
        }
        self.pace.took(taken, taken < TURN);
    }

    fn judged(&mut self, judged: Judged) {
        self.edges.sip.judged(judged);
    }

    fn floor_said(&mut self, said: FloorNews) {
        match said {
            FloorNews::Call(said) if matches!(said.say, FloorSays::CallBack { .. }) => self.make_call(said.call, said.say),
            FloorNews::Call(said) => self.todo.push_back((said.call, Input::Floor(said.say))),
            FloorNews::Agent { agent, state } => self.edges.sip.show_agent(&agent, &state),
        }
    }

    fn media_told(&mut self, event: Event) {
        let now = self.edges.now.at;
        let Some(event) = self.edges.media.translate(event) else { return };
        match event {
            MediaEvent::Digit(at, digit) => {
                #[cfg(debug_assertions)]
                super::fault::by_key(super::fault::Place::Line, digit);
                if let Some(other) = self.edges.supervision.other_party(at) {
                    self.edges.media.send_digit(other, digit);
                }
                self.tell(at, Input::Digit { leg: at.leg, digit })
            }
            MediaEvent::KeyOut(at, key, duration_ms) => self.edges.sip.send_key(at, key, duration_ms),
            MediaEvent::Hidden(at, key) => self.edges.payments.pressed(at, key),
            MediaEvent::Played(at, play) => {
                self.edges.media.played_out(at);
                self.tell(at, Input::Played { leg: at.leg, play });
            }
            MediaEvent::Started(at, from) => {
                self.trace(at.call, "media", || format!("audio of {} comes from port {}", at.leg, from.port()))
            }
            MediaEvent::Lost(at) => {
                self.edges.sip.end(at, Cause::MediaTimeout);
                self.tell(at, Input::LegEnded { leg: at.leg, cause: Cause::MediaTimeout });
            }
            MediaEvent::Measured(at, quality) => {
                audio::count(&quality);
                self.trace(at.call, "media", || audio::describe(at.leg, &quality));
                if let Some(live) = self.calls.get_mut(&at.call) {
                    live.measured(at.leg, quality);
                }
                self.close_if_done(at.call);
            }
            MediaEvent::OneWay(at, verdict) => {
                METRICS.media_one_way.inc(verdict.cause());
                tracing::debug!(call = %at.call, leg = at.leg.0, cause = verdict.cause(), "audio goes one way only");
                self.trace(at.call, "media", || format!("{} {}: {verdict}", at.leg, audio::silent(verdict.way())));
                if let Some(live) = self.calls.get_mut(&at.call) {
                    live.audio.one_way(at.leg, verdict);
                }
            }
            MediaEvent::NoKeys(at, verdict) => {
                METRICS.media_no_keys.inc(verdict.cause());
                self.trace(at.call, "media", || format!("{} has no keys: {verdict}", at.leg));
                if let Some(live) = self.calls.get_mut(&at.call) {
                    live.audio.no_keys(at.leg, verdict);
                }
            }
            MediaEvent::Recorded { recording, path, duration_ms, frames_lost } => {
                if frames_lost > 0 {
                    tracing::warn!(%recording, frames_lost, "packets are missing in a recording");
                }
                if !self.message_closed(recording, Some((&path, duration_ms))) {
                    self.edges.ledger.recording_finished(now, recording, &path, duration_ms);
                }
            }
            MediaEvent::RecordFailed { recording, error } => {
                tracing::error!(%recording, %error, "a recording failed");
                if !self.message_closed(recording, None) {
                    self.edges.ledger.recording_failed(now, recording, error);
                }
            }
        }
    }

    fn tell(&mut self, at: LegRef, input: Input) {
        self.todo.push_back((at.call, input));
    }

    fn trace(&self, call: CallId, part: &'static str, text: impl FnOnce() -> String) {
        if let Some(live) = self.calls.get(&call) {
            live.trace(&self.edges, part, text);
        }
    }

    fn tick(&mut self) {
        let now = self.edges.now.at;
        while let Some(&(due, call)) = self.timers.first() {
            if due > now {
                break;
            }
            self.timers.pop_first();
            if let Some(live) = self.calls.get_mut(&call) {
                live.timer = None;
                self.todo.push_back((call, Input::Tick));
            }
        }
        self.edges.ledger.retry();
        self.edges.payments.expire(now);
        self.edges.media.lay_owed_rooms();
    }

    fn deadline(&self) -> Option<std::time::Instant> {
        let calls = self.timers.first().map(|(due, _)| self.edges.now.instant_of(*due));
        [calls, self.edges.sip.deadline(), self.keeping.deadline(), self.stop_at].into_iter().flatten().min()
    }

    /// Works off what signalling and calls want of each other, until neither wants anything.
    fn settle(&mut self, network: &mut Network) {
        loop {
            if let Some((call, input)) = self.todo.pop_front() {
                self.work(call, |live, edges| live.handle(edges, input));
            } else if self.take_next() {
            } else if let Some(event) = self.edges.sip.poll(network, &mut self.edges.media) {
                self.sip_told(event);
            } else {
                return;
            }
        }
    }

    /// Lets a call work. A panic in it ends this call and no other.
    fn work(&mut self, call: CallId, task: impl FnOnce(&mut LiveCall, &mut Edges)) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        let edges = &mut self.edges;
        // Each input has a moment of its own: callers of one burst must be told apart in line, also after a
        // restart, when those who call back have nothing but the moment of their arrival.
        edges.now = clock::now();
        if catch_unwind(AssertUnwindSafe(|| task(live, edges))).is_err() {
            METRICS.call_faults.inc();
            tracing::error!(%call, "a fault in the handling of this call; it is ended, the others go on");
            let tidy = catch_unwind(AssertUnwindSafe(|| live.fail(edges))).is_ok();
            if !tidy || !live.is_over() {
                self.abandon(call);
                return;
            }
        }
        let due = live.deadline();
        if due != live.timer {
            if let Some(old) = live.timer {
                self.timers.remove(&(old, call));
            }
            if let Some(due) = due {
                self.timers.insert((due, call));
            }
            live.timer = due;
        }
        self.keeping.touch(call, live, self.edges.now.instant);
        self.close_if_done(call);
    }

    fn sip_told(&mut self, event: SipEvent) {
        match event {
            SipEvent::Arrived(arrived) => self.arrived(*arrived),
            SipEvent::Rang { at, early_media } => self.tell(at, Input::LegRang { leg: at.leg, early_media }),
            SipEvent::Answered(at) => self.tell(at, Input::LegAnswered { leg: at.leg }),
            SipEvent::Failed { at, cause, code, said } => {
                self.trace(at.call, "sip", || {
                    format!("{} failed: {code} {} {said}", at.leg, cause.as_str()).trim_end().to_owned()
                });
                self.tell(at, Input::LegFailed { leg: at.leg, cause });
            }
            SipEvent::Told { at, told } => {
                if let Some(live) = self.calls.get_mut(&at.call) {
                    live.told(&self.edges, told);
                }
            }
            SipEvent::Redirected(led) => {
                let LedElsewhere { at, by, to, why, code } = *led;
                self.trace(at.call, "sip", || format!("{} redirects: {code}", at.leg));
                self.tell(at, Input::LegRedirected { leg: at.leg, by, to, why });
            }
            SipEvent::Ended { at, cause } => self.tell(at, Input::LegEnded { leg: at.leg, cause }),
            SipEvent::Identified { at, identity } => {
                if let Some(live) = self.calls.get_mut(&at.call) {
                    live.identified(&self.edges, identity);
                }
            }
            SipEvent::Transferred { at, by, to } => self.tell(at, Input::Transfer { leg: at.leg, by, to }),
            SipEvent::HandedBack { at, failed, code } => {
                self.trace(at.call, "sip", || format!("{} handed back: {code}", at.leg));
                self.tell(at, Input::HandedBack { leg: at.leg, failed });
            }
            SipEvent::Joined { at, by, with } => self.bring_together(at, by, with),
            SipEvent::Held { at, held } => self.tell(at, Input::LegHeld { leg: at.leg, held }),
            SipEvent::Digit { at, digit, .. } if self.edges.payments.takes(at, digit, self.edges.now.at) => {
                self.edges.media.keys_come_by_message(at);
            }
            SipEvent::Digit { at, digit, duration_ms } => {
                self.edges.media.relay_digit(at, digit, u16::try_from(duration_ms).unwrap_or(u16::MAX));
                self.edges.media.keys_come_by_message(at);
                self.tell(at, Input::Digit { leg: at.leg, digit });
            }
            SipEvent::Reachable { extension, reachable } => {
                let agent = extension.as_str().into();
                self.edges.floor.send(ToFloor::DeviceReachable { agent, reachable });
            }
            SipEvent::Keep(record) => self.edges.ledger.write(*record),
        }
    }

    fn arrived(&mut self, arrived: Arrived) {
        let now = self.edges.now.at;
        let Arrived { invite, origin, from, display, to, identity, told, replaces } = arrived;
        if let Some(replaced) = replaces {
            return self.take_place(invite, &origin, replaced);
        }
        let call = CallId(self.call_ids.next(now));
        let at = LegRef { call, leg: tandem_switch::id::LegId::CALLER };
        let is_emergency = self.edges.sip.is_emergency(&to);
        let Picked { plan, settings, generation } = self.service.pick(&from, &to, is_emergency);
        let (plan, settings) = (Arc::clone(plan), Arc::clone(settings));
        let started = CallStarted {
            call,
            origin: origin.clone(),
            from: from.clone(),
            to: to.clone(),
            generation,
            called_back: false,
            at: now,
        };
        if !self.taking || !self.edges.ledger.call_started(started, is_emergency) {
            METRICS.calls_shed.inc();
            self.edges.sip.refuse(invite);
            return;
        }
        METRICS.calls_started.inc();
        self.edges.sip.adopt(invite, at);
        self.put_beside(call, &origin);
        let arrival = Arrival { call, origin, from, to, generation };
        let setup = Setup { arrival, display, identity, told, plan, settings };
        self.calls.insert(call, LiveCall::new(now, setup));
        self.work(call, LiveCall::begin);
    }

    fn send_to_floor(&mut self, to_floor: &mpsc::Sender<ToFloor>) {
        while let Some(message) = self.edges.floor.take_next() {
            if let Err(mpsc::error::TrySendError::Full(message)) = to_floor.try_send(message) {
                self.edges.floor.put_back(message);
                return;
            }
        }
    }
}
