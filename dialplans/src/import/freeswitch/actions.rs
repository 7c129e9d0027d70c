//! Applications of FreeSWITCH, one by one, but for those that call somebody.

use kdl::KdlNode;

use super::{
    super::{
        draft::{MAX_SILENCE_S, extension_number, file},
        kdl_out::{Build as _, node},
        value::{Piece, Value, literal, push, template, text, unknown},
    },
    dialplan::{Scope, Walk},
    xml::Element,
};

/// Why something is not converted, and what can be done.
pub(super) type Why = (String, String);

pub(super) fn why(why: impl Into<String>, todo: impl Into<String>) -> Why {
    (why.into(), todo.into())
}

/// What an action does with the call.
pub(super) enum Flow {
    Next(Vec<KdlNode>),
    End(Vec<KdlNode>),
}

/// Applications that leave no trace in a call.
const WITHOUT_TRACE: &[&str] = &[
    "log",
    "info",
    "hash",
    "db",
    "event",
    "bind_meta_app",
    "bind_digit_action",
    "clear_digit_action",
    "set_user",
    "presence",
    "sched_heartbeat",
    "pre_answer",
    "verbose_events",
    "sound_test",
    "unset",
    "multiunset",
    "start_dtmf",
    "stop_dtmf",
    "start_dtmf_generate",
    "set_zombie_exec",
    "stop_record_session",
    "cng_plc",
    "set_audio_level",
];

/// Variables that say something for the actions behind them.
const VARIABLES: &[&str] = &["continue_on_fail", "hangup_after_bridge", "call_timeout", "leg_timeout"];

pub(super) fn leaves_no_trace(action: &Element) -> bool {
    action.get("application").is_some_and(|app| WITHOUT_TRACE.contains(&app))
}

impl<'a> Walk<'a> {
    /// Actions from one on, to an end.
    pub(super) fn run(&mut self, actions: &[&'a Element], mut scope: Scope) -> Vec<KdlNode> {
        let mut nodes = Vec::new();
        for (index, action) in actions.iter().enumerate() {
            if self.is_full() {
                self.draft.ledger.not_converted(action.at, "the ways through this dialplan are too many", "import a part of it");
                break;
            }
            let rest = &actions[index + 1..];
            match self.action(action, rest, &mut scope) {
                Ok(flow) => {
                    if self.draft.ledger.is_open(action.at) {
                        let into = format!("steps for `{}`", action.get("application").unwrap_or_default());
                        self.draft.ledger.converted(action.at, into);
                    }
                    match flow {
                        Flow::Next(more) => nodes.extend(more),
                        Flow::End(more) => {
                            nodes.extend(more);
                            for behind in rest.iter().filter(|behind| behind.get("application") == Some("hangup")) {
                                if self.draft.ledger.is_open(behind.at) {
                                    self.draft.ledger.converted(behind.at, "the step before it ends the call");
                                }
                            }
                            return nodes;
                        }
                    }
                }
                Err((why, todo)) => self.draft.ledger.not_converted(action.at, why, todo),
            }
        }
        nodes.push(node("hangup"));
        nodes
    }

    fn action(&mut self, action: &'a Element, rest: &[&'a Element], scope: &mut Scope) -> Result<Flow, Why> {
        let data = action.get("data").unwrap_or_default().trim();
        let one = |node: KdlNode| Ok(Flow::Next(vec![node]));
        match action.get("application").unwrap_or_default() {
            "answer" => one(node("answer")),
            "ring_ready" => one(node("ring")),
            "echo" | "delay_echo" => one(node("echo")),
            "sleep" => self.sleep(data),
            "playback" | "endless_playback" => self.playback(data, scope),
            "hangup" | "respond" => Ok(Flow::End(vec![hangup(data)])),
            "bridge" => self.bridge(data, rest, scope),
            "transfer" | "execute_extension" => self.jump(data, scope),
            "voicemail" => self.voicemail(data, scope),
            "callcenter" => self.callcenter(data, rest, scope),
            "conference" => self.conference(data, scope),
            "park" | "valet_park" => {
                Err(why("parking has slots that are declared", "declare `parking`, and write `park` and `retrieve`"))
            }
            "ivr" => self.ivr(data, scope).map(Flow::End),
            "play_and_get_digits" => self.collect(data, scope),
            "set" | "export" => self.set(action, data, scope),
            "record_session" => {
                scope.vars.insert("record()".into(), text("1"));
                self.draft.ledger.converted(action.at, "`record #true` of the calls behind it");
                Ok(Flow::Next(Vec::new()))
            }
            "say" => self.say(data, scope),
            app if WITHOUT_TRACE.contains(&app) => {
                self.draft.ledger.left_out(action.at, "nothing of it is heard, and calls are recorded anyway");
                Ok(Flow::Next(Vec::new()))
            }
            app => Err(no_counterpart(app)),
        }
    }

