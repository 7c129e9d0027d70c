//! The other tables that can be folded from the journal: items, offers, recordings, messages, devices, bans, switches of
//! schedules and generations. Each row is compared column by column, as text.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use tandem_switch::{
    floor::{FloorEvent, OfferOutcome, WaitingItem},
    time::Timestamp,
};

use super::{
    PAGE, Verified, read,
    tables::{BANS, BINDINGS, Folded, GENERATIONS, ITEMS, MESSAGES, OFFERS, RECORDINGS, SWITCHES, Table},
};
use crate::store::{
    Ban, Binding, Generation, JournalRow, MessageLeft, MessageStarted, PlanNews, RecordingStarted, ScheduleTurned, Store,
    StoreError,
    db::{Arg, args, json},
};

/// Rows of one table.
type FoldedRows = BTreeMap<String, Folded>;

/// What the journal says of these tables.
#[derive(Default)]
pub(super) struct Others {
    items: FoldedRows,
    offers: FoldedRows,
    recordings: FoldedRows,
    messages: FoldedRows,
    /// With the end that was told: later ones are not.
    bindings: BTreeMap<(String, String), Known>,
    bans: BTreeMap<String, (Folded, i64)>,
    switches: BTreeMap<String, (Folded, Option<i64>)>,
    generations: FoldedRows,
}

/// What the journal tells of a device's registration.
#[derive(Clone, Copy)]
struct Known {
    expires_us: i64,
    /// It may have gone unsaid: with a restart after its end, or with the password.
    may_be_gone: bool,
}

fn us(at: Timestamp) -> String {
    at.0.to_string()
}

impl Others {
    /// As `project` does it, but to rows in memory.
    pub(super) fn floor(&mut self, event: &FloorEvent) {
        match event {
            FloorEvent::Queued { item, rejoined, at } => {
                if let Some(old) = rejoined.and_then(|old| self.items.get_mut(&old.to_string())) {
                    old.set("state", "rejoined".to_owned());
                    old.set("ended_us", us(*at));
                }
                self.queued(item, *at);
            }
            FloorEvent::Offered { offer, item, agent, at, .. } => {
                let row = args![item.to_string(), agent.as_str(), *at, None::<&str>, None::<&str>, None::<&str>];
                self.offers.entry(offer.to_string()).or_insert_with(|| Folded::new(&OFFERS, row));
            }
            FloorEvent::OfferEnded { offer, item, agent, outcome, at } => {
                let (word, cause) = match outcome {
                    OfferOutcome::Accepted => ("accepted", None),
                    OfferOutcome::Declined(cause) => ("declined", Some(cause)),
                    OfferOutcome::Expired => ("expired", None),
                    OfferOutcome::Unreached(cause) => ("unreached", Some(cause)),
                    OfferOutcome::Withdrawn => ("withdrawn", None),
                };
                if let Some(row) = self.offers.get_mut(&offer.to_string()) {
                    row.set("ended_us", us(*at));
                    row.set("outcome", word.to_owned());
                    row.set("cause", cause.map(|cause| cause.as_str().to_owned()));
                }
                if let Some(row) = self.items.get_mut(&item.to_string()).filter(|_| *outcome == OfferOutcome::Accepted) {
                    row.set("state", "served".to_owned());
                    row.set("agent", agent.to_string());
                    row.set("served_us", us(*at));
                }
            }
            FloorEvent::Overflowed { item, .. } => {
                if let Some(row) = self.items.get_mut(&item.item.to_string()) {
                    row.set("queue", item.queue.to_string());
                }
            }
            FloorEvent::Left { item, reason, at } => self.over(&item.to_string(), "left", &json(reason), us(*at)),
            FloorEvent::Finished { item, cause, at, .. } => self.over(&item.to_string(), "served", cause.as_str(), us(*at)),
            FloorEvent::Returned { item, at, .. } => self.queued(item, *at),
            FloorEvent::AgentChanged { .. }
            | FloorEvent::AgentAsked { .. }
            | FloorEvent::Refused { .. }
            | FloorEvent::Prioritised { .. }
            | FloorEvent::ConversationChanged { .. }
            | FloorEvent::CallbackKept { .. } => {}
        }
    }

    fn queued(&mut self, item: &WaitingItem, at: Timestamp) {
        let new = args![item.call.to_string(), item.queue.as_str(), "waiting", None::<&str>, at];
        let new = Folded::new(&ITEMS, new.into_iter().chain(std::iter::repeat_n(Arg::Text(None), 3)));
        let row = self.items.entry(item.item.to_string()).or_insert(new);
        row.set("state", "waiting".to_owned());
        ["agent", "served_us", "ended_us", "reason"].into_iter().for_each(|column| row.set(column, None));
    }

