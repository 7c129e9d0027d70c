//! `Dial` and `Queue`: whom they call, and what comes when nobody answers.

use kdl::KdlNode;

use super::{
    super::{
        kdl_out::{Build as _, node, seconds},
        ledger::UnitId,
        value::{Piece, Value, literal, text},
    },
    apps::{not_known, why},
    devices::Device,
    state::State,
    values::Known,
    walk::{At, Flow, Walk},
};

type Why = (String, String);

/// Ending of ours, and what `DIALSTATUS` says of it.
const DIAL_ENDINGS: &[(&str, &str)] =
    &[("busy", "BUSY"), ("no-answer", "NOANSWER"), ("unreachable", "CHANUNAVAIL"), ("rejected", "BUSY")];
/// Ending of ours, and what `QUEUESTATUS` says of it.
const QUEUE_ENDINGS: &[(&str, &str)] =
    &[("no-agents", "JOINEMPTY"), ("timed-out", "TIMEOUT"), ("full", "FULL"), ("error", "UNAVAIL")];

/// Somebody to call.
enum Target {
    Extension(String),
    Outside { trunk: String, number: String },
}

impl Walk<'_> {
    /// `Dial(TECHNOLOGY/DEVICE&…,TIMEOUT,OPTIONS)`.
    pub(super) fn dial(&mut self, args: &[String], at: At, state: &State) -> Result<Flow, Why> {
        // A value may bring its own commas: `${INTERNAL_DIAL_OPT}` as `,30`.
        let values: Vec<Value> = args.iter().map(|arg| state.known.expand(arg)).flat_map(|value| parts(&value, ',')).collect();
        let line = self.step(at).map(|step| step.at);
        let mut targets = Vec::new();
        let mut lost = None;
        for value in values.first().map(|value| parts(value, '&')).unwrap_or_default() {
            match self.device(&value, &state.known) {
                Ok(target) => targets.push(target),
                Err(why) => lost = Some(why),
            }
        }
        if let (Some((what, todo)), Some(line), false) = (&lost, line, targets.is_empty()) {
            self.partly(line, what, todo);
        }
        if targets.is_empty() {
            let (what, todo) = lost.unwrap_or_else(|| why("nobody to call", "see who is meant"));
            // Asterisk goes on with the next step when a call cannot be made.
            return Err((what, todo));
        }
        let ring = values.get(1).and_then(|value| literal(value)).and_then(|text| text.trim().parse::<u64>().ok());
        let options = values.get(2).and_then(|value| literal(value)).unwrap_or_default();
        let mut dial = match targets.as_slice() {
            [Target::Extension(extension)] => node("dial").prop("extension", extension.as_str()),
            [Target::Outside { trunk, number }] => node("dial").prop("trunk", trunk.as_str()).prop("number", number.as_str()),
            _ => node("dial"),
        };
        dial = dial.maybe("ring", ring.filter(|ring| *ring > 0).map(seconds));
        if targets.iter().any(|target| matches!(target, Target::Outside { .. }))
            && let Some(caller) = state.known.vars.get("CALLERID(num)").cloned()
        {
            dial = dial.prop("caller-id", self.filled(&caller)?);
        }
        if state.known.vars.contains_key("RECORD()") {
            dial = dial.prop("record", true);
        }
        if options.contains('m') {
            dial = dial.prop("music", "music/hold");
        }
        if let Some(line) = line {
            self.dial_options(&options, line);
        }
        if targets.len() > 1 {
            dial = group(dial, &targets);
        }
        let dial = self.with_endings(dial, DIAL_ENDINGS, "DIALSTATUS", at, state);
        let behind = if options.contains('g') { self.behind(at, state, ("DIALSTATUS", "ANSWER")) } else { vec![node("hangup")] };
        Ok(Flow::End([vec![dial], behind].concat()))
    }

    fn dial_options(&mut self, options: &str, line: UnitId) {
        // Letters outside of brackets; what stands in them belongs to the letter before.
        let mut depth = 0_u32;
        for letter in options.chars() {
            match letter {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                'A' | 'b' | 'B' | 'C' | 'd' | 'D' | 'e' | 'F' | 'G' | 'L' | 'M' | 'P' | 'p' | 'S' | 'U' | 'z' if depth == 0 => {
                    let what = format!("the option `{letter}` of `Dial` has no counterpart");
                    self.partly(line, &what, "see whether the calls need it");
                }
                _ => {}
            }
        }
    }

    /// `Queue(NAME,OPTIONS,URL,ANNOUNCEMENT,TIMEOUT,…)`.
    pub(super) fn queue(&mut self, args: &[String], at: At, state: &State) -> Result<Flow, Why> {
        let value = state.known.expand(args.first().map_or("", String::as_str));
        let name = literal(&value).ok_or_else(|| not_known(&value))?;
        let Some(queue) = self.devices.queues.get(&name) else {
            return Err(why(format!("there is no queue `{name}` in queues.conf"), "declare `queue \"…\"`, and write the step"));
        };
        let longest =
            args.get(4).and_then(|text| literal(&state.known.expand(text))).and_then(|text| text.trim().parse::<u64>().ok());
        let mut step = node("queue").arg(queue.as_str()).maybe("max-wait", longest.filter(|longest| *longest > 0).map(seconds));
        if state.known.vars.contains_key("RECORD()") {
            step = step.prop("record", true);
        }
        let step = self.with_endings(step, QUEUE_ENDINGS, "QUEUESTATUS", at, state);
        let behind = if args.get(1).is_some_and(|options| options.contains('c')) {
            self.behind(at, state, ("QUEUESTATUS", "CONTINUE"))
        } else {
            vec![node("hangup")]
        };
        Ok(Flow::End(vec![step]).and_then(behind))
    }

    /// What comes behind a step, with a variable that says how it ended.
    fn behind(&mut self, at: At, state: &State, (variable, value): (&str, &str)) -> Vec<KdlNode> {
        let mut state = state.clone();
        if self.plan.mentioned.contains(variable) {
            state.known.vars.insert(variable.to_owned(), text(value));
        }
        self.transfer(At { step: at.step + 1, ..at }, state)
    }

    /// The endings of a step. Where nothing but a hang-up would come, our defaults say more to the caller.
    fn with_endings(&mut self, step: KdlNode, endings: &[(&str, &str)], variable: &str, at: At, state: &State) -> KdlNode {
        let next = At { step: at.step + 1, ..at };
        if self.only_ends(next, state) {
            return step;
        }
        endings.iter().fold(step, |step, (ending, value)| {
            let nodes = self.behind(at, state, (variable, value));
            step.child(node(ending).children_of(nodes))
        })
    }

    /// Whether nothing but a hang-up comes. The lines are told as converted: the endings of the step do the same.
    pub(super) fn only_ends(&mut self, from: At, state: &State) -> bool {
        if state.in_subroutine() {
            return false;
        }
        let mut at = from;
        let mut lines = Vec::new();
        while let Some(step) = self.step(at) {
            lines.push((step.at, step.app.clone()));
            match step.app.as_str() {
                "noop" | "verbose" => at.step += 1,
                "hangup" => break,
                _ => return false,
            }
        }
        for (line, app) in lines {
            if app == "hangup" {
                self.draft.ledger.converted(line, "the step before it ends the call");
            } else {
                self.draft.ledger.left_out(line, "nothing of it is heard, and calls are recorded anyway");
            }
        }
        true
    }

    /// `PJSIP/1001`, `SIP/carrier/0123`, `PJSIP/0123@carrier`, `Local/1001@context`.
    fn device(&mut self, value: &Value, known: &Known) -> Result<Target, Why> {
        let (technology, rest) = parts_once(value, '/').ok_or_else(|| not_known(value))?;
        let Some(technology) = literal(&technology) else { return Err(not_known(&technology)) };
        match technology.to_ascii_uppercase().as_str() {
            "SIP" | "PJSIP" => {}
            "LOCAL" => {
                let (number, _) = parts_once(&rest, '@').unwrap_or((rest, Value::new()));
                return self.extension(&number, known);
            }
            other => return Err(why(format!("devices of `{other}` are not known here"), "give it a SIP device, and dial that")),
        }
        if let Some((number, peer)) = parts_once(&rest, '@') {
            return self.outside(&peer, &number);
        }
        match parts_once(&rest, '/') {
            Some((peer, number)) => {
                // `PJSIP/carrier/sip:0123@host`.
                let number = match parts_once(&number, ':') {
                    Some((scheme, number)) if literal(&scheme).as_deref() == Some("sip") => number,
                    _ => number,
                };
                let number = parts_once(&number, '@').map_or(number, |(number, _)| number);
                self.outside(&peer, &number)
            }
            None => self.extension(&rest, known),
        }
    }

    fn outside(&mut self, peer: &Value, number: &Value) -> Result<Target, Why> {
        let name = literal(peer).ok_or_else(|| not_known(peer))?;
        match self.devices.by_name.get(&name) {
            Some(Device::Trunk(trunk)) => {
                let trunk = trunk.clone();
                Ok(Target::Outside { trunk, number: self.filled(number)? })
            }
            _ => Err(why(format!("there is no trunk `{name}`"), "declare `trunk \"…\"`, and dial it")),
        }
    }

    fn extension(&mut self, device: &Value, known: &Known) -> Result<Target, Why> {
        if let Some(name) = literal(device) {
            return match self.devices.by_name.get(&name) {
                Some(Device::Extension(number)) => Ok(Target::Extension(number.to_string())),
                Some(Device::Trunk(_)) => {
                    Err(why(format!("`{name}` is a trunk, and no number is said"), "write `dial trunk=\"…\" number=\"…\"`"))
                }
                None => Err(why(format!("there is no device `{name}`"), "declare its number by `extensions`, and dial it")),
            };
        }
        // What was dialled names the device: it must be one of the extensions, which the step itself makes sure of.
        match device.as_slice() {
            [Piece::Dialled(_)] | [Piece::Collected(_)] => Ok(Target::Extension(self.filled(device)?)),
            [Piece::Text(prefix), Piece::Dialled(_)] if prefix.bytes().all(|b| b.is_ascii_digit()) && known.dialled.is_some() => {
                Ok(Target::Extension(self.filled(device)?))
            }
            _ => Err(not_known(device)),
        }
    }
}

