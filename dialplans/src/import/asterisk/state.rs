//! What is known of a call at a step of Asterisk's dialplan, and where its subroutines go back to.

use std::collections::BTreeMap;

use super::{
    super::value::{Value, is_local},
    values::Known,
    walk::At,
};

/// How deep subroutines may call each other.
pub(super) const MAX_STACK: usize = 8;

/// Where a subroutine goes back to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Frame {
    back: At,
    number: Value,
    args: BTreeMap<String, Value>,
    /// It ends with its last step, too.
    is_macro: bool,
}

/// What is known of a call at a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State {
    pub(super) known: Known,
    stack: Vec<Frame>,
}

impl State {
    /// Enters a subroutine.
    pub(super) fn call(&mut self, back: At, number: Value, args: Vec<Value>, is_macro: bool) -> bool {
        if self.stack.len() >= MAX_STACK {
            return false;
        }
        let is_arg = |name: &str| name.strip_prefix("ARG").is_some_and(|n| n.parse::<u32>().is_ok());
        let before = self.known.vars.iter().filter(|(name, _)| is_arg(name)).map(|(name, value)| (name.clone(), value.clone()));
        let frame = Frame { back, number: self.known.number.clone(), args: before.collect(), is_macro };
        self.known.vars.retain(|name, _| !is_arg(name));
        self.known.vars.extend(args.into_iter().zip(1..).map(|(value, n): (Value, u32)| (format!("ARG{n}"), value)));
        self.known.number = number;
        self.stack.push(frame);
        true
    }

    /// Leaves a subroutine; where the call goes on.
    pub(super) fn back(&mut self) -> Option<At> {
        let frame = self.stack.pop()?;
        self.known.vars.retain(|name, _| !name.starts_with("ARG"));
        self.known.vars.extend(frame.args);
        self.known.number = frame.number;
        Some(frame.back)
    }

    pub(super) fn in_subroutine(&self) -> bool {
        !self.stack.is_empty()
    }

    /// At the first step of an extension.
    pub(super) fn new(known: Known) -> Self {
        Self { known, stack: Vec::new() }
    }

    /// Whether the end of an extension goes back to where it was called from.
    pub(super) fn in_macro(&self) -> bool {
        self.stack.last().is_some_and(|frame| frame.is_macro)
    }

    /// Whether something that is known is lost when the call goes on in another route.
    pub(super) fn is_local(&self) -> bool {
        self.known.is_local() || self.stack.iter().any(|frame| is_local(&frame.number))
    }
}
