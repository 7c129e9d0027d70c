//! The table of events: who hears of which kind of journal row. A kind without a row is for admins only, and fails a test.

use serde_json::Value;
use tandem_switch::name::AgentName;

use crate::store::Role::{self, Admin, Auditor, Operator, Supervisor};

const WATCH: &[Role] = &[Admin, Supervisor, Operator, Auditor];
const FLOOR: &[Role] = &[Admin, Supervisor];
const FIGURES: &[Role] = &[Admin, Supervisor, Auditor];
const SETUP: &[Role] = &[Admin, Operator, Auditor];
const ADMIN: &[Role] = &[Admin];

/// Who hears of a kind.
#[derive(Clone, Copy, Debug)]
struct Heard {
    kind: &'static str,
    roles: &'static [Role],
    /// Where its body names the agent, who hears of it too.
    agent: Option<&'static str>,
}

const fn kind(kind: &'static str, roles: &'static [Role]) -> Heard {
    Heard { kind, roles, agent: None }
}

const fn of_agent(kind: &'static str, agent: &'static str) -> Heard {
    Heard { kind, roles: WATCH, agent: Some(agent) }
}

const KINDS: &[Heard] = &[
    kind("call-started", WATCH),
    kind("call-taken-up", WATCH),
    of_agent("call-ended", "/cdr/agent"),
    of_agent("agent-changed", "/agent"),
    of_agent("agent-asked", "/agent"),
    of_agent("offered", "/agent"),
    of_agent("offer-ended", "/agent"),
    of_agent("finished", "/agent"),
    kind("queued", WATCH),
    kind("refused", WATCH),
    kind("callback-kept", WATCH),
    kind("overflowed", WATCH),
    kind("left", WATCH),
    kind("prioritised", WATCH),
    of_agent("conversation-changed", "/agent"),
    of_agent("returned", "/agent"),
    kind("customer-put", FLOOR),
    kind("identity-put", FLOOR),
    kind("identity-gone", FLOOR),
    kind("identity-moved", FLOOR),
    kind("customers-merged", FLOOR),
    kind("customers-unmerged", FLOOR),
    kind("customer-noted", FLOOR),
    kind("case-put", FLOOR),
    kind("conversation-moved", FLOOR),
    kind("interaction-started", FLOOR),
    kind("interaction-ended", FLOOR),
    kind("interaction-disposed", FLOOR),
    kind("disposition-put", FLOOR),
    kind("consent-put", FLOOR),
    kind("consent-ended", FLOOR),
    kind("customer-erased", FLOOR),
    kind("rule-set", FLOOR),
    kind("rule-moved", FLOOR),
    kind("rule-ended", FLOOR),
    kind("rule-fired", FLOOR),
    kind("rule-done", FLOOR),
    kind("happened", FLOOR),
    kind("outbox-sent", FLOOR),
    kind("outbox-failed", FLOOR),
    kind("recording-started", FIGURES),
    kind("recording-finished", FIGURES),
    kind("recording-failed", WATCH),
    kind("recording-paused", FIGURES),
    kind("recording-resumed", FIGURES),
    kind("recording-saved", FIGURES),
    kind("recording-spooled", FIGURES),
    kind("recording-deleted", FIGURES),
    kind("conference-joined", WATCH),
    kind("conference-left", WATCH),
    kind("conference-muted", WATCH),
    kind("conference-unmuted", WATCH),
    kind("message-started", FIGURES),
    kind("message-left", FIGURES),
    kind("message-heard", FIGURES),
    kind("message-new", FIGURES),
    kind("message-gone", FIGURES),
    kind("binding-put", SETUP),
    kind("binding-removed", SETUP),
    kind("source-banned", SETUP),
    kind("ban-lifted", SETUP),
    kind("schedule-turned", WATCH),
    kind("toll-alarm", WATCH),
    kind("plan-loaded", WATCH),
    kind("plan-set-aside", WATCH),
    kind("plan-in-service", WATCH),
    kind("plan-canary", WATCH),
    kind("plan-replaced", WATCH),
    kind("plan-rolled-back", WATCH),
    kind("plan-failed", WATCH),
    kind("restarted", WATCH),
    kind("audit", &[Admin, Auditor]),
    // These become no rows of the journal.
    kind("call-kept", ADMIN),
    kind("toll-spent", ADMIN),
    kind("plan-texts", ADMIN),
    kind("customers-read-up-to", ADMIN),
    kind("outbox-leased", ADMIN),
    kind("rules-read-up-to", ADMIN),
];

