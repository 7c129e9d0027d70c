//! The API with a real store and loops that give fixed answers.

mod access;
mod board;
mod callbacks;
mod customers;
mod devices;
mod generations;
mod kpis;
mod live;
mod lookup;
mod plan_files;
mod priority;
mod privacy;
mod resources;
mod roles;
mod talks;
mod webhooks;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use serde_json::Value;
use tandem_dialplan::BadWish;
use tandem_switch::{
    floor::{self, AgentState, Explanation, NotPrioritised, NotPromised},
    id::{CallId, ItemId},
    link::Place,
    step::AgentRequest,
    time::Timestamp,
};
use tokio::sync::mpsc;
use tower::ServiceExt as _;

use super::{
    app,
    callbacks::{CallbackRequest, NotAsked},
    control::{AnnounceAnswer, Control, ControlRequest, FloorView, Hearers, PaymentAnswer, Readiness, StreamAnswer, TurnAnswer},
    plan_order::{EditTask, Edited, PlanAnswer, PlanNotTaken, PlanOrder, PlanTask},
    priority::PriorityRequest,
    schedules::{ScheduleView, SwitchView},
    view::{At, CallView, ParkedView, PlanApplied, PlanProblem, PlanView, RouteExplanation},
};
use crate::{
    store::{Scope, Writer, testing::TestDb},
    wire::{queue_counts::QueueCount, trace::TraceBus},
};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + ms)
}

/// A running API and all that a test wants to reach behind it.
struct Fixture {
    app: Router,
    control: Control,
    read: String,
    operate: String,
    admin: String,
    payment: String,
    recordings: PathBuf,
    /// What the loops were asked to change.
    asked: mpsc::Receiver<String>,
    floor: Arc<Mutex<FloorView>>,
    _db: TestDb,
}

impl Fixture {
    async fn start() -> Self {
        let db = TestDb::lite();
        let store = db.open().await;
        let (writer, _) = Writer::start(store.clone());
        let (requests_tx, requests) = mpsc::channel(16);
        let (asked_tx, asked) = mpsc::channel(64);
        let floor = Arc::new(Mutex::new(floor_view()));
        tokio::spawn(answer(requests, asked_tx, Arc::clone(&floor)));
        let recordings = PathBuf::from(&db.url).with_file_name("recordings");
        std::fs::create_dir_all(&recordings).unwrap();
        let ready = Arc::new(Readiness::default());
        ready.sip_bound.store(true, Relaxed);
        ready.plan_loaded.store(true, Relaxed);
        let traces = TraceBus::default();
        let (_, archive) = tokio::sync::watch::channel(Arc::default());
        let (_, country) = tokio::sync::watch::channel(Some("IT".to_owned()));
        let customers = crate::customers::Customers::new(store.clone(), country);
        let here = crate::reach::Reach::new(vec!["127.0.0.1".parse().unwrap()]);
        let webhooks = crate::webhooks::Webhooks::new(store.clone(), here.clone());
        let lookups = crate::lookup::Lookups::new(store.clone(), here);
        let beside =
            crate::customers::beside::Beside::start_with(customers.clone(), &writer, mpsc::channel(16).0, lookups.clone());
        let (_, plan_rules) = tokio::sync::watch::channel(Vec::new());
        let parts = crate::rules::Parts { customers: customers.clone(), requests: requests_tx.clone(), plan: plan_rules };
        let rules = crate::rules::Desk::start(parts);
        let control = Control {
            rules,
            customers,
            beside,
            webhooks,
            lookups,
            requests_tx,
            store,
            writer,
            traces,
            ready,
            recordings: recordings.clone(),
            archive,
            messages: recordings.clone(),
            realm: "tandem".into(),
            plan_files: Arc::new(crate::plan_files::PlanFiles::new(recordings.with_file_name("plan"))),
        };
        let mut tokens = Vec::new();
        for scope in [Scope::Read, Scope::Control, Scope::Admin, Scope::Payment] {
            let (text, _) = control.store.add_token(&format!("test {scope}"), scope, "test", at(0)).await.unwrap();
            tokens.push(text.expose().to_owned());
        }
        let [read, operate, admin, payment] = tokens.try_into().unwrap();
        Self {
            app: app(control.clone(), Router::new()),
            control,
            read,
            operate,
            admin,
            payment,
            recordings,
            asked,
            floor,
            _db: db,
        }
    }

