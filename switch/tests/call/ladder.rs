//! Call ladders as text: what the call is told stands at the margin, what it does about it below.
//!
//! A line at the margin is `<ms> <input>`; indented lines are outputs and are only compared. Deadlines
//! that pass between two inputs are ticked and shown as `(<ms>)`. `caller trunk` in the first line
//! makes the caller come by a trunk, `trace` shows trace lines, `#` begins a remark. `<ms> restart` is no input: the
//! call is written down, and what is read back goes on (`gone=1`: leg 1 did not come back; `finished`, `anew`). With
//! `UPDATE_LADDERS=1` in the environment the files are written anew.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    fs,
    path::Path,
    sync::Arc,
};

use tandem_switch::{
    ask::{Answer, Ask, Unanswered},
    call::{Arrival, Call, CallSettings, Input, KeptCall, Newcomer, Notice, Output, RedirectNews, Restart, TransferNews},
    callback::{Callback, CallbackOffer, Tries},
    cause::Cause,
    cdr::{Cdr, Origin},
    device::{Device, DeviceKind, Devices},
    id::{CallId, IdSource, ItemId, LegId, OfferId, RecordingId},
    ladder::{Hall, Ladder as QueueLadder, Rung},
    link::{FloorSays, Place, RefuseReason, ToFloor},
    name::QueueName,
    step::{
        AgentRequest, Audio, Collect, Dial, LeaveMessage, Park, Phrase, QueueStep, RingStrategy, Sides, Step, StepOutcome,
        Supervision, Target, Whom,
    },
    time::Timestamp,
};

const BEGIN_MS: i64 = 1_790_000_000_000;

pub(super) fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/call/ladders").join(format!("{name}.txt"));
    let wanted = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let got = run(&wanted);
    if std::env::var_os("UPDATE_LADDERS").is_some() {
        fs::write(&path, got).unwrap();
    } else {
        assert!(wanted == got, "{name} went otherwise:\n{got}");
    }
}

/// The inputs of a ladder with the outputs that they have now.
fn run(text: &str) -> String {
    let mut ladder = Ladder::new(text);
    for line in text.lines().filter(|line| !line.starts_with(' ')) {
        if let Some((ms, words)) = line.split_once(' ').and_then(|(ms, words)| Some((ms.parse::<i64>().ok()?, words))) {
            ladder.tick_until(ms);
            ladder.print(line);
            if words.starts_with("restart") {
                ladder.restart(ms, words);
                continue;
            }
            let input = ladder.input(words);
            ladder.handle(ms, input);
        } else {
            ladder.print(line);
        }
    }
    ladder.printed
}

struct Ladder {
    call: Call,
    ids: IdSource,
    items: Vec<ItemId>,
    recordings: Vec<RecordingId>,
    /// The first line, which says what is settled.
    notice: String,
    trace: bool,
    payer: Option<LegId>,
    over: bool,
    printed: String,
}

impl Ladder {
    fn new(text: &str) -> Self {
        let first = text.lines().next().unwrap_or_default();
        let origin =
            if first.contains("caller trunk") { Origin::Trunk("carrier".into()) } else { Origin::Extension("1007".into()) };
        let arrival = Arrival { call: CallId(1), origin, from: "+390212345678".into(), to: "1800".into(), generation: 3 };
        Self {
            call: if first.contains("to be made") {
                Call::to_be_made(instant(0), arrival, settings(first))
            } else {
                Call::new(instant(0), arrival, settings(first))
            },
            notice: first.to_owned(),
            ids: IdSource::new(1),
            items: Vec::new(),
            recordings: Vec::new(),
            trace: first.contains("trace"),
            payer: None,
            over: false,
            printed: String::new(),
        }
    }

    fn print(&mut self, line: &str) {
        writeln!(self.printed, "{line}").unwrap();
    }

    fn tick_until(&mut self, ms: i64) {
        while let Some(due) = self.call.deadline().map(ms_of).filter(|&due| due < ms) {
            self.print(&format!("    ({due})"));
            self.handle(due, Input::Tick);
            assert!(self.call.deadline().map(ms_of) != Some(due), "a deadline that stays");
        }
    }

