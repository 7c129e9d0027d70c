//! What each record does to the tables, in the transaction that appends it to the journal.

use std::collections::{BTreeMap, BTreeSet};

use tandem_switch::{
    cdr::{Cdr, SegmentState},
    floor::{AgentState, FloorEvent, OfferOutcome, WaitingItem},
    id::{CallId, ItemId},
    identity::CallerIdentity,
    name::AgentName,
    step::AgentRequest,
    time::Timestamp,
};

use super::{
    Binding, Record, StoreError,
    changes::{Changes, Key},
    db::{Arg, Rows, Tx, args, json},
    events::JournalRow,
    figures, floor_sql, generations, messages,
    record::{CallStarted, Entry},
    recordings, rollups, sql, tolls,
};

/// Records turned into statements, ready to run in one transaction.
#[derive(Debug)]
pub(super) struct Batch {
    entries: Vec<Entry>,
    calls: Rows,
    cdrs: Rows,
    segments: Rows,
    /// Of each call only what was kept last.
    kept: BTreeMap<CallId, (u32, String, Timestamp)>,
    kept_calls: Rows,
    /// What the floor's events and what becomes of customers change.
    pub(super) changes: Changes,
    /// What is not worth a multi-row insert, in the order of the records; no table of it is one of those.
    others: Vec<(&'static str, Vec<Arg>)>,
}

impl Batch {
    pub(super) fn new<'a>(records: impl IntoIterator<Item = &'a Record> + Clone) -> Self {
        let mut batch = Self {
            entries: Vec::new(),
            calls: Rows::new(&sql::INSERT_CALL),
            cdrs: Rows::new(&sql::INSERT_CDR),
            segments: Rows::new(&sql::INSERT_SEGMENT),
            kept: BTreeMap::new(),
            kept_calls: Rows::new(&sql::INSERT_KEPT_CALL),
            changes: Changes::default(),
            others: Vec::new(),
        };
        // Mostly nothing is settled that far: one look for the whole batch.
        let first = |record: &Record| if let Record::Floor(event) = record { Some(event.at()) } else { None };
        if let Some(first_at) = records.clone().into_iter().filter_map(first).min() {
            batch.run(rollups::UNSEAL_SINCE, args![first_at]);
        }
        let ended: BTreeSet<CallId> = records.clone().into_iter().filter_map(ended).collect();
        for record in records {
            batch.entries.extend(record.entry());
            match record {
                // The row of its end says all that the row of its beginning would, and takes its place anyway.
                Record::CallStarted(started) if ended.contains(&started.call) => {}
                _ => batch.project(record),
            }
        }
        for (call, (v, body, at)) in std::mem::take(&mut batch.kept) {
            batch.kept_calls.push(args![call.to_string(), v, body, at]);
        }
        batch
    }

    /// Runs everything; the journal rows come back with their numbers.
    pub(super) async fn write(&self, tx: &mut Tx) -> Result<Vec<JournalRow>, StoreError> {
        let rows = append(tx, &self.entries).await?;
        tx.insert(&self.calls).await?;
        tx.insert(&self.cdrs).await?;
        tx.insert(&self.segments).await?;
        tx.insert(&self.kept_calls).await?;
        for (statement, args) in &self.others {
            tx.execute(statement, args).await?;
        }
        self.changes.write(tx).await?;
        Ok(rows)
    }

    fn run(&mut self, statement: &'static str, args: impl Into<Vec<Arg>>) {
        self.others.push((statement, args.into()));
    }

