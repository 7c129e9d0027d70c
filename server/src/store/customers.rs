//! Customers and what belongs to them: what is written down, and how it is read.
//!
//! Each change is a [`CustomerNews`] in the journal and a few statements beside it, in one transaction. Rows keep the customer
//! that they were made for; who that is after all merges stands in `root_id`, and every question asks by it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_switch::{
    customers::{
        Channel, Identity,
        cases::{CaseHead, CaseStatus},
        clocks::Promises,
        consent::Rule,
        links::Moved,
        matching::Candidate,
    },
    id::{CallId, CaseId, ConsentId, ConversationId, CustomerId, InteractionId, LinkId, NoteId},
    time::Timestamp,
};

/// Something became of a customer or of what belongs to one.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomerNews {
    /// Who did it: a token's name, or what of ours.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: CustomerChange,
}

/// What became of a customer. Each is called as the journal calls it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CustomerChange {
    /// They are there, or are called otherwise.
    #[serde(rename = "customer-put")]
    Put(CustomerRow),
    /// They have an address.
    #[serde(rename = "identity-put")]
    IdentityPut(IdentityRow),
    /// They do not have it any more.
    #[serde(rename = "identity-gone")]
    IdentityGone {
        /// Who.
        customer: CustomerId,
        /// Which.
        identity: Identity,
    },
    /// An address, and what came by it, is another customer's.
    #[serde(rename = "identity-moved")]
    IdentityMoved {
        /// As it is now.
        row: IdentityRow,
        /// Whose it was.
        from: CustomerId,
    },
    /// Two customers are one.
    #[serde(rename = "customers-merged")]
    Merged {
        /// The link.
        link: LinkId,
        /// Who gives the name.
        kept: CustomerId,
        /// Who is the same.
        folded: CustomerId,
        /// Why, in words.
        why: String,
        /// Who is whom.
        moved: Moved,
    },
    /// They are not.
    #[serde(rename = "customers-unmerged")]
    Unmerged {
        /// The link.
        link: LinkId,
        /// Who is their own again.
        customer: CustomerId,
        /// Who is whom.
        moved: Moved,
    },
    /// Somebody wrote something.
    #[serde(rename = "customer-noted")]
    Noted {
        /// Which.
        note: NoteId,
        /// About whom.
        customer: CustomerId,
        /// About which case.
        case: Option<CaseId>,
        /// What.
        body: String,
    },
    /// A case is there, or is otherwise.
    #[serde(rename = "case-put")]
    CasePut(CaseRow),
    /// A conversation belongs to another case or customer.
    #[serde(rename = "conversation-moved")]
    ConversationMoved {
        /// Which.
        conversation: ConversationId,
        /// Whose it is.
        customer: Option<CustomerId>,
        /// Its case.
        case: Option<CaseId>,
    },
    /// A spell of contact began, with its conversation.
    #[serde(rename = "interaction-started")]
    InteractionStarted(InteractionRow),
    /// It is over.
    #[serde(rename = "interaction-ended")]
    InteractionEnded {
        /// Which.
        interaction: InteractionId,
        /// Its last queue.
        queue: Option<String>,
        /// Its last agent.
        agent: Option<String>,
    },
    /// Somebody said what it was about.
    #[serde(rename = "interaction-disposed")]
    Disposed {
        /// Which.
        interaction: InteractionId,
        /// What.
        disposition: String,
    },
    /// A code that agents may say of an interaction, or may not any more.
    #[serde(rename = "disposition-put")]
    DispositionPut(DispositionRow),
    /// A consent or a suppression.
    #[serde(rename = "consent-put")]
    ConsentPut(Rule),
    /// It ends.
    #[serde(rename = "consent-ended")]
    ConsentEnded {
        /// Which.
        consent: ConsentId,
    },
    /// They are nobody any more: their addresses are nobody's.
    #[serde(rename = "customer-erased")]
    Erased {
        /// Who.
        customer: CustomerId,
    },
    /// The journal was read up to here for calls: only the table changes.
    #[serde(rename = "customers-read-up-to")]
    ReadUpTo(i64),
}

