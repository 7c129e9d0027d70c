//! The table of routes. A test walks the document and asks each route as everybody.

use std::{collections::HashMap, sync::LazyLock};

use super::{Own, Row};
use crate::store::{
    Role::{self, Admin, Agent, Auditor, Operator, Supervisor},
    Scope,
};

const EVERYBODY: &[Role] = &[Admin, Supervisor, Agent, Operator, Auditor];
/// Who sees how things go.
const WATCH: &[Role] = &[Admin, Supervisor, Operator, Auditor];
/// Who runs the floor.
const FLOOR: &[Role] = &[Admin, Supervisor];
/// Who looks whether the floor is run well.
const FIGURES: &[Role] = &[Admin, Supervisor, Auditor];
/// Who runs the switch.
const SWITCH: &[Role] = &[Admin, Operator];
/// Who keeps things going, on the floor or in the switch.
const DUTY: &[Role] = &[Admin, Supervisor, Operator];
/// Who sees what is set up.
const SETUP: &[Role] = &[Admin, Operator, Auditor];
/// Who serves customers.
const SERVE: &[Role] = &[Admin, Supervisor, Agent];
const AUDIT: &[Role] = &[Admin, Auditor];
const ADMIN: &[Role] = &[Admin];
const NOBODY: &[Role] = &[];

const fn row(method: &'static str, path: &'static str, scope: Option<Scope>, roles: &'static [Role]) -> Row {
    Row { method, path, open: false, scope, roles, own: Own::Nothing, look: None, ticket: false }
}

const fn open(method: &'static str, path: &'static str) -> Row {
    Row { open: true, ..row(method, path, None, NOBODY) }
}

const fn read(path: &'static str, roles: &'static [Role]) -> Row {
    row("GET", path, Some(Scope::Read), roles)
}

const fn control(method: &'static str, path: &'static str, roles: &'static [Role]) -> Row {
    row(method, path, Some(Scope::Control), roles)
}

const fn admin(method: &'static str, path: &'static str, roles: &'static [Role]) -> Row {
    row(method, path, Some(Scope::Admin), roles)
}

/// For who logged in: it is about their own session.
const fn session(method: &'static str, path: &'static str) -> Row {
    row(method, path, None, EVERYBODY)
}

impl Row {
    const fn own(self, own: Own) -> Self {
        Self { own, ..self }
    }

    const fn look(self, look: &'static str) -> Self {
        Self { look: Some(look), ..self }
    }

    const fn by_ticket(self) -> Self {
        Self { ticket: true, ..self }
    }
}

