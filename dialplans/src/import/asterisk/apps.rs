//! Applications of Asterisk, one by one, but for those that call somebody or ask for keys.

use kdl::KdlNode;

use super::{
    super::{
        draft::{MAX_SILENCE_S, Top, extension_number, file},
        kdl_out::{Build as _, node},
        ledger::{Ledger, UnitId},
        value::{Piece, Value, is_local, literal, template, text, unknown},
    },
    dialplan::{Step, split},
    state::State,
    walk::{At, Flow, Walk},
};

/// Applications that leave no trace in a call.
const WITHOUT_TRACE: &[&str] = &[
    "noop",
    "verbose",
    "log",
    "dumpchan",
    "userevent",
    "celgenuserevent",
    "resetcdr",
    "nocdr",
    "progress",
    "proceeding",
    "stopmixmonitor",
    "stopmonitor",
    "stopplaytones",
    "msgdebug",
    "setamaflags",
    "forkcdr",
    "jabberstatus",
];

/// Why something is not converted, and what can be done.
type Why = (String, String);

pub(super) fn why(why: impl Into<String>, todo: impl Into<String>) -> Why {
    (why.into(), todo.into())
}

impl Walk<'_> {
    /// One step: what it becomes, and where the call goes on. Its line gets its fate here.
    pub(super) fn convert(&mut self, step: &Step, at: At, state: &mut State) -> Flow {
        let args = split(&step.args);
        let flow = self.by_name(step, &args, at, state);
        if self.is_split() {
            return Flow::End(Vec::new());
        }
        match flow {
            Ok(flow) => {
                if self.draft.ledger.is_open(step.at) {
                    let into = format!("steps for `{}`", step.app);
                    self.draft.ledger.converted(step.at, into);
                }
                flow
            }
            Err((why, todo)) => {
                self.draft.ledger.not_converted(step.at, why, todo);
                Flow::Next(Vec::new())
            }
        }
    }

    fn by_name(&mut self, step: &Step, args: &[String], at: At, state: &mut State) -> Result<Flow, Why> {
        let one = |node: KdlNode| Ok(Flow::Next(vec![node]));
        let first = args.first().map_or("", String::as_str);
        match step.app.as_str() {
            "answer" => one(node("answer")),
            "ringing" => one(node("ring")),
            "echo" => one(node("echo")),
            "wait" => self.wait(first, state),
            "playback" | "controlplayback" => self.playback(first, state),
            "hangup" => Ok(Flow::End(vec![hangup(first)])),
            "busy" => Ok(Flow::End(vec![node("hangup").arg("busy")])),
            "congestion" => Ok(Flow::End(vec![node("hangup").arg("congestion")])),
            "saynumber" => one(node("say").prop("number", self.filled(&state.known.expand(first))?)),
            "saydigits" => one(node("say").prop("digits", self.filled(&state.known.expand(first))?)),
            "musiconhold" | "setmusiconhold" => one(node("play").arg("music/hold")),
            "background" | "waitexten" => self.menu(at, state),
            "read" => self.read(args, at, state),
            "dial" => self.dial(args, at, state),
            "queue" => self.queue(args, at, state),
            "voicemail" => self.voicemail(first, step.at, state),
            "confbridge" | "meetme" | "conference" => self.conference(&step.app, args, at, state),
            "park" | "parkandannounce" => one(node("park").arg(self.lot()?)),
            "parkedcall" => {
                let slot = self.filled(&state.known.expand(args.last().map_or("", String::as_str)))?;
                Ok(self.last(node("retrieve").arg(slot), at, state))
            }
            "goto" => self.goto(args, at, state),
            "gotoif" => self.goto_if(&step.args, at, state),
            "gotoiftime" => self.goto_if_time(&step.args, step.at, at, state),
            "gosub" => self.gosub(args, at, state),
            "macro" => self.call_macro(args, at, state),
            "return" | "macroexit" => {
                Ok(state.back().map_or_else(|| Flow::End(vec![node("hangup")]), |back| Flow::Jump(Vec::new(), back)))
            }
            "set" | "msset" => self.set(&step.args, state).map(Flow::Next),
            "mixmonitor" | "monitor" => {
                state.known.vars.insert("RECORD()".into(), text("1"));
                self.draft.ledger.converted(step.at, "`record #true` of the calls behind it");
                Ok(Flow::Next(Vec::new()))
            }
            name if WITHOUT_TRACE.contains(&name) => {
                self.draft.ledger.left_out(step.at, "nothing of it is heard, and calls are recorded anyway");
                Ok(Flow::Next(Vec::new()))
            }
            name => Err(no_counterpart(name)),
        }
    }

    /// Something of a line is lost, and the rest is converted.
    pub(super) fn partly(&mut self, line: UnitId, why: &str, todo: &str) {
        self.draft.ledger.not_converted(line, format!("converted in part: {why}"), todo);
    }

    /// A value as a template; its captures are noted for the guard of the route.
    pub(super) fn filled(&mut self, value: &Value) -> Result<String, Why> {
        match template(value) {
            Some((text, captures)) => {
                self.captures.extend(captures);
                Ok(text)
            }
            None => Err(not_known(value)),
        }
    }

    fn wait(&mut self, seconds: &str, state: &State) -> Result<Flow, Why> {
        let text = literal(&state.known.expand(seconds)).unwrap_or_default();
        let whole: u32 = text.split('.').next().unwrap_or_default().trim().parse().unwrap_or(0);
        let more = u32::from(text.contains('.'));
        if whole == 0 && more == 0 || whole > MAX_SILENCE_S {
            return Err(why(format!("a wait of `{seconds}`"), "play something for so long"));
        }
        let prompt = self.draft.silence(whole + more);
        Ok(Flow::Next(vec![node("play").arg(prompt)]))
    }

    fn playback(&mut self, sounds: &str, state: &State) -> Result<Flow, Why> {
        Ok(Flow::Next(vec![self.prompts(node("play"), sounds, state)?]))
    }

    /// Adds the prompts of `a&b` to a node.
    pub(super) fn prompts(&mut self, mut node: KdlNode, sounds: &str, state: &State) -> Result<KdlNode, Why> {
        let value = state.known.expand(sounds);
        let Some(sounds) = literal(&value).filter(|sounds| !sounds.is_empty()) else { return Err(not_known(&value)) };
        for sound in sounds.split('&').filter(|sound| !sound.trim().is_empty()) {
            node = node.arg(self.draft.prompt(sound));
        }
        Ok(node)
    }

    fn voicemail(&mut self, boxes: &str, line: UnitId, state: &State) -> Result<Flow, Why> {
        let first = boxes.split('&').next().unwrap_or_default();
        let value = state.known.expand(first.split('@').next().unwrap_or_default());
        let mailbox = self.filled(&value)?;
        if let Some(name) = literal(&value) {
            self.mailbox(&name)?;
        }
        if boxes.contains('&') {
            self.partly(line, "a message goes into the first of these boxes only", "forward it by `tandem messages`");
        }
        Ok(Flow::Next(vec![node("voicemail").arg(mailbox)]))
    }

    /// Declares a box that is not that of an extension.
    fn mailbox(&mut self, name: &str) -> Result<(), Why> {
        let valid = (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !valid {
            return Err(why(format!("`{name}` is no name of a mailbox here"), "declare one with letters, digits and dashes"));
        }
        let is_own = extension_number(name).is_some_and(|number| self.draft.extensions.contains_key(&number));
        let known =
            |top: &Top| top.node.name().value() == "mailbox" && top.node.get(0).and_then(|value| value.as_string()) == Some(name);
        if !is_own && !self.draft.tops.iter().any(known) {
            self.draft.top(file::QUEUES, node("mailbox").arg(name), Vec::new());
        }
        Ok(())
    }

    /// A step that calls do not come back from; a hang-up behind it says nothing more.
    fn last(&mut self, node: KdlNode, at: At, state: &State) -> Flow {
        self.only_ends(At { step: at.step + 1, ..at }, state);
        Flow::End(vec![node])
    }

    fn conference(&mut self, app: &str, args: &[String], at: At, state: &State) -> Result<Flow, Why> {
        let value = state.known.expand(args.first().map_or("", String::as_str));
        let room = self.filled(&value)?;
        if literal(&value).is_some_and(|room| crate::plan::parse_room(&room).is_none()) {
            return Err(why(format!("`{room}` is no name of a room here"), "choose one of 1 to 32 letters, digits and dashes"));
        }
        let muted = app == "meetme" && args.get(1).is_some_and(|options| options.contains('l') || options.contains('m'));
        let conference = node("conference").arg(room);
        Ok(self.last(if muted { conference.prop("muted", true) } else { conference }, at, state))
    }

    fn lot(&self) -> Result<String, Why> {
        let lot = self.devices.lot.clone();
        lot.ok_or_else(|| why("no parking lot is declared in res_parking.conf", "declare `parking \"…\" from=… to=…`"))
    }

    /// `Set(NAME=VALUE)`: known from here on, or one of the few settings that a call has here.
    fn set(&mut self, args: &str, state: &mut State) -> Result<Vec<KdlNode>, Why> {
        let Some((name, value)) = args.split_once('=') else {
            return Err(why("`Set` without a `=`", "Asterisk does not read it either: see what was meant"));
        };
        let name = name.trim().trim_start_matches('_');
        let value = state.known.expand(value.trim().trim_matches('"'));
        let plain = literal(&value);
        match (name, plain.as_deref()) {
            ("CHANNEL(language)" | "LANGUAGE()" | "CHANNEL(language,)", Some(language)) => {
                let language = language.get(..2).unwrap_or_default().to_ascii_lowercase();
                if ["en", "it"].contains(&language.as_str()) {
                    return Ok(vec![node("set").prop("language", language)]);
                }
                Err(why(format!("no prompts ship in `{language}`"), "record them, and write `set language=\"…\"`"))
            }
            ("CALLERID(num)" | "CALLERID(number)", _) => {
                state.known.vars.insert("CALLERID(num)".into(), value);
                Ok(Vec::new())
            }
            ("TIMEOUT(digit)" | "TIMEOUT(response)", _) => {
                state.known.vars.insert(name.into(), value);
                Ok(Vec::new())
            }
            (name, _) if name.starts_with("CDR") || name.starts_with("CHANNEL(userfield") => {
                Err(why("a field of Asterisk's call records", "records have fields of their own: see the README"))
            }
            (name, _) if name.contains('(') => Err(why(format!("`{name}` has no counterpart"), "see whether the calls need it")),
            _ if unknown(&value).is_some() => {
                state.known.vars.remove(name);
                if self.plan.mentioned.contains(name) { Err(not_known(&value)) } else { Ok(Vec::new()) }
            }
            _ => {
                state.known.vars.insert(name.to_owned(), value);
                Ok(Vec::new())
            }
        }
    }
}

