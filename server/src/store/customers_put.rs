//! What becomes of the journal and of the tables when something becomes of a customer.

use tandem_switch::{
    customers::{
        Channel, Identity,
        consent::{Rule, Whose},
        folded,
        links::Moved,
    },
    id::{CallId, CustomerId},
};

use super::{
    CaseRow, CustomerChange, CustomerNews, CustomerRow, DispositionRow, IdentityRow, InteractionRow, JournalRow, StoreError,
    changes::{Changes, Key},
    customers_sql as sql,
    db::{Arg, Insert, args, json},
};

type Statement = (&'static str, Vec<Arg>);

/// Rows of the journal that are about customers.
const KINDS: [&str; 16] = [
    "customer-put",
    "identity-put",
    "identity-gone",
    "identity-moved",
    "customers-merged",
    "customers-unmerged",
    "customer-noted",
    "case-put",
    "conversation-moved",
    "interaction-started",
    "interaction-ended",
    "interaction-disposed",
    "disposition-put",
    "consent-put",
    "consent-ended",
    "customer-erased",
];

/// What each call does to the tables, many calls at a time: the same as the statements of one.
static PUT_CONVERSATIONS: Insert = Insert::new(
    "INSERT INTO conversations (conversation_id, customer_id, case_id, channel, started_us)",
    5,
    " ON CONFLICT DO NOTHING",
);
static PUT_INTERACTIONS: Insert = Insert::new(
    "INSERT INTO interactions (interaction_id, conversation_id, channel, direction, kind, value, candidates, call_id, started_us)",
    9,
    " ON CONFLICT DO NOTHING",
);
static INTERACTIONS_ENDED: Insert = Insert::new(
    "WITH each (interaction_id, queue, agent, at_us) AS (",
    4,
    ") UPDATE interactions SET queue = each.queue, agent = each.agent, ended_us = CAST(each.at_us AS BIGINT) FROM each \
     WHERE interactions.interaction_id = each.interaction_id",
);
/// All of them.
#[cfg(test)]
pub(super) static ALL: [&Insert; 3] = [&PUT_CONVERSATIONS, &PUT_INTERACTIONS, &INTERACTIONS_ENDED];

impl CustomerNews {
    /// What brings the tables up to date, together with other news.
    pub(super) fn join(&self, into: &mut Changes) {
        match &self.what {
            CustomerChange::InteractionStarted(row) => {
                let (thread, spell) = interaction_put(row);
                into.row(&PUT_CONVERSATIONS, Key::Conversation(row.conversation), thread);
                into.row(&PUT_INTERACTIONS, Key::Interaction(row.interaction), spell);
            }
            CustomerChange::InteractionEnded { interaction, queue, agent } => {
                let row = args![interaction.to_string(), queue.as_deref(), agent.as_deref(), self.at];
                into.row(&INTERACTIONS_ENDED, Key::Interaction(*interaction), row);
            }
            _ => self.changes().into_iter().for_each(|(statement, args)| into.alone(statement, args)),
        }
    }

    /// The journal's word.
    pub(super) const fn kind(&self) -> &'static str {
        match &self.what {
            CustomerChange::Put(_) => "customer-put",
            CustomerChange::IdentityPut(_) => "identity-put",
            CustomerChange::IdentityGone { .. } => "identity-gone",
            CustomerChange::IdentityMoved { .. } => "identity-moved",
            CustomerChange::Merged { .. } => "customers-merged",
            CustomerChange::Unmerged { .. } => "customers-unmerged",
            CustomerChange::Noted { .. } => "customer-noted",
            CustomerChange::CasePut(_) => "case-put",
            CustomerChange::ConversationMoved { .. } => "conversation-moved",
            CustomerChange::InteractionStarted(_) => "interaction-started",
            CustomerChange::InteractionEnded { .. } => "interaction-ended",
            CustomerChange::Disposed { .. } => "interaction-disposed",
            CustomerChange::DispositionPut(_) => "disposition-put",
            CustomerChange::ConsentPut(_) => "consent-put",
            CustomerChange::ConsentEnded { .. } => "consent-ended",
            CustomerChange::Erased { .. } => "customer-erased",
            CustomerChange::ReadUpTo(_) => "customers-read-up-to",
        }
    }

    /// The journal's text: what happened, and who did it.
    pub(super) fn body(&self) -> String {
        // The name of the change is the row's kind already.
        let mut body = match serde_json::to_value(&self.what) {
            Ok(serde_json::Value::Object(named)) => named.into_iter().next().map(|(_, body)| body).unwrap_or_default(),
            _ => serde_json::Value::Null,
        };
        if let Some(fields) = body.as_object_mut() {
            fields.insert("by".to_owned(), self.by.as_str().into());
        }
        json(&body)
    }

    /// What a row of the journal says; `None`: it is about something else.
    pub(crate) fn read(row: &JournalRow) -> Result<Option<Self>, StoreError> {
        if !KINDS.contains(&&*row.kind) {
            return Ok(None);
        }
        let unreadable = |_| StoreError::Unreadable { column: "journal.body" };
        let mut body: serde_json::Value = serde_json::from_str(&row.body).map_err(unreadable)?;
        let by = body.as_object_mut().and_then(|fields| fields.remove("by"));
        let by = by.and_then(|by| by.as_str().map(str::to_owned)).unwrap_or_default();
        let what = serde_json::from_value(serde_json::json!({ (&*row.kind): body })).map_err(unreadable)?;
        Ok(Some(Self { by, at: row.at, what }))
    }

    /// Whether the journal is told.
    pub(super) const fn is_told(&self) -> bool {
        !matches!(self.what, CustomerChange::ReadUpTo(_))
    }

    /// The call that it is about, for the journal.
    pub(super) fn call(&self) -> Option<CallId> {
        match &self.what {
            CustomerChange::InteractionStarted(row) => row.call,
            _ => None,
        }
    }

    /// The statements that bring the tables up to date.
    pub(super) fn changes(&self) -> Vec<Statement> {
        let one = |statement, row: &[Arg]| vec![(statement, row.to_vec())];
        match &self.what {
            CustomerChange::Put(row) => {
                let CustomerRow { customer, name, language, attributes, .. } = row;
                let name_folded = folded(name);
                one(
                    sql::PUT_CUSTOMER,
                    &args![customer.to_string(), name.as_str(), name_folded, language.as_str(), json(attributes), self.at],
                )
            }
            CustomerChange::IdentityPut(row) => vec![identity_put(row)],
            CustomerChange::IdentityGone { customer, identity } => vec![identity_gone(*customer, identity)],
            CustomerChange::IdentityMoved { row, from } => {
                let (kind, value) = (row.identity.kind().word(), row.identity.value());
                let split = args![kind, value, from.to_string(), row.customer.to_string()];
                vec![identity_gone(*from, &row.identity), identity_put(row), (sql::CONVERSATIONS_SPLIT, split.to_vec())]
            }
            CustomerChange::Merged { link, kept, folded, why, moved } => {
                let (link, kept, folded) = (link.to_string(), kept.to_string(), folded.to_string());
                let row = args![link.as_str(), kept.as_str(), folded.as_str(), self.by.as_str(), why.as_str(), self.at];
                let set = args![folded, Some(link.as_str()), Some(kept.as_str())];
                [(sql::PUT_LINK, row.to_vec()), (sql::SET_LINK, set.to_vec())].into_iter().chain(roots(moved)).collect()
            }
            CustomerChange::Unmerged { link, customer, moved } => {
                let undone = args![link.to_string(), self.by.as_str(), self.at];
                let free = args![customer.to_string(), None::<&str>, None::<&str>];
                [(sql::LINK_UNDONE, undone.to_vec()), (sql::SET_LINK, free.to_vec())].into_iter().chain(roots(moved)).collect()
            }
            CustomerChange::Noted { note, customer, case, body } => one(
                sql::PUT_NOTE,
                &args![note.to_string(), customer.to_string(), text(*case), body.as_str(), self.by.as_str(), self.at],
            ),
            CustomerChange::CasePut(row) => self.case_put(row),
            CustomerChange::ConversationMoved { conversation, customer, case } => {
                one(sql::CONVERSATION_MOVED, &args![conversation.to_string(), text(*customer), text(*case)])
            }
            CustomerChange::InteractionStarted(row) => {
                let (thread, spell) = interaction_put(row);
                vec![(sql::PUT_CONVERSATION, thread.to_vec()), (sql::PUT_INTERACTION, spell.to_vec())]
            }
            CustomerChange::InteractionEnded { interaction, queue, agent } => {
                one(sql::INTERACTION_ENDED, &args![interaction.to_string(), queue.as_deref(), agent.as_deref(), self.at])
            }
            CustomerChange::Disposed { interaction, disposition } => {
                one(sql::INTERACTION_DISPOSED, &args![interaction.to_string(), disposition.as_str(), self.by.as_str(), self.at])
            }
            CustomerChange::DispositionPut(DispositionRow { code, label, offered }) => {
                one(sql::PUT_DISPOSITION, &args![code.as_str(), label.as_str(), *offered])
            }
            CustomerChange::ConsentPut(rule) => vec![consent_put(rule)],
            CustomerChange::ConsentEnded { consent } => one(sql::CONSENT_ENDED, &args![consent.to_string(), self.at]),
            CustomerChange::Erased { customer } => {
                let customer = customer.to_string();
                vec![
                    (sql::DROP_IDENTITIES, args![customer.as_str()].to_vec()),
                    (sql::CUSTOMER_ERASED, args![customer.as_str(), self.at].to_vec()),
                ]
            }
            CustomerChange::ReadUpTo(seq) => one(sql::PUT_CURSOR, &args![*seq]),
        }
    }

    /// A case, and its status where that is new.
    fn case_put(&self, row: &CaseRow) -> Vec<Statement> {
        let mut all = vec![case_put(row)];
        if row.status_at == self.at {
            let state = args![row.case.to_string(), row.status_at, row.status.word(), row.status_by.as_str()];
            all.push((sql::PUT_CASE_STATE, state.to_vec()));
        }
        all
    }
}

