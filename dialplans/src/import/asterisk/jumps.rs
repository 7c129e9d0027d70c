//! Jumps: `Goto`, `GotoIf`, and subroutines.

use super::{
    super::value::{Value, literal, text, unknown},
    apps::{not_known, why},
    dialplan::split,
    state::State,
    times::split_branches,
    walk::{At, Flow, Walk},
};

/// Why something is not converted, and what can be done.
type Why = (String, String);

impl Walk<'_> {
    /// `Goto([[CONTEXT,]EXTEN,]PRIORITY)`.
    pub(super) fn goto(&mut self, args: &[String], at: At, state: &mut State) -> Result<Flow, Why> {
        self.target(args, at, state).map(|to| Flow::Jump(Vec::new(), to))
    }

    /// Where the parts of a target lead; the number of the call becomes that of the target.
    pub(super) fn target(&mut self, args: &[String], at: At, state: &mut State) -> Result<At, Why> {
        let expanded: Vec<Value> = args.iter().map(|arg| state.known.expand(arg)).collect();
        let (context, number, priority) = match expanded.as_slice() {
            [priority] => {
                let wanted = literal(priority).ok_or_else(|| not_known(priority))?;
                // `Goto(1111)` may mean a priority and, where there is none, the extension.
                if let Some(to) = self.find_step(at.place, &wanted) {
                    return Ok(to);
                }
                (at.place.0, priority.clone(), "1".to_owned())
            }
            [number, priority] => (at.place.0, number.clone(), literal(priority).ok_or_else(|| not_known(priority))?),
            [context, number, priority, ..] => {
                let name = literal(context).ok_or_else(|| not_known(context))?;
                let Some(context) = self.plan.find(&name) else {
                    return Err(why(
                        format!("there is no context `{name}`"),
                        "see where the calls should go, and write a `goto`",
                    ));
                };
                (context, number.clone(), literal(priority).ok_or_else(|| not_known(priority))?)
            }
            [] => return Err(why("a jump to nowhere", "see what was meant")),
        };
        if unknown(&number).is_some() {
            return Err(not_known(&number));
        }
        let Some(place) = self.dial_in(context, &number, state) else {
            let name = &self.plan.contexts[context].name;
            let shown = literal(&number).unwrap_or_else(|| "what was dialled".to_owned());
            return Err(why(
                format!("context `{name}` has no single extension for `{shown}`"),
                "write a `goto` to the route that is meant",
            ));
        };
        let priority = if priority.is_empty() { "1".to_owned() } else { priority };
        let Some(to) = self.find_step(place, &priority) else {
            return Err(why(format!("that extension has no step `{priority}`"), "write a `goto` to the route that is meant"));
        };
        state.known.number = number;
        Ok(to)
    }

    pub(super) fn goto_if(&mut self, args: &str, at: At, state: &mut State) -> Result<Flow, Why> {
        let Some((condition, targets)) = split_condition(args) else {
            return Err(why("a condition without a `?`", "see what was meant"));
        };
        let (yes, no) = split_branches(targets);
        let holds = state.known.condition(condition);
        let branch = if holds == Some(true) { yes } else { no };
        let flow = if branch.trim().is_empty() { Flow::Next(Vec::new()) } else { self.goto(&split(branch), at, state)? };
        if holds.is_none() {
            let line = self.step(at).map(|step| step.at);
            let todo = "write it by `caller`, `when-open`, `menu` or an ending of a step; the plan goes on as if it did not hold";
            if let Some(line) = line {
                self.draft.ledger.not_converted(line, format!("nobody knows before the call whether `{condition}` holds"), todo);
            }
        }
        Ok(flow)
    }

    /// `Gosub([[CONTEXT,]EXTEN,]PRIORITY[(ARG1,ARG2)])`.
    pub(super) fn gosub(&mut self, args: &[String], at: At, state: &mut State) -> Result<Flow, Why> {
        let mut parts = args.to_vec();
        let mut values = Vec::new();
        if let Some((priority, rest)) = args.last().and_then(|last| last.split_once('(')) {
            values = split(rest.strip_suffix(')').unwrap_or(rest)).iter().map(|arg| state.known.expand(arg)).collect();
            if let Some(last) = parts.last_mut() {
                priority.trim().clone_into(last);
            }
        }
        let mut inside = state.clone();
        let to = self.target(&parts, at, &mut inside)?;
        let number = inside.known.number;
        self.enter_subroutine(to, at, number, values, false, state)
    }

    /// `Macro(NAME,ARG1,ARG2)`.
    pub(super) fn call_macro(&mut self, args: &[String], at: At, state: &mut State) -> Result<Flow, Why> {
        let name = args.first().map_or("", String::as_str);
        let values = args.iter().skip(1).map(|arg| state.known.expand(arg)).collect();
        let place = self.plan.find(&format!("macro-{name}")).and_then(|context| self.plan.event(context, "s"));
        let Some(place) = place else {
            return Err(why(format!("there is no `macro-{name}`"), "write the steps that are meant"));
        };
        self.enter_subroutine(At { place, step: 0 }, at, text("s"), values, true, state)
    }

    fn enter_subroutine(
        &mut self,
        to: At,
        at: At,
        number: Value,
        args: Vec<Value>,
        is_macro: bool,
        state: &mut State,
    ) -> Result<Flow, Why> {
        let back = At { step: at.step + 1, ..at };
        if !state.call(back, number, args, is_macro) {
            return Err(why("subroutines that call each other too deep", "write the steps that are meant"));
        }
        Ok(Flow::Jump(Vec::new(), to))
    }
}

/// `CONDITION?TARGETS`: the first `?` outside of brackets.
fn split_condition(args: &str) -> Option<(&str, &str)> {
    let mut depth = 0_u32;
    let at = args.char_indices().find(|(_, c)| {
        match c {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *c == '?' && depth == 0
    });
    at.map(|(at, _)| (&args[..at], &args[at + 1..]))
}