    fn project(&mut self, record: &Record) {
        match record {
            Record::CallStarted(started) => self.call_started(started),
            Record::CallEnded { cdr, quality, identity, was_kept } => {
                self.call_ended(cdr, quality.as_ref(), *identity);
                if *was_kept {
                    self.kept.remove(&cdr.call);
                    self.run(sql::DROP_KEPT_CALL, args![cdr.call.to_string()]);
                }
            }
            Record::CallKept { call, v, body, at } => {
                self.kept.insert(*call, (*v, body.clone(), *at));
            }
            Record::CallTakenUp { .. } | Record::Conference(_) => {}
            Record::Floor(event) => self.floor(event),
            Record::RecordingStarted(started) => self.run(sql::PUT_RECORDING, recordings::row(started)),
            Record::RecordingFinished { recording, duration_ms, size_bytes, at } => {
                self.run(sql::RECORDING_FINISHED, args![recording.to_string(), *duration_ms, *size_bytes, *at]);
            }
            Record::RecordingFailed { recording, reason, lost, at } => {
                self.run(sql::RECORDING_FAILED, args![recording.to_string(), reason.as_str(), *at, u64::from(*lost)]);
            }
            Record::Recording(news) => self.others.extend(recordings::changes(news)),
            Record::MessageStarted(started) => self.run(sql::PUT_MESSAGE, messages::started(started)),
            Record::MessageLeft(left) => self.run(sql::MESSAGE_LEFT, messages::left(left)),
            Record::MessageMarked { message, heard, .. } => self.run(sql::MESSAGE_MARKED, messages::marked(*message, *heard)),
            Record::MessageGone { message, .. } => self.run(sql::MESSAGE_GONE, args![message.to_string()]),
            Record::BindingPut { binding, .. } => self.binding_put(binding),
            Record::BindingRemoved { extension, contact, .. } => {
                self.run(sql::REMOVE_BINDING, args![extension.as_str(), contact.as_str()]);
            }
            Record::Banned(ban) => self.run(sql::PUT_BAN, ban.row()),
            Record::TollSpent(all) => all.iter().for_each(|spent| self.run(sql::PUT_TOLL_SPENT, tolls::row(spent))),
            Record::BanLifted { source, .. } => self.run(sql::REMOVE_BAN, args![source.to_string()]),
            Record::PlanLoaded(generation) => self.others.extend(generations::taken(generation)),
            Record::PlanTexts(texts) => self.others.extend(texts.changes()),
            Record::PlanNews(news) => self.others.push(news.change()),
            Record::ScheduleTurned(turned) => self.others.push(turned.statement()),
            Record::Restarted { stopped_at, at, .. } => {
                self.run(sql::CLOSE_RECORDINGS, args![*stopped_at]);
                self.run(sql::EXPIRE_BINDINGS, args![*at]);
                self.run(sql::EXPIRE_BANS, args![*at]);
                self.run(sql::EXPIRE_SCHEDULE_SWITCHES, args![*at]);
                self.run(sql::EXPIRE_TOLL_SPENT, args![tolls::forgotten(*at)]);
            }
            Record::Customer(news) => news.join(&mut self.changes),
            Record::Rule(news) => news.changes().into_iter().for_each(|(statement, args)| self.changes.alone(statement, args)),
            Record::Audit(_) | Record::TollAlarm(_) => {}
        }
    }

    fn call_started(&mut self, started: &CallStarted) {
        let CallStarted { call, origin, from, to, generation, at, .. } = started;
        self.calls.push(args![call.to_string(), json(origin), from.as_str(), to.as_str(), *at, *generation, 0u64, 0u64]);
    }

    fn call_ended(&mut self, cdr: &Cdr, quality: Option<&serde_json::Value>, identity: Option<CallerIdentity>) {
        let call = cdr.call.to_string();
        for (position, segment) in (0u64..).zip(&cdr.segments) {
            let agent = segment.agent.as_ref().map(|agent| agent.as_str());
            let cause = segment.cause.map(|cause| cause.as_str());
            let (state, from, to) = (word(&segment.state), segment.from_at, segment.to_at);
            if segment.state == SegmentState::Transferring {
                self.run(rollups::UNSEAL_AT, args![from]);
            }
            self.segments.push(args![call.as_str(), position, state, agent, cause, from, to]);
        }
        self.cdrs.push(args![
            call,
            json(&cdr.origin),
            cdr.from.as_str(),
            cdr.to.as_str(),
            cdr.route.as_ref().map(|route| route.as_str()),
            cdr.queue.as_ref().map(|queue| queue.as_str()),
            cdr.agent.as_ref().map(|agent| agent.as_str()),
            cdr.answered_by.as_ref().map(|number| number.as_str()),
            cdr.started_at,
            cdr.answered_at,
            cdr.connected_at,
            cdr.ended_at,
            cdr.waited_ms,
            cdr.talked_ms,
            cdr.cause.as_str(),
            cdr.blame.as_str(),
            cdr.recording.map(|recording| recording.to_string()),
            cdr.generation,
            quality.map(ToString::to_string),
            identity.map(CallerIdentity::as_str),
            cdr.restarts,
            (!cdr.told.is_empty()).then(|| json(&cdr.told)),
        ]);
    }