pub(super) fn text<T: ToString>(id: Option<T>) -> Option<String> {
    id.map(|id| id.to_string())
}

fn roots(moved: &Moved) -> impl Iterator<Item = Statement> {
    moved.iter().map(|(customer, root)| (sql::SET_ROOT, args![customer.to_string(), root.to_string()].to_vec()))
}

fn identity_put(row: &IdentityRow) -> Statement {
    let IdentityRow { customer, identity, verified, source, confidence, valid_from, valid_to } = row;
    let (kind, value, confidence) = (identity.kind().word(), identity.value(), u32::from(*confidence));
    let row = args![kind, value, customer.to_string(), *verified, source.as_str(), confidence, *valid_from, *valid_to];
    (sql::PUT_IDENTITY, row.to_vec())
}

fn identity_gone(customer: CustomerId, identity: &Identity) -> Statement {
    (sql::DROP_IDENTITY, args![identity.kind().word(), identity.value(), customer.to_string()].to_vec())
}

fn case_put(row: &CaseRow) -> Statement {
    let CaseRow { case, customer, subject, topic, status, outcome, reopen_window_s, opened_at, touched_at, solved_at, .. } = row;
    let (case, customer) = (case.to_string(), customer.to_string());
    let (topic, outcome, status) = (topic.as_deref(), outcome.as_deref(), status.word());
    let (subject, by) = (subject.as_str(), row.status_by.as_str());
    let row = args![
        case,
        customer,
        subject,
        topic,
        status,
        outcome,
        *reopen_window_s,
        *opened_at,
        *touched_at,
        *solved_at,
        by,
        row.status_at,
        row.respond_within_s.map(u64::from),
        row.resolve_within_s.map(u64::from)
    ];
    (sql::PUT_CASE, row.to_vec())
}