/// All routes.
pub(in crate::http) const ROUTES: &[Row] = &[
    // the process
    open("GET", "/healthz"),
    open("GET", "/readyz"),
    read("/metrics", DUTY),
    // the floor
    read("/api/v1/queues", EVERYBODY),
    read("/api/v1/queues/{queue}", WATCH),
    read("/api/v1/agents", WATCH),
    read("/api/v1/agents/{agent}", WATCH).own(Own::Agent),
    control("PUT", "/api/v1/agents/{agent}/state", FLOOR).own(Own::Agent),
    control("POST", "/api/v1/agents/{agent}/state", FLOOR).own(Own::Agent),
    read("/api/v1/items/{item}/why", WATCH).own(Own::Item),
    read("/api/v1/callbacks", FIGURES),
    control("POST", "/api/v1/callbacks", FLOOR),
    control("DELETE", "/api/v1/callbacks/{item}", FLOOR),
    control("PUT", "/api/v1/items/{item}/priority", FLOOR),
    read("/api/v1/kpis", WATCH),
    read("/api/v1/kpis/definitions", EVERYBODY),
    read("/api/v1/board", WATCH),
    read("/api/v1/kpis/waits", WATCH),
    read("/api/v1/schedules", EVERYBODY),
    read("/api/v1/schedules/{schedule}", EVERYBODY),
    control("PUT", "/api/v1/schedules/{schedule}/switch", DUTY),
    control("DELETE", "/api/v1/schedules/{schedule}/switch", DUTY),
    // calls
    read("/api/v1/calls", WATCH).own(Own::Picked),
    read("/api/v1/calls/{call}", WATCH).own(Own::Call).look("call-read"),
    control("POST", "/api/v1/calls/{call}/hangup", DUTY).own(Own::Call),
    control("POST", "/api/v1/calls/{call}/recording", FLOOR).own(Own::Call),
    control("POST", "/api/v1/calls/{call}/payment", FLOOR).own(Own::Call),
    row("POST", "/api/v1/calls/{call}/payment/keys", Some(Scope::Payment), NOBODY),
    control("POST", "/api/v1/calls/{call}/stream", FLOOR),
    control("DELETE", "/api/v1/calls/{call}/stream", FLOOR),
    control("POST", "/api/v1/calls/{call}/announce", FLOOR),
    read("/api/v1/parked", WATCH),
    read("/api/v1/cdrs", WATCH).own(Own::Picked).look("calls-read"),
    read("/api/v1/conferences", WATCH),
    control("POST", "/api/v1/conferences/{room}/announce", FLOOR),
    control("POST", "/api/v1/conferences/{room}/members/{call}/mute", FLOOR),
    control("POST", "/api/v1/conferences/{room}/members/{call}/unmute", FLOOR),
    control("POST", "/api/v1/conferences/{room}/members/{call}/remove", FLOOR),
    // webhooks
    read("/api/v1/webhooks", SETUP),
    admin("POST", "/api/v1/webhooks", ADMIN),
    read("/api/v1/webhooks/{webhook}", SETUP),
    admin("PATCH", "/api/v1/webhooks/{webhook}", ADMIN),
    admin("DELETE", "/api/v1/webhooks/{webhook}", ADMIN),
    admin("POST", "/api/v1/webhooks/{webhook}/secret", ADMIN),
    control("POST", "/api/v1/webhooks/{webhook}/pause", SWITCH),
    control("POST", "/api/v1/webhooks/{webhook}/resume", SWITCH),
    control("POST", "/api/v1/webhooks/{webhook}/test", SWITCH),
    read("/api/v1/webhooks/{webhook}/dead", SETUP),
    control("POST", "/api/v1/webhooks/{webhook}/dead/resend", SWITCH),
    control("POST", "/api/v1/webhooks/{webhook}/dead/discard", SWITCH),
    read("/api/v1/lookup", SETUP),
    admin("PUT", "/api/v1/lookup", ADMIN),
    admin("DELETE", "/api/v1/lookup", ADMIN),
    admin("POST", "/api/v1/lookup/test", ADMIN),
    // customers
    read("/api/v1/customers", SERVE).look("customers-read"),
    control("POST", "/api/v1/customers", SERVE),
    read("/api/v1/customers/{customer}", SERVE).look("customer-read"),
    control("PATCH", "/api/v1/customers/{customer}", SERVE),
    control("DELETE", "/api/v1/customers/{customer}/identities", FLOOR),
    control("POST", "/api/v1/customers/{customer}/merge", FLOOR),
    control("DELETE", "/api/v1/merges/{link}", FLOOR),
    control("POST", "/api/v1/customers/{customer}/split", FLOOR),
    control("POST", "/api/v1/customers/{customer}/notes", SERVE),
    read("/api/v1/customers/{customer}/timeline", SERVE).look("customer-read"),
    read("/api/v1/customers/{customer}/cases", SERVE).look("customer-read"),
    control("POST", "/api/v1/customers/{customer}/cases", SERVE),
    read("/api/v1/cases", FLOOR).look("cases-read"),
    read("/api/v1/cases/{case}", SERVE).look("case-read"),
    read("/api/v1/cases/{case}/states", SERVE).look("case-read"),
    control("PATCH", "/api/v1/cases/{case}", SERVE),
    control("PUT", "/api/v1/conversations/{conversation}", SERVE),
    read("/api/v1/customers/{customer}/consents", SERVE).look("customer-read"),
    read("/api/v1/may-contact", SERVE).look("customer-read"),
    control("POST", "/api/v1/consents", SERVE),
    control("DELETE", "/api/v1/consents/{consent}", SERVE),
    read("/api/v1/calls/{call}/customer", FLOOR).own(Own::Call).look("customer-read"),
    control("PUT", "/api/v1/interactions/{interaction}/disposition", SERVE),
    read("/api/v1/dispositions", EVERYBODY),
    admin("PUT", "/api/v1/dispositions/{code}", FLOOR),
    admin("POST", "/api/v1/customers-import", ADMIN),
    admin("GET", "/api/v1/customers-export", ADMIN).look("customers-exported"),
    // recordings and messages
    read("/api/v1/recordings", FLOOR).own(Own::Picked).look("recordings-read"),
    read("/api/v1/recordings/{recording}", FLOOR).own(Own::Recording).look("recording-read").by_ticket(),
    read("/api/v1/recordings/{recording}/waveform", FLOOR).own(Own::Recording).look("waveform-read").by_ticket(),
    row("POST", "/api/v1/recordings/{recording}/ticket", Some(Scope::Read), FLOOR).own(Own::Recording),
    // Their proof is the ticket; the page is the same for all.
    open("POST", "/api/v1/recordings/{recording}/session"),
    open("GET", "/api/v1/recordings/{recording}/player"),
    admin("POST", "/api/v1/recordings/sweep", ADMIN),
    read("/api/v1/messages", FLOOR).look("messages-read"),
    read("/api/v1/messages/{message}", FLOOR).look("message-read"),
    control("PATCH", "/api/v1/messages/{message}", FLOOR),
    control("DELETE", "/api/v1/messages/{message}", FLOOR),
    // the plan
    read("/api/v1/plan", WATCH),
    read("/api/v1/explain", WATCH),
    read("/api/v1/plan/generations", WATCH),
    admin("GET", "/api/v1/plan/generations/{generation}", SETUP),
    admin("GET", "/api/v1/plan/diff", SETUP),
    admin("GET", "/api/v1/plan/files", SETUP),
    admin("GET", "/api/v1/plan/files/{file}", SETUP),
    admin("PUT", "/api/v1/plan/files/{file}", SWITCH),
    admin("DELETE", "/api/v1/plan/files/{file}", SWITCH),
    admin("POST", "/api/v1/plan/edits", SWITCH),
    admin("POST", "/api/v1/plan/apply", SWITCH),
    admin("POST", "/api/v1/plan/promote", SWITCH),
    admin("POST", "/api/v1/plan/reload", SWITCH),
    admin("POST", "/api/v1/plan/rollback", SWITCH),
    read("/api/v1/rules", WATCH),
    read("/api/v1/rules/timers", FLOOR).look("rule-timers-read"),
    read("/api/v1/rules/timers/{timer}", FLOOR).look("rule-timer-read"),
    control("DELETE", "/api/v1/rules/timers/{timer}", FLOOR),
    control("POST", "/api/v1/happenings", FLOOR),
    read("/api/v1/outbox", FLOOR).look("outbox-read"),
    control("POST", "/api/v1/outbox/lease", FLOOR),
    control("POST", "/api/v1/outbox/{message}/outcome", FLOOR),
    control("POST", "/api/v1/outbox/{message}/retry", FLOOR),
    read("/api/v1/bans", SETUP),
    control("DELETE", "/api/v1/bans/{source}", SWITCH),
    // live
    read("/api/v1/events", WATCH).own(Own::Picked),
    read("/api/v1/follow", DUTY),
    read("/api/v1/screen-pops", FLOOR).own(Own::Picked).look("customer-read"),
    // people, tokens, logins
    admin("GET", "/api/v1/people", AUDIT),
    admin("GET", "/api/v1/people/{extension}", AUDIT),
    admin("PUT", "/api/v1/people/{extension}", ADMIN),
    admin("DELETE", "/api/v1/people/{extension}", ADMIN),
    admin("PUT", "/api/v1/people/{extension}/password", ADMIN),
    admin("POST", "/api/v1/people/reload", ADMIN),
    admin("GET", "/api/v1/people/{extension}/devices", AUDIT),
    admin("PUT", "/api/v1/people/{extension}/devices", ADMIN),
    admin("PUT", "/api/v1/people/{extension}/devices/{device}", ADMIN),
    admin("DELETE", "/api/v1/people/{extension}/devices/{device}", ADMIN),
    admin("GET", "/api/v1/tokens", AUDIT),
    admin("POST", "/api/v1/tokens", ADMIN),
    admin("DELETE", "/api/v1/tokens/{id}", ADMIN),
    admin("GET", "/api/v1/audit", AUDIT).look("audit-read"),
    read("/api/v1/whoami", EVERYBODY),
    admin("POST", "/api/v1/privacy/export", ADMIN),
    admin("POST", "/api/v1/privacy/erase", ADMIN),
    admin("GET", "/api/v1/privacy/retention", AUDIT),
    admin("PUT", "/api/v1/privacy/retention", ADMIN),
    admin("POST", "/api/v1/privacy/retention", ADMIN),
    admin("GET", "/api/v1/holds", AUDIT),
    admin("POST", "/api/v1/holds", ADMIN),
    admin("DELETE", "/api/v1/holds/{hold}", ADMIN),
    open("POST", "/api/v1/login"),
    session("POST", "/api/v1/logout"),
    session("PUT", "/api/v1/password"),
    session("DELETE", "/api/v1/sessions"),
    admin("GET", "/api/v1/sessions", AUDIT),
    admin("GET", "/api/v1/logins", AUDIT),
    admin("PUT", "/api/v1/logins/{user}", ADMIN),
    admin("DELETE", "/api/v1/logins/{user}", ADMIN),
    admin("PUT", "/api/v1/logins/{user}/password", ADMIN),
    admin("POST", "/api/v1/logins/{user}/unlock", ADMIN),
    admin("DELETE", "/api/v1/logins/{user}/sessions", ADMIN),
];