    fn handle(&mut self, ms: i64, input: Input) {
        self.call.handle(instant(ms), input, &mut self.ids);
        self.drain();
    }

    /// The process is gone, and another one takes the call up a second later than it stopped.
    fn restart(&mut self, ms: i64, words: &str) {
        let text = serde_json::to_string(&self.call).unwrap();
        let kept: KeptCall = serde_json::from_str(&text).unwrap();
        let gone: Vec<LegId> = words.split("gone=").skip(1).map(|leg| read_leg(&leg[..1])).collect();
        let restart = Restart {
            stopped_at: instant(ms - 1_000),
            settings: settings(&self.notice),
            gone: &gone,
            finished: words.contains("finished"),
            anew: words.contains("anew"),
        };
        self.call = Call::take_up(instant(ms), kept, restart, &mut self.ids);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.call.poll() {
            assert!(!self.over, "something after the end");
            self.over = matches!(output, Output::Ended(_));
            if let Some(line) = self.show(output) {
                self.print(&format!("        {line}"));
            }
        }
        let payer = self.call.payer();
        if std::mem::replace(&mut self.payer, payer) != payer {
            self.print(&payer.map_or_else(|| "        nobody pays".to_owned(), |leg| format!("        {leg} pays")));
        }
    }

    fn input(&self, line: &str) -> Input {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.contains('=')).collect();
        let with: HashMap<&str, &str> = line.split(' ').filter_map(|word| word.split_once('=')).collect();
        match *words.as_slice() {
            ["step", ref step @ ..] => Input::Step(read_step(step, &with)),
            ["routed", route] => Input::Routed(route.into()),
            ["leg", leg, "rings"] => Input::LegRang { leg: read_leg(leg), early_media: false },
            ["leg", leg, "sings"] => Input::LegRang { leg: read_leg(leg), early_media: true },
            ["leg", leg, "answers"] => Input::LegAnswered { leg: read_leg(leg) },
            ["leg", leg, "fails", cause] => Input::LegFailed { leg: read_leg(leg), cause: read_cause(cause) },
            ["leg", leg, "redirects", ref to @ ..] => Input::LegRedirected {
                leg: read_leg(leg),
                by: read_origin(with.get("by").copied().unwrap_or("1001")),
                to: to.iter().map(|to| (*to).into()).collect(),
                why: read_cause(with.get("why").copied().unwrap_or("redirected")),
            },
            ["leg", leg, "ends", cause] => Input::LegEnded { leg: read_leg(leg), cause: read_cause(cause) },
            ["leg", leg, "holds"] => Input::LegHeld { leg: read_leg(leg), held: true },
            ["leg", leg, "resumes"] => Input::LegHeld { leg: read_leg(leg), held: false },
            ["leg", leg, "transfers", to] => {
                Input::Transfer { leg: read_leg(leg), by: read_origin(with.get("by").copied().unwrap_or("1001")), to: to.into() }
            }
            ["leg", leg, "parked", slot] => Input::Parked { leg: read_leg(leg), slot: slot.into() },
            ["leg", leg, "lot-full"] => Input::LotFull { leg: read_leg(leg) },
            ["leg", leg, "mailbox-open"] => Input::MailboxOpen { leg: read_leg(leg) },
            ["leg", leg, "mailbox-full"] => Input::MailboxFull { leg: read_leg(leg) },
            ["leg", leg, "streamed", word] => Input::Streamed {
                leg: read_leg(leg),
                outcome: match word {
                    "done" => StepOutcome::Done,
                    "failed" => StepOutcome::Failed,
                    "stalled" => StepOutcome::Stalled,
                    word => StepOutcome::Said(word.to_owned()),
                },
            },
            ["answer", question, word] => Input::Answered {
                question: question.parse().unwrap(),
                answer: match word {
                    "unreachable" => Err(Unanswered::Unreachable),
                    word => Ok(Answer { word: word.to_owned(), values: Vec::new() }),
                },
            },
            ["leg", leg, "takes", "nobody"] => Input::NotTaken { leg: read_leg(leg) },
            ["leg", leg, "leaves"] => Input::Leaves { leg: read_leg(leg) },
            ["taken", "by", number] => {
                let (leg, held) = (self.call.next_leg().unwrap(), with.contains_key("held"));
                Input::Taken { new: Newcomer { leg, number: number.into(), by_trunk: false, held, is_same_party: false } }
            }
            ["leg", leg, "room-fails"] => Input::RoomFailed { leg: read_leg(leg) },
            ["mute", word] => Input::Mute { muted: word == "on" },
            ["leg", leg, "room-full"] => Input::RoomFull { leg: read_leg(leg) },
            ["leg", leg, "handed-back"] => Input::HandedBack { leg: read_leg(leg), failed: None },
            ["leg", leg, "stays", cause] => Input::HandedBack { leg: read_leg(leg), failed: Some(read_cause(cause)) },
            ["leg", leg, "is-left"] => Input::GivenAway { by: read_leg(leg) },
            ["leg", leg, "replaced", number] => {
                let (by_trunk, held) = (with.contains_key("trunk"), with.contains_key("held"));
                let (is_same_party, next) = (with.contains_key("same"), self.call.next_leg().unwrap());
                let new = Newcomer { leg: next, number: number.into(), by_trunk, held, is_same_party };
                Input::Replaced { leg: read_leg(leg), new }
            }
            ["leg", leg, "presses", digit] => Input::Digit { leg: read_leg(leg), digit: digit.chars().next().unwrap() },
            ["leg", leg, "heard", play] => Input::Played { leg: read_leg(leg), play: play.parse().unwrap() },
            ["floor", ref says @ ..] => Input::Floor(self.read_floor(says, &with)),
            ["payment", word] => Input::Payment { begins: word == "on" },
            ["pause-recording", word] => Input::PauseRecording { paused: word == "on" },
            ["hangup", cause] => Input::Hangup { cause: read_cause(cause) },
            _ => panic!("no such input: {line}"),
        }
    }

    fn read_floor(&self, words: &[&str], with: &HashMap<&str, &str>) -> FloorSays {
        let item = with
            .get("item")
            .map_or_else(|| self.items.last().copied().unwrap_or(ItemId(0)), |n| self.items[n.parse::<usize>().unwrap() - 1]);
        let offer = |n: &str| OfferId(n.parse().unwrap());
        let place =
            |n: &str| Place { position: n.parse().unwrap(), estimated_wait_ms: with.get("wait").map(|ms| ms.parse().unwrap()) };
        match *words {
            ["queued", n] => FloorSays::Queued { item, place: place(n) },
            ["place", n] => FloorSays::Place { item, place: place(n) },
            ["refuses", "no-agents"] => FloorSays::Refused { item, reason: RefuseReason::NoAgents },
            ["refuses", "full"] => FloorSays::Refused { item, reason: RefuseReason::Full },
            ["refuses", "no-such-queue"] => FloorSays::Refused { item, reason: RefuseReason::NoSuchQueue },
            ["in", queue, n] => FloorSays::Overflowed { item, queue: queue.into(), place: place(n) },
            ["not-in", queue] => FloorSays::Stays { item, to: queue.into(), reason: RefuseReason::Full },
            ["keeps"] => FloorSays::CallbackKept { item },
            ["does-not-keep"] => FloorSays::CallbackRefused { item },
            ["calls-back", n, agent] => self.read_call_back(offer(n), agent, with),
            ["offers", n, agent] => FloorSays::Offer {
                offer: offer(n),
                item,
                agent: agent.into(),
                devices: read_devices(agent, with),
                ring_ms: 20_000,
            },
            ["withdraws", n] => FloorSays::Withdraw { offer: offer(n) },
            ["connects", n] => FloorSays::Connect { offer: offer(n) },
            ["replies", word] => FloorSays::AgentReply { done: word == "done" },
            _ => panic!("the floor does not say {words:?}"),
        }
    }

    fn show(&mut self, output: Output) -> Option<String> {
        Some(match output {
            Output::RingCaller => "ring caller".into(),
            Output::EarlyMedia => "early media".into(),
            Output::Answer => "answer".into(),
            Output::InviteLeg { leg, target, caller_id, diverted, .. } => {
                let by = diverted.iter().map(|(number, why)| format!(", diverted by {} ({})", number.as_str(), why.as_str()));
                format!("invite {leg}: {} as {caller_id:?}{}", show_target(&target), by.collect::<String>())
            }
            Output::HandBack { leg, number } => format!("hand {leg} back: {}", number.as_str()),
            Output::EndLeg { leg, cause } => format!("end {leg}: {}", cause.as_str()),
            Output::Play { leg, play, audio, repeat } => {
                format!("play {play} to {leg}: {}{}", show_audio(&audio), if repeat { ", over and over" } else { "" })
            }
            Output::RingBack { leg } => format!("ring-back to {leg}"),
            Output::StopPlay { leg } => format!("stop playing to {leg}"),
            Output::Join { left, right } => format!("join {left} and {right}"),
            Output::Part { leg } => format!("part {leg}"),
            Output::Echo { leg } => format!("echo {leg}"),
            Output::Supervise { leg, agent, role } => format!("{leg} supervises {agent}: {}", role.as_str()),
            Output::Park { leg, lot, slots: (first, last), had, by } => {
                let had = had.map(|slot| format!(", had {slot}")).unwrap_or_default();
                let by = by.map(|by| format!(", by {by}")).unwrap_or_default();
                format!("park {leg} in {lot} {first}-{last}{had}{by}")
            }
            Output::AskMailbox { leg, mailbox, most } => format!("{leg} asks {mailbox} for room, {most} at most"),
            Output::TakeMessage { message, leg, mailbox } => {
                format!("message r{} of {leg} for {mailbox}", number(&mut self.recordings, message))
            }
            Output::Fork { program, sides } => format!("{} for {program}", sides.describe()),
            Output::ProgramKey { key } => format!("key {key} for the program"),
            Output::Ask { question, ask } => {
                format!("question {question} to {}: {} in {} ms", ask.service, ask.words.join(" or "), ask.budget_ms)
            }
            Output::Take { leg, whom } => format!("{leg} takes {whom:?}"),
            Output::EnterRoom { leg, room, voice } => {
                format!("{leg} enters {room}, {}", if voice { "speaks" } else { "listens" })
            }
            Output::Record { recording, left, right } => {
                format!("record r{}: {left} left, {right} right", number(&mut self.recordings, recording))
            }
            Output::PauseRecord { recording, paused } => {
                format!("{} r{}", if paused { "pause" } else { "resume" }, number(&mut self.recordings, recording))
            }
            Output::StopRecord { recording } => format!("stop r{}", number(&mut self.recordings, recording)),
            Output::StepEnded(outcome) => format!("step ended: {}", show_outcome(&outcome)),
            Output::Transfer { by, news } => match news {
                TransferNews::Begun { to, .. } => format!("transfer for {by}: begun to {}", to.as_str()),
                TransferNews::Rings => format!("transfer for {by}: rings"),
                TransferNews::Taken => format!("transfer for {by}: taken"),
                TransferNews::Refused => format!("transfer for {by}: refused"),
                TransferNews::Failed(cause) => format!("transfer for {by}: failed, {}", cause.as_str()),
            },
            Output::Redirect(news) => match news {
                RedirectNews::Begun { by, to, why } => {
                    format!("redirect by {by}: begun to {} ({})", to.as_str(), why.as_str())
                }
                RedirectNews::Taken => "redirect: taken".into(),
                RedirectNews::Failed => "redirect: failed".into(),
            },
            Output::Floor(message) => self.show_floor(message),
            Output::Trace(what, detail) if self.trace => format!("trace {what}: {detail}"),
            Output::Trace(..) => return None,
            Output::Ended(cdr) => self.show_cdr(&cdr),
        })
    }

    fn read_call_back(&self, offer: OfferId, agent: &str, with: &HashMap<&str, &str>) -> FloorSays {
        let Step::Queue(step) = read_step(&["queue", "support"], &HashMap::from([("record", "yes")])) else { unreachable!() };
        let callback = Callback {
            target: read_target("+390687654321"),
            tries: Tries { left: 3, apart_ms: 60_000, ring_ms: 20_000 },
            not_before: instant(0),
            origin: read_origin("carrier"),
            dialled: "1800".into(),
            arrived_at: instant(-300_000),
            step,
            customer: None,
        };
        FloorSays::CallBack {
            offer,
            item: ItemId(77),
            agent: agent.into(),
            devices: read_devices(agent, with),
            ring_ms: 20_000,
            caller: "+390687654321".into(),
            queue: "support".into(),
            callback: Box::new(callback),
        }
    }

    fn show_floor(&mut self, message: ToFloor) -> String {
        match message {
            ToFloor::Enqueue(e) => {
                let arrived = ms_of(e.arrived_at);
                format!("floor: enqueue i{} in {}, arrived {arrived}", number(&mut self.items, e.item), e.queue)
            }
            ToFloor::Leave { item, reason } => format!("floor: leave i{} ({reason:?})", number(&mut self.items, item)),
            ToFloor::CallBack { item, callback } => {
                let left = callback.tries.left;
                format!(
                    "floor: call i{} back, {left} tries, arrived {}",
                    number(&mut self.items, item),
                    ms_of(callback.arrived_at)
                )
            }
            ToFloor::CallsCustomer { offer } => format!("floor: {} calls the customer", offer.0),
            ToFloor::Unreached { offer, cause } => format!("floor: {} unreached ({})", offer.0, cause.as_str()),
            ToFloor::Overflow { item, to, .. } => format!("floor: overflow i{} to {to}", number(&mut self.items, item)),
            ToFloor::Ringing { offer } => format!("floor: ringing {}", offer.0),
            ToFloor::Accept { offer } => format!("floor: accept {}", offer.0),
            ToFloor::Decline { offer, cause } => format!("floor: decline {} ({})", offer.0, cause.as_str()),
            ToFloor::Finished { item, cause } => {
                format!("floor: finished i{} ({})", number(&mut self.items, item), cause.as_str())
            }
            ToFloor::Agent { agent, request, .. } => format!("floor: agent {agent} asks for {request:?}"),
            other => panic!("not a call's to say: {other:?}"),
        }
    }

    fn show_cdr(&mut self, cdr: &Cdr) -> String {
        let mut text = format!("ended: {} by {}", cdr.cause.as_str(), cdr.blame.as_str());
        for (name, instant) in [("answered", cdr.answered_at), ("connected", cdr.connected_at)] {
            if let Some(instant) = instant {
                write!(text, ", {name} {}", ms_of(instant)).unwrap();
            }
        }
        if cdr.restarts > 0 {
            write!(text, ", {} restarts", cdr.restarts).unwrap();
        }
        write!(text, ", waited {}, talked {}", cdr.waited_ms, cdr.talked_ms).unwrap();
        for (name, value) in [
            ("route", cdr.route.as_ref().map(ToString::to_string)),
            ("queue", cdr.queue.as_ref().map(ToString::to_string)),
            ("agent", cdr.agent.as_ref().map(ToString::to_string)),
            ("answered by", cdr.answered_by.as_ref().map(|number| number.as_str().to_owned())),
            ("recording", cdr.recording.map(|r| format!("r{}", number(&mut self.recordings, r)))),
        ] {
            if let Some(value) = value {
                write!(text, ", {name} {value}").unwrap();
            }
        }
        let segments: Vec<String> = cdr
            .segments
            .iter()
            .map(|s| {
                let agent = s.agent.as_ref().map(|agent| format!(" with {agent}")).unwrap_or_default();
                let cause = s.cause.map(|cause| format!(" ({})", cause.as_str())).unwrap_or_default();
                format!("{:?}{agent}{cause} {}..{}", s.state, ms_of(s.from_at), ms_of(s.to_at))
            })
            .collect();
        format!("{text}\n          {}", segments.join(", "))
    }
}

