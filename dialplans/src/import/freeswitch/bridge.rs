//! `bridge`: whom it calls, in which order, and what comes when nobody answers.

use kdl::KdlNode;

use super::{
    super::{
        draft::extension_number,
        kdl_out::{Build as _, node, seconds},
        value::{Piece, Value, literal},
    },
    actions::{Flow, Why, hangup, not_known, why},
    dialplan::{Scope, Walk},
    xml::Element,
};

/// Somebody to call.
enum Target {
    Extension(String),
    Outside { trunk: String, number: String },
}

impl<'a> Walk<'a> {
    pub(super) fn bridge(&mut self, data: &str, rest: &[&'a Element], scope: &Scope) -> Result<Flow, Why> {
        let (settings, data) = braces(data, '{', '}');
        if let Some(cause) = data.strip_prefix("error/") {
            return Ok(Flow::End(vec![hangup(&cause.to_ascii_uppercase())]));
        }
        if let Some(app) = data.strip_prefix("loopback/app=voicemail:") {
            let Flow::Next(mut nodes) = self.voicemail(app, scope)? else { return Err(why("a mailbox", "write `voicemail`")) };
            nodes.push(node("hangup"));
            return Ok(Flow::End(nodes));
        }
        let in_order = data.contains('|');
        let mut targets = Vec::new();
        for part in data.split(['|', ',']).flat_map(|part| part.split(":_:")) {
            targets.extend(self.targets(part.trim(), scope)?);
        }
        let setting = |name: &str| {
            let inside = settings.split(',').find_map(|setting| setting.trim().strip_prefix(name)?.trim().strip_prefix('='));
            inside.map(str::to_owned).or_else(|| literal(scope.vars.get(name)?))
        };
        let ring = ["leg_timeout", "call_timeout", "originate_timeout"]
            .into_iter()
            .find_map(|name| setting(name)?.trim().parse::<u64>().ok());
        let mut dial = match targets.as_slice() {
            [] => return Err(why("nobody to call", "see who is meant")),
            [Target::Extension(extension)] => node("dial").prop("extension", extension.as_str()),
            [Target::Outside { trunk, number }] => node("dial").prop("trunk", trunk.as_str()).prop("number", number.as_str()),
            _ => node("dial"),
        };
        dial = dial.maybe("ring", ring.filter(|ring| *ring > 0).map(seconds));
        let outside = targets.iter().any(|target| matches!(target, Target::Outside { .. }));
        let shown = setting("origination_caller_id_number").map(|text| self.expand(&text, scope));
        if let Some(caller) = shown.or_else(|| scope.vars.get("caller_id()").cloned()).filter(|_| outside) {
            dial = dial.prop("caller-id", self.filled(&caller)?);
        }
        if scope.vars.contains_key("record()") {
            dial = dial.prop("record", true);
        }
        if targets.len() > 1 {
            if in_order {
                dial = dial.prop("strategy", "in-order");
            }
            dial = targets.iter().fold(dial, |dial, target| {
                dial.child(match target {
                    Target::Extension(extension) => node("extension").arg(extension.as_str()),
                    Target::Outside { trunk, number } => {
                        node("outside").prop("trunk", trunk.as_str()).prop("number", number.as_str())
                    }
                })
            });
        }
        Ok(Flow::End(self.endings(dial, rest, scope, &setting)))
    }

    /// What comes behind, by whether it may go on after a failure or an answered call.
    fn endings(
        &mut self,
        mut dial: KdlNode,
        rest: &[&'a Element],
        scope: &Scope,
        setting: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<KdlNode> {
        let on = |name: &str| setting(name).is_some_and(|value| !matches!(value.as_str(), "" | "false"));
        let ends_anyway = rest.iter().all(|action| action.get("application") == Some("hangup"));
        if ends_anyway {
            return vec![dial, node("hangup")];
        }
        let (after_failure, after_answer) = (on("continue_on_fail"), !on("hangup_after_bridge"));
        if !after_failure && !after_answer {
            return vec![dial, node("hangup")];
        }
        let behind = self.run(rest, scope.clone());
        let behind = if scope.is_local() { behind } else { self.shared("behind the bridge", behind) };
        if after_failure {
            for ending in ["busy", "no-answer", "unreachable", "rejected"] {
                dial = dial.child(node(ending).children_of(behind.clone()));
            }
        }
        if after_answer { [vec![dial], behind].concat() } else { vec![dial, node("hangup")] }
    }

    /// `user/1001@domain`, `sofia/gateway/carrier/0123`, `group/sales@domain`.
    fn targets(&mut self, endpoint: &str, scope: &Scope) -> Result<Vec<Target>, Why> {
        let (_, endpoint) = braces(endpoint, '[', ']');
        if let Some(group) = endpoint.strip_prefix("group/").or_else(|| endpoint.strip_prefix("${group_call(")) {
            let name = group.split(['@', '+', ')']).next().unwrap_or_default();
            let members = self.known.groups.get(name).filter(|members| !members.is_empty());
            let Some(members) = members else {
                return Err(why(format!("there is no group `{name}`"), "write `dial` with a group"));
            };
            return Ok(members.iter().map(|number| Target::Extension(number.to_string())).collect());
        }
        if let Some(user) = endpoint.strip_prefix("user/") {
            let value = self.expand(user.split('@').next().unwrap_or_default(), scope);
            return Ok(vec![Target::Extension(self.extension(&value)?)]);
        }
        let Some(rest) = endpoint.strip_prefix("sofia/") else {
            let kind = endpoint.split('/').next().unwrap_or_default();
            return Err(why(format!("`{kind}` has no counterpart"), "dial an extension, or a number through a trunk"));
        };
        let (profile, rest) = rest.split_once('/').unwrap_or((rest, ""));
        if profile == "gateway" {
            let (name, number) = rest.split_once('/').unwrap_or((rest, ""));
            let name = self.expand(name, scope);
            let name = literal(&name).ok_or_else(|| not_known(&name))?;
            let Some((trunk, _)) = self.known.gateways.get(&name) else {
                return Err(why(format!("there is no gateway `{name}`"), "declare `trunk \"…\"`, and dial it"));
            };
            let trunk = trunk.clone();
            let number = self.expand(number.split('@').next().unwrap_or_default(), scope);
            return Ok(vec![Target::Outside { trunk, number: self.filled(&number)? }]);
        }
        // `sofia/internal/1001%domain`: a device of ours.
        if let Some((user, _)) = rest.split_once('%') {
            let value = self.expand(user, scope);
            return Ok(vec![Target::Extension(self.extension(&value)?)]);
        }
        Err(why("an address that is called without a gateway", "declare a `trunk` for it, and dial that"))
    }

    /// An extension: one of the plan, or what was dialled, which the step holds against the extensions.
    fn extension(&self, value: &Value) -> Result<String, Why> {
        if let Some(name) = literal(value) {
            return match extension_number(&name).filter(|number| self.draft.extensions.contains_key(number)) {
                Some(number) => Ok(number.to_string()),
                None => Err(why(format!("there is no user `{name}` with a number"), "declare `extensions`, and dial it")),
            };
        }
        if matches!(value.as_slice(), [Piece::Dialled(_) | Piece::Collected(_)] | [Piece::Text(_), Piece::Collected(_)]) {
            return self.filled(value);
        }
        Err(not_known(value))
    }
}

/// What stands in braces before something, and the rest.
fn braces(text: &str, open: char, close: char) -> (&str, &str) {
    let Some(inside) = text.strip_prefix(open) else { return ("", text) };
    let mut depth = 0_u32;
    let end = inside.char_indices().find(|(_, c)| {
        if *c == open {
            depth += 1;
        } else if *c == close {
            if depth == 0 {
                return true;
            }
            depth -= 1;
        }
        false
    });
    end.map_or(("", text), |(at, _)| (&inside[..at], inside[at + close.len_utf8()..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_stand_before_whom_they_are_for() {
        assert_eq!(braces("{a=1,b=${c}}user/1", '{', '}'), ("a=1,b=${c}", "user/1"));
        assert_eq!(braces("user/1", '{', '}'), ("", "user/1"));
        assert_eq!(braces("{a=1", '{', '}'), ("", "{a=1"));
    }
}
