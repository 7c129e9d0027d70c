//! Steps and the answers to their endings.

use tandem_switch::{
    cause::Cause,
    name::{PromptName, SkillLevel, SkillName},
    step::{AgentRequest, RingStrategy, Supervision},
};

use super::{BUILT_IN, Builder, places::skill_levels, tops};
use crate::{
    plan::{
        Action, Block, BlockId, CollectDigits, DialOut, DialTarget, DigitShape, Ending, Handlers, JoinQueue, Menu, Placed, Say,
        hangup_cause, parse_number, parse_room,
    },
    read::{Data, Item, Value},
    template::{Part, Template},
};

/// Prompt and hang-up of each ending that nobody handles.
const fn built_in(ending: Ending) -> (&'static [&'static str], Cause) {
    match ending {
        Ending::NoInput => (&["no-input", "goodbye"], Cause::Normal),
        Ending::Invalid => (&["invalid-key", "goodbye"], Cause::Normal),
        Ending::Busy => (&["busy"], Cause::Busy),
        Ending::NoAnswer => (&["no-answer"], Cause::NoAnswer),
        Ending::Unreachable => (&["unavailable"], Cause::Unavailable),
        Ending::Rejected => (&["busy"], Cause::Rejected),
        Ending::NoAgents => (&["no-agents", "try-later"], Cause::Unavailable),
        Ending::TimedOut | Ending::Full => (&["try-later", "goodbye"], Cause::Unavailable),
        Ending::Error | Ending::Failed | Ending::Stalled => (&["unavailable"], Cause::Unavailable),
    }
}