fn settings(first: &str) -> Arc<CallSettings> {
    let to_both = first.contains("notice to both");
    let notice = (to_both || first.contains("notice to the caller")).then(|| Notice { prompt: "recorded".into(), to_both });
    Arc::new(CallSettings { hold_music: Some("hold".into()), notice, ..CallSettings::default() })
}

fn instant(ms: i64) -> Timestamp {
    Timestamp::from_ms(BEGIN_MS + ms)
}

fn ms_of(at: Timestamp) -> i64 {
    at.as_ms() - BEGIN_MS
}

/// The place of an identifier among those seen, from 1.
fn number<T: PartialEq>(seen: &mut Vec<T>, id: T) -> usize {
    if !seen.contains(&id) {
        seen.push(id);
        return seen.len();
    }
    seen.iter().position(|known| *known == id).unwrap() + 1
}

fn read_leg(word: &str) -> LegId {
    LegId(word.parse().unwrap())
}

/// `devices=1001:8,+39061234567:15:1`: whom, seconds, and the key; one after another, or with `rings=all` at once.
fn read_devices(agent: &str, with: &HashMap<&str, &str>) -> Devices {
    let Some(text) = with.get("devices") else { return Target::Extension(agent.into()).into() };
    let order = if with.get("rings") == Some(&"all") { RingStrategy::All } else { RingStrategy::InOrder };
    let device = |text: &str| {
        let words: Vec<&str> = text.split(':').collect();
        Device {
            name: words[0].into(),
            kind: if words.len() > 2 { DeviceKind::Mobile } else { DeviceKind::Desk },
            target: read_target(words[0]),
            ring_ms: Some(words[1].parse::<u64>().unwrap() * 1_000),
            confirm: words.get(2).and_then(|key| key.chars().next()),
        }
    };
    Devices { order, list: text.split(',').map(device).collect() }
}