/// A customer by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerRow {
    /// Which.
    pub customer: CustomerId,
    /// What they are called; may be empty.
    pub name: String,
    /// The language that they prefer; empty: not known.
    pub language: String,
    /// What else is known.
    pub attributes: BTreeMap<String, String>,
    /// Who they are after all merges.
    #[serde(skip, default = "nobody")]
    pub root: CustomerId,
    /// Since when they are known.
    #[serde(skip)]
    pub created_at: Timestamp,
    /// The last change.
    #[serde(skip)]
    pub changed_at: Timestamp,
}

const fn nobody() -> CustomerId {
    CustomerId(0)
}

/// One address of a customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRow {
    /// Whose.
    pub customer: CustomerId,
    /// Which.
    pub identity: Identity,
    /// Somebody made sure that it is theirs.
    pub verified: bool,
    /// Who says so.
    pub source: String,
    /// How sure, 0 to 100.
    pub confidence: u8,
    /// Theirs since.
    pub valid_from: Timestamp,
    /// Theirs until.
    pub valid_to: Option<Timestamp>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseRow {
    /// Which.
    pub case: CaseId,
    /// Whose.
    pub customer: CustomerId,
    /// What it is, in words.
    pub subject: String,
    /// What it is about, in one word; that of a call is its queue.
    pub topic: Option<String>,
    /// How far.
    pub status: CaseStatus,
    /// What came of it.
    pub outcome: Option<String>,
    /// How long it can be gone on with after it was solved, in s.
    pub reopen_window_s: u32,
    /// An answer is promised within that, in s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respond_within_s: Option<u32>,
    /// A solution is promised within that, in s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_within_s: Option<u32>,
    /// Its begin.
    pub opened_at: Timestamp,
    /// The last thing that happened to it.
    pub touched_at: Timestamp,
    /// When it was solved.
    pub solved_at: Option<Timestamp>,
    /// Who made the status what it is.
    pub status_by: String,
    /// When.
    pub status_at: Timestamp,
}

/// A status that a case had from some moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseState {
    /// Which.
    pub status: CaseStatus,
    /// Who made it so.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A code for what an interaction was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispositionRow {
    /// The code.
    pub code: String,
    /// What it means, for people.
    pub label: String,
    /// Agents may still say it.
    pub offered: bool,
}

impl CaseRow {
    /// Gives it a status; one that it has already changes nothing.
    pub fn set_status(&mut self, status: CaseStatus, by: &str, at: Timestamp) {
        if self.status == status {
            return;
        }
        self.solved_at = match (status.is_open(), self.solved_at) {
            (true, _) => None,
            (false, solved_at) => solved_at.or(Some(at)),
        };
        (self.status, self.status_by, self.status_at) = (status, by.to_owned(), at);
    }

    /// What is promised.
    #[must_use]
    pub const fn promises(&self) -> Promises {
        Promises { respond_within_s: self.respond_within_s, resolve_within_s: self.resolve_within_s }
    }

    /// What has to be known to go on with it.
    #[must_use]
    pub fn head(&self) -> CaseHead {
        CaseHead {
            case: self.case,
            status: self.status,
            topic: self.topic.clone(),
            touched_at: self.touched_at,
            solved_at: self.solved_at,
            reopen_window_s: self.reopen_window_s,
        }
    }
}

/// One spell of contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InteractionRow {
    /// Which.
    pub interaction: InteractionId,
    /// Of which conversation.
    pub conversation: ConversationId,
    /// With whom, where that is certain.
    pub customer: Option<CustomerId>,
    /// About what.
    pub case: Option<CaseId>,
    /// On which channel.
    pub channel: Channel,
    /// The customer began it.
    pub inbound: bool,
    /// Their address; `None` where it was withheld or cannot be read.
    pub identity: Option<Identity>,
    /// Who it may be, where that is not certain.
    pub candidates: Vec<Candidate>,
    /// The call.
    pub call: Option<CallId>,
    /// The last queue.
    pub queue: Option<String>,
    /// The last agent.
    pub agent: Option<String>,
    /// Its begin.
    pub started_at: Timestamp,
    /// Its end.
    pub ended_at: Option<Timestamp>,
    /// What an agent says it was.
    pub disposition: Option<String>,
}

/// Something written about a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteRow {
    /// Which.
    pub note: NoteId,
    /// About which case.
    pub case: Option<CaseId>,
    /// What.
    pub body: String,
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A merge that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// Which.
    pub link: LinkId,
    /// Who gives the name.
    pub kept: CustomerId,
    /// Who is the same.
    pub folded: CustomerId,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}
