//! How customers and what belongs to them are read: always by who they are after all merges.

use tandem_switch::{
    customers::{
        Channel, Identity, IdentityKind,
        cases::CaseStatus,
        consent::{Rule, Whose},
        folded,
        links::Links,
        matching::Holder,
    },
    id::{CaseId, ConsentId, ConversationId, CustomerId, InteractionId, LinkId, NoteId},
    time::Timestamp,
};

use super::{
    CaseRow, CaseState, CustomerRow, DispositionRow, IdentityRow, InteractionRow, LinkRow, NoteRow, Store, StoreError,
    customers_put::text,
    customers_sql as sql,
    db::{Row, args},
};

/// Sorts after every identifier.
const AFTER_ALL: &str = "~";

impl Store {
    /// One customer, as they were made.
    pub async fn customer(&self, customer: CustomerId) -> Result<Option<CustomerRow>, StoreError> {
        self.db.fetch_one(sql::CUSTOMER, &args![customer.to_string()]).await?.as_ref().map(customer_row).transpose()
    }

    /// A page of customers, newest first; `name` is the begin of words of their name.
    pub async fn customers_by_name(
        &self,
        name: &str,
        before: Option<CustomerId>,
        limit: u32,
    ) -> Result<Vec<CustomerRow>, StoreError> {
        let name = folded(name).replace('!', "!!").replace('%', "!%").replace('_', "!_");
        let pattern = if name.is_empty() { String::new() } else { format!("% {name}%") };
        let before = text(before).unwrap_or_else(|| AFTER_ALL.to_owned());
        let rows = self.db.fetch(sql::CUSTOMERS_BY_NAME, &args![before, pattern, limit]).await?;
        rows.iter().map(customer_row).collect()
    }

    /// The next customers in the order of their identifiers; `None` for the first ones.
    pub async fn customers_after(&self, after: Option<CustomerId>, limit: u32) -> Result<Vec<CustomerRow>, StoreError> {
        let after = text(after).unwrap_or_default();
        self.db.fetch(sql::CUSTOMERS_AFTER, &args![after, limit]).await?.iter().map(customer_row).collect()
    }

    /// The links among whole families, by their roots.
    pub async fn customer_links(&self, roots: &[CustomerId]) -> Result<Links, StoreError> {
        let mut members = Vec::new();
        for root in roots {
            for row in self.db.fetch(sql::FAMILY, &args![root.to_string()]).await? {
                let link = maybe(&row, "link_id")?.zip(maybe(&row, "merged_into")?);
                members.push((row.parsed("customer_id")?, link));
            }
        }
        Ok(Links::new(members))
    }

    /// The root of the family that a link holds together; `None` when it does not hold.
    pub async fn link_root(&self, link: LinkId) -> Result<Option<CustomerId>, StoreError> {
        let row = self.db.fetch_one(sql::LINK_HOLDS, &args![link.to_string()]).await?;
        row.map(|row| row.parsed("root_id")).transpose()
    }

    /// The merges that hold in a family.
    pub async fn links_of(&self, root: CustomerId) -> Result<Vec<LinkRow>, StoreError> {
        let read = |row: &Row| {
            Ok(LinkRow {
                link: row.parsed("link_id")?,
                kept: row.parsed("kept")?,
                folded: row.parsed("folded")?,
                by: row.get("merged_by")?,
                why: row.get("why")?,
                at: row.at("merged_us")?,
            })
        };
        self.db.fetch(sql::LINKS_OF, &args![root.to_string()]).await?.iter().map(read).collect()
    }

    /// All addresses of a family.
    pub async fn identities_of(&self, root: CustomerId) -> Result<Vec<IdentityRow>, StoreError> {
        self.db.fetch(sql::IDENTITIES_OF, &args![root.to_string()]).await?.iter().map(identity_row).collect()
    }

    /// Who has an address: after all merges.
    pub async fn holders(&self, identity: &Identity) -> Result<Vec<Holder>, StoreError> {
        let read = |row: &Row| {
            Ok(Holder {
                customer: row.parsed("root_id")?,
                confidence: u8::try_from(row.count("confidence")?).unwrap_or(0),
                valid_from: row.at("valid_from_us")?,
                valid_to: row.maybe_at("valid_to_us")?,
            })
        };
        let of = args![identity.kind().word(), identity.value()];
        self.db.fetch(sql::HOLDERS, &of).await?.iter().map(read).collect()
    }

    /// One case.
    pub async fn case(&self, case: CaseId) -> Result<Option<CaseRow>, StoreError> {
        self.db.fetch_one(sql::CASE, &args![case.to_string()]).await?.as_ref().map(case_row).transpose()
    }

    /// The cases of a family, the one touched last first.
    pub async fn cases_of(&self, root: CustomerId, limit: u32) -> Result<Vec<CaseRow>, StoreError> {
        self.db.fetch(sql::CASES_OF, &args![root.to_string(), limit]).await?.iter().map(case_row).collect()
    }