    /// Fills in what is known of a text.
    pub(super) fn expand(&self, from: &str, scope: &Scope) -> Value {
        let mut value = Value::new();
        let mut rest = from;
        while let Some(at) = rest.find('$') {
            push(&mut value, text(&rest[..at]));
            let tail = &rest[at + 1..];
            let digit = tail.chars().next().and_then(|c| c.to_digit(10)).and_then(|n| usize::try_from(n).ok());
            if let Some(n) = digit {
                let group = n.checked_sub(1).and_then(|n| scope.groups.get(n)).cloned();
                push(&mut value, group.unwrap_or_else(|| vec![Piece::Unknown(format!("${n}"))]));
                rest = &tail[1..];
            } else if let Some((name, behind)) = tail.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
                push(&mut value, variable(name, scope));
                rest = behind;
            } else {
                push(&mut value, text("$"));
                rest = tail;
            }
        }
        push(&mut value, text(rest));
        value
    }

    /// A value as a template.
    pub(super) fn filled(&self, value: &Value) -> Result<String, Why> {
        template(value).map(|(text, _)| text).ok_or_else(|| not_known(value))
    }

    fn sleep(&mut self, data: &str) -> Result<Flow, Why> {
        let seconds =
            data.parse::<u32>().ok().map(|ms| ms.div_ceil(1_000)).filter(|seconds| (1..=MAX_SILENCE_S).contains(seconds));
        let Some(seconds) = seconds else { return Err(why(format!("a wait of `{data}`"), "play something for so long")) };
        let prompt = self.draft.silence(seconds);
        Ok(Flow::Next(vec![node("play").arg(prompt)]))
    }

    fn playback(&mut self, data: &str, scope: &Scope) -> Result<Flow, Why> {
        if data.contains("hold_music") || data.starts_with("local_stream://") {
            return Ok(Flow::Next(vec![node("play").arg("music/hold")]));
        }
        self.prompts(node("play"), data, scope).map(|play| Flow::Next(vec![play]))
    }

    /// Adds the prompts of a file, or of `file_string://a!b`.
    pub(super) fn prompts(&mut self, mut to: KdlNode, data: &str, scope: &Scope) -> Result<KdlNode, Why> {
        let files = data.strip_prefix("file_string://").unwrap_or(data);
        for name in files.split('!').filter(|name| !name.is_empty()) {
            if let Some(ms) = name.strip_prefix("silence_stream://").and_then(|ms| ms.split(',').next()?.parse::<u32>().ok()) {
                to = to.arg(self.draft.silence(ms.div_ceil(1_000)));
                continue;
            }
            if name.contains("://") || name.starts_with("say:") || name.starts_with("phrase:") {
                return Err(why(format!("`{name}` is no recording"), "record what it says, and play that"));
            }
            let value = self.expand(name, scope);
            // Where sounds lie differs; what they are called does not.
            let known = literal(&value)
                .or_else(|| name.rsplit_once("}/").map(|(_, name)| name.to_owned()).filter(|name| !name.contains('$')));
            let Some(name) = known.filter(|name| !name.is_empty()) else { return Err(not_known(&value)) };
            to = to.arg(self.draft.prompt(&name));
        }
        if to.entries().iter().any(|entry| entry.name().is_none()) {
            Ok(to)
        } else {
            Err(why("nothing to play", "see what was meant"))
        }
    }

    fn jump(&mut self, data: &str, scope: &Scope) -> Result<Flow, Why> {
        let mut words = data.split_whitespace().filter(|word| !matches!(*word, "-both" | "-bleg"));
        let value = self.expand(words.next().unwrap_or_default(), scope);
        let context = words.nth(1).map(|context| self.expand(context, scope));
        let context = context.map(|value| literal(&value).ok_or_else(|| not_known(&value))).transpose()?;
        if unknown(&value).is_some() {
            return Err(not_known(&value));
        }
        self.transfer(&value, context.as_deref(), scope).map(Flow::End).ok_or_else(|| {
            why("no single extension of that context is for this number", "write a `goto` to the route that is meant")
        })
    }

    /// `voicemail default DOMAIN BOX`.
    pub(super) fn voicemail(&mut self, data: &str, scope: &Scope) -> Result<Flow, Why> {
        let words: Vec<&str> = data.split_whitespace().collect();
        if words.first() == Some(&"check") || words.len() < 3 {
            return Err(why(
                "messages are heard elsewhere",
                "messages are listed by `tandem messages` and the API: docs/voicemail.md",
            ));
        }
        let value = self.expand(words.last().unwrap_or(&""), scope);
        let mailbox = self.filled(&value)?;
        if let Some(name) = literal(&value) {
            let valid = (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !valid {
                return Err(why(format!("`{name}` is no name of a mailbox here"), "declare one with letters, digits and dashes"));
            }
            let own = extension_number(&name).is_some_and(|number| self.draft.extensions.contains_key(&number));
            let is_it = |node: &KdlNode| {
                node.name().value() == "mailbox" && node.get(0).and_then(|v| v.as_string()) == Some(name.as_str())
            };
            if !own && !self.draft.tops.iter().any(|top| is_it(&top.node)) {
                self.draft.top(file::QUEUES, node("mailbox").arg(name.as_str()), Vec::new());
            }
        }
        Ok(Flow::Next(vec![node("voicemail").arg(mailbox)]))
    }

    fn callcenter(&mut self, data: &str, rest: &[&'a Element], scope: &Scope) -> Result<Flow, Why> {
        let value = self.expand(data, scope);
        let name = literal(&value).or_else(|| data.split('@').next().map(str::to_owned)).unwrap_or_default();
        let found = self.known.queues.get(&name).or_else(|| self.known.queues.get(name.split('@').next().unwrap_or_default()));
        let Some(queue) = found.cloned() else {
            return Err(why(format!("there is no queue `{name}`"), "declare `queue \"…\"`, and write the step"));
        };
        let mut step = node("queue").arg(queue.as_str());
        if scope.vars.contains_key("record()") {
            step = step.prop("record", true);
        }
        if rest.iter().all(|action| action.get("application") == Some("hangup")) {
            return Ok(Flow::End(vec![step, node("hangup")]));
        }
        let behind = self.run(rest, scope.clone());
        let behind = if scope.is_local() { behind } else { self.shared("behind the queue", behind) };
        for ending in ["no-agents", "timed-out", "full", "error"] {
            step = step.child(node(ending).children_of(behind.clone()));
        }
        Ok(Flow::End([vec![step], behind].concat()))
    }

    fn conference(&mut self, data: &str, scope: &Scope) -> Result<Flow, Why> {
        let name = data.split('@').next().unwrap_or_default().split('+').next().unwrap_or_default();
        // `3000-${domain_name}`: there is one domain.
        let name = name.strip_suffix("-${domain_name}").or_else(|| name.strip_suffix("-${domain}")).unwrap_or(name);
        let value = self.expand(name, scope);
        let room = self.filled(&value)?;
        if literal(&value).is_some_and(|room| crate::plan::parse_room(&room).is_none()) {
            return Err(why(format!("`{room}` is no name of a room here"), "choose one of 1 to 32 letters, digits and dashes"));
        }
        Ok(Flow::End(vec![node("conference").arg(room)]))
    }

    /// `play_and_get_digits MIN MAX TRIES TIMEOUT KEYS FILE INVALID VARIABLE …`.
    fn collect(&mut self, data: &str, scope: &mut Scope) -> Result<Flow, Why> {
        let words: Vec<&str> = data.split_whitespace().collect();
        let [min, max, tries, timeout, end, prompt, _, variable, ..] = words.as_slice() else {
            return Err(why("digits are asked for in a way that is not read", "write `collect`"));
        };
        let count = |text: &str, most: u32| text.parse::<u32>().ok().map(|n| i128::from(n.clamp(1, most)));
        let mut collect = self.prompts(node("collect"), prompt, scope)?;
        let name = format!("digits-{}", self.count);
        collect = collect
            .prop("max", count(max, 32).unwrap_or(32))
            .maybe("min", count(min, 32))
            .prop("as", name.as_str())
            .maybe("timeout", timeout.parse::<u64>().ok().filter(|ms| (1..=86_400_000).contains(ms)).map(|ms| format!("{ms}ms")))
            .maybe("end", end.chars().next().filter(|key| key.is_ascii_digit() || matches!(key, '*' | '#')).map(String::from))
            .maybe("tries", count(tries, 10));
        scope.vars.insert((*variable).to_owned(), vec![Piece::Collected(name)]);
        Ok(Flow::Next(vec![collect]))
    }

    fn set(&mut self, action: &Element, data: &str, scope: &mut Scope) -> Result<Flow, Why> {
        let Some((name, value)) = data.split_once('=') else { return Err(why("`set` without a `=`", "see what was meant")) };
        let name = name.trim().trim_start_matches("nolocal:");
        let value = self.expand(value.trim(), scope);
        match (name, literal(&value).as_deref()) {
            ("default_language", Some(language @ ("en" | "it"))) => {
                return Ok(Flow::Next(vec![node("set").prop("language", language)]));
            }
            ("default_language", _) => {
                return Err(why("no prompts ship in this language", "record them, and write `set language=\"…\"`"));
            }
            ("effective_caller_id_number", _) => {
                scope.vars.insert("caller_id()".into(), value);
            }
            (name, Some(_)) if VARIABLES.contains(&name) => {
                scope.vars.insert(name.to_owned(), value);
            }
            (name, _)
                if unknown(&value).is_some()
                    || name.starts_with("sip_")
                    || name.starts_with("rtp_")
                    || name.contains("ringback") =>
            {
                let what = format!(
                    "the variable `{name}`: nothing of it is known before the call, or it means something to FreeSWITCH only"
                );
                self.draft.ledger.left_out(action.at, what);
                scope.vars.remove(name);
            }
            (name, _) => {
                scope.vars.insert(name.to_owned(), value);
            }
        }
        Ok(Flow::Next(Vec::new()))
    }

    /// `say en number pronounced 42`.
    fn say(&mut self, data: &str, scope: &Scope) -> Result<Flow, Why> {
        let words: Vec<&str> = data.split_whitespace().collect();
        let value = self.expand(words.last().unwrap_or(&""), scope);
        match words.as_slice() {
            [_, "number", "pronounced", ..] => Ok(Flow::Next(vec![node("say").prop("number", self.filled(&value)?)])),
            [_, "number" | "telephone_number", "iterated", ..] => {
                Ok(Flow::Next(vec![node("say").prop("digits", self.filled(&value)?)]))
            }
            [_, "current_time", ..] => Ok(Flow::Next(vec![node("say").arg("time")])),
            _ => Err(why("this is not spoken here", "see `say`, or record it")),
        }
    }
}

fn variable(name: &str, scope: &Scope) -> Value {
    match name {
        "destination_number" => scope.number.clone(),
        "caller_id_number" | "effective_caller_id_number" => {
            scope.vars.get("caller_id()").cloned().unwrap_or_else(|| vec![Piece::Caller])
        }
        _ => scope.vars.get(name).cloned().unwrap_or_else(|| vec![Piece::Unknown(format!("${{{name}}}"))]),
    }
}

/// What cannot be told of a value.
pub(super) fn not_known(value: &[Piece]) -> Why {
    match unknown(value) {
        Some(text) => why(format!("nobody knows before the call what `{text}` is"), "write the step with a value of its own"),
        None => why("the value does not fit where it stands", "write the step by hand"),
    }
}

fn no_counterpart(app: &str) -> Why {
    let todo = match app {
        "lua" | "javascript" | "python" | "perl" | "socket" | "curl" | "httapi" | "audio_fork" => {
            "give the call to a program by `stream` or `fork`: docs/audio-streams.md"
        }
        "eavesdrop" | "userspy" => "write `supervisors` and `supervise`",
        "intercept" | "group" => "write a `pickup-group` and the step `pickup`",
        "deflect" | "redirect" => "write `hand-back`, and `takes-refer #true` for the trunk",
        "fifo" => "declare a `queue`, and write the step",
        "limit" | "limit_execute" => "see `max-calls` of trunks, and `protect`",
        "gentones" | "speak" | "phrase" => "record what it says, and play that",
        _ => "see whether the calls need it",
    };
    why(format!("the application `{app}` has no counterpart"), todo)
}

/// A cause by its name, or the code of a reply.
pub(super) fn hangup(cause: &str) -> KdlNode {
    let word = match cause.split_whitespace().next().unwrap_or_default() {
        "USER_BUSY" | "17" | "486" | "600" => "busy",
        "NO_ANSWER" | "NO_USER_RESPONSE" | "18" | "19" | "480" => "no-answer",
        "CALL_REJECTED" | "21" | "603" => "rejected",
        "UNALLOCATED_NUMBER" | "NO_ROUTE_DESTINATION" | "INVALID_NUMBER_FORMAT" | "1" | "3" | "404" | "484" => "not-found",
        "OUTGOING_CALL_BARRED" | "INCOMING_CALL_BARRED" | "403" => "forbidden",
        "DESTINATION_OUT_OF_ORDER" | "SUBSCRIBER_ABSENT" | "27" | "20" => "unavailable",
        "NORMAL_TEMPORARY_FAILURE" | "SWITCH_CONGESTION" | "NORMAL_CIRCUIT_CONGESTION" | "34" | "41" | "42" | "503" => {
            "congestion"
        }
        _ => return node("hangup"),
    };
    node("hangup").arg(word)
}
