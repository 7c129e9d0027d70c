//! Customers as they are shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    http::view::At,
    store::{CaseRow, CaseState, CustomerRow, IdentityRow, InteractionRow, LinkRow, NoteRow},
};

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomerView {
    /// Which.
    pub customer: String,
    /// What they are called; may be empty.
    pub name: String,
    /// The language that they prefer; empty: not known.
    pub language: String,
    /// What else is known.
    pub attributes: BTreeMap<String, String>,
    /// Known since.
    pub created_at: At,
    /// The last change of what stands here.
    pub changed_at: At,
}

impl From<CustomerRow> for CustomerView {
    fn from(row: CustomerRow) -> Self {
        Self {
            customer: row.customer.to_string(),
            name: row.name,
            language: row.language,
            attributes: row.attributes,
            created_at: At(row.created_at),
            changed_at: At(row.changed_at),
        }
    }
}

/// A page of customers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomerPage {
    /// Newest first.
    pub customers: Vec<CustomerView>,
    /// Give it as `before` to get the next page; absent on the last one.
    pub next: Option<String>,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IdentityView {
    /// `phone`, `email`, `whatsapp`, `chat-token` or `external`.
    pub kind: String,
    /// Normalised.
    pub value: String,
    /// Somebody made sure that it is theirs.
    pub verified: bool,
    /// Who says so.
    pub source: String,
    /// How sure, 0 to 100.
    pub confidence: u8,
    /// Theirs since.
    pub valid_from: At,
    /// Theirs until.
    pub valid_to: Option<At>,
}

impl From<&IdentityRow> for IdentityView {
    fn from(row: &IdentityRow) -> Self {
        Self {
            kind: row.identity.kind().word().to_owned(),
            value: row.identity.value().to_owned(),
            verified: row.verified,
            source: row.source.clone(),
            confidence: row.confidence,
            valid_from: At(row.valid_from),
            valid_to: row.valid_to.map(At),
        }
    }
}

/// A merge that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MergeView {
    /// `DELETE /api/v1/merges/{link}` undoes it.
    pub link: String,
    /// Who gives the name.
    pub kept: String,
    /// Who is the same.
    pub folded: String,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: At,
}

/// A customer with all that is known of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomerDetail {
    /// They.
    #[serde(flatten)]
    pub customer: CustomerView,
    /// Their addresses.
    pub identities: Vec<IdentityView>,
    /// What they were made of.
    pub merges: Vec<MergeView>,
}

impl CustomerDetail {
    pub(super) fn new(row: CustomerRow, identities: &[IdentityRow], links: Vec<LinkRow>) -> Self {
        let merge = |row: LinkRow| MergeView {
            link: row.link.to_string(),
            kept: row.kept.to_string(),
            folded: row.folded.to_string(),
            by: row.by,
            why: row.why,
            at: At(row.at),
        };
        Self { customer: row.into(), identities: super::shown(identities), merges: links.into_iter().map(merge).collect() }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// Which: of an interaction, or of a note.
    pub id: String,
    /// `interaction` or `note`.
    pub kind: String,
    /// When.
    pub at: At,
    /// Of which case.
    pub case: Option<String>,
    /// The channel of an interaction.
    pub channel: Option<String>,
    /// `inbound` or `outbound`, of an interaction.
    pub direction: Option<String>,
    /// The call of an interaction.
    pub call: Option<String>,
    /// Its last queue.
    pub queue: Option<String>,
    /// Its last agent, or who wrote the note.
    pub by: Option<String>,
    /// When it was over.
    pub ended_at: Option<At>,
    /// What an agent says it was.
    pub disposition: Option<String>,
    /// What a note says.
    pub body: Option<String>,
}

impl From<InteractionRow> for TimelineEntry {
    fn from(row: InteractionRow) -> Self {
        Self {
            id: row.interaction.to_string(),
            kind: "interaction".to_owned(),
            at: At(row.started_at),
            case: row.case.map(|case| case.to_string()),
            channel: Some(row.channel.word().to_owned()),
            direction: Some(if row.inbound { "inbound" } else { "outbound" }.to_owned()),
            call: row.call.map(|call| call.to_string()),
            queue: row.queue,
            by: row.agent,
            ended_at: row.ended_at.map(At),
            disposition: row.disposition,
            body: None,
        }
    }
}

impl From<NoteRow> for TimelineEntry {
    fn from(row: NoteRow) -> Self {
        Self {
            id: row.note.to_string(),
            kind: "note".to_owned(),
            at: At(row.at),
            case: row.case.map(|case| case.to_string()),
            channel: None,
            direction: None,
            call: None,
            queue: None,
            by: Some(row.by),
            ended_at: None,
            disposition: None,
            body: Some(row.body),
        }
    }
}

/// A page of what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// Newest first.
    pub entries: Vec<TimelineEntry>,
    /// Give it as `before` to get the next page; absent on the last one.
    pub next: Option<String>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseView {
    /// Which.
    pub case: String,
    /// Whose.
    pub customer: String,
    /// What it is, in words.
    pub subject: String,
    /// What it is about, in one word.
    pub topic: Option<String>,
    /// `open`, `pending`, `solved` or `closed`.
    pub status: String,
    /// What came of it.
    pub outcome: Option<String>,
    /// How long a new contact opens it again after it was solved, in s.
    pub reopen_window_s: u32,
    /// An answer is promised within that, in s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respond_within_s: Option<u32>,
    /// A solution is promised within that, in s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_within_s: Option<u32>,
    /// Its begin.
    pub opened_at: At,
    /// The last thing that happened to it.
    pub touched_at: At,
    /// When it was solved.
    pub solved_at: Option<At>,
    /// Who made the status what it is.
    pub status_by: String,
    /// When.
    pub status_at: At,
}

/// A status that a case had from some moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseStateView {
    /// `open`, `pending`, `solved` or `closed`.
    pub status: String,
    /// Who made it so.
    pub by: String,
    /// When.
    pub at: At,
}

impl From<CaseState> for CaseStateView {
    fn from(state: CaseState) -> Self {
        Self { status: state.status.word().to_owned(), by: state.by, at: At(state.at) }
    }
}

impl From<CaseRow> for CaseView {
    fn from(row: CaseRow) -> Self {
        Self {
            case: row.case.to_string(),
            customer: row.customer.to_string(),
            subject: row.subject,
            topic: row.topic,
            status: row.status.word().to_owned(),
            outcome: row.outcome,
            reopen_window_s: row.reopen_window_s,
            respond_within_s: row.respond_within_s,
            resolve_within_s: row.resolve_within_s,
            opened_at: At(row.opened_at),
            touched_at: At(row.touched_at),
            solved_at: row.solved_at.map(At),
            status_by: row.status_by,
            status_at: At(row.status_at),
        }
    }
}