/// The rows by method and path.
pub(super) static BY_ROUTE: LazyLock<HashMap<(&str, &str), &Row>> =
    LazyLock::new(|| ROUTES.iter().map(|row| ((row.method, row.path), row)).collect());

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const MARK: &str = "<!-- The table of routes: made by a test, see server/src/http/access/routes.rs. -->\n";

    fn table() -> String {
        let mut text = String::from(
            "\n| | route | token | admin | supervisor | agent | operator | auditor | a look |\n|---|---|---|---|---|---|---|---|---|\n",
        );
        for row in ROUTES {
            let scope = row.scope.map_or(if row.open { "open" } else { "–" }.to_owned(), |scope| scope.to_string());
            let _ = write!(text, "| {} | `{}` | {scope}", row.method, row.path);
            for role in Role::ALL {
                let may = row.open || row.roles.contains(&role);
                let own = role == Agent && row.own != Own::Nothing;
                let _ = write!(
                    text,
                    " | {}",
                    if may {
                        "yes"
                    } else if own {
                        "own"
                    } else {
                        ""
                    }
                );
            }
            let _ = writeln!(text, " | {} |", row.look.unwrap_or_default());
        }
        text
    }

    #[test]
    fn the_table_in_the_docs_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/access.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (prose, _) = page.split_once(MARK).expect("the page has the mark");
        let wanted = format!("{prose}{MARK}{}", table());
        if std::env::var_os("TANDEM_WRITE_DOCS").is_some() {
            std::fs::write(path, &wanted).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page == wanted, "docs/access.md is not the table: run the test again with TANDEM_WRITE_DOCS=1");
    }

    #[test]
    fn each_route_has_one_row_and_what_is_for_agents_only_is_theirs() {
        assert_eq!(BY_ROUTE.len(), ROUTES.len());
        for row in ROUTES {
            assert!(row.own == Own::Nothing || !row.roles.contains(&Agent), "{}: all of it, or their own", row.path);
            assert!(!row.open || (row.scope.is_none() && row.roles.is_empty()), "{}", row.path);
        }
    }
}