fn interaction_put(row: &InteractionRow) -> ([Arg; 5], [Arg; 9]) {
    let conversation = row.conversation.to_string();
    let (kind, value) = row.identity.as_ref().map_or(("", ""), |identity| (identity.kind().word(), identity.value()));
    let thread = args![conversation.as_str(), text(row.customer), text(row.case), row.channel.word(), row.started_at];
    let spell = args![
        row.interaction.to_string(),
        conversation,
        row.channel.word(),
        if row.inbound { "inbound" } else { "outbound" },
        kind,
        value,
        json(&row.candidates),
        text(row.call),
        row.started_at,
    ];
    (thread, spell)
}

fn consent_put(rule: &Rule) -> Statement {
    let (kind, value, customer) = match &rule.whose {
        Whose::Identity(identity) => (identity.kind().word(), identity.value(), None),
        Whose::Customer(customer) => ("", "", Some(customer.to_string())),
    };
    let row = args![
        rule.consent.to_string(),
        kind,
        value,
        customer,
        rule.allowed,
        rule.purpose.as_deref(),
        rule.channel.map(Channel::word),
        rule.jurisdiction.as_deref(),
        rule.source.as_str(),
        rule.proof.as_deref(),
        rule.valid_from,
        rule.valid_to,
    ];
    (sql::PUT_CONSENT, row.to_vec())
}