fn read_origin(word: &str) -> Origin {
    if word == "carrier" { Origin::Trunk(word.into()) } else { Origin::Extension(word.into()) }
}

fn read_cause(word: &str) -> Cause {
    serde_json::from_value(word.into()).unwrap()
}

fn audio(prompts: &[&str]) -> Audio {
    Audio { language: "en".into(), phrases: prompts.iter().map(|&prompt| Phrase::Prompt(prompt.into())).collect() }
}

fn read_step(words: &[&str], with: &HashMap<&str, &str>) -> Step {
    let ms = |key: &str| with.get(key).map(|value| value.parse::<u64>().unwrap());
    match *words {
        ["ring"] => Step::Ring,
        ["answer"] => Step::Answer,
        ["echo"] => Step::Echo,
        ["supervise", agent] => Step::Supervise { agent: agent.into(), role: Supervision::Monitor },
        ["fork", program] => Step::Fork { program: program.into(), sides: Sides::Both },
        ["stream", program] => Step::Stream { program: program.into() },
        ["ask", service, ref words @ ..] => Step::Ask(Box::new(Ask {
            service: service.into(),
            budget_ms: ms("budget").unwrap_or(1_000),
            words: words.iter().map(|&word| word.to_owned()).collect(),
            receives: Vec::new(),
            origin: read_origin("carrier"),
            from: "+390212345678".into(),
            to: "100".into(),
            route: None,
            language: "en".into(),
            variables: Vec::new(),
        })),
        ["conference", room] => Step::Conference { room: room.into(), muted: with.contains_key("muted") },
        ["park", lot] => Step::Park(Park {
            lot: lot.into(),
            slots: (701, 703),
            timeout_ms: ms("timeout").unwrap_or(60_000),
            music: with.get("music").map(|&prompt| prompt.into()),
            language: "en".into(),
        }),
        ["voicemail", mailbox, ref greeting @ ..] => Step::Voicemail(LeaveMessage {
            mailbox: mailbox.into(),
            greeting: audio(greeting),
            max_ms: ms("max").unwrap_or(60_000),
            most: 50,
        }),
        ["retrieve", slot] => Step::Take(Whom::Parked(slot.into())),
        ["pickup", ref extensions @ ..] => Step::Take(Whom::Calling(extensions.iter().map(|&it| it.into()).collect())),
        ["hand-back", number] => Step::HandBack { number: number.into() },
        ["hangup", cause] => Step::Hangup { cause: read_cause(cause) },
        ["agent", "sign-in"] => Step::Agent(AgentRequest::SignIn),
        ["agent", "lunch"] => Step::Agent(AgentRequest::NotReady { reason: "lunch".into() }),
        ["play", ref prompts @ .., "or", "key"] => Step::Play { audio: audio(prompts), interrupt: true },
        ["play", ref prompts @ ..] => Step::Play { audio: audio(prompts), interrupt: false },
        ["collect", ref prompts @ ..] => Step::Collect(Collect {
            audio: audio(prompts),
            max_digits: with["max"].parse().unwrap(),
            first_digit_ms: 5_000,
            next_digit_ms: 2_000,
            terminator: with.get("end").map(|key| key.chars().next().unwrap()),
        }),
        ["queue", queue] => Step::Queue(QueueStep {
            queue: queue.into(),
            skills: Vec::new(),
            priority_minutes: 0,
            max_wait_ms: ms("max"),
            music: with.get("music").map(|&prompt| prompt.into()),
            language: "en".into(),
            announce_every_ms: ms("announce"),
            comfort: with.get("comfort").map(|&prompt| prompt.into()),
            record: with.contains_key("record"),
            wait_without_agents: false,
            ladder: read_ladder(with),
            callback: read_offer(with),
        }),
        ["dial", strategy, ref targets @ ..] => Step::Dial(Dial {
            targets: targets.iter().map(|target| read_target(target)).collect(),
            strategy: if strategy == "all" { RingStrategy::All } else { RingStrategy::InOrder },
            ring_ms: ms("ring").unwrap_or(20_000),
            record: with.contains_key("record"),
            music: with.get("music").map(|&prompt| prompt.into()),
            caller_id: with.get("as").map(|&number| number.into()),
        }),
        _ => panic!("no such step: {words:?}"),
    }
}