    fn floor(&mut self, event: &FloorEvent) {
        let floor = &mut self.changes;
        figures::changes(event, floor);
        match event {
            FloorEvent::AgentChanged { agent, state, at } => agent_changed(agent, state, *at, floor),
            FloorEvent::AgentAsked { agent, request, .. } => {
                let wish = matches!(request, AgentRequest::SignOut | AgentRequest::NotReady { .. });
                let row = args![agent.as_str(), wish.then(|| json(request))];
                floor.row(&floor_sql::AGENT_PENDING, Key::Agent(agent.clone()), row);
            }
            FloorEvent::Queued { item, rejoined, at } => queued(item, *rejoined, *at, floor),
            FloorEvent::Refused { .. } => {}
            FloorEvent::Offered { offer, item, agent, decision, at } => {
                let row = args![offer.to_string(), item.to_string(), agent.as_str(), json(decision), *at];
                floor.row(&floor_sql::PUT_OFFER, Key::Offer(*offer), row);
            }
            FloorEvent::OfferEnded { offer, item, agent, outcome, at } => {
                let (word, cause) = match outcome {
                    OfferOutcome::Accepted => ("accepted", None),
                    OfferOutcome::Declined(cause) => ("declined", Some(cause.as_str())),
                    OfferOutcome::Expired => ("expired", None),
                    OfferOutcome::Unreached(cause) => ("unreached", Some(cause.as_str())),
                    OfferOutcome::Withdrawn => ("withdrawn", None),
                };
                floor.row(&floor_sql::OFFER_ENDED, Key::Offer(*offer), args![offer.to_string(), word, cause, *at]);
                if *outcome == OfferOutcome::Accepted {
                    floor.row(&floor_sql::ITEM_SERVED, Key::Item(*item), args![item.to_string(), agent.as_str(), *at]);
                }
            }
            FloorEvent::CallbackKept { item, .. } => {
                let callback = item.callback.as_ref().map(json);
                floor.alone(sql::ITEM_CALLBACK, args![item.item.to_string(), callback]);
            }
            FloorEvent::Overflowed { item, .. } => {
                floor.alone(sql::ITEM_OVERFLOWED, args![item.item.to_string(), item.queue.as_str(), item.virtual_arrival_at]);
            }
            FloorEvent::Prioritised { item, .. } => {
                floor.alone(sql::ITEM_PRIORITISED, args![item.item.to_string(), item.priority_minutes]);
            }
            FloorEvent::ConversationChanged { item, standing, turn, .. } => {
                floor.row(&floor_sql::ITEM_CONVERSATION, Key::Item(*item), args![item.to_string(), word(standing), word(turn)]);
            }
            FloorEvent::Returned { item, at, .. } => queued(item, None, *at, floor),
            FloorEvent::Left { item, reason, at } => {
                floor.row(&floor_sql::ITEM_LEFT, Key::Item(*item), args![item.to_string(), word(reason), *at]);
            }
            FloorEvent::Finished { item, agent, cause, at } => {
                floor.row(&floor_sql::AGENT_IDLE_SINCE, Key::Agent(agent.clone()), args![agent.as_str(), *at]);
                floor.row(&floor_sql::ITEM_FINISHED, Key::Item(*item), args![item.to_string(), cause.as_str(), *at]);
            }
        }
    }

    fn binding_put(&mut self, binding: &Binding) {
        let Binding { extension, contact, source, register_call_id, register_cseq, user_agent, registered_at, expires_at, way } =
            binding;
        self.run(
            sql::PUT_BINDING,
            args![
                extension.as_str(),
                contact.as_str(),
                source.as_str(),
                register_call_id.as_str(),
                *register_cseq,
                user_agent.as_deref(),
                *registered_at,
                *expires_at,
                way.as_ref().map(json),
            ],
        );
    }
}

/// As `Restored::apply` folds it, in SQL.
fn agent_changed(agent: &AgentName, state: &AgentState, at: Timestamp, floor: &mut Changes) {
    let idle_since = (*state != AgentState::Offline).then_some(at);
    let kind = match state {
        AgentState::Engaged { item: Some(_) } | AgentState::WrapUp { .. } => &floor_sql::PUT_AGENT_STATE,
        _ => &floor_sql::PUT_AGENT_STATE_WITHOUT_WISH,
    };
    floor.row(kind, Key::Agent(agent.clone()), args![agent.as_str(), json(state), at, idle_since]);
}

fn queued(item: &WaitingItem, rejoined: Option<ItemId>, at: Timestamp, floor: &mut Changes) {
    if let Some(old) = rejoined {
        floor.alone(sql::ITEM_REJOINED, args![old.to_string(), at]);
    }
    let WaitingItem { item, call, queue, caller, skills, priority_minutes, virtual_arrival_at, callback: _, work } = item;
    let (id, call, work) = (item.to_string(), call.to_string(), (!work.is_plain()).then(|| json(work)));
    let (queue, caller, skills) = (queue.as_str(), caller.as_str(), json(skills));
    let row = args![id, call, queue, caller, skills, *priority_minutes, *virtual_arrival_at, at, work];
    floor.row(&floor_sql::PUT_ITEM, Key::Item(*item), row);
}

const fn ended(record: &Record) -> Option<CallId> {
    match record {
        Record::CallEnded { cdr, .. } => Some(cdr.call),
        _ => None,
    }
}

/// Appends to the journal. Taking the numbers first also makes every writer wait its turn.
pub(super) async fn append(tx: &mut Tx, entries: &[Entry]) -> Result<Vec<JournalRow>, StoreError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let raised = tx.fetch(sql::RAISE_HEAD, &args![entries.len() as u64]).await?;
    let last: i64 = raised.first().ok_or(StoreError::Unreadable { column: "journal_head.seq" })?.get("seq")?;
    let first = last - i64::try_from(entries.len()).unwrap_or(i64::MAX) + 1;
    let mut rows = Rows::new(&sql::INSERT_JOURNAL);
    let mut numbered = Vec::with_capacity(entries.len());
    for (seq, entry) in (first..).zip(entries) {
        let Entry { at, kind, call, item, agent, body } = entry;
        rows.push(args![seq, *at, *kind, call.clone(), item.clone(), agent.clone(), body.as_str()]);
        numbered.push(JournalRow { seq, at: *at, kind: (*kind).into(), body: body.clone() });
    }
    tx.insert(&rows).await?;
    Ok(numbered)
}

/// The word that serde spells for a unit variant.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