impl Builder<'_> {
    pub(super) fn built_in_defaults(&mut self) {
        for ending in Ending::ALL {
            let (prompts, cause) = built_in(ending);
            self.defaults[ending as usize] = self.farewell(prompts, cause);
        }
        self.agent_error = self.farewell(&["agent-error"], Cause::Normal);
    }

    /// Says what is recorded of the prompts, then hangs up.
    fn farewell(&mut self, prompts: &[&str], cause: Cause) -> BlockId {
        let prompts: Vec<PromptName> =
            prompts.iter().filter(|prompt| self.recorded(prompt)).map(|p| PromptName::from(*p)).collect();
        let play = (!prompts.is_empty()).then_some(Action::Play { prompts, interrupt: false });
        let actions = play.into_iter().chain([Action::Hangup(cause)]);
        self.add(Block { steps: actions.map(|action| Placed { action, at: BUILT_IN }).collect() })
    }

    /// The plan's own defaults. What they leave open in turn is answered by the built-in ones, so no
    /// default ever leads back to itself.
    pub(super) fn plan_defaults(&mut self, items: &[Item]) {
        let mut defaults = self.defaults;
        let mut agent_error = self.agent_error;
        for handler in tops(items, "defaults").flat_map(|item| &item.children) {
            let block = self.block(&handler.children);
            if let Some(ending) = Ending::from_word(handler.spec.name) {
                defaults[ending as usize] = block;
                if ending == Ending::Error {
                    agent_error = block;
                }
            }
        }
        self.defaults = defaults;
        self.agent_error = agent_error;
    }

    fn add(&mut self, block: Block) -> BlockId {
        let blocks = if self.part == 0 { &mut self.shared } else { &mut self.own };
        let at = u32::try_from(blocks.len()).unwrap_or(u32::MAX);
        blocks.push(block);
        BlockId { part: self.part, at }
    }

    /// The steps among some items.
    pub(super) fn block(&mut self, items: &[Item]) -> BlockId {
        let mut steps = Vec::new();
        for item in items {
            if let Some(action) = self.action(item) {
                steps.push(Placed { action, at: item.at });
            }
        }
        self.add(Block { steps })
    }

    /// One step; `None` for a route's guard, and when it is so wrong that an error was given.
    fn action(&mut self, item: &Item) -> Option<Action> {
        Some(match item.spec.name {
            "ring" => Action::Ring,
            "answer" => Action::Answer,
            "echo" => Action::Echo,
            "play" => Action::Play { prompts: prompts(item), interrupt: item.prop_flag("interrupt").unwrap_or(false) },
            "say" => return self.say(item),
            "menu" => Action::Menu(self.menu(item)),
            "collect" => Action::Collect(self.collect(item)?),
            "queue" => Action::Queue(self.queue_step(item)?),
            "dial" => Action::Dial(self.dial(item)?),
            "hand-back" => self.hand_back(item)?,
            "conference" => self.conference(item)?,
            "supervise" => self.supervise(item)?,
            "park" => self.park(item)?,
            "voicemail" => self.voicemail(item)?,
            "retrieve" => self.retrieve(item)?,
            "pickup" => self.pickup(item)?,
            "fork" => Self::fork(item)?,
            "stream" => self.stream(item)?,
            "set" => return self.set(item),
            "if" | "unless" => return self.if_so(item),
            "switch" => return self.switch(item),
            "ask" => return self.ask(item),
            "agent" => return self.agent(item),
            "when-open" | "unless-open" => {
                let block = self.block(&item.children);
                Action::WhenOpen { schedule: item.text()?.into(), open: item.spec.name == "when-open", block }
            }
            "goto" => Action::Goto(*self.routes.get(item.text()?)?),
            "hangup" => Action::Hangup(hangup_cause(item.text().unwrap_or("normal"))?),
            _ => return None,
        })
    }

    fn say(&mut self, item: &Item) -> Option<Action> {
        let what = match (item.text(), template(item, "number"), template(item, "digits")) {
            (Some(_), None, None) => Say::Time,
            (None, Some(number), None) => {
                if number.literal().is_some_and(|text| text.parse::<u32>().is_err()) {
                    self.findings.error("bad-value", item.prop("number").map_or(item.at, |v| v.at), "expected a whole number");
                }
                Say::Number(number)
            }
            (None, None, Some(digits)) => Say::Digits(digits),
            _ => {
                if !item.values().any(Value::is_bad) {
                    self.findings.error("bad-say", item.at, "expected one of `say time`, `say number=…` and `say digits=…`");
                }
                return None;
            }
        };
        Some(Action::Say { what, interrupt: item.prop_flag("interrupt").unwrap_or(false) })
    }

    fn menu(&mut self, item: &Item) -> Menu {
        let mut choices: Vec<(String, BlockId)> = Vec::new();
        for press in item.named("press") {
            let block = self.block(&press.children);
            for key in press.texts() {
                if choices.iter().any(|(known, _)| known == key) {
                    self.findings.error("twice", press.at, format!("key `{key}` is chosen twice"));
                }
                choices.push((key.to_owned(), block));
            }
        }
        if choices.is_empty() {
            self.findings.error("no-choice", item.at, "this menu has no `press`");
        }
        let mut handlers = self.handlers(item);
        if let Some(otherwise) = item.child("otherwise") {
            let block = self.block(&otherwise.children);
            handlers.set(Ending::Invalid, block);
            if !handlers.is_own(Ending::NoInput) {
                handlers.set(Ending::NoInput, block);
            }
        }
        Menu {
            prompts: prompts(item),
            invalid_prompt: self.if_recorded("invalid-key"),
            no_input_prompt: self.if_recorded("no-input"),
            max_digits: choices.iter().map(|(keys, _)| u8::try_from(keys.len()).unwrap_or(u8::MAX)).max().unwrap_or(1),
            choices,
            timeout_ms: item.prop_ms("timeout").unwrap_or(5_000),
            between_ms: item.prop_ms("between").unwrap_or(3_000),
            tries: item.prop_count("tries").unwrap_or(3),
            handlers,
        }
    }

    fn collect(&mut self, item: &Item) -> Option<CollectDigits> {
        let max = u8::try_from(item.prop_count("max")?).ok()?;
        let min = usize::try_from(item.prop_count("min").unwrap_or(1)).ok()?;
        if min > usize::from(max) {
            self.findings.error("bad-range", item.at, format!("at least {min} digits, but {max} at most"));
        }
        Some(CollectDigits {
            prompts: prompts(item),
            invalid_prompt: self.if_recorded("invalid-key"),
            no_input_prompt: self.if_recorded("no-input"),
            variable: item.prop_text("as")?.to_owned(),
            secret: item.prop_flag("secret").unwrap_or(false),
            shape: match item.prop_text("type") {
                Some("extension") => DigitShape::Extension,
                Some("number") => DigitShape::Number,
                _ => DigitShape::Digits,
            },
            min,
            max,
            end: item.prop_text("end").unwrap_or("#").chars().next(),
            timeout_ms: item.prop_ms("timeout").unwrap_or(5_000),
            between_ms: item.prop_ms("between").unwrap_or(3_000),
            tries: item.prop_count("tries").unwrap_or(3),
            handlers: self.handlers(item),
        })
    }

    fn queue_step(&mut self, item: &Item) -> Option<JoinQueue> {
        let mut skills = skill_levels(item);
        if let Some(skill) = item.prop_text("skill") {
            let level = u8::try_from(item.prop_count("level").unwrap_or(1)).unwrap_or(10);
            skills.insert(0, SkillLevel { skill: SkillName::from(skill), level });
        } else if let Some(level) = item.prop("level") {
            self.findings.error("bad-queue", level.at, "`level` needs `skill`");
        }
        let queue = item.text()?;
        let mut handlers = self.handlers(item);
        self.queue_answers(queue, &mut handlers, item.at);
        Some(JoinQueue {
            queue: queue.into(),
            skills,
            priority_minutes: item.prop_count("priority").unwrap_or(0),
            max_wait_ms: item.prop_ms("max-wait"),
            record: item.prop_flag("record"),
            handlers,
        })
    }

    fn dial(&mut self, item: &Item) -> Option<DialOut> {
        let mut targets = Vec::new();
        if let Some(value) = item.prop("extension") {
            targets.extend(self.extension_target(value));
        }
        match (item.prop("number"), item.prop_text("trunk")) {
            (Some(number), Some(trunk)) => targets.extend(self.trunk_target(trunk, number)),
            (None, None) => {}
            _ if item.values().any(Value::is_bad) => {}
            _ => self.findings.error("bad-dial", item.at, "`trunk` and `number` belong together"),
        }
        for member in &item.children {
            match member.spec.name {
                "extension" => targets.extend(member.args.iter().filter_map(|value| self.extension_target(value))),
                "outside" => {
                    if let (Some(number), Some(trunk)) = (member.prop("number"), member.prop_text("trunk")) {
                        targets.extend(self.trunk_target(trunk, number));
                    }
                }
                _ => {}
            }
        }
        let caller_id = template(item, "caller-id");
        if let Some(text) = caller_id.as_ref().and_then(Template::literal)
            && parse_number(text).is_none()
        {
            self.findings.error("bad-number", item.prop("caller-id").map_or(item.at, |v| v.at), "this is no telephone number");
        }
        let handlers = self.handlers(item);
        if targets.is_empty() {
            if !item.values().any(Value::is_bad) {
                self.findings.error(
                    "bad-dial",
                    item.at,
                    "nobody to call: expected `extension=…`, `trunk=…` with `number=…`, or a group in braces",
                );
            }
            return None;
        }
        Some(DialOut {
            targets,
            strategy: if item.prop_text("strategy") == Some("in-order") { RingStrategy::InOrder } else { RingStrategy::All },
            ring_ms: item.prop_ms("ring").unwrap_or(30_000),
            record: item.prop_flag("record").unwrap_or(false),
            music: item.prop_text("music").map(PromptName::from),
            caller_id,
            handlers,
        })
    }

    pub(super) fn extension_target(&mut self, value: &Value) -> Option<DialTarget> {
        let template = value.as_template()?;
        if let Some(text) = template.literal()
            && !self.is_extension(text)
        {
            let message = format!("`{text}` is no internal number of this plan");
            let ranges: Vec<_> = self.extensions.iter().map(|r| format!("{}–{}", r.from, r.to)).collect();
            let suggestion = if ranges.is_empty() {
                "declare `extensions from=… to=…`".into()
            } else {
                format!("they are {}", ranges.join(", "))
            };
            self.findings.error_with("unknown-extension", value.at, message, Some(suggestion));
        }
        Some(DialTarget::Extension(template))
    }

    fn trunk_target(&mut self, trunk: &str, value: &Value) -> Option<DialTarget> {
        let number = value.as_template()?;
        if number.literal().is_some_and(|text| parse_number(text).is_none()) {
            self.findings.error("bad-number", value.at, "this is no telephone number");
        }
        Some(DialTarget::Trunk { trunk: trunk.into(), number })
    }

    fn hand_back(&mut self, item: &Item) -> Option<Action> {
        let value = item.args.first()?;
        let number = value.as_template()?;
        if number.literal().is_some_and(|text| parse_number(text).is_none()) {
            self.findings.error("bad-number", value.at, "this is no telephone number");
        }
        Some(Action::HandBack { number, handlers: self.handlers(item) })
    }

    fn conference(&mut self, item: &Item) -> Option<Action> {
        let value = item.args.first()?;
        let room = value.as_template()?;
        if room.literal().is_some_and(|text| parse_room(text).is_none()) {
            self.findings.error("bad-room", value.at, "expected 1 to 32 letters, digits and dashes");
        }
        let muted = item.prop_flag("muted").unwrap_or(false);
        Some(Action::Conference { room, muted, handlers: self.handlers(item) })
    }

    fn supervise(&mut self, item: &Item) -> Option<Action> {
        let DialTarget::Extension(agent) = self.extension_target(item.args.first()?)? else { return None };
        let wanted = item.prop_text("as").unwrap_or("monitor");
        let role = Supervision::ALL.into_iter().find(|role| role.as_str() == wanted)?;
        let mut handlers = self.handlers(item);
        if !handlers.is_own(Ending::Error) {
            handlers.default_to(Ending::Error, self.agent_error);
        }
        Some(Action::Supervise { agent, role, handlers })
    }

    fn agent(&mut self, item: &Item) -> Option<Action> {
        let reason = item.prop_text("reason");
        let request = match item.text()? {
            "sign-in" => AgentRequest::SignIn,
            "sign-out" => AgentRequest::SignOut,
            "ready" => AgentRequest::Ready,
            "more-wrap-up" => AgentRequest::MoreWrapUp,
            _ => {
                if reason.is_none() {
                    self.findings.error("missing-property", item.at, "`agent not-ready` needs `reason=…`");
                }
                AgentRequest::NotReady { reason: reason.unwrap_or_default().to_owned() }
            }
        };
        if reason.is_some() && !matches!(request, AgentRequest::NotReady { .. }) {
            self.findings.warning("extra-value", item.at, "`reason` means something only with `not-ready`");
        }
        let mut handlers = self.handlers(item);
        if !handlers.is_own(Ending::Error) {
            handlers.default_to(Ending::Error, self.agent_error);
        }
        Some(Action::Agent { request, handlers })
    }

    /// The defaults, and over them what stands at the step.
    pub(super) fn handlers(&mut self, item: &Item) -> Handlers {
        let mut handlers = Handlers::new(self.defaults);
        for child in &item.children {
            if let Some(ending) = Ending::from_word(child.spec.name) {
                let block = self.block(&child.children);
                handlers.set(ending, block);
            }
        }
        handlers
    }

    fn if_recorded(&self, prompt: &str) -> Option<PromptName> {
        self.recorded(prompt).then(|| PromptName::from(prompt))
    }
}

impl Value {
    const fn is_bad(&self) -> bool {
        matches!(self.data, Data::Bad)
    }

    /// A template, or plain text taken as one.
    pub(super) fn as_template(&self) -> Option<Template> {
        match &self.data {
            Data::Template(template) => Some(template.clone()),
            Data::Text(text) => Some(Template { parts: vec![Part::Text(text.clone())] }),
            _ => None,
        }
    }
}

fn prompts(item: &Item) -> Vec<PromptName> {
    item.texts().map(PromptName::from).collect()
}

fn template(item: &Item, prop: &str) -> Option<Template> {
    item.prop(prop).and_then(Value::as_template)
}