    fn over(&mut self, item: &str, state: &str, reason: &str, at: String) {
        if let Some(row) = self.items.get_mut(item) {
            row.set("state", state.to_owned());
            row.set("reason", reason.trim_matches('"').to_owned());
            row.set("ended_us", at);
        }
    }

    /// What is not of the floor.
    pub(super) fn apply(&mut self, row: &JournalRow) -> Result<(), StoreError> {
        match &*row.kind {
            "recording-started" => self.recording_started(&read(&row.body)?),
            kind if kind.starts_with("recording-") => self.recording(row, &read(&row.body)?),
            "message-started" => {
                let MessageStarted { message, mailbox, call, from, path, .. } = read(&row.body)?;
                let none = None::<&str>;
                let new = args![mailbox.as_str(), call.to_string(), from.as_str(), path, "recording", none, none];
                self.messages.entry(message.to_string()).or_insert_with(|| Folded::new(&MESSAGES, new));
            }
            "message-left" => {
                let MessageLeft { message, duration_ms, size_bytes, .. } = read(&row.body)?;
                if let Some(row) = self.messages.get_mut(&message.to_string()) {
                    row.set("state", "new".to_owned());
                    row.set("duration_ms", duration_ms.to_string());
                    row.set("size_bytes", size_bytes.to_string());
                }
            }
            "message-heard" | "message-new" => {
                let word = row.kind.trim_start_matches("message-");
                let body: Value = read(&row.body)?;
                if let Some(row) =
                    self.messages.get_mut(&text(&body, "message")).filter(|row| row.get("state") != Some("recording"))
                {
                    row.set("state", word.to_owned());
                }
            }
            "message-gone" => {
                self.messages.remove(&text(&read(&row.body)?, "message"));
            }
            "binding-put" => {
                let Binding { extension, contact, expires_at, .. } = read(&row.body)?;
                let known = Known { expires_us: expires_at.0, may_be_gone: false };
                self.bindings.insert((extension.to_string(), contact), known);
            }
            "binding-removed" => {
                let body: Value = read(&row.body)?;
                self.bindings.remove(&(text(&body, "extension"), text(&body, "contact")));
            }
            "source-banned" => {
                let Ban { source, offence, times, at, until } = read(&row.body)?;
                self.bans.insert(source.to_string(), (Folded::new(&BANS, args![offence, times, at, until]), until.0));
            }
            "ban-lifted" => {
                self.bans.remove(&text(&read(&row.body)?, "source"));
            }
            "schedule-turned" => self.schedule_turned(&read(&row.body)?),
            "plan-loaded" => {
                let Generation { generation, state, by, at, .. } = read(&row.body)?;
                let why = self.generations.get(&generation.to_string()).and_then(|row| row.get("why"));
                let new = Folded::new(&GENERATIONS, args![state.as_str(), by, at, why]);
                self.generations.insert(generation.to_string(), new);
            }
            "restarted" => self.restarted(row.at.0, &read(&row.body)?),
            "audit" => self.audit(&read(&row.body)?),
            kind if kind.starts_with("plan-") => {
                let PlanNews { generation, state, why, .. } = read(&row.body)?;
                if let Some(row) = self.generations.get_mut(&generation.to_string()) {
                    row.set("state", state.as_str().to_owned());
                    row.set("why", why);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn recording_started(&mut self, started: &RecordingStarted) {
        let RecordingStarted { recording, call, path, at, kept } = started;
        let none = None::<&str>;
        let row = args![call.to_string(), path.as_str(), "recording", *at, none, none, none, none, none, 1u64];
        let mut row = Folded::new(&RECORDINGS, row);
        // Told apart below by this mark only; it is not a column of its own.
        if kept.capture.as_deref().is_some_and(|capture| capture != path) {
            row.set("reason", CAPTURED.to_owned());
        }
        self.recordings.entry(recording.to_string()).or_insert(row);
    }

    fn recording(&mut self, event: &JournalRow, body: &Value) {
        let Some(row) = self.recordings.get_mut(&text(body, "recording")) else { return };
        let number = |name: &str| body.get(name).and_then(Value::as_i64).map(|number| number.to_string());
        let is_captured = row.get("reason") == Some(CAPTURED);
        match &*event.kind {
            "recording-finished" => {
                row.set("state", if is_captured { "captured" } else { "finished" }.to_owned());
                row.set("ended_us", us(event.at));
                row.set("duration_ms", number("duration_ms"));
                row.set("size_bytes", number("size_bytes"));
            }
            "recording-failed" => {
                row.set("state", "failed".to_owned());
                row.set("reason", text(body, "reason"));
                if row.get("ended_us").is_none() {
                    row.set("ended_us", us(event.at));
                }
            }
            "recording-saved" if row.get("state") != Some("deleted") => {
                if row.get("state") == Some("captured") {
                    row.set("state", "finished".to_owned());
                }
                row.set("duration_ms", number("duration_ms"));
                row.set("size_bytes", number("size_bytes"));
            }
            "recording-spooled" => {
                row.set("remote", text(body, "remote"));
                row.set("local", u64::from(body["stays"] == true).to_string());
            }
            "recording-deleted" => {
                row.set("state", "deleted".to_owned());
                row.set("remote", None);
                row.set("local", "0".to_owned());
            }
            _ => {}
        }
    }

    fn schedule_turned(&mut self, turned: &ScheduleTurned) {
        let name = turned.schedule.to_string();
        match turned.says {
            Some(says) => {
                let row = Folded::new(&SWITCHES, args![says.word(), turned.by.as_str(), turned.at, turned.until]);
                self.switches.insert(name, (row, turned.until.map(|until| until.0)));
            }
            None => drop(self.switches.remove(&name)),
        }
    }

    /// A start closes recordings, and drops what has expired.
    fn restarted(&mut self, at: i64, body: &Value) {
        let stopped_us = body.get("stopped_at").and_then(Value::as_i64);
        for row in self.recordings.values_mut().filter(|row| row.get("state") == Some("recording")) {
            row.set("state", "interrupted".to_owned());
            row.set("ended_us", stopped_us.map(|at| at.to_string()));
        }
        self.bans.retain(|_, (_, until)| *until > at);
        self.switches.retain(|_, (_, until)| until.is_none_or(|until| until > at));
        self.bindings.values_mut().filter(|known| known.expires_us <= at).for_each(|known| known.may_be_gone = true);
    }

    fn audit(&mut self, audit: &Audited) {
        if matches!(&*audit.what, "person-changed" | "person-removed") {
            let theirs = self.bindings.iter_mut().filter(|((extension, _), _)| *extension == audit.subject);
            theirs.for_each(|(_, known)| known.may_be_gone = true);
        }
    }
}

/// Stands for a reason while there is none: the recording is still to be made of what is captured.
const CAPTURED: &str = "\u{1}captured";

#[derive(Deserialize)]
struct Audited {
    what: String,
    subject: String,
}

fn text(body: &Value, name: &str) -> String {
    body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Store {
    pub(super) async fn verify_others(&self, others: Others, verified: &mut Verified) -> Result<(), StoreError> {
        let Others { items, offers, mut recordings, messages, bindings, bans, switches, mut generations } = others;
        for row in recordings.values_mut().filter(|row| row.get("reason") == Some(CAPTURED)) {
            row.set("reason", None);
        }
        let bans = bans.into_iter().map(|(source, (row, _))| (source, row)).collect();
        let switches = switches.into_iter().map(|(schedule, (row, _))| (schedule, row)).collect();
        let all = [(&ITEMS, items), (&OFFERS, offers), (&RECORDINGS, recordings), (&MESSAGES, messages)];
        for (table, told) in all.into_iter().chain([(&BANS, bans), (&SWITCHES, switches)]) {
            verified.compare_all(table.name, &told, &self.read_table(table).await?);
        }
        let found = self.read_table(&BINDINGS).await?;
        let name = |(extension, contact): &(String, String)| format!("{extension} {contact}").replace('\0', "\u{fffd}");
        let told = bindings.iter().filter(|(key, known)| !known.may_be_gone || found.contains_key(&name(key)));
        let told = told.map(|(key, _)| (name(key), Folded::new(&BINDINGS, []))).collect();
        verified.compare_all(BINDINGS.name, &told, &found);
        // Old ones are dropped.
        let found = self.read_table(&GENERATIONS).await?;
        generations.retain(|generation, _| found.contains_key(generation));
        verified.compare_all(GENERATIONS.name, &generations, &found);
        Ok(())
    }

    async fn read_table(&self, table: &'static Table) -> Result<FoldedRows, StoreError> {
        const CELLS: [&str; 10] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"];
        let mut found = FoldedRows::new();
        let (mut first, mut second) = (String::new(), String::new());
        loop {
            let rows = self.db.fetch(table.read, &args![first.as_str(), second.as_str(), PAGE]).await?;
            if rows.is_empty() {
                return Ok(found);
            }
            for row in rows {
                (first, second) = (row.get("row_key")?, row.get("row_key2")?);
                let values = CELLS[..table.columns.len()].iter().map(|cell| row.get(cell)).collect::<Result<_, _>>()?;
                let key = format!("{first} {second}");
                found.insert(key.trim_end().to_owned(), Folded { columns: table.columns, values });
            }
        }
    }
}