    /// Each status that a case had, the first one first; at most 1000.
    pub async fn case_states(&self, case: CaseId) -> Result<Vec<CaseState>, StoreError> {
        let read = |row: &Row| Ok(CaseState { status: status(row)?, by: row.get("changed_by")?, at: row.at("at_us")? });
        self.db.fetch(sql::CASE_STATES, &args![case.to_string()]).await?.iter().map(read).collect()
    }

    /// Cases that are open and of which something is promised, the oldest first.
    pub async fn cases_promised(&self, limit: u32) -> Result<Vec<CaseRow>, StoreError> {
        self.db.fetch(sql::CASES_PROMISED, &args![limit]).await?.iter().map(case_row).collect()
    }

    /// When somebody of ours first spoke with the customer about a case, since a moment.
    pub async fn replied(&self, case: CaseId, since: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let row = self.db.fetch_one(sql::REPLIED, &args![case.to_string(), since]).await?;
        row.map_or(Ok(None), |row| row.maybe_at("at_us"))
    }

    /// Every code for what an interaction was, those that are not offered any more among them.
    pub async fn dispositions(&self) -> Result<Vec<DispositionRow>, StoreError> {
        let read =
            |row: &Row| Ok(DispositionRow { code: row.get("code")?, label: row.get("label")?, offered: row.get("offered")? });
        self.db.fetch(sql::DISPOSITIONS, &[]).await?.iter().map(read).collect()
    }

    /// Whose a conversation is, and its case; `None`: there is none.
    pub async fn conversation(
        &self,
        conversation: ConversationId,
    ) -> Result<Option<(Option<CustomerId>, Option<CaseId>)>, StoreError> {
        let row = self.db.fetch_one(sql::CONVERSATION, &args![conversation.to_string()]).await?;
        row.map(|row| Ok((maybe(&row, "customer_id")?, maybe(&row, "case_id")?))).transpose()
    }

    /// Conversations of a customer, as they were made, that came by an address.
    pub async fn conversations_by(&self, identity: &Identity, customer: CustomerId) -> Result<Vec<ConversationId>, StoreError> {
        let of = args![identity.kind().word(), identity.value(), customer.to_string()];
        self.db.fetch(sql::CONVERSATIONS_BY, &of).await?.iter().map(|row| row.parsed("conversation_id")).collect()
    }

    /// One spell of contact.
    pub async fn interaction(&self, interaction: InteractionId) -> Result<Option<InteractionRow>, StoreError> {
        let row = self.db.fetch_one(sql::INTERACTION, &args![interaction.to_string()]).await?;
        row.as_ref().map(interaction_row).transpose()
    }

    /// Spells of contact with a family, newest first.
    pub async fn interactions_of(
        &self,
        root: CustomerId,
        before: Option<InteractionId>,
        limit: u32,
    ) -> Result<Vec<InteractionRow>, StoreError> {
        let before = text(before).unwrap_or_else(|| AFTER_ALL.to_owned());
        let rows = self.db.fetch(sql::INTERACTIONS_OF, &args![root.to_string(), before, limit]).await?;
        rows.iter().map(interaction_row).collect()
    }

    /// What was written about a family, newest first.
    pub async fn notes_of(&self, root: CustomerId, before: Option<NoteId>, limit: u32) -> Result<Vec<NoteRow>, StoreError> {
        let before = text(before).unwrap_or_else(|| AFTER_ALL.to_owned());
        let read = |row: &Row| {
            let (note, case) = (row.parsed("note_id")?, maybe(row, "case_id")?);
            Ok(NoteRow { note, case, body: row.get("body")?, by: row.get("written_by")?, at: row.at("at_us")? })
        };
        self.db.fetch(sql::NOTES_OF, &args![root.to_string(), before, limit]).await?.iter().map(read).collect()
    }