impl Flow {
    fn and_then(self, more: Vec<KdlNode>) -> Self {
        match self {
            Self::End(nodes) => Self::End([nodes, more].concat()),
            other => other,
        }
    }
}

/// Several at once: literal extensions in one line each.
fn group(dial: KdlNode, targets: &[Target]) -> KdlNode {
    targets.iter().fold(dial, |dial, target| {
        dial.child(match target {
            Target::Extension(extension) => node("extension").arg(extension.as_str()),
            Target::Outside { trunk, number } => node("outside").prop("trunk", trunk.as_str()).prop("number", number.as_str()),
        })
    })
}

/// The parts of a value between a letter.
fn parts(value: &Value, between: char) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut rest = value.clone();
    while let Some((part, more)) = parts_once(&rest, between) {
        parts.push(part);
        rest = more;
    }
    parts.push(rest);
    parts
}

/// What stands before and behind the first such letter.
fn parts_once(value: &Value, between: char) -> Option<(Value, Value)> {
    let at = value.iter().position(|piece| matches!(piece, Piece::Text(text) if text.contains(between)))?;
    let Piece::Text(found) = &value[at] else { return None };
    let (before, after) = found.split_once(between)?;
    let left = value[..at].iter().cloned().chain(text(before)).collect();
    let right = text(after).into_iter().chain(value[at + 1..].iter().cloned()).collect();
    Some((left, right))
}