/// What cannot be told of a value.
pub(super) fn not_known(value: &[Piece]) -> Why {
    let shown = unknown(value).map_or_else(|| "this".to_owned(), |text| format!("`{text}`"));
    if is_local(value) && unknown(value).is_none() {
        return why("the value does not fit where it stands", "write the step by hand");
    }
    why(format!("nobody knows before the call what {shown} is"), "write the step with a value of its own")
}

/// What Asterisk does when a call is over, in the extension `h`.
pub(super) fn after_calls(steps: &[Step], ledger: &mut Ledger) {
    for step in steps {
        if WITHOUT_TRACE.contains(&step.app.as_str()) || step.app == "hangup" {
            ledger.left_out(step.at, "the call is over");
        } else {
            ledger.not_converted(step.at, "what is done when a call is over", "follow the records and events of the API");
        }
    }
}

/// Applications that are often met, and what can be written in their place.
fn no_counterpart(app: &str) -> Why {
    let todo = match app {
        "directory" => "write `collect … type=\"extension\"` and `dial`",
        "voicemailmain" | "vmauthenticate" => "messages are listed by `tandem messages` and the API",
        "agi" | "fastagi" | "deadagi" | "eagi" | "stasis" | "externalivr" | "audiosocket" => {
            "give the call to a program by `stream` or `fork`: docs/audio-streams.md"
        }
        "addqueuemember" | "agentlogin" => "agents sign in at their phones: `agent \"sign-in\"`",
        "removequeuemember" => "agents sign out at their phones: `agent \"sign-out\"`",
        "pausequeuemember" => "agents pause at their phones: `agent \"not-ready\" reason=\"…\"`",
        "unpausequeuemember" => "agents come back at their phones: `agent \"ready\"`",
        "chanspy" | "extenspy" => "write `supervisors` and `supervise`",
        "pickup" | "pickupchan" => "write a `pickup-group` and the step `pickup`",
        "transfer" => "write `hand-back`, and `takes-refer #true` for the trunk",
        "disa" => "callers from outside who dial out are what fraud is made of: see whether it is needed",
        "execif" | "while" | "endwhile" | "execiftime" | "random" => "write it by `menu`, `when-open` or an ending of a step",
        "page" | "originate" => "write `dial` with a group, or use the API",
        _ => "see whether the calls need it",
    };
    why(format!("the application `{app}` has no counterpart"), todo)
}

/// `Hangup(17)`: the cause by its Q.850 number.
fn hangup(cause: &str) -> KdlNode {
    let word = match cause.trim() {
        "1" | "2" | "3" | "28" => "not-found",
        "17" => "busy",
        "18" | "19" => "no-answer",
        "21" => "rejected",
        "20" | "27" | "41" => "unavailable",
        "34" | "38" | "42" | "44" => "congestion",
        _ => return node("hangup"),
    };
    node("hangup").arg(word)
}
