//! Keys: `Background`, `WaitExten` and `Read`.

use super::{
    super::{
        kdl_out::{Build as _, node, seconds},
        value::{Piece, literal, text},
    },
    apps::{not_known, why},
    dialplan::is_event,
    state::State,
    walk::{At, Flow, Walk},
};

type Why = (String, String);

/// Keys that one choice of a menu may have.
const MAX_KEYS: usize = 8;

impl Walk<'_> {
    /// Prompts that a key interrupts, and the wait for keys behind them: the extensions of the context are the choices.
    pub(super) fn menu(&mut self, at: At, state: &State) -> Result<Flow, Why> {
        let mut here = at;
        let mut sounds = Vec::new();
        let mut timeout = None;
        while let Some(step) = self.step(here) {
            match step.app.as_str() {
                "background" => sounds.push((super::dialplan::split(&step.args), step.at)),
                "waitexten" => {
                    timeout = Some(super::dialplan::split(&step.args).first().cloned().unwrap_or_default());
                    self.draft.ledger.converted(step.at, "the wait for a key of the menu");
                }
                "noop" | "verbose" if timeout.is_none() => self.draft.ledger.left_out(step.at, "nothing of it is heard"),
                _ => break,
            }
            here.step += 1;
            if timeout.is_some() {
                break;
            }
        }
        let mut menu = node("menu");
        for (args, line) in &sounds {
            menu = match self.prompts(menu.clone(), args.first().map_or("", String::as_str), state) {
                Ok(more) => more,
                Err((why, todo)) => {
                    self.draft.ledger.not_converted(*line, why, todo);
                    menu
                }
            };
        }
        if menu.entries().is_empty() {
            menu = menu.arg(self.draft.silence(1));
        }
        let choices = self.choices(at);
        if choices.is_empty() {
            let todo = "write `collect … type=\"extension\"` and `dial`, or `menu` with its choices";
            return Err(why("the keys that may be pressed are no list of single choices", todo));
        }
        let said = |name: &str| state.known.vars.get(name).and_then(|value| literal(value)?.trim().parse::<u64>().ok());
        let given = timeout.as_ref().and_then(|text| literal(&state.known.expand(text))?.trim().parse::<f64>().ok());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of seconds between 1 and a day")]
        let given = given.map(|given| given.clamp(1.0, 86_400.0) as u64);
        // Without `WaitExten` keys count only while the prompts are heard, and the steps behind them follow.
        let wait = if timeout.is_some() { given.or_else(|| said("TIMEOUT(response)")).unwrap_or(10) } else { 1 };
        menu = menu.prop("timeout", seconds(wait)).maybe("between", said("TIMEOUT(digit)").map(seconds)).prop("tries", 1);
        for (keys, place) in choices {
            let mut state = state.clone();
            state.known.number = text(&keys);
            let steps = self.transfer(At { place, step: 0 }, state);
            menu = menu.child(node("press").arg(keys).children_of(steps));
        }
        for (ending, event) in [("otherwise", "i"), ("no-input", "t")] {
            let handler = self.plan.event(at.place.0, event).map(|place| At { place, step: 0 });
            let handler = if event == "t" && timeout.is_none() { Some(here) } else { handler };
            let mut state = state.clone();
            if handler != Some(here) {
                state.known.number = text(event);
            }
            let steps = match handler {
                Some(to) => self.transfer(to, state),
                None => vec![node("hangup")],
            };
            menu = menu.child(node(ending).children_of(steps));
        }
        Ok(Flow::End(vec![menu]))
    }

    /// Extensions of the context that can be choices of a menu. Patterns and long numbers cannot: their lines say so.
    fn choices(&mut self, at: At) -> Vec<(String, super::dialplan::Place)> {
        let mut choices: Vec<(String, super::dialplan::Place)> = Vec::new();
        let mut others = false;
        for place in self.plan.reach(at.place.0) {
            let exten = self.plan.exten(place);
            let is_keys = |c: char| c.is_ascii_digit() || c == '*' || c == '#';
            if is_event(&exten.text) || exten.numbers.single().is_some_and(|number| !number.chars().all(is_keys)) {
                continue;
            }
            match exten.numbers.single() {
                Some(keys) if keys.len() <= MAX_KEYS => {
                    if !choices.iter().any(|(known, _)| *known == keys) {
                        choices.push((keys, place));
                    }
                }
                _ if place == at.place => {}
                _ => others = true,
            }
        }
        if others && let Some(line) = self.step(at).map(|step| step.at) {
            let todo = "to let callers dial longer numbers in the menu, write `collect … type=\"extension\"` and `dial`";
            self.partly(line, "the menu takes the numbers of up to eight keys, and no patterns", todo);
        }
        choices
    }

    /// `Read(VARIABLE,PROMPTS,MAX,OPTIONS,ATTEMPTS,TIMEOUT)`.
    pub(super) fn read(&mut self, args: &[String], at: At, state: &mut State) -> Result<Flow, Why> {
        let arg = |n: usize| args.get(n).map_or("", String::as_str);
        let variable = arg(0).trim().to_owned();
        let count = |n: usize| literal(&state.known.expand(arg(n))).and_then(|text| text.trim().parse::<u64>().ok());
        let (max, tries, timeout) = (count(2), count(4), count(5));
        let mut collect = node("collect");
        if !arg(1).is_empty() {
            collect = self.prompts(collect, arg(1), state)?;
        }
        let name = super::super::names::kebab(&variable);
        let name = if name.starts_with(|c: char| c.is_ascii_lowercase()) { name } else { format!("read-{name}") };
        let name: String = format!("{}-{}", name.chars().take(20).collect::<String>(), at.step);
        collect = collect
            .prop("max", i128::from(max.unwrap_or(32).clamp(1, 32)))
            .prop("as", name.as_str())
            .maybe("timeout", timeout.filter(|timeout| *timeout > 0).map(seconds))
            .prop("tries", i128::from(tries.unwrap_or(1).clamp(1, 10)));
        if variable.is_empty() {
            return Err(not_known(&[Piece::Unknown("the variable".to_owned())]));
        }
        state.known.vars.insert(variable, vec![Piece::Collected(name)]);
        Ok(Flow::Next(vec![collect]))
    }
}