/// `over=support:60000:sales,sales:30000:night`: in each queue another music; `own-max=` when the step says the longest wait.
fn read_ladder(with: &HashMap<&str, &str>) -> QueueLadder {
    let rungs: Vec<Rung> = with.get("over").into_iter().flat_map(|list| list.split(',')).map(read_rung).collect();
    let hall = |queue: &QueueName| Hall {
        queue: queue.clone(),
        max_wait_ms: Some(100_000),
        music: Some(format!("{queue}-music").as_str().into()),
        announce_every_ms: None,
        comfort: None,
        record: false,
        wait_without_agents: true,
    };
    let queues: BTreeSet<&QueueName> = rungs.iter().flat_map(|rung| [&rung.of, &rung.to]).collect();
    QueueLadder { halls: queues.into_iter().map(hall).collect(), rungs, own_max_wait: with.contains_key("own-max") }
}

/// `callback=20000`: offered from then on; key 1, a number outside.
fn read_offer(with: &HashMap<&str, &str>) -> Option<Box<CallbackOffer>> {
    let after_ms = with.get("callback")?.parse().unwrap();
    Some(Box::new(CallbackOffer {
        after_ms,
        key: '1',
        prompt: "callback-offer".into(),
        confirm: with.get("confirm").map(|&prompt| prompt.into()),
        target: read_target("+390687654321"),
        tries: Tries { left: 3, apart_ms: 60_000, ring_ms: 20_000 },
    }))
}

fn read_rung(text: &str) -> Rung {
    let parts: Vec<&str> = text.split(':').collect();
    Rung { of: parts[0].into(), after_ms: parts[1].parse().unwrap(), to: parts[2].into() }
}

fn read_target(word: &str) -> Target {
    if word.starts_with('+') {
        Target::Trunk { trunk: "carrier".into(), number: word.into() }
    } else {
        Target::Extension(word.into())
    }
}

fn show_target(target: &Target) -> String {
    match target {
        Target::Extension(extension) => extension.to_string(),
        Target::Trunk { trunk, number } => format!("{} through {trunk}", number.as_str()),
        Target::Fixed(address) => address.to_string(),
    }
}

fn show_audio(audio: &Audio) -> String {
    let phrases: Vec<String> = audio
        .phrases
        .iter()
        .map(|phrase| match phrase {
            Phrase::Prompt(prompt) => prompt.to_string(),
            other => format!("{other:?}"),
        })
        .collect();
    phrases.join(", ")
}

fn show_outcome(outcome: &StepOutcome) -> String {
    format!("{outcome:?}")
}