    /// Every consent and suppression of an address and of the customer who has it.
    pub async fn consent_rules(
        &self,
        identity: Option<&Identity>,
        customer: Option<CustomerId>,
    ) -> Result<Vec<Rule>, StoreError> {
        let mut rows = Vec::new();
        if let Some(identity) = identity {
            let of = args![identity.kind().word(), identity.value()];
            rows.extend(self.db.fetch(sql::CONSENTS_OF_IDENTITY, &of).await?);
        }
        let mut rules: Vec<Rule> = rows.iter().map(rule_row).collect::<Result<_, _>>()?;
        // Who was erased and must not be contacted is known by a hash of the address, and by nothing else.
        if let Some(identity) = identity
            && let Some(hashed) = self.hashed(identity).await?
        {
            for row in self.db.fetch(sql::CONSENTS_OF_IDENTITY, &args![hashed.kind().word(), hashed.value()]).await? {
                rules.push(Rule { whose: Whose::Identity(identity.clone()), ..rule_row(&row)? });
            }
        }
        if let Some(customer) = customer {
            let rows = self.db.fetch(sql::CONSENTS_OF_CUSTOMER, &args![customer.to_string()]).await?;
            rules.extend(rows.iter().map(rule_row).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(rules)
    }

    /// Whether there is such a consent or suppression.
    pub async fn has_consent(&self, consent: ConsentId) -> Result<bool, StoreError> {
        Ok(self.db.fetch_one(sql::CONSENT, &args![consent.to_string()]).await?.is_some())
    }

    /// How far the journal was read for calls; `None`: never.
    pub async fn customers_read_up_to(&self) -> Result<Option<i64>, StoreError> {
        self.db.fetch_one(sql::CURSOR, &[]).await?.map(|row| row.get("seq")).transpose()
    }
}

/// An identifier that may be absent.
pub(super) fn maybe<T: std::str::FromStr>(row: &Row, column: &'static str) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| text.parse()).transpose().map_err(|_| StoreError::Unreadable { column })
}

fn customer_row(row: &Row) -> Result<CustomerRow, StoreError> {
    Ok(CustomerRow {
        customer: row.parsed("customer_id")?,
        name: row.get("name")?,
        language: row.get("language")?,
        attributes: row.json("attributes")?,
        root: row.parsed("root_id")?,
        created_at: row.at("created_us")?,
        changed_at: row.at("changed_us")?,
    })
}

/// The address in two columns; `None` where they are empty.
fn identity(row: &Row) -> Result<Option<Identity>, StoreError> {
    let kind: String = row.get("kind")?;
    if kind.is_empty() {
        return Ok(None);
    }
    let kind = IdentityKind::of(&kind).ok_or(StoreError::Unreadable { column: "kind" })?;
    Ok(Some(Identity::kept(kind, row.get("value")?)))
}

pub(super) fn identity_row(row: &Row) -> Result<IdentityRow, StoreError> {
    Ok(IdentityRow {
        customer: row.parsed("customer_id")?,
        identity: identity(row)?.ok_or(StoreError::Unreadable { column: "kind" })?,
        verified: row.get("verified")?,
        source: row.get("source")?,
        confidence: u8::try_from(row.count("confidence")?).unwrap_or(0),
        valid_from: row.at("valid_from_us")?,
        valid_to: row.maybe_at("valid_to_us")?,
    })
}

fn status(row: &Row) -> Result<CaseStatus, StoreError> {
    CaseStatus::of(row.get("status")?).ok_or(StoreError::Unreadable { column: "status" })
}

fn seconds(row: &Row, column: &'static str) -> Result<Option<u32>, StoreError> {
    Ok(row.get::<Option<i64>>(column)?.and_then(|seconds| u32::try_from(seconds).ok()))
}

fn case_row(row: &Row) -> Result<CaseRow, StoreError> {
    Ok(CaseRow {
        case: row.parsed("case_id")?,
        customer: row.parsed("customer_id")?,
        subject: row.get("subject")?,
        topic: row.get("topic")?,
        status: status(row)?,
        outcome: row.get("outcome")?,
        reopen_window_s: u32::try_from(row.count("reopen_window_s")?).unwrap_or(0),
        respond_within_s: seconds(row, "respond_within_s")?,
        resolve_within_s: seconds(row, "resolve_within_s")?,
        opened_at: row.at("opened_us")?,
        touched_at: row.at("touched_us")?,
        solved_at: row.maybe_at("solved_us")?,
        status_by: row.get("status_by")?,
        status_at: row.at("status_us")?,
    })
}

fn interaction_row(row: &Row) -> Result<InteractionRow, StoreError> {
    Ok(InteractionRow {
        interaction: row.parsed("interaction_id")?,
        conversation: row.parsed("conversation_id")?,
        customer: maybe(row, "customer_id")?,
        case: maybe(row, "case_id")?,
        channel: Channel::of(row.get("channel")?).ok_or(StoreError::Unreadable { column: "channel" })?,
        inbound: row.get::<&str>("direction")? == "inbound",
        identity: identity(row)?,
        candidates: row.json("candidates")?,
        call: maybe(row, "call_id")?,
        queue: row.get("queue")?,
        agent: row.get("agent")?,
        started_at: row.at("started_us")?,
        ended_at: row.maybe_at("ended_us")?,
        disposition: row.get("disposition")?,
    })
}

pub(super) fn rule_row(row: &Row) -> Result<Rule, StoreError> {
    let channel: Option<String> = row.get("channel")?;
    let unreadable = StoreError::Unreadable { column: "channel" };
    Ok(Rule {
        consent: row.parsed("consent_id")?,
        whose: match identity(row)? {
            Some(identity) => Whose::Identity(identity),
            None => Whose::Customer(row.parsed("customer_id")?),
        },
        allowed: row.get("allowed")?,
        purpose: row.get("purpose")?,
        channel: channel.map(|word| Channel::of(&word).ok_or(unreadable)).transpose()?,
        jurisdiction: row.get("jurisdiction")?,
        source: row.get("source")?,
        proof: row.get("proof")?,
        valid_from: row.at("valid_from_us")?,
        valid_to: row.maybe_at("valid_to_us")?,
    })
}