    /// The floor looks so from now on.
    fn change_floor(&self, change: impl FnOnce(&mut FloorView)) {
        change(&mut self.floor.lock().unwrap());
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 16 * 1024 * 1024).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(request(Method::GET, path, Some(token), None)).await
    }

    async fn order(&self, method: Method, token: &str, path: &str, body: Value) -> Answer {
        self.send(request(method, path, Some(token), Some(body.to_string()))).await
    }
}

fn request(method: Method, path: &str, token: Option<&str>, body: Option<String>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    request.body(body.map_or_else(Body::empty, Body::from)).unwrap()
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    /// The body of an answer that must be good.
    fn good(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{:?}", self.body);
        self.json()
    }

    /// The detail of a problem with this status.
    fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        problem["detail"].as_str().unwrap().to_owned()
    }
}

fn bad_route() -> PlanProblem {
    PlanProblem {
        severity: "error".into(),
        file: "routes.kdl".into(),
        line: 3,
        column: 7,
        message: "unknown queue `suport`".into(),
        help: Some("did you mean `support`?".into()),
    }
}

/// Edits files as the loops do; no plan of the admin's token comes into service.
fn edited(task: EditTask, by: &str, dry_run: bool) -> PlanAnswer {
    let EditTask { files, wish, apply, done } = task;
    let is_refused = apply && !dry_run && by.contains("test admin");
    let is_written = !dry_run && !is_refused;
    let written = files.propose(&wish).and_then(|proposal| {
        if is_written {
            files.take(&proposal, by, At(Timestamp::from_ms(0)))?;
        }
        Ok(Edited { proposal, is_written })
    });
    drop(done.send(written));
    if is_refused { Err(PlanNotTaken::Problems(vec![bad_route()])) } else { Ok(applied()) }
}