/// What one subscriber hears.
#[derive(Clone, Debug)]
pub(in crate::http) enum Ear {
    /// Everything: a token.
    All,
    /// What these roles hear; with an agent, what is theirs too.
    Roles(Vec<Role>, Option<AgentName>),
}

impl Ear {
    /// What is told of an event: all of it, less, or nothing.
    pub(in crate::http) fn hears(&self, kind: &str, mut body: Value) -> Option<Value> {
        let Self::Roles(roles, agent) = self else { return Some(body) };
        let unknown = Heard { kind: "", roles: ADMIN, agent: None };
        let row = KINDS.iter().find(|row| row.kind == kind).unwrap_or(&unknown);
        if row.roles.iter().any(|role| roles.contains(role)) {
            return Some(body);
        }
        let named = row.agent.and_then(|place| body.pointer(place)).and_then(Value::as_str);
        let theirs = roles.contains(&Role::Agent) && agent.as_ref().is_some_and(|agent| named == Some(agent.as_str()));
        if !theirs {
            return None;
        }
        // Who else was weighed, and why not they, is not the agent's.
        if let Some(fields) = body.as_object_mut() {
            fields.remove("decision");
        }
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// The words that functions named `kind` or `floor_kind` of the store give.
    fn kinds_of_source() -> BTreeSet<String> {
        let store = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store");
        let mut kinds = BTreeSet::new();
        for file in std::fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            let text = std::fs::read_to_string(&file).unwrap();
            let mut inside = false;
            for line in text.lines() {
                let begins = line.contains("fn kind(") || line.contains("fn floor_kind(");
                inside = begins || (inside && !matches!(line, "    }" | "}"));
                if let (true, Some((_, word))) = (inside, line.split_once("=> \"")) {
                    kinds.insert(word.trim_end_matches(['"', ',']).to_owned());
                }
            }
        }
        kinds
    }

    #[test]
    fn every_kind_of_event_has_a_row_and_no_row_is_of_nothing() {
        let rows: BTreeSet<_> = KINDS.iter().map(|row| row.kind.to_owned()).collect();
        assert_eq!(rows.len(), KINDS.len(), "one row each");
        assert_eq!(kinds_of_source(), rows);
    }

    #[test]
    fn agents_hear_what_is_theirs_without_what_is_said_of_others() {
        let hears = |roles: &[Role], kind: &str, body: Value| Ear::Roles(roles.to_vec(), Some("1001".into())).hears(kind, body);
        let offered = |agent: &str| json!({ "agent": agent, "item": "1", "decision": { "considered": [] } });
        assert_eq!(hears(&[Role::Agent], "offered", offered("1001")), Some(json!({ "agent": "1001", "item": "1" })));
        assert_eq!(hears(&[Role::Agent], "offered", offered("1002")), None);
        assert_eq!(hears(&[Role::Agent], "call-ended", json!({ "cdr": { "agent": "1002" } })), None);
        assert!(hears(&[Role::Agent], "call-ended", json!({ "cdr": { "agent": "1001" } })).is_some());
        assert_eq!(hears(&[Role::Agent], "queued", json!({ "agent": "1001" })), None);
        assert_eq!(hears(&[Supervisor], "offered", offered("1002")), Some(offered("1002")));
        assert_eq!(hears(&[Supervisor], "audit", json!({})), None);
        assert_eq!(hears(&[Operator], "message-left", json!({})), None);
        assert_eq!(hears(&[Supervisor], "of-tomorrow", json!({})), None);
        assert!(hears(&[Admin], "of-tomorrow", json!({})).is_some());
        assert!(Ear::All.hears("of-tomorrow", json!({})).is_some());
    }
}
