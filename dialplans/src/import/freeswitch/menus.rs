//! IVR menus.

use kdl::KdlNode;

use super::{
    super::{
        draft::RouteDraft,
        kdl_out::{Build as _, node},
        value::Value,
    },
    actions::{Why, why},
    dialplan::{Scope, Walk},
    xml::Element,
};

/// How deep menus may lead to each other while they are written.
const MAX_MENUS: usize = 200;

impl Walk<'_> {
    /// A menu, as a route of its own that others lead to.
    pub(super) fn ivr(&mut self, name: &str, scope: &Scope) -> Result<Vec<KdlNode>, Why> {
        let key = (scope.context, name.to_owned());
        if let Some(route) = self.made_menus.get(&key) {
            return Ok(vec![node("goto").arg(route.as_str())]);
        }
        let Some(menu) = self.menus.get(name).copied().filter(|_| self.made_menus.len() < MAX_MENUS) else {
            return Err(why(format!("there is no menu `{name}`"), "write `menu`"));
        };
        let route = self.draft.route_names.unique(&format!("menu {name}"));
        self.made_menus.insert(key, route.clone());
        // A menu knows nothing of what was dialled: whoever gets there may have come by another number.
        let scope = Scope { number: Value::new(), groups: Vec::new(), vars: std::collections::BTreeMap::new(), ..scope.clone() };
        let steps = self.menu(menu, &scope);
        self.draft.routes.push(RouteDraft { name: route.clone(), guards: Vec::new(), steps, units: vec![menu.at] });
        Ok(vec![node("goto").arg(route)])
    }

    fn menu(&mut self, menu: &Element, scope: &Scope) -> Vec<KdlNode> {
        self.draft.ledger.converted(menu.at, "a menu");
        let long = menu.get("greet-long").unwrap_or_default();
        let mut step = match self.prompts(node("menu"), long, scope) {
            Ok(step) => step,
            Err((why, todo)) => {
                self.draft.ledger.not_converted(menu.at, format!("converted in part: its greeting: {why}"), todo);
                let prompt = self.draft.silence(1);
                node("menu").arg(prompt)
            }
        };
        let ms = |name: &str| menu.get(name).and_then(|ms| ms.parse::<u64>().ok()).filter(|ms| (1..=86_400_000).contains(ms));
        let tries = menu.get("max-failures").and_then(|n| n.parse::<i128>().ok()).map(|n| n.clamp(1, 10));
        step = step
            .maybe("timeout", ms("timeout").map(|ms| format!("{ms}ms")))
            .maybe("between", ms("inter-digit-timeout").map(|ms| format!("{ms}ms")))
            .maybe("tries", tries);
        let mut choices = 0;
        for entry in &menu.children {
            let keys = entry.get("digits").unwrap_or_default();
            let plain = (1..=8).contains(&keys.len()) && keys.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#');
            if !plain {
                let todo = "to let callers dial longer numbers in the menu, write `collect … type=\"extension\"` and `dial`";
                self.draft.ledger.not_converted(entry.at, "keys that are no list of single choices", todo);
                continue;
            }
            match self.entry(entry, scope) {
                Ok(steps) => {
                    step = step.child(node("press").arg(keys).children_of(steps));
                    choices += 1;
                    if self.draft.ledger.is_open(entry.at) {
                        self.draft.ledger.converted(entry.at, "a choice of the menu");
                    }
                }
                Err((why, todo)) => self.draft.ledger.not_converted(entry.at, why, todo),
            }
        }
        if choices == 0 {
            let todo = "write `menu` with its choices";
            self.draft.ledger.not_converted(menu.at, "none of its choices could be converted", todo);
            return vec![node("hangup").arg("unavailable")];
        }
        vec![step]
    }

    fn entry(&mut self, entry: &Element, scope: &Scope) -> Result<Vec<KdlNode>, Why> {
        let param = entry.get("param").unwrap_or_default().trim();
        match entry.get("action").unwrap_or_default() {
            "menu-exec-app" => {
                let (app, data) = param.split_once(char::is_whitespace).unwrap_or((param, ""));
                match app {
                    "transfer" | "execute_extension" => {
                        let mut words = data.split_whitespace();
                        let number = self.expand(words.next().unwrap_or_default(), scope);
                        let context = words.nth(1);
                        let to = self.transfer(&number, context, scope);
                        to.ok_or_else(|| {
                            why(
                                "no single extension of that context is for this number",
                                "write a `goto` to the route that is meant",
                            )
                        })
                    }
                    "bridge" => match self.bridge(data, &[], scope)? {
                        super::actions::Flow::Next(nodes) | super::actions::Flow::End(nodes) => Ok(nodes),
                    },
                    "hangup" => Ok(vec![super::actions::hangup(data)]),
                    _ => Err(why(format!("the application `{app}` in a menu"), "write the steps of the choice")),
                }
            }
            "menu-sub" => self.ivr(param, scope),
            "menu-top" => Err(why("back to the first menu", "write a `goto` to its route")),
            "menu-exit" => Ok(vec![node("hangup")]),
            other => Err(why(format!("the action `{other}` in a menu"), "write the steps of the choice")),
        }
    }
}