/// Stands for the loops.
async fn answer(mut requests: mpsc::Receiver<ControlRequest>, asked: mpsc::Sender<String>, floor: Arc<Mutex<FloorView>>) {
    while let Some(request) = requests.recv().await {
        match request {
            ControlRequest::Floor(reply) => {
                let view = floor.lock().unwrap().clone();
                drop(reply.send(view));
            }
            ControlRequest::WhyWaiting { item, reply } => drop(reply.send(explanation(item))),
            ControlRequest::Agent { agent, request, reply } => {
                let known = ["1001", "1002"].contains(&agent.as_str());
                asked.send(format!("{agent}: {request:?}")).await.unwrap();
                let state = match request {
                    _ if agent.as_str() == "1002" => AgentState::Offline,
                    AgentRequest::NotReady { reason } => AgentState::NotReady { reason },
                    _ => AgentState::Ready,
                };
                drop(reply.send(known.then(|| agent_view(state))));
            }
            ControlRequest::Message { message, heard } => asked.send(format!("{message}: {heard:?}")).await.unwrap(),
            ControlRequest::Parked(reply) => drop(reply.send(vec![parked_view()])),
            ControlRequest::Callback(CallbackRequest::Ask { wish, customer, reply }) => {
                let mut item = floor_view().items.remove(0);
                item.callback = Some((3, at(0)));
                let answer = match wish.queue.as_str() {
                    "support" => Ok((item, at(0))),
                    "full" => Err(NotAsked::Refused(NotPromised::Full)),
                    "known" => Err(NotAsked::Refused(NotPromised::Promised(ItemId(7)))),
                    _ => Err(NotAsked::Bad(BadWish::Queue)),
                };
                asked.send(format!("{wish:?} {customer:?}")).await.unwrap();
                let _asker_is_gone = reply.send(answer);
            }
            ControlRequest::Priority(PriorityRequest { item, minutes, reply, .. }) => {
                let view = floor_view().items.remove(0);
                let _asker_is_gone = reply.send(match item {
                    ItemId(1) if minutes > 60 => Err(NotPrioritised::TooMuch(60)),
                    ItemId(1) => Ok((view, at(0))),
                    ItemId(3) => Err(NotPrioritised::NotWaiting),
                    _ => Err(NotPrioritised::NoSuchItem),
                });
            }
            ControlRequest::Callback(CallbackRequest::Drop { item, reply }) => drop(reply.send(item == ItemId(2))),
            ControlRequest::Calls(reply) => drop(reply.send(vec![call_view()])),
            ControlRequest::PauseRecording { call, reply, .. } => {
                let _asker_is_gone = reply.send((call != CallId(6)).then_some(call == CallId(5)));
            }
            ControlRequest::Payment { call, begins, reply } => drop(reply.send(match call {
                CallId(5) if begins => PaymentAnswer::Done,
                CallId(5) => PaymentAnswer::NotPaying,
                CallId(6) => PaymentAnswer::NotTalking,
                _ => PaymentAnswer::NoCall,
            })),
            ControlRequest::Conferences(reply) => drop(reply.send(Vec::new())),
            ControlRequest::Member { room, call, order, reply } => {
                let is_there = (room.as_str(), call) == ("weekly", CallId(5));
                if is_there {
                    asked.send(format!("{order:?}")).await.unwrap();
                }
                let _asker_is_gone = reply.send(is_there);
            }
            ControlRequest::Announce { prompt, to, reply, .. } => drop(reply.send(match to {
                _ if prompt.as_str() == "missing" => AnnounceAnswer::NoPrompt,
                Hearers::Call { call: CallId(6), .. } => AnnounceAnswer::NotTalking,
                Hearers::Call { call: CallId(5), caller: true, agent: false } => AnnounceAnswer::Done,
                _ => AnnounceAnswer::NotThere,
            })),
            ControlRequest::ReadPayment { reply, .. } => drop(reply.send(None)),
            ControlRequest::Hangup { call, reply } => drop(reply.send(call == CallId(5))),
            ControlRequest::Bans(reply) => drop(reply.send(vec![ban()])),
            ControlRequest::LiftBan { address, reply } => drop(reply.send(address == ban().source)),
            ControlRequest::Schedules(reply) => drop(reply.send(vec![schedule(None)])),
            ControlRequest::TurnSchedule { turned, reply } => {
                let answer = match turned.schedule.as_str() {
                    "office" => TurnAnswer::Done(Box::new(schedule(Some(&turned)))),
                    "night" => TurnAnswer::NotTurned,
                    _ => TurnAnswer::NoSchedule,
                };
                let _asker_is_gone = reply.send(answer);
            }
            ControlRequest::Plan(reply) => drop(reply.send(plan_view())),
            ControlRequest::ChangePlan(PlanOrder { by, task: PlanTask::Edit(task), dry_run, reply, .. }) => {
                drop(reply.send(edited(*task, &by, dry_run)));
            }
            ControlRequest::ChangePlan(PlanOrder { by, task, dry_run, onto, reply, .. }) => {
                asked.send(format!("{task:?} {dry_run} {onto:?}")).await.unwrap();
                drop(reply.send(match task {
                    PlanTask::Reload if by.contains("test admin") => Err(PlanNotTaken::Problems(vec![bad_route()])),
                    PlanTask::Promote => Err(PlanNotTaken::Conflict("there is no canary".into(), "begin one")),
                    PlanTask::Rollback(Some(generation)) => Err(PlanNotTaken::NotThere(format!("no generation {generation}"))),
                    _ => Ok(applied()),
                }));
            }
            ControlRequest::Explain { to, reply, .. } => {
                let route = RouteExplanation { route: Some(to.clone()), because: Vec::new(), considered: Vec::new() };
                drop(reply.send(if to == "?" { Err("`?` is no number".into()) } else { Ok(route) }));
            }
            ControlRequest::Stream { reply, .. } => drop(reply.send(StreamAnswer::NoCall)),
            ControlRequest::PeopleChanged => asked.send("people".into()).await.unwrap(),
        }
    }
}

fn applied() -> PlanApplied {
    let (changes, notes) = (vec!["route `a` added".to_owned()], Vec::new());
    PlanApplied { taken: Some(4), plan: plan_view(), canary: None, changes, diff: None, notes, warnings: Vec::new() }
}

fn schedule(turned: Option<&crate::store::ScheduleTurned>) -> ScheduleView {
    let switch = turned.and_then(SwitchView::of);
    ScheduleView { schedule: "office".into(), open: Some(switch.is_none()), why: "weekly hours".into(), switch, next: Vec::new() }
}

fn ban() -> crate::store::Ban {
    let source = "192.0.2.7".parse().unwrap();
    crate::store::Ban { source, offence: "passwords".into(), times: 2, at: at(0), until: at(240_000) }
}

fn explanation(item: ItemId) -> Option<Explanation> {
    Some(Explanation {
        item,
        queue: "support".into(),
        place: None,
        waited_ms: 1,
        skills: Vec::new(),
        summary: "every agent is on a call".into(),
        considered: Vec::new(),
    })
}

fn agent_view(state: AgentState) -> floor::AgentView {
    floor::AgentView {
        agent: "1001".into(),
        queues: vec!["support".into()],
        skills: Vec::new(),
        state,
        since_at: at(0),
        idle_since_at: None,
        pending: None,
        item: None,
        offer: None,
        reachable: true,
        direct_legs: 0,
        aside_until_at: None,
        missed: 0,
        free: true,
        load: 0,
        holds: Vec::new(),
        devices: Vec::new(),
    }
}

fn floor_view() -> FloorView {
    let item = |item, place| floor::ItemView {
        channel: tandem_switch::channel::Channel::Voice,
        load: tandem_switch::demand::Load::Normal,
        item: ItemId(item),
        call: CallId(item),
        queue: "support".into(),
        caller: "+3902".into(),
        stage: floor::ItemStage::Waiting,
        agent: None,
        offer: None,
        skills: Vec::new(),
        priority_minutes: 0,
        virtual_arrival_at: at(-60_000),
        callback: None,
        place: Some(Place { position: place, estimated_wait_ms: None }),
        rank: Some(1.0),
    };
    let promised = floor::ItemView { callback: Some((2, at(90_000))), ..item(2, 2) };
    let queue = floor::QueueView {
        queue: "support".into(),
        in_plan: true,
        waiting: 2,
        callbacks: 0,
        offered: 0,
        expected_back: 0,
        engaged: 0,
        longest_wait_ms: 60_250,
        estimated_wait_ms: Some(90_000),
        handling_ms: None,
        answer_target_ms: 20_000,
        agents: 1,
        agents_signed_in: 1,
        agents_free: 0,
    };
    let (queues, agents, items) = (vec![queue], vec![agent_view(AgentState::Ready)], vec![item(1, 1), promised]);
    let count = QueueCount { offered: 7, answered: 4, answered_wait_ms: 61_500, abandoned: 1, flowed_out: 0 };
    FloorView { queues, agents, items, counts: vec![("support".into(), count)], today_at: at(-3_600_000), at: at(0) }
}

fn call_view() -> CallView {
    CallView {
        call: CallId(5).to_string(),
        origin: "extension:1001".into(),
        from: "1001".into(),
        to: "1800".into(),
        identity: None,
        route: None,
        state: "queued".into(),
        since: At(at(0)),
        step: "queue".into(),
        started_at: At(at(0)),
        answered_at: None,
        queue: Some("support".into()),
        agent: None,
        recording: None,
        payment: false,
        legs: 1,
        customer: None,
        customer_name: None,
    }
}

fn parked_view() -> ParkedView {
    ParkedView {
        slot: "701".into(),
        lot: "main".into(),
        call: CallId(5).to_string(),
        party: "1001".into(),
        by: Some("1002".into()),
        since: At(at(0)),
    }
}

fn plan_view() -> PlanView {
    PlanView { generation: 2, by: "start".into(), checked_at: At(at(0)), files: Vec::new(), warnings: Vec::new(), canary: None }
}
